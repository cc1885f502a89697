#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "store/db.h"
#include "tracking/types.h"

// SQL of experiments; no policy. Private to tracking/.
namespace slip::tracking::sql {

Status insert(store::Tx& tx, std::string_view project, const Experiment& e,
              std::string_view author);
// The greatest that was ever given, purged ones too; 0 when there was none.
Result<int64_t> last_experiment_id(store::Tx& tx, std::string_view project);
Result<std::optional<Experiment>> find_experiment(store::Tx& tx, std::string_view project,
                                                  int64_t id);
Result<std::optional<Experiment>> find_experiment(store::Tx& tx, std::string_view project,
                                                  std::string_view name);
Status rename_experiment(store::Tx& tx, std::string_view project, const Experiment& e);
// The experiment and, with it, those of its runs that are in the other state.
Status move_experiment(store::Tx& tx, std::string_view project, const Experiment& e);
Status put_experiment_tag(store::Tx& tx, std::string_view project, int64_t id, const Tag& tag);
Result<bool> drop_experiment_tag(store::Tx& tx, std::string_view project, int64_t id,
                                 std::string_view key);

// Conditions on alias e.
Result<Page<Experiment>> search_experiments(store::Tx& tx, std::string_view project,
                                            const search::PageQuery& query);

}  // namespace slip::tracking::sql
