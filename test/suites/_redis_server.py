"""A real redis-server of its own for a suite: a free port, a folder that goes with it, ended by its number."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

BINARY = shutil.which("redis-server") or "/usr/bin/redis-server"


def there():
    return os.path.exists(BINARY)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class RedisServer:
    """Holds nothing over its end, unless `durable`: then every write is on the disk before it is answered."""

    def __init__(self, durable=False, password="", tls=None):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="slip-redis-"))
        self.port, self.durable, self.password, self.tls = free_port(), durable, password, tls
        self.process = None

    def start(self):
        args = [BINARY, "--bind", "127.0.0.1", "--dir", str(self.root), "--save", "", "--databases", "16",
                "--appendonly", "yes" if self.durable else "no", "--appendfsync", "always", "--loglevel", "warning"]
        if self.tls:
            args += ["--port", "0", "--tls-port", str(self.port), "--tls-cert-file", str(self.tls / "cert.pem"), "--tls-key-file",
                     str(self.tls / "key.pem"), "--tls-auth-clients", "no"]
        else:
            args += ["--port", str(self.port)]
        if self.password:
            args += ["--requirepass", self.password]
        with open(self.root / "log", "ab") as log:
            self.process = subprocess.Popen(args, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 20
        while True:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("redis-server did not start:\n" + (self.root / "log").read_text(errors="replace"))
            time.sleep(0.02)

    def url(self, db=0, scheme="redis"):
        who = f":{self.password}@" if self.password else ""
        return f"{scheme}://{who}127.0.0.1:{self.port}/{db}"

    def kill(self):
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def __enter__(self):
        return self if self.process else self.start()

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.root, ignore_errors=True)
