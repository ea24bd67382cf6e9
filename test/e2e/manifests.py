"""What must hold of the objects that deploy/kubernetes and deploy/helm give to a cluster, whatever is switched on.

violations(objects) tells, in a line each, what does not. Rules are data where they can be: PRIVILEGES says which flag a
capability is for, ROLE what the kubelet is asked.
"""
import atexit
import glob
import json
import os
import re
import shutil
import subprocess
import tempfile

import harness

# What goes beyond an ordinary user's rights, and the flags of which one at least must be there for it.
PRIVILEGES = {
    "root": ("--collector.rapl", "--collector.slabinfo", "--collector.journal"), # files that are root's own
    "DAC_READ_SEARCH": ("--collector.container.enable-metrics=fds",),
    "SYS_PTRACE": ("--collector.container.enable-metrics=fds",),
    "PERFMON": ("--collector.perf",),
    "SYSLOG": ("--collector.kmsg",),
    "privileged": ("--collector.kmsg",),
    "hostPID": ("--collector.container",),
}
ON_BY_DEFAULT = {"--collector.rapl"}
ROLE = {"nodes/metrics", "nodes/stats", "nodes/pods", "nodes/configz"}
REVIEWS = {("authentication.k8s.io", "tokenreviews"), ("authorization.k8s.io", "subjectaccessreviews")}
NEEDS_KUBELET = ("--collector.container", "--collector.kube-pods", "--collector.kubelet-summary", "--kube.annotations",
                 "--kube.port-names")

_work = None


def work():
    """A folder that ends with the test."""
    global _work
    if _work is None:
        _work = tempfile.mkdtemp()
        atexit.register(shutil.rmtree, _work)
    return _work


def chart_tool():
    """The program of test/deploy/chart.go, built once; skips where that cannot be."""
    tool = os.path.join(work(), "chart")
    if os.path.exists(tool):
        return tool
    go = "/usr/bin/go" if os.path.exists("/usr/bin/go") else shutil.which("go")
    if not go:
        harness.skip("no go (package golang-go) to read YAML with")
    if not os.path.isdir("/usr/share/gocode/src/github.com/Masterminds/sprig"):
        harness.skip("package golang-github-masterminds-sprig-dev is not installed")
    env = {**os.environ, "GO111MODULE": "off", "GOFLAGS": "", "GOPATH": "/usr/share/gocode", "CGO_ENABLED": "0",
           "GOCACHE": os.path.join(work(), "cache"), "HOME": work()}
    built = subprocess.run([go, "build", "-o", tool, os.path.join(harness.SOURCE, "test", "deploy", "chart.go")],
                           env=env, capture_output=True, text=True, timeout=300)
    assert built.returncode == 0, built.stderr
    return tool


def documents(text):
    """The objects in YAML, which has to be faultless."""
    read = subprocess.run([chart_tool(), "json"], input=text, capture_output=True, text=True, timeout=harness.SLOW)
    assert read.returncode == 0, read.stderr
    return json.loads(read.stdout)


def flags_of_the_agent(cache=[]):
    """{flag: whether it is a switch}, as --help-long has them; negations included."""
    if not cache:
        known = {}
        for switch, name, value in re.findall(r"^  (?:-\w, |    |)?--(\[no-\])?([\w.-]+)(=\S+)?",
                                              harness.run("--help-long").stdout, re.M):
            known["--" + name] = not value
            if switch:
                known["--no-" + name] = True
        assert len(known) > 100, known
        cache.append(known)
    return cache[0]


def of_kind(objects, *kinds):
    return [o for o in objects if o["kind"] in kinds]


def bytes_of(quantity):
    number, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(quantity)).groups()
    scale = {"": 1, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40,
             "KB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40, "B": 1}
    return float(number) * scale[unit]


def referred(volume):
    """The ConfigMap or Secret that a volume holds."""
    for kind, name in (("ConfigMap", volume.get("configMap", {}).get("name")),
                       ("Secret", volume.get("secret", {}).get("secretName"))):
        if name is not None:
            yield kind, name


def mounted(objects, pod):
    """A folder with what lies below /etc/nodevitals in the pod, pointing to itself."""
    folder = tempfile.mkdtemp(dir=work())
    for volume in pod["volumes"]:
        for kind, name in referred(volume):
            os.mkdir(os.path.join(folder, volume["name"]))
            for o in of_kind(objects, kind):
                if o["metadata"]["name"] != name:
                    continue
                for key, text in {**o.get("data", {}), **o.get("stringData", {})}.items():
                    with open(os.path.join(folder, volume["name"], key), "w", encoding="utf-8") as f:
                        f.write(text.replace("/etc/nodevitals/", folder + "/"))
    return folder


def mistakes_in_configuration(objects, pod, cache={}):
    """What the agent's own checks say; of the same texts only once."""
    held = [o for v in pod["volumes"] for kind, name in referred(v) for o in of_kind(objects, kind)
            if o["metadata"]["name"] == name]
    key = json.dumps([o.get("data") for o in held]) # what is in a Secret is not looked at
    if key not in cache:
        folder = mounted(objects, pod)
        cache[key] = []
        for what, pattern in (("config", "config/nodevitals.yml"), ("rules", "rules/*")):
            for path in glob.glob(os.path.join(folder, pattern)):
                checked = harness.run("check", what, path)
                if checked.returncode != 0:
                    cache[key].append(f"{path}: {checked.stdout}{checked.stderr}")
        shutil.rmtree(folder)
    return cache[key]


def mistakes_in_rules(spec, cache={}):
    """What the agent's own check says of rules; of the same ones only once."""
    key = json.dumps(spec)
    if key not in cache:
        path = os.path.join(work(), "rule.json")
        with open(path, "w", encoding="utf-8") as f:
            f.write(key)
        checked = harness.run("check", "rules", path)
        cache[key] = checked.stdout + checked.stderr if checked.returncode != 0 else ""
    return cache[key]


def rights_of(objects):
    """Subresources of nodes that the roles give."""
    return {resource.partition("/")[2] for role in of_kind(objects, "ClusterRole") for rule in role["rules"]
            for resource in rule.get("resources", []) if resource.startswith("nodes/") and "get" in rule["verbs"]}


def agent_of(objects, *flags, **env):
    """An agent with the flags that the DaemonSet gives it, this machine in the place of the node."""
    pod = of_kind(objects, "DaemonSet")[0]["spec"]["template"]["spec"]
    folder = mounted(objects, pod)
    here = {"/host/root/": "/", "/host/root": "/", "/host/proc": "/proc", "/host/sys": "/sys",
            "/etc/nodevitals": folder, "/var/lib/nodevitals": os.path.join(folder, "history")}
    args = []
    for arg in pod["containers"][0]["args"]:
        for there, path in here.items():
            arg = arg.replace("=" + there, "=" + path)
        args.append("--web.listen-address=127.0.0.1:0" if arg.startswith("--web.listen-address") else arg)
    return harness.Agent(*args, *flags, env={"HOST_IP": "127.0.0.1", "NODE_NAME": "here", **env})


class Rules:
    """All rules over one set of objects.

    proxy: nodes/proxy was asked for by name. rights: capabilities that were, for no flag. outside: names of objects that
    are in the cluster already. waived: beginnings of violations that somebody asked for.
    """

    def __init__(self, objects, proxy=False, rights=(), outside=(), waived=()):
        self.objects, self.proxy, self.rights = objects, proxy, set(rights)
        self.outside, self.waived, self.found = set(outside), tuple(waived), []
        self.sets = of_kind(objects, "DaemonSet")

    def demand(self, holds, what):
        if not holds and not what.startswith(self.waived):
            self.found.append(what)

    def violations(self):
        self.every_object_is_named()
        self.demand(len(self.sets) == 1, "there is one DaemonSet")
        for one in self.sets:
            self.daemonset(one)
        for pod in of_kind(self.objects, "Pod"):
            self.containers(pod["spec"], set())
        self.roles()
        self.services()
        self.monitors()
        return self.found

    # ---- any object --------------------------------------------------------------------------------

    def every_object_is_named(self):
        seen = set()
        for o in self.objects:
            meta = o["metadata"]
            name = (o["kind"], meta.get("namespace"), meta["name"])
            self.demand(name not in seen, f"{name} is there twice")
            seen.add(name)
            self.demand(len(meta["name"]) <= 63, f"{name} is too long")
            self.demand("app.kubernetes.io/name" in meta.get("labels", {}), f"{name} has no label of its name")
            for value in meta.get("labels", {}).values():
                self.demand(isinstance(value, str) and re.fullmatch(r"([A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?)?", value),
                            f"{name} has a label {value!r}")
            cluster = o["kind"] in ("ClusterRole", "ClusterRoleBinding", "Namespace")
            self.demand(cluster != ("namespace" in meta), f"{name} is in a namespace or not, contrary to its kind")

    # ---- the pods ----------------------------------------------------------------------------------

    def daemonset(self, one):
        spec, template = one["spec"], one["spec"]["template"]
        pod, labels = template["spec"], template["metadata"]["labels"]
        selector = spec["selector"]["matchLabels"]
        self.demand(set(selector) == {"app.kubernetes.io/name", "app.kubernetes.io/instance"},
                    "the selector, which can never change, is name and instance")
        self.demand(selector.items() <= labels.items(), "the selector finds the pods")
        rolling = spec.get("updateStrategy", {}).get("rollingUpdate", {})
        self.demand("maxSurge" not in rolling, "no second pod fits beside the first, which has the port")
        self.demand(pod["automountServiceAccountToken"] is False, "no token that never expires")
        if pod["hostNetwork"]:
            self.demand(pod["dnsPolicy"] == "ClusterFirstWithHostNet", "names of the cluster resolve")
        agent = pod["containers"][0]
        args = agent["args"]
        self.flags(args)
        self.containers(pod, set(args))
        self.paths(agent, args)
        self.probes(agent, args)
        self.port(pod, agent, args)
        self.storage(pod, agent, args)
        self.token(pod, args)
        self.environment(agent)
        self.configuration(pod)

    def has_feature(self, privilege, args):
        for flag in PRIVILEGES[privilege]:
            if flag in args or (flag in ON_BY_DEFAULT and flag.replace("--", "--no-", 1) not in args):
                return True
        return False

    def containers(self, pod, args):
        self.demand(pod["securityContext"].get("seccompProfile") == {"type": "RuntimeDefault"}, "seccomp is RuntimeDefault")
        if pod.get("hostPID"):
            self.demand(self.has_feature("hostPID", args), "hostPID without what needs it")
        volumes = {v["name"]: v for v in pod.get("volumes", [])}
        self.demand(len(volumes) == len(pod.get("volumes", [])), "two volumes of one name")
        mounted = set()
        for c in pod.get("initContainers", []) + pod["containers"]:
            mounted |= self.container(pod, c, args, volumes)
        self.demand(mounted == set(volumes), f"volumes that nobody mounts: {set(volumes) - mounted}")

    def container(self, pod, c, args, volumes):
        name, context = c["name"], c["securityContext"]
        privileged = context.get("privileged", False)
        image = c["image"]
        self.demand(re.search(r"@sha256:[0-9a-f]{64}$|:[\w.-]+$", image.split("/")[-1]) and not image.endswith(":latest"),
                    f"{name}: which image {image} is changes by itself")
        self.demand(context.get("readOnlyRootFilesystem") is True, f"{name}: root file system can be written to")
        added = set(context.get("capabilities", {}).get("add", []))
        if privileged:
            self.demand(self.has_feature("privileged", args), f"{name}: privileged without what needs it")
            self.demand("allowPrivilegeEscalation" not in context, f"{name}: the API server refuses it beside privileged")
        else:
            self.demand(context.get("allowPrivilegeEscalation") is False, f"{name}: may gain privileges")
            self.demand(context["capabilities"].get("drop") == ["ALL"], f"{name}: keeps capabilities")
        init = c in pod.get("initContainers", [])
        if init:
            self.demand(added <= {"CHOWN"}, f"{name}: {added}")
        else:
            for capability in added - self.rights:
                self.demand(self.has_feature(capability, args), f"{name}: {capability} without what needs it")
        user = {**pod["securityContext"], **context}
        root = user.get("runAsUser") == 0
        self.demand(root or not (added or privileged), f"{name}: capabilities are given to root alone")
        self.demand(not root or added or privileged or self.has_feature("root", args), f"{name}: root without what needs it")
        self.demand(user.get("runAsNonRoot") is (not root), f"{name}: runAsNonRoot and runAsUser disagree")
        self.resources(name, c["resources"])
        for mount in c.get("volumeMounts", []):
            self.mount(name, mount, volumes.get(mount["name"]))
        paths = [m["mountPath"] for m in c.get("volumeMounts", [])]
        for path in paths: # the runtime would have to make the inner folder within a volume that is read-only
            self.demand(not any(path.startswith(other + "/") for other in paths if other != "/"),
                        f"{name}: {path} lies within another mount")
        return {m["name"] for m in c.get("volumeMounts", [])}

    def resources(self, name, resources):
        requests, limits = resources.get("requests", {}), resources.get("limits", {})
        self.demand({"cpu", "memory"} <= set(requests), f"{name}: requests nothing")
        self.demand("memory" in limits, f"{name}: its memory is without a limit")
        self.demand("cpu" not in limits, f"{name}: a limit of CPU shows as gaps")
        for what in set(requests) & set(limits):
            self.demand(bytes_of(requests[what]) <= bytes_of(limits[what]), f"{name}: {what} requested beyond its limit")

    def mount(self, name, mount, volume):
        if volume is None:
            self.found.append(f"{name}: no volume {mount['name']}")
            return
        if "hostPath" in volume and mount["mountPath"] != "/var/lib/nodevitals":
            self.demand(mount.get("readOnly") is True, f"{name}: can write to {volume['hostPath']['path']} of the host")
            self.demand(not re.search(r"docker\.sock|containerd\.sock|crio\.sock", volume["hostPath"]["path"]),
                        f"{name}: a runtime's socket is the runtime")
        self.demand(mount.get("mountPropagation", "None") in ("None", "HostToContainer"),
                    f"{name}: its mounts would reach the host")
        if volume.get("hostPath", {}).get("path") == "/":
            self.demand(mount.get("mountPropagation") == "HostToContainer", f"{name}: does not see later mounts")

    # ---- the agent ---------------------------------------------------------------------------------

    def flags(self, args):
        known = flags_of_the_agent()
        for arg in args:
            name, equals, _ = arg.partition("=")
            self.demand(name in known, f"the agent has no flag {name}")
            self.demand(known.get(name, False) != bool(equals), f"{arg}: a switch has no value, everything else has")
        names = [arg.partition("=")[0] for arg in args]
        self.demand(len(names) == len(set(names)), f"a flag is there twice: {names}")

    def paths(self, agent, args):
        """What a flag names of the host is mounted."""
        mounts = [m["mountPath"] for m in agent["volumeMounts"]]
        mounts += ["/dev/" + name.split("/")[1] for name in agent["resources"].get("limits", {}) if "/" in name] # a plug-in's
        for arg in args:
            path = arg.partition("=")[2]
            if re.match(r"/(host|dev|etc/nodevitals|var/lib/nodevitals)(/|$)", path):
                self.demand(any((path + "/").startswith(m + "/") for m in mounts), f"{arg}: nothing is mounted there")
        if "/host/root" not in mounts:
            self.demand("--no-collector.filesystem" in args, "sizes of file systems that are not to be seen")

    def probes(self, agent, args):
        tls = any(arg.startswith("--web.config.file") or arg.endswith("self-signed") for arg in args)
        for which, path in (("startupProbe", "/-/ready"), ("livenessProbe", "/-/healthy"), ("readinessProbe", "/-/ready")):
            probe = agent.get(which, {})
            port = probe.get("httpGet", probe.get("tcpSocket", {})).get("port")
            self.demand(port == agent["ports"][0]["name"], f"{which} asks port {port}")
            if "httpGet" in probe:
                self.demand(probe["httpGet"]["path"] == path, f"{which} asks {probe['httpGet']['path']}")
                self.demand(tls or probe["httpGet"].get("scheme", "HTTP") == "HTTP", f"{which} wants TLS")
                self.demand("--web.kubernetes-auth.self-signed" not in args or probe["httpGet"].get("scheme") == "HTTPS",
                            f"{which} wants no TLS")
                self.demand("host" not in probe["httpGet"], f"{which} names a host, which IPv6 breaks")
            else:
                self.demand(tls, f"{which} only knocks")
            self.demand(probe.get("timeoutSeconds", 1) >= 3, f"{which} kills what is merely slow")

    def port(self, pod, agent, args):
        port = agent["ports"][0]
        listens = [arg for arg in args if arg.startswith("--web.listen-address=")]
        self.demand(len(listens) == 1 and listens[0].endswith(f":{port['containerPort']}"),
                    f"listens at {listens}, says {port}")
        self.demand(port.get("hostPort") == (port["containerPort"] if pod["hostNetwork"] else None),
                    f"the host's port is claimed where it is used: {port}")

    def storage(self, pod, agent, args):
        values = dict(arg.partition("=")[::2] for arg in args)
        volume = next((v for v in pod["volumes"] if v["name"] == "storage"), None)
        self.demand((volume is None) == ("--no-storage.tsdb" in args), "history and its volume come together")
        if volume and "emptyDir" in volume:
            limit = bytes_of(volume["emptyDir"].get("sizeLimit", 0))
            self.demand(bytes_of(values["--storage.tsdb.retention.size"]) < limit, "history grows past its volume")
            allowed = agent["resources"].get("limits", {}).get("ephemeral-storage")
            self.demand(allowed is None or bytes_of(allowed) > limit, "the volume is larger than the pod may take")
        if volume and "hostPath" in volume:
            user = {**pod["securityContext"], **agent["securityContext"]}
            uid = user["runAsUser"]
            owners = [c["command"] for c in pod.get("initContainers", []) if "/usr/bin/chown" in c.get("command", [])]
            self.demand(owners and owners[0][1:] == ["-R", f"{uid}:{user['runAsGroup']}", values["--storage.tsdb.path"]],
                        f"the folder of the host becomes the agent's: {owners}")

    def token(self, pod, args):
        kubelet = any(flag in args for flag in NEEDS_KUBELET)
        wanted = kubelet or "--web.kubernetes-auth" in args
        sources = [s["serviceAccountToken"] for v in pod["volumes"] for s in v.get("projected", {}).get("sources", [])
                   if "serviceAccountToken" in s]
        self.demand(bool(sources) == wanted, "a token is there where it is needed, and only there")
        for source in sources:
            self.demand(600 <= source.get("expirationSeconds", 0) <= 3600, "the token expires within the hour")
        for arg in args:
            self.demand(kubelet or not arg.startswith("--kubelet.") or arg == "--kubelet.endpoints=none",
                        f"{arg}: nobody asks the kubelet")
        if not kubelet: # else the agent would, inside a cluster
            for arg in ("--kubelet.endpoints=none", "--no-kube.annotations", "--no-collector.container",
                        "--no-collector.kube-pods"):
                self.demand(arg in args, f"without {arg} the kubelet is asked in vain")

    def environment(self, agent):
        names = {e["name"]: e.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath") for e in agent["env"]}
        for name, path in (("NODE_NAME", "spec.nodeName"), ("HOST_IP", "status.hostIP"), ("POD_IP", "status.podIP"),
                           ("POD_UID", "metadata.uid"), ("POD_NAME", "metadata.name"),
                           ("POD_NAMESPACE", "metadata.namespace")):
            self.demand(names.get(name) == path, f"{name} is not {path}")

    def configuration(self, pod):
        """Every ConfigMap and Secret is there, and the agent takes the configuration with the rules beside it."""
        for v in pod["volumes"]:
            for kind, name in referred(v):
                held = [o for o in of_kind(self.objects, kind) if o["metadata"]["name"] == name]
                self.demand(len(held) == 1 or name in self.outside, f"no {kind} {name}")
        for mistake in mistakes_in_configuration(self.objects, pod):
            self.demand(False, mistake)

    # ---- what it may ask, and who finds it ---------------------------------------------------------

    def roles(self):
        args = {arg for one in self.sets for arg in one["spec"]["template"]["spec"]["containers"][0]["args"]}
        accounts = {(o["metadata"]["namespace"], o["metadata"]["name"]) for o in of_kind(self.objects, "ServiceAccount")}
        roles = {o["metadata"]["name"]: o for o in of_kind(self.objects, "ClusterRole")}
        for o in of_kind(self.objects, "ServiceAccount"):
            self.demand(o.get("automountServiceAccountToken") is False, "an account hands out tokens to whoever uses it")
        granted, reviews = set(), set()
        for role in roles.values():
            for rule in role["rules"]:
                for group in rule.get("apiGroups", []):
                    for resource in rule.get("resources", []):
                        if (group, resource) in REVIEWS:
                            self.demand(rule["verbs"] == ["create"], f"{resource}: {rule['verbs']}")
                            reviews.add((group, resource))
                        else:
                            self.demand(group == "" and rule["verbs"] == ["get"], f"{resource}: {rule['verbs']}")
                            granted.add(resource)
        self.demand(granted <= ROLE | ({"nodes/proxy"} if self.proxy else set()), f"the role gives {granted}")
        self.demand(("nodes/proxy" in granted) == self.proxy, "nodes/proxy is there when asked for by name, and only then")
        kubelet = any(flag in args for flag in NEEDS_KUBELET)
        self.demand(bool(granted) == kubelet, f"a role of {granted} for {args}")
        for binding in of_kind(self.objects, "ClusterRoleBinding"):
            name = binding["roleRef"]["name"]
            if name == "system:auth-delegator":
                reviews |= REVIEWS
            else:
                self.demand(name in roles, f"no role {name}")
            for subject in binding["subjects"]:
                self.demand((subject["namespace"], subject["name"]) in accounts | self.outside, f"no account {subject}")
        self.demand(reviews == (REVIEWS if "--web.kubernetes-auth" in args else set()), f"reviews: {reviews}")
        for one in self.sets:
            used = (one["metadata"]["namespace"], one["spec"]["template"]["spec"]["serviceAccountName"])
            self.demand(used in accounts | self.outside, f"no account {used}")

    def services(self):
        for one in self.sets:
            labels = one["spec"]["template"]["metadata"]["labels"]
            port = one["spec"]["template"]["spec"]["containers"][0]["ports"][0]
            for service in of_kind(self.objects, "Service"):
                self.demand(service["spec"]["selector"].items() <= labels.items(), "the Service finds the pods")
                self.demand(service["spec"]["ports"][0]["targetPort"] == port["name"], "the Service finds the port")
            for policy in of_kind(self.objects, "NetworkPolicy"):
                chosen = policy["spec"]["podSelector"]["matchLabels"]
                self.demand(chosen.items() <= labels.items(), "the policy finds the pods")
                for rule in policy["spec"]["ingress"]:
                    self.demand(any(p["port"] in (port["name"], port["containerPort"]) for p in rule.get("ports", [])),
                                "the policy lets scrapers in")

    def monitors(self):
        pods = [one["spec"]["template"]["metadata"]["labels"] for one in self.sets]
        services = [o["metadata"]["labels"] for o in of_kind(self.objects, "Service")]
        ports = {p["name"] for one in self.sets for p in one["spec"]["template"]["spec"]["containers"][0]["ports"]}
        for o in of_kind(self.objects, "PodMonitor", "ServiceMonitor"):
            found = pods if o["kind"] == "PodMonitor" else services
            wanted = o["spec"]["selector"]["matchLabels"]
            self.demand(any(wanted.items() <= labels.items() for labels in found), f"the {o['kind']} finds nothing")
            endpoints = o["spec"].get("podMetricsEndpoints") or o["spec"]["endpoints"]
            jobs = []
            for endpoint in endpoints:
                self.demand(endpoint["port"] in ports, f"{o['kind']}: no port {endpoint['port']}")
                self.demand(endpoint.get("honorLabels") is True, f"{o['kind']}: pods of others under the agent's name")
                shown = {"bearerTokenFile", "bearerTokenSecret", "authorization", "basicAuth", "oauth2"} & set(endpoint)
                self.demand(len(shown) <= 1, f"{o['kind']}: the operator refuses {shown} together")
                jobs += [r["replacement"] for r in endpoint["relabelings"] if r.get("targetLabel") == "job"]
            self.demand(len(jobs) == len(set(jobs)) == len(endpoints), f"{o['kind']}: jobs {jobs}")
        for o in of_kind(self.objects, "PrometheusRule"):
            mistakes = mistakes_in_rules(o["spec"])
            self.demand(not mistakes, f"PrometheusRule: {mistakes}")
        for o in of_kind(self.objects, "Namespace"):
            self.demand(o["metadata"]["labels"].get("pod-security.kubernetes.io/enforce") == "privileged",
                        "the namespace admits the pods")


def violations(objects, **asked):
    return Rules(objects, **asked).violations()
