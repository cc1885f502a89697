#include "features/quarantine.h"

#include <set>

#include "base/text.h"
#include "features/test_features.h"

namespace slip::features {
namespace {

class QuarantineTest : public FeaturesTest {
 protected:
  Quarantine make(int64_t bytes_max) { return Quarantine({db(), *events, clock, bytes_max}); }
  // `n` rows of 100 bytes each, the first one the oldest.
  std::vector<Quarantined> rows(int n) {
    std::vector<Quarantined> out;
    for (int i = 0; i < n; ++i, ++made_)
      out.push_back({"u" + std::to_string(kUids - made_), clock.now_ms() + made_, "why",
                     std::string(97, 'x')});
    return out;
  }
  std::set<int64_t> left(Quarantine& q, const std::string& source = "txn") {
    std::set<int64_t> out;
    for (const Quarantined& one : q.list(ctx, source, "", 1000).value())
      out.insert(kUids - std::stoll(one.uid.substr(1)));
    return out;
  }
  std::vector<int64_t> told() {
    std::vector<int64_t> out;
    while (events->number_pending().value() == ledger::kNumberedAtOnce) {}
    for (const ledger::Event& e : events->list({}).value())
      if (e.verb == "feature_quarantine.dropped") out.push_back(e.seq);
    return out;
  }

  static constexpr int64_t kUids = 5000;  // The number of the row that was made first.

 private:
  int made_ = 0;
};
SLIP_EVERY_DB(QuarantineTest);

TEST_P(QuarantineTest, TheOldestGoWhenThereIsNoRoom) {
  Quarantine q = make(500);
  q.keep(ctx, "txn", rows(5)).value();
  EXPECT_EQ(left(q).size(), 5u);
  EXPECT_TRUE(q.dropped().empty());
  EXPECT_TRUE(told().empty());
  q.keep(ctx, "txn", rows(2)).value();
  EXPECT_EQ(left(q), (std::set<int64_t>{2, 3, 4, 5, 6}));
  EXPECT_EQ((q.dropped()[{"default", "txn"}]), 2);
  EXPECT_EQ(told().size(), 1u);
  q.keep(ctx, "txn", rows(1)).value();  // Told with the next, a minute later.
  EXPECT_EQ(told().size(), 1u);
  clock.advance_ms(61'000);
  q.keep(ctx, "txn", rows(1)).value();
  EXPECT_EQ((q.dropped()[{"default", "txn"}]), 4);
  EXPECT_EQ(told().size(), 2u);
  // Another source has room of its own.
  q.keep(ctx, "other", rows(5)).value();
  EXPECT_EQ(left(q, "other").size(), 5u);
  EXPECT_EQ(left(q).size(), 5u);
}

TEST_P(QuarantineTest, WhatLeavesMakesRoom) {
  Quarantine q = make(500);
  const std::vector<Quarantined> some = rows(5);
  q.keep(ctx, "txn", some).value();
  q.keep(ctx, "txn", some).value();  // They are there.
  EXPECT_EQ(left(q).size(), 5u);
  EXPECT_EQ(q.release(ctx, "txn", {some[0].uid, some[1].uid, "nope"}).value(), 2);
  EXPECT_EQ(q.release(ctx, "txn", {some[0].uid}).value(), 0);
  q.keep(ctx, "txn", rows(2)).value();
  EXPECT_EQ(left(q).size(), 5u);
  EXPECT_TRUE(q.dropped().empty());
}

TEST_P(QuarantineTest, ManyAtOnceAndMoreThanFit) {
  Quarantine q = make(30'000);
  q.keep(ctx, "txn", rows(950)).value();
  EXPECT_EQ(left(q).size(), 300u);
  EXPECT_EQ((q.dropped()[{"default", "txn"}]), 650);
  Quarantine none = make(10);
  none.keep(ctx, "other", rows(3)).value();
  EXPECT_TRUE(left(none, "other").empty());
}

TEST_P(QuarantineTest, RowsOfALoadAreThereWithItOrNotAtAll) {
  Quarantine q = make(500);
  const std::vector<Quarantined> before = rows(3);
  q.keep(ctx, "txn", before).value();
  const auto lying = [&] {
    int64_t n = 0;
    db().read([&](store::Tx& tx) -> Status {
          TRY(tx.first("SELECT COUNT(*) FROM feature_quarantine", {},
                       [&](const store::Row& row) { n = row.i64(0); }));
          return {};
        })
        .value();
    return n;
  };
  {
    QuarantineLoad failed(q, ctx, "txn", "one");
    failed.add(rows(2)).value();
    EXPECT_EQ(left(q).size(), 3u);
    EXPECT_EQ(q.release(ctx, "txn", {"u4997"}).value(), 0);  // It isn't there.
    EXPECT_EQ(lying(), 5);
  }
  EXPECT_EQ(lying(), 3);
  QuarantineLoad load(q, ctx, "txn", "two");
  for (int i = 0; i < 100; ++i) {
    load.add(rows(20)).value();
    ASSERT_LE(lying(), 3 + 5);  // However many there are, and before the end.
  }
  EXPECT_EQ(left(q).size(), 3u);
  EXPECT_TRUE(told().empty());
  db().write([&](store::Tx& tx) { return load.publish(tx); }).value();
  load.published().value();
  EXPECT_EQ(left(q), (std::set<int64_t>{2000, 2001, 2002, 2003, 2004}));
  EXPECT_EQ(load.rows(), 2000);
  EXPECT_EQ((q.dropped()[{"default", "txn"}]), 1995 + 3);
  EXPECT_EQ(told().size(), 1u);
  q.keep(ctx, "txn", rows(1)).value();  // The tally is right.
  EXPECT_EQ(left(q).size(), 5u);
}

// A file whose second half can't be read; `between` comes before that.
class Broken final : public codec::TableReader {
 public:
  Broken(std::string text, std::function<void()> between)
      : source_(codec::text_source(std::move(text))),
        rows_(codec::open_table(codec::Format::kCsv, *source_).value()),
        between_(std::move(between)) {}
  const std::vector<codec::Field>& schema() const override { return rows_->schema(); }
  Result<std::optional<codec::Table>> next() override {
    if (std::exchange(read_, true)) {
      between_();
      return unavailable("test.broken", "no more can be read");
    }
    return rows_->next();
  }

 private:
  std::unique_ptr<codec::ByteSource> source_;
  std::unique_ptr<codec::TableReader> rows_;
  std::function<void()> between_;
  bool read_ = false;
};

TEST_P(QuarantineTest, WhatALoadHasLeftGoesAtTheNextStart) {
  define(R"yaml(
kind: DataContract
apiVersion: v3.1.0
id: sane
version: 1.0.0
status: active
schema:
  - name: txn
    properties:
      - name: amount
        logicalType: integer
        logicalTypeOptions: {maximum: 20}
        customProperties: [{property: slipway.onViolation, value: quarantine}]
---
kind: Source
name: txn
columns: {user_id: int64, amount: int64}
event_time: ts
contract: sane#txn
)yaml");
  const auto lying = [&](std::string_view where) {
    int64_t n = 0;
    db().read([&](store::Tx& tx) -> Status {
          TRY(tx.first(concat({"SELECT COUNT(*) FROM feature_quarantine WHERE ", where}), {},
                       [&](const store::Row& row) { n = row.i64(0); }));
          return {};
        })
        .value();
    return n;
  };
  Features::Loading loading{.source = "txn", .to = To::kOffline};
  Broken broken("user_id,amount,ts\n1,99,2026-01-01T00:00:00Z\n1,1,2026-01-01T00:00:00Z\n", [&] {
    EXPECT_EQ(lying("load_uid <> ''"), 1);
    EXPECT_TRUE(features->quarantine().list(ctx, "txn", "", 9).value().empty());
    db().write([&](store::Tx& tx) -> Status {  // As what another process had left.
          TRY(tx.exec("UPDATE feature_quarantine SET load_uid = 'dead'", {}));
          return {};
        })
        .value();
  });
  EXPECT_FALSE(features->load(ctx, loading, broken).ok());
  EXPECT_EQ(lying("1 = 1"), 1);
  open();
  EXPECT_EQ(lying("1 = 1"), 0);
  const auto whole = codec::text_source("user_id,amount,ts\n1,99,2026-01-01T00:00:00Z\n");
  const auto rows_of = codec::open_table(codec::Format::kCsv, *whole).value();
  EXPECT_EQ(features->load(ctx, loading, *rows_of).value().quarantined, 1);
  EXPECT_EQ(features->quarantine().list(ctx, "txn", "", 9).value().size(), 1u);
}

TEST_P(QuarantineTest, AnErasureTakesWhatMayBeTheEntitys) {
  Quarantine q = make(1 << 20);
  const auto one = [](const char* uid, const char* record) {
    return Quarantined{uid, 1, "why", record};
  };
  q.keep(ctx, "txn",
         {one("a", R"({"user_id":7})"), one("b", R"({"user_id":8,"n":7})"),
          one("c", R"({"_text":"{\"user\": 7"})"), one("d", R"({"_text":"17"})")})
      .value();
  q.keep(ctx, "places", {one("a", R"({"_text":"7"})")}).value();
  const Erasing what{.keys = {{"user_id", codec::Json(7)}}, .reason = "", .dry_run = false};
  const auto may = [](const std::string& source) { return source == "txn"; };
  EXPECT_EQ(q.erase("default", what, may).value(), 2);
  std::string uids;
  for (const Quarantined& r : q.list(ctx, "txn", "", 9).value()) uids += r.uid;
  EXPECT_EQ(uids, "bd");
  EXPECT_EQ(q.list(ctx, "places", "", 9).value().size(), 1u);
  EXPECT_EQ(q.erase("other", what, may).value(), 0);
}

TEST(QuarantineMatchTest, TooMuchRatherThanTooLittle) {
  using codec::Json;
  struct Case {
    const char* record;
    bool seven;  // user_id = 7
    bool town;   // user_id = "Köln"
  };
  const Case cases[] = {
      {R"({"user_id":7})", true, false},
      {R"({"user_id":7.0})", true, false},
      {R"({"user_id":8,"note":"7"})", false, false},
      {R"({"user_id":"7"})", true, false},     // Of another type than it should be.
      {R"({"user_id":"007"})", true, false},   //
      {R"({"user_id":"77"})", false, false},   //
      {R"({"user_id":"Köln"})", false, true},  //
      {R"({"user_id":"Bonn","n":"Köln"})", false, false},
      {R"({"user_id":[7],"n":null})", true, false},
      {R"({"user_id":{"id":"KÖLN köln"}})", false, true},
      {R"({"user_id":null,"n":"user 7"})", true, false},
      {R"({"amount":7})", true, false},  // The key is missing.
      {R"({"amount":70})", false, false},
      {R"({"_kafka":{"offset":7},"_text":"no"})", false, false},
      {R"({"_kafka":{"offset":1},"_text":"{\"user\":7,"})", true, false},
      {R"({"_text":"a,7.5,b"})", true, false},
      {R"({"_text":"1070"})", false, false},
      {R"({"_text":"{\"u\": \"K\\u00F6ln\""})", false, true},
      {R"({"_text":"köln"})", false, true},
      {R"({"_base64":"AAEC"})", true, true},  // No text: nobody knows.
      {R"(not json 7)", true, false},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(may_concern(c.record, {.keys = {{"user_id", Json(7)}}, .reason = ""}), c.seven)
        << c.record;
    EXPECT_EQ(may_concern(c.record, {.keys = {{"user_id", Json("Köln")}}, .reason = ""}), c.town)
        << c.record;
  }
  // Both keys of an entity, wherever they are.
  const Erasing pair{.keys = {{"user_id", Json(7)}, {"zone", Json("ab")}}, .reason = ""};
  EXPECT_TRUE(may_concern(R"({"_text":"7 in AB"})", pair));
  EXPECT_TRUE(may_concern(R"({"user_id":7,"zone":null,"n":"xaby"})", pair));
  EXPECT_FALSE(may_concern(R"({"user_id":7,"zone":"b"})", pair));
  EXPECT_FALSE(may_concern(R"({"_text":"7"})", pair));
}

}  // namespace
}  // namespace slip::features
