"""Webhooks with MLflow's own client and a receiver on loopback: signatures, a receiver that is down, a restart in between, replay, TLS."""
import base64
import datetime
import hashlib
import hmac
import ipaddress
import json
import os
import pathlib
import ssl
import sys
import tempfile
import threading
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402
from harness import equal, true, until  # noqa: E402
from receiver import LOOPBACK, Receiver, arrived  # noqa: E402

for variable in [name for name in os.environ if name.startswith(("MLFLOW_", "DATABRICKS_"))]:
    del os.environ[variable]
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "1"

import mlflow  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from mlflow import MlflowClient  # noqa: E402
from mlflow.entities.webhook import WebhookStatus  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402

SECRET = "whsec-1"


def checked(headers, body, secret=SECRET):
    """The payload, once its signature holds."""
    stamp = headers["X-MLflow-Timestamp"]
    true(abs(time.time() - int(stamp)) < 300, f"time {stamp}")
    text = f"{headers['X-MLflow-Delivery-Id']}.{stamp}.".encode() + body
    want = "v1," + base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest()).decode()
    equal(headers["X-MLflow-Signature"], want, "signature")
    return json.loads(body)


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


def authority(folder, host="127.0.0.1"):
    """An authority's certificate, and an ssl context of a server at `host` for which it vouches."""
    now, day = datetime.datetime.now(datetime.timezone.utc), datetime.timedelta(days=1)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)]) for text in ("test authority", "receiver")]

    def certificate(n, extensions):
        made = (x509.CertificateBuilder().subject_name(names[n]).issuer_name(names[0]).public_key(keys[n].public_key())
                .serial_number(x509.random_serial_number()).not_valid_before(now - day).not_valid_after(now + day))
        for extension in extensions:
            made = made.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return made.sign(keys[0], hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    (folder / "ca.pem").write_bytes(certificate(0, [x509.BasicConstraints(ca=True, path_length=0)]))
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
    (folder / "receiver.pem").write_bytes(certificate(1, [x509.BasicConstraints(ca=False, path_length=None), alternative]))
    (folder / "receiver.key").write_bytes(keys[1].private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                                                serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "receiver.pem", folder / "receiver.key")
    return folder / "ca.pem", context


def test_tls(server, _):
    """A receiver whose authority the operator named is told over TLS; one of another authority, or of another host, is not."""
    with tempfile.TemporaryDirectory(prefix="slipway-tls-") as root:
        root = pathlib.Path(root)
        for name in ("right", "wrong", "elsewhere"):
            (root / name).mkdir()
        ca, context = authority(root / "right")
        right, wrong = Receiver(context), Receiver(authority(root / "wrong")[1])
        other, other_context = authority(root / "elsewhere", host="192.0.2.1")
        both = root / "both.pem"
        both.write_bytes(ca.read_bytes() + other.read_bytes())
        elsewhere = Receiver(other_context)
        own = harness.Server(harness.BINARY, root / "data", ["--webhooks-allow-private", "--webhooks-ca-file", both])
        try:
            api = own.start().api()
            uid = api.post("webhooks", {"name": "tls", "url": right.url + "/tls", "secret": SECRET, "events": ["registered_model.created"]})["uid"]
            api.post(harness.MLFLOW + "registered-models/create", {"name": "over-tls"})
            equal(checked(*arrived(right, "/tls", 1, own)[0])["data"]["name"], "over-tls", "over TLS")
            true(api.post(f"webhooks/{uid}/test", {})["accepted"], "a test over TLS")
            for receiver in (wrong, elsewhere):
                uid = api.post("webhooks", {"name": "no", "url": receiver.url + "/tls", "events": ["prompt.created"]})["uid"]
                got = api.post(f"webhooks/{uid}/test", {})
                equal((got["accepted"], got["status"]), (False, 0), "a test of it")
                true(got["error"].startswith("tls."), got["error"])
                equal(receiver.at("/tls"), [], "nothing was said to it")
        finally:
            own.kill()
            for receiver in (right, wrong, elsewhere):
                receiver.close()
    with tempfile.TemporaryDirectory(prefix="slipway-tls-") as root:
        broken = harness.Server(harness.BINARY, pathlib.Path(root) / "data", ["--webhooks-ca-file", __file__])
        try:
            broken.start()
            raise AssertionError("it starts with a file that holds no certificate")
        except RuntimeError:
            true("certificate" in broken.tail(20), broken.tail(20))
        finally:
            broken.kill()


def test_tests_of_slow_receivers_hold_up_nobody(server, receiver):
    """More tests than the server has threads wait for a receiver that says nothing; everything else is answered meanwhile."""
    api = server.api()
    receiver.release.clear()
    uid = api.post("webhooks", {"name": "slow", "url": receiver.url + "/slow", "events": ["prompt.created"]})["uid"]
    statuses = []

    def test():
        statuses.append(server.api().send("POST", f"webhooks/{uid}/test", {}, check=False).status)

    tests = [threading.Thread(target=test) for _ in range(40)]
    for one in tests:
        one.start()
    try:
        begun = time.monotonic()
        for _ in range(20):
            api.get("webhooks")
        true(time.monotonic() - begun < 4, "others waited")
    finally:
        receiver.release.set()
        for one in tests:
            one.join()
    equal(set(statuses), {200, 503}, "answers: what there is no room for is refused at once")
    api.delete(f"webhooks/{uid}")


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
        server = harness.Server(harness.BINARY, pathlib.Path(root) / "data", [*LOOPBACK, "--pool-threads", "4"])
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
