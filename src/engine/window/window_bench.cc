#include <benchmark/benchmark.h>

#include "engine/window/blob.h"

// One entity's windows: events a second into the rings, and the time of a read of 12 windows x 10
// aggregates (120 answers; the target is 50 us).
namespace slip::window {
namespace {

Plan wide() {
  std::vector<Window> windows;
  for (const int64_t minutes : {1, 5, 10, 30, 60, 120, 360, 720, 1440, 4320, 10080, 43200}) {
    windows.push_back({Kind::kSawtooth, minutes * kMinuteUs});
  }
  std::vector<Aggregate> all;
  for (const Op op : {Op::kCount, Op::kSum, Op::kMean, Op::kStddevSample, Op::kMin, Op::kMax,
                      Op::kFirst, Op::kLast, Op::kQuantile, Op::kDistinct}) {
    Aggregate a;
    a.op = op;
    a.windows = windows;
    all.push_back(a);
  }
  return Plan::compile(all, {kMinuteUs, false}).value();
}

Record event(int64_t i) {
  return {{1'700'000'000 * kSecondUs + i * 37 * kSecondUs, static_cast<uint64_t>(i)},
          {static_cast<double>(i % 97) * 1.01}};
}

void add(benchmark::State& state) {
  const Plan plan = wide();
  Blob blob;
  int64_t i = 0;
  for (auto _ : state) {
    const Record r = event(i++);
    if (i % 64 == 0) blob.advance(plan, r.at.ts_us);
    benchmark::DoNotOptimize(blob.add(plan, r));
  }
  state.SetItemsProcessed(i);
}

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
BENCHMARK(read)->Arg(100)->Arg(50000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace slip::window
