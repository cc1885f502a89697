#!/usr/bin/env python3
"""The leak you would have shipped: one risk feature, joined naively and point-in-time correctly, offline and online.

A terminal's risk is the share of fraud among its payments of the last 28 days. Whether a payment was fraud is known seven
days later. Joined with hindsight (as_of) the feature knows labels that nobody had then: the model looks superb offline and
falls apart online. Joined as it was known (as_known) offline and online are equal, to the bit.

`./dev demo fraud` builds what is missing and runs this. Exit status: 0 when every asserted number holds, 1 otherwise.
"""
import argparse
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
sys.path[:0] = [str(HERE), str(HERE.parent / "documents"), str(ROOT / "tools")]
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from dev import served  # noqa: E402
from narrate import Narrator  # noqa: E402
from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: E402
from sklearn.metrics import average_precision_score  # noqa: E402

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
        self.server = served.Server(self.args.binary, self.work / "data", port=self.args.port)
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

    def live(self):
        self.tell.chapter("4. Transactions stream in")
        tell, dice = self.tell, random.Random(7)
        rows = self.frame[self.frame["day"] >= TRAIN_TO].sample(self.args.live, random_state=7)
        asked, got = [], []
        for row in rows.itertuples():
            now = datetime.now(timezone.utc)
            reply = self.api.send("POST", "/get-online-features", {
                "entities": {"card": [row.card], "terminal": [row.terminal]}, "feature_service": "fraud"}).json()
            values = dict(zip(reply["metadata"]["feature_names"], (r["values"][0] for r in reply["results"])))
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
        online = self.model.predict_proba(frame[self.columns].to_numpy(dtype=float))[:, 1]
        tell.say(f"the correct model scored them: mean {np.mean(online):.4f}")

    def crash(self):
        self.tell.chapter("5. A crash")
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
            for chapter in (self.simulate, self.load, self.compare, self.live, self.crash):
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
