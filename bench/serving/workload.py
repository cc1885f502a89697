"""The model and the requests of ./dev bench serving, for ours and for the peers.

LightGBM, 200 trees of 31 leaves on 20 features (the model of ./dev bench trees, same seed), and 256 rows of 20 numbers
with four digits, of which each request has one. Everybody gets the same rows in the same order.
"""
import json
import struct

import numpy as np

WIDTH, TREES, LEAVES, ROWS = 20, 200, 31, 256
MODEL = "bench"


def rows(count=ROWS):
    return np.random.default_rng(11).normal(size=(count, WIDTH)).round(4).astype(np.float32)


def numbers(row):
    return [round(float(v), 4) for v in row]


def raw(path, body, headers=()):
    """One POST as bytes."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers)
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def as_json(path, body):
    return raw(path, json.dumps(body, separators=(",", ":")).encode(), [("Content-Type", "application/json")])


def tensor(row, name="input"):
    return {"inputs": [{"name": name, "datatype": "FP32", "shape": [1, WIDTH], "data": numbers(row)}]}


def oip_json(row, path=f"/v2/models/{MODEL}/infer"):
    return as_json(path, tensor(row))


def oip_binary(row):
    head = {"inputs": [{"name": "input", "datatype": "FP32", "shape": [1, WIDTH], "parameters": {"binary_data_size": 4 * WIDTH}}],
            "parameters": {"binary_data_output": True}}
    text = json.dumps(head, separators=(",", ":")).encode()
    return raw(f"/v2/models/{MODEL}/infer", text + row.astype("<f4").tobytes(),
               [("Content-Type", "application/octet-stream"), ("Inference-Header-Content-Length", len(text))])


def mlflow_json(row):
    return as_json("/invocations", {"inputs": [numbers(row)]})


def bentoml_json(row):
    return as_json("/predict", {"rows": [numbers(row)]})


# ---- protobuf, as far as these messages need it

def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes([*out, n])


def field(number, content):
    content = content if isinstance(content, bytes) else content.encode()
    return varint(number << 3 | 2) + varint(len(content)) + content


def oip_grpc(row):
    """ModelInferRequest with raw contents."""
    tensor_ = field(1, "input") + field(2, "FP32") + field(3, varint(1) + varint(WIDTH))
    return field(1, MODEL) + field(5, tensor_) + field(7, row.astype("<f4").tobytes())


def last_float(reply):
    """The one FP32 that a binary or gRPC answer ends with."""
    return struct.unpack("<f", reply[-4:])[0]


def first_number(reply):
    """The prediction in the body of any JSON answer."""
    got = json.loads(reply[reply.index(b"\r\n\r\n") + 4:])
    if isinstance(got, dict):
        got = got["predictions"] if "predictions" in got else next(o["data"] for o in got["outputs"] if o["name"] != "label")
    while isinstance(got, list):
        got = got[0]
    return float(got)


def requests_file(path, make):
    with open(path, "wb") as out:
        for row in rows():
            request = make(row)
            out.write(struct.pack("<I", len(request)) + request)
    return path
