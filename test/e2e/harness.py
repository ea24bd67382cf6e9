"""An agent of our own on a port of its own, for the tests of this folder.

Everything is bounded in time, listens on loopback only, and is ended by the process that began it.
"""
import atexit
import glob
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

SOURCE = os.environ.get("NV_SOURCE") or os.path.dirname(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("NODEVITALS") or os.path.join(SOURCE, "build", "nodevitals")
SHARED = os.path.join(os.path.dirname(SOURCE), "shared")
SLOW = 60  # seconds that anything may take under a sanitizer on a busy machine

_running = []


def skip(why):
    """Ends the test as skipped, which ctest knows by status 77."""
    print("SKIP: " + why)
    sys.exit(77)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, seconds=SLOW, step=0.05):
    """Calls what() until it is true; its value, or an error after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"still not so after {seconds} s: {what}")
        time.sleep(step)


def run(*arguments, stdin=None, env=None, timeout=SLOW, cwd=None):
    """Runs nodevitals to its end."""
    return subprocess.run([BINARY, *arguments], input=stdin, capture_output=True, text=True,
                          env={**os.environ, **(env or {})}, timeout=timeout, cwd=cwd)


class Process:
    """A program under way, its standard error kept as lines."""

    def __init__(self, *command, env=None, cwd=None, **options):
        self.lines = []
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True, errors="replace", env={**os.environ, **(env or {})}, cwd=cwd, **options)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        _running.append(self)

    def _read(self):
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))

    @property
    def log(self):
        return "\n".join(self.lines)

    def line_with(self, expression, seconds=SLOW):
        """The first match in the log; an error when the process ends without it."""

        def look():
            for line in list(self.lines):
                found = re.search(expression, line)
                if found:
                    return found
            if self.process.poll() is not None:
                self._reader.join(5)
                if not any(re.search(expression, line) for line in self.lines):
                    raise AssertionError(
                        f"ended with {self.process.returncode} without {expression}:\n{self.log}")
            return None

        return wait_for(look, seconds)

    def cpu_seconds(self):
        """What the scheduler has counted for all threads there are; unlike the clock, of nobody else."""
        total = 0
        for path in glob.glob(f"/proc/{self.process.pid}/task/*/schedstat"):
            try:
                with open(path, encoding="ascii") as file:
                    total += int(file.read().split()[0])
            except OSError:
                pass  # the thread has ended meanwhile
        return total / 1e9

    def stop(self, number=signal.SIGTERM, seconds=SLOW):
        """Sends a signal and returns the status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"did not stop:\n{self.log}") from None
        self._reader.join(5)
        self.process.stderr.close()
        if self in _running:
            _running.remove(self)
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Agent(Process):
    """nodevitals with flags, on a free port unless they name one."""

    def __init__(self, *flags, wrapper=(), **options):
        if not any(flag.startswith("--web.listen-address") for flag in flags):
            flags = (*flags, "--web.listen-address=127.0.0.1:0")
        if not any("storage.tsdb" in flag for flag in flags):
            flags = (*flags, "--no-storage.tsdb")  # a test leaves no history behind
        super().__init__(*wrapper, BINARY, *flags, **options)
        found = self.line_with(r"address=\"?(?:\S*:(\d+)|(\S+))\"?$|address=\"?\S*:(\d+)")
        self.port = int(found.group(1) or found.group(3) or 0)
        self.url = f"http://127.0.0.1:{self.port}"

    def get(self, path="/metrics", **headers):
        """Status, headers and body of an answer."""
        return get(self.url + path, **headers)

    def ready(self):
        """Waits until the agent answers that it is ready. Returns the agent."""
        wait_for(lambda: self.get("/-/ready")[0] == 200)
        return self

    def metrics(self, path="/metrics"):
        status, _, body = self.get(path)
        assert status == 200, (status, body[:500])
        return body.decode()


def get(url, timeout=SLOW, **headers):
    request = urllib.request.Request(url, headers={k.replace("_", "-"): v for k, v in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def samples(text):
    """The samples of classic text: {series: value}, as written."""
    return dict(line.rsplit(" ", 1) for line in text.split("\n") if line and line[0] != "#")


def types(text):
    """{family: type}."""
    return dict(line.split(" ")[2:4] for line in text.split("\n") if line.startswith("# TYPE "))


LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


def parse_series(series):
    """('name', {label: value}), values still escaped."""
    name, brace, rest = series.partition("{")
    return name, dict(LABEL.findall(rest)) if brace else {}


def find_program(name):
    for folder in [*os.environ.get("PATH", "").split(":"), "/usr/bin", "/usr/sbin", "/sbin"]:
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK):
            return path
    return None


@atexit.register
def _end_all():
    for process in list(_running):
        process.process.kill()
