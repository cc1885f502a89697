#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "serving/tensor.h"

// Tensors as bytes: little-endian, row-major, BOOL a byte, BYTES elements each behind their length
// as 4 bytes. The same in REST's binary extension, in gRPC and in shared memory. Pure.
//
// Errors: kInvalid `tensor.shape|tensor.size|tensor.value`, naming the input.
namespace slip::wire::oip {

// How many elements the shape of an input has: refuses negative sizes and whatever overflows.
Result<size_t> count_input(const serving::Tensor& t);

// `bytes` are what the tensor's type and shape want; BYTES may want any.
Status check_raw_size(const serving::Tensor& t, size_t bytes);

// Fills what has its name, type and shape. The second takes the bytes over where it can.
Status take_raw(std::string_view raw, serving::Tensor* t);
Status take_raw(std::string&& raw, serving::Tensor* t);

size_t raw_bytes(const serving::Tensor& t);
void append_raw(std::string* out, const serving::Tensor& t);

}  // namespace slip::wire::oip
