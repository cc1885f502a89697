#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "core/search/sql.h"
#include "store/db.h"
#include "tracking/types.h"

// SQL of experiments; no policy. Private to tracking/.
namespace slip::tracking::sql {

Status insert(store::Tx& tx, std::string_view project, const Experiment& e,
              std::string_view author);
// 0 when the project has none.
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

struct ExperimentSearch {
  search::Sql where;  // Conditions on alias e, " AND …" each.
  std::vector<search::SortKey> keys;
  std::vector<search::Bound> after;
  int64_t limit = 0;
};
// One more than `limit` when there is one; `last` gets the keys of row `limit`.
Result<std::vector<Experiment>> search_experiments(store::Tx& tx, std::string_view project,
                                                   const ExperimentSearch& search,
                                                   std::vector<search::Bound>* last);

}  // namespace slip::tracking::sql
