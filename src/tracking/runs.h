#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "sys/ctx.h"
#include "sys/sync.h"
#include "tracking/deps.h"
#include "tracking/experiments.h"
#include "tracking/metric_keys.h"
#include "tracking/pending.h"
#include "tracking/types.h"

// Runs and what they log. log() is one transaction: all of a batch or nothing, and the same batch
// again changes nothing (a client that lost our reply may repeat it). Parameters never change;
// tags do; a metric point is identified by (run, key, step, timestamp, value). Any thread.
//
// Errors: kNotFound `run.not_found|run.no_tag|run.no_metric`, kInvalid `run.not_active|
// run.param_changed|run.name_conflict`, and those of validate.h and core/search.
namespace slip::tracking {

struct NewRun {
  int64_t experiment_id = 0;
  std::string user_id;
  std::string name;  // "": from tag mlflow.runName, else made up.
  int64_t start_ms = 0;
  std::vector<Tag> tags;
};

struct RunUpdate {
  std::optional<RunStatus> status;
  std::optional<int64_t> end_ms;
  std::optional<std::string> name;
};

struct Batch {
  std::vector<Metric> metrics;
  std::vector<Tag> params;
  std::vector<Tag> tags;
  bool single = false;  // One metric, parameter or tag by a call of its own: error texts differ.
};

struct Inputs {
  std::vector<DatasetInput> datasets;
  std::vector<std::string> model_ids;
};

struct RunQuery {
  std::vector<int64_t> experiment_ids;
  std::string filter;
  std::vector<std::string> order_by;
  View view = View::kActiveOnly;
  int64_t max_results = 1000;
  std::string page_token;
  // Of the table of runs (run_table.h).
  std::string group_by;  // With `group`, only that group's: "params.lr", its id.
  std::string group;
  std::string parent_id;  // Only the children of this run.
  bool roots = false;     // Only those whose parent isn't among what is found.
};

struct HistoryQuery {
  std::string run_id;
  std::string key;
  int64_t max_results = kHistoryPageMax;
  std::string page_token;
  bool whole = false;  // Pages of kHistoryStretchMax, for who passes them on and keeps none.
};

struct ThinQuery {
  std::vector<std::string> run_ids;
  std::string key;
  int64_t points_per_run = kSampledPointsMax;
  std::optional<std::pair<int64_t, int64_t>> steps;  // First and last, both counted.
};

class Runs {
 public:
  Runs(Deps deps, Experiments& experiments, PendingMetrics& pending)
      : deps_(deps), experiments_(experiments), pending_(pending) {}

  Result<Run> create(const Ctx& ctx, const NewRun& wanted);
  Result<Run> get(const Ctx& ctx, const std::string& run_id);
  Result<Run> update(const Ctx& ctx, const std::string& run_id, const RunUpdate& update);
  Status remove(const Ctx& ctx, const std::string& run_id);
  Status restore(const Ctx& ctx, const std::string& run_id);

  Status log(const Ctx& ctx, const std::string& run_id, Batch batch);
  // The same for those who must not wait. `done` gets the outcome on a thread of the database, or
  // on this one when nothing was queued; `ctx` lives until then.
  using Logged = std::function<void(Status)>;
  void submit_log(const Ctx& ctx, std::string run_id, Batch batch, Logged done);
  Status delete_tag(const Ctx& ctx, const std::string& run_id, const std::string& key);
  // Replaces a tag by what `edit` makes of it, in one transaction; `edit` may be called twice.
  Status edit_tag(const Ctx& ctx, const std::string& run_id, const std::string& key,
                  const TagEdit& edit);
  Status log_inputs(const Ctx& ctx, const std::string& run_id, const Inputs& inputs);
  Status log_outputs(const Ctx& ctx, const std::string& run_id,
                     const std::vector<ModelOutput>& outputs);

  Result<int64_t> experiment_of(const Ctx& ctx, const std::string& run_id);

  // By (timestamp, step, value).
  Result<Page<Point>> history(const Ctx& ctx, const HistoryQuery& query);
  // At most `limit` points, by (run, timestamp, step, value); runs that don't exist have none.
  Result<std::vector<Metric>> points_of(const Ctx& ctx, std::vector<std::string> run_ids,
                                        const std::string& key, int64_t limit);
  // Evenly spaced points of each run, first and last among them, by (step, timestamp, value).
  Result<std::vector<Metric>> thinned(const Ctx& ctx, const ThinQuery& query);
  // What the runs of these experiments read, at most kDatasetSummariesMax.
  Result<std::vector<DatasetSummary>> datasets(const Ctx& ctx,
                                               const std::vector<int64_t>& experiment_ids);
  Result<Page<Run>> search(const Ctx& ctx, const RunQuery& query);
  // The latest point; empty when the run never logged the key.
  Result<std::optional<double>> latest(const Ctx& ctx, const std::string& run_id,
                                       const std::string& key);

 private:
  class Logging;
  struct Numbers {  // Taken from the table and not given to a run yet.
    int64_t next = 0;
    int64_t end = 0;
  };
  Status move(const Ctx& ctx, const std::string& run_id, Lifecycle to);
  Result<int64_t> next_run_number();

  Deps deps_;
  Experiments& experiments_;
  PendingMetrics& pending_;
  MetricKeys keys_;
  sys::Guarded<Numbers> numbers_;
};

}  // namespace slip::tracking
