// What the benches' clients share: time, connections to loopback, requests from a file, whole replies of HTTP/1.1.
#pragma once

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

namespace client {

inline int64_t now_ns(clockid_t clock = CLOCK_MONOTONIC) {
  timespec t{};
  clock_gettime(clock, &t);
  return t.tv_sec * int64_t{1'000'000'000} + t.tv_nsec;
}

// Ends the program when nobody listens.
inline int dial(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || connect(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) {
    std::fprintf(stderr, "load: cannot connect to port %d (%s)\n", port, std::strerror(errno));
    std::exit(1);
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

// Of a file: each behind its length (4 bytes, little endian).
inline std::vector<std::string_view> split(std::string_view all) {
  std::vector<std::string_view> out;
  while (all.size() >= 4) {
    uint32_t size = 0;
    std::memcpy(&size, all.data(), 4);
    out.push_back(all.substr(4, size));
    all.remove_prefix(4 + std::min<size_t>(size, all.size() - 4));
  }
  return out;
}

inline bool same_letters(std::string_view a, std::string_view lower) {
  return a.size() == lower.size() && std::equal(a.begin(), a.end(), lower.begin(), [](char x, char y) {
           return (x >= 'A' && x <= 'Z' ? x + 32 : x) == y;
         });
}

// The value of a header of `head`; "" when absent.
inline std::string_view header(std::string_view head, std::string_view lower_name) {
  while (!head.empty()) {
    const std::string_view line = head.substr(0, head.find("\r\n"));
    head.remove_prefix(std::min(head.size(), line.size() + 2));
    if (line.size() <= lower_name.size() || line[lower_name.size()] != ':') continue;
    if (!same_letters(line.substr(0, lower_name.size()), lower_name)) continue;
    std::string_view value = line.substr(lower_name.size() + 1);
    while (value.starts_with(' ')) value.remove_prefix(1);
    return value;
  }
  return {};
}

// Bytes of the chunked body at the front of `in` with its end; 0 when it isn't whole.
inline size_t chunked_size(std::string_view in) {
  for (size_t at = 0;;) {
    const size_t end = in.find("\r\n", at);
    if (end == std::string_view::npos) return 0;
    const size_t size = std::strtoul(std::string(in.substr(at, end - at)).c_str(), nullptr, 16);
    at = end + 2 + size + 2;
    if (at > in.size()) return 0;
    if (size == 0) return at;
  }
}

// Bytes of the first whole reply in `in`; 0 when it isn't whole.
inline size_t reply_size(std::string_view in) {
  const size_t end = in.find("\r\n\r\n");
  if (end == std::string_view::npos) return 0;
  const std::string_view head = in.substr(0, end);
  const std::string_view length = header(head, "content-length");
  size_t body = 0;
  for (const char c : length) body = c >= '0' && c <= '9' ? body * 10 + static_cast<size_t>(c - '0') : body;
  if (length.empty() && same_letters(header(head, "transfer-encoding"), "chunked")) {
    body = chunked_size(in.substr(end + 4));
    return body == 0 ? 0 : end + 4 + body;
  }
  return in.size() >= end + 4 + body ? end + 4 + body : 0;
}

}  // namespace client
