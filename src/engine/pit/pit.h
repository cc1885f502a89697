#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "engine/pit/keys.h"

// The point-in-time join: for each row of an entity frame (key, time) the row of a source that
// was, or could have been, the newest one of that key at that time. The frame is kept, the source
// streams by once, in any order and in batches of any size, and is neither sorted nor kept; the
// answer is rows' numbers, so that features are fetched for winners alone.
//
// A source row is visible at its event time (as_of) or at the later of event time and the time it
// became known (as_known; without one, or a created time, never). Of the rows visible at an entity
// row's time the greatest (event, created, sequence, row) wins. The winner counts if its event time
// is no older than time - ttl (both ends belong), and if it is no tombstone. Rows without key or
// event time, and entity rows without key or time, match nothing. Times are int64 in one unit of
// the caller's; where that is too coarse a rest beside each (0 … 32766 of a smaller unit; null: 0
// for all) decides between equal ones.
//
// The result does not depend on order of arrival (given a sequence), batches or threads. One
// thread calls; Workers may spread a call over several.
namespace slip::engine {

inline constexpr int64_t kNoRow = -1;

// Runs task(0) … task(n - 1), at once or one after another, and returns when all are done.
class Workers {
 public:
  virtual ~Workers() = default;
  virtual size_t threads() const { return 1; }
  virtual void run(size_t n, const std::function<void(size_t)>& task) {
    for (size_t i = 0; i < n; ++i) task(i);
  }
};

// One way to look at the source. Looks over the same source share its scan.
struct Look {
  bool as_known = false;
  bool strict = false;         // Visible before the entity row's time, not at it.
  std::optional<int64_t> ttl;  // ≥ 0; none: for ever.
};

struct SourceRows {
  std::vector<Column> keys;          // Types as the frame's.
  Column event;                      // kTimestampUs or kInt64.
  std::optional<Column> created;     // A null is older than every time.
  std::optional<Column> sequence;    // kInt64; none: the row's number.
  std::optional<Column> tombstone;   // kBool.
  int64_t first_row = 0;             // The number of the first row; ≥ 0, unique over the source.
  std::optional<Column> known = {};  // as_known: seen from then on; none: from `created` on.
  const int16_t* event_rest = nullptr;
  const int16_t* created_rest = nullptr;
  const int16_t* known_rest = nullptr;
};

class PitJoin {
 public:
  // Copies what it keeps of keys and times. kInvalid `pit.key_type|pit.time_type|pit.ttl`,
  // kExhausted `pit.too_large`.
  static Result<PitJoin> make(std::span<const Column> keys, const Column& times,
                              std::vector<Look> looks, Workers& workers,
                              const int16_t* times_rest = nullptr);

  // kInvalid `pit.key_type|pit.time_type|pit.no_created|pit.length`; then nothing was added.
  Status add(const SourceRows& rows);

  // One row number, or kNoRow, for each entity row, in the frame's order. After the last add;
  // ends the adding.
  std::vector<int64_t> winners(size_t look);

  // Of times that may still be seen: a source file whose event times all lie outside can be left
  // out. Nothing when no entity row has key and time. The minimum counts the longest ttl.
  struct Range {
    int64_t min = 0;
    int64_t max = 0;
  };
  std::optional<Range> range() const;
  int64_t bytes() const;  // What is kept.

 private:
  struct Best {
    int64_t event = 0;
    int64_t created = 0;
    int64_t sequence = 0;
    int64_t row = kNoRow;  // Tombstones: -2 - row.
  };
  struct Rest {
    int16_t event = 0;
    int16_t created = 0;
  };
  // Looks that differ in ttl alone have the same winners before the ttl is applied.
  struct Track {
    bool as_known = false;
    bool strict = false;
    std::vector<Best> best;  // By position: of the rows first visible there.
    std::vector<Rest> rest;  // Of `best`; empty until a row has one.
  };
  struct Morsel;
  struct Since;

  PitJoin(std::span<const Column> keys, std::vector<Look> looks, Workers& workers);
  void group(std::span<const Column> keys, const Column& times, const int16_t* times_rest);
  Status check(const SourceRows& rows) const;
  void place(const SourceRows& rows, int64_t from, Morsel* morsel) const;
  void visible(const Track& track, const SourceRows& rows, int64_t from, Since* since,
               std::span<uint32_t> at) const;
  uint32_t first_seen(uint32_t key, int64_t since, int16_t rest) const;
  void settle(const SourceRows& rows, int64_t from, const Morsel& morsel, size_t part);
  void run_on();
  static bool beats(const Best& a, Rest a_rest, const Best& b, Rest b_rest);
  static Rest rest_at(const Track& track, size_t at) {
    return track.rest.empty() ? Rest() : track.rest[at];
  }
  static int64_t row_of(const Best& best) { return best.row < kNoRow ? -2 - best.row : best.row; }

  Keys keys_;
  std::vector<Look> looks_;
  std::vector<size_t> track_of_;  // A look's.
  std::vector<Track> tracks_;
  Workers* workers_;
  int64_t frame_rows_ = 0;
  // Entity rows by key, then time, then frame order; rows without key or time are not here.
  std::vector<int64_t> times_;
  std::vector<int16_t> rests_;    // Of times_; empty: all 0.
  std::vector<uint32_t> order_;   // A position's row of the frame.
  std::vector<uint32_t> begins_;  // A key's first position; one more at the end.
  size_t parts_ = 1;
  bool ended_ = false;
};

}  // namespace slip::engine
