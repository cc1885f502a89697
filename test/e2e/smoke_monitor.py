"""Monitoring: every prediction is logged, labels join, drift alarms on shifted inputs and not on the reference's own."""
import json
import random

import harness
from harness import equal, infer, labels_of, ready, true, until

NAME, WINDOW = "watched", 100


def rows(count, shift, seed):
    dice = random.Random(seed)
    return [[dice.gauss(shift, 1), dice.gauss(0, 1)] for _ in range(count)]


def send(api, values):
    """One request a row; [(prediction id, answered label, true label)]."""
    answers = []
    for row in values:
        reply = infer(api, NAME, [row])
        answers.append((reply.headers["x-slipway-prediction-id"], labels_of(reply)[0], "yes" if row[0] > 0 else "no"))
    return answers


def windows(api, count, server):
    return until(f"{count} windows", lambda: (lambda w: w if len(w) >= count else None)(
        [window for window in api.items(f"deployments/{NAME}/drift?limit=100") if window["closed"]]), 15, server)


def test_quiet_on_the_reference(server):
    api = server.api()
    harness.register(api, NAME, harness.linear_classifier([[-1, 0], [1, 0]]))
    reference = "".join(json.dumps({"a": row[0], "b": row[1]}) + "\n" for row in rows(1000, 0, 1))
    api.send("POST", "datasets/reference/versions?format=jsonl", reference.encode())
    api.put(f"deployments/{NAME}", {"model": NAME, "version": 1, "log_ack": "kernel"})
    ready(api, NAME, server, 1)
    api.put(f"deployments/{NAME}/monitor", {
        "reference": {"dataset": "reference", "version": 1, "columns": {"x[0]": "a", "x[1]": "b"}, "rows_max": 1000},
        "inputs": [{"name": "x[0]", "kind": "numeric"}, {"name": "x[1]", "kind": "numeric"}], "window_rows": WINDOW, "thresholds": {"psi": 0.35, "js": 0.15}})
    answers = send(api, rows(3 * WINDOW, 0, 2))
    judged = windows(api, 3, server)
    true(not any(window["alarm"] for window in judged), f"no alarm: {judged}")
    logged = api.get(f"predictions/{answers[0][0]}")
    true(logged, "a prediction can be read back")


def test_labels_join_once(server):
    api = server.api()
    answers = send(api, rows(60, 0, 3))
    labels = [{"prediction_id": id_, "label": truth} for id_, _, truth in answers]
    first = api.post("labels", {"deployment": NAME, "labels": labels})
    equal(first["joined"], 60, "joined")
    again = api.post("labels", {"deployment": NAME, "labels": labels})
    equal((again["joined"], again["duplicates"]), (0, 60), "sent again")
    early = api.post("labels", {"deployment": NAME, "labels": [{"client_ref": "not-yet", "label": "yes"}]})
    equal((early["joined"], early["pending"]), (0, 1), "a label before its prediction")
    right = sum(label == truth for _, label, truth in answers) / len(answers)
    overall = until("the labels", lambda: (lambda o: o if o["n_labeled"] >= 60 else None)(
        api.get(f"deployments/{NAME}/performance")["overall"]), 10, server)
    true(abs(overall["accuracy"] - right) < 1e-9, f"accuracy {overall} against {right}")


def test_alarm_on_a_shift(server):
    api = server.api()
    send(api, rows(3 * WINDOW, 3, 4))
    alert = until("the alarm", lambda: [item for item in api.items(f"alerts?deployment={NAME}") if item["kind"] == "drift"],
                  15, server)[0]
    true(alert["value"] > alert["threshold"], f"alert {alert}")
    until("the alert's ledger event", lambda: any(  # PostgreSQL numbers events a moment later.
        event.get("uid") == alert["id"] or alert["id"] in str(event)
        for event in api.get("ledger?verb=alert.&limit=50")["items"]), 10, server)


if __name__ == "__main__":
    harness.run(globals())
