#include "core/telemetry/metrics.h"

#include <algorithm>
#include <limits>
#include <map>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "base/check.h"

namespace slip::telemetry {
namespace {

constexpr double kNsPerSecond = 1e9;

// Either of the three, whatever its row says.
struct Series {
  Labels labels;
  std::unique_ptr<Counter> counter;
  std::unique_ptr<Gauge> gauge;
  std::unique_ptr<Histogram> histogram;
};

prometheus::MetricType type_of(MetricKind kind) {
  switch (kind) {
    case MetricKind::kCounter:
      return prometheus::MetricType::Counter;
    case MetricKind::kGauge:
      return prometheus::MetricType::Gauge;
    case MetricKind::kHistogram:
      return prometheus::MetricType::Histogram;
  }
  CHECK(false);
}

prometheus::ClientMetric labelled(const Labels& labels) {
  prometheus::ClientMetric metric;
  for (const auto& [name, value] : labels) metric.label.push_back({name, value});
  return metric;
}

prometheus::ClientMetric print(MetricKind kind, const Labels& labels, double value) {
  prometheus::ClientMetric metric = labelled(labels);
  if (kind == MetricKind::kCounter)
    metric.counter.value = value;
  else
    metric.gauge.value = value;
  return metric;
}

// Hundreds of routes that nobody called would bury the rest.
bool touched(const Series& s) {
  if (s.counter) return s.counter->value() != 0;
  if (s.gauge) return true;
  const auto counts = s.histogram->counts();
  return std::any_of(counts.begin(), counts.end(), [](int64_t n) { return n != 0; });
}

prometheus::ClientMetric print(const Series& s) {
  if (s.counter)
    return print(MetricKind::kCounter, s.labels, static_cast<double>(s.counter->value()));
  if (s.gauge) return print(MetricKind::kGauge, s.labels, s.gauge->value());
  prometheus::ClientMetric metric = labelled(s.labels);
  const auto counts = s.histogram->counts();
  uint64_t total = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    total += static_cast<uint64_t>(counts[i]);
    const double bound = i < Histogram::kBoundsNs.size()
                             ? static_cast<double>(Histogram::kBoundsNs[i]) / kNsPerSecond
                             : std::numeric_limits<double>::infinity();
    metric.histogram.bucket.push_back({total, bound});
  }
  metric.histogram.sample_count = total;
  metric.histogram.sample_sum = static_cast<double>(s.histogram->sum_ns()) / kNsPerSecond;
  return metric;
}

}  // namespace

void Histogram::observe_ns(int64_t ns) {
  const auto at = std::lower_bound(kBoundsNs.begin(), kBoundsNs.end(), ns);
  counts_[static_cast<size_t>(at - kBoundsNs.begin())].fetch_add(1, std::memory_order_relaxed);
  sum_ns_.fetch_add(ns, std::memory_order_relaxed);
}

std::array<int64_t, Histogram::kBoundsNs.size() + 1> Histogram::counts() const {
  std::array<int64_t, kBoundsNs.size() + 1> out{};
  for (size_t i = 0; i < out.size(); ++i) out[i] = counts_[i].load(std::memory_order_relaxed);
  return out;
}

struct Metrics::State {
  std::map<std::string, MetricRow, std::less<>> rows;
  std::map<std::string, std::map<Labels, Series>, std::less<>> series;
  std::vector<std::function<void(std::vector<Sample>*)>> collectors;

  Series& find(std::string_view name, MetricKind kind, const Labels& labels) {
    const auto row = rows.find(name);
    CHECK(row != rows.end() && row->second.kind == kind);
    Series& s = series[std::string(name)][labels];
    s.labels = labels;
    return s;
  }
};

Metrics::Metrics() : state_(std::make_unique<State>()) {}
Metrics::~Metrics() = default;

void Metrics::declare(std::span<const MetricRow> rows) {
  state_.with([&](auto& state) {
    for (const MetricRow& row : rows) {
      const bool added = state->rows.emplace(std::string(row.name), row).second;
      CHECK(added);
    }
  });
}

std::vector<MetricRow> Metrics::rows() const {
  return state_.with([](const auto& state) {
    std::vector<MetricRow> out;
    for (const auto& [name, row] : state->rows) out.push_back(row);
    return out;
  });
}

Counter& Metrics::counter(std::string_view name, const Labels& labels) {
  return *state_.with([&](auto& state) -> Counter* {
    Series& s = state->find(name, MetricKind::kCounter, labels);
    if (!s.counter) s.counter = std::make_unique<Counter>();
    return s.counter.get();
  });
}

Gauge& Metrics::gauge(std::string_view name, const Labels& labels) {
  return *state_.with([&](auto& state) -> Gauge* {
    Series& s = state->find(name, MetricKind::kGauge, labels);
    if (!s.gauge) s.gauge = std::make_unique<Gauge>();
    return s.gauge.get();
  });
}

Histogram& Metrics::histogram(std::string_view name, const Labels& labels) {
  return *state_.with([&](auto& state) -> Histogram* {
    Series& s = state->find(name, MetricKind::kHistogram, labels);
    if (!s.histogram) s.histogram = std::make_unique<Histogram>();
    return s.histogram.get();
  });
}

void Metrics::collect(std::function<void(std::vector<Sample>*)> at_scrape) {
  state_.with([&](auto& state) { state->collectors.push_back(std::move(at_scrape)); });
}

std::string Metrics::text() const {
  // Collectors run outside the lock: they may take locks of their own.
  const auto collectors = state_.with([](const auto& state) { return state->collectors; });
  std::vector<Sample> samples;
  for (const auto& collector : collectors) collector(&samples);
  const std::vector<prometheus::MetricFamily> families = state_.with([&](const auto& state) {
    std::vector<prometheus::MetricFamily> out;
    for (const auto& [name, row] : state->rows) {
      prometheus::MetricFamily family;
      family.name = name;
      family.help = row.help;
      family.type = type_of(row.kind);
      const auto series = state->series.find(name);
      if (series != state->series.end())
        for (const auto& [labels, s] : series->second)
          if (labels.empty() || touched(s)) family.metric.push_back(print(s));
      for (const Sample& s : samples)
        if (s.metric == name) family.metric.push_back(print(row.kind, s.labels, s.value));
      if (!family.metric.empty()) out.push_back(std::move(family));
    }
    return out;
  });
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace slip::telemetry
