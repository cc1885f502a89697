#include "engine/window/blob.h"

#include <algorithm>
#include <functional>

#include "base/check.h"

namespace slip::window {
namespace {

// Of a window that ends at t and is no tumbling one.
int64_t begin_of(const Span& span, int64_t t_us) {
  if (span.window.kind == Kind::kLifetime) return -2 * kMaxTimeUs;
  const int64_t begin = t_us - span.window.length_us;
  return span.window.kind == Kind::kSawtooth ? floor_to(begin, span.hop_us) : begin;
}

// A null is no event of an aggregate, and neither is a list without items.
bool is_value(const Kernel& kernel, const Datum& v) {
  if (kernel.family != Family::kLists) return v.index() != 0;
  const auto* list = std::get_if<std::vector<double>>(&v);
  return list ? !list->empty() : v.index() != 0;
}

}  // namespace

Status Blob::check(const Plan& plan, const Record& record) const {
  if (record.at.ts_us < -kMaxTimeUs / 2 || record.at.ts_us > kMaxTimeUs) {
    return invalid("window.bad_record", "an event lies between the years 0 and 9999");
  }
  if (record.values.size() < plan.width()) {
    return invalid("window.bad_record", "the event has too few values");
  }
  const State fresh = Lists{};  // What fits() looks at is a list's length alone.
  for (size_t k = 0; k < plan.kernels().size(); ++k) {
    const Datum& v = record.values[plan.column_of(k)];
    if (!is_value(plan.kernels()[k], v)) continue;
    if (!fits(plan.kernels()[k], fresh, v)) {
      return invalid("window.bad_record", "a value has a type that its aggregate doesn't take");
    }
    // One length for all lists of a column: that of those that are here.
    const auto* list = std::get_if<std::vector<double>>(&v);
    if (!list || plan.kernels()[k].family != Family::kLists) continue;
    const auto other = [&](const Cell& cell) {
      return cell.n > 0 && !fits(plan.kernels()[k], cell.states[k], v);
    };
    bool bad = base_.n > 0 && other(base_);
    for (const Ring& ring : rings_) {
      for (const auto& [unused, cell] : ring) bad = bad || other(cell);
    }
    if (bad) return invalid("window.bad_record", "a list of another length than those before");
  }
  return {};
}

// False, and nothing changed: a list of another length than the cell's.
bool Blob::apply(const Plan& plan, Cell& cell, const Record& record) const {
  if (cell.states.empty()) cell.states = plan.fresh();
  for (size_t k = 0; k < cell.states.size(); ++k) {
    const Datum& v = record.values[plan.column_of(k)];
    if (is_value(plan.kernels()[k], v) && !fits(plan.kernels()[k], cell.states[k], v)) return false;
  }
  ++cell.n;
  for (size_t k = 0; k < cell.states.size(); ++k) {
    const Datum& v = record.values[plan.column_of(k)];
    if (is_value(plan.kernels()[k], v)) update(plan.kernels()[k], cell.states[k], v, record.at);
  }
  return true;
}

bool Blob::unapply(const Plan& plan, Cell& cell, const Record& record) const {
  if (cell.n == 0) return false;
  std::vector<State> states = cell.states;
  for (size_t k = 0; k < states.size(); ++k) {
    const Datum& v = record.values[plan.column_of(k)];
    if (!is_value(plan.kernels()[k], v)) continue;
    if (!window::retract(plan.kernels()[k], states[k], v, record.at)) return false;
  }
  cell.states = std::move(states);
  --cell.n;
  return true;
}

void Blob::absorb(const Plan& plan, std::vector<State>& to, const std::vector<State>& from) {
  for (size_t k = 0; k < from.size(); ++k) window::merge(plan.kernels()[k], to[k], from[k]);
}

int64_t Blob::horizon(const Plan& plan, int64_t keep_us, int64_t step) const {
  return floor_to(std::max(now_us_ - plan.lateness_us() - keep_us, -kMaxTimeUs), step);
}

// Most events are of the newest tile, or begin the next one.
Blob::Cell& Blob::cell_at(Ring& ring, int64_t begin) {
  if (ring.empty()) return ring[begin];
  const auto last = std::prev(ring.end());
  if (last->first == begin) return last->second;
  return last->first < begin ? ring.emplace_hint(ring.end(), begin, Cell{})->second : ring[begin];
}

Result<Added> Blob::add(const Plan& plan, const Record& record) {
  TRY(check(plan, record));
  if (record.at.ts_us < now_us_ - plan.lateness_us()) {
    ++too_late_;
    return Added::kTooLate;
  }
  if (!raw_.emplace(Key{record.at.ts_us, record.at.seq}, Kept{record.values, record.note}).second)
    return Added::kDuplicate;
  rings_.resize(plan.levels().size());
  std::vector<Cell*> cells;
  for (size_t l = 0; l < rings_.size(); ++l)
    cells.push_back(&cell_at(rings_[l], floor_to(record.at.ts_us, plan.levels()[l].hop_us)));
  into(plan, record, cells);
  return Added::kAdded;
}

void Blob::into(const Plan& plan, const Record& record, std::span<Cell* const> cells) {
  for (Cell* cell : cells) {
    if (cell->states.empty()) cell->states = plan.fresh();
    ++cell->n;
  }
  for (size_t k = 0; k < plan.kernels().size(); ++k) {
    const Datum& v = record.values[plan.column_of(k)];
    if (!is_value(plan.kernels()[k], v)) continue;
    const Update update(plan.kernels()[k], v, record.at);  // check() has seen that it fits.
    for (Cell* cell : cells) update.into(cell->states[k]);
  }
}

Result<Added> Blob::recall(const Plan& plan, const Record& record) {
  TRY(check(plan, record));
  const int64_t ts = record.at.ts_us;
  if (remembers(plan, ts) &&
      !raw_.emplace(Key{ts, record.at.seq}, Kept{record.values, record.note}).second)
    return Added::kDuplicate;
  rings_.resize(plan.levels().size());
  std::vector<Cell*> cells;
  for (size_t l = 0; l < rings_.size(); ++l) {
    const Level& level = plan.levels()[l];
    const int64_t begin = floor_to(ts, level.hop_us);
    if (begin >= horizon(plan, level.keep_us, level.hop_us))
      cells.push_back(&cell_at(rings_[l], begin));
    else if (plan.lifetime() && l + 1 == rings_.size())
      cells.push_back(&base_);
  }
  into(plan, record, cells);
  return Added::kAdded;
}

bool Blob::remembers(const Plan& plan, int64_t ts_us) const {
  return ts_us >= horizon(plan, plan.raw_keep_us(), plan.levels()[0].hop_us);
}

std::vector<Blob::Raw> Blob::raw_at(int64_t ts_us) const {
  std::vector<Raw> out;
  for (auto i = raw_.lower_bound({ts_us, 0}); i != raw_.end() && i->first.first == ts_us; ++i)
    out.push_back({i->first.second, i->second.note});
  return out;
}

void Blob::advance(const Plan& plan, int64_t now_us) {
  now_us_ = std::max(now_us_, std::min(now_us, kMaxTimeUs));
  trim(plan);
}

void Blob::trim(const Plan& plan) {
  rings_.resize(plan.levels().size());
  const int64_t raw_from = horizon(plan, plan.raw_keep_us(), plan.levels()[0].hop_us);
  raw_.erase(raw_.begin(), raw_.lower_bound({raw_from, 0}));
  for (size_t l = 0; l < rings_.size(); ++l) {
    const Level& level = plan.levels()[l];
    const int64_t from = horizon(plan, level.keep_us, level.hop_us);
    const bool into_base = plan.lifetime() && l + 1 == rings_.size();
    while (!rings_[l].empty() && rings_[l].begin()->first < from) {
      const auto first = rings_[l].begin();
      if (into_base) {
        if (base_.states.empty()) base_.states = plan.fresh();
        base_.n += first->second.n;
        absorb(plan, base_.states, first->second.states);
      }
      if (stale_.erase({static_cast<int>(l), first->first}) && into_base) stale_.insert({-1, 0});
      rings_[l].erase(first);
    }
    if (into_base) base_end_us_ = std::max(base_end_us_, from);
  }
}

// Merges what lies in [from, to), whole tiles of `level` and below it finer ones at both ends.
void Blob::fold(const Plan& plan, std::vector<State>& to, Tile range) const {
  if (range.from_us >= range.to_us || rings_.empty()) return;
  if (range.level < 0) {
    const auto end = raw_.lower_bound({range.to_us, 0});
    for (auto i = raw_.lower_bound({range.from_us, 0}); i != end; ++i) {
      for (size_t k = 0; k < to.size(); ++k) {
        const Datum& v = i->second.values[plan.column_of(k)];
        if (!is_value(plan.kernels()[k], v) || !fits(plan.kernels()[k], to[k], v)) continue;
        update(plan.kernels()[k], to[k], v, {i->first.first, i->first.second});
      }
    }
    return;
  }
  const auto level = static_cast<size_t>(range.level);
  const int64_t hop = plan.levels()[level].hop_us;
  const int64_t first = floor_to(range.from_us + hop - 1, hop), last = floor_to(range.to_us, hop);
  if (first >= last) return fold(plan, to, {range.level - 1, range.from_us, range.to_us});
  const auto end = rings_[level].lower_bound(last);
  for (auto i = rings_[level].lower_bound(first); i != end; ++i) absorb(plan, to, i->second.states);
  fold(plan, to, {range.level - 1, range.from_us, first});
  fold(plan, to, {range.level - 1, last, range.to_us});
}

// Windows that end at t lie within each other: one walk back from t, a stop at each one's begin.
Result<std::vector<Answer>> Blob::read(const Plan& plan, int64_t t_us) const {
  if (t_us > kMaxTimeUs || t_us < std::max(now_us_ - plan.lateness_us(), -kMaxTimeUs / 2)) {
    return invalid("window.too_old", "reads go back as far as lateness is allowed");
  }
  if (!stale_.empty()) {
    return unavailable("window.needs_recompute", "tiles wait to be computed from raw events");
  }
  std::vector<Answer> out(plan.slots().size());
  const auto answer = [&](const Span& span, const std::vector<State>& states) {
    for (const uint32_t i : span.slots) {
      const Aggregate& a = plan.aggregates()[plan.slots()[i].aggregate];
      out[i] = finalize(a.op, a.params, states[plan.slots()[i].kernel]);
    }
  };
  const int top = static_cast<int>(plan.levels().size()) - 1;
  std::vector<std::pair<int64_t, const Span*>> nested;
  for (const Span& span : plan.spans()) {
    const int64_t length = span.window.length_us;
    if (span.window.kind != Kind::kTumbling) {
      nested.emplace_back(begin_of(span, t_us), &span);
      continue;
    }
    std::vector<State> own = plan.fresh();
    const int64_t end = floor_to(t_us, length);
    fold(plan, own, {top, end - length, end});
    answer(span, own);
  }
  std::sort(nested.begin(), nested.end(), std::greater<>());
  std::vector<State> states = plan.fresh();
  int64_t reached = t_us;
  for (const auto& [begin, span] : nested) {
    const bool whole = span->window.kind == Kind::kLifetime;
    const int64_t from = whole ? base_end_us_ : begin;
    fold(plan, states, {top, from, reached});
    if (whole) absorb(plan, states, base_.states);
    reached = from;
    answer(*span, states);
  }
  return out;
}

void Blob::merge(const Plan& plan, const Blob& from) {
  Blob other = from;
  const int64_t now = std::max(now_us_, other.now_us_);
  for (const auto& [key, kept] : from.raw_) {  // Both saw it: once is enough.
    if (raw_.contains(key)) {
      CHECK(other.retract(plan, {{key.first, key.second}, kept.values}).ok());
    }
  }
  advance(plan, now);
  other.advance(plan, now);
  for (auto& [key, kept] : other.raw_) raw_.emplace(key, std::move(kept));
  for (size_t l = 0; l < rings_.size(); ++l) {
    for (auto& [begin, cell] : other.rings_[l]) {
      Cell& own = rings_[l][begin];
      if (own.states.empty()) own.states = plan.fresh();
      own.n += cell.n;
      absorb(plan, own.states, cell.states);
    }
  }
  if (other.base_.n > 0) {
    if (base_.states.empty()) base_.states = plan.fresh();
    base_.n += other.base_.n;
    absorb(plan, base_.states, other.base_.states);
  }
  stale_.insert(other.stale_.begin(), other.stale_.end());
  too_late_ += other.too_late_;
}

// From raw events, or from the next finer ring, where those still reach back far enough.
bool Blob::rebuild(const Plan& plan, size_t level, int64_t begin) {
  const int64_t end = begin + plan.levels()[level].hop_us;
  const bool from_raw = begin >= horizon(plan, plan.raw_keep_us(), plan.levels()[0].hop_us);
  if (!from_raw) {
    if (level == 0) return false;
    const Level& finer = plan.levels()[level - 1];
    if (begin < horizon(plan, finer.keep_us, finer.hop_us)) return false;
    const auto low = std::pair(static_cast<int>(level) - 1, begin);
    const auto bad = stale_.lower_bound(low);
    if (bad != stale_.end() && bad->first == low.first && bad->second < end) return false;
  }
  Cell& cell = rings_[level][begin];
  cell.states = plan.fresh();
  fold(plan, cell.states, {from_raw ? -1 : static_cast<int>(level) - 1, begin, end});
  return true;
}

Result<bool> Blob::retract(const Plan& plan, const Record& record) {
  if (record.values.size() < plan.width()) {
    return invalid("window.bad_record", "the event has too few values");
  }
  const int64_t ts = record.at.ts_us;
  rings_.resize(plan.levels().size());
  Record known = record;
  const auto found = raw_.find({ts, record.at.seq});
  if (found == raw_.end()) {
    if (remembers(plan, ts)) return false;
    TRY(check(plan, record));
  } else {
    known.values = found->second.values;  // What was added, not what the caller thinks was.
    raw_.erase(found);
  }
  for (size_t l = 0; l < rings_.size(); ++l) {
    const int64_t begin = floor_to(ts, plan.levels()[l].hop_us);
    const auto cell = rings_[l].find(begin);
    if (cell == rings_[l].end()) continue;
    if (cell->second.n == 1) {
      rings_[l].erase(cell);
      stale_.erase({static_cast<int>(l), begin});
    } else if (!unapply(plan, cell->second, known)) {
      --cell->second.n;
      if (!rebuild(plan, l, begin)) stale_.insert({static_cast<int>(l), begin});
    }
  }
  if (plan.lifetime() && ts < base_end_us_ && base_.n > 0 && !unapply(plan, base_, known)) {
    if (--base_.n == 0) base_.states = plan.fresh();
    if (base_.n > 0) stale_.insert({-1, 0});
  }
  return true;
}

std::vector<Tile> Blob::stale(const Plan& plan) const {
  std::vector<Tile> out;
  for (const auto& [level, begin] : stale_) {
    if (level < 0) {
      out.push_back({-1, -kMaxTimeUs, base_end_us_});
    } else {
      out.push_back({level, begin, begin + plan.levels()[static_cast<size_t>(level)].hop_us});
    }
  }
  return out;
}

Status Blob::recompute(const Plan& plan, const Tile& tile, std::span<const Record> records) {
  const std::pair<int, int64_t> key{tile.level, tile.level < 0 ? 0 : tile.from_us};
  if (!stale_.contains(key)) return not_found("window.not_stale", "this tile needs nothing");
  Cell cell;
  for (const Record& r : records) {
    TRY(check(plan, r));
    if (r.at.ts_us < tile.from_us || r.at.ts_us >= tile.to_us) {
      return invalid("window.bad_record", "an event outside the tile");
    }
  }
  std::set<Key> seen;
  for (const Record& r : records) {
    if (!seen.insert({r.at.ts_us, r.at.seq}).second) continue;
    if (!apply(plan, cell, r)) return invalid("window.bad_record", "lists of different lengths");
  }
  stale_.erase(key);
  if (tile.level < 0) {
    base_ = std::move(cell);
  } else if (cell.n > 0) {
    rings_[static_cast<size_t>(tile.level)][tile.from_us] = std::move(cell);
  } else {
    rings_[static_cast<size_t>(tile.level)].erase(tile.from_us);
  }
  return {};
}

}  // namespace slip::window
