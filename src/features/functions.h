#pragma once

#include <vector>

#include "base/result.h"
#include "codec/table.h"
#include "features/compiled.h"
#include "features/request.h"

// On-demand views: expressions are computed here, functions by whoever runs Python for us, which is
// never this process.
namespace slip::features {

// limits
inline constexpr int64_t kFunctionRows = 4096;  // Of one call: a function sees no more at once.
inline constexpr size_t kFunctionBytesMax = 128 << 20;  // Of one column of a call.

class Functions {
 public:
  virtual ~Functions() = default;
  // `in`: what the function of `what` sees, a row each. The answer has as many rows, and `what`'s
  // features in their order. Blocks; any thread. Errors name the view.
  virtual Result<codec::Table> call(const CompiledOnDemand& what, const codec::Table& in) = 0;
};

// `inputs` by the definition's inputs, one value a row. `functions` may be null: kUnsupported
// `feature.function` for what needs one.
Status compute_on_demand(Functions* functions, const CompiledOnDemand& what,
                         const std::vector<std::vector<Cell>>& inputs,
                         const RequestColumns& request, std::vector<std::vector<Cell>>* out);

}  // namespace slip::features
