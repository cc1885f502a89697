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

}  // namespace slip::tracking::sql
