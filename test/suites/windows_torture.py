"""Windows, late rows and tombstones through the store, against an oracle in exact rationals: loaded and joined, pushed and served.

Histories are small and nasty: ties, repeats, late rows, tombstones of one row or of all of a moment, moments on the very edges of windows.
What comes back is compared to the bit. Pushed rows come in other orders and pieces to each of several sources, with a SIGKILL between.

--histories N   more of them (10000 when nothing is said)
--seed S        another seed than the usual one
"""
import argparse
import collections
import datetime
import json
import math
import pathlib
import random
import struct
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import harness  # noqa: E402
from harness import equal, true  # noqa: E402
from dev import setup  # noqa: E402

sys.path.insert(0, str(setup.packages("pip_features")))
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
import _torture_windows as oracle  # noqa: E402
from _torture_windows import DAY, HOUR, MINUTE, SECOND, Event, Slot  # noqa: E402

OPTIONS = argparse.ArgumentParser()
OPTIONS.add_argument("--histories", type=int, default=10_000)
OPTIONS.add_argument("--seed", type=int, default=20260202)
ASKED = OPTIONS.parse_args()

COLUMNS = {"i": "int64", "x": "float64", "s": "string", "b": "bool", "v": "list<float64>"}
TYPES = {"i": pa.int64(), "x": pa.float64(), "s": pa.string(), "b": pa.bool_(), "v": pa.list_(pa.float64())}
NUMERIC = ["sum", "mean", "var", "var_pop", "stddev", "stddev_pop", "skew", "kurtosis", "min", "max", "quantile", "ewma"]
ANY = ["count", "distinct", "first", "last", "last_k", "top_k", "histogram"]
OF = {"i": NUMERIC + ANY, "x": NUMERIC + [op for op in ANY if op not in ("top_k", "histogram")], "s": ANY, "b": ["any", "all", "count"],
      "v": ["list_sum", "list_mean"]}
LENGTHS = [SECOND, 10 * SECOND, MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, DAY, 30 * DAY]


# ---------------------------------------------------------------- definitions
def slots(dice, n, kinds=("sawtooth", "exact", "tumbling", "lifetime"), lengths=None):
    """Every operation turns up; two of a window over one column share their tiles."""
    out = []
    for number in range(n):
        of = dice.choice([None, "i", "i", "x", "x", "x", "s", "b", "v"])
        kind = dice.choice(kinds)
        out.append(Slot(name=f"f{number}", op=dice.choice(OF[of]) if of else "count", of=of, kind=kind,
                        length=0 if kind == "lifetime" else dice.choice(lengths or LENGTHS), k=dice.randrange(1, 5),
                        q=dice.choice([0, 0.1, 0.5, 0.9, 1]), alpha=dice.choice([0.1, 0.5, 0.9]), cap=dice.choice([3, 1024])))
        if out[-1].op in ("top_k", "histogram"):
            out[-1].cap = 1024
    return out


def aggregate(slot):
    out = {"op": slot.op, "name": slot.name}
    if slot.of:
        out["of"] = slot.of
    if slot.kind != "lifetime":
        out |= {"kind": slot.kind, "windows": [f"{slot.length // SECOND}s"]}
    if slot.op in ("last_k", "top_k"):
        out["k"] = slot.k
    out |= {"quantile": {"q": slot.q}, "ewma": {"alpha": slot.alpha}, "distinct": {"cap": slot.cap}}.get(slot.op, {})
    return out


def definitions(name, asked, lateness):
    source = {"kind": "Source", "name": name, "columns": {"key": "int64", **COLUMNS}, "event_time": "ts", "created_time": "created"}
    view = {"kind": "FeatureView", "name": name, "entity": {"key": "int64"}, "source": name, "late": {"allowed": f"{lateness // SECOND}s"},
            "aggregate": [aggregate(slot) for slot in asked]}
    return "\n---\n".join(json.dumps(document) for document in (source, view))


def apply(server, root, text):
    path = root / "features.yaml"
    path.write_text(text)
    server.cli("feature", "apply", path)


# ---------------------------------------------------------------- histories
INTS = [0, 1, -1, 2, 3, 7, 2**62, -2**62, 2**63 - 1]
REALS = [0.0, -0.0, 1.0, 0.1, 0.2, -0.3, 1e16, 1e-300, 5e-324, 1.7e308, float("inf"), float("-inf"), float("nan"), 3.5]


def values(dice):
    small = dice.random() < 0.7

    def some(value):
        return None if dice.random() < 0.15 else value
    return {"i": some(dice.randrange(5) if small else dice.choice(INTS)),
            "x": some(dice.randrange(8) / 4 if small else dice.choice(REALS)),
            "s": some(dice.choice(["", "a", "b", "\u00fc", "a\"b"])), "b": some(dice.random() < 0.5),
            "v": some([float(dice.randrange(4)), dice.choice([0.1, -2.0])])}


def moments(dice, base, asked):
    """Few of them, most of them a window's length or step apart."""
    steps = [slot.length for slot in asked if slot.length] + [SECOND, 5 * MINUTE]
    first = base + dice.randrange(20) * SECOND
    out = [first]
    for _ in range(dice.randrange(1, 6)):
        out.append(dice.choice(out) + dice.choice([1, -1]) * dice.choice(steps) + dice.choice([0, 0, 0, 1, -1]))
    return out


def history(dice, key, base, asked):
    """Events without sequence numbers, which their places in the file give."""
    lattice = moments(dice, base, asked)
    out = []
    for _ in range(dice.choice([0, 1, 2, 3, 5, 8, 13])):
        ts = dice.choice(lattice)
        created = ts + dice.choice([0, 0, 1, -1, MINUTE, HOUR, 2 * DAY, -HOUR])
        event = Event(key=key, ts=ts, seq=0, created=created, known=created, deleted=False, values=values(dice))
        if out and dice.random() < 0.25:  # Of an earlier row's moment: a repeat, or it is taken back, all of it or that row alone.
            of = dice.choice(out)
            event.ts, event.deleted = of.ts, dice.random() < 0.8
            event.created = event.known = of.created + dice.choice([0, 1, -1, HOUR])
            how = dice.randrange(3)
            event.values = dict(of.values) if how == 0 else {c: of.values[c] if how == 1 and c == "i" else None for c in COLUMNS}
        out.append(event)
    return out, lattice


def traits(rows, asked, times):
    out = set()
    stamps = [r.ts for r in rows]
    if len(set(stamps)) < len(stamps):
        out.add("ties")
    known = sorted(rows, key=lambda r: (r.known, r.seq))
    if any(b.ts < a.ts for a, b in zip(known, known[1:])):
        out.add("late")
    if any(r.deleted for r in rows):
        out.add("tombstones")
    edges = {edge for t in times for slot in asked for edge in oracle.bounds(slot.kind, slot.length, t)}
    if any(r.ts in edges for r in rows):
        out.add("boundary")
    return out


# ---------------------------------------------------------------- comparing
def bits(value):
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack("<d", value)
    if isinstance(value, list):
        return [bits(v) for v in value]
    if isinstance(value, dict):
        return {str(k): bits(v) for k, v in value.items()}
    return value


def as_asked(slot, got):
    """What a file or JSON carries as text, as the value that it is."""
    if got is None:
        return [] if slot.op in ("last_k", "top_k") else None
    if slot.op in ("histogram", "last_k", "top_k", "list_sum", "list_mean") and isinstance(got, str):
        got = json.loads(got)
    floats = (slot.of in ("x", "v") and slot.op not in ("count", "distinct")) or slot.op in set(NUMERIC) - {"sum", "min", "max"}
    if floats and isinstance(got, (int, str)) and not isinstance(got, bool):
        return float(got)
    if floats and isinstance(got, list):
        return [None if v is None else float(v) for v in got]
    return got


def wanted(slot, events, t):
    """As the field's type has it: a histogram's keys are texts."""
    want = oracle.answer(slot, events, t)
    return {k if isinstance(k, str) else json.dumps(k): n for k, n in want.items()} if slot.op == "histogram" and want else want


def in_json(value):
    """Answers in JSON have null where a number is not finite."""
    if isinstance(value, list):
        return [in_json(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def check(slot, got, events, t, what, form=lambda value: value):
    got, want = as_asked(slot, got), wanted(slot, events, t) if events is not None else None
    if events is None:
        want = [] if slot.op in ("last_k", "top_k") else None
    if isinstance(want, oracle.About):
        true(got is not None and want.holds(got), f"{what}, {slot}: got {got}, about {want.n} is wanted")
    elif slot.op == "histogram" and want == {}:
        true(got in ({}, None), f"{what}, {slot}: got {got!r}, want nothing")
    elif bits(got) != bits(form(want)):
        shown = "\n".join(map(str, events or []))
        equal(got, want, f"{what}, {slot} at {t} of events\n{shown}\n")


# ---------------------------------------------------------------- loaded and joined
def stamp(column):
    return pa.array(column, pa.int64()).cast(pa.timestamp("us", "UTC"))


def write_rows(path, rows):
    table = {"key": pa.array([r.key for r in rows], pa.int64()), "ts": stamp([r.ts for r in rows]),
             "created": stamp([r.created for r in rows]), "_deleted": pa.array([r.deleted for r in rows], pa.bool_())}
    for name, kind in TYPES.items():
        table[name] = pa.array([r.values[name] for r in rows], kind)
    pq.write_table(pa.table(table), path, row_group_size=997)


def asked_times(dice, lattice, asked):
    out = []
    for _ in range(2):
        t = dice.choice(lattice) + dice.choice([0, 0, 1, -1])
        if dice.random() < 0.6:
            t += dice.choice([slot.length for slot in asked if slot.length] or [HOUR])
        if dice.random() < 0.3:
            t += dice.choice([HOUR, 2 * DAY, 40 * DAY])
        out.append(t)
    return out


def one_world(server, root, dice, name, n):
    asked, base = slots(dice, 16), dice.choice([1_750_000_000, 0, -86_400 * 400]) * SECOND
    apply(server, root, definitions(name, asked, dice.choice([0, HOUR, 2 * DAY])))
    histories = {}
    for key in range(n):
        histories[key] = history(dice, key, base, asked)
    rows = [r for events, _ in histories.values() for r in events]
    dice.shuffle(rows)
    for seq, row in enumerate(rows):
        row.seq = seq
    for part in range(2):  # Two files: sequence numbers go on, and rows of one key lie in both.
        half = len(rows) // 2
        write_rows(root / "rows.parquet", rows[half:] if part else rows[:half])
        server.cli("feature", "load", name, root / "rows.parquet", "--to", "offline")
    questions = [(key, t) for key, (_, lattice) in histories.items() for t in asked_times(dice, lattice, asked)]
    dice.shuffle(questions)
    pq.write_table(pa.table({"key": pa.array([k for k, _ in questions], pa.int64()), "event_timestamp": stamp([t for _, t in questions])}),
                   root / "entities.parquet")
    counts = collections.Counter()
    by_key = collections.defaultdict(list)
    for key, t in questions:
        by_key[key].append(t)
    for key, (events, _) in histories.items():
        counts.update(traits(events, asked, by_key[key]))
    for mode in ("as_of", "as_known"):
        server.cli("feature", "train", "--entities", root / "entities.parquet", "--out", root / "out.parquet", "--mode", mode,
                   *[word for slot in asked for word in ("--feature", f"{name}:{slot.name}")])
        got = pq.read_table(root / "out.parquet")
        columns = {slot.name: got.column(slot.name).to_pylist() for slot in asked}
        for row, (key, t) in enumerate(questions):
            events = oracle.events_at(histories[key][0], t, mode)
            for slot in asked:
                check(slot, columns[slot.name][row], events, t, f"seed {ASKED.seed}, {name}, {mode}, key {key}")
    return counts, len(questions) * 2 * len(asked), {slot.op for slot in asked}


def test_loaded_and_joined(server):
    dice, worlds = random.Random(ASKED.seed), 8
    counts, answers, ops = collections.Counter(), 0, set()
    each = -(-ASKED.histories // worlds)
    for number in range(worlds):
        with tempfile.TemporaryDirectory(prefix="slipway-windows-") as name:
            more, n, used = one_world(server, pathlib.Path(name), dice, f"loaded{number}", each)
            counts += more
            answers += n
            ops |= used
    total = worlds * each
    print(f"     seed {ASKED.seed}: {total} histories, {answers} answers of {len(ops)} operations")
    print("     of the histories " + ", ".join(f"{100 * counts[c] / total:.0f} % {c}" for c in sorted(counts)))
    for trait in ("ties", "late", "tombstones", "boundary"):
        true(counts[trait] * 5 >= total, f"too few histories with {trait}: {counts[trait]} of {total}")


# ---------------------------------------------------------------- pushed and served
LATENESS = 30 * MINUTE


def iso(us):
    return (datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=us)).isoformat(timespec="microseconds") + "Z"


def body_of(row):
    def plain(v):
        return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(str(v), v) if isinstance(v, float) else v
    return {"key": row.key, "ts": iso(row.ts), "created": iso(row.created), **{c: plain(v) for c, v in row.values.items()},
            **({"_deleted": True} if row.deleted else {})}


def pushed_histories(dice, now, n):
    """Rows that are in time for some minutes to come, and rows that are too late by as much."""
    out = {}
    for key in range(n):
        lattice = [now - dice.choice([12, 12, 14, 16, 18, 45, 50]) * MINUTE + dice.randrange(3) for _ in range(4)]
        events = []
        for _ in range(dice.choice([1, 2, 3, 5, 8])):
            ts = dice.choice(lattice)
            event = Event(key=key, ts=ts, seq=0, created=ts + dice.randrange(3), known=0, deleted=False, values=values(dice),
                          counts=ts > now - LATENESS)
            if events and dice.random() < 0.3:
                of = dice.choice(events)
                event.ts, event.deleted, event.counts = of.ts, True, True
                event.created = of.created + dice.choice([1, 1, 1, -1])
                event.values = dict(of.values) if dice.random() < 0.5 else dict.fromkeys(COLUMNS)
            events.append(event)
        out[key] = events
    return out


def push_all(server, source, rows, dice, kill):
    """In pieces of any size; the server is killed in the middle. Sequence numbers are given in the order of arrival."""
    at, api = 0, server.api()
    killed = not kill
    while at < len(rows):
        n = dice.choice([1, 2, 7, 50, 400])
        piece = rows[at:at + n]
        for seq, row in enumerate(piece, at):
            row.seq = seq
        equal(api.post(f"feature-sources/{source}/rows", {"rows": [body_of(r) for r in piece]})["rows"], len(piece), "rows taken")
        at += n
        if not killed and at > len(rows) // 2:
            killed = True
            server.kill()
            server.start()
            api = server.api()


def served(server, name, asked, keys):
    columns = {}
    api = server.api()
    for at in range(0, len(keys), 500):
        body = {"entities": {"key": keys[at:at + 500]}, "features": [f"{name}:{slot.name}" for slot in asked]}
        reply = api.send("POST", "/get-online-features", body).json()
        for column, result in zip(reply["metadata"]["feature_names"], reply["results"]):
            columns.setdefault(column, []).extend(result["values"])
    return columns


def test_pushed_and_served(server):
    dice = random.Random(ASKED.seed + 1)
    now = time.time_ns() // 1000
    # No edge of a window lies within minutes of a row, so that the answer stays while this runs.
    asked = slots(dice, 24, ("sawtooth", "exact", "lifetime"), [6 * HOUR, DAY])
    with tempfile.TemporaryDirectory(prefix="slipway-windows-") as folder:
        root, answers = pathlib.Path(folder), 0
        histories = pushed_histories(dice, now, max(200, ASKED.histories // 10))
        for order in range(3):
            name = f"pushed{order}"
            apply(server, root, definitions(name, asked, LATENESS))
            rows = [r for events in histories.values() for r in events]
            dice.shuffle(rows)
            push_all(server, name, rows, dice, kill=order > 0)
            for again in range(2):
                columns = served(server, name, asked, list(histories))
                for key, events in histories.items():
                    for r in events:
                        r.known = now
                    left = oracle.events_at(events, now, "as_known")
                    for slot in asked:
                        what = f"seed {ASKED.seed}, {name}, key {key}, {'after' if again else 'before'} a kill"
                        check(slot, columns[slot.name][key], left, now, what, in_json)
                        answers += 1
                server.kill()
                server.start()
        print(f"     {len(histories)} histories in 3 orders of arrival, {answers} served answers")


if __name__ == "__main__":
    harness.run(globals())
