#include "cli/print.h"

#include <array>

#include <gtest/gtest.h>

namespace slip::cli {
namespace {

using codec::Json;

Json parsed(std::string_view text) { return codec::parse_json(text).value(); }

TEST(Print, Cells) {
  struct Case {
    const char* json;
    const char* cell;
  };
  const Case cases[] = {
      {"null", "-"},
      {"true", "yes"},
      {"false", "no"},
      {"12", "12"},
      {"0.801234", "0.8012"},
      {"123456.7", "1.235e+05"},
      {"\"\"", "-"},
      {"\"a\\tb\\nc\"", "a b c"},
      {"[]", "-"},
      {"[1,\"b\"]", "1, b"},
      {"{}", "-"},
      {"{\"a\":1}", "{\"a\":1}"},
  };
  for (const Case& c : cases) {
    const Json value = parsed(c.json);
    EXPECT_EQ(cell_of(&value), c.cell) << c.json;
  }
  EXPECT_EQ(cell_of(nullptr), "-");
}

TEST(Print, FieldsFollowDots) {
  const Json value = parsed(R"({"a":{"b":{"c":1}},"d":2})");
  EXPECT_EQ(field_of(value, "a.b.c")->as_int(), 1);
  EXPECT_EQ(field_of(value, "d")->as_int(), 2);
  for (const char* path : {"a.x", "d.e", "", "a.b.c.d"}) EXPECT_EQ(field_of(value, path), nullptr);
}

TEST(Print, TablesAlignForPeopleOnly) {
  const std::vector<Json> rows = {parsed(R"({"n":"é","v":1})"), parsed(R"({"n":"long","v":22})")};
  const std::array columns = {Column{"NAME", "n"}, Column{"V", "v"}};
  EXPECT_EQ(table_of(rows, columns, true), "NAME  V\né     1\nlong  22\n");
  EXPECT_EQ(table_of(rows, columns, false), "é\t1\nlong\t22\n");
  EXPECT_EQ(table_of({}, columns, false), "");
}

TEST(Print, ObjectsAreLines) {
  EXPECT_EQ(fields_of(parsed(R"({"a":1,"long":"x"})")), "a     1\nlong  x\n");
}

}  // namespace
}  // namespace slip::cli
