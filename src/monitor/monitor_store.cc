#include "monitor/monitor_store.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "store/caller.h"

namespace slip::monitor::sql {
namespace {

using codec::Json;

// A double as a number of JSON; NaN (a model may say it) as a string.
Json number_json(double x) { return std::isfinite(x) ? Json(x) : Json(format_double(x)); }

Json distance_json(const Distance& d) {
  return Json::object({{"name", d.name},
                       {"psi", number_json(d.psi)},
                       {"js", number_json(d.js)},
                       {"psi_threshold", d.psi_threshold},
                       {"js_threshold", d.js_threshold},
                       {"alarm", d.alarm}});
}

Result<Distance> distance_from(const Json& json) {
  Distance d;
  d.name = TRY(codec::want_string(json, "name"));
  d.psi = TRY(codec::want_double(json, "psi"));
  d.js = TRY(codec::want_double(json, "js"));
  d.psi_threshold = TRY(codec::want_double(json, "psi_threshold"));
  d.js_threshold = TRY(codec::want_double(json, "js_threshold"));
  d.alarm = TRY(codec::want_bool(json, "alarm"));
  return d;
}

std::string state_text(const OpenWindow& open) {
  Json state = Json::object();
  if (open.window.closed) {
    Json features = Json::array();
    for (const Distance& d : open.window.features) features.push(distance_json(d));
    state.set("features", std::move(features));
    return codec::to_json(state);
  }
  Json counts = Json::array();
  for (const Histogram& h : open.counts) {
    Json list = Json::array();
    for (const double c : h) list.push(static_cast<int64_t>(c));
    counts.push(std::move(list));
  }
  Json scores = Json::array();
  for (const auto& [version, score] : open.scores)
    scores.push(Json::array({version, number_json(score)}));
  state.set("counts", std::move(counts));
  state.set("scores", std::move(scores));
  return codec::to_json(state);
}

std::string versions_text(const Window& w) {
  Json out = Json::object();
  for (const auto& [version, rows] : w.versions) out.set(std::to_string(version), rows);
  return codec::to_json(out);
}

constexpr std::string_view kWindowColumns =
    "number, start_us, end_us, row_count, score_sum, closed, alarm, versions, state";

// The row as text; parsed after the query, where errors can be returned.
struct RawWindow {
  Window window;
  std::string versions;
  std::string state;
};

RawWindow decode_window(const store::Row& row) {
  RawWindow raw;
  raw.window.number = row.i64(0);
  raw.window.start_us = row.i64(1);
  raw.window.end_us = row.i64(2);
  raw.window.rows = row.i64(3);
  raw.window.score_sum = row.f64(4);
  raw.window.closed = row.i64(5) != 0;
  raw.window.alarm = row.i64(6) != 0;
  raw.versions = row.str(7);
  raw.state = row.str(8);
  return raw;
}

Result<OpenWindow> parse_window(RawWindow raw) {
  OpenWindow out;
  out.window = std::move(raw.window);
  const Json versions = TRY(codec::parse_json(raw.versions));
  for (const auto& [version, rows] : versions.members())
    out.window.versions[parse_int(version).value_or(0)] = rows.as_int();
  const Json state = TRY(codec::parse_json(raw.state));
  if (const Json* features = state.find("features"))
    for (const Json& f : features->items()) out.window.features.push_back(TRY(distance_from(f)));
  if (const Json* counts = state.find("counts"))
    for (const Json& list : counts->items()) {
      Histogram h;
      for (const Json& c : list.items()) h.push_back(c.as_double());
      out.counts.push_back(std::move(h));
    }
  if (const Json* scores = state.find("scores"))
    for (const Json& pair : scores->items()) {
      const Json& s = pair.items()[1];
      out.scores.emplace_back(pair.items()[0].as_int(),
                              s.is_number() ? s.as_double() : std::nan(""));
    }
  return out;
}

constexpr std::string_view kRowColumns =
    "prediction_id, row_number, deployment_uid, ts_us, version, on_canary, canary_weight,"
    " client_ref, predicted, score, window_number, label, event_ms, labeled_us";

LoggedRow decode_row(const store::Row& row) {
  LoggedRow r;
  r.prediction_id = row.str(0);
  r.row = row.i64(1);
  r.deployment_uid = row.str(2);
  r.ts_us = row.i64(3);
  r.model_version = row.i64(4);
  r.on_canary = row.i64(5) != 0;
  r.canary_weight = row.f64(6);
  r.client_ref = row.str(7);
  r.predicted = row.str(8);
  r.score = row.f64(9);
  r.window = row.i64(10);
  if (!row.is_null(11)) r.label = KeptLabel{row.str(11), row.i64(12), row.i64(13)};
  return r;
}

constexpr std::string_view kAlertColumns =
    "id, deployment, kind, feature, value, threshold, window_number, fired_us, resolved_us,"
    " event_id";

Alert decode_alert(const store::Row& row) {
  Alert a;
  a.id = row.str(0);
  a.deployment = row.str(1);
  a.kind = row.str(2);
  a.feature = row.str(3);
  a.value = row.f64(4);
  a.threshold = row.f64(5);
  a.window = row.i64(6);
  a.fired_us = row.i64(7);
  a.resolved_us = row.i64(8);
  a.event_id = row.str(9);
  return a;
}

}  // namespace

Result<std::optional<Config>> find_config(store::Tx& tx, std::string_view project,
                                          std::string_view uid) {
  std::string text;
  const bool found =
      TRY(tx.first("SELECT config FROM monitor WHERE project = ? AND deployment_uid = ?",
                   {project, uid}, [&](const store::Row& row) { text = row.str(0); }));
  if (!found) return std::optional<Config>();
  return std::optional<Config>(TRY(Config::from_json(TRY(codec::parse_json(text)))));
}

Status put_config(store::Tx& tx, std::string_view project, const Config& config) {
  const std::string text = codec::to_json(config.to_json());
  TRY(
      tx.exec("INSERT INTO monitor (project, deployment_uid, config) VALUES (?, ?, ?)"
              " ON CONFLICT (project, deployment_uid) DO UPDATE SET config = excluded.config",
              {project, config.deployment_uid, text}));
  return {};
}

Result<Cursor> find_cursor(store::Tx& tx) {
  Cursor c;
  TRY(tx.first("SELECT segment, position, row_number FROM monitor_cursor WHERE project = ''", {},
               [&](const store::Row& row) { c = {row.i64(0), row.i64(1), row.i64(2)}; }));
  return c;
}

Status put_cursor(store::Tx& tx, const Cursor& cursor) {
  TRY(
      tx.exec("INSERT INTO monitor_cursor (project, segment, position, row_number)"
              " VALUES ('', ?, ?, ?) ON CONFLICT (project) DO UPDATE SET"
              " segment = excluded.segment, position = excluded.position,"
              " row_number = excluded.row_number",
              {cursor.segment, cursor.position, cursor.row}));
  return {};
}

Result<std::optional<OpenWindow>> find_open(store::Tx& tx, std::string_view project,
                                            std::string_view uid) {
  RawWindow raw;
  const bool found =
      TRY(tx.first(concat({"SELECT ", kWindowColumns,
                           " FROM monitor_window WHERE project = ?"
                           " AND deployment_uid = ? AND closed = 0 ORDER BY number DESC LIMIT 1"}),
                   {project, uid}, [&](const store::Row& row) { raw = decode_window(row); }));
  if (!found) return std::optional<OpenWindow>();
  return std::optional<OpenWindow>(TRY(parse_window(std::move(raw))));
}

Result<int64_t> last_number(store::Tx& tx, std::string_view project, std::string_view uid) {
  int64_t n = 0;
  TRY(
      tx.first("SELECT number FROM monitor_window WHERE project = ? AND deployment_uid = ?"
               " ORDER BY number DESC LIMIT 1",
               {project, uid}, [&](const store::Row& row) { n = row.i64(0); }));
  return n;
}

Status put_window(store::Tx& tx, std::string_view project, std::string_view uid,
                  const OpenWindow& open) {
  const Window& w = open.window;
  const std::string versions = versions_text(w);
  const std::string state = state_text(open);
  TRY(tx.exec(concat({"INSERT INTO monitor_window (project, deployment_uid, ", kWindowColumns,
                      ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                      " ON CONFLICT (project, deployment_uid, number) DO UPDATE SET"
                      " start_us = excluded.start_us, end_us = excluded.end_us,"
                      " row_count = excluded.row_count, score_sum = excluded.score_sum,"
                      " closed = excluded.closed, alarm = excluded.alarm,"
                      " versions = excluded.versions, state = excluded.state"}),
              {project, uid, w.number, w.start_us, w.end_us, w.rows, w.score_sum, int64_t{w.closed},
               int64_t{w.alarm}, versions, state}));
  return {};
}

Result<std::vector<Window>> last_windows(store::Tx& tx, std::string_view project,
                                         std::string_view uid, int64_t limit) {
  std::vector<RawWindow> raw;
  TRY(tx.each(concat({"SELECT ", kWindowColumns,
                      " FROM monitor_window WHERE project = ?"
                      " AND deployment_uid = ? ORDER BY number DESC LIMIT ?"}),
              {project, uid, limit},
              [&](const store::Row& row) { raw.push_back(decode_window(row)); }));
  std::vector<Window> out;
  for (auto it = raw.rbegin(); it != raw.rend(); ++it)
    out.push_back(TRY(parse_window(std::move(*it))).window);
  return out;
}

Result<std::string> find_baseline(store::Tx& tx, std::string_view project, std::string_view uid,
                                  int64_t version) {
  std::string state;
  TRY(
      tx.first("SELECT state FROM monitor_baseline WHERE project = ? AND deployment_uid = ?"
               " AND version = ?",
               {project, uid, version}, [&](const store::Row& row) { state = row.str(0); }));
  return state;
}

Status put_baseline(store::Tx& tx, std::string_view project, std::string_view uid, int64_t version,
                    std::string_view state) {
  TRY(
      tx.exec("INSERT INTO monitor_baseline (project, deployment_uid, version, state)"
              " VALUES (?, ?, ?, ?) ON CONFLICT (project, deployment_uid, version)"
              " DO UPDATE SET state = excluded.state",
              {project, uid, version, state}));
  return {};
}

Result<bool> insert_row(store::Tx& tx, std::string_view project, const LoggedRow& r) {
  const int64_t n =
      TRY(tx.exec(concat({"INSERT INTO prediction_row (project, ", kRowColumns,
                          ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, 0, 0)"
                          " ON CONFLICT (project, prediction_id, row_number) DO NOTHING"}),
                  {project, r.prediction_id, r.row, r.deployment_uid, r.ts_us, r.model_version,
                   int64_t{r.on_canary}, r.canary_weight, r.client_ref, r.predicted,
                   std::isfinite(r.score) ? r.score : 0.0, r.window}));
  return n == 1;
}

Result<std::optional<LoggedRow>> find_row(store::Tx& tx, std::string_view project,
                                          std::string_view prediction_id, int64_t row_number) {
  std::optional<LoggedRow> out;
  TRY(tx.first(concat({"SELECT ", kRowColumns,
                       " FROM prediction_row WHERE project = ?"
                       " AND prediction_id = ? AND row_number = ?"}),
               {project, prediction_id, row_number},
               [&](const store::Row& row) { out = decode_row(row); }));
  return out;
}

Result<std::optional<LoggedRow>> find_row_by_ref(store::Tx& tx, std::string_view project,
                                                 std::string_view uid, std::string_view ref) {
  std::optional<LoggedRow> out;
  TRY(tx.first(concat({"SELECT ", kRowColumns,
                       " FROM prediction_row WHERE project = ?"
                       " AND deployment_uid = ? AND client_ref = ? ORDER BY ts_us DESC LIMIT 1"}),
               {project, uid, ref}, [&](const store::Row& row) { out = decode_row(row); }));
  return out;
}

Status set_label(store::Tx& tx, std::string_view project, const LoggedRow& r,
                 const KeptLabel& label) {
  TRY(
      tx.exec("UPDATE prediction_row SET label = ?, event_ms = ?, labeled_us = ?"
              " WHERE project = ? AND prediction_id = ? AND row_number = ?",
              {label.label, label.event_ms, label.labeled_us, project, r.prediction_id, r.row}));
  return {};
}

Result<bool> insert_pending(store::Tx& tx, std::string_view project, std::string_view uid,
                            std::string_view key, const KeptLabel& label) {
  const int64_t n =
      TRY(tx.exec("INSERT INTO pending_label (project, deployment_uid, label_key, label, event_ms,"
                  " labeled_us) VALUES (?, ?, ?, ?, ?, ?)"
                  " ON CONFLICT (project, deployment_uid, label_key) DO NOTHING",
                  {project, uid, key, label.label, label.event_ms, label.labeled_us}));
  return n == 1;
}

Result<bool> any_pending(store::Tx& tx, std::string_view project, std::string_view uid) {
  return tx.first(
      "SELECT label_key FROM pending_label WHERE project = ? AND deployment_uid = ?"
      " LIMIT 1",
      {project, uid}, [](const store::Row&) {});
}

Result<std::optional<KeptLabel>> take_pending(store::Tx& tx, std::string_view project,
                                              std::string_view uid, std::string_view key) {
  std::optional<KeptLabel> label;
  TRY(tx.first(
      "DELETE FROM pending_label WHERE project = ? AND deployment_uid = ?"
      " AND label_key = ? RETURNING label, event_ms, labeled_us",
      {project, uid, key},
      [&](const store::Row& row) { label = KeptLabel{row.str(0), row.i64(1), row.i64(2)}; }));
  return label;
}

Result<std::vector<Kept>> retentions(store::Tx& tx) {
  std::vector<Kept> out;
  std::vector<std::string> configs;
  TRY(
      tx.each("SELECT o.project, o.deployment_uid, m.config FROM"
              " (SELECT project, deployment_uid FROM monitor UNION"
              " SELECT project, deployment_uid FROM pending_label) o"
              " LEFT JOIN monitor m ON m.project = o.project"
              " AND m.deployment_uid = o.deployment_uid",
              {}, [&](const store::Row& row) {
                out.push_back({.project = row.str(0), .deployment_uid = row.str(1)});
                configs.push_back(row.str(2));
              }));
  for (size_t i = 0; i < out.size(); ++i)
    if (!configs[i].empty())
      out[i].retention_days =
          TRY(Config::from_json(TRY(codec::parse_json(configs[i])))).retention_days;
  return out;
}

Result<int64_t> shortest_retention(store::Tx& tx, std::string_view project) {
  std::vector<std::string> configs;
  TRY(tx.each("SELECT config FROM monitor WHERE project = ?", {project},
              [&](const store::Row& row) { configs.push_back(row.str(0)); }));
  int64_t days = kRetentionDaysMax;
  for (const std::string& text : configs)
    days = std::min(days, TRY(Config::from_json(TRY(codec::parse_json(text)))).retention_days);
  return days;
}

Result<int64_t> expire_rows(store::Tx& tx, const Kept& of, int64_t before_us, int64_t limit) {
  return tx.exec(
      "DELETE FROM prediction_row WHERE project = ? AND (prediction_id, row_number) IN"
      " (SELECT prediction_id, row_number FROM prediction_row WHERE project = ?"
      " AND deployment_uid = ? AND ts_us < ? ORDER BY ts_us LIMIT ?)",
      {of.project, of.project, of.deployment_uid, before_us, limit});
}

Result<int64_t> expire_pending(store::Tx& tx, const Kept& of, int64_t before_us, int64_t limit) {
  return tx.exec(
      "DELETE FROM pending_label WHERE project = ? AND deployment_uid = ? AND label_key IN"
      " (SELECT label_key FROM pending_label WHERE project = ? AND deployment_uid = ?"
      " AND labeled_us < ? ORDER BY labeled_us LIMIT ?)",
      {of.project, of.deployment_uid, of.project, of.deployment_uid, before_us, limit});
}

Status add_outcome(store::Tx& tx, std::string_view project, const LoggedRow& row, int64_t event_ms,
                   bool correct) {
  // What was true before the prediction was made comes without delay.
  const int64_t delay_ms = std::max<int64_t>(0, event_ms - row.ts_us / 1000);
  TRY(
      tx.exec("INSERT INTO monitor_outcome (project, deployment_uid, window_number, version,"
              " labeled, correct, event_ms_max, delay_ms_sum, delay_n)"
              " VALUES (?, ?, ?, ?, 1, ?, ?, ?, 1)"
              " ON CONFLICT (project, deployment_uid, window_number, version) DO UPDATE SET"
              " labeled = monitor_outcome.labeled + 1,"
              " correct = monitor_outcome.correct + excluded.correct,"
              " event_ms_max = CASE WHEN excluded.event_ms_max > monitor_outcome.event_ms_max"
              " THEN excluded.event_ms_max ELSE monitor_outcome.event_ms_max END,"
              " delay_ms_sum = monitor_outcome.delay_ms_sum + excluded.delay_ms_sum,"
              " delay_n = monitor_outcome.delay_n + 1",
              {project, row.deployment_uid, row.window, row.model_version, int64_t{correct},
               event_ms, delay_ms}));
  return {};
}

Result<std::vector<Performance>> performance(store::Tx& tx, std::string_view project,
                                             std::string_view uid, int64_t windows) {
  std::vector<Performance> out;
  const int64_t first = TRY(last_number(tx, project, uid)) - windows;
  TRY(
      tx.each("SELECT o.window_number, w.start_us, w.end_us, o.version, o.labeled, o.correct,"
              " o.event_ms_max, o.delay_ms_sum, o.delay_n"
              " FROM monitor_outcome o JOIN monitor_window w ON w.project = o.project"
              " AND w.deployment_uid = o.deployment_uid AND w.number = o.window_number"
              " WHERE o.project = ? AND o.deployment_uid = ? AND o.window_number > ?"
              " ORDER BY o.window_number, o.version",
              {project, uid, first}, [&](const store::Row& row) {
                out.push_back({row.i64(0), row.i64(1), row.i64(2), row.i64(3), row.i64(4),
                               row.i64(5), row.i64(6), row.i64(7), row.i64(8)});
              }));
  return out;
}

Result<std::optional<Alert>> find_open_alert(store::Tx& tx, std::string_view project,
                                             std::string_view uid, std::string_view feature) {
  std::optional<Alert> out;
  TRY(tx.first(concat({"SELECT ", kAlertColumns,
                       " FROM alert WHERE project = ?"
                       " AND deployment_uid = ? AND resolved_us = 0 AND feature = ?"}),
               {project, uid, feature}, [&](const store::Row& row) { out = decode_alert(row); }));
  return out;
}

Status insert_alert(store::Tx& tx, std::string_view project, std::string_view uid, const Alert& a) {
  TRY(tx.exec(concat({"INSERT INTO alert (project, deployment_uid, ", kAlertColumns,
                      ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"}),
              {project, uid, a.id, a.deployment, a.kind, a.feature, a.value, a.threshold, a.window,
               a.fired_us, a.resolved_us, a.event_id}));
  return {};
}

Status resolve_alert(store::Tx& tx, std::string_view project, std::string_view id, int64_t us) {
  TRY(tx.exec("UPDATE alert SET resolved_us = ? WHERE project = ? AND id = ?", {us, project, id}));
  return {};
}

Result<std::vector<Alert>> alerts(store::Tx& tx, const Ctx& ctx, const AlertQuery& query) {
  const store::RowTest readable = store::readable(ctx, "deployment", "deployment_uid");
  std::string statement =
      concat({"SELECT ", kAlertColumns, " FROM alert WHERE project = ?", readable.sql});
  std::vector<store::Value> args = {std::string_view(ctx.project.text)};
  args.insert(args.end(), readable.args.begin(), readable.args.end());
  if (!query.deployment.empty()) {
    statement += " AND deployment = ?";
    args.emplace_back(query.deployment);
  }
  if (!query.before_id.empty()) {
    statement += " AND id < ?";
    args.emplace_back(query.before_id);
  }
  statement += " ORDER BY id DESC LIMIT ?";
  args.emplace_back(query.limit);
  std::vector<Alert> out;
  TRY(tx.each(statement, args, [&](const store::Row& row) { out.push_back(decode_alert(row)); }));
  return out;
}

}  // namespace slip::monitor::sql
