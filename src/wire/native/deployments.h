#pragma once

#include <functional>
#include <vector>

#include "codec/json.h"
#include "http/route.h"

namespace slip::serving {
class Serving;
struct Deployment;
}  // namespace slip::serving

// /deployments: what serves which version to whom, canaries, the way back.
namespace slip::wire::native {

struct DeploymentsApp {
  serving::Serving& serving;
  // What the guard knows of the deployment's last canary, as a verdict; app/ fills it from rollout.
  std::function<Result<codec::Json>(const Ctx&, const serving::Deployment&)> evidence;
  // For who may deploy it; from the registry.
  std::function<Result<std::string>(const Ctx&, const std::string& model)> model_uid;
};
std::vector<http::Route> deployment_routes(DeploymentsApp app);

}  // namespace slip::wire::native
