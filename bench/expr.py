"""./dev bench expr: expressions of one row, and of blocks of 1,024 rows, against pyarrow.compute on the same rows where it is installed.

ns of one row (target: <= 500 for each), and simple operations a second in blocks (target: >= 500 million for arithmetic).
pyarrow evaluates the same operations kernel by kernel on arrays of the same size. Kept in bench/results/expr.json.
"""
import json
import os
import pathlib
import shutil
import sys
import time

try:
    import pyarrow as pa
    import pyarrow.compute as pc
except ImportError:  # Ours alone, then.
    pa = pc = None

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from dev import build, common  # noqa: E402

ONE_ROW_NS, OPERATIONS_PER_S = 500, 500e6


def arithmetic(x, y):
    left = pc.multiply(pc.add(x, y), pc.subtract(x, y))
    return pc.subtract(pc.add(left, pc.multiply(x, 0.5)), pc.multiply(y, 0.25))


PEER = {
    "ratio": lambda c: pc.coalesce(pc.divide(c["x"], pc.if_else(pc.equal(c["y"], 0.0), pa.scalar(None, pa.float64()), c["y"])), 0.0),
    "arithmetic": lambda c: arithmetic(c["x"], c["y"]),
    "nulls": lambda c: arithmetic(c["nx"], c["y"]),
    "integers": lambda c: pc.add_checked(pc.subtract_checked(pc.multiply_checked(pc.add_checked(c["i"], c["j"]), 3), c["i"]),
                                         pc.multiply_checked(c["j"], 2)),
    "compare": lambda c: pc.or_kleene(pc.and_kleene(pc.greater(c["x"], 0.25), pc.less(c["y"], 0.75)), pc.greater_equal(c["i"], 100)),
    "night": lambda c: pc.less(pc.hour(c["ts"]), 6),
    "text": lambda c: pc.match_like(pc.utf8_lower(c["t"]), "%card%"),
}


def columns(rows):
    return {
        "x": pa.array([r * 7919 % 1009 / 1009 for r in range(rows)]),
        "y": pa.array([r * 104729 % 1013 / 1013 for r in range(rows)]),
        "nx": pa.array([float(r % 97) if r % 10 else None for r in range(rows)], pa.float64()),
        "i": pa.array([r * 31 % 1000 for r in range(rows)]),
        "j": pa.array([r * 17 % 1000 for r in range(rows)]),
        "t": pa.array(["Paid by Card" if r % 3 else "Cash" for r in range(rows)]),
        "ts": pa.array([1700000000000000 + r * 977000000 for r in range(rows)], pa.timestamp("us")),
    }


def peer_ns(name, rows):
    table, calls, best = columns(rows), 2000, float("inf")
    for _ in range(8):
        before = time.perf_counter_ns()
        for _ in range(calls):
            PEER[name](table)
        best = min(best, (time.perf_counter_ns() - before) / calls / rows)
    return best


def main():
    program = build.build("bench", ["expr_bench"]) / "expr_bench"
    folder = common.BUILD / "bench-expr"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with common.machine_lock():  # Nobody compiles meanwhile.
        common.run([program, folder])
        figures = json.loads((folder / "result.json").read_text())
        for name in PEER if pa else ():
            figures[name] |= {"peer_one_row_ns": peer_ns(name, 1), "peer_block_row_ns": peer_ns(name, 1024)}
    shutil.rmtree(folder)
    (ROOT / "bench" / "results" / "expr.json").write_text(
        json.dumps({"cores": os.cpu_count(), "pyarrow": pa and pa.__version__, "rows": figures}, indent=1) + "\n")
    for name, f in figures.items():
        line = f"{name:11} one row {f['one_row_ns']:6.0f} ns   block {f['operations_per_s'] / 1e6:7.0f} M operations/s"
        if "peer_one_row_ns" in f:
            line += (f"   pyarrow {f['peer_one_row_ns'] / f['one_row_ns']:6.1f} x and "
                     f"{f['peer_block_row_ns'] / f['block_row_ns']:5.2f} x our time")
        print(line)
    slow = [n for n, f in figures.items() if f["one_row_ns"] > ONE_ROW_NS]
    weak = [n for n in ("arithmetic", "integers", "compare") if figures[n]["operations_per_s"] < OPERATIONS_PER_S]
    print(f"target <= {ONE_ROW_NS} ns a row: {'MISSED by ' + ', '.join(slow) if slow else 'met'}; "
          f">= {OPERATIONS_PER_S / 1e6:.0f} M simple operations/s: {'MISSED by ' + ', '.join(weak) if weak else 'met'}")
    return 1 if slow or weak else 0


if __name__ == "__main__":
    sys.exit(main())
