#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "core/hold/hold.h"
#include "core/ledger/ledger.h"
#include "features/features.h"
#include "sys/executor.h"
#include "sys/log.h"
#include "sys/rng.h"
#include "sys/sim/sim_fs.h"
#include "test/fake/clock.h"
#include "test/store/dbs.h"
#include "test/store/mem_blobs.h"

// A feature store of card payments on a simulated disk and clock, for the tests of this folder.
namespace slip::features {

inline constexpr int64_t kStart = test::FakeClock::kStartUs;
inline constexpr int64_t kMinute = 60'000'000;

inline constexpr std::string_view kDefinitions = R"yaml(
kind: Source
name: txn
columns: {user_id: int64, amount: float64, merchant: string}
event_time: ts
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
row: {paid: "greatest(amount, 0.0)"}
filter: "amount is not null"
aggregate:
  - {op: sum, of: paid, windows: [10m, 1h], as: spend}
  - {op: count, windows: [1h], as: n}
  - {op: last_k, of: merchant, k: 2, windows: [1h], as: recent}
---
kind: OnDemand
name: ratio
inputs: {s: "spend:spend_1h"}
request: {amount: float64}
features: {share: "coalesce(request.amount / s, 0.0)"}
---
kind: FeatureService
name: fraud
features: ["last_txn:amount", "spend:*", "ratio:share"]
)yaml";

// Numbers, then nulls.
inline std::vector<Cell> cells(const std::vector<double>& numbers, size_t nulls) {
  std::vector<Cell> out(numbers.size() + nulls);
  for (size_t i = 0; i < numbers.size(); ++i) out[i] = numbers[i];
  return out;
}

class FeaturesTest : public test::DbTest {
 protected:
  void SetUp() override {
    std::vector<store::Migration> steps;
    for (const auto& all : {ledger::migrations(), hold::migrations(), migrations()})
      steps.insert(steps.end(), all.begin(), all.end());
    migrated(steps);
    open();
  }
  void open() {
    features.reset();
    log.reset();
    served_log.reset();
    events = std::make_unique<ledger::Ledger>(ledger::Ledger::Deps{db(), clock, real_rng()});
    log = store::open_segment_log({fs, clock, real_executor(), null_log()}, "/arrivals",
                                  {.segment_bytes = 1 << 14})
              .value();
    served_log =
        store::open_segment_log({fs, clock, real_executor(), null_log()}, "/served", {}).value();
    features = std::make_unique<Features>(Features::Deps{db(), *events, blobs, *log, *served_log,
                                                         fs, clock, real_rng(), null_log(),
                                                         "/features", nullptr, false, mirror});
    features->open().value();
  }
  void define(std::string_view yaml = kDefinitions) {
    features->apply(ctx, parse_definitions(yaml).value()).value();
  }
  struct Txn {
    int64_t user = 1;
    int64_t ts_us = 0;
    Cell amount;
    std::string merchant = "m";
    bool deleted = false;
  };
  Batch batch_of(const std::vector<Txn>& rows) {
    Batch b = make_batch(features->source_for(ctx, "txn", "").value().columns);
    b.source = "txn";
    for (const Txn& t : rows) {
      b.columns[0].add_i64(t.user);
      add_cell(&b.columns[1], t.amount);
      b.columns[2].add_text(t.merchant);
      b.event.add_i64(t.ts_us);
      b.created.add_null();
      b.deleted.add_bool(t.deleted);
    }
    return b;
  }
  void push(const std::vector<Txn>& rows, To to = To::kBoth) {
    Batch b = batch_of(rows);
    b.to = to;
    features->push(ctx, std::move(b)).value();
  }
  ReadPlan plan(const std::string& service = "fraud") {
    const auto shelf = features->catalog().shelf("default");
    return plan_service(*shelf, service, 0, false).value();
  }
  RequestColumns request(const std::vector<int64_t>& users) {
    RequestColumns out;
    out.rows = static_cast<int64_t>(users.size());
    for (const int64_t u : users) {
      out.columns["user_id"].emplace_back(u);
      out.columns["amount"].emplace_back(10.0);
    }
    return out;
  }
  OnlineReply read(const std::vector<int64_t>& users) {
    RequestColumns r = request(users);
    ReadPlan p = plan();
    OnlineReply out;
    features->read(p, r, {}, &out).value();
    return out;
  }
  void log_visit(const std::function<void(const ServedVector&)>& visit) {
    for (const store::LogSegment& s : served_log->segments())
      served_log
          ->read(s.number, 0,
                 [&](std::string_view bytes, int64_t) -> Result<bool> {
                   visit(decode_served(bytes).value());
                   return true;
                 })
          .value();
  }
  Features::Joined join(const std::vector<int64_t>& users, const std::vector<int64_t>& times,
                        JoinMode mode) {
    return features->join("default", plan(), request(users), times, {.mode = mode}).value();
  }

  Ctx ctx;
  sim::SimFs fs{1};
  test::FakeClock clock;
  test::MemBlobs blobs;
  std::unique_ptr<ledger::Ledger> events;
  std::unique_ptr<store::SegmentLog> log;
  std::unique_ptr<store::SegmentLog> served_log;
  RedisMirror* mirror = nullptr;  // For the next open().
  std::unique_ptr<Features> features;
};

}  // namespace slip::features
