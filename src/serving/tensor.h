#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// Tensors as they travel between a protocol and a model: named, typed, row-major, little-endian.
// Types are those of the Open Inference Protocol. Values; owned by one thread at a time.
namespace slip::serving {

inline constexpr int64_t kTensorElementsMax = int64_t{1} << 28;
inline constexpr size_t kTensorRankMax = 16;

enum class DataType : uint8_t {
  kBool,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kFp16,
  kFp32,
  kFp64,
  kBytes,
  kBf16,
};
inline constexpr int kDataTypeCount = 14;

std::string_view data_type_name(DataType type);  // "FP32"
std::optional<DataType> parse_data_type(std::string_view name);
size_t data_type_bytes(DataType type);  // 0 for kBytes.
bool is_real(DataType type);            // Any floating point type.

struct Tensor {
  std::string name;
  DataType type = DataType::kFp32;
  std::vector<int64_t> shape;
  std::string data;                  // Every type but kBytes.
  std::vector<std::string> strings;  // kBytes.

  int64_t elements() const;  // Product of the shape; 1 for a scalar.
  int64_t rows() const { return shape.empty() ? 1 : shape.front(); }
  // Reads an element of any numeric type. CHECKs the index.
  double number(int64_t index) const;
  int64_t integer(int64_t index) const;  // Of a type of whole numbers, exactly; UINT64's 64 bits.
};

// Values a row when the request has `rows` rows; 0 when the tensor does not have one row for each.
int64_t stride_of(const Tensor& tensor, int64_t rows);

struct TensorSpec {
  std::string name;
  DataType type = DataType::kFp32;
  std::vector<int64_t> shape;             // -1: any.
  std::vector<std::string> columns = {};  // Of the second dimension, where the model names them.
};

// Zeros, or empty texts, for all of its shape. kInvalid `tensor.shape`.
Status make_room(Tensor* tensor);
// Product of `shape`, or kInvalid `tensor.shape` when negative, of too high a rank, or too large.
Result<int64_t> count_elements(const std::vector<int64_t>& shape);
// Shape and payload agree, and both fit `spec`. kInvalid `tensor.*` naming the tensor.
Status check_tensor(const Tensor& tensor, const TensorSpec& spec);

}  // namespace slip::serving
