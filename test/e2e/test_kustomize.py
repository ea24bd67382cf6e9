#!/usr/bin/env python3
"""deploy/kubernetes renders, the base and each overlay, and keeps the rules of manifests.py.

By the kubectl on the PATH, and by Debian's 1.20 (package kubernetes-client) where it is another one: NV_KUBECTL, a list
with colons, names more.
"""
import contextlib
import copy
import http.client
import itertools
import os
import re
import shutil
import ssl
import subprocess
import tempfile
import textwrap
import unittest

import harness
import manifests
import test_chart
from kubelet import Kubelet
from kubelet_node import Node

FOLDER = os.path.join(harness.SOURCE, "deploy", "kubernetes")
OVERLAYS = sorted(os.listdir(os.path.join(FOLDER, "overlays")))
# One holds the other, or one takes away what the other is about.
APART = [{"full", "privileged"}] + [{"minimal", other} for other in ("full", "privileged", "kubernetes-auth",
                                                                     "kubelet-before-1.33")]


def kubectls():
    named = os.environ.get("NV_KUBECTL", "").split(":") + [shutil.which("kubectl"), "/usr/bin/kubectl"]
    there = {os.path.realpath(path) for path in named if path and os.path.exists(path)}
    if not there:
        harness.skip("no kubectl (package kubernetes-client)")
    return sorted(there)


def render(kubectl, folder):
    done = subprocess.run([kubectl, "kustomize", os.path.join(FOLDER, folder)], capture_output=True, text=True,
                          timeout=harness.SLOW, env={**os.environ, "HOME": manifests.work()})
    assert done.returncode == 0, f"{kubectl} {folder}: {done.stderr}"
    return manifests.documents(done.stdout)


def edit(path, old, new):
    with open(path, encoding="utf-8") as f:
        text = f.read()
    assert old in text, path
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.replace(old, new))


def daemonset(objects):
    return manifests.of_kind(objects, "DaemonSet")[0]


def pod(objects):
    return daemonset(objects)["spec"]["template"]["spec"]


def comparable(pod):
    """A pod without what may differ: names, the space of a history on the host's disk."""
    pod = copy.deepcopy(pod)
    agent = pod["containers"][0]
    agent["args"] = sorted(set(agent["args"]) - {"--log.level=info", "--log.format=logfmt", "--storage.tsdb.interval=1s",
                                                 "--storage.tsdb.retention.time=15d"})
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        agent[probe]["httpGet"].setdefault("scheme", "HTTP")
    for what in agent["resources"].values():
        what.pop("ephemeral-storage", None)
    for volume in pod["volumes"]:
        volume.get("configMap", {}).pop("name", None)
    for listed in (pod["volumes"], agent["volumeMounts"], agent["env"]):
        listed.sort(key=lambda one: one["name"])
    pod.pop("serviceAccountName")
    return pod


class Kustomize(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kubectls = kubectls()
        cls.base = render(cls.kubectls[0], "base")

    def overlay(self, name):
        return render(self.kubectls[0], f"overlays/{name}")

    def test_the_base_keeps_every_rule(self):
        for kubectl in self.kubectls:
            with self.subTest(kubectl=kubectl):
                self.assertEqual(manifests.violations(render(kubectl, "base")), [])

    def test_each_overlay_keeps_every_rule(self):
        for kubectl in self.kubectls:
            for name in OVERLAYS:
                with self.subTest(kubectl=kubectl, overlay=name):
                    objects = render(kubectl, f"overlays/{name}")
                    self.assertEqual(manifests.violations(objects, proxy=name == "kubelet-before-1.33"), [])

    def test_one_overlay_stands_on_another(self):
        """As README.md says: its `bases` names that one instead of the base."""
        last = ["host-path"] # which says who owns the folder; minimal counts the base's own flags
        order = ["minimal"] + [name for name in OVERLAYS if name not in ("minimal", *last)] + last
        with tempfile.TemporaryDirectory(dir=manifests.work()) as folder:
            shutil.copytree(os.path.join(FOLDER, ".."), folder, dirs_exist_ok=True,
                            ignore=shutil.ignore_patterns("helm", "pictures"))
            for first, second in itertools.combinations(order, 2):
                if {first, second} in APART:
                    continue
                with self.subTest(first=first, second=second):
                    above = os.path.join(folder, "kubernetes", "overlays", "above")
                    shutil.copytree(os.path.join(FOLDER, "overlays", second), above)
                    edit(os.path.join(above, "kustomization.yaml"), "- ../../base", f"- ../{first}")
                    if second == "host-path" and first in ("full", "privileged"):
                        edit(os.path.join(above, "storage.yaml"), "65534:65534", "0:0")
                    self.assertEqual(manifests.violations(render(self.kubectls[0], above),
                                                          proxy="kubelet-before-1.33" in (first, second)), [])
                    shutil.rmtree(above)

    def test_a_folder_of_ones_own_names_the_image(self):
        """As README.md has it, for every container there is."""
        with open(os.path.join(FOLDER, "README.md"), encoding="utf-8") as f:
            written = re.search(r"    # kustomization\.yaml\n((?:    .*\n)+)", f.read()).group(1)
        for kubectl in self.kubectls:
            for below in ("base", "overlays/host-path"):
                with tempfile.TemporaryDirectory(dir=manifests.work()) as folder, self.subTest(kubectl=kubectl, below=below):
                    base = os.path.relpath(os.path.realpath(os.path.join(FOLDER, below)), os.path.realpath(folder))
                    with open(os.path.join(folder, "kustomization.yaml"), "w", encoding="utf-8") as f:
                        f.write(re.sub(r"bases: \[.*?\]", f"bases: ['{base}']", textwrap.dedent(written)))
                    objects = render(kubectl, folder)
                    self.assertEqual(manifests.violations(objects), [])
                    used = pod(objects)
                    for container in used["containers"] + used.get("initContainers", []):
                        self.assertEqual(container["image"], "registry.example.com/nodevitals:0.1.0")

    def test_the_base_has_what_a_cluster_needs(self):
        kinds = {o["kind"] for o in self.base}
        self.assertEqual(kinds, {"Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "DaemonSet",
                                 "Service", "NetworkPolicy", "ConfigMap"})
        self.assertEqual(pod(self.base)["tolerations"], [{"operator": "Exists"}])
        self.assertEqual(pod(self.base)["priorityClassName"], "system-node-critical")

    def test_the_agent_starts_as_the_base_starts_it(self):
        with manifests.agent_of(self.base) as agent:
            agent.ready()
            self.assertIn("node_uname_info", agent.metrics())
            self.assertIn('"node-filesystem"', agent.get("/api/v1/rules")[2].decode())

    def test_the_agent_starts_as_overlays_with_more_start_it(self):
        for name in ("full", "privileged", "pod-network"):
            with manifests.agent_of(self.overlay(name)) as agent:
                self.assertIn("node_uname_info", agent.ready().metrics(), name)

    def test_the_role_gives_all_that_is_asked_of_the_kubelet(self):
        objects = self.overlay("full")
        self.assertEqual(manifests.rights_of(objects), manifests.rights_of(self.base))
        wanted = {"/pods", "/metrics", "/metrics/probes", "/stats/summary"}
        with Kubelet(node=Node(pods=2)) as kubelet:
            kubelet.rights = manifests.rights_of(objects)
            with manifests.agent_of(objects, "--kube.scrape-interval=1s", *kubelet.flags()) as agent:
                agent.ready()
                harness.wait_for(lambda: wanted <= {path.partition("?")[0] for path, _ in kubelet.requests})
                self.assertIn("kube_pod_info", agent.metrics())
            self.assertEqual({(path, status) for path, status in kubelet.requests if status != 200}, set())

    def test_minimal_asks_no_kubelet_not_even_inside_a_cluster(self):
        with manifests.agent_of(self.overlay("minimal"), KUBERNETES_SERVICE_HOST="127.0.0.1") as agent:
            self.assertNotIn("nodevitals_kubelet", agent.ready().metrics())

    def test_kubernetes_auth_keeps_strangers_out_and_lets_probes_in(self):
        objects = self.overlay("kubernetes-auth")
        token = os.path.join(manifests.work(), "token")
        with open(token, "w", encoding="ascii") as f:
            f.write("mine")
        context = ssl._create_unverified_context() # as the kubelet has it
        with manifests.agent_of(objects, "--web.kubernetes-auth.url=https://127.0.0.1:1",
                                f"--web.kubernetes-auth.token-file={token}") as agent:
            def status(path):
                with contextlib.closing(http.client.HTTPSConnection("127.0.0.1", agent.port, timeout=harness.SLOW,
                                                                    context=context)) as client:
                    client.request("GET", path)
                    return client.getresponse().status

            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                asked = pod(objects)["containers"][0][probe]["httpGet"]
                self.assertEqual(asked["scheme"], "HTTPS")
                harness.wait_for(lambda: status(asked["path"]) == 200)
            self.assertEqual(status("/metrics"), 401)

    def test_the_base_asks_for_no_capability(self):
        context = pod(self.base)["containers"][0]["securityContext"]
        self.assertEqual(context["capabilities"], {"drop": ["ALL"]})
        self.assertEqual(pod(self.base)["securityContext"]["runAsUser"], 65534)

    def test_overlays_do_what_they_are_named_for(self):
        minimal = self.overlay("minimal")
        self.assertEqual([o["rules"] for o in manifests.of_kind(minimal, "ClusterRole")], [[]])
        self.assertFalse(pod(minimal)["hostPID"])
        full = pod(self.overlay("full"))["containers"][0]["securityContext"]
        self.assertEqual(set(full["capabilities"]["add"]), {"DAC_READ_SEARCH", "SYS_PTRACE"})
        self.assertTrue(pod(self.overlay("privileged"))["containers"][0]["securityContext"]["privileged"])
        self.assertIn({"name": "storage", "hostPath": {"path": "/var/lib/nodevitals", "type": "DirectoryOrCreate"}},
                      pod(self.overlay("host-path"))["volumes"])
        self.assertFalse(pod(self.overlay("pod-network"))["hostNetwork"])
        monitoring = self.overlay("monitoring")
        self.assertTrue(manifests.of_kind(monitoring, "PodMonitor"))
        dashboards = {key for o in manifests.of_kind(monitoring, "ConfigMap") for key in o["data"] if key.endswith(".json")}
        self.assertEqual(dashboards, {name for name in os.listdir(os.path.join(FOLDER, "..", "grafana"))
                                      if name.endswith(".json")})

    def test_the_chart_gives_the_same(self):
        """The same pods, but for names and what the chart writes out though it is the agent's default."""
        charts = {"base": {}, "overlays/minimal": {"preset": "minimal"}, "overlays/full": {"preset": "full"},
                  "overlays/privileged": {"preset": "privileged"}, "overlays/pod-network": {"hostNetwork": False},
                  "overlays/host-path": {"storage": {"type": "hostPath"}},
                  "overlays/kubernetes-auth": {"web": {"kubernetesAuth": True}}}
        for folder, values in charts.items():
            ours = comparable(pod(render(self.kubectls[0], folder)))
            theirs = comparable(pod(test_chart.render(values, version="v1.29.0")[0]))
            with self.subTest(folder):
                self.assertEqual(theirs, ours)

    def test_the_alerts_are_those_of_deploy_rules(self):
        text = subprocess.run(["sh", os.path.join(FOLDER, "prometheus-rule.sh")], capture_output=True, text=True,
                              check=True, timeout=harness.SLOW).stdout
        rules = manifests.documents(text)
        self.assertTrue(rules)
        held = {key: value for o in manifests.of_kind(self.base, "ConfigMap") for key, value in o["data"].items()}
        files = {name for name in os.listdir(os.path.join(FOLDER, "..", "rules")) if name.endswith(".yml")}
        self.assertEqual(files, set(held) - {"nodevitals.yml"})
        for o in rules:
            self.assertEqual(manifests.violations([*self.base, o]), [])
            name = o["metadata"]["name"].replace("nodevitals-", "", 1) + ".yml"
            self.assertEqual([o["spec"]], manifests.documents(held[name]))

    def test_the_rules_notice(self):
        """Each change breaks a promise, and is found."""

        def break_it(change):
            objects = copy.deepcopy(self.base)
            change(objects, pod(objects), pod(objects)["containers"][0])
            return manifests.violations(objects)

        def role(objects):
            return manifests.of_kind(objects, "ClusterRole")[0]["rules"][0]

        changes = {
            "privileged": lambda o, p, c: c["securityContext"].update(privileged=True),
            "capability": lambda o, p, c: c["securityContext"]["capabilities"].update(add=["PERFMON"]),
            "root": lambda o, p, c: p["securityContext"].update(runAsUser=0),
            "writable": lambda o, p, c: [m.pop("readOnly") for m in c["volumeMounts"] if m["name"] == "sys"],
            "flag": lambda o, p, c: c["args"].append("--collector.no-such"),
            "port": lambda o, p, c: c["ports"][0].update(containerPort=9101),
            "proxy": lambda o, p, c: role(o)["resources"].append("nodes/proxy"),
            "verbs": lambda o, p, c: role(o)["verbs"].append("list"),
            "secrets": lambda o, p, c: role(o)["resources"].append("secrets"),
            "probe": lambda o, p, c: c.pop("livenessProbe"),
            "limit": lambda o, p, c: c["resources"].pop("limits"),
            "seccomp": lambda o, p, c: p["securityContext"].pop("seccompProfile"),
            "selector": lambda o, p, c: daemonset(o)["spec"]["selector"]["matchLabels"].update(version="1"),
            "token": lambda o, p, c: p.update(automountServiceAccountToken=True),
            "history": lambda o, p, c: c["args"].append(c["args"].pop(7).replace("512MB", "5GB")),
            "config": lambda o, p, c: [m["data"].update({"nodevitals.yml": "rule_fils: []"})
                                       for m in manifests.of_kind(o, "ConfigMap") if "nodevitals.yml" in m["data"]],
        }
        for name, change in changes.items():
            with self.subTest(name):
                self.assertTrue(break_it(change))


if __name__ == "__main__":
    unittest.main()
