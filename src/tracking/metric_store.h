#pragma once

#include <compare>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "store/db.h"
#include "tracking/types.h"

// SQL of metrics: their names' numbers, points, latest values; no policy. Private to tracking/.
namespace slip::tracking::sql {

// A double as two columns (see schema.cc).
struct StoredNumber {
  double value = 0;
  int64_t flag = 0;
};
StoredNumber encode_number(double value);
double decode_number(double value, int64_t flag);

Result<std::optional<int64_t>> find_key(store::Tx& tx, std::string_view project,
                                        std::string_view key);
// Gives the name a number when it has none.
Result<int64_t> key_number(store::Tx& tx, std::string_view project, std::string_view key);

Status add_point(store::Tx& tx, int64_t run_n, int64_t key_n, const Metric& m);
// Makes the point the latest one unless that is later, by (step, timestamp, value).
Status raise_latest(store::Tx& tx, int64_t run_n, int64_t key_n, const Metric& m);
Status put_model_metric(store::Tx& tx, std::string_view project, std::string_view run_id,
                        const Metric& m);
Result<std::optional<double>> latest_metric(store::Tx& tx, int64_t run_n, int64_t key_n);

// In the order of histories.
struct StoredPoint {
  int64_t timestamp_ms = 0;
  int64_t step = 0;
  double value = 0;
  int64_t flag = 0;
  auto operator<=>(const StoredPoint&) const = default;
};

struct Curve {
  int64_t run_n = 0;
  int64_t key_n = 0;
  std::optional<std::pair<int64_t, int64_t>> steps;  // First and last, both counted.
};
// All of them, in the order of the table: (step, timestamp, value).
Status each_point(store::Tx& tx, const Curve& curve,
                  const std::function<void(const StoredPoint&)>& on_point);
Result<int64_t> count_points(store::Tx& tx, const Curve& curve);
// The first `limit` points behind `after`, by (timestamp, step, value). Reads the curve once, which
// lies in one range of the table, and keeps no more than twice the limit.
Status first_points(store::Tx& tx, const Curve& curve, const std::optional<StoredPoint>& after,
                    size_t limit, std::vector<StoredPoint>* out);

Status datasets_of(store::Tx& tx, std::string_view project, int64_t experiment_id, int64_t limit,
                   std::vector<DatasetSummary>* out);

}  // namespace slip::tracking::sql
