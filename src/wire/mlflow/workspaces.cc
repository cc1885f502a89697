// Workspaces: projects that have been given a name, a description and roles.

#include <algorithm>
#include <array>

#include "base/text.h"
#include "core/auth/directory.h"
#include "wire/mlflow/rows.h"

namespace slip::wire::mlflow {
namespace {

using codec::Json;
using http::Audit;
using http::Method;
using http::On;
using http::Right;

constexpr size_t kNameMin = 2;
constexpr size_t kNameMax = 63;
constexpr std::array<std::string_view, 4> kReserved = {"workspaces", "api", "ajax-api",
                                                       "static-files"};

Error bad_name(std::string_view name, std::string_view what) {
  return invalid("mlflow.workspace_name", concat({"Workspace name '", name, "' ", what}));
}

// Narrower than a project's.
Status check_name(const std::string& name) {
  if (name.size() < kNameMin || name.size() > kNameMax)
    return bad_name(name, "must be between 2 and 63 characters.");
  const auto good = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  const bool inside =
      std::all_of(name.begin(), name.end(), [&](char c) { return good(c) || c == '-'; });
  if (!inside || !good(name.front()) || !good(name.back()))
    return bad_name(name,
                    "must match the pattern ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$ (lowercase "
                    "alphanumeric with optional internal hyphens).");
  if (std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end())
    return bad_name(name, "is reserved and cannot be used.");
  return {};
}

// Every project keeps its files in the server's own store.
Status refuse_places(const In& in) {
  for (const char* field : {"default_artifact_root", "trace_archival_config"})
    if (in.has(field))
      return unsupported("mlflow.workspace_place",
                         concat({field, " is not offered: files are kept by the server"}));
  return {};
}

Json message_of(const auth::ProjectInfo& project) {
  Json out = Json::object({{"name", project.name}});
  if (project.description) out.set("description", *project.description);
  return out;
}

Json reply_of(const auth::ProjectInfo& project) {
  return Json::object({{"workspace", message_of(project)}});
}

Result<std::string> name_of(const In& in) {
  const std::string name = TRY(in.text("workspace_name"));
  if (name != kDefaultProject) TRY(check_name(name));
  return name;
}

Result<Json> list(App& app, const Ctx& ctx, const In&) {
  Json out = Json::array();
  for (const auth::ProjectInfo& project : TRY(app.directory.projects(ctx)))
    out.push(message_of(project));
  return Json::object({{"workspaces", std::move(out)}});
}

Result<Json> get(App& app, const Ctx& ctx, const In& in) {
  return reply_of(TRY(app.directory.project(ctx, TRY(name_of(in)))));
}

Result<Json> update(App& app, const Ctx& ctx, const In& in) {
  const std::string name = TRY(name_of(in));
  TRY(refuse_places(in));
  if (!in.has("description"))
    return invalid("mlflow.missing", "Workspace update must have at least one key");
  auth::ProjectInfo wanted;
  wanted.name = name;
  wanted.description = TRY(in.maybe_text("description"));
  return reply_of(TRY(app.directory.describe_project(ctx, wanted)));
}

Result<http::Reply> create(App& app, const Ctx& ctx, const In& in) {
  if (!app.directory.is_admin(ctx))
    return forbidden("auth.forbidden", "only an administrator may make workspaces");
  auth::ProjectInfo wanted;
  wanted.name = TRY(in.text("name"));
  wanted.description = TRY(in.maybe_text("description"));
  if (wanted.name == kDefaultProject)
    return bad_name(wanted.name, "is reserved and cannot be created");
  TRY(check_name(wanted.name));
  TRY(refuse_places(in));
  http::Reply reply = json_reply(reply_of(TRY(app.directory.create_project(ctx, wanted))));
  reply.status = 201;
  return reply;
}

// RESTRICT: only what is empty. CASCADE takes away what it holds, but for what is never deleted
// (datasets, events) or is held. SET_DEFAULT would give runs and models other numbers and names.
Result<http::Reply> remove(App& app, const Ctx& ctx, const In& in) {
  if (!app.directory.is_admin(ctx))
    return forbidden("auth.forbidden", "only an administrator may delete workspaces");
  const std::string name = TRY(name_of(in));
  if (name == kDefaultProject)
    return invalid("project.reserved", "Cannot delete the default workspace.");
  const std::string mode = TRY(in.text_or("mode", "RESTRICT"));
  if (mode == "SET_DEFAULT")
    return unsupported("mlflow.workspace_mode",
                       "mode SET_DEFAULT is not offered: what a workspace holds keeps its place");
  if (mode != "RESTRICT" && mode != "CASCADE")
    return invalid("mlflow.type", concat({"Invalid workspace deletion mode '", mode, "'."}));
  TRY(app.directory.project(ctx, name));
  if (mode == "CASCADE") {
    const Status emptied = app.empty_project(app.directory.in_project(ctx, name));
    if (!emptied.ok())
      return Error(emptied.error()).within(concat({"Cannot delete workspace '", name, "'"}));
  }
  const std::string held = TRY(app.something_in(app.directory.in_project(ctx, name)));
  if (!held.empty())
    return conflict("project.not_empty",
                    concat({"Cannot delete workspace '", name, "': it still contains ", held}));
  TRY(app.directory.delete_project(ctx, name));
  http::Reply reply;
  reply.status = 204;
  return reply;
}

constexpr http::Permission kRead{Right::kRead, "project", On::kCaller};
constexpr http::Permission kManage{Right::kManage, "project", On::kCaller};
constexpr std::string_view kAll = "3.0/mlflow/workspaces";
constexpr std::string_view kOne = "3.0/mlflow/workspaces/{workspace_name}";

constexpr std::array<Row, 3> kRows = {{
    {Method::kGet, kAll, kRead, Audit::kNone, list, "List the workspaces that the caller may see"},
    {Method::kGet, kOne, kRead, Audit::kNone, get, "Read a workspace"},
    {Method::kPatch, kOne, kManage, Audit::kEvent, update, "Describe a workspace"},
}};

using Answer = Result<http::Reply> (*)(App& app, const Ctx& ctx, const In& in);

http::Route row_of(const App& app, Method method, Answer answer, std::string_view summary) {
  http::Route row;
  row.method = method;
  row.permission = kManage;
  row.audit = Audit::kEvent;
  row.body = http::memory();
  row.summary = summary;
  row.blocking = [app, answer](const Ctx& ctx, http::Request& request) -> Result<http::Reply> {
    App own = app;
    return answer(own, ctx, TRY(In::of(request)));
  };
  return row;
}

}  // namespace

void add_workspaces(std::vector<http::Route>* out, const App& app) {
  add_rows(out, app, kRows);
  add_twins(out, row_of(app, Method::kPost, create, "Make a workspace with roles admin and user"),
            kAll);
  add_twins(out,
            row_of(app, Method::kDelete, remove,
                   "Delete an empty workspace, or with ?mode=CASCADE what it holds too"),
            kOne);
}

}  // namespace slip::wire::mlflow
