#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "store/db.h"
#include "tracking/types.h"

// SQL of logged models; no policy. Private to tracking/.
namespace slip::tracking::sql {

Status insert_model(store::Tx& tx, std::string_view project, const LoggedModel& model);
// With tags, params and metrics.
Result<std::optional<LoggedModel>> find_model(store::Tx& tx, std::string_view project,
                                              std::string_view id);
Result<std::optional<int64_t>> experiment_of_model(store::Tx& tx, std::string_view project,
                                                   std::string_view id);
Status update_model(store::Tx& tx, std::string_view project, const LoggedModel& model);
Status put_model_tag(store::Tx& tx, std::string_view project, std::string_view id, const Tag& tag);
Result<bool> drop_model_tag(store::Tx& tx, std::string_view project, std::string_view id,
                            std::string_view key);
Status put_model_param(store::Tx& tx, std::string_view project, std::string_view id,
                       const Tag& param);

// Conditions on alias l.
Result<Page<LoggedModel>> search_models(store::Tx& tx, std::string_view project,
                                        const search::PageQuery& query);

}  // namespace slip::tracking::sql
