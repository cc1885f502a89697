#include <cmath>

#include "engine/expr/kernel.h"

namespace slip::engine::expr {
namespace {

using Text = std::string_view;
constexpr Text kGroup = "Lists";

template <class T>
T item(ListOf<T> l, int64_t at, Row& row) {
  const int64_t i = at > 0 ? at - 1 : at < 0 && at >= -l.size() ? l.size() + at : -1;
  if (i >= 0 && i < l.size() && !l.is_null(i)) return l.at(i);
  row.fail(kNull);
  return T{};
}

template <class T>
bool holds(ListOf<T> l, T what, Row& row) {
  bool nulls = false;
  for (int64_t i = 0; i < l.size(); ++i) {
    if (l.is_null(i))
      nulls = true;
    else if (l.at(i) == what)
      return true;
  }
  if (nulls) row.fail(kNull);
  return false;
}

struct Total {
  double sum = 0;
  int64_t n = 0;
};
template <class T>
Total total_of(ListOf<T> l) {
  Total out;
  for (int64_t i = 0; i < l.size(); ++i) {
    if (l.is_null(i)) continue;
    out.sum += static_cast<double>(l.at(i));
    ++out.n;
  }
  return out;
}

double sum_doubles(ListOf<double> l, Row& row) {
  const Total t = total_of(l);
  if (t.n == 0) row.fail(kNull);
  return t.sum;
}
int64_t sum_ints(ListOf<int64_t> l, Row& row) {
  int64_t sum = 0;
  bool any = false;
  for (int64_t i = 0; i < l.size() && !row.state; ++i) {
    if (l.is_null(i)) continue;
    any = true;
    if (__builtin_add_overflow(sum, l.at(i), &sum)) row.fail(kOverflow);
  }
  if (!any) row.fail(kNull);
  return sum;
}
template <class T>
double mean(ListOf<T> l, Row& row) {
  const Total t = total_of(l);
  if (t.n == 0) row.fail(kNull);
  return t.n ? t.sum / static_cast<double>(t.n) : 0;
}

template <class T, bool kLeast>
T extreme(ListOf<T> l, Row& row) {
  bool any = false;
  T best{};
  for (int64_t i = 0; i < l.size(); ++i) {
    if (l.is_null(i)) continue;
    const T v = l.at(i);
    const bool better = kLeast ? v < best : best < v;
    if (!any || (best == best && (v != v || better))) best = v;
    any = true;
  }
  if (!any) row.fail(kNull);
  return best;
}

struct Products {
  double ab = 0;
  double aa = 0;
  double bb = 0;
  double distance = 0;
};
Products products(ListOf<double> a, ListOf<double> b, Row& row) {
  Products out;
  if (a.size() != b.size()) row.fail(kBadArgument);
  for (int64_t i = 0; i < a.size() && !row.state; ++i) {
    if (a.is_null(i) || b.is_null(i)) {
      row.fail(kNull);
      break;
    }
    const double x = a.at(i);
    const double y = b.at(i);
    out.ab += x * y;
    out.aa += x * x;
    out.bb += y * y;
    out.distance += (x - y) * (x - y);
  }
  return out;
}
double cosine(ListOf<double> a, ListOf<double> b, Row& row) {
  const Products p = products(a, b, row);
  return p.ab / (std::sqrt(p.aa) * std::sqrt(p.bb));
}
double dot(ListOf<double> a, ListOf<double> b, Row& row) { return products(a, b, row).ab; }
double euclid(ListOf<double> a, ListOf<double> b, Row& row) {
  return std::sqrt(products(a, b, row).distance);
}

template <class T>
void add_of(std::vector<Function>* out) {
  out->push_back(row<[](ListOf<T> l) { return l.size(); }>({"list_length", kGroup, "nulls count"}));
  out->push_back(row<item<T>>({"list_get", kGroup, "from 1 on, -1 is the last; null beyond"}));
  out->push_back(
      row<holds<T>>({"list_contains", kGroup, "null if it isn't there and an item is null"}));
  out->push_back(
      row<extreme<T, true>>({"list_min", kGroup, "nulls are passed over; null of none; NaN wins"}));
  out->push_back(row<extreme<T, false>>(
      {"list_max", kGroup, "nulls are passed over; null of none; NaN wins"}));
}

}  // namespace

void add_lists(std::vector<Function>* out) {
  add_of<int64_t>(out);
  add_of<double>(out);
  add_of<Text>(out);
  out->push_back(row<sum_ints>(
      {"list_sum", kGroup, "nulls are passed over; null of none; fails on overflow"}));
  out->push_back(
      row<sum_doubles>({"list_sum", kGroup, "in order; nulls are passed over; null of none"}));
  out->push_back(row<mean<int64_t>>({"list_mean", kGroup, "sum / count; null of none"}));
  out->push_back(row<mean<double>>({"list_mean", kGroup, "sum / count; null of none"}));
  out->push_back(row<dot>({"dot", kGroup, "fails for two lengths; null with a null item"}));
  out->push_back(row<cosine>({"cosine_similarity", kGroup, "as dot; NaN for a vector of zeros"}));
  out->push_back(row<euclid>({"l2_distance", kGroup, "as dot"}));
}

}  // namespace slip::engine::expr
