#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/route.h"
#include "store/db.h"
#include "sys/ctx.h"

namespace slip {
class Clock;
}

// `Idempotency-Key`: a client that never saw the answer to a write sends the write again with the
// same key and gets the first answer, not a second effect. A key belongs to a caller in a project
// and to one request (method, target, body); it is kept for a day. Only whole replies below 500
// are kept: after a failure the key is free again. Any thread, but it uses the database: pool only.
//
// Errors: kConflict `idempotency.in_progress` (with Retry-After) while the first is still running,
// kInvalid `idempotency.key_reused` for another request, kInvalid `idempotency.key`.
namespace slip::http {

inline constexpr size_t kIdempotencyKeyBytesMax = 255;
inline constexpr int64_t kReplayBodyBytesMax = 256 << 10;  // Larger replies aren't kept.
inline constexpr int64_t kReplayKeptMs = 24 * 3600 * 1000;
// A first attempt that has not ended by then (a crash) no longer blocks its key.
inline constexpr int64_t kReplayRunningMs = 150'000;

struct KeptReply {
  int status = 200;
  std::string content_type;
  std::string body;
};

class Replays {
 public:
  struct Key {
    std::string_view text;         // Of the header.
    std::string_view fingerprint;  // Of the request.
  };
  virtual ~Replays() = default;
  // Nothing: this is the first, go on and end with keep() or forget().
  virtual Result<std::optional<KeptReply>> begin(const Ctx& ctx, const Key& key) = 0;
  virtual Status keep(const Ctx& ctx, const Key& key, const KeptReply& reply) = 0;
  virtual Status forget(const Ctx& ctx, const Key& key) = 0;
};

std::span<const store::Migration> replay_migrations();
std::unique_ptr<Replays> make_replays(store::Db& db, Clock& clock);

// Printable ASCII without blanks, not too long.
Status check_idempotency_key(std::string_view key);

}  // namespace slip::http
