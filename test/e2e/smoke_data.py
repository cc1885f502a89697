"""Datasets: a version is the bytes that were given; the same bytes are the same version; bad files change nothing."""
import hashlib
import json
import pathlib
import tempfile

import harness
from harness import equal, true

CSV = b"id,amount,text\n1,2.5,a\n2,,b\n3,4.5,\n"
JSONL = b'{"text":"one","section":"net"}\n{"text":"two \\u00fc","section":"sound"}\n'


def test_add_by_cli(server):
    with tempfile.TemporaryDirectory() as root:
        path = pathlib.Path(root) / "rows.jsonl"
        path.write_bytes(JSONL)
        first = json.loads(server.cli("data", "add", path, "--name", "texts", "--message", "first", "--json"))
        again = json.loads(server.cli("data", "add", path, "--name", "texts", "--json"))
        equal((first["version"], first["rows"], first["format"]), (1, 2, "jsonl"), "the version")
        equal(first["digest"].startswith("sha256:"), True, "its digest")
        equal(again["uid"], first["uid"], "the same content again")
        path.write_bytes(JSONL + b'{"text":"three","section":"net"}\n')
        second = json.loads(server.cli("data", "add", path, "--name", "texts", "--json"))
    equal((second["version"], second["rows"], second["parent_version"]), (2, 3, 1), "the second version")
    api = server.api()
    equal([column["name"] for column in api.get("datasets/texts/versions/1")["schema"]], ["text", "section"], "columns")
    equal(api.send("GET", "datasets/texts/versions/1/content").body, JSONL, "content")


def test_csv_types_and_ranges(server):
    api = server.api()
    version = api.send("POST", "datasets/amounts/versions?format=csv&message=m", CSV).json()
    types = {column["name"]: (column["type"], column["nullable"]) for column in version["schema"]}
    equal(version["rows"], 3, "rows")
    true(types["id"][0] == "int64" and types["amount"][0] == "double" and types["text"][0] == "string", f"types {types}")
    reply = api.send("GET", "datasets/amounts/versions/1/content", headers={"Range": "bytes=3-8"})
    equal((reply.status, reply.body), (206, CSV[3:9]), "a range")
    whole = api.send("GET", "datasets/amounts/versions/1/content").body
    equal(hashlib.sha256(whole).hexdigest(), hashlib.sha256(CSV).hexdigest(), "bytes as given")


def test_bad_files_change_nothing(server):
    api = server.api()
    before = api.get("ledger?limit=1&order=desc")["items"][0]["seq"]
    bad = [("jsonl", b'{"a":1}\n{"a":'), ("parquet", b"PAR1 not really PAR1"), ("csv", b""), ("xml", b"<a/>")]
    for format_, content in bad:
        error = harness.refused(api, "POST", f"datasets/bad/versions?format={format_}", content)
        true(error.code, f"{format_}: a reason")
    harness.refused(api, "GET", "datasets/bad", status=404)
    equal(api.get("ledger?limit=1&order=desc")["items"][0]["seq"], before, "no event was written")


if __name__ == "__main__":
    harness.run(globals())
