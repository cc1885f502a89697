"""`slipway serve --model NAME=FILE` and models of trees from the registry: what is served is what `slipway predict` says.

Generated models of XGBoost and LightGBM (_tree_models.py; their equality with the libraries is trees_equal's) lie beside
ONNX in one server; every answer over HTTP has the bits of the file's answers. A deployment changes its version while
clients ask without pause: no request fails. What can't be served is said before the server is ready.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import warnings

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402
from harness import equal, refused, true  # noqa: E402
from dev import common, setup  # noqa: E402
from dev.served import Api, Server, until  # noqa: E402

sys.path.append(str(setup.packages("pip_trees")))
sys.path.append(str(setup.place("wheel", "pyarrow", common.read_lock()["wheel"]["pyarrow"])))
import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

import _tree_models  # noqa: E402

MODELS = 12  # Of each library.
ROWS = 64
SWAPS = 12


def cases(kind):
    out, seed = [], 1000
    while len(out) < MODELS:
        case = _tree_models.MAKERS[kind](seed)
        seed += 1
        if not isinstance(case, str):
            out.append(case)
    return out


def said_by_predict(folder, case, rows):
    """The file's own answers: numbers (rows x outputs) and labels, or None for a model that we refuse."""
    model, source, out = folder / f"m.{case.file}", folder / "in.parquet", folder / "out.parquet"
    model.write_bytes(case.model)
    pq.write_table(pa.table({f"x{i}": rows[:, i].astype(np.float64) for i in range(rows.shape[1])}), source)
    done = subprocess.run([harness.BINARY, "predict", model, source, out, *case.words], capture_output=True, text=True, timeout=60)
    if "model.unsupported" in done.stderr:
        return None
    equal(done.returncode, 0, done.stderr)
    table = pq.read_table(out)
    numbers = np.column_stack([table[n].to_numpy() for n in table.column_names if n != "label"]).astype(np.float32)
    return numbers, table["label"].to_pylist() if "label" in table.column_names else None


def body_of(name, rows):
    return {"inputs": [{"name": name, "datatype": "FP32", "shape": list(rows.shape), "data": [float(v) for v in rows.ravel()]}]}


def outputs_of(reply):
    return {o["name"]: o for o in reply.json()["outputs"]}


def trees_are_served(root):
    made = []
    for kind in ("xgboost", "lightgbm"):
        for case in cases(kind):
            if case.words:
                continue  # Only `predict` takes them.
            rows = case.rows[:ROWS].astype(np.float32)
            said = said_by_predict(root, case, rows)
            if said is not None:
                path = root / f"{kind}-{len(made)}.{case.file}"
                path.write_bytes(case.model)
                made.append((f"{kind}-{len(made)}", path, rows, said))
    true(len(made) > MODELS, f"{len(made)} models are left")
    onnx = root / "linear.onnx"
    onnx.write_bytes(harness.linear_classifier([[1.0, 0.0], [0.0, 1.0]]))
    args = [word for name, path, _, _ in made for word in ("--model", f"{name}={path}")] + ["--model", f"linear={onnx}"]
    with Server(harness.BINARY, root / "files", args) as server:
        api = server.api()
        for name, _, rows, (numbers, labels) in made:
            meta = api.get(f"/v2/models/{name}")
            equal(meta["inputs"], [{"name": "input", "datatype": "FP32", "shape": [-1, rows.shape[1]]}], name)
            out = outputs_of(api.send("POST", f"/v2/models/{name}/infer", body_of("input", rows)))
            equal(out["output"]["shape"], list(numbers.shape), name)
            got = np.array([float(v) for v in out["output"]["data"]], np.float32).reshape(numbers.shape)
            true(np.array_equal(got, numbers, equal_nan=True), f"{name}: served other numbers than predict")
            if labels is not None:
                equal([str(v) for v in out["label"]["data"]], [str(v) for v in labels], f"labels of {name}")
        equal(api.send("GET", "/v2/health/ready").status, 200, "ready")
        equal(harness.labels_of(harness.infer(api, "linear", [[2.0, 1.0]])), ["no"], "ONNX beside them")
        error = refused(api, "POST", f"/v2/models/{made[0][0]}/infer", body_of("x", made[0][2]), 400)
        true(error is None or "input" in str(error), "a wrong name is said")
        listed = api.get("/v2/models")["models"]
        equal(sorted(listed), sorted([name for name, _, _, _ in made] + ["linear"]), "the list")
        refused(api, "PUT", "deployments/linear", {"model": "m", "version": 1}, 409)
        equal(server.stop(), 0, "exit status after SIGTERM")
    print(f"{len(made)} models of trees served with the bits of predict", flush=True)


def asks(url, stop, counts, errors):
    api = Api(url)
    while not stop.is_set():
        try:
            reply = harness.infer(api, "live", [[1.0, 2.0]])
            counts[harness.labels_of(reply)[0]] = counts.get(harness.labels_of(reply)[0], 0) + 1
        except Exception as error:  # pylint: disable=broad-except
            errors.append(repr(error))


def swapped_under_load(root):
    with Server(harness.BINARY, root / "swap") as server:
        api = server.api()
        for classes in (("a", "b"), ("c", "d")):
            harness.register(api, "m", harness.linear_classifier([[1.0, 0.0], [0.0, 1.0]], classes))
        api.put("deployments/live", {"model": "m", "version": 1})
        harness.ready(api, "live", server, 1)
        stop, counts, errors = threading.Event(), {}, []
        clients = [threading.Thread(target=asks, args=(server.url, stop, counts, errors)) for _ in range(3)]
        for client in clients:
            client.start()
        for turn in range(SWAPS):
            version = 2 - turn % 2
            api.put("deployments/live", {"model": "m", "version": version})
            harness.ready(api, "live", server, version)
            wanted, before = "bd"[version - 1], dict(counts)
            until("answers of the new version", lambda w=wanted, b=before: counts.get(w, 0) > b.get(w, 0), 20, server)
        stop.set()
        for client in clients:
            client.join()
        equal(errors, [], "failed requests")
        equal(set(counts), {"b", "d"}, "both versions answered")
        print(f"{SWAPS} swaps under load, {sum(counts.values())} requests, none failed", flush=True)


def trees_from_the_registry(root):
    case = next(c for c in cases("xgboost") if not c.words and c.file == "json")
    rows = case.rows[:ROWS].astype(np.float32)
    numbers, _ = said_by_predict(root, case, rows)
    with Server(harness.BINARY, root / "registry") as server:
        api = server.api()
        info = harness.make_run(api)
        harness.put_artifact(api, info, "model/MLmodel", b"flavors:\n  xgboost:\n    data: model.json\n")
        harness.put_artifact(api, info, "model/model.json", case.model)
        api.send("POST", harness.MLFLOW + "registered-models/create", {"name": "trees"})
        api.post(harness.MLFLOW + "model-versions/create",
                 {"name": "trees", "source": info["artifact_uri"] + "/model", "run_id": info["run_id"]})
        api.put("deployments/trees", {"model": "trees", "version": 1})
        harness.ready(api, "trees", server, 1)
        out = outputs_of(api.send("POST", "/v2/models/trees/infer", body_of("input", rows)))
        got = np.array([float(v) for v in out["output"]["data"]], np.float32).reshape(numbers.shape)
        true(np.array_equal(got, numbers, equal_nan=True), "served other numbers than predict")
        by_frame = api.post("/invocations", {"dataframe_split": {"columns": [f"x{i}" for i in range(rows.shape[1])],
                                                                 "data": [[0.5] * rows.shape[1]]}})
        true(json.dumps(by_frame["predictions"]), "a frame is answered")
    print("a model of trees from the registry", flush=True)


def refused_at_the_start(root):
    (root / "rubbish.onnx").write_bytes(b"rubbish")
    for args, words in ((["--model", "nofile"], "NAME=FILE"), (["--model", "a=/none/there.onnx"], "/none/there.onnx"),
                        (["--model", f"a={root}/rubbish.onnx"], "rubbish.onnx"),
                        (["--model-repository", "/none/there"], "/none/there")):
        done = subprocess.run([harness.BINARY, "serve", "--data-dir", root / "never", "--port", "0", "--grpc-port", "0", *args],
                              capture_output=True, text=True, timeout=60)
        true(done.returncode != 0 and words in done.stderr, f"{args}: {done.returncode} {done.stderr}")
    print("what can't be served is said at the start", flush=True)


def main():
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(prefix="slipway-serve-") as folder:
        root = pathlib.Path(folder)
        trees_are_served(root)
        trees_from_the_registry(root)
        swapped_under_load(root)
        refused_at_the_start(root)


if __name__ == "__main__":
    main()
