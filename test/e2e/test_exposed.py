"""A scraped target with `expose: true` shows its series on our /metrics, under its job's name."""
import os
import tempfile
import unittest

from harness import Agent, samples, types, wait_for
from standin import Answer, StandIn

BODY = """# TYPE app_requests_total counter
app_requests_total{code="200"} 5
# TYPE node_load1 counter
node_load1 7
# TYPE app_seconds histogram
app_seconds_bucket{le="1"} 1
app_seconds_bucket{le="+Inf"} 2
app_seconds_sum 3
app_seconds_count 2
"""
CONFIG = """scrape_configs:
- job_name: app
  expose: true
  scrape_interval: 1s
  static_configs: [{{targets: ['127.0.0.1:{port}']}}]
- job_name: quiet
  scrape_interval: 1s
  static_configs: [{{targets: ['localhost:{port}']}}]
"""


class App(StandIn):
    def answer(self, request):
        return Answer(200, BODY, "text/plain; version=0.0.4")


class Exposed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.app = App(tls=False)
        cls.addClassCleanup(cls.app.stop)
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        config = os.path.join(folder.name, "config.yml")
        with open(config, "w", encoding="ascii") as file:
            file.write(CONFIG.format(port=cls.app.port))
        cls.agent = Agent("--collector.disable-defaults", "--collector.loadavg", "--config.file=" + config)
        cls.addClassCleanup(cls.agent.stop)

    def setUp(self):
        wait_for(lambda: "\napp_requests_total{" in self.agent.metrics())

    def test_its_series_stand_there_and_the_report_on_it_does_not(self):
        text = self.agent.metrics()
        found = samples(text)
        self.assertEqual(found['app_requests_total{code="200"}'], "5")
        self.assertEqual(found['app_seconds_bucket{le="+Inf"}'], "2")
        self.assertEqual({name for name in found if name.split("{")[0] == "up" or name.startswith("scrape_")}, set())

    def test_the_nodes_own_family_wins_and_what_is_left_out_is_counted(self):
        text = self.agent.metrics()
        self.assertEqual(types(text)["node_load1"], "gauge")
        self.assertEqual(text.count("\nnode_load1 "), 1)
        series = 'nodevitals_exposed_series_left_out_total{reason="type"}'
        self.assertGreater(float(samples(self.agent.metrics())[series]), 0)

    def test_it_is_chosen_and_left_out_like_a_collector(self):
        chosen = samples(self.agent.metrics("/metrics?collect[]=app"))
        self.assertIn("app_seconds_sum", chosen)
        self.assertEqual(chosen["node_load1"], "7")  # alone, it is nobody's rival
        self.assertNotIn("node_load5", chosen)
        self.assertNotIn("app_seconds_sum", samples(self.agent.metrics("/metrics?exclude[]=app")))
        self.assertEqual(self.agent.get("/metrics?collect[]=quiet")[0], 400)

    def test_it_is_there_in_every_form(self):
        openmetrics = self.agent.get("/metrics", Accept="application/openmetrics-text;version=1.0.0")[2].decode()
        self.assertIn("# TYPE app_requests counter\napp_requests_total{", openmetrics)
        self.assertTrue(openmetrics.endswith("# EOF\n"))
        kind = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
        self.assertIn(b"app_requests_total", self.agent.get("/metrics", Accept=kind)[2])

    def test_while_it_is_down_it_is_not_there(self):
        self.app.down()
        wait_for(lambda: "\napp_requests_total{" not in self.agent.metrics())
        self.assertEqual(self.agent.get("/metrics?collect[]=app")[0], 200)
        self.app.up()


if __name__ == "__main__":
    unittest.main()
