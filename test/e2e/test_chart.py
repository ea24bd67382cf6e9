#!/usr/bin/env python3
"""deploy/helm/nodevitals renders as it comes, with each preset, each switch alone and all together, and what it renders
keeps the rules of manifests.py. The values are what values.schema.json allows.

Rendered by test/deploy/chart.go, and by helm, too, where that is installed; both must give the same.
"""
import atexit
import json
import os
import random
import re
import shutil
import subprocess
import tempfile
import unittest

import harness
import manifests

CHART = os.path.join(harness.SOURCE, "deploy", "helm", "nodevitals")
EVERYTHING = os.path.join(harness.SOURCE, "test", "deploy", "everything.yml")

# What a value makes sense with, by path.
COMPANIONS = {
    "tls.enabled": {"tls": {"existingSecret": "own"}},
    "web.systemAuthDelegator": {"web": {"kubernetesAuth": True}},
    "serviceAccount.create": {"serviceAccount": {"name": "elsewhere"}},
    "storage.emptyDir.medium": {"storage": {"retention": {"size": "32MB"}, "emptyDir": {"sizeLimit": "64Mi"}}},
    "dnsPolicy": {"dnsConfig": {"nameservers": ["10.0.0.10"]}},
    "hostUsers": {"hostNetwork": False, "hostPID": False},
    "journal": {"features": {"journal": True}},
    "service": {"tls": {"enabled": False}},
    "prometheusRule": {"prometheusRule": {"enabled": True}},
    "networkPolicy": {"service": {"port": 9180, "targetPort": 9180}},
    "extraVolumes": {"extraVolumeMounts": [{"name": "scratch", "mountPath": "/tmp"}]},
    "hostRootFsMount.enabled": {"kubelet": {"caFile": ""}},
    "extraVolumeMounts": {"extraVolumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "1Mi"}}]},
}
# What somebody gives up who asks for it, by the rule's words.
WAIVED = {
    "dnsPolicy": ("names of the cluster resolve",),
    "hostRootFsMount.mountPropagation": ("nodevitals: does not see later mounts",),
    "rbac.create": ("a role of set()",),
    "storage.hostPath.chown": ("the folder of the host becomes",),
    "web.https": ("startupProbe wants", "livenessProbe wants", "readinessProbe wants"),
}
# With each of many settings: what some of them want, and those that refuse each other, which have tests of their own.
PAIRED = {"tls": {"existingSecret": "own"}, "serviceAccount": {"name": "elsewhere"},
          "storage": {"retention": {"size": "32MB"}, "emptyDir": {"sizeLimit": "64Mi"}},
          "resources": {"limits": {"memory": "256Mi"}}, "dnsConfig": {"nameservers": ["10.0.0.10"]}}
UNPAIRED = {"hostPID", "hostRootFsMount.enabled", "hostUsers", "kubelet.nodesProxy", "rbac.create", "service.enabled"}
# Of the cluster, not of the chart.
OUTSIDE = {"own", "some", "keys", "nv-tls", ("monitoring", "elsewhere"), "theirs"}


def read(path):
    with open(path, encoding="utf-8") as f:
        return manifests.documents(f.read())[0]


def at(tree, path):
    for key in path.split("."):
        tree = tree[key]
    return tree


def with_value(path, value):
    tree = value
    for key in reversed(path.split(".")):
        tree = {key: tree}
    return tree


def merged(under, over):
    """As helm does it: null takes a value away."""
    out = dict(under)
    for key, value in over.items():
        if value is None and out.get(key) is not None:
            del out[key]
            continue
        out[key] = merged(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) else value
    return out


def pairwise(sizes):
    """Rows of choices, one of each size, in which every two choices of two columns meet; greedy, and the same each time."""
    missing = {(i, a, j, b) for i, n in enumerate(sizes) for j in range(i) for a in range(n) for b in range(sizes[j])}
    rng = random.Random(1)
    while missing:
        i, a, j, b = min(missing)
        row = {i: a, j: b}
        for column in rng.sample(range(len(sizes)), len(sizes)):
            if column not in row:
                row[column] = max(range(sizes[column]), key=lambda v: sum(
                    ((column, v, c, w) if column > c else (c, w, column, v)) in missing for c, w in row.items()))
        missing -= {(i, row[i], j, row[j]) for i in row for j in range(i)}
        yield [row[column] for column in range(len(sizes))]


# ---- JSON Schema, as much of it as ours uses ---------------------------------------------------------

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "integer": int,
         "number": (int, float)}


def is_of(value, name):
    return isinstance(value, TYPES[name]) and not (name in ("integer", "number") and isinstance(value, bool))


def mistakes(value, schema, path=""):
    known = {"$schema", "title", "description", "type", "enum", "pattern", "minimum", "maximum", "required", "properties",
             "additionalProperties", "items"}
    assert set(schema) <= known, f"{path}: this checker does not know {set(schema) - known}"
    names = schema.get("type", [])
    names = [names] if isinstance(names, str) else names
    if names and not any(is_of(value, name) for name in names):
        return [f"{path}: {value!r} is no {'/'.join(names)}"]
    found = []
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{path}: {value!r} is none of {schema['enum']}")
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        found.append(f"{path}: {value!r} does not match {schema['pattern']}")
    if is_of(value, "number") and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        found.append(f"{path}: {value} is out of range")
    if isinstance(value, list):
        for i, item in enumerate(value):
            found += mistakes(item, schema.get("items", {}), f"{path}[{i}]")
    if isinstance(value, dict):
        found += [f"{path}: {key} is missing" for key in schema.get("required", []) if key not in value]
        for key, inner in value.items():
            rest = schema.get("additionalProperties", True)
            if key in schema.get("properties", {}):
                found += mistakes(inner, schema["properties"][key], f"{path}.{key}")
            elif rest is False:
                found.append(f"{path}: no value is named {key}")
            elif rest is not True:
                found += mistakes(inner, rest, f"{path}.{key}")
    return found


# ---- rendering -----------------------------------------------------------------------------------------


def values_file(values):
    handle, path = tempfile.mkstemp(".yaml", dir=manifests.work())
    with os.fdopen(handle, "w", encoding="utf-8") as f:
        json.dump(values, f)
    return path


_renderer = None


def rendered(*values, version="v1.32.0"):
    """What test/deploy/chart.go, which stays for further questions, answers."""
    global _renderer
    if _renderer is None:
        _renderer = subprocess.Popen([manifests.chart_tool(), "render", CHART], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True)
        atexit.register(_renderer.communicate)
    _renderer.stdin.write(json.dumps({"kubernetes": version, "values": values}) + "\n")
    _renderer.stdin.flush()
    return json.loads(_renderer.stdout.readline())


def refusal(*values):
    """Why it does not render."""
    made = rendered(*values)
    assert "error" in made, f"{values} renders"
    return made["error"]


def render(*values, version="v1.32.0"):
    made = rendered(*values, version=version)
    assert "error" not in made, made["error"]
    return made["objects"], made["notes"]


def pod(objects):
    return manifests.of_kind(objects, "DaemonSet")[0]["spec"]["template"]["spec"]


def agent(objects):
    return pod(objects)["containers"][0]


def sorted_by_name(objects):
    return sorted(objects, key=lambda o: (o["kind"], o["metadata"]["name"]))


class Chart(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        manifests.chart_tool()
        cls.values = read(os.path.join(CHART, "values.yaml"))
        cls.everything = read(EVERYTHING)
        with open(os.path.join(CHART, "values.schema.json"), encoding="utf-8") as f:
            cls.schema = json.load(f)

    def keeps_the_rules(self, *values, version="v1.32.0", waived=()):
        """What is rendered, after it has been judged."""
        together = self.values
        for one in values:
            together = merged(together, one)
        self.assertEqual(mistakes(together, self.schema), [])
        objects, _ = render(*values, version=version)
        closed = together["features"]["closedFolders"]
        if closed is None:
            closed = together["preset"] in ("full", "privileged")
        self.assertEqual(manifests.violations(objects, proxy=together["kubelet"]["nodesProxy"], outside=OUTSIDE,
                                              rights={"DAC_READ_SEARCH"} if closed else (), waived=waived), [], values)
        return objects

    # ---- the values --------------------------------------------------------------------------------

    def leaves(self, schema=None, path=""):
        """(path, schema) of each value that is not a map of named ones."""
        schema = schema or self.schema
        for key, inner in schema["properties"].items():
            below = f"{path}.{key}" if path else key
            if "properties" in inner:
                yield from self.leaves(inner, below)
            else:
                yield below, inner

    def test_each_value_is_in_the_schema_and_each_of_the_schema_has_a_value(self):
        self.assertEqual(mistakes(self.values, self.schema), [])
        for path, _ in self.leaves():
            at(self.values, path)

    def test_the_schema_refuses_mistakes(self):
        for wrong in ({"featurs": {}}, {"features": {"kmgs": True}}, {"preset": "all"}, {"hostNetwork": "yes"},
                      {"service": {"port": 0}}, {"service": {"portName": "Metrics_Port"}}, {"extraArgs": ["collector.x"]},
                      {"storage": {"retention": {"size": "lots"}}}, {"storage": {"type": "pvc"}}, {"podLabels": {"a": 1}}):
            self.assertNotEqual(mistakes(merged(self.values, wrong), self.schema), [], wrong)

    def test_the_version_is_that_of_the_agent(self):
        chart = read(os.path.join(CHART, "Chart.yaml"))
        self.assertIn(f"version {chart['appVersion']} ", harness.run("--version").stdout)

    def test_rules_and_dashboards_are_links_and_not_copies(self):
        for link, folder in (("rules", "rules"), ("dashboards", "grafana")):
            self.assertEqual(os.path.realpath(os.path.join(CHART, link)),
                             os.path.realpath(os.path.join(harness.SOURCE, "deploy", folder)))

    # ---- what is rendered ----------------------------------------------------------------------------

    def test_as_it_comes(self):
        objects = self.keeps_the_rules({})
        self.assertEqual({o["kind"] for o in objects}, {"DaemonSet", "Service", "ServiceAccount", "ClusterRole",
                                                        "ClusterRoleBinding", "ConfigMap", "Pod"})
        self.assertEqual(agent(objects)["securityContext"]["capabilities"], {"drop": ["ALL"]})
        self.assertTrue(pod(objects)["securityContext"]["runAsNonRoot"])

    def test_the_agent_starts_as_the_chart_starts_it(self):
        with manifests.agent_of(self.keeps_the_rules({})) as running:
            running.ready()
            self.assertIn("node_uname_info", running.metrics())

    def test_the_agent_starts_with_all_that_the_widest_preset_has(self):
        with manifests.agent_of(self.keeps_the_rules({"preset": "privileged"})) as running:
            self.assertIn("node_uname_info", running.ready().metrics())

    def test_users_keep_scrapers_out_and_let_probes_in(self):
        users = {"basic_auth_users": {"somebody": "$2y$04$abcdefghijklmnopqrstuuu6v0OZ2qGdKQGZlHm3o8o1nGGVKx8Dq"}}
        objects = self.keeps_the_rules({"web": {"config": users}})
        with manifests.agent_of(objects) as running:
            running.ready()
            self.assertEqual(running.get("/metrics")[0], 401)
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                self.assertEqual(running.get(agent(objects)[probe]["httpGet"]["path"])[0], 200)

    def test_presets(self):
        added = {}
        for preset in self.schema["properties"]["preset"]["enum"]:
            objects = self.keeps_the_rules({"preset": preset})
            added[preset] = agent(objects)["securityContext"].get("capabilities", {}).get("add", [])
            self.assertEqual(agent(objects)["securityContext"].get("privileged"), preset == "privileged")
        self.assertEqual(added["minimal"], [])
        self.assertEqual(added["standard"], [])
        self.assertTrue(added["full"])
        minimal = self.keeps_the_rules({"preset": "minimal"})
        self.assertFalse(manifests.of_kind(minimal, "ClusterRole", "ClusterRoleBinding"))

    def test_each_switch_alone(self):
        for path, schema in self.leaves():
            kinds = schema.get("type", [])
            tried = list(schema.get("enum", []))
            if "boolean" in ([kinds] if isinstance(kinds, str) else kinds):
                tried += [True, False]
            for value in tried:
                with self.subTest(path=path, value=value):
                    self.keeps_the_rules(COMPANIONS.get(path, {}), with_value(path, value), waived=WAIVED.get(path, ()))

    def test_each_feature_brings_what_it_needs_and_nothing_else_does(self):
        off = {name: False for name in self.values["features"]}
        bare = agent(self.keeps_the_rules({"features": off}))
        self.assertNotIn("add", bare["securityContext"]["capabilities"])
        for name in off:
            with self.subTest(feature=name):
                alone = self.keeps_the_rules({"preset": "minimal", "features": {**off, name: True}})
                among = self.keeps_the_rules({"preset": "privileged", "features": {name: False}})
                # closedFolders is a right without a flag: what else needs DAC_READ_SEARCH is not there
                if name != "closedFolders":
                    self.assertNotEqual(agent(alone)["args"], bare["args"])
                self.assertTrue(among)

    def test_each_key_of_everything_alone(self):
        for key in self.everything:
            if key in ("configmaps", "secrets"):
                continue # of no use without extraManifests
            with self.subTest(key=key):
                self.keeps_the_rules(COMPANIONS.get(key, {}), {key: self.everything[key]})

    def test_everything_together(self):
        objects = self.keeps_the_rules(self.everything)
        self.assertLessEqual({"ServiceMonitor", "PodMonitor", "PrometheusRule", "NetworkPolicy", "Namespace", "Secret",
                              "VerticalPodAutoscaler"}, {o["kind"] for o in objects})
        self.assertTrue(agent(objects)["securityContext"]["privileged"])

    def test_old_and_new_clusters(self):
        for version in ("v1.20.2", "v1.27.9-gke.1", "v1.34.1+k3s1"):
            names = {e["name"] for e in agent(self.keeps_the_rules({}, version=version))["env"]}
            self.assertEqual("HOST_IPS" in names, version >= "v1.30", version)

    def test_new_clusters_leave_nothing_writable_within_what_is_read_only(self):
        for version, propagation, wanted in (("v1.32.9", "HostToContainer", set()), ("v1.33.0", "HostToContainer", {"proc", "sys"}),
                                             ("v1.34.1+k3s1", "None", {"proc", "sys", "root"})):
            objects = self.keeps_the_rules({"hostRootFsMount": {"mountPropagation": propagation}}, version=version,
                                           waived=WAIVED["hostRootFsMount.mountPropagation"] if propagation == "None" else ())
            mounts = agent(objects)["volumeMounts"]
            self.assertEqual({m["name"] for m in mounts if m.get("recursiveReadOnly") == "IfPossible"}, wanted, version)
            for m in mounts: # the API server refuses it otherwise
                self.assertFalse("recursiveReadOnly" in m and m.get("mountPropagation", "None") != "None")

    def test_affinity_is_joined(self):
        terms = pod(self.keeps_the_rules({"affinity": self.everything["affinity"]}))["affinity"]["nodeAffinity"][
            "requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
        self.assertEqual(len(terms), 2)
        for term in terms:
            keys = [e["key"] for e in term["matchExpressions"]]
            self.assertIn("eks.amazonaws.com/compute-type", keys)
        self.assertEqual([e["key"] for e in terms[0]["matchExpressions"]][0], "kubernetes.io/arch")

    def test_a_change_of_configuration_rolls_the_pods(self):
        def checksum(*values):
            return manifests.of_kind(render(*values)[0], "DaemonSet")[0]["spec"]["template"]["metadata"]["annotations"][
                "checksum/config"]

        before = checksum({})
        self.assertEqual(before, checksum({"podAnnotations": {"a": "b"}}))
        self.assertNotEqual(before, checksum({"config": {"global": {"evaluation_interval": "30s"}}}))
        self.assertNotEqual(before, checksum({"web": {"config": {"http_server_config": {"http2": False}}}}))

    def test_switches_in_pairs(self):
        """Every two settings meet in one of these."""
        choices = []
        for path, schema in self.leaves():
            kinds = schema.get("type", [])
            tried = list(schema.get("enum", []))
            if "boolean" in ([kinds] if isinstance(kinds, str) else kinds):
                tried += [True, False]
            if len(tried) > 1 and path not in UNPAIRED:
                choices.append((path, tried))
        for row in pairwise([len(tried) for _, tried in choices]):
            values, waived = merged(self.values, PAIRED), ()
            for (path, tried), k in zip(choices, row):
                values = merged(values, with_value(path, tried[k]))
            for path, rules in WAIVED.items():
                waived += rules if at(values, path) != at(self.values, path) else ()
            with self.subTest(values=values):
                self.keeps_the_rules(values, waived=waived)

    def test_a_value_that_is_taken_away_is_none(self):
        """As with --set tolerations=null; groups of values cannot be, and the schema says so."""
        for key, schema in self.schema["properties"].items():
            taken = {key: None}
            if key in self.schema["required"]:
                self.assertNotEqual(mistakes(merged(self.values, taken), self.schema), [], key)
                continue
            with self.subTest(key=key):
                waived = {"resources": ("nodevitals: requests nothing", "nodevitals: its memory is without a limit"),
                          "livenessProbe": ("livenessProbe",),
                          "readinessProbe": ("readinessProbe",), "startupProbe": ("startupProbe",)}
                self.keeps_the_rules(taken, waived=waived.get(key, ()))

    def test_flags_of_the_reader_take_the_place_of_the_charts(self):
        own = agent(self.keeps_the_rules({"preset": "full"}))["args"]
        for flag in own:
            if flag.startswith("--web.listen-address"):
                continue
            name, equals, _ = flag.partition("=")
            theirs = f"{name}=/other" if equals else name.replace("--no-", "--", 1) if name.startswith("--no-") else \
                "--no-" + name[2:]
            with self.subTest(flag=theirs):
                args = agent(render({"preset": "full", "extraArgs": [theirs]})[0])["args"]
                self.assertEqual(args, [arg for arg in own if arg != flag] + [theirs])

    def test_the_agent_starts_with_flags_that_came_from_node_exporter(self):
        theirs = ["--collector.filesystem.mount-points-include=^/$", "--collector.filesystem.fs-types-exclude=^tmpfs$",
                  "--collector.netdev.device-include=^lo$", "--collector.netclass.ignored-devices=^veth.*$",
                  "--no-collector.wifi", "--log.level=debug"]
        with manifests.agent_of(self.keeps_the_rules({"extraArgs": theirs})) as running:
            self.assertIn('node_network_receive_bytes_total{device="lo"}', running.ready().metrics())

    def test_labels_and_annotations_of_the_reader_win_but_not_over_the_selector(self):
        over = {"app.kubernetes.io/part-of": "watch", "app.kubernetes.io/name": "theirs", "team": "{{ .Release.Name }}"}
        objects = self.keeps_the_rules({
            "commonLabels": over, "podLabels": {"app.kubernetes.io/component": "eyes", "app.kubernetes.io/instance": "x"},
            "podAnnotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
            "namespace": {"create": True, "labels": {"pod-security.kubernetes.io/enforce-version": "v1.30"}}})
        template = manifests.of_kind(objects, "DaemonSet")[0]["spec"]["template"]["metadata"]
        self.assertEqual(template["labels"]["app.kubernetes.io/part-of"], "watch")
        self.assertEqual(template["labels"]["team"], "nv")
        self.assertEqual(template["labels"]["app.kubernetes.io/component"], "eyes")
        self.assertEqual(template["labels"]["app.kubernetes.io/name"], "nodevitals")
        self.assertEqual(template["labels"]["app.kubernetes.io/instance"], "nv")
        self.assertEqual(template["annotations"]["cluster-autoscaler.kubernetes.io/safe-to-evict"], "false")
        self.assertEqual(manifests.of_kind(objects, "Namespace")[0]["metadata"]["labels"][
            "pod-security.kubernetes.io/enforce-version"], "v1.30")

    def test_without_the_hosts_root_nothing_looks_there(self):
        hidden = {"hostRootFsMount": {"enabled": False}}
        for preset in self.schema["properties"]["preset"]["enum"]:
            args = agent(self.keeps_the_rules({**hidden, "preset": preset}))["args"]
            self.assertIn("--no-collector.filesystem", args)
            self.assertNotIn("--collector.systemd", args)
        for asked in ({"features": {"systemd": True}}, {"features": {"journal": True}},
                      {"kubelet": {"caFile": "/host/root/ca.crt"}}):
            self.assertIn("hostRootFsMount.enabled", refusal(merged(hidden, asked)))
        elsewhere = {"journal": {"directory": "/host/journal"}, "features": {"journal": True}, "extraHostVolumeMounts": [
            {"name": "journal", "hostPath": "/var/log/journal", "mountPath": "/host/journal"}]}
        self.assertIn("--collector.journal", agent(self.keeps_the_rules(merged(hidden, elsewhere)))["args"])

    def test_the_hosts_folder_goes_to_whom_the_agent_runs_as(self):
        for values, owner in (({}, "65534:65534"), ({"preset": "full"}, "0:0"),
                              ({"securityContext": {"runAsUser": 1000, "runAsGroup": 2000}}, "1000:2000")):
            objects = self.keeps_the_rules(merged({"storage": {"type": "hostPath"}}, values))
            self.assertEqual(pod(objects)["initContainers"][0]["command"][2], owner)

    def test_numbers_in_the_environment_stay_as_they_are(self):
        names = {e["name"]: e.get("value") for e in agent(self.keeps_the_rules(
            {"env": {"A": 30000000, "B": 0.5, "C": True, "D": "1e3", "E": "{{ .Release.Name }}"}}))["env"]}
        self.assertEqual([names[key] for key in "ABCDE"], ["30000000", "0.5", "true", "1e3", "nv"])

    def test_secrets_of_registries_reach_every_pod(self):
        objects = self.keeps_the_rules({"imagePullSecrets": ["a"], "global": {"imagePullSecrets": [{"name": "b"}]}})
        for spec in [pod(objects)] + [o["spec"] for o in manifests.of_kind(objects, "Pod")]:
            self.assertEqual(spec["imagePullSecrets"], [{"name": "b"}, {"name": "a"}])

    def test_a_service_of_one_stack_has_one_family(self):
        for policy, families in (("SingleStack", ["IPv6"]), ("RequireDualStack", ["IPv6", "IPv4"])):
            objects = self.keeps_the_rules({"service": {"ipDualStack": {"enabled": True, "ipFamilyPolicy": policy}}})
            self.assertEqual(manifests.of_kind(objects, "Service")[0]["spec"]["ipFamilies"], families)

    def test_on_one_address_it_is_the_pods(self):
        for host in (True, False):
            one = agent(self.keeps_the_rules({"hostNetwork": host, "service": {"listenOnAllInterfaces": False}}))
            self.assertIn("--web.listen-address=[$(POD_IP)]:9100", one["args"])

    def test_a_chart_may_depend_on_this_one_under_a_condition(self):
        self.assertEqual(mistakes(merged(self.values, {"enabled": True, "global": {"theirs": {"a": 1}}}), self.schema), [])

    def test_it_renders_with_less_than_helm(self):
        """By a renderer that has sprig and four functions: all but what is read from files of the chart."""
        for values in ({}, {"preset": "minimal"}, {"preset": "full", "storage": {"type": "hostPath"}}, self.everything):
            made = rendered(values, version="-")
            self.assertNotIn("error", made)
            self.assertNotIn("<no value>", made["notes"] + made["text"])
            objects = made["objects"]
            whole = manifests.of_kind(render(values)[0], "DaemonSet")[0]
            for one in (whole, manifests.of_kind(objects, "DaemonSet")[0]):
                one["spec"]["template"]["metadata"]["annotations"].pop("checksum/config")
                env = one["spec"]["template"]["spec"]["containers"][0]["env"]
                env[:] = [e for e in env if e["name"] != "HOST_IPS"]
            self.assertEqual(manifests.of_kind(objects, "DaemonSet"), [whole])

    def test_a_configuration_of_ones_own(self):
        objects = self.keeps_the_rules({"existingConfigMap": "theirs", "rules": {"existingConfigMap": "theirs"}})
        self.assertFalse(manifests.of_kind(objects, "ConfigMap"))

    def test_history_that_would_have_the_pod_evicted_is_refused(self):
        for size, limit in (("1GB", "1Gi"), ("800MB", "1Gi"), ("512MB", "512Mi")):
            self.assertIn("evicted", refusal({"storage": {"retention": {"size": size}, "emptyDir": {"sizeLimit": limit}}}))
        self.assertIn("resources.limits.memory", refusal({"storage": {"emptyDir": {"medium": "Memory"}}}))

    def test_what_the_api_server_would_refuse_is_refused(self):
        for values, word in (({"hostUsers": False}, "hostNetwork"), ({"hostUsers": False, "hostNetwork": False}, "hostPID"),
                             ({"dnsPolicy": "None"}, "nameservers")):
            self.assertIn(word, refusal(values))

    def test_a_device_plug_in_spares_the_privilege(self):
        objects = self.keeps_the_rules({"features": {"kmsg": True}, "kmsg": {"deviceResource": "squat.ai/kmsg"}})
        self.assertEqual(agent(objects)["securityContext"]["capabilities"]["add"], ["SYSLOG"])
        self.assertEqual(agent(objects)["resources"]["limits"]["squat.ai/kmsg"], 1)

    def test_the_journal_without_root(self):
        objects = self.keeps_the_rules({"journal": {"group": 190}})
        self.assertIn("--collector.journal", agent(objects)["args"])
        self.assertEqual(pod(objects)["securityContext"]["supplementalGroups"], [190])
        self.assertTrue(pod(objects)["securityContext"]["runAsNonRoot"])

    def test_a_client_certificate_does_not_stop_probes(self):
        tls = {"tls": {"enabled": True, "existingSecret": "own"}}
        self.assertEqual(agent(self.keeps_the_rules(tls))["livenessProbe"]["httpGet"]["scheme"], "HTTPS")
        objects = self.keeps_the_rules(merged(tls, {"tls": {"clientCA": "ca.crt"}}))
        self.assertIn("tcpSocket", agent(objects)["livenessProbe"])

    def test_a_monitor_without_a_service_is_refused(self):
        self.assertIn("service.enabled", refusal({"service": {"enabled": False}, "prometheus": {"monitor": {"enabled": True}}}))

    def test_monitors_ask_for_nothing_that_is_off(self):
        values = {"preset": "minimal", "prometheus": {"podMonitor": {"enabled": True}, "containers": True, "kubePods": True}}
        objects = self.keeps_the_rules(values)
        self.assertEqual(len(manifests.of_kind(objects, "PodMonitor")[0]["spec"]["podMetricsEndpoints"]), 1)
        for feature in ("containers", "kubePods"):
            self.assertIn(f"WARNING: prometheus.{feature} wants features.{feature}", render(values)[1])

    def test_endpoints_of_monitors_take_further_fields(self):
        basic = {"basicAuth": {"username": {"name": "own", "key": "user"}}}
        for auth in ({}, {"kubernetesAuth": True}):
            objects = self.keeps_the_rules({"web": auth, "prometheus": {"monitor": {"enabled": True, "endpoint": basic}}})
            endpoint = manifests.of_kind(objects, "ServiceMonitor")[0]["spec"]["endpoints"][0]
            self.assertEqual(endpoint["basicAuth"], basic["basicAuth"])

    def test_monitors_take_each_series_once(self):
        objects = self.keeps_the_rules({"prometheus": {"podMonitor": {"enabled": True}, "containers": True,
                                                       "kubePods": True}})
        endpoints = manifests.of_kind(objects, "PodMonitor")[0]["spec"]["podMetricsEndpoints"]
        self.assertEqual(endpoints[0]["params"], {"exclude[]": ["container", "kube-pods"]})
        self.assertEqual(endpoints[1]["path"], "/metrics/cadvisor")
        self.assertEqual(endpoints[2]["params"], {"collect[]": ["kube-pods"]})
        known = manifests.flags_of_the_agent()
        for name in ("container", "kube-pods"):
            self.assertIn(f"--collector.{name}", known)

    def test_notes_speak_of_what_is_dangerous(self):
        quiet = render({"image": {"registry": "r.example.com"}})[1]
        self.assertNotIn("WARNING", quiet)
        for values, word in (({}, "registry"), ({"kubelet": {"nodesProxy": True}}, "nodes/proxy"),
                             ({"preset": "privileged"}, "privileged"),
                             ({"web": {"kubernetesAuth": True, "selfSigned": False}}, "clear")):
            self.assertRegex(render({"image": {"registry": "r.example.com" if values else "localhost"}}, values)[1],
                             f"WARNING: [^\n]*(\n[^\n]*)?{word}")

    def test_helm_renders_the_same(self):
        helm = os.environ.get("NV_HELM") or shutil.which("helm")
        if not helm:
            self.skipTest("no helm here; the renderer of test/deploy/chart.go alone")
        linted = subprocess.run([helm, "lint", "--strict", CHART], capture_output=True, text=True, timeout=harness.SLOW,
                                env={**os.environ, "HOME": manifests.work()})
        self.assertEqual(linted.returncode, 0, linted.stdout + linted.stderr)
        emptied = {key: None for key in self.schema["properties"] if key not in self.schema["required"]}
        for values in ({}, {"preset": "minimal"}, emptied, self.everything):
            done = subprocess.run([helm, "template", "nv", CHART, "-n", "monitoring", "--kube-version", "v1.32.0",
                                   "-f", values_file(values)], capture_output=True, text=True, timeout=harness.SLOW,
                                  env={**os.environ, "HOME": manifests.work()})
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(sorted_by_name(manifests.documents(done.stdout)), sorted_by_name(render(values)[0]))


if __name__ == "__main__":
    unittest.main()
