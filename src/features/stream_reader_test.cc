#include "features/stream_reader.h"

#include "features/intake.h"
#include "features/stream_owner.h"
#include "features/test_streams.h"
#include "test/gen/dice.h"

namespace slip::features {
namespace {

SLIP_EVERY_DB(StreamsTest);

std::string name_of(int64_t n) { return "m" + std::to_string(n); }

TEST_P(StreamsTest, MessagesAreServedAndKeptOnce) {
  kafka.add(0, payment(1, kStart - kMinute, 5, "a"));
  kafka.add(0, payment(1, kStart - 2 * kMinute, 7, "b"));
  step(2);
  EXPECT_EQ(status().state, "running");
  EXPECT_EQ(read({1}).values[0][0], Cell(5.0));
  EXPECT_EQ(read({1}).values[2][0], Cell(12.0));
  for (const bool power : {false, true}) {
    die(power);
    step(3);
    EXPECT_EQ(kept(), (std::map<std::string, int>{{"a", 1}, {"b", 1}}));
    EXPECT_EQ(read({1}).values[2][0], Cell(12.0));
  }
  kafka.add(0, payment(1, kStart - kMinute, 1, "c"));
  step();
  EXPECT_EQ(read({1}).values[2][0], Cell(13.0));
  ASSERT_EQ(status().partitions.size(), 1u);
  EXPECT_EQ(status().partitions[0].next, 3);
  EXPECT_EQ(status().partitions[0].lag, 0);
}

// Servers with other data directories on one database: what one has read the other doesn't find.
TEST_P(StreamsTest, ATopicIsReadByOneServerOfADatabase) {
  StreamOwners here(db(), clock, {"a", "/here"});
  StreamOwners there(db(), clock, {"b", "/there"});
  const auto claim = [](StreamOwners& by) {
    return [&by](const Ctx& c, const std::string& s) { return by.claim(c, s); };
  };
  kafka.add(0, payment(1, kStart, 1, "a"));
  begin_reading(claim(here));
  step(2);
  EXPECT_EQ(kept(), (std::map<std::string, int>{{"a", 1}}));
  EXPECT_EQ(there.claim(ctx, "txn").error().reason, "feature.stream_owner");
  begin_reading(claim(there));
  step(3);
  EXPECT_EQ(status().state, "waiting");
  EXPECT_NE(status().error.find("/here"), std::string::npos);
  EXPECT_EQ(kept(), (std::map<std::string, int>{{"a", 1}}));
  // Handed over by hand, in the middle: whoever had it takes nothing in any more.
  begin_reading(claim(here));
  step(1);
  EXPECT_TRUE(there.take_over(ctx, "txn").value());
  EXPECT_FALSE(there.take_over(ctx, "txn").value());
  kafka.add(0, payment(1, kStart, 2, "b"));
  step(3);
  EXPECT_EQ(status().state, "waiting");
  EXPECT_NE(status().error.find("/there"), std::string::npos);
  EXPECT_EQ(kept(), (std::map<std::string, int>{{"a", 1}}));
  begin_reading(claim(there));
  step(2);
  EXPECT_EQ(kept(), (std::map<std::string, int>{{"a", 1}, {"b", 1}}));
  // The database of one directory is nobody else's.
  StreamOwners only(db(), clock, {});
  EXPECT_TRUE(only.claim(ctx, "txn").ok());
  EXPECT_FALSE(only.take_over(ctx, "txn").value());
}

// Also where nothing is known of a partition: before the first message, or because another server
// has read it.
TEST_P(StreamsTest, AResetHoldsForPartitionsThatWereNeverRead) {
  const auto reset = [&](int64_t next) {
    reader.reset();
    Intake what;
    what.source = "txn";
    what.marks =
        marks_of_reset(features->history().stream_marks("default", "txn"), "payments", next);
    features->take_in(ctx, what).value();
  };
  kafka.add(0, payment(1, kStart, 1, "a"));
  reset(kStreamEnd);
  die(true);
  step(2);
  EXPECT_EQ(kept(), (std::map<std::string, int>{}));
  kafka.add(0, payment(1, kStart, 2, "b"));
  step(2);
  EXPECT_EQ(kept(), (std::map<std::string, int>{{"b", 1}}));
  kafka.grow(2);
  kafka.add(1, payment(1, kStart, 3, "c"));
  reset(kStreamEnd);
  step(2);
  kafka.add(1, payment(1, kStart, 4, "d"));
  step(2);
  EXPECT_EQ(kept(), (std::map<std::string, int>{{"b", 1}, {"d", 1}}));
  EXPECT_EQ(status().partitions.size(), 2u);
  // It was for those: what comes later is read from its beginning.
  kafka.grow(3);
  kafka.add(2, payment(1, kStart, 5, "e"));
  die(true);
  step(3);
  EXPECT_EQ(kept(), (std::map<std::string, int>{{"b", 1}, {"d", 1}, {"e", 1}}));
  reset(kStreamBeginning);
  step(4);
  EXPECT_EQ(kept(), (std::map<std::string, int>{{"a", 1}, {"b", 2}, {"c", 1}, {"d", 2}, {"e", 2}}));
}

TEST_P(StreamsTest, StraysStopNothingAndAreKeptApartOnce) {
  kafka.add(0, "no json");
  kafka.add(0, payment(1, kStart, 1, "a"));
  kafka.add(0, "", true);
  kafka.add(0, "\xff\xfe");
  kafka.add(0, R"({"ts": 1700000000000, "amount": 1})");
  kafka.add(0, R"({"user": 1, "ts": 1700000000000, "amount": "much"})");
  kafka.add(0, payment(2, kStart, 2, "b"));
  step(2);
  EXPECT_EQ(kept(), (std::map<std::string, int>{{"a", 1}, {"b", 1}}));
  EXPECT_EQ(status().strays, 5);
  std::vector<Quarantined> all = apart();
  ASSERT_EQ(all.size(), 5u);
  EXPECT_NE(all[0].reason.find("payments/0@0: no JSON"), std::string::npos);
  EXPECT_NE(all[1].reason.find("without a value"), std::string::npos);
  EXPECT_NE(all[3].reason.find("user is missing"), std::string::npos);
  const codec::Json record = codec::parse_json(all[4].record).value();
  EXPECT_EQ(*record.find("user_id"), codec::Json(1));
  EXPECT_EQ(*record.find("ts"), codec::Json("2023-11-14T22:13:20Z"));
  EXPECT_EQ(*record.find("_kafka")->find("offset"), codec::Json(5));
}

TEST_P(StreamsTest, HandedOverTwiceIsApartOnce) {
  kafka.add(0, "no json");
  begin_reading();
  step();
  // The disk fails after the quarantine has it: the same comes again.
  fs.fail_nth_change(1);
  step();
  EXPECT_EQ(status().state, "waiting");
  die(true);
  step(2);
  EXPECT_EQ(apart().size(), 1u);
}

TEST_P(StreamsTest, AViewThatCantComputeARowKeepsItApart) {
  define(R"yaml(
kind: FeatureView
name: per
entity: {user_id: int64}
source: txn
row: {whole: "cast(amount as int64)"}
)yaml");
  kafka.add(0, payment(1, kStart, 1, "a"));
  kafka.add(0, payment(1, kStart, 1e300, "huge"));
  kafka.add(0, payment(1, kStart, 2, "b"));
  step(2);
  const bool computed = kept().contains("huge");  // Then there is nothing to keep apart.
  EXPECT_EQ(kept().at("a"), 1);
  EXPECT_EQ(kept().at("b"), 1);
  EXPECT_EQ(apart().size(), computed ? 0u : 1u);
  EXPECT_EQ(status().rejected, computed ? 0 : 1);
}

TEST_P(StreamsTest, WhatTheContractRejectsStopsNothing) {
  std::string yaml(kStreamDefinitions);
  yaml.insert(yaml.find("rename:"), "contract: pay\n");
  define(R"yaml(
kind: DataContract
apiVersion: v3.1.0
id: pay
version: 1.0.0
status: active
schema:
  - name: txn
    properties:
      - {name: user_id, logicalType: integer}
      - name: amount
        logicalType: number
        logicalTypeOptions: {minimum: 0}
      - {name: merchant, logicalType: string}
      - {name: ts, logicalType: timestamp}
---
)yaml" + yaml);
  kafka.add(0, payment(1, kStart, -1, "bad"));
  kafka.add(0, payment(1, kStart, 3, "a"));
  step(2);
  EXPECT_EQ(kept(), (std::map<std::string, int>{{"a", 1}}));
  EXPECT_EQ(status().rejected, 1);
  ASSERT_EQ(apart().size(), 1u);
  EXPECT_NE(apart()[0].reason.find("payments/0@0"), std::string::npos);
}

TEST_P(StreamsTest, ABrokerThatIsAwayIsWaitedFor) {
  kafka.break_connection(true);
  step(3);
  EXPECT_EQ(status().state, "waiting");
  EXPECT_NE(status().error, "");
  kafka.break_connection(false);
  kafka.add(0, payment(1, kStart, 1, "a"));
  step(3);
  EXPECT_EQ(status().state, "running");
  kafka.break_connection(true);
  step();
  EXPECT_EQ(status().state, "waiting");
  kafka.break_connection(false);
  kafka.add(0, payment(1, kStart, 1, "b"));
  step(2);
  EXPECT_EQ(status().state, "running");
  EXPECT_EQ(kept(), (std::map<std::string, int>{{"a", 1}, {"b", 1}}));
}

TEST_P(StreamsTest, NewPartitionsAreReadFromTheirBeginning) {
  step(2);
  kafka.add(0, payment(1, kStart, 1, "a"));
  kafka.grow(3);
  kafka.add(2, payment(1, kStart, 1, "b"));
  clock.advance_ms(6'000);
  step(3);
  EXPECT_EQ(kept(), (std::map<std::string, int>{{"a", 1}, {"b", 1}}));
  EXPECT_EQ(status().partitions.size(), 3u);
}

TEST_P(StreamsTest, StartLatestSkipsWhatWasThere) {
  std::string yaml(kStreamDefinitions);
  yaml.replace(yaml.find("time_unit: ms"), 13, "time_unit: ms, start: latest");
  define(yaml);
  kafka.grow(2);
  kafka.add(0, payment(1, kStart, 1, "before"));
  begin_reading();
  step(2);
  die(false);  // What came while nobody looked is read.
  kafka.add(0, payment(1, kStart, 1, "after"));
  kafka.add(1, payment(1, kStart, 1, "too"));
  step(2);
  EXPECT_EQ(kept(), (std::map<std::string, int>{{"after", 1}, {"too", 1}}));
}

struct Made {
  const char* rule;
  const char* state;
  std::map<std::string, int> kept;
};

TEST_P(StreamsTest, ATopicMadeAnewStopsOrFollowsTheRule) {
  for (const bool filled : {false, true}) {
    const Made rows[] = {
        {"stop", "stopped", {{"a", 1}, {"b", 1}}},
        {"earliest", "running", {{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}, {"e", 1}, {"f", 1}}},
        {"latest", "running", {{"a", 1}, {"b", 1}, {"f", 1}}}};
    for (const Made& row : rows) {
      SCOPED_TRACE(std::string(row.rule) + (filled ? " filled" : " short"));
      die(false);
      const std::string user = std::string("txn_") + row.rule + (filled ? "1" : "0");
      std::string yaml =
          "kind: Source\nname: " + user +
          "\ncolumns: {user_id: int64, amount: float64, merchant: string}\n"
          "event_time: ts\nrename: {user: user_id}\n"
          "kafka: {brokers: 'localhost:1', topic: payments, time_unit: ms, on_reset: " +
          row.rule + "}\n";
      define(yaml);
      kafka.create(1);
      StreamReader one({*features, kafka, clock, null_log(),
                        [](const KafkaSource&) { return kafka::ConsumerOptions(); }, nullptr},
                       ctx, user, *features->source_for(ctx, user, "").value().kafka);
      kafka.add(0, payment(1, kStart, 1, "a"));
      kafka.add(0, payment(1, kStart, 1, "b"));
      for (int i = 0; i < 3; ++i) one.step();
      kafka.remove();
      one.step();
      EXPECT_EQ(one.status().state, "waiting");
      one.step();
      kafka.create(1);
      kafka.add(0, payment(1, kStart, 1, "c"));
      if (filled) {
        kafka.add(0, payment(1, kStart, 1, "d"));
        kafka.add(0, payment(1, kStart, 1, "e"));
      }
      for (int i = 0; i < 4; ++i) one.step();
      if (!filled) {
        kafka.add(0, payment(1, kStart, 1, "d"));
        kafka.add(0, payment(1, kStart, 1, "e"));
      }
      std::map<std::string, int> wanted = row.kept;
      if (!filled && std::string_view(row.rule) == "latest") wanted["d"] = wanted["e"] = 1;
      kafka.add(0, payment(1, kStart, 1, "f"));
      for (int i = 0; i < 3; ++i) one.step();
      EXPECT_EQ(one.status().state, row.state) << one.status().error;
      std::map<std::string, int> got;
      features->history()
          .read({.project = "default", .source = user})
          .value()
          .visit([&](const History::Chunk& chunk) -> Status {
            const engine::Values* values = chunk.batch.find("merchant");
            for (int64_t i = 0; i < chunk.batch.rows(); ++i)
              ++got[std::string(values->view().text(i))];
            return {};
          })
          .value();
      EXPECT_EQ(got, wanted);
    }
  }
}

TEST_P(StreamsTest, WhatRetentionTookIsTold) {
  for (int i = 0; i < 5; ++i) kafka.add(0, payment(1, kStart, 1, name_of(i)));
  step(2);
  for (int i = 5; i < 9; ++i) kafka.add(0, payment(1, kStart, 1, name_of(i)));
  die(false);
  kafka.cut(0, 7);
  step(2);
  EXPECT_EQ(status().state, "stopped");
  EXPECT_NE(status().error.find("removed"), std::string::npos);
  EXPECT_EQ(kept().size(), 5u);
}

// A transaction's marks are offsets without messages: nothing lags behind them.
TEST_P(StreamsTest, OffsetsWithoutMessagesAreNoLag) {
  kafka.add(0, payment(1, kStart, 1, "a"));
  kafka.skip(0);
  kafka.skip(0);
  step(3);
  EXPECT_EQ(status().partitions[0].next, 1);
  EXPECT_EQ(status().partitions[0].lag, 0);
  die(false);
  step(2);
  kafka.add(0, payment(1, kStart, 1, "b"));
  step(2);
  EXPECT_EQ(kept(), (std::map<std::string, int>{{"a", 1}, {"b", 1}}));
}

// Random messages, faults of the disk, deaths and losses of power between any two steps: each
// message is in the history or the quarantine once, and what is served is the history joined.
class Histories {
 public:
  explicit Histories(uint64_t seed) : dice(gen::Dice::seeded(seed)) {}
  gen::Dice dice;
  std::map<std::string, int> rows;
  int64_t strays = 0;
  int64_t n = 0;

  void produce(test::FakeKafka& kafka) {
    for (auto i = dice.below(6); i > 0; --i) {
      const auto p = static_cast<int32_t>(dice.below(static_cast<uint64_t>(kafka.partitions())));
      const int64_t id = n++;
      if (dice.below(8) == 0) {
        kafka.add(p, "stray " + std::to_string(id));
        ++strays;
      } else if (dice.below(12) == 0) {
        kafka.skip(p);
      } else {
        const auto user = static_cast<int64_t>(dice.below(4));
        const int64_t ago = static_cast<int64_t>(dice.below(50)) * kMinute;
        kafka.add(p, payment(user, kStart - ago, static_cast<double>(id % 17), name_of(id)));
        rows[name_of(id)] = 1;
      }
    }
  }
};

TEST_P(StreamsTest, EveryMessageOnceWhateverHappens) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(seed);
    move_to("seed" + std::to_string(seed));
    kafka.create(3);
    Histories h(seed);
    for (int i = 0; i < 60; ++i) {
      h.produce(kafka);
      switch (h.dice.below(12)) {
        case 0:
          die(false);
          break;
        case 1:
          die(true);
          break;
        case 2:
        case 3:
          fs.fail_nth_change(static_cast<int64_t>(h.dice.below(6)) + 1);
          break;
        case 4:
          (void)features->snapshot();
          break;
        case 5:
          (void)features->history().rotate();
          (void)features->tidy();
          break;
        case 6:
          kafka.break_connection(h.dice.below(2) == 0);
          break;
        default:
          break;
      }
      step(static_cast<int>(h.dice.below(3)));
      if (h.dice.below(3) == 0) clock.advance_ms(1000);
    }
    fs.fail_nth_change(0);
    kafka.break_connection(false);
    die(h.dice.below(2) == 0);
    step(6);
    const std::map<std::string, int> kept_rows = kept();
    std::map<std::string, int> wrong;  // How often instead of once.
    for (const auto& [name, times] : kept_rows)
      if (times != 1 || !h.rows.contains(name)) wrong[name] = times;
    for (const auto& [name, times] : h.rows)
      if (!kept_rows.contains(name)) wrong[name] = 0;
    EXPECT_TRUE(wrong.empty()) << testing::PrintToString(wrong);
    EXPECT_EQ(static_cast<int64_t>(apart().size()), h.strays);
    const OnlineReply served = served_now({0, 1, 2, 3});
    const auto joined = joined_now({0, 1, 2, 3});
    for (size_t out = 0; out < served.values.size(); ++out)
      EXPECT_EQ(served.values[out], joined.values[out]) << out;
  }
}

TEST_P(StreamsTest, PartitionsInAnyOrderServeTheSame) {
  std::vector<std::vector<Cell>> first;
  for (const int32_t partitions : {1, 2, 5}) {
    move_to("of" + std::to_string(partitions));
    kafka.create(partitions);
    for (int64_t i = 0; i < 200; ++i)
      kafka.add(static_cast<int32_t>(i * 7 % partitions),
                payment(i % 5, kStart - (i * 37 % 50) * kMinute, static_cast<double>(i % 13),
                        name_of(i)));
    step(3);
    const OnlineReply got = served_now({0, 1, 2, 3, 4});
    if (first.empty()) first = got.values.lists();
    // Equal event times are decided by arrival, which the last value alone depends on.
    for (const size_t out : {size_t{2}, size_t{3}, size_t{4}})
      EXPECT_EQ(got.values[out], first[out]) << partitions;
  }
}

}  // namespace
}  // namespace slip::features
