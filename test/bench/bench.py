#!/usr/bin/env python3
"""Measures nodevitals beside Debian's prometheus-node-exporter, in one run, as ratios.

    test/bench/run.sh [scrape] [links] [growth] [sample] [soak]    builds a release, then runs this

  scrape  CPU of one default scrape over HTTP, plain and gzip, and the floor: reading the same files
          with pread on kept descriptors and nothing else
  links   the same in a network namespace with 1,001 links (needs root)
  growth  a generated tree of CPUs, mounts and processes at 1x, 2x and 4x
  sample  CPU of an agent that samples into its store once a second and is not scraped, and the floor:
          reading the same files once a second
  soak    resident memory over many scrapes (100,000 unless NV_SOAK says otherwise)

CPU is what the scheduler counted for all threads of the server (/proc/PID/task/*/schedstat), so that
the client costs nothing. Rounds alternate between the two, and the least of them counts: other work
on the machine only ever adds.
"""
import glob
import http.client
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

AGENT = os.environ["NODEVITALS"]
PREADS = os.environ["NV_PREADS"]
PEER = shutil.which("prometheus-node-exporter")
ROUNDS = 5


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """One of the two, on a loopback port, ended with the block it was made in."""

    def __init__(self, program, flags=(), cwd=None):
        self.port = free_port()
        if program == AGENT and not any("storage.tsdb" in flag for flag in flags):
            flags = [*flags, "--no-storage.tsdb"]
        self.process = subprocess.Popen(
            [program, f"--web.listen-address=127.0.0.1:{self.port}", *flags],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=cwd)

    def __enter__(self):
        deadline = time.monotonic() + 20
        while True:
            try:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
                self.get()
                return self
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.05)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)

    def get(self, **headers):
        self.connection.request("GET", "/metrics", headers=headers)
        answer = self.connection.getresponse()
        body = answer.read()
        assert answer.status == 200, answer.status
        return body

    def cpu_ns(self):
        total = 0
        for path in glob.glob(f"/proc/{self.process.pid}/task/*/schedstat"):
            try:
                with open(path) as f:
                    total += int(f.read().split()[0])
            except OSError:
                pass
        return total

    def resident_kib(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))

    def scrape_us(self, n, **headers):
        """CPU of one scrape in microseconds, the mean of n."""
        before = self.cpu_ns()
        for _ in range(n):
            self.get(**headers)
        return (self.cpu_ns() - before) / n / 1000


def least(servers, n, **headers):
    """The least mean of some rounds for each server, taken in turns."""
    best = [float("inf")] * len(servers)
    for _ in range(ROUNDS):
        for i, server in enumerate(servers):
            best[i] = min(best[i], server.scrape_us(n, **headers))
    return best


def samples(body):
    return sum(1 for line in body.splitlines() if line and not line.startswith(b"#"))


def kept_files(server):
    """The procfs and sysfs files the agent reads through kept descriptors."""
    names = set()
    for link in glob.glob(f"/proc/{server.process.pid}/fd/*"):
        try:
            name = os.readlink(link)
        except OSError:
            continue
        name = name.replace(" (deleted)", "").replace(f"/proc/{server.process.pid}/", "/proc/self/")
        if name.startswith(("/proc/", "/sys/")) and os.path.isfile(name):
            names.add(name)
    return sorted(names)


def floor_us(files, rounds=300, pause_us=0):
    answer = subprocess.run([PREADS, str(rounds), str(pause_us)], input="\n".join(files),
                            capture_output=True, text=True, check=True)
    return float(answer.stdout)


def row(what, ours, peer, budget):
    print(f"{what:<38} {ours:>10.0f} {peer:>12.0f} {peer / ours:>8.1f}x   {budget}", flush=True)


def heading():
    print(f"{'CPU of one scrape':<38} {'ours, us':>10} {'peer, us':>12} {'ratio':>9}   budget")


def scrape():
    heading()
    with Server(AGENT) as ours, Server(PEER) as peer:
        for server in (ours, peer):
            server.scrape_us(20)
        plain = least((ours, peer), 100)
        row("default collectors", *plain, "at least 10x")
        packed = least((ours, peer), 100, **{"Accept-Encoding": "gzip"})
        row("default collectors, gzip", *packed, "at least 8x")
        floor = min(floor_us(kept_files(ours)) for _ in range(ROUNDS))
        print(f"samples: ours {samples(ours.get())}, peer {samples(peer.get())}")
        print(f"floor: pread of the same {len(kept_files(ours))} files {floor:.0f} us; "
              f"ours is {plain[0] / floor:.2f} times that (aim 1.3)")
        print(f"resident: ours {ours.resident_kib()} KiB, peer {peer.resident_kib()} KiB")


def in_namespace():
    """Re-runs `links` in fresh network and mount namespaces with 500 veth pairs."""
    script = """
set -e
mount -t sysfs none /sys
ip link set lo up
i=0; while [ $i -lt 500 ]; do echo "link add va$i type veth peer name vb$i"; i=$((i+1)); done | ip -batch -
exec python3 "$0" links-inside
"""
    subprocess.run(["unshare", "-mn", "--propagation", "private", "sh", "-c", script, __file__], check=True)


def links():
    heading()
    with Server(AGENT) as ours, Server(PEER) as peer:
        for server in (ours, peer):
            server.scrape_us(2)
        row("1,001 links", *least((ours, peer), 5), "at least 30x")
        print(f"samples: ours {samples(ours.get())}, peer {samples(peer.get())}")
        print(f"resident: ours {ours.resident_kib()} KiB, peer {peer.resident_kib()} KiB")


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)


def make_tree(root, factor):
    """A machine of 1,024 CPUs, 5,000 mounts and 10,000 processes, times `factor`."""
    cpus, mounts, processes = 1024 * factor, 5000 * factor, 10000 * factor
    stat = ["cpu  1 2 3 4 5 6 7 8 9 10"]
    stat += [f"cpu{i} {i} 2 3 4 5 6 7 8 9 10" for i in range(cpus)]
    stat += ["intr 1 2", "ctxt 5", "btime 1700000000", "processes 9", "procs_running 1",
             "procs_blocked 0", "softirq 1 2 3 4 5 6 7 8 9 10 11"]
    write(f"{root}/proc/stat", "\n".join(stat) + "\n")
    write(f"{root}/proc/softirqs", " ".join(f"CPU{i}" for i in range(cpus)) + "\n" + "".join(
        f"{name}: " + " ".join(["7"] * cpus) + "\n" for name in
        ("HI", "TIMER", "NET_TX", "NET_RX", "BLOCK", "IRQ_POLL", "TASKLET", "SCHED", "HRTIMER", "RCU")))
    write(f"{root}/proc/schedstat", "version 15\ntimestamp 1\n" + "".join(
        f"cpu{i} 0 0 0 0 0 0 1 2 3\n" for i in range(cpus)))
    for i in range(cpus):
        base = f"{root}/sys/devices/system/cpu/cpu{i}"
        write(f"{base}/topology/physical_package_id", f"{i // 64}\n")
        write(f"{base}/topology/core_id", f"{i % 64}\n")
        write(f"{base}/thermal_throttle/core_throttle_count", "0\n")
        write(f"{base}/thermal_throttle/package_throttle_count", "0\n")
    os.makedirs(f"{root}/mnt", exist_ok=True)
    lines = []
    for i in range(mounts):
        os.makedirs(f"{root}/mnt/m{i}", exist_ok=True)
        lines.append(f"{i + 20} 1 0:{i + 30} / /mnt/m{i} rw,relatime - ext4 /dev/d{i} rw\n")
    write(f"{root}/proc/1/mountinfo", "".join(lines))
    for i in range(1, processes + 1):
        tail = "S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 100 1000 100 18446744073709551615" + " 0" * 27
        write(f"{root}/proc/{i}/stat", f"{i} (p{i}) {tail}\n")
    write(f"{root}/proc/sys/kernel/threads-max", "100000\n")
    write(f"{root}/proc/sys/kernel/pid_max", "4194304\n")


def growth():
    print(f"{'tree':<48} {'1x, us':>9} {'2x, us':>9} {'4x, us':>9}  {'4x / 1x':>8}")
    sets = (("1,024 to 4,096 CPUs (cpu, softirqs, schedstat)", ("cpu", "softirqs", "schedstat")),
            ("5,000 to 20,000 mounts (filesystem)", ("filesystem",)),
            ("10,000 to 40,000 processes (processes)", ("processes",)))
    with tempfile.TemporaryDirectory() as base:
        for factor in (1, 2, 4):
            make_tree(f"{base}/{factor}", factor)
        for what, collectors in sets:
            cost = []
            for factor in (1, 2, 4):
                flags = ["--collector.disable-defaults", "--path.procfs=proc", "--path.sysfs=sys",
                         "--path.rootfs=.", "--web.disable-exporter-metrics"]
                flags += [f"--collector.{name}" for name in collectors]
                with Server(AGENT, flags, cwd=f"{base}/{factor}") as ours:
                    ours.scrape_us(3)
                    cost.append(least((ours,), 10)[0])
            print(f"{what:<48} {cost[0]:>9.0f} {cost[1]:>9.0f} {cost[2]:>9.0f}  {cost[2] / cost[0]:>7.2f}x",
                  flush=True)


# Those on by default that run on workers, every 15 s or so: what they read is not due every second.
SLOW = ("btrfs", "fibrechannel", "filesystem", "hwmon", "infiniband", "nvme", "powersupplyclass",
        "thermal_zone", "zfs")


def sample():
    seconds = int(os.environ.get("NV_SECONDS", "30"))
    with tempfile.TemporaryDirectory() as folder:
        with Server(AGENT, [f"--no-collector.{name}" for name in SLOW] + ["--no-storage.tsdb"]) as ours:
            ours.scrape_us(3)
            files = kept_files(ours)
        floor = min(floor_us(files, seconds, 1000000) for _ in range(2))
        with Server(AGENT, [f"--storage.tsdb.path={folder}/data", "--no-storage.tsdb.thin"]) as ours:
            time.sleep(5)
            best, written = float("inf"), -io_bytes(ours.process.pid)
            for _ in range(2):
                before = ours.cpu_ns()
                time.sleep(seconds)
                best = min(best, (ours.cpu_ns() - before) / seconds / 1000)
            written += io_bytes(ours.process.pid)
            ours.connection.close()  # idle for too long
            body = ours.get()
            resident = ours.resident_kib()
    budget = 1.5 * floor + 500
    print(f"a second's sample: {best:.0f} us of CPU; reading its {len(files)} files alone {floor:.0f} us")
    print(f"budget 1.5 times that and 0.05 % of a core: {budget:.0f} us "
          f"({'kept' if best <= budget else 'MISSED'})")
    print(f"samples on /metrics: {samples(body)}; resident {resident} KiB; "
          f"written {written / (2 * seconds) * 3600 / 1e6:.2f} MB an hour")


def io_bytes(pid):
    with open(f"/proc/{pid}/io") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("write_bytes"))


def soak():
    total = int(os.environ.get("NV_SOAK", "100000"))
    with Server(AGENT) as ours:
        ours.scrape_us(100)
        print(f"resident after {100:>7} scrapes: {ours.resident_kib()} KiB")
        for part in range(1, 11):
            ours.scrape_us(total // 10)
            print(f"resident after {part * total // 10:>7} scrapes: {ours.resident_kib()} KiB", flush=True)


def main():
    if not PEER:
        sys.exit("prometheus-node-exporter is not installed: apt-get install prometheus-node-exporter")
    parts = {"scrape": scrape, "links": in_namespace, "links-inside": links, "growth": growth,
             "sample": sample, "soak": soak}
    for name in sys.argv[1:] or ("scrape", "links", "growth"):
        parts[name]()


if __name__ == "__main__":
    main()
