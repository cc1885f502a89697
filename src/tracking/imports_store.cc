#include "tracking/imports_store.h"

#include "tracking/metric_store.h"
#include "tracking/model_store.h"
#include "tracking/run_store.h"

namespace slip::tracking::sql {

Status overwrite_run(store::Tx& tx, const Run& run) {
  TRY(tx.exec("UPDATE run SET user_id = ?, start_ms = ?, artifact_uri = ? WHERE run_n = ?",
              {run.user_id, run.start_ms, run.artifact_uri, run.run_n}));
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

Result<bool> add_new_model_metric(store::Tx& tx, std::string_view project, std::string_view run_id,
                                  const Metric& m) {
  const StoredNumber n = encode_number(m.value);
  return TRY(tx.exec("INSERT INTO logged_model_metric (project, model_id, key, timestamp_ms, step,"
                     " run_id, value, flag, dataset_name, dataset_digest)"
                     " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                     {project, m.model_id, m.key, m.timestamp_ms, m.step, run_id, n.value, n.flag,
                      m.dataset_name, m.dataset_digest})) > 0;
}

Status overwrite_model(store::Tx& tx, std::string_view project, const LoggedModel& m) {
  TRY(tx.exec(
      "UPDATE logged_model SET name = ?, model_type = ?, source_run_id = ?,"
      " created_ms = ?, artifact_uri = ? WHERE project = ? AND model_id = ?",
      {m.name, m.model_type, m.source_run_id, m.created_ms, m.artifact_uri, project, m.id}));
  return update_model(tx, project, m);
}

}  // namespace slip::tracking::sql
