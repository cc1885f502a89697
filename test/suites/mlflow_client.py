"""The stock mlflow client against the real server: what a user's scripts do, with only MLFLOW_TRACKING_URI set."""
import hashlib
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
    equal(int(client.create_model_version("renamed", f"runs:/{run}/m", run_id=run).version), 4, "a number is used once")
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


def test_trace_search_and_metrics():
    experiment = mlflow.set_experiment("searched").experiment_id

    @mlflow.trace(name="answer")
    def answer(question):
        with mlflow.start_span(name="retrieve", span_type="RETRIEVER") as span:
            span.set_attributes({"source": "wiki" if "who" in question else "news", "documents": 3})
        with mlflow.start_span(name="generate", span_type="LLM") as span:
            span.set_attribute("mlflow.chat.tokenUsage", {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15})
            if "bad" in question:
                raise ValueError(question)
        return question.upper()

    for question in ("who is it", "what is it", "bad question"):
        try:
            answer(question)
        except ValueError:
            pass
    mlflow.flush_trace_async_logging()

    def asked(text):
        found = mlflow.search_traces(locations=[experiment], filter_string=text, return_type="list")
        return sorted(trace.data.spans[0].inputs["question"] for trace in found)

    everything = ["bad question", "what is it", "who is it"]
    equal(asked("span.name = 'retrieve' AND span.type = 'RETRIEVER'"), everything, "one span with both")
    equal(asked("span.name = 'retrieve' AND span.type = 'LLM'"), [], "no span with both")
    equal(asked("span.attributes.source = 'wiki'"), ["who is it"], "by an attribute")
    equal(asked("span.attributes.source RLIKE '^n.ws$'"), ["bad question", "what is it"], "by a regular expression")
    equal(asked("span.status = 'ERROR' AND span.name = 'generate'"), ["bad question"], "by status")
    equal(asked("trace.text ILIKE '%WHO IS%'"), ["who is it"], "by text")
    trace = mlflow.search_traces(locations=[experiment], filter_string="span.attributes.source = 'wiki'", return_type="list")[0]
    equal(trace.info.token_usage, {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}, "tokens")
    mlflow.log_feedback(trace_id=trace.info.trace_id, name="useful", value=True)
    mlflow.log_expectation(trace_id=trace.info.trace_id, name="facts", value={"who": ["me"]})
    equal(asked("feedback.useful = 'true'"), ["who is it"], "by feedback")
    equal(asked("feedback.useful IS NULL"), ["bad question", "what is it"], "without feedback")
    first = mlflow.get_trace(trace.info.trace_id).info.assessments[0]
    mlflow.override_feedback(trace_id=trace.info.trace_id, assessment_id=first.assessment_id, value=False)
    equal(asked("feedback.useful = 'true'"), [], "feedback that was overridden")
    expected = [a for a in mlflow.get_trace(trace.info.trace_id).info.assessments if a.name == "facts"][0]
    equal(expected.value, {"who": ["me"]}, "an expectation with structure")
    client = MlflowClient()
    run = client.create_run(experiment)
    client.link_traces_to_run([trace.info.trace_id], run.info.run_id)
    equal(asked(f"run_id = '{run.info.run_id}'"), ["who is it"], "of a run")

    from mlflow.entities.trace_metrics import AggregationType, MetricAggregation, MetricViewType
    points = client._tracking_client.store.query_trace_metrics(
        experiment_ids=[experiment], view_type=MetricViewType.SPANS, metric_name="span_count", dimensions=["span_name"],
        aggregations=[MetricAggregation(AggregationType.COUNT)])
    equal({point.dimensions["span_name"]: point.values["COUNT"] for point in points},
          {"answer": 3, "generate": 3, "retrieve": 3}, "spans by name")
    points = client._tracking_client.store.query_trace_metrics(
        experiment_ids=[experiment], view_type=MetricViewType.TRACES, metric_name="total_tokens",
        aggregations=[MetricAggregation(AggregationType.SUM), MetricAggregation(AggregationType.PERCENTILE, 50)])
    equal(points[0].values, {"SUM": 45, "P50.0": 15}, "tokens of all traces")


def test_spans_by_opentelemetry():
    """What an OTLP exporter sends, in each encoding and compression, and what comes back of it."""
    import gzip
    import json
    import zlib

    import requests
    from google.protobuf.json_format import MessageToDict
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    experiment = mlflow.set_experiment("otlp").experiment_id
    url = mlflow.get_tracking_uri() + "/v1/traces"

    def request_of(trace):
        request = ExportTraceServiceRequest()
        spans = request.resource_spans.add()
        name = spans.resource.attributes.add()
        name.key, name.value.string_value = "service.name", "shop"
        span = spans.scope_spans.add().spans.add(trace_id=bytes([trace] * 16), span_id=bytes([trace] * 8), name="chat",
                                                 start_time_unix_nano=1_700_000_000_000_000_000,
                                                 end_time_unix_nano=1_700_000_001_500_000_000)
        for key, value in (("gen_ai.operation.name", "chat"), ("gen_ai.request.model", "m-1"), ("gen_ai.input.messages", "hi")):
            span.attributes.add(key=key).value.string_value = value
        span.attributes.add(key="gen_ai.usage.input_tokens").value.int_value = 7
        span.attributes.add(key="gen_ai.usage.output_tokens").value.int_value = 2
        return request

    def as_json(request):
        message = MessageToDict(request)
        for span in message["resourceSpans"][0]["scopeSpans"][0]["spans"]:  # OTLP's JSON has hex where protobuf's has base64
            for key in ("traceId", "spanId"):
                span[key] = __import__("base64").b64decode(span[key]).hex()
        return json.dumps(message).encode()

    bare = zlib.compressobj(wbits=-15)
    sent = [(request_of(1).SerializeToString(), "application/x-protobuf", None),
            (gzip.compress(request_of(2).SerializeToString()), "application/x-protobuf", "gzip"),
            (zlib.compress(as_json(request_of(3))), "application/json; charset=utf-8", "deflate"),
            (bare.compress(as_json(request_of(4))) + bare.flush(), "application/json", "deflate")]
    for body, kind, encoding in sent:
        headers = {"Content-Type": kind, "x-mlflow-experiment-id": experiment}
        if encoding:
            headers["Content-Encoding"] = encoding
        for _ in range(2):  # the first reply was lost
            equal(requests.post(url, data=body, headers=headers, timeout=10).status_code, 200, f"{kind} {encoding}")
    found = mlflow.search_traces(locations=[experiment], filter_string="span.attributes.`gen_ai.request.model` = 'm-1'",
                                 return_type="list")
    equal(len(found), 4, "traces")
    for trace in found:
        span = trace.data.spans[0]
        equal((span.name, span.span_type, span.inputs), ("chat", "CHAT_MODEL", "hi"), "translated")
        equal(trace.info.token_usage, {"input_tokens": 7, "output_tokens": 2, "total_tokens": 9}, "tokens")
        equal((trace.info.tags["service.name"], trace.info.execution_duration), ("shop", 1500), "head")
    good = {"Content-Type": "application/x-protobuf", "x-mlflow-experiment-id": experiment}
    for body, headers, status in ((b"", good, 400), (b"\xff\xff", good, 400), (sent[0][0], {**good, "Content-Type": "text/plain"}, 400),
                                  (sent[0][0], {"Content-Type": "application/x-protobuf"}, 422),
                                  (request_of(5).SerializeToString(), {**good, "x-mlflow-experiment-id": "987654"}, 404)):
        reply = requests.post(url, data=body, headers=headers, timeout=10)
        equal(reply.status_code, status, f"{headers} {reply.text}")


def test_a_gigabyte_in_parts():
    """Up through multipart, down through parallel ranges; small parts, so that there are many."""
    small = {"MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE": 16 << 20, "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE": 16 << 20,
             "MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE": 64 << 20}
    os.environ.update({key: str(value) for key, value in small.items()})
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "größe.bin"
            noise = np.random.default_rng(1)
            sums = hashlib.sha256()
            with open(path, "wb") as file:
                for _ in range(16):
                    block = noise.bytes(64 << 20)
                    sums.update(block)
                    file.write(block)
            with mlflow.start_run() as run:
                mlflow.log_artifact(str(path), "model")
            path.unlink()
            listed = MlflowClient().list_artifacts(run.info.run_id, "model")
            equal([(item.path, item.file_size) for item in listed], [("model/größe.bin", 1 << 30)], "list")
            back = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="model/größe.bin", dst_path=folder)
            got = hashlib.sha256()
            with open(back, "rb") as file:
                while block := file.read(16 << 20):
                    got.update(block)
            equal(got.hexdigest(), sums.hexdigest(), "bytes")
    finally:
        for key in small:
            del os.environ[key]


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
