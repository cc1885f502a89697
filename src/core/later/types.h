#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The nouns of requests that are answered later, as plain values, and their limits.
namespace slip::later {

inline constexpr int64_t kBodyInlineBytes = 64 << 10;  // Larger ones lie among the blobs.
inline constexpr int64_t kBodyBytesMax = 64 << 20;
inline constexpr size_t kHeadBytesMax = 32 << 10;  // Headers, together.
inline constexpr int64_t kAttemptsMax = 5;
inline constexpr int64_t kBackoffFirstMs = 1'000;
inline constexpr int64_t kBackoffFactor = 4;
inline constexpr int64_t kBackoffMaxMs = 300'000;
// Whoever holds a request for longer without a sign has died.
inline constexpr int64_t kLeaseMs = 30'000;
inline constexpr int64_t kHeartbeatMs = 5'000;
inline constexpr int64_t kRunMs = 900'000;  // What one attempt may take.
// So long it is known of a request that it has ended, once its answer has gone.
inline constexpr int64_t kRememberedMs = int64_t{7} * 24 * 3'600'000;
inline constexpr int64_t kListMax = 1'000;

using Headers = std::vector<std::pair<std::string, std::string>>;

// A request as it came in; bytes that this module doesn't read.
struct Asked {
  std::string method;
  std::string target;  // Within the project.
  Headers headers;
  std::string body;
};

struct Answer {
  int status = 0;
  std::string content_type;
  Headers headers;
  std::string body;
  bool transient = false;  // Another attempt may do better.
};

enum class State : uint8_t {
  kQueued,
  kRunning,
  kDone,       // Answered.
  kFailed,     // Refused, or all attempts failed: a dead letter.
  kCancelled,  // By whoever asked.
  kExpired,    // Its answer has gone, or it waited too long for one.
};
std::string_view state_name(State state);
std::optional<State> parse_state(std::string_view name);
constexpr bool has_ended(State state) { return state > State::kRunning; }

struct Job {
  std::string project;
  std::string uid;
  std::string actor_uid;
  std::string actor_kind;
  std::string credential;
  std::string trace_id;
  std::string method;
  std::string target;
  State state = State::kQueued;
  int64_t attempts = 0;
  int64_t next_ms = 0;  // Queued: not before.
  int64_t created_ms = 0;
  int64_t started_ms = 0;  // Of the last attempt; 0: none yet.
  int64_t ended_ms = 0;    // 0: not yet.
  int64_t expires_ms = 0;  // When its answer goes, or it itself when none has come.
  int64_t body_bytes = 0;
  int64_t status = 0;  // Of the answer; 0: there is none.
  int64_t answer_bytes = 0;
  std::string error;  // Of the last attempt that failed.
};

}  // namespace slip::later
