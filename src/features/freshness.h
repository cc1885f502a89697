#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

// How fresh a view is, by four clocks: when its newest event happened, when that came in
// (received), when it was in the log and applied (visible), and when values are served. Counting is
// relaxed atomics, any thread; a reader may see one number a moment before another.
namespace slip::features {

// Spans of time, counted in buckets; percentiles are upper bounds of buckets.
class Spread {
 public:
  static constexpr std::array<int64_t, 16> kBoundsUs = {
      1'000,          5'000,          10'000,          50'000,           100'000,     1'000'000,
      5'000'000,      10'000'000,     60'000'000,      300'000'000,      900'000'000, 3'600'000'000,
      21'600'000'000, 86'400'000'000, 604'800'000'000, 2'592'000'000'000};

  void add(int64_t us, int64_t times = 1);  // Below 0 counts as 0.
  int64_t count() const;
  int64_t max_us() const { return max_us_.load(std::memory_order_relaxed); }
  double sum_s() const {
    return static_cast<double>(sum_us_.load(std::memory_order_relaxed)) * 1e-6;
  }
  // The bound of the bucket with the q-th value, never above the maximum; none: nothing counted.
  std::optional<int64_t> at(double q) const;

 private:
  std::array<std::atomic<int64_t>, kBoundsUs.size() + 1> counts_{};
  std::atomic<int64_t> sum_us_{0};
  std::atomic<int64_t> max_us_{0};
};

// Of one version of a view, since the process began; the newest_ ones since the history did.
struct ViewClocks {
  std::atomic<int64_t> newest_event_us{0};  // Among events whose time has come.
  std::atomic<int64_t> newest_received_us{0};
  std::atomic<int64_t> newest_visible_us{0};
  Spread lateness;                               // Event to received.
  Spread lag;                                    // Received to visible.
  Spread age;                                    // Event to served, of values that were present.
  std::array<std::atomic<int64_t>, 4> served{};  // Values by ReadStatus.
};

// Raises it to `value`.
void raise(std::atomic<int64_t>* to, int64_t value);

}  // namespace slip::features
