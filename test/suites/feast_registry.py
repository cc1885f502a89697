"""The unmodified feast 0.66.0 client with a remote registry, online store and offline store: no file is left on its side.

What the registry answers is compared with what Feast's own file registry, made of the same objects, answers.
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


def test_hostile_bytes(server):
    """Every method answers anything with a clean status."""
    rng = random.Random(20261127)
    channel = grpc.insecure_channel(server.ready["grpc"])
    from feast.protos.feast.registry import RegistryServer_pb2

    names = [m.name for m in RegistryServer_pb2.DESCRIPTOR.services_by_name["RegistryServer"].methods]
    statuses = set()
    for name in names:
        for message in (b"\xff\xff\xff\xff", b"\x0a\x05ab", bytes(5), b"\x0b" * 3000, b"\x0a\x02\xc3\x28",
                        bytes(rng.randrange(256) for _ in range(200)), b"\x0a\x07../../x\x12\x07default"):
            try:
                channel.unary_unary(f"/feast.registry.RegistryServer/{name}")(message, timeout=60)
            except grpc.RpcError as error:
                statuses.add(error.code().name)
                true(error.code().name not in ("UNKNOWN", "INTERNAL"), f"{name}: {error}")
    true("INVALID_ARGUMENT" in statuses, f"statuses: {statuses}")
    equal(server.api().send("GET", "/health").status, 200, "the server lives on")


if __name__ == "__main__":
    harness.run(globals())
