"""What the agent holds in memory beside a node's pods: resident and at most, against the budget.

Usage: run.sh memory [PODS ...] [--minutes=M] [--speed=S] [--source=cgroup|kubelet] [--keep]

The agent has the flags of the DaemonSet: all collectors that are on by default, containers, pods, history every second, the
kubelet over TLS, and is scraped every 20 s. Time passes SPEED times faster for it (hurry.c), for an hour and a bit of its own,
so that pages were sealed and a block was cut. Source cgroup is a tree of cgroups v2 on tmpfs; kubelet is the answers of
/metrics/cadvisor instead.

Limit: 12 MiB, and 1 KiB for each series beyond 2,000; the worst moment of the last ten minutes counts.
"""
import argparse
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
os.environ.setdefault("NV_CGROUP_BENCH", "")
from churn import Tree  # noqa: E402
from harness import Agent, samples  # noqa: E402
from kubelet import Kubelet  # noqa: E402
from kubelet_node import Node  # noqa: E402

PODS, SCRAPED_EVERY_S = (6, 30, 110, 235), 20
LAST = 30  # times, of which the worst counts
BASE_KIB, BASE_SERIES = 12 * 1024, 2000


def limit_kib(series):
    return BASE_KIB + max(0, series - BASE_SERIES)


def memory(pid):
    """Kilobytes: resident, at most so far, and of those resident the anonymous."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        lines = dict(line.split(":", 1) for line in f)
    return tuple(int(lines[key].split()[0]) for key in ("VmRSS", "VmHWM", "RssAnon"))


def flags(root, source, kubelet):
    given = ["--collector.container", f"--collector.container.source={source}", "--collector.kube-pods",
             "--no-kube.annotations", f"--storage.tsdb.path={root}/history", *kubelet.flags()]
    if source == "cgroup":
        given += [f"--path.procfs={root}/proc", f"--path.sysfs={root}/sys", f"--path.rootfs={root}"]
    return given


def link_machine(root):
    """The machine's own files beside those that are made up."""
    for top in ("proc", "sys"):
        for name in os.listdir("/" + top):
            place = f"{root}/{top}/{name}"
            if not name.isdigit() and not os.path.lexists(place):
                os.symlink(f"/{top}/{name}", place)


def measure(pods, options):
    speed, seconds = options.speed, options.minutes * 60
    began = time.time()
    node = Node(pods, 2, clock=lambda: began + (time.time() - began) * speed)
    with tempfile.TemporaryDirectory(prefix="nv-memory-", dir="/dev/shm") as root, Kubelet(node=node) as kubelet:
        hurry = f"{root}/hurry.so"
        subprocess.run([os.environ.get("CC", "cc"), "-O2", "-shared", "-fPIC", "-o", hurry, f"{HERE}/hurry.c"], check=True)
        tree = Tree(root, kubelet.made_up)
        tree.follow()
        link_machine(root)
        env = {"NODE_NAME": "node-a1"} | ({"LD_PRELOAD": hurry, "NV_HURRY": f"{speed:g}"} if speed != 1 else {})
        agent = Agent(*flags(root, options.source, kubelet), env=env | dict(
            word.split("=", 1) for word in options.env))
        with agent.ready():
            pid, seen, text = agent.process.pid, [], ""
            while time.time() < began + seconds / speed:
                tree.beat((time.time() - began) * speed)
                text = agent.metrics()
                time.sleep(SCRAPED_EVERY_S / speed)
                seen.append(memory(pid))
                if options.verbose:
                    print(f"  {(time.time() - began) * speed / 60:5.1f} min {seen[-1]}", flush=True)
            series = int(float(samples(text)["nodevitals_tsdb_series"]))
            resident, most, anonymous = max(seen[-LAST:])
            limit = limit_kib(series)
            print(f"{pods:5} {series:7} {resident / 1024:9.1f} {anonymous / 1024:9.1f} {most / 1024:9.1f} {limit / 1024:8.1f}   "
                  f"{'ok' if resident <= limit else 'over'}", flush=True)
            if options.keep:
                input(f"pid {pid}: ")
        return resident <= limit


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pods", nargs="*", type=int)
    parser.add_argument("--minutes", type=float, default=70)
    parser.add_argument("--speed", type=float, default=20)
    parser.add_argument("--source", default="cgroup", choices=("cgroup", "kubelet"))
    parser.add_argument("--env", action="append", default=[], help="NAME=VALUE for the agent")
    parser.add_argument("--keep", action="store_true", help="wait before the end, for a look at the process")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    print(" pods  series  resident anonymous   at most    limit   (MiB)", flush=True)
    fine = True
    for pods in options.pods or PODS:
        fine = measure(pods, options) and fine
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
