#!/usr/bin/env python3
"""The HTTP API of an agent that keeps a history: every endpoint, its errors, and the clients people have.

What Grafana's data source calls is replayed as it sends it; promtool asks when it is installed.
"""
import base64
import gzip
import http.client
import json
import os
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.parse

from harness import SLOW, Agent, find_program, wait_for

FLAGS = ("--collector.disable-defaults", "--collector.loadavg", "--collector.stat", "--collector.meminfo",
         "--collector.cpu",
         "--storage.tsdb.interval=100ms", "--web.enable-admin-api", "--web.enable-lifecycle")
FORM = "application/x-www-form-urlencoded"
SELF = "node-exporter"
SECRET = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"  # of "secret"


def setUpModule():
    global folder, agent
    folder = tempfile.TemporaryDirectory()
    agent = Agent(*FLAGS, f"--storage.tsdb.path={folder.name}/history").ready()
    wait_for(lambda: result("count_over_time(node_load1[1m]) > 5"))


def tearDownModule():
    agent.stop()
    folder.cleanup()


def send(method, path, body=None, **headers):
    """Status, headers and body."""
    connection = http.client.HTTPConnection("127.0.0.1", agent.port, timeout=SLOW)
    try:
        connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def ask(path, post=False, **parameters):
    """The JSON answer of an endpoint, by GET or as a form."""
    encoded = urllib.parse.urlencode(parameters, doseq=True)
    if post:
        status, _, body = send("POST", f"/api/v1/{path}", encoded, Content_Type=FORM)
    else:
        status, _, body = send("GET", f"/api/v1/{path}?{encoded}")
    return status, json.loads(body) if body else None


def data(path, post=False, **parameters):
    status, answer = ask(path, post, **parameters)
    assert status == 200 and answer["status"] == "success", (path, parameters, status, answer)
    return answer["data"]


def result(expression):
    return data("query", query=expression)["result"]


class Endpoints(unittest.TestCase):
    def test_a_query_answers_by_get_and_by_post(self):
        for post in (False, True):
            got = data("query", post, query="node_load1")
            self.assertEqual(got["resultType"], "vector")
            [series] = got["result"]
            self.assertEqual(series["metric"]["__name__"], "node_load1")
            self.assertEqual(series["metric"]["job"], SELF)
            self.assertIsInstance(series["value"][0], (int, float))
            float(series["value"][1])

    def test_a_range_has_a_value_at_every_step(self):
        end = time.time()
        got = data("query_range", query="vector(7)", start=end - 60, end=end, step="15s")
        self.assertEqual(got["resultType"], "matrix")
        self.assertEqual([value for _, value in got["result"][0]["values"]], ["7"] * 5)

    def test_series_labels_and_values_agree(self):
        selector = {"match[]": ["node_load1", '{__name__="node_load5"}']}
        for post in (False, True):
            found = data("series", post, **selector)
            self.assertEqual([s["__name__"] for s in found], ["node_load1", "node_load5"])
            self.assertEqual(data("labels", post, **selector), ["__name__", "instance", "job"])
        self.assertEqual(data("label/__name__/values", **selector), ["node_load1", "node_load5"])
        self.assertEqual(data("label/job/values"), [SELF])
        self.assertEqual(data("label/nowhere/values"), [])
        self.assertIn("node_memory_MemFree_bytes", data("label/__name__/values"))

    def test_a_limit_cuts_and_says_so(self):
        for path, more in (("labels", {}), ("label/__name__/values", {}), ("series", {"match[]": '{job=~".+"}'}),
                           ("query", {"query": '{job=~".+"}'})):
            status, answer = ask(path, limit=2, **more)
            found = answer["data"]["result"] if path == "query" else answer["data"]
            self.assertEqual((status, len(found)), (200, 2), path)
            self.assertEqual(answer["warnings"], ["results truncated due to limit"], path)

    def test_metadata_is_that_of_the_collectors(self):
        got = data("metadata", metric="node_load1")
        self.assertEqual(got["node_load1"][0]["type"], "gauge")
        self.assertTrue(got["node_load1"][0]["help"])
        self.assertEqual(len(data("metadata", limit=2)), 2)
        [found] = data("targets/metadata", metric="node_cpu_seconds_total", match_target='{job="%s"}' % SELF)
        self.assertEqual((found["type"], found["target"]["job"]), ("counter", SELF))

    def test_the_agent_is_its_own_target(self):
        targets = data("targets")
        self.assertEqual({t["health"] for t in targets["activeTargets"]}, {"up"})
        self.assertEqual(targets["droppedTargets"], [])
        self.assertEqual(data("scrape_pools")["scrapePools"], [SELF])

    def test_rules_alerts_and_alertmanagers_have_their_shapes(self):
        self.assertEqual(data("rules"), {"groups": []})
        self.assertEqual(data("alerts"), {"alerts": []})
        self.assertEqual(data("alertmanagers"), {"activeAlertmanagers": [], "droppedAlertmanagers": []})

    def test_status_tells_of_the_agent(self):
        self.assertIn("yaml", data("status/config"))
        self.assertEqual(data("status/flags")["storage.tsdb.interval"], "100ms")
        info = data("status/runtimeinfo")
        self.assertTrue(info["reloadConfigSuccess"])
        self.assertIn("startTime", info)
        build = data("status/buildinfo")
        self.assertNotIn("features", build)  # Grafana would take the agent for Mimir
        self.assertGreaterEqual(tuple(map(int, build["version"].split(".")[:2])), (2, 24))
        head = data("status/tsdb")
        self.assertGreater(head["headStats"]["numSeries"], 10)
        self.assertIn("blocks", data("status/tsdb/blocks"))
        self.assertIn("current", data("status/walreplay"))
        self.assertIn("api", data("features"))
        status, _, body = agent.get("/version")
        self.assertEqual((status, json.loads(body)["version"]), (200, build["version"]))

    def test_expressions_are_formatted_and_shown_as_trees(self):
        self.assertEqual(data("format_query", query="sum(node_load1)by(job)"), "sum by (job) (node_load1)")
        self.assertEqual(data("parse_query", True, query="up")["type"], "vectorSelector")
        self.assertEqual(data("query_exemplars", query="up"), [])
        self.assertEqual(ask("query_exemplars", query="1"), (204, None))

    def test_federation_gives_the_newest_samples_as_text(self):
        status, headers, body = agent.get("/federate?match[]=node_load1&match[]=node_load5")
        self.assertEqual(status, 200)
        self.assertIn("text/plain", headers["Content-Type"])
        self.assertRegex(body.decode(), r'(?m)^node_load1\{.*job="node-exporter".*\} \S+ \d{13}$')

    def test_an_administrator_deletes_and_takes_snapshots(self):
        wait_for(lambda: result("node_load15"))
        status, _, _ = send("POST", "/api/v1/admin/tsdb/delete_series?match[]=node_load15&end=1")
        self.assertEqual(status, 204)
        status, _, body = send("PUT", "/api/v1/admin/tsdb/snapshot")
        self.assertEqual(status, 200, body)
        name = json.loads(body)["data"]["name"]
        self.assertTrue(os.path.isdir(f"{folder.name}/history/snapshots/{name}"))
        self.assertEqual(send("POST", "/api/v1/admin/tsdb/clean_tombstones")[0], 204)

    def test_a_reload_is_done_when_it_is_answered(self):
        self.assertEqual(send("POST", "/-/reload")[0], 200)
        wait_for(lambda: "reload" in agent.log)


class Errors(unittest.TestCase):
    def check(self, path, status, kind, text, **parameters):
        got, answer = ask(path, **parameters)
        self.assertEqual((got, answer["status"], answer["errorType"]), (status, "error", kind), answer)
        self.assertIn(text, answer["error"])

    def test_each_says_what_is_wrong(self):
        bad = "bad_data"
        self.check("query", 400, bad, 'invalid parameter "query": 1:1: parse error: no expression found in input')
        self.check("query", 400, bad, "1:4: parse error", query="up{")
        self.check("query", 400, bad, 'cannot parse "x" to a valid timestamp', query="up", time="x")
        self.check("query_range", 400, bad, "zero or negative", query="up", start=0, end=1, step=0)
        self.check("query_range", 400, bad, "11,000 points", query="up", start=0, end=20000, step=1)
        self.check("query_range", 400, bad, "before start", query="up", start=2, end=1, step=1)
        self.check("query", 422, "execution", "many-to-many", query="{job=~'.+'} + on() {job=~'.+'}")
        self.check("query", 503, "timeout", "timed out", query="up", timeout="0.0000001")
        self.check("series", 400, bad, "no match[] parameter provided")
        self.check("series", 400, bad, "non-empty matcher", **{"match[]": '{a=""}'})
        self.check("label/0bad-name%FF/values", 400, bad, "invalid label name")
        self.check("status/tsdb", 400, bad, "limit must be a positive number", limit=-1)

    def test_unknown_paths_are_404_in_plain_text(self):
        for path in ("/api/v1/nothing", "/api/v3/query", "/api/v1", "/api/v1/query/", "/api/v1/label/x"):
            status, headers, body = agent.get(path)
            self.assertEqual((status, body), (404, b"404 page not found\n"), path)

    def test_wrong_methods_are_405(self):
        self.assertEqual(send("DELETE", "/api/v1/query")[0], 405)
        self.assertEqual(send("POST", "/api/v1/rules")[0], 405)
        self.assertEqual(send("GET", "/api/v1/admin/tsdb/snapshot")[0], 405)
        self.assertEqual(send("GET", "/-/quit")[0], 405)

    def test_huge_requests_are_refused(self):
        status, _, body = send("POST", "/api/v1/query", Content_Type=FORM, Content_Length=str(10 << 20))
        self.assertEqual((status, json.loads(body)["errorType"]), (413, "bad_data"))
        status, _, _ = send("GET", "/api/v1/query?query=" + "1" * (20 << 10))
        self.assertEqual(status, 414)
        for text in ("(" * 300000, "1+" * 300000 + "1", "-" * 1000000 + "1"):
            status, answer = ask("query", True, query=text)
            self.assertEqual((status, answer["errorType"]), (400, "bad_data"), text[:10])

    def test_expressions_built_to_explode_end(self):
        deep = "vector(1)"  # which is there at every step, whenever the agent was started
        for _ in range(20):
            deep = f"sum_over_time(({deep})[1d:1s])"
        status, answer = ask("query", query=deep, timeout="2")
        self.assertIn((status, answer["errorType"]), ((503, "timeout"), (422, "execution"), (400, "bad_data")))
        status, answer = ask("query", query='up{job=~"(a*)*b(a|aa)+c' + "(x+x+)+" * 50 + '"}')
        self.assertIn(status, (200, 400, 422))


class Access(unittest.TestCase):
    def test_a_name_that_a_stranger_may_have_is_refused(self):
        for host in ("evil.example", "evil.example:9100", "10.1.2.3", "localhost.evil.example"):
            status, _, body = send("GET", "/api/v1/query?query=1", Host=host)
            self.assertEqual(status, 403, host)
            self.assertIn(b"--web.api-access", body)
        for host in ("localhost", "localhost:1", "127.0.0.1", "[::1]:9100", socket.gethostname()):
            self.assertEqual(send("GET", "/api/v1/query?query=1", Host=host)[0], 200, host)

    def test_metrics_stay_open(self):
        self.assertEqual(send("GET", "/metrics", Host="evil.example")[0], 200)

    def test_who_has_a_password_may_ask_under_any_name(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            file.write(f"basic_auth_users: {{u: '{SECRET}'}}\n")
            file.flush()
            with Agent(f"--web.config.file={file.name}") as other:
                path, named = "/api/v1/query?query=1", {"Host": "node.example"}
                self.assertEqual(other.get(path)[0], 401)
                pair = base64.b64encode(b"u:secret").decode()
                self.assertEqual(other.get(path, Authorization="Basic " + pair, **named)[0], 200)

    def test_over_a_unix_socket_the_name_does_not_matter(self):
        with tempfile.TemporaryDirectory() as place:
            path = os.path.join(place, "s")
            with Agent(f"--web.listen-address=unix:{path}"):
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect(path)
                    client.sendall(b"GET /api/v1/query?query=1 HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n")
                    self.assertTrue(client.recv(100).startswith(b"HTTP/1.1 200"))


class Compression(unittest.TestCase):
    def test_short_and_long_answers_are_packed_when_asked_for(self):
        end = time.time()
        long = urllib.parse.urlencode({"query": '{job=~".+"}', "start": end - 10, "end": end + 100, "step": 0.5})
        for path in ("/api/v1/status/flags", "/api/v1/query_range?" + long):
            status, headers, packed = send("GET", path, Accept_Encoding="gzip")
            self.assertEqual((status, headers["Content-Encoding"]), (200, "gzip"))
            self.assertEqual(json.loads(gzip.decompress(packed))["status"], "success")
            status, headers, plain = send("GET", path)
            self.assertIsNone(headers["Content-Encoding"])
            self.assertLess(len(packed) * 2, len(plain))


class Grafana(unittest.TestCase):
    """The calls of its Prometheus data source, in the order in which a user causes them."""

    def setUp(self):
        self.end = int(time.time()) // 60 * 60 + 60
        self.start = self.end - 3600

    def test_save_and_test(self):
        got = data("query", True, query="1+1", time=4)
        self.assertEqual(got, {"resultType": "scalar", "result": [4, "2"]})
        self.assertIn("version", data("status/buildinfo"))

    def test_language_provider(self):
        span = {"start": self.start, "end": self.end}
        self.assertIn("node_load1", data("label/__name__/values", limit=40000, **span))
        self.assertIn("job", data("labels", True, limit=40000, **span))
        self.assertIn("node_load1", data("metadata", limit=40000))

    def test_query_builder(self):
        span = {"start": self.start, "end": self.end, "limit": 40000}
        self.assertIn("cpu", data("labels", True, **span, **{"match[]": '{__name__="node_cpu_seconds_total"}'}))
        self.assertIn("idle", data("label/mode/values", **span, **{"match[]": '{__name__="node_cpu_seconds_total"}'}))
        self.assertEqual(data("label/U__mo_64_e/values", **span),
                         data("label/mode/values", **span))
        self.assertTrue(data("series", True, **span, **{"match[]": '{__name__!=""}'}))

    def test_variables(self):
        self.assertEqual(data("label/job/values", **{"match[]": "node_load1"}), [SELF])
        self.assertTrue(data("series", True, start=self.start, end=self.end, **{"match[]": "node_load1"}))

    def test_panels(self):
        got = data("query_range", True, query="rate(node_cpu_seconds_total[1m])", start=self.start,
                   end=self.end, step=15, timeout="60s")
        self.assertEqual(got["resultType"], "matrix")
        got = data("query", True, query="node_load1", time=f"{time.time():.3f}")
        self.assertEqual(len(got["result"]), 1)
        self.assertEqual(data("query_exemplars", True, query="node_load1", start=self.start, end=self.end), [])

    def test_rule_hints_and_alert_pages(self):
        self.assertEqual(data("rules")["groups"], [])
        self.assertEqual(data("rules", type="alert", group_limit=40, exclude_alerts="true", rule_group="x",
                              **{"rule_name[]": "x"})["groups"], [])
        self.assertEqual(data("alerts")["alerts"], [])

    def test_probes_for_what_is_not_there_are_404(self):
        for path in ("/api/v1/status/config/x", "/config/v1/rules", "/api/v1/alertmanager", "/ruler/rule_groups"):
            self.assertEqual(agent.get(path)[0], 404)


@unittest.skipUnless(find_program("promtool"), "promtool is not installed")
class Promtool(unittest.TestCase):
    def run_query(self, *arguments):
        done = subprocess.run(["promtool", "query", *arguments], capture_output=True, text=True, timeout=SLOW)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_queries(self):
        self.assertRegex(self.run_query("instant", agent.url, "node_load1"), r'node_load1\{.*\} => \S+ @\[')
        shown = self.run_query("range", "--start", str(int(time.time()) - 5), "--step", "1s", agent.url, "vector(3)")
        self.assertIn("3 @[", shown)
        self.assertIn("node_load1", self.run_query("series", "--match", "node_load1", agent.url))
        self.assertIn(SELF, self.run_query("labels", agent.url, "job"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
