"""Pods that come and go, ten each second for an hour: what the agent's memory does meanwhile, and whether it forgets them.

Usage: run.sh churn [SPEED [MINUTES]]. Simulated: a tree of cgroups v2 on tmpfs, whose folders are made and removed, a kubelet
that tells of the same pods at every moment, and an agent with its defaults for whom time passes SPEED times faster
(hurry.c; 6), for MINUTES of the agent's (60). A node has 300 pods of two containers, so that one lives for half a minute:
long enough to be seen twice, and each is new to everything that knows containers.

Fails when a pod that is gone is still answered for after the last pass, or one that is there is not, or when memory in the
last third is on average more than a tenth above what it was in the one before: it rises until a block is cut, and falls.
"""
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
os.environ.setdefault("NV_CGROUP_BENCH", "")
from cgroups import NET_DEV, V2_FILES, make_proc, write  # noqa: E402
from harness import Agent, wait_for  # noqa: E402
from kubelet import Kubelet  # noqa: E402
from kubelet_node import Node  # noqa: E402

PODS, CONTAINERS, RATE = 300, 2, 10
SHARED_FILES = [name for name in V2_FILES if name != "cgroup.procs"]
ALLOWED = 1.10


class Tree:
    """The cgroups of a node's pods; what they all have alike is one file with many names."""

    def __init__(self, root, node):
        self.root, self.node, self.there, self.pid = root, node, {}, 10000
        self.top = f"{root}/sys/fs/cgroup"
        make_proc(root, "35 29 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
        os.makedirs(self.top)
        os.makedirs(f"{root}/alike")
        self.beat(0)
        write(f"{self.top}/cgroup.controllers", "cpuset cpu io memory hugetlb pids\n")
        for path in ("", *(group.path for group in node.above if group.path != "/")):
            self._folder(path)

    def beat(self, seconds):
        """Lets the numbers that all share move."""
        for name in SHARED_FILES:
            text = V2_FILES[name]
            if name == "cpu.stat":
                text = text.replace("3322452", str(3322452 + int(seconds * 1e5)))
            write(f"{self.root}/alike/{name}", text)

    def _folder(self, path, pid=None):
        folder = self.top + path
        os.makedirs(folder, exist_ok=True)
        for name in SHARED_FILES:
            os.link(f"{self.root}/alike/{name}", f"{folder}/{name}")
        write(f"{folder}/cgroup.procs", f"{pid}\n" if pid else "")
        if pid:
            os.makedirs(f"{self.root}/proc/{pid}/net")
            write(f"{self.root}/proc/{pid}/comm", "pause\n")
            write(f"{self.root}/proc/{pid}/cgroup", f"0::{path}\n")
            write(f"{self.root}/proc/{pid}/net/dev", NET_DEV)

    def _remove(self, path, pid=None):
        folder = self.top + path
        for name in (*SHARED_FILES, "cgroup.procs"):
            os.unlink(f"{folder}/{name}")
        os.rmdir(folder)
        if pid:
            proc = f"{self.root}/proc/{pid}"
            for name in ("comm", "cgroup", "net/dev"):
                os.unlink(f"{proc}/{name}")
            os.rmdir(f"{proc}/net")
            os.rmdir(proc)

    def follow(self):
        """Makes the folders of pods that are new, and removes those of pods that are gone."""
        now = {pod.uid: self.node.cgroups[pod.slot] for pod in self.node.slots}
        for uid in [uid for uid in self.there if uid not in now]:
            for group, pid in reversed(self.there.pop(uid)):
                self._remove(group.path, pid)
        for uid, groups in now.items():
            if uid not in self.there:
                self.there[uid] = []
                for group in groups:
                    self.pid += group.kind == "s"
                    pid = self.pid if group.kind == "s" else None
                    self._folder(group.path, pid)
                    self.there[uid].append((group, pid))


def ask(agent, expression):
    answer = agent.get("/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
    if answer[0] != 200:
        raise OSError(f"{expression}: {answer[2].decode()}")
    return json.loads(answer[2])["data"]["result"]


def memory(pid):
    """Kilobytes: resident, and of these anonymous."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        lines = dict(line.split(":", 1) for line in f)
    return tuple(int(lines[key].split()[0]) for key in ("VmRSS", "RssAnon"))


def number(agent, expression):
    found = ask(agent, expression)
    return float(found[0]["value"][1]) if found else 0.0


def told_pods(agent, family):
    return {one["metric"]["pod"] for one in ask(agent, f'group by (pod) ({family}{{pod!=""}})')}


def watch(agent, kubelet, tree, speed, minutes):
    """An hour of the agent's; memory once a simulated minute: [(minute, RSS, anonymous)]."""
    node, began, seen = kubelet.made_up, time.monotonic(), []
    turned, wanted = 0, minutes * 60 * RATE
    print(f"{'minute':>7} {'pods so far':>12} {'RSS KB':>8} {'anon KB':>8} {'live cgroups':>12} {'disk KB':>8}", flush=True)
    while turned < wanted:
        time.sleep(0.05)
        seconds = (time.monotonic() - began) * speed
        due = min(int(seconds * RATE), wanted) - turned
        with kubelet.lock:
            for _ in range(0, due, 50):
                node.turn(min(due, 50))
                due -= min(due, 50)
                turned = node._replaced
                tree.follow()
        tree.beat(seconds)
        if seconds >= 60 * (len(seen) + 1):
            rss, anon = memory(agent.process.pid)
            seen.append((len(seen) + 1, rss, anon))
            if len(seen) % 5 == 0 or len(seen) < 10:
                series = number(agent, "count(container_memory_rss)")
                disk = subprocess.run(["du", "-sk", tree.root + "/history"], capture_output=True, text=True, check=False)
                print(f"{len(seen):7} {turned:12} {rss:8} {anon:8} {series:12.0f} {disk.stdout.split()[0]:>8}", flush=True)
    return seen


def main():
    speed = float(sys.argv[1]) if len(sys.argv) > 1 else 6
    minutes = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    with tempfile.TemporaryDirectory(prefix="nv-churn-", dir="/dev/shm") as root, \
            Kubelet(node=Node(PODS, CONTAINERS), tls=False) as kubelet:
        hurry = f"{root}/hurry.so"
        subprocess.run([os.environ.get("CC", "cc"), "-O2", "-shared", "-fPIC", "-o", hurry, f"{HERE}/hurry.c"], check=True)
        tree = Tree(root, kubelet.made_up)
        tree.follow()
        agent = Agent("--collector.disable-defaults", "--collector.container", "--collector.container.source=cgroup",
                      "--collector.kube-pods", "--no-kube.annotations", f"--storage.tsdb.path={root}/history",
                      f"--path.procfs={root}/proc", f"--path.sysfs={root}/sys", f"--path.rootfs={root}",
                      *kubelet.flags(), env={"LD_PRELOAD": hurry, "NV_HURRY": f"{speed:g}", "NODE_NAME": "node-a1"})
        with agent.ready():
            return judge(agent, kubelet, tree, watch(agent, kubelet, tree, speed, minutes))


def judge(agent, kubelet, tree, seen):
    live = {pod.name for pod in kubelet.made_up.slots}
    families = ("container_memory_rss", "container_network_receive_bytes_total", "kube_pod_info", "kube_pod_owner")
    wrong = []
    for family in families:
        def settled(family=family):
            return told_pods(agent, family) == live
        try:
            wait_for(settled, 60, 0.5)
        except AssertionError:
            pass
        told = told_pods(agent, family)
        print(f"{family}: {len(told & live)} of {len(live)} pods told, {len(told - live)} that are gone")
        if told != live:
            wrong.append(family)
    third = len(seen) // 3
    if third >= 2:
        before, last = ([rss for _, rss, _ in part] for part in (seen[-2 * third:-third], seen[-third:]))
        growth = (sum(last) / len(last)) / (sum(before) / len(before))
        print(f"memory in the last third is {growth:.2f} times that in the one before")
        if growth > ALLOWED:
            wrong.append("memory")
    print("as it should be" if not wrong else "wrong: " + ", ".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
