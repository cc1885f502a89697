#include "monitor/monitor.h"

#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "base/text.h"
#include "core/ledger/ledger.h"
#include "sys/executor.h"
#include "sys/log.h"
#include "sys/rng.h"
#include "sys/sim/sim_fs.h"
#include "test/fake/clock.h"
#include "test/gen/dice.h"
#include "test/store/dbs.h"

namespace slip::monitor {
namespace {

using serving::PredictionRecord;
using serving::Tensor;

// Texts over one of two vocabularies that share nothing: two languages.
std::string text_of(gen::Dice& dice, char language) {
  std::string out;
  for (uint64_t words = 5 + dice.below(20); words > 0; --words)
    out += concat({std::string(1, language), "word", std::to_string(dice.below(300)), " "});
  return out;
}

class MonitorTest : public test::DbTest,
                    public ReferenceSource,
                    public DeploymentSource,
                    public OutcomeSink {
 protected:
  void SetUp() override {
    std::vector<store::Migration> steps;
    for (const auto& all : {ledger::migrations(), migrations()})
      steps.insert(steps.end(), all.begin(), all.end());
    migrated(steps);
    events = std::make_unique<ledger::Ledger>(ledger::Ledger::Deps{db(), clock, real_rng()});
    log = store::open_segment_log({fs, clock, real_executor(), null_log()}, "/p",
                                  {.segment_bytes = 20'000})
              .value();
    start();
  }
  void start() {
    monitor = std::make_unique<Monitor>(
        Monitor::Deps{db(), *events, *log, *this, *this, *this, clock, real_rng(), null_log()});
  }

  Result<std::map<std::string, InputValues>> read(const Ctx&, const std::string& dataset, int64_t,
                                                  const std::map<std::string, InputKind>& columns,
                                                  int64_t) override {
    if (dataset != "docs") return not_found("dataset.not_found", "no dataset");
    std::map<std::string, InputValues> out;
    gen::Dice own_dice = gen::Dice::seeded(99);
    for (const auto& [name, kind] : columns)
      for (int i = 0; i < 1000; ++i) {
        if (kind == InputKind::kNumeric)
          out[name].numbers.push_back(static_cast<double>(own_dice.below(100)));
        else
          out[name].texts.push_back(text_of(own_dice, 'e'));
      }
    return out;
  }
  Result<std::string> uid_of(const Ctx&, const std::string& deployment) override {
    if (deployment == "d") return std::string("uid-d");
    return not_found("deployment.not_found", "no deployment");
  }
  Result<bool> on_outcomes(store::Tx&, const Ctx&, const std::string&,
                           std::span<const Labelled> outcomes) override {
    for (const Labelled& o : outcomes) heard.push_back(o);
    return decide;
  }
  void after_commit() override { ++told; }

  Config config(int64_t window_rows = 50) {
    Config c;
    c.deployment = "d";
    c.dataset = "docs";
    c.dataset_version = 1;
    c.columns = {{"text", "description"}};
    c.inputs = {{"text", InputKind::kText}};
    c.window_rows = window_rows;
    return c;
  }

  size_t event_count(const std::string& verb) {
    while (events->number_pending().value() > 0) {  // On PostgreSQL nobody reads them before.
    }
    return events->list({.verb = verb, .limit = 100}).value().size();
  }

  // Logs one request of `rows` rows; the prediction of every row is "a".
  Uuid log_request(char language, int64_t rows = 1, double score = 0.9, int64_t version = 1,
                   const std::string& uid = "uid-d") {
    PredictionRecord r;
    r.project = ctx.project.text;
    r.deployment = "d";
    r.deployment_uid = uid;
    r.id = new_uuid7(clock, real_rng());
    r.ts_us = ++clock_us;
    r.model_version = version;
    r.client_ref = "ref" + std::to_string(clock_us);
    r.actor_uid = "ann";
    r.actor_kind = "user";
    Tensor text;
    text.name = "text";
    text.type = serving::DataType::kBytes;
    text.shape = {rows, 1};
    Tensor label = text;
    label.name = "label";
    Tensor p;
    p.name = "p";
    p.type = serving::DataType::kFp64;
    p.shape = {rows, 2};
    for (int64_t i = 0; i < rows; ++i) {
      text.strings.push_back(text_of(dice, language));
      label.strings.push_back("a");
      const double jitter = score + static_cast<double>(dice.below(100)) / 1000;
      const double pair[] = {jitter, 1 - jitter};
      p.data.append(reinterpret_cast<const char*>(pair), sizeof pair);
    }
    r.inputs = {text};
    r.outputs = {label, p};
    const std::string bytes = encode_prediction(r);
    const std::string_view view = bytes;
    log->append(std::span(&view, 1), store::LogAck::kKernel).value();
    return r.id;
  }
  void ingest_all() {
    for (int i = 0; i < 10'000; ++i)
      if (!monitor->ingest(ctx).value()) return;
    FAIL() << "ingest does not come to an end";
  }
  LabelCounts label(const std::string& id, const std::string& value) {
    const Label l{.prediction_id = id, .client_ref = "", .label = value};
    return monitor->add_labels(ctx, "d", std::span(&l, 1)).value();
  }
  std::vector<Window> windows() { return monitor->windows(ctx, "d", 1000).value(); }

  test::FakeClock clock;
  Ctx ctx;
  gen::Dice dice = gen::Dice::seeded(1);
  sim::SimFs fs{1};
  int64_t clock_us = 0;
  bool decide = false;
  int told = 0;
  std::vector<Labelled> heard;
  std::unique_ptr<ledger::Ledger> events;
  std::unique_ptr<store::SegmentLog> log;
  std::unique_ptr<Monitor> monitor;
};
SLIP_EVERY_DB(MonitorTest);

TEST_P(MonitorTest, CountsEveryRowOnceAcrossSegmentsStepsAndRestarts) {
  monitor->configure(ctx, config(70)).value();
  int64_t logged = 0;
  for (int round = 0; round < 5; ++round) {
    for (const int64_t rows : {1, 3, 700, 2}) {
      log_request('e', rows);
      logged += rows;
    }
    log_request('e', 5, 0.9, 1, "uid-of-nobody");
    monitor->ingest(ctx).value();
    start();
    if (round % 2 == 0) ingest_all();
  }
  ingest_all();
  int64_t counted = 0;
  for (const Window& w : windows()) {
    counted += w.rows;
    EXPECT_TRUE(!w.closed || w.rows == 70);
  }
  EXPECT_EQ(counted, logged);
  EXPECT_GT(log->segments().size(), 2U);
  // The ledger counts them too, and those that nobody watches.
  std::map<std::string, int64_t> counts;
  clock.advance_ms(60'000);
  events->flush_counted().value();
  while (events->number_pending().value() > 0) {}
  for (const ledger::Event& e : events->list({.verb = "prediction.logged"}).value()) {
    EXPECT_EQ(e.actor_uid, "ann");
    counts[e.subject.uid] += e.body->find("count")->as_int();
  }
  EXPECT_EQ(counts, (std::map<std::string, int64_t>{{"uid-d", logged}, {"uid-of-nobody", 25}}));
}

TEST_P(MonitorTest, TheSameLanguageIsQuietAnotherOneAlarmsAndItsReturnResolves) {
  monitor->configure(ctx, config(100)).value();
  for (int i = 0; i < 800; ++i) log_request('e');
  ingest_all();
  for (const Window& w : windows()) EXPECT_FALSE(w.alarm) << w.number;
  EXPECT_TRUE(monitor->alerts(ctx, "", "", 10).value().empty());

  for (int i = 0; i < 200; ++i) log_request('g', 1, 0.3);
  ingest_all();
  EXPECT_TRUE(windows().back().alarm);
  std::set<std::string> features;
  for (const Alert& a : monitor->alerts(ctx, "d", "", 100).value()) {
    features.insert(a.feature);
    EXPECT_GT(a.value, a.threshold);
    EXPECT_EQ(a.resolved_us, 0);
  }
  EXPECT_TRUE(features.contains("text.oov_share"));
  EXPECT_TRUE(features.contains("text.tokens"));
  EXPECT_TRUE(features.contains("score"));
  const size_t fired = event_count("alert.fired");
  EXPECT_EQ(fired, features.size());  // Once a feature, not once a window.
  const std::vector<Alert> all = monitor->alerts(ctx, "d", "", 100).value();
  for (const Alert& a : all) {
    const ledger::Filter of{.after_seq = a.event_seq - 1, .before_seq = a.event_seq + 1};
    const std::vector<ledger::Event> event = events->list(of).value();
    ASSERT_EQ(event.size(), 1U);
    EXPECT_EQ(event[0].body->find("alert")->as_string(), a.id);
  }
  ASSERT_GE(all.size(), 2U);  // Pages go by key.
  EXPECT_EQ(monitor->alerts(ctx, "d", all[0].id, 1).value()[0].id, all[1].id);

  for (int i = 0; i < 200; ++i) log_request('e');
  ingest_all();
  for (const Alert& a : monitor->alerts(ctx, "d", "", 100).value()) EXPECT_GT(a.resolved_us, 0);
  EXPECT_EQ(event_count("alert.resolved"), fired);
}

TEST_P(MonitorTest, AnAlertIsToldInTheProjectOfItsDeployment) {
  ctx.project.text = "elsewhere";
  monitor->configure(ctx, config(100)).value();
  for (int i = 0; i < 100; ++i) log_request('g');
  for (int i = 0; i < 100 && monitor->ingest(Ctx()).value(); ++i) {}  // As the duty does.
  const std::vector<Alert> alerts = monitor->alerts(ctx, "d", "", 100).value();
  ASSERT_FALSE(alerts.empty());
  EXPECT_GT(alerts[0].event_seq, 0);
  EXPECT_TRUE(monitor->alerts(Ctx(), "", "", 100).value().empty());
  for (const ledger::Event& e : events->list({.verb = "alert."}).value())
    EXPECT_EQ(e.project, "elsewhere");
}

TEST_P(MonitorTest, LabelsJoinOnceWhicheverComesFirst) {
  monitor->configure(ctx, config()).value();
  const Uuid first = log_request('e', 3);
  const std::string id = first.text();
  LabelCounts c = label(id + "/1", "a");  // Before ingest: waits.
  EXPECT_EQ(c.pending, 1);
  EXPECT_EQ(label(id + "/1", "b").duplicates, 1);
  ingest_all();
  ASSERT_EQ(heard.size(), 1U);
  EXPECT_TRUE(heard[0].correct);
  EXPECT_EQ(heard[0].row, 1);
  EXPECT_EQ(label(id + "/1", "b").duplicates, 1);  // The first word stands.
  EXPECT_EQ(label(id, "b").joined, 1);
  EXPECT_EQ(label(id + "/2", "a").joined, 1);
  EXPECT_EQ(label(id + "/3", "a").pending, 1);  // There is no such row; it waits for good.
  ASSERT_EQ(heard.size(), 3U);
  EXPECT_FALSE(heard[1].correct);
  const std::vector<Performance> p = monitor->performance(ctx, "d", 100).value();
  ASSERT_EQ(p.size(), 1U);
  EXPECT_EQ(p[0].labeled, 3);
  EXPECT_EQ(p[0].correct, 2);
  EXPECT_EQ(monitor->prediction(ctx, id).value().label->label, "b");
  EXPECT_EQ(told, 0);
  decide = true;
  log_request('e');
  ingest_all();
  const Label by_ref{
      .prediction_id = "", .client_ref = "ref" + std::to_string(clock_us), .label = "a"};
  EXPECT_EQ(monitor->add_labels(ctx, "d", std::span(&by_ref, 1)).value().joined, 1);
  EXPECT_EQ(told, 1);
}

TEST_P(MonitorTest, ALabelKeepsWhenItCameTrueAndWhenItArrived) {
  monitor->configure(ctx, config()).value();
  const int64_t now_us = clock.now_us();
  clock_us = now_us - 10'000'000;  // Ten seconds ago two predictions were made,
  const std::string early = log_request('e').text();
  const std::string late = log_request('e').text();
  const auto say = [&](const std::string& id, std::optional<int64_t> event_ms) {
    const Label l{.prediction_id = id, .client_ref = "", .label = "a", .event_ms = event_ms};
    return monitor->add_labels(ctx, "d", std::span(&l, 1));
  };
  EXPECT_EQ(say(early, now_us / 1000 - 6000).value().pending, 1);  // one came true after four,
  ingest_all();
  EXPECT_EQ(say(late, std::nullopt).value().joined, 1);  // of the other nobody says when.
  const KeptLabel first = *monitor->prediction(ctx, early).value().label;
  EXPECT_EQ(first.event_ms, now_us / 1000 - 6000);
  EXPECT_EQ(first.labeled_us, now_us);
  const KeptLabel second = *monitor->prediction(ctx, late).value().label;
  EXPECT_EQ(second.event_ms, now_us / 1000);
  const Performance p = monitor->performance(ctx, "d", 1).value().at(0);
  EXPECT_EQ(p.event_ms_max, second.event_ms);
  EXPECT_EQ(p.delay_n, 2);
  EXPECT_EQ(p.delay_ms_sum, 4000 + 10'000);
  EXPECT_EQ(say(late, -1).error().reason, "labels.event_ms");
  EXPECT_EQ(say(late, now_us).error().reason, "labels.event_ms");  // Microseconds.
}

TEST_P(MonitorTest, RowsAreKeptAsLongAsTheMonitorSays) {
  Config kept = config(700);
  kept.retention_days = 2;
  monitor->configure(ctx, kept).value();
  clock_us = clock.now_us();
  const std::string old = log_request('e', 2100).text();  // Three steps.
  EXPECT_EQ(label(old, "a").pending, 1);
  ingest_all();  // Joins.
  const Label nobody{.prediction_id = "", .client_ref = "never seen", .label = "a"};
  EXPECT_EQ(monitor->add_labels(ctx, "d", std::span(&nobody, 1)).value().pending, 1);
  clock.advance_ms(86'400'000);
  clock_us = clock.now_us();
  const std::string young = log_request('e').text();
  ingest_all();
  EXPECT_EQ(monitor->expire(ctx).value(), 0);
  clock.advance_ms(86'400'001);
  EXPECT_EQ(monitor->expire(ctx).value(), 2100 + 1);
  EXPECT_EQ(monitor->expire(ctx).value(), 0);
  EXPECT_EQ(monitor->prediction(ctx, old).error().reason, "prediction.expired");
  EXPECT_TRUE(monitor->prediction(ctx, young).ok());
  const std::string unknown = new_uuid7(clock, real_rng()).text();
  EXPECT_EQ(monitor->prediction(ctx, unknown).error().reason, "prediction.not_found");

  const LabelCounts late = label(old + "/7", "a");
  EXPECT_EQ(late.expired, 1);
  EXPECT_EQ(late.expired_before_ms, clock.now_ms() - 2 * int64_t{86'400'000});
  EXPECT_EQ(label(young, "a").joined, 1);
  EXPECT_EQ(label(unknown, "a").pending, 1);
  int64_t labeled = 0;  // What was counted stays counted.
  for (const Performance& p : monitor->performance(ctx, "d", 100).value()) labeled += p.labeled;
  EXPECT_EQ(labeled, 2);
}

TEST_P(MonitorTest, BadLabelsRefuseTheWholeRequest) {
  monitor->configure(ctx, config()).value();
  const std::string id = log_request('e').text();
  ingest_all();
  struct Case {
    const char* name;
    Label bad;
    const char* reason;
  };
  const Case cases[] = {
      {"neither", {.prediction_id = "", .client_ref = "", .label = "a"}, "labels.target"},
      {"both", {.prediction_id = id, .client_ref = "r", .label = "a"}, "labels.target"},
      {"no id", {.prediction_id = "x", .client_ref = "", .label = "a"}, "labels.prediction_id"},
      {"bad row",
       {.prediction_id = id + "/-1", .client_ref = "", .label = "a"},
       "labels.prediction_id"},
      {"too long",
       {.prediction_id = id, .client_ref = "", .label = std::string(kLabelBytesMax + 1, 'x')},
       "labels.too_long"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const std::vector<Label> both = {{.prediction_id = id, .client_ref = "", .label = "a"}, c.bad};
    EXPECT_EQ(monitor->add_labels(ctx, "d", both).error().reason, c.reason);
  }
  EXPECT_TRUE(heard.empty());
  const std::vector<Label> many(kLabelsPerRequestMax + 1,
                                {.prediction_id = id, .client_ref = "", .label = "a"});
  EXPECT_EQ(monitor->add_labels(ctx, "d", many).error().reason, "labels.too_many");
  EXPECT_EQ(monitor->add_labels(ctx, "unknown", {}).error().reason, "deployment.not_found");
}

TEST_P(MonitorTest, ConfigurationsAreChecked) {
  const auto reason = [&](const std::function<void(Config&)>& edit) {
    Config c = config();
    edit(c);
    const Result<Config> r = monitor->configure(ctx, c);
    return r.ok() ? std::string() : r.error().reason;
  };
  EXPECT_EQ(reason([](Config&) {}), "");
  EXPECT_EQ(reason([](Config& c) { c.inputs.clear(); }), "monitor.inputs");
  EXPECT_EQ(reason([](Config& c) { c.inputs.push_back(c.inputs[0]); }), "monitor.inputs");
  EXPECT_EQ(reason([](Config& c) { c.window_rows = kWindowRowsMin - 1; }), "monitor.window_rows");
  EXPECT_EQ(reason([](Config& c) { c.window_rows = kWindowRowsMax + 1; }), "monitor.window_rows");
  EXPECT_EQ(reason([](Config& c) { c.retention_days = 0; }), "monitor.retention_days");
  EXPECT_EQ(reason([](Config& c) { c.retention_days = kRetentionDaysMax + 1; }),
            "monitor.retention_days");
  EXPECT_EQ(reason([](Config& c) { c.thresholds.psi = 0; }), "monitor.thresholds");
  EXPECT_EQ(reason([](Config& c) { c.reference_rows_max = 0; }), "monitor.rows_max");
  EXPECT_EQ(reason([](Config& c) { c.dataset = "none"; }), "dataset.not_found");
  EXPECT_EQ(reason([](Config& c) { c.deployment = "none"; }), "deployment.not_found");
  EXPECT_EQ(monitor->find(ctx, "d").value().inputs.size(), 1U);
  for (const char* body :
       {"{}", R"({"reference":{"dataset":"d"}})", R"({"reference":{"dataset":"d","version":1}})",
        R"({"reference":{"dataset":"d","version":1},"inputs":[{"name":"x","kind":"image"}]})"})
    EXPECT_FALSE(Config::from_json(codec::parse_json(body).value()).ok()) << body;
  EXPECT_EQ(
      Config::from_json(
          codec::parse_json(R"({"reference":{"dataset":"d","version":1},"inputs":[{"name":"x",)"
                            R"("kind":"numeric","vocabulary":{"dataset":"d"}}]})")
              .value())
          .error()
          .reason,
      "monitor.vocabulary");
  Config whole = config();
  whole.vocabularies[whole.inputs[0].name] = {"training", 2, "body"};
  const Config back = Config::from_json(whole.to_json()).value();
  EXPECT_EQ(codec::to_json(back.to_json()), codec::to_json(whole.to_json()));
}

class MonitorStoreTest : public test::DbTest {};
SLIP_EVERY_DB(MonitorStoreTest);
TEST_P(MonitorStoreTest, MigratesFromEveryVersion) {
  expect_migrates_from_every_version(*this, migrations());
}

TEST(Profile, TheVocabularyIsThatOfTheTrainingTexts) {
  gen::Dice dice = gen::Dice::seeded(5);
  const auto text = [&](int64_t from) {
    std::string out;
    for (int i = 0; i < 12; ++i) out += "w" + std::to_string(from + dice.below(400)) + " ";
    return out;
  };
  std::vector<std::string> training;
  for (int i = 0; i < 3000; ++i) training.push_back(text(0));
  std::map<std::string, InputValues> reference;
  for (int i = 0; i < 400; ++i) reference["text"].texts.push_back(text(0));
  const Profile p = Profile::build({{"text", InputKind::kText}}, reference,
                                   {{"text", words::Vocabulary::of(training)}})
                        .value();
  EXPECT_EQ(p.features()[0].rows, 400);  // All of the reference is measured.
  WindowCounts same = p.empty_window();
  WindowCounts other = p.empty_window();
  for (int i = 0; i < 200; ++i) {
    p.add_text("text", text(0), &same);
    p.add_text("text", text(300), &other);
  }
  for (const Distance& d : p.compare(same, 200, {})) EXPECT_FALSE(d.alarm) << d.name;
  const std::vector<Distance> far = p.compare(other, 200, {});
  EXPECT_EQ(far[2].name, "text.oov_share");
  EXPECT_TRUE(far[2].alarm);
}

TEST(Profile, NumbersAndCategoriesDriftToo) {
  gen::Dice dice = gen::Dice::seeded(4);
  std::map<std::string, InputValues> reference;
  for (int i = 0; i < 2000; ++i) {
    reference["age"].numbers.push_back(static_cast<double>(dice.below(50)));
    reference["city"].texts.push_back(dice.one_in(3) ? "north" : "south");
  }
  const Profile p =
      Profile::build({{"age", InputKind::kNumeric}, {"city", InputKind::kCategorical}}, reference)
          .value();
  WindowCounts same = p.empty_window();
  WindowCounts other = p.empty_window();
  for (int i = 0; i < 500; ++i) {
    p.add_number("age", static_cast<double>(dice.below(50)), &same);
    p.add_text("city", dice.one_in(3) ? "north" : "south", &same);
    p.add_number("age", static_cast<double>(25 + dice.below(50)), &other);
    p.add_text("city", dice.one_in(3) ? "north" : "west", &other);
    p.add_number("unknown", 1, &other);
  }
  for (const Distance& d : p.compare(same, 500, {})) EXPECT_FALSE(d.alarm) << d.name;
  for (const Distance& d : p.compare(other, 500, {})) EXPECT_TRUE(d.alarm) << d.name;
  EXPECT_EQ(Profile::build({{"none", InputKind::kText}}, reference).error().reason,
            "monitor.reference_column");
}

}  // namespace
}  // namespace slip::monitor
