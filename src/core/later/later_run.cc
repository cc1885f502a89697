#include <algorithm>
#include <atomic>

#include "base/budget.h"
#include "base/text.h"
#include "codec/hash.h"
#include "codec/json.h"
#include "core/later/later.h"
#include "core/later/later_store.h"
#include "core/later/message.h"
#include "core/ledger/ledger.h"
#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/log.h"
#include "sys/rng.h"

// The work: claims, attempts, what comes of them.
namespace slip::later {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kIdleMs = 1'000;
constexpr int64_t kNotReadyMs = 20;
constexpr int64_t kNoRoomMs = 1'000;
constexpr int64_t kRowsAtOnce = 500;
constexpr size_t kTurnsKept = 10'000;
constexpr size_t kErrorBytesMax = 1'000;
constexpr int kRecordTries = 3;

std::string told(const Error& e) {
  std::string out = concat({e.reason, ": ", e.text}).substr(0, kErrorBytesMax);
  while (!out.empty() && !is_utf8(out)) out.pop_back();
  std::replace(out.begin(), out.end(), '\0', ' ');
  return out;
}

}  // namespace

struct Later::Claim {
  Job job;  // As it is since it was taken.
  std::string token;
  std::shared_ptr<std::atomic<bool>> cancel = std::make_shared<std::atomic<bool>>(false);
};

void Later::start(int runners, Run run) {
  CHECK(tasks_.empty());
  if (runners <= 0) return;
  {
    const sys::Lock lock(mutex_);
    stopping_ = false;
  }
  for (int i = 0; i < runners; ++i)
    tasks_.push_back(
        deps_.executor.spawn("later" + std::to_string(i), [this, run] { run_loop(run); }));
  tasks_.push_back(deps_.executor.spawn("later.lease", [this] { heartbeat_loop(); }));
  on_ = true;
}

void Later::stop() {
  on_ = false;
  {
    const sys::Lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  ended_.notify_all();
  running_.with([](auto& all) {
    for (auto& [token, one] : all) one.cancel->store(true);
  });
  for (const std::unique_ptr<Task>& task : tasks_) task->join();
  tasks_.clear();
}

// The tenant whose last turn is the longest ago; of those who had none, whoever waits the longest.
std::optional<sql::Due> Later::choose(std::vector<sql::Due> due) {
  if (due.empty()) return std::nullopt;
  return turns_.with([&](auto& turns) {
    const auto key = [](const sql::Due& d) { return concat({d.project, "\n", d.actor_uid}); };
    const auto last = [&](const sql::Due& d) {
      const auto at = turns.find(key(d));
      return at == turns.end() ? 0 : at->second;
    };
    auto best = due.begin();
    for (auto it = due.begin(); it != due.end(); ++it)
      if (last(*it) < last(*best) || (last(*it) == last(*best) && it->uid < best->uid)) best = it;
    if (turns.size() > kTurnsKept) turns.clear();
    turns[key(*best)] = ++turn_;
    return std::optional<sql::Due>(std::move(*best));
  });
}

Result<bool> Later::claim(Claim* claim) {
  std::vector<sql::Due> all;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    all = TRY(sql::due(tx, deps_.clock.now_ms()));
    return {};
  }));
  const std::optional<sql::Due> due = choose(std::move(all));
  if (!due) return false;
  claim->token = new_uuid7(deps_.clock, deps_.rng).text();
  bool got = false;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    const int64_t now_ms = deps_.clock.now_ms();
    got = TRY(sql::take(tx, *due, {claim->token, now_ms + kLeaseMs}, now_ms));
    if (!got) return {};
    std::optional<Job> job = TRY(sql::find(tx, due->project, due->uid));
    CHECK(job);
    claim->job = *std::move(job);
    return {};
  }));
  if (!got) claim->token.clear();  // Another was faster: look again.
  return true;
}

Result<Asked> Later::load(const Claim& claim) {
  sql::Request kept;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    kept = TRY(sql::request_of(tx, claim.job));
    return {};
  }));
  Asked out;
  out.method = claim.job.method;
  out.target = claim.job.target;
  out.headers = TRY(decode_head(kept.head)).headers;
  out.body = std::move(kept.body.inside);
  if (!kept.body.digest.empty())
    out.body =
        TRY(deps_.blobs.get(TRY(codec::parse_sha256(kept.body.digest)), claim.job.body_bytes));
  return out;
}

// `begun`: it reached whoever answers.
Answer Later::attempt(const Claim& claim, const Run& run, bool* begun) {
  Answer none;
  none.transient = true;
  const auto room = deps_.budget.reserve(Share::kJobs, claim.job.body_bytes);
  if (!room.ok()) {
    none.body = told(room.error());
    return none;
  }
  const Result<Asked> asked = load(claim);
  *begun = true;
  if (!asked.ok()) {
    none.body = told(asked.error());
    return none;
  }
  Ctx ctx;
  ctx.actor_uid = claim.job.actor_uid;
  ctx.actor_kind = claim.job.actor_kind;
  ctx.credential = claim.job.credential;
  ctx.project.text = claim.job.project;
  ctx.request_id = claim.job.uid;
  ctx.trace_id = claim.job.trace_id;
  ctx.deadline_ns = deps_.clock.steady_ns() + kRunMs * kNsPerMs;
  ctx.cancel = claim.cancel;
  if (options_.give_rights) options_.give_rights(&ctx);
  return run(ctx, *asked);
}

int64_t Later::backoff_ms(int64_t attempts) {
  int64_t wait = kBackoffFirstMs;
  for (int64_t i = 1; i < attempts && wait < kBackoffMaxMs; ++i) wait *= kBackoffFactor;
  wait = std::min(wait, kBackoffMaxMs);
  return wait - wait / 5 + static_cast<int64_t>(deps_.rng.uniform() * double(wait) * 0.4);
}

Result<bool> Later::run_one(const Run& run) {
  Claim claim;
  if (!TRY(this->claim(&claim))) return false;
  if (claim.token.empty()) return true;
  running_.with(
      [&](auto& all) { all[claim.token] = {claim.job.project, claim.job.uid, claim.cancel}; });
  bool begun = false;
  Answer answer = attempt(claim, run, &begun);
  const Status kept = finish(claim, std::move(answer), begun);
  running_.with([&](auto& all) { all.erase(claim.token); });
  TRY(kept);
  return true;
}

Status Later::finish(const Claim& claim, Answer answer, bool begun) {
  bool stopping = false;
  {
    const sys::Lock lock(mutex_);
    stopping = stopping_;
  }
  sql::Outcome out;
  Job& job = out.job;
  job = claim.job;
  const int64_t now_ms = deps_.clock.now_ms();
  if (answer.status == 0) {  // Nobody answered; the body says why.
    job.error = std::move(answer.body);
  } else if (answer.status >= 400) {
    job.error = concat({"answered ", std::to_string(answer.status)});
  }
  const bool given_back = !begun || (stopping && answer.transient);
  if (given_back || (answer.transient && job.attempts < kAttemptsMax)) {
    job.state = State::kQueued;
    job.next_ms = now_ms;
    if (!begun) job.next_ms += kNoRoomMs;
    if (given_back)
      --job.attempts;
    else
      job.next_ms += backoff_ms(job.attempts);
    if (TRY(record(out, claim)) && !given_back) ++retried_;
    return {};
  }
  job.state = answer.status != 0 && answer.status < 400 ? State::kDone : State::kFailed;
  job.ended_ms = now_ms;
  job.expires_ms = now_ms + options_.kept_ms;
  job.status = answer.status;
  out.forgets_request = job.state == State::kDone;
  if (answer.status != 0) {
    out.answer_head = encode_head({answer.content_type, answer.headers});
    job.answer_bytes = static_cast<int64_t>(answer.body.size());
    if (job.answer_bytes <= kBodyInlineBytes)
      out.answer.inside = std::move(answer.body);
    else
      out.answer.digest = TRY(deps_.blobs.put(answer.body)).hex();
  }
  if (!TRY(record(out, claim)))
    return {};  // Cancelled, or taken for dead: this answer is nobody's.
  ++(job.state == State::kDone ? done_ : failed_);
  tell_waiting();
  return {};
}

// A write whose reply is lost may have happened: then the next one finds that the lease is gone.
Result<bool> Later::record(const sql::Outcome& outcome, const Claim& claim) {
  bool won = false;
  for (int i = 0;; ++i) {
    const Status written = deps_.db.write([&](store::Tx& tx) -> Status {
      won = TRY(sql::settle(tx, outcome, claim.token));
      if (won && has_ended(outcome.job.state)) TRY(announce(tx, outcome.job));
      return {};
    });
    if (written.ok()) return won;
    if (written.error().code != Code::kUnavailable || i + 1 == kRecordTries) return written.error();
  }
}

// For webhooks, and for whoever reads the ledger.
Status Later::announce(store::Tx& tx, const Job& job) {
  Ctx ctx;
  ctx.actor_uid = job.actor_uid;
  ctx.actor_kind = job.actor_kind;
  ctx.project.text = job.project;
  ctx.request_id = job.uid;
  ctx.trace_id = job.trace_id;
  ledger::Draft draft;
  draft.verb = concat({"async.", state_name(job.state)});
  draft.subject.kind = "async";
  draft.subject.uid = job.uid;
  draft.subject.name = job.target;
  draft.body = codec::Json::object({{"id", job.uid},
                                    {"state", state_name(job.state)},
                                    {"status", job.status},
                                    {"attempts", job.attempts},
                                    {"result", concat({"/v2/async/", job.uid, "/result"})}});
  return deps_.ledger.append(tx, ctx, draft);
}

Status Later::heartbeat() {
  std::vector<std::string> tokens;
  running_.with([&](auto& all) {
    for (const auto& [token, one] : all) tokens.push_back(token);
  });
  if (tokens.empty()) return {};
  return deps_.db.write([&](store::Tx& tx) -> Status {
    const int64_t until_ms = deps_.clock.now_ms() + kLeaseMs;
    for (const std::string& token : tokens) TRY(sql::extend(tx, token, until_ms));
    return {};
  });
}

// An attempt that ended with its process counts: a request that kills processes ends as failed.
Status Later::requeue_lapsed(int64_t now_ms) {
  std::vector<Job> lapsed;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    lapsed = TRY(sql::lapsed(tx, now_ms));
    return {};
  }));
  for (Job job : lapsed) {
    job.error = "async.lost: the process that answered it ended";
    const int64_t real_ms = deps_.clock.now_ms();
    job.state = job.attempts < kAttemptsMax ? State::kQueued : State::kFailed;
    job.next_ms = real_ms;
    if (job.state == State::kFailed) {
      job.ended_ms = real_ms;
      job.expires_ms = real_ms + options_.kept_ms;
    }
    bool mine = false;
    TRY(deps_.db.write([&](store::Tx& tx) -> Status {
      mine = TRY(sql::take_back(tx, job, now_ms));
      if (mine && job.state == State::kFailed) TRY(announce(tx, job));
      return {};
    }));
    if (!mine) continue;
    ++(job.state == State::kFailed ? failed_ : retried_);
    deps_.log.warn("asynchronous request was lost by its process",
                   {{"request", std::string_view(job.uid)}, {"attempts", job.attempts}});
  }
  if (!lapsed.empty()) wake_.notify_all();
  return {};
}

Status Later::adopt() { return requeue_lapsed(INT64_MAX); }

Status Later::tend() {
  TRY(requeue_lapsed(deps_.clock.now_ms()));
  for (int64_t n = kRowsAtOnce; n == kRowsAtOnce;)
    TRY(deps_.db.write([&](store::Tx& tx) -> Status {
      n = TRY(sql::expire(tx, deps_.clock.now_ms(), kRowsAtOnce));
      return {};
    }));
  for (int64_t n = kRowsAtOnce; n == kRowsAtOnce;)
    TRY(deps_.db.write([&](store::Tx& tx) -> Status {
      n = TRY(sql::remove_expired(tx, deps_.clock.now_ms(), kRowsAtOnce));
      return {};
    }));
  return {};
}

void Later::run_loop(const Run& run) {
  uint64_t seen = 0;
  for (;;) {
    {
      const sys::Lock lock(mutex_);
      if (stopping_) return;
      seen = pokes_;
    }
    const bool ready = !options_.ready || options_.ready();
    const Result<bool> ran = ready ? run_one(run) : Result<bool>(false);
    if (!ran.ok())
      deps_.log.warn("asynchronous request", {{"reason", std::string_view(ran.error().reason)},
                                              {"error", std::string_view(ran.error().text)}});
    if (ran.ok() && *ran) continue;
    sys::Lock lock(mutex_);
    const int64_t deadline_ns =
        deps_.clock.steady_ns() + (ready ? kIdleMs : kNotReadyMs) * kNsPerMs;
    while (!stopping_ && pokes_ == seen)
      if (!wake_.wait_until(lock, deadline_ns)) break;
  }
}

void Later::heartbeat_loop() {
  for (;;) {
    {
      sys::Lock lock(mutex_);
      const int64_t deadline_ns = deps_.clock.steady_ns() + kHeartbeatMs * kNsPerMs;
      while (!stopping_)
        if (!wake_.wait_until(lock, deadline_ns)) break;
      if (stopping_) return;
    }
    for (const Status& did : {heartbeat(), tend()})
      if (!did.ok())
        deps_.log.warn("asynchronous requests", {{"reason", std::string_view(did.error().reason)},
                                                 {"error", std::string_view(did.error().text)}});
  }
}

}  // namespace slip::later
