"""A real Prometheus scrapes a kubelet's /metrics/cadvisor and ours that is made from it, and finds the same."""
import json
import os
import ssl
import tempfile
import unittest
import urllib.parse
import urllib.request

from harness import SHARED, SLOW, Agent, Process, find_program, free_port, get, parse_series, skip, wait_for
from kubelet import Kubelet
from kubelet_node import Node

PROMETHEUS = find_program("prometheus")
PAYLOADS = os.path.join(SHARED, "fixtures", "kubelet", "payloads")
QUICK = ("--collector.disable-defaults", "--collector.container", "--collector.container.source=kubelet",
         "--kube.scrape-interval=1s", "--no-kube.annotations")

CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
- job_name: kubelet
  scheme: https
  metrics_path: /metrics/cadvisor
  honor_timestamps: false
  authorization: {{credentials_file: {token}}}
  tls_config: {{ca_file: {ca}}}
  static_configs: [{{targets: ['127.0.0.1:{kubelet}']}}]
- job_name: nodevitals
  metrics_path: /metrics/cadvisor
  honor_timestamps: false
  static_configs: [{{targets: ['127.0.0.1:{ours}']}}]
"""


class Prometheus(Process):
    def __init__(self, **values):
        self.folder = tempfile.TemporaryDirectory()
        config = os.path.join(self.folder.name, "prometheus.yml")
        with open(config, "w", encoding="ascii") as file:
            file.write(CONFIG.format(**values))
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/api/v1/query?query="
        super().__init__(PROMETHEUS, f"--config.file={config}", f"--storage.tsdb.path={self.folder.name}/data",
                         f"--web.listen-address=127.0.0.1:{port}")
        self.line_with("Server is ready")

    def series(self, job):
        """{labels: value} of what a job has, without its own labels and what Prometheus adds."""
        expression = f'{{job="{job}",__name__!~"up|scrape_.*"}}'
        found = json.loads(get(self.url + urllib.parse.quote(expression))[2])["data"]["result"]
        return {frozenset((name, text) for name, text in one["metric"].items() if name not in ("job", "instance")):
                one["value"][1] for one in found}

    def is_up(self, job):
        found = json.loads(get(self.url + urllib.parse.quote(f'up{{job="{job}"}} == 1'))[2])["data"]["result"]
        return bool(found)

    def stop(self, *arguments, **options):
        status = super().stop(*arguments, **options)
        self.folder.cleanup()
        return status


def from_kubelet(kubelet, path):
    context = ssl.create_default_context(cafile=kubelet.ca_file)
    request = urllib.request.Request(kubelet.url + path, headers={"Authorization": "Bearer the-first-token"})
    with urllib.request.urlopen(request, timeout=SLOW, context=context) as answer:
        return answer.read().decode()


def untimed(text):
    """{(name, labels that are not empty): value} of a text whose samples may have times."""
    found = {}
    for line in text.split("\n"):
        if not line or line[0] == "#":
            continue
        at = line.rfind("}") + 1 or line.index(" ")
        name, labels = parse_series(line[:at])
        found[name, frozenset((key, value) for key, value in labels.items() if value)] = float(line[at:].split()[0])
    return found


def times(text):
    """{series: its own time, None without} of a text in which "{" ends a name."""
    lines = [line.rpartition("} ") for line in text.split("\n") if line.startswith(("container_", "pod_"))]
    return {series: (value.split() + [None])[1] for series, _, value in lines}


class Peer(unittest.TestCase):
    def compare(self, kubelet):
        with Agent(*QUICK, *kubelet.flags()) as agent:
            wait_for(lambda: agent.get("/metrics/cadvisor")[0] == 200)
            ours, theirs = untimed(agent.metrics("/metrics/cadvisor")), untimed(from_kubelet(kubelet, "/metrics/cadvisor"))
            self.assertEqual(ours, theirs)
            self.assertLessEqual(set(theirs), set(untimed(agent.metrics())))
            if not PROMETHEUS:
                skip("prometheus is not installed")
            with Prometheus(kubelet=kubelet.port, ours=agent.port, token=kubelet.token_file,
                            ca=kubelet.ca_file) as prometheus:
                for job in ("kubelet", "nodevitals"):
                    wait_for(lambda job=job: prometheus.is_up(job))
                ours, theirs = prometheus.series("nodevitals"), prometheus.series("kubelet")
                self.assertGreater(len(theirs), 100)
                self.assertEqual(set(ours) ^ set(theirs), set())
                self.assertEqual(ours, theirs)

    def test_of_a_node_that_is_made_up(self):
        node = Node(pods=30, containers=2)
        node.freeze()
        with Kubelet(node=node) as kubelet:
            self.compare(kubelet)

    def test_of_a_recorded_node(self):
        if not os.path.exists(PAYLOADS):
            self.skipTest("../shared/fixtures/kubelet is not there")
        with Kubelet(PAYLOADS) as kubelet:
            self.compare(kubelet)


class Paths(unittest.TestCase):
    def test_container_series_are_chosen_and_left_out_by_their_name(self):
        with Kubelet(node=Node(pods=3)) as kubelet, Agent(*QUICK, *kubelet.flags()) as agent:
            wait_for(lambda: agent.get("/metrics/cadvisor")[0] == 200)
            self.assertIn("\ncontainer_memory_rss{", agent.metrics())
            self.assertIn("\ncontainer_memory_rss{", agent.metrics("/metrics?collect[]=container"))
            self.assertNotIn("\ncontainer_memory_rss{", agent.metrics("/metrics?exclude[]=container"))
            self.assertNotIn("\nnode_scrape_", agent.metrics("/metrics/cadvisor"))

    def test_resource_metrics_are_the_kubelets_own_or_made_from_its_containers(self):
        node = Node(pods=3)
        node.freeze()
        with Kubelet(node=node) as kubelet:
            theirs = untimed(from_kubelet(kubelet, "/metrics/resource"))
            asked = times(from_kubelet(kubelet, "/metrics/resource"))
            self.assertGreater(len(set(asked.values())), 4)  # each cgroup's own
            for endpoints in ("cadvisor", "cadvisor,resource"):
                with Agent(*QUICK, *kubelet.flags(), "--kubelet.endpoints=" + endpoints) as agent:
                    wait_for(lambda: agent.get("/metrics/resource")[0] == 200)
                    wait_for(lambda: agent.get("/metrics/cadvisor")[0] == 200)
                    text = agent.metrics("/metrics/resource")
                    ours = untimed(text)
                    self.assertEqual({name: ours.get(name) for name in theirs}, theirs)
                    self.assertEqual({line: when for line, when in times(text).items() if line in asked}, asked)
                    self.assertRegex(text, r'\npod_cpu_usage_seconds_total\{[^}]*\} \S+ \d{13}\n')
                    self.assertRegex(text, r'\ncontainer_start_time_seconds\{[^}]*\} \S+\n')
                    self.assertNotIn("\npod_cpu_usage", agent.metrics())

    def test_resource_metrics_made_from_cgroups_are_those_of_the_kubelet(self):
        if not os.path.exists(PAYLOADS):
            self.skipTest("../shared/fixtures/kubelet is not there")
        with open(os.path.join(PAYLOADS, "metrics-resource.txt"), encoding="ascii") as file:
            theirs = untimed(file.read())
        # The limit of swap is told by the kubelet alone; the root cgroup knows no swap under v2, and has more memory under v1.
        left_out = ("container_swap_limit_bytes", "node_swap_usage_bytes", "node_memory_working_set_bytes")
        for tree in ("cgroup-v2-systemd", "cgroup-v1-cgroupfs"):
            root = os.path.join(os.path.dirname(PAYLOADS), tree, "root")
            with Kubelet(PAYLOADS) as kubelet, Agent(
                    "--collector.disable-defaults", "--collector.container", "--collector.container.source=cgroup",
                    "--kubelet.endpoints=none", "--no-kube.annotations", f"--path.procfs={root}/proc",
                    f"--path.sysfs={root}/sys", f"--path.rootfs={root}", *kubelet.flags()) as agent:
                wait_for(lambda agent=agent: b'pod="web-' in agent.get("/metrics/resource")[2])
                ours = untimed(agent.metrics("/metrics/resource"))
                for series, value in theirs.items():
                    if series[0] not in left_out:
                        self.assertAlmostEqual(ours[series] / (value or 1), 1 if value else 0, delta=1e-5, msg=series)
                self.assertEqual(set(ours) - set(theirs), set())

    def test_a_kubelet_that_is_down_shows(self):
        with Kubelet(node=Node(pods=3)) as kubelet, \
                Agent(*QUICK, *kubelet.flags()) as agent:
            wait_for(lambda: agent.get("/metrics/cadvisor")[0] == 200)
            kubelet.down()
            wait_for(lambda: agent.get("/metrics/cadvisor")[0] == 503)
            self.assertNotIn("\ncontainer_memory_rss{", agent.metrics())
            self.assertEqual(agent.get("/metrics?collect[]=container")[0], 200)
            kubelet.up()
            wait_for(lambda: agent.get("/metrics/cadvisor")[0] == 200)

    def test_without_containers_the_paths_say_so(self):
        with Agent("--collector.disable-defaults", "--collector.loadavg") as agent:
            for path in ("/metrics/cadvisor", "/metrics/resource"):
                status, _, body = agent.get(path)
                self.assertEqual(status, 404)
                self.assertIn(b"--collector.container is off", body)


if __name__ == "__main__":
    find_program("openssl") or skip("openssl is not there to make certificates")
    unittest.main()
