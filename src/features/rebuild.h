#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "features/compiled.h"
#include "features/history.h"
#include "features/windows.h"

// Windows built anew from the history: the events that a view accepts, by entity, folded into the
// states that they make. What is built equals what arrivals one by one have made. In memory are
// the states and the tombstones, not the rows. One thread.
namespace slip::features {

// A row that concerns a view with windows, or a tombstone: a record of the view's plan with a note.
struct SeenRow {
  int64_t row = 0;  // Of the chunk.
  std::string key;
  bool deleted = false;
  window::Record record;
};
struct Looking {
  std::function<bool(const std::string& key)> wanted = {};  // Entities; none: all.
  int64_t after_seq = 0;
  int64_t max_seq = INT64_MAX;
};
Status each_seen(const ViewPtr& view, const History::Chunk& chunk, const Looking& what,
                 const std::function<Status(SeenRow)>& on_row);

class WindowsBuilder {
 public:
  struct What {
    Looking looking = {};
    // Rows that count, besides those that were too late on arrival; none: all.
    std::function<bool(const History::Chunk& chunk, int64_t row)> counts = {};
    int64_t now_us = 0;  // How far the states have advanced.
  };
  struct Built {
    EntityWindows windows;
    Tombstones gone;
    int64_t newest_event_us = 0;
    int64_t left_out = 0;  // Rows that no window holds beside others: lists of another length.
  };
  WindowsBuilder(ViewPtr view, What what) : view_(std::move(view)), what_(std::move(what)) {}

  // Reads the history twice: for tombstones, then for rows. Rows looked at are added to `rows`.
  Status read(const History::View& history, int64_t* rows);
  // Rows that have arrived since, when time had come to now_us. Entities whose rows were taken back
  // where the states can't tell what is left are in again(): they must be built anew.
  Status add(const History::View& history, int64_t upto_seq, int64_t now_us);
  const std::unordered_set<std::string>& again() const { return again_; }

  // Every entity that was seen; those without rows are unknown().
  std::unordered_map<std::string, Built>& built() { return built_; }

 private:
  Built& of(const std::string& key);
  bool counts(const History::Chunk& chunk, const SeenRow& seen) const;
  Status fold(const History::Chunk& chunk, const SeenRow& seen);

  ViewPtr view_;
  What what_;
  std::unordered_map<std::string, Built> built_;
  std::unordered_set<std::string> again_;
};

}  // namespace slip::features
