#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "serving/serving.h"
#include "store/db.h"

// SQL of deployments. No policy.
namespace slip::serving::sql {

Result<std::optional<Deployment>> find(store::Tx& tx, std::string_view project,
                                       std::string_view name);
Result<std::optional<Deployment>> find_uid(store::Tx& tx, std::string_view uid);
Result<std::vector<Deployment>> list_all(store::Tx& tx, int64_t limit);  // Of every project.
// Of the project those after `after`, by name, that the caller may read.
Result<std::vector<Deployment>> list(store::Tx& tx, const Ctx& ctx, std::string_view after,
                                     int64_t limit);
// Those of `uids`, which need no row, that the caller may read as deployments.
Result<std::set<std::string>> readable(store::Tx& tx, const Ctx& ctx,
                                       const std::vector<std::string>& uids);
Status insert(store::Tx& tx, const Deployment& d);
// Replaces the row whose revision is `d.revision - 1`; kConflict `deployment.changed` otherwise.
Status update(store::Tx& tx, const Deployment& d);
Status remove(store::Tx& tx, std::string_view project, std::string_view name);

}  // namespace slip::serving::sql
