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
  return search::add_text_test(sql, a.expr, c);
}

// NaN is unequal to everything and otherwise compares with nothing.
Status add_metric_test(search::Sql* sql, std::string_view alias, const Comparison& c) {
  const bool unequal = c.op == Op::kNe || c.op == Op::kNotIn;
  sql->add(concat({"(", alias, unequal ? ".flag = 1 OR " : ".flag <> 1 AND "}));
  TRY(search::add_number_test(sql, concat({alias, ".value"}), c));
  sql->add(")");
  return {};
}

Status add_metric(search::Sql* sql, std::string_view project, const Comparison& c) {
  sql->add("EXISTS (SELECT 1 FROM metric_latest m WHERE m.run_n = r.run_n AND m.key_n = ");
  add_key_number(sql, project, c.key.name);
  sql->add(" AND ");
  TRY(add_metric_test(sql, "m", c));
  sql->add(")");
  return {};
}

constexpr search::Pairs kParams = {"run_param", "p.run_n = r.run_n"};
constexpr search::Pairs kTags = {"run_tag", "p.run_n = r.run_n"};

Status add_dataset(search::Sql* sql, const Comparison& c) {
  const bool context = c.key.name == "context";
  if (!context && c.key.name != "name" && c.key.name != "digest")
    return invalid("filter.key", concat({"Invalid dataset attribute key '", c.key.name,
                                         "' specified. Valid keys are ['name', 'digest', "
                                         "'context']"}));
  sql->add("EXISTS (SELECT 1 FROM ").add(context ? "run_input_tag" : "run_input");
  sql->add(" s WHERE s.run_n = r.run_n AND ");
  if (context) sql->add("s.key = 'mlflow.data.context' AND ");
  TRY(search::add_text_test(sql,
                            context                ? "s.value"
                            : c.key.name == "name" ? "s.name"
                                                   : "s.digest",
                            c));
  sql->add(")");
  return {};
}

class RunTests final : public search::Tests {
 public:
  explicit RunTests(std::string_view project) : project_(project) {}
  Status add(search::Sql* sql, const Comparison& c) override;

 private:
  std::string_view project_;
};

Status RunTests::add(search::Sql* sql, const Comparison& c) {
  switch (TRY(entity_of(c.key.entity))) {
    case Entity::kAttribute:
      return add_attribute(sql, c);
    case Entity::kMetric:
      return add_metric(sql, project_, c);
    case Entity::kParam:
      return search::add_pair_test(sql, kParams, c);
    case Entity::kTag:
      return search::add_pair_test(sql, kTags, c);
    case Entity::kDataset:
      break;
  }
  return add_dataset(sql, c);
}

using Keys = std::vector<search::SortKey>;

void add_metric_order(Keys* out, std::string_view project, const search::Order& order) {
  search::Sql key;
  add_key_number(&key, project, order.key.name);
  const std::string from =
      concat({" FROM metric_latest m WHERE m.run_n = r.run_n AND m.key_n = ", key.text, ")"});
  out->push_back({.expr = "COALESCE((SELECT CASE WHEN m.flag = 1 THEN 1 ELSE 0 END" + from + ", 2)",
                  .type = Type::kInteger,
                  .args = key.args});
  out->push_back({.expr = "COALESCE((SELECT m.value" + from + ", 0.0)",
                  .type = Type::kNumber,
                  .ascending = order.ascending,
                  .args = key.args});
}

void add_pair_order(Keys* out, std::string_view table, const search::Order& order) {
  const std::string from = concat({" FROM ", table, " p WHERE p.run_n = r.run_n AND p.key = ?)"});
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

void add_key_number(search::Sql* sql, std::string_view project, std::string_view key) {
  sql->add("(SELECT k.key_n FROM metric_key k WHERE k.project = ? AND k.key = ?)");
  sql->bind(std::string(project)).bind(std::string(key));
}

Result<std::string_view> text_attribute(std::string_view name) {
  const Attribute& a = *TRY(attribute(name));
  if (a.type != Type::kText)
    return invalid("filter.key", concat({"Attribute '", name, "' is no text"}));
  return a.expr;
}

bool is_drivable(const search::Filter& part) {
  if (part.kind != search::Filter::Kind::kTest) return false;
  const Result<Entity> entity = entity_of(part.test.key.entity);
  if (!entity.ok() || *entity != Entity::kMetric) return false;
  const Op op = part.test.op;
  return op == Op::kEq || op == Op::kLt || op == Op::kLe || op == Op::kGt || op == Op::kGe;
}

Status add_driver(search::Sql* sql, std::string_view project, const Comparison& c) {
  sql->add("d.key_n = ");
  add_key_number(sql, project, c.key.name);
  sql->add(" AND ");
  return add_metric_test(sql, "d", c);
}

void add_experiments(search::Sql* sql, std::string_view column, std::span<const int64_t> ids) {
  sql->add(concat({column, " IN ("}));
  for (size_t i = 0; i < ids.size(); ++i) sql->add(i ? ", ?" : "?").bind(ids[i]);
  sql->add(")");
}

Status add_run_conditions(search::Sql* where, std::string_view project, const RunQuery& query,
                          const search::Filter& filter) {
  if (query.view != View::kAll)
    where->add(query.view == View::kActiveOnly ? " AND r.lifecycle = 0" : " AND r.lifecycle = 1");
  RunTests tests(project);
  return search::add_filter(where, filter, tests);
}

Result<std::vector<search::SortKey>> run_sort_keys(std::string_view project,
                                                   const std::vector<std::string>& order_by) {
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
        add_metric_order(&out, project, order);
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
