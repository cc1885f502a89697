#include "serving/batcher.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/check.h"
#include "serving/batch_core_internal.h"
#include "sys/clock.h"
#include "sys/executor.h"

namespace slip::serving {
namespace {

constexpr int64_t kSeatsBytesMax = int64_t{4} << 20;  // Of one batch that is being made.
constexpr int64_t kCopyLockedBytes = 4096;            // Less is copied faster than a lock is taken.
constexpr size_t kShapesMax = 256;                    // Known at a time, besides those in use.
constexpr size_t kSeatedShapesMax = 8;                // That have tensors waiting for rows.
constexpr size_t kAnswerFirst = 4;                    // More answers than that: the next run first.
constexpr int64_t kPoolRetryNs = 1'000'000;

int64_t bytes_of(std::span<const Tensor> tensors) {
  size_t n = 0;
  for (const Tensor& t : tensors) n += t.data.size() + t.strings.size() * sizeof(std::string);
  return static_cast<int64_t>(n);
}

}  // namespace

// ---- Batcher

Batcher::Batcher(Deps deps, BatchSettings settings, BatchRun run)
    : core_(std::make_shared<Core>(deps, std::move(settings), std::move(run))) {}
Batcher::~Batcher() { core_->close(); }
void Batcher::submit(BatchRequest request) { core_->submit(std::move(request)); }
void Batcher::close() { core_->close(); }
void Batcher::drain(int64_t deadline_ns) { core_->drain(deadline_ns); }
BatchReport Batcher::report() const { return core_->report(); }

// ---- Core: what callers do

Batcher::Core::Core(Deps deps, BatchSettings settings, BatchRun run)
    : deps_(deps),
      run_(std::move(run)),
      inline_below_ns_(settings.inline_below_us * 1000),
      ordered_(settings.preserve_ordering),
      policy_(std::move(settings), [this](uint64_t id) {
        const auto it = pending_.find(id);
        return it == pending_.end() ||
               (it->second->request.cancelled && it->second->request.cancelled());
      }) {}

void Batcher::Core::submit(BatchRequest request) {
  CHECK(request.done);
  const Result<int64_t> rows = batch_rows(request.inputs);
  if (!rows.ok()) return request.done(rows.error(), {});
  sort_by_name(&request.inputs);
  std::vector<Answer> answers;
  Runs ready;
  PendingPtr mine;
  Seats* seats = nullptr;  // Where its rows are still to be copied to.
  bool here = false;
  {
    const sys::Lock lock(mutex_);
    mine = enroll(std::move(request), *rows);
    const BatchItem item = {.id = mine->id,
                            .shape = mine->shape->id,
                            .tenant = std::hash<std::string>{}(mine->request.tenant),
                            .rows = mine->rows,
                            .priority = mine->request.priority,
                            .deadline_ns = mine->request.deadline_ns,
                            .timeout_us = mine->request.timeout_us};
    BatchDecisions decisions;
    const bool seated = policy_.arrive(item, mine->arrived_ns, &decisions);
    apply(decisions, &answers, &ready);
    if (seated) seats = reserve(mine.get());
    if (seats != nullptr && bytes_of(mine->request.inputs) <= kCopyLockedBytes) {
      seats->slots.write(mine->slot, mine->request.inputs, 0, mine->rows);
      --seats->writers;
      seats = nullptr;
    }
    here = inline_below_ns_ > 0 && ready.size() == 1 &&
           policy_.cheaper_than(ready.front(), inline_below_ns_);
    set_alarm();
  }
  if (seats != nullptr) copy_rows(*mine, seats, &ready);
  deliver(std::move(answers));
  if (here && ready.size() == 1) ready = carry_out(ready.front());
  dispatch_all(ready);
}

void Batcher::Core::close() {
  std::vector<Answer> answers;
  Runs ready;
  {
    const sys::Lock lock(mutex_);
    BatchDecisions decisions;
    policy_.close(deps_.clock.steady_ns(), &decisions);
    apply(decisions, &answers, &ready);
    set_alarm();
  }
  deliver(std::move(answers));
  dispatch_all(ready);
}

void Batcher::Core::drain(int64_t deadline_ns) {
  close();
  std::vector<Answer> answers;
  Runs ready;
  {
    sys::Lock lock(mutex_);
    while (outstanding_ > 0 && none_left_.wait_until(lock, deadline_ns)) {}
    BatchDecisions decisions;
    policy_.refuse_waiting(deps_.clock.steady_ns(), &decisions);
    apply(decisions, &answers, &ready);
  }
  deliver(std::move(answers));
  dispatch_all(ready);
  sys::Lock lock(mutex_);
  while (outstanding_ > 0) none_left_.wait(lock);
}

BatchReport Batcher::Core::report() {
  const sys::Lock lock(mutex_);
  return policy_.report(deps_.clock.steady_ns());
}

// ---- the books (with the lock)

Batcher::Core::PendingPtr Batcher::Core::enroll(BatchRequest request, int64_t rows) {
  auto mine = std::make_shared<Pending>();
  mine->id = ++last_id_;
  mine->shape = shape_of(request.inputs);
  mine->request = std::move(request);
  mine->rows = mine->rows_left = rows;
  mine->arrived_ns = deps_.clock.steady_ns();
  pending_.emplace(mine->id, mine);
  if (ordered_) order_.emplace(mine->id, std::nullopt);
  ++outstanding_;
  return mine;
}

std::shared_ptr<Batcher::Core::Shape> Batcher::Core::shape_of(std::span<const Tensor> inputs) {
  std::string key = batch_shape_key(inputs);
  if (const auto it = shapes_.find(key); it != shapes_.end()) return it->second;
  if (shapes_.size() >= kShapesMax) {
    // Two owners: the two maps.
    std::erase_if(shapes_by_id_, [](const auto& s) { return s.second.use_count() == 2; });
    std::erase_if(shapes_, [](const auto& s) { return s.second.use_count() == 1; });
  }
  auto shape = std::make_shared<Shape>();
  shape->id = ++last_shape_;
  shape->slot_rows =
      std::min(policy_.settings().max_batch_size, BatchSlots::rows_within(inputs, kSeatsBytesMax));
  shapes_by_id_.emplace(shape->id, shape);
  return shapes_.emplace(std::move(key), shape).first->second;
}

// A range in the next batch of its shape for its rows, if there is room; to be written by the
// caller.
Batcher::Core::Seats* Batcher::Core::reserve(Pending* request) {
  Shape& shape = *request->shape;
  if (!shape.next) {
    const auto has_seats = [](const auto& s) { return s.second->next != nullptr; };
    if (shape.slot_rows < request->rows ||
        static_cast<size_t>(std::count_if(shapes_.begin(), shapes_.end(), has_seats)) >=
            kSeatedShapesMax)
      return nullptr;
    shape.next = shape.spare ? std::move(shape.spare)
                             : std::make_unique<Seats>(request->request.inputs, shape.slot_rows);
    shape.next->slots.reset();
    shape.next->number = ++last_seats_;
    shape.next->run = 0;
  }
  const std::optional<int64_t> slot = shape.next->slots.reserve(request->rows);
  if (!slot) return nullptr;
  request->seats = shape.next->number;
  request->slot = *slot;
  ++shape.next->writers;
  return shape.next.get();
}

void Batcher::Core::apply(const BatchDecisions& decisions, std::vector<Answer>* answers,
                          Runs* ready) {
  for (const auto& [id, why] : decisions.refused) settle(id, batch_refused(why), false, answers);
  for (const BatchLaunch& launch : decisions.launched) {
    Launched& l = launched_[launch.run];
    l.shape = shapes_by_id_.at(launch.shape);
    l.seats = std::move(l.shape->next);
    if (l.seats && l.seats->writers > 0)
      l.seats->run = launch.run;  // The last writer sends it off.
    else
      ready->push_back(launch.run);
  }
}

// A request has its answer: nothing else will be said to it.
void Batcher::Core::settle(uint64_t id, std::optional<Error> error, bool ran,
                           std::vector<Answer>* answers) {
  const auto it = pending_.find(id);
  if (it == pending_.end()) return;
  Answer answer{std::move(it->second), std::move(error)};
  pending_.erase(it);
  if (!ordered_) {
    answers->push_back(std::move(answer));
    return;
  }
  if (ran) {
    order_[id] = std::move(answer);
  } else {  // Says nothing of a result, so it need not wait for those before it.
    order_.erase(id);
    answers->push_back(std::move(answer));
  }
  while (!order_.empty() && order_.begin()->second) {
    in_order_.push_back(std::move(*order_.begin()->second));
    order_.erase(order_.begin());
  }
}

void Batcher::Core::set_alarm() {
  const int64_t wake_ns = policy_.wake_ns();
  if (wake_ns >= alarm_at_) return;
  alarm_at_ = wake_ns;
  deps_.alarm.call_at(wake_ns, [weak = weak_from_this()] {
    if (const std::shared_ptr<Core> core = weak.lock()) core->on_alarm();
  });
}

void Batcher::Core::begin(uint64_t run, Work* work, std::vector<Answer>* answers, Runs* ready) {
  work->run = run;
  work->begun_ns = deps_.clock.steady_ns();
  work->why = policy_.reason(run);
  Launched& launched = launched_.at(run);
  work->shape = std::move(launched.shape);
  work->seats = std::move(launched.seats);
  launched_.erase(run);
  BatchDecisions decisions;
  for (const BatchPart& part : policy_.start(run, work->begun_ns, &decisions)) {
    const PendingPtr& request = pending_.at(part.id);
    BatchTimes& times = request->times;
    if (times.batch_rows == 0) times.queue_ns = work->begun_ns - request->arrived_ns;
    const bool slotted = work->seats && request->seats == work->seats->number;
    work->parts.push_back({.request = request, .part = part, .slotted = slotted});
    work->rows += part.rows;
  }
  for (const Part& p : work->parts) {
    p.request->times.batch_rows = work->rows;
    p.request->times.reason = work->why;
  }
  apply(decisions, answers, ready);
}

// What the run came to, told to each of its requests.
void Batcher::Core::complete(Work* work, std::vector<Answer>* answers, Runs* ready) {
  const int64_t now_ns = deps_.clock.steady_ns();
  BatchStats::BySize& size = policy_.stats().by_size[work->rows];
  size.input_ns += work->ready_ns - work->begun_ns;
  size.infer_ns += work->done_ns - work->ready_ns;
  size.output_ns += now_ns - work->done_ns;
  for (size_t i = 0; i < work->parts.size(); ++i) {
    const Part& p = work->parts[i];
    Result<std::vector<Tensor>>& result = work->results[i];
    if (!pending_.contains(p.part.id)) continue;  // Refused between two of its pieces.
    BatchTimes& times = p.request->times;
    times.input_ns += work->ready_ns - work->begun_ns;
    times.infer_ns += work->done_ns - work->ready_ns;
    times.output_ns += now_ns - work->done_ns;
    if (!result.ok()) {
      const bool refused = result.error().reason == "batch.deadline";
      ++(refused ? policy_.stats().refused[static_cast<size_t>(BatchRefusal::kDeadline)]
                 : policy_.stats().failed);
      settle(p.part.id, std::move(result).error(), true, answers);
      BatchDecisions decisions;
      policy_.forget(p.part.id, now_ns, &decisions);
      apply(decisions, answers, ready);
      continue;
    }
    p.request->outputs.emplace(p.part.first_row, std::move(result).value());
    p.request->rows_left -= p.part.rows;
    if (p.request->rows_left == 0) settle(p.part.id, std::nullopt, true, answers);
  }
}

// ---- a run (without the lock)

// Nearly always everything is in its place already.
std::span<const Tensor> Batcher::Core::assemble(Work* work) {
  std::vector<Part>& parts = work->parts;
  const Part& first = parts.front();
  const std::vector<Tensor>& like = first.request->request.inputs;
  if (parts.size() == 1 && first.part.rows == first.request->rows) return like;
  if (!work->seats || work->rows > work->seats->slots.rows_max()) {
    work->seats = std::make_unique<Seats>(like, work->rows);
    for (Part& p : parts) p.slotted = false;
  }
  std::stable_sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) {
    if (!a.slotted || !b.slotted) return a.slotted && !b.slotted;
    return a.request->slot < b.request->slot;
  });
  BatchSlots& slots = work->seats->slots;
  int64_t at = 0;
  for (Part& p : parts) {
    p.at = at;
    at += p.part.rows;
    if (!p.slotted)
      slots.write(p.at, p.request->request.inputs, p.part.first_row, p.part.rows);
    else if (p.request->slot != p.at)
      slots.move(p.at, p.request->slot, p.part.rows);
  }
  return slots.close(work->rows);
}

void Batcher::Core::infer(Work* work) {
  const std::span<const Tensor> inputs = assemble(work);
  work->ready_ns = deps_.clock.steady_ns();
  Result<std::vector<Tensor>> result = run_(inputs);
  work->done_ns = deps_.clock.steady_ns();
  const bool whole =
      work->parts.size() == 1 && work->parts.front().part.rows == work->parts.front().request->rows;
  if (result.ok() && !whole)
    if (Status fits = check_outputs(*result, work->rows); !fits.ok()) result = fits.error();
  work->learns = result.ok();
  const bool divisible =
      !result.ok() && work->parts.size() > 1 &&
      (result.error().code == Code::kInvalid || result.error().reason == "batch.output");
  if (divisible) return infer_each(work);
  work->results.push_back(std::move(result));
}

// One of them may be to blame; the others shall not suffer for it.
void Batcher::Core::infer_each(Work* work) {
  for (const Part& p : work->parts) {
    if (p.part.deadline_ns <= deps_.clock.steady_ns()) {
      work->results.emplace_back(batch_refused(BatchRefusal::kDeadline));
      continue;
    }
    const std::vector<Tensor>& inputs = p.request->request.inputs;
    const bool whole = p.part.rows == p.request->rows;
    Result<std::vector<Tensor>> result =
        whole ? run_(inputs) : run_(slice_rows(inputs, p.part.first_row, p.part.rows));
    if (result.ok() && !whole)
      if (Status fits = check_outputs(*result, p.part.rows); !fits.ok()) result = fits.error();
    work->results.push_back(std::move(result));
  }
  work->done_ns = deps_.clock.steady_ns();
}

// A result for each part.
void Batcher::Core::divide(Work* work) {
  if (work->results.size() == work->parts.size()) return;
  const Result<std::vector<Tensor>> all = std::move(work->results.front());
  work->results.clear();
  for (const Part& p : work->parts) {
    if (all.ok())
      work->results.emplace_back(slice_rows(*all, p.at, p.part.rows));
    else
      work->results.emplace_back(all.error());
  }
}

Batcher::Core::Runs Batcher::Core::carry_out(uint64_t run) {
  Work work;
  std::vector<Answer> answers;
  Runs ready;
  {
    const sys::Lock lock(mutex_);
    begin(run, &work, &answers, &ready);
  }
  deliver(std::exchange(answers, {}));
  if (!work.parts.empty()) infer(&work);
  const bool retried = work.results.size() > 1;
  {
    const sys::Lock lock(mutex_);
    if (retried) policy_.stats().retried += static_cast<int64_t>(work.parts.size());
    BatchDecisions decisions;
    policy_.finish(run, deps_.clock.steady_ns(),
                   work.learns ? std::max<int64_t>(work.done_ns - work.ready_ns, 1) : 0,
                   &decisions);
    apply(decisions, &answers, &ready);
    set_alarm();
    if (work.seats && !work.shape->spare && shapes_.size() <= kSeatedShapesMax &&
        work.seats->slots.rows_max() == work.shape->slot_rows)
      work.shape->spare = std::move(work.seats);
  }
  Runs kept;
  for (const uint64_t next : ready)
    if ((kept.empty() && work.parts.size() <= kAnswerFirst) || !dispatch(next))
      kept.push_back(next);
  ready.clear();
  if (!work.parts.empty()) {
    divide(&work);
    const sys::Lock lock(mutex_);
    complete(&work, &answers, &ready);
    set_alarm();
  }
  deliver(std::move(answers));
  kept.insert(kept.end(), ready.begin(), ready.end());
  return kept;
}

void Batcher::Core::work(Runs mine) {
  while (!mine.empty()) {
    const uint64_t run = mine.front();
    mine.erase(mine.begin());
    const Runs next = carry_out(run);
    mine.insert(mine.end(), next.begin(), next.end());
  }
}

// ---- handing over

// The seats stay where they are, and are not run, until the last writer has reported.
void Batcher::Core::copy_rows(const Pending& request, Seats* seats, Runs* ready) {
  seats->slots.write(request.slot, request.request.inputs, 0, request.rows);
  const sys::Lock lock(mutex_);
  if (--seats->writers == 0 && seats->run != 0) ready->push_back(std::exchange(seats->run, 0));
}

bool Batcher::Core::dispatch(uint64_t run) { return dispatch_or_error(run).ok(); }

Status Batcher::Core::dispatch_or_error(uint64_t run) {
  return deps_.pool.submit([self = shared_from_this(), run] { self->work({run}); });
}

void Batcher::Core::dispatch_all(const Runs& ready) {
  Runs left = ready;
  while (!left.empty()) {
    const uint64_t run = left.back();
    left.pop_back();
    if (const Status sent = dispatch_or_error(run); !sent.ok()) abandon(run, sent.error(), &left);
  }
}

// No thread for it: its requests get the pool's error, and the instance is free again.
void Batcher::Core::abandon(uint64_t run, const Error& why, Runs* ready) {
  Work work;
  std::vector<Answer> answers;
  {
    const sys::Lock lock(mutex_);
    begin(run, &work, &answers, ready);
    const int64_t now_ns = deps_.clock.steady_ns();
    BatchDecisions decisions;
    for (const Part& p : work.parts) {
      settle(p.part.id, why, false, &answers);
      policy_.forget(p.part.id, now_ns, &decisions);
    }
    policy_.finish(run, now_ns, 0, &decisions);
    apply(decisions, &answers, ready);
    set_alarm();
  }
  deliver(std::move(answers));
}

void Batcher::Core::on_alarm() {
  {
    const sys::Lock lock(mutex_);
    alarm_at_ = INT64_MAX;
  }
  if (deps_.pool.submit([self = shared_from_this()] { self->tick(); }).ok()) return;
  const sys::Lock lock(mutex_);
  alarm_at_ = deps_.clock.steady_ns() + kPoolRetryNs;
  deps_.alarm.call_at(alarm_at_, [weak = weak_from_this()] {
    if (const std::shared_ptr<Core> core = weak.lock()) core->on_alarm();
  });
}

void Batcher::Core::tick() {
  std::vector<Answer> answers;
  Runs ready;
  {
    const sys::Lock lock(mutex_);
    BatchDecisions decisions;
    policy_.tick(deps_.clock.steady_ns(), &decisions);
    apply(decisions, &answers, &ready);
    set_alarm();
  }
  deliver(std::move(answers));
  Runs kept;
  for (const uint64_t run : ready)
    if (kept.empty() || !dispatch(run)) kept.push_back(run);
  work(std::move(kept));
}

// ---- answers

void Batcher::Core::give(Answer answer) {
  Pending& p = *answer.request;
  if (answer.error) {
    p.request.done(std::move(*answer.error), p.times);
  } else {
    std::vector<std::vector<Tensor>> pieces;
    for (auto& [first_row, outputs] : p.outputs) pieces.push_back(std::move(outputs));
    p.request.done(join_rows(std::move(pieces)), p.times);
  }
  p.request.done = nullptr;
}

void Batcher::Core::deliver(std::vector<Answer> answers) {
  size_t given = answers.size();
  for (Answer& answer : answers) give(std::move(answer));
  if (!ordered_ && given == 0) return;
  sys::Lock lock(mutex_);
  // One thread at a time, or two of them would overtake each other.
  while (!delivering_ && !in_order_.empty()) {
    delivering_ = true;
    std::vector<Answer> next = std::exchange(in_order_, {});
    lock.unlock();
    for (Answer& answer : next) give(std::move(answer));
    given += next.size();
    next.clear();
    lock.lock();
    delivering_ = false;
  }
  outstanding_ -= given;
  if (outstanding_ == 0 && given > 0) none_left_.notify_all();
}

}  // namespace slip::serving
