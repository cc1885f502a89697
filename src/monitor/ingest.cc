#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.h"
#include "base/text.h"
#include "core/ledger/ledger.h"
#include "engine/stats/bins.h"
#include "monitor/joins.h"
#include "monitor/monitor.h"
#include "monitor/monitor_store.h"
#include "monitor/watch.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/rng.h"

namespace slip::monitor {

using codec::Json;

// What one transaction takes from the log.
struct Monitor::Step {
  struct Piece {
    serving::PredictionRecord record;
    int64_t first_row = 0;
    int64_t end_row = 0;
    std::shared_ptr<const Watch> watch;  // Null: nobody watches this deployment.
  };
  sql::Cursor before;
  sql::Cursor after;
  std::vector<Piece> pieces;
};

namespace {

// A version's own first scores in production: what its later ones are compared with.
struct Baseline {
  std::vector<double> values;   // Until there are enough,
  std::vector<double> borders;  // from then on.
  Histogram counts;
  bool ready() const { return !counts.empty(); }
};

Json numbers_json(const std::vector<double>& values) {
  Json out = Json::array();
  for (const double v : values) out.push(v);
  return out;
}

std::vector<double> numbers_from(const Json& json, std::string_view key) {
  std::vector<double> out;
  if (const Json* list = json.find(key))
    for (const Json& v : list->items()) out.push_back(v.as_double());
  return out;
}

Result<Baseline> find_baseline(store::Tx& tx, const std::string& project, const std::string& uid,
                               int64_t version) {
  const std::string text = TRY(sql::find_baseline(tx, project, uid, version));
  Baseline b;
  if (text.empty()) return b;
  const Json json = TRY(codec::parse_json(text));
  b.values = numbers_from(json, "values");
  b.borders = numbers_from(json, "borders");
  b.counts = numbers_from(json, "counts");
  return b;
}

Status put_baseline(store::Tx& tx, const std::string& project, const std::string& uid,
                    int64_t version, const Baseline& b) {
  return sql::put_baseline(tx, project, uid, version,
                           codec::to_json(Json::object({{"values", numbers_json(b.values)},
                                                        {"borders", numbers_json(b.borders)},
                                                        {"counts", numbers_json(b.counts)}})));
}

Histogram histogram(const stats::NumericBins& bins, const std::vector<double>& values) {
  Histogram h(bins.size(), 0.0);
  for (const double v : values) ++h[bins.bin(v)];
  return h;
}

// The version that answered most of the window.
int64_t main_version(const Window& window) {
  int64_t best = 0;
  int64_t rows = -1;
  for (const auto& [version, n] : window.versions)
    if (n > rows) best = version, rows = n;
  return best;
}

// Compares the scores of the main version with its baseline, or lets the baseline grow.
Result<std::optional<Distance>> judge_scores(store::Tx& tx, const std::string& project,
                                             const Config& config, const sql::OpenWindow& open) {
  const int64_t version = main_version(open.window);
  std::vector<double> scores;
  for (const auto& [v, score] : open.scores)
    if (v == version && std::isfinite(score)) scores.push_back(score);
  if (scores.empty()) return std::optional<Distance>();
  Baseline b = TRY(find_baseline(tx, project, config.deployment_uid, version));
  if (b.ready()) {
    const stats::NumericBins bins = stats::NumericBins::from_borders(b.borders);
    double rows = 0;
    for (const double c : b.counts) rows += c;
    return std::optional(compare_histograms("score", b.counts, rows, histogram(bins, scores),
                                            static_cast<double>(scores.size()), config.thresholds));
  }
  b.values.insert(b.values.end(), scores.begin(), scores.end());
  if (static_cast<int64_t>(b.values.size()) >= kScoreBaselineRows) {
    const stats::NumericBins bins = stats::NumericBins::make(b.values, kNumericBins);
    b.counts = histogram(bins, b.values);
    b.borders = bins.borders();
    b.values.clear();
  }
  TRY(put_baseline(tx, project, config.deployment_uid, version, b));
  return std::optional<Distance>();
}

ledger::Draft alert_draft(const Config& config, std::string_view verb, const Alert& alert) {
  ledger::Draft draft;
  draft.verb = verb;
  draft.subject.kind = "deployment";
  draft.subject.uid = config.deployment_uid;
  draft.subject.name = config.deployment;
  draft.body = Json::object({{"alert", alert.id},
                             {"feature", alert.feature},
                             {"value", alert.value},
                             {"threshold", alert.threshold},
                             {"window", alert.window}});
  return draft;
}

}  // namespace

// Fires what alarms and is not on yet, resolves what is on and does not alarm any more.
Status Monitor::fire(store::Tx& tx, const Ctx& ctx, const Watch& watch, const Window& window) {
  for (const Distance& d : window.features) {
    std::optional<Alert> on =
        TRY(sql::find_open_alert(tx, watch.project, watch.config.deployment_uid, d.name));
    if (d.alarm == on.has_value()) continue;
    if (on) {
      on->resolved_us = deps_.clock.now_us();
      TRY(sql::resolve_alert(tx, watch.project, on->id, on->resolved_us));
      TRY(deps_.ledger.append(tx, ctx, alert_draft(watch.config, "alert.resolved", *on)));
      continue;
    }
    const bool by_psi = d.psi > d.psi_threshold;
    Alert alert;
    alert.id = new_uuid7(deps_.clock, deps_.rng).text();
    alert.deployment = watch.config.deployment;
    alert.kind = "drift";
    alert.feature = d.name;
    alert.value = by_psi ? d.psi : d.js;
    alert.threshold = by_psi ? d.psi_threshold : d.js_threshold;
    alert.window = window.number;
    alert.fired_us = deps_.clock.now_us();
    alert.event_id = new_uuid7(deps_.clock, deps_.rng).text();
    TRY(sql::insert_alert(tx, watch.project, watch.config.deployment_uid, alert));
    ledger::Draft draft = alert_draft(watch.config, "alert.fired", alert);
    draft.id = alert.event_id;
    TRY(deps_.ledger.append(tx, ctx, draft));
  }
  return {};
}

Status Monitor::close_window(store::Tx& tx, const Ctx& ctx, const Watch& watch,
                             sql::OpenWindow* open) {
  Window& w = open->window;
  w.features =
      watch.profile.compare(open->counts, static_cast<double>(w.rows), watch.config.thresholds);
  if (const std::optional<Distance> score =
          TRY(judge_scores(tx, watch.project, watch.config, *open)))
    w.features.push_back(*score);
  w.closed = true;
  for (const Distance& d : w.features) w.alarm = w.alarm || d.alarm;
  TRY(sql::put_window(tx, watch.project, watch.config.deployment_uid, *open));
  return fire(tx, ctx, watch, w);
}

namespace {

LoggedRow to_row(const serving::PredictionRecord& record, int64_t row, int64_t window) {
  const RowView view = view_of(record, row);
  LoggedRow r;
  r.prediction_id = record.id.text();
  r.row = row;
  r.deployment_uid = record.deployment_uid;
  r.ts_us = record.ts_us;
  r.model_version = record.model_version;
  r.on_canary = record.role == serving::Role::kCanary;
  r.canary_weight = record.canary_weight;
  r.client_ref = record.client_ref;
  r.predicted = view.predicted;
  r.score = view.score;
  r.window = window;
  return r;
}

void count_into(const Profile& profile, const std::vector<InputSpec>& inputs,
                const serving::PredictionRecord& record, const LoggedRow& row,
                sql::OpenWindow* open) {
  Window& w = open->window;
  if (w.rows == 0) w.start_us = row.ts_us;
  w.end_us = std::max(w.end_us, row.ts_us);
  ++w.rows;
  ++w.versions[row.model_version];
  if (std::isfinite(row.score)) w.score_sum += row.score;
  if (open->scores.size() < sql::kScoresKept)
    open->scores.emplace_back(row.model_version, row.score);
  count_row(profile, inputs, record, row.row, &open->counts);
}

}  // namespace

// What was logged is told to the ledger, watched or not: here, where each record passes once, and
// not where it is answered.
Status Monitor::count_predictions(store::Tx& tx, const Step& step) {
  using Key = std::array<std::string_view, 4>;  // Project, deployment, actor and its kind.
  std::map<Key, std::pair<std::string_view, ledger::Ledger::Counted>> all;
  for (const Step::Piece& piece : step.pieces) {
    const serving::PredictionRecord& r = piece.record;
    auto& [name, counted] = all[{r.project, r.deployment_uid, r.actor_uid, r.actor_kind}];
    name = r.deployment;
    counted.n += piece.end_row - piece.first_row;
    if (piece.first_row == 0) counted.items.push_back(r.id.text());
  }
  for (const auto& [key, told] : all) {
    Ctx ctx;
    ctx.project.text = key[0];
    ctx.actor_uid = key[2];
    ctx.actor_kind = key[3];
    ledger::Draft draft;
    draft.verb = "prediction.logged";
    draft.subject.kind = "deployment";
    draft.subject.uid = key[1];
    draft.subject.name = told.first;
    TRY(deps_.ledger.count(tx, ctx, draft, told.second));
  }
  return {};
}

Status Monitor::take(store::Tx& tx, const Ctx& ctx, const Step& step, bool* decided) {
  *decided = false;
  if (TRY(sql::find_cursor(tx)) != step.before)
    return unavailable("monitor.overtaken", "another step has taken these rows");
  TRY(count_predictions(tx, step));
  std::map<std::string, sql::OpenWindow> open;  // By deployment.
  std::map<std::string, Joined> joined;
  for (const Step::Piece& piece : step.pieces) {
    if (!piece.watch) continue;
    const Watch& watch = *piece.watch;
    Ctx own = ctx;  // What follows from a prediction happens in its project.
    own.project.text = watch.project;
    const std::string& uid = watch.config.deployment_uid;
    const bool any_pending = TRY(sql::any_pending(tx, watch.project, uid));
    for (int64_t row = piece.first_row; row < piece.end_row; ++row) {
      if (!open.contains(uid)) {
        std::optional<sql::OpenWindow> found = TRY(sql::find_open(tx, watch.project, uid));
        if (!found) {
          found.emplace();
          found->window.number = TRY(sql::last_number(tx, watch.project, uid)) + 1;
          found->counts = watch.profile.empty_window();
          // Its row exists before an outcome points at it.
          TRY(sql::put_window(tx, watch.project, uid, *found));
        }
        open.emplace(uid, *std::move(found));
      }
      sql::OpenWindow& w = open.at(uid);
      const LoggedRow logged = to_row(piece.record, row, w.window.number);
      if (!TRY(sql::insert_row(tx, watch.project, logged))) continue;
      count_into(watch.profile, watch.config.inputs, piece.record, logged, &w);
      if (any_pending) TRY(join_pending(tx, watch.project, logged, &joined[uid]));
      if (w.window.rows < watch.config.window_rows) continue;
      TRY(close_window(tx, own, watch, &w));
      open.erase(uid);
    }
    if (const auto it = joined.find(uid); it != joined.end() && !it->second.outcomes.empty()) {
      TRY(count_joined(deps_.ledger, tx, own, {uid, watch.config.deployment}, it->second.outcomes));
      *decided |= TRY(deps_.outcomes.on_outcomes(tx, own, uid, it->second.outcomes));
      it->second.outcomes.clear();
    }
  }
  for (const Step::Piece& piece : step.pieces)
    if (piece.watch)
      if (const auto it = open.find(piece.watch->config.deployment_uid); it != open.end()) {
        TRY(sql::put_window(tx, piece.watch->project, it->first, it->second));
        open.erase(it);
      }
  return sql::put_cursor(tx, step.after);
}

namespace {

// Segments are numbered upwards with gaps where some were removed.
std::optional<store::LogSegment> segment_at(const std::vector<store::LogSegment>& all,
                                            int64_t number) {
  for (const store::LogSegment& s : all)
    if (s.number >= number) return s;
  return std::nullopt;
}

}  // namespace

Result<bool> Monitor::ingest(const Ctx& ctx) {
  const sys::Lock lock(ingesting_);
  Step step;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    step.before = TRY(sql::find_cursor(tx));
    return {};
  }));
  const std::optional<store::LogSegment> segment =
      segment_at(deps_.log.segments(), step.before.segment);
  if (!segment) return false;
  step.after = step.before;
  if (segment->number != step.before.segment) step.after = {segment->number, 0, 0};
  int64_t rows = 0;
  const int64_t next = TRY(deps_.log.read(
      segment->number, step.after.position, [&](std::string_view payload, int64_t) -> Result<bool> {
        if (rows >= kRowsPerStep) return false;
        Step::Piece piece;
        piece.record = TRY(serving::decode_prediction(payload));
        piece.first_row = step.pieces.empty() ? step.after.row : 0;
        piece.end_row = std::min(piece.record.rows(), piece.first_row + kRowsPerStep - rows);
        rows += piece.end_row - piece.first_row;
        const bool whole = piece.end_row == piece.record.rows();
        step.after.row = whole ? 0 : piece.end_row;
        step.pieces.push_back(std::move(piece));
        return whole;  // A record that is cut is read again, from that row on.
      }));
  step.after.position = next;
  const bool at_end = step.pieces.empty();
  if (at_end) {
    if (!segment->closed && step.after == step.before) return false;
    if (segment->closed) step.after = {segment->number + 1, 0, 0};
  }
  const Step::Piece* last = nullptr;
  for (Step::Piece& piece : step.pieces) {
    const bool same = last && last->record.deployment_uid == piece.record.deployment_uid &&
                      last->record.project == piece.record.project;
    piece.watch =
        same ? last->watch : TRY(watch_of(ctx, piece.record.project, piece.record.deployment_uid));
    last = &piece;
  }
  bool decided = false;
  TRY(deps_.db.write([&](store::Tx& tx) { return take(tx, ctx, step, &decided); }));
  if (decided) deps_.outcomes.after_commit();
  return true;
}

}  // namespace slip::monitor
