#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/window/plan.h"

// All that is kept of one entity: rings of tiles, the lifetime's base, the latest events. It is a
// function of the set of events and of the latest advance(): order, duplicates, splits and merges
// leave the same bytes. Pure; one thread at a time. A Blob lives with one Plan.
//
// An event is (ts, seq): a second one with both equal is a duplicate. add() sees each, for what it
// still accepts lies among the raw events. merge() sees those that both blobs still hold raw; blobs
// whose clocks lie further apart than the raw events reach must not have seen the same event.
namespace slip::window {

struct Record {
  Event at;
  std::vector<Datum> values;  // As many as the plan's width, or more; null for no value.
  std::string note = {};  // The caller's; kept beside it as long as it lies among the raw events.
};

enum class Added : uint8_t { kAdded, kDuplicate, kTooLate };

// The tile of `level` that begins at from_us, to be computed again from what is left of its events.
// Level -1: the lifetime's base.
struct Tile {
  int level = 0;
  int64_t from_us = 0, to_us = 0;
  bool operator==(const Tile&) const = default;
};

class Blob {
 public:
  // window.bad_record: too few values, a type that an aggregate doesn't take, a time beyond year
  // 9999; nothing has changed.
  Result<Added> add(const Plan& plan, const Record& record);
  // The same of an event that was in time once, however far behind now it lies: a state is built
  // anew by advance() to where it stood and recall() of each event, in any order.
  Result<Added> recall(const Plan& plan, const Record& record);
  // Time passes: what no read may need any more goes. Never back.
  void advance(const Plan& plan, int64_t now_us);
  // The slots' answers at t >= now - lateness (window.too_old). window.needs_recompute: stale().
  Result<std::vector<Answer>> read(const Plan& plan, int64_t t_us) const;
  // Events of the same entity that another blob of the same plan saw.
  void merge(const Plan& plan, const Blob& other);

  // Takes an event back that was added. False: it lies among the raw events' times and isn't there.
  // What can't be taken back is among stale() then.
  Result<bool> retract(const Plan& plan, const Record& record);
  // Whether every event of that time that was added lies among the raw events, and those that do.
  bool remembers(const Plan& plan, int64_t ts_us) const;
  struct Raw {
    uint64_t seq = 0;
    std::string_view note;  // Until the next change.
  };
  std::vector<Raw> raw_at(int64_t ts_us) const;
  std::vector<Tile> stale(const Plan& plan) const;
  // `records`: all that are left in [tile.from_us, tile.to_us).
  Status recompute(const Plan& plan, const Tile& tile, std::span<const Record> records);

  int64_t too_late() const { return too_late_; }
  int64_t now_us() const { return now_us_; }
  std::string write(const Plan& plan) const;
  static Result<Blob> parse(const Plan& plan, std::string_view bytes);  // window.bad_state

 private:
  struct Cell {
    int64_t n = 0;  // Events.
    std::vector<State> states;
  };
  using Ring = std::map<int64_t, Cell>;  // By begin.
  struct Kept {
    std::vector<Datum> values;
    std::string note;
  };
  using Key = std::pair<int64_t, uint64_t>;

  static Cell& cell_at(Ring& ring, int64_t begin);
  static void into(const Plan& plan, const Record& record, std::span<Cell* const> cells);
  bool read_raw(const Plan& plan, std::string_view& in, bool notes);
  bool read_stale(const Plan& plan, std::string_view& in);
  Status check(const Plan& plan, const Record& record) const;
  bool apply(const Plan& plan, Cell& cell, const Record& record) const;
  bool unapply(const Plan& plan, Cell& cell, const Record& record) const;
  static void absorb(const Plan& plan, std::vector<State>& to, const std::vector<State>& from);
  bool rebuild(const Plan& plan, size_t level, int64_t begin);
  void trim(const Plan& plan);
  int64_t horizon(const Plan& plan, int64_t keep_us, int64_t step) const;
  void fold(const Plan& plan, std::vector<State>& to, Tile range) const;
  bool read_rings(const Plan& plan, std::string_view& in);

  int64_t now_us_ = -kMaxTimeUs;
  int64_t too_late_ = 0;
  int64_t base_end_us_ = -kMaxTimeUs;
  Cell base_;
  std::vector<Ring> rings_;
  std::map<Key, Kept> raw_;
  std::set<std::pair<int, int64_t>> stale_;  // Level, begin.
};

}  // namespace slip::window
