"""./dev bench serving [--quick] [--pairs N] [--seconds S] [--only PART,…] [--skip PART,…] [--trees-program FILE]

Predictions of one row of 20 floats by a LightGBM model of 200 trees of 31 leaves, over keep-alive connections, against
MLServer, MLflow's scoring server and BentoML in the same run; then batch scoring against MLflow's pyfunc, swaps of the
version and overload under full load, memory, and the trees alone (./dev bench trees: LightGBM, ONNX Runtime, lleaves,
tl2cgen with treelite, in process).

The server has core 0, the load core 1. Slipway serves a deployment from its registry as `slipway serve` starts it: the
prediction log (log_ack kernel), metrics, limits, routing and audit are on; `auth` is `auto`, which asks for no
credentials on a loopback address. Only its threads are set to what it has: one event loop, one queue of gRPC. Peers
run as their documentation says for production, with one process and without access logs (bench/serving/processes.py). A
peer that can't be installed or started is left out, which is said, and what is measured against it is not met.

Parts: rates, latency, swap, overload, memory, batch, trees. Rounds alternate the order of the servers; a ratio is
taken within a round. Printed: median and range (of n rounds the range covers the true median with probability
1 - 2^(1-n)). Beside each rate: how much of its core the client and the server used (a server near 1 and a client below
it: the server was the limit), and the server's processor time a request. The open loop counts latency from the moment
a request was due. Overload: an open loop of 2 and 3 times the peak over 1,024 connections, whose client gives up what
finds none free; goodput is what was answered with 200. JSON goes to bench/results/serving.json; the last lines are
the targets and whether each was met. --quick: one short round of each, to see that everything works.
"""
import argparse
import contextlib
import json
import os
import pathlib
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "bench" / "serving"), str(ROOT)]
from bench import http as common_bench  # noqa: E402
from dev import bench as dev_bench  # noqa: E402
from dev import build, common, served, setup  # noqa: E402

import processes  # noqa: E402
import workload  # noqa: E402

PARTS = ("rates", "latency", "swap", "overload", "memory", "batch", "trees")
WORK = common.BUILD / "bench-serving"
CONNECTIONS, GRPC_CONNECTIONS, GRPC_STREAMS = 64, 4, 32
MLFLOW_API = "/api/2.0/mlflow/"
SWAPS = 10
LARGE_MB = 64


def compile_load():
    return dev_bench.compile_client(ROOT / "bench" / "serving" / "load.cc")


def spread(values):
    return {"median": statistics.median(values), "low": min(values), "high": max(values), "all": list(values)}


def shown(f, digits=0):
    return f"{f['median']:,.{digits}f} [{f['low']:,.{digits}f}, {f['high']:,.{digits}f}]"


class Side:
    """A server, how it is asked, and the file of its requests."""

    def __init__(self, bench, name, child, make, grpc=False):
        self.name, self.child, self.grpc = name, child, grpc
        self.port = child.grpc_port if grpc else child.port
        self.file = workload.requests_file(bench.folder / f"{name}.requests", make)


class Bench:
    def __init__(self, args, folder):
        self.args, self.folder, self.tool = args, folder, compile_load()
        self.result, self.verdicts, self.children = {}, [], []

    # ---- what is started

    def keep(self, child):
        self.children.append(child)
        return child

    def stop_all(self):
        for child in reversed(self.children):
            child.stop()
        self.children = []

    def make_model(self):
        """In a process of its own: LightGBM lies beside the environment."""
        code = ("import sys, peer; b, _ = peer.train(20, 200, 31, 1); b.save_model('model.txt');"
                "open('model.onnx', 'wb').write(peer.as_onnx(b));"
                "import workload, numpy; numpy.save('want.npy', b.predict(workload.rows(), num_threads=1))")
        paths = [ROOT / "bench/trees", ROOT / "bench/serving", setup.packages("pip_trees")]
        common.run([common.venv_python(), "-c", code], quiet=True, show=False, cwd=self.folder,
                   env={"PYTHONPATH": os.pathsep.join(map(str, paths))})
        self.model = self.folder / "model.txt"
        import numpy as np
        self.want = np.load(self.folder / "want.npy")

    def start_ours(self):
        self.ours = self.keep(processes.ours(os.environ["SLIPWAY_BINARY"], self.folder, "slipway"))
        api = served.Api(self.ours.url)
        api.post(MLFLOW_API + "registered-models/create", {"name": "trees"})
        for _ in range(2):
            info = api.post(MLFLOW_API + "runs/create", {"experiment_id": "0", "start_time": 1})["run"]["info"]
            at = info["artifact_uri"].removeprefix("mlflow-artifacts:/").lstrip("/") + "/model/"
            for name, content in (("MLmodel", b"flavors:\n  lightgbm:\n    data: model.txt\n"), ("model.txt", self.model.read_bytes())):
                api.send("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{at}{name}", content)
            api.post(MLFLOW_API + "model-versions/create",
                     {"name": "trees", "source": info["artifact_uri"] + "/model", "run_id": info["run_id"]})
        self.api = api
        self.deploy(1)
        self.json = Side(self, "slipway json", self.ours, workload.oip_json)
        self.sides = {"json": self.json, "binary": Side(self, "slipway binary", self.ours, workload.oip_binary),
                      "grpc": Side(self, "slipway grpc", self.ours, workload.oip_grpc, grpc=True)}

    def deploy(self, version):
        self.api.put(f"deployments/{workload.MODEL}", {"model": "trees", "version": version})
        served.until(f"version {version}", lambda: self.serving() == version, 20)

    def serving(self):
        state = self.api.get(f"deployments/{workload.MODEL}")
        if state["state"] == "FAILED":
            raise common.Failed(f"the deployment: {state.get('error')}")
        arms = [int(arm["version"]) for arm in state["arms"] if arm["weight"] > 0]
        return arms[0] if state["state"] == "READY" and len(arms) == 1 else None

    def start_peers(self):
        """What can't be installed or started is left out, and said."""
        self.peers, self.left_out = {}, {}
        makers = {"mlserver": workload.oip_json, "mlflow": workload.mlflow_json, "bentoml": workload.bentoml_json}
        for name, start in processes.PEERS.items():
            child = None
            try:
                if name == "mlflow":
                    self.save_mlflow()
                child, path = start(self.folder, self.model)
                self.keep(child).answers(child.port, path)
                side = Side(self, name, child, makers[name])
                self.check(side)
                self.peers[name] = side
            except (common.Failed, OSError) as error:
                self.left_out[name] = str(error)
                common.say(f"LEFT OUT: {name}: {error}")

    def save_mlflow(self):
        if not (self.folder / "mlflow-model").exists():
            common.run([common.venv_python(), ROOT / "bench/serving/mlflow_jobs.py", "save", self.model, self.folder / "mlflow-model"],
                       quiet=True, show=False, env=processes.env_of("pip_mlflow_server", "pip_trees"))

    # ---- the client

    def run_load(self, side, connections, seconds, *words, check=True):
        streams = GRPC_STREAMS if side.grpc and connections > 1 else 1
        cmd, pids = self.command(side, connections, streams, seconds, *words), processes.family(side.child.pid)
        begun, since = processes.cpu_s(pids), time.monotonic()
        done = subprocess.run(cmd, capture_output=True, text=True, timeout=seconds + 120, check=False)
        took = time.monotonic() - since
        if not done.stdout.strip():
            raise common.Failed(f"{side.name}: the client ended with {done.returncode}: {done.stderr[:600]}")
        got = json.loads(done.stdout)
        used = processes.cpu_s(pids) - begun
        got["server_busy"] = used / took
        got["cpu_us"] = used * 1e6 / max(got["good"] + got["shed"], 1)
        if check and (done.returncode or got["shed"]):
            raise common.Failed(f"{side.name}: {got}\n{done.stderr[:600]}\n{side.child.tail()}")
        return got

    def command(self, side, connections, streams, seconds, *words):
        return list(map(str, ("taskset", "-c", processes.LOAD_CORE, self.tool, "grpc" if side.grpc else "http", side.port,
                              connections, streams, seconds, side.file, *words)))

    def full(self, side, seconds, *words):
        return self.run_load(side, GRPC_CONNECTIONS if side.grpc else CONNECTIONS, seconds, *words)

    def check(self, side):
        """The first row is answered as LightGBM answers it."""
        done = subprocess.run(self.command(side, 1, 1, 5, "show=1"), capture_output=True, timeout=60, check=False)
        if done.returncode:
            raise common.Failed(f"{side.name} doesn't answer: {(done.stdout + done.stderr)[:600]}")
        by_bytes = side.name in ("slipway binary", "slipway grpc")
        got = workload.last_float(done.stdout) if by_bytes else workload.first_number(done.stdout)
        if abs(got - self.want[0]) > 1e-5:
            raise common.Failed(f"{side.name} says {got}, LightGBM {self.want[0]}")

    # ---- verdicts

    def judge(self, figure, value, target, least=True, digits=0):
        met = value is not None and (value >= target if least else value <= target)
        self.verdicts.append({"figure": figure, "value": value, "target": target, "at_least": least, "met": met, "digits": digits})

    # ---- parts

    def rates(self):
        sides = {**self.sides, **self.peers}
        for side in sides.values():
            self.full(side, 1)
        rounds = []
        for number in range(self.args.pairs):
            order = list(sides)[::-1 if number % 2 else 1]
            rounds.append({name: self.full(sides[name], self.args.seconds) for name in order})
        out = {}
        for name in sides:
            figures = {k: spread([r[name][k] for r in rounds]) for k in ("rate", "p50_us", "p99_us", "client_busy", "server_busy", "cpu_us")}
            out[name] = figures
            common.say(f"{name:9} {shown(figures['rate'])} /s  p50 {figures['p50_us']['median']:,.0f} us  server busy "
                       f"{figures['server_busy']['median']:.2f}, client busy {figures['client_busy']['median']:.2f}  "
                       f"{figures['cpu_us']['median']:.1f} us cpu a request")
        for name in self.peers:
            out[name]["ratio"] = spread([r["json"]["rate"] / r[name]["rate"] for r in rounds])
            common.say(f"          {name}: ours {shown(out[name]['ratio'], 1)} x")
        self.result["rates"] = out
        for name, target in (("json", 100_000), ("binary", 110_000), ("grpc", 60_000)):
            self.judge(f"{name}, requests/s on one core", out[name]["rate"]["median"], target)
        self.judge("json, times MLServer", out["mlserver"]["ratio"]["median"] if "mlserver" in out else None, 50, digits=1)

    def model_us(self):
        """What a run of the model takes inside the server, by its own statistics."""
        stats = self.api.get(f"/v2/models/{workload.MODEL}/stats")["model_stats"][0]["inference_stats"]["compute_infer"]
        return stats["ns"] / max(stats["count"], 1) / 1e3

    def latency(self):
        bare = self.keep(processes.bare(common_bench.compile_tool("bare"), self.folder))
        side = Side(self, "bare", bare, workload.oip_json)
        pairs = []
        for number in range(self.args.pairs):
            order = [self.json, side][::-1 if number % 2 else 1]
            got = {s.name: self.run_load(s, 1, self.args.seconds) for s in order}
            pairs.append((got["slipway json"]["p50_us"], got["bare"]["p50_us"]))
        peak = self.peak(self.json)
        half = [self.run_load(self.json, CONNECTIONS, self.args.seconds, f"rate={peak['rate'] / 2:.0f}") for _ in range(self.args.pairs)]
        model = self.model_us()
        out = {"p50_us": spread([o for o, _ in pairs]), "bare_p50_us": spread([b for _, b in pairs]),
               "ratio": spread([o / b for o, b in pairs]), "half_load_rate": peak["rate"] / 2,
               "half_load_p50_us": spread([h["p50_us"] for h in half]), "half_load_p99_us": spread([h["p99_us"] for h in half]),
               "half_load_achieved": spread([h["rate"] for h in half]),
               "cpu_us": peak["cpu_us"], "model_us": model, "cpu_over_model_us": peak["cpu_us"] - model}
        common.say(f"one connection: p50 {shown(out['p50_us'], 1)} us, bare responder {shown(out['bare_p50_us'], 1)} us, ratio "
                   f"{shown(out['ratio'], 2)}")
        common.say(f"half load ({peak['rate'] / 2:,.0f}/s, open loop): p50 {shown(out['half_load_p50_us'], 1)} us, p99 "
                   f"{shown(out['half_load_p99_us'], 1)} us")
        common.say(f"processor time {peak['cpu_us']:.2f} us a request, of which the model {model:.2f} us")
        self.result["latency"] = out
        self.judge("p50 at one connection / bare responder's", out["ratio"]["median"], 1.35, False, 2)
        self.judge("p99 at half load, us", out["half_load_p99_us"]["median"], 1000, False)
        self.judge("cpu a request over the model's, us", out["cpu_over_model_us"], 10, False, 2)

    def peak(self, side):
        return self.full(side, self.args.seconds)

    def swap(self):
        """Promotes the other version again and again while the closed loop runs."""
        out = {}
        for name in ("json", "grpc"):
            side, got = self.sides[name], {}
            seconds = max(3, self.args.seconds)
            thread = threading.Thread(target=lambda s=side, g=got, n=seconds: g.update(self.run_load(
                s, GRPC_CONNECTIONS if s.grpc else CONNECTIONS, n, check=False)))
            took, swaps = [], 0
            thread.start()
            while thread.is_alive() and swaps < SWAPS:
                begun = time.monotonic()
                self.deploy(2 - swaps % 2)
                took.append((time.monotonic() - begun) * 1e3)
                swaps += 1
                thread.join(seconds / SWAPS / 2)
            thread.join()
            if not got:
                raise common.Failed(f"swap: the client of {name} failed")
            failed = got["bad"] + got["broken"] + got["shed"]
            out[name] = {"swaps": swaps, "requests": got["good"], "failed": failed, "swap_ms": spread(took), "rate": got["rate"]}
            common.say(f"{name}: {swaps} swaps under {got['rate']:,.0f}/s, {got['good']:,} answered, {failed} failed; a swap is seen "
                       f"after {shown(out[name]['swap_ms'], 1)} ms")
            self.judge(f"failed requests in {swaps} swaps, {name}", failed, 0, False)
        self.deploy(1)
        self.result["swap"] = out

    def overload(self):
        goods, peaks = {2: [], 3: []}, []
        last = {}
        for _ in range(self.args.pairs):
            peak = self.peak(self.json)["rate"]
            peaks.append(peak)
            for times in goods:
                got = self.run_load(self.json, 1024, self.args.seconds, f"rate={peak * times:.0f}", "drop=1", check=False)
                goods[times].append(got["rate"] / peak)
                last[times] = got
        out = {"peak": spread(peaks)}
        for times, values in goods.items():
            g = last[times]
            out[f"{times}x"] = {"goodput_of_peak": spread(values), "last": g}
            common.say(f"{times} x overload: goodput {shown(spread(values), 2)} of the peak; last round: {g['good']:,} answered, {g['shed']:,} "
                       f"refused with 429 or 503 ({g['retry_after']:,} with Retry-After), {g['unsent']:,} not sent, {g['bad']} other, "
                       f"{g['broken']} broken, p99 {g['p99_us'] / 1e3:.1f} ms")
        self.result["overload"] = out
        self.judge("goodput at 2 x overload / peak", out["2x"]["goodput_of_peak"]["median"], 0.9, digits=2)
        self.judge("failures at 3 x overload (neither 200, 429, 503)", last[3]["bad"] + last[3]["broken"], 0, False)

    def memory(self):
        """A server of its own, with nothing asked of it before."""
        at = self.folder / "repository"
        (at / "trees" / "1").mkdir(parents=True)
        shutil.copy(self.model, at / "trees" / "1" / "model.txt")
        child = processes.ours(os.environ["SLIPWAY_BINARY"], self.folder, "memory", "--model-repository", at)
        try:
            api = served.Api(child.url)
            served.until("trees", lambda: api.send("GET", "/v2/models/trees/ready", check=False).status == 200)
            settled = self.settled(child)
            (at / "onnx" / "1").mkdir(parents=True)
            shutil.copy(self.folder / "model.onnx", at / "onnx" / "1" / "model.onnx")
            api.send("POST", "/v2/repository/models/onnx/load", {})
            served.until("onnx", lambda: api.send("GET", "/v2/models/onnx/ready", check=False).status == 200)
            platform_ = api.get("/v2/models/onnx").get("platform")
            api.send("POST", "/v2/models/onnx/infer", workload.tensor(workload.rows()[0], "X"))
            loaded = self.settled(child)
            api.send("POST", "/v2/repository/models/onnx/unload", {})
            unloaded = self.settled(child)
            grown, back = self.large_model(child, api, at)
        finally:
            child.stop()
        out = {"idle_mb": settled, "with_onnx_mb": loaded, "after_unload_mb": unloaded, "onnx_platform": platform_,
               "with_large_mb": grown, "after_large_mb": back}
        common.say(f"VmRSS: idle {settled:.1f} MB, with an ONNX model ({platform_}) {loaded:.1f} MB, after its unload {unloaded:.1f} MB; "
                   f"with one of {LARGE_MB} MB {grown:.1f} MB, after its unload {back:.1f} MB")
        self.result["memory"] = out
        self.judge("VmRSS idle, MB", settled, 60, False, 1)
        self.judge("VmRSS with ONNX Runtime, MB", loaded, 110, False, 1)
        self.judge("share of a large model's memory that unload returns", (grown - back) / (grown - unloaded), 0.9, digits=2)

    def large_model(self, child, api, at):
        """VmRSS with a matrix of LARGE_MB loaded, and after its unload."""
        import numpy as np
        import onnx
        n = int((LARGE_MB * 1e6 / 4) ** 0.5)
        weights = onnx.numpy_helper.from_array(np.random.default_rng(3).normal(size=(n, n)).astype(np.float32), "w")
        ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None, n]) for name in ("x", "y")]
        graph = onnx.helper.make_graph([onnx.helper.make_node("MatMul", ["x", "w"], ["y"])], "g", ends[:1], ends[1:], [weights])
        (at / "large" / "1").mkdir(parents=True)
        onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), at / "large" / "1" / "model.onnx")
        api.send("POST", "/v2/repository/models/large/load", {})
        served.until("the large model", lambda: api.send("GET", "/v2/models/large/ready", check=False).status == 200)
        grown = self.settled(child)
        api.send("POST", "/v2/repository/models/large/unload", {})
        return grown, self.settled(child)

    @staticmethod
    def settled(child):
        """When it hasn't changed for half a second; at most 10 s."""
        seen, since, deadline = processes.rss_mb(child.pid), time.monotonic(), time.monotonic() + 10
        while time.monotonic() < min(since + 0.5, deadline):
            time.sleep(0.05)
            now = processes.rss_mb(child.pid)
            if abs(now - seen) > 0.1:
                seen, since = now, time.monotonic()
        return seen

    def batch(self):
        """Both write Parquet from Parquet on core 0; MLflow's time is without its imports, ours is the whole command."""
        count = 200_000 if self.args.quick else 2_000_000
        theirs = max(count // 20, 20_000)
        with_peer = self.can_save_mlflow()
        code = ("import sys, numpy as np, pyarrow as pa, pyarrow.parquet as pq\n"
                "for name, n in (('big', int(sys.argv[1])), ('small', int(sys.argv[2]))):\n"
                "  x = np.random.default_rng(5).normal(size=(n, 20)).astype(np.float32)\n"
                "  pq.write_table(pa.table({f'Column_{i}': x[:, i] for i in range(20)}), name + '.parquet', row_group_size=200_000)")
        arrow = setup.place("wheel", "pyarrow", common.read_lock()["wheel"]["pyarrow"])
        common.run([common.venv_python(), "-c", code, count, theirs], quiet=True, show=False, cwd=self.folder, env={"PYTHONPATH": str(arrow)})
        ours, peer = [], []
        for number in range(self.args.pairs):
            for who in ("ours", "peer") if number % 2 == 0 else ("peer", "ours"):
                if who == "ours":
                    ours.append(count / self.score_ours())
                elif with_peer:
                    peer.append(self.score_theirs(arrow))
        out = {"rows": count, "peer_rows": theirs, "rows_per_s": spread(ours)}
        common.say(f"batch score: {shown(out['rows_per_s'])} rows/s on one core")
        if peer:
            out |= {"mlflow_rows_per_s": spread(peer), "ratio": spread([a / b for a, b in zip(ours, peer)])}
            common.say(f"             MLflow's pyfunc {shown(out['mlflow_rows_per_s'])}, ours {shown(out['ratio'], 1)} x")
        self.result["batch"] = out
        self.judge("batch score, rows/s a core", out["rows_per_s"]["median"], 1_000_000)
        self.judge("batch score, times MLflow's pyfunc", out["ratio"]["median"] if peer else None, 20, digits=1)

    def can_save_mlflow(self):
        try:
            self.save_mlflow()
            return True
        except common.Failed as error:
            self.left_out["mlflow pyfunc"] = str(error)
            common.say(f"LEFT OUT: mlflow pyfunc: {error}")
            return False

    def score_theirs(self, arrow):
        env = processes.env_of("pip_mlflow_server", "pip_trees")
        env["PYTHONPATH"] += os.pathsep + str(arrow)
        done = subprocess.run(["taskset", "-c", processes.SERVER_CORE, common.venv_python(), str(ROOT / "bench/serving/mlflow_jobs.py"), "score",
                               "mlflow-model", "small.parquet", "their.parquet"], cwd=self.folder, env={**os.environ, **env},
                              capture_output=True, text=True, check=False)
        if done.returncode:
            raise common.Failed(f"mlflow pyfunc: {done.stderr[-600:]}")
        got = json.loads(done.stdout.strip().splitlines()[-1])
        return got["rows"] / got["seconds"]

    def score_ours(self):
        shutil.rmtree(self.folder / "scores", ignore_errors=True)
        begun = time.monotonic()
        done = subprocess.run(["taskset", "-c", processes.SERVER_CORE, os.environ["SLIPWAY_BINARY"], "batch", "score", self.model,
                               "big.parquet", "scores"], cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise common.Failed(f"batch score: {done.stdout}{done.stderr}")
        return time.monotonic() - begun

    def trees(self):
        """As ./dev bench trees, in this run; its verdicts are its own."""
        from bench import trees  # Fetches its peers.
        program = self.args.trees_program or (common.BUILD / "bench" / "trees_bench")
        if not pathlib.Path(program).exists():
            common.say(f"LEFT OUT: trees: there is no {program} (./dev build bench trees_bench)")
            self.left_out["trees"] = "no program"
            return self.judge("trees: targets missed", None, 0, False)
        args = argparse.Namespace(rows=20_000 if self.args.quick else 50_000, rounds=self.args.pairs)
        out, missed = {}, []
        for shape in list(trees.SHAPES)[:1 if self.args.quick else None]:
            out[shape], late = trees.report(shape, trees.measure(shape, args, program))
            missed += late
        self.result["trees"] = out
        self.judge("trees: targets missed" + (f" ({', '.join(missed)})" if missed else ""), len(missed), 0, False)


def table(verdicts):
    common.say(f"\n{'figure':56} {'value':>14}   {'target':>14}")
    for v in verdicts:
        value = "not measured" if v["value"] is None else f"{v['value']:,.{v['digits']}f}"
        common.say(f"{v['figure'][:120]:56} {value:>14}   {'>=' if v['at_least'] else '<='} {v['target']:>11,}   {'met' if v['met'] else 'NOT MET'}")


def measure(bench, parts):
    bench.make_model()
    bench.start_ours()
    for side in bench.sides.values():
        bench.check(side)
    bench.peers, bench.left_out = {}, {}
    if "rates" in parts:
        bench.start_peers()
    for part in parts:
        begun = time.monotonic()
        common.say(f"-- {part}")
        if part in ("memory", "batch", "trees"):  # The servers have ended: these have the core for themselves.
            bench.stop_all()
        try:
            getattr(bench, part)()
        except common.Failed as error:  # The other parts are still worth their figures.
            common.say(f"FAILED: {part}: {error}")
            bench.judge(f"{part}: failed", None, 0, False)
        common.say(f"   {time.monotonic() - begun:.0f} s")


def main():
    parser = argparse.ArgumentParser(prog="./dev bench serving", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--pairs", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--skip", default="")
    parser.add_argument("--trees-program", help="trees_bench; otherwise that of the preset `bench`")
    args = parser.parse_args()
    args.pairs = args.pairs or (1 if args.quick else 5)
    args.seconds = args.seconds or (1 if args.quick else 3)
    named = [*args.only.split(","), *filter(None, args.skip.split(","))]
    if wrong := [p for p in named if p not in PARTS]:
        raise common.Failed(f"no part {', '.join(wrong)}; there are {', '.join(PARTS)}")
    parts = [p for p in PARTS if p in args.only.split(",") and p not in args.skip.split(",")]
    binary = os.environ.setdefault("SLIPWAY_BINARY", str(common.BUILD / "release" / "slipway"))
    if not pathlib.Path(binary).exists():
        raise common.Failed(f"there is no {binary}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: told to end"))  # And so ends what it started.
    common_bench.come_first()
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    bench = Bench(args, WORK)
    try:
        with contextlib.nullcontext() if args.quick else common.machine_lock():  # Nobody compiles meanwhile.
            measure(bench, parts)
    finally:
        bench.stop_all()
        shutil.rmtree(WORK, ignore_errors=True)
    result = {"bench": "serving", "machine": {"cpus": os.cpu_count(), "kernel": platform.release()}, "pairs": args.pairs,
              "seconds": args.seconds, "connections": CONNECTIONS, "grpc": [GRPC_CONNECTIONS, GRPC_STREAMS],
              "git": common.output(["git", "rev-parse", "--short", "HEAD"]).strip(), "left_out": bench.left_out, **bench.result,
              "targets": bench.verdicts}
    if not args.quick:
        out = ROOT / "bench" / "results" / "serving.json"
        out.write_text(json.dumps(result, indent=1) + "\n")
        common.say(f"kept: {out.relative_to(ROOT)}")
    table(bench.verdicts)
    return 0 if all(v["met"] for v in bench.verdicts) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except common.Failed as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(1)
