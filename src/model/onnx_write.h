#pragma once

#include <string>

#include "base/result.h"
#include "model/model.h"

// A model of trees, or a linear one, as a graph of ONNX that answers as our executor does: within
// 1e-6, and the same classes. FP32 `input` [n, features] and FP32 `output` [n, answers], for
// classifiers INT64 `label` [n] too: what serving gives such a model.
//
// What ONNX's trees have no words for stands in columns beside the features: a set of categories is
// a column of zeros and ones out of a table, a feature whose zeros are missing a column with NaN in
// their place. Doubles are compared and added as doubles (LightGBM), floats as floats (XGBoost).
//
// What can't be said is refused by its name: kUnsupported `export.linear_leaves`,
// `export.categories_too_wide`, `export.link`, `export.sets`, `export.too_large`. Pure.
namespace slip::model {

inline constexpr int64_t kOnnxOpset = 15;
inline constexpr int64_t kOnnxMlOpset = 3;
inline constexpr int64_t kOnnxIr = 8;
inline constexpr size_t kCategoryCellsMax = size_t{1} << 24;  // Of all tables.

Result<std::string> write_onnx(const Model& model);

}  // namespace slip::model
