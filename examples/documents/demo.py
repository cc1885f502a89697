#!/usr/bin/env python3
"""The document-triage story, end to end: from raw texts to an automatic rollback, with measured numbers.

`./dev demo` builds what is missing and runs this with the Python environment of third_party/lock.toml. The server is the
real one, started on an empty data directory; training is an unchanged MLflow script; everything else is plain HTTP.
Exit status: 0 when every asserted number holds, 1 otherwise.
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(ROOT / "tools")]
import data  # noqa: E402
import traffic  # noqa: E402
from dev import served  # noqa: E402
from narrate import Narrator  # noqa: E402

MODEL = DEPLOYMENT = "documents"
ALPHA = 0.01
WINDOW_ROWS = 200
CANARY_WEIGHT = 0.2
CANARY_BATCH = 50  # requests between two rounds of labels
AA_RUNS = 200
MIN_SCORED = data.MIN_PAIRED_HOLDOUT


class Story:
    """The state that the chapters hand on. Each chapter is a method, called once and in order."""

    def __init__(self, args, work):
        self.args, self.work = args, work
        self.tell = Narrator()
        self.server = self.api = self.reviewer = None
        self.apis = []
        self.rows, self.summary = {}, {}
        self.logged = 0  # requests that the deployment has answered
        self.before, self.after = {}, {}

    # ------------------------------------------------------------ data and server
    def prepare(self):
        tell = self.tell
        tell.chapter("1. Data: what Debian's packages say about themselves")
        tell.say("reading package lists and translations through apt, into a directory of the demo")
        self.summary = data.build(self.work / "data")
        for note in self.summary["notes"]:
            tell.say(f"note: {note}")
        for name in ("paired-en", "paired-de", "holdout-en", "holdout-de", "holdout-fr"):
            with open(self.work / "data" / f"{name}.jsonl", encoding="utf-8") as file:
                self.rows[name] = [json.loads(line) for line in file]
        counts = self.summary["rows"]
        tell.say(f"{counts['train-1']:,} English texts to train on, {counts['train-2']:,} with German and French; "
                 f"{len(self.summary['sections'])} sections; {self.summary['masked']} addresses masked")
        if not self.summary["translated"]:
            raise data.DataError("the story needs German texts, and this machine's apt sources have none "
                                 "(Translation-de of Debian main)")
        tell.check(self.summary["paired"] >= MIN_SCORED,
                   f"{self.summary['paired']:,} held-out packages exist in English and German (≥ {MIN_SCORED:,})")

    def serve(self):
        shutil.rmtree(self.work / "server", ignore_errors=True)
        (self.work / "server.log").unlink(missing_ok=True)
        self.server = served.Server(self.args.binary, self.work / "server", port=self.args.port).start()
        self.api = self.server.api()
        self.apis = [self.server.api() for _ in range(2)]
        self.tell.say(f"slipway answers at {self.server.url} after {self.server.start_ms:.0f} ms, "
                      f"{self.server.rss_bytes() / 2**20:.0f} MiB")
        self.tell.time("server ready", f"{self.server.start_ms:.0f} ms")
        token = self.api.post("tokens", {"principal": "reviewer", "role": "manage"})["token"]
        self.reviewer = self.server.api(token)

    def commit(self, file, name, message):
        """`slipway data add`: an immutable dataset version."""
        path = self.work / "data" / f"{file}.jsonl"
        version = json.loads(self.server.cli("data", "add", path, "--name", name, "--message", message, "--json"))
        self.tell.say(f"dataset {name}@{version['version']}: {version['rows']:,} rows, {version['digest'][:19]}…")
        self.tell.check(version["rows"] == self.summary["rows"][file], f"{name}@{version['version']} has every row")
        return version

    # ------------------------------------------------------------ training and release
    def train(self, file, dataset, fault=None):
        """Runs the user's script with nothing but MLFLOW_TRACKING_URI; its result."""
        folder = self.work / "data"
        english = "paired-en" if self.args.quick else "holdout-en"
        command = [sys.executable, str(HERE / "train.py"), "--train", str(folder / f"{file}.jsonl"), "--name", MODEL,
                   "--dataset", f"{dataset['name']}@{dataset['version']}", "--dataset-digest", dataset["digest"],
                   "--evaluate", f"en={folder / english}.jsonl", "--evaluate", f"de={folder / 'holdout-de'}.jsonl",
                   "--evaluate", f"fr={folder / 'holdout-fr'}.jsonl", *(["--fault", fault] if fault else [])]
        env = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "DATABRICKS_"))}
        env.update(MLFLOW_TRACKING_URI=self.server.url, MLFLOW_DISABLE_TELEMETRY="true")
        begun = time.monotonic()
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=240, check=False)
        if done.returncode:
            raise RuntimeError(f"train.py ended with {done.returncode}:\n{done.stdout}\n{done.stderr}\n{self.server.tail()}")
        result = json.loads(done.stdout.strip().splitlines()[-1])
        metrics = result["metrics"]
        self.tell.say(f"run {result['run_id'][:8]}: fitted in {metrics['fit_seconds']:.1f} s, version {result['version']} "
                      f"registered after {time.monotonic() - begun:.0f} s; accuracy en {metrics['accuracy']:.3f}, "
                      f"de {metrics['accuracy_de']:.3f}, fr {metrics['accuracy_fr']:.3f}")
        if not fault:
            self.tell.check(metrics["export_label_mismatches"] == 0 and metrics["export_max_difference"] <= 1e-6,
                            f"the exported graph agrees with scikit-learn on {metrics['export_texts']:,.0f} texts, "
                            f"probabilities to {metrics['export_max_difference']:.1e}")
        return result

    def release(self, version, checks, stage=True):
        """Gate, four eyes, and (with `stage`) promotion to Production."""
        at = f"models/{MODEL}/versions/{version}"
        early = self.api.refused("POST", f"{at}/promote", {"stage": "Production"})
        self.tell.check(early is not None and early.status == 409, f"version {version} can't be promoted past the gate "
                        f"({early.code if early else 'it was let through'})")
        gate = self.api.post(f"{at}/gate", {"checks": checks})
        words = "; ".join(f"{item['metric']} {item['value']:.3f} " +
                          (f"≥ {item['threshold']:.3f}" if item.get("threshold") is not None else item["detail"])
                          for item in gate["checks"])
        self.tell.check(gate["passed"], f"gate of version {version}: {words}")
        own = self.api.refused("POST", f"{at}/approve", {"comment": "looks good to me"})
        self.tell.check(own is not None and own.status == 403,
                        f"its author can't approve it ({own.code if own else 'it was let through'})")
        self.reviewer.post(f"{at}/approve", {"comment": "metrics and data read"})
        self.tell.say(f"version {version} approved by reviewer")
        if stage:
            self.promote(version)

    def promote(self, version):
        promoted = self.api.post(f"models/{MODEL}/versions/{version}/promote", {"stage": "Production"})
        self.tell.check(promoted["stage"] == "Production", f"version {version} holds Production")

    def first_release(self):
        self.tell.chapter("2. Train in English, gate, approve, deploy")
        first = self.commit("train-1", "documents", "English texts, training packages")
        self.commit("reference-1", "documents-reference", "English texts the model never saw, for monitoring")
        result = self.train("train-1", {**first, "name": "documents"})
        self.before["offline"] = result["metrics"]
        self.release(result["version"], [{"kind": "floor", "metric": "accuracy", "min": 0.70}])
        self.api.put(f"deployments/{DEPLOYMENT}", {"model": MODEL, "alias": "champion", "log_ack": "kernel"})
        self.await_version(result["version"])
        self.api.put(f"deployments/{DEPLOYMENT}/monitor", {
            "reference": {"dataset": "documents-reference", "version": 1, "columns": {"text": "text"},
                          "label": "section", "rows_max": 5000},
            "inputs": [{"name": "text", "kind": "text",
                        "vocabulary": {"dataset": "documents", "version": 1, "column": "text"}}],
            "window_rows": WINDOW_ROWS, "thresholds": {"psi": 0.2, "js": 0.1}})

    def await_version(self, version):
        """The deployment serves `version` alone and is ready."""
        def served_alone():
            state = self.api.get(f"deployments/{DEPLOYMENT}")
            if state["state"] == "FAILED":
                raise RuntimeError(f"deployment failed: {state.get('error')}")
            arms = [arm for arm in state["arms"] if arm["weight"] > 0]
            return state["state"] == "READY" and [int(arm["version"]) for arm in arms] == [version]
        served.until(f"version {version} to be served", served_alone, 30, self.server)
        self.tell.say(f"deployment {DEPLOYMENT} serves version {version}")

    # ------------------------------------------------------------ English, then German
    def score(self, rows, prefix, apis=None, tick=None):
        sent = traffic.score(apis or self.apis, DEPLOYMENT, rows, prefix, tick, self.logged)
        self.logged += len(rows)
        return sent

    def paired(self, language):
        rows = self.rows[f"paired-{language}"]
        return rows[:600] if self.args.quick else rows

    def drift(self):
        return [window for window in self.windows() if window["closed"]]

    def windows(self):
        return self.api.items(f"deployments/{DEPLOYMENT}/drift?limit=500")

    def monitor_has_seen_all(self):
        served.until("the monitor to read what was answered",
                     lambda: sum(window["n"] for window in self.windows()) == self.logged, 30, self.server)

    def windows_until(self, rows):
        """Drift windows once every full window of `rows` logged predictions is judged."""
        wanted = rows // WINDOW_ROWS
        return served.until(f"{wanted} drift windows", lambda: (lambda w: w if len(w) >= wanted else None)(self.drift()),
                            30, self.server)

    def english(self):
        self.tell.chapter("3. English traffic, one request a text")
        rows = self.paired("en")
        sent = self.score(rows, "first", tick=lambda done, of: self.tell.bar(done, of, "English texts"))
        self.before["en"] = sent
        self.tell.say(f"{len(rows):,} texts in {sent.seconds:.1f} s: p50 {sent.percentile_ms(.5):.2f} ms, "
                      f"p99 {sent.percentile_ms(.99):.2f} ms, mean confidence {sent.confidence():.3f}")
        if not self.args.quick:
            self.tell.check(len(rows) >= MIN_SCORED, f"{len(rows):,} held-out packages scored (≥ {MIN_SCORED:,})")
        windows = self.windows_until(len(rows))
        worst = max((feature["psi"], feature["name"]) for window in windows for feature in window["features"])
        self.tell.check(not any(window["alarm"] for window in windows),
                        f"{len(windows)} windows of {WINDOW_ROWS} without a drift alarm (largest PSI {worst[0]:.3f}, {worst[1]})")
        joined = traffic.send_labels(self.api, DEPLOYMENT, sent.scored)
        self.tell.check(joined["joined"] == len(rows), f"{joined['joined']:,} labels joined their predictions")
        again = traffic.send_labels(self.api, DEPLOYMENT, sent.scored[:100])
        self.tell.check(again["joined"] == 0 and again["duplicates"] == 100, "labels sent twice count once")
        overall = served.until("the labels to be counted", lambda: self.performance(len(rows)), 20, self.server)
        self.tell.check(abs(overall["accuracy"] - sent.accuracy()) < 1e-9,
                        f"accuracy by the server {overall['accuracy']:.4f}, counted by the client {sent.accuracy():.4f}")
        self.tell.check(sent.accuracy() >= 0.68, f"English accuracy on packages with translations {sent.accuracy():.3f} (≥ 0.68)")

    def performance(self, labelled):
        overall = self.api.get(f"deployments/{DEPLOYMENT}/performance")["overall"]
        return overall if overall["n_labeled"] >= labelled else None

    def german(self):
        self.tell.chapter("4. The same packages in German: alarm before labels")
        before = len(self.drift())
        rows, scored, fired, begun = self.paired("de"), [], None, time.monotonic()
        while len(scored) < len(rows):
            at = len(scored)
            scored += self.score(rows[at:at + traffic.BLOCK - self.logged % traffic.BLOCK], "drift").scored
            self.tell.bar(len(scored), len(rows), "German texts")
            if fired:
                continue
            self.monitor_has_seen_all()
            if alerts := self.open_alerts("drift"):
                fired = (len(scored), time.monotonic() - begun, alerts)
        sent = traffic.Traffic(scored, time.monotonic() - begun)
        if not fired:
            raise RuntimeError("German texts raise no drift alarm")
        self.before["de"] = sent
        names = sorted({alert.get("feature") or "" for alert in fired[2]})
        self.tell.check(fired[0] <= 3 * WINDOW_ROWS, f"drift alarm after {fired[0]} German texts, {fired[1]:.2f} s, "
                        f"without one label: {', '.join(names)}")
        self.tell.measure("drift alarm", f"after {fired[0]} German texts, 0 labels")
        self.tell.time("time to the drift alarm", f"{fired[1]:.2f} s after the first German text")
        windows = self.windows_until(before * WINDOW_ROWS + len(rows))
        seen = [window["confidence_mean"] for window in windows]
        quiet, loud = seen[:before], seen[before + 1:]
        self.tell.check(bool(loud) and max(loud) < min(quiet),
                        f"confidence fell in every window: {sum(quiet) / len(quiet):.3f} → {sum(loud) / len(loud):.3f}")
        joined = traffic.send_labels(self.api, DEPLOYMENT, scored)
        self.tell.check(joined["joined"] == len(rows), f"{joined['joined']:,} labels joined")
        self.tell.check(sent.accuracy() <= 0.5, f"German accuracy of the English model {sent.accuracy():.3f} (≤ 0.5)")

    def open_alerts(self, kind):
        return [alert for alert in self.api.items(f"alerts?deployment={DEPLOYMENT}")
                if alert["kind"] == kind and not alert.get("resolved_us")]

    # ------------------------------------------------------------ retraining and canaries
    def mixed(self, salt):
        """Held-out texts of the three languages in an order of their own: what the deployment meets from now on."""
        rows = self.rows["holdout-de"] + self.rows["holdout-fr"][:1900] + self.rows["holdout-en"][:1900]
        random.Random(salt).shuffle(rows)
        return rows

    def canary(self, version, salt, requests):
        """Starts a canary and sends traffic with labels until it is decided or `requests` are answered."""
        self.api.post(f"deployments/{DEPLOYMENT}/canary", {
            "version": version, "weight": CANARY_WEIGHT, "guard": {"kind": "label_errors", "alpha": ALPHA}})
        rows, scored, begun = self.mixed(salt)[:requests], [], time.monotonic()
        for at in range(0, len(rows), CANARY_BATCH):
            part = self.score(rows[at:at + CANARY_BATCH], salt, self.apis[:1])
            traffic.send_labels(self.api, DEPLOYMENT, part.scored)
            scored += part.scored
            self.tell.bar(len(scored), len(rows), f"requests, canary of version {version}")
            state = self.api.get(f"deployments/{DEPLOYMENT}")["canary"]
            if state["state"] != "running":
                break
        self.tell.bar(1, 1, "")
        return traffic.Traffic(scored, time.monotonic() - begun), state

    def retrain(self):
        self.tell.chapter("5. Retrain with German and French texts of the training packages; canary; promote")
        second = self.commit("train-2", "documents", "English, German, French texts, training packages")
        self.tell.check(second["version"] == 2, "the dataset's second version")
        result = self.train("train-2", {**second, "name": "documents"})
        version = result["version"]
        self.after["offline"] = result["metrics"]
        self.release(version, [{"kind": "floor", "metric": "accuracy", "min": 0.70},
                               {"kind": "floor", "metric": "accuracy_de", "min": 0.60},
                               {"kind": "champion", "metric": "accuracy", "max_regression": 0.02}], stage=False)
        sent, state = self.canary(version, "retrain", 400 if self.args.quick else 1000)
        count = sum(item.version == version for item in sent.scored)
        self.tell.say(f"{len(sent.scored):,} requests, {count} to the canary: accuracy {sent.accuracy(version):.3f} "
                      f"against {sent.accuracy(version - 1):.3f}")
        self.tell.check(state["state"] != "rolled_back", "the guard has nothing against it")
        self.promote(version)  # the deployment follows the alias; its canary becomes the stable version
        self.await_version(version)
        state = self.api.get(f"deployments/{DEPLOYMENT}")["canary"]
        self.tell.check(state["state"] == "promoted", "the canary ended as promoted")
        for language in ("en", "de"):
            self.after[language] = self.score(self.paired(language), "after",
                                              tick=lambda done, of: self.tell.bar(done, of, "texts, new version"))
            traffic.send_labels(self.api, DEPLOYMENT, self.after[language].scored)
        german, was = self.after["de"].accuracy(), self.before["de"].accuracy()
        self.tell.check(german >= 0.62 and german > was + 0.2, f"German accuracy {was:.3f} → {german:.3f} (≥ 0.62)")
        english = self.after["en"].accuracy()
        self.tell.check(english > self.before["en"].accuracy() - 0.03,
                        f"English accuracy {self.before['en'].accuracy():.3f} → {english:.3f}")
        return version

    def bad_version(self, good):
        self.tell.chapter("6. A version that is wrong in a way no offline metric shows")
        second = self.api.get("datasets/documents/versions/2")
        result = self.train("train-2", {**second, "name": "documents"}, fault="labels")
        version = result["version"]
        self.tell.say("its list of class names slipped by one during export; scikit-learn's metrics are as good as ever")
        self.release(version, [{"kind": "floor", "metric": "accuracy", "min": 0.70},
                               {"kind": "champion", "metric": "accuracy", "max_regression": 0.02}], stage=False)
        sent, state = self.canary(version, "bad", 2000)
        harmed = [item for item in sent.scored if item.version == version]
        self.tell.check(state["state"] == "rolled_back", f"the server rolled version {version} back by itself: "
                        f"{sent.seconds:.2f} s and {len(sent.scored)} labels after its start")
        verdict = self.verdict(version)
        self.tell.check(verdict["e_value"] >= 1 / ALPHA and len(verdict["data_digest"]) >= 64 and verdict["n"] > 0,
                        f"verdict in the ledger: n = {verdict['n']}, e-value {verdict['e_value']:.4g} ≥ {1 / ALPHA:.0f}, "
                        f"data {verdict['data_digest'][:19]}…")
        self.await_version(good)
        after = self.score(self.mixed("bad")[-200:], "healed")
        self.tell.check(all(item.version == good for item in after.scored), f"200 of 200 next requests answered by version {good}")
        self.tell.measure("bad canary", f"{len(harmed)} requests answered, rolled back within {len(sent.scored)} labels")
        self.tell.time("time to roll back", f"{sent.seconds:.2f} s after the canary's start, nobody asked")
        self.tell.measure("verdict", f"n = {verdict['n']}, e-value {verdict['e_value']:.4g}, threshold {1 / ALPHA:.0f}")

    def verdict(self, version):
        """The ledger's own record of the rollback, not the deployment's view of it."""
        def find():
            events = self.api.get("ledger?verb=canary.rolled_back&limit=10&order=desc")["items"]
            return events[0]["body"]["verdict"] if events else None
        return served.until(f"the verdict on version {version} in the ledger", find, 10, self.server)

    # ------------------------------------------------------------ the end
    def false_alarms(self):
        self.tell.chapter("7. How often would it cry wolf?")
        runs = json.loads(self.server.cli("sim", "aa", "--runs", AA_RUNS, "--seed", 1, "--alpha", ALPHA, "--json"))
        self.tell.check(runs["runs"] == AA_RUNS and runs["rolled_back"] <= ALPHA * AA_RUNS,
                        f"{runs['rolled_back']} of {runs['runs']} canaries of a version against itself roll back "
                        f"(≤ {ALPHA * AA_RUNS:.0f})")
        self.tell.measure("A/A canaries rolled back", f"{runs['rolled_back']} of {runs['runs']}")

    def table(self):
        tell, before, after = self.tell, self.before, self.after
        for language, word in (("en", "English"), ("de", "German")):
            tell.measure(f"accuracy, {word} ({len(before[language].scored):,} texts)",
                         f"{before[language].accuracy():.3f} → {after[language].accuracy():.3f} after retraining")
        tell.measure("the surest 90, 80, 70, 50 % of the English answers",
                     "accuracy " + ", ".join(f"{before['en'].accuracy_at(part):.3f}" for part in (.9, .8, .7, .5)))
        tell.measure("confidence, English → German", f"{before['en'].confidence():.3f} → {before['de'].confidence():.3f}")
        for key, word in (("accuracy", "English"), ("accuracy_de", "German"), ("accuracy_fr", "French")):
            tell.measure(f"offline accuracy, held-out {word}",
                         f"{before['offline'][key]:.3f} → {after['offline'][key]:.3f}")
        tell.time("latency a text", f"p50 {before['en'].percentile_ms(.5):.2f} ms, p99 {before['en'].percentile_ms(.99):.2f} ms "
                     f"({len(self.apis)} clients)")
        tell.time("server memory", f"{self.server.rss_bytes() / 2**20:.0f} MiB with two versions loaded")
        tell.check(tell.seconds() <= 300, f"the story took {tell.seconds():.0f} s (≤ 300 s)")
        tell.table()

    def run(self):
        self.prepare()
        self.serve()
        self.first_release()
        self.english()
        self.german()
        self.bad_version(self.retrain())
        self.false_alarms()
        self.table()


def linger(story):
    """On a terminal the server stays up until Ctrl-C; elsewhere it is stopped and the way to start it again is printed."""
    command = [str(word) for word in story.server.command()]
    for flag, port in (("--port", "7070"), ("--grpc-port", "7071")):
        command[command.index(flag) + 1] = port
    again = served.shell(command)
    if sys.stdin.isatty() and sys.stdout.isatty() and not story.args.quick:
        print(f"\n  Console: {story.server.url}/   (Ctrl-C stops the server)", flush=True)
        try:
            story.server.process.wait()
        except KeyboardInterrupt:
            print()
    else:
        print(f"\n  Console: {story.server.url}/   while the server runs; start it again with\n    {again}")
    status = story.server.stop()
    print("  ./dev demo --clean removes what the demo wrote", flush=True)
    return status


def main():
    parser = argparse.ArgumentParser(prog="./dev demo", description="The document-triage story on real input.")
    parser.add_argument("--binary", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build" / "demo", help="where everything is written")
    parser.add_argument("--port", type=int, default=0, help="the server's port (default: a free one)")
    parser.add_argument("--quick", action="store_true", help="fewer texts; the server stops at the end (for the CI)")
    args = parser.parse_args()
    story = Story(args, args.work)
    try:
        story.run()
        status = linger(story)
        return 1 if story.tell.failed or status else 0
    except data.DataError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except (served.ApiError, RuntimeError, TimeoutError, OSError) as error:
        print(f"\ndemo: {error}\n  the server's log: {args.work / 'server.log'}", file=sys.stderr)
        return 1
    finally:
        if story.server:
            story.server.kill()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
