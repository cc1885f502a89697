#pragma once

#include <vector>

#include "http/route.h"

namespace slip::serving {
class Serving;
}

// /deployments: what serves which version to whom, canaries, the way back.
namespace slip::wire::native {

struct DeploymentsApp {
  serving::Serving& serving;
};
std::vector<http::Route> deployment_routes(DeploymentsApp app);

}  // namespace slip::wire::native
