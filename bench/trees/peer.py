"""One model of trees in every library: LightGBM's own, the same thresholds and leaves as ONNX, lleaves' and tl2cgen's compiled forms.

A peer is a pair of functions, of a block of rows and of one row; all use one thread.
"""
import pathlib

import numpy as np


def train(width, trees, leaves, rows):
    """(booster, float32 rows): regression with about equally used features."""
    import lightgbm
    dice = np.random.default_rng(7)
    x = dice.normal(size=(30_000, width)).astype(np.float32)
    y = np.sin(x @ dice.normal(size=width)) + x[:, 0] * x[:, 1] + dice.normal(size=len(x)) / 4
    params = {"objective": "regression", "num_leaves": leaves, "min_data_in_leaf": 5, "learning_rate": 0.1, "num_threads": 2,
              "verbose": -1, "seed": 7}
    booster = lightgbm.train(params, lightgbm.Dataset(x, y), trees)
    return booster, dice.normal(size=(rows, width)).astype(np.float32)


def as_onnx(booster):
    """TreeEnsembleRegressor of the same trees; a threshold is the greatest float that isn't greater."""
    from onnx import TensorProto, helper
    a = {f"nodes_{n}": [] for n in ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids")}
    a |= {f"target_{n}": [] for n in ("treeids", "nodeids", "ids", "weights")}

    def add(tree, node, number, count):
        mine = count[0]
        count[0] += 1
        at = len(a["nodes_treeids"])
        leaf = "leaf_value" in node
        value = np.float32(0 if leaf else node["threshold"])
        if not leaf and float(value) > node["threshold"]:
            value = np.nextafter(value, np.float32(-np.inf))
        for name, x in zip(("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids"),
                           (number, mine, 0 if leaf else node["split_feature"], "LEAF" if leaf else "BRANCH_LEQ", float(value), 0, 0)):
            a[f"nodes_{name}"].append(x)
        if leaf:
            for name, x in zip(("treeids", "nodeids", "ids", "weights"), (number, mine, 0, node["leaf_value"])):
                a[f"target_{name}"].append(x)
        else:
            a["nodes_truenodeids"][at] = add(tree, node["left_child"], number, count)
            a["nodes_falsenodeids"][at] = add(tree, node["right_child"], number, count)
        return mine

    model = booster.dump_model()
    for number, tree in enumerate(model["tree_info"]):
        add(tree, tree["tree_structure"], number, [0])
    node = helper.make_node("TreeEnsembleRegressor", ["X"], ["Y"], domain="ai.onnx.ml", n_targets=1, **a)
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, model["max_feature_idx"] + 1])],
                              [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [None, 1])])
    opsets = [helper.make_opsetid("", 15), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def make(booster, folder):
    """{name: function of float32 rows}. What can't be made is left out, with a word."""
    folder = pathlib.Path(folder)
    return {name: peer for name, peer in ((n, guarded(n, f, booster, folder)) for n, f in MAKERS.items()) if peer}


def guarded(name, maker, booster, folder):
    try:
        return maker(booster, folder)
    except Exception as error:  # pylint: disable=broad-except
        print(f"{name} is left out: {type(error).__name__}: {str(error)[:200]}", flush=True)
        return None


def of_lightgbm(booster, folder):
    return lambda rows: booster.predict(rows, num_threads=1)


def of_onnxruntime(booster, folder):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    made = onnxruntime.InferenceSession(as_onnx(booster), options, providers=["CPUExecutionProvider"])
    return lambda rows: made.run(None, {"X": rows})[0][:, 0]


def of_lleaves(booster, folder):
    import lleaves
    model = lleaves.Model(model_file=str(folder / "model.txt"))
    model.compile()
    return lambda rows: model.predict(rows, n_jobs=1)


def of_tl2cgen(booster, folder):
    import tl2cgen
    import treelite
    model = treelite.frontend.load_lightgbm_model(str(folder / "model.txt"))
    tl2cgen.export_lib(model, toolchain="gcc", libpath=str(folder / "tl2cgen.so"), params={"parallel_comp": 8})
    made = tl2cgen.Predictor(str(folder / "tl2cgen.so"), nthread=1)
    return lambda rows: made.predict(tl2cgen.DMatrix(rows)).reshape(len(rows))


MAKERS = {"lightgbm": of_lightgbm, "onnxruntime": of_onnxruntime, "lleaves": of_lleaves, "tl2cgen": of_tl2cgen}
