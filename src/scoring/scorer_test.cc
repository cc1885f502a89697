#include "scoring/scorer.h"

#include <map>

#include <gtest/gtest.h>

#include "base/budget.h"
#include "base/text.h"
#include "core/ledger/ledger.h"
#include "scoring/streams.h"
#include "serving/feature_lookup.h"
#include "store/log.h"
#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/log.h"
#include "sys/rng.h"
#include "sys/sim/sim_fs.h"
#include "test/fake/kafka.h"
#include "test/gen/dice.h"
#include "test/onnx/onnx_bytes.h"
#include "test/store/dbs.h"

namespace slip::scoring {
namespace {

using test::FakeKafka;

// Version 1 adds 1, 2, 3 to three numbers; version 2 says the text it is given; version 3 adds to
// what is looked up for `who`, as long as that works.
class TwoModels final : public serving::ModelSource,
                        public serving::FeatureLookups,
                        public serving::FeatureLookup {
 public:
  bool works = true;

  Result<int64_t> resolve(const Ctx&, const std::string&, const std::string& target) override {
    return std::stoll(target);
  }
  Result<std::map<std::string, std::string>> parameters(const Ctx&, const std::string&,
                                                        int64_t version) override {
    std::map<std::string, std::string> out;
    if (version == 3) out["feature_service"] = "s@1";
    return out;
  }
  Result<std::shared_ptr<const FeatureLookup>> open(const std::string&, const std::string&,
                                                    int64_t) override {
    return std::shared_ptr<const FeatureLookup>(std::shared_ptr<const FeatureLookup>(), this);
  }
  const std::vector<serving::TensorSpec>& asks() const override { return asks_; }
  const std::vector<codec::Field>& gives() const override { return gives_; }
  bool waits() const override { return false; }
  // Of 13 nothing can ever be found.
  Result<Found> find(std::span<const serving::Tensor* const> asked, int64_t rows,
                     bool) const override {
    Found out{.rows = codec::make_table(gives_), .states = {}};
    out.rows.rows = rows;
    out.states.assign(3, std::vector<serving::FeatureState>(static_cast<size_t>(rows)));
    for (int64_t i = 0; i < rows; ++i) {
      if (!works || asked[0]->integer(i) == 13) return internal("model.failed", "it fails");
      for (codec::Column& c : out.rows.columns)
        c.add_f64(static_cast<double>(asked[0]->integer(i)));
    }
    return out;
  }
  Result<Files> fetch(const Ctx&, const std::string&, int64_t version) override {
    return Files{version == 2 ? test::onnx_echo() : test::onnx_add(1, 2, 3), "sha256:1"};
  }

 private:
  std::vector<serving::TensorSpec> asks_ = {
      {.name = "who", .type = serving::DataType::kInt64, .shape = {-1}}};
  std::vector<codec::Field> gives_ = {codec::make_field("a", codec::ColumnType::kDouble),
                                      codec::make_field("b", codec::ColumnType::kDouble),
                                      codec::make_field("c", codec::ColumnType::kDouble)};
};

class ScoringTest : public test::DbTest {
 protected:
  void SetUp() override {
    std::vector<store::Migration> steps;
    for (const auto& all : {ledger::migrations(), serving::migrations(), migrations()})
      steps.insert(steps.end(), all.begin(), all.end());
    migrated(steps);
    events = std::make_unique<ledger::Ledger>(ledger::Ledger::Deps{db(), real_clock(), real_rng()});
    log =
        store::open_segment_log({fs, real_clock(), real_executor(), null_log()}, "/p", {}).value();
    served = std::make_unique<serving::Serving>(
        serving::Serving::Deps{db(), *events, source, *log, budget, real_clock(), real_rng(),
                               null_log(), local, nullptr, &source});
    served->deploy({}, {.name = "add", .model = "m", .target = "1"}).value();
    served->deploy({}, {.name = "echo", .model = "m", .target = "2"}).value();
    stream.project = "default";
    stream.name = "s";
    stream.uid = "u";
    stream.deployment = "add";
    stream.from.topic = "in";
    stream.to = "out";
    stream.dead_letters = "dead";
  }
  Scorer::Deps deps() {
    return {kafka, *served, real_clock(), null_log(), [](const features::KafkaSource& of) {
              kafka::ConsumerOptions out;
              out.topic = of.topic;
              return Result<kafka::ConsumerOptions>(out);
            }};
  }
  codec::Json answer(size_t i) {
    return codec::parse_json(kafka.published["out"].at(i).value).value();
  }

  sim::SimFs fs{1};
  Budget budget{1 << 30};
  TwoModels source;
  std::unique_ptr<ledger::Ledger> events;
  std::unique_ptr<store::SegmentLog> log;
  serving::LocalModels local{{fs, budget, real_clock(), null_log()}};
  std::unique_ptr<serving::Serving> served;
  FakeKafka kafka{2};
  ScoreStream stream;
};
SLIP_EVERY_DB(ScoringTest);

TEST_P(ScoringTest, RecordsAreAnsweredAndStrayOnesKept) {
  kafka.add(0, "[1, 1, 1]");
  kafka.add(0, "[1, 1]");
  kafka.add(0, "no json");
  kafka.add(1, "[2, 2, 2]");
  kafka.add(1, "", true);
  Scorer scorer(deps(), stream);
  EXPECT_EQ(scorer.step(), 0);
  ASSERT_EQ(kafka.published["out"].size(), 2U);
  EXPECT_EQ(codec::to_json(*answer(0).find("outputs")), R"({"y":[2.0,3.0,4.0]})");
  EXPECT_EQ(answer(1).find("model_version")->as_int(), 1);
  ASSERT_EQ(kafka.published["dead"].size(), 2U);
  EXPECT_EQ(kafka.published["dead"][1].value, "no json");
  EXPECT_EQ(kafka.published["dead"][1].headers[1].second, "record.json");
  EXPECT_EQ(kafka.published["dead"][1].headers[5].second, "2");
  EXPECT_EQ((kafka.groups["slipway.default.s"]), (std::map<int32_t, int64_t>{{0, 3}, {1, 2}}));
  const ScoreStatus s = scorer.status();
  EXPECT_EQ(s.state, "running");
  EXPECT_EQ(s.records, 5);
  EXPECT_EQ(s.dead, 2);
  EXPECT_EQ(s.partitions[0].lag + s.partitions[1].lag, 0);
}

TEST_P(ScoringTest, MembersAreKeptWithTheAnswer) {
  stream.deployment = "echo";
  stream.keep = {"id", "absent"};
  kafka.add(0, R"({"text": "hi", "id": 7})");
  Scorer scorer(deps(), stream);
  scorer.step();
  EXPECT_EQ(answer(0).find("id")->as_int(), 7);
  EXPECT_EQ(answer(0).find("absent"), nullptr);
  EXPECT_EQ(codec::to_json(*answer(0).find("outputs")), R"({"label":"hi"})");
}

// Whatever fails, and however often it begins anew: each record's answer is there once, those of a
// partition in order.
TEST_P(ScoringTest, EachRecordIsAnsweredExactlyOnce) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    gen::Dice dice = gen::Dice::seeded(seed);
    kafka = FakeKafka(2);
    stream.rows_max = dice.between(1, 7);
    auto scorer = std::make_unique<Scorer>(deps(), stream);
    std::map<int32_t, std::vector<std::string>> sent;
    int64_t number = 0;
    for (int turn = 0; turn < 60; ++turn) {
      for (int64_t n = dice.between(0, 6); n > 0; --n) {
        const auto p = static_cast<int32_t>(dice.between(0, 1));
        const bool bad = dice.one_in(7);
        std::string text = std::to_string(++number);
        text = bad ? "bad " + text : "[" + text + ", 0, " + std::to_string(p) + "]";
        kafka.add(p, text);
        sent[p].push_back(text);
        if (dice.one_in(5)) kafka.skip(p);
      }
      if (dice.one_in(6)) kafka.fail_publishing(FakeKafka::Fail::kBefore);
      if (dice.one_in(6)) kafka.fail_publishing(FakeKafka::Fail::kAfter);
      kafka.break_connection(dice.one_in(8));
      if (dice.one_in(9)) scorer = std::make_unique<Scorer>(deps(), stream);
      scorer->step();
    }
    kafka.fail_publishing(FakeKafka::Fail::kNot);
    kafka.break_connection(false);
    for (int i = 0; i < 100; ++i) scorer->step();
    size_t good = 0;
    size_t bad = 0;
    std::map<int32_t, std::vector<double>> got;
    for (const kafka::Outgoing& o : kafka.published["out"]) {
      const codec::Json json = codec::parse_json(o.value).value();
      const auto& y = json.find("outputs")->find("y")->items();
      got[static_cast<int32_t>(y[2].as_double()) - 3].push_back(y[0].as_double() - 1);
    }
    for (const auto& [p, texts] : sent) {
      std::vector<double> want;
      for (const std::string& t : texts) {
        if (t.starts_with("bad"))
          ++bad;
        else
          want.push_back(std::stod(t.substr(1)));
      }
      good += want.size();
      EXPECT_EQ(got[p], want) << "seed " << seed;
    }
    EXPECT_EQ(kafka.published["dead"].size(), bad) << "seed " << seed;
    EXPECT_EQ(kafka.published["out"].size(), good) << "seed " << seed;
  }
}

TEST_P(ScoringTest, OfTwoTheLastToBeginPublishes) {
  Scorer first(deps(), stream);
  first.step();
  Scorer second(deps(), stream);
  second.step();
  kafka.add(0, "[1, 1, 1]");
  EXPECT_GT(first.step(), 10'000);  // So long that it is known whose stream it is.
  EXPECT_EQ(first.status().state, "elsewhere");
  EXPECT_TRUE(kafka.published["out"].empty());
  EXPECT_EQ(second.step(), 0);
  EXPECT_EQ(kafka.published["out"].size(), 1U);
}

TEST_P(ScoringTest, WhatIsGoneStopsItUnlessItMayBePassedOver) {
  for (const bool passes : {false, true}) {
    kafka = FakeKafka(1);
    stream.from.on_reset = passes ? features::KafkaFrom::kEarliest : features::KafkaFrom::kStop;
    Scorer scorer(deps(), stream);
    kafka.add(0, "[1, 1, 1]");
    scorer.step();
    for (int i = 0; i < 4; ++i) kafka.add(0, "[2, 2, 2]");
    kafka.cut(0, 3);
    const int64_t rest = scorer.step();
    EXPECT_EQ(rest > 0, !passes);
    scorer.step();
    EXPECT_EQ(kafka.published["out"].size(), passes ? 3U : 1U);
    if (!passes) {
      EXPECT_NE(scorer.status().error.find("no more"), std::string::npos);
    }
  }
}

// A reset of one partition beside records of another in one poll: they are answered once.
TEST_P(ScoringTest, WhatComesBesideAResetIsAnsweredOnce) {
  stream.from.on_reset = features::KafkaFrom::kEarliest;
  kafka.add(0, "[1, 1, 1]");
  kafka.add(1, "[1, 1, 1]");
  Scorer scorer(deps(), stream);
  scorer.step();
  for (int i = 0; i < 4; ++i) kafka.add(1, "[2, 2, 2]");
  kafka.cut(1, 3);
  kafka.add(0, "[3, 3, 3]");
  for (int i = 0; i < 4; ++i) scorer.step();
  EXPECT_EQ(kafka.published["out"].size(), 5U);
}

// From the moment that it begins, whatever hinders it then; and all of a partition that comes
// later.
TEST_P(ScoringTest, TheLatestIsThatOfTheBeginning) {
  stream.from.start = features::KafkaFrom::kLatest;
  stream.deployment = "later";
  kafka.add(0, "[1, 1, 1]");
  Scorer scorer(deps(), stream);
  scorer.step();
  kafka.add(0, "[2, 2, 2]");
  EXPECT_GT(scorer.step(), 0);
  served->deploy({}, {.name = "later", .model = "m", .target = "1"}).value();
  scorer.step();
  ASSERT_EQ(kafka.published["out"].size(), 1U);
  kafka.grow(3);
  kafka.add(2, "[3, 3, 3]");
  Scorer again(deps(), stream);
  again.step();
  EXPECT_EQ(kafka.published["out"].size(), 2U);
}

TEST_P(ScoringTest, AModelThatFailsMakesNoDeadLettersARecordDoes) {
  served->deploy({}, {.name = "looks", .model = "m", .target = "3"}).value();
  stream.deployment = "looks";
  source.works = false;
  kafka.add(0, R"({"who": 1})");
  Scorer scorer(deps(), stream);
  EXPECT_GT(scorer.step(), 0);
  for (int i = 2; i < 40; ++i) kafka.add(0, concat({R"({"who": )", std::to_string(i % 12), "}"}));
  kafka.add(0, "no json");
  EXPECT_GT(scorer.step(), 0);
  EXPECT_TRUE(kafka.published["dead"].empty());
  source.works = true;
  EXPECT_EQ(scorer.step(), 0);
  EXPECT_EQ(kafka.published["out"].size(), 39U);
  EXPECT_EQ(kafka.published["dead"].size(), 1U);
  kafka.add(0, R"({"who": 13})");  // Alone, and the model has answered others.
  EXPECT_EQ(scorer.step(), 0);
  EXPECT_EQ(kafka.published["dead"].back().headers[1].second, "model.failed");
}

// A canary that wants something else costs no record.
TEST_P(ScoringTest, WhatACanaryDoesNotAnswerTheStableOneDoes) {
  served->start_canary({}, "add", {.version = 2, .weight = 0.9, .alpha = 0}).value();
  Scorer scorer(deps(), stream);
  for (int i = 0; i < 30; ++i) {
    kafka.add(0, "[1, 1, 1]");
    scorer.step();
  }
  EXPECT_EQ(kafka.published["out"].size(), 30U);
  EXPECT_TRUE(kafka.published["dead"].empty());
  for (size_t i = 0; i < 30; ++i) EXPECT_EQ(answer(i).find("model_version")->as_int(), 1);
}

TEST_P(ScoringTest, WhatBrokersDoNotTakeIsCut) {
  kafka.add(0, "x" + std::string(2 << 20, ' '));
  Scorer scorer(deps(), stream);
  EXPECT_EQ(scorer.step(), 0);
  ASSERT_EQ(kafka.published["dead"].size(), 1U);
  EXPECT_EQ(kafka.published["dead"][0].value, "");
  EXPECT_EQ(kafka.published["dead"][0].headers.back().first, "slipway.cut");
}

TEST_P(ScoringTest, ADeploymentThatIsNotThereIsWaitedFor) {
  stream.deployment = "later";
  kafka.add(0, "[1, 1, 1]");
  Scorer scorer(deps(), stream);
  EXPECT_GT(scorer.step(), 0);
  EXPECT_EQ(scorer.status().state, "waiting");
  served->deploy({}, {.name = "later", .model = "m", .target = "1"}).value();
  EXPECT_EQ(scorer.step(), 0);
  EXPECT_EQ(kafka.published["out"].size(), 1U);
}

constexpr const char* kDocument =
    R"({"deployment": "add", "from": {"brokers": ["h:1"], "topic": "in"}, "to": "out"})";

TEST(ScoreStream, DocumentsAreReadAndSaid) {
  const ScoreStream s = parse_score_stream(codec::parse_json(kDocument).value()).value();
  EXPECT_EQ(s.dead_letters, "out.dead-letters");
  EXPECT_EQ(codec::to_json(document_of(parse_score_stream(document_of(s)).value())),
            codec::to_json(document_of(s)));
  const std::string from = R"("deployment": "d", "from": {"brokers": ["h:1"], "topic": "in"})";
  const std::string bad[] = {
      "[]",
      "{}",
      R"({"deployment": "d"})",
      "{" + from + "}",
      "{" + from + R"(, "to": "in"})",
      "{" + from + R"(, "to": "o", "dead_letters": "o"})",
      "{" + from + R"(, "to": "a b"})",
      R"({"deployment": "d", "from": {"brokers": [], "topic": "i"}, "to": "o"})",
      "{" + from + R"(, "to": "o", "rows_max": 0})",
      "{" + from + R"(, "to": "o", "keep": "x"})",
      "{" + from + R"(, "to": "o", "mode": 1})"};
  for (const std::string& text : bad)
    EXPECT_FALSE(parse_score_stream(codec::parse_json(text).value()).ok()) << text;
}

TEST_P(ScoringTest, StreamsAreRowsWithOneTask) {
  kafka.break_connection(true);  // Of nobody's concern here.
  const auto open = [&](const std::string& self) {
    return std::make_unique<ScoreStreams>(
        ScoreStreams::Deps{db(), *events, real_executor(), real_rng(), deps(), self});
  };
  const Ctx ctx;
  const codec::Json document = codec::parse_json(kDocument).value();
  auto one = open("one");
  auto two = open("two");
  one->put(ctx, "s", document).value();
  one->put(ctx, "s", document).value();
  EXPECT_EQ(one->put(ctx, "", document).error().reason, "score_stream.field");
  codec::Json other = document;
  other.set("deployment", "nope");
  EXPECT_EQ(one->put(ctx, "t", other).error().code, Code::kNotFound);
  EXPECT_EQ(one->running().size(), 1U);
  codec::Json twin = document;
  twin.set("from", codec::parse_json(R"({"brokers": ["h:1", "i:1"], "topic": "in",
                                         "properties": {"group.id": "slipway.default.s"}})")
                       .value());
  EXPECT_EQ(one->put(ctx, "twin", twin).error().reason, "score_stream.group");
  two->reconcile().value();
  EXPECT_EQ(two->running().size(), 0U);
  EXPECT_EQ(two->show(ctx, "s").value().status.state, "elsewhere");
  one->set_paused(ctx, "s", true).value();
  EXPECT_EQ(one->running().size(), 0U);
  EXPECT_EQ(one->show(ctx, "s").value().status.state, "paused");
  one->set_paused(ctx, "s", false).value();
  EXPECT_EQ(one->running().size(), 1U);
  one->stop();  // Gives it up at once.
  two->reconcile().value();
  EXPECT_EQ(two->running().size(), 1U);
  two->remove(ctx, "s").value();
  EXPECT_EQ(two->running().size(), 0U);
  EXPECT_EQ(two->list("").value().size(), 0U);
  EXPECT_EQ(two->remove(ctx, "s").error().reason, "score_stream.not_found");
  while (events->number_pending().value() > 0) {}
  std::string verbs;
  for (const ledger::Event& e : events->list({.limit = 1000}).value())
    if (e.verb.starts_with("score_stream")) verbs += e.verb.substr(13) + " ";
  EXPECT_EQ(verbs, "created paused resumed removed ");
}

}  // namespace
}  // namespace slip::scoring
