#!/usr/bin/env python3
"""A node of another make: two families of addresses of which one leads nowhere, the read-only port, certificates and tokens
that are renewed, and pods with all that a kubelet may write into them.

The kubelet's own ports are taken in a network namespace, where nobody else has them; without the right to make one those
cases are skipped.
"""
import json
import os
import subprocess
import sys
import unittest

from harness import Agent, find_program, samples, skip, wait_for
from kubelet import Kubelet
from kubelet_node import Node
from standin import Authority

INSIDE = "NV_TEST_IN_NAMESPACE"
QUIET = ("--collector.disable-defaults", "--collector.uname", "--no-kube.annotations", "--kubelet.poll-interval=1s",
         "--kube.scrape-interval=1s")
CLUSTER = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "NODE_NAME": "node-z9"}

# A neighbour that has an address and takes nothing: what goes to 192.0.2.0/24 is never answered.
NOWHERE = """
ip link set lo up
ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up
ip addr add 198.51.100.1/24 dev v0
ip neigh add 198.51.100.2 lladdr 02:00:00:00:00:02 dev v0
ip route add 192.0.2.0/24 via 198.51.100.2 src 198.51.100.1
"""


def values(agent):
    return {name: float(value) for name, value in samples(agent.metrics()).items() if name.startswith("nodevitals_kubelet_")}


def is_up(agent):
    return values(agent).get("nodevitals_kubelet_up") == 1


def failures(agent, reason):
    return values(agent)[f'nodevitals_kubelet_request_failures_total{{reason="{reason}"}}']


def targets(agent):
    shown = json.loads(agent.get("/api/v1/targets?state=active")[2])["data"]["activeTargets"]
    return {one["scrapeUrl"]: one["health"] for one in shown if one["scrapePool"].startswith("kube")}


@unittest.skipUnless(os.environ.get(INSIDE), "it runs in a namespace")
class Addresses(unittest.TestCase):
    def flags(self, kubelet):
        return [flag for flag in kubelet.flags() if not flag.startswith("--kubelet.url")]

    def test_an_address_that_drops_everything_leads_to_the_one_of_the_other_family(self):
        env = {**CLUSTER, "HOST_IP": "192.0.2.7", "HOST_IPS": "192.0.2.7,::1"}
        with Kubelet(node=Node(pods=3), port=10250) as kubelet, \
                Agent(*QUIET, *self.flags(kubelet), "--collector.container", "--collector.container.source=kubelet",
                      env=env) as agent:
            wait_for(lambda: is_up(agent))
            self.assertEqual(failures(agent, "connect") + failures(agent, "timeout"), 0)  # within the first question
            urls = {f"https://[::1]:10250/metrics{path}" for path in ("", "/probes", "/cadvisor")}
            wait_for(lambda: targets(agent) == dict.fromkeys(urls, "up"))
            before = kubelet.counts["/pods"]
            spent = values(agent)["nodevitals_kubelet_request_seconds_total"]
            wait_for(lambda: kubelet.counts["/pods"] >= before + 5)
            after = values(agent)["nodevitals_kubelet_request_seconds_total"]
            self.assertLess(after - spent, 10)  # it stays with that one: each look at the other takes 3 s
            kubelet.down()
            wait_for(lambda: failures(agent, "connect") > 0)
            kubelet.up()
            wait_for(lambda: is_up(agent))

    def test_the_read_only_port_will_do_where_the_other_is_closed_and_no_token_goes_there(self):
        seen = []
        with Kubelet(node=Node(pods=3), tls=False, port=10255) as kubelet:
            answer = kubelet.answer

            def watch(request):
                seen.append(request.headers.get("Authorization"))
                request.headers["Authorization"] = "Bearer the-first-token"  # the port asks for none
                return answer(request)

            kubelet.answer = watch
            with Agent(*QUIET, env={**CLUSTER, "HOST_IP": "127.0.0.1"}) as agent:
                wait_for(lambda: is_up(agent))
                wait_for(lambda: targets(agent) == {"http://127.0.0.1:10255/metrics": "up",
                                                    "http://127.0.0.1:10255/metrics/probes": "up"})
                with Kubelet(node=Node(pods=4), port=10250, token=None) as secure, \
                        Agent(*QUIET, f"--kubelet.ca-file={secure.ca_file}", env={**CLUSTER, "HOST_IP": "::1"}) as second:
                    wait_for(lambda: is_up(second))
                    self.assertEqual(values(second)["nodevitals_kubelet_pods"], 4)  # not the other port, which is open
                self.assertEqual(set(seen), {None})

    def test_the_read_only_port_is_stayed_with_where_the_other_is_dropped(self):
        with Kubelet(node=Node(pods=2), tls=False, token=None, port=10255) as kubelet:
            # Of one address: TLS goes nowhere by a route for that port alone.
            subprocess.run("iptables -A INPUT -p tcp --dport 10250 -j DROP", shell=True, check=True, timeout=60)
            self.addCleanup(subprocess.run, "iptables -D INPUT -p tcp --dport 10250 -j DROP", shell=True, timeout=60)
            with Agent(*QUIET, env={**CLUSTER, "HOST_IP": "127.0.0.1"}) as agent:
                wait_for(lambda: is_up(agent))
                spent, asked = values(agent)["nodevitals_kubelet_request_seconds_total"], kubelet.counts["/pods"]
                wait_for(lambda: kubelet.counts["/pods"] >= asked + 5)
                self.assertLess(values(agent)["nodevitals_kubelet_request_seconds_total"] - spent, 12)  # each look takes 4 s

    def setUp(self):
        if "dropped" in self.id() and not find_program("iptables"):
            self.skipTest("iptables is not installed")


class Renewal(unittest.TestCase):
    def test_a_certificate_of_another_authority_is_taken_when_the_file_names_it(self):
        with Kubelet(node=Node(pods=3)) as kubelet, Agent(*QUIET, *kubelet.flags()) as agent:
            wait_for(lambda: is_up(agent))
            wait_for(lambda: set(targets(agent).values()) == {"up"})
            first, folder = kubelet.authority, os.path.join(kubelet.folder, "second")
            os.makedirs(folder)
            kubelet.authority = Authority(folder, "second")
            kubelet.certificate("right")
            kubelet.cut()
            wait_for(lambda: failures(agent, "tls") > 0)  # as long as the file names the first
            os.rename(kubelet.authority.certificate, first.certificate)
            kubelet.cut()
            wait_for(lambda: is_up(agent))
            wait_for(lambda: set(targets(agent).values()) == {"up"})

    def test_a_token_that_is_renewed_costs_no_scrape_of_an_endpoint(self):
        with Kubelet(node=Node(pods=3)) as kubelet, Agent(*QUIET, *kubelet.flags()) as agent:
            wait_for(lambda: set(targets(agent).values()) == {"up"})
            for turn in range(3):
                asked = dict(kubelet.counts)
                kubelet.rotate(f"token {turn}".replace(" ", "-"))
                wait_for(lambda: all(kubelet.counts[path] > asked[path] + 1 for path in ("/pods", "/metrics")))
                self.assertEqual(set(targets(agent).values()), {"up"})
            self.assertEqual(failures(agent, "unauthorized"), 0)


def odd_pods(port):
    """A list as no API server would write it, and every member of which somebody has."""
    said = {"prometheus.io/scrape": "True", "prometheus.io/port": f" {port} ", "prometheus.io/path": "metrics?x=%41",
            "number": 7, "nothing": None, "list": ["a"], "note": "two\nlines \u00e4 \ud83d\ude00 \"quoted\""}
    port_list = [{"containerPort": port, "protocol": "TCP", "hostPort": 0, "name": None}, {"containerPort": "http"},
                 {"containerPort": 70000}, {"containerPort": -1}, None, 5, {}]
    running = {"running": {"startedAt": "2026-05-12T11:30:00.123456789+02:00"}, "waiting": None, "paused": {"since": "x"}}
    whole = {
        "apiVersion": "v1", "kind": "Pod", "status": {
            "phase": "Running", "observedGeneration": 3, "podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}, {}, None],
            "hostIPs": [{"ip": "::1"}], "resize": "InProgress", "qosClass": "Burstable", "conditions": [
                None, {"type": "Ready", "status": "True", "lastTransitionTime": None, "lastProbeTime": None}, {"type": 5}],
            "containerStatuses": [{"name": "app", "state": running, "lastState": {}, "ready": True, "restartCount": 1e0,
                                   "containerID": "podman://" + "ab" * 32, "image": "", "imageID": None, "started": None,
                                   "allocatedResources": {"cpu": "1"}, "resources": {}, "user": {"linux": {"uid": 0}},
                                   "volumeMounts": [{"name": "v", "mountPath": "/"}]},
                                  {"name": "of nobody", "state": {}}, {"state": running}],
            "extendedResourceClaimStatus": {"requestMappings": []}},
        "spec": {"containers": [{"name": "app", "image": "a:1", "ports": port_list, "resources": {
            "limits": {"cpu": "1500u", "memory": "1e9", "example.com/x": "1"}, "requests": None, "claims": [{"name": "c"}]},
            "resizePolicy": [], "restartPolicyRules": [{"action": "Restart"}]}], "initContainers": None, "nodeName": "node-z9",
            "resources": {"limits": {"cpu": "2"}}, "schedulingGates": [], "tolerations": [{"operator": "Exists"}]},
        "metadata": {"managedFields": [{"f:metadata": {}}], "annotations": said, "labels": None, "generation": 4,
                     "creationTimestamp": "2026-05-12T09:30:00Z", "uid": "11111111-2222-3333-4444-555555555555",
                     "namespace": "odd", "name": "whole", "ownerReferences": [None, {"kind": 3}]}}
    pods = [whole, {}, {"metadata": None, "spec": None, "status": None}, {"metadata": {"name": "bare", "namespace": "odd"}},
            {"metadata": {"name": "deleting", "namespace": "odd", "uid": "u2", "deletionTimestamp": "2026-05-12T09:30:00.5-03:30",
                          "deletionGracePeriodSeconds": 0, "finalizers": ["x/y"]}, "spec": {"containers": []},
             "status": {"phase": "Unknown", "reason": "NodeLost", "containerStatuses": None}},
            {"metadata": {"name": "mirror", "namespace": "odd", "uid": "u3", "creationTimestamp": None, "annotations": {
                "kubernetes.io/config.hash": "0123456789abcdef0123456789abcdef", "kubernetes.io/config.source": "http"}},
             "spec": {"containers": [{"name": "s"}]}, "status": {"phase": "Running", "startTime": "yesterday"}}, None, 3]
    return json.dumps({"items": pods, "metadata": {"resourceVersion": "7", "remainingItemCount": None},
                       "apiVersion": "v1", "kind": "PodList"}, indent=1) + "\n\n"


class Pods(unittest.TestCase):
    def test_odd_pods_are_told_as_far_as_they_say_anything(self):
        with Kubelet(node=Node(pods=1)) as kubelet, Kubelet(node=Node(pods=1), tls=False, token=None) as target:
            kubelet.switch("/pods", body=odd_pods(target.port), kind="application/json")
            flags = [flag for flag in QUIET if flag != "--no-kube.annotations"]
            with Agent(*flags, "--collector.kube-pods", "--kubelet.endpoints=none", *kubelet.flags(), env=CLUSTER) as agent:
                wait_for(lambda: is_up(agent))
                told = values(agent)
                self.assertEqual(told["nodevitals_kubelet_pods"], 6)
                wait_for(lambda: "kube_pod_info{" in agent.metrics())
                shown = samples(agent.metrics())
                self.assertEqual(shown['node_scrape_collector_success{collector="kube-pods"}'], "1")
                status = [series for series, value in shown.items()
                          if series.startswith("kube_pod_status_phase{") and 'pod="whole"' in series and value == "1"]
                self.assertEqual(len(status), 1)
                self.assertIn('phase="Running"', status[0])
                limit = [value for series, value in shown.items() if series.startswith("kube_pod_container_resource_limits{")
                         and 'pod="whole"' in series and 'resource="memory"' in series]
                self.assertEqual(limit, ["1e+09"])
                wait_for(lambda: targets(agent) == {f"http://127.0.0.1:{target.port}/metrics?x=A": "up"})

    def test_lists_that_are_none_leave_the_agent_as_it_was(self):
        with Kubelet(node=Node(pods=2)) as kubelet, Agent(*QUIET, *kubelet.flags()) as agent:
            wait_for(lambda: is_up(agent))
            for body in ('{"kind":"PodList","items":{}}', '{"kind":"Status","status":"Failure","code":500}', "", "[]", "null",
                         '{"type":"BOOKMARK","object":{"kind":"Pod","metadata":{"resourceVersion":"12"}}}',
                         '{"kind":"PodList","items":[' + "[" * 100000, "<html>", '{"kind":"PodList","items":[]}x'):
                before = failures(agent, "malformed")
                kubelet.switch("/pods", body=body, kind="application/json")
                wait_for(lambda before=before: failures(agent, "malformed") > before)
                self.assertEqual(values(agent)["nodevitals_kubelet_pods"], 2, body[:60])
                kubelet.switch()
                wait_for(lambda: is_up(agent))
            kubelet.switch("/pods", body='{"kind":"PodList","apiVersion":"v1","metadata":{},"items":null}', kind="text/plain")
            wait_for(lambda: values(agent)["nodevitals_kubelet_pods"] == 0)
            self.assertTrue(is_up(agent))


def in_a_namespace():
    """This very test again, in a network of its own; its status, or None where that cannot be had."""
    made = subprocess.run(["unshare", "-n", "true"], capture_output=True, timeout=60, check=False)
    if made.returncode != 0 or not find_program("ip"):
        return None
    again = f"{NOWHERE}exec {sys.executable} {__file__} -v Addresses"
    return subprocess.run(["unshare", "-n", "sh", "-ec", again], env={**os.environ, INSIDE: "1"}, timeout=500,
                          check=False).returncode


if __name__ == "__main__":
    find_program("openssl") or skip("openssl is not there to make certificates")
    if not os.environ.get(INSIDE):
        status = in_a_namespace()
        if status is None:
            print("SKIP in part: no network namespace can be made here")
        elif status:
            sys.exit(status)
    unittest.main(verbosity=2)
