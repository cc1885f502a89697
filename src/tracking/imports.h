#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "sys/ctx.h"
#include "tracking/deps.h"
#include "tracking/experiments.h"
#include "tracking/pending.h"
#include "tracking/types.h"

// Takes over what another tracking server recorded, with its ids, times and states, which the
// ordinary services give themselves. The same row again changes nothing, so an import that was cut
// off is simply started again. A row that is here with other values is reported and stays as it is,
// unless the caller says `update`; what is here beyond the row is never touched. Each experiment,
// run and batch of points is one transaction with its ledger event. Any thread.
//
// Errors: those of validate.h and location.h, kNotFound
// `experiment.not_found|run.not_found|logged_model.not_found`,
// kExhausted `import.too_large`; rows before the one that failed are in.
namespace slip::store {
class Tx;
}
namespace slip::tracking::sql {
struct RunRef;
}
namespace slip::tracking {

inline constexpr size_t kImportPairsMax = 2'000;  // Parameters, or tags, of one run.

enum class Imported : uint8_t { kNew, kSame, kDiffers, kUpdated };

struct ImportOutcome {
  Imported state = Imported::kSame;
  std::string differing;      // The first thing that differs: "params.lr".
  int64_t experiment_id = 0;  // Here; the one of the source where that was free.
  std::string artifacts;      // Where its files belong here.
};

struct PointsOutcome {
  int64_t imported = 0;
  int64_t same = 0;
};

class Imports {
 public:
  Imports(Deps deps, Experiments& experiments, PendingMetrics& pending)
      : deps_(deps), experiments_(experiments), pending_(pending) {}

  // By name. An empty artifact location stands for the place that this server would give.
  Result<ImportOutcome> experiment(const Ctx& ctx, const Experiment& wanted, bool update);
  // By id, with inputs and outputs; its experiment is one of here. An empty artifact address: the
  // place that this server would give.
  Result<ImportOutcome> run(const Ctx& ctx, const Run& wanted, bool update);
  // Likewise; without its metrics.
  Result<ImportOutcome> logged_model(const Ctx& ctx, const LoggedModel& wanted, bool update);
  // At most kBatchMetricsMax. Those with a model_id become metrics of that logged model alone: what
  // its run logged is in points without one.
  Result<PointsOutcome> points(const Ctx& ctx, const std::string& run_id,
                               std::span<const Metric> points);

 private:
  Result<bool> add(store::Tx& tx, const Ctx& ctx, const sql::RunRef& run, const Metric& m);

  Deps deps_;
  Experiments& experiments_;
  PendingMetrics& pending_;
};

}  // namespace slip::tracking
