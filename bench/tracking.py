"""./dev bench tracking [--runs N] [--history N] [--pairs N] [--seconds S] [--ours]: against MLflow 3.17.2 on SQLite.

Both servers hold the same data (bench/tracking/workload.py) and get the same requests from the same keep-alive C++
client, which has core 1; the servers may use both cores. MLflow runs as its documentation starts it, with its default
four workers, SQLite and a proxied artifact folder. Rounds alternate which server goes first; a ratio is taken within a
round. Reported: median over the rounds and the smallest and largest. Every commit of Slipway is on the disk before its
answer; MLflow's SQLite has its default journal. `client busy` is the share of its core that the client used: near 1
means the client was the limit. JSON goes to bench/results/tracking.json.
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
sys.path.append(str(ROOT / "bench"))  # Behind the standard library: bench/http is not Python's.
from dev import bench, common, served, setup  # noqa: E402
from tracking import workload  # noqa: E402

HERE = ROOT / "bench" / "tracking"
WORK = common.BUILD / "bench-tracking"
LOAD_CORE = "1"

# name, connections, figure, unit, target of ours, target ratio; figures in us are better when smaller.
ROWS = [
    ("log_metric", 1, "p50_us", "us", 500, 12),
    ("log_metric_64", 64, "rate", "/s", 40_000, 100),
    ("log_batch", 4, "values", "values/s", None, 20),
    ("search", 1, "p95_us", "us", 5_000, 20),
    ("deep_page", 1, "p50_us", "us", 2_000, None),
    ("history_50k", 1, "p50_us", "us", 5_000, None),
    ("create_run", 1, "p95_us", "us", 1_000, None),
    ("registry_get", 1, "p50_us", "us", 200, None),
    ("registry_search", 1, "p50_us", "us", 2_000, None),
    ("otlp", 4, "spans", "spans/s", 50_000, None),
]
REQUESTS = {  # Of ours and of MLflow's file: more than it answers in the time, so that nothing is sent twice.
    "log_metric": (20_000, 1_000), "log_metric_64": (400_000, 4_000), "log_batch": (1_500, 60), "search": (400, 400),
    "deep_page": (50, 50), "history_50k": (10, 10), "create_run": (20_000, 1_000), "registry_get": (500, 500),
    "registry_search": (10, 10), "otlp": (8_000, 400),
}


def compile_client():
    return bench.compile_client(HERE / "load.cc")


def anonymous_bytes(pid):
    """RssAnon of a process and all below it."""
    total, queue = 0, [pid]
    while queue:
        at = pathlib.Path(f"/proc/{queue.pop()}")
        try:
            total += sum(int(x.split()[1]) for x in (at / "status").read_text().splitlines() if x.startswith("RssAnon")) * 1024
            for task in (at / "task").iterdir():
                queue += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return total


class Mlflow:
    def __init__(self, folder):
        self.folder, self.database = folder, folder / "mlflow.db"
        folder.mkdir(parents=True)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"

    def start(self):
        env = {**os.environ, "PYTHONPATH": str(setup.packages("pip_mlflow_server")), "MLFLOW_DISABLE_TELEMETRY": "true",
               "DO_NOT_TRACK": "true"}
        self.log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen(
            [common.venv_python(), "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{self.database}",
             "--artifacts-destination", str(self.folder / "artifacts"), "--host", "127.0.0.1", "--port", str(self.port)],
            stdout=self.log, stderr=self.log, env=env, start_new_session=True, cwd=self.folder)
        served.until("MLflow to answer", self.answers, seconds=120)

    def answers(self):
        try:
            return served.Api(f"http://{self.host}", timeout=5).send("GET", "/version", check=False).status == 200
        except OSError:
            return False

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.log.close()


class Bench:
    def __init__(self, args):
        self.args, self.client, self.rng = args, compile_client(), random.Random(7)
        self.data = workload.Data(args.runs, args.history)
        WORK.mkdir(parents=True, exist_ok=True)
        self.files = WORK / "requests"
        self.files.mkdir(exist_ok=True)

    def load(self, side, connections, requests, seconds=0.0):
        file = self.files / side.name
        with open(file, "wb") as out:
            out.writelines(requests)
        cmd = ["taskset", "-c", LOAD_CORE, self.client, side.host.rpartition(":")[2], str(connections), file]
        done = subprocess.run([str(c) for c in cmd + ([f"{seconds}"] if seconds else [])], text=True, capture_output=True)
        if done.returncode:
            raise common.Failed(f"{side.name}: {done.stderr}{done.stdout}")
        return json.loads(done.stdout)

    # ---- the same data on both

    def fill_ours(self, server):
        api, host = server.api(), server.url.removeprefix("http://")
        experiments = [api.post("/api/2.0/mlflow/experiments/create", {"name": f"experiment-{e}"})["experiment_id"]
                       for e in range(workload.EXPERIMENTS)]
        runs = []
        for i in range(self.data.runs):
            r = self.data.run(i)
            made = api.post("/api/2.0/mlflow/runs/create", {
                "experiment_id": experiments[r["experiment"]], "start_time": r["start_ms"], "user_id": r["user"],
                "run_name": r["name"]})
            runs.append(made["run"]["info"]["run_id"])
        side = workload.Side("slipway", host, experiments, runs)

        def batches():
            for i, run_id in enumerate(runs):
                r = self.data.run(i)
                yield from workload.log_batches(host, run_id, r["points"], r["params"])
            yield from workload.log_batches(host, runs[0], self.data.curve())
        done = self.load(side, 8, batches())
        values = self.data.runs * workload.METRICS * self.data.history
        common.say(f"bench: {values} points loaded through REST: {values / done['seconds']:.0f} values/s")
        self.fill_our_models(api)
        return side

    def fill_our_models(self, api):
        seen = set()
        for m, _, prompt in self.data.versions():
            name = workload.model_name(m)
            if m not in seen:
                seen.add(m)
                tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}] if prompt else []
                api.post("/api/2.0/mlflow/registered-models/create", {"name": name, "tags": tags})
            api.post("/api/2.0/mlflow/model-versions/create", {"name": name, "source": workload.source(m)})

    # ---- rows

    def requests(self, side, row):
        ours, theirs = REQUESTS[row]
        count = ours if side.name == "slipway" else theirs
        made = {"log_metric": lambda: side.log_metric(self.rng, count),
                "log_metric_64": lambda: side.log_metric(self.rng, count),
                "log_batch": lambda: side.log_batch(self.rng, count),
                "search": lambda: side.search(random.Random(3), count),
                "deep_page": lambda: side.deep_page(side.deep_token, count),
                "history_50k": lambda: side.history(count),
                "create_run": lambda: side.create_run(self.rng, count),
                "registry_get": lambda: side.registry_get(random.Random(4), count),
                "registry_search": lambda: side.registry_search(count),
                "otlp": lambda: side.spans(self.rng, count)}
        return made[row]()

    def measure(self, side, row, connections):
        got = self.load(side, connections, self.requests(side, row), self.args.seconds)
        got["values"] = got["rate"] * workload.BATCH
        got["spans"] = got["rate"] * 100
        return got

    def walk_to_deep_page(self, side, pages=25):
        api, token = served.Api(f"http://{side.host}"), ""
        for _ in range(min(pages, self.data.runs // 100 - 1)):
            token = api.post("/api/2.0/mlflow/runs/search", side.search_page(token))["next_page_token"]
        side.deep_token = token

    def check_same(self, sides):
        """Both hold and find the same: else the figures compare nothing."""
        for path in ("search", "history"):
            counts = []
            for side in sides:
                api = served.Api(f"http://{side.host}")
                if path == "search":
                    found = api.post("/api/2.0/mlflow/runs/search", {
                        "experiment_ids": side.experiments, "filter": "metrics.m1 < 0.05", "max_results": 50_000})
                    counts.append(len(found["runs"]))
                else:
                    reply = api.send("GET", f"/api/2.0/mlflow/metrics/get-history?run_id={side.runs[0]}&metric_key=curve")
                    counts.append(len(reply.json()["metrics"]))
            if len(set(counts)) != 1:
                raise common.Failed(f"{path}: the servers answer with {counts} items")
            common.say(f"bench: both answer {path} with {counts[0]} items" if len(sides) > 1 else f"bench: {path} has {counts[0]} items")


def spread(values):
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def ratio(figure, ours, theirs):
    return theirs / ours if figure.endswith("_us") else ours / theirs


def shown(f, unit=""):
    digits = 1 if f["median"] < 1000 else 0
    return f"{f['median']:12.{digits}f} [{f['low']:.{digits}f}, {f['high']:.{digits}f}] {unit}"


def report(rounds, sides):
    figures, missed = {}, []
    for row, _, figure, unit, target, target_ratio in ROWS:
        got = [r[row] for r in rounds if row in r]
        if not got:
            continue
        ours = spread([g["slipway"][figure] for g in got])
        entry = {"figure": figure, "unit": unit, "slipway": ours, "target": target, "target_ratio": target_ratio,
                 "client_busy": spread([g["slipway"]["client_busy"] for g in got])}
        line = f"{row:16} {figure:7} {shown(ours, unit)}"
        if len(sides) > 1:
            entry["mlflow"] = spread([g["mlflow"][figure] for g in got])
            entry["ratio"] = spread([ratio(figure, g["slipway"][figure], g["mlflow"][figure]) for g in got])
            line += f"  MLflow {shown(entry['mlflow'])}  {entry['ratio']['median']:.1f}x" \
                    f" [{entry['ratio']['low']:.1f}, {entry['ratio']['high']:.1f}]"
        good = target is None or (ours["median"] <= target if unit == "us" else ours["median"] >= target)
        if target_ratio and "ratio" in entry:
            good = good and entry["ratio"]["median"] >= target_ratio
        entry["met"] = good
        missed += [] if good else [row]
        want = " ".join(filter(None, [f"{target:g} {unit}" if target else "", f"{target_ratio}x" if target_ratio else ""]))
        print(f"{line}  (want {want or '-'}: {'met' if good else 'MISSED'}; client busy {entry['client_busy']['median']:.2f})")
        figures[row] = entry
    return figures, missed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--history", type=int, default=100)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--ours", action="store_true", help="without MLflow: for profiling")
    parser.add_argument("--rows", default="", help="only these, comma separated")
    args = parser.parse_args()
    wanted = set(filter(None, args.rows.split(",")))
    shutil.rmtree(WORK / "data", ignore_errors=True)
    bench, rounds, begun = Bench(args), [], time.monotonic()
    peer = None if args.ours else Mlflow(WORK / "data" / "mlflow")
    binary = os.environ.get("SLIPWAY_BINARY") or str(common.BUILD / "release" / "slipway")
    server = served.Server(binary, WORK / "data" / "slipway").start()
    try:
        with common.machine_lock():  # Nobody compiles meanwhile.
            sides = [bench.fill_ours(server)]
            if peer:
                peer.start()
                peer.stop()  # It has made its tables.
                experiments, runs = workload.fill_mlflow(peer.database, bench.data, "mlflow-artifacts:")
                peer.start()
                sides.append(workload.Side("mlflow", peer.host, experiments, runs))
            common.say(f"bench: filled in {time.monotonic() - begun:.0f} s")
            bench.check_same(sides)
            for side in sides:
                bench.walk_to_deep_page(side)
            for n in range(args.pairs):
                order = sides if n % 2 == 0 else sides[::-1]
                rounds.append({row: {side.name: bench.measure(side, row, connections) for side in order}
                               for row, connections, *_ in ROWS if not wanted or row in wanted})
            memory = {"slipway_anonymous_mb": anonymous_bytes(server.process.pid) / 1e6}
            if peer:
                memory["mlflow_anonymous_mb"] = anonymous_bytes(peer.process.pid) / 1e6
    finally:
        if peer and peer.process.poll() is None:
            peer.stop()
        server.kill()
    figures, missed = report(rounds, sides)
    print("  ".join(f"{k} {v:.0f}" for k, v in memory.items()) + "  (want <= 60)")
    if peer and not wanted:
        results = ROOT / "bench" / "results"
        results.mkdir(exist_ok=True)
        (results / "tracking.json").write_text(json.dumps({
            "runs": args.runs, "history": args.history, "pairs": args.pairs, "seconds": args.seconds,
            "cores": os.cpu_count(), "rows": figures, **memory}, indent=1) + "\n")
    print(f"missed: {', '.join(missed) or 'none'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
