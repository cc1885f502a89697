#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace slip {
class Log;
}

// Kafka's topics as those above read them: partitions by hand, from offsets that the reader keeps
// itself. No group is joined and a consumer commits nothing to the brokers, so what was read and
// what was made of it can be kept in one place. What is made of a topic for another topic goes
// there with the positions in one transaction (Producer).
//
// Invariants: of a partition records come in the order of their offsets, from the assigned one on;
// records of transactions that were aborted never come unless they are asked for; what waits in
// memory is bounded by `queue_bytes`. A consumer is one thread's; it may be destroyed at any time.
//
// Errors: kUnavailable `kafka.unavailable` (worth trying again), kNotFound `kafka.topic`, kInvalid
// `kafka.property`, kForbidden `kafka.denied`, kConflict `kafka.fenced` (another producer of the
// same name has begun: what this one had not published, it never will).
namespace slip::kafka {

// limits
inline constexpr size_t kRecordBytesMax = 32 << 20;  // A larger one can't be fetched.

struct Record {
  int32_t partition = 0;
  int64_t offset = 0;
  int64_t timestamp_ms = -1;  // By the producer or the broker; -1: none.
  bool tombstone = false;     // Without a value.
  std::string value;
  std::optional<std::string> key = {};
};

struct Position {
  int32_t partition = 0;
  int64_t offset = 0;  // Of the next record.
};

// What a partition holds: offsets in [first, end).
struct Range {
  int64_t first = 0;
  int64_t end = 0;
};

struct Note {
  enum class Kind : uint8_t {
    kEnd,         // Everything before `offset` was read.
    kOutOfRange,  // There is nothing at the offset that was asked for.
    kGone,        // The topic or the partition is no more.
  };
  Kind kind = Kind::kEnd;
  int32_t partition = -1;
  int64_t offset = 0;
};

struct Polled {
  std::vector<Record> records;
  std::vector<Note> notes;
  std::string trouble;  // What last went wrong with the connection; "": nothing since last time.
};

class Consumer {
 public:
  virtual ~Consumer() = default;
  virtual Result<std::vector<int32_t>> partitions() = 0;  // Of the topic, now; ascending.
  virtual Result<Range> range(int32_t partition) = 0;     // Asks the broker.
  // Reads these from there on, instead of what was read before.
  virtual Status assign(const std::vector<Position>& from) = 0;
  struct Limits {
    size_t records = 8192;
    size_t bytes = 4 << 20;  // The last record may go beyond.
    int64_t wait_ms = 500;   // For the first one.
  };
  virtual Polled poll(const Limits& limits) = 0;
  // Where the group went on, by transactions that have ended; only partitions that it ever did.
  virtual Result<std::vector<Position>> committed(const std::vector<int32_t>& partitions) = 0;
  // The end of a partition as far as it is known without asking.
  virtual std::optional<int64_t> known_end(int32_t partition) = 0;
};

struct ConsumerOptions {
  std::string brokers;  // "host:port,host:port"
  std::string topic;
  std::vector<std::pair<std::string, std::string>> properties;  // See property().
  bool uncommitted = false;                                     // Also records of open or
                                                                // aborted transactions.
  size_t queue_bytes = 16 << 20;
  std::string group = "slipway";  // Whose positions committed() tells; nothing joins it.
};

struct Outgoing {
  std::string topic;
  std::optional<std::string> key;  // Decides the partition, as Kafka's own clients do.
  std::string value;
  std::vector<std::pair<std::string, std::string>> headers = {};
};

// Writes of one name; each of its publications is there whole or not at all. One thread's.
class Producer {
 public:
  virtual ~Producer() = default;
  // Once, before anything else: what an earlier one of this name had open is ended, and it
  // publishes no more. Waits for the brokers, but not for ever.
  virtual Status begin() = 0;
  // All of them, and that `group` has read `topic` so far. After an error nothing of it is visible,
  // and this producer is of no use: the positions are to be asked for again.
  virtual Status publish(const std::vector<Outgoing>& records, const std::string& group,
                         const std::string& topic, const std::vector<Position>& read) = 0;
};

struct ProducerOptions {
  std::string brokers;
  std::vector<std::pair<std::string, std::string>> properties;  // See property().
  std::string name;  // transactional.id: one at a time in the whole cluster.
};

class Client {
 public:
  virtual ~Client() = default;
  // Begins to connect; a broker that isn't there is no error.
  virtual Result<std::unique_ptr<Consumer>> consumer(const ConsumerOptions& options) = 0;
  virtual Result<std::unique_ptr<Producer>> producer(const ProducerOptions& options) = 0;
};

// The real one (librdkafka). Threads exist only while a consumer does.
std::unique_ptr<Client> make_client(Log& log);

// The properties that may be set, by Kafka's names. Everything else decides over files, memory or
// what is read, and is not for whoever writes a definition.
struct Property {
  std::string_view name;
  bool secret = false;  // Its value is never written down, only where it is to be found.
  bool pem = false;     // A text of several lines; it may come from a file.
};
const Property* property(std::string_view name);  // Null: may not be set.
std::string property_names();                     // For messages.

}  // namespace slip::kafka
