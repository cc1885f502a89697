"""A model that names a feature service is asked with keys alone: what is served is what its library says of the features that
the store serves, over every protocol, from a file and from the registry; a batch over the join as it was known has the same bits.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import warnings
from datetime import datetime, timedelta, timezone

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402
from harness import equal, refused, true  # noqa: E402
from dev import common, setup  # noqa: E402
from dev.served import Server, until  # noqa: E402

sys.path.append(str(setup.packages("pip_trees")))
sys.path.append(str(setup.place("wheel", "pyarrow", common.read_lock()["wheel"]["pyarrow"])))
import lightgbm  # noqa: E402
import numpy as np  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
import xgboost  # noqa: E402

NOW = datetime.now(timezone.utc)
USERS = 40
COLUMNS = ["amount", "spend_7d", "count_7d", "limit"]

DEFINITIONS = """
kind: Source
name: txn
columns: {user_id: int64, amount: float64}
event_time: ts
---
kind: Source
name: account
columns: {user_id: int64, limit: float32, note: string}
event_time: ts
---
kind: FeatureView
name: spend
entity: {user_id: int64}
source: txn
aggregate:
  - {op: sum, of: amount, windows: [7d], as: spend}
  - {op: count, of: amount, windows: [7d], as: count}
late: {allowed: 8d}
---
kind: FeatureView
name: accounts
entity: {user_id: int64}
source: account
features: [limit, note]
ttl: 2d
---
kind: FeatureService
name: risk
features: ["spend:*", "accounts:limit"]
log: {sample_by_key: 1}
---
kind: FeatureService
name: notes
features: ["accounts:note"]
"""


def iso(at):
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def fill(api):
    """User 5 has no account, user 6 an old one, user 7 a null limit; user 0 nobody knows."""
    dice = np.random.default_rng(7)
    api.post("features:apply", {"yaml": DEFINITIONS})
    rows = [{"user_id": int(dice.integers(1, USERS)), "amount": round(float(dice.gamma(2, 30)), 2),
             "ts": iso(NOW - timedelta(hours=float(dice.random() * 150)))} for _ in range(600)]
    api.post("feature-sources/txn/rows", {"rows": rows})
    accounts = [{"user_id": u, "limit": None if u == 7 else float(np.float32(dice.random() * 1000)), "note": f"n{u}",
                 "ts": iso(NOW - timedelta(days=30 if u == 6 else 1))} for u in range(1, USERS) if u != 5]
    api.post("feature-sources/account/rows", {"rows": accounts})


def models():
    dice = np.random.default_rng(3)
    x = np.column_stack([dice.gamma(2, 30, 2000), dice.gamma(2, 300, 2000), dice.integers(0, 20, 2000), dice.random(2000) * 1000])
    x[dice.random(x.shape) < 0.05] = np.nan
    y = (np.nan_to_num(x[:, 0]) * 8 > np.nan_to_num(x[:, 1])).astype(float) + dice.random(2000) * 0.1
    gbm = lightgbm.train({"verbosity": -1, "num_leaves": 15, "deterministic": True},
                         lightgbm.Dataset(x, y, feature_name=COLUMNS), 20)
    booster = xgboost.train({"max_depth": 4}, xgboost.DMatrix(x[:, 1:], y), 15)  # Without names.
    return gbm, booster


def features_of(api, users):
    """As the store serves them: [user][spend_7d, count_7d, limit], NaN where there is none."""
    reply = api.post("/get-online-features", {"entities": {"user_id": users}, "feature_service": "risk"})
    names = reply["metadata"]["feature_names"]
    columns = [[np.nan if v is None else float(v) for v in reply["results"][names.index(n)]["values"]] for n in COLUMNS[1:]]
    return np.column_stack(columns)


def ask(api, users, amounts, path="/v2/models/risk/infer", outputs=None, check=True):
    shape = [len(users)]
    body = {"inputs": [{"name": "user_id", "datatype": "INT64", "shape": shape, "data": users},
                       {"name": "amount", "datatype": "FP32", "shape": shape, "data": amounts}]}
    if outputs:
        body["outputs"] = [{"name": n} for n in outputs]
    return api.send("POST", path, body, check=check)


def outputs_of(reply):
    """Triton's FIL backend calls its output so."""
    return {o["name"].replace("output__0", "output"): o["data"] for o in reply.json()["outputs"]}


def close(got, want, what):
    got, want = np.array([float(v) for v in np.ravel(got)]), np.ravel(want)
    true(np.allclose(got, want, rtol=1e-6, atol=1e-7), f"{what}: {got[:5]} instead of {want[:5]}")


def answers_over_every_protocol(api, gbm):
    users, amounts = list(range(USERS)), [float(np.float32(10 + 3 * u)) for u in range(USERS)]
    rows = np.column_stack([amounts, features_of(api, users)]).astype(np.float32)
    want = gbm.predict(rows.astype(np.float64))
    meta = api.get("/v2/models/risk")
    equal([i["name"] for i in meta["inputs"]], ["user_id", "amount"], "it asks for keys, and for what only the caller knows")
    equal([o["name"].replace("output__0", "output") for o in meta["outputs"]], ["output", "feature_status"], "it marks its rows")
    out = outputs_of(ask(api, users, amounts))
    close(out["output"], want, "Open Inference")
    status = out["feature_status"]
    equal(status[0], "spend_7d=NOT_FOUND,count_7d=NOT_FOUND,limit=NOT_FOUND", "nobody knows user 0")
    true("limit=NOT_FOUND" in status[5] and "limit=OUTSIDE_MAX_AGE" in status[6] and "limit=NULL_VALUE" in status[7],
         f"accounts that are absent, old, null: {status[5:8]}")
    frame = {"columns": ["user_id", "amount"], "data": [[u, a] for u, a in zip(users, amounts)]}
    close(api.post("/invocations?deployment=risk", {"dataframe_split": frame})["predictions"], want, "/invocations")
    v1 = api.post("/v1/models/risk:predict", {"instances": [{"user_id": u, "amount": a} for u, a in zip(users, amounts)]})
    close([p.get("output", p.get("output__0")) for p in v1["predictions"]], want, "KServe v1")
    only = outputs_of(ask(api, [1, 0], [1.0, 1.0], outputs=["feature_status"]))
    equal(list(only), ["feature_status"], "one output")
    return out


def bad_requests(api):
    body = {"inputs": [{"name": "user_id", "datatype": "INT64", "shape": [1], "data": [1]}]}
    refused(api, "POST", "/v2/models/risk/infer", body, 400)
    for extra in ("spend_7d", "input"):
        more = {"inputs": [*body["inputs"], {"name": "amount", "datatype": "FP32", "shape": [1], "data": [1.0]},
                           {"name": extra, "datatype": "FP32", "shape": [1], "data": [1.0]}]}
        refused(api, "POST", "/v2/models/risk/infer", more, 400)


def bits_of_a_batch(server, root, api, gbm_file):
    """What was answered one by one is answered by `batch score` over the join as it was known then."""
    users = [u for u in range(1, USERS) if u not in (5, 6, 7)]
    amounts = [float(np.float32(u / 3)) for u in users]
    asked = [np.float32(outputs_of(ask(api, [u], [a]))["output"][0]) for u, a in zip(users, amounts)]
    after = iso(datetime.now(timezone.utc))
    entities, joined, scores = root / "entities.csv", root / "joined.parquet", root / "scores"
    entities.write_text("user_id,amount,event_timestamp\n" + "".join(f"{u},{a!r},{after}\n" for u, a in zip(users, amounts)))
    server.cli("feature", "train", "--entities", entities, "--service", "risk", "--mode", "as_known", "--out", joined)
    done = subprocess.run([harness.BINARY, "batch", "score", gbm_file, joined, scores], capture_output=True, text=True, timeout=60)
    equal(done.returncode, 0, done.stderr)
    parts = sorted(scores.glob("part-*.parquet"))
    got = np.concatenate([pq.read_table(p)["output"].to_numpy() for p in parts]).astype(np.float32)
    equal(got.tobytes(), np.array(asked, np.float32).tobytes(), "the bits of a batch")
    report = json.loads(server.cli("feature", "verify", "--service", "risk", "--since", "1h", "--json"))
    true(report["holds"] and report["equal"] == report["values"] > 0, f"what models looked up is replayed: {report}")


def in_batches(server, api, gbm):
    """Others' requests share a batch, and so a reading of the store."""
    errors, lock = [], threading.Lock()
    rows = features_of(api, list(range(USERS)))
    want = gbm.predict(np.column_stack([np.full(USERS, 50.0), rows]).astype(np.float32).astype(np.float64))

    def client(k):
        mine = server.api()
        for u in range(k, USERS, 4):
            try:
                out = outputs_of(ask(mine, [u], [50.0], "/v2/models/batched/infer"))
                close(out["output"], [want[u]], f"user {u} in a batch")
                true(("limit" in out["feature_status"][0]) == (u in (0, 5, 6, 7)), f"marks of user {u}")
            except Exception as error:  # pylint: disable=broad-except
                with lock:
                    errors.append(repr(error))
    threads = [threading.Thread(target=client, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    equal(errors, [], "requests in batches")


def write_repository(root, gbm, booster):
    names = 'parameters { key: "feature_service" value { string_value: "%s" } }\n'
    fil = 'backend: "fil"\nparameters { key: "model_type" value { string_value: "%s" } }\n'
    rules = 'parameters { key: "feature_%s" value { string_value: "%s" } }\n'
    batch = "max_batch_size: 16\ndynamic_batching { max_queue_delay_microseconds: 2000 }\n"
    configs = {"risk": names % "risk", "batched": batch + names % "risk@1", "unnamed": names % "risk@1",
               "unpinned": names % "risk", "useless": names % "notes", "nowhere": names % "never",
               "strict": names % "risk" + rules % ("missing", "refuse") + rules % ("stale", "refuse"),
               "old": names % "risk" + rules % ("missing", "-1") + rules % ("stale", "use")}
    for name, config in configs.items():
        own = name in ("unnamed", "unpinned")
        folder = root / "models" / name / "1"
        folder.mkdir(parents=True)
        (folder / ("xgboost.json" if own else "model.txt")).write_bytes(
            bytes(booster.save_raw("json")) if own else gbm.model_to_string().encode())
        (folder.parent / "config.pbtxt").write_text(fil % ("xgboost_json" if own else "lightgbm") + config)


def from_files(root, gbm, booster):
    write_repository(root, gbm, booster)
    with Server(harness.BINARY, root / "files", ["--model-repository", str(root / "models")]) as server:
        api = server.api()
        refused(api, "GET", "/v2/models/risk/ready", None, 404)
        fill(api)
        for name in ("risk", "batched", "strict", "old", "unnamed"):
            equal(api.send("POST", f"/v2/repository/models/{name}/load", {}).status, 200, name)
        for name, word in (("unpinned", "NAME@VERSION"), ("useless", "no feature"), ("nowhere", "never")):
            error = api.send("POST", f"/v2/repository/models/{name}/load", {}, check=False)
            true(error.status == 400 and word in error.body.decode(), f"{name}: {error.status} {error.body}")
        answers_over_every_protocol(api, gbm)
        bad_requests(api)
        in_batches(server, api, gbm)
        rows = features_of(api, [3, 8])
        body = {"inputs": [{"name": "user_id", "datatype": "INT64", "shape": [2], "data": [3, 8]}]}
        out = outputs_of(api.send("POST", "/v2/models/unnamed/infer", body))
        close(out["output"], booster.predict(xgboost.DMatrix(rows.astype(np.float32))), "features in the service's order")
        for user, name in ((0, "spend_7d"), (5, "limit"), (6, "limit"), (7, "limit")):
            error = ask(api, [1, user], [1.0, 1.0], "/v2/models/strict/infer", check=False)
            true(error.status == 400 and f"`{name}`" in error.body.decode() and "row 2" in error.body.decode(), str(error.body))
        old = outputs_of(ask(api, [6, 7, 0], [20.0] * 3, "/v2/models/old/infer"))
        want = gbm.predict(np.array([[20.0, -1.0, -1.0, -1.0]]))
        close(old["output"][2], want, "a number for what is missing")
        true("limit=OUTSIDE_MAX_AGE" in old["feature_status"][0], "used, and marked")
        file = root / "gbm.txt"
        file.write_text(gbm.model_to_string())
        bits_of_a_batch(server, root, api, file)
        server.kill()
        server.start()
        api = server.api()
        close(outputs_of(ask(api, [1], [10.0]))["output"],
              gbm.predict(np.column_stack([[10.0], features_of(api, [1])]).astype(np.float32).astype(np.float64)), "after SIGKILL")
    print("files: every protocol, rules, batches, the bits of a batch", flush=True)


def from_the_registry(root, gbm):
    with Server(harness.BINARY, root / "registry") as server:
        api = server.api()
        fill(api)
        info = harness.make_run(api)
        harness.put_artifact(api, info, "model/model.txt", gbm.model_to_string().encode())
        api.send("POST", harness.MLFLOW + "registered-models/create", {"name": "risk"})
        for _ in range(2):
            api.post(harness.MLFLOW + "model-versions/create",
                     {"name": "risk", "source": info["artifact_uri"] + "/model", "run_id": info["run_id"]})

        def tag(key, value):
            server.api().post(harness.MLFLOW + "model-versions/set-tag", {"name": "risk", "version": "1", "key": key, "value": value})
        tag("slipway.feature_service", "risk@1")
        api.put("deployments/risk", {"model": "risk", "version": 1})
        harness.ready(api, "risk", server, 1)
        out = answers_over_every_protocol(api, gbm)
        true(len(out["output"]) == USERS, "all are answered")
        server.kill()
        server.start()
        api = server.api()
        equal(ask(api, [1], [1.0]).status, 200, "at once after a restart")
        tag("slipway.feature_missing", "refuse")

        until("the new rule", lambda: ask(api, [0], [1.0], check=False).status == 400, 20, server)
        tag("slipway.feature_service", "never@1")
        until("what can't be loaded to be told", lambda: "never" in json.dumps(api.get("deployments/risk")), 20, server)
        equal(ask(api, [1], [1.0]).status, 200, "what serves goes on")
    print("registry: tags, records, changed rules", flush=True)


def main():
    warnings.simplefilter("ignore")
    gbm, booster = models()
    with tempfile.TemporaryDirectory(prefix="slipway-call-") as folder:
        root = pathlib.Path(folder)
        from_files(root, gbm, booster)
        from_the_registry(root, gbm)


if __name__ == "__main__":
    main()
