#include "tracking/experiment_store.h"

#include <algorithm>

namespace slip::tracking::sql {
namespace {

constexpr std::string_view kColumns =
    "e.experiment_id, e.name, e.artifact_location, e.lifecycle, e.created_ms, e.updated_ms";
constexpr int kColumnCount = 6;

Experiment decode(const store::Row& row) {
  return {.id = row.i64(0),
          .name = row.str(1),
          .artifact_location = row.str(2),
          .lifecycle = static_cast<Lifecycle>(row.i64(3)),
          .created_ms = row.i64(4),
          .updated_ms = row.i64(5),
          .tags = {}};
}

Status load_tags(store::Tx& tx, std::string_view project, Experiment* e) {
  return tx.each(
      "SELECT key, value FROM experiment_tag WHERE project = ? AND experiment_id = ? ORDER BY key",
      {project, e->id},
      [&](const store::Row& row) { e->tags.push_back({row.str(0), row.str(1)}); });
}

Result<std::optional<Experiment>> find_where(store::Tx& tx, std::string_view project,
                                             std::string_view condition, store::Value value) {
  std::optional<Experiment> out;
  std::string text = "SELECT ";
  text.append(kColumns).append(" FROM experiment e WHERE e.project = ? AND ").append(condition);
  TRY(tx.first(text, {project, value}, [&](const store::Row& row) { out = decode(row); }));
  if (out) TRY(load_tags(tx, project, &*out));
  return out;
}

}  // namespace

Status insert(store::Tx& tx, std::string_view project, const Experiment& e,
              std::string_view author) {
  TRY(
      tx.exec("INSERT INTO experiment (project, experiment_id, name, artifact_location, lifecycle,"
              " author, created_ms, updated_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
              {project, e.id, e.name, e.artifact_location, static_cast<int64_t>(e.lifecycle),
               author, e.created_ms, e.updated_ms}));
  for (const Tag& tag : e.tags) TRY(put_experiment_tag(tx, project, e.id, tag));
  return {};
}

Result<int64_t> last_experiment_id(store::Tx& tx, std::string_view project) {
  int64_t last = 0;
  TRY(tx.first("SELECT MAX(experiment_id) FROM experiment WHERE project = ?", {project},
               [&](const store::Row& row) { last = row.i64(0); }));
  TRY(tx.first("SELECT last_id FROM experiment_counter WHERE project = ?", {project},
               [&](const store::Row& row) { last = std::max(last, row.i64(0)); }));
  return last;
}

Result<std::optional<Experiment>> find_experiment(store::Tx& tx, std::string_view project,
                                                  int64_t id) {
  return find_where(tx, project, "e.experiment_id = ?", id);
}

Result<std::optional<Experiment>> find_experiment(store::Tx& tx, std::string_view project,
                                                  std::string_view name) {
  return find_where(tx, project, "e.name = ?", name);
}

Status rename_experiment(store::Tx& tx, std::string_view project, const Experiment& e) {
  TRY(
      tx.exec("UPDATE experiment SET name = ?, updated_ms = ?"
              " WHERE project = ? AND experiment_id = ?",
              {e.name, e.updated_ms, project, e.id}));
  return {};
}

Status move_experiment(store::Tx& tx, std::string_view project, const Experiment& e) {
  const auto to = static_cast<int64_t>(e.lifecycle);
  TRY(
      tx.exec("UPDATE experiment SET lifecycle = ?, updated_ms = ?"
              " WHERE project = ? AND experiment_id = ?",
              {to, e.updated_ms, project, e.id}));
  TRY(
      tx.exec("UPDATE run SET lifecycle = ?, deleted_ms = ?"
              " WHERE project = ? AND experiment_id = ? AND lifecycle <> ?",
              {to, e.lifecycle == Lifecycle::kDeleted ? store::Value(e.updated_ms) : nullptr,
               project, e.id, to}));
  return {};
}

Status put_experiment_tag(store::Tx& tx, std::string_view project, int64_t id, const Tag& tag) {
  TRY(
      tx.exec("INSERT INTO experiment_tag (project, experiment_id, key, value)"
              " VALUES (?, ?, ?, ?) ON CONFLICT (project, experiment_id, key)"
              " DO UPDATE SET value = excluded.value",
              {project, id, tag.key, tag.value}));
  return {};
}

Result<bool> drop_experiment_tag(store::Tx& tx, std::string_view project, int64_t id,
                                 std::string_view key) {
  return TRY(tx.exec(
             "DELETE FROM experiment_tag WHERE project = ? AND experiment_id = ? AND key = ?",
             {project, id, key})) > 0;
}

Result<Page<Experiment>> search_experiments(store::Tx& tx, std::string_view project,
                                            const search::PageQuery& query) {
  constexpr search::Select kList = {kColumns, kColumnCount, "experiment e WHERE e.project = ?"};
  Page<Experiment> out = TRY(search::read_page(tx, project, kList, query, decode));
  for (Experiment& e : out.items) TRY(load_tags(tx, project, &e));
  return out;
}

}  // namespace slip::tracking::sql
