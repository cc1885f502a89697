#include "base/bug.h"

#include <array>
#include <atomic>

namespace slip {
namespace {

constexpr std::array<std::string_view, kBugCount + 1> kNames = {"none",
                                                                "reply_before_commit",
                                                                "skipped_sync",
                                                                "leaked_savepoint",
                                                                "sweep_ignores_fence",
                                                                "dropped_replay",
                                                                "event_without_fact",
                                                                "index_not_synced",
                                                                "cursor_before_effect",
                                                                "two_holders",
                                                                "torn_tail_accepted"};

std::atomic<int>& slot() {
  static std::atomic<int> planted_bug{0};
  return planted_bug;
}

}  // namespace

std::string_view bug_name(Bug bug) { return kNames[static_cast<size_t>(bug)]; }
void plant_bug(Bug bug) { slot().store(static_cast<int>(bug), std::memory_order_relaxed); }
bool planted(Bug bug) { return slot().load(std::memory_order_relaxed) == static_cast<int>(bug); }

}  // namespace slip
