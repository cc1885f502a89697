#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "http/origin.h"
#include "http/router.h"
#include "http/server.h"
#include "http/tls.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/sync.h"

// What all loops of one server share. Private to http/.
namespace slip::http {

// How many of something are still there, and a way to wait until none is. Any thread.
class Tally {
 public:
  void add() {
    const sys::Lock lock(mutex_);
    ++n_;
  }
  void remove() {
    const sys::Lock lock(mutex_);
    if (--n_ == 0) none_.notify_all();
  }
  size_t size() const {
    const sys::Lock lock(mutex_);
    return n_;
  }
  // Until none is left, or until `deadline_ns` (steady).
  void wait_none(int64_t deadline_ns) {
    sys::Lock lock(mutex_);
    while (n_ > 0 && none_.wait_until(lock, deadline_ns)) {}
  }

 private:
  mutable sys::Mutex mutex_;
  sys::CondVar none_;
  size_t n_ = 0;
};

struct Shared {
  Shared(ServerParts parts_, ServerOptions options_, Router router_)
      : parts(parts_),
        options(std::move(options_)),
        router(std::move(router_)),
        hosts(options.host, options.hosts, options.origins) {}

  ServerParts parts;
  ServerOptions options;
  Router router;
  HostPolicy hosts;
  std::unique_ptr<TlsContext> tls;  // Null: plain.
  std::atomic<bool> draining{false};
  Tally connections;
  Tally jobs;  // Pool work that may still touch the server.
};

}  // namespace slip::http
