#!/usr/bin/env python3
"""Asks the agent, Prometheus and VictoriaMetrics the same about the same day, over HTTP, and compares the times.

    test/bench/run.sh query [FOLDER]    builds a release, then runs this; what was made of the day is kept in FOLDER,
                                        good for some hours: later the agent thins it

Data: query_data.py; expressions: query_set.py. Each is asked as the day at 60 s steps and as one time, ROUNDS times of
each by turns; the least time of each counts, so that whatever else the machine does weighs little. All answers are read
whole, over one kept connection, and none is parsed while the clock runs. Last come the memory of the costliest query, what
the agent has taken after all of them, and how many short expressions are parsed in a second.
"""
import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

import query_data
import query_set

AGENT = os.environ["NODEVITALS"]
BENCH = os.environ.get("NV_QUERY_BENCH")
HERE = os.path.dirname(os.path.abspath(__file__))
SHARED = os.path.join(HERE, "../../../shared")
ROUNDS = 5


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """One of the three, while it runs."""

    def __init__(self, name, command, port):
        self.name, self.port = name, port
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.socket = None

    def connect(self):
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def exchange(self, request):
        """The answer as it comes; a client library would take longer than many an answer."""
        self.socket.sendall(request)
        data = self.socket.recv(1 << 20)
        while b"\r\n\r\n" not in data:
            more = self.socket.recv(1 << 20)
            if not more:
                raise ConnectionError
            data += more
        head, _, data = data.partition(b"\r\n\r\n")
        found = re.search(rb"(?i)content-length: (\d+)", head)
        parts, n = [data], len(data)
        while n < int(found.group(1)) if found else not parts[-1].endswith(b"0\r\n\r\n"):
            more = self.socket.recv(1 << 20)
            if not more:
                raise ConnectionError
            n += len(more)
            if len(more) < 8:
                more = parts.pop() + more
            parts.append(more)
        return head, b"".join(parts)

    def ask(self, path, parameters):
        """(seconds, body, status); the connection is made anew where it was closed."""
        body = urllib.parse.urlencode(parameters).encode()
        request = (f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nContent-Length: {len(body)}\r\n"
                   "Content-Type: application/x-www-form-urlencoded\r\n\r\n").encode() + body
        for attempt in (0, 1):
            try:
                if not self.socket:
                    self.connect()
                begin = time.perf_counter()
                head, data = self.exchange(request)
                return time.perf_counter() - begin, data, int(head.split()[1])
            except OSError:
                self.socket = None
                if attempt:
                    raise

    def wait(self):
        for _ in range(600):
            try:
                if self.ask("/api/v1/query", {"query": "1"})[2] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise SystemExit(f"{self.name} does not answer")

    def resident_kb(self):
        for line in open(f"/proc/{self.process.pid}/status", encoding="ascii"):
            if line.startswith("VmRSS"):
                return int(line.split()[1])

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


def agent(folder):
    port = free_port()
    return Server("nodevitals", [AGENT, f"--web.listen-address=127.0.0.1:{port}", f"--storage.tsdb.path={folder}",
                                 "--collector.disable-defaults", "--storage.tsdb.retention.time=3650d",
                                 "--storage.tsdb.thin=36h:15s"], port)


def prometheus(folder):
    port = free_port()
    config = os.path.join(folder, "prometheus.yml")
    with open(config, "w", encoding="ascii") as f:
        f.write("global: {}\n")
    return Server("Prometheus", ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}",
                                 f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=3650d"], port)


def victoria(folder):
    port = free_port()
    return Server("VictoriaMetrics", ["victoria-metrics", f"-storageDataPath={folder}", f"-httpListenAddr=127.0.0.1:{port}",
                                      "-retentionPeriod=100y", "-search.disableCache", "-search.latencyOffset=0"], port)


def fill_victoria(folder, parts):
    """It takes classic text with milliseconds."""
    server = victoria(folder)
    try:
        server.wait()
        for part in parts:
            with open(part, encoding="utf-8") as f:
                while True:
                    lines = f.readlines(16 << 20)
                    if not lines:
                        break
                    body = "".join([line[:-1] + "000\n" for line in lines if line[0] != "#"]).encode()
                    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
                    connection.request("POST", "/api/v1/import/prometheus", body)
                    connection.getresponse().read()
                    connection.close()
        for what in ("force_flush", "force_merge", "force_flush"):
            server.ask(f"/internal/{what}", {})
            time.sleep(3)
    finally:
        server.stop()


def fill(folder, start):
    """Whatever is not in the folder yet."""
    text = os.path.join(folder, "text")
    if not os.path.isdir(text):
        os.makedirs(text)
        _, series, samples = query_data.write_day(SHARED, text, start)
        print(f"{series} series, {samples} samples", flush=True)
    parts = sorted(os.path.join(text, name) for name in os.listdir(text))
    if not os.path.isdir(os.path.join(folder, "nodevitals")):
        for part in parts:
            subprocess.run([AGENT, "tsdb", "import", part, f"--storage.tsdb.path={folder}/nodevitals"], check=True,
                           stdout=subprocess.DEVNULL)
    if shutil.which("promtool") and not os.path.isdir(os.path.join(folder, "prometheus")):
        for part in parts:
            subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", part, f"{folder}/prometheus"], check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if shutil.which("victoria-metrics") and not os.path.isdir(os.path.join(folder, "victoria")):
        fill_victoria(f"{folder}/victoria", parts)


def measure(servers, expressions, start):
    """Least times in seconds: by server, by (expression, kind)."""
    end = start + query_data.DAY - query_data.STEP
    least = {s.name: {} for s in servers}
    for kind, path, more in (("range", "/api/v1/query_range", {"start": start, "end": end, "step": 60}),
                             ("instant", "/api/v1/query", {"time": end})):
        for number, expression in enumerate(expressions):
            for _ in range(ROUNDS):
                for server in servers:
                    if kind == "range" and server.name == "VictoriaMetrics":
                        more = dict(more, nocache=1)
                    seconds, data, status = server.ask(path, dict(more, query=expression))
                    if status != 200 and server.name == "nodevitals":
                        raise SystemExit(f"{expression}: {data[:300]}")
                    times = least[server.name]
                    times[number, kind] = min(seconds, times.get((number, kind), 1e9))
    return least


def report(least, expressions, names):
    ours = least[names[0]]
    for kind in ("range", "instant"):
        keys = [k for k in ours if k[1] == kind]
        mine = sum(ours[k] for k in keys)
        print(f"{kind}: {len(keys)} expressions")
        for name in names:
            total = sum(least[name][k] for k in keys)
            print(f"  {name:<16} {total * 1000:9.1f} ms   ours is {mine / total:.3f} of that")
        for name in names[1:]:
            slower = sorted((k for k in keys if ours[k] > least[name][k]), key=lambda k: -ours[k] / least[name][k])
            print(f"  slower than {name}: {len(slower)}")
            for k in slower[:8]:
                text = query_set.in_one_line(expressions[k[0]])
                print(f"    {ours[k] * 1000:8.2f} ms, not {least[name][k] * 1000:8.2f} ms: {text[:110]}")
    for name in names[1:]:
        print(f"in all {sum(ours.values()) / sum(least[name].values()):.3f} of {name}'s time")


def costliest(folder, expressions, start):
    """The memory a query asks the pool for, without the rest of the agent."""
    answer = subprocess.run([BENCH, f"{folder}/nodevitals", str(start), str(start + query_data.DAY - query_data.STEP), "60"],
                            input="\n".join(expressions), capture_output=True, text=True, check=True)
    rows = [line.split(None, 5) for line in answer.stdout.splitlines()[:-1]]
    kb, text = max((int(row[2]), row[5]) for row in rows)
    print(f"memory of the costliest query: {kb / 1024:.1f} MiB, {text[:110]}")


def main():
    start = int(time.time()) // query_data.SPAN * query_data.SPAN - query_data.DAY
    kept = sys.argv[1] if len(sys.argv) > 1 else None
    folder = kept or tempfile.mkdtemp(prefix="nodevitals-query-")
    stamp = os.path.join(folder, "start")
    try:
        os.makedirs(folder, exist_ok=True)
        if os.path.exists(stamp):
            start = int(open(stamp, encoding="ascii").read())
        with open(stamp, "w", encoding="ascii") as f:
            f.write(str(start))
        fill(folder, start)
        servers = [agent(f"{folder}/nodevitals")]
        if os.path.isdir(f"{folder}/prometheus"):
            servers.append(prometheus(f"{folder}/prometheus"))
        if os.path.isdir(f"{folder}/victoria"):
            servers.append(victoria(f"{folder}/victoria"))
        try:
            for server in servers:
                server.wait()
            expressions = [query_set.in_one_line(e) for e in query_set.expressions(SHARED)]
            least = measure(servers, expressions, start)
            report(least, expressions, [s.name for s in servers])
            print(f"resident after all: {servers[0].resident_kb() / 1024:.1f} MiB")
        finally:
            for server in servers:
                server.stop()
        if BENCH:
            costliest(folder, expressions, start)
            print(subprocess.run([BENCH, "parse"], capture_output=True, text=True, check=True).stdout, end="")
    finally:
        if not kept:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
