"""`slipway predict` against LightGBM, XGBoost, scikit-learn and ONNX Runtime on generated models (_tree_models.py).

Each model is answered by `auto` and by one more kernel, and the raw sums where the library gives them. LightGBM agrees
within 1e-9 of itself, XGBoost within 1e-6, ONNX Runtime within 2e-6 (weights within 2e-5, probits within 2e-3),
scikit-learn itself, whose trees compare floats with doubles, within 1e-4 on plain rows; labels are the same. By default
60 models of each kind, with --deep 1,000 (or `--models N`); a table says what they covered.
"""
import argparse
import collections
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import warnings

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402
from dev import common, setup  # noqa: E402

sys.path.append(str(setup.packages("pip_trees")))
sys.path.append(str(setup.place("wheel", "pyarrow", common.read_lock()["wheel"]["pyarrow"])))
import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

import _tree_models  # noqa: E402

MODELS, DEEP = 60, 1000
KERNELS = ["scalar", "walk", "avx2", "avx512"]
ALWAYS = {  # What a deep run must have covered.
    "lightgbm": {"categorical bitset", "default left", "default right", "zero as missing", "missing: none", "missing: NaN", "multiclass",
                 "rf", "dart", "> 255 leaves", "depth >= 12", "linear leaves", *_tree_models.LIGHTGBM},
    "xgboost": {"categorical bitset", "default left", "default right", "multiclass", "rf", "dart", "gblinear", "> 255 leaves",
                "depth >= 12", "vector leaves", "json", "ubj", *_tree_models.XGBOOST},
    "scikit-learn": {"multiclass", "RandomForestClassifier", "GradientBoostingClassifier", "LogisticRegression", "Ridge"},
    "onnx 3": {*_tree_models.MODES, "MIN", "MAX", "AVERAGE", "SUM", "NaN tracks true", "multiclass"},
    "onnx 5": {*_tree_models.MODES, "BRANCH_MEMBER", "MIN", "MAX", "AVERAGE", "SUM", "doubles", "vector leaves"},
}


class Missing(Exception):
    """This processor hasn't got the kernel."""


class Refused(Exception):
    """The model holds what we don't answer, and we said so."""


def predict(folder, case, words):
    out = folder / "out.parquet"
    done = subprocess.run([harness.BINARY, "predict", folder / f"model.{case.file}", folder / "in.parquet", out, "--json", *case.words,
                           *words], capture_output=True, text=True, timeout=60)
    if "trees.kernel" in done.stderr + done.stdout:
        raise Missing
    if "model.unsupported" in done.stderr + done.stdout:
        raise Refused((done.stderr + done.stdout).strip()[:200])
    if done.returncode:
        raise AssertionError(f"{case.name}: predict failed: {done.stderr}{done.stdout}")
    return pq.read_table(out), json.loads(done.stdout)["kernel"]


def numbers(table):
    return np.column_stack([table[n].to_numpy() for n in table.column_names if n != "label"])


def compare(case, got, want, by, what):
    if got.shape != want.shape:
        raise AssertionError(f"{case.name} {what}: shape {got.shape}, the library's {want.shape}")
    apart = np.abs(got - want) / (1 + np.abs(want))
    apart = np.where((got == want) | (np.isnan(got) & np.isnan(want)), 0, np.nan_to_num(apart, nan=9, posinf=9))
    if apart.size and apart.max() > by:
        row, k = np.unravel_index(apart.argmax(), apart.shape)
        raise AssertionError(f"{case.name} {what}: row {row} {case.rows[row].tolist()} output {k}: {got[row, k]!r}, the library's "
                             f"{want[row, k]!r}; {(apart > by).any(1).sum()} rows differ")


def check(folder, case, kernel):
    (folder / f"model.{case.file}").write_bytes(case.model)
    pq.write_table(pa.table({f"x{i}": case.rows[:, i] for i in range(case.rows.shape[1])}), folder / "in.parquet")
    table, chosen = predict(folder, case, [])
    compare(case, numbers(table), case.want, case.by, chosen)
    if case.labels is not None and case.labels != [str(x) for x in table["label"].to_pylist()]:
        raise AssertionError(f"{case.name}: labels differ")
    if case.near is not None:
        compare(case, numbers(table)[:len(case.near)], case.near, case.near_by, "itself")
    try:
        again = numbers(predict(folder, case, ["--kernel", kernel])[0])
    except Missing:
        return chosen
    if not np.array_equal(again, numbers(table), equal_nan=True):
        raise AssertionError(f"{case.name}: {kernel} has other bits than {chosen}")
    if case.raw is not None:
        compare(case, numbers(predict(folder, case, ["--raw", "--kernel", kernel])[0]), case.raw, case.by, f"raw, {kernel}")
    return chosen


def run(kind, models, folder):
    seen, kernels, refused, drawn, failed = collections.Counter(), collections.Counter(), collections.Counter(), 0, []
    begun = time.monotonic()
    for seed in range(10 * models):
        if drawn == models:
            break
        case = _tree_models.MAKERS[kind](seed)
        if isinstance(case, str):
            refused[case] += 1
            continue
        try:
            kernels[check(folder, case, KERNELS[seed % len(KERNELS)])] += 1
        except Refused as why:
            refused[str(why)] += 1
            continue
        except AssertionError as error:
            failed.append(str(error))
            print(f"FAIL {error}", flush=True)
        drawn += 1
        seen.update(case.tags)
    print(f"\n{kind}: {drawn} models, {len(failed)} differ, {sum(refused.values())} drawn ones left out, "
          f"{time.monotonic() - begun:.0f} s; kernels chosen: " + ", ".join(f"{k} {n}" for k, n in kernels.most_common()))
    print("  " + "\n  ".join(f"{n:5} {tag}" for tag, n in sorted(seen.items())))
    for why, n in refused.most_common(6):
        print(f"  left out {n}: {why}")
    if drawn < models:
        failed.append(f"{kind}: only {drawn} of {models} models")
    if models >= DEEP and (lacking := ALWAYS[kind] - set(seen)):
        failed.append(f"{kind}: nothing covered {', '.join(sorted(lacking))}")
    return failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--deep", action="store_true")
    parser.add_argument("--models", type=int)
    parser.add_argument("--only", choices=sorted(_tree_models.MAKERS))
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    models, failed = args.models or (DEEP if args.deep else MODELS), []
    with tempfile.TemporaryDirectory(prefix="slipway-trees-") as folder:
        for kind in [args.only] if args.only else _tree_models.MAKERS:
            failed += run(kind, models, pathlib.Path(folder))
    print("\n".join(failed) or "all equal")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
