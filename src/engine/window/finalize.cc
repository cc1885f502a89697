#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/window/kernel.h"
#include "engine/window/sketch.h"

// What is read from a state: everything exact until here is rounded once.
namespace slip::window {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

Answer total(const Moments& m) {
  Answer out;
  if (m.nans || (m.highs && m.lows)) {
    out.value = kNan;
  } else if (m.highs || m.lows) {
    out.value = m.highs ? kInf : -kInf;
  } else if (m.doubles) {
    out.value = m.sums[0].rounded();
  } else {
    const Big v = m.sums[0].value_at(0);
    out.overflow = v.bits() > 63 && !(Big(std::numeric_limits<int64_t>::min()) - v).zero();
    if (!out.overflow) out.value = v.to_int64();
  }
  return out;
}

Answer average(const Moments& m) {
  Answer out;
  if (m.nans || m.highs || m.lows) return total(m);
  int64_t exponent = 0;
  const Big v = m.sums[0].value(&exponent);
  out.value = round_ratio(v, Big(m.n), exponent);
  return out;
}

// Over n: with S_p = sum of x^p, n^2 var = B = n S2 - S1^2, n^3 m3 = A = n^2 S3 - 3 n S1 S2 + 2
// S1^3, n^4 m4 = D = n^3 S4 - 4 n^2 S1 S3 + 6 n S1^2 S2 - 3 S1^4; skew = A / B^1.5, kurtosis = D /
// B^2 - 3.
Answer central(Op op, const Moments& m) {
  Answer out;
  const bool sample = op == Op::kVarSample || op == Op::kStddevSample;
  if (sample && m.n < 2) return out;
  out.value = kNan;
  if (m.nans || m.highs || m.lows) return out;
  const Big n(m.n);
  int64_t unit = m.sums[0].lowest_exponent();  // Of S1; S_p is a multiple of 2^(p unit).
  for (size_t p = 1; p < m.sums.size(); ++p) {
    const int64_t low = m.sums[p].lowest_exponent(), power = static_cast<int64_t>(p) + 1;
    unit = std::min(unit, low >= 0 ? low / power : -((-low + power - 1) / power));
  }
  const auto sum = [&](int64_t p) { return m.sums[static_cast<size_t>(p - 1)].value_at(p * unit); };
  const Big s1 = sum(1), s2 = sum(2), b = n * s2 - s1 * s1;
  if (b.negative()) return out;  // Of no events: bytes that only look like a state.
  if (op == Op::kVarPop) out.value = round_ratio(b, n * n, 2 * unit);
  if (op == Op::kVarSample) out.value = round_ratio(b, n * (n - Big(1)), 2 * unit);
  if (op == Op::kStddevPop) out.value = round_sqrt(b, n * n, 2 * unit);
  if (op == Op::kStddevSample) out.value = round_sqrt(b, n * (n - Big(1)), 2 * unit);
  if ((op != Op::kSkew && op != Op::kKurtosis) || b.zero()) return out;
  const Big s3 = sum(3);
  if (op == Op::kSkew) {
    const Big a = n * n * s3 - Big(3) * n * s1 * s2 + Big(2) * s1 * s1 * s1;
    const double size = round_sqrt(a * a, b * b * b, 0);
    out.value = a.negative() ? -size : size;
    return out;
  }
  const Big d = n * n * n * sum(4) - Big(4) * n * n * s1 * s3 + Big(6) * n * s1 * s1 * s2 -
                Big(3) * s1 * s1 * s1 * s1;
  out.value = round_ratio(d - Big(3) * b * b, b * b, 0);
  return out;
}

Answer recent(Op op, const Params& params, const Recent& r) {
  Answer out;
  if (r.entries.empty()) return out;
  if (op == Op::kFirst) out.value = r.entries.front().value;
  if (op == Op::kLast) out.value = r.entries.back().value;
  if (op == Op::kLastK) {
    for (size_t i = r.entries.size(); i-- > 0;) out.items.push_back(r.entries[i].value);
  }
  if (op == Op::kEwma) {
    bool first = true;
    double y = 0;
    for (const Entry& e : r.entries) {
      const auto* d = std::get_if<double>(&e.value);
      const auto* i = std::get_if<int64_t>(&e.value);
      if (!d && !i) continue;
      const double x = d ? *d : static_cast<double>(*i);
      y = first ? x : params.alpha * x + (1 - params.alpha) * y;
      first = false;
    }
    if (!first) out.value = y != y ? kNan : y;
  }
  return out;
}

Answer keys(Op op, const Params& params, const Keys& k) {
  Answer out;
  if (op == Op::kDistinct) {
    out.approximate = k.over;
    out.value = k.over ? static_cast<int64_t>(std::min(hll_estimate(k.registers), 9e18) + 0.5)
                       : static_cast<int64_t>(k.counts.size());
    return out;
  }
  if (op == Op::kHistogram && k.over) {
    out.overflow = true;
    return out;
  }
  for (const auto& [key, count] : k.counts) {
    const std::string bytes = key.bytes();
    std::string_view in = bytes;
    Datum value;
    if (read_datum(in, value)) out.entries.emplace_back(std::move(value), count);
  }
  std::sort(out.entries.begin(), out.entries.end(), [&](const auto& a, const auto& b) {
    if (op == Op::kTopK && a.second != b.second) return a.second > b.second;
    return compare(a.first, b.first) < 0;
  });
  out.approximate = k.over;
  if (op == Op::kTopK && out.entries.size() > params.k) out.entries.resize(params.k);
  return out;
}

Answer lists(Op op, const Lists& l) {
  Answer out;
  if (l.n == 0) return out;
  std::vector<double> v;
  for (const Moments& m : l.items) {
    v.push_back(std::get<double>((op == Op::kListSum ? total(m) : average(m)).value));
  }
  out.value = std::move(v);
  return out;
}

}  // namespace

Answer finalize(Op op, const Params& params, const State& state) {
  Answer out;
  if (const auto* c = std::get_if<Counted>(&state)) {
    out.value = c->n;
  } else if (const auto* m = std::get_if<Moments>(&state)) {
    if (m->n == 0) return out;
    return op == Op::kSum ? total(*m) : op == Op::kMean ? average(*m) : central(op, *m);
  } else if (const auto* e = std::get_if<Extreme>(&state)) {
    out.value = e->best;
  } else if (const auto* r = std::get_if<Recent>(&state)) {
    return recent(op, params, *r);
  } else if (const auto* k = std::get_if<Keys>(&state)) {
    return keys(op, params, *k);
  } else if (const auto* s = std::get_if<Sketch>(&state)) {
    if (s->n > 0) out.value = sketch_quantile(*s, params.quantile, params.accuracy);
  } else if (const auto* f = std::get_if<Flags>(&state)) {
    if (f->yes + f->no > 0) out.value = op == Op::kAny ? f->yes > 0 : f->no == 0;
  } else {
    return lists(op, std::get<Lists>(state));
  }
  return out;
}

}  // namespace slip::window
