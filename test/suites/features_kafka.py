"""Feature sources that read a topic of a real Kafka broker: every message once, whatever dies.

100,000 messages in four partitions, in transactions of which some are aborted, with duplicates, late rows and poison, while the
server is killed at random moments; a broker that stops, dies and comes back; partitions that are added; topics that are made
anew; pausing, resetting, secrets, rights. `--messages N --kills N --seed S`.
"""
import argparse
import csv
import io
import json
import pathlib
import random
import signal
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path = [entry for entry in sys.path if pathlib.Path(entry or ".").resolve() != HERE] + [str(HERE)]
sys.path.insert(0, str(HERE.parent / "e2e"))
import harness  # noqa: E402
from harness import equal, refused, true, until  # noqa: E402
from dev import setup  # noqa: E402
import _kafka_broker  # noqa: E402

_kafka_broker.need_java()
sys.path.insert(0, str(setup.packages("pip_kafka")))
from confluent_kafka import Producer  # noqa: E402
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic  # noqa: E402

USERS = 200
POISON = [b"no json", b'{"user": "x", "id": 1, "ts": 1}', b"\xff\xfe\x00", b"[1,2]", b'{"id": 3, "ts": 5}', None]
WAIT = 120

VIEWS = """
---
kind: FeatureView
name: {name}_all
entity: {{user_id: int64}}
source: {name}
row: {{square: "id * id"}}
aggregate:
  - {{op: count, as: n}}
  - {{op: sum, of: id, as: ids}}
  - {{op: sum, of: square, as: squares}}
late: {{allowed: 3650d}}
---
kind: FeatureView
name: {name}_now
entity: {{user_id: int64}}
source: {name}
features: [id, amount]
ttl: 30d
---
kind: FeatureView
name: {name}_hour
entity: {{user_id: int64}}
source: {name}
aggregate:
  - {{op: sum, of: amount, windows: [10m, 1h], as: spend}}
  - {{op: count, windows: [1h], as: recent}}
late: {{allowed: 1h}}
---
kind: FeatureService
name: {name}_service
features: ["{name}_all:*", "{name}_now:*", "{name}_hour:*"]
"""


def source(name, topic, brokers, extra=""):
    return (f"kind: Source\nname: {name}\ncolumns: {{user_id: int64, id: int64, amount: float64}}\nevent_time: ts\n"
            f"rename: {{user: user_id}}\nkafka: {{brokers: '{brokers}', topic: {topic}, time_unit: ms{extra}}}\n")


def apply(api, yaml):
    return api.post("features:apply", {"yaml": yaml})


def stream(api, name):
    return api.get(f"feature-streams/{name}")


def topic_of(admin, name, partitions):
    for future in admin.create_topics([NewTopic(name, partitions, 1)]).values():
        future.result(30)


def message(user, number, ts_ms, amount):
    return json.dumps({"user": user, "id": number, "ts": ts_ms, "amount": amount, "channel": "web"})


def history_rows(api, name):
    """What a new view of the source would read: every row that the history has."""
    plan = api.post("features:plan", {"yaml": f"kind: FeatureView\nname: {name}_probe\nentity: {{user_id: int64}}\nsource: {name}\n"
                                              "features: [id]\n"})
    return plan["changes"][0]["backfill_rows"]


def online(api, name, users):
    reply = api.post("/get-online-features", {"feature_service": f"{name}_service", "entities": {"user_id": users}})
    names = reply["metadata"]["feature_names"]
    return {n: r["values"] for n, r in zip(names, reply["results"])}


def joined(api, name, users):
    """The training set as known now."""
    out = io.StringIO()
    now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 1)) + "Z"
    until("the next second", lambda: time.time() > time.mktime(time.strptime(now, "%Y-%m-%dT%H:%M:%SZ")) - time.timezone)
    rows = csv.writer(out)
    rows.writerow(["user_id", "event_timestamp"])
    rows.writerows([u, now] for u in users)
    reply = api.send("POST", f"features:join?format=csv&out=jsonl&service={name}_service&mode=as_known&time=event_timestamp",
                     out.getvalue().encode(), {"Content-Type": "text/csv"})
    lines = [json.loads(line) for line in reply.body.decode().splitlines()]
    return now, {key: [line[key] for line in lines] for key in lines[0] if key != "event_timestamp"}


def same(api, name):
    """Online equals the join, value by value; windows of an hour may move between the two, so those are compared when still."""
    users = list(range(USERS))
    _, table = joined(api, name, users)
    served = online(api, name, users)
    for feature in ("n", "ids", "squares", "id", "amount"):
        equal(served[feature], table[feature], f"{feature}, online against the join")
    moved = sum(served[f][u] != table[f][u] for f in ("spend_10m", "spend_1h", "recent_1h") for u in users)
    true(moved <= USERS // 10, f"{moved} windows differ between online and the join a moment before")


class Load:
    """A producer of its own thread; what it committed is what must come."""

    def __init__(self, broker, topic, messages, seed):
        self.topic, self.messages, self.dice = topic, messages, random.Random(seed)
        self.count, self.ids, self.squares = [0] * USERS, [0] * USERS, [0] * USERS
        self.poison, self.aborted, self.error = 0, 0, None
        self.producer = Producer({"bootstrap.servers": broker.address, "transactional.id": f"load-{topic}", "linger.ms": 5,
                                  "compression.type": "lz4", "log_level": 0})
        self.thread = threading.Thread(target=self._run)
        self.start_s = int(time.time())

    def _one(self, number, commit):
        dice = self.dice
        if number % 997 == 0:
            bad = POISON[number // 997 % len(POISON)]
            self.producer.produce(self.topic, bad, partition=number % 4)
            return (None, 0, 0) if commit else None
        user = dice.randrange(USERS)
        late = dice.choice([0, 0, 0, 30, 600, 3000, 90000])
        text = message(user, number, (self.start_s - 60 - late) * 1000 + dice.randrange(1000), dice.randrange(100))
        times = 2 if number % 50 == 0 else 1  # A producer that sends again: two messages, two rows.
        for _ in range(times):
            while True:
                try:
                    self.producer.produce(self.topic, text, key=str(user), partition=dice.randrange(4))
                    break
                except BufferError:
                    self.producer.poll(0.05)
        return (user, number, times) if commit else None

    def _run(self):
        try:
            self.producer.init_transactions(30)
            number = 0
            while number < self.messages:
                commit = self.dice.random() > 0.15
                self.producer.begin_transaction()
                size = self.dice.randrange(200, 2000)
                begun = [self._one(n, commit) for n in range(number, min(number + size, self.messages))]
                if commit:
                    self.producer.commit_transaction(60)
                    for user, n, times in begun:
                        if user is None:
                            self.poison += 1
                            continue
                        self.count[user] += times
                        self.ids[user] += times * n
                        self.squares[user] += times * n * n
                    number += size
                else:
                    self.producer.flush(30)
                    self.producer.abort_transaction(60)
                    self.aborted += size
        except Exception as error:  # pylint: disable=broad-except — told by the test
            self.error = error


def check_load(api, name, load):
    total = sum(load.count)
    until("all messages", lambda: history_rows(api, name) >= total, seconds=WAIT)
    until("no lag", lambda: stream(api, name)["lag"] == 0, seconds=30)
    equal(history_rows(api, name), total, "rows of the history")
    served = online(api, name, list(range(USERS)))
    for feature, want in (("n", load.count), ("ids", load.ids), ("squares", load.squares)):
        equal([int(v or 0) for v in served[feature]], want, f"{feature} of {name}")
    equal(len(api.items(f"feature-sources/{name}/quarantine?limit=1000")), load.poison, "messages in the quarantine")
    same(api, name)


def killed_at_random(server, broker, admin, args):
    topic_of(admin, "payments", 4)
    apply(server.api(), source("txn", "payments", broker.address) + VIEWS.format(name="txn"))
    load = Load(broker, "payments", args.messages, args.seed)
    load.thread.start()
    dice, kills = random.Random(args.seed), 0
    while load.thread.is_alive() or kills < args.kills:
        load.thread.join(dice.uniform(0.2, 1.5))
        server.kill()
        kills += 1
        server.start()
        if kills % 3 == 0:  # Also in the middle of going on.
            continue
        before = stream(server.api(), "txn")["messages"]
        if load.thread.is_alive():
            until("progress", lambda: stream(server.api(), "txn")["messages"] > before or not load.thread.is_alive(), seconds=30)
    load.thread.join()
    true(load.error is None, f"the producer failed: {load.error}")
    true(sum(load.count) > args.messages and load.poison >= args.messages // 997, "the load is what it should be")
    check_load(server.api(), "txn", load)
    server.kill()
    server.start()
    check_load(server.api(), "txn", load)
    print(f"{sum(load.count)} messages of 4 partitions once each over {kills} kills, {load.poison} poison ones kept apart, "
          f"{load.aborted} aborted ones unseen", flush=True)


def quarantined_rows_come_back(api):
    """A row that is pushed again as it was kept, corrected, and released."""
    kept = next(q for q in api.items("feature-sources/txn/quarantine?limit=1000") if q["record"].get("user_id") == "x")
    record = kept["record"]
    equal(record["_kafka"]["topic"], "payments", "where it came from")
    true(kept["reason"].startswith(f"payments/{record['_kafka']['partition']}@{record['_kafka']['offset']}: "), kept["reason"])
    before = history_rows(api, "txn")
    record["user_id"] = 9999
    api.post("feature-sources/txn/rows", {"rows": [record]})
    equal(api.post("feature-sources/txn/quarantine:release", {"uids": [kept["uid"]]})["released"], 1, "released")
    equal(history_rows(api, "txn"), before + 1, "rows after the push")


def rate(server, broker, admin, messages=200_000):
    """How fast a topic is caught up with."""
    topic_of(admin, "fast", 4)
    producer = Producer({"bootstrap.servers": broker.address, "linger.ms": 20, "compression.type": "lz4", "log_level": 0,
                         "queue.buffering.max.messages": 1_000_000})
    now_ms = int(time.time()) * 1000 - 60_000
    for n in range(messages):
        producer.produce("fast", message(n % USERS, n, now_ms + n % 1000, n % 100), partition=n % 4)
        if n % 10_000 == 0:
            producer.poll(0)
    equal(producer.flush(60), 0, "messages that weren't produced")
    begun = time.monotonic()
    apply(server.api(), source("fast", "fast", broker.address) + """---
kind: FeatureView
name: fast_now
entity: {user_id: int64}
source: fast
features: [id, amount]
""")
    until("all of them", lambda: stream(server.api(), "fast")["rows"] == messages, seconds=WAIT, server=server)
    took = time.monotonic() - begun
    batches = stream(server.api(), "fast")["batches"]
    print(f"{messages} messages caught up with in {took:.1f} s: {messages / took:.0f}/s, {messages // batches} a batch; "
          f"{server.rss_bytes() >> 20} MB resident", flush=True)


def broker_goes_and_comes(server, broker, admin):
    api = server.api()
    topic_of(admin, "away", 2)
    apply(api, source("away", "away", broker.address) + VIEWS.format(name="away"))
    number = 0

    def send(count):
        nonlocal number
        producer = Producer({"bootstrap.servers": broker.address, "log_level": 0})
        for _ in range(count):
            number += 1
            producer.produce("away", message(number % USERS, number, int(time.time() * 1000), 1), partition=number % 2)
        equal(producer.flush(60), 0, "messages that weren't produced")
    send(100)
    until("100 rows", lambda: stream(api, "away")["rows"] == 100, seconds=WAIT)
    for how in (signal.SIGTERM, signal.SIGKILL):
        broker.stop(how)
        told = until("trouble that is told", lambda: (s := stream(api, "away"))["state"] == "waiting" and s, seconds=30)
        true(told["error"], "why it waits")
        broker.start()
        send(100)
        until("all rows", lambda: history_rows(api, "away") == number, seconds=WAIT)
        until("running again", lambda: stream(api, "away")["state"] == "running", seconds=30)
    # A server that starts while no broker is there.
    broker.stop()
    server.kill()
    server.start()
    api = server.api()
    until("waiting", lambda: stream(api, "away")["state"] == "waiting", seconds=30)
    broker.start()
    send(50)
    until("all rows", lambda: history_rows(api, "away") == number, seconds=WAIT)
    # More partitions.
    for future in admin.create_partitions([NewPartitions("away", 5)]).values():
        future.result(30)
    producer = Producer({"bootstrap.servers": broker.address, "log_level": 0, "topic.metadata.refresh.interval.ms": 200})
    for partition in range(5):
        number += 1
        producer.produce("away", message(1, number, int(time.time() * 1000), 1), partition=partition)
    equal(producer.flush(60), 0, "messages that weren't produced")
    until("rows of new partitions", lambda: history_rows(api, "away") == number, seconds=60)
    until("their places", lambda: len(stream(api, "away")["partitions"]) == 5, seconds=30)
    same(api, "away")
    print(f"a broker that stopped, died and came back, and partitions that were added: {number} rows", flush=True)


def topic_made_anew(server, broker, admin):
    api = server.api()
    for rule in ("stop", "earliest"):
        name = f"anew_{rule}"
        topic_of(admin, name, 2)
        apply(api, source(name, name, broker.address, f", on_reset: {rule}") + VIEWS.format(name=name))

        def send(first, count, partition):
            producer = Producer({"bootstrap.servers": broker.address, "log_level": 0})
            for n in range(first, first + count):
                producer.produce(name, message(1, n, int(time.time() * 1000), 1), partition=partition)
            equal(producer.flush(60), 0, "messages that weren't produced")
        send(0, 20, 0)
        send(20, 5, 1)
        until("25 rows", lambda: history_rows(api, name) == 25, seconds=WAIT)
        if rule == "earliest":
            server.kill()  # Nobody sees the topic go.
        for future in admin.delete_topics([name]).values():
            future.result(30)
        if rule == "stop":
            until("that it is gone", lambda: stream(api, name)["state"] == "waiting", seconds=60)

        def created():
            try:
                topic_of(admin, name, 2)
                return True
            except Exception:  # pylint: disable=broad-except — the old one is still going
                return False
        until("the new topic", created, seconds=30)
        send(100, 30, 0)  # More than was read of the old one: only what the messages are tells.
        send(130, 2, 1)
        if rule == "earliest":
            api = server.start().api()
        if rule == "stop":
            told = until("the stop", lambda: (s := stream(api, name))["state"] == "stopped" and s, seconds=60)
            true("anew" in told["error"] or "ends before" in told["error"], told["error"])
            equal(history_rows(api, name), 25, "rows while it is stopped")
            server.kill()
            server.start()
            api = server.api()
            until("stopped still", lambda: stream(api, name)["state"] == "stopped", seconds=30)
            server.cli("feature", "stream", "reset", name, "--to", "earliest")
        until("the new topic's rows", lambda: history_rows(api, name) == 25 + 32, seconds=60)
        until("running", lambda: stream(api, name)["state"] == "running", seconds=30)
        events = [e for e in api.get("ledger?after=0&limit=1000")["items"] if e["verb"] == "feature_stream.reset"]
        true(any(name in json.dumps(e) for e in events), f"the reset is in the ledger: {events}")
    print("topics that were made anew: stopped and reset by hand, and by rule", flush=True)


def paused_and_told(server, broker, admin):
    api = server.api()
    topic_of(admin, "quiet", 1)
    apply(api, source("quiet", "quiet", broker.address, ", start: latest") + VIEWS.format(name="quiet"))
    until("running", lambda: stream(api, "quiet")["state"] == "running", seconds=30)
    server.cli("feature", "stream", "pause", "quiet")
    producer = Producer({"bootstrap.servers": broker.address, "log_level": 0})
    producer.produce("quiet", message(1, 1, int(time.time() * 1000), 1))
    equal(producer.flush(60), 0, "messages that weren't produced")
    server.kill()
    server.start()
    api = server.api()
    until("paused after a restart", lambda: stream(api, "quiet")["state"] == "paused", seconds=30)
    equal(history_rows(api, "quiet"), 0, "rows while it is paused")
    true("quiet" in server.cli("feature", "streams") and "paused" in server.cli("feature", "streams"), "feature streams")
    equal(json.loads(server.cli("feature", "streams", "--json"))["items"][0]["topic"] != "", True, "feature streams --json")
    api.post("feature-streams/quiet/resume")
    until("its row", lambda: history_rows(api, "quiet") == 1, seconds=30)
    verbs = [e["verb"] for e in api.get("ledger?after=0&limit=1000")["items"]]
    true("feature_stream.paused" in verbs and "feature_stream.resumed" in verbs, "the ledger tells")
    line = 'slipway_feature_stream_rows_total{project="default",source="quiet"} 1'
    until("its row to be counted", lambda: line in api.send("GET", "/metrics").body.decode(), seconds=30)  # After the commit.
    refused(api, "POST", "feature-streams/none/pause", {}, 404, "feature_stream.not_found")
    refused(api, "POST", "feature-streams/quiet/reset", {"to": "yesterday"}, 400, "feature_stream.reset")


def secrets_and_rights(root, broker, admin):
    """A login by a variable's name; brokers that the operator didn't name; a reader who may not pause."""
    topic_of(admin, "secret", 1)
    producer = Producer({"bootstrap.servers": broker.address, "log_level": 0})
    producer.produce("secret", message(1, 1, int(time.time() * 1000), 1))
    equal(producer.flush(60), 0, "messages that weren't produced")
    login = (", properties: {security.protocol: SASL_PLAINTEXT, sasl.mechanism: PLAIN, sasl.username: " + _kafka_broker.USER +
             ", sasl.password: {%s}}")
    secrets = root / "secrets"
    secrets.mkdir()
    (secrets / "kafka").write_text(_kafka_broker.PASSWORD + "\n")
    env = {"SLIPWAY_KAFKA_PASSWORD": _kafka_broker.PASSWORD}
    args = ["--auth", "--kafka-brokers", "127.0.0.1", "--kafka-secrets", str(secrets)]
    with harness.Server(harness.BINARY, root / "guarded", args, env=env) as server:
        admin_token = (root / "guarded" / "bootstrap-token").read_text().strip()
        api = server.api(admin_token)
        for name, how in (("by_variable", "env: SLIPWAY_KAFKA_PASSWORD"), ("by_file", "file: kafka")):
            apply(api, source(name, "secret", broker.secure, login % how) + VIEWS.format(name=name))
            until(f"the row of {name}", lambda: history_rows(api, name) == 1, seconds=60)
        apply(api, source("by_none", "secret", broker.secure, login % "env: SLIPWAY_KAFKA_OTHER"))
        until("the refusal", lambda: "SLIPWAY_KAFKA_OTHER isn't set" in stream(api, "by_none")["error"], seconds=30)
        equal(stream(api, "by_none")["state"], "waiting", "without its secret")
        apply(api, source("by_late", "secret", broker.secure, login % "file: late") + VIEWS.format(name="by_late"))
        until("the refusal", lambda: "late can't be read" in stream(api, "by_late")["error"], seconds=30)
        (secrets / "late").write_text(_kafka_broker.PASSWORD + "\n")
        until("the row after its secret came", lambda: history_rows(api, "by_late") == 1, seconds=60)
        true(_kafka_broker.PASSWORD not in json.dumps(api.items("features")), "no secret in a definition")
        true(_kafka_broker.PASSWORD not in server.log.read_text(), "no secret in the log")
        refused(api, "POST", "features:apply", {"yaml": source("far", "secret", "kafka.example.org:9092")}, 403, "feature.kafka_brokers")
        token = server.cli("token", "create", "--principal", "reader", "--role", "read", token=admin_token)
        reader = server.api(token.split()[-1])
        equal(reader.get("feature-streams")["items"][0]["topic"], "secret", "a reader reads")
        refused(reader, "POST", "feature-streams/by_file/pause", {}, 403)
        equal(server.stop(), 0, "exit status after SIGTERM")
    print("logins by variable and by file; brokers that aren't named and readers are refused", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="slipway-kafka-") as folder:
        root = pathlib.Path(folder)
        broker = _kafka_broker.Broker(root / "broker")
        server = harness.Server(harness.BINARY, root / "data")
        try:
            broker.start()
            admin = AdminClient({"bootstrap.servers": broker.address, "log_level": 0})
            server.start()
            killed_at_random(server, broker, admin, args)
            quarantined_rows_come_back(server.api())
            rate(server, broker, admin)
            broker_goes_and_comes(server, broker, admin)
            topic_made_anew(server, broker, admin)
            paused_and_told(server, broker, admin)
            equal(server.stop(), 0, "exit status after SIGTERM")
            secrets_and_rights(root, broker, admin)
        except Exception:
            print(f"the server's log:\n{server.tail(30)}", file=sys.stderr)
            raise
        finally:
            server.kill()
            broker.stop()


if __name__ == "__main__":
    main()
