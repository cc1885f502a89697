#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "scoring/scorer.h"
#include "store/db.h"
#include "sys/ctx.h"

namespace slip {
class Executor;
class Rng;
}  // namespace slip
namespace slip::ledger {
class Ledger;
}

// The streams that are scored: rows of a table, one task each. A stream is a document:
//
//   {"deployment": "fraud", "from": {brokers, topic, start, on_reset, properties, …}, "to": TOPIC,
//    "dead_letters": TOPIC ("<to>.dead-letters"), "keep": [member, …], "rows_max": 256}
//
// `from` is what a Source says of its topic (features/kafka_source.h); answers and dead letters go
// to the same brokers.
//
// Invariants: a change of a document is one transaction with its event; on several servers with one
// database a stream has one task, of whoever holds its lease, and Kafka lets only the last one
// publish in any case. Any thread; all of it blocks, and waits for a task that it ends.
//
// Errors: kNotFound `score_stream.not_found`, kInvalid `score_stream.field` with the member's name,
// and those of the connection.
namespace slip::scoring {

// limits
inline constexpr size_t kStreamNameBytesMax = 128;
inline constexpr int64_t kStreamRowsMax = 10'000;  // Of a batch.
inline constexpr size_t kStreamsMax = 1000;        // On one server.

Result<ScoreStream> parse_score_stream(const codec::Json& document);
codec::Json document_of(const ScoreStream& stream);

class ScoreStreams {
 public:
  struct Deps {
    store::Db& db;
    ledger::Ledger& ledger;
    Executor& executor;
    Rng& rng;
    Scorer::Deps scorer;
    std::string self;  // Of the data directory, among servers of one database; "": there is one.
  };
  explicit ScoreStreams(Deps deps) : deps_(std::move(deps)) {}
  ~ScoreStreams() { stop(); }

  // Creates or changes; a changed one goes on where it was.
  Status put(const Ctx& ctx, const std::string& name, const codec::Json& document);
  Status remove(const Ctx& ctx, const std::string& name);
  Status set_paused(const Ctx& ctx, const std::string& name, bool paused);

  struct Told {
    ScoreStream stream;
    ScoreStatus status;
    int64_t created_ms = 0;
    int64_t updated_ms = 0;
  };
  // Of one project, or (empty) of all; by name.
  Result<std::vector<Told>> list(const std::string& project) const;
  Result<Told> show(const Ctx& ctx, const std::string& name) const;
  // Of those that run here, by metrics; asks no database.
  std::vector<Told> running() const;

  // Tasks as the table wants them. A duty, and whoever has changed it.
  Status reconcile();
  void stop();  // All; none begins afterwards.

 private:
  struct Row;
  struct Running;
  Result<std::vector<Row>> rows() const;
  Result<Row> find(const Ctx& ctx, const std::string& name) const;
  Result<bool> lease(const Row& row);
  Status release(const std::string& uid);
  std::shared_ptr<Running> begin(const Row& row);
  void end(const std::vector<std::shared_ptr<Running>>& over);
  Status attend(const Row& row, std::vector<std::shared_ptr<Running>>* over);
  Status check_alone(const Ctx& ctx, const std::string& name, const ScoreStream& stream) const;
  Told told_of(const Row& row) const;

  Deps deps_;
  sys::Mutex changing_;
  struct State {
    std::map<std::string, std::shared_ptr<Running>> running;  // By uid.
    bool stopped = false;
  };
  sys::Guarded<State> state_;
};

std::span<const store::Migration> migrations();

}  // namespace slip::scoring
