#include "core/jobs/jobs.h"

#include <algorithm>

#include "base/text.h"
#include "core/jobs/jobs_store.h"
#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/log.h"
#include "sys/rng.h"

namespace slip::jobs {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kPurgeEveryMs = 3'600'000;
constexpr size_t kErrorBytesMax = 1000;

Ctx system_ctx(std::string_view project) {
  Ctx ctx;
  ctx.actor_uid = "system";
  ctx.actor_kind = "system";
  ctx.project.text = project;
  return ctx;
}

}  // namespace

struct Jobs::Duty {
  std::string name;
  int64_t period_ms = 0;
  std::function<Status(const Ctx&)> run;
  uint64_t pokes = 0;
};

struct Jobs::Claim {
  sql::JobRow row;
  sql::Lease lease;
  const Kind* kind = nullptr;
};

Jobs::Jobs(Deps deps) : deps_(deps) {
  every("jobs.purge", kPurgeEveryMs, [this](const Ctx&) { return purge(); });
}

Jobs::~Jobs() { stop(); }

void Jobs::add_kind(Kind kind) {
  CHECK(tasks_.empty());
  CHECK(kind.step && !kind.name.empty());
  std::string name = kind.name;
  const bool added = kinds_.emplace(std::move(name), std::move(kind)).second;
  CHECK(added);
}

void Jobs::every(std::string name, int64_t period_ms, std::function<Status(const Ctx&)> duty) {
  CHECK(tasks_.empty());
  duties_.push_back(std::make_unique<Duty>(Duty{std::move(name), period_ms, std::move(duty), 0}));
}

Result<std::string> Jobs::enqueue(store::Tx& tx, const Ctx& ctx, std::string_view kind,
                                  const codec::Json& payload, std::string_view key) {
  sql::JobRow row;
  row.project = ctx.project.text;
  row.kind = kind;
  row.payload = codec::to_json(payload);
  if (row.payload.size() > kPayloadBytesMax)
    return invalid("job.payload_too_large",
                   "a job's payload has at most " + format_size(int64_t{kPayloadBytesMax}));
  row.uid = key.empty() ? new_uuid7(deps_.clock, deps_.rng).text() : concat({kind, ":", key});
  TRY(sql::put(tx, row, deps_.clock.now_ms()));
  return row.uid;
}

void Jobs::start(int runners) {
  CHECK(tasks_.empty());
  {
    const sys::Lock lock(mutex_);
    stopping_ = false;
  }
  for (int i = 0; i < runners; ++i)
    tasks_.push_back(deps_.executor.spawn("job" + std::to_string(i), [this] { run_loop(); }));
  for (const std::unique_ptr<Duty>& duty : duties_)
    tasks_.push_back(
        deps_.executor.spawn(duty->name.substr(0, 15), [this, &duty = *duty] { duty_loop(duty); }));
}

void Jobs::stop() {
  {
    const sys::Lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (const std::unique_ptr<Task>& task : tasks_) task->join();
  tasks_.clear();
}

void Jobs::poke() {
  {
    const sys::Lock lock(mutex_);
    ++pokes_;
  }
  wake_.notify_all();
}

void Jobs::poke(std::string_view duty) {
  {
    const sys::Lock lock(mutex_);
    for (const std::unique_ptr<Duty>& d : duties_)
      if (d->name == duty) ++d->pokes;
  }
  wake_.notify_all();
}

Result<bool> Jobs::claim(Claim* claim) {
  std::vector<std::string> kinds;
  for (const auto& [name, kind] : kinds_) kinds.push_back(name);
  std::optional<sql::JobRow> due;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    due = TRY(sql::due(tx, kinds, deps_.clock.now_ms()));
    return {};
  }));
  if (!due) return false;
  claim->lease.token = new_uuid7(deps_.clock, deps_.rng).text();
  bool got = false;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    const int64_t now_ms = deps_.clock.now_ms();
    got = false;
    due = TRY(sql::due(tx, kinds, now_ms));
    if (!due) return {};
    claim->kind = &kinds_.find(due->kind)->second;
    claim->lease.until_ms = now_ms + claim->kind->lease_ms;
    got = TRY(sql::take(tx, *due, claim->lease, now_ms)) == 1;
    return {};
  }));
  if (!got) return false;
  claim->row = std::move(*due);
  return true;
}

int64_t Jobs::backoff_ms(int64_t attempts) {
  int64_t wait = kBackoffFirstMs;
  for (int64_t i = 1; i < attempts && wait < kBackoffMaxMs; ++i) wait *= 2;
  wait = std::min(wait, kBackoffMaxMs);
  return wait - wait / 5 + static_cast<int64_t>(deps_.rng.uniform() * double(wait) * 0.4);
}

Status Jobs::finish(const Claim& claim, const Result<Next>& outcome) {
  const int64_t now_ms = deps_.clock.now_ms();
  sql::Record record{.state = "ready",
                     .cursor = claim.row.cursor,
                     .attempts = 0,
                     .next_run_ms = now_ms,
                     .error = ""};
  if (outcome.ok()) {
    record.cursor = outcome->cursor;
    if (outcome->what == Next::What::kDone) record.state = "done";
    if (outcome->what == Next::What::kLater) record.next_run_ms += outcome->delay_ms;
  } else {
    const Error& e = outcome.error();
    record.attempts = claim.row.attempts + 1;
    record.error = concat({e.reason, ": ", e.text}).substr(0, kErrorBytesMax);
    if (record.attempts >= claim.kind->attempts_max)
      record.state = "failed";
    else
      record.next_run_ms += backoff_ms(record.attempts);
    deps_.log.warn("job step failed", {{"kind", std::string_view(claim.row.kind)},
                                       {"job", std::string_view(claim.row.uid)},
                                       {"attempt", record.attempts},
                                       {"error", std::string_view(record.error)}});
  }
  return deps_.db.write([&](store::Tx& tx) -> Status {
    if (TRY(sql::record(tx, claim.row, claim.lease.token, record, now_ms)) == 0)
      return conflict("job.lease_lost", "the step took longer than its lease");
    return {};
  });
}

Result<bool> Jobs::run_one() {
  Claim claim;
  if (!TRY(this->claim(&claim))) return false;
  Work work;
  work.project = claim.row.project;
  work.uid = claim.row.uid;
  work.kind = claim.row.kind;
  work.cursor = claim.row.cursor;
  work.attempt = claim.row.attempts + 1;
  Result<codec::Json> payload = codec::parse_json(claim.row.payload, codec::NonFinite::kString);
  if (!payload.ok()) {
    TRY(finish(claim, Result<Next>(std::move(payload).error())));
    return true;
  }
  work.payload = std::move(*payload);
  Ctx ctx = system_ctx(work.project);
  ctx.request_id = work.uid;
  TRY(finish(claim, claim.kind->step(ctx, work)));
  return true;
}

void Jobs::run_loop() {
  uint64_t seen = 0;
  for (;;) {
    const Result<bool> ran = run_one();
    if (!ran.ok())
      deps_.log.warn("job runner", {{"reason", std::string_view(ran.error().reason)},
                                    {"error", std::string_view(ran.error().text)}});
    sys::Lock lock(mutex_);
    if (stopping_) return;
    if (ran.ok() && *ran) continue;
    const int64_t deadline = deps_.clock.steady_ns() + kIdlePollMs * kNsPerMs;
    while (!stopping_ && pokes_ == seen)
      if (!wake_.wait_until(lock, deadline)) break;
    if (stopping_) return;
    seen = pokes_;
  }
}

void Jobs::duty_loop(Duty& duty) {
  uint64_t seen = 0;
  for (;;) {
    const Status status = duty.run(system_ctx(kDefaultProject));
    if (!status.ok())
      deps_.log.warn("duty failed", {{"duty", std::string_view(duty.name)},
                                     {"reason", std::string_view(status.error().reason)},
                                     {"error", std::string_view(status.error().text)}});
    sys::Lock lock(mutex_);
    const int64_t deadline = deps_.clock.steady_ns() + duty.period_ms * kNsPerMs;
    while (!stopping_ && duty.pokes == seen)
      if (!wake_.wait_until(lock, deadline)) break;
    if (stopping_) return;
    seen = duty.pokes;
  }
}

Result<std::vector<Info>> Jobs::list(const Ctx& ctx, std::string_view after_uid, int64_t limit) {
  std::vector<Info> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(sql::list(tx, ctx.project.text, after_uid, limit));
    return {};
  }));
  return out;
}

Status Jobs::purge() {
  const int64_t before_ms = deps_.clock.now_ms() - kDoneKeptMs;
  int64_t n = 0;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    n = TRY(sql::purge(tx, before_ms, 500));
    return {};
  }));
  return {};
}

}  // namespace slip::jobs
