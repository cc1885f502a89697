#include "core/search/filter.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "core/search/sql.h"
#include "test/gen/dice.h"

namespace slip::search {
namespace {

// "entity|name|OP|value" of each test, so that a table row stays one line.
std::string shown(const Filter& f) {
  std::string out;
  if (f.kind == Filter::Kind::kTest) {
    const Comparison& c = f.test;
    out += c.key.entity + "|" + c.key.name + "|" + std::string(op_text(c.op));
    for (const Literal& v : c.values) out += (v.is_number ? "|#" : "|") + v.text;
    return out;
  }
  for (const Filter& part : f.parts) {
    if (!out.empty()) out += f.kind == Filter::Kind::kAny ? " / " : " & ";
    const bool nests = part.kind == Filter::Kind::kAny || part.kind == Filter::Kind::kAll;
    out += nests ? "(" + shown(part) + ")" : shown(part);
  }
  return f.kind == Filter::Kind::kNot ? "!(" + out + ")" : out;
}

TEST(Filter, ReadsWhatMlflowWrites) {
  struct Case {
    const char* text;
    const char* want;
  };
  const Case cases[] = {
      {"", ""},
      {"  \n", ""},
      {"metrics.loss < 0.25", "metrics|loss|<|#0.25"},
      {"metrics.loss<-1e-3 and params.C='0.5'", "metrics|loss|<|#-1e-3 & params|C|=|0.5"},
      {"AND tag.k != \"v\" AND", "tag|k|!=|v"},
      {"tag.`mlflow.prompt.is_prompt` != 'true'", "tag|mlflow.prompt.is_prompt|!=|true"},
      {"span.attributes.`a b.c` = 'x'", "span|attributes.a b.c|=|x"},
      {"params.\"learning rate\" LIKE 'a%'", "params|learning rate|LIKE|a%"},
      {"`run name` ilike '%X_'", "|run name|ILIKE|%X_"},
      {"run_id IN ('a','b' , 'c')", "|run_id|IN|a|b|c"},
      {"attributes.run_id not in ('a')", "attributes|run_id|NOT IN|a"},
      {"tags.x IS NULL AND params.y is not null", "tags|x|IS NULL & params|y|IS NOT NULL"},
      {"METRICS.a.b/c >= +5", "metrics|a.b/c|>=|#5"},
      {"name = 'it is; so -- (x) OR y'", "|name|=|it is; so -- (x) OR y"},
      {"params.größe = 'ü'", "params|größe|=|ü"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    const auto got = parse_filter(c.text);
    ASSERT_TRUE(got.ok()) << got.error().text;
    EXPECT_EQ(shown(*got), c.want);
  }
}

TEST(Filter, RefusesTheRest) {
  struct Case {
    const char* text;
    const char* reason;
  };
  const Case cases[] = {
      {"a = '1' OR", "filter.syntax"},
      {"OR a = '1'", "filter.clause"},
      {"a = '1' AND AND b = '2'", "filter.clause"},
      {"NOT", "filter.syntax"},
      {"()", "filter.clause"},
      {"(a = '1'", "filter.syntax"},
      {"a = '1')", "filter.clause"},
      {"(a = '1' AND)", "filter.clause"},
      {"metrics.a BETWEEN 1", "filter.clause"},
      {"metrics.a BETWEEN 1 OR 2", "filter.clause"},
      {"metrics.a NOT = 1", "filter.syntax"},
      {"a = '1' b = '2'", "filter.clause"},
      {"a = '1'; DROP TABLE run", "filter.multiple"},
      {"a = '1' -- no", "filter.clause"},
      {"a IS 3", "filter.clause"},
      {"metrics.loss <", "filter.syntax"},
      {"metrics. = 3", "filter.syntax"},
      {"a = 'open", "filter.syntax"},
      {"a = b", "filter.syntax"},
      {"a = 1e999", "filter.syntax"},
      {"a IN 'x'", "filter.syntax"},
      {"a IN ()", "filter.syntax"},
      {"= 3", "filter.syntax"},
      {"a", "filter.clause"},
      {"a = '\xff'", "filter.syntax"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    const auto got = parse_filter(c.text);
    ASSERT_FALSE(got.ok());
    EXPECT_EQ(got.error().reason, c.reason) << got.error().text;
    EXPECT_EQ(got.error().code, Code::kInvalid);
  }
}

TEST(Filter, ReadsWhatMlflowDoesNot) {
  struct Case {
    const char* text;
    const char* want;
  };
  const Case cases[] = {
      {"a = '1' OR b = '2'", "(|a|=|1 / |b|=|2)"},
      {"a='1' or b='2' and c='3'", "(|a|=|1 / (|b|=|2 & |c|=|3))"},
      {"(a='1' OR b='2') AND c='3'", "(|a|=|1 / |b|=|2) & |c|=|3"},
      {"((a = '1'))", "|a|=|1"},
      {"a='1' AND (b='2' AND c='3')", "|a|=|1 & |b|=|2 & |c|=|3"},
      {"NOT a = '1'", "!(|a|=|1)"},
      {"not not a = '1'", "!(!(|a|=|1))"},
      {"NOT (a='1' OR b='2')", "!((|a|=|1 / |b|=|2))"},
      {"metrics.a BETWEEN 1 AND 2 AND b='3'", "metrics|a|>=|#1 & metrics|a|<=|#2 & |b|=|3"},
      {"metrics.a NOT BETWEEN 1 AND 2", "!((metrics|a|>=|#1 & metrics|a|<=|#2))"},
      {"metrics.a IN (1, 2.5)", "metrics|a|IN|#1|#2.5"},
      {"tags.a RLIKE '^x+'", "tags|a|RLIKE|^x+"},
      {"tags.a not rlike 'x'", "!(tags|a|RLIKE|x)"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    const auto got = parse_filter(c.text);
    ASSERT_TRUE(got.ok()) << got.error().text;
    EXPECT_EQ(shown(*got), c.want);
  }
}

class PlainTests final : public Tests {
 public:
  Status add(Sql* sql, const Comparison& c) override {
    if (!c.values.empty() && c.values.front().is_number) return add_number_test(sql, "n", c);
    return add_text_test(sql, "t", c);
  }
};

TEST(Filter, BecomesOneCondition) {
  struct Case {
    const char* text;
    const char* want;
  };
  const Case cases[] = {
      {"", ""},
      {"a = '1'", " AND ((t = ?))"},
      {"a = '1' AND b < 2", " AND ((t = ?) AND (n < ?))"},
      {"a = '1' AND (b < 2 OR NOT c = '3')",
       " AND ((t = ?) AND ((n < ?) OR NOT COALESCE(((t = ?)), FALSE)))"},
      {"a RLIKE 'x' OR b IN (1, 2)", " AND (((regex_found(t, ?)) OR (n IN (?,?))))"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    Sql sql;
    PlainTests tests;
    ASSERT_TRUE(add_filter(&sql, parse_filter(c.text).value(), tests).ok());
    EXPECT_EQ(sql.text, c.want);
  }
  for (const char* bad : {"a RLIKE '('", "a IN ('x', 3)", "a IN (3, 'x')", "a == 'x'"}) {
    SCOPED_TRACE(bad);
    Sql sql;
    PlainTests tests;
    EXPECT_EQ(add_filter(&sql, parse_filter(bad).value(), tests).error().code, Code::kInvalid);
  }
}

TEST(Filter, HasLimits) {
  EXPECT_EQ(parse_filter(std::string(kFilterBytesMax + 1, ' ')).error().reason, "filter.limit");
  std::string many = "a = '1'";
  for (size_t i = 1; i < kClausesMax; ++i) many += " AND a = '1'";
  EXPECT_TRUE(parse_filter(many).ok());
  EXPECT_EQ(parse_filter(many + " AND a = '1'").error().reason, "filter.limit");
  std::string list = "a IN ('1'";
  for (size_t i = 1; i < kListItemsMax; ++i) list += ",'1'";
  EXPECT_TRUE(parse_filter(list + ")").ok());
  EXPECT_EQ(parse_filter(list + ",'1')").error().reason, "filter.limit");
  const auto nested = [](size_t depth, const std::string& open, const std::string& close) {
    std::string text = "a = '1'";
    for (size_t i = 0; i < depth; ++i) text = open + text + close;
    return parse_filter(text);
  };
  EXPECT_TRUE(nested(kFilterDepthMax, "(", ")").ok());
  EXPECT_EQ(nested(kFilterDepthMax + 1, "(", ")").error().reason, "filter.limit");
  EXPECT_TRUE(nested(kFilterDepthMax, "NOT ", "").ok());
  EXPECT_EQ(nested(kFilterDepthMax + 1, "NOT ", "").error().reason, "filter.limit");
  EXPECT_EQ(nested(20'000, "(", ")").error().reason, "filter.limit");
}

TEST(Filter, ReadsOrders) {
  EXPECT_EQ(parse_order("metrics.loss DESC")->ascending, false);
  EXPECT_EQ(parse_order("metrics.`a b`")->key, (Key{.entity = "metrics", .name = "a b"}));
  EXPECT_EQ(parse_order("start_time asc")->key, (Key{.entity = "", .name = "start_time"}));
  EXPECT_FALSE(parse_order("a DESC nonsense").ok());
  EXPECT_FALSE(parse_order("").ok());
}

// Whatever bytes come: an answer or an Error, and what parses binds one argument a value.
TEST(Filter, SurvivesAnything) {
  const std::string_view pieces[] = {
      "metrics.", "a", "'x'",  "\"",  "`", "=",    "<",         " AND ",    "IN",
      " (",       ")", ",",    "1e",  "-", "--",   "IS NULL",   "\xc3\xbc", ";",
      "LIKE",     " ", "NOT ", "0.5", ".", " OR ", " BETWEEN ", "RLIKE"};
  for (uint64_t seed = 1; seed <= 20000; ++seed) {
    gen::Dice dice = gen::Dice::seeded(seed);
    std::string text;
    for (uint64_t n = dice.below(9); n > 0; --n) text += pieces[dice.below(std::size(pieces))];
    const auto got = parse_filter(text);
    if (!got.ok()) {
      ASSERT_EQ(got.error().code, Code::kInvalid) << text;
      continue;
    }
    Sql sql;
    PlainTests tests;
    if (!add_filter(&sql, *got, tests).ok()) continue;
    ASSERT_EQ(sql.args.size(), std::count(sql.text.begin(), sql.text.end(), '?')) << text;
    ASSERT_EQ(std::count(sql.text.begin(), sql.text.end(), '('),
              std::count(sql.text.begin(), sql.text.end(), ')'));
  }
}

}  // namespace
}  // namespace slip::search
