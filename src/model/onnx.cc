#include <algorithm>
#include <array>
#include <map>

#include "base/text.h"
#include "model/model.h"
#include "model/onnx_internal.h"

// One operator that predicts, what feeds it, and what merely passes its answers on.
namespace slip::model {
namespace {

using trees::Forest;
using trees::Link;

constexpr int64_t kFloat = 1, kInt32 = 6, kInt64 = 7, kDouble = 11;

struct Operator {
  std::string_view name;
  Status (*read)(const OnnxNode&, Model&);
};
constexpr std::array kOperators = {
    Operator{"TreeEnsembleRegressor",
             [](const OnnxNode& n, Model& m) { return read_tree_ensemble_1(n, false, m); }},
    Operator{"TreeEnsembleClassifier",
             [](const OnnxNode& n, Model& m) { return read_tree_ensemble_1(n, true, m); }},
    Operator{"TreeEnsemble", read_tree_ensemble_5},
    Operator{"LinearRegressor",
             [](const OnnxNode& n, Model& m) { return read_linear(n, false, m); }},
    Operator{"LinearClassifier",
             [](const OnnxNode& n, Model& m) { return read_linear(n, true, m); }},
};

const Operator* operator_of(const OnnxNode& node) {
  for (const Operator& o : kOperators)
    if (o.name == node.op) return &o;
  return nullptr;
}

class Reader {
 public:
  explicit Reader(const OnnxGraph& graph) : graph_(graph) {}

  Result<Model> run() {
    out_.library = Library::kOnnx;
    for (const OnnxNode& node : graph_.nodes) {
      if (operator_of(node) == nullptr) continue;
      if (model_ != nullptr)
        return unsupported("model.unsupported", "the graph has several models");
      model_ = &node;
    }
    if (model_ == nullptr)
      return unsupported("model.unsupported", "the graph has no model of trees and no linear one");
    if (model_->inputs.empty()) return onnx_error(*model_, "input", "is missing");
    out_.objective = model_->op;
    TRY(feed(model_->inputs[0], 0));
    TRY(operator_of(*model_)->read(*model_, out_));
    for (const OnnxNode& node : graph_.nodes) TRY(pass(node));
    TRY(name_features());
    TRY(trees::check(out_.forest));
    return std::move(out_);
  }

 private:
  const OnnxNode* maker_of(const std::string& value) const {
    for (const OnnxNode& n : graph_.nodes)
      if (std::find(n.outputs.begin(), n.outputs.end(), value) != n.outputs.end()) return &n;
    return nullptr;
  }

  // From the model's input up to the graph's.
  Status feed(const std::string& value, int depth) {
    constexpr int kDepthMax = 16;
    if (depth > kDepthMax)
      return unsupported("model.unsupported", "too many steps before the model");
    for (const OnnxInput& input : graph_.inputs)
      if (input.name == value) return take_input(input);
    const OnnxNode* node = maker_of(value);
    if (node == nullptr) return onnx_error(*model_, "input", "comes from nowhere");
    before_.push_back(node);
    if (node->op == "Concat") {
      for (const std::string& part : node->inputs) TRY(feed(part, depth + 1));
      return {};
    }
    if (node->op == "Scaler") TRY(scale(*node));
    const bool known = node->op == "Identity" || node->op == "Cast" || node->op == "Scaler";
    if (!known || node->inputs.empty())
      return unsupported("model.unsupported", concat({"operator ", node->op, " before the model"}));
    if (node->op == "Cast") cast_ = integer_of(*node, "to", kFloat);
    return feed(node->inputs[0], depth + 1);
  }
  Status take_input(const OnnxInput& input) {
    const int64_t type = cast_ != 0 ? cast_ : input.type;
    if (type != kFloat && type != kDouble && type != kInt32 && type != kInt64)
      return unsupported("model.unsupported", concat({"input ", input.name, " has no numbers"}));
    out_.forest.float_compare = out_.forest.float_sum = type != kDouble;
    inputs_.push_back(&input);
    if (input.width < 0) open_ = true;
    const int64_t width = std::max<int64_t>(input.width, 0);
    if (width > static_cast<int64_t>(trees::kFeaturesMax) - out_.forest.features)
      return exhausted("trees.too_large", "too many features");
    out_.forest.features += static_cast<uint32_t>(width);
    // Operators say which features they look at.
    if (open_ && inputs_.size() > 1)
      return unsupported("model.unsupported", "several inputs, one of an open width");
    if (open_) out_.forest.features = 0;
    return {};
  }
  Status scale(const OnnxNode& node) {
    if (!model_->op.starts_with("Linear"))
      return unsupported("model.unsupported", "a Scaler before trees");
    out_.forest.offsets = numbers_of(node, "offset");
    out_.forest.scales = numbers_of(node, "scale");
    return {};
  }

  // Every other node must be one that doesn't change the answers, but for a norm.
  Status pass(const OnnxNode& node) {
    if (&node == model_ || std::find(before_.begin(), before_.end(), &node) != before_.end())
      return {};
    if (node.op == "Normalizer") {
      if (text_of(node, "norm", "MAX") != "L1")
        return unsupported("model.unsupported", "a Normalizer of another norm than L1");
      out_.forest.normalize = true;
      return {};
    }
    constexpr std::array kPassing = {"Identity", "Cast", "ZipMap", "Reshape"};
    if (std::find(kPassing.begin(), kPassing.end(), node.op) != kPassing.end()) return {};
    return unsupported("model.unsupported", concat({"operator ", node.op, " behind the model"}));
  }

  Status name_features() {
    Forest& f = out_.forest;
    if (inputs_.size() < 2) return {};
    for (const OnnxInput* input : inputs_)
      for (int64_t i = 0; i < input->width; ++i)
        f.feature_names.push_back(
            input->width == 1 ? input->name : concat({input->name, "_", std::to_string(i)}));
    return {};
  }

  const OnnxGraph& graph_;
  const OnnxNode* model_ = nullptr;
  std::vector<const OnnxNode*> before_;
  std::vector<const OnnxInput*> inputs_;
  int64_t cast_ = 0;
  bool open_ = false;
  Model out_;
};

const std::vector<double> kNoNumbers;
const std::vector<int64_t> kNoIntegers;

}  // namespace

Error onnx_error(const OnnxNode& node, std::string_view attribute, std::string_view what) {
  return invalid("model.field", concat({node.op, ": ", attribute, " ", what}));
}
const std::vector<double>& numbers_of(const OnnxNode& node, std::string_view attribute) {
  const Attribute* a = node.find(attribute);
  return a == nullptr ? kNoNumbers : a->numbers;
}
const std::vector<int64_t>& integers_of(const OnnxNode& node, std::string_view attribute) {
  const Attribute* a = node.find(attribute);
  return a == nullptr ? kNoIntegers : a->integers;
}
int64_t integer_of(const OnnxNode& node, std::string_view attribute, int64_t fallback) {
  const Attribute* a = node.find(attribute);
  return a == nullptr ? fallback : a->integer;
}
std::string text_of(const OnnxNode& node, std::string_view attribute, std::string_view fallback) {
  const Attribute* a = node.find(attribute);
  return a == nullptr ? std::string(fallback) : a->text;
}
std::vector<std::string> labels_of(const OnnxNode& node, std::string_view integers,
                                   std::string_view texts) {
  const Attribute* a = node.find(texts);
  if (a != nullptr && !a->texts.empty()) return a->texts;
  std::vector<std::string> out;
  for (const int64_t label : integers_of(node, integers)) out.push_back(std::to_string(label));
  return out;
}

Status set_transform(const OnnxNode& node, std::string_view transform, Model& out) {
  Forest& f = out.forest;
  if (transform == "NONE")
    f.link = Link::kIdentity;
  else if (transform == "LOGISTIC")
    f.link = Link::kSigmoid;
  else if (transform == "SOFTMAX")
    f.link = Link::kSoftmax;
  else if (transform == "SOFTMAX_ZERO")
    f.link = Link::kSoftmaxZero;
  else if (transform == "PROBIT")
    f.link = Link::kProbit;
  else
    return onnx_error(node, "post_transform", "is unknown");
  const bool trees = !node.op.starts_with("Linear") && !out.forest.classifier;
  if (trees && f.outputs == 1 && f.link != Link::kProbit) f.link = Link::kIdentity;
  return {};
}

Result<Model> read_onnx(std::string_view bytes) {
  const OnnxGraph graph = TRY(parse_onnx(bytes));
  return Reader(graph).run();
}

}  // namespace slip::model
