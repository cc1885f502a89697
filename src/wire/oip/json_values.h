#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"
#include "serving/tensor.h"

namespace simdjson::dom {
class element;
}

// Values of one tensor from JSON, nested or flat. Private to wire/oip/.
namespace slip::wire::oip {

// Fills what has its name and type; how many values there were. Room is made for `room` of them;
// what comes too much is only counted. kInvalid `tensor.value|tensor.datatype`.
Result<size_t> put_json_values(const simdjson::dom::element& data, size_t room, serving::Tensor* t);

// Python's json writes bare NaN, Infinity, -Infinity: puts them into quotes, outside of strings.
std::string quote_non_finite(std::string_view body);

}  // namespace slip::wire::oip
