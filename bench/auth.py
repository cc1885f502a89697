"""./dev bench auth [--requests N] [--seconds S]: what authentication adds to a request, in instructions.

The same requests go to the release build under valgrind's callgrind, without authentication and with a bearer token (and
with a password, as MLflow's clients send it). A figure is the difference between a run of N + WARM requests and one of
WARM, divided by N: starting, stopping and the first look at a credential cancel out. Seconds lie under an emulator and
on a busy machine; instructions don't. Needs valgrind. JSON goes to bench/results/auth.json; wanted: at most 5 % more.
"""
import argparse
import base64
import json
import os
import pathlib
import re
import select
import shutil
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from dev import common, served  # noqa: E402

WORK = common.BUILD / "bench-auth"
WARM = 100
TARGET = 1.05
USER, PASSWORD = "admin", "a password of the bench"


class Counted(served.Server):
    def command(self):
        return ["valgrind", "--tool=callgrind", f"--callgrind-out-file={self.data}.out", *super().command()]


def calls(run_id):
    step = iter(range(1 << 30))
    return {
        "log_metric": lambda: ("POST", "/api/2.0/mlflow/runs/log-metric",
                               {"run_id": run_id, "key": "loss", "value": 0.5, "timestamp": 1, "step": next(step)}),
        "get_run": lambda: ("GET", f"/api/2.0/mlflow/runs/get?run_id={run_id}", None),
        "get_model": lambda: ("GET", "/api/2.0/mlflow/registered-models/get?name=m", None),
    }


def count(name, mode, requests, seconds):
    """Instructions of a life of so many seconds of a server that answers so many requests."""
    data = WORK / f"{name}-{mode}-{requests}"
    shutil.rmtree(data, ignore_errors=True)
    auth = [] if mode == "none" else ["--auth"]
    env = {} if mode == "none" else {"SLIPWAY_ADMIN_USER": USER, "SLIPWAY_ADMIN_PASSWORD": PASSWORD}
    binary = os.environ.get("SLIPWAY_BINARY") or str(common.BUILD / "release" / "slipway")
    server = Counted(binary, data, auth, env=env).start()
    begun = time.monotonic()
    try:
        basic = {"Authorization": "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}
        headers, api = {}, server.api()
        if mode != "none":
            token = json.loads(api.send("POST", "tokens", {"principal": "bench", "role": "manage"}, basic).body)["token"]
            headers = basic if mode == "password" else {"Authorization": f"Bearer {token}"}
        made = json.loads(api.send("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": "0", "start_time": 1}, headers).body)
        api.send("POST", "/api/2.0/mlflow/registered-models/create", {"name": "m"}, headers)
        call = calls(made["run"]["info"]["run_id"])[name]
        for _ in range(requests):
            api.send(*call(), headers)
        rest = begun + seconds - time.monotonic()
        if rest < 0:
            raise common.Failed(f"{requests} requests took longer than {seconds:.0f} s: use --seconds")
        select.select([], [], [], rest)
        server.stop()
    finally:
        server.kill()
    return int(re.search(r"^summary: (\d+)", pathlib.Path(f"{data}.out").read_text(), re.M)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=30)
    args = parser.parse_args()
    if not shutil.which("valgrind"):
        raise common.Failed("valgrind is not installed; it counts the instructions")
    WORK.mkdir(parents=True, exist_ok=True)
    rows, missed = {}, []
    for name in calls(""):
        each = {}
        for mode in ("none", "token", "password"):
            each[mode] = (count(name, mode, WARM + args.requests, args.seconds)
                          - count(name, mode, WARM, args.seconds)) / args.requests
        rows[name] = {"instructions": each, "token_ratio": each["token"] / each["none"],
                      "password_ratio": each["password"] / each["none"]}
        worst = max(rows[name]["token_ratio"], rows[name]["password_ratio"])
        missed += [name] if worst > TARGET else []
        print(f"{name:12} {each['none']:10.0f} instructions; with a token {rows[name]['token_ratio']:.3f}x, "
              f"with a password {rows[name]['password_ratio']:.3f}x  (want <= {TARGET}x: {'MISSED' if name in missed else 'met'})")
    results = ROOT / "bench" / "results"
    (results / "auth.json").write_text(json.dumps({"requests": args.requests, "rows": rows}, indent=1) + "\n")
    print(f"missed: {', '.join(missed) or 'none'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
