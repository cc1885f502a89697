#include "tracking/run_store.h"

#include "base/text.h"

namespace slip::tracking::sql {
namespace {

constexpr std::string_view kSelect =
    "SELECT r.run_n, r.run_id, r.experiment_id, r.name, r.user_id, r.status, r.start_ms, r.end_ms,"
    " r.lifecycle, r.artifact_uri, r.author FROM run r WHERE ";

Run decode(const store::Row& row) {
  Run run;
  run.run_n = row.i64(0);
  run.id = row.str(1);
  run.experiment_id = row.i64(2);
  run.name = row.str(3);
  run.user_id = row.str(4);
  run.status = static_cast<RunStatus>(row.i64(5));
  run.start_ms = row.i64(6);
  if (!row.is_null(7)) run.end_ms = row.i64(7);
  run.lifecycle = static_cast<Lifecycle>(row.i64(8));
  run.artifact_uri = row.str(9);
  run.author = row.str(10);
  return run;
}

}  // namespace

Result<int64_t> take_run_numbers(store::Tx& tx, int64_t count) {
  int64_t next = 0;
  TRY(tx.first("UPDATE run_counter SET next_n = next_n + ? WHERE name = 'run' RETURNING next_n",
               {count}, [&](const store::Row& row) { next = row.i64(0); }));
  if (next == 0) return corrupt("tracking.no_counter", "the counter of runs is missing");
  return next - count;
}

Status insert_run(store::Tx& tx, std::string_view project, const Run& run, int64_t now_ms) {
  TRY(tx.exec(
      "INSERT INTO run (run_n, project, run_id, experiment_id, name, user_id, status, start_ms,"
      " lifecycle, artifact_uri, author, created_ms)"
      " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      {run.run_n, project, run.id, run.experiment_id, run.name, run.user_id,
       static_cast<int64_t>(run.status), run.start_ms, static_cast<int64_t>(run.lifecycle),
       run.artifact_uri, run.author, now_ms}));
  for (const Tag& tag : run.tags) TRY(put_run_tag(tx, run.run_n, tag));
  return {};
}

Result<std::optional<Run>> find_run(store::Tx& tx, std::string_view project,
                                    std::string_view run_id) {
  std::optional<Run> out;
  TRY(tx.first(concat({kSelect, "r.project = ? AND r.run_id = ?"}), {project, run_id},
               [&](const store::Row& row) { out = decode(row); }));
  return out;
}

Result<std::optional<RunRef>> find_run_ref(store::Tx& tx, std::string_view project,
                                           std::string_view run_id) {
  std::optional<RunRef> out;
  TRY(tx.first("SELECT run_n, experiment_id, lifecycle FROM run WHERE project = ? AND run_id = ?",
               {project, run_id}, [&](const store::Row& row) {
                 out = RunRef{row.i64(0), row.i64(1), static_cast<Lifecycle>(row.i64(2))};
               }));
  return out;
}

Result<std::vector<Run>> load_run_heads(store::Tx& tx, std::span<const int64_t> run_ns) {
  std::vector<Run> out(run_ns.size());
  const RunIndex index(run_ns);
  TRY(each_of_runs(tx, run_ns, {kSelect, "r.run_n"}, [&](const store::Row& row) {
    if (const auto at = index.at(row.i64(0))) out[*at] = decode(row);
  }));
  return out;
}

Result<std::vector<Run>> load_runs(store::Tx& tx, std::span<const int64_t> run_ns) {
  std::vector<Run> out = TRY(load_run_heads(tx, run_ns));
  TRY(load_run_data(tx, out));
  return out;
}

Status update_run(store::Tx& tx, const Run& run) {
  TRY(tx.exec("UPDATE run SET name = ?, status = ?, end_ms = ? WHERE run_n = ?",
              {run.name, static_cast<int64_t>(run.status), store::maybe(run.end_ms), run.run_n}));
  return {};
}

Status rename_run(store::Tx& tx, int64_t run_n, std::string_view name) {
  TRY(tx.exec("UPDATE run SET name = ? WHERE run_n = ?", {name, run_n}));
  return {};
}

Status move_run(store::Tx& tx, const Run& run, int64_t now_ms) {
  const bool deleted = run.lifecycle == Lifecycle::kDeleted;
  TRY(tx.exec(
      "UPDATE run SET lifecycle = ?, deleted_ms = ? WHERE run_n = ?",
      {static_cast<int64_t>(run.lifecycle), deleted ? store::Value(now_ms) : nullptr, run.run_n}));
  return {};
}

Status put_run_tag(store::Tx& tx, int64_t run_n, const Tag& tag) {
  TRY(
      tx.exec("INSERT INTO run_tag (run_n, key, value) VALUES (?, ?, ?)"
              " ON CONFLICT (run_n, key) DO UPDATE SET value = excluded.value",
              {run_n, tag.key, tag.value}));
  return {};
}

Result<std::optional<std::string>> find_run_tag(store::Tx& tx, int64_t run_n,
                                                std::string_view key) {
  std::optional<std::string> out;
  TRY(tx.first("SELECT value FROM run_tag WHERE run_n = ? AND key = ?", {run_n, key},
               [&](const store::Row& row) { out = row.str(0); }));
  return out;
}

Result<bool> drop_run_tag(store::Tx& tx, int64_t run_n, std::string_view key) {
  return TRY(tx.exec("DELETE FROM run_tag WHERE run_n = ? AND key = ?", {run_n, key})) > 0;
}

Result<bool> add_param(store::Tx& tx, int64_t run_n, const Tag& param, std::string* existing) {
  const int64_t added = TRY(
      tx.exec("INSERT INTO run_param (run_n, key, value) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
              {run_n, param.key, param.value}));
  if (added > 0) return true;
  TRY(tx.first("SELECT value FROM run_param WHERE run_n = ? AND key = ?", {run_n, param.key},
               [&](const store::Row& row) { *existing = row.str(0); }));
  return false;
}

Status add_dataset_input(store::Tx& tx, std::string_view project, const Run& run,
                         const DatasetInput& input) {
  const Dataset& d = input.dataset;
  TRY(
      tx.exec("INSERT INTO dataset_seen (project, experiment_id, name, digest, source_type,"
              " source, schema_text, profile) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
              " ON CONFLICT DO NOTHING",
              {project, run.experiment_id, d.name, d.digest, d.source_type, d.source,
               store::maybe(d.schema), store::maybe(d.profile)}));
  TRY(
      tx.exec("INSERT INTO run_input (run_n, name, digest, position) VALUES (?, ?, ?, (SELECT"
              " COALESCE(MAX(i.position), 0) + 1 FROM run_input i WHERE i.run_n = ?))"
              " ON CONFLICT DO NOTHING",
              {run.run_n, d.name, d.digest, run.run_n}));
  for (const Tag& tag : input.tags)
    TRY(
        tx.exec("INSERT INTO run_input_tag (run_n, name, digest, key, value)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT (run_n, name, digest, key)"
                " DO UPDATE SET value = excluded.value",
                {run.run_n, d.name, d.digest, tag.key, tag.value}));
  return {};
}

Status add_model_input(store::Tx& tx, int64_t run_n, std::string_view model_id) {
  TRY(tx.exec("INSERT INTO run_model_input (run_n, model_id) VALUES (?, ?) ON CONFLICT DO NOTHING",
              {run_n, model_id}));
  return {};
}

Status add_model_output(store::Tx& tx, int64_t run_n, const ModelOutput& output) {
  TRY(
      tx.exec("INSERT INTO run_model_output (run_n, model_id, step) VALUES (?, ?, ?)"
              " ON CONFLICT DO NOTHING",
              {run_n, output.model_id, output.step}));
  return {};
}

}  // namespace slip::tracking::sql
