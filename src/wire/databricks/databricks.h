#pragma once

#include <vector>

#include "http/route.h"

namespace slip::auth {
class Auth;
}
namespace slip::notify {
class Webhooks;
}
namespace slip::registry {
class Governance;
class Registry;
}  // namespace slip::registry

// Databricks' workspace model registry as `databricks-sdk` speaks it: transition requests,
// comments, stages with rights, webhooks. Parses, calls registry and notify, prints. Errors are
// {"error_code", "message"}.
//
// Where that API knows one approval, a policy may ask for more: approve() then answers with the
// activity and says in `system_comment` what is still missing; the request stays open.
namespace slip::wire::databricks {

struct App {
  registry::Registry& registry;
  registry::Governance& governance;
  auth::Auth& auth;  // For names and rights.
  notify::Webhooks& webhooks;
};
std::vector<http::Route> routes(App app);

}  // namespace slip::wire::databricks
