"""Clients of the deployment: score texts one request each, as a triage form would, and send labels later."""
import concurrent.futures
import time
from dataclasses import dataclass, field

LABELS_A_CALL = 500


@dataclass
class Scored:
    """One answered request."""
    row: dict
    prediction_id: str
    version: int
    label: str
    confidence: float
    ms: float

    @property
    def right(self):
        return self.label == self.row["section"]


@dataclass
class Traffic:
    """Requests of one phase, in the order they were sent."""
    scored: list = field(default_factory=list)
    seconds: float = 0.0

    def accuracy(self, version=None):
        part = [item.right for item in self.scored if version is None or item.version == version]
        return sum(part) / len(part) if part else float("nan")

    def confidence(self):
        return sum(item.confidence for item in self.scored) / len(self.scored)

    def percentile_ms(self, share):
        times = sorted(item.ms for item in self.scored)
        return times[min(len(times) - 1, int(share * len(times)))]


def score_one(api, deployment, row, reference):
    """Sends one text by the Open Inference Protocol; `reference` is the client's own name of the request."""
    body = {"id": reference, "inputs": [{"name": "text", "datatype": "BYTES", "shape": [1, 1], "data": [row["text"]]}]}
    begun = time.perf_counter()
    reply = api.send("POST", f"/v2/models/{deployment}/infer", body)
    ms = (time.perf_counter() - begun) * 1000
    outputs = {output["name"]: output["data"] for output in reply.json()["outputs"]}
    return Scored(row, reply.headers["x-slipway-prediction-id"], int(reply.headers["x-slipway-model-version"]),
                  outputs["label"][0], max(outputs["probabilities"]), ms)


def score(apis, deployment, rows, prefix, tick=None):
    """Scores `rows` with one connection and thread per element of `apis`; the result is in the order of `rows`."""
    begun = time.monotonic()
    answers = [None] * len(rows)
    done = [0] * len(apis)

    def work(lane):
        for index in range(lane, len(rows), len(apis)):
            row = rows[index]
            reference = f"{prefix}/{row['language']}/{row['package']}"
            answers[index] = score_one(apis[lane], deployment, row, reference)
            done[lane] += 1
            if tick and lane == 0:
                tick(sum(done), len(rows))

    with concurrent.futures.ThreadPoolExecutor(len(apis)) as pool:
        for future in [pool.submit(work, lane) for lane in range(len(apis))]:
            future.result()
    if tick:
        tick(len(rows), len(rows))
    return Traffic(answers, time.monotonic() - begun)


def send_labels(api, deployment, scored):
    """Tells what the sections really are; the sum of the server's counts."""
    total = {"joined": 0, "pending": 0, "duplicates": 0}
    for at in range(0, len(scored), LABELS_A_CALL):
        labels = [{"prediction_id": item.prediction_id, "label": item.row["section"]}
                  for item in scored[at:at + LABELS_A_CALL]]
        answer = api.post("labels", {"deployment": deployment, "labels": labels})
        for key in total:
            total[key] += answer[key]
    return total
