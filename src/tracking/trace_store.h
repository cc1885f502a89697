#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/search/sql.h"
#include "store/db.h"
#include "tracking/traces.h"

// SQL of traces; no policy. Private to tracking/.
namespace slip::tracking::sql {

// Inserts or replaces the head; tags and metadata are added to what is there.
Status put_trace(store::Tx& tx, std::string_view project, const Trace& trace);
// With tags, metadata and assessments.
Result<std::optional<Trace>> find_trace(store::Tx& tx, std::string_view project,
                                        std::string_view id);
Status put_trace_tag(store::Tx& tx, std::string_view project, std::string_view id, const Tag& tag);
Status put_trace_metadata(store::Tx& tx, std::string_view project, std::string_view id,
                          const Tag& entry);
Result<bool> drop_trace_tag(store::Tx& tx, std::string_view project, std::string_view id,
                            std::string_view key);
Status put_span(store::Tx& tx, std::string_view project, const Span& span);
Result<std::vector<std::string>> spans(store::Tx& tx, std::string_view project,
                                       std::string_view id);
Status put_assessment(store::Tx& tx, std::string_view project, std::string_view id,
                      const Assessment& assessment);
Result<bool> drop_assessment(store::Tx& tx, std::string_view project, std::string_view id,
                             std::string_view assessment_id);
Status delete_trace(store::Tx& tx, std::string_view project, std::string_view id);
// Ids of an experiment's traces that began at `until_us` or before, oldest first.
Result<std::vector<std::string>> old_traces(store::Tx& tx, std::string_view project,
                                            int64_t experiment_id, int64_t until_us, int64_t limit);

struct TraceSearch {
  search::Sql where;  // Conditions on alias t, " AND …" each.
  std::vector<search::SortKey> keys;
  std::vector<search::Bound> after;
  int64_t limit = 0;
};
Result<std::vector<Trace>> search_traces(store::Tx& tx, std::string_view project,
                                         const TraceSearch& search,
                                         std::vector<search::Bound>* last);

}  // namespace slip::tracking::sql
