#!/usr/bin/env python3
"""--config.file from outside: rules that run, reloads whole or not at all, what is told of it."""
import json
import os
import signal
import tempfile
import unittest
import urllib.error
import urllib.request

from harness import SLOW, Agent, run, samples, wait_for

QUICK = ("--collector.disable-defaults", "--collector.loadavg", "--web.enable-lifecycle")
OK = "nodevitals_config_last_reload_successful"
WHEN = "nodevitals_config_last_reload_success_timestamp_seconds"

CONFIG = """
global: {evaluation_interval: 1s, external_labels: {site: x}}
rule_files: ['rules*.yml']
alerting: {alertmanagers: [{static_configs: [{targets: ['127.0.0.1:1']}], basic_auth: {username: u, password: hidden}}]}
"""
RULES = """
groups:
- name: g
  rules:
  - {record: load:one, expr: node_load1 * 0 + %d}
  - {alert: Always, expr: load:one > 0, annotations: {summary: "{{ $value }} at {{ $externalLabels.site }}"}}
"""


def post(url):
    request = urllib.request.Request(url, data=b"", method="POST")
    try:
        with urllib.request.urlopen(request, timeout=SLOW) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


class Config(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.write("config.yml", CONFIG)
        self.write("rules.yml", RULES % 1)

    def tearDown(self):
        self.folder.cleanup()

    def at(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, name, text):
        with open(self.at(name + ".new"), "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(self.at(name + ".new"), self.at(name))

    def agent(self, *flags):
        return Agent(*QUICK, "--config.file=" + self.at("config.yml"), "--storage.tsdb.path=" + self.at("data"), *flags).ready()

    def api(self, agent, path):
        status, _, body = agent.get("/api/v1/" + path)
        self.assertEqual(status, 200, body)
        return json.loads(body)["data"]

    def value(self, agent, expression):
        """Of the newest sample, or None."""
        result = self.api(agent, "query?query=" + expression)["result"]
        return result[0]["value"][1] if result else None

    def test_rules_run_and_all_of_it_is_told(self):
        with self.agent() as agent:
            wait_for(lambda: self.value(agent, "load:one") == "1")
            alerts = wait_for(lambda: self.api(agent, "alerts")["alerts"])
            self.assertEqual(alerts[0]["labels"], {"alertname": "Always", "instance": alerts[0]["labels"]["instance"],
                                                   "job": "node-exporter"})
            self.assertEqual(alerts[0]["annotations"], {"summary": "1 at x"})
            groups = self.api(agent, "rules")["groups"]
            self.assertEqual([rule["health"] for rule in groups[0]["rules"]], ["ok", "ok"])
            told = samples(agent.metrics())
            self.assertEqual(told[OK], "1")
            self.assertGreater(float(told[WHEN]), 1e9)
            group = f'{{rule_group="{self.at("rules.yml")};g"}}'
            self.assertGreaterEqual(float(told["prometheus_rule_evaluations_total" + group]), 2)
            self.assertEqual(told["prometheus_rule_evaluation_failures_total" + group], "0")
            self.assertEqual(told["prometheus_notifications_alertmanagers_discovered"], "1")
            shown = self.api(agent, "status/config")["yaml"]
            self.assertIn("password: <secret>\n", shown)
            self.assertNotIn("hidden", shown)
            self.assertIn("scrape_timeout: 10s\n", shown)
            self.assertTrue(self.api(agent, "status/runtimeinfo")["reloadConfigSuccess"])
            self.assertEqual(len(self.api(agent, "alertmanagers")["activeAlertmanagers"]), 1)

    def test_a_reload_by_request_takes_new_rules_over(self):
        with self.agent() as agent:
            wait_for(lambda: self.value(agent, "load:one") == "1")
            self.write("rules.yml", RULES % 2)
            self.assertEqual(post(agent.url + "/-/reload")[0], 200)
            wait_for(lambda: self.value(agent, "load:one") == "2")

    def test_a_reload_by_signal_takes_new_rules_over(self):
        with self.agent() as agent:
            wait_for(lambda: self.value(agent, "load:one") == "1")
            self.write("rules-more.yml", "groups: [{name: h, rules: [{record: more, expr: vector(7)}]}]")
            agent.process.send_signal(signal.SIGHUP)
            wait_for(lambda: self.value(agent, "more") == "7")

    def check_refused(self, agent, reason):
        """Nothing has changed but that it is told."""
        before = samples(agent.metrics())[WHEN]
        status, text = post(agent.url + "/-/reload")
        self.assertEqual(status, 500)
        self.assertIn("failed to reload config: ", text)
        self.assertIn(reason, text)
        wait_for(lambda: reason.replace('"', '\\"') in agent.log)
        wait_for(lambda: samples(agent.metrics())[OK] == "0")
        self.assertEqual(samples(agent.metrics())[WHEN], before)
        self.assertFalse(self.api(agent, "status/runtimeinfo")["reloadConfigSuccess"])
        groups = self.api(agent, "rules")["groups"]
        self.assertEqual([group["name"] for group in groups], ["g"])
        since = groups[0]["lastEvaluation"]
        wait_for(lambda: self.api(agent, "rules")["groups"][0]["lastEvaluation"] != since)

    def test_garbage_changes_nothing(self):
        with self.agent() as agent:
            wait_for(lambda: self.value(agent, "load:one") == "1")
            self.write("rules.yml", "groups: [{name: g, rules: [{record: x, expr: 'up +'}]}]")
            self.check_refused(agent, 'group "g", rule 1, "x": could not parse expression')
            self.write("rules.yml", "\x00\x01 ][")
            self.check_refused(agent, "rules.yml")
            self.write("rules.yml", RULES % 1)
            self.write("config.yml", CONFIG + "globl: {}\n")
            self.check_refused(agent, "unknown key 'globl'")
            # A good rule file beside a bad configuration is not taken over either.
            self.write("rules-more.yml", "groups: [{name: h, rules: [{record: more, expr: vector(7)}]}]")
            self.check_refused(agent, "unknown key 'globl'")
            os.unlink(self.at("config.yml"))
            self.check_refused(agent, "No such file or directory")
            self.write("config.yml", CONFIG)
            self.assertEqual(post(agent.url + "/-/reload")[0], 200)
            wait_for(lambda: samples(agent.metrics())[OK] == "1")
            wait_for(lambda: self.value(agent, "more") == "7")

    def test_a_reload_without_the_switch_is_refused(self):
        with Agent(*QUICK[:2], "--config.file=" + self.at("config.yml"), "--storage.tsdb.path=" + self.at("data")).ready() as agent:
            self.assertEqual(post(agent.url + "/-/reload")[0], 403)

    def test_without_a_file_nothing_is_told(self):
        with Agent(*QUICK).ready() as agent:
            self.assertNotIn("nodevitals_config_", agent.metrics())
            self.assertEqual(post(agent.url + "/-/reload")[0], 200)

    def test_a_mistake_at_the_start_is_an_error(self):
        for text, reason in (("globl: {}\n", "unknown key 'globl'"), ("rule_files: [wrong.yml]\n", "could not parse expression")):
            self.write("config.yml", text)
            self.write("wrong.yml", "groups: [{name: g, rules: [{record: x, expr: 'up +'}]}]")
            ended = run(*QUICK, "--web.listen-address=127.0.0.1:0", "--no-storage.tsdb",
                        "--config.file=" + self.at("config.yml"))
            self.assertEqual(ended.returncode, 1)
            self.assertIn(reason, ended.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
