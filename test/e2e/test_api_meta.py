"""Endpoints of the API that are no queries: their shapes, their errors, what they change; and Grafana's calls."""
import json
import os
import re
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

from harness import SLOW, Agent, get, wait_for


def ask(agent, path, method="GET", body=None, **parameters):
    """(status, decoded JSON or text); match__ is match[], a list a parameter given several times."""
    query = urllib.parse.urlencode([(k.replace("__", "[]"), v) for k, vs in parameters.items()
                                    for v in (vs if isinstance(vs, list) else [vs])])
    data = None
    headers = {}
    if method == "POST":
        data = (body if body is not None else query).encode()
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        query = ""
    url = f"{agent.url}{path}{'?' if query else ''}{query}"
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=SLOW) as answer:
            return answer.status, decode(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, decode(error)


def decode(answer):
    text = answer.read().decode()
    return json.loads(text) if answer.headers["Content-Type"] == "application/json" else text


class Api(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.agent = Agent(f"--storage.tsdb.path={cls.folder.name}/data", *cls.FLAGS)
        cls.addClassCleanup(cls.agent.stop)
        cls.agent.ready()
        wait_for(lambda: cls.data("query", query="count_over_time(node_load1[1m]) > 1")["result"])

    FLAGS = ()

    @classmethod
    def data(cls, path, method="GET", **parameters):
        status, answer = ask(cls.agent, f"/api/v1/{path}", method, **parameters)
        assert status == 200 and answer["status"] == "success", (path, status, answer)
        return answer["data"]

    def fails(self, path, status, kind, text, method="GET", **parameters):
        got, answer = ask(self.agent, f"/api/v1/{path}", method, **parameters)
        self.assertEqual((got, answer["status"], answer["errorType"]), (status, "error", kind), path)
        self.assertEqual(answer["error"], text, path)

    def bad(self, path, text, **parameters):
        self.fails(path, 400, "bad_data", text, **parameters)


class Shapes(Api):
    def test_series_are_lists_of_labels(self):
        series = self.data("series", match__="up")
        self.assertEqual(len(series), 1)
        self.assertEqual(series[0]["__name__"], "up")
        self.assertEqual(series[0]["job"], "node-exporter")
        self.assertEqual(series, self.data("series", "POST", match__="up"))
        both = self.data("series", match__=["up", "node_load1", '{__name__=~"up|node_load5"}'])
        self.assertEqual([one["__name__"] for one in both], ["node_load1", "node_load5", "up"])
        self.assertEqual(self.data("series", match__="nothing_of_this_name"), [])
        self.assertEqual(self.data("series", match__="up", end=1000), [])

    def test_limits_cut_and_tell(self):
        for path, parameters in (("series", {"match[]": '{__name__=~"node_load.*"}'}), ("labels", {}),
                                 ("label/__name__/values", {})):
            whole = self.data(path, **{k.replace("[]", "__"): v for k, v in parameters.items()})
            self.assertGreater(len(whole), 2)
            for limit, expected, warned in ((2, 2, True), (len(whole), len(whole), False), (0, len(whole), False)):
                status, answer = ask(self.agent, f"/api/v1/{path}", limit=limit,
                                     **{k.replace("[]", "__"): v for k, v in parameters.items()})
                self.assertEqual(status, 200)
                self.assertEqual(answer["data"], whole[:expected])
                self.assertEqual(answer.get("warnings"), ["results truncated due to limit"] if warned else None)

    def test_label_names_and_values_are_sorted_lists(self):
        for path in ("labels", "label/__name__/values", "label/mode/values"):
            values = self.data(path)
            self.assertEqual(values, sorted(set(values)))
            self.assertTrue(values)
        self.assertIn("__name__", self.data("labels", "POST"))
        self.assertEqual(self.data("labels", match__="node_load1"), ["__name__", "instance", "job"])
        self.assertEqual(self.data("label/nothing/values"), [])
        self.assertEqual(self.data("label/device/values", match__="node_load1"), [])

    def test_names_in_paths_may_be_escaped(self):
        self.assertEqual(self.data("label/U__job/values"), ["node-exporter"])
        self.assertEqual(self.data("label/U___6a_ob/values"), ["node-exporter"])
        self.assertEqual(self.data("label/U__a_2e_b/values"), [])
        self.assertEqual(self.data("label/%6aob/values"), ["node-exporter"])

    def test_bad_parameters_are_refused_in_the_known_words(self):
        self.bad("series", "no match[] parameter provided")
        self.bad("series", 'invalid parameter "match[]": match[] must contain at least one non-empty matcher', match__="{}")
        self.bad("series", 'invalid parameter "match[]": match[] must contain at least one non-empty matcher',
                 match__=["up", '{a=~".*"}'])
        for name in "start", "end":
            self.bad("labels", f'invalid parameter "{name}": Invalid time value for \'{name}\': cannot parse "x" to a valid '
                     'timestamp', **{name: "x"})
        self.bad("label/job/values", 'invalid parameter "limit": strconv.Atoi: parsing "x": invalid syntax', limit="x")
        self.bad("label/job/values", 'invalid parameter "limit": limit must be non-negative', limit="-1")
        self.bad("label/%ff/values", 'invalid label name: "\\xff"')
        self.bad("status/tsdb", "limit must be a positive number", limit="0")
        self.bad("status/tsdb", "limit must be a positive number", limit="x")
        self.bad("status/tsdb", "limit must not exceed 10000", limit="10001")
        self.bad("metadata", "limit must be a number", limit="x")
        self.bad("metadata", "limit_per_metric must be a number", limit_per_metric="x")
        self.bad("targets/metadata", "limit must be a number", limit="x")
        status, answer = ask(self.agent, "/api/v1/targets/metadata", match_target="{")
        self.assertEqual(status, 400)
        self.assertTrue(answer["error"].startswith('invalid parameter "match_target": 1:2: parse error: '), answer)

    def test_metadata_tells_type_help_and_unit(self):
        families = self.data("metadata")
        self.assertGreater(len(families), 100)
        for entries in families.values():
            for entry in entries:
                self.assertEqual(sorted(entry), ["help", "type", "unit"])
                self.assertIn(entry["type"], ("counter", "gauge", "histogram", "summary", "unknown"))
        self.assertEqual(families["node_load1"][0]["type"], "gauge")
        self.assertEqual(families["node_cpu_seconds_total"][0]["type"], "counter")
        self.assertTrue(families["node_load1"][0]["help"])
        self.assertEqual(len(self.data("metadata", limit=3)), 3)
        self.assertEqual(list(self.data("metadata", metric="node_load1")), ["node_load1"])
        self.assertEqual(self.data("metadata", metric="nothing"), {})
        exposed = dict(line.split(" ")[2:4] for line in self.agent.metrics().splitlines() if line.startswith("# TYPE"))
        told = self.data("metadata")
        self.assertEqual({k: {"untyped": "unknown"}.get(v, v) for k, v in exposed.items()},
                         {k: told[k][0]["type"] for k in exposed})

    def test_metadata_of_targets_names_the_target(self):
        entries = self.data("targets/metadata", metric="node_load1")
        self.assertEqual(len(entries), 1)
        self.assertEqual(sorted(entries[0]), ["help", "target", "type", "unit"])
        self.assertEqual(entries[0]["target"]["job"], "node-exporter")
        self.assertEqual(sorted(self.data("targets/metadata", limit=1)[0]), ["help", "metric", "target", "type", "unit"])
        self.assertTrue(self.data("targets/metadata", match_target='{job="node-exporter"}', limit=2))
        self.assertEqual(self.data("targets/metadata", match_target='{job="other"}'), [])

    def test_the_agent_is_its_own_target(self):
        targets = self.data("targets")
        self.assertEqual(sorted(targets), ["activeTargets", "droppedTargetCounts", "droppedTargets"])
        target, = targets["activeTargets"]
        self.assertEqual(sorted(target), ["discoveredLabels", "globalUrl", "health", "labels", "lastError", "lastScrape",
                                          "lastScrapeDuration", "scrapeInterval", "scrapePool", "scrapeTimeout",
                                          "scrapeUrl"])
        self.assertEqual((target["health"], target["lastError"], target["scrapePool"]), ("up", "", "node-exporter"))
        self.assertEqual(target["labels"]["job"], "node-exporter")
        self.assertEqual(target["scrapeInterval"], "1s")
        self.assertRegex(target["lastScrape"], r"^20\d\d-\d\d-\d\dT[\d:.]+Z$")
        self.assertEqual(get(target["scrapeUrl"])[0], 200)
        self.assertEqual(targets["droppedTargetCounts"], {"node-exporter": 0})
        self.assertEqual(self.data("targets", state="dropped")["activeTargets"], [])
        self.assertEqual(len(self.data("targets", state="active")["activeTargets"]), 1)
        self.assertEqual(self.data("targets", scrapePool="other")["activeTargets"], [])
        self.assertEqual(self.data("scrape_pools"), {"scrapePools": ["node-exporter"]})
        self.fails("scrape_pools/config", 404, "not_found", 'scrape pool "x" not found', scrape_pool="x")

    def test_rules_without_rules_have_their_shape(self):
        self.assertEqual(self.data("rules"), {"groups": []})
        self.assertEqual(self.data("alerts"), {"alerts": []})
        self.assertEqual(self.data("alertmanagers"), {"activeAlertmanagers": [], "droppedAlertmanagers": []})
        self.bad("rules", 'invalid parameter "type": not supported value "x"', type="x")
        self.bad("rules", 'invalid parameter "group_limit": group_limit needs to be greater than 0', group_limit=0)
        self.bad("rules", 'invalid parameter "group_next_token": group_limit needs to be present in order to paginate over '
                 'the groups', group_next_token="a")
        self.bad("rules", 'invalid parameter "group_next_token": invalid group_next_token \'a\'. were rule groups changed?',
                 group_next_token="a", group_limit=1)
        self.assertEqual(ask(self.agent, "/api/v1/rules", exclude_alerts="maybe")[0], 400)

    def test_status_tells_what_runs(self):
        build = self.data("status/buildinfo")
        self.assertLessEqual({"version", "revision", "branch", "buildUser", "buildDate", "goVersion"}, set(build))
        self.assertNotIn("features", build)
        self.assertGreaterEqual(tuple(map(int, build["version"].split("."))), (2, 24, 0))
        self.assertEqual(ask(self.agent, "/version"), (200, build))
        flags = self.data("status/flags")
        self.assertTrue(all(isinstance(value, str) for value in flags.values()))
        self.assertEqual(flags["storage.tsdb.path"], f"{self.folder.name}/data")
        self.assertEqual(flags["storage.tsdb.interval"], "1s")
        self.assertEqual(flags["collector.cpu"], "true")
        runtime = self.data("status/runtimeinfo")
        self.assertEqual(sorted(runtime), ["CWD", "GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "corruptionCount",
                                           "goroutineCount", "hostname", "lastConfigTime", "reloadConfigSuccess",
                                           "serverTime", "startTime", "storageRetention"])
        self.assertEqual(runtime["corruptionCount"], 0)
        self.assertGreater(runtime["goroutineCount"], 1)
        self.assertEqual(runtime["storageRetention"], "15d or 512MB")
        self.assertEqual(list(self.data("status/config")), ["yaml"])
        self.assertEqual(sorted(self.data("status/walreplay")), ["current", "max", "min"])
        self.assertEqual(self.data("status/tsdb/blocks"), {"blocks": []})
        self.assertEqual(self.data("notifications"), [])

    def test_status_of_the_store_counts_series(self):
        status = self.data("status/tsdb", limit=5)
        self.assertEqual(sorted(status), ["headStats", "labelValueCountByLabelName", "memoryInBytesByLabelName",
                                          "seriesCountByLabelValuePair", "seriesCountByMetricName"])
        head = status["headStats"]
        self.assertEqual(sorted(head), ["chunkCount", "maxTime", "minTime", "numLabelPairs", "numSeries"])
        self.assertGreater(head["numSeries"], 100)
        self.assertLess(head["minTime"], head["maxTime"])
        for key, counts in status.items():
            if key != "headStats":
                self.assertEqual(len(counts), 5, key)
                self.assertEqual([c["value"] for c in counts], sorted((c["value"] for c in counts), reverse=True))
        self.assertEqual(len(self.data("status/tsdb")["seriesCountByMetricName"]), 10)
        pairs = {c["name"] for c in status["seriesCountByLabelValuePair"]}
        self.assertIn("job=node-exporter", pairs)

    def test_features_are_categories_of_switches(self):
        features = self.data("features")
        self.assertLessEqual({"api", "promql", "promql_functions", "promql_operators", "rules", "templating_functions"},
                             set(features))
        for category in features.values():
            self.assertTrue(all(value in (True, False) for value in category.values()))
        self.assertIs(features["promql_functions"]["rate"], True)
        self.assertIs(features["promql_functions"]["mad_over_time"], False)
        self.assertIs(features["api"]["admin"], False)

    def test_the_admin_api_is_off(self):
        for path in ("snapshot", "delete_series", "clean_tombstones"):
            for method in ("POST", "PUT"):
                self.fails(f"admin/tsdb/{path}", 500, "unavailable", "admin APIs disabled", method)
            self.assertEqual(ask(self.agent, f"/api/v1/admin/tsdb/{path}")[0], 405)

    def test_what_is_not_there_is_not_found(self):
        for path in ("/api/v1/nothing", "/api/v1/label//values", "/api/v1/label/a/b/values", "/vmui/config.json",
                     "/prometheus/api/v1/query", "/api/v1/status/top_queries", "/api/v1/status/active_queries",
                     "/vmalert/api/v1/rules", "/vmui/custom-dashboards", "/vmui/timezone"):
            self.assertEqual(ask(self.agent, path), (404, "404 page not found\n"), path)

    def test_lists_take_the_forms_vmui_asks_in(self):
        self.data("series", match__="up", start=0, end=9e9, nocache=1, trace=1)
        self.data("status/tsdb", topN=10, date="2026-01-01", match__="up", focusLabel="job")


class Federation(Api):
    def test_it_is_text_with_times_sorted_by_name(self):
        status, text = ask(self.agent, "/federate", match__=['{__name__=~"node_load.*"}', "up"])
        self.assertEqual(status, 200)
        lines = text.splitlines()
        self.assertEqual([line for line in lines if line[0] == "#"],
                         [f"# TYPE {name} untyped" for name in ("node_load1", "node_load15", "node_load5", "up")])
        for line in lines:
            if line[0] != "#":
                self.assertRegex(line, r'^\w+\{instance="[^"]+",job="node-exporter"\} [0-9.]+ \d{13}$')
        at = int(lines[-1].rsplit(" ", 1)[1]) / 1000
        self.assertLess(abs(time.time() - at), SLOW)

    def test_openmetrics_and_protobuf_are_negotiated(self):
        for accept, kind in (("application/openmetrics-text;version=1.0.0", "application/openmetrics-text; version=1.0.0"),
                             ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
                              "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily")):
            status, headers, body = get(f"{self.agent.url}/federate?match[]=up", Accept=accept)
            self.assertEqual(status, 200)
            self.assertTrue(headers["Content-Type"].startswith(kind), headers["Content-Type"])
            self.assertIn(b"node-exporter", body)
        self.assertTrue(get(f"{self.agent.url}/federate?match[]=nothing", Accept="application/openmetrics-text")[2]
                        .endswith(b"# EOF\n"))

    def test_errors_are_text(self):
        status, text = ask(self.agent, "/federate", match__="{")
        self.assertEqual(status, 400)
        self.assertIn("parse error", text)
        self.assertEqual(ask(self.agent, "/federate"), (200, ""))
        self.assertEqual(ask(self.agent, "/federate", "POST", match__="up")[0], 405)


class Admin(Api):
    FLAGS = ("--web.enable-admin-api",)

    def test_series_are_deleted_and_snapshots_made(self):
        self.bad("admin/tsdb/delete_series", "no match[] parameter provided", method="POST")
        self.bad("admin/tsdb/snapshot", 'invalid parameter "skip_head": unable to parse boolean: strconv.ParseBool: '
                 'parsing "maybe": invalid syntax', method="POST", skip_head="maybe")
        name = self.data("admin/tsdb/snapshot", "POST")["name"]
        self.assertRegex(name, r"^\d{8}T\d{6}Z-[0-9a-f]{16}$")
        self.assertTrue(os.listdir(os.path.join(self.folder.name, "data", "snapshots", name)))
        self.data("admin/tsdb/snapshot", "PUT", skip_head="true")

        until = time.time()  # all up to then is stored when something later is
        wait_for(lambda: self.data("query", query=f"timestamp(node_load5) > {until + 1}", time=time.time())["result"])
        self.assertTrue(self.data("query", query="node_load5", time=until)["result"])
        status, answer = ask(self.agent, "/api/v1/admin/tsdb/delete_series", "POST", match__="node_load5", end=until)
        self.assertEqual((status, answer), (204, ""))
        self.assertEqual(self.data("query", query="node_load5", time=until)["result"], [])
        self.assertTrue(self.data("query", query="node_load1", time=until)["result"])
        self.assertEqual(ask(self.agent, "/api/v1/admin/tsdb/clean_tombstones", "POST"), (204, ""))
        self.assertEqual(self.data("query", query="node_load5", time=until)["result"], [])
        self.assertIs(self.data("features")["api"]["admin"], True)


class NothingKept(unittest.TestCase):
    """Without a store every endpoint answers, with nothing in it."""

    def test_every_endpoint_keeps_its_shape(self):
        with Agent("--no-storage.tsdb", "--web.enable-admin-api") as agent:
            agent.ready()
            for path, expected in (("series?match[]=up", []), ("labels", []), ("label/job/values", []),
                                   ("status/tsdb/blocks", {"blocks": []}), ("rules", {"groups": []})):
                status, _, body = get(f"{agent.url}/api/v1/{path}")
                self.assertEqual((status, json.loads(body)), (200, {"status": "success", "data": expected}))
            self.assertIn("node_load1", json.loads(get(f"{agent.url}/api/v1/metadata")[2])["data"])
            self.assertEqual(ask(agent, "/api/v1/status/tsdb")[1]["data"]["headStats"]["numSeries"], 0)
            self.assertEqual(ask(agent, "/federate", match__="up"), (200, ""))
            status, answer = ask(agent, "/api/v1/admin/tsdb/snapshot", "POST")
            self.assertEqual((status, answer["errorType"]), (500, "internal"))


class Grafana(Api):
    """The calls of Grafana's Prometheus data source, as it makes them."""

    def minutes(self):
        end = int(time.time()) // 60 * 60 + 60
        return {"start": f"{end - 3600}", "end": f"{end}"}

    def test_save_and_test(self):
        status, answer = ask(self.agent, "/api/v1/query", "POST", query="1+1", time="4")
        self.assertEqual((status, answer), (200, {"status": "success",
                                                  "data": {"resultType": "scalar", "result": [4, "2"]}}))
        self.assertNotIn("features", self.data("status/buildinfo"))

    def test_the_editor_opens(self):
        names = self.data("label/__name__/values", limit=40000, **self.minutes())
        self.assertIn("node_cpu_seconds_total", names)
        self.assertIn("mode", self.data("labels", "POST", limit=40000, **self.minutes()))
        self.assertIn("node_load1", self.data("metadata", limit=40000))
        self.assertEqual(self.data("rules"), {"groups": []})

    def test_the_builder_completes(self):
        metric = '{__name__="node_cpu_seconds_total",mode="idle"}'
        self.assertEqual(self.data("labels", "POST", match__=metric, limit=40000, **self.minutes()),
                         ["__name__", "cpu", "instance", "job", "mode"])
        self.assertIn("0", self.data("label/cpu/values", match__=metric, limit=40000, **self.minutes()))
        self.assertEqual(self.data("label/U__cpu/values", match__=metric, **self.minutes()),
                         self.data("label/cpu/values", match__=metric, **self.minutes()))
        self.assertEqual(len(self.data("series", "POST", match__="node_load1", limit=40000, **self.minutes())), 1)
        self.assertIn("node_load1", self.data("label/__name__/values", match__='{__name__!=""}', **self.minutes()))

    def test_panels_are_drawn(self):
        end = time.time()
        grid = {"start": f"{end - 60:.3f}", "end": f"{end:.3f}", "step": "15"}
        result = self.data("query_range", "POST", query="node_load1", **grid)
        self.assertEqual(result["resultType"], "matrix")
        self.assertEqual(self.data("query_exemplars", "POST", query="node_load1", start=grid["start"], end=grid["end"]), [])
        self.assertEqual(self.data("query", "POST", query="node_load1", time=f"{end:.3f}")["resultType"], "vector")
        heat = self.data("query", "POST", query="nodevitals_cpu_utilization_ratio", time=f"{end:.3f}")["result"]
        self.assertIn("histogram", heat[0])

    def test_alerts_are_listed(self):
        self.assertEqual(self.data("rules", type="alert", rule_name__=["a"], rule_group__=["b"], file__=["c"], rule_name="a",
                                   rule_group="b", file="c", exclude_alerts="true", group_limit=100), {"groups": []})
        self.assertEqual(self.data("alerts"), {"alerts": []})

    def test_what_is_refused_by_post_is_refused_by_get(self):
        for method in ("POST", "GET"):
            status, answer = ask(self.agent, "/api/v1/query", method, query="sum(")
            self.assertEqual((status, answer["errorType"]), (400, "bad_data"))


if __name__ == "__main__":
    unittest.main()
