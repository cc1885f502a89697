"""Governance of the registry end to end, by REST and by the command line: policies, requests, gates with signed evidence,
waivers, reviews, behavioural tests, scans, history at a moment, and one rollback that takes what serves the model with it."""
import hashlib
import json
import pathlib
import pickle
import subprocess
import time

import harness
from harness import equal, true, until

MODEL = "churn"
ONNX = {good: harness.linear_classifier([[-weight, 0], [weight, 0]]) for good, weight in ((1, 1.0), (2, 2.0), (3, 3.0))}
GATE = 6


def people(server):
    if not hasattr(server, "people"):
        server.people = {name: server.api().post("tokens", {"principal": name, "role": "manage"})["token"]
                         for name in ("ann", "bob", "eve")}
    return server.people


def api(server, who):
    return server.api(people(server)[who])


def cli(server, who, *args, status=0):
    done = subprocess.run([str(server.binary), *map(str, args), "--server", server.url], capture_output=True, text=True,
                          timeout=60, check=False, env={**server.env, "SLIPWAY_TOKEN": people(server)[who]})
    equal(done.returncode, status, f"exit status of {' '.join(map(str, args))}\n{done.stdout}{done.stderr}")
    return done.stdout


def write(server, name, text):
    path = pathlib.Path(server.data).with_name(name)
    path.write_text(text)
    return path


def commit(api_, name, rows):
    text = "\n".join(json.dumps(row) for row in rows) + "\n"
    return api_.send("POST", f"datasets/{name}/versions?format=jsonl", text.encode(),
                     {"Content-Type": "application/octet-stream"}).json()["version"]


def test_versions_with_predictions_on_a_holdout(server):
    ann = api(server, "ann")
    rows = [{"y": i % 2, "region": "north" if i % 3 else "south"} for i in range(300)]
    equal(commit(ann, "holdout", rows), 1, "version of the holdout")
    for n, flips in ((1, 30), (2, 20), (3, 90)):
        equal(harness.register(ann, MODEL, ONNX[n], {"accuracy": 1 - flips / 300}), n, "version")
        said = [{"score": (0.9 if (row["y"] == 1) != (i < flips) else 0.1) + i / 10_000, "prediction": int((row["y"] == 1) != (i < flips))}
                for i, row in enumerate(rows)]
        commit(ann, f"said-by-{n}", said)
        cli(server, "ann", "model", "evidence", MODEL, n, "--holdout", "holdout@1", "--predictions", f"said-by-{n}@1")


POLICY = """
approvals: 1
approvers: [bob, eve]
waivers: [eve]
checks:
  - {kind: floor, metric: accuracy, min: 0.75}
  - {kind: holdout, metric: auc, dataset: holdout, version: 1, label: y}
  - {kind: slices, metric: accuracy, min: 0.6, dataset: holdout, version: 1, label: y, slice: region}
  - {kind: latency, quantile: p99, max_ms: 1000}
  - {kind: size, max_bytes: 1000000}
  - {kind: scan, allow_unknown: true}
  - kind: behaviour
    tests:
      - {name: more is likelier, kind: direction, input: {a: 0.1, b: 0}, change: {a: 2.0}, output: probabilities, index: 1, expect: higher}
      - {name: b does not matter, kind: invariance, input: {a: 1.0, b: 0}, change: {b: 9}, output: label}
      - {name: obvious, kind: minimum, input: {a: 5.0, b: 0}, output: label, equals: "yes"}
"""


def test_the_policy_says_what_a_gate_is(server):
    ann, at = api(server, "ann"), f"models/{MODEL}/versions"
    cli(server, "ann", "model", "policy", MODEL, "Production", "--file", write(server, "policy.yaml", POLICY))
    cli(server, "ann", "gate", "run", MODEL, 1)
    gate = ann.get(f"{at}/1")["gate"]
    equal(len(gate["checks"]), 7, "checks")
    true(all(check["signed"] for check in gate["checks"]), "each is signed")
    told = cli(server, "ann", "gate", "explain", MODEL, 1, status=GATE)
    true("approvals" in told and "floor:accuracy" in told, told)
    evidence = {check["name"]: check for check in ann.get(f"{at}/1/explain")["checks"]}
    for name, check in evidence.items():
        sealed = check["signature"]
        equal((sealed["verified"], sealed["payload_type"]), (True, "application/vnd.in-toto+json"), f"signature of {name}")
        envelope = ann.send("GET", sealed["envelope_url"])
        equal(envelope.headers["content-type"], "application/vnd.dsse.envelope.v1+json", "type of an envelope")
        equal("sha256:" + hashlib.sha256(envelope.body).hexdigest(), sealed["digest"], "the envelope's digest")
    equal([s["n"] for s in evidence["slices:accuracy"]["slices"]], [200, 100], "rows of the slices")
    equal([(f["role"], f["digest"][:7]) for f in evidence["holdout:auc"]["files"]],
          [("holdout", "sha256:"), ("candidate", "sha256:")], "files of the holdout")
    harness.refused(ann, "GET", f"{at}/1/gate/envelope?check=none", status=404)
    # A gate of fewer checks is no gate.
    ann.post(f"{at}/1/gate", {"checks": [{"kind": "scan", "allow_unknown": True}]})
    explained = ann.get(f"{at}/1/explain")
    equal([c["reason"] for c in explained["conditions"] if c["condition"] == "gate"], ["model_version.gate_missing"], "gate")
    cli(server, "ann", "gate", "run", MODEL, 1)


def may(server, who, version):
    """What somebody may do: True, or why not."""
    return {a["action"]: a["allowed"] or a["reason"] for a in api(server, who).get(f"models/{MODEL}/versions/{version}")["actions"]}


def test_request_approve_and_verify(server):
    equal(may(server, "ann", 1)["request"], True, "nobody has asked")
    cli(server, "ann", "model", "request", MODEL, 1, "--comment", "first release")
    equal(may(server, "ann", 1), {"request": "request.exists", "approve": "model_version.own_work", "reject": True, "cancel": True,
                                  "promote": "model_version.not_approved", "rollback": "model_version.not_live"}, "the author")
    equal(may(server, "bob", 1)["approve"], True, "bob may approve")
    shown = cli(server, "ann", "model", "show", f"{MODEL}@1")
    true("model_version.own_work" in shown and "bob, eve" in shown, shown)
    cli(server, "ann", "model", "approve", MODEL, 1, status=4)
    done = cli(server, "bob", "model", "approve", MODEL, 1, "--comment", "read", "--apply")
    true("Production" in done, done)
    cli(server, "ann", "gate", "explain", MODEL, 1, status=GATE)  # Nothing is asked for any more.
    equal(may(server, "bob", 1)["approve"], "model_version.holds_target", "nothing to approve any more")
    harness.refused(api(server, "bob"), "POST", f"models/{MODEL}/versions/1/approve", {}, 409, "model_version.holds_target")
    harness.refused(api(server, "ann"), "POST", f"models/{MODEL}/versions/1/reject", {}, 409, "model_version.holds_target")
    true("model_version.holds_target" in cli(server, "bob", "model", "show", f"{MODEL}@champion"), "by its alias")
    true("PASSED" in cli(server, "ann", "gate", "verify", MODEL, 1), "signed results")
    keys = server.api().get("/.well-known/slipway/signing-keys")["keys"]
    equal((server.data / "signing-key.pem").stat().st_mode & 0o777, 0o600, "mode of the private key")
    true(keys[0]["public_key_pem"].startswith("-----BEGIN PUBLIC KEY-----"), "public key")


def test_worse_than_the_champion_needs_a_waiver(server):
    ann, at = api(server, "ann"), f"models/{MODEL}/versions/3"
    cli(server, "ann", "gate", "run", MODEL, 3, status=GATE)
    failed = {check["name"]: check for check in ann.get(at)["gate"]["checks"] if not check["passed"]}
    equal(sorted(failed), ["floor:accuracy", "holdout:auc"], "0.7 accuracy, and clearly worse")
    true(failed["holdout:auc"]["p"] < 0.01 and failed["holdout:auc"]["upper"] < 0, "DeLong's test")
    equal(failed["holdout:auc"]["evidence"]["holdout"]["digest"][:7], "sha256:", "pinned by digest")
    cli(server, "bob", "gate", "waive", MODEL, 3, "floor:accuracy", "--reason", "pilot", status=4)
    for name in sorted(failed):
        cli(server, "eve", "gate", "waive", MODEL, 3, name, "--reason", "pilot in one region", "--days", 1)
    explained = ann.get(f"{at}/explain")
    equal([c["ok"] for c in explained["conditions"] if c["condition"] == "gate"], [True], "waived")
    uid = ann.get(f"{at}/waivers")["items"][0]["uid"]
    ann.delete(f"{at}/waivers/{uid}")
    equal([c["ok"] for c in ann.get(f"{at}/explain")["conditions"] if c["condition"] == "gate"], [False], "taken back")


def test_one_rollback_takes_what_serves_along(server):
    ann, at = api(server, "ann"), f"models/{MODEL}/versions"
    ann.put("deployments/follows", {"model": MODEL, "alias": "champion"})
    harness.ready(ann, "follows", server, 1)
    moment = int(time.time() * 1000)
    cli(server, "ann", "gate", "run", MODEL, 2)
    cli(server, "ann", "model", "request", MODEL, 2, "--rollback-to", 1, "--rollback-owner", "eve")
    plan = ann.get(f"models/{MODEL}/requests?open=true")["items"][0]["rollback_plan"]
    equal((plan["version"], plan["owner"], plan["valid"]), (1, "eve", True), f"the plan: {plan}")
    cli(server, "bob", "model", "approve", MODEL, 2, "--apply")
    ann.put("deployments/pinned", {"model": MODEL, "version": 2})
    harness.ready(ann, "follows", server, 2)
    harness.ready(ann, "pinned", server, 2)
    back = ann.post(f"models/{MODEL}/rollback", {"reason": "complaints"})
    equal((back["version"], sorted(back["deployments"])), (1, ["follows", "pinned"]), "the version and what serves it")
    for name in ("follows", "pinned"):
        harness.ready(ann, name, server, 1)
    equal(ann.get(f"{at}/2")["stage"], "Archived", "what was rolled back")
    held = ann.get(f"models/{MODEL}/history?at={moment}")["items"]
    equal([(item["stage"], item["version"]) for item in held], [("Production", 1)], "who held what then")
    then = ann.get(f"models/{MODEL}/timeline?at={moment}")["items"]
    equal(sorted((s["target"], s.get("version")) for s in then if s["kind"] != "policy"), [("@champion", 1), ("Production", 1)],
          "stages and aliases then")
    equal([s["policy"]["approvals"] for s in then if s["kind"] == "policy"], [1], "the policy in force then")
    now = ann.get(f"models/{MODEL}/timeline?at={int(time.time() * 1000) + 1000}&kind=alias")["items"]
    equal([(s["target"], s["version"], s["reason"]) for s in now], [("@champion", 1, "complaints")], "the champion follows back")
    text = cli(server, "ann", "model", "history", MODEL, "--at", moment)
    true("alias\t@champion\t1\t" in text and "\t2\t" not in text, text)
    harness.refused(ann, "GET", f"models/{MODEL}/history?at=yesterday", status=400)


def test_voided_approval(server):
    ann, at = api(server, "ann"), f"models/{MODEL}/versions/2"
    cli(server, "ann", "gate", "run", MODEL, 2)
    cli(server, "ann", "model", "request", MODEL, 2)
    cli(server, "bob", "model", "approve", MODEL, 2)
    equal(ann.get(f"{at}/explain")["ready"], True, "ready")
    cli(server, "ann", "model", "policy", MODEL, "Production", "--file",
        write(server, "policy.yaml", POLICY.replace("0.75", "0.76")))
    said = ann.get(f"models/{MODEL}/requests?open=true")["items"][0]["approvals"]
    equal([approval["void"] for approval in said], [True], "given under another policy")
    until("the event", lambda: [e for e in ann.get("ledger?verb=approval.voided&limit=10")["items"]], server=server)
    harness.refused(ann, "POST", f"{at}/promote", {"stage": "Production"}, 409, "model_version.gate_missing")
    cli(server, "ann", "model", "cancel", MODEL, 2)


def test_behaviour_by_file(server):
    path = write(server, "tests.yaml", f"model: {MODEL}\n" + """
tests:
  - {name: obvious, kind: minimum, input: {a: 5.0, b: 0}, output: label, equals: "yes"}
  - {name: wrong on purpose, kind: minimum, input: {a: 5.0, b: 0}, output: label, equals: "no"}
""")
    told = cli(server, "ann", "model", "test", path, status=GATE)
    true("wrong on purpose" in told, told)
    cli(server, "ann", "model", "test", path, "none", 1, status=3)


def test_reviews_comments_stages(server):
    ann, eve, at = api(server, "ann"), api(server, "eve"), f"models/{MODEL}/versions/2"
    path = write(server, "review.yaml", "title: Validation\nowner: eve\nitems:\n  - {wording: data sheet read}\n"
                                        "  - {kind: finding, severity: high, wording: drifts, owner: ann, due_ms: 99}\n")
    cli(server, "eve", "model", "review", MODEL, 2, "--open", path)
    review = ann.get(f"{at}/reviews")["items"][0]
    equal([item["kind"] for item in review["items"]], ["check", "finding"], "items")
    cli(server, "eve", "model", "review", MODEL, 2, "--pass", review["uid"], "--conclusion", "sound", status=5)
    for n in (1, 2):
        eve.post(f"{at}/reviews/{review['uid']}/items", {"n": n, "state": "done"})
    cli(server, "ann", "model", "review", MODEL, 2, "--pass", review["uid"], "--conclusion", "mine", status=4)
    cli(server, "eve", "model", "review", MODEL, 2, "--pass", review["uid"], "--conclusion", "sound")
    true("why" in cli(server, "eve", "model", "comment", MODEL, 2, "--text", "why 0.75?"), "comment")
    true("QA" in cli(server, "ann", "model", "stages", MODEL, "--add", "QA"), "stage")
    ann.post(f"{at}/promote", {"stage": "qa"})
    equal(ann.get(at)["stage"], "QA", "stage of its own")
    ann.put("deployments/qa", {"model": MODEL, "stage": "QA"})
    harness.ready(ann, "qa", server, 2)


class Runs:
    def __reduce__(self):
        return exec, ("raise SystemExit(1)",)


def test_scanned_when_registered(server):
    ann = api(server, "ann")
    info = harness.make_run(ann, {})
    harness.put_artifact(ann, info, "model/model.pkl", pickle.dumps(Runs()))
    ann.post(harness.MLFLOW + "registered-models/create", {"name": "bad"})
    ann.post(harness.MLFLOW + "model-versions/create", {"name": "bad", "source": info["artifact_uri"] + "/model", "run_id": info["run_id"]})
    report = until("the job's verdict", lambda: (lambda r: r if r["verdict"] else None)(ann.get("models/bad/versions/1/scan")),
                   server=server)
    equal(report["verdict"], "dangerous", "verdict")
    equal(report["findings"][0]["detail"], "builtins.exec", "finding")
    true("builtins.exec" in cli(server, "ann", "model", "scan", "bad", 1, status=GATE), "by CLI")
    gate = ann.post("models/bad/versions/1/gate", {"checks": [{"kind": "scan", "allow_unknown": True}]})
    equal(gate["passed"], False, "a gate on it")


if __name__ == "__main__":
    harness.run(globals())
