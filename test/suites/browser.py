"""The console in Chromium on the real server: named journeys assert the numbers that the CLI prints; axe, overflow and a
screenshot (build/screenshots) of every page in both themes, wide and narrow. test/browser holds the journeys.

`browser.py [JOURNEY]` runs those whose name contains the word, without the inspection of pages.
"""
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "browser"))
import harness  # noqa: E402
import seed_features  # noqa: E402
import seed_runs  # noqa: E402
from harness import ROOT, Server, until  # noqa: E402
from dev import common, setup, web  # noqa: E402

MODEL, DEPLOYMENT, WINDOW = "signs", "signs-live", 100
WAITING = "waiting"
SKIPPED = 77
GOOD, BAD = [[-1], [1]], [[1], [-1]]
FLOOR = {"checks": [{"kind": "floor", "metric": "accuracy", "min": 0.75}]}


def rows(count, shift, seed):
    dice = random.Random(seed)
    return [[dice.gauss(shift, 1)] for _ in range(count)]


def release(api, reviewer, accuracies):
    """Versions 1, 2, … with their gates; 1 and 2 go through production, the last waits for its approval."""
    at = f"models/{MODEL}/versions"
    for version, accuracy in enumerate(accuracies, start=1):
        weights = GOOD if accuracy > 0.75 else BAD
        harness.register(api, MODEL, harness.linear_classifier(weights), {"accuracy": accuracy})
        api.post(f"{at}/{version}/gate", FLOOR)
    for version in (1, 2):
        reviewer.post(f"{at}/{version}/approve", {"comment": f"read version {version}"})
        api.post(f"{at}/{version}/promote", {"stage": "Production"})


def ask(api, reviewer):
    """A version that somebody else made and asks for: it waits for whoever looks at the console. With an alias that moved, a
    policy that changed, a slice check on a pinned holdout and a waiver, for the timeline and the evidence."""
    rows = [{"y": i % 2, "region": "north" if i % 3 else "south"} for i in range(240)]
    holdout = "".join(json.dumps(row) + "\n" for row in rows).encode()
    reviewer.send("POST", "datasets/holdout/versions?format=jsonl", holdout)
    for version, flips in ((1, 30), (2, 60)):
        harness.register(reviewer, WAITING, harness.linear_classifier(GOOD), {"accuracy": 1 - flips / 240})
        said = [{"score": (0.9 if (row["y"] == 1) != (i < flips) else 0.1) + i / 10_000,
                 "prediction": int((row["y"] == 1) != (i < flips))} for i, row in enumerate(rows)]
        reviewer.send("POST", f"datasets/said-{version}/versions?format=jsonl",
                      "".join(json.dumps(row) + "\n" for row in said).encode())
        reviewer.post(f"models/{WAITING}/versions/{version}/evidence", {
            "dataset": "holdout", "dataset_version": 1, "predictions_dataset": f"said-{version}", "predictions_version": 1})
        reviewer.post("/api/2.0/mlflow/registered-models/alias", {"name": WAITING, "alias": "shadow", "version": str(version)})
    for approvals in (2, 1):
        reviewer.put(f"models/{WAITING}/policies/Production", {"approvals": approvals, "waivers": ["local"]})
    at = {"dataset": "holdout", "version": 1, "label": "y"}
    checks = {"checks": [{"kind": "floor", "metric": "accuracy", "min": 0.8}, {"kind": "holdout", "metric": "auc", **at},
                         {"kind": "slices", "metric": "accuracy", "min": 0.6, "max_regression": 0.05, "slice": "region", **at}]}
    reviewer.post(f"models/{WAITING}/versions/1/gate", checks)
    api.post(f"models/{WAITING}/versions/1/approve", {"apply": True, "comment": "the first"})
    reviewer.post(f"models/{WAITING}/versions/2/gate", checks)
    api.post(f"models/{WAITING}/versions/2/waivers", {
        "check": "floor:accuracy", "reason": "a drill", "expires_ms": int(time.time() * 1000) + 7 * 86_400_000})
    reviewer.post(f"models/{WAITING}/versions/2/requests", {"to": "Production", "comment": "please look"})


def commit(api):
    """A dataset of two versions, the second with a column more; the first is the monitor's reference."""
    first = [{"a": row[0]} for row in rows(1000, 0, 1)]
    second = [{**row, "c": "x"} for row in first[:700]]
    for version, content in enumerate((first, second), start=1):
        body = "".join(json.dumps(row) + "\n" for row in content).encode()
        api.send("POST", f"datasets/reference/versions?format=jsonl&message=version%20{version}", body)


def traffic(api, values):
    """Scores row by row and sends what was true."""
    labels = []
    for row in values:
        reply = harness.infer(api, DEPLOYMENT, [row])
        labels.append({"prediction_id": reply.headers["x-slipway-prediction-id"], "label": "yes" if row[0] > 0 else "no"})
    api.post("labels", {"deployment": DEPLOYMENT, "labels": labels})


def seed(server):
    api = server.api()
    reviewer_token = api.post("tokens", {"principal": "reviewer", "role": "manage"})["token"]
    reviewer = server.api(reviewer_token)
    release(api, reviewer, (0.8, 0.9, 0.6, 0.95))
    ask(api, reviewer)
    commit(api)
    api.put(f"deployments/{DEPLOYMENT}", {"model": MODEL, "version": 2})
    harness.ready(api, DEPLOYMENT, server, 2)
    api.put(f"deployments/{DEPLOYMENT}/monitor", {
        "reference": {"dataset": "reference", "version": 1, "columns": {"x": "a"}, "rows_max": 1000},
        "inputs": [{"name": "x", "kind": "numeric"}], "window_rows": WINDOW, "thresholds": {"psi": 0.35, "js": 0.15}})
    traffic(api, rows(4 * WINDOW, 0, 2))
    traffic(api, rows(2 * WINDOW, 3, 3))
    traffic(api, rows(WINDOW, 0, 4))
    at = f"deployments/{DEPLOYMENT}"
    until("seven windows", lambda: len(api.items(f"{at}/drift?limit=100")) >= 7, 20, server)
    until("the alarm", lambda: api.items(f"alerts?deployment={DEPLOYMENT}"), 20, server)
    api.post(f"{at}/canary", {"version": 3, "weight": 0.3, "guard": {"kind": "label_errors", "alpha": 0.01}})

    def rolled_back():
        traffic(api, rows(20, 0, 5))
        return (api.get(at)["canary"] or {}).get("state") == "rolled_back"
    until("the bad canary to be rolled back", rolled_back, 30, server)
    api.post(f"{at}/canary", {"version": 4, "weight": 0.2, "guard": {"kind": "label_errors", "alpha": 0.01}})
    traffic(api, rows(60, 0, 6))
    return reviewer_token


def settled(server):
    """Counters, labels and windows stand still, so that two readers see one truth."""
    api, at = server.api(), f"deployments/{DEPLOYMENT}"
    seen = []

    def still():
        seen.append(json.dumps([api.get(at)["arms"], api.get(f"{at}/performance"), api.items(f"{at}/drift?limit=500"),
                                api.get("ledger?order=desc&limit=1")], sort_keys=True))
        return len(seen) > 12 and len(set(seen[-12:])) == 1
    until("the numbers to stand still", still, 20, server)


def cli(server, *args, check=True):
    return json.loads(server.cli(*args, "--json", check=check))


def early(server):
    """When the first version took the stage."""
    spans = server.api().items(f"models/{WAITING}/timeline?kind=stage&limit=1000")
    return next(s["from_ms"] for s in spans if s["target"] == "Production")


def what_the_cli_prints(server, token):
    items = lambda *args: cli(server, *args)["items"]  # noqa: E731
    versions = cli(server, "model", "show", MODEL)
    return {
        "models": items("model", "list"), "model": versions,
        "deployments": items("deploy", "list"), "deployment": cli(server, "deploy", "show", DEPLOYMENT),
        "drift": items("monitor", "drift", DEPLOYMENT), "performance": cli(server, "monitor", "performance", DEPLOYMENT),
        "alerts": items("alert", "list", "--deployment", DEPLOYMENT),
        "datasets": items("data", "list"),
        "dataset": {"name": "reference", "versions": items("data", "show", "reference")},
        "requests": items("model", "inbox", "--all"), "waiting": items("model", "inbox"),
        "explained": cli(server, "gate", "explain", WAITING, "2", check=False),
        "timeline": items("model", "history", WAITING),
        "then": items("model", "history", WAITING, "--at", str(early(server))), "then_ms": early(server),
        "ledger": items("ledger", "list", "--desc", "--limit", "200"),
        "candidate": {"model": MODEL, "version": 4, "back_to": 2,
                      "created_by": next(v["created_by"] for v in versions["versions"] if v["version"] == 4)},
        "token": token,
    }


def main():
    try:
        setup.ensure(["browser"])
        found = web.find_node()
        if not found:
            raise common.Failed("no node 20.19 or newer")
        web.install(*found)
    except common.Failed as error:
        print(f"the browser suite can't run here: {error}")
        sys.exit(SKIPPED)
    failed = [world for world in (releases, runs) if not lived(world, found[0])]
    sys.exit(1 if failed else 0)


def releases(server):
    """Models, deployments, datasets, monitors and the ledger."""
    token = seed(server)
    settled(server)
    return what_the_cli_prints(server, token)


def runs(server):
    """Experiments and runs, in a ledger of their own: what they log is counted there long after they are seeded."""
    return {"tracking": seed_runs.what_rest_prints(server, seed_runs.seed(server)), **seed_features.seed(server)}


def lived(world, node):
    """The journeys of one world, on a server of its own."""
    with tempfile.TemporaryDirectory(prefix="slipway-browser-") as root:
        server = Server(harness.BINARY, pathlib.Path(root) / "data")
        try:
            server.start()
            file = pathlib.Path(root) / "seen.json"
            file.write_text(json.dumps(world(server)))
            done = subprocess.run([node, ROOT / "test/browser/run.mjs", server.url, file, *sys.argv[1:]], check=False)
            if done.returncode:
                print(f"the server's log:\n{server.tail(40)}")
            else:
                harness.equal(server.stop(), 0, "exit status after SIGTERM")
        finally:
            server.kill()
    return done.returncode == 0


if __name__ == "__main__":
    main()
