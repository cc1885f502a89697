#include "tracking/reproductions.h"

#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "base/text.h"
#include "test/tracking/world.h"

namespace slip::tracking {
namespace {

Metric metric(std::string key, double value, int64_t step = 0) {
  Metric m;
  m.key = std::move(key);
  m.value = value;
  m.step = step;
  m.timestamp_ms = 1;
  return m;
}

OutputPair output(std::string path, std::string was, std::string now) {
  return {.path = std::move(path), .was = std::move(was), .now = std::move(now)};
}

TEST(Verdict, IsTheWeakestOfWhatWasCompared) {
  const OutputPair same = output("a", "1", "1");
  const OutputPair other = output("b", "1", "2");
  const OutputPair gone = output("c", "1", "");
  const OutputPair never = output("d", "", "");
  const MetricPair equal{.key = "m", .was = 1.0, .now = 1.0, .same = true};
  const MetricPair off{.key = "n", .was = 1.0, .now = 2.0, .same = false};
  struct Case {
    const char* what;
    bool same_status;
    std::vector<OutputPair> outputs;
    std::vector<MetricPair> metrics;
    Verdict verdict;
  };
  const Case cases[] = {
      {"files and metrics", true, {same}, {equal}, Verdict::kBitIdentical},
      {"files alone", true, {same}, {}, Verdict::kBitIdentical},
      {"metrics alone", true, {}, {equal}, Verdict::kMetricIdentical},
      {"another file", true, {same, other}, {equal}, Verdict::kMetricIdentical},
      {"a file is missing", true, {gone}, {equal}, Verdict::kMetricIdentical},
      {"a file that never was", true, {never}, {equal}, Verdict::kMetricIdentical},
      {"another file, no metric", true, {other}, {}, Verdict::kDifferent},
      {"another metric", true, {same}, {equal, off}, Verdict::kDifferent},
      {"another end", false, {same}, {equal}, Verdict::kDifferent},
      {"nothing", true, {}, {}, Verdict::kDifferent},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.what);
    EXPECT_EQ(judge(c.same_status, c.outputs, c.metrics), c.verdict);
  }
}

TEST(Verdict, MetricsArePairedByTheirBits) {
  const std::vector<Metric> was = {metric("a", 0.1),        metric("gone", 1),
                                   metric("nan", NAN),      metric("step", 1, 1),
                                   metric("system/cpu", 1), metric("seconds", 3)};
  const std::vector<Metric> now = {metric("a", std::nextafter(0.1, 1.0)),
                                   metric("new", 1),
                                   metric("nan", NAN),
                                   metric("step", 1, 2),
                                   metric("system/cpu", 2),
                                   metric("seconds", 4)};
  const std::vector<std::string> ignored = {"seconds"};
  std::string seen;
  for (const MetricPair& m : pair_metrics(was, now, ignored))
    seen += concat({m.key, m.same ? "=" : "!", m.was ? "w" : "", m.now ? "n" : "", " "});
  EXPECT_EQ(seen, "a!wn gone!w nan=wn new!n step!wn ");
}

class ReproductionsTest : public test::TrackingDbTest {
 protected:
  std::string run(std::vector<Metric> metrics, RunStatus status = RunStatus::kFinished) {
    const std::string id = tracking->runs.create(ctx, {}).value().id;
    Batch batch;
    batch.metrics = std::move(metrics);
    EXPECT_TRUE(tracking->runs.log(ctx, id, std::move(batch)).ok());
    const RunUpdate update{.status = status, .end_ms = 2, .name = {}};
    EXPECT_TRUE(tracking->runs.update(ctx, id, update).ok());
    return id;
  }
  Result<Reproduction> add(const std::string& was, const std::string& now,
                           std::vector<OutputPair> outputs = {}) {
    return tracking->reproductions.add(ctx, was,
                                       {.again_run_id = now,
                                        .environment = "uv.lock",
                                        .outputs = std::move(outputs),
                                        .ignored_metrics = {}});
  }
  std::string reason(const std::string& was, const std::string& now,
                     std::vector<OutputPair> outputs = {}) {
    const auto got = add(was, now, std::move(outputs));
    return got.ok() ? "ok" : got.error().reason;
  }
};
SLIP_EVERY_DB(ReproductionsTest);

TEST_P(ReproductionsTest, APairIsJudgedOnceAndKept) {
  const std::string digest(64, 'a');
  const std::string was = run({metric("auc", 0.5), metric("nan", NAN)});
  const std::string now = run({metric("auc", 0.5), metric("nan", NAN)});
  const auto got = add(was, now, {output("m.bin", "sha256:" + digest, digest)});
  ASSERT_TRUE(got.ok()) << got.error().text;
  EXPECT_EQ(got->verdict, Verdict::kBitIdentical);
  const auto again = add(was, now, {output("m.bin", digest, std::string(64, 'b'))});
  EXPECT_EQ(again->uid, got->uid);
  EXPECT_EQ(again->verdict, Verdict::kBitIdentical);

  const std::string third = run({metric("auc", 0.25)});
  EXPECT_EQ(add(was, third)->verdict, Verdict::kDifferent);
  const auto all = tracking->reproductions.list(ctx, was, "", 10).value();
  ASSERT_EQ(all.size(), 2U);
  const Reproduction* kept = &all[all[0].uid == got->uid ? 0 : 1];
  EXPECT_EQ(kept->outputs[0].was, digest);
  EXPECT_EQ(kept->environment, "uv.lock");
  ASSERT_EQ(kept->metrics.size(), 2U);
  EXPECT_TRUE(std::isnan(*kept->metrics[1].now));
  EXPECT_EQ(tracking->reproductions.list(ctx, was, all[0].uid, 10)->size(), 1U);
  EXPECT_EQ(tracking->reproductions.list(ctx, now, "", 10)->size(), 0U);

  while (events->number_pending().value() == ledger::kNumberedAtOnce) {}
  std::multiset<std::string> decisions;
  for (const ledger::Event& e : events->list({}).value())
    if (e.verb == "run.reproduced") decisions.insert(e.decision);
  EXPECT_EQ(decisions, (std::multiset<std::string>{"fail", "pass"}));
}

TEST_P(ReproductionsTest, WhatCannotBeJudgedIsRefused) {
  const std::string was = run({metric("m", 1)});
  const std::string now = run({metric("m", 1)});
  const std::string running = run({metric("m", 1)}, RunStatus::kRunning);
  const std::string silent = run({});
  const std::string other_silent = run({});
  const std::string failed = run({metric("m", 1)}, RunStatus::kFailed);
  EXPECT_EQ(reason(was, was), "reproduction.same_run");
  EXPECT_EQ(reason(was, "none"), "run.not_found");
  EXPECT_EQ(reason("none", now), "run.not_found");
  EXPECT_EQ(reason(was, running), "reproduction.not_ended");
  EXPECT_EQ(reason(silent, other_silent), "reproduction.nothing_to_compare");
  EXPECT_EQ(reason(was, now, {output("a", "xyz", "")}), "reproduction.output");
  EXPECT_EQ(reason(was, now, {output("", "", "")}), "reproduction.output");
  EXPECT_EQ(reason(was, now, {output("a", "", ""), output("a", "", "")}), "reproduction.output");
  EXPECT_EQ(reason(was, now, std::vector<OutputPair>(kOutputsMax + 1)), "reproduction.output");
  EXPECT_EQ(add(was, failed)->verdict, Verdict::kDifferent);
  EXPECT_EQ(tracking->reproductions.list(ctx, "none", "", 10).error().reason, "run.not_found");
  EXPECT_EQ(reason(was, now), "ok");
}

}  // namespace
}  // namespace slip::tracking
