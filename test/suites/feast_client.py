"""The unmodified feast 0.66.0 client with a remote online store reads and writes here; its registry file is taken over.

What Feast gets wrong is right: an older event never replaces a newer one, a time to live is honoured, errors are 4xx.
"""
import json
import os
import pathlib
import sys
import tempfile
from datetime import datetime, timedelta, timezone

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402
from harness import equal, true  # noqa: E402
from dev import setup  # noqa: E402

sys.path.insert(0, str(setup.packages("pip_features")))  # A whole environment of its own.
os.environ["FEAST_USAGE"] = "False"

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, PushSource, ValueType  # noqa: E402
from feast.errors import FeatureViewNotFoundException, PushSourceNotFoundException  # noqa: E402
from feast.types import Array, Float32, Float64, Int64, String  # noqa: E402

NOW = datetime.now(timezone.utc).replace(microsecond=0)


def frame(drivers, hours_ago, rates):
    return pd.DataFrame(
        {
            "driver_id": drivers,
            "event_timestamp": [NOW - timedelta(hours=h) for h in hours_ago],
            "created": [NOW] * len(drivers),
            "conv_rate": np.array(rates, dtype="float32"),
            "acc_rate": [1 - r for r in rates],
            "trips": list(range(10, 10 + len(drivers))),
            "names": [["a", "ü"] for _ in drivers],
        }
    )


def make_store(server, root):
    path = root / "stats.parquet"
    frame([1001, 1002, 1003, 1001], [3, 3, 3, 1], [0.1, 0.2, 0.3, 0.5]).drop(columns="names").to_parquet(path)
    (root / "feature_store.yaml").write_text(
        f"project: default\nregistry: {root}/registry.db\nprovider: local\n"
        f'online_store: {{type: remote, path: "{server.url}"}}\noffline_store: {{type: file}}\n'
        "entity_key_serialization_version: 3\n"
    )
    driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
    source = FileSource(
        name="stats", path=str(path), timestamp_field="event_timestamp", created_timestamp_column="created"
    )
    schema = [Field(name="conv_rate", dtype=Float32), Field(name="acc_rate", dtype=Float64), Field(name="trips", dtype=Int64)]
    hourly = FeatureView(name="hourly", entities=[driver], ttl=timedelta(days=1), schema=schema, source=source, online=True)
    push = PushSource(name="fresh_push", batch_source=source)
    fresh = FeatureView(
        name="fresh",
        entities=[driver],
        ttl=timedelta(hours=2),
        schema=[*schema, Field(name="names", dtype=Array(String))],
        source=push,
        online=True,
    )
    service = FeatureService(name="svc", features=[hourly[["conv_rate", "trips"]]])
    store = FeatureStore(str(root))
    store.apply([driver, source, hourly, push, fresh, service])
    server.cli("feature", "import", "feast", root / "registry.db", "--data")
    return store


def online(store, features, *drivers, full=False):
    rows = [{"driver_id": d} for d in drivers]
    return store.get_online_features(features=features, entity_rows=rows, full_feature_names=full).to_dict()


def test_the_stock_client(server):
    with tempfile.TemporaryDirectory() as name:
        store = make_store(server, pathlib.Path(name))
        service = store.get_feature_service("svc")
        equal(online(store, service, 1001)["conv_rate"], [None], "offline rows wait")
        server.cli("feature", "materialize")
        got = online(store, service, 1001, 1002, 9)
        equal(got["conv_rate"], [0.5, float(np.float32(0.2)), None], "the newest of each, float32 as it is")
        equal(got["trips"], [13, 11, None], "integers")
        full = online(store, service, 1003, full=True)
        equal(full["hourly__trips"], [12], "full names")

        store.write_to_online_store("hourly", frame([1001], [2], [0.9]).drop(columns="names"))
        equal(online(store, service, 1001)["conv_rate"], [0.5], "an older event replaces nothing")
        store.write_to_online_store("hourly", frame([1001], [0], [0.75]).drop(columns="names"))
        equal(online(store, service, 1001)["conv_rate"], [0.75], "a newer one does")

        store.push("fresh_push", frame([1, 2], [0, 3], [0.25, 0.25]))
        got = online(store, ["fresh:conv_rate", "fresh:names"], 1, 2)
        equal(got["conv_rate"], [0.25, None], "what is older than the time to live is withheld")
        equal(got["names"][0], ["a", "ü"], "lists")

        try:
            online(store, ["nowhere:x"], 1)
            true(False, "an unknown view is refused")
        except FeatureViewNotFoundException:
            pass
        try:
            store.push("nowhere", frame([1], [0], [0.5]))
            true(False, "an unknown push source is refused")
        except PushSourceNotFoundException:
            pass


def test_bytes_on_the_wire(server):
    """What the SDK hides: statuses, times, errors as texts that hold JSON."""
    api = server.api()
    document = "kind: FeatureView\nname: v\nentity: {k: string}\nfeatures: {x: float64, t: timestamp, b: bytes}\nttl: 1h\n"
    api.post("features:apply", {"yaml": document})
    at = NOW.strftime("%Y-%m-%dT%H:%M:%S.250Z")
    frame_ = {"k": ["a", "b"], "event_timestamp": [at, at], "x": [float("nan"), 1], "t": [at, None], "b": ["AQI=", None]}
    body = json.dumps({"push_source_name": "v", "df": frame_, "to": "online"})
    equal(api.send("POST", "/push", body.encode()).status, 200, "push")
    ask = {"entities": {"k": ["a", "c"], "other": [1, 2]}, "features": ["v:x", "v:t", "v:b"]}
    reply = api.send("POST", "/get-online-features", ask).json()
    equal(reply["metadata"], {"feature_names": ["k", "x", "t", "b"]}, "names")
    first, x, t, b = reply["results"]
    equal(first["values"], ["a", "c"], "keys come back")
    equal((x["values"], x["statuses"]), ([None, None], ["NULL_VALUE", "NOT_FOUND"]), "NaN is null")
    equal(x["event_timestamps"], [at, "1970-01-01T00:00:00Z"], "times")
    equal((t["values"][0], b["values"][0]), (int(NOW.timestamp()), "AQI="), "seconds, base64")
    refused = [
        ({"entities": {"k": ["a"]}, "features": ["nope:x"]}, 404, "FeatureViewNotFoundException"),
        ({"entities": {"k": ["a"]}, "features": ["v:nope"]}, 404, "KeyError"),
        ({"entities": {"k": ["a"]}, "feature_service": "nope"}, 404, "FeatureServiceNotFoundException"),
        ({"entities": {}, "features": ["v:x"]}, 400, "FeastEntityDFMissingColumnsError"),
        ({"entities": {"k": [{}]}, "features": ["v:x"]}, 200, None),
        ({"entities": 3, "features": ["v:x"]}, 400, "RequestDataNotFoundInEntityRowsException"),
        ({"features": "v:x"}, 400, "RequestDataNotFoundInEntityRowsException"),
    ]
    for body, status, name in refused:
        reply = api.send("POST", "/get-online-features", body, check=False)
        equal(reply.status, status, str(body))
        if name:
            equal(json.loads(reply.json())["class"], name, str(body))


if __name__ == "__main__":
    harness.run(globals())
