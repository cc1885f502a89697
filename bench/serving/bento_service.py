"""The peer's service: BentoML as its documentation writes one, with LightGBM behind /predict. BENCH_MODEL names the file."""
import os

import bentoml
import lightgbm
import numpy as np


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Bench:
    def __init__(self):
        self.model = lightgbm.Booster(model_file=os.environ["BENCH_MODEL"])

    @bentoml.api
    async def predict(self, rows: list[list[float]]) -> list[float]:
        return self.model.predict(np.asarray(rows, np.float32), num_threads=1).tolist()
