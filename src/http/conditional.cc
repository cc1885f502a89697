#include "http/conditional.h"

#include <algorithm>

#include "base/text.h"

namespace slip::http {
namespace {

// "W/\"x\"" → x; anything unquoted → as it is, because some clients forget the quotes.
std::string_view opaque(std::string_view tag) {
  if (tag.starts_with("W/")) tag.remove_prefix(2);
  if (tag.size() >= 2 && tag.front() == '"' && tag.back() == '"')
    return tag.substr(1, tag.size() - 2);
  return tag;
}

}  // namespace

bool matches_any(std::string_view if_none_match, std::string_view etag) {
  if (if_none_match.empty() || etag.empty()) return false;
  for (const std::string_view part : split(if_none_match, ',')) {
    const std::string_view tag = trim(part);
    if (tag == "*" || opaque(tag) == etag) return true;
  }
  return false;
}

RangeAnswer answer_range(std::string_view range, std::string_view if_range, std::string_view etag,
                         int64_t size) {
  using Kind = RangeAnswer::Kind;
  const RangeAnswer whole{Kind::kWhole, 0, size};
  if (range.size() < 6 || !iequals(range.substr(0, 6), "bytes=")) return whole;
  if (!if_range.empty()) {
    const bool strong = if_range.size() >= 2 && if_range.front() == '"' && if_range.back() == '"';
    if (!strong || etag.empty() || opaque(if_range) != etag) return whole;
  }
  const std::string_view spec = trim(range.substr(6));
  const size_t dash = spec.find('-');
  if (dash == std::string_view::npos || spec.find(',') != std::string_view::npos) return whole;
  const std::string_view from = trim(spec.substr(0, dash));
  const std::string_view to = trim(spec.substr(dash + 1));
  const auto first = parse_int(from);
  const auto last = parse_int(to);
  if ((!from.empty() && (!first || *first < 0)) || (!to.empty() && (!last || *last < 0)))
    return whole;
  if (from.empty()) {  // The last N bytes.
    if (to.empty()) return whole;
    if (*last == 0 || size == 0) return {Kind::kUnsatisfiable, 0, 0};
    const int64_t n = std::min(*last, size);
    return {Kind::kPart, size - n, n};
  }
  if (!to.empty() && *last < *first) return whole;
  if (*first >= size) return {Kind::kUnsatisfiable, 0, 0};
  const int64_t end = to.empty() ? size : std::min(*last, size - 1) + 1;
  return {Kind::kPart, *first, end - *first};
}

bool accepts_gzip(std::string_view accept_encoding) {
  for (const std::string_view part : split(accept_encoding, ',')) {
    const size_t semicolon = std::min(part.find(';'), part.size());
    const std::string_view coding = trim(part.substr(0, semicolon));
    if (!iequals(coding, "gzip") && coding != "*") continue;
    std::string_view weight = trim(part.substr(std::min(semicolon + 1, part.size())));
    if (!weight.starts_with("q=")) return true;
    weight.remove_prefix(2);
    const auto q = parse_double(weight);
    return q && *q > 0;
  }
  return false;
}

bool compressible(std::string_view content_type) {
  const std::string_view type = trim(content_type.substr(0, content_type.find(';')));
  return type.starts_with("text/") || type.ends_with("json") || type.ends_with("xml") ||
         type.ends_with("javascript") || type == "application/yaml" || type == "application/x-yaml";
}

}  // namespace slip::http
