"""The store offline: what goes in comes out, as text and as blocks that promtool and Prometheus read."""
import fcntl
import json
import math
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import unittest
import urllib.parse

from harness import Agent, Process, find_program, free_port, get, run, skip, wait_for

PROMTOOL, PROMETHEUS = find_program("promtool"), find_program("prometheus")
START = 1699963200123  # ms; noon, so that all lies in one day
STALE = 0x7FF0000000000002


def made_up_node():
    """Series as a node has them, with gaps, staleness and special values: {series: [(ms, text of the value)]}."""
    series = {}
    for device in range(4):
        for name in ("node_disk_reads_completed_total", "node_disk_io_time_seconds_total"):
            key = f'{name}{{device="sd{chr(97 + device)}",instance="n:9100",job="node-exporter"}}'
            series[key] = [(START + i * 15000, repr(i * (device + 1) * (1 if "reads" in name else 0.001)))
                           for i in range(700)]
    for s in range(3):
        key = f'node_load1{{instance="n:9100",job="node-exporter",n="{s}"}}'
        series[key] = [(START + i * 15000, repr(round(1 + math.sin(i / 9), 2)))
                       for i in range(700) if s == 0 or i % 10 < 8]
    series['special{x="a \\"quoted\\" \\\\ value"}'] = [
        (START + i * 15000, value) for i, value in enumerate(
            ["NaN", "+Inf", "-Inf", "-0", "5e-324", "1.7976931348623157e+308", "naN", "0.1"])]
    series["up"] = [(START + i * 15000, "1" if i < 400 else "naN" if i == 400 else "0")
                    for i in range(0, 700) if not 400 < i < 500]
    return series


def text_of(series):
    lines = [f"{key} {value} {ms // 1000}.{ms % 1000:03}\n" for key, samples in series.items()
             for ms, value in samples]
    return "".join(lines) + "# EOF\n"


def bits(value):
    return STALE if value == "naN" else struct.unpack("<Q", struct.pack("<d", float(value)))[0]


def read_text(text):
    """The text as {(series, ms): bits}."""
    lines = text.splitlines()
    assert lines[-1] == "# EOF", lines[-1:]
    result = {}
    for line in lines[:-1]:
        key, value, seconds = line.rsplit(" ", 2)
        whole, fraction = seconds.split(".")
        result[key, int(whole + fraction)] = bits(value)
    return result


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.store = os.path.join(self.folder, "store")
        self.series = made_up_node()

    def tsdb(self, command, *arguments, status=0, **options):
        result = run("tsdb", command, f"--storage.tsdb.path={self.store}", *arguments, **options)
        self.assertEqual(result.returncode, status, result)
        return result

    def imported(self, text=None):
        file = os.path.join(self.folder, "in.om")
        with open(file, "w", encoding="utf-8") as out:
            out.write(text or text_of(self.series))
        return self.tsdb("import", file).stdout

    def refused(self, message, *arguments, hint=True, **options):
        result = run("tsdb", *arguments, **options)
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertEqual(result.stderr,
                         f"nodevitals: error: {message}{', try --help' if hint else ''}\n")


class InAndOut(Folder):
    def test_the_text_comes_back(self):
        said = self.imported()
        count = sum(map(len, self.series.values()))
        self.assertRegex(said, rf"^Imported {count:,} samples of {len(self.series)} series into 1 block: "
                               r"[\d.]+ (Ki)?B, 0\.\d\d bytes a sample\.\n$")
        out = self.tsdb("export").stdout
        self.assertEqual(read_text(out), read_text(text_of(self.series)))
        self.assertEqual(self.tsdb("verify").stdout, f"{self.store}: nothing is wrong.\n")

    def test_export_and_import_again_is_the_same_export(self):
        self.imported()
        out = self.tsdb("export").stdout
        again = os.path.join(self.folder, "again")
        result = run("tsdb", "import", "-", f"--storage.tsdb.path={again}", stdin=out)
        self.assertEqual(result.returncode, 0, result)
        self.assertEqual(run("tsdb", "export", f"--storage.tsdb.path={again}").stdout, out)

    def test_order_does_not_matter_and_equal_times_are_counted(self):
        lines = text_of(self.series).splitlines(keepends=True)[:-1]
        said = self.imported("".join(lines[::-1]) + "up 7 1699963200.123\nup 7 1699963200.123\n# EOF\n")
        self.assertRegex(said, r"\nOut of order, and sorted: [\d,]+\.\n")
        self.assertIn("\nGiven again with the same value: 1.\n", said)
        self.assertIn("\nGiven again with another value, of which the last stays: 1.\n", said)
        expected = read_text(text_of(self.series))
        expected["up", START] = bits("7")
        self.assertEqual(read_text(self.tsdb("export").stdout), expected)

    def test_a_second_import_adds(self):
        self.imported('a{x="1"} 1 100\n# EOF\n')
        self.imported('a{x="1"} 2 200\na{x="2"} 3 100\n# EOF\n')
        self.assertEqual(self.tsdb("export").stdout,
                         'a{x="1"} 1 100.000\na{x="1"} 2 200.000\na{x="2"} 3 100.000\n# EOF\n')

    def test_selection_by_matchers_and_time(self):
        self.imported()
        out = self.tsdb("export", "--match=up", '--match={n=~"1|2"}', "--from=1699963215.123",
                        "--to=2023-11-14T12:00:30.123Z").stdout
        self.assertEqual({key for key, _ in read_text(out)},
                         {"up", *(k for k in self.series if re.search(r'n="[12]"', k))})
        self.assertEqual({ms for _, ms in read_text(out)}, {START + 15000, START + 30000})
        self.assertEqual(self.tsdb("export", "--match=nothing").stdout, "# EOF\n")

    def test_a_text_with_an_error_leaves_nothing(self):
        for text, message in (("a 1 1\na 1\n# EOF\n", "line 2: sample without a timestamp"),
                              ("a 1 1\n\n# EOF\n", "line 2: blank line"),
                              ("a 1 1\n", "line 2: data does not end with # EOF")):
            self.refused(f"standard input: {message}", "import", "-",
                         f"--storage.tsdb.path={self.store}", stdin=text, hint=False)
            self.assertEqual([n for n in os.listdir(self.store) if "tmp" in n or "block" in n], [])

    def test_a_second_writer_is_kept_out(self):
        self.imported()
        with open(os.path.join(self.store, "lock"), "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            result = self.tsdb("import", "-", stdin="# EOF\n", status=1)
            self.assertIn("another process writes this directory", result.stderr)
            self.assertIn("up 1 ", self.tsdb("export").stdout)


class OfAnAgent(Folder):
    def test_what_a_killed_agent_wrote_is_listed_and_exported(self):
        with Agent(f"--storage.tsdb.path={self.store}", "--collector.disable-defaults", "--collector.loadavg",
                   "--storage.tsdb.interval=200ms", "--storage.tsdb.instance=here") as agent:
            wait_for(lambda: self.tsdb("export", "--match=up").stdout.count("\n") > 5)
            agent.stop(signal.SIGKILL)
        out = read_text(self.tsdb("export").stdout)
        self.assertIn('node_load1{instance="here",job="node-exporter"}', {key for key, _ in out})
        self.assertGreater(sum(key.startswith("up{") for key, _ in out), 4)
        self.assertRegex(self.tsdb("list").stdout, r"^No blocks; the log has [\d.]+ (Ki)?B\.\n$")
        self.assertRegex(self.tsdb("analyze").stdout, r"\nLog +.* samples that no block has yet")
        self.assertIn("nothing is wrong", self.tsdb("verify").stdout)


class Told(Folder):
    def test_list_is_a_table_of_blocks(self):
        self.assertIn(": No such file or directory\n", self.tsdb("list", status=1).stderr)
        self.imported()
        header, row, total = self.tsdb("list").stdout.splitlines()
        self.assertEqual(header.split(), ["BLOCK", "FROM", "(UTC)", "TO", "(UTC)", "SPAN", "LEVEL",
                                          "SERIES", "SAMPLES", "SIZE", "B/SAMPLE"])
        self.assertEqual(len(header), len(row))
        self.assertIn(" 2023-11-14 12:00:00  2023-11-14 14:54:45  ", row)
        self.assertRegex(total, r"^1 block over 2h54m: [\d,]+ samples, [\d.]+ (Ki)?B, 0\.\d\d bytes a sample;")

    def test_analyze_tells_families_codecs_and_labels(self):
        self.imported()
        out = self.tsdb("analyze", "--limit=2").stdout
        self.assertIn(f"\nSeries   {len(self.series)}, at most {len(self.series)} in a block\n", out)
        self.assertIn("\nChurn    0 came after the first block, 0 were gone before the last\n", out)
        self.assertRegex(out, r"\nFAMILY +SERIES +SAMPLES +SIZE +SHARE +B/SAMPLE\nnode_\w+ +\d")
        self.assertRegex(out, r"\nCODEC +COLUMNS +SAMPLES +SIZE +SHARE +B/SAMPLE\n\w+ +\d")
        self.assertRegex(out, r"\nLABEL +VALUES\n__name__ +5\ndevice +4\n\.\.\. and 4 more\n$")

    def test_verify_names_what_is_damaged(self):
        self.imported()
        name = next(n for n in os.listdir(self.store) if n.startswith("block-"))
        with open(os.path.join(self.store, name), "r+b") as file:
            file.seek(100)
            byte = file.read(1)
            file.seek(100)
            file.write(bytes([byte[0] ^ 1]))
        result = self.tsdb("verify", status=1)
        self.assertIn(name, result.stdout)
        self.assertRegex(result.stderr, r"^nodevitals: error: .*: \d+ faults?\n$")
        result = self.tsdb("export", status=1)
        self.assertRegex(result.stderr, r"^nodevitals: error: left out what is in damaged parts of the store, ")
        whole, left = read_text(text_of(self.series)), read_text(result.stdout)
        self.assertGreater(len(left), 0)
        self.assertEqual(left, {key: whole[key] for key in left})  # and no wrong sample

    def test_mistakes_are_told(self):
        self.refused("expected what to do: list, analyze, verify, import or export")
        self.refused("unknown command 'tsdb lsit', did you mean 'tsdb list'?", "lsit")
        self.refused("unexpected nonsense", "nonsense")
        self.refused("expected a FILE to import, or - for standard input", "import")
        self.refused("unexpected more", "list", "more")
        self.refused("flag '--format' must be openmetrics or prometheus, got 'json'", "export",
                     "--format=json")
        self.refused("flag '--output' is missing", "export", "--format=prometheus")
        self.refused("flag '--output' is for --format=prometheus", "export", "--output=x")
        self.refused("flag '--match': character 4: expected a label name, got the end in 'up{'",
                     "export", "--match=up{")
        self.refused("flag '--from': 'noon' is no time, expected Unix seconds or 2026-11-20T10:00:00Z",
                     "export", "--from=noon")
        self.refused("flag '--from' is after '--to'", "export", "--from=2", "--to=1.999")
        self.refused("cannot read /no/such/file: No such file or directory", "import",
                     "/no/such/file", f"--storage.tsdb.path={self.store}", hint=False)

    def test_times_are_read(self):
        self.imported("a 1 1700000000\n# EOF\n")
        for time in ("1700000000", "1700000000.000", "2023-11-14T22:13:20Z", "2023-11-14t22:13:20z",
                     "2023-11-15T00:13:20.000+02:00", "2023-11-14T21:13:20-01:00"):
            self.assertTrue(self.tsdb("export", f"--from={time}", f"--to={time}").stdout.startswith("a 1 "),
                            time)
        for time in ("", "x", "2023-02-30T00:00:00Z", "2023-11-14T22:13:20", "2023-11-14", "1e9",
                     "2023-11-14T24:00:00Z", "99999999999999999999"):
            self.assertEqual(run("tsdb", "export", f"--from={time}").returncode, 1, time)

    def test_every_command_has_help(self):
        listed = run("tsdb", "--help").stdout
        for command in ("list", "analyze", "verify", "import", "export"):
            self.assertIn(f"\n  {command} ", listed)
            out = run("tsdb", command, "--help")
            self.assertEqual(out.returncode, 0)
            self.assertIn(f"usage: nodevitals tsdb {command}", out.stdout)
            self.assertIn("--storage.tsdb.path=", out.stdout)


@unittest.skipUnless(PROMTOOL and PROMETHEUS, "needs the Debian package prometheus")
class Prometheus(Folder):
    def setUp(self):
        super().setUp()
        self.imported()
        self.blocks = os.path.join(self.folder, "blocks")
        self.said = self.tsdb("export", "--format=prometheus", f"--output={self.blocks}").stdout

    def promtool(self, *arguments):
        return subprocess.run([PROMTOOL, "tsdb", *arguments, self.blocks], check=True, text=True,
                              capture_output=True, timeout=60).stdout

    def test_promtool_lists_and_analyzes(self):
        count = sum(map(len, self.series.values()))
        self.assertEqual(self.said, f"Exported {count:,} samples into 2 blocks in {self.blocks}.\n")
        rows = [line.split() for line in self.promtool("list").splitlines()[1:]]
        self.assertEqual(sum(int(row[4]) for row in rows), count)
        self.assertIn("Block ID: ", self.promtool("analyze"))

    def test_promtool_dumps_the_same_samples(self):
        got = {}
        for line in self.promtool("dump").splitlines():
            labels, value, ms = re.fullmatch(r"\{(.*)\} (\S+) (-?\d+)", line).groups()
            got[labels, int(ms)] = float(value)
        expected = {}
        for (key, ms), value in read_text(text_of(self.series)).items():
            name, _, labels = key.partition("{")
            pairs = [f'__name__="{name}"'] + re.findall(r'\w+="(?:\\.|[^"\\])*"', labels)
            expected[", ".join(pairs), ms] = struct.unpack("<d", struct.pack("<Q", value))[0]
        self.assertEqual(got.keys(), expected.keys())
        for key, value in expected.items():
            self.assertTrue(got[key] == value or (math.isnan(got[key]) and math.isnan(value)), key)

    def test_prometheus_opens_them(self):
        config = os.path.join(self.folder, "prometheus.yml")
        with open(config, "w", encoding="ascii") as file:
            file.write("global: {scrape_interval: 1h}\n")
        port = free_port()
        with Process(PROMETHEUS, f"--config.file={config}", f"--storage.tsdb.path={self.blocks}",
                     "--storage.tsdb.retention.time=100y",
                     f"--web.listen-address=127.0.0.1:{port}") as server:
            server.line_with("Server is ready")
            end = START + 800 * 15000
            query = urllib.parse.urlencode({"query": '{__name__=~".+"}[4h]', "time": end / 1000})
            body = get(f"http://127.0.0.1:{port}/api/v1/query?{query}")[2]
            got = {}
            for series in json.loads(body)["data"]["result"]:
                name = series["metric"].pop("__name__")
                labels = ",".join(f'{k}={json.dumps(v)}' for k, v in sorted(series["metric"].items()))
                key = f"{name}{{{labels}}}" if labels else name
                for time, value in series["values"]:
                    got[key, round(time * 1000)] = bits(value)
            expected = {key: value for key, value in read_text(text_of(self.series)).items()
                        if value != STALE}  # which PromQL never shows
            self.assertEqual(got, expected)
            query = urllib.parse.urlencode({"query": "up", "time": (START + 405 * 15000) / 1000})
            body = get(f"http://127.0.0.1:{port}/api/v1/query?{query}")[2]
            self.assertEqual(json.loads(body)["data"]["result"], [])  # for it is stale


if __name__ == "__main__":
    done = unittest.main(exit=False)
    if done.result.wasSuccessful() and not (PROMTOOL and PROMETHEUS):
        skip("blocks for Prometheus: the Debian package prometheus is not installed")
    sys.exit(not done.result.wasSuccessful())
