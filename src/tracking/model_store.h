#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "core/search/sql.h"
#include "store/db.h"
#include "tracking/types.h"

// SQL of logged models; no policy. Private to tracking/.
namespace slip::tracking::sql {

Status insert_model(store::Tx& tx, std::string_view project, const LoggedModel& model);
// With tags, params and metrics.
Result<std::optional<LoggedModel>> find_model(store::Tx& tx, std::string_view project,
                                              std::string_view id);
Status update_model(store::Tx& tx, std::string_view project, const LoggedModel& model);
Status put_model_tag(store::Tx& tx, std::string_view project, std::string_view id, const Tag& tag);
Result<bool> drop_model_tag(store::Tx& tx, std::string_view project, std::string_view id,
                            std::string_view key);
Status put_model_param(store::Tx& tx, std::string_view project, std::string_view id,
                       const Tag& param);

struct ModelSearch {
  search::Sql where;  // Conditions on alias l, " AND …" each.
  std::vector<search::SortKey> keys;
  std::vector<search::Bound> after;
  int64_t limit = 0;
};
Result<std::vector<LoggedModel>> search_models(store::Tx& tx, std::string_view project,
                                               const ModelSearch& search,
                                               std::vector<search::Bound>* last);

}  // namespace slip::tracking::sql
