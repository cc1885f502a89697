#pragma once

#include "core/worker/worker.h"
#include "features/functions.h"

// On-demand views in Python, by the worker processes. Any thread.
namespace slip::app {

class WorkerFunctions final : public features::Functions {
 public:
  explicit WorkerFunctions(worker::Workers& workers) : workers_(workers) {}
  Result<codec::Table> call(const features::CompiledOnDemand& what,
                            const codec::Table& in) override;

 private:
  worker::Workers& workers_;
};

}  // namespace slip::app
