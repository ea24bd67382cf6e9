"""The stand-in kubelet does what the tests that lean on it take for granted, seen by a client that is not ours."""
import gzip
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.request

from harness import SHARED, SLOW, find_program, get, skip
from kubelet import Kubelet
from kubelet_node import Node

find_program("openssl") or skip("openssl is not there to make certificates")
PAYLOADS = os.path.join(SHARED, "fixtures", "kubelet", "payloads")


def ask(kubelet, path, token="the-first-token", url=None, timeout=SLOW, **headers):
    """Status and body."""
    context = ssl.create_default_context(cafile=kubelet.ca_file)
    if token:
        headers["Authorization"] = "Bearer " + token
    request = urllib.request.Request((url or kubelet.url) + path,
                                     headers={name.replace("_", "-"): text for name, text in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=timeout, context=context) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


class GoodDays(unittest.TestCase):
    def test_every_path_tells_of_the_same_pods(self):
        with Kubelet(node=Node(pods=5, containers=3)) as kubelet:
            pods = json.loads(ask(kubelet, "/pods")[1])["items"]
            summary = json.loads(ask(kubelet, "/stats/summary")[1])["pods"]
            names = {pod["metadata"]["name"] for pod in pods}
            self.assertEqual(len(names), 5)
            self.assertEqual({pod["podRef"]["name"] for pod in summary}, names)
            for path in ("/metrics/cadvisor", "/metrics/resource", "/metrics/probes"):
                body = ask(kubelet, path)[1].decode()
                for name in names:
                    self.assertIn(f'pod="{name}"', body, path)
            self.assertEqual(ask(kubelet, "/healthz"), (200, b"ok"))
            self.assertEqual(ask(kubelet, "/exec")[0], 403)
            self.assertEqual(ask(kubelet, "/pods", url=kubelet.url6)[0], 200)

    def test_series_stay_while_values_change_and_a_frozen_clock_changes_nothing(self):
        node = Node(pods=4)
        with Kubelet(node=node) as kubelet:
            node.freeze(2e9)
            first = ask(kubelet, "/metrics/cadvisor")[1]
            self.assertEqual(ask(kubelet, "/metrics/cadvisor")[1], first)
            node.freeze(2e9 + 15)
            then = ask(kubelet, "/metrics/cadvisor")[1]
            series = [[line.split(b"} ")[0] for line in body.split(b"\n")] for body in (first, then)]
            self.assertEqual(series[0], series[1])
            self.assertNotEqual(first, then)

    def test_it_has_the_size_that_is_wanted(self):
        node = Node(pods=300, containers=2, cadvisor_bytes=10_000_000)
        self.assertAlmostEqual(len(node.cadvisor()) / 10e6, 1, delta=0.1)
        self.assertAlmostEqual(len(node.pods()) / 2e6, 1, delta=0.1)

    def test_pods_come_and_go(self):
        now = [1e9]
        node = Node(pods=20, churn=10, clock=lambda: now[0])
        before = {pod.uid for pod in node.slots}
        now[0] += 1
        node.settle()
        self.assertEqual(len(before & {pod.uid for pod in node.slots}), 10)
        now[0] += 3600
        node.settle()
        self.assertEqual(before & {pod.uid for pod in node.slots}, set())
        self.assertEqual(len(node.slots), 20)

    def test_a_folder_is_served_as_it_is_or_moved_to_now(self):
        if not os.path.exists(PAYLOADS):
            self.skipTest("../shared/fixtures/kubelet is not there")
        with Kubelet(PAYLOADS) as kubelet:
            with open(os.path.join(PAYLOADS, "metrics-cadvisor.txt"), "rb") as file:
                self.assertEqual(ask(kubelet, "/metrics/cadvisor")[1], file.read())
            kubelet.moved = True
            stamps = [int(line.rsplit(b" ", 1)[1]) for line in ask(kubelet, "/metrics/resource")[1].split(b"\n")
                      if line.startswith(b"pod_cpu")]
            self.assertLess(abs(max(stamps) / 1000 - time.time()), SLOW)

    def test_it_compresses_for_those_who_say_so(self):
        with Kubelet(node=Node(pods=2)) as kubelet:
            packed = ask(kubelet, "/pods", Accept_Encoding="gzip")[1]
            self.assertEqual(gzip.decompress(packed), ask(kubelet, "/pods")[1])
            kubelet.gzip = False
            self.assertEqual(ask(kubelet, "/pods", Accept_Encoding="gzip")[1], gzip.decompress(packed))

    def test_the_read_only_port_asks_for_nothing(self):
        with Kubelet(node=Node(pods=2), read_only=True) as kubelet:
            url = f"http://127.0.0.1:{kubelet.read_only_port}"
            self.assertEqual(get(url + "/pods")[0], 200)
            self.assertEqual(get(url + "/configz")[0], 404)
            self.assertEqual(ask(kubelet, "/pods", token=None)[0], 401)


class BadDays(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kubelet = Kubelet(node=Node(pods=3))

    @classmethod
    def tearDownClass(cls):
        cls.kubelet.stop()

    def tearDown(self):
        self.kubelet.switch()

    def test_a_rotated_token_ends_the_one_before(self):
        self.assertEqual(ask(self.kubelet, "/pods", token="wrong"), (401, b"Unauthorized"))
        self.kubelet.rotate("second")
        self.assertEqual(ask(self.kubelet, "/pods")[0], 401)
        with open(self.kubelet.token_file, encoding="ascii") as file:
            self.assertEqual(ask(self.kubelet, "/pods", token=file.read().strip())[0], 200)
        self.kubelet.rotate("the-first-token")

    def test_rights_that_are_missing_are_named(self):
        self.kubelet.forbid("metrics")
        status, body = ask(self.kubelet, "/metrics/cadvisor")
        self.assertEqual(status, 403)
        self.assertIn(b"subresource(s)=[metrics]", body)
        self.assertEqual(ask(self.kubelet, "/pods")[0], 200)
        self.kubelet.fine = False
        self.assertIn(b"subresource=proxy", ask(self.kubelet, "/pods")[1])
        self.kubelet.fine = True
        self.kubelet.forbid()

    def test_a_wrong_certificate_is_refused_by_a_careful_client(self):
        for kind in ("name", "other"):
            self.kubelet.certificate(kind)
            with self.assertRaises(urllib.error.URLError):
                ask(self.kubelet, "/healthz")
        self.kubelet.certificate("right")
        self.assertEqual(ask(self.kubelet, "/healthz")[0], 200)

    def test_half_an_answer_ends_early(self):
        self.kubelet.switch("/pods", half=True)
        with self.assertRaises(http.client.IncompleteRead):
            ask(self.kubelet, "/pods")
        self.assertEqual(ask(self.kubelet, "/healthz")[0], 200)

    def test_errors_and_bodies_are_as_switched(self):
        self.kubelet.switch("/pods", status=500)
        self.assertEqual(ask(self.kubelet, "/pods")[0], 500)
        self.kubelet.switch("/pods", body="[")
        self.assertEqual(ask(self.kubelet, "/pods"), (200, b"["))

    def received(self, within, most):
        """How many bytes of /pods come within so many seconds."""
        context = ssl.create_default_context(cafile=self.kubelet.ca_file)
        end, count = time.monotonic() + within, 0
        with context.wrap_socket(socket.create_connection(("127.0.0.1", self.kubelet.port), within),
                                 server_hostname="127.0.0.1") as client:
            client.sendall(b"GET /pods HTTP/1.1\r\nHost: k\r\nAuthorization: Bearer the-first-token\r\n\r\n")
            while count < most and time.monotonic() < end:
                try:
                    client.settimeout(max(0.01, end - time.monotonic()))
                    count += len(client.recv(65536))
                except TimeoutError:
                    break
        return count

    def test_what_hangs_drips_or_never_ends_outlasts_a_deadline(self):
        self.kubelet.switch("/pods", hang=True)
        self.assertEqual(self.received(0.3, 1), 0)
        self.kubelet.switch("/pods", slow=30)
        self.assertEqual(self.received(0.3, 1), 0)
        self.kubelet.switch("/pods", drip=100)
        self.assertLess(self.received(1, 1 << 20), 1 << 12)
        self.kubelet.switch("/pods", endless=True)
        self.assertGreaterEqual(self.received(SLOW, 1 << 20), 1 << 20)

    def test_down_is_nobody_there_and_up_is_the_same_port(self):
        self.kubelet.down()
        with self.assertRaises(urllib.error.URLError):
            ask(self.kubelet, "/healthz")
        self.kubelet.up()
        self.assertEqual(ask(self.kubelet, "/healthz")[0], 200)

    def test_by_hand_it_prints_its_address_and_obeys(self):
        with subprocess.Popen([sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "kubelet.py"),
                               "--plain", "--token=", "--pods=2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True) as program:
            try:
                self.assertIn("--kubelet.url=", program.stdout.readline())
                url = program.stdout.readline().strip()
                self.assertEqual(get(url + "/pods")[0], 200)
                program.stdin.write('{"switch": {"status": 503}}\n')
                program.stdin.flush()
                self.assertEqual(program.stdout.readline(), "done\n")
                self.assertEqual(get(url + "/pods")[0], 503)
            finally:
                program.kill()


if __name__ == "__main__":
    unittest.main()
