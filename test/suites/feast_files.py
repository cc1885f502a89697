"""Feast's client with everything remote: files that the server reads itself, views without entities, Python functions, saved data sets.

What comes back is compared with what Feast's own local stores make of the same objects and files.
"""
import os
import pathlib
import random
import sys
import tempfile
from datetime import datetime, timedelta, timezone

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:] = [p for p in sys.path if pathlib.Path(p or ".").resolve() != HERE]  # There is a suite `grpc` beside this one.
sys.path.insert(0, str(HERE.parent / "e2e"))
import harness  # noqa: E402
from harness import equal, true  # noqa: E402
from dev import common, setup  # noqa: E402

FOLDER = tempfile.TemporaryDirectory(prefix="slipway-feast-files-")  # Goes with this process.
ROOT = pathlib.Path(FOLDER.name)
PACKAGES = str(ROOT / "site-packages")  # dill names what lies below such a folder, and copies all else.
os.symlink(setup.packages("pip_features"), PACKAGES)
sys.path.insert(0, PACKAGES)  # A whole environment of its own,
sys.path.append(str(setup.packages("pip_grpc")))  # but for gRPC.
os.environ["FEAST_USAGE"] = "False"

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RequestSource  # noqa: E402
from feast import errors  # noqa: E402
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage  # noqa: E402
from feast.on_demand_feature_view import on_demand_feature_view  # noqa: E402
from feast.types import Float32, Float64, Int32, Int64, Map, String, Struct  # noqa: E402

NOW = datetime.now(timezone.utc).replace(microsecond=0)
SEED = 20261128
PROJECT = "files"


def trips(rng, count=300):
    rows = []
    for n in range(count):
        at = NOW - timedelta(minutes=10 * rng.randrange(250), milliseconds=rng.randrange(600_000))  # No ties: Feast takes any.
        rows.append({"id": 1000 + rng.randrange(15), "rate": np.float32(rng.random()), "days": rng.randrange(90),
                     "car": {"kind": rng.choice(["van", "ü"]), "doors": str(rng.randrange(5))},
                     "at": at, "made": at + timedelta(seconds=rng.choice([0, 0, 60]))})
    frame = pd.DataFrame(rows)
    frame["rate"] = frame["rate"].astype("float32")
    return frame


def world(rng, count=40):
    return pd.DataFrame([{"rides": n, "event_timestamp": NOW - timedelta(hours=rng.randrange(60), microseconds=1 + n)} for n in range(count)])


def store_yaml(root, server=None):
    root.mkdir(parents=True, exist_ok=True)
    port = server.ready["grpc"].rpartition(":")[2] if server else 0
    remote = (f"registry: {{registry_type: remote, path: '127.0.0.1:{port}', cache_ttl_seconds: 0}}\n"
              f"online_store: {{type: remote, path: '{server.url}/~{PROJECT}'}}\n"
              f"offline_store: {{type: remote, host: 127.0.0.1, port: {port}}}\n") if server else (
              f"registry: {root}/registry.db\nonline_store: {{type: sqlite, path: {root}/online.db}}\noffline_store: {{type: file}}\n")
    (root / "feature_store.yaml").write_text(f"project: {PROJECT}\nprovider: local\n{remote}entity_key_serialization_version: 3\n")
    return FeatureStore(str(root))


def objects(folder):
    """Sources without names, one with other names for its columns; a view without an entity; functions."""
    driver = Entity(name="driver", join_keys=["driver_id"])
    source = FileSource(path=str(folder / "trips.parquet"), timestamp_field="ts", created_timestamp_column="made",
                        field_mapping={"id": "driver_id", "at": "ts"})
    view = FeatureView(name="trips", entities=[driver], ttl=timedelta(hours=20), source=source, schema=[
        Field(name="driver_id", dtype=Int64), Field(name="rate", dtype=Float32), Field(name="days", dtype=Int32),
        Field(name="car", dtype=Struct({"kind": String, "doors": String}))])
    rides = FeatureView(name="world", entities=[], ttl=timedelta(days=3), schema=[Field(name="rides", dtype=Int64)],
                        source=FileSource(path=str(folder / "world.parquet"), timestamp_field="event_timestamp"))
    asked = RequestSource(name="asked", schema=[Field(name="plus", dtype=Int64)])

    @on_demand_feature_view(sources=[view[["rate"]], asked], schema=[Field(name="more", dtype=Float64), Field(name="words", dtype=String)])
    def more(df: pd.DataFrame) -> pd.DataFrame:
        out = pd.DataFrame()
        out["more"] = df["rate"].astype("float64") + df["plus"]
        out["words"] = ["none" if pd.isna(r) else f"{r:.3f}" for r in df["trips__rate"]]
        return out

    @on_demand_feature_view(sources=[view[["days"]]], schema=[Field(name="weeks", dtype=Int64)], mode="python")
    def weeks(inputs: dict) -> dict:
        return {"weeks": [None if d is None else d // 7 for d in inputs["days"]]}

    return [driver, view, rides, more, weeks]


class Stores:
    def __init__(self, server):
        rng = random.Random(SEED)
        self.folder = ROOT / "data"
        self.folder.mkdir()
        self.trips, self.world = trips(rng), world(rng)
        self.write()
        self.remote, self.local = store_yaml(ROOT / "remote", server), store_yaml(ROOT / "local")
        for store in (self.remote, self.local):
            store.apply(objects(self.folder))

    def write(self):
        self.trips.to_parquet(self.folder / "trips.parquet")
        self.world.to_parquet(self.folder / "world.parquet")


STORES = {}


def stores(server):
    if not STORES:
        STORES["of"] = Stores(server)
    return STORES["of"]


REFERENCES = ["trips:rate", "trips:days", "world:rides", "more:more", "more:words", "weeks:weeks"]


def ours(path):
    return f"/~{PROJECT}/api/slipway/v1/{path}"


def entities(rng, count=80):
    return pd.DataFrame([{"driver_id": 1000 + rng.randrange(17), "n": n, "plus": rng.randrange(100),
                          "event_timestamp": NOW - timedelta(minutes=rng.randrange(2600))} for n in range(count)])


def same(got, want, what):
    """As tables, whatever the order of rows and columns and the widths of numbers. Feast loses rows without a match."""
    equal(sorted(got.columns), sorted(want.columns), f"{what}: columns")
    true(len(want) > 0.8 * len(got), f"{what}: {len(want)} rows of {len(got)} to compare with")
    got = got[got["n"].isin(want["n"])]
    got, want = (f.sort_values("n").reset_index(drop=True)[sorted(f.columns)] for f in (got, want))
    equal(len(got), len(want), f"{what}: rows")
    for name in got.columns:
        for i, (a, b) in enumerate(zip(got[name], want[name])):
            if name == "event_timestamp":
                a, b = pd.Timestamp(a).tz_convert("UTC"), pd.Timestamp(b).tz_convert("UTC")
            null = (pd.isna(a), pd.isna(b))
            true(null == (True, True) or (null == (False, False) and (a == b or abs(a - b) < 1e-6)), f"{what}: {name}[{i}]: {a!r}, want {b!r}")


def test_training_sets_of_files_as_feast_makes_them(server):
    s = stores(server)
    frame = entities(random.Random(1))
    got = s.remote.get_historical_features(entity_df=frame, features=REFERENCES).to_df()
    same(got, s.local.get_historical_features(entity_df=frame, features=REFERENCES).to_df(), "joined")
    true(got["rides"].notna().any() and got["rate"].notna().any() and got["rate"].isna().any(), "there is something to compare")
    s.trips = pd.concat([s.trips.sample(frac=1, random_state=3), trips(random.Random(9), 20)])  # It grows, in another order.
    s.write()
    got = s.remote.get_historical_features(entity_df=frame, features=REFERENCES).to_df()
    same(got, s.local.get_historical_features(entity_df=frame, features=REFERENCES).to_df(), "joined to what it has become")


def test_materialized_from_files(server):
    s = stores(server)
    for store in (s.remote, s.local):
        store.materialize(start_date=NOW - timedelta(days=5), end_date=NOW)
    rows = [{"driver_id": d, "plus": d % 7} for d in range(998, 1016)]
    online = ["trips:rate", "trips:days", "more:more", "more:words", "weeks:weeks"]
    got = s.remote.get_online_features(features=online, entity_rows=rows).to_dict()
    want = s.local.get_online_features(features=online, entity_rows=rows).to_dict()
    newest = s.trips.groupby("id")["at"].max()
    fresh = [d for d in range(len(rows)) if rows[d]["driver_id"] not in newest or newest[rows[d]["driver_id"]] >= NOW - timedelta(hours=19)]
    true(len(fresh) > 5, "some are young enough to be compared: Feast forgets its time to live")
    for name in ("rate", "days", "weeks", "words"):
        equal([got[name][i] for i in fresh], [want[name][i] for i in fresh], name)
    equal(s.remote.get_online_features(features=["world:rides"], entity_rows=[{"driver_id": 1}, {"driver_id": 2}]).to_dict()["rides"],
          [int(s.world.sort_values("event_timestamp", kind="stable").iloc[-1]["rides"])] * 2, "a view without an entity, for each row")
    view = s.remote.registry.get_feature_view("trips", PROJECT)
    equal(len(view.materialization_intervals), 1, "the registry tells the span")
    equal(s.remote.get_online_features(features=["trips:car"], entity_rows=[{"driver_id": int(newest.idxmax())}]).to_dict()["car"][0] is None,
          False, "a struct is there")


def test_functions_come_back_as_they_went(server):
    s = stores(server)
    views = {v.name: v for v in s.remote.list_on_demand_feature_views()}
    equal(sorted(views), ["more", "weeks"], "on-demand views")
    equal(views["weeks"].feature_transformation.udf({"days": [14, None]}), {"weeks": [2, None]}, "the function")
    equal([f.name for f in views["more"].features], ["more", "words"], "its features")
    before = server.api().get(ours("features/OnDemand/more"))
    s.remote.apply(objects(s.folder))
    after = server.api().get(ours("features/OnDemand/more"))
    equal(len(after["versions"]), len(before["versions"]), "applying it again makes no version")


def test_what_functions_do_wrong_is_said(server):
    s = stores(server)
    driver = Entity(name="driver", join_keys=["driver_id"])
    trips_view = s.remote.get_feature_view("trips")

    @on_demand_feature_view(sources=[trips_view[["days"]], RequestSource(name="asked", schema=[Field(name="plus", dtype=Int64)])],
                            schema=[Field(name="bad", dtype=Float64)])
    def broken(df: pd.DataFrame) -> pd.DataFrame:
        if (df["plus"] == 42).any():  # Feast's client tries the function when it is applied.
            raise ValueError("not today")
        return pd.DataFrame({"bad": df["plus"] * 1.0})

    s.remote.apply([driver, broken])
    try:
        s.remote.get_online_features(features=["broken:bad"], entity_rows=[{"driver_id": 1001, "plus": 42}])
        true(False, "an error was expected")
    except errors.FeastError as error:
        true("not today" in str(error) and "broken" in str(error), str(error))
    try:
        s.remote.get_online_features(features=["trips:nothing"], entity_rows=[{"driver_id": 1001}])
        true(False, "an error was expected")
    except KeyError:
        pass
    equal(server.api().send("GET", "/health").status, 200, "the server lives on")


def test_saved_data_sets(server):
    s = stores(server)
    frame = entities(random.Random(2), 30)
    for path in (s.folder / "saved.parquet", s.folder / "saved"):
        if path.suffix == "":
            path.mkdir()
        storage = SavedDatasetFileStorage(path=str(path))
        s.remote.registry.apply_data_source(storage.to_data_source(), PROJECT)
        job = s.remote.get_historical_features(entity_df=frame, features=["trips:rate", "world:rides"])
        name = "set_" + path.stem + str(len(path.suffix))
        saved = s.remote.create_saved_dataset(from_=job, name=name, storage=storage)
        same(pq.read_table(path).to_pandas(), job.to_df(), "what was saved")
        equal(sorted(saved.to_df()["rides"].dropna()), sorted(job.to_df()["rides"].dropna()), "read back by Feast's client")
        equal(s.remote.get_saved_dataset(name).name, name, "it is known")
        try:
            s.remote.create_saved_dataset(from_=job, name=name + "x", storage=storage)
            true(False, "an error was expected")
        except errors.SavedDatasetLocationAlreadyExists:
            pass


def test_maps_and_nanoseconds(server):
    s = stores(server)
    ns = pa.array([NOW.timestamp() * 1e9 - 3_600_000_000_123], pa.float64()).cast(pa.int64()).cast(pa.timestamp("ns", "UTC"))
    table = pa.table({"driver_id": [1], "tags": pa.array([[("a", 1), ("b", None)]], pa.map_(pa.string(), pa.int64())), "event_timestamp": ns})
    pq.write_table(table, s.folder / "tags.parquet")
    driver = Entity(name="driver", join_keys=["driver_id"])
    tagged = FeatureView(name="tagged", entities=[driver], schema=[Field(name="driver_id", dtype=Int64), Field(name="tags", dtype=Map)],
                         source=FileSource(path=str(s.folder / "tags.parquet"), timestamp_field="event_timestamp"))
    s.remote.apply([driver, tagged])
    got = s.remote.get_historical_features(entity_df=pd.DataFrame({"driver_id": [1], "event_timestamp": [NOW]}), features=["tagged:tags"]).to_df()
    equal(got["tags"][0], '{"a":1,"b":null}', "a map")


def test_a_missing_file_is_said_and_others_are_read(server):
    s = stores(server)
    driver = Entity(name="driver", join_keys=["driver_id"])
    gone = FeatureView(name="gone", entities=[driver], schema=[Field(name="driver_id", dtype=Int64), Field(name="x", dtype=Int64)],
                       source=FileSource(name="gone_file", path=str(s.folder / "tags.parquet"), timestamp_field="event_timestamp"))
    s.remote.apply([driver, gone])
    (s.folder / "tags.parquet").unlink()
    try:
        s.remote.get_historical_features(entity_df=pd.DataFrame({"driver_id": [1], "event_timestamp": [NOW]}), features=["gone:x"]).to_df()
        true(False, "an error was expected")
    except errors.FeastError as error:
        true("tags.parquet" in str(error), str(error))
    frame = entities(random.Random(4), 5)
    equal(len(s.remote.get_historical_features(entity_df=frame, features=["trips:rate"]).to_df()), 5, "another view")


def test_teardown_takes_the_definitions(server):
    s = stores(server)
    s.remote.teardown()
    equal(server.api().items(ours("features")), [], "nothing is left")


if __name__ == "__main__":
    harness.run(globals(), env={"SLIPWAY_PYTHON": str(common.venv_python()), "PYTHONPATH": str(setup.packages("pip_features"))})
