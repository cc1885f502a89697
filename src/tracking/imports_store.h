#pragma once

#include "store/db.h"
#include "tracking/types.h"

// SQL that only imports need: rows with times and values that others never change. Private to
// tracking/.
namespace slip::tracking::sql {

// Also those fields that update_run leaves alone.
Status overwrite_run(store::Tx& tx, const Run& run);
Status put_param(store::Tx& tx, int64_t run_n, const Tag& param);
// False when the point is there.
Result<bool> add_new_point(store::Tx& tx, int64_t run_n, int64_t key_n, const Metric& m);
Result<bool> add_new_model_metric(store::Tx& tx, std::string_view project, std::string_view run_id,
                                  const Metric& m);
// Also those fields that update_model leaves alone.
Status overwrite_model(store::Tx& tx, std::string_view project, const LoggedModel& model);

}  // namespace slip::tracking::sql
