#include "registry/registry_search.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace slip::registry {
namespace {

using search::Comparison;
using search::Op;
using search::Type;

constexpr std::string_view kPromptTag = "mlflow.prompt.is_prompt";

struct Tags {
  std::string_view table;
  std::string_view join;  // Of alias t with the row that is searched.
};
constexpr Tags kModelTags = {"registered_model_tag",
                             "t.project = m.project AND t.model_uid = m.uid"};
constexpr Tags kVersionTags = {
    "model_version_tag",
    "t.project = v.project AND t.model_uid = v.model_uid AND t.version = v.version"};

bool is_attribute(std::string_view entity) {
  return entity.empty() || entity == "attribute" || entity == "attributes" || entity == "attr";
}

Error bad_key(const Comparison& c, std::string_view valid) {
  return invalid("filter.key", concat({"Invalid attribute key '", c.key.name,
                                       "' specified. Valid keys are ", valid}));
}

void begin_tag(search::Sql* sql, const Tags& tags, bool negated, std::string_view key) {
  sql->add(negated ? "NOT EXISTS" : "EXISTS").add(" (SELECT 1 FROM ").add(tags.table);
  sql->add(" t WHERE ").add(tags.join).add(" AND t.key = ?").bind(std::string(key));
}

Status add_tag(search::Sql* sql, const Tags& tags, const Comparison& c) {
  TRY(search::check_op(c, {Op::kEq, Op::kNe, Op::kLike, Op::kILike}));
  // "Is no prompt" is true of what carries no such tag at all.
  if (c.key.name == kPromptTag && c.op == Op::kNe) {
    Comparison is = c;
    is.op = Op::kEq;
    begin_tag(sql, tags, true, c.key.name);
    sql->add(" AND ");
    TRY(search::add_text_test(sql, "t.value", is));
    sql->add(")");
    return {};
  }
  begin_tag(sql, tags, false, c.key.name);
  sql->add(" AND ");
  TRY(search::add_text_test(sql, "t.value", c));
  sql->add(")");
  return {};
}

void leave_out_prompts(sql::Search* search, const Tags& tags,
                       const std::vector<Comparison>& clauses) {
  const bool named = std::any_of(clauses.begin(), clauses.end(),
                                 [](const Comparison& c) { return c.key.name == kPromptTag; });
  if (named) return;
  search->where.add(" AND ");
  begin_tag(&search->where, tags, true, kPromptTag);
  search->where.add(" AND t.value = 'true')");
}

Result<bool> is_tag(const Comparison& c) {
  if (c.key.entity == "tag" || c.key.entity == "tags") return true;
  if (is_attribute(c.key.entity)) return false;
  return invalid("filter.entity", concat({"Invalid entity type '", c.key.entity,
                                          "'. Valid values are ['attribute', 'tag']"}));
}

Status add_model_condition(search::Sql* sql, const Comparison& c) {
  sql->add(" AND ");
  if (TRY(is_tag(c))) return add_tag(sql, kModelTags, c);
  if (c.key.name != "name") return bad_key(c, "{'name'}");
  TRY(search::check_op(c, {Op::kEq, Op::kNe, Op::kLike, Op::kILike, Op::kIn, Op::kNotIn}));
  return search::add_text_test(sql, "m.name", c);
}

Status add_version_condition(search::Sql* sql, const Comparison& c) {
  sql->add(" AND ");
  if (TRY(is_tag(c))) return add_tag(sql, kVersionTags, c);
  if (c.key.name == "name" || c.key.name == "run_id") {
    TRY(search::check_op(c, {Op::kEq, Op::kNe, Op::kLike, Op::kILike, Op::kIn, Op::kNotIn}));
    return search::add_text_test(sql, c.key.name == "name" ? "m.name" : "v.run_id", c);
  }
  if (c.key.name == "source_path") {
    TRY(search::check_op(c, {Op::kEq, Op::kNe, Op::kLike, Op::kILike}));
    return search::add_text_test(sql, "v.source", c);
  }
  if (c.key.name == "version_number") return search::add_integer_test(sql, "v.version", c);
  return bad_key(c, "{'name', 'run_id', 'source_path', 'version_number'}");
}

struct OrderKey {
  std::string_view name;
  std::string_view expr;
  Type type;
};
constexpr OrderKey kModelOrders[] = {
    {"name", "m.name", Type::kText},
    {"creation_timestamp", "m.created_ms", Type::kInteger},
    {"last_updated_timestamp", "m.updated_ms", Type::kInteger},
    {"timestamp", "m.updated_ms", Type::kInteger},
};
constexpr OrderKey kVersionOrders[] = {
    {"name", "m.name", Type::kText},
    {"version_number", "v.version", Type::kInteger},
    {"creation_timestamp", "v.created_ms", Type::kInteger},
    {"last_updated_timestamp", "v.updated_ms", Type::kInteger},
};

Status add_orders(std::vector<search::SortKey>* out, const std::vector<std::string>& order_by,
                  std::span<const OrderKey> allowed) {
  std::vector<std::string_view> seen;
  for (const std::string& text : order_by) {
    const search::Order order = TRY(search::parse_order(text));
    const OrderKey* key = nullptr;
    for (const OrderKey& k : allowed)
      if (k.name == order.key.name && is_attribute(order.key.entity)) key = &k;
    if (!key)
      return invalid("filter.key",
                     concat({"Invalid order by key '", order.key.name, "' specified."}));
    if (std::find(seen.begin(), seen.end(), key->expr) != seen.end())
      return invalid("filter.order", concat({"`order_by` contains duplicate fields: ", text}));
    seen.push_back(key->expr);
    out->push_back({.expr = std::string(key->expr),
                    .type = key->type,
                    .ascending = order.ascending,
                    .args = {}});
  }
  return {};
}

bool sorts_by(const std::vector<search::SortKey>& keys, std::string_view expr) {
  return std::any_of(keys.begin(), keys.end(), [&](const auto& k) { return k.expr == expr; });
}

Status check_max(int64_t max_results, int64_t limit) {
  if (max_results >= 1 && max_results <= limit) return {};
  return invalid("page.limit",
                 concat({"Invalid value for max_results. It must be a positive integer of at most ",
                         std::to_string(limit), ", but got value ", std::to_string(max_results)}));
}

}  // namespace

Result<sql::Search> compile_model_search(const Query& query) {
  TRY(check_max(query.max_results, kSearchModelsMax));
  sql::Search out;
  out.limit = query.max_results;
  const std::vector<Comparison> clauses = TRY(search::parse_filter(query.filter));
  for (const Comparison& c : clauses) TRY(add_model_condition(&out.where, c));
  leave_out_prompts(&out, kModelTags, clauses);
  TRY(add_orders(&out.keys, query.order_by, kModelOrders));
  if (!sorts_by(out.keys, "m.name"))
    out.keys.push_back({.expr = "m.name", .type = Type::kText, .args = {}});
  return out;
}

Result<sql::Search> compile_version_search(const Query& query) {
  TRY(check_max(query.max_results, kSearchVersionsMax));
  sql::Search out;
  out.limit = query.max_results;
  const std::vector<Comparison> clauses = TRY(search::parse_filter(query.filter));
  for (const Comparison& c : clauses) TRY(add_version_condition(&out.where, c));
  leave_out_prompts(&out, kVersionTags, clauses);
  TRY(add_orders(&out.keys, query.order_by, kVersionOrders));
  if (!sorts_by(out.keys, "m.name"))
    out.keys.push_back({.expr = "m.name", .type = Type::kText, .args = {}});
  if (!sorts_by(out.keys, "v.version"))
    out.keys.push_back({.expr = "v.version", .ascending = false, .args = {}});
  return out;
}

}  // namespace slip::registry
