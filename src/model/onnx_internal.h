#pragma once

#include <string>
#include <vector>

#include "model/model.h"
#include "model/onnx_graph.h"

// The operators of onnx.cc, each from its attributes into a forest. Pure.
namespace slip::model {

Error onnx_error(const OnnxNode& node, std::string_view attribute, std::string_view what);
// An attribute's values; empty when it isn't there.
const std::vector<double>& numbers_of(const OnnxNode& node, std::string_view attribute);
const std::vector<int64_t>& integers_of(const OnnxNode& node, std::string_view attribute);
int64_t integer_of(const OnnxNode& node, std::string_view attribute, int64_t fallback);
std::string text_of(const OnnxNode& node, std::string_view attribute, std::string_view fallback);
std::vector<std::string> labels_of(const OnnxNode& node, std::string_view integers,
                                   std::string_view texts);

// `out.forest` has its features and float_compare; what is read is added to it.
Status read_tree_ensemble_1(const OnnxNode& node, bool classifier, Model& out);
Status read_tree_ensemble_5(const OnnxNode& node, Model& out);
Status read_linear(const OnnxNode& node, bool classifier, Model& out);

// How sums become answers. ONNX Runtime takes the probit of a single target, and none of the other
// transforms.
Status set_transform(const OnnxNode& node, std::string_view transform, Model& out);

}  // namespace slip::model
