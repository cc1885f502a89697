#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "core/ledger/ledger.h"
#include "http/event_stream.h"
#include "http/route.h"
#include "sys/sync.h"

// GET /events: the ledger as server-sent events that say which of a client's queries are stale.
// A duty calls pump() each kPumpMs; with no listeners it costs nothing. Any thread.
namespace slip::wire::native {

inline constexpr int64_t kPumpMs = 100;
inline constexpr size_t kListenersMax = 1000;
inline constexpr int64_t kPumpEventsMax = 500;

class LiveFeed {
 public:
  explicit LiveFeed(ledger::Ledger& ledger) : ledger_(ledger) {}

  // Events of the caller's project that it may read, after `after_seq`; nullopt: from now on.
  // kExhausted `events.listeners_full`.
  Result<std::shared_ptr<http::EventStream>> listen(const Ctx& ctx,
                                                    std::optional<int64_t> after_seq);
  Status pump();
  void close();  // Ends all streams, for a drain.
  size_t listeners() const;

 private:
  struct Listener {
    std::shared_ptr<http::EventStream> stream;
    std::string project;
    std::shared_ptr<const store::Caller> caller;
    int64_t seq = 0;
  };
  ledger::Ledger& ledger_;
  sys::Guarded<std::vector<Listener>> listeners_;
};

// {"type":"invalidate","key":["models","fraud"],"rev":seq}
std::string invalidate_json(const ledger::Event& event);

struct LiveApp {
  LiveFeed& feed;
  std::function<void()> wake;  // Makes the duty run now.
};
std::vector<http::Route> live_routes(LiveApp app);

}  // namespace slip::wire::native
