"""The dashboards of deploy/grafana: what Grafana takes, and what answers come to every expression.

Without a Grafana: the JSON is looked through for what it would silently get wrong (numbers given twice, panels over each
other, variables that nobody sets, an override that fits no series, a unit it does not know), every expression is parsed by
the agent and by promtool, and asked of an agent; where nothing comes, the reason is below.
"""
import glob
import json
import os
import re
import subprocess
import tempfile
import time
import unittest
import urllib.parse

from harness import SHARED, SOURCE, Agent, Process, find_program, free_port, get, wait_for
from kubelet import Kubelet
from kubelet_node import Cgroup, Node

FOLDER = os.path.join(SOURCE, "deploy", "grafana")
RECORDED = os.path.join(SHARED, "fixtures", "kubelet")
BUILTIN = {"__rate_interval": "1m", "__interval": "15s", "__range": "5m"}
UNITS = set("""none short percentunit bytes bits bps Bps pps ops iops reqps s dtdurations hertz celsius rotrpm watt""".split())
PANELS = {"row", "timeseries", "stat", "gauge", "table"}

# Families that a machine, or its history, may lack; whatever needs them stays empty.
REASONS = {
    r"node_pressure_.+": "kernels without PSI, or without that of interrupts",
    r"node_hwmon_.+|node_thermal_zone_temp": "virtual machines have no sensors",
    r"node_rapl_.+": "RAPL is read by root alone, and absent in virtual machines",
    r"node_cpu_scaling_.+|node_cpu_core_throttles_total": "the hypervisor has the frequency",
    r"node_schedstat_.+": "kernels without /proc/schedstat",
    r"node_md_.+": "no software RAID here",
    r"node_edac_.+": "no memory controller to ask",
    r"node_systemd_.+": "no systemd here",
    r"node_nf_conntrack_.+": "connection tracking is not loaded",
    r"node_network_speed_bytes": "virtual links have no speed",
    r"node_textfile_.+": "no folder of text files",
    r"node_disk_.+|node_filesystem_.+|nodevitals_disk_.+": "no disk in this container",
    r"node_softnet_.+|node_network_.+|nodevitals_network_.+": "no link but loopback",
    r"nodevitals_tsdb_(lowest|highest)_timestamp_seconds|prometheus_rule_group_last_duration_seconds":
        "on /metrics alone: history has no use for it",
    r"ALERTS": "all is well",
    r"nodevitals_kubelet_.+|nodevitals_kubernetes_auth_.+": "no kubelet is asked, no API server",
    r"nodevitals_scrape_.+|prometheus_target_.+|nodevitals_exposed_series_left_out_total": "nothing is scraped",
    r"nodevitals_config_.+|prometheus_(rule|notifications)_.+": "no configuration is given",
    r"container_memory_(events_max_total|failcnt)": "one is version 1's, the other version 2's",
    r"container_spec_cpu_quota": "no limits are set",
    r"container_(oom_events|pressure_.+)_total": "not of every kernel",
    r"container_memory_(swap|kernel_usage)": "not of every kernel",
    r"container_(short_lived|oom_kills)_total|container_(series|cgroups)_left_out": "of nodevitals' own collector alone",
    r"kube_pod_container_status_(waiting|last_terminated)_reason": "none waits, none has ended",
}
# These compare: their families are there, and nothing is as bad as that, or as good.
QUIET = {
    "Reboots": "none", "Starts": "none", "OOM kills": "none", "Restarts": "none", "CPU by unit": "none is busy",
    "Throttled": "no limits are set, or nothing moves", "Of its limit": "no limits are set",
    "Pods": "no limits are set",
    "Sampling and syncing": "nothing was synced yet", "Time of a group": "none was evaluated since",
    "Units that failed": "none", "Not well": "none was started again", "Problems in the logs": "nothing new",
    "Where they befell": "nothing new", "Targets": "none is left out", "Come and gone unseen": "none",
    "Lasting problems": "none", "Kubelet asked": "none failed", "Arrays without a disk": "none",
    "Without success": "all succeed",
    "Latency": "the disk had nothing to do", "TCP trouble": "nothing was sent",
    "File systems": "none fills up", "Clock": "nothing sets the clock", "Open files of all processes": "no limit to speak of",
    "Share of the link's speed": "virtual links have no speed", "Links": "virtual links have no speed", "Alerts": "none",
    "Disk latency: the slowest": "the disk had nothing to do",
}
VARIABLE = re.compile(r"\$\{?([a-zA-Z_]\w*)}?")  # $1 is label_replace's
LEGEND = re.compile(r"{{\s*(\w+)\s*}}")


def load():
    found = {}
    for path in sorted(glob.glob(os.path.join(FOLDER, "*.json"))):
        with open(path, encoding="utf-8") as f:
            found[os.path.basename(path)] = json.load(f)
    return found


def panels(board):
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels", ())


def expressions(board):
    """(title, expression, legend) of every panel and annotation."""
    for panel in panels(board):
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"], target["legendFormat"]
    for note in board["annotations"]["list"]:
        if "expr" in note:
            yield note["name"], note["expr"], note["titleFormat"] + note["textFormat"]


def substituted(text, values):
    return VARIABLE.sub(lambda m: values[m.group(1)], text)


def overlap(a, b):
    a, b = a["gridPos"], b["gridPos"]
    return (a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"] and
            a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"])


def fits(matcher, names):
    if matcher["id"] == "byName":
        return matcher["options"] in names
    expression = matcher["options"].strip("/")
    return any(re.search(expression, name) for name in names)


def made_up():
    """A node with four pods, and a container that no pod has."""
    node = Node(pods=4)
    node.above.append(Cgroup("c", "/machine.slice/libpod-" + "ab" * 32 + ".scope", node.born, name="database", image="db:1"))
    return node


class Central(Process):
    """A Prometheus that scrapes agents each second, under a job of its own."""

    def __init__(self, folder, agents):
        config, port = os.path.join(folder, "prometheus.yml"), free_port()
        targets = ", ".join(f"'127.0.0.1:{agent.port}'" for agent in agents)
        with open(config, "w", encoding="ascii") as f:
            f.write("global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
                    f"scrape_configs: [{{job_name: nodes, honor_timestamps: false, static_configs: [{{targets: [{targets}]}}]}}]\n")
        self.url = f"http://127.0.0.1:{port}"
        super().__init__(find_program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder}/prometheus",
                         f"--web.listen-address=127.0.0.1:{port}")

    def get(self, path):
        return get(self.url + path)

    def ready(self):
        self.line_with("Server is ready")


class Json(unittest.TestCase):
    """What Grafana would take without a word and show wrongly."""

    def setUp(self):
        self.boards = load()
        self.assertGreaterEqual(set(self.boards), {"node.json", "containers.json", "agent.json"})

    def test_every_dashboard_is_one_of_its_own(self):
        uids = [board["uid"] for board in self.boards.values()]
        self.assertEqual(len(set(uids)), len(uids))
        for name, board in self.boards.items():
            self.assertGreaterEqual(board["schemaVersion"], 39, name)  # Grafana 10.4
            self.assertTrue(board["title"] and board["description"], name)
            self.assertIn("nodevitals", board["tags"])
            self.assertNotIn("id", board, "the number is the data base's")

    def test_every_panel_has_its_number_place_and_kind(self):
        for name, board in self.boards.items():
            everything = list(panels(board))
            numbers = [panel["id"] for panel in everything]
            self.assertEqual(len(set(numbers)), len(numbers), name)
            for group in [board["panels"], *(p["panels"] for p in board["panels"] if p["type"] == "row")]:
                for i, panel in enumerate(group):
                    place = panel["gridPos"]
                    self.assertLessEqual(place["x"] + place["w"], 24, (name, panel["title"]))
                    for other in group[i + 1:]:
                        self.assertFalse(overlap(panel, other), (name, panel["title"], other["title"]))
            for panel in everything:
                self.assertIn(panel["type"], PANELS, (name, panel["title"]))
                self.assertTrue(panel["title"], name)
                if panel["type"] == "row":
                    self.assertTrue(panel["collapsed"] or not panel["panels"], panel["title"])
                    continue
                refs = [target["refId"] for target in panel["targets"]]
                self.assertEqual(len(set(refs)), len(refs), panel["title"])
                self.assertTrue(refs, panel["title"])

    def test_the_data_source_is_chosen_by_the_reader(self):
        for name, board in self.boards.items():
            variables = [variable["name"] for variable in board["templating"]["list"]]
            self.assertEqual(variables[0], "datasource", name)
            chosen = {"type": "prometheus", "uid": "${datasource}"}
            for panel in panels(board):
                if panel["type"] != "row":
                    for holder in [panel, *panel["targets"]]:
                        self.assertEqual(holder["datasource"], chosen, panel["title"])
            for variable in board["templating"]["list"][1:]:
                self.assertEqual(variable["datasource"], chosen)

    def test_every_variable_that_is_used_is_set_before(self):
        for name, board in self.boards.items():
            known = set()
            for variable in board["templating"]["list"]:
                for used in VARIABLE.findall(json.dumps(variable.get("query", ""))):
                    self.assertIn(used, known, (name, variable["name"]))
                known.add(variable["name"])
            for title, expression, _ in expressions(board):
                used = set(VARIABLE.findall(expression))
                self.assertLessEqual(used, known | set(BUILTIN), title)
                self.assertIn("instance" if name != "containers.json" else "pod", used | {"pod"}, title)
            used = set(VARIABLE.findall(json.dumps(board)))
            self.assertEqual(known - used, set(), f"{name}: nobody uses")

    def test_units_are_known_and_overrides_fit_something(self):
        for name, board in self.boards.items():
            for panel in panels(board):
                if panel["type"] == "row":
                    continue
                where = (name, panel["title"])
                config = panel["fieldConfig"]
                if panel["type"] != "table":
                    self.assertIn(config["defaults"]["unit"], UNITS, where)
                shown = [LEGEND.sub("x", target["legendFormat"]) for target in panel["targets"]]
                if panel["type"] == "table":
                    shown = [new for change in panel["transformations"] if change["id"] == "organize"
                             for new in change["options"]["renameByName"].values()]
                whole = any(target["legendFormat"] in ("{{mode}}", "{{state}}", "{{phase}}", "{{outcome}}", "{{reason}}", "{{verdict}}")
                            for target in panel["targets"])
                for override in config["overrides"]:
                    self.assertTrue(whole or fits(override["matcher"], shown), (*where, override["matcher"]))
                    for prop in override["properties"]:
                        if prop["id"] == "unit":
                            self.assertIn(prop["value"], UNITS, where)

    def test_colours_change_at_rising_values(self):
        def thresholds(value):
            if isinstance(value, dict):
                if isinstance(value.get("steps"), list):
                    yield value["steps"]
                for inner in value.values():
                    yield from thresholds(inner)
            elif isinstance(value, list):
                for inner in value:
                    yield from thresholds(inner)

        for name, board in self.boards.items():
            for steps in thresholds(board):
                self.assertIsNone(steps[0]["value"], name)
                values = [step["value"] for step in steps[1:]]
                self.assertEqual(values, sorted(values), name)

    def test_tables_name_columns_that_their_queries_give(self):
        for name, board in self.boards.items():
            for panel in panels(board):
                if panel["type"] != "table":
                    continue
                self.assertTrue(all(target["format"] == "table" and target["instant"] for target in panel["targets"]))
                refs = {f"Value #{target['refId']}" for target in panel["targets"]} if len(panel["targets"]) > 1 else {"Value"}
                organize = panel["transformations"][-1]["options"]
                for column in [*organize["renameByName"], *organize["excludeByName"]]:
                    if column.startswith("Value"):
                        self.assertIn(column, refs, (name, panel["title"]))
                told = set(organize["renameByName"]) | set(organize["excludeByName"])
                self.assertLessEqual(refs, told, (name, panel["title"]))


class Asked(unittest.TestCase):
    """Every expression, asked of an agent."""

    def api(self, agent, path, **parameters):
        query = urllib.parse.urlencode(parameters, doseq=True)
        status, _, body = agent.get(f"/api/v1/{path}?{query}")
        answer = json.loads(body)
        self.assertEqual(status, 200, (parameters, answer))
        return answer["data"]

    def names(self, expression):
        """The families that an expression selects, which may be expressions themselves."""
        found = []

        def walk(node):
            if isinstance(node, dict):
                if node.get("type") in ("vectorSelector", "matrixSelector"):
                    found.extend(m["value"] for m in node["matchers"] if m["name"] == "__name__")
                for inner in node.values():
                    walk(inner)
            elif isinstance(node, list):
                for inner in node:
                    walk(inner)

        walk(self.api(self.node, "parse_query", query=expression))
        return found

    def chosen(self, agent, board):
        """What a reader who opens the dashboard has in its variables."""
        values = dict(BUILTIN, datasource="x")
        for variable in board["templating"]["list"][1:]:
            query = substituted(variable["query"]["query"], values)
            series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", query).groups()
            answers = self.api(agent, f"label/{label}/values", **{"match[]": series})
            if variable["multi"]:
                values[variable["name"]] = variable["allValue"]
            else:
                self.assertTrue(answers, f"no choice for {variable['name']}: {query}")
                values[variable["name"]] = answers[0]
        return values

    def unknown(self, expression, there):
        return [name for name in self.names(expression) if not any(re.fullmatch(name, family) for family in there)]

    def answer(self, agent, expression, patient):
        """What is collected every few seconds may be between two samples on a machine that is busy."""
        end = time.monotonic() + (20 if patient else 0)
        while True:
            result = self.api(agent, "query", query=expression)["result"]
            if result or time.monotonic() > end:
                return result
            time.sleep(0.5)

    def ask(self, agent, board):
        values = self.chosen(agent, board)
        there = set(self.api(agent, "label/__name__/values"))
        empty, answered, wrong = {}, 0, []
        for title, template, legend in expressions(board):
            expression = substituted(template, values)
            result = self.answer(agent, expression, patient=title not in QUIET and not self.unknown(expression, there))
            if result:
                answered += 1
                for label in LEGEND.findall(legend):
                    if not any(label in series["metric"] for series in result):
                        wrong.append(f"{title}: no series has the label {label}: {expression}")
                continue
            missing = self.unknown(expression, there)
            why = [reason for pattern, reason in REASONS.items() if any(re.fullmatch(pattern, name) for name in missing)]
            if not missing and title in QUIET:
                why = [QUIET[title]]
            if not why:
                wrong.append(f"{title}: nothing came, without a reason: {expression}"
                             + (f" ({', '.join(missing)} unknown)" if missing else ""))
            empty.setdefault("; ".join(why), []).append(title)
        for why, titles in sorted(empty.items()):
            print(f"    empty, {why}: {', '.join(sorted(set(titles)))}")
        self.assertEqual(wrong, [], "\n" + "\n".join(wrong))
        return answered

    @classmethod
    def setUpClass(cls):
        cls.boards = load()
        cls.folder = tempfile.TemporaryDirectory()
        place = cls.folder.name
        config, often = os.path.join(place, "config.yml"), os.path.join(place, "often.yml")
        with open(config, "w", encoding="utf-8") as f:
            f.write(f"rule_files: [{SOURCE}/deploy/rules/node.yml]\n"
                    "alerting: {alertmanagers: [{static_configs: [{targets: ['127.0.0.1:1']}]}]}\n")
        with open(often, "w", encoding="utf-8") as f:
            f.write("global: {scrape_interval: 2s, scrape_timeout: 2s}\n")
        log = os.path.join(place, "kmsg")
        with open(log, "w", encoding="utf-8") as f:
            f.write("3,7,1000000,-;Memory cgroup out of memory: Killed process 4711 (hog) total-vm:1024kB, anon-rss:512kB, "
                    "file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:40kB oom_score_adj:0\n")
        cls.node = Agent(f"--config.file={config}", f"--storage.tsdb.path={place}/node", "--collector.systemd",
                         "--collector.kmsg", f"--path.kmsg={log}")
        cls.kubelets = [Kubelet(node=made_up())]
        cls.containers = Agent(f"--config.file={often}", f"--storage.tsdb.path={place}/containers",
                               "--collector.disable-defaults", "--collector.kube-pods", "--collector.container",
                               "--collector.container.source=kubelet", *cls.kubelets[0].flags())
        cls.recorded = []
        if os.path.isdir(RECORDED):
            cls.kubelets.append(Kubelet(payloads=os.path.join(RECORDED, "payloads")))
            cls.recorded = [cls.of_recorded(kind) for kind in ("cgroup-v2-systemd", "cgroup-v1-cgroupfs")]

    @classmethod
    def of_recorded(cls, kind):
        root = os.path.join(RECORDED, kind, "root")
        return Agent(f"--storage.tsdb.path={cls.folder.name}/{kind}", "--collector.disable-defaults", "--collector.container",
                     "--collector.container.source=cgroup", "--collector.kube-pods", f"--path.procfs={root}/proc",
                     f"--path.sysfs={root}/sys", f"--path.rootfs={root}",
                     "--no-kube.annotations",  # its pods have addresses of the world outside
                     *cls.kubelets[-1].flags())

    @classmethod
    def tearDownClass(cls):
        for agent in [cls.node, cls.containers, *cls.recorded]:
            agent.stop()
        for kubelet in cls.kubelets:
            kubelet.stop()
        cls.folder.cleanup()

    def seasoned(self, agent, family):
        """An agent with a history of which a rate can be made; what it tells of itself is kept every 15 seconds."""
        agent.ready()
        wait_for(lambda: self.api(agent, "query", query=f"count_over_time({family}[1m]) >= 2")["result"], step=0.5)
        return agent

    def test_every_expression_is_read_by_the_agent_and_by_promtool(self):
        rules = []
        agent = self.node.ready()
        for board in self.boards.values():
            values = {v["name"]: "x" for v in board["templating"]["list"]} | BUILTIN
            for _, template, _ in expressions(board):
                expression = substituted(template, values)
                self.api(agent, "parse_query", query=expression)
                rules.append({"record": f"of:{len(rules)}", "expr": expression})
        promtool = find_program("promtool")
        if not promtool:
            print("    promtool is not installed")
            return
        path = os.path.join(self.folder.name, "rules.json")  # which is YAML, too
        with open(path, "w", encoding="utf-8") as f:
            json.dump({"groups": [{"name": "dashboards", "rules": rules}]}, f)
        result = subprocess.run([promtool, "check", "rules", path], capture_output=True, text=True, timeout=60)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(f"{len(rules)} rules found", result.stdout)

    def test_the_node_and_the_agent_answer_about_themselves(self):
        agent = self.seasoned(self.node, "nodevitals_run_queue_tasks_count")
        self.assertGreater(self.ask(agent, self.boards["node.json"]), 60)
        self.assertGreater(self.ask(agent, self.boards["agent.json"]), 60)

    def test_containers_and_pods_are_shown(self):
        agent = self.seasoned(self.containers, "container_processes")
        self.assertGreater(self.ask(agent, self.boards["containers.json"]), 40)
        self.seasoned(agent, "nodevitals_kubelet_pods")
        self.assertGreater(self.ask(agent, self.boards["agent.json"]), 60)

    def test_a_central_prometheus_answers_as_well(self):
        if not find_program("prometheus"):
            self.skipTest("prometheus is not installed")
        self.node.ready()
        with Central(self.folder.name, [self.node]) as central:
            self.seasoned(central, "node_load1")
            self.assertGreater(self.ask(central, self.boards["node.json"]), 60)
            self.assertGreater(self.ask(central, self.boards["agent.json"]), 60)

    def test_recorded_nodes_are_shown(self):
        if not self.recorded:
            self.skipTest(f"{RECORDED} is not here")
        for agent in self.recorded:
            self.seasoned(agent, 'container_cpu_usage_seconds_total{container!=""}')
            self.assertGreater(self.ask(agent, self.boards["containers.json"]), 35)


if __name__ == "__main__":
    unittest.main(verbosity=2)
