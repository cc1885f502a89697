#include "tracking/curve_store.h"

namespace slip::tracking::sql {
namespace {

std::optional<Range> decode(const store::Row& row) {
  if (row.is_null(0) || row.is_null(1)) return std::nullopt;
  return Range(row.i64(0), row.i64(1));
}

}  // namespace

Result<std::optional<Range>> step_range(store::Tx& tx, const Curve& curve) {
  std::optional<Range> out;
  TRY(
      tx.first("SELECT (SELECT MIN(a.step) FROM metric_point a WHERE a.run_n = ? AND a.key_n = ?),"
               " (SELECT MAX(b.step) FROM metric_point b WHERE b.run_n = ? AND b.key_n = ?)",
               {curve.run_n, curve.key_n, curve.run_n, curve.key_n},
               [&](const store::Row& row) { out = decode(row); }));
  return out;
}

Result<std::optional<Range>> time_range(store::Tx& tx, const Curve& curve) {
  std::optional<Range> out;
  TRY(
      tx.first("SELECT MIN(timestamp_ms), MAX(timestamp_ms) FROM metric_point"
               " WHERE run_n = ? AND key_n = ?",
               {curve.run_n, curve.key_n}, [&](const store::Row& row) { out = decode(row); }));
  return out;
}

}  // namespace slip::tracking::sql
