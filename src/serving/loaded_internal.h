#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/budget.h"
#include "base/result.h"
#include "serving/ensemble.h"
#include "serving/feature_lookup.h"
#include "serving/model.h"
#include "serving/model_config.h"
#include "sys/ctx.h"

namespace slip {
class Clock;
}

// A model in memory, shared by whatever routes serve it; counted against the budget. Immutable.
namespace slip::serving {

struct LoadedModel {
  std::unique_ptr<Model> model;  // Of the configuration's signature.
  std::shared_ptr<const ModelConfig> config;
  Budget::Lease memory;
  int64_t cost_ns = 0;  // Of one warm run.
  std::string key;      // Of whoever loaded it.
};

struct LoadWorld {
  Budget& budget;
  Clock& clock;
  FindMember find = {};                   // Of ensembles; empty: there are none.
  FeatureLookups* lookups = nullptr;      // Null: there is no feature store.
  std::string project = kDefaultProject;  // Whose features.
};

// `config`: as far as somebody wrote one; it is completed. Refuses what doesn't load, doesn't fit
// its configuration, or can't run its own warm-ups.
Result<std::shared_ptr<LoadedModel>> load_configured(LoadWorld world, std::string_view name,
                                                           std::string_view bytes,
                                                           ModelConfig config);

// Runs what model_warmup asks for. kInvalid `model_config.field`, and Model::run's.
Status run_warmups(const Model& model, const ModelConfig& config);

}  // namespace slip::serving
