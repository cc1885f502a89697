#pragma once

#include <cstdint>

#include "codec/json.h"
#include "serving/tensor.h"

// Values of a model's answers as JSON: numbers shortest (a float as the float's text), texts as
// they are, or base64 where they are no UTF-8. Values; any thread.
namespace slip::serving {

codec::Json element_json(const Tensor& t, int64_t index);
// From dimension `depth` on: lists within lists; `index` is the first element's, and moves on.
codec::Json nested_json(const Tensor& t, size_t depth, int64_t* index);
// Of a tensor of [rows, …]: a value, or lists.
codec::Json row_json(const Tensor& t, int64_t row);

}  // namespace slip::serving
