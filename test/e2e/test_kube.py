#!/usr/bin/env python3
"""The agent and a kubelet over TLS: what it takes from one on a good day, and what each kind of bad day comes to."""
import re

from harness import Agent, run, samples, wait_for
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


if __name__ == "__main__":
    main()
