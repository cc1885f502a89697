"""The server as a process: ready line, the pages outside the API, one server a directory, clean end, restart."""
import os
import pathlib
import socket
import subprocess
import urllib.parse

import harness
from harness import equal, true


def test_ready_line_and_health(server):
    true(server.ready["http"].startswith("http://127.0.0.1:"), f"ready line {server.ready}")
    equal(pathlib.Path(server.ready["data"]).resolve(), server.data.resolve(), "data of the ready line")
    api = server.api()
    reply = api.send("GET", "/health")
    equal((reply.status, reply.body), (200, b"OK"), "/health")
    equal(api.send("GET", "/version").body.strip(), b"3.17.2", "/version")
    true(b"# TYPE" in api.send("GET", "/metrics").body, "/metrics is Prometheus text")
    equal(api.send("GET", "/", headers={"Accept": "application/json"}).json(), {"status": "alive"}, "/")


def test_status_and_openapi(server):
    api = server.api()
    status = api.get("status")
    kind = "postgres" if os.environ.get("SLIPWAY_DB", "").startswith("postgres") else "sqlite"
    equal((status["db"], status["auth"]), (kind, False), "status")
    paths = api.send("GET", "/openapi.json").json()["paths"]
    for path in ("/api/slipway/v1/models/{name}", "/api/slipway/v1/ledger", "/health"):
        true(path in paths, f"{path} is in /openapi.json")
    equal(api.get("whoami")["principal"], "local", "principal without credentials on loopback")


def test_bad_requests_have_reasons(server):
    api = server.api()
    harness.refused(api, "GET", "/no/such/page", status=404)
    harness.refused(api, "GET", "models/none", status=404)
    reply = api.send("POST", "tokens", b"{not json", {"Content-Type": "application/json"}, check=False)
    equal(reply.status, 400, "malformed JSON")
    true(reply.json()["code"], "a stable reason")
    equal(api.send("GET", "/health").status, 200, "the server lives on")


def test_clients_that_hang_up_harm_nobody(server):
    parts = urllib.parse.urlsplit(server.url)
    requests = [b"GET /api/slipway/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n",
                b"GET /api/slipway/v1/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 0\r\n\r\n",
                b"POST /api/slipway/v1/datasets/x/versions?format=csv HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\na,b"]
    for index in range(300):
        with socket.create_connection((parts.hostname, parts.port)) as link:
            link.sendall(requests[index % len(requests)])
    equal(server.api().send("GET", "/health").status, 200, "the server lives on")


def test_second_server_on_the_directory_is_refused(server):
    other = subprocess.run(server.command(), capture_output=True, text=True, timeout=20, check=False)
    true(other.returncode not in (0, None), "a second server on the same directory must not start")
    true(str(server.data.name) in other.stderr or "in use" in other.stderr or "lock" in other.stderr,
         f"it says why: {other.stderr}")


def test_port_in_use_is_said(server):
    taken = {"--port": server.url.rpartition(":")[2], "--grpc-port": server.ready["grpc"].rpartition(":")[2]}
    for flag, port in taken.items():
        ports = [word for pair in {"--port": "0", "--grpc-port": "0", flag: port}.items() for word in pair]
        command = [str(server.binary), "serve", "--data-dir", str(server.data) + "-2", *ports]
        other = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        true(other.returncode != 0 and port in other.stderr, f"{flag}: names the port: {other.stderr}")


def test_other_addresses_need_auth(server):
    command = [str(server.binary), "serve", "--data-dir", str(server.data) + "-3", "--host", "0.0.0.0", "--port", "0",
               "--grpc-port", "0", "--no-auth"]
    other = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    true(other.returncode != 0, "a bind beyond loopback without authentication must not start")


def test_below_a_prefix(server):
    other = harness.Server(harness.BINARY, str(server.data) + "-4", ["--static-prefix", "/team/slipway"])
    try:
        api = other.start().api()
        for path in ("/health", "/team/slipway/health"):
            equal((api.send("GET", path).status, api.send("GET", path).body), (200, b"OK"), path)
        made = api.send("POST", "/team/slipway/api/2.0/mlflow/experiments/create", b'{"name": "below"}',
                        {"Content-Type": "application/json"}).json()
        got = api.send("GET", f"/ajax-api/2.0/mlflow/experiments/get?experiment_id={made['experiment_id']}").json()
        equal(got["experiment"]["name"], "below", "both ways lead to one server")
        page = api.send("GET", "/team/slipway/p/models", headers={"Accept": "text/html"}).body
        true(b'<base href="/team/slipway/"' in page, "the console finds its own prefix")
        harness.refused(api, "GET", "/team/slipwayhealth", status=404)
        equal(other.stop(), 0, "exit status after SIGTERM")
    finally:
        other.kill()
    bad = subprocess.run([*server.command(), "--static-prefix", "team/"], capture_output=True, text=True, timeout=20, check=False)
    true(bad.returncode == 2 and "such as /team/slipway" in bad.stderr, f"a bad prefix is named: {bad.stderr}")


def test_stop_and_start_again(server):
    harness.register(server.api(), "kept", harness.linear_classifier([[-1, 0], [1, 0]]))
    equal(server.stop(), 0, "exit status after SIGTERM")
    server.start()
    equal(server.api().get("models/kept")["latest_version"], 1, "what was written is there")


if __name__ == "__main__":
    harness.run(globals())
