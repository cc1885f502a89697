#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "store/db.h"
#include "tracking/metric_store.h"

// SQL of where a curve begins and ends; no policy. Private to tracking/.
namespace slip::tracking::sql {

using Range = std::pair<int64_t, int64_t>;  // Both counted.

// From the ends of the key's range: no point between them is read.
Result<std::optional<Range>> step_range(store::Tx& tx, const Curve& curve);
// Reads the curve once.
Result<std::optional<Range>> time_range(store::Tx& tx, const Curve& curve);

}  // namespace slip::tracking::sql
