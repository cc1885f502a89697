#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>

#include "store/db.h"

// Reading what hangs on many runs in few statements. Private to tracking/.
namespace slip::tracking::sql {

// Where in a list of runs a number is.
class RunIndex {
 public:
  explicit RunIndex(std::span<const int64_t> run_ns);
  std::optional<size_t> at(int64_t run_n) const;

 private:
  std::unordered_map<int64_t, size_t> at_;
};

// "SELECT … WHERE " and the column that holds a number of a list.
struct ByNumber {
  std::string_view select;
  std::string_view column;
};
// The rows of all these numbers, in no order.
Status each_of_runs(store::Tx& tx, std::span<const int64_t> run_ns, const ByNumber& what,
                    const std::function<void(const store::Row&)>& on_row);

}  // namespace slip::tracking::sql
