#include "engine/expr/expr.h"

#include <cmath>
#include <limits>
#include <set>

#include <gtest/gtest.h>

#include "base/text.h"
#include "engine/expr/civil.h"
#include "engine/expr/function.h"

namespace slip::engine::expr {
namespace {

Schema schema() {
  return {{"i", kIntType},
          {"d", kDoubleType},
          {"t", kTextType},
          {"b", kBoolType},
          {"ts", kTimestampType},
          {"l", list_of(Type::kDouble)},
          {"li", list_of(Type::kInt64)},
          {"lt", list_of(Type::kText)},
          {"ni", kIntType},
          {"nd", kDoubleType},
          {"nt", kTextType},
          {"nb", kBoolType},
          {"nan", kDoubleType},
          {"inf", kDoubleType},
          {"big", kIntType},
          {"request.amount", kDoubleType},
          {"odd name", kIntType},
          {"v", list_of(Type::kDouble)},
          {"iv", kIntervalType}};
}

std::vector<Values> one_row() {
  std::vector<Values> out;
  for (const Field& f : schema()) out.emplace_back(f.type.type, f.type.item);
  out[0].add_i64(7);
  out[1].add_f64(2.5);
  out[2].add_text("Hello");
  out[3].add_bool(true);
  out[4].add_i64(*parse_stamp("2024-02-29T13:14:15.678901Z"));
  out[5].items().add_f64(1);
  out[5].items().add_null();
  out[5].items().add_f64(3);
  out[5].end_list();
  out[6].items().add_i64(4);
  out[6].items().add_i64(5);
  out[6].end_list();
  out[7].items().add_text("a");
  out[7].end_list();
  for (size_t i = 8; i <= 11; ++i) out[i].add_null();
  out[12].add_f64(-std::numeric_limits<double>::quiet_NaN());
  out[13].add_f64(std::numeric_limits<double>::infinity());
  out[14].add_i64(std::numeric_limits<int64_t>::max());
  out[15].add_f64(10);
  out[16].add_i64(1);
  out[17].items().add_f64s(std::vector<double>{3, 4});
  out[17].end_list();
  out[18].add_i64(3600000000);
  return out;
}

std::string show(const Column& c, const ValueType& type) {
  if (c.is_null(0)) return "null";
  switch (c.type) {
    case Type::kBool:
      return c.boolean(0) ? "true" : "false";
    case Type::kInt64:
      return type.interval ? format_interval(c.i64(0)) : std::to_string(c.i64(0));
    case Type::kDouble:
      return format_double(c.f64(0)) +
             (std::floor(c.f64(0)) == c.f64(0) && std::abs(c.f64(0)) < 1e15 ? ".0" : "");
    case Type::kTimestampUs:
      return format_stamp(c.i64(0));
    default:
      return std::string(c.text(0));
  }
}

// The value as text, or the reason of the error.
std::string eval(const std::string& text, const CompileOptions& options = {}) {
  const auto program = compile(text, schema(), options);
  if (!program.ok()) return concat({program.error().reason, ": ", program.error().text});
  const std::vector<Values> row = one_row();
  std::vector<Column> columns;
  for (const Field& used : program->inputs())
    for (size_t i = 0; i < row.size(); ++i)
      if (schema()[i].name == used.name) columns.push_back(row[i].view());
  Evaluator evaluator(*program);
  Values out = evaluator.make_output();
  const Status done = evaluator.evaluate(columns, 1, &out);
  if (!done.ok()) return concat({done.error().reason, ": ", done.error().text});
  return show(out.view(), program->output_type());
}

struct Case {
  const char* text;
  const char* want;  // Of errors only the start.
};

constexpr Case kCases[] = {
    // Operators, nulls, three values.
    {"1 + 2 * 3", "7"},
    {"(1 + 2) * 3", "9"},
    {"-i", "-7"},
    {"- -i", "7"},
    {"7 / 2", "3.5"},
    {"1 / 0", "Infinity"},
    {"0 / 0", "NaN"},
    {"-1 / 0.0", "-Infinity"},
    {"-7 % 3", "-1"},
    {"7 % 0", "expr.row: row 0: an integer is divided by zero"},
    {"7.5 % 2", "1.5"},
    {"-9223372036854775808 % -1", "0"},
    {"big + 1", "expr.row: row 0: an integer overflows 64 bits"},
    {"-9223372036854775808 - 1", "expr.row"},
    {"9223372036854775808", "expr.syntax"},
    {"try(big + 1)", "null"},
    {"try(big * 2, 3)", "expr.type"},
    {"coalesce(try(big * 2), 5)", "5"},
    {"case when b then 1 else big + 1 end", "1"},
    {"if(nb, big + 1, 2)", "2"},
    {"coalesce(i, big + 1)", "7"},
    {"b or big + 1 > 0", "true"},
    {"false and 1 % 0 = 1", "false"},
    {"nb and false", "false"},
    {"nb or true", "true"},
    {"nb and true", "null"},
    {"not nb", "null"},
    {"ni + 1", "null"},
    {"ni = ni", "null"},
    {"ni is null", "true"},
    {"i is not null", "true"},
    {"nb is true", "false"},
    {"nb is not true", "true"},
    {"nan is nan", "true"},
    {"nd is nan", "null"},
    {"nan = nan", "false"},
    {"nan <> nan", "true"},
    {"nan < 1 or nan >= 1", "false"},
    {"-0.0 = 0.0", "true"},
    {"inf > big", "true"},
    {"i between 1 and 7", "true"},
    {"i not between 1 and 7", "false"},
    {"i in (1, 7, null)", "true"},
    {"i in (1, null)", "null"},
    {"i not in (1, 2)", "true"},
    {"t in ('Hello')", "true"},
    {"case i when 7 then 'seven' else 'other' end", "seven"},
    {"case when ni = 1 then 1 end", "null"},
    {"nullif(i, 7)", "null"},
    {"nullif(nan, nan)", "NaN"},
    {"coalesce(request.amount / nullif(ni, 0), 0.0)", "0.0"},
    {"coalesce(ni, nd, 1)", "1.0"},
    {"least(3, ni, 2)", "2"},
    {"greatest(1.5, nan, 2)", "NaN"},
    {"least(nan, 1)", "NaN"},
    {"greatest(ni, null)", "null"},
    {"\"odd name\" + 1", "2"},
    {"'it''s' || ' ' || t", "it's Hello"},
    {"t || nt", "null"},
    {"true < false", "false"},
    // Numbers.
    {"abs(-3)", "3"},
    {"abs(-3.5)", "3.5"},
    {"abs(-9223372036854775808)", "expr.row"},
    {"sign(-2)", "-1"},
    {"sign(nan)", "NaN"},
    {"floor(-1.5)", "-2.0"},
    {"ceil(1.2)", "2.0"},
    {"trunc(-1.7)", "-1.0"},
    {"round(2.5)", "3.0"},
    {"round(-2.5)", "-3.0"},
    {"round_even(2.5)", "2.0"},
    {"round(3.14159, 2)", "3.14"},
    {"round(1234.0, -2)", "1200.0"},
    {"round(1.0, 16)", "expr.row"},
    {"div(-7, 2)", "-3"},
    {"div(7, 0)", "expr.row"},
    {"div(-9223372036854775808, -1)", "expr.row"},
    {"mod(7, -1)", "0"},
    {"mod(7.5, 2)", "1.5"},
    {"clip(i, 1, 5)", "5"},
    {"clip(nan, 0, 1)", "NaN"},
    {"isnan(nan)", "true"},
    {"isinf(-inf)", "true"},
    {"isfinite(d)", "true"},
    {"bit_and(6, 3)", "2"},
    {"bit_or(6, 3)", "7"},
    {"bit_xor(6, 3)", "5"},
    {"sqrt(-1)", "NaN"},
    {"sqrt(2)", "1.4142135623730951"},
    {"cbrt(27)", "3.0"},
    {"exp(0)", "1.0"},
    {"exp(1)", "2.718281828459045"},
    {"ln(0)", "-Infinity"},
    {"ln(-1)", "NaN"},
    {"log2(8)", "3.0"},
    {"log10(1000)", "3.0"},
    {"pow(2, 10)", "1024.0"},
    {"pow(nan, 0)", "1.0"},
    {"sin(inf)", "NaN"},
    {"cos(0)", "1.0"},
    {"tan(0)", "0.0"},
    {"asin(1)", "1.5707963267948966"},
    {"acos(1)", "0.0"},
    {"atan(1)", "0.7853981633974483"},
    {"atan2(-0.0, -1)", "-3.141592653589793"},
    {"sinh(0)", "0.0"},
    {"cosh(0)", "1.0"},
    {"tanh(100)", "1.0"},
    {"sigmoid(0)", "0.5"},
    {"degrees(pi())", "180.0"},
    {"radians(180)", "3.141592653589793"},
    {"round(haversine_km(52.52, 13.405, 48.8566, 2.3522), 3)", "877.465"},
    // Text.
    {"lower('ÄBC')", "Äbc"},
    {"upper('äbc')", "äBC"},
    {"length('äbc')", "3"},
    {"byte_length('äbc')", "4"},
    {"length(from_hex('00ff'))", "2"},
    {"substr(t, 2)", "ello"},
    {"substr(t, 2, 3)", "ell"},
    {"substr(t, -1, 3)", "H"},
    {"substr(t, 2, -1)", "expr.row"},
    {"substr(t, 9223372036854775807, 9223372036854775807)", ""},
    {"left(t, 2)", "He"},
    {"left(t, -2)", "Hel"},
    {"left(t, -9223372036854775808)", ""},
    {"right(t, 2)", "lo"},
    {"right(t, -2)", "llo"},
    {"right(t, -9223372036854775808)", ""},
    {"trim('  x ')", "x"},
    {"ltrim(' x')", "x"},
    {"rtrim('x ')", "x"},
    {"trim('   ')", ""},
    {"replace('aaa', 'a', 'bc')", "bcbcbc"},
    {"replace('aaa', '', 'b')", "aaa"},
    {"starts_with(t, 'He')", "true"},
    {"ends_with(t, 'lo')", "true"},
    {"contains(t, '')", "true"},
    {"split_part('a,b,c', ',', 2)", "b"},
    {"split_part('a,b,c', ',', 9)", ""},
    {"split_part('a', '', 1)", "expr.row"},
    {"concat('a', nt, 'b')", "ab"},
    {"reverse('aäb')", "bäa"},
    {"lpad('7', 3, '0')", "007"},
    {"rpad('ab', 5, 'xyz')", "abxyz"},
    {"lpad('abc', 2, '0')", "ab"},
    {"lpad('abc', -1, '0')", ""},
    {"repeat('ab', 3)", "ababab"},
    {"repeat('ab', -3)", ""},
    {"repeat('ab', 9999999)", "expr.row: row 0: a text becomes too long"},
    {"position('äbc', 'c')", "3"},
    {"position(t, 'z')", "0"},
    {"edit_distance('ab', 'ba')", "1"},
    {"t like 'H%o'", "true"},
    {"t like 'h%o'", "false"},
    {"t ilike 'h%O'", "true"},
    {"'äx' like '_x'", "true"},
    {"'' like '%'", "true"},
    {"'' like ''", "true"},
    {"'' like '_'", "false"},
    {"'a%' like 'a\\%'", "true"},
    {"'ab' like 'a\\%'", "false"},
    {"'aab' like '%ab'", "true"},
    {"t not like '%z%'", "true"},
    {"regexp_matches(t, '^H.l+')", "true"},
    {"regexp_extract('k=12', '[0-9]+')", "12"},
    {"regexp_extract('k=12', '(\\w)=(\\d+)', 2)", "12"},
    {"regexp_extract(t, '[0-9]+')", "null"},
    {"regexp_extract(t, 'H', 1)", "expr.row"},
    {"regexp_replace('a1b2', '[0-9]', '#')", "a#b#"},
    {"regexp_count('abab', 'ab')", "2"},
    {"regexp_count('ab', '')", "3"},
    {"regexp_matches(t, '(')", "expr.pattern"},
    {"regexp_matches(t, nt)", "expr.constant"},
    // Time.
    {"year(ts)", "2024"},
    {"quarter(ts)", "1"},
    {"month(ts)", "2"},
    {"day(ts)", "29"},
    {"hour(ts) < 6", "false"},
    {"minute(ts)", "14"},
    {"second(ts)", "15"},
    {"microsecond(ts)", "678901"},
    {"day_of_week(ts)", "4"},
    {"day_of_year(ts)", "60"},
    {"week(timestamp '2021-01-03')", "53"},
    {"iso_year(timestamp '2021-01-03')", "2020"},
    {"last_day(ts)", "2024-02-29T00:00:00Z"},
    {"day_of_week(timestamp '0000-01-01')", "6"},
    {"year(timestamp '9999-12-31T23:59:59.999999Z')", "9999"},
    {"timestamp '0000-01-01' - 1us", "expr.row: row 0: a time lies outside"},
    {"timestamp '9999-12-31' + 1d", "expr.row"},
    {"timestamp '2024-02-30'", "expr.syntax"},
    {"ts - timestamp '2024-02-29'", "47655678901us"},
    {"ts + interval '1h30m' > ts", "true"},
    {"1d - 1h", "23h"},
    {"2h * 3", "6h"},
    {"3h / 2h", "1.5"},
    {"-(1h)", "-1h"},
    {"seconds(1500ms)", "1.5"},
    {"date_trunc('hour', ts)", "2024-02-29T13:00:00Z"},
    {"date_trunc('week', ts)", "2024-02-26T00:00:00Z"},
    {"date_trunc('month', ts)", "2024-02-01T00:00:00Z"},
    {"date_trunc('quarter', timestamp '1969-12-31')", "1969-10-01T00:00:00Z"},
    {"date_trunc('week', timestamp '0000-01-01')", "expr.row"},
    {"date_trunc('eon', ts)", "expr.unit"},
    {"date_add('month', 1, timestamp '2023-01-31T10:00Z')", "2023-02-28T10:00:00Z"},
    {"date_add('year', -2025, ts)", "expr.row"},
    {"date_add('day', -60, ts)", "2023-12-31T13:14:15.678901Z"},
    {"date_diff('day', timestamp '2024-01-01T23:59Z', timestamp '2024-01-02')", "1"},
    {"date_diff('year', timestamp '2024-01-01', timestamp '2023-12-31')", "-1"},
    {"epoch(from_epoch(5))", "5.0"},
    {"epoch_ms(timestamp '1969-12-31T23:59:59.9995Z')", "-1"},
    {"epoch_us(from_epoch_us(-7))", "-7"},
    {"from_epoch_ms(9223372036854775807)", "expr.row"},
    {"ts at time zone '+05:30'", "2024-02-29T18:44:15.678901Z"},
    {"from_zone(ts at time zone '-08:00', '-08:00') = ts", "true"},
    {"ts at time zone 'Mars/Olympus'", "expr.zone"},
    {"make_timestamp(2024, 2, 29)", "2024-02-29T00:00:00Z"},
    {"make_timestamp(2023, 2, 29)", "expr.row"},
    {"strftime(ts, '%Y%m%d %H:%M:%S.%f %j %u %%')", "20240229 13:14:15.678901 060 4 %"},
    {"strftime(ts, '%q')", "expr.row"},
    // Hashes.
    {"xxhash64('')", "-1205034819632174695"},
    {"xxhash64('abc')", "4952883123889572249"},
    {"xxhash64(-0.0) = xxhash64(0.0)", "true"},
    {"hash_bucket(t, 10) < 10", "true"},
    {"hash_bucket(i, 0)", "expr.row"},
    {"murmur3_32('hello')", "613153351"},
    {"crc32('123456789')", "3421780262"},
    {"sha256('abc')", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"to_hex('az')", "617a"},
    {"sha256(from_hex('')) = sha256('')", "true"},
    {"from_hex('0')", "expr.row"},
    // Lists.
    {"list_length(l)", "3"},
    {"list_get(l, -1)", "3.0"},
    {"list_get(l, 2)", "null"},
    {"list_get(l, 0)", "null"},
    {"list_get(l, -9223372036854775808)", "null"},
    {"list_get(lt, 1)", "a"},
    {"list_sum(l)", "4.0"},
    {"list_sum(li)", "9"},
    {"list_mean(l)", "2.0"},
    {"list_min(li)", "4"},
    {"list_max(l)", "3.0"},
    {"list_contains(l, 3)", "true"},
    {"list_contains(l, 9)", "null"},
    {"list_contains(lt, 'b')", "false"},
    {"dot(l, l)", "null"},
    {"dot(v, v)", "25.0"},
    {"dot(v, l)", "expr.row"},
    {"cosine_similarity(v, v)", "1.0"},
    {"l2_distance(v, v)", "0.0"},
    {"ts + iv - ts", "1h"},
    {"at_zone(ts, 'UTC') = ts", "true"},
    {"list_length(coalesce(null, li))", "2"},
    // Casts.
    {"cast(2.5 as int)", "2"},
    {"3.5::int", "4"},
    {"cast(nan as int)", "expr.row: row 0: a value can't be cast"},
    {"cast(1e19 as int)", "expr.row"},
    {"cast(' 12 ' as int) + 1", "13"},
    {"try(cast('x' as int))", "null"},
    {"cast('1e3' as double)", "1000.0"},
    {"cast('-inf' as double)", "-Infinity"},
    {"cast('' as double)", "expr.row"},
    {"cast('TRUE' as bool)", "true"},
    {"cast(b as int)", "1"},
    {"cast(0.1 as text)", "0.1"},
    {"cast(nan as text)", "NaN"},
    {"cast(ts as text)", "2024-02-29T13:14:15.678901Z"},
    {"cast('2024-02-29 13:14:15+01:00' as timestamp)", "2024-02-29T12:14:15Z"},
    {"cast('2023-02-29' as timestamp)", "expr.row"},
    {"cast('1h30m' as interval)", "90m"},
    {"cast(90s as int)", "90000000"},
    {"cast(90s as text)", "90s"},
    {"cast(from_hex('ff') as text)", "expr.row"},
    {"cast(from_hex('61') as text)", "a"},
    {"cast(null as int) is null", "true"},
    {"cast(i as timestamp)", "expr.type"},
    {"cast(i as blob)", "expr.syntax"},
    // What is no expression.
    {"", "expr.syntax"},
    {"null", "expr.type"},
    {"1 +", "expr.syntax: line 1, column 4: a value is missing"},
    {"amont", "expr.column"},
    {"t + 1", "expr.type"},
    {"'open", "expr.syntax"},
    {"ts > '2024-01-01'", "expr.type"},
    {"1h2", "expr.syntax"},
    {"cast int64(1)", "expr.syntax"},
};

TEST(Expr, Table) {
  for (const Case& c : kCases) {
    const std::string got = eval(c.text);
    const std::string want = c.want;
    if (want.starts_with("expr."))
      EXPECT_TRUE(got.starts_with(want)) << c.text << " is " << got;
    else
      EXPECT_EQ(got, want) << c.text;
  }
}

TEST(Expr, EveryFunctionIsInTheTable) {
  std::string all;
  for (const Case& c : kCases) all += concat({c.text, "\n"});
  for (const Function& f : functions()) {
    if (f.name.find(' ') != std::string_view::npos || f.name[0] < 'a') continue;
    EXPECT_NE(all.find(f.name), std::string::npos) << f.name << " has no row";
  }
  std::set<std::string_view> names;
  for (const Function& f : functions()) names.insert(f.name);
  EXPECT_GE(names.size(), 100U);
}

TEST(Expr, ErrorsPointAtThePlace) {
  const auto wrong = compile("i +\n  requst.amount * 2", schema());
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().reason, "expr.column");
  EXPECT_NE(wrong.error().text.find("line 2, column 3"), std::string::npos) << wrong.error().text;
  EXPECT_NE(wrong.error().text.find("\n    ^"), std::string::npos) << wrong.error().text;
  EXPECT_EQ(wrong.error().hint, "did you mean 'request.amount'?");
  EXPECT_EQ(compile("lenght(t)", schema()).error().hint, "did you mean 'length'?");
}

TEST(Expr, LimitsHold) {
  std::string deep = "1";
  for (int i = 0; i < 100; ++i) deep = concat({"(", deep, ")"});
  EXPECT_EQ(compile(deep, schema()).error().reason, "expr.syntax");
  std::string chain = "i";
  for (int i = 0; i < 400; ++i) chain += " + i";
  EXPECT_EQ(compile(chain, schema()).error().reason, "expr.syntax");
  std::string wide = "i in (0";
  for (int i = 1; i < 1100; ++i) wide += concat({", ", std::to_string(i)});
  EXPECT_EQ(compile(wide + ")", schema()).error().reason, "expr.too_large");
  std::string long_one(70000, ' ');
  long_one.push_back('1');
  EXPECT_EQ(compile(long_one, schema()).error().reason, "expr.too_long");
  EXPECT_EQ(compile("regexp_matches(t, '" + std::string(5000, 'a') + "')", schema()).error().reason,
            "expr.pattern");
}

TEST(Expr, IdentityIsCanonical) {
  const auto a = compile("coalesce(request.amount/nullif(i,0), 0)", schema());
  const auto b = compile("COALESCE( request.amount / NULLIF(i, 0) ,0 )", schema());
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(a->text(),
            "coalesce((\"request.amount\" / cast(nullif(\"i\", 0) as double)), cast(0 as double))");
  EXPECT_EQ(a->hash(), b->hash());
  // Pinned: stored with data sets and models, so it may not move.
  EXPECT_EQ(a->hash(), "985ee14d46a8496e9ad3227582b69a1a4fdcba2da306c28750424a53e624760b");
  EXPECT_NE(a->hash(), compile("coalesce(request.amount/nullif(i,0), 1)", schema())->hash());
  EXPECT_TRUE(engine_fingerprint().starts_with("expr-1-"));
}

TEST(Expr, TimesOfColumnsOutOfRangeFailTheirRow) {
  const auto plain = compile("last_day(ts)", schema());
  const auto safe = compile("try(last_day(ts))", schema());
  ASSERT_TRUE(plain.ok() && safe.ok());
  Values in(Type::kTimestampUs);
  in.add_i64(0);
  in.add_i64(std::numeric_limits<int64_t>::max());
  in.add_null();
  const Column column = in.view();
  Evaluator e(*plain);
  Values out = e.make_output();
  const Status done = e.evaluate({&column, 1}, 3, &out);
  ASSERT_FALSE(done.ok());
  EXPECT_TRUE(done.error().text.starts_with("row 1: a time lies outside")) << done.error().text;
  Evaluator tried(*safe);
  Values nulls = tried.make_output();
  ASSERT_TRUE(tried.evaluate({&column, 1}, 3, &nulls).ok());
  EXPECT_EQ(nulls.nulls(), 2);
}

TEST(Expr, InputsAreChecked) {
  const auto program = compile("i + 1", schema());
  ASSERT_TRUE(program.ok());
  Evaluator e(*program);
  Values out = e.make_output();
  EXPECT_EQ(e.evaluate({}, 1, &out).error().reason, "expr.input");
  Values wrong(Type::kDouble);
  wrong.add_f64(1);
  const Column column = wrong.view();
  EXPECT_EQ(e.evaluate({&column, 1}, 1, &out).error().reason, "expr.input");
}

}  // namespace
}  // namespace slip::engine::expr
