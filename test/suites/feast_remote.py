"""The unmodified feast 0.66.0 client with remote offline and online stores: historical retrieval, offline writes, materialize.

Training sets are compared with a search by brute force and, where Feast's own file store has the row, with Feast.
"""
import json
import os
import pathlib
import random
import sys
import tempfile
import uuid
from datetime import datetime, timedelta, timezone

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402
from harness import equal, true  # noqa: E402
from dev import setup  # noqa: E402

sys.path.insert(0, str(setup.packages("pip_features")))  # A whole environment of its own.
os.environ["FEAST_USAGE"] = "False"

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.flight as fl  # noqa: E402
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, ValueType  # noqa: E402
from feast.errors import FeatureViewNotFoundException  # noqa: E402
from feast.types import Float32, Float64, Int64, String  # noqa: E402

NOW = datetime.now(timezone.utc).replace(microsecond=0)
SEED = 20261127
TTL = timedelta(hours=6)


def stats_frame(rng, count=400):
    """Ties, repeated rows, late rows and nulls among few drivers."""
    rows = []
    for n in range(count):
        at = NOW - timedelta(minutes=15 * rng.randrange(200))
        rows.append({"driver_id": 1000 + rng.randrange(12), "event_timestamp": at,
                     "created": at + timedelta(seconds=rng.choice([0, 0, 30, 9000])),
                     "conv_rate": None if rng.random() < 0.1 else np.float32(n / 7), "trips": n,
                     "city": rng.choice(["Köln", "", "Ålesund"])})
    frame = pd.DataFrame(rows)
    frame["conv_rate"] = frame["conv_rate"].astype("float32")
    return frame


def zones_frame(rng, count=60):
    return pd.DataFrame([{"zone": f"z{rng.randrange(5)}", "event_timestamp": NOW - timedelta(hours=rng.randrange(60)),
                          "heat": float(n)} for n in range(count)])


class Stores:
    """One registry and one set of files, read by Feast itself and through the server."""

    def __init__(self, server, root):
        rng = random.Random(SEED)
        self.root, self.stats, self.zones = root, stats_frame(rng), zones_frame(rng)
        self.stats.to_parquet(root / "stats.parquet")
        self.zones.to_parquet(root / "zones.parquet")
        host, _, port = server.ready["grpc"].rpartition(":")
        self.location = f"grpc+tcp://{host}:{port}"
        common = f"project: default\nregistry: {root}/registry.db\nprovider: local\nentity_key_serialization_version: 3\n"
        for name, stores in (("local", "offline_store: {type: file}\nonline_store: {type: sqlite, path: %s/online.db}\n" % root),
                             ("remote", f"offline_store: {{type: remote, host: {host}, port: {port}}}\n"
                                        f'online_store: {{type: remote, path: "{server.url}"}}\n')):
            (root / name).mkdir()
            (root / name / "feature_store.yaml").write_text(common + stores)
        self.local = FeatureStore(str(root / "local"))
        self.local.apply(self.definitions())
        server.cli("feature", "import", "feast", root / "registry.db", "--data")
        self.remote = FeatureStore(str(root / "remote"))

    def definitions(self):
        driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
        zone = Entity(name="zone", join_keys=["zone"], value_type=ValueType.STRING)
        stats = FileSource(name="stats", path=str(self.root / "stats.parquet"), timestamp_field="event_timestamp",
                           created_timestamp_column="created")
        zones = FileSource(name="zones", path=str(self.root / "zones.parquet"), timestamp_field="event_timestamp")
        schema = [Field(name="conv_rate", dtype=Float32), Field(name="trips", dtype=Int64), Field(name="city", dtype=String)]
        hourly = FeatureView(name="hourly", entities=[driver], ttl=TTL, schema=schema, source=stats, online=True)
        ever = FeatureView(name="ever", entities=[driver], ttl=timedelta(0), schema=schema, source=stats, online=True)
        heat = FeatureView(name="heat", entities=[zone], ttl=timedelta(0), schema=[Field(name="heat", dtype=Float64)],
                           source=zones, online=True)
        trip = FeatureService(name="trip", features=[
            heat.with_name("origin").with_join_key_map({"zone": "origin_zone"}),
            heat.with_name("target").with_join_key_map({"zone": "target_zone"}), ever[["trips"]]])
        return [driver, zone, stats, zones, hourly, ever, heat, trip]


STORES = {}


def stores(server):
    if not STORES:
        STORES["folder"] = tempfile.TemporaryDirectory(prefix="slipway-feast-")  # Goes with this process.
        STORES["all"] = Stores(server, pathlib.Path(STORES["folder"].name))
    return STORES["all"]


def entities(rng, count=150):
    rows = [{"row": n, "driver_id": 1000 + rng.randrange(14),
             "event_timestamp": NOW - timedelta(minutes=rng.randrange(3600), seconds=rng.randrange(60)), "extra": f"x{n}"}
            for n in range(count)]
    for n in range(0, count, 3):  # Just at the moment of a row, and of its time to live.
        rows[n]["event_timestamp"] = NOW - timedelta(minutes=15 * rng.randrange(200))
    return pd.DataFrame(rows)


def brute(frame, row, key, ttl=None):
    """The row of `frame` that holds at an entity row: 6.5 of the specification, by looking at all of them."""
    at = row["event_timestamp"]
    found = [f for f in frame.itertuples() if getattr(f, key[0]) == row[key[1]] and f.event_timestamp <= at
             and (ttl is None or f.event_timestamp >= at - ttl)]
    return max(found, key=rank) if found else None


def rank(f):
    return (f.event_timestamp, getattr(f, "created", f.event_timestamp), f.Index)


def same(got, want):
    if want is None or (isinstance(want, float) and np.isnan(want)):
        return got is None or pd.isna(got)
    return not pd.isna(got) and got == want


def test_history_is_what_held_then(server):
    s, rng = stores(server), random.Random(SEED + 1)
    frame = entities(rng)
    features = ["hourly:conv_rate", "hourly:city", "ever:trips"]
    got = s.remote.get_historical_features(entity_df=frame, features=features).to_df()
    equal(list(got.columns), ["row", "driver_id", "event_timestamp", "extra", "conv_rate", "city", "trips"], "columns")
    equal(list(got["row"]), list(frame["row"]), "every row once, in order")
    equal(list(got["extra"]), list(frame["extra"]), "further columns stay")
    hits = 0
    for n, row in frame.iterrows():
        hourly, ever = brute(s.stats, row, ("driver_id", "driver_id"), TTL), brute(s.stats, row, ("driver_id", "driver_id"))
        hits += hourly is not None
        for name, of in (("conv_rate", hourly), ("city", hourly), ("trips", ever)):
            want = None if of is None else getattr(of, name)
            true(same(got[name][n], want), f"{name} of row {n}: {got[name][n]!r}, want {want!r}")
    true(20 < hits < len(frame), f"some rows are found and some aren't: {hits}")
    theirs = s.local.get_historical_features(entity_df=frame, features=features).to_df().set_index("row")
    compared = 0
    for n, row in frame.iterrows():  # Among rows of one time Feast's file store takes any.
        of = brute(s.stats, row, ("driver_id", "driver_id"))
        alike = 0 if of is None else sum(f.event_timestamp == of.event_timestamp for f in s.stats[s.stats.driver_id == row.driver_id].itertuples())
        if alike == 1 and n in theirs.index:
            compared += 1
            true(same(got["trips"][n], theirs["trips"][n]), f"row {n} as Feast's own store has it: {theirs['trips'][n]}")
    true(compared > 50, f"rows compared with Feast's own: {compared}")


def test_names_services_and_other_keys(server):
    s, rng = stores(server), random.Random(SEED + 2)
    frame = entities(rng, 40)
    frame["origin_zone"] = [f"z{rng.randrange(6)}" for _ in range(len(frame))]
    frame["target_zone"] = [f"z{rng.randrange(6)}" for _ in range(len(frame))]
    got = s.remote.get_historical_features(entity_df=frame, features=s.remote.get_feature_service("trip"),
                                           full_feature_names=True).to_df()
    for n, row in frame.iterrows():
        for column, key in (("origin__heat", "origin_zone"), ("target__heat", "target_zone")):
            of = brute(s.zones, row, ("zone", key))
            true(same(got[column][n], None if of is None else of.heat), f"{column} of row {n}")
    true("ever__trips" in got.columns, f"full names: {list(got.columns)}")


def test_frames_as_pandas_makes_them(server):
    s = stores(server)
    at = NOW - timedelta(hours=1)
    for what, frame in {
        "an index of its own": pd.DataFrame({"driver_id": [1001, 1002], "event_timestamp": [at, at]}, index=["a", "b"]),
        "naive times": pd.DataFrame({"driver_id": [1001, 1002], "event_timestamp": [at.replace(tzinfo=None)] * 2}),
        "another name of the time": pd.DataFrame({"driver_id": [1001, 1002], "when": pd.to_datetime([at, at])}),
        "narrow keys": pd.DataFrame({"driver_id": np.array([1001, 1002], dtype="int32"), "event_timestamp": [at, at]}),
        "another zone": pd.DataFrame({"driver_id": [1001, 1002],
                                      "event_timestamp": pd.to_datetime([at, at]).tz_convert("Asia/Kolkata")}),
    }.items():
        got = s.remote.get_historical_features(entity_df=frame, features=["ever:trips"]).to_df()
        want = [brute(s.stats, {"event_timestamp": at, "driver_id": d}, ("driver_id", "driver_id")).trips for d in (1001, 1002)]
        equal([int(v) for v in got["trips"]], want, what)
    none = pd.DataFrame({"driver_id": np.array([], dtype="int64"), "event_timestamp": pd.to_datetime([], utc=True)})
    equal(len(s.remote.get_historical_features(entity_df=none, features=["ever:trips"]).to_df()), 0, "no rows")


def test_without_entities(server):
    s = stores(server)
    start, end = NOW - timedelta(hours=10), NOW - timedelta(hours=2)
    got = s.remote.get_historical_features(features=["ever:trips"], start_date=start, end_date=end).to_df()
    within = s.stats[(s.stats.event_timestamp >= start) & (s.stats.event_timestamp <= end)]
    equal(sorted(got["driver_id"]), sorted(within["driver_id"].unique()), "all that had a row")
    for row in got.itertuples():
        want = brute(s.stats, {"event_timestamp": end, "driver_id": row.driver_id}, ("driver_id", "driver_id"))
        equal(row.trips, want.trips, f"driver {row.driver_id} at the end")


def test_materialize_reads_here_and_writes_here(server):
    s = stores(server)
    s.remote.materialize(NOW - timedelta(days=3), NOW, feature_views=["ever"])
    got = s.remote.get_online_features(features=["ever:trips"], entity_rows=[{"driver_id": 1000 + n} for n in range(12)]).to_dict()
    for n in range(12):
        of = brute(s.stats, {"event_timestamp": NOW, "driver_id": 1000 + n}, ("driver_id", "driver_id"))
        equal(got["trips"][n], None if of is None else of.trips, f"driver {1000 + n}")


def test_what_is_written_offline_is_history(server):
    s = stores(server)
    at = NOW - timedelta(minutes=1)
    s.remote.write_to_offline_store("ever", pd.DataFrame({
        "driver_id": [7001, 7002], "event_timestamp": [at, at], "created": [at, at],
        "conv_rate": np.array([0.5, 0.25], dtype="float32"), "trips": [70, 71], "city": ["Oslo", "Bergen"]}))
    frame = pd.DataFrame({"driver_id": [7001, 7002, 7003], "event_timestamp": [NOW] * 3})
    got = s.remote.get_historical_features(entity_df=frame, features=["ever:trips", "ever:city"]).to_df()
    equal([None if pd.isna(v) else int(v) for v in got["trips"]], [70, 71, None], "rows that were written")
    online = s.remote.get_online_features(features=["ever:trips"], entity_rows=[{"driver_id": 7001}]).to_dict()
    equal(online["trips"], [None], "offline alone")


def test_a_large_frame(server):
    s, count = stores(server), 400_000
    frame = pd.DataFrame({"driver_id": np.arange(count) % 12 + 1000, "event_timestamp": [NOW] * count,
                          "text": [f"row {n}" for n in range(count)]})
    got = s.remote.get_historical_features(entity_df=frame, features=["ever:trips"]).to_df()
    equal((len(got), got["text"].iloc[-1]), (count, f"row {count - 1}"), "all rows, in order")


def command(api, **parameters):
    return fl.FlightDescriptor.for_command(json.dumps({"command_id": str(uuid.uuid4()), "api": api, **parameters}))


def refused(what, call, *words):
    try:
        call()
    except Exception as error:  # pylint: disable=broad-except — the class depends on the code
        true(all(word in str(error) for word in words), f"{what}: {error}")
        return error
    raise AssertionError(f"{what} was let through")


def put(client, descriptor, table):
    writer, _ = client.do_put(descriptor, table.schema)
    writer.write_table(table)
    writer.close()


def test_refusals_are_clear_and_change_nothing(server):
    s = stores(server)
    try:
        view = FeatureView(name="nowhere", entities=[], schema=[Field(name="x", dtype=Int64)], source=s.definitions()[2])
        s.local.apply([view])
        frame = pd.DataFrame({"event_timestamp": [NOW]})
        FeatureStore(str(s.root / "remote")).get_historical_features(entity_df=frame, features=["nowhere:x"]).to_df()
        true(False, "a view that the server doesn't know is refused")
    except FeatureViewNotFoundException:
        pass
    client = fl.FlightClient(s.location)
    table = pa.table({"driver_id": [1001], "event_timestamp": pa.array([NOW], pa.timestamp("us", "UTC"))})
    for what, descriptor, word in (
            ("no JSON", fl.FlightDescriptor.for_command(b"\xff\x00"), "no JSON object"),
            ("no api", fl.FlightDescriptor.for_command(b"{}"), "names no 'api'"),
            ("another api", command("drop_everything"), "isn't offered"),
            ("a path", fl.FlightDescriptor.for_path("a", "b"), "a command is wanted"),
            ("a huge command", fl.FlightDescriptor.for_command(b" " * (2 << 20)), "1 MiB")):
        refused(what, lambda d=descriptor: put(client, d, table), word)
    historical = {"feature_view_names": ["ever"], "name_aliases": [None], "feature_refs": ["ever:trips"], "project": "default",
                  "full_feature_names": False}
    refused("never put", lambda: client.get_flight_info(command("get_historical_features", **historical)), "no table was put")
    refused("an unknown ticket", lambda: client.do_get(fl.Ticket(b"what")).read_all(), "no JSON object")
    for what, change, word in (("an unknown feature", {"feature_refs": ["ever:nope"]}, "does not exist"),
                               ("no features", {"feature_refs": []}, "feature_refs"),
                               ("features of another kind", {"feature_refs": 3}, "a list is wanted")):
        asked = command("get_historical_features", **{**historical, **change})
        put(client, asked, table)
        refused(what, lambda d=asked: client.do_get(client.get_flight_info(d).endpoints[0].ticket).read_all(), word)
    for what, bad, word in (("no keys", table.drop_columns(["driver_id"]), "driver_id"),
                            ("no times", table.drop_columns(["event_timestamp"]), "no column of times"),
                            ("keys of another kind", table.set_column(0, "driver_id", pa.array(["x"])), "driver_id")):
        asked = command("get_historical_features", **historical)
        put(client, asked, bad)
        refused(what, lambda d=asked: client.do_get(client.get_flight_info(d).endpoints[0].ticket).read_all(), word)
    asked = command("get_historical_features", **historical)
    put(client, asked, table)
    true(asked.command in [f.descriptor.command for f in client.list_flights()], "what waits is listed")
    ticket = client.get_flight_info(asked).endpoints[0].ticket
    equal(client.do_get(ticket).read_all().num_rows, 1, "fetched")
    refused("fetched twice", lambda: client.do_get(ticket).read_all(), "was fetched")
    columns = command("get_table_column_names_and_types_from_data_source", data_source_proto='name: "stats"\ntype: BATCH_FILE\n')
    put(client, columns, pa.table({"key": ["m"]}))
    got = client.do_get(client.get_flight_info(columns).endpoints[0].ticket).read_all()
    true("driver_id" in got["name"].to_pylist(), f"columns of a source: {got['name'].to_pylist()}")
    put(client, command("validate_data_source", data_source_proto='name: "new"\n'), pa.table({"key": ["m"]}))  # Not yet applied.
    refused("a source without a name", lambda: put(client, command("validate_data_source", data_source_proto="{}"), table), "name")
    bad_rows = pa.table({"driver_id": pa.array([1, None], pa.int64()), "event_timestamp": pa.array([NOW, None], pa.timestamp("us", "UTC"))})
    refused("rows without a time", lambda: put(client, command("offline_write_batch", feature_view_names=["ever"], name_aliases=[None]),
                                                bad_rows), "row")
    equal(server.api().send("GET", "/health").status, 200, "the server lives on")


def test_a_client_that_goes_midway(server):
    s = stores(server)
    table = pa.table({"driver_id": np.arange(100_000), "event_timestamp": pa.array([NOW] * 100_000, pa.timestamp("us", "UTC"))})
    for _ in range(5):
        client = fl.FlightClient(s.location)
        writer, _ = client.do_put(command("offline_write_batch", feature_view_names=["ever"], name_aliases=[None]), table.schema)
        writer.write_batch(table.to_batches()[0])
        del writer
        client.close()
    frame = pd.DataFrame({"driver_id": [5], "event_timestamp": [NOW]})
    got = s.remote.get_historical_features(entity_df=frame, features=["ever:trips"]).to_df()
    equal(len(got), 1, "the server answers on")


if __name__ == "__main__":
    harness.run(globals())
