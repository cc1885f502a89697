"""Data directories of released builds, kept so that every later build is shown to open them.

    python3 test/e2e/datadir.py NAME      (NAME: release and issue, as 0.1.0-keel)

starts the development build (or SLIPWAY_BINARY) on an empty directory, fills it, stops it and writes
test/corpus/datadir/NAME.tar.gz (the directory) and NAME.json (what is in it, asked of the server that wrote it).
smoke_datadir.py opens each of them with the current build and asks again; src/app/datadir_test.cc migrates each.
A directory that was released is never written again: a new one goes beside it. What facts() asks may grow: only
what the old answer says is compared.
"""
import gzip
import hashlib
import io
import json
import pathlib
import sys
import tarfile
import tempfile
import urllib.parse

import harness
from harness import MLFLOW, infer, ready, until

KEPT = harness.ROOT / "test" / "corpus" / "datadir"
SIZE_MAX = 1 << 20
MODEL, TEXTS = "sorter", "parcels"
NORMAL, FLIPPED = [[-1, 0], [1, 0]], [[1, 0], [-1, 0]]
REFERENCE = "".join(json.dumps({"a": (i * 7 % 41 - 20) / 10, "b": (i * 11 % 37 - 18) / 10, "t": f"line {i}"}) + "\n"
                    for i in range(200)).encode()
WINDOW = 40


def drawn(count, shift):
    """Rows of the reference's own distribution, moved by `shift`."""
    return [[(i * 7 % 41 - 20) / 10 + shift, (i * 11 % 37 - 18) / 10] for i in range(count)]


# ---------------------------------------------------------------- write
def fill(server):
    """Writes something of every kind; returns what facts() needs to find it again."""
    api = server.api((server.data / "bootstrap-token").read_text().strip())
    tokens = {}
    for name, role in (("owner", "manage"), ("reviewer", "manage"), ("guest", "read")):
        tokens[name] = api.post("tokens", {"principal": name, "role": role})["token"]
        api = server.api(tokens["owner"])  # The first one made ends the bootstrap token.
    reviewer = server.api(tokens["reviewer"])
    keys = {"tokens": tokens, "run": fill_tracking(api)}
    api.send("POST", f"datasets/{TEXTS}/versions?format=jsonl&message=first", REFERENCE)
    api.send("POST", f"datasets/{TEXTS}/versions?format=jsonl&message=longer", REFERENCE + b'{"a":0,"b":null,"t":"more"}\n')
    api.send("POST", "datasets/amounts/versions?format=csv", b"id,amount\n1,2.5\n2,\n")
    fill_registry(api, reviewer)
    predictions = fill_serving(server, api)
    return {**keys, "labeled": predictions[0], "unlabeled": predictions[-1], "features": fill_features(api)}


FEATURES = """
kind: Source
name: txn
columns: {user: int64, amount: float64, shop: string}
event_time: ts
---
kind: FeatureView
name: last
entity: {user: int64}
source: txn
features: [amount, shop]
---
kind: FeatureView
name: spend
entity: {user: int64}
source: txn
aggregate:
  - {op: sum, of: amount, windows: [1h, 30d], as: spend}
  - {op: distinct, of: shop, windows: [30d], as: shops}
---
kind: FeatureService
name: payments
features: ["last:*", "spend:*"]
"""


def fill_features(api):
    """Rows in segments, in the log, taken back, and of a file; the moments at which they are asked for again."""
    api.post("features:apply", {"yaml": FEATURES})
    at = lambda minute: f"2026-01-01T{minute // 60:02}:{minute % 60:02}:00Z"  # noqa: E731
    rows = [{"user": n % 5, "amount": n / 4, "shop": f"s{n % 3}", "ts": at(n)} for n in range(300)]
    api.post("feature-sources/txn/rows", {"rows": rows})
    api.post("feature-sources/txn/rows", {"rows": [{"user": 1, "ts": at(6), "_deleted": True}]})
    table = "user,amount,shop,ts\n" + "".join(f"{n % 7},{n},file,{at(200 + n)}\n" for n in range(50))
    api.send("POST", "feature-sources/txn/files?format=csv", table.encode())
    return {"users": [0, 1, 2, 6, 9], "moments": [at(30), at(200), at(900)]}


def feature_facts(api, keys):
    asked = {"feature_service": "payments", "entities": {"user": keys["users"]}}
    served = api.send("POST", "/get-online-features", json.dumps(asked).encode()).json()
    frame = "user,event_timestamp\n" + "".join(f"{user},{moment}\n" for user in keys["users"] for moment in keys["moments"])
    joined = api.send("POST", "features:join?service=payments&format=csv&out=csv", frame.encode()).body.decode()
    columns = zip(served["metadata"]["feature_names"], served["results"])
    return {"joined": joined, "last": {name: column["values"] for name, column in columns if not name.endswith(("_1h", "_30d"))}}


def fill_tracking(api):
    experiment = api.post(MLFLOW + "experiments/create", {"name": "kept", "tags": [{"key": "team", "value": "post"}]})
    info = api.post(MLFLOW + "runs/create", {"experiment_id": experiment["experiment_id"], "run_name": "steady",
                                             "start_time": 1000})["run"]["info"]
    run = info["run_id"]
    api.post(MLFLOW + "runs/log-batch", {
        "run_id": run, "params": [{"key": "rate", "value": "0.1"}], "tags": [{"key": "note", "value": "gr\u00fcn \u2713"}],
        "metrics": [{"key": "loss", "value": 1 / (step + 1), "timestamp": step, "step": step} for step in range(12)] +
                   [{"key": "odd", "value": "NaN", "timestamp": 1, "step": 0}]})
    api.post(MLFLOW + "runs/log-inputs", {"run_id": run, "datasets": [
        {"dataset": {"name": TEXTS, "digest": "12ab", "source_type": "local", "source": "{}"}, "tags": []}]})
    harness.put_artifact(api, info, "notes/read.me", b"kept bytes\n" * 1000)
    api.post(MLFLOW + "runs/update", {"run_id": run, "status": "FINISHED", "end_time": 2000})
    return run


def fill_registry(api, reviewer):
    """Versions 1 (archived), 2 (was rolled back), 3 (gate failed), 4 (none)."""
    for weights, accuracy in ((NORMAL, 0.8), (FLIPPED, 0.9), (NORMAL, 0.5), (NORMAL, 0.85)):
        harness.register(api, MODEL, harness.linear_classifier(weights), {"accuracy": accuracy})
    at = f"models/{MODEL}/versions"
    floor = {"checks": [{"kind": "floor", "metric": "accuracy", "min": 0.75}]}
    api.post(f"{at}/3/gate", floor)
    for version in (1, 2):
        api.post(f"{at}/{version}/gate", floor)
        reviewer.post(f"{at}/{version}/approve", {"comment": f"read {version}"})
        api.post(f"{at}/{version}/promote", {"stage": "Production"})
    api.post(f"models/{MODEL}/rollback", {"reason": "complaints"})
    api.post(MLFLOW + "registered-models/alias", {"name": MODEL, "alias": "next", "version": "4"})
    api.post(MLFLOW + "registered-models/set-tag", {"name": MODEL, "key": "owner", "value": "post"})
    api.post(MLFLOW + "model-versions/set-tag", {"name": MODEL, "version": "4", "key": "size", "value": "small"})


def fill_serving(server, api):
    """A window as the reference, a window of drift, labels of the first, a canary that is being judged; all ids."""
    api.put(f"deployments/{MODEL}", {"model": MODEL, "version": 1, "log_ack": "kernel"})
    ready(api, MODEL, server, 1)
    api.put(f"deployments/{MODEL}/monitor", {
        "reference": {"dataset": TEXTS, "version": 1, "columns": {"x[0]": "a", "x[1]": "b"}, "rows_max": 200},
        "inputs": [{"name": "x[0]", "kind": "numeric"}, {"name": "x[1]", "kind": "numeric"}],
        "window_rows": WINDOW, "thresholds": {"psi": 1.0, "js": 0.3}})
    ids, labels = [], []
    for index, row in enumerate(drawn(WINDOW, 0) + drawn(WINDOW, 9)):
        reply = infer(api, MODEL, [row])
        ids.append(reply.headers["x-slipway-prediction-id"])
        labels.append("yes" if (row[0] > 0) != (index % 10 == 0) else "no")
    api.post("labels", {"deployment": MODEL, "labels": [
        {"prediction_id": id_, "label": label} for id_, label in list(zip(ids, labels))[:WINDOW]]})
    until("the alarm", lambda: api.items(f"alerts?deployment={MODEL}"), 20, server)
    until("the labels", lambda: api.get(f"deployments/{MODEL}/performance")["overall"]["n_labeled"] == WINDOW, 20, server)
    api.post(f"deployments/{MODEL}/canary", {"version": 4, "weight": 0.25,
                                             "guard": {"kind": "label_errors", "alpha": 0.01}})
    until("the canary", lambda: len(api.get(f"deployments/{MODEL}")["arms"]) == 2, 20, server)
    return ids


# ---------------------------------------------------------------- ask
def pick(item, *names):
    return {name: item.get(name) for name in names}


def digest(content):
    return hashlib.sha256(content).hexdigest()


def facts(server, keys):
    """What the directory holds, as the API says it."""
    api = server.api(keys["tokens"]["owner"])
    return {
        "principals": {name: pick(server.api(token).get("whoami"), "principal", "roles")
                       for name, token in keys["tokens"].items()},
        "tracking": tracking_facts(api, keys["run"]),
        "datasets": {name: dataset_facts(api, name) for name in (TEXTS, "amounts")},
        "registry": registry_facts(api),
        "serving": serving_facts(api, keys),
        **({"features": feature_facts(api, keys["features"])} if "features" in keys else {}),
        "ledger": [[event["seq"], event["id"], event["ts_us"], event["verb"], event["actor"], event["kind"], event["uid"]]
                   for event in api.items("ledger?limit=200")],
    }


def tracking_facts(api, run_id):
    run = api.get(MLFLOW + f"runs/get?run_id={run_id}")["run"]
    history = api.get(MLFLOW + f"metrics/get-history?run_id={run_id}&metric_key=loss")["metrics"]
    root = run["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/").lstrip("/")
    file = api.send("GET", f"/api/2.0/mlflow-artifacts/artifacts/{root}/notes/read.me").body
    found = api.post(MLFLOW + "runs/search", {"experiment_ids": [run["info"]["experiment_id"]],
                                              "filter": "metrics.loss < 0.1 and params.rate = '0.1'"})
    experiment = api.get(MLFLOW + f"experiments/get?experiment_id={run['info']['experiment_id']}")["experiment"]
    return {"experiment": pick(experiment, "name", "tags"),
            "run": pick(run["info"], "run_id", "run_name", "status", "start_time", "end_time", "lifecycle_stage"),
            "metrics": {item["key"]: str(item["value"]) for item in run["data"]["metrics"]},
            "history": [[item["step"], item["value"]] for item in history],
            "params": run["data"]["params"], "tags": {item["key"]: item["value"] for item in run["data"]["tags"]},
            "inputs": [item["dataset"]["name"] for item in run["inputs"]["dataset_inputs"]],
            "found": [item["info"]["run_id"] for item in found["runs"]], "artifact": digest(file)}


def dataset_facts(api, name):
    versions = api.items(f"datasets/{name}/versions")
    return [{**pick(version, "uid", "version", "rows", "format", "digest", "message", "parent_version", "schema"),
             "content": digest(api.send("GET", f"datasets/{name}/versions/{version['version']}/content").body)}
            for version in versions]


def registry_facts(api):
    model = api.get(f"models/{MODEL}")
    versions = [api.get(f"models/{MODEL}/versions/{number}") for number in range(1, 5)]
    found = api.get(MLFLOW + "model-versions/search?" + urllib.parse.urlencode({"filter": f"name='{MODEL}'"}))
    return {**pick(model, "name", "aliases", "stages", "latest_version", "tags"),
            "versions": [{**pick(version, "version", "uid", "stage", "digest", "aliases", "tags", "run_id"),
                          "gate": version["gate"] and version["gate"]["passed"],
                          "approvals": [item["comment"] for item in version["approvals"]]} for version in versions],
            "history": [pick(item, "version", "stage", "reason") for item in api.get(f"models/{MODEL}/history")["items"]],
            "found": sorted(int(item["version"]) for item in found["model_versions"])}


def serving_facts(api, keys):
    deployment = api.get(f"deployments/{MODEL}")
    windows = api.items(f"deployments/{MODEL}/drift?limit=100")
    alerts = api.items(f"alerts?deployment={MODEL}")
    return {"arms": sorted((arm["version"], arm["weight"]) for arm in deployment["arms"]),
            "canary": pick(deployment["canary"], "state", "version"),
            "predictions": [api.get(f"predictions/{keys[name]}") for name in ("labeled", "unlabeled")],
            "performance": pick(api.get(f"deployments/{MODEL}/performance")["overall"], "n_labeled", "accuracy"),
            "windows": [pick(window, "window", "n", "alarm", "closed") for window in windows],
            "alerts": [pick(alert, "id", "kind", "value", "threshold") for alert in alerts]}


# ---------------------------------------------------------------- keep
def kept():
    return sorted(path.name.removesuffix(".json") for path in KEPT.glob("*.json"))


def missing(want, got, where="facts"):
    """Where `got` doesn't say what `want` says, as texts. More fields are fine; so are more events behind those known."""
    if isinstance(want, dict) and isinstance(got, dict):
        return [text for key, value in want.items() for text in missing(value, got.get(key), f"{where}.{key}")]
    if isinstance(want, list) and isinstance(got, (list, tuple)):
        if where == "facts.ledger":
            got = got[:len(want)]
        if len(want) == len(got):
            return [text for i, (a, b) in enumerate(zip(want, got)) for text in missing(a, b, f"{where}[{i}]")]
    return [] if want == got else [f"{where}: was {want!r}, is {got!r}"]


def unpack(name, folder):
    """The directory, and what the build that wrote it said of it."""
    with tarfile.open(KEPT / f"{name}.tar.gz") as archive:
        archive.extractall(folder)
    return json.loads((KEPT / f"{name}.json").read_text("utf-8"))


def pack(data):
    """The directory's files, in order and without anybody's name or time."""
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0, compresslevel=9) as stream:
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for path in sorted(data.rglob("*")):
                entry = archive.gettarinfo(path, path.relative_to(data).as_posix())
                entry.uid = entry.gid = entry.mtime = 0
                entry.uname = entry.gname = ""
                archive.addfile(entry, io.BytesIO(path.read_bytes()) if path.is_file() else None)
    return out.getvalue()


def write(data):
    """Fills an empty directory; what it says of itself."""
    server = harness.Server(harness.BINARY, data, ["--auth"], env={"SLIPWAY_DB": ""})
    with server:
        keys = fill(server)
        restart(server, keys)
        api = server.api(keys["tokens"]["owner"])
        last = infer(api, MODEL, [[0.5, 0.5]]).headers["x-slipway-prediction-id"]  # Opens the log's second segment.
        until("its reading", lambda: api.send("GET", f"predictions/{last}", check=False).status == 200, 20, server)
        restart(server, keys)
        until("the first segment's archive", lambda: "predictions archived" in server.tail(1000), 20, server)
        known = facts(server, keys)
        server.stop()
    return {"keys": keys, "facts": known}


def restart(server, keys):
    server.stop()
    server.start()
    ready(server.api(keys["tokens"]["owner"]), MODEL, server)


def main(name):
    archive = KEPT / f"{name}.tar.gz"
    if archive.exists():
        raise SystemExit(f"{archive} is kept as it is; give the new one another name")
    with tempfile.TemporaryDirectory(prefix="slipway-datadir-") as root:
        data = pathlib.Path(root) / "data"
        known = write(data)
        packed = pack(data)
    if len(packed) > SIZE_MAX:
        raise SystemExit(f"{len(packed)} bytes packed; a kept directory has at most {SIZE_MAX}")
    archive.write_bytes(packed)
    (KEPT / f"{name}.json").write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(f"{archive.relative_to(harness.ROOT)}: {len(packed)} bytes")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(sys.argv[1])
