#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sys/sync.h"

namespace slip {
class Clock;
class Net;
}  // namespace slip

// A client of one Redis server (RESP2; the replies are read by hiredis) over sys::Net: many
// commands go in one piece, their replies come in one piece. Connections are kept, at most
// `connections` of them; who finds all of them busy waits. While nobody answers, calls fail at once
// and a new connection is tried after a pause that grows.
//
// Invariant: run() gives as many replies as there were commands, or fails; none of them is an
// error, unless it says of one key that it is of another type, and whoever asks can do with that.
// After a failure nobody knows which commands were executed: what is sent must bear repetition, and
// run() repeats it once itself when a kept connection turns out to be closed. With `ordered` the
// server is told to forget what a lost connection had still to say, before the next one speaks.
// Any thread.
//
// Errors: kUnavailable `redis.unavailable` (nobody answers, in time), `redis.refused` (an error
// reply, of whatever kind), `redis.protocol`; kInvalid `redis.url`. Passwords are in none of them.
namespace slip::store {

inline constexpr size_t kRedisReplyBytesMax = size_t{1} << 30;  // Of one run().

struct RedisUrl {
  bool tls = false;
  std::string host;
  uint16_t port = 6379;
  std::string user;  // "": Redis's default user.
  std::string password;
  int64_t db = 0;
  std::string shown() const;  // "redis://host:6379/0": who is let in is left out.
};
// redis://[[user]:password@]host[:port][/db]; rediss:// over TLS. User and password
// percent-encoded.
Result<RedisUrl> parse_redis_url(std::string_view url);

struct RedisReply {
  enum class Kind : uint8_t { kNil, kText, kInteger, kList, kError };
  Kind kind = Kind::kNil;
  int64_t integer = 0;
  std::string text;
  std::vector<RedisReply> items;
  bool is_nil() const { return kind == Kind::kNil; }
  bool is_error() const { return kind == Kind::kError; }
};

// Commands on their way, as RESP. Values; one thread.
class RedisCommands {
 public:
  void add(std::span<const std::string_view> words);
  void add(std::initializer_list<std::string_view> words) {
    add(std::span<const std::string_view>(words.begin(), words.size()));
  }
  size_t size() const { return count_; }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
  size_t count_ = 0;
};

class Redis {
 public:
  struct Deps {
    Net& net;  // Of rediss://: one that speaks TLS.
    Clock& clock;
  };
  struct Options {
    RedisUrl url = {};
    int64_t timeout_ms = 1000;  // Of connecting and of each exchange.
    size_t connections = 8;
    bool ordered = false;
  };
  Redis(Deps deps, Options options);
  ~Redis();

  enum class Types : uint8_t { kRight, kAny };
  Result<std::vector<RedisReply>> run(const RedisCommands& commands, Types types = Types::kRight);
  // The last attempt failed, and it is too early for the next one.
  bool pausing() const;
  const RedisUrl& url() const { return options_.url; }

  struct Counts {
    std::atomic<int64_t> connects{0};
    std::atomic<int64_t> failures{0};
  };
  const Counts& counts() const { return counts_; }

 private:
  class Link;
  Result<std::unique_ptr<Link>> borrow(bool* kept);
  void give_back(std::unique_ptr<Link> link);
  void lost(const Link* link, bool kept);
  Result<std::unique_ptr<Link>> dial();
  Status greet(Link& link);
  Error unreachable(const Error& why) const;

  const Deps deps_;
  const Options options_;
  mutable sys::Mutex mutex_;
  sys::CondVar freed_;
  std::vector<std::unique_ptr<Link>> idle_;
  size_t open_ = 0;  // Idle or in use.
  int64_t pause_ms_ = 0;
  int64_t paused_until_ns_ = INT64_MIN;
  std::vector<int64_t> orphans_;  // Connections whose commands may still lie before the server.
  Counts counts_;
};

}  // namespace slip::store
