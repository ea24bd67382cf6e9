"""Alerts from a condition on the node to whoever has to hear of it.

To Debian's Alertmanager and amtool where they are installed, and through the agent's own receivers; over restarts of both
sides, outages, and kill -9.
"""
import http.server
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest

from harness import Agent, Process, free_port, get, wait_for

RULES = """
groups:
- name: test
  interval: 1s
  rules:
  - alert: Condition
    expr: test_condition > 0
    for: {hold}
    labels: {{severity: page}}
    annotations: {{summary: 'it is {{{{ $value }}}}'}}
  - record: test:condition
    expr: test_condition * 2
"""
HAS_ALERTMANAGER = shutil.which("prometheus-alertmanager") and shutil.which("amtool")


def write(path, text):
    """Whole or not at all, as the textfile collector wants it."""
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(text)
    os.rename(path + ".new", path)


class Receiver:
    """A webhook that keeps what it is told, and answers as it is bid."""

    def __init__(self):
        self.told, self.status = [], 200
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if outer.status == 200:
                    outer.told.append(json.loads(body))
                self.send_response(outer.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def statuses(self):
        return [said["status"] for said in list(self.told)]


class Alerts(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="nodevitals-alerts-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.textfile = os.path.join(self.folder, "textfile")
        os.mkdir(self.textfile)
        self.condition(0)
        write(self.path("rules.yml"), RULES.format(hold="0s"))

    def path(self, name):
        return os.path.join(self.folder, name)

    def condition(self, value):
        write(os.path.join(self.textfile, "test.prom"), f"test_condition {value}\n")

    def agent(self, config, *flags):
        write(self.path("config.yml"), config)
        agent = Agent(f"--config.file={self.path('config.yml')}", "--collector.disable-defaults", "--collector.textfile",
                      f"--collector.textfile.directory={self.textfile}",
                      f"--storage.tsdb.path={self.path('data')}", "--storage.tsdb.interval=1s",
                      "--storage.tsdb.instance=node", "--rules.alert.resend-delay=1s", *flags)
        self.addCleanup(agent.stop)
        return agent.ready()

    def kept(self):
        try:
            with open(self.path("data/notify/notify.json"), encoding="utf-8") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def api(self, agent, path):
        status, _, body = agent.get(path)
        self.assertEqual(status, 200, body)
        return json.loads(body)

    def states(self, agent):
        return [one["state"] for one in self.api(agent, "/api/v1/alerts")["data"]["alerts"]]

    # ---- receivers of the agent's own -----------------------------------------------------------

    def own_config(self, receiver, more=""):
        return f"""
rule_files: [rules.yml]
notify:
  route: {{receiver: ops, group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
  receivers:
  - name: ops
    webhook_configs: [{{url: '{receiver.url}'}}]
{more}"""

    def test_a_lone_node_speaks_through_a_webhook(self):
        receiver = Receiver()
        self.addCleanup(receiver.close)
        agent = self.agent(self.own_config(receiver))
        self.condition(7)
        wait_for(lambda: receiver.told)
        said = receiver.told[0]
        self.assertEqual((said["version"], said["status"], said["receiver"]), ("4", "firing", "ops"))
        alert = said["alerts"][0]
        self.assertEqual(alert["labels"], {"alertname": "Condition", "severity": "page", "instance": "node",
                                           "job": "node-exporter"})
        self.assertEqual(alert["annotations"], {"summary": "it is 7"})
        self.assertIn("/graph?g0.expr=test_condition+%3E+0&g0.tab=1", alert["generatorURL"])
        self.condition(0)
        wait_for(lambda: receiver.statuses() == ["firing", "resolved"])
        self.assertEqual(self.states(agent), [])

    def test_a_kill_loses_and_doubles_nothing(self):
        receiver = Receiver()
        self.addCleanup(receiver.close)
        receiver.status = 503
        agent = self.agent(self.own_config(receiver))
        self.condition(1)
        agent.line_with("notification not sent")
        agent.stop(signal.SIGKILL)
        receiver.status = 200
        agent = self.agent(self.own_config(receiver))
        wait_for(lambda: receiver.told)
        wait_for(lambda: '"told":[{' in self.kept())
        agent.stop(signal.SIGKILL)
        agent = self.agent(self.own_config(receiver))
        wait_for(lambda: self.states(agent) == ["firing"])
        time.sleep(3)  # several flushes, each of which could say it again
        self.assertEqual(receiver.statuses(), ["firing"])
        self.condition(0)
        wait_for(lambda: receiver.statuses() == ["firing", "resolved"])

    def test_garbage_for_a_configuration_changes_nothing(self):
        receiver = Receiver()
        self.addCleanup(receiver.close)
        agent = self.agent(self.own_config(receiver), "--web.enable-lifecycle")
        write(self.path("rules.yml"), "groups: [{name: x, rules: [{alert: A, expr: 'sum('}]}]\n")
        agent.process.send_signal(signal.SIGHUP)
        agent.line_with("level=ERROR.*(rules.yml|reload)")
        wait_for(lambda: "nodevitals_config_last_reload_successful 0" in agent.metrics())
        reload = subprocess.run(["curl", "-s", "-X", "POST", "-w", "%{http_code}", agent.url + "/-/reload"],
                                capture_output=True, text=True, timeout=60)
        self.assertTrue(reload.stdout.endswith("500"), reload.stdout)
        self.assertIn("failed to reload config", reload.stdout)
        self.condition(1)
        wait_for(lambda: receiver.statuses() == ["firing"])  # the old rules go on
        write(self.path("rules.yml"), RULES.format(hold="0s").replace("test_condition > 0", "test_condition > 5"))
        agent.process.send_signal(signal.SIGHUP)
        wait_for(lambda: receiver.statuses() == ["firing", "resolved"])
        wait_for(lambda: "nodevitals_config_last_reload_successful 1" in agent.metrics())

    # ---- amtool on the agent --------------------------------------------------------------------

    @unittest.skipUnless(HAS_ALERTMANAGER, "prometheus-alertmanager is not installed")
    def test_amtool_works_on_the_agent_itself(self):
        receiver = Receiver()
        self.addCleanup(receiver.close)
        agent = self.agent(self.own_config(receiver), "--web.enable-admin-api")

        def amtool(*words, status=0):
            answer = subprocess.run(["amtool", f"--alertmanager.url={agent.url}", *words], capture_output=True, text=True,
                                    timeout=60)
            self.assertEqual(answer.returncode, status, answer.stdout + answer.stderr)
            return answer.stdout

        silence = amtool("silence", "add", "alertname=Condition", "--author=me", "--comment=test", "--duration=1h").strip()
        self.assertIn(silence, amtool("silence", "query"))
        self.condition(3)
        wait_for(lambda: self.states(agent) == ["firing"])
        alerts = wait_for(lambda: self.api(agent, "/api/v2/alerts"))
        self.assertEqual(alerts[0]["status"], {"inhibitedBy": [], "silencedBy": [silence], "state": "suppressed"})
        self.assertEqual(amtool("alert", "query", "-o", "simple").count("Condition"), 0)
        self.assertEqual(amtool("alert", "query", "-o", "simple", "--silenced").count("Condition"), 1)
        time.sleep(2)
        self.assertEqual(receiver.told, [])
        amtool("silence", "expire", silence)
        wait_for(lambda: receiver.statuses() == ["firing"])
        self.assertEqual(amtool("alert", "query", "-o", "simple").count("Condition"), 1)
        self.assertIn("expired", amtool("silence", "query", "--expired", "-o", "json"))

    def test_silences_take_the_admin_switch(self):
        receiver = Receiver()
        self.addCleanup(receiver.close)
        agent = self.agent(self.own_config(receiver))
        answer = subprocess.run(["curl", "-s", "-w", "%{http_code}", "-d", "{}", agent.url + "/api/v2/silences"],
                                capture_output=True, text=True, timeout=60)
        self.assertIn("admin APIs disabled", answer.stdout)
        self.assertEqual(self.api(agent, "/api/v2/silences"), [])

    # ---- a real Alertmanager --------------------------------------------------------------------

    def alertmanager(self, port):
        write(self.path("am.yml"), "route: {receiver: none, group_wait: 0s}\nreceivers: [{name: none}]\n")
        process = Process("prometheus-alertmanager", f"--config.file={self.path('am.yml')}",
                          f"--storage.path={self.path('am')}", f"--web.listen-address=127.0.0.1:{port}",
                          "--cluster.listen-address=")
        self.addCleanup(process.stop)
        wait_for(lambda: self.is_up(port))
        return process

    @staticmethod
    def is_up(port):
        try:
            return get(f"http://127.0.0.1:{port}/-/ready")[0] == 200
        except OSError:
            return False

    def at_alertmanager(self, port):
        answer = subprocess.run(["amtool", f"--alertmanager.url=http://127.0.0.1:{port}", "alert", "query", "-o", "json"],
                                capture_output=True, text=True, timeout=60)
        return json.loads(answer.stdout) if answer.returncode == 0 and answer.stdout.strip() else []

    @unittest.skipUnless(HAS_ALERTMANAGER, "prometheus-alertmanager is not installed")
    def test_debians_alertmanager_hears_of_it_over_restarts_and_outages(self):
        write(self.path("rules.yml"), RULES.format(hold="2s"))
        port = free_port()
        manager = self.alertmanager(port)
        config = (f"global: {{external_labels: {{site: here}}}}\nrule_files: [rules.yml]\n"
                  f"alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]}}\n")
        agent = self.agent(config)
        self.condition(5)
        wait_for(lambda: self.states(agent) == ["pending"], step=0.01)
        self.assertEqual(self.at_alertmanager(port), [])  # what is pending is not sent
        wait_for(lambda: self.states(agent) == ["firing"])
        first = wait_for(lambda: self.at_alertmanager(port))[0]
        self.assertEqual(first["labels"]["site"], "here")
        self.assertEqual(first["annotations"], {"summary": "it is 5"})
        again = wait_for(lambda: [one for one in self.at_alertmanager(port) if one["endsAt"] > first["endsAt"]])[0]
        self.assertEqual(again["startsAt"], first["startsAt"])  # resent, the same alert

        managers = self.api(agent, "/api/v1/alertmanagers")["data"]["activeAlertmanagers"]
        self.assertEqual(managers, [{"url": f"http://127.0.0.1:{port}/api/v2/alerts"}])

        active_at = self.api(agent, "/api/v1/alerts")["data"]["alerts"][0]["activeAt"]
        self.assertTrue(active_at)
        agent.stop()
        agent = self.agent(config)
        wait_for(lambda: self.states(agent) == ["firing"])

        manager.stop(signal.SIGKILL)
        agent.line_with("alerts not sent")
        shutil.rmtree(self.path("am"))
        self.alertmanager(port)
        wait_for(lambda: self.at_alertmanager(port))
        agent.line_with("alerts are sent again")

        self.condition(0)
        wait_for(lambda: not self.at_alertmanager(port))
        wait_for(lambda: self.states(agent) == [])


if __name__ == "__main__":
    unittest.main()
