"""peer.py ENGINE CASE FOLDER THREADS: one measurement in a process of its own, as JSON on stdout.

ENGINE duckdb, polars, feast-duckdb, feast-dask; CASE memory (tables are in the engine's memory, the result in Arrow's)
or files (two Parquet files into a third). Imports, loading for `memory`, Feast's definitions and the comparison with
the answer are not timed; peak_bytes is the process's before the comparison, base_bytes what it was after the imports.
"""
import json
import os
import pathlib
import resource
import statistics
import sys
import time

ENGINE, CASE, FOLDER, THREADS = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), int(sys.argv[4])
os.environ["POLARS_MAX_THREADS"] = str(THREADS)
os.environ |= {name: str(THREADS) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ARROW_NUM_THREADS")}
os.environ |= {"FEAST_USAGE": "False", "FEAST_TELEMETRY": "False", "DO_NOT_TRACK": "true"}
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
import workload  # noqa: E402

pa.set_cpu_count(THREADS)
OUT = FOLDER / f"{ENGINE}.parquet"
REPEATS = 5


def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def duckdb_work():
    import duckdb
    db = duckdb.connect()
    db.execute(f"SET threads={THREADS}")
    fresh = f"s.event_timestamp >= e.event_timestamp - INTERVAL {workload.TTL_DAYS} DAY"
    features = ", ".join(f"CASE WHEN {fresh} THEN s.{f} END AS {f}" for f in workload.FEATURES)

    def query(e, s):
        return (f"SELECT e.*, {features} FROM {e} e ASOF LEFT JOIN {s} s "
                "ON e.id = s.id AND e.event_timestamp >= s.event_timestamp")
    files = [f"read_parquet('{FOLDER / name}.parquet')" for name in ("entities", "source")]
    if CASE == "files":
        return lambda: db.execute(f"COPY ({query(*files)}) TO '{OUT}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)")
    for name, file in zip(("entities", "source"), files):
        db.execute(f"CREATE TABLE {name} AS SELECT * FROM {file}")
    return lambda: db.sql(query("entities", "source")).to_arrow_table()


def polars_work():
    import polars as pl

    def join(e, s):  # The source is in order of time, and says so: it is not sorted again.
        return e.sort("event_timestamp").join_asof(s, on="event_timestamp", by="id", strategy="backward",
                                                   tolerance=f"{workload.TTL_DAYS}d", check_sortedness=False)
    if CASE == "files":
        def work():
            e, s = (pl.scan_parquet(FOLDER / f"{name}.parquet") for name in ("entities", "source"))
            join(e, s.set_sorted("event_timestamp")).collect().write_parquet(OUT, compression="zstd", compression_level=1)
        return work
    e, s = (pl.read_parquet(FOLDER / f"{name}.parquet") for name in ("entities", "source"))
    s = s.set_sorted("event_timestamp")
    return lambda: join(e, s).to_arrow()


def feast_work(kind):
    import datetime
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
    from feast.types import Float64
    import pandas as pd
    store = FeatureStore(config=RepoConfig(
        project="bench", provider="local", registry=str(FOLDER / f"{ENGINE}.db"), entity_key_serialization_version=3,
        offline_store={"type": kind}, online_store=None))
    entity = Entity(name="id", join_keys=["id"], value_type=ValueType.INT64)
    view = FeatureView(name="v", entities=[entity], ttl=datetime.timedelta(days=workload.TTL_DAYS),
                       schema=[Field(name=f, dtype=Float64) for f in workload.FEATURES], online=False,
                       source=FileSource(path=str(FOLDER / "source.parquet"), timestamp_field="event_timestamp"))
    store.apply([entity, view])

    def work():
        entities = pd.read_parquet(FOLDER / "entities.parquet")
        job = store.get_historical_features(entity_df=entities, features=[f"v:{f}" for f in workload.FEATURES])
        pq.write_table(job.to_arrow(), OUT, compression="zstd")
    return work


def main():
    work = {"duckdb": duckdb_work, "polars": polars_work, "feast-duckdb": lambda: feast_work("duckdb"),
            "feast-dask": lambda: feast_work("dask")}[ENGINE]()
    base, took, out = peak_bytes(), [], None
    for _ in range(REPEATS if CASE == "memory" else 1):
        out = None
        before = time.perf_counter_ns()
        out = work()
        took.append((time.perf_counter_ns() - before) / 1e6)
    peak = peak_bytes()
    table = out if CASE == "memory" else pq.read_table(OUT)
    print(json.dumps({"ms": statistics.median(took), "peak_bytes": peak, "base_bytes": base,
                      **workload.differences(FOLDER, table)}))


if __name__ == "__main__":
    main()
