#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/search/sql.h"
#include "store/db.h"
#include "tracking/types.h"

// SQL of runs and what they log; no policy. Private to tracking/.
namespace slip::tracking::sql {

// A double as two columns (see schema.cc).
struct StoredNumber {
  double value = 0;
  int64_t flag = 0;
};
StoredNumber encode_number(double value);
double decode_number(double value, int64_t flag);

Status insert_run(store::Tx& tx, std::string_view project, const Run& run, int64_t now_ms);
// Without what it logged.
Result<std::optional<Run>> find_run(store::Tx& tx, std::string_view project,
                                    std::string_view run_id);
// Metrics, params, tags, inputs, outputs.
Status load_run_data(store::Tx& tx, std::string_view project, Run* run);
Status update_run(store::Tx& tx, std::string_view project, const Run& run);
Status move_run(store::Tx& tx, std::string_view project, const Run& run, int64_t now_ms);

Status put_run_tag(store::Tx& tx, std::string_view project, std::string_view run_id,
                   const Tag& tag);
Result<bool> drop_run_tag(store::Tx& tx, std::string_view project, std::string_view run_id,
                          std::string_view key);
// False when the key is there already, with `*existing` set to its value.
Result<bool> add_param(store::Tx& tx, std::string_view project, std::string_view run_id,
                       const Tag& param, std::string* existing);
Status add_metrics(store::Tx& tx, std::string_view project, std::string_view run_id,
                   std::span<const Metric> metrics);
Status add_dataset_input(store::Tx& tx, std::string_view project, const Run& run,
                         const DatasetInput& input);
Status add_model_input(store::Tx& tx, std::string_view project, std::string_view run_id,
                       std::string_view model_id);
Status add_model_output(store::Tx& tx, std::string_view project, std::string_view run_id,
                        const ModelOutput& output);

struct HistoryRange {
  std::string_view run_id;
  std::string_view key;
  std::vector<search::Bound> after;
  int64_t limit = 0;
};
std::span<const search::SortKey> history_keys();
// One more than `limit` when there is one; `last` gets the keys of point `limit`.
Result<std::vector<Metric>> history(store::Tx& tx, std::string_view project,
                                    const HistoryRange& range, std::vector<search::Bound>* last);
Result<std::optional<double>> latest_metric(store::Tx& tx, std::string_view project,
                                            std::string_view run_id, std::string_view key);

struct RunSearch {
  search::Sql where;  // Conditions on alias r, " AND …" each.
  std::vector<search::SortKey> keys;
  std::vector<search::Bound> after;
  int64_t limit = 0;
};
Result<std::vector<Run>> search_runs(store::Tx& tx, std::string_view project,
                                     const RunSearch& search, std::vector<search::Bound>* last);

}  // namespace slip::tracking::sql
