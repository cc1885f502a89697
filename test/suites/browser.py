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

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "browser"))
import harness  # noqa: E402
import seed_features  # noqa: E402
import seed_runs  # noqa: E402
from harness import ROOT, Server, until  # noqa: E402
from dev import common, setup, web  # noqa: E402

MODEL, DEPLOYMENT, WINDOW = "signs", "signs-live", 100
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
    release(api, server.api(reviewer_token), (0.8, 0.9, 0.6, 0.95))
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


def cli(server, *args):
    return json.loads(server.cli(*args, "--json"))


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
        "requests": items("model", "inbox", "--all"),
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
