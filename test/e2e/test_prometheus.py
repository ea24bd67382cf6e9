"""A real Prometheus scrapes us: as OpenMetrics, as protobuf, and as classic text.

Each scrape goes through a proxy on loopback that notes what was answered; for text it also rewrites Accept, which
Debian's Prometheus cannot be told to.
"""
import http.server
import json
import os
import re
import subprocess
import tempfile
import threading
import unittest
import urllib.parse

from harness import SLOW, Agent, Process, find_program, free_port, get, run, samples, skip, wait_for

PROMETHEUS, PROMTOOL = find_program("prometheus"), find_program("promtool")

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
PROTOBUF = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
TEXT = "text/plain; version=0.0.4"

CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
{jobs}
"""
JOB = """- job_name: {name}
  static_configs: [{{targets: ['127.0.0.1:{port}']}}]
"""


class Proxy(http.server.ThreadingHTTPServer):
    """Passes GETs on to the agent."""

    daemon_threads = True

    def __init__(self, target, accept=None):
        self.target, self.accept, self.answered = target, accept, []
        super().__init__(("127.0.0.1", 0), Relay)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Relay(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # the name is http.server's
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
        if self.server.accept:
            headers["Accept"] = self.server.accept
        status, answer, body = get(self.server.target + self.path, **headers)
        self.server.answered.append(answer["Content-Type"])
        self.send_response(status)
        for name in ("Content-Type", "Content-Encoding"):
            if answer[name]:
                self.send_header(name, answer[name])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Prometheus(Process):
    def __init__(self, jobs, *flags):
        self.folder = tempfile.TemporaryDirectory()
        config = os.path.join(self.folder.name, "prometheus.yml")
        with open(config, "w", encoding="ascii") as file:
            file.write(CONFIG.format(jobs="".join(
                JOB.format(name=name, port=proxy.server_address[1]) for name, proxy in jobs.items())))
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/api/v1/"
        super().__init__(PROMETHEUS, f"--config.file={config}", *flags,
                         f"--storage.tsdb.path={self.folder.name}/data",
                         f"--web.listen-address=127.0.0.1:{port}")
        self.line_with("Server is ready")

    def ask(self, path, **parameters):
        query = urllib.parse.urlencode(parameters)
        return json.loads(get(f"{self.url}{path}?{query}")[2])["data"]

    def value(self, expression):
        result = self.ask("query", query=expression)["result"]
        return float(result[0]["value"][1]) if result else None

    def stop(self, *arguments, **options):
        status = super().stop(*arguments, **options)
        self.folder.cleanup()
        return status


class Scraped(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.agent = Agent()
        cls.addClassCleanup(cls.agent.stop)
        cls.names = {re.match("[a-zA-Z0-9_:]+", series).group()
                     for series in samples(cls.agent.metrics())}

    def scraped(self, job, prometheus, proxy, content_type):
        wait_for(lambda: prometheus.value(f'up{{job="{job}"}}') is not None, SLOW)
        wait_for(lambda: prometheus.value(f'up{{job="{job}"}} == 1'), 20)
        self.assertEqual(prometheus.value(f'up{{job="{job}"}}'), 1)
        self.assertTrue(proxy.answered)
        for answered in proxy.answered:
            self.assertTrue(answered.startswith(content_type), answered)
        stored = set(prometheus.ask("label/__name__/values", **{"match[]": f'{{job="{job}"}}'}))
        stored -= {name for name in stored if name.startswith("scrape_") or name == "up"}
        self.assertEqual(self.names - stored, set())
        self.assertEqual(stored - self.names, set())
        with open("/proc/meminfo", encoding="ascii") as file:
            total = int(file.readline().split()[1]) * 1024
        self.assertEqual(prometheus.value(f'node_memory_MemTotal_bytes{{job="{job}"}}'), total)

    def test_as_openmetrics_and_as_text(self):
        jobs = {"openmetrics": Proxy(self.agent.url),
                "text": Proxy(self.agent.url, "text/plain;version=0.0.4")}
        with Prometheus(jobs) as prometheus:
            self.scraped("openmetrics", prometheus, jobs["openmetrics"], OPENMETRICS)
            self.scraped("text", prometheus, jobs["text"], TEXT)
            self.assertNotIn("Error on ingesting", prometheus.log)

    def test_as_protobuf(self):
        jobs = {"protobuf": Proxy(self.agent.url)}
        with Prometheus(jobs, "--enable-feature=native-histograms") as prometheus:
            self.scraped("protobuf", prometheus, jobs["protobuf"], PROTOBUF)
            self.assertNotIn("Error on ingesting", prometheus.log)


class Lint(unittest.TestCase):
    def setUp(self):
        with Agent() as agent:
            self.text = agent.metrics()

    def test_promtool_has_nothing_to_say_about_our_own_families(self):
        said = subprocess.run([PROMTOOL, "check", "metrics"], input=self.text, text=True,
                              capture_output=True, timeout=SLOW, check=False)
        self.assertIn(said.returncode, (0, 3), said.stderr)
        self.assertNotRegex(said.stdout + said.stderr, "(?m)^nodevitals_")
        self.assertNotIn("parsing error", said.stderr)

    def test_our_own_lint_says_what_promtool_says(self):
        said = subprocess.run([PROMTOOL, "check", "metrics"], input=self.text, text=True,
                              capture_output=True, timeout=SLOW, check=False)
        ours = run("check", "metrics", stdin=self.text)
        self.assertEqual(ours.returncode, said.returncode)
        self.assertEqual(sorted(ours.stderr.splitlines()),
                         sorted((said.stdout + said.stderr).splitlines()))


if __name__ == "__main__":
    if not PROMETHEUS or not PROMTOOL:
        skip("prometheus is not installed")
    unittest.main(verbosity=2)
