#!/usr/bin/env python3
"""Rules in the agent: from --config.file into the history, the API and the metrics; over reloads and restarts."""
import datetime
import json
import os
import signal
import tempfile
import unittest
import urllib.error
import urllib.parse
import urllib.request

from harness import Agent, run, samples, wait_for

FEW = ("--collector.disable-defaults", "--collector.loadavg", "--collector.stat", "--storage.tsdb.interval=100ms",
       "--storage.tsdb.instance=node1", "--web.enable-lifecycle")

CONFIG = "global: {evaluation_interval: 200ms, external_labels: {site: lab}}\nrule_files: ['rules/*.yml']\n"
RULES = """
groups:
- name: node
  rules:
  - {record: 'node:load1:doubled', expr: node_load1 * 2, labels: {unit: load}}
  - {record: 'node:sees', expr: 'count(node:load1:doubled) + count(node_load1)'}
  - alert: Always
    expr: node_load1 >= 0
    labels: {severity: page}
    annotations: {summary: 'load on {{ $labels.job }} of {{ $externalLabels.site }}'}
  - {alert: Patient, expr: node_load1 >= 0, for: 1h}
- name: failing
  rules:
  - {record: bad, expr: 'node_load1 + on () group_left () {__name__=~"node_load.*"}'}
  - {record: fine, expr: '1'}
"""


class Rules(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        os.mkdir(self.path("rules"))
        self.write("config.yml", CONFIG)
        self.write("rules/node.yml", RULES)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)

    def agent(self, *flags):
        return Agent(*FEW, f"--storage.tsdb.path={self.path('history')}", f"--config.file={self.path('config.yml')}", *flags).ready()

    def api(self, agent, path, **parameters):
        status, _, body = agent.get(f"/api/v1/{path}?" + urllib.parse.urlencode(parameters))
        self.assertEqual(status, 200, body)
        return json.loads(body)["data"]

    def query(self, agent, expr):
        return {json.dumps(s["metric"], sort_keys=True): float(s["value"][1]) for s in self.api(agent, "query", query=expr)["result"]}

    def rule(self, agent, name):
        for group in self.api(agent, "rules")["groups"]:
            for rule in group["rules"]:
                if rule["name"] == name:
                    return rule
        return None

    def wait_health(self, agent, name, health):
        return wait_for(lambda: (self.rule(agent, name) or {}).get("health") == health)

    def test_rules_are_evaluated_recorded_and_told(self):
        with self.agent() as agent:
            self.wait_health(agent, "Always", "ok")
            wait_for(lambda: self.query(agent, "node:load1:doubled"))
            series = json.loads(next(iter(self.query(agent, "node:load1:doubled"))))
            self.assertEqual(series["unit"], "load")
            self.assertEqual(series["job"], "node-exporter")
            wait_for(lambda: 2.0 in self.query(agent, "node:sees").values())
            alert = wait_for(lambda: self.rule(agent, "Always")["alerts"])[0]
            self.assertEqual(alert["annotations"]["summary"], "load on node-exporter of lab")
            self.assertEqual(alert["state"], "firing")
            self.assertEqual(self.rule(agent, "Patient")["state"], "pending")
            wait_for(lambda: len(self.query(agent, "ALERTS")) == 2)
            names = {a["labels"]["alertname"]: a["state"] for a in self.api(agent, "alerts")["alerts"]}
            self.assertEqual(names, {"Always": "firing", "Patient": "pending"})

    def test_a_rule_that_fails_says_so_alone(self):
        with self.agent() as agent:
            self.wait_health(agent, "bad", "err")
            self.assertTrue(self.rule(agent, "bad")["lastError"])
            self.wait_health(agent, "fine", "ok")
            told = samples(agent.metrics())
            group = f'{{rule_group="{self.path("rules/node.yml")};failing"}}'
            self.assertGreaterEqual(float(told["prometheus_rule_evaluation_failures_total" + group]), 1)
            self.assertEqual(told["prometheus_rule_group_rules" + group], "2")
            self.assertEqual(told["prometheus_rule_group_interval_seconds" + group], "0.2")
            self.assertGreater(float(told["prometheus_rule_evaluation_duration_seconds_count"]), 0)
            self.assertEqual(told["nodevitals_config_last_reload_successful"], "1")

    def test_a_reload_takes_new_rules_and_refuses_garbage(self):
        with self.agent() as agent:
            self.wait_health(agent, "Always", "ok")
            since = wait_for(lambda: self.rule(agent, "Patient")["alerts"])[0]["activeAt"]
            self.write("rules/more.yml", "groups: [{name: more, rules: [{record: fresh, expr: '4'}]}]\n")
            agent.process.send_signal(signal.SIGHUP)
            wait_for(lambda: list(self.query(agent, "fresh").values()) == [4.0])
            self.assertEqual(self.rule(agent, "Patient")["alerts"][0]["activeAt"], since)

            self.write("rules/more.yml", "groups: [{name: more, rules: [{record: fresh, expr: 'sum('}]}]\n")
            status, body = self.post(agent, "/-/reload")
            self.assertEqual(status, 500)
            self.assertIn("could not parse expression", body)
            self.assertIn('group "more", rule 1, "fresh"', body)
            self.assertEqual(samples(agent.metrics())["nodevitals_config_last_reload_successful"], "0")
            self.assertEqual(self.rule(agent, "fresh")["query"], "4")
            agent.line_with(r"everything stays as it was.*rule 1")

            os.unlink(self.path("rules/more.yml"))
            self.assertEqual(self.post(agent, "/-/reload")[0], 200)
            self.assertIsNone(self.rule(agent, "fresh"))
            wait_for(lambda: not self.query(agent, "fresh"))
            self.assertEqual(samples(agent.metrics())["nodevitals_config_last_reload_successful"], "1")

    def post(self, agent, path):
        request = urllib.request.Request(agent.url + path, method="POST", data=b"")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def test_a_pending_alert_is_known_again_after_a_restart(self):
        age = 'time() - ALERTS_FOR_STATE{alertname="Patient"}'
        with self.agent() as agent:
            wait_for(lambda: max(self.query(agent, age).values(), default=0) > 4)
            agent.stop(signal.SIGKILL)
        with self.agent() as agent:
            # Time down does not count, what was before does: longer than this process lives.
            started = float(samples(agent.metrics())["process_start_time_seconds"])
            wait_for(lambda: any(self.active(a) < started - 2 for a in (self.rule(agent, "Patient") or {}).get("alerts") or []))
            self.assertEqual(self.rule(agent, "Patient")["state"], "pending")
            wait_for(lambda: self.query(agent, age + f" > time() - {started - 1}"))

    def active(self, alert):
        return datetime.datetime.fromisoformat(alert["activeAt"].replace("Z", "+00:00")).timestamp()

    def test_mistakes_at_the_start_are_fatal_and_told(self):
        self.write("rules/node.yml", "groups: [{name: g, rules: [{record: r}]}]\n")
        answer = run("agent", f"--storage.tsdb.path={self.path('history')}", f"--config.file={self.path('config.yml')}",
                     "--web.listen-address=127.0.0.1:0")
        self.assertEqual(answer.returncode, 1)
        self.assertIn('group \\"g\\", rule 1, \\"r\\": field \'expr\' must be set in rule', answer.stderr)

    def test_rules_need_a_history(self):
        answer = run("agent", "--no-storage.tsdb", f"--config.file={self.path('config.yml')}", "--web.listen-address=127.0.0.1:0")
        self.assertEqual(answer.returncode, 1)
        self.assertIn("rules need the history", answer.stderr)

    def test_without_a_file_nothing_is_told_of_rules(self):
        with Agent(*FEW, f"--storage.tsdb.path={self.path('history')}").ready() as agent:
            self.assertEqual(self.api(agent, "rules"), {"groups": []})
            text = agent.metrics()
            self.assertNotIn("prometheus_rule_", text)
            self.assertNotIn("nodevitals_config_", text)


if __name__ == "__main__":
    unittest.main(verbosity=2)
