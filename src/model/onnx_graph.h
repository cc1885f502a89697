#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// What of an ONNX file (onnx.proto, IR versions 3 and on) a model of trees or weights needs: the
// nodes of its graph, their attributes, the shapes of its inputs. Tensors that lie in other files
// are refused. Pure.
//
// Errors: kInvalid `model.syntax|model.field`, kUnsupported `model.unsupported`.
namespace slip::model {

struct Attribute {
  std::string name;
  double number = 0;  // f
  int64_t integer = 0;
  std::string text;
  std::vector<double> numbers;  // floats, or the values of a tensor
  std::vector<int64_t> integers;
  std::vector<std::string> texts;
  bool doubles = false;  // The tensor was one of doubles.
};

struct OnnxNode {
  std::string op;
  std::string domain;
  std::string name;
  std::vector<std::string> inputs, outputs;
  std::vector<Attribute> attributes;

  const Attribute* find(std::string_view attribute) const;
};

struct OnnxInput {
  std::string name;
  int64_t type = 0;    // TensorProto.DataType: 1 float, 6 int32, 7 int64, 11 double.
  int64_t width = -1;  // Of the second dimension; -1: open. 1 when there is but one.
};

struct OnnxGraph {
  std::vector<OnnxNode> nodes;
  std::vector<OnnxInput> inputs;  // Without those that initializers fill.
};

Result<OnnxGraph> parse_onnx(std::string_view bytes);

}  // namespace slip::model
