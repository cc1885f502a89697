"""The stock mlflow client against the real server: what a user's scripts do, with only MLFLOW_TRACKING_URI set."""
import importlib.util
import math
import os
import pathlib
import sys
import tempfile
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402
from harness import equal, true  # noqa: E402

for variable in [name for name in os.environ if name.startswith(("MLFLOW_", "DATABRICKS_"))]:
    del os.environ[variable]
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "1"

import mlflow  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from mlflow import MlflowClient  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402

X = pd.DataFrame({"a": np.linspace(-1, 1, 40), "b": np.tile([0.0, 1.0], 20)})
Y = (X["a"] > 0).astype(int)


def raises(call, code):
    try:
        call()
    except MlflowException as error:
        equal(error.error_code, code, "error code")
        return
    raise AssertionError(f"nothing was raised, {code} expected")


def test_autolog_training():
    mlflow.set_experiment("autolog")
    mlflow.sklearn.autolog(silent=True)
    try:
        with mlflow.start_run(run_name="auto") as run:
            LogisticRegression(C=0.5).fit(X, Y)
    finally:
        mlflow.sklearn.autolog(disable=True)
    data = mlflow.get_run(run.info.run_id).data
    equal(data.params["C"], "0.5", "a parameter that autolog found")
    true(data.metrics["training_accuracy_score"] > 0.9, f"a metric that autolog computed: {data.metrics}")
    equal(mlflow.get_run(run.info.run_id).info.status, "FINISHED", "status")


def test_runs_metrics_tags():
    client = MlflowClient()
    experiment = client.create_experiment("by-client", tags={"team": "x"})
    run = client.create_run(experiment, run_name="r", tags={"stage": "one"})
    for step in range(20):
        client.log_metric(run.info.run_id, "loss", 1 / (step + 1), step=step, timestamp=step)
    client.log_metric(run.info.run_id, "broken", float("nan"))
    client.log_param(run.info.run_id, "p", "v")
    client.set_tag(run.info.run_id, "t", "ü ✓")
    raises(lambda: client.log_param(run.info.run_id, "p", "other"), "INVALID_PARAMETER_VALUE")
    client.set_terminated(run.info.run_id)
    got = client.get_run(run.info.run_id)
    equal((got.data.metrics["loss"], got.data.tags["t"]), (0.05, "ü ✓"), "last metric, tag")
    true(math.isnan(got.data.metrics["broken"]), "NaN")
    equal([point.step for point in client.get_metric_history(run.info.run_id, "loss")], list(range(20)), "history")
    found = client.search_runs([experiment], "metrics.loss < 0.1 AND tags.stage = 'one' AND params.p LIKE 'v%'")
    equal([item.info.run_id for item in found], [run.info.run_id], "search")
    client.delete_run(run.info.run_id)
    equal(len(client.search_runs([experiment])), 0, "a deleted run")
    client.restore_run(run.info.run_id)
    equal(len(client.search_runs([experiment])), 1, "restored")


def test_paged_search():
    experiment = mlflow.create_experiment("paged")
    client = MlflowClient()
    ids = {client.create_run(experiment).info.run_id for _ in range(25)}
    seen, token = [], None
    while True:
        page = client.search_runs([experiment], max_results=10, page_token=token)
        seen += [run.info.run_id for run in page]
        token = page.token
        if not token:
            break
    equal((len(seen), set(seen)), (25, ids), "every run once")


def test_artifacts():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "sub").mkdir()
        (root / "sub" / "deep.txt").write_text("deep")
        (root / "big.bin").write_bytes(os.urandom(3 << 20))
        with mlflow.start_run() as run:
            mlflow.log_artifacts(str(root), "all")
            mlflow.log_text("hello", "note.txt")
            mlflow.log_dict({"k": [1, 2]}, "some.json")
        listed = sorted(item.path for item in MlflowClient().list_artifacts(run.info.run_id))
        equal(listed, ["all", "note.txt", "some.json"], "list")
        back = pathlib.Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="all"))
        equal((back / "big.bin").read_bytes(), (root / "big.bin").read_bytes(), "bytes")
        equal((back / "sub" / "deep.txt").read_text(), "deep", "a nested file")
        equal(mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/note.txt"), "hello", "text")


def test_models_and_aliases():
    mlflow.set_experiment("models")
    model = LogisticRegression().fit(X, Y)
    signature = mlflow.models.infer_signature(X, model.predict(X))
    with mlflow.start_run() as run:
        info = mlflow.sklearn.log_model(model, name="clf", signature=signature, registered_model_name="clf",
                                        serialization_format="cloudpickle", pip_requirements=["scikit-learn"])
        mlflow.log_metric("accuracy", 0.9)
    equal(int(info.registered_model_version), 1, "version")
    second = mlflow.register_model(info.model_uri, "clf")
    equal(int(second.version), 2, "a second version of the same model")
    client = MlflowClient()
    client.set_registered_model_alias("clf", "champion", 1)
    client.set_model_version_tag("clf", "1", "checked", "yes")
    client.update_model_version("clf", "1", description="the first")
    got = client.get_model_version_by_alias("clf", "champion")
    equal((int(got.version), got.tags["checked"], got.description, got.run_id), (1, "yes", "the first", run.info.run_id), "alias")
    for uri in ("models:/clf@champion", "models:/clf/2", info.model_uri):
        equal(mlflow.pyfunc.load_model(uri).predict(X).tolist(), model.predict(X).tolist(), f"predictions of {uri}")
    equal(mlflow.models.get_model_info(info.model_uri).signature.inputs.input_names(), ["a", "b"], "signature")
    client.delete_registered_model_alias("clf", "champion")
    raises(lambda: client.get_model_version_by_alias("clf", "champion"), "INVALID_PARAMETER_VALUE")
    equal([item.name for item in client.search_registered_models("name LIKE 'cl%'")], ["clf"], "search")
    equal(sorted(int(item.version) for item in client.search_model_versions("name = 'clf'")), [1, 2], "versions")
    raises(lambda: client.get_registered_model("none"), "RESOURCE_DOES_NOT_EXIST")
    logged = client.get_logged_model(info.model_id)
    equal(str(logged.status).rpartition(".")[2].lower(), "ready", "logged model")


def test_onnx_flavour():
    onnx = __import__("onnx").load_from_string(harness.linear_classifier([[-1, 0], [1, 0]]))
    with mlflow.start_run():
        info = mlflow.onnx.log_model(onnx, name="net", registered_model_name="net", pip_requirements=["onnxruntime"])
    answer = mlflow.pyfunc.load_model("models:/net/1").predict({"x": np.array([[2.0, 0], [-2.0, 0]], dtype=np.float32)})
    equal(list(answer["label"]), ["yes", "no"], f"labels of {info.model_uri}")


def test_stages_copies_deletion():
    client = MlflowClient()
    client.create_registered_model("staged", tags={"team": "x"}, description="text")
    run = client.create_run("0").info.run_id
    client.log_text(run, "flavors: {}", "m/MLmodel")
    for _ in range(3):
        client.create_model_version("staged", f"runs:/{run}/m", run_id=run)
    client.transition_model_version_stage("staged", "1", "Production")
    client.transition_model_version_stage("staged", "2", "production", archive_existing_versions=True)
    stages = {item.version: item.current_stage for item in client.search_model_versions("name = 'staged'")}
    equal(stages, {"1": "Archived", "2": "Production", "3": "None"}, "stages")
    equal([item.version for item in client.get_latest_versions("staged", ["Production"])], ["2"], "latest")
    raises(lambda: client.transition_model_version_stage("staged", "1", "Live"), "INVALID_PARAMETER_VALUE")
    copy = client.copy_model_version("models:/staged/1", "copied")
    equal((copy.name, int(copy.version), copy.run_id), ("copied", 1, run), "copy")
    client.rename_registered_model("staged", "renamed")
    client.delete_model_version("renamed", "3")
    raises(lambda: client.get_model_version("renamed", "3"), "RESOURCE_DOES_NOT_EXIST")
    equal(int(client.create_model_version("renamed", f"runs:/{run}/m").version), 4, "a number is used once")
    client.delete_registered_model("renamed")
    raises(lambda: client.get_registered_model("renamed"), "RESOURCE_DOES_NOT_EXIST")


def test_prompts():
    mlflow.genai.register_prompt("greet", "Hello {{name}}", commit_message="first", tags={"tone": "kind"})
    mlflow.genai.register_prompt("greet", "Dear {{name}}")
    mlflow.genai.set_prompt_alias("greet", "live", 1)
    equal(mlflow.genai.load_prompt("prompts:/greet@live").template, "Hello {{name}}", "by alias")
    equal(mlflow.genai.load_prompt("prompts:/greet/2").template, "Dear {{name}}", "by version")
    equal([item.name for item in mlflow.genai.search_prompts()], ["greet"], "prompts")
    true("greet" not in [item.name for item in MlflowClient().search_registered_models()], "a prompt is no model")


def test_evaluate():
    if importlib.util.find_spec("matplotlib") is None:
        print("SKIPPED test_evaluate: the client's evaluators import matplotlib, which is not in third_party/lock.toml")
        return
    frame = X.assign(label=Y)
    with mlflow.start_run():
        info = mlflow.sklearn.log_model(LogisticRegression().fit(X, Y), name="judged", serialization_format="cloudpickle",
                                        pip_requirements=["scikit-learn"])
        result = mlflow.models.evaluate(info.model_uri, frame, targets="label", model_type="classifier",
                                        evaluators=["default"], evaluator_config={"default": {"log_explainer": False}})
    true(result.metrics["accuracy_score"] > 0.9, "accuracy")
    logged = mlflow.get_logged_model(info.model_id)
    true("accuracy_score" in {item.key for item in logged.metrics}, "metrics of the logged model")
    found = mlflow.search_logged_models(experiment_ids=[logged.experiment_id], output_format="list",
                                        filter_string="metrics.accuracy_score > 0.9 AND name = 'judged'")
    equal([item.model_id for item in found], [info.model_id], "search by metric")


def test_traces():
    mlflow.set_experiment("traced")

    @mlflow.trace(name="outer", attributes={"depth": 2})
    def outer(x):
        return inner(x)

    @mlflow.trace
    def inner(x):
        if x < 0:
            raise ValueError("negative")
        return {"twice": 2 * x}

    outer(3)
    try:
        outer(-1)
    except ValueError:
        pass
    mlflow.flush_trace_async_logging()
    good = mlflow.search_traces(filter_string="status = 'OK'", return_type="list")
    equal([span.name for span in good[0].data.spans], ["outer", "inner"], "spans")
    equal(good[0].data.spans[0].attributes["depth"], 2, "an attribute")
    equal(len(mlflow.search_traces(filter_string="trace.status = 'ERROR'", return_type="list")), 1, "failed traces")
    trace = good[0].info.trace_id
    said = mlflow.log_feedback(trace_id=trace, name="useful", value=True)
    equal(mlflow.get_trace(trace).info.assessments[0].assessment_id, said.assessment_id, "feedback")
    mlflow.set_trace_tag(trace, "k", "v")
    equal(len(mlflow.search_traces(filter_string="tags.k = 'v'", return_type="list")), 1, "search by tag")
    equal(MlflowClient().delete_traces(good[0].info.experiment_id, trace_ids=[trace]), 1, "deleted")


def test_dataset_inputs():
    frame = mlflow.data.from_pandas(X, name="table", source="https://example.org/table.csv")
    with mlflow.start_run() as run:
        mlflow.log_input(frame, context="training")
    got = mlflow.get_run(run.info.run_id).inputs.dataset_inputs
    equal([(item.dataset.name, item.dataset.digest) for item in got], [("table", frame.digest)], "inputs of the run")


def test_deleting_an_experiment():
    client = MlflowClient()
    experiment = client.create_experiment("short")
    client.delete_experiment(experiment)
    equal(client.get_experiment(experiment).lifecycle_stage, "deleted", "stage")
    raises(lambda: client.create_experiment("short"), "RESOURCE_ALREADY_EXISTS")
    client.restore_experiment(experiment)
    client.rename_experiment(experiment, "longer")
    equal(client.get_experiment_by_name("longer").experiment_id, experiment, "by name")


def main():
    failed = 0
    with tempfile.TemporaryDirectory(prefix="slipway-mlflow-") as root:
        elsewhere = os.environ.get("SLIPWAY_SUITE_URI")  # another server, to see what the suite itself is worth
        server = harness.Server(harness.BINARY, pathlib.Path(root) / "data")
        try:
            mlflow.set_tracking_uri(elsewhere or server.start().url)
            for name, test in [(key, value) for key, value in globals().items() if key.startswith("test_")]:
                begun = time.monotonic()
                try:
                    test()
                    print(f"ok   {name} {time.monotonic() - begun:.2f} s", flush=True)
                except Exception:  # pylint: disable=broad-except
                    failed += 1
                    print(f"FAIL {name}\n{traceback.format_exc()}", flush=True)
            if failed and not elsewhere:
                print(f"the server's log:\n{server.tail(40)}")
            if not elsewhere:
                equal(server.stop(), 0, "exit status after SIGTERM")
        finally:
            server.kill()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
