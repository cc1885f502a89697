#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/db.h"

// SQL of artifact trees' roots; no policy. Private to tracking/. Roots are 64 hex digits.
namespace slip::tracking::sql {

Result<std::optional<std::string>> find_root(store::Tx& tx, std::string_view project,
                                             std::string_view base);
struct Swap {
  std::string_view base;
  std::optional<std::string> before;  // Absent: there is none yet.
  std::string after;
};
// False when the root is no longer `before`.
Result<bool> swap_root(store::Tx& tx, std::string_view project, const Swap& swap, int64_t now_ms);
// Bases that start with `prefix`, in order.
Result<std::vector<std::string>> bases_below(store::Tx& tx, std::string_view project,
                                             std::string_view prefix, int64_t limit);
Status each_root(store::Tx& tx, const std::function<void(std::string_view)>& on_root);

}  // namespace slip::tracking::sql
