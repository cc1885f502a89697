#include "base/text.h"
#include "registry/registry_store.h"
#include "registry/timeline_store.h"
#include "store/sql.h"

// Models: their rows, tags, aliases and search.
namespace slip::registry::sql {
namespace {

constexpr std::string_view kColumns =
    "m.uid, m.name, m.description, m.author, m.created_ms, m.updated_ms, m.is_protected,"
    " m.last_version";
constexpr int kColumnCount = 8;

Model decode(const store::Row& row) {
  Model m;
  m.uid = row.str(0);
  m.name = row.str(1);
  if (!row.is_null(2)) m.description = row.str(2);
  m.author = row.str(3);
  m.created_ms = row.i64(4);
  m.updated_ms = row.i64(5);
  m.is_protected = row.i64(6) != 0;
  m.last_version = row.i64(7);
  return m;
}

Status load(store::Tx& tx, std::string_view project, Model* m) {
  TRY(
      tx.each("SELECT key, value FROM registered_model_tag WHERE project = ? AND model_uid = ?"
              " ORDER BY key",
              {project, m->uid},
              [&](const store::Row& row) { m->tags.push_back({row.str(0), row.str(1)}); }));
  return tx.each(
      "SELECT alias, version FROM model_alias WHERE project = ? AND model_uid = ?"
      " ORDER BY alias",
      {project, m->uid},
      [&](const store::Row& row) { m->aliases.push_back({row.str(0), row.i64(1)}); });
}

}  // namespace

Status insert_model(store::Tx& tx, std::string_view project, const Model& m) {
  TRY(
      tx.exec("INSERT INTO registered_model (project, uid, name, description, author, created_ms,"
              " updated_ms, is_protected, last_version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
              {project, m.uid, m.name, store::maybe(m.description), m.author, m.created_ms,
               m.updated_ms, static_cast<int64_t>(m.is_protected), m.last_version}));
  for (const Tag& tag : m.tags) TRY(put_model_tag(tx, project, m.uid, tag));
  return {};
}

Result<std::optional<Model>> find_model(store::Tx& tx, std::string_view project,
                                        std::string_view name) {
  std::optional<Model> out;
  TRY(tx.first(concat({"SELECT ", kColumns,
                       " FROM registered_model m WHERE m.project = ? AND m.name = ?"
                       " AND m.deleted_ms IS NULL"}),
               {project, name}, [&](const store::Row& row) { out = decode(row); }));
  if (out) TRY(load(tx, project, &*out));
  return out;
}

Result<std::map<std::string, std::string>> model_names(store::Tx& tx, std::string_view project,
                                                       std::span<const std::string> uids,
                                                       const search::Sql& visible) {
  constexpr size_t kAtOnce = 500;
  std::map<std::string, std::string> out;
  while (!uids.empty()) {
    const auto some = uids.first(std::min(kAtOnce, uids.size()));
    uids = uids.subspan(some.size());
    search::Sql query;
    query.add("SELECT m.uid, m.name FROM registered_model m WHERE m.project = ?")
        .bind(std::string(project))
        .add(concat(
            {" AND m.deleted_ms IS NULL AND m.uid IN (", store::placeholders(some.size()), ")"}));
    for (const std::string& uid : some) query.bind(uid);
    query.add(visible);
    TRY(tx.each(query.text, query.values(),
                [&](const store::Row& row) { out.emplace(row.str(0), row.str(1)); }));
  }
  return out;
}

Status update_model(store::Tx& tx, std::string_view project, const Model& m) {
  TRY(
      tx.exec("UPDATE registered_model SET name = ?, description = ?, updated_ms = ?,"
              " is_protected = ?, last_version = ? WHERE project = ? AND uid = ?",
              {m.name, store::maybe(m.description), m.updated_ms,
               static_cast<int64_t>(m.is_protected), m.last_version, project, m.uid}));
  return {};
}

Status delete_model(store::Tx& tx, std::string_view project, const Model& m, int64_t now_ms) {
  TRY(tx.exec("UPDATE registered_model SET deleted_ms = ? WHERE project = ? AND uid = ?",
              {now_ms, project, m.uid}));
  TRY(
      tx.exec("UPDATE model_version SET deleted_ms = ? WHERE project = ? AND model_uid = ?"
              " AND deleted_ms IS NULL",
              {now_ms, project, m.uid}));
  TRY(tx.exec("DELETE FROM model_alias WHERE project = ? AND model_uid = ?", {project, m.uid}));
  return end_timeline(tx, {project, m.uid}, now_ms);
}

Status put_model_tag(store::Tx& tx, std::string_view project, std::string_view model_uid,
                     const Tag& tag) {
  TRY(
      tx.exec("INSERT INTO registered_model_tag (project, model_uid, key, value)"
              " VALUES (?, ?, ?, ?) ON CONFLICT (project, model_uid, key)"
              " DO UPDATE SET value = excluded.value",
              {project, model_uid, tag.key, tag.value}));
  return {};
}

Status drop_model_tag(store::Tx& tx, std::string_view project, std::string_view model_uid,
                      std::string_view key) {
  TRY(tx.exec("DELETE FROM registered_model_tag WHERE project = ? AND model_uid = ? AND key = ?",
              {project, model_uid, key}));
  return {};
}

Status put_alias(store::Tx& tx, std::string_view project, std::string_view model_uid,
                 const Alias& alias, const Turn& turn) {
  TRY(
      tx.exec("INSERT INTO model_alias (project, model_uid, alias, version) VALUES (?, ?, ?, ?)"
              " ON CONFLICT (project, model_uid, alias) DO UPDATE SET version = excluded.version",
              {project, model_uid, alias.alias, alias.version}));
  return begin_alias(tx, {project, model_uid}, alias, turn);
}

Status drop_alias(store::Tx& tx, std::string_view project, std::string_view model_uid,
                  std::string_view alias, int64_t now_ms) {
  TRY(tx.exec("DELETE FROM model_alias WHERE project = ? AND model_uid = ? AND alias = ?",
              {project, model_uid, alias}));
  return end_alias(tx, {project, model_uid}, alias, now_ms);
}

Status drop_aliases_of(store::Tx& tx, std::string_view project, std::string_view model_uid,
                       int64_t version, int64_t now_ms) {
  TRY(tx.exec("DELETE FROM model_alias WHERE project = ? AND model_uid = ? AND version = ?",
              {project, model_uid, version}));
  return end_aliases_of(tx, {project, model_uid}, version, now_ms);
}

Result<Page<Model>> search_models(store::Tx& tx, std::string_view project,
                                  const search::PageQuery& query) {
  constexpr search::Select kList = {
      kColumns, kColumnCount, "registered_model m WHERE m.project = ? AND m.deleted_ms IS NULL"};
  Page<Model> out = TRY(search::read_page(tx, project, kList, query, decode));
  for (Model& m : out.items) TRY(load(tx, project, &m));
  return out;
}

}  // namespace slip::registry::sql
