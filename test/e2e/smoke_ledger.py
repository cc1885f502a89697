"""The ledger: gap-free sequence, pages in both directions, live events that resume."""
import http.client
import urllib.parse

import harness
from harness import equal, true


def read_events(server, after, count):
    """The first `count` events of the stream behind `after`, as (id, data) pairs."""
    parts = urllib.parse.urlsplit(server.url)
    link = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    link.request("GET", "/api/slipway/v1/events", headers={"Last-Event-ID": str(after), "Accept": "text/event-stream"})
    stream, seen, fields = link.getresponse(), [], {}
    true(stream.headers["content-type"].startswith("text/event-stream"), "content type of the stream")
    while len(seen) < count:
        line = stream.readline().decode().rstrip("\n")
        true(line or fields or stream.isclosed() is False, "the stream ended early")
        if not line and "data" in fields:
            seen.append((int(fields.get("id", -1)), fields["data"]))
        if not line:
            fields = {}
        elif not line.startswith(":"):
            key, _, value = line.partition(":")
            fields[key] = value.lstrip()
    link.close()
    return seen


def test_sequence_has_no_gaps(server):
    api = server.api()
    for index in range(20):
        api.post(harness.MLFLOW + "registered-models/create", {"name": f"m-{index:02}"})
    events = []
    while True:
        page = api.get(f"ledger?after={events[-1]['seq'] if events else 0}&limit=7")["items"]
        if not page:
            break
        true(len(page) <= 7, "limit")
        events += page
    numbers = [event["seq"] for event in events]
    equal(numbers, list(range(1, len(numbers) + 1)), "sequence")
    times = [event["ts_us"] for event in events]
    equal(times, sorted(times), "time never runs back")
    true(all(event["actor"] and event["verb"] and event["kind"] for event in events), "who, what, on what")
    newest = api.get("ledger?order=desc&limit=3")["items"]
    equal([event["seq"] for event in newest], numbers[::-1][:3], "newest first")


def test_one_object(server):
    api = server.api()
    uid = next(event["uid"] for event in api.get("ledger?limit=200")["items"] if event.get("name") == "m-03")
    found = api.get(f"ledger?uid={urllib.parse.quote(uid)}")["items"]
    true(found and all(event["uid"] == uid for event in found), "events of one object")


def test_live_events_resume(server):
    api = server.api()
    start = api.get("ledger?order=desc&limit=1")["items"][0]["seq"]
    for index in range(3):
        api.post(harness.MLFLOW + "registered-models/create", {"name": f"live-{index}"})
    seen = read_events(server, start, 3)
    equal([number for number, _ in seen], [start + 1, start + 2, start + 3], "ids")
    again = read_events(server, start + 1, 2)
    equal(again, seen[1:], "resumed")


if __name__ == "__main__":
    harness.run(globals())
