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
#include "sys/tally.h"

// What all loops of one server share. Private to http/.
namespace slip::http {

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
  sys::Tally connections;
  sys::Tally jobs;  // Pool work that may still touch the server.
};

}  // namespace slip::http
