#include "core/search/page.h"

#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "codec/hash.h"
#include "codec/json.h"

namespace slip::search {
namespace {

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

void add_order_by(Sql* sql, std::span<const SortKey> keys) {
  std::string_view separator = " ORDER BY ";
  for (const SortKey& key : keys) {
    sql->add(std::exchange(separator, ", "));
    add_key(sql, key);
    if (!key.ascending) sql->add(" DESC");
  }
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

// Implied by add_after, whose OR no index serves: lets the walk begin where the page does.
void add_begin(Sql* sql, std::span<const SortKey> keys, std::span<const Bound> last) {
  if (keys.size() < 2 || !keys.front().args.empty()) return;
  add_key(sql, keys.front());
  sql->add(keys.front().ascending ? " >= " : " <= ");
  add_bound(sql, keys.front(), last.front());
  sql->add(" AND ");
}

// One row more than the page holds tells whether another page follows.
Sql page_sql(std::string_view project, const Select& select, const PageQuery& query) {
  Sql sql;
  sql.add("SELECT ").add(select.columns);
  for (const SortKey& key : query.keys) {
    sql.add(", ");
    add_key(&sql, key);
  }
  sql.add(" FROM ").add(select.from).bind(std::string(project));
  sql.add(query.where).add(query.visible);
  if (!query.after.empty()) {
    sql.add(" AND ");
    add_begin(&sql, query.keys, query.after);
    add_after(&sql, query.keys, query.after);
  }
  add_order_by(&sql, query.keys);
  sql.add(" LIMIT CAST(? AS BIGINT)").bind(query.limit + 1);
  return sql;
}

}  // namespace

Status PageQuery::start_at(std::string_view token) {
  after = TRY(parse_page_token(token, identity, keys));
  return {};
}

Result<std::string> each_of_page(store::Tx& tx, std::string_view project, const Select& select,
                                 const PageQuery& query,
                                 const std::function<void(const store::Row&)>& on_row) {
  CHECK(query.limit > 0);
  const Sql sql = page_sql(project, select, query);
  std::vector<Bound> last;
  std::string next;
  int64_t rows = 0;
  TRY(tx.each(sql.text, sql.values(), [&](const store::Row& row) {
    if (++rows > query.limit) {
      next = make_page_token(query.identity, last);
      return;
    }
    on_row(row);
    if (rows == query.limit) last = read_keys(row, select.column_count, query.keys);
  }));
  return next;
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

}  // namespace slip::search
