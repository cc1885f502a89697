"""Every store test of every domain, then every smoke of the server, on PostgreSQL: a private cluster from the
distribution's binaries, a socket in its own folder, no port. The cluster sorts text as English people do, so that a column
that forgot COLLATE "C" shows.

`postgres.py [FILTER]`: only the store tests that a GoogleTest filter names.
"""
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
sys.path.insert(0, str(ROOT / "test" / "e2e"))
from dev import build  # noqa: E402
from harness import BINARY, Server, equal, true, until  # noqa: E402

SKIPPED = 77
TOPIC = """
kind: Source
name: txn
columns: {user_id: int64, amount: float64}
event_time: ts
kafka: {brokers: "127.0.0.1:1", topic: payments}
"""
PUSHED = """
kind: Source
name: pushed
columns: {user_id: int64, amount: float64}
event_time: ts
"""


def binaries():
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return found[-1].parent if found else None


def as_server_user():
    """PostgreSQL refuses to run as root: what to put before a command, and who then runs it."""
    if os.geteuid() != 0:
        return [], os.geteuid(), os.getegid()
    user = pwd.getpwnam("postgres")
    return ["runuser", "-u", "postgres", "--"], user.pw_uid, user.pw_gid


def start(bin_dir, folder):
    prefix, uid, gid = as_server_user()
    os.chown(folder, uid, gid)
    data = folder / "data"
    subprocess.run([*prefix, bin_dir / "initdb", "-D", data, "-U", "slipway", "-A", "trust", "-E", "UTF8", "--no-sync",
                    "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"],
                   check=True, stdout=subprocess.DEVNULL, cwd="/")
    server = subprocess.Popen([*prefix, bin_dir / "postgres", "-D", data, "-c", "listen_addresses=", "-c", "fsync=off",
                               "-c", f"unix_socket_directories={folder}", "-c", "log_min_messages=panic"],
                              cwd="/", stderr=subprocess.DEVNULL)
    until = time.monotonic() + 30
    while subprocess.run([bin_dir / "pg_isready", "-q", "-h", folder], check=False).returncode:
        if server.poll() is not None or time.monotonic() > until:
            raise SystemExit("PostgreSQL did not start")
        time.sleep(0.05)
    return server, data


def stop(server, data):
    try:  # runuser doesn't pass signals on: ask the postmaster itself.
        os.kill(int((data / "postmaster.pid").read_text().split()[0]), signal.SIGINT)
    except (OSError, ValueError):
        server.terminate()
    server.wait(timeout=30)


def store_tests(tests, folder, chosen):
    env = {**os.environ, "SLIPWAY_TEST_PG": f"postgresql:///postgres?host={folder}&user=slipway"}
    done = subprocess.run([tests, f"--gtest_filter={chosen}"], env=env, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, errors="replace")
    ran = re.search(r"(\d+) tests? from (\d+) test suites? ran", done.stdout)
    print(done.stdout if done.returncode or not ran else ran.group(0), flush=True)
    return done.returncode == 0 and bool(ran) and int(ran.group(1)) > 0


def smokes(bin_dir, folder):
    """Each on a database of its own; the server reads SLIPWAY_DB. Kept data directories are SQLite's by nature."""
    good = True
    for file in sorted(set((ROOT / "test/e2e").glob("smoke_*.py")) - {ROOT / "test/e2e/smoke_datadir.py"}):
        subprocess.run([bin_dir / "createdb", "-h", folder, "-U", "slipway", file.stem], check=True)
        url = f"postgresql:///{file.stem}?host={folder}&user=slipway"
        done = subprocess.run([sys.executable, file], env={**os.environ, "SLIPWAY_DB": url}, text=True, errors="replace",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        steps = subprocess.run([bin_dir / "psql", "-qAt", "-h", folder, "-U", "slipway", "-d", file.stem, "-c",
                                "SELECT count(*) FROM schema_step"], text=True, stdout=subprocess.PIPE)
        used = steps.stdout.strip() not in ("", "0")
        print(f"{file.name}: {'ok' if done.returncode == 0 and used else 'FAILED'}", flush=True)
        if done.returncode or not used:
            print(done.stdout, "" if used else "the server did not use the database", flush=True)
            good = False
    return good


def two_servers(bin_dir, folder):
    """With a data directory each: what one takes the other doesn't find, so it says whose it is, and refuses. No broker answers."""
    subprocess.run([bin_dir / "createdb", "-h", folder, "-U", "slipway", "two_servers"], check=True)
    env = {"SLIPWAY_DB": f"postgresql:///two_servers?host={folder}&user=slipway"}
    with tempfile.TemporaryDirectory(prefix="slip-two-") as root:
        one, two = (Server(BINARY, pathlib.Path(root) / name, env=env) for name in ("one", "two"))

        def stream(server, word):
            """The stream once its error has this word."""
            return until(f"{word} at {server.data.name}", lambda: (s := server.api().get("feature-streams/txn"))
                         and word in s["error"] and s, 20)

        try:
            one.start().api().post("features:apply", {"yaml": TOPIC})
            true("another server" not in stream(one, "127.0.0.1")["error"], "the first reads it")
            refused = stream(two.start(), "another server")
            equal(refused["state"], "waiting", "the second waits")
            true(str(one.data) in refused["error"], f"whose it is: {refused['error']}")
            one.stop()
            one.start()
            stream(one, "127.0.0.1")
            one.api().post("features:apply", {"yaml": PUSHED})
            rows = {"rows": [{"user_id": 1, "amount": 2.5, "ts": "2026-01-01T00:00:00Z"}]}
            one.api().post("feature-sources/pushed/rows", rows)
            until("definitions to arrive", lambda: two.api().refused("POST", "feature-sources/pushed/rows", rows).status != 404, 20)
            for path, body in (("feature-sources/pushed/rows", rows), ("feature-streams/txn/reset", {"to": "earliest"}),
                               ("features:apply", {"yaml": PUSHED}), ("features:erase", {"keys": {"user_id": 1}})):
                no = two.api().refused("POST", path, body)
                true(no is not None and (no.status, no.code) == (409, "feature.history_owner"), f"{path} at the second: {no}")
                true(str(one.data) in str(no), f"whose it is: {no}")
            equal([m["name"] for m in two.api().items("experiments")], [m["name"] for m in one.api().items("experiments")],
                  "all else is served by both")
            # Handed over by hand, by the name that the refusal has.
            uid = (one.data / "features" / "server").read_text()
            true(uid.encode() in no.body, f"whom to name: {no.body}")
            two.stop()
            two.args += ["--take-features-from", uid]
            two.start()
            stream(two, "another server")  # Topics are handed over one by one.
            two.api().post("feature-streams/txn/reset", {"to": "earliest"})
            stream(two, "127.0.0.1")
            stream(one, str(two.data))
            two.api().post("feature-sources/pushed/rows", rows)
            until("the first to refuse", lambda: one.api().refused("POST", "feature-sources/pushed/rows", rows), 20)
            print("two servers on one database: ok", flush=True)
            return True
        except Exception as error:  # pylint: disable=broad-except — told, and the rest goes on
            print(f"two servers on one database: FAILED: {error}\n{one.tail(15)}\n{two.tail(15)}", flush=True)
            return False
        finally:
            one.kill()
            two.kill()


def main():
    bin_dir = binaries()
    if not bin_dir:
        print("no PostgreSQL server here: ./dev setup --services")
        return SKIPPED
    preset = pathlib.Path(os.environ.get("SLIPWAY_BINARY", ROOT / "build/dev/slipway")).parent.name
    tests = build.build(preset, ["slip_tests", "slipway"]) / "slip_tests"
    folder = pathlib.Path(tempfile.mkdtemp(prefix="slip-pg-"))
    server, data = start(bin_dir, folder)
    try:
        if len(sys.argv) > 1:
            return 0 if store_tests(tests, folder, sys.argv[1]) else 1
        stored = store_tests(tests, folder, "Db/*postgres")
        shared = two_servers(bin_dir, folder)
        return 0 if smokes(bin_dir, folder) and stored and shared else 1
    finally:
        stop(server, data)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
