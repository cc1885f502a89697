#include "tracking/run_store.h"

#include <array>
#include <cfloat>
#include <cmath>
#include <map>
#include <tuple>
#include <utility>

#include "base/text.h"

namespace slip::tracking::sql {
namespace {

constexpr std::string_view kColumns =
    "r.run_id, r.experiment_id, r.name, r.user_id, r.status, r.start_ms, r.end_ms, r.lifecycle,"
    " r.artifact_uri, r.author";
constexpr int kColumnCount = 10;

Run decode(const store::Row& row) {
  Run run;
  run.id = row.str(0);
  run.experiment_id = row.i64(1);
  run.name = row.str(2);
  run.user_id = row.str(3);
  run.status = static_cast<RunStatus>(row.i64(4));
  run.start_ms = row.i64(5);
  if (!row.is_null(6)) run.end_ms = row.i64(6);
  run.lifecycle = static_cast<Lifecycle>(row.i64(7));
  run.artifact_uri = row.str(8);
  run.author = row.str(9);
  return run;
}

std::optional<std::string> text_or_null(const store::Row& row, int column) {
  if (row.is_null(column)) return std::nullopt;
  return row.str(column);
}

Status load_inputs(store::Tx& tx, std::string_view project, Run* run) {
  TRY(
      tx.each("SELECT i.name, i.digest, d.source_type, d.source, d.schema_text, d.profile"
              " FROM run_input i JOIN dataset_seen d ON d.project = i.project"
              " AND d.experiment_id = ? AND d.name = i.name AND d.digest = i.digest"
              " WHERE i.project = ? AND i.run_id = ? ORDER BY i.name, i.digest",
              {run->experiment_id, project, run->id}, [&](const store::Row& row) {
                run->dataset_inputs.push_back({.tags = {},
                                               .dataset = {.name = row.str(0),
                                                           .digest = row.str(1),
                                                           .source_type = row.str(2),
                                                           .source = row.str(3),
                                                           .schema = text_or_null(row, 4),
                                                           .profile = text_or_null(row, 5)}});
              }));
  if (!run->dataset_inputs.empty())
    TRY(
        tx.each("SELECT name, digest, key, value FROM run_input_tag"
                " WHERE project = ? AND run_id = ? ORDER BY name, digest, key",
                {project, run->id}, [&](const store::Row& row) {
                  for (DatasetInput& input : run->dataset_inputs)
                    if (input.dataset.name == row.text(0) && input.dataset.digest == row.text(1))
                      input.tags.push_back({row.str(2), row.str(3)});
                }));
  TRY(tx.each(
      "SELECT model_id FROM run_model_input WHERE project = ? AND run_id = ?"
      " ORDER BY model_id",
      {project, run->id}, [&](const store::Row& row) { run->model_inputs.push_back(row.str(0)); }));
  return tx.each(
      "SELECT model_id, step FROM run_model_output WHERE project = ? AND run_id = ?"
      " ORDER BY model_id, step",
      {project, run->id},
      [&](const store::Row& row) { run->model_outputs.push_back({row.str(0), row.i64(1)}); });
}

Status put_model_metric(store::Tx& tx, std::string_view project, std::string_view run_id,
                        const Metric& m) {
  const StoredNumber n = encode_number(m.value);
  TRY(
      tx.exec("INSERT INTO logged_model_metric (project, model_id, key, timestamp_ms, step,"
              " run_id, value, flag, dataset_name, dataset_digest)"
              " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
              {project, m.model_id, m.key, m.timestamp_ms, m.step, run_id, n.value, n.flag,
               m.dataset_name, m.dataset_digest}));
  return {};
}

Status raise_latest(store::Tx& tx, std::string_view project, std::string_view run_id,
                    const Metric& m) {
  const StoredNumber n = encode_number(m.value);
  TRY(
      tx.exec("INSERT INTO run_metric_latest (project, run_id, key, step, timestamp_ms, value,"
              " flag) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (project, run_id, key)"
              " DO UPDATE SET step = excluded.step, timestamp_ms = excluded.timestamp_ms,"
              " value = excluded.value, flag = excluded.flag"
              " WHERE (excluded.step, excluded.timestamp_ms, excluded.value) >"
              " (run_metric_latest.step, run_metric_latest.timestamp_ms, run_metric_latest.value)",
              {project, run_id, m.key, m.step, m.timestamp_ms, n.value, n.flag}));
  return {};
}

}  // namespace

StoredNumber encode_number(double value) {
  if (std::isnan(value)) return {.value = 0, .flag = 1};
  if (std::isinf(value))
    return {.value = value > 0 ? DBL_MAX : -DBL_MAX, .flag = value > 0 ? 2 : 3};
  return {.value = value, .flag = 0};
}

double decode_number(double value, int64_t flag) {
  if (flag == 1) return std::nan("");
  if (flag == 2) return HUGE_VAL;
  return flag == 3 ? -HUGE_VAL : value;
}

Status insert_run(store::Tx& tx, std::string_view project, const Run& run, int64_t now_ms) {
  TRY(tx.exec(
      "INSERT INTO run (project, run_id, experiment_id, name, user_id, status, start_ms,"
      " lifecycle, artifact_uri, author, created_ms)"
      " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      {project, run.id, run.experiment_id, run.name, run.user_id, static_cast<int64_t>(run.status),
       run.start_ms, static_cast<int64_t>(run.lifecycle), run.artifact_uri, run.author, now_ms}));
  for (const Tag& tag : run.tags) TRY(put_run_tag(tx, project, run.id, tag));
  return {};
}

Result<std::optional<Run>> find_run(store::Tx& tx, std::string_view project,
                                    std::string_view run_id) {
  std::optional<Run> out;
  TRY(tx.first(concat({"SELECT ", kColumns, " FROM run r WHERE r.project = ? AND r.run_id = ?"}),
               {project, run_id}, [&](const store::Row& row) { out = decode(row); }));
  return out;
}

Status load_run_data(store::Tx& tx, std::string_view project, Run* run) {
  TRY(
      tx.each("SELECT key, value, flag, timestamp_ms, step FROM run_metric_latest"
              " WHERE project = ? AND run_id = ? ORDER BY key",
              {project, run->id}, [&](const store::Row& row) {
                Metric m;
                m.key = row.str(0);
                m.value = decode_number(row.f64(1), row.i64(2));
                m.timestamp_ms = row.i64(3);
                m.step = row.i64(4);
                run->metrics.push_back(std::move(m));
              }));
  TRY(tx.each("SELECT key, value FROM run_param WHERE project = ? AND run_id = ? ORDER BY key",
              {project, run->id},
              [&](const store::Row& row) { run->params.push_back({row.str(0), row.str(1)}); }));
  TRY(tx.each("SELECT key, value FROM run_tag WHERE project = ? AND run_id = ? ORDER BY key",
              {project, run->id},
              [&](const store::Row& row) { run->tags.push_back({row.str(0), row.str(1)}); }));
  return load_inputs(tx, project, run);
}

Status update_run(store::Tx& tx, std::string_view project, const Run& run) {
  TRY(tx.exec(
      "UPDATE run SET name = ?, status = ?, end_ms = ? WHERE project = ? AND run_id = ?",
      {run.name, static_cast<int64_t>(run.status), store::maybe(run.end_ms), project, run.id}));
  return {};
}

Status move_run(store::Tx& tx, std::string_view project, const Run& run, int64_t now_ms) {
  const bool deleted = run.lifecycle == Lifecycle::kDeleted;
  TRY(tx.exec("UPDATE run SET lifecycle = ?, deleted_ms = ? WHERE project = ? AND run_id = ?",
              {static_cast<int64_t>(run.lifecycle), deleted ? store::Value(now_ms) : nullptr,
               project, run.id}));
  return {};
}

Status put_run_tag(store::Tx& tx, std::string_view project, std::string_view run_id,
                   const Tag& tag) {
  TRY(
      tx.exec("INSERT INTO run_tag (project, run_id, key, value) VALUES (?, ?, ?, ?)"
              " ON CONFLICT (project, run_id, key) DO UPDATE SET value = excluded.value",
              {project, run_id, tag.key, tag.value}));
  return {};
}

Result<bool> drop_run_tag(store::Tx& tx, std::string_view project, std::string_view run_id,
                          std::string_view key) {
  return TRY(tx.exec("DELETE FROM run_tag WHERE project = ? AND run_id = ? AND key = ?",
                     {project, run_id, key})) > 0;
}

Result<bool> add_param(store::Tx& tx, std::string_view project, std::string_view run_id,
                       const Tag& param, std::string* existing) {
  const int64_t added =
      TRY(tx.exec("INSERT INTO run_param (project, run_id, key, value) VALUES (?, ?, ?, ?)"
                  " ON CONFLICT DO NOTHING",
                  {project, run_id, param.key, param.value}));
  if (added > 0) return true;
  TRY(tx.first("SELECT value FROM run_param WHERE project = ? AND run_id = ? AND key = ?",
               {project, run_id, param.key},
               [&](const store::Row& row) { *existing = row.str(0); }));
  return false;
}

Status add_metrics(store::Tx& tx, std::string_view project, std::string_view run_id,
                   std::span<const Metric> metrics) {
  std::map<std::string_view, const Metric*> newest;  // So that each key is raised once.
  const auto rank = [](const Metric& m) {
    return std::tuple(m.step, m.timestamp_ms, encode_number(m.value).value);
  };
  for (const Metric& m : metrics) {
    const StoredNumber n = encode_number(m.value);
    TRY(
        tx.exec("INSERT INTO run_metric (project, run_id, key, step, timestamp_ms, value, flag)"
                " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                {project, run_id, m.key, m.step, m.timestamp_ms, n.value, n.flag}));
    if (!m.model_id.empty()) TRY(put_model_metric(tx, project, run_id, m));
    const Metric*& best = newest[m.key];
    if (!best || rank(m) > rank(*best)) best = &m;
  }
  for (const auto& [key, metric] : newest) TRY(raise_latest(tx, project, run_id, *metric));
  return {};
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
      tx.exec("INSERT INTO run_input (project, run_id, name, digest) VALUES (?, ?, ?, ?)"
              " ON CONFLICT DO NOTHING",
              {project, run.id, d.name, d.digest}));
  for (const Tag& tag : input.tags)
    TRY(
        tx.exec("INSERT INTO run_input_tag (project, run_id, name, digest, key, value)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (project, run_id, name, digest, key)"
                " DO UPDATE SET value = excluded.value",
                {project, run.id, d.name, d.digest, tag.key, tag.value}));
  return {};
}

Status add_model_input(store::Tx& tx, std::string_view project, std::string_view run_id,
                       std::string_view model_id) {
  TRY(
      tx.exec("INSERT INTO run_model_input (project, run_id, model_id) VALUES (?, ?, ?)"
              " ON CONFLICT DO NOTHING",
              {project, run_id, model_id}));
  return {};
}

Status add_model_output(store::Tx& tx, std::string_view project, std::string_view run_id,
                        const ModelOutput& output) {
  TRY(
      tx.exec("INSERT INTO run_model_output (project, run_id, model_id, step)"
              " VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
              {project, run_id, output.model_id, output.step}));
  return {};
}

std::span<const search::SortKey> history_keys() {
  static const std::array<search::SortKey, 4> keys = {{
      {.expr = "timestamp_ms", .args = {}},
      {.expr = "step", .args = {}},
      {.expr = "value", .type = search::Type::kNumber, .args = {}},
      {.expr = "flag", .args = {}},
  }};
  return keys;
}

Result<std::vector<Metric>> history(store::Tx& tx, std::string_view project,
                                    const HistoryRange& range, std::vector<search::Bound>* last) {
  search::Sql q;
  q.add(
      "SELECT timestamp_ms, step, value, flag FROM run_metric"
      " WHERE project = ? AND run_id = ? AND key = ?");
  q.bind(std::string(project)).bind(std::string(range.run_id)).bind(std::string(range.key));
  if (!range.after.empty()) {
    q.add(" AND ");
    search::add_after(&q, history_keys(), range.after);
  }
  search::add_order_by(&q, history_keys());
  q.add(" LIMIT CAST(? AS BIGINT)").bind(range.limit + 1);
  std::vector<Metric> out;
  TRY(tx.each(q.text, q.values(), [&](const store::Row& row) {
    Metric m;
    m.key = std::string(range.key);
    m.timestamp_ms = row.i64(0);
    m.step = row.i64(1);
    m.value = decode_number(row.f64(2), row.i64(3));
    out.push_back(std::move(m));
    if (static_cast<int64_t>(out.size()) == range.limit)
      *last = search::read_keys(row, 0, history_keys());
  }));
  return out;
}

Result<std::optional<double>> latest_metric(store::Tx& tx, std::string_view project,
                                            std::string_view run_id, std::string_view key) {
  std::optional<double> out;
  TRY(
      tx.first("SELECT value, flag FROM run_metric_latest"
               " WHERE project = ? AND run_id = ? AND key = ?",
               {project, run_id, key},
               [&](const store::Row& row) { out = decode_number(row.f64(0), row.i64(1)); }));
  return out;
}

Result<std::vector<Run>> search_runs(store::Tx& tx, std::string_view project,
                                     const RunSearch& search, std::vector<search::Bound>* last) {
  search::Sql q;
  q.add("SELECT ").add(kColumns);
  for (const search::SortKey& key : search.keys) {
    q.add(", ").add(key.expr);
    for (const search::Bound& arg : key.args) q.bind(arg);
  }
  q.add(" FROM run r WHERE r.project = ?").bind(std::string(project));
  q.add(search.where.text);
  q.args.insert(q.args.end(), search.where.args.begin(), search.where.args.end());
  if (!search.after.empty()) {
    q.add(" AND ");
    search::add_after(&q, search.keys, search.after);
  }
  search::add_order_by(&q, search.keys);
  q.add(" LIMIT CAST(? AS BIGINT)").bind(search.limit + 1);

  std::vector<Run> out;
  TRY(tx.each(q.text, q.values(), [&](const store::Row& row) {
    out.push_back(decode(row));
    if (static_cast<int64_t>(out.size()) == search.limit)
      *last = search::read_keys(row, kColumnCount, search.keys);
  }));
  for (Run& run : out) TRY(load_run_data(tx, project, &run));
  return out;
}

}  // namespace slip::tracking::sql
