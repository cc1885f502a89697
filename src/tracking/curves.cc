#include "tracking/curves.h"

#include <algorithm>

#include "base/text.h"
#include "store/db.h"
#include "tracking/curve_store.h"
#include "tracking/pending.h"
#include "tracking/run_rules.h"

namespace slip::tracking {
namespace {

Status check(const CurveQuery& query) {
  if (query.points < 1 || query.points > kCurvePointsMax)
    return invalid("curves.limit",
                   concat({"points is 1 to ", std::to_string(kCurvePointsMax), " a curve"}));
  if (query.run_ids.empty() || query.keys.empty())
    return invalid("curves.limit", "at least one run and one key");
  if (query.run_ids.size() > kCurvesMax / query.keys.size())
    return invalid("curves.limit", concat({"at most ", std::to_string(kCurvesMax),
                                           " curves (runs × keys) at once"}));
  if (query.part && query.part->first > query.part->second)
    return invalid("curves.range", "the range ends before it begins");
  return {};
}

CurvePoint point_of(const sql::StoredPoint& p, CurveAxis axis) {
  const double value = sql::decode_number(p.value, p.flag);
  if (axis == CurveAxis::kStep) return {p.step, p.timestamp_ms, value};
  return {p.timestamp_ms, p.step, value};
}

// The part that is asked for of a curve that begins at `first`.
std::pair<int64_t, int64_t> part_of(const CurveQuery& query, int64_t first) {
  if (!query.part) return {INT64_MIN, INT64_MAX};
  if (!query.part_from_first) return *query.part;
  const auto shifted = [&](int64_t x) {
    int64_t out = 0;
    return __builtin_add_overflow(first, x, &out) ? (x < 0 ? INT64_MIN : INT64_MAX) : out;
  };
  return {shifted(query.part->first), shifted(query.part->second)};
}

Status read_one(store::Tx& tx, const CurveQuery& query, sql::Curve curve, ThinCurve* out) {
  const bool by_step = query.axis == CurveAxis::kStep;
  out->whole = by_step ? TRY(sql::step_range(tx, curve)) : TRY(sql::time_range(tx, curve));
  if (!out->whole) return {};
  const auto [from, to] = part_of(query, out->whole->first);
  const int64_t low = std::max(out->whole->first, from);
  const int64_t high = std::min(out->whole->second, to);
  if (low > high) return {};
  if (by_step && query.part) curve.steps = {low, high};
  Envelope envelope(low, high, query.points);
  TRY(sql::each_point(tx, curve, [&](const sql::StoredPoint& stored) {
    const CurvePoint p = point_of(stored, query.axis);
    // What was logged since the range was read (PostgreSQL shows it) is for the next look.
    if (p.x >= low && p.x <= high) envelope.add(p);
  }));
  out->buckets = std::move(envelope).take();
  return {};
}

}  // namespace

Result<std::vector<ThinCurve>> Curves::read(const Ctx& ctx, const CurveQuery& query) {
  TRY(check(query));
  TRY(pending_.settle_runs(ctx.project.text, query.run_ids));
  std::vector<ThinCurve> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out.clear();
    std::vector<std::optional<int64_t>> key_ns;
    for (const std::string& key : query.keys)
      key_ns.push_back(TRY(sql::find_key(tx, ctx.project.text, key)));
    for (const std::string& id : query.run_ids) {
      const sql::RunRef run = TRY(must_find_ref(tx, ctx.project.text, id));
      for (size_t k = 0; k < query.keys.size(); ++k) {
        ThinCurve& curve = out.emplace_back();
        curve.run_id = id;
        curve.key = query.keys[k];
        if (key_ns[k]) TRY(read_one(tx, query, {run.run_n, *key_ns[k], {}}, &curve));
      }
    }
    return {};
  }));
  return out;
}

}  // namespace slip::tracking
