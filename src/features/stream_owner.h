#pragma once

#include <string>

#include "base/result.h"
#include "store/db.h"
#include "sys/ctx.h"

namespace slip {
class Clock;
}

// Which of several servers on one database reads a source's topic. What a server has read lies in
// the log of its own data directory, offsets and rows in one record, where no other server finds
// it: so a topic belongs to the data directory that has begun with it, for good, and a second one
// says whose it is instead of reading everything again. Only a person hands it over (a reset).
//
// Invariant: of a source at most one directory is noted. Any thread; blocks.
//
// Errors: kConflict `feature.stream_owner`.
namespace slip::features {

struct StreamOwner {
  std::string uid;    // Of the data directory; "": the database is in it, so that nobody else is.
  std::string shown;  // Where it lies.
};

class StreamOwners {
 public:
  StreamOwners(store::Db& db, Clock& clock, StreamOwner self)
      : db_(db), clock_(clock), self_(std::move(self)) {}

  // It is ours, by now if it was nobody's.
  Status claim(const Ctx& ctx, const std::string& source);
  // Whoever had it. Whether that was somebody else.
  Result<bool> take_over(const Ctx& ctx, const std::string& source);

 private:
  Result<StreamOwner> owner(const Ctx& ctx, const std::string& source);
  Status put(const Ctx& ctx, const std::string& source, const StreamOwner& instead_of);

  store::Db& db_;
  Clock& clock_;
  const StreamOwner self_;
};

}  // namespace slip::features
