#include <algorithm>

#include "base/text.h"
#include "model/onnx_internal.h"

// LinearRegressor and LinearClassifier: weights by output, features together; both in floats.
namespace slip::model {
namespace {

using trees::Forest;
using trees::Link;

Status put_scales(const OnnxNode& node, Forest& f) {
  for (std::vector<double>* values : {&f.offsets, &f.scales}) {
    if (values->size() == 1) values->resize(f.features, values->front());
    if (!values->empty() && values->size() != f.features)
      return onnx_error(node, "Scaler", "has not one value for each feature");
  }
  return {};
}

}  // namespace

Status read_linear(const OnnxNode& node, bool classifier, Model& out) {
  Forest& f = out.forest;
  const std::vector<double>& weights = numbers_of(node, "coefficients");
  const std::vector<double>& bias = numbers_of(node, "intercepts");
  int64_t outputs = classifier ? static_cast<int64_t>(bias.size()) : integer_of(node, "targets", 1);
  if (outputs < 1 || outputs > static_cast<int64_t>(trees::kOutputsMax))
    return onnx_error(node, classifier ? "intercepts" : "targets", "is out of range");
  f.outputs = static_cast<uint32_t>(outputs);
  if (weights.empty() || weights.size() % f.outputs != 0 ||
      weights.size() / f.outputs > trees::kFeaturesMax)
    return onnx_error(node, "coefficients", "must be one for each output and feature");
  const auto features = static_cast<uint32_t>(weights.size() / f.outputs);
  if (f.features != 0 && f.features != features)
    return onnx_error(node, "coefficients", "must be one for each output and feature");
  if (!bias.empty() && bias.size() != f.outputs)
    return onnx_error(node, "intercepts", "must be one for each output");
  f.features = features;
  f.float_compare = f.float_sum = true;
  f.weights = weights;
  f.base = bias;
  TRY(put_scales(node, f));
  TRY(set_transform(node, text_of(node, "post_transform", "NONE"), out));
  if (!classifier) return {};
  out.forest.classifier = true;
  f.class_names = labels_of(node, "classlabels_ints", "classlabels_strings");
  if (f.outputs == 1 && f.class_names.size() == 2) {
    if (f.link == Link::kProbit)
      return unsupported("model.unsupported", concat({node.op, ": PROBIT of two classes"}));
    f.link = f.link == Link::kSigmoid ? Link::kOneSigmoid : Link::kOneComplement;
  } else if (f.class_names.size() != f.outputs) {
    return onnx_error(node, "classlabels", "must be one for each output");
  }
  return {};
}

}  // namespace slip::model
