#pragma once

#include <string>
#include <string_view>

#include "core/ledger/ledger.h"
#include "registry/registry.h"

// What the files of this module share.
namespace slip::registry {

struct Registry::Found {
  Model model;
  Version version;
};

Error no_model(std::string_view name);
Error no_version(std::string_view name, int64_t number);
Result<Model> must_find_model(store::Tx& tx, const Ctx& ctx, std::string_view name);

// Events. The subject of a version's event carries the model's name and the version's number.
ledger::Draft model_event(std::string_view verb, const Model& model);
ledger::Draft version_event(std::string_view verb, const Version& version);

}  // namespace slip::registry
