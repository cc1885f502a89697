#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sys/sync.h"

// Metrics as a table: each row names one metric, its kind, unit and meaning; `slipway dump metrics`
// and /metrics read it. Counting is one relaxed atomic add, any thread. What is known only when
// asked (memory, queue lengths) is collected by functions at scrape time.
namespace slip::telemetry {

enum class MetricKind : uint8_t { kCounter, kGauge, kHistogram };

struct MetricRow {
  std::string_view name;  // "slipway_http_requests_total": base units, Prometheus's suffixes.
  MetricKind kind = MetricKind::kCounter;
  std::string_view labels;  // "route,code": for readers of the table.
  std::string_view help;
};

using Labels = std::vector<std::pair<std::string, std::string>>;

class Counter {
 public:
  void add(int64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

class Gauge {
 public:
  void set(double v) { value_.store(v, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

// Durations: buckets of 1, 2.5 and 5 a decade, 10 µs to 10 s, and one above.
class Histogram {
 public:
  static constexpr std::array<int64_t, 19> kBoundsNs = {
      10'000,        25'000,        50'000,        100'000,       250'000,
      500'000,       1'000'000,     2'500'000,     5'000'000,     10'000'000,
      25'000'000,    50'000'000,    100'000'000,   250'000'000,   500'000'000,
      1'000'000'000, 2'500'000'000, 5'000'000'000, 10'000'000'000};

  void observe_ns(int64_t ns);
  std::array<int64_t, kBoundsNs.size() + 1> counts() const;
  int64_t sum_ns() const { return sum_ns_.load(std::memory_order_relaxed); }

 private:
  std::array<std::atomic<int64_t>, kBoundsNs.size() + 1> counts_{};
  std::atomic<int64_t> sum_ns_{0};
};

// One value of one metric at scrape time.
struct Sample {
  std::string_view metric;  // A row's name.
  Labels labels;
  double value = 0;
};

class Metrics {
 public:
  Metrics();
  ~Metrics();

  // Rows of a module; before their metrics are used. CHECKs that a name comes once.
  void declare(std::span<const MetricRow> rows);
  std::vector<MetricRow> rows() const;

  // Made at first use, valid as long as this lives. CHECK: the row exists and has that kind.
  Counter& counter(std::string_view name, const Labels& labels = {});
  Gauge& gauge(std::string_view name, const Labels& labels = {});
  Histogram& histogram(std::string_view name, const Labels& labels = {});
  void collect(std::function<void(std::vector<Sample>*)> at_scrape);

  // Prometheus text format 0.0.4. Labelled counters and histograms appear once they count.
  std::string text() const;

 private:
  struct State;
  sys::Guarded<std::unique_ptr<State>> state_;
};

}  // namespace slip::telemetry
