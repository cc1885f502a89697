#include "codec/json.h"

#include <bit>
#include <cmath>

#include <gtest/gtest.h>

#include "base/text.h"
#include "test/gen/json.h"

namespace slip::codec {
namespace {

TEST(Json, RefusesWhatIsNotJsonAndSaysWhere) {
  struct Case {
    std::string text;
    const char* reason;
    const char* where;
  };
  const std::string deep_ok = std::string(100, '[') + std::string(100, ']');
  ASSERT_TRUE(parse_json(deep_ok).ok());
  const Case cases[] = {
      {"", "json.syntax", "line 1, column 1: the text ends"},
      {"  \n ", "json.syntax", "line 2, column 2"},
      {"{", "json.syntax", "line 1, column 2: expected a key"},
      {"{\"a\":1,}", "json.syntax", "line 1, column 8: expected a key"},
      {"{\"a\" 1}", "json.syntax", "line 1, column 6: expected ':'"},
      {"{\"a\":1 \"b\":2}", "json.syntax", "line 1, column 8: expected ',' or '}'"},
      {"[1,\n 2,\n]", "json.syntax", "line 3, column 1: expected a value"},
      {"[1 2]", "json.syntax", "line 1, column 4: expected ',' or ']'"},
      {"1 2", "json.syntax", "line 1, column 3: nothing may follow"},
      {"nul", "json.syntax", "line 1, column 1"},
      {"01", "json.syntax", "leading zero"},
      {"-", "json.syntax", "expected a value"},
      {"1.", "json.syntax", "digit after '.'"},
      {"1e", "json.syntax", "exponent"},
      {".5", "json.syntax", "line 1, column 1"},
      {"+1", "json.syntax", "line 1, column 1"},
      {"\"abc", "json.syntax", "line 1, column 1: the string has no end"},
      {"\"a\nb\"", "json.syntax", "control character"},
      {"\"\\x\"", "json.syntax", "unknown escape"},
      {"\"\\u12g4\"", "json.syntax", "four hexadecimal"},
      {"\"\\ud800\"", "json.utf8", "surrogate"},
      {"\"\\udc00\"", "json.utf8", "surrogate"},
      {"\"\\ud800\\u0041\"", "json.utf8", "surrogate"},
      {"\"a\xff\"", "json.utf8", "line 1, column 3"},
      {"\"\xed\xa0\x80\"", "json.utf8", "line 1, column 2"},
      {"[1, NaN]", "json.syntax", "line 1, column 5: NaN is not JSON"},
      {"-Infinity", "json.syntax", "-Infinity is not JSON"},
      {"{\"a\":1,\"b\":{\"c\":1,\"c\":2}}", "json.duplicate_key", "line 1, column 12: key 'c'"},
      {"9223372036854775809", "json.number", "64 bits"},
      {"[-100000000000000000001]", "json.number", "column 2: the integer needs more than 64 bits"},
      {"1e400", "json.number", "double"},
      {"[" + deep_ok + "]", "json.depth", "deeper than 100"},
      {std::string(200'000, '['), "json.depth", "deeper than 100"},
      {std::string("1\0", 2), "json.syntax", "nothing may follow"},
      {"\xef\xbb\xbf{}", "json.syntax", "line 1, column 1"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text.substr(0, 60));
    const Result<Json> got = parse_json(c.text);
    ASSERT_FALSE(got.ok());
    EXPECT_EQ(got.error().code, Code::kInvalid);
    EXPECT_EQ(got.error().reason, c.reason);
    EXPECT_NE(got.error().text.find(c.where), std::string::npos) << got.error().text;
  }
}

TEST(Json, FindsDuplicatesInLargeObjects) {
  std::string text = "{";
  for (int i = 0; i < 1000; ++i) text += "\"k" + std::to_string(i) + "\":0,";
  EXPECT_TRUE(parse_json(text + "\"end\":0}").ok());
  EXPECT_EQ(parse_json(text + "\"k500\":0}").error().reason, "json.duplicate_key");
}

TEST(Json, ReadsAndWrites) {
  struct Case {
    const char* text;
    const char* compact;  // Null: as `text`.
  };
  const Case cases[] = {
      {"null", nullptr},
      {"true", nullptr},
      {"-0", "0"},
      {"-0.0", nullptr},
      {"1.0", nullptr},
      {"1E2", "100.0"},
      {"0.1", nullptr},
      {"9007199254740993", nullptr},
      {"-9223372036854775808", nullptr},
      {"100000000000000000000", "1e+20"},
      {"1e-400", "0.0"},
      {"5e-324", nullptr},
      {"1.7976931348623157e+308", nullptr},
      {" [ 1 , \"a\" , { } , [ ] ] ", "[1,\"a\",{},[]]"},
      {"{\"z\":1,\"a\":2}", nullptr},
      {"\"\\u0041\\/\\b\\u00e9\\ud83d\\ude00\"", "\"A/\\b\xc3\xa9\xf0\x9f\x98\x80\""},
      {"\"\\u0000\\u001f\\\"\\\\\\n\"", nullptr},
      {"\"\\u007f\"", "\"\x7f\""},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    const Result<Json> got = parse_json(c.text);
    ASSERT_TRUE(got.ok()) << got.error().text;
    EXPECT_EQ(to_json(*got), c.compact ? c.compact : c.text);
  }
  EXPECT_EQ(to_json(parse_json("{\"a\":[1,{}],\"b\":{\"c\":null}}").value(), 2),
            "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": {\n    \"c\": null\n  }\n}");
  EXPECT_EQ(to_json(Json("a\xff\xc3(\xe2\x82")),
            "\"a\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\"");
}

TEST(Json, NonFiniteNumbersAsTheProtocolWantsThem) {
  const Json nan = parse_json("[NaN,Infinity,-Infinity,1]", NonFinite::kToken).value();
  EXPECT_TRUE(std::isnan(nan.items()[0].as_double()));
  EXPECT_EQ(nan.items()[2].as_double(), -HUGE_VAL);
  EXPECT_EQ(to_json(nan), R"(["NaN","Infinity","-Infinity",1])");
  EXPECT_EQ(to_json(nan, 0, NonFinite::kToken), "[NaN,Infinity,-Infinity,1]");
  EXPECT_DEATH(to_json(nan, 0, NonFinite::kReject), "non_finite");
  EXPECT_FALSE(parse_json("[NaN]", NonFinite::kString).ok());
  const Json text = parse_json(R"({"a":"-Infinity","b":"Nan"})").value();
  EXPECT_EQ(want_double(text, "a", NonFinite::kString).value(), -HUGE_VAL);
  EXPECT_FALSE(want_double(text, "a").ok());
  EXPECT_FALSE(want_double(text, "b", NonFinite::kString).ok());
}

TEST(Json, TypedReading) {
  const Json o = parse_json(R"({"s":"x","i":3,"d":2.5,"whole":4.0,"b":false,"n":null})").value();
  EXPECT_EQ(want_string(o, "s").value(), "x");
  EXPECT_EQ(want_int(o, "i").value(), 3);
  EXPECT_EQ(want_int(o, "whole").value(), 4);
  EXPECT_EQ(want_double(o, "i").value(), 3.0);
  EXPECT_EQ(want_bool(o, "b").value(), false);
  EXPECT_EQ(want_int(o, "d").error().reason, "request.wrong_type");
  EXPECT_EQ(want_int(o, "s").error().reason, "request.wrong_type");
  EXPECT_EQ(want_int(o, "zz").error().reason, "request.missing_field");
  EXPECT_EQ(want_string(o, "n").error().reason, "request.missing_field");
  EXPECT_EQ(want_string(Json(1), "n").error().reason, "request.wrong_type");
  EXPECT_EQ(string_or(o, "n", "dflt").value(), "dflt");
  EXPECT_EQ(int_or(Json(), "n", 7).value(), 7);
  EXPECT_EQ(bool_or(o, "zz", true).value(), true);
  EXPECT_EQ(double_or(o, "b", 0).error().reason, "request.wrong_type");
}

TEST(Json, ObjectsKeepOrderAndReplaceInPlace) {
  Json o;
  o.set("b", 1).set("a", "x").set("b", Json::array({1, 2.5, nullptr, true}));
  EXPECT_EQ(to_json(o), R"({"b":[1,2.5,null,true],"a":"x"})");
  EXPECT_TRUE(o.erase("b"));
  EXPECT_FALSE(o.erase("b"));
  EXPECT_EQ(to_json(o), R"({"a":"x"})");
  EXPECT_EQ(o.find("b"), nullptr);
}

// Key order and number forms: the rules of RFC 8785, 3.2.2.3 and 3.2.3.
TEST(Json, CanonicalForm) {
  struct Case {
    const char* text;
    const char* want;
  };
  const Case cases[] = {
      {R"({"b":2,"a":{"d":1,"c":[3,null]}})", R"({"a":{"c":[3,null],"d":1},"b":2})"},
      // U+1F600 is D83D DE00 in UTF-16 and so comes before U+FB33.
      {"{\"\\ufb33\":1,\"\\ud83d\\ude00\":2,\"\\u00f6\":3,\"1\":4,\"\\r\":5}",
       "{\"\\r\":5,\"1\":4,\"\xc3\xb6\":3,\"\xf0\x9f\x98\x80\":2,\"\xef\xac\xb3\":1}"},
      {"[0.0,-0.0,1.0,-1.5]", "[0,0,1,-1.5]"},
      {"[1e21,1e20,123456789012345680000.0]",
       "[1e+21,100000000000000000000,123456789012345680000]"},
      {"[1e-6,1e-7,0.00000123,1.5e-9]", "[0.000001,1e-7,0.00000123,1.5e-9]"},
      {"[5e-324,1.7976931348623157e308]", "[5e-324,1.7976931348623157e+308]"},
      {"[333333333.33333329,4.50,2e-3]", "[333333333.3333333,4.5,0.002]"},
      {"[9007199254740992,-9007199254740992]", "[9007199254740992,-9007199254740992]"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    EXPECT_EQ(to_canonical_json(parse_json(c.text).value()).value(), c.want);
  }
  EXPECT_EQ(to_canonical_json(Json(int64_t{9007199254740993})).error().reason, "json.number");
  EXPECT_EQ(to_canonical_json(Json(std::nan(""))).error().reason, "json.number");
  EXPECT_EQ(to_canonical_json(Json("\xff")).error().reason, "json.utf8");
  EXPECT_EQ(to_canonical_json(Json::object({{"a", 1}, {"a", 2}})).error().reason,
            "json.duplicate_key");
}

TEST(Json, RefusesOversizedText) {
  const std::string big(kJsonBytesMax + 1, ' ');
  EXPECT_EQ(parse_json(big).error().reason, "json.too_large");
}

bool same_bits(const Json& a, const Json& b) {
  if (a.kind() != b.kind()) return false;
  if (a.kind() == Json::Kind::kDouble)
    return std::bit_cast<uint64_t>(a.as_double()) == std::bit_cast<uint64_t>(b.as_double());
  if (a.is_array())
    return std::equal(a.items().begin(), a.items().end(), b.items().begin(), b.items().end(),
                      same_bits);
  if (a.is_object())
    return std::equal(a.members().begin(), a.members().end(), b.members().begin(),
                      b.members().end(), [](const JsonMember& x, const JsonMember& y) {
                        return x.first == y.first && same_bits(x.second, y.second);
                      });
  return a == b;
}

// What is written reads back the same to the last bit, by either reader: NaN in front drives the
// text past simdjson.
TEST(Json, AnyValueRoundTrips) {
  for (uint64_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    gen::Dice dice = gen::Dice::seeded(seed);
    const Json value = gen::json(dice, 5);
    const std::string text = to_json(value, static_cast<int>(seed % 3));
    const Result<Json> alone = parse_json(text);
    ASSERT_TRUE(alone.ok()) << text << alone.error().text;
    ASSERT_TRUE(same_bits(value, *alone)) << text;
    const Result<Json> inside = parse_json("[NaN," + text + "]", NonFinite::kToken);
    ASSERT_TRUE(inside.ok()) << text << inside.error().text;
    ASSERT_TRUE(same_bits(value, inside->items()[1])) << text;
    const Result<std::string> canonical = to_canonical_json(value);
    if (!canonical.ok()) continue;
    const Result<Json> again = parse_json(*canonical);
    ASSERT_TRUE(again.ok()) << *canonical;
    const Result<std::string> twice = to_canonical_json(*again);
    ASSERT_EQ(twice.ok() ? *twice : twice.error().reason, twice.ok() ? *canonical : "json.number");
  }
}

// Damaged texts: a value is refused inside an array exactly when it is refused alone.
TEST(Json, ContextDoesNotChangeWhatIsRefused) {
  for (uint64_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    gen::Dice dice = gen::Dice::seeded(seed);
    std::string text = to_json(gen::json(dice, 4));
    for (uint64_t i = 0; i <= dice.below(2); ++i) {
      const size_t at = dice.below(text.size());
      const std::string_view spice = "{}[]\",:0e.-\\u";
      text[at] =
          dice.one_in(4) ? static_cast<char>(dice.below(256)) : spice[dice.below(spice.size())];
    }
    const Result<Json> alone = parse_json(text);
    const Result<Json> inside = parse_json("[NaN," + text + "]", NonFinite::kToken);
    if (inside.ok() && inside->items().size() != 2) continue;  // The damage made two values of one.
    if (text.find("NaN") != text.npos) continue;
    ASSERT_EQ(alone.ok(), inside.ok()) << text;
    if (!alone.ok()) continue;
    ASSERT_TRUE(same_bits(*alone, inside->items()[1])) << text;
  }
}

}  // namespace
}  // namespace slip::codec
