#!/usr/bin/env python3
"""Measures what a scrape of a large /metrics/cadvisor answer costs, beside Debian's vmagent.

    test/bench/run.sh intake [SCRAPES]    builds a release, then runs this

Both pull the same answers of 10 MB over HTTP from a server on the loopback, once a second: series that stay, values that
move, a time of its own on nearly every line as the kubelet has it; once with honor_timestamps, once without. What is told is
the CPU time of the process, HTTP included, for each scrape. The agent keeps what it gets in its store, with its log on
disk; vmagent drops everything before it would send it on, so that it is spared compression and sending.

Limit: at least 3 times the rate of vmagent.
"""
import http.server
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cadvisor import Cadvisor

SIZE, VARIANTS, LIMIT = 10_000_000, 6, 3
TICKS = os.sysconf("SC_CLK_TCK")


class Answers:
    """Times in them are marks until they are asked for: any answer is younger than the one before."""

    def __init__(self):
        cadvisor = Cadvisor(SIZE)
        self.texts = [cadvisor.body() for _ in range(VARIANTS)]
        self.texts = [self.mark(text) for text in self.texts]
        self.asked, self.lock = 0, threading.Lock()

    @staticmethod
    def mark(text):
        parts = []
        for n, line in enumerate(text.split(b"\n")):
            head, _, last = line.rpartition(b" ")
            parts.append(head + b" <time>%x" % (n % 4) if len(last) == 13 and last.isdigit() else line)
        return b"\n".join(parts)

    def next(self):
        with self.lock:
            n, self.asked = self.asked, self.asked + 1
        text, now_ms = self.texts[n % VARIANTS], int(time.time() * 1000)
        for k in range(4):
            text = text.replace(b"<time>%x" % k, b"%d" % (now_ms - 200 * k))
        return text


def serve(answers):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            text = answers.next()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) / 1024


def config(folder, port, honor):
    path = os.path.join(folder, "scrape.yml")
    with open(path, "w", encoding="ascii") as f:
        f.write(f"scrape_configs:\n- job_name: kubelet\n  scrape_interval: 1s\n  scrape_timeout: 1s\n"
                f"  honor_timestamps: {'true' if honor else 'false'}\n"
                f"  static_configs:\n  - targets: ['127.0.0.1:{port}']\n")
    return path


def agent(folder, port, honor):
    return [os.environ["NODEVITALS"], f"--config.file={config(folder, port, honor)}", "--collector.disable-defaults",
            f"--web.listen-address=127.0.0.1:{free_port()}", f"--storage.tsdb.path={folder}/data"]


def vmagent(folder, port, honor):
    drop = os.path.join(folder, "drop.yml")
    with open(drop, "w", encoding="ascii") as f:
        f.write("- action: drop\n  source_labels: [__name__]\n  regex: '.*'\n")
    return ["vmagent", f"-promscrape.config={config(folder, port, honor)}", "-promscrape.maxScrapeSize=64MB",
            f"-httpListenAddr=127.0.0.1:{free_port()}", "-remoteWrite.url=http://127.0.0.1:9/", f"-remoteWrite.tmpDataPath={folder}/queue",
            f"-remoteWrite.relabelConfig={drop}"]


def measure(command, answers, scrapes):
    """CPU seconds for each scrape, once it has settled, and MiB at the end."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        threading.Thread(target=process.stderr.read, daemon=True).start()
        try:
            first, deadline = answers.asked, time.time() + 60
            while answers.asked < first + 5:
                if time.time() > deadline or process.poll() is not None:
                    sys.exit(f"{command[0]} does not scrape")
                time.sleep(0.05)
            time.sleep(0.5)
            at, cpu = answers.asked, cpu_seconds(process.pid)
            while answers.asked < at + scrapes:
                time.sleep(0.05)
            time.sleep(0.5)
            n = answers.asked - at
            return (cpu_seconds(process.pid) - cpu) / n, resident(process.pid)
        finally:
            process.terminate()
            process.wait()


def main():
    scrapes = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    answers = Answers()
    server = serve(answers)
    failed = False
    series = sum(1 for line in answers.texts[0].split(b"\n") if line and not line.startswith(b"#"))
    print(f"an answer: {len(answers.texts[0]) / 1e6:.1f} MB, {series} series; CPU of one scrape, {scrapes} scrapes each")
    for honor in (False, True):
        took = {}
        for name, command in (("nodevitals", agent), ("vmagent", vmagent)):
            if name == "vmagent" and not shutil.which("vmagent"):
                continue
            with tempfile.TemporaryDirectory() as folder:
                took[name], mib = measure(command(folder, server.server_address[1], honor), answers, scrapes)
            print(f"  honor_timestamps: {str(honor).lower():5} {name:10} {took[name] * 1000:7.2f} ms, {mib:.0f} MiB resident")
        if "vmagent" in took:
            ratio = took["vmagent"] / took["nodevitals"]
            failed |= ratio < LIMIT
            print(f"  {ratio:.1f} times the rate of vmagent{'' if ratio >= LIMIT else ': BELOW THE LIMIT'}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
