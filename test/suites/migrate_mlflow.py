"""`slipway migrate mlflow` takes over a store that MLflow 3.17.2 itself wrote: its client reads the same from both.

Runs with NaN, infinity and odd names, a deleted run; again nothing changes; what differs is exit code 8, --update takes it over.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402
from harness import equal, true  # noqa: E402
from dev import setup  # noqa: E402

sys.path.append(str(setup.packages("pip_mlflow_server")))  # MLflow's SQL store.
for variable in [name for name in os.environ if name.startswith("MLFLOW_")]:
    del os.environ[variable]
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

from mlflow import MlflowClient  # noqa: E402

STEPS = 1_500  # More than one request of points.
DIFFERS = 8


def fill(client):
    experiment = client.create_experiment("moved", tags={"team": "x"})
    ids = []
    for i in range(3):
        run = client.create_run(experiment, run_name=f"r{i}").info.run_id
        ids.append(run)
        for step in range(20):
            client.log_metric(run, "loss", 1 / (step + 1), step=step, timestamp=1000 + step)
        client.log_metric(run, "bad", float("nan"))
        client.log_metric(run, "up", float("inf"))
        client.log_param(run, "p", str(i))
        client.set_tag(run, "ü", "✓")
        client.set_terminated(run, "FINISHED" if i else "FAILED")
    from mlflow.entities import Metric
    for begin in range(0, STEPS, 500):
        client.log_batch(ids[1], [Metric("long", step * 0.5, 2000 + step, step) for step in range(begin, begin + 500)])
    client.delete_run(ids[2])
    return ids


def seen(client, run_id):
    """What the client reads of a run, in a form that can be compared."""
    run = client.get_run(run_id)
    info = run.info
    points = {key: [(m.step, m.timestamp, repr(m.value)) for m in client.get_metric_history(run_id, key)]
              for key in sorted(run.data.metrics)}
    return {"params": run.data.params, "tags": run.data.tags, "points": points,
            "metrics": {key: repr(value) for key, value in run.data.metrics.items()},
            "info": (info.status, info.start_time, info.end_time, info.lifecycle_stage, info.run_name, info.user_id)}


def migrate(server, source, *options):
    done = subprocess.run([str(harness.BINARY), "migrate", "mlflow", source, "--json", *options], capture_output=True, text=True,
                          env={**os.environ, "SLIPWAY_URL": server.url}, timeout=120, check=False)
    rows = {row["kind"]: row for row in json.loads(done.stdout)["items"]} if done.stdout.strip() else {}
    return done.returncode, rows, done.stderr


def main():
    with tempfile.TemporaryDirectory(prefix="slipway-migrate-") as root:
        source = f"sqlite:///{root}/mlflow.db"
        theirs = MlflowClient(source)
        ids = fill(theirs)
        points = 3 * 22 + STEPS
        with harness.Server(harness.BINARY, pathlib.Path(root) / "data") as server:
            ours = MlflowClient(server.url)
            code, rows, _ = migrate(server, source, "--dry-run")
            equal((code, rows["metrics"]["source"], rows["metrics"]["imported"]), (0, points, 0), "a dry run")
            equal(ours.get_experiment_by_name("moved"), None, "a dry run changes nothing")
            code, rows, errors = migrate(server, source)
            equal((code, rows["runs"]["imported"], rows["metrics"]["imported"]), (0, 3, points), f"taken over {errors}")
            equal(ours.get_experiment_by_name("moved").tags["team"], "x", "tag of the experiment")
            for run_id in ids:
                equal(seen(ours, run_id), seen(theirs, run_id), f"run {run_id}")
            code, rows, _ = migrate(server, source)
            equal((code, rows["runs"]["same"], rows["runs"]["imported"], rows["metrics"]["imported"]), (0, 3, 0, 0), "again")
            ours.set_tag(ids[0], "ü", "other")
            code, rows, errors = migrate(server, source)
            equal((code, rows["runs"]["differs"]), (DIFFERS, 1), "what differs")
            true(ids[0] in errors and "tags.ü" in errors, f"it is named: {errors}")
            equal(ours.get_run(ids[0]).data.tags["ü"], "other", "it was left alone")
            code, rows, _ = migrate(server, source, "--update")
            equal((code, rows["runs"]["updated"]), (0, 1), "--update")
            equal(seen(ours, ids[0]), seen(theirs, ids[0]), "taken over")
            equal(migrate(server, f"{root}/none.db")[0], 3, "no such file")
            (pathlib.Path(root) / "text").write_text("no database")
            equal(migrate(server, f"{root}/text")[0], 2, "no database")
    print("ok   a store of MLflow's own, taken over")


if __name__ == "__main__":
    main()
