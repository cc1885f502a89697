#pragma once

#include <string_view>
#include <vector>

#include "core/auth/auth.h"
#include "http/permission.h"

// Whether a caller may do what a row asks on the objects that a request is about, whichever plane
// the request came by. Any thread.
namespace slip::app {

auth::Role role_of(http::Right right);

class ObjectGuard {
 public:
  ObjectGuard(auth::Auth& auth, http::Permission permission, bool hides_as_missing)
      : auth_(auth), permission_(permission), hides_as_missing_(hides_as_missing) {}

  bool open_to(const Ctx& ctx) const;  // Memory alone says yes: nothing needs to be looked up.
  // `found`: what the row's own needs have found. May ask the database.
  Status check(const Ctx& ctx, const Result<std::vector<http::Need>>& found) const;

 private:
  Error hidden(std::string_view kind) const;

  auth::Auth& auth_;
  http::Permission permission_;
  bool hides_as_missing_;
};

}  // namespace slip::app
