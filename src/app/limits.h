#pragma once

#include <cstdint>
#include <span>
#include <string_view>

// The limits that a user can run into, gathered from the headers that define them.
namespace slip::app {

struct LimitRow {
  std::string_view name;  // "http.json_body_bytes"
  int64_t value = 0;
  std::string_view unit;
  std::string_view doc;
};
std::span<const LimitRow> limits();

}  // namespace slip::app
