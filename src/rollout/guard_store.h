#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "rollout/guard.h"
#include "store/db.h"

// SQL of the guards' memories. No policy.
namespace slip::rollout::sql {

Result<GuardState> find(store::Tx& tx, std::string_view project, std::string_view deployment_uid,
                        int64_t canary_started_ms);
Status put(store::Tx& tx, std::string_view project, std::string_view deployment_uid,
           int64_t canary_started_ms, const GuardState& state);

}  // namespace slip::rollout::sql
