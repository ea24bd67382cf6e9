#!/usr/bin/env python3
"""Targets of a configuration: what they give is in the history as a Prometheus has it, and none of them harms another."""
import base64
import json
import os
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

from harness import Agent, Process, find_program, free_port, get, wait_for
from standin import Answer, StandIn

PROMETHEUS = find_program("prometheus")
TEXT = "text/plain; version=0.0.4; charset=utf-8"

GOOD = """# HELP good_total What is counted.
# TYPE good_total counter
good_total{a="1"} 10
good_total{a="2"} 20.5
# TYPE latency_seconds histogram
latency_seconds_bucket{le="0.1"} 1
latency_seconds_bucket{le="+Inf"} 3
latency_seconds_sum 1.5
latency_seconds_count 3
# TYPE quantiles summary
quantiles{quantile="0.5"} 7
quantiles_sum 14
quantiles_count 2
untold NaN
infinite +Inf
"""

# Labels that a target has, too: what becomes of them depends on honor_labels.
OWN = """own{job="mine",instance="me",zone="z"} 1
own{job="",exported_job="twice",zone="y"} 2
go_gc_total{zone="z"} 3
long{text="%s"} 4
""" % ("x" * 300)


class Targets(StandIn):
    """Answers by path; /metrics is fine."""

    token = "first"
    LINES = {"/many": 20_000, "/million": 300_000}  # the second are more than a target may have

    def answer(self, request):
        path = request.path
        who = request.headers.get("Authorization", "")
        if path == "/own":
            return Answer(200, OWN, TEXT)
        if path == "/openmetrics":
            return Answer(200, "# TYPE om counter\nom_total 5\n# EOF\n",
                          "application/openmetrics-text; version=1.0.0; charset=utf-8")
        if path == "/params":
            text = "".join(f'param{{name="{k}",value="{v}"}} {i}\n' for i, (k, v) in
                           enumerate(urllib.parse.parse_qsl(request.query)))
            return Answer(200, text, TEXT)
        if path == "/basic" and who != "Basic " + base64.b64encode(b"me:secret").decode():
            return Answer(401, "who are you?\n", "text/plain")
        if path == "/token" and who != "Bearer " + self.token:
            return Answer(401, "Unauthorized\n", "text/plain")
        if path in self.LINES:
            return Answer(200, "".join(f'm{{i="{i}"}} 1\n' for i in range(self.LINES[path])), TEXT)
        if path == "/line":
            return Answer(200, b"x" * 65536, TEXT)
        if path == "/double":
            return Answer(200, f"one 1\none 2\ntwo 3 {self.milliseconds()}\ntwo 4 {self.milliseconds() - 9000}\n", TEXT)
        if path == "/page":
            return Answer(200, "<html>not at all</html>", "text/html")
        return Answer(200, GOOD, TEXT)

    @staticmethod
    def milliseconds():
        return int(time.time() * 1000)


class Scraper(Agent):
    """An agent with a history and a configuration that can change."""

    def __init__(self, folder, *flags):
        self.config = os.path.join(folder, "config.yml")
        super().__init__(f"--config.file={self.config}", f"--storage.tsdb.path={folder}/data",
                         "--web.enable-lifecycle", *flags)
        self.ready()

    def query(self, expression, at=None):
        """{labels as a tuple: value} of an instant vector."""
        data = ask(self.url, expression, at)
        return {tuple(sorted(one["metric"].items())): one["value"][1] for one in data}

    def value(self, expression):
        found = list(self.query(expression).values())
        return float(found[0]) if len(found) == 1 else None

    def reload(self):
        request = urllib.request.Request(self.url + "/-/reload", method="POST")
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == 200

    def targets(self, **parameters):
        status, _, body = self.get("/api/v1/targets?" + urllib.parse.urlencode(parameters))
        assert status == 200, body
        return json.loads(body)["data"]


def ask(url, expression, at=None):
    parameters = {"query": expression, **({"time": at} if at else {})}
    status, _, body = get(url + "/api/v1/query?" + urllib.parse.urlencode(parameters))
    assert status == 200, (expression, body)
    return json.loads(body)["data"]["result"]


def write(path, text):
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(path + ".new", path)


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def targets(self, **options):
        targets = Targets(**{"tls": False, **options})
        self.addCleanup(targets.stop)
        return targets

    def agent(self, config, *flags):
        write(self.path("config.yml"), config)
        agent = Scraper(self.folder.name, *flags)
        self.addCleanup(agent.stop)
        return agent


def job(name, port, path="/metrics", interval="500ms", more=""):
    return (f"- job_name: {name}\n  scrape_interval: {interval}\n  metrics_path: {path}\n{more}"
            f"  static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n")


class Hostile(Case):
    """What a bad target may do, and what is seen of it: its job, switches, settings of the job, and the error."""

    CASES = (
        ("endless", {"endless": True}, "  body_size_limit: 1MB\n", "body size limit exceeded"),
        ("endless_unlimited", {"endless": True}, "", "."),
        ("line", {"endless": True}, "", "."),
        ("many", {}, "  sample_limit: 1000\n", "sample limit exceeded"),
        ("million", {}, "", "."),
        ("drip", {"drip": 20}, "", "no complete answer within"),
        ("hang", {"hang": True}, "", "no complete answer within"),
        ("reset", {"reset": True}, "", "."),
        ("half", {"half": True}, "", "the server hung up in mid-answer"),
        ("page", {}, "", "text/html"),
        ("status", {"status": 503}, "", "server returned HTTP status 503 Service Unavailable"),
        ("loop", {"redirect": "/loop"}, "", "redirects"),
        ("closed", None, "", "cannot connect: Connection refused"),
    )

    def test_bad_targets_harm_no_other(self):
        targets, closed = self.targets(gzip=False), free_port()
        config = "scrape_configs:\n" + job("good", targets.port) + job("twin", targets.port, "/openmetrics")
        for name, faults, more, _ in self.CASES:
            path = "/" + name.removesuffix("_unlimited")
            config += job(name, closed if faults is None else targets.port, path, "2s", more)
            if faults:
                targets.switch(path, **faults)
        agent = self.agent(config)

        jobs = [name for name, _, _, _ in self.CASES]
        wait_for(lambda: len(agent.query("up == 0")) == len(jobs))
        started = time.time()
        wait_for(lambda: (agent.value('count_over_time(up{job="good"}[1m])') or 0) >= 20)
        self.assertEqual({dict(labels)["job"] for labels in agent.query("up == 0")}, set(jobs))
        self.assertEqual(agent.value('min_over_time(up{job="good"}[1m])'), 1)
        self.assertEqual(agent.value('min_over_time(up{job="twin"}[1m])'), 1)
        for name in jobs:  # nothing of a body that was not good to its end
            self.assertEqual({dict(labels)["__name__"] for labels in agent.query(f'{{job="{name}"}}')},
                             {"up", "scrape_duration_seconds", "scrape_samples_scraped", "scrape_series_added",
                              "scrape_samples_post_metric_relabeling"}, name)
        listed = {target["scrapePool"]: target for target in agent.targets(state="active")["activeTargets"]}
        for name, _, _, error in self.CASES:
            self.assertEqual(listed[name]["health"], "down")
            self.assertRegex(listed[name]["lastError"], error, name)
        self.assertEqual(listed["good"]["health"], "up")
        self.assertLess(time.time() - started, 120)

    def test_series_that_vanish_or_fail_are_stale_and_come_back(self):
        targets = self.targets()
        agent = self.agent("scrape_configs:\n" + job("j", targets.port))
        wait_for(lambda: len(agent.query('{job="j",__name__!~"up|scrape_.*"}')) == 11)
        targets.switch("/metrics", body='good_total{a="1"} 11\n', kind=TEXT)
        wait_for(lambda: len(agent.query('{job="j",__name__!~"up|scrape_.*"}')) == 1)
        targets.switch("/metrics", status=500)
        wait_for(lambda: not agent.query('{job="j",__name__!~"up|scrape_.*"}'))
        self.assertEqual(agent.value('up{job="j"}'), 0)
        targets.switch()
        wait_for(lambda: len(agent.query('{job="j",__name__!~"up|scrape_.*"}')) == 11)
        self.assertEqual(agent.value('up{job="j"}'), 1)

    def test_samples_that_come_twice_or_late_are_dropped(self):
        targets = self.targets()
        agent = self.agent("scrape_configs:\n" + job("j", targets.port, "/double"))
        wait_for(lambda: agent.value('up{job="j"}') == 1)
        self.assertEqual(agent.value('one{job="j"}'), 1)
        self.assertEqual(agent.value('two{job="j"}'), 3)
        self.assertEqual(agent.value('scrape_samples_scraped{job="j"}'), 4)
        wait_for(lambda: "prometheus_target_scrapes_sample_duplicate_timestamp_total 0" not in agent.metrics())

    def test_a_wrong_certificate_is_refused(self):
        targets = self.targets(tls=True)
        more = f"  scheme: https\n  tls_config: {{ca_file: {targets.ca_file}}}\n"
        agent = self.agent("scrape_configs:\n" + job("j", targets.port, more=more))
        wait_for(lambda: agent.value('up{job="j"}') == 1)
        for kind in ("name", "other"):
            targets.certificate(kind)
            targets.cut()
            wait_for(lambda: "certificate" in agent.targets()["activeTargets"][-1]["lastError"])
            self.assertEqual(agent.value('up{job="j"}'), 0)
            targets.certificate("right")
            wait_for(lambda: agent.value('up{job="j"}') == 1)


class Identity(Case):
    def test_a_token_is_read_again_when_it_was_replaced(self):
        targets = self.targets()
        write(self.path("token"), "first\n")
        agent = self.agent("scrape_configs:\n" +
                           job("j", targets.port, "/token", more="  bearer_token_file: token\n"))
        wait_for(lambda: agent.value('up{job="j"}') == 1)
        targets.token = "second"
        wait_for(lambda: agent.value('up{job="j"}') == 0)
        error = agent.targets()["activeTargets"][-1]["lastError"]
        self.assertIn("401 Unauthorized: the target does not accept the token in " + self.path("token"), error)
        write(self.path("token"), "second\n")
        wait_for(lambda: agent.value('up{job="j"}') == 1)


class Life(Case):
    CONFIG = ("scrape_configs:\n- job_name: f\n  scrape_interval: 500ms\n"
              "  file_sd_configs: [{files: ['targets.json'], refresh_interval: 1s}]\n")

    def name(self, port, labels):
        write(self.path("targets.json"), json.dumps(
            [{"targets": [f"127.0.0.1:{port}"], "labels": {"instance": label}} for label in labels]))

    def test_targets_that_come_and_go_leave_nothing_behind(self):
        """More of them than the history has sources."""
        targets, rounds, each = self.targets(), 14, 80
        self.name(targets.port, ["steady"])
        agent = self.agent(self.CONFIG)
        for i in range(rounds):
            self.name(targets.port, ["steady"] + [f"{i}-{k}" for k in range(each)])
            wait_for(lambda: agent.value(f'count(up{{job="f",instance=~"{i}-.*"}} == 1)') == each)
        self.assertEqual(agent.value('count(up{job="f"})'), each + 1)  # those of before are stale
        self.assertEqual(agent.value('count(good_total{job="f",a="1"})'), each + 1)
        self.assertEqual(agent.value('min_over_time(up{job="f",instance="steady"}[5m])'), 1)
        self.assertEqual(agent.value('count(count_over_time(up{job="f"}[5m]))'), rounds * each + 1)
        self.assertNotIn("no place", agent.log)

    def test_a_reload_is_whole_or_not_at_all(self):
        targets = self.targets()
        config = "scrape_configs:\n" + job("a", targets.port) + job("b", targets.port)
        agent = self.agent(config)
        wait_for(lambda: len(agent.query('up{job=~"a|b"} == 1')) == 2)
        write(self.path("config.yml"), config + "- job_name: a\n")
        status = get(agent.url + "/-/healthz")[0]
        self.assertEqual(status, 404)
        with self.assertRaises(urllib.error.HTTPError):
            agent.reload()
        self.assertEqual([pool for pool in self.pools(agent) if pool in "ab"], ["a", "b"])
        write(self.path("config.yml"), "scrape_configs:\n" + job("b", targets.port) + job("c", targets.port))
        agent.reload()
        wait_for(lambda: agent.value('up{job="c"}') == 1)
        wait_for(lambda: not agent.query('{job="a"}'))
        begun = agent.value('count_over_time(up{job="b"}[5m])')
        wait_for(lambda: agent.value('count_over_time(up{job="b"}[5m])') > begun)
        self.assertEqual(agent.value('min_over_time(up{job="b"}[5m])'), 1)
        self.assertEqual([pool for pool in self.pools(agent) if pool in "abc"], ["b", "c"])

    @staticmethod
    def pools(agent):
        return json.loads(agent.get("/api/v1/scrape_pools")[2])["data"]["scrapePools"]

    def test_series_go_on_behind_a_restart(self):
        targets = self.targets()
        agent = self.agent("scrape_configs:\n" + job("j", targets.port))
        wait_for(lambda: (agent.value('count_over_time(up{job="j"}[5m])') or 0) >= 3)
        agent.stop()
        stopped = time.time()
        agent = self.agent("scrape_configs:\n" + job("j", targets.port))
        self.assertEqual(len(agent.query('good_total{job="j"}', at=stopped)), 2)  # a stop makes nothing stale
        before = agent.value('count_over_time(up{job="j"}[5m])')
        wait_for(lambda: agent.value('count_over_time(up{job="j"}[5m])') > before + 3)
        self.assertEqual(len(agent.query('count_over_time(good_total{job="j"}[5m])')), 2)

    def test_dropped_targets_are_counted_beyond_those_that_are_kept(self):
        agent = self.agent("scrape_configs:\n- job_name: j\n  keep_dropped_targets: 1\n"
                           "  relabel_configs: [{action: drop, regex: 'a.*', source_labels: [__address__]}]\n"
                           "  static_configs: [{targets: ['a:1', 'a:2', 'a:3']}]\n- job_name: none\n")
        told = agent.targets()
        self.assertEqual([one["discoveredLabels"]["__address__"] for one in told["droppedTargets"]], ["a:1"])
        self.assertEqual({pool: n for pool, n in told["droppedTargetCounts"].items() if pool in ("j", "none")},
                         {"j": 3, "none": 0})
        self.assertEqual(self.pools(agent)[-2:], ["node-exporter", "none"])

    def test_metadata_of_targets_is_told(self):
        targets = self.targets()
        agent = self.agent("scrape_configs:\n" + job("j", targets.port))
        wait_for(lambda: agent.value('up{job="j"}') == 1)
        told = json.loads(agent.get("/api/v1/metadata?metric=good_total")[2])["data"]
        self.assertEqual(told, {"good_total": [{"type": "counter", "help": "What is counted.", "unit": ""}]})
        match = urllib.parse.quote('{job="j"}')
        told = json.loads(agent.get(f"/api/v1/targets/metadata?metric=latency_seconds&match_target={match}")[2])["data"]
        self.assertEqual(told[0]["type"], "histogram")


COMPARED = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
- job_name: plain
  static_configs: [{{targets: ['127.0.0.1:{port}', 'localhost:{port}'], labels: {{team: x}}}}]
- job_name: honored
  metrics_path: /own
  honor_labels: true
  static_configs: [{{targets: ['127.0.0.1:{port}']}}]
- job_name: unhonored
  metrics_path: /own
  static_configs: [{{targets: ['127.0.0.1:{port}'], labels: {{zone: here}}}}]
- job_name: params
  metrics_path: /params
  params: {{a: [x y, z], b: ['1']}}
  static_configs: [{{targets: [one, two, three]}}]
  relabel_configs:
  - {{source_labels: [__address__], target_label: __param_target}}
  - {{source_labels: [__param_target], target_label: instance}}
  - {{target_label: __param_b, replacement: changed}}
  - {{source_labels: [__address__], regex: three, action: drop}}
  - {{target_label: __address__, replacement: '127.0.0.1:{port}'}}
- job_name: basic
  metrics_path: /basic
  basic_auth: {{username: me, password: secret}}
  static_configs: [{{targets: ['127.0.0.1:{port}']}}]
- job_name: refused
  metrics_path: /basic
  basic_auth: {{username: me, password: wrong}}
  static_configs: [{{targets: ['127.0.0.1:{port}']}}]
- job_name: relabelled
  static_configs: [{{targets: ['127.0.0.1:{port}']}}]
  relabel_configs:
  - {{source_labels: [__address__], regex: '(.*):.*', target_label: host}}
  - {{source_labels: [__address__, job], modulus: 7, action: hashmod, target_label: shard}}
  - {{action: labelmap, regex: __(scheme)__, replacement: 'with_$1'}}
  metric_relabel_configs:
  - {{source_labels: [__name__], regex: 'quantiles.*', action: drop}}
  - {{source_labels: [__name__, a], regex: 'good_total;(.)', target_label: b, replacement: 'was $1'}}
  - {{source_labels: [__name__], regex: '(untold)', target_label: __name__, replacement: '${{1}}_renamed'}}
  - {{action: labeldrop, regex: a}}
  - {{action: uppercase, source_labels: [b], target_label: b}}
- job_name: samples
  sample_limit: 3
  static_configs: [{{targets: ['127.0.0.1:{port}']}}]
- job_name: samples_after
  sample_limit: 3
  metric_relabel_configs: [{{source_labels: [__name__], regex: 'good.*', action: keep}}]
  static_configs: [{{targets: ['127.0.0.1:{port}']}}]
- job_name: labels
  label_limit: 2
  static_configs: [{{targets: ['127.0.0.1:{port}']}}]
- job_name: names
  label_name_length_limit: 7
  static_configs: [{{targets: ['127.0.0.1:{port}']}}]
- job_name: values
  metrics_path: /own
  label_value_length_limit: 200
  static_configs: [{{targets: ['127.0.0.1:{port}']}}]
- job_name: body
  body_size_limit: 100B
  static_configs: [{{targets: ['127.0.0.1:{port}']}}]
- job_name: many
  target_limit: 1
  static_configs: [{{targets: ['127.0.0.1:{port}', 'localhost:{port}']}}]
- job_name: openmetrics
  metrics_path: /openmetrics
  static_configs: [{{targets: ['127.0.0.1:{port}']}}]
"""


@unittest.skipUnless(PROMETHEUS, "prometheus is not installed")
class Peer(Case):
    def setUp(self):
        super().setUp()
        self.port = self.targets().port
        config = COMPARED.format(port=self.port)
        self.ours = self.agent(config)
        write(self.path("prometheus.yml"), config)
        port = free_port()
        self.theirs = f"http://127.0.0.1:{port}"
        peer = Process(PROMETHEUS, f"--config.file={self.path('prometheus.yml')}", f"--storage.tsdb.path={self.path('p')}",
                       f"--web.listen-address=127.0.0.1:{port}")
        self.addCleanup(peer.stop)
        peer.line_with("Server is ready")

    def series(self, url):
        """{(name, labels): value}; what took how long is told by neither."""
        found = {}
        for one in ask(url, '{job!~"node-exporter|kubelet|kube-state-metrics",__name__=~".+"}'):
            name = one["metric"]["__name__"]
            found[tuple(sorted(one["metric"].items()))] = (
                None if name == "scrape_duration_seconds" else one["value"][1])
        return found

    def test_series_and_values_are_those_of_prometheus(self):
        jobs = COMPARED.count("job_name")
        for url in (self.theirs, self.ours.url):  # twice asked: then no series is new
            wait_for(lambda: len(ask(url, 'count by (job) (count_over_time(scrape_duration_seconds'
                                          '{job!="node-exporter"}[1m]) >= 3)')) == jobs)
        wait_for(lambda: all(value == "0" for labels, value in self.series(self.theirs).items()
                             if dict(labels)["__name__"] == "scrape_series_added"))
        theirs, ours = self.series(self.theirs), self.series(self.ours.url)
        self.maxDiff = None
        self.assertEqual(sorted(set(theirs) - set(ours)), [])
        self.assertEqual(sorted(set(ours) - set(theirs)), [])
        self.assertEqual({key: (value, ours[key]) for key, value in theirs.items() if ours[key] != value}, {})
        self.assertGreater(len(theirs), 100)

    def test_targets_are_listed_as_prometheus_lists_them(self):
        def listed(url):
            data = json.loads(get(url + "/api/v1/targets")[2])["data"]
            active = {(one["scrapePool"], one["scrapeUrl"], tuple(sorted(one["labels"].items())),
                       tuple(sorted(one["discoveredLabels"].items())), one["scrapeInterval"], one["scrapeTimeout"],
                       one["health"])
                      for one in data["activeTargets"] if one["scrapePool"] != "node-exporter"}
            dropped = {tuple(sorted(one["discoveredLabels"].items())) for one in data["droppedTargets"]}
            return active, dropped

        def settled(url):
            found = listed(url)[0]
            return found and all(one[-1] != "unknown" for one in found)

        wait_for(lambda: settled(self.theirs) and settled(self.ours.url))
        self.maxDiff = None
        theirs, ours = listed(self.theirs), listed(self.ours.url)
        self.assertEqual(sorted(ours[0]), sorted(theirs[0]))
        self.assertEqual(ours[1], theirs[1])


if __name__ == "__main__":
    unittest.main(verbosity=2)
