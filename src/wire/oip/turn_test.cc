#include "wire/oip/turn.h"

#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "base/text.h"
#include "serving/serving.h"
#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/log.h"
#include "sys/sim/sim_fs.h"
#include "sys/sync.h"
#include "test/fake/clock.h"
#include "test/http/world.h"
#include "test/wire/serving_world.h"
#include "wire/oip/oip.h"

// Predictions over the wire and the log they must be in before anybody sees them.
namespace slip::wire::oip {
namespace {

using http::testing::RawClient;
using http::testing::RawReply;

// A log that remembers how it was written and can refuse.
class WatchedLog final : public store::SegmentLog {
 public:
  explicit WatchedLog(store::SegmentLog& real) : real_(real) {}

  Status append(std::span<const std::string_view> records, store::LogAck ack) override {
    const sys::Lock lock(mutex_);
    for (const std::string_view r : records)
      if (r.find(refused_) != std::string_view::npos) return exhausted("log.full", "no more");
    appends_.push_back(records.size());
    return real_.append(records, ack);
  }
  Status rotate() override { return real_.rotate(); }
  std::vector<store::LogSegment> segments() const override { return real_.segments(); }
  Result<int64_t> read(int64_t segment, int64_t position, const OnRecord& take) override {
    return real_.read(segment, position, take);
  }
  Status remove(int64_t segment) override { return real_.remove(segment); }

  // Records that hold `text` are refused, with whatever is appended together with them.
  void refuse(std::string text) {
    const sys::Lock lock(mutex_);
    refused_ = std::move(text);
  }
  std::vector<size_t> take_appends() {
    const sys::Lock lock(mutex_);
    return std::exchange(appends_, {});
  }

 private:
  store::SegmentLog& real_;
  sys::Mutex mutex_;
  std::string refused_ = "nothing holds this";
  std::vector<size_t> appends_;
};

// A handler that keeps the loop until the test lets it go, so that what comes meanwhile is one
// turn.
class Hold {
 public:
  void keep() {
    sys::Lock lock(mutex_);
    kept_ = true;
    changed_.notify_all();
    while (kept_) changed_.wait(lock);
  }
  void await() {
    sys::Lock lock(mutex_);
    while (!kept_) changed_.wait(lock);
  }
  void let_go() {
    const sys::Lock lock(mutex_);
    kept_ = false;
    changed_.notify_all();
  }

 private:
  sys::Mutex mutex_;
  sys::CondVar changed_;
  bool kept_ = false;
};

class OipTurn : public testing::Test {
 protected:
  OipTurn() {
    segments =
        store::open_segment_log({fs, real_clock(), real_executor(), null_log()}, "/p", {}).value();
    log = std::make_unique<WatchedLog>(*segments);
    served = std::make_unique<test::ServingWorld>(*log);
    // Cheap, whatever a run costs here and now: what is dear would be handed to the pool.
    served->serving.table().load()->hold("default", "d")->arms.front().stats->cost_ns =
        -1'000'000'000;
    app = std::make_unique<App>(App{served->serving, *pool, "slipway", "1"});
    std::vector<http::Route> rows = routes(*app);
    http::Route held = http::testing::simple_row("/hold", "");
    held.inline_ = [this](const Ctx&, http::Request&, http::Responder respond) {
      hold.keep();
      std::move(respond)(http::Reply{});
    };
    rows.push_back(std::move(held));
    http::testing::WorldOptions options;
    options.clock = &clock;  // Time stands still, so that no turn ends for being long.
    world = std::make_unique<http::testing::World>(std::move(rows), options);
  }

  static std::string request(const std::string& ref) {
    const std::string body =
        R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1,3],"data":[1,2,3]}]})";
    return concat(
        {"POST /v2/models/d/infer HTTP/1.1\r\nHost: localhost\r\n"
         "Authorization: Bearer good\r\nContent-Type: application/json\r\n"
         "x-slipway-client-ref: ",
         ref, "\r\nContent-Length: ", std::to_string(body.size()), "\r\n\r\n", body});
  }

  // Replies to requests that the loop finds ready all at once.
  std::vector<RawReply> ask_in_one_turn(const std::vector<std::string>& refs) {
    RawClient holder = world->client();
    std::vector<RawClient> clients;
    for (size_t i = 0; i < refs.size(); ++i) clients.push_back(world->client());
    for (RawClient& c : clients) {  // Accepted, and read from.
      c.send("GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n");
      EXPECT_EQ(c.reply().status, 200);
    }
    holder.send("GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n");
    hold.await();
    size_t sent = 0;
    for (size_t i = 0; i < refs.size(); ++i) {
      clients[i].send(request(refs[i]));
      sent += request(refs[i]).size();
    }
    EXPECT_TRUE(world->await_unread(sent));
    hold.let_go();
    std::vector<RawReply> out;
    for (RawClient& c : clients) out.push_back(c.reply());
    EXPECT_EQ(holder.reply().status, 200);
    return out;
  }

  std::map<std::string, serving::PredictionRecord> logged() {
    std::map<std::string, serving::PredictionRecord> out;
    for (const store::LogSegment& s : log->segments())
      log->read(s.number, 0,
                [&](std::string_view r, int64_t) -> Result<bool> {
                  serving::PredictionRecord record = TRY(serving::decode_prediction(r));
                  out[record.id.text()] = std::move(record);
                  return true;
                })
          .value();
    return out;
  }

  sim::SimFs fs{1};
  Hold hold;
  std::unique_ptr<store::SegmentLog> segments;
  std::unique_ptr<WatchedLog> log;
  std::unique_ptr<test::ServingWorld> served;
  std::unique_ptr<Pool> pool = make_pool(real_executor(), real_clock(), {});
  std::unique_ptr<App> app;
  test::FakeClock clock;
  std::unique_ptr<http::testing::World> world;
};

TEST_F(OipTurn, RecordsOfOneTurnShareAWriteAndEachAnswersItsOwn) {
  const std::vector<std::string> refs = {"a", "b", "c", "d", "e"};
  const std::vector<RawReply> replies = ask_in_one_turn(refs);
  const auto records = logged();
  EXPECT_EQ(records.size(), refs.size());
  for (size_t i = 0; i < refs.size(); ++i) {
    EXPECT_EQ(replies[i].status, 200);
    const auto record = records.find(replies[i].header("x-slipway-prediction-id"));
    ASSERT_NE(record, records.end());
    EXPECT_EQ(record->second.client_ref, refs[i]);
    EXPECT_NE(replies[i].body.find("[2,4,6]"), std::string::npos) << replies[i].body;
  }
  EXPECT_EQ(log->take_appends(), std::vector<size_t>{refs.size()});
}

TEST_F(OipTurn, NobodyIsAnsweredWhatTheLogRefused) {
  log->refuse("default");  // In every record.
  for (const RawReply& r : ask_in_one_turn({"a", "b", "c"})) {
    EXPECT_EQ(r.status, 503);
    EXPECT_EQ(r.body.find("outputs"), std::string::npos);
  }
  EXPECT_TRUE(logged().empty());
}

TEST_F(OipTurn, ARecordThatIsRefusedTakesNoOtherWithIt) {
  log->refuse("heavy");
  const std::vector<RawReply> replies = ask_in_one_turn({"a", "heavy", "c"});
  EXPECT_EQ(replies[0].status, 200);
  EXPECT_EQ(replies[1].status, 503);
  EXPECT_EQ(replies[2].status, 200);
  EXPECT_EQ(logged().size(), 2U);
}

TEST_F(OipTurn, PipelinedRequestsAreAnsweredInOrder) {
  RawClient client = world->client();
  client.send(request("1") + request("2") + request("3"));
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i) ids.push_back(client.reply().header("x-slipway-prediction-id"));
  const auto records = logged();
  for (int i = 0; i < 3; ++i) {
    const auto found = records.find(ids[static_cast<size_t>(i)]);
    ASSERT_NE(found, records.end());
    EXPECT_EQ(found->second.client_ref, std::to_string(i + 1));
  }
}

}  // namespace
}  // namespace slip::wire::oip
