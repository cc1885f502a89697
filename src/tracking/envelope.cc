#include "tracking/envelope.h"

#include <algorithm>
#include <cmath>
#include <compare>
#include <utility>

#include "base/check.h"

namespace slip::tracking {
namespace {

// −0 and 0 are told apart, so that which of them stays doesn't hang on who came first.
bool less(double a, double b) { return std::strong_order(a, b) < 0; }

bool earlier(const CurvePoint& a, const CurvePoint& b) {
  if (a.x != b.x) return a.x < b.x;
  if (a.tie != b.tie) return a.tie < b.tie;
  return less(a.value, b.value);
}

// The earliest of the points that share the extreme value.
bool lower(const CurvePoint& a, const CurvePoint& b) {
  return less(a.value, b.value) || (!less(b.value, a.value) && earlier(a, b));
}
bool higher(const CurvePoint& a, const CurvePoint& b) {
  return less(b.value, a.value) || (!less(a.value, b.value) && earlier(a, b));
}

uint64_t distance(int64_t from, int64_t to) {
  return static_cast<uint64_t>(to) - static_cast<uint64_t>(from);
}

void add_to(Bucket& b, const CurvePoint& p) {
  b.x_first = std::min(b.x_first, p.x);
  b.x_last = std::max(b.x_last, p.x);
  if (std::isnan(p.value)) {
    ++b.nan;
    return;
  }
  if (std::isinf(p.value)) {
    ++(p.value > 0 ? b.above : b.below);
    return;
  }
  const bool only = b.finite++ == 0;
  if (only || earlier(p, b.first)) b.first = p;
  if (only || lower(p, b.low)) b.low = p;
  if (only || higher(p, b.high)) b.high = p;
  if (only || earlier(b.last, p)) b.last = p;
}

}  // namespace

// Rounded up, so that the greatest distance still falls into the last bucket; whole numbers only,
// because a double cannot tell neighbouring times in nanoseconds apart.
Envelope::Envelope(int64_t low, int64_t high, int64_t buckets_max) : low_(low), high_(high) {
  CHECK(low <= high && buckets_max > 0);
  const uint64_t whole = distance(low, high);
  width_ = whole / static_cast<uint64_t>(buckets_max) + 1;
  buckets_.resize(bucket_of(high) + 1);
}

size_t Envelope::bucket_of(int64_t x) const {
  if (width_ == 0) return 0;  // One bucket of all 2^64 places.
  return static_cast<size_t>(distance(low_, x) / width_);
}

void Envelope::add(const CurvePoint& p) {
  CHECK(p.x >= low_ && p.x <= high_);
  std::optional<Bucket>& b = buckets_[bucket_of(p.x)];
  if (!b) {
    b.emplace();
    b->x_first = b->x_last = p.x;
  }
  add_to(*b, p);
}

std::vector<Bucket> Envelope::take() && {
  std::vector<Bucket> out;
  for (std::optional<Bucket>& b : buckets_)
    if (b) out.push_back(*b);
  buckets_.clear();
  return out;
}

}  // namespace slip::tracking
