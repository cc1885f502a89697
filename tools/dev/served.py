"""A Slipway server as a child process, and its REST by the standard library: for the demo, the smokes and the suites.

Server(binary, data).start() waits for the ready line; api() gives a connection of its own (one per thread).
Nothing sleeps for a fixed time: until() polls up to a deadline and says what it waited for.
"""
import contextlib
import http.client
import json
import os
import pathlib
import select
import signal
import subprocess
import time
import urllib.parse

READY_SECONDS = 30
IDLE_SECONDS = 5  # a connection that rested longer is dialled anew: the server may be closing it at this moment
STOP_SECONDS = 20


class ApiError(Exception):
    """An answer of 400 or more; `status`, `code` (the stable reason) and `body` as the server gave them."""

    def __init__(self, method, path, status, body):
        self.status, self.body = status, body
        try:
            fields = json.loads(body)
        except ValueError:
            fields = {}
        if not isinstance(fields, dict):
            fields = {}
        self.code = fields.get("code") or fields.get("error_code") or ""
        text = fields.get("detail") or fields.get("message") or fields.get("error") or body[:300].decode("utf-8", "replace")
        super().__init__(f"{method} {path}: {status} {self.code}: {text}")


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body) if self.body else None


class Api:
    """A keep-alive connection. Paths that don't start with '/' are below /api/slipway/v1/."""

    def __init__(self, url, token=None, timeout=60):
        parts = urllib.parse.urlsplit(url)
        self.url, self.token = url, token
        self._http = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
        self._used = time.monotonic()

    def close(self):
        self._http.close()

    def send(self, method, path, body=None, headers=None, check=True):
        """Sends once; a JSON body for anything but bytes. A connection that the server closed meanwhile is reopened."""
        if not path.startswith("/"):
            path = "/api/slipway/v1/" + path
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if time.monotonic() - self._used > IDLE_SECONDS:
            self._http.close()
        self._used = time.monotonic()
        try:
            self._http.request(method, path, body, headers)
            answer = self._http.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError):
            self._http.close()
            if method not in ("GET", "PUT", "DELETE"):
                raise
            self._http.request(method, path, body, headers)
            answer = self._http.getresponse()
        except OSError:
            self._http.close()
            raise
        reply = Reply(answer.status, answer.headers, answer.read())
        if check and reply.status >= 400:
            raise ApiError(method, path, reply.status, reply.body)
        return reply

    def get(self, path):
        return self.send("GET", path).json()

    def post(self, path, body=None, headers=None):
        return self.send("POST", path, {} if body is None else body, headers).json()

    def put(self, path, body):
        return self.send("PUT", path, body).json()

    def delete(self, path):
        return self.send("DELETE", path).json()

    def items(self, path):
        """All items of a paged list."""
        mark = "&" if "?" in path else "?"
        page, token = [], ""
        while True:
            answer = self.get(path + (f"{mark}page_token={urllib.parse.quote(token)}" if token else ""))
            page += answer["items"]
            token = answer.get("next_page_token") or ""
            if not token:
                return page

    def refused(self, method, path, body=None):
        """The ApiError that a request is answered with; None when it is let through."""
        try:
            self.send(method, path, body)
        except ApiError as error:
            return error
        return None


def until(what, probe, seconds=20, server=None):
    """The first true answer of `probe`; fails after `seconds`, or at once when `server` has ended."""
    deadline = time.monotonic() + seconds
    pause = 0.005
    while True:
        answer = probe()
        if answer:
            return answer
        if server and server.ended():
            raise RuntimeError(f"the server ended while waiting for {what}:\n{server.tail()}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}" + (f"\n{server.tail()}" if server else ""))
        select.select([], [], [], pause)
        pause = min(pause * 1.5, 0.1)


class Server:
    """`slipway serve` on free ports (or `port`); stdout is read for the ready line, stderr goes to `DATA.log`."""

    def __init__(self, binary, data, args=(), port=0, env=None):
        self.binary, self.data, self.args, self.port = pathlib.Path(binary), pathlib.Path(data), list(args), port
        self.env = {**os.environ, **(env or {})}
        self.log = self.data.with_name(self.data.name + ".log")
        self.process, self.ready, self.start_ms = None, {}, 0.0

    def command(self):
        return [str(self.binary), "serve", "--data-dir", str(self.data), "--port", str(self.port),
                "--grpc-port", "0", *self.args]

    def start(self):
        self.data.parent.mkdir(parents=True, exist_ok=True)
        begun = time.monotonic()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=subprocess.PIPE, stderr=log, env=self.env,
                                            start_new_session=True)
        line, deadline = b"", begun + READY_SECONDS
        while not line.endswith(b"\n"):
            readable, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            got = os.read(self.process.stdout.fileno(), 4096) if readable else b""
            if not got:
                self.kill()
                raise RuntimeError(f"no ready line: {shell(self.command())}\n{line.decode()}{self.tail()}")
            line += got
        self.start_ms = (time.monotonic() - begun) * 1000
        words = line.decode().split()
        if words[:2] != ["slipway", "ready"]:
            self.kill()
            raise RuntimeError(f"not a ready line: {line.decode()}")
        self.ready = dict(word.split("=", 1) for word in words[2:])
        return self

    @property
    def url(self):
        return self.ready["http"]

    def api(self, token=None):
        return Api(self.url, token)

    def cli(self, *args, check=True, token=None):
        """Runs a command of the CLI against this server; its stdout."""
        env = {**self.env, "SLIPWAY_URL": self.url}
        if token:
            env["SLIPWAY_TOKEN"] = token
        done = subprocess.run([str(self.binary), *map(str, args)], env=env, capture_output=True, text=True, timeout=120,
                              check=False)
        if check and done.returncode:
            raise RuntimeError(f"slipway {shell(args)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def ended(self):
        return self.process is None or self.process.poll() is not None

    def rss_bytes(self):
        with contextlib.suppress(OSError):
            for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        return 0

    def tail(self, lines=15):
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    def kill(self):
        """SIGKILL: what a power cut looks like to the process."""
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def stop(self):
        """SIGTERM; the exit status. A server that doesn't drain in time is killed, and that is an error."""
        if not self.process:
            return 0
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"the server didn't stop within {STOP_SECONDS} s of SIGTERM:\n{self.tail()}") from None
        self.process.stdout.close()
        self.process = None
        return status

    def __enter__(self):
        return self if self.process else self.start()

    def __exit__(self, *_):
        self.kill()


def shell(words):
    import shlex  # only to print
    return shlex.join(map(str, words))
