#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "core/later/types.h"

// Heads of requests and answers as bytes: headers may hold any. Pure.
namespace slip::later {

// `first`: of an answer its content type.
struct Head {
  std::string first;
  Headers headers;
};
std::string encode_head(const Head& head);
Result<Head> decode_head(std::string_view bytes);  // kCorrupt `async.corrupt`.

}  // namespace slip::later
