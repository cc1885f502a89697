"""MLflow 3.17.2's own AuthServiceClient and MlflowClient with Basic credentials against our server with --auth.

Users, passwords, administrators, grants on single objects, roles, workspaces, what a user without a grant sees, and refusals.
"""
import contextlib
import os
import pathlib
import sys
import tempfile
import time
import traceback
import types
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402
from harness import equal, true  # noqa: E402
from dev import setup  # noqa: E402

sys.path.append(str(setup.packages("pip_mlflow_server")))  # The client's module stands among the server's.
for variable in [name for name in os.environ if name.startswith("MLFLOW_")]:
    del os.environ[variable]
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "1"

import mlflow  # noqa: E402
import requests  # noqa: E402
from mlflow import MlflowClient  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402

# The package's own __init__ is the whole basic-auth app and wants CSRF libraries; the client needs none of it.
package = types.ModuleType("mlflow.server.auth")
package.__path__ = [str(pathlib.Path(mlflow.__file__).parent / "server" / "auth")]
sys.modules["mlflow.server.auth"] = package
from mlflow.server.auth.client import AuthServiceClient  # noqa: E402

ADMIN, PASSWORD = "admin", "a password of the suite"


@contextlib.contextmanager
def user(name, password=PASSWORD):
    old = {key: os.environ.get(key) for key in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")}
    os.environ.update(MLFLOW_TRACKING_USERNAME=name, MLFLOW_TRACKING_PASSWORD=password)
    try:
        yield
    finally:
        for key, value in old.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value


def raises(call, code):
    try:
        call()
    except MlflowException as error:
        equal(error.error_code, code, "error code")
        return
    raise AssertionError(f"nothing was raised, {code} expected")


def people(auth, *names):
    with user(ADMIN):
        for name in names:
            auth.create_user(name, PASSWORD)


def test_nobody_and_wrong_passwords(auth, client):
    raises(client.search_experiments, "UNAUTHENTICATED")
    with user(ADMIN, "a wrong password"):
        raises(client.search_experiments, "UNAUTHENTICATED")
    with user(ADMIN):
        true(client.search_experiments(), "the administrator is let in")


def test_users(auth, client):
    people(auth, "una")
    with user(ADMIN):
        equal(auth.get_user("una").is_admin, False, "an administrator by default")
        raises(lambda: auth.create_user("una", PASSWORD), "RESOURCE_ALREADY_EXISTS")
        raises(lambda: auth.create_user("short", "short"), "INVALID_PARAMETER_VALUE")
        raises(lambda: auth.get_user("none"), "RESOURCE_DOES_NOT_EXIST")
    with user("una"):
        raises(lambda: auth.create_user("x", PASSWORD), "PERMISSION_DENIED")
        raises(lambda: auth.update_user_admin("una", True), "PERMISSION_DENIED")
        auth.update_user_password("una", "another long password", PASSWORD)
        raises(client.search_experiments, "UNAUTHENTICATED")
    with user("una", "another long password"):
        client.search_experiments()
    with user(ADMIN):
        auth.update_user_admin("una", True)
        equal(auth.get_user("una").is_admin, True, "an administrator now")
        auth.delete_user("una")
        raises(lambda: auth.get_user("una"), "RESOURCE_DOES_NOT_EXIST")
    with user("una", "another long password"):
        raises(client.search_experiments, "UNAUTHENTICATED")


def test_grants_on_one_experiment(auth, client):
    people(auth, "owner", "guest")
    with user("owner"):
        hidden, open_to_guest = client.create_experiment("hidden"), client.create_experiment("open")
        run = client.create_run(open_to_guest).info.run_id
        auth.grant_user_permission("guest", "experiment", hidden, "DENY")
    with user("guest"):
        names = {e.name for e in client.search_experiments()}
        true("open" in names and "hidden" not in names, f"what the guest sees: {names}")
        raises(lambda: client.get_experiment(hidden), "PERMISSION_DENIED")
        raises(lambda: client.log_metric(run, "m", 1), "PERMISSION_DENIED")
        equal([r.info.run_id for r in client.search_runs([open_to_guest, hidden])], [run], "runs that may be read")
    with user("owner"):
        auth.grant_user_permission("guest", "experiment", open_to_guest, "EDIT")
    with user(ADMIN):
        equal(auth.get_user_permission("guest", "experiment", open_to_guest).permission, "EDIT", "as it was granted")
    with user("guest"):
        client.log_metric(run, "m", 1)
        raises(lambda: auth.grant_user_permission("guest", "experiment", open_to_guest, "MANAGE"), "PERMISSION_DENIED")
        raises(lambda: auth.grant_user_permission("owner", "experiment", open_to_guest, "READ"), "PERMISSION_DENIED")
    with user("owner"):
        auth.revoke_user_permission("guest", "experiment", open_to_guest)
    with user("guest"):
        raises(lambda: client.log_metric(run, "m", 2), "PERMISSION_DENIED")


def test_grants_on_one_model(auth, client):
    people(auth, "maker", "looker")
    with user("maker"):
        client.create_registered_model("secret")
        client.create_registered_model("shown")
        auth.grant_user_permission("looker", "registered_model", "secret", "DENY")
    with user("looker"):
        names = {m.name for m in client.search_registered_models()}
        true("shown" in names and "secret" not in names, f"what the looker sees: {names}")
        raises(lambda: client.set_registered_model_tag("shown", "k", "v"), "PERMISSION_DENIED")
        raises(lambda: client.delete_registered_model("secret"), "PERMISSION_DENIED")
    with user("maker"):
        client.set_registered_model_tag("shown", "k", "v")
        client.delete_registered_model("secret")


LISTED = 7
READABLE = (0, 2, 3, 6)


def start_trace(client, experiment, name):
    trace_id = f"tr-{uuid.uuid4().hex}"
    answer = requests.post(f"{client.tracking_uri}/api/3.0/mlflow/traces", timeout=30, json={"trace": {"trace_info": {
        "trace_id": trace_id, "request_time": "2026-01-02T03:04:05.006Z", "state": "OK",
        "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}},
        "tags": {"mlflow.traceName": name}}}}, auth=(os.environ["MLFLOW_TRACKING_USERNAME"], PASSWORD))
    equal(answer.status_code, 200, f"a trace is taken: {answer.text}")
    return trace_id


def fill(client, prefix):
    """Per number an experiment with a run, a logged model and a trace, and a registered model with a version."""
    experiments = [client.create_experiment(f"{prefix}-{i}") for i in range(LISTED)]
    for i, experiment in enumerate(experiments):
        run = client.create_run(experiment, run_name=f"{prefix}-{i}")
        client.create_logged_model(experiment, name=f"{prefix}-{i}")
        start_trace(client, experiment, f"{prefix}-{i}")
        client.create_registered_model(f"{prefix}-{i}")
        client.create_model_version(f"{prefix}-{i}", run.info.artifact_uri, run.info.run_id,
                                    await_creation_for=None)
    return experiments


def seen(client, prefix, experiments, readable=range(LISTED)):
    """What each list shows of it, two a page; a page that is not the last must be full. A search of traces names its
    experiments, and one that may not be read refuses it."""
    places = [experiments[i] for i in readable]
    if len(places) < LISTED:
        raises(lambda: client.search_traces(locations=experiments, include_spans=False), "PERMISSION_DENIED")
    lists = {
        "experiments": lambda token: client.search_experiments(
            filter_string=f"name LIKE '{prefix}-%'", max_results=2, page_token=token, order_by=["name"]),
        "runs": lambda token: client.search_runs(experiments, max_results=2, page_token=token),
        "logged models": lambda token: client.search_logged_models(experiments, max_results=2, page_token=token),
        "traces": lambda token: client.search_traces(locations=places, max_results=2, page_token=token,
                                                     include_spans=False),
        "registered models": lambda token: client.search_registered_models(f"name LIKE '{prefix}-%'", 2, page_token=token),
        "model versions": lambda token: client.search_model_versions(f"name LIKE '{prefix}-%'", 2, page_token=token),
    }
    if not places:
        del lists["traces"]
    out = {}
    for name, page_at in lists.items():
        pages, token = [], None
        while not pages or token:
            page = page_at(token)
            pages.append([name_of(item) for item in page])
            token = page.token
        if name == "traces" and len(pages) > 1 and not pages[-1]:
            pages.pop()  # MLflow gives a token with each full page of traces.
        true(all(len(page) == 2 for page in pages[:-1]) and (len(pages) == 1 or pages[-1]), f"{name}: pages {pages}")
        out[name] = sorted(item for page in pages for item in page)
    return out


def name_of(item):
    info = getattr(item, "info", item)
    tags = getattr(info, "tags", None)
    if isinstance(tags, dict) and "mlflow.traceName" in tags:
        return tags["mlflow.traceName"]
    return getattr(info, "run_name", None) or info.name


def test_lists_leave_out_what_is_denied(auth, client):
    people(auth, "lister", "reader")
    with user("lister"):
        experiments = fill(client, "list")
        for i in set(range(LISTED)) - set(READABLE):
            auth.grant_user_permission("reader", "experiment", experiments[i], "DENY")
            auth.grant_user_permission("reader", "registered_model", f"list-{i}", "DENY")
        for name, items in seen(client, "list", experiments).items():
            equal(items, [f"list-{i}" for i in range(LISTED)], f"the owner's {name}")
    with user("reader"):
        for name, items in seen(client, "list", experiments, READABLE).items():
            equal(items, [f"list-{i}" for i in READABLE], f"{name} that may be read")


def test_lists_of_who_is_denied_everything(auth, client):
    people(auth, "filler", "outcast")
    with user("filler"):
        experiments = fill(client, "full")
    with user(ADMIN):
        role = auth.create_role("default", "nothing at all", "")
        auth.add_role_permission(role.id, "experiment", "*", "DENY")
        auth.add_role_permission(role.id, "registered_model", "*", "DENY")
        auth.assign_role("outcast", role.id)
    with user("outcast"):
        for name, items in seen(client, "full", experiments, ()).items():
            equal(items, [], f"{name} of who may read none")


def test_lists_where_members_may_read_nothing(auth, client):
    people(auth, "keeper", "stranger")
    with user("keeper"):
        experiments = fill(client, "kept")
        for i in READABLE:
            auth.grant_user_permission("stranger", "experiment", experiments[i], "READ")
            auth.grant_user_permission("stranger", "registered_model", f"kept-{i}", "READ")
    with user("stranger"):
        for name, items in seen(client, "kept", experiments, READABLE).items():
            equal(items, [f"kept-{i}" for i in READABLE], f"{name} that were granted")
        raises(lambda: client.get_experiment(experiments[1]), "PERMISSION_DENIED")


def test_what_lies_below_a_prefix_is_guarded_alike(auth, client):
    people(auth, "owner", "other")
    with user("owner"):
        experiment = client.create_experiment("below a prefix")
        run_id = client.create_run(experiment).info.run_id
        client.log_text(run_id, "kept", "a/b.txt")
        equal(mlflow.artifacts.load_text(client.get_run(run_id).info.artifact_uri + "/a/b.txt"), "kept", "artifacts below a prefix")
    base = mlflow.get_tracking_uri()
    for name, status in (("owner", 200), ("other", 403)):
        for path, query in ((f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run_id}/artifacts/a/b.txt", {}),
                            ("/ajax-api/2.0/mlflow/runs/get", {"run_id": run_id}),
                            ("/get-artifact", {"run_id": run_id, "path": "a/b.txt"})):
            equal(requests.get(base + path, params=query, auth=(name, PASSWORD), timeout=20).status_code, status, f"{name}: {path}")
    equal(requests.get(base + "/health", timeout=20).status_code, 200, "health is open to all")
    equal(requests.get(base + "x/health", timeout=20).status_code, 404, "another path is none of ours")


def test_traces_are_read_and_the_run_edited_to_link_them(auth, client):
    people(auth, "tracer", "linker")
    with user("tracer"):
        of_run, of_traces = client.create_experiment("of the run"), client.create_experiment("of the traces")
        run = client.create_run(of_run).info.run_id
        trace_id = start_trace(client, of_traces, "linked")
        auth.grant_user_permission("linker", "experiment", of_traces, "DENY")
    with user("linker"):
        raises(lambda: client.link_traces_to_run([trace_id], run), "PERMISSION_DENIED")
    with user("tracer"):
        auth.grant_user_permission("linker", "experiment", of_run, "EDIT")
    with user("linker"):
        raises(lambda: client.link_traces_to_run([trace_id], run), "PERMISSION_DENIED")
    with user("tracer"):
        auth.revoke_user_permission("linker", "experiment", of_traces)  # What members may do is left: to read.
    with user("linker"):
        client.link_traces_to_run([trace_id], run)


def test_an_empty_id_shows_no_right_to_a_source(auth, client):
    people(auth, "holder", "taker")
    with user("holder"):
        source = client.create_run(client.create_experiment("of the source")).info.artifact_uri
    with user("taker"):
        client.create_registered_model("taken")
        answer = requests.post(f"{client.tracking_uri}/api/2.0/mlflow/model-versions/create", timeout=30,
                               json={"name": "taken", "source": source, "run_id": ""}, auth=("taker", PASSWORD))
        equal((answer.status_code, answer.json()["error_code"]), (403, "PERMISSION_DENIED"), "a source without its run")


def test_roles(auth, client):
    people(auth, "member", "boss")
    with user(ADMIN):
        experiment = client.create_experiment("of a role")
        role = auth.create_role("default", "loggers", "may log")
        raises(lambda: auth.create_role("default", "loggers"), "RESOURCE_ALREADY_EXISTS")
        permission = auth.add_role_permission(role.id, "experiment", experiment, "EDIT")
        auth.assign_role("member", role.id)
        equal([r.name for r in auth.list_user_roles("member") if r.name == "loggers"], ["loggers"], "the member's role")
        equal([p.permission for p in auth.list_role_permissions(role.id)], ["EDIT"], "what it grants")
    with user("member"):
        run = client.create_run(experiment).info.run_id
        raises(lambda: auth.create_role("default", "mine"), "PERMISSION_DENIED")
    with user(ADMIN):
        auth.update_role_permission(permission.id, "READ")
    with user("member"):
        client.get_run(run)
        raises(lambda: client.create_run(experiment), "PERMISSION_DENIED")
    with user(ADMIN):
        auth.update_role(role.id, name="readers")
        equal(auth.get_role(role.id).name, "readers", "its new name")
        auth.unassign_role("member", role.id)
        auth.delete_role(role.id)
        raises(lambda: auth.get_role(role.id), "RESOURCE_DOES_NOT_EXIST")


def test_workspaces(auth, client):
    people(auth, "outsider")
    with user(ADMIN):
        mlflow.set_workspace("default")
        client.create_workspace("team-a", description="of the suite")
        true("team-a" in {w.name for w in client.list_workspaces()}, "it is listed")
        mlflow.set_workspace("team-a")
        client.create_experiment("of team a")
        equal({e.name for e in client.search_experiments()} & {"of team a", "hidden"}, {"of team a"}, "its own alone")
        mlflow.set_workspace("default")
    with user("outsider"):
        true("team-a" not in {w.name for w in client.list_workspaces()}, "whoever is no member doesn't see it")


# By the server's own options, in the order in which servers start; every other test runs on the first.
SERVERS = (
    ("read", lambda name: not ("members_may_read_nothing" in name or "below_a_prefix" in name)),
    ("no_permissions", lambda name: "members_may_read_nothing" in name or "below_a_prefix" in name),
)
PREFIX = {"read": "", "no_permissions": "/team/slipway"}  # Below which clients reach the server.


def run(root, default_permission, tests):
    """How many failed."""
    failed = 0
    server = harness.Server(harness.BINARY, pathlib.Path(root) / default_permission,
                            ["--auth", "--default-permission", default_permission,
                             *(["--static-prefix", PREFIX[default_permission]] if PREFIX[default_permission] else [])],
                            env={"SLIPWAY_ADMIN_USER": ADMIN, "SLIPWAY_ADMIN_PASSWORD": PASSWORD})
    try:
        url = server.start().url + PREFIX[default_permission]
        mlflow.set_tracking_uri(url)
        auth, client = AuthServiceClient(url), MlflowClient(url)
        for name, test in tests:
            begun = time.monotonic()
            try:
                test(auth, client)
                print(f"ok   {name} {time.monotonic() - begun:.2f} s", flush=True)
            except Exception:  # pylint: disable=broad-except
                failed += 1
                print(f"FAIL {name}\n{traceback.format_exc()}", flush=True)
        if failed:
            print(f"the server's log:\n{server.tail(40)}")
        equal(server.stop(), 0, "exit status after SIGTERM")
    finally:
        server.kill()
    return failed


def main():
    tests = [(key, value) for key, value in globals().items() if key.startswith("test_")]
    with tempfile.TemporaryDirectory(prefix="slipway-auth-") as root:
        failed = sum(run(root, permission, [t for t in tests if belongs(t[0])]) for permission, belongs in SERVERS)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
