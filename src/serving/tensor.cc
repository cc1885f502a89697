#include "serving/tensor.h"

#include <array>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "base/text.h"

namespace slip::serving {
namespace {

struct DataTypeRow {
  std::string_view name;
  size_t bytes;
};
constexpr std::array<DataTypeRow, kDataTypeCount> kTypes = {{{"BOOL", 1},
                                                             {"UINT8", 1},
                                                             {"UINT16", 2},
                                                             {"UINT32", 4},
                                                             {"UINT64", 8},
                                                             {"INT8", 1},
                                                             {"INT16", 2},
                                                             {"INT32", 4},
                                                             {"INT64", 8},
                                                             {"FP16", 2},
                                                             {"FP32", 4},
                                                             {"FP64", 8},
                                                             {"BYTES", 0},
                                                             {"BF16", 2}}};

template <class T>
double load(const Tensor& t, int64_t index) {
  T value;
  std::memcpy(&value, t.data.data() + static_cast<size_t>(index) * sizeof(T), sizeof(T));
  return static_cast<double>(value);
}

// IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction bits.
double half_to_double(uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const int fraction = bits & 1023;
  double magnitude = 0;
  if (exponent == 31)
    magnitude = fraction == 0 ? HUGE_VAL : std::nan("");
  else if (exponent == 0)
    magnitude = std::ldexp(fraction, -24);
  else
    magnitude = std::ldexp(1024 + fraction, exponent - 25);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

double bfloat_to_double(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value = 0;
  std::memcpy(&value, &wide, sizeof value);
  return static_cast<double>(value);
}

uint16_t load_u16(const Tensor& t, int64_t index) {
  uint16_t bits = 0;
  std::memcpy(&bits, t.data.data() + static_cast<size_t>(index) * 2, 2);
  return bits;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::vector<std::string> parts;
  for (const int64_t d : shape) parts.push_back(std::to_string(d));
  return concat({"[", join(parts, ","), "]"});
}

}  // namespace

std::string_view data_type_name(DataType type) { return kTypes[static_cast<size_t>(type)].name; }
size_t data_type_bytes(DataType type) { return kTypes[static_cast<size_t>(type)].bytes; }

std::optional<DataType> parse_data_type(std::string_view name) {
  for (size_t i = 0; i < kTypes.size(); ++i)
    if (kTypes[i].name == name) return static_cast<DataType>(i);
  return std::nullopt;
}

int64_t Tensor::elements() const {
  int64_t n = 1;
  for (const int64_t d : shape) n *= d;
  return n;
}

int64_t Tensor::integer(int64_t index) const {
  if (type != DataType::kInt64 && type != DataType::kUint64)
    return static_cast<int64_t>(number(index));
  CHECK(index >= 0 && (static_cast<size_t>(index) + 1) * 8 <= data.size());
  int64_t out = 0;
  std::memcpy(&out, data.data() + static_cast<size_t>(index) * 8, 8);
  return out;
}

double Tensor::number(int64_t index) const {
  CHECK(index >= 0 && type != DataType::kBytes);
  CHECK((static_cast<size_t>(index) + 1) * data_type_bytes(type) <= data.size());
  switch (type) {
    case DataType::kBool:
    case DataType::kUint8:
      return load<uint8_t>(*this, index);
    case DataType::kUint16:
      return load<uint16_t>(*this, index);
    case DataType::kUint32:
      return load<uint32_t>(*this, index);
    case DataType::kUint64:
      return load<uint64_t>(*this, index);
    case DataType::kInt8:
      return load<int8_t>(*this, index);
    case DataType::kInt16:
      return load<int16_t>(*this, index);
    case DataType::kInt32:
      return load<int32_t>(*this, index);
    case DataType::kInt64:
      return load<int64_t>(*this, index);
    case DataType::kFp16:
      return half_to_double(load_u16(*this, index));
    case DataType::kFp32:
      return load<float>(*this, index);
    case DataType::kFp64:
      return load<double>(*this, index);
    case DataType::kBf16:
      return bfloat_to_double(load_u16(*this, index));
    case DataType::kBytes:
      break;
  }
  CHECK(false);
}

bool is_real(DataType type) {
  return type == DataType::kFp32 || type == DataType::kFp64 || type == DataType::kFp16 ||
         type == DataType::kBf16;
}

int64_t stride_of(const Tensor& tensor, int64_t rows) {
  if (rows <= 0) return 0;
  if (rows == 1) return tensor.elements();
  const bool by_row = !tensor.shape.empty() && tensor.shape.front() == rows;
  return by_row ? tensor.elements() / rows : 0;
}

Result<int64_t> count_elements(const std::vector<int64_t>& shape) {
  if (shape.size() > kTensorRankMax) return invalid("tensor.shape", "too many dimensions");
  int64_t n = 1;
  bool empty = false;
  for (const int64_t d : shape) {
    if (d < 0) return invalid("tensor.shape", "a dimension is negative");
    empty = empty || d == 0;
    if (d > 0 && n > kTensorElementsMax / d)
      return invalid("tensor.shape", "the tensor has too many elements");
    n *= d == 0 ? 1 : d;
  }
  return empty ? 0 : n;
}

Status make_room(Tensor* t) {
  const auto n = static_cast<size_t>(TRY(count_elements(t->shape)));
  if (t->type == DataType::kBytes)
    t->strings.resize(n);
  else
    t->data.resize(n * data_type_bytes(t->type));
  return {};
}

Status check_tensor(const Tensor& t, const TensorSpec& spec) {
  const auto bad = [&](std::string_view reason, std::string text) {
    return invalid(reason, concat({"input `", t.name, "`: ", text}));
  };
  if (t.type != spec.type)
    return bad("tensor.datatype", concat({"the model wants ", data_type_name(spec.type), ", got ",
                                          data_type_name(t.type)}));
  const Result<int64_t> elements = count_elements(t.shape);
  if (!elements.ok()) return bad("tensor.shape", elements.error().text);
  bool fits = t.shape.size() == spec.shape.size();
  for (size_t i = 0; fits && i < t.shape.size(); ++i)
    fits = spec.shape[i] < 0 || spec.shape[i] == t.shape[i];
  if (!fits)
    return bad("tensor.shape", concat({"the model wants shape ", shape_text(spec.shape), ", got ",
                                       shape_text(t.shape)}));
  const auto n = static_cast<size_t>(*elements);
  const size_t wanted = t.type == DataType::kBytes ? n : n * data_type_bytes(t.type);
  const size_t got = t.type == DataType::kBytes ? t.strings.size() : t.data.size();
  if (wanted != got)
    return bad("tensor.size", concat({"shape ", shape_text(t.shape), " does not agree with the ",
                                      "amount of data"}));
  return {};
}

}  // namespace slip::serving
