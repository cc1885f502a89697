
#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "base/text.h"
#include "test/tracking/world.h"
#include "tracking/validate.h"

namespace slip::tracking {
namespace {

class TrackingTest : public test::TrackingDbTest {
 protected:
  std::string new_run(int64_t experiment = 0, int64_t start_ms = 1) {
    NewRun wanted;
    wanted.experiment_id = experiment;
    wanted.start_ms = start_ms;
    return tracking->runs.create(ctx, wanted).value().id;
  }
  Status log_metric(const std::string& run, const std::string& key, double value, int64_t step = 0,
                    int64_t at_ms = 1) {
    Batch batch;
    Metric m;
    m.key = key;
    m.value = value;
    m.step = step;
    m.timestamp_ms = at_ms;
    batch.metrics.push_back(m);
    return tracking->runs.log(ctx, run, std::move(batch));
  }
  Status log_param(const std::string& run, const std::string& key, const std::string& value) {
    Batch batch;
    batch.params.push_back({key, value});
    return tracking->runs.log(ctx, run, std::move(batch));
  }
  Status put(const std::string& path, std::string_view bytes) {
    auto draft = blobs->create().value();
    TRY(draft->write(bytes));
    return tracking->artifacts.put(ctx, path, *draft);
  }
  std::string content(const std::string& path) {
    return blobs->get(tracking->artifacts.find(ctx, path).value().digest, 1 << 20).value();
  }
  // In no order: time stands still here, and PostgreSQL numbers events by their time.
  std::multiset<std::string> verbs() {
    std::multiset<std::string> out;
    while (events->number_pending().value() == ledger::kNumberedAtOnce) {}
    for (const ledger::Event& e : events->list({}).value()) out.insert(e.verb);
    return out;
  }
};
SLIP_EVERY_DB(TrackingTest);

TEST_P(TrackingTest, DefaultExperimentIsThereInEveryProject) {
  EXPECT_EQ(tracking->experiments.get(ctx, 0).value().name, "Default");
  Ctx other = ctx;
  other.project.text = "elsewhere";
  EXPECT_EQ(tracking->experiments.find_by_name(other, "Default").value().id, 0);
  EXPECT_EQ(tracking->experiments.create(other, {"a", "", {}}).value().id, 1);
  EXPECT_EQ(tracking->experiments.get(ctx, 1).error().reason, "experiment.not_found");
}

TEST_P(TrackingTest, ADeletedExperimentHidesItsRuns) {
  const int64_t id = tracking->experiments.create(ctx, {"e", "", {{"k", "v"}}}).value().id;
  const std::string run = new_run(id);
  EXPECT_EQ(tracking->experiments.create(ctx, {"e", "", {}}).error().reason, "experiment.exists");
  EXPECT_TRUE(tracking->experiments.remove(ctx, id).ok());
  EXPECT_EQ(tracking->runs.get(ctx, run)->lifecycle, Lifecycle::kDeleted);
  EXPECT_EQ(log_metric(run, "m", 1).error().reason, "run.not_active");
  EXPECT_EQ(tracking->experiments.rename(ctx, id, "f").error().reason, "experiment.deleted");
  EXPECT_TRUE(tracking->experiments.restore(ctx, id).ok());
  EXPECT_TRUE(log_metric(run, "m", 1).ok());
  EXPECT_EQ(tracking->experiments.get(ctx, id)->tags, (std::vector<Tag>{{"k", "v"}}));
  EXPECT_EQ(verbs(), (std::multiset<std::string>{"experiment.created", "run.created",
                                                 "experiment.deleted", "experiment.restored"}));
}

TEST_P(TrackingTest, ExperimentsAreSearchedAndPaged) {
  for (const char* name : {"alpha", "beta", "Beta two"}) {
    clock.advance_ms(1);
    ASSERT_TRUE(tracking->experiments.create(ctx, {name, "", {{"team", name}}}).ok());
  }
  struct Case {
    const char* filter;
    const char* names;
  };
  const Case cases[] = {{"name = 'beta'", "beta"},
                        {"name LIKE 'B%'", "Beta two"},
                        {"name ILIKE 'b%'", "Beta two,beta"},
                        {"tags.team != 'beta'", "Beta two,alpha"},
                        {"tags.team IS NULL", "Default"},
                        {"experiment_id IN ('1', '2')", "beta,alpha"},
                        {"creation_time > 0 AND tag.team = 'alpha'", "alpha"}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.filter);
    ExperimentQuery query;
    query.filter = c.filter;
    std::vector<std::string> names;
    query.max_results = 1;  // Every page boundary is crossed.
    do {
      const auto page = tracking->experiments.search(ctx, query);
      ASSERT_TRUE(page.ok()) << page.error().text;
      for (const Experiment& e : page->items) names.push_back(e.name);
      query.page_token = page->next_page_token;
    } while (!query.page_token.empty());
    EXPECT_EQ(join(names, ","), c.names);
  }
}

TEST_P(TrackingTest, ABatchIsAllOrNothingAndMayBeRepeated) {
  const std::string run = new_run();
  Batch batch;
  for (int step = 0; step < 10; ++step)
    batch.metrics.push_back({.key = "loss",
                             .value = 1.0 / (step + 1),
                             .timestamp_ms = step,
                             .step = step,
                             .model_id = {},
                             .dataset_name = {},
                             .dataset_digest = {},
                             .run_id = {}});
  batch.params = {{"p", "1"}};
  batch.tags = {{"t", "x"}};
  ASSERT_TRUE(tracking->runs.log(ctx, run, batch).ok());
  ASSERT_TRUE(tracking->runs.log(ctx, run, batch).ok());  // The reply was lost.
  HistoryQuery query;
  query.run_id = run;
  query.key = "loss";
  EXPECT_EQ(tracking->runs.history(ctx, query)->items.size(), 10U);
  EXPECT_DOUBLE_EQ(*tracking->runs.latest(ctx, run, "loss").value(), 0.1);

  Batch bad;
  bad.metrics = {batch.metrics[0]};
  bad.metrics[0].key = "new";
  bad.tags = {{"t", "changed"}};
  bad.params = {{"q", "2"}, {"p", "other"}};
  EXPECT_EQ(tracking->runs.log(ctx, run, bad).error().reason, "run.param_changed");
  const auto got = tracking->runs.get(ctx, run).value();
  EXPECT_EQ(got.params, (std::vector<Tag>{{"p", "1"}}));
  EXPECT_EQ(got.metrics.size(), 1U);
  for (const Tag& t : got.tags) EXPECT_NE(t.value, "changed");
}

TEST_P(TrackingTest, NumbersThatAreNone) {
  const std::string run = new_run();
  ASSERT_TRUE(log_metric(run, "nan", std::nan("")).ok());
  ASSERT_TRUE(log_metric(run, "up", HUGE_VAL).ok());
  ASSERT_TRUE(log_metric(run, "down", -HUGE_VAL).ok());
  EXPECT_TRUE(std::isnan(*tracking->runs.latest(ctx, run, "nan").value()));
  EXPECT_EQ(*tracking->runs.latest(ctx, run, "up").value(), HUGE_VAL);
  EXPECT_EQ(*tracking->runs.latest(ctx, run, "down").value(), -HUGE_VAL);
  EXPECT_FALSE(tracking->runs.latest(ctx, run, "other").value());
}

TEST_P(TrackingTest, HistoryPagesInOrder) {
  const std::string run = new_run();
  for (const int64_t step : {3, 1, 2, 5, 4})
    ASSERT_TRUE(log_metric(run, "m", static_cast<double>(step), step, 100 - step).ok());
  HistoryQuery query;
  query.run_id = run;
  query.key = "m";
  query.max_results = 2;
  std::string steps;
  do {
    const auto page = tracking->runs.history(ctx, query).value();
    for (const Point& m : page.items) steps += std::to_string(m.step);
    query.page_token = page.next_page_token;
  } while (!query.page_token.empty());
  EXPECT_EQ(steps, "54321");  // By time, which runs against the steps here.
  EXPECT_DOUBLE_EQ(*tracking->runs.latest(ctx, run, "m").value(), 5);  // By step.
  query.max_results = 0;
  EXPECT_EQ(tracking->runs.history(ctx, query).error().reason, "page.limit");
}

class RunSearchTest : public TrackingTest {
 protected:
  void SetUp() override {
    TrackingTest::SetUp();
    const char* names[] = {"a", "b", "c", "d"};
    for (int i = 0; i < 4; ++i) {
      NewRun wanted;
      wanted.name = names[i];
      wanted.start_ms = 100 + i;
      wanted.user_id = i % 2 ? "ann" : "bob";
      ids.push_back(tracking->runs.create(ctx, wanted).value().id);
    }
    // loss: a 0.1, b 0.2, c NaN, d none. lr: a 0.1, b 0.01.
    ASSERT_TRUE(log_metric(ids[0], "loss", 0.1).ok());
    ASSERT_TRUE(log_metric(ids[1], "loss", 0.2).ok());
    ASSERT_TRUE(log_metric(ids[2], "loss", std::nan("")).ok());
    ASSERT_TRUE(log_param(ids[0], "lr rate", "0.1").ok());
    ASSERT_TRUE(log_param(ids[1], "lr rate", "0.01").ok());
    RunUpdate ended;
    ended.status = RunStatus::kFinished;
    ended.end_ms = 200;
    ASSERT_TRUE(tracking->runs.update(ctx, ids[1], ended).ok());
    Inputs inputs;
    inputs.datasets.push_back({.tags = {{"mlflow.data.context", "train"}},
                               .dataset = {.name = "iris",
                                           .digest = "d1",
                                           .source_type = "local",
                                           .source = "x",
                                           .schema = {},
                                           .profile = {}}});
    ASSERT_TRUE(tracking->runs.log_inputs(ctx, ids[2], inputs).ok());
  }
  // Names of the runs found, in order, one row a page.
  std::string found(const std::string& filter, const std::vector<std::string>& order = {}) {
    RunQuery query;
    query.experiment_ids = {0};
    query.filter = filter;
    query.order_by = order;
    query.max_results = 1;
    std::string out;
    do {
      const auto page = tracking->runs.search(ctx, query);
      if (!page.ok()) return page.error().reason;
      for (const auto& run : page->items) out += run.name;
      query.page_token = page->next_page_token;
    } while (!query.page_token.empty());
    return out;
  }
  std::vector<std::string> ids;
};
SLIP_EVERY_DB(RunSearchTest);

TEST_P(RunSearchTest, Filters) {
  struct Case {
    const char* filter;
    const char* want;
  };
  const Case cases[] = {
      {"", "dcba"},
      {"metrics.loss < 0.15", "a"},
      {"metrics.loss <= 0.2", "ba"},
      {"metric.loss != 0.1", "cb"},  // NaN is unequal to everything.
      {"metrics.loss = 0.1 and user_id = 'bob'", "a"},
      {"params.`lr rate` = '0.1'", "a"},
      {"params.\"lr rate\" LIKE '0.0%'", "b"},
      {"params.`lr rate` IS NULL", "dc"},
      {"params.`lr rate` IS NOT NULL", "ba"},
      {"attributes.status = 'FINISHED'", "b"},
      {"status ILIKE 'run%'", "dca"},
      {"run_name = 'c'", "c"},
      {"attr.`Run name` != 'c'", "dba"},
      {"tags.`mlflow.runName` = 'd'", "d"},
      {"start_time >= 102", "dc"},
      {"start_time > 101.5", "dc"},
      {"end_time = 200", "b"},
      {"datasets.name = 'iris' AND dataset.context = 'train'", "c"},
      {"datasets.digest IN ('d1', 'd2')", "c"},
      {"user_id LIKE 'A%'", ""},
      {"artifact_uri LIKE '%100\\%'", ""},
      {"metrics.loss LIKE 'x'", "filter.operator"},
      {"params.x < '3'", "filter.operator"},
      {"metrics.loss = 'x'", "filter.value"},
      {"params.x = 3", "filter.value"},
      {"nothing.x = 3", "filter.entity"},
      {"attributes.nothing = 'x'", "filter.key"},
      {"status IN ('FINISHED')", "b"},
      {"metrics.loss == 1", "filter.operator"},
      {"metrics.loss = 0.1 OR run_name = 'd'", "da"},
      {"NOT metrics.loss <= 0.2", "dc"},  // NaN and none are not below.
      {"NOT end_time = 200", "dca"},
      {"NOT (run_name = 'a' OR run_name = 'b') AND start_time >= 103", "d"},
      {"metrics.loss BETWEEN 0.15 AND 0.2 OR params.`lr rate` = '0.1'", "ba"},
      {"metrics.loss NOT IN (0.1, 7)", "cb"},
      {"start_time IN (101, 103.5)", "b"},
      {"run_name RLIKE '^[ab]$'", "ba"},
      {"params.`lr rate` NOT RLIKE '0[.]0'", "dca"},
      {"run_name RLIKE '('", "regex.syntax"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.filter);
    EXPECT_EQ(found(c.filter), c.want);
  }
  EXPECT_EQ(found("run_id IN ('" + ids[3] + "', '" + ids[0] + "')"), "da");
}

TEST_P(RunSearchTest, Orders) {
  EXPECT_EQ(found("", {"metrics.loss ASC"}), "abcd");   // NaN, then none, come last …
  EXPECT_EQ(found("", {"metrics.loss DESC"}), "bacd");  // … both ways.
  EXPECT_EQ(found("", {"params.`lr rate` DESC"}), "abdc");
  EXPECT_EQ(found("", {"user_id ASC", "start_time ASC"}), "bdac");
  EXPECT_EQ(found("", {"end_time DESC"}), "bdca");
  EXPECT_EQ(found("", {"metrics.loss", "metric.loss DESC"}), "filter.order");
  EXPECT_EQ(found("", {"nothing.x"}), "filter.entity");
}

TEST_P(RunSearchTest, ViewsAndTokens) {
  ASSERT_TRUE(tracking->runs.remove(ctx, ids[0]).ok());
  EXPECT_EQ(found(""), "dcb");
  RunQuery query;
  query.experiment_ids = {0};
  query.view = View::kDeletedOnly;
  EXPECT_EQ(tracking->runs.search(ctx, query)->items.size(), 1U);
  query.view = View::kAll;
  EXPECT_EQ(tracking->runs.search(ctx, query)->items.size(), 4U);
  query.max_results = 1;
  const std::string token = tracking->runs.search(ctx, query)->next_page_token;
  query.page_token = "garbage!";
  EXPECT_EQ(tracking->runs.search(ctx, query).error().reason, "page.token");
  query.page_token = token;
  query.filter = "metrics.loss > 0";
  EXPECT_EQ(tracking->runs.search(ctx, query).error().reason, "page.token");
  query.max_results = kSearchRunsMax + 1;
  EXPECT_EQ(tracking->runs.search(ctx, query).error().reason, "page.limit");
}

TEST_P(TrackingTest, NamesAndLimits) {
  const std::string run = new_run();
  struct Case {
    std::string key;
    const char* reason;
  };
  const Case cases[] = {
      {"a b-c_d.e:f/g", ""},           {"größe", ""},
      {std::string(kKeyMax, 'k'), ""}, {std::string(kKeyMax + 1, 'k'), "tracking.too_long"},
      {"", "tracking.missing"},        {"a//b", "key_name.form"},
      {"../b", "key_name.form"},       {"/a", "key_name.form"},
      {".", "key_name.form"},          {"a\tb", "key_name.form"},
      {"a\"b", "key_name.form"}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.key.substr(0, 20));
    const Status got = log_metric(run, c.key, 1);
    EXPECT_EQ(got.ok() ? "" : got.error().reason, c.reason);
  }
  Batch batch;
  for (size_t i = 0; i <= kBatchMetricsMax; ++i) {
    Metric m;
    m.key = "m";
    m.step = static_cast<int64_t>(i);
    batch.metrics.push_back(m);
  }
  EXPECT_EQ(tracking->runs.log(ctx, run, batch).error().reason, "tracking.batch_size");
  batch.metrics.pop_back();
  EXPECT_TRUE(tracking->runs.log(ctx, run, batch).ok());
  batch.tags = {{"one", "more"}};
  EXPECT_EQ(tracking->runs.log(ctx, run, batch).error().reason, "tracking.batch_size");
  ASSERT_TRUE(log_param(run, "long", std::string(kParamValueMax + 10, 'x')).ok());
  EXPECT_EQ(tracking->runs.get(ctx, run)->params[0].value.size(), kParamValueMax);
  EXPECT_EQ(tracking->runs.log(ctx, "../x", {}).error().reason, "tracking.id");
  EXPECT_EQ(tracking->experiments.create(ctx, {std::string(kExperimentNameMax + 1, 'n'), "", {}})
                .error()
                .reason,
            "tracking.too_long");
}

TEST_P(TrackingTest, RunNamesAreTags) {
  NewRun wanted;
  wanted.name = "one";
  wanted.tags = {{"mlflow.runName", "two"}};
  EXPECT_EQ(tracking->runs.create(ctx, wanted).error().reason, "run.name_conflict");
  wanted.name.clear();
  const auto run = tracking->runs.create(ctx, wanted).value();
  EXPECT_EQ(run.name, "two");
  Batch batch;
  batch.tags = {{"mlflow.runName", "three"}};
  ASSERT_TRUE(tracking->runs.log(ctx, run.id, batch).ok());
  EXPECT_EQ(tracking->runs.get(ctx, run.id)->name, "three");
  RunUpdate update;
  update.name = "four";
  ASSERT_TRUE(tracking->runs.update(ctx, run.id, update).ok());
  EXPECT_EQ(tracking->runs.get(ctx, run.id)->tags, (std::vector<Tag>{{"mlflow.runName", "four"}}));
  EXPECT_EQ(tracking->runs.delete_tag(ctx, run.id, "none").error().reason, "run.no_tag");
}

TEST_P(TrackingTest, DatasetsOfARunKeepTheirOrder) {
  const std::string run = tracking->runs.create(ctx, {}).value().id;
  const auto log = [&](const std::vector<std::string>& names) {
    Inputs inputs;
    for (const std::string& name : names) {
      DatasetInput& input = inputs.datasets.emplace_back();
      input.dataset.name = name;
      input.dataset.digest = "d";
      input.dataset.source_type = "local";
      input.dataset.source = "x";
    }
    ASSERT_TRUE(tracking->runs.log_inputs(ctx, run, inputs).ok());
  };
  log({"wine", "iris"});
  log({"coins", "wine", "ames"});  // One of them again.
  std::string names;
  for (const DatasetInput& input : tracking->runs.get(ctx, run).value().dataset_inputs)
    names += input.dataset.name + " ";
  EXPECT_EQ(names, "wine iris coins ames ");
}

TEST_P(TrackingTest, LoggedModels) {
  NewLoggedModel wanted;
  wanted.name = "clf";
  wanted.params = {{"C", "1"}};
  const LoggedModel made = tracking->models.create(ctx, wanted).value();
  EXPECT_TRUE(made.id.starts_with("m-") && made.id.size() == 34);
  EXPECT_EQ(made.artifact_uri, "mlflow-artifacts:/0/models/" + made.id + "/artifacts");
  EXPECT_EQ(tracking->models.finalize(ctx, made.id, ModelStatus::kReady)->status,
            ModelStatus::kReady);
  ASSERT_TRUE(tracking->models.set_tags(ctx, made.id, {{"k", "v"}}).ok());
  Batch batch;
  Metric m;
  m.key = "acc";
  m.value = 0.9;
  m.model_id = made.id;
  m.dataset_name = "iris";
  batch.metrics = {m};
  ASSERT_TRUE(tracking->runs.log(ctx, new_run(), batch).ok());
  for (const auto& [filter, count] :
       {std::pair<const char*, size_t>{"name = 'clf' AND metrics.acc > 0.5", 1},
        {"metrics.acc > 0.95", 0},
        {"params.C = '1' AND tags.k LIKE 'v%'", 1},
        {"attributes.status = 'READY'", 1}}) {
    SCOPED_TRACE(filter);
    ModelQuery query;
    query.experiment_ids = {0};
    query.filter = filter;
    query.datasets = {{"iris", ""}};
    query.order_by = {{"metrics.acc", false, "iris", ""}, {"creation_time", true, "", ""}};
    EXPECT_EQ(tracking->models.search(ctx, query).value().items.size(), count);
  }
  EXPECT_TRUE(tracking->models.remove(ctx, made.id).ok());
  EXPECT_EQ(tracking->models.get(ctx, made.id).error().reason, "logged_model.not_found");
  EXPECT_TRUE(tracking->models.get(ctx, made.id, true).ok());
  wanted.name = "a/b";
  EXPECT_EQ(tracking->models.create(ctx, wanted).error().reason, "logged_model.name");
}

TEST_P(TrackingTest, ArtifactsAreTrees) {
  ASSERT_TRUE(put("0/r/artifacts/model/MLmodel", "flavors: {}").ok());
  ASSERT_TRUE(put("0/r/artifacts/model/data/w.bin", "123").ok());
  ASSERT_TRUE(put("0/r/artifacts/model-card.md", "#").ok());
  ASSERT_TRUE(put("0/r/artifacts/note.txt", "one").ok());
  ASSERT_TRUE(put("0/r/artifacts/note.txt", "two").ok());
  EXPECT_EQ(content("0/r/artifacts/note.txt"), "two");
  const auto names = [&](const std::string& path) {
    std::string out;
    for (const FileInfo& f : tracking->artifacts.list(ctx, path).value())
      out += f.path + (f.is_dir ? "/ " : ":" + std::to_string(f.size) + " ");
    return out;
  };
  EXPECT_EQ(names("0/r/artifacts"), "model-card.md:1 model/ note.txt:3 ");
  EXPECT_EQ(names("0/r/artifacts/model"), "MLmodel:11 data/ ");
  EXPECT_EQ(names("0/r/artifacts/note.txt"), "");
  EXPECT_EQ(names("0/none/artifacts"), "");
  EXPECT_EQ(names("0"), "r/ ");
  EXPECT_EQ(names(""), "0/ ");
  EXPECT_EQ(tracking->artifacts.find(ctx, "0/r/artifacts/model").error().reason,
            "artifact.not_found");

  const Listing before = tracking->artifacts.snapshot(ctx, "0/r/artifacts/model").value();
  EXPECT_EQ(before.entries.size(), 2U);
  ASSERT_TRUE(put("0/s/artifacts/MLmodel", "flavors: {}").ok());
  ASSERT_TRUE(put("0/s/artifacts/data/w.bin", "123").ok());
  EXPECT_EQ(tracking->artifacts.snapshot(ctx, "0/s/artifacts")->root, before.root);
  ASSERT_TRUE(tracking->artifacts.remove(ctx, "0/r/artifacts/model").ok());
  EXPECT_EQ(names("0/r/artifacts"), "model-card.md:1 note.txt:3 ");
  EXPECT_EQ(tracking->artifacts.remove(ctx, "0/r/artifacts/model").error().reason,
            "artifact.not_found");

  std::vector<store::Digest> kept;
  ASSERT_TRUE(tracking->artifacts.mark([&](const store::Digest& d) { kept.push_back(d); }).ok());
  EXPECT_GE(kept.size(), 4U);
}

TEST_P(TrackingTest, UploadsAtOnceAreAllKept) {
  std::vector<std::unique_ptr<Task>> tasks;
  for (int t = 0; t < 6; ++t)
    tasks.push_back(real_executor().spawn("put", [this, t] {
      for (int i = 0; i < 10; ++i)
        EXPECT_TRUE(put("0/r/artifacts/" + std::to_string(t) + "/" + std::to_string(i), "x").ok());
    }));
  tasks.clear();
  EXPECT_EQ(tracking->artifacts.snapshot(ctx, "0/r/artifacts")->entries.size(), 60U);
}

TEST_P(TrackingTest, ATraceMergesInEitherOrder) {
  const auto span = [](const std::string& trace, const std::string& id, bool root) {
    Span s;
    s.trace_id = trace;
    s.span_id = id;
    s.parent_id = root ? "" : "aa";
    s.name = root ? "ask" : "step";
    s.start_ns = root ? 1'000'000 : 2'000'000;
    s.end_ns = 5'000'000;
    s.body = "{}";
    return s;
  };
  SpanBatch batch;
  batch.run_id = new_run();
  batch.spans = {span("tr-1", "bb", false), span("tr-1", "aa", true), span("tr-2", "cc", false)};
  ASSERT_TRUE(tracking->traces.log_spans(ctx, batch).ok());
  ASSERT_TRUE(tracking->traces.log_spans(ctx, batch).ok());  // The reply was lost.
  EXPECT_EQ(tracking->traces.spans(ctx, "tr-1")->size(), 2U);
  const auto first = tracking->traces.get(ctx, "tr-1").value();
  EXPECT_EQ(first.state, TraceState::kOk);
  EXPECT_EQ(first.request_us, 1000);
  EXPECT_EQ(first.duration_us, 4000);
  EXPECT_EQ(tracking->traces.get(ctx, "tr-2")->state, TraceState::kInProgress);

  Trace head;  // What the client itself says wins over what spans tell.
  head.id = "tr-1";
  head.request_us = 900;
  head.duration_us = 7'000;
  head.state = TraceState::kError;
  head.metadata = {{"user", "ann"}};
  ASSERT_TRUE(tracking->traces.start(ctx, head).ok());
  ASSERT_TRUE(tracking->traces.log_spans(ctx, batch).ok());
  const auto merged = tracking->traces.get(ctx, "tr-1").value();
  EXPECT_EQ(merged.state, TraceState::kError);
  EXPECT_EQ(merged.request_us, 900);
  EXPECT_EQ(merged.metadata, (std::vector<Tag>{{"user", "ann"}}));

  for (const auto& [filter, count] :
       {std::pair<const char*, size_t>{"status = 'ERROR'", 1},
        {"name = 'ask'", 1},
        {"timestamp_ms >= 1", 1},
        {"execution_time_ms = 7", 1},
        {"metadata.user LIKE 'a%' AND tags.`mlflow.trace.spansLocation` = 'TRACKING_STORE'", 1},
        {"request_id IN ('tr-1', 'tr-2')", 2}}) {
    SCOPED_TRACE(filter);
    TraceQuery query;
    query.experiment_ids = {0};
    query.filter = filter;
    query.order_by = {"execution_time DESC"};
    const auto page = tracking->traces.search(ctx, query);
    ASSERT_TRUE(page.ok()) << page.error().text;
    EXPECT_EQ(page->items.size(), count);
  }
  TraceQuery of_run;  // Only the trace whose root has come belongs to the run.
  of_run.experiment_ids = {0};
  of_run.filter = "run_id = '" + batch.run_id + "'";
  EXPECT_EQ(tracking->traces.search(ctx, of_run)->items.size(), 1U);
  EXPECT_EQ(
      tracking->traces.set_tag(ctx, "tr-1", {"mlflow.trace.spansLocation", "x"}).error().reason,
      "trace.tag_reserved");
  EXPECT_EQ(tracking->traces.get(ctx, "tr-9").error().reason, "trace.not_found");
  TraceDeletion old;
  old.max_time_ms = 1'000;
  EXPECT_EQ(tracking->traces.remove(ctx, old).value(), 2);
  EXPECT_EQ(tracking->traces.spans(ctx, "tr-1").error().reason, "trace.not_found");
  EXPECT_EQ(tracking->traces.remove(ctx, {}).error().reason, "trace.delete");
}

TEST(ArtifactPath, StaysInside) {
  struct Case {
    const char* path;
    const char* base;  // Null: refused.
    const char* rest;
  };
  const Case cases[] = {
      {"1/r/artifacts/a/b.txt", "1/r/artifacts", "a/b.txt"},
      {"1/models/m-1/artifacts", "1/models/m-1/artifacts", ""},
      {"1/r/artifacts/artifacts/x", "1/r/artifacts", "artifacts/x"},
      {"loose/file", "", "loose/file"},
      {"", "", ""},
      {"1/r/artifacts/./a//b", "1/r/artifacts", "a/b"},
      {"1/r/artifacts/100%.txt", "1/r/artifacts", "100%.txt"},
      {"/etc/passwd", nullptr, nullptr},
      {"1/r/artifacts/../../x", nullptr, nullptr},
      {"..", nullptr, nullptr},
      {"1/%2e%2e/x", nullptr, nullptr},
      {"1/%252e%252e/x", nullptr, nullptr},
      {"1%2f..%2f..", nullptr, nullptr},
      {"a\\..\\b", nullptr, nullptr},
      {"a%5cb", nullptr, nullptr},
      {"a#b", nullptr, nullptr},
      {"file:/etc/passwd", nullptr, nullptr},
      {"C:/x", nullptr, nullptr},
      {"a\nb", nullptr, nullptr},
      {"\xff", nullptr, nullptr},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.path);
    const auto got = parse_artifact_path(c.path);
    ASSERT_EQ(got.ok(), c.base != nullptr);
    if (!got.ok()) continue;
    EXPECT_EQ(got->base, c.base);
    EXPECT_EQ(got->rest, c.rest);
  }
  EXPECT_EQ(proxied_path("mlflow-artifacts:/1/r/artifacts"), "1/r/artifacts");
  EXPECT_EQ(proxied_path("mlflow-artifacts://host:5000/1/r"), "1/r");
  EXPECT_FALSE(proxied_path("s3://bucket/1"));
}

}  // namespace
}  // namespace slip::tracking
