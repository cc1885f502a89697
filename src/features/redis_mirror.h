#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "features/catalog.h"
#include "features/online.h"
#include "features/redis_layout.h"
#include "features/redis_note.h"
#include "sys/sync.h"

namespace slip {
class Clock;
class Fs;
class Log;
class Rng;
}  // namespace slip

// The online table in Redis, where other servers and Feast's own clients read it, and from where
// this server reads it too. The table in memory is what this server has taken; entities that change
// in it are marked, and their states written, by whoever needs them written, for all who wait.
//
// Invariants: a row is in the log before it is marked, so what Redis lacks is written once it is
// back: `cursor` says up to which row everything is there, and a restart marks what came after it.
// Whatever is unknown to the log (windows that were exchanged, erasures) unsets the cursor on the
// disk first. Redis is asked with each reading whether all who write there are at home, and whether
// it has as many flushes of each as were seen before: a Redis that is empty, older than it was, or
// being filled answers nothing; never that an entity doesn't exist, nor what it once was.
// Any thread; changed() is called under locks of the table.
//
// Errors: kUnavailable `redis.unavailable|redis.refused` of the client, `redis.behind` (rows that
// were taken while Redis was gone aren't there yet), `redis.filling`, `redis.contended`; kCorrupt
// `feature.redis_value` of who asks for an entity whose value can't be read; kConflict
// `feature.redis_writer` (another server counts these windows), `feature.redis_version` (the layout
// holds the latest version only).
namespace slip::features {

inline constexpr size_t kUnreadableMax = 1000;  // Entities that are known to be so at once.

class RedisMirror final : public OnlineChanges {
 public:
  struct Deps {
    store::Redis& writes;  // Ordered.
    store::Redis& reads;
    Fs& fs;
    Clock& clock;
    Rng& rng;
    Log& notes;
    std::string dir;  // Of its note (redis_note.h).
  };
  struct Options {
    const FeastMessages* feast = nullptr;  // Null: the packed layout.
    FeastLayoutOptions feast_layout = {};
  };
  static Result<std::unique_ptr<RedisMirror>> open(Deps deps, Options options);

  struct Table {
    Online& online;
    const Catalog& catalog;
    std::function<int64_t()> applied_seq;
  };
  // Before the table is filled; then that it is, from a snapshot of that row and the log.
  void attach(Table table);
  void begin(int64_t snapshot_seq);

  // Whether such views can lie there: kInvalid `feature.redis_layout`.
  Status fits(const std::vector<Definition>& definitions) const;
  // Whether this server may take rows for them.
  Status claim(std::span<const ViewPtr> views);

  void changed(const CompiledView& view, std::string_view key, bool replaced) override;
  // While it lives, changes come of which the log won't tell: after a crash all is written again.
  class Unlogged {
   public:
    explicit Unlogged(RedisMirror* mirror) : mirror_(mirror) {}
    ~Unlogged();
    Unlogged(const Unlogged&) = delete;
    Unlogged& operator=(const Unlogged&) = delete;
    Status begin();

   private:
    RedisMirror* mirror_;
    bool begun_ = false;
  };
  // What was marked before the call is in Redis afterwards; or this fails, and it is written when
  // Redis is back. `patient`: however much that is.
  Status write_through(bool patient = false);
  bool settled() const;       // Nothing is to be written.
  bool owes_removal() const;  // Of what must not be there any more.

  // Whether there is something to read of such a view; `latest`: the newest version.
  Status fits_and_held(const CompiledView& view, int64_t latest) const;
  Status read(std::span<const RedisAsk> asked, std::vector<EntityRead>* out);

  // All of the table once more, and so shall all others; who doesn't begin within seconds is waited
  // for no longer, and windows are ours. How many entities.
  Result<int64_t> rebuild();
  // Before the doors open: the same as tend(), for so long; what remains is the duty's.
  Status greet(int64_t within_ms);
  // A duty: asks Redis how it is, writes what waits.
  Status tend();
  // Whoever writes stops soon; then, once the duty is over, a last look.
  void stop() { stopping_ = true; }
  Status leave();

  struct Facts {
    std::string layout;
    std::string url;  // Without who is let in.
    bool up = false;
    bool filling = false;
    int64_t pending = 0;
    double lag_s = 0;  // How long the oldest of these has waited.
    int64_t written = 0;
    int64_t failures = 0;
    int64_t damaged = 0;  // Entities that were asked for, whose value can't be read.
    int64_t connects = 0;
    int64_t refills = 0;   // Times that Redis was found empty, or older than it was.
    int64_t returns = 0;   // Of these, the latter.
    int64_t servers = 0;   // That write there.
    std::string eviction;  // Redis's maxmemory-policy; "": unknown.
  };
  Facts facts() const;

 private:
  RedisMirror(Deps deps, RedisNote note, std::unique_ptr<RedisLayout> layout);
  struct Entry {
    uint32_t number = 0;
    std::string key;
    bool replaced = false;
  };
  using Marks = std::unordered_map<std::string, bool>;  // online_key(): replaced.

  void mark(std::string full, bool replaced);  // Under mutex_.
  void mark_all();
  Status write_until(int64_t until_ns, bool fills);
  Status tend_until(int64_t until_ns);
  // False: time is up, and somebody else goes on.
  Result<bool> flush(int64_t until_ns);
  Result<bool> finish(int64_t until_ns);
  Result<bool> fill(int64_t until_ns);
  Result<bool> begin_filling();
  Status wipe();
  Result<std::set<std::string>> owe_others(std::string_view state);
  Status ask_others();
  Status forget_absent();
  using Counts = std::map<std::string, int64_t, std::less<>>;  // Of flushes, by server.
  struct Known {
    int64_t generation = 0;
    int64_t flushes = 0;
    std::shared_ptr<const Counts> others;
  };
  Known known() const;
  // Numbered, last: who finds that number finds what these have written.
  Result<std::vector<store::RedisReply>> run_counted(store::RedisCommands commands,
                                                     bool anew = false);
  Status note_removal();
  Status settle_numbers();
  void remember_gone(const RedisDrop& what);
  // Of one entity: what lies there can't be read. It is written again, or goes when nobody knows
  // it.
  void mend(const RedisAsk& asked);
  using Servers = std::map<std::string, std::string>;  // What they say of themselves.
  Status mend_unknown(const store::RedisReply& listed, const Servers& servers);
  struct Found {
    ViewPtr view;
    std::string key;
  };
  std::optional<Found> find_place(std::string_view place) const;
  Result<bool> may_write(const CompiledView& view);
  void lose(int64_t flushes);  // Under mutex_. Redis has so many of ours; 0: it is empty.
  void note_others(const Counts& counts);  // Under mutex_.
  void written(bool whole);
  Status write_some(std::vector<Entry> entries);
  Result<bool> prepare(const Entry& entry, Online::State* state, RedisPut* put);
  Status notice_views();
  Status drop(const RedisDrop& what);
  Result<bool> owns(const CompiledView& view);
  void refresh_claims();
  Status register_as(std::string_view state);
  void ask_servers(store::RedisCommands* out) const;
  // Of these two replies.
  Status check_servers(std::span<const store::RedisReply> replies, const Known& before);
  void look_around(const Servers& servers, const store::RedisReply& counted, const Known& before);
  Status save();
  void told(const Status& status);
  ViewPtr view_of(uint32_t number);
  const CompiledView* latest_of(const CompiledView& view);
  void await_future(const Entry& entry, const Online::State& state);
  void mark_due();

  const Deps deps_;
  const std::unique_ptr<RedisLayout> layout_;
  const std::string servers_key_;
  const std::string flushes_key_;
  const std::string unreadable_key_;
  std::optional<Table> table_;

  mutable sys::Mutex mutex_;
  sys::CondVar done_;
  Marks pending_;
  Marks working_;  // Of who flushes; others count it.
  bool flushing_ = false;
  int64_t marked_ = 0;
  int64_t written_through_ = 0;
  int64_t working_through_ = 0;
  int64_t working_seq_ = 0;
  int64_t oldest_us_ = 0;  // When the first that waits was marked.
  bool behind_ = true;     // Not all that was taken is known to be there.
  bool all_owed_ = false;
  int unlogged_ = 0;
  bool lost_ = false;    // What lay in Redis is gone.
  bool asking_ = false;  // All that write there shall fill it.
  int64_t asked_until_ns_ = 0;
  std::set<std::string> unreadable_;  // Places in Redis.
  bool up_ = false;
  bool told_ = false;  // Of the first outage.
  RedisNote note_;
  RedisNote saved_;
  int64_t flush_ = 0;     // The greatest number that was given.
  bool counted_ = false;  // By this run of the server.
  std::shared_ptr<const Counts> others_;
  std::set<std::pair<int64_t, std::string>> future_;  // When which entity is to be written.
  std::string eviction_;
  int64_t servers_ = 0;
  int64_t asked_info_us_ = 0;
  int64_t asked_claims_us_ = 0;

  sys::Mutex saving_;
  std::shared_ptr<const Shelves> noticed_;  // Of who flushes, as what follows.
  std::map<uint32_t, ViewPtr> by_number_;
  std::atomic<bool> stopping_{false};
  std::atomic<int64_t> generation_{0};
  std::atomic<int64_t> looked_{0};   // Entities that were to be there,
  std::atomic<int64_t> written_{0};  // and those that weren't as they are.
  std::atomic<int64_t> refills_{0};
  std::atomic<int64_t> returns_{0};
  std::atomic<int64_t> damaged_{0};
};

}  // namespace slip::features
