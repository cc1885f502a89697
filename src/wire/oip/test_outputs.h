#pragma once

#include <utility>
#include <vector>

#include "wire/oip/infer.h"

// For tests and fuzz targets of this folder.
namespace slip::wire::oip {

inline std::vector<ReplyOutput> as_outputs(std::vector<serving::Tensor> tensors,
                                           bool binary = false) {
  std::vector<ReplyOutput> out(tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    out[i].tensor = std::move(tensors[i]);
    out[i].binary = binary;
  }
  return out;
}

}  // namespace slip::wire::oip
