#pragma once

#include <string>
#include <vector>

#include "core/search/sql.h"
#include "tracking/traces.h"

// From a TraceQuery to conditions and sort keys on alias `t`. Pure.
namespace slip::tracking {

Status add_trace_conditions(search::Sql* where, const TraceQuery& query);
// Ends with the newest first and the id, so that the order is total.
Result<std::vector<search::SortKey>> trace_sort_keys(const std::vector<std::string>& order_by);

}  // namespace slip::tracking
