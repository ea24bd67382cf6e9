#!/usr/bin/env python3
"""The agent keeps a history: where, under which names, across restarts, and not at all."""
import os
import signal
import tempfile
import time
import unittest

from harness import SLOW, Agent, run, samples, wait_for

FEW = ("--collector.disable-defaults", "--collector.loadavg", "--collector.stat")
OFTEN = "--storage.tsdb.interval=100ms"


def told(agent, name):
    """A metric of the store, or None."""
    value = samples(agent.metrics()).get("nodevitals_tsdb_" + name)
    return None if value is None else float(value)


def has_frames(agent, n=10):
    wait_for(lambda: (told(agent, "frames_appended_total") or 0) >= n)


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "history")

    def tearDown(self):
        self.folder.cleanup()

    def agent(self, *flags, **options):
        often = [] if any("interval" in flag for flag in flags) else [OFTEN]
        return Agent(*FEW, *often, f"--storage.tsdb.path={self.path}", *flags, **options)


class Restarts(Folder):
    def test_history_outlives_a_stop(self):
        with self.agent() as agent:
            has_frames(agent)
            first = told(agent, "lowest_timestamp_seconds")
            self.assertEqual(agent.stop(), 0)
        with self.agent() as agent:
            has_frames(agent)
            self.assertEqual(told(agent, "lowest_timestamp_seconds"), first)
            self.assertEqual(told(agent, "corruptions_total"), 0)

    def test_history_outlives_kill(self):
        with self.agent() as agent:
            has_frames(agent)
            first = told(agent, "lowest_timestamp_seconds")
            last = told(agent, "highest_timestamp_seconds")
            agent.stop(signal.SIGKILL)
        with self.agent() as agent:
            has_frames(agent)
            self.assertEqual(told(agent, "lowest_timestamp_seconds"), first)
            self.assertGreater(told(agent, "highest_timestamp_seconds"), last)
            self.assertEqual(told(agent, "corruptions_total"), 0)

    def test_a_second_agent_is_kept_out(self):
        with self.agent() as agent:
            has_frames(agent, 1)
            result = run(*FEW, f"--storage.tsdb.path={self.path}", "--web.listen-address=127.0.0.1:0")
            self.assertEqual(result.returncode, 1)
            self.assertIn("cannot keep the history in", result.stderr)

    def test_the_offline_commands_see_it(self):
        with self.agent() as agent:
            has_frames(agent)
        result = run("tsdb", "list", f"--storage.tsdb.path={self.path}")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("log", result.stdout)
        result = run("tsdb", "analyze", f"--storage.tsdb.path={self.path}")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"\nLog +.* samples that no block has yet")
        self.assertRegex(result.stdout, r"\nFAMILY .*\nnode\w+ +\d+ +[1-9]")
        result = run("tsdb", "verify", f"--storage.tsdb.path={self.path}")
        self.assertEqual(result.returncode, 0, result.stdout)
        result = run("tsdb", "export", "--format=openmetrics", f"--storage.tsdb.path={self.path}",
                     "--match=node_load1")
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = [line for line in result.stdout.split("\n") if line.startswith("node_load1{")]
        self.assertGreaterEqual(len(lines), 5)  # frames are of two sources
        for line in lines:
            self.assertIn('job="node-exporter"', line)


class Names(Folder):
    def exported(self, expression, **options):
        with self.agent(**options) as agent:
            has_frames(agent)
            self.port = agent.port
        result = run("tsdb", "export", "--format=openmetrics", f"--storage.tsdb.path={self.path}",
                     f"--match={expression}")
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def test_up_has_the_host_name_and_the_port(self):
        text = self.exported("up", env={"NODE_NAME": ""})
        self.assertIn(f'up{{instance="{os.uname().nodename}:{self.port}",job="node-exporter"}} 1', text)

    def test_in_kubernetes_the_instance_is_the_node(self):
        self.assertIn('instance="node-7"', self.exported("up", env={"NODE_NAME": "node-7"}))

    def test_the_agents_own_families_are_there(self):
        self.assertIn("process_start_time_seconds{", self.exported("process_start_time_seconds"))


class Ticks(Folder):
    def test_ticks_are_counted_and_none_is_missed_at_rest(self):
        with self.agent("--storage.tsdb.interval=1s") as agent:
            wait_for(lambda: (told(agent, "ticks_total") or 0) >= 2)
            self.assertEqual(told(agent, "clock_jumps_total"), 0)
            self.assertEqual(told(agent, "tick_failures_total"), 0)
            self.assertEqual(agent.get("/-/ready")[0], 200)

    def test_each_second_is_in_the_histograms(self):
        with self.agent("--collector.cpu") as agent:
            def counted():
                got = samples(agent.metrics())
                return float(got.get('nodevitals_cpu_utilization_ratio_count{cpu="node"}', 0)) >= 3 \
                    and float(got["nodevitals_run_queue_tasks_count"]) >= 3
            wait_for(counted)
            text = agent.metrics().split("\n")
            self.assertEqual(len(text), len(set(text)), "a line comes twice")

    def test_a_stop_is_quick(self):
        with self.agent("--storage.tsdb.interval=1m") as agent:
            begin = time.monotonic()
            self.assertEqual(agent.stop(), 0)
            self.assertLess(time.monotonic() - begin, SLOW / 4)


class NoPlace(unittest.TestCase):
    def test_without_a_store_there_is_no_folder_and_no_metric(self):
        with tempfile.TemporaryDirectory() as folder:
            with Agent(*FEW, "--no-storage.tsdb", cwd=folder) as agent:
                self.assertIsNone(told(agent, "series"))
                self.assertNotIn("nodevitals_run_queue_tasks", agent.metrics())
            self.assertEqual(os.listdir(folder), [])

    def test_the_default_is_a_folder_named_data(self):
        with tempfile.TemporaryDirectory() as folder:
            with Agent(*FEW, OFTEN, cwd=folder, env={"STATE_DIRECTORY": ""}) as agent:
                has_frames(agent, 1)
                self.assertEqual(told(agent, "in_memory"), 0)
            self.assertEqual(os.listdir(folder), ["data"])

    def test_systemd_names_the_default(self):
        with tempfile.TemporaryDirectory() as folder:
            with Agent(*FEW, OFTEN, cwd=folder, env={"STATE_DIRECTORY": folder + "/state:/nowhere"}) as agent:
                has_frames(agent, 1)
            self.assertEqual(os.listdir(folder), ["state"])

    def test_a_default_that_cannot_be_written_means_memory_and_is_said_once(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "data"), "w"):
                pass  # a file where the folder would be, which root cannot write into either
            with Agent(*FEW, OFTEN, cwd=folder, env={"STATE_DIRECTORY": ""}) as agent:
                has_frames(agent)
                self.assertEqual(told(agent, "in_memory"), 1)
                self.assertEqual(agent.get("/-/ready")[0], 200)
            self.assertEqual(sum("kept in memory" in line for line in agent.lines), 1)

    def test_a_path_that_was_asked_for_and_cannot_be_written_is_an_error(self):
        with tempfile.NamedTemporaryFile() as file:
            result = run(*FEW, f"--storage.tsdb.path={file.name}/x", "--web.listen-address=127.0.0.1:0")
            self.assertEqual(result.returncode, 1)
            self.assertIn(f"cannot keep the history in {file.name}/x: Not a directory", result.stderr)

    def test_wrong_values_are_told(self):
        result = run("--storage.tsdb.retention.size=much")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(len(result.stderr.strip().split("\n")), 1)
        self.assertIn("such as 512MB", result.stderr)

    def test_collect_leaves_no_history(self):
        with tempfile.TemporaryDirectory() as folder:
            result = run("collect", "--collector.disable-defaults", "--collector.loadavg", cwd=folder,
                         env={"STATE_DIRECTORY": ""})
            self.assertEqual(result.returncode, 0)
            self.assertEqual(os.listdir(folder), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
