#include <utility>

#include "base/text.h"
#include "registry/registry_store.h"

// Versions: their rows, tags, search. What people decided about them: governance_store.cc.
namespace slip::registry::sql {
namespace {

constexpr std::string_view kColumns =
    "v.version, v.uid, v.stage, v.source, v.location, v.run_id, v.run_link, v.logged_model_id,"
    " v.description, v.author, v.created_ms, v.updated_ms, v.digest,"
    " v.user_id";
constexpr int kColumnCount = 14;

Version decode(const store::Row& row) {
  Version v;
  v.number = row.i64(0);
  v.uid = row.str(1);
  v.stage = Stage{row.str(2)};
  v.source = row.str(3);
  v.location = row.str(4);
  v.run_id = row.str(5);
  if (!row.is_null(6)) v.run_link = row.str(6);
  v.logged_model_id = row.str(7);
  if (!row.is_null(8)) v.description = row.str(8);
  v.author = row.str(9);
  v.created_ms = row.i64(10);
  v.updated_ms = row.i64(11);
  v.digest = row.str(12);
  v.user_id = row.str(13);
  return v;
}

std::optional<double> number_or_null(const store::Row& row, int column) {
  if (row.is_null(column)) return std::nullopt;
  return row.f64(column);
}

Status load_gate(store::Tx& tx, std::string_view project, std::string_view model_uid, Version* v) {
  TRY(
      tx.first("SELECT passed, evaluated_ms, actor, digest FROM model_version_gate"
               " WHERE project = ? AND model_uid = ? AND version = ?",
               {project, model_uid, v->number}, [&](const store::Row& row) {
                 v->gate = {.passed = row.i64(0) != 0,
                            .evaluated_ms = row.i64(1),
                            .actor = row.str(2),
                            .digest = row.str(3),
                            .checks = {}};
               }));
  if (!v->gate) return {};
  return tx.each(
      "SELECT kind, metric, bound, value, threshold, champion_version, champion_value,"
      " passed, detail, options, evidence, envelope FROM model_version_check"
      " WHERE project = ? AND model_uid = ? AND version = ? ORDER BY n",
      {project, model_uid, v->number}, [&](const store::Row& row) {
        v->gate->checks.push_back({.check = {.kind = static_cast<Check::Kind>(row.i64(0)),
                                             .metric = row.str(1),
                                             .bound = row.f64(2),
                                             .options = row.str(9)},
                                   .value = number_or_null(row, 3),
                                   .threshold = number_or_null(row, 4),
                                   .champion_version = row.i64(5),
                                   .champion_value = number_or_null(row, 6),
                                   .passed = row.i64(7) != 0,
                                   .detail = row.str(8),
                                   .evidence = row.str(10),
                                   .envelope = row.str(11)});
      });
}

Status load(store::Tx& tx, std::string_view project, std::string_view model_uid, Version* v) {
  TRY(
      tx.each("SELECT key, value FROM model_version_tag"
              " WHERE project = ? AND model_uid = ? AND version = ? ORDER BY key",
              {project, model_uid, v->number},
              [&](const store::Row& row) { v->tags.push_back({row.str(0), row.str(1)}); }));
  TRY(
      tx.each("SELECT alias FROM model_alias WHERE project = ? AND model_uid = ? AND version = ?"
              " ORDER BY alias",
              {project, model_uid, v->number},
              [&](const store::Row& row) { v->aliases.push_back(row.str(0)); }));
  TRY(
      tx.each("SELECT a.actor, a.approved, a.comment, a.created_ms, a.digest"
              " FROM request_approval a JOIN transition_request r ON r.project = a.project"
              " AND r.uid = a.request_uid WHERE r.project = ? AND r.model_uid = ?"
              " AND r.version = ? AND a.voided_ms = 0 ORDER BY a.created_ms, a.n",
              {project, model_uid, v->number}, [&](const store::Row& row) {
                v->approvals.push_back({.actor = row.str(0),
                                        .approved = row.i64(1) != 0,
                                        .comment = row.str(2),
                                        .created_ms = row.i64(3),
                                        .digest = row.str(4)});
              }));
  return load_gate(tx, project, model_uid, v);
}

}  // namespace

Status insert_version(store::Tx& tx, std::string_view project, std::string_view model_uid,
                      const Version& v) {
  TRY(
      tx.exec("INSERT INTO model_version (project, model_uid, version, uid, stage, source,"
              " location, run_id, run_link, logged_model_id, description, author, created_ms,"
              " updated_ms, digest, user_id)"
              " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
              {project, model_uid, v.number, v.uid, v.stage.name, v.source, v.location, v.run_id,
               store::maybe(v.run_link), v.logged_model_id, store::maybe(v.description), v.author,
               v.created_ms, v.updated_ms, v.digest, v.user_id}));
  for (const Tag& tag : v.tags) TRY(put_version_tag(tx, project, model_uid, v.number, tag));
  return {};
}

Status overwrite_version(store::Tx& tx, std::string_view project, std::string_view model_uid,
                         const Version& v) {
  TRY(tx.exec(
      "UPDATE model_version SET source = ?, location = ?, run_id = ?, user_id = ?,"
      " created_ms = ? WHERE project = ? AND model_uid = ? AND version = ?",
      {v.source, v.location, v.run_id, v.user_id, v.created_ms, project, model_uid, v.number}));
  return {};
}

Result<bool> was_version(store::Tx& tx, std::string_view project, std::string_view model_uid,
                         int64_t version) {
  return tx.first(
      "SELECT version FROM model_version WHERE project = ? AND model_uid = ? AND version = ?",
      {project, model_uid, version}, [](const store::Row&) {});
}

Result<std::optional<Version>> find_version(store::Tx& tx, std::string_view project,
                                            const Model& model, int64_t number) {
  std::optional<Version> out;
  TRY(tx.first(concat({"SELECT ", kColumns,
                       " FROM model_version v WHERE v.project = ? AND v.model_uid = ?"
                       " AND v.version = ? AND v.deleted_ms IS NULL"}),
               {project, model.uid, number}, [&](const store::Row& row) { out = decode(row); }));
  if (!out) return out;
  out->model = model.name;
  TRY(load(tx, project, model.uid, &*out));
  return out;
}

Result<std::vector<Version>> list_versions(store::Tx& tx, std::string_view project,
                                           const Model& model) {
  std::vector<Version> out;
  TRY(tx.each(concat({"SELECT ", kColumns,
                      " FROM model_version v WHERE v.project = ? AND v.model_uid = ?"
                      " AND v.deleted_ms IS NULL ORDER BY v.version DESC"}),
              {project, model.uid}, [&](const store::Row& row) {
                out.push_back(decode(row));
                out.back().model = model.name;
              }));
  for (Version& v : out) TRY(load(tx, project, model.uid, &v));
  return out;
}

Result<std::vector<int64_t>> in_stage(store::Tx& tx, std::string_view project,
                                      std::string_view model_uid, const Stage& stage) {
  std::vector<int64_t> out;
  TRY(tx.each(
      "SELECT version FROM model_version WHERE project = ? AND model_uid = ?"
      " AND stage = ? AND deleted_ms IS NULL ORDER BY version DESC",
      {project, model_uid, stage.name}, [&](const store::Row& row) { out.push_back(row.i64(0)); }));
  return out;
}

Result<std::optional<int64_t>> latest_in_stage(store::Tx& tx, std::string_view project,
                                               std::string_view model_uid, const Stage& stage) {
  std::optional<int64_t> out;
  TRY(
      tx.first("SELECT MAX(version) FROM model_version WHERE project = ? AND model_uid = ?"
               " AND stage = ? AND deleted_ms IS NULL",
               {project, model_uid, stage.name}, [&](const store::Row& row) {
                 if (!row.is_null(0)) out = row.i64(0);
               }));
  return out;
}

Status update_version(store::Tx& tx, std::string_view project, std::string_view model_uid,
                      const Version& v) {
  TRY(
      tx.exec("UPDATE model_version SET stage = ?, description = ?, digest = ?, updated_ms = ?"
              " WHERE project = ? AND model_uid = ? AND version = ?",
              {v.stage.name, store::maybe(v.description), v.digest, v.updated_ms, project,
               model_uid, v.number}));
  return {};
}

Status delete_version(store::Tx& tx, std::string_view project, std::string_view model_uid,
                      const Version& v) {
  TRY(
      tx.exec("UPDATE model_version SET deleted_ms = ?, stage = 'None', source = '', location = '',"
              " run_id = '', run_link = NULL, updated_ms = ?"
              " WHERE project = ? AND model_uid = ? AND version = ?",
              {v.updated_ms, v.updated_ms, project, model_uid, v.number}));
  return drop_aliases_of(tx, project, model_uid, v.number, v.updated_ms);
}

Status touch_versions(store::Tx& tx, std::string_view project, const Model& model) {
  TRY(
      tx.exec("UPDATE model_version SET updated_ms = ? WHERE project = ? AND model_uid = ?"
              " AND deleted_ms IS NULL",
              {model.updated_ms, project, model.uid}));
  return {};
}

Status put_version_tag(store::Tx& tx, std::string_view project, std::string_view model_uid,
                       int64_t version, const Tag& tag) {
  TRY(
      tx.exec("INSERT INTO model_version_tag (project, model_uid, version, key, value)"
              " VALUES (?, ?, ?, ?, ?) ON CONFLICT (project, model_uid, version, key)"
              " DO UPDATE SET value = excluded.value",
              {project, model_uid, version, tag.key, tag.value}));
  return {};
}

Status drop_version_tag(store::Tx& tx, std::string_view project, std::string_view model_uid,
                        int64_t version, std::string_view key) {
  TRY(
      tx.exec("DELETE FROM model_version_tag WHERE project = ? AND model_uid = ? AND version = ?"
              " AND key = ?",
              {project, model_uid, version, key}));
  return {};
}

Result<Page<Version>> search_versions(store::Tx& tx, std::string_view project,
                                      const search::PageQuery& query) {
  const std::string columns = concat({kColumns, ", v.model_uid, m.name"});
  const search::Select list = {columns, kColumnCount + 2,
                               "model_version v JOIN registered_model m ON m.project = v.project"
                               " AND m.uid = v.model_uid"
                               " WHERE v.project = ? AND v.deleted_ms IS NULL"};
  std::vector<std::string> uids;
  Page<Version> out = TRY(search::read_page(tx, project, list, query, [&](const store::Row& row) {
    Version v = decode(row);
    uids.push_back(row.str(kColumnCount));
    v.model = row.str(kColumnCount + 1);
    return v;
  }));
  for (size_t i = 0; i < uids.size(); ++i) TRY(load(tx, project, uids[i], &out.items[i]));
  return out;
}

}  // namespace slip::registry::sql
