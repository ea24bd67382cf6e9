#!/usr/bin/env python3
"""deploy/helm/nodevitals renders as it comes, with each preset, each switch alone and all together, and what it renders
keeps the rules of manifests.py. The values are what values.schema.json allows.

Rendered by test/deploy/chart.go, and by helm, too, where that is installed; both must give the same.
"""
import json
import os
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
    "journal": {"features": {"journal": True}},
    "service": {"tls": {"enabled": False}},
    "prometheusRule": {"prometheusRule": {"enabled": True}},
    "networkPolicy": {"service": {"port": 9180, "targetPort": 9180}},
    "extraVolumes": {"extraVolumeMounts": [{"name": "scratch", "mountPath": "/tmp"}]},
    "extraVolumeMounts": {"extraVolumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "1Mi"}}]},
}
# What somebody gives up who asks for it, by the rule's words.
WAIVED = {
    "dnsPolicy": ("names of the cluster resolve",),
    "hostRootFsMount.mountPropagation": ("nodevitals: does not see later mounts",),
    "rbac.create": ("a role of set()",),
    "web.https": ("startupProbe wants", "livenessProbe wants", "readinessProbe wants"),
}
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
    out = dict(under)
    for key, value in over.items():
        out[key] = merged(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) else value
    return out


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


def rendered(*values, version="v1.32.0"):
    """Standard output of the renderer: {file: text}."""
    return subprocess.run([manifests.chart_tool(), "render", CHART, version, *map(values_file, values)],
                          capture_output=True, text=True, timeout=harness.SLOW)


def render(*values, version="v1.32.0"):
    done = rendered(*values, version=version)
    assert done.returncode == 0, done.stderr
    texts = json.loads(done.stdout)
    notes = texts.pop("templates/NOTES.txt")
    return manifests.documents("\n---\n".join(texts.values())), notes


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

    def test_a_configuration_of_ones_own(self):
        objects = self.keeps_the_rules({"existingConfigMap": "theirs", "rules": {"existingConfigMap": "theirs"}})
        self.assertFalse(manifests.of_kind(objects, "ConfigMap"))

    def test_history_that_would_have_the_pod_evicted_is_refused(self):
        for size, limit in (("1GB", "1Gi"), ("800MB", "1Gi"), ("512MB", "512Mi")):
            refused = rendered({"storage": {"retention": {"size": size}, "emptyDir": {"sizeLimit": limit}}})
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn("evicted", refused.stderr)
        refused = rendered({"storage": {"emptyDir": {"medium": "Memory"}}})
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("resources.limits.memory", refused.stderr)

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
        for values in ({}, {"preset": "minimal"}, self.everything):
            done = subprocess.run([helm, "template", "nv", CHART, "-n", "monitoring", "--kube-version", "v1.32.0",
                                   "-f", values_file(values)], capture_output=True, text=True, timeout=harness.SLOW,
                                  env={**os.environ, "HOME": manifests.work()})
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(sorted_by_name(manifests.documents(done.stdout)), sorted_by_name(render(values)[0]))


if __name__ == "__main__":
    unittest.main()
