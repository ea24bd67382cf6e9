"""The same questions to us and to a real Prometheus, over the same samples, and the answers compared.

The samples are those of a recorded node, moved so that they end now, every one of them. The questions are the rules that
people use, and expressions.py's. Each is asked at times and over a grid; times lie beside the samples' and beside what
subqueries align to, so that no sample lies on the edge of a window: there Prometheus 2.42 still counts both ends, and the
language by now only the later one. What else is different between the two is in DIFFERENT, with the reason.
"""
import math
import os
import re
import sys
import unittest

import expressions
import twins
from harness import SHARED, SOURCE
from twins import SPAN, ask

sys.path.insert(0, os.path.join(SOURCE, "test", "bench"))
import query_set  # noqa: E402  (the rules' expressions are found there)

RULES = os.path.join(SHARED, "fixtures", "rules-real")

# The same function under the name that was its at the time.
RENAMED = {"double_exponential_smoothing": "holt_winters"}

# What Prometheus 2.42 does not know.
LATER = {"mad_over_time", "sort_by_label", "sort_by_label_desc", "info", "histogram_avg", "histogram_quantiles",
         "histogram_stddev", "histogram_stdvar", "first_over_time", "ts_of_first_over_time", "ts_of_last_over_time",
         "ts_of_max_over_time", "ts_of_min_over_time", "max_of", "min_of", "range", "start", "end", "step",
         "start_timestamp", "limitk", "limit_ratio"}

# What is different otherwise, and why: expressions, and what is then looked at.
NAME, ROUNDING, REFUSED = "all but the metric name", "differences that are no rounding", "that we refuse it"
DIFFERENT = [
    # 2.42 forgot to drop the name of what atan2 makes.
    (r"atan2", NAME),
    # What is left when nearly equal numbers are subtracted depends on the order of sums; ours are compensated.
    (r"\bstd(dev|var)\b|%", ROUNDING),
    # Elements of a match group that get the same labels were an error only where the comparison keeps both.
    (r"(==|<|<=) on \(cpu\) group_right \(mode\)", REFUSED),
]


def is_close(a, b, least):
    x, y = float(a), float(b)
    return a == b or (math.isnan(x) and math.isnan(y)) or math.isclose(x, y, rel_tol=1e-9, abs_tol=least)


def series_of(data, with_names):
    """{labels: [(time, value)]}"""
    if data["resultType"] in ("scalar", "string"):
        return {(): [data["result"]]}
    return {tuple(sorted((k, v) for k, v in one["metric"].items() if with_names or k != "__name__")):
            one.get("values") or [one["value"]] for one in data["result"]}


def find_difference(ours, theirs, allowed):
    """None, or what is different in two answers."""
    if ours["status"] != theirs["status"]:
        if REFUSED in allowed and ours["status"] == "error":
            return None
        return f"status: {ours.get('error', 'success')} | {theirs.get('error', 'success')}"
    if ours["status"] == "error":
        return None
    if ours["data"]["resultType"] != theirs["data"]["resultType"]:
        return f"type: {ours['data']['resultType']} | {theirs['data']['resultType']}"
    if ours["data"]["resultType"] == "string":
        return None if ours["data"] == theirs["data"] else f"{ours['data']} | {theirs['data']}"
    ours, theirs = (series_of(answer["data"], NAME not in allowed) for answer in (ours, theirs))
    if ours.keys() != theirs.keys():
        return f"series: only ours {sorted(ours.keys() - theirs.keys())[:3]} | only theirs " \
               f"{sorted(theirs.keys() - ours.keys())[:3]}"
    for name, values in ours.items():
        if [t for t, _ in values] != [t for t, _ in theirs[name]]:
            return f"times of {dict(name)}: {len(values)} | {len(theirs[name])}"
        least = 1e-9 if ROUNDING in allowed else 0
        for (t, a), (_, b) in zip(values, theirs[name]):
            if not is_close(a, b, least):
                return f"{dict(name)} at {t}: {a} | {b}"
    return None


class Answers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.twins = twins.Twins("--enable-feature=promql-experimental-functions")
        cls.addClassCleanup(cls.twins.stop)
        cls.agent, cls.peer, cls.end = cls.twins.agent, cls.twins.peer, cls.twins.end

    def questions(self):
        """(path, parameters) at which each expression is asked, all beside the samples and whole seconds."""
        end = self.end
        yield "query", {"time": end - 7.3}
        yield "query", {"time": end - SPAN / 2 - 0.7}
        yield "query_range", {"start": end - 1200.3, "end": end - 0.3, "step": 75}

    def compare(self, list_of_expressions):
        differences = []
        for expression in list_of_expressions:
            theirs = expression
            for ours, name in RENAMED.items():
                theirs = theirs.replace(ours, name)
            allowed = {what for pattern, what in DIFFERENT if re.search(pattern, expression)}
            for path, parameters in self.questions():
                found = find_difference(ask(self.agent.url, path, query=expression, **parameters),
                                        ask(self.peer.url, path, query=theirs, **parameters), allowed)
                if found:
                    differences.append(f"{path} {expression}\n      {found}")
        return differences

    def check(self, list_of_expressions):
        differences = self.compare(list_of_expressions)
        self.assertFalse(differences, f"{len(differences)} answers differ (ours | Prometheus):\n" +
                         "\n".join(differences[:60]))

    def test_the_rules_people_use(self):
        rules = [query_set.in_one_line(e) for e in query_set.rule_expressions(RULES)]
        self.assertGreater(len(rules), 100)
        self.check(rules)

    def test_what_dashboards_ask(self):
        self.check(query_set.DASHBOARD)

    def test_every_function_and_operator(self):
        self.check(expressions.generated())

    def test_no_function_or_operator_is_left_out(self):
        features = ask(self.agent.url, "features")["data"]
        self.assertEqual(set(features["promql_functions"]) - expressions.functions, LATER - {"limitk", "limit_ratio"})
        asked = expressions.operators | expressions.aggregations | {"=~", "!~", "@"}
        self.assertEqual(set(features["promql_operators"]) - asked, {"limitk", "limit_ratio"})

    def test_sorted_answers_come_in_that_order(self):
        for expression in ("sort(node_cpu_seconds_total)", "sort_desc(node_cpu_seconds_total)",
                           "topk(5, node_memory_MemTotal_bytes - 0 or node_cpu_seconds_total)",
                           "bottomk(3, node_cpu_seconds_total > 1)"):
            ours, theirs = ([v for one in ask(server.url, "query", query=expression, time=self.end)["data"]["result"]
                             for v in one["value"][1:]] for server in (self.agent, self.peer))
            self.assertEqual(ours, theirs, expression)

    def test_a_sample_on_the_early_edge_of_a_window_does_not_count(self):
        """Nor does one as old as the lookback. To Prometheus 2.42 they do."""
        at = self.end + 0.125
        for expression, ours, theirs in (("count_over_time(node_load1[20s])", "10", "11"),
                                         ("count_over_time(node_load1[20s] offset 4s)", "10", "11")):
            for server, expected in ((self.agent, ours), (self.peer, theirs)):
                result = ask(server.url, "query", query=expression, time=at)["data"]["result"]
                self.assertEqual(result[0]["value"][1], expected, expression)
        for server, expected in ((self.agent, 0), (self.peer, 1)):
            result = ask(server.url, "query", query='node_load1{job="node-exporter"}', time=at + 300)["data"]["result"]
            self.assertEqual(len(result), expected)


if __name__ == "__main__":
    twins.need()
    unittest.main()
