#pragma once

#include <optional>
#include <string>

#include "core/hold/hold.h"
#include "registry/registry.h"

// What registered versions need of others, and what holds on models keep. Inside the caller's
// transaction; no state.
namespace slip::registry {

struct Source {
  std::string run_id;
  std::string logged_model_id;
  std::string uri;  // Versions whose files lie at it or below.
};
// "model version fraud@3": one that is not deleted and was made of it; "": none.
Result<std::string> claimant(store::Tx& tx, const std::string& project, const Source& source);

// Of "model:NAME" a registered model, of "model:NAME@N" or "model_version:NAME@N" a version.
Result<std::optional<hold::Object>> find_object(store::Tx& tx, const std::string& project,
                                                const hold::Reference& ref);

// kConflict `hold.held` when the version, its model or the project is held.
Status refuse_held_version(store::Tx& tx, const std::string& project, const Model& model,
                           const Version& version);
// The same for a model with all its versions.
Status refuse_held_model(store::Tx& tx, const std::string& project, const Model& model);

}  // namespace slip::registry
