#include "engine/trees/columns.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <tuple>

#include "engine/trees/encode.h"
#include "engine/trees/scalar.h"

namespace slip::trees {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr double kDoubleInf = std::numeric_limits<double>::infinity();
constexpr float kInSet = 0.5F;
constexpr size_t kVectorRows = 8;
constexpr size_t kMaybeBits = 32;  // A threshold: one value in 32 is looked up for nothing.

uint32_t slot_of(float above, uint32_t shift) {
  return std::bit_cast<uint32_t>(above) * kSlotFactor >> shift;
}

// x < t as x <= t', in the arithmetic of the forest. False when nothing can be that small.
bool as_less_equal(const Forest& f, const Node& node, double& t) {
  t = node.threshold;
  // A float x that is compared with any double.
  if (f.float_compare && node.test == Test::kLess) {
    const float up = float_not_below(t);
    t = up == -kInf ? -kDoubleInf : static_cast<double>(std::nextafter(up, -kInf));
    return up != -kInf;
  }
  if (node.test == Test::kLessEqual) {
    if (f.float_compare) t = static_cast<double>(float_not_above(t));
    return true;
  }
  if (t == -kDoubleInf) return false;
  t = std::nextafter(t, -kDoubleInf);
  return true;
}

}  // namespace

float float_not_above(double x) {
  const auto near = static_cast<float>(x);
  return static_cast<double>(near) > x ? std::nextafter(near, -kInf) : near;
}
float float_not_below(double x) {
  const auto near = static_cast<float>(x);
  return static_cast<double>(near) < x ? std::nextafter(near, kInf) : near;
}

struct ColumnsMaker {
  explicit ColumnsMaker(const Forest& forest) : f(forest) {}

  const Forest& f;
  Columns out;
  std::map<std::tuple<int32_t, Missing, int64_t>, uint32_t> known;  // Feature, missing, set or -1.
  std::vector<double> plain;                                        // A node's threshold as <=.

  uint32_t column(const Node& node, int64_t set) {
    const auto [at, fresh] = known.try_emplace({node.feature, node.missing, set},
                                               static_cast<uint32_t>(out.columns_.size()));
    if (!fresh) return at->second;
    Columns::Column c;
    c.feature = static_cast<uint32_t>(node.feature);
    c.missing = node.missing;
    c.kind = f.float_compare ? Columns::Kind::kFloat : Columns::Kind::kDouble;
    if (set >= 0) {
      c.kind = Columns::Kind::kSet;
      c.set = static_cast<uint32_t>(set);
      ++out.sets_;
    }
    out.columns_.push_back(std::move(c));
    return at->second;
  }

  void node(size_t i, int64_t nothing) {
    const Node& n = f.nodes[i];
    double t = 0;
    int64_t set = n.test == Test::kInSet ? static_cast<int64_t>(n.set) : -1;
    if (set < 0 && !as_less_equal(f, n, t)) set = nothing;
    const uint32_t c = column(n, set);
    out.node_columns_[i] = c;
    plain[i] = t;
    if (set < 0 && out.columns_[c].kind == Columns::Kind::kDouble)
      out.columns_[c].thresholds.push_back(t);
  }

  static void finish_column(Columns::Column& c) {
    std::vector<double>& all = c.thresholds;
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    for (size_t i = 1; i < all.size(); ++i)
      if (float_not_above(all[i - 1]) == float_not_above(all[i])) {
        c.kind = Columns::Kind::kRanked;
        return;
      }
    std::erase_if(all, [](double t) { return static_cast<double>(float_not_above(t)) == t; });
    const size_t bits = std::bit_ceil(std::max<size_t>(all.size() * kMaybeBits, 32));
    c.maybe.resize(bits / 32);
    c.hash_shift = static_cast<uint32_t>(32 - std::countr_zero(bits));
    for (const double t : all) {
      const uint32_t slot = slot_of(float_not_below(t), c.hash_shift);
      c.maybe[slot / 32] |= uint32_t{1} << (slot % 32);
    }
  }

  void thresholds() {
    for (size_t i = 0; i < f.nodes.size(); ++i) {
      const Columns::Column& c = out.columns_[out.node_columns_[i]];
      float& t = out.node_thresholds_[i];
      if (c.kind == Columns::Kind::kSet) {
        t = kInSet;
      } else if (c.kind == Columns::Kind::kRanked) {
        const auto at = std::lower_bound(c.thresholds.begin(), c.thresholds.end(), plain[i]);
        t = static_cast<float>(at - c.thresholds.begin());
      } else {
        t = float_not_above(plain[i]);
      }
    }
  }
};

Columns Columns::make(const Forest& forest, bool avx512) {
  ColumnsMaker maker(forest);
  const size_t nodes = forest.nodes.size();
  maker.plain.resize(nodes);
  maker.out.features_ = forest.features;
  maker.out.avx512_ = avx512;
  maker.out.float_compare_ = forest.float_compare;
  maker.out.tiny_is_zero_ = forest.tiny_is_zero;
  maker.out.node_columns_.resize(nodes);
  maker.out.node_thresholds_.resize(nodes);
  maker.out.set_values_ = forest.sets;
  maker.out.set_values_.emplace_back();  // The empty one.
  for (size_t i = 0; i < nodes; ++i) maker.node(i, static_cast<int64_t>(forest.sets.size()));
  for (Column& c : maker.out.columns_)
    if (c.kind == Kind::kDouble) maker.finish_column(c);
  maker.thresholds();
  maker.out.find_rule();
  return std::move(maker.out);
}

void Columns::find_rule() {
  if (!columns_.empty()) missing_ = columns_[0].missing;
  one_rule_ = std::all_of(columns_.begin(), columns_.end(), [&](const Column& c) {
    return c.missing == missing_ && (c.kind == Kind::kFloat || c.kind == Kind::kDouble);
  });
}

namespace {

// Branch-free: what is missing becomes NaN, what isn't but is NaN or tiny becomes zero.
template <class V, Missing kMissing, bool kTiny>
struct Clean {
  static V of(V x) {
    if constexpr (kTiny) x = std::fabs(x) <= static_cast<V>(kZeroThreshold) ? V{0} : x;
    if constexpr (kMissing == Missing::kNone) x = x == x ? x : V{0};
    if constexpr (kMissing == Missing::kZero)
      x = std::fabs(x) <= static_cast<V>(kZeroThreshold) ? std::numeric_limits<V>::quiet_NaN() : x;
    return x;
  }
};

// Calls `f` with the Clean of a rule known only now.
template <class V, class F>
bool with_clean(Missing missing, bool tiny, const F& f) {
  switch (missing) {
    case Missing::kNan:
      return tiny ? f(Clean<V, Missing::kNan, true>()) : f(Clean<V, Missing::kNan, false>());
    case Missing::kZero:
      return tiny ? f(Clean<V, Missing::kZero, true>()) : f(Clean<V, Missing::kZero, false>());
    default:
      return tiny ? f(Clean<V, Missing::kNone, true>()) : f(Clean<V, Missing::kNone, false>());
  }
}

// float_not_below() without a branch; NaN stays.
float above_of(double x) {
  const auto near = static_cast<float>(x);
  const auto bits = std::bit_cast<int32_t>(near);
  const int32_t up = bits < 0 ? -1 : 1;
  return std::bit_cast<float>(bits + (static_cast<double>(near) < x ? up : 0));
}

}  // namespace

float Columns::looked_up(const Column& c, double x) const {
  if (std::isnan(x)) return std::numeric_limits<float>::quiet_NaN();
  if (c.kind == Kind::kSet) return set_values_[c.set].has(x) ? 0.0F : 1.0F;
  const auto at = std::lower_bound(c.thresholds.begin(), c.thresholds.end(), x);
  return static_cast<float>(at - c.thresholds.begin());
}

// A threshold may lie in the same gap.
float Columns::between_floats(const Column& c, double x, float above) {
  const auto t = std::lower_bound(c.thresholds.begin(), c.thresholds.end(), x);
  const bool same = t != c.thresholds.end() && float_not_below(*t) == above;
  return same ? float_not_above(x) : above;
}

inline float Columns::double_code(const Column& c, double x) {
  const float above = above_of(x);
  const uint32_t slot = slot_of(above, c.hash_shift);
  const bool maybe = (c.maybe[slot / 32] >> (slot % 32) & 1) != 0;
  if (maybe && static_cast<double>(above) > x) [[unlikely]]
    return between_floats(c, x, above);
  return above;
}

bool Columns::encode_doubles(const Column& c, const double* from, size_t rows, float* to) const {
  const DoublesWork work{from + c.feature, features_,     rows,      c.maybe.data(),
                         c.hash_shift,     tiny_is_zero_, c.missing, to};
  bool nan = false;
  uint64_t between = avx512_encode(work, nan);
  for (; between != 0; between &= between - 1) {  // Few: a threshold may lie in the same gap.
    const auto r = static_cast<size_t>(std::countr_zero(between));
    to[r] = between_floats(c, work.from[r * features_], to[r]);
  }
  return nan;
}

template <class T, class V, class Clean>
bool Columns::encode_column(const Column& c, const T* from, size_t rows, float* to) const {
  bool nan = false;
  const T* x = from + c.feature;
  if (c.kind == Kind::kSet || c.kind == Kind::kRanked) {
    for (size_t r = 0; r < rows; ++r, x += features_) {
      to[r] = looked_up(c, static_cast<double>(Clean::of(static_cast<V>(*x))));
      nan |= to[r] != to[r];
    }
    return nan;
  }
  if constexpr (std::is_same_v<V, double>)
    if (avx512_ && rows >= kVectorRows && c.kind == Kind::kDouble)
      return encode_doubles(c, from, rows, to);
  for (size_t r = 0; r < rows; ++r, x += features_) {
    const V clean = Clean::of(static_cast<V>(*x));
    if constexpr (std::is_same_v<V, double>)
      to[r] = double_code(c, clean);
    else
      to[r] = clean;
    nan |= clean != clean;
  }
  return nan;
}

template <class T, class V, class Clean>
bool Columns::encode_row(const T* row, float* to) const {
  bool nan = false;
  for (const Column& c : columns_) {
    const V clean = Clean::of(static_cast<V>(row[c.feature]));
    if constexpr (std::is_same_v<V, double>)
      *to++ = double_code(c, clean);
    else
      *to++ = clean;
    nan |= clean != clean;
  }
  return nan;
}

template <class T, class V>
bool Columns::encode_as(std::span<const T> from, size_t rows, float* to, size_t stride) const {
  if (rows == 1 && one_rule_)
    return with_clean<V>(missing_, tiny_is_zero_, [&](auto clean) {
      return encode_row<T, V, decltype(clean)>(from.data(), to);
    });
  bool nan = false;
  for (const Column& c : columns_) {
    nan |= with_clean<V>(c.missing, tiny_is_zero_, [&](auto clean) {
      return encode_column<T, V, decltype(clean)>(c, from.data(), rows, to);
    });
    to += stride;
  }
  return nan;
}

template <class T>
bool Columns::encode(std::span<const T> from, size_t rows, float* to, size_t stride) const {
  if constexpr (std::is_same_v<T, double>)
    if (!float_compare_) return encode_as<T, double>(from, rows, to, stride);
  return encode_as<T, float>(from, rows, to, stride);
}
template bool Columns::encode(std::span<const float>, size_t, float*, size_t) const;
template bool Columns::encode(std::span<const double>, size_t, float*, size_t) const;

}  // namespace slip::trees
