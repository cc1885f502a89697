"""Bundles for devices: `slipway model export` and `model verify`, libslipway_rt through ctypes, ONNX Runtime in Python and the
page in Chromium, against the server that made them.

A table of generated LightGBM and XGBoost models (_tree_models.py) is exported as ONNX: equal to the library within 1e-6 of
float rows on thresholds and one ulp beside them, labels the same; and as C library: the server's bits. By default 40 models
of each library, `--deep` or `--models N` for more; `--only table|bundles|browser`.
"""
import argparse
import collections
import http.server
import io
import json
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import threading
import warnings

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402
from dev import common, setup, web  # noqa: E402
from harness import Server, equal, true  # noqa: E402

sys.path.append(str(setup.packages("pip_trees")))
import numpy as np  # noqa: E402

import _device  # noqa: E402
import _tree_models  # noqa: E402

MODELS, DEEP, SKIPPED = 40, 400, 77
REFUSALS = {"export.linear_leaves", "model.unsupported", "export.categories_too_wide"}


def library():
    return _device.Library(pathlib.Path(harness.BINARY).resolve().parent / "libslipway_rt.so")


def register(api, name, file, content, tags=()):
    info = harness.make_run(api)
    harness.put_artifact(api, info, f"model/{file}", content)
    api.send("POST", harness.MLFLOW + "registered-models/create", {"name": name}, check=False)
    made = api.post(harness.MLFLOW + "model-versions/create", {"name": name, "source": info["artifact_uri"] + "/model",
                                                               "run_id": info["run_id"]})
    version = int(made["model_version"]["version"])
    for key, value in tags:
        api.post(harness.MLFLOW + "model-versions/set-tag", {"name": name, "version": str(version), "key": key, "value": value})
    return version


def bundle(api, name, version, target, more=""):
    """Files by name, or the reason of the refusal."""
    reply = api.send("GET", f"models/{name}/versions/{version}/bundle?target={target}{more}", check=False)
    if reply.status != 200:
        return reply.json()["code"]
    with tarfile.open(fileobj=io.BytesIO(reply.body)) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar.getmembers()}


def ask_onnx(model, rows):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, {session.get_inputs()[0].name: rows})))


def library_answer(kind, case, rows):
    """What the library says of the rows as floats."""
    if kind == "xgboost":  # It rounds rows itself.
        return case.want
    import lightgbm
    return _tree_models.two_dimensional(lightgbm.Booster(model_str=case.model.decode()).predict(rows.astype(float)), len(rows))


def apart(got, want):
    off = np.abs(got.astype(float) - want) / (1 + np.abs(want))
    return np.where((got == want) | (np.isnan(got) & np.isnan(want)), 0, np.nan_to_num(off, nan=9, posinf=9)).max(initial=0)


def check_case(api, rt, kind, case, seed):
    name, file = f"{kind}-{seed}", f"model.{case.file}"
    version = register(api, name, file, case.model)
    with np.errstate(over="ignore"):
        rows = case.rows.astype(np.float32)
    made = bundle(api, name, version, "onnx")
    if isinstance(made, str):
        if made not in REFUSALS:
            raise AssertionError(f"{case.name}: refused with {made}")
        return made
    want = library_answer(kind, case, rows)
    if "gblinear" in case.tags:  # Sums of numbers near a float's end depend on their order, up to infinity.
        small = ~(np.abs(np.nan_to_num(rows)) > 1e30).any(1)
        rows, want = rows[small], want[small]
    got = ask_onnx(made["model.onnx"], rows)
    worst = apart(got["output"].reshape(want.shape), want)
    if worst > 1e-6:
        where = np.abs(got["output"].astype(float).reshape(want.shape) - want).max(1).argmax()
        raise AssertionError(f"{case.name}: ONNX is {worst:.2e} from the library, row {where} {rows[where].tolist()}: "
                             f"{got['output'][where]} {want[where]}")
    golden = json.loads(made["golden.json"])
    outputs = _device.arrays(golden, "outputs")
    mine = ask_onnx(made["model.onnx"], _device.arrays(golden, "inputs")["input"])
    if (worst := apart(mine["output"], outputs["output"].astype(float))) > 1e-6:
        raise AssertionError(f"{case.name}: ONNX is {worst:.2e} from the golden rows")
    if "label" in outputs and not np.array_equal(mine["label"], outputs["label"]):
        raise AssertionError(f"{case.name}: labels differ from the golden rows'")
    model = rt.load(case.model)
    bits = rt.predict(model, _device.arrays(golden, "inputs")["input"])
    rt.free(model)
    if not np.array_equal(bits.view(np.uint32), outputs["output"].view(np.uint32)):
        raise AssertionError(f"{case.name}: the C library has other bits than the server")
    return None


def table(api, models, rt):
    failed = []
    for kind in ("lightgbm", "xgboost"):
        seen, refused, drawn = collections.Counter(), collections.Counter(), 0
        for seed in range(10 * models):
            if drawn == models:
                break
            case = _tree_models.MAKERS[kind](seed)
            if isinstance(case, str) or case.words:
                continue
            try:
                why = check_case(api, rt, kind, case, seed)
            except AssertionError as error:
                failed.append(str(error))
                print(f"FAIL {error}", flush=True)
                why = None
            if why:
                refused[why] += 1
                continue
            drawn += 1
            seen.update(case.tags)
        print(f"{kind}: {drawn} models as ONNX within 1e-6 of the library, as C library to the server's bits; refused by name: "
              f"{dict(refused)}\n  " + ", ".join(f"{tag} {n}" for tag, n in sorted(seen.items())), flush=True)
    true(not failed, f"{len(failed)} models differ")


# ---- whole bundles

DEFINITIONS = """
kind: Source
name: payments
columns: {card: int64, amount: float64}
event_time: ts
---
kind: FeatureView
name: spend
entity: {card: int64}
source: payments
aggregate:
  - {op: sum, of: amount, windows: [7d], as: spend}
---
kind: OnDemand
name: ratio
inputs: {spend: "spend:spend_7d"}
request: {amount: float64}
features: {share: "request.amount / (spend + 1)"}
---
kind: FeatureService
name: scoring
features: ["spend:spend_7d", "ratio:share"]
"""


def trained():
    import lightgbm
    dice = np.random.default_rng(5)
    x = dice.normal(size=(2000, 3)) * 10
    x[dice.random(x.shape) < 0.1] = np.nan
    y = (np.nansum(x, 1) + dice.normal(size=2000) > 0).astype(int)
    data = lightgbm.Dataset(x, y, feature_name=["amount", "spend_7d", "share"])
    return lightgbm.train({"objective": "binary", "verbose": -1, "num_leaves": 15, "seed": 1}, data, 20)


def refuses(server, what, reason, *words):
    done = subprocess.run([str(server.binary), *map(str, words)], env={**server.env, "SLIPWAY_URL": server.url}, capture_output=True,
                          text=True, timeout=60)
    true(done.returncode != 0 and reason in done.stdout + done.stderr, f"{what}: {done.stdout}{done.stderr}")


def tamper(folder, name, change):
    path = folder / name
    kept = path.read_bytes()
    path.write_bytes(change(kept))
    return lambda: path.write_bytes(kept)


def bundles(root, server, rt):
    api = server.api()
    version = register(api, "risk", "model.txt", trained().model_to_string().encode(), [("slipway.decision_threshold", "0.5")])
    for target, files in (("onnx", {"model.onnx"}), ("ort", {"model.ort"}), ("web", {"model.onnx", "index.html", "run.mjs"}),
                          ("cabi", {"model.txt", "libslipway_rt.so", "slipway_rt.h"})):
        folder = root / f"risk-{target}"
        told = json.loads(server.cli("model", "export", f"risk/{version}", "--target", target, "--out", folder, "--json"))
        equal(told["golden_from"], "generated", "no traffic yet")
        there = {p.name for p in folder.iterdir()}
        equal(there, files | {"manifest.json", "manifest.dsse.json", "signing-key.pem", "golden.json"}, target)
        said = json.loads(server.cli("model", "verify", folder, "--json"))
        true(said["holds"] and said["values"] > 0 and said["decision_flips"] == 0 and said["decisions"] > 100, f"{target}: {said}")
        print(f"{target}: {said['rows']} golden rows, at most {said['max_abs']:.1e} apart, {said['decisions']} decisions, none differs")
        offline = json.loads(server.cli("model", "verify", folder, "--key", folder / "signing-key.pem", "--json"))
        true(offline["holds"], "verified by a key in a file")
    folder = root / "risk-cabi"
    manifest = json.loads((folder / "manifest.json").read_text())
    equal(manifest["features"], ["amount", "spend_7d", "share"], "features in their order")
    equal(manifest["decision"], {"output": "output", "column": 0, "threshold": 0.5}, "the decision")
    golden = json.loads((folder / "golden.json").read_text())
    rows, want = _device.arrays(golden, "inputs")["input"], _device.arrays(golden, "outputs")
    own = _device.Library(folder / "libslipway_rt.so")
    model = own.load((folder / manifest["model"]["file"]).read_bytes())
    equal(own.predict(model, rows).tobytes(), want["output"].tobytes(), "the bundle's own library")
    own.free(model)
    api.put("deployments/risk", {"model": "risk", "version": version})
    harness.ready(api, "risk", server, version)
    clean = rows[~np.isnan(rows).any(1)]
    reply = api.send("POST", "/v2/models/risk/infer", {"inputs": [
        {"name": "input", "datatype": "FP32", "shape": list(clean.shape), "data": [float(x) for x in clean.ravel()]}]}).json()
    online = np.array(next(o for o in reply["outputs"] if o["name"] == "output")["data"], np.float32)
    model = rt.load((folder / "model.txt").read_bytes())
    equal(rt.predict(model, clean).tobytes(), online.tobytes(), "the C library has the bits of the online answer")
    rt.free(model)
    told = json.loads(server.cli("model", "export", f"risk@{version}", "--target", "onnx", "--from-traffic", "--out", root / "seen", "--json"))
    equal((told["golden_from"], told["golden_rows"]), ("traffic", len(clean)), "golden rows are the logged ones")
    told = json.loads(server.cli("model", "export", f"risk@{version}", "--target", "onnx", "--out", root / "made", "--json"))
    equal(told["golden_from"], "generated", "unless it is asked for")
    tampered(root, server)
    with_features(root, server, rt)


def tampered(root, server):
    folder = root / "risk-onnx"
    for name, reason, change in (
            ("model.onnx", "bundle.digest", lambda b: b[:-1] + bytes([b[-1] ^ 1])),
            ("golden.json", "bundle.digest", lambda b: b.replace(b"FP32", b"FP64", 1)),
            ("manifest.json", "bundle.digest", lambda b: b.replace(b"risk", b"rusk", 1)),
            ("manifest.dsse.json", "json.syntax", lambda b: b[:40]),
            ("manifest.dsse.json", "envelope.signature", lambda b: forged(b))):
        undo = tamper(folder, name, change)
        refuses(server, name, reason, "model", "verify", folder)
        undo()
    (folder / "more.txt").write_text("x")
    refuses(server, "a file more", "bundle.file", "model", "verify", folder)
    (folder / "more.txt").unlink()
    (folder / "golden.json").rename(root / "kept")
    refuses(server, "a file less", "bundle.file", "model", "verify", folder)
    (root / "kept").rename(folder / "golden.json")
    other = root / "other.pem"
    made = subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519"], capture_output=True, check=True).stdout
    other.write_bytes(subprocess.run(["openssl", "pkey", "-pubout"], input=made, capture_output=True, check=True).stdout)
    refuses(server, "another key", "envelope.unknown_key", "model", "verify", folder, "--key", other)
    refuses(server, "a folder that is there", "export.exists", "model", "export", "risk/1", "--target", "onnx", "--out", folder)
    refuses(server, "a target that isn't", "export.target", "model", "export", "risk/1", "--target", "tflite")
    refuses(server, "no such version", "not_found", "model", "export", "risk/9", "--target", "onnx")
    true(json.loads(server.cli("model", "verify", folder, "--json"))["holds"], "undone, it holds")
    print("tampered with: each refused by its reason", flush=True)


def forged(envelope):
    import base64
    said = json.loads(envelope)
    sig = bytearray(base64.b64decode(said["signatures"][0]["sig"]))
    sig[3] ^= 1
    said["signatures"][0]["sig"] = base64.b64encode(bytes(sig)).decode()
    return json.dumps(said).encode()


def with_features(root, server, rt):
    api = server.api()
    api.post("features:apply", {"yaml": DEFINITIONS})
    version = register(api, "joined", "model.txt", trained().model_to_string().encode(), [("slipway.feature_service", "scoring@1")])
    folder = root / "joined"
    server.cli("model", "export", f"joined/{version}", "--target", "cabi", "--out", folder)
    said = json.loads(server.cli("model", "verify", folder, "--json"))
    true(said["holds"] and said["transforms"] == 1, f"a transform: {said}")
    transform, = json.loads((folder / "transforms.json").read_text())
    columns = {i["name"]: np.array([3.0, 8.0, np.nan]) for i in transform["inputs"]}
    got, digest = rt.transform(transform["expression"], columns)
    equal(digest, transform["hash"], "the same program")
    want = columns["request.amount"] / (columns["spend"] + 1)
    true(np.array_equal(got, want, equal_nan=True), f"{got} {want}")
    print("transforms: compiled on the device to the server's hash", flush=True)


# ---- the page

class Site(http.server.SimpleHTTPRequestHandler):
    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript", ".wasm": "application/wasm"}
    reports = []

    def do_POST(self):
        self.reports.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args):
        pass


def browser(root, server):
    setup.ensure(["browser"])
    found = web.find_node()
    if not found:
        raise common.Failed("no node 20.19 or newer")
    web.install(*found)
    dist = setup.npm_package("onnxruntime-web") / "package/dist"
    folder = root / "page"
    version = register(server.api(), "page", "model.txt", trained().model_to_string().encode(), [("slipway.decision_threshold", "0.5")])
    server.cli("model", "export", f"page/{version}", "--target", "web", "--out", folder, "--runtime", dist)
    true(json.loads(server.cli("model", "verify", folder, "--json"))["runtime"], "the runtime is there, and is the right one")
    bad = root / "bad"
    bad.mkdir()
    for file in ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"):
        (bad / file).write_text("else")
    refuses(server, "another runtime", "bundle.runtime", "model", "export", f"page/{version}", "--target", "web", "--out", root / "x", "--runtime", bad)
    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *a: Site(*a, directory=str(folder)))
    threading.Thread(target=site.serve_forever, daemon=True).start()
    try:
        done = subprocess.run([found[0], harness.ROOT / "test/browser/bundle.mjs", f"http://127.0.0.1:{site.server_port}"],
                              capture_output=True, text=True, timeout=120)
    finally:
        site.shutdown()
    true(done.returncode == 0, f"the page: {done.stdout}{done.stderr}")
    report = json.loads(done.stdout)
    true(report["holds"] and report["max_abs"] < 1e-6 and report["flips"] == 0 and report["decisions"] > 200, f"{report}")
    sent, = Site.reports
    equal((sent["model"], sent["version"], sent["labels"]), ("page", version, [{"row": 0, "label": "yes"}, {"row": 3, "label": "no"}]), "sent")
    true("inputs" not in sent and sum(sent["sketches"][0]["counts"]) == report["rows"], "sketches, no rows")
    print(f"Chromium: {report['rows']} rows at most {report['max_abs']:.1e} apart, {report['decisions']} decisions, none differs; "
          f"loaded in {report['load_ms']:.0f} ms", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--deep", action="store_true")
    parser.add_argument("--models", type=int)
    parser.add_argument("--only", choices=["table", "bundles", "browser"])
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    rt = library()
    with tempfile.TemporaryDirectory(prefix="slipway-edge-") as folder, \
            Server(harness.BINARY, pathlib.Path(folder) / "data") as server:
        root = pathlib.Path(folder)
        if args.only in (None, "bundles"):
            bundles(root, server, rt)
        if args.only in (None, "table"):
            table(server.api(), args.models or (DEEP if args.deep else MODELS), rt)
        if args.only in (None, "browser"):
            try:
                browser(root, server)
            except common.Failed as error:
                print(f"the page can't be run here: {error}")
                sys.exit(SKIPPED)


if __name__ == "__main__":
    main()
