#include "engine/window/kernel.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "engine/window/sketch.h"

namespace slip::window {
namespace {

uint64_t rank(double x) {  // Unsigned order = -Inf < … < -0 < +0 < … < +Inf < NaN.
  if (x != x) return ~uint64_t{0};
  const auto bits = std::bit_cast<uint64_t>(x);
  return bits >> 63 ? ~bits : bits | uint64_t{1} << 63;
}

double canonical(double x) { return x != x ? std::numeric_limits<double>::quiet_NaN() : x; }

Datum canonical(const Datum& v) {
  const auto* d = std::get_if<double>(&v);
  return d ? Datum(canonical(*d)) : v;
}

DatumKey key_of(const Datum& v) {
  std::string out;
  const auto* d = std::get_if<double>(&v);
  write_datum(d ? Datum(*d == 0 ? 0.0 : canonical(*d)) : v, out);
  return DatumKey(out);
}

uint64_t hash_of(const DatumKey& key) { return hash_bytes(key.bytes()); }

double as_double(const Datum& v) {
  if (const auto* d = std::get_if<double>(&v)) return *d;
  if (const auto* i = std::get_if<int64_t>(&v)) return static_cast<double>(*i);
  return std::get<bool>(v) ? 1 : 0;
}

int64_t integer_of(const Datum& v) {
  const auto* b = std::get_if<bool>(&v);
  return b ? int64_t{*b} : std::get<int64_t>(v);
}

bool numeric(const Datum& v) { return v.index() >= 1 && v.index() <= 3; }

void add_number(Moments& m, const Datum& v, int sign) {
  m.n += sign;
  const auto* d = std::get_if<double>(&v);
  if (d) m.doubles += sign;
  if (d && !std::isfinite(*d)) {
    (*d != *d ? m.nans : *d > 0 ? m.highs : m.lows) += sign;
    return;
  }
  for (size_t p = 0; p < m.sums.size(); ++p) {
    const int power = static_cast<int>(p) + 1;
    d ? m.sums[p].add(*d, power, sign) : m.sums[p].add(integer_of(v), power, sign);
  }
}

void merge_moments(Moments& to, const Moments& from) {
  to.n += from.n;
  to.nans += from.nans;
  to.highs += from.highs;
  to.lows += from.lows;
  to.doubles += from.doubles;
  for (size_t p = 0; p < to.sums.size(); ++p) to.sums[p].merge(from.sums[p]);
}

void consider(const Kernel& kernel, Extreme& e, const Datum& v, int64_t times) {
  const int c = e.times == 0 ? 1 : compare(v, e.best) * (kernel.family == Family::kLeast ? -1 : 1);
  if (c < 0) return;
  if (c > 0) {
    e.best = canonical(v);
    e.times = 0;
  }
  e.times += times;
}

void keep(const Kernel& kernel, Recent& r, const Entry& entry) {
  const auto before = [](const Entry& a, const Entry& b) {
    if (a.at.ts_us != b.at.ts_us) return a.at.ts_us < b.at.ts_us;
    if (a.at.seq != b.at.seq) return a.at.seq < b.at.seq;
    return compare(a.value, b.value) < 0;
  };
  const auto place = std::upper_bound(r.entries.begin(), r.entries.end(), entry, before);
  if (r.entries.size() < kernel.limit) {
    r.entries.insert(place, entry);
  } else if (kernel.family == Family::kNewest && place != r.entries.begin()) {
    std::move(r.entries.begin() + 1, place, r.entries.begin());
    *(place - 1) = entry;
  } else if (kernel.family == Family::kOldest && place != r.entries.end()) {
    std::move_backward(place, r.entries.end() - 1, r.entries.end());
    *place = entry;
  }
}

// Beyond the limit: a map is given up, distinct goes on as HyperLogLog, top-k as count-min with
// the candidates that count most.
void overflow(const Kernel& kernel, Keys& k) {
  if (k.over && kernel.family == Family::kTop) {
    for (auto& [key, n] : k.counts) n = cm_count(k.cells, hash_of(key));
  }
  if (k.counts.size() <= kernel.limit && !k.over) return;
  if (kernel.family == Family::kDistinct) {
    k.registers.resize(size_t{1} << kHllBits);
    for (const auto& [key, unused] : k.counts) hll_add(k.registers, hash_of(key));
  }
  if (kernel.family == Family::kTop && !k.over) {
    k.cells.resize(size_t{kCmRows} * kCmColumns);
    for (const auto& [key, count] : k.counts) cm_add(k.cells, hash_of(key), count);
  }
  k.over = true;
  if (kernel.family != Family::kTop) return k.counts.clear();
  while (k.counts.size() > kernel.limit) {
    k.counts.erase(std::min_element(k.counts.begin(), k.counts.end(), [](auto& a, auto& b) {
      return a.n != b.n ? a.n < b.n : b.key < a.key;
    }));
  }
}

void count_key(const Kernel& kernel, Keys& k, const DatumKey& key) {
  ++k.n;
  if (!k.over) {
    k.counts.add(key, 1);
    if (k.counts.size() > kernel.limit) overflow(kernel, k);
  } else if (kernel.family == Family::kDistinct) {
    hll_add(k.registers, hash_of(key));
  } else if (kernel.family == Family::kTop) {
    const uint64_t hash = hash_of(key);
    cm_add(k.cells, hash, 1);
    k.counts.set(key, cm_count(k.cells, hash));
    if (k.counts.size() > kernel.limit) overflow(kernel, k);
  }
}

void merge_keys(const Kernel& kernel, Keys& to, const Keys& other) {
  if (!to.over && !other.over) {
    to.n += other.n;
    to.counts.merge(other.counts);
    if (to.counts.size() > kernel.limit) overflow(kernel, to);
    return;
  }
  Keys from = other;
  to.n += from.n;
  if (kernel.family == Family::kTop && to.over != from.over) {  // Both as count-min.
    Keys& small = to.over ? from : to;
    small.cells.resize(size_t{kCmRows} * kCmColumns);
    for (const auto& [key, count] : small.counts) cm_add(small.cells, hash_of(key), count);
    small.over = true;
  }
  to.counts.merge(from.counts);
  if (to.cells.empty()) to.cells.resize(from.cells.size());
  for (size_t i = 0; i < from.cells.size(); ++i) to.cells[i] += from.cells[i];
  if (to.registers.empty()) to.registers.resize(from.registers.size());
  for (size_t i = 0; i < from.registers.size(); ++i) {
    to.registers[i] = std::max(to.registers[i], from.registers[i]);
  }
  to.over = to.over || from.over;
  overflow(kernel, to);
}

bool uncount(const Kernel& kernel, Keys& k, const DatumKey& key) {
  if (k.over) return false;
  const auto found = k.counts.find(key);
  if (found == k.counts.end()) return false;
  if (--found->n == 0) k.counts.erase(found);
  --k.n;
  (void)kernel;
  return true;
}

struct Merge {
  const Kernel& kernel;
  const State& other;

  void operator()(Counted& s) const { s.n += std::get<Counted>(other).n; }
  void operator()(Moments& s) const { merge_moments(s, std::get<Moments>(other)); }
  void operator()(Extreme& s) const {
    const auto& o = std::get<Extreme>(other);
    s.n += o.n;
    if (o.times) consider(kernel, s, o.best, o.times);
  }
  void operator()(Recent& s) const {
    const auto& o = std::get<Recent>(other);
    s.n += o.n;
    for (const Entry& e : o.entries) keep(kernel, s, e);
  }
  void operator()(Keys& s) const { merge_keys(kernel, s, std::get<Keys>(other)); }
  void operator()(Sketch& s) const {
    const auto& o = std::get<Sketch>(other);
    s.n += o.n;
    s.nans += o.nans;
    s.highs += o.highs;
    s.lows += o.lows;
    s.zeros += o.zeros;
    s.above.merge(o.above);
    s.below.merge(o.below);
  }
  void operator()(Flags& s) const {
    s.yes += std::get<Flags>(other).yes;
    s.no += std::get<Flags>(other).no;
  }
  void operator()(Lists& s) const {
    const auto& o = std::get<Lists>(other);
    s.n += o.n;
    if (s.items.empty()) s.items.resize(o.items.size(), Moments{0, 0, 0, 0, 0, {ExactSum()}});
    for (size_t i = 0; i < std::min(s.items.size(), o.items.size()); ++i) {
      merge_moments(s.items[i], o.items[i]);
    }
  }
};

void add_list(Lists& l, const std::vector<double>& v, int sign) {
  l.n += sign;
  if (l.items.empty()) l.items.resize(v.size(), Moments{0, 0, 0, 0, 0, {ExactSum()}});
  for (size_t i = 0; i < v.size(); ++i) add_number(l.items[i], Datum(v[i]), sign);
  if (l.n == 0) l.items.clear();
}

}  // namespace

Result<Kernel> kernel_of(Op op, const Params& p) {
  const auto counted = [](Family family, uint32_t n) -> Result<Kernel> {
    if (n == 0 || n > kMaxLimit) {
      return invalid("window.bad_limit", "a limit lies between 1 and 65536");
    }
    return Kernel{family, n, 0, 0};
  };
  switch (op) {
    case Op::kCount:
      return Kernel{Family::kCounted, 0, 0, 0};
    case Op::kSum:
    case Op::kMean:
      return Kernel{Family::kMoments, 0, 1, 0};
    case Op::kVarPop:
    case Op::kVarSample:
    case Op::kStddevPop:
    case Op::kStddevSample:
      return Kernel{Family::kMoments, 0, 2, 0};
    case Op::kSkew:
      return Kernel{Family::kMoments, 0, 3, 0};
    case Op::kKurtosis:
      return Kernel{Family::kMoments, 0, 4, 0};
    case Op::kMin:
      return Kernel{Family::kLeast, 0, 0, 0};
    case Op::kMax:
      return Kernel{Family::kGreatest, 0, 0, 0};
    case Op::kFirst:
      return Kernel{Family::kOldest, 1, 0, 0};
    case Op::kLast:
      return Kernel{Family::kNewest, 1, 0, 0};
    case Op::kLastK:
      return counted(Family::kNewest, p.k);
    case Op::kEwma:
      if (!(p.alpha > 0 && p.alpha <= 1)) {
        return invalid("window.bad_alpha", "alpha lies in (0, 1]");
      }
      return counted(Family::kNewest, p.k ? p.k : 1024);
    case Op::kDistinct:
      return counted(Family::kDistinct, p.cap);
    case Op::kTopK:
      if (p.k == 0 || p.k > p.cap) return invalid("window.bad_limit", "k lies between 1 and cap");
      return counted(Family::kTop, p.cap);
    case Op::kHistogram:
      return counted(Family::kMap, p.cap);
    case Op::kQuantile:
      if (!(p.accuracy >= 0.0001 && p.accuracy <= 0.5) || !(p.quantile >= 0 && p.quantile <= 1)) {
        return invalid("window.bad_quantile", "0 <= quantile <= 1, 0.0001 <= accuracy <= 0.5");
      }
      return Kernel{Family::kSketch, 0, 0, p.accuracy};
    case Op::kAny:
    case Op::kAll:
      return Kernel{Family::kFlags, 0, 0, 0};
    case Op::kListSum:
    case Op::kListMean:
      return Kernel{Family::kLists, 0, 0, 0};
  }
  return invalid("window.bad_operation", "no such operation");
}

State init(const Kernel& kernel) {
  switch (kernel.family) {
    case Family::kCounted:
      return Counted{};
    case Family::kMoments:
      return Moments{0, 0, 0, 0, 0, std::vector<ExactSum>(kernel.powers)};
    case Family::kLeast:
    case Family::kGreatest:
      return Extreme{};
    case Family::kOldest:
    case Family::kNewest:
      return Recent{};
    case Family::kDistinct:
    case Family::kTop:
    case Family::kMap:
      return Keys{};
    case Family::kSketch:
      return Sketch{};
    case Family::kFlags:
      return Flags{};
    case Family::kLists:
      return Lists{};
  }
  return Counted{};
}

bool fits(const Kernel& kernel, const State& state, const Datum& value) {
  switch (kernel.family) {
    case Family::kMoments:
    case Family::kSketch:
      return numeric(value);
    case Family::kFlags:
      return std::holds_alternative<bool>(value);
    case Family::kLists: {
      const auto* list = std::get_if<std::vector<double>>(&value);
      const auto& items = std::get<Lists>(state).items;
      return list && !list->empty() && (items.empty() || items.size() == list->size());
    }
    case Family::kLeast:
    case Family::kGreatest:
    case Family::kDistinct:
    case Family::kTop:
    case Family::kMap:
      return value.index() >= 1 && value.index() <= 4;
    default:
      return value.index() >= 1;
  }
}

Update::Update(const Kernel& kernel, const Datum& value, Event at)
    : kernel_(kernel), value_(value), at_(at) {
  switch (kernel.family) {
    case Family::kMoments: {
      const auto* d = std::get_if<double>(&value);
      if (d && !std::isfinite(*d)) break;
      powers_ = kernel.powers;
      for (size_t p = 0; p < powers_; ++p) {
        const int power = static_cast<int>(p) + 1;
        terms_[p] = d ? ExactSum::term(*d, power) : ExactSum::term(integer_of(value), power);
      }
      break;
    }
    case Family::kDistinct:
    case Family::kTop:
    case Family::kMap:
      key_ = key_of(value);
      break;
    case Family::kSketch:
      bucket_ = sketch_bucket(as_double(value), kernel.accuracy);
      break;
    default:
      break;
  }
}

void Update::into(State& state) const {
  switch (kernel_.family) {
    case Family::kCounted:
      ++std::get<Counted>(state).n;
      break;
    case Family::kMoments: {
      auto& m = std::get<Moments>(state);
      if (powers_ == 0) return add_number(m, value_, 1);
      ++m.n;
      m.doubles += std::holds_alternative<double>(value_);
      for (size_t p = 0; p < powers_; ++p) m.sums[p].add(terms_[p]);
      break;
    }
    case Family::kLeast:
    case Family::kGreatest:
      ++std::get<Extreme>(state).n;
      consider(kernel_, std::get<Extreme>(state), value_, 1);
      break;
    case Family::kOldest:
    case Family::kNewest:
      ++std::get<Recent>(state).n;
      keep(kernel_, std::get<Recent>(state), {at_, canonical(value_)});
      break;
    case Family::kDistinct:
    case Family::kTop:
    case Family::kMap:
      count_key(kernel_, std::get<Keys>(state), key_);
      break;
    case Family::kSketch:
      sketch_add(std::get<Sketch>(state), as_double(value_), bucket_, 1);
      break;
    case Family::kFlags: {
      auto& f = std::get<Flags>(state);
      ++(std::get<bool>(value_) ? f.yes : f.no);
      break;
    }
    case Family::kLists:
      add_list(std::get<Lists>(state), std::get<std::vector<double>>(value_), 1);
      break;
  }
}

void update(const Kernel& kernel, State& state, const Datum& value, Event at) {
  CHECK(fits(kernel, state, value));
  Update(kernel, value, at).into(state);
}

void merge(const Kernel& kernel, State& state, const State& other) {
  CHECK(state.index() == other.index());
  std::visit(Merge{kernel, other}, state);
}

bool retract(const Kernel& kernel, State& state, const Datum& value, Event at) {
  if (!fits(kernel, state, value)) return false;
  if (auto* counted = std::get_if<Counted>(&state)) {
    if (counted->n <= 0) return false;
    --counted->n;
  } else if (auto* m = std::get_if<Moments>(&state)) {
    if (m->n <= 0) return false;
    add_number(*m, value, -1);
  } else if (auto* e = std::get_if<Extreme>(&state)) {
    const bool is_best = e->times > 0 && compare(value, e->best) == 0;
    if (is_best && e->times == 1 && e->n > 1) return false;
    --e->n;
    if (is_best && --e->times == 0) e->best = Datum();
  } else if (auto* r = std::get_if<Recent>(&state)) {
    const auto found = std::find_if(r->entries.begin(), r->entries.end(), [&](const Entry& entry) {
      return entry.at.ts_us == at.ts_us && entry.at.seq == at.seq;
    });
    const bool all = r->n == static_cast<int64_t>(r->entries.size());
    if (found != r->entries.end() && !all) return false;
    if (found == r->entries.end() && all) return false;
    if (found != r->entries.end()) r->entries.erase(found);
    --r->n;
  } else if (auto* k = std::get_if<Keys>(&state)) {
    return uncount(kernel, *k, key_of(value));
  } else if (auto* s = std::get_if<Sketch>(&state)) {
    if (s->n <= 0) return false;
    const double x = as_double(value);
    sketch_add(*s, x, sketch_bucket(x, kernel.accuracy), -1);
  } else if (auto* f = std::get_if<Flags>(&state)) {
    int64_t& count = std::get<bool>(value) ? f->yes : f->no;
    if (count <= 0) return false;
    --count;
  } else {
    if (std::get<Lists>(state).n <= 0) return false;
    add_list(std::get<Lists>(state), std::get<std::vector<double>>(value), -1);
  }
  return true;
}

int compare(const Datum& a, const Datum& b) {
  const auto order = [](const auto& x, const auto& y) { return x < y ? -1 : y < x ? 1 : 0; };
  if (a.index() != b.index()) return order(a.index(), b.index());
  if (const auto* d = std::get_if<double>(&a)) return order(rank(*d), rank(std::get<double>(b)));
  if (const auto* l = std::get_if<std::vector<double>>(&a)) {
    const auto& m = std::get<std::vector<double>>(b);
    for (size_t i = 0; i < std::min(l->size(), m.size()); ++i) {
      if (const int c = order(rank((*l)[i]), rank(m[i]))) return c;
    }
    return order(l->size(), m.size());
  }
  return order(a, b);
}

}  // namespace slip::window
