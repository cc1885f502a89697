// Users: create, read, list, password, administrators, delete.

#include <array>

#include "base/text.h"
#include "core/auth/directory.h"
#include "wire/mlflow/grants.h"
#include "wire/mlflow/proto_out.h"
#include "wire/mlflow/rows.h"

namespace slip::wire::mlflow {
namespace {

using codec::Json;
using http::Audit;
using http::Method;
using http::On;
using http::Right;

Result<Json> create(App& app, const Ctx& ctx, const In& in) {
  const std::string name = TRY(in.text("username"));
  const std::string password = TRY(in.text("password"));
  const auth::User user = TRY(app.directory.create_user(ctx, name, password));
  return Json::object({{"user", message_of(user)}});
}

Result<Json> get(App& app, const Ctx& ctx, const In& in) {
  const auth::User user = TRY(app.directory.user(ctx, TRY(in.text("username"))));
  return Json::object({{"user", message_of(user)}});
}

Result<Json> current(App& app, const Ctx& ctx, const In&) {
  const auth::User user = TRY(app.directory.current(ctx));
  return Json::object({{"user", message_of(user)}, {"is_basic_auth", true}});
}

Result<Json> list(App& app, const Ctx& ctx, const In&) {
  Json users = Json::array();
  for (const auth::Directory::Listed& listed : TRY(app.directory.users(ctx))) {
    Json roles = Json::array();
    for (Json& role : TRY(messages_of(app, ctx, listed.roles))) roles.push(std::move(role));
    Json user = message_of(listed.user);
    user.set("roles", std::move(roles));
    users.push(std::move(user));
  }
  return Json::object({{"users", std::move(users)}});
}

Result<Json> update_password(App& app, const Ctx& ctx, const In& in) {
  auth::Directory::NewPassword wanted;
  wanted.name = TRY(in.text("username"));
  wanted.password = TRY(in.text("password"));
  wanted.current = TRY(in.text_or("current_password", ""));
  TRY(app.directory.set_password(ctx, wanted));
  return Json::object();
}

Result<Json> update_admin(App& app, const Ctx& ctx, const In& in) {
  const std::string name = TRY(in.text("username"));
  if (!in.has("is_admin"))
    return invalid("mlflow.missing", "Missing value for required parameter 'is_admin'.");
  TRY(app.directory.set_admin(ctx, name, TRY(in.flag_or("is_admin", false))));
  return Json::object();
}

Result<Json> remove(App& app, const Ctx& ctx, const In& in) {
  TRY(app.directory.delete_user(ctx, TRY(in.text("username"))));
  return Json::object();
}

constexpr http::Permission kRead{Right::kRead, "principal", On::kCaller};
constexpr http::Permission kOwn{Right::kEdit, "principal", On::kCaller};
constexpr http::Permission kManage{Right::kManage, "principal", On::kCaller};

constexpr std::array<Row, 7> kRows = {{
    {Method::kPost, "2.0/mlflow/users/create", kManage, Audit::kEvent, create,
     "Make a user with a password"},
    {Method::kGet, "2.0/mlflow/users/get", kRead, Audit::kNone, get, "Read a user"},
    {Method::kGet, "2.0/mlflow/users/current", kRead, Audit::kNone, current, "Read who is calling"},
    {Method::kGet, "2.0/mlflow/users/list", kRead, Audit::kNone, list,
     "List users with the roles that the caller may see"},
    {Method::kPatch, "2.0/mlflow/users/update-password", kOwn, Audit::kEvent, update_password,
     "Set a user's password; one's own against the current one"},
    {Method::kPatch, "2.0/mlflow/users/update-admin", kManage, Audit::kEvent, update_admin,
     "Make a user an administrator, or no longer"},
    {Method::kDelete, "2.0/mlflow/users/delete", kManage, Audit::kEvent, remove,
     "Delete a user with its tokens, grants and roles"},
}};

}  // namespace

void add_users(std::vector<http::Route>* out, const App& app) { add_rows(out, app, kRows); }

}  // namespace slip::wire::mlflow
