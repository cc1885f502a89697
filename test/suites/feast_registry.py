"""The unmodified feast 0.66.0 client with a remote registry, online store and offline store: no file is left on its side.

What the registry answers is compared with what Feast's own file registry, made of the same objects, answers.
"""
import os
import pathlib
import random
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta, timezone

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:] = [p for p in sys.path if pathlib.Path(p or ".").resolve() != HERE]  # There is a suite `grpc` beside this one.
sys.path.insert(0, str(HERE.parent / "e2e"))
import harness  # noqa: E402
from harness import equal, true  # noqa: E402
from dev import setup  # noqa: E402

sys.path.insert(0, str(setup.packages("pip_features")))  # A whole environment of its own,
sys.path.append(str(setup.packages("pip_grpc")))  # but for gRPC.
os.environ["FEAST_USAGE"] = "False"

import grpc  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, PushSource, ValueType  # noqa: E402
from feast import errors  # noqa: E402
from feast.data_source import PushMode  # noqa: E402
from feast.protos.feast.registry import RegistryServer_pb2 as calls  # noqa: E402
from feast.protos.feast.registry.RegistryServer_pb2_grpc import RegistryServerStub  # noqa: E402
from feast.types import Array, Float32, Float64, Int32, Int64, String, UnixTimestamp  # noqa: E402

NOW = datetime.now(timezone.utc).replace(microsecond=0)
FOLDER = tempfile.TemporaryDirectory(prefix="slipway-feast-")  # Goes with this process.
NATIVE = """
kind: Entity
name: account
join_key: account_id
type: int64
description: who pays
owner: ann
tags: {team: risk}
---
kind: Source
name: txn
columns: {user_id: int64, amount: float64, country: string}
event_time: at
created_time: made
---
kind: FeatureView
name: spend
entity: {user_id: int64}
source: txn
aggregate:
  - {op: sum, of: amount, windows: [1h], as: spend}
  - {op: count, windows: [1h], as: events}
---
kind: FeatureView
name: home
entity: {user_id: int64}
source: txn
row: {loud: "upper(country)"}
ttl: 7d
---
kind: FeatureView
name: balance
entities: [account]
columns: {amount: float64, opened: timestamp, flags: list<bool>, small: int32}
features: [amount, opened, flags, small]
ttl: 90m
description: money
owner: bob
tags: {team: risk, tier: gold}
---
kind: OnDemand
name: ratio
inputs: {spent: "spend:spend_1h"}
request: {limit: float64}
features: {used: "spent / request.limit"}
---
kind: FeatureService
name: decision
features: ["spend:*", {of: "balance:amount", view_as: payer, join_keys: {account_id: payer_id}}, "ratio:used"]
tags: {team: risk}
"""


def config(server, name, project="default"):
    """A store of which nothing lies on this side."""
    root = pathlib.Path(FOLDER.name) / name
    root.mkdir(exist_ok=True)
    host, _, port = server.ready["grpc"].rpartition(":")
    (root / "feature_store.yaml").write_text(
        f"project: {project}\nprovider: local\nregistry: {{registry_type: remote, path: '{host}:{port}'}}\n"
        f"online_store: {{type: remote, path: '{server.url}'}}\noffline_store: {{type: remote, host: {host}, port: {port}}}\n"
        "entity_key_serialization_version: 3\n"
    )
    return FeatureStore(str(root))


def own(name):
    """Feast's own: a file registry."""
    root = pathlib.Path(FOLDER.name) / name
    root.mkdir(exist_ok=True)
    (root / "feature_store.yaml").write_text(
        f"project: default\nprovider: local\nregistry: {root}/registry.db\noffline_store: {{type: file}}\n"
        f"online_store: {{type: sqlite, path: {root}/online.db}}\nentity_key_serialization_version: 3\n"
    )
    return FeatureStore(str(root))


STORES = {}


def native(server):
    """Definitions of our own, seen by Feast's client."""
    if "native" not in STORES:
        server.api().post("features:apply", {"yaml": NATIVE})
        STORES["native"] = config(server, "native")
    return STORES["native"]


def stub(server):
    return RegistryServerStub(grpc.insecure_channel(server.ready["grpc"]))


def refused(what, kind, call, *words):
    try:
        call()
    except kind as error:
        for word in words:
            true(word in str(error), f"{what}: {error}")
        return error
    raise AssertionError(f"{what} was let through")


def test_our_definitions_as_feast_has_them(server):
    store = native(server)
    entity = store.get_entity("account")
    equal((entity.join_key, entity.value_type, entity.description, entity.owner, entity.tags),
          ("account_id", ValueType.INT64, "who pays", "ann", {"team": "risk"}), "an entity")
    true(entity.created_timestamp is not None, "when it was made")
    equal([e.name for e in store.list_entities()], ["account", "limit", "user_id"], "keys without an Entity are entities")

    balance = store.get_feature_view("balance")
    equal([(f.name, f.dtype) for f in balance.features],
          [("amount", Float64), ("opened", UnixTimestamp), ("flags", Array(setup_bool())), ("small", Int32)], "features")
    equal((balance.entities, [f.name for f in balance.entity_columns], balance.ttl, balance.online),
          (["account"], ["account_id"], timedelta(minutes=90), True), "keys and time to live")
    equal((balance.description, balance.owner, balance.tags), ("money", "bob", {"team": "risk", "tier": "gold"}), "words")
    true(isinstance(balance.stream_source, PushSource) and balance.stream_source.name == "balance", "it is pushed to")
    equal(balance.current_version_number, 1, "its version")

    spend = store.get_feature_view("spend")
    equal(sorted((f.name, f.dtype) for f in spend.features), [("events_1h", Int64), ("spend_1h", Float64)], "windows")
    equal((spend.online, spend.stream_source, spend.batch_source.timestamp_field), (False, None, "at"), "the server feeds it")
    equal(sorted(v.name for v in store.list_feature_views()), ["balance", "home", "ratio", "spend", "txn_events"], "views")
    equal(sorted(v.name for v in store.list_all_feature_views()), ["balance", "home", "ratio", "spend", "txn_events"], "of all kinds")
    equal((store.list_on_demand_feature_views(), store.list_stream_feature_views()), ([], []), "kinds of Feast's own")
    equal(sorted(s.name for s in store.list_data_sources()), ["balance", "txn"], "sources")

    service = store.get_feature_service("decision")
    got = {p.name_to_use(): ([f.name for f in p.features], p.join_key_map) for p in service.feature_view_projections}
    equal(got["payer"], (["amount"], {"account_id": "payer_id"}), "another name and key")
    equal((sorted(got["spend"][0]), got["ratio"][0]), (["events_1h", "spend_1h"], ["used"]), "whole views, computed ones")
    equal([s.name for s in store.list_feature_services()], ["decision"], "services")
    equal([p.name for p in store.list_projects()], ["default"], "projects")
    true(store.get_project("default").name == "default", "the project")


def setup_bool():
    from feast.types import Bool

    return Bool


def test_our_views_are_fed_and_read(server):
    store = native(server)
    made = NOW - timedelta(minutes=1)
    store.push("txn", pd.DataFrame({"user_id": [1, 1, 2], "amount": [5.0, 7.0, 1.0], "country": ["de", "fr", "no"],
                                    "at": [made - timedelta(minutes=m) for m in (3, 2, 1)], "made": [made] * 3}))
    rows = [{"user_id": 1}, {"user_id": 2}, {"user_id": 3}]
    got = store.get_online_features(features=["spend:spend_1h", "home:loud"], entity_rows=rows).to_dict()
    equal(got["spend_1h"][:2], [12.0, 1.0], "windows of what was pushed")
    equal(got["loud"], ["FR", "NO", None], "rows that are computed")
    store.push("balance", pd.DataFrame({"account_id": [8], "amount": [2.5], "opened": [NOW], "flags": [[True, False]], "small": [3],
                                        "event_timestamp": [made]}))
    got = store.get_online_features(features=["balance:amount", "balance:flags", "balance:small"], entity_rows=[{"account_id": 8}]).to_dict()
    equal((got["amount"], got["flags"], got["small"]), ([2.5], [[True, False]], [3]), "what is pushed to a view of its own")
    got = store.get_online_features(features=["ratio:used"], entity_rows=[{"user_id": 1, "limit": 24.0}]).to_dict()
    equal(got["used"], [0.5], "computed on demand, by the server")
    service = store.get_feature_service("decision")
    got = store.get_online_features(features=service, entity_rows=[{"user_id": 1, "payer_id": 8, "limit": 48.0}]).to_dict()
    equal((got["spend_1h"], got["amount"], got["used"]), ([12.0], [2.5], [0.25]), "a service")


def test_our_history_is_joined(server):
    store = native(server)
    at = NOW - timedelta(days=2)
    store.push("txn", pd.DataFrame({"user_id": [5, 5], "amount": [1.0, 2.0], "country": ["se", "fi"], "at": [at, at + timedelta(hours=3)],
                                    "made": [at, at + timedelta(hours=3)]}), to=PushMode.ONLINE_AND_OFFLINE)
    frame = pd.DataFrame({"user_id": [5, 5], "event_timestamp": [at + timedelta(minutes=5), at + timedelta(hours=4)]})
    got = store.get_historical_features(entity_df=frame, features=["home:loud"]).to_df()
    equal(list(got["loud"]), ["SE", "FI"], "as they were")


def test_lists_are_filtered_sorted_and_paged(server):
    native(server)
    registry = stub(server)
    names = [v.spec.name for v in registry.ListFeatureViews(calls.ListFeatureViewsRequest(project="default", tags={"team": "risk"})).feature_views]
    equal(names, ["balance"], "by tags")
    equal(len(registry.ListFeatureViews(calls.ListFeatureViewsRequest(project="default", tags={"team": "x"})).feature_views), 0, "no such tag")
    seen = []
    for page in (1, 2, 3):
        reply = registry.ListFeatureViews(calls.ListFeatureViewsRequest(
            project="default", pagination=calls.PaginationParams(page=page, limit=2),
            sorting=calls.SortingParams(sort_by="name", sort_order="desc")))
        seen += [v.spec.name for v in reply.feature_views]
        equal((reply.pagination.page, reply.pagination.total_count, reply.pagination.total_pages, reply.pagination.has_next),
              (page, 5, 3, page < 3), "what a page says")
    equal(seen, ["txn_events", "spend", "ratio", "home", "balance"], "falling, page by page")
    by = lambda **how: sorted(  # noqa: E731
        v.feature_view.spec.name for v in registry.ListAllFeatureViews(calls.ListAllFeatureViewsRequest(project="default", **how)).feature_views)
    equal(by(entity="account"), ["balance"], "by entity")
    equal(by(feature="loud"), ["home"], "by feature")
    equal(by(feature_service="decision"), ["balance", "ratio", "spend"], "by service")
    equal(by(data_source="txn"), ["txn_events"], "by source")
    features = registry.ListFeatures(calls.ListFeaturesRequest(project="default", feature_view="balance")).features
    equal([(f.name, f.type) for f in features],
          [("amount", "Float64"), ("opened", "UnixTimestamp"), ("flags", "Array(Bool)"), ("small", "Int32")], "features")
    equal(registry.GetFeature(calls.GetFeatureRequest(project="default", feature_view="home", name="loud")).type, "String", "one")
    near, far = native(server).registry.get_registry_lineage("default")
    pairs = {(r.source.type.value, r.source.name, r.target.name) for r in near}
    true({("featureView", "spend", "decision"), ("entity", "account", "balance"), ("feature", "loud", "home")} <= pairs, f"lineage: {pairs}")
    true(("entity", "account", "decision") in {(r.source.type.value, r.source.name, r.target.name) for r in far}, "through a view")


def test_what_is_not_there(server):
    registry = native(server).registry
    for kind, call in (
            (errors.EntityNotFoundException, registry.get_entity), (errors.DataSourceObjectNotFoundException, registry.get_data_source),
            (errors.FeatureViewNotFoundException, registry.get_feature_view), (errors.FeatureViewNotFoundException, registry.get_any_feature_view),
            (errors.FeatureViewNotFoundException, registry.get_stream_feature_view),
            (errors.FeatureViewNotFoundException, registry.get_on_demand_feature_view),
            (errors.FeatureViewNotFoundException, registry.get_label_view),
            (errors.FeatureServiceNotFoundException, registry.get_feature_service), (errors.SavedDatasetNotFound, registry.get_saved_dataset),
            (errors.ValidationReferenceNotFound, registry.get_validation_reference),
            (errors.PermissionObjectNotFoundException, registry.get_permission)):
        refused(call.__name__, kind, lambda c=call: c("nowhere", "default"), "nowhere does not exist in project default")
    refused("a project", errors.ProjectObjectNotFoundException, lambda: registry.get_project("nowhere"), "nowhere")
    refused("a feature", grpc.RpcError, lambda: stub(server).GetFeature(
        calls.GetFeatureRequest(project="default", feature_view="home", name="x")), "NOT_FOUND", "FeastObjectNotFoundException")
    equal((registry.list_saved_datasets("default"), registry.list_permissions("default"), registry.list_validation_references("default")),
          ([], [], []), "lists of what there is none of")
    equal(registry.list_entities("elsewhere"), [], "another project is empty")
    whole = registry.proto()
    equal(sorted(v.spec.name for v in whole.feature_views), ["balance", "home", "ratio", "spend", "txn_events"], "the whole registry")
    registry.refresh()
    registry.refresh("default")
    registry.commit()
    registry.get_infra("default")

# ---- changes


def objects():
    """What a repository of Feast's declares; the file lies on its side alone."""
    path = pathlib.Path(FOLDER.name) / "stats.parquet"
    frame([1001], [3], [0.5]).to_parquet(path)
    driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64, description="who drives", owner="eve",
                    tags={"team": "rides"})
    stats = FileSource(name="stats", path=str(path), timestamp_field="event_timestamp", created_timestamp_column="created",
                       description="by the hour", owner="eve", tags={"raw": "yes"})
    fresh_push = PushSource(name="fresh_push", batch_source=stats)
    schema = [Field(name="conv_rate", dtype=Float32, description="of trips", tags={"unit": "1"}), Field(name="acc_rate", dtype=Float64),
              Field(name="trips", dtype=Int64), Field(name="driver_id", dtype=Int64)]
    hourly = FeatureView(name="hourly", entities=[driver], ttl=timedelta(days=1), schema=schema, source=stats, online=True,
                         description="stats", owner="eve", tags={"team": "rides"})
    fresh = FeatureView(name="fresh", entities=[driver], ttl=timedelta(hours=2), source=fresh_push, online=True,
                        schema=[*schema, Field(name="names", dtype=Array(String)), Field(name="seen", dtype=UnixTimestamp)])
    trips = FeatureService(name="trips", features=[hourly[["conv_rate", "trips"]], fresh.with_name("now")[["acc_rate"]]],
                           description="for rides", owner="eve", tags={"team": "rides"})
    return [driver, stats, fresh_push, hourly, fresh, trips]


def frame(drivers, hours_ago, rates):
    count = len(drivers)
    return pd.DataFrame({
        "driver_id": drivers, "event_timestamp": [NOW - timedelta(hours=h) for h in hours_ago], "created": [NOW] * count,
        "conv_rate": np.array(rates, dtype="float32"), "acc_rate": [1 - r for r in rates], "trips": list(range(10, 10 + count)),
        "names": [["a", "ü"] for _ in drivers], "seen": [NOW] * count})


def applied(server):
    """The same objects, applied here and to a file."""
    if "remote" not in STORES:
        native(server)
        STORES["remote"], STORES["own"] = config(server, "remote"), own("own")
        STORES["remote"].apply(objects())
        STORES["own"].apply(objects())
    return STORES["remote"], STORES["own"]


def plain(thing):
    """An object's message without what a registry stamps."""
    message = thing.to_proto()
    text = [str(message.spec) if hasattr(message, "spec") else ""]
    if not text[0]:
        message.ClearField("meta")
        text = [str(message)]
    return "\n".join(line for line in text[0].splitlines() if "timestamp {" not in line and "seconds" not in line and "nanos" not in line)


def test_what_feast_applies_is_what_it_reads(server):
    remote, theirs = applied(server)
    for name, one in (("entity", "driver"), ("data_source", "stats"), ("data_source", "fresh_push"), ("feature_view", "hourly"),
                      ("feature_view", "fresh"), ("feature_service", "trips")):
        got, want = (getattr(store, f"get_{name}")(one) for store in (remote, theirs))
        true(got == want, f"{name} {one} is equal")
        equal(type(got), type(want), f"kind of {name} {one}")
        equal(plain(got), plain(want), f"message of {name} {one}")
        true(got.created_timestamp is not None and got.last_updated_timestamp is not None, f"times of {name} {one}")
    for name in ("entities", "data_sources", "feature_views", "feature_services", "all_feature_views"):
        got, want = (getattr(store, f"list_{name}")() for store in (remote, theirs))
        by_name = {o.name: o for o in got}
        for one in want:
            equal(plain(by_name[one.name]), plain(one), f"{one.name} among {name}")
    got, want = ({v.name for v in s.list_feature_views(tags={"team": "rides"})} for s in (remote, theirs))
    equal(got, want, "by tags")
    for of in ("driver", "hourly"):
        kind = "entity" if of == "driver" else "featureView"
        got, want = ({(r.source.type.value, r.source.name, r.target.type.value, r.target.name) for r in
                      s.registry.get_object_relationships("default", kind, of, include_indirect=True)} for s in (remote, theirs))
        equal(got, want, f"relations of {of}")


def test_applying_again_changes_nothing(server):
    remote, _ = applied(server)
    versions = lambda: {(d["kind"], d["name"]): d["version"] for d in server.api().get("features")["items"]}  # noqa: E731
    before = versions()
    remote.apply(objects())
    remote.apply([remote.get_entity("driver"), remote.get_feature_view("hourly"), remote.get_feature_view("spend"),
                  remote.get_feature_view("txn_events"), remote.get_feature_view("ratio"), remote.get_feature_view("balance"),
                  remote.get_feature_service("decision"), remote.get_feature_service("trips")])
    equal(versions(), before, "versions")
    spend = remote.get_feature_view("spend")
    spend.description, spend.tags = "by the hour", {"team": "risk"}
    remote.apply(spend)
    equal(versions(), before, "words make no version")
    got = remote.get_feature_view("spend")
    equal((got.description, got.tags), ("by the hour", {"team": "risk"}), "but are kept")
    got = remote.get_online_features(features=["spend:spend_1h"], entity_rows=[{"user_id": 2}]).to_dict()
    equal(got["spend_1h"], [1.0], "windows go on")


def test_what_is_applied_is_written_and_read(server):
    remote, _ = applied(server)
    read = lambda features, *ids: remote.get_online_features(features=features, entity_rows=[{"driver_id": d} for d in ids]).to_dict()  # noqa: E731
    remote.write_to_online_store("hourly", frame([1, 2], [1, 2], [0.25, 0.5]).drop(columns=["names", "seen"]))
    equal(read(["hourly:conv_rate", "hourly:trips"], 1, 2, 3)["trips"], [10, 11, None], "written to a view")
    remote.push("fresh_push", frame([1, 2], [0, 5], [0.25, 0.5]))
    got = read(["fresh:names", "fresh:conv_rate"], 1, 2)
    equal((got["names"], got["conv_rate"]), ([["a", "ü"], None], [0.25, None]), "pushed; what is too old is withheld")
    got = remote.get_online_features(features=remote.get_feature_service("trips"), entity_rows=[{"driver_id": 1}], full_feature_names=True).to_dict()
    equal((got["hourly__conv_rate"], got["now__acc_rate"]), ([0.25], [0.75]), "a service")

    remote.write_to_offline_store("hourly", frame([7, 7], [9, 4], [0.125, 0.75]))  # With all columns of the source's file.
    asked = pd.DataFrame({"driver_id": [7, 7, 7], "event_timestamp": [NOW - timedelta(hours=h) for h in (8, 4, 20)]})
    got = remote.get_historical_features(entity_df=asked, features=["hourly:conv_rate"]).to_df()
    equal([None if pd.isna(v) else float(v) for v in got["conv_rate"]], [0.125, 0.75, None], "history")
    remote.materialize(NOW - timedelta(days=1), NOW, feature_views=["hourly"])
    equal(read(["hourly:conv_rate"], 7)["conv_rate"], [0.75], "materialized by the client")
    spans = remote.get_feature_view("hourly").materialization_intervals
    true((NOW - timedelta(days=1), NOW) in spans, f"and known as that: {spans}")
    remote.write_to_offline_store("hourly", frame([8], [0], [0.5]))
    remote.materialize_incremental(NOW + timedelta(minutes=1), feature_views=["hourly"])
    equal(read(["hourly:conv_rate"], 8)["conv_rate"], [0.5], "and what came since")
    true(len(remote.get_feature_view("hourly").materialization_intervals) > len(spans), "another span")


def test_views_change_and_go(server):
    remote, _ = applied(server)
    driver, stats = remote.get_entity("driver"), remote.get_data_source("stats")
    more = FeatureView(name="more", entities=[driver], ttl=timedelta(0), source=stats, online=True,
                       schema=[Field(name="distance", dtype=Float64), Field(name="driver_id", dtype=Int64)])
    remote.apply([more])
    equal(remote.get_feature_view("more").current_version_number, 1, "a view with a column of its own")
    more.schema.append(Field(name="speed", dtype=Int32))
    more = FeatureView(name="more", entities=[driver], ttl=timedelta(days=3), source=stats, online=False,
                       schema=[Field(name="distance", dtype=Float64), Field(name="speed", dtype=Int32), Field(name="driver_id", dtype=Int64)])
    remote.apply([more])
    got = remote.get_feature_view("more")
    equal((got.current_version_number, got.ttl, got.online, [f.name for f in got.features]),
          (2, timedelta(days=3), False, ["distance", "speed"]), "its next version")
    service = FeatureService(name="brief", features=[more])
    remote.apply([service])
    remote.delete_feature_view("more")
    refused("what a service still reads isn't shown", errors.FeatureViewNotFoundException, lambda: remote.get_feature_view("more"), "more")
    true("more" in {d["name"] for d in server.api().get("features")["items"]}, "but is there for its reader")
    remote.delete_feature_service("brief")
    true("more" not in {d["name"] for d in server.api().get("features")["items"]}, "and goes with it")
    refused("gone", errors.FeatureViewNotFoundException, lambda: remote.get_feature_view("more"), "more")
    refused("gone before", errors.FeatureViewNotFoundException, lambda: remote.delete_feature_view("more"), "more")
    refused("a service that went", errors.FeatureServiceNotFoundException, lambda: remote.delete_feature_service("brief"), "brief")
    spare = Entity(name="spare", join_keys=["spare_id"], value_type=ValueType.STRING)
    remote.apply([spare])
    remote.apply([], objects_to_delete=[spare], partial=False)
    refused("an entity that went", errors.EntityNotFoundException, lambda: remote.get_entity("spare"), "spare")
    refused("an entity that was never there", errors.EntityNotFoundException, lambda: remote.registry.delete_entity("spare", "default"), "spare")
    for name in ("txn", "balance"):
        refused("a source of windows, or of a view alone", errors.FeastError, lambda n=name: remote.registry.delete_data_source(n, "default"))
    refused("a source that isn't there", errors.DataSourceObjectNotFoundException,
            lambda: remote.registry.delete_data_source("nowhere", "default"), "nowhere")


def test_projects(server):
    from feast import Project

    remote, _ = applied(server)
    remote.registry.apply_project(Project(name="default", description="all of it"))
    equal(remote.get_project("default").description, "all of it", "a description")
    refused("tags of a project", errors.FeastError, lambda: remote.registry.apply_project(Project(name="default", tags={"a": "b"})), "no tags")
    registry = remote.registry
    registry.apply_entity(Entity(name="there", join_keys=["there_id"], value_type=ValueType.INT64), "elsewhere")
    equal([e.name for e in registry.list_entities("elsewhere")], ["there"], "in another project")
    equal(sorted(p.name for p in registry.list_projects()), ["default", "elsewhere"], "both")
    server.api().post("/~elsewhere/api/slipway/v1/features:apply", {"yaml": NATIVE})
    refused("what Feast can't say", errors.FeastError, lambda: registry.delete_project("elsewhere"), "delete them one by one")
    equal([e.name for e in registry.list_entities("elsewhere") if e.name == "there"], ["there"], "and nothing went")
    registry.apply_entity(Entity(name="third", join_keys=["third_id"], value_type=ValueType.INT64), "third")
    registry.delete_project("third")
    equal(registry.list_entities("third"), [], "what Feast can say goes with its project")


def test_what_cannot_be_said_is_refused(server):
    from feast import BatchFeatureView
    from feast.permissions.permission import Permission

    remote, _ = applied(server)
    driver, stats = remote.get_entity("driver"), remote.get_data_source("stats")
    before = server.api().get("features")
    batch = BatchFeatureView(name="batch", entities=[driver], source=stats, mode="python", udf=lambda df: df,
                             schema=[Field(name="conv_rate", dtype=Float32), Field(name="driver_id", dtype=Int64)])
    registry = remote.registry
    spend = remote.get_feature_view("spend")
    spend.ttl = timedelta(days=9)
    clash = FeatureView(name="clash", entities=[driver], source=stats, schema=[Field(name="trips", dtype=String), Field(name="driver_id", dtype=Int64)])
    for what, call, *words in (
            ("a function of a batch", lambda: registry.apply_feature_view(batch, "default"), "FeatureView batch", "pickle"),
            ("another meaning of windows", lambda: registry.apply_feature_view(spend, "default"), "change its document"),
            ("a column of two types", lambda: registry.apply_feature_view(clash, "default"), "trips", "int64", "string"),
            ("a name that is none", lambda: registry.apply_entity(Entity(name="a b", join_keys=["k"], value_type=ValueType.INT64), "default"), "name"),
            ("a service of nothing", lambda: registry.apply_feature_service(FeatureService(name="s", features=[clash]), "default"), "clash"),
            ("permissions", lambda: registry.apply_permission(Permission(name="p"), "default"), "grants")):
        refused(what, errors.FeastError, call, *words)
    try:
        stub(server).ApplyFeatureView(calls.ApplyFeatureViewRequest(feature_view=batch.to_proto(), project="default"))
    except grpc.RpcError as error:
        equal(error.code(), grpc.StatusCode.INVALID_ARGUMENT, "its status")
    what = lambda answer: {(d["kind"], d["name"]): d["definition"] for d in answer["items"]}  # noqa: E731
    equal(what(server.api().get("features")), what(before), "nothing was applied")


def test_streams_come_back_as_streams(server):
    from feast import KafkaSource, StreamFeatureView
    from feast.data_format import JsonFormat

    remote, theirs = applied(server)
    for store in (remote, theirs):
        driver, stats = store.get_entity("driver"), store.get_data_source("stats")
        kafka = KafkaSource(name="kafka", kafka_bootstrap_servers="localhost:9092", topic="t", timestamp_field="event_timestamp",
                            batch_source=stats, message_format=JsonFormat(schema_json="trips integer"),
                            watermark_delay_threshold=timedelta(minutes=5), description="live")
        store.apply([StreamFeatureView(name="live", entities=[driver], ttl=timedelta(hours=3), source=kafka, online=True, tags={"s": "t"},
                                       schema=[Field(name="trips", dtype=Int64), Field(name="driver_id", dtype=Int64)],
                                       timestamp_field="event_timestamp")])
    for name, one in (("stream_feature_view", "live"), ("data_source", "kafka")):
        got, want = (getattr(store, f"get_{name}")(one) for store in (remote, theirs))
        true(got == want, f"{name} {one} is equal")
        equal(plain(got), plain(want), f"message of {name} {one}")
    equal([v.name for v in remote.list_stream_feature_views()], ["live"], "listed")
    true(type(remote.registry.get_any_feature_view("live", "default")).__name__ == "StreamFeatureView", "of its kind")
    remote.write_to_online_store("live", pd.DataFrame({"driver_id": [5], "trips": [50], "event_timestamp": [NOW], "created": [NOW]}))
    got = remote.get_online_features(features=["live:trips"], entity_rows=[{"driver_id": 5}]).to_dict()
    equal(got["trips"], [50], "written and read")


def test_who_may_do_what(server):  # pylint: disable=unused-argument — a server of its own, with credentials
    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder) / "data"
        with harness.Server(harness.BINARY, data, ["--auth"]) as guarded:
            admin = (data / "bootstrap-token").read_text().strip()

            def ask(method, request, token=""):
                return getattr(stub(guarded), method)(request, metadata=[("authorization", f"Bearer {token}")] if token else [])

            ask("ApplyEntity", calls.ApplyEntityRequest(entity=Entity(name="e", join_keys=["k"], value_type=ValueType.INT64).to_proto(),
                                                        project="default"), admin)
            for token in ("", "slp_000000000000_" + "0" * 49):
                refused("a stranger", grpc.RpcError, lambda t=token: ask("ListEntities", calls.ListEntitiesRequest(project="default"), t),
                        "UNAUTHENTICATED")
            reader = guarded.api(admin).post("tokens", {"principal": "reader", "role": "read", "project": "default"})
            token = reader["token"]
            equal([e.spec.name for e in ask("ListEntities", calls.ListEntitiesRequest(project="default"), token).entities], ["e"], "who reads")
            refused("who only reads", grpc.RpcError, lambda: ask("DeleteEntity", calls.DeleteEntityRequest(name="e", project="default"), token),
                    "PERMISSION_DENIED", "edit on feature")
            refused("another project", grpc.RpcError, lambda: ask("ListEntities", calls.ListEntitiesRequest(project="secret"), token),
                    "PERMISSION_DENIED", "FeastPermissionError")


def test_features_over_grpc(server):
    """Feast's gRPC feature servers: those of Go and Java, and that of Python."""
    from feast.protos.feast.serving import GrpcServer_pb2 as pushed
    from feast.protos.feast.serving import ServingService_pb2 as served
    from feast.protos.feast.serving.GrpcServer_pb2_grpc import GrpcFeatureServerStub
    from feast.protos.feast.serving.ServingService_pb2_grpc import ServingServiceStub
    from feast.protos.feast.types.Value_pb2 import Int64List, RepeatedValue, Value

    applied(server)
    channel = grpc.insecure_channel(server.ready["grpc"])
    go, python = ServingServiceStub(channel), GrpcFeatureServerStub(channel)
    equal(go.GetFeastServingInfo(served.GetFeastServingInfoRequest()).version, "0.66.0", "the version spoken")
    at = int(NOW.timestamp())
    typed = {"driver_id": Value(int64_val=31), "conv_rate": Value(float_val=0.5), "trips": Value(int64_val=9), "acc_rate": Value(double_val=float("nan")),
             "event_timestamp": Value(unix_timestamp_val=at), "created": Value(unix_timestamp_val=at)}
    true(python.WriteToOnlineStore(pushed.WriteToOnlineStoreRequest(feature_view_name="hourly", typed_features=typed)).status, "typed values")
    texts = {"driver_id": "32", "conv_rate": "0.25", "trips": "8", "names": '["x", "y"]', "seen": NOW.isoformat(), "event_timestamp": NOW.isoformat()}
    true(python.Push(pushed.PushRequest(stream_feature_view="fresh_push", features=texts, to="online")).status, "texts")
    keys = {"driver_id": RepeatedValue(val=[Value(int64_val=d) for d in (31, 32, 99)])}

    def ask(stub_, features, **more):
        return stub_.GetOnlineFeatures(served.GetOnlineFeaturesRequest(features=served.FeatureList(val=features), entities=keys, **more))

    for stub_ in (go, python):
        reply = ask(stub_, ["hourly:conv_rate", "hourly:trips", "hourly:acc_rate", "fresh:names", "fresh:seen"], include_feature_view_version_metadata=True)
        equal(list(reply.metadata.feature_names.val), ["driver_id", "conv_rate", "trips", "acc_rate", "names", "seen"], "names")
        equal({m.name: m.version for m in reply.metadata.feature_view_metadata}, {"hourly": 1, "fresh": 1}, "versions")
        key, rate, trips, acc, names, seen = reply.results
        equal([v.int64_val for v in key.values], [31, 32, 99], "keys come back")
        equal((rate.values[0].WhichOneof("val"), rate.values[0].float_val, rate.values[1].WhichOneof("val")), ("float_val", 0.5, None), "as declared")
        equal((trips.values[0].int64_val, list(trips.statuses)), (9, [served.PRESENT, served.NOT_FOUND, served.NOT_FOUND]), "statuses")
        equal((acc.values[0].WhichOneof("val"), acc.statuses[0]), (None, served.NULL_VALUE), "NaN is null")
        equal((list(names.values[1].string_list_val.val), seen.values[1].unix_timestamp_val), (["x", "y"], at), "lists and times")
        equal([t.seconds for t in rate.event_timestamps], [at, 0, 0], "event times")
    reply = go.GetOnlineFeatures(served.GetOnlineFeaturesRequest(feature_service="trips", entities=keys, full_feature_names=True))
    equal(list(reply.metadata.feature_names.val)[1:], ["hourly__conv_rate", "hourly__trips", "now__acc_rate"], "a service, by full names")
    reply = go.GetOnlineFeatures(served.GetOnlineFeaturesRequest(
        features=served.FeatureList(val=["ratio:used"]), entities={"user_id": RepeatedValue(val=[Value(int64_val=1)])},
        request_context={"limit": RepeatedValue(val=[Value(double_val=24.0)])}))
    true(reply.results[-1].statuses[0] in (served.PRESENT, served.NOT_FOUND, served.NULL_VALUE), "data of the request")
    for what, call, code, kind in (
            ("a view", lambda: ask(go, ["nowhere:x"]), "NOT_FOUND", "FeatureViewNotFoundException"),
            ("a feature", lambda: ask(python, ["hourly:x"]), "NOT_FOUND", "KeyError"),
            ("a service", lambda: go.GetOnlineFeatures(served.GetOnlineFeaturesRequest(feature_service="x", entities=keys)), "NOT_FOUND",
             "FeatureServiceNotFoundException"),
            ("no features", lambda: ask(go, []), "INVALID_ARGUMENT", "feature_service"),
            ("no keys", lambda: go.GetOnlineFeatures(served.GetOnlineFeaturesRequest(features=served.FeatureList(val=["hourly:trips"]))),
             "INVALID_ARGUMENT", "FeastEntityDFMissingColumnsError"),
            ("a push source", lambda: python.Push(pushed.PushRequest(stream_feature_view="x", features=texts, to="online")), "INVALID_ARGUMENT",
             "PushSourceNotFoundException"),
            ("to nowhere", lambda: python.Push(pushed.PushRequest(stream_feature_view="fresh_push", features=texts, to="x")), "INVALID_ARGUMENT", "online"),
            ("both", lambda: python.Push(pushed.PushRequest(stream_feature_view="fresh_push", features=texts, typed_features=typed, to="online")),
             "INVALID_ARGUMENT", "not both"),
            ("a list for a number", lambda: python.WriteToOnlineStore(pushed.WriteToOnlineStoreRequest(
                feature_view_name="hourly", typed_features={**typed, "trips": Value(int64_list_val=Int64List(val=[1]))})), "INVALID_ARGUMENT", "trips")):
        refused(what, grpc.RpcError, call, code, kind)


REPOSITORY = """
from datetime import timedelta
from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.types import Int64

rider = Entity(name="rider", join_keys=["rider_id"], value_type=ValueType.INT64)
rides = FileSource(name="rides", path="%s", timestamp_field="event_timestamp")
daily = FeatureView(name="daily", entities=[rider], ttl=timedelta(days=1), source=rides,
                    schema=[Field(name="rides", dtype=Int64), Field(name="rider_id", dtype=Int64)])
riding = FeatureService(name="riding", features=[daily])
"""


def test_the_command_line_applies_a_repository(server):
    applied(server)
    config(server, "repository", "rides")
    root = pathlib.Path(FOLDER.name) / "repository"
    pd.DataFrame({"rider_id": [1], "rides": [2], "event_timestamp": [NOW]}).to_parquet(root / "rides.parquet")
    (root / "definitions.py").write_text(REPOSITORY % (root / "rides.parquet"))
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}

    def feast(command, words=""):
        done = subprocess.run([sys.executable, "-c", "from feast.cli.cli import cli; cli()", *command.split()], cwd=root, env=env,
                              capture_output=True, text=True, check=False)
        equal((done.returncode, words in done.stdout), (0, True), f"feast {command}: {done.stdout[-500:]}{done.stderr[-1500:]}")

    feast("plan", "Created feature view daily")
    feast("apply")
    registry = config(server, "again", "rides").registry
    equal(registry.get_feature_view("daily", "rides").batch_source.name, "rides", "it is there")
    (root / "definitions.py").write_text((root / "definitions.py").read_text().split("rides =")[0])
    feast("apply")  # What isn't declared any more goes, read or not.
    got = [o.name for kind in ("data_sources", "feature_views", "feature_services", "entities") for o in getattr(registry, f"list_{kind}")("rides")]
    equal(got, ["rider"], "what is left")
    # In which order it deletes differs from run to run; at the first thing of ours it ends.
    error = refused("where others declare, too", AssertionError, lambda: (config(server, "repository"), feast("apply")), "Error")
    true("is read by" in str(error) or "is declared by" in str(error), f"why: {error}")
    true("spend" in {v.name for v in native(server).list_feature_views()}, "nothing of theirs goes")



def test_hostile_bytes(server):
    """Every method answers anything with a clean status."""
    rng = random.Random(20261127)
    channel = grpc.insecure_channel(server.ready["grpc"])
    from feast.protos.feast.registry import RegistryServer_pb2
    from feast.protos.feast.serving import GrpcServer_pb2, ServingService_pb2

    names = [f"{s.full_name}/{m.name}" for file in (RegistryServer_pb2, GrpcServer_pb2, ServingService_pb2)
             for s in file.DESCRIPTOR.services_by_name.values() for m in s.methods]
    statuses = set()
    for name in names:
        for message in (b"\xff\xff\xff\xff", b"\x0a\x05ab", bytes(5), b"\x0b" * 3000, b"\x0a\x02\xc3\x28",
                        bytes(rng.randrange(256) for _ in range(200)), b"\x0a\x07../../x\x12\x07default"):
            try:
                channel.unary_unary(f"/{name}")(message, timeout=60)
            except grpc.RpcError as error:
                statuses.add(error.code().name)
                true(error.code().name not in ("UNKNOWN", "INTERNAL", "UNIMPLEMENTED"), f"{name}: {error}")
    true("INVALID_ARGUMENT" in statuses, f"statuses: {statuses}")
    equal(server.api().send("GET", "/health").status, 200, "the server lives on")


if __name__ == "__main__":
    harness.run(globals())
