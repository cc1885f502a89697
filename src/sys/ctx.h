#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "base/id.h"

// Travels with one request or one job step, always the first parameter: on whose behalf, in which
// project, until when. Cheap to copy.
namespace slip {

namespace store {
class Caller;
}

struct Ctx {
  std::string actor_uid = "local";   // Principal that the ledger names.
  std::string actor_kind = "local";  // "user", "service", "local", "system"
  std::string credential;            // Id of the token that was shown; empty when none was.
  Project project = {kDefaultProject};
  std::string request_id;
  std::string trace_id;                       // W3C, 32 hex digits; empty when untraced.
  int64_t deadline_ns = INT64_MAX;            // Steady clock.
  std::shared_ptr<std::atomic<bool>> cancel;  // Set when the client has gone; may be null.
  // What it may read and own (store/caller.h); null: everything.
  std::shared_ptr<const store::Caller> caller;

  bool cancelled() const { return cancel && cancel->load(std::memory_order_relaxed); }
};

}  // namespace slip
