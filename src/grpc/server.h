#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/budget.h"
#include "base/result.h"
#include "grpc/method.h"
#include "http/gate.h"
#include "sys/executor.h"
#include "sys/rng.h"

namespace slip {
class Clock;
class Log;
}  // namespace slip

// The gRPC server: one completion queue and one thread a core, all methods of all wires behind it.
// A call goes: method → row → room → gate → message → handler → reply; what refuses earlier answers
// before later steps have cost anything, so a stranger's message isn't even read. Inline handlers
// run on the queue's thread, blocking ones on the pool; no pool thread ever waits for a socket, no
// queue ever waits for a disk.
namespace slip::grpc {

struct Finished {
  const Method* method = nullptr;  // Null when no row has the name.
  int code = 0;                    // Numbers of google.rpc.Code.
  int64_t duration_ns = 0;
  int64_t bytes_in = 0;
  int64_t bytes_out = 0;
};
// Where the server reports each finished call; telemetry implements it. I/O threads: an
// implementation only counts.
class Probe {
 public:
  virtual ~Probe() = default;
  virtual void finished(const Ctx& ctx, const Finished& what) = 0;
};

inline constexpr size_t kCallsMax = 2'048;
inline constexpr size_t kStreamsMax = 512;
inline constexpr size_t kPublicPart = 4;  // Strangers get a quarter of each, at most.
inline constexpr size_t kMetadataBytesMax = 32 << 10;
inline constexpr int kStreamsPerConnectionMax = 1'024;

struct ServerOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 7071;  // 0: any free one.
  int threads = 1;
  int64_t message_bytes_max = 64 << 20;  // No row's limit is above this.
  size_t calls_max = kCallsMax;          // At once, streams included; more are kExhausted.
  size_t streams_max = kStreamsMax;
  int64_t handler_ms = 120'000;  // Ctx::deadline_ns, unless the client's comes first.
  int64_t stall_ms = 20'000;     // A message must come, a reply must leave, in this time
  int64_t bytes_per_second_min = 256 << 10;  // and that of its bytes at this rate.
  int64_t idle_ms = 600'000;                 // Of a connection without calls.
  std::string tls_certificate = {};  // PEM, leaf first; both or none; http::TlsContext took it.
  std::string tls_key = {};          // PEM.
  bool access_log = false;
};

struct ServerParts {
  Executor& executor;
  Clock& clock;
  Rng& rng;
  Log& log;
  Pool& pool;
  Budget& budget;
  http::Gate& gate;
  Probe* probe = nullptr;
};

class Server {
 public:
  // kInvalid `methods.invalid`; kConflict `grpc.port_in_use`. Serves when it returns.
  static Result<std::unique_ptr<Server>> start(ServerParts parts, std::vector<Method> rows,
                                               ServerOptions options);
  ~Server();  // drain(0)
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  uint16_t port() const;
  const std::vector<Method>& rows() const;
  // Accepts nothing more, ends streams that rest, lets calls in flight finish for up to
  // `patience_ms`, cancels the rest, and waits for handlers that still run.
  void drain(int64_t patience_ms);
  size_t calls() const;

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// On a queue's thread: runs `fn` once everything that is ready now has been handled, so that many
// calls of one turn can share a write. False on any other thread (nothing was taken).
bool at_turn_end(std::function<void()> fn);

}  // namespace slip::grpc
