"""Point-in-time joins, time to live, late data and windows under torture, against oracles in exact arithmetic.

Histories are random, small and nasty: ties, late and repeated rows, tombstones, moments on the very edges. Answers are the same bits
whatever the order of arrival, the splits, the threads and the processor's vector units.

--histories N   more of them (10000 when nothing is said)
--seed S        another seed than the usual one
"""
import argparse
import collections
import decimal
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import harness  # noqa: E402
from harness import equal, true  # noqa: E402
from dev import setup  # noqa: E402

sys.path.insert(0, str(setup.packages("pip_features")))  # pandas, polars, pyarrow of one environment.
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
import _torture_files as files  # noqa: E402
import _torture_joins as joins  # noqa: E402
from _torture_joins import Question  # noqa: E402

OPTIONS = argparse.ArgumentParser()
OPTIONS.add_argument("--histories", type=int, default=10_000)
OPTIONS.add_argument("--seed", type=int, default=20260101)
ASKED = OPTIONS.parse_args()

# What chooses vector units at run time: Arrow's kernels, simdjson and libc. The engines have one form, built for every x86-64.
LEVELS = {
    "plain": {"ARROW_USER_SIMD_LEVEL": "NONE", "SIMDJSON_FORCE_IMPLEMENTATION": "fallback",
              "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2_Usable,-AVX_Usable,-AVX512F_Usable,-SSE4_2,-ERMS"},
    "sse4.2": {"ARROW_USER_SIMD_LEVEL": "SSE4_2", "SIMDJSON_FORCE_IMPLEMENTATION": "westmere"},
    "avx2": {"ARROW_USER_SIMD_LEVEL": "AVX2"},
    "widest": {},
}


def join(root, question, keys, features, expect=0, env=None, **options):
    """`slipway feature join`: the table that it wrote, or (expect > 0) what it said."""
    out = root / "out.parquet"
    args = ["--entities", root / "e.parquet", "--source", root / "s.parquet", "--key", ",".join(keys), "--out", out,
            "--features", ",".join(features)]
    if question.as_known:
        args += ["--mode", "as_known"]
    for flag, name in (("created", "--created-time"), ("sequence", "--sequence"), ("tombstone", "--tombstone")):
        if getattr(question, flag):
            args += [name, flag]
    if question.strict:
        args += ["--strict"]
    if question.ttl is not None:
        args += ["--ttl", f"{question.ttl // 1000}us"]
    for name, value in options.items():
        args += ["--" + name.replace("_", "-"), value]
    out.unlink(missing_ok=True)
    done = subprocess.run([str(harness.BINARY), "feature", "join", *map(str, args)], capture_output=True, text=True, timeout=120,
                          check=False, env={**os.environ, **(env or {})})
    equal(done.returncode, expect, f"exit status of {' '.join(map(str, args))}:\n{done.stderr}")
    if expect:
        true(not out.exists() and not out.with_name("out.parquet.part").exists(), "a refused join leaves nothing")
        return done.stderr
    return pq.read_table(out)


def column(values, kind):
    if kind == "dictionary":
        return pa.array(values, pa.string()).dictionary_encode()
    if kind == "decimal":
        return pa.array([None if v is None else decimal.Decimal(v) / 100 for v in values], pa.decimal128(9, 2))
    if kind == "uuid":
        return pa.array(values, pa.binary(16)).cast(pa.uuid()) if hasattr(pa, "uuid") else pa.array(values, pa.binary(16))
    kinds = {"fixed16": pa.binary(16), "timestamp_ms": pa.timestamp("ms"), "timestamp_us": pa.timestamp("us", "Asia/Tokyo"),
             "bool": pa.bool_(), "float64": pa.float64()}
    if kind.startswith("timestamp_"):
        scale = 1 if kind.endswith("ms") else 1000
        return pa.array([None if v is None else v * scale for v in values], pa.int64()).cast(kinds[kind])
    return pa.array(values, kinds.get(kind) or pa.type_for_alias(kind))


def moments(values, unit, zone=None):
    """Nanoseconds as a column of times."""
    scale = joins.UNIT_NS[unit]
    words = pa.array([None if v is None else v // scale for v in values], pa.int32() if unit == "day" else pa.int64())
    return words.cast(pa.date32() if unit == "day" else pa.timestamp(unit, zone))


def plain(column_):
    """Values as what Python compares to the bit: floats as their words, NaN and -0 among them."""
    whole = column_.combine_chunks() if isinstance(column_, pa.ChunkedArray) else column_
    if pa.types.is_floating(whole.type):
        whole = whole.view({16: pa.int16(), 32: pa.int32(), 64: pa.int64()}[whole.type.bit_width])
    return whole.to_pylist()


def same(got, want, what):
    got, want = plain(got), plain(want)
    if got != want:
        equal(len(got), len(want), f"{what}: rows")
        for i, (a, b) in enumerate(zip(got, want)):
            equal(a, b, f"{what}: row {i}")


FILES = [
    # keys, units of event, asked and created time, zones, and how the parquet is written
    ("int64", "us", "us", "us", (None, None), {}),
    ("int32 and int64", "ms", "us", "ms", ("UTC", "Europe/Berlin"), {"row_group_size": 97}),
    ("uint8 and int16, pair", "s", "ms", "us", (None, "America/New_York"), {"data_page_size": 512}),
    ("text", "ns", "ns", "ns", (None, None), {"row_group_size": 64, "compression": "none"}),
    ("large and view", "us", "ns", "ns", ("UTC", None), {"use_dictionary": False}),
    ("dictionary and text", "ns", "us", "us", (None, "Asia/Kathmandu"), {"row_group_size": 501}),
    ("bytes", "day", "us", "us", (None, None), {"compression": "gzip"}),
    ("bytes view", "us", "day", "ms", (None, None), {"version": "1.0"}),
    ("uuid", "ms", "ns", "us", (None, None), {"row_group_size": 33}),
    ("fixed", "us", "us", "day", (None, None), {}),
    ("float", "us", "ms", "us", (None, None), {"row_group_size": 200}),
    ("decimal", "s", "s", "s", (None, None), {}),
    ("date", "us", "us", "us", (None, "UTC"), {"row_group_size": 400}),
    ("moment", "us", "us", "us", (None, None), {"write_statistics": False, "row_group_size": 50}),
    ("bool and text", "us", "us", "ns", (None, None), {"data_page_version": "2.0"}),
    ("numbers that run together", "ns", "ms", "us", (None, None), {"row_group_size": 128}),
    ("texts that run together", "us", "us", "us", (None, None), {"row_group_size": 77}),
]


def questions(dice, shape):
    out = [Question(), Question(as_known=True, created=True, tombstone=True, sequence=True),
           Question(created=True, sequence=True, tombstone=True, ttl=shape.ttl)]
    while len(out) < 4:
        q = Question(as_known=dice.random() < 0.5, created=True, sequence=dice.random() < 0.5, tombstone=dice.random() < 0.6,
                     strict=dice.random() < 0.5, ttl=dice.choice([None, 0, shape.ttl]))
        out.append(q)
    return out


class Made:
    """One pair of files full of histories."""

    def __init__(self, dice, n, spec):
        self.name, event_unit, asked_unit, created_unit, self.zones, self.writing = spec
        self.units = (event_unit, asked_unit, created_unit)
        self.shape = joins.Shape(dice, *self.units)
        keys = joins.keys_of(self.name, n, dice)
        self.histories = [joins.history(dice, key, self.shape) for key in keys]
        self.key_names = [f"key{i}" for i in range(len(joins.KEYS[self.name][0]))]
        asked = [(h, i) for h in self.histories for i in range(len(h.asked))]
        dice.shuffle(asked)
        self.asked = asked
        self.rows = [(h, row) for h in self.histories for row in h.rows]
        dice.shuffle(self.rows)
        self.values = dice.sample(range(1 << 30), len(self.rows))

    def place(self, order):
        for at, i in enumerate(order):
            self.rows[i][1].place = at

    def write(self, root, order):
        types = joins.KEYS[self.name]
        entities = {name: column([h.key[i] for h, _ in self.asked], types[0][i]) for i, name in enumerate(self.key_names)}
        entities["event_timestamp"] = moments([h.asked[i] for h, i in self.asked], self.units[1], self.zones[0])
        entities["number"] = pa.array(range(len(self.asked)), pa.int32())
        pq.write_table(pa.table(entities), root / "e.parquet", row_group_size=self.writing.get("row_group_size"))
        rows = [self.rows[i] for i in order]
        values = [self.values[i] for i in order]
        source = {name: column([h.key[i] for h, _ in rows], types[1][i]) for i, name in enumerate(self.key_names)}
        source["event"] = moments([r.event for _, r in rows], self.units[0], self.zones[1])
        source["created"] = moments([r.created for _, r in rows], self.units[2])
        source["sequence"] = pa.array([r.sequence for _, r in rows], pa.int64())
        source["tombstone"] = pa.array([r.deleted for _, r in rows], pa.bool_())
        source["id"] = pa.array(values, pa.int64())
        odd = [float("nan"), -0.0, float("inf"), None, 0.1]
        source["real"] = pa.array([odd[v % 7] if v % 7 < 5 else v / 3 for v in values], pa.float64())
        source["word"] = pa.array([None if v % 5 == 0 else ["", "a", f"w{v}"][v % 3] for v in values]).dictionary_encode()
        self.source = pa.table(source)
        pq.write_table(self.source, root / "s.parquet", **self.writing)

    def check(self, got, question, what):
        want = [joins.answer(h, h.asked[i], question) for h, i in self.asked]
        equal(got.column("number").to_pylist(), list(range(len(self.asked))), f"{what}: every row once, in order")
        taken = self.source.select(["id", "real", "word"]).take(pa.array(want, pa.int64()))
        for name in ("id", "real", "word"):
            same(got.column(name), taken.column(name), f"{what}: {name}")
        return got.select(["id", "real", "word"])


def test_joins_of_files(_):
    dice = joins.seeded(ASKED.seed)
    counts, total, asked, answers, runs = collections.Counter(), 0, 0, 0, 0
    each = -(-ASKED.histories // len(FILES))
    levels = list(LEVELS)
    for number, spec in enumerate(FILES):
        with tempfile.TemporaryDirectory(prefix="slipway-torture-") as name:
            root = pathlib.Path(name)
            made = Made(dice, min(each, 60_000), spec)
            total += len(made.histories)
            asked += len(made.asked)
            for h in made.histories:
                counts.update(joins.traits(h, made.shape))
            for shuffle in range(2):  # Another order of arrival.
                order = list(range(len(made.rows)))
                if shuffle:
                    dice.shuffle(order)
                made.place(order)
                made.write(root, order)
                for i, question in enumerate(questions(dice, made.shape)):
                    level = levels[(number + i + shuffle) % len(levels)]
                    threads = 1 + (i + shuffle) % 2
                    what = f"seed {ASKED.seed}, {made.name}, order {shuffle}, {question}, {threads} threads, {level}"
                    got = join(root, question, made.key_names, ["id", "real", "word"], env=LEVELS[level], threads=threads,
                               event_time="event", entity_time="event_timestamp", **({"memory": "1MiB"} if i == 1 else {}))
                    made.check(got, question, what)
                    runs += 1
                    answers += len(made.asked)
    print(f"     seed {ASKED.seed}: {total} histories, {asked} questions, {runs} joins of files, {answers} answers")
    print("     of the histories " + ", ".join(f"{100 * counts[c] / total:.0f} % {c}" for c in sorted(counts)))
    for trait in ("ties", "late", "tombstones", "boundary"):
        true(counts[trait] * 5 >= total, f"too few histories with {trait}: {counts[trait]} of {total}")


def plain_join(root, key, time, features, strict=False, **options):
    return join(root, Question(strict=strict), [key], features, event_time=time, **options)


def test_files_of_strangers(_):
    for case in (files.types_are_kept, files.writers_agree, files.times_at_the_ends, files.nothing_to_find):
        with tempfile.TemporaryDirectory(prefix="slipway-torture-") as name:
            case(plain_join, pathlib.Path(name), equal)
    with tempfile.TemporaryDirectory(prefix="slipway-torture-") as name:
        root = pathlib.Path(name)
        files.refused(harness.BINARY, root, equal, true)
        got = plain_join(root, "k", "t", ["x"])
        equal(got.column("x").to_pylist(), [1.0, 2.0], "numbers of 64 bits are keys when they are so in both files")


if __name__ == "__main__":
    harness.run(globals())
