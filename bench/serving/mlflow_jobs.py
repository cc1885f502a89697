"""MLflow's part of ./dev bench serving: `save FILE OUT` makes a pyfunc model, `score MODEL IN OUT` scores a Parquet file.

The score prints {"rows", "seconds"}: read, predict and write, without the imports and the load of the model.
"""
import json
import sys
import time
import warnings

warnings.simplefilter("ignore")


def save(source, out):
    import lightgbm
    import mlflow
    mlflow.lightgbm.save_model(lightgbm.Booster(model_file=source), out)


def score(model, source, out):
    import mlflow
    import pandas as pd
    loaded = mlflow.pyfunc.load_model(model)
    begun = time.perf_counter()
    table = pd.read_parquet(source)
    pd.DataFrame({"prediction": loaded.predict(table)}).to_parquet(out)
    print(json.dumps({"rows": len(table), "seconds": time.perf_counter() - begun}))


if __name__ == "__main__":
    {"save": save, "score": score}[sys.argv[1]](*sys.argv[2:])
