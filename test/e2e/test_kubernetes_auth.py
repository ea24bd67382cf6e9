"""--web.kubernetes-auth from outside: who may is let in, and whatever happens to the API server, nobody else is."""
import concurrent.futures
import http.client
import json
import os
import ssl
import tempfile
import threading
import time
import unittest

from apiserver import ApiServer
from harness import SLOW, Agent, find_program, run, skip, wait_for
from standin import Authority

find_program("openssl") or skip("openssl is not there to make certificates")
QUICK = ("--collector.disable-defaults", "--collector.loadavg")
PROMETHEUS = ("system:serviceaccount:monitoring:prometheus", ["system:serviceaccounts"])


def ask(agent, path="/metrics", token=None, context=None, method="GET", host="127.0.0.1", timeout=SLOW):
    """Status, headers and body."""
    make = http.client.HTTPSConnection if context else http.client.HTTPConnection
    client = make(host, agent.port, timeout=timeout, **({"context": context} if context else {}))
    try:
        client.request(method, path, headers={"Authorization": "Bearer " + token} if token else {})
        answer = client.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        client.close()


class Case(unittest.TestCase):
    def setUp(self):
        self.api = ApiServer()
        self.addCleanup(self.api.stop)
        self.api.users["good"] = PROMETHEUS
        self.api.users["mean"] = ("mallory", [])
        self.api.allow(PROMETHEUS[0], "get", "/metrics")

    def start(self, *flags):
        agent = Agent(*QUICK, *self.api.flags(), *flags)
        self.addCleanup(agent.stop)
        return agent


class GoodDays(Case):
    def test_who_may_is_let_in_and_others_are_told_why_not(self):
        agent = self.start()
        status, _, body = ask(agent, token="good")
        self.assertEqual(status, 200)
        self.assertIn(b"node_load1 ", body)
        self.assertEqual(self.api.asked[0]["nonResourceAttributes"], {"path": "/metrics", "verb": "get"})
        self.assertEqual(self.api.asked[0]["user"], PROMETHEUS[0])
        self.assertIn("system:serviceaccounts", self.api.asked[0]["groups"])
        self.assertEqual(self.api.asked[0]["extra"], {"authentication.kubernetes.io/pod-name": ["prometheus-0"]})

        status, headers, body = ask(agent)
        self.assertEqual((status, headers["WWW-Authenticate"], body), (401, "Bearer", b"Unauthorized\n"))
        self.assertEqual(ask(agent, token="unknown")[0], 401)
        status, _, body = ask(agent, token="mean")
        self.assertEqual((status, body), (403, b'Forbidden: user "mallory" may not get /metrics\n'))
        self.assertEqual(ask(agent, "/metrics/cadvisor", token="good")[0], 403)
        self.assertEqual(ask(agent, "/", token="good")[0], 403)

    def test_health_needs_no_token(self):
        agent = self.start()
        wait_for(lambda: ask(agent, "/-/ready")[0] == 200)
        self.assertEqual(ask(agent, "/-/healthy")[0], 200)
        self.assertEqual(sum(self.api.reviews.values()), 0)

    def test_what_is_known_is_not_asked_again(self):
        agent = self.start()
        for _ in range(20):
            self.assertEqual(ask(agent, token="good")[0], 200)
            self.assertEqual(ask(agent, token="mean")[0], 403)
            self.assertEqual(ask(agent, token="unknown")[0], 401)
        self.assertEqual(self.api.reviews, {"TokenReview": 3, "SubjectAccessReview": 2})
        body = ask(agent, token="good")[2].decode()
        self.assertIn('nodevitals_kubernetes_auth_requests_total{verdict="allowed"} 2', body)
        self.assertIn('nodevitals_kubernetes_auth_reviews_total{kind="token"} 3', body)

    def test_many_at_once_are_one_question(self):
        agent = self.start()
        self.api.switch(slow=0.3)
        with concurrent.futures.ThreadPoolExecutor(40) as pool:
            answers = list(pool.map(lambda _: ask(agent, token="good")[0], range(40)))
        self.assertEqual(answers, [200] * 40)
        self.assertEqual(self.api.reviews, {"TokenReview": 1, "SubjectAccessReview": 1})

    def test_whoever_passes_may_use_the_api(self):
        self.api.allow(PROMETHEUS[0], "get", "/api/v1/query")
        self.api.allow(PROMETHEUS[0], "post", "/api/v1/query")
        agent = self.start("--web.api-access=local")
        wait_for(lambda: ask(agent, "/-/ready")[0] == 200)
        # Local or not, without a token nobody gets there.
        self.assertEqual(ask(agent, "/api/v1/query?query=1")[0], 401)
        status, _, body = ask(agent, "/api/v1/query?query=1", token="good")
        self.assertEqual((status, json.loads(body)["status"]), (200, "success"))
        self.assertEqual(ask(agent, "/api/v1/query?query=1", token="good", method="POST")[0], 200)
        self.assertEqual(ask(agent, "/api/v1/rules", token="good")[0], 403)

    def test_the_agents_own_token_is_renewed_under_it(self):
        agent = self.start()
        self.assertEqual(ask(agent, token="good")[0], 200)
        self.api.rotate("another")
        self.assertEqual(ask(agent, token="mean")[0], 403)

    def test_tokens_for_other_audiences_are_refused(self):
        agent = self.start("--web.kubernetes-auth.audience=nodevitals")
        self.assertEqual(ask(agent, token="good")[0], 401)
        self.api.audiences.append("nodevitals")
        self.api.users["good-2"] = PROMETHEUS
        self.assertEqual(ask(agent, token="good-2")[0], 200)

    def test_without_tls_there_is_a_warning(self):
        agent = self.start()
        agent.line_with("tokens are taken without TLS")


class Tls(Case):
    def test_a_certificate_of_its_own_making(self):
        agent = self.start("--web.kubernetes-auth.self-signed")
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.assertEqual(ask(agent, token="good", context=context)[0], 200)
        pem = ssl.get_server_certificate(("127.0.0.1", agent.port), timeout=SLOW)
        trusting = ssl.create_default_context(cadata=pem)
        trusting.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
        self.assertEqual(ask(agent, token="good", context=trusting)[0], 200)  # it bears 127.0.0.1
        self.assertNotIn("without TLS", agent.log)

    def test_users_of_certificates_and_of_the_configuration_pass_beside_tokens(self):
        self.api.allow("admins", "get", "/metrics")
        with tempfile.TemporaryDirectory() as folder:
            ca = Authority(folder)
            ca.sign("server", ["127.0.0.1"])
            admin = ca.sign("admin", subject="/O=admins/O=others/CN=alice", client=True)
            nobody = ca.sign("nobody", subject="/CN=bob", client=True)
            config = os.path.join(folder, "web.yml")
            with open(config, "w", encoding="ascii") as file:
                file.write("tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
                           "  client_ca_file: ca.crt\n  client_auth_type: VerifyClientCertIfGiven\n")
            agent = self.start("--web.config.file=" + config)

            def context(pair=None):
                made = ssl.create_default_context(cafile=ca.certificate)
                if pair:
                    made.load_cert_chain(*pair)
                return made

            self.assertEqual(ask(agent, context=context(admin))[0], 200)
            self.assertEqual(self.api.asked[0]["user"], "alice")
            self.assertEqual(self.api.asked[0]["groups"], ["admins", "others"])
            self.assertEqual(ask(agent, context=context(nobody))[0], 403)
            self.assertEqual(ask(agent, context=context())[0], 401)
            self.assertEqual(ask(agent, context=context(), token="good")[0], 200)
            self.assertEqual(ask(agent, context=context(admin), token="unknown")[0], 401)  # what is shown decides


class BadDays(Case):
    def test_without_an_api_server_what_is_known_serves_and_nobody_else_does(self):
        agent = self.start()
        self.assertEqual(ask(agent, token="good")[0], 200)
        self.api.down()
        self.assertEqual(ask(agent, token="good")[0], 200)
        status, _, body = ask(agent, token="mean")
        self.assertEqual(status, 503)
        self.assertIn(b"API server cannot be asked", body)
        self.assertEqual(ask(agent, "/-/healthy")[0], 200)
        agent.line_with("the API server cannot be asked who may ask")
        self.api.up()
        wait_for(lambda: ask(agent, token="mean")[0] == 403)
        agent.line_with("the API server answers again")

    def test_a_hanging_api_server_holds_up_nobody_else(self):
        agent = self.start()
        self.assertEqual(ask(agent, token="good")[0], 200)
        self.api.switch(hang=True)
        waiting = [threading.Thread(target=ask, args=(agent,), kwargs={"token": f"guess-{i}"}) for i in range(30)]
        for one in waiting:
            one.start()
        began = time.monotonic()
        for _ in range(5):
            self.assertEqual(ask(agent, "/-/healthy")[0], 200)
            self.assertEqual(ask(agent, token="good")[0], 200)
        self.assertEqual(ask(agent, token="guess")[0], 503)
        self.assertLess(time.monotonic() - began, SLOW)
        for one in waiting:
            one.join(SLOW)
            self.assertFalse(one.is_alive())

    def test_bad_answers_let_nobody_pass(self):
        agent = self.start()
        review = "/apis/authentication.k8s.io/v1/tokenreviews"
        access = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        user = '"user":{"username":"root","groups":["system:masters"]}'
        for path, fault in (
                (review, {"half": True}), (review, {"status": 500}), (review, {"status": 403}), (review, {"reset": True}),
                (review, {"body": ""}), (review, {"body": "{}"}), (review, {"body": "null"}),
                (review, {"body": '{"kind":"Status","status":"Success"}'}),
                (review, {"body": '{"kind":"TokenReview","status":{"authenticated":"true",' + user + "}}"}),
                (review, {"body": '{"kind":"TokenReview","status":{"authenticated":true}}'}),
                (review, {"body": '{"kind":"TokenReview","status":{"authenticated":true,' + user + "}"}),
                (review, {"body": '{"kind":"TokenReview","status":' + "[" * 100000}),
                (review, {"redirect": "https://127.0.0.1:1/"}), (review, {"endless": True}),
                (access, {"body": '{"kind":"SubjectAccessReview","status":{}}'}),
                (access, {"body": '{"kind":"SubjectAccessReview","status":{"allowed":1}}'}),
                (access, {"body": '{"kind":"SubjectAccessReview","status":{"allowed":true,"denied":true}}'}),
                (access, {"body": '{"kind":"TokenReview","status":{"allowed":true}}'}),
                (access, {"half": True})):
            self.api.switch()
            self.api.switch(path, **fault)
            status = wait_for(lambda: ask(agent, token="good")[0])
            self.assertIn(status, (403, 503), (path, fault))
            self.assertEqual(ask(agent, "/-/healthy")[0], 200)
            agent.stop()
            agent = self.start()
        self.api.switch()
        self.assertEqual(ask(agent, token="good")[0], 200)

    def test_a_wrong_certificate_of_the_api_server_lets_nobody_pass(self):
        self.api.certificate("other")
        agent = self.start()
        self.assertEqual(ask(agent, token="good")[0], 503)
        self.assertEqual(sum(self.api.reviews.values()), 0)  # nothing was sent

    def test_a_thousand_tokens_leave_room_for_those_who_know(self):
        agent = self.start()
        self.assertEqual(ask(agent, token="good")[0], 200)
        with concurrent.futures.ThreadPoolExecutor(30) as pool:
            statuses = set(pool.map(lambda i: ask(agent, token=f"guess-{i}")[0], range(1000)))
        self.assertLessEqual(statuses, {401, 503})
        before = self.api.reviews["TokenReview"]
        self.assertEqual(ask(agent, token="good")[0], 200)
        self.assertEqual(self.api.reviews["TokenReview"], before)

    def test_a_stop_is_soon_while_reviews_hang(self):
        agent = self.start()
        self.api.switch(hang=True)
        waiting = [threading.Thread(target=self._ask_quietly, args=(agent, i)) for i in range(10)]
        for one in waiting:
            one.start()
        wait_for(lambda: self.api.counts["/apis/authentication.k8s.io/v1/tokenreviews"] > 0)
        self.assertEqual(agent.stop(), 0)
        for one in waiting:
            one.join(SLOW)

    @staticmethod
    def _ask_quietly(agent, i):
        try:
            ask(agent, token=f"guess-{i}")
        except OSError:
            pass


class Wrong(unittest.TestCase):
    def test_without_an_address_the_agent_does_not_start(self):
        made = run(*QUICK, "--web.listen-address=127.0.0.1:0", "--no-storage.tsdb", "--web.kubernetes-auth",
                   env={"KUBERNETES_SERVICE_HOST": ""})
        self.assertNotEqual(made.returncode, 0)
        self.assertIn("KUBERNETES_SERVICE_HOST is not set", made.stderr)


if __name__ == "__main__":
    unittest.main()
