#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "http/route.h"

// Calls every row of a running server the way strangers would: as nobody, with a foreign token, in
// disguise (trailing slash, doubled slash, other case, encoded slash, HEAD, method override), with
// an oversized body and with garbage. Each must end in its declared refusal, never in a 5xx that
// is our bug and never in a success that should have needed rights.
namespace slip::http::testing {

struct Sweep {
  uint16_t port = 0;
  std::string authorization;          // Header value of a caller who may do everything.
  std::string foreign_authorization;  // Well-formed, of another server.
  // The only rows that may need no credentials, as "GET /health", sorted.
  std::vector<std::string> public_rows;
};

// Reports by EXPECT; the server must require authentication.
void sweep_routes(std::span<const Route> rows, const Sweep& sweep);

}  // namespace slip::http::testing
