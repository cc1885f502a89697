"""Features: defined, pushed, served, joined; a restart after SIGKILL serves the same; what is wrong changes nothing."""
import json
import pathlib
import tempfile
from datetime import datetime, timedelta, timezone

import harness
from harness import equal, true

YAML = """
kind: Source
name: txn
columns: {user: int64, amount: float64}
event_time: ts
---
kind: FeatureView
name: last
entity: {user: int64}
source: txn
features: [amount]
ttl: 1d
---
kind: FeatureView
name: spend
entity: {user: int64}
source: txn
aggregate:
  - {op: sum, of: amount, windows: [1h], as: spend}
  - {op: count, windows: [1h], as: n}
tests:
  - events: [{user: 1, ts: "2026-01-01T00:00:00Z", amount: 2}, {user: 1, ts: "2026-01-01T00:10:00Z", amount: 3}]
    at: "2026-01-01T00:20:00Z"
    expect: {spend_1h: 5, n_1h: 2}
---
kind: OnDemand
name: share
inputs: {s: "spend:spend_1h"}
request: {amount: float64}
features: {share: "request.amount / s"}
---
kind: FeatureService
name: fraud
features: ["last:amount", "spend:*", "share:share"]
log: {sample_by_key: 1}
"""


def at(minutes_ago):
    return (datetime.now(timezone.utc) - timedelta(minutes=minutes_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


def online(api, users, amount=10.0):
    body = {"entities": {"user": users, "amount": [amount] * len(users)}, "feature_service": "fraud"}
    reply = api.send("POST", "/get-online-features", body).json()
    names = reply["metadata"]["feature_names"]
    return {name: result["values"] for name, result in zip(names, reply["results"])}


def test_defined_pushed_served_joined(server):
    api = server.api()
    with tempfile.TemporaryDirectory() as root:
        path = pathlib.Path(root) / "features.yaml"
        path.write_text(YAML)
        tested = json.loads(server.cli("feature", "test", path, "--json"))
        equal([t["outcome"] for t in tested["items"]], ["passed"], "the view's own test")
        planned = json.loads(server.cli("feature", "plan", path, "--json"))
        equal({c["action"] for c in planned["changes"]}, {"create"}, "the plan")
        server.cli("feature", "apply", path)
        again = json.loads(server.cli("feature", "apply", path, "--json"))
        equal({c["action"] for c in again["changes"]}, {"unchanged"}, "applied again")

        rows = [{"user": 1, "ts": at(30), "amount": 4.0}, {"user": 1, "ts": at(5), "amount": 6.0}]
        equal(api.post("feature-sources/txn/rows", {"rows": rows})["rows"], 2, "pushed")
        want = {"user": [1, 2], "amount": [6.0, None], "spend_1h": [10.0, None], "n_1h": [2, None], "share": [1.0, None]}
        got = online(api, [1, 2])
        equal({k: got[k] for k in want if k != "amount"}, {k: v for k, v in want.items() if k != "amount"}, "served")

        entities = pathlib.Path(root) / "entities.csv"
        entities.write_text(f"user,event_timestamp,amount,label\n1,{at(6)},8,0\n1,{at(0)},10,1\n3,{at(0)},1,0\n")
        out = pathlib.Path(root) / "train.csv"
        server.cli("feature", "train", "--entities", entities, "--service", "fraud", "--out", out, "--full-names")
        lines = out.read_text().splitlines()
        equal(lines[0].split(",")[4:], ["last__amount", "spend__spend_1h", "spend__n_1h", "share__share"], "columns")
        equal([line.split(",")[4:7] for line in lines[1:]], [["4.0", "4.0", "1"], ["6.0", "10.0", "2"], ["", "", ""]], "joined")

        breaking = pathlib.Path(root) / "breaking.yaml"
        breaking.write_text(YAML.split("---")[1].replace("features: [amount]", 'row: {other: "amount * 2"}'))
        refused = json.loads(server.cli("feature", "plan", breaking, "--fail-on", "breaking", "--json", check=False))
        equal(refused["severity"], "breaking", "what a service reads is gone")


def test_a_restart_serves_the_same(server):
    api = server.api()
    before = online(api, [1, 2])
    server.kill()
    server.start()
    after = online(server.api(), [1, 2])
    equal(after, before, "after SIGKILL")


def test_what_was_served_is_replayed(server):
    api = server.api()
    for i in range(20):
        row = {"user": i % 3, "ts": at(i), "amount": float(i)}
        api.post(f"feature-sources/txn/rows?to={'online' if i == 7 else 'both'}", {"rows": [row]})
        online(api, [0, 1, 2, 9])
    report = json.loads(server.cli("feature", "verify", "--service", "fraud", "--since", "10m", "--json"))
    true(report["holds"] and report["broken"] == 0, f"nothing broken: {report['examples']}")
    true(report["vectors"] >= 80, f"vectors: {report['vectors']}")
    causes = {cause for f in report["features"] for cause in f["differ"]}
    true(causes <= {"one_sided", "in_flight"}, f"causes: {causes}")
    true("spend_1h" in server.cli("feature", "verify", "--service", "fraud"), "by feature")
    harness.refused(api, "POST", "feature-services/nope/verify", {}, status=404)
    harness.refused(api, "POST", "feature-services/fraud/verify", {"since": "yesterday"}, status=400)
    harness.refused(api, "POST", "feature-services/fraud/verify", {"limit": 0}, status=400)

    shown = json.loads(server.cli("feature", "show", "FeatureView", "spend", "--json"))["freshness"]
    true(shown["served"]["PRESENT"] > 0 and shown["lag"]["count"] == 20, f"freshness: {shown}")
    true(0 < shown["event_us"] <= shown["received_us"] <= shown["visible_us"], f"clocks in order: {shown}")
    text = api.send("GET", "/metrics").body.decode()
    true('slipway_feature_freshness_seconds{project="default",view="spend"}' in text, "in the metrics")


def test_an_entity_is_erased(server):
    api = server.api()
    rows = [{"user": 77, "ts": at(i), "amount": 5.0} for i in range(3)]
    api.post("feature-sources/txn/rows", {"rows": rows})
    equal(online(api, [77])["n_1h"], [3], "counted")
    others = online(api, [0, 1, 2])
    equal(json.loads(server.cli("feature", "erase", "--key", "user=77", "--dry-run", "--json"))["rows"], 3, "only counted")
    equal(online(api, [77])["n_1h"], [3], "still there")
    harness.refused(api, "POST", "features:erase", {"keys": {}}, status=400)
    harness.refused(api, "POST", "features:erase", {"keys": {"user": "x"}}, status=400)
    done = json.loads(server.cli("feature", "erase", "--key", "user=77", "--reason", "asked for it", "--json"))
    equal((done["rows"], done["sources"]), (3, ["txn"]), "erased")
    for _ in range(2):
        equal(online(server.api(), [77])["n_1h"], [None], "gone")
        equal(online(server.api(), [0, 1, 2]), others, "the others are as before")
        server.kill()
        server.start()


COMPUTED = """
kind: Source
name: days
columns: {user: int64, total: float64}
event_time: day
inputs: [txn]
sql: |
  SELECT user, date_trunc('day', ts) AS day, sum(amount) AS total
  FROM txn WHERE NOT _deleted GROUP BY ALL
---
kind: FeatureView
name: daily
entity: {user: int64}
source: days
features: [total]
"""


def test_a_source_is_computed_in_sql(server):
    api = server.api()
    with tempfile.TemporaryDirectory() as root:
        path = pathlib.Path(root) / "days.yaml"
        path.write_text(COMPUTED)
        server.cli("feature", "apply", path)
        equal(json.loads(server.cli("sql", "SELECT 6 * 7 AS n", "--json"))["items"], [{"n": 42}])

    def total():
        server.cli("feature", "materialize", "daily")
        return total_served(api)

    noon = datetime.now(timezone.utc).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
    rows = [{"user": 9, "amount": amount, "ts": noon.isoformat()} for amount in (1.5, 2.0)]
    api.send("POST", "feature-sources/txn/rows", {"rows": rows[:1]})
    equal(total(), 1.5)
    api.send("POST", "feature-sources/txn/rows", {"rows": rows[1:]})
    equal(total(), 3.5, "the day's total, computed anew")
    runs = json.loads(server.cli("feature", "runs", "days", "--json"))["items"]
    equal([(r["number"], r["added"], r["taken_back"]) for r in runs][0], (2, 1, 1))
    equal(json.loads(server.cli("feature", "compute", "days", "--json"))["number"], 2, "nothing to compute")
    harness.refused(api, "POST", "feature-sources/days/rows", {"rows": [{"user": 9, "total": 1.0, "day": noon.isoformat()}]},
                    code="feature.computed")
    harness.refused(api, "DELETE", "features/Source/txn", status=409, code="feature.in_use")
    bad = COMPUTED.replace("FROM txn", "FROM read_csv('/etc/passwd')").split("---")[0]
    api.send("POST", "features:apply", {"yaml": bad})
    error = harness.refused(api, "POST", "feature-sources/days/runs", code="sql.query")
    true("disabled" in str(error), error)
    equal(total_served(api), 3.5, "what was served before")


def total_served(api):
    return api.send("POST", "/get-online-features",
                    {"entities": {"user": [9]}, "features": ["daily:total"]}).json()["results"][1]["values"][0]


def test_bad_input_changes_nothing(server):
    api = server.api()
    before = online(api, [1])
    row = {"user": 1, "ts": at(0), "amount": 99.0}
    cases = [
        ({"rows": [{**row, "nope": 1}]}, 400),
        ({"rows": [row, {**row, "user": None}]}, 400),
        ({"rows": [row, {**row, "user": "x"}]}, 400),
        ({"rows": [row, {**row, "ts": "yesterday"}]}, 400),
        ({"rows": [{**row, "ts": None}]}, 400),
        ({"rows": 3}, 400),
        ({}, 400),
    ]
    for body, status in cases:
        error = harness.refused(api, "POST", "feature-sources/txn/rows", body, status=status)
        true(error.code, f"{body}: a reason")
    harness.refused(api, "POST", "feature-sources/nope/rows", {"rows": []}, status=404)
    harness.refused(api, "POST", "features:apply", {"yaml": "kind: FeatureView\nname: x\nentity: {k: int64}\n"}, status=400)
    harness.refused(api, "POST", "features:apply", {"yaml": YAML.replace("of: amount", "of: nope")}, status=400)
    harness.refused(api, "DELETE", "features/Source/txn", status=409)
    equal(online(api, [1]), before, "served as before")


if __name__ == "__main__":
    harness.run(globals())
