"""./dev bench db [--pairs N] [--seconds S]: single-row commits with fsync, 64 clients, real files under build/.

Groups (many requests share one fsync) against one fsync each, same program, same clients, alternating pairs. The
bound: no group can do better than its mean size times the rate of single fsyncs. Kept in bench/results/db.json.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from dev import build, common  # noqa: E402

TARGET = 8.0


def spread(values):
    """Median and the range; of n pairs the range covers the true median with probability 1 - 2^(1-n)."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.5)
    args = parser.parse_args()
    program = build.build("bench", ["db_bench"]) / "db_bench"
    folder = common.BUILD / "bench-db"
    shutil.rmtree(folder, ignore_errors=True)
    with common.machine_lock():  # Nobody compiles meanwhile.
        common.run([program, folder, str(args.pairs), str(args.seconds)])
    pairs = json.loads((folder / "result.json").read_text())
    figures = {
        "clients": 64,
        "pairs": pairs,
        "grouped_commits_s": spread([p["grouped"]["commits_s"] for p in pairs]),
        "single_commits_s": spread([p["single"]["commits_s"] for p in pairs]),
        "ratio": spread([p["grouped"]["commits_s"] / p["single"]["commits_s"] for p in pairs]),
        "mean_group": spread([p["grouped"]["mean_group"] for p in pairs]),
        "bound_commits_s": spread([p["grouped"]["mean_group"] * p["single"]["commits_s"] for p in pairs]),
        "grouped_p99_us": spread([p["grouped"]["p99_us"] for p in pairs]),
        "target_ratio": TARGET,
        "cores": os.cpu_count(),
    }
    results = ROOT / "bench" / "results"
    results.mkdir(exist_ok=True)
    (results / "db.json").write_text(json.dumps(figures, indent=1) + "\n")
    for name, unit in (("grouped_commits_s", "commits/s"), ("single_commits_s", "commits/s"), ("ratio", "x"),
                       ("mean_group", "bodies a commit"), ("bound_commits_s", "commits/s"), ("grouped_p99_us", "us")):
        f = figures[name]
        digits = 1 if f["median"] < 1000 else 0
        print(f"{name:18} {f['median']:10.{digits}f}  [{f['low']:.{digits}f}, {f['high']:.{digits}f}] {unit}")
    met = figures["ratio"]["median"] >= TARGET
    print(f"target ratio >= {TARGET:g}: {'met' if met else 'MISSED'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
