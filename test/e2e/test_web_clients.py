"""Clients that are slow, many or rude, and the ways to listen."""
import os
import re
import resource
import socket
import tempfile
import threading
import time
import unittest

from harness import BINARY, SLOW, Agent, free_port, samples, wait_for

QUICK = ("--collector.disable-defaults", "--collector.loadavg")
HEAD_SECONDS, CONNECTIONS_PER_IP, CONNECTIONS = 10, 126, 252  # src/web/limits.h
REQUEST = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"


def connect(agent, source="127.0.0.1"):
    client = socket.create_connection(("127.0.0.1", agent.port), source_address=(source, 0))
    client.settimeout(SLOW)
    return client


def healthy(agent):
    return agent.get("/-/healthy")[0] == 200


def open_files(agent):
    return len(os.listdir(f"/proc/{agent.process.pid}/fd"))


class SlowClients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.agent = Agent(*QUICK)

    @classmethod
    def tearDownClass(cls):
        cls.agent.stop()

    def test_who_drips_a_head_is_ended(self):
        """So are those who say nothing; a second connection that does its work stays."""
        begin = time.monotonic()
        drip, mute, good = connect(self.agent), connect(self.agent), connect(self.agent)
        ended = None
        sent = b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 1000
        while time.monotonic() - begin < 3 * HEAD_SECONDS and ended is None:
            try:
                drip.sendall(sent[:1])
                sent = sent[1:]
            except OSError:
                ended = time.monotonic() - begin
            good.sendall(REQUEST)
            self.assertIn(b"200 OK", good.recv(4096))
            time.sleep(0.25)
        self.assertIsNotNone(ended)
        self.assertGreater(ended, HEAD_SECONDS - 1)
        self.assertEqual(mute.recv(1), b"")
        overdue = samples(self.agent.metrics())["nodevitals_http_overdue_connections_total"]
        self.assertGreaterEqual(int(overdue), 2)
        for client in drip, mute, good:
            client.close()

    def test_who_does_not_read_holds_up_nobody(self):
        slow = connect(self.agent)
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 300)
        for _ in range(20):
            self.assertTrue(healthy(self.agent))
            self.assertIn("node_load1 ", self.agent.metrics())
        slow.close()


class ManyClients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

    def test_one_address_cannot_take_every_connection(self):
        with Agent(*QUICK) as agent:
            self.assertTrue(healthy(agent))
            before = open_files(agent)
            crowd = [connect(agent) for _ in range(CONNECTIONS_PER_IP + 50)]
            other = connect(agent, "127.0.0.9")
            other.sendall(REQUEST)
            self.assertIn(b"200 OK", other.recv(4096))
            self.assertLessEqual(open_files(agent), before + CONNECTIONS_PER_IP + 1)
            for client in [*crowd, other]:
                client.close()
            wait_for(lambda: open_files(agent) <= before + 1)
            self.assertTrue(healthy(agent))

    def test_who_comes_when_all_is_full_has_a_turn_when_others_leave(self):
        with Agent(*QUICK, "--web.listen-address=127.0.0.1:0", "--web.listen-address=127.0.0.1:0") as agent:
            self.assertTrue(healthy(agent))
            before = open_files(agent)
            for _ in range(4):
                crowd = [connect(agent, f"127.0.0.{2 + i % 8}") for i in range(CONNECTIONS + 60)]
                wait_for(lambda: open_files(agent) >= before + CONNECTIONS - 1)
                self.assertLessEqual(open_files(agent), before + CONNECTIONS)
                last = crowd.pop()
                last.sendall(REQUEST)
                spent = agent.cpu_seconds()
                time.sleep(0.5)
                self.assertLess(agent.cpu_seconds() - spent, 0.3, "it waits, and does not spin")
                for client in crowd:
                    client.close()
                self.assertIn(b"200 OK", last.recv(4096))
                last.close()
                wait_for(lambda: open_files(agent) <= before)

    def test_a_crowd_leaves_no_memory_behind(self):

        def memory():
            with open(f"/proc/{agent.process.pid}/status") as file:
                return next(int(line.split()[1]) for line in file if line.startswith("RssAnon"))
        with Agent(*QUICK) as agent:
            with open(f"/proc/{agent.process.pid}/maps") as file:
                if re.search("lib[at]san", file.read()):
                    self.skipTest("a sanitizer keeps memory that was freed")
            self.assertTrue(healthy(agent))
            before = memory()
            crowd = [connect(agent, f"127.0.0.{2 + i % 4}") for i in range(200)]
            for client in crowd:
                client.sendall(REQUEST)
                client.recv(4096)
            self.assertGreater(memory() - before, 3000)
            for client in crowd:
                client.close()
            wait_for(lambda: memory() - before < 1500, seconds=120)

    def test_nothing_grows_over_many_scrapes(self):
        def memory():
            with open(f"/proc/{agent.process.pid}/statm") as file:
                return int(file.read().split()[1]) * resource.getpagesize()
        # A sanitizer keeps what was freed, and walks through a stack of fake frames as large as it was told.
        quick_reuse = (os.environ.get("ASAN_OPTIONS", "") +
                       ":quarantine_size_mb=1:detect_stack_use_after_return=0")
        with Agent(*QUICK, env={"ASAN_OPTIONS": quick_reuse}) as agent:
            for _ in range(300):
                agent.get("/metrics", Accept_Encoding="gzip")
            before, files = memory(), open_files(agent)
            for _ in range(1500):
                agent.get("/metrics", Accept_Encoding="gzip")
            self.assertLess(memory() - before, 2 << 20)  # 1 KB leaked a scrape would be 1.5 MB
            wait_for(lambda: open_files(agent) <= files)

    def test_scrapes_at_once_all_answer(self):
        with Agent(*QUICK, "--web.max-requests=0") as agent:
            seen = []
            threads = [threading.Thread(target=lambda: seen.append(agent.get()[0])) for _ in range(60)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(SLOW)
            self.assertEqual(seen, [200] * 60)


def ask_unix(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(SLOW)
        client.connect(path)
        client.sendall(REQUEST)
        return client.recv(4096)


class Listening(unittest.TestCase):
    def test_a_socket_file_is_served_and_removed(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "sock")
            with Agent(*QUICK, "--web.listen-address=unix:" + path):
                self.assertIn(b"200 OK", ask_unix(path))
            self.assertFalse(os.path.exists(path))

    def test_both_families_and_several_addresses(self):
        port, second = free_port(), free_port()
        with Agent(*QUICK, f"--web.listen-address=:{port}", f"--web.listen-address=127.0.0.1:{second}"):
            for host, number in ("127.0.0.1", port), ("127.0.0.1", second), ("::1", port):
                try:
                    client = socket.create_connection((host, number), SLOW)
                except OSError:
                    self.assertEqual(host, "::1", "IPv6 alone may be missing here")
                    continue
                with client:
                    client.sendall(REQUEST)
                    self.assertIn(b"200 OK", client.recv(4096))

    def test_inherited_sockets_are_served_instead_of_addresses(self):
        with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as unix, \
                tempfile.TemporaryDirectory() as folder:
            tcp.bind(("127.0.0.1", 0))
            tcp.listen()
            path = os.path.join(folder, "sock")
            unix.bind(path)
            unix.listen()

            def place():  # in the child: descriptors 3 and 4, as systemd passes them
                copies = [os.dup(tcp.fileno()), os.dup(unix.fileno())]
                high = [os.dup2(fd, 100 + i, inheritable=False) for i, fd in enumerate(copies)]
                for i, fd in enumerate(high):
                    os.dup2(fd, 3 + i)
            with Agent(*QUICK, "--web.systemd-socket", "--web.listen-address=127.0.0.1:1",
                       wrapper=("sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=2 exec "$@"', "sh"),
                       preexec_fn=place, close_fds=False) as agent:
                with socket.create_connection(tcp.getsockname(), SLOW) as client:
                    client.sendall(REQUEST)
                    self.assertIn(b"200 OK", client.recv(4096))
                self.assertIn(b"200 OK", ask_unix(path))
                self.assertNotIn("127.0.0.1:1\n", agent.log + "\n")
            self.assertTrue(os.path.exists(path), "it is the manager's to remove")

    def test_vsock_where_there_is_one(self):
        port = free_port()
        try:
            probe = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
            probe.bind((socket.VMADDR_CID_ANY, port))
            probe.close()
        except (AttributeError, OSError) as error:
            self.skipTest(f"no vsock: {error}")
        with Agent(*QUICK, f"--web.listen-address=vsock://:{port}"):
            with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as client:
                client.settimeout(SLOW)
                try:
                    client.connect((1, port))  # loopback
                except OSError as error:
                    self.skipTest(f"no vsock loopback: {error}")
                client.sendall(REQUEST)
                self.assertIn(b"200 OK", client.recv(4096))


if __name__ == "__main__":
    unittest.main(verbosity=2)
