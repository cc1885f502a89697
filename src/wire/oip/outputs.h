#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "serving/routing.h"
#include "wire/oip/infer.h"

// From what a model has answered to what leaves: the highest classes instead of values, and tensors
// put into the client's shared memory. Any thread.
namespace slip::wire::oip {

struct Classes {
  int64_t count = 0;                                 // How many of the highest values.
  bool by_row = false;                               // Of each row; else of the whole tensor.
  const std::vector<std::string>* labels = nullptr;  // By index; may be null or too short.
};
// As BYTES "value:index[:label]", highest first, equal ones by index, NaN last. kInvalid
// `infer.classification` for texts.
Result<serving::Tensor> classify(const serving::Tensor& scores, const Classes& classes);

// `wanted`: in the order of `outputs`, or empty. `binary`: where an output does not say. `arm`: who
// answered. kInvalid `shared_memory.*`, `infer.classification`.
Result<std::vector<ReplyOutput>> shape_outputs(std::vector<serving::Tensor> outputs,
                                               const std::vector<WantedOutput>& wanted, bool binary,
                                               const serving::Arm& arm);

// Their names, for the model.
std::vector<std::string> names_of(const std::vector<WantedOutput>& wanted);

}  // namespace slip::wire::oip
