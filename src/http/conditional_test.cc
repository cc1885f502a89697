#include "http/conditional.h"

#include <gtest/gtest.h>

namespace slip::http {
namespace {

TEST(Conditional, Ranges) {
  using Kind = RangeAnswer::Kind;
  struct Case {
    std::string_view range;
    std::string_view if_range;
    int64_t size;
    Kind kind;
    int64_t first;
    int64_t n;
  };
  const Case cases[] = {
      {"", "", 100, Kind::kWhole, 0, 100},
      {"bytes=0-0", "", 100, Kind::kPart, 0, 1},
      {"bytes=10-19", "", 100, Kind::kPart, 10, 10},
      {"bytes=90-", "", 100, Kind::kPart, 90, 10},
      {"bytes=90-200", "", 100, Kind::kPart, 90, 10},
      {"bytes=-5", "", 100, Kind::kPart, 95, 5},
      {"bytes=-500", "", 100, Kind::kPart, 0, 100},
      {"Bytes= 1 - 2", "", 100, Kind::kPart, 1, 2},
      {"bytes=100-", "", 100, Kind::kUnsatisfiable, 0, 0},
      {"bytes=-0", "", 100, Kind::kUnsatisfiable, 0, 0},
      {"bytes=0-", "", 0, Kind::kUnsatisfiable, 0, 0},
      {"bytes=9-1", "", 100, Kind::kWhole, 0, 100},
      {"bytes=0-1,5-6", "", 100, Kind::kWhole, 0, 100},
      {"bytes=a-b", "", 100, Kind::kWhole, 0, 100},
      {"bytes=-", "", 100, Kind::kWhole, 0, 100},
      {"bytes=--5", "", 100, Kind::kWhole, 0, 100},
      {"bytes=99999999999999999999-", "", 100, Kind::kWhole, 0, 100},
      {"items=0-1", "", 100, Kind::kWhole, 0, 100},
      {"bytes=0-1", "\"tag\"", 100, Kind::kPart, 0, 2},
      {"bytes=0-1", "\"old\"", 100, Kind::kWhole, 0, 100},
      {"bytes=0-1", "W/\"tag\"", 100, Kind::kWhole, 0, 100},
      {"bytes=0-1", "Mon, 23 Nov 2026 06:00:00 GMT", 100, Kind::kWhole, 0, 100},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(testing::Message() << c.range << " if " << c.if_range << " of " << c.size);
    const RangeAnswer got = answer_range(c.range, c.if_range, "tag", c.size);
    EXPECT_EQ(got.kind, c.kind);
    EXPECT_EQ(got.first, c.first);
    EXPECT_EQ(got.size, c.n);
  }
}

TEST(Conditional, EntityTags) {
  EXPECT_TRUE(matches_any("\"a\", W/\"b\"", "b"));
  EXPECT_TRUE(matches_any("*", "b"));
  EXPECT_TRUE(matches_any("b", "b"));
  EXPECT_FALSE(matches_any("\"a\"", "b"));
  EXPECT_FALSE(matches_any("", "b"));
  EXPECT_FALSE(matches_any("*", ""));
}

TEST(Conditional, Encodings) {
  EXPECT_TRUE(accepts_gzip("gzip, deflate, br"));
  EXPECT_TRUE(accepts_gzip("br;q=1, GZIP;q=0.5"));
  EXPECT_TRUE(accepts_gzip("*"));
  EXPECT_FALSE(accepts_gzip("gzip;q=0"));
  EXPECT_FALSE(accepts_gzip("identity"));
  EXPECT_FALSE(accepts_gzip(""));
  EXPECT_TRUE(compressible("application/json; charset=utf-8"));
  EXPECT_TRUE(compressible("image/svg+xml"));
  EXPECT_FALSE(compressible("application/octet-stream"));
}

}  // namespace
}  // namespace slip::http
