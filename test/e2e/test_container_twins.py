"""The recorded node once more as nodes of other makes: the same pods and numbers, other names for their cgroups.

Every line that the recording's expected.txt has must hold for each: required and recommended ones are there, forbidden
ones are not. CRI-O and Docker name their containers otherwise, and their sandboxes are called POD.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from harness import SHARED, Agent, parse_series, samples, skip, wait_for
from kubelet import Kubelet

FIXTURE = os.path.join(SHARED, "fixtures", "kubelet")
V1, V2 = "cgroup-v1-cgroupfs", "cgroup-v2-systemd"
ID = re.compile("[0-9a-f]{64}")
NODE = "d" * 64  # the container that kind's node is
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # a copy has 2,000 files
if not os.path.isdir(FIXTURE):
    skip("../shared/fixtures/kubelet is not there")


def by_prefix(runtime):
    return lambda name: re.sub("^cri-containerd-", runtime + "-", name)


# name: (tree, what becomes of a component of a path, scheme of container ids, what lies above the pods)
MAKES = {
    "containerd, v2": (V2, str, "containerd", ""),
    "containerd, v1": (V1, str, "containerd", ""),
    "CRI-O, v2, systemd": (V2, by_prefix("crio"), "cri-o", ""),
    "CRI-O, v1, cgroupfs": (V1, lambda name: "crio-" + name if ID.fullmatch(name) else name, "cri-o", ""),
    "Docker, v2, systemd": (V2, by_prefix("docker"), "docker", ""),
    "Docker, v1, cgroupfs": (V1, str, "docker", ""),
    "kind, v1": (V1, str, "containerd", f"/docker/{NODE}/kubelet"),
    "kind, v2": (V2, lambda name: re.sub("^kubepods", "kubelet-kubepods", name), "containerd",
                 f"/system.slice/docker-{NODE}.scope/kubelet.slice"),
    "hybrid": (V1, str, "containerd", ""),
}


class Twin:
    """A copy of the recorded node's root, of another make."""

    def __init__(self, folder, make):
        self.tree, self.rename, self.scheme, self.above = MAKES[make]
        self.root = os.path.join(folder, "root")
        subprocess.run(["cp", "-r", "--no-preserve=all", os.path.join(FIXTURE, self.tree, "root"), self.root], check=True)
        self.cgroups = os.path.join(self.root, "sys/fs/cgroup")
        self.rename_folders()
        self.rename_processes()
        for top in self.hierarchies():
            self.move_pods(top)
        if make == "hybrid":
            self.add_unified()
        with open(os.path.join(FIXTURE, "payloads/pods.json"), encoding="utf-8") as pods:
            self.pods = pods.read().replace("containerd://", self.scheme + "://")

    def path(self, path):
        """What a cgroup's path is here."""
        here = "/".join(map(self.rename, path.split("/")))
        return self.above + here if "kubepods" in path else here

    def rename_folders(self):
        for folder, below, _ in os.walk(self.cgroups, topdown=False):
            for name in below:
                if self.rename(name) != name:
                    os.rename(os.path.join(folder, name), os.path.join(folder, self.rename(name)))

    def rename_processes(self):
        for pid in os.listdir(os.path.join(self.root, "proc")):
            file = os.path.join(self.root, "proc", pid, "cgroup")
            if not os.path.exists(file):
                continue
            with open(file, encoding="ascii") as text:
                lines = [line.rstrip("\n").split(":", 2) for line in text]
            with open(file, "w", encoding="ascii") as text:
                text.writelines(f"{number}:{names}:{self.path(path)}\n" for number, names, path in lines)

    def hierarchies(self):
        if self.tree == V2:
            return [self.cgroups]
        return [entry.path for entry in os.scandir(self.cgroups) if entry.is_dir(follow_symlinks=False)]

    def move_pods(self, top):
        for name in os.listdir(top) if self.above else ():
            if "kubepods" in name:
                os.makedirs(top + self.above, exist_ok=True)
                shutil.move(os.path.join(top, name), top + self.above)

    def add_unified(self):
        """systemd's own tree of v2, without controllers, mounted before the others."""
        unified = os.path.join(self.cgroups, "unified")
        for folder, _, _ in os.walk(os.path.join(self.cgroups, "memory")):
            here = unified + folder[len(os.path.join(self.cgroups, "memory")):]
            os.makedirs(here)
            with open(os.path.join(here, "cpu.stat"), "w", encoding="ascii") as file:
                file.write("usage_usec 1\nuser_usec 1\nsystem_usec 0\n")
        with open(os.path.join(unified, "cgroup.controllers"), "w", encoding="ascii") as file:
            file.write("\n")
        for process in ("1", "self"):
            path = os.path.join(self.root, "proc", process, "mountinfo")
            if os.path.exists(path):
                with open(path, encoding="ascii") as file:
                    mounts = file.read()
                with open(path, "w", encoding="ascii") as file:
                    file.write("28 25 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n" + mounts)

    def expected(self):
        """(class, family, labels, value) of every line."""
        kind = None
        with open(os.path.join(FIXTURE, self.tree, "expected.txt"), encoding="utf-8") as file:
            for line in map(str.strip, file):
                if line.startswith("# class: "):
                    kind = line.split()[-1]
                if not line or line[0] == "#":
                    continue
                series, value = (line, None) if kind == "forbidden" else line.rsplit(" ", 1)
                family, labels = parse_series(series)
                yield (kind, family, self.labels(labels), value and float(value))

    def labels(self, labels):
        if "id" in labels:
            labels["id"] = self.path(labels["id"])
        if self.scheme != "containerd" and ID.fullmatch(labels.get("name", "")):
            labels["name"] = re.compile("k8s_")
            if labels.get("container") == "":
                labels["container"] = "POD"
        return labels


def fits(value, wanted):
    return wanted.match(value) if isinstance(wanted, re.Pattern) else value == wanted


class Twins(unittest.TestCase):
    def told(self, twin, kubelet):
        """{family: [(labels, value)]}, once the pods are known."""
        flags = ["--collector.disable-defaults", "--collector.container", "--no-kube.annotations", *kubelet.flags()]
        flags += [f"--path.procfs={twin.root}/proc", f"--path.sysfs={twin.root}/sys", f"--path.rootfs={twin.root}"]
        text = ""

        def has_pods():
            nonlocal text
            text = agent.metrics("/metrics/cadvisor")
            return re.search('^container_memory_rss{.*pod="[a-z]', text, re.MULTILINE)
        with Agent(*flags) as agent:
            wait_for(has_pods, step=0.2)
        found = {}
        for series, value in samples(text).items():
            family, labels = parse_series(series)
            found.setdefault(family, []).append((labels, float(value)))
        return found

    def test_nodes_of_other_makes_tell_the_same(self):
        payloads = self.enterContext(tempfile.TemporaryDirectory())
        kubelet = self.enterContext(Kubelet(payloads=payloads, token=None, tls=False))
        for make in MAKES:
            with self.subTest(make), tempfile.TemporaryDirectory(dir=MEMORY) as folder:
                twin = Twin(folder, make)
                with open(os.path.join(payloads, "pods.json"), "w", encoding="utf-8") as pods:
                    pods.write(twin.pods)
                told = self.told(twin, kubelet)
                wrong, n = [], 0
                for kind, family, labels, value in twin.expected():
                    n += 1
                    there = any(all(fits(got.get(name, ""), wanted) for name, wanted in labels.items()) and
                                (value is None or abs(number - value) <= 1e-9 * abs(value))
                                for got, number in told.get(family, ()))
                    if there == (kind == "forbidden"):
                        wrong.append((kind, family, labels, value))
                self.assertGreater(n, 1000)
                self.assertEqual(wrong[:5], [], f"{len(wrong)} lines")


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
