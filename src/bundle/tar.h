#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

// A few files as one: ustar, as every tar reads it. The same files make the same bytes. Pure.
namespace slip::bundle {

using Files = std::map<std::string, std::string>;  // By name; "ort/x.wasm" is allowed.

std::string pack(const Files& files);
// Plain files with names that stay in their folder, each once. kInvalid `bundle.archive`.
Result<Files> unpack(std::string_view bytes);

// Neither absolute nor with "..", "." or empty parts; at most 99 bytes of plain characters.
bool plain_name(std::string_view name);

}  // namespace slip::bundle
