#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// Dates as HTTP headers write them (RFC 9110, 5.6.7). Pure.
namespace slip::http {

std::string http_date(int64_t unix_s);  // "Sun, 06 Nov 1994 08:49:37 GMT"
// The same, in seconds since 1970, and the two older forms that may still come:
// "Sunday, 06-Nov-94 08:49:37 GMT", whose year lies at most 50 years after `now_s`, and
// "Sun Nov  6 08:49:37 1994". The name of the weekday is not looked at.
std::optional<int64_t> parse_http_date(std::string_view text, int64_t now_s);

}  // namespace slip::http
