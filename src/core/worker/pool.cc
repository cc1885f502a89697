#include <algorithm>
#include <deque>

#include "base/text.h"
#include "codec/arrow_shape.h"
#include "core/worker/session.h"
#include "core/worker/strikes.h"
#include "core/worker/worker.h"
#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/log.h"
#include "sys/process.h"
#include "sys/sync.h"

namespace slip::worker {
namespace {

constexpr int64_t kFairMs = 1000;  // How long calls of another project may be preferred to one.
constexpr int64_t kRestartMinMs = 1000;
constexpr int64_t kRestartMaxMs = 60'000;

// A call as it waits and runs; its caller may have left.
struct Job {
  PythonFunction function;
  Definition definition;
  std::string rows;
  int64_t row_count = 0;
  std::string group;  // Whose workers may run it.
  bool start_only = false;
  int64_t queued_ns = 0;
  std::optional<Result<std::string>> answer;
};
using JobPtr = std::shared_ptr<Job>;

// One process at most, and the task that starts it, talks to it and stays: the process is bound to
// end with that thread.
struct Slot {
  std::unique_ptr<Task> task;
  JobPtr job;
  std::string group;
  bool running = false;
  int64_t used_ns = 0;
};

Error ending() { return unavailable("worker.unavailable", "the server is ending"); }

class Pool final : public Workers {
 public:
  Pool(const Deps& deps, Options options) : deps_(deps), options_(std::move(options)) {
    const auto cores = static_cast<size_t>(deps_.process.cpu_count());
    slots_.resize(std::clamp<size_t>(options_.count, 1, std::max<size_t>(1, cores)));
  }
  ~Pool() override {
    stop();
    for (Slot& slot : slots_) slot.task.reset();
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  Result<std::string> call(const Ctx& ctx, const PythonFunction& function,
                           std::string_view rows) override;
  Status warm(const Ctx& ctx) override;
  void stop() override {
    const sys::Lock lock(mutex_);
    stopping_.store(true);
    wake_.notify_all();
    done_.notify_all();
  }
  Level level() const override {
    const sys::Lock lock(mutex_);
    return level_;
  }
  Counters counters() const override {
    const sys::Lock lock(mutex_);
    Counters out = counters_;
    for (const Slot& slot : slots_) out.running += slot.running ? 1 : 0;
    return out;
  }

 private:
  Result<JobPtr> job_of(const Ctx& ctx, const PythonFunction& function, std::string_view rows);
  Result<std::string> wait_for(const JobPtr& job, int64_t deadline_ns);
  // Under the mutex.
  Status admit(const Job& job) const;
  void dispatch();
  std::deque<JobPtr>::iterator next_job();
  Slot* slot_for(const Job& job);
  static int fit(const Slot& slot, const Job& job);
  // Tasks of slots.
  void work(Slot& slot);
  Result<std::string> serve(std::unique_ptr<Session>& session, const Job& job);
  Status start(std::unique_ptr<Session>& session);
  Result<std::string> settle(const Job& job, Outcome outcome);

  const Deps deps_;
  const Options options_;
  std::atomic<bool> stopping_ = false;
  mutable sys::Mutex mutex_;
  sys::CondVar wake_;  // Slots have a job, or end.
  sys::CondVar done_;  // Jobs have an answer.
  std::vector<Slot> slots_;
  std::deque<JobPtr> queue_;
  Strikes strikes_;
  Level level_;
  Counters counters_;
  int start_failures_ = 0;
  int64_t no_start_until_ns_ = 0;
};

Result<JobPtr> Pool::job_of(const Ctx& ctx, const PythonFunction& function, std::string_view rows) {
  if (function.outputs.empty())
    return invalid("worker.function", function.name + ": promises no columns");
  if (function.source.empty() && function.pickle.empty())
    return invalid("worker.function", function.name + ": has neither source nor pickle");
  if (rows.size() > options_.request_bytes_max)
    return exhausted("worker.too_large",
                     concat({function.name, ": ", format_size(static_cast<int64_t>(rows.size())),
                             " of rows, at most ",
                             format_size(static_cast<int64_t>(options_.request_bytes_max))}));
  auto job = std::make_shared<Job>();
  const codec::ArrowShape shape = TRY(codec::arrow_shape(rows));
  job->function = function;
  job->definition = define(function);
  job->rows = rows;
  job->row_count = shape.rows;
  job->group = ctx.project.text;
  return job;
}

Result<std::string> Pool::call(const Ctx& ctx, const PythonFunction& function,
                               std::string_view rows) {
  if (options_.python == "off")
    return unsupported("worker.off", "functions in Python are turned off on this server");
  Result<JobPtr> job = job_of(ctx, function, rows);
  Result<std::string> out =
      job.ok() ? wait_for(*job, ctx.deadline_ns) : Result<std::string>(job.error());
  const sys::Lock lock(mutex_);
  ++counters_.calls[out.ok() ? "ok" : out.error().reason];
  return out;
}

Status Pool::warm(const Ctx& ctx) {
  if (options_.python == "off")
    return unsupported("worker.off", "functions in Python are turned off on this server");
  auto job = std::make_shared<Job>();
  job->group = ctx.project.text;
  job->start_only = true;
  TRY(wait_for(job, ctx.deadline_ns));
  return {};
}

Status Pool::admit(const Job& job) const {
  if (stopping_.load()) return ending();
  const int64_t now_ns = deps_.clock.steady_ns();
  Status good = strikes_.check(job.definition.digest, now_ns);
  if (!good.ok()) return std::move(good).error().within(job.function.name);
  const bool any = std::any_of(slots_.begin(), slots_.end(), [](auto& s) { return s.running; });
  if (!any && now_ns < no_start_until_ns_) return unavailable("worker.unavailable", level_.problem);
  if (queue_.size() >= options_.waiting_max)
    return exhausted("worker.busy", concat({job.function.name, ": ", std::to_string(queue_.size()),
                                            " calls are waiting for a worker"}));
  return {};
}

Result<std::string> Pool::wait_for(const JobPtr& job, int64_t deadline_ns) {
  sys::Lock lock(mutex_);
  TRY(admit(*job));
  job->queued_ns = deps_.clock.steady_ns();
  queue_.push_back(job);
  dispatch();
  bool late = false;
  while (!job->answer && !late && !stopping_.load()) late = !done_.wait_until(lock, deadline_ns);
  if (job->answer) return *job->answer;
  const bool waiting = std::erase(queue_, job) > 0;
  if (!late) return ending();
  return timed_out("worker.deadline",
                   concat({job->function.name,
                           waiting ? ": no worker was free in time" : ": no answer in time"}));
}

// 0: has it all; 1: must be started; 2: belongs to another project; 3: busy.
int Pool::fit(const Slot& slot, const Job& job) {
  if (slot.job) return 3;
  if (!slot.running) return 1;
  return slot.group == job.group ? 0 : 2;
}

Slot* Pool::slot_for(const Job& job) {
  const auto best = std::min_element(slots_.begin(), slots_.end(), [&](auto& a, auto& b) {
    return std::pair(fit(a, job), a.used_ns) < std::pair(fit(b, job), b.used_ns);
  });
  return fit(*best, job) == 3 ? nullptr : &*best;
}

// The first in the row; but one that needs no new process goes before, unless that lasts.
std::deque<JobPtr>::iterator Pool::next_job() {
  const int64_t waited_ns = deps_.clock.steady_ns() - queue_.front()->queued_ns;
  if (waited_ns >= kFairMs * 1'000'000) return queue_.begin();
  const auto ready = std::find_if(queue_.begin(), queue_.end(), [&](const JobPtr& job) {
    return std::any_of(slots_.begin(), slots_.end(), [&](auto& s) { return fit(s, *job) == 0; });
  });
  return ready == queue_.end() ? queue_.begin() : ready;
}

void Pool::dispatch() {
  while (!queue_.empty()) {
    const auto next = next_job();
    Slot* slot = slot_for(**next);
    if (slot == nullptr) return;
    slot->job = *next;
    queue_.erase(next);
    if (!slot->task) slot->task = deps_.executor.spawn("worker", [this, slot] { work(*slot); });
    wake_.notify_all();
  }
}

void Pool::work(Slot& slot) {
  std::unique_ptr<Session> session;
  const auto end_session = [&](sys::Lock& lock) {
    slot.running = false;
    slot.group.clear();
    lock.unlock();
    session.reset();
    lock.lock();
  };
  sys::Lock lock(mutex_);
  while (!stopping_.load()) {
    if (!slot.job) {
      const int64_t idle_ns = options_.idle_ms * 1'000'000;
      const bool woken = wake_.wait_until(lock, session ? slot.used_ns + idle_ns : INT64_MAX);
      if (!woken && session && !slot.job) end_session(lock);
      continue;
    }
    const JobPtr job = slot.job;
    if (session && slot.group != job->group) end_session(lock);
    lock.unlock();
    const int64_t begun_ns = deps_.clock.steady_ns();
    Result<std::string> answer = serve(session, *job);
    const int64_t now_ns = deps_.clock.steady_ns();
    lock.lock();
    counters_.busy_us += (now_ns - begun_ns) / 1000;
    slot.running = session != nullptr;
    slot.group = slot.running ? job->group : "";
    slot.used_ns = now_ns;
    slot.job.reset();
    job->answer = std::move(answer);
    done_.notify_all();
    dispatch();
  }
}

Status Pool::start(std::unique_ptr<Session>& session) {
  Level learnt;
  Result<std::unique_ptr<Session>> made = Session::start({deps_, options_, stopping_}, &learnt);
  const sys::Lock lock(mutex_);
  ++counters_.starts;
  level_ = std::move(learnt);
  if (made.ok()) {
    deps_.log.info("worker started", {{"python", std::string_view(level_.python)},
                                      {"confined", std::string_view(level_.text())}});
    start_failures_ = 0;
    no_start_until_ns_ = 0;
    session = std::move(*made);
    return {};
  }
  level_.problem = made.error().text;
  const int64_t wait_ms = std::min(kRestartMaxMs, kRestartMinMs << std::min(start_failures_, 10));
  ++start_failures_;
  no_start_until_ns_ = deps_.clock.steady_ns() + wait_ms * 1'000'000;
  deps_.log.warn("worker not started", {{"why", std::string_view(level_.problem)}});
  return made.error();
}

Result<std::string> Pool::serve(std::unique_ptr<Session>& session, const Job& job) {
  for (bool again = true;; again = false) {
    if (!session) TRY(start(session));
    if (job.start_only) return std::string();
    const int64_t deadline_ns = deps_.clock.steady_ns() + options_.call_ms * 1'000'000;
    Outcome outcome = session->run(job.definition, job.rows, deadline_ns);
    if (outcome.process != Outcome::Process::kAlive) session.reset();
    if (outcome.process == Outcome::Process::kUnread && again) continue;
    Result<std::string> answer = settle(job, std::move(outcome));
    // Python has looked at it before; what still isn't right was made so.
    if (answer.ok()) {
      Status good = check_answer(job.function, *answer, job.row_count);
      if (good.ok()) return answer;
      session.reset();
      return std::move(good).error().within(job.function.name);
    }
    return answer;
  }
}

Result<std::string> Pool::settle(const Job& job, Outcome outcome) {
  const sys::Lock lock(mutex_);
  const std::string& who = job.definition.digest;
  if (outcome.answer.ok()) {
    strikes_.answered(who);
    return std::move(outcome.answer);
  }
  Error error = std::move(outcome.answer).error();
  const bool killed = outcome.process == Outcome::Process::kKilled;
  if (killed || error.reason == "worker.memory") {
    strikes_.killed(who, error.text, deps_.clock.steady_ns());
    deps_.log.warn("worker ended", {{"function", std::string_view(job.function.name)},
                                    {"why", std::string_view(error.text)}});
  } else if (outcome.process != Outcome::Process::kUnread) {
    strikes_.answered(who);
  }
  return std::move(error).within(job.function.name);
}

}  // namespace

std::string Level::text() const {
  std::string holds;
  std::string lacks;
  for (const Part& part : parts) {
    std::string& into = part.holds ? holds : lacks;
    into += concat({into.empty() ? "" : ", ", part.name, " (", part.text, ")"});
  }
  return lacks.empty() ? holds : concat({holds, "; not: ", lacks});
}

std::unique_ptr<Workers> make_workers(const Deps& deps, Options options) {
  return std::make_unique<Pool>(deps, std::move(options));
}

}  // namespace slip::worker
