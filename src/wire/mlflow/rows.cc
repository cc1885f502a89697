#include "wire/mlflow/rows.h"

#include <array>
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
constexpr std::array<ReasonName, 3> kReasons = {{
    {"model_alias.not_found", "INVALID_PARAMETER_VALUE", 400},
    {"mlflow.content_type", "BAD_REQUEST", 400},
    {"http.body_too_large", "INVALID_PARAMETER_VALUE", 413},
}};

}  // namespace

http::Reply render_error(const Error& error, const Ctx&) {
  const CodeName* row = &kCodes[static_cast<size_t>(error.code)];
  CHECK(row->code == error.code);
  std::string_view name = row->name;
  http::Reply reply;
  reply.status = row->status;
  for (const ReasonName& r : kReasons)
    if (r.reason == error.reason) name = r.name, reply.status = r.status;
  codec::Json body = codec::Json::object({{"error_code", name}, {"message", error.text}});
  if (!error.hint.empty()) body.set("hint", error.hint);
  body.set("reason", error.reason);
  reply.body = codec::to_json(body);
  return reply;
}

http::Reply json_reply(const codec::Json& body) {
  http::Reply reply;
  reply.body = codec::to_json(body, 2, codec::NonFinite::kString);
  return reply;
}

void add_twins(std::vector<http::Route>* out, http::Route row, std::string_view path) {
  row.render_error = render_error;
  http::Route twin = row;
  row.path = concat({"/api/", path});
  twin.path = concat({"/ajax-api/", path});
  out->push_back(std::move(row));
  out->push_back(std::move(twin));
}

void add_rows(std::vector<http::Route>* out, const App& app, std::span<const Row> rows) {
  for (const Row& row : rows) {
    http::Route route;
    route.method = row.method;
    route.permission = row.permission;
    route.audit = row.audit;
    route.summary = row.summary;
    route.body = row.method == http::Method::kGet ? http::no_body() : http::memory();
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
  std::vector<http::Route> out;
  add_experiments(&out, app);
  add_runs(&out, app);
  add_logged_models(&out, app);
  add_artifacts(&out, app);
  add_registered_models(&out, app);
  add_model_versions(&out, app);
  add_traces(&out, app);
  add_assessments(&out, app);
  add_server_info(&out, app);
  return out;
}

}  // namespace slip::wire::mlflow
