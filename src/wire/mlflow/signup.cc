// A page where an administrator makes users, as MLflow's own server has one: GET /signup and the
// form's target. Browsers send Basic credentials by themselves, so the form carries a token that is
// bound to whoever asked for the page.

#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "core/auth/directory.h"
#include "http/target.h"
#include "sys/clock.h"
#include "wire/mlflow/rows.h"
#include "wire/mlflow/signed_links.h"

namespace slip::wire::mlflow {
namespace {

constexpr int64_t kFormS = 3'600;  // How long a form may lie open.
constexpr std::string_view kTarget = "2.0/mlflow/users/create-ui";
constexpr std::string_view kPolicy =
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'";
constexpr std::string_view kHead =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Make a "
    "user</title><style>"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:26rem;margin:4rem auto;padding:0 1rem}"
    "label,input,button{display:block;width:100%;box-sizing:border-box}"
    "input,button{font:inherit;padding:.5rem;margin:.25rem 0 1rem}"
    "</style></head><body><main>";
constexpr std::string_view kEnd = "</main></body></html>";

http::Reply page(int status, std::string_view content) {
  http::Reply reply;
  reply.status = status;
  reply.content_type = "text/html; charset=utf-8";
  reply.body = concat({kHead, content, kEnd});
  reply.headers.emplace_back("Content-Security-Policy", kPolicy);
  reply.headers.emplace_back("Cache-Control", "no-store");
  return reply;
}

http::Reply said(int status, std::string_view text) {
  return page(status, concat({"<p role=\"status\">", escape_html(text),
                              "</p><p><a href=\"/signup\">Make a user</a></p>"}));
}

std::string signature(const App& app, const Ctx& ctx, int64_t expires_s) {
  return app.links->sign({.what = "signup", .fields = {ctx.actor_uid}, .expires_s = expires_s});
}

http::Reply form(const App& app, const Ctx& ctx) {
  const int64_t expires_s = app.clock.now_ms() / 1000 + kFormS;
  const std::string token =
      concat({std::to_string(expires_s), ".", signature(app, ctx, expires_s)});
  return page(
      200,
      concat({"<h1>Make a user</h1><form action=\"/api/", kTarget,
              "\" method=\"post\"><input type=\"hidden\" name=\"csrf_token\" value=\"", token,
              "\"><label for=\"username\">Name</label>"
              "<input id=\"username\" name=\"username\" required autocomplete=\"off\">"
              "<label for=\"password\">Password, at least 12 characters</label>"
              "<input id=\"password\" name=\"password\" type=\"password\" required minlength=\"12\""
              " autocomplete=\"new-password\"><button>Make the user</button></form>"}));
}

bool is_fresh(const App& app, const Ctx& ctx, std::string_view token) {
  const size_t dot = token.find('.');
  const auto expires_s = parse_int(token.substr(0, dot));
  if (dot == token.npos || !expires_s || *expires_s < app.clock.now_ms() / 1000) return false;
  return equal_secret(signature(app, ctx, *expires_s), token.substr(dot + 1));
}

std::string field(const std::vector<std::pair<std::string, std::string>>& form,
                  std::string_view name) {
  for (const auto& [key, value] : form)
    if (key == name) return value;
  return {};
}

Result<http::Reply> create(const App& app, const Ctx& ctx, const http::Request& request) {
  std::vector<std::pair<std::string, std::string>> sent;
  const std::string_view type = trim(split(request.header("content-type"), ';').front());
  if (!iequals(type, "application/x-www-form-urlencoded"))
    return said(400, "Invalid content type. Must be application/x-www-form-urlencoded");
  if (!http::parse_query(request.body, &sent).ok()) return said(400, "This is no form.");
  const std::string token = field(sent, "csrf_token");
  if (token.empty()) return said(400, "The CSRF token is missing.");
  if (!is_fresh(app, ctx, token)) return said(400, "The CSRF token is invalid or has expired.");
  const std::string name = field(sent, "username");
  const std::string password = field(sent, "password");
  if (name.empty() || password.empty()) return said(400, "Username and password cannot be empty.");
  const auto made = app.directory.create_user(ctx, name, password);
  if (made.ok()) return said(200, concat({"Successfully signed up user: ", name}));
  if (made.error().code == Code::kExists)
    return said(409, concat({"Username has already been taken: ", name}));
  if (made.error().code == Code::kInvalid) return said(400, made.error().text);
  return made.error();
}

}  // namespace

void add_signup(std::vector<http::Route>* out, const App& app) {
  http::Route shown;
  shown.method = http::Method::kGet;
  shown.path = "/signup";
  shown.permission = {http::Right::kManage, "principal", http::On::kCaller};
  shown.audit = http::Audit::kNone;
  shown.summary = "A form that makes a user";
  shown.render_error = render_error;
  shown.blocking = [app](const Ctx& ctx, http::Request&) -> Result<http::Reply> {
    return form(app, ctx);
  };
  http::Route target = shown;
  target.method = http::Method::kPost;
  target.path = concat({"/api/", kTarget});
  target.audit = http::Audit::kEvent;
  target.body = http::memory();
  target.summary = "Make a user, by the form of /signup";
  target.blocking = [app](const Ctx& ctx, http::Request& request) -> Result<http::Reply> {
    return create(app, ctx, request);
  };
  out->push_back(std::move(shown));
  out->push_back(std::move(target));
}

}  // namespace slip::wire::mlflow
