#include <cmath>
#include <memory>

#include <gtest/gtest.h>

#include "base/text.h"
#include "test/store/mem_blobs.h"
#include "test/tracking/world.h"
#include "tracking/trace_spans.h"

// Searches, metrics and merging of traces, on both databases.
namespace slip::tracking {
namespace {

struct SpanSpec {
  std::string name;
  std::string type = {};
  SpanStatus status = SpanStatus::kOk;
  std::vector<std::pair<std::string, std::string>> attributes = {};
  std::string parent = {};
  int64_t ms = 1;
};

class TraceTest : public test::DbTest {
 protected:
  void SetUp() override {
    migrated(test::tracking_steps());
    events = std::make_unique<ledger::Ledger>(ledger::Ledger::Deps{db(), clock, real_rng()});
    tracking = std::make_unique<Tracking>(Deps{db(), blobs, *events, clock, real_rng()});
  }

  void log(const std::string& trace, const std::vector<SpanSpec>& specs, int64_t start_ms = 1'000) {
    SpanBatch batch;
    for (const SpanSpec& spec : specs) {
      Span& s = batch.spans.emplace_back();
      s.trace_id = trace;
      s.span_id = "0000000000" + to_hex(spec.name).substr(0, 6);
      s.parent_id = spec.parent;
      s.name = spec.name;
      s.status = spec.status;
      s.start_ns = start_ms * 1'000'000;
      s.end_ns = s.start_ns + spec.ms * 1'000'000;
      AttributeWriter attributes;
      if (!spec.type.empty()) attributes.text("mlflow.spanType", spec.type);
      for (const auto& [key, value] : spec.attributes) {
        if (value.starts_with('{'))
          attributes.json(key, value);
        else
          attributes.text(key, value);
      }
      s.attributes = attributes.take();
      s.body = "{}";
    }
    const Status logged = tracking->traces.log_spans(ctx, batch);
    ASSERT_TRUE(logged.ok()) << logged.error().text;
  }

  void assess(const std::string& trace, Assessment a) {
    a.body = "{}";
    ASSERT_TRUE(tracking->traces.put_assessment(ctx, trace, a).ok());
  }

  // Ten traces of one span each, a second apart, and three assessments.
  void ten_measured() {
    for (int i = 0; i < 10; ++i)
      log("tr-" + std::to_string(i),
          {{.name = i % 2 ? "odd" : "even",
            .type = "LLM",
            .status = i == 3 ? SpanStatus::kError : SpanStatus::kOk,
            .attributes = {{"mlflow.llm.cost", R"({"total_cost": 0.5})"},
                           {"mlflow.llm.model", "m"},
                           {"session.id", i < 4 ? "a" : "b"}},
            .ms = i + 1}},
          1'000 * i);
    assess(
        "tr-1",
        {.id = "a", .kind = "feedback", .name = "q", .value = "2", .number = 2, .is_number = true});
    assess(
        "tr-2",
        {.id = "b", .kind = "feedback", .name = "q", .value = "4", .number = 4, .is_number = true});
    assess("tr-3",
           {.id = "c", .kind = "feedback", .name = "q", .value = "9", .number = 9, .valid = false});
  }

  // What the query finds, as text, or why it is refused.
  std::string points(TraceMetricsQuery query) {
    query.experiment_ids = {0};
    const auto found = tracking->trace_metrics.query(ctx, query);
    if (!found.ok()) return std::string(found.error().reason);
    std::string out;
    for (const MetricPoint& p : *found) {
      if (p.bucket_ms) out += std::to_string(*p.bucket_ms) + " ";
      for (const auto& [name, value] : p.dimensions) out += value + " ";
      for (const auto& [label, value] : p.values) out += label + "=" + format_double(value) + " ";
      out += "; ";
    }
    return out;
  }

  // The ids that a filter finds, oldest first.
  std::string found(const std::string& filter) {
    TraceQuery query;
    query.experiment_ids = {0};
    query.filter = filter;
    query.order_by = {"timestamp_ms", "request_id"};
    const auto page = tracking->traces.search(ctx, query);
    if (!page.ok()) return concat({page.error().reason, ": ", page.error().text});
    std::vector<std::string> ids;
    for (const Trace& t : page->items) ids.push_back(t.id);
    return join(ids, ",");
  }

  Ctx ctx;
  test::FakeClock clock;
  test::MemBlobs blobs;
  std::unique_ptr<ledger::Ledger> events;
  std::unique_ptr<Tracking> tracking;
};

TEST_P(TraceTest, FiltersOfSpansHoldOfOneSpan) {
  log("tr-1", {{.name = "ask", .type = "CHAIN"},
               {.name = "call",
                .type = "LLM",
                .status = SpanStatus::kError,
                .attributes = {{"model", "gpt-4"}, {"note", "50% off_now"}},
                .parent = "000000000061736b"}});
  log("tr-2", {{.name = "ask", .type = "LLM", .attributes = {{"model", "claude"}}}}, 2'000);
  struct Case {
    const char* filter;
    const char* ids;
  };
  const Case cases[] = {
      {"span.name = 'ask'", "tr-1,tr-2"},
      {"span.name = 'ask' AND span.type = 'LLM'", "tr-2"},
      {"span.name = 'call' AND span.status = 'ERROR'", "tr-1"},
      {"span.name = 'ask' AND span.status = 'ERROR'", ""},
      {"span.name IN ('call', 'x')", "tr-1"},
      {"span.name NOT IN ('ask')", "tr-1"},
      {"span.name LIKE 'c%'", "tr-1"},
      {"span.type RLIKE '^(LLM|TOOL)$'", "tr-1,tr-2"},
      {"span.attributes.model = 'gpt-4'", "tr-1"},
      {"span.attributes.model != 'gpt-4'", "tr-2"},
      {"span.attributes.model ILIKE 'GPT%'", "tr-1"},
      {"span.attributes.model RLIKE '^cl'", "tr-2"},
      {"span.attributes.`model` IN ('claude', 'x')", "tr-2"},
      {"span.attributes.note LIKE '50% off%'", "tr-1"},
      {"span.attributes.note LIKE '%gpt%'", ""},  // Of another attribute.
      {"span.attributes.none != 'x'", ""},
      {"span.content LIKE '%gpt-4%'", "tr-1"},
      {"trace.text ILIKE '%CLAUDE%'", "tr-2"},
      {"name = 'ask'", "tr-1,tr-2"},
      {"tag.`mlflow.traceName` RLIKE 'a.k'", "tr-1,tr-2"},
      {"status = 'OK' AND span.type = 'CHAIN'", "tr-1"},
      {"timestamp > 1000", "tr-2"},
      {"timestamp >= 1000 AND timestamp_ms < 2000", "tr-1"},
      {"timestamp = 2000", "tr-2"},
      {"timestamp != 2000", "tr-1"},
      {"execution_time = 1", "tr-1,tr-2"},
      {"end_time <= 1001", "tr-1"},
      {"span.name = 'call' OR span.type = 'LLM' AND span.name = 'ask'", "tr-1,tr-2"},
      {"NOT span.status = 'ERROR'", "tr-2"},
      {"(span.name = 'ask' AND span.type = 'CHAIN') AND span.type = 'LLM'", ""},  // One span still.
  };
  for (const Case& c : cases) EXPECT_EQ(found(c.filter), c.ids) << c.filter;
}

TEST_P(TraceTest, FiltersThatAreRefused) {
  log("tr-1", {{.name = "ask"}});
  struct Case {
    const char* filter;
    const char* reason;
  };
  const Case cases[] = {{"span.kind = 'x'", "filter.key"},
                        {"span.name > 'x'", "filter.operator"},
                        {"span.attributes. = 'x'", "filter.syntax"},
                        {"span.content = 'x'", "filter.operator"},
                        {"span.name RLIKE '('", "regex.syntax"},
                        {"text = 'x'", "filter.operator"},
                        {"prompt LIKE 'a/1'", "filter.operator"},
                        {"prompt = 'a'", "filter.value"},
                        {"feedback.x > 'a'", "filter.value"},
                        {"feedback.x = 3", "filter.value"},
                        {"feedback.x IN ('a')", "filter.operator"},
                        {"issue.name = 'x'", "filter.key"},
                        {"issue.id != 'x'", "filter.operator"},
                        {"nothing.x = 'y'", "filter.entity"},
                        {"unknown = 'y'", "filter.key"},
                        {"timestamp = 'y'", "filter.value"}};
  for (const Case& c : cases)
    EXPECT_TRUE(found(c.filter).starts_with(std::string(c.reason) + ":"))
        << c.filter << " gave " << found(c.filter);
  TraceQuery twice;
  twice.experiment_ids = {0};
  twice.order_by = {"timestamp", "timestamp DESC"};
  EXPECT_EQ(tracking->traces.search(ctx, twice).error().reason, "filter.order");
}

TEST_P(TraceTest, AssessmentsAreFoundByValue) {
  log("tr-1", {{.name = "a", .attributes = {{"session.id", "s"}}}});
  log("tr-2", {{.name = "b", .attributes = {{"session.id", "s"}}}}, 2'000);
  log("tr-3", {{.name = "c"}}, 3'000);
  assess("tr-1", {.id = "a-1", .kind = "feedback", .name = "good", .value = "true", .number = 1});
  assess("tr-2", {.id = "a-2", .kind = "feedback", .name = "good", .value = "\"yes\""});
  assess("tr-3", {.id = "a-3",
                  .kind = "expectation",
                  .name = "score",
                  .value = "4.5",
                  .number = 4.5,
                  .is_number = true});
  assess("tr-1",
         {.id = "a-4", .kind = "feedback", .name = "whole", .value = "\"no\"", .of_session = true});
  assess("tr-3", {.id = "a-5", .kind = "issue", .name = "iss-1", .value = "null"});
  struct Case {
    const char* filter;
    const char* ids;
  };
  const Case cases[] = {{"feedback.good = 'true'", "tr-1"},
                        {"feedback.good = 'yes'", "tr-2"},
                        {"feedback.good != 'yes'", "tr-1"},
                        {"feedback.good LIKE '%es%'", "tr-2"},
                        {"feedback.good IS NULL", "tr-3"},
                        {"feedback.good IS NOT NULL", "tr-1,tr-2"},
                        {"feedback.good > 0", ""},  // A boolean is no number.
                        {"expectation.score >= 4.5", "tr-3"},
                        {"expectation.score > 4.5", ""},
                        {"feedback.score > 1", ""},
                        {"feedback.whole = 'no'", "tr-1,tr-2"},  // Of the session.
                        {"feedback.whole IS NULL", "tr-3"},
                        {"issue.id = 'iss-1'", "tr-3"}};
  for (const Case& c : cases) EXPECT_EQ(found(c.filter), c.ids) << c.filter;

  // What is overridden no longer counts, until the one that overrides is deleted.
  assess("tr-2",
         {.id = "a-6", .kind = "feedback", .name = "good", .value = "\"meh\"", .overrides = "a-2"});
  EXPECT_EQ(found("feedback.good = 'yes'"), "");
  EXPECT_EQ(found("feedback.good = 'meh'"), "tr-2");
  ASSERT_TRUE(tracking->traces.delete_assessment(ctx, "tr-2", "a-6").ok());
  ASSERT_TRUE(tracking->traces.delete_assessment(ctx, "tr-2", "a-6").ok());  // Again.
  EXPECT_EQ(found("feedback.good = 'yes'"), "tr-2");
  Assessment lost{.id = "a-7", .body = "{}", .overrides = "none"};
  EXPECT_EQ(tracking->traces.put_assessment(ctx, "tr-2", lost).error().reason,
            "trace.no_assessment");
}

TEST_P(TraceTest, RunsAndPromptsAreLinked) {
  log("tr-1", {{.name = "a"}});
  log("tr-2", {{.name = "b"}}, 2'000);
  NewRun wanted;
  wanted.experiment_id = 0;
  const std::string run = tracking->runs.create(ctx, wanted)->id;
  EXPECT_TRUE(tracking->traces.link_to_run(ctx, {"tr-1", "tr-none", "tr-1"}, run).ok());
  EXPECT_EQ(found("run_id = '" + run + "'"), "tr-1");
  EXPECT_TRUE(tracking->traces.link_to_run(ctx, {"tr-late"}, run).ok());
  log("tr-late", {{.name = "c"}}, 3'000);
  EXPECT_EQ(found("run_id = '" + run + "'"), "tr-1,tr-late");
  EXPECT_EQ(tracking->traces.link_to_run(ctx, {"tr-1"}, "none").error().reason, "run.not_found");
  EXPECT_EQ(
      tracking->traces.link_to_run(ctx, std::vector<std::string>(101, "x"), run).error().reason,
      "trace.links");
  EXPECT_TRUE(tracking->traces.link_prompts(ctx, "tr-2", {"greet/1", "greet/2"}).ok());
  EXPECT_EQ(found("prompt = 'greet/2'"), "tr-2");
  EXPECT_EQ(found("prompt = 'greet/3'"), "");
  EXPECT_EQ(tracking->traces.link_prompts(ctx, "tr-9", {"greet/1"}).error().reason,
            "trace.not_found");
  TraceDeletion gone;
  gone.ids = {"tr-1", "tr-2"};
  EXPECT_EQ(tracking->traces.remove(ctx, gone).value(), 2);
  EXPECT_EQ(found("prompt = 'greet/2'"), "");
}

TEST_P(TraceTest, UsageIsSummedOverBatches) {
  const auto usage = [](int n) {
    return concat({R"({"input_tokens": )", std::to_string(n), R"(, "output_tokens": 1, )",
                   R"("total_tokens": )", std::to_string(n + 1), "}"});
  };
  const auto said = [&](std::string_view key) {
    const Trace trace = tracking->traces.get(ctx, "tr-1").value();
    for (const Tag& t : trace.metadata)
      if (t.key == key) return t.value;
    return std::string("absent");
  };
  log("tr-1", {{.name = "leaf",
                .attributes = {{"mlflow.chat.tokenUsage", usage(3)}},
                .parent = "0000000000726f6f74"}});
  EXPECT_EQ(said("mlflow.trace.tokenUsage"),
            R"({"input_tokens": 3, "output_tokens": 1, "total_tokens": 4})");
  log("tr-1", {{.name = "more",
                .attributes = {{"mlflow.chat.tokenUsage", usage(2)}},
                .parent = "0000000000726f6f74"}});
  EXPECT_EQ(said("mlflow.trace.tokenUsage"),
            R"({"input_tokens": 5, "output_tokens": 2, "total_tokens": 7})");
  log("tr-1", {{.name = "more",
                .attributes = {{"mlflow.chat.tokenUsage", usage(2)}},
                .parent = "0000000000726f6f74"}});  // Sent again.
  EXPECT_EQ(said("mlflow.trace.tokenUsage"),
            R"({"input_tokens": 5, "output_tokens": 2, "total_tokens": 7})");
  // A head that its sender has closed says how much it was.
  Trace head;
  head.id = "tr-1";
  head.state = TraceState::kOk;
  head.request_us = 5;
  head.metadata = {{"mlflow.trace.tokenUsage", usage(9)}};
  ASSERT_TRUE(tracking->traces.start(ctx, head).ok());
  log("tr-1", {{.name = "last", .attributes = {{"mlflow.chat.tokenUsage", usage(2)}}}});
  EXPECT_EQ(said("mlflow.trace.tokenUsage"), usage(9));
  EXPECT_EQ(tracking->traces.get(ctx, "tr-1")->request_us, 5);
}

TEST_P(TraceTest, MetricsByDimensionAndTime) {
  ten_measured();
  using enum AggregationKind;
  EXPECT_EQ(points({.metric = "trace_count", .aggregations = {{kCount}}}), "COUNT=10 ; ");
  EXPECT_EQ(points({.metric = "session_count", .aggregations = {{kCount}}}), "COUNT=2 ; ");
  EXPECT_EQ(
      points({.metric = "trace_count", .aggregations = {{kCount}}, .dimensions = {"trace_status"}}),
      "ERROR COUNT=1 ; OK COUNT=9 ; ");
  EXPECT_EQ(
      points({.metric = "latency",
              .aggregations = {{kAvg}, {kMin}, {kMax}, {kPercentile, 50}, {kPercentile, 99.9}}}),
      "AVG=5.5 MIN=1 MAX=10 P50.0=5.5 P99.9=9.991000000000001 ; ");
  EXPECT_EQ(points({.metric = "latency", .aggregations = {{kMax}}, .dimensions = {"trace_name"}}),
            "even MAX=9 ; odd MAX=10 ; ");
  EXPECT_EQ(points({.view = MetricView::kSpans,
                    .metric = "total_cost",
                    .aggregations = {{kSum}, {kAvg}},
                    .dimensions = {"span_model_name"}}),
            "m SUM=5 AVG=0.5 ; ");
  EXPECT_EQ(points({.metric = "trace_count",
                    .aggregations = {{kCount}},
                    .interval_s = 5,
                    .start_ms = 0,
                    .end_ms = 8'000}),
            "0 COUNT=5 ; 5000 COUNT=4 ; ");
  EXPECT_EQ(points({.metric = "trace_count",
                    .aggregations = {{kCount}},
                    .filters = {"trace.status = 'ERROR'"}}),
            "COUNT=1 ; ");
  EXPECT_EQ(points({.metric = "trace_count",
                    .aggregations = {{kCount}},
                    .filters = {"trace.tag.`mlflow.traceName` = 'even'",
                                "trace.metadata.mlflow.trace.session = 'a'"}}),
            "COUNT=2 ; ");
  EXPECT_EQ(points({.view = MetricView::kSpans,
                    .metric = "span_count",
                    .aggregations = {{kCount}},
                    .dimensions = {"span_name", "span_type"},
                    .filters = {"span.status = 'OK'"}}),
            "even LLM COUNT=5 ; odd LLM COUNT=4 ; ");
  EXPECT_EQ(points({.view = MetricView::kAssessments,
                    .metric = "assessment_value",
                    .aggregations = {{kAvg}},
                    .dimensions = {"assessment_name"}}),
            "q AVG=3 ; ");
  EXPECT_EQ(points({.metric = "trace_count",
                    .aggregations = {{kCount}},
                    .filters = {"trace.status = 'NONE'"}}),
            "COUNT=0 ; ");
}

TEST_P(TraceTest, MetricsThatMakeNoSenseAreRefused) {
  using enum AggregationKind;
  EXPECT_EQ(points({.metric = "trace_count", .aggregations = {{kSum}}}),
            "trace_metrics.aggregation");
  EXPECT_EQ(points({.metric = "none", .aggregations = {{kSum}}}), "trace_metrics.metric");
  EXPECT_EQ(points({.metric = "latency", .aggregations = {{kPercentile, 101}}}),
            "trace_metrics.aggregation");
  EXPECT_EQ(points({.metric = "latency", .aggregations = {{kAvg}}, .dimensions = {"span_name"}}),
            "trace_metrics.dimension");
  EXPECT_EQ(points({.metric = "latency", .aggregations = {{kAvg}}, .interval_s = 5}),
            "trace_metrics.time");
  for (const char* filter :
       {"span.name = 'x'", "trace.status != 'x'", "trace.status = 3", "trace.x = 'y'",
        "trace.tag. = 'x'", "x = 'y'", "trace.status = 'a' AND trace.status = 'b'"})
    EXPECT_TRUE(points({.metric = "latency", .aggregations = {{kAvg}}, .filters = {filter}})
                    .find("filter") != std::string::npos)
        << filter;
}

TEST_P(TraceTest, CorrelationOfTwoFilters) {
  for (int i = 0; i < 10; ++i)
    log("tr-" + std::to_string(i),
        {{.name = i < 5 ? "slow" : "fast", .status = i < 4 ? SpanStatus::kError : SpanStatus::kOk}},
        1'000 * i);
  const auto got =
      tracking->traces.correlation(ctx, {0}, {"status = 'ERROR'", "name = 'slow'", ""}).value();
  EXPECT_EQ(got.filter1_count, 4);
  EXPECT_EQ(got.filter2_count, 5);
  EXPECT_EQ(got.joint_count, 4);
  EXPECT_EQ(got.total_count, 10);
  EXPECT_NEAR(got.npmi, std::log(0.4 / (0.4 * 0.5)) / -std::log(0.4), 1e-12);
  const auto based =
      tracking->traces
          .correlation(ctx, {0}, {"status = 'ERROR'", "name = 'slow'", "timestamp >= 4000"})
          .value();
  EXPECT_EQ(based.total_count, 6);
  EXPECT_TRUE(std::isnan(based.npmi));
}

TEST(TraceCorrelation, AsTheFormulaSays) {
  EXPECT_EQ(correlate(10, 10, 10, 10).npmi, 1);
  EXPECT_EQ(correlate(5, 5, 0, 10).npmi, -1);
  EXPECT_NEAR(correlate(5, 4, 2, 10).npmi, 0, 1e-12);
  EXPECT_TRUE(std::isnan(correlate(0, 5, 0, 10).npmi));
  EXPECT_TRUE(std::isnan(correlate(5, 5, 6, 10).npmi));
  // log(2.5·12 / (5.5·4.5)) / −log(2.5/12): one half added to each of the four cells.
  EXPECT_NEAR(correlate(5, 4, 2, 10).npmi_smoothed,
              std::log(2.5 * 12 / (6 * 5)) / -std::log(2.5 / 12), 1e-12);
}

TEST(Percentiles, AreLinearBetweenNeighbours) {
  const auto p = [](std::vector<double> values, double percent) {
    return percentile_of(&values, percent);
  };
  EXPECT_EQ(p({3}, 0), 3);
  EXPECT_EQ(p({3}, 100), 3);
  EXPECT_EQ(p({4, 1, 3, 2}, 50), 2.5);
  EXPECT_EQ(p({4, 1, 3, 2}, 25), 1.75);
  EXPECT_EQ(p({4, 1, 3, 2}, 100), 4);
}

SLIP_EVERY_DB(TraceTest);

}  // namespace
}  // namespace slip::tracking
