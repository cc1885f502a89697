#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "serving/tensor.h"

// A loaded model: a pure function from tensors to tensors. Immutable after loading; run() is for
// any thread, many at once.
namespace slip::serving {

struct Signature {
  std::string platform;  // "onnxruntime_onnx", "xgboost", "lightgbm", "ensemble"
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
  // The first dimension of every input and output counts rows, which may be run together with
  // others' in batches of at most so many; 0: the model takes its tensors as they are.
  int64_t max_batch = 0;
  // What run() lays into its own inputs besides what it is given (feature_lookup.h): tensors that
  // come behind the outputs, in this order, for the record of the prediction and for nobody else.
  std::vector<std::string> looked_up = {};
  bool waits = false;  // For another process: no thread of an I/O loop runs it.

  const TensorSpec* input(std::string_view name) const;
  const TensorSpec* output(std::string_view name) const;
};

// Each input of the signature once, of its type and shape, and nothing else. kInvalid `tensor.*`.
Status check_inputs(const Signature& signature, std::span<const Tensor> inputs);
// All of `wanted` are outputs of the model. kInvalid `tensor.unknown_output`.
Status check_outputs(const Signature& signature, std::span<const std::string> wanted);

class Model {
 public:
  virtual ~Model() = default;
  virtual const Signature& signature() const = 0;
  // `inputs`: one for each input of the signature, any order, checked against it here.
  // `outputs`: names wanted, in that order; empty: all. Then what was looked up. kInvalid for what
  // the caller did wrong, kInternal `model.failed` for what the model did.
  virtual Result<std::vector<Tensor>> run(std::span<const Tensor> inputs,
                                          std::span<const std::string> outputs) const = 0;
  // The same inputs have the same outputs at any time: nothing is looked up.
  virtual bool repeats() const { return signature().looked_up.empty(); }
};

struct OnnxOptions {
  int threads = 1;  // Inside one run.
};

// ONNX Runtime, opened at first use. kUnavailable `onnx.missing` when its library is not there,
// kInvalid `onnx.load` for bytes that it refuses, kUnsupported `onnx.type` for inputs or outputs
// that are no tensors (a classifier exported with ZipMap: export with zipmap=False).
Result<std::unique_ptr<Model>> load_onnx(std::string_view bytes, OnnxOptions options);

// The graph as ONNX Runtime's own format (.ort), written to `path` by it: optimized as far as any
// processor may have it. load_onnx()'s errors.
Status write_ort(std::string_view onnx, const std::string& path);

// XGBoost (JSON, UBJSON) and LightGBM (text) on our own executor: FP32 `input` [n, features], FP32
// `output` [n, outputs], for classifiers INT64 `label` [n] too. model/model.h's errors.
enum class TreeOutput : uint8_t {
  kAnswer,         // As the library's predict() gives it: of two classes the second one's.
  kClass,          // The number of the class, as a float.
  kProbabilities,  // One a class, also of two.
};
struct TreeOptions {
  std::string input = "input";
  std::string output = "output";
  std::string label = "label";  // Empty: no labels.
  TreeOutput as = TreeOutput::kAnswer;
};
Result<std::unique_ptr<Model>> load_trees(std::string_view bytes, const TreeOptions& options = {});

// By what the bytes are.
Result<std::unique_ptr<Model>> load_model(std::string_view bytes, OnnxOptions options = {});

// Runs the model once on inputs of zeros (as texts: "0"), open dimensions taken as 1, so that the
// first real request finds everything warm. A model that cannot run that does not load.
Status warm_up(const Model& model);

}  // namespace slip::serving
