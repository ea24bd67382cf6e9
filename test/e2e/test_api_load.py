#!/usr/bin/env python3
"""The API under load: answers of many megabytes, readers that dawdle or hang up, more queries than threads.

Nothing here measures time but with limits that only a standstill reaches.
"""
import http.client
import socket
import tempfile
import threading
import time
import unittest
import urllib.parse

from harness import SLOW, Agent, get, wait_for

MEGA = 1 << 20


def setUpModule():
    global folder, agent
    folder = tempfile.TemporaryDirectory()
    agent = Agent("--storage.tsdb.interval=500ms", f"--storage.tsdb.path={folder.name}/history",
                  "--query.max-memory=256MB", "--query.max-concurrency=4")
    wait_for(lambda: b'"value"' in agent.get("/api/v1/query?query=count(node_cpu_seconds_total)")[2])


def tearDownModule():
    agent.stop()
    folder.cleanup()


def resident_kb():
    with open(f"/proc/{agent.process.pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))


def huge(step=0.05):
    """A request whose answer has each series at each of some six thousand steps ahead, as lookback lets it."""
    now = time.time()
    return "/api/v1/query_range?" + urllib.parse.urlencode(
        {"query": '{__name__=~".+"}', "start": now, "end": now + 290, "step": step})


def begin(path):
    """A connection on which a request has been sent."""
    client = socket.create_connection(("127.0.0.1", agent.port), timeout=SLOW)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return client


class Long(unittest.TestCase):
    def test_memory_does_not_grow_with_what_is_sent(self):
        connection = http.client.HTTPConnection("127.0.0.1", agent.port, timeout=SLOW)
        connection.request("GET", huge())
        answer = connection.getresponse()
        self.assertEqual(answer.status, 200)
        read = len(answer.read(MEGA))
        before, peak = resident_kb(), 0
        while True:
            piece = answer.read(4 * MEGA)
            read += len(piece)
            peak = max(peak, resident_kb())
            if not piece:
                break
            last = piece
        connection.close()
        self.assertTrue(last.endswith(b"}"))
        self.assertGreater(read, 50 * MEGA)
        self.assertLess(peak - before, 16 * 1024, "kilobytes while the answer was sent")

    def test_readers_that_dawdle_get_all_of_it_and_hold_up_nobody(self):
        clients = [begin(huge(2)) for _ in range(3)]
        for client in clients:
            client.recv(1000)
        for _ in range(20):
            self.assertEqual(agent.get("/metrics")[0], 200)
            self.assertEqual(agent.get("/api/v1/query?query=1")[0], 200)
        for client in clients:
            tail = b""
            while not tail.endswith(b"\r\n0\r\n\r\n"):
                piece = client.recv(1 << 16)
                self.assertTrue(piece, "cut off")
                tail = (tail + piece)[-7:]
            client.close()

    def test_clients_that_hang_up_free_their_places(self):
        for _ in range(5):
            clients = [begin(huge(1)) for _ in range(8)]  # twice as many as may run
            for client in clients[::2]:
                client.settimeout(0.05)
                try:
                    client.recv(1000)
                except socket.timeout:
                    pass
            for client in clients:
                client.close()
        for _ in range(8):
            self.assertEqual(agent.get("/api/v1/query?query=node_load1")[0], 200)


class Crowd(unittest.TestCase):
    def test_metrics_and_health_are_answered_while_all_places_are_taken(self):
        stop, answers = threading.Event(), []

        def query():
            while not stop.is_set():
                now = time.time()
                answers.append(agent.get("/api/v1/query_range?" + urllib.parse.urlencode(
                    {"query": 'sum({__name__=~".+"})', "start": now, "end": now + 290, "step": 0.2}))[0])

        threads = [threading.Thread(target=query) for _ in range(12)]
        for thread in threads:
            thread.start()
        try:
            wait_for(lambda: answers)
            for _ in range(15):
                self.assertEqual(get(agent.url + "/metrics", timeout=SLOW)[0], 200)
                self.assertEqual(get(agent.url + "/-/healthy", timeout=SLOW)[0], 200)
                self.assertEqual(get(agent.url + "/api/v1/status/buildinfo", timeout=SLOW)[0], 200)
        finally:
            stop.set()
            for thread in threads:
                thread.join(SLOW)
        self.assertEqual(set(answers), {200})

    def test_a_stop_in_the_midst_of_answers_is_quick_and_clean(self):
        with tempfile.TemporaryDirectory() as place:
            other = Agent("--storage.tsdb.interval=500ms", f"--storage.tsdb.path={place}/history")
            wait_for(lambda: b'"value"' in other.get("/api/v1/query?query=count(node_cpu_seconds_total)")[2])
            clients = []
            for _ in range(10):
                client = socket.create_connection(("127.0.0.1", other.port), timeout=SLOW)
                client.sendall(f"GET {huge(1)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                clients.append(client)
            clients[0].recv(100)
            self.assertEqual(other.stop(), 0, other.log)
            for client in clients:
                client.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
