#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// The part of TOML that slipway.toml needs, strictly: comments, [section], key = string, integer,
// float, boolean, array of strings on one line. What isn't of this part is an error with its line,
// never a guess. Pure.
namespace slip::app {

inline constexpr size_t kTomlBytesMax = 1 << 20;

struct TomlEntry {
  std::string key;    // "section.key"
  std::string value;  // Strings unquoted, arrays joined by ',', the rest as written without '_'.
  int line = 0;
};

// kInvalid `config.toml`, the text begins with "line N: ".
Result<std::vector<TomlEntry>> parse_toml(std::string_view text);

}  // namespace slip::app
