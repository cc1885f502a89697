#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "features/kafka_source.h"
#include "serving/serving.h"
#include "store/kafka/kafka.h"
#include "sys/sync.h"

namespace slip {
class Clock;
class Log;
}  // namespace slip

// One stream that is scored: records of a topic are a deployment's requests, its answers records
// of another topic.
//
// Invariants: a batch's answers, its dead letters and how far the topic was read are published in
// one transaction, so a reader of committed records sees each record answered exactly once,
// whatever is killed; of several that score the same topic for the same group the last to begin
// goes on, and the others publish nothing more. From where a topic is read is published before
// anything is read. A record that can't be answered (record_rows.h, a value that the
// model refuses or fails on) is a dead letter, and stops nobody else's. The model is to blame, and
// the batch is tried again, when it isn't there, fails on several and answers none, or fails on one
// and never answered before.
// Predictions are logged as any request's; a batch that is tried again is logged again.
//
// step() is one thread's; status() is for any.
namespace slip::scoring {

struct ScoreStream {
  std::string project;
  std::string name;
  std::string uid;
  std::string deployment;
  features::KafkaSource from;
  std::string to;                 // Topic of the answers, on the same brokers.
  std::string dead_letters;       // Topic.
  std::vector<std::string> keep;  // Members of a record that stand in its answer, too.
  int64_t rows_max = 256;         // Of a batch.

  std::string group() const;  // Whose positions these are: property group.id, or of our own.
};

struct ScoreStatus {
  struct Partition {
    int32_t partition = 0;
    int64_t next = 0;
    std::optional<int64_t> end;
    int64_t lag = 0;
  };
  std::string state = "starting";  // "running", "waiting", "failed", "paused", "elsewhere"
  std::string error;
  int64_t records = 0;  // Published, since the task began.
  int64_t dead = 0;     // Of them, dead letters.
  int64_t batches = 0;
  int64_t failures = 0;  // Turns that were tried again.
  int64_t last_ms = 0;   // When a batch was last published.
  std::vector<Partition> partitions;
};

class Scorer {
 public:
  using Connect = std::function<Result<kafka::ConsumerOptions>(const features::KafkaSource&)>;
  struct Deps {
    kafka::Client& client;
    serving::Serving& serving;
    Clock& clock;
    Log& notes;
    Connect connect;  // Where the brokers are, and as whom, if they may be dialled.
  };
  Scorer(Deps deps, ScoreStream stream) : deps_(std::move(deps)), stream_(std::move(stream)) {}

  // Reads what there is, answers and publishes it. How long to rest before the next, ms.
  int64_t step();
  ScoreStatus status() const;

 private:
  Status open();
  Status score_some();
  Result<std::vector<kafka::Outgoing>> answer(const std::vector<kafka::Record>& records);
  // True: partitions were set to another offset, and what came meanwhile is read again.
  Result<bool> handle(const std::vector<kafka::Note>& notes);
  void put_aside(const kafka::Polled& polled);
  Status bear(const std::string& trouble);
  Result<int64_t> start_of(int32_t partition, features::KafkaFrom from);
  void tell(const std::vector<kafka::Record>& records, int64_t dead);

  const Deps deps_;
  const ScoreStream stream_;
  std::unique_ptr<kafka::Producer> producer_;
  std::unique_ptr<kafka::Consumer> consumer_;  // Null: to be opened.
  std::vector<kafka::Position> next_;
  int64_t looked_ms_ = 0;    // For new partitions.
  int64_t rest_ms_ = 0;      // After a failure; doubles.
  int64_t troubled_ms_ = 0;  // Since when the connection has only told of trouble; 0: it hasn't.
  int64_t answered_version_ = 0;  // The model's that last answered.
  sys::Guarded<ScoreStatus> status_;
};

}  // namespace slip::scoring
