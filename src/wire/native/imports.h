#pragma once

#include <vector>

#include "http/route.h"

namespace slip::tracking {
struct Tracking;
}

// /imports/mlflow: experiments, runs and points of another tracking server, as batches that a
// client read from it. This server never opens anything that a request names. The answer says for
// each row whether it is new, the same or differs, so the same batch may be sent again.
namespace slip::wire::native {

struct ImportsApp {
  tracking::Tracking& tracking;
};
std::vector<http::Route> import_routes(ImportsApp app);

}  // namespace slip::wire::native
