"""KServe's own client against a server that has the model `floats`: URL GRPC_ADDRESS. Says ok, or raises."""
import asyncio
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path = [entry for entry in sys.path if pathlib.Path(entry or ".").resolve() != HERE]
sys.path.insert(0, str(HERE.parent / "e2e"))
from harness import equal, true  # noqa: E402
from dev import setup  # noqa: E402

sys.path.append(str(setup.packages("pip_serving")))
import kserve  # noqa: E402
import numpy as np  # noqa: E402
from kserve.inference_client import RESTConfig  # noqa: E402


async def first_protocol(url):
    client = kserve.InferenceRESTClient(RESTConfig(protocol="v1"))
    true(await client.is_server_live(url) and await client.is_model_ready(url, "floats"), "live and ready")
    equal(await client.infer(url, {"instances": [[0.5, 1.0]]}, model_name="floats"), {"predictions": [[0.5, 1.0]]}, "v1")


async def second_protocol(url, request):
    client = kserve.InferenceRESTClient(RESTConfig(protocol="v2"))
    true(await client.is_server_live(url) and await client.is_server_ready(url), "live and ready")
    true(await client.is_model_ready(url, "floats"), "model ready")
    answer = await client.infer(url, request, model_name="floats")
    equal((answer.id, answer.outputs[0].as_numpy().tolist()), ("mine", [[0.5, 1.0]]), "v2, JSON")
    tensor = kserve.InferInput(name="INPUT0", shape=[1, 2], datatype="FP32")
    tensor.set_data_from_numpy(np.array([[0.5, 1.0]], np.float32), binary_data=True)
    binary = kserve.InferRequest(model_name="floats", request_id="mine", infer_inputs=[tensor],
                                 parameters={"binary_data_output": True})
    answer = await client.infer(url, binary, model_name="floats")
    equal(answer.outputs[0].as_numpy().tolist(), [[0.5, 1.0]], "v2, binary")


async def over_grpc(address, request):
    client = kserve.InferenceGRPCClient(address)
    true(await client.is_server_live() and await client.is_server_ready() and await client.is_model_ready("floats"), "ready")
    answer = await client.infer(request)
    equal(answer.outputs[0].as_numpy().tolist(), [[0.5, 1.0]], "gRPC")


async def main(url, address):
    request = kserve.InferRequest(model_name="floats", request_id="mine", infer_inputs=[
        kserve.InferInput(name="INPUT0", shape=[1, 2], datatype="FP32", data=[0.5, 1.0])])
    await first_protocol(url)
    await second_protocol(url, request)
    await over_grpc(address, request)
    print("ok")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
