#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "serving/model_config.h"
#include "serving/routing.h"

namespace slip {
class Clock;
}

// Models made of models, as Triton's ensemble_scheduling describes them: steps over named tensors,
// each step's outputs the inputs of later ones. The graph is checked when it is made; the members
// are looked up anew for every run, so that they can be replaced below it.
//
// Steps run one after another, in an order in which every tensor is there before it is needed. A
// member that isn't served: kUnavailable `ensemble.member`.
namespace slip::serving {

struct Member {
  std::shared_ptr<const Route> route;
  const Arm* arm = nullptr;  // Of the route; loaded.
};
// `version`: -1 for the one in front. Any thread.
using FindMember = std::function<std::optional<Member>(const std::string& name, int64_t version)>;

// Names of what its steps run, each once.
std::vector<std::string> ensemble_members(const ModelConfig& config);

// kInvalid `model_config.field`, kUnavailable `ensemble.member`.
Result<std::unique_ptr<Model>> make_ensemble(const ModelConfig& config, FindMember find,
                                             Clock& clock);

}  // namespace slip::serving
