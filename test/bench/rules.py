#!/usr/bin/env python3
"""Measures the rule engine beside Debian's Prometheus: the same rules over the same series in one run.

    test/bench/run.sh rules [SECONDS]    builds a release, then runs this

1,000 rules in 20 groups over 2,000 series every 15 s, as rules_bench.c makes them. Prometheus begins with the same history as
blocks, scrapes what comes next from a small server, and tells itself how long its evaluations take; it runs SECONDS
(75 unless given). Without Prometheus the engine is measured alone.

Limits: 2 % of a core, 4 MiB, a third of Prometheus' time.
"""
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

BENCH = os.environ["NV_RULES_BENCH"]
INTERVAL, CYCLES = 15, 40
CORE_LIMIT, BYTES_LIMIT, PEER_LIMIT = 0.02, 4 << 20, 1 / 3


class Live(http.server.BaseHTTPRequestHandler):
    """Each scrape shows the next of the prepared texts."""
    folder, shown = "", 0

    def do_GET(self):
        name = os.path.join(Live.folder, f"{min(Live.shown, CYCLES - 1)}.prom")
        Live.shown += 1
        with open(name, "rb") as f:
            text = f.read()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def metrics(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    found = {}
    for name in ("prometheus_rule_evaluation_duration_seconds_sum", "prometheus_rule_evaluation_duration_seconds_count",
                 "process_cpu_seconds_total"):
        found[name] = float(re.search(rf"^{name} (\S+)$", text, re.M).group(1))
    found["failures"] = sum(float(v) for v in re.findall(r"^prometheus_rule_evaluation_failures_total\{.*\} (\S+)$", text, re.M))
    return found


def wait_ready(port):
    for _ in range(200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=1).read()
            return
        except OSError:
            time.sleep(0.1)
    sys.exit("prometheus does not become ready")


def prometheus(folder, seconds):
    """Seconds it takes for all 1,000 rules once."""
    data = os.path.join(folder, "data")
    subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", os.path.join(folder, "history.om"), data],
                   check=True, stdout=subprocess.DEVNULL)
    Live.folder = os.path.join(folder, "live")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Live)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = free_port()
    with open(os.path.join(folder, "prometheus.yml"), "w", encoding="utf-8") as f:
        f.write(f"global: {{scrape_interval: {INTERVAL}s, evaluation_interval: {INTERVAL}s}}\nrule_files: [rules.yml]\n"
                "scrape_configs:\n- {job_name: bench, honor_labels: true, static_configs: "
                f"[{{targets: ['127.0.0.1:{server.server_port}']}}]}}\n")
    peer = subprocess.Popen(["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={data}",
                             f"--web.listen-address=127.0.0.1:{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_ready(port)
        time.sleep(2 * INTERVAL)  # the first evaluations make their series
        before = metrics(port)
        time.sleep(seconds)
        after = metrics(port)
    finally:
        peer.terminate()
        peer.wait(30)
        server.shutdown()
    spent, rules = (after["prometheus_rule_evaluation_duration_seconds_" + what] -
                    before["prometheus_rule_evaluation_duration_seconds_" + what] for what in ("sum", "count"))
    if not rules or after["failures"]:
        sys.exit(f"prometheus evaluated {rules:.0f} rules, {after['failures']:.0f} failed")
    return spent / rules * 1000


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 75
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([BENCH, "data", folder, str(int(time.time()))], check=True)
        own = json.loads(subprocess.run([BENCH, "run", folder, str(CYCLES)], check=True, capture_output=True, text=True).stdout)
        if own["failures"] or own["rules"] != 1000:
            sys.exit(f"not all rules evaluate: {own}")
        core = own["cpu_s"] / INTERVAL
        print(f"1,000 rules once      {own['cpu_s'] * 1e3:8.1f} ms of CPU, {own['wall_s'] * 1e3:.1f} ms by the clock")
        print(f"at 15 s               {core * 100:8.2f} % of a core   (limit {CORE_LIMIT * 100:.0f} %)")
        print(f"memory                {own['running_bytes'] / 2**20:8.2f} MiB, {own['loaded_bytes'] / 2**20:.2f} MiB of it "
              f"rules   (limit {BYTES_LIMIT / 2**20:.0f} MiB)")
        well = core <= CORE_LIMIT and own["running_bytes"] <= BYTES_LIMIT
        if not shutil.which("prometheus") or not shutil.which("promtool"):
            print("prometheus is not installed: left out")
        else:
            peer = prometheus(folder, seconds)
            print(f"Prometheus            {peer * 1e3:8.1f} ms by the clock")
            print(f"ratio                 {own['wall_s'] / peer:8.3f}   (limit {PEER_LIMIT:.3f})")
            well = well and own["wall_s"] <= peer * PEER_LIMIT
        sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
