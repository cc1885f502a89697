#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "core/search/sql.h"
#include "store/db.h"
#include "tracking/run_scope.h"

// SQL of runs in groups: the value that each is grouped by, and metrics of all that a search finds.
// Rows stream; nothing is held here. Private to tracking/.
namespace slip::tracking::sql {

// What a search finds: `from` ends with "r.project = ?", `conditions` are " AND …" on alias r.
struct Found {
  std::string_view project;
  std::string_view from;
  const search::Sql& conditions;
};

// Of one run: its text, or a metric's value; neither when it has none.
struct GroupRow {
  int64_t run_n = 0;
  bool absent = false;
  std::string_view text;  // Valid until the next row.
  double value = 0;
};
Status each_grouped(store::Tx& tx, const Found& found, const GroupBy& by,
                    const std::function<void(const GroupRow&)>& on_row);

struct GroupValue {
  int64_t run_n = 0;
  int64_t key_n = 0;
  double value = 0;
};
// The latest values of these metrics, in no order: of all that is found, or of these runs.
Status each_value(store::Tx& tx, const Found& found, std::span<const int64_t> key_ns,
                  const std::function<void(const GroupValue&)>& on_row);
Status each_value_of(store::Tx& tx, std::span<const int64_t> run_ns,
                     std::span<const int64_t> key_ns,
                     const std::function<void(const GroupValue&)>& on_row);

}  // namespace slip::tracking::sql
