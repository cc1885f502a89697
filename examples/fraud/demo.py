#!/usr/bin/env python3
"""The leak you would have shipped: one risk feature, joined naively and point-in-time correctly, offline and online.

A terminal's risk is the share of fraud among its payments of the last 28 days. Whether a payment was fraud is known seven
days later. Joined with hindsight (as_of) the feature knows labels that nobody had then: the model looks superb offline and
falls apart online. Joined as it was known (as_known) offline and online are equal, to the bit.

`./dev demo fraud` builds what is missing and runs this. Exit status: 0 when every asserted number holds, 1 otherwise.
"""
import argparse
import base64
import json
import pathlib
import random
import shutil
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent / "documents"), str(ROOT / "tools"), str(ROOT / "test/e2e")]
import numpy as np  # noqa: E402
import onnx  # noqa: E402
import pandas as pd  # noqa: E402
import device  # noqa: E402
import harness  # noqa: E402
from dev import served, setup  # noqa: E402
from narrate import Narrator  # noqa: E402
from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: E402
from sklearn.metrics import average_precision_score  # noqa: E402

THRESHOLD = 0.3  # A payment this suspicious is stopped.
DELAY = timedelta(days=7)
TRAIN_FROM, TRAIN_TO, TEST_TO = 40, 75, 90  # days
PLAIN = ["amount", "hour", "weekend"]
RISK = ["risk_28d", "seen_28d", "risk_7d"]
SPEND = ["spend_1d", "spend_7d", "count_7d"]

DEFINITIONS = """
kind: Source
name: payment
columns: {card: int64, amount: float64}
event_time: ts
created_time: known
---
kind: Source
name: label
columns: {terminal: int64, fraud: float64}
event_time: ts
created_time: known
---
kind: FeatureView
name: card_spend
entity: {card: int64}
source: payment
aggregate:
  - {op: sum, of: amount, windows: [1d, 7d], as: spend}
  - {op: count, of: amount, windows: [7d], as: count}
---
kind: FeatureView
name: terminal_risk
entity: {terminal: int64}
source: label
aggregate:
  - {op: mean, of: fraud, windows: [7d, 28d], as: risk}
  - {op: count, of: fraud, windows: [28d], as: seen}
late: {allowed: 8d}
---
kind: FeatureService
name: fraud
features: ["card_spend:*", "terminal_risk:*"]
log: {sample_by_key: 1}
"""


def iso(times):
    return times.dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def to_onnx(model, columns):
    """The classifier's trees as ONNX: an input a column (FP32 [n, 1]), the probability of fraud (FP32 [n, 1])."""
    attributes = {f"nodes_{n}": [] for n in ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids",
                                             "missing_value_tracks_true")}
    leaves = {f"target_{n}": [] for n in ("treeids", "nodeids", "ids", "weights")}
    for tree, (predictor,) in enumerate(model._predictors):  # pylint: disable=protected-access
        for at, node in enumerate(predictor.nodes):
            leaf, limit = bool(node["is_leaf"]), np.float32(0)
            if leaf:
                for name, value in zip(leaves, (tree, at, 0, float(node["value"]))):
                    leaves[name].append(value)
            else:  # The greatest float below: rows are floats here, and thresholds doubles.
                limit = np.float32(node["num_threshold"])
                limit = np.nextafter(limit, np.float32(-np.inf)) if limit > node["num_threshold"] else limit
            values = (tree, at, int(node["feature_idx"]), "LEAF" if leaf else "BRANCH_LEQ", float(limit), int(node["left"]),
                      int(node["right"]), int(node["missing_go_to_left"]))
            for name, value in zip(attributes, values):
                attributes[name].append(value)
    helper, real = onnx.helper, onnx.TensorProto.FLOAT
    base = [float(np.ravel(model._baseline_prediction)[0])]  # pylint: disable=protected-access
    nodes = [helper.make_node("Concat", columns, ["x"], axis=1),
             helper.make_node("TreeEnsembleRegressor", ["x"], ["sum"], domain="ai.onnx.ml", n_targets=1, base_values=base,
                              **attributes, **leaves),
             helper.make_node("Sigmoid", ["sum"], ["fraud"])]
    inputs = [helper.make_tensor_value_info(name, real, [None, 1]) for name in columns]
    graph = helper.make_graph(nodes, "fraud", inputs, [helper.make_tensor_value_info("fraud", real, [None, 1])])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15), helper.make_opsetid("ai.onnx.ml", 1)])
    made.ir_version = 8
    onnx.checker.check_model(made)
    return made.SerializeToString()


class Story:
    def __init__(self, args, work):
        self.args, self.work, self.tell = args, work, Narrator()
        self.server = self.api = None

    def simulate(self):
        self.tell.chapter("1. Payments from a seed")
        size = ["--cards", "500", "--terminals", "1000"] if self.args.quick else []
        text = subprocess.run([self.args.binary, "sim", "fraud", "--seed", "7", "--days", "97", *size], check=True,
                              capture_output=True, text=True).stdout
        path = self.work / "payments.csv"
        path.write_text(text)
        frame = pd.read_csv(path, keep_default_na=False)
        # The history ends now, so that its last hours can be lived through.
        self.start = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(days=TEST_TO)
        frame["ts"] = pd.Series(self.start + pd.to_timedelta(frame["second"], unit="s")).astype("datetime64[us, UTC]")
        frame["day"] = frame["second"] // 86400
        frame["hour"] = frame["second"] % 86400 / 3600
        frame["weekend"] = (frame["day"] % 7 >= 5).astype(int)
        self.frame = frame[frame["day"] < TEST_TO].reset_index(drop=True)
        share = self.frame["fraud"].mean()
        self.tell.say(f"{len(self.frame):,} payments of {self.frame['card'].nunique():,} cards at "
                      f"{self.frame['terminal'].nunique():,} terminals in {TEST_TO} days, {share:.2%} fraud")
        self.tell.measure("payments", f"{len(self.frame):,}")
        self.tell.measure("fraud", f"{share:.2%}")

    def load(self):
        self.tell.chapter("2. Definitions and history")
        models = self.work / "models"
        models.mkdir()
        self.server = served.Server(self.args.binary, self.work / "data", ["--model-repository", str(models)], port=self.args.port)
        self.server.start()
        self.api = self.server.api()
        self.api.post("features:apply", {"yaml": DEFINITIONS})
        f = self.frame
        payments = pd.DataFrame({"card": f["card"], "amount": f["amount"], "ts": iso(f["ts"]), "known": iso(f["ts"])})
        known = f["ts"] + DELAY
        there = known < datetime.now(timezone.utc)
        labels = pd.DataFrame({"terminal": f["terminal"], "fraud": f["fraud"].astype(float), "ts": iso(f["ts"]),
                               "known": iso(known)})[there]
        for name, rows in (("payment", payments), ("label", labels)):
            path = self.work / f"{name}.csv"
            rows.to_csv(path, index=False)
            begun = time.monotonic()
            loaded = json.loads(self.server.cli("feature", "load", name, path, "--json"))
            self.tell.say(f"{loaded['rows']:,} rows of {name} in {time.monotonic() - begun:.1f} s")

    def join(self, mode):
        f = self.frame[self.frame["day"] >= TRAIN_FROM]
        entities = self.work / "entities.csv"
        pd.DataFrame({"card": f["card"], "terminal": f["terminal"], "event_timestamp": iso(f["ts"])}).to_csv(
            entities, index=False)
        out = self.work / f"{mode}.csv"
        begun = time.monotonic()
        self.server.cli("feature", "train", "--entities", entities, "--service", "fraud", "--mode", mode, "--out", out)
        self.tell.time(f"join of {len(f):,} rows, {mode}", f"{time.monotonic() - begun:.1f} s")
        joined = pd.read_csv(out)
        assert len(joined) == len(f), "one row out for each row in"
        joined.index = f.index
        return pd.concat([f, joined[RISK + SPEND]], axis=1)

    def fit(self, frame, columns):
        train = frame[frame["day"] < TRAIN_TO - DELAY.days]
        model = HistGradientBoostingClassifier(max_iter=120, learning_rate=0.1, random_state=0)
        return model.fit(train[columns].to_numpy(dtype=float), train["fraud"])

    @staticmethod
    def score(model, frame, columns):
        test = frame[frame["day"] >= TRAIN_TO]
        return average_precision_score(test["fraud"], model.predict_proba(test[columns].to_numpy(dtype=float))[:, 1])

    def compare(self):
        self.tell.chapter("3. One model with hindsight, one without")
        hindsight, known = self.join("as_of"), self.join("as_known")
        columns = PLAIN + SPEND + RISK
        none = self.score(self.fit(known, PLAIN + SPEND), known, PLAIN + SPEND)
        naive, self.model = self.fit(hindsight, columns), self.fit(known, columns)
        naive_offline, naive_online = self.score(naive, hindsight, columns), self.score(naive, known, columns)
        correct = self.score(self.model, known, columns)
        for name, value in (("AP without the risk features", none), ("AP naive join, offline", naive_offline),
                            ("AP naive join, online", naive_online), ("AP point-in-time join, offline", correct)):
            self.tell.measure(name, f"{value:.3f}")
        self.columns, self.correct = columns, correct
        tell = self.tell
        tell.check(naive_offline > correct + 0.1, f"hindsight looks better than it is: AP {naive_offline:.3f} offline")
        tell.check(naive_online < naive_offline - 0.25, f"and collapses online: AP {naive_online:.3f}")
        tell.check(correct > naive_online + 0.02, f"what was known trains the better model: AP {correct:.3f}")
        tell.check(correct > none + 0.02, f"and the feature is worth having: AP {none:.3f} without it")

    def serve(self):
        self.tell.chapter("4. The correct model is served; callers send keys and the payment")
        folder = self.work / "models" / "fraud" / "1"
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(to_onnx(self.model, self.columns))
        (folder.parent / "config.pbtxt").write_text(
            'parameters { key: "feature_service" value { string_value: "fraud@1" } }\n')
        self.api.send("POST", "/v2/repository/models/fraud/load", {})
        asked = [i["name"] for i in self.api.send("GET", "/v2/models/fraud").json()["inputs"]]
        self.tell.check(set(asked) == {"card", "terminal", *PLAIN}, f"it asks for {', '.join(asked)}, and looks up the rest")

        self.serve_version((folder / "model.onnx").read_bytes())

    def serve_version(self, model):
        """The same file as a version in the registry, with what devices need to know beside it."""
        api = self.api
        info = harness.make_run(api)
        harness.put_artifact(api, info, "model/model.onnx", model)
        api.post(harness.MLFLOW + "registered-models/create", {"name": "fraud"})
        api.post(harness.MLFLOW + "model-versions/create", {"name": "fraud", "source": info["artifact_uri"] + "/model",
                                                            "run_id": info["run_id"]})
        for key, value in (("feature_service", "fraud@1"), ("decision_threshold", str(THRESHOLD))):
            api.post(harness.MLFLOW + "model-versions/set-tag",
                     {"name": "fraud", "version": "1", "key": f"slipway.{key}", "value": value})
        api.put("deployments/fraud-live", {"model": "fraud", "version": 1})
        harness.ready(api, "fraud-live", self.server, 1)

    def score_online(self, row, model="fraud"):
        inputs = [{"name": n, "datatype": "INT64", "shape": [1], "data": [int(getattr(row, n))]} for n in ("card", "terminal")]
        inputs += [{"name": n, "datatype": "FP32", "shape": [1, 1], "data": [float(getattr(row, n))]} for n in PLAIN]
        outputs = self.api.send("POST", f"/v2/models/{model}/infer", {"inputs": inputs}).json()["outputs"]
        return np.float32(next(o for o in outputs if o["name"] == "fraud")["data"][0])

    def live(self):
        self.tell.chapter("5. Transactions stream in")
        tell, dice = self.tell, random.Random(7)
        rows = self.frame[self.frame["day"] >= TRAIN_TO].sample(self.args.live, random_state=7)
        asked, got, scores, versions = [], [], [], []
        for row in rows.itertuples():
            now = datetime.now(timezone.utc)
            reply = self.api.send("POST", "/get-online-features", {
                "entities": {"card": [row.card], "terminal": [row.terminal]}, "feature_service": "fraud"}).json()
            values = dict(zip(reply["metadata"]["feature_names"], (r["values"][0] for r in reply["results"])))
            scores.append(self.score_online(row))
            versions.append(self.score_online(row, "fraud-live"))
            after = datetime.now(timezone.utc)
            asked.append((row.card, row.terminal, now, after))
            got.append(values)
            ts = after.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            self.api.post("feature-sources/payment/rows", {"rows": [{"card": row.card, "amount": row.amount, "ts": ts}]})
            if dice.random() < 0.5:  # A label that becomes known now, of a payment a week ago.
                old = (after - DELAY).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
                self.api.post("feature-sources/label/rows",
                              {"rows": [{"terminal": row.terminal, "fraud": float(row.fraud), "ts": old}]})
        entities = self.work / "asked.csv"
        pd.DataFrame({"card": [a[0] for a in asked], "terminal": [a[1] for a in asked],
                      "event_timestamp": [a[3].strftime("%Y-%m-%dT%H:%M:%S.%fZ") for a in asked]}).to_csv(
            entities, index=False)
        out = self.work / "replayed.jsonl"
        self.server.cli("feature", "train", "--entities", entities, "--service", "fraud", "--mode", "as_known", "--out", out)
        mismatch = 0
        with open(out, encoding="utf-8") as file:
            for line, values in zip(file, got):
                replayed = json.loads(line)
                mismatch += any(replayed.get(name) != values[name] for name in RISK + SPEND)
        tell.measure("vectors served while rows streamed in", str(len(got)))
        tell.measure("replay mismatch", str(mismatch))
        tell.check(mismatch == 0, f"{len(got)} vectors that were served are joined again to the bit")
        report = json.loads(self.server.cli("feature", "verify", "--service", "fraud", "--since", "1h", "--json"))
        tell.check(report["holds"] and report["vectors"] >= len(got) and report["equal"] == report["values"],
                   f"`feature verify`: {report['equal']} of {report['values']} logged values equal to the bit")
        frame = pd.DataFrame(got).apply(pd.to_numeric)
        for name in PLAIN:
            frame[name] = rows[name].to_numpy()
        own = self.model.predict_proba(frame[self.columns].to_numpy(dtype=np.float32).astype(float))[:, 1]
        apart = float(np.max(np.abs(own - np.array(scores, dtype=float))))
        tell.check(apart < 1e-6, f"the served scores are scikit-learn's of the same features as floats (at most {apart:.1e} apart)")
        tell.check(versions == scores, "the version in the registry has the file's scores, to the bit")
        self.score_in_batch(rows, asked, scores)
        self.score_on_device(scores)

    def score_in_batch(self, rows, asked, scores):
        entities, joined, out = self.work / "scored.csv", self.work / "joined.parquet", self.work / "scores"
        frame = pd.DataFrame({"card": [a[0] for a in asked], "terminal": [a[1] for a in asked],
                              "event_timestamp": [a[3].strftime("%Y-%m-%dT%H:%M:%S.%fZ") for a in asked]})
        for name in PLAIN:
            frame[name] = rows[name].to_numpy(dtype=float)
        frame.to_csv(entities, index=False)
        self.server.cli("feature", "train", "--entities", entities, "--service", "fraud", "--mode", "as_known", "--out", joined)
        self.server.cli("batch", "score", self.work / "models" / "fraud" / "1" / "model.onnx", joined, out, "--format", "csv")
        batch = pd.concat([pd.read_csv(part) for part in sorted(out.glob("part-*.csv"))])["fraud"].to_numpy(dtype=np.float32)
        same = int(np.sum(batch.view(np.uint32) == np.array(scores, dtype=np.float32).view(np.uint32)))
        self.tell.measure("scores online = in a batch, to the bit", f"{same} of {len(scores)}")
        self.tell.check(same == len(scores) == len(batch), "a batch over the join as it was known has the online scores, to the bit")

    def score_on_device(self, scores):
        """The joined vectors as golden rows of a signed bundle, answered by the browser's runtime."""
        tell, folder, begun = self.tell, self.work / "device", time.monotonic()
        dist = setup.npm_package("onnxruntime-web") / "package" / "dist"
        told = json.loads(self.server.cli("model", "export", "fraud/1", "--target", "web", "--from-traffic", "--runtime", dist,
                                          "--out", folder, "--json"))
        tell.check(told["golden_from"] == "traffic" and told["golden_rows"] == len(scores),
                   f"`model export`: a signed bundle with the {told['golden_rows']} joined vectors that were scored")
        wanted = next(o for o in json.loads((folder / "golden.json").read_text())["outputs"] if o["name"] == "fraud")
        same = base64.b64decode(wanted["base64"]) == np.array(scores, dtype="<f4").tobytes()
        tell.check(same, "its golden scores are those that were answered online, to the bit")
        verified = json.loads(self.server.cli("model", "verify", folder, "--json"))
        where, report = device.run(folder)
        apart, flips = report["max_abs"], report["flips"]
        tell.measure(f"scores in {where}: greatest difference", f"{apart:.1e}")
        tell.measure(f"decisions in {where} that differ", f"{flips} of {report['decisions']}")
        tell.time("exported, verified and run on the device", f"{time.monotonic() - begun:.1f} s")
        tell.check(verified["holds"] and apart < 1e-6 and flips == 0 and report["decisions"] > 0.9 * len(scores),
                   f"{where} answers the same joined vectors within 1e-6 and decides alike")

    def crash(self):
        self.tell.chapter("6. A crash")
        ask = {"entities": {"card": list(range(50)), "terminal": list(range(50))}, "feature_service": "fraud"}
        before = self.api.send("POST", "/get-online-features", ask).json()
        self.server.kill()
        begun = time.monotonic()
        self.server.start()
        after = self.server.api().send("POST", "/get-online-features", ask).json()
        self.tell.time("start after SIGKILL", f"{time.monotonic() - begun:.2f} s")
        same = [r["event_timestamps"] for r in before["results"]] == [r["event_timestamps"] for r in after["results"]]
        self.tell.check(same, "SIGKILL and a restart: the same entities, the same newest events")

    def run(self):
        try:
            for chapter in (self.simulate, self.load, self.compare, self.serve, self.live, self.crash):
                chapter()
        finally:
            if self.server:
                self.server.stop()
        self.tell.table()
        return 1 if self.tell.failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default=str(ROOT / "build/release/slipway"))
    parser.add_argument("--quick", action="store_true", help="a third of the cards and terminals")
    parser.add_argument("--live", type=int, default=300, help="transactions that stream in [300]")
    parser.add_argument("--port", type=int, default=0)
    args = parser.parse_args()
    work = ROOT / "build" / "demo" / "fraud"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    return Story(args, work).run()


if __name__ == "__main__":
    sys.exit(main())
