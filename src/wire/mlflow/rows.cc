#include "wire/mlflow/rows.h"

#include <array>
#include <memory>
#include <utility>

#include "base/text.h"

namespace slip::wire::mlflow {
namespace {

struct CodeName {
  Code code;
  std::string_view name;
  int status;
};
// MLflow answers 400 where we say 409 "exists"; clients look at the name. INVALID_STATE would be a
// 500 there, which makes clients retry for minutes: the state of things is no fault of the server.
constexpr std::array<CodeName, kCodeCount> kCodes = {{
    {Code::kInvalid, "INVALID_PARAMETER_VALUE", 400},
    {Code::kNotFound, "RESOURCE_DOES_NOT_EXIST", 404},
    {Code::kExists, "RESOURCE_ALREADY_EXISTS", 400},
    {Code::kConflict, "INVALID_STATE", 400},
    {Code::kUnauthorized, "UNAUTHENTICATED", 401},
    {Code::kForbidden, "PERMISSION_DENIED", 403},
    {Code::kExhausted, "RESOURCE_EXHAUSTED", 429},
    {Code::kUnavailable, "TEMPORARILY_UNAVAILABLE", 503},
    {Code::kTimeout, "DEADLINE_EXCEEDED", 504},
    {Code::kUnsupported, "NOT_IMPLEMENTED", 501},
    {Code::kCorrupt, "DATA_LOSS", 500},
    {Code::kInternal, "INTERNAL_ERROR", 500},
}};

struct ReasonName {
  std::string_view reason;
  std::string_view name;
  int status;
};
constexpr std::array<ReasonName, 5> kReasons = {{
    {"principal.self", "BAD_REQUEST", 400},
    {"model_alias.not_found", "INVALID_PARAMETER_VALUE", 400},
    // MLflow's own tests want this one to be a 500.
    {"model_version.remote_file", "INTERNAL_ERROR", 500},
    {"mlflow.bad_request", "BAD_REQUEST", 400},
    {"http.body_too_large", "INVALID_PARAMETER_VALUE", 413},
}};

// What 3.17 adds to an error; names that it gives no class get none here.
struct ClassName {
  std::string_view name;
  std::string_view sqlstate;
  std::string_view error_class;
};
constexpr std::array<ClassName, 7> kClasses = {{
    {"INVALID_PARAMETER_VALUE", "KAM00", "INVALID_PARAMETER_VALUE"},
    {"RESOURCE_DOES_NOT_EXIST", "KAM00", "RESOURCE_NOT_FOUND"},
    {"RESOURCE_ALREADY_EXISTS", "KAM00", "RESOURCE_ALREADY_EXISTS"},
    {"PERMISSION_DENIED", "KAM00", "PERMISSION_DENIED"},
    {"INVALID_STATE", "XXM00", "CLIENT_INTERNAL_ERROR"},
    {"TEMPORARILY_UNAVAILABLE", "XXM00", "CLIENT_INTERNAL_ERROR"},
    {"INTERNAL_ERROR", "XXM00", "CLIENT_INTERNAL_ERROR"},
}};

}  // namespace

namespace {

// In MLflow's own words, which its users search for.
std::string message_of(const Error& error) {
  if (error.code == Code::kUnauthorized)
    return concat({"You are not authenticated. ", error.text,
                   ". Set MLFLOW_TRACKING_USERNAME and"
                   " MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN."});
  if (error.code == Code::kForbidden && error.reason.starts_with("auth."))
    return concat({"Permission denied. ", error.text});
  return error.text;
}

}  // namespace

http::Reply render_error(const Error& error, const Ctx&) {
  const CodeName* row = &kCodes[static_cast<size_t>(error.code)];
  CHECK(row->code == error.code);
  std::string_view name = row->name;
  http::Reply reply;
  reply.phrase_in_capitals = true;
  reply.status = row->status;
  for (const ReasonName& r : kReasons)
    if (r.reason == error.reason) name = r.name, reply.status = r.status;
  codec::Json body = codec::Json::object({{"error_code", name}, {"message", message_of(error)}});
  for (const ClassName& c : kClasses)
    if (c.name == name) body.set("sqlstate", c.sqlstate), body.set("error_class", c.error_class);
  reply.body = codec::to_json(body);
  reply.headers.emplace_back("X-Slipway-Reason", error.reason);
  if (reply.status == 401) reply.headers.emplace_back("WWW-Authenticate", "Basic realm=\"mlflow\"");
  return reply;
}

http::Reply json_reply(const codec::Json& body) {
  http::Reply reply;
  reply.body = codec::to_json(body, 2, codec::NonFinite::kString);
  return reply;
}

void add_twins(std::vector<http::Route>* out, http::Route row, std::string_view path) {
  row.render_error = render_error;
  row.hides_as_missing = false;
  http::Route twin = row;
  row.path = concat({"/api/", path});
  twin.path = concat({"/ajax-api/", path});
  out->push_back(std::move(row));
  out->push_back(std::move(twin));
}

http::FindNeeds needs_of(const App& app, FindNeeds find, http::Right right) {
  return [app, find, right](const Ctx& ctx, const http::Request& request) -> Result<Needs> {
    App own = app;
    return find(own, ctx, right, TRY(In::of(request)));
  };
}

namespace {

http::Route route_of(const App& app, const Row& row) {
  http::Route route;
  route.method = row.method;
  route.permission = row.permission;
  route.audit = row.audit;
  route.summary = row.summary;
  route.waits_for_others = row.waits_for_others;
  route.body = http::memory();  // Also of a GET: its arguments may come as a body.
  if (const FindNeeds find = row.find ? row.find : finder_of(row.permission.resource))
    route.needs = needs_of(app, find, row.permission.right);
  return route;
}

}  // namespace

void add_submitted(std::vector<http::Route>* out, const App& app, const Row& row, Submit submit) {
  http::Route route = route_of(app, row);
  route.inline_ = [app, submit](const Ctx& ctx, http::Request& request, http::Responder respond) {
    const auto waiting = std::make_shared<http::Responder>(std::move(respond));
    const auto answer = [waiting, &ctx](const Status& status) {
      http::Reply reply;
      reply.body = "{}";
      std::move (*waiting)(status.ok() ? std::move(reply) : render_error(status.error(), ctx));
    };
    App own = app;
    const Result<In> in = In::of(request);
    if (!in.ok()) return answer(in.error());
    if (const Status begun = submit(own, ctx, *in, answer); !begun.ok()) answer(begun);
  };
  add_twins(out, std::move(route), row.path);
}

void add_rows(std::vector<http::Route>* out, const App& app, std::span<const Row> rows) {
  for (const Row& row : rows) {
    http::Route route = route_of(app, row);
    route.blocking = [app, handler = row.handler](const Ctx& ctx,
                                                  http::Request& request) -> Result<http::Reply> {
      App own = app;
      const In in = TRY(In::of(request));
      return json_reply(TRY(handler(own, ctx, in)));
    };
    add_twins(out, std::move(route), row.path);
  }
}

std::vector<http::Route> routes(App app) {
  CHECK(app.links);
  std::vector<http::Route> out;
  add_experiments(&out, app);
  add_runs(&out, app);
  add_metrics(&out, app);
  add_logged_models(&out, app);
  add_artifacts(&out, app);
  add_artifact_links(&out, app);
  add_registered_models(&out, app);
  add_model_versions(&out, app);
  add_traces(&out, app);
  add_traces_v2(&out, app);
  add_trace_analysis(&out, app);
  add_assessments(&out, app);
  add_users(&out, app);
  add_signup(&out, app);
  add_webhooks(&out, app);
  add_roles(&out, app);
  add_permissions(&out, app);
  add_workspaces(&out, app);
  add_server_info(&out, app);
  add_not_offered(&out);
  return out;
}

}  // namespace slip::wire::mlflow
