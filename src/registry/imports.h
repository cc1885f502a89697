#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "registry/types.h"
#include "sys/ctx.h"

// Takes over what another registry recorded: models, and versions with their numbers, times, users,
// stages and aliases. The same row again changes nothing. A row that is here with other values is
// reported and stays as it is, unless the caller says `update`; what is here beyond the row is
// never touched, and neither is a stage or alias that has a policy here: that takes a request.
// Each model and version is one transaction with its ledger event. Any thread.
//
// Errors: those of check.h, kNotFound `model.not_found`.
namespace slip::registry {

class Registry;

enum class Imported : uint8_t { kNew, kSame, kDiffers, kUpdated };

struct ImportOutcome {
  Imported state = Imported::kSame;
  std::string differing;  // The first thing that differs: "tags.team".
};

class Imports {
 public:
  explicit Imports(Registry& registry) : registry_(registry) {}

  // By name, without aliases. `last_version` is raised to what the source gave.
  Result<ImportOutcome> model(const Ctx& ctx, const Model& wanted, bool update);
  // By model and number, with aliases.
  Result<ImportOutcome> version(const Ctx& ctx, const Version& wanted, bool update);

 private:
  struct Taking;
  Status insert(Taking* t);
  Status change(Taking* t);
  Status set_aliases(Taking* t);

  Registry& registry_;
};

}  // namespace slip::registry
