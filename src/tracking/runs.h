#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "sys/ctx.h"
#include "tracking/deps.h"
#include "tracking/experiments.h"
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
  bool one_param = false;  // From log-parameter, whose error text differs.
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
};

struct HistoryQuery {
  std::string run_id;
  std::string key;
  int64_t max_results = kHistoryPageMax;
  std::string page_token;
};

class Runs {
 public:
  Runs(Deps deps, Experiments& experiments) : deps_(deps), experiments_(experiments) {}

  Result<Run> create(const Ctx& ctx, const NewRun& wanted);
  Result<Run> get(const Ctx& ctx, const std::string& run_id);
  Result<Run> update(const Ctx& ctx, const std::string& run_id, const RunUpdate& update);
  Status remove(const Ctx& ctx, const std::string& run_id);
  Status restore(const Ctx& ctx, const std::string& run_id);

  Status log(const Ctx& ctx, const std::string& run_id, Batch batch);
  Status delete_tag(const Ctx& ctx, const std::string& run_id, const std::string& key);
  Status log_inputs(const Ctx& ctx, const std::string& run_id, const Inputs& inputs);
  Status log_outputs(const Ctx& ctx, const std::string& run_id,
                     const std::vector<ModelOutput>& outputs);

  // By (timestamp, step, value).
  Result<Page<Metric>> history(const Ctx& ctx, const HistoryQuery& query);
  Result<Page<Run>> search(const Ctx& ctx, const RunQuery& query);
  // The latest point; empty when the run never logged the key.
  Result<std::optional<double>> latest(const Ctx& ctx, const std::string& run_id,
                                       const std::string& key);

 private:
  Status move(const Ctx& ctx, const std::string& run_id, Lifecycle to);

  Deps deps_;
  Experiments& experiments_;
};

}  // namespace slip::tracking
