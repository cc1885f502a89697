#include "engine/window/plan.h"

#include <algorithm>
#include <set>

#include "engine/window/bytes.h"
#include "engine/window/sketch.h"

namespace slip::window {
namespace {

constexpr int64_t kSteps[] = {kDayUs, kHourUs, 5 * kMinuteUs, kMinuteUs, 10 * kSecondUs, kSecondUs};

int64_t hop_of(const Window& w, bool chronon) {
  for (const int64_t step : kSteps) {
    if (chronon && step < 5 * kMinuteUs) return 5 * kMinuteUs;
    const bool good =
        w.kind == Kind::kTumbling ? w.length_us % step == 0 : step <= w.length_us / 12;
    if (good) return step;
  }
  return kSecondUs;
}

}  // namespace

int64_t floor_to(int64_t t, int64_t step) {
  const int64_t rest = t % step;
  return t - rest - (rest < 0 ? step : 0);
}

Result<Plan> Plan::compile(std::vector<Aggregate> aggregates, Options options) {
  Plan plan;
  if (aggregates.empty()) return invalid("window.no_aggregate", "a plan has an aggregate");
  if (options.lateness_us < 0 || options.lateness_us > kMaxLengthUs) {
    return invalid("window.bad_lateness", "lateness lies between 0 and 100 years");
  }
  plan.aggregates_ = std::move(aggregates);
  plan.options_ = options;
  for (uint32_t i = 0; i < plan.aggregates_.size(); ++i) {
    TRY(plan.add(i, plan.aggregates_[i]));
  }
  plan.make_levels();
  plan.make_spans();
  plan.make_fingerprint();
  return plan;
}

Status Plan::add(uint32_t index, const Aggregate& a) {
  const Kernel kernel = TRY(kernel_of(a.op, a.params));
  if (a.windows.empty()) return invalid("window.no_window", "an aggregate has a window");
  width_ = std::max(width_, a.column + 1);
  size_t at = 0;
  for (; at < kernels_.size(); ++at) {
    if (columns_[at] != a.column) continue;
    if (kernels_[at] == kernel) break;
    if (kernel.family == Family::kMoments && kernels_[at].family == Family::kMoments) {
      kernels_[at].powers = std::max(kernels_[at].powers, kernel.powers);
      break;
    }
  }
  if (at == kernels_.size()) {
    kernels_.push_back(kernel);
    columns_.push_back(a.column);
  }
  for (const Window& w : a.windows) {
    const bool whole = w.kind == Kind::kLifetime;
    if (whole ? w.length_us != 0
              : w.length_us < kSecondUs || w.length_us > kMaxLengthUs || w.length_us % kSecondUs) {
      return invalid("window.bad_length", "a window is whole seconds, up to 100 years long");
    }
    if (options_.chronon && w.kind == Kind::kTumbling && w.length_us % (5 * kMinuteUs)) {
      return invalid("window.bad_length",
                     "with steps of 5 minutes a tumbling window is some of them");
    }
    lifetime_ = lifetime_ || whole;
    slots_.push_back(
        {index, static_cast<uint32_t>(at), w, whole ? 0 : hop_of(w, options_.chronon)});
  }
  return {};
}

void Plan::make_spans() {
  for (uint32_t i = 0; i < slots_.size(); ++i) {
    const Window& w = slots_[i].window;
    const auto same = [&](const Span& s) {
      return s.window.kind == w.kind && s.window.length_us == w.length_us;
    };
    auto at = std::find_if(spans_.begin(), spans_.end(), same);
    if (at == spans_.end()) at = spans_.insert(at, {w, slots_[i].hop_us, {}});
    at->slots.push_back(i);
  }
}

// Rings hold the hops of all windows, and below a coarse one 5m and 1h, so that few events are kept
// raw. A ring reaches back as far as any window's edge may need its step.
void Plan::make_levels() {
  std::set<int64_t> hops;
  for (const Slot& s : slots_) hops.insert(s.hop_us ? s.hop_us : kDayUs);
  if (*hops.rbegin() > 5 * kMinuteUs) hops.insert(5 * kMinuteUs);
  if (*hops.rbegin() > kHourUs) hops.insert(kHourUs);
  for (const int64_t hop : hops) levels_.push_back({hop, hop});
  raw_keep_us_ = levels_[0].hop_us;
  for (size_t j = 0; j < levels_.size(); ++j) {
    const int64_t next = j + 1 < levels_.size() ? levels_[j + 1].hop_us : levels_[j].hop_us;
    levels_[j].keep_us = next;
    for (const Slot& s : slots_) {
      const int64_t reach =
          s.window.kind == Kind::kTumbling ? 2 * s.window.length_us : s.window.length_us + s.hop_us;
      const bool sawtooth = s.window.kind == Kind::kSawtooth;
      if (!sawtooth || levels_[j].hop_us >= s.hop_us) {
        levels_[j].keep_us = std::max(levels_[j].keep_us, reach + next);
      }
      if (s.window.kind == Kind::kExact) {
        raw_keep_us_ = std::max(raw_keep_us_, reach + levels_[0].hop_us);
      }
    }
  }
}

void Plan::make_fingerprint() {
  std::string all;
  put(all, width_);
  put(all, raw_keep_us_);
  put(all, options_.lateness_us);
  put<uint8_t>(all, lifetime_);
  for (size_t i = 0; i < kernels_.size(); ++i) {
    put(all, kernels_[i].family);
    put(all, kernels_[i].limit);
    put(all, kernels_[i].powers);
    put(all, kernels_[i].accuracy);
    put(all, columns_[i]);
  }
  for (const Level& l : levels_) {
    put(all, l.hop_us);
    put(all, l.keep_us);
  }
  fingerprint_ = hash_bytes(all);
}

std::vector<State> Plan::fresh() const {
  std::vector<State> out;
  out.reserve(kernels_.size());
  for (const Kernel& k : kernels_) out.push_back(init(k));
  return out;
}

}  // namespace slip::window
