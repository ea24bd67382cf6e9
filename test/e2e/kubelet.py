#!/usr/bin/env python3
"""A stand-in for the kubelet: its paths over TLS, its tokens, its rights, and its bad days.

    with Kubelet(payloads=FOLDER) as kubelet:          answers from files (see FILES)
    with Kubelet(node=Node(pods=300, containers=2)):   answers made up, see kubelet_node.py
        flags = kubelet.flags()                        --kubelet.url and the files that go with it
        kubelet.switch(slow=3)                         a bad day on every path; switch("/pods", status=500) on one
        kubelet.switch()                               a good day again
        kubelet.rotate("new token")                    the token file renewed, the token before refused
        kubelet.forbid("pods"); kubelet.forbid()       403 for a subresource of nodes; none
        kubelet.certificate("name"), .down(), .up(), .gzip, .counts, .requests      see standin.py

By hand: kubelet.py [--payloads FOLDER | --pods N --containers M --cadvisor-bytes B --churn PODS_PER_SECOND] [--plain]
prints its flags and its address, and obeys lines of JSON on standard input, as {"switch": {"path": "*", "slow": 3}},
{"rotate": "token"}, {"forbid": ["pods"]}, {"certificate": "name"}, {"down": true}, {"up": true}.
"""
import argparse
import json
import os
import re
import socket
import sys
import time

from kubelet_node import Node
from standin import Answer, PlainHandler, StandIn

TEXT = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
JSON = "application/json"
# path: (file of a payload folder, content type, subresource asked before 1.33 and after it)
FILES = {
    "/pods": ("pods.json", JSON, "pods"),
    "/runningpods/": ("pods.json", JSON, "pods"),
    "/metrics": ("metrics.txt", TEXT, "metrics"),
    "/metrics/cadvisor": ("metrics-cadvisor.txt", TEXT, "metrics"),
    "/metrics/resource": ("metrics-resource.txt", TEXT, "metrics"),
    "/metrics/probes": ("metrics-probes.txt", TEXT, "metrics"),
    "/stats/summary": ("stats-summary.json", JSON, "stats"),
    "/configz": ("configz.json", JSON, "configz"),
    "/healthz": ("healthz.txt", "text/plain; charset=utf-8", "healthz"),
}
RIGHTS = {"metrics", "stats", "pods", "healthz", "configz"}  # what the agent's role gives; never proxy
FINE = ("pods", "healthz", "configz")  # subresources that older kubelets do not know: they ask for proxy
USER = "system:serviceaccount:monitoring:nodevitals"
TIMED = re.compile(rb"^(.*[}\d] \S+ )(\d{13})$", re.M)


class Kubelet(StandIn):
    """token=None asks for none, as a kubelet that authorises everyone; fine=False is one before 1.33."""

    def __init__(self, payloads=None, node=None, token="the-first-token", fine=True, read_only=False, moved=False,
                 **options):
        self.payloads, self.made_up = payloads, node or (None if payloads else Node())
        self.fine, self.moved, self.rights = fine, moved, set(RIGHTS)
        self.tokens = {token} if token else set()
        super().__init__(**options)
        self.token_file = os.path.join(self.folder, "token")
        if token:
            self._write_token(token)
        self.read_only_port = self._listen_plain() if read_only else None

    def _listen_plain(self):
        return self._listen(socket.AF_INET, "127.0.0.1", PlainHandler, 0)

    def _write_token(self, token):
        with open(self.token_file + ".new", "w", encoding="ascii") as file:
            file.write(token + "\n")
        os.rename(self.token_file + ".new", self.token_file)

    def flags(self, v6=False):
        """What makes an agent ask this kubelet."""
        given = ["--kubelet.url=" + (self.url6 if v6 else self.url)]
        if self.tls:
            given.append("--kubelet.ca-file=" + self.ca_file)
        if self.tokens:
            given.append("--kubelet.token-file=" + self.token_file)
        return given

    def rotate(self, token, keep_old=False):
        """A new token in the file; the one before is refused from now on unless kept."""
        self.tokens = {token} | (self.tokens if keep_old else set())
        self._write_token(token)

    def forbid(self, *subresources):
        """403 for these subresources of nodes; without a word nothing is forbidden."""
        self.rights = RIGHTS - set(subresources)

    def answer(self, request):
        refused = self._refused(request) if request.secure or not self.read_only_port else None
        if refused:
            return refused
        if request.path not in FILES or (not request.secure and self.tls and request.path == "/configz"):
            return Answer(404, "404 page not found\n")
        if request.method not in ("GET", "HEAD"):
            return Answer(405, "Method Not Allowed\n")
        body = self._from_folder(request.path) if self.payloads else self._made_up(request)
        if body is None:
            return Answer(404, "404 page not found\n")
        return Answer(200, body, FILES[request.path][1])

    def _refused(self, request):
        if not self.tokens:
            return None
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or token.strip() not in self.tokens:
            return Answer(401, "Unauthorized")
        asked = [FILES.get(request.path, ("", "", "proxy"))[2]]
        if asked[0] in FINE:
            asked = asked + ["proxy"] if self.fine else ["proxy"]
        if self.rights & set(asked):
            return None
        text = f"subresource(s)=[{' '.join(asked)}]" if self.fine else "subresource=" + asked[0]
        return Answer(403, f"Forbidden (user={USER}, verb=get, resource=nodes, {text})")

    def _from_folder(self, path):
        try:
            with open(os.path.join(self.payloads, FILES[path][0]), "rb") as file:
                body = file.read()
        except FileNotFoundError:
            return None
        return moved(body) if self.moved and path.startswith("/metrics") else body

    def _made_up(self, request):
        node = self.made_up
        with self.lock:
            node.settle()
            return {"/pods": node.pods, "/runningpods/": node.pods, "/metrics": node.own,
                    "/metrics/cadvisor": node.cadvisor, "/metrics/resource": node.resource,
                    "/metrics/probes": node.probes,
                    "/stats/summary": lambda: node.summary("only_cpu_and_memory=true" in request.query),
                    "/configz": lambda: json.dumps({"kubeletconfig": {"cgroupDriver": "systemd"}}).encode(),
                    "/healthz": lambda: b"ok"}[request.path]()


def moved(body):
    """A body whose samples bring their own times, with the newest of them at this moment."""
    times = [int(at) for _, at in TIMED.findall(body)]
    if not times:
        return body
    shift = int(time.time() * 1000) - max(times)
    return TIMED.sub(lambda found: found.group(1) + str(int(found.group(2)) + shift).encode(), body)


def obey(kubelet, order):
    for verb, value in order.items():
        if verb == "switch":
            path = value.pop("path", "*")
            kubelet.switch(path, **value)
        elif verb in ("down", "up"):
            getattr(kubelet, verb)()
        elif verb in ("rotate", "certificate"):
            getattr(kubelet, verb)(value)
        elif verb == "forbid":
            kubelet.forbid(*value)
        elif verb == "gzip":
            kubelet.gzip = bool(value)
        elif verb == "turn":
            kubelet.made_up.turn(value)
        else:
            raise ValueError(f"no such order: {verb}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--payloads", help="folder with pods.json, metrics-cadvisor.txt ...")
    parser.add_argument("--moved", action="store_true", help="move the folder's explicit times to now")
    parser.add_argument("--pods", type=int, default=30)
    parser.add_argument("--containers", type=int, default=2)
    parser.add_argument("--cadvisor-bytes", type=int)
    parser.add_argument("--churn", type=float, default=0.0)
    parser.add_argument("--plain", action="store_true", help="no TLS")
    parser.add_argument("--no-gzip", action="store_true")
    parser.add_argument("--token", default="the-first-token")
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    node = None if given.payloads else Node(given.pods, given.containers, given.cadvisor_bytes, given.churn)
    with Kubelet(given.payloads, node, given.token or None, moved=given.moved, tls=not given.plain,
                 gzip=not given.no_gzip, port=given.port) as kubelet:
        print(" ".join(kubelet.flags()), flush=True)
        print(kubelet.url, flush=True)
        for line in sys.stdin:
            try:
                obey(kubelet, json.loads(line))
                print("done", flush=True)
            except (ValueError, TypeError) as error:
                print(f"cannot: {error}", flush=True)
        while True:  # without an input it serves until it is ended
            time.sleep(3600)


if __name__ == "__main__":
    main()
