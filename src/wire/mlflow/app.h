#pragma once

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

// MLflow's REST API as its 3.17.2 clients speak it: parses, calls tracking and registry, prints.
// No policy here. Every row is served below /api and below /ajax-api.
namespace slip::wire::mlflow {

// What the rows call; it must outlive them.
struct App {
  tracking::Tracking& tracking;
  registry::Registry& registry;
  Clock& clock;
  Rng& rng;
};

std::vector<http::Route> routes(App app);

}  // namespace slip::wire::mlflow
