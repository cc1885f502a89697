#pragma once

#include <span>
#include <string_view>

#include "core/ledger/ledger.h"
#include "tracking/types.h"

// What one request logged to one object, for the ledger's events of class `counted`: how much, and
// one link of the digest chain: a JSON array, an entry a thing, in the order of the request. Pure.
namespace slip::tracking {

// [[key, value, step, timestamp_ms], …], values as text.
ledger::Ledger::Counted counted_metrics(std::span<const Metric> metrics);
// Parameters too: [[key, value], …].
ledger::Ledger::Counted counted_tags(std::span<const Tag> tags);
// [[key, null]].
ledger::Ledger::Counted counted_deletion(std::string_view key);

}  // namespace slip::tracking
