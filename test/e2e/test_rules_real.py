"""Rules that the world uses, asked of a node that a recorded kubelet tells about.

Two agents evaluate them all: one that reads a recorded node's cgroups itself, and one that lives on this machine and takes
its containers from the kubelet. A rule is answered when its expression gives something on one of them. One that gives
nothing has its reason here: a family that a node does not have (MISSING), or numbers that are as they should be; then the
expression must give something once its comparisons tell 0 or 1 (EASED by themselves, the others in QUIET).
"""
import collections
import copy
import glob
import json
import os
import re
import tempfile
import unittest
import urllib.parse

from harness import SHARED, Agent, skip, wait_for
from kubelet import TEXT, Kubelet

RULES = os.path.join(SHARED, "fixtures", "rules-real")
RECORDED = os.path.join(SHARED, "fixtures", "kubelet")
PAYLOADS = os.path.join(RECORDED, "payloads")
if not os.path.isdir(RULES) or not os.path.isdir(RECORDED):
    skip(f"{RULES} and {RECORDED} are not here")

# Selectors without a series: what they select (name and matchers in order), and why there is none.
MISSING = {
    r"kube_(deployment|statefulset|daemonset|replicaset|job|horizontalpodautoscaler|poddisruptionbudget|resourcequota|node|"
    r"persistentvolume|persistentvolumeclaim)_?[a-z_]*{.*": "of the API server's objects, which no kubelet knows",
    r"kube_state_metrics_.*": "of kube-state-metrics itself, which is another program",
    r'kube_pod_status_reason{.*"SchedulingGated".*': "a pod that is held back is on no node",
    r"kube_pod_owner{.*owner_kind!=\"ReplicaSet\".*": "no pod here has an owner of another kind",
    r"node_(systemd_unit_state|systemd_service_restart_total){.*": "no systemd to ask: recorded nodes have no bus",
    r"ALERTS{.*": "no alert has fired for as long as it must",
    # What these machines may lack, being containers.
    r"node_(filesystem|disk|network)_.*": "no disk, or no link but loopback, in this container",
    r"node_(hwmon|edac|nf_conntrack|timex|bonding|md|vmstat|memory_HardwareCorrupted)_?.*": "not of every machine",
}
# Rules whose selectors all find something, and that give nothing all the same.
QUIET = {
    r"node:node_num_cpu:sum": "joins CPUs with the pod that told of them, and here none did",
    r"count:up0": "every target is up",
}
# What the recorded kubelet's /metrics leaves out of a real one's, by name and labels; buckets stand still.
KUBELET = """
# TYPE kubelet_pleg_relist_duration_seconds histogram
kubelet_pleg_relist_duration_seconds_bucket{le="0.005"} 61
kubelet_pleg_relist_duration_seconds_bucket{le="+Inf"} 64
kubelet_pleg_relist_duration_seconds_sum 0.3
kubelet_pleg_relist_duration_seconds_count 64
# TYPE kubelet_pod_worker_duration_seconds histogram
kubelet_pod_worker_duration_seconds_bucket{operation_type="sync",le="1"} 20
kubelet_pod_worker_duration_seconds_bucket{operation_type="sync",le="+Inf"} 21
kubelet_pod_worker_duration_seconds_sum{operation_type="sync"} 4.5
kubelet_pod_worker_duration_seconds_count{operation_type="sync"} 21
# TYPE kubelet_evictions counter
kubelet_evictions{eviction_signal="memory.available"} 2
# TYPE kubelet_certificate_manager_client_ttl_seconds gauge
kubelet_certificate_manager_client_ttl_seconds 2.5e+07
# TYPE kubelet_certificate_manager_server_ttl_seconds gauge
kubelet_certificate_manager_server_ttl_seconds 2.5e+07
# TYPE kubelet_certificate_manager_client_expiration_renew_errors counter
kubelet_certificate_manager_client_expiration_renew_errors 0
# TYPE kubelet_server_expiration_renew_errors counter
kubelet_server_expiration_renew_errors 0
"""
COMPARISON = re.compile(r"(==|!=|>=|<=|>|<)(?!\s*bool)")
FIXED = re.compile(r'("(?:[^"\\]|\\.)*"|\{[^}]*\})')  # what no comparison stands in


def eased(expression):
    """The expression with comparisons that answer instead of choosing."""
    parts = FIXED.split(expression)
    return "".join(part if at % 2 else COMPARISON.sub(r"\1 bool ", part) for at, part in enumerate(parts))


def text_of(name):
    with open(os.path.join(PAYLOADS, name), encoding="utf-8") as f:
        return f.read()


def troubled(pods):
    """The pods and three more: two whose container waits, and a static one."""
    running = next(pod for pod in pods["items"] if pod["metadata"].get("ownerReferences", [{}])[0].get("kind") == "ReplicaSet")
    for name, why in (("crashing", "CrashLoopBackOff"), ("unpulled", "ImagePullBackOff"), ("static", None)):
        pod = copy.deepcopy(running)
        pod["metadata"].update(name=name, uid=f"{len(pods['items']):08x}-0000-4000-8000-000000000000")
        if why:
            for status in pod["status"]["containerStatuses"]:
                status.update(ready=False, state={"waiting": {"reason": why}})
            for condition in pod["status"]["conditions"]:
                condition["status"] = "False" if condition["type"] in ("Ready", "ContainersReady") else condition["status"]
        else:
            pod["metadata"]["ownerReferences"][0].update(apiVersion="v1", kind="Node", name="node-a1")
        pods["items"].append(pod)
    return json.dumps(pods)


def reason(table, text):
    return next((why for pattern, why in table.items() if re.fullmatch(pattern, text)), None)


class Real(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        cls.kubelets = {"recorded": Kubelet(payloads=PAYLOADS, moved=True), "live": Kubelet(payloads=PAYLOADS, moved=True)}
        for kubelet in cls.kubelets.values():
            cls.addClassCleanup(kubelet.stop)
        cls.kubelets["live"].switch("/metrics", body=text_of("metrics.txt") + KUBELET, kind=TEXT)
        cls.kubelets["live"].switch("/pods", body=troubled(json.loads(text_of("pods.json"))), kind="application/json")
        with open(f"{cls.folder}/config.yml", "w", encoding="utf-8") as f:
            f.write("global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 2s}\n"
                    f"rule_files: ['{RULES}/*.yaml']\n")
        root = os.path.join(RECORDED, "cgroup-v2-systemd", "root")
        cls.agents = {
            "recorded": cls.agent("recorded", "--collector.disable-defaults", "--collector.container.source=cgroup",
                                  f"--path.procfs={root}/proc", f"--path.sysfs={root}/sys", f"--path.rootfs={root}"),
            "live": cls.agent("live", "--collector.container.source=kubelet")}

    @classmethod
    def agent(cls, name, *flags):
        agent = Agent(f"--storage.tsdb.path={cls.folder}/{name}", f"--config.file={cls.folder}/config.yml",
                      "--storage.tsdb.interval=1s", "--collector.container", "--collector.kube-pods",
                      "--kubelet.endpoints=metrics,probes,resource", "--kube.scrape-interval=1s",
                      "--no-kube.annotations",  # its pods have addresses of the world outside
                      *cls.kubelets[name].flags(), *flags, env={"NODE_NAME": "node-a1"})
        cls.addClassCleanup(agent.stop)
        return agent

    def api(self, agent, path, **parameters):
        status, _, body = self.agents[agent].get(f"/api/v1/{path}?" + urllib.parse.urlencode(parameters))
        self.assertEqual(status, 200, (parameters, body))
        return json.loads(body)["data"]

    def answers(self, expression):
        """The first agent that has something to say."""
        for agent in self.agents:
            if self.api(agent, "query", query=expression)["result"]:
                return agent
        return None

    def rules(self, agent):
        groups = self.api(agent, "rules")["groups"]
        return [(os.path.basename(group["file"]), rule) for group in groups for rule in group["rules"]]

    def selectors(self, expression):
        """Those of an expression, as text."""
        found = []

        def walk(node):
            if isinstance(node, dict):
                if node.get("type") in ("vectorSelector", "matrixSelector"):
                    matchers = sorted(f'{m["name"]}{m["type"]}"{m["value"]}"' for m in node["matchers"]
                                      if m["name"] != "__name__")
                    found.append(node["name"] + "{" + ",".join(matchers) + "}")
                for inner in node.values():
                    walk(inner)
            elif isinstance(node, list):
                for inner in node:
                    walk(inner)

        walk(self.api("live", "parse_query", query=expression))
        return found

    def seasoned(self):
        """Waits until there is something to make a rate of, and the recording rules have read each other."""
        for agent, family in (("recorded", "container_cpu_usage_seconds_total"), ("live", "node_cpu_seconds_total")):
            self.agents[agent].ready()
            for enough in (family, 'kubelet_node_name', "kube_pod_info", "up"):
                wait_for(lambda a=agent, e=enough: self.api(a, "query", query=f"count(count_over_time({e}[5m]) >= 3)")["result"])
            before = [rule["lastEvaluation"] for _, rule in self.rules(agent)]
            wait_for(lambda a=agent, b=before: all(
                rule["lastEvaluation"] != then for (_, rule), then in zip(self.rules(a), b)), step=0.5)

    def test_every_rule_gives_something_or_has_its_reason(self):
        self.seasoned()
        empty, wrong, used = collections.defaultdict(list), [], set()
        answered = collections.Counter()
        for file, rule in self.rules("live"):
            name = rule["name"]
            agent = self.answers(rule["query"])
            if agent:
                answered[file] += 1
                continue
            missing = [s for s in self.selectors(rule["query"]) if not self.answers(f"last_over_time({s}[5m])")]
            for selector in missing:
                why = reason(MISSING, selector)
                used.add(why)
                if not why:
                    wrong.append(f"{file}: {name}: nothing is {selector}")
            if missing:
                empty["; ".join(sorted({reason(MISSING, s) or "?" for s in missing}))].append(name)
            elif rule["type"] == "alerting" and self.answers(eased(rule["query"])):
                empty["all is as it should be"].append(name)
            else:
                why = reason(QUIET, name)
                used.add(why)
                if not why:
                    wrong.append(f"{file}: {name}: nothing comes of {rule['query']}")
                empty[why or "?"].append(name)
        for why, names in sorted(empty.items()):
            print(f"    empty, {why}: {', '.join(sorted(set(names)))}")
        print(f"    answered: {dict(answered)}")
        self.assertEqual(wrong, [], "\n" + "\n".join(wrong))

    def test_none_fails(self):
        for agent in self.agents:
            self.agents[agent].ready()
            wait_for(lambda a=agent: all(rule["health"] != "unknown" for _, rule in self.rules(a)))
            failed = [(file, rule["name"], rule["lastError"]) for file, rule in self.rules(agent) if rule["health"] != "ok"]
            self.assertEqual(failed, [])

    def test_all_of_them_are_there(self):
        for agent in self.agents:
            self.agents[agent].ready()
            groups = {os.path.basename(group["file"]) for group in self.api(agent, "rules")["groups"]}
            self.assertEqual(groups, {os.path.basename(path) for path in glob.glob(f"{RULES}/*.yaml")})
            written = 0
            for path in glob.glob(f"{RULES}/*.yaml"):
                with open(path, encoding="utf-8") as f:
                    written += len(re.findall(r"^ +(?:- )?(?:alert|record): ", f.read(), re.M))
            self.assertEqual(len(self.rules(agent)), written)


if __name__ == "__main__":
    unittest.main(verbosity=2)
