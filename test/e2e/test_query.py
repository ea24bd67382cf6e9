#!/usr/bin/env python3
"""nodevitals query: a server and a folder asked the same, in every form of output, and all that can go wrong."""
import csv
import fcntl
import http.server
import json
import os
import pty
import re
import socketserver
import struct
import subprocess
import tempfile
import termios
import threading
import time
import unittest
import urllib.parse

from harness import BINARY, SLOW, Agent, Process, find_program, free_port, run, wait_for

PROMETHEUS, PROMTOOL = find_program("prometheus"), find_program("promtool")
STEP = 15
END = int(time.time()) // 60 * 60
START = END - 3600

EXPRESSIONS = (
    "node_load1", "up", "rate(node_cpu_seconds_total[5m])", "sum by (mode) (rate(node_cpu_seconds_total[5m]))",
    "topk(2, node_cpu_seconds_total)", "node_load1 > 1e9", "scalar(node_load1)", "1 + 1", "vector(1) / 0",
    "label_replace(node_load1, 'odd', 'a\\n\"b\\\\', '', '')", "max_over_time(node_load1[10m:1m])",
    "avg(node_memory_MemAvailable_bytes)", "-node_load1", "absent(nothing)", "timestamp(node_load1)",
)


def write_history(path):
    """An hour of a made-up node, as OpenMetrics text."""
    families = (
        ("node_cpu_seconds", "counter", "_total",
         [(f'cpu="{cpu}",mode="{mode}",', lambda i, k=cpu + 3 * len(mode): i * k / 7)
          for cpu in range(2) for mode in ("idle", "user", "system")]),
        ("node_load1", "gauge", "", [("", lambda i: 1 + (i % 40) / 16)]),
        ("node_memory_MemAvailable_bytes", "gauge", "", [("", lambda i: 2**33 - i * 2**24)]),
        ("up", "gauge", "", [("", lambda i: 1)]),
    )
    with open(path, "w", encoding="ascii") as file:
        for name, kind, suffix, series in families:
            file.write(f"# TYPE {name} {kind}\n")
            for labels, value in series:
                for i, at in enumerate(range(START, END + 1, STEP)):
                    file.write(f'{name}{suffix}{{{labels}instance="a:9100",job="node"}} {value(i)!r} {at}\n')
        file.write("# EOF\n")


def setUpModule():
    global FOLDER, STORE, prometheus, URL
    FOLDER = tempfile.TemporaryDirectory()
    history, STORE = os.path.join(FOLDER.name, "history"), os.path.join(FOLDER.name, "store")
    write_history(history)
    result = run("tsdb", "import", history, f"--storage.tsdb.path={STORE}")
    assert result.returncode == 0, result
    prometheus, URL = None, None
    if not PROMETHEUS or not PROMTOOL:
        return
    blocks, config = os.path.join(FOLDER.name, "blocks"), os.path.join(FOLDER.name, "config")
    subprocess.run([PROMTOOL, "tsdb", "create-blocks-from", "openmetrics", history, blocks], check=True,
                   capture_output=True, timeout=SLOW)
    with open(config, "w", encoding="ascii") as file:
        file.write("global: {scrape_interval: 1h}\n")
    port = free_port()
    prometheus = Process(PROMETHEUS, f"--config.file={config}", f"--storage.tsdb.path={blocks}",
                         "--storage.tsdb.retention.time=100d", f"--web.listen-address=127.0.0.1:{port}")
    prometheus.line_with("Server is ready")
    URL = f"--url=http://127.0.0.1:{port}"


def tearDownModule():
    if prometheus:
        prometheus.stop()
    FOLDER.cleanup()


def offline(*arguments, **options):
    return run("query", f"--storage.tsdb.path={STORE}", *arguments, **options)


def sort_key(series):
    return json.dumps(series["metric"], sort_keys=True)


def numbers(value):
    """The values of an answer as floats, so that a last digit may differ."""
    if isinstance(value, list) and len(value) == 2 and isinstance(value[1], str):
        return [value[0], float(value[1])]
    return [numbers(v) for v in value] if isinstance(value, list) else value


class SameAnswers(unittest.TestCase):
    """A folder and Debian's Prometheus hold the same samples."""

    def setUp(self):
        if not prometheus:
            self.skipTest("prometheus is not there")

    def both(self, *arguments, status=0):
        answers = []
        for source in (URL, f"--storage.tsdb.path={STORE}"):
            result = run("query", source, *arguments)
            self.assertEqual(result.returncode, status, result)
            answers.append(result.stdout)
        return answers

    def assert_same(self, a, b, message):
        self.assertEqual(a["resultType"], b["resultType"], message)
        if a["resultType"] == "scalar":
            return self.assertEqual(a, b)
        a, b = (sorted(x["result"], key=sort_key) for x in (a, b))
        self.assertEqual([s["metric"] for s in a], [s["metric"] for s in b], message)
        for x, y in zip(a, b):
            xs, ys = (numbers(s.get("values") or [s["value"]]) for s in (x, y))
            self.assertEqual([v[0] for v in xs], [v[0] for v in ys], message)
            for (_, v), (_, w) in zip(xs, ys):
                self.assertTrue(v == w or abs(v - w) <= 1e-12 * abs(v), (message, v, w))

    def test_instants_are_the_same(self):
        for expression in EXPRESSIONS:
            with self.subTest(expression):
                empty = expression == "node_load1 > 1e9"
                answers = self.both(f"--time={END - 7}", "--output=json", "--", expression, status=int(empty))
                self.assert_same(*map(json.loads, answers), expression)

    def test_ranges_are_the_same(self):
        for expression in EXPRESSIONS:
            with self.subTest(expression):
                empty = expression == "node_load1 > 1e9"
                answers = self.both(f"--start={START + 701}", f"--end={END - 7}", "--step=23", "--output=json", "--",
                                    expression, status=int(empty))
                self.assert_same(*map(json.loads, answers), expression)

    def test_lists_are_the_same(self):
        for arguments in (("--labels",), ("--labels", "node_load1"), ("--label-values=mode",),
                          ("--label-values=mode", "--match={cpu=\"0\"}", "--match={mode=\"idle\"}"),
                          ("--series=node_cpu_seconds_total{mode!=\"idle\"}", "--series=up"),
                          ("--series", "{job=\"node\"}", f"--start={START}", f"--end={END}")):
            for output in ("table", "csv", "json"):
                with self.subTest((arguments, output)):
                    a, b = self.both(*arguments, f"--output={output}")
                    self.assertEqual(sorted(a.replace("},{", "}\n{").strip("[]\n").splitlines()),
                                     sorted(b.replace("},{", "}\n{").strip("[]\n").splitlines()))

    def test_errors_have_the_same_caret(self):
        a, b = (run("query", source, "sum(node_load1) by (mode") for source in (URL, f"--storage.tsdb.path={STORE}"))
        self.assertEqual((a.returncode, b.returncode), (2, 2))
        self.assertEqual(a.stderr.splitlines()[1:], b.stderr.splitlines()[1:])
        self.assertRegex(a.stderr, r"\n  sum\(node_load1\) by \(mode\n +\^\n$")


class Offline(unittest.TestCase):
    def asked(self, *arguments, **options):
        result = offline(*arguments, **options)
        self.assertEqual((result.returncode, result.stderr), (0, ""), result)
        return result.stdout

    def refused(self, message, *arguments):
        result = offline(*arguments)
        self.assertEqual((result.returncode, result.stdout), (2, ""), result)
        self.assertRegex(result.stderr, message)

    def test_now_is_the_newest_sample(self):
        data = json.loads(self.asked("timestamp(node_load1)", "--output=json"))
        self.assertEqual(data["result"][0]["value"], [END, str(END)])
        data = json.loads(self.asked("node_load1", "--time=-30m", "--output=json"))
        self.assertEqual(data["result"][0]["value"][0], END - 1800)

    def test_the_status_tells_an_empty_answer_from_an_error(self):
        self.assertEqual(offline("node_load1 > 0").returncode, 0)
        self.assertEqual(offline("node_load1 > 1000").returncode, 1)
        self.assertEqual(offline("--series", "nothing").returncode, 1)
        self.assertEqual(offline("--label-values", "nothing").returncode, 1)
        self.assertEqual(offline("node_load1 >").returncode, 2)

    def test_csv_is_read_by_others(self):
        text = self.asked("node_cpu_seconds_total", f"--start={END - 60}", f"--end={END}", "--step=30s", "--output=csv")
        rows = list(csv.DictReader(text.splitlines()))
        self.assertEqual(len(rows), 6 * 3)
        self.assertEqual({row["mode"] for row in rows}, {"idle", "user", "system"})
        self.assertEqual(rows[2]["timestamp"], time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(END)))

    def test_a_pipe_gets_a_table(self):
        lines = self.asked("sum by (mode) (node_cpu_seconds_total)", "--step=60").splitlines()
        self.assertEqual(lines[0].split(), ["mode", "TIME", "VALUE"])
        self.assertEqual(len({len(line) for line in lines}), 1, "columns are aligned")

    def test_limits_cut_and_say_so(self):
        result = offline("node_cpu_seconds_total", "--limit=2", "--output=csv")
        self.assertEqual((result.returncode, len(result.stdout.splitlines())), (0, 3))
        self.assertEqual(result.stderr, "nodevitals: warning: results truncated due to limit\n")

    def test_remarks_are_told_and_the_answer_is_there(self):
        result = offline("rate(node_load1[5m])", "--output=json")
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stderr, r"^nodevitals: info: metric might not be a counter, [^\n]*\n$")
        self.assertTrue(json.loads(result.stdout)["result"])

    def test_mistakes_are_told(self):
        self.refused("expected an expression", "--step=5")
        self.refused("flag '--time' cannot be 'noon'", "up", "--time=noon")
        self.refused("flag '--step' cannot be '0'", "up", "--step=0")
        self.refused("flag '--output' cannot be 'xml'", "up", "--output=xml")
        self.refused("a chart shows a range", "up", "--output=chart")
        self.refused("the range ends before it starts", "up", "--start=-1h", "--end=-2h")
        self.refused("only one of --series", "--labels", "--series=up")
        self.refused("only one of --url", "up", "--url=http://localhost:1")
        self.refused("'--match' is for lists", "up", "--match=up")
        self.refused("unexpected down", "up", "down")
        self.refused("unknown long flag '--stpe', did you mean '--step'", "up", "--stpe=5")
        self.refused("must be Scalar or instant Vector", "up[5m]", "--step=5")
        self.refused("too much memory|too many samples", "up", "--step=0.001", "--start=-100d")

    def test_a_folder_that_is_none_is_told(self):
        for path, reason in (("/no/such/folder", "No such file"), ("/dev/null", "Not a directory")):
            result = run("query", "up", f"--storage.tsdb.path={path}")
            self.assertEqual(result.returncode, 2)
            self.assertIn(f"cannot open the store in {path}: {reason}", result.stderr)

    def test_a_full_device_is_told(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            result = subprocess.run([BINARY, "query", f"--storage.tsdb.path={STORE}", "up"], stdout=full,
                                    stderr=subprocess.PIPE, text=True, timeout=SLOW, check=False)
        self.assertEqual(result.returncode, 2)
        self.assertIn("cannot write to standard output: No space left", result.stderr)


class BesideAnAgent(unittest.TestCase):
    """The agent, on a port and on a socket, and the folder it is writing, are asked the same."""

    EXPRESSIONS = ("node_load1", "rate(node_cpu_seconds_total[5m])", "count({__name__!=''})", "up",
                   "topk(2, node_memory_MemTotal_bytes)")

    def asked(self, source, *arguments):
        result = run("query", source, *arguments)
        self.assertEqual((result.returncode, result.stderr), (0, ""), result)
        return result.stdout

    def test_all_give_the_same(self):
        with tempfile.TemporaryDirectory() as folder:
            data, socket = os.path.join(folder, "data"), os.path.join(folder, "socket")
            with Agent(f"--storage.tsdb.path={data}", f"--web.listen-address=unix:{socket}",
                       "--web.listen-address=127.0.0.1:0") as agent:
                port = agent.line_with(r"address=127\.0\.0\.1:(\d+)")
                sources = (f"--storage.tsdb.path={data}", f"--url=unix:{socket}",
                           f"--url=http://localhost:{port.group(1)}")
                newest = "timestamp(count_over_time(node_load1[1m]) > 2)"
                wait_for(lambda: all(run("query", source, newest).returncode == 0 for source in sources), step=1)
                at = json.loads(self.asked(sources[0], newest, "--output=json"))["result"][0]["value"][0]
                later = f"timestamp(node_load1) > {at + 3}"  # by then all of that moment is written
                wait_for(lambda: all(run("query", source, later).returncode == 0 for source in sources), step=1)
                for expression in self.EXPRESSIONS:
                    for when in ((f"--time={at}",), (f"--start={at - 1}", f"--end={at}", "--step=0.5")):
                        with self.subTest((expression, when)):
                            answers = [json.loads(self.asked(source, expression, *when, "--output=json"))
                                       for source in sources]
                            for answer in answers:
                                answer["result"].sort(key=sort_key)
                            self.assertTrue(answers[0]["result"])
                            self.assertEqual(answers[0], answers[1])
                            self.assertEqual(answers[0], answers[2])
                for arguments in (("--labels", "node_load1"), ("--label-values=mode", "node_cpu_seconds_total"),
                                  ("--series=node_load1",)):  # what no new series adds to
                    self.assertEqual(*(self.asked(source, *arguments) for source in sources[:2]))
                errors = {run("query", source, "sum(up").stderr.split("parse error")[1] for source in sources}
                self.assertEqual(len(errors), 1)


class Terminal(unittest.TestCase):
    """On a terminal a range is a chart."""

    def shown(self, *arguments, columns=80, **env):
        primary, secondary = pty.openpty()
        fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "LC_ALL", "COLUMNS")}
        environment.update({"TERM": "xterm-256color", "LANG": "C.UTF-8", "TZ": "UTC", **env})
        process = subprocess.Popen([BINARY, "query", f"--storage.tsdb.path={STORE}", *arguments], stdout=secondary,
                                   stdin=subprocess.DEVNULL, env=environment)
        os.close(secondary)
        text = b""
        while True:
            try:
                piece = os.read(primary, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            text += piece
        os.close(primary)
        self.assertEqual(process.wait(SLOW), 0)
        return text.decode().replace("\r\n", "\n")

    EXPRESSION = ("sum by (mode) (rate(node_cpu_seconds_total[5m]))", "--start=-50m")

    def test_it_is_in_braille_and_color_and_fits(self):
        for columns in (40, 80, 200):
            text = self.shown(*self.EXPRESSION, columns=columns)
            self.assertRegex(text, "[\u2801-\u28ff]")
            self.assertIn("\033[36m", text)
            plain = re.sub("\033\\[[0-9]+m", "", text)
            if columns > 60:
                self.assertLessEqual(max(map(len, plain.splitlines())), columns, plain)
            self.assertRegex(plain, '(?m)^a .* {mode="idle"} +min ')

    def test_colors_can_be_unwanted(self):
        for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            self.assertNotIn("\033", self.shown(*self.EXPRESSION, **env))
        self.assertNotIn("\033", self.shown(*self.EXPRESSION, "--color=never"))
        self.assertIn("\033", self.shown(*self.EXPRESSION, "--color=always", NO_COLOR="1"))

    def test_without_utf8_it_is_ascii(self):
        for env in ({"LANG": "C"}, {"LC_ALL": "POSIX"}):
            self.shown(*self.EXPRESSION, "--color=never", **env).encode("ascii")

    def test_an_instant_is_a_table(self):
        self.assertTrue(self.shown("node_load1").startswith("SERIES "))


class Server(http.server.BaseHTTPRequestHandler):
    """Says what the test set; notes what was asked."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.server.asked.append((self.command, self.path, self.rfile.read(length).decode(), dict(self.headers)))
        status, kind, body = self.server.says(self)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass

    def address_string(self):
        return "client"


class UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def get_request(self):
        connection, _ = super().get_request()
        return connection, ("client", 0)


ONE = json.dumps({"status": "success", "data": {"resultType": "scalar", "result": [1, "2"]}, "warnings": ["w\x1b"],
                  "infos": ["i"]}).encode()


class OddServers(unittest.TestCase):
    def serve(self, says, unix=None):
        server = UnixServer(unix, Server) if unix else http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
        server.says, server.asked = says, []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.url = f"unix:{unix}" if unix else f"http://127.0.0.1:{server.server_address[1]}"
        return server

    def ask(self, *arguments, url=None, **env):
        return run("query", f"--url={url or self.url}", *arguments, env=env)

    def test_a_question_is_posted_as_a_form(self):
        server = self.serve(lambda _: (200, "application/json", ONE))
        result = self.ask("a{b=\"c d\"} + 1", "--time=1.5", "--query.timeout=9s", "--query.lookback-delta=1m", "--limit=7")
        self.assertEqual((result.returncode, result.stdout), (0, "2\n"))
        self.assertEqual(result.stderr, "nodevitals: warning: w\\x1b\nnodevitals: info: i\n")
        method, path, body, _ = server.asked[0]
        self.assertEqual((method, path), ("POST", "/api/v1/query"))
        self.assertEqual(dict(urllib.parse.parse_qsl(body)),
                         {"query": "a{b=\"c d\"} + 1", "time": "1.500", "timeout": "9.000", "lookback_delta": "60.000",
                          "limit": "7"})

    def test_a_server_that_takes_no_post_is_asked_again(self):
        server = self.serve(lambda request: (405, "text/plain", b"no") if request.command == "POST" else
                            (200, "application/json", ONE))
        self.assertEqual(self.ask("up", "--start=1", "--end=2", "--step=1").stdout[:2], "2\n")
        self.assertEqual([asked[0] for asked in server.asked], ["POST", "GET"])
        self.assertEqual(server.asked[1][1], "/api/v1/query_range?query=up&start=1.000&end=2.000&step=1.000&timeout=120.000")

    def test_prefixes_users_and_odd_labels_reach_the_server(self):
        server = self.serve(lambda _: (200, "application/json", b'{"status":"success","data":["x"]}'))
        address = self.url.replace("http://", "")
        result = self.ask("--label-values=a.b", url=f"http://joe:s%40@{address}/prom/")
        self.assertEqual((result.returncode, result.stdout), (0, "x\n"), result)
        method, path, _, headers = server.asked[0]
        self.assertEqual((method, path), ("GET", "/prom/api/v1/label/U__a_2e_b/values"))
        self.assertEqual(headers["Authorization"], "Basic am9lOnNA")
        self.assertEqual(self.ask("--label-values=a", url=address).returncode, 0)

    def test_a_socket_of_this_machine_is_asked(self):
        with tempfile.TemporaryDirectory() as folder:
            server = self.serve(lambda _: (200, "application/json", ONE), unix=f"{folder}/socket")
            self.assertEqual(self.ask("up").returncode, 0)
            self.assertEqual(self.ask("up", url=self.url + ":/prefix").returncode, 0)
            self.assertEqual([asked[1] for asked in server.asked], ["/api/v1/query", "/prefix/api/v1/query"])

    def test_a_file_tells_how_to_ask(self):
        server = self.serve(lambda _: (200, "application/json", ONE))
        with tempfile.TemporaryDirectory() as folder:
            config = os.path.join(folder, "http.yml")
            with open(os.path.join(folder, "token"), "w", encoding="ascii") as file:
                file.write("t0ken\n")
            with open(config, "w", encoding="ascii") as file:
                file.write("authorization: {credentials_file: token}\nhttp_headers: {X-Scope: {values: [a]}}\n")
            self.assertEqual(self.ask("up", f"--http.config.file={config}").returncode, 0)
            headers = server.asked[0][3]
            self.assertEqual((headers["Authorization"], headers["X-Scope"]), ("Bearer t0ken", "a"))
            self.assertEqual(headers["Content-Type"], "application/x-www-form-urlencoded")
            with open(config, "w", encoding="ascii") as file:
                file.write("basic_outh: {}\n")
            result = self.ask("up", f"--http.config.file={config}")
            self.assertEqual(result.returncode, 2)
            self.assertRegex(result.stderr, rf"^nodevitals: error: {re.escape(config)}:1:1: ")
        self.assertEqual(self.ask("up", "--http.config.file=/no/such/file").returncode, 2)

    def test_what_goes_wrong_is_told_in_a_line(self):
        for status, kind, body, message in (
                (404, "text/plain; charset=utf-8", b"404 page not found\n", r"answers with status 404: 404 page not found"),
                (403, "text/plain", b"\x1b[31mno\n", r"answers with status 403: \\x1b\[31mno"),
                (502, "text/html", b"<html>gateway</html>", r"answers with status 502$"),
                (200, "application/json", b"", "does not answer as Prometheus does"),
                (200, "application/json", b'{"status":"success"}', "does not answer as Prometheus does"),
                (200, "application/json", b'{"status":"success","data":{}}', "does not answer as Prometheus does"),
                (200, "text/html", b"<html>hello</html>", "does not answer as Prometheus does"),
                (503, "application/json", b'{"status":"error","errorType":"timeout","error":"query timed out\\u001b"}',
                 r"error: query timed out\\x1b$")):
            with self.subTest(body):
                self.serve(lambda _, s=status, k=kind, b=body: (s, k, b))
                result = self.ask("up")
                self.assertEqual((result.returncode, result.stdout), (2, ""), result)
                self.assertRegex(result.stderr.rstrip("\n"), message)
                self.assertEqual(len(result.stderr.splitlines()), 1)

    def test_a_server_that_is_not_there_is_told(self):
        for url, message in (("http://127.0.0.1:1", "cannot connect: Connection refused"),
                             ("http://joe:secret@127.0.0.1:1", "cannot connect: Connection refused"),
                             ("unix:/no/such/socket", "cannot connect: No such file or directory"),
                             ("ftp://127.0.0.1", "a scheme other than http"), ("http://", "cannot ask http://: ")):
            result = self.ask("up", url=url)
            self.assertEqual(result.returncode, 2)
            shown = url.replace("joe:secret@", "")  # never
            self.assertRegex(result.stderr, f"^nodevitals: error: cannot ask {re.escape(shown)}: ")
            self.assertIn(message, result.stderr)

    def test_an_empty_answer_without_a_body_is_empty(self):
        self.serve(lambda _: (204, "text/plain", b""))
        self.assertEqual(self.ask("--labels").returncode, 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
