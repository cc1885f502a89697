#include "core/telemetry/metrics.h"

#include <gtest/gtest.h>

namespace slip::telemetry {
namespace {

constexpr std::array<MetricRow, 4> kRows = {{
    {"t_requests_total", MetricKind::kCounter, "code", "Requests."},
    {"t_queue", MetricKind::kGauge, "", "Waiting."},
    {"t_seconds", MetricKind::kHistogram, "", "Time."},
    {"t_unused", MetricKind::kGauge, "", "Never set."},
}};

TEST(Metrics, PrintsWhatWasCounted) {
  Metrics m;
  m.declare(kRows);
  m.counter("t_requests_total", {{"code", "200"}}).add(3);
  m.counter("t_requests_total", {{"code", "200"}}).add();
  m.counter("t_requests_total", {{"code", "a\"b\\c\nd"}}).add();
  m.gauge("t_queue").set(2.5);
  const std::string text = m.text();
  for (const char* line :
       {"# HELP t_requests_total Requests.\n", "# TYPE t_requests_total counter\n",
        "t_requests_total{code=\"200\"} 4\n", "t_requests_total{code=\"a\\\"b\\\\c\\nd\"} 1\n",
        "# TYPE t_queue gauge\n", "t_queue 2.5\n"}) {
    SCOPED_TRACE(line);
    EXPECT_NE(text.find(line), std::string::npos) << text;
  }
  EXPECT_EQ(text.find("t_unused"), std::string::npos);
}

TEST(Metrics, HistogramBucketsAreCumulative) {
  Metrics m;
  m.declare(kRows);
  Histogram& h = m.histogram("t_seconds");
  h.observe_ns(10'000);  // On a bound: inside it.
  h.observe_ns(10'001);
  h.observe_ns(20'000'000'000);
  const std::string text = m.text();
  for (const char* line :
       {"t_seconds_count 3\n", "t_seconds_bucket{le=\"1e-05\"} 1\n",
        "t_seconds_bucket{le=\"2.5e-05\"} 2\n", "t_seconds_bucket{le=\"10\"} 2\n",
        "t_seconds_bucket{le=\"+Inf\"} 3\n"}) {
    SCOPED_TRACE(line);
    EXPECT_NE(text.find(line), std::string::npos) << text;
  }
}

TEST(Metrics, CollectorsAreAskedAtScrapeTime) {
  Metrics m;
  m.declare(kRows);
  double now = 1;
  m.collect([&](std::vector<Sample>* out) { out->push_back({"t_queue", {}, now}); });
  EXPECT_NE(m.text().find("t_queue 1\n"), std::string::npos);
  now = 7;
  EXPECT_NE(m.text().find("t_queue 7\n"), std::string::npos);
}

TEST(MetricsDeathTest, AMetricWithoutARowIsOurBug) {
  Metrics m;
  m.declare(kRows);
  EXPECT_DEATH(m.counter("t_other"), "CHECK|check");
}

}  // namespace
}  // namespace slip::telemetry
