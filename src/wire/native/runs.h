#pragma once

#include <vector>

#include "core/auth/auth.h"
#include "http/route.h"

namespace slip::tracking {
struct Tracking;
}

// /runs: what MLflow has no word for; all else of a run goes by MLflow's own API.
namespace slip::wire::native {

struct RunsApp {
  tracking::Tracking& tracking;
  auth::Auth& auth;  // For the names of principals.
};
std::vector<http::Route> runs_routes(RunsApp app);

}  // namespace slip::wire::native
