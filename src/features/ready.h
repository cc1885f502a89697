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

// What became of a batch on its way into the history and online.
struct Features::Arrival {
  int64_t first_seq = 0;
  Status applied;  // Rows that are kept are there, whatever this says; a restart applies them.
};

}  // namespace slip::features
