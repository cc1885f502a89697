#include "tracking/imports_store.h"

#include "tracking/metric_store.h"
#include "tracking/run_store.h"

namespace slip::tracking::sql {

Status overwrite_run(store::Tx& tx, const Run& run) {
  TRY(tx.exec("UPDATE run SET user_id = ?, start_ms = ? WHERE run_n = ?",
              {run.user_id, run.start_ms, run.run_n}));
  return update_run(tx, run);
}

Status put_param(store::Tx& tx, int64_t run_n, const Tag& param) {
  TRY(
      tx.exec("INSERT INTO run_param (run_n, key, value) VALUES (?, ?, ?)"
              " ON CONFLICT (run_n, key) DO UPDATE SET value = excluded.value",
              {run_n, param.key, param.value}));
  return {};
}

Result<bool> add_new_point(store::Tx& tx, int64_t run_n, int64_t key_n, const Metric& m) {
  const StoredNumber n = encode_number(m.value);
  return TRY(tx.exec("INSERT INTO metric_point (run_n, key_n, step, timestamp_ms, value, flag)"
                     " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                     {run_n, key_n, m.step, m.timestamp_ms, n.value, n.flag})) > 0;
}

}  // namespace slip::tracking::sql
