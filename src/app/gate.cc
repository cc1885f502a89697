#include "app/gate.h"

#include "base/check.h"
#include "base/text.h"

namespace slip::app {
namespace {

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

}  // namespace

Result<Ctx> AuthGate::authenticate(const http::Credentials& credentials) {
  return auth_.identify(credentials.authorization, credentials.project);
}

Status AuthGate::authorize(const Ctx& ctx, const http::Permission& permission,
                           const http::Request& request) {
  if (permission.right == http::Right::kPublic) return {};
  const auth::Role want = role_of(permission.right);
  if (!auth_.has_object_grants(ctx, permission.resource))
    return auth_.check(ctx, want, permission.resource, "");
  if (const auto uid = resolve_ ? resolve_(ctx, permission.resource, request) : std::nullopt)
    return auth_.check(ctx, want, permission.resource, *uid);
  return forbidden("auth.object_unknown", concat({"rights on single objects of kind ",
                                                  permission.resource, " don't reach this route"}));
}

}  // namespace slip::app
