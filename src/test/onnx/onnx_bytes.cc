#include "test/onnx/onnx_bytes.h"

#include <cstdint>

namespace slip::test {
namespace {

std::string varint(uint64_t v) {
  std::string out;
  for (; v >= 128; v >>= 7) out += static_cast<char>(v | 128);
  return out + static_cast<char>(v);
}
std::string number(unsigned field, uint64_t v) { return varint(field << 3) + varint(v); }
std::string bytes(unsigned field, const std::string& v) {
  return varint(field << 3 | 2) + varint(v.size()) + v;
}
std::string raw(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

constexpr uint64_t kFloat = 1;
constexpr uint64_t kInt64 = 7;
constexpr uint64_t kString = 8;
constexpr int64_t kOpen = -1;

std::string value_info(const std::string& name, uint64_t type, int64_t width) {
  const std::string open = bytes(1, bytes(2, "n"));
  const std::string fixed =
      bytes(1, width == kOpen ? bytes(2, "k") : number(1, static_cast<uint64_t>(width)));
  const std::string tensor = number(1, type) + bytes(2, open + fixed);
  return bytes(1, name) + bytes(2, bytes(1, tensor));
}

struct Graph {
  std::string node;
  std::string constant;  // Empty: none.
  std::string input;
  std::string output;
};

std::string model(const Graph& g) {
  std::string graph = bytes(1, g.node) + bytes(2, "g");
  if (!g.constant.empty()) graph += bytes(5, g.constant);
  graph += bytes(11, g.input) + bytes(12, g.output);
  return number(1, 8) + bytes(7, graph) + bytes(8, number(2, 13));
}

}  // namespace

std::string onnx_add(float a, float b, float c) {
  return model(
      {.node = bytes(1, "x") + bytes(1, "c") + bytes(2, "y") + bytes(4, "Add"),
       .constant = number(1, 3) + number(2, kFloat) + bytes(8, "c") + bytes(9, raw({a, b, c})),
       .input = value_info("x", kFloat, 3),
       .output = value_info("y", kFloat, 3)});
}

std::string onnx_echo() {
  return model({.node = bytes(1, "text") + bytes(2, "label") + bytes(4, "Identity"),
                .constant = {},
                .input = value_info("text", kString, 1),
                .output = value_info("label", kString, 1)});
}

std::string onnx_dot(const std::vector<float>& weights) {
  const auto width = static_cast<int64_t>(weights.size());
  return model({.node = bytes(1, "x") + bytes(1, "w") + bytes(2, "score") + bytes(4, "MatMul"),
                .constant = number(1, static_cast<uint64_t>(width)) + number(1, 1) +
                            number(2, kFloat) + bytes(8, "w") + bytes(9, raw(weights)),
                .input = value_info("x", kFloat, width),
                .output = value_info("score", kFloat, 1)});
}

std::string onnx_non_zero(int64_t width) {
  return model({.node = bytes(1, "x") + bytes(2, "where") + bytes(4, "NonZero"),
                .constant = {},
                .input = value_info("x", kFloat, width),
                .output = value_info("where", kInt64, kOpen)});
}

}  // namespace slip::test
