#include "features/freshness.h"

#include <algorithm>
#include <cmath>

namespace slip::features {

void raise(std::atomic<int64_t>* to, int64_t value) {
  int64_t now = to->load(std::memory_order_relaxed);
  while (now < value && !to->compare_exchange_weak(now, value, std::memory_order_relaxed)) {}
}

void Spread::add(int64_t us, int64_t times) {
  us = std::max<int64_t>(us, 0);
  const auto bucket = std::lower_bound(kBoundsUs.begin(), kBoundsUs.end(), us) - kBoundsUs.begin();
  counts_[static_cast<size_t>(bucket)].fetch_add(times, std::memory_order_relaxed);
  sum_us_.fetch_add(us * times, std::memory_order_relaxed);
  raise(&max_us_, us);
}

int64_t Spread::count() const {
  int64_t out = 0;
  for (const auto& n : counts_) out += n.load(std::memory_order_relaxed);
  return out;
}

std::optional<int64_t> Spread::at(double q) const {
  const int64_t n = count();
  if (n == 0) return std::nullopt;
  const auto rank = static_cast<int64_t>(std::ceil(q * static_cast<double>(n)));
  int64_t seen = 0;
  for (size_t i = 0; i < kBoundsUs.size(); ++i) {
    seen += counts_[i].load(std::memory_order_relaxed);
    if (seen >= rank) return std::min(kBoundsUs[i], max_us());
  }
  return max_us();
}

}  // namespace slip::features
