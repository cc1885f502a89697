#include "model/onnx_build.h"

#include <bit>

#include "base/text.h"
#include "base/version.h"
#include "model/onnx_write.h"

namespace slip::model {
namespace {

// ---- protobuf

void put_varint(std::string& out, uint64_t value) {
  for (; value > 127; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}
void put_number(std::string& out, uint32_t field, int64_t value) {
  put_varint(out, uint64_t{field} << 3);
  put_varint(out, static_cast<uint64_t>(value));
}
void put_bytes(std::string& out, uint32_t field, std::string_view value) {
  put_varint(out, uint64_t{field} << 3 | 2);
  put_varint(out, value.size());
  out += value;
}
void put_little_endian(std::string& out, uint64_t bits, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(bits >> (8 * i)));
}

std::string raw_numbers(std::span<const double> values, bool doubles) {
  std::string out;
  out.reserve(values.size() * (doubles ? 8 : 4));
  for (const double x : values) {
    if (doubles)
      put_little_endian(out, std::bit_cast<uint64_t>(x), 8);
    else
      put_little_endian(out, std::bit_cast<uint32_t>(static_cast<float>(x)), 4);
  }
  return out;
}

// TensorProto: dims 1, data_type 2, name 8, raw_data 9.
std::string tensor(OnnxType type, const std::vector<int64_t>& shape, std::string_view name,
                   std::string_view raw) {
  std::string out;
  for (const int64_t d : shape) put_number(out, 1, d);
  put_number(out, 2, static_cast<int64_t>(type));
  if (!name.empty()) put_bytes(out, 8, name);
  put_bytes(out, 9, raw);
  return out;
}

// AttributeProto.AttributeType.
constexpr int64_t kInt = 2, kTensor = 4, kFloats = 6, kInts = 7, kStrings = 8;

std::string attribute(std::string_view name, int64_t type) {
  std::string out;
  put_bytes(out, 1, name);
  put_number(out, 20, type);
  return out;
}

// ValueInfoProto: name 1, type 2 { tensor_type 1 { elem_type 1, shape 2 { dim 1 } } }.
std::string value_info(std::string_view name, OnnxType type, const std::vector<int64_t>& shape) {
  std::string dims;
  for (const int64_t d : shape) {
    std::string dim;
    if (d < 0)
      put_bytes(dim, 2, "n");
    else
      put_number(dim, 1, d);
    put_bytes(dims, 1, dim);
  }
  std::string of, whole, out;
  put_number(of, 1, static_cast<int64_t>(type));
  put_bytes(of, 2, dims);
  put_bytes(whole, 1, of);
  put_bytes(out, 1, name);
  put_bytes(out, 2, whole);
  return out;
}

std::string opset(std::string_view domain, int64_t version) {
  std::string out;
  put_bytes(out, 1, domain);
  put_number(out, 2, version);
  return out;
}

}  // namespace

OnnxAttributes& OnnxAttributes::integer(std::string_view name, int64_t value) {
  std::string one = attribute(name, kInt);
  put_number(one, 3, value);
  put_bytes(bytes_, 5, one);
  return *this;
}

OnnxAttributes& OnnxAttributes::integers(std::string_view name, std::span<const int64_t> values) {
  std::string packed;
  for (const int64_t x : values) put_varint(packed, static_cast<uint64_t>(x));
  std::string one = attribute(name, kInts);
  put_bytes(one, 8, packed);
  put_bytes(bytes_, 5, one);
  return *this;
}

OnnxAttributes& OnnxAttributes::texts(std::string_view name,
                                      std::span<const std::string_view> values) {
  std::string one = attribute(name, kStrings);
  for (const std::string_view x : values) put_bytes(one, 9, x);
  put_bytes(bytes_, 5, one);
  return *this;
}

OnnxAttributes& OnnxAttributes::numbers(std::string_view name, std::span<const double> values,
                                        bool doubles) {
  if (doubles) {
    const std::string full = concat({name, "_as_tensor"});
    std::string one = attribute(full, kTensor);
    put_bytes(one, 5,
              tensor(OnnxType::kDouble, {static_cast<int64_t>(values.size())}, full,
                     raw_numbers(values, true)));
    put_bytes(bytes_, 5, one);
    return *this;
  }
  std::string one = attribute(name, kFloats);
  put_bytes(one, 7, raw_numbers(values, false));
  put_bytes(bytes_, 5, one);
  return *this;
}

std::string OnnxGraphWriter::fresh() { return concat({"v", std::to_string(++names_)}); }

std::string OnnxGraphWriter::node(const Node& node) {
  const std::string out = node.output.empty() ? fresh() : node.output;
  std::string one;
  for (const std::string& in : node.inputs) put_bytes(one, 1, in);
  put_bytes(one, 2, out);
  put_bytes(one, 4, node.op);
  one += node.attributes.bytes();
  if (node.ml) put_bytes(one, 7, "ai.onnx.ml");
  put_bytes(nodes_, 1, one);
  return out;
}

std::string OnnxGraphWriter::constant(OnnxType type, const std::vector<int64_t>& shape,
                                      std::string_view raw) {
  std::string name = fresh();
  put_bytes(constants_, 5, tensor(type, shape, name, raw));
  return name;
}

std::string OnnxGraphWriter::floats(std::span<const double> values,
                                    const std::vector<int64_t>& shape, bool doubles) {
  return constant(doubles ? OnnxType::kDouble : OnnxType::kFloat, shape,
                  raw_numbers(values, doubles));
}
std::string OnnxGraphWriter::integers(std::span<const int64_t> values,
                                      const std::vector<int64_t>& shape) {
  std::string raw;
  for (const int64_t x : values) put_little_endian(raw, static_cast<uint64_t>(x), 8);
  return constant(OnnxType::kInt64, shape, raw);
}
std::string OnnxGraphWriter::number(double value, bool doubles) {
  return floats(std::span(&value, 1), {1}, doubles);
}

void OnnxGraphWriter::input(std::string_view name, OnnxType type,
                            const std::vector<int64_t>& shape) {
  put_bytes(inputs_, 11, value_info(name, type, shape));
}
void OnnxGraphWriter::output(std::string_view name, OnnxType type,
                             const std::vector<int64_t>& shape) {
  put_bytes(outputs_, 12, value_info(name, type, shape));
}

std::string OnnxGraphWriter::finish(
    std::span<const std::pair<std::string, std::string>> described) const {
  std::string graph = nodes_;
  put_bytes(graph, 2, "model");
  graph += constants_;
  graph += inputs_;
  graph += outputs_;
  std::string out;
  put_number(out, 1, kOnnxIr);
  put_bytes(out, 2, "slipway");
  put_bytes(out, 3, kVersion);
  put_bytes(out, 7, graph);
  put_bytes(out, 8, opset("", kOnnxOpset));
  put_bytes(out, 8, opset("ai.onnx.ml", kOnnxMlOpset));
  for (const auto& [key, value] : described) {
    std::string pair;
    put_bytes(pair, 1, key);
    put_bytes(pair, 2, value);
    put_bytes(out, 14, pair);
  }
  return out;
}

}  // namespace slip::model
