#include "http/target.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace slip::http {
namespace {

// "authority project path query", '-' for nothing, or the reason of a refusal.
std::string shape(std::string_view text) {
  const auto t = split_target(text);
  if (!t) return t.error().reason;
  const auto part = [](std::string_view s) {
    return s.empty() ? std::string("-") : std::string(s);
  };
  return concat(
      {part(t->authority), " ", part(t->project), " ", part(t->path), " ", part(t->query)});
}

TEST(Target, IsTakenApart) {
  const std::pair<std::string, std::string_view> cases[] = {
      {"/", "- - / -"},
      {"/a/b?x=1&y", "- - /a/b x=1&y"},
      {"/a??b", "- - /a ?b"},
      {"http://localhost:7/a?b", "localhost:7 - /a b"},
      {"HTTPS://h/", "h - / -"},
      {"http://h", "http.target"},
      {"http://u@h/", "http.target"},
      {"ftp://h/", "http.target"},
      {"*", "http.target"},
      {"h:443", "http.target"},
      {"/a#b", "http.target"},
      {"/a\x01", "http.target"},
      {"/\xc3\xa4", "http.target"},
      {"/~blue/models", "- blue /models -"},
      {"/~blue", "- blue / -"},
      {"/~blue?x", "- blue / x"},
      {"/~/models", "project.syntax"},
      {"/~../models", "project.syntax"},
      {"/~a%2fb/models", "project.syntax"},
      {"/~" + std::string(kProjectBytesMax + 1, 'a') + "/x", "project.syntax"},
      {"/" + std::string(kTargetBytesMax, 'a'), "http.target_too_long"},
  };
  for (const auto& [text, want] : cases) {
    SCOPED_TRACE(text.substr(0, 60));
    EXPECT_EQ(shape(text), want);
  }
}

TEST(Target, LiesBelowAPrefixOrNot) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"/a/b", "- /"},          {"/a/b/", "- /"},
      {"/a/b/m?x", "- /m"},     {"/a/b/~p/m", "p /m"},
      {"/~p/m", "p /m"},        {"/m", "- /m"},
      {"/a/bc/m", "- /a/bc/m"}, {"/a", "- /a"},
      {"/a/b/a/b", "- /a/b"},   {"/a%2fb/m", "- /a%2fb/m"},
      {"//a/b", "- //a/b"},
  };
  for (const auto& [text, want] : cases) {
    SCOPED_TRACE(text);
    const auto t = split_target(text, "/a/b");
    ASSERT_TRUE(t.ok());
    EXPECT_EQ(concat({t->project.empty() ? "-" : t->project, " ", t->path}), want);
  }
  for (const std::string_view good : {"", "/a", "/a/b-1_c.d"})
    EXPECT_TRUE(check_prefix(good).ok()) << good;
  for (const std::string_view bad :
       {"a", "/", "/a/", "//a", "/a//b", "/~a", "/../a", "/a b", "/a?"})
    EXPECT_FALSE(check_prefix(bad).ok()) << bad;
}

TEST(Target, QueriesAreForms) {
  std::vector<std::pair<std::string, std::string>> pairs;
  ASSERT_TRUE(parse_query("a=1&b=x+y%2B&&c&=d&a=2", &pairs).ok());
  const std::vector<std::pair<std::string, std::string>> want = {
      {"a", "1"}, {"b", "x y+"}, {"c", ""}, {"", "d"}, {"a", "2"}};
  EXPECT_EQ(pairs, want);
  EXPECT_EQ(parse_query("a=%", &pairs).error().reason, "query.encoding");
  std::string many;
  for (size_t i = 0; i <= kQueryPairsMax; ++i) many += "a&";
  EXPECT_EQ(parse_query(many, &pairs).error().reason, "http.target_too_long");
}

TEST(Target, PathsHaveAtMost64Segments) {
  std::vector<std::string_view> segments;
  std::string path;
  for (size_t i = 0; i < kPathSegmentsMax; ++i) path += "/a";
  EXPECT_TRUE(split_path(path, &segments).ok());
  EXPECT_EQ(segments.size(), kPathSegmentsMax);
  EXPECT_EQ(split_path(path + "/a", &segments).error().reason, "http.target_too_long");
}

}  // namespace
}  // namespace slip::http
