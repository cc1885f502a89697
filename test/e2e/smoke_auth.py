"""Authentication: nothing without credentials, roles are kept, a token is shown once and can be used by both schemes."""
import base64

import harness
from harness import equal, true


def admin(server):
    return server.api((server.data / "bootstrap-token").read_text().strip())


def test_nobody_gets_in(server):
    api = server.api()
    for method, path in (("GET", "models"), ("GET", "ledger"), ("POST", "tokens"), ("GET", "/metrics"),
                         ("GET", harness.MLFLOW + "experiments/get?experiment_id=0"),
                         ("POST", "/v2/models/none/infer")):
        harness.refused(api, method, path, {} if method == "POST" else None, status=401)
    equal(api.send("GET", "/health").status, 200, "/health is public")


def test_bootstrap_token_is_private(server):
    equal((server.data / "bootstrap-token").stat().st_mode & 0o777, 0o600, "mode of the bootstrap token")
    equal(admin(server).get("whoami")["roles"][0], "manage", "its role")


def test_roles(server):
    boss = admin(server)
    tokens = {role: boss.post("tokens", {"principal": f"p-{role}", "role": role})["token"] for role in ("read", "edit")}
    true(tokens["read"].startswith("slp_"), "form of a token")
    reader, editor = server.api(tokens["read"]), server.api(tokens["edit"])
    equal(reader.get("whoami")["principal"], "p-read", "who a token is")
    equal(reader.get("models")["items"], [], "a reader reads")
    harness.refused(reader, "POST", harness.MLFLOW + "registered-models/create", {"name": "m"}, status=403)
    harness.refused(editor, "POST", "tokens", {"principal": "x", "role": "manage"}, status=403)
    editor.post(harness.MLFLOW + "registered-models/create", {"name": "m"})
    equal([item["name"] for item in reader.get("models")["items"]], ["m"], "what the editor made")


def test_basic_and_garbage(server):
    token = (server.data / "bootstrap-token").read_text().strip()
    api = server.api()
    basic = base64.b64encode(f"anyone:{token}".encode()).decode()
    equal(api.send("GET", "models", headers={"Authorization": f"Basic {basic}"}).status, 200, "Basic with a token")
    for value in ("Bearer slp_wrong", "Bearer", "Basic !!!", "Digest x", f"Bearer {token}x"):
        equal(api.send("GET", "models", headers={"Authorization": value}, check=False).status, 401, value)


def test_what_concerns_all_projects_is_the_administrators(server):
    boss = admin(server)
    harness.refused(boss, "POST", "features:rebuild-online", {}, status=400, code="feature.rebuild")
    one = server.api(boss.post("tokens", {"principal": "p-manage", "role": "manage", "project": "default"})["token"])
    equal(one.get("whoami")["roles"][0], "manage", "it manages its project")
    harness.refused(one, "POST", "features:erase", {"keys": {}}, status=400)
    harness.refused(one, "POST", "features:rebuild-online", {}, status=403, code="auth.forbidden")


if __name__ == "__main__":
    harness.run(globals(), ["--auth"])
