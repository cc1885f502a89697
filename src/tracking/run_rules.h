#pragma once

#include <string_view>

#include "core/ledger/ledger.h"
#include "tracking/run_store.h"

// What all services of runs say alike. Private to tracking/.
namespace slip::tracking {

inline constexpr std::string_view kRunNameTag = "mlflow.runName";
inline constexpr std::string_view kParentTag = "mlflow.parentRunId";
inline constexpr std::string_view kMetricsLogged = "run.metrics_logged";  // Counted.

Error no_run(std::string_view run_id);
// kInvalid `run.not_active` for a deleted one.
Status check_active(std::string_view run_id, Lifecycle lifecycle);
ledger::Draft run_event(std::string_view verb, std::string_view run_id, int64_t experiment_id);

Result<sql::RunRef> must_find_ref(store::Tx& tx, std::string_view project, std::string_view run_id);

}  // namespace slip::tracking
