"""Serving: both protocols, refused inputs, hot swap under traffic, weighted canary, rollback."""
import threading

import harness
from harness import equal, infer, labels_of, ready, true

NORMAL = [[-1, 0], [1, 0]]  # "yes" when x0 > 0
FLIPPED = [[1, 0], [-1, 0]]
ROWS = [[2.0, 0.0], [-2.0, 0.0]]


def deploy(server, name, version, **more):
    api = server.api()
    api.put(f"deployments/{name}", {"model": "sign", "version": version, **more})
    return ready(api, name, server, version)


def test_predict_by_both_protocols(server):
    api = server.api()
    equal(harness.register(api, "sign", harness.linear_classifier(NORMAL)), 1, "version")
    equal(harness.register(api, "sign", harness.linear_classifier(FLIPPED)), 2, "version")
    deploy(server, "sign", 1)
    reply = infer(api, "sign", ROWS)
    equal(labels_of(reply), ["yes", "no"], "labels")
    equal(reply.headers["x-slipway-model-version"], "1", "version header")
    true(len(reply.headers["x-slipway-prediction-id"]) == 36, "prediction id")
    meta = api.send("GET", "/v2/models/sign").json()
    equal([(item["name"], item["datatype"]) for item in meta["inputs"]], [("x", "FP32")], "metadata")
    equal(api.send("GET", "/v2/models/sign/ready").status, 200, "model ready")
    answer = api.post("/invocations?deployment=sign", {"inputs": {"x": ROWS}})
    true(answer["predictions"], f"/invocations: {answer}")


def test_bad_inputs(server):
    api = server.api()
    for what, tensor in {
            "dtype": {"name": "x", "datatype": "BYTES", "shape": [1, 2], "data": ["a", "b"]},
            "width": {"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]},
            "count": {"name": "x", "datatype": "FP32", "shape": [2, 2], "data": [1, 2, 3]},
            "name": {"name": "y", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]},
            "text": {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": ["1", None]}}.items():
        reply = api.send("POST", "/v2/models/sign/infer", {"inputs": [tensor]}, check=False)
        equal(reply.status, 400, f"wrong {what}: {reply.body[:200]}")
        true(reply.json()["error"], f"wrong {what}: a text")
    equal(infer(api, "nobody", ROWS, check=False).status, 404, "unknown deployment")
    equal(api.send("POST", "/v2/models/sign/infer", b"{", check=False).status, 400, "malformed JSON")
    equal(labels_of(infer(api, "sign", ROWS)), ["yes", "no"], "it still answers")


def test_a_corrupt_graph_never_replaces_a_good_one(server):
    api = server.api()
    bad = harness.register(api, "sign", b"this is no graph")
    reply = api.send("PUT", "deployments/sign", {"model": "sign", "version": bad}, check=False)
    true(reply.status >= 400 or harness.until("the error", lambda: api.get("deployments/sign").get("error"), 10, server),
         "a corrupt graph is said")
    equal(labels_of(infer(api, "sign", ROWS)), ["yes", "no"], "the old version answers")


def test_hot_swap_drops_nothing(server):
    deploy(server, "sign", 1)
    stop, wrong, seen = threading.Event(), [], set()

    def client():
        api = server.api()
        while not stop.is_set():
            reply = infer(api, "sign", ROWS, check=False)
            version = reply.headers.get("x-slipway-model-version")
            want = {"1": ["yes", "no"], "2": ["no", "yes"]}.get(version)
            if reply.status != 200 or labels_of(reply) != want:
                wrong.append((reply.status, version, reply.body[:200]))
            seen.add(version)

    clients = [threading.Thread(target=client) for _ in range(2)]
    for thread in clients:
        thread.start()
    for version in (2, 1, 2, 1, 2):
        deploy(server, "sign", version)
    stop.set()
    for thread in clients:
        thread.join()
    equal(wrong, [], "answers of the version that the header names")
    equal(seen, {"1", "2"}, "both versions answered")


def test_canary_and_rollback(server):
    deploy(server, "sign", 1)
    api = server.api()
    api.post("deployments/sign/canary", {"version": 2, "weight": 0.25, "guard": {"kind": "label_errors", "alpha": 0.01}})
    harness.until("the canary", lambda: len(api.get("deployments/sign")["arms"]) == 2, 10, server)
    hits = sum(infer(api, "sign", ROWS).headers["x-slipway-model-version"] == "2" for _ in range(600))
    true(100 <= hits <= 200, f"a quarter of 600 requests go to the canary: {hits}")
    api.post("deployments/sign/rollback", {"reason": "smoke"})
    ready(api, "sign", server, 1)
    true(all(infer(api, "sign", ROWS).headers["x-slipway-model-version"] == "1" for _ in range(50)), "all on the stable arm")
    equal(api.get("deployments/sign")["canary"]["state"], "rolled_back", "state of the canary")


def test_alias_follows_promotion(server):
    api = server.api()
    api.post(harness.MLFLOW + "registered-models/alias", {"name": "sign", "alias": "live", "version": "1"})
    api.put("deployments/follower", {"model": "sign", "alias": "live"})
    ready(api, "follower", server, 1)
    api.post(harness.MLFLOW + "registered-models/alias", {"name": "sign", "alias": "live", "version": "2"})
    ready(api, "follower", server, 2)
    equal(labels_of(infer(api, "follower", ROWS)), ["no", "yes"], "the alias moved, the deployment followed")
    api.delete("deployments/follower")
    equal(infer(api, "follower", ROWS, check=False).status, 404, "a deleted deployment")


if __name__ == "__main__":
    harness.run(globals())
