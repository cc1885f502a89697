#include "core/search/sql.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/text.h"
#include "codec/hash.h"
#include "codec/json.h"
#include "store/sql.h"

namespace slip::search {
namespace {

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

Error bad_token() { return invalid("page.token", "Invalid page token, could not base64-decode"); }

std::string fingerprint(std::string_view query) { return codec::sha256(query).hex().substr(0, 16); }

Result<Bound> read_bound(const codec::Json& value, Type type) {
  switch (type) {
    case Type::kInteger:
      if (!value.is_int()) return bad_token();
      return Bound(value.as_int());
    case Type::kNumber:
      if (!value.is_number()) return bad_token();
      return Bound(value.as_double());
    case Type::kText:
      break;
  }
  if (!value.is_string()) return bad_token();
  return Bound(value.as_string());
}

codec::Json write_bound(const Bound& value) {
  if (const auto* i = std::get_if<int64_t>(&value)) return *i;
  if (const auto* d = std::get_if<double>(&value)) return *d;
  return std::get<std::string>(value);
}

void add_key(Sql* sql, const SortKey& key) {
  sql->add(key.expr);
  for (const Bound& arg : key.args) sql->bind(arg);
}

// A bound of a number is written so that both databases see its type.
void add_bound(Sql* sql, const SortKey& key, const Bound& value) {
  switch (key.type) {
    case Type::kInteger:
      sql->add("CAST(? AS BIGINT)");
      break;
    case Type::kNumber:
      sql->add("CAST(? AS DOUBLE PRECISION)");
      break;
    case Type::kText:
      sql->add("CAST(? AS TEXT)");
      break;
  }
  sql->bind(value);
}

}  // namespace

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
  switch (c.op) {
    case Op::kIsNull:
      sql->add(expr).add(" IS NULL");
      return {};
    case Op::kIsNotNull:
      sql->add(expr).add(" IS NOT NULL");
      return {};
    case Op::kIn:
    case Op::kNotIn: {
      sql->add(expr).add(c.op == Op::kIn ? " IN (" : " NOT IN (");
      for (size_t i = 0; i < c.values.size(); ++i) {
        sql->add(i ? ", ?" : "?").bind(c.values[i].text);
      }
      sql->add(")");
      return {};
    }
    default:
      break;
  }
  if (c.op == Op::kOther) return check_op(c, {Op::kEq, Op::kNe});
  if (c.values.front().is_number)
    return invalid("filter.value", concat({"Expected a quoted string value for key '", c.key.name,
                                           "' (e.g. "
                                           "'my-value'). Got value ",
                                           c.values.front().text}));
  const std::string& value = c.values.front().text;
  if (c.op == Op::kLike)
    sql->add(store::like_case(expr)).bind(store::like_pattern(value));
  else if (c.op == Op::kILike)
    sql->add(store::ilike(expr)).bind(store::ilike_pattern(value));
  else
    sql->add(expr).add(sql_op(c.op)).add("?").bind(value);
  return {};
}

Status add_number_test(Sql* sql, std::string_view expr, const Comparison& c) {
  TRY(check_op(c, {Op::kEq, Op::kNe, Op::kLt, Op::kLe, Op::kGt, Op::kGe}));
  if (!c.values.front().is_number)
    return invalid("filter.value", concat({"Expected numeric value type for key '", c.key.name,
                                           "'. Found '", c.values.front().text, "'"}));
  sql->add(expr).add(sql_op(c.op)).add("?").bind(c.values.front().number);
  return {};
}

Status add_integer_test(Sql* sql, std::string_view expr, const Comparison& c) {
  TRY(check_op(c, {Op::kEq, Op::kNe, Op::kLt, Op::kLe, Op::kGt, Op::kGe}));
  // Against a fraction, an integer column compares as a number: 2 < 2.5 <= 3.
  const Literal& value = c.values.front();
  if (const auto exact = parse_int(value.text); value.is_number && exact) {
    sql->add(expr).add(sql_op(c.op)).add("?").bind(*exact);
    return {};
  }
  return add_number_test(sql, concat({"CAST(", expr, " AS DOUBLE PRECISION)"}), c);
}

void add_order_by(Sql* sql, std::span<const SortKey> keys) {
  std::string_view separator = " ORDER BY ";
  for (const SortKey& key : keys) {
    sql->add(std::exchange(separator, ", "));
    add_key(sql, key);
    if (!key.ascending) sql->add(" DESC");
  }
}

void add_after(Sql* sql, std::span<const SortKey> keys, std::span<const Bound> last) {
  CHECK(keys.size() == last.size() && !keys.empty());
  for (size_t i = 0; i < keys.size(); ++i) {
    const bool final_key = i + 1 == keys.size();
    sql->add("(");
    add_key(sql, keys[i]);
    sql->add(keys[i].ascending ? " > " : " < ");
    add_bound(sql, keys[i], last[i]);
    if (final_key) break;
    sql->add(" OR (");
    add_key(sql, keys[i]);
    sql->add(" = ");
    add_bound(sql, keys[i], last[i]);
    sql->add(" AND ");
  }
  sql->text.append(2 * keys.size() - 1, ')');
}

std::string make_page_token(std::string_view query, std::span<const Bound> last) {
  codec::Json list = codec::Json::array();
  for (const Bound& value : last) list.push(write_bound(value));
  codec::Json token = codec::Json::object({{"q", fingerprint(query)}, {"k", std::move(list)}});
  return to_base64(codec::to_json(token));
}

Result<std::vector<Bound>> parse_page_token(std::string_view token, std::string_view query,
                                            std::span<const SortKey> keys) {
  std::vector<Bound> out;
  if (token.empty()) return out;
  const auto bytes = from_base64(token);
  if (!bytes) return bad_token();
  const Result<codec::Json> parsed = codec::parse_json(*bytes);
  if (!parsed.ok()) return bad_token();
  const codec::Json* q = parsed->find("q");
  const codec::Json* k = parsed->find("k");
  if (!q || !k || !q->is_string() || !k->is_array()) return bad_token();
  if (q->as_string() != fingerprint(query))
    return invalid("page.token", "The page token belongs to another query");
  if (k->items().size() != keys.size()) return bad_token();
  for (size_t i = 0; i < keys.size(); ++i)
    out.push_back(TRY(read_bound(k->items()[i], keys[i].type)));
  return out;
}

std::vector<Bound> read_keys(const store::Row& row, int first, std::span<const SortKey> keys) {
  std::vector<Bound> out;
  for (size_t i = 0; i < keys.size(); ++i) {
    const int column = first + static_cast<int>(i);
    switch (keys[i].type) {
      case Type::kInteger:
        out.emplace_back(row.i64(column));
        break;
      case Type::kNumber:
        out.emplace_back(row.f64(column));
        break;
      case Type::kText:
        out.emplace_back(row.str(column));
        break;
    }
  }
  return out;
}

}  // namespace slip::search
