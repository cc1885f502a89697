"""Files as pandas and pyarrow write them, committed as datasets: schema and row count agree with what these read back."""
import io
import json
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402
from harness import equal, true  # noqa: E402
from dev import common, setup  # noqa: E402

# The wheel that the C++ build takes its libraries from is a Python package, too.
sys.path.append(str(setup.place("wheel", "pyarrow", common.read_lock()["wheel"]["pyarrow"])))
import pyarrow as pa  # noqa: E402
import pyarrow.csv as pacsv  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

SEEDS = 25


def column(dice, rows):
    """(arrow array, type as the server names it) of one kind, sometimes with nulls."""
    nulls = dice.random() < 0.5
    kind, name, value = dice.choice([
        (pa.int32(), "int32", lambda: dice.randrange(-2**31, 2**31)),
        (pa.uint8(), "uint8", lambda: dice.randrange(256)),
        (pa.int64(), "int64", lambda: dice.randrange(-2**63, 2**63)),
        (pa.float64(), "double", lambda: dice.uniform(-1e9, 1e9)),
        (pa.float32(), "float", lambda: float(dice.randrange(1 << 20)) / 8),
        (pa.bool_(), "bool", lambda: dice.random() < 0.5),
        (pa.string(), "string", lambda: dice.choice(["", "a", "two words", "\u00fc,\"x\"\n"]) + str(dice.randrange(9))),
        (pa.timestamp("ms"), "timestamp[ms]", lambda: dice.randrange(10**13)),
        (pa.date32(), "date32[day]", lambda: dice.randrange(20000)),
        (pa.list_(pa.int64()), None, lambda: [1, 2]),
    ])
    values = [None if nulls and dice.random() < 0.3 else value() for _ in range(rows)]
    return pa.array(values, kind), name


def table(dice):
    rows, kinds = dice.randrange(1, 300), {}
    arrays = {}
    for i in range(dice.randrange(1, 7)):
        arrays[f"c{i}"], kinds[f"c{i}"] = column(dice, rows)
    return pa.table(arrays), kinds


def commit(server, name, format_, data):
    return server.api().send("POST", f"datasets/{name}/versions?format={format_}", data).json()


def test_parquet_of_pyarrow(server):
    for seed in range(SEEDS):
        dice = random.Random(seed)
        wanted, kinds = table(dice)
        out = io.BytesIO()
        pq.write_table(wanted, out, compression=dice.choice(["none", "snappy", "zstd", "gzip"]),
                       row_group_size=dice.choice([7, 100, None]), use_dictionary=dice.random() < 0.5,
                       data_page_version=dice.choice(["1.0", "2.0"]))
        made = commit(server, f"parquet-{seed}", "parquet", out.getvalue())
        equal(made["rows"], wanted.num_rows, f"seed {seed}: rows")
        equal([c["name"] for c in made["schema"]], wanted.column_names, f"seed {seed}: columns")
        for c in made["schema"]:
            if kinds[c["name"]]:
                equal(c["type"], kinds[c["name"]], f"seed {seed}: type of {c['name']}")


def test_csv_types_agree_with_pyarrow(server):
    names = {pa.int64(): "int64", pa.float64(): "double", pa.bool_(): "bool", pa.string(): "string"}
    for seed in range(SEEDS):
        dice = random.Random(1000 + seed)
        rows = dice.randrange(1, 60)
        makers = [lambda: str(dice.randrange(-10**6, 10**6)), lambda: f"{dice.uniform(-9, 9):.3f}",
                  lambda: dice.choice(["true", "false"]), lambda: dice.choice(["x", "y, z", "q\"r"])]
        columns = [dice.choice(makers) for _ in range(dice.randrange(1, 6))]
        lines = [",".join(f"c{i}" for i in range(len(columns)))]
        for _ in range(rows):
            lines.append(",".join('"' + v.replace('"', '""') + '"' if "," in v or '"' in v or dice.random() < 0.2 else v
                                  for v in (make() for make in columns)))
        data = ("\n".join(lines) + "\n").encode()
        wanted = pacsv.read_csv(io.BytesIO(data))
        made = commit(server, f"csv-{seed}", "csv", data)
        equal(made["rows"], wanted.num_rows, f"seed {seed}: rows")
        equal([(c["name"], c["type"]) for c in made["schema"]],
              [(f.name, names[f.type]) for f in wanted.schema], f"seed {seed}: schema")


def test_jsonl_rows(server):
    for seed in range(SEEDS):
        dice = random.Random(2000 + seed)
        rows = [{"i": dice.randrange(-2**53, 2**53), "d": dice.uniform(-1, 1), "s": dice.choice(["\u00fc", "x\ny"]),
                 **({"o": [1]} if dice.random() < 0.5 else {})} for _ in range(dice.randrange(1, 40))]
        data = "".join(json.dumps(r, ensure_ascii=dice.random() < 0.5) + "\n" for r in rows).encode()
        made = commit(server, f"jsonl-{seed}", "jsonl", data)
        equal(made["rows"], len(rows), f"seed {seed}: rows")
        types = {c["name"]: c["type"] for c in made["schema"]}
        equal((types["i"], types["d"], types["s"]), ("int64", "double", "string"), f"seed {seed}: types")
        true(types.get("o", "json") == "json", "nested values are JSON")


def test_damaged_parquet_is_refused(server):
    whole = io.BytesIO()
    pq.write_table(pa.table({"a": list(range(1000)), "s": ["text"] * 1000}), whole)
    dice = random.Random(5)
    for _ in range(40):
        bad = bytearray(whole.getvalue())
        if dice.random() < 0.3:
            bad = bad[:dice.randrange(len(bad))]
        else:
            bad[dice.randrange(len(bad))] ^= 1 << dice.randrange(8)
        reply = server.api().refused("POST", "datasets/damaged/versions?format=parquet", bytes(bad))
        true(reply is None or reply.status == 400, f"a damaged file was answered by {reply and reply.status}")
    equal(server.api().send("GET", "status").status, 200, "the server lives on")


if __name__ == "__main__":
    harness.run(globals())
