#include "core/later/later.h"

#include <algorithm>

#include "base/text.h"
#include "codec/hash.h"
#include "core/later/later_store.h"
#include "core/later/message.h"
#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/rng.h"

// What those who ask see of it; later_run.cc works on it.
namespace slip::later {
namespace {

constexpr int64_t kPollNs = 1'000'000'000;  // Another server may have answered.

Error no_request(std::string_view uid) {
  return not_found("async.not_found", concat({"no asynchronous request ", uid}));
}

bool is_stored_text(std::string_view text) { return is_utf8(text) && text.find('\0') == text.npos; }

Status check_asked(const Asked& asked) {
  size_t head = asked.target.size();
  for (const auto& [name, value] : asked.headers) head += name.size() + value.size();
  if (head > kHeadBytesMax)
    return invalid("async.too_large",
                   concat({"the headers of an asynchronous request have at most ",
                           format_size(static_cast<int64_t>(kHeadBytesMax))}));
  if (static_cast<int64_t>(asked.body.size()) > kBodyBytesMax)
    return invalid("async.too_large", concat({"the body of an asynchronous request has at most ",
                                              format_size(kBodyBytesMax)}));
  if (!is_stored_text(asked.target))
    return invalid("async.target", "the address of an asynchronous request must be UTF-8");
  return {};
}

}  // namespace

Later::Later(Deps deps, Options options) : deps_(deps), options_(std::move(options)) {}
Later::~Later() { stop(); }

bool Later::sees(const Ctx& ctx, const Job& job) const {
  return job.actor_uid == ctx.actor_uid || (options_.is_admin && options_.is_admin(ctx));
}

Result<Later::Accepted> Later::accept(const Ctx& ctx, const Asked& asked, const Key& key) {
  TRY(check_asked(asked));
  sql::NewJob made;
  Job& job = made.job;
  job.project = ctx.project.text;
  job.uid = new_uuid7(deps_.clock, deps_.rng).text();
  job.actor_uid = ctx.actor_uid;
  job.actor_kind = ctx.actor_kind;
  job.credential = ctx.credential;
  job.trace_id = ctx.trace_id;
  job.method = asked.method;
  job.target = asked.target;
  job.body_bytes = static_cast<int64_t>(asked.body.size());
  made.key = key.text.empty() ? concat({" ", job.uid}) : key.text;  // No client's key has a blank.
  made.fingerprint = key.fingerprint;
  std::optional<sql::Known> known;
  sql::Waiting waiting;
  // A look before the write: the limit may be passed by as many as come at one moment.
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    known = TRY(sql::find_key(tx, job, made.key));
    if (!known) waiting = TRY(sql::waiting(tx, job.project, job.actor_uid));
    return {};
  }));
  const int64_t own_max = std::max<int64_t>(1, options_.queue_max - options_.queue_max / 10);
  if (waiting.all >= options_.queue_max || waiting.own >= own_max ||
      waiting.bytes + job.body_bytes > options_.queue_bytes_max)
    return exhausted("async.queue_full", "too many asynchronous requests wait");
  if (!known) {
    made.head = encode_head({"", asked.headers});
    if (job.body_bytes <= kBodyInlineBytes)
      made.body.inside = asked.body;
    else
      made.body.digest = TRY(deps_.blobs.put(asked.body)).hex();
    TRY(deps_.db.write([&](store::Tx& tx) -> Status {
      known = TRY(sql::find_key(tx, job, made.key));
      if (known) return {};
      job.created_ms = job.next_ms = deps_.clock.now_ms();
      job.expires_ms = job.created_ms + options_.kept_ms;
      return sql::insert(tx, made);
    }));
  }
  if (known && known->fingerprint != made.fingerprint)
    return conflict("idempotency.key_reused", "the Idempotency-Key was used for another request");
  if (known) return Accepted{std::move(known->job), true};
  {
    const sys::Lock lock(mutex_);
    ++pokes_;
  }
  wake_.notify_all();
  return Accepted{std::move(job), false};
}

Result<Job> Later::find_in(store::Tx& tx, const Ctx& ctx, const std::string& uid) const {
  std::optional<Job> found = TRY(sql::find(tx, ctx.project.text, uid));
  if (!found || !sees(ctx, *found)) return no_request(uid);
  return *std::move(found);
}

Result<Job> Later::find(const Ctx& ctx, const std::string& uid) {
  Job out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(find_in(tx, ctx, uid));
    return {};
  }));
  return out;
}

Result<Later::Outcome> Later::outcome(const Ctx& ctx, const std::string& uid) {
  Outcome out;
  sql::Answered kept;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out.job = TRY(find_in(tx, ctx, uid));
    kept = {};
    if (out.job.status != 0) kept = TRY(sql::answer_of(tx, out.job));
    return {};
  }));
  if (kept.head.empty()) return out;
  Head head = TRY(decode_head(kept.head));
  Answer answer;
  answer.status = static_cast<int>(out.job.status);
  answer.content_type = std::move(head.first);
  answer.headers = std::move(head.headers);
  answer.body = std::move(kept.body.inside);
  if (!kept.body.digest.empty())
    answer.body =
        TRY(deps_.blobs.get(TRY(codec::parse_sha256(kept.body.digest)), out.job.answer_bytes));
  out.answer = std::move(answer);
  return out;
}

Result<Job> Later::wait(const Ctx& ctx, const std::string& uid, int64_t deadline_ns) {
  for (;;) {
    uint64_t seen = 0;
    {
      const sys::Lock lock(mutex_);
      seen = ends_;
    }
    Job now = TRY(find(ctx, uid));
    const int64_t now_ns = deps_.clock.steady_ns();
    if (has_ended(now.state) || now_ns >= deadline_ns || ctx.cancelled()) return now;
    sys::Lock lock(mutex_);
    const int64_t until_ns = std::min(deadline_ns, now_ns + kPollNs);
    while (ends_ == seen && !stopping_)
      if (!ended_.wait_until(lock, until_ns)) break;
    if (stopping_) return now;
  }
}

void Later::tell_waiting() {
  {
    const sys::Lock lock(mutex_);
    ++ends_;
  }
  ended_.notify_all();
}

Result<Job> Later::cancel(const Ctx& ctx, const std::string& uid) {
  Job out;
  bool cancelled = false;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    cancelled = false;
    out = TRY(find_in(tx, ctx, uid));
    if (out.state == State::kCancelled) return {};
    if (has_ended(out.state))
      return conflict("async.has_ended", concat({"the request is ", state_name(out.state)}));
    out.ended_ms = deps_.clock.now_ms();
    out.expires_ms = out.ended_ms + options_.kept_ms;
    cancelled = TRY(sql::cancel(tx, out));
    out.state = State::kCancelled;
    return {};
  }));
  if (!cancelled) return out;
  // Who runs it has lost the lease; told so, it ends sooner.
  running_.with([&](auto& all) {
    for (auto& [token, one] : all)
      if (one.uid == uid && one.project == out.project) one.cancel->store(true);
  });
  tell_waiting();
  return out;
}

Result<Job> Later::retry(const Ctx& ctx, const std::string& uid) {
  Job out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    out = TRY(find_in(tx, ctx, uid));
    const int64_t now_ms = deps_.clock.now_ms();
    out.expires_ms = now_ms + options_.kept_ms;
    if (!TRY(sql::requeue(tx, out, now_ms)))
      return conflict("async.not_failed",
                      concat({"the request is ", state_name(out.state), ", it hasn't failed"}));
    out = TRY(find_in(tx, ctx, uid));
    return {};
  }));
  {
    const sys::Lock lock(mutex_);
    ++pokes_;
  }
  wake_.notify_all();
  return out;
}

Result<std::vector<Job>> Later::list(const Ctx& ctx, const Query& query) {
  if (query.everybodys && !(options_.is_admin && options_.is_admin(ctx)))
    return forbidden("async.forbidden", "others' requests are an administrator's to see");
  sql::Query q;
  q.project = ctx.project.text;
  if (!query.everybodys) q.actor_uid = ctx.actor_uid;
  q.state = query.state;
  q.before = query.before;
  q.limit = std::clamp<int64_t>(query.limit, 1, kListMax);
  std::vector<Job> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(sql::list(tx, q));
    return {};
  }));
  return out;
}

Result<Later::Stats> Later::stats() {
  sql::Counts counts;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    counts = TRY(sql::counts(tx));
    return {};
  }));
  Stats out;
  out.queued = counts.queued;
  out.running = counts.running;
  if (counts.oldest_ms > 0)
    out.oldest_ms = std::max<int64_t>(0, deps_.clock.now_ms() - counts.oldest_ms);
  out.done = done_;
  out.failed = failed_;
  out.retried = retried_;
  return out;
}

Status Later::each_blob(const std::function<void(const store::Digest&)>& tell) {
  std::vector<std::string> all;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    all.clear();
    return sql::each_digest(tx, [&](std::string_view digest) { all.emplace_back(digest); });
  }));
  for (const std::string& digest : all) tell(TRY(codec::parse_sha256(digest)));
  return {};
}

}  // namespace slip::later
