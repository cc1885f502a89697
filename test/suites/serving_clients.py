"""Clients of Triton, KServe, TensorFlow Serving and MLflow's scoring server, as others wrote them, against the real server
with a model repository in Triton's layout.

tritonclient over HTTP, gRPC and asyncio: every datatype, binary and JSON, strings, classes, shared memory, statistics,
configuration, repository, settings; plain HTTP for raw bodies, compression, generate, events, CloudEvents and bad input.
"""
import asyncio
import gzip
import json
import pathlib
import queue
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
import zlib

HERE = pathlib.Path(__file__).resolve().parent
sys.path = [entry for entry in sys.path if pathlib.Path(entry or ".").resolve() != HERE]
sys.path.insert(0, str(HERE.parent / "e2e"))
import harness  # noqa: E402
from harness import equal, true  # noqa: E402
from dev import common, setup  # noqa: E402

sys.path.append(str(setup.packages("pip_serving")))
sys.path.append(str(setup.place("wheel", "pyarrow", common.read_lock()["wheel"]["pyarrow"])))
import numpy as np  # noqa: E402
import tritonclient.grpc as by_grpc  # noqa: E402
import tritonclient.grpc.aio as by_grpc_aio  # noqa: E402
import tritonclient.http as by_http  # noqa: E402
import tritonclient.http.aio as by_http_aio  # noqa: E402
import tritonclient.utils.shared_memory as shm  # noqa: E402
from mlflow.pyfunc.scoring_server.client import ScoringServerClient  # noqa: E402
from onnx import TensorProto, helper  # noqa: E402
from ovmsclient import ModelNotFoundError, make_http_client  # noqa: E402
from tritonclient.utils import InferenceServerException  # noqa: E402

SECONDS = 20


# ---------------------------------------------------------------- models
def onnx_bytes(nodes, inputs, outputs):
    graph = helper.make_graph(nodes, "model", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model.SerializeToString()


def sum_and_difference(kind):
    """INPUT0 + INPUT1, INPUT0 - INPUT1; of texts, as numbers they spell."""
    ends = [helper.make_tensor_value_info(name, kind, [None, 16]) for name in ("INPUT0", "INPUT1", "OUTPUT0", "OUTPUT1")]
    if kind != TensorProto.STRING:
        nodes = [helper.make_node("Add", ["INPUT0", "INPUT1"], ["OUTPUT0"]),
                 helper.make_node("Sub", ["INPUT0", "INPUT1"], ["OUTPUT1"])]
    else:
        nodes = [helper.make_node("Cast", ["INPUT0"], ["a"], to=TensorProto.INT32),
                 helper.make_node("Cast", ["INPUT1"], ["b"], to=TensorProto.INT32),
                 helper.make_node("Add", ["a", "b"], ["c"]), helper.make_node("Sub", ["a", "b"], ["d"]),
                 helper.make_node("Cast", ["c"], ["OUTPUT0"], to=TensorProto.STRING),
                 helper.make_node("Cast", ["d"], ["OUTPUT1"], to=TensorProto.STRING)]
    return onnx_bytes(nodes, ends[:2], ends[2:])


def identity(kind, shape):
    return onnx_bytes([helper.make_node("Identity", ["INPUT0"], ["OUTPUT0"])],
                      [helper.make_tensor_value_info("INPUT0", kind, shape)],
                      [helper.make_tensor_value_info("OUTPUT0", kind, shape)])


def config(name, kind, dims, ends, max_batch, more=""):
    tensors = {"input": [e for e in ends if e.startswith("IN")], "output": [e for e in ends if e.startswith("OUT")]}
    parts = [f"{side} {{ name: '{end}' data_type: {kind} dims: {dims} }}" for side, names in tensors.items() for end in names]
    return f"name: '{name}'\nplatform: 'onnxruntime_onnx'\nmax_batch_size: {max_batch}\n" + "\n".join(parts) + "\n" + more


FOUR = ["INPUT0", "INPUT1", "OUTPUT0", "OUTPUT1"]
MODELS = {
    "simple": (sum_and_difference(TensorProto.INT32), config("simple", "TYPE_INT32", [16], FOUR, 8)),
    "simple_int8": (sum_and_difference(TensorProto.INT8), config("simple_int8", "TYPE_INT8", [16], FOUR, 8)),
    "simple_string": (sum_and_difference(TensorProto.STRING), config("simple_string", "TYPE_STRING", [16], FOUR, 8)),
    "simple_identity": (identity(TensorProto.STRING, [None, None]),
                        config("simple_identity", "TYPE_STRING", [-1], ["INPUT0", "OUTPUT0"], 8)),
    "floats": (identity(TensorProto.FLOAT, [None, None]), config("floats", "TYPE_FP32", [-1], ["INPUT0", "OUTPUT0"], 8)),
    "halves": (identity(TensorProto.FLOAT16, [None, None]),
               config("halves", "TYPE_FP16", [-1, -1], ["INPUT0", "OUTPUT0"], 0)),
    "cached": (sum_and_difference(TensorProto.INT32),
               config("cached", "TYPE_INT32", [16], FOUR, 8, "response_cache { enable: true }")),
    "one_text": (identity(TensorProto.STRING, [1]), config("one_text", "TYPE_STRING", [1], ["INPUT0", "OUTPUT0"], 0)),
}


def make_repository(root):
    for name, (model, text) in MODELS.items():
        folder = root / name / "1"
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(model)
        (root / name / "config.pbtxt").write_text(text)


# ---------------------------------------------------------------- both forms of the client
def clients(server):
    address = server.url.removeprefix("http://")
    return ((by_http, by_http.InferenceServerClient(address)), (by_grpc, by_grpc.InferenceServerClient(server.ready["grpc"])))


def plain(answer):
    """What a gRPC client answers, as the HTTP client would."""
    from google.protobuf import json_format
    return answer if isinstance(answer, (dict, list)) else json_format.MessageToDict(
        answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def two_inputs(kind, datatype, first, second, **more):
    inputs = [kind.InferInput("INPUT0", list(first.shape), datatype), kind.InferInput("INPUT1", list(second.shape), datatype)]
    for tensor, value in zip(inputs, (first, second)):
        tensor.set_data_from_numpy(value, **more)
    return inputs


def fails(call, text):
    try:
        call()
    except InferenceServerException as error:
        true(text in str(error), f"'{text}' in: {error}")
        return error
    raise AssertionError(f"let through; wanted: {text}")


COUNT = np.arange(16, dtype=np.int32).reshape(1, 16)
ONES = np.ones((1, 16), dtype=np.int32)


# ---------------------------------------------------------------- what is here
def test_health_and_metadata(server):
    for _, client in clients(server):
        true(client.is_server_live() and client.is_server_ready() and client.is_model_ready("simple"), "live and ready")
        true(client.is_model_ready("simple", "1"), "a version is ready")
        meta = plain(client.get_server_metadata())
        equal(meta["name"], "triton", "the name that the operator gave")
        true("system_shared_memory" in meta["extensions"] and "statistics" in meta["extensions"], f"{meta['extensions']}")
        meta = plain(client.get_model_metadata("simple"))
        equal((meta["name"], meta["versions"], meta["platform"]), ("simple", ["1"], "onnxruntime_onnx"), "metadata")
        equal([[t["name"], t["datatype"], [int(d) for d in t["shape"]]] for t in meta["inputs"]],
              [["INPUT0", "INT32", [-1, 16]], ["INPUT1", "INT32", [-1, 16]]], "inputs")
        fails(lambda client=client: client.get_model_metadata("wrong_model_name"), "Request for unknown model")
        fails(lambda client=client: client.get_model_metadata("simple", "v10"), "Request for unknown model")
        got = plain(client.get_model_config("simple"))
        got = got.get("config", got)
        equal((got["name"], got["max_batch_size"]), ("simple", 8), "configuration")


def test_infer_as_numbers(server):
    for kind, client in clients(server):
        for name, datatype, dtype in (("simple", "INT32", np.int32), ("simple_int8", "INT8", np.int8)):
            inputs = two_inputs(kind, datatype, COUNT.astype(dtype), ONES.astype(dtype))
            result = client.infer(name, inputs, request_id="mine")
            true(np.array_equal(result.as_numpy("OUTPUT0"), COUNT + 1), "sum")
            true(np.array_equal(result.as_numpy("OUTPUT1"), COUNT - 1), "difference")
            equal(plain(result.get_response())["id"], "mine", "the request's id")
            only = client.infer(name, inputs, outputs=[kind.InferRequestedOutput("OUTPUT1")])
            true(only.as_numpy("OUTPUT0") is None and only.as_numpy("OUTPUT1") is not None, "requested outputs")
        three = np.tile(COUNT, (3, 1))
        result = client.infer("simple", two_inputs(kind, "INT32", three, np.ones_like(three)))
        equal(result.as_numpy("OUTPUT0").shape, (3, 16), "a batch")
        fails(lambda kind=kind, client=client: client.infer("wrong_model_name", two_inputs(kind, "INT32", COUNT, ONES)),
              "Request for unknown model")
        fails(lambda kind=kind, client=client: client.infer("simple", two_inputs(kind, "INT32", COUNT, ONES)[:1]),
              "expected 2 inputs but got 1 inputs for model 'simple'")


def test_infer_json_and_binary_mixed(server):
    kind, client = clients(server)[0]
    inputs = two_inputs(kind, "INT32", COUNT, ONES, binary_data=False)
    inputs[1].set_data_from_numpy(ONES, binary_data=True)
    outputs = [kind.InferRequestedOutput("OUTPUT0", binary_data=True), kind.InferRequestedOutput("OUTPUT1", binary_data=False)]
    for algorithm in (None, "gzip", "deflate"):
        result = client.infer("simple", inputs, outputs=outputs, request_compression_algorithm=algorithm,
                              response_compression_algorithm=algorithm, query_params={"test_1": 1})
        true(np.array_equal(result.as_numpy("OUTPUT0"), COUNT + 1), "binary")
        true(np.array_equal(result.as_numpy("OUTPUT1"), COUNT - 1), "JSON")
        got = {o["name"]: o for o in result.get_response()["outputs"]}
        true("data" not in got["OUTPUT0"] and "data" in got["OUTPUT1"], "each as it was asked for")
    rows = np.tile(COUNT, (8, 1))
    result = client.infer("simple", two_inputs(kind, "INT32", rows, rows), response_compression_algorithm="gzip")
    true(np.array_equal(result.as_numpy("OUTPUT0"), rows * 2), "compressed")


def test_infer_texts(server):
    first = np.array([str(v).encode() for v in COUNT[0]], dtype=object).reshape(1, 16)
    second = np.array([b"1"] * 16, dtype=object).reshape(1, 16)
    for kind, client in clients(server):
        result = client.infer("simple_string", two_inputs(kind, "BYTES", first, second))
        equal([int(v) for v in result.as_numpy("OUTPUT0")[0]], list(range(1, 17)), "sums")
        tensor = kind.InferInput("INPUT0", [1, 3], "BYTES")
        value = np.array([[b"", b"he\x00llo", b"\xff\xfe"]], dtype=object)
        tensor.set_data_from_numpy(value)
        got = client.infer("simple_identity", [tensor]).as_numpy("OUTPUT0")
        equal(list(got[0]), list(value[0]), "bytes that are no text")
        if kind is by_http:
            fails(lambda tensor=tensor: client.infer("simple_identity", [tensor],
                                                     outputs=[by_http.InferRequestedOutput("OUTPUT0", binary_data=False)]),
                  "not UTF-8")


def test_numbers_that_are_none_and_halves(server):
    value = np.array([[np.nan, np.inf, -np.inf, 0.1]], dtype=np.float32)
    for kind, client in clients(server):
        tensor = kind.InferInput("INPUT0", [1, 4], "FP32")
        for more in ([{}] if kind is by_grpc else [{}, {"binary_data": False}]):
            tensor.set_data_from_numpy(value, **more)
            outputs = [kind.InferRequestedOutput("OUTPUT0", **more)]
            got = client.infer("floats", [tensor], outputs=outputs).as_numpy("OUTPUT0")
            true(np.array_equal(got, value, equal_nan=True), f"{got}")
        half = kind.InferInput("INPUT0", [2, 2], "FP16")
        half.set_data_from_numpy(np.array([[1.5, -2], [0, 65504]], dtype=np.float16))
        got = client.infer("halves", [half]).as_numpy("OUTPUT0")
        true(np.array_equal(got, [[1.5, -2], [0, 65504]]), f"halves: {got}")


def test_classes(server):
    value = np.array([[0.1, 0.7, 0.2]], dtype=np.float32)
    for kind, client in clients(server):
        tensor = kind.InferInput("INPUT0", [1, 3], "FP32")
        tensor.set_data_from_numpy(value)
        got = client.infer("floats", [tensor], outputs=[kind.InferRequestedOutput("OUTPUT0", class_count=2)]).as_numpy("OUTPUT0")
        equal([[v.decode() for v in row] for row in got], [["0.700000:1", "0.200000:2"]], "classes")


def test_async_and_streams(server):
    (_, http), (_, grpc) = clients(server)
    pending = [http.async_infer("simple", two_inputs(by_http, "INT32", COUNT + n, ONES)) for n in range(8)]
    for n, one in enumerate(pending):
        true(np.array_equal(one.get_result().as_numpy("OUTPUT0"), COUNT + n + 1), "asynchronous over HTTP")
    answers = queue.Queue()
    grpc.async_infer("simple", two_inputs(by_grpc, "INT32", COUNT, ONES), lambda result, error: answers.put((result, error)))
    result, error = answers.get(timeout=SECONDS)
    true(error is None and np.array_equal(result.as_numpy("OUTPUT0"), COUNT + 1), "asynchronous over gRPC")
    grpc.start_stream(lambda result, error: answers.put((result, error)))
    for n in range(5):
        grpc.async_stream_infer("simple" if n != 2 else "nobody", two_inputs(by_grpc, "INT32", COUNT, ONES), request_id=str(n),
                                enable_empty_final_response=True)
    for n in range(5):
        result, error = answers.get(timeout=SECONDS)
        if n == 2:
            true("Request for unknown model" in str(error), f"an error in the stream: {error}")
            continue
        response = result.get_response()
        equal((response.id, response.parameters["triton_final_response"].bool_param), (str(n), True), "an answer, the last one")
    grpc.stop_stream()


def test_asyncio(server):
    async def ask():
        address = server.url.removeprefix("http://")
        async with by_http_aio.InferenceServerClient(address) as http, \
                by_grpc_aio.InferenceServerClient(server.ready["grpc"]) as grpc:
            for kind, client in ((by_http_aio, http), (by_grpc_aio, grpc)):
                inputs = two_inputs(by_http if client is http else by_grpc, "INT32", COUNT, ONES)
                results = await asyncio.gather(*[client.infer("simple", inputs) for _ in range(10)])
                true(all(np.array_equal(r.as_numpy("OUTPUT0"), COUNT + 1) for r in results), f"{kind.__name__}")
                true(await client.is_model_ready("simple"), "ready")
                await client.get_inference_statistics()
                await client.update_trace_settings(settings={})
                await client.get_system_shared_memory_status()
                await client.unregister_cuda_shared_memory()
                for bad in (client.register_system_shared_memory("", "", 0),
                            client.register_cuda_shared_memory("", b"", 0, 0)):
                    try:
                        await bad
                    except InferenceServerException:
                        continue
                    raise AssertionError("let through")
    asyncio.run(ask())


# ---------------------------------------------------------------- control
def test_statistics(server):
    kind, client = clients(server)[0]
    before = client.get_inference_statistics("simple")["model_stats"][0]
    three = np.tile(COUNT, (3, 1))
    client.infer("simple", two_inputs(kind, "INT32", three, three))
    for _, client in clients(server):
        after = plain(client.get_inference_statistics("simple", "1"))["model_stats"]
        equal(len(after), 1, "one version")
        after = after[0]
        equal(int(after["inference_count"]) - int(before["inference_count"]), 3, "rows")
        equal(int(after["execution_count"]) - int(before["execution_count"]), 1, "runs")
        success = after["inference_stats"]["success"]
        equal(int(success["count"]) - int(before["inference_stats"]["success"]["count"]), 1, "requests")
        parts = sum(int(after["inference_stats"][part]["ns"]) for part in
                    ("queue", "compute_input", "compute_infer", "compute_output"))
        true(0 < parts <= int(success["ns"]), "the parts of a request are no more than the whole")
        true(any(int(b["batch_size"]) == 3 for b in after["batch_stats"]), "by batch size")
        true(len(plain(client.get_inference_statistics())["model_stats"]) >= len(MODELS), "of all models")
    text = server.api().send("GET", "/metrics").body.decode()
    for name in ("nv_inference_request_success", "nv_inference_count", "nv_inference_exec_count",
                 "nv_inference_queue_duration_us"):
        true(f'{name}{{model="simple",version="1"}}' in text, f"{name} in /metrics")


def test_response_cache(server):
    first, second = np.arange(16, dtype=np.int32).reshape(1, 16) + 1000, ONES
    ids = set()
    for kind, client in clients(server) * 2:  # Whatever the protocol: one request, one answer.
        answer = client.infer("cached", two_inputs(kind, "INT32", first, second))
        equal(answer.as_numpy("OUTPUT0").tolist(), (first + second).tolist(), "sum")
        equal(answer.as_numpy("OUTPUT1").tolist(), (first - second).tolist(), "difference")
        ids.add(plain(answer.get_response())["id"])
    equal(len(ids), 4, "each is a prediction of its own")
    kind, client = clients(server)[0]
    client.infer("cached", two_inputs(kind, "INT32", first, second), outputs=[kind.InferRequestedOutput("OUTPUT1")])
    for _, one in clients(server):
        got = plain(one.get_inference_statistics("cached"))["model_stats"][0]
        stats = got["inference_stats"]
        equal([int(stats[part]["count"]) for part in ("success", "cache_hit", "cache_miss")], [5, 3, 2], "requests, hits, misses")
        equal((int(got["inference_count"]), int(got["execution_count"])), (2, 2), "what the model answered")
        true(0 < int(stats["cache_hit"]["ns"]) < int(stats["success"]["ns"]), "time of hits")
    text = server.api().send("GET", "/metrics").body.decode()
    for name, value in (("nv_cache_num_hits_per_model", 3), ("nv_cache_num_misses_per_model", 2)):
        true(f'{name}{{model="cached",version="1"}} {value}' in text, f"{name} in /metrics")
    # Loaded again, it may be another file: nothing that was known counts.
    client.load_model("cached", config=json.dumps({"name": "cached", "max_batch_size": 8, "response_cache": {"enable": True}}),
                      files={"file:1/model.onnx": onnx_bytes(
                          [helper.make_node("Sub", ["INPUT0", "INPUT1"], ["OUTPUT0"]),
                           helper.make_node("Add", ["INPUT0", "INPUT1"], ["OUTPUT1"])],
                          [helper.make_tensor_value_info(n, TensorProto.INT32, [None, 16]) for n in FOUR[:2]],
                          [helper.make_tensor_value_info(n, TensorProto.INT32, [None, 16]) for n in FOUR[2:]])})
    answer = client.infer("cached", two_inputs(kind, "INT32", first, second))
    equal(answer.as_numpy("OUTPUT0").tolist(), (first - second).tolist(), "the new file answers")


def test_repository(server):
    for kind, client in clients(server):
        index = plain(client.get_model_repository_index())
        index = {m["name"]: m["state"] for m in (index if isinstance(index, list) else index["models"])}
        equal(index, {name: "READY" for name in MODELS}, "index")
        client.load_model("simple")
        fails(lambda client=client: client.load_model("simple", config='"parameters": {"config": {{"max_batch_size": "16"}}}'),
              "failed to load")
        true(client.is_model_ready("simple"), "what serves goes on")
        client.load_model("simple", config='{"max_batch_size":"16"}')
        got = plain(client.get_model_config("simple"))
        equal(got.get("config", got)["max_batch_size"], 16, "the configuration that was given")
        client.load_model("simple", config=json.dumps({"max_batch_size": 8}),
                          files={"file:1/model.onnx": MODELS["simple_int8"][0]})
        datatypes = {t["datatype"] for t in plain(client.get_model_metadata("simple"))["inputs"]}
        equal(datatypes, {"INT8"}, "the file that was given")
        fails(lambda client=client: client.load_model("simple", config="{}", files={"file:" + "A" * 256: b"a"}),
              "failed to poll from model repository")
        client.unload_model("simple")
        true(not client.is_model_ready("simple"), "unloaded")
        fails(lambda kind=kind, client=client: client.infer("simple", two_inputs(kind, "INT32", COUNT, ONES)),
              "Request for unknown model")
        client.load_model("simple")
        true(client.is_model_ready("simple"), "and back, as the repository has it")
        for wrong, text in (("wrong_model_name", "failed to load"), ("../etc", ""), (" ", "")):
            fails(lambda client=client, wrong=wrong: client.load_model(wrong), text)
        true(client.is_server_live(), "still there")


def test_trace_and_log_settings(server):
    for kind, client in clients(server):
        def trace(model=None, client=client, kind=kind, **change):
            got = client.update_trace_settings(model_name=model, settings=change) if change else client.get_trace_settings(model)
            return plain(got) if kind is by_http else {k: list(v.value) for k, v in got.settings.items()}

        def one(text, kind=kind):
            return text if kind is by_http else [text]
        equal(trace()["trace_rate"], one("1000"), "at first")
        trace("simple", trace_rate="12", log_frequency="34")
        equal(trace(trace_rate="56", trace_level=["TIMESTAMPS", "TENSORS"])["trace_level"], ["TIMESTAMPS", "TENSORS"], "changed")
        equal((trace("simple")["trace_rate"], trace("floats")["trace_rate"]), (one("12"), one("56")), "a model's own goes first")
        equal(trace("simple", trace_rate=None, log_frequency=None)["trace_rate"], one("56"), "taken back")
        equal(trace(trace_rate=None, trace_level=None)["trace_rate"], one("1000"), "taken back everywhere")
        fails(lambda: trace(trace_file="x"), "trace file location can not be updated")  # pylint: disable=cell-var-from-loop
        fails(lambda: trace("nobody"), "Request for unknown model : nobody")  # pylint: disable=cell-var-from-loop
        first = client.get_log_settings()
        equal(client.update_log_settings({"log_verbose_level": 1, "log_info": False}), client.get_log_settings(), "log settings")
        fails(lambda client=client: client.update_log_settings({"log_file": "x"}), "log file location can not be updated")
        equal(client.update_log_settings({"log_verbose_level": 0, "log_info": True}), first, "as it was")


def test_system_shared_memory(server):
    for kind, client in clients(server):
        client.unregister_system_shared_memory()
        client.unregister_cuda_shared_memory()
        size = COUNT.nbytes
        handles = [shm.create_shared_memory_region(name, f"/slipway_{name}", 2 * size) for name in ("out", "in")]
        try:
            for name in ("out", "in"):
                client.register_system_shared_memory(name, f"/slipway_{name}", 2 * size)
            fails(lambda client=client: client.register_system_shared_memory("in", "/slipway_in", size), "already in manager")
            shm.set_shared_memory_region(handles[1], [COUNT])
            shm.set_shared_memory_region(handles[1], [ONES], offset=size)
            inputs = [kind.InferInput(name, [1, 16], "INT32") for name in ("INPUT0", "INPUT1")]
            outputs = [kind.InferRequestedOutput(name) for name in ("OUTPUT0", "OUTPUT1")]
            for n, tensor in enumerate(inputs):
                tensor.set_shared_memory("in", size, offset=n * size)
            for n, tensor in enumerate(outputs):
                tensor.set_shared_memory("out", size, offset=n * size)
            result = client.infer("simple", inputs, outputs=outputs)
            true(result.get_output("OUTPUT0") is not None, "told of")
            for n, want in enumerate((COUNT + 1, COUNT - 1)):
                got = shm.get_contents_as_numpy(handles[0], np.int32, [1, 16], offset=n * size)
                true(np.array_equal(got, want), f"output {n}: {got}")
            status = client.get_system_shared_memory_status()
            equal(len(status if kind is by_http else status.regions), 2, "status")

            def ask(offset, byte_size, kind=kind, client=client, inputs=inputs):
                output = kind.InferRequestedOutput("OUTPUT0")
                output.set_shared_memory("out", byte_size, offset=offset)
                client.infer("simple", inputs, outputs=[output])
            fails(lambda: ask(2 * size, size), "Invalid offset for shared memory region")
            fails(lambda: ask(1, 2 * size), "Invalid offset + byte size for shared memory region")
            fails(lambda: ask(0, size - 1), "should be at least")
            if kind is by_http:
                fails(lambda: ask(32, 2**64 - 32), "Integer overflow detected: byte_size ")
            client.unregister_system_shared_memory("in")
            fails(lambda: ask(0, size), "Unable to find shared memory region: 'in'")
            for key, text in (("/", "invalid shm key"), ("/a/b", "invalid shm key"), ("/slipway_none", "Unable to open"),
                              ("/triton_python_backend_shm_region_x", "reserved prefix")):
                fails(lambda client=client, key=key: client.register_system_shared_memory("x", key, 8), text)
            fails(lambda client=client: client.register_system_shared_memory("x", "/slipway_in", 2 * size + 1), "invalid args")
            fails(lambda client=client: client.register_cuda_shared_memory("x", b"AAAA", 0, 8), "GPUs not supported")
            client.unregister_system_shared_memory()
        finally:
            for handle in handles:
                shm.destroy_shared_memory_region(handle)


def test_shared_memory_is_off_by_default(server):
    with tempfile.TemporaryDirectory(prefix="slipway-serving-") as folder:
        with harness.Server(harness.BINARY, pathlib.Path(folder) / "data", []) as other:
            for _, client in clients(other):
                fails(lambda client=client: client.register_system_shared_memory("x", "/x", 8),
                      "Client shared memory is disabled")
                client.unregister_system_shared_memory()
            equal(other.stop(), 0, "exit status")


# ---------------------------------------------------------------- plain HTTP
def post(server, path, body=b"", headers=None):
    """(status, headers, body) of a POST."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, body, headers or {}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as reply:
            return reply.status, reply.headers, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def refused(server, path, body, text, headers=None, status=400):
    got, _, answer = post(server, path, body, headers)
    equal(got, status, f"status of {path}: {answer[:200]}")
    true(text in json.loads(answer)["error"], f"'{text}' in {answer[:300]}")


RAW = {"Inference-Header-Content-Length": "0"}


def test_raw_bodies(server):
    value = np.arange(8, dtype=np.float32).tobytes()
    status, headers, body = post(server, "/v2/models/floats/infer", value, RAW)
    equal(status, 200, f"{body[:200]}")
    equal(body[int(headers["Inference-Header-Content-Length"]):], value, "there and back")
    status, headers, body = post(server, "/v2/models/one_text/infer", b"427", RAW)
    equal((status, body[int(headers["Inference-Header-Content-Length"]) + 4:]), (200, b"427"), "a text")
    refused(server, "/v2/models/simple_identity/infer", b"427", "the model must have input shape [1]", RAW)
    refused(server, "/v2/models/halves/infer", value, "there are more than one variable-sized dimension", RAW)
    refused(server, "/v2/models/simple/infer", value, "(found 1) to be deduced but got 2 inputs in", RAW)
    refused(server, "/v2/models/floats/infer", b"{}", "Inference-Header-Content-Length",
            {"Inference-Header-Content-Length": "99999999999"})


def test_bad_bodies(server):
    def one(shape, data, datatype="FP32", name="INPUT0"):
        return {"inputs": [{"name": name, "shape": shape, "datatype": datatype, "data": data}]}
    infer = "/v2/models/floats/infer"
    refused(server, infer, one([16, 2**60 + 2], [1.0]), "causes total element count to exceed maximum size of")
    refused(server, infer, one([4, 2**60 + 2], [1.0]), "byte size overflow for input")
    refused(server, infer, one([2, -5], [1.0]), "attempt to access JSON non-unsigned-integer as unsigned-integer")
    for depth, fine in ((120, False), (50, True)):
        body = json.dumps(one([1, 1], 0)).replace('"data": 0', '"data": ' + "[" * depth + "1" + "]" * depth).encode()
        if fine:
            equal(post(server, infer, body)[0], 200, "fifty deep")
        else:
            refused(server, infer, body, "JSON nesting depth exceeds maximum allowed limit (100)")
    twice = {**one([1, 1], [1]), "outputs": [{"name": "OUTPUT0"}] * 2}
    refused(server, infer, twice, "output 'OUTPUT0' already exists in request")
    nested = b'{"ready":' + b"[" * 250000 + b"true" + b"]" * 250000 + b"}"
    refused(server, "/v2/repository/index", nested, "Invalid value for 'ready': expected a boolean")
    for garbage in (b"", b"{", b"[1]", b"\xff\xfe", b'{"inputs":1}', b'{"inputs":[{}]}'):
        equal(post(server, infer, garbage)[0], 400, f"garbage {garbage}")
    equal(post(server, infer, zlib.compress(b"x")[:-3], {"Content-Encoding": "deflate"})[0], 400, "cut short")
    packed = gzip.compress(json.dumps(one([1, 1], [1])).encode())
    equal(post(server, infer, packed, {"Content-Encoding": "gzip"})[0], 200, "gzip")
    equal(post(server, infer, packed, {"Content-Encoding": "br"})[0], 415, "an encoding that nobody knows here")
    true(clients(server)[0][1].is_server_live(), "still there")


def test_generate(server):
    status, _, body = post(server, "/v2/models/simple_identity/generate", {"id": "42", "INPUT0": "hello", "n": 3})
    got = json.loads(body)
    equal((status, got["OUTPUT0"], got["id"], got["model_name"]), (200, "hello", "42", "simple_identity"), "generate")
    true("id" not in json.loads(post(server, "/v2/models/simple_identity/generate", {"INPUT0": "x"})[2]), "no id, none back")
    for path in ("generate_stream", "versions/1/generate_stream"):
        status, headers, body = post(server, f"/v2/models/simple_identity/{path}", {"INPUT0": ["a", "b"]})
        equal((status, headers["Content-Type"]), (200, "text/event-stream; charset=utf-8"), "events")
        true(body.startswith(b"data: {") and body.endswith(b"\n\n"), f"{body}")
        equal(json.loads(body[6:])["OUTPUT0"], ["a", "b"], "a list")
    for path in ("generate", "generate_stream"):
        for sent, text in (({}, "expected 1 inputs but got 0 inputs"), ({"INPUT0": 1}, "JSON non-string as string"),
                           ({"INPUT0": "a", "parameters": 1}, "Expected JSON object for keyword: 'parameters'")):
            refused(server, f"/v2/models/simple_identity/{path}", sent, text)
    whole = {"inputs": [{"name": "INPUT0", "shape": [1, 1], "datatype": "BYTES", "data": ["x"]}]}
    equal(json.loads(post(server, "/v2/models/simple_identity/generate", whole)[2])["outputs"][0]["data"], ["x"], "as MLServer has it")
    _, headers, body = post(server, "/v2/models/simple_identity/infer_stream", whole)
    equal(json.loads(body[6:])["outputs"][0]["data"], ["x"], "infer_stream")


def test_first_protocol_of_kserve_and_tensorflow(server):
    api = server.api()
    true("simple" in api.get("/v1/models")["models"], "list")
    about = api.get("/v1/models/simple")
    equal((about["name"], about["ready"], about["model_version_status"][0]["state"]), ("simple", True, "AVAILABLE"), "status")
    rows = [{"INPUT0": [1] * 16, "INPUT1": [2] * 16}] * 2
    for path in ("", "/versions/1", "/labels/stable"):
        status, _, body = post(server, f"/v1/models/simple{path}:predict", {"instances": rows})
        equal((status, len(json.loads(body).get("predictions", []))), (200, 2), f"{body[:200]}")
    columns = {"inputs": {"INPUT0": [[1] * 16], "INPUT1": [[2] * 16]}}
    equal(json.loads(post(server, "/v1/models/simple:predict", columns)[2])["outputs"]["OUTPUT1"], [[-1] * 16], "columns")
    status, headers, body = post(server, "/v1/models/floats:predict", {"instances": [[0.5, 1]]},
                                 {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "s", "ce-type": "t"})
    equal((status, json.loads(body), headers["ce-specversion"]), (200, {"predictions": [[0.5, 1.0]]}, "1.0"), "in headers")
    event = {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": {"instances": [[1, 2]]}}
    _, headers, body = post(server, "/v1/models/floats:predict", event, {"Content-Type": "application/cloudevents+json"})
    equal(json.loads(body)["data"], {"predictions": [[1.0, 2.0]]}, "in an envelope")
    equal(headers["Content-Type"], "application/cloudevents+json", "its type")
    signature = api.get("/v1/models/floats/metadata")["metadata"]["signature_def"]["signature_def"]["serving_default"]
    equal(signature["inputs"]["INPUT0"]["dtype"], "DT_FLOAT", "metadata")
    scores = json.loads(post(server, "/v1/models/floats:classify", {"examples": [{"INPUT0": [0.25, 0.75]}]})[2])
    equal(scores, {"results": [[["0", 0.25], ["1", 0.75]]]}, "classify")
    equal(json.loads(post(server, "/v1/models/floats:regress", {"examples": [{"INPUT0": [0.5]}]})[2]), {"results": [0.5]}, "regress")
    equal(post(server, "/v1/models/simple:explain", {"instances": []})[0], 501, "explain")
    for path, sent, status in (("nobody", {"instances": []}, 404), ("simple/versions/7", {"instances": rows}, 404),
                               ("simple/labels/none", {"instances": rows}, 404), ("simple", {}, 400),
                               ("simple", {"instances": [1]}, 400), ("floats", {"instances": [[1], [1, 2]]}, 400)):
        equal(post(server, f"/v1/models/{path}:predict", sent)[0], status, f"{path} {sent}")


def test_kserves_own_client(server):
    # In a process of its own: its messages have the names of Triton's.
    done = subprocess.run([sys.executable, HERE / "_kserve_client.py", server.url, server.ready["grpc"]], text=True,
                          capture_output=True, timeout=120, check=False)
    equal((done.returncode, done.stdout.strip()), (0, "ok"), f"KServe's client: {done.stderr[-2000:]}")


def test_openvinos_client_of_tensorflow_serving(server):
    client = make_http_client(server.url.removeprefix("http://"))
    equal(client.get_model_status("simple")[1]["state"], "AVAILABLE", "status")
    meta = client.get_model_metadata("floats")
    equal((meta["model_version"], meta["inputs"]["INPUT0"]), (1, {"dtype": "DT_FLOAT", "shape": [-1, -1]}), "metadata")
    got = client.predict({"INPUT0": np.array([[0.5, 1]], np.float32)}, "floats")
    true(np.array_equal(got, [[0.5, 1]]), f"one output: {got}")
    got = client.predict({"INPUT0": COUNT, "INPUT1": ONES}, "simple", 1)
    true(np.array_equal(got["OUTPUT0"], COUNT + 1) and np.array_equal(got["OUTPUT1"], COUNT - 1), f"two: {got}")
    for wrong in (lambda: client.get_model_status("nobody"), lambda: client.predict({"INPUT0": COUNT}, "nobody")):
        try:
            wrong()
        except ModelNotFoundError:
            continue
        raise AssertionError("let through")


def test_mlflows_scoring_client(server):
    del server
    with tempfile.TemporaryDirectory(prefix="slipway-serving-") as folder:
        folder = pathlib.Path(folder)
        (folder / "sign.onnx").write_bytes(harness.linear_classifier([[-1, 0], [1, 0]]))
        with harness.Server(harness.BINARY, folder / "data", ["--model", f"sign={folder / 'sign.onnx'}"]) as one:
            host, port = one.url.removeprefix("http://").split(":")
            client = ScoringServerClient(host, int(port))
            client.ping()
            import pandas
            answer = client.invoke(pandas.DataFrame({"a": [2.0, -2.0], "b": [0.0, 0.0]}))
            equal([row["label"] for row in answer.get_predictions().to_dict("records")], ["yes", "no"], "labels")
            table = pandas.DataFrame({"a": [2.0, -2.0], "b": [0.0, 0.0]})
            status, _, body = post(one, "/invocations", table.to_parquet(), {"Content-Type": "application/vnd.apache.parquet"})
            equal((status, [row["label"] for row in json.loads(body)["predictions"]]), (200, ["yes", "no"]), "Parquet")
            equal(post(one, "/invocations", b"PAR1", {"Content-Type": "application/vnd.apache.parquet"})[0], 400, "no Parquet")
            equal(one.stop(), 0, "exit status")


def test_many_at_once(server):
    failures = []

    def work(n):
        try:
            kind, client = clients(server)[n % 2]
            for k in range(30):
                value = COUNT + n * 100 + k
                got = client.infer("simple", two_inputs(kind, "INT32", value, ONES)).as_numpy("OUTPUT0")
                true(np.array_equal(got, value + 1), "its own answer")
        except Exception as error:  # pylint: disable=broad-except — told by the test's own thread
            failures.append(error)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(failures, [], "failures")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="slipway-models-") as repository:
        make_repository(pathlib.Path(repository))
        harness.run(globals(), ["--model-repository", repository, "--allow-client-shm", "--oip-server-name", "triton"])
