#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "features/features.h"
#include "features/stream_owner.h"
#include "features/stream_reader.h"
#include "sys/ctx.h"
#include "sys/sync.h"

namespace slip {
class Clock;
class Executor;
class Fs;
class Log;
class Process;
}  // namespace slip

// The streams of all sources that name a topic (`kafka:` of a Source): one task each, begun, ended
// and begun anew as the catalogue and their owners say. Without such a source there is no task and
// no connection.
//
// Brokers are dialled if the operator allows them, and secrets are read when a connection begins:
// variables that begin with SLIPWAY_KAFKA_, files below the operator's directory. Invariant: of a
// source at most one task reads, on all servers of a database (stream_owner.h). Any thread; pausing
// and resetting wait for the task to end.
//
// Errors: kNotFound `feature_stream.not_found`, kForbidden `feature.kafka_brokers|
// feature.kafka_secret`, kInvalid `feature_stream.reset`.
namespace slip::features {

class Streams {
 public:
  struct Rules {
    bool any_broker = false;
    std::vector<std::string> brokers;  // "host:port", or "host" for each of its ports.
    std::string secrets_dir;           // "": no file is read.
  };
  struct Deps {
    Features& features;
    store::Db& db;
    ledger::Ledger& ledger;
    kafka::Client& client;
    Executor& executor;
    Clock& clock;
    Fs& fs;
    Process& process;
    Log& notes;
    Rules rules;
    StreamOwner self = {};
  };
  explicit Streams(Deps deps)
      : deps_(std::move(deps)), owners_(deps_.db, deps_.clock, deps_.self) {}
  ~Streams() { stop(); }

  // Tasks as the catalogue wants them. A duty, and whoever has changed it.
  Status reconcile();
  void stop();  // All; none begins afterwards.

  struct Told {
    std::string project;
    std::string source;
    std::string topic;
    std::vector<std::string> brokers;
    StreamStatus status;
  };
  // Of one project, or (empty) of all.
  std::vector<Told> list(const std::string& project) const;
  Result<Told> show(const Ctx& ctx, const std::string& source) const;

  Status pause(const Ctx& ctx, const std::string& source);
  Status resume(const Ctx& ctx, const std::string& source);
  // All partitions that were ever read go on at the topic's beginning or end, and here.
  Status reset(const Ctx& ctx, const std::string& source, KafkaFrom to);

  // Whether the definitions' brokers may be dialled: kForbidden `feature.kafka_brokers`.
  Status check(const std::vector<Definition>& definitions) const;
  // How a topic is reached, if it may be, with its secrets; also for whoever scores one.
  Result<kafka::ConsumerOptions> options_of(const KafkaSource& of) const;

 private:
  struct Running;
  using Key = std::pair<std::string, std::string>;  // Project, source.
  struct State {
    std::map<Key, std::shared_ptr<Running>> running;
    std::map<Key, KafkaSource> paused;
    bool stopped = false;
  };
  Result<KafkaSource> wanted(const Ctx& ctx, const std::string& source) const;
  std::map<Key, KafkaSource> all_wanted() const;
  Result<std::map<Key, bool>> read_paused() const;
  std::shared_ptr<Running> begin(const Key& key, const KafkaSource& of);
  Status set_paused(const Ctx& ctx, const std::string& source, bool paused);
  Result<std::string> value_of(const KafkaValue& value) const;
  Status check_brokers(const KafkaSource& of) const;
  void tell_reset(const Ctx& ctx, const std::string& source, const StreamMark& to);

  Deps deps_;
  StreamOwners owners_;
  sys::Mutex changing_;
  sys::Guarded<State> state_;
};

}  // namespace slip::features
