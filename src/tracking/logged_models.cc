#include "tracking/logged_models.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "core/ledger/ledger.h"
#include "sys/clock.h"
#include "sys/rng.h"
#include "tracking/counted.h"
#include "tracking/experiment_store.h"
#include "tracking/location.h"
#include "tracking/model_store.h"
#include "tracking/validate.h"

namespace slip::tracking {
namespace {

using search::Comparison;
using search::Type;

Error no_model(std::string_view id) {
  return not_found("logged_model.not_found",
                   concat({"Logged model with ID '", id, "' not found."}));
}

Result<LoggedModel> must_find(store::Tx& tx, const Ctx& ctx, std::string_view id,
                              bool allow_deleted) {
  auto found = TRY(sql::find_model(tx, ctx.project.text, id));
  if (!found || (found->lifecycle == Lifecycle::kDeleted && !allow_deleted)) return no_model(id);
  return std::move(*found);
}

ledger::Draft event(std::string_view verb, const LoggedModel& m) {
  ledger::Draft draft;
  draft.verb = std::string(verb);
  draft.subject = {
      .kind = "logged_model", .uid = m.id, .name = m.name, .version = {}, .digest = {}};
  draft.body = codec::Json::object(
      {{"experiment_id", std::to_string(m.experiment_id)}, {"source_run_id", m.source_run_id}});
  return draft;
}

Status check_tags(const std::vector<Tag>& tags, std::string_view what) {
  if (tags.size() > kBatchEntitiesMax)
    return invalid("tracking.batch_size", concat({"At most ", std::to_string(kBatchEntitiesMax),
                                                  " ", what, " per request"}));
  for (size_t i = 0; i < tags.size(); ++i)
    TRY(check_length(concat({what, "[", std::to_string(i), "].key"}), tags[i].key, kKeyMax));
  return {};
}

constexpr std::string_view kStatusText =
    "CASE l.status WHEN 1 THEN 'PENDING' WHEN 2 THEN 'READY' WHEN 3 THEN 'UPLOAD_FAILED'"
    " ELSE 'UNSPECIFIED' END";

struct Attribute {
  std::string_view name;
  std::string_view expr;
  Type type;
};
constexpr std::array<Attribute, 9> kAttributes = {{
    {"name", "l.name", Type::kText},
    {"model_id", "l.model_id", Type::kText},
    {"model_type", "l.model_type", Type::kText},
    {"status", kStatusText, Type::kText},
    {"source_run_id", "l.source_run_id", Type::kText},
    {"creation_time", "l.created_ms", Type::kInteger},
    {"creation_timestamp", "l.created_ms", Type::kInteger},
    {"last_updated_timestamp", "l.updated_ms", Type::kInteger},
    {"last_updated_time", "l.updated_ms", Type::kInteger},
}};

Result<const Attribute*> attribute(std::string_view name) {
  for (const Attribute& a : kAttributes)
    if (a.name == name) return &a;
  return invalid("filter.key", concat({"Invalid attribute key '", name, "' specified"}));
}

bool is_attribute(std::string_view entity) {
  return entity.empty() || entity == "attributes" || entity == "attribute";
}

void add_scope(search::Sql* sql, const std::vector<DatasetScope>& datasets) {
  if (datasets.empty()) return;
  std::string_view separator = " AND (";
  for (const DatasetScope& d : datasets) {
    sql->add(std::exchange(separator, " OR ")).add("(m.dataset_name = ?").bind(d.name);
    if (!d.digest.empty()) sql->add(" AND m.dataset_digest = ?").bind(d.digest);
    sql->add(")");
  }
  sql->add(")");
}

constexpr search::Pairs kParams = {"logged_model_param",
                                   "p.project = l.project AND p.model_id = l.model_id"};
constexpr search::Pairs kTags = {"logged_model_tag",
                                 "p.project = l.project AND p.model_id = l.model_id"};

class ModelTests final : public search::Tests {
 public:
  explicit ModelTests(const ModelQuery& query) : query_(query) {}
  Status add(search::Sql* sql, const Comparison& c) override;

 private:
  const ModelQuery& query_;
};

bool is_metric(std::string_view entity) { return entity == "metrics" || entity == "metric"; }

bool tests_metric(const search::Filter& filter) {
  return std::ranges::any_of(search::all_tests(filter),
                             [](const Comparison* c) { return is_metric(c->key.entity); });
}

Status ModelTests::add(search::Sql* sql, const Comparison& c) {
  if (is_metric(c.key.entity)) {
    sql->add(
           "EXISTS (SELECT 1 FROM logged_model_metric m WHERE m.project = l.project"
           " AND m.model_id = l.model_id AND m.key = ? AND m.flag <> 1 AND ")
        .bind(c.key.name);
    TRY(search::add_number_test(sql, "m.value", c));
    add_scope(sql, query_.datasets);
    sql->add(")");
    return {};
  }
  if (!is_attribute(c.key.entity) && c.key.entity != "params" && c.key.entity != "tags" &&
      c.key.entity != "param" && c.key.entity != "tag")
    return invalid("filter.entity",
                   concat({"Invalid entity type '", c.key.entity,
                           "'. Expected one of ['attributes', 'metrics', 'params', 'tags']"}));
  if (is_attribute(c.key.entity)) {
    const Attribute& a = *TRY(attribute(c.key.name));
    if (a.type == Type::kInteger) return search::add_integer_test(sql, a.expr, c);
    return search::add_text_test(sql, a.expr, c);
  }
  return search::add_pair_test(sql, c.key.entity.starts_with("param") ? kParams : kTags, c);
}

void add_metric_order(std::vector<search::SortKey>* out, const ModelOrder& order,
                      const std::string& metric) {
  std::string scope;
  std::vector<search::Bound> args = {metric};
  if (!order.dataset_name.empty())
    scope += " AND m.dataset_name = ?", args.emplace_back(order.dataset_name);
  if (!order.dataset_digest.empty())
    scope += " AND m.dataset_digest = ?", args.emplace_back(order.dataset_digest);
  const std::string from =
      " FROM logged_model_metric m WHERE m.project = l.project AND m.model_id = l.model_id"
      " AND m.key = ?" +
      scope + " ORDER BY m.timestamp_ms DESC, m.step DESC LIMIT 1)";
  out->push_back({.expr = "COALESCE((SELECT CASE WHEN m.flag = 1 THEN 1 ELSE 0 END" + from + ", 2)",
                  .type = Type::kInteger,
                  .args = args});
  out->push_back({.expr = "COALESCE((SELECT m.value" + from + ", 0.0)",
                  .type = Type::kNumber,
                  .ascending = order.ascending,
                  .args = args});
}

Result<std::vector<search::SortKey>> sort_keys(const std::vector<ModelOrder>& order_by) {
  std::vector<search::SortKey> out;
  for (const ModelOrder& order : order_by) {
    const search::Key key = TRY(search::parse_order(order.field)).key;
    if (is_metric(key.entity)) {
      add_metric_order(&out, order, key.name);
      continue;
    }
    if (!is_attribute(key.entity))
      return invalid("filter.key", concat({"Invalid order by field name: ", order.field}));
    const Attribute& a = *TRY(attribute(key.name));
    out.push_back(
        {.expr = std::string(a.expr), .type = a.type, .ascending = order.ascending, .args = {}});
  }
  out.push_back({.expr = "l.created_ms", .ascending = false, .args = {}});
  out.push_back({.expr = "l.model_id", .type = Type::kText, .args = {}});
  return out;
}

std::string identity_of(const ModelQuery& query) {
  std::string out = concat({"models\n", query.filter});
  for (const int64_t id : query.experiment_ids) out += "\n" + std::to_string(id);
  for (const DatasetScope& d : query.datasets) out += concat({"\nd ", d.name, " ", d.digest});
  for (const ModelOrder& o : query.order_by)
    out += concat(
        {"\no ", o.field, o.ascending ? " a " : " d ", o.dataset_name, " ", o.dataset_digest});
  return out;
}

}  // namespace

Result<LoggedModel> LoggedModels::create(const Ctx& ctx, const NewLoggedModel& wanted) {
  if (!wanted.name.empty()) TRY(check_logged_model_name(wanted.name));
  TRY(check_tags(wanted.params, "params"));
  TRY(check_tags(wanted.tags, "tags"));
  if (wanted.experiment_id == 0) TRY(experiments_.ready(ctx));
  const std::string id = "m-" + make_uuid4(deps_.rng.u64(), deps_.rng.u64()).hex();
  const std::string name = wanted.name.empty() ? random_run_name(deps_.rng.u64()) : wanted.name;

  LoggedModel out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    const auto experiment = TRY(sql::find_experiment(tx, ctx.project.text, wanted.experiment_id));
    if (!experiment)
      return not_found("experiment.not_found",
                       "No Experiment with id=" + std::to_string(wanted.experiment_id) + " exists");
    if (experiment->lifecycle == Lifecycle::kDeleted)
      return invalid("experiment.not_active",
                     concat({"The experiment ", std::to_string(wanted.experiment_id),
                             " must be in the 'active' state. Current state is deleted."}));
    out = LoggedModel();
    out.id = id;
    out.experiment_id = wanted.experiment_id;
    out.name = name;
    out.model_type = wanted.model_type;
    out.source_run_id = wanted.source_run_id;
    out.created_ms = out.updated_ms = deps_.clock.now_ms();
    out.artifact_uri =
        below_uri(experiment->artifact_location, concat({"models/", id, "/artifacts"}));
    out.author = ctx.actor_uid;
    for (const Tag& t : wanted.params) out.params.push_back({t.key, cut(t.value, kParamValueMax)});
    for (const Tag& t : wanted.tags) out.tags.push_back({t.key, cut(t.value, kTagValueMax)});
    TRY(sql::insert_model(tx, ctx.project.text, out));
    return deps_.ledger.append(tx, ctx, event("logged_model.created", out));
  }));
  return out;
}

Result<LoggedModel> LoggedModels::get(const Ctx& ctx, const std::string& id, bool allow_deleted) {
  LoggedModel out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(must_find(tx, ctx, id, allow_deleted));
    return {};
  }));
  return out;
}

Result<int64_t> LoggedModels::experiment_of(const Ctx& ctx, const std::string& id) {
  std::optional<int64_t> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(sql::experiment_of_model(tx, ctx.project.text, id));
    return {};
  }));
  if (!out) return no_model(id);
  return *out;
}

Result<LoggedModel> LoggedModels::finalize(const Ctx& ctx, const std::string& id,
                                           ModelStatus status) {
  LoggedModel out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    out = TRY(must_find(tx, ctx, id, true));
    const bool news = out.status != status;
    out.status = status;
    out.updated_ms = deps_.clock.now_ms();
    TRY(sql::update_model(tx, ctx.project.text, out));
    if (!news) return {};
    return deps_.ledger.append(
        tx, ctx,
        event(status == ModelStatus::kReady ? "logged_model.ready" : "logged_model.changed", out));
  }));
  return out;
}

Status LoggedModels::remove(const Ctx& ctx, const std::string& id) {
  return deps_.db.write([&](store::Tx& tx) -> Status {
    LoggedModel m = TRY(must_find(tx, ctx, id, true));
    if (m.lifecycle == Lifecycle::kDeleted) return {};
    m.lifecycle = Lifecycle::kDeleted;
    m.updated_ms = deps_.clock.now_ms();
    TRY(sql::update_model(tx, ctx.project.text, m));
    return deps_.ledger.append(tx, ctx, event("logged_model.deleted", m));
  });
}

Status LoggedModels::set_tags(const Ctx& ctx, const std::string& id, const std::vector<Tag>& tags) {
  TRY(check_tags(tags, "tags"));
  return deps_.db.write([&](store::Tx& tx) -> Status {
    const LoggedModel m = TRY(must_find(tx, ctx, id, true));
    for (const Tag& tag : tags)
      TRY(sql::put_model_tag(tx, ctx.project.text, id, {tag.key, cut(tag.value, kTagValueMax)}));
    return deps_.ledger.count(tx, ctx, event("logged_model.tags_changed", m), counted_tags(tags));
  });
}

Status LoggedModels::delete_tag(const Ctx& ctx, const std::string& id, const std::string& key) {
  return deps_.db.write([&](store::Tx& tx) -> Status {
    const LoggedModel m = TRY(must_find(tx, ctx, id, true));
    if (TRY(sql::drop_model_tag(tx, ctx.project.text, id, key)))
      return deps_.ledger.count(tx, ctx, event("logged_model.tags_changed", m),
                                counted_deletion(key));
    return not_found("logged_model.no_tag",
                     concat({"No tag with key '", key, "' found for model with ID '", id, "'."}));
  });
}

Status LoggedModels::edit_tag(const Ctx& ctx, const std::string& id, const std::string& key,
                              const TagEdit& edit) {
  return deps_.db.write([&](store::Tx& tx) -> Status {
    const LoggedModel m = TRY(must_find(tx, ctx, id, true));
    std::optional<std::string> before;
    for (const Tag& tag : m.tags)
      if (tag.key == key) before = tag.value;
    const Tag after{key, cut(edit(before), kTagValueMax)};
    TRY(sql::put_model_tag(tx, ctx.project.text, id, after));
    return deps_.ledger.count(tx, ctx, event("logged_model.tags_changed", m),
                              counted_tags(std::span(&after, 1)));
  });
}

Status LoggedModels::log_params(const Ctx& ctx, const std::string& id,
                                const std::vector<Tag>& params) {
  TRY(check_tags(params, "params"));
  return deps_.db.write([&](store::Tx& tx) -> Status {
    const LoggedModel m = TRY(must_find(tx, ctx, id, true));
    for (const Tag& p : params)
      TRY(sql::put_model_param(tx, ctx.project.text, id, {p.key, cut(p.value, kParamValueMax)}));
    return deps_.ledger.count(tx, ctx, event("logged_model.params_logged", m),
                              counted_tags(params));
  });
}

Result<Page<LoggedModel>> LoggedModels::search(const Ctx& ctx, const ModelQuery& query) {
  if (query.max_results < 1)
    return invalid("page.limit", "Invalid value for max_results: it must be a positive integer");
  for (const DatasetScope& d : query.datasets)
    if (d.name.empty())
      return invalid("logged_model.dataset",
                     "`dataset_name` in the `datasets` clause must be specified.");
  Page<LoggedModel> out;
  search::PageQuery page;
  page.limit = std::min(query.max_results, kSearchModelsMax);
  page.keys = TRY(sort_keys(query.order_by));
  page.identity = identity_of(query);
  page.visible.add(store::readable(ctx, "logged_model", "CAST(l.experiment_id AS TEXT)"));
  TRY(page.start_at(query.page_token));
  page.where.add(" AND l.experiment_id IN (");
  for (size_t i = 0; i < query.experiment_ids.size(); ++i)
    page.where.add(i ? ", ?" : "?").bind(query.experiment_ids[i]);
  page.where.add(")");
  const search::Filter filter = TRY(search::parse_filter(query.filter));
  ModelTests tests(query);
  TRY(search::add_filter(&page.where, filter, tests));
  if (!query.datasets.empty() && !tests_metric(filter)) {
    page.where.add(
        " AND EXISTS (SELECT 1 FROM logged_model_metric m WHERE m.project = l.project"
        " AND m.model_id = l.model_id");
    add_scope(&page.where, query.datasets);
    page.where.add(")");
  }
  if (query.experiment_ids.empty()) return out;

  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(sql::search_models(tx, ctx.project.text, page));
    return {};
  }));
  return out;
}

}  // namespace slip::tracking
