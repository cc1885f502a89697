#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "features/stream_owner.h"
#include "store/blobs.h"
#include "store/db.h"
#include "sys/sync.h"

namespace slip {
class Clock;
}

// Which of several servers on one database keeps the history of features. Rows are numbered in the
// log of a data directory, their segments are its blobs, and what the database says of them (the
// manifest, archived parts of the log, offsets of topics, erasures, materialisations) is of that
// one history. So it belongs to the directory that took the first row; every other server refuses
// rows, and readings that aren't of a Redis, and says whose they are. Only a person hands it over.
//
// Invariant: at most one directory is noted; nothing in a directory's log that isn't the owner's is
// archived or removed. Any thread; but for check() all block.
//
// Errors: kConflict `feature.history_owner`.
namespace slip::features {

class HistoryOwner {
 public:
  // `self`: as of topics; without a uid the database is in the data directory, so all is ours.
  // `taken_from`: the uid of an owner that is gone for good, "unknown" when none is noted; "":
  // none.
  HistoryOwner(store::Db& db, Clock& clock, StreamOwner self, std::string taken_from)
      : db_(db), clock_(clock), self_(std::move(self)), taken_from_(std::move(taken_from)) {}

  enum class Whose : uint8_t { kOurs, kNobodys, kOthers };
  // Before anything else. `here`: whether something of a history lies in this directory; it is
  // asked when nobody is noted.
  Status open(const std::function<Result<bool>()>& here);
  // Rows that no longer count since their bytes lay with the owner from whom open() took it.
  int64_t lost_rows() const { return lost_rows_; }
  // In open(): whether bytes are here. Without it all are taken to be.
  void set_blobs(store::Blobs* blobs) { blobs_ = blobs; }

  Whose whose() const { return whose_.load(std::memory_order_acquire); }
  Status check() const;  // It isn't another one's.
  Status claim();        // It is ours, by now if it was nobody's.
  Status refresh();      // Somebody may have taken it.

 private:
  Result<StreamOwner> noted();
  Result<bool> manifest_empty();
  Status put(const std::string& instead_of);
  Result<bool> put(store::Tx& tx, const std::string& instead_of);
  Status take_over(const std::string& from);
  void set(StreamOwner owner);

  store::Db& db_;
  Clock& clock_;
  const StreamOwner self_;
  const std::string taken_from_;
  store::Blobs* blobs_ = nullptr;
  int64_t lost_rows_ = 0;
  std::atomic<Whose> whose_{Whose::kOurs};
  sys::Guarded<StreamOwner> owner_;
};

}  // namespace slip::features
