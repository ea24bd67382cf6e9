#!/usr/bin/env python3
"""A stand-in for the API server of a cluster, as far as it says who somebody is and what he may.

    with ApiServer() as api:
        api.users["token"] = ("system:serviceaccount:monitoring:prometheus", ["monitoring"])
        api.allow("monitoring", "get", "/metrics")     a user or group, a verb, a path ("*" at its end: all that begin so)
        flags = api.flags()                            --web.kubernetes-auth and what belongs to it
        api.reviews                                    how many: {"tokenreviews": 1, "subjectaccessreviews": 1}
        api.asked                                      the SubjectAccessReviews' specs, in order
        api.own                                        the tokens it takes from the agent itself; rotate() renews
        api.switch(...), .down(), .up(), .certificate("name") ...      see standin.py

By hand: apiserver.py TOKEN=USER[,GROUP...] ... prints its flags; everybody may get /metrics*.
"""
import collections
import json
import os
import sys
import time

from standin import Answer, StandIn

PATHS = {"/apis/authentication.k8s.io/v1/tokenreviews": "TokenReview",
         "/apis/authorization.k8s.io/v1/subjectaccessreviews": "SubjectAccessReview"}


class ApiServer(StandIn):
    def __init__(self, **options):
        self.users, self.rights = {}, []
        self.audiences = ["https://kubernetes.default.svc"]
        self.own = {"the-agents-own"}
        self.reviews, self.asked = collections.Counter(), []
        super().__init__(**options)
        self.token_file = os.path.join(self.folder, "own-token")
        self.rotate("the-agents-own")

    def rotate(self, token, tell=True):
        """Another token of the agent's; the one before is refused. tell: it is in the file."""
        self.own = {token}
        if tell:
            with open(self.token_file + ".new", "w", encoding="ascii") as file:
                file.write(token)
            os.rename(self.token_file + ".new", self.token_file)

    def allow(self, who, verb, path):
        self.rights.append((who, verb, path))

    def flags(self):
        given = ["--web.kubernetes-auth", "--web.kubernetes-auth.url=" + self.url,
                 "--web.kubernetes-auth.token-file=" + self.token_file]
        return given + (["--web.kubernetes-auth.ca-file=" + self.ca_file] if self.tls else [])

    def answer(self, request):
        kind = PATHS.get(request.path)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        if token not in self.own:
            return self._status(401, "Unauthorized")
        if not kind:
            return self._status(404, "NotFound")
        try:
            review = json.loads(request.body)
        except ValueError:
            return self._status(400, "BadRequest")
        if request.method != "POST" or review.get("kind") != kind or not review.get("apiVersion", "").endswith("/v1"):
            return self._status(422, "Invalid")
        with self.lock:
            self.reviews[kind] += 1
            status = (self._whose if kind == "TokenReview" else self._may)(review["spec"])
        return Answer(201, json.dumps({**review, "metadata": {"creationTimestamp": None}, "status": status}),
                      "application/json")

    @staticmethod
    def _status(code, reason):
        return Answer(code, json.dumps({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": reason,
                                        "reason": reason, "code": code}), "application/json")

    def _whose(self, spec):
        found = self.users.get(spec.get("token"))
        if not found:
            return {"user": {}, "error": "[invalid bearer token]"}
        user, groups = found
        wanted = spec.get("audiences")
        common = [one for one in wanted or self.audiences if one in self.audiences]
        if wanted and not common:
            return {"user": {}, "error": "token audiences do not fit"}
        return {"authenticated": True, "audiences": common,
                "user": {"username": user, "uid": "1-2-3", "groups": [*groups, "system:authenticated"],
                         "extra": {"authentication.kubernetes.io/pod-name": ["prometheus-0"]}}}

    def _may(self, spec):
        self.asked.append(spec)
        asked = spec["nonResourceAttributes"]
        names = {spec["user"], *(spec.get("groups") or [])}
        for who, verb, path in self.rights:
            fits = asked["path"].startswith(path[:-1]) if path.endswith("*") else asked["path"] == path
            if who in names and verb == asked["verb"] and fits:
                return {"allowed": True, "reason": "RBAC: allowed"}
        return {"allowed": False}


def main():
    with ApiServer() as api:
        for word in sys.argv[1:]:
            token, _, names = word.partition("=")
            user, *groups = names.split(",")
            api.users[token] = (user, groups)
        api.allow("system:authenticated", "get", "/metrics*")
        print(" ".join(api.flags()), flush=True)
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main()
