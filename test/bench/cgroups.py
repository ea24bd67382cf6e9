"""The container collector over trees of cgroups: what a pass costs beside reading the same files.

Usage: run.sh cgroups [v1] [v2]. A tree has N pods of two containers and a pause process each, 4 N cgroups and the few
above them; N is 75, 150 and 300, so that the last columns show whether the cost grows with the tree.

  v1   real cgroups, made below every hierarchy that is mounted and removed in the end; needs root, else it is left out
  v2   a folder of files on tmpfs with a /proc of its own, since this machine's controllers are on v1

The kubelet's answer that names the pods is made up too.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile

BENCH = os.environ["NV_CGROUP_BENCH"]
SIZES = (75, 150, 300)
ROUNDS = int(os.environ.get("NV_ROUNDS", "15"))
BUDGET = 1.3

MEMORY_STAT = """anon 43925504 file 17408000 kernel 3072000 kernel_stack 163840 pagetables 409600 sec_pagetables 0
percpu 40960 sock 0 vmalloc 0 shmem 0 zswap 0 zswapped 0 file_mapped 12390400 file_dirty 8192 file_writeback 0
swapcached 0 anon_thp 0 file_thp 0 shmem_thp 0 inactive_anon 40000000 active_anon 3925504 inactive_file 9408000
active_file 8000000 unevictable 0 slab_reclaimable 1241664 slab_unreclaimable 567936 slab 1809600
workingset_refault_anon 0 workingset_refault_file 12 workingset_activate_anon 0 workingset_activate_file 3
workingset_restore_anon 0 workingset_restore_file 1 workingset_nodereclaim 0 pgscan 512 pgsteal 480
pgscan_kswapd 256 pgscan_direct 256 pgscan_khugepaged 0 pgsteal_kswapd 240 pgsteal_direct 240 pgsteal_khugepaged 0
pgfault 42425 pgmajfault 57 pgrefill 120 pgactivate 6060 pgdeactivate 40 pglazyfree 0 pglazyfreed 0
thp_fault_alloc 0 thp_collapse_alloc 0"""
PRESSURE = "".join(f"{kind} avg10=0.00 avg60=0.12 avg300=0.05 total={total}\n" for kind, total in
                   (("some", 619927463), ("full", 281063250)))
V2_FILES = {
    "cpu.stat": "usage_usec 3322452\nuser_usec 1204118\nsystem_usec 2118334\nnice_usec 0\n"
                "core_sched.force_idle_usec 0\nnr_periods 120\nnr_throttled 4\nthrottled_usec 12004\nnr_bursts 0\n"
                "burst_usec 0\n",
    "cpu.max": "50000 100000\n", "cpu.weight": "39\n", "cpu.pressure": PRESSURE, "memory.pressure": PRESSURE,
    "io.pressure": PRESSURE, "memory.current": "64405504\n", "memory.peak": "70405504\n",
    "memory.swap.current": "0\n", "memory.max": "134217728\n", "memory.min": "0\n", "memory.swap.max": "max\n",
    "memory.events": "low 0\nhigh 0\nmax 3\noom 0\noom_kill 0\noom_group_kill 0\n",
    "memory.stat": "".join(f"{key} {value}\n" for key, value in
                           zip(MEMORY_STAT.split()[::2], MEMORY_STAT.split()[1::2])),
    "io.stat": "259:0 rbytes=69206016 wbytes=3145728 rios=1604 wios=98 dbytes=0 dios=0\n",
    "pids.current": "8\n", "pids.max": "max\n", "cgroup.procs": "",
}
NET_DEV = """Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    1204      12    0    0    0     0          0         0     1204      12    0    0    0     0       0          0
  eth0: 9334118   30118    0    0    0     0          0         0  9334118   30118    0    0    0     0       0          0
"""


def uid(pod):
    return f"{pod:08x}-e888-4f72-aeb6-307a974d6199"


def container_id(pod, which):
    return f"{pod:08x}{which:08x}" + "0123456789abcdef" * 3


def pods_json(n):
    """What the kubelet would say of n pods."""
    items = []
    for pod in range(n):
        names = ("application", "sidecar")
        items.append({
            "metadata": {"name": f"service-{pod}-7d9f8b6c5-{pod:05x}", "namespace": f"team-{pod % 7}", "uid": uid(pod)},
            "spec": {"nodeName": "bench", "containers": [{"name": name} for name in names]},
            "status": {"phase": "Running", "podIP": "10.0.0.1", "containerStatuses": [
                {"name": name, "image": f"registry.example.com/team/{name}:1.{pod}", "restartCount": 0,
                 "containerID": "containerd://" + container_id(pod, i + 1),
                 "state": {"running": {"startedAt": "2026-05-12T09:30:00Z"}}} for i, name in enumerate(names)]}})
    return {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}


def paths(n, systemd):
    """Each cgroup's path and the pid of its pause process, if it is that of one."""
    yield ("kubepods.slice" if systemd else "kubepods"), 0
    above = "kubepods.slice/kubepods-burstable.slice" if systemd else "kubepods/burstable"
    yield above, 0
    for pod in range(n):
        slice_name = f"kubepods-burstable-pod{uid(pod).replace('-', '_')}.slice" if systemd else f"pod{uid(pod)}"
        yield f"{above}/{slice_name}", 0
        for which in range(3):
            leaf = container_id(pod, which)
            leaf = f"cri-containerd-{leaf}.scope" if systemd else leaf
            yield f"{above}/{slice_name}/{leaf}", 10000 + pod if which == 0 else 0


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def make_proc(root, mountinfo):
    for pid in ("1", "self"):
        os.makedirs(f"{root}/proc/{pid}/net")
        write(f"{root}/proc/{pid}/mountinfo", mountinfo)
        write(f"{root}/proc/{pid}/net/dev", NET_DEV)
    write(f"{root}/proc/meminfo", "MemTotal: 16265932 kB\nSwapTotal: 0 kB\n")
    write(f"{root}/proc/diskstats", " 259       0 nvme0n1 58316 120 4694016 402118 324195 3004 16820224 812204 0 1 2\n")


def make_v2(root, n):
    make_proc(root, "35 29 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    top = f"{root}/sys/fs/cgroup"
    os.makedirs(top)
    write(f"{top}/cgroup.controllers", "cpuset cpu io memory hugetlb pids\n")
    for name in ("cpu.stat", "memory.stat", "io.stat", "cpu.pressure", "memory.pressure", "io.pressure"):
        write(f"{top}/{name}", V2_FILES[name])
    for path, pid in paths(n, True):
        os.mkdir(f"{top}/{path}")
        for name, text in V2_FILES.items():
            write(f"{top}/{path}/{name}", text)
        if not pid:
            continue
        write(f"{top}/{path}/cgroup.procs", f"{pid}\n")
        os.makedirs(f"{root}/proc/{pid}/net")
        write(f"{root}/proc/{pid}/comm", "pause\n")
        write(f"{root}/proc/{pid}/cgroup", f"0::/{path}\n")
        write(f"{root}/proc/{pid}/net/dev", NET_DEV)


def measure(what, n, proc, sys_, pods):
    out = subprocess.run([BENCH, proc, sys_, str(ROUNDS), pods], check=True, stdout=subprocess.PIPE, text=True).stdout
    ours, floor, files, series = out.split()
    ratio = float(ours) / float(floor)
    print(f"{what:4} {n:5} {files:>7} {series:>7} {float(ours) / 1e3:9.2f} {float(floor) / 1e3:9.2f} {ratio:7.2f}"
          f" {float(ours) / int(files):9.2f}{'' if ratio <= BUDGET else '   over budget'}", flush=True)
    return ratio <= BUDGET


def run_v2(n, pods):
    root = tempfile.mkdtemp(prefix="nv-cgroups-", dir="/dev/shm")
    try:
        make_v2(root, n)
        return measure("v2", n, f"{root}/proc", f"{root}/sys", pods)
    finally:
        shutil.rmtree(root)


def v1_roots():
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        lines = [line.split() for line in f]
    wanted = {"cpu", "cpuacct", "memory", "blkio", "pids"}
    return [line[4] for line in lines
            if line[line.index("-") + 1] == "cgroup" and wanted & set(line[-1].split(","))]


def run_v1(n, pods):
    roots, made = v1_roots(), []
    if not roots or os.getuid() != 0 or any(os.path.exists(f"{root}/kubepods") for root in roots):
        print("v1: left out: needs root, controllers on v1, and no kubepods there yet")
        return True
    root = tempfile.mkdtemp(prefix="nv-cgroups-", dir="/dev/shm")
    try:
        for top in roots:
            for path, _ in paths(n, False):
                os.mkdir(f"{top}/{path}")
                made.append(f"{top}/{path}")
        make_proc(root, open("/proc/self/mountinfo", encoding="utf-8").read())
        return measure("v1", n, f"{root}/proc", "/sys", pods)
    finally:
        for path in reversed(made):
            os.rmdir(path)
        shutil.rmtree(root)


def main():
    chosen = sys.argv[1:] or ["v1", "v2"]
    print("tree  pods   files  series   pass ms  floor ms   ratio   us/file")
    fine = True
    for n in SIZES:
        with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
            json.dump(pods_json(n), f)
            f.flush()
            for what in chosen:
                fine = {"v1": run_v1, "v2": run_v2}[what](n, f.name) and fine
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
