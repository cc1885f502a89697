#include "app/gate.h"

#include <utility>

#include "app/object_guard.h"
#include "base/text.h"

namespace slip::app {
namespace {

using auth::Auth;
using http::On;

bool names_objects(const http::Permission& permission) {
  return permission.right != http::Right::kPublic &&
         (permission.on == On::kObject || permission.on == On::kObjects);
}

// What a wrapped row keeps of itself; of either plane.
template <class Row, class Request>
struct Guard {
  ObjectGuard objects;
  decltype(Row::needs) needs;

  bool open_to(const Ctx& ctx) const { return objects.open_to(ctx); }
  Status check(const Ctx& ctx, const Request& request) const {
    if (open_to(ctx)) return {};
    return objects.check(ctx, needs(ctx, request));
  }
};
using RouteGuard = Guard<http::Route, http::Request>;
using MethodGuard = Guard<grpc::Method, grpc::Request>;

void guard_inline(RouteGuard guard, const std::function<Pool&()>& pool, http::Route* row) {
  // Shared by both paths and by what waits on the pool.
  auto shared = std::make_shared<const RouteGuard>(std::move(guard));
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

void guard_inline(MethodGuard guard, const std::function<Pool&()>& pool, grpc::Method* row) {
  auto shared = std::make_shared<const MethodGuard>(std::move(guard));
  auto inner = std::make_shared<const grpc::Inline>(std::move(row->inline_));
  row->inline_ = [shared, inner, pool](const Ctx& ctx, grpc::Request& request,
                                       grpc::Responder respond) {
    if (shared->open_to(ctx)) return (*inner)(ctx, request, std::move(respond));
    auto waiting = std::make_shared<grpc::Responder>(std::move(respond));
    const Status queued = pool().submit([shared, inner, waiting, &ctx, &request] {
      const Status allowed = shared->check(ctx, request);
      if (!allowed.ok()) return std::move(*waiting)(allowed.error());
      (*inner)(ctx, request, std::move(*waiting));
    });
    if (!queued.ok()) std::move (*waiting)(queued.error());
  };
}

void note_unguarded(std::string* problems, std::initializer_list<std::string_view> name) {
  if (!problems->empty()) *problems += "; ";
  *problems += concat({concat(name), ": doesn't say how its object is found"});
}

}  // namespace

Result<Ctx> AuthGate::authenticate(const http::Credentials& credentials) {
  return auth_.identify(credentials.authorization, credentials.project);
}

Status AuthGate::authorize(const Ctx& ctx, const http::Permission& permission) {
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
      note_unguarded(&problems, {http::method_name(row.method), " ", row.path});
      continue;
    }
    RouteGuard guard{{auth, row.permission, row.hides_as_missing}, row.needs};
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

Status guard_methods(Auth& auth, std::function<Pool&()> pool, std::vector<grpc::Method>* rows) {
  std::string problems;
  for (grpc::Method& row : *rows) {
    if (!names_objects(row.permission)) continue;
    if (!row.needs || row.open || row.begin) {
      note_unguarded(&problems, {row.name});
      continue;
    }
    MethodGuard guard{{auth, row.permission, row.hides_as_missing}, row.needs};
    if (row.inline_) {
      guard_inline(std::move(guard), pool, &row);
      continue;
    }
    row.blocking = [guard = std::move(guard), inner = std::move(row.blocking)](
                       const Ctx& ctx, grpc::Request& request) -> Result<grpc::Reply> {
      TRY(guard.check(ctx, request));
      return inner(ctx, request);
    };
  }
  if (!problems.empty()) return invalid("methods.unguarded", std::move(problems));
  return {};
}

}  // namespace slip::app
