#include "features/verify.h"

#include "features/test_features.h"
#include "test/gen/dice.h"

namespace slip::features {
namespace {

constexpr std::string_view kLogged = R"yaml(
kind: FeatureService
name: logged
features: ["last_txn:*", "spend:*", "ratio:share"]
log: {sample_by_key: 1}
)yaml";

class VerifyTest : public FeaturesTest {
 protected:
  void SetUp() override {
    FeaturesTest::SetUp();
    define();
    define(kLogged);
  }
  OnlineReply serve(const std::vector<int64_t>& users) {
    OnlineReply out;
    features->serve(ctx, plan("logged"), request(users), &out).value();
    return out;
  }
  VerifyReport verify() { return features->verify(ctx, {.service = "logged"}).value(); }
  static int64_t count(const VerifyReport& report, Cause cause) {
    int64_t n = 0;
    for (const FeatureParity& f : report.features)
      if (const auto found = f.differ.find(cause); found != f.differ.end()) n += found->second;
    return n;
  }
};
SLIP_EVERY_DB(VerifyTest);

// Rows late, of the future, deleted, to one store alone and materialised between, over restarts:
// what was served is what a replay says could be served, to the bit.
TEST_P(VerifyTest, EveryServedVectorIsReplayed) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    gen::Dice dice = gen::Dice::seeded(seed);
    for (int i = 0; i < 60; ++i) {
      clock.advance_ms(dice.between(1, 400'000));
      std::vector<Txn> rows;
      for (int64_t n = dice.between(0, 3); n > 0; --n) {
        Txn& row = rows.emplace_back();
        row.user = dice.between(1, 3);
        row.ts_us = clock.now_us() - dice.between(-2, 90) * kMinute;
        if (!dice.one_in(6)) row.amount = (dice.unit() - 0.2) * 1e3;
        row.deleted = dice.one_in(9);
      }
      if (!rows.empty())
        push(rows, dice.one_in(5) ? To::kOffline : dice.one_in(5) ? To::kOnline : To::kBoth);
      if (dice.one_in(12)) {
        clock.advance_ms(1);
        features->materialize(ctx, {.views = {}, .start_us = {}, .end_us = clock.now_us()}).value();
      }
      if (dice.one_in(20)) features->history().rotate().value();
      if (dice.one_in(20)) features->tidy().value();
      if (dice.one_in(30)) open();
      clock.advance_ms(1);
      serve({dice.between(1, 4), dice.between(1, 4)});
    }
  }
  const VerifyReport report = verify();
  EXPECT_EQ(report.vectors, 4 * 60 * 2);
  EXPECT_EQ(report.unsettled, 0);
  EXPECT_EQ(report.values, report.vectors * 8);
  EXPECT_EQ(report.broken, 0) << (report.examples.empty() ? "" : report.examples[0].feature);
  EXPECT_GT(count(report, Cause::kOneSided), 0);
  EXPECT_EQ(report.equal + count(report, Cause::kOneSided), report.values);
}

TEST_P(VerifyTest, AWrongValueIsToldWithItsEntity) {
  clock.advance_ms(1);
  push({{.ts_us = kStart - kMinute, .amount = 5.0}});
  serve({1});
  ServedVector wrong;
  log_visit([&](const ServedVector& v) { wrong = v; });
  wrong.values[0] = 5.000000000000001;
  const std::string record = encode_served(wrong);
  const std::string_view one = record;
  served_log->append(std::span(&one, 1), store::LogAck::kKernel).value();
  const VerifyReport report = verify();
  EXPECT_EQ(report.vectors, 2);
  EXPECT_EQ(report.broken, 1);
  EXPECT_EQ(count(report, Cause::kUnexplained), 1);
  ASSERT_EQ(report.examples.size(), 1u);
  EXPECT_EQ(report.examples[0].feature, "amount");
  EXPECT_EQ(report.examples[0].replayed, Cell(5.0));
  EXPECT_EQ(report.examples[0].keys[0].second, Cell(int64_t{1}));
}

TEST_P(VerifyTest, CausesAreTold) {
  push({{.ts_us = kStart - kMinute, .amount = 5.0}});
  clock.advance_ms(1000);
  serve({1});
  ServedVector base;
  log_visit([&](const ServedVector& v) { base = v; });
  const auto log_as = [&](const std::function<void(ServedVector&)>& spoil) {
    ServedVector v = base;
    spoil(v);
    const std::string record = encode_served(v);
    const std::string_view one = record;
    served_log->append(std::span(&one, 1), store::LogAck::kKernel).value();
  };
  // Served before the row had been applied though it had been stamped.
  log_as([](ServedVector& v) {
    v.applied_seq = 0;
    for (Cell& cell : v.values) cell = Cell();
    v.values.back() = 0.0;
  });
  log_as([](ServedVector& v) { v.settled = false; });
  log_as([](ServedVector& v) { v.shape += 1; });
  log_as([](ServedVector& v) {
    v.engine += 1;
    v.values[0] = 6.0;
  });
  log_as([](ServedVector& v) {  // Two hours later and still served.
    v.served_us += 120 * kMinute;
    for (size_t i = 3; i < v.values.size(); ++i) v.values[i] = Cell();
    v.values[5] = int64_t{0};
    v.values[6] = std::vector<std::string>();
    v.values.back() = 0.0;
  });
  const VerifyReport report = verify();
  EXPECT_EQ(report.vectors, 4);
  EXPECT_EQ(report.unsettled, 1);
  EXPECT_EQ(report.redefined, 1);
  EXPECT_GT(count(report, Cause::kInFlight), 0);
  EXPECT_EQ(count(report, Cause::kEngine), 1);
  EXPECT_EQ(count(report, Cause::kTtl), 3);
}

TEST_P(VerifyTest, SamplesByKey) {
  define(
      "kind: FeatureService\nname: logged\nfeatures: [\"last_txn:amount\"]\n"
      "log: {sample_by_key: 0.25}\n");
  std::vector<int64_t> users;
  for (int64_t u = 0; u < 2000; ++u) users.push_back(u);
  serve(users);
  serve(users);
  std::map<int64_t, int> seen;
  log_visit([&](const ServedVector& v) { ++seen[std::get<int64_t>(v.keys[0])]; });
  EXPECT_GT(seen.size(), 400u);
  EXPECT_LT(seen.size(), 600u);
  for (const auto& [user, n] : seen) EXPECT_EQ(n, 2) << user;
}

TEST_P(VerifyTest, DamagedRecordsAreRefused) {
  push({{.ts_us = kStart - kMinute, .amount = 5.0, .merchant = "abc"}});
  serve({1});
  std::string record;
  log_visit([&](const ServedVector& v) { record = encode_served(v); });
  for (size_t n = 0; n < record.size(); ++n)
    EXPECT_FALSE(decode_served(std::string_view(record).substr(0, n)).ok()) << n;
  EXPECT_EQ(encode_served(decode_served(record).value()), record);
  EXPECT_FALSE(decode_served(record + "x").ok());
}

}  // namespace
}  // namespace slip::features
