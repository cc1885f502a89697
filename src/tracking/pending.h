#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "sys/sync.h"
#include "tracking/deps.h"

// Metrics that were logged and are not yet folded into their curves. On SQLite a small request
// commits as one row at the end of table metric_pending, so that a group of requests to random runs
// writes a page or two instead of five for each; folding moves such rows in the order of the runs:
// points, latest values, the ledger's count and the row's removal in one transaction, so each row
// counts exactly once, whoever folds it and wherever a crash falls.
//
// Invariant: nobody reads metric_point or metric_latest without settling first what was logged to
// the runs in question; then what was acknowledged is always seen. Settling costs nothing while
// nothing waits. What hangs on it for long is bounded: by kPendingPointsMax, behind which requests
// take the direct way, and by fold_when_due(), a duty of the application.
//
// Any thread; the settling calls wait for the database, so not from within a read or write body.
namespace slip::tracking {

namespace sql {
struct PendingRow;
}

inline constexpr size_t kPendingRequestPointsMax = 32;  // Larger requests take the direct way.
inline constexpr int64_t kPendingPointsMax = 100'000;
inline constexpr int64_t kFoldPoints = 20'000;
inline constexpr int64_t kFoldAgeMs = 1'000;

class PendingMetrics {
 public:
  explicit PendingMetrics(Deps deps);

  // Whether a request of so many points may wait.
  bool takes(size_t points) const;
  // Inside the body that logs: gives the row its number and writes it.
  Status put(store::Tx& tx, sql::PendingRow* row);
  // After the commit, before anybody is told of it.
  struct Where {
    std::string_view project;
    std::string_view run_id;
    int64_t experiment_id = 0;
  };
  void added(const Where& where, const sql::PendingRow& row);

  // What had been acknowledged before the call is in its curves afterwards.
  Status settle_run(std::string_view project, const std::string& run_id);
  Status settle_runs(std::string_view project, std::span<const std::string> run_ids);
  Status settle_experiments(std::string_view project, std::span<const int64_t> experiment_ids);
  Status settle_all();

  // Settles all when enough has gathered or for long enough.
  Status fold_when_due();

 private:
  struct Row {
    int64_t pending_n = 0;
    int64_t points = 0;
  };
  struct OfRun {
    std::string project;
    int64_t experiment_id = 0;
    int64_t run_n = 0;
    std::vector<Row> rows;
  };
  struct Waiting {
    bool loaded = false;  // What an earlier process left behind.
    int64_t since_ns = 0;
    std::unordered_map<std::string, OfRun> runs;  // By project and id.
  };
  // Some of a run's rows, few enough for one transaction.
  struct Piece {
    std::string key;
    int64_t run_n = 0;
    std::vector<Row> rows;
  };

  bool idle() const { return !used_ || (loaded_.load() && points_.load() == 0); }
  void add(Waiting& waiting, const Where& where, const sql::PendingRow& row);
  Status load();
  using Wanted = std::function<void(const Waiting&, std::vector<Piece>*)>;
  Status settle(const Wanted& wanted);
  Status fold(std::span<const Piece> pieces);
  void forget(std::span<const Piece> pieces);
  static void cut(const std::string& key, const OfRun& run, std::vector<Piece>* out);

  Deps deps_;
  const bool used_;
  std::atomic<bool> loaded_ = false;
  std::atomic<int64_t> points_ = 0;  // Of all that waits.
  std::atomic<int64_t> next_n_ = 0;  // Written by bodies only, which run one after another.
  sys::Guarded<Waiting> waiting_;
};

}  // namespace slip::tracking
