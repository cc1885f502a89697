#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "features/redis_layout.h"

namespace slip {
class Fs;
}

// What a server remembers of the Redis that it writes: DIR/redis, a magic, a checksum and JSON. A
// value.
namespace slip::features {

struct RedisNote {
  std::string writer;          // 16 hex digits: this server. Made once.
  std::string target;          // Layout and address; with another one nothing below holds.
  int64_t cursor = -1;         // Rows up to there are in Redis. -1: unknown.
  int64_t generation = 0;      // Times that it was filled from nothing.
  int64_t flushes = 0;         // Number of the last flush that Redis has taken.
  int64_t flushes_from = 0;    // Flushes of this run of the server have greater numbers.
  int64_t removed = 0;         // No flush by which something had to go has a greater one.
  bool wipe = false;           // What lies there has to go, before it is filled again.
  std::set<std::string> seen;  // Other servers that write there,
  std::map<std::string, int64_t> counts;   // and the numbers of their flushes.
  std::set<std::string> claims;            // Keys of views whose windows are counted here.
  std::set<std::string> elsewhere;         // And elsewhere.
  std::map<std::string, RedisDrop> views;  // By uid: what goes once the view does.
  std::vector<RedisDrop> gone;             // And what has gone with views.
  std::set<std::string> asked;             // Others that are to write all again, or be forgotten.
  bool operator==(const RedisNote&) const = default;
};

// Nothing was written yet: an empty one. kCorrupt `feature.redis_note`.
Result<RedisNote> read_redis_note(Fs& fs, const std::string& dir);
Status write_redis_note(Fs& fs, const std::string& dir, const RedisNote& note);

}  // namespace slip::features
