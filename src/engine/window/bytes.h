#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

// Fixed-layout little-endian bytes of window state. take() never reads past the end.
namespace slip::window {

template <class T>
void put(std::string& out, T v) {
  char raw[sizeof(T)];
  std::memcpy(raw, &v, sizeof(T));
  out.append(raw, sizeof(T));
}

inline void put_text(std::string& out, std::string_view v) {
  put<uint32_t>(out, static_cast<uint32_t>(v.size()));
  out.append(v);
}

template <class T>
bool take(std::string_view& in, T& v) {
  if (in.size() < sizeof(T)) return false;
  std::memcpy(&v, in.data(), sizeof(T));
  in.remove_prefix(sizeof(T));
  return true;
}

inline bool take_text(std::string_view& in, std::string& v) {
  uint32_t n = 0;
  if (!take(in, n) || in.size() < n) return false;
  v.assign(in.substr(0, n));
  in.remove_prefix(n);
  return true;
}

}  // namespace slip::window
