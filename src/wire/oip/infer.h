#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "serving/tensor.h"

// An inference request and what its reply says besides tensors, whichever form they travel in.
namespace slip::wire::oip {

inline constexpr size_t kTensorsMax = 4096;  // Inputs, outputs, parameters of one request.

using Parameter = std::variant<bool, int64_t, uint64_t, double, std::string>;
using Parameters = std::vector<std::pair<std::string, Parameter>>;

struct Region;  // wire/oip/regions.h

// A stretch of a client's shared memory, checked against the region it names.
struct Place {
  std::shared_ptr<const Region> region;  // Stays what it is when the name is given away.
  uint64_t offset = 0;                   // In the region.
  uint64_t bytes = 0;
};

struct WantedOutput {
  std::string name;
  int64_t classes = 0;         // So many of the highest values, as texts; 0: all, as they are.
  std::optional<bool> binary;  // Of REST: behind the JSON, or in it; nothing: as the request says.
  std::optional<Place> place;  // Where it goes instead of into the reply.
};

struct InferRequest {
  std::string id;
  std::vector<serving::Tensor> inputs;
  std::vector<WantedOutput> outputs;  // Empty: all.
  bool binary_outputs = false;        // Of REST: where an output doesn't say.
  // What was said about the request and is no tensor; the reserved names are taken out.
  Parameters parameters;
  uint64_t priority = 0;    // 0: none given; 1 is the highest.
  uint64_t timeout_us = 0;  // 0: none.
};

struct InferReply {
  std::string_view model_name;
  std::string_view model_version;
  std::string_view id;             // The client's, else the prediction's.
  std::string_view prediction_id;  // As a parameter of the reply.
};

// An output as it leaves: what was placed in shared memory has no data here any more.
struct ReplyOutput {
  serving::Tensor tensor;
  bool binary = false;
  std::optional<Place> place;  // `bytes`: how many it took.
};

}  // namespace slip::wire::oip
