#include <cstdio>

#include "sys/clock.h"
#include "test/serving/goodput.h"

// batch_bench: the batcher's goodput within its objective against the best of a close search over
// fixed sizes and delays, three seeds each; then what its policy costs a request.
namespace slip::serving::goodput {
namespace {

void print_goodput() {
  double worst = 1;
  print_header();
  for (const Model& m : kModels) {
    for (const double load : kLoads) {
      for (const uint64_t seed : {1, 2, 3}) {
        const Comparison c = compare(m, load,
                                     {.sizes = {1, 2, 4, 8, 16, 24, 32, 48, 64},
                                      .delays = {0, 64, 32, 16, 8, 4, 3, 2},
                                      .requests = 20'000,
                                      .seed = seed});
        print(m, load, c);
        if (!c.tuned.broken.empty()) std::printf("BROKEN: %s\n", c.tuned.broken.c_str());
        worst = std::min(worst, c.ratio());
      }
    }
  }
  std::printf("worst ratio to the best fixed configuration: %.3f\n", worst);
}

// Requests of one row, in batches of 64, while an instance is always busy.
void print_overhead() {
  BatchPolicy policy({.objective_us = 1'000'000}, nullptr);
  constexpr int kBatches = 20'000;
  int64_t now_ns = 1;
  uint64_t id = 0;
  BatchDecisions d;
  policy.arrive({.id = ++id}, now_ns, &d);
  const int64_t begun = real_clock().steady_ns();
  for (int batch = 0; batch < kBatches; ++batch) {
    const uint64_t run = d.launched.front().run;
    policy.start(run, now_ns, &d);
    d = {};
    for (int i = 0; i < 64; ++i) policy.arrive({.id = ++id}, now_ns += 1000, &d);
    policy.finish(run, now_ns, 64'000, &d);
  }
  const auto took = static_cast<double>(real_clock().steady_ns() - begun);
  std::printf("policy: %.0f ns a request\n", took / kBatches / 64);
}

}  // namespace
}  // namespace slip::serving::goodput

int main() {
  slip::serving::goodput::print_goodput();
  slip::serving::goodput::print_overhead();
  return 0;
}
