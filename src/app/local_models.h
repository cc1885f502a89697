#pragma once

#include <memory>

#include "base/result.h"
#include "serving/serving.h"

namespace slip::app {

struct World;

// What `--model` and `--model-repository` name, loaded. kInvalid `config.model` for what is no
// NAME=FILE; single files must load, models of a repository may be unavailable.
Result<std::unique_ptr<serving::LocalModels>> open_local_models(World& w);

// kConflict `local_model.is_deployment`: a name must mean one thing.
Status check_local_names(World& w);

}  // namespace slip::app
