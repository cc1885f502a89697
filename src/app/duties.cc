#include "app/world.h"
#include "base/text.h"
#include "sys/clock.h"
#include "sys/log.h"

namespace slip::app {
namespace {

constexpr int64_t kAuthRefreshMs = 300;  // Revocation reaches every node in < 1 s.
constexpr int64_t kFlushUsedMs = 30'000;
constexpr int64_t kFlushCountedMs = 10'000;
constexpr int64_t kFoldMs = 100;
constexpr int64_t kNumberMs = 20;
constexpr int64_t kFollowMs = 50;
constexpr int64_t kArchiveMs = 300'000;
constexpr int64_t kTidyMs = 600'000;
constexpr int64_t kExpireUploadsMs = 600'000;
constexpr int64_t kSweepMs = int64_t{6} * 3'600'000;
constexpr int64_t kSweepGraceUs = int64_t{24} * 3'600'000'000;
constexpr int64_t kRequestsMs = 60'000;
constexpr int64_t kScanMs = 1'000;
constexpr int64_t kScanEventsAtOnce = 200;
constexpr int64_t kWebhooksMs = 200;
constexpr int64_t kFeaturesMs = 5'000;
constexpr int64_t kRedisMs = 500;
constexpr int64_t kFeaturesRetainMs = 3'600'000;
constexpr int64_t kStreamsMs = 1'000;
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
        concerned = concerned || e.verb.starts_with("model") || e.verb.starts_with("stage.") ||
                    e.verb.starts_with("deployment") || e.verb.starts_with("canary") ||
                    e.verb.starts_with("feature_definition");
      if (events.empty()) break;
      seen_ = events.back().seq;
    }
    if (concerned) {
      TRY(w_.serving->refresh(ctx));
      if (w_.health) w_.health->refresh();
    }
    seen_ = head;
    return {};
  }

 private:
  World& w_;
  int64_t seen_ = -1;
};

// What guards of ended canaries remember, in steps of their own.
Status forget_draws(World& w) {
  for (int64_t n = 1; n > 0;)
    TRY(w.db->write([&](store::Tx& tx) -> Status {
      n = TRY(w.guard->forget_draws(tx));
      return {};
    }));
  return {};
}

// The monitor reads what is closed first: a segment that it has not read stays in the log.
Status archive_predictions(World& w, const Ctx& ctx) {
  TRY(w.predictions->rotate());
  int64_t closed = 0;
  for (const store::LogSegment& s : w.predictions->segments())
    if (s.closed) closed = s.number;
  while (TRY(w.monitor->segment_in_progress()) <= closed && TRY(w.monitor->ingest(ctx))) {}
  TRY(w.archive->compact(TRY(w.monitor->segment_in_progress())));
  return {};
}

// Removes blobs that nothing refers to. The fence is a day old: whatever has been put since then
// may still be on its way to its first reference.
Status sweep_blobs(World& w) {
  const int64_t fence_us = w.sys.clock.now_us() - kSweepGraceUs;
  const auto mark = [&](const std::function<void(const store::Digest&)>& keep) {
    return mark_blobs(w, keep);
  };
  const store::SweepResult swept = TRY(w.blobs->sweep(fence_us, mark));
  if (swept.blobs_removed > 0)
    w.sys.log.info("blobs swept",
                   {{"removed", swept.blobs_removed}, {"freed_bytes", swept.bytes_freed}});
  return {};
}

// Each version that is registered is scanned by a job of its own: the job exists once its event has
// been read, and a crash in the middle makes it start again.
Status enqueue_scans(World& w) {
  const auto on_event = [&](store::Tx& tx, const ledger::Event& e) -> Status {
    if (e.verb != "model_version.created" || e.after_digest.empty()) return {};
    Ctx ctx;
    ctx.project.text = e.project;
    const codec::Json what =
        codec::Json::object({{"model", e.subject.name}, {"version", e.subject.version}});
    TRY(w.jobs->enqueue(tx, ctx, "model.scan", what, e.subject.uid));
    return {};
  };
  bool any = false;
  while (TRY(w.ledger->consume("model.scan", kScanEventsAtOnce, on_event))) any = true;
  if (any) w.jobs->poke();
  return {};
}

Result<jobs::Next> scan_version(World& w, const Ctx& ctx, const jobs::Work& work) {
  const std::string model = TRY(codec::want_string(work.payload, "model"));
  const auto version = parse_int(TRY(codec::want_string(work.payload, "version")));
  const Result<registry::Registry::Scan> scanned =
      w.registry->scan(ctx, model, version.value_or(0));
  // Renamed, deleted or without files: nothing to scan any more. A gate scans what it needs itself.
  if (scanned.ok() || scanned.error().code == Code::kNotFound) return jobs::done();
  return scanned.error();
}

// The outbox is filled and what is due handed to the pool: sending waits for others.
Status run_webhooks(World& w) {
  while (TRY(w.webhooks->collect())) {}
  for (notify::Due& due : TRY(w.webhooks->claim())) {
    const Status queued = w.webhook_pool->submit([&w, due = std::move(due)] {
      const Result<bool> taken = w.webhooks->attempt(due);
      if (!taken) {
        w.sys.log.warn("webhook attempt not recorded",
                       {{"webhook", std::string_view(due.delivery.webhook_uid)},
                        {"error", std::string_view(taken.error().text)}});
        return;
      }
      w.jobs->poke("webhooks");  // The next for the same receiver.
    });
    TRY(queued);  // What was claimed comes back when its lease ends.
  }
  return {};
}

}  // namespace

void add_duties(World& w) {
  jobs::Jobs& jobs = *w.jobs;
  jobs.every(
      "serving.follow", kFollowMs,
      [follower = std::make_shared<Follower>(w)](const Ctx& ctx) { return follower->run(ctx); });
  jobs.add_kind(
      {.name = "model.scan",
       .step = [&w](const Ctx& ctx, const jobs::Work& work) { return scan_version(w, ctx, work); },
       .attempts_max = 5,
       .lease_ms = 600'000});
  jobs.every("model.scans", kScanMs, [&w](const Ctx&) { return enqueue_scans(w); });
  jobs.every("registry.requests", kRequestsMs, [&w](const Ctx& ctx) -> Status {
    TRY(w.governance->expire(ctx));
    TRY(w.governance->check_plans(ctx));
    return {};
  });
  jobs.every("monitor.ingest", kIngestMs, [&w](const Ctx& ctx) -> Status {
    for (int64_t i = 0; i < kIngestStepsAtOnce && TRY(w.monitor->ingest(ctx)); ++i) {}
    return {};
  });
  jobs.every("predictions.archive", kArchiveMs,
             [&w](const Ctx& ctx) { return archive_predictions(w, ctx); });
  jobs.every("monitor.expire", kTidyMs, [&w](const Ctx& ctx) -> Status {
    const int64_t n = TRY(w.monitor->expire(ctx));
    if (n > 0) w.sys.log.info("prediction rows expired", {{"rows", n}});
    return {};
  });
  jobs.every("webhooks", kWebhooksMs, [&w](const Ctx&) { return run_webhooks(w); });
  jobs.every("webhooks.tidy", kTidyMs, [&w](const Ctx&) -> Status {
    while (TRY(w.webhooks->tidy()) == store::kWriteRowsMax) {}
    return {};
  });
  jobs.every("rollout.forget", kTidyMs, [&w](const Ctx&) { return forget_draws(w); });
  jobs.every("artifacts.expire_uploads", kExpireUploadsMs, [&w](const Ctx&) -> Status {
    TRY(w.tracking->uploads.expire());
    return {};
  });
  add_purging(w);
  jobs.every("blobs.sweep", kSweepMs, [&w](const Ctx&) { return sweep_blobs(w); });
  jobs.every("features.retain", kFeaturesRetainMs, [&w](const Ctx&) -> Status {
    TRY(w.features->retain());
    return {};
  });
  if (w.redis)
    jobs.every("features.redis", kRedisMs, [&w](const Ctx&) { return w.redis->mirror().tend(); });
  jobs.every("features.tidy", kFeaturesMs, [&w](const Ctx&) { return w.features->tidy(); });
  jobs.every("features.streams", kStreamsMs, [&w](const Ctx&) { return w.streams->reconcile(); });
  jobs.every("score.streams", kStreamsMs,
             [&w](const Ctx&) { return w.score_streams->reconcile(); });
  jobs.every("events.live", wire::native::kPumpMs, [&w](const Ctx&) { return w.live->pump(); });
  jobs.every("auth.flush_used", kFlushUsedMs,
             [&w](const Ctx&) { return w.auth->flush_last_used(); });
  jobs.every("metrics.fold", kFoldMs,
             [&w](const Ctx&) { return w.tracking->pending.fold_when_due(); });
  jobs.every("ledger.counted", kFlushCountedMs, [&w](const Ctx&) -> Status {
    TRY(w.tracking->pending.settle_all());
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
