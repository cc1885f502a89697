#pragma once

#include <cstdint>
#include <string_view>

// Conditional requests and byte ranges (RFC 9110, 13 and 14), without the connection. Pure.
namespace slip::http {

// Weak comparison of If-None-Match with the current entity tag (opaque part, without quotes).
bool matches_any(std::string_view if_none_match, std::string_view etag);

struct RangeAnswer {
  enum class Kind : uint8_t { kWhole, kPart, kUnsatisfiable };
  Kind kind = Kind::kWhole;
  int64_t first = 0;
  int64_t size = 0;
};
// One range is honoured; several, other units and syntax errors are answered with the whole, as
// the RFC allows. `if_range` (may be "") must be the strong tag, else the whole.
RangeAnswer answer_range(std::string_view range, std::string_view if_range, std::string_view etag,
                         int64_t size);

// True when `accept_encoding` allows gzip with a weight above 0.
bool accepts_gzip(std::string_view accept_encoding);
// Text, JSON, XML, JavaScript, SVG: what gains from gzip.
bool compressible(std::string_view content_type);

}  // namespace slip::http
