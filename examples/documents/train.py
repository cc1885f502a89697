#!/usr/bin/env python3
"""Trains the document-triage model, exports it to ONNX, records it with MLflow and registers it.

What:  TF-IDF over words and a linear classifier; the exported graph takes the raw text and answers section and
       probabilities, so that whoever serves it needs no Python and no copy of the tokenizer.
Needs: scikit-learn, skl2onnx, onnxruntime, mlflow, and MLFLOW_TRACKING_URI. Nothing here knows which server answers.
Proof: before anything is recorded, the graph has to agree with scikit-learn on the label of every evaluation text and
       on every probability to 1e-6.
The last line on stdout is a JSON object: run, model version, metrics.
"""
import argparse
import json
import os
import pathlib
import sys
import time

import mlflow
import numpy as np
import onnx
import onnxruntime
from mlflow.data.http_dataset_source import HTTPDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec
from skl2onnx import to_onnx
from skl2onnx.common.data_types import StringTensorType
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import f1_score, log_loss
from sklearn.pipeline import Pipeline

TERMS = 30_000
SEED = 7
TOLERANCE = 1e-6  # on probabilities: the graph computes in float32
# Words of ASCII letters and digits. Lower-casing of other letters depends on the locale of whoever serves the graph,
# and in the "C" locale, the only one that exists everywhere, it doesn't happen: so they separate words, here and there.
WORD = r"[a-zA-Z0-9_]+"
CHUNK = 256  # texts a call: the graph's term matrix is dense, 30k floats a text


def read(path: pathlib.Path) -> tuple:
    with open(path, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [row["text"] for row in rows], np.array([row["section"] for row in rows])


def fit(texts: list, labels: np.ndarray) -> Pipeline:
    model = Pipeline([("terms", TfidfVectorizer(max_features=TERMS, token_pattern=WORD)),
                      ("classifier", SGDClassifier(loss="log_loss", alpha=3e-6, max_iter=20, random_state=SEED))])
    return model.fit(texts, labels)


def export(model: Pipeline) -> onnx.ModelProto:
    graph = to_onnx(model, initial_types=[("text", StringTensorType([None, 1]))], options={"zipmap": False},
                    target_opset={"": 18, "ai.onnx.ml": 3})
    for node in graph.graph.node:
        if node.op_type == "StringNormalizer":
            # Without it ONNX Runtime asks for en_US.UTF-8, which a bare system doesn't have.
            node.attribute.append(onnx.helper.make_attribute("locale", "C"))
    return graph


def confuse_labels(graph: onnx.ModelProto) -> None:
    """The fault of the story's bad version: the list of class names is off by one, everything else is right.

    Such a graph has perfect offline metrics, because they were computed before the export.
    """
    for tensor in graph.graph.initializer:
        if tensor.data_type == onnx.TensorProto.STRING and len(tensor.string_data) > 2:
            names = list(tensor.string_data)
            tensor.string_data[:] = names[1:] + names[:1]
            return
    raise SystemExit("train: the graph has no list of class names")


def answers(graph: onnx.ModelProto, texts: list) -> tuple:
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    labels, probabilities = [], []
    for at in range(0, len(texts), CHUNK):
        part = np.array(texts[at:at + CHUNK], dtype=object).reshape(-1, 1)
        label, probability = session.run(["label", "probabilities"], {"text": part})
        labels.append(label)
        probabilities.append(probability)
    return np.concatenate(labels), np.concatenate(probabilities)


def evaluate(model: Pipeline, graph: onnx.ModelProto, sets: dict, check: bool) -> dict:
    """Metrics of each evaluation set by scikit-learn; with `check`, the graph has to give the same answers."""
    metrics, worst, wrong, compared = {}, 0.0, 0, 0
    for name, (texts, truth) in sets.items():
        suffix = "" if name == "en" else f"_{name}"
        expected = model.predict_proba(texts)
        label = model.classes_[expected.argmax(axis=1)]
        metrics[f"accuracy{suffix}"] = float(np.mean(label == truth))
        metrics[f"macro_f1{suffix}"] = float(f1_score(truth, label, average="macro", zero_division=0))
        metrics[f"log_loss{suffix}"] = float(log_loss(truth, expected, labels=model.classes_))
        metrics[f"confidence{suffix}"] = float(expected.max(axis=1).mean())
        if check:
            got_label, got = answers(graph, texts)
            wrong += int(np.sum(got_label != label))
            worst = max(worst, float(np.abs(got - expected).max()))
            compared += len(texts)
    if check:
        metrics.update(export_texts=float(compared), export_label_mismatches=float(wrong), export_max_difference=worst)
        if wrong or worst > TOLERANCE:
            raise SystemExit(f"train: the graph disagrees with scikit-learn: {wrong} of {compared} labels, "
                             f"largest difference of a probability {worst:.2e}")
    return metrics


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--train", type=pathlib.Path, required=True, help="JSONL with text and section")
    parser.add_argument("--evaluate", action="append", default=[], metavar="LANGUAGE=PATH")
    parser.add_argument("--name", default="documents", help="registered model")
    parser.add_argument("--experiment", default="document-triage")
    parser.add_argument("--dataset", metavar="NAME@VERSION", help="what the training file is called on the server")
    parser.add_argument("--dataset-digest", default="")
    parser.add_argument("--fault", choices=["labels"], help="break the exported graph on purpose")
    args = parser.parse_args()
    sets = {name: read(pathlib.Path(path)) for name, _, path in (item.partition("=") for item in args.evaluate)}
    texts, labels = read(args.train)

    mlflow.set_experiment(args.experiment)
    mlflow.sklearn.autolog(log_models=False, log_post_training_metrics=False, log_datasets=False, silent=True)
    with mlflow.start_run(run_name=f"sgd-{args.train.stem}") as run:
        start = time.monotonic()
        model = fit(texts, labels)
        seconds = time.monotonic() - start
        if args.dataset:
            name, _, version = args.dataset.partition("@")
            source = HTTPDatasetSource(f"{mlflow.get_tracking_uri()}/api/slipway/v1/datasets/{name}/versions/{version}")
            mlflow.log_input(MetaDataset(source, name=args.dataset, digest=args.dataset_digest[-32:]), "training")
            mlflow.set_tags({"slipway.dataset": args.dataset, "slipway.dataset_digest": args.dataset_digest})
        mlflow.log_params({"texts": len(texts), "sections": len(model.classes_)})  # the rest: by autolog
        graph = export(model)
        if args.fault == "labels":
            confuse_labels(graph)
        metrics = evaluate(model, graph, sets, check=args.fault is None)
        metrics["fit_seconds"] = seconds
        mlflow.log_metrics(metrics)
        signature = ModelSignature(
            inputs=Schema([TensorSpec(np.dtype("str"), (-1, 1), "text")]),
            outputs=Schema([TensorSpec(np.dtype("str"), (-1,), "label"),
                            TensorSpec(np.dtype("float32"), (-1, len(model.classes_)), "probabilities")]))
        # The requirements are named: else the client starts an interpreter to guess them, which takes half a minute.
        info = mlflow.onnx.log_model(graph, name="model", signature=signature, registered_model_name=args.name,
                                     pip_requirements=[f"onnxruntime=={onnxruntime.__version__}"])
    print(json.dumps({"run_id": run.info.run_id, "model": args.name, "version": int(info.registered_model_version),
                      "model_uri": info.model_uri, "metrics": metrics, "bytes": graph.ByteSize()}))
    return 0


if __name__ == "__main__":
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        sys.exit("train: set MLFLOW_TRACKING_URI to the server's address")
    sys.exit(main())
