#pragma once

#include <memory>
#include <string>
#include <vector>

#include "features/packed.h"
#include "features/redis_mirror.h"
#include "features/test_features.h"
#include "test/fake/redis.h"

// The store of card payments with a Redis that it is served from, for the tests of this folder; and
// other servers beside it, on the same Redis.
namespace slip::features {

class RedisMirrorTest : public FeaturesTest {
 protected:
  void SetUp() override {
    open_mirror();
    FeaturesTest::SetUp();
    tend();
  }
  void TearDown() override { features.reset(); }

  void open_mirror() {
    features.reset();
    store::Redis::Options options;
    options.url = store::parse_redis_url("redis://h").value();
    reads = std::make_unique<store::Redis>(store::Redis::Deps{redis, clock}, options);
    options.connections = 1;
    options.ordered = true;
    writes = std::make_unique<store::Redis>(store::Redis::Deps{redis, clock}, options);
    owned = RedisMirror::open({*writes, *reads, fs, clock, real_rng(), null_log(), "/features"}, {})
                .value();
    mirror = owned.get();
  }
  void restart() {
    open_mirror();
    open();
  }
  void tend() {
    clock.advance_ms(1000);
    mirror->tend().value();
  }
  Result<OnlineReply> try_read(const std::vector<int64_t>& users) {
    RequestColumns r = request(users);
    OnlineReply out;
    TRY(features->read(plan(), r, {}, &out));
    return out;
  }
  std::string reason() {
    const auto got = try_read({1});
    return got.ok() ? "" : got.error().reason;
  }
  // What the table in memory says of the same.
  void expect_as_in_memory(const std::vector<int64_t>& users, uint64_t seed) {
    const ReadPlan p = plan();
    const OnlineReply got = read(users);
    auto& online = const_cast<Online&>(features->online());
    for (size_t o = 0; o < p.outs.size(); ++o) {
      if (p.outs[o].computed) continue;
      const ReadPlan::Read& read = p.reads[p.outs[o].from];
      for (size_t i = 0; i < users.size(); ++i) {
        std::string key;
        append_key(&key, Cell(users[i]));
        EntityRead want;
        online.read(*read.view, key, {read.features, clock.now_us(), false}, &want).value();
        ASSERT_EQ(got.values[o][i], want.cells[p.outs[o].at]) << "seed " << seed;
        ASSERT_EQ(got.statuses[o][i], want.statuses[p.outs[o].at]) << "seed " << seed;
        ASSERT_EQ(got.event_us[o][i], want.event_us) << "seed " << seed;
      }
    }
  }

  test::FakeRedis redis;
  std::unique_ptr<store::Redis> writes;
  std::unique_ptr<store::Redis> reads;
  std::unique_ptr<RedisMirror> owned;
};
// With a database and a data directory of its own.
class OtherServer {
 public:
  OtherServer(store::Db& db, test::FakeRedis& redis, test::FakeClock& clock)
      : db_(db), redis_(redis), clock_(clock) {
    std::vector<store::Migration> steps;
    for (const auto& all : {ledger::migrations(), hold::migrations(), migrations()})
      steps.insert(steps.end(), all.begin(), all.end());
    store::migrate(db_, steps).value();
    open();
  }
  void open() {
    features.reset();
    owned_.reset();
    log_.reset();
    served_.reset();
    store::Redis::Options options;
    options.url = store::parse_redis_url("redis://h").value();
    options.connections = 1;
    options.ordered = true;
    client_ = std::make_unique<store::Redis>(store::Redis::Deps{redis_, clock_}, options);
    owned_ =
        RedisMirror::open({*client_, *client_, fs, clock_, real_rng(), null_log(), "/features"}, {})
            .value();
    events_ = std::make_unique<ledger::Ledger>(ledger::Ledger::Deps{db_, clock_, real_rng()});
    log_ =
        store::open_segment_log({fs, clock_, real_executor(), null_log()}, "/arrivals", {}).value();
    served_ =
        store::open_segment_log({fs, clock_, real_executor(), null_log()}, "/served", {}).value();
    features = std::make_unique<Features>(Features::Deps{db_, *events_, blobs_, *log_, *served_, fs,
                                                         clock_, real_rng(), null_log(),
                                                         "/features", nullptr, false, &mirror()});
    features->open().value();
  }
  RedisMirror& mirror() { return *owned_; }

  std::unique_ptr<Features> features;

 private:
  store::Db& db_;
  test::FakeRedis& redis_;
  test::FakeClock& clock_;
  sim::SimFs fs{2};
  test::MemBlobs blobs_;
  std::unique_ptr<store::Redis> client_;
  std::unique_ptr<RedisMirror> owned_;
  std::unique_ptr<ledger::Ledger> events_;
  std::unique_ptr<store::SegmentLog> log_;
  std::unique_ptr<store::SegmentLog> served_;
};

}  // namespace slip::features
