#include "wire/native/features.h"

#include <algorithm>

#include "base/text.h"
#include "core/auth/directory.h"
#include "features/features.h"
#include "features/files.h"
#include "features/stream_rows.h"
#include "features/streams.h"
#include "wire/native/feature_facts.h"
#include "wire/native/feature_join.h"
#include "wire/native/feature_runs.h"
#include "wire/native/native.h"

namespace slip::wire::native {
namespace {

using codec::Json;
using features::Definition;

constexpr int64_t kFileBytesMax = int64_t{64} << 30;

Json change_json(const features::Change& c) {
  Json findings = Json::array();
  for (const features::Finding& f : c.findings) {
    Json one = Json::object(
        {{"severity", features::severity_name(f.severity)}, {"path", f.path}, {"text", f.text}});
    if (!f.readers.empty()) one.set("readers", f.readers);
    findings.push(std::move(one));
  }
  Json out = Json::object({{"kind", features::kind_name(c.kind)},
                           {"name", c.name},
                           {"version", c.version},
                           {"action", c.action},
                           {"severity", features::severity_name(c.severity)}});
  out.set("findings", std::move(findings));
  out.set("backfill_rows", c.backfill_rows);
  return out;
}

Json changes_json(const std::vector<features::Change>& changes) {
  Json items = Json::array();
  features::Severity gravest = features::Severity::kNone;
  for (const features::Change& c : changes) {
    gravest = std::max(gravest, c.severity);
    items.push(change_json(c));
  }
  Json out = Json::object({{"severity", features::severity_name(gravest)}});
  out.set("changes", std::move(items));
  return out;
}

// {"definitions": [document, …]} or {"yaml": "…"}
Result<std::vector<Definition>> definitions_of(const http::Request& request) {
  const Json body = TRY(body_object(request));
  if (const Json* yaml = body.find("yaml"); yaml != nullptr && yaml->is_string())
    return features::parse_definitions(yaml->as_string());
  const Json* list = body.find("definitions");
  if (list == nullptr || !list->is_array())
    return invalid("request.missing_field", "`definitions` (a list) or `yaml` (text) is wanted");
  std::vector<Definition> out;
  for (const Json& document : list->items())
    out.push_back(TRY(features::parse_definition(document)));
  return out;
}

Result<features::Severity> allowed(const http::Request& request) {
  const std::string text = query_text(request, "allow");
  if (text.empty() || text == "breaking") return features::Severity::kBreaking;
  if (text == "warn") return features::Severity::kWarn;
  if (text == "minor") return features::Severity::kMinor;
  return invalid("request.query", "?allow= is minor, warn or breaking");
}

Result<http::Reply> plan(const FeaturesApp& app, const Ctx& ctx, http::Request& request) {
  std::vector<Definition> definitions = TRY(definitions_of(request));
  TRY(app.streams.check(definitions));
  return json_reply(changes_json(TRY(app.features.plan(ctx, std::move(definitions)))));
}

Result<http::Reply> apply(const FeaturesApp& app, const Ctx& ctx, http::Request& request) {
  const features::Severity allow = TRY(allowed(request));
  std::vector<Definition> definitions = TRY(definitions_of(request));
  TRY(app.streams.check(definitions));
  const std::vector<features::Change> changes =
      TRY(app.features.apply(ctx, std::move(definitions), allow));
  TRY(app.streams.reconcile());
  return json_reply(changes_json(changes));
}

Json applied_json(const features::Applied& a) {
  return Json::object({{"kind", features::kind_name(a.definition.kind)},
                       {"name", a.definition.name},
                       {"version", a.definition.version},
                       {"uid", a.uid},
                       {"digest", concat({"sha256:", a.digest})},
                       {"created_ms", a.created_ms},
                       {"created_by", a.created_by},
                       {"definition", a.definition.document()}});
}

// Of a view: what it answers, under which keys, how fresh.
void add_facts(const FeaturesApp& app, const features::Shelf& shelf, const features::Applied& a,
               Json* out) {
  if (a.definition.kind != features::Kind::kView) return;
  const features::ViewPtr view = shelf.view(a.definition.name, a.definition.version);
  if (!view) return;
  const auto fields = [](const std::vector<features::FeatureField>& all) {
    Json list = Json::array();
    for (const features::FeatureField& f : all)
      list.push(Json::object({{"name", f.name}, {"type", f.type.text()}}));
    return list;
  };
  out->set("features", fields(view->features));
  out->set("join_keys", fields(view->join_keys));
  out->set("source", view->source_name);
  out->set("newest_event_us", app.features.newest_event_us(*view));
  out->set("freshness", freshness_json(app.features, shelf, *view));
}

Result<http::Reply> list(const FeaturesApp& app, const Ctx& ctx, http::Request& request) {
  const Page page = TRY(page_of(request));
  const std::string kind = query_text(request, "kind");
  const auto shelf = app.features.catalog().shelf(ctx.project.text);
  std::vector<Json> items;
  std::string last;
  bool more = false;
  for (const auto& by_name : shelf->latest)
    for (const auto& [name, a] : by_name) {
      const std::string_view its = features::kind_name(a->definition.kind);
      const std::string key = concat({std::to_string(static_cast<int>(a->definition.kind)), name});
      if ((!kind.empty() && kind != its) || key <= page.after) continue;
      if (static_cast<int64_t>(items.size()) == page.limit) {
        more = true;
        break;
      }
      Json one = applied_json(*a);
      add_facts(app, *shelf, *a, &one);
      items.push_back(std::move(one));
      last = key;
    }
  return json_reply(page_json(std::move(items), more ? last : ""));
}

Result<features::Kind> kind_of(const http::Request& request) {
  const std::string& text = request.param("kind");
  for (int k = 0; k < features::kKindCount; ++k) {
    const auto kind = static_cast<features::Kind>(k);
    if (iequals(features::kind_name(kind), text)) return kind;
  }
  return not_found("request.path", concat({"'", text, "' is no kind of definition"}));
}

Result<http::Reply> show(const FeaturesApp& app, const Ctx& ctx, http::Request& request) {
  const features::Kind kind = TRY(kind_of(request));
  const std::string& name = request.param("name");
  const auto shelf = app.features.catalog().shelf(ctx.project.text);
  const auto& latest = shelf->latest[static_cast<size_t>(kind)];
  const auto found = latest.find(name);
  if (found == latest.end())
    return not_found("feature.not_found",
                     concat({"no ", features::kind_name(kind), " '", name, "'"}));
  Json out = applied_json(*found->second);
  add_facts(app, *shelf, *found->second, &out);
  Json versions = Json::array();
  for (const auto& [key, a] : shelf->all[static_cast<size_t>(kind)])
    if (key.first == name) versions.push(applied_json(*a));
  out.set("versions", std::move(versions));
  return json_reply(out);
}

Result<http::Reply> remove(const FeaturesApp& app, const Ctx& ctx, http::Request& request) {
  TRY(app.features.remove(ctx, TRY(kind_of(request)), request.param("name")));
  http::Reply reply;
  reply.status = 204;
  return reply;
}

Result<features::To> to_of(std::string_view text) {
  if (text.empty() || text == "both" || text == "online_and_offline") return features::To::kBoth;
  if (text == "online") return features::To::kOnline;
  if (text == "offline") return features::To::kOffline;
  return invalid("request.query", "`to` is online, offline or both");
}

Json pushed_json(const features::Features::Pushed& p) {
  Json out =
      Json::object({{"rows", p.rows}, {"first_seq", p.first_seq}, {"quarantined", p.quarantined}});
  if (p.warnings.empty()) return out;
  Json warnings = Json::array();
  for (const std::string& text : p.warnings) warnings.push(text);
  out.set("warnings", std::move(warnings));
  return out;
}

Result<http::Reply> quarantine(const FeaturesApp& app, const Ctx& ctx, http::Request& request) {
  const Page page = TRY(page_of(request));
  std::vector<Json> items;
  std::string last;
  for (const features::Quarantined& q :
       TRY(app.features.quarantine().list(ctx, request.param("name"), page.after, page.limit))) {
    Json one = Json::object({{"uid", q.uid}, {"created_ms", q.created_ms}, {"reason", q.reason}});
    one.set("record", TRY(codec::parse_json(q.record)));
    items.push_back(std::move(one));
    last = q.uid;
  }
  const bool full = static_cast<int64_t>(items.size()) == page.limit;
  return json_reply(page_json(std::move(items), full ? last : ""));
}

// {"uids": […]}: rows that were pushed again, corrected, or are given up.
Result<http::Reply> release(const FeaturesApp& app, const Ctx& ctx, http::Request& request) {
  const Json body = TRY(body_object(request));
  const Json* list = body.find("uids");
  if (list == nullptr || !list->is_array())
    return invalid("request.missing_field", "`uids` (a list) is wanted");
  std::vector<std::string> uids;
  for (const Json& uid : list->items())
    if (uid.is_string()) uids.push_back(uid.as_string());
  const int64_t n = TRY(app.features.quarantine().release(ctx, request.param("name"), uids));
  return json_reply(Json::object({{"released", n}}));
}

Status add_row(const features::Source& source, const Json& row, int64_t index,
               features::Batch* batch) {
  const auto named = [&](Error e, std::string_view column) {
    return std::move(e).within(concat({"row ", std::to_string(index), ", ", column}));
  };
  if (!row.is_object()) return invalid("request.rows", "rows are objects");
  for (const auto& [name, value] : row.members())
    if (source.find(name) == nullptr && name != source.event_time && name != source.created_time &&
        name != "_deleted" && name != features::kOriginMember)
      return invalid("feature.column",
                     concat({"row ", std::to_string(index), ": no column '", name, "'"}));
  for (size_t i = 0; i < batch->schema.size(); ++i) {
    const Json* value = row.find(batch->schema[i].name);
    Result<features::Cell> cell =
        features::cell_of_json(value != nullptr ? *value : Json(), batch->schema[i].type);
    if (!cell.ok()) return named(std::move(cell).error(), batch->schema[i].name);
    features::add_cell(&batch->columns[i], *cell);
  }
  static constexpr features::FeatureType kTime{.type = engine::Type::kTimestampUs};
  const auto time = [&](const std::string& name, engine::Values* to) -> Status {
    const Json* value = name.empty() ? nullptr : row.find(name);
    Result<features::Cell> cell = features::cell_of_json(value != nullptr ? *value : Json(), kTime);
    if (!cell.ok()) return named(std::move(cell).error(), name);
    features::add_cell(to, *cell);
    return {};
  };
  TRY(time(source.event_time, &batch->event));
  TRY(time(source.created_time, &batch->created));
  batch->deleted.add_bool(TRY(codec::bool_or(row, "_deleted", false)));
  return {};
}

Result<http::Reply> push(const FeaturesApp& app, const Ctx& ctx, http::Request& request) {
  const std::string& name = request.param("name");
  const features::Source source = TRY(app.features.source_for(ctx, name, ""));
  features::Batch batch = features::make_batch(source.columns);
  batch.source = name;
  batch.to = TRY(to_of(query_text(request, "to")));
  const bool lines = request.header("content-type").find("ndjson") != std::string_view::npos;
  if (lines) {
    int64_t index = 0;
    for (const std::string_view line : split(std::string_view(request.body), '\n')) {
      if (trim(line).empty()) continue;
      Result<Json> row = codec::parse_json(line, codec::NonFinite::kToken);
      if (!row.ok())
        return std::move(row).error().within(concat({"line ", std::to_string(index + 1)}));
      TRY(add_row(source, *row, index++, &batch));
    }
  } else {
    const Json body = TRY(body_object(request));
    const Json* rows = body.find("rows");
    if (rows == nullptr || !rows->is_array())
      return invalid("request.missing_field", "`rows` (a list of objects) is wanted");
    for (size_t i = 0; i < rows->items().size(); ++i)
      TRY(add_row(source, rows->items()[i], static_cast<int64_t>(i), &batch));
  }
  return json_reply(pushed_json(TRY(app.features.push(ctx, std::move(batch)))));
}

Result<http::Reply> load(const FeaturesApp& app, const Ctx& ctx, http::Request& request) {
  features::Features::Loading loading;
  loading.source = request.param("name");
  loading.to = TRY(to_of(query_text(request, "to")));
  const std::unique_ptr<features::FileRows> table = TRY(open_spooled(app.features, request));
  return json_reply(pushed_json(TRY(app.features.load(ctx, loading, table->rows()))));
}

Result<http::Reply> runs(const FeaturesApp& app, const Ctx& ctx, http::Request& request) {
  return runs_of(app.features, app.staging, ctx, request.param("name"));
}

Result<http::Reply> compute(const FeaturesApp& app, const Ctx& ctx, http::Request& request) {
  return compute_source(app.features, app.files, app.staging, ctx, request.param("name"));
}

Result<http::Reply> materialize(const FeaturesApp& app, const Ctx& ctx, http::Request& request) {
  return materialize_views(app.features, app.files, ctx, request);
}

// Redis has no projects: while it is filled nobody's features can be read, and rows of servers that
// are gone stop being waited for. Who manages one project doesn't decide that for the others.
Result<http::Reply> rebuild_online(const FeaturesApp& app, const Ctx& ctx, http::Request&) {
  if (!app.directory.is_admin(ctx))
    return forbidden("auth.forbidden",
                     "only an administrator may fill Redis again: it is of all projects");
  return rebuild_redis(app.features, ctx);
}

using Handler = Result<http::Reply> (*)(const FeaturesApp&, const Ctx&, http::Request&);
struct Row {
  http::Method method;
  std::string_view path;
  http::Right right;
  http::Audit audit;
  http::Body body;
  Handler handler;
  std::string_view summary;
};

}  // namespace

std::vector<http::Route> feature_routes(FeaturesApp app) {
  using http::Audit;
  using http::Method;
  using http::Right;
  const Row rows[] = {
      {Method::kGet, "/features", Right::kRead, Audit::kNone, http::no_body(), list,
       "Definitions of the project, ?kind= of one kind."},
      {Method::kGet, "/features/{kind}/{name}", Right::kRead, Audit::kNone, http::no_body(), show,
       "One definition with its versions; of a view its features, keys and newest event."},
      {Method::kDelete, "/features/{kind}/{name}", Right::kEdit, Audit::kEvent, http::no_body(),
       remove, "Removes a definition that nobody reads."},
      {Method::kPost, "/features:plan", Right::kRead, Audit::kNone, http::memory(), plan,
       "What applying definitions would change, and whom it concerns."},
      {Method::kPost, "/features:apply", Right::kEdit, Audit::kEvent, http::memory(), apply,
       "Applies definitions, all or none: ?allow=minor|warn|breaking."},
      {Method::kPost, "/feature-sources/{name}/rows", Right::kEdit, Audit::kCounted,
       http::memory(int64_t{64} << 20), push,
       "Rows of a source, {\"rows\": […]} or ndjson: ?to=online|offline|both."},
      {Method::kPost, "/feature-sources/{name}/files", Right::kEdit, Audit::kEvent,
       http::spool(kFileBytesMax), load,
       "A file of rows, all or none: ?format=parquet|csv|jsonl|arrow, ?to=."},
      {Method::kGet, "/feature-sources/{name}/runs", Right::kRead, Audit::kNone, http::no_body(),
       runs, "Runs of a source's query, the newest first."},
      {Method::kPost, "/feature-sources/{name}/runs", Right::kEdit, Audit::kEvent, http::no_body(),
       compute, "Runs a source's query, unless its inputs are what they were the last time."},
      {Method::kGet, "/feature-sources/{name}/quarantine", Right::kRead, Audit::kNone,
       http::no_body(), quarantine, "Rows and messages that are kept apart, with the reason."},
      {Method::kPost, "/feature-sources/{name}/quarantine:release", Right::kEdit, Audit::kEvent,
       http::memory(), release, "Takes rows out of the quarantine: {\"uids\": […]}."},
      {Method::kPost, "/features:materialize", Right::kEdit, Audit::kEvent, http::memory(),
       materialize, "Brings history online: views, start, end."},
      {Method::kPost, "/features:rebuild-online", Right::kManage, Audit::kEvent, http::memory(),
       rebuild_online,
       "Fills Redis again with all that this server has taken, of all projects; an administrator "
       "does that."},
      {Method::kPost, "/features:erase", Right::kManage, Audit::kGoverned, http::memory(),
       [](const FeaturesApp& a, const Ctx& ctx, http::Request& request) {
         return erase_entity(a.features, ctx, request);
       },
       "Erases one entity from history, aggregates, logged vectors and quarantine: {\"keys\": "
       "{name: value}, \"reason\", \"dry_run\"}."},
      {Method::kPost, "/feature-services/{name}/verify", Right::kRead, Audit::kNone, http::memory(),
       [](const FeaturesApp& a, const Ctx& ctx, http::Request& request) {
         return verify_service(a.features, ctx, request);
       },
       "Served vectors that the service logs against a replay of the history: {\"since\": \"1h\" "
       "or a time, \"until\", \"limit\"}; `holds` says that none differs but for what data "
       "explain."},
      {Method::kPost, "/features:join", Right::kRead, Audit::kNone, http::spool(kFileBytesMax),
       [](const FeaturesApp& a, const Ctx& ctx, http::Request& request) {
         return join_file(a.features, a.files, ctx, request);
       },
       "A file of keys and times in, the same rows with features out: ?format=, ?out=, ?features= "
       "or ?service=, ?mode=as_of|as_known, ?time= (column), ?full_names=."},
  };
  std::vector<http::Route> out;
  for (const Row& r : rows) {
    http::Route& row = out.emplace_back();
    row.method = r.method;
    row.path = at(r.path);
    row.permission = {r.right, "feature", http::On::kProject};
    row.audit = r.audit;
    row.body = r.body;
    row.summary = r.summary;
    row.blocking = [app, handler = r.handler](const Ctx& ctx, http::Request& request) {
      return handler(app, ctx, request);
    };
  }
  return out;
}

}  // namespace slip::wire::native
