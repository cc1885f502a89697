"""Unmodified databricks-sdk against the real server: request, refuse one's own approval, approve, transition, comments, webhooks."""
import hashlib
import hmac
import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402
from harness import equal, true, until  # noqa: E402
from receiver import LOOPBACK, Receiver, arrived  # noqa: E402

for variable in [name for name in os.environ if name.startswith(("MLFLOW_", "DATABRICKS_"))]:
    del os.environ[variable]
os.environ["DATABRICKS_CONFIG_FILE"] = os.devnull

from databricks.sdk import WorkspaceClient  # noqa: E402
from databricks.sdk.core import Config  # noqa: E402
from databricks.sdk.errors import BadRequest, DatabricksError, NotFound, PermissionDenied, ResourceAlreadyExists  # noqa: E402
from databricks.sdk.service.ml import HttpUrlSpec, JobSpec, RegistryWebhookEvent, RegistryWebhookStatus  # noqa: E402

MODEL = "fraud"
ONNX = harness.linear_classifier([[-1, 0], [1, 0]])
FLOOR = {"checks": [{"kind": "floor", "metric": "accuracy", "min": 0.75}]}
TOKENS = {}


def boss(server):
    return server.api((server.data / "bootstrap-token").read_text().strip())


def token(server, who, role="edit"):
    if who not in TOKENS:
        TOKENS[who] = boss(server).post("tokens", {"principal": who, "role": role})["token"]
    return TOKENS[who]


def api(server, who):
    return server.api(token(server, who))


def registry(server, who, role="edit"):
    """The SDK as this person, with nothing but host and token set."""
    config = Config(host=server.url, token=token(server, who, role), auth_type="pat", retry_timeout_seconds=1)
    return WorkspaceClient(config=config).model_registry


def raises(kind, call, word=""):
    try:
        call()
    except kind as error:
        true(word in str(error), f"{error!r} says nothing of '{word}'")
        return
    raise AssertionError(f"nothing was raised, {kind.__name__} expected")


def stage(server, version):
    return api(server, "alice").get(f"models/{MODEL}/versions/{version}")["stage"]


def test_request_refuse_own_approval_approve_transition(server):
    alice = api(server, "alice")
    version = harness.register(alice, MODEL, ONNX, {"accuracy": 0.9})
    alice.post(f"models/{MODEL}/versions/{version}/gate", FLOOR)
    mine, hers = registry(server, "alice"), registry(server, "bob")
    asked = mine.create_transition_request(MODEL, "1", "Production", comment="ready").request
    equal((asked.to_stage, asked.user_id, asked.comment), ("Production", "alice", "ready"), "the request")
    raises(ResourceAlreadyExists, lambda: hers.create_transition_request(MODEL, "1", "Production"), "open already")
    open_ones = list(mine.list_transition_requests(MODEL, "1"))
    equal([(r.activity_type.value, r.to_stage, r.user_id) for r in open_ones],
          [("REQUESTED_TRANSITION", "Production", "alice")], "open requests")
    raises(PermissionDenied, lambda: mine.approve_transition_request(MODEL, "1", "Production", True), "cannot")
    raises(PermissionDenied, lambda: mine.transition_stage(MODEL, "1", "Production", True), "approv")
    equal(stage(server, 1), "None", "after the refusals")
    done = hers.approve_transition_request(MODEL, "1", "Production", True, comment="read").activity
    equal((done.activity_type.value, done.user_id, done.to_stage), ("APPROVED_REQUEST", "bob", "Production"), "activity")
    equal(stage(server, 1), "Production", "after the approval")
    moved = mine.transition_stage(MODEL, "1", "Production", True).model_version_databricks
    equal((moved.current_stage, moved.version), ("Production", "1"), "the transition again changes nothing")
    equal(list(mine.list_transition_requests(MODEL, "1")), [], "nothing is open")


def test_two_must_approve_and_the_sdk_is_told_what_is_missing(server):
    alice = api(server, "alice")
    for name in ("bob", "carol"):
        token(server, name)
    boss(server).put(f"models/{MODEL}/policies/Production", {"approvals": 2, "approvers": ["bob", "carol"]})
    version = str(harness.register(alice, MODEL, ONNX, {"accuracy": 0.95}))
    alice.post(f"models/{MODEL}/versions/{version}/gate", FLOOR)
    registry(server, "alice").create_transition_request(MODEL, version, "Production")
    raises(PermissionDenied, lambda: registry(server, "dave").approve_transition_request(MODEL, version, "Production", True))
    first = registry(server, "bob").approve_transition_request(MODEL, version, "Production", True).activity
    true("1 of 2" in first.system_comment, f"what is missing: {first.system_comment}")
    equal(stage(server, version), "None", "with one approval")
    # Anything that changes makes what was said void: here another gate.
    alice.post(f"models/{MODEL}/versions/{version}/gate", {"checks": [{"kind": "floor", "metric": "accuracy", "min": 0.8}]})
    registry(server, "carol").approve_transition_request(MODEL, version, "Production", True)
    equal(stage(server, version), "None", "the first approval was of another gate")
    registry(server, "bob").approve_transition_request(MODEL, version, "Production", True)
    equal(stage(server, version), "Production", "with two")
    equal(stage(server, 1), "Archived", "what held the stage")


def test_reject_and_delete(server):
    alice = api(server, "alice")
    version = str(harness.register(alice, MODEL, ONNX, {"accuracy": 0.9}))
    mine = registry(server, "alice")
    mine.create_transition_request(MODEL, version, "Production")
    rejected = registry(server, "bob").reject_transition_request(MODEL, version, "Production", comment="no card").activity
    equal(rejected.activity_type.value, "REJECTED_REQUEST", "activity")
    raises(NotFound, lambda: registry(server, "carol").approve_transition_request(MODEL, version, "Production", True))
    mine.create_transition_request(MODEL, version, "Production")
    raises(DatabricksError, lambda: registry(server, "bob").delete_transition_request(MODEL, version, "Production", "alice"))
    gone = mine.delete_transition_request(MODEL, version, "Production", "alice", comment="later").activity
    equal(gone.activity_type.value, "CANCELLED_REQUEST", "activity")
    states = [item["state"] for item in alice.get(f"models/{MODEL}/requests?version={version}")["items"]]
    equal(sorted(states), ["cancelled", "rejected"], "what became of them")


def test_unprotected_stages_and_stages_of_its_own(server):
    alice = api(server, "alice")
    version = str(harness.register(alice, MODEL, ONNX, {"accuracy": 0.9}))
    mine = registry(server, "alice")
    equal(mine.transition_stage(MODEL, version, "Staging", False).model_version_databricks.current_stage, "Staging", "stage")
    raises(DatabricksError, lambda: mine.transition_stage(MODEL, version, "QA", False), "QA")
    boss(server).post(f"models/{MODEL}/stages", {"stage": "QA"})
    equal(mine.transition_stage(MODEL, version, "qa", False).model_version_databricks.current_stage, "QA", "own stage")


def test_comments(server):
    mine = registry(server, "alice")
    comment = mine.create_comment(MODEL, "1", "why 0.75?").comment
    equal((comment.comment, comment.user_id), ("why 0.75?", "alice"), "comment")
    raises(PermissionDenied, lambda: registry(server, "bob").update_comment(comment.id, "x"))
    equal(mine.update_comment(comment.id, "why 0.8?").comment.comment, "why 0.8?", "changed")
    mine.delete_comment(comment.id)
    raises(NotFound, lambda: mine.delete_comment(comment.id))


def test_model_and_rights(server):
    model = registry(server, "alice").get_model(MODEL).registered_model_databricks
    equal((model.name, model.permission_level.value), (MODEL, "CAN_EDIT"), "model")
    true(any(v.current_stage == "Production" for v in model.latest_versions), "latest versions")
    token(server, "rita", "read")
    raises(PermissionDenied, lambda: registry(server, "rita").create_transition_request(MODEL, "1", "Archived"))
    raises(NotFound, lambda: registry(server, "rita").get_model("none"))


EVENT = RegistryWebhookEvent
SECRET, AUTHORIZATION = "whsec-2", "Bearer for-the-receiver"


def told(headers, body):
    """The payload, once its signature holds."""
    equal(headers["X-Databricks-Signature"], hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest(), "signature")
    equal(headers["Authorization"], AUTHORIZATION, "authorization")
    return json.loads(body)


def spec(receiver, path, **more):
    return HttpUrlSpec(url=receiver.url + path, secret=SECRET, authorization=AUTHORIZATION, **more)


def test_registry_webhooks(server):
    """Of a model and of the registry: made, tested, told, listed, changed, deleted; others' clients see none of it."""
    receiver = Receiver()
    mia, mine = registry(server, "mia", "manage"), registry(server, "alice")
    try:
        hook = mia.create_webhook([EVENT.COMMENT_CREATED, EVENT.TRANSITION_REQUEST_CREATED, EVENT.MODEL_VERSION_TRANSITIONED_STAGE,
                                   EVENT.MODEL_VERSION_TRANSITIONED_TO_STAGING, EVENT.MODEL_VERSION_TAG_SET],
                                  model_name=MODEL, description="ci", http_url_spec=spec(receiver, "/model"),
                                  status=RegistryWebhookStatus.TEST_MODE).webhook
        equal((hook.model_name, hook.description, hook.status, hook.http_url_spec.url, hook.http_url_spec.enable_ssl_verification),
              (MODEL, "ci", RegistryWebhookStatus.TEST_MODE, receiver.url + "/model", True), "webhook")
        equal(set(hook.events), {EVENT.COMMENT_CREATED, EVENT.TRANSITION_REQUEST_CREATED, EVENT.MODEL_VERSION_TRANSITIONED_STAGE,
                                 EVENT.MODEL_VERSION_TRANSITIONED_TO_STAGING, EVENT.MODEL_VERSION_TAG_SET}, "events")
        mine.create_comment(MODEL, "1", "before it is active")
        got = mia.test_registry_webhook(hook.id, event=EVENT.MODEL_VERSION_TRANSITIONED_TO_STAGING)
        equal((got.status_code, got.body), (200, "taken"), "test")
        equal(told(*receiver.at("/model")[0])["event"], "MODEL_VERSION_TRANSITIONED_TO_STAGING", "example")
        hook = mia.update_webhook(hook.id, status=RegistryWebhookStatus.ACTIVE).webhook
        equal((hook.status, hook.description, len(hook.events)), (RegistryWebhookStatus.ACTIVE, "ci", 5), "after the update")
        wide = mia.create_webhook([EVENT.REGISTERED_MODEL_CREATED, EVENT.MODEL_VERSION_CREATED], http_url_spec=spec(receiver, "/wide")).webhook
        equal((wide.model_name, wide.status), (None, RegistryWebhookStatus.ACTIVE), "of the registry")

        alice = api(server, "alice")
        version = str(harness.register(alice, MODEL, ONNX, {"accuracy": 0.9}))
        harness.register(alice, "elsewhere", ONNX)
        mine.create_comment("elsewhere", "1", "not for the model's webhook")
        mine.create_comment(MODEL, version, "looks good")
        mine.transition_stage(MODEL, version, "Staging", True)
        mine.create_transition_request(MODEL, version, "Production", comment="ready")
        alice.post(harness.MLFLOW + "model-versions/set-tag", {"name": MODEL, "version": version, "key": "k", "value": "v"})
        # The last one moved whoever was in Staging, too.
        last = until("all of the model", lambda: [one for one in (told(*one) for one in receiver.at("/model"))
                                                  if one["event"] == "MODEL_VERSION_TAG_SET"], 20, server)
        equal((last[0]["version"], last[0]["tags"]), (version, [{"key": "k", "value": "v"}]), "tag")
        events = [told(*one) for one in receiver.at("/model")][1:]
        true(all(one["model_name"] == MODEL and one["webhook_id"] == hook.id and one["event_timestamp"] > 1.7e12 and one["text"]
                 for one in events), f"what all have: {events}")
        of_it = [(one["event"], one.get("comment") or one.get("to_stage")) for one in events if one["version"] == version]
        equal(of_it, [("COMMENT_CREATED", "looks good"), ("MODEL_VERSION_TRANSITIONED_TO_STAGING", "Staging"),
                      ("TRANSITION_REQUEST_CREATED", "Production"), ("MODEL_VERSION_TAG_SET", None)], "each once, by its most particular name")
        moved = next(one for one in events if one["event"].endswith("TO_STAGING"))
        equal((moved["from_stage"], moved["version"]), ("None", version), "transition")
        asked = next(one for one in events if one["event"].startswith("TRANSITION_REQUEST"))
        equal(asked["from_stage"], "Staging", "request")
        wide_events = [told(*one) for one in arrived(receiver, "/wide", 3, server)]
        equal([(one["event"], one["model_name"], one.get("version")) for one in wide_events],
              [("MODEL_VERSION_CREATED", MODEL, version), ("REGISTERED_MODEL_CREATED", "elsewhere", None),
               ("MODEL_VERSION_CREATED", "elsewhere", "1")], "of the registry")

        equal({one.id for one in mia.list_webhooks(max_results=1)}, {hook.id, wide.id}, "by pages")
        equal([one.id for one in mia.list_webhooks(model_name=MODEL)], [hook.id], "of a model")
        equal([one.id for one in mia.list_webhooks(events=[EVENT.REGISTERED_MODEL_CREATED, EVENT.TRANSITION_REQUEST_TO_STAGING_CREATED])],
              [wide.id], "by events")
        equal([one.id for one in mia.list_webhooks(events=[EVENT.TRANSITION_REQUEST_TO_STAGING_CREATED])], [], "by an event of nobody")

        plain = api(server, "mia")
        equal(plain.get(harness.MLFLOW + "webhooks").get("webhooks", []), [], "what MLflow's clients see")
        harness.refused(plain, "GET", harness.MLFLOW + f"webhooks/{hook.id}", status=404)
        rows = {row["uid"]: row for row in plain.items("webhooks")}
        equal((rows[hook.id]["form"], rows[hook.id]["model_name"], rows[hook.id]["has_credentials"]), ("databricks", MODEL, True), "native")
        true("databricks" in server.cli("webhook", "list", token=plain.token), "the form in the CLI's list")
        seen = [json.dumps([list(rows.values()), plain.items(f"webhooks/{hook.id}/deliveries"), plain.items("ledger")]), server.log.read_text(),
                json.dumps([one.as_dict() for one in mia.list_webhooks()])]
        true(not any(secret in text for text in seen for secret in (SECRET, "for-the-receiver")), "secrets stay inside")

        mia.delete_webhook(hook.id)
        mia.delete_webhook(wide.id)
        raises(NotFound, lambda: mia.test_registry_webhook(hook.id))
        equal(list(mia.list_webhooks()), [], "nothing is left")
    finally:
        receiver.close()


def test_registry_webhooks_that_are_refused(server):
    receiver = Receiver()
    mia, mine = registry(server, "mia", "manage"), registry(server, "alice")
    http = spec(receiver, "/refused")
    try:
        comments = [EVENT.COMMENT_CREATED]
        for who in (mine, registry(server, "rita", "read")):
            raises(PermissionDenied, lambda who=who: who.create_webhook(comments, model_name=MODEL, http_url_spec=http))
            raises(PermissionDenied, lambda who=who: who.create_webhook(comments, http_url_spec=http))
            raises(PermissionDenied, lambda who=who: list(who.list_webhooks()))
        raises(NotFound, lambda: mia.create_webhook(comments, model_name="none", http_url_spec=http))
        raises(NotFound, lambda: list(mia.list_webhooks(model_name="none")))
        raises(BadRequest, lambda: mia.create_webhook(comments, job_spec=JobSpec(job_id="1", access_token="t")), "job")
        raises(BadRequest, lambda: mia.create_webhook(comments), "http_url_spec")
        raises(BadRequest, lambda: mia.create_webhook([], http_url_spec=http), "event")
        raises(BadRequest, lambda: mia.create_webhook(comments, http_url_spec=spec(receiver, "/x", enable_ssl_verification=False)), "verif")
        raises(BadRequest, lambda: mia.create_webhook([EVENT.REGISTERED_MODEL_CREATED], model_name=MODEL, http_url_spec=http), "registry")
        raises(BadRequest, lambda: mia.create_webhook(comments, http_url_spec=HttpUrlSpec(url="ftp://x.example/")), "scheme")
        raises(BadRequest, lambda: mia.create_webhook(comments, http_url_spec=HttpUrlSpec(url=receiver.url, authorization="a\r\nX: y")), "line")
        path = harness.MLFLOW + "registry-webhooks/"
        bad = {"events": ["COMMENT_CREATED"], "http_url_spec": {"url": receiver.url}}
        for change in ({"events": ["NEW_COMMENT"]}, {"events": "COMMENT_CREATED "}, {"events": [1]}, {"http_url_spec": "x"}, {"status": "ON"},
                       {"http_url_spec": {"url": 7}}, {"description": 7}, {"model_name": 7}):
            harness.refused(api(server, "mia"), "POST", path + "create", {**bad, **change})
        hook = mia.create_webhook(comments, http_url_spec=http).webhook
        raises(PermissionDenied, lambda: mine.update_webhook(hook.id, description="mine"))
        raises(PermissionDenied, lambda: mine.delete_webhook(hook.id))
        raises(BadRequest, lambda: mia.update_webhook(hook.id, http_url_spec=HttpUrlSpec(url="https://elsewhere.example/")), "authorization")
        raises(BadRequest, lambda: mia.update_webhook(hook.id, job_spec=JobSpec(job_id="1", access_token="t")), "job")
        receiver.status["/refused"] = 500
        equal(mia.test_registry_webhook(hook.id).status_code, 500, "what the receiver says is an answer")
        equal([one.id for one in mia.list_webhooks()], [hook.id], "nothing else was made")
        mia.delete_webhook(hook.id)
    finally:
        receiver.close()


if __name__ == "__main__":
    harness.run(globals(), ["--auth", *LOOPBACK])
