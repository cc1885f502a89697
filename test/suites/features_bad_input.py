"""Bad input to the feature store, as a table: each is refused with a status and a reason, and what is served stays as it was.

Then odd input that is legal, and what it means; and requests mutated at random, none of which may end in a 5xx or change what is served.
"""
import copy
import io
import json
import pathlib
import random
import sys
import tempfile
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402
from harness import equal, true  # noqa: E402
from dev import setup  # noqa: E402

sys.path.insert(0, str(setup.packages("pip_features")))
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

YAML = """
kind: Source
name: txn
columns: {user: int64, amount: float64, n: int32, word: string, tags: list<string>, at: timestamp}
event_time: ts
created_time: made
---
kind: FeatureView
name: last
entity: {user: int64}
source: txn
features: [amount, n, word, tags, at]
---
kind: FeatureView
name: spend
entity: {user: int64}
source: txn
aggregate:
  - {op: sum, of: amount, windows: [1h], as: spend}
  - {op: count, windows: [1h, 1d], as: n}
---
kind: FeatureView
name: words
entity: {word: string}
source: txn
features: [amount]
---
kind: OnDemand
name: share
inputs: {s: "spend:spend_1h"}
request: {part: float64}
features: {share: "request.part / s"}
---
kind: FeatureService
name: all
features: ["last:*", "spend:*", "share:share"]
"""
ROWS, ONLINE, PUSH, WRITE = "feature-sources/txn/rows", "/get-online-features", "/push", "/write-to-online-store"
GOOD = {"user": 1, "amount": 4.0, "n": 2, "word": "a", "tags": ["x"], "at": "2026-01-01T00:00:00Z", "ts": "2026-01-01T00:00:00Z"}
FRAME = {name: [value] for name, value in GOOD.items()}


def row(**changed):
    return {"rows": [{**GOOD, **changed}]}


def frame(**changed):
    return {"push_source_name": "txn", "df": {**FRAME, **changed}, "to": "online_and_offline"}


def ask(features, **entities):
    return {"features": features, "entities": entities}


REFUSED = [
    # what, path, body, status, reason (a part of the answer)
    ("no JSON", ROWS, b"{", 400, "json"),
    ("not an object", ROWS, [], 400, ""),
    ("no rows", ROWS, {"row": []}, 400, ""),
    ("rows are no list", ROWS, {"rows": {}}, 400, ""),
    ("a row is no object", ROWS, {"rows": [1]}, 400, ""),
    ("no event time", ROWS, {"rows": [{"user": 1}]}, 400, "ts"),
    ("a null event time", ROWS, row(ts=None), 400, "ts"),
    ("a time that is none", ROWS, row(ts="yesterday"), 400, "ts"),
    ("the 30th of February", ROWS, row(ts="2026-02-30T00:00:00Z"), 400, "ts"),
    ("a 25th hour", ROWS, row(ts="2026-01-01T25:00:00Z"), 400, "ts"),
    ("the year 10000", ROWS, row(ts="10000-01-01T00:00:00Z"), 400, "ts"),
    ("text for a number", ROWS, row(amount="many"), 400, "amount"),
    ("a fraction for a whole number", ROWS, row(n=1.5), 400, "n"),
    ("beyond int32", ROWS, row(n=2**31), 400, "n"),
    ("beyond int64", ROWS, row(user=2**63), 400, "user"),
    ("a list for a number", ROWS, row(amount=[1]), 400, "amount"),
    ("a number for a list", ROWS, row(tags=1), 400, "tags"),
    ("a null in a list", ROWS, row(tags=["a", None]), 400, "tags"),
    ("a column nobody knows", ROWS, row(price=1), 400, "price"),
    ("the second row is bad", ROWS, {"rows": [GOOD, {**GOOD, "n": "x"}]}, 400, "row"),
    ("where to", ROWS + "?to=nowhere", {"rows": [GOOD]}, 400, ""),
    ("no such source", "feature-sources/nope/rows", {"rows": [GOOD]}, 404, ""),
    ("too deep", ROWS, b'{"rows":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, ""),
    ("a half surrogate", ROWS, b'{"rows":[{"word":"\\ud800"}]}', 400, ""),
    ("no UTF-8", ROWS, b'{"rows":[{"word":"\xff"}]}', 400, ""),

    ("an unknown view", ONLINE, ask(["nope:x"], user=[1]), 404, "FeatureViewNotFoundException"),
    ("an unknown feature", ONLINE, ask(["last:nope"], user=[1]), 404, ""),
    ("an unknown service", ONLINE, {"feature_service": "nope", "entities": {"user": [1]}}, 404, "FeatureServiceNotFoundException"),
    ("no key", ONLINE, ask(["last:amount"], person=[1]), 400, "user"),
    ("keys of two lengths", ONLINE, ask(["last:amount", "words:amount"], user=[1, 2], word=["a"]), 400, ""),
    ("a key of another type", ONLINE, ask(["last:amount"], user=["x"]), 400, "user"),
    ("a key that is no list", ONLINE, ask(["last:amount"], user=1), 400, ""),
    ("no features", ONLINE, {"entities": {"user": [1]}}, 400, ""),
    ("features and a service", ONLINE, {"features": ["last:amount"], "feature_service": "all", "entities": {"user": [1]}}, 400, ""),
    ("a reference that is none", ONLINE, ask([":"], user=[1]), 400, ""),
    ("a number as reference", ONLINE, ask([7], user=[1]), 400, ""),
    ("the request's data are missing", ONLINE, ask(["share:share"], user=[1]), 400, "part"),

    ("no such push source", PUSH, {**frame(), "push_source_name": "nope"}, 422, "PushSourceNotFoundException"),
    ("no frame", PUSH, {"push_source_name": "txn"}, 400, ""),
    ("columns of two lengths", PUSH, frame(user=[1, 2, 3]), 400, ""),
    ("a column that is no list", PUSH, frame(amount=1), 400, ""),
    ("where a push goes", PUSH, {**frame(), "to": "away"}, 400, ""),
    ("a pushed text for a number", PUSH, frame(amount=["x"]), 400, "amount"),
    ("seconds beyond all time", PUSH, frame(ts=[10**17]), 400, "time"),
    ("a view that is none", WRITE, {"feature_view_name": "nope", "df": FRAME}, 404, "FeatureViewNotFoundException"),

    ("a span that ends before it begins", "/materialize", {"start_ts": "2026-02-01T00:00:00", "end_ts": "2026-01-01T00:00:00"}, 400, ""),
    ("no end", "/materialize-incremental", {}, 400, ""),
    ("a view to bring online that is none", "/materialize", {"start_ts": "2026-01-01T00:00:00", "end_ts": "2026-01-02T00:00:00",
                                                             "feature_views": ["nope"]}, 404, ""),

    ("a definition that is none", "features:plan", {"yaml": "kind: Nothing\nname: x\n"}, 400, ""),
    ("YAML that is none", "features:apply", {"yaml": "kind: [\n"}, 400, ""),
    ("a view over nothing", "features:apply", {"yaml": "kind: FeatureView\nname: v\nentity: {user: int64}\nsource: nope\nfeatures: [a]\n"}, 400, "nope"),
    ("an expression that is none", "features:apply", {"yaml": YAML.replace("request.part / s", "request.part /")}, 400, ""),
    ("an aggregate of text", "features:apply", {"yaml": YAML.replace("op: sum, of: amount", "op: sum, of: word")}, 400, ""),
    ("a window of nothing", "features:apply", {"yaml": YAML.replace("windows: [1h], as: spend", "windows: [0s], as: spend")}, 400, ""),
    ("what a service reads is gone", "features:apply?allow=warn", {"yaml": YAML.replace("features: [amount, n, word, tags, at]", "features: [n]")},
     409, ""),
    ("erase nobody", "features:erase", {"keys": {}}, 400, ""),
    ("a file that is none", "feature-sources/txn/files?format=parquet", b"PAR1 no", 400, ""),
    ("a format that is none", "feature-sources/txn/files?format=xlsx", b"", 400, ""),
    ("join what is no file", "features:join?format=csv&out=csv&features=last:amount", b"user\n1\n", 400, ""),
]


def probe(server):
    """What is served, and how many rows there are: what a refusal must leave as it is."""
    api = server.api()
    body = {"feature_service": "all", "entities": {"user": [1, 2, 3, 2**53 + 1, -1], "part": [1.0] * 5}}
    online = api.send("POST", ONLINE, body).json()["results"]
    count = json.loads(server.cli("feature", "erase", "--key", "user=1", "--dry-run", "--json"))["rows"]
    return [result["values"] for result in online], count


def test_what_is_refused_changes_nothing(server):
    with tempfile.TemporaryDirectory() as root:
        path = pathlib.Path(root) / "features.yaml"
        path.write_text(YAML)
        server.cli("feature", "apply", path)
    api = server.api()
    api.post(ROWS, {"rows": [GOOD, {**GOOD, "user": 2}]})
    before, wrong = probe(server), []
    for what, path, body, status, reason in REFUSED:
        reply = api.send("POST", path, body, check=False)
        text = reply.body.decode("utf-8", "replace")
        if reply.status != status or reason.lower() not in text.lower():
            wrong.append(f"{what}: {reply.status} {text[:200]} (want {status} {reason})")
    true(not wrong, "\n" + "\n".join(wrong))
    equal(probe(server), before, "what is served")


def parquet(**columns):
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def us(*values):
    return pa.array(values, pa.int64()).cast(pa.timestamp("us", "UTC"))


BAD_FILES = [
    ("without times", {"user": pa.array([1])}, "ts"),
    ("a null time", {"user": pa.array([1]), "ts": us(None)}, "row 0"),
    ("a column of another type", {"user": pa.array(["x"]), "ts": us(0)}, "user"),
    ("the second row too great", {"user": pa.array([1, 2]), "n": pa.array([1, 2**40]), "ts": us(0, 1)}, "row 1"),
    ("a nested column of ours", {"user": pa.array([1]), "amount": pa.array([{"a": 1}]), "ts": us(0)}, "amount"),
]


def test_a_bad_file_is_refused_whole(server):
    before, wrong = probe(server), []
    for what, columns, reason in BAD_FILES:
        reply = server.api().send("POST", "feature-sources/txn/files?format=parquet", parquet(**columns),
                                  {"Content-Type": "application/octet-stream"}, check=False)
        text = reply.body.decode()
        if reply.status != 400 or reason not in text:
            wrong.append(f"{what}: {reply.status} {text[:200]} (want 400 {reason})")
    good = parquet(user=pa.array([1]), ts=us(0))
    for what, body in (("cut", good[:-9]), ("bytes turned", good[:40] + bytes(b ^ 0x55 for b in good[40:90]) + good[90:])):
        reply = server.api().send("POST", "feature-sources/txn/files?format=parquet", body, {"Content-Type": "application/octet-stream"}, check=False)
        if reply.status != 400:
            wrong.append(f"{what}: {reply.status} {reply.body[:200]}")
    true(not wrong, "\n" + "\n".join(wrong))
    equal(probe(server), before, "what is served")


ODD = [
    # what, the row's changes, what is served afterwards (times as Feast has them: whole seconds)
    ("not a number", {"amount": "NaN"}, ("amount", None)),
    ("infinite", {"amount": "-Infinity"}, ("amount", None)),
    ("minus zero", {"amount": -0.0}, ("amount", -0.0)),
    ("a whole number for a real one", {"amount": 7}, ("amount", 7.0)),
    ("a real one that is whole", {"n": 7.0}, ("n", 7)),
    ("the least int32", {"n": -2**31}, ("n", -2**31)),
    ("an empty text", {"word": ""}, ("word", "")),
    ("a NUL in a text", {"word": "a\u0000b"}, ("word", "a\u0000b")),
    ("beyond the basic plane", {"word": "\U0001f600"}, ("word", "\U0001f600")),
    ("an empty list", {"tags": []}, ("tags", [])),
    ("a null list", {"tags": None}, ("tags", None)),
    ("the year 1", {"at": "0001-01-01T00:00:00Z"}, ("at", -62135596800)),
    ("the end of 9999", {"at": "9999-12-31T23:59:59.999999Z"}, ("at", 253402300799)),
    ("another zone", {"at": "2026-01-01T05:45:00+05:45"}, ("at", 1767225600)),
    ("a leap day", {"at": "2028-02-29T00:00:00Z"}, ("at", 1835395200)),
]


def test_odd_rows_that_are_legal(server):
    api, wrong = server.api(), []
    for i, (what, changed, (name, want)) in enumerate(ODD):
        reply = api.send("POST", ROWS, row(user=1000 + i, **changed), check=False)
        if reply.status >= 300:
            wrong.append(f"{what}: {reply.status} {reply.body[:200]}")
            continue
        got = api.send("POST", ONLINE, ask([f"last:{name}"], user=[1000 + i])).json()["results"][-1]
        if repr(got["values"]) != repr([want]):
            wrong.append(f"{what}: {got}, want {want!r}")
    harness.refused(api, "POST", ROWS, row(user=None), 400, "feature.null_key")
    equal(api.send("POST", ONLINE, ask(["last:amount"], user=[None])).json()["results"][-1]["values"], [None], "a null asked for")
    # Unsorted and repeated rows: the newest by time is served, and the repeat counts once more only in windows.
    rows = [{**GOOD, "user": 2000, "amount": float(i), "ts": f"2026-01-01T00:00:{i:02}Z"} for i in (5, 1, 9, 9, 3)]
    api.post(ROWS, {"rows": rows})
    equal(api.send("POST", ONLINE, ask(["last:amount"], user=[2000])).json()["results"][-1]["values"], [9.0], "the newest")
    true(not wrong, "\n" + "\n".join(wrong))


# ---------------------------------------------------------------- mutated at random
VALUES = [None, True, 0, -1, 2**31, 2**63, -2**63, 10**30, 0.5, 1e308, "", "x", "NaN", "\u0000", "a" * 70_000, [], {}, [[]], [None], {"a": 1}]


def places(node, path=()):
    out = [path]
    if isinstance(node, dict):
        out += [p for key, value in node.items() for p in places(value, path + (key,))]
    if isinstance(node, list):
        out += [p for i, value in enumerate(node) for p in places(value, path + (i,))]
    return out


def mutated(dice, body):
    out = copy.deepcopy(body)
    for _ in range(dice.choice([1, 1, 2])):
        path = dice.choice(places(out)[1:] or [()])
        if not path:
            return copy.deepcopy(dice.choice(VALUES))
        at = out
        for part in path[:-1]:
            at = at[part]
        how = dice.randrange(4)
        if how == 0 and isinstance(at, dict):
            del at[path[-1]]
        elif how == 1 and isinstance(at, dict):
            at[dice.choice(["", "x", "ts", "\u00fc" * 100, "__proto__"])] = copy.deepcopy(dice.choice(VALUES))
        elif how == 2 and isinstance(at, list):
            at.extend(copy.deepcopy(at) * dice.choice([1, 9]))
        else:
            at[path[-1]] = copy.deepcopy(dice.choice(VALUES))
    return out


MUTABLE = [
    (ROWS, {"rows": [{**GOOD, "user": 5000}]}),
    (ONLINE, {"features": ["last:amount", "spend:spend_1h"], "entities": {"user": [1, 2]}, "full_feature_names": True}),
    (PUSH, {"push_source_name": "txn", "df": {**FRAME, "user": [5000]}, "to": "online", "allow_registry_cache": True}),
    (WRITE, {"feature_view_name": "last", "df": {**FRAME, "user": [5000]}}),
    ("/materialize", {"start_ts": "2026-01-01T00:00:00", "end_ts": "2026-01-02T00:00:00", "feature_views": ["last"]}),
    ("features:materialize", {"views": ["last"], "start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}),
    ("features:erase", {"keys": {"user": 5000}, "reason": "x", "dry_run": True}),
    ("feature-services/all/verify", {"since": "1h", "limit": 10}),
]


def test_mutated_requests(server):
    dice, api = random.Random(7), server.api()
    keys = [1, 2]
    before = api.send("POST", ONLINE, ask(["last:*", "spend:*"], user=keys)).json()["results"]
    taken, refused = 0, 0
    for _ in range(1200):
        path, body = dice.choice(MUTABLE)
        body = mutated(dice, body)
        # Only rows of another user are written: what is asked for below stays.
        if '"user": [1' in json.dumps(body) or '"user": 1' in json.dumps(body):
            if path != ONLINE:
                continue
        reply = api.send("POST", path, json.dumps(body).encode(), {"Content-Type": "application/json"}, check=False)
        true(reply.status < 500, f"{path} {json.dumps(body)[:300]}: {reply.status} {reply.body[:300]}")
        taken, refused = taken + (reply.status < 300), refused + (reply.status >= 400)
    for _ in range(300):
        kind, name = dice.choice(["FeatureView", "Source", "nope", "%00", ""]), dice.choice(["last", "nope", "..", "%2e%2e", "a" * 5000])
        query = urllib.parse.quote(dice.choice(["", "?kind=x", "?version=-1", "?version=x"]), safe="?=")
        reply = api.send("GET", f"features/{kind}/{name}{query}", check=False)
        true(reply.status < 500, f"GET features/{kind}/{name[:20]}{query}: {reply.status} {reply.body[:300]}")
    equal(api.send("POST", ONLINE, ask(["last:*", "spend:*"], user=keys)).json()["results"], before, "what is served")
    true(taken > 50 and refused > 300, f"{taken} taken, {refused} refused")


if __name__ == "__main__":
    harness.run(globals())
