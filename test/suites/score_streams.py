"""A topic of a real Kafka is scored into another: each record's answer is there exactly once, whatever is killed; what is no record
is a dead letter; the scores have the bits of the same model asked online, with its features looked up for both.
"""
import argparse
import json
import pathlib
import random
import signal
import sys
import tempfile
import time
import warnings

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402
from harness import equal, refused, true  # noqa: E402
from dev import setup  # noqa: E402
from dev.served import Server, until  # noqa: E402

import _kafka_broker  # noqa: E402

_kafka_broker.need_java()
sys.path.insert(0, str(setup.packages("pip_kafka")))
sys.path.append(str(setup.packages("pip_trees")))
from confluent_kafka import Consumer, Producer, TopicPartition  # noqa: E402
from confluent_kafka.admin import AdminClient, NewTopic  # noqa: E402
import lightgbm  # noqa: E402
import numpy as np  # noqa: E402

PARTITIONS, USERS, WAIT = 3, 50, 120
POISON = [b"no json", b'{"user_id": "x", "amount": 1}', b"\xff\xfe", b"[1]", b'{"amount": 2.5}', b'{"user_id": 1.5, "amount": 1}']
DEFINITIONS = """
kind: Source
name: account
columns: {user_id: int64, limit: float64, age: int64}
event_time: ts
---
kind: FeatureView
name: accounts
entity: {user_id: int64}
source: account
features: [limit, age]
---
kind: FeatureService
name: risk
features: ["accounts:*"]
"""


def make_topics(broker, *names):
    admin = AdminClient({"bootstrap.servers": broker.address})
    for future in admin.create_topics([NewTopic(n, PARTITIONS, 1) for n in names]).values():
        future.result(60)


def committed(broker, topic, count=None):
    """All committed records; with `count`, waits for so many."""
    reader = Consumer({"bootstrap.servers": broker.address, "group.id": "test", "enable.auto.commit": False,
                       "isolation.level": "read_committed", "enable.partition.eof": True})
    out, ended, until_s = [], set(), time.monotonic() + WAIT
    reader.assign([TopicPartition(topic, p, 0) for p in range(PARTITIONS)])
    while time.monotonic() < until_s:
        m = reader.poll(0.5)
        if m is None:
            continue
        if m.error():
            ended.add(m.partition())
            if count is None and len(ended) == PARTITIONS:
                break
            continue
        out.append(m)
        if count is not None and len(out) >= count:
            break
    reader.close()
    return out


def fill(root, server):
    dice = np.random.default_rng(1)
    x = np.column_stack([dice.gamma(2, 30, 1000), dice.random(1000) * 500, dice.integers(18, 90, 1000)])
    model = lightgbm.train({"verbosity": -1, "num_leaves": 15, "deterministic": True},
                           lightgbm.Dataset(x, x[:, 0] / (x[:, 1] + 1), feature_name=["amount", "limit", "age"]), 20)
    api = server.api()
    api.post("features:apply", {"yaml": DEFINITIONS})
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    api.post("feature-sources/account/rows", {"rows": [
        {"user_id": u, "limit": float(dice.random() * 500), "age": int(dice.integers(18, 90)), "ts": now} for u in range(USERS)]})
    info = harness.make_run(api)
    harness.put_artifact(api, info, "model/model.txt", model.model_to_string().encode())
    api.send("POST", harness.MLFLOW + "registered-models/create", {"name": "risk"})
    api.post(harness.MLFLOW + "model-versions/create",
             {"name": "risk", "source": info["artifact_uri"] + "/model", "run_id": info["run_id"]})
    api.post(harness.MLFLOW + "model-versions/set-tag",
             {"name": "risk", "version": "1", "key": "slipway.feature_service", "value": "risk@1"})
    api.put("deployments/risk", {"model": "risk", "version": 1})
    harness.ready(api, "risk", server, 1)
    return api


def online(api, records):
    body = {"inputs": [{"name": "user_id", "datatype": "INT64", "shape": [len(records)], "data": [r["user_id"] for r in records]},
                       {"name": "amount", "datatype": "FP32", "shape": [len(records)], "data": [r["amount"] for r in records]}]}
    reply = api.send("POST", "/v2/models/risk/infer", body).json()
    return {o["name"]: o["data"] for o in reply["outputs"]}


def document(broker, **more):
    return {"deployment": "risk", "from": {"brokers": broker.address, "topic": "payments"}, "to": "scores",
            "keep": ["id", "user_id", "amount"], "rows_max": 64, **more}


def produce(broker, count, seed, sent, poison):
    dice = random.Random(seed)
    producer = Producer({"bootstrap.servers": broker.address, "linger.ms": 5, "enable.idempotence": True})
    for i in range(count):
        id_ = seed * count + i
        key = f"card-{dice.randrange(40)}"
        if dice.random() < 0.04:
            value = dice.choice(POISON)
            poison.append(value)
        else:
            record = {"id": id_, "user_id": dice.randrange(USERS + 2), "amount": round(dice.gammavariate(2, 30), 2)}
            value = json.dumps(record).encode()
            sent.append((key, record))
        producer.produce("payments", value, key)
        producer.poll(0)
    equal(producer.flush(60), 0, "all records were taken")


def exactly_once(root, broker, args):
    with Server(harness.BINARY, root / "once") as server:
        api = fill(root, server)
        api.put("score-streams/s", document(broker))
        sent, poison, dice = [], [], random.Random(args.seed)
        for turn in range(args.kills):
            seen = len(committed(broker, "scores"))
            produce(broker, args.records, turn, sent, poison)
            # In the middle: when something new was published, or at once.
            if turn % 2:
                until("more scores", lambda s=seen: len(committed(broker, "scores")) > s, WAIT, server)
            if turn == args.kills - 2:
                broker.stop(signal.SIGKILL)
                broker.start()
            server.kill()
            server.start()
            if dice.random() < 0.3:
                server.kill()
                server.start()
        got = committed(broker, "scores", len(sent))
        dead = committed(broker, "scores.dead-letters", len(poison))
        until("nothing left", lambda: server.api().get("score-streams/s")["lag"] == 0, WAIT, server)
        got, dead = committed(broker, "scores"), committed(broker, "scores.dead-letters")
        equal(len(got), len(sent), "answers")
        equal(sorted(m.value() for m in dead), sorted(poison), "dead letters")
        answers = {(a := json.loads(m.value()))["id"]: (m.key().decode(), a) for m in got}
        true(sorted(answers) == sorted(r["id"] for _, r in sent), "each record's answer is there once")
        api = server.api()
        want = online(api, [r for _, r in sent])
        name = next(iter(want))
        for k, (key, record) in enumerate(sent):
            answer_key, answer = answers[record["id"]]
            equal(answer_key, key, "the key")
            equal((answer["user_id"], answer["amount"]), (record["user_id"], record["amount"]), "what was kept")
            equal(np.float32(answer["outputs"][name]).tobytes(), np.float32(want[name][k]).tobytes(), f"the bits of {record}")
            equal(answer["outputs"]["feature_status"], want["feature_status"][k], "its marks")
        headers = dict(dead[0].headers())
        true(headers["slipway.reason"].decode().startswith("record.") and headers["slipway.topic"] == b"payments", str(headers))
        by_key = {}
        for m in got:
            by_key.setdefault(m.key(), []).append(json.loads(m.value())["id"])
        wanted = {}
        for key, record in sent:
            wanted.setdefault(key.encode(), []).append(record["id"])
        true(by_key == wanted, "answers of a key are in the order of its records")
        print(f"{len(sent)} records and {len(poison)} strays, {args.kills}+ SIGKILLs, one restart of the broker: each exactly once, "
              f"with the bits of online answers", flush=True)


def paused_changed_and_told(root, broker):
    with Server(harness.BINARY, root / "told") as server:
        api = fill(root, server)
        make_topics(broker, "payments2", "scores2", "scores2.dead-letters")
        path = root / "stream.yaml"
        path.write_text(f"deployment: risk\nfrom: {{brokers: '{broker.address}', topic: payments2}}\nto: scores2\nkeep: [id]\n")
        server.cli("score-stream", "apply", "cards", path)
        producer = Producer({"bootstrap.servers": broker.address})

        def send(first, count):
            for i in range(first, first + count):
                producer.produce("payments2", json.dumps({"id": i, "user_id": i % USERS, "amount": 5.0}).encode(), b"k")
            producer.flush(60)
        send(0, 10)
        equal(len(committed(broker, "scores2", 10)), 10, "scored")
        until("metrics", lambda: 'slipway_score_stream_records_total{project="default",stream="cards"} 10' in
              api.send("GET", "/metrics").body.decode(), WAIT, server)
        server.cli("score-stream", "pause", "cards")
        send(10, 5)
        equal(api.get("score-streams/cards")["state"], "paused", "state")
        server.kill()
        server.start()
        equal(server.api().get("score-streams/cards")["state"], "paused", "also after a restart")
        equal(len(committed(broker, "scores2")), 10, "nothing more")
        server.cli("score-stream", "resume", "cards")
        path.write_text(path.read_text() + "rows_max: 2\n")
        server.cli("score-stream", "apply", "cards", path)
        got = committed(broker, "scores2", 15)
        equal([json.loads(m.value())["id"] for m in got if m.partition() == got[0].partition()], list(range(15)), "goes on where it was")
        true("cards" in server.cli("score-streams") and "risk" in server.cli("score-stream", "show", "cards"), "the CLI lists it")
        api = server.api()
        refused(api, "PUT", "score-streams/x", document(broker, deployment="nope"), 404)
        for bad in ({"to": "payments"}, {"rows_max": 0}, {"mode": "fast"}, {"from": {"topic": "t"}}):
            refused(api, "PUT", "score-streams/x", {**document(broker), **bad}, 400)
        equal([s["name"] for s in api.get("score-streams")["items"]], ["cards"], "nothing of that is there")
        # A topic that isn't there is told, and waited for.
        api.put("score-streams/later", {**document(broker), "from": {"brokers": broker.address, "topic": "later"}, "to": "later-scores"})
        until("the reason", lambda: "later" in api.get("score-streams/later")["error"], WAIT, server)
        make_topics(broker, "later", "later-scores", "later-scores.dead-letters")
        until("it to run", lambda: api.get("score-streams/later")["state"] == "running", WAIT, server)
        server.cli("score-stream", "delete", "later")
        refused(api, "GET", "score-streams/later", None, 404)
        equal(server.stop(), 0, "exit status after SIGTERM")
    print("paused, changed, told, refused", flush=True)


def main():
    warnings.simplefilter("ignore")
    options = argparse.ArgumentParser()
    options.add_argument("--kills", type=int, default=6)
    options.add_argument("--records", type=int, default=400)
    options.add_argument("--seed", type=int, default=11)
    args = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="slipway-score-") as folder:
        root = pathlib.Path(folder)
        broker = _kafka_broker.Broker(root / "broker")
        try:
            broker.start()
            make_topics(broker, "payments", "scores", "scores.dead-letters")
            exactly_once(root, broker, args)
            paused_changed_and_told(root, broker)
        finally:
            broker.stop()


if __name__ == "__main__":
    main()
