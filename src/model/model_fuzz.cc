#include "model/model.h"

#include <bit>
#include <cmath>

#include "engine/trees/executor.h"
#include "test/fuzz/fuzz.h"

// What a reader takes is a forest that every kernel answers by, and all of them alike.
namespace slip::model {
namespace {

constexpr size_t kRows = 70;  // A tile, and rows one by one.

void answer(Result<Model> model) {
  if (!model.ok()) return;
  CHECK(trees::check(model->forest).ok());
  const size_t width = model->forest.features;
  if (width > 64 || model->forest.outputs > 64 || model->forest.nodes.size() > 4096) return;
  std::vector<double> rows(kRows * width);
  for (size_t i = 0; i < rows.size(); ++i)
    rows[i] = i % 7 == 0 ? std::nan("") : static_cast<double>(i % 11) / 2 - 2;
  std::vector<double> want;
  for (const trees::Kernel kernel : {trees::Kernel::kScalar, trees::Kernel::kWalk,
                                     trees::Kernel::kAvx2, trees::Kernel::kAvx512}) {
    const Result<trees::Executor> e = trees::Executor::make(model->forest, kernel);
    if (!e.ok()) continue;  // Not of this processor.
    trees::Scratch scratch;
    std::vector<double> out(kRows * e->answers());
    e->predict(std::span<const double>(rows), out, scratch);
    if (want.empty()) want = out;
    for (size_t i = 0; i < out.size(); ++i)
      CHECK(std::bit_cast<uint64_t>(out[i]) == std::bit_cast<uint64_t>(want[i]) ||
            (std::isnan(out[i]) && std::isnan(want[i])));
  }
}

}  // namespace

SLIP_FUZZ(model_xgboost) { answer(read_xgboost(slip::fuzz::as_text(data))); }
SLIP_FUZZ(model_lightgbm) { answer(read_lightgbm(slip::fuzz::as_text(data))); }
SLIP_FUZZ(model_onnx) { answer(read_onnx(slip::fuzz::as_text(data))); }

}  // namespace slip::model
