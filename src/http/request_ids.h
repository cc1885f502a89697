#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// The ids that a request goes by, taken from its client or made here; the same on every plane.
// Pure.
namespace slip::http {

inline constexpr size_t kRequestIdBytesMax = 128;

bool sane_request_id(std::string_view id);
// The trace of a W3C `traceparent`, version 00 and later ones that begin like it; "" when it isn't
// one.
std::string_view trace_of_parent(std::string_view parent);

void make_request_id(uint64_t random, std::string* out);
void make_trace_id(uint64_t a, uint64_t b, std::string* out);

}  // namespace slip::http
