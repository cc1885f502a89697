#pragma once

#include <string_view>

// Ten bugs that can be planted on purpose (SLIPWAY_BUG=n), so that the simulator can be trusted:
// each must be caught by some of the seeds. Off in every ordinary run; one relaxed load to ask.
namespace slip {

enum class Bug : int {
  kNone = 0,
  kReplyBeforeCommit = 1,   // store: a write is acknowledged before COMMIT has happened.
  kSkippedSync = 2,         // store: the log of the database is not synced.
  kLeakedSavepoint = 3,     // store: a failed body's statements stay in the group.
  kSweepIgnoresFence = 4,   // blobs: what was written during a sweep is collected.
  kDroppedReplay = 5,       // store: after a failed group, some bodies are not replayed.
  kEventWithoutFact = 6,    // ledger: the event is written although the fact was refused.
  kIndexNotSynced = 7,      // blobs: a blob is acknowledged before its index entry is durable.
  kCursorBeforeEffect = 8,  // ledger: a consumer's cursor moves before its effect is stored.
  kTwoHolders = 9,          // registry: promotion forgets to archive who held the stage.
  kTornTailAccepted = 10,   // blobs: a half-written record at the end of a file is believed.
};
inline constexpr int kBugCount = 10;
std::string_view bug_name(Bug bug);

void plant_bug(Bug bug);  // Once, before the world is built.
bool planted(Bug bug);

}  // namespace slip
