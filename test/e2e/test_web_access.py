"""--web.config.file from outside: TLS, client certificates, users, reloads."""
import base64
import http.client
import os
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest

from harness import SLOW, Agent, find_program, run, skip

OPENSSL = find_program("openssl") or skip("openssl is not there to make certificates")
QUICK = ("--collector.disable-defaults", "--collector.loadavg")
SECRET = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"  # of "secret", quick
COSTLY = "$2b$11$abcdefghijklmnopqrstuuViuGI07N4McP9Kl.tD6XMEzyuvcY8LG"  # likewise, some 0.2 s

folder = tempfile.TemporaryDirectory()


def at(name):
    return os.path.join(folder.name, name)


def read(name):
    with open(at(name)) as file:
        return file.read()


def write(name, text):
    """Replaced in one step, as an administrator's tools do."""
    with open(at(name + ".new"), "w") as file:
        file.write(text)
    os.rename(at(name + ".new"), at(name))
    return at(name)


def certificate(name, *extensions, issuer=None):
    """NAME.pem and NAME.key; signed by itself or by an issuer made before."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", at(name + ".key")]
    extra = [word for text in extensions for word in ("-addext", text)]
    if issuer:
        extra += ["-CA", at(issuer + ".pem"), "-CAkey", at(issuer + ".key")]
    made = subprocess.run([OPENSSL, "req", "-x509", *key, "-out", at(name + ".pem"), "-days", "2",
                           "-subj", "/CN=" + name, *extra], capture_output=True, timeout=SLOW)
    assert made.returncode == 0, made.stderr


certificate("server", "subjectAltName=IP:127.0.0.1")
certificate("other", "subjectAltName=IP:127.0.0.1")
certificate("ca")
certificate("client", "subjectAltName=DNS:prom.example", "extendedKeyUsage=clientAuth",
            "basicConstraints=critical,CA:FALSE", issuer="ca")
certificate("stranger", "subjectAltName=DNS:prom.example")


def tls(more=""):
    return f"tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n{more}"


def start(text):
    return Agent(*QUICK, "--web.config.file=" + write("web.yml", text))


def context(trust="server", certificate=None, version=None):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.load_verify_locations(at(trust + ".pem"))
    if certificate:
        made.load_cert_chain(at(certificate + ".pem"), at(certificate + ".key"))
    if version:
        made.minimum_version = made.maximum_version = version
    return made


def ask(agent, path="/metrics", user=None, password="secret", **rules):
    """Status, headers and body over TLS when there are rules for it, else in the clear."""
    if rules:
        client = http.client.HTTPSConnection("127.0.0.1", agent.port, timeout=SLOW,
                                             context=context(**rules))
    else:
        client = http.client.HTTPConnection("127.0.0.1", agent.port, timeout=SLOW)
    headers = {}
    if user is not None:
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        headers["Authorization"] = "Basic " + pair
    try:
        client.request("GET", path, headers=headers)
        answer = client.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        client.close()


def refused(agent, **rules):
    """Whether the handshake fails; TLS 1.3 tells a client of that with the first read."""
    try:
        ask(agent, **rules)
    except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
        return True
    return False


class Tls(unittest.TestCase):
    def test_it_is_served_and_plain_http_is_not(self):
        with start(tls()) as agent:
            status, _, body = ask(agent, trust="server")
            self.assertEqual(status, 200)
            self.assertIn(b"node_load1 ", body)
            agent.line_with("TLS on")
            with self.assertRaises((ConnectionError, http.client.HTTPException, OSError)):
                ask(agent)

    def test_versions_are_obeyed(self):
        with start(tls("  max_version: TLS12\n")) as agent:
            self.assertFalse(refused(agent, trust="server", version=ssl.TLSVersion.TLSv1_2))
            self.assertTrue(refused(agent, trust="server", version=ssl.TLSVersion.TLSv1_3))
        with start(tls("  min_version: TLS13\n")) as agent:
            self.assertTrue(refused(agent, trust="server", version=ssl.TLSVersion.TLSv1_2))
            self.assertFalse(refused(agent, trust="server", version=ssl.TLSVersion.TLSv1_3))

    def test_cipher_suites_are_obeyed(self):
        with start(tls("  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n")) as agent:
            for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
                with socket.create_connection(("127.0.0.1", agent.port), SLOW) as raw, \
                        context(version=version).wrap_socket(raw, server_hostname="127.0.0.1") as wrapped:
                    self.assertIn("AES_128_GCM", wrapped.cipher()[0].replace("AES128-GCM", "AES_128_GCM"))

    def test_a_new_certificate_serves_new_connections(self):
        write("cert.pem", read("server.pem"))
        write("cert.key", read("server.key"))
        with start("tls_server_config: {cert_file: cert.pem, key_file: cert.key}\n") as agent:
            kept = http.client.HTTPSConnection("127.0.0.1", agent.port, context=context(), timeout=SLOW)
            kept.request("GET", "/-/healthy")
            kept.getresponse().read()
            write("cert.pem", read("other.pem"))  # does not fit the key yet
            self.assertFalse(refused(agent, trust="server"))
            write("cert.key", read("other.key"))
            self.assertFalse(refused(agent, trust="other"))
            self.assertTrue(refused(agent, trust="server"))
            kept.request("GET", "/metrics")
            self.assertEqual(kept.getresponse().status, 200)
            kept.close()

    def test_inline_certificates_are_taken(self):
        def block(name):
            return "".join("    " + line for line in read(name).splitlines(True))
        with start(f"tls_server_config:\n  cert: |\n{block('server.pem')}  key: |\n{block('server.key')}") \
                as agent:
            self.assertEqual(ask(agent, trust="server")[0], 200)

    def test_http2_is_told_not_to_be_there(self):
        with start(tls() + "http_server_config: {http2: true}\n") as agent:
            agent.line_with("http2")
            self.assertEqual(ask(agent, trust="server")[0], 200)


class ClientCertificates(unittest.TestCase):
    #          kind                        none   signed  stranger
    KINDS = (("NoClientCert",               True,  True,  True),
             ("RequestClientCert",          True,  True,  True),
             ("RequireAnyClientCert",       False, True,  True),
             ("RequireClientCert",          False, True,  True),
             ("VerifyClientCertIfGiven",    True,  True,  False),
             ("RequireAndVerifyClientCert", False, True,  False))

    def test_each_kind_lets_in_whom_it_should(self):
        for kind, *expected in self.KINDS:
            ca = "" if kind == "NoClientCert" else "  client_ca_file: ca.pem\n"
            with start(tls(f"  client_auth_type: {kind}\n{ca}")) as agent:
                seen = [not refused(agent, trust="server", certificate=who)
                        for who in (None, "client", "stranger")]
            self.assertEqual(seen, list(expected), kind)

    def test_only_allowed_names_are_let_in(self):
        for allowed, expected in ("prom.example", True), ("example", False):
            with start(tls("  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"
                           f"  client_allowed_sans: [x, {allowed}]\n")) as agent:
                self.assertEqual(not refused(agent, trust="server", certificate="client"), expected)

    def test_a_required_certificate_guards_health_too(self):
        with start(tls("  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n")) as agent:
            self.assertTrue(refused(agent, path="/-/healthy", trust="server"))
            self.assertEqual(ask(agent, "/-/healthy", trust="server", certificate="client")[0], 200)


class Users(unittest.TestCase):
    def test_the_password_is_asked_for_everywhere_but_for_health(self):
        with start(f"basic_auth_users: {{alice: {SECRET}}}\n") as agent:
            for path in "/metrics", "/", "/nowhere", "/metrics?collect[]=nope":
                status, headers, body = ask(agent, path)
                self.assertEqual((status, body), (401, b"Unauthorized\n"), path)
                self.assertEqual(headers["WWW-Authenticate"], "Basic")
                self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
            for path in "/-/healthy", "/-/ready":
                self.assertEqual(ask(agent, path)[0], 200)
            self.assertEqual(ask(agent, user="alice")[0], 200)
            self.assertEqual(ask(agent, "/nowhere", user="alice")[0], 404)
            self.assertEqual(ask(agent, user="alice", password="Secret")[0], 401)
            self.assertEqual(ask(agent, user="bob")[0], 401)
            self.assertEqual(ask(agent, user="")[0], 401)

    def test_health_answers_while_passwords_are_verified(self):
        with start(f"basic_auth_users: {{alice: {COSTLY}}}\n") as agent:
            kept = [http.client.HTTPConnection("127.0.0.1", agent.port, timeout=SLOW) for _ in range(4)]
            for client in kept:
                client.request("GET", "/-/healthy")
                client.getresponse().read()
            guesses = [threading.Thread(target=ask, args=(agent, "/metrics", "alice", f"guess{i}"))
                       for i in range(12)]
            for thread in guesses:
                thread.start()
            for client in kept:
                client.request("GET", "/-/healthy")
                self.assertEqual(client.getresponse().read(), b"nodevitals is Healthy.\n")
                client.close()
            waiting = sum(thread.is_alive() for thread in guesses)
            for thread in guesses:
                thread.join(SLOW)
            self.assertGreater(waiting, 0, "bcrypt was done before health was asked: nothing is proved")

    def test_an_unknown_user_takes_as_long_as_a_wrong_password(self):
        def least(user):
            times = []
            for i in range(5):
                begin = agent.cpu_seconds()
                self.assertEqual(ask(agent, user=user, password=f"{user}{i}")[0], 401)
                times.append(agent.cpu_seconds() - begin)
            return min(times)
        with start(f"basic_auth_users: {{alice: {COSTLY}}}\n") as agent:
            known, unknown = least("alice"), least("mallory")
            self.assertLess(max(known, unknown) / min(known, unknown), 2)
            begin = agent.cpu_seconds()
            self.assertEqual(ask(agent, user="alice", password="alice0")[0], 401)  # kept
            self.assertLess(agent.cpu_seconds() - begin, known / 2)


class Requests(unittest.TestCase):
    def test_the_rate_is_limited_before_the_password_is_asked(self):
        with start(f"basic_auth_users: {{alice: {SECRET}}}\nrate_limit: {{interval: 1h, burst: 2}}\n") as agent:
            self.assertEqual([ask(agent)[0] for _ in range(3)], [401, 401, 429])
            status, headers, body = ask(agent, user="alice")
            self.assertEqual((status, body), (429, b"Too Many Requests\n"))
            self.assertNotIn("WWW-Authenticate", headers)
            self.assertEqual(ask(agent, "/-/healthy")[0], 200)

    def test_headers_are_on_every_answer_once(self):
        with start("http_server_config:\n  headers:\n    X-Frame-Options: deny\n"
                   "    X-Content-Type-Options: nosniff\n    Strict-Transport-Security: max-age=1\n") as agent:
            for path in "/metrics", "/", "/nowhere", "/-/healthy":
                headers = ask(agent, path)[1]
                self.assertEqual(headers.get_all("X-Frame-Options"), ["deny"], path)
                self.assertEqual(headers.get_all("X-Content-Type-Options"), ["nosniff"], path)
                self.assertEqual(headers["Strict-Transport-Security"], "max-age=1")

    def test_a_broken_file_is_500_until_it_is_mended(self):
        with start("") as agent:
            self.assertEqual(ask(agent)[0], 200)
            write("web.yml", "nonsense: true\n")
            self.assertEqual(ask(agent)[0::2], (500, b"Internal Server Error\n"))
            agent.line_with(r"web.yml:1:1: unknown key 'nonsense'; allowed: tls_server_config")
            self.assertEqual(ask(agent, "/")[0], 500)
            self.assertEqual(ask(agent, "/-/healthy")[0], 200)
            write("web.yml", f"basic_auth_users: {{alice: {SECRET}}}\n")
            self.assertEqual(ask(agent)[0], 401)
            os.unlink(at("web.yml"))
            self.assertEqual(ask(agent, user="alice")[0], 500)

    def test_a_file_wrong_at_the_start_is_one_line_and_status_1(self):
        for text, expected in (("basic_auth_users: {alice: plain}\n", "web.yml:1:27: user 'alice': no bcrypt"),
                               ("tls_server_config: {cert_file: nope, key_file: nope}\n", "nope: No such file"),
                               ("a: [\n", "web.yml:2:1: ")):
            ended = run(*QUICK, "--web.listen-address=127.0.0.1:0",
                        "--web.config.file=" + write("web.yml", text))
            self.assertEqual(ended.returncode, 1, ended.stderr)
            self.assertIn(expected, ended.stderr)


class CommandLine(unittest.TestCase):
    """nodevitals query passes where a browser would, told how by a file in Prometheus' format."""

    def ask(self, agent, text):
        return run("query", f"--url=https://127.0.0.1:{agent.port}",
                   "--http.config.file=" + write("http.yml", text), "1 + 1")

    def test_it_shows_who_it_is_and_knows_whom_it_asks(self):
        known = "{ca_file: server.pem, cert_file: client.pem, key_file: client.key}"
        more = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"
        with start(tls(more) + f"basic_auth_users: {{joe: '{SECRET}'}}\n") as agent:
            user = "basic_auth: {username: joe, password: secret}"
            result = self.ask(agent, f"tls_config: {known}\n{user}")
            self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "2\n", ""))
            for text, message in (
                    (f"tls_config: {known}\nbasic_auth: {{username: joe, password: guess}}", "status 401"),
                    (f"tls_config: {known}", "status 401"),
                    (f"tls_config: {{ca_file: server.pem}}\n{user}", "cannot ask"),
                    (user, "certificate"),
                    (f"tls_config: {{ca_file: other.pem}}\n{user}", "certificate")):
                with self.subTest(text):
                    result = self.ask(agent, text)
                    self.assertEqual((result.returncode, result.stdout), (2, ""))
                    self.assertIn(message, result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
