"""What else is asked of a Prometheus, asked of us by its own kin: promtool, a Prometheus that reads from us, and one that
federates us. Series, names and values are those a real Prometheus tells of the same samples.
"""
import glob
import json
import os
import struct
import subprocess
import tempfile
import unittest
import urllib.parse
import urllib.request

import twins
from harness import SLOW, Process, free_port, get, wait_for
from twins import PROMETHEUS, PROMTOOL, SPAN, ask

SELECTORS = [
    ["node_load1"], ['node_cpu_seconds_total{mode="idle"}'], ['{__name__=~"node_memory_M.*"}'],
    ['{device!="", __name__!~"node_disk.*"}'], ["node_load1", "node_load5", '{__name__="node_load1"}'],
    ['node_cpu_seconds_total{cpu="0"}', 'node_cpu_seconds_total{mode=~"user|idle"}'], ['{job="node-exporter"}'],
    ['node_filesystem_avail_bytes{mountpoint=~"/.*"}', "nothing_of_this_name"], ["nothing_of_this_name"],
    ['{job="node-exporter", mode="", cpu!=""}'],
]

# Requests with mistakes, all of which Prometheus 2.42 knows already.
BAD = [
    ("series", []), ("series", [("match[]", "{}")]), ("series", [("match[]", '{a=~".*"}')]),
    ("series", [("match[]", "up"), ("start", "x")]), ("series", [("match[]", "up"), ("end", "1x")]),
    ("labels", [("start", "x")]), ("labels", [("end", "")] + [("match[]", '{a!="x"}')]),
    ("label/job/values", [("start", "-")]), ("label/job/values", [("match[]", "{}")]),
    ("labels", [("match[]", "{")]), ("series", [("match[]", "{")]), ("label/job/values", [("match[]", "up[5m]")]),
    ("metadata", [("limit", "x")]), ("targets/metadata", [("limit", "x")]),
    ("rules", [("type", "x")]), ("query_exemplars", [("query", "up"), ("start", "5"), ("end", "4")]),
    ("query", [("query", "up"), ("time", "x")]), ("query", [("query", "up"), ("timeout", "x")]),
    ("query_range", [("query", "up"), ("start", "1"), ("end", "2"), ("step", "0")]),
    ("query_range", [("query", "up"), ("start", "1"), ("end", "0"), ("step", "1")]),
    ("query_range", [("query", "up"), ("start", "1"), ("end", "12000"), ("step", "1")]),
    ("query_range", [("query", "up"), ("start", "1"), ("end", "2")]),
    ("format_query", [("query", "sum(")]),
]


def pairs(path, *parameters):
    return f"{path}?{urllib.parse.urlencode(parameters)}"


class Names(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.twins = twins.Twins()
        cls.addClassCleanup(cls.twins.stop)
        cls.agent, cls.peer, cls.end = cls.twins.agent, cls.twins.peer, cls.twins.end
        cls.span = (("start", cls.end - SPAN), ("end", cls.end + 1))

    def both(self, path, *parameters):
        return (json.loads(get(f"{server.url}/api/v1/{pairs(path, *parameters, *self.span)}")[2])
                for server in (self.agent, self.peer))

    def same(self, path, *parameters):
        ours, theirs = self.both(path, *parameters)
        self.assertEqual(ours["status"], "success", (path, parameters))
        if path == "series":
            theirs["data"].sort(key=lambda one: sorted(one.items()))
            ours["data"].sort(key=lambda one: sorted(one.items()))
        self.assertEqual(ours["data"], theirs["data"], (path, parameters))
        return ours["data"]

    def test_series_are_those_of_prometheus(self):
        for selectors in SELECTORS:
            self.same("series", *(("match[]", s) for s in selectors))

    def test_label_names_are_those_of_prometheus(self):
        self.same("labels")
        for selectors in SELECTORS:
            self.same("labels", *(("match[]", s) for s in selectors))

    def test_label_values_are_those_of_prometheus(self):
        names = self.same("labels")
        self.assertIn("mode", names)
        for name in names + ["nothing"]:
            self.same(f"label/{name}/values")
        for selectors in SELECTORS:
            for name in ("__name__", "device", "mode"):
                self.same(f"label/{name}/values", *(("match[]", s) for s in selectors))

    def test_series_come_in_order(self):
        for selectors in SELECTORS:
            ours = next(self.both("series", *(("match[]", s) for s in selectors)))["data"]
            self.assertEqual(ours, sorted(ours, key=lambda one: sorted(one.items())))

    def test_what_is_wrong_is_told_in_the_words_of_prometheus(self):
        for path, parameters in BAD:
            answers = []
            for server in (self.agent, self.peer):
                status, _, body = get(f"{server.url}/api/v1/{pairs(path, *parameters)}")
                answers.append((status, json.loads(body)))
            with self.subTest(path=path, parameters=parameters):
                self.assertEqual(*answers)
                self.assertEqual(answers[0][1]["status"], "error")

    # ---- promtool ----------------------------------------------------------------------------

    def promtool(self, *arguments):
        said = subprocess.run([PROMTOOL, "query", *arguments], capture_output=True, text=True, timeout=SLOW,
                              check=False)
        self.assertEqual(said.returncode, 0, said.stderr)
        return said.stdout

    def test_promtool_asks_us_as_it_asks_prometheus(self):
        span = [f"--start={self.end - 600}", f"--end={self.end}"]
        for what in (["instant", f"--time={self.end}"], ["range", *span, "--step=1m"]):
            for expression in ("node_load1", "max by (mode) (node_cpu_seconds_total) > 0.5", "1 + 1"):
                flags = what[1:]
                ours, theirs = (sorted(self.promtool(what[0], *flags, server.url, expression).splitlines())
                                for server in (self.agent, self.peer))
                self.assertEqual(ours, theirs)
                self.assertTrue(ours)
        for what in (["series", *span, "--match=node_load1", '--match=node_cpu_seconds_total{cpu="1"}'],
                     ["labels", *span]):
            more = ["mode"] if what[0] == "labels" else []
            ours, theirs = (sorted(self.promtool(*what, server.url, *more).splitlines())
                            for server in (self.agent, self.peer))
            self.assertEqual(ours, theirs)
            self.assertTrue(ours)

    def test_promtool_is_told_what_is_wrong_with_an_expression(self):
        said = subprocess.run([PROMTOOL, "query", "instant", self.agent.url, "sum("], capture_output=True, text=True,
                              timeout=SLOW, check=False)
        self.assertEqual(said.returncode, 1)
        self.assertIn("parse error", said.stderr)

    # ---- remote read -------------------------------------------------------------------------

    def test_a_prometheus_reads_from_us(self):
        with Reader(self.agent.url) as reader:
            for expression in ("node_load1", "sum by (mode) (rate(node_cpu_seconds_total[1m]))", 'go_gc_duration_seconds',
                               'count({job="node-exporter"})', "nothing_of_this_name"):
                for path, more in (("query", {"time": self.end - 3.3}),
                                   ("query_range", {"start": self.end - 600.3, "end": self.end - 0.3, "step": 15})):
                    ours, theirs = (ask(url, path, query=expression, **more)["data"]["result"]
                                    for url in (reader.url, self.peer.url))
                    self.assertEqual(sorted(ours, key=str), sorted(theirs, key=str), expression)

    def test_chunks_hold_what_queries_tell(self):
        start, end = (self.end - 1000) * 1000, self.end * 1000
        status, headers, body = read(self.agent.url, start, end, [("__name__", 2, "node_load.*")], chunks=True)
        self.assertEqual(status, 200)
        self.assertEqual(headers["Content-Type"],
                         "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse")
        series = {}
        for message in frames(body):
            for labels, samples in chunked_series(message):
                series.setdefault(labels["__name__"], []).extend(samples)
        self.assertEqual(sorted(series), ["node_load1", "node_load15", "node_load5"])
        for name, samples in series.items():
            expected = ask(self.peer.url, "query", query=f"{name}[1000s]", time=self.end)["data"]["result"][0]["values"]
            self.assertEqual([(t, v) for t, v in samples if start < t <= end],
                             [(round(t * 1000), float(v)) for t, v in expected])

    def test_what_is_no_request_to_read_is_refused(self):
        url = self.agent.url + "/api/v1/read"
        for body, expected in ((b"", "snappy: corrupt input"), (b"\x05\x10hell", "snappy: corrupt input"),
                               (snappy(b"\x0a\x05\x08"), "no ReadRequest"),
                               (snappy(b"\x10\x07"), "server does not support any of the requested response types"),
                               (snappy(request(0, 1, [("a", 2, "(")])), "missing closing )")):
            status, _, answer = post(url, body)
            self.assertEqual(status, 400, body)
            self.assertIn(expected, answer.decode())
        self.assertEqual(get(url)[0], 405)


# ---- the messages of remote read, as far as the test needs them --------------------------------------

def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def field(number, body):
    return varint(number << 3 | 2) + varint(len(body)) + body


def snappy(text):
    """A block that is one literal."""
    n = len(text) - 1
    return varint(len(text)) + (bytes([n << 2]) if n < 60 else bytes([61 << 2, n & 255, n >> 8])) + text


def request(start, end, matchers, chunks=False):
    query = b"\x08" + varint(start) + b"\x10" + varint(end)
    for name, op, value in matchers:
        query += field(3, b"\x08" + varint(op) + field(2, name.encode()) + field(3, value.encode()))
    return field(1, query) + (b"\x10\x01" if chunks else b"")


def post(url, body):
    headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy",
               "X-Prometheus-Remote-Read-Version": "0.1.0"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=SLOW) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def read(url, *what, **more):
    return post(url + "/api/v1/read", snappy(request(*what, **more)))


def take_varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return value, at


def fields(message):
    at = 0
    while at < len(message):
        tag, at = take_varint(message, at)
        value, at = take_varint(message, at)
        if tag & 7 == 2:
            value, at = message[at:at + value], at + value
        yield tag >> 3, value


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def frames(body):
    at = 0
    while at < len(body):
        n, at = take_varint(body, at)
        crc, message = struct.unpack(">I", body[at:at + 4])[0], body[at + 4:at + 4 + n]
        assert len(message) == n and crc32c(message) == crc
        at += 4 + n
        yield message


def chunked_series(message):
    for number, series in fields(message):
        if number != 1:
            continue
        labels, samples = {}, []
        for kind, body in fields(series):
            parts = dict(fields(body))
            if kind == 1:
                labels[parts[1].decode()] = parts[2].decode()
            else:
                assert parts[3] == 1, "an XOR chunk"
                chunk = list(xor_samples(parts[4]))
                assert (chunk[0][0], chunk[-1][0]) == (parts[1], parts[2])
                samples += chunk
        yield labels, samples


def xor_samples(data):
    """What a chunk of Prometheus holds: times as change of change, values as what changed in their bits."""
    bits, at = "".join(f"{byte:08b}" for byte in data[2:]), 0

    def take(n):
        nonlocal at
        at += n
        return int(bits[at - n:at] or "0", 2)

    def number():
        value = shift = 0
        while True:
            byte = take(8)
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def value_after(last, window):
        if not take(1):
            return last, window
        if take(1):
            lead, width = take(5), take(6) or 64
            window = (lead, width)
        lead, width = window
        return last ^ take(width) << (64 - lead - width), window

    window = step = None
    for i in range(data[0] << 8 | data[1]):
        if i == 0:
            raw = number()
            time, value = raw >> 1 ^ -(raw & 1), take(64)
        else:
            if i == 1:
                step = number()
            else:
                ones = 0
                while ones < 4 and take(1):
                    ones += 1
                width = (0, 14, 17, 20, 64)[ones]
                change = take(width) if width else 0
                if width and change > 1 << (width - 1):
                    change -= 1 << width
                step += change
            time += step
            value, window = value_after(value, window)
        yield time, struct.unpack(">d", struct.pack(">Q", value))[0]


class Reader(Process):
    """A Prometheus that has nothing itself and reads from us."""

    def __init__(self, url, scrape="", *flags):
        self.folder = tempfile.TemporaryDirectory()
        config = os.path.join(self.folder.name, "prometheus.yml")
        with open(config, "w", encoding="ascii") as file:
            file.write(scrape or f"remote_read: [{{url: '{url}/api/v1/read', read_recent: true}}]\n")
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        super().__init__(PROMETHEUS, f"--config.file={config}", f"--storage.tsdb.path={self.folder.name}/data", *flags,
                         f"--web.listen-address=127.0.0.1:{port}")
        self.line_with("Server is ready")

    def stop(self, *arguments, **options):
        status = super().stop(*arguments, **options)
        self.folder.cleanup()
        return status


FEDERATION = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
- job_name: federate
  honor_labels: true
  metrics_path: /federate
  params: {{'match[]': ['node_load1', '{{__name__=~"nodevitals_.*"}}']}}
  static_configs: [{{targets: ['{target}']}}]
"""


class Federated(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.agent = twins.Agent(f"--storage.tsdb.path={cls.folder.name}/data")
        cls.addClassCleanup(cls.agent.stop)
        cls.agent.ready()

    def federate(self, *flags):
        return Reader(None, FEDERATION.format(target=self.agent.url.removeprefix("http://")), *flags)

    def result(self, server, expression):
        return ask(server.url, "query", query=expression)["data"]["result"]

    def check(self, above):
        wait_for(lambda: self.result(above, 'up{job="federate"} == 1'))
        found = wait_for(lambda: self.result(above, 'node_load1{job="node-exporter"}[1m]'))
        self.assertEqual(len(found), 1)
        at, value = found[0]["values"][-1]
        ours = wait_for(lambda: ask(self.agent.url, "query", query="node_load1[1m]", time=at)["data"]["result"])
        self.assertEqual(ours[0]["metric"], found[0]["metric"])
        self.assertIn([at, value], ours[0]["values"])
        self.assertNotIn("Error on ingesting", above.log)

    def test_a_prometheus_federates_us(self):
        with self.federate() as above:
            self.check(above)

    def test_native_histograms_are_federated_as_protobuf(self):
        with self.federate("--enable-feature=native-histograms") as above:
            self.check(above)
            found = wait_for(lambda: self.result(above, 'histogram_count(nodevitals_cpu_utilization_ratio) > 0'))
            self.assertTrue(found)


class Rules(unittest.TestCase):
    """What both tell of the rules people use, loaded from the same files."""

    def test_rules_are_told_as_prometheus_tells_them(self):
        files = sorted(glob.glob(os.path.join(twins.SHARED, "fixtures", "rules-real", "*.yaml")))
        text = f"global: {{evaluation_interval: 31s, external_labels: {{zone: z}}}}\nrule_files: {json.dumps(files)}\n"
        with tempfile.TemporaryDirectory() as folder, Reader(None, text) as peer:
            config = os.path.join(folder, "nodevitals.yml")
            with open(config, "w", encoding="utf-8") as file:
                file.write(text)
            with twins.Agent(f"--storage.tsdb.path={folder}/data", f"--config.file={config}") as agent:
                agent.ready()
                ours, theirs = (self.told(server.url) for server in (agent, peer))
                self.assertEqual(len(ours), len(theirs))
                for mine, other in zip(ours, theirs):
                    self.assertEqual(mine, other)
                self.compare_filters(agent, peer, files)
                self.compare_config(agent)

    def told(self, url, **parameters):
        """Groups and rules without what depends on time and data."""
        groups = ask(url, "rules", **parameters)["data"]["groups"]
        for group in groups:
            self.assertLessEqual({"evaluationTime", "lastEvaluation"}, group.keys())
            del group["evaluationTime"], group["lastEvaluation"]
            for rule in group["rules"]:
                for key in ("evaluationTime", "lastEvaluation", "health"):
                    del rule[key]
                for key in ("state", "alerts", "lastError"):
                    rule.pop(key, None)
                if rule["type"] == "recording":
                    rule.setdefault("labels", {})  # 2.42 leaves empty ones out
        return sorted(groups, key=lambda group: (group["file"], group["name"]))

    def compare_filters(self, agent, peer, files):
        for parameters in ({"type": "alert"}, {"type": "record"}):
            theirs = [group for group in self.told(peer.url, **parameters) if group["rules"]]  # 2.42 keeps empty ones
            self.assertEqual(self.told(agent.url, **parameters), theirs)
        one = self.told(agent.url, **{"file[]": files[0]})
        self.assertEqual({group["file"] for group in one}, {files[0]})
        pages, token = [], None
        while True:
            more = {"group_next_token": token} if token else {}
            data = ask(agent.url, "rules", group_limit=5, **more)["data"]
            self.assertLessEqual(len(data["groups"]), 5)
            pages += [(group["file"], group["name"]) for group in data["groups"]]
            token = data.get("groupNextToken")
            if not token:
                break
        self.assertEqual(pages, [(group["file"], group["name"]) for group in self.told(agent.url)])

    def compare_config(self, agent):
        self.assertIn("zone: z", ask(agent.url, "status/config")["data"]["yaml"])
        self.assertTrue(ask(agent.url, "status/runtimeinfo")["data"]["reloadConfigSuccess"])
        wait_for(lambda: ask(agent.url, "query", query="up")["data"]["result"])
        found = get(f"{agent.url}/federate?match[]=up")[2].decode()
        self.assertIn(',zone="z"} 1 ', found)


if __name__ == "__main__":
    twins.need()
    unittest.main()
