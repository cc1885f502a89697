#include <span>

#include <benchmark/benchmark.h>

#include "engine/window/blob.h"

// One entity's windows: events a second into the rings, 37 s or 1 s apart (of 12 windows x 10
// aggregates, and of count, sum, mean, min and max alone), and the time of a read of 12 windows x
// 10 aggregates (120 answers; the target is 50 us).
namespace slip::window {
namespace {

constexpr Op kCommon[] = {Op::kCount, Op::kSum, Op::kMean, Op::kMin, Op::kMax};
constexpr Op kAll[] = {Op::kCount, Op::kSum,   Op::kMean, Op::kStddevSample, Op::kMin,
                       Op::kMax,   Op::kFirst, Op::kLast, Op::kQuantile,     Op::kDistinct};

Plan wide(std::span<const Op> ops = kAll) {
  std::vector<Window> windows;
  for (const int64_t minutes : {1, 5, 10, 30, 60, 120, 360, 720, 1440, 4320, 10080, 43200}) {
    windows.push_back({Kind::kSawtooth, minutes * kMinuteUs});
  }
  std::vector<Aggregate> all;
  for (const Op op : ops) {
    Aggregate a;
    a.op = op;
    a.windows = windows;
    all.push_back(a);
  }
  return Plan::compile(all, {kMinuteUs, false}).value();
}

Record event(int64_t i, int64_t apart_s = 37) {
  return {{1'700'000'000 * kSecondUs + i * apart_s * kSecondUs, static_cast<uint64_t>(i)},
          {static_cast<double>(i % 97) * 1.01}};
}

void add_to(const Plan& plan, int64_t apart_s, benchmark::State& state) {
  Blob blob;
  int64_t i = 0;
  for (auto _ : state) {
    const Record r = event(i++, apart_s);
    if (i % 64 == 0) blob.advance(plan, r.at.ts_us);
    benchmark::DoNotOptimize(blob.add(plan, r));
  }
  state.SetItemsProcessed(i);
}
void add(benchmark::State& state) { add_to(wide(), 37, state); }
void add_common(benchmark::State& state) { add_to(wide(kCommon), 37, state); }
void add_common_dense(benchmark::State& state) { add_to(wide(kCommon), 1, state); }

void read(benchmark::State& state) {
  const Plan plan = wide();
  Blob blob;
  const int64_t n = state.range(0);
  for (int64_t i = 0; i < n; ++i) {
    const Record r = event(i);
    if (i % 64 == 0) blob.advance(plan, r.at.ts_us);
    benchmark::DoNotOptimize(blob.add(plan, r));
  }
  const int64_t t = event(n).at.ts_us;
  blob.advance(plan, t);
  for (auto _ : state) benchmark::DoNotOptimize(blob.read(plan, t));
  state.SetLabel("120 answers");
}

BENCHMARK(add);
BENCHMARK(add_common);
BENCHMARK(add_common_dense);
BENCHMARK(read)->Arg(100)->Arg(50000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace slip::window
