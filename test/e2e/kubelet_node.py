"""A node that is made up: pods and their containers, as the kubelet's endpoints would tell of them.

Everything follows from the node's clock: counters rise with it, pods come and go with it, and /pods, /metrics/cadvisor,
/metrics/resource, /metrics/probes and /stats/summary tell of the same pods and the same numbers. Series stay as they are
while values change with every request; `freeze` stops the clock.
"""
import hashlib
import json
import time

KINDS = (("web", "Burstable"), ("worker", "Burstable"), ("api", "Guaranteed"), ("batch", "BestEffort"))
NODE_ADDRESS = "10.20.1.37"
PAUSE = "registry.k8s.io/pause:3.10.1"

# Families of a cgroup, the most looked at first: name, type, unit of its value per second or its size, rows
# (c container, s sandbox, p pod slice, o slices and services above), further labels. Rates and sizes are made up.
CPU, BYTES, COUNT, ZERO, SMALL, FIXED = "cpu", "bytes", "count", "zero", "small", "fixed"
FAMILIES = (
    ("container_cpu_usage_seconds_total", "counter", CPU, "cspo", ('cpu="total"',)),
    ("container_memory_working_set_bytes", "gauge", BYTES, "cspo", ()),
    ("container_memory_rss", "gauge", BYTES, "cspo", ()),
    ("container_memory_cache", "gauge", BYTES, "cspo", ()),
    ("container_memory_usage_bytes", "gauge", BYTES, "cspo", ()),
    ("container_cpu_user_seconds_total", "counter", CPU, "cspo", ()),
    ("container_cpu_system_seconds_total", "counter", CPU, "cspo", ()),
    ("container_cpu_cfs_periods_total", "counter", COUNT, "cp", ()),
    ("container_cpu_cfs_throttled_periods_total", "counter", COUNT, "cp", ()),
    ("container_cpu_cfs_throttled_seconds_total", "counter", CPU, "cp", ()),
    ("container_network_receive_bytes_total", "counter", COUNT, "s", ('interface="eth0"',)),
    ("container_network_transmit_bytes_total", "counter", COUNT, "s", ('interface="eth0"',)),
    ("container_network_receive_packets_total", "counter", COUNT, "s", ('interface="eth0"',)),
    ("container_network_transmit_packets_total", "counter", COUNT, "s", ('interface="eth0"',)),
    ("container_network_receive_errors_total", "counter", ZERO, "s", ('interface="eth0"',)),
    ("container_network_transmit_errors_total", "counter", ZERO, "s", ('interface="eth0"',)),
    ("container_network_receive_packets_dropped_total", "counter", ZERO, "s", ('interface="eth0"',)),
    ("container_network_transmit_packets_dropped_total", "counter", ZERO, "s", ('interface="eth0"',)),
    ("container_fs_reads_bytes_total", "counter", COUNT, "cpo", ('device="/dev/nvme0n1"',)),
    ("container_fs_writes_bytes_total", "counter", COUNT, "cpo", ('device="/dev/nvme0n1"',)),
    ("container_fs_reads_total", "counter", COUNT, "cpo", ('device="/dev/nvme0n1"',)),
    ("container_fs_writes_total", "counter", COUNT, "cpo", ('device="/dev/nvme0n1"',)),
    ("container_memory_failures_total", "counter", COUNT, "cspo",
     ('failure_type="pgfault",scope="container"', 'failure_type="pgfault",scope="hierarchy"',
      'failure_type="pgmajfault",scope="container"', 'failure_type="pgmajfault",scope="hierarchy"')),
    ("container_oom_events_total", "counter", ZERO, "cspo", ()),
    ("container_processes", "gauge", SMALL, "cspo", ()),
    ("container_threads", "gauge", SMALL, "cspo", ()),
    ("container_sockets", "gauge", SMALL, "cspo", ()),
    ("container_file_descriptors", "gauge", SMALL, "cspo", ()),
    ("container_start_time_seconds", "gauge", FIXED, "cspo", ()),
    ("container_last_seen", "gauge", FIXED, "cspo", ()),
    ("container_spec_cpu_period", "gauge", FIXED, "cspo", ()),
    ("container_spec_cpu_shares", "gauge", FIXED, "cspo", ()),
    ("container_spec_memory_limit_bytes", "gauge", FIXED, "cspo", ()),
    ("container_spec_memory_reservation_limit_bytes", "gauge", ZERO, "cspo", ()),
    ("container_spec_memory_swap_limit_bytes", "gauge", ZERO, "cspo", ()),
    ("container_memory_max_usage_bytes", "gauge", BYTES, "cspo", ()),
    ("container_memory_mapped_file", "gauge", BYTES, "cspo", ()),
    ("container_memory_swap", "gauge", ZERO, "cspo", ()),
    ("container_memory_failcnt", "counter", ZERO, "cspo", ()),
    ("container_memory_kernel_usage", "gauge", BYTES, "cspo", ()),
    ("container_memory_total_active_file_bytes", "gauge", BYTES, "cspo", ()),
    ("container_memory_total_inactive_file_bytes", "gauge", BYTES, "cspo", ()),
    ("container_pressure_cpu_waiting_seconds_total", "counter", CPU, "cspo", ()),
    ("container_pressure_cpu_stalled_seconds_total", "counter", CPU, "cspo", ()),
    ("container_pressure_io_waiting_seconds_total", "counter", CPU, "cspo", ()),
    ("container_pressure_io_stalled_seconds_total", "counter", CPU, "cspo", ()),
    ("container_pressure_memory_waiting_seconds_total", "counter", CPU, "cspo", ()),
    ("container_pressure_memory_stalled_seconds_total", "counter", CPU, "cspo", ()),
    ("container_cpu_load_average_10s", "gauge", ZERO, "cspo", ()),
    ("container_cpu_load_d_average_10s", "gauge", ZERO, "cspo", ()),
    ("container_threads_max", "gauge", ZERO, "cspo", ()),
    ("container_tasks_state", "gauge", ZERO, "cspo",
     tuple(f'state="{state}"' for state in ("iowaiting", "running", "sleeping", "stopped", "uninterruptible"))),
    ("container_ulimits_soft", "gauge", FIXED, "cs", ('ulimit="max_open_files"',)),
    ("container_blkio_device_usage_total", "counter", COUNT, "cpo",
     ('device="/dev/nvme0n1",major="259",minor="0",operation="Read"',
      'device="/dev/nvme0n1",major="259",minor="0",operation="Write"')),
)
UNTIMED = ("container_start_time_seconds", "container_scrape_error") + tuple(
    name for name, *_ in FAMILIES if name.startswith("container_spec_"))  # rows that say no time of their own


def digest(*words):
    return hashlib.sha256("/".join(map(str, words)).encode()).hexdigest()


def number(value):
    """As Go writes a double in its shortest form."""
    if value == int(value):
        if abs(value) < 1e6:
            return str(int(value))
        digits = str(int(value))
    else:
        if 1e-4 <= abs(value) < 1e6:
            return repr(value)
        digits = repr(value).split(".")[0]
        return f"{digits[0]}.{(digits[1:] + repr(value).split('.')[1])}e+{len(digits) - 1:02d}" if value >= 1e6 \
            else repr(value)
    kept = digits.rstrip("0")
    return f"{kept[0]}{'.' + kept[1:] if len(kept) > 1 else ''}e+{len(digits) - 1:02d}"


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


class Container:
    def __init__(self, pod, name, started):
        self.pod, self.name, self.started = pod, name, started
        self.id = digest(pod.uid, name, "container")
        self.image = f"registry.example.com/{pod.namespace}/{name}:v2.{int(self.id[:4], 16)}.1"


class Pod:
    """One incarnation of a slot of the node."""

    def __init__(self, slot, generation, containers, started):
        kind, self.qos = KINDS[slot % len(KINDS)]
        token = digest(slot, generation)
        self.slot, self.started = slot, started
        self.namespace = f"team-{slot % 17:02d}-production"
        self.owner = f"{kind}-service-{slot:04d}-{digest(slot)[:9]}"
        self.name = f"{self.owner}-{token[:5]}"
        self.uid = f"{token[:8]}-{token[8:12]}-4{token[13:16]}-a{token[17:20]}-{token[20:32]}"
        self.ip = f"127.244.{slot // 250}.{slot % 250 + 2}"  # loopback: agents under test scrape these pods
        self.sandbox = digest(self.uid, "sandbox")
        names = ["app", "proxy", "logs", "metrics", "cache"] + [f"extra-{i}" for i in range(5, containers)]
        self.containers = [Container(self, name, started + 2) for name in names[:containers]]
        middle = "" if self.qos == "Guaranteed" else f"-{self.qos.lower()}"
        parent = f"/kubepods.slice/kubepods{middle}.slice" if middle else "/kubepods.slice"
        self.cgroup = f"{parent}/kubepods{middle}-pod{self.uid.replace('-', '_')}.slice"
        self._json = None

    def json(self):
        """The pod as /pods lists it, compact as the kubelet writes it."""
        if not self._json:
            self._json = json.dumps(self.described(), separators=(",", ":"))
        return self._json

    def described(self):
        since = stamp(self.started)
        return {
            "metadata": {
                "name": self.name, "generateName": self.owner + "-", "namespace": self.namespace, "uid": self.uid,
                "resourceVersion": str(7_000_000 + self.slot), "creationTimestamp": since,
                "labels": {"app.kubernetes.io/component": "server", "app.kubernetes.io/instance": self.owner,
                           "app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/name": self.owner[:-10],
                           "helm.sh/chart": self.owner[:-10] + "-4.12.0", "pod-template-hash": digest(self.slot)[:9]},
                "annotations": {"checksum/config": digest(self.slot, "config"),
                                "checksum/secret": digest(self.slot, "secret"),
                                "kubernetes.io/config.seen": since[:-1] + ".402118220Z",
                                "kubernetes.io/config.source": "api",
                                "prometheus.io/port": "9090", "prometheus.io/scrape": "true"},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": self.owner,
                                     "uid": digest(self.slot, "owner")[:36], "controller": True,
                                     "blockOwnerDeletion": True}],
            },
            "spec": {
                "volumes": [{"name": "config", "configMap": {"name": self.owner + "-config", "defaultMode": 420}},
                            {"name": "data", "emptyDir": {}}, _token_volume(self)],
                "containers": [_described_container(one) for one in self.containers],
                "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
                "serviceAccountName": self.owner, "serviceAccount": self.owner, "nodeName": "node-a1",
                "securityContext": {"runAsUser": 1000, "fsGroup": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
                "schedulerName": "default-scheduler",
                "tolerations": [{"key": "node.kubernetes.io/" + what, "operator": "Exists", "effect": "NoExecute",
                                 "tolerationSeconds": 300} for what in ("not-ready", "unreachable")],
                "priority": 0, "enableServiceLinks": True, "preemptionPolicy": "PreemptLowerPriority"},
            "status": {
                "phase": "Running",
                "conditions": [{"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": since}
                               for kind in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady",
                                            "PodScheduled")],
                "hostIP": NODE_ADDRESS, "hostIPs": [{"ip": NODE_ADDRESS}],
                "podIP": self.ip, "podIPs": [{"ip": self.ip}], "startTime": since,
                "containerStatuses": [_container_status(one) for one in self.containers], "qosClass": self.qos},
        }


def _token_volume(pod):
    return {"name": "kube-api-access-" + pod.uid[:5], "projected": {"sources": [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1",
                                                                      "fieldPath": "metadata.namespace"}}]}}],
        "defaultMode": 420}}


def _probe(path):
    return {"httpGet": {"path": path, "port": 8080, "scheme": "HTTP"}, "initialDelaySeconds": 5, "timeoutSeconds": 1,
            "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}


def _resources(pod):
    if pod.qos == "BestEffort":
        return {}
    limits = {"cpu": "500m", "memory": "256Mi"}
    return {"limits": limits, "requests": limits if pod.qos == "Guaranteed" else {"cpu": "100m", "memory": "128Mi"}}


def _described_container(one):
    pod = one.pod
    return {
        "name": one.name, "image": one.image, "args": ["--config=/etc/app/config.yaml", "--log-format=json"],
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"},
                  {"name": "metrics", "containerPort": 9090, "protocol": "TCP"}] if one.name == "app" else [],
        "env": [{"name": f"SERVICE_SETTING_{i}", "value": digest(one.id, i)[:24]} for i in range(4)] + [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
            {"name": "DATABASE_PASSWORD", "valueFrom": {"secretKeyRef": {"name": pod.owner, "key": "password"}}}],
        "resources": _resources(pod),
        "volumeMounts": [{"name": "config", "readOnly": True, "mountPath": "/etc/app"},
                         {"name": "data", "mountPath": "/var/lib/app"},
                         {"name": "kube-api-access-" + pod.uid[:5], "readOnly": True,
                          "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}],
        "livenessProbe": _probe("/healthz"), "readinessProbe": _probe("/ready"),
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
        "securityContext": {"capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True,
                            "allowPrivilegeEscalation": False}}


def _container_status(one):
    resources = _resources(one.pod)
    return {"name": one.name, "state": {"running": {"startedAt": stamp(one.started)}}, "lastState": {}, "ready": True,
            "restartCount": 0, "image": one.image, "imageID": one.image.split(":")[0] + "@sha256:" + digest(one.image),
            "containerID": "containerd://" + one.id, "started": True, "resources": resources,
            **({"allocatedResources": resources["requests"]} if resources else {})}


class Cgroup:
    """A row giver of /metrics/cadvisor: its labels, and numbers that follow from its name and the clock."""

    def __init__(self, kind, path, started, container="", pod=None, image="", name=""):
        self.kind, self.path, self.started = kind, path, started
        self.container, self.pod, self.image, self.name = container, pod, image, name
        self.seed = int(digest(path)[:8], 16)
        self.age = self.seed % 15000 / 1000  # seconds since its housekeeping
        self.rows = []
        self._make_rows()

    def labels(self, extra):
        pod = self.pod
        words = [f'container="{self.container}"', f'id="{self.path}"', f'image="{self.image}"', f'name="{self.name}"',
                 f'namespace="{pod.namespace if pod else ""}"', f'pod="{pod.name if pod else ""}"']
        return ",".join(sorted(words + (extra.split(",") if extra else [])))

    def _make_rows(self):
        for at, (name, _, unit, rows, extras) in enumerate(FAMILIES):
            for which, extra in enumerate(extras or ("",)) if self.kind in rows else ():
                seed = (self.seed * 2654435761 + at * 97 + which) & 0xFFFFFFFF
                self.rows.append((at, f"{name}{{{self.labels(extra)}}} ", *self._course(name, unit, seed)))

    def _course(self, name, unit, seed):
        """(value at the start, change per second, size of its wavering)."""
        if unit == CPU:
            return 0.0, (seed % 9000 + 1) / 1e5, 0
        if unit == COUNT:
            return float(seed % 5000), float(seed % 900 + 1), 0
        if unit == BYTES:
            return float((seed % 60000 + 200) * 4096), 0.0, 4096
        if unit == SMALL:
            return float(seed % 40 + 1), 0.0, 1
        if unit == ZERO:
            return 0.0, 0.0, 0
        fixed = {"container_start_time_seconds": self.started, "container_spec_cpu_period": 100000,
                 "container_spec_cpu_shares": 102, "container_ulimits_soft": 1048576,
                 "container_spec_memory_limit_bytes": 268435456}
        return (0.0, 0.0, -1) if name == "container_last_seen" else (float(fixed[name]), 0.0, 0)

    def value(self, row, now):
        _, _, base, rate, wave = row
        if wave < 0:
            return float(int(now))
        if rate:
            seconds = max(0.0, now - self.started)
            return round(base + rate * seconds, 6) if rate < 1 else float(int(base + rate * seconds))
        return base + wave * (int(now * 4 + self.seed) % 7) if wave else base

    def of(self, name, now):
        """The value of the first row of a family."""
        at = next(i for i, family in enumerate(FAMILIES) if family[0] == name)
        return next((self.value(row, now) for row in self.rows if row[0] == at), None)


class Node:
    """pods x containers; cadvisor_bytes: about the size /metrics/cadvisor shall have; churn: pods replaced per second."""

    def __init__(self, pods=30, containers=2, cadvisor_bytes=None, churn=0.0, clock=time.time):
        self.clock, self.churn, self.containers = clock, churn, containers
        self.born = clock()
        self._frozen = None
        self._replaced = 0
        self._began = self.born - 86400
        self.above = [Cgroup("o", path, self._began) for path in (
            "/", "/kubepods.slice", "/kubepods.slice/kubepods-besteffort.slice",
            "/kubepods.slice/kubepods-burstable.slice", "/system.slice/containerd.service",
            "/system.slice/kubelet.service")]
        self.slots = [Pod(slot, 0, containers, self._began + slot) for slot in range(pods)]
        self.cgroups = {pod.slot: self._cgroups_of(pod) for pod in self.slots}
        self.families = len(FAMILIES)
        if cadvisor_bytes:
            self._cut_to(cadvisor_bytes)

    @staticmethod
    def _cgroups_of(pod):
        made = [Cgroup("p", pod.cgroup, pod.started, pod=pod),
                Cgroup("s", f"{pod.cgroup}/cri-containerd-{pod.sandbox}.scope", pod.started, pod=pod, image=PAUSE,
                       name=pod.sandbox)]
        return made + [Cgroup("c", f"{pod.cgroup}/cri-containerd-{one.id}.scope", one.started, one.name, pod, one.image,
                              one.id) for one in pod.containers]

    def _cut_to(self, wanted):
        """Leaves out the last families, so that the body has about the wanted size."""
        sizes = [len(text) for text in self._texts(self.now())]
        if sum(sizes) < wanted * 0.95:
            raise ValueError(f"{len(self.slots)} pods fill {sum(sizes)} bytes only: ask for more")
        total = 0
        for at, size in enumerate(sizes):
            total += size
            if total >= wanted:
                self.families = at + 1
                return

    def freeze(self, when=None):
        """Stops the clock (at a time), so that answers are alike; freeze(0) lets it run."""
        self._frozen = None if when == 0 else when or self.clock()

    def now(self):
        return self._frozen or self.clock()

    def turn(self, how_many=1):
        """Replaces so many pods, each slot in its turn."""
        now = self.now()
        for _ in range(how_many):
            self._replaced += 1
            slot = self._replaced % len(self.slots)
            self.slots[slot] = Pod(slot, self._replaced, self.containers, now)
            self.cgroups[slot] = self._cgroups_of(self.slots[slot])

    def settle(self):
        """Lets the churn that is due happen."""
        if self.churn and self.slots:
            due = int((self.now() - self.born) * self.churn) - self._replaced
            self.turn(max(0, min(due, len(self.slots))))
            self._replaced = max(self._replaced, int((self.now() - self.born) * self.churn))

    def all_cgroups(self):
        yield from self.above
        for pod in self.slots:
            yield from self.cgroups[pod.slot]

    # Answers ------------------------------------------------------------------------------------------------------

    def pods(self):
        return ('{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[' +
                ",".join(pod.json() for pod in self.slots) + "]}\n").encode()

    def _texts(self, now):
        lines = [[] for _ in FAMILIES]
        untimed = [family[0] in UNTIMED for family in FAMILIES]
        for group in self.all_cgroups():
            end, value = f" {int((now - group.age) * 1000)}\n", group.value
            for row in group.rows:
                lines[row[0]].append(row[1] + number(value(row, now)) + ("\n" if untimed[row[0]] else end))
        return [f"# HELP {name} The {name[10:].replace('_', ' ')} of a cgroup.\n# TYPE {name} {kind}\n" + "".join(sorted(rows))
                for (name, kind, *_), rows in zip(FAMILIES, lines)]

    def cadvisor(self):
        now = self.now()
        texts = sorted(self._texts(now)[:self.families])
        ids = 'boot_id="3f2a",machine_id="5b1e",system_uuid="ec2a"'
        texts.insert(0, "# HELP cadvisor_version_info What runs here.\n# TYPE cadvisor_version_info gauge\n"
                        'cadvisor_version_info{cadvisorRevision="",cadvisorVersion="",dockerVersion="",'
                        'kernelVersion="6.12.0",osVersion="Debian GNU/Linux 13 (trixie)"} 1\n')
        texts.append("# HELP container_scrape_error 1 where something failed.\n# TYPE container_scrape_error gauge\n"
                     "container_scrape_error 0\n# HELP machine_cpu_cores Logical processors.\n"
                     f"# TYPE machine_cpu_cores gauge\nmachine_cpu_cores{{{ids}}} 4\n# HELP machine_memory_bytes Memory.\n"
                     f"# TYPE machine_memory_bytes gauge\nmachine_memory_bytes{{{ids}}} 1.6656314368e+10\n")
        return "".join(texts).encode()

    def resource(self):
        now = self.now()
        rows = {}

        def add(name, kind, labels, group, source, timed=True):
            rows.setdefault((name, kind), []).append(
                f"{name}{labels} {number(group.of(source, now))}" + (f" {int((now - group.age) * 1000)}\n" if timed else "\n"))

        cpu, memory = FAMILIES[0][0], FAMILIES[1][0]
        for pod in self.slots:
            slice_, _, *containers = self.cgroups[pod.slot]
            of_pod = f'namespace="{pod.namespace}",pod="{pod.name}"'
            for group in containers:
                labels = f'{{container="{group.container}",{of_pod}}}'
                add("container_cpu_usage_seconds_total", "counter", labels, group, cpu)
                add("container_memory_working_set_bytes", "gauge", labels, group, memory)
                add("container_start_time_seconds", "gauge", labels, group, "container_start_time_seconds", False)
            add("pod_cpu_usage_seconds_total", "counter", f"{{{of_pod}}}", slice_, cpu)
            add("pod_memory_working_set_bytes", "gauge", f"{{{of_pod}}}", slice_, memory)
        add("node_cpu_usage_seconds_total", "counter", "", self.above[0], cpu)
        add("node_memory_working_set_bytes", "gauge", "", self.above[0], memory)
        rows["resource_scrape_error", "gauge"] = ["resource_scrape_error 0\n"]
        return _exposed(rows)

    def probes(self):
        now = self.now()
        rows = {("prober_probe_total", "counter"): [], ("process_start_time_seconds", "gauge"): [
            f"process_start_time_seconds {number(self._began)}\n"]}
        for pod in self.slots:
            for one in pod.containers:
                for kind in ("Liveness", "Readiness"):
                    rows["prober_probe_total", "counter"].append(
                        f'prober_probe_total{{container="{one.name}",namespace="{pod.namespace}",pod="{pod.name}",'
                        f'pod_uid="{pod.uid}",probe_type="{kind}",result="successful"}} '
                        f"{number(float(max(0, int(now - one.started) // 10)))}\n")
        return _exposed(rows)

    def own(self):
        """The kubelet's own /metrics, in short."""
        count = len(self.slots)
        return _exposed({
            ("kubelet_node_name", "gauge"): ['kubelet_node_name{node="node-a1"} 1\n'],
            ("kubelet_running_pods", "gauge"): [f"kubelet_running_pods {count}\n"],
            ("kubelet_running_containers", "gauge"): [
                f'kubelet_running_containers{{container_state="running"}} {count * self.containers}\n']})

    def summary(self, short=False):
        now = self.now()
        return json.dumps({"node": {"nodeName": "node-a1", "startTime": stamp(self._began),
                                    **_usage(self.above[0], now)},
                           "pods": [self._pod_summary(pod, now, short) for pod in self.slots]}, indent=1).encode()

    def _pod_summary(self, pod, now, short):
        slice_, sandbox, *containers = self.cgroups[pod.slot]
        made = {"podRef": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
                "startTime": stamp(pod.started), **_usage(slice_, now),
                "containers": [{"name": group.container, "startTime": stamp(group.started), **_usage(group, now),
                                **({} if short else {"rootfs": _disk(group, now), "logs": _disk(group, now)})}
                               for group in containers]}
        if short:
            return made
        wire = {"name": "eth0", "rxErrors": 0, "txErrors": 0,
                "rxBytes": int(sandbox.of("container_network_receive_bytes_total", now)),
                "txBytes": int(sandbox.of("container_network_transmit_bytes_total", now))}
        return {**made, "network": {"time": stamp(now), **wire, "interfaces": [wire]},
                "volume": [{**_disk(slice_, now), "name": "data"}], "ephemeral-storage": _disk(slice_, now),
                "process_stats": {"process_count": int(slice_.of("container_processes", now))}}


def _usage(group, now):
    when = stamp(now - group.age)
    cpu, memory = group.of(FAMILIES[0][0], now), int(group.of(FAMILIES[1][0], now))
    return {"cpu": {"time": when, "usageNanoCores": group.seed % 10 ** 9, "usageCoreNanoSeconds": round(cpu * 1e9)},
            "memory": {"time": when, "usageBytes": int(group.of("container_memory_usage_bytes", now)),
                       "workingSetBytes": memory, "rssBytes": int(group.of("container_memory_rss", now)),
                       "pageFaults": 0, "majorPageFaults": 0}}


def _disk(group, now):
    return {"time": stamp(now - group.age), "availableBytes": 65155342172, "capacityBytes": 105089261568,
            "usedBytes": group.seed % 10 ** 8 * 4096 // 4096, "inodesFree": 5131311, "inodes": 6414139,
            "inodesUsed": group.seed % 1000}


def _exposed(rows):
    return "".join(f"# HELP {name} The {name.replace('_', ' ')}.\n# TYPE {name} {kind}\n" + "".join(sorted(lines))
                   for (name, kind), lines in sorted(rows.items())).encode()
