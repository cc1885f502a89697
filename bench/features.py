"""./dev bench features [--rounds N] [--threads N] [--only WORKLOAD] [--feast N] [--ours]: the point-in-time join.

The same data (bench/features/workload.py), the same number of threads and answers equal to one sorted reference, in one
run. `memory`: bench program on engine/pit, DuckDB's ASOF join and Polars' join_asof, each with its tables in its own
memory and the joined columns as the result. `files`: two Parquet files into a third, ours by `slipway feature join`,
process start and fsync included; the peers' times begin after their imports, and their rows may come in any order.
Feast (dask and duckdb offline stores) joins the files of `normal`, and gets fewer rounds. A round measures everybody, in
alternating order; a ratio is taken within a round. Printed: median and range (of n rounds the range covers the true
median with probability 1 - 2^(1-n)) and the process's peak memory. Kept in bench/results/features.json.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from dev import build, common, setup  # noqa: E402

HERE = ROOT / "bench" / "features"
WORK = common.BUILD / "bench-features"
# workload, case: peer -> at least that many times our time.
TARGETS = {
    ("normal", "memory"): {"duckdb": 4, "polars": 1.5},
    ("normal", "files"): {"duckdb": 2, "polars": 1.5, "feast-duckdb": 20, "feast-dask": 100},
    ("hot", "memory"): {"duckdb": 6, "polars": 1.3},
    ("hot", "files"): {"duckdb": 2, "polars": 1.5},
}
MEMORY_TARGET = 4  # Polars' peak over ours, files.


def python(env_site, *args):
    done = subprocess.run([common.venv_python(), "-P", "-W", "ignore", *map(str, args)], stdout=subprocess.PIPE, text=True,
                          env={**os.environ, "PYTHONPATH": str(env_site)})
    if done.returncode:
        raise common.Failed(f"{' '.join(map(str, args))} failed")
    return done.stdout


class Runner:
    def __init__(self, args):
        self.args, self.site = args, setup.packages("pip_features")
        self.program = build.build("bench", ["pit_bench"]) / "pit_bench"
        self.slipway = os.environ["SLIPWAY_BINARY"]

    def make(self, name):
        folder = WORK / name
        folder.mkdir(parents=True, exist_ok=True)
        python(self.site, "-c", f"import sys; sys.path.insert(0, {str(HERE)!r}); import workload; "
                                f"workload.make({str(folder)!r}, {name!r})")
        return folder

    def compare(self, folder, out):
        return json.loads(python(self.site, "-c", f"import sys, json; sys.path.insert(0, {str(HERE)!r}); import workload, "
                                 f"pyarrow.parquet as pq; print(json.dumps(workload.differences({str(folder)!r}, "
                                 f"pq.read_table({str(out)!r}))))"))

    def ours(self, case, folder):
        if case == "memory":
            common.run([self.program, folder, str(self.args.threads)], show=False)
            return json.loads((folder / "ours.json").read_text()) | self.compare(folder, folder / "ours.parquet")
        out = folder / "ours-files.parquet"
        command = [self.slipway, "feature", "join", "--entities", folder / "entities.parquet", "--source",
                   folder / "source.parquet", "--key", "id", "--ttl", "30d", "--features",
                   ",".join(f"f{i}" for i in range(10)), "--threads", str(self.args.threads), "--out", out]
        before = time.perf_counter_ns()
        process = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        took = (time.perf_counter_ns() - before) / 1e6
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise common.Failed("slipway feature join failed")
        return {"ms": took, "peak_bytes": used.ru_maxrss * 1024} | self.compare(folder, out)

    def measure(self, engine, case, folder):
        if engine == "ours":
            return self.ours(case, folder)
        return json.loads(python(self.site, HERE / "peer.py", engine, case, folder, self.args.threads).splitlines()[-1])


def spread(values):
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def summary(rounds, engine):
    mine = [r for r in rounds if engine in r]
    out = {key: spread([r[engine][key] for r in mine]) for key in ("ms", "peak_bytes")}
    out |= {key: max(r[engine][key] for r in mine) for key in ("lost", "wrong")}
    if engine != "ours":
        out["ratio"] = spread([r[engine]["ms"] / r["ours"]["ms"] for r in mine])
        out["memory_ratio"] = spread([r[engine]["peak_bytes"] / r["ours"]["peak_bytes"] for r in mine])
    return out


def report(name, case, figures):
    missed = []
    for engine, f in figures.items():
        line = f"{name:6} {case:6} {engine:12} {f['ms']['median']:9.1f} ms [{f['ms']['low']:.1f}, {f['ms']['high']:.1f}]" \
               f"  peak {f['peak_bytes']['median'] / 2**20:6.0f} MiB"
        if f["lost"] or f["wrong"]:
            line += f"  LOST {f['lost']} rows, {f['wrong']} WRONG"
        if engine != "ours":
            want = TARGETS.get((name, case), {}).get(engine)
            line += f"  {f['ratio']['median']:6.2f} x [{f['ratio']['low']:.2f}, {f['ratio']['high']:.2f}]"
            if want:
                line += f" target {want:g}: {'met' if f['ratio']['median'] >= want else 'MISSED'}"
                missed += [] if f["ratio"]["median"] >= want else [f"{name} {case} {engine}"]
            line += f"  memory {f['memory_ratio']['median']:.1f} x"
            if engine == "polars" and case == "files" and f["memory_ratio"]["median"] < MEMORY_TARGET:
                missed.append(f"{name} {case} memory")
                line += f" target {MEMORY_TARGET:g}: MISSED"
        print(line, flush=True)
    if figures["ours"]["lost"] or figures["ours"]["wrong"]:
        missed.append(f"{name} {case} answer")
    return missed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--feast", type=int, default=1, help="rounds that Feast takes part in")
    parser.add_argument("--ours", action="store_true")
    args = parser.parse_args()
    runner = Runner(args)
    shutil.rmtree(WORK, ignore_errors=True)
    results, missed = [], []
    with common.machine_lock():  # Nobody compiles meanwhile.
        for (name, case), targets in TARGETS.items():
            if args.only and args.only not in (name, case, f"{name}-{case}"):
                continue
            folder = WORK / name
            if not (folder / "answer.parquet").exists():
                runner.make(name)
            rounds = []
            for i in range(args.rounds):
                engines = ["ours"] + ([] if args.ours else [p for p in targets if not p.startswith("feast") or i < args.feast])
                rounds.append({e: runner.measure(e, case, folder) for e in (engines if i % 2 else engines[::-1])})
            figures = {e: summary(rounds, e) for e in rounds[0]}
            figures = {"ours": figures.pop("ours"), **figures}
            missed += report(name, case, figures)
            results.append({"workload": name, "case": case, "rounds": len(rounds), "engines": figures})
    shutil.rmtree(WORK)
    if not args.ours and not args.only:
        out = ROOT / "bench" / "results" / f"features-{args.threads}.json"
        out.write_text(json.dumps({"cores": os.cpu_count(), "threads": args.threads, "results": results}, indent=1) + "\n")
    print("all targets met" if not missed else "MISSED: " + ", ".join(missed))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
