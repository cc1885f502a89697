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
// Errors: those of validate.h and location.h, kNotFound `experiment.not_found|run.not_found`,
// kExhausted `import.too_large`; rows before the one that failed are in.
namespace slip::tracking {

inline constexpr size_t kImportPairsMax = 2'000;  // Parameters, or tags, of one run.

enum class Imported : uint8_t { kNew, kSame, kDiffers, kUpdated };

struct ImportOutcome {
  Imported state = Imported::kSame;
  std::string differing;      // The first thing that differs: "params.lr".
  int64_t experiment_id = 0;  // Here; the one of the source where that was free.
};

struct PointsOutcome {
  int64_t imported = 0;
  int64_t same = 0;
};

class Imports {
 public:
  Imports(Deps deps, Experiments& experiments, PendingMetrics& pending)
      : deps_(deps), experiments_(experiments), pending_(pending) {}

  // By name.
  Result<ImportOutcome> experiment(const Ctx& ctx, const Experiment& wanted, bool update);
  // By id; its experiment is one of here.
  Result<ImportOutcome> run(const Ctx& ctx, const Run& wanted, bool update);
  // At most kBatchMetricsMax.
  Result<PointsOutcome> points(const Ctx& ctx, const std::string& run_id,
                               std::span<const Metric> points);

 private:
  Deps deps_;
  Experiments& experiments_;
  PendingMetrics& pending_;
};

}  // namespace slip::tracking
