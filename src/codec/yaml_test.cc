#include "codec/yaml.h"

#include <cmath>

#include <gtest/gtest.h>

#include "test/gen/json.h"

namespace slip::codec {
namespace {

TEST(Yaml, ReadsTheCoreSchema) {
  struct Case {
    const char* text;
    const char* json;
  };
  const Case cases[] = {
      {"", "null"},
      {"a: 1\nb: [x, 2.5, true, null, ~]\n", R"({"a":1,"b":["x",2.5,true,null,null]})"},
      {"a:\n  - b: 1\n    c: two words\n  -\n", R"({"a":[{"b":1,"c":"two words"},null]})"},
      {"v: '1'\nw: \"true\"\nx: !!str 7\n", R"({"v":"1","w":"true","x":"7"})"},
      {"[0x1F, 0o17, +3, -4, 1e3, .5, 3.10]", "[31,15,3,-4,1000.0,0.5,3.1]"},
      {"[.inf, -.inf, .nan]", R"(["Infinity","-Infinity","NaN"])"},
      {"[yes, no, on, 1.2.3, 0x, 12a, 2026-11-23]",
       R"(["yes","no","on","1.2.3","0x","12a","2026-11-23"])"},
      {"t: |\n  two\n  lines\n", R"({"t":"two\nlines\n"})"},
      {"base: &b {x: 1}\nuse: *b\n", R"({"base":{"x":1},"use":{"x":1}})"},
      {"# only a comment\n", "null"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    const Result<Json> got = parse_yaml(c.text);
    EXPECT_EQ(got.ok() ? to_json(*got) : got.error().text, c.json);
  }
}

TEST(Yaml, RefusesAndSaysWhere) {
  struct Case {
    std::string text;
    const char* reason;
    const char* where;
  };
  const Case cases[] = {
      {"a: [1", "yaml.syntax", "line"},
      {"a: 1\n b: 2\n", "yaml.syntax", "line 2"},
      {"a: 1\nb: 2\na: 3\n", "yaml.duplicate_key", "key 'a'"},
      {"? [x]\n: 1\n", "yaml.key", "line 1"},
      {"--- 1\n--- 2\n", "yaml.syntax", "more than one"},
      {", 3.10, \"q\"", "yaml.syntax", ""},
      {"a: 99999999999999999999\n", "yaml.number", "line 1, column 4"},
      {"a: !!python/object:os.system x", "yaml.syntax", ""},
      {"a: !thing x", "yaml.syntax", "tag"},
      {"a: \xff", "yaml.syntax", ""},
      {std::string(150, '[') + std::string(150, ']'), "yaml.depth", "100"},
      {std::string(100'000, '['), "yaml.syntax", ""},
      {"a: &a [*a]", "yaml.depth", ""},
      {"*unknown", "yaml.syntax", ""},
      {std::string(kYamlBytesMax + 1, ' '), "yaml.too_large", ""},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text.substr(0, 40));
    const Result<Json> got = parse_yaml(c.text);
    ASSERT_FALSE(got.ok()) << to_json(*got);
    EXPECT_EQ(got.error().reason, c.reason) << got.error().text;
    EXPECT_NE(got.error().text.find(c.where), std::string::npos) << got.error().text;
  }
}

TEST(Yaml, PlacesOfWhatPointersName) {
  const std::string text = "a: 1\nlist:\n  - x: 1\n  - {y: 2,\n     z/~: 3}\nnull_one:\n";
  const std::vector<std::string> pointers = {
      "", "/a", "/list/0/x", "/list/1/z~1~0", "/list/1/q", "/list/9/x", "/null_one/x", "/b"};
  const std::vector<int> lines = {1, 1, 3, 5, 4, 2, 6, 1};
  const std::vector<YamlPlace> got = yaml_places(text, pointers);
  for (size_t i = 0; i < pointers.size(); ++i) EXPECT_EQ(got[i].line, lines[i]) << pointers[i];
  EXPECT_EQ(got[2].column, 5);
  EXPECT_EQ(yaml_places("a: [", pointers)[1].line, 0);
}

TEST(Yaml, AnAliasBombStaysSmall) {
  std::string text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + last;
    for (int k = 0; k < 9; ++k) text += "," + last;
    text += "]\n";
  }
  EXPECT_EQ(parse_yaml(text).error().reason, "yaml.too_large");
}

TEST(Yaml, AnyValueRoundTrips) {
  for (uint64_t seed = 1; seed <= 800; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    gen::Dice dice = gen::Dice::seeded(seed);
    const Json value = gen::json(dice, 4);
    const std::string text = to_yaml(value);
    const Result<Json> got = parse_yaml(text);
    ASSERT_TRUE(got.ok()) << text << got.error().text;
    ASSERT_EQ(*got, value) << text;
  }
  EXPECT_EQ(to_yaml(parse_json(R"({"a":[1,{"b":"c d"}],"e":{},"f":"yes: no"})").value()),
            "a:\n  - 1\n  -\n    b: c d\ne: {}\nf: \"yes: no\"\n");
}

}  // namespace
}  // namespace slip::codec
