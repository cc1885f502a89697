#pragma once

#include <vector>

#include "http/route.h"

namespace slip::tracking {
struct Tracking;
}
namespace slip::registry {
class Registry;
}

// /imports/mlflow: experiments, runs, points, logged and registered models of another server, as
// batches that a client read from it. This server never opens anything that a request names. The
// answer says for each row whether it is new, the same or differs, so the same batch may be sent
// again.
namespace slip::wire::native {

struct ImportsApp {
  tracking::Tracking& tracking;
  registry::Registry& registry;
};
std::vector<http::Route> import_routes(ImportsApp app);

}  // namespace slip::wire::native
