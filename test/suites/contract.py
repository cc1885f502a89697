"""Contracts against an oracle in plain Python: generated rows with nulls, NaN, duplicates and bad texts, as Parquet, CSV and JSON lines.

Every check's count, verdict and sampled rows must agree with what these loops find.
"""
import json
import math
import pathlib
import random
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402
from harness import equal, true  # noqa: E402
from dev import common, setup  # noqa: E402

# The wheel that the C++ build takes its libraries from is a Python package, too.
sys.path.append(str(setup.place("wheel", "pyarrow", common.read_lock()["wheel"]["pyarrow"])))
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
import yaml  # noqa: E402

SEEDS = 60
WORDS = ["a", "ab", "abc", "\u00fc", "\u00fc\u00fc\u00fc", "", "x1", "7", "n/a", "AB"]
PATTERNS = ["^a", "b$", "^[a-z]+$", "[0-9]", "^(ab|x1)$"]


def run(*words):
    done = subprocess.run([harness.BINARY, *map(str, words)], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


# ---- the oracle: (check name, predicate of a bad value that isn't null) of a property, and its counts

def rules_of(p):
    o = p.get("logicalTypeOptions", {})
    tests = {
        "minimum": lambda v: not v >= o["minimum"], "maximum": lambda v: not v <= o["maximum"],
        "exclusiveMinimum": lambda v: not v > o["exclusiveMinimum"], "exclusiveMaximum": lambda v: not v < o["exclusiveMaximum"],
        "multipleOf": lambda v: v % o["multipleOf"] != 0,
        "minLength": lambda v: len(v) < o["minLength"], "maxLength": lambda v: len(v) > o["maxLength"],
        "pattern": lambda v: re.search(o["pattern"], v) is None,
    }
    return {name: test for name, test in tests.items() if name in o}


def key_of(v):
    return "nan" if isinstance(v, float) and math.isnan(v) else v


def repeats(values):
    seen, rows = set(), []
    for row, v in enumerate(values, 1):
        if v is None or (isinstance(v, tuple) and any(part is None for part in v)):
            continue
        key = tuple(map(key_of, v)) if isinstance(v, tuple) else key_of(v)
        if key in seen:
            rows.append(row)
        seen.add(key)
    return rows


def metric_rows(q, values):
    arguments = q.get("arguments", {})
    if q["metric"] == "nullValues":
        return [r for r, v in enumerate(values, 1) if v is None]
    if q["metric"] == "missingValues":
        return [r for r, v in enumerate(values, 1) if v in arguments["missingValues"]]
    if q["metric"] == "duplicateValues":
        return repeats(values)
    return [r for r, v in enumerate(values, 1)
            if v is not None and ("validValues" in arguments and v not in arguments["validValues"]
                                  or "pattern" in arguments and re.search(arguments["pattern"], v) is None)]


OPERATORS = {
    "mustBe": lambda m, b: m == b, "mustNotBe": lambda m, b: m != b,
    "mustBeGreaterThan": lambda m, b: m > b, "mustBeGreaterOrEqualTo": lambda m, b: m >= b,
    "mustBeLessThan": lambda m, b: m < b, "mustBeLessOrEqualTo": lambda m, b: m <= b,
    "mustBeBetween": lambda m, b: b[0] < m < b[1], "mustNotBeBetween": lambda m, b: not b[0] < m < b[1],
}


def judge(q, rows, total):
    measured = 100 * len(rows) / total if q.get("unit") == "percent" and total else len(rows) if q.get("unit") != "percent" else 0
    return next(holds(measured, q[name]) for name, holds in OPERATORS.items() if name in q)


def expected(contract, data):
    """[(property, check, rows that break it, passes)] in the report's order of properties."""
    table = contract["schema"][0]
    total, out = len(next(iter(data.values()))), []
    for p in table["properties"]:
        values = data[p["name"]]
        if p.get("required"):
            bad = [r for r, v in enumerate(values, 1) if v is None]
            out.append((p["name"], "required", bad, not bad))
        for name, test in rules_of(p).items():
            bad = [r for r, v in enumerate(values, 1) if v is not None and test(v)]
            out.append((p["name"], name, bad, not bad))
        if p.get("unique"):
            bad = repeats(values)
            out.append((p["name"], "unique", bad, not bad))
        for q in p.get("quality", []):
            bad = metric_rows(q, values)
            out.append((p["name"], q["metric"], bad, judge(q, bad, total)))
    for q in table.get("quality", []):
        if q["metric"] == "rowCount":
            out.append(("", "rowCount", list(range(total)), judge(q, range(total), total)))
        else:
            bad = repeats(list(zip(*(data[n] for n in q["arguments"]["properties"]))))
            out.append(("", "duplicateValues", bad, judge(q, bad, total)))
    return out


# ---- what is generated

def operator(dice, rows):
    name, unit = dice.choice(list(OPERATORS)), {}
    if dice.random() < 0.4:
        unit, rows = {"unit": "percent"}, 100
    bound = dice.choice([0, dice.randrange(rows + 1)])
    return {name: [bound, bound + dice.randrange(1, rows + 2)] if "Between" in name else bound, **unit}


def ints(dice, rows):
    o = {"minimum": dice.randrange(-40, 5)}
    if dice.random() < 0.5:
        o["exclusiveMaximum"] = dice.randrange(6, 60)
    if dice.random() < 0.4:
        o["multipleOf"] = dice.randrange(1, 9)
    quality = [{"metric": "invalidValues", "arguments": {"validValues": [1, 2, 3, -4]}, **operator(dice, rows)}]
    wide = dice.random() < 0.2
    return {"logicalType": "integer", "logicalTypeOptions": o, "quality": quality}, \
        lambda: dice.randrange(-2**62, 2**62) if wide else dice.randrange(-50, 70), pa.int64()


def reals(dice, rows):
    o = {"exclusiveMinimum": round(dice.uniform(-2, 0), 3), "maximum": round(dice.uniform(0, 2), 3)}
    nan = dice.random() < 0.5
    return {"logicalType": "number", "logicalTypeOptions": o, "quality": [{"metric": "duplicateValues", **operator(dice, rows)}]}, \
        lambda: math.nan if nan and dice.random() < 0.1 else dice.randrange(-300, 300) / 128, pa.float64()


def texts(dice, rows):
    o = {"minLength": dice.randrange(0, 3), "maxLength": dice.randrange(2, 4), "pattern": dice.choice(PATTERNS)}
    quality = [{"metric": "missingValues", "arguments": {"missingValues": [None, "", "n/a"]}, **operator(dice, rows)},
               {"metric": "invalidValues", "arguments": {"validValues": ["a", "ab", "x1"]}, **operator(dice, rows)},
               {"metric": "invalidValues", "arguments": {"pattern": dice.choice(PATTERNS)}, **operator(dice, rows)}]
    return {"logicalType": "string", "logicalTypeOptions": o, "quality": quality}, lambda: dice.choice(WORDS), pa.string()


def world(dice):
    rows, properties, data, arrow = dice.randrange(1, 400), [], {}, {}
    for i in range(dice.randrange(1, 5)):
        rule, make, kind = dice.choice([ints, reals, texts])(dice, rows)
        nulls = dice.choice([0, 0.1, 0.6])
        name = f"c{i}"
        data[name] = [None if dice.random() < nulls else make() for _ in range(rows)]
        arrow[name] = pa.array(data[name], kind, from_pandas=False)
        quality = rule.pop("quality")
        if dice.random() < 0.5:
            quality.append({"metric": "nullValues", **operator(dice, rows)})
        properties.append({"name": name, **rule, "quality": quality,
                           **({"required": True} if dice.random() < 0.5 else {}), **({"unique": True} if dice.random() < 0.5 else {})})
    names = list(data)[:2]
    quality = [{"metric": "rowCount", **{k: v for k, v in operator(dice, rows).items() if k != "unit"}},
               {"metric": "duplicateValues", "arguments": {"properties": names}, **operator(dice, rows)}]
    contract = {"apiVersion": "v3.1.0", "kind": "DataContract", "id": "c", "version": "1", "status": "active",
                "schema": [{"name": "t", "properties": properties, "quality": quality}]}
    return contract, data, pa.table(arrow)


def csv_of(data):
    lines = [",".join(data)]
    for row in zip(*data.values()):
        lines.append(",".join("" if v is None else '"' + v.replace('"', '""') + '"' if isinstance(v, str) else repr(v) for v in row))
    return "\n".join(lines) + "\n"


def has_nan(data):
    return any(isinstance(v, float) and math.isnan(v) for values in data.values() for v in values)


def write(folder, kind, data, table):
    path = folder / f"t.{kind}"
    if kind == "parquet":
        pq.write_table(table, path, row_group_size=97)
    elif kind == "csv":
        path.write_text(csv_of(data))
    else:
        path.write_text("".join(json.dumps(dict(zip(data, row))) + "\n" for row in zip(*data.values())))
    return path


def compare(seed, kind, contract, data, report):
    got = {}
    for c in report["checks"]:
        got.setdefault((c["property"], c["check"]), []).append(c)
    for name, check, bad, passes in expected(contract, data):
        line = got[(name, check)].pop(0)
        what = f"seed {seed} {kind}: {name} {check}"
        equal(line["count"], len(bad), what)
        equal(line["verdict"], "passed" if passes else "failed", f"{what}: verdict of {line}")
        if check != "rowCount" and line.get("samples"):
            equal([s["row"] for s in line["samples"]], bad[:len(line["samples"])], f"{what}: rows")


def test_counts_agree_with_plain_loops(server):
    cases = {"nulls": 0, "nan": 0, "failed": 0}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for seed in range(SEEDS):
            contract, data, table = world(random.Random(seed))
            (folder / "c.yaml").write_text(yaml.safe_dump(contract))
            cases["nulls"] += any(v is None for values in data.values() for v in values)
            cases["nan"] += has_nan(data)
            for kind in ("parquet", "csv", "jsonl"):
                if kind != "parquet" and has_nan(data):
                    continue  # Neither writes NaN.
                code, out, err = run("contract", "check", folder / "c.yaml", write(folder, kind, data, table), "--json")
                true(code in (0, 6), f"seed {seed} {kind}: exit {code}: {err}")
                report = json.loads(out)
                equal(code, 0 if report["ok"] else 6, "exit code")
                cases["failed"] += not report["ok"]
                compare(seed, kind, contract, data, report)
    common.say(f"{SEEDS} worlds, of them with nulls {cases['nulls']}, with NaN {cases['nan']}; reports that failed: {cases['failed']}")
    true(cases["nan"] > 5 and cases["nulls"] > 20, "the worlds hold what is hard")


def test_what_is_inferred_holds(server):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for seed in range(100, 100 + SEEDS // 2):
            _, data, table = world(random.Random(seed))
            for kind in ("parquet", "csv", "jsonl"):
                if kind != "parquet" and has_nan(data):
                    continue
                path = write(folder, kind, data, table)
                equal(run("contract", "infer", path, "-o", folder / "i.yaml")[0], 0, "infer")
                code, out, err = run("contract", "check", folder / "i.yaml", path)
                equal(code, 0, f"seed {seed} {kind}: {out}{err}")


def test_memory_is_bounded_and_keys_spill(server):
    """A million keys within 4 MiB: exact, and the same answer as with room."""
    contract = {"apiVersion": "v3.1.0", "kind": "DataContract", "id": "c", "version": "1", "status": "active",
                "schema": [{"name": "t", "properties": [{"name": "k", "logicalType": "string", "unique": True}]}]}
    dice, rows = random.Random(3), 300_000
    keys = [f"key-{dice.randrange(10**6)}" for _ in range(rows)]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "c.yaml").write_text(yaml.safe_dump(contract))
        pq.write_table(pa.table({"k": keys}), folder / "t.parquet")
        counts = set()
        for memory in ("4MiB", "1GiB"):
            _, out, _ = run("contract", "check", folder / "c.yaml", folder / "t.parquet", "--memory", memory, "--json")
            unique = next(c for c in json.loads(out)["checks"] if c["check"] == "unique")
            counts.add((unique["count"], tuple(s["row"] for s in unique["samples"])))
        bad = repeats(keys)
        equal(counts, {(len(bad), tuple(bad[:10]))}, "repeats")


if __name__ == "__main__":
    harness.run(globals())
