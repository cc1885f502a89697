"""Every kept data directory opens with this build, says what it said to the build that wrote it, and is lived in."""
import pathlib
import sys
import tempfile

import datadir
import harness
from datadir import MODEL, facts, missing
from harness import equal, infer, ready, refused, true, until


def says_what_it_said(server, known):
    api = server.api(known["keys"]["tokens"]["owner"])
    ready(api, MODEL, server)
    equal(missing(known["facts"], facts(server, known["keys"])), [], "what the directory holds")


def lives_on(server, known):
    """Writes of every domain go on where the old ones ended."""
    keys = known["keys"]
    api, guest = server.api(keys["tokens"]["owner"]), server.api(keys["tokens"]["guest"])
    refused(guest, "POST", f"datasets/{datadir.TEXTS}/versions?format=jsonl", datadir.REFERENCE, status=403)
    again = api.send("POST", f"datasets/{datadir.TEXTS}/versions?format=jsonl", datadir.REFERENCE).json()
    equal(again["digest"], known["facts"]["datasets"][datadir.TEXTS][0]["digest"], "the same bytes")
    late = api.post("labels", {"deployment": MODEL, "labels": [{"prediction_id": keys["unlabeled"], "label": "no"}]})
    equal((late["joined"], late["pending"]), (1, 0), "a label of a prediction of the old build")
    api.post(f"deployments/{MODEL}/rollback", {"reason": "kept long enough"})
    new = infer(api, MODEL, [[1.0, 0.0]]).headers["x-slipway-prediction-id"]
    until("the prediction", lambda: api.send("GET", f"predictions/{new}", check=False).status == 200, 20, server)
    equal(harness.register(api, MODEL, harness.linear_classifier(datadir.FLIPPED), {"accuracy": 0.9}), 5, "next version")
    # What was approved once is asked for again: an approval binds to more than it did in older builds.
    refused(api, "POST", f"models/{MODEL}/versions/2/promote", {"stage": "Production"}, 409, "model_version.not_approved")
    reviewer = server.api(api.post("tokens", {"principal": "second-reviewer", "role": "manage"})["token"])
    reviewer.post(f"models/{MODEL}/versions/2/approve", {"comment": "read again"})
    equal(api.post(f"models/{MODEL}/versions/2/promote", {"stage": "Production"})["stage"], "Production", "approved anew")
    equal(api.post(f"models/{MODEL}/rollback", {"reason": "back"})["version"], 1, "whom a rollback returns to")
    events = api.items("ledger?limit=200")
    equal([event["seq"] for event in events], list(range(1, len(events) + 1)), "sequence")
    true(len(events) >= len(known["facts"]["ledger"]) + 3, "new events behind the old ones")
    return new


def check(name, root):
    known = datadir.unpack(name, root / "data")
    server = harness.Server(harness.BINARY, root / "data", ["--auth"], env={"SLIPWAY_DB": ""})
    try:
        server.start()
        says_what_it_said(server, known)
        new = lives_on(server, known)
        equal(server.stop(), 0, "exit status after SIGTERM")
        server.start()
        equal(server.api(known["keys"]["tokens"]["owner"]).get(f"predictions/{new}")["prediction_id"], new, "after a restart")
        equal(server.stop(), 0, "exit status after SIGTERM")
    except Exception:
        print(f"the server's log:\n{server.tail(30)}", flush=True)
        raise
    finally:
        server.kill()


if __name__ == "__main__":
    if not datadir.kept():
        sys.exit("no data directory is kept")
    for kept in datadir.kept():
        with tempfile.TemporaryDirectory(prefix="slipway-smoke-") as folder:
            check(kept, pathlib.Path(folder))
        print(f"ok   {kept}", flush=True)
