#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// A graph of ONNX in the making, as protobuf (onnx.proto): nodes, constants, inputs, outputs. One
// thread.
namespace slip::model {

enum class OnnxType : int64_t { kFloat = 1, kInt64 = 7, kBool = 9, kDouble = 11 };

// Attributes of a node.
class OnnxAttributes {
 public:
  OnnxAttributes& integer(std::string_view name, int64_t value);
  OnnxAttributes& integers(std::string_view name, std::span<const int64_t> values);
  OnnxAttributes& texts(std::string_view name, std::span<const std::string_view> values);
  // As floats, or as a tensor of doubles with the suffix that such attributes have.
  OnnxAttributes& numbers(std::string_view name, std::span<const double> values, bool doubles);
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

class OnnxGraphWriter {
 public:
  struct Node {
    std::string_view op;
    std::vector<std::string> inputs;
    OnnxAttributes attributes = {};
    std::string output = {};  // Empty: a name that is made up.
    bool ml = false;          // Of the domain ai.onnx.ml.
  };
  // The name of what comes out.
  std::string node(const Node& node);
  // Constants, each the name that nodes use.
  std::string floats(std::span<const double> values, const std::vector<int64_t>& shape,
                     bool doubles);
  std::string integers(std::span<const int64_t> values, const std::vector<int64_t>& shape);
  std::string number(double value, bool doubles);  // [1]
  // -1: any.
  void input(std::string_view name, OnnxType type, const std::vector<int64_t>& shape);
  void output(std::string_view name, OnnxType type, const std::vector<int64_t>& shape);
  // The file. `described`: pairs of its metadata.
  std::string finish(std::span<const std::pair<std::string, std::string>> described) const;

 private:
  std::string constant(OnnxType type, const std::vector<int64_t>& shape, std::string_view raw);
  std::string fresh();

  std::string nodes_, constants_, inputs_, outputs_;
  int64_t names_ = 0;
};

}  // namespace slip::model
