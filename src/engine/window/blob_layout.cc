#include "engine/window/blob.h"
#include "engine/window/bytes.h"

// The bytes of a blob, version 2; version 1 had no notes. A reader takes only what a writer of the
// same plan makes.
namespace slip::window {
namespace {

constexpr uint32_t kMagic = 0x324e4957;         // "WIN2"
constexpr uint32_t kWithoutNotes = 0x314e4957;  // "WIN1"

void write_cell(const Plan& plan, int64_t n, const std::vector<State>& states, std::string& out) {
  put(out, n);
  if (n == 0) return;
  for (size_t k = 0; k < states.size(); ++k) write(plan.kernels()[k], states[k], out);
}

bool read_cell(const Plan& plan, std::string_view& in, int64_t& n, std::vector<State>& states) {
  if (!take(in, n) || n < 0) return false;
  states.clear();
  for (size_t k = 0; n > 0 && k < plan.kernels().size(); ++k) {
    auto state = read(plan.kernels()[k], in);
    if (!state.ok()) return false;
    states.push_back(std::move(*state));
  }
  return true;
}

bool in_time(int64_t t) { return t >= -kMaxTimeUs && t <= kMaxTimeUs; }

}  // namespace

std::string Blob::write(const Plan& plan) const {
  std::string out;
  put(out, kMagic);
  put(out, plan.fingerprint());
  for (const int64_t v : {now_us_, too_late_, base_end_us_}) put(out, v);
  write_cell(plan, base_.n, base_.states, out);
  for (size_t l = 0; l < plan.levels().size(); ++l) {
    put<uint32_t>(out, l < rings_.size() ? static_cast<uint32_t>(rings_[l].size()) : 0);
    if (l >= rings_.size()) continue;
    for (const auto& [begin, cell] : rings_[l]) {
      put(out, begin);
      write_cell(plan, cell.n, cell.states, out);
    }
  }
  put<uint32_t>(out, static_cast<uint32_t>(raw_.size()));
  for (const auto& [key, kept] : raw_) {
    put(out, key.first);
    put(out, key.second);
    for (uint32_t c = 0; c < plan.width(); ++c) write_datum(kept.values[c], out);
    put_text(out, kept.note);
  }
  put<uint32_t>(out, static_cast<uint32_t>(stale_.size()));
  for (const auto& [level, begin] : stale_) {
    put<int32_t>(out, level);
    put(out, begin);
  }
  return out;
}

bool Blob::read_rings(const Plan& plan, std::string_view& in) {
  rings_.resize(plan.levels().size());
  for (size_t l = 0; l < rings_.size(); ++l) {
    uint32_t n = 0;
    if (!take(in, n)) return false;
    for (uint32_t i = 0; i < n; ++i) {
      int64_t begin = 0;
      Cell cell;
      if (!take(in, begin) || !in_time(begin) ||
          floor_to(begin, plan.levels()[l].hop_us) != begin ||
          (!rings_[l].empty() && rings_[l].rbegin()->first >= begin) ||
          !read_cell(plan, in, cell.n, cell.states) || cell.n == 0) {
        return false;
      }
      rings_[l].emplace_hint(rings_[l].end(), begin, std::move(cell));
    }
  }
  return true;
}

bool Blob::read_raw(const Plan& plan, std::string_view& in, bool notes) {
  uint32_t n = 0;
  if (!take(in, n)) return false;
  for (uint32_t i = 0; i < n; ++i) {
    Record r;
    if (!take(in, r.at.ts_us) || !in_time(r.at.ts_us) || !take(in, r.at.seq)) return false;
    r.values.resize(plan.width());
    for (Datum& v : r.values) {
      if (!read_datum(in, v)) return false;
    }
    if (notes && !take_text(in, r.note)) return false;
    const Key key{r.at.ts_us, r.at.seq};
    if ((!raw_.empty() && raw_.rbegin()->first >= key) || !check(plan, r).ok()) return false;
    raw_.emplace_hint(raw_.end(), key, Kept{std::move(r.values), std::move(r.note)});
  }
  return true;
}

bool Blob::read_stale(const Plan& plan, std::string_view& in) {
  uint32_t n = 0;
  if (!take(in, n)) return false;
  for (uint32_t i = 0; i < n; ++i) {
    int32_t level = 0;
    int64_t begin = 0;
    if (!take(in, level) || !take(in, begin) || level < -1 ||
        level >= static_cast<int32_t>(plan.levels().size())) {
      return false;
    }
    const bool there = level < 0 ? begin == 0 : rings_[static_cast<size_t>(level)].contains(begin);
    if (!there || (!stale_.empty() && *stale_.rbegin() >= std::pair(int{level}, begin)))
      return false;
    stale_.emplace(level, begin);
  }
  return true;
}

Result<Blob> Blob::parse(const Plan& plan, std::string_view in) {
  Blob b;
  uint32_t magic = 0;
  uint64_t fingerprint = 0;
  const bool whole = take(in, magic) && (magic == kMagic || magic == kWithoutNotes) &&
                     take(in, fingerprint) && fingerprint == plan.fingerprint() &&
                     take(in, b.now_us_) && in_time(b.now_us_) && take(in, b.too_late_) &&
                     b.too_late_ >= 0 && take(in, b.base_end_us_) &&
                     b.base_end_us_ >= -2 * kMaxTimeUs && b.base_end_us_ <= kMaxTimeUs &&
                     read_cell(plan, in, b.base_.n, b.base_.states) && b.read_rings(plan, in) &&
                     b.read_raw(plan, in, magic == kMagic) && b.read_stale(plan, in) && in.empty();
  if (!whole) return corrupt("window.bad_state", "these bytes are no blob of this plan");
  return b;
}

}  // namespace slip::window
