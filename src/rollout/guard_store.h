#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rollout/guard.h"
#include "store/db.h"

// SQL of the guards' memories. No policy.
namespace slip::rollout::sql {

struct Key {  // One canary.
  std::string project;
  std::string deployment_uid;
  int64_t canary_started_ms = 0;
};

Result<GuardState> find(store::Tx& tx, const Key& key);
Status put(store::Tx& tx, const Key& key, const GuardState& state);

// False when that canary has seen the draw already. Kept as a digest: it may name a person.
Result<bool> insert_draw(store::Tx& tx, const Key& key, std::string_view draw);
// Canaries of which draws may be kept.
Result<std::vector<Key>> keys_with_draws(store::Tx& tx);
Result<int64_t> drop_draws(store::Tx& tx, const Key& key, int64_t limit);
Status note_draws_gone(store::Tx& tx, const Key& key);

}  // namespace slip::rollout::sql
