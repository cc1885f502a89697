"""What the end-to-end smokes share: a server on an empty directory, tiny ONNX models, registering them over REST.

A smoke is a file smoke_DOMAIN.py whose functions test_* take a Server; run(globals()) calls them in order on one server.
The binary is SLIPWAY_BINARY, else the development build.
"""
import os
import pathlib
import sys
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
sys.dont_write_bytecode = True
from dev import served  # noqa: E402
from dev.served import ApiError, Server, until  # noqa: E402,F401

BINARY = pathlib.Path(os.environ.get("SLIPWAY_BINARY") or ROOT / "build" / "dev" / "slipway").resolve()
MLFLOW = "/api/2.0/mlflow/"


def equal(got, want, what=""):
    if got != want:
        raise AssertionError(f"{what or 'value'}: got {got!r}, want {want!r}")


def true(holds, what):
    if not holds:
        raise AssertionError(what)


def refused(api, method, path, body=None, status=400, code=None):
    """The request is refused with this status (and reason); returns the error."""
    error = api.refused(method, path, body)
    true(error is not None, f"{method} {path} was let through")
    equal(error.status, status, f"status of {method} {path} ({error})")
    if code:
        equal(error.code, code, f"reason of {method} {path}")
    return error


def run(names, args=(), env=None):
    """Calls every test_* of a module on one server; exits with 1 when one fails."""
    tests = [(name, test) for name, test in names.items() if name.startswith("test_")]
    with tempfile.TemporaryDirectory(prefix="slipway-smoke-") as root:
        failed = 0
        server = Server(BINARY, pathlib.Path(root) / "data", args, env=env)
        try:
            server.start()
            for name, test in tests:
                begun = time.monotonic()
                try:
                    test(server)
                    print(f"ok   {name} {time.monotonic() - begun:.2f} s", flush=True)
                except Exception:  # pylint: disable=broad-except — the next test still says something
                    failed += 1
                    print(f"FAIL {name}\n{traceback.format_exc()}", flush=True)
            if server.process:
                equal(server.stop(), 0, "exit status after SIGTERM")
        except Exception:  # pylint: disable=broad-except
            failed += 1
            traceback.print_exc()
        finally:
            if failed:
                print(f"the server's log:\n{server.tail(30)}", flush=True)
            server.kill()
    sys.exit(1 if failed else 0)


# ---------------------------------------------------------------- models
def linear_classifier(weights, classes=("no", "yes"), bias=(0.0, 0.0)):
    """ONNX bytes: float x[N, F] → string label[N], float probabilities[N, 2]; `weights` a row per class."""
    from onnx import TensorProto, helper
    features = len(weights[0])
    nodes = [
        helper.make_node("LinearClassifier", ["x"], ["label", "scores"], domain="ai.onnx.ml",
                         coefficients=[float(value) for row in weights for value in row],
                         intercepts=[float(value) for value in bias], classlabels_strings=list(classes),
                         multi_class=0, post_transform="SOFTMAX"),
        helper.make_node("Identity", ["scores"], ["probabilities"]),
    ]
    graph = helper.make_graph(
        nodes, "classifier", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, features])],
        [helper.make_tensor_value_info("label", TensorProto.STRING, [None]),
         helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, len(classes)])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)])
    model.ir_version = 8
    return model.SerializeToString()


MLMODEL = """artifact_path: model
flavors:
  onnx:
    data: model.onnx
    onnx_version: 1.23.2
    providers: [CPUExecutionProvider]
mlflow_version: 3.17.2
"""


def make_run(api, metrics=None):
    """A finished run of experiment 0 with metrics; returns its info."""
    info = api.post(MLFLOW + "runs/create", {"experiment_id": "0", "start_time": 1})["run"]["info"]
    for key, value in (metrics or {}).items():
        api.post(MLFLOW + "runs/log-metric", {"run_id": info["run_id"], "key": key, "value": value, "timestamp": 1, "step": 0})
    api.post(MLFLOW + "runs/update", {"run_id": info["run_id"], "status": "FINISHED", "end_time": 2})
    return info


def put_artifact(api, info, path, content):
    root = info["artifact_uri"]
    true(root.startswith("mlflow-artifacts:/"), f"artifacts go through the server: {root}")
    api.send("PUT", "/api/2.0/mlflow-artifacts/artifacts/" + root.removeprefix("mlflow-artifacts:/").lstrip("/") + "/" + path,
             content)


def register(api, name, onnx, metrics=None):
    """Run, artifacts, registered model, version, as the client does it; returns the version's number."""
    info = make_run(api, metrics)
    put_artifact(api, info, "model/MLmodel", MLMODEL.encode())
    put_artifact(api, info, "model/model.onnx", onnx)
    api.send("POST", MLFLOW + "registered-models/create", {"name": name}, check=False)
    version = api.post(MLFLOW + "model-versions/create",
                       {"name": name, "source": info["artifact_uri"] + "/model", "run_id": info["run_id"]})
    return int(version["model_version"]["version"])


def infer(api, deployment, rows, path="/infer", check=True):
    body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [len(rows), len(rows[0])],
                        "data": [value for row in rows for value in row]}]}
    return api.send("POST", f"/v2/models/{deployment}{path}", body, check=check)


def labels_of(reply):
    return next(output["data"] for output in reply.json()["outputs"] if output["name"] == "label")


def ready(api, deployment, server, version=None):
    """Waits until the deployment is READY (and serves `version` alone)."""
    def probe():
        state = api.get(f"deployments/{deployment}")
        true(state["state"] != "FAILED", f"deployment {deployment}: {state.get('error')}")
        arms = [int(arm["version"]) for arm in state["arms"] if arm["weight"] > 0]
        return state if state["state"] == "READY" and (version is None or arms == [version]) else None
    return until(f"{deployment} to be ready", probe, 15, server)
