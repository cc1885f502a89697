#pragma once

#include <string_view>

#include "base/result.h"
#include "codec/json.h"

// Protocol Buffers' text format without its schema: a message is an object, and each field a list
// of its values in order, as any may be repeated. Names of enums are texts, like strings. Pure.
//
// Errors with the line: kInvalid `pbtxt.syntax|pbtxt.depth`, kExhausted `pbtxt.too_large`.
namespace slip::contract {

inline constexpr size_t kPbtxtBytesMax = 16 << 20;
inline constexpr int kPbtxtDepthMax = 64;

Result<codec::Json> parse_pbtxt(std::string_view text);

}  // namespace slip::contract
