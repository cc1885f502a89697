#include "app/world.h"

extern "C" {
extern const char slipway_schema_begin[];
extern const char slipway_schema_end[];
}

namespace slip::app {

std::string_view whole_schema() {
  return {slipway_schema_begin, static_cast<size_t>(slipway_schema_end - slipway_schema_begin)};
}

// In order: a module's tables may refer to those of modules above it.
std::vector<store::Migration> all_migrations() {
  std::vector<store::Migration> out;
  const auto add = [&](std::span<const store::Migration> steps) {
    out.insert(out.end(), steps.begin(), steps.end());
  };
  add(ledger::migrations());
  add(auth::migrations());
  add(jobs::migrations());
  add(hold::migrations());
  add(http::replay_migrations());
  add(data::migrations());
  add(features::migrations());
  add(tracking::migrations());
  add(registry::migrations());
  add(sign::migrations());
  add(serving::migrations());
  add(scoring::migrations());
  add(rollout::migrations());
  add(monitor::migrations());
  add(notify::migrations());
  return out;
}

std::vector<ledger::Scope> all_event_scopes() {
  std::vector<ledger::Scope> out;
  const auto add = [&](std::span<const ledger::Scope> scopes) {
    out.insert(out.end(), scopes.begin(), scopes.end());
  };
  add(data::event_scopes());
  add(tracking::event_scopes());
  add(registry::event_scopes());
  return out;
}

}  // namespace slip::app
