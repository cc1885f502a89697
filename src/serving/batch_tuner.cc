#include "serving/batch_tuner.h"

#include <algorithm>
#include <cmath>

namespace slip::serving {
namespace {

constexpr double kRateNs = 250e6;        // Memory of the arrival rate.
constexpr double kLateRate = 1.0 / 500;  // Memory of late answers: 500 of them.
constexpr double kEnough = 0.98;         // Of the throughput, at a smaller size.
constexpr double kHandOffNs = 20e3;      // What a batch costs that no run shows.
constexpr double kRoom = 0.7;            // Of the objective, for a wait and two runs.
constexpr double kNear = 0.9;            // Of the objective: an answer that came near it.
constexpr double kNearShare = 0.003;     // So many of those, and the wait is taken back.
constexpr double kGain = 0.85;           // Of a row's cost: what waiting must come down to.
constexpr double kAsGood = 1.1;
constexpr int kDelays = 7;  // L/2, L/4, …
constexpr double kTrustStep = 0.02;

}  // namespace

BatchTuner::BatchTuner(const BatchSettings& s)
    : rows_max_(s.max_batch_size),
      delay_set_(s.max_queue_delay_us.has_value()),
      objective_ns_(static_cast<double>(s.objective_us) * 1e3),
      instances_(static_cast<double>(s.instances)),
      rows_(s.max_batch_size),
      piece_rows_(s.max_batch_size),
      delay_ns_(s.max_queue_delay_us.value_or(0) * 1000),
      rows_why_(s.objective_us == 0 ? RowsWhy::kSet : RowsWhy::kUnknown),
      delay_why_(delay_set_            ? DelayWhy::kSet
                 : s.objective_us == 0 ? DelayWhy::kNoObjective
                                       : DelayWhy::kUnknown) {}

void BatchTuner::arrived(int64_t rows, int64_t now_ns) {
  rate_ = decayed_rate(now_ns) + static_cast<double>(rows) / kRateNs;
  rate_at_ns_ = now_ns;
  if (rate_since_ns_ < 0) rate_since_ns_ = now_ns;
}

double BatchTuner::decayed_rate(int64_t now_ns) const {
  return rate_ * std::exp(-static_cast<double>(now_ns - rate_at_ns_) / kRateNs);
}

double BatchTuner::rows_per_s(int64_t now_ns) const {
  if (rate_since_ns_ < 0) return 0;
  // At first the memory is not full yet.
  const double seen_ns = static_cast<double>(now_ns - rate_since_ns_) + kRateNs / 10;
  return 1e9 * decayed_rate(now_ns) / (1 - std::exp(-seen_ns / kRateNs));
}

void BatchTuner::answered(int64_t latency_ns) {
  if (objective_ns_ <= 0) return;
  const auto ns = static_cast<double>(latency_ns);
  near_share_ += kLateRate * ((ns > kNear * objective_ns_ ? 1 : 0) - near_share_);
  late_share_ += kLateRate * ((ns > objective_ns_ ? 1 : 0) - late_share_);
}

void BatchTuner::retune(const BatchCost& cost, int64_t now_ns) {
  if (objective_ns_ <= 0 || !cost.known()) return;
  choose_rows(cost);
  if (!delay_set_) choose_delay(cost, rows_per_s(now_ns) / 1e9);
}

void BatchTuner::choose_rows(const BatchCost& cost) {
  const double a = cost.row_ns();
  const double b = cost.run_ns();
  const double objective = objective_ns_ / (1 + 2 * cost.spread());
  rows_ = piece_rows_ = rows_max_;
  if (b + a >= objective) {
    rows_why_ = RowsWhy::kUnreachable;
    return;
  }
  const double one_wait = objective * instances_ / (instances_ + 1);
  const double run_ns = std::max(one_wait, 2 * b * objective / (objective + b));
  rows_ = std::max<int64_t>(cost.rows_within(run_ns), 1);
  piece_rows_ = rows_;
  rows_why_ = rows_ == rows_max_ ? RowsWhy::kAll : RowsWhy::kObjective;
  // The least n with n / (a n + c) as wanted; c is what a run costs besides its rows, at most.
  const double c = b + cost.spread() * (a + b) + kHandOffNs;
  const auto n = static_cast<double>(rows_);
  const double wanted = kEnough * n / (a * n + c);
  const double enough = std::ceil(wanted * c / (1 - wanted * a));
  if (enough >= n) return;
  rows_ = std::max<int64_t>(static_cast<int64_t>(enough), 1);
  rows_why_ = RowsWhy::kEnough;
}

void BatchTuner::choose_delay(const BatchCost& cost, double rows_per_ns) {
  delay_ns_ = 0;
  saving_ = 0;
  if (near_share_ > kNearShare)
    trust_ = std::max(0.0, trust_ - 2 * kTrustStep);
  else
    trust_ = std::min(1.0, trust_ + kTrustStep / 4);
  const double a = cost.row_ns();
  const double b = cost.run_ns();
  const auto most = static_cast<double>(rows_);
  // What comes together by itself while the instances are busy.
  const double busy = rows_per_ns * a / instances_;
  const double alone =
      busy < 1 ? std::clamp(rows_per_ns * b / instances_ / (1 - busy), 1.0, most) : most;
  const double cost_alone = a + b / alone;
  if (alone > most / 2) {
    delay_why_ = DelayWhy::kBusy;
    return;
  }
  bool any_room = false;
  double best = cost_alone;
  for (const bool pick : {false, true}) {
    for (int i = kDelays; i >= 1; --i) {
      const double delay = std::ldexp(objective_ns_, -i);
      const double rows = std::clamp(1 + rows_per_ns * delay, alone, most);
      const double many = std::min(most, rows + 3 * std::sqrt(rows) + 1);
      if (delay + 2 * cost.most_ns(static_cast<int64_t>(many)) > kRoom * objective_ns_) continue;
      any_room = true;
      const double each = a + b / rows;
      if (!pick) {
        best = std::min(best, each);
      } else if (each <= kAsGood * best && each <= kGain * cost_alone) {
        saving_ = 1 - each / cost_alone;
        delay_ns_ = static_cast<int64_t>(delay * trust_);
        delay_why_ = delay_ns_ > 0 ? DelayWhy::kGain : DelayWhy::kLate;
        return;
      }
    }
  }
  delay_why_ = any_room ? DelayWhy::kNoGain : DelayWhy::kNoRoom;
}

std::string BatchTuner::rows_why() const {
  switch (rows_why_) {
    case RowsWhy::kSet:
      return "as set; no latency objective limits it further";
    case RowsWhy::kUnknown:
      return "as set, until a few runs have shown what one costs";
    case RowsWhy::kUnreachable:
      return "as set: even a run of one row takes longer than the objective";
    case RowsWhy::kAll:
      return "as set: two such runs are within the objective";
    case RowsWhy::kObjective:
      return "the largest with which a request that just missed a batch still meets the objective";
    case RowsWhy::kEnough:
      return "larger ones would add less than 2 % of throughput and only make others wait";
  }
  return {};
}

std::string BatchTuner::delay_why() const {
  switch (delay_why_) {
    case DelayWhy::kSet:
      return "as set";
    case DelayWhy::kNoObjective:
      return "no latency objective is set, so an idle instance never waits";
    case DelayWhy::kUnknown:
      return "nobody waits until a few runs have shown what one costs";
    case DelayWhy::kNoGain:
      return "waiting would lower the cost of a row by less than 15 %";
    case DelayWhy::kNoRoom:
      return "a wait and two runs don't fit well into the objective";
    case DelayWhy::kBusy:
      return "while instances are busy, enough comes together by itself";
    case DelayWhy::kLate:
      return "too many recent answers came near the objective";
    case DelayWhy::kGain:
      return "it lowers the cost of a row by " + std::to_string(std::lround(100 * saving_)) +
             " %, and the objective has room for it";
  }
  return {};
}

}  // namespace slip::serving
