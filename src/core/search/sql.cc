#include "core/search/sql.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "codec/regex.h"
#include "store/sql.h"

namespace slip::search {
namespace {

constexpr std::initializer_list<Op> kNumberOps = {Op::kEq, Op::kNe, Op::kLt, Op::kLe,
                                                  Op::kGt, Op::kGe, Op::kIn, Op::kNotIn};

std::string_view sql_op(Op op) {
  switch (op) {
    case Op::kEq:
      return " = ";
    case Op::kNe:
      return " != ";
    case Op::kLt:
      return " < ";
    case Op::kLe:
      return " <= ";
    case Op::kGt:
      return " > ";
    default:
      CHECK(op == Op::kGe);
      return " >= ";
  }
}

Status add_node(Sql* sql, const Filter& node, Tests& tests);

// Tests first, together; then what nests.
Status add_conjunction(Sql* sql, const Filter& node, Tests& tests) {
  std::vector<const Comparison*> flat;
  for (const Filter& part : node.parts)
    if (part.kind == Filter::Kind::kTest) flat.push_back(&part.test);
  std::string_view separator;
  if (!flat.empty()) {
    TRY(tests.add_all(sql, flat));
    separator = " AND ";
  }
  for (const Filter& part : node.parts) {
    if (part.kind == Filter::Kind::kTest) continue;
    sql->add(std::exchange(separator, " AND "));
    TRY(add_node(sql, part, tests));
  }
  return {};
}

Status add_node(Sql* sql, const Filter& node, Tests& tests) {
  sql->add(node.kind == Filter::Kind::kNot ? "NOT COALESCE((" : "(");
  switch (node.kind) {
    case Filter::Kind::kTest:
      TRY(tests.add(sql, node.test));
      break;
    case Filter::Kind::kAll:
      TRY(add_conjunction(sql, node, tests));
      break;
    case Filter::Kind::kNot:
      TRY(add_node(sql, node.parts.front(), tests));
      sql->add("), FALSE)");
      return {};
    case Filter::Kind::kAny:
      for (size_t i = 0; i < node.parts.size(); ++i) {
        if (i > 0) sql->add(" OR ");
        TRY(add_node(sql, node.parts[i], tests));
      }
      break;
  }
  sql->add(")");
  return {};
}

// Compiled here as well, so that a bad pattern is the request's error and not the database's.
Status add_regex(Sql* sql, std::string_view expr, const std::string& pattern) {
  TRY(codec::Regex::compile(pattern));
  sql->add(store::regex(expr)).bind(pattern);
  return {};
}

// "expr IN (?, ?)"; the arguments are bound by the caller.
void add_list(Sql* sql, std::string_view expr, const Comparison& c) {
  sql->add(expr).add(c.op == Op::kIn ? " IN (" : " NOT IN (");
  sql->add(store::placeholders(c.values.size())).add(")");
}

Error wants_text(const Comparison& c, const Literal& value, bool list) {
  if (list)
    return invalid("filter.value",
                   concat({"While parsing a list in the query, expected string value, punctuation, "
                           "or whitespace, but got different type in list: ",
                           value.text}));
  return invalid("filter.value", concat({"Expected a quoted string value for key '", c.key.name,
                                         "' (e.g. 'my-value'). Got value ", value.text}));
}

Error wants_number(const Comparison& c, const Literal& value) {
  return invalid("filter.value", concat({"Expected numeric value type for key '", c.key.name,
                                         "'. Found '", value.text, "'"}));
}

}  // namespace

Status Tests::add_all(Sql* sql, std::span<const Comparison* const> tests) {
  std::string_view separator;
  for (const Comparison* test : tests) {
    sql->add(std::exchange(separator, " AND ")).add("(");
    TRY(add(sql, *test));
    sql->add(")");
  }
  return {};
}

Status add_filter(Sql* sql, const Filter& filter, Tests& tests) {
  if (filter.empty()) return {};
  sql->add(" AND ");
  return add_node(sql, filter, tests);
}

std::vector<store::Value> Sql::values() const {
  std::vector<store::Value> out;
  out.reserve(args.size());
  for (const Bound& arg : args) {
    if (const auto* i = std::get_if<int64_t>(&arg))
      out.emplace_back(*i);
    else if (const auto* d = std::get_if<double>(&arg))
      out.emplace_back(*d);
    else
      out.emplace_back(std::string_view(std::get<std::string>(arg)));
  }
  return out;
}

Status check_op(const Comparison& c, std::initializer_list<Op> allowed) {
  if (std::find(allowed.begin(), allowed.end(), c.op) != allowed.end()) return {};
  std::string list;
  for (const Op op : allowed) list += concat({list.empty() ? "" : ", ", "'", op_text(op), "'"});
  return invalid("filter.operator", concat({"Invalid comparator for key '", c.key.name, "': '",
                                            c.op_written, "' not one of {", list, "}"}));
}

Status add_text_test(Sql* sql, std::string_view expr, const Comparison& c) {
  TRY(check_op(c, kTextOps));
  const bool list = c.op == Op::kIn || c.op == Op::kNotIn;
  for (const Literal& value : c.values)
    if (value.is_number) return wants_text(c, value, list);
  if (list) {
    add_list(sql, expr, c);
    for (const Literal& value : c.values) sql->bind(value.text);
    return {};
  }
  const std::string& value = c.values.front().text;
  if (c.op == Op::kLike)
    sql->add(store::like_case(expr)).bind(store::like_pattern(value));
  else if (c.op == Op::kILike)
    sql->add(store::ilike(expr)).bind(store::ilike_pattern(value));
  else if (c.op == Op::kRegex)
    return add_regex(sql, expr, value);
  else
    sql->add(expr).add(sql_op(c.op)).add("?").bind(value);
  return {};
}

Status add_pair_test(Sql* sql, const Pairs& pairs, const Comparison& c) {
  const bool presence = c.op == Op::kIsNull || c.op == Op::kIsNotNull;
  sql->add(c.op == Op::kIsNull ? "NOT EXISTS" : "EXISTS").add(" (SELECT 1 FROM ");
  sql->add(pairs.table).add(" p WHERE ").add(pairs.join).add(" AND p.key = ?").bind(c.key.name);
  if (!presence) {
    sql->add(" AND ");
    TRY(add_text_test(sql, "p.value", c));
  }
  sql->add(")");
  return {};
}

Status add_number_test(Sql* sql, std::string_view expr, const Comparison& c) {
  TRY(check_op(c, kNumberOps));
  for (const Literal& value : c.values)
    if (!value.is_number) return wants_number(c, value);
  if (c.op == Op::kIn || c.op == Op::kNotIn)
    add_list(sql, expr, c);
  else
    sql->add(expr).add(sql_op(c.op)).add("?");
  for (const Literal& value : c.values) sql->bind(value.number);
  return {};
}

Status add_integer_test(Sql* sql, std::string_view expr, const Comparison& c) {
  TRY(check_op(c, kNumberOps));
  // Against a fraction, an integer column compares as a number: 2 < 2.5 <= 3.
  std::vector<int64_t> exact;
  for (const Literal& value : c.values)
    if (const auto n = parse_int(value.text); value.is_number && n) exact.push_back(*n);
  if (exact.size() != c.values.size())
    return add_number_test(sql, concat({"CAST(", expr, " AS DOUBLE PRECISION)"}), c);
  if (c.op == Op::kIn || c.op == Op::kNotIn)
    add_list(sql, expr, c);
  else
    sql->add(expr).add(sql_op(c.op)).add("?");
  for (const int64_t n : exact) sql->bind(n);
  return {};
}

}  // namespace slip::search
