#include "app/world.h"
#include "sys/clock.h"
#include "sys/log.h"

namespace slip::app {
namespace {

constexpr int64_t kAuthRefreshMs = 300;  // Revocation reaches every node in < 1 s.
constexpr int64_t kFlushUsedMs = 30'000;
constexpr int64_t kFlushCountedMs = 10'000;
constexpr int64_t kNumberMs = 20;
constexpr int64_t kFollowMs = 50;
constexpr int64_t kArchiveMs = 300'000;
constexpr int64_t kSweepMs = int64_t{6} * 3'600'000;
constexpr int64_t kSweepGraceUs = int64_t{24} * 3'600'000'000;
constexpr int64_t kIngestMs = 100;
constexpr int64_t kIngestStepsAtOnce = 200;

// Deployments follow aliases and stages: looks at what the ledger tells of models since last time,
// and in any case once a start, when the routing table is empty.
class Follower {
 public:
  explicit Follower(World& w) : w_(w) {}

  Status run(const Ctx& ctx) {
    const int64_t head = TRY(w_.ledger->last_seq());
    if (head == seen_) return {};
    bool concerned = seen_ < 0;
    while (seen_ >= 0 && seen_ < head && !concerned) {
      ledger::Filter filter;
      filter.after_seq = seen_;
      filter.limit = ledger::kListMax;
      const std::vector<ledger::Event> events = TRY(w_.ledger->list(filter));
      for (const ledger::Event& e : events)
        concerned = concerned || e.verb.starts_with("model") || e.verb.starts_with("deployment") ||
                    e.verb.starts_with("canary");
      if (events.empty()) break;
      seen_ = events.back().seq;
    }
    if (concerned) TRY(w_.serving->refresh(ctx));
    seen_ = head;
    return {};
  }

 private:
  World& w_;
  int64_t seen_ = -1;
};

// Removes blobs that nothing refers to. The fence is a day old: whatever has been put since then
// may still be on its way to its first reference.
Status sweep_blobs(World& w) {
  const int64_t fence_us = w.sys.clock.now_us() - kSweepGraceUs;
  const auto mark = [&](const std::function<void(const store::Digest&)>& keep) -> Status {
    TRY(w.data->mark(keep));
    TRY(w.tracking->artifacts.mark(keep));
    TRY(w.registry->mark(keep));
    return w.archive->mark(keep);
  };
  const store::SweepResult swept = TRY(w.blobs->sweep(fence_us, mark));
  if (swept.blobs_removed > 0)
    w.sys.log.info("blobs swept",
                   {{"removed", swept.blobs_removed}, {"freed_bytes", swept.bytes_freed}});
  return {};
}

}  // namespace

void add_duties(World& w) {
  jobs::Jobs& jobs = *w.jobs;
  jobs.every(
      "serving.follow", kFollowMs,
      [follower = std::make_shared<Follower>(w)](const Ctx& ctx) { return follower->run(ctx); });
  jobs.every("monitor.ingest", kIngestMs, [&w](const Ctx& ctx) -> Status {
    for (int64_t i = 0; i < kIngestStepsAtOnce && TRY(w.monitor->ingest(ctx)); ++i) {}
    return {};
  });
  jobs.every("predictions.archive", kArchiveMs, [&w](const Ctx&) -> Status {
    TRY(w.predictions->rotate());
    TRY(w.archive->compact(TRY(w.monitor->segment_in_progress())));
    return {};
  });
  jobs.every("blobs.sweep", kSweepMs, [&w](const Ctx&) { return sweep_blobs(w); });
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
