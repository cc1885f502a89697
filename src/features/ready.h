#pragma once

#include <vector>

#include "features/features.h"

// What one view makes of a batch, before it is applied. The columns of `made` point into
// `source_columns` and `made.row`.
namespace slip::features {

struct Features::Ready {
  ViewPtr view;
  std::vector<engine::Values> source_columns;
  Transform::Output made;
};

}  // namespace slip::features
