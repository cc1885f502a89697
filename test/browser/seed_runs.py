"""Runs for the tracking journeys, and what MLflow's REST says of them."""
import math
import pathlib
import sys
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402
from harness import MLFLOW  # noqa: E402

EXPERIMENT, RUNS, LONG, POINTS, BATCH = "digit-classifier", 260, 3, 3000, 1000
BEGUN_MS = 1_780_000_000_000


def value_at(run, step):
    """A falling loss with one spike and two NaN in the first run."""
    if run == 0 and step in (700, 701):
        return "NaN"
    if run == 1 and step == 1234:
        return 25.5
    return round((2.2 + run) * math.exp(-step / (500 + 200 * run)) + 0.05 * (run + 1) + 0.02 * math.sin(step / 9), 6)


def log(api, run_id, metrics, params=(), tags=()):
    pairs = lambda items: [{"key": key, "value": value} for key, value in items]  # noqa: E731
    api.post(MLFLOW + "runs/log-batch", {"run_id": run_id, "metrics": metrics, "params": pairs(params), "tags": pairs(tags)})


def point(key, value, step, at):
    return {"key": key, "value": value, "step": step, "timestamp": at}


def a_run(api, experiment, number):
    begun = BEGUN_MS + number * 60_000
    run = api.post(MLFLOW + "runs/create", {"experiment_id": experiment, "run_name": f"try-{number:03}", "start_time": begun})
    run_id = run["run"]["info"]["run_id"]
    params = [("lr", str(0.1 / (1 + number % 7))), ("optimizer", ("adam", "sgd", "rmsprop")[number % 3]), ("seed", "7")]
    final = [point("accuracy", round(0.7 + (number * 37 % 251) / 1000, 4), 0, begun), point("flat", 1, 0, begun)]
    if number % 50 == 9:
        final.append(point("diverged", "NaN", 0, begun))
        final.append(point("peak", "Infinity", 0, begun))
    log(api, run_id, final, params, [("team", "vision"), ("mlflow.source.git.commit", f"{number:040x}")])
    return run_id, begun


def tree(api):
    """A sweep in an experiment of its own: a parent of three, the first of which has a child too, and a run beside them."""
    experiment = api.post(MLFLOW + "experiments/create", {"name": "sweep"})["experiment_id"]

    def make(name, number, parent=None):
        begun = BEGUN_MS + number * 1000
        run = api.post(MLFLOW + "runs/create", {"experiment_id": experiment, "run_name": name, "start_time": begun})
        run_id = run["run"]["info"]["run_id"]
        value = ("NaN", 0.5, "-Infinity", 0.75, 0.25, "Infinity")[number]
        log(api, run_id, [point("accuracy", value, 0, begun)], [("depth", str(number))], [("mlflow.parentRunId", parent)] if parent else [])
        api.post(MLFLOW + "runs/update", {"run_id": run_id, "status": "FINISHED", "end_time": begun + 500})
        return run_id
    parent = make("sweep", 0)
    children = [make(f"try-{n}", n, parent) for n in (1, 2, 3)]
    return {"experiment_id": experiment, "parent": parent, "children": children, "grandchild": make("again", 4, children[0]),
            "single": make("alone", 5)}


def groups(api, seeded):
    """Runs by optimizer, from MLflow's own searches: count and what accuracy spans."""
    out = {}
    for optimizer in ("adam", "sgd", "rmsprop"):
        values = []
        token = ""
        while True:
            page = api.post(MLFLOW + "runs/search", {"experiment_ids": [seeded["experiment_id"]], "page_token": token,
                                                     "filter": f"params.optimizer = '{optimizer}'"})
            for run in page.get("runs", []):
                values += [float(m["value"]) for m in run["data"]["metrics"] if m["key"] == "accuracy"]
            token = page.get("next_page_token", "")
            if not token:
                break
        out[optimizer] = {"runs": len(values), "min": min(values), "mean": sum(values) / len(values), "max": max(values)}
    return out


def seed(server):
    """260 runs; the first three have long curves, the last one still runs. Returns what the journeys assert."""
    api = server.api()
    experiment = api.post(MLFLOW + "experiments/create", {"name": EXPERIMENT})["experiment_id"]
    runs = []
    for number in range(RUNS):
        run_id, begun = a_run(api, experiment, number)
        runs.append(run_id)
        if number < LONG:
            points = [point("train/loss", value_at(number, step), step, begun + step * 20) for step in range(POINTS)]
            for first in range(0, POINTS, BATCH):
                log(api, run_id, points[first:first + BATCH])
        if number + 1 < RUNS:
            api.post(MLFLOW + "runs/update", {"run_id": run_id, "status": "FINISHED", "end_time": begun + 60_000})
    family = tree(api)
    info = api.get(MLFLOW + f"runs/get?run_id={runs[0]}")["run"]["info"]
    harness.put_artifact(api, info, "report/summary.txt", b"what came out\n")
    api.post(MLFLOW + "runs/log-inputs", {"run_id": runs[0], "datasets": [{
        "tags": [{"key": "mlflow.data.context", "value": "training"}],
        "dataset": {"name": "digits", "digest": "0f3a", "source_type": "local", "source": "{}"}}]})
    return {"experiment_id": experiment, "name": EXPERIMENT, "run_ids": runs, "tree": family}


def history(api, run_id, key):
    out, token = [], ""
    while True:
        page = api.get(MLFLOW + f"metrics/get-history?run_id={run_id}&metric_key={urllib.parse.quote(key, safe='')}"
                       f"&max_results=1000&page_token={urllib.parse.quote(token)}")
        out += page.get("metrics", [])
        token = page.get("next_page_token", "")
        if not token:
            return [float(item["value"]) for item in out]


def found(api, seeded, **query):
    runs, token = [], ""
    while True:
        page = api.post(MLFLOW + "runs/search", {"experiment_ids": [seeded["experiment_id"]], "page_token": token, **query})
        runs += [run["info"]["run_id"] for run in page.get("runs", [])]
        token = page.get("next_page_token", "")
        if not token:
            return runs


def what_rest_prints(server, seeded):
    api = server.api()
    curves = {}
    for run_id in seeded["run_ids"][:LONG]:
        values = history(api, run_id, "train/loss")
        finite = [value for value in values if math.isfinite(value)]
        curves[run_id] = {"points": len(values), "min": min(finite), "max": max(finite), "last": finite[-1],
                          "nan": sum(map(math.isnan, values))}
    return {**seeded, "curves": curves, "groups": groups(api, seeded), "running": seeded["run_ids"][-1],
            "diverged": found(api, seeded, filter="metrics.peak > 0")[0],
            "filter": "metrics.accuracy > 0.9 AND params.optimizer = 'adam'",
            "filtered": found(api, seeded, filter="metrics.accuracy > 0.9 AND params.optimizer = 'adam'"),
            "by_accuracy": found(api, seeded, order_by=["metrics.accuracy DESC"])}
