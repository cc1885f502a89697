"""SIGKILL under load, restart: nothing that was acknowledged is missing.

Each round starts the server on the same directory, lets clients write runs, metrics, model versions, datasets and
predictions, kills the process at a random moment, starts it again and asks for every acknowledged
thing of this round, and for a sample of all earlier rounds. `--rounds N --seed S`.
"""
import argparse
import http.client
import pathlib
import random
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402
from harness import MLFLOW, equal, infer, labels_of, ready, true  # noqa: E402

DEPLOYMENT = "kept"
GONE = (OSError, http.client.HTTPException)  # what a client sees of a server that was killed


class Load:
    """Writers that note what was acknowledged; `acked[kind]` is a list of facts."""

    def __init__(self, server, round_number):
        self.server, self.round = server, round_number
        self.stop = threading.Event()
        self.acked = {"runs": [], "metrics": [], "versions": [], "datasets": [], "predictions": []}
        self.errors = []

    def _loop(self, step):
        api, number = self.server.api(), 0
        while not self.stop.is_set():
            try:
                step(api, number)
            except GONE:
                return
            except Exception as error:  # pylint: disable=broad-except — reported by the round
                if not self.stop.is_set():
                    self.errors.append(error)
                return
            number += 1

    def runs(self, api, number):
        run = api.post(MLFLOW + "runs/create", {"experiment_id": "0", "start_time": number})["run"]["info"]["run_id"]
        self.acked["runs"].append(run)
        value = number + self.round / 100
        api.post(MLFLOW + "runs/log-metric", {"run_id": run, "key": "m", "value": value, "timestamp": 1, "step": 0})
        self.acked["metrics"].append((run, value))

    def versions(self, api, number):
        name = f"model-{self.round}"
        if number == 0:
            api.post(MLFLOW + "registered-models/create", {"name": name})
        answer = api.post(MLFLOW + "model-versions/create", {"name": name, "source": f"s3://bucket/{number}"})
        self.acked["versions"].append((name, answer["model_version"]["version"]))

    def datasets(self, api, number):
        content = f'{{"round":{self.round},"number":{number}}}\n'.encode()
        version = api.send("POST", f"datasets/data-{self.round}/versions?format=jsonl", content).json()
        self.acked["datasets"].append((f"data-{self.round}", version["version"], content))

    def predictions(self, api, number):
        row = [random.Random(number).uniform(-1, 1), 0.0]
        reply = infer(api, DEPLOYMENT, [row])
        self.acked["predictions"].append((reply.headers["x-slipway-prediction-id"], labels_of(reply)[0]))

    def run(self, seconds):
        steps = [self.runs, self.versions, self.datasets, self.predictions, self.predictions]
        threads = [threading.Thread(target=self._loop, args=(step,)) for step in steps]
        for thread in threads:
            thread.start()
        self.stop.wait(seconds)
        self.server.kill()
        self.stop.set()
        for thread in threads:
            thread.join()
        true(not self.errors, f"writers failed before the kill: {self.errors[:3]}")


def verify(api, acked, dice, at_most=400):
    """Asks for the acknowledged facts (a sample of them when there are many)."""
    some = {kind: dice.sample(facts, min(len(facts), at_most)) for kind, facts in acked.items()}
    for run in some["runs"]:
        equal(api.get(MLFLOW + f"runs/get?run_id={run}")["run"]["info"]["run_id"], run, "an acknowledged run")
    for run, value in some["metrics"]:
        data = api.get(MLFLOW + f"runs/get?run_id={run}")["run"]["data"]
        equal([item["value"] for item in data["metrics"]], [value], f"the acknowledged metric of run {run}")
    for name, version in some["versions"]:
        answer = api.get(MLFLOW + f"model-versions/get?name={name}&version={version}")
        equal(answer["model_version"]["version"], version, "an acknowledged model version")
    for name, version, content in some["datasets"]:
        equal(api.send("GET", f"datasets/{name}/versions/{version}/content").body, content, "an acknowledged dataset")
    for prediction, label in some["predictions"]:
        logged = api.get(f"predictions/{prediction}")
        true(label in str(logged), f"the acknowledged prediction {prediction}: {logged}")
    return {kind: len(facts) for kind, facts in some.items()}


def numbers_are_whole(api):
    """The ledger has no gap after a restart."""
    after, count = 0, 0
    while page := api.get(f"ledger?after={after}&limit=500")["items"]:
        equal([event["seq"] for event in page], list(range(after + 1, after + 1 + len(page))), "ledger sequence")
        after, count = page[-1]["seq"], count + len(page)
    return count


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    dice = random.Random(args.seed)
    with tempfile.TemporaryDirectory(prefix="slipway-kill9-") as root:
        server = harness.Server(harness.BINARY, pathlib.Path(root) / "data")
        all_acked = {}
        try:
            api = server.start().api()
            harness.register(api, DEPLOYMENT, harness.linear_classifier([[-1, 0], [1, 0]]))
            api.put(f"deployments/{DEPLOYMENT}", {"model": DEPLOYMENT, "version": 1, "log_ack": "kernel"})
            api.send("POST", "datasets/reference/versions?format=jsonl", b'{"a":0.5}\n{"a":-0.5}\n')
            api.put(f"deployments/{DEPLOYMENT}/monitor", {
                "reference": {"dataset": "reference", "version": 1, "columns": {"x": "a"}},
                "inputs": [{"name": "x", "kind": "numeric"}]})
            for number in range(args.rounds):
                ready(server.api(), DEPLOYMENT, server, 1)
                load = Load(server, number)
                load.run(dice.uniform(0.2, 1.0))
                server.start()
                ready(server.api(), DEPLOYMENT, server, 1)
                checked = verify(server.api(), load.acked, dice)
                for kind, facts in load.acked.items():
                    all_acked.setdefault(kind, []).extend(facts)
                verify(server.api(), all_acked, dice, 40)
                events = numbers_are_whole(server.api())
                print(f"round {number}: up again in {server.start_ms:.0f} ms, {events} events without a gap, checked "
                      + ", ".join(f"{count} of {len(load.acked[kind])} {kind}" for kind, count in checked.items()), flush=True)
            equal(server.stop(), 0, "exit status after SIGTERM")
            total = {kind: len(facts) for kind, facts in all_acked.items()}
            print(f"kill9: {args.rounds} kills (seed {args.seed}), acknowledged {total}, none missing", flush=True)
        except Exception:
            print(f"the server's log:\n{server.tail(40)}", file=sys.stderr)
            raise
        finally:
            server.kill()


if __name__ == "__main__":
    main()
