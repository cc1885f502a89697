"""Generated models of trees, each with rows and what its own library answers: LightGBM, XGBoost, scikit-learn and bare ONNX.

A seed makes one model. Rows are plain ones, ones on thresholds of the model and one ulp beside them (of doubles and of
floats), and odd numbers. `tags` say what the model covers, read from its file.
"""
import dataclasses
import json

import numpy as np

ODD = np.array([np.nan, 0.0, -0.0, 1e-35, -1e-36, 1e-40, 5e-324, 1e300, -1e300, -1, -0.5, 1e10, 63, 64, 2.9])


@dataclasses.dataclass
class Case:
    name: str
    file: str  # Ending of the model's file.
    model: bytes
    rows: np.ndarray
    want: np.ndarray  # A row each.
    raw: np.ndarray = None
    labels: list = None
    near: np.ndarray = None  # Another library's answer to the same, within `near_by`.
    near_by: float = 0
    by: float = 1e-6
    tags: set = dataclasses.field(default_factory=set)
    words: tuple = ()


def make_rows(dice, count, width, categories=0, missing=0.1, coarse=False):
    x = dice.normal(size=(count, width))
    x = np.round(x, 1) if coarse else x
    x[dice.random((count, width)) < 0.1] = 0
    for c in range(categories):
        x[:, c] = dice.integers(0, dice.choice([3, 10, 40, 100]), count)
    x[dice.random((count, width)) < missing] = np.nan
    return x


def probes(dice, rows, thresholds):
    """Some of `rows`, rows on thresholds and beside them, and odd ones."""
    width = rows.shape[1]
    parts = [rows[:120], ODD[dice.integers(0, len(ODD), (40, width))]]
    if len(thresholds):
        on = np.asarray(thresholds, float)[dice.integers(0, len(thresholds), (100, width))]
        as_float = on.astype(np.float32)
        ways = [on, np.nextafter(on, np.inf), np.nextafter(on, -np.inf), as_float,
                np.nextafter(as_float, np.float32(np.inf)), np.nextafter(as_float, np.float32(-np.inf))]
        parts.append(np.choose(dice.integers(0, len(ways), on.shape), ways))
    return np.vstack(parts)


def two_dimensional(answer, count):
    return np.asarray(answer, float).reshape(count, -1)


# ---- LightGBM

LIGHTGBM = ["regression", "regression_l1", "huber", "fair", "quantile", "mape", "poisson", "gamma", "tweedie", "binary", "multiclass",
            "multiclassova", "cross_entropy", "cross_entropy_lambda", "lambdarank", "rank_xendcg"]


def lightgbm_labels(dice, objective, sums, params):
    if objective in ("poisson", "gamma", "tweedie", "mape"):
        return np.abs(sums) + 0.1, {}
    if objective == "binary":
        params["sigmoid"] = float(dice.choice([0.5, 1, 2]))
        return (sums > 0).astype(int), {}
    if objective.startswith("cross"):
        return 1 / (1 + np.exp(-sums)), {}
    if objective.startswith("multi"):
        params["num_class"] = 3
        return np.digitize(sums, [-1, 1]), {}
    if "rank" in objective:
        return np.digitize(sums, [-1, 0, 1]), {"group": [len(sums) // 6] * 6}
    return sums, {}


def lightgbm_tags(text):
    tags, depth = set(), 0
    for line in text.splitlines():
        key, _, value = line.partition("=")
        if key == "decision_type":
            for d in map(int, value.split()):
                tags |= {"categorical bitset"} if d & 1 else {
                    "default left" if d & 2 else "default right", ["missing: none", "zero as missing", "missing: NaN"][d >> 2 & 3]}
        elif key == "num_leaves" and int(value) > 255:
            tags.add("> 255 leaves")
        elif key == "left_child":
            left = list(map(int, value.split()))
        elif key == "right_child":
            depth = max(depth, deepest(left, list(map(int, value.split()))))
        elif key == "is_linear" and value == "1":
            tags.add("linear leaves")
        elif key == "boosting" or line.startswith("[boosting"):
            tags |= {line.strip("[]").split(": ")[1]} & {"dart", "rf"}
    return tags | ({"depth >= 12"} if depth >= 12 else set())


def deepest(left, right):
    most, todo = 0, [(0, 1)] if left else []
    while todo:
        node, depth = todo.pop()
        most = max(most, depth)
        todo += [(child, depth + 1) for child in (left[node], right[node]) if child >= 0]
    return most


def lightgbm_case(seed):
    import lightgbm
    dice = np.random.default_rng(seed)
    width = int(dice.integers(1, 12))
    categories = int(dice.integers(0, min(4, width) + 1)) if dice.random() < 0.5 else 0
    objective, x = str(dice.choice(LIGHTGBM)), make_rows(dice, 600, width, categories, coarse=dice.random() < 0.3)
    params = {"objective": objective, "verbose": -1, "num_threads": 1, "seed": seed, "min_data_in_leaf": int(dice.integers(1, 20)),
              "num_leaves": int(dice.choice([2, 4, 31, 64, 300, 500])), "max_depth": int(dice.choice([-1, -1, 3, 12])),
              "learning_rate": 0.2, "use_missing": bool(dice.random() < 0.8), "zero_as_missing": bool(dice.random() < 0.3),
              "boosting": str(dice.choice(["gbdt", "gbdt", "dart", "rf"])), "min_data_per_group": 1, "cat_smooth": 1,
              "max_cat_to_onehot": int(dice.choice([1, 4, 16])), "min_sum_hessian_in_leaf": 0}
    labels, more = lightgbm_labels(dice, objective, np.nansum(x, 1) + dice.normal(size=600), params)
    if params["boosting"] == "rf":
        params |= {"bagging_freq": 1, "bagging_fraction": 0.6, "feature_fraction": 0.7}
    elif objective in ("regression", "quantile") and dice.random() < 0.4:
        params |= {"linear_tree": True, "zero_as_missing": False}
    if params["num_leaves"] > 255:
        params["min_data_in_leaf"] = 1
    if objective == "regression" and dice.random() < 0.3:
        params["reg_sqrt"] = True
    try:
        booster = lightgbm.train(params, lightgbm.Dataset(x, labels, categorical_feature=list(range(categories)) or "auto", **more),
                                 int(dice.integers(1, 12)))
    except lightgbm.basic.LightGBMError as error:  # Some draws of parameters make it fail in itself.
        return f"LightGBM: {str(error)[:60]}"
    text = booster.model_to_string()
    thresholds = [float(t) for line in text.splitlines() if line.startswith("threshold=") for t in line[10:].split()]
    rows = probes(dice, x, thresholds)
    rows = rows.astype(np.float32).astype(float) if dice.random() < 0.2 else rows
    case = Case(f"lightgbm {seed} {objective}", "txt", text.encode(), rows, two_dimensional(booster.predict(rows), len(rows)),
                raw=two_dimensional(booster.predict(rows, raw_score=True), len(rows)), by=1e-9)
    case.tags = lightgbm_tags(text) | {objective} | ({"multiclass"} if "num_class" in params else set())
    return case


# ---- XGBoost

XGBOOST = ["reg:squarederror", "reg:squaredlogerror", "reg:absoluteerror", "reg:pseudohubererror", "reg:quantileerror", "reg:logistic",
           "binary:logistic", "binary:logitraw", "binary:hinge", "count:poisson", "reg:gamma", "reg:tweedie", "survival:cox",
           "survival:aft", "multi:softmax", "multi:softprob", "rank:pairwise", "rank:ndcg", "rank:map", "several targets"]


def xgboost_labels(dice, objective, sums, params):
    positive = ("reg:squaredlogerror", "count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft")
    if objective in positive:
        return np.abs(sums) + 0.1, {}
    if objective == "reg:logistic":
        return 1 / (1 + np.exp(-sums)), {}
    if objective.startswith("binary"):
        return (sums > 0).astype(int), {}
    if objective.startswith("multi:"):
        params["num_class"] = 3
        return np.digitize(sums, [-1, 1]), {}
    if objective.startswith("rank"):
        return np.digitize(sums, [0] if objective == "rank:map" else [-1, 0, 1]), {"qid": np.repeat(np.arange(5), len(sums) // 5)}
    if objective == "several targets":
        params["objective"] = "reg:squarederror"
        return np.stack([sums, -sums, sums * sums], 1), {}
    return sums, {}


def xgboost_params(dice, seed, objective, categories):
    params = {"objective": objective, "nthread": 1, "seed": seed, "booster": str(dice.choice(["gbtree"] * 5 + ["dart", "dart", "gblinear"]))}
    if dice.random() < 0.5:
        params["base_score"] = 0.3
    if objective == "reg:quantileerror":
        params["quantile_alpha"] = [0.2, 0.8] if dice.random() < 0.5 else 0.5
    if params["booster"] == "gblinear":
        return params, 0
    params |= {"max_depth": int(dice.choice([1, 3, 6, 14, 0])), "max_leaves": int(dice.choice([0, 31, 400])), "tree_method": "hist",
               "grow_policy": str(dice.choice(["depthwise", "lossguide"])), "min_child_weight": float(dice.choice([0, 1])),
               "max_cat_to_onehot": int(dice.choice([1, 4, 1000])), "num_parallel_tree": int(dice.choice([1, 1, 3]))}
    if params["max_depth"] == params["max_leaves"] == 0:
        params["max_leaves"] = 64
    if params["booster"] == "dart":
        params |= {"rate_drop": 0.3, "normalize_type": str(dice.choice(["tree", "forest"]))}
    if objective == "several targets" and params["booster"] == "gbtree" and not categories and dice.random() < 0.7:
        params |= {"multi_strategy": "multi_output_tree", "num_parallel_tree": 1}
    return params, categories


def xgboost_tags(learner, params):
    booster = learner["gradient_booster"]
    model = booster.get("model") or booster["gbtree"]["model"]
    tags, thresholds = {booster["name"]} - {"gbtree"}, []
    for tree in model.get("trees", []):
        left, right = tree["left_children"], tree["right_children"]
        inner = [i for i, c in enumerate(left) if c >= 0]
        thresholds += [tree["split_conditions"][i] for i in inner if not tree["split_type"][i]]
        tags |= {"default left" if tree["default_left"][i] else "default right" for i in inner}
        tags |= {"categorical bitset" for i in inner if tree["split_type"][i]}
        tags |= {"> 255 leaves"} if len(left) - len(inner) > 255 else set()
        tags |= {"depth >= 12"} if deepest([c if c > 0 else -1 for c in left],
                                          [r if c > 0 else -1 for c, r in zip(left, right)]) >= 13 else set()
        tags |= {"vector leaves"} if tree["tree_param"]["size_leaf_vector"] != "1" else set()
    if params.get("num_parallel_tree", 1) > 1:
        tags.add("rf")
    return tags, thresholds


def xgboost_case(seed):
    import xgboost
    dice = np.random.default_rng(seed)
    width = int(dice.integers(1, 12))
    categories = int(dice.integers(1, min(4, width) + 1)) if dice.random() < 0.4 else 0
    objective = str(dice.choice(XGBOOST))
    params, categories = xgboost_params(dice, seed, objective, categories)
    x = make_rows(dice, 500, width, categories, coarse=dice.random() < 0.3).astype(np.float32)
    labels, more = xgboost_labels(dice, objective, (np.nansum(x, 1) + dice.normal(size=500)).astype(np.float32), params)
    types = {"feature_types": ["c"] * categories + ["q"] * (width - categories), "enable_categorical": True}
    data = xgboost.DMatrix(x, None if objective == "survival:aft" else labels, **types, **more)
    if objective == "survival:aft":
        data.set_float_info("label_lower_bound", labels)
        data.set_float_info("label_upper_bound", np.where(dice.random(500) < 0.5, labels, np.inf))
    booster = xgboost.train(params, data, int(dice.integers(1, 12)))
    words, rounds = (), (0, 0)
    if dice.random() < 0.3 and params["booster"] != "gblinear":
        best = int(dice.integers(0, booster.num_boosted_rounds()))
        booster.set_attr(best_iteration=str(best))
        words, rounds = (((), (0, best + 1)), (("--all-iterations",), (0, 0)))[int(dice.integers(0, 2))]
    tags, thresholds = xgboost_tags(json.loads(booster.save_raw("json"))["learner"], params)
    rows = np.clip(probes(dice, x.astype(float), thresholds), -3e38, 3e38).astype(np.float32)
    rows[:, :categories] = np.clip(rows[:, :categories], 0, 1e6)  # XGBoost refuses others.
    matrix = xgboost.DMatrix(rows, **types)
    form = str(dice.choice(["json", "ubj"]))
    case = Case(f"xgboost {seed} {params['booster']} {objective}", form, bytes(booster.save_raw(form)), rows.astype(float),
                two_dimensional(booster.predict(matrix, iteration_range=rounds), len(rows)),
                raw=two_dimensional(booster.predict(matrix, output_margin=True, iteration_range=rounds), len(rows)), words=words)
    case.tags = tags | {objective, form} | ({"multiclass"} if "num_class" in params else set())
    return case


# ---- ONNX

def session(model):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def onnx_case(name, model, rows, tags):
    """What ONNX Runtime says: the last output, and labels when there are two."""
    made = session(model)
    double = made.get_inputs()[0].type == "tensor(double)"
    rows = rows if double else np.clip(rows, -3e38, 3e38).astype(np.float32)
    out = made.run(None, {made.get_inputs()[0].name: rows})
    case = Case(name, "onnx", model, rows.astype(float), two_dimensional(out[-1], len(rows)), by=2e-6, tags=tags)
    case.labels = [str(label) for label in out[0]] if len(out) == 2 else None
    if "PROBIT" in tags:  # A difference of nearly equal numbers, in floats.
        case.by = 2e-3
    return case


def sklearn_case(seed):
    from skl2onnx import to_onnx
    from sklearn import ensemble, linear_model, pipeline, preprocessing, tree
    dice = np.random.default_rng(seed)
    width, count = int(dice.integers(1, 10)), int(dice.integers(1, 12))
    x = dice.normal(size=(400, width)).astype(np.float32)
    x = np.round(x, 1) if dice.random() < 0.3 else x
    sums = x.sum(1) + dice.normal(size=400) / 2
    two, three = (sums > 0).astype(int), np.digitize(sums, [-1, 1])
    depth = {"max_depth": int(dice.choice([2, 5, 15]))}
    scaled = lambda model: pipeline.make_pipeline(preprocessing.StandardScaler(), model)  # noqa: E731
    kinds = [
        (ensemble.RandomForestClassifier(count, **depth), two), (ensemble.RandomForestClassifier(count, **depth), three),
        (ensemble.ExtraTreesClassifier(count, **depth), three), (ensemble.GradientBoostingClassifier(n_estimators=count), two),
        (ensemble.GradientBoostingClassifier(n_estimators=count), three), (tree.DecisionTreeClassifier(), three),
        (tree.DecisionTreeRegressor(**depth), sums), (ensemble.RandomForestRegressor(count), sums),
        (ensemble.RandomForestRegressor(count, **depth), np.stack([sums, -sums], 1)), (ensemble.ExtraTreesRegressor(count, **depth), sums),
        (ensemble.GradientBoostingRegressor(n_estimators=count), sums), (linear_model.LogisticRegression(), two),
        (linear_model.LogisticRegression(), three), (linear_model.LinearRegression(), sums), (scaled(linear_model.Ridge()), sums),
        (scaled(linear_model.LogisticRegression()), three), (linear_model.Lasso(0.01), np.stack([sums, -sums], 1)),
    ]
    model, labels = kinds[seed % len(kinds)]
    for step in [model] if not hasattr(model, "steps") else [s for _, s in model.steps]:
        if "random_state" in step.get_params():
            step.set_params(random_state=seed)
    model.fit(x, labels)
    classes = hasattr(model, "predict_proba")
    made = to_onnx(model, x[:1], options={"zipmap": False} if classes else None)
    node = next(n for n in made.graph.node if n.domain == "ai.onnx.ml" and ("Tree" in n.op_type or "Linear" in n.op_type))
    values = next((a.floats for a in node.attribute if a.name == "nodes_values"), [])
    rows = probes(dice, x.astype(float), list(values))
    # Weights are multiplied in another order there; large terms that cancel each other would show it.
    rows = np.nan_to_num(np.clip(rows, *((-1e6, 1e6) if "Tree" in node.op_type else (-64, 64)))).astype(np.float32)
    name = type(model[-1] if hasattr(model, "steps") else model).__name__
    case = onnx_case(f"sklearn {seed} {name}", made.SerializeToString(), rows, {name} | ({"multiclass"} if labels is three else set()))
    if "Linear" in node.op_type:
        case.by = 2e-5
    # Their trees compare floats with doubles; the file has rounded those, so rows beside thresholds may fall otherwise.
    plain = rows[:120]
    case.near = two_dimensional(model.predict_proba(plain) if classes else model.predict(plain), 120)
    case.near_by = 1e-4
    return case


MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]


def random_tree(dice, leaves):
    """Nodes of a tree: its children's numbers, or nothing for a leaf."""
    nodes, open_ = [None], [0]
    while len(open_) < leaves:
        at, left = open_.pop(dice.integers(len(open_))), len(nodes)
        nodes[at] = (left, left + 1)
        nodes += [None, None]
        open_ += [left, left + 1]
    return nodes


def made_onnx(op, width, attributes, outputs, version, kind):
    from onnx import helper
    node = helper.make_node(op, ["X"], [name for name, _ in outputs], domain="ai.onnx.ml")
    for name, value in attributes.items():
        node.attribute.append(value if hasattr(value, "name") else helper.make_attribute(name, value))
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("X", kind, [None, width])],
                              [helper.make_tensor_value_info(name, type_, None) for name, type_ in outputs])
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", version)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


def onnx3_case(seed):
    from onnx import TensorProto
    dice = np.random.default_rng(seed)
    width, classes = int(dice.integers(1, 6)), dice.random() < 0.5
    outputs, plain, tracks = int(dice.integers(2, 4) if classes else dice.integers(1, 4)), dice.random() < 0.5, dice.random() < 0.5
    style = "first" if classes and outputs == 2 and dice.random() < 0.7 else str(dice.choice(["one", "all"]))
    positive, prefix, thresholds, tags = dice.random() < 0.4, "class_" if classes else "target_", [], set()
    a = {f"nodes_{n}": [] for n in ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids",
                                    "missing_value_tracks_true")} | {prefix + n: [] for n in ("treeids", "nodeids", "ids", "weights")}
    for number in range(int(dice.integers(1, 12))):
        for i, children in enumerate(random_tree(dice, int(dice.integers(1, 40)))):
            value = float(np.float32(dice.choice([round(dice.normal(), 1), float(dice.integers(-1, 3))])))
            mode = "LEAF" if children is None else MODES[0] if plain else str(dice.choice(MODES))
            thresholds.append(value)
            tags.add(mode)
            for name, x in zip(("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids",
                                "missing_value_tracks_true"),
                               (number, i, int(dice.integers(width)), mode, value, *(children or (0, 0)),
                                int(dice.integers(2)) if tracks and children else 0)):
                a[f"nodes_{name}"].append(x)
            for k in () if children else {"one": [number % outputs], "all": range(outputs), "first": [0]}[style]:
                for name, x in zip(("treeids", "nodeids", "ids", "weights"),
                                   (number, i, k, float(np.float32(abs(dice.normal()) if positive else dice.normal())))):
                    a[prefix + name].append(x)
    a["post_transform"] = str(dice.choice(["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"]))
    if dice.random() < 0.5:
        a["base_values"] = [float(np.float32(dice.normal())) for _ in range(1 if style == "first" else outputs)]
    if classes:
        labels = [f"c{k}" for k in range(outputs)] if dice.random() < 0.5 else [10 * k for k in range(outputs)]
        a["classlabels_strings" if isinstance(labels[0], str) else "classlabels_int64s"] = labels
        out = [("Y", TensorProto.STRING if isinstance(labels[0], str) else TensorProto.INT64), ("Z", TensorProto.FLOAT)]
    else:
        a |= {"n_targets": outputs, "aggregate_function": str(dice.choice(["SUM", "SUM", "AVERAGE", "MIN", "MAX"]))}
        out = [("Y", TensorProto.FLOAT)]
        tags.add(a["aggregate_function"])
    model = made_onnx("TreeEnsembleClassifier" if classes else "TreeEnsembleRegressor", width, a, out, 3, TensorProto.FLOAT)
    rows = probes(dice, np.round(dice.normal(size=(120, width)), 1), thresholds)
    tags |= {a["post_transform"]} | ({"NaN tracks true"} if tracks else set()) | ({"multiclass"} if classes and outputs > 2 else set())
    case = onnx_case(f"onnx {seed} {'classifier' if classes else 'regressor'} {style}", model, rows, tags)
    if classes and outputs == 2 and style != "first":
        case.labels = None  # ONNX Runtime takes the second class whenever its score is positive; we take the greater one.
    return case


def onnx5_case(seed):
    from onnx import TensorProto, helper, numpy_helper
    dice = np.random.default_rng(seed)
    width, targets, double = int(dice.integers(1, 6)), int(dice.integers(1, 4)), dice.random() < 0.3
    kind, plain, mixed = np.float64 if double else np.float32, dice.random() < 0.4, dice.random() < 0.5
    a = {n: [] for n in ("nodes_featureids", "nodes_truenodeids", "nodes_trueleafs", "nodes_falsenodeids", "nodes_falseleafs",
                         "nodes_missing_value_tracks_true", "tree_roots", "leaf_targetids")}
    modes, splits, weights, members = [], [], [], []
    for number in range(int(dice.integers(1, 10))):
        nodes, ids = random_tree(dice, int(dice.integers(2, 30))), {}
        inner = len(modes)
        for i, children in enumerate(nodes):
            if children is None:
                ids[i] = len(weights)
                weights.append(dice.normal())
                a["leaf_targetids"].append(int(dice.integers(targets)) if mixed else number % targets)
            else:
                ids[i], inner = inner, inner + 1
        a["tree_roots"].append(ids[0])
        for children in filter(None, nodes):
            modes.append(0 if plain else int(dice.integers(0, 7)))
            splits.append(float(kind(round(dice.normal(), 1))))
            a["nodes_featureids"].append(int(dice.integers(width)))
            a["nodes_missing_value_tracks_true"].append(int(dice.integers(2)))
            for side, child in zip(("true", "false"), children):
                a[f"nodes_{side}nodeids"].append(ids[child])
                a[f"nodes_{side}leafs"].append(int(nodes[child] is None))
            if modes[-1] == 6:
                members += [float(x) for x in set(dice.integers(-3, 40, dice.integers(1, 5)))] + [np.nan]
    if dice.random() < 0.5:
        del a["nodes_missing_value_tracks_true"]
    a |= {"n_targets": targets, "aggregate_function": int(dice.integers(0, 4)), "post_transform": int(dice.choice([0, 0, 1, 2, 3, 4]))}
    tensors = {"nodes_modes": (modes, np.uint8), "nodes_splits": (splits, kind), "leaf_weights": (weights, kind)}
    if members:
        tensors["membership_values"] = (members, kind)
    a |= {name: helper.make_attribute(name, numpy_helper.from_array(np.array(x, t), name)) for name, (x, t) in tensors.items()}
    type_ = TensorProto.DOUBLE if double else TensorProto.FLOAT
    tags = {(MODES + ["BRANCH_MEMBER"])[m] for m in modes} | {["AVERAGE", "SUM", "MIN", "MAX"][a["aggregate_function"]], "TreeEnsemble 5"}
    tags |= ({"doubles"} if double else set()) | ({"vector leaves"} if mixed and targets > 1 else set())
    tags |= {["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"][a["post_transform"]]}
    rows = probes(dice, np.round(dice.normal(size=(120, width)), 1), splits)
    return onnx_case(f"onnx5 {seed}", made_onnx("TreeEnsemble", width, a, [("Y", type_)], 5, type_), rows, tags)


MAKERS = {"lightgbm": lightgbm_case, "xgboost": xgboost_case, "scikit-learn": sklearn_case, "onnx 3": onnx3_case, "onnx 5": onnx5_case}
