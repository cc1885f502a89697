#pragma once

#include <string_view>

#include "core/ledger/ledger.h"
#include "store/db.h"
#include "sys/ctx.h"
#include "tracking/traces.h"

// What traces.cc and trace_ingest.cc share. Private to tracking/.
namespace slip::tracking {

inline constexpr std::string_view kTraceNameTag = "mlflow.traceName";
inline constexpr std::string_view kLocationTag = "mlflow.artifactLocation";
inline constexpr std::string_view kSpansTag = "mlflow.trace.spansLocation";
inline constexpr std::string_view kSessionKey = "mlflow.trace.session";
inline constexpr std::string_view kUserKey = "mlflow.trace.user";
inline constexpr std::string_view kUsageKey = "mlflow.trace.tokenUsage";
inline constexpr std::string_view kCostKey = "mlflow.trace.cost";

ledger::Draft traces_logged(int64_t experiment_id);
Status check_trace_id(std::string_view id);
// The experiment must exist and be active.
Result<Experiment> traced_experiment(store::Tx& tx, const Ctx& ctx, int64_t id);
Tag location_tag(const Experiment& experiment, std::string_view trace_id);

}  // namespace slip::tracking
