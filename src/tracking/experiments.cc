#include "tracking/experiments.h"

#include <utility>

#include "base/text.h"
#include "core/ledger/ledger.h"
#include "core/search/filter.h"
#include "sys/clock.h"
#include "tracking/counted.h"
#include "tracking/experiment_store.h"
#include "tracking/location.h"
#include "tracking/validate.h"

namespace slip::tracking {
namespace {

using search::Comparison;
using search::Op;

Error no_experiment(int64_t id) {
  return not_found("experiment.not_found",
                   "No Experiment with id=" + std::to_string(id) + " exists");
}

ledger::Draft event(std::string_view verb, const Experiment& e) {
  ledger::Draft draft;
  draft.verb = std::string(verb);
  draft.subject = {.kind = "experiment",
                   .uid = std::to_string(e.id),
                   .name = e.name,
                   .version = {},
                   .digest = {}};
  return draft;
}

Result<Experiment> must_find(store::Tx& tx, const Ctx& ctx, int64_t id) {
  auto found = TRY(sql::find_experiment(tx, ctx.project.text, id));
  if (!found) return no_experiment(id);
  return std::move(*found);
}

Result<Experiment> must_find_active(store::Tx& tx, const Ctx& ctx, int64_t id) {
  Experiment e = TRY(must_find(tx, ctx, id));
  if (e.lifecycle == Lifecycle::kActive) return e;
  return invalid("experiment.not_active",
                 concat({"The experiment ", std::to_string(id),
                         " must be in the 'active' state. Current state is deleted."}));
}

Status check_tag(const Tag& tag) {
  TRY(check_key("key", tag.key));
  return check_length("value", tag.value, kExperimentTagValueMax);
}

bool is_attribute(std::string_view entity) {
  return entity.empty() || entity == "attribute" || entity == "attributes" || entity == "attr" ||
         entity == "experiment";
}

constexpr search::Pairs kTags = {"experiment_tag",
                                 "p.project = e.project AND p.experiment_id = e.experiment_id"};

class ExperimentTests final : public search::Tests {
 public:
  Status add(search::Sql* sql, const Comparison& c) override;
};

Status ExperimentTests::add(search::Sql* sql, const Comparison& c) {
  const std::string& name = c.key.name;
  if (c.key.entity == "tag" || c.key.entity == "tags") return search::add_pair_test(sql, kTags, c);
  if (!is_attribute(c.key.entity))
    return invalid("filter.entity", concat({"Invalid entity type '", c.key.entity,
                                            "'. Valid values are ['attribute', 'tag']"}));
  if (name == "name") return search::add_text_test(sql, "e.name", c);
  if (name == "experiment_id")
    return search::add_text_test(sql, "CAST(e.experiment_id AS TEXT)", c);
  if (name == "creation_time") return search::add_integer_test(sql, "e.created_ms", c);
  if (name == "last_update_time") return search::add_integer_test(sql, "e.updated_ms", c);
  return invalid("filter.key",
                 concat({"Invalid attribute key '", name,
                         "' specified. Valid keys are {'name', 'experiment_id', 'creation_time', "
                         "'last_update_time'}"}));
}

Result<std::vector<search::SortKey>> sort_keys(const std::vector<std::string>& order_by) {
  std::vector<search::SortKey> out;
  bool by_id = false;
  for (const std::string& text : order_by) {
    const search::Order order = TRY(search::parse_order(text));
    search::SortKey key{.expr = {}, .ascending = order.ascending, .args = {}};
    if (order.key.name == "name")
      key.expr = "e.name", key.type = search::Type::kText;
    else if (order.key.name == "experiment_id")
      key.expr = "e.experiment_id", by_id = true;
    else if (order.key.name == "creation_time")
      key.expr = "e.created_ms";
    else if (order.key.name == "last_update_time")
      key.expr = "e.updated_ms";
    if (key.expr.empty() || !is_attribute(order.key.entity))
      return invalid("filter.key", concat({"Invalid order_by key '", order.key.name,
                                           "' specified. Valid keys are {'name', 'experiment_id', "
                                           "'creation_time', 'last_update_time'}"}));
    out.push_back(std::move(key));
  }
  const bool by_default = out.empty();
  if (by_default) out.push_back({.expr = "e.created_ms", .ascending = false, .args = {}});
  if (!by_id) out.push_back({.expr = "e.experiment_id", .ascending = by_default, .args = {}});
  return out;
}

}  // namespace

Status Experiments::ready(const Ctx& ctx) {
  const std::string& project = ctx.project.text;
  if (ready_.with([&](const auto& known) { return known.contains(project); })) return {};
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    if (TRY(sql::find_experiment(tx, project, int64_t{0}))) return {};
    const int64_t now = deps_.clock.now_ms();
    return sql::insert(tx, project,
                       {.id = 0,
                        .name = "Default",
                        .artifact_location = below_uri(deps_.roots.root, "0"),
                        .lifecycle = Lifecycle::kActive,
                        .created_ms = now,
                        .updated_ms = now,
                        .tags = {}},
                       "system");
  }));
  ready_.with([&](auto& known) { known.insert(project); });
  return {};
}

Result<Experiment> Experiments::create(const Ctx& ctx, const NewExperiment& wanted) {
  TRY(check_experiment_name(wanted.name));
  for (const Tag& tag : wanted.tags) TRY(check_tag(tag));
  std::string location = wanted.artifact_location;
  if (!location.empty()) {
    location = absolute_location(location, deps_.roots.working_dir);
    TRY(check_location(location));
  }
  TRY(ready(ctx));
  Experiment out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    if (const auto found = TRY(sql::find_experiment(tx, ctx.project.text, wanted.name)))
      return exists("experiment.exists",
                    concat({"Experiment(name=", wanted.name, ") already exists.",
                            found->lifecycle == Lifecycle::kDeleted
                                ? " It is in the deleted state: restore it or choose another name."
                                : ""}));
    const int64_t now = deps_.clock.now_ms();
    out = {.id = TRY(sql::last_experiment_id(tx, ctx.project.text)) + 1,
           .name = wanted.name,
           .artifact_location = location,
           .lifecycle = Lifecycle::kActive,
           .created_ms = now,
           .updated_ms = now,
           .tags = wanted.tags};
    if (out.artifact_location.empty())
      out.artifact_location = below_uri(deps_.roots.root, std::to_string(out.id));
    TRY(sql::insert(tx, ctx.project.text, out, ctx.actor_uid));
    TRY(store::make_owner(tx, ctx, "experiment", std::to_string(out.id)));
    return deps_.ledger.append(tx, ctx, event("experiment.created", out));
  }));
  return out;
}

Result<Experiment> Experiments::get(const Ctx& ctx, int64_t id) {
  if (id == 0) TRY(ready(ctx));
  Experiment out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(must_find(tx, ctx, id));
    return {};
  }));
  return out;
}

Result<Experiment> Experiments::find_by_name(const Ctx& ctx, const std::string& name) {
  TRY(ready(ctx));
  std::optional<Experiment> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(sql::find_experiment(tx, ctx.project.text, std::string_view(name)));
    return {};
  }));
  if (!out)
    return not_found("experiment.not_found",
                     concat({"Could not find experiment with name '", name, "'"}));
  return std::move(*out);
}

Status Experiments::rename(const Ctx& ctx, int64_t id, const std::string& name) {
  TRY(check_experiment_name(name));
  return deps_.db.write([&](store::Tx& tx) -> Status {
    Experiment e = TRY(must_find(tx, ctx, id));
    if (e.lifecycle == Lifecycle::kDeleted)
      return conflict("experiment.deleted", "Cannot rename a non-active experiment.");
    if (e.name == name) return {};
    if (TRY(sql::find_experiment(tx, ctx.project.text, std::string_view(name))))
      return exists("experiment.exists", concat({"Experiment(name=", name, ") already exists."}));
    e.name = name;
    e.updated_ms = deps_.clock.now_ms();
    TRY(sql::rename_experiment(tx, ctx.project.text, e));
    return deps_.ledger.append(tx, ctx, event("experiment.renamed", e));
  });
}

Status Experiments::move(const Ctx& ctx, int64_t id, Lifecycle to, std::string_view verb) {
  return deps_.db.write([&](store::Tx& tx) -> Status {
    Experiment e = TRY(must_find(tx, ctx, id));
    if (e.lifecycle == to) return no_experiment(id);  // None in the state that the call is about.
    e.lifecycle = to;
    e.updated_ms = deps_.clock.now_ms();
    TRY(sql::move_experiment(tx, ctx.project.text, e));
    return deps_.ledger.append(tx, ctx, event(verb, e));
  });
}

Status Experiments::remove(const Ctx& ctx, int64_t id) {
  if (id == 0) TRY(ready(ctx));
  return move(ctx, id, Lifecycle::kDeleted, "experiment.deleted");
}

Status Experiments::restore(const Ctx& ctx, int64_t id) {
  return move(ctx, id, Lifecycle::kActive, "experiment.restored");
}

Status Experiments::set_tag(const Ctx& ctx, int64_t id, const Tag& tag) {
  TRY(check_tag(tag));
  if (id == 0) TRY(ready(ctx));
  return deps_.db.write([&](store::Tx& tx) -> Status {
    const Experiment e = TRY(must_find_active(tx, ctx, id));
    TRY(sql::put_experiment_tag(tx, ctx.project.text, id, tag));
    return deps_.ledger.count(tx, ctx, event("experiment.tags_changed", e),
                              counted_tags(std::span(&tag, 1)));
  });
}

Status Experiments::delete_tag(const Ctx& ctx, int64_t id, const std::string& key) {
  return deps_.db.write([&](store::Tx& tx) -> Status {
    const Experiment e = TRY(must_find_active(tx, ctx, id));
    if (TRY(sql::drop_experiment_tag(tx, ctx.project.text, id, key)))
      return deps_.ledger.count(tx, ctx, event("experiment.tags_changed", e),
                                counted_deletion(key));
    return not_found("experiment.no_tag", concat({"No tag with name: ", key,
                                                  " in experiment with id ", std::to_string(id)}));
  });
}

Result<Page<Experiment>> Experiments::search(const Ctx& ctx, const ExperimentQuery& query) {
  TRY(check_max_results(query.max_results, kSearchExperimentsMax));
  search::PageQuery page;
  page.limit = query.max_results;
  page.keys = TRY(sort_keys(query.order_by));
  if (query.view != View::kAll)
    page.where.add(query.view == View::kActiveOnly ? " AND e.lifecycle = 0"
                                                   : " AND e.lifecycle = 1");
  ExperimentTests tests;
  TRY(search::add_filter(&page.where, TRY(search::parse_filter(query.filter)), tests));
  page.identity = concat({"experiments\n", query.filter, "\n", join(query.order_by, "\n"), "\n",
                          std::to_string(static_cast<int>(query.view))});
  page.visible.add(store::readable(ctx, "experiment", "CAST(e.experiment_id AS TEXT)"));
  TRY(page.start_at(query.page_token));
  TRY(ready(ctx));

  Page<Experiment> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(sql::search_experiments(tx, ctx.project.text, page));
    return {};
  }));
  return out;
}

}  // namespace slip::tracking
