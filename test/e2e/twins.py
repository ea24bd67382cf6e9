"""An agent and a real Prometheus that hold the same samples: those of a recorded node, moved so that they end now."""
import json
import os
import subprocess
import tempfile
import time
import urllib.parse

from harness import BINARY, SHARED, Agent, Process, find_program, free_port, get, skip

PROMETHEUS, PROMTOOL, ZSTD = (find_program(name) for name in ("prometheus", "promtool", "zstd"))
RECORD = os.path.join(SHARED, "fixtures", "record", "node-2s.om.zst")
SCRAPES = 1119
SPAN = (SCRAPES - 1) * 2  # seconds from the first scrape to the last
ALIGN = 840  # seconds: steps of subqueries fit in, so that they fall on the same samples in every run
LABELS = 'instance="node-a1",job="node-exporter"'


def need():
    """Skips the test where something is missing."""
    if not (PROMETHEUS and PROMTOOL and ZSTD):
        skip("prometheus, promtool and zstd are not all installed")
    if not os.path.exists(RECORD):
        skip("../shared/fixtures/record is not there")


def shifted(end):
    """The recording as OpenMetrics, its last scrape at `end`, with the labels a Prometheus would have given."""
    text = subprocess.run([ZSTD, "-dc", "--long=27", RECORD], capture_output=True, check=True).stdout.decode()
    times, fronts = {}, {}
    newest = max(float(line.rsplit(" ", 1)[1]) for line in text.split("\n", SCRAPES)[:SCRAPES])
    out = []
    for line in text.split("\n"):
        if not line or line[0] == "#":
            continue
        series, value, stamp = line.rsplit(" ", 2)
        if stamp not in times:
            times[stamp] = f"{end + float(stamp) - newest:.3f}"
        if series not in fronts:
            name, brace, rest = series.partition("{")
            fronts[series] = f"{name}{{{rest[:-1]},{LABELS}}}" if brace else f"{name}{{{LABELS}}}"
        out.append(f"{fronts[series]} {value} {times[stamp]}\n")
    out.append("# EOF\n")
    return "".join(out)


class Peer(Process):
    """A Prometheus over blocks that are there already."""

    def __init__(self, folder):
        config = os.path.join(folder, "prometheus.yml")
        with open(config, "w", encoding="ascii") as file:
            file.write("global: {}\n")
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        super().__init__(PROMETHEUS, f"--config.file={config}", f"--storage.tsdb.path={folder}/data",
                         f"--web.listen-address=127.0.0.1:{port}")
        self.line_with("Server is ready")


def ask(url, path, **parameters):
    status, _, body = get(f"{url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
    answer = json.loads(body)
    assert (status == 200) == (answer["status"] == "success"), (status, body[:300])
    return answer


class Twins:
    """`end`: a whole second; the last scrape is an eighth of a second later."""

    def __init__(self, *flags):
        self.folder = tempfile.TemporaryDirectory()
        self.end = int(time.time()) // ALIGN * ALIGN
        text = os.path.join(self.folder.name, "record.om")
        with open(text, "w", encoding="utf-8") as file:
            file.write(shifted(self.end + 0.125))
        peer, store = (os.path.join(self.folder.name, name) for name in ("prometheus", "nodevitals"))
        subprocess.run([PROMTOOL, "tsdb", "create-blocks-from", "openmetrics", text, f"{peer}/data"], check=True,
                       stdout=subprocess.DEVNULL)
        subprocess.run([BINARY, "tsdb", "import", text, f"--storage.tsdb.path={store}"], check=True,
                       stdout=subprocess.DEVNULL)
        os.remove(text)
        self.peer = Peer(peer)
        self.agent = Agent(f"--storage.tsdb.path={store}", "--no-storage.tsdb.thin", "--collector.disable-defaults",
                           "--web.disable-exporter-metrics", "--storage.tsdb.job=itself", *flags).ready()

    def stop(self):
        self.agent.stop()
        self.peer.stop()
        self.folder.cleanup()
