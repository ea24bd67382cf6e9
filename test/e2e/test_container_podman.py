"""Podman with runc, which works without systemd and without a registry: its containers under load, named by what Podman
keeps, and one that dies of its memory."""
import os
import shutil
import subprocess
import tempfile
import unittest

from harness import SLOW, Agent, parse_series, samples, skip, wait_for

BUSYBOX = shutil.which("busybox")
if os.getuid() != 0:
    skip("needs root")
if not all(map(shutil.which, ("podman", "runc", "unshare"))) or not BUSYBOX:
    skip("needs podman, runc, unshare and busybox")
if not os.path.isdir("/sys/fs/cgroup/memory"):
    skip("needs controllers on cgroup v1")

CONFIGURATION = """[containers]
default_ulimits = ["nofile=20000:20000","nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


class Podman:
    """Podman whose storage is where it has it on a host below `root`."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="nodevitals-podman-")
        self.root = f"{self.folder}/root"
        self.storage = f"{self.root}/var/lib/containers/storage"
        os.makedirs(self.storage)
        os.makedirs(f"{self.folder}/image")
        shutil.copy(BUSYBOX, f"{self.folder}/image/busybox")
        with open(f"{self.folder}/image/Containerfile", "w", encoding="ascii") as f:
            f.write('FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox","--install","-s","/bin"]\n'
                    'ENTRYPOINT ["/bin/sh","-c"]\n')
        with open(f"{self.folder}/containers.conf", "w", encoding="ascii") as f:
            f.write(CONFIGURATION)

    def __call__(self, *arguments, check=True):
        done = subprocess.run(
            ["podman", "--root", self.storage, "--runroot", f"{self.folder}/run", "--tmpdir", f"{self.folder}/tmp",
             "--storage-driver=vfs", *arguments],
            env={**os.environ, "CONTAINERS_CONF": f"{self.folder}/containers.conf"}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=SLOW, check=False)
        if check and done.returncode != 0:
            raise OSError(f"podman {arguments[0]}: {done.stderr.strip()[-400:]}")
        return done.stdout.strip()

    def end(self):
        self("rm", "-f", "-a", "-t", "0", check=False)
        for hierarchy in os.listdir("/sys/fs/cgroup"):
            for name in ("libpod_parent/conmon", "libpod_parent"):
                try:
                    os.rmdir(f"/sys/fs/cgroup/{hierarchy}/{name}")
                except OSError:
                    pass  # not there, or another's
        shutil.rmtree(self.folder, ignore_errors=True)


class Containers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.podman = Podman()
        cls.addClassCleanup(cls.podman.end)
        try:
            cls.podman("build", "--isolation=chroot", "-q", "-t", "localhost/bb", f"{cls.podman.folder}/image")
            cls.podman("run", "--rm", "--network=none", "localhost/bb", "true")
        except (OSError, subprocess.TimeoutExpired) as error:
            raise unittest.SkipTest(f"podman does not work here: {error}") from None

    def told(self, agent, identity):
        """{family: value} of one container, and its labels."""
        values, labels = {}, {}
        for series, value in samples(agent.metrics()).items():
            family, found = parse_series(series)
            if found.get("id", "").endswith(identity):
                values.setdefault(family, float(value))
                labels = found
        return values, labels

    def agent(self):
        return Agent("--collector.disable-defaults", "--collector.container", f"--path.rootfs={self.podman.root}")

    def test_a_container_under_load_has_its_name_and_its_limits(self):
        identity = self.podman("run", "-d", "--name", "busy", "--network=none", "--memory=64m", "--pids-limit=50",
                               "localhost/bb", "while :; do :; done")
        with self.agent() as agent:
            before, labels = self.told(agent, identity)
            self.assertEqual(labels["name"], "busy")
            self.assertIn("localhost/bb", labels["image"])
            self.assertEqual(before["container_spec_memory_limit_bytes"], 64 << 20)
            self.assertEqual(before["container_threads_max"], 50)
            self.assertEqual(before["container_processes"], 1)
            wait_for(lambda: self.told(agent, identity)[0]["container_cpu_usage_seconds_total"] >
                     before["container_cpu_usage_seconds_total"] + 0.1)
            self.podman("rm", "-f", "-t", "0", "busy")
            wait_for(lambda: not self.told(agent, identity)[0])

    def test_a_kill_inside_a_container_outlives_it(self):
        with self.agent() as agent:
            identity = self.podman("run", "-d", "--name", "hungry", "--network=none", "--memory=32m",
                                   "--memory-swap=32m", "localhost/bb",
                                   "a=x; (while :; do a=$a$a; done); sleep 600")
            wait_for(lambda: self.told(agent, identity)[0].get("container_oom_events_total", 0) >= 1)
            kills = self.told(agent, identity)[0]["container_oom_events_total"]
            self.podman("rm", "-f", "-t", "0", "hungry")
            wait_for(lambda: set(self.told(agent, identity)[0]) == {"container_oom_events_total"})
            values, labels = self.told(agent, identity)
            self.assertGreaterEqual(values["container_oom_events_total"], kills)
            self.assertEqual(labels["name"], "hungry")
            by_name = {parse_series(series)[1].get("container"): float(value)
                       for series, value in samples(agent.metrics()).items()
                       if series.startswith("container_oom_kills_total{")}
            self.assertEqual(by_name["hungry"], values["container_oom_events_total"])


if __name__ == "__main__":
    unittest.main()
