#include "http/date.h"

#include <gtest/gtest.h>

namespace slip::http {
namespace {

constexpr int64_t kNow = 1'795'702'077;  // In 2026.

TEST(HttpDate, ReadsTheThreeForms) {
  struct Case {
    const char* text;
    int64_t want;  // -1: none.
  };
  const Case cases[] = {
      {"Sun, 06 Nov 1994 08:49:37 GMT", 784'111'777},
      {"Sunday, 06-Nov-94 08:49:37 GMT", 784'111'777},
      {"Sun Nov  6 08:49:37 1994", 784'111'777},
      {" Sun, 06 Nov 1994 08:49:37 GMT ", 784'111'777},
      {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
      {"Saturday, 01-Jan-77 00:00:00 GMT", 220'924'800},     // 2077 lies too far ahead.
      {"Wednesday, 01-Jan-76 00:00:00 GMT", 3'345'062'400},  // 2076
      {"Thu, 29 Feb 2024 23:59:60 GMT", 1'709'251'200},
      {"Thu, 30 Feb 2024 00:00:00 GMT", -1},
      {"Sun, 06 Nov 1994 24:00:00 GMT", -1},
      {"Sun, 06 Nov 1994 08:49:37 CET", -1},
      {"Sun, 06 Nov 1994 08-49-37 GMT", -1},
      {"Sun, 06 nov 1994 08:49:37 GMT", -1},
      {"Sun, +6 Nov 1994 08:49:37 GMT", -1},
      {"Sun, 06 Nov 1994 08:49:37", -1},
      {"Sun Nov 6 08:49:37 1994", -1},
      {"2026-11-26T14:07:57Z", -1},
      {", GMT", -1},
      {"", -1},
  };
  for (const Case& c : cases)
    EXPECT_EQ(parse_http_date(c.text, kNow).value_or(-1), c.want) << c.text;
}

TEST(HttpDate, ReadsWhatItWrites) {
  EXPECT_EQ(http_date(784'111'777), "Sun, 06 Nov 1994 08:49:37 GMT");
  for (int64_t s = 0; s < 4'000'000'000; s += 12'345'679)
    EXPECT_EQ(parse_http_date(http_date(s), kNow), s) << s;
}

}  // namespace
}  // namespace slip::http
