#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "http/route.h"

namespace slip {
class Clock;
class Rng;
}  // namespace slip
namespace slip::tracking {
struct Tracking;
}
namespace slip::registry {
class Registry;
}
namespace slip::auth {
class Directory;
}
namespace slip::notify {
class Webhooks;
}

// MLflow's REST API as its 3.17.2 clients speak it, that of its users, roles and workspaces (which
// are projects here) too: parses, calls tracking, registry and core/auth, prints. No policy here.
// Every row is served below /api and below /ajax-api.
namespace slip::wire::mlflow {

class SignedLinks;

// What the rows call; it must outlive them.
struct App {
  tracking::Tracking& tracking;
  registry::Registry& registry;
  auth::Directory& directory;
  notify::Webhooks& webhooks;
  Clock& clock;
  Rng& rng;
  std::shared_ptr<const SignedLinks> links;  // For uploads in parts and direct downloads.
  // Names something that the project of the Ctx still holds ("experiment 3"); "": it is empty.
  std::function<Result<std::string>(const Ctx&)> something_in;
  // Takes away all that it holds.
  std::function<Status(const Ctx&)> empty_project;
};

std::vector<http::Route> routes(App app);

}  // namespace slip::wire::mlflow
