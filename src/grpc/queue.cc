#include <algorithm>
#include <utility>

#include "grpc/core.h"
#include "sys/clock.h"

namespace slip::grpc {
namespace {

constexpr size_t kSpareMax = 256;

thread_local Queue* t_queue = nullptr;

// The moment that every wait for it has already reached.
gpr_timespec long_ago() { return gpr_inf_past(GPR_CLOCK_REALTIME); }

}  // namespace

Queue* current_queue() { return t_queue; }

bool at_turn_end(std::function<void()> fn) {
  if (!t_queue) return false;
  t_queue->at_turn_end(std::move(fn));
  return true;
}

Queue::Queue(Shared& shared_, std::unique_ptr<::grpc::ServerCompletionQueue> cq_)
    : shared(shared_), cq(std::move(cq_)) {}

Queue::~Queue() = default;

void Queue::arm() {
  std::shared_ptr<Call> call;
  if (!spare_.empty()) {
    call = std::move(spare_.back());
    spare_.pop_back();
  } else {
    call = std::make_shared<Call>(*this);
  }
  Call& armed = *call;
  armed.arm(std::move(call));
}

void Queue::retire(std::shared_ptr<Call> call) {
  live.erase(call.get());
  // One that another thread still holds is not for use again.
  if (call.use_count() == 1 && spare_.size() < kSpareMax) spare_.push_back(std::move(call));
}

void Queue::post(std::function<void()> job) {
  posted_.with([&](Posted& p) {
    if (p.closed) return;
    p.jobs.push_back(std::move(job));
    if (p.jobs.size() == 1) alarm_.Set(cq.get(), gpr_time_0(GPR_CLOCK_REALTIME), &posted_tag_);
  });
}

void Queue::run_posted() {
  const auto jobs = posted_.with([](Posted& p) { return std::exchange(p.jobs, {}); });
  for (const auto& job : jobs) job();
}

void Queue::close() {
  posted_.with([&](Posted& p) {
    p.closed = true;
    ticker_.Cancel();
    cq->Shutdown();
  });
}

void Queue::await_tick() {
  if (std::exchange(ticking_, true)) return;
  const int64_t pause_ms = std::clamp<int64_t>(shared.options.stall_ms / 4, 10, 1000);
  posted_.with([&](const Posted& p) {
    if (p.closed) return;
    ticker_.Set(
        cq.get(),
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(pause_ms, GPR_TIMESPAN)),
        &tick_tag_);
  });
}

void Queue::tick() {
  ticking_ = false;
  const int64_t now_ns = shared.parts.clock.steady_ns();
  for (Call* call : live) call->look_at_stall(now_ns);
  if (!live.empty()) await_tick();
}

void Queue::at_turn_end(std::function<void()> job) { turn_jobs_.push_back(std::move(job)); }

void Queue::end_turn() {
  std::swap(turn_jobs_, ending_);
  for (const auto& job : ending_) job();
  ending_.clear();
}

void Queue::run() {
  t_queue = this;
  Clock& clock = shared.parts.clock;
  int64_t turn_began_ns = 0;
  while (true) {
    void* came = nullptr;
    bool ok = false;
    if (turn_jobs_.empty()) {
      if (!cq->Next(&came, &ok)) break;
      turn_began_ns = clock.steady_ns();
    } else {
      const auto next = cq->AsyncNext(&came, &ok, long_ago());
      if (next != ::grpc::CompletionQueue::GOT_EVENT) {
        end_turn();
        if (next == ::grpc::CompletionQueue::SHUTDOWN && turn_jobs_.empty()) break;
        continue;
      }
    }
    const Tag tag = *static_cast<const Tag*>(came);
    if (came == &tick_tag_) {
      tick();
    } else if (tag.call == nullptr) {
      run_posted();
    } else {
      tag.call->on(tag.op, ok);
    }
    if (!turn_jobs_.empty() && clock.steady_ns() - turn_began_ns > kTurnNsMax) end_turn();
  }
  spare_.clear();
  t_queue = nullptr;
}

}  // namespace slip::grpc
