#pragma once

#include <cstdint>
#include <optional>

#include "http/route.h"

// What a client prefers (RFC 7240), as far as it means something here. Pure.
namespace slip::wire::async {

inline constexpr int64_t kWaitSecondsMax = 60;

struct Preferences {
  bool respond_async = false;
  int64_t wait_s = 0;  // Before that, at most kWaitSecondsMax.
};
// Of all `Prefer` headers; of a preference that comes twice the first counts, what isn't
// understood means nothing.
Preferences preferences_of(const http::Request& request);

}  // namespace slip::wire::async
