#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "monitor/monitor.h"
#include "store/db.h"

// SQL of monitors, windows, rows, labels and alerts. No policy.
namespace slip::monitor::sql {

Result<std::optional<Config>> find_config(store::Tx& tx, std::string_view project,
                                          std::string_view uid);
Status put_config(store::Tx& tx, std::string_view project, const Config& config);

struct Cursor {
  int64_t segment = 0;   // 0: before the first.
  int64_t position = 0;  // Of the next record.
  int64_t row = 0;       // Rows of it that have been taken already.
  bool operator==(const Cursor&) const = default;
};
Result<Cursor> find_cursor(store::Tx& tx);
Status put_cursor(store::Tx& tx, const Cursor& cursor);

// A window with what it has counted so far.
struct OpenWindow {
  Window window;
  WindowCounts counts;
  std::vector<std::pair<int64_t, double>> scores;  // (version, score), at most kScoresKept.
};
inline constexpr size_t kScoresKept = 2000;
Result<std::optional<OpenWindow>> find_open(store::Tx& tx, std::string_view project,
                                            std::string_view uid);
Result<int64_t> last_number(store::Tx& tx, std::string_view project, std::string_view uid);
Status put_window(store::Tx& tx, std::string_view project, std::string_view uid,
                  const OpenWindow& open);
Result<std::vector<Window>> last_windows(store::Tx& tx, std::string_view project,
                                         std::string_view uid, int64_t limit);

// The scores that a version showed when it began; JSON of the owner's making.
Result<std::string> find_baseline(store::Tx& tx, std::string_view project, std::string_view uid,
                                  int64_t version);
Status put_baseline(store::Tx& tx, std::string_view project, std::string_view uid, int64_t version,
                    std::string_view state);

// False when the row is there already: a request that was logged twice counts once.
Result<bool> insert_row(store::Tx& tx, std::string_view project, const LoggedRow& row);
Result<std::optional<LoggedRow>> find_row(store::Tx& tx, std::string_view project,
                                          std::string_view prediction_id, int64_t row);
// The newest of that deployment with that reference.
Result<std::optional<LoggedRow>> find_row_by_ref(store::Tx& tx, std::string_view project,
                                                 std::string_view uid, std::string_view ref);
Status set_label(store::Tx& tx, std::string_view project, const LoggedRow& row,
                 const KeptLabel& label);

// Labels that came before their prediction. `key`: "id:<uuid>/<row>" or "ref:<client_ref>".
Result<bool> insert_pending(store::Tx& tx, std::string_view project, std::string_view uid,
                            std::string_view key, const KeptLabel& label);
Result<bool> any_pending(store::Tx& tx, std::string_view project, std::string_view uid);
Result<std::optional<KeptLabel>> take_pending(store::Tx& tx, std::string_view project,
                                              std::string_view uid, std::string_view key);

// How long who keeps rows: every deployment that has a monitor, or labels that wait.
struct Kept {
  std::string project;
  std::string deployment_uid;
  int64_t retention_days = kRetentionDaysDefault;
};
Result<std::vector<Kept>> retentions(store::Tx& tx);
// Of the monitors of a project; kRetentionDaysMax without one.
Result<int64_t> shortest_retention(store::Tx& tx, std::string_view project);
// At most `limit` that are older; how many.
Result<int64_t> expire_rows(store::Tx& tx, const Kept& of, int64_t before_us, int64_t limit);
Result<int64_t> expire_pending(store::Tx& tx, const Kept& of, int64_t before_us, int64_t limit);

Status add_outcome(store::Tx& tx, std::string_view project, const LoggedRow& row, int64_t event_ms,
                   bool correct);
Result<std::vector<Performance>> performance(store::Tx& tx, std::string_view project,
                                             std::string_view uid, int64_t windows);

Result<std::optional<Alert>> find_open_alert(store::Tx& tx, std::string_view project,
                                             std::string_view uid, std::string_view feature);
Status insert_alert(store::Tx& tx, std::string_view project, std::string_view uid,
                    const Alert& alert);
Status resolve_alert(store::Tx& tx, std::string_view project, std::string_view id, int64_t us);
struct AlertQuery {
  std::string deployment;  // "": all that the caller may read.
  std::string before_id;   // "": from the newest.
  int64_t limit = 0;
};
Result<std::vector<Alert>> alerts(store::Tx& tx, const Ctx& ctx, const AlertQuery& query);

}  // namespace slip::monitor::sql
