#include "tracking/run_search.h"

#include <array>
#include <utility>

#include "base/text.h"

namespace slip::tracking {
namespace {

using search::Comparison;
using search::Op;
using search::Type;

enum class Entity : uint8_t { kAttribute, kMetric, kParam, kTag, kDataset };

Result<Entity> entity_of(std::string_view entity) {
  if (entity.empty() || entity == "attribute" || entity == "attributes" || entity == "attr" ||
      entity == "run")
    return Entity::kAttribute;
  if (entity == "metric" || entity == "metrics") return Entity::kMetric;
  if (entity == "param" || entity == "params" || entity == "parameter" || entity == "parameters")
    return Entity::kParam;
  if (entity == "tag" || entity == "tags") return Entity::kTag;
  if (entity == "dataset" || entity == "datasets") return Entity::kDataset;
  return invalid("filter.entity",
                 concat({"Invalid entity type '", entity,
                         "'. Valid values are ['metric', 'parameter', 'tag', 'attribute', "
                         "'dataset']"}));
}

// `status` reads as its name, so that text operators work on it.
constexpr std::string_view kStatusText =
    "CASE r.status WHEN 1 THEN 'RUNNING' WHEN 2 THEN 'SCHEDULED' WHEN 3 THEN 'FINISHED'"
    " WHEN 4 THEN 'FAILED' ELSE 'KILLED' END";

struct Attribute {
  std::string_view name;
  std::string_view expr;
  Type type;
  bool nullable = false;
};
constexpr std::array<Attribute, 14> kAttributes = {{
    {"run_id", "r.run_id", Type::kText},
    {"run_name", "r.name", Type::kText},
    {"run name", "r.name", Type::kText},
    {"Run name", "r.name", Type::kText},
    {"Run Name", "r.name", Type::kText},
    {"status", kStatusText, Type::kText},
    {"artifact_uri", "r.artifact_uri", Type::kText},
    {"user_id", "r.user_id", Type::kText},
    {"experiment_id", "CAST(r.experiment_id AS TEXT)", Type::kText},
    {"lifecycle_stage", "CASE r.lifecycle WHEN 0 THEN 'active' ELSE 'deleted' END", Type::kText},
    {"start_time", "r.start_ms", Type::kInteger},
    {"created", "r.start_ms", Type::kInteger},
    {"Created", "r.start_ms", Type::kInteger},
    {"end_time", "r.end_ms", Type::kInteger, true},
}};

Result<const Attribute*> attribute(std::string_view name) {
  for (const Attribute& a : kAttributes)
    if (a.name == name) return &a;
  return invalid("filter.key",
                 concat({"Invalid attribute key '", name,
                         "' specified. Valid keys are ['run_id', 'run_name', 'status', "
                         "'artifact_uri', 'user_id', 'start_time', 'end_time', 'created']"}));
}

Status add_attribute(search::Sql* sql, const Comparison& c) {
  const Attribute& a = *TRY(attribute(c.key.name));
  if (a.type == Type::kInteger) return search::add_integer_test(sql, a.expr, c);
  if (a.name == "run_id")
    TRY(search::check_op(c, {Op::kEq, Op::kNe, Op::kLike, Op::kILike, Op::kIn, Op::kNotIn}));
  else
    TRY(search::check_op(c, {Op::kEq, Op::kNe, Op::kLike, Op::kILike}));
  return search::add_text_test(sql, a.expr, c);
}

// NaN is unequal to everything and otherwise compares with nothing.
Status add_metric(search::Sql* sql, const Comparison& c) {
  sql->add(
         "EXISTS (SELECT 1 FROM run_metric_latest m WHERE m.project = r.project"
         " AND m.run_id = r.run_id AND m.key = ?")
      .bind(c.key.name);
  sql->add(c.op == Op::kNe ? " AND (m.flag = 1 OR " : " AND (m.flag <> 1 AND ");
  TRY(search::add_number_test(sql, "m.value", c));
  sql->add("))");
  return {};
}

Status add_pair(search::Sql* sql, std::string_view table, const Comparison& c) {
  TRY(search::check_op(c, {Op::kEq, Op::kNe, Op::kLike, Op::kILike, Op::kIsNull, Op::kIsNotNull}));
  sql->add(c.op == Op::kIsNull ? "NOT EXISTS" : "EXISTS").add(" (SELECT 1 FROM ").add(table);
  sql->add(" p WHERE p.project = r.project AND p.run_id = r.run_id AND p.key = ?").bind(c.key.name);
  if (c.op != Op::kIsNull && c.op != Op::kIsNotNull) {
    sql->add(" AND ");
    TRY(search::add_text_test(sql, "p.value", c));
  }
  sql->add(")");
  return {};
}

Status add_dataset(search::Sql* sql, const Comparison& c) {
  TRY(search::check_op(c, {Op::kEq, Op::kNe, Op::kLike, Op::kILike, Op::kIn, Op::kNotIn}));
  const bool context = c.key.name == "context";
  if (!context && c.key.name != "name" && c.key.name != "digest")
    return invalid("filter.key", concat({"Invalid dataset attribute key '", c.key.name,
                                         "' specified. Valid keys are ['name', 'digest', "
                                         "'context']"}));
  sql->add("EXISTS (SELECT 1 FROM ").add(context ? "run_input_tag" : "run_input");
  sql->add(" d WHERE d.project = r.project AND d.run_id = r.run_id AND ");
  if (context) sql->add("d.key = 'mlflow.data.context' AND ");
  TRY(search::add_text_test(sql,
                            context                ? "d.value"
                            : c.key.name == "name" ? "d.name"
                                                   : "d.digest",
                            c));
  sql->add(")");
  return {};
}

Status add_condition(search::Sql* sql, const Comparison& c) {
  sql->add(" AND ");
  switch (TRY(entity_of(c.key.entity))) {
    case Entity::kAttribute:
      return add_attribute(sql, c);
    case Entity::kMetric:
      return add_metric(sql, c);
    case Entity::kParam:
      return add_pair(sql, "run_param", c);
    case Entity::kTag:
      return add_pair(sql, "run_tag", c);
    case Entity::kDataset:
      break;
  }
  return add_dataset(sql, c);
}

using Keys = std::vector<search::SortKey>;

void add_metric_order(Keys* out, const search::Order& order) {
  const std::string from =
      " FROM run_metric_latest m WHERE m.project = r.project AND m.run_id = r.run_id"
      " AND m.key = ?)";
  out->push_back({.expr = "COALESCE((SELECT CASE WHEN m.flag = 1 THEN 1 ELSE 0 END" + from + ", 2)",
                  .type = Type::kInteger,
                  .args = {order.key.name}});
  out->push_back({.expr = "COALESCE((SELECT m.value" + from + ", 0.0)",
                  .type = Type::kNumber,
                  .ascending = order.ascending,
                  .args = {order.key.name}});
}

void add_pair_order(Keys* out, std::string_view table, const search::Order& order) {
  const std::string from = concat(
      {" FROM ", table, " p WHERE p.project = r.project AND p.run_id = r.run_id AND p.key = ?)"});
  out->push_back({.expr = "COALESCE((SELECT 0" + from + ", 1)",
                  .type = Type::kInteger,
                  .args = {order.key.name}});
  out->push_back({.expr = "COALESCE((SELECT p.value" + from + ", '')",
                  .type = Type::kText,
                  .ascending = order.ascending,
                  .args = {order.key.name}});
}

Status add_attribute_order(Keys* out, const search::Order& order) {
  const Attribute& a = *TRY(attribute(order.key.name));
  std::string expr(a.expr);
  if (a.nullable) {
    out->push_back({.expr = concat({"CASE WHEN ", expr, " IS NULL THEN 1 ELSE 0 END"}),
                    .type = Type::kInteger,
                    .args = {}});
    expr = concat({"COALESCE(", expr, ", 0)"});
  }
  out->push_back(
      {.expr = std::move(expr), .type = a.type, .ascending = order.ascending, .args = {}});
  return {};
}

}  // namespace

Status add_run_conditions(search::Sql* where, const RunQuery& query) {
  if (query.view != View::kAll)
    where->add(query.view == View::kActiveOnly ? " AND r.lifecycle = 0" : " AND r.lifecycle = 1");
  where->add(" AND r.experiment_id IN (");
  for (size_t i = 0; i < query.experiment_ids.size(); ++i)
    where->add(i ? ", ?" : "?").bind(query.experiment_ids[i]);
  where->add(")");
  for (const Comparison& c : TRY(search::parse_filter(query.filter))) TRY(add_condition(where, c));
  return {};
}

Result<std::vector<search::SortKey>> run_sort_keys(const std::vector<std::string>& order_by) {
  Keys out;
  std::vector<std::pair<Entity, std::string>> seen;
  for (const std::string& text : order_by) {
    const search::Order order = TRY(search::parse_order(text));
    const Entity entity = TRY(entity_of(order.key.entity));
    for (const auto& [e, name] : seen)
      if (e == entity && name == order.key.name)
        return invalid("filter.order", concat({"`order_by` contains duplicate fields: ", text}));
    seen.emplace_back(entity, order.key.name);
    switch (entity) {
      case Entity::kMetric:
        add_metric_order(&out, order);
        break;
      case Entity::kParam:
        add_pair_order(&out, "run_param", order);
        break;
      case Entity::kTag:
        add_pair_order(&out, "run_tag", order);
        break;
      case Entity::kAttribute:
        TRY(add_attribute_order(&out, order));
        break;
      case Entity::kDataset:
        return invalid("filter.order", "Runs cannot be ordered by their datasets");
    }
  }
  out.push_back({.expr = "r.start_ms", .ascending = false, .args = {}});
  out.push_back({.expr = "r.run_id", .type = Type::kText, .args = {}});
  return out;
}

}  // namespace slip::tracking
