"""The peer: FastAPI on uvicorn (one process, no access log), with ONNX Runtime behind /predict.

peer.py plain|fast [MODEL]: plain is what `pip install fastapi uvicorn` gives (asyncio, h11); fast adds uvloop and
httptools.
"""
import socket
import sys

import uvicorn
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

app = FastAPI()


@app.get("/health", response_class=PlainTextResponse)
async def health():
    return "OK"


def add_model(path):
    import numpy as np  # only where the model row is measured
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    class Rows(BaseModel):
        instances: list[list[float]]

    @app.post("/predict")
    async def predict(rows: Rows):
        out = session.run(None, {name: np.asarray(rows.instances, dtype=np.float32)})
        return {"predictions": out[0].tolist()}


if __name__ == "__main__":
    fast = sys.argv[1] == "fast"
    if len(sys.argv) > 2:
        add_model(sys.argv[2])
    # With the protocol named, or asyncio doesn't switch Nagle's algorithm off and every reply waits 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    print(f"ready http=http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(app, loop="uvloop" if fast else "asyncio", http="httptools" if fast else "h11",
                            log_level="error", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])
