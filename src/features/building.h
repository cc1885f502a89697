#pragma once

#include <string>
#include <unordered_set>

#include "features/features.h"

// Which entities' windows are built anew, and of which rows.
namespace slip::features {

struct Features::Building {
  const ViewPtr& view;
  const std::unordered_set<std::string>& keys;
  int64_t upto_seq = INT64_MAX;
  int64_t now_us = 0;
};

}  // namespace slip::features
