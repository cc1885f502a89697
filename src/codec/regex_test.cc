#include "codec/regex.h"

#include <string>

#include <gtest/gtest.h>

namespace slip::codec {
namespace {

TEST(Regex, FindsAnywhereUnlessAnchored) {
  struct Case {
    const char* pattern;
    const char* text;
    bool want;
  };
  const Case cases[] = {
      {"", "", true},           {"b+", "abbc", true},      {"^b", "abbc", false},
      {"c$", "abbc", true},     {"(?i)ABB", "abbc", true}, {"ABB", "abbc", false},
      {"^\\w+$", "aü", false},  {"^\\pL+$", "aü", true},   {"a.c", "a\nc", false},
      {"\\d{3}", "a12", false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.pattern);
    const auto regex = Regex::compile(c.pattern);
    ASSERT_TRUE(regex.ok());
    EXPECT_EQ(regex->found_in(c.text), c.want);
  }
}

TEST(Regex, RefusesWhatIsNotLinearOrTooLarge) {
  for (const char* bad : {"(", "a{2", "(?=a)", "(a)\\1", "[z-a]", "((a{1000}){1000}){9}"}) {
    SCOPED_TRACE(bad);
    const auto regex = Regex::compile(bad);
    if (std::string(bad) == "a{2") {  // RE2 takes an unfinished repetition literally.
      EXPECT_TRUE(regex.ok());
      continue;
    }
    ASSERT_FALSE(regex.ok());
    EXPECT_EQ(regex.error().reason, "regex.syntax");
  }
  EXPECT_EQ(Regex::compile(std::string(kRegexBytesMax + 1, 'a')).error().reason, "regex.too_long");
}

}  // namespace
}  // namespace slip::codec
