#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "serving/test_batch_world.h"
#include "test/gen/dice.h"

// Goodput within the latency objective under an open loop, against the best fixed configuration
// (size, delay) that a search finds in the same simulation, on the same arrivals. Every request
// carries the objective as its deadline, in both: the fixed ones are refused what is late as well.
// The workload and its seeds are fixed. One thread.
namespace slip::serving::goodput {

struct Model {
  const char* name;
  double row_ns;
  double run_ns;
  int64_t objective_us;
};
inline constexpr Model kModels[] = {
    {"flat", 10e3, 5e6, 25'000}, {"linear", 500e3, 20e3, 50'000}, {"mixed", 100e3, 2e6, 20'000}};
inline constexpr double kLoads[] = {0.1, 0.3, 0.6, 0.9, 1.2};  // Of the capacity.
inline constexpr int64_t kRowsMax = 64;

struct Arrival {
  int64_t at_ns = 0;
  int64_t rows = 0;
};

inline double run_cost_ns(const Model& m, int64_t rows) {
  return m.run_ns + m.row_ns * static_cast<double>(rows);
}

// Poisson; four of five requests have one row, the others up to eight.
inline std::vector<Arrival> arrivals(const Model& m, double load, int requests, uint64_t seed) {
  auto dice = gen::Dice::seeded(seed);
  const double rows_per_ns = load * static_cast<double>(kRowsMax) / run_cost_ns(m, kRowsMax);
  const double mean_rows = 0.8 * 1 + 0.2 * 5;
  std::vector<Arrival> all;
  double at_ns = 1;
  for (int i = 0; i < requests; ++i) {
    at_ns += -std::log(1 - dice.unit()) * mean_rows / rows_per_ns;
    const int64_t rows = dice.one_in(5) ? dice.between(2, 8) : 1;
    all.push_back({static_cast<int64_t>(at_ns), rows});
  }
  return all;
}

struct Score {
  double goodput = 0;  // Share of the rows offered that were answered within the objective.
  double p99_ms = 0;   // Of those answered by a run.
  double mean_batch = 0;
  std::string broken;  // What the world complained of.
};

// Runs are up to 10 % longer or shorter, and one in a hundred takes three times as long.
inline Score score(const Model& m, std::span<const Arrival> load, BatchSettings settings) {
  auto dice = gen::Dice::seeded(77);
  BatchWorld world(std::move(settings), [&](int64_t rows) {
    const double noise = 0.9 + 0.2 * dice.unit();
    return static_cast<int64_t>(run_cost_ns(m, rows) * noise * (dice.one_in(100) ? 3 : 1));
  });
  world.keep_launches = false;
  const int64_t objective_ns = m.objective_us * 1000;
  for (const Arrival& a : load)
    world.arrive(a.at_ns, {.rows = a.rows, .deadline_ns = a.at_ns + objective_ns});
  world.run_all();
  Score s;
  if (!world.broken.empty()) s.broken = world.broken.front();
  double offered = 0;
  std::vector<int64_t> latencies;
  for (const auto& [id, fate] : world.fates) {
    offered += static_cast<double>(fate.item.rows);
    if (fate.answers != 1) s.broken = "a request without its one answer";
    if (fate.refused) continue;
    const int64_t took_ns = fate.answered_ns - fate.arrived_ns;
    latencies.push_back(took_ns);
    if (took_ns <= objective_ns) s.goodput += static_cast<double>(fate.item.rows);
  }
  s.goodput /= offered;
  std::sort(latencies.begin(), latencies.end());
  if (!latencies.empty())
    s.p99_ms = static_cast<double>(latencies[latencies.size() * 99 / 100]) / 1e6;
  const BatchStats& stats = world.policy().stats();
  s.mean_batch = static_cast<double>(stats.rows) /
                 static_cast<double>(std::max<int64_t>(stats.batch_count(), 1));
  return s;
}

struct Search {
  std::vector<int64_t> sizes;
  std::vector<int64_t> delays;  // As parts of the objective: L / n; 0: none.
  int requests = 0;
  uint64_t seed = 0;
};

struct Comparison {
  Score tuned;
  Score best;
  int64_t size = 0;  // Of the best.
  int64_t delay_us = 0;
  double ratio() const { return best.goodput > 0 ? tuned.goodput / best.goodput : 1; }
};

inline Comparison compare(const Model& m, double load, const Search& search) {
  const std::vector<Arrival> offered = arrivals(m, load, search.requests, search.seed);
  Comparison c;
  c.tuned = score(m, offered, {.max_batch_size = kRowsMax, .objective_us = m.objective_us});
  for (const int64_t size : search.sizes) {
    for (const int64_t part : search.delays) {
      const int64_t delay_us = part == 0 ? 0 : m.objective_us / part;
      if (size == 1 && delay_us > 0) continue;
      Score s = score(m, offered, {.max_batch_size = size, .max_queue_delay_us = delay_us});
      if (s.goodput <= c.best.goodput) continue;
      c.best = std::move(s);
      c.size = size;
      c.delay_us = delay_us;
    }
  }
  return c;
}

inline void print_header() {
  std::printf(
      "model   load | tuned: goodput  p99 ms  rows | best fixed: goodput  p99 ms  rows  "
      "size delay_us | ratio\n");
}

inline void print(const Model& m, double load, const Comparison& c) {
  std::printf("%-7s %3.0f%% | %14.4f %7.2f %5.1f | %19.4f %7.2f %5.1f %5lld %8lld | %.3f\n", m.name,
              100 * load, c.tuned.goodput, c.tuned.p99_ms, c.tuned.mean_batch, c.best.goodput,
              c.best.p99_ms, c.best.mean_batch, static_cast<long long>(c.size),
              static_cast<long long>(c.delay_us), c.ratio());
}

}  // namespace slip::serving::goodput
