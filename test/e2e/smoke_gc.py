"""Deletion: the bin, a dry run, holds, what registered versions need, names that are free again, workspaces that go with what they hold."""
import harness
from harness import MLFLOW, equal, refused, true, until


def trash(api, name):
    """A deleted experiment with a run that has a metric and a file."""
    experiment = api.post(MLFLOW + "experiments/create", {"name": name})["experiment_id"]
    info = api.post(MLFLOW + "runs/create", {"experiment_id": experiment, "start_time": 1})["run"]["info"]
    api.post(MLFLOW + "runs/log-metric", {"run_id": info["run_id"], "key": "m", "value": 1.0, "timestamp": 1, "step": 0})
    harness.put_artifact(api, info, "model/weights", b"w" * 1000)
    api.post(MLFLOW + "experiments/delete", {"experiment_id": experiment})
    return experiment, info


def purge(api, **spec):
    uid = api.post("gc", {"older_than_ms": 0, **spec})["uid"]
    until("the purge", lambda: api.get(f"gc/{uid}")["state"] == "done")
    return api.get(f"gc/{uid}")["purged"]


def test_a_purged_name_is_free_again(server):
    api = server.api()
    experiment, info = trash(api, "again")
    refused(api, "POST", MLFLOW + "experiments/create", {"name": "again"}, 400, "RESOURCE_ALREADY_EXISTS")
    plan = api.post("gc", {"dry_run": True, "older_than_ms": 0})
    equal((plan["counts"]["runs"], plan["counts"]["experiments"], plan["bytes"]), (1, 1, 1000), "what would go")
    equal(api.get(MLFLOW + f"runs/get?run_id={info['run_id']}")["run"]["info"]["lifecycle_stage"], "deleted", "a dry run changes nothing")
    equal(purge(api)["runs"], 1, "runs")
    refused(api, "GET", MLFLOW + f"runs/get?run_id={info['run_id']}", status=404, code="RESOURCE_DOES_NOT_EXIST")
    refused(api, "POST", MLFLOW + "runs/restore", {"run_id": info["run_id"]}, 404, "RESOURCE_DOES_NOT_EXIST")
    path = info["artifact_uri"].removeprefix("mlflow-artifacts:/").lstrip("/")
    equal(api.send("GET", f"/api/2.0/mlflow-artifacts/artifacts/{path}/model/weights", check=False).status, 404, "its file")
    other = api.post(MLFLOW + "experiments/create", {"name": "again"})["experiment_id"]
    true(int(other) > int(experiment), "a number is never given twice")
    verbs = [event["verb"] for event in api.get("ledger?limit=50&order=desc")["items"]]
    true("run.purged" in verbs and "experiment.purged" in verbs, f"events: {verbs}")


def test_holds_keep(server):
    api = server.api()
    _, info = trash(api, "held")
    held = api.post("holds", {"object": f"run:{info['run_id']}", "reason": "case 7"})
    blocked = api.post("gc", {"dry_run": True, "older_than_ms": 0})["blocked"]
    true(any(item["uid"] == info["run_id"] and held["uid"] in item["blocked_by"] for item in blocked), f"named: {blocked}")
    purge(api)
    api.post(MLFLOW + "runs/restore", {"run_id": info["run_id"]})
    path = "/api/2.0/mlflow-artifacts/artifacts/" + info["artifact_uri"].removeprefix("mlflow-artifacts:/").lstrip("/")
    true(api.send("DELETE", path + "/model", check=False).status >= 400, "a held file is not deleted")
    true(api.send("PUT", path + "/model/weights", b"other", check=False).status >= 400, "nor replaced")
    equal(api.send("PUT", path + "/model/more", b"more").status, 200, "but what is held may grow")
    refused(api, "POST", f"holds/{held['uid']}/release", {"reason": " "}, 400, "hold.reason")
    api.post(f"holds/{held['uid']}/release", {"reason": "settled"})
    refused(api, "POST", f"holds/{held['uid']}/release", {"reason": "again"}, 409, "hold.released")
    equal(api.send("DELETE", path + "/model").status, 200, "free again")
    api.post(MLFLOW + "runs/delete", {"run_id": info["run_id"]})
    equal(purge(api)["runs"], 1, "after the release")


def test_registered_versions_keep_their_run(server):
    api = server.api()
    info = harness.make_run(api)
    harness.put_artifact(api, info, "model/weights", b"x")
    api.post(MLFLOW + "registered-models/create", {"name": "kept"})
    api.post(MLFLOW + "model-versions/create", {"name": "kept", "source": info["artifact_uri"] + "/model", "run_id": info["run_id"]})
    api.post("holds", {"object": "model:kept@1", "reason": "audit"})
    error = api.send("DELETE", MLFLOW + "model-versions/delete", {"name": "kept", "version": "1"}, check=False)
    true(400 <= error.status < 500, f"a held version stays: {error.status}")
    api.post(MLFLOW + "runs/delete", {"run_id": info["run_id"]})
    plan = api.post("gc", {"dry_run": True, "older_than_ms": 0})
    true(any(item.get("blocked_by") == "model version kept@1" for item in plan["blocked"]), f"names it: {plan['blocked']}")
    equal(purge(api)["runs"], 0, "it stays")
    true(api.get("blobs")["needed_blobs"] > 0, "blobs that are needed")


def test_rules(server):
    api = server.api()
    api.send("PUT", "/api/slipway/v1/retention", {"deleted_days": 30, "traces_days": 90})
    equal([rule["deleted_days"] for rule in api.get("retention")["items"]], [30], "rules")
    trash(api, "young")
    equal(api.post("gc", {"dry_run": True})["counts"]["runs"], 0, "the bin keeps 30 days")
    equal(api.post("gc", {"dry_run": True, "older_than_ms": 0})["counts"]["runs"], 1, "unless asked otherwise")
    refused(api, "PUT", "retention", {"deleted_days": -1}, 400, "retention.days")
    refused(api, "PUT", "retention", {}, 400, "retention.days")
    refused(api, "PUT", "retention", {"experiment": "999", "deleted_days": 1}, 404, "experiment.not_found")
    refused(api, "DELETE", "retention?experiment=999", status=404, code="retention.not_found")
    api.send("DELETE", "/api/slipway/v1/retention")


def test_bad_input(server):
    api = server.api()
    refused(api, "POST", "gc", {"older_than_ms": -1}, 400, "gc.older_than")
    refused(api, "POST", "gc", {"runs": "r"}, 400, "request.wrong_type")
    refused(api, "POST", "gc", {"runs": ["0" * 32]}, 404, "run.not_found")
    refused(api, "POST", "gc", {"experiments": ["x"]}, 400, "request.wrong_type")
    refused(api, "GET", "gc/none", status=404, code="gc.not_found")
    refused(api, "POST", "holds", {"object": "run", "reason": "r"}, 400, "hold.object")
    refused(api, "POST", "holds", {"object": "dataset:d", "reason": "r"}, 400, "hold.kind")
    refused(api, "POST", "holds", {"object": "run:none", "reason": "r"}, 404, "hold.no_object")
    refused(api, "POST", "holds", {"object": "model:kept@x", "reason": "r"}, 400, "hold.object")
    refused(api, "POST", "holds", {"object": "run:none", "reason": ""}, 400, "hold.reason")


def test_a_workspace_goes_with_what_it_holds(server):
    api = server.api()
    api.send("POST", "/api/3.0/mlflow/workspaces", {"name": "doomed"})
    there = "/~doomed" + MLFLOW
    experiment = api.send("POST", there + "experiments/create", {"name": "e"}).json()["experiment_id"]
    api.send("POST", there + "runs/create", {"experiment_id": experiment, "start_time": 1})
    api.send("POST", there + "registered-models/create", {"name": "m"})
    at = "/api/3.0/mlflow/workspaces/doomed"
    equal(api.send("DELETE", at, check=False).status, 400, "RESTRICT")
    held = api.send("POST", "/~doomed/api/slipway/v1/holds", {"object": "project", "reason": "case 8"}).json()
    equal(api.send("DELETE", at + "?mode=CASCADE", check=False).status, 400, "a held one")
    api.send("POST", f"/~doomed/api/slipway/v1/holds/{held['uid']}/release", {"reason": "settled"})
    equal(api.send("DELETE", at + "?mode=CASCADE").status, 204, "CASCADE")
    equal(api.send("GET", at, check=False).status, 404, "it is gone")


if __name__ == "__main__":
    harness.run(globals())
