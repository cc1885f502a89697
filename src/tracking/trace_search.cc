#include "tracking/trace_search.h"

#include <array>
#include <utility>

#include "base/text.h"

namespace slip::tracking {
namespace {

using search::Comparison;
using search::Op;
using search::Type;

struct Attribute {
  std::string_view name;
  std::string_view expr;  // May be NULL in SQL: then nothing compares.
  Type type;
};
// Times are kept in microseconds and asked for in milliseconds.
constexpr std::array<Attribute, 12> kAttributes = {{
    {"request_id", "t.trace_id", Type::kText},
    {"trace_id", "t.trace_id", Type::kText},
    {"client_request_id", "t.client_request_id", Type::kText},
    {"status",
     "CASE t.state WHEN 1 THEN 'OK' WHEN 2 THEN 'ERROR' WHEN 3 THEN 'IN_PROGRESS'"
     " ELSE 'STATE_UNSPECIFIED' END",
     Type::kText},
    {"timestamp", "(t.request_us / 1000)", Type::kInteger},
    {"timestamp_ms", "(t.request_us / 1000)", Type::kInteger},
    {"request_time", "(t.request_us / 1000)", Type::kInteger},
    {"execution_time", "(t.duration_us / 1000)", Type::kInteger},
    {"execution_time_ms", "(t.duration_us / 1000)", Type::kInteger},
    {"execution_duration", "(t.duration_us / 1000)", Type::kInteger},
    {"end_time", "((t.request_us + t.duration_us) / 1000)", Type::kInteger},
    {"end_time_ms", "((t.request_us + t.duration_us) / 1000)", Type::kInteger},
}};

bool is_attribute(std::string_view entity) {
  return entity.empty() || entity == "attribute" || entity == "attributes" || entity == "trace";
}

Result<const Attribute*> attribute(std::string_view name) {
  for (const Attribute& a : kAttributes)
    if (a.name == name) return &a;
  return invalid("filter.key", concat({"Invalid attribute key '", name, "' specified"}));
}

Status add_pair(search::Sql* sql, std::string_view table, const Comparison& c) {
  TRY(search::check_op(c, {Op::kEq, Op::kNe, Op::kLike, Op::kILike, Op::kIn, Op::kNotIn,
                           Op::kIsNull, Op::kIsNotNull}));
  sql->add(c.op == Op::kIsNull ? "NOT EXISTS" : "EXISTS").add(" (SELECT 1 FROM ").add(table);
  sql->add(" p WHERE p.project = t.project AND p.trace_id = t.trace_id AND p.key = ?")
      .bind(c.key.name);
  if (c.op != Op::kIsNull && c.op != Op::kIsNotNull) {
    sql->add(" AND ");
    TRY(search::add_text_test(sql, "p.value", c));
  }
  sql->add(")");
  return {};
}

Status add_condition(search::Sql* sql, Comparison c) {
  sql->add(" AND ");
  if (c.key.entity == "tag" || c.key.entity == "tags") return add_pair(sql, "trace_tag", c);
  if (c.key.entity == "metadata" || c.key.entity == "request_metadata")
    return add_pair(sql, "trace_metadata", c);
  if (!is_attribute(c.key.entity))
    return invalid("filter.entity",
                   concat({"Invalid entity type '", c.key.entity,
                           "'. Valid values are ['tag', 'attribute', 'trace', 'metadata']"}));
  if (c.key.name == "name") {
    c.key.name = "mlflow.traceName";
    return add_pair(sql, "trace_tag", c);
  }
  if (c.key.name == "run_id") {
    c.key.name = "mlflow.sourceRun";
    return add_pair(sql, "trace_metadata", c);
  }
  const Attribute& a = *TRY(attribute(c.key.name));
  if (a.type == Type::kInteger) return search::add_integer_test(sql, a.expr, c);
  TRY(search::check_op(c, {Op::kEq, Op::kNe, Op::kLike, Op::kILike, Op::kIn, Op::kNotIn}));
  return search::add_text_test(sql, a.expr, c);
}

}  // namespace

Status add_trace_conditions(search::Sql* where, const TraceQuery& query) {
  where->add(" AND t.experiment_id IN (");
  for (size_t i = 0; i < query.experiment_ids.size(); ++i)
    where->add(i ? ", ?" : "?").bind(query.experiment_ids[i]);
  where->add(")");
  for (const Comparison& c : TRY(search::parse_filter(query.filter))) TRY(add_condition(where, c));
  return {};
}

Result<std::vector<search::SortKey>> trace_sort_keys(const std::vector<std::string>& order_by) {
  std::vector<search::SortKey> out;
  for (const std::string& text : order_by) {
    const search::Order order = TRY(search::parse_order(text));
    if (!is_attribute(order.key.entity))
      return invalid("filter.order", concat({"Traces cannot be ordered by '", text, "'"}));
    const Attribute& a = *TRY(attribute(order.key.name));
    const bool number = a.type == Type::kInteger;
    out.push_back(
        {.expr = concat({"CASE WHEN ", a.expr, " IS NULL THEN 1 ELSE 0 END"}), .args = {}});
    out.push_back({.expr = concat({"COALESCE(", a.expr, number ? ", 0)" : ", '')"}),
                   .type = a.type,
                   .ascending = order.ascending,
                   .args = {}});
  }
  out.push_back({.expr = "t.request_us", .ascending = false, .args = {}});
  out.push_back({.expr = "t.trace_id", .type = Type::kText, .args = {}});
  return out;
}

}  // namespace slip::tracking
