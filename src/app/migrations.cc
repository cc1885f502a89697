#include "app/world.h"

namespace slip::app {

// In order: a module's tables may refer to those of modules above it.
std::vector<store::Migration> all_migrations() {
  std::vector<store::Migration> out;
  const auto add = [&](std::span<const store::Migration> steps) {
    out.insert(out.end(), steps.begin(), steps.end());
  };
  add(ledger::migrations());
  add(auth::migrations());
  add(jobs::migrations());
  add(http::replay_migrations());
  add(data::migrations());
  add(tracking::migrations());
  add(registry::migrations());
  add(serving::migrations());
  add(rollout::migrations());
  add(monitor::migrations());
  return out;
}

}  // namespace slip::app
