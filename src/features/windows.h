#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "engine/window/blob.h"
#include "features/compiled.h"

// The windows of one entity of one view, and what lets a tombstone take rows back: each row's
// marks, which lie beside the raw events, and tombstones for which older rows may still come.
//
// A tombstone takes back the rows of its entity at its event time that came before it (by created,
// then sequence), and of those only the ones that have the values which it names: with key and time
// alone all of them, with all of a row's values that row and its repeats. One implementation for
// pushes, rebuilding and joins; the state is a function of the rows and of time. Values; one
// thread.
namespace slip::features {

// Eight bytes a column of the source that is no key and not null: a hash of its name and value.
// Sorted, so that columns that are added to a source later change nothing.
class RowMarks {
 public:
  RowMarks(const CompiledView& view, std::span<const engine::Column> columns);
  std::string at(int64_t row) const;

 private:
  struct Marked {
    uint64_t name;
    engine::Column column;
  };
  std::vector<Marked> columns_;
};
// What a row's record and a tombstone carry.
std::string note_of(int64_t created_us, std::string_view marks);

// What is remembered of tombstones of one entity.
struct Gone {
  window::Event at;
  std::string note;
};
// Whether the tombstone takes such a row back.
bool takes_back(const Gone& gone, window::Event row, std::string_view note);

class Tombstones {
 public:
  void add(Gone gone) { by_time_.emplace(gone.at.ts_us, std::move(gone)); }
  bool empty() const { return by_time_.empty(); }
  bool take_back(window::Event row, std::string_view note) const;
  void forget_before(int64_t ts_us) {
    by_time_.erase(by_time_.begin(), by_time_.lower_bound(ts_us));
  }
  auto begin() const { return by_time_.begin(); }
  auto end() const { return by_time_.end(); }
  size_t size() const { return by_time_.size(); }

 private:
  std::multimap<int64_t, Gone> by_time_;
};

class EntityWindows {
 public:
  Result<window::Added> add(const window::Plan& plan, const window::Record& row, int64_t now_us);

  // False: what to take back lies too far behind; the windows must be built anew from the history.
  // Rows that were created before the tombstone may still come, so it is remembered.
  bool take_back(const window::Plan& plan, Gone gone, int64_t now_us);

  // Built anew: advance(), then recall() of every row that was in time and is left, in any order,
  // and remember() of the tombstones for which rows may still come.
  void advance(const window::Plan& plan, int64_t now_us);
  void remember(const window::Plan& plan, Gone gone);
  Result<window::Added> recall(const window::Plan& plan, const window::Record& row);

  // No row of the entity has come, or all were taken back.
  bool unknown() const { return rows_ == 0; }
  const window::Blob& blob() const { return blob_; }

  std::string write(const window::Plan& plan) const;
  // kCorrupt `window.bad_state`. What older versions wrote is the blob alone.
  static Result<EntityWindows> parse(const window::Plan& plan, std::string_view bytes);

 private:
  bool forget(const window::Plan& plan, const Gone& gone);

  window::Blob blob_;
  int64_t rows_ = 0;  // Counted and not taken back.
  Tombstones gone_;   // That rows may still come for.
};

}  // namespace slip::features
