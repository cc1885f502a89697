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


def main():
    failed = 0
    with tempfile.TemporaryDirectory(prefix="slipway-auth-") as root:
        server = harness.Server(harness.BINARY, pathlib.Path(root) / "data", ["--auth"],
                                env={"SLIPWAY_ADMIN_USER": ADMIN, "SLIPWAY_ADMIN_PASSWORD": PASSWORD})
        try:
            mlflow.set_tracking_uri(server.start().url)
            auth, client = AuthServiceClient(server.url), MlflowClient(server.url)
            for name, test in [(key, value) for key, value in globals().items() if key.startswith("test_")]:
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
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
