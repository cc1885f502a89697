#include <bit>
#include <cmath>
#include <limits>
#include <map>

#include <gtest/gtest.h>

#include "base/text.h"
#include "engine/expr/expr.h"
#include "engine/expr/function.h"
#include "test/gen/dice.h"

// Random typed expressions over random rows: however the rows are split, the same bits come out,
// and what is printed is the same program again.
namespace slip::engine::expr {
namespace {

using gen::Dice;

Schema schema() {
  return {{"i", kIntType},
          {"j", kIntType},
          {"x", kDoubleType},
          {"y", kDoubleType},
          {"t", kTextType},
          {"u", kTextType},
          {"b", kBoolType},
          {"ts", kTimestampType},
          {"l", list_of(Type::kDouble)},
          {"k", list_of(Type::kInt64)},
          {"w", list_of(Type::kText)},
          {"z", kBytesType},
          {"iv", kIntervalType}};
}

double any_double(Dice& dice) {
  static constexpr double kOdd[] = {0.0,
                                    -0.0,
                                    1,
                                    -1,
                                    0.5,
                                    1e300,
                                    -1e300,
                                    5e-324,
                                    1e-10,
                                    2.5,
                                    std::numeric_limits<double>::infinity(),
                                    -std::numeric_limits<double>::infinity(),
                                    std::numeric_limits<double>::quiet_NaN(),
                                    -std::numeric_limits<double>::quiet_NaN()};
  return dice.one_in(2) ? dice.pick(kOdd) : (dice.unit() - 0.5) * 200;
}
int64_t any_int(Dice& dice) {
  static constexpr int64_t kOdd[] = {0, 1, -1, std::numeric_limits<int64_t>::max(),
                                     std::numeric_limits<int64_t>::min()};
  return dice.one_in(3) ? dice.pick(kOdd) : dice.between(-20, 20);
}
std::string any_text(Dice& dice) {
  static const std::string kOdd[] = {"",           " ",    "a",          "\xc3\xa4\xe2\x82\xac",
                                     "12",         "-1.5", "NaN",        "true",
                                     "2024-02-29", "%a_",  "Hello World"};
  return dice.one_in(2) ? dice.pick(kOdd) : dice.text(12, "ab 1%_");
}
int64_t any_stamp(Dice& dice) { return dice.between(-62167219200000000, 253402300799999999); }

void add(Dice& dice, Type type, Values* out) {
  if (dice.one_in(6)) return out->add_null();
  switch (type) {
    case Type::kBool:
      return out->add_bool(dice.one_in(2));
    case Type::kInt64:
      return out->add_i64(any_int(dice));
    case Type::kDouble:
      return out->add_f64(any_double(dice));
    case Type::kTimestampUs:
      return out->add_i64(any_stamp(dice));
    case Type::kText:
    case Type::kBytes:
      return out->add_text(any_text(dice));
    case Type::kList:
      for (uint64_t n = dice.below(4); n > 0; --n) add(dice, out->items().type(), &out->items());
      return out->end_list();
  }
}

std::string constant_for(Dice& dice, std::string_view function) {
  if (function.starts_with("date_")) {
    static constexpr std::string_view kUnits[] = {"second", "hour", "day", "week", "month", "year"};
    return concat({"'", dice.pick(kUnits), "'"});
  }
  if (function.ends_with("_zone")) return dice.one_in(2) ? "'UTC'" : "'-03:30'";
  static constexpr std::string_view kPatterns[] = {"[a-z]+", "a", "(.)b", "", "^1"};
  return concat({"'", dice.pick(kPatterns), "'"});
}

std::string leaf(Dice& dice, const ValueType& type) {
  std::vector<std::string> names;
  for (const Field& f : schema())
    if (f.type == type) names.push_back(f.name);
  if (!dice.one_in(3) || type.type == Type::kList || type == kBytesType) return dice.pick(names);
  if (type == kBoolType) return dice.one_in(2) ? "true" : "cast(null as bool)";
  if (type == kIntType) return std::to_string(dice.between(-3, 12));
  if (type == kDoubleType)
    return concat({"cast(", std::to_string(dice.between(-9, 9)), " as double)"});
  if (type == kTextType) return concat({"'", any_text(dice), "'"});
  if (type == kTimestampType) return "timestamp '1999-12-31T23:59:59.5Z'";
  return "interval '36h'";
}

std::string call(const Function& f, const std::vector<std::string>& a) {
  const std::string name(f.name);
  std::string list;
  for (const std::string& arg : a) list += concat({list.empty() ? "" : ", ", arg});
  if (name.starts_with("cast ")) return concat({"cast(", a[0], " as ", name.substr(5), ")"});
  if (name.starts_with("is ")) return concat({"(", a[0], " ", name, ")"});
  if (name == "in") return concat({"(", a[0], " in (", list.substr(a[0].size() + 2), "))"});
  if (name == "between") return concat({"(", a[0], " between ", a[1], " and ", a[2], ")"});
  if (name == "case") return concat({"if(", list, ")"});
  if (name == "not" || a.size() == 1) return concat({"(", name, " (", a[0], "))"});
  const bool sign = name == "and" || name == "or" || name[0] < 'a' || name[0] > 'z';
  return sign ? concat({"(", a[0], " ", name, " ", a[1], ")"}) : concat({name, "(", list, ")"});
}

std::string any_of(Dice& dice, const ValueType& type, int depth);

std::string apply(Dice& dice, const Function& f, int depth) {
  std::vector<std::string> args;
  for (size_t i = 0; i < f.params.size(); ++i)
    args.push_back(static_cast<int>(i) == f.bound ? constant_for(dice, f.name)
                                                  : any_of(dice, f.params[i], depth - 1));
  if (f.variadic) args.push_back(any_of(dice, f.params.back(), depth - 1));
  return call(f, args);
}

std::string any_of(Dice& dice, const ValueType& type, int depth) {
  std::vector<const Function*> makers;
  for (const Function& f : functions())
    if (f.result == type) makers.push_back(&f);
  if (depth <= 0 || makers.empty()) return leaf(dice, type);
  return apply(dice, *dice.pick(makers), depth);
}

struct Rows {
  std::vector<Values> values;
  std::vector<Column> columns(const Program& program, int64_t from, int64_t n,
                              std::vector<Values>* slices) const {
    slices->clear();
    std::vector<Column> out;
    for (const Field& used : program.inputs()) {
      size_t at = 0;
      while (schema()[at].name != used.name) ++at;
      const Column whole = values[at].view();
      slices->emplace_back(used.type.type, used.type.item);
      for (int64_t i = from; i < from + n; ++i) slices->back().add_from(whole, i);
    }
    for (const Values& s : *slices) out.push_back(s.view());
    return out;
  }
};

Rows rows_of(Dice& dice, int n) {
  Rows out;
  for (const Field& f : schema()) {
    out.values.emplace_back(f.type.type, f.type.item);
    for (int i = 0; i < n; ++i) add(dice, f.type.type, &out.values.back());
  }
  return out;
}

std::string bits_of(const Column& c, int64_t i) {
  if (c.is_null(i)) return "null";
  switch (c.type) {
    case Type::kBool:
      return c.boolean(i) ? "true" : "false";
    case Type::kDouble:
      return std::to_string(std::bit_cast<uint64_t>(c.f64(i)));
    case Type::kInt64:
    case Type::kTimestampUs:
      return std::to_string(c.i64(i));
    case Type::kList: {
      std::string out;
      for (int32_t at = c.offsets[i]; at < c.offsets[i + 1]; ++at)
        out += bits_of(*c.child, at) + ",";
      return out;
    }
    default:
      return concat({"'", c.text(i), "'"});
  }
}

// Each row's bits, rows in blocks of `step`; a row that fails says why.
std::vector<std::string> in_steps(const Program& program, const Rows& rows, int64_t n,
                                  int64_t step) {
  Evaluator e(program);
  std::vector<std::string> out;
  std::vector<Values> slices;
  for (int64_t at = 0; at < n; at += step) {
    const int64_t size = std::min(step, n - at);
    const std::vector<Column> columns = rows.columns(program, at, size, &slices);
    Values values = e.make_output();
    const Status done = e.evaluate(columns, size, &values);
    EXPECT_TRUE(done.ok() || size == 1 || done.error().reason == "expr.row");
    for (int64_t i = 0; i < size; ++i)
      out.push_back(done.ok() ? bits_of(values.view(), i) : done.error().text);
  }
  return out;
}

void check(Dice& dice, const std::string& text, const Rows& rows, int64_t n) {
  const auto plain = compile(text, schema());
  ASSERT_TRUE(plain.ok()) << text << "\n" << plain.error().text << plain.error().hint;
  const auto again = compile(plain->text(), schema());
  ASSERT_TRUE(again.ok()) << text << "\n" << plain->text() << "\n" << again.error().text;
  EXPECT_EQ(again->text(), plain->text());
  EXPECT_EQ(again->hash(), plain->hash());
  // Failing rows end a batch: what is compared in blocks can't fail.
  const ValueType& type = plain->output_type();
  const bool can_try = !functions_named("try").empty() && !type.null;
  const auto safe = compile(can_try ? concat({"try(", text, ")"}) : text, schema());
  ASSERT_TRUE(safe.ok()) << safe.error().text;
  const std::vector<std::string> one = in_steps(*safe, rows, n, 1);
  EXPECT_EQ(one, in_steps(*safe, rows, n, 1024)) << text;
  EXPECT_EQ(one, in_steps(*safe, rows, n, n)) << text;  // Of more than one block.
  EXPECT_EQ(one, in_steps(*safe, rows, n, 1 + static_cast<int64_t>(dice.below(70)))) << text;
  const std::vector<std::string> bare = in_steps(*plain, rows, std::min<int64_t>(n, 40), 1);
  for (size_t i = 0; i < bare.size(); ++i)
    EXPECT_TRUE(bare[i] == one[i] || (one[i] == "null" && bare[i].starts_with("row 0: "))) << text;
}

TEST(ExprProperty, EveryFunctionGivesTheSameBitsForEverySplit) {
  Dice dice = Dice::seeded(1);
  constexpr int kRows = 1500;
  const Rows rows = rows_of(dice, kRows);
  for (const Function& f : functions()) check(dice, apply(dice, f, 1), rows, kRows);
}

TEST(ExprProperty, RandomExpressionsGiveTheSameBitsForEverySplit) {
  const ValueType types[] = {kBoolType, kIntType,       kDoubleType,
                             kTextType, kTimestampType, kIntervalType};
  for (uint64_t seed = 0; seed < 600; ++seed) {
    Dice dice = Dice::seeded(seed);
    const Rows rows = rows_of(dice, 150);
    SCOPED_TRACE(seed);
    check(dice, any_of(dice, dice.pick(types), 4), rows, 150);
    if (HasFailure()) return;
  }
}

TEST(ExprProperty, NoTextBreaksTheParser) {
  static constexpr std::string_view kWords[] = {
      "i",       "x",    "(",   ")", "+",  "-",    "case", "when",
      "then",    "else", "end", "'", "\"", "in",   "not",  "is",
      "null",    "::",   "int", ",", "1",  "1.5e", "7d",   "at time zone",
      "between", "and",  "."};
  for (uint64_t seed = 0; seed < 5000; ++seed) {
    Dice dice = Dice::seeded(seed);
    std::string text;
    for (uint64_t n = dice.below(20); n > 0; --n) text += concat({dice.pick(kWords), " "});
    const auto program = compile(text, schema());
    if (program.ok()) {
      EXPECT_TRUE(compile(program->text(), schema()).ok()) << text;
    }
  }
}

}  // namespace
}  // namespace slip::engine::expr
