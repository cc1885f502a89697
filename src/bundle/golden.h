#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "engine/trees/forest.h"
#include "serving/model.h"

// Inputs with the answers that the server's own executor gives, so that another runtime can be
// held against them. Inputs come from logged requests, or from a seeded generator over the model's
// signature: where it is a model of trees, at each threshold and one ulp beside it, at categories,
// at zero, and missing. Pure; the same seed makes the same rows.
namespace slip::bundle {

inline constexpr int64_t kGoldenRows = 256;       // That are made.
inline constexpr int64_t kLoggedRows = 1024;      // That traffic brought, at most.
inline constexpr int64_t kGoldenCells = 1 << 20;  // Of all inputs; fewer rows of a wide model.

struct Golden {
  int64_t rows = 0;
  std::string from;  // "traffic", "generated"
  uint64_t seed = 0;
  std::vector<serving::Tensor> inputs;
  std::vector<serving::Tensor> outputs;
};

// What differs, output by output.
struct Parity {
  double abs = 0;  // Greatest difference of two numbers.
  double rel = 0;  // Likewise, by the greater of them.
  int64_t values = 0;
  int64_t outside = 0;  // Values beyond atol + rtol * |expected|.
  int64_t decisions = 0;
  int64_t flips = 0;  // Decisions that differ.
};

// What a model's answer means: a number at or above `threshold`. Beside it every output of whole
// numbers or texts is a decision.
struct Decision {
  std::string output;
  int64_t column = 0;
  double threshold = 0;
};

// `logged`: inputs of requests, each a tensor for each input of the signature; those that don't fit
// are left out. `forest` may be null. Errors of the model, when it takes nothing that was made.
Result<Golden> make_golden(const serving::Model& model, const trees::Forest* forest,
                           const std::vector<std::vector<serving::Tensor>>& logged, uint64_t seed);

codec::Json golden_json(const Golden& golden);
Result<Golden> read_golden(std::string_view text);  // kInvalid `bundle.golden`.

struct Tolerance {
  double atol = 1e-6;
  double rtol = 1e-6;
};
// kInvalid `bundle.golden` when shapes differ.
Result<Parity> compare(const std::vector<serving::Tensor>& expected,
                       const std::vector<serving::Tensor>& got, const Tolerance& tolerance,
                       const Decision* decision);

}  // namespace slip::bundle
