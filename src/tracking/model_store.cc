#include "tracking/model_store.h"

#include <utility>

#include "base/text.h"
#include "tracking/run_store.h"

namespace slip::tracking::sql {
namespace {

constexpr std::string_view kColumns =
    "l.model_id, l.experiment_id, l.name, l.model_type, l.source_run_id, l.status,"
    " l.status_message, l.created_ms, l.updated_ms, l.lifecycle, l.artifact_uri, l.author";
constexpr int kColumnCount = 12;

LoggedModel decode(const store::Row& row) {
  LoggedModel m;
  m.id = row.str(0);
  m.experiment_id = row.i64(1);
  m.name = row.str(2);
  m.model_type = row.str(3);
  m.source_run_id = row.str(4);
  m.status = static_cast<ModelStatus>(row.i64(5));
  m.status_message = row.str(6);
  m.created_ms = row.i64(7);
  m.updated_ms = row.i64(8);
  m.lifecycle = static_cast<Lifecycle>(row.i64(9));
  m.artifact_uri = row.str(10);
  m.author = row.str(11);
  return m;
}

Status load_data(store::Tx& tx, std::string_view project, LoggedModel* m) {
  TRY(
      tx.each("SELECT key, value FROM logged_model_tag WHERE project = ? AND model_id = ?"
              " ORDER BY key",
              {project, m->id},
              [&](const store::Row& row) { m->tags.push_back({row.str(0), row.str(1)}); }));
  TRY(
      tx.each("SELECT key, value FROM logged_model_param WHERE project = ? AND model_id = ?"
              " ORDER BY key",
              {project, m->id},
              [&](const store::Row& row) { m->params.push_back({row.str(0), row.str(1)}); }));
  return tx.each(
      "SELECT key, value, flag, timestamp_ms, step, run_id, dataset_name,"
      " dataset_digest FROM logged_model_metric WHERE project = ? AND model_id = ?"
      " ORDER BY key, timestamp_ms, step, run_id",
      {project, m->id}, [&](const store::Row& row) {
        Metric metric;
        metric.key = row.str(0);
        metric.value = decode_number(row.f64(1), row.i64(2));
        metric.timestamp_ms = row.i64(3);
        metric.step = row.i64(4);
        metric.run_id = row.str(5);
        metric.dataset_name = row.str(6);
        metric.dataset_digest = row.str(7);
        metric.model_id = m->id;
        m->metrics.push_back(std::move(metric));
      });
}

}  // namespace

Status insert_model(store::Tx& tx, std::string_view project, const LoggedModel& m) {
  TRY(
      tx.exec("INSERT INTO logged_model (project, model_id, experiment_id, name, model_type,"
              " source_run_id, status, status_message, created_ms, updated_ms, lifecycle,"
              " artifact_uri, author) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
              {project, m.id, m.experiment_id, m.name, m.model_type, m.source_run_id,
               static_cast<int64_t>(m.status), m.status_message, m.created_ms, m.updated_ms,
               static_cast<int64_t>(m.lifecycle), m.artifact_uri, m.author}));
  for (const Tag& tag : m.tags) TRY(put_model_tag(tx, project, m.id, tag));
  for (const Tag& param : m.params) TRY(put_model_param(tx, project, m.id, param));
  return {};
}

Result<std::optional<LoggedModel>> find_model(store::Tx& tx, std::string_view project,
                                              std::string_view id) {
  std::optional<LoggedModel> out;
  TRY(tx.first(
      concat({"SELECT ", kColumns, " FROM logged_model l WHERE l.project = ? AND l.model_id = ?"}),
      {project, id}, [&](const store::Row& row) { out = decode(row); }));
  if (out) TRY(load_data(tx, project, &*out));
  return out;
}

Result<std::optional<int64_t>> experiment_of_model(store::Tx& tx, std::string_view project,
                                                   std::string_view id) {
  std::optional<int64_t> out;
  TRY(tx.first("SELECT experiment_id FROM logged_model WHERE project = ? AND model_id = ?",
               {project, id}, [&](const store::Row& row) { out = row.i64(0); }));
  return out;
}

Status update_model(store::Tx& tx, std::string_view project, const LoggedModel& m) {
  TRY(
      tx.exec("UPDATE logged_model SET status = ?, status_message = ?, updated_ms = ?,"
              " lifecycle = ? WHERE project = ? AND model_id = ?",
              {static_cast<int64_t>(m.status), m.status_message, m.updated_ms,
               static_cast<int64_t>(m.lifecycle), project, m.id}));
  return {};
}

Status put_model_tag(store::Tx& tx, std::string_view project, std::string_view id, const Tag& tag) {
  TRY(
      tx.exec("INSERT INTO logged_model_tag (project, model_id, key, value) VALUES (?, ?, ?, ?)"
              " ON CONFLICT (project, model_id, key) DO UPDATE SET value = excluded.value",
              {project, id, tag.key, tag.value}));
  return {};
}

Result<bool> drop_model_tag(store::Tx& tx, std::string_view project, std::string_view id,
                            std::string_view key) {
  return TRY(tx.exec("DELETE FROM logged_model_tag WHERE project = ? AND model_id = ? AND key = ?",
                     {project, id, key})) > 0;
}

Status put_model_param(store::Tx& tx, std::string_view project, std::string_view id,
                       const Tag& param) {
  TRY(
      tx.exec("INSERT INTO logged_model_param (project, model_id, key, value)"
              " VALUES (?, ?, ?, ?) ON CONFLICT (project, model_id, key)"
              " DO UPDATE SET value = excluded.value",
              {project, id, param.key, param.value}));
  return {};
}

Result<Page<LoggedModel>> search_models(store::Tx& tx, std::string_view project,
                                        const search::PageQuery& query) {
  constexpr search::Select kList = {kColumns, kColumnCount,
                                    "logged_model l WHERE l.project = ? AND l.lifecycle = 0"};
  Page<LoggedModel> out = TRY(search::read_page(tx, project, kList, query, decode));
  for (LoggedModel& m : out.items) TRY(load_data(tx, project, &m));
  return out;
}

}  // namespace slip::tracking::sql
