#include "features/history_owner.h"

#include "features/history_store.h"
#include "features/intake.h"
#include "features/test_features.h"

namespace slip::features {
namespace {

// A server with a data directory of its own, on a database that others have too.
class Server {
 public:
  Server(store::Db& db, test::FakeClock& clock, std::string uid)
      : db_(db), clock_(clock), uid_(std::move(uid)) {}
  // `notes_whose` false: as a version that didn't.
  void open(bool notes_whose = true, std::string taken_from = "") {
    features.reset();
    log.reset();
    served_.reset();
    owner = std::make_unique<HistoryOwner>(db_, clock_, StreamOwner{uid_, "/data/" + uid_},
                                           std::move(taken_from));
    events_ = std::make_unique<ledger::Ledger>(ledger::Ledger::Deps{db_, clock_, real_rng()});
    log = store::open_segment_log({fs_, clock_, real_executor(), null_log()}, "/arrivals",
                                  {.segment_bytes = 1 << 14})
              .value();
    served_ =
        store::open_segment_log({fs_, clock_, real_executor(), null_log()}, "/served", {}).value();
    features = std::make_unique<Features>(Features::Deps{
        db_, *events_, blobs_, *log, *served_, fs_, clock_, real_rng(), null_log(), "/features",
        nullptr, false, nullptr, kQuarantineBytes, notes_whose ? owner.get() : nullptr});
    features->open().value();
  }
  // What it has taken lies in segments, and no more in its log.
  void archive() {
    features->history().rotate().value();
    features->snapshot().value();
    features->tidy().value();
  }
  size_t records() {
    size_t n = 0;
    for (const store::LogSegment& s : log->segments())
      log->read(s.number, 0,
                [&](std::string_view, int64_t) -> Result<bool> {
                  ++n;
                  return true;
                })
          .value();
    return n;
  }

  std::unique_ptr<HistoryOwner> owner;
  std::unique_ptr<store::SegmentLog> log;
  std::unique_ptr<Features> features;

 private:
  store::Db& db_;
  test::FakeClock& clock_;
  const std::string uid_;
  sim::SimFs fs_{3};
  test::MemBlobs blobs_;
  std::unique_ptr<ledger::Ledger> events_;
  std::unique_ptr<store::SegmentLog> served_;
};

class HistoryOwnerTest : public FeaturesTest {
 protected:
  Features::Pushed push_to(Server& to, int64_t user, double amount) {
    return to.features
        ->push(ctx, batch_of({{.user = user, .ts_us = kStart - kMinute, .amount = amount}}))
        .value();
  }
  std::string refusal(Server& at) {
    const auto done = at.features->push(ctx, batch_of({{.ts_us = kStart, .amount = 1.0}}));
    return done.ok() ? "" : done.error().reason;
  }
  int64_t rows_of(Server& at) {
    return at.features->history().read({.project = "default", .source = "txn"}).value().rows();
  }

  Server one{db(), clock, "one"};
  Server two{db(), clock, "two"};
};
// The fixture's own store has defined them, and is the one that knows their columns.
SLIP_EVERY_DB(HistoryOwnerTest);

TEST_P(HistoryOwnerTest, OneServerKeepsAllRows) {
  define();
  one.open();
  two.open();  // Nothing is there yet: it is nobody's.
  push_to(one, 1, 5.0);
  EXPECT_EQ(refusal(two), "feature.history_owner");
  EXPECT_EQ(refusal(one), "");
  two.open();
  const std::string kTaken = "feature.history_owner";
  const auto pushed = two.features->push(ctx, batch_of({{.ts_us = kStart, .amount = 1.0}}));
  EXPECT_NE(pushed.error().text.find("/data/one"), std::string::npos);
  EXPECT_NE(pushed.error().hint.find("--take-features-from one"), std::string::npos);
  Intake messages;
  messages.source = "txn";
  EXPECT_EQ(two.features->take_in(ctx, messages).error().reason, kTaken);
  EXPECT_EQ(two.features->materialize(ctx, {}).error().reason, kTaken);
  EXPECT_EQ(two.features->apply(ctx, {}).error().reason, kTaken);
  EXPECT_EQ(two.features->remove(ctx, Kind::kService, "fraud").error().reason, kTaken);
  Erasing what;
  what.keys.emplace_back("user_id", codec::Json(1));
  EXPECT_EQ(two.features->erase(ctx, what).error().reason, kTaken);
  RequestColumns r = request({1});
  const ReadPlan p =
      plan_service(*two.features->catalog().shelf("default"), "fraud", 0, false).value();
  OnlineReply out;  // Not: there is no such entity.
  EXPECT_EQ(two.features->read(p, r, {}, &out).error().reason, kTaken);
  EXPECT_EQ(two.features->join("default", p, r, {kStart}, {}).error().reason, kTaken);
  EXPECT_EQ(two.features->retain().value(), 0);
  // Definitions come by themselves.
  one.features->remove(ctx, Kind::kService, "fraud").value();
  two.features->tidy().value();
  EXPECT_FALSE(plan_service(*two.features->catalog().shelf("default"), "fraud", 0, false).ok());
}

// Two servers whose versions didn't note it have both taken rows: nothing of them is lost.
TEST_P(HistoryOwnerTest, RowsOfASecondOneStayInItsLog) {
  define();
  two.open(false);
  push_to(two, 2, 2.0);
  two.features->history().rotate().value();
  push_to(two, 2, 3.0);
  EXPECT_EQ(two.records(), 2u);
  one.open(false);
  for (int i = 0; i < 3; ++i) push_to(one, 1, 1.0 + i);
  one.open();  // Has rows here, and is the first.
  EXPECT_EQ(one.owner->whose(), HistoryOwner::Whose::kOurs);
  two.open();
  EXPECT_EQ(two.owner->whose(), HistoryOwner::Whose::kOthers);
  // Parts of both logs have the same number; the first one's is in the manifest.
  db().write([&](store::Tx& tx) { return sql::insert_archived(tx, 1, 1); }).value();
  two.features->snapshot().value();
  two.features->tidy().value();
  EXPECT_EQ(two.records(), 2u);
}

TEST_P(HistoryOwnerTest, WhoeverHasTheRowsHasItAfterAnUpgrade) {
  define();
  one.open(false);
  push_to(one, 1, 5.0);
  one.archive();
  EXPECT_EQ(one.records(), 0u);
  two.open();  // First, and it has nothing of it.
  EXPECT_EQ(refusal(two), "feature.history_owner");
  one.open();
  EXPECT_EQ(refusal(one), "");
  two.features->tidy().value();
  EXPECT_NE(two.owner->check().error().text.find("/data/one"), std::string::npos);
}

TEST_P(HistoryOwnerTest, ItIsHandedOverByHand) {
  define();
  one.open();
  for (int i = 0; i < 20; ++i) push_to(one, 1, i);
  one.archive();
  const int64_t last = one.features->applied_seq();
  StreamMark mark;
  mark.topic = "t";
  db().write([&](store::Tx& tx) { return sql::put_mark(tx, "default", "txn", last + 7, mark); })
      .value();
  two.open(true, "another");  // Not whose it is.
  EXPECT_EQ(two.owner->whose(), HistoryOwner::Whose::kOthers);
  EXPECT_EQ(rows_of(two), 20);
  two.open(true, "one");
  EXPECT_EQ(two.owner->whose(), HistoryOwner::Whose::kOurs);
  EXPECT_EQ(two.owner->lost_rows(), 20);
  EXPECT_EQ(rows_of(two), 0);
  // Numbers go on beyond all that the first one gave: what it said is older.
  EXPECT_GT(push_to(two, 1, 1.0).first_seq, last + 7);
  one.features->tidy().value();  // It notices.
  EXPECT_EQ(refusal(one), "feature.history_owner");
  two.open(true, "one");  // Which says nothing any more.
  EXPECT_EQ(rows_of(two), 1);
  EXPECT_EQ(two.owner->lost_rows(), 0);
  // Alone with its database there is nobody to ask.
  HistoryOwner only(db(), clock, {}, "");
  only.open([]() -> Result<bool> { return false; }).value();
  EXPECT_TRUE(only.claim().ok());
}

}  // namespace
}  // namespace slip::features
