#include "wire/native/gc.h"

#include <array>

#include "base/text.h"
#include "core/auth/auth.h"
#include "core/hold/hold.h"
#include "tracking/purge.h"
#include "wire/native/native.h"

namespace slip::wire::native {
namespace {

using codec::Json;

constexpr size_t kReasonBytesMax = 4096;
constexpr int64_t kBodyBytesMax = 256 << 10;

Json counts_json(const std::map<std::string, int64_t>& objects) {
  Json out = Json::object();
  for (const char* kind : {"run", "logged_model", "trace", "experiment"}) {
    const auto found = objects.find(kind);
    out.set(concat({kind, "s"}), found == objects.end() ? 0 : found->second);
  }
  return out;
}

Json item_json(const tracking::PurgePlan::Item& i) {
  Json out = Json::object({{"kind", i.kind}, {"uid", i.uid}, {"name", i.name}});
  if (i.since_ms != 0) out.set("since_ms", i.since_ms);
  if (!i.blocked.empty()) out.set("blocked_by", i.blocked);
  return out;
}

Json plan_json(const tracking::PurgePlan& plan) {
  Json out = Json::object({{"dry_run", true}});
  out.set("counts", counts_json(plan.objects));
  out.set("bytes", plan.bytes);
  out.set("bytes_uncounted", plan.bytes_uncounted);
  Json items = Json::array();
  for (const auto& i : plan.items) items.push(item_json(i));
  out.set("items", std::move(items));
  Json blocked = Json::array();
  for (const auto& i : plan.blocked) blocked.push(item_json(i));
  out.set("blocked", std::move(blocked));
  out.set("blocked_count", plan.blocked_count);
  return out;
}

Json run_json(const GcApp& app, const tracking::PurgeRun& r) {
  Json out = Json::object({{"uid", r.uid},
                           {"state", r.state},
                           {"actor", app.auth.label(r.actor_uid)},
                           {"reason", r.reason},
                           {"started_ms", r.started_ms}});
  if (r.ended_ms != 0) out.set("ended_ms", r.ended_ms);
  out.set("purged", counts_json(r.purged.objects));
  const auto expired = r.purged.objects.find("expired_run");
  out.set("runs_expired", expired == r.purged.objects.end() ? 0 : expired->second);
  out.set("rows", r.purged.rows);
  return out;
}

Result<int64_t> experiment_of(const Json& value) {
  const std::optional<int64_t> id = value.is_int()      ? value.as_int()
                                    : value.is_string() ? parse_int(value.as_string())
                                                        : std::nullopt;
  if (!id || *id < 0) return invalid("request.wrong_type", "an experiment is named by its number");
  return *id;
}

Result<std::vector<Json>> list_of(const Json& body, std::string_view key) {
  const Json* found = body.find(key);
  if (!found || found->is_null()) return std::vector<Json>();
  if (!found->is_array())
    return invalid("request.wrong_type", concat({"'", key, "' must be a list"}));
  return found->items();
}

Result<tracking::PurgeSpec> spec_of(const Json& body) {
  tracking::PurgeSpec spec;
  spec.reason = TRY(codec::string_or(body, "reason", ""));
  if (spec.reason.size() > kReasonBytesMax)
    return invalid("gc.reason", "a reason has at most 4096 bytes");
  if (body.find("older_than_ms")) spec.older_than_ms = TRY(codec::want_int(body, "older_than_ms"));
  for (const Json& value : TRY(list_of(body, "experiments")))
    spec.experiment_ids.push_back(TRY(experiment_of(value)));
  for (const Json& value : TRY(list_of(body, "runs"))) {
    if (!value.is_string()) return invalid("request.wrong_type", "a run is named by its id");
    spec.run_ids.push_back(value.as_string());
  }
  return spec;
}

Result<http::Reply> collect(const GcApp& app, const Ctx& ctx, http::Request& request) {
  const Json body = TRY(body_object(request));
  const bool dry_run = TRY(codec::bool_or(body, "dry_run", false));
  const tracking::PurgeSpec spec = TRY(spec_of(body));
  if (dry_run) return json_reply(plan_json(TRY(app.purge.plan(ctx, spec))));
  const std::string uid = TRY(app.start(ctx, spec));
  return json_reply(run_json(app, TRY(app.purge.run(ctx, uid))), 202);
}

Result<http::Reply> collections(const GcApp& app, const Ctx& ctx, http::Request& request) {
  const Page page = TRY(page_of(request));
  std::vector<Json> items;
  std::string last;
  for (const auto& run : TRY(app.purge.runs(ctx, page.after, page.limit))) {
    items.push_back(run_json(app, run));
    last = run.uid;
  }
  const bool full = static_cast<int64_t>(items.size()) == page.limit;
  return json_reply(page_json(std::move(items), full ? last : ""));
}

Result<http::Reply> collection(const GcApp& app, const Ctx& ctx, http::Request& request) {
  return json_reply(run_json(app, TRY(app.purge.run(ctx, request.param("uid")))));
}

Result<http::Reply> blobs(const GcApp& app, const Ctx&, http::Request&) {
  return json_reply(TRY(app.blobs()));
}

// ---- retention

Json rule_json(const GcApp& app, const tracking::RetentionRule& r) {
  Json out = Json::object();
  if (r.experiment_id != tracking::kWholeProject)
    out.set("experiment", std::to_string(r.experiment_id));
  const auto days = [&](std::string_view key, const std::optional<int64_t>& value) {
    if (value) out.set(key, *value);
  };
  days("deleted_days", r.deleted_days);
  days("runs_days", r.runs_days);
  days("traces_days", r.traces_days);
  out.set("updated_ms", r.updated_ms);
  out.set("actor", app.auth.label(r.actor_uid));
  return out;
}

Result<http::Reply> rules(const GcApp& app, const Ctx& ctx, http::Request&) {
  std::vector<Json> items;
  for (const auto& rule : TRY(app.purge.rules(ctx))) items.push_back(rule_json(app, rule));
  return json_reply(page_json(std::move(items), ""));
}

Result<http::Reply> set_rule(const GcApp& app, const Ctx& ctx, http::Request& request) {
  const Json body = TRY(body_object(request));
  tracking::RetentionRule rule;
  if (const Json* id = body.find("experiment"); id && !id->is_null())
    rule.experiment_id = TRY(experiment_of(*id));
  const auto days = [&](std::string_view key) -> Result<std::optional<int64_t>> {
    const Json* found = body.find(key);
    if (!found || found->is_null()) return std::optional<int64_t>();
    return std::optional(TRY(codec::want_int(body, key)));
  };
  rule.deleted_days = TRY(days("deleted_days"));
  rule.runs_days = TRY(days("runs_days"));
  rule.traces_days = TRY(days("traces_days"));
  return json_reply(rule_json(app, TRY(app.purge.set_rule(ctx, rule))));
}

Result<http::Reply> drop_rule(const GcApp& app, const Ctx& ctx, http::Request& request) {
  const int64_t id = TRY(query_int(request, "experiment")).value_or(tracking::kWholeProject);
  TRY(app.purge.drop_rule(ctx, id));
  return json_reply(Json::object({{"dropped", true}}));
}

// ---- holds

Json hold_json(const GcApp& app, const hold::Hold& h) {
  Json out = Json::object({{"uid", h.uid},
                           {"kind", h.object.kind},
                           {"object_uid", h.object.uid},
                           {"name", h.object.name},
                           {"reason", h.reason},
                           {"actor", app.auth.label(h.actor_uid)},
                           {"created_ms", h.created_ms}});
  if (h.released_ms == 0) return out;
  out.set("released_ms", h.released_ms);
  out.set("released_by", app.auth.label(h.released_by));
  out.set("release_reason", h.release_reason);
  return out;
}

Result<http::Reply> holds(const GcApp& app, const Ctx& ctx, http::Request& request) {
  const Page page = TRY(page_of(request));
  const bool released = query_text(request, "released") == "true";
  std::vector<Json> items;
  std::string last;
  for (const hold::Hold& h : TRY(app.holds.list(ctx, page.after, page.limit, released))) {
    items.push_back(hold_json(app, h));
    last = h.uid;
  }
  const bool full = static_cast<int64_t>(items.size()) == page.limit;
  return json_reply(page_json(std::move(items), full ? last : ""));
}

Result<http::Reply> place(const GcApp& app, const Ctx& ctx, http::Request& request) {
  const Json body = TRY(body_object(request));
  const hold::Reference ref = TRY(hold::parse_reference(TRY(codec::want_string(body, "object"))));
  const std::string reason = TRY(codec::want_string(body, "reason"));
  return json_reply(hold_json(app, TRY(app.holds.place(ctx, app.objects, ref, reason))), 201);
}

Result<http::Reply> release(const GcApp& app, const Ctx& ctx, http::Request& request) {
  const std::string reason = TRY(codec::want_string(TRY(body_object(request)), "reason"));
  return json_reply(hold_json(app, TRY(app.holds.release(ctx, request.param("uid"), reason))));
}

using Call = Result<http::Reply> (*)(const GcApp&, const Ctx&, http::Request&);
struct Row {
  http::Method method;
  std::string_view path;
  Call call;
  std::string_view summary;
};
using enum http::Method;
// All of them name things of the whole project, so it takes its manager.
constexpr std::array<Row, 10> kRows = {{
    {kPost, "/gc", collect,
     "Purge what has been deleted for long enough, as a job; with dry_run: what would go."},
    {kGet, "/gc", collections, "Purges, newest first."},
    {kGet, "/gc/{uid}", collection, "One purge: its state and what it took away."},
    {kGet, "/blobs", blobs, "What is stored, and how much of it is still needed."},
    {kGet, "/retention", rules, "How long deleted things, runs and traces are kept."},
    {kPut, "/retention", set_rule,
     "Set the rule of the project or of an experiment: deleted_days, runs_days, traces_days."},
    {kDelete, "/retention", drop_rule, "Drop a rule: ?experiment, else the project's."},
    {kGet, "/holds", holds, "Legal holds that stand; ?released=true: all."},
    {kPost, "/holds", place, "Hold an object: it is kept until the hold is released."},
    {kPost, "/holds/{uid}/release", release, "Release a hold, with a reason."},
}};

}  // namespace

std::vector<http::Route> gc_routes(GcApp app) {
  std::vector<http::Route> out;
  for (const Row& r : kRows) {
    http::Route& row = out.emplace_back();
    row.method = r.method;
    row.path = at(r.path);
    row.permission = {http::Right::kManage, "project", http::On::kProject};
    row.audit = r.method == kGet ? http::Audit::kNone : http::Audit::kGoverned;
    if (r.method == kPost || r.method == kPut) row.body = http::memory(kBodyBytesMax);
    row.summary = r.summary;
    row.blocking = [app, call = r.call](const Ctx& ctx, http::Request& request) {
      return call(app, ctx, request);
    };
  }
  return out;
}

}  // namespace slip::wire::native
