#include "serving/batch_policy.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"

namespace slip::serving {
namespace {

constexpr int64_t kOverdueShare = 8;     // One row in so many of a batch is kept for the overdue.
constexpr int kMisfits = 8;              // So many are passed over in search of one that fits.
constexpr double kCutThroughput = 0.98;  // What a batch cut for a deadline must keep of it.

double rows_per_ns(const BatchCost& cost, int64_t rows) {
  return static_cast<double>(rows) / std::max(cost.expect_ns(rows), 1.0);
}

// Without overflow where a deadline is "never".
bool passes(int64_t now_ns, double takes_ns, int64_t deadline_ns) {
  return deadline_ns != INT64_MAX && static_cast<double>(deadline_ns - now_ns) < takes_ns;
}

}  // namespace

BatchPolicy::BatchPolicy(BatchSettings settings, Cancelled cancelled)
    : settings_(std::move(settings)),
      cancelled_(std::move(cancelled)),
      queue_(settings_),
      cost_(settings_.max_batch_size),
      tuner_(settings_),
      free_(settings_.instances) {
  CHECK(check_settings(settings_).ok());
}

// ---- events

bool BatchPolicy::arrive(const BatchItem& item, int64_t now_ns, BatchDecisions* out) {
  expire(now_ns, out);
  tuner_.arrived(item.rows, now_ns);
  const int64_t level = level_of(item);
  if (const std::optional<BatchRefusal> why = admit(item, level, now_ns)) {
    refuse(item.id, *why, out);
    launch_ready(now_ns, out);
    return false;
  }
  ++stats_.requests;
  const QueuePolicy& policy = queue_policy(settings_, level);
  int64_t timeout_us = policy.default_timeout_us;
  if (policy.allow_timeout_override && item.timeout_us > 0)
    timeout_us = timeout_us == 0 ? item.timeout_us : std::min(timeout_us, item.timeout_us);
  // What fits into the largest batch stays whole.
  const bool splits = item.rows > settings_.max_batch_size;
  if (splits) ++stats_.split;
  const uint32_t pieces = queue_.add(item, {.level = level,
                                            .timeout_ns = timeout_us * 1000,
                                            .piece_rows = splits ? tuner_.piece_rows() : item.rows,
                                            .now_ns = now_ns});
  for (uint32_t i = 0; i < pieces; ++i) seat_arrival(item.shape, {item.id, i});
  launch_ready(now_ns, out);
  const BatchQueue::Request* request = queue_.find(item.id);
  return pieces == 1 && request != nullptr && request->pieces[0].seated;
}

std::span<const BatchPart> BatchPolicy::start(uint64_t run, int64_t now_ns, BatchDecisions* out) {
  Run& r = runs_.at(run);
  CHECK(!r.started);
  for (BatchPart& part : r.parts) {
    if (part.gone) continue;
    const bool late = part.deadline_ns <= now_ns;
    if (!late && !(cancelled_ && cancelled_(part.id))) continue;
    refuse(part.id, late ? BatchRefusal::kDeadline : BatchRefusal::kCancelled, out);
    drop(part.id);
    part.gone = true;
  }
  std::erase_if(r.parts, [](const BatchPart& part) { return part.gone; });
  r.started = true;
  r.since_ns = now_ns;
  r.rows = 0;
  for (const BatchPart& part : r.parts) {
    const int64_t waited = now_ns - part.arrived_ns;
    r.rows += part.rows;
    stats_.queue_ns += waited;
    stats_.longest_wait_ns = std::max(stats_.longest_wait_ns, waited);
    ++stats_.pieces;
  }
  if (r.rows > 0) {
    ++stats_.batches[static_cast<size_t>(r.why)];
    ++stats_.by_size[r.rows].batches;
    stats_.rows += r.rows;
  }
  return r.parts;
}

void BatchPolicy::finish(uint64_t run, int64_t now_ns, int64_t took_ns, BatchDecisions* out) {
  const auto it = runs_.find(run);
  CHECK(it != runs_.end());
  if (took_ns > 0 && it->second.rows > 0) {
    cost_.add(it->second.rows, took_ns);
    for (const BatchPart& part : it->second.parts) tuner_.answered(now_ns - part.arrived_ns);
    tuner_.retune(cost_, now_ns);
  }
  runs_.erase(it);
  ++free_;
  expire(now_ns, out);
  launch_ready(now_ns, out);
}

void BatchPolicy::tick(int64_t now_ns, BatchDecisions* out) {
  expire(now_ns, out);
  launch_ready(now_ns, out);
}

void BatchPolicy::forget(uint64_t id, int64_t now_ns, BatchDecisions* out) {
  drop(id);
  tick(now_ns, out);
}

void BatchPolicy::close(int64_t now_ns, BatchDecisions* out) {
  closed_ = true;
  tick(now_ns, out);
}

void BatchPolicy::refuse_waiting(int64_t now_ns, BatchDecisions* out) {
  for (const uint64_t id : queue_.ids()) {
    refuse(id, BatchRefusal::kStopping, out);
    drop(id);
  }
  tick(now_ns, out);
}

// ---- who is let in, and out

int64_t BatchPolicy::level_of(const BatchItem& item) const {
  const bool named = item.priority > 0 && item.priority <= settings_.priority_levels;
  return named ? item.priority : settings_.default_priority_level;
}

std::optional<BatchRefusal> BatchPolicy::admit(const BatchItem& item, int64_t level,
                                               int64_t now_ns) const {
  if (closed_) return BatchRefusal::kStopping;
  const int64_t own = queue_policy(settings_, level).max_queue_size;
  if (own > 0 && queue_.requests(level) >= own) return BatchRefusal::kQueueFull;
  if (queue_.size() >= static_cast<size_t>(kWaitingMax)) return BatchRefusal::kQueueFull;
  if (item.deadline_ns > 0 && (item.deadline_ns <= now_ns || hopeless(item, level, now_ns)))
    return BatchRefusal::kDeadline;
  return std::nullopt;
}

// Even if runs take the least time that they ever do, and nobody else comes.
bool BatchPolicy::hopeless(const BatchItem& item, int64_t level, int64_t now_ns) const {
  if (!cost_.known()) return false;
  const bool splits = item.rows > settings_.max_batch_size;
  const int64_t piece = splits ? tuner_.piece_rows() : item.rows;
  const int64_t at_once = piece * settings_.instances;
  const int64_t runs = (item.rows + at_once - 1) / at_once;
  double takes_ns = static_cast<double>(runs) * cost_.least_ns(piece);
  if (free_ == 0) {
    double first_ns = HUGE_VAL;
    for (const auto& [id, run] : runs_)
      first_ns =
          std::min(first_ns, cost_.least_ns(run.rows) - static_cast<double>(now_ns - run.since_ns));
    const int64_t turns = queue_.rows_ahead(item, level) / size() / settings_.instances;
    takes_ns += std::max(first_ns, 0.0) + static_cast<double>(turns) * cost_.least_ns(size());
  }
  return passes(now_ns, takes_ns, item.deadline_ns);
}

void BatchPolicy::expire(int64_t now_ns, BatchDecisions* out) {
  while (queue_.next_due_ns() <= now_ns) {
    const uint64_t id = queue_.next_due_id();
    const BatchQueue::Request& r = *queue_.find(id);
    if (r.deadline_ns > now_ns &&
        queue_policy(settings_, r.level).timeout_action == TimeoutAction::kDelay) {
      const uint64_t shape = r.item.shape;
      queue_.demote(id);
      fill(shape);
      continue;
    }
    refuse(id, r.deadline_ns <= now_ns ? BatchRefusal::kDeadline : BatchRefusal::kTimeout, out);
    drop(id);
  }
}

void BatchPolicy::refuse(uint64_t id, BatchRefusal why, BatchDecisions* out) {
  ++stats_.refused[static_cast<size_t>(why)];
  out->refused.emplace_back(id, why);
}

// Nothing of it runs any more that has not begun.
void BatchPolicy::drop(uint64_t id) {
  const BatchQueue::Request* request = queue_.find(id);
  const uint64_t shape = request == nullptr ? 0 : request->item.shape;
  if (queue_.erase(id)) fill(shape);
  for (auto& [number, run] : runs_) {
    if (run.started) continue;
    for (BatchPart& part : run.parts) part.gone = part.gone || part.id == id;
  }
}

// ---- seats

bool BatchPolicy::fits(const Shape& shape, int64_t rows) const {
  return shape.seated.empty() || shape.seated_rows + rows <= size();
}

void BatchPolicy::seat_arrival(uint64_t shape, Key key) {
  const int64_t rows = queue_.piece(key).rows;
  const int64_t level = queue_.order_of(key).level;
  const Shape& next = *queue_.shape(shape);
  if (fits(next, rows) || (next.lowest_level > level && make_room(shape, rows, level)))
    queue_.seat(key);
}

// Seats who waits, in order, as long as they fit.
void BatchPolicy::fill(uint64_t id) {
  const Shape* shape = queue_.shape(id);
  if (shape == nullptr) return;
  int misfits = 0;
  for (auto it = shape->waiting.begin(); it != shape->waiting.end() && misfits < kMisfits;) {
    const Key key = it->key;
    ++it;  // Seating takes it out of this set.
    if (fits(*shape, queue_.piece(key).rows))
      queue_.seat(key);
    else
      ++misfits;
  }
}

// Takes places from the back of the order until `rows` fit, or none at all: only of levels below
// `below_level`, when there is one; never those kept for the overdue.
bool BatchPolicy::make_room(uint64_t id, int64_t rows, std::optional<int64_t> below_level) {
  const Shape& shape = *queue_.shape(id);
  std::vector<BatchQueue::Order> losers;
  int64_t room = size() - shape.seated_rows;
  for (const Key& key : shape.seated) {
    const BatchQueue::Order order = queue_.order_of(key);
    if (queue_.piece(key).kept || (below_level && order.level <= *below_level)) continue;
    losers.push_back(order);
    room += queue_.piece(key).rows;
  }
  const bool alone = losers.size() == shape.seated.size();
  if (losers.empty() || (room < rows && !alone)) return false;
  std::sort(losers.begin(), losers.end());
  while (!losers.empty() && !fits(shape, rows)) {
    queue_.unseat(losers.back().key);
    losers.pop_back();
    ++stats_.displaced;
  }
  return true;
}

void BatchPolicy::seat_overdue(uint64_t id, int64_t now_ns) {
  const Shape& shape = *queue_.shape(id);
  const int64_t quota = std::max<int64_t>(size() / kOverdueShare, 1);
  int64_t given = 0;
  for (const auto& [since_ns, key] : shape.overdue_at) {
    if (since_ns > now_ns || given >= quota) return;
    const BatchQueue::Piece& piece = queue_.piece(key);
    if (!piece.seated) {
      if (!fits(shape, piece.rows) && !make_room(id, piece.rows, std::nullopt)) return;
      queue_.seat(key);
      ++stats_.aged;
    }
    queue_.keep(key);
    given += piece.rows;
  }
}

// ---- when a batch goes

void BatchPolicy::launch_ready(int64_t now_ns, BatchDecisions* out) {
  for (;;) {
    wake_ns_ = queue_.next_due_ns();
    if (free_ == 0) return;
    const Choice next = choose(now_ns);
    if (!next.ready) return;
    launch(next, now_ns, out);
  }
}

// Of the batches that may go, the one that should.
BatchPolicy::Choice BatchPolicy::choose(int64_t now_ns) {
  Choice first;
  Choice aged;
  BatchQueue::Order first_order;
  int64_t aged_since = now_ns + 1;
  for (const auto& [id, shape] : queue_.shapes()) {
    fill(id);
    const Choice choice = decide(id, shape, now_ns);
    if (!choice.ready) {
      wake_ns_ = std::min(wake_ns_, choice.until_ns);
      continue;
    }
    if (!first.ready || shape.best < first_order) {
      first = choice;
      first_order = shape.best;
    }
    if (!shape.overdue_at.empty() && shape.overdue_at.begin()->first < aged_since) {
      aged = choice;
      aged_since = shape.overdue_at.begin()->first;
    }
  }
  const bool by_age = aged.ready && !last_by_age_ && aged.shape != first.shape;
  last_by_age_ = by_age;
  return by_age ? aged : first;
}

BatchPolicy::Choice BatchPolicy::decide(uint64_t id, const Shape& shape, int64_t now_ns) const {
  Choice choice{.shape = id, .ready = true};
  const int64_t delay_ns = tuner_.delay_ns();
  const bool alone = queue_.shapes().size() == 1;
  const int64_t tightest_ns = shape.tightest_ns;
  const int64_t age_ns = now_ns - shape.oldest_ns;
  const bool overdue = !shape.overdue_at.empty() && shape.overdue_at.begin()->first <= now_ns;
  if (!closed_ && !overdue && age_ns < delay_ns) {
    choice.pieces = preferred_prefix(shape);
    if (choice.pieces > 0) {
      choice.why = BatchReason::kPreferred;
      return choice;
    }
  }
  if (shape.seated_rows >= size() || !shape.waiting.empty()) {
    choice.why = BatchReason::kFull;
    return choice;
  }
  if (closed_ || delay_ns == 0) {
    choice.why = alone ? BatchReason::kIdle : BatchReason::kShape;
    return choice;
  }
  if (age_ns >= delay_ns) {
    choice.why = BatchReason::kDelay;
    return choice;
  }
  const int64_t grown = std::min(shape.seated_rows + 1, settings_.max_batch_size);
  const auto latest_ns = tightest_ns == INT64_MAX
                             ? INT64_MAX
                             : tightest_ns - static_cast<int64_t>(cost_.most_ns(grown));
  // Without a known cost, any wait may be too long.
  if (latest_ns <= now_ns || (tightest_ns != INT64_MAX && !cost_.known())) {
    choice.why = BatchReason::kDeadline;
    return choice;
  }
  choice.ready = false;
  choice.until_ns = std::min(shape.oldest_ns + delay_ns, latest_ns);
  return choice;
}

// So many of the seated pieces, in order of joining, make the largest preferred size; 0: none.
size_t BatchPolicy::preferred_prefix(const Shape& shape) const {
  if (settings_.preferred_batch_size.empty()) return 0;
  size_t pieces = 0;
  int64_t rows = 0;
  for (size_t i = 0; i < shape.seated.size(); ++i) {
    rows += queue_.piece(shape.seated[i]).rows;
    const auto& sizes = settings_.preferred_batch_size;
    if (std::find(sizes.begin(), sizes.end(), rows) != sizes.end()) pieces = i + 1;
  }
  return pieces;
}

// Those whose callers have gone need no place.
void BatchPolicy::drop_cancelled(uint64_t shape, BatchDecisions* out) {
  if (!cancelled_) return;
  for (bool again = true; again;) {
    again = false;
    const Shape* now = queue_.shape(shape);
    if (now == nullptr) return;
    for (const Key& key : std::vector<Key>(now->seated)) {
      if (queue_.find(key.first) == nullptr || !cancelled_(key.first)) continue;
      refuse(key.first, BatchRefusal::kCancelled, out);
      drop(key.first);
      again = true;
    }
  }
}

void BatchPolicy::launch(const Choice& choice, int64_t now_ns, BatchDecisions* out) {
  drop_cancelled(choice.shape, out);
  if (queue_.shape(choice.shape) == nullptr) return;
  const size_t pieces = choice.pieces == 0 ? 0 : preferred_prefix(*queue_.shape(choice.shape));
  if (pieces > 0) {
    const std::vector<Key> seated = queue_.shape(choice.shape)->seated;
    for (size_t i = pieces; i < seated.size(); ++i) queue_.unseat(seated[i]);
  } else {
    seat_overdue(choice.shape, now_ns);
  }
  const BatchReason why = honour_deadlines(choice, now_ns, out);
  const Shape* shape = queue_.shape(choice.shape);
  if (shape == nullptr || shape->seated.empty()) return;
  Run& run = runs_[++last_run_];
  run.shape = choice.shape;
  run.why = why;
  run.since_ns = now_ns;
  run.rows = shape->seated_rows;
  run.parts = queue_.take(choice.shape);
  --free_;
  out->launched.push_back({last_run_, choice.shape});
  fill(choice.shape);
}

BatchReason BatchPolicy::honour_deadlines(const Choice& choice, int64_t now_ns,
                                          BatchDecisions* out) {
  if (!cost_.known()) return choice.why;
  for (;;) {
    const Shape* shape = queue_.shape(choice.shape);
    if (shape == nullptr || shape->seated.empty()) return choice.why;
    const int64_t deadline_ns = shape->tightest_ns;
    if (!passes(now_ns, cost_.expect_ns(shape->seated_rows), deadline_ns)) return choice.why;
    if (cut(choice.shape, deadline_ns, now_ns)) return BatchReason::kDeadline;
    // While others want its place, being late as expected is enough.
    if (shape->waiting.empty() && !passes(now_ns, cost_.least_ns(shape->seated_rows), deadline_ns))
      return choice.why;
    const auto late = std::find_if(shape->seated.begin(), shape->seated.end(),
                                   [&](Key key) { return queue_.deadline_of(key) == deadline_ns; });
    const uint64_t id = late->first;
    refuse(id, BatchRefusal::kDeadline, out);
    drop(id);
  }
}

// Leaves seated what the tightest deadline allows, those in danger first. False, and nothing
// changed, when that does not save them or costs the others too much.
bool BatchPolicy::cut(uint64_t id, int64_t tightest_ns, int64_t now_ns) {
  const Shape& shape = *queue_.shape(id);
  const double whole_ns = cost_.expect_ns(shape.seated_rows);
  const int64_t limit =
      cost_.rows_within(static_cast<double>(tightest_ns - now_ns) / (1 + cost_.spread()));
  std::vector<Key> keys = shape.seated;
  std::stable_partition(keys.begin(), keys.end(),
                        [&](Key key) { return passes(now_ns, whole_ns, queue_.deadline_of(key)); });
  std::vector<Key> rest;
  int64_t rows = 0;
  for (const Key& key : keys) {
    const int64_t more = queue_.piece(key).rows;
    if (rows + more <= limit) {
      rows += more;
      continue;
    }
    if (passes(now_ns, whole_ns, queue_.deadline_of(key))) return false;
    rest.push_back(key);
  }
  if (rows == 0 || rest.empty()) return false;
  const double both_ns = cost_.expect_ns(rows) + cost_.expect_ns(shape.seated_rows - rows);
  bool rest_made = shape.waiting.empty();
  for (const Key& key : rest)
    rest_made = rest_made && !passes(now_ns, both_ns, queue_.deadline_of(key));
  if (!rest_made &&
      rows_per_ns(cost_, rows) < kCutThroughput * rows_per_ns(cost_, shape.seated_rows))
    return false;
  for (const Key& key : rest) queue_.unseat(key);
  return true;
}

// ---- what is told

bool BatchPolicy::cheaper_than(uint64_t run, int64_t ns) const {
  return cost_.known() && cost_.expect_ns(runs_.at(run).rows) < static_cast<double>(ns);
}

BatchReport BatchPolicy::report(int64_t now_ns) const {
  BatchReport r;
  r.settings = settings_;
  r.stats = stats_;
  r.row_ns = cost_.row_ns();
  r.run_ns = cost_.run_ns();
  r.spread = cost_.spread();
  r.runs_fitted = cost_.runs();
  r.fitted = cost_.known();
  r.rows_per_s = tuner_.rows_per_s(now_ns);
  r.late_share = tuner_.late_share();
  r.size = tuner_.rows();
  r.delay_ns = tuner_.delay_ns();
  r.size_why = tuner_.rows_why();
  r.delay_why = tuner_.delay_why();
  r.waiting = static_cast<int64_t>(queue_.size());
  r.waiting_rows = queue_.rows();
  if (r.waiting > 0) r.oldest_ns = now_ns - queue_.oldest_arrival_ns();
  r.running = settings_.instances - free_;
  return r;
}

}  // namespace slip::serving
