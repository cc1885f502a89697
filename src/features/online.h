#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "features/compiled.h"
#include "features/windows.h"
#include "sys/sync.h"

// What is served now: for each entity of each version of a view its newest row, or the state of
// its windows. Sharded memory; it is a function of the rows that were applied in order of their
// sequence numbers, and is rebuilt from the arrivals' log and a snapshot.
//
// The newest row is the one with the greatest (event time, created, sequence) among those whose
// event time has come: a row of the future waits beside it. So rows may come late, twice or in any
// order. Reading is for any thread; apply() is called by one at a time.
namespace slip::features {

enum class ReadStatus : uint8_t { kPresent, kNullValue, kNotFound, kOutsideMaxAge };
std::string_view read_status_name(ReadStatus status);  // "PRESENT", "NULL_VALUE", …

inline constexpr size_t kFutureRowsMax = 64;  // Waiting of one entity; the farthest goes first.

// The cells of one entity: of the features asked for, in that order.
struct EntityRead {
  std::vector<Cell> cells;
  std::vector<ReadStatus> statuses;
  int64_t event_us = 0;  // Of the row, or of the newest event; 0: none.
  void clear() {         // Its memory stays.
    cells.clear();
    statuses.clear();
    event_us = 0;
  }
};

// A row as it is kept: cells packed (packed.h), none of a tombstone.
struct OnlineRow {
  int64_t event_us = 0;
  int64_t created_us = 0;
  int64_t seq = 0;
  bool deleted = false;
  std::string packed;
  bool newer_than(const OnlineRow& other) const;
};

// Who hears which entities have changed. Called under locks of the table, so it doesn't ask it.
class OnlineChanges {
 public:
  virtual ~OnlineChanges() = default;
  // `replaced`: what there was is gone, whatever is there now.
  virtual void changed(const CompiledView& view, std::string_view key, bool replaced) = 0;
};

class Online {
 public:
  // Before anything else.
  void tell(OnlineChanges* changes) { changes_ = changes; }

  // Row `row` of what a Transform made; `columns` are its features or its records' values.
  struct Arrival {
    int64_t event_us = 0;
    int64_t created_us = 0;
    int64_t ingest_us = 0;
    int64_t seq = 0;
    bool deleted = false;
    std::string_view marks = {};  // Of a view with windows: the row's (windows.h).
  };
  // False: a tombstone whose rows lie too far behind; the entity's windows must be built anew from
  // the history and installed.
  Result<bool> apply(const CompiledView& view, std::string_view key, const Arrival& at,
                     const std::vector<engine::Column>& columns, int64_t row);

  // Another state in place of an entity's windows.
  void install(const CompiledView& view, std::string_view key, EntityWindows windows,
               int64_t newest_event_us);

  struct Want {
    std::span<const size_t> features;  // Of the view.
    int64_t now_us = 0;
    bool ignore_ttl = false;
  };
  Status read(const CompiledView& view, std::string_view key, const Want& want, EntityRead* out);

  // What another place needs to serve an entity: its rows, the one that is served and those of the
  // future, or its windows as bytes. Nothing: it isn't known.
  struct State {
    std::vector<OnlineRow> rows;
    std::string windows;
    int64_t newest_event_us = 0;
  };
  std::optional<State> state(const CompiledView& view, std::string_view key, int64_t now_us);

  // Entities with rows of the future: online_key(), and when the first of them is due.
  void each_future(const std::function<void(std::string_view full, int64_t due_us)>& visit) const;

  // One entity's rows go.
  bool erase(const CompiledView& view, std::string_view key);
  std::vector<std::string> keys(const CompiledView& view) const;

  // The table as records, and back. A record names its view; what isn't known any more is left out.
  using Save = std::function<Status(std::string_view record)>;
  Status save(const std::function<ViewPtr(uint32_t number)>& view_of, const Save& save);
  // `find` by project, name, version and digest; null: gone.
  using Find = std::function<ViewPtr(const std::string& project, const std::string& name,
                                     int64_t version, const std::string& digest)>;
  Status load(const Find& find, std::string_view record);

  struct Stats {
    int64_t entities = 0;
    int64_t bytes = 0;
    int64_t late = 0;    // Events that windows refused as too late.
    int64_t future = 0;  // Rows of the future that were dropped.
  };
  Stats stats() const;
  // The newest event time that a view has seen; 0: none.
  int64_t newest_event_us(uint32_t number) const;

 private:
  using Row = OnlineRow;
  struct Entry {
    Row row;
    bool has_row = false;
    std::vector<Row> later;  // Not yet come, by event time.
    std::unique_ptr<EntityWindows> windows;
    int64_t newest_event_us = 0;
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view key) const;
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(std::string_view a, std::string_view b) const { return a == b; }
  };
  using Map = std::unordered_map<std::string, Entry, Hash, Equal>;
  struct Shard {
    mutable sys::Mutex mutex;
    Map map;
    int64_t late = 0;
    int64_t future = 0;
    std::unordered_map<uint32_t, int64_t> newest;
  };
  static constexpr size_t kShards = 64;

  Shard& shard_of(std::string_view key) { return shards_[Hash()(key) % kShards]; }
  static void put_row(Row row, int64_t now_us, Entry* entry, Shard* shard);
  static void promote(int64_t now_us, Entry* entry);
  static Result<bool> count(const CompiledView& view, const Arrival& at, window::Record record,
                            Entry* entry, Shard* shard);
  static std::string record_of(const CompiledView& view, std::string_view key, const Entry& entry);

  void tell_of(const CompiledView& view, std::string_view key, bool replaced) const {
    if (changes_ != nullptr) changes_->changed(view, key, replaced);
  }

  std::array<Shard, kShards> shards_;
  OnlineChanges* changes_ = nullptr;
};

// An entity as it is answered, wherever its state lies.
void read_absent(const Online::Want& want, ReadStatus status, EntityRead* out);
void read_row(const CompiledView& view, const OnlineRow& row, const Online::Want& want,
              EntityRead* out);
Status read_windows(const CompiledView& view, const EntityWindows& windows, int64_t newest_event_us,
                    const Online::Want& want, EntityRead* out);

// The number of the view's version, then the keys' bytes.
std::string online_key(const CompiledView& view, std::string_view key);

}  // namespace slip::features
