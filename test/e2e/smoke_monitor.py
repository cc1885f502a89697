"""Monitoring: every prediction is logged, labels join, drift alarms on shifted inputs and not on the reference's own."""
import hashlib
import json
import random
import time

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
    labels = [{"prediction_id": id_, "label": truth, "event_ms": int(time.time() * 1000) + 5000} for id_, _, truth in answers]
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
    kept = api.get(f"predictions/{answers[0][0]}")
    equal((kept["label"], kept["event_ms"]), (labels[0]["label"], labels[0]["event_ms"]), "the label as it was told")
    equal(overall["event_ms_max"], labels[-1]["event_ms"], "the latest label")
    true(1000 < overall["label_delay_ms_mean"] < 60_000, f"mean delay {overall['label_delay_ms_mean']}")


def test_alarm_on_a_shift(server):
    api = server.api()
    send(api, rows(3 * WINDOW, 3, 4))
    alert = until("the alarm", lambda: [item for item in api.items(f"alerts?deployment={NAME}") if item["kind"] == "drift"],
                  15, server)[0]
    true(alert["value"] > alert["threshold"], f"alert {alert}")
    told = api.get(f"ledger?after={alert['event_seq'] - 1}&limit=1")["items"][0]
    equal((told["seq"], told["verb"], told["body"]["alert"]), (alert["event_seq"], "alert.fired", alert["id"]), "its event")


def test_the_archive_is_listed_and_fetched(server):
    answered = int(server.api().get(f"deployments/{NAME}/drift?limit=1")["items"][-1]["window"])
    true(answered > 0, "there were predictions")
    equal(server.stop(), 0, "exit status after SIGTERM")
    server.start()  # The duty archives what lies in the log.
    api = server.api()
    part = until("an archived part", lambda: api.items(f"deployments/{NAME}/parts"), 15, server)[0]
    equal(api.get(f"deployments/{NAME}/parts/{part['segment']}"), part, "one part")
    equal(api.items(f"deployments/{NAME}/parts?to_us={part['start_us'] - 1}"), [], "parts from before")
    harness.refused(api, "GET", f"deployments/{NAME}/parts/999", status=404, code="prediction_part.not_found")
    content = f"deployments/{NAME}/parts/{part['segment']}/content"
    whole = api.send("GET", content).body
    equal((len(whole), "sha256:" + hashlib.sha256(whole).hexdigest()), (part["bytes"], part["digest"]), "the file")
    head = api.send("GET", content, headers={"Range": "bytes=0-3"})
    equal((head.status, head.body), (206, b"PAR1"), "a range of it")
    path = server.data.with_name("part.parquet")
    server.cli("archive", "get", NAME, part["segment"], "--out", path)
    equal(path.read_bytes(), whole, "what the CLI fetched")


if __name__ == "__main__":
    harness.run(globals())
