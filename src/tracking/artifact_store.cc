#include "tracking/artifact_store.h"

namespace slip::tracking::sql {

Result<std::optional<std::string>> find_root(store::Tx& tx, std::string_view project,
                                             std::string_view base) {
  std::optional<std::string> out;
  TRY(tx.first("SELECT root FROM artifact_tree WHERE project = ? AND base = ?", {project, base},
               [&](const store::Row& row) { out = row.str(0); }));
  return out;
}

Result<bool> swap_root(store::Tx& tx, std::string_view project, const Swap& swap, int64_t now_ms) {
  if (!swap.before)
    return TRY(tx.exec("INSERT INTO artifact_tree (project, base, root, updated_ms)"
                       " VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                       {project, swap.base, swap.after, now_ms})) > 0;
  return TRY(tx.exec("UPDATE artifact_tree SET root = ?, updated_ms = ?"
                     " WHERE project = ? AND base = ? AND root = ?",
                     {swap.after, now_ms, project, swap.base, *swap.before})) > 0;
}

Result<std::vector<std::string>> bases_below(store::Tx& tx, std::string_view project,
                                             std::string_view prefix, int64_t limit) {
  std::vector<std::string> out;
  // Text compares bytewise: all that starts with "a/" lies between "a/" and "a0".
  std::string end(prefix);
  if (end.empty())
    end = "\xf4\x8f\xbf\xbf";  // U+10FFFF, above every path.
  else
    end.back() = static_cast<char>(end.back() + 1);
  TRY(tx.each(
      "SELECT base FROM artifact_tree WHERE project = ? AND base >= ? AND base < ?"
      " ORDER BY base LIMIT CAST(? AS BIGINT)",
      {project, prefix, end, limit}, [&](const store::Row& row) { out.push_back(row.str(0)); }));
  return out;
}

Result<std::optional<Keeper>> find_keeper(store::Tx& tx, std::string_view project,
                                          std::string_view id) {
  constexpr std::string_view kModel =
      "SELECT experiment_id, artifact_uri FROM logged_model WHERE project = ? AND model_id = ?";
  constexpr std::string_view kTrace =
      "SELECT t.experiment_id, g.value FROM trace t JOIN trace_tag g ON g.project = t.project"
      " AND g.trace_id = t.trace_id AND g.key = 'mlflow.artifactLocation'"
      " WHERE t.project = ? AND t.trace_id = ?";
  constexpr std::string_view kRun =
      "SELECT experiment_id, artifact_uri FROM run WHERE project = ? AND run_id = ?";
  std::optional<Keeper> out;
  const auto look = [&](std::string_view kind, std::string_view statement) -> Status {
    TRY(tx.first(statement, {project, id},
                 [&](const store::Row& row) { out = Keeper{kind, row.i64(0), row.str(1)}; }));
    return {};
  };
  TRY(look("run", kRun));
  if (!out) TRY(look("logged_model", kModel));
  if (!out) TRY(look("trace", kTrace));
  return out;
}

Status each_root(store::Tx& tx, const std::function<void(std::string_view)>& on_root) {
  return tx.each("SELECT root FROM artifact_tree", {},
                 [&](const store::Row& row) { on_root(row.text(0)); });
}

Status insert_upload(store::Tx& tx, const Upload& u) {
  TRY(tx.exec(
      "INSERT INTO artifact_upload (upload_id, project, path, author, parts, state,"
      " expires_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
      {u.id, u.project, u.path, u.author, u.parts, static_cast<int64_t>(u.state), u.expires_ms}));
  return {};
}

Result<std::optional<Upload>> find_upload(store::Tx& tx, std::string_view id) {
  std::optional<Upload> out;
  TRY(
      tx.first("SELECT project, path, author, parts, state, expires_ms FROM artifact_upload"
               " WHERE upload_id = ?",
               {id}, [&](const store::Row& row) {
                 out = Upload{.id = std::string(id),
                              .project = row.str(0),
                              .path = row.str(1),
                              .author = row.str(2),
                              .parts = row.i64(3),
                              .state = static_cast<UploadState>(row.i64(4)),
                              .expires_ms = row.i64(5)};
               }));
  return out;
}

Status extend_upload(store::Tx& tx, std::string_view id, int64_t expires_ms) {
  TRY(tx.exec("UPDATE artifact_upload SET expires_ms = ? WHERE upload_id = ?", {expires_ms, id}));
  return {};
}

Status close_upload(store::Tx& tx, std::string_view id, UploadState state, int64_t expires_ms) {
  TRY(tx.exec("UPDATE artifact_upload SET state = ?, expires_ms = ? WHERE upload_id = ?",
              {static_cast<int64_t>(state), expires_ms, id}));
  return {};
}

Status put_part(store::Tx& tx, std::string_view id, const Part& part) {
  TRY(
      tx.exec("INSERT INTO artifact_part (upload_id, part_number, digest, size)"
              " VALUES (?, ?, ?, ?) ON CONFLICT (upload_id, part_number)"
              " DO UPDATE SET digest = excluded.digest, size = excluded.size",
              {id, part.number, part.digest, part.size}));
  return {};
}

Result<std::vector<Part>> parts_of(store::Tx& tx, std::string_view id) {
  std::vector<Part> out;
  TRY(
      tx.each("SELECT part_number, digest, size FROM artifact_part WHERE upload_id = ?"
              " ORDER BY part_number",
              {id}, [&](const store::Row& row) {
                out.push_back({.number = row.i64(0), .digest = row.str(1), .size = row.i64(2)});
              }));
  return out;
}

Result<std::vector<std::string>> expired_uploads(store::Tx& tx, int64_t now_ms, int64_t limit) {
  std::vector<std::string> out;
  TRY(
      tx.each("SELECT upload_id FROM artifact_upload WHERE expires_ms <= ?"
              " ORDER BY expires_ms, upload_id LIMIT CAST(? AS BIGINT)",
              {now_ms, limit}, [&](const store::Row& row) { out.push_back(row.str(0)); }));
  return out;
}

Result<int64_t> delete_parts(store::Tx& tx, std::string_view id, int64_t limit) {
  return tx.exec(
      "DELETE FROM artifact_part WHERE upload_id = ? AND part_number IN"
      " (SELECT p.part_number FROM artifact_part p WHERE p.upload_id = ?"
      " ORDER BY p.part_number LIMIT CAST(? AS BIGINT))",
      {id, id, limit});
}

Status delete_upload(store::Tx& tx, std::string_view id) {
  TRY(tx.exec("DELETE FROM artifact_upload WHERE upload_id = ?", {id}));
  return {};
}

Status each_part(store::Tx& tx, const std::function<void(std::string_view)>& on_digest) {
  return tx.each(
      "SELECT p.digest FROM artifact_part p JOIN artifact_upload u ON u.upload_id = p.upload_id"
      " WHERE u.state = 0",
      {}, [&](const store::Row& row) { on_digest(row.text(0)); });
}

}  // namespace slip::tracking::sql
