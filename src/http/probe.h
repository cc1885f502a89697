#pragma once

#include <cstdint>

#include "http/route.h"

// Where the server reports each finished request; telemetry implements it. I/O threads: an
// implementation only counts.
namespace slip::http {

struct Finished {
  Method method = Method::kGet;
  const Route* route = nullptr;  // Null when no row matched.
  int status = 0;
  int64_t duration_ns = 0;  // From the end of the head to the reply's last byte handed on.
  int64_t body_in_bytes = 0;
  int64_t body_out_bytes = 0;
};

class Probe {
 public:
  virtual ~Probe() = default;
  virtual void finished(const Ctx& ctx, const Finished& what) = 0;
};

}  // namespace slip::http
