#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/auth/auth.h"
#include "http/route.h"
#include "registry/governance.h"
#include "registry/registry.h"

// /models: the registry with what MLflow's API lacks: gates, approvals, promotion, rollback and who
// held which stage when.
namespace slip::wire::native {

struct ModelsApp {
  registry::Registry& registry;
  registry::Governance& governance;
  auth::Auth& auth;  // For the names of actors.
  // Names of the deployments that serve a model; may be null.
  std::function<std::vector<std::string>(const Ctx&, const std::string& model)> deployments;
  // Takes every deployment of the model to the version that a rollback brought back, also those
  // that follow no alias or stage; names of those that moved. May be null.
  std::function<std::vector<std::string>(const Ctx&, const registry::Version& back,
                                         const std::string& reason)>
      roll_back_deployments;
};
std::vector<http::Route> models_routes(ModelsApp app);

}  // namespace slip::wire::native
