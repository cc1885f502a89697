"""./dev bench contract: a contract's check of fixed-width columns in memory, and pandera's on the same rows where it is installed.

GB/s of one core (target: >= 1), with a unique key besides, and ns of one record of 50 columns (target: <= 2,000).
PANDERA_SITE may name a folder that pandera was installed to. Kept in bench/results/contract.json.
"""
import json
import os
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
if os.environ.get("PANDERA_SITE"):
    sys.path.insert(0, os.environ["PANDERA_SITE"])
from dev import build, common  # noqa: E402

try:
    import numpy as np
    import pandas as pd
    import pandera
    import pandera.pandas as pa
except ImportError:  # Ours alone, then.
    pandera = None

ROWS, GB_PER_S, RECORD_NS = 1 << 20, 1.0, 2000


def frame():
    rows, columns = np.arange(ROWS, dtype=np.int64), {}
    for c in range(8):
        mixed, null = rows * 7919 + c * 31, (rows % 97 == 0) & (c % 2 == 1)
        ints = pd.array(mixed % 1000, dtype="Int64")
        ints[null] = pd.NA
        columns[f"i{c}"] = ints if c % 2 else mixed % 1000
        columns[f"d{c}"] = np.where(null, np.nan, (mixed % 1009) / 1009)
    return pd.DataFrame(columns)


def peer():
    columns = {}
    for c in range(8):
        columns[f"i{c}"] = pa.Column("Int64" if c % 2 else "int64", pa.Check.in_range(0, 999), nullable=bool(c % 2))
        columns[f"d{c}"] = pa.Column("float64", pa.Check.in_range(0, 1.5, include_max=False), nullable=bool(c % 2))
    schema, data, best = pa.DataFrameSchema(columns), frame(), float("inf")
    for _ in range(3):
        since = time.perf_counter()
        schema.validate(data, lazy=True)
        best = min(best, time.perf_counter() - since)
    return ROWS * 16 * 8 / best


def main():
    program = build.build("bench", ["contract_bench"]) / "contract_bench"
    with common.machine_lock():  # Nobody compiles meanwhile.
        text = common.output([program, "--benchmark_format=json"])
        theirs = peer() if pandera else None
    runs = {r["name"]: r for r in json.loads(text[text.index("{"):])["benchmarks"]}
    speeds = {name: runs[name]["bytes_per_second"] for name in ("fixed_width", "with_unique_key")}
    record_ns = runs["record_of_50"]["cpu_time"]
    (ROOT / "bench" / "results" / "contract.json").write_text(json.dumps({
        "cores": os.cpu_count(), "rows": ROWS, "bytes_per_s": speeds, "record_of_50_ns": record_ns,
        "pandera": pandera and {"version": pandera.__version__, "bytes_per_s": theirs}}, indent=1) + "\n")
    for name, speed in speeds.items():
        print(f"{name:16} {speed / 1e9:6.2f} GB/s" + (f"   {speed / theirs:6.1f} x pandera" if theirs else ""))
    if theirs:
        print(f"{'pandera':16} {theirs / 1e9:6.2f} GB/s")
    print(f"record of 50     {record_ns:6.0f} ns")
    fast, prompt = speeds["fixed_width"] / 1e9 >= GB_PER_S, record_ns <= RECORD_NS
    print(f"target >= {GB_PER_S} GB/s: {'met' if fast else 'MISSED'}; <= {RECORD_NS} ns a record: {'met' if prompt else 'MISSED'}")
    return 0 if fast and prompt else 1


if __name__ == "__main__":
    sys.exit(main())
