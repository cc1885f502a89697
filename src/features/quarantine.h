#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/result.h"
#include "features/request.h"
#include "store/db.h"
#include "sys/ctx.h"
#include "sys/sync.h"

namespace slip {
class Clock;
}
namespace slip::ledger {
class Ledger;
}

// Rows and messages that are kept apart from their source's history, with the reason. Of a source
// at most so many bytes: the oldest go when there are more, which is counted and told in the
// ledger, at most once a minute. Rows of one load lie beside them until it is there, within the
// same bound; then they are there too, in the same transaction, or none is.
//
// Invariant: a row is there once under its uid, and the tally of a source is the sum of its rows'
// bytes; no more than a step lies above the bound. Any thread; blocks.
namespace slip::features {

// limits
inline constexpr int64_t kQuarantineBytes = 64 << 20;  // Of one source, unless a setting says more.
inline constexpr int64_t kQuarantineBytesLeast = 1 << 20;  // More than any row has.

struct Quarantined {
  std::string uid;
  int64_t created_ms = 0;
  std::string reason;
  std::string record;  // A JSON object as a push takes it.
};

class Quarantine {
 public:
  struct Deps {
    store::Db& db;
    ledger::Ledger& ledger;
    Clock& clock;
    int64_t bytes_max = kQuarantineBytes;
  };
  explicit Quarantine(Deps deps) : deps_(deps) {}
  // What loads have left that the process didn't survive. Before the first one.
  Status open();

  // What was there stays as it was.
  Status keep(const Ctx& ctx, const std::string& source, const std::vector<Quarantined>& rows);
  // By uid, which begins with a time.
  Result<std::vector<Quarantined>> list(const Ctx& ctx, const std::string& source,
                                        std::string_view after, int64_t limit);
  // Takes them away, for good or since they were pushed again. How many.
  Result<int64_t> release(const Ctx& ctx, const std::string& source,
                          const std::vector<std::string>& uids);
  // Of each record of the source: for who asks whether a row is there.
  using Hashes = std::unordered_set<uint64_t>;
  Result<Hashes> hashes(const Ctx& ctx, const std::string& source);
  // All that may be the entity's, of sources that it may be in. How many.
  Result<int64_t> erase(const std::string& project, const Erasing& what,
                        const std::function<bool(const std::string& source)>& may_have);

  // Rows that went for want of room, since the server has started; by project and source.
  using Dropped = std::map<std::pair<std::string, std::string>, int64_t>;
  Dropped dropped() const {
    return dropped_.with([](const Dropped& all) { return all; });
  }

 private:
  friend class QuarantineLoad;
  Status trim(const Ctx& ctx, const std::string& source);
  Result<bool> trim_some(store::Tx& tx, const Ctx& ctx, const std::string& source, int64_t* rows);
  Status tell(store::Tx& tx, const Ctx& ctx, const std::string& source, int64_t rows);
  Result<int64_t> remove(store::Tx& tx, const std::string& project, const std::string& source,
                         const std::string& uid);

  const Deps deps_;
  sys::Guarded<Dropped> dropped_;
};

// Rows of one load, which aren't there before it is; destroyed without that, they go. One thread.
class QuarantineLoad {
 public:
  // `uid`: of this load alone.
  QuarantineLoad(Quarantine& of, const Ctx& ctx, std::string source, std::string uid)
      : of_(of), ctx_(ctx), source_(std::move(source)), uid_(std::move(uid)) {}
  ~QuarantineLoad();
  QuarantineLoad(const QuarantineLoad&) = delete;
  QuarantineLoad& operator=(const QuarantineLoad&) = delete;

  // Of these, too, the oldest go when there are more than may be kept.
  Status add(const std::vector<Quarantined>& rows);
  int64_t rows() const { return rows_; }  // That were added.
  // Inside the caller's body: they are there from the commit on.
  Status publish(store::Tx& tx);
  Status publish_alone();  // Of a load that has nothing else.
  // After the commit: what has no room goes.
  Status published();

 private:
  Status make_room();

  Quarantine& of_;
  const Ctx ctx_;
  const std::string source_;
  const std::string uid_;
  int64_t rows_ = 0;
  int64_t bytes_ = 0;    // That lie there,
  int64_t dropped_ = 0;  // and rows that no longer do.
  bool published_ = false;
};

// Whether a record that is kept apart may be the entity's: it says so, or it can't be read and its
// text has the keys' values, as text, somewhere. One that is no text may be anybody's.
bool may_concern(std::string_view record, const Erasing& what);

}  // namespace slip::features
