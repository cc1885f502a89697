"""The model of the benchmark: 100 boosted trees of depth 4 on 20 columns, as ONNX; registered when a server is named.

make_model.py FILE [TRACKING_URI]
"""
import sys

import numpy as np
import onnx
from skl2onnx import to_onnx
from sklearn.ensemble import GradientBoostingRegressor


def make(path):
    rng = np.random.default_rng(7)
    x = rng.normal(size=(2000, 20)).astype(np.float32)
    y = x[:, 0] * x[:, 1] + np.sin(x[:, 2]) + rng.normal(size=2000) * 0.1
    model = GradientBoostingRegressor(n_estimators=100, max_depth=4, random_state=7).fit(x, y)
    onnx.save(to_onnx(model, x[:1], target_opset=17), path)


def register(path, uri):
    import mlflow  # slow to import, and only needed here
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec
    mlflow.set_tracking_uri(uri)
    signature = ModelSignature(inputs=Schema([TensorSpec(np.dtype(np.float32), (-1, 20), "X")]),
                               outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, 1), "variable")]))
    with mlflow.start_run():
        mlflow.onnx.log_model(onnx.load(path), name="model", signature=signature, registered_model_name="bench")


if __name__ == "__main__":
    make(sys.argv[1])
    if len(sys.argv) > 2:
        register(sys.argv[1], sys.argv[2])
