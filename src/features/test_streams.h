#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "features/stream_reader.h"
#include "features/test_features.h"
#include "test/fake/kafka.h"

// The store of card payments with a topic that they come from, for the tests of this folder.
namespace slip::features {

inline constexpr std::string_view kStreamDefinitions = R"yaml(
kind: Source
name: txn
columns: {user_id: int64, amount: float64, merchant: string}
event_time: ts
rename: {user: user_id}
kafka: {brokers: "localhost:9092", topic: payments, time_unit: ms}
---
kind: FeatureView
name: last_txn
entity: {user_id: int64}
source: txn
features: [amount, merchant]
row: {doubled: "amount * 2"}
ttl: 1h
---
kind: FeatureView
name: spend
entity: {user_id: int64}
source: txn
aggregate:
  - {op: sum, of: amount, windows: [10m, 1h], as: spend}
  - {op: count, windows: [1h], as: n}
---
kind: FeatureService
name: fraud
features: ["last_txn:amount", "last_txn:merchant", "spend:*"]
)yaml";

inline std::string payment(int64_t user, int64_t ts_us, double amount,
                           const std::string& merchant) {
  return codec::to_json(codec::Json::object(
      {{"user", user}, {"ts", ts_us / 1000}, {"amount", amount}, {"merchant", merchant}}));
}

class StreamsTest : public FeaturesTest {
 protected:
  void SetUp() override {
    FeaturesTest::SetUp();
    define(kStreamDefinitions);
  }
  KafkaSource of() { return *features->source_for(ctx, "txn", "").value().kafka; }
  using Claim = std::function<Status(const Ctx&, const std::string&)>;
  void begin_reading(Claim claim = nullptr) {
    reader = std::make_unique<StreamReader>(
        StreamReader::Deps{*features, kafka, clock, null_log(),
                           [](const KafkaSource&) { return kafka::ConsumerOptions(); }, nullptr,
                           std::move(claim)},
        ctx, "txn", of());
  }
  void step(int n = 1) {
    if (!reader) begin_reading();
    for (int i = 0; i < n; ++i) reader->step();
  }
  // SIGKILL, or a loss of power.
  void die(bool power) {
    reader.reset();
    features.reset();
    log.reset();
    served_log.reset();
    fs.fail_nth_change(0);
    if (power) fs.power_cut();
    open();
  }
  // How often the history has each message, by its merchant.
  std::map<std::string, int> kept() {
    std::map<std::string, int> out;
    features->history()
        .read({.project = ctx.project.text, .source = "txn"})
        .value()
        .visit([&](const History::Chunk& chunk) -> Status {
          const engine::Values* values = chunk.batch.find("merchant");
          for (int64_t i = 0; i < chunk.batch.rows(); ++i)
            ++out[std::string(values->view().text(i))];
          return {};
        })
        .value();
    return out;
  }
  std::vector<Quarantined> apart() {
    return features->quarantine().list(ctx, "txn", "", 1000).value();
  }
  // Another project: nothing of the one before is in the way.
  void move_to(const std::string& project) {
    reader.reset();
    ctx.project.text = project;
    define(kStreamDefinitions);
  }
  ReadPlan plan_now() {
    return plan_service(*features->catalog().shelf(ctx.project.text), "fraud", 0, false).value();
  }
  OnlineReply served_now(const std::vector<int64_t>& users) {
    RequestColumns r = request(users);
    OnlineReply out;
    features->read(plan_now(), r, {}, &out).value();
    return out;
  }
  Features::Joined joined_now(const std::vector<int64_t>& users) {
    const std::vector<int64_t> times(users.size(), clock.now_us());
    return features
        ->join(ctx.project.text, plan_now(), request(users), times, {.mode = JoinMode::kAsKnown})
        .value();
  }
  StreamStatus status() { return reader->status(); }

  test::FakeKafka kafka;
  std::unique_ptr<StreamReader> reader;
};

}  // namespace slip::features
