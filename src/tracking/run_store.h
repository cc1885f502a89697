#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "store/db.h"
#include "tracking/metric_store.h"
#include "tracking/run_data_store.h"
#include "tracking/types.h"

// SQL of runs and what hangs on them; no policy. Private to tracking/.
namespace slip::tracking::sql {

// Takes `count` numbers for new runs; the first of them.
Result<int64_t> take_run_numbers(store::Tx& tx, int64_t count);
Status insert_run(store::Tx& tx, std::string_view project, const Run& run, int64_t now_ms);
// Without what it logged.
Result<std::optional<Run>> find_run(store::Tx& tx, std::string_view project,
                                    std::string_view run_id);
// What logging to a run needs to know of it.
struct RunRef {
  int64_t run_n = 0;
  int64_t experiment_id = 0;
  Lifecycle lifecycle = Lifecycle::kActive;
};
Result<std::optional<RunRef>> find_run_ref(store::Tx& tx, std::string_view project,
                                           std::string_view run_id);
// Runs by their numbers, in that order, with metrics, params, tags, inputs and outputs.
Result<std::vector<Run>> load_runs(store::Tx& tx, std::span<const int64_t> run_ns);
// Likewise, without what they logged.
Result<std::vector<Run>> load_run_heads(store::Tx& tx, std::span<const int64_t> run_ns);
// Metrics, params, tags, inputs, outputs of runs that were found.
Status load_run_data(store::Tx& tx, std::span<Run> runs);
Status update_run(store::Tx& tx, const Run& run);
Status rename_run(store::Tx& tx, int64_t run_n, std::string_view name);
Status move_run(store::Tx& tx, const Run& run, int64_t now_ms);

Status put_run_tag(store::Tx& tx, int64_t run_n, const Tag& tag);
Result<std::optional<std::string>> find_run_tag(store::Tx& tx, int64_t run_n, std::string_view key);
Result<bool> drop_run_tag(store::Tx& tx, int64_t run_n, std::string_view key);
// False when the key is there already, with `*existing` set to its value.
Result<bool> add_param(store::Tx& tx, int64_t run_n, const Tag& param, std::string* existing);
Status add_dataset_input(store::Tx& tx, std::string_view project, const Run& run,
                         const DatasetInput& input);
Status add_model_input(store::Tx& tx, int64_t run_n, std::string_view model_id);
Status add_model_output(store::Tx& tx, int64_t run_n, const ModelOutput& output);

}  // namespace slip::tracking::sql
