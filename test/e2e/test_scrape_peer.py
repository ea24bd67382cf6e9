#!/usr/bin/env python3
"""Mean targets beside Debian's Prometheus: what their answers, rules and histories come to is the same for both.

We are what Prometheus 3 is, the peer is 2.42. Where the two differ by design, or where we refuse what no standard allows,
the case says so in OTHERWISE, and it must differ.
"""
import gzip
import json
import os
import socket
import tempfile
import threading
import time
import unittest
import urllib.parse
import zlib

from harness import Agent, Process, find_program, free_port, get, skip, wait_for

PROMETHEUS = find_program("prometheus")
TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROTOBUF = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
ABOUT = ("up", "scrape_samples_scraped", "scrape_samples_post_metric_relabeling", "scrape_series_added")


def answer(body, kind=TEXT, *headers, status="200 OK", length=True, version="1.1"):
    """An HTTP answer as bytes."""
    body = body if isinstance(body, bytes) else body.encode()
    head = [f"HTTP/{version} {status}", *([f"Content-Type: {kind}"] if kind is not None else []),
            f"Content-Length: {len(body)}" if length else "Connection: close", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def chunked(*parts, extension="", trailer="", end=True, coding="chunked"):
    whole = answer("", TEXT, f"Transfer-Encoding: {coding}", length=False).replace(b"Connection: close\r\n", b"")
    for part in parts:
        part = part if isinstance(part, bytes) else part.encode()
        whole += b"%x%s\r\n%s\r\n" % (len(part), extension.encode(), part)
    return whole + (b"0\r\n" + trailer.encode() + b"\r\n" if end else b"")


def packed(body, coding="gzip", cut=0, tail=b""):
    body = gzip.compress(body.encode())
    return answer(body[:len(body) - cut] + tail, TEXT, "Content-Encoding: " + coding)


def moved(status, *where):
    return answer("moved", TEXT, *(f"Location: {one}" for one in where), status=f"{status} X")


# What a target says in classic text.
TEXTS = {
    "adjacent": 'a{x="1"y="2"} 1\n', "backslash_end": 'a{x="\\"} 1\n', "bad_utf8": b'a{x="\xff"} 1\n',
    "bad_utf8_help": b"# HELP a \xff\na 1\n", "big": "a 1e400\n", "binary": "a 0b1\n", "blank_lines": "\n\na 1\n\n",
    "bom": "\ufeffa 1\n", "brace_value": 'a{x="1"}1\n', "braces": "a{} 1\nb{ } 2\n", "carriage": "a 1\rb 2\n",
    "colon_label": 'a{x:y="1"} 1\n', "colons": "a:b 1\n:c 2\n", "comma": "a{,} 1\n", "comma_first": 'a{,x="1"} 1\n',
    "comma_last": 'a{x="1",} 1\n', "commas": 'a{x="1",,} 1\n', "comment_behind": "a 1 # hi\n", "comments": "# hi\n#\n#x\n",
    "crlf": "a 1\r\nb 2\r\n", "digit_label": 'a{1x="1"} 1\n', "digit_name": "1a 1\n", "dot": "a.b 1\n",
    "doubles": 'a 1\na 1\nb 1\nb 2\nc{x="1",y="2"} 1\nc{y="2",x="1"} 2\n', "empty": "", "empty_label": 'a{x=""} 1\nb 2\n',
    "escapes": 'a{x="\\\\ \\" \\n \\x"} 1\n', "exemplar": 'a 1 # {x="1"} 2\n', "formfeed": "a\f1\n", "garbage": "a 1 x\n",
    "help": "# HELP a\n# HELP b \\\\ \\n \\x\na 1\n", "help_alone": "# HELP\na 1\n", "help_dash":
    "# HELP a-b Some.\na 1\n", "help_digit": "# HELP 1a x\na 1\n",
    "hex": "a 0x10\n", "hex_float": "a 0x1p3\n", "histogram": '# TYPE h histogram\nh_bucket{le="0.1"} 1\n'
    'h_bucket{le="+Inf"} 2\nh_sum 1\nh_count 2\n', "infinity": "a infi\n", "json": '{"a":1}\n', "late_type":
    'a 1\n# TYPE a gauge\na{x="1"} 2\n', "many": "".join(f'm{{i="{i}"}} {i}\n' for i in range(5000)),
    "many_labels": "a{" + ",".join(f'l{i}="{i}"' for i in range(60)) + "} 1\n", "minus": "a-b 1\n", "minuses": "a --1\n",
    "name_in_braces": 'a{__name__="b"} 1\n', "no_blank": "# TYPE a\na 1\n", "no_newline": "a 1", "no_quotes": "a{x=1} 1\n",
    "no_value": "a\n", "no_value_blank": "a \n", "no_value_labels": 'a{x="1"}\n', "nul": "a 1\nb\0 2\n",
    "nul_value": 'a{x="\0"} 1\n', "only_bad_last": "a 1\nb x\nc 3\n", "same_label": 'a{x="1",x="2"} 1\n',
    "single_quotes": "a{x='1'} 1\n", "small": "a 1e-400\n", "space": "a b 1\n", "spaces": 'a { x = "1" , y = "2" } 3\n',
    "tabs": 'a\t1\nb{x="1"}\t2\t\n', "times": "a 1 x\n", "time_big": "a 1 99999999999999999999\n", "time_exponent":
    "a 1 1e3\n", "time_float": "a 1 1.5\n", "time_future": "a 1 9999999999999\n", "time_old": "a 1 1000\nb 2\n",
    "time_plus": "a 1 +5\n", "time_two": "a 1 1 1\n", "trailing": "a 1  \nb 2\t\n", "type_caps": "# TYPE a COUNTER\na 1\n",
    "type_dash": "# TYPE a-b counter\na 1\n", "type_more": "# TYPE a counter x\na 1\n", "type_tabs":
    "#\tTYPE\ta\tcounter\na 1\n", "type_twice": "# TYPE a gauge\n# TYPE a counter\na 1\n", "type_unknown":
    "# TYPE a what\na 1\n", "unclosed": 'a{x="1" 1\n', "underscores": "a 1_000\n", "unit": "# UNIT a seconds\na 1\n",
    "utf8": 'a{x="äöü\U0001f600"} 1\n', "values": "a NaN\nb nan\nc +Inf\nd -Inf\ne inf\nf Infinity\ng 1e5\nh .5\ni 5.\n"
    "j +1\nk -0\nl 1E5\n", "vertical": "a\v1\n", "xml": "<x/>\n",
    # differing
    "blank_first": "  a 1\n\tb 2\n", "newline_value": 'a{x="1\n2"} 1\n', "time_negative": "a 1 -5\nb 2\n",
}

# In OpenMetrics.
OPEN = {
    "after_eof": "a 1\n# EOF\nb 2\n", "bad_utf8": b'a{x="\xff"} 1\n# EOF\n', "blank_line": "a 1\n\n# EOF\n",
    "comment": "# hi\na 1\n# EOF\n", "counter": "# TYPE a counter\n# HELP a h\na_total 1\na_created 123.5\n# EOF\n",
    "crlf": "a 1\r\n# EOF\r\n", "doubles": "a 1\na 2\n# EOF\n", "eof_blank": "a 1\n# EOF \n", "eof_lines": "a 1\n# EOF\n\n",
    "eof_lower": "a 1\n# eof\n", "eof_no_newline": "a 1\n# EOF", "exemplar": '# TYPE a counter\na_total 1 # {x="1"} 2\n'
    '# EOF\n', "exemplar_bad": 'a 1 # {x="1"}\n# EOF\n', "exemplar_time": '# TYPE a counter\na_total 1 # {x="1"} 2 3.5\n'
    '# EOF\n', "gauge_histogram": '# TYPE a gaugehistogram\na_bucket{le="1.0"} 1\na_bucket{le="+Inf"} 1\na_gcount 1\n'
    'a_gsum 1\n# EOF\n', "help_bare": "# HELP a\na 1\n# EOF\n", "hex": "a 0x1p3\n# EOF\n", "info":
    '# TYPE a info\na_info{x="1"} 1\n# EOF\n', "label_blank": 'a{ x="1"} 1\n# EOF\n', "no_eof": "a 1\n", "no_newline":
    "a 1", "only_eof": "# EOF\n", "state_set": '# TYPE a stateset\na{a="x"} 1\n# EOF\n', "tab": "a\t1\n# EOF\n",
    "time": "a 1 1.5\n# EOF\n", "time_infinite": "a 1 +Inf\n# EOF\n", "time_nan": "a 1 NaN\n# EOF\n", "trailing":
    "a 1 \n# EOF\n", "two_blanks": "a  1\n# EOF\n", "unit": "# TYPE a_seconds gauge\n# UNIT a_seconds seconds\n"
    "a_seconds 1\n# EOF\n", "unit_none": "# TYPE a gauge\n# UNIT a seconds\na 1\n# EOF\n", "unknown":
    "# TYPE a unknown\na 1\n# EOF\n", "untyped": "# TYPE a untyped\na 1\n# EOF\n", "values": "a NaN\nb -Inf\n# EOF\n",
    # differing
    "comma_last": 'a{x="1",} 1\n# EOF\n', "empty": "", "exemplar_gauge": '# TYPE a gauge\na 1 # {x="1"} 2\n# EOF\n',
}

# What the head says of the body.
KINDS = {
    "bad": ";;;", "charset": "text/plain; charset=iso-8859-1", "csv": "text/csv", "empty": "", "html": "text/html",
    "json": "application/json", "none": None, "octets": "application/octet-stream", "open_0": "application/openmetrics-text;"
    " version=0.0.1", "open_2": "application/openmetrics-text; version=2.0.0", "open_bare": "application/openmetrics-text",
    "open_caps": "Application/OpenMetrics-Text; version=1.0.0", "plain": "text/plain", "plain_1": "text/plain; version=1.0.0",
    "plain_9": "text/plain; version=9", "plain_caps": "TEXT/PLAIN; VERSION=0.0.4", "plain_quoted":
    'text/plain; version="0.0.4"', "protobuf": PROTOBUF, "protobuf_bare": "application/vnd.google.protobuf",
}

A, LONG = "a 1\n", "a 1\n" * 2000

# How it comes.
WIRES = {
    "chunks": chunked("a ", "1\n", "b 2\n"), "chunk_bad": chunked(A).replace(b"4\r\na", b"zz\r\na"), "chunk_cut":
    chunked(A, end=False), "chunk_extension": chunked(A, extension=";x=y"), "chunk_huge":
    chunked(A).replace(b"\r\n4\r\n", b"\r\nffffffffffffffffff\r\n"), "chunk_none": chunked(), "chunk_padded":
    chunked(A).replace(b"\r\n4\r\n", b"\r\n0000000004\r\n"), "chunk_single": chunked(*"a 1\nb 2\n"), "chunk_trailer":
    chunked(A, trailer="X-T: 1\r\n"), "chunk_unended": chunked(A)[:-2], "chunk_caps": chunked(A, coding="Chunked"),
    "close": answer(A, length=False), "continue": b"HTTP/1.1 100 Continue\r\n\r\n" + answer(A), "early_hints":
    b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + answer(A), "folded": answer(A, TEXT, "X-A: b", "  c"),
    "gzip": packed(A), "gzip_bad": answer(A, TEXT, "Content-Encoding: gzip"), "gzip_cut": packed(LONG, cut=20),
    "gzip_cut_early": packed(LONG, cut=30), "gzip_empty": answer("", TEXT, "Content-Encoding: gzip"), "gzip_of_nothing":
    packed(""), "gzip_several": packed(A, tail=gzip.compress(b"b 2\n")), "gzip_sum": packed(A, cut=8, tail=b"\0" * 8),
    "gzip_tail": packed(A, tail=b"xxxx"), "half": answer("a 1\nb 2\n")[:-4], "half_head": b"HTTP/1.1 200 OK\r\n",
    "half_line": answer("a 1\nb 2\n")[:-2], "http_0": b"a 1\n", "http_1_0": answer(A, length=False, version="1.0"),
    "http_1_0_length": answer(A, version="1.0"), "http_none": answer(A).replace(b"HTTP/1.1", b"HTTX/1.1"), "identity":
    answer(A, TEXT, "Content-Encoding: identity"), "kind_twice": answer(A, TEXT, "Content-Type: application/json"),
    "length_bad": answer(A).replace(b"Length: 4", b"Length: x"), "length_negative":
    answer(A).replace(b"Length: 4", b"Length: -1"), "length_short": answer("a 1\nb 22\n").replace(b"Length: 9", b"Length: 7"),
    "length_twice": answer(A, TEXT, "Content-Length: 4"), "many_headers": answer(A, TEXT, *(f"X-{i}: b" for i in range(500))),
    "no_headers": b"HTTP/1.1 200 OK\r\n\r\na 1\n", "nothing": b"", "only_newlines": answer(A).replace(b"\r\n", b"\n"),
    "other_coding": answer(A, TEXT, "Content-Encoding: utf-8"), "packed_otherwise":
    answer(zlib.compress(A.encode()), TEXT, "Content-Encoding: deflate"),
    **{f"moved_{status}": moved(status, "/ok") for status in (301, 302, 303, 307, 308)}, "moved_away":
    moved(302, "http://localhost:PORT/ok"), "moved_bad": moved(302, "http://%zz/"), "moved_file":
    moved(302, "file:///etc/passwd"), "moved_fragment": moved(302, "/ok#x"), "moved_nowhere": moved(302),
    "moved_relative": moved(302, "ok"), "moved_round": moved(302, "/moved_round"), "moved_unheard":
    moved(302, "//127.0.0.1:1/ok"),
    **{f"status_{status.split()[0]}": answer(A, status=status) for status in (
        "201 Created", "202 Accepted", "206 Partial", "304 Not Modified", "400 Bad", "404 Not Found", "500 Oops", "503 S",
        "999 X", "200", "2000 OK", "099 x")},
    "status_204": answer("", status="204 No Content"),
    # differing
    "gzip_caps": packed(A, "GZIP"), "length_huge": answer(A).replace(b"Length: 4", b"Length: 99999999999999999999"),
    "length_other": answer(A, TEXT, "Content-Length: 3"), "moved_300": moved(300, "/ok"),
}

# What a rule makes of LABELLED, whose target has labels, too; each rule for targets and for their series.
LABELLED = r'''a{x="Hello World",y="hello world",z="ÄÖÜ straße İ",e="",num="42",path="/a/b/c",q="a\"b\\c"} 1
b{x="1",tmp_foo="foo",tmp_bar="bar",__tmp="hid",__meta="m"} 2
c 3
'''
RULES = (
    "{source_labels: [x], target_label: y}",
    "{source_labels: [x], regex: '(.*) (.*)', target_label: n, replacement: '$2-$1-${1}x-$1x-$$-$3'}",
    "{source_labels: [x], regex: 'Hello', target_label: n, replacement: no}",
    "{source_labels: [x], target_label: x, replacement: ''}", "{target_label: x, replacement: }",
    "{source_labels: [x], regex: '(?P<first>\\w+).*', target_label: n, replacement: '${first}!'}",
    "{source_labels: [x], regex: '(\\w+).*', target_label: 'n_${1}', replacement: v}",
    "{source_labels: [x, num], separator: '', regex: '(.*)', target_label: j}",
    "{source_labels: [x, num, missing], separator: '--', target_label: j}", "{target_label: j}",
    "{target_label: j, replacement: const}", "{source_labels: [missing], regex: '', target_label: j, replacement: none}",
    "{source_labels: [missing], regex: '.+', target_label: j, replacement: some}", "{source_labels: [x], regex: null, "
    "target_label: n}", "{source_labels: [x], regex: 42, target_label: n}",
    "{source_labels: [x], regex: '(?i)HELLO world', target_label: n, replacement: ci}",
    "{source_labels: [path], regex: '/([^/]+)/.*', target_label: n}", "{source_labels: [x], regex: '()*', target_label: n}",
    "{source_labels: [x], regex: '(a)|(H).*', target_label: n, replacement: '[$1|$2]'}",
    "{source_labels: [z], regex: '\\pL+ .*', target_label: n, replacement: letters}",
    "{source_labels: [x], regex: '(?U)(.*) (.*)', target_label: n, replacement: '$1'}",
    "{action: keep, source_labels: [x], regex: 'Hello.*'}", "{action: keep, source_labels: [x], regex: Hello}",
    "{action: keep}", "{action: drop}", "{action: drop, source_labels: [x], regex: '1|2'}",
    "{action: drop, source_labels: [missing], regex: ''}",
    "{action: hashmod, source_labels: [x, y], modulus: 8, target_label: h}",
    "{action: hashmod, source_labels: [missing], modulus: 1000000007, target_label: h}",
    "{action: hashmod, source_labels: [x], modulus: 18446744073709551615, target_label: h}",
    "{action: labelmap, regex: 'tmp_(.*)'}", "{action: labelmap, regex: 'tmp_(.*)', replacement: 'new_$1'}",
    "{action: labelmap, regex: '(x|y)', replacement: same}", "{action: labelmap, regex: '(.)(.*)', replacement: 'p$1_$2'}",
    "{action: labeldrop, regex: 'x|y'}", "{action: labeldrop, regex: 'job|instance'}",
    "{action: labelkeep, regex: '__.*|x|job|instance'}", "{action: lowercase, source_labels: [x, z], target_label: l}",
    "{action: uppercase, source_labels: [z], target_label: u}", "{action: UPPERCASE, source_labels: [missing], target_label: x}",
    "{action: keepequal, source_labels: [y], target_label: x}", "{action: keepequal, source_labels: [missing], "
    "target_label: missed}", "{action: dropequal, source_labels: [x], target_label: x}", "{action: dropequal, "
    "source_labels: [missing], target_label: missed}", "{source_labels: [__name__], target_label: __name__, "
    "replacement: 'p_$1'}", "{source_labels: [__name__], regex: c, target_label: __name__, replacement: ''}",
    "{source_labels: [__name__], target_label: __name__, replacement: all}", "{source_labels: [x], target_label: job}",
    "{source_labels: [x], target_label: instance}", "{target_label: job, replacement: ''}",
    "{target_label: instance, replacement: ''}", "{source_labels: [__meta], target_label: m}",
    "{source_labels: [__address__, __scheme__, job], regex: '[^;]*:(\\d*;.*)', target_label: m, replacement: there}",
)
OF_SERIES = ("{action: labeldrop, regex: __name__}", "{action: labeldrop, regex: '.*'}", "{action: labelkeep, regex: x}")

# How we differ from Prometheus 2.42, and why.
OTHERWISE = {
    "text_blank_first": "white space before a name does not count; there it is part of the name",
    "text_newline_value": "a line break in a value is written \\n",
    "text_time_negative": "a time is a signed number",
    "open_comma_last": "a comma may stand behind the last label since 3.0",
    "open_empty": "an empty answer makes all stale since 3.0",
    "open_exemplar_gauge": "exemplars are left out, whatever they belong to",
    "wire_gzip_caps": "names of codings have no case",
    "wire_length_huge": "a length that is none does not count", "wire_length_other": "the first length counts",
    "wire_moved_300": "of several choices the one that is named is taken",
}


class Target:
    """Answers by path, each connection once; some paths have another answer for each question of a client."""

    def __init__(self, answers):
        self.answers, self.asked, self.lock = answers, {}, threading.Lock()
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(256)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                connection = self.socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _choose(self, path, agent):
        found = self.answers.get(path, answer("", status="404 Not Found"))
        if isinstance(found, bytes):
            return found
        with self.lock:
            key = path, agent.split("/")[0]
            n = self.asked[key] = self.asked.get(key, -1) + 1
        return found[min(n, len(found) - 1)]

    def _serve(self, connection):
        with connection:
            connection.settimeout(5)
            try:
                request = b""
                while b"\r\n\r\n" not in request:
                    more = connection.recv(65536)
                    if not more:
                        return
                    request += more
                lines = request.decode("latin-1").split("\r\n")
                agent = next((line[12:] for line in lines if line.lower().startswith("user-agent: ")), "")
                said = self._choose(lines[0].split(" ")[1].lstrip("/"), agent)
                connection.sendall(said.replace(b"PORT", str(self.port).encode()))
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
            except OSError:
                pass  # it went away

    def stop(self):
        self.socket.close()


def ask(url, expression):
    return json.loads(get(url + "/api/v1/query?" + urllib.parse.urlencode({"query": expression}))[2])["data"]["result"]


class Peer(unittest.TestCase):
    maxDiff = None

    def begin(self, answers, jobs, ours="", interval="2s"):
        """Both scrape the jobs: {name: more of its settings}; `ours` goes to us alone."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        target = Target(answers)
        self.addCleanup(target.stop)
        head = f"global: {{scrape_interval: {interval}, scrape_timeout: {interval}}}\nscrape_configs:\n"
        for name, own in (("ours", ours), ("theirs", "")):
            with open(os.path.join(folder.name, name), "w", encoding="utf-8") as file:
                file.write(head + "".join(f"- job_name: {job}\n{own}{more}".replace("PORT", str(target.port))
                                          for job, more in jobs.items()))
        port = free_port()
        self.theirs = f"http://127.0.0.1:{port}"
        peer = Process(PROMETHEUS, f"--config.file={folder.name}/theirs", f"--storage.tsdb.path={folder.name}/p",
                       f"--web.listen-address=127.0.0.1:{port}")
        self.addCleanup(peer.stop)
        peer.line_with("Server is ready")
        agent = Agent(f"--config.file={folder.name}/ours", f"--storage.tsdb.path={folder.name}/o",
                      "--collector.disable-defaults", "--collector.loadavg")
        self.addCleanup(agent.stop)
        self.ours = agent.ready().url

    def until(self, n, targets):
        """Waits until every target was asked so often."""
        for url in (self.theirs, self.ours):
            wait_for(lambda url=url: len(ask(url, f'count_over_time(up{{job!="node-exporter"}}[5m]) >= {n}')) >= targets)

    def series(self, url):
        """{job: {series: value}} of what there is now."""
        found = {}
        for one in ask(url, '{__name__=~".+",__name__!="scrape_duration_seconds",job!="node-exporter"}'):
            labels = one["metric"]
            found.setdefault(labels.get("job", ""), {})[tuple(sorted(labels.items()))] = one["value"][1]
        return found

    def compare(self, names, otherwise=()):
        theirs, ours = self.series(self.theirs), self.series(self.ours)
        for name in names:
            with self.subTest(name):
                if name in otherwise:
                    self.assertNotEqual(ours.get(name), theirs.get(name), otherwise[name])
                else:
                    self.assertEqual(ours.get(name), theirs.get(name))

    def test_answers_come_to_the_same(self):
        answers = {"ok": answer(A)}
        answers.update({"text_" + name: answer(body) for name, body in TEXTS.items()})
        answers.update({"open_" + name: answer(body, OPENMETRICS) for name, body in OPEN.items()})
        answers.update({"kind_" + name: answer("a 1\n# EOF\n", kind) for name, kind in KINDS.items()})
        answers.update({"wire_" + name: body for name, body in WIRES.items()})
        jobs = {name: f"  metrics_path: /{name}\n  static_configs: [{{targets: ['127.0.0.1:PORT']}}]\n" for name in answers}
        answers["moved_round"] = WIRES["moved_round"]
        # Prometheus 3 wants to be told what an answer is that does not say it.
        self.begin(answers, jobs, "  fallback_scrape_protocol: PrometheusText0.0.4\n")
        self.until(3, len(jobs))  # nothing is new any more
        self.compare(jobs, OTHERWISE)
        self.assertEqual(set(OTHERWISE) - set(jobs), set())

    def test_rules_come_to_the_same(self):
        jobs = {}
        group = ("  static_configs: [{targets: ['127.0.0.1:PORT'], labels: {x: 'Hello World', y: 'hello world', "
                 "tmp_foo: foo, __meta_z: zz, case: '%s'}}]\n")
        for place, rules in (("relabel_configs", RULES), ("metric_relabel_configs", RULES + OF_SERIES)):
            for i, rule in enumerate(rules):
                jobs[f"{place[:3]}{i}"] = f"  {place}: [{rule}]\n" + group % f"{place[:3]}{i}"
        self.begin({"metrics": answer(LABELLED)}, jobs)
        wait_for(lambda: self.settled(self.theirs) == self.settled(self.ours) and self.settled(self.ours))
        self.assertEqual(self.listed(self.ours), self.listed(self.theirs))
        self.until(3, len({tuple(sorted(one[0].items())) for one in self.listed(self.ours).values()}))
        self.compare(sorted(set(self.series(self.theirs)) | set(self.series(self.ours))))

    @staticmethod
    def active(url):
        data = json.loads(get(url + "/api/v1/targets?state=active")[2])["data"]["activeTargets"]
        return [one for one in data if one["scrapePool"] != "node-exporter"]

    def settled(self, url):
        found = self.active(url)
        return all(one["health"] != "unknown" for one in found) and len(found)

    def listed(self, url):
        return {one["scrapePool"]: (one["labels"], one["scrapeUrl"], one["health"]) for one in self.active(url)}

    def test_limits_and_honours_come_to_the_same(self):
        own = 'own{job="mine",instance="me",zone="z"} 1\nown{job="",exported_job="twice"} 2\n'
        some = "".join(f'm{{i="{i}"}} {i}\n' for i in range(300))
        answers = {"own": answer(own), "some": answer(some), "labels": answer('a{x="1",longer="22"} 1\nb 2\n'), "many": answer(TEXTS["many"]),
                   "bomb": packed("# " + "x" * 1000 + "\n" + TEXTS["many"] * 20)}
        settings = {
            "honoured": ("own", "honor_labels: true"), "unhonoured": ("own", "honor_labels: false"),
            "label_limit": ("labels", "label_limit: 3"), "label_limit_enough": ("labels", "label_limit: 5"),
            "name_limit": ("labels", "label_name_length_limit: 5"), "name_limit_enough": ("labels",
                                                                                          "label_name_length_limit: 8"),
            "value_limit": ("labels", "label_value_length_limit: 1"), "sample_limit": ("some", "sample_limit: 299"),
            "sample_limit_enough": ("some", "sample_limit: 300"), "sample_limit_kept": (
                "some", "sample_limit: 2\n  metric_relabel_configs: [{action: keep, source_labels: [i], regex: '1|2'}]"),
            "body_limit": ("many", "body_size_limit: 50KB"), "body_limit_enough": ("many", "body_size_limit: 1MB"),
            "bomb": ("bomb", "body_size_limit: 1MB"), "dropped": (
                "many", "metric_relabel_configs: [{action: drop, source_labels: [i], regex: '.*[1-9]'}]"),
            "collapsed": ("labels", "metric_relabel_configs: [{target_label: __name__, replacement: one}]"),
        }
        jobs = {name: f"  metrics_path: /{path}\n  {more}\n  static_configs: [{{targets: ['127.0.0.1:PORT'], "
                      f"labels: {{zone: here}}}}]\n" for name, (path, more) in settings.items()}
        self.begin(answers, jobs)
        self.until(3, len(jobs))
        self.compare(sorted(jobs) + ["mine", ""])

    def test_histories_come_to_the_same(self):
        """Series that come, go, fail and return: how often each was there, and what was said of each scrape."""
        now = int(time.time() * 1000)
        good, other, failed = answer("a 1\nb 2\n"), answer("b 3\nc 4\n"), answer("oops", status="500 X")
        dated = [answer(f"a {i} {now - 60000 + 1000 * max(0, min(i, 4))}\nb {i}\n") for i in range(8)]
        histories = {
            "vanishes": [good, good, other, other, good, answer(A)], "fails": [good, failed, good, failed, other],
            "empties": [good, answer(""), good, answer("# x\n"), good], "breaks": [good, answer("a 1\nb x\n"), good],
            "dated": dated, "undated": [dated[0], dated[1], good, good, dated[2], dated[3], good],
            "unhonoured": dated, "turns": [answer("a 1\n"), answer("a NaN\n"), answer("a 2\n"), answer('a{x=""} 3\n')],
        }
        more = {"unhonoured": "  honor_timestamps: false\n"}
        jobs = {name: f"  metrics_path: /{name}\n{more.get(name, '')}  static_configs: [{{targets: ['127.0.0.1:PORT']}}]\n"
                for name in histories}
        self.begin(histories, jobs, interval="1s")
        longest = max(len(history) for history in histories.values())
        self.until(longest + 2, len(jobs))
        theirs, ours = self.values(self.theirs, longest), self.values(self.ours, longest)
        for name in jobs:
            with self.subTest(name):
                self.assertEqual(ours[name], theirs[name])

    @staticmethod
    def values(url, n):
        """{job: {series: its values in turn}} of the first n scrapes; NaN and a marker are told apart by being there."""
        found, first = {}, {}
        samples = ask(url, '{__name__!="scrape_duration_seconds",job!~"node-exporter|"}[5m]')
        for one in samples:
            if one["metric"]["__name__"] == "up":
                first[one["metric"]["job"]] = one["values"]
        for one in samples:
            labels = one["metric"]
            ends = first[labels["job"]][n - 1][0]
            found.setdefault(labels["job"], {})[labels["__name__"]] = [
                value for when, value in one["values"] if when <= ends]
        return found


if __name__ == "__main__":
    if not PROMETHEUS:
        skip("prometheus is not installed")
    unittest.main(verbosity=2)
