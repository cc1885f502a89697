"""Files as strangers write them, for `slipway feature join`: every type of column, empty files, what is refused and how it is said."""
import datetime
import decimal
import subprocess
import uuid

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

UTC = datetime.timezone.utc


def at(day, hour=0, micro=0):
    return datetime.datetime(2026, 1, day, hour, microsecond=micro)


def every_type(n):
    """Columns of n values, some null, of all types that Parquet carries."""
    def some(make):
        return [None if i % 4 == 3 else make(i) for i in range(n)]
    nested = pa.struct([("a", pa.int32()), ("b", pa.list_(pa.string()))])
    return {
        "bool": pa.array(some(lambda i: i % 2 == 0)),
        "int8": pa.array(some(lambda i: i - 9), pa.int8()),
        "uint64": pa.array(some(lambda i: 2**64 - 1 - i), pa.uint64()),
        "half": pa.array(some(lambda i: np.float16(i / 2)), pa.float16()),
        "float": pa.array(some(lambda i: float("nan") if i == 1 else i / 3), pa.float32()),
        "double": pa.array(some(lambda i: [float("inf"), -0.0, 5e-324][i % 3]), pa.float64()),
        "decimal": pa.array(some(lambda i: decimal.Decimal(i) / 8), pa.decimal128(20, 3)),
        "wide decimal": pa.array(some(lambda i: decimal.Decimal(10**50 + i)), pa.decimal256(60, 0)),
        "text": pa.array(some(lambda i: "\u00fc" * i)),
        "large": pa.array(some(str), pa.large_string()),
        "view": pa.array(some(lambda i: "v" * 20 * i), pa.string_view()),
        "bytes": pa.array(some(lambda i: b"\x00\xff" * i), pa.binary()),
        "bytes view": pa.array(some(lambda i: b"\x00\xff" * i), pa.binary_view()),
        "fixed": pa.array(some(lambda i: bytes([i]) * 5), pa.binary(5)),
        "uuid": pa.array(some(lambda i: uuid.UUID(int=i).bytes), pa.uuid()),
        "dictionary": pa.array(some(lambda i: f"w{i % 3}")).dictionary_encode(),
        "date": pa.array(some(lambda i: datetime.date(1, 1, 1) + datetime.timedelta(i)), pa.date32()),
        "time": pa.array(some(lambda i: i * 7), pa.time64("us")),
        "seconds": pa.array(some(lambda i: i), pa.timestamp("s")),
        "zoned": pa.array(some(lambda i: -i), pa.timestamp("ns", "Asia/Tokyo")),
        "duration": pa.array(some(lambda i: i), pa.duration("ms")),
        "list": pa.array(some(lambda i: [None, i]), pa.list_(pa.int64())),
        "large list": pa.array(some(lambda i: ["x"] * (i % 3)), pa.large_list(pa.string())),
        "list of views": pa.array(some(lambda i: ["x"] * (i % 3)), pa.list_(pa.string_view())),
        "fixed list": pa.array(some(lambda i: [i, i + 1]), pa.list_(pa.float32(), 2)),
        "struct": pa.array(some(lambda i: {"a": i, "b": [str(i), None]}), nested),
        "map": pa.array(some(lambda i: [("k", i)]), pa.map_(pa.string(), pa.int64())),
        "nothing": pa.nulls(n),
        "a.b": pa.array(some(lambda i: i), pa.int64()),
        "a": pa.array(some(lambda i: {"b": -i}), pa.struct([("b", pa.int64())])),
    }


def types_are_kept(joiner, root, equal):
    """Extra columns of the entities and features of every type come through, whoever wins them."""
    n = 40
    columns = every_type(n)
    times = pa.array([at(1 + i % 20) for i in range(n)], pa.timestamp("us"))
    keys = pa.array([i % 5 for i in range(n)], pa.int64())
    source = pa.table({"k": keys, "t": times, **columns})
    winner = [max((j for j in range(n) if j % 5 == i % 5 and j % 20 <= i % 20), key=lambda j: (j % 20, j), default=None)
              for i in range(n)]
    for group in (None, 7):
        pq.write_table(source, root / "s.parquet", row_group_size=group)
        extra = {f"own {name}": column for name, column in columns.items()}
        pq.write_table(pa.table({"k": keys, "t": times, **extra}), root / "e.parquet", row_group_size=group)
        for threads in (1, 2):
            got = joiner(root, "k", "t", list(columns), threads=threads)
            for name, column in columns.items():
                equal(got.column(f"own {name}").to_pylist().__repr__(), column.to_pylist().__repr__(), f"kept: {name}")
                kept = pq.read_schema(root / "e.parquet").field(f"own {name}").type
                equal(got.column(f"own {name}").type, kept, f"type kept: {name}")
                want = [None if w is None else column[w].as_py() for w in winner]
                equal(repr(got.column(name).to_pylist()), repr(want), f"feature of type {name}, groups of {group}")


def writers_agree(joiner, root, equal):
    """The same rows as pandas, Polars and pyarrow write them, in every unit and zone, give the same rows."""
    n = 60
    frame = pd.DataFrame({"k": [i % 7 for i in range(n)], "t": pd.to_datetime([at(1 + (i * 7) % 25, micro=0) for i in range(n)]),
                          "x": [i * 1.5 for i in range(n)]})
    asked = frame[["k", "t"]].assign(t=frame["t"] + pd.Timedelta(days=1))

    def pandas(table, unit, zone, where):
        out = table.copy()
        out["t"] = out["t"].astype(f"datetime64[{unit}]")
        if zone:
            out["t"] = out["t"].dt.tz_localize("UTC").dt.tz_convert(zone)
        out.to_parquet(where)

    def polars(table, unit, zone, where):
        out = pl.from_pandas(table).with_columns(pl.col("t").cast(pl.Datetime("ms" if unit == "s" else unit)))
        if zone:
            out = out.with_columns(pl.col("t").dt.replace_time_zone("UTC").dt.convert_time_zone(zone))
        out.write_parquet(where)

    def old_spark(table, unit, zone, where):
        del unit, zone
        pq.write_table(pa.Table.from_pandas(table, preserve_index=False), where, use_deprecated_int96_timestamps=True)

    want = None
    for entities, source in ((pandas, pandas), (polars, pandas), (pandas, polars), (old_spark, polars), (polars, old_spark)):
        for unit, zone in (("s", None), ("ms", "UTC"), ("us", "America/New_York"), ("ns", None), ("ns", "Asia/Kolkata")):
            entities(asked, unit, zone, root / "e.parquet")
            source(frame, "us" if unit == "ns" else "ns", None if zone else "Europe/Paris", root / "s.parquet")
            got = joiner(root, "k", "t", ["x"]).column("x").to_pylist()
            want = want or got
            equal(got, want, f"{entities.__name__}, {source.__name__}, {unit}, {zone}")
    equal(want.count(None), 0, "everything was found")


def times_at_the_ends(joiner, root, equal):
    """Years 1 and 9999, before 1970, and a nanosecond too early."""
    moments = [datetime.datetime(1, 1, 1), datetime.datetime(1969, 12, 31, 23, 59, 59, 999999), datetime.datetime(9999, 12, 31)]
    for kind in (pa.timestamp("us"), pa.timestamp("ms"), pa.timestamp("s"), pa.timestamp("us", "UTC"), pa.date32()):
        for other in (pa.timestamp("us"), pa.date32()):
            column = pa.array(moments, pa.timestamp("us")).cast(kind, safe=False)
            source = pa.array(moments, pa.timestamp("us")).cast(other, safe=False)
            pq.write_table(pa.table({"k": ["a"] * 3, "t": column}), root / "e.parquet")
            pq.write_table(pa.table({"k": ["a"] * 3, "t": source, "x": [0, 1, 2]}), root / "s.parquet")
            have = source.cast(pa.timestamp("us")).cast(pa.int64()).to_pylist()
            want = [max((i for i in range(3) if have[i] <= t), key=lambda i: have[i])
                    for t in column.cast(pa.timestamp("us", "UTC") if kind == pa.timestamp("us", "UTC") else
                                         pa.timestamp("us")).cast(pa.int64()).to_pylist()]
            equal(joiner(root, "k", "t", ["x"]).column("x").to_pylist(), want, f"{kind} after {other}")
    pq.write_table(pa.table({"k": ["a"] * 3, "t": pa.array([-1, 999, 1000], pa.timestamp("ns"))}), root / "e.parquet")
    pq.write_table(pa.table({"k": ["a"] * 2, "t": pa.array([-1, 1], pa.timestamp("us")), "x": [-1, 1]}), root / "s.parquet")
    equal(joiner(root, "k", "t", ["x"]).column("x").to_pylist(), [-1, -1, 1], "nanoseconds are not rounded")
    equal(joiner(root, "k", "t", ["x"], strict=True).column("x").to_pylist(), [-1, -1, -1], "and strictly before")
    for unit, scale in (("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)):
        pq.write_table(pa.table({"k": ["a"] * 2, "t": pa.array([5 * scale - 1, 5 * scale])}), root / "e.parquet")
        pq.write_table(pa.table({"k": ["a"], "t": pa.array([5], pa.timestamp("s")), "x": [1]}), root / "s.parquet")
        equal(joiner(root, "k", "t", ["x"], time_unit=unit).column("x").to_pylist(), [None, 1], f"integers of {unit}")


def nothing_to_find(joiner, root, equal):
    """No rows, no row groups, nulls and columns without a type."""
    whole = pa.table({"k": pa.array([1, 2]), "t": pa.array([at(1), at(2)]), "c": pa.array([at(1), at(2)]), "x": ["a", "b"]})
    no_groups = root / "none.parquet"
    with pq.ParquetWriter(no_groups, whole.schema):
        pass
    none = pq.read_table(no_groups)
    equal(pq.ParquetFile(no_groups).num_row_groups, 0, "no row group")
    typeless = whole.set_column(0, "k", pa.nulls(2))
    timeless = whole.set_column(1, "t", pa.nulls(2))
    uncreated = whole.set_column(2, "c", pa.nulls(2))
    for what, entities, source, want in (
            ("no entities", none, whole, []), ("no source", whole, none, [None, None]), ("neither", none, none, []),
            ("no rows in a group", whole.slice(0, 0), whole, []), ("nor there", whole, whole.slice(0, 0), [None, None]),
            ("typeless keys asked", typeless, whole, [None, None]), ("typeless keys", whole, typeless, [None, None]),
            ("typeless times asked", timeless, whole, [None, None]), ("typeless times", whole, timeless, [None, None]),
            ("a typeless created time", whole, uncreated, ["a", "b"])):
        pq.write_table(entities.select(["k", "t"]), root / "e.parquet")
        pq.write_table(source, root / "s.parquet")
        for threads in (1, 2):
            got = joiner(root, "k", "t", ["x"], created_time="c", threads=threads)
            equal(got.column("x").to_pylist(), want, what)
            equal(got.schema.field("x").type, pa.string(), f"{what}: the feature keeps its type")
    known = joiner(root, "k", "t", ["x"], created_time="c", mode="as_known")
    equal(known.column("x").to_pylist(), [None, None], "what was never created was never known")
    (root / "none.parquet").unlink()


def refused(binary, root, equal, true):
    """Exit status 2, the reason, the file and the column, and nothing written."""
    base = {"k": pa.array([1, 2]), "t": pa.array([at(1), at(2)]), "x": pa.array([1.0, 2.0])}

    def table(**changes):
        return pa.table({**base, **changes})
    plain = table()
    twice = pa.Table.from_arrays([base["k"], base["t"], base["x"], base["x"]], names=["k", "t", "x", "x"])
    big = pa.array([2**64 - 1, 1], pa.uint64())
    cases = [
        ("feature.column", "has no column nope", plain, plain, ["--key", "nope"]),
        ("feature.column", "its columns are k, t, x", plain, plain, ["--features", "nope"]),
        ("feature.collision", "rename it", plain, plain, ["--features", "x"]),
        ("feature.collision", "named t", plain, plain, ["--features", "t"]),
        ("feature.key_type", "is double in", table(k=pa.array([1.0, 2.0])), plain, []),
        ("feature.key_type", 'astype("Int64")', table(k=pa.array([1.0, 2.0])), plain, []),
        ("feature.key_type", "is string in", table(k=pa.array(["1", "2"])), plain, []),
        ("feature.key_type", "no key can be", *[table(k=pa.array([[1], [2]]))] * 2, []),
        ("feature.key_type", "no key can be", *[table(k=pa.array([{"a": 1}, {"a": 2}]))] * 2, []),
        ("feature.time_type", "--time-unit", table(t=pa.array([1, 2])), plain, []),
        ("feature.time_type", "to_datetime", table(t=pa.array(["2026-01-01", "2026-01-02"])), plain, []),
        ("feature.time_type", "no timestamp", table(t=pa.array([1.5, 2.5])), plain, []),
        ("feature.time_range", "time-unit", table(t=pa.array([2**62, 2])), plain, ["--time-unit", "s"]),
        ("feature.created", "--created-time", plain, plain, ["--mode", "as_known"]),
        ("table.header", "same name: x", twice, plain, []),
        ("table.header", "s.parquet", plain, twice, []),
        ("table.range", "64-bit", table(k=big), plain, []),
        ("usage.mode", "as_known", plain, plain, ["--mode", "as_off"]),
        ("usage.duration", "7d", plain, plain, ["--ttl", "soon"]),
        ("usage.number", "256", plain, plain, ["--threads", "0"]),
        ("usage.time_unit", "ns", plain, plain, ["--time-unit", "h"]),
    ]
    for reason, words, entities, source, options in cases:
        pq.write_table(entities if "--features" in options else entities.drop_columns("x") if reason != "table.header" else entities,
                       root / "e.parquet")
        pq.write_table(source, root / "s.parquet")
        args = {"--entities": root / "e.parquet", "--source": root / "s.parquet", "--key": "k", "--event-time": "t",
                "--features": "x", "--out": root / "out.parquet", **dict(zip(options[::2], options[1::2]))}
        done = subprocess.run([str(binary), "feature", "join", *[str(a) for pair in args.items() for a in pair]], text=True,
                              capture_output=True, timeout=60, check=False)
        equal(done.returncode, 2, f"{reason} ({words}): {done.stderr}")
        true(f"[{reason}]" in done.stderr and words in done.stderr, f"wanted {reason} and '{words}': {done.stderr}")
        true(not list(root.glob("out*")), "nothing is written")
    both = table(k=big)
    pq.write_table(both.drop_columns("x"), root / "e.parquet")
    pq.write_table(both, root / "s.parquet")
