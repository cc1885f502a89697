#pragma once

#include "sim/history.h"

// Random histories of a feature store in a simulated world: several clients push, load, erase,
// bring online, snapshot, archive and sweep at once, on a disk that tears, fills up, fails and
// loses its power. After each loss: every acknowledged row is in the history once, a push or a file
// is there whole or not at all, what was erased is gone, and what is served equals the history
// joined as known now, to the bit, before and after another start.
namespace slip::sim {

HistoryResult run_feature_history(const HistorySpec& spec);

}  // namespace slip::sim
