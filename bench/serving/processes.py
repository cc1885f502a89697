"""Servers of ./dev bench serving as children on one core: start, readiness, processor time, memory, and their end by pid."""
import contextlib
import json
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import time

from dev import common, served, setup

HERE = pathlib.Path(__file__).resolve().parent
SERVER_CORE, LOAD_CORE = "0", "1"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def family(pid):
    """A process and all below it."""
    out = [pid]
    for parent in out:
        with contextlib.suppress(OSError):
            for task in pathlib.Path(f"/proc/{parent}/task").iterdir():
                out += [int(child) for child in (task / "children").read_text().split()]
    return out


def cpu_s(pids):
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def rss_mb(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) * 1024 / 1e6


class Child:
    """`stdout` is kept in a file unless the first line is asked for; stderr always is."""

    def __init__(self, name, cmd, folder, env=None, ready_line=False):
        self.name, self.log = name, folder / f"{name}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(["taskset", "-c", SERVER_CORE, *map(str, cmd)], cwd=folder, stderr=log,
                                            stdout=subprocess.PIPE if ready_line else log, env={**os.environ, **(env or {})})

    @property
    def pid(self):
        return self.process.pid

    def first_line(self, seconds=60):
        line, deadline = b"", time.monotonic() + seconds
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            got = os.read(self.process.stdout.fileno(), 4096) if ready else b""
            if not got:
                raise common.Failed(f"{self.name}: no ready line; {self.tail()}")
            line += got
        return line.decode()

    def answers(self, port, path, seconds=90):
        """Waits until GET path is 200."""
        def probe():
            if self.process.poll() is not None:
                raise common.Failed(f"{self.name} ended with status {self.process.returncode}: {self.tail()}")
            try:
                return served.Api(f"http://127.0.0.1:{port}", timeout=5).send("GET", path, check=False).status == 200
            except OSError:
                return False
        try:
            served.until(f"{self.name} to answer", probe, seconds)
        except TimeoutError as error:
            raise common.Failed(f"{error}; {self.tail()}") from None
        return self

    def tail(self):
        return self.log.read_text(errors="replace")[-600:].strip() or "it said nothing"

    def stop(self):
        """SIGTERM to the process; after 15 s SIGKILL to it and what it started, each by its id."""
        pids = family(self.pid)
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(15)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                if pid == self.pid and self.process.poll() is not None:
                    continue
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


def first_line_or_end(child):
    try:
        return child.first_line()
    except BaseException:
        child.stop()
        raise


def ours(binary, folder, name, *args):
    """One event loop and one queue of gRPC: the server has one core. Everything else is as the product starts."""
    child = Child(name, [binary, "serve", "--data-dir", folder / name, "--port", "0", "--grpc-port", "0", *args], folder,
                  {"SLIPWAY_HTTP_THREADS": "1", "SLIPWAY_GRPC_THREADS": "1"}, ready_line=True)
    line = first_line_or_end(child)
    child.url = re.search(r"http=(\S+)", line).group(1)
    child.port = int(child.url.rpartition(":")[2])
    child.grpc_port = int(re.search(r"grpc=\S*?:?(\d+)(?=\s|$)", line).group(1))
    return child


def bare(tool, folder):
    child = Child("bare", [tool], folder, ready_line=True)
    child.port = int(re.search(r":(\d+)", first_line_or_end(child)).group(1))
    return child


# ---- peers, as their documentation runs them in production, with one process for the one core

def env_of(*groups):
    paths = os.pathsep.join(str(setup.packages(g)) for g in groups)
    return {"PYTHONPATH": paths, "DO_NOT_TRACK": "true", "BENTOML_DO_NOT_TRACK": "True", "MLFLOW_DISABLE_TELEMETRY": "true",
            "GIT_PYTHON_REFRESH": "quiet", "HOME": str(common.BUILD / "bench-serving")}


def mlserver(folder, model):
    """`debug` off (no access log), and no second process for inference: its pool only helps on several cores."""
    at = folder / "mlserver-models"
    at.mkdir()
    port, grpc, metrics = free_port(), free_port(), free_port()
    (at / "settings.json").write_text(json.dumps({"debug": False, "parallel_workers": 0, "host": "127.0.0.1", "http_port": port,
                                                  "grpc_port": grpc, "metrics_port": metrics}))
    (at / "model-settings.json").write_text(json.dumps({"name": "bench", "implementation": "mlserver_lightgbm.LightGBMModel",
                                                        "parameters": {"uri": str(model)}}))
    child = Child("mlserver", [common.venv_python(), "-c", "from mlserver.cli import main; main()", "start", at], folder,
                  env_of("pip_mlserver"))
    child.port = port
    return child, "/v2/models/bench/ready"


def mlflow(folder, model):
    """What `mlflow models serve --env-manager local --workers 1` runs, without uvicorn's line for each request."""
    saved = folder / "mlflow-model"
    port = free_port()
    child = Child("mlflow", [common.venv_python(), "-m", "uvicorn", "--host", "127.0.0.1", "--port", port, "--workers", "1",
                             "--no-access-log", "mlflow.pyfunc.scoring_server.app:app"], folder,
                  {**env_of("pip_mlflow_server", "pip_trees"), "__pyfunc_model_path__": str(saved)})
    child.port = port
    return child, "/ping"


def bentoml(folder, model):
    """`bentoml serve` (its production mode), one worker; the service's method is `async`, which is faster here than a thread a call."""
    port = free_port()
    child = Child("bentoml", [common.venv_python(), "-m", "bentoml", "serve", "bento_service:Bench", "--host", "127.0.0.1", "--port", port,
                              "--working-dir", HERE], folder,
                  {**env_of("pip_bentoml"), "BENCH_MODEL": str(model), "BENTOML_HOME": str(folder / "bentoml")})
    child.port = port
    return child, "/readyz"


PEERS = {"mlserver": mlserver, "mlflow": mlflow, "bentoml": bentoml}
