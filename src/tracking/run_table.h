#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "sys/ctx.h"
#include "tracking/deps.h"
#include "tracking/group_key.h"
#include "tracking/runs.h"

// Runs as a table of chosen columns, for lists of a hundred thousand: a page reads the cells it
// shows and no others, however much its runs logged. Filters and orders are those of Runs::search,
// page tokens too. Runs in groups: every run that is found is in one group. Any thread.
//
// Errors: those of Runs::search, kInvalid `run_table.columns|run_groups.by|run_groups.group|
// run_groups.order|run_groups.limit`.
namespace slip::tracking {

class PendingMetrics;

inline constexpr int64_t kTableRowsMax = 1'000;
inline constexpr size_t kTableColumnsMax = 100;     // Of a kind.
inline constexpr int64_t kTableKeyRunsMax = 1'000;  // Whose keys are counted.

inline constexpr int64_t kGroupPageMax = 200;
inline constexpr int64_t kGroupedRunsMax = 2'000'000;  // A number of each is held.
inline constexpr size_t kGroupsMax = 100'000;          // Different ones.

struct TableColumns {
  std::vector<std::string> metrics;
  std::vector<std::string> params;
  std::vector<std::string> tags;
  bool family = false;  // Say which of them have children among what is found.
};

struct TablePage : Page<Run> {
  std::vector<std::string> with_children;  // Ids of those, when `family` was asked for.
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

struct GroupQuery {
  std::string by;  // "params.KEY", "tags.KEY", "metrics.KEY", "attributes.KEY".
  int64_t buckets = kGroupBucketsDefault;  // Of a metric: about so many stretches of its values.
  std::vector<std::string> metrics;        // That are summed up.
  // "runs", "value" or "metrics.KEY" (its mean) with ASC or DESC; "": stretches by value, all else
  // by runs, the most first.
  std::string order_by;
  int64_t max_results = 50;
  std::string page_token;
};
struct GroupMetric {
  std::string key;
  int64_t finite = 0;  // Whose least, mean and greatest follow.
  int64_t nan = 0;
  int64_t above = 0;  // +∞
  int64_t below = 0;  // −∞
  double low = 0;
  double mean = 0;
  double high = 0;
};
struct RunGroup {
  GroupKey key;
  int64_t runs = 0;
  std::vector<GroupMetric> metrics;  // Those that one of its runs has, in the order asked for.
};
struct GroupPage : Page<RunGroup> {
  int64_t groups = 0;  // Of all pages.
  int64_t runs = 0;
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
  Result<TablePage> rows(const Ctx& ctx, const RunQuery& query, const TableColumns& columns);
  // How many runs all pages together have.
  Result<int64_t> count(const Ctx& ctx, const RunQuery& query);
  Result<TableKeys> keys(const Ctx& ctx, RunQuery query);
  // What `query` finds, in groups; its own order, limit and token don't count.
  Result<GroupPage> groups(const Ctx& ctx, const RunQuery& query, const GroupQuery& asked);
  // Of these experiments those that have runs, by id.
  Result<std::vector<ExperimentUse>> use_of(const Ctx& ctx, const std::vector<int64_t>& ids);

 private:
  Deps deps_;
  PendingMetrics& pending_;
};

}  // namespace slip::tracking
