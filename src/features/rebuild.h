#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/window/blob.h"
#include "features/compiled.h"
#include "features/history.h"

// Windows built anew from the history: the events that a view accepts, by entity, and the state
// that they make. What is built equals what arrivals one by one have made. One thread.
namespace slip::features {

using WindowEvents = std::unordered_map<std::string, std::vector<window::Record>>;

struct Gathering {
  int64_t upto_seq = INT64_MAX;
  // Rows that count, besides those that were too late on arrival; none: all.
  std::function<bool(const History::Chunk& chunk, int64_t row)> counts;
  std::function<bool(const std::string& key)> wanted;  // Entities; none: all.
};
// Rows looked at are added to `rows`.
Status gather_events(const ViewPtr& view, const History::View& history, const Gathering& what,
                     WindowEvents* out, int64_t* rows);

// Sorts the events. `now_us`: how far the state has advanced.
Result<window::Blob> build_windows(const window::Plan& plan, std::vector<window::Record>* events,
                                   int64_t now_us);

}  // namespace slip::features
