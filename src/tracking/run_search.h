#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/search/page.h"
#include "tracking/runs.h"

// From a RunQuery to conditions and sort keys on alias `r`: which keys exist, which operators each
// takes, how absent and NaN values sort. Pure.
namespace slip::tracking {

// All but the experiments, the group and the parent (run_scope.h).
Status add_run_conditions(search::Sql* where, std::string_view project, const RunQuery& query,
                          const search::Filter& filter);
// "column IN (?, …)".
void add_experiments(search::Sql* sql, std::string_view column, std::span<const int64_t> ids);
// Ends with start time (newest first) and run id, so that the order is total. Absent values come
// last and NaN just before them, whichever way a key is sorted.
Result<std::vector<search::SortKey>> run_sort_keys(std::string_view project,
                                                   const std::vector<std::string>& order_by);

// "(SELECT …)": the number of a metric's name; none when nothing was ever logged by that name.
void add_key_number(search::Sql* sql, std::string_view project, std::string_view key);
// The expression of an attribute that is text; kInvalid `filter.key`.
Result<std::string_view> text_attribute(std::string_view name);

// Of a part that stands under AND: one range of one metric, so that metric_latest's index by value
// yields just the rows that pass.
bool is_drivable(const search::Filter& part);
// Such a test as a condition on metric_latest under alias `d`.
Status add_driver(search::Sql* sql, std::string_view project, const search::Comparison& test);

}  // namespace slip::tracking
