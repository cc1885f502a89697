#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/search/sql.h"
#include "store/db.h"
#include "tracking/run_table.h"

// SQL of the table of runs: chosen cells of many runs, and which keys they have; no policy. Private
// to tracking/.
namespace slip::tracking::sql {

// Fills in the chosen cells of runs whose heads are there, and nothing else.
Status load_cells(store::Tx& tx, std::string_view project, const TableColumns& columns,
                  std::span<Run> runs);

// Every key of these runs, with how many have it and whether all have the same value.
Status count_keys(store::Tx& tx, std::span<const int64_t> run_ns, TableKeys* out);

// Ids of those of these runs for which `condition` (" AND …" on alias q) holds.
Result<std::vector<std::string>> ids_where(store::Tx& tx, std::span<const int64_t> run_ns,
                                           const search::Sql& condition);

// `visible`: " AND …" on alias r.
Result<std::vector<ExperimentUse>> experiment_use(store::Tx& tx, std::string_view project,
                                                  const search::Sql& visible,
                                                  std::span<const int64_t> experiment_ids);

}  // namespace slip::tracking::sql
