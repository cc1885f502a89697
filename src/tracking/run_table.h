#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "sys/ctx.h"
#include "tracking/deps.h"
#include "tracking/runs.h"

// Runs as a table of chosen columns, for lists of a hundred thousand: a page reads the cells it
// shows and no others, however much its runs logged. Filters and orders are those of Runs::search,
// page tokens too. Any thread.
//
// Errors: those of Runs::search, kInvalid `run_table.columns`.
namespace slip::tracking {

class PendingMetrics;

inline constexpr int64_t kTableRowsMax = 1'000;
inline constexpr size_t kTableColumnsMax = 100;     // Of a kind.
inline constexpr int64_t kTableKeyRunsMax = 1'000;  // Whose keys are counted.

struct TableColumns {
  std::vector<std::string> metrics;
  std::vector<std::string> params;
  std::vector<std::string> tags;
};

struct TableKey {
  std::string key;
  int64_t runs = 0;      // That have it, of those looked at.
  bool differs = false;  // Two of them differ in it; having it or not is a difference.
  bool operator==(const TableKey&) const = default;
};
// Which columns there are. Only the first kTableKeyRunsMax runs of the list are looked at, and
// `whole` says whether those are all.
struct TableKeys {
  int64_t runs = 0;
  bool whole = true;
  std::vector<TableKey> metrics;
  std::vector<TableKey> params;
  std::vector<TableKey> tags;
};

struct ExperimentUse {
  int64_t experiment_id = 0;
  int64_t runs = 0;  // Not deleted.
  int64_t running = 0;
  int64_t last_start_ms = 0;
};

class RunTable {
 public:
  RunTable(Deps deps, PendingMetrics& pending) : deps_(deps), pending_(pending) {}

  // Runs with their chosen metrics, params and tags only; no inputs, no outputs.
  Result<Page<Run>> rows(const Ctx& ctx, const RunQuery& query, const TableColumns& columns);
  // How many runs all pages together have.
  Result<int64_t> count(const Ctx& ctx, const RunQuery& query);
  Result<TableKeys> keys(const Ctx& ctx, RunQuery query);
  // Of these experiments those that have runs, by id.
  Result<std::vector<ExperimentUse>> use_of(const Ctx& ctx, const std::vector<int64_t>& ids);

 private:
  Deps deps_;
  PendingMetrics& pending_;
};

}  // namespace slip::tracking
