#include "engine/window/blob.h"
#include "test/fuzz/fuzz.h"

namespace slip::window {
namespace {

Plan every_kernel() {
  std::vector<Aggregate> all;
  for (int op = 0; op < kOpCount; ++op) {
    Aggregate a;
    a.op = static_cast<Op>(op);
    a.params.k = 2;
    a.params.cap = 3;
    a.windows = {{Kind::kSawtooth, kMinuteUs}, {Kind::kLifetime, 0}};
    const bool flags = a.op == Op::kAny || a.op == Op::kAll;
    a.column = flags ? 1 : a.op == Op::kListSum || a.op == Op::kListMean ? 2 : 0;
    all.push_back(a);
  }
  return Plan::compile(all, {}).value();
}

}  // namespace

// What is read is what would be written, and can be used: read at a time, advanced, merged.
SLIP_FUZZ(window_blob) {
  static const Plan plan = every_kernel();
  // The header of a good blob saves the fuzzer from guessing the plan's fingerprint.
  static const std::string head = Blob().write(plan).substr(0, 12);
  auto blob = Blob::parse(plan, head + std::string(slip::fuzz::as_text(data)));
  if (!blob.ok()) return;
  const std::string again = blob->write(plan);
  const auto back = Blob::parse(plan, again);
  CHECK(back.ok() && back->write(plan) == again);
  ignore(blob->read(plan, 1'700'000'000'000'000), "any answer but a crash");
  blob->advance(plan, 1'700'000'000'000'000);
}

}  // namespace slip::window
