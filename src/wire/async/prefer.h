#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

// What a client prefers (RFC 7240), as far as it means something here. Pure.
namespace slip::wire::async {

inline constexpr int64_t kWaitSecondsMax = 60;

struct Preferences {
  bool respond_async = false;
  int64_t wait_s = 0;  // Before that, at most kWaitSecondsMax.
};
// Of all `Prefer` headers, names in lower case, or metadata of gRPC; of a preference that comes
// twice the first counts, what isn't understood means nothing.
using Received = std::vector<std::pair<std::string_view, std::string_view>>;
Preferences preferences_of(const Received& headers);

}  // namespace slip::wire::async
