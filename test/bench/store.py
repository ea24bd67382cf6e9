#!/usr/bin/env python3
"""Measures the local store beside Prometheus' and VictoriaMetrics', with the same data in one run.

    test/bench/run.sh store [RECORD]    builds a release, then runs this

  size    a recording (OpenMetrics with timestamps, or the same as .zst; ../shared/fixtures/record by default) as each
          keeps it, index included: bytes of the whole directory after sealing and merging
  ingest  2,000 series: append and log, and all the way to synced blocks, beside `promtool tsdb bench write`
  read    a day of 600 series at 1 s: start to first answer, and single series from disk
  endurance  a simulated week, churn, growth, a start with a full log, and stalls of appends: endurance.c, beside its limits

A peer that is not installed is left out, and said so.
"""
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

AGENT = os.environ["NODEVITALS"]
BENCH = os.environ["NV_STORE_BENCH"]
ENDURANCE = os.environ["NV_ENDURANCE"]
HERE = os.path.dirname(os.path.abspath(__file__))
PARTS = ["size", "ingest", "read", "endurance"]
RECORD = os.path.join(HERE, "../../../shared/fixtures/record/node-2s.om.zst")


def directory_bytes(path):
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(path) for name in names)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def victoria(record, folder):
    """VictoriaMetrics takes classic text with milliseconds; seconds are what OpenMetrics has."""
    port = free_port()
    server = subprocess.Popen(
        ["victoria-metrics", f"-storageDataPath={folder}", f"-httpListenAddr=127.0.0.1:{port}", "-retentionPeriod=100y"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    base = f"http://127.0.0.1:{port}"
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(f"{base}/health", timeout=1).read()
                break
            except OSError:
                time.sleep(0.1)
        lines = []
        with open(record, encoding="utf-8") as f:
            for line in f:
                if not line.startswith("#"):
                    head, stamp = line.rstrip("\n").rsplit(" ", 1)
                    lines.append(f"{head} {round(float(stamp) * 1000)}\n")
        for at in range(0, len(lines), 50000):
            body = "".join(lines[at:at + 50000]).encode()
            urllib.request.urlopen(f"{base}/api/v1/import/prometheus", data=body, timeout=60).read()
        for what in ("force_flush", "force_merge", "force_flush"):
            urllib.request.urlopen(f"{base}/internal/{what}", timeout=60).read()
            time.sleep(2)
    finally:
        server.terminate()
        server.wait(30)
    return sum(directory_bytes(os.path.join(folder, part)) for part in ("data", "indexdb"))


def size(record):
    with tempfile.TemporaryDirectory() as tmp:
        if record.endswith(".zst"):
            plain = os.path.join(tmp, "record.om")
            subprocess.run(["zstd", "-q", "-d", "--long=27", record, "-o", plain], check=True)
            record = plain
        with open(record, encoding="utf-8") as f:
            samples = sum(1 for line in f if not line.startswith("#"))
        rows = []
        ours = os.path.join(tmp, "ours")
        subprocess.run([AGENT, "tsdb", "import", record, f"--storage.tsdb.path={ours}"], check=True,
                       stdout=subprocess.DEVNULL)
        rows.append(("nodevitals", directory_bytes(ours)))
        if shutil.which("victoria-metrics"):
            rows.append(("VictoriaMetrics", victoria(record, os.path.join(tmp, "vm"))))
        else:
            print("left out: victoria-metrics is not installed")
        if shutil.which("promtool"):
            prom = os.path.join(tmp, "prom")
            subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", record, prom], check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            rows.append(("Prometheus", directory_bytes(prom)))
        else:
            print("left out: promtool is not installed")
        print(f"{samples} samples, whole directory:")
        for name, n in rows:
            print(f"  {name:<16} {n:>9} bytes  {n / samples:.3f} bytes a sample   ours is {rows[0][1] / n:.2f} of that")


def bench(*arguments):
    answer = subprocess.run([BENCH, *map(str, arguments)], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in answer.stdout.splitlines()]


def ingest():
    with tempfile.TemporaryDirectory() as tmp:
        ours = bench("ingest", os.path.join(tmp, "ours"), 2000, 7200)[0]
        log = ours["samples"] / ours["log_cpu_s"]
        everything = ours["samples"] / ours["all_cpu_s"]
        print(f"2,000 series, 7,200 frames: append and log {log / 1e6:.1f} million samples a second of CPU, to synced "
              f"blocks {everything / 1e6:.1f}; longest append {ours['longest_append_ms']:.2f} ms; "
              f"{ours['block_bytes'] / ours['samples']:.3f} bytes a sample in blocks")
        if not shutil.which("promtool"):
            return
        series = os.path.join(tmp, "series.json")
        with open(series, "w", encoding="utf-8") as f:
            for i in range(2000):
                f.write(f'{{"__name__":"m{i}","instance":"a:9100","job":"node"}}\n')
        before = os.times()
        subprocess.run(["promtool", "tsdb", "bench", "write", f"--out={tmp}/prom", "--metrics=2000", "--scrapes=5000",
                        series], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        after = os.times()
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        theirs = 2000 * 5000 / cpu
        print(f"promtool tsdb bench write: {theirs / 1e6:.1f} million samples a second of CPU; ours is "
              f"{log / theirs:.1f} times that (budget 10), to synced blocks {everything / theirs:.1f} times (budget 2)")


def read():
    with tempfile.TemporaryDirectory() as tmp:
        folder = os.path.join(tmp, "day")
        written = bench("ingest", folder, 600, 86400)[0]
        day = directory_bytes(folder)
        print(f"a day of 600 series at 1 s: {day} bytes, {day / written['samples']:.3f} a sample")
        for row in bench("read", folder):
            if "open_ms" in row:
                print(f"start to first answer {row['open_ms']:.1f} ms with {row['span_h']:.1f} h (budget 100 ms)")
            else:
                print(f"series of kind {row['kind']}: {row['samples']} samples, reads {100 * row['bytes'] / day:.1f} % of "
                      f"the day's bytes (budget 5), {row['samples_per_s'] / 1e6:.0f} million samples a second (budget 50)")


def simulate(what):
    with tempfile.TemporaryDirectory() as tmp:
        answer = subprocess.run([ENDURANCE, what, os.path.join(tmp, "store")], capture_output=True, text=True, check=True)
        return [json.loads(line) for line in answer.stdout.splitlines()]


def beside(limit, value, unit):
    return f"{value:.1f} {unit} ({'within' if value <= limit else 'ABOVE'} {limit:.1f})"


def endurance():
    mib = 1 << 20
    for what in ("week", "churn", "growth"):
        days = simulate(what)
        end = days[-1]
        memory = 12 + max(0, end["series"] - 2000) / 1024
        print(f"{what}: {end['hours']:.0f} h, {end['samples'] / 1e6:.0f} million samples, {end['series']} series of "
              f"{end['series_made']} ever made")
        own = end["frames_bytes"]  # what made the frames is not the store's
        print(f"  resident at the end {beside(memory, (end['resident_bytes'] - own) / mib, 'MiB')}, at most "
              f"{(end['resident_bytes_max'] - own) / mib:.1f}; heap {end['heap_used_bytes'] / mib:.1f} used, "
              f"{end['heap_free_bytes'] / mib:.1f} free; by day "
              + " ".join(f"{(d['resident_bytes'] - own) / mib:.1f}" for d in days))
        print(f"  disk at most {beside(512, end['disk_bytes_max'] / mib, 'MiB')}, log at most "
              f"{end['log_bytes_max'] / mib:.1f}, {end['block_bytes'] / end['samples']:.3f} bytes a sample in blocks")
        written = end["written_per_hour"] / 1e6
        print(f"  written per hour {beside(6, written, 'MB') if what == 'week' else f'{written:.1f} MB'}; "
              f"dropped {end['dropped']}; longest append {end['longest_append_ms']:.1f} ms, with what else ran")
    start = simulate("start")[0]
    print(f"start with a day and {start['log_bytes'] / mib:.1f} MiB of log: first answer after "
          f"{beside(100, start['answer_ms'], 'ms')}, {start['cpu_ms']:.0f} ms of CPU")
    for what, when in (("stall", "while sealing, cutting and merging"), ("renew", "of 50,000 series, while generations begin")):
        stall = simulate(what)[0]
        print(f"appends {when}: longest {stall['longest_append_ms']:.1f} ms, of those not preempted "
              f"{beside(5, stall['longest_not_preempted_ms'], 'ms')}; {stall['above_5ms']} of {stall['frames']} above 5 ms")


def main():
    record = next((a for a in sys.argv[1:] if os.path.exists(a)), RECORD)
    parts = [a for a in sys.argv[1:] if a in PARTS] or PARTS
    if "size" in parts:
        if os.path.exists(record):
            size(record)
        else:
            print("left out: size, for there is no recording; name one")
    if "ingest" in parts:
        ingest()
    if "read" in parts:
        read()
    if "endurance" in parts:
        endurance()


if __name__ == "__main__":
    main()
