#!/usr/bin/env python3
"""The collector of the kernel's log over this machine's /dev/kmsg: what the kernel says counts, where it says; what others
write there does not; a restart counts nothing twice; who may not read it is told what it takes, once."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

from harness import SLOW, Agent, find_program, parse_series, samples, skip, wait_for

ON = ("--collector.disable-defaults", "--collector.kmsg")
MEMORY = "/sys/fs/cgroup/memory"
GREEDY = "b = [bytearray(b'x' * (1 << 20)) for _ in range(400)]"

if os.geteuid() != 0:
    skip("only root can read and write /dev/kmsg")
try:
    with open("/dev/kmsg", "rb", buffering=0) as kmsg:
        os.set_blocking(kmsg.fileno(), False)
        kmsg.read(16384)
except OSError as why:
    skip(f"/dev/kmsg: {why.strerror}")


def counted(agent, reason):
    return int(samples(agent.metrics())[f'problem_counter{{reason="{reason}"}}'])


def events(agent, reason, cgroup):
    """Those of a reason in a cgroup: their labels and number."""
    found = []
    for series, value in samples(agent.metrics()).items():
        name, labels = parse_series(series)
        if name == "node_problem_events_total" and labels["reason"] == reason and labels["cgroup"] == cgroup:
            found.append((labels, int(value)))
    return found


def whole(agent):
    """Waits until all there is has been read."""

    def records():
        return int(samples(agent.metrics())["node_kmsg_records_total"])

    last = -1
    while True:
        now = records()
        if now == last:
            return now
        last = now
        time.sleep(0.1)


class Kmsg(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def agent(self, *flags):
        return Agent(*ON, f"--storage.tsdb.path={self.folder}/data", *flags).ready()

    def test_what_others_write_to_the_log_does_not_count(self):
        with self.agent() as agent:
            before = whole(agent)
            claimed = counted(agent, "OutOfFileDescriptors")
            with open("/dev/kmsg", "wb", buffering=0) as log:
                log.write(b"<3>VFS: file-max limit 1 reached, says a test\n")
            wait_for(lambda: int(samples(agent.metrics())["node_kmsg_records_total"]) > before)
            whole(agent)
            self.assertEqual(counted(agent, "OutOfFileDescriptors"), claimed)

    def make_group(self):
        """A cgroup with little memory; its name in the hierarchy, and its folder."""
        name = f"nodevitals-e2e-{os.getpid()}"
        group = os.path.join(MEMORY, name)
        try:
            os.mkdir(group)
            self.addCleanup(os.rmdir, group)
            with open(os.path.join(group, "memory.limit_in_bytes"), "w", encoding="ascii") as f:
                f.write("32M")
        except OSError as error:
            self.skipTest(f"no cgroup v1 with memory: {error}")
        return "/" + name, group

    def kill_one(self, group):
        command = f"echo $$ >{group}/cgroup.procs && exec {sys.executable} -c \"{GREEDY}\""
        status = subprocess.run(["sh", "-c", command], stderr=subprocess.DEVNULL, timeout=SLOW, check=False).returncode
        self.assertEqual(status, -9)

    def test_a_process_that_is_killed_for_memory_counts_in_its_cgroup_once(self):
        name, group = self.make_group()
        with self.agent() as agent:
            whole(agent)
            before = counted(agent, "OOMKilling")
            self.kill_one(group)
            found = wait_for(lambda: events(agent, "OOMKilling", name))
            self.assertEqual([times for _, times in found], [1])
            self.assertGreater(counted(agent, "OOMKilling"), before)
            with open(os.path.join(group, "memory.oom_control"), encoding="ascii") as f:
                self.assertIn("oom_kill 1", f.read())
        with self.agent() as agent:
            whole(agent)
            self.assertEqual(events(agent, "OOMKilling", name), [])
            self.kill_one(group)
            found = wait_for(lambda: events(agent, "OOMKilling", name))
            self.assertEqual([times for _, times in found], [1])

    def test_a_file_system_that_turns_read_only_is_so_until_it_is_unmounted(self):
        for program in ("mkfs.ext4", "losetup", "findmnt"):
            if not find_program(program):
                self.skipTest(f"{program} is not installed")
        image, mount = os.path.join(self.folder, "image"), os.path.join(self.folder, "mount")
        os.mkdir(mount)
        with open(image, "wb") as f:
            f.truncate(16 << 20)
        subprocess.run([find_program("mkfs.ext4"), "-q", "-F", image], check=True, timeout=SLOW)
        steps = (f"mount -o loop,errors=remount-ro {image} {mount} || exit 1; d=$(basename $(findmnt -no SOURCE {mount})); "
                 f"echo test >/sys/fs/ext4/$d/trigger_fs_error && echo $d || echo none; read x; umount {mount}")
        with self.agent() as agent:
            whole(agent)
            before = counted(agent, "FilesystemIsReadOnly")
            gauge = 'problem_gauge{reason="FilesystemIsReadOnly",type="ReadonlyFilesystem"}'
            if samples(agent.metrics())[gauge] != "0":
                self.skipTest("a file system of this machine is read-only already")
            with subprocess.Popen(["unshare", "-m", "--propagation", "private", "sh", "-c", steps], text=True,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as shell:
                device = shell.stdout.readline().strip()
                if not device or device == "none":
                    shell.communicate("\n", timeout=SLOW)
                    self.skipTest("no loop device with ext4 here")
                wait_for(lambda: samples(agent.metrics())[gauge] == "1")
                told = [parse_series(series)[1]["reason"] for series in samples(agent.metrics())
                        if f'device="{device}"' in series]
                self.assertEqual(sorted(told), ["Ext4Error", "FilesystemIsReadOnly"])
                shell.communicate("\n", timeout=SLOW)
            wait_for(lambda: samples(agent.metrics())[gauge] == "0")
            self.assertEqual(counted(agent, "FilesystemIsReadOnly"), before + 1)

    def test_who_may_not_read_it_is_told_what_it_takes_once(self):
        if not shutil.which("setpriv"):
            self.skipTest("setpriv is not installed")
        path = os.path.join(self.folder, "kmsg")
        with open(path, "w", encoding="ascii") as f:
            f.write("3,1,1,-;VFS: file-max limit 1 reached\n")
        os.chmod(path, 0)
        os.chmod(self.folder, 0o755)
        nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        with Agent(*ON, f"--path.kmsg={path}", wrapper=nobody).ready() as agent:
            for _ in range(3):
                text = agent.metrics()
            self.assertEqual(samples(text)['problem_counter{reason="OutOfFileDescriptors"}'], "0")
            self.assertEqual(samples(text)['node_scrape_collector_success{collector="kmsg"}'], "0")
            agent.line_with("CAP_SYSLOG.*device cgroup")
            self.assertLessEqual(len([line for line in agent.lines if re.search("CAP_SYSLOG", line)]), 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
