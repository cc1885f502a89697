"""MLflow's own server and ours get the same requests (api/exchanges/*.yaml); their answers, normalised, are the same.

What differs says why beside the request. --record DIR keeps both servers' answers; arguments name files of api/exchanges.
"""
import argparse
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402
from dev import common, served, setup  # noqa: E402

import yaml  # noqa: E402

SCENARIOS = harness.ROOT / "api" / "exchanges"
START_SECONDS = 120
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
TIMES = re.compile(r"(_time|_timestamp|timestamp|_timestamp_ms|_time_ms)$")
UNORDERED = {"tags", "params", "metrics", "aliases", "latest_versions", "dataset_inputs", "dataset_summaries"}


class Mlflow:
    """MLflow's server on SQLite with one worker and proxied artifacts."""

    def __init__(self, folder):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self.url, self.log = f"http://127.0.0.1:{port}", folder / "mlflow.log"
        env = {**os.environ, "PYTHONPATH": str(setup.packages("pip_mlflow_server")), "MLFLOW_DISABLE_TELEMETRY": "true",
               "DO_NOT_TRACK": "true"}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [common.venv_python(), "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
                 "--artifacts-destination", str(folder / "artifacts"), "--host", "127.0.0.1", "--port", str(port),
                 "--workers", "1"], stdout=log, stderr=log, env=env, start_new_session=True, cwd=folder)
        served.until("MLflow to answer", self.answers, seconds=START_SECONDS)

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"MLflow's server ended:\n{self.log.read_text()[-3000:]}")
        try:
            return served.Api(self.url, timeout=5).send("GET", "/version", check=False).status == 200
        except OSError:
            return False

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def next_millisecond():
    """Lists are ordered by times in milliseconds: no two requests share one, or either order would be right."""
    now = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 == now:
        pass


class Side:
    """One server, and the values that its answers gave to names."""

    def __init__(self, name, url):
        self.name, self.api, self.kept = name, served.Api(url), {}

    def put_in(self, value):
        if isinstance(value, str):
            return re.sub(r"\$([a-z]+)", lambda m: self.kept.get(m[1], m[0]), value)
        if isinstance(value, list):
            return [self.put_in(item) for item in value]
        if isinstance(value, dict):
            return {key: self.put_in(item) for key, item in value.items()}
        return value

    def send(self, step):
        next_millisecond()
        method, path = self.put_in(step["line"]).split(" ", 1)
        if path.startswith("3.0/"):
            path = "/api/" + path
        elif not path.startswith("/"):
            path = "/api/2.0/mlflow/" + path
        body, headers = None, {}
        if "raw" in step:
            body = step["raw"].encode()
        elif step["body"] is not None:
            body = json.dumps(self.put_in(step["body"])).encode()
        if method in ("POST", "PUT", "PATCH", "DELETE"):
            headers["Content-Type"] = "application/json"
        headers |= step.get("headers", {})
        reply = self.api.send(method, path, body, {k: v for k, v in headers.items() if v}, check=False)
        try:
            answer = json.loads(reply.body)
        except ValueError:
            answer = reply.body.decode("utf-8", "replace")
        for name, at in step.get("keep", {}).items():
            value = answer
            for key in at.split("."):
                value = value[key]
            self.kept[name] = value
        return reply.status, answer

    def plain(self, answer):
        """What is left when times, tokens and the server's own ids are taken out."""
        text = json.dumps(answer)
        for name, value in sorted(self.kept.items(), key=lambda item: -len(item[1])):
            if len(value) > 4:  # A run, a model; numbers of experiments are the same on both sides.
                text = text.replace(value, "$" + name)
        return settled(json.loads(text))


def rank(item):
    """What to sort by: everything but aliases, which only one side may tell."""
    bare = {k: v for k, v in item.items() if k != "aliases"} if isinstance(item, dict) else item
    return json.dumps(bare, sort_keys=True)


def settled(value, key="", top=True):
    if isinstance(value, dict):
        return {k: settled(v, "" if top and k == "metrics" else k, False) for k, v in sorted(value.items())}  # A history has an order.
    if isinstance(value, list):
        items = [settled(item, key, False) for item in value]
        return sorted(items, key=rank) if key in UNORDERED else items
    if key == "next_page_token":
        return "<token>"
    if TIMES.search(key) and isinstance(value, int) and value > 1_750_000_000_000:
        return "<time>"
    if isinstance(value, float) and value != value:
        return "NaN"  # A bare NaN of Python's json; ours is the text that the protocol's own messages have.
    return value


def without_extra_aliases(ours, theirs):
    """Here versions tell their aliases in every list; MLflow only where one version or the latest ones are asked for."""
    if isinstance(ours, list) and isinstance(theirs, list):
        for one, other in zip(ours, theirs):
            without_extra_aliases(one, other)
    elif isinstance(ours, dict) and isinstance(theirs, dict):
        if "current_stage" in ours and "aliases" not in theirs:
            ours.pop("aliases", None)
        for key in ours.keys() & theirs.keys():
            without_extra_aliases(ours[key], theirs[key])


def steps_of(file):
    for item in yaml.safe_load(file.read_text()):
        item = {item: None} if isinstance(item, str) else dict(item)
        line = next(key for key in item if key.split(" ")[0] in METHODS)
        body = item.pop(line)
        yield {"line": line, "body": body, **item}


def differences(a, b, at="answer"):
    """(where, one, other) of what is not the same."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(a.keys() | b.keys()):
            yield from differences(a.get(key, "(absent)"), b.get(key, "(absent)"), f"{at}.{key}")
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (one, other) in enumerate(zip(a, b)):
            yield from differences(one, other, f"{at}[{i}]")
    elif a != b:
        yield at, a, b


def shown(value):
    return json.dumps(value, sort_keys=True, ensure_ascii=False)[:700]


def replay(file, sides, record):
    """Returns (steps, differences that say why, lines about those that don't)."""
    wrong, told, count, kept = [], 0, 0, []
    for step in steps_of(file):
        count += 1
        got = [(status, side.plain(answer)) for side in sides for status, answer in [side.send(step)]]
        kept.append({"request": step["line"], "body": step["body"], **{s.name: list(g) for s, g in zip(sides, got)}})
        if key := step.get("unordered"):
            for _, answer in got:
                answer[key] = sorted(answer[key], key=rank)
        without_extra_aliases(got[0][1], got[1][1])
        same, why = got[0] == got[1], step.get("differs")
        told += 0 if same else 1
        if same == bool(why):
            body = "" if step["body"] is None else json.dumps(step["body"], ensure_ascii=False)
            head = f"{file.name}: {step['line']} {body}{step.get('raw', '')}"[:600]
            if same:
                wrong.append(f"{head}\n    no longer differs, though it should ({why})")
            else:
                (one, a), (other, b) = got
                lines = [("status", one, other)] if one != other else []
                for where, x, y in lines + list(differences(a, b))[:5]:
                    head += f"\n    {where}\n      {sides[0].name:8} {shown(x)}\n      {sides[1].name:8} {shown(y)}"
                wrong.append(head)
    if record:
        (record / f"{file.stem}.json").write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    return count, told, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", type=pathlib.Path)
    parser.add_argument("files", nargs="*", help="names without .yaml; all when none is named")
    args = parser.parse_args()
    files = sorted(SCENARIOS.glob("*.yaml"))
    if args.files:
        files = [f for f in files if f.stem in args.files]
    if args.record:
        args.record.mkdir(parents=True, exist_ok=True)
    failed = 0
    for file in files:  # Each on empty servers, so that files don't depend on one another.
        with tempfile.TemporaryDirectory(prefix="slipway-exchanges-") as folder:
            root, begun = pathlib.Path(folder), time.monotonic()
            ours, theirs = harness.Server(harness.BINARY, root / "data"), Mlflow(root)
            try:
                sides = [Side("slipway", ours.start().url), Side("mlflow", theirs.url)]
                count, told, wrong = replay(file, sides, args.record)
                print(f"{'FAIL' if wrong else 'ok  '} {file.stem}: {count} requests, {told} answers differ,"
                      f" {len(wrong)} without a reason; {time.monotonic() - begun:.1f} s", flush=True)
                for line in wrong:
                    print("  " + line, flush=True)
                failed += len(wrong)
                harness.equal(ours.stop(), 0, "exit status after SIGTERM")
            finally:
                ours.kill()
                theirs.stop()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
