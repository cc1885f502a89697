#include "app/object_guard.h"

#include "base/check.h"
#include "base/text.h"

namespace slip::app {

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
  CHECK(false);  // The planes refuse such rows; public ones don't come here.
}

bool ObjectGuard::open_to(const Ctx& ctx) const {
  const auth::Role want = role_of(permission_.right);
  if (permission_.on == http::On::kObjects) return auth_.has_everything(ctx, want);
  return auth_.decide(ctx, want, permission_.resource) == auth::Auth::Verdict::kAllowed;
}

Error ObjectGuard::hidden(std::string_view kind) const {
  if (hides_as_missing_) return not_found(concat({kind, ".not_found"}), concat({"no such ", kind}));
  return forbidden("auth.forbidden", concat({"no right to this ", kind}));
}

Status ObjectGuard::check(const Ctx& ctx, const Result<std::vector<http::Need>>& found) const {
  if (!found.ok()) {
    if (found.error().code == Code::kNotFound) return hidden(permission_.resource);
    return found.error();
  }
  if (found->empty()) return hidden(permission_.resource);
  for (const http::Need& need : *found) {
    const Status allowed = need.is_new ? auth_.check_new(ctx, need.kind)
                                       : auth_.check(ctx, role_of(need.right), need.kind, need.uid);
    if (allowed.ok()) continue;
    return allowed.error().code == Code::kNotFound ? hidden(need.kind) : allowed;
  }
  return {};
}

}  // namespace slip::app
