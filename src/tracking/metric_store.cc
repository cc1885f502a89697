#include "tracking/metric_store.h"

#include <algorithm>
#include <cfloat>
#include <cmath>

#include "base/text.h"

namespace slip::tracking::sql {
namespace {

constexpr std::string_view kOfCurve = " FROM metric_point WHERE run_n = ? AND key_n = ?";
constexpr std::string_view kOfSteps =
    " FROM metric_point WHERE run_n = ? AND key_n = ? AND step >= ? AND step <= ?";

Status each_of_curve(store::Tx& tx, std::string_view columns, std::string_view order,
                     const Curve& curve, const std::function<void(const store::Row&)>& on_row) {
  if (!curve.steps)
    return tx.each(concat({"SELECT ", columns, kOfCurve, order}), {curve.run_n, curve.key_n},
                   on_row);
  return tx.each(concat({"SELECT ", columns, kOfSteps, order}),
                 {curve.run_n, curve.key_n, curve.steps->first, curve.steps->second}, on_row);
}

constexpr std::string_view kPoint = "timestamp_ms, step, value, flag";

StoredPoint decode(const store::Row& row) {
  return {row.i64(0), row.i64(1), row.f64(2), row.i64(3)};
}

bool before(const StoredPoint& a, const StoredPoint& b) { return (a <=> b) < 0; }

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

Result<std::optional<int64_t>> find_key(store::Tx& tx, std::string_view project,
                                        std::string_view key) {
  std::optional<int64_t> out;
  TRY(tx.first("SELECT key_n FROM metric_key WHERE project = ? AND key = ?", {project, key},
               [&](const store::Row& row) { out = row.i64(0); }));
  return out;
}

Result<int64_t> key_number(store::Tx& tx, std::string_view project, std::string_view key) {
  if (const auto found = TRY(find_key(tx, project, key))) return *found;
  int64_t out = 0;
  TRY(
      tx.each("INSERT INTO metric_key (project, key, key_n)"
              " SELECT CAST(? AS TEXT), CAST(? AS TEXT), COALESCE(MAX(key_n), 0) + 1"
              " FROM metric_key RETURNING key_n",
              {project, key}, [&](const store::Row& row) { out = row.i64(0); }));
  return out;
}

Status add_point(store::Tx& tx, int64_t run_n, int64_t key_n, const Metric& m) {
  const StoredNumber n = encode_number(m.value);
  TRY(
      tx.exec("INSERT INTO metric_point (run_n, key_n, step, timestamp_ms, value, flag)"
              " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
              {run_n, key_n, m.step, m.timestamp_ms, n.value, n.flag}));
  return {};
}

Status raise_latest(store::Tx& tx, int64_t run_n, int64_t key_n, const Metric& m) {
  const StoredNumber n = encode_number(m.value);
  TRY(
      tx.exec("INSERT INTO metric_latest (run_n, key_n, step, timestamp_ms, value, flag)"
              " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (run_n, key_n)"
              " DO UPDATE SET step = excluded.step, timestamp_ms = excluded.timestamp_ms,"
              " value = excluded.value, flag = excluded.flag"
              " WHERE (excluded.step, excluded.timestamp_ms, excluded.value) >"
              " (metric_latest.step, metric_latest.timestamp_ms, metric_latest.value)",
              {run_n, key_n, m.step, m.timestamp_ms, n.value, n.flag}));
  return {};
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

Result<std::optional<double>> latest_metric(store::Tx& tx, int64_t run_n, int64_t key_n) {
  std::optional<double> out;
  TRY(tx.first("SELECT value, flag FROM metric_latest WHERE run_n = ? AND key_n = ?",
               {run_n, key_n},
               [&](const store::Row& row) { out = decode_number(row.f64(0), row.i64(1)); }));
  return out;
}

Status each_point(store::Tx& tx, const Curve& curve,
                  const std::function<void(const StoredPoint&)>& on_point) {
  return each_of_curve(tx, kPoint, " ORDER BY step, timestamp_ms, value, flag", curve,
                       [&](const store::Row& row) { on_point(decode(row)); });
}

Result<int64_t> count_points(store::Tx& tx, const Curve& curve) {
  int64_t count = 0;
  TRY(each_of_curve(tx, "COUNT(*)", "", curve, [&](const store::Row& row) { count = row.i64(0); }));
  return count;
}

Status first_points(store::Tx& tx, const Curve& curve, const std::optional<StoredPoint>& after,
                    size_t limit, std::vector<StoredPoint>* out) {
  out->clear();
  const auto keep_first = [&] {
    if (out->size() <= limit) return;
    const auto end = out->begin() + static_cast<ptrdiff_t>(limit);
    // Mostly steps and times run together, and the first are the first already.
    if (!std::is_sorted(out->begin(), out->end(), before))
      std::nth_element(out->begin(), end, out->end(), before);
    out->resize(limit);
  };
  TRY(each_of_curve(tx, kPoint, "", curve, [&](const store::Row& row) {
    const StoredPoint p = decode(row);
    if (after && !before(*after, p)) return;
    out->push_back(p);
    if (out->size() >= 2 * limit) keep_first();
  }));
  keep_first();
  if (!std::is_sorted(out->begin(), out->end(), before))
    std::sort(out->begin(), out->end(), before);
  return {};
}

Status datasets_of(store::Tx& tx, std::string_view project, int64_t experiment_id, int64_t limit,
                   std::vector<DatasetSummary>* out) {
  return tx.each(
      "SELECT DISTINCT i.name, i.digest, t.value FROM run r"
      " JOIN run_input i ON i.run_n = r.run_n"
      " LEFT JOIN run_input_tag t ON t.run_n = i.run_n"
      " AND t.name = i.name AND t.digest = i.digest AND t.key = 'mlflow.data.context'"
      " WHERE r.project = ? AND r.experiment_id = ? ORDER BY i.name, i.digest, t.value"
      " LIMIT CAST(? AS BIGINT)",
      {project, experiment_id, limit}, [&](const store::Row& row) {
        DatasetSummary summary{.experiment_id = experiment_id,
                               .name = row.str(0),
                               .digest = row.str(1),
                               .context = std::nullopt};
        if (!row.is_null(2)) summary.context = row.str(2);
        out->push_back(std::move(summary));
      });
}

}  // namespace slip::tracking::sql
