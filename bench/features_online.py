"""./dev bench features_online [--pairs N] [--seconds S] [--entities N] [--skip-feast]: features as they are served.

Fifty features of five views, a million entities; one request names a service and one entity (batch 1) or a hundred.
Our server is on core 0 with one I/O thread, the load on core 1; the peer is Feast's own feature server (one uvicorn
worker, as `feast serve` starts it, over its SQLite store). Closed loop for the rate, then an open loop at half of it,
whose latencies count from the moment each request was due. Pushes of one row are timed from the request to a reading
that shows it. JSON goes to bench/results/features_online.json.
"""
import argparse
import json
import os
import pathlib
import platform
import random
import statistics
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "bench" / "features"), str(ROOT)]
import online  # noqa: E402
from bench import http as load  # noqa: E402
from dev import common, served, setup  # noqa: E402

FEAST_ENTITIES = 5_000
TARGETS = {"requests_per_s": 60_000, "ratio": 200, "p99_us": {1: 300, 100: 2_500}, "push_visible_ms": 5}


def request(ids, features=None):
    """For ours by service, for Feast by names: it has no service of that name."""
    body = {"entities": {"id": ids}, **({"features": features} if features else {"feature_service": "bench"})}
    return {"method": "POST", "path": "/get-online-features", "body": json.dumps(body)}


def fill(api, folder, entities):
    sys.path.append(str(setup.packages("pip_features")))
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    api.post("features:apply", {"yaml": online.definitions()})
    ids = np.arange(entities)
    stamp = pa.array([datetime.now(timezone.utc) - timedelta(minutes=5)] * 1, pa.timestamp("us", "UTC"))
    since = time.monotonic()
    for view, features in online.views():
        columns = {"id": pa.array(ids), **{f: pa.array(online.value(ids, k)) for k, f in enumerate(features)}}
        columns["event_timestamp"] = pa.chunked_array([stamp.take(pa.array(np.zeros(entities, np.int64)))])
        path = folder / f"{view}.parquet"
        pq.write_table(pa.table(columns), path)
        reply = api.send("POST", f"feature-sources/{view}_rows/files?format=parquet", path.read_bytes(),
                         {"Content-Type": "application/octet-stream"}).json()
        assert reply["rows"] == entities, reply
        path.unlink()
    return online.VIEWS * entities / (time.monotonic() - since)


def check(api, entity):
    reply = api.send("POST", "/get-online-features", {"entities": {"id": [entity]}, "feature_service": "bench"}).json()
    got = dict(zip(reply["metadata"]["feature_names"], (r["values"][0] for r in reply["results"])))
    for _, features in online.views():
        for k, feature in enumerate(features):
            assert got[feature] == online.value(entity, k), (feature, got[feature])


def push_visible_ms(api, n):
    out = []
    view, features = online.views()[0]
    for i in range(n):
        row = {"id": i, "event_timestamp": datetime.now(timezone.utc).isoformat(), **{f: float(i + 1) for f in features}}
        since = time.monotonic()
        api.post(f"feature-sources/{view}_rows/rows", {"rows": [row]})
        reply = api.send("POST", "/get-online-features", {"entities": {"id": [i]}, "features": [f"{view}:{features[0]}"]}).json()
        out.append((time.monotonic() - since) * 1e3)
        assert reply["results"][-1]["values"][0] == float(i + 1), reply
    return sorted(out)


def measure(args, folder, tools):
    env = {"SLIPWAY_HTTP_THREADS": "1"}
    ours = load.Pinned([os.environ["SLIPWAY_BINARY"], "serve", "--data-dir", folder / "data", "--port", "0", "--grpc-port", "0"], env)
    feast = None
    try:
        api = served.Api(ours.url, timeout=600)
        rate = fill(api, folder, args.entities)
        common.say(f"{online.VIEWS} x {args.entities:,} rows loaded and online: {rate:,.0f} rows/s")
        check(api, args.entities // 2)
        servers = {"slipway": (ours, request([args.entities // 3]))}
        if not args.skip_feast:
            feast = load.Pinned([common.venv_python(), ROOT / "bench/features/feast_server.py", folder, FEAST_ENTITIES],
                                {"PYTHONPATH": str(setup.packages("pip_features"))})
            servers["feast"] = (feast, request([FEAST_ENTITIES // 3], online.names()))
        rates = load.rounds("batch 1", servers, args.pairs, args.seconds)
        out = {"materialize_rows_per_s": rate, "batch_1": load.summary("features", rates)}
        dice = random.Random(1)
        for batch, share in ((1, 0.5), (100, 0.5)):
            ids = [dice.randrange(args.entities) for _ in range(batch)]
            one = request(ids)
            peak = rates["slipway"] if batch == 1 else [load.wrk(ours, args.seconds, one)]
            half = statistics.median(r for r, _ in peak) * share
            out[f"open_loop_{batch}"] = load.open_loop(tools["openloop"], ours.url, half, args.seconds, one)
        pushes = push_visible_ms(api, 200)
        out["push_visible_ms"] = {"p50": pushes[100], "p99": pushes[198]}
        out["resident_bytes_per_entity"] = resident(ours) / args.entities
        return out
    finally:
        ours.stop()
        if feast:
            feast.stop()


def resident(server):
    text = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) * 1024


def tell(out):
    for batch in (1, 100):
        f = out[f"open_loop_{batch}"]
        common.say(f"batch {batch}, open loop at {f['rate']:,.0f}/s: p50 {f['p50_us']:.0f} us, p99 {f['p99_us']:.0f} us "
                   f"(target {TARGETS['p99_us'][batch]}), p99.9 {f['p999_us']:.0f} us")
    p = out["push_visible_ms"]
    common.say(f"push to visible: p50 {p['p50']:.2f} ms, p99 {p['p99']:.2f} ms (target {TARGETS['push_visible_ms']})")
    common.say(f"memory: {out['resident_bytes_per_entity']:,.0f} bytes an entity of {online.VIEWS} views")


def main():
    parser = argparse.ArgumentParser(prog="./dev bench features_online")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--entities", type=int, default=1_000_000)
    parser.add_argument("--skip-feast", action="store_true")
    args = parser.parse_args()
    setup.ensure(["bench"])
    load.come_first()
    load.TARGETS[("features", "feast")] = TARGETS["ratio"]
    tools = {"openloop": load.compile_tool("openloop")}
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as folder:
        out = measure(args, pathlib.Path(folder), tools)
    tell(out)
    median = out["batch_1"]["requests_per_s"]["slipway"]["median"]
    common.say(f"batch 1: {median:,.0f} requests/s on one core (target {TARGETS['requests_per_s']:,})")
    result = {"bench": "features_online", "machine": {"cpus": os.cpu_count(), "kernel": platform.release()},
              "entities": args.entities, "pairs": args.pairs, "seconds": args.seconds,
              "git": common.output(["git", "rev-parse", "--short", "HEAD"]).strip(), **out}
    file = ROOT / "bench" / "results" / "features_online.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(result, indent=1) + "\n")
    common.say(f"kept: {file.relative_to(ROOT)}")
    met = median >= TARGETS["requests_per_s"] and all(out[f"open_loop_{b}"]["p99_us"] <= t for b, t in TARGETS["p99_us"].items())
    return 0 if met else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except common.Failed as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(1)
