"""A day of a node at 5 s, as OpenMetrics with timestamps, two hours to a file: what query.py asks about.

The node comes from a recording (repeated, its counters carried on), its containers from the kubelet's answers, whose
counters are made to rise and whose gauges to sway. The numbers are the same in every run.
"""
import hashlib
import math
import os
import re
import subprocess

STEP, SPAN, DAY = 5, 7200, 86400
COUNTERS = ("_total", "_count", "_sum", "_bucket")
CADVISOR = {
    "container_cpu_usage_seconds_total", "container_cpu_cfs_periods_total", "container_cpu_cfs_throttled_periods_total",
    "container_memory_working_set_bytes", "container_memory_rss", "container_memory_cache", "container_memory_swap",
    "container_network_receive_bytes_total", "container_network_transmit_bytes_total",
    "container_network_receive_packets_total", "container_network_transmit_packets_total",
    "container_network_receive_packets_dropped_total", "container_network_transmit_packets_dropped_total",
    "container_fs_reads_total", "container_fs_writes_total", "container_fs_reads_bytes_total",
    "container_fs_writes_bytes_total", "container_spec_memory_limit_bytes", "container_spec_cpu_quota",
    "container_start_time_seconds", "machine_cpu_cores", "machine_memory_bytes",
}
PODS = {
    "kube_pod_info", "kube_pod_owner", "kube_pod_status_phase", "kube_pod_container_resource_requests",
    "kube_pod_container_resource_limits", "kube_pod_container_status_waiting_reason",
    "kube_pod_container_status_restarts_total", "kube_pod_container_status_ready",
}


def with_labels(series, more):
    name, brace, rest = series.partition("{")
    rest = rest[:-1] if brace else ""
    have = set(re.findall(r'([a-zA-Z_]\w*)="', rest))
    pairs = [rest] if rest else []
    pairs += [f'{k}="{v}"' for k, v in more.items() if k not in have]
    return f"{name}{{{','.join(pairs)}}}"


def text(value):
    return repr(int(value)) if value == int(value) and abs(value) < 1e15 else repr(round(value, 9))


def recorded(path):
    """Series of the recording: labels, and the texts of their values in order."""
    out, last = [], None
    data = subprocess.run(["zstd", "-dc", "--long=27", path], capture_output=True, check=True).stdout.decode()
    for line in data.splitlines():
        if line.startswith("#"):
            continue
        series, value, _ = line.rsplit(" ", 2)
        if series != last:
            last = series
            out.append((series, []))
        out[-1][1].append(value)
    return out


def repeated(series, values, n):
    """n values: the recording over and over, a counter going on where it stood."""
    if not series.partition("{")[0].endswith(COUNTERS):
        return [values[i % len(values)] for i in range(n)]
    numbers = [float(v) for v in values]
    rise = numbers[-1] - numbers[0]
    out = list(values)
    for k in range(1, -(-n // len(values))):
        out += [text(x + k * rise) for x in numbers] if rise else values
    return out[:n]


def composed(series, value, n):
    """n values around a single one, decided by the series' name."""
    name = series.partition("{")[0]
    seed = int(hashlib.sha1(series.encode()).hexdigest()[:8], 16)
    start = float(value)
    if name.endswith("_total") and start:
        rate, at, out = start / (10 * DAY / STEP), start, []
        whole = start == int(start)
        for i in range(n):
            at += rate * (0.5 + ((seed + i * 2654435761) >> 7) % 1024 / 1024)
            out.append(text(int(at) if whole else round(at, 6)))
        return out
    if name in ("container_memory_working_set_bytes", "container_memory_rss", "container_memory_cache"):
        return [text(int(start * (1 + 0.05 * math.sin((seed % 997 + i) / 180)) / 4096) * 4096) for i in range(n)]
    return [value] * n


def exposed(path, families, labels):
    for line in open(path, encoding="utf-8"):
        if line.startswith("#") or line.partition("{")[0].split(" ")[0] not in families:
            continue
        series, rest = line.rstrip("\n").rsplit("} ", 1) if "}" in line else line.rstrip("\n").split(" ", 1)
        yield with_labels(series + "}" if "}" in line else series, labels), rest.split(" ")[0]


def series_of_a_day(shared):
    n = DAY // STEP
    where = {"job": "node-exporter", "instance": "node-a1"}
    for series, values in recorded(os.path.join(shared, "fixtures/record/node-2s.om.zst")):
        yield with_labels(series, where), repeated(series, values, n)
    kubelet = os.path.join(shared, "fixtures/kubelet")
    where = {"job": "kubelet", "metrics_path": "/metrics/cadvisor", "instance": "node-a1", "node": "node-a1"}
    for series, value in exposed(os.path.join(kubelet, "payloads/metrics-cadvisor.txt"), CADVISOR, where):
        yield series, composed(series, value, n)
    where = {"job": "kube-state-metrics", "instance": "node-a1"}
    for series, value in exposed(os.path.join(kubelet, "expected-kube-pod.txt"), PODS, where):
        yield series, composed(series, value, n)


def write_day(shared, folder, start):
    """Writes part-00.om ... Returns (paths, series, samples)."""
    per = SPAN // STEP
    stamps = [[str(start + p * SPAN + i * STEP) for i in range(per)] for p in range(DAY // SPAN)]
    paths = [os.path.join(folder, f"part-{p:02}.om") for p in range(DAY // SPAN)]
    files = [open(path, "w", encoding="utf-8") for path in paths]
    n = 0
    for series, values in series_of_a_day(shared):
        n += 1
        for p, f in enumerate(files):
            part = values[p * per:(p + 1) * per]
            f.write("".join([f"{series} {v} {t}\n" for v, t in zip(part, stamps[p])]))
    for f in files:
        f.write("# EOF\n")
        f.close()
    return paths, n, n * DAY // STEP
