"""The life of the agent: start, signals, systemd's notifications, what goes wrong at the start."""
import json
import os
import signal
import socket
import tempfile
import time
import unittest

from harness import SLOW, Agent, Process, BINARY, free_port, run, samples, types, wait_for

QUICK = ("--collector.disable-defaults", "--collector.loadavg", "--no-storage.tsdb")


class Manager:
    """systemd's end of NOTIFY_SOCKET."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(SLOW)

    def next(self):
        return dict(line.split("=", 1) for line in
                    self.socket.recv(65536).decode().splitlines())

    def until(self, key):
        while True:
            message = self.next()
            if key in message:
                return message

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        self.folder.cleanup()


class Life(unittest.TestCase):
    def test_sigterm_and_sigint_end_it_with_status_0(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            agent = Agent(*QUICK)
            self.assertEqual(agent.get("/-/ready")[0], 200)
            self.assertEqual(agent.stop(number), 0, agent.log)

    def test_it_ends_cleanly_while_scrapes_are_under_way(self):
        agent = Agent()
        agent.get()
        idle = socket.create_connection(("127.0.0.1", agent.port))
        busy = socket.create_connection(("127.0.0.1", agent.port))
        busy.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertEqual(agent.stop(), 0, agent.log)
        idle.close()
        busy.close()

    def test_sighup_keeps_it_running(self):
        with Agent(*QUICK) as agent:
            agent.process.send_signal(signal.SIGHUP)
            agent.line_with("reload")
            self.assertEqual(agent.get("/-/ready")[0], 200)

    def test_it_can_start_again_on_its_port_at_once(self):
        port = free_port()
        for _ in range(3):
            with Agent(*QUICK, f"--web.listen-address=127.0.0.1:{port}") as agent:
                self.assertEqual(agent.get()[0], 200)

    def test_it_sleeps_while_nobody_asks(self):
        def switches():
            total = 0
            for task in os.listdir(f"/proc/{agent.process.pid}/task"):
                with open(f"/proc/{agent.process.pid}/task/{task}/status", encoding="ascii") as file:
                    total += int(file.read().split("\nvoluntary_ctxt_switches:")[1].split()[0])
            return total

        with Agent() as agent:
            agent.get()
            time.sleep(1)
            before = switches()
            time.sleep(2)
            self.assertLessEqual(switches() - before, 6)


class Systemd(unittest.TestCase):
    def test_it_tells_the_manager_all_there_is_to_tell(self):
        with Manager() as manager:
            agent = Agent(*QUICK, env={"NOTIFY_SOCKET": manager.path})
            ready = manager.until("READY")
            self.assertIn(f"1 collectors on 127.0.0.1:{agent.port}", ready["STATUS"])
            agent.process.send_signal(signal.SIGHUP)
            self.assertTrue(int(manager.until("RELOADING")["MONOTONIC_USEC"]) > 0)
            self.assertEqual(manager.until("READY")["READY"], "1")
            agent.process.send_signal(signal.SIGTERM)
            self.assertEqual(manager.until("STOPPING")["STOPPING"], "1")
            self.assertEqual(agent.stop(), 0)

    def test_it_is_not_ready_before_it_listens(self):
        with Manager() as manager:
            with Agent(*QUICK, env={"NOTIFY_SOCKET": manager.path}) as agent:
                manager.until("READY")
                self.assertEqual(agent.get("/-/ready")[0], 200)

    def test_it_feeds_the_watchdog_twice_in_its_time(self):
        with Manager() as manager:
            with Agent(*QUICK, env={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "400000"}):
                manager.until("READY")
                begun = time.monotonic()
                for _ in range(5):
                    manager.until("WATCHDOG")
                self.assertGreater(time.monotonic() - begun, 0.7)

    def test_without_a_watchdog_none_is_fed(self):
        with Manager() as manager:
            with Agent(*QUICK, env={"NOTIFY_SOCKET": manager.path}) as agent:
                manager.until("READY")
                manager.socket.settimeout(0.5)
                self.assertRaises(socket.timeout, manager.next)
                self.assertIsNone(agent.process.poll())


    def test_a_socket_of_the_abstract_kind_will_do(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            name = f"nodevitals-test-{os.getpid()}"
            manager.bind("\0" + name)
            manager.settimeout(SLOW)
            with Agent(*QUICK, env={"NOTIFY_SOCKET": "@" + name}):
                self.assertIn(b"READY=1", manager.recv(4096))

    def test_the_library_is_loaded_for_those_only_who_ask_a_bus(self):
        def has_library(*flags):
            with Manager() as manager, Agent(*flags, env={"NOTIFY_SOCKET": manager.path}) as agent:
                agent.get()
                with open(f"/proc/{agent.process.pid}/maps", encoding="ascii") as file:
                    return "libsystemd" in file.read()

        self.assertFalse(has_library())
        self.assertTrue(has_library("--collector.systemd"))


class Log(unittest.TestCase):
    def test_json_lines_are_json(self):
        with Process(BINARY, *QUICK, "--log.format=json", "--web.listen-address=127.0.0.1:0") as agent:
            agent.line_with("listening")
            for line in list(agent.lines):
                self.assertIn("msg", json.loads(line))

    def test_the_level_is_obeyed(self):
        result = run("collect", *QUICK, "--log.level=error")
        self.assertEqual(result.stderr, "")

    def test_root_is_warned(self):
        if os.geteuid() != 0:
            self.skipTest("not root")
        with Agent(*QUICK) as agent:
            agent.line_with("level=WARN.*running as root")


class WrongStart(unittest.TestCase):
    def refused(self, expression, *flags):
        result = run(*QUICK, *flags)
        self.assertEqual(result.returncode, 1, result)
        errors = [line for line in result.stderr.splitlines() if "level=ERROR" in line]
        self.assertEqual(len(errors), 1, result.stderr)
        self.assertRegex(errors[0], expression)

    def test_a_port_in_use_is_told(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            self.refused(f"127.0.0.1:{port}.*[Aa]ddress already in use",
                         f"--web.listen-address=127.0.0.1:{port}")

    def test_an_address_that_is_none_is_told(self):
        self.refused("nonsense", "--web.listen-address=nonsense")

    def test_a_missing_web_configuration_is_told(self):
        self.refused("/no/such.yml", "--web.config.file=/no/such.yml")

    def test_flags_of_a_collector_that_exclude_each_other_are_told(self):
        self.refused("diskstats.*device-exclude.*device-include|diskstats.*device-include.*device-exclude",
                     "--collector.diskstats", "--collector.diskstats.device-include=a",
                     "--collector.diskstats.device-exclude=b")

    def test_a_missing_socket_of_systemd_is_told(self):
        self.refused("systemd|LISTEN_FDS|socket", "--web.systemd-socket")


class Self(unittest.TestCase):
    def test_it_tells_of_itself_what_client_golang_tells(self):
        with Agent(*QUICK) as agent:
            text = agent.metrics()
            seen, kinds = samples(text), types(text)
            for code in ("200", "500", "503"):
                self.assertEqual(seen[f'promhttp_metric_handler_requests_total{{code="{code}"}}'], "0")
            for cause in ("encoding", "gathering"):
                self.assertEqual(seen[f'promhttp_metric_handler_errors_total{{cause="{cause}"}}'], "0")
            self.assertEqual(seen["promhttp_metric_handler_requests_in_flight"], "1")
            self.assertEqual(kinds["process_cpu_seconds_total"], "counter")
            pid = agent.process.pid
            with open(f"/proc/{pid}/limits", encoding="ascii") as file:
                limit = next(line for line in file if line.startswith("Max open files")).split()[3]
            self.assertEqual(float(seen["process_max_fds"]), float(limit))
            self.assertLess(abs(float(seen["process_start_time_seconds"]) - time.time()), 300)
            now_open = len(os.listdir(f"/proc/{pid}/fd"))  # perhaps without the scrape's connection
            self.assertLessEqual(abs(float(seen["process_open_fds"]) - now_open), 2)
            self.assertGreater(float(seen["process_resident_memory_bytes"]), 1e5)
            answered = 'promhttp_metric_handler_requests_total{code="200"}'
            wait_for(lambda: int(samples(agent.metrics())[answered]) >= 1)

    def test_it_can_be_told_to_keep_silent_about_itself(self):
        with Agent(*QUICK, "--web.disable-exporter-metrics") as agent:
            names = {line.split("{")[0].split(" ")[0] for line in samples(agent.metrics())}
            self.assertEqual({name for name in names if not name.startswith("node_load")},
                             {"node_exporter_build_info", "node_scrape_collector_success",
                              "node_scrape_collector_duration_seconds"})


if __name__ == "__main__":
    unittest.main(verbosity=2)
