"""Cgroups of v1 made by hand, with processes in them: what the agent tells is what the kernel's files say.

The processes are stopped before anything is compared, so that both say the same. Needs root and the controllers on v1.
"""
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from harness import SLOW, Agent, parse_series, samples, skip, wait_for

TOP = "/sys/fs/cgroup"
GROUP = f"nodevitals-test-{os.getpid()}"
FLAGS = ("--collector.disable-defaults", "--collector.container")
EATER = "b = bytearray(b'x' * (%d << 20)); n = sum(range(3000000)); import time; print('up', flush=True); time.sleep(600)"


def hierarchies():
    """{controller: mount point} of v1; of v2 under the name "unified"."""
    found = {}
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        for line in f:
            fields = line.split()
            kind = fields[fields.index("-") + 1]
            if not fields[4].startswith(TOP):
                continue
            if kind == "cgroup":
                for option in fields[-1].split(","):
                    found.setdefault(option, fields[4])
            elif kind == "cgroup2":
                found.setdefault("unified", fields[4])
    return found


MOUNTS = hierarchies()
if os.getuid() != 0:
    skip("needs root")
if not {"cpuacct", "memory", "pids"} <= set(MOUNTS):
    skip("needs controllers on cgroup v1")


class Cgroup:
    """One cgroup of a name in every hierarchy of interest."""

    def __init__(self, name):
        self.path = f"/{GROUP}/{name}"
        self.children = []
        self.folders = {m + self.path for c, m in MOUNTS.items()
                        if c in ("cpu", "cpuacct", "memory", "blkio", "pids", "unified")}
        for folder in self.folders:
            os.makedirs(folder)

    def run(self, *command, **options):
        """Starts a program inside, and waits until it says "up"."""
        def enter():
            for folder in self.folders:
                with open(folder + "/cgroup.procs", "w", encoding="ascii") as f:
                    f.write(str(os.getpid()))
        child = subprocess.Popen(command, stdout=subprocess.PIPE, preexec_fn=enter, **options)
        self.children.append(child)
        return child

    def read(self, controller, name):
        with open(f"{MOUNTS[controller]}{self.path}/{name}", encoding="ascii") as f:
            return f.read()

    def number(self, controller, name):
        return int(self.read(controller, name))

    def keys(self, controller, name):
        return dict(line.split()[:2] for line in self.read(controller, name).splitlines())

    def remove(self):
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.wait(SLOW)
            child.stdout.close()
        self.children = []
        for folder in self.folders:
            if os.path.isdir(folder):
                wait_for(lambda: remove_folder(folder))


def remove_folder(folder):
    try:
        os.rmdir(folder)
    except OSError:
        return False
    return True


def stop_all(cgroup):
    """Stops its processes, and waits until the numbers have come to rest."""
    for pid in cgroup.read("memory", "cgroup.procs").split():
        os.kill(int(pid), signal.SIGSTOP)
    before = None

    def rests():
        nonlocal before
        now = (cgroup.read("cpuacct", "cpuacct.usage"), cgroup.read("memory", "memory.usage_in_bytes"))
        rested, before = now == before, now
        return rested
    wait_for(rests, step=0.2)


class Live(unittest.TestCase):
    def setUp(self):
        self.cgroups = []
        self.addCleanup(self.tidy)

    def tidy(self):
        for cgroup in self.cgroups:
            cgroup.remove()
        for mount in set(MOUNTS.values()):
            if os.path.isdir(f"{mount}/{GROUP}"):
                wait_for(lambda: remove_folder(f"{mount}/{GROUP}"))

    def make(self, name):
        self.cgroups.append(Cgroup(name))
        return self.cgroups[-1]

    def told(self, agent, cgroup):
        """{(family, ...other labels): value} of one cgroup."""
        found = {}
        for series, value in samples(agent.metrics()).items():
            family, labels = parse_series(series)
            if labels.get("id") != cgroup.path:
                continue
            others = [labels[name] for name in sorted(labels)
                      if name not in ("container", "id", "image", "name", "namespace", "pod")]
            found[(family, *others)] = float(value)
        return found

    def test_numbers_are_those_of_the_kernel(self):
        cgroup = self.make("a1" * 32)
        with open(f"{MOUNTS['memory']}{cgroup.path}/memory.limit_in_bytes", "w", encoding="ascii") as f:
            f.write(str(256 << 20))
        child = cgroup.run(sys.executable, "-c", EATER % 40)
        self.assertEqual(child.stdout.readline(), b"up\n")
        stop_all(cgroup)
        with Agent(*FLAGS, "--collector.container.enable-metrics=fds") as agent:
            told = self.told(agent, cgroup)
        descriptors = os.listdir(f"/proc/{child.pid}/fd")
        memory, cpu = cgroup.keys("memory", "memory.stat"), cgroup.keys("cpuacct", "cpuacct.stat")
        usage = cgroup.number("memory", "memory.usage_in_bytes")
        expected = {
            ("container_memory_usage_bytes",): usage,
            ("container_memory_working_set_bytes",): usage - int(memory["total_inactive_file"]),
            ("container_memory_rss",): int(memory["total_rss"]),
            ("container_memory_cache",): int(memory["total_cache"]),
            ("container_memory_max_usage_bytes",): cgroup.number("memory", "memory.max_usage_in_bytes"),
            ("container_memory_failures_total", "pgfault", "container"): int(memory["pgfault"]),
            ("container_spec_memory_limit_bytes",): 256 << 20,
            ("container_cpu_usage_seconds_total", "total"): cgroup.number("cpuacct", "cpuacct.usage") / 1e9,
            ("container_cpu_user_seconds_total",): int(cpu["user"]) / 100,
            ("container_cpu_system_seconds_total",): int(cpu["system"]) / 100,
            ("container_threads",): cgroup.number("pids", "pids.current"),
            ("container_processes",): 1,
            ("container_file_descriptors",): len(descriptors),
            ("container_sockets",): 0,
            ("container_oom_events_total",): 0,
        }
        for key, value in expected.items():
            self.assertAlmostEqual(told[key], value, delta=abs(value) * 1e-9, msg=key)
        self.assertGreater(told[("container_memory_rss",)], 40 << 20)
        self.assertGreater(told[("container_start_time_seconds",)], time.time() - 600)
        if "unified" in MOUNTS:
            total = cgroup.read("unified", "memory.pressure").split("total=")[1].split()[0]
            self.assertAlmostEqual(told[("container_pressure_memory_waiting_seconds_total",)], int(total) / 1e6,
                                   delta=1e-9)

    @unittest.skipUnless(shutil.which("unshare") and shutil.which("ip"), "needs unshare and ip")
    def test_a_network_namespace_of_its_own_is_told_of(self):
        with_own, with_hosts = self.make("b2" * 32), self.make("c3" * 32)
        own = with_own.run("unshare", "-n", "sh", "-c", "ip link add eth0 type veth peer name eth1 && ip link set eth0 up && "
                           "ip addr add 10.9.9.9/24 dev eth0 && echo up && exec sleep 600")
        hosts = with_hosts.run("sh", "-c", "echo up; exec sleep 600")
        if own.stdout.readline() != b"up\n":
            self.skipTest("no network namespace, or no veth links")
        hosts.stdout.readline()
        with Agent(*FLAGS) as agent:
            told, of_hosts = self.told(agent, with_own), self.told(agent, with_hosts)
        self.assertIn(("container_network_transmit_bytes_total", "eth0"), told)
        self.assertNotIn(("container_network_transmit_bytes_total", "lo"), told)
        self.assertFalse([key for key in of_hosts if key[0].startswith("container_network")])

    def test_an_oom_kill_outlives_its_cgroup_and_the_agent(self):
        cgroup = self.make("d4" * 32)
        for name in ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"):
            path = f"{MOUNTS['memory']}{cgroup.path}/{name}"
            if os.path.exists(path):
                with open(path, "w", encoding="ascii") as f:
                    f.write(str(16 << 20))
        def check(agent):
            self.assertEqual(self.told(agent, cgroup), {("container_oom_events_total",): 1})
            by_name = {labels.get("container"): value for (name, labels), value in
                       ((parse_series(series), value) for series, value in samples(agent.metrics()).items())
                       if name == "container_oom_kills_total"}
            self.assertEqual(float(by_name["d4" * 32]), 1)
        with tempfile.TemporaryDirectory() as folder:
            history = f"--storage.tsdb.path={folder}/history"
            with Agent(*FLAGS, history) as agent:
                self.assertEqual(self.told(agent, cgroup)[("container_oom_events_total",)], 0)
                child = cgroup.run(sys.executable, "-c", EATER % 200, stderr=subprocess.DEVNULL)
                self.assertEqual(child.wait(SLOW), -signal.SIGKILL)
                self.assertEqual(int(cgroup.keys("memory", "memory.oom_control")["oom_kill"]), 1)
                self.assertEqual(self.told(agent, cgroup)[("container_oom_events_total",)], 1)
            with Agent(*FLAGS, history) as agent:  # another, while the cgroup is still there,
                self.assertEqual(self.told(agent, cgroup)[("container_oom_events_total",)], 1)
                cgroup.remove()
                check(agent)
            with Agent(*FLAGS, history) as agent:  # and one that never saw it
                check(agent)

    def test_cgroups_may_come_and_go_while_they_are_read(self):
        group, stop, turns = f"{MOUNTS['memory']}/{GROUP}", threading.Event(), itertools.count()

        def churn():
            while not stop.is_set():
                i = next(turns)
                os.makedirs(f"{group}/c{i % 20}", exist_ok=True)
                remove_folder(f"{group}/c{(i + 7) % 20}")

        thread = threading.Thread(target=churn)
        with Agent(*FLAGS) as agent:
            thread.start()
            try:
                for _ in range(30):
                    found = samples(agent.metrics())
                    self.assertEqual(found['node_scrape_collector_success{collector="container"}'], "1")
            finally:
                stop.set()
                thread.join()
                for i in range(20):
                    remove_folder(f"{group}/c{i}")
            self.assertGreater(next(turns), 100)
            left = [key for key in samples(agent.metrics()) if f'id="/{GROUP}/' in key]
            self.assertEqual(left, [])


if __name__ == "__main__":
    unittest.main()
