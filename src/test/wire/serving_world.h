#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/budget.h"
#include "core/ledger/ledger.h"
#include "serving/serving.h"
#include "store/db.h"
#include "store/log.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/rng.h"
#include "test/onnx/onnx_bytes.h"
#include "test/store/dbs.h"

// One deployment "d" that answers x[n,3] with x + {1, 2, 3}, for tests of wires that predict; the
// log is the test's.
namespace slip::test {

class ServingWorld {
 public:
  explicit ServingWorld(store::SegmentLog& log)
      : serving(
            {*db_, events_, source_, log, budget_, real_clock(), real_rng(), null_log(), local_}) {
    std::vector<store::Migration> steps;
    for (const auto& all : {ledger::migrations(), serving::migrations()})
      steps.insert(steps.end(), all.begin(), all.end());
    store::migrate(*db_, steps).value();
    serving.deploy({}, {.name = "d", .model = "m", .target = "1"}).value();
  }

 private:
  class OneModel final : public serving::ModelSource {
   public:
    Result<int64_t> resolve(const Ctx&, const std::string&, const std::string&) override {
      return 1;
    }
    Result<Files> fetch(const Ctx&, const std::string&, int64_t) override {
      return Files{onnx_add(1, 2, 3), "sha256:1"};
    }
  };

  TempDb db_;
  ledger::Ledger events_{{*db_, real_clock(), real_rng()}};
  OneModel source_;
  Budget budget_{1 << 30};
  serving::LocalModels local_{{real_fs(), budget_, real_clock(), null_log()}};

 public:
  serving::Serving serving;
};

}  // namespace slip::test
