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

// Pool work that may still touch the server; its end waits for them.
class JobCount {
 public:
  void add() {
    const sys::Lock lock(mutex_);
    ++n_;
  }
  void remove() {
    const sys::Lock lock(mutex_);
    if (--n_ == 0) none_.notify_all();
  }
  void wait() {
    sys::Lock lock(mutex_);
    while (n_ > 0) none_.wait(lock);
  }

 private:
  sys::Mutex mutex_;
  sys::CondVar none_;
  int64_t n_ = 0;
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
  std::atomic<size_t> connections{0};
  JobCount jobs;
};

}  // namespace slip::http
