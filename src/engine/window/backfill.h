#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "engine/column/column.h"
#include "engine/window/blob.h"

// The history of a stream and moments at which its windows are wanted, as columns in any order:
// what a Blob that saw the same events answers, computed by one (as of: with hindsight, an event
// counts from its own time on, however late it came). Memory: the events, and one blob. Pure.
namespace slip::window {

struct Events {
  const engine::Column* key = nullptr;    // Null: one entity. A null key belongs to no entity.
  const engine::Column* ts_us = nullptr;  // int64 or timestamp; an event without one is refused.
  const engine::Column* seq = nullptr;    // int64, not negative; none: the row's number.
  std::vector<const engine::Column*> values;
};

struct Queries {
  const engine::Column* key = nullptr;
  const engine::Column* t_us = nullptr;
};

Datum datum_at(const engine::Column& column, int64_t row);  // A list with a null in it: null.

// Row i: the plan's slots for query i. window.bad_record, window.bad_query
Result<std::vector<std::vector<Answer>>> backfill(const Plan& plan, const Events& events,
                                                  const Queries& queries);

}  // namespace slip::window
