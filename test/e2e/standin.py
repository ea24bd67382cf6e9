"""What the stand-in kubelet and API server share: an authority, and a TLS server on both loopbacks that can have bad days.

Python's standard library and the openssl program make it up; nothing listens beyond loopback.
"""
import collections
import gzip
import http.server
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time

OPENSSL = shutil.which("openssl") or "/usr/bin/openssl"
KEPT = 10_000  # requests remembered


class Authority:
    """Signs certificates in a folder: ca.crt and ca.key, then NAME.crt and NAME.key."""

    def __init__(self, folder, name="ca"):
        self.folder, self.name = folder, name
        self._make(name, "/CN=" + name)

    def at(self, file):
        return os.path.join(self.folder, file)

    @property
    def certificate(self):
        return self.at(self.name + ".crt")

    def sign(self, name, hosts=(), subject=None, client=False):
        """A leaf for these names and addresses; (certificate, key)."""
        words = ["basicConstraints=critical,CA:FALSE",
                 "extendedKeyUsage=" + ("clientAuth" if client else "serverAuth")]
        if hosts:
            kind = {True: "IP:", False: "DNS:"}
            words.append("subjectAltName=" + ",".join(kind[_is_address(host)] + host for host in hosts))
        return self._make(name, subject or "/CN=" + name, words, self.name)

    def _make(self, name, subject, extensions=(), issuer=None):
        extra = [word for text in extensions for word in ("-addext", text)]
        if issuer:
            extra += ["-CA", self.at(issuer + ".crt"), "-CAkey", self.at(issuer + ".key")]
        made = subprocess.run(
            [OPENSSL, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-keyout", self.at(name + ".key"), "-out", self.at(name + ".crt"), "-subj", subject, *extra],
            capture_output=True, timeout=60)
        if made.returncode != 0:
            raise RuntimeError(made.stderr.decode())
        return self.at(name + ".crt"), self.at(name + ".key")


def _is_address(host):
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
            return True
        except OSError:
            pass
    return False


class Answer:
    """Status, headers and body of what a stand-in says."""

    def __init__(self, status=200, body=b"", kind="text/plain; charset=utf-8", **headers):
        self.status, self.kind, self.headers = status, kind, headers
        self.body = body.encode() if isinstance(body, str) else body


# The switches of a bad day, per path ("*" is every path). Several can be on.
#   slow=SECONDS   waits before the answer          drip=BYTES     so many bytes a second
#   half=True      the whole length announced, half of it sent, then the end
#   status=N       an error in place of the answer  body=BYTES     these bytes as the body, kind=TYPE their type
#   endless=True   chunks of the body for ever      hang=True      reads the request and says nothing
#   reset=True     the connection is cut at once    redirect=URL   sent elsewhere
SWITCHES = {"slow", "drip", "half", "status", "body", "kind", "endless", "hang", "reset", "redirect"}


class StandIn:
    """A server on 127.0.0.1 and, where there is one, ::1, with one port for both. Use it as a context."""

    token_file = ca_file = None

    def __init__(self, folder=None, tls=True, gzip=True, node="node-a1", port=0):
        self._made = None if folder else tempfile.TemporaryDirectory()
        self.folder = folder or self._made.name
        self.node, self.tls, self.gzip = node, tls, gzip
        self.requests = collections.deque(maxlen=KEPT)  # (path with its query, status)
        self.counts = collections.Counter()  # per path, those that came whatever was answered
        self.lock = threading.RLock()
        self.faults = {}
        self.handshakes_failed = 0
        self._ending = threading.Event()
        self._open = set()
        self._servers = []
        self._context = None
        if tls:
            self.authority = Authority(self.folder)
            self.ca_file = self.authority.certificate
            self.certificate("right")
        self._wanted_port = port
        self.up()

    # What it serves ---------------------------------------------------------------------------------------------

    def answer(self, request):
        """To be overridden: an Answer to a request (path, query, headers, body, method)."""
        raise NotImplementedError

    # Switches ---------------------------------------------------------------------------------------------------

    def switch(self, path="*", **faults):
        """Sets the bad day of a path; none given: a good day again."""
        unknown = set(faults) - SWITCHES
        if unknown:
            raise ValueError(f"no such switch: {unknown}")
        with self.lock:
            self.faults[path] = faults
            if path == "*" and not faults:
                self.faults.clear()

    def certificate(self, kind):
        """right, name (for another name), other (another authority's): for the connections that come from now on."""
        made = os.path.join(self.folder, kind)
        os.makedirs(made, exist_ok=True)
        hosts = ["node-b7", "203.0.113.7"] if kind == "name" else ["127.0.0.1", "::1", "localhost", self.node]
        authority = self.authority
        if kind == "other":
            authority = Authority(made, "stranger")
        pair = authority.sign("server-" + kind, hosts)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(*pair)
        context.load_verify_locations(self.ca_file)
        context.verify_mode = ssl.CERT_OPTIONAL
        self._context = context

    def down(self):
        """Nothing listens any more, and what was open is cut."""
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self._servers = []
        self.cut()

    def cut(self):
        """Ends every connection there is."""
        with self.lock:
            for connection in list(self._open):
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def up(self):
        """Listens, on the port it had when it was up before."""
        self._ending.clear()
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            try:
                self._listen(family, host)
            except OSError:
                if family == socket.AF_INET:
                    raise
        self.port = self._wanted_port

    def _listen(self, family, host, handler=None, port=None):
        server = type("Server", (_Server,), {"address_family": family})(
            (host, self._wanted_port if port is None else port), handler or _Handler)
        server.stand_in = self
        if port is None:
            self._wanted_port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        self._servers.append(server)
        return server.server_address[1]

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def url6(self):
        return f"{'https' if self.tls else 'http'}://[::1]:{self.port}"

    def stop(self):
        self._ending.set()
        self.down()
        if self._made:
            self._made.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Request:
    """What was asked."""

    def __init__(self, method, target, headers, body, peer, secure):
        self.method, self.headers, self.body, self.peer, self.secure = method, headers, body, peer, secure
        self.target = target
        self.path, _, self.query = target.partition("?")


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def server_bind(self):
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        super().server_bind()

    def handle_error(self, request, client_address):
        pass  # a client that went away is none of ours


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    timeout = 120
    secure = True

    def setup(self):
        stand_in = self.server.stand_in
        if stand_in.tls and self.secure:
            self.request.settimeout(10)
            try:  # in the connection's own thread, so that nobody waits for a slow handshake
                self.request = stand_in._context.wrap_socket(self.request, server_side=True)
            except OSError:
                stand_in.handshakes_failed += 1
                raise
        with stand_in.lock:
            stand_in._open.add(self.request)
        super().setup()

    def finish(self):
        with self.server.stand_in.lock:
            self.server.stand_in._open.discard(self.request)
        try:
            super().finish()
        finally:
            self.request.close()

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._serve()

    do_POST = do_HEAD = do_PUT = do_DELETE = do_GET

    def _serve(self):
        stand_in = self.server.stand_in
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        peer = self.request.getpeercert() if stand_in.tls and self.secure else None
        request = Request(self.command, self.path, self.headers, body, peer, self.secure)
        with stand_in.lock:
            stand_in.counts[request.path] += 1
            fault = {**stand_in.faults.get("*", {}), **stand_in.faults.get(request.path, {})}
        if fault.get("slow"):
            stand_in._ending.wait(fault["slow"])
        if fault.get("reset") or fault.get("hang"):
            if fault.get("hang"):
                stand_in._ending.wait(120)
            self.close_connection = True
            return
        answer = self._answer(stand_in, request, fault)
        stand_in.requests.append((self.path, answer.status))
        self._say(stand_in, answer, fault)

    @staticmethod
    def _answer(stand_in, request, fault):
        if fault.get("redirect"):
            return Answer(302, "", Location=fault["redirect"])
        if fault.get("status"):
            return Answer(fault["status"], fault.get("body", f"bad day: {fault['status']}\n"),
                          fault.get("kind", "text/plain; charset=utf-8"))
        answer = stand_in.answer(request)
        if "body" in fault:
            answer.body = fault["body"].encode() if isinstance(fault["body"], str) else fault["body"]
        if "kind" in fault:
            answer.kind = fault["kind"]
        return answer

    def _say(self, stand_in, answer, fault):
        body = answer.body
        packed = stand_in.gzip and "gzip" in self.headers.get("Accept-Encoding", "") and len(body) > 128
        if packed:
            body = gzip.compress(body, 1)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        for name, value in answer.headers.items():
            self.send_header(name.replace("_", "-"), value)
        if packed:
            self.send_header("Content-Encoding", "gzip")
        if fault.get("endless"):
            return self._for_ever(stand_in, body)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return None
        if fault.get("half"):
            body = body[:len(body) // 2]
            self.close_connection = True
        if not fault.get("drip"):
            self.wfile.write(body)
            return None
        for at in range(0, len(body), max(1, fault["drip"] // 10)):
            self.wfile.write(body[at:at + max(1, fault["drip"] // 10)])
            self.wfile.flush()
            if stand_in._ending.wait(0.1):
                break
        return None

    def _for_ever(self, stand_in, body):
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.close_connection = True
        chunk = body or b"x" * 4096
        while not stand_in._ending.is_set():
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            time.sleep(0)


class PlainHandler(_Handler):
    """The same without TLS, for the read-only port."""

    secure = False
