#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/auth/auth.h"
#include "http/gate.h"

// core/auth behind the server's door. A principal whose grants name single objects needs the object
// of the route: `resolve` finds its uid from the route's resource and parameters; where it can't,
// such a principal is refused, never let through. Any thread.
namespace slip::app {

class AuthGate final : public http::Gate {
 public:
  using Resolve = std::function<std::optional<std::string>(
      const Ctx& ctx, std::string_view resource, const http::Request& request)>;

  explicit AuthGate(auth::Auth& auth, Resolve resolve = nullptr)
      : auth_(auth), resolve_(std::move(resolve)) {}

  Result<Ctx> authenticate(const http::Credentials& credentials) override;
  Status authorize(const Ctx& ctx, const http::Permission& permission,
                   const http::Request& request) override;

 private:
  auth::Auth& auth_;
  const Resolve resolve_;
};

}  // namespace slip::app
