#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "core/search/page.h"
#include "tracking/run_rules.h"
#include "tracking/runs.h"

// Histories, points of several runs at once, curves thinned to what a chart can show, and the
// datasets that runs read.
namespace slip::tracking {
namespace {

// Keeps the first point of each of `wanted` stretches and the very last point. Stretches differ by
// at most one point, the longer ones come first.
class Thinning {
 public:
  Thinning(int64_t count, int64_t wanted)
      : wanted_(wanted), length_(count / wanted), longer_(count % wanted) {}

  void add(const sql::StoredPoint& point) {
    last_is_kept_ = at_++ == next_;
    if (!last_is_kept_) {
      last_ = point;
      return;
    }
    kept_.push_back(point);
    next_ += length_ + (stretch_++ < longer_ ? 1 : 0);
  }

  std::vector<sql::StoredPoint> take() && {
    if (at_ == 0 || last_is_kept_) return std::move(kept_);
    if (static_cast<int64_t>(kept_.size()) == wanted_) kept_.pop_back();
    kept_.push_back(std::move(last_));
    return std::move(kept_);
  }

 private:
  int64_t wanted_;
  int64_t length_;
  int64_t longer_;
  int64_t at_ = 0;
  int64_t next_ = 0;
  int64_t stretch_ = 0;
  bool last_is_kept_ = false;
  std::vector<sql::StoredPoint> kept_;
  sql::StoredPoint last_;
};

Metric metric_of(const std::string& run_id, const std::string& key, const sql::StoredPoint& p) {
  Metric m;
  m.key = key;
  m.run_id = run_id;
  m.timestamp_ms = p.timestamp_ms;
  m.step = p.step;
  m.value = sql::decode_number(p.value, p.flag);
  return m;
}

std::vector<search::SortKey> history_keys() {
  return {
      {.expr = "timestamp_ms", .args = {}},
      {.expr = "step", .args = {}},
      {.expr = "value", .type = search::Type::kNumber, .args = {}},
      {.expr = "flag", .args = {}},
  };
}

Result<std::optional<sql::StoredPoint>> point_of_token(std::string_view token,
                                                       std::string_view identity) {
  const std::vector<search::Bound> last =
      TRY(search::parse_page_token(token, identity, history_keys()));
  if (last.empty()) return std::optional<sql::StoredPoint>();
  return std::optional(sql::StoredPoint{std::get<int64_t>(last[0]), std::get<int64_t>(last[1]),
                                        std::get<double>(last[2]), std::get<int64_t>(last[3])});
}

std::string token_of_point(const sql::StoredPoint& p, std::string_view identity) {
  const std::array<search::Bound, 4> last = {p.timestamp_ms, p.step, p.value, p.flag};
  return search::make_page_token(identity, last);
}

}  // namespace

Result<Page<Point>> Runs::history(const Ctx& ctx, const HistoryQuery& query) {
  if (query.max_results < 1)
    return invalid("page.limit", concat({"Invalid value ", std::to_string(query.max_results),
                                         " for parameter 'max_results' supplied. It must be a "
                                         "positive integer."}));
  const std::string identity = concat({"history\n", query.run_id, "\n", query.key});
  const auto after = TRY(point_of_token(query.page_token, identity));
  const auto limit = static_cast<size_t>(
      query.whole ? kHistoryStretchMax : std::min(query.max_results, kHistoryPageMax));

  TRY(pending_.settle_run(ctx.project.text, query.run_id));
  std::vector<sql::StoredPoint> points;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    points.clear();
    const sql::RunRef run = TRY(must_find_ref(tx, ctx.project.text, query.run_id));
    const auto key_n = TRY(sql::find_key(tx, ctx.project.text, query.key));
    if (!key_n) return {};
    return sql::first_points(tx, {run.run_n, *key_n, {}}, after, limit + 1, &points);
  }));
  Page<Point> out;
  if (points.size() > limit) {
    points.pop_back();
    out.next_page_token = token_of_point(points.back(), identity);
  }
  out.items.reserve(points.size());
  for (const sql::StoredPoint& p : points)
    out.items.push_back({p.timestamp_ms, p.step, sql::decode_number(p.value, p.flag)});
  return out;
}

Result<std::vector<Metric>> Runs::points_of(const Ctx& ctx, std::vector<std::string> run_ids,
                                            const std::string& key, int64_t limit) {
  std::ranges::sort(run_ids);
  run_ids.erase(std::unique(run_ids.begin(), run_ids.end()), run_ids.end());
  TRY(pending_.settle_runs(ctx.project.text, run_ids));
  std::vector<Metric> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out.clear();
    const auto key_n = TRY(sql::find_key(tx, ctx.project.text, key));
    std::vector<sql::StoredPoint> points;
    for (const std::string& id : run_ids) {
      const int64_t room = limit - static_cast<int64_t>(out.size());
      if (room <= 0 || !key_n) break;
      const auto run = TRY(sql::find_run_ref(tx, ctx.project.text, id));
      if (!run) continue;
      TRY(sql::first_points(tx, {run->run_n, *key_n, {}}, {}, static_cast<size_t>(room), &points));
      for (const sql::StoredPoint& p : points) out.push_back(metric_of(id, key, p));
    }
    return {};
  }));
  return out;
}

Result<std::vector<Metric>> Runs::thinned(const Ctx& ctx, const ThinQuery& query) {
  CHECK(query.points_per_run > 0);
  TRY(pending_.settle_runs(ctx.project.text, query.run_ids));
  std::vector<Metric> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out.clear();
    std::vector<sql::RunRef> runs;
    for (const std::string& id : query.run_ids)
      runs.push_back(TRY(must_find_ref(tx, ctx.project.text, id)));
    const auto key_n = TRY(sql::find_key(tx, ctx.project.text, query.key));
    if (!key_n) return {};
    for (size_t i = 0; i < runs.size(); ++i) {
      const sql::Curve curve{.run_n = runs[i].run_n, .key_n = *key_n, .steps = query.steps};
      Thinning thinning(TRY(sql::count_points(tx, curve)), query.points_per_run);
      TRY(sql::each_point(tx, curve, [&](const sql::StoredPoint& p) { thinning.add(p); }));
      for (const sql::StoredPoint& p : std::move(thinning).take())
        out.push_back(metric_of(query.run_ids[i], query.key, p));
    }
    return {};
  }));
  return out;
}

Result<std::optional<double>> Runs::latest(const Ctx& ctx, const std::string& run_id,
                                           const std::string& key) {
  TRY(pending_.settle_run(ctx.project.text, run_id));
  std::optional<double> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out.reset();
    const sql::RunRef run = TRY(must_find_ref(tx, ctx.project.text, run_id));
    const auto key_n = TRY(sql::find_key(tx, ctx.project.text, key));
    if (key_n) out = TRY(sql::latest_metric(tx, run.run_n, *key_n));
    return {};
  }));
  return out;
}

Result<std::vector<DatasetSummary>> Runs::datasets(const Ctx& ctx,
                                                   const std::vector<int64_t>& experiment_ids) {
  std::vector<DatasetSummary> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out.clear();
    for (const int64_t id : experiment_ids) {
      const int64_t room = kDatasetSummariesMax - static_cast<int64_t>(out.size());
      if (room > 0) TRY(sql::datasets_of(tx, ctx.project.text, id, room, &out));
    }
    return {};
  }));
  return out;
}

}  // namespace slip::tracking
