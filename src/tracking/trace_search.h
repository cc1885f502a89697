#pragma once

#include <string>
#include <vector>

#include "core/search/page.h"
#include "tracking/traces.h"

// From a TraceQuery to conditions and sort keys on alias `t`. Pure.
//
// Conditions on spans (span.name, span.type, span.status, span.content, span.attributes.KEY) that
// stand side by side under one AND hold of one and the same span. feedback.NAME and
// expectation.NAME compare assessments that are valid, of the trace or of its session. run_id is
// the run that the trace came from or was linked to.
namespace slip::tracking {

struct TraceConditions {
  search::Sql where;                    // " AND …" each.
  std::vector<std::string> span_names;  // Of each of these one of its spans must have the name.
};
Result<TraceConditions> trace_conditions(const std::vector<int64_t>& experiment_ids,
                                         const std::string& filter);
// " AND t.trace_id IN (…)": lets the traces be found from the spans of that name. Worth it when
// those are few.
void add_span_name_drive(search::Sql* where, const std::string& project, const std::string& name);
// Ends with the newest first and the id, so that the order is total.
Result<std::vector<search::SortKey>> trace_sort_keys(const std::vector<std::string>& order_by);

}  // namespace slip::tracking
