#include "contract/kernels.h"

#include <bit>
#include <cstring>

namespace slip::contract {
namespace {

using engine::Column;
using engine::Type;

// Calls f(i) for each null row.
template <class F>
void each_null(const Column& column, int64_t from, int64_t n, F&& f) {
  if (column.validity == nullptr) return;
  int64_t i = from;
  for (; i + 64 <= from + n; i += 64) {
    uint64_t valid = 0;
    std::memcpy(&valid, column.validity + i / 8, sizeof valid);
    for (uint64_t nulls = ~valid; nulls != 0; nulls &= nulls - 1) f(i + std::countr_zero(nulls));
  }
  for (; i < from + n; ++i)
    if (column.is_null(i)) f(i);
}

// All rows are looked at, which needs no branch; what lay beneath nulls is taken off again.
template <class T, class F>
int64_t count_fixed(const Column& column, int64_t from, int64_t n, F bad) {
  const T* v = static_cast<const T*>(column.data) + from;
  int64_t count = 0;
  for (int64_t i = 0; i < n; ++i) count += bad(v[i]) ? 1 : 0;
  each_null(column, from, n, [&](int64_t i) { count -= bad(v[i - from]) ? 1 : 0; });
  return count;
}

int64_t count_ints(const Rule& rule, const Column& column, int64_t from, int64_t n) {
  switch (rule.test) {
    case Test::kLow:
      return count_fixed<int64_t>(column, from, n, [at = rule.i](int64_t v) { return v < at; });
    case Test::kHigh:
      return count_fixed<int64_t>(column, from, n, [at = rule.i](int64_t v) { return v > at; });
    default:
      return count_fixed<int64_t>(column, from, n,
                                  [&rule](int64_t v) { return !holds_int(rule, v); });
  }
}

int64_t count_reals(const Rule& rule, const Column& column, int64_t from, int64_t n) {
  const double at = rule.d;
  if (rule.test == Test::kLow && rule.strict)
    return count_fixed<double>(column, from, n, [at](double v) { return !(v > at); });
  if (rule.test == Test::kLow)
    return count_fixed<double>(column, from, n, [at](double v) { return !(v >= at); });
  if (rule.test == Test::kHigh && rule.strict)
    return count_fixed<double>(column, from, n, [at](double v) { return !(v < at); });
  if (rule.test == Test::kHigh)
    return count_fixed<double>(column, from, n, [at](double v) { return !(v <= at); });
  return count_fixed<double>(column, from, n, [&rule](double v) { return !holds_real(rule, v); });
}

int64_t count_texts(const Rule& rule, const Column& column, int64_t from, int64_t n) {
  int64_t count = 0;
  for (int64_t i = from; i < from + n; ++i)
    if (!column.is_null(i) && !holds_text(rule, column.text(i))) ++count;
  return count;
}

int64_t count_bools(const Rule& rule, const Column& column, int64_t from, int64_t n) {
  int64_t count = 0;
  for (int64_t i = from; i < from + n; ++i)
    if (!column.is_null(i) && !holds_int(rule, column.boolean(i) ? 1 : 0)) ++count;
  return count;
}

}  // namespace

int64_t count_nulls(const Column& column, int64_t from, int64_t n) {
  if (column.validity == nullptr) return 0;
  int64_t nulls = 0;
  int64_t i = from;
  for (; i + 64 <= from + n; i += 64) {
    uint64_t valid = 0;
    std::memcpy(&valid, column.validity + i / 8, sizeof valid);
    nulls += 64 - std::popcount(valid);
  }
  for (; i < from + n; ++i) nulls += column.is_null(i) ? 1 : 0;
  return nulls;
}

int64_t count_bad(const Rule& rule, const Column& column, int64_t from, int64_t n) {
  if (rule.test == Test::kPresent) return count_nulls(column, from, n);
  int64_t nulls = 0;
  if (rule.test == Test::kPresentIn && rule.set->has_null()) nulls = count_nulls(column, from, n);
  switch (column.type) {
    case Type::kInt64:
    case Type::kTimestampUs:
      return nulls + count_ints(rule, column, from, n);
    case Type::kDouble:
      return nulls + count_reals(rule, column, from, n);
    case Type::kText:
    case Type::kBytes:
      return nulls + count_texts(rule, column, from, n);
    case Type::kBool:
      return nulls + count_bools(rule, column, from, n);
    case Type::kList:
      break;
  }
  return nulls;
}

void widen(Extremes* extremes, const Column& column) {
  for (int64_t i = 0; i < column.n; ++i) {
    if (column.is_null(i)) continue;
    const int64_t v = column.i64(i);
    extremes->low = v < extremes->low ? v : extremes->low;
    extremes->high = v > extremes->high ? v : extremes->high;
  }
}

}  // namespace slip::contract
