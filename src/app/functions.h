#pragma once

#include "core/worker/worker.h"
#include "features/functions.h"

// On-demand views in Python, by the worker processes. Any thread.
namespace slip::app {

class WorkerFunctions final : public features::Functions {
 public:
  WorkerFunctions(worker::Workers& workers, Clock& clock) : workers_(workers), clock_(clock) {}
  Result<codec::Table> call(const features::CompiledOnDemand& what,
                            const codec::Table& in) override;

 private:
  worker::Workers& workers_;
  Clock& clock_;
};

}  // namespace slip::app
