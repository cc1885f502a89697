#pragma once

#include <string>
#include <vector>

#include "core/search/sql.h"
#include "tracking/runs.h"

// From a RunQuery to conditions and sort keys on alias `r`: which keys exist, which operators each
// takes, how absent and NaN values sort. Pure.
namespace slip::tracking {

Status add_run_conditions(search::Sql* where, const RunQuery& query);
// Ends with start time (newest first) and run id, so that the order is total. Absent values come
// last and NaN just before them, whichever way a key is sorted.
Result<std::vector<search::SortKey>> run_sort_keys(const std::vector<std::string>& order_by);

}  // namespace slip::tracking
