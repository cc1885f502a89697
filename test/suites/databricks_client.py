"""Unmodified databricks-sdk against the real server: request, refuse one's own approval, approve, transition, comments."""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402
from harness import equal, true  # noqa: E402

for variable in [name for name in os.environ if name.startswith(("MLFLOW_", "DATABRICKS_"))]:
    del os.environ[variable]
os.environ["DATABRICKS_CONFIG_FILE"] = os.devnull

from databricks.sdk import WorkspaceClient  # noqa: E402
from databricks.sdk.core import Config  # noqa: E402
from databricks.sdk.errors import DatabricksError, NotFound, PermissionDenied, ResourceAlreadyExists  # noqa: E402

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


def registry(server, who):
    """The SDK as this person, with nothing but host and token set."""
    config = Config(host=server.url, token=token(server, who), auth_type="pat", retry_timeout_seconds=1)
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


if __name__ == "__main__":
    harness.run(globals(), ["--auth"])
