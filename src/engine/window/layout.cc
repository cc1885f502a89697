#include <limits>

#include "engine/window/bytes.h"
#include "engine/window/kernel.h"
#include "engine/window/sketch.h"

// The bytes of a state, version 1: little-endian, one encoding a state. A reader accepts only what
// the writer makes, so equal states have equal bytes.
namespace slip::window {
namespace {

void write_moments(const Moments& m, std::string& out) {
  for (const int64_t v : {m.n, m.nans, m.highs, m.lows, m.doubles}) put(out, v);
  for (const ExactSum& s : m.sums) s.write(out);
}

bool read_moments(std::string_view& in, Moments& m) {
  for (int64_t* v : {&m.n, &m.nans, &m.highs, &m.lows, &m.doubles}) {
    if (!take(in, *v) || *v < 0 || *v > m.n || *v > kMaxEvents) return false;
  }
  for (ExactSum& s : m.sums) {
    if (!s.read(in)) return false;
  }
  return true;
}

void write_side(const Counts<int32_t>& side, std::string& out) {
  put<uint32_t>(out, static_cast<uint32_t>(side.size()));
  for (const auto& [bucket, n] : side) {
    put(out, bucket);
    put(out, n);
  }
}

constexpr int32_t kMaxBucket = 1 << 24;  // Beyond what the finest accuracy needs.

bool read_side(std::string_view& in, Counts<int32_t>& side) {
  uint32_t n = 0;
  if (!take(in, n) || n > in.size() / 12) return false;
  for (uint32_t i = 0; i < n; ++i) {
    int32_t bucket = 0;
    int64_t count = 0;
    if (!take(in, bucket) || !take(in, count) || count <= 0) return false;
    if (count > kMaxEvents || bucket > kMaxBucket || bucket < -kMaxBucket) return false;
    if (!side.empty() && side.back().key >= bucket) return false;
    side.append(bucket, count);
  }
  return true;
}

void write_keys(const Keys& k, std::string& out) {
  put(out, k.n);
  put<uint8_t>(out, k.over);
  put<uint32_t>(out, static_cast<uint32_t>(k.counts.size()));
  for (const auto& [key, n] : k.counts) {
    put_text(out, key.bytes());
    put(out, n);
  }
  for (const uint8_t r : k.registers) put(out, r);
  for (const int64_t c : k.cells) put(out, c);
}

bool read_keys(const Kernel& kernel, std::string_view& in, Keys& k) {
  uint8_t over = 0;
  uint32_t n = 0;
  if (!take(in, k.n) || k.n < 0 || k.n > kMaxEvents || !take(in, over) || over > 1 || !take(in, n))
    return false;
  k.over = over;
  if (n > kernel.limit || (over && kernel.family != Family::kTop && n > 0)) return false;
  for (uint32_t i = 0; i < n; ++i) {
    std::string key;
    int64_t count = 0;
    Datum value;
    if (!take_text(in, key) || !take(in, count) || count <= 0 || count > k.n) return false;
    std::string_view rest = key;
    if (!read_datum(rest, value) || !rest.empty()) return false;
    if (!fits(kernel, State(Keys{}), value)) return false;
    DatumKey next(key);
    if (!k.counts.empty() && !(k.counts.back().key < next)) return false;
    k.counts.append(std::move(next), count);
  }
  if (over && kernel.family == Family::kDistinct) {
    k.registers.resize(size_t{1} << kHllBits);
    for (uint8_t& r : k.registers) {
      if (!take(in, r) || r > 64 - kHllBits + 1) return false;
    }
  }
  if (over && kernel.family == Family::kTop) {
    k.cells.resize(size_t{kCmRows} * kCmColumns);
    for (int64_t& c : k.cells) {
      if (!take(in, c) || c < 0 || c > kMaxEvents) return false;
    }
  }
  return true;
}

bool read_recent(const Kernel& kernel, std::string_view& in, Recent& r) {
  uint32_t n = 0;
  if (!take(in, r.n) || !take(in, n) || n > kernel.limit || r.n < n || r.n > kMaxEvents)
    return false;
  for (uint32_t i = 0; i < n; ++i) {
    Entry e;
    if (!take(in, e.at.ts_us) || !take(in, e.at.seq) || !read_datum(in, e.value)) return false;
    if (e.value.index() == 0) return false;
    if (!r.entries.empty()) {
      const Event& last = r.entries.back().at;
      if (last.ts_us > e.at.ts_us || (last.ts_us == e.at.ts_us && last.seq > e.at.seq))
        return false;
    }
    r.entries.push_back(std::move(e));
  }
  return true;
}

bool read_body(const Kernel& kernel, std::string_view& in, State& state) {
  if (auto* c = std::get_if<Counted>(&state))
    return take(in, c->n) && c->n >= 0 && c->n <= kMaxEvents;
  if (auto* m = std::get_if<Moments>(&state)) return read_moments(in, *m);
  if (auto* e = std::get_if<Extreme>(&state)) {
    return take(in, e->n) && take(in, e->times) && read_datum(in, e->best) && e->times >= 0 &&
           e->n <= kMaxEvents && e->n >= e->times && (e->n == 0) == (e->times == 0) &&
           (e->times ? fits(kernel, state, e->best) : e->best.index() == 0);
  }
  if (auto* r = std::get_if<Recent>(&state)) return read_recent(kernel, in, *r);
  if (auto* k = std::get_if<Keys>(&state)) return read_keys(kernel, in, *k);
  if (auto* s = std::get_if<Sketch>(&state)) {
    for (int64_t* v : {&s->n, &s->nans, &s->highs, &s->lows, &s->zeros}) {
      if (!take(in, *v) || *v < 0 || *v > kMaxEvents) return false;
    }
    return read_side(in, s->above) && read_side(in, s->below);
  }
  if (auto* f = std::get_if<Flags>(&state)) {
    return take(in, f->yes) && take(in, f->no) && f->yes >= 0 && f->no >= 0 &&
           f->yes <= kMaxEvents && f->no <= kMaxEvents;
  }
  auto& l = std::get<Lists>(state);
  uint32_t n = 0;
  if (!take(in, l.n) || !take(in, n) || n > in.size() / 40 || (l.n > 0) != (n > 0)) return false;
  l.items.resize(n, Moments{0, 0, 0, 0, 0, {ExactSum()}});
  for (Moments& m : l.items) {
    if (!read_moments(in, m) || m.n != l.n || m.doubles != l.n) return false;
  }
  return l.n >= 0;
}

}  // namespace

void write_datum(const Datum& value, std::string& out) {
  put<uint8_t>(out, static_cast<uint8_t>(value.index()));
  if (const auto* b = std::get_if<bool>(&value)) put<uint8_t>(out, *b);
  if (const auto* i = std::get_if<int64_t>(&value)) put(out, *i);
  if (const auto* d = std::get_if<double>(&value)) put(out, *d);
  if (const auto* s = std::get_if<std::string>(&value)) put_text(out, *s);
  if (const auto* l = std::get_if<std::vector<double>>(&value)) {
    put<uint32_t>(out, static_cast<uint32_t>(l->size()));
    for (const double x : *l) put(out, x);
  }
}

bool read_datum(std::string_view& in, Datum& value) {
  uint8_t kind = 0, flag = 0;
  if (!take(in, kind)) return false;
  value = Datum();
  switch (kind) {
    case 0:
      return true;
    case 1:
      if (!take(in, flag) || flag > 1) return false;
      value = flag == 1;
      return true;
    case 2:
      return take(in, value.emplace<int64_t>(0));
    case 3:
      return take(in, value.emplace<double>(0));
    case 4:
      return take_text(in, value.emplace<std::string>());
    case 5: {
      uint32_t n = 0;
      if (!take(in, n) || n > in.size() / 8) return false;
      auto& list = value.emplace<std::vector<double>>(n);
      for (double& x : list) {
        if (!take(in, x)) return false;
      }
      return true;
    }
    default:
      return false;
  }
}

void write(const Kernel& kernel, const State& state, std::string& out) {
  put(out, kStateVersion);
  put(out, static_cast<uint8_t>(kernel.family));
  if (const auto* c = std::get_if<Counted>(&state)) put(out, c->n);
  if (const auto* m = std::get_if<Moments>(&state)) write_moments(*m, out);
  if (const auto* e = std::get_if<Extreme>(&state)) {
    put(out, e->n);
    put(out, e->times);
    write_datum(e->best, out);
  }
  if (const auto* r = std::get_if<Recent>(&state)) {
    put(out, r->n);
    put<uint32_t>(out, static_cast<uint32_t>(r->entries.size()));
    for (const Entry& e : r->entries) {
      put(out, e.at.ts_us);
      put(out, e.at.seq);
      write_datum(e.value, out);
    }
  }
  if (const auto* k = std::get_if<Keys>(&state)) write_keys(*k, out);
  if (const auto* s = std::get_if<Sketch>(&state)) {
    for (const int64_t v : {s->n, s->nans, s->highs, s->lows, s->zeros}) put(out, v);
    write_side(s->above, out);
    write_side(s->below, out);
  }
  if (const auto* f = std::get_if<Flags>(&state)) {
    put(out, f->yes);
    put(out, f->no);
  }
  if (const auto* l = std::get_if<Lists>(&state)) {
    put(out, l->n);
    put<uint32_t>(out, static_cast<uint32_t>(l->items.size()));
    for (const Moments& m : l->items) write_moments(m, out);
  }
}

Result<State> read(const Kernel& kernel, std::string_view& in) {
  uint8_t version = 0, family = 0;
  State state = init(kernel);
  if (!take(in, version) || version != kStateVersion || !take(in, family) ||
      family != static_cast<uint8_t>(kernel.family) || !read_body(kernel, in, state)) {
    return corrupt("window.bad_state", "these bytes are no state of this aggregate");
  }
  return state;
}

}  // namespace slip::window
