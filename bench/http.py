"""./dev bench http [--pairs N] [--seconds S] [--skip-model]: requests/s against a bare epoll responder and FastAPI.

FastAPI stands twice: on uvicorn as pip installs it (which the targets name), and with uvloop and httptools. Server on core 0, load on core 1; rounds alternate between the servers, so that a change of the machine hits all of
them; the ratio is taken within a round. Reported: the median over the rounds and the smallest and largest (for five
rounds that interval holds the true median with 94 %). Then an open loop at half of the closed loop's rate, with
latencies from the moment each request was due. Beside each rate stands the server's processor time per request,
which doesn't depend on how busy the machine is. Where it may, the bench runs at the highest priority. JSON goes to
bench/results/http.json.
"""
import argparse
import contextlib
import json
import os
import pathlib
import platform
import re
import select
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from dev import bench, common, served, setup  # noqa: E402

HERE = ROOT / "bench" / "http"
SERVER_CORE, LOAD_CORE = "0", "1"
CONNECTIONS = 16
TARGETS = {("health", "bare"): 0.5, ("health", "fastapi"): 20, ("model", "fastapi"): 10}
MODEL_RATE = 35_000


def come_first():
    """Children of this run before whatever else the machine does, if we may: a session of its own has its own weight."""
    try:
        os.setsid()
        pathlib.Path("/proc/self/autogroup").write_text("-20")
        os.nice(-20)
    except OSError:
        common.say("bench: not at high priority; other work on this machine disturbs the figures")


def compile_tool(name):
    return bench.compile_client(HERE / f"{name}.cc")


class Pinned:
    """A child on the server's core that prints a line with http=URL when it answers."""

    def __init__(self, cmd, env=None):
        self.process = subprocess.Popen(["taskset", "-c", SERVER_CORE, *map(str, cmd)], stdout=subprocess.PIPE,
                                        env={**os.environ, **(env or {})})
        line, deadline = b"", time.monotonic() + 60
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            got = os.read(self.process.stdout.fileno(), 4096) if ready else b""
            if not got:
                raise common.Failed(f"no ready line from {cmd}")
            line += got
        self.url = re.search(rb"http=(\S+)", line).group(1).decode()

    def cpu_s(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def wrk(server, seconds, request):
    """Requests/s and the server's processor microseconds per request; fails when anything but 2xx came back."""
    url, begun = server.url, server.cpu_s()
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        if request["method"] == "POST":
            script.write(f"wrk.method = 'POST'\nwrk.body = [==[{request['body']}]==]\n"
                         "wrk.headers['Content-Type'] = 'application/json'\n")
            script.flush()
        out = common.output(["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s",
                             "-s", script.name, url + request["path"]])
    if "Non-2xx" in out or "Socket errors" in out:
        raise common.Failed(f"wrk on {url}{request['path']}:\n{out}")
    count = int(re.search(r"(\d+) requests in", out).group(1))
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)), (server.cpu_s() - begun) * 1e6 / count


def open_loop(tool, url, rate, seconds, request):
    host = url.removeprefix("http://")
    head = f"{request['method']} {request['path']} HTTP/1.1\r\nHost: {host}\r\n"
    body = request.get("body", "")
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    with tempfile.NamedTemporaryFile("w", newline="") as file:
        file.write(head + "\r\n" + body)
        file.flush()
        port = host.rpartition(":")[2]
        return json.loads(common.output(["taskset", "-c", LOAD_CORE, str(tool), port, f"{rate:.0f}", str(seconds),
                                         str(CONNECTIONS * 4), file.name]))


@contextlib.contextmanager
def peers(*model):
    env = {"PYTHONPATH": str(setup.packages("pip_bench"))}
    running = {name: Pinned([common.venv_python(), HERE / "peer.py", kind, *model], env)
               for name, kind in (("fastapi", "plain"), ("fastapi+uvloop", "fast"))}
    try:
        yield running
    finally:
        for peer in running.values():
            peer.stop()


def deploy(url, work):
    """Registers the model with the stock client, deploys it; nothing when this server has no such plane."""
    env = {"MLFLOW_TRACKING_URI": url, "GIT_PYTHON_REFRESH": "quiet"}
    common.run([common.venv_python(), HERE / "make_model.py", work / "bench.onnx", url], quiet=True, env=env)
    api = served.Api(url)
    api.put("deployments/bench", {"model": "bench", "version": 1, "log_ack": "kernel"})
    served.until("the deployment", lambda: api.get("deployments/bench")["state"] == "READY")
    inputs = api.get("/v2/models/bench")["inputs"]
    row = [round(0.05 * i - 0.4, 3) for i in range(20)]
    ours = {"inputs": [{"name": inputs[0]["name"], "datatype": "FP32", "shape": [1, 20], "data": row}]}
    return ({"method": "POST", "path": "/v2/models/bench/infer", "body": json.dumps(ours)},
            {"method": "POST", "path": "/predict", "body": json.dumps({"instances": [row]})})


def rounds(name, servers, pairs, seconds):
    """servers: {name: (server, request)}, ours under 'slipway'. (Requests/s, cpu us) per server and round."""
    rates = {key: [] for key in servers}
    for server, request in servers.values():
        wrk(server, 1, request)
    for number in range(pairs):
        order = list(servers) if number % 2 == 0 else list(servers)[::-1]
        for key in order:
            rates[key].append(wrk(servers[key][0], seconds, servers[key][1]))
        common.say(f"  {name} round {number + 1}: " + "  ".join(f"{k} {rates[k][-1][0]:,.0f}/s {rates[k][-1][1]:.1f} us"
                                                               for k in servers))
    return rates


def summary(name, rates):
    cpu = {k: statistics.median(c for _, c in v) for k, v in rates.items()}
    rates = {k: [r for r, _ in v] for k, v in rates.items()}
    out = {"requests_per_s": {k: {"median": statistics.median(v), "min": min(v), "max": max(v), "all": v}
                              for k, v in rates.items()}, "cpu_us_per_request": cpu, "ratios": {}}
    for peer in (k for k in rates if k != "slipway"):
        ratios = [ours / theirs for ours, theirs in zip(rates["slipway"], rates[peer])]
        target = TARGETS.get((name, peer))
        middle = statistics.median(ratios)
        out["ratios"][peer] = {"median": middle, "min": min(ratios), "max": max(ratios), "target": target,
                               "by_cpu": cpu[peer] / cpu["slipway"],
                               "met": target is None or middle >= target}
        common.say(f"{name}: slipway {statistics.median(rates['slipway']):,.0f}/s, {peer} "
                   f"{statistics.median(rates[peer]):,.0f}/s, ratio {middle:.2f} "
                   f"({min(ratios):.2f} .. {max(ratios):.2f})" + (f", target {target}" if target else "") +
                   f"; by processor time {cpu[peer]:.1f} / {cpu['slipway']:.1f} us = {cpu[peer] / cpu['slipway']:.2f}")
    return out


def measure_health(ours, args, tools):
    get = {"method": "GET", "path": "/health"}
    bare = Pinned([tools["bare"]])
    try:
        with peers() as others:
            servers = {"slipway": ours, "bare": bare, **others}
            rates = rounds("health", {k: (s, get) for k, s in servers.items()}, args.pairs, args.seconds)
        out = summary("health", rates)
        half = out["requests_per_s"]["slipway"]["median"] / 2
        out["open_loop"] = {"slipway": open_loop(tools["openloop"], ours.url, half, args.seconds, get),
                            "bare": open_loop(tools["openloop"], bare.url, half, args.seconds, get)}
        return out
    finally:
        bare.stop()


def measure_model(ours, args, tools, work):
    our_request, their_request = deploy(ours.url, work)
    with peers(work / "bench.onnx") as others:
        servers = {"slipway": (ours, our_request), **{k: (s, their_request) for k, s in others.items()}}
        rates = rounds("model", servers, args.pairs, args.seconds)
    out = summary("model", rates)
    median = out["requests_per_s"]["slipway"]["median"]
    out["rate_target"] = {"requests_per_s": MODEL_RATE, "met": median >= MODEL_RATE}
    out["open_loop"] = {"slipway": open_loop(tools["openloop"], ours.url, median / 2, args.seconds, our_request)}
    return out


def main():
    parser = argparse.ArgumentParser(prog="./dev bench http")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--skip-model", action="store_true")
    args = parser.parse_args()
    setup.ensure(["bench"])
    come_first()
    setup.packages("pip_bench")
    tools = {name: compile_tool(name) for name in ("bare", "openloop")}
    binary = os.environ["SLIPWAY_BINARY"]
    result = {"bench": "http", "machine": {"cpus": os.cpu_count(), "kernel": platform.release()},
              "pairs": args.pairs, "seconds": args.seconds, "connections": CONNECTIONS,
              "git": common.output(["git", "rev-parse", "--short", "HEAD"]).strip()}
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as folder:
        work = pathlib.Path(folder)
        ours = Pinned([binary, "serve", "--data-dir", work / "data", "--port", "0", "--grpc-port", "0"], {"SLIPWAY_HTTP_THREADS": "1"})
        try:
            result["health"] = measure_health(ours, args, tools)
            if not args.skip_model:
                result["model"] = measure_model(ours, args, tools, work)
        finally:
            ours.stop()
    out = ROOT / "bench" / "results" / "http.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n")
    common.say(f"kept: {out.relative_to(ROOT)}")
    for row in ("health", "model"):
        for mode, figures in result.get(row, {}).get("open_loop", {}).items():
            common.say(f"{row}, open loop, {mode}: {figures['rate']:,.0f}/s due, p50 {figures['p50_us']:.0f} us, "
                       f"p99 {figures['p99_us']:.0f} us, p99.9 {figures['p999_us']:.0f} us")
    ratios = [r for row in ("health", "model") for r in result.get(row, {}).get("ratios", {}).values()]
    return 0 if all(r["met"] for r in ratios) and result.get("model", {}).get("rate_target", {"met": True})["met"] else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except common.Failed as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(1)
