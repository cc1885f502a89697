"""Clients of the deployment: score texts one request each, as a triage form would, and send labels later."""
import concurrent.futures
import time
from dataclasses import dataclass, field

LABELS_A_CALL = 500
BLOCK = 100  # requests that may overtake one another


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

    def accuracy_at(self, coverage):
        """Accuracy when only the surest `coverage` of the answers are used and the rest go to a person."""
        surest = sorted(self.scored, key=lambda item: -item.confidence)[:max(1, round(coverage * len(self.scored)))]
        return sum(item.right for item in surest) / len(surest)

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


def score(apis, deployment, rows, prefix, tick=None, before=0):
    """Scores `rows` with one connection and thread per element of `apis`; the result is in the order of `rows`.

    `before`: requests that the deployment has answered already. A block of BLOCK requests is answered before the next
    begins, counted from the deployment's first: how fast a lane is doesn't decide which requests share a drift window.
    """
    begun = time.monotonic()
    answers = [None] * len(rows)

    def work(indices):
        for index in indices:
            row = rows[index]
            answers[index] = score_one(apis[index % len(apis)], deployment, row,
                                       f"{prefix}/{row['language']}/{row['package']}")

    with concurrent.futures.ThreadPoolExecutor(len(apis)) as pool:
        at = 0
        while at < len(rows):
            end = min(len(rows), at + BLOCK - (before + at) % BLOCK)
            shares = [[index for index in range(at, end) if index % len(apis) == lane] for lane in range(len(apis))]
            for future in [pool.submit(work, share) for share in shares]:
                future.result()
            at = end
            if tick:
                tick(at, len(rows))
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
