#include "tracking/pending_store.h"

namespace slip::tracking::sql {

Result<int64_t> next_pending(store::Tx& tx) {
  int64_t out = 0;
  TRY(tx.each("SELECT COALESCE(MAX(pending_n), 0) + 1 FROM metric_pending", {},
              [&](const store::Row& row) { out = row.i64(0); }));
  return out;
}

Status insert_pending(store::Tx& tx, const PendingRow& row) {
  TRY(
      tx.exec("INSERT INTO metric_pending (pending_n, run_n, points, at_us, actor_uid, actor_kind,"
              " logged) VALUES (?, ?, ?, ?, ?, ?, ?)",
              {row.pending_n, row.run_n, row.points, row.at_us, row.actor_uid, row.actor_kind,
               row.logged}));
  return {};
}

Result<std::optional<PendingRow>> take_pending(store::Tx& tx, int64_t pending_n) {
  std::optional<PendingRow> out;
  TRY(
      tx.each("DELETE FROM metric_pending WHERE pending_n = ?"
              " RETURNING run_n, points, at_us, actor_uid, actor_kind, logged",
              {pending_n}, [&](const store::Row& row) {
                out = PendingRow{.pending_n = pending_n,
                                 .run_n = row.i64(0),
                                 .points = row.i64(1),
                                 .at_us = row.i64(2),
                                 .actor_uid = row.str(3),
                                 .actor_kind = row.str(4),
                                 .logged = row.str(5)};
              }));
  return out;
}

Status each_pending(store::Tx& tx,
                    const std::function<void(const PendingRow&, const RunOwner&)>& on_row) {
  return tx.each(
      "SELECT p.pending_n, p.run_n, p.points, r.project, r.run_id, r.experiment_id"
      " FROM metric_pending p JOIN run r ON r.run_n = p.run_n ORDER BY p.pending_n",
      {}, [&](const store::Row& row) {
        PendingRow pending;
        pending.pending_n = row.i64(0);
        pending.run_n = row.i64(1);
        pending.points = row.i64(2);
        on_row(pending, {row.str(3), row.str(4), row.i64(5)});
      });
}

Result<std::optional<RunOwner>> owner_of(store::Tx& tx, int64_t run_n) {
  std::optional<RunOwner> out;
  TRY(tx.first("SELECT project, run_id, experiment_id FROM run WHERE run_n = ?", {run_n},
               [&](const store::Row& row) { out = RunOwner{row.str(0), row.str(1), row.i64(2)}; }));
  return out;
}

}  // namespace slip::tracking::sql
