#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/budget.h"
#include "base/result.h"
#include "http/gate.h"
#include "http/probe.h"
#include "http/replays.h"
#include "http/route.h"
#include "store/blobs.h"
#include "sys/executor.h"
#include "sys/rng.h"

namespace slip {
class Clock;
class Fs;
class Log;
}  // namespace slip

// The HTTP/1.1 server: one event loop a core, all rows of all wires behind it. A request goes:
// head → target, Host, Origin → row → gate → body → handler → reply; what refuses earlier answers
// before later steps have cost anything. Inline handlers run on the loop's thread, blocking ones on
// the pool; no pool thread ever waits for a socket, no loop ever waits for a disk.
namespace slip::http {

struct Timeouts {
  int64_t head_ms = 10'000;      // From the first byte of a head to its last.
  int64_t idle_ms = 75'000;      // Between requests.
  int64_t stall_ms = 10'000;     // A body or a reply must move kProgressBytes in this time.
  int64_t linger_ms = 2'000;     // After the last reply on a connection that has unread input.
  int64_t handler_ms = 120'000;  // Ctx::deadline_ns.
  int64_t heartbeat_ms = 15'000;
};
inline constexpr int64_t kProgressBytes = 4 << 10;
inline constexpr int64_t kGzipBytesMin = 1 << 10;
inline constexpr int64_t kLingerBytesMax = 16 << 20;

struct ServerOptions {
  std::string host = "127.0.0.1";  // An address, or "localhost".
  uint16_t port = 7070;            // 0: any free one.
  int threads = 1;
  Timeouts timeouts = {};
  size_t connections_max = 10'000;
  std::vector<std::string> hosts = {};  // See http/origin.h.
  std::vector<std::string> origins = {};
  std::string prefix = {};           // See http/target.h.
  std::string tls_certificate = {};  // PEM, leaf first; both or none.
  std::string tls_key = {};          // PEM.
  bool access_log = false;
  int spin_us = 0;            // Poll this long before sleeping; burns a core for latency.
  bool manual_ticks = false;  // Tests: timeouts are looked at only by Server::tick().
};

struct ServerParts {
  Executor& executor;
  Clock& clock;
  Rng& rng;
  Log& log;
  Pool& pool;
  Budget& budget;
  Gate& gate;
  Probe* probe = nullptr;
  store::Blobs* blobs = nullptr;  // Needed when a row spools.
  Replays* replays = nullptr;     // Without it, `Idempotency-Key` is ignored.
  Pool* waiting_pool = nullptr;   // For Route::waits_for_others; null: they run on `pool`.
};

class Server {
 public:
  // kInvalid `routes.invalid` names the rows; kConflict `http.port_in_use`; kInvalid `http.bind`,
  // `http.prefix`, `tls.certificate`. Serves when it returns.
  static Result<std::unique_ptr<Server>> start(ServerParts parts, std::vector<Route> rows,
                                               ServerOptions options);
  ~Server();  // drain(0)
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  uint16_t port() const;
  const std::vector<Route>& rows() const;
  // Accepts nothing more, closes what is idle, lets requests in flight finish for up to
  // `patience_ms`, cuts the rest, and waits for handlers that still run on the pool.
  void drain(int64_t patience_ms);
  size_t connections() const;
  void tick();  // Looks at all timeouts now; returns when every loop has.

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// On a loop's thread: runs `fn` once everything that is ready now has been handled, so that many
// requests of one turn can share a write. False on any other thread (nothing was taken).
bool at_turn_end(std::function<void()> fn);

}  // namespace slip::http
