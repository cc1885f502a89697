"""Registry: gate, four eyes, promotion and rollback, each with its ledger event."""
import harness
from harness import equal, true, until

MODEL = "churn"


def other(server, role="manage"):
    return server.api(server.api().post("tokens", {"principal": "reviewer", "role": role})["token"])


def verbs(api, after):
    return [event["verb"] for event in api.get(f"ledger?after={after}&limit=200")["items"]]


def last(api):
    return api.get("ledger?limit=1&order=desc")["items"][0]["seq"]


def test_the_way_to_production(server):
    api, at = server.api(), f"models/{MODEL}/versions"
    onnx = harness.linear_classifier([[-1, 0], [1, 0]])
    for accuracy in (0.8, 0.9, 0.6):
        harness.register(api, MODEL, onnx, {"accuracy": accuracy})
    floor = {"checks": [{"kind": "floor", "metric": "accuracy", "min": 0.75}]}
    promote = {"stage": "Production"}
    harness.refused(api, "POST", f"{at}/1/promote", promote, 409, "model_version.gate_missing")
    equal(api.post(f"{at}/3/gate", floor)["passed"], False, "0.6 < 0.75")
    harness.refused(api, "POST", f"{at}/3/promote", promote, 409, "model_version.gate_failed")
    equal(api.post(f"{at}/1/gate", floor)["passed"], True, "0.8 ≥ 0.75")
    harness.refused(api, "POST", f"{at}/1/promote", promote, 409, "model_version.not_approved")
    harness.refused(api, "POST", f"{at}/1/approve", {"comment": ""}, 403, "model_version.own_work")
    reviewer = other(server)
    reviewer.post(f"{at}/1/approve", {"comment": "read"})
    before = last(api)
    equal(api.post(f"{at}/1/promote", promote)["stage"], "Production", "stage")
    true(len(verbs(api, before)) >= 1, "a promotion is an event")
    equal(api.get(f"models/{MODEL}")["aliases"], {"champion": 1}, "alias")

    champion = {"checks": [{"kind": "champion", "metric": "accuracy", "max_regression": 0.01}]}
    equal(api.post(f"{at}/3/gate", champion)["passed"], False, "0.6 against the champion's 0.8")
    equal(api.post(f"{at}/2/gate", champion)["passed"], True, "0.9 against the champion's 0.8")
    reviewer.post(f"{at}/2/approve", {"comment": "read"})
    api.post(f"{at}/2/promote", promote)
    model = api.get(f"models/{MODEL}")
    equal((model["aliases"], model["stages"]["Production"]), ({"champion": 2}, 2), "after the second promotion")
    equal(api.get(f"{at}/1")["stage"], "Archived", "what held the stage")


def test_rollback_returns_the_previous_holder(server):
    api = server.api()
    before = last(api)
    equal(api.post(f"models/{MODEL}/rollback", {"reason": "complaints"})["version"], 1, "the version that returned")
    until("the event of the rollback", lambda: verbs(api, before))  # PostgreSQL numbers events a moment later.
    equal(api.get(f"models/{MODEL}")["aliases"]["champion"], 1, "alias")
    history = api.get(f"models/{MODEL}/history")["items"]
    equal(sorted({item["version"] for item in history if item["stage"] == "Production"}), [1, 2], "holders of Production")
    true(any(item["reason"] == "complaints" for item in history), "the reason is kept")


def test_a_missing_metric_fails_the_gate(server):
    api = server.api()
    gate = api.post(f"models/{MODEL}/versions/1/gate", {"checks": [{"kind": "floor", "metric": "nope", "min": 0}]})
    equal(gate["passed"], False, "missing metric")
    harness.refused(api, "POST", f"models/{MODEL}/versions/9/gate", {"checks": []}, 404)
    harness.refused(api, "POST", f"models/{MODEL}/versions/1/gate", {"checks": [{"kind": "guess"}]}, 400)


if __name__ == "__main__":
    harness.run(globals())
