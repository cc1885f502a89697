#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/trees/executor.h"
#include "sys/fs.h"

// `slipway predict`: the rows of a file answered by a model file of XGBoost, LightGBM or ONNX,
// without a server and without those libraries. The output is there whole or not at all. One
// thread.
namespace slip::cli {

struct Predict {
  std::string model;  // Paths.
  std::string in;
  std::string out;
  std::vector<std::string>
      columns;  // The model's features in order; empty: by name, else by place.
  trees::Kernel kernel = trees::Kernel::kAuto;
  bool raw = false;
  bool all_iterations = false;
};
struct Predicted {
  int64_t rows = 0;
  std::string library;
  std::string objective;
  trees::Kernel kernel = trees::Kernel::kAuto;
  size_t trees = 0;
};
// kInvalid `predict.columns|predict.column_type`, and what readers of models and tables say.
Result<Predicted> predict_file(Fs& fs, const Predict& wanted);

}  // namespace slip::cli
