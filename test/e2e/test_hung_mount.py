"""A mount whose statfs never returns: scrapes come on time with everything else, and hold one worker in all.

The mount is a FUSE device that answers everything but STATFS, made in mount and PID namespaces of this test's own.
"""
import ctypes
import os
import select
import struct
import subprocess
import sys
import tempfile
import time
import unittest

from harness import SLOW, Agent, samples, skip, wait_for

NAMESPACES = ("unshare", "-m", "-p", "-f", "--kill-child", "--mount-proc", "--propagation", "private")

# Operations of the FUSE protocol, as linux/fuse.h numbers them.
FORGET, GETATTR, STATFS, INIT, INTERRUPT, BATCH_FORGET = 2, 3, 17, 26, 36, 42


def answer_all_but_statfs(mount_point):
    """The FUSE server. Ends with its input; the kernel then gives its callers an error."""
    libc = ctypes.CDLL(None, use_errno=True)
    fuse = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={fuse},rootmode=40755,user_id=0,group_id=0,allow_other"
    if libc.mount(b"stuck", mount_point.encode(), b"fuse.stuck", 6, options.encode()):
        sys.exit("mount: " + os.strerror(ctypes.get_errno()))
    while True:
        ready = select.select([fuse, 0], [], [])[0]
        if 0 in ready:
            return
        request = os.read(fuse, 1 << 20)
        _, operation, unique, *_ = struct.unpack_from("<IIQQIIII", request)
        if operation in (STATFS, FORGET, INTERRUPT, BATCH_FORGET):
            continue
        error, data = -38, b""
        if operation == INIT:
            error = 0
            data = struct.pack("<IIIIHHIIHH32x", 7, 31, 65536, 0, 12, 9, 65536, 1, 32, 0)
        elif operation == GETATTR:
            error = 0
            data = struct.pack("<QII6Q10I", 1, 0, 0, 1, *[0] * 8, 0o040755, 2, *[0] * 4, 4096, 0)
        os.write(fuse, struct.pack("<IiQ", 16 + len(data), error, unique) + data)
        if operation == INIT:
            print("ready", flush=True)


class StuckMount:
    def __init__(self, mount_point):
        self.path = mount_point
        self.server = subprocess.Popen([sys.executable, __file__, "serve", mount_point],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.server.stdout.readline() == "ready\n"

    def end(self):
        self.server.communicate(timeout=SLOW)
        subprocess.run(["umount", "-l", self.path], check=False)


def value_of(seen, name, mount_point):
    found = [float(value) for series, value in seen.items()
             if series.startswith(name + "{") and f'mountpoint="{mount_point}"' in series]
    return found[0] if found else None


class HungMount(unittest.TestCase):
    def timed(self, **headers):
        begun = time.monotonic()
        status, _, body = self.agent.get(**headers)
        self.assertEqual(status, 200)
        return time.monotonic() - begun, samples(body.decode())

    def threads(self):
        return len(os.listdir(f"/proc/{self.agent.process.pid}/task"))

    def test_one_worker_is_held_and_nothing_else(self):
        with tempfile.TemporaryDirectory() as folder, Agent("--log.level=debug") as self.agent:
            subprocess.run(["mount", "-t", "tmpfs", "good", folder], check=True)
            path = os.path.join(folder, "stuck")
            os.mkdir(path)
            _, before = self.timed()
            self.assertEqual(value_of(before, "node_filesystem_device_error", folder), 0)

            mount = StuckMount(path)
            try:
                seconds, seen = self.timed(X_Prometheus_Scrape_Timeout_Seconds="3")
                self.assertLess(seconds, 3 + 2, "the deadline passed, with time for a slow machine")
                self.timed()
                held = []
                for _ in range(4):
                    seconds, seen = self.timed()
                    self.assertLess(seconds, 5 + 2)
                    self.assertEqual(value_of(seen, "node_filesystem_device_error", path), 1)
                    self.assertIsNone(value_of(seen, "node_filesystem_size_bytes", path))
                    self.assertEqual(value_of(seen, "node_filesystem_device_error", folder), 0)
                    self.assertGreater(value_of(seen, "node_filesystem_size_bytes", folder), 0)
                    self.assertEqual(
                        seen['node_scrape_collector_success{collector="filesystem"}'], "1")
                    self.assertIn("node_load1", seen)
                    held.append((seen["nodevitals_workers_held"], self.threads()))
                self.assertEqual({number for number, _ in held}, {"1"})
                self.assertEqual(len({threads for _, threads in held}), 1, held)
                self.assertEqual(self.agent.get("/-/healthy")[0], 200)
            finally:
                mount.end()
            wait_for(lambda: self.timed()[1]["nodevitals_workers_held"] == "0")
            self.assertIsNone(value_of(self.timed()[1], "node_filesystem_device_error", path))
            subprocess.run(["umount", "-l", folder], check=True)

    def test_it_stops_while_a_call_hangs(self):
        with tempfile.TemporaryDirectory() as folder:
            self.agent = Agent()
            mount = StuckMount(folder)
            try:
                self.timed()
                begun = time.monotonic()
                self.agent.process.terminate()
                # A thread inside the call keeps the process from vanishing until the call returns, so
                # what is asked for is that the agent has let go: its port is closed.
                wait_for(lambda: not self.answers(), 15)
                self.assertLess(time.monotonic() - begun, 15)
            finally:
                mount.end()
            self.assertEqual(self.agent.stop(), 0, self.agent.log)

    def answers(self):
        try:
            return self.agent.get("/-/healthy")[0] == 200
        except OSError:
            return False


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        answer_all_but_statfs(sys.argv[2])
    elif sys.argv[1:2] == ["inside"]:
        unittest.main(argv=sys.argv[:1], verbosity=2)
    elif os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        skip("needs root and /dev/fuse")
    elif subprocess.run([*NAMESPACES, "true"], check=False).returncode != 0:
        skip("no mount and PID namespaces to be had")
    else:
        os.execvp(NAMESPACES[0], [*NAMESPACES, sys.executable, __file__, "inside"])
