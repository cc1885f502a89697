#include "app/gate.h"

#include <utility>

#include "base/check.h"
#include "base/text.h"

namespace slip::app {
namespace {

using auth::Auth;
using http::On;

auth::Role role_of(http::Right right) {
  switch (right) {
    case http::Right::kRead:
      return auth::Role::kRead;
    case http::Right::kUse:
      return auth::Role::kUse;
    case http::Right::kEdit:
      return auth::Role::kEdit;
    case http::Right::kManage:
      return auth::Role::kManage;
    case http::Right::kPublic:
    case http::Right::kUnset:
      break;
  }
  CHECK(false);  // The router refuses such rows; public ones don't come here.
}

bool names_objects(const http::Permission& permission) {
  return permission.right != http::Right::kPublic &&
         (permission.on == On::kObject || permission.on == On::kObjects);
}

// What a wrapped row keeps of itself.
struct Guard {
  Auth& auth;
  http::Permission permission;
  http::FindNeeds needs;
  bool hides_as_missing = true;

  // Memory alone says yes: nothing needs to be looked up.
  bool open_to(const Ctx& ctx) const {
    const auth::Role want = role_of(permission.right);
    if (permission.on == On::kObjects) return auth.has_everything(ctx, want);
    return auth.decide(ctx, want, permission.resource) == Auth::Verdict::kAllowed;
  }
  Error hidden(std::string_view kind) const {
    if (hides_as_missing)
      return not_found(concat({kind, ".not_found"}), concat({"no such ", kind}));
    return forbidden("auth.forbidden", concat({"no right to this ", kind}));
  }
  Status check(const Ctx& ctx, const http::Request& request) const {
    if (open_to(ctx)) return {};
    const Result<std::vector<http::Need>> found = needs(ctx, request);
    if (!found.ok()) {
      if (found.error().code == Code::kNotFound) return hidden(permission.resource);
      return found.error();
    }
    if (found->empty()) return hidden(permission.resource);
    for (const http::Need& need : *found) {
      const Status allowed = need.is_new
                                 ? auth.check_new(ctx, need.kind)
                                 : auth.check(ctx, role_of(need.right), need.kind, need.uid);
      if (allowed.ok()) continue;
      return allowed.error().code == Code::kNotFound ? hidden(need.kind) : allowed;
    }
    return {};
  }
};

void guard_inline(Guard guard, const std::function<Pool&()>& pool, http::Route* row) {
  // Shared by both paths and by what waits on the pool.
  auto shared = std::make_shared<const Guard>(std::move(guard));
  auto inner = std::make_shared<const http::Inline>(std::move(row->inline_));
  row->inline_ = [shared, inner, pool, render = row->render_error](
                     const Ctx& ctx, http::Request& request, http::Responder respond) {
    if (shared->open_to(ctx)) return (*inner)(ctx, request, std::move(respond));
    auto waiting = std::make_shared<http::Responder>(std::move(respond));
    const auto refuse = [render, &ctx](const Error& error, http::Responder to) {
      std::move(to)(render(error, ctx));
    };
    const Status queued = pool().submit([shared, inner, refuse, waiting, &ctx, &request] {
      const Status allowed = shared->check(ctx, request);
      if (!allowed.ok()) return refuse(allowed.error(), std::move(*waiting));
      (*inner)(ctx, request, std::move(*waiting));
    });
    if (!queued.ok()) refuse(queued.error(), std::move(*waiting));
  };
}

}  // namespace

Result<Ctx> AuthGate::authenticate(const http::Credentials& credentials) {
  return auth_.identify(credentials.authorization, credentials.project);
}

Status AuthGate::authorize(const Ctx& ctx, const http::Permission& permission,
                           const http::Request&) {
  if (permission.right == http::Right::kPublic) return {};
  const auth::Role want = role_of(permission.right);
  switch (permission.on) {
    case On::kProject:
      return auth_.check(ctx, want, permission.resource, "");
    case On::kNew:
      return auth_.check_new(ctx, permission.resource);
    case On::kObjects:
    case On::kCaller:
      if (auth_.could_have(ctx, want)) return {};
      return auth_.check(ctx, want, permission.resource, "");
    case On::kObject:
    case On::kList:
      break;
  }
  if (auth_.decide(ctx, want, permission.resource) != Auth::Verdict::kDenied) return {};
  return auth_.check(ctx, want, permission.resource, "");
}

Status guard_rows(Auth& auth, std::function<Pool&()> pool, std::vector<http::Route>* rows) {
  std::string problems;
  for (http::Route& row : *rows) {
    if (!names_objects(row.permission)) continue;
    if (!row.needs || (row.inline_ && !row.render_error)) {
      problems += concat({problems.empty() ? "" : "; ", http::method_name(row.method), " ",
                          row.path, ": doesn't say how its object is found"});
      continue;
    }
    Guard guard{auth, row.permission, row.needs, row.hides_as_missing};
    if (row.inline_) {
      guard_inline(std::move(guard), pool, &row);
      continue;
    }
    row.blocking = [guard = std::move(guard), inner = std::move(row.blocking)](
                       const Ctx& ctx, http::Request& request) -> Result<http::Reply> {
      TRY(guard.check(ctx, request));
      return inner(ctx, request);
    };
  }
  if (!problems.empty()) return invalid("routes.unguarded", std::move(problems));
  return {};
}

}  // namespace slip::app
