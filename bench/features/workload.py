"""What `./dev bench features` joins: entity rows in any order, a source in order of event time, and the answer.

Made from a seed. The answer is the sorted reference: the source sorted by (key, time), a binary search for each entity
row, and the ttl, both ends of which belong. No two source rows of a key have the same time, so that every engine has
one right answer.
"""
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DAY_US = 86_400_000_000
START_US = 1_700_000_000_000_000
SPAN_US = 365 * DAY_US
TTL_DAYS = 30
FEATURES = [f"f{i}" for i in range(10)]
GROUP_ROWS = 131_072

WORKLOADS = {  # entity rows, source rows, keys
    "normal": (100_000, 1_000_000, 10_000),
    "hot": (20_000, 1_000_000, 200),
    "small": (10_000, 100_000, 1_000),
}


def times(random, n):
    return START_US + random.integers(0, SPAN_US, n)


def reference(entities, source):
    """The source's row for each entity row; -1: none."""
    place = source["id"].astype(np.int64) * (4 * SPAN_US) + (source["t"] - START_US)
    order = np.argsort(place, kind="stable")
    if np.any(np.diff(place[order]) == 0):
        raise SystemExit("two source rows of a key have the same time; take another seed")
    wanted = entities["id"].astype(np.int64) * (4 * SPAN_US) + (entities["t"] - START_US)
    at = np.searchsorted(place[order], wanted, side="right") - 1
    row = np.where(at >= 0, order[np.maximum(at, 0)], -1)
    good = (row >= 0) & (source["id"][row] == entities["id"]) & (source["t"][row] >= entities["t"] - TTL_DAYS * DAY_US)
    return np.where(good, row, -1)


def make(folder, name, seed=5):
    folder = pathlib.Path(folder)
    random = np.random.default_rng(seed)
    entity_rows, source_rows, keys = WORKLOADS[name]
    entities = {"id": random.integers(0, keys, entity_rows), "t": times(random, entity_rows)}
    source = {"id": random.integers(0, keys, source_rows), "t": np.sort(times(random, source_rows))}
    features = {f: random.standard_normal(source_rows) for f in FEATURES}
    stamp = pa.timestamp("us", tz="UTC")
    pq.write_table(pa.table({"id": entities["id"], "event_timestamp": pa.array(entities["t"], stamp),
                             "row": np.arange(entity_rows)}), folder / "entities.parquet")
    pq.write_table(pa.table({"id": source["id"], "event_timestamp": pa.array(source["t"], stamp), **features}),
                   folder / "source.parquet", row_group_size=GROUP_ROWS)
    row = reference(entities, source)
    answer = {f: pa.array(np.where(row >= 0, features[f][row], 0.0), mask=row < 0) for f in FEATURES}
    pq.write_table(pa.table({"row": np.arange(entity_rows), **answer}), folder / "answer.parquet")


def differences(folder, table):
    """Rows of the answer that `table` lacks or has otherwise; its rows may come in any order."""
    answer = pq.read_table(pathlib.Path(folder) / "answer.parquet")
    got = table.select(["row", *FEATURES]).sort_by("row").combine_chunks()
    rows = got["row"].to_numpy()
    lost = answer.num_rows - len(np.unique(rows))
    if lost or got.num_rows != answer.num_rows:
        answer = answer.take(pa.array(rows))
    wrong = np.zeros(len(rows), bool)
    for f in FEATURES:
        a, b = (np.nan_to_num(t[f].to_numpy(zero_copy_only=False), nan=1e300) for t in (answer, got))
        wrong |= a != b
    return {"lost": int(lost), "wrong": int(wrong.sum())}
