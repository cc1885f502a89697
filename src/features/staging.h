#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "features/features.h"
#include "sys/sync.h"

namespace slip {
class Executor;
}
namespace slip::query {
class Database;
}

// Sources that are computed: a Source says `sql:` and `inputs:`, and its query is run over what the
// history has of the inputs, when that has changed. What the result has beyond the last one is
// taken in, what it lacks is taken back by tombstones that name each value; so the history has
// every result there was, by number and by moment, and a source like any other is what views read.
//
// Invariants: after a run the rows of the source that no tombstone took back are the result, as a
// multiset. A crash in the middle leaves the one before or this one. A result of rows that were
// erased meanwhile isn't taken in: it is computed again. A run that fails changes nothing, and
// isn't tried again before its inputs or a definition have changed. Any thread; blocks.
//
// Errors: those of query.h and of load(), kInvalid `feature.column|feature.time`, kUnavailable
// `feature.erasing`.
namespace slip::features {

// limits
inline constexpr int64_t kStagingSeconds = 900;  // Of one query.
inline constexpr int64_t kRunsKept = 1000;       // Of one source.

class Staging {
 public:
  struct Deps {
    Features& features;
    store::Db& db;
    Fs& fs;
    Clock& clock;
    Executor& executor;
    Log& notes;
    std::string dir;  // For what memory doesn't hold; emptied before and after a query.
    int64_t memory_bytes = int64_t{512} << 20;
  };
  explicit Staging(Deps deps) : deps_(std::move(deps)) {}

  // The inputs are up to date already; of one source one at a time.
  Status refresh(const Ctx& ctx, const std::string& name, const Source& source);

  struct Input {
    std::string table;
    std::string source;
    int64_t through_seq = 0;  // Of its history.
    int64_t rows = 0;
    bool operator==(const Input&) const = default;
  };
  struct Run {
    int64_t number = 0;  // From 1.
    int64_t begin_us = 0;
    int64_t end_us = 0;
    std::string query_digest;  // SHA-256 of the definitions it was computed by, hex.
    std::vector<Input> inputs;
    int64_t added = 0;
    int64_t taken_back = 0;
    int64_t through_seq = 0;  // Of the source's own history: a join up to there reads this result.
  };
  // The newest first.
  Result<std::vector<Run>> runs(const Ctx& ctx, const std::string& name, int64_t limit);

 private:
  struct Read;
  Result<Read> read(const Ctx& ctx, const Source& source, Run* run);
  Status refresh_once(const Ctx& ctx, const std::string& name, const Source& source);
  Result<bool> is_current(const Ctx& ctx, const std::string& name, const Source& source,
                          const Run& run);
  Status compute(const Ctx& ctx, const std::string& name, const Source& source, const Read& inputs,
                 Run* run);
  Status take_result(const Ctx& ctx, const std::string& name, const Source& source,
                     query::Database& db, std::vector<Quarantined>* more);
  Status keep_apart(const Ctx& ctx, const std::string& name, const std::vector<Quarantined>& apart,
                    int64_t state);
  std::string digest_of(const Ctx& ctx, const std::string& name, const Source& source,
                        const Read& inputs) const;
  Status write(const Ctx& ctx, const std::string& name, const Run& run);

  Deps deps_;
  struct Failed {
    std::string query_digest;
    std::vector<Input> inputs;
    Error why;
  };
  sys::Guarded<std::map<std::string, Failed>> failed_;  // By project and source.
  sys::Mutex computing_;  // One query at a time: memory and disk are the server's.
};

}  // namespace slip::features
