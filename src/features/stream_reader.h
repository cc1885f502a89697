#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "features/features.h"
#include "features/intake.h"
#include "store/kafka/kafka.h"
#include "sys/sync.h"

namespace slip {
class Clock;
class Log;
}  // namespace slip

// One source's topic, read step by step. It goes on where the history says it was read to, looks
// again whether the message before that is still the same one, and hands what comes to the feature
// store; what the store can't take now is handed over again before anything else is read, so no
// more than one batch and the client's queue is in memory.
//
// Invariants: each message is taken in once, in the order of its partition, whatever fails or dies
// in between; offsets only move by what was taken in, or by the source's `on_reset` when the topic
// no longer has them. step() is one task's; status() is for any thread.
namespace slip::features {

// Set by hand: each partition that was ever read goes on there, and one that wasn't begins there.
std::vector<StreamMark> marks_of_reset(std::vector<StreamMark> known, const std::string& topic,
                                       int64_t next);

struct StreamStatus {
  std::string state;  // "starting", "running", "waiting" (tries again), "stopped" (won't), "paused"
  std::string error;  // The last one; "": none since it runs.
  struct Partition {
    int32_t partition = 0;
    int64_t next = 0;            // Offset of the next message.
    std::optional<int64_t> end;  // Of the partition, as far as it is known.
    int64_t lag = 0;
  };
  std::vector<Partition> partitions;
  // Since the server has started.
  int64_t messages = 0;
  int64_t bytes = 0;
  int64_t rows = 0;
  int64_t strays = 0;
  int64_t rejected = 0;
  int64_t warned = 0;
  int64_t batches = 0;
  int64_t assignments = 0;
  int64_t resets = 0;
  int64_t last_message_us = 0;  // When the last one came; 0: none yet.
};

class StreamReader {
 public:
  struct Deps {
    Features& features;
    kafka::Client& client;
    Clock& clock;
    Log& notes;
    // Properties with what their references stand for, and whether the brokers may be dialled.
    std::function<Result<kafka::ConsumerOptions>(const KafkaSource& of)> options;
    // Told of each partition that the rule set to another offset.
    std::function<void(const Ctx& ctx, const std::string& source, const StreamMark& to)> on_reset;
    // Asked before anything is read or taken in (stream_owner.h); empty: it may be.
    std::function<Status(const Ctx& ctx, const std::string& source)> claim = {};
  };
  StreamReader(Deps deps, Ctx ctx, std::string source, KafkaSource of);

  // Milliseconds to rest before the next one.
  int64_t step();
  StreamStatus status() const;
  const KafkaSource& of() const { return of_; }

 private:
  struct Place {
    StreamMark mark;                     // As the history has it.
    bool checking = false;               // The first that comes should be mark.last again.
    std::optional<int64_t> read_to_end;  // Where the end was when it was read up to there.
  };
  Status advance();
  Status claimed() const { return deps_.claim ? deps_.claim(ctx_, source_) : Status(); }
  void let_go();
  Status connect();
  Status locate(const std::vector<int32_t>& partitions);
  Result<StreamMark> go_on(StreamMark known, const kafka::Range& range);
  Result<StreamMark> reset(const StreamMark& from, const kafka::Range& range, const char* why);
  Status assign();
  Status look_for_partitions();
  Status read();
  Status take_notes(const kafka::Polled& polled);
  Status collect(std::vector<kafka::Record> records);
  Status checked(Place* place, const kafka::Record& record);
  bool at_hand() const { return !records_.empty() || !moved_.empty(); }
  Status hand_over();
  std::vector<StreamMark> marks_for(std::span<const kafka::Record> records) const;
  void count(std::span<const kafka::Record> records, const Intaken& done);
  void report(const Status& status);
  void publish_places();

  Deps deps_;
  Ctx ctx_;
  const std::string source_;
  const KafkaSource of_;
  std::unique_ptr<kafka::Consumer> consumer_;
  std::map<int32_t, Place> places_;
  bool located_ = false;
  bool broken_ = false;    // The connection, as far as it has told.
  int64_t looked_ns_ = 0;  // For partitions.
  int64_t backoff_ms_ = 0;
  std::vector<kafka::Record> records_;  // Read and not yet taken in.
  std::vector<StreamMark> moved_;       // Set anew and not yet kept; then there are no records.
  size_t at_once_ = static_cast<size_t>(kBatchRowsMax);
  sys::Guarded<StreamStatus> status_;
};

uint64_t print_of(const kafka::Record& record);

}  // namespace slip::features
