#include "app/world.h"

namespace slip::app {
namespace {

constexpr int64_t kAuthRefreshMs = 300;  // Revocation reaches every node in < 1 s.
constexpr int64_t kFlushUsedMs = 30'000;
constexpr int64_t kFlushCountedMs = 10'000;
constexpr int64_t kNumberMs = 20;

}  // namespace

void add_duties(World& w) {
  jobs::Jobs& jobs = *w.jobs;
  jobs.every("events.live", wire::native::kPumpMs, [&w](const Ctx&) { return w.live->pump(); });
  jobs.every("auth.flush_used", kFlushUsedMs,
             [&w](const Ctx&) { return w.auth->flush_last_used(); });
  jobs.every("ledger.counted", kFlushCountedMs, [&w](const Ctx&) -> Status {
    TRY(w.ledger->flush_counted());
    return {};
  });
  if (w.db->kind() == "sqlite") return;  // One process: nobody else changes or numbers anything.
  jobs.every("auth.refresh", kAuthRefreshMs, [&w](const Ctx&) -> Status {
    TRY(w.auth->refresh());
    return {};
  });
  jobs.every("ledger.number", kNumberMs, [&w](const Ctx&) -> Status {
    while (TRY(w.ledger->number_pending()) == ledger::kNumberedAtOnce) {}
    return {};
  });
}

}  // namespace slip::app
