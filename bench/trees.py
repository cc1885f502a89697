"""./dev bench trees [--rounds N] [--rows N] [--program FILE]: ensembles of trees, one thread, against LightGBM, ONNX Runtime, lleaves, tl2cgen.

Two models of LightGBM on 20 features: 200 trees of 31 leaves and 100 of 255. Everybody gets the same float32 rows and
agrees with LightGBM within 1e-5 (ours within 1e-9). A round measures everybody, in alternating order; a ratio is taken
within a round, so what else the machine does falls on both. Printed: median and range (of n rounds the range covers the
true median with probability 1 - 2^(1-n)). Peers' single rows go through Python, and are told, not judged.
Kept in bench/results/trees.json.
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

sys.path[:0] = [str(ROOT / "bench" / "trees"), str(setup.packages("pip_trees_bench"))]
import numpy as np  # noqa: E402

import peer  # noqa: E402

SHAPES = {"200 x 31": (20, 200, 31), "100 x 255": (20, 100, 255)}
# How many times our time a peer takes at least, in blocks.
TARGETS = {"200 x 31": {"lightgbm": 30, "onnxruntime": 30, "lleaves": 5, "tl2cgen": 10},
           "100 x 255": {"lightgbm": 6, "lleaves": 1.5}}
ROWS_A_SECOND = {"avx512": 4e6, "avx2": 2.2e6}  # Of 200 x 31.
ONE_ROW_US = 1.0
ONE_BY_ONE = 2000


class Ours:
    """The program, asked line by line."""

    def __init__(self, program, folder):
        self.process = subprocess.Popen([program, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if not answer:
            raise common.Failed("trees_bench ended")
        return None if answer == ["absent"] else (float(answer[0]), answer[1])

    def ns(self, *words):
        answer = self.ask(*words)
        return answer[0] if answer else None


def peer_ns(predict, rows, one_by_one):
    begun = time.perf_counter_ns()
    if one_by_one:
        for r in range(len(rows)):
            predict(rows[r:r + 1])
    else:
        predict(rows)
    return (time.perf_counter_ns() - begun) / len(rows)


def check(ours, peers, rows, folder):
    want = peers["lightgbm"](rows)
    for kernel in ("scalar", "walk", "avx2", "avx512", "auto"):
        for kind in ("float", "double"):
            if ours.ask(kernel, kind, "write", len(rows)):
                got = np.fromfile(folder / "ours.f64")[:len(rows)]
                if np.abs(got - want).max() > 1e-9:
                    raise common.Failed(f"{kernel} {kind}: {np.abs(got - want).max()} from LightGBM")
    for name, predict in peers.items():
        if np.abs(np.asarray(predict(rows)) - want).max() > 1e-5:
            raise common.Failed(f"{name}: {np.abs(np.asarray(predict(rows)) - want).max()} from LightGBM")


def measure(shape, args, program):
    folder = common.BUILD / "bench-trees"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    booster, rows = peer.train(*SHAPES[shape], args.rows)
    booster.save_model(folder / "model.txt")
    rows.tofile(folder / "rows.f32")
    rows.astype(float).tofile(folder / "rows.f64")
    peers = peer.make(booster, folder)
    check(Ours(program, folder), peers, rows[:5000], folder)
    # Doubles that no float holds.
    (rows + np.random.default_rng(8).random(rows.shape) * 1e-9).tofile(folder / "rows.f64")
    ours = Ours(program, folder)
    jobs = {f"ours {kernel} {kind} {mode}": (lambda k=kernel, t=kind, m=mode: ours.ns(k, t, m, args.rows if m == "batch" else ONE_BY_ONE))
            for kernel in ("auto", "avx512", "avx2", "walk") for kind in ("float", "double") for mode in ("batch", "row")}
    for name, predict in peers.items():
        slow = rows[:max(len(rows) // 10, 1000)]  # A tenth is long enough for these.
        jobs[f"{name} float batch"] = lambda p=predict: peer_ns(p, slow, False)
        jobs[f"{name} float row"] = lambda p=predict: peer_ns(p, rows[:200], True)
    rounds = []
    for number in range(args.rounds + 1):
        names = list(jobs)[::-1 if number % 2 else 1]
        took = {name: jobs[name]() for name in names}
        rounds += [took] if number else []  # The first one warms up.
    shutil.rmtree(folder)
    return rounds


def spread(values):
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def report(shape, rounds):
    figures, missed = {}, []
    for name in rounds[0]:
        if any(r[name] is None for r in rounds):
            continue
        figures[name] = {"ns": spread([r[name] for r in rounds])}
        f, ns = figures[name], figures[name]["ns"]
        line = f"{shape:9} {name:26} {ns['median']:9.1f} ns a row [{ns['low']:.1f}, {ns['high']:.1f}]  {1e3 / ns['median']:7.3f} M/s"
        if not name.startswith("ours"):
            kind, mode = name.split()[1:]
            f["ratio"] = spread([r[name] / r[f"ours auto {kind} {mode}"] for r in rounds])
            want = TARGETS[shape].get(name.split()[0]) if mode == "batch" else None
            line += f"   {f['ratio']['median']:7.2f} x ours [{f['ratio']['low']:.2f}, {f['ratio']['high']:.2f}]"
            line += " through Python" if mode == "row" else ""
            if want:
                line += f" target {want:g}: {'met' if f['ratio']['median'] >= want else 'MISSED'}"
                missed += [] if f["ratio"]["median"] >= want else [f"{shape} {name}"]
        print(line, flush=True)
    if shape == "200 x 31":
        for kernel, least in ROWS_A_SECOND.items():
            f = figures.get(f"ours {kernel} float batch")
            missed += [f"{kernel} {least / 1e6:g} M rows/s"] if f and 1e9 / f["ns"]["median"] < least else []
        if figures["ours auto float row"]["ns"]["median"] > ONE_ROW_US * 1e3:
            missed.append("one row in 1 us")
    return figures, missed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--only", choices=sorted(SHAPES))
    parser.add_argument("--program", help="trees_bench, instead of building it")
    args = parser.parse_args()
    program = args.program or build.build("bench", ["trees_bench"]) / "trees_bench"
    result, missed = {"cores": os.cpu_count(), "rounds": args.rounds, "rows": args.rows}, []
    with common.machine_lock():  # Nobody compiles meanwhile.
        for shape in [args.only] if args.only else SHAPES:
            result["load"] = os.getloadavg()[0]
            result[shape], late = report(shape, measure(shape, args, program))
            missed += late
    (ROOT / "bench" / "results" / "trees.json").write_text(json.dumps(result, indent=1) + "\n")
    print(f"load {result['load']:.1f}; targets: " + ("MISSED " + ", ".join(missed) if missed else "met"))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
