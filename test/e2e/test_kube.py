#!/usr/bin/env python3
"""The agent and a kubelet over TLS: what it takes from one on a good day, and what each kind of bad day comes to."""
import json
import os
import re
import tempfile
import urllib.parse

from harness import SHARED, Agent, parse_series, run, samples, wait_for
from kubelet import Kubelet
from kubelet_node import Node

POLL = "--kubelet.poll-interval=1s"
QUIET = ("--collector.disable-defaults", "--collector.uname")


def values(agent):
    return {name: float(value) for name, value in samples(agent.metrics()).items()
            if name.startswith("nodevitals_kubelet_")}


def failures(agent, reason):
    return values(agent)[f'nodevitals_kubelet_request_failures_total{{reason="{reason}"}}']


def is_up(agent):
    return values(agent)["nodevitals_kubelet_up"] == 1


def the_pods_are_known_on_a_good_day():
    with Kubelet(node=Node(pods=7, containers=2)) as kubelet, Agent(*QUIET, *kubelet.flags()) as agent:
        wait_for(lambda: is_up(agent))
        told = values(agent)
        assert told["nodevitals_kubelet_pods"] == 7, told
        assert told["nodevitals_kubelet_containers"] >= 14, told
        assert told["nodevitals_kubelet_pods_age_seconds"] < 60, told
        assert all(value == 0 for name, value in told.items() if "failures" in name), told


def ipv6_and_no_tls_work_too():
    with Kubelet(node=Node(pods=1, containers=1)) as kubelet, \
            Agent(*QUIET, *kubelet.flags(v6=True)) as agent:
        wait_for(lambda: is_up(agent))
    with Kubelet(node=Node(pods=1, containers=1), tls=False) as kubelet, \
            Agent(*QUIET, *kubelet.flags()) as agent:
        wait_for(lambda: is_up(agent))


def nothing_is_asked_outside_kubernetes():
    env = {"KUBERNETES_SERVICE_HOST": "", "HOST_IP": "127.0.0.1"}
    with Agent(*QUIET, env={key: value for key, value in env.items() if value}) as agent:
        assert not values(agent)


def inside_kubernetes_the_kubelet_is_looked_for():
    env = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "HOST_IP": "127.77.0.1", "NODE_NAME": "n1"}
    with Agent(*QUIET, env=env) as agent:
        wait_for(lambda: failures(agent, "connect") >= 1)
        agent.line_with(r"kubelet: .*https://127\.77\.0\.1:10250/pods")


def bad_days():
    """One agent through all of them, so that what follows each proves that it is over."""
    with Kubelet(node=Node(pods=3, containers=1)) as kubelet, Agent(*QUIET, POLL, *kubelet.flags()) as agent:
        def must_become(reason):
            before = failures(agent, reason)
            wait_for(lambda: failures(agent, reason) > before)
            told = values(agent)
            assert told["nodevitals_kubelet_up"] == 0, told
            assert told["nodevitals_kubelet_pods"] == 3, told  # the last good answer stays

        def good_again():
            kubelet.switch()
            wait_for(lambda: is_up(agent))

        wait_for(lambda: is_up(agent))
        kubelet.switch("/pods", status=500)
        must_become("status")
        good_again()
        kubelet.forbid("pods", "proxy")
        must_become("forbidden")
        agent.line_with(r"kubelet: .*403.*user=system:serviceaccount:monitoring:nodevitals, verb=get, "
                        r"resource=nodes, subresource\(s\)=\[pods proxy\]")
        kubelet.forbid()
        good_again()
        kubelet.switch("/pods", half=True)
        must_become("cut")
        good_again()
        kubelet.tokens = {"another"}
        must_become("unauthorized")
        agent.line_with(r"kubelet: .*401.*" + re.escape(kubelet.token_file))
        kubelet.rotate("another")  # renewed under us
        wait_for(lambda: is_up(agent))
        kubelet.certificate("other")
        kubelet.cut()
        must_become("tls")
        agent.line_with(r"kubelet: .*--kubelet\.ca-file.*--kubelet\.insecure-skip-verify")
        kubelet.certificate("right")
        wait_for(lambda: is_up(agent))
        kubelet.down()
        must_become("connect")
        kubelet.up()
        wait_for(lambda: is_up(agent))
        kubelet.rotate("once more")
        before = failures(agent, "unauthorized")
        asked = kubelet.counts["/pods"]
        wait_for(lambda: kubelet.counts["/pods"] >= asked + 3)
        assert failures(agent, "unauthorized") == before  # a rotation is nothing special


def a_kubelet_of_its_own_certificate_is_found_by_the_name_of_the_node():
    with Kubelet(node=Node(pods=1, containers=1)) as kubelet:
        kubelet.certificate("name")  # for node-b7, not for the address
        with Agent(*QUIET, POLL, *kubelet.flags(), env={"NODE_NAME": "node-b7"}) as agent:
            wait_for(lambda: is_up(agent))
        with Agent(*QUIET, POLL, *kubelet.flags(), env={"NODE_NAME": "node-a1"}) as agent:
            wait_for(lambda: failures(agent, "tls") >= 1)
            assert not is_up(agent)
        with Agent(*QUIET, POLL, *kubelet.flags(), "--kubelet.insecure-skip-verify") as agent:
            wait_for(lambda: is_up(agent))


def disk_use_is_told_from_the_summary():
    flags = ("--collector.disable-defaults", "--collector.kubelet-summary")
    with Kubelet(node=Node(pods=2, containers=3)) as kubelet, Agent(*flags, *kubelet.flags()) as agent:
        def told(name):
            return [series for series in samples(agent.metrics()) if series.startswith(name)]

        success = 'node_scrape_collector_success{collector="kubelet-summary"}'
        wait_for(lambda: len(told("kubelet_summary_container_rootfs_used_bytes{")) == 6)
        assert len(told("kubelet_summary_pod_ephemeral_storage_used_bytes{")) == 2
        kubelet.forbid("stats")
        wait_for(lambda: samples(agent.metrics())[success] == "0")
        agent.line_with(r"403.*user=system:serviceaccount:monitoring:nodevitals.*collector=kubelet-summary")
        kubelet.forbid()
        wait_for(lambda: samples(agent.metrics())[success] == "1")


def targets(agent):
    """Those found on the node; the agent shows itself beside them."""
    shown = json.loads(agent.get("/api/v1/targets?state=active")[2])["data"]["activeTargets"]
    return [one for one in shown if one["scrapePool"].startswith("kube")]


def at_home(text):
    """Addresses of pods and node moved to loopback, for nothing of a test leaves the machine."""
    return re.sub(r"\b10\.(\d+\.\d+\.\d+)\b", r"127.\1", text)


def asked(agent, expression):
    """The instant vector of an expression: {labels: value}."""
    answer = json.loads(agent.get("/api/v1/query?query=" + urllib.parse.quote(expression))[2])
    return {tuple(sorted(one["metric"].items())): float(one["value"][1]) for one in answer["data"]["result"]}


def the_pods_of_a_node_are_targets(payloads):
    expected = set()
    with open(os.path.join(SHARED, "fixtures/kubelet/expected-targets.txt"), encoding="utf-8") as file:
        for line in file:
            if not line.startswith("#"):
                expected.add(tuple(at_home(line).rstrip("\n").split("\t")[:3]))
    with open(os.path.join(payloads, "pods.json"), encoding="utf-8") as file:
        pods = at_home(file.read())
    with Kubelet(payloads=payloads) as kubelet:
        kubelet.switch("/pods", body=pods, kind="application/json")
        must_be_targets(kubelet, expected)


def must_be_targets(kubelet, expected):
    with Agent(*QUIET, *kubelet.flags(), "--kube.port-names", "--kubelet.endpoints=none") as agent:
        agent.ready()

        def found():
            return {(one["scrapeUrl"], one["labels"].get("namespace"), one["labels"].get("pod"))
                    for one in targets(agent)}

        wait_for(lambda: found() == expected)
        for one in targets(agent):
            assert one["scrapePool"] == one["labels"]["job"] == "kubernetes-pods", one
            assert one["labels"]["node"] == "node-a1" and one["labels"]["container"], one
            assert one["discoveredLabels"]["__meta_kubernetes_pod_name"] == one["labels"]["pod"], one


def the_endpoints_of_the_kubelet_are_targets(payloads):
    flags = ("--kubelet.endpoints=metrics,probes", "--kubelet.endpoints=resource,cadvisor", "--no-kube.annotations",
             "--kube.scrape-interval=1s")
    with Kubelet(payloads=payloads, moved=True) as kubelet, tempfile.TemporaryDirectory() as store, \
            Agent(*QUIET, *kubelet.flags(), *flags, "--storage.tsdb.path=" + store,
                  env={"NODE_NAME": "node-a1"}) as agent:
        agent.ready()
        paths = {"/metrics", "/metrics/cadvisor", "/metrics/probes", "/metrics/resource"}
        up = 'up{job="kubelet"}'
        wait_for(lambda: {dict(labels)["metrics_path"] for labels, value in asked(agent, up).items() if value == 1} ==
                 paths)
        for one in targets(agent):
            assert one["health"] == "up", one
            assert one["labels"]["job"] == "kubelet" and one["labels"]["instance"] == "node-a1", one
        memory = asked(agent, "container_memory_working_set_bytes{pod!=''}")
        by_path = {path: [labels for labels in memory if dict(labels)["metrics_path"] == path] for path in paths}
        assert by_path["/metrics/cadvisor"] and by_path["/metrics/resource"], memory
        assert all(dict(labels)["job"] == "kubelet" for labels in memory), memory
        wait_for(lambda: agent.get("/metrics/cadvisor")[0] == agent.get("/metrics/resource")[0] == 200)


def identity(series):
    """Name and labels; an empty label is none."""
    name, labels = parse_series(series)
    return name, tuple(sorted(item for item in labels.items() if item[1]))


def what_replaces_the_collector_is_on_metrics(payloads):
    """With the source kubelet its series are ours, names, labels and values, and its times are not."""
    flags = ("--collector.container", "--collector.container.source=kubelet", "--no-kube.annotations",
             "--kube.scrape-interval=1s", "--kubelet.endpoints=metrics")
    with Kubelet(payloads=payloads) as kubelet, Agent(*QUIET, *kubelet.flags(), *flags) as agent:
        with open(os.path.join(payloads, "metrics-cadvisor.txt"), encoding="utf-8") as file:
            theirs = {}
            for line in file:
                if not line.startswith("#") and line.strip():
                    series, value = re.match(r"(\w+(?:\{.*\})?) (\S+)(?: \d+)?$", line).groups()
                    theirs[identity(series)] = float(value)

        def ours():
            made = {}
            status, _, body = agent.get("/metrics/cadvisor")  # 503 before the first scrape
            for series, value in samples(body.decode() if status == 200 else "").items():
                made[identity(series)] = float(value)
            return made

        wait_for(lambda: len(ours()) >= len(theirs))
        assert "cadvisor" in str(targets(agent)) and "/probes" not in str(targets(agent))
        shown = ours()
        differing = [key for key in theirs if shown.get(key) != theirs[key]]
        assert not differing, [(key, theirs[key], shown.get(key)) for key in differing[:5]]
        assert not set(shown) - set(theirs), list(set(shown) - set(theirs))[:5]
        assert "container_last_seen" not in agent.metrics("/metrics?exclude[]=container")


def a_token_never_goes_to_a_pod():
    """A pod of the node is the stand-in itself, at another path, asked over the same address."""
    with Kubelet(payloads=None, node=Node(pods=1, containers=1)) as kubelet:
        pod = {"metadata": {"name": "p", "namespace": "n", "annotations": {
            "prometheus.io/scrape": "true", "prometheus.io/port": str(kubelet.port), "prometheus.io/scheme": "https",
            "prometheus.io/path": "/pod?a=b"}},
            "spec": {"containers": [{"name": "c"}]}, "status": {"phase": "Running", "podIP": "127.0.0.1"}}
        kubelet.switch("/pods", body=json.dumps({"kind": "PodList", "items": [pod]}), kind="application/json")
        seen = []
        answer = kubelet.answer

        def watch(request):
            if request.path == "/pod":
                seen.append((request.query, request.headers.get("Authorization")))
            return answer(request)

        kubelet.answer = watch
        with Agent(*QUIET, *kubelet.flags(), "--kube.scrape-interval=1s") as agent:
            wait_for(lambda: len(seen) >= 2)
            assert set(seen) == {("a=b", None)}, seen
            assert agent.process.poll() is None


def flags_that_are_none_are_refused():
    for flag, reason in (("--kubelet.url=node:10250", "https://HOST:PORT"),
                         ("--kubelet.poll-interval=1ms", "1s to 1h"),
                         ("--kube.scrape-interval=2h", "1s to 1h"),
                         ("--kubelet.endpoints=metrics,cadviso", "'cadviso'")):
        ended = run("collect", flag)
        assert ended.returncode == 1 and reason in ended.stderr, (flag, ended)


def main():
    the_pods_are_known_on_a_good_day()
    ipv6_and_no_tls_work_too()
    nothing_is_asked_outside_kubernetes()
    inside_kubernetes_the_kubelet_is_looked_for()
    bad_days()
    a_kubelet_of_its_own_certificate_is_found_by_the_name_of_the_node()
    disk_use_is_told_from_the_summary()
    flags_that_are_none_are_refused()
    a_token_never_goes_to_a_pod()
    payloads = os.path.join(SHARED, "fixtures/kubelet/payloads")
    if not os.path.isdir(payloads):
        print(f"SKIP in part: no {payloads}")
        return
    the_pods_of_a_node_are_targets(payloads)
    the_endpoints_of_the_kubelet_are_targets(payloads)
    what_replaces_the_collector_is_on_metrics(payloads)


if __name__ == "__main__":
    main()
