#include "tracking/run_groups_store.h"

#include <string>

#include "base/text.h"
#include "store/sql.h"
#include "tracking/metric_store.h"
#include "tracking/run_data_store.h"
#include "tracking/run_search.h"

namespace slip::tracking::sql {
namespace {

using search::Sql;

Sql found_runs(const Found& found) {
  Sql sql;
  sql.add("(SELECT r.run_n FROM ").add(found.from).bind(std::string(found.project));
  sql.add(found.conditions).add(") q");
  return sql;
}

// Digits of our own numbers: no text of a request.
std::string numbers_list(std::span<const int64_t> numbers) {
  std::string out;
  for (const int64_t n : numbers) out += (out.empty() ? "" : ",") + std::to_string(n);
  return out;
}

}  // namespace

Status each_grouped(store::Tx& tx, const Found& found, const GroupBy& by,
                    const std::function<void(const GroupRow&)>& on_row) {
  Sql sql;
  if (by.kind == GroupBy::Kind::kAttribute) {
    sql.add("SELECT r.run_n, ").add(TRY(text_attribute(by.key)));
    sql.add(" FROM ").add(found.from).bind(std::string(found.project)).add(found.conditions);
  } else if (by.of_metric()) {
    sql.add("SELECT q.run_n, m.value, m.flag FROM ").add(found_runs(found));
    sql.add(" LEFT JOIN metric_latest m ON m.run_n = q.run_n AND m.key_n = ");
    add_key_number(&sql, found.project, by.key);
  } else {
    sql.add("SELECT q.run_n, p.value FROM ").add(found_runs(found)).add(" LEFT JOIN ");
    sql.add(by.kind == GroupBy::Kind::kParam ? "run_param" : "run_tag");
    sql.add(" p ON p.run_n = q.run_n AND p.key = ?").bind(by.key);
  }
  return tx.each(sql.text, sql.values(), [&](const store::Row& row) {
    GroupRow out{.run_n = row.i64(0), .absent = row.is_null(1), .text = {}, .value = 0};
    if (by.of_metric())
      out.value = decode_number(row.f64(1), row.i64(2));
    else
      out.text = row.text(1);
    on_row(out);
  });
}

Status each_value(store::Tx& tx, const Found& found, std::span<const int64_t> key_ns,
                  const std::function<void(const GroupValue&)>& on_row) {
  if (key_ns.empty()) return {};
  Sql sql;
  sql.add("SELECT m.run_n, m.key_n, m.value, m.flag FROM ").add(found_runs(found));
  sql.add(" JOIN metric_latest m ON m.run_n = q.run_n AND m.key_n IN (");
  sql.add(store::placeholders(key_ns.size())).add(")");
  for (const int64_t key_n : key_ns) sql.bind(key_n);
  return tx.each(sql.text, sql.values(), [&](const store::Row& row) {
    on_row({row.i64(0), row.i64(1), decode_number(row.f64(2), row.i64(3))});
  });
}

Status each_value_of(store::Tx& tx, std::span<const int64_t> run_ns,
                     std::span<const int64_t> key_ns,
                     const std::function<void(const GroupValue&)>& on_row) {
  if (key_ns.empty()) return {};
  const std::string select =
      concat({"SELECT m.run_n, m.key_n, m.value, m.flag FROM metric_latest m WHERE m.key_n IN (",
              numbers_list(key_ns), ") AND "});
  return each_of_runs(tx, run_ns, {select, "m.run_n"}, [&](const store::Row& row) {
    on_row({row.i64(0), row.i64(1), decode_number(row.f64(2), row.i64(3))});
  });
}

}  // namespace slip::tracking::sql
