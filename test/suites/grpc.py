"""gRPC with clients that others wrote: tritonclient and plain grpcio against the real server, messages from api/proto.

Health, reflection, inference raw and typed, streams, errors, cancellation, oversized messages, credentials, draining.
"""
import datetime
import pathlib
import queue
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path = [entry for entry in sys.path if pathlib.Path(entry or ".").resolve() != HERE]  # This file's name is the module's.
sys.path.insert(0, str(HERE.parent / "e2e"))
import harness  # noqa: E402
from harness import equal, true, until  # noqa: E402
from dev import setup  # noqa: E402

sys.path.append(str(setup.packages("pip_grpc")))
import grpc  # noqa: E402
import numpy as np  # noqa: E402
import tritonclient.grpc as triton  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from cryptography.x509.oid import NameOID  # noqa: E402
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # noqa: E402
from onnx import TensorProto, helper  # noqa: E402
from tritonclient.utils import InferenceServerException  # noqa: E402

OIP = "inference.GRPCInferenceService"
INFER = f"/{OIP}/ModelInfer"
SECONDS = 20


def descriptors():
    """Every file of api/proto and what it imports, as protoc reads it."""
    root = harness.ROOT / "api" / "proto"
    files = [str(file.relative_to(root)) for file in sorted(root.rglob("*.proto"))]
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["protoc", "--include_imports", f"-I{root}", f"--descriptor_set_out={out.name}", *files], check=True)
        return descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(out.name).read_bytes())


def without_json_names(file):
    """Of what protoc writes, all that a compiled-in descriptor keeps."""
    def strip(kind):
        for field in kind.field:
            field.ClearField("json_name")
        for nested in kind.nested_type:
            strip(nested)
    for kind in file.message_type:
        strip(kind)
    return file


def message(name, pool=descriptor_pool.DescriptorPool()):  # One pool for all calls.
    if not pool_files:
        for file in descriptors().file:
            pool.Add(file)
            pool_files.append(file.name)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


pool_files = []


class Client:
    """A channel of plain grpcio; `call` answers (reply, trailing metadata) or raises RpcError."""

    def __init__(self, server, token=None, metadata=()):
        self.channel = grpc.insecure_channel(server.ready["grpc"], options=[("grpc.max_receive_message_length", -1)])
        self.metadata = [("slipway-contents", "typed"), *metadata, *([("authorization", f"Bearer {token}")] if token else [])]

    def call(self, method, request=b"", reply=None, metadata=(), timeout=SECONDS):
        raw = request if isinstance(request, bytes) else request.SerializeToString()
        method = method if method.startswith("/") else f"/{OIP}/{method}"
        kind = message(reply) if reply else None
        answer, call = self.channel.unary_unary(method)\
            .with_call(raw, timeout=timeout, metadata=[*self.metadata, *metadata])
        return (kind.FromString(answer) if kind else answer), dict(call.trailing_metadata())

    def code(self, method, request=b"", **more):
        try:
            self.call(method, request, **more)
        except grpc.RpcError as error:
            return error.code().name
        return "OK"

    def stream(self, method, requests, metadata=()):
        return self.channel.stream_stream(method)(iter(requests), timeout=SECONDS, metadata=[*self.metadata, *metadata])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()


def typed(rows, model="sign", **more):
    request = message("inference.ModelInferRequest")(model_name=model, **more)
    tensor = request.inputs.add(name="x", datatype="FP32", shape=[len(rows), len(rows[0])])
    tensor.contents.fp32_contents.extend(value for row in rows for value in row)
    return request


def raw(rows, model="sign", **more):
    request = message("inference.ModelInferRequest")(model_name=model, **more)
    request.inputs.add(name="x", datatype="FP32", shape=[len(rows), len(rows[0])])
    request.raw_input_contents.append(np.array(rows, dtype=np.float32).tobytes())
    return request


def every_type():
    """ONNX bytes: one input and one output of each datatype that ONNX Runtime's Identity knows."""
    kinds = {"BOOL": TensorProto.BOOL, "UINT8": TensorProto.UINT8, "UINT16": TensorProto.UINT16, "UINT32": TensorProto.UINT32,
             "UINT64": TensorProto.UINT64, "INT8": TensorProto.INT8, "INT16": TensorProto.INT16, "INT32": TensorProto.INT32,
             "INT64": TensorProto.INT64, "FP32": TensorProto.FLOAT, "FP64": TensorProto.DOUBLE, "BYTES": TensorProto.STRING}
    nodes = [helper.make_node("Identity", [f"in_{name}"], [f"out_{name}"]) for name in kinds]
    graph = helper.make_graph(
        nodes, "echo", [helper.make_tensor_value_info(f"in_{name}", kind, [None, 2]) for name, kind in kinds.items()],
        [helper.make_tensor_value_info(f"out_{name}", kind, [None, 2]) for name, kind in kinds.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model.SerializeToString()


VALUES = {
    "BOOL": np.array([[True, False]]), "UINT8": np.array([[0, 255]], np.uint8), "UINT16": np.array([[0, 65535]], np.uint16),
    "UINT32": np.array([[0, 2**32 - 1]], np.uint32), "UINT64": np.array([[0, 2**64 - 1]], np.uint64),
    "INT8": np.array([[-128, 127]], np.int8), "INT16": np.array([[-2**15, 2**15 - 1]], np.int16),
    "INT32": np.array([[-2**31, 2**31 - 1]], np.int32), "INT64": np.array([[-2**63, 2**63 - 1]], np.int64),
    "FP32": np.array([[1.5, -np.inf]], np.float32), "FP64": np.array([[1e308, -0.1]], np.float64),
    "BYTES": np.array([["", "zwei\u00fc"]], dtype=object)}
CONTENTS = {"BOOL": "bool", "UINT8": "uint", "UINT16": "uint", "UINT32": "uint", "UINT64": "uint64", "INT8": "int", "INT16": "int",
            "INT32": "int", "INT64": "int64", "FP32": "fp32", "FP64": "fp64", "BYTES": "bytes"}


def test_models_are_deployed(server):
    api = server.api()
    harness.register(api, "sign", harness.linear_classifier([[-1, 0], [1, 0]]))
    harness.register(api, "sign", harness.linear_classifier([[1, 0], [-1, 0]]))
    harness.register(api, "echo", every_type())
    for name in ("sign", "echo"):
        api.put(f"deployments/{name}", {"model": name, "version": 1})
        harness.ready(api, name, server, 1)


def test_server_and_models_say_what_they_are(server):
    with triton.InferenceServerClient(server.ready["grpc"]) as client:
        true(client.is_server_live() and client.is_server_ready() and client.is_model_ready("sign"), "live and ready")
        meta = client.get_server_metadata()
        equal(meta.name, "slipway", "server metadata")
        true("statistics" in meta.extensions and "system_shared_memory" not in meta.extensions, "what is served, and no more")
        model = client.get_model_metadata("sign")
        equal([(t.name, t.datatype, list(t.shape)) for t in model.inputs], [("x", "FP32", [-1, 2])], "inputs")
        equal((model.name, list(model.versions), model.platform), ("sign", ["1"], "onnxruntime_onnx"), "model metadata")


def test_tritonclient_infers_every_datatype(server):
    with triton.InferenceServerClient(server.ready["grpc"]) as client:
        inputs = []
        for name, value in VALUES.items():
            inputs.append(triton.InferInput(f"in_{name}", list(value.shape), name))
            inputs[-1].set_data_from_numpy(value)
        result = client.infer("echo", inputs, request_id="mine")
        equal(result.get_response().id, "mine", "the request's id comes back")
        for name, value in VALUES.items():
            got = result.as_numpy(f"out_{name}")
            want = np.array([[text.encode() for text in value[0]]], dtype=object) if name == "BYTES" else value
            true(np.array_equal(got, want), f"{name}: {got} is not {want}")
        only = client.infer("echo", inputs, outputs=[triton.InferRequestedOutput("out_INT8")])
        equal([output.name for output in only.get_response().outputs], ["out_INT8"], "requested outputs")


def test_typed_contents_are_answered_typed(server):
    request = message("inference.ModelInferRequest")(model_name="echo")
    for name, value in VALUES.items():
        tensor = request.inputs.add(name=f"in_{name}", datatype=name, shape=value.shape)
        flat = [text.encode() for text in value[0]] if name == "BYTES" else value[0].tolist()
        getattr(tensor.contents, f"{CONTENTS[name]}_contents").extend(flat)
    with Client(server) as client:
        reply, _ = client.call("ModelInfer", request, "inference.ModelInferResponse")
        client.metadata = []
        raw_reply, _ = client.call("ModelInfer", request, "inference.ModelInferResponse")
    equal((len(reply.raw_output_contents), len(raw_reply.raw_output_contents)), (0, len(VALUES)), "raw, unless asked otherwise")
    for asked, got in zip(request.inputs, reply.outputs):
        equal((got.datatype, list(got.shape), got.contents), (asked.datatype, [1, 2], asked.contents), asked.name)


def test_predictions_are_named_and_logged_as_over_rest(server):
    api = server.api()
    with Client(server) as client:
        reply, trailing = client.call("ModelInfer", typed([[2, 0], [-2, 0]]), "inference.ModelInferResponse",
                                      metadata=[("x-slipway-client-ref", "order-7"), ("x-request-id", "req-9")])
    equal([v.decode() for v in reply.outputs[0].contents.bytes_contents], ["yes", "no"], "labels")
    equal(trailing["x-slipway-model-version"], "1", "version")
    equal(reply.parameters["prediction_id"].string_param, trailing["x-slipway-prediction-id"], "prediction id, twice")
    equal((reply.id, trailing["x-request-id"]), (trailing["x-slipway-prediction-id"], "req-9"), "ids")
    for known in ({"client_ref": "order-7"}, {"prediction_id": trailing["x-slipway-prediction-id"]}):
        until("a label to find the logged prediction", lambda known=known: api.post(
            "labels", {"deployment": "sign", "labels": [{**known, "label": "yes"}]})["pending"] == 0, 10, server)
    by_rest = harness.infer(api, "sign", [[2.0, 0.0]])
    equal(harness.labels_of(by_rest), ["yes"], "REST answers the same")


def test_a_canary_gets_its_part(server):
    api = server.api()
    api.post("deployments/sign/canary", {"version": 2, "weight": 0.5})
    until("both arms", lambda: len(api.get("deployments/sign")["arms"]) == 2, 10, server)
    seen = {}
    with Client(server) as client:
        for number in range(60):
            by = [("x-slipway-client-ref", f"user-{number % 20}")]
            _, trailing = client.call("ModelInfer", raw([[2, 0]]), metadata=by)
            seen.setdefault(number % 20, set()).add(trailing["x-slipway-model-version"])
        named, trailing = client.call("ModelInfer", raw([[2, 0]], model_version="2"), "inference.ModelInferResponse")
        equal((named.model_version, trailing["x-slipway-model-version"]), ("2", "2"), "a named version")
        equal(client.code("ModelInfer", raw([[2, 0]], model_version="3")), "NOT_FOUND", "a version that isn't served")
    true(all(len(versions) == 1 for versions in seen.values()), f"a reference stays on its arm: {seen}")
    equal(set().union(*seen.values()), {"1", "2"}, "both arms answer")
    api.post("deployments/sign/rollback", {"reason": "enough"})
    harness.ready(api, "sign", server, 1)


def test_statistics_and_repository(server):
    with triton.InferenceServerClient(server.ready["grpc"]) as client:
        index = {(m.name, m.version): m.state for m in client.get_model_repository_index().models}
        equal(index, {("echo", "1"): "READY", ("sign", "1"): "READY"}, "index")
        before = client.get_inference_statistics("sign").model_stats[0]
        with Client(server) as plain:
            plain.call("ModelInfer", raw([[1, 0]] * 5))
            plain.code("ModelInfer", raw([[1, 0, 0]]))
        after = client.get_inference_statistics("sign").model_stats[0]
        equal(after.inference_count - before.inference_count, 5, "rows")
        equal(after.execution_count - before.execution_count, 1, "runs")
        equal(after.inference_stats.fail.count - before.inference_stats.fail.count, 1, "failures")
        true(after.inference_stats.success.ns > before.inference_stats.success.ns, "time passes")
        client.load_model("sign")
        for refused in (lambda: client.unload_model("sign"), lambda: client.load_model("nobody"),
                        lambda: client.get_inference_statistics("nobody")):
            try:
                refused()
                raise AssertionError("let through")
            except InferenceServerException as error:
                true(error.status() in ("StatusCode.UNIMPLEMENTED", "StatusCode.NOT_FOUND"), str(error))


def test_bad_requests_have_a_reason_and_change_nothing(server):
    both = raw([[1, 0]])
    both.inputs[0].contents.fp32_contents.extend([1, 0])
    short = raw([[1, 0]])
    short.raw_input_contents[0] = short.raw_input_contents[0][:-1]
    surplus = raw([[1, 0]])
    surplus.raw_input_contents.append(b"")
    wrong = typed([[1, 0]])
    wrong.inputs[0].datatype = "INT64"
    unknown = typed([[1, 0]])
    unknown.inputs[0].datatype = "FP8"
    negative = typed([[1, 0]])
    negative.inputs[0].shape[0] = -1
    huge = typed([[1, 0]])
    huge.inputs[0].shape[:] = [2**62, 2**62]
    shared = typed([[1, 0]])
    shared.inputs[0].parameters["shared_memory_region"].string_param = "r"
    shared.inputs[0].parameters["shared_memory_byte_size"].int64_param = 8
    with Client(server) as client:
        for what, request, code in [
                ("both forms", both, "INVALID_ARGUMENT"), ("a short raw tensor", short, "INVALID_ARGUMENT"),
                ("too many raw tensors", surplus, "INVALID_ARGUMENT"), ("the wrong list", wrong, "INVALID_ARGUMENT"),
                ("an unknown datatype", unknown, "INVALID_ARGUMENT"), ("a negative dimension", negative, "INVALID_ARGUMENT"),
                ("an enormous shape", huge, "INVALID_ARGUMENT"), ("the wrong width", typed([[1, 2, 3]]), "INVALID_ARGUMENT"),
                ("shared memory", shared, "UNIMPLEMENTED"), ("an unknown model", typed([[1, 0]], "nobody"), "NOT_FOUND"),
                ("a version that is no number", typed([[1, 0]], model_version="x"), "NOT_FOUND"),
                ("no protobuf", b"\xff\xff\xff", "INVALID_ARGUMENT"), ("nothing", b"", "NOT_FOUND"),
                ("a long reference", (typed([[1, 0]]), [("x-slipway-client-ref", "r" * 300)]), "INVALID_ARGUMENT")]:
            request, metadata = request if isinstance(request, tuple) else (request, [])
            equal(client.code("ModelInfer", request, metadata=metadata), code, what)
        equal(client.code("NoSuchCall"), "UNIMPLEMENTED", "an unknown method")
        equal(client.code("/no.Service/Call"), "UNIMPLEMENTED", "an unknown service")
        equal(client.code("ServerMetadata", metadata=[("x-slipway-project", "../up")]), "INVALID_ARGUMENT", "a bad project")
        equal(client.code("ModelMetadata", message("inference.ModelMetadataRequest")(name="sign"),
                          metadata=[("x-slipway-project", "other")]), "NOT_FOUND", "another project has no such model")
        ready, _ = client.call("ModelReady", message("inference.ModelReadyRequest")(name="nobody"), "inference.ModelReadyResponse")
        equal(ready.ready, False, "what isn't there isn't ready")
        try:
            client.call("ModelInfer", typed([[1, 0]], "nobody"))
        except grpc.RpcError as error:
            equal(dict(error.trailing_metadata())["x-slipway-reason"], "deployment.not_found", "the reason")
            true("nobody" in error.details(), "the text names the model")
        equal(client.code("ModelInfer", typed([[1, 0]])), "OK", "it still answers")


def test_oversized_messages(server):
    with Client(server) as client:
        equal(client.code("ModelInfer", b"\0" * (3 << 20)), "RESOURCE_EXHAUSTED", "above --max-body")
        equal(client.code("ModelReady", b"\0" * (1 << 20)), "INVALID_ARGUMENT", "below its own limit it is only no message")
        equal(client.code("/grpc.health.v1.Health/Check", b"\0" * 5000), "RESOURCE_EXHAUSTED", "above a row's own limit")
        equal(client.code("ModelInfer", typed([[1, 0]])), "OK", "it still answers")


def test_streams(server):
    replies = queue.Queue()
    with triton.InferenceServerClient(server.ready["grpc"]) as client:
        client.start_stream(lambda result, error: replies.put((result, error)))
        for number in range(20):
            tensor = triton.InferInput("x", [1, 2 if number != 7 else 3], "FP32")
            tensor.set_data_from_numpy(np.ones((1, 2 if number != 7 else 3), np.float32))
            client.async_stream_infer("sign", [tensor], request_id=str(number))
        for number in range(20):
            result, error = replies.get(timeout=SECONDS)
            if number == 7:
                true(error is not None and "x" in str(error), "the seventh is an error, and the stream goes on")
            else:
                equal((error, result.get_response().id), (None, str(number)), "replies keep their order")
        client.stop_stream()
    with Client(server) as client:
        stream = client.stream(f"/{OIP}/ModelStreamInfer", [typed([[1, 2, 3]]).SerializeToString()],
                               metadata=[("triton_grpc_error", "true")])
        try:
            list(stream)
            raise AssertionError("let through")
        except grpc.RpcError as error:
            equal(error.code().name, "INVALID_ARGUMENT", "gRPC's own errors, when asked for")


def test_streams_as_mlserver_has_them(server):
    with Client(server) as client:
        bare = [("slipway-stream", "mlserver")]
        requests = [typed([[1, 0]]).SerializeToString(), typed([[1, 2, 3]]).SerializeToString()]
        stream = client.stream(f"/{OIP}/ModelStreamInfer", requests, metadata=bare)
        equal(message("inference.ModelInferResponse").FromString(next(stream)).model_name, "sign", "an answer as it is")
        try:
            next(stream)
            raise AssertionError("let through")
        except grpc.RpcError as error:
            equal(error.code().name, "INVALID_ARGUMENT", "an error ends it")
        index = "/inference.model_repository.ModelRepositoryService/RepositoryIndex"
        reply, _ = client.call(index, b"", "inference.model_repository.RepositoryIndexResponse")
        equal(sorted(m.name for m in reply.models), ["echo", "sign"], "the repository by MLServer's name")


def test_a_cancelled_stream_is_let_go(server):
    go_on = threading.Event()

    def requests():
        yield typed([[1, 0]]).SerializeToString()
        go_on.wait(SECONDS)

    with Client(server) as client:
        stream = client.stream(f"/{OIP}/ModelStreamInfer", requests())
        next(stream)
        stream.cancel()
        go_on.set()
        metric = f'slipway_grpc_requests_total{{method="{OIP}/ModelStreamInfer",code="CANCELLED"}} 1'
        until("the cancelled call to be counted", lambda: metric in server.api().send("GET", "/metrics").body.decode(), 10, server)
        equal(client.code("ModelInfer", typed([[1, 0]])), "OK", "it still answers")


def test_health(server):
    request, reply = message("grpc.health.v1.HealthCheckRequest"), "grpc.health.v1.HealthCheckResponse"
    check = "/grpc.health.v1.Health/Check"
    with Client(server) as client:
        for service in ("", OIP, "grpc.health.v1.Health"):
            equal(client.call(check, request(service=service), reply)[0].status, 1, f"status of '{service}'")
        equal(client.code(check, request(service="nobody")), "NOT_FOUND", "an unknown service")
        watch = client.channel.unary_stream("/grpc.health.v1.Health/Watch")(
            request(service=OIP).SerializeToString(), timeout=SECONDS)
        equal(message(reply).FromString(next(watch)).status, 1, "first status of a watch")
        watch.cancel()


def test_reflection(server):
    known = {file.name: without_json_names(file) for file in descriptors().file}
    for version in ("v1", "v1alpha"):
        ask = message(f"grpc.reflection.{version}.ServerReflectionRequest")
        answer = message(f"grpc.reflection.{version}.ServerReflectionResponse")
        questions = [ask(list_services="*"), ask(file_containing_symbol=OIP), ask(file_containing_symbol="no.Symbol"),
                     ask(file_by_filename="inference/open_inference.proto"),
                     ask(file_containing_symbol=f"grpc.reflection.{version}.ServerReflection"), ask()]
        with Client(server) as client:
            replies = [answer.FromString(reply) for reply in client.stream(
                f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo", [q.SerializeToString() for q in questions])]
        equal([s.name for s in replies[0].list_services_response.service],
              ["GrpcFeatureServer", "arrow.flight.protocol.FlightService", "feast.registry.RegistryServer",
               "feast.serving.ServingService", "grpc.health.v1.Health", OIP, "inference.model_repository.ModelRepositoryService",
               "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"],
              "services")
        for reply in (replies[1], replies[3]):
            file = descriptor_pb2.FileDescriptorProto.FromString(reply.file_descriptor_response.file_descriptor_proto[0])
            equal(file, known[file.name], "the descriptor is the file's")
        equal([replies[n].error_response.error_code for n in (2, 5)], [5, 3], "errors inside the stream")
        equal(len(replies[4].file_descriptor_response.file_descriptor_proto), 1, "it can describe itself")


def test_calls_are_counted(server):
    text = server.api().send("GET", "/metrics").body.decode()
    for line in (f'slipway_grpc_requests_total{{method="{INFER[1:]}",code="NOT_FOUND"}}',
                 'slipway_grpc_requests_total{method="unmatched",code="UNIMPLEMENTED"} 2',
                 f'slipway_grpc_request_duration_seconds_count{{method="{INFER[1:]}"}}', "slipway_grpc_message_in_bytes_total"):
        true(line in text, f"{line} in /metrics")


def test_stops_with_streams_open(server):
    with Client(server) as client:
        go_on = threading.Event()

        def requests():
            yield typed([[1, 0]]).SerializeToString()
            go_on.wait(SECONDS)

        stream = client.stream(f"/{OIP}/ModelStreamInfer", requests())
        next(stream)
        health = message("grpc.health.v1.HealthCheckResponse")
        watch = client.channel.unary_stream("/grpc.health.v1.Health/Watch")(b"", timeout=SECONDS)
        equal(health.FromString(next(watch)).status, 1, "serving")
        equal(server.stop(), 0, "exit status after SIGTERM")
        equal(health.FromString(next(watch)).status, 2, "watchers hear that it stops")
        for open_call in (stream, watch):
            try:
                list(open_call)
                raise AssertionError("the stream ended well")
            except grpc.RpcError as error:
                equal(error.code().name, "UNAVAILABLE", "how a stream ends when the server stops")
        go_on.set()


def test_credentials(server):
    with tempfile.TemporaryDirectory(prefix="slipway-grpc-") as folder:
        with harness.Server(harness.BINARY, pathlib.Path(folder) / "data", ["--auth"]) as guarded:
            boss = (guarded.data / "bootstrap-token").read_text().strip()
            api = guarded.api(boss)
            harness.register(api, "sign", harness.linear_classifier([[-1, 0], [1, 0]]))
            api.put("deployments/sign", {"model": "sign", "version": 1})
            harness.ready(api, "sign", guarded, 1)
            reader = api.post("tokens", {"principal": "r", "role": "read"})["token"]
            user = api.post("tokens", {"principal": "u", "role": "use"})["token"]
            load = message("inference.RepositoryModelLoadRequest")(model_name="sign")
            ready = message("inference.ModelReadyRequest")(name="sign")
            for token, codes in {None: ["UNAUTHENTICATED"] * 3, "slp_wrong": ["UNAUTHENTICATED"] * 3,
                                 reader: ["OK", "PERMISSION_DENIED", "PERMISSION_DENIED"],
                                 user: ["OK", "OK", "PERMISSION_DENIED"], boss: ["OK", "OK", "OK"]}.items():
                with Client(guarded, token) as client:
                    got = [client.code(method, request) for method, request in
                           (("ModelReady", ready), ("ModelInfer", typed([[1, 0]])), ("RepositoryModelLoad", load))]
                    equal(got, codes, f"what the token {token and token[:12]} may do")
                    equal(client.code("ServerLive"), "OK", "public calls need none")
            equal(guarded.stop(), 0, "exit status")


def certificate():
    """PEM of a key and of a certificate for localhost that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())\
        .serial_number(1).not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))\
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)\
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, hashes.SHA256())
    return (key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
            made.public_bytes(serialization.Encoding.PEM))


def test_tls_when_http_has_it(server):
    with tempfile.TemporaryDirectory(prefix="slipway-grpc-") as folder:
        folder = pathlib.Path(folder)
        key, cert = certificate()
        (folder / "key.pem").write_bytes(key)
        (folder / "cert.pem").write_bytes(cert)
        args = ["--tls-certificate", str(folder / "cert.pem"), "--tls-key", str(folder / "key.pem")]
        with harness.Server(harness.BINARY, folder / "data", args) as secure:
            true(secure.url.startswith("https://"), "HTTP has TLS")
            for trusted, code in ((cert, "OK"), (certificate()[1], "UNAVAILABLE")):
                channel = grpc.secure_channel(secure.ready["grpc"], grpc.ssl_channel_credentials(trusted),
                                              options=[("grpc.ssl_target_name_override", "localhost")])
                with channel:
                    try:
                        channel.unary_unary(f"/{OIP}/ServerLive")(b"", timeout=SECONDS)
                        got = "OK"
                    except grpc.RpcError as error:
                        got = error.code().name
                    equal(got, code, "a call over TLS")
            equal(secure.stop(), 0, "exit status")


if __name__ == "__main__":
    harness.run(globals(), ["--max-body", "2MiB"])
