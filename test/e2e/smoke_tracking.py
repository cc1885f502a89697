"""Tracking by MLflow's REST: runs, metrics with their histories, search, artifacts; refusals in MLflow's own form."""
import harness
from harness import MLFLOW, equal, true


def test_a_run(server):
    api = server.api()
    experiment = api.post(MLFLOW + "experiments/create", {"name": "e"})["experiment_id"]
    info = api.post(MLFLOW + "runs/create", {"experiment_id": experiment, "run_name": "r", "start_time": 1})["run"]["info"]
    run = info["run_id"]
    metrics = [{"key": "loss", "value": 1.0 / (step + 1), "timestamp": step, "step": step} for step in range(5)]
    api.post(MLFLOW + "runs/log-batch", {"run_id": run, "metrics": metrics, "params": [{"key": "p", "value": "1"}],
                                         "tags": [{"key": "t", "value": "x"}]})
    data = api.get(MLFLOW + f"runs/get?run_id={run}")["run"]["data"]
    equal({item["key"]: item["value"] for item in data["metrics"]}, {"loss": 0.2}, "last value")
    history = api.get(MLFLOW + f"metrics/get-history?run_id={run}&metric_key=loss")["metrics"]
    equal([item["value"] for item in history], [item["value"] for item in metrics], "history")
    found = api.post(MLFLOW + "runs/search", {"experiment_ids": [experiment], "filter": "metrics.loss < 0.5 and params.p = '1'"})
    equal([item["info"]["run_id"] for item in found["runs"]], [run], "search")
    true(not api.post(MLFLOW + "runs/search", {"experiment_ids": [experiment], "filter": "metrics.loss > 0.5"}).get("runs"),
         "search that finds nothing")


def test_nan_and_infinity(server):
    api = server.api()
    run = harness.make_run(api)["run_id"]
    for key, value in (("nan", "NaN"), ("up", "Infinity"), ("down", "-Infinity")):
        api.post(MLFLOW + "runs/log-metric", {"run_id": run, "key": key, "value": value, "timestamp": 1, "step": 0})
    data = api.get(MLFLOW + f"runs/get?run_id={run}")["run"]["data"]["metrics"]
    equal({item["key"]: str(item["value"]) for item in data},
          {"nan": "NaN", "up": "1.7976931348623157e+308", "down": "-1.7976931348623157e+308"}, "values, infinity clamped as MLflow does")


def test_artifacts(server):
    api = server.api()
    info = harness.make_run(api)
    harness.put_artifact(api, info, "deep/er/file.bin", b"\x00\x01" * 1000)
    listed = api.get(MLFLOW + f"artifacts/list?run_id={info['run_id']}&path=deep/er")["files"]
    equal([(item["path"], int(item["file_size"])) for item in listed], [("deep/er/file.bin", 2000)], "list")
    root = info["artifact_uri"].removeprefix("mlflow-artifacts:/").lstrip("/")
    reply = api.send("GET", f"/api/2.0/mlflow-artifacts/artifacts/{root}/deep/er/file.bin")
    equal(reply.body, b"\x00\x01" * 1000, "bytes")
    reply = api.send("GET", f"/api/2.0/mlflow-artifacts/artifacts/{root}/../../../etc/passwd", check=False)
    true(reply.status in (400, 404), f"a path that leaves the run: {reply.status}")


def test_refusals(server):
    api = server.api()
    harness.refused(api, "GET", MLFLOW + "runs/get?run_id=" + "0" * 32, status=404, code="RESOURCE_DOES_NOT_EXIST")
    api.post(MLFLOW + "experiments/create", {"name": "twice"})
    harness.refused(api, "POST", MLFLOW + "experiments/create", {"name": "twice"}, 400, "RESOURCE_ALREADY_EXISTS")
    run = harness.make_run(api)["run_id"]
    api.post(MLFLOW + "runs/log-parameter", {"run_id": run, "key": "p", "value": "1"})
    harness.refused(api, "POST", MLFLOW + "runs/log-parameter", {"run_id": run, "key": "p", "value": "2"}, 400,
                    "INVALID_PARAMETER_VALUE")
    harness.refused(api, "POST", MLFLOW + "runs/search", {"experiment_ids": ["0"], "filter": "metrics.loss <"}, 400,
                    "INVALID_PARAMETER_VALUE")


def test_what_pages_read(server):
    """The native rows: experiments with their use, a table of chosen cells, its columns, one run, curves."""
    api = server.api()
    experiment = api.post(MLFLOW + "experiments/create", {"name": "pages"})["experiment_id"]
    runs = []
    for number in range(3):
        info = api.post(MLFLOW + "runs/create", {"experiment_id": experiment, "run_name": f"n{number}", "start_time": number + 1})
        runs.append(info["run"]["info"]["run_id"])
        points = [{"key": "val/loss", "value": "NaN" if step == 7 else number + step, "timestamp": step, "step": step} for step in range(50)]
        api.post(MLFLOW + "runs/log-batch", {"run_id": runs[-1], "metrics": points, "params": [{"key": "p", "value": str(number)}]})
    shown = api.get(f"experiments/{experiment}")
    equal((shown["name"], shown["runs"], shown["running"]), ("pages", 3, 3), "an experiment")
    true("pages" in [item["name"] for item in api.items("experiments")], "the list of experiments")
    asked = {"experiment_ids": [experiment], "order_by": ["metrics.`val/loss` DESC"]}
    page = api.post("runs/search", {**asked, "limit": 2, "count": True, "metrics": ["val/loss"]})
    equal([(item["name"], item["metrics"], item["params"]) for item in page["items"]],
          [("n2", {"val/loss": 51}, {}), ("n1", {"val/loss": 50}, {})], "chosen cells")
    equal(page["total"], 3, "count")
    rest = api.post("runs/search", {**asked, "limit": 2, "page_token": page["next_page_token"]})
    equal([item["name"] for item in rest["items"]], ["n0"], "second page")
    columns = api.post("runs/columns", {"experiment_ids": [experiment]})
    equal(columns["params"], [{"key": "p", "runs": 3, "differs": True}], "columns")
    equal(api.get(f"runs/{runs[0]}")["params"], {"p": "0"}, "one run")
    curve = api.get(f"runs/{runs[1]}/metrics/val%2Floss/curve?points=10")
    equal((curve["points"], len(curve["last"]), curve["last"][-1], curve["max"][-1]), (50, 10, 50, 50), "a curve")
    equal(curve["marks"], [{"x": 5, "nan": 1, "above": 0, "below": 0}], "its NaN")
    both = api.post("curves", {"run_ids": runs[:2], "keys": ["val/loss", "none"], "points": 5, "from": 10, "to": 19})["items"]
    equal([(c["points"], len(c["last"])) for c in both], [(10, 5), (0, 0), (10, 5), (0, 0)], "curves of a part")
    refused = harness.refused
    refused(api, "POST", "runs/search", {"experiment_ids": [experiment], "filter": "metrics.x <"}, 400)
    refused(api, "POST", "runs/search", {"experiment_ids": ["x"]}, 400, "request.wrong_type")
    refused(api, "POST", "runs/search", {"experiment_ids": [experiment], "limit": 100_000}, 400)
    refused(api, "POST", "runs/search", {"experiment_ids": ["0"] * 1001}, 400, "request.limit")
    refused(api, "POST", "curves", {"run_ids": [], "keys": ["a"]}, 400, "curves.limit")
    refused(api, "POST", "curves", {"run_ids": ["0" * 32], "keys": ["a"]}, 404, "run.not_found")
    refused(api, "GET", f"runs/{runs[0]}/metrics/m/curve?points=0", status=400, code="curves.limit")
    refused(api, "GET", f"runs/{runs[0]}/metrics/m/curve?x=epoch", status=400, code="request.query")
    refused(api, "GET", "experiments/99999", status=404)


if __name__ == "__main__":
    harness.run(globals())
