#include "http/request_ids.h"

#include <algorithm>

namespace slip::http {

bool sane_request_id(std::string_view id) {
  return !id.empty() && id.size() <= kRequestIdBytesMax && std::ranges::all_of(id, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == ':' || c == '/' || c == '+' || c == '=';
  });
}

std::string_view trace_of_parent(std::string_view parent) {
  if (parent.size() < 55 || parent[2] != '-' || parent[35] != '-' || parent[52] != '-' ||
      (parent.size() > 55 && parent[55] != '-') || parent.starts_with("ff") ||
      (parent.starts_with("00") && parent.size() != 55))
    return {};
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  const std::string_view id = parent.substr(3, 32);
  const std::string_view span = parent.substr(36, 16);
  if (!std::ranges::all_of(parent.substr(0, 2), hex) || !std::ranges::all_of(id, hex) ||
      !std::ranges::all_of(span, hex) || !std::ranges::all_of(parent.substr(53, 2), hex) ||
      id.find_first_not_of('0') == std::string_view::npos ||
      span.find_first_not_of('0') == std::string_view::npos)
    return {};
  return id;
}

// 16 digits of Crockford's base 32 hold 80 bits; 15 fit std::string without an allocation.
void make_request_id(uint64_t random, std::string* out) {
  static constexpr char kDigits[] = "0123456789abcdefghjkmnpqrstvwxyz";
  out->resize(13);
  for (char& c : *out) {
    c = kDigits[random & 31];
    random >>= 5;
  }
}

void make_trace_id(uint64_t a, uint64_t b, std::string* out) {
  static constexpr char kDigits[] = "0123456789abcdef";
  out->resize(32);
  for (size_t i = 0; i < 16; ++i) {
    (*out)[i] = kDigits[a >> (4 * i) & 15];
    (*out)[16 + i] = kDigits[b >> (4 * i) & 15];
  }
}

}  // namespace slip::http
