"""10 million entity rows against 200 million feature rows, file to file: python3 bench/pit_large.py BINARY FOLDER [--scale S]

Writes the files (1 million keys, 90 days, about 5.6 GB), joins them with a ttl of 30 days by `slipway feature join`, prints its time
and peak memory, and compares the rows of 2,000 keys with Polars' join_asof. Wants pyarrow and polars; not part of `./dev bench`.
"""
import argparse
import os
import pathlib
import resource
import subprocess
import time
from datetime import timedelta

import numpy as np
import polars
import pyarrow
import pyarrow.parquet

KEYS, START, SPAN = 1_000_000, 1_700_000_000_000_000, 90 * 86400 * 1_000_000
CHECKED = 2000


def write(path, rows, piece, features, dice):
    writer, span = None, SPAN * piece // rows if rows > piece else SPAN
    for first in range(0, rows, piece):
        n = min(piece, rows - first)
        times = START + np.sort(dice.integers(0, span, n)) + first // piece * span
        columns = {"user_id": dice.integers(0, KEYS, n), "event_timestamp": pyarrow.array(times, pyarrow.timestamp("us", tz="UTC"))}
        columns.update({f: dice.random(n) for f in features})
        table = pyarrow.table(columns)
        writer = writer or pyarrow.parquet.ParquetWriter(path, table.schema, compression="snappy")
        writer.write_table(table, row_group_size=1_000_000)
    writer.close()


def some(path):
    return polars.scan_parquet(path).filter(polars.col("user_id") < CHECKED).with_row_index("row").collect(engine="streaming")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--scale", type=float, default=1.0)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    dice, (source, entities, out) = np.random.default_rng(1), (args.folder / f"{n}.parquet" for n in ("source", "entities", "out"))
    write(source, int(200_000_000 * args.scale), 4_000_000, ["f1", "f2"], dice)
    write(entities, int(10_000_000 * args.scale), 2_000_000, [], dice)
    print(f"{source.stat().st_size / 1e9:.2f} GB of source, {entities.stat().st_size / 1e9:.2f} GB of entities", flush=True)
    begun = time.monotonic()
    subprocess.run([args.binary, "feature", "join", "--entities", entities, "--source", source, "--key", "user_id", "--event-time",
                    "event_timestamp", "--ttl", "30d", "--features", "f1,f2", "--out", out], check=True, env=os.environ)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"joined in {time.monotonic() - begun:.1f} s, peak {peak:.0f} MiB", flush=True)
    history = some(source).sort("event_timestamp", "row").drop("row")
    want = some(entities).sort("event_timestamp").join_asof(
        history, on="event_timestamp", by="user_id", strategy="backward", tolerance=timedelta(days=30)).sort("row")
    got = some(out)
    same = all((want[f].fill_null(-1) == got[f].fill_null(-1)).all() for f in ("f1", "f2"))
    print(f"{len(got)} rows of {CHECKED} keys, {got['f1'].null_count()} without features: {'as Polars has them' if same else 'OTHERS than Polars has'}")
    return 0 if same and len(got) == len(want) else 1


if __name__ == "__main__":
    raise SystemExit(main())
