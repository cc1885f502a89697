#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "store/db.h"

// SQL of logged metrics that wait to be folded in; no policy. Private to tracking/.
namespace slip::tracking::sql {

inline constexpr std::string_view kPendingTables = R"sql(
CREATE TABLE metric_pending (
  pending_n BIGINT NOT NULL, run_n BIGINT NOT NULL, points BIGINT NOT NULL, at_us BIGINT NOT NULL,
  actor_uid TEXT NOT NULL, actor_kind TEXT NOT NULL, logged TEXT NOT NULL,
  PRIMARY KEY (pending_n)) /* clustered */;
)sql";

// One request.
struct PendingRow {
  int64_t pending_n = 0;
  int64_t run_n = 0;
  int64_t points = 0;
  int64_t at_us = 0;
  std::string actor_uid;
  std::string actor_kind;
  std::string logged;  // As counted_metrics() writes it.
};

struct RunOwner {
  std::string project;
  std::string run_id;
  int64_t experiment_id = 0;
};

Result<int64_t> next_pending(store::Tx& tx);
Status insert_pending(store::Tx& tx, const PendingRow& row);
// The row, which is gone from the table; nothing when somebody else has taken it.
Result<std::optional<PendingRow>> take_pending(store::Tx& tx, int64_t pending_n);
// In the order of numbers, without what was logged; of runs that exist.
Status each_pending(store::Tx& tx,
                    const std::function<void(const PendingRow&, const RunOwner&)>& on_row);
// Nothing when the run was purged.
Result<std::optional<RunOwner>> owner_of(store::Tx& tx, int64_t run_n);

}  // namespace slip::tracking::sql
