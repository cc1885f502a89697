#include "core/search/filter.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "core/search/sql.h"
#include "test/gen/dice.h"

namespace slip::search {
namespace {

// "entity.name OP value,value" of each clause, so that a table row stays one line.
std::string shown(const std::vector<Comparison>& clauses) {
  std::string out;
  for (const Comparison& c : clauses) {
    if (!out.empty()) out += " & ";
    out += c.key.entity + "|" + c.key.name + "|" + std::string(op_text(c.op));
    for (const Literal& v : c.values) out += (v.is_number ? "|#" : "|") + v.text;
  }
  return out;
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
      {"a = '1' OR b = '2'", "filter.clause"},
      {"NOT a = '1'", "filter.clause"},
      {"(a = '1')", "filter.clause"},
      {"metrics.a BETWEEN 1 AND 2", "filter.clause"},
      {"a = '1' b = '2'", "filter.clause"},
      {"a = '1'; DROP TABLE run", "filter.multiple"},
      {"a = '1' -- no", "filter.clause"},
      {"a IS 3", "filter.clause"},
      {"metrics.loss <", "filter.syntax"},
      {"metrics. = 3", "filter.syntax"},
      {"a = 'open", "filter.syntax"},
      {"a = b", "filter.syntax"},
      {"a = 1e999", "filter.syntax"},
      {"a IN ('x', 3)", "filter.syntax"},
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
  const std::string_view pieces[] = {"metrics.", "a",  "'x'",  "\"", "`",    "=",   "<",  " AND ",
                                     "IN",       " (", ")",    ",",  "1e",   "-",   "--", "IS NULL",
                                     "\xc3\xbc", ";",  "LIKE", " ",  "NOT ", "0.5", "."};
  for (uint64_t seed = 1; seed <= 20000; ++seed) {
    gen::Dice dice = gen::Dice::seeded(seed);
    std::string text;
    for (uint64_t n = dice.below(9); n > 0; --n) text += pieces[dice.below(std::size(pieces))];
    const auto got = parse_filter(text);
    if (!got.ok()) {
      ASSERT_EQ(got.error().code, Code::kInvalid) << text;
      continue;
    }
    for (const Comparison& c : *got) {
      Sql sql;
      if (c.op != Op::kOther && !c.values.empty() && !c.values.front().is_number) {
        ASSERT_TRUE(add_text_test(&sql, "c", c).ok()) << text;
      }
      ASSERT_EQ(sql.args.size(), std::count(sql.text.begin(), sql.text.end(), '?')) << text;
    }
  }
}

TEST(PageToken, ComesBackAsItWas) {
  const std::vector<SortKey> keys = {{.expr = "a", .type = Type::kInteger, .args = {}},
                                     {.expr = "b", .type = Type::kNumber, .args = {}},
                                     {.expr = "c", .type = Type::kText, .args = {}}};
  const std::vector<Bound> last = {int64_t{-7}, 0.1, std::string("ü'\"")};
  const std::string token = make_page_token("q", last);
  EXPECT_EQ(parse_page_token(token, "q", keys).value(), last);
  EXPECT_TRUE(parse_page_token("", "q", keys).value().empty());
  for (const std::string& bad : {std::string("%%%"), std::string("e30="), token + "A"})
    EXPECT_EQ(parse_page_token(bad, "q", keys).error().reason, "page.token") << bad;
  EXPECT_EQ(parse_page_token(token, "other", keys).error().reason, "page.token");
  const std::vector<SortKey> other = {keys[2], keys[1], keys[0]};
  EXPECT_EQ(parse_page_token(token, "q", other).error().reason, "page.token");
}

TEST(PageToken, ContinuesBehindTheLastRow) {
  const std::vector<SortKey> keys = {{.expr = "a", .ascending = false, .args = {}},
                                     {.expr = "b", .type = Type::kText, .args = {}}};
  Sql sql;
  add_after(&sql, keys, std::vector<Bound>{int64_t{3}, std::string("x")});
  EXPECT_EQ(sql.text,
            "(a < CAST(? AS BIGINT) OR (a = CAST(? AS BIGINT) AND (b > CAST(? AS TEXT))))");
  EXPECT_EQ(sql.args.size(), 3U);
}

}  // namespace
}  // namespace slip::search
