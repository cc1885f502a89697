#include "registry/registry_search.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "registry/check.h"

namespace slip::registry {
namespace {

using search::Comparison;
using search::Op;
using search::Type;

constexpr search::Pairs kModelTags = {"registered_model_tag",
                                      "p.project = m.project AND p.model_uid = m.uid"};
constexpr search::Pairs kVersionTags = {
    "model_version_tag",
    "p.project = v.project AND p.model_uid = v.model_uid AND p.version = v.version"};

bool is_attribute(std::string_view entity) {
  return entity.empty() || entity == "attribute" || entity == "attributes" || entity == "attr";
}

Error bad_key(const Comparison& c, std::string_view valid) {
  return invalid("filter.key", concat({"Invalid attribute key '", c.key.name,
                                       "' specified. Valid keys are ", valid}));
}

// What carries no such tag at all is no prompt either. A version of a prompt is one by its tag or
// by that of any other version of the same name.
constexpr search::Pairs kPromptVersionTags = {
    "model_version_tag", "p.project = v.project AND p.model_uid = v.model_uid"};

void add_no_prompt(search::Sql* sql, const search::Pairs& tags) {
  sql->add("NOT EXISTS (SELECT 1 FROM ").add(tags.table).add(" p WHERE ").add(tags.join);
  sql->add(" AND p.key = ? AND LOWER(p.value) = 'true')").bind(std::string(kPromptTag));
}

// A test of the tag that says "no prompts": != 'true' or = 'false'.
bool asks_for_models(const Comparison& c) {
  if (c.key.name != kPromptTag || c.values.size() != 1 || c.values[0].is_number) return false;
  return iequals(c.values[0].text, c.op == Op::kNe ? "true" : c.op == Op::kEq ? "false" : "\n");
}

Status add_tag(search::Sql* sql, const search::Pairs& tags, const Comparison& c) {
  if (!asks_for_models(c)) return search::add_pair_test(sql, tags, c);
  add_no_prompt(sql, &tags == &kVersionTags ? kPromptVersionTags : tags);
  return {};
}

void leave_out_prompts(search::Sql* where, const search::Pairs& tags,
                       const search::Filter& filter) {
  const auto tests = search::all_tests(filter);
  const bool named = std::any_of(tests.begin(), tests.end(),
                                 [](const Comparison* c) { return c->key.name == kPromptTag; });
  if (named) return;
  where->add(" AND ");
  add_no_prompt(where, tags);
}

Result<bool> is_tag(const Comparison& c) {
  if (c.key.entity == "tag" || c.key.entity == "tags") return true;
  if (is_attribute(c.key.entity)) return false;
  return invalid("filter.entity", concat({"Invalid entity type '", c.key.entity,
                                          "'. Valid values are ['attribute', 'tag']"}));
}

class ModelTests final : public search::Tests {
 public:
  Status add(search::Sql* sql, const Comparison& c) override {
    if (TRY(is_tag(c))) return add_tag(sql, kModelTags, c);
    if (c.key.name != "name") return bad_key(c, "{'name'}");
    return search::add_text_test(sql, "m.name", c);
  }
};

class VersionTests final : public search::Tests {
 public:
  Status add(search::Sql* sql, const Comparison& c) override {
    if (TRY(is_tag(c))) return add_tag(sql, kVersionTags, c);
    if (c.key.name == "name") return search::add_text_test(sql, "m.name", c);
    if (c.key.name == "run_id") return search::add_text_test(sql, "v.run_id", c);
    if (c.key.name == "source_path") return search::add_text_test(sql, "v.source", c);
    if (c.key.name == "version_number") return search::add_integer_test(sql, "v.version", c);
    return bad_key(c, "{'name', 'run_id', 'source_path', 'version_number'}");
  }
};

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

// A prompt is a model with a tag, and who may read it is granted apart.
void leave_out_unreadable(search::Sql* visible, const Ctx& ctx,
                          std::array<std::string_view, 2> kinds) {
  constexpr std::string_view kUid = "m.uid";
  store::RowTest model = store::readable(ctx, kinds[0], kUid);
  store::RowTest prompt = store::readable(ctx, kinds[1], kUid);
  if (model.sql.empty() && prompt.sql.empty()) return;
  visible->add(" AND ((");
  add_no_prompt(visible, kModelTags);
  visible->add(std::move(model)).add(") OR (NOT ");
  add_no_prompt(visible, kModelTags);
  visible->add(std::move(prompt)).add("))");
}

bool sorts_by(const std::vector<search::SortKey>& keys, std::string_view expr) {
  return std::any_of(keys.begin(), keys.end(), [&](const auto& k) { return k.expr == expr; });
}

Status check_max(int64_t max_results, int64_t limit) {
  if (max_results < 1)
    return invalid("page.limit",
                   concat({"Invalid value for max_results. It must be a positive integer, but got ",
                           std::to_string(max_results)}));
  if (max_results <= limit) return {};
  return invalid("page.limit",
                 concat({"Invalid value for request parameter max_results. It must be at most ",
                         std::to_string(limit), ", but got value ", std::to_string(max_results)}));
}

}  // namespace

search::Sql readable_models(const Ctx& ctx) {
  search::Sql out;
  leave_out_unreadable(&out, ctx, {"model", "prompt"});
  return out;
}

Result<search::PageQuery> compile_model_search(const Ctx& ctx, const Query& query) {
  TRY(check_max(query.max_results, kSearchModelsMax));
  search::PageQuery out;
  out.limit = query.max_results;
  const search::Filter filter = TRY(search::parse_filter(query.filter));
  ModelTests tests;
  TRY(search::add_filter(&out.where, filter, tests));
  leave_out_prompts(&out.where, kModelTags, filter);
  out.visible = readable_models(ctx);
  TRY(add_orders(&out.keys, query.order_by, kModelOrders));
  if (!sorts_by(out.keys, "m.name"))
    out.keys.push_back({.expr = "m.name", .type = Type::kText, .args = {}});
  out.identity = concat({"registered models\n", query.filter, "\n", join(query.order_by, "\n")});
  TRY(out.start_at(query.page_token));
  return out;
}

Result<search::PageQuery> compile_version_search(const Ctx& ctx, const Query& query) {
  TRY(check_max(query.max_results, kSearchVersionsMax));
  search::PageQuery out;
  out.limit = query.max_results;
  const search::Filter filter = TRY(search::parse_filter(query.filter));
  VersionTests tests;
  TRY(search::add_filter(&out.where, filter, tests));
  leave_out_prompts(&out.where, kPromptVersionTags, filter);
  leave_out_unreadable(&out.visible, ctx, {"model_version", "prompt_version"});
  TRY(add_orders(&out.keys, query.order_by, kVersionOrders));
  if (out.keys.empty())
    out.keys.push_back({.expr = "v.updated_ms", .ascending = false, .args = {}});
  if (!sorts_by(out.keys, "m.name"))
    out.keys.push_back({.expr = "m.name", .type = Type::kText, .args = {}});
  if (!sorts_by(out.keys, "v.version"))
    out.keys.push_back({.expr = "v.version", .ascending = false, .args = {}});
  out.identity = concat({"model versions\n", query.filter, "\n", join(query.order_by, "\n")});
  TRY(out.start_at(query.page_token));
  return out;
}

}  // namespace slip::registry
