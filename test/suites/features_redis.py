"""Features served from a real Redis: our packed rows, and Feast's own layout byte for byte with its unmodified 0.66 client.

What Feast's RedisOnlineStore writes is served here and what is written here is read by Feast, field for field; random histories
have the answers of the table in memory; both sides are killed, Redis is emptied, and nothing that was acknowledged is missing.
"""
import argparse
import contextlib
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from datetime import datetime, timedelta, timezone

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import harness  # noqa: E402
from harness import Server, equal, true, until  # noqa: E402
from dev import setup  # noqa: E402
import _redis_server as redis_server  # noqa: E402
from _redis_server import RedisServer  # noqa: E402

sys.path.insert(0, str(setup.packages("pip_features")))  # A whole environment of its own.
os.environ["FEAST_USAGE"] = "False"

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import redis  # noqa: E402
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType  # noqa: E402
from feast.types import Array, Bool, Bytes, Float32, Float64, Int32, Int64, String, UnixTimestamp  # noqa: E402

SKIPPED = 77
SEED = 20261128
NOW = datetime.now(timezone.utc).replace(microsecond=0)
OPTIONS = argparse.ArgumentParser()
OPTIONS.add_argument("--histories", type=int, default=300)
OPTIONS.add_argument("--only", default="")
ASKED = OPTIONS.parse_args()

VIEWS = """
kind: Source
name: stats
columns: {driver_id: int64, zone: string, rate: float32, exact: float64, trips: int64, small: int32, city: string, raw: bytes,
          active: bool, at: timestamp, many: list<int64>, names: list<string>, parts: list<float32>}
event_time: event_timestamp
created_time: created
---
kind: FeatureView
name: hourly
entity: {driver_id: int64}
source: stats
features: [rate, exact, trips, small, city, raw, active, at, many, names, parts]
---
kind: FeatureView
name: pairs
entity: {zone: string, driver_id: int64}
source: stats
features: [trips, city]
ttl: 2d
"""

SPEND = """
kind: Source
name: txn
columns: {user_id: int64, amount: float64, place: string}
event_time: ts
---
kind: FeatureView
name: latest
entity: {user_id: int64}
source: txn
features: [amount, place]
ttl: 3h
"""
WINDOWS = """
---
kind: FeatureView
name: spend
entity: {user_id: int64}
source: txn
aggregate:
  - {op: sum, of: amount, windows: [7d], as: spend}
  - {op: count, windows: [7d], as: n}
"""


class Place:
    """Servers and a Redis of one test, gone with it."""

    def __init__(self):
        self.stack = contextlib.ExitStack()
        self.root = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="slipway-redis-")))
        self.servers = []

    def redis(self, **options):
        return self.stack.enter_context(RedisServer(**options))

    def server(self, name, *args, env=None):
        server = Server(harness.BINARY, self.root / name, args, env=env)
        self.servers.append(server)
        self.stack.callback(server.kill)
        return server.start()

    def tails(self):
        return "\n".join(f"{s.data.name}:\n{s.tail(15)}" for s in self.servers)


def iso(at):
    return at.isoformat()


def define(server, yaml):
    return server.api().post("features:apply", {"yaml": yaml})


def push(api, source, rows):
    return api.post(f"feature-sources/{source}/rows", {"rows": rows})


def online(api, features, entities, check=True):
    return api.send("POST", "/get-online-features", {"features": features, "entities": entities}, check=check)


def values(api, features, entities):
    """{feature: [(value, status)]}"""
    reply = online(api, features, entities).json()
    return {name: list(zip(r["values"], r["statuses"]))
            for name, r in zip(reply["metadata"]["feature_names"], reply["results"])}


def dump(client):
    """Everything but what servers tell each other."""
    out = {}
    for key in client.scan_iter(count=1000):
        if key.startswith(b"slipway:servers"):
            continue
        out[key] = client.hgetall(key) if client.type(key) == b"hash" else client.get(key)
    return out


# ---- Feast's own client

def feast_store(root, port, db, project="default", **online_store):
    root.mkdir(parents=True, exist_ok=True)
    extra = "".join(f"  {k}: {v}\n" for k, v in online_store.items())
    (root / "feature_store.yaml").write_text(
        f"project: {project}\nregistry: {root}/registry.db\nprovider: local\nentity_key_serialization_version: 3\n"
        f"offline_store: {{type: file}}\nonline_store:\n  type: redis\n  connection_string: \"127.0.0.1:{port},db={db}\"\n{extra}")
    store = FeatureStore(str(root))
    (root / "none.parquet").touch()
    source = FileSource(name="stats", path=str(root / "none.parquet"), timestamp_field="event_timestamp",
                        created_timestamp_column="created")
    driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
    zone = Entity(name="zone", join_keys=["zone"], value_type=ValueType.STRING)
    types = {"rate": Float32, "exact": Float64, "trips": Int64, "small": Int32, "city": String, "raw": Bytes, "active": Bool,
             "at": UnixTimestamp, "many": Array(Int64), "names": Array(String), "parts": Array(Float32)}
    fields = [Field(name=n, dtype=t) for n, t in types.items()]
    hourly = FeatureView(name="hourly", entities=[driver], ttl=timedelta(0), schema=fields, source=source, online=True)
    pairs = FeatureView(name="pairs", entities=[zone, driver], ttl=timedelta(days=2), source=source, online=True,
                        schema=[Field(name="trips", dtype=Int64), Field(name="city", dtype=String)])
    # What apply() infers from files isn't needed here: every type is named.
    for thing in (driver, zone):
        store.registry.apply_entity(thing, project, commit=True)
    for view in (hourly, pairs):
        view.entity_columns = [Field(name="driver_id", dtype=Int64)] if view is hourly else [
            Field(name="zone", dtype=String), Field(name="driver_id", dtype=Int64)]
        store.registry.apply_feature_view(view, project, commit=True)
    return store


def stats_rows(rng, count):
    """Few drivers, ties, late rows and nulls; as the JSON of a push."""
    rows = []
    for n in range(count):
        at = NOW - timedelta(minutes=rng.randrange(1, 600), microseconds=rng.choice([0, 0, 1, 999_999]))
        maybe = lambda value: None if rng.random() < 0.12 else value  # noqa: E731
        rows.append({
            "driver_id": 1000 + rng.randrange(8), "zone": rng.choice(["", "Köln", "z-1"]), "event_timestamp": iso(at),
            "created": iso(at + timedelta(seconds=n)), "rate": maybe(float(np.float32(n / 7))), "exact": maybe(n / 3),
            "trips": maybe(n), "small": maybe(-n), "city": maybe(rng.choice(["Oslo", "", "Ålesund"])),
            "raw": maybe("AAEC/w=="), "active": maybe(bool(n % 2)), "at": maybe(iso(NOW - timedelta(seconds=n))),
            "many": maybe([n, -n]), "names": maybe(["a", ""]), "parts": maybe([0.5, float(np.float32(0.1))])})
    return rows


def newest(rows, keys):
    """Of each entity the row that holds; the pushed order is the last word."""
    best = {}
    for n, row in enumerate(rows):
        key = tuple(row[k] for k in keys)
        rank = (row["event_timestamp"], row["created"], n)
        if key not in best or rank > best[key][0]:
            best[key] = (rank, row)
    return [row for _, row in best.values()]


def stats_frame(rows):
    frame = pd.DataFrame(rows)
    for name in ("event_timestamp", "created", "at"):
        frame[name] = pd.to_datetime(frame[name], format="ISO8601", utc=True)
    for name, dtype in (("trips", "Int64"), ("small", "Int32"), ("active", "boolean")):
        frame[name] = frame[name].astype(dtype)
    frame["rate"] = frame["rate"].astype("float32")
    import base64
    frame["raw"] = [None if v is None else base64.b64decode(v) for v in frame["raw"]]
    return frame


def feast_write(store, view, frame):
    """As its write_to_online_store does, past what it infers of pandas' types: protos straight to the store."""
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value
    from feast.type_map import python_values_to_proto_values
    fv = store.get_feature_view(view)
    data = []
    for row in frame.to_dict("records"):
        keys = [c.name for c in fv.entity_columns]
        values_of = []
        for c in fv.entity_columns:
            values_of.append(python_values_to_proto_values([row[c.name]], c.dtype.to_value_type())[0])
        features = {}
        for f in fv.features:
            value = row[f.name]
            empty = value is None or (not isinstance(value, list) and pd.isna(value))
            features[f.name] = Value() if empty else python_values_to_proto_values([value], f.dtype.to_value_type())[0]
        data.append((EntityKey(join_keys=keys, entity_values=values_of), features, row["event_timestamp"].to_pydatetime(),
                     row["created"].to_pydatetime()))
    store._get_provider().online_write_batch(store.config, fv, data, None)


def test_hashes_are_feasts_to_the_byte(place):
    server = place.redis()
    ours = place.server("ours", "--redis-url", server.url(0), "--redis-layout", "feast")
    define(ours, VIEWS)
    rng = random.Random(SEED)
    rows = stats_rows(rng, 200)
    api = ours.api()
    for n in range(0, len(rows), 7):
        push(api, "stats", rows[n:n + 7])
    theirs = feast_store(place.root / "feast", server.port, 1)
    for view, keys in (("hourly", ["driver_id"]), ("pairs", ["zone", "driver_id"])):
        feast_write(theirs, view, stats_frame(newest(rows, keys)))
    a, b = redis.Redis(port=server.port, db=0), redis.Redis(port=server.port, db=1)
    left, right = dump(a), dump(b)
    equal(len(left), len(right), "keys")
    true(len(left) > 20, f"there are entities: {len(left)}")
    for key, want in right.items():
        equal(left.get(key), want, f"hash of {key!r}")


def test_feast_reads_what_is_written_here(place):
    server = place.redis()
    ours = place.server("ours", "--redis-url", server.url(3), "--redis-layout", "feast")
    define(ours, VIEWS)
    rows = stats_rows(random.Random(SEED + 1), 150)
    push(ours.api(), "stats", rows)
    store = feast_store(place.root / "feast", server.port, 3)
    drivers = sorted({r["driver_id"] for r in rows}) + [9]
    got = store.get_online_features(features=["hourly:rate", "hourly:trips", "hourly:city", "hourly:many", "hourly:raw"],
                                    entity_rows=[{"driver_id": d} for d in drivers]).to_dict()
    best = {r["driver_id"]: r for r in newest(rows, ["driver_id"])}
    for n, driver in enumerate(drivers):
        want = best.get(driver, {})
        for name in ("rate", "trips", "city", "many"):
            equal(got[name][n], want.get(name), f"{name} of driver {driver}")
    pairs = sorted({(r["zone"], r["driver_id"]) for r in rows})
    two = store.get_online_features(features=["pairs:trips"], entity_rows=[{"zone": z, "driver_id": d} for z, d in pairs]).to_dict()
    held = {(r["zone"], r["driver_id"]): r for r in newest(rows, ["zone", "driver_id"])}
    equal(two["trips"], [held[p]["trips"] for p in pairs], "two keys")


def test_what_feast_writes_is_served(place):
    server = place.redis()
    ours = place.server("ours", "--redis-url", server.url(2), "--redis-layout", "feast")
    define(ours, VIEWS)
    rows = newest(stats_rows(random.Random(SEED + 2), 120), ["driver_id"])
    store = feast_store(place.root / "feast", server.port, 2)
    feast_write(store, "hourly", stats_frame(rows))
    api = ours.api()
    features = ["hourly:" + f for f in ("rate", "exact", "trips", "small", "city", "raw", "active", "many", "names", "parts")]
    got = values(api, features, {"driver_id": [r["driver_id"] for r in rows] + [9]})
    for name, column in got.items():
        if name == "driver_id":
            continue
        for (value, status), row in zip(column, rows):
            equal((value, status), (row[name], "NULL_VALUE" if row[name] is None else "PRESENT"), f"{name} of {row['driver_id']}")
        equal(column[-1], (None, "NOT_FOUND"), "nobody")
    # An older row never replaces a newer one, whoever wrote that.
    old = dict(rows[0], trips=-5, event_timestamp=iso(NOW - timedelta(days=3)))
    push(api, "stats", [old])
    equal(values(api, ["hourly:trips"], {"driver_id": [rows[0]["driver_id"]]})["trips"][0][0], rows[0]["trips"], "Feast's row is newer")
    fresh = dict(rows[0], trips=77, event_timestamp=iso(NOW))
    push(api, "stats", [fresh])
    equal(values(api, ["hourly:trips"], {"driver_id": [rows[0]["driver_id"]]})["trips"], [(77, "PRESENT")], "ours is")
    equal(store.get_online_features(features=["hourly:trips"], entity_rows=[{"driver_id": rows[0]["driver_id"]}]).to_dict()["trips"],
          [77], "and Feast reads it")


def test_feasts_times_to_live_names_and_limits(place):
    server = place.redis()
    client = redis.Redis(port=server.port, db=0)
    ours = place.server("ours", "--redis-url", server.url(0), "--redis-layout", "feast", "--redis-expire-s", "3600",
                        "--redis-versioned-names")
    refused = ours.api().refused("POST", "features:apply", {"yaml": SPEND + WINDOWS})
    equal((refused.status, refused.code), (400, "feature.redis_layout"), "windows have no place there")
    true("--redis-layout packed" in str(refused.body), "what helps is said")
    equal(ours.api().get("features")["items"], [], "nothing was applied")
    define(ours, SPEND)
    api = ours.api()
    push(api, "txn", [{"user_id": 1, "amount": 2.5, "place": "x", "ts": iso(NOW)}])
    key, fields = next(iter(dump(client).items()))
    true(0 < client.ttl(key) <= 3600, "the entity expires")
    true(b"_ts:latest_v1" in fields, f"versioned names: {list(fields)}")
    push(api, "txn", [{"user_id": 1, "ts": iso(NOW), "_deleted": True}])
    equal(dump(client), {}, "a tombstone takes it away")
    # A row of the future waits, as everywhere.
    push(api, "txn", [{"user_id": 2, "amount": 1.0, "ts": iso(datetime.now(timezone.utc) + timedelta(seconds=2))}])
    equal(values(api, ["latest:amount"], {"user_id": [2]})["amount"], [(None, "NOT_FOUND")], "the future")
    until("the row's time", lambda: values(api, ["latest:amount"], {"user_id": [2]})["amount"] == [(1.0, "PRESENT")], 10)


# ---- the same answers as from memory

def history_rows(rng, base):
    rows = []
    for _ in range(rng.randrange(1, 8)):
        row = {"user_id": base + rng.randrange(3), "ts": iso(NOW - timedelta(minutes=rng.choice([0, 1, 1, 5, 30, 170, 190, 6000]))),
               "place": rng.choice(["a", "b", None]), "amount": None if rng.random() < 0.2 else rng.uniform(-10, 10)}
        if rng.random() < 0.1:
            row = {"user_id": row["user_id"], "ts": row["ts"], "_deleted": True}
        rows.append(row)
    return rows


def test_answers_are_those_of_memory(place):
    server = place.redis()
    memory = place.server("memory")
    packed = place.server("packed", "--redis-url", server.url(0))
    replica = place.server("replica", "--redis-url", server.url(0))
    feast = place.server("feast", "--redis-url", server.url(1), "--redis-layout", "feast")
    define(memory, SPEND + WINDOWS)
    define(packed, SPEND + WINDOWS)
    define(replica, SPEND + WINDOWS)
    define(feast, SPEND)
    apis = {s: s.api() for s in (memory, packed, replica, feast)}
    rng = random.Random(SEED + 3)
    statuses = set()
    for history in range(ASKED.histories):
        base = history * 10
        for _ in range(rng.randrange(1, 4)):
            rows = history_rows(rng, base)
            for s in (memory, packed, feast):
                push(apis[s], "txn", rows)
        users = {"user_id": [base + n for n in range(4)]}
        plain, windows = ["latest:amount", "latest:place"], ["spend:spend_7d", "spend:n_7d"]
        want = online(apis[memory], plain, users).json()
        for s in (packed, replica, feast):
            equal(online(apis[s], plain, users).json(), want, f"history {history} at {s.data.name}")
        want_windows = values(apis[memory], windows, users)
        for s in (packed, replica):
            equal(values(apis[s], windows, users), want_windows, f"windows of history {history} at {s.data.name}")
        for r in want["results"]:
            statuses.update(r["statuses"])
    equal(statuses, {"PRESENT", "NULL_VALUE", "NOT_FOUND", "OUTSIDE_MAX_AGE"}, "every status was seen")
    # Where windows are counted is one server's business; plain rows are anybody's.
    refused = apis[replica].refused("POST", "feature-sources/txn/rows", {"rows": [{"user_id": 1, "amount": 1.0, "ts": iso(NOW)}]})
    equal((refused.status, refused.code), (409, "feature.redis_writer"), "another server's windows")


def test_several_servers_write_plain_rows(place):
    server = place.redis()
    servers = [place.server(f"s{n}", "--redis-url", server.url()) for n in range(3)]
    for s in servers:
        define(s, SPEND)
    rng = random.Random(SEED + 4)
    rows = [{"user_id": rng.randrange(20), "amount": float(n), "place": "p", "ts": iso(NOW - timedelta(seconds=rng.randrange(9000)))}
            for n in range(900)]
    unique = list({(r["user_id"], r["ts"]): r for r in rows}.values())
    failed = []

    def write(s, part):
        try:
            api = s.api()
            for n in range(0, len(part), 5):
                push(api, "txn", part[n:n + 5])
        except Exception as error:  # pylint: disable=broad-except — told below
            failed.append(error)

    threads = [threading.Thread(target=write, args=(s, unique[n::3])) for n, s in enumerate(servers)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    equal(failed, [], "writers")
    best = {}
    for r in unique:
        if r["user_id"] not in best or r["ts"] > best[r["user_id"]]["ts"]:
            best[r["user_id"]] = r
    users = sorted(best)
    for s in servers:
        got = values(s.api(), ["latest:amount"], {"user_id": users})["amount"]
        equal([v for v, _ in got], [best[u]["amount"] for u in users], f"at {s.data.name}")


# ---- faults

def never_absent(api, users, seconds, done):
    """Reads until done(): each answer is 503 with its reason, or has every user."""
    refusals, deadline = 0, time.monotonic() + seconds
    while not done():
        reply = online(api, ["latest:amount"], {"user_id": users}, check=False)
        if reply.status == 503:
            refusals += 1
            true(reply.headers["Retry-After"] is not None, "when to come again")
            true(b"redis" in reply.body.lower(), f"the reason: {reply.body}")
        else:
            equal(reply.status, 200, f"status ({reply.body[:200]})")
            statuses = set(reply.json()["results"][1]["statuses"])
            equal(statuses, {"PRESENT"}, "nobody is missing")
        true(time.monotonic() < deadline, f"it isn't back after {seconds} s")
    return refusals


def test_redis_is_killed_emptied_and_back(place):
    server = place.redis()
    ours = place.server("ours", "--redis-url", server.url())
    define(ours, SPEND + WINDOWS)
    api = ours.api()
    count = 400
    for n in range(0, count, 50):
        push(api, "txn", [{"user_id": n + m, "amount": 1.0, "place": "x", "ts": iso(NOW)} for m in range(50)])
    users = list(range(count))
    equal(never_absent(api, users, 5, iter([False, True]).__next__), 0, "it is up")
    server.kill()
    push(api, "txn", [{"user_id": count, "amount": 2.0, "ts": iso(NOW)}])  # Acknowledged all the same.
    reply = online(api, ["latest:amount"], {"user_id": [0]}, check=False)
    equal((reply.status, reply.headers["Retry-After"] is not None), (503, True), "a reading while it is gone")
    true(ours.api().get("status")["redis"]["pending"] > 0, "what waits is shown")
    metrics = ours.api().send("GET", "/metrics").body.decode()
    true("slipway_redis_up 0" in metrics and "slipway_redis_pending_entities" in metrics, "and measured")
    server.start()  # Empty.
    users.append(count)
    full = lambda: online(api, ["latest:amount"], {"user_id": [0]}, check=False).status == 200  # noqa: E731
    never_absent(api, users, 20, full)
    equal(never_absent(api, users, 5, iter([False, True]).__next__), 0, "it is whole again")
    equal(values(api, ["spend:n_7d"], {"user_id": [0, count]})["n_7d"], [(1, "PRESENT"), (1, "PRESENT")], "windows too")
    # Emptied under load, again and again.
    client = redis.Redis(port=server.port)
    for _ in range(5):
        client.flushall()
        refusals = never_absent(api, users, 20, lambda: client.dbsize() > count * 2)
        true(refusals > 0, "an empty Redis answers nothing")
        never_absent(api, users, 20, full)
    equal(json.loads(ours.cli("feature", "materialize", "--rebuild-online", "--json"))["entities"], 2 * (count + 1), "rebuilt by hand")


def test_redis_goes_back_in_time(place):
    """A snapshot from before comes back: what is read then is refused or new, and what was erased is gone."""
    for layout, yaml in (("packed", SPEND + WINDOWS), ("feast", SPEND)):
        server = place.redis()
        client = redis.Redis(port=server.port)
        ours = place.server(f"{layout}-one", "--redis-url", server.url(), "--redis-layout", layout)
        reader = place.server(f"{layout}-two", "--redis-url", server.url(), "--redis-layout", layout)
        for s in (ours, reader):
            define(s, yaml)
        api, users = ours.api(), list(range(50))

        def pushed(amount, of=users, to=api):
            push(to, "txn", [{"user_id": u, "amount": amount, "place": "x", "ts": iso(datetime.now(timezone.utc))} for u in of])

        def only_new(amount, seconds=20):
            """Reads at both until both answer: each answer is a 503 or what was pushed last."""
            refused, deadline, waiting = 0, time.monotonic() + seconds, {ours, reader}
            while waiting:
                for s in list(waiting):
                    reply = online(s.api(), ["latest:amount"], {"user_id": users}, check=False)
                    if reply.status == 503:
                        refused += 1
                        true(b"redis" in reply.body.lower(), f"the reason: {reply.body}")
                        continue
                    equal(reply.status, 200, f"status ({reply.body[:200]})")
                    equal(set(reply.json()["results"][1]["values"]), {amount}, f"{layout}: what {s.data.name} answers")
                    waiting.discard(s)
                true(time.monotonic() < deadline, f"{layout}: it isn't back after {seconds} s")
            return refused

        pushed(1.0)
        client.save()
        old = (server.root / "dump.rdb").read_bytes()
        pushed(2.0)
        pushed(2.0, [77])
        equal(only_new(2.0), 0, "all is well")
        server.kill()
        (server.root / "dump.rdb").write_bytes(old)
        server.start()
        true(only_new(2.0) > 0, f"{layout}: it was noticed")
        equal(values(api, ["latest:amount"], {"user_id": [77]})["amount"], [(2.0, "PRESENT")], "what it never had")
        true("slipway_redis_returns_total 1" in api.send("GET", "/metrics").body.decode(), "and counted")
        # While the server is away, too; and once more with an erasure that the older one doesn't know.
        client.save()
        old = (server.root / "dump.rdb").read_bytes()
        pushed(3.0)
        ours.cli("feature", "erase", "--key", "user_id=77", "--reason", "asked")
        equal(only_new(3.0), 0, "all is well again")
        ours.kill()
        server.kill()
        (server.root / "dump.rdb").write_bytes(old)
        server.start()
        asked = lambda: online(reader.api(), ["latest:amount"], {"user_id": [1]}, check=False)  # noqa: E731
        reply = until("the reader to see it", lambda: (r := asked()).status == 503 and b"older" in r.body and r)
        true(reply.headers["Retry-After"] is not None, "when to come again")
        ours.start()
        only_new(3.0)
        equal(values(ours.api(), ["latest:amount"], {"user_id": [77]})["amount"], [(None, "NOT_FOUND")], "what was erased stays away")
        ours.stop()
        reader.stop()


def test_a_key_of_another_type_is_one_entitys_trouble(place):
    user = 0x1122334455667788
    for layout, db in (("packed", 0), ("feast", 1)):
        server = place.redis()
        client = redis.Redis(port=server.port, db=db)
        ours = place.server(f"{layout}-types", "--redis-url", server.url(db), "--redis-layout", layout)
        define(ours, SPEND)
        api = ours.api()
        push(api, "txn", [{"user_id": u, "amount": 5.0, "place": "x", "ts": iso(NOW)} for u in (user, 2)])
        key = next(k for k in dump(client) if any(user.to_bytes(8, order) in k for order in ("little", "big")))
        client.delete(key)
        if layout == "packed":
            client.hset(key, "x", "y")
        else:
            client.set(key, "y")
        refused = online(api, ["latest:amount"], {"user_id": [user]}, check=False)
        equal((refused.status, b"a value in Redis" in refused.body), (500, True), f"{layout}: who asks for it ({refused.body})")
        equal(values(api, ["latest:amount"], {"user_id": [2]})["amount"], [(5.0, "PRESENT")], f"{layout}: nobody else minds")
        read = lambda: online(api, ["latest:amount"], {"user_id": [user]}, check=False)  # noqa: E731
        until("it to be written again", lambda: read().status == 200, 20)
        equal(values(api, ["latest:amount"], {"user_id": [user]})["amount"], [(5.0, "PRESENT")], f"{layout}: as it was")
        true("slipway_redis_damaged_total 0" not in api.send("GET", "/metrics").body.decode(), "it is counted")
        if layout == "packed":  # What can't be read and nobody knows: gone, once all servers have said so.
            other = place.server("types-two", "--redis-url", server.url(db))
            define(other, SPEND)
            until("both", lambda: read().status == 200, 20)
            stray = next((user + 1).to_bytes(8, o) for o in ("little", "big") if user.to_bytes(8, o) in key)
            client.set(key.replace(user.to_bytes(8, "little"), stray).replace(user.to_bytes(8, "big"), stray), "rubbish")
            ask = lambda: online(api, ["latest:amount"], {"user_id": [user + 1]}, check=False)  # noqa: E731
            equal(ask().status, 500, "nobody can read it")
            until("it to go", lambda: ask().status == 200, 20)
            equal(values(api, ["latest:amount"], {"user_id": [user + 1]})["amount"], [(None, "NOT_FOUND")], "and is nobody's")
            other.stop()
        ours.stop()


def test_slipway_is_killed_under_load(place):
    server = place.redis(durable=True)
    ours = place.server("ours", "--redis-url", server.url())
    define(ours, SPEND + WINDOWS)
    rng = random.Random(SEED + 5)
    acked = {}
    for round_ in range(6):
        stop = threading.Event()

        def write(part, stop=stop):
            api, n = ours.api(), 0
            while not stop.is_set():
                user, amount = part * 1000 + n % 50, float(n + 1 + 1000 * round_)
                try:
                    push(api, "txn", [{"user_id": user, "amount": amount, "place": "p",
                                       "ts": iso(NOW + timedelta(milliseconds=n + 20_000 * round_) - timedelta(hours=1))}])
                except Exception:  # pylint: disable=broad-except — it was killed
                    return
                acked[user] = amount
                n += 1

        threads = [threading.Thread(target=write, args=(part,)) for part in range(3)]
        for t in threads:
            t.start()
        time.sleep(rng.uniform(0.2, 0.8))
        if round_ % 2:
            server.kill()  # Both at once, Redis first.
            time.sleep(rng.uniform(0, 0.2))
        ours.kill()
        stop.set()
        for t in threads:
            t.join()
        if round_ % 2:
            server.start()
        ours.start()
        api = ours.api()
        until("readings", lambda: online(api, ["latest:amount"], {"user_id": [0]}, check=False).status == 200, 20)
        users = sorted(acked)
        got = values(api, ["latest:amount"], {"user_id": users})["amount"]
        for user, (value, status) in zip(users, got):
            true(status == "PRESENT" and value >= acked[user], f"user {user}: {value} {status}, acknowledged {acked[user]}")
    true(len(acked) > 100, f"there was load: {len(acked)}")


def test_a_replica_serves_while_the_other_is_gone(place):
    server = place.redis(durable=True)
    one = place.server("one", "--redis-url", server.url())
    two = place.server("two", "--redis-url", server.url())
    for s in (one, two):
        define(s, SPEND + WINDOWS)
    push(one.api(), "txn", [{"user_id": 1, "amount": 5.0, "ts": iso(NOW)}])
    one.kill()
    api = two.api()
    equal(values(api, ["latest:amount", "spend:spend_7d"], {"user_id": [1]})["spend_7d"], [(5.0, "PRESENT")], "what the other took")
    redis.Redis(port=server.port).flushall()
    reply = until("the loss to be seen", lambda: (r := online(api, ["latest:amount"], {"user_id": [1]}, check=False)).status == 503 and r)
    true("another server" in reply.body.decode() or "filled" in reply.body.decode(), f"rows of the other are missing: {reply.body}")
    time.sleep(1.5)  # Its own part is there again.
    equal(online(api, ["latest:amount"], {"user_id": [1]}, check=False).status, 503, "still")
    one.start()
    until("both", lambda: online(api, ["latest:amount"], {"user_id": [1]}, check=False).status == 200, 20)
    equal(values(api, ["latest:amount"], {"user_id": [1]})["amount"], [(5.0, "PRESENT")], "and it is back")
    # Given up by hand, at one server and for all of them; and it comes back all the same.
    three = place.server("three", "--redis-url", server.url())
    define(three, SPEND + WINDOWS)
    answers = lambda s: online(s.api(), ["latest:amount"], {"user_id": [1]}, check=False).status == 200  # noqa: E731
    until("all three", lambda: answers(three) and answers(two), 20)
    one.kill()
    redis.Redis(port=server.port).flushall()
    until("the loss to be seen", lambda: not answers(two) and not answers(three))
    two.cli("feature", "materialize", "--rebuild-online")
    until("both that are left", lambda: answers(two) and answers(three), 20)
    equal(values(api, ["latest:amount"], {"user_id": [1]})["amount"], [(None, "NOT_FOUND")], "what only the other had")
    one.start()
    until("all three again", lambda: answers(two) and values(api, ["latest:amount"], {"user_id": [1]})["amount"] == [(5.0, "PRESENT")], 20)


def test_several_servers_wipe_one_redis(place):
    """Each has erased something that an older Redis has again: all goes, and whatever answers meanwhile is whole."""
    server = place.redis()
    client = redis.Redis(port=server.port)
    servers = [place.server(f"w{n}", "--redis-url", server.url()) for n in range(3)]
    for s in servers:
        define(s, SPEND)
    users = list(range(600))
    for n, s in enumerate(servers):
        push(s.api(), "txn", [{"user_id": u, "amount": 1.0, "place": "x", "ts": iso(NOW)} for u in users[n::3]])
        push(s.api(), "txn", [{"user_id": 1000 + n, "amount": 1.0, "place": "secret", "ts": iso(NOW)}])
    true(any(b"secret" in repr(v).encode() for v in dump(client).values()), "the older one has them")
    client.save()
    old = (server.root / "dump.rdb").read_bytes()
    for n, s in enumerate(servers):
        s.cli("feature", "erase", "--key", f"user_id={1000 + n}", "--reason", "asked")
    server.kill()
    (server.root / "dump.rdb").write_bytes(old)
    server.start()
    for s in servers:
        never_absent(s.api(), users, 30, lambda s=s: online(s.api(), ["latest:amount"], {"user_id": [0]}, check=False).status == 200)
    for _ in range(20):
        for s in servers:
            never_absent(s.api(), users, 5, iter([False, True]).__next__)
    true(not any(b"secret" in repr(v).encode() for v in dump(client).values()), "what was erased is gone")


def test_erasure_and_removal_reach_redis(place):
    server = place.redis()
    for name, layout, db, yaml in (("packed", "packed", 0, SPEND + WINDOWS), ("feast", "feast", 1, SPEND)):
        ours = place.server(name, "--redis-url", server.url(db), "--redis-layout", layout)
        define(ours, yaml)
        api, client = ours.api(), redis.Redis(port=server.port, db=db)
        push(api, "txn", [{"user_id": 7, "amount": 5.0, "place": "secret place", "ts": iso(NOW)},
                          {"user_id": 8, "amount": 6.0, "place": "there", "ts": iso(NOW)}])
        true(any("secret place" in repr(v) for v in dump(client).values()), f"{name}: it lies there")
        ours.cli("feature", "erase", "--key", "user_id=7", "--reason", "asked")
        true(not any("secret place" in repr(v) for v in dump(client).values()), f"{name}: it is gone from Redis")
        equal([s for _, s in values(api, ["latest:amount"], {"user_id": [7, 8]})["amount"]], ["NOT_FOUND", "PRESENT"], name)
        # What nobody here has written, of the same entity.
        if layout == "feast":
            key = next(k for k in dump(client) if len(k) > 8)
            other = key.replace((8).to_bytes(8, "little"), (9).to_bytes(8, "little"))
            client.hset(other, mapping=client.hgetall(key))
            equal(values(api, ["latest:amount"], {"user_id": [9]})["amount"][0][1], "PRESENT", "another's row")
            ours.cli("feature", "erase", "--key", "user_id=9", "--reason", "asked")
            true(not client.exists(other), "another's row of the entity goes as well")
        server.kill()
        refused = api.refused("POST", "features:erase", {"keys": {"user_id": 8}})
        equal(refused.status, 503, "an erasure that can't be finished isn't acknowledged")
        server.start()
        until("the erasure", lambda: not any("there" in repr(v) for v in dump(client).values()) and client.dbsize(), 30)
        push(api, "txn", [{"user_id": 10, "amount": 6.0, "place": "x", "ts": iso(NOW)}])
        for view in ("spend", "latest"):
            if view in yaml:
                ours.cli("feature", "delete", "FeatureView", view)
        until("the views' rows to go", lambda: dump(client) == {}, 20)
        ours.stop()


def test_passwords_and_tls(place):
    secret = "pa$$ word/9"
    import urllib.parse
    tls = place.root / "tls"
    tls.mkdir()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", tls / "key.pem", "-out", tls / "cert.pem",
                    "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    server = place.redis(password=urllib.parse.quote(secret, safe=""), tls=tls)
    server.password = urllib.parse.quote(urllib.parse.quote(secret, safe=""), safe="")
    ours = place.server("ours", "--redis-ca-file", str(tls / "cert.pem"), env={"SLIPWAY_REDIS_URL": server.url(0, "rediss")})
    define(ours, SPEND)
    api = ours.api()
    push(api, "txn", [{"user_id": 1, "amount": 5.0, "ts": iso(NOW)}])
    equal(values(api, ["latest:amount"], {"user_id": [1]})["amount"], [(5.0, "PRESENT")], "over TLS")
    seen = ours.log.read_text() + json.dumps(api.get("status")) + ours.cli("config", "explain", "redis_url")
    true("rediss://127.0.0.1" in seen and urllib.parse.quote(secret, safe="") not in seen and server.password not in seen,
         "who is let in is never told")
    true("Redis" in ours.cli("doctor", "--python", "off", check=False), "doctor knows of it")
    wrong = place.server("wrong", "--redis-ca-file", str(tls / "cert.pem"),
                         env={"SLIPWAY_REDIS_URL": f"rediss://:nottheword@127.0.0.1:{server.port}/0"})
    define(wrong, SPEND)
    reply = until("a refusal", lambda: (r := online(wrong.api(), ["latest:amount"], {"user_id": [1]}, check=False)).status == 503 and r)
    true(b"nottheword" not in reply.body and "nottheword" not in wrong.log.read_text(), "the wrong one neither")
    distrustful = place.server("distrustful", env={"SLIPWAY_REDIS_URL": server.url(0, "rediss")})
    define(distrustful, SPEND)
    equal(online(distrustful.api(), ["latest:amount"], {"user_id": [1]}, check=False).status, 503, "an authority that nobody knows")


def main():
    if not redis_server.there():
        print("no redis-server here: ./dev setup --services")
        return SKIPPED
    failed = 0
    for name, test in [(n, t) for n, t in globals().items() if n.startswith("test_") and ASKED.only in n]:
        begun, place = time.monotonic(), Place()
        with place.stack:
            try:
                test(place)
                print(f"ok   {name} {time.monotonic() - begun:.2f} s", flush=True)
            except Exception:  # pylint: disable=broad-except — the next test still says something
                failed += 1
                print(f"FAIL {name}\n{traceback.format_exc()}\n{place.tails()}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
