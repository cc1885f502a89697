#include "engine/expr/zone.h"

#include <gtest/gtest.h>

#include "engine/expr/civil.h"
#include "engine/expr/expr.h"

namespace slip::engine::expr {
namespace {

void put(std::string* out, int64_t v, int bytes) {
  for (int i = bytes; i-- > 0;)
    *out += static_cast<char>(static_cast<uint64_t>(v) >> (8 * i) & 0xff);
}

// A TZif file of version 2: changes of 2023 as data, the years after by the footer.
std::string berlin(std::string_view footer = "CET-1CEST,M3.5.0,M10.5.0/3") {
  std::string header = "TZif2" + std::string(15, '\0');
  std::string out = header;
  for (const int count : {0, 0, 0, 0, 1, 1}) put(&out, count, 4);
  out += std::string(7, '\0');  // One type, one byte of name.
  out += header;
  for (const int count : {0, 0, 0, 2, 2, 1}) put(&out, count, 4);
  put(&out, 1679792400, 8);  // 2023-03-26T01:00:00Z
  put(&out, 1698541200, 8);  // 2023-10-29T01:00:00Z
  out += std::string("\1\0", 2);
  put(&out, 3600, 4);
  out += std::string("\0\0", 2);
  put(&out, 7200, 4);
  out += std::string("\1\0", 2);
  out += '\0';
  return out + "\n" + std::string(footer) + "\n";
}

int64_t s(std::string_view text) { return *parse_stamp(text) / kSecondUs; }

TEST(Zone, ReadsDataAndFooter) {
  const auto zone = Zone::from_tzif(berlin());
  ASSERT_TRUE(zone.ok());
  EXPECT_EQ(zone->offset_at(s("2023-01-01")), 3600);
  EXPECT_EQ(zone->offset_at(s("2023-03-26T00:59:59Z")), 3600);
  EXPECT_EQ(zone->offset_at(s("2023-03-26T01:00:00Z")), 7200);
  EXPECT_EQ(zone->offset_at(s("2031-03-30T00:59:59Z")), 3600);
  EXPECT_EQ(zone->offset_at(s("2031-03-30T01:00:00Z")), 7200);
  EXPECT_EQ(zone->offset_at(s("2031-10-26T00:59:59Z")), 7200);
  EXPECT_EQ(zone->offset_at(s("2031-10-26T01:00:00Z")), 3600);
}

TEST(Zone, GapsAndFolds) {
  const auto zone = Zone::from_tzif(berlin());
  ASSERT_TRUE(zone.ok());
  for (const char* year : {"2023", "2024"}) {
    const std::string spring = std::string(year) == "2023" ? "-03-26" : "-03-31";
    const std::string autumn = std::string(year) == "2023" ? "-10-29" : "-10-27";
    // 02:30 doesn't exist: the clock goes on as if it hadn't been set, to 03:30 summer time.
    EXPECT_EQ(zone->to_utc(s(year + spring + "T02:30:00Z")), s(year + spring + "T01:30:00Z"));
    EXPECT_EQ(zone->to_utc(s(year + spring + "T03:30:00Z")), s(year + spring + "T01:30:00Z"));
    // 02:30 is there twice: the first.
    EXPECT_EQ(zone->to_utc(s(year + autumn + "T02:30:00Z")), s(year + autumn + "T00:30:00Z"));
    EXPECT_EQ(zone->to_utc(s(year + autumn + "T03:00:00Z")), s(year + autumn + "T02:00:00Z"));
  }
}

TEST(Zone, SouthernFooterAndOddForms) {
  const auto south = Zone::from_tzif(berlin("NZST-12NZDT,M9.5.0,M4.1.0/3"));
  ASSERT_TRUE(south.ok());
  EXPECT_EQ(south->offset_at(s("2030-01-01")), 13 * 3600);
  EXPECT_EQ(south->offset_at(s("2030-07-01")), 12 * 3600);
  const auto fixed = Zone::from_tzif(berlin("<+0545>-5:45"));
  ASSERT_TRUE(fixed.ok());
  EXPECT_EQ(fixed->offset_at(s("2030-07-01")), 20700);
  const auto julian = Zone::from_tzif(berlin("AAA0BBB,J60,J300"));
  ASSERT_TRUE(julian.ok());
  EXPECT_EQ(julian->offset_at(s("2024-03-01T01:59:59Z")), 0);
  EXPECT_EQ(julian->offset_at(s("2024-03-01T02:00:00Z")), 3600);
}

TEST(Zone, EveryCutOfAFileIsRefused) {
  const std::string whole = berlin();
  for (size_t n = 0; n < whole.size(); ++n)
    if (auto cut = Zone::from_tzif(whole.substr(0, n)); true) {
      EXPECT_FALSE(cut.ok()) << n;
    }
  EXPECT_EQ(Zone::from_tzif(berlin("CET-1CEST")).error().reason, "zone.file");
}

TEST(Zone, ExpressionsUseTheCallersFiles) {
  ZoneSource source;
  source.version = "2025b";
  source.bytes = [](std::string_view name) -> Result<std::string> {
    if (name == "Europe/Berlin") return berlin();
    return not_found("zone.none", "no");
  };
  const Schema schema = {{"ts", kTimestampType}};
  const auto program = compile("hour(ts at time zone 'Europe/Berlin')", schema, {&source});
  ASSERT_TRUE(program.ok()) << program.error().text;
  EXPECT_EQ(compile("hour(ts at time zone 'Nowhere')", schema, {&source}).error().reason,
            "expr.zone");
  source.version = "2026a";
  EXPECT_NE(compile("hour(ts at time zone 'Europe/Berlin')", schema, {&source})->hash(),
            program->hash());
  Evaluator e(*program);
  Values in(Type::kTimestampUs);
  in.add_i64(*parse_stamp("2024-07-01T22:30:00Z"));
  in.add_i64(*parse_stamp("2024-12-01T22:30:00Z"));
  Values out = e.make_output();
  const Column column = in.view();
  ASSERT_TRUE(e.evaluate({&column, 1}, 2, &out).ok());
  EXPECT_EQ(out.view().i64(0), 0);
  EXPECT_EQ(out.view().i64(1), 23);
}

}  // namespace
}  // namespace slip::engine::expr
