#include "core/worker/strikes.h"

#include <algorithm>

#include "base/text.h"

namespace slip::worker {

int64_t refused_ms(int strikes) {
  if (strikes < kStrikesMax) return 0;
  const int doublings = std::min(strikes - kStrikesMax, 10);
  return std::min(kRefusedMaxMs, kRefusedMinMs << doublings);
}

Status Strikes::check(const std::string& who, int64_t now_ns) const {
  const auto found = entries_.find(who);
  if (found == entries_.end() || found->second.refused_until_ns <= now_ns) return {};
  const Entry& e = found->second;
  const int64_t left_s = (e.refused_until_ns - now_ns + 999'999'999) / 1'000'000'000;
  return unavailable("worker.refused", concat({"refused for ", std::to_string(left_s), " s, after ",
                                               std::to_string(e.count),
                                               " calls in a row that cost a worker: ", e.how}));
}

void Strikes::killed(const std::string& who, std::string how, int64_t now_ns) {
  if (entries_.size() >= kStrikersMax && !entries_.contains(who))
    entries_.erase(std::min_element(entries_.begin(), entries_.end(), [](auto& a, auto& b) {
      return a.second.refused_until_ns < b.second.refused_until_ns;
    }));
  Entry& e = entries_[who];
  ++e.count;
  e.how = std::move(how);
  e.refused_until_ns = now_ns + refused_ms(e.count) * 1'000'000;
}

}  // namespace slip::worker
