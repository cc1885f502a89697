#pragma once

#include <string>
#include <string_view>

#include "core/search/sql.h"
#include "tracking/group_key.h"
#include "tracking/run_finder.h"

// Which part of what a search finds is wanted: one group, one run's children, or only the runs that
// stand at the top of their tree. A run is another's child when its tag mlflow.parentRunId names
// it and it began no earlier, so that no ring of tags makes a run vanish. Private to tracking/.
//
// Errors: kInvalid `run_groups.by|run_groups.group`.
namespace slip::tracking {

struct GroupBy {
  enum class Kind : uint8_t { kMetric, kParam, kTag, kAttribute };
  Kind kind = Kind::kParam;
  std::string key;

  bool of_metric() const { return kind == Kind::kMetric; }
};
// "params.lr": what stands behind the first dot is the key as it is, never quoted.
Result<GroupBy> parse_group_by(std::string_view text);

// Where runs of such a search are looked for; ends with "r.project = ?". Only behind this do the
// conditions of add_scope mean anything.
std::string_view scope_from(const RunQuery& query);
// " AND …": group, parent and roots, as far as the query asks for them.
Status add_scope(search::Sql* sql, const RunSearch& search);
std::string scope_identity(const RunQuery& query);
// " AND …" on alias q, a run: something that the search finds is its child.
Status add_has_children(search::Sql* sql, const RunSearch& search);

}  // namespace slip::tracking
