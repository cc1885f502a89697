#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "sys/ctx.h"
#include "tracking/deps.h"
#include "tracking/envelope.h"

// Curves of many runs and keys for charts, thinned where they lie: rows stream through an Envelope
// and a million points never stand in memory. All are read in one transaction. Any thread.
//
// Errors: kNotFound `run.not_found`, kInvalid `curves.limit|curves.range`.
namespace slip::tracking {

class PendingMetrics;

inline constexpr int64_t kCurvePointsMax = 5'000;
inline constexpr int64_t kCurvePointsDefault = 1'000;
inline constexpr size_t kCurvesMax = 200;  // Runs times keys.

enum class CurveAxis : uint8_t { kStep, kTime };

struct CurveQuery {
  std::vector<std::string> run_ids;
  std::vector<std::string> keys;
  CurveAxis axis = CurveAxis::kStep;
  int64_t points = kCurvePointsDefault;             // At most so many buckets a curve.
  std::optional<std::pair<int64_t, int64_t>> part;  // Of x, both counted: what is zoomed into.
  bool part_from_first = false;                     // `part` counts from each curve's own first x.
};

struct ThinCurve {
  std::string run_id;
  std::string key;
  std::optional<std::pair<int64_t, int64_t>> whole;  // First and last x; nothing was ever logged.
  std::vector<Bucket> buckets;
};

class Curves {
 public:
  Curves(Deps deps, PendingMetrics& pending) : deps_(deps), pending_(pending) {}

  // One for each run and key, runs first; a key that a run never logged is a curve without buckets.
  Result<std::vector<ThinCurve>> read(const Ctx& ctx, const CurveQuery& query);

 private:
  Deps deps_;
  PendingMetrics& pending_;
};

}  // namespace slip::tracking
