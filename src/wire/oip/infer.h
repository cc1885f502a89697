#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "serving/tensor.h"

// An inference request and what its reply says besides tensors, whichever form they travel in.
namespace slip::wire::oip {

struct InferRequest {
  std::string id;
  std::vector<serving::Tensor> inputs;
  std::vector<std::string> outputs;  // Empty: all.
};

struct InferReply {
  std::string_view model_name;
  std::string_view model_version;
  std::string_view id;             // The client's, else the prediction's.
  std::string_view prediction_id;  // As a parameter of the reply.
};

}  // namespace slip::wire::oip
