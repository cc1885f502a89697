"""Predictions that are answered later, against the real server: `Prefer: respond-async` on every predict route.

The kept answer has the bytes, status and type of the synchronous one; a SIGKILL in the middle loses no acknowledged
request; a webhook hears of the end, signed; callers see their own requests, and a job has its asker's rights.
"""
import base64
import hashlib
import hmac
import json
import pathlib
import random
import re
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent  # Its grpc.py is not the library.
sys.path = [entry for entry in sys.path if pathlib.Path(entry or ".").resolve() != HERE]
sys.path.insert(0, str(HERE.parent / "e2e"))
import harness  # noqa: E402
from harness import equal, refused, true, until  # noqa: E402
from receiver import LOOPBACK, Receiver, arrived  # noqa: E402

from dev import setup  # noqa: E402

sys.path.append(str(setup.packages("pip_serving")))
import numpy as np  # noqa: E402
import tritonclient.grpc as triton  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from tritonclient.utils import InferenceServerException  # noqa: E402

LATER = {"Prefer": "respond-async"}
SECRET = "whsec-later"
KILLS = 3


def slow_model(size=384, turns=6):
    """y = x, after some multiplications of matrices that depend on x and count nothing."""
    values = np.random.default_rng(1).uniform(-1, 1, (size, size)).astype(np.float32) * np.float32(1.7 / size ** 0.5)
    nodes = [helper.make_node("ReduceSum", ["x"], ["s"], keepdims=0), helper.make_node("Mul", ["W", "s"], ["m0"])]
    nodes += [helper.make_node("MatMul", [f"m{i}", "W"], [f"m{i + 1}"]) for i in range(turns)]
    nodes += [helper.make_node("ReduceSum", [f"m{turns}"], ["r"], keepdims=0), helper.make_node("Mul", ["r", "zero"], ["z"]),
              helper.make_node("Add", ["x", "z"], ["y"])]
    graph = helper.make_graph(nodes, "slow", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 2])],
                              [numpy_helper.from_array(values, "W"), numpy_helper.from_array(np.float32(0), "zero")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model.SerializeToString()


def write_models(folder):
    (folder / "sign.onnx").write_bytes(harness.linear_classifier([[-1, 0], [1, 0]]))
    (folder / "slow.onnx").write_bytes(slow_model())
    (folder / "slower.onnx").write_bytes(slow_model(turns=60))
    return ["--model", ",".join(f"{name}={folder / name}.onnx" for name in ("sign", "slow", "slower"))]


def up(server, token=None):
    """A server's table of models is made a moment after it listens."""
    api = server.api(token) if server.process else server.start().api(token)
    until("the models", lambda: api.send("GET", "/v2/models/slow/ready", check=False).status == 200, 20, server)
    return api


def infer_body(rows, **more):
    return {"inputs": [{"name": "x", "datatype": "FP32", "shape": [len(rows), 2], "data": [v for row in rows for v in row]}], **more}


def ask_later(api, path, body, headers=None, wait=None):
    prefer = "respond-async" + (f", wait={wait}" if wait else "")
    return api.send("POST", path, body, {**(headers or {}), "Prefer": prefer}, check=False)


def same(answer):
    """Each prediction has an id of its own, which its answer names: all else must be equal."""
    return re.sub(rb'"prediction_id":"[0-9a-f-]{36}"', b'"prediction_id":""', answer)


def result(api, place, server, seconds=30):
    def ended():
        reply = api.send("GET", place + "/result", check=False)
        return None if reply.status == 409 else reply
    return until(f"the answer at {place}", ended, seconds, server)


def binary_request():
    """JSON and a tensor's bytes behind it, as tritonclient sends them."""
    tensor = np.array([[2, 0], [-2, 0]], np.float32).tobytes()
    head = json.dumps({"id": "b", "inputs": [{"name": "x", "datatype": "FP32", "shape": [2, 2],
                                              "parameters": {"binary_data_size": len(tensor)}}],
                       "parameters": {"binary_data_output": True}}).encode()
    return head + tensor, {"Inference-Header-Content-Length": str(len(head)), "Content-Type": "application/octet-stream"}


# ---------------------------------------------------------------- one server without credentials
def test_the_answer_is_the_synchronous_one(server):
    api = up(server)
    rows = [[2.0, 0.0], [-2.0, 0.0]]
    binary, binary_headers = binary_request()
    asked = [
        ("/v2/models/sign/infer", infer_body(rows, id="a"), None),
        ("/v2/models/sign/versions/1/infer", infer_body(rows, id="a"), None),
        ("/v2/models/sign/infer", binary, binary_headers),
        ("/v2/models/sign/infer", infer_body([[float(i), 0.0] for i in range(20_000)], id="large"), None),
        ("/v2/models/sign/generate", infer_body(rows, id="g"), None),
        ("/v2/models/sign/generate_stream", infer_body(rows, id="g"), None),
        ("/v2/models/sign/infer_stream", infer_body(rows, id="g"), None),
        ("/v2/models/slow/infer", infer_body(rows, id="s"), None),
        ("/v1/models/sign:predict", {"instances": rows}, None),
        ("/v1/models/sign:predict", {"inputs": {"x": rows}}, None),
        ("/v1/models/sign/versions/1:predict", {"instances": rows}, None),
        ("/invocations?deployment=sign", {"inputs": {"x": rows}}, None),
        ("/invocations?deployment=sign", {"dataframe_split": {"columns": ["a", "b"], "data": rows}}, None),
        ("/invocations", b"a,b\n2,0\n-2,0\n", {"Content-Type": "text/csv", "X-Slipway-Deployment": "sign"}),
        ("/v2/models/sign/infer", infer_body([[1.0, 2.0]], id="bad", outputs=[{"name": "none"}]), None),
        ("/v2/models/sign/infer", b"{", None),
        ("/v1/models/sign:predict", {"instances": [[1.0]]}, None),
        ("/v1/models/sign:explain", {"instances": rows}, None),
        ("/invocations?deployment=sign", b"x", {"Content-Type": "text/odd"}),
    ]
    for path, body, headers in asked:
        now = api.send("POST", path, body, headers, check=False)
        accepted = ask_later(api, path, body, headers)
        equal(accepted.status, 202, f"{path}: {accepted.body[:200]}")
        equal(accepted.headers["Preference-Applied"], "respond-async", "the preference")
        place = accepted.headers["Location"]
        equal(place, f"/v2/async/{accepted.json()['id']}", "the place")
        later = result(api, place, server)
        what = f"{path} {str(body)[:60]}"
        equal((later.status, later.headers["Content-Type"]), (now.status, now.headers["Content-Type"]), what)
        equal(same(later.body), same(now.body), what)
        equal(len(later.body), len(now.body), what)
        equal(later.headers["Inference-Header-Content-Length"], now.headers["Inference-Header-Content-Length"], what)
        equal("x-slipway-prediction-id" in later.headers, "x-slipway-prediction-id" in now.headers, what)
        state = api.get(place)
        equal(state["status"], "done" if now.status < 400 else "failed", what)
        equal((state["attempts"], state["result_status"]), (1, now.status), what)
        equal(result(api, place, server).body, later.body, "asked again")
    true(api.get("/v2/async?limit=1000")["items"][0]["id"] == place.rsplit("/", 1)[1], "newest first")
    equal(len(api.items("/v2/async?limit=7")), len(asked), "by pages")
    equal(len(api.items("/v2/async?status=failed")), 5, "what was refused")


def test_waiting_and_keys(server):
    api = server.api()
    body = infer_body([[2.0, 0.0]], id="w")
    reply = ask_later(api, "/v2/models/sign/infer", body, wait=20)
    equal((reply.status, reply.headers["Preference-Applied"]), (200, "wait=20"), "in time")
    equal(same(reply.body), same(api.send("POST", "/v2/models/sign/infer", body).body), "the answer itself")
    key = {"Idempotency-Key": "k-1"}
    first = ask_later(api, "/v2/models/sign/infer", body, key)
    again = ask_later(api, "/v2/models/sign/infer", body, key)
    equal((again.status, again.json()["id"]), (202, first.json()["id"]), "the same request")
    reply = ask_later(api, "/v2/models/sign/infer", infer_body([[3.0, 0.0]]), key)
    equal(reply.status, 409, "another request with the key")
    equal(ask_later(api, "/v2/models/nobody/infer", body).status, 404, "what isn't there is said at once")
    for path, status in (("/v2/async/none", 404), ("/v2/async/none/result", 404), ("/v2/async?limit=0", 400),
                         ("/v2/async?status=odd", 400)):
        equal(api.send("GET", path, check=False).status, status, path)


def test_cancel_and_bounds(server):
    api = server.api()
    places = [ask_later(api, "/v2/models/slower/infer", infer_body([[float(i), 0.0]])).headers["Location"] for i in range(20)]
    equal(api.send("GET", places[-1] + "/result", check=False).status, 409, "not yet")
    equal(api.send("DELETE", places[-1]).json()["status"], "cancelled", "cancelled")
    equal(api.send("GET", places[-1] + "/result", check=False).status, 410, "its answer")
    refused(api, "POST", places[-1] + "/retry", {}, status=400)  # A body isn't wanted.
    equal(api.send("POST", places[-1] + "/retry", check=False).status, 409, "only what has failed is tried again")
    for i, place in enumerate(places[:-1]):
        equal(result(api, place, server).json()["outputs"][0]["data"], [float(i), 0.0], "the others")
    refused(api, "DELETE", places[0], status=409, code="async.has_ended")
    text = api.send("GET", "/metrics").body.decode()
    for name in ("slipway_async_queued 0", "slipway_async_running 0", 'slipway_async_ended_total{status="done"}'):
        true(name in text, f"{name} in /metrics")


def test_the_commands(server):
    api = server.api()
    good = ask_later(api, "/v2/models/sign/infer", infer_body([[2.0, 0.0]], id="cli")).json()["id"]
    answer = result(api, f"/v2/async/{good}", server).body
    equal(server.cli("async", "result", good).encode(), answer, "its answer")
    equal(json.loads(server.cli("async", "show", good, "--json"))["status"], "done", "its status")
    listed = json.loads(server.cli("async", "list", "--status", "done", "--json"))["items"]
    equal(listed[0]["id"], good, "the list")
    bad = ask_later(api, "/v2/models/sign/infer", b"{").json()["id"]
    result(api, f"/v2/async/{bad}", server)
    equal(json.loads(server.cli("async", "retry", bad, "--json"))["id"], bad, "tried again")
    waiting = [ask_later(api, "/v2/models/slower/infer", infer_body([[float(i), 0.0]])).json()["id"] for i in range(30)][-1]
    equal(json.loads(server.cli("async", "cancel", waiting, "--json"))["status"], "cancelled", "cancelled")


def test_over_grpc(server):
    client = triton.InferenceServerClient(server.ready["grpc"])
    api = server.api()

    def ask(values, model="sign", **headers):
        tensor = triton.InferInput("x", [1, len(values)], "FP32")
        tensor.set_data_from_numpy(np.array([values], np.float32))
        return client.infer(model, [tensor], request_id="g", headers={name.replace("_", "-"): value for name, value in headers.items()})

    def known(uid, seconds=20):
        def fetched():
            try:
                return ask([0.0, 0.0], slipway_async=uid)
            except InferenceServerException as error:
                true("async" in str(error) or "the request is" in str(error), str(error))
                return None
        return until(f"the answer of {uid}", fetched, seconds, server)

    now = ask([2.0, 0.0]).get_response()
    uid = ask([2.0, 0.0], prefer="respond-async").get_response().id
    later = known(uid).get_response()
    for message in (now, later):
        message.parameters["prediction_id"].string_param = ""
    equal(later.SerializeToString(deterministic=True), now.SerializeToString(deterministic=True), "the same message")
    equal(api.get(f"/v2/async/{uid}")["status"], "done", "and the queue is one")
    raw = api.send("GET", f"/v2/async/{uid}/result")
    equal(raw.headers["Content-Type"], "application/x-protobuf", "over HTTP its bytes")
    true(len(raw.body) > 0 and raw.body == api.send("GET", f"/v2/async/{uid}/result").body, "the same again")
    waited = ask([2.0, 0.0], prefer="respond-async, wait=20").get_response()
    equal(list(waited.raw_output_contents), list(now.raw_output_contents), "in time")
    bad = ask([1.0, 2.0, 3.0], prefer="respond-async").get_response().id
    result(api, f"/v2/async/{bad}", server)
    equal(api.get(f"/v2/async/{bad}")["result_status"], 400, "what is refused")
    for wrong in (lambda: ask([0.0, 0.0], slipway_async=bad), lambda: ask([0.0, 0.0], slipway_async="nothing"),
                  lambda: ask([0.0, 0.0], model="nobody", prefer="respond-async")):
        try:
            wrong()
        except InferenceServerException:
            continue
        raise AssertionError("let through")


# ---------------------------------------------------------------- servers of their own
def test_a_full_queue_says_so(server):
    folder = server.data.parent
    with harness.Server(harness.BINARY, folder / "full", [*write_models(folder), "--async-queue", "10", "--async-runners", "1"]) as one:
        api, refusals, places = up(one), 0, []
        for i in range(40):
            reply = ask_later(api, "/v2/models/slow/infer", infer_body([[float(i), 0.0]]))
            if reply.status == 202:
                places.append((reply.headers["Location"], float(i)))
                continue
            equal(reply.status, 429, "a full queue")
            true(reply.headers["Retry-After"], "when to come back")
            refusals += 1
        true(refusals > 0, "it was never full")
        for place, value in places:
            equal(result(api, place, one).json()["outputs"][0]["data"], [value, 0.0], "what it had taken")
        equal(one.stop(), 0, "exit status")
    with harness.Server(harness.BINARY, folder / "none", [*write_models(folder), "--async-runners", "0"]) as one:
        equal(ask_later(up(one), "/v2/models/sign/infer", infer_body([[1.0, 0.0]])).status, 200, "nobody runs it: answered at once")


def test_webhooks_hear_of_the_end(server):
    folder = server.data.parent
    receiver = Receiver()
    with harness.Server(harness.BINARY, folder / "hooks", [*write_models(folder), *LOOPBACK]) as one:
        api = up(one)
        api.post("webhooks", {"name": "later", "url": receiver.url + "/later", "events": ["async.done", "async.failed"], "secret": SECRET})
        good = ask_later(api, "/v2/models/sign/infer", infer_body([[2.0, 0.0]])).json()["id"]
        bad = ask_later(api, "/v2/models/sign/infer", b"{").json()["id"]
        told = {}
        for headers, body in arrived(receiver, "/later", 2, one):
            stamp = headers["X-MLflow-Timestamp"]
            text = f"{headers['X-MLflow-Delivery-Id']}.{stamp}.".encode() + body
            want = "v1," + base64.b64encode(hmac.new(SECRET.encode(), text, hashlib.sha256).digest()).decode()
            equal(headers["X-MLflow-Signature"], want, "signature")
            event = json.loads(body)
            told[event["data"]["id"]] = (f"{event['entity']}.{event['action']}", event["data"]["status"], event["data"]["result"])
        equal(told, {good: ("async.done", 200, f"/v2/async/{good}/result"), bad: ("async.failed", 400, f"/v2/async/{bad}/result")}, "events")
        equal(api.send("GET", told[good][2]).status, 200, "where the event leads")
        equal(one.stop(), 0, "exit status")
    receiver.close()


def test_own_requests_and_rights(server):
    folder = server.data.parent
    with harness.Server(harness.BINARY, folder / "auth", [*write_models(folder), "--auth", "--async-runners", "1"]) as one:
        boss = up(one, (one.data / "bootstrap-token").read_text().strip())
        made = {name: boss.post("tokens", {"principal": name, "role": "use"}) for name in ("ada", "eve")}
        ada, eve = (one.api(made[name]["token"]) for name in ("ada", "eve"))
        equal(ask_later(one.api(), "/v2/models/sign/infer", infer_body([[1.0, 0.0]])).status, 401, "nobody in particular")
        reader = one.api(boss.post("tokens", {"principal": "rob", "role": "read"})["token"])
        equal(ask_later(reader, "/v2/models/sign/infer", infer_body([[1.0, 0.0]])).status, 403, "who may only read")
        place = ask_later(ada, "/v2/models/sign/infer", infer_body([[1.0, 0.0]])).headers["Location"]
        equal(result(ada, place, one).status, 200, "her own")
        for path in (place, place + "/result"):
            equal(eve.send("GET", path, check=False).status, 404, "somebody else's")
        equal(eve.send("DELETE", place, check=False).status, 404, "to cancel")
        equal(eve.get("/v2/async")["items"], [], "eve's")
        equal(eve.send("GET", "/v2/async?all=true", check=False).status, 403, "everybody's")
        equal(boss.send("GET", place + "/result").status, 200, "an administrator reads it")
        equal(len(boss.get("/v2/async?all=true")["items"]), 1, "and sees all")
        # Rights are those at the moment of the answer.
        places = [ask_later(ada, "/v2/models/slower/infer", infer_body([[float(i), 0.0]])).headers["Location"] for i in range(20)]
        boss.delete(f"tokens/{made['ada']['id']}")
        last = result(boss, places[-1], one)
        true(last.status in (401, 403, 404), f"a revoked token's last request: {last.status}")
        equal(one.stop(), 0, "exit status")


def test_a_kill_loses_nothing(server):
    folder, dice = server.data.parent, random.Random(7)
    one = harness.Server(harness.BINARY, folder / "killed", write_models(folder))
    taken, seen = {}, {}
    try:
        for turn in range(KILLS):
            up(one)
            stop = threading.Event()

            def ask(n, turn=turn, stop=stop):
                api, i = one.api(), 0
                while not stop.is_set():
                    value = float(turn * 1_000_000 + n * 10_000 + i)
                    try:
                        reply = ask_later(api, "/v2/models/slow/infer", infer_body([[value, 1.0]], id=str(value)))
                    except OSError:
                        return
                    equal(reply.status, 202, f"{reply.body[:200]}")
                    taken[reply.headers["Location"]] = value
                    i += 1
                    time.sleep(0.002)

            threads = [threading.Thread(target=ask, args=(n,)) for n in range(3)]
            for thread in threads:
                thread.start()
            begun, api = time.monotonic(), one.api()
            while time.monotonic() - begun < dice.uniform(0.4, 1.0):
                for place in list(taken)[:40]:
                    reply = api.send("GET", place + "/result", check=False)
                    if reply.status == 200:
                        equal(seen.setdefault(place, reply.body), reply.body, "an answer never changes")
            one.kill()
            stop.set()
            for thread in threads:
                thread.join()
        api = up(one)
        waiting = sum(1 for place in taken if api.get(place)["status"] in ("queued", "running"))
        true(waiting > 0, "the kills came after all was answered: nothing was tried")
        for place, value in taken.items():
            reply = result(api, place, one, 120)
            equal(reply.status, 200, f"{place}: {reply.body[:200]}")
            equal(reply.json()["outputs"][0]["data"], [value, 1.0], "its own answer")
            equal(seen.setdefault(place, reply.body), reply.body, "an answer never changes")
        attempts = [item["attempts"] for item in api.items("/v2/async")]
        equal(one.stop(), 0, "exit status")
        print(f"     {KILLS} kills: {len(taken)} acknowledged, {waiting} unanswered at the last start, {sum(a > 1 for a in attempts)}"
              " answered at a second attempt or later, none missing", flush=True)
    finally:
        one.kill()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="slipway-async-") as models:
        harness.run(globals(), write_models(pathlib.Path(models)))
