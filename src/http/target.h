#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

// The request target, taken apart by one set of rules: percent-decoding happens once, `%2f` never
// becomes a separator, empty segments and trailing slashes are kept (and so match only rows that
// have them), dot segments and NUL are refused. Pure.
//
// A server that lies below another's path (`--static-prefix /team/slipway`) is reached with that
// prefix by a proxy that passes it on, and without it by one that strips it: both name one thing.
//
// Errors: kInvalid `http.target`, `path.encoding`, `path.dot_segment`, `query.encoding`,
// `project.syntax`; `http.target_too_long` (414).
namespace slip::http {

inline constexpr size_t kTargetBytesMax = 28 << 10;
inline constexpr size_t kPathSegmentsMax = 64;
inline constexpr size_t kProjectBytesMax = 128;
inline constexpr size_t kQueryPairsMax = 2000;

struct Target {
  std::string_view authority;  // Of an absolute-form target, else "".
  std::string_view project;    // Of /~PROJECT, else "".
  std::string_view path;       // Begins with '/'; without the project.
  std::string_view query;      // Without '?'.
};

// `prefix` is "" or as check_prefix wants it.
Result<Target> split_target(std::string_view target, std::string_view prefix = {});
Status check_prefix(std::string_view prefix);    // "/a/b": no last slash. kInvalid `http.prefix`.
Status check_project(std::string_view project);  // [A-Za-z0-9._-], not beginning with '.'.

// "/a/b%2fc" → "a", "b/c". "/" has one empty segment.
Status split_path(std::string_view path, std::vector<std::string_view>* segments);
Status decode_segment(std::string_view raw, std::string* out);

// Form rules ('+' is a blank); pairs without '=' have an empty value.
Status parse_query(std::string_view query, std::vector<std::pair<std::string, std::string>>* out);

}  // namespace slip::http
