#include <cmath>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "base/budget.h"
#include "base/error_map.h"
#include "base/guard.h"
#include "base/result.h"
#include "base/snapshot.h"
#include "base/text.h"
#include "base/uuid.h"

namespace slip {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return invalid("half.odd", "odd");
  return n / 2;
}
Result<std::vector<int>> pair_of(int n) { return std::vector<int>{n, n}; }

Result<int> quarter(int n) { return TRY(half(TRY(half(n)))); }
Result<std::unique_ptr<int>> boxed(int n) { return std::make_unique<int>(TRY(half(n))); }
Status only_even(int n) {
  TRY(half(n));
  return {};
}

TEST(Result, TryUnwrapsNestsAndReturnsEarly) {
  EXPECT_EQ(quarter(8).value(), 2);
  EXPECT_EQ(quarter(6).error().reason, "half.odd");
  EXPECT_EQ(*boxed(8).value(), 4);  // Move-only values pass through.
  EXPECT_TRUE(only_even(2).ok());
  EXPECT_FALSE(only_even(3).ok());
}

TEST(Result, ValueOfATemporaryDoesNotDangleInRangeFor) {
  int sum = 0;
  for (const int n : pair_of(21).value()) sum += n;
  EXPECT_EQ(sum, 42);
}

TEST(Result, ErrorsGainContextOncePerLayer) {
  const Error e = not_found("model.not_found", "no model `x`").within("promote");
  EXPECT_EQ(e.text, "promote: no model `x`");
  EXPECT_EQ(e.reason, "model.not_found");
}

TEST(ResultDeathTest, ReadingTheWrongSideIsOurBug) {
  EXPECT_DEATH((void)half(1).value(), "check failed");
  EXPECT_DEATH((void)half(2).error(), "check failed");
}

TEST(Guard, TurnsExceptionsIntoErrors) {
  const Result<int> bad =
      guarded(Code::kInvalid, "lib.threw", []() -> int { throw std::runtime_error("broken"); });
  EXPECT_EQ(bad.error().reason, "lib.threw");
  EXPECT_EQ(bad.error().text, "broken");
  EXPECT_EQ(guarded(Code::kInvalid, "lib.threw", [] { return 3; }).value(), 3);
}

TEST(ErrorMap, EveryCodeHasItsRow) {
  std::set<std::string_view> names;
  for (int i = 0; i < kCodeCount; ++i) {
    const CodeRow& row = code_row(static_cast<Code>(i));
    EXPECT_TRUE(names.insert(row.name).second);
    EXPECT_GE(row.http_status, 400);
    EXPECT_NE(row.cli_exit, 0);
  }
}

TEST(Uuid, Version7SortsByTimeAndRoundTrips) {
  const Uuid a = make_uuid7(1'700'000'000'000, 0xfff, UINT64_MAX);
  const Uuid b = make_uuid7(1'700'000'000'001, 0, 0);
  EXPECT_LT(a, b);
  EXPECT_LT(a.text(), b.text());
  EXPECT_EQ(a.unix_ms(), 1'700'000'000'000);
  EXPECT_EQ(a.text()[14], '7');
  EXPECT_EQ(parse_uuid(a.text()).value(), a);
  EXPECT_EQ(parse_uuid(a.hex()).value(), a);
  EXPECT_EQ(make_uuid4(1, 2).text()[14], '4');
  for (const char* bad :
       {"", "x", "0191", "0191f00000000000000000000000000g", "0191f000-0000-7000-8000-00000000000",
        "0191f00000007-000-8000-000000000000"})
    EXPECT_EQ(parse_uuid(bad).error().reason, "uuid.syntax") << bad;
}

TEST(Text, EncodingsRoundTripAndRefuseGarbage) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    bytes.push_back(static_cast<char>(i * 7));
    EXPECT_EQ(from_hex(to_hex(bytes)), bytes);
    EXPECT_EQ(from_base64(to_base64(bytes)), bytes);
    EXPECT_EQ(percent_decode(percent_encode(bytes), true), bytes);
  }
  EXPECT_EQ(to_base64("ab"), "YWI=");
  EXPECT_EQ(from_base64("_-8"), "\xff\xef");
  EXPECT_FALSE(from_base64("a"));
  EXPECT_FALSE(from_base64("a*bc"));
  EXPECT_FALSE(from_hex("abc"));
  EXPECT_FALSE(percent_decode("%4", false));
  EXPECT_FALSE(percent_decode("%zz", false));
  EXPECT_EQ(percent_decode("a+b%2B", true), "a b+");
}

TEST(Text, Utf8IsCheckedByTheBook) {
  struct Case {
    const char* name;
    std::string bytes;
    bool good;
  };
  const Case cases[] = {
      {"ascii", "abc", true},
      {"two, three and four bytes", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", true},
      {"overlong slash", "\xc0\xaf", false},
      {"overlong three", "\xe0\x80\xaf", false},
      {"surrogate", "\xed\xa0\x80", false},
      {"beyond the last plane", "\xf4\x90\x80\x80", false},
      {"cut", "\xe2\x82", false},
      {"lonely tail", "\x80", false},
  };
  for (const Case& c : cases) EXPECT_EQ(is_utf8(c.bytes), c.good) << c.name;
  EXPECT_EQ(utf8_length("\xc3\xa9x"), 2U);
  EXPECT_EQ(utf8_prefix("\xc3\xa9xy", 2), "\xc3\xa9x");
}

TEST(Text, NumbersReadBackExactly) {
  for (const double d : {0.1, 1e300, -2.5e-308, 3.0, 1.0 / 3}) {
    EXPECT_EQ(parse_double(format_double(d)), d);
  }
  EXPECT_EQ(format_float(0.1F), "0.1");
  EXPECT_EQ(format_double(HUGE_VAL), "Infinity");
  EXPECT_FALSE(parse_double("inf"));
  EXPECT_FALSE(parse_double("1x"));
  EXPECT_FALSE(parse_double(""));
  EXPECT_EQ(parse_int("-12"), -12);
  EXPECT_FALSE(parse_int("9223372036854775808"));
  EXPECT_FALSE(parse_int(" 1"));
}

TEST(Text, SizesAndTimes) {
  EXPECT_EQ(parse_size("64MiB"), 64 << 20);
  EXPECT_EQ(parse_size("1.5 GB"), 1'500'000'000);
  EXPECT_EQ(parse_size("12"), 12);
  EXPECT_FALSE(parse_size("12 parsecs"));
  EXPECT_FALSE(parse_size("-1"));
  EXPECT_EQ(format_size(64 << 20), "64 MiB");
  EXPECT_EQ(format_time_ms(951'782'400'123), "2000-02-29T00:00:00.123Z");
}

TEST(Text, EditDistanceCountsSwapsOnce) {
  EXPECT_EQ(edit_distance("serve", "serve"), 0U);
  EXPECT_EQ(edit_distance("sevre", "serve"), 1U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
}

TEST(Budget, RefusesWhatDoesNotFitAndTakesBackWhatWasHeld) {
  Budget budget(1000);
  const int64_t limit = budget.limit(Share::kBodies);
  {
    const Budget::Lease all = budget.reserve(Share::kBodies, limit).value();
    EXPECT_EQ(budget.reserve(Share::kBodies, 1).error().reason, "memory.share_full");
    EXPECT_TRUE(budget.reserve(Share::kModels, 1).ok());
  }
  EXPECT_EQ(budget.used(Share::kBodies), 0);
  Budget::Lease a = budget.reserve(Share::kBodies, 10).value();
  a = budget.reserve(Share::kBodies, 20).value();
  EXPECT_EQ(budget.used(Share::kBodies), 20);
}

TEST(Snapshot, ReadersSeeWholeValuesOnly) {
  struct Pair {
    int a = 0;
    int b = 0;
  };
  Snapshot<Pair> snapshot(std::make_shared<Pair>());
  std::thread writer([&] {
    for (int i = 1; i <= 2000; ++i) snapshot.publish(std::make_shared<Pair>(Pair{i, -i}));
  });
  Snapshot<Pair>::Reader reader(snapshot);
  int last = 0;
  while (last < 2000) {
    const Pair& p = reader.get();
    ASSERT_EQ(p.a, -p.b);
    ASSERT_GE(p.a, last);
    last = p.a;
  }
  writer.join();
}

TEST(Text, TimesAsTheyAreWritten) {
  struct Case {
    const char* text;
    std::optional<int64_t> ms;
  };
  const Case cases[] = {{"1970-01-01", 0},
                        {"2026-11-23T05:53:00.123Z", 1795413180123},
                        {"2026-11-23T05:53:00Z", 1795413180000},
                        {"2026-11-23T05:53", 1795413180000},
                        {"2026-11-23 05:53", 1795413180000},
                        {"1795413180123", 1795413180123},
                        {"2026-02-30", {}},
                        {"2026-11-23T24:00", {}},
                        {"2026-11-23T05", {}},
                        {"2026-11-23T05:53:00+02:00", {}},
                        {"yesterday", {}},
                        {"", {}}};
  for (const Case& c : cases) EXPECT_EQ(parse_time_ms(c.text), c.ms) << c.text;
  EXPECT_EQ(parse_time_ms(format_time_ms(1795413180123)), 1795413180123);
}

}  // namespace
}  // namespace slip
