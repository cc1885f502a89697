"""The data and the requests of ./dev bench tracking: what both servers hold, and what both are asked.

Cardinalities follow the seed of mlflow-rs's benches: 40 experiments, 20,000 runs with four metrics of 100 points and
five parameters each, 500 registered models with 5,000 versions of which 30 % are prompts. Everything comes from one
seed. MLflow's tables are filled by SQL (its REST would take an hour), Slipway's through its REST.
"""
import json
import random
import sqlite3
import struct

BASE_MS = 1_700_000_000_000
METRICS, PARAMS, CURVE_POINTS = 4, 5, 50_000
MODELS, VERSIONS, PROMPT_SHARE, EXPERIMENTS = 500, 5_000, 0.30, 40
BATCH = 1_000  # Metrics of one log-batch: the protocol's limit.


class Data:
    """What is stored, as plain rows; `run(i)` gives run i's rows so that nothing large is kept."""

    def __init__(self, runs, history, seed=42):
        self.runs, self.history, self.seed = runs, history, seed

    def run(self, i):
        rng = random.Random(self.seed * 1_000_003 + i)
        level = [rng.random() for _ in range(METRICS)]
        points = [(f"m{k}", round(level[k] + rng.random() / (s + 1), 6), BASE_MS + i * 1000 + s, s)
                  for k in range(METRICS) for s in range(self.history)]
        params = [(f"p{k}", str(rng.randrange(20))) for k in range(PARAMS)]
        return {"experiment": i % EXPERIMENTS, "start_ms": BASE_MS + i * 1000, "user": f"user{rng.randrange(8)}",
                "name": f"run-{i}", "points": points, "params": params}

    def curve(self):
        rng = random.Random(self.seed)
        return [("curve", round(1 / (1 + s / 500) + rng.random() / 100, 6), BASE_MS + s, s) for s in range(CURVE_POINTS)]

    def versions(self):
        """(model name, number, is prompt) of every version."""
        rng = random.Random(self.seed + 1)
        prompts = int(MODELS * PROMPT_SHARE)
        counts = [0] * MODELS
        for i in range(VERSIONS):
            m = i if i < MODELS else rng.randrange(MODELS)
            counts[m] += 1
            yield m, counts[m], m < prompts


def model_name(m):
    return f"model-{m}"


def source(m):
    return f"s3://models/{model_name(m)}"


# ---- MLflow's tables

def fill_mlflow(database, data, artifacts):
    """Fills a store that MLflow made; returns (experiment ids, run ids)."""
    ids = random.Random(data.seed + 2)
    run_ids = [f"{ids.getrandbits(128):032x}" for _ in range(data.runs)]
    with sqlite3.connect(database) as db:
        db.execute("PRAGMA synchronous=OFF")
        db.executemany("INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time,"
                       " last_update_time) VALUES (?, ?, ?, 'active', ?, ?)",
                       [(e + 1, f"experiment-{e}", f"{artifacts}/{e + 1}", BASE_MS, BASE_MS) for e in range(EXPERIMENTS)])
        for i, run_id in enumerate(run_ids):
            r = data.run(i)
            db.execute("INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status,"
                       " start_time, end_time, source_version, lifecycle_stage, artifact_uri, experiment_id) VALUES"
                       " (?, ?, 'UNKNOWN', '', '', ?, 'FINISHED', ?, ?, '', 'active', ?, ?)",
                       (run_id, r["name"], r["user"], r["start_ms"], r["start_ms"] + 900,
                        f"{artifacts}/{r['experiment'] + 1}/{run_id}/artifacts", r["experiment"] + 1))
            fill_metrics(db, run_id, r["points"])
            db.executemany("INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)",
                           [(k, v, run_id) for k, v in r["params"]])
            db.execute("INSERT INTO tags (key, value, run_uuid) VALUES ('mlflow.runName', ?, ?)", (r["name"], run_id))
        fill_metrics(db, run_ids[0], data.curve())
        fill_models(db, data)
    return [str(e + 1) for e in range(EXPERIMENTS)], run_ids


def fill_metrics(db, run_id, points):
    db.executemany("INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, 0)",
                   [(k, v, t, run_id, s) for k, v, t, s in points])
    latest = {}
    for k, v, t, s in points:
        if k not in latest or (s, t, v) > latest[k]:
            latest[k] = (s, t, v)
    db.executemany("INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, ?, ?, 0, ?)",
                   [(k, v, t, s, run_id) for k, (s, t, v) in latest.items()])


def fill_models(db, data):
    seen = set()
    for m, number, prompt in data.versions():
        name = model_name(m)
        if m not in seen:
            seen.add(m)
            db.execute("INSERT INTO registered_models (name, creation_time, last_updated_time) VALUES (?, ?, ?)",
                       (name, BASE_MS + m, BASE_MS + m))
            if prompt:
                db.execute("INSERT INTO registered_model_tags (key, value, name) VALUES ('mlflow.prompt.is_prompt', 'true', ?)",
                           (name,))
        db.execute("INSERT INTO model_versions (name, version, creation_time, last_updated_time, current_stage, source,"
                   " status) VALUES (?, ?, ?, ?, 'None', ?, 'READY')",
                   (name, number, BASE_MS + m, BASE_MS + m, source(m)))


# ---- requests

def raw(host, method, path, body=None, content_type="application/json", headers=()):
    """One request as bytes, behind its length."""
    text = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers)
    if body is not None:
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        text += f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    whole = text.encode() + b"\r\n" + (body or b"")
    return struct.pack("<I", len(whole)) + whole


def metric(point):
    return {"key": point[0], "value": point[1], "timestamp": point[2], "step": point[3]}


def log_batches(host, run_id, points, params=()):
    for at in range(0, len(points), BATCH):
        yield raw(host, "POST", "/api/2.0/mlflow/runs/log-batch", {
            "run_id": run_id, "metrics": [metric(p) for p in points[at:at + BATCH]],
            "params": [{"key": k, "value": v} for k, v in params] if at == 0 else []})


class Side:
    """One server: where it is and what it calls the same things."""

    def __init__(self, name, host, experiments, runs):
        self.name, self.host, self.experiments, self.runs = name, host, experiments, runs
        self.step = 1_000_000  # Counts up, so that no point is ever logged twice.

    def log_metric(self, rng, count):
        for _ in range(count):
            self.step += 1
            yield raw(self.host, "POST", "/api/2.0/mlflow/runs/log-metric", {
                "run_id": rng.choice(self.runs), "key": "m0", "value": round(rng.random(), 6),
                "timestamp": BASE_MS + self.step, "step": self.step})

    def log_batch(self, rng, count):
        for _ in range(count):
            points = []
            for i in range(BATCH):
                self.step += 1
                points.append((f"b{i % 10}", round(rng.random(), 6), BASE_MS + self.step, self.step))
            yield from log_batches(self.host, rng.choice(self.runs), points)

    def search(self, rng, count):
        for _ in range(count):
            yield raw(self.host, "POST", "/api/2.0/mlflow/runs/search", {
                "experiment_ids": self.experiments, "max_results": 100, "run_view_type": "ACTIVE_ONLY",
                "filter": f"metrics.m{rng.randrange(METRICS)} < {rng.choice([0.02, 0.05, 0.1, 0.3, 0.6]):g}"})

    def search_page(self, token):
        return {"experiment_ids": self.experiments, "max_results": 100, "run_view_type": "ACTIVE_ONLY",
                **({"page_token": token} if token else {})}

    def deep_page(self, token, count):
        for _ in range(count):
            yield raw(self.host, "POST", "/api/2.0/mlflow/runs/search", self.search_page(token))

    def history(self, count):
        for _ in range(count):
            yield raw(self.host, "GET", f"/api/2.0/mlflow/metrics/get-history?run_id={self.runs[0]}&metric_key=curve")

    def create_run(self, rng, count):
        for _ in range(count):
            yield raw(self.host, "POST", "/api/2.0/mlflow/runs/create", {
                "experiment_id": rng.choice(self.experiments), "start_time": BASE_MS, "user_id": "bench",
                "run_name": f"new-{rng.getrandbits(40):x}", "tags": [{"key": "mlflow.source.name", "value": "train.py"}]})

    def registry_get(self, rng, count):
        for _ in range(count):
            yield raw(self.host, "GET", f"/api/2.0/mlflow/registered-models/get?name={model_name(rng.randrange(MODELS))}")

    def registry_search(self, count):
        for _ in range(count):
            yield raw(self.host, "GET", "/api/2.0/mlflow/registered-models/search?max_results=100")

    def spans(self, rng, count, per_post=100, per_trace=4):
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
        from opentelemetry.proto.trace.v1.trace_pb2 import Span
        for _ in range(count):
            message = ExportTraceServiceRequest()
            scope = message.resource_spans.add().scope_spans.add()
            for i in range(per_post):
                if i % per_trace == 0:
                    trace_id, parent = rng.randbytes(16), b""
                span = scope.spans.add(trace_id=trace_id, span_id=rng.randbytes(8), parent_span_id=parent,
                                       name=f"step-{i % per_trace}", kind=Span.SPAN_KIND_INTERNAL,
                                       start_time_unix_nano=(BASE_MS + i) * 1_000_000,
                                       end_time_unix_nano=(BASE_MS + i + 5) * 1_000_000)
                parent = parent or span.span_id
                for key, value in (("mlflow.spanType", '"CHAIN"'), ("mlflow.spanInputs", '{"question": "why?"}')):
                    span.attributes.add(key=key).value.string_value = value
            yield raw(self.host, "POST", "/v1/traces", message.SerializeToString(), "application/x-protobuf",
                      [("x-mlflow-experiment-id", self.experiments[0])])
