"""Webhooks with MLflow's own client and a receiver on loopback: signatures, a receiver that is down, a restart in between, replay."""
import base64
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import sys
import tempfile
import threading
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402
from harness import equal, true, until  # noqa: E402

for variable in [name for name in os.environ if name.startswith(("MLFLOW_", "DATABRICKS_"))]:
    del os.environ[variable]
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "1"

import mlflow  # noqa: E402
from mlflow import MlflowClient  # noqa: E402
from mlflow.entities.webhook import WebhookStatus  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402

SECRET = "whsec-1"
LOOPBACK = ["--webhooks-allow-http", "--webhooks-allow-private"]


class Receiver:
    """Keeps what is posted to it; each path answers with the status set for it, /slow after a while, /away by a redirect."""

    def __init__(self):
        self.got, self.status, self.lock = [], {}, threading.Lock()
        self.release = threading.Event()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                path = self.path.split("?")[0]
                if path == "/slow":
                    receiver.release.wait(8)
                with receiver.lock:
                    receiver.got.append((self.path, dict(self.headers.items()), body))
                status = receiver.status.get(path, 200)
                self.send_response(status)
                answer = b"x" * (1 << 20) if path == "/large" else b"taken" if status == 200 else b"not now"
                if status == 302:
                    self.send_header("Location", "/redirected")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                try:
                    self.wfile.write(answer)
                except OSError:
                    pass  # enough was read

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def at(self, path):
        with self.lock:
            return [(headers, body) for where, headers, body in self.got if where == path]

    def close(self):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


def checked(headers, body, secret=SECRET):
    """The payload, once its signature holds."""
    stamp = headers["X-MLflow-Timestamp"]
    true(abs(time.time() - int(stamp)) < 300, f"time {stamp}")
    text = f"{headers['X-MLflow-Delivery-Id']}.{stamp}.".encode() + body
    want = "v1," + base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest()).decode()
    equal(headers["X-MLflow-Signature"], want, "signature")
    return json.loads(body)


def arrived(receiver, path, n, server, seconds=20):
    return until(f"{n} at {path}", lambda: receiver.at(path) if len(receiver.at(path)) >= n else None, seconds, server)


def test_mlflows_client(server, receiver):
    client = MlflowClient()
    hook = client.create_webhook("all", receiver.url + "/all?token=1", ["registered_model.created", "model_version.created",
                                 "model_version_tag.set", "model_version_tag.deleted", "model_version_alias.created",
                                 "model_version_alias.deleted", "prompt.created", "prompt_version.created"],
                                 description="d", secret=SECRET)
    equal((hook.name, hook.status, hook.secret, hook.description), ("all", WebhookStatus.ACTIVE, None, "d"), "webhook")
    equal([item.webhook_id for item in client.list_webhooks()], [hook.webhook_id], "list")
    equal(client.get_webhook(hook.webhook_id).url, hook.url, "url")
    client.create_registered_model("m", tags={"k": "v"}, description="a model")
    client.create_model_version("m", "s3://bucket/x")
    client.set_model_version_tag("m", "1", "t", "ü")
    client.delete_model_version_tag("m", "1", "t")
    client.set_registered_model_alias("m", "best", "1")
    client.delete_registered_model_alias("m", "best")
    mlflow.genai.register_prompt("greet", "Hello {{name}}")
    told = [checked(*one) for one in arrived(receiver, "/all?token=1", 8, server)]
    equal([f"{one['entity']}.{one['action']}" for one in told], [str(event) for event in hook.events], "events, in order")
    equal(told[0]["data"], {"name": "m", "tags": {"k": "v"}, "description": "a model"}, "of the model")
    equal(told[2]["data"], {"name": "m", "version": "1", "key": "t", "value": "ü"}, "of the tag")
    equal(told[7]["data"]["template"], "Hello {{name}}", "of the prompt")
    ids = [headers["X-MLflow-Delivery-Id"] for headers, _ in receiver.at("/all?token=1")]
    equal(len(set(ids)), 8, "different ids")
    hook = client.update_webhook(hook.webhook_id, status="DISABLED")
    equal(hook.status, WebhookStatus.DISABLED, "status")
    client.create_registered_model("unheard")
    result = client.test_webhook(hook.webhook_id)
    equal((result.success, result.response_status, result.response_body), (True, 200, "taken"), "test")
    client.delete_webhook(hook.webhook_id)
    try:
        client.get_webhook(hook.webhook_id)
        raise AssertionError("a deleted webhook is read")
    except MlflowException as error:
        equal(error.error_code, "RESOURCE_DOES_NOT_EXIST", "code")
    equal(len(receiver.at("/all?token=1")), 9, "deliveries and the test")


def test_own_events_and_cli(server, receiver):
    secret = server.data.with_name("secret")
    secret.write_text(SECRET + "\n")
    made = json.loads(server.cli("webhook", "create", "own", receiver.url + "/own", "--events", "stage.transitioned,approval.*",
                                 "--secret-file", secret, "--json"))
    equal((made["is_signed"], len(made["events"])), (True, 8), "webhook")
    equal(len(MlflowClient().list_webhooks()), 0, "what MLflow's client sees of it")
    MlflowClient().transition_model_version_stage("m", "1", "Staging")
    told = checked(*arrived(receiver, "/own", 1, server)[0])
    equal((told["entity"], told["action"], told["data"]["to"], told["data"]["name"]), ("stage", "transitioned", "Staging", "m"), "event")
    rows = until("delivered", lambda: [row for row in json.loads(server.cli("webhook", "deliveries", made["uid"], "--json"))["items"]
                                       if row["state"] == "delivered"], 10, server)
    server.cli("webhook", "replay", made["uid"], rows[0]["uid"])
    again = arrived(receiver, "/own", 2, server)
    equal(again[0][1], again[1][1], "the same body")
    true(again[0][0]["X-MLflow-Delivery-Id"] != again[1][0]["X-MLflow-Delivery-Id"], "an id of its own")
    server.cli("webhook", "test", made["uid"], "--event", "approval.granted")
    true(SECRET not in server.log.read_text() and SECRET not in json.dumps(server.api().items("webhooks")), "the secret stays inside")
    server.cli("webhook", "delete", made["uid"])


def test_slow_large_and_redirecting_receivers(server, receiver):
    api = server.api()
    receiver.status["/away"] = 302
    uids = {path: api.post("webhooks", {"name": "h", "url": receiver.url + path, "events": ["registered_model.created"]})["uid"]
            for path in ("/slow", "/large", "/away", "/quick")}
    begun = time.monotonic()
    for i in range(3):
        MlflowClient().create_registered_model(f"n{i}")
    arrived(receiver, "/quick", 3, server)
    true(time.monotonic() - begun < 5, "the quick one waited for the slow one")
    equal(receiver.at("/slow"), [], "the slow one is still at it")
    row = until("an attempt", lambda: next((row for row in api.items(f"webhooks/{uids['/away']}/deliveries") if row["status"]), None), 10, server)
    equal((row["state"], row["status"], receiver.at("/redirected")), ("pending", 302, []), "a redirect isn't followed")
    row = until("the large one", lambda: next((row for row in api.items(f"webhooks/{uids['/large']}/deliveries")
                                               if row["state"] == "delivered"), None), 10, server)
    true(len(row["response"]) <= 1024, "an excerpt")
    receiver.release.set()
    arrived(receiver, "/slow", 3, server)
    for uid in uids.values():
        api.delete(f"webhooks/{uid}")


def test_down_restart_up(server, receiver):
    """Killed while the receiver is down: afterwards each event arrives, with the id of its first attempt."""
    receiver.status["/flaky"] = 503
    uid = server.api().post("webhooks", {"name": "flaky", "url": receiver.url + "/flaky", "secret": SECRET,
                                         "events": ["registered_model.created"]})["uid"]
    names = [f"r{i}" for i in range(3)]
    for name in names:
        MlflowClient().create_registered_model(name)
    first = arrived(receiver, "/flaky", 3, server)
    server.kill()
    server.port = int(server.url.rsplit(":", 1)[1])
    receiver.status["/flaky"] = 200
    server.start()
    api = server.api()
    rows = until("all delivered", lambda: [row for row in api.items(f"webhooks/{uid}/deliveries") if row["state"] == "delivered"]
                 if all(row["state"] == "delivered" for row in api.items(f"webhooks/{uid}/deliveries")) else None, 90, server)
    equal(len(rows), 3, "neither lost nor doubled")
    equal({row["uid"] for row in rows}, {headers["X-MLflow-Delivery-Id"] for headers, _ in first}, "ids")
    equal({checked(*one)["data"]["name"] for one in receiver.at("/flaky")[3:]}, set(names), "names")


def test_addresses(_, receiver):
    """As it is set up by default nothing goes to http or to this machine."""
    with tempfile.TemporaryDirectory(prefix="slipway-hooks-") as root:
        server = harness.Server(harness.BINARY, pathlib.Path(root) / "data").start()
        try:
            for url in (receiver.url, "https://127.0.0.1/", "https://[::ffff:127.0.0.1]/", "https://169.254.169.254/"):
                harness.refused(server.api(), "POST", "webhooks", {"name": "h", "url": url, "events": ["prompt.created"]},
                                code="webhook.url")
            # A name that leads here: it is the address that counts, when it is dialled.
            uid = server.api().post("webhooks", {"name": "h", "url": "https://localhost.localdomain/", "events": ["prompt.created"]})["uid"]
            got = server.api().post(f"webhooks/{uid}/test", {})
            equal((got["accepted"], got["status"]), (False, 0), "a test of it")
            true(got["error"].startswith(("client.address_not_public", "net.unknown_host")), got["error"])
        finally:
            server.kill()


def main():
    failed = 0
    receiver = Receiver()
    with tempfile.TemporaryDirectory(prefix="slipway-webhooks-") as root:
        server = harness.Server(harness.BINARY, pathlib.Path(root) / "data", LOOPBACK)
        try:
            mlflow.set_tracking_uri(server.start().url)
            for name, test in [(key, value) for key, value in globals().items() if key.startswith("test_")]:
                begun = time.monotonic()
                try:
                    test(server, receiver)
                    print(f"ok   {name} {time.monotonic() - begun:.2f} s", flush=True)
                except Exception:  # pylint: disable=broad-except
                    failed += 1
                    print(f"FAIL {name}\n{traceback.format_exc()}", flush=True)
            if failed:
                print(f"the server's log:\n{server.tail(40)}")
            equal(server.stop(), 0, "exit status after SIGTERM")
        finally:
            server.kill()
            receiver.close()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
