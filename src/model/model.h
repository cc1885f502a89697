#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/trees/forest.h"

// Files of other libraries' models, read into a forest that answers as they do:
//   XGBoost   JSON and UBJSON (save_model), gbtree, dart and gblinear
//   LightGBM  text (save_model)
//   ONNX      TreeEnsembleRegressor, TreeEnsembleClassifier (ai.onnx.ml 1 to 3), TreeEnsemble (5),
//             LinearRegressor, LinearClassifier, with what merely passes on around them
// What such a file can hold and we can't answer is refused, never guessed. Pure.
//
// Errors name the field and where it stands: kInvalid `model.syntax|model.field|model.format`,
// `trees.bad_model`; kUnsupported `model.unsupported`; kExhausted `model.too_large`,
// `trees.too_large`.
namespace slip::model {

enum class Library : uint8_t { kXgboost, kLightgbm, kOnnx };
std::string_view library_name(Library library);  // "xgboost", "lightgbm", "onnx"

struct ReadOptions {
  // XGBoost keeps trees that came after the best iteration; its scikit-learn classes leave them out
  // and so do we. (LightGBM's save_model doesn't write them.)
  bool all_iterations = false;
};

struct Model {
  Library library = Library::kXgboost;
  std::string objective;  // As the file says.
  trees::Forest forest;
};

// The names that somebody gave the features, in their order; none where the library made them up:
// "Column_3" of LightGBM, "f3" of XGBoost.
std::vector<std::string> given_names(const trees::Forest& forest);

// By what the bytes begin with.
Result<Model> read_model(std::string_view bytes, const ReadOptions& options = {});
Result<Model> read_xgboost(std::string_view bytes, const ReadOptions& options = {});
Result<Model> read_lightgbm(std::string_view text);
Result<Model> read_onnx(std::string_view bytes);

}  // namespace slip::model
