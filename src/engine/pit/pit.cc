#include "engine/pit/pit.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <tuple>

#include "base/check.h"
#include "base/text.h"

namespace slip::engine {
namespace {

constexpr int64_t kOldest = std::numeric_limits<int64_t>::min();
constexpr int64_t kLatest = std::numeric_limits<int64_t>::max();
constexpr uint32_t kNowhere = UINT32_MAX;
constexpr int64_t kMorselRows = 1 << 14;
constexpr int64_t kFrameRowsMax = int64_t{UINT32_MAX} - 1;

bool is_time(const Column& c) { return c.type == Type::kTimestampUs || c.type == Type::kInt64; }

// The first of [from, to) whose time is not before `t`, without branches on what is compared.
uint32_t first_at(const int64_t* times, uint32_t from, uint32_t to, int64_t t) {
  const int64_t* base = times + from;
  uint32_t n = to - from;
  while (n > 1) {
    const uint32_t half = n / 2;
    base += base[half - 1] < t ? half : 0;
    n -= half;
  }
  return static_cast<uint32_t>(base - times) + (n == 1 && *base < t ? 1 : 0);
}

int64_t minus(int64_t t, int64_t ttl) {
  int64_t out = 0;
  return __builtin_sub_overflow(t, ttl, &out) ? kOldest : out;
}

}  // namespace

// From which entity time on each row of a piece counts.
struct PitJoin::Since {
  std::vector<int64_t> time;
  std::vector<int16_t> rest;  // Empty: all 0.
};

// Where the rows of a piece of a batch are first visible; a row of positions a track.
struct PitJoin::Morsel {
  std::vector<uint32_t> key;
  std::vector<std::vector<uint32_t>> at;
};

PitJoin::PitJoin(std::span<const Column> keys, std::vector<Look> looks, Workers& workers)
    : keys_(keys), looks_(std::move(looks)), workers_(&workers) {
  for (const Look& look : looks_) {
    size_t t = 0;
    while (t < tracks_.size() &&
           (tracks_[t].as_known != look.as_known || tracks_[t].strict != look.strict))
      ++t;
    if (t == tracks_.size()) tracks_.push_back({look.as_known, look.strict, {}, {}});
    track_of_.push_back(t);
  }
}

Result<PitJoin> PitJoin::make(std::span<const Column> keys, const Column& times,
                              std::vector<Look> looks, Workers& workers,
                              const int16_t* times_rest) {
  if (!is_time(times)) return invalid("pit.time_type", "the entities' time is not a time");
  if (times.n > kFrameRowsMax)
    return exhausted("pit.too_large", "an entity frame has at most 4294967294 rows");
  for (const Look& look : looks)
    if (look.ttl && *look.ttl < 0) return invalid("pit.ttl", "a ttl is not negative");
  PitJoin out(keys, std::move(looks), workers);
  TRY(out.keys_.check(keys));
  for (const Column& key : keys)
    if (key.n != times.n) return invalid("pit.length", "keys and times differ in length");
  out.group(keys, times, times_rest);
  return out;
}

// Counting sort by key, then each key's rows by time.
void PitJoin::group(std::span<const Column> keys, const Column& times, const int16_t* times_rest) {
  frame_rows_ = times.n;
  std::vector<uint32_t> key_of(static_cast<size_t>(times.n), kNoKey);
  for (int64_t i = 0; i < times.n; ++i)
    if (!times.is_null(i)) key_of[static_cast<size_t>(i)] = keys_.add(keys, i);
  begins_.assign(size_t{keys_.size()} + 1, 0);
  for (const uint32_t key : key_of)
    if (key != kNoKey) ++begins_[size_t{key} + 1];
  std::partial_sum(begins_.begin(), begins_.end(), begins_.begin());
  order_.resize(begins_.back());
  std::vector<uint32_t> next(begins_.begin(), begins_.end() - 1);
  for (size_t i = 0; i < key_of.size(); ++i)
    if (key_of[i] != kNoKey) order_[next[key_of[i]]++] = static_cast<uint32_t>(i);
  times_.resize(order_.size());
  if (times_rest) rests_.resize(order_.size());

  parts_ = std::max<size_t>(1, workers_->threads());
  workers_->run(parts_, [&](size_t part) {
    const size_t n = keys_.size();
    for (size_t key = n * part / parts_; key < n * (part + 1) / parts_; ++key) {
      const auto by_time = [&](uint32_t a, uint32_t b) {
        return std::pair(times.i64(a), a) < std::pair(times.i64(b), b);
      };
      const auto by_both = [&](uint32_t a, uint32_t b) {
        return std::tuple(times.i64(a), times_rest[a], a) <
               std::tuple(times.i64(b), times_rest[b], b);
      };
      const auto from = order_.begin() + begins_[key];
      const auto to = order_.begin() + begins_[key + 1];
      times_rest ? std::sort(from, to, by_both) : std::sort(from, to, by_time);
      for (uint32_t at = begins_[key]; at < begins_[key + 1]; ++at) {
        times_[at] = times.i64(order_[at]);
        if (times_rest) rests_[at] = times_rest[order_[at]];
      }
    }
  });
  for (Track& track : tracks_) track.best.resize(order_.size());
}

Status PitJoin::check(const SourceRows& rows) const {
  TRY(keys_.check(rows.keys));
  if (!is_time(rows.event)) return invalid("pit.time_type", "the source's event time is no time");
  if (rows.created && !is_time(*rows.created))
    return invalid("pit.time_type", "the source's created time is no time");
  if (rows.known && !is_time(*rows.known))
    return invalid("pit.time_type", "the time a row became known is no time");
  if (rows.sequence && rows.sequence->type != Type::kInt64)
    return invalid("pit.time_type", "the source's sequence is no int64");
  if (rows.tombstone && rows.tombstone->type != Type::kBool)
    return invalid("pit.time_type", "the source's tombstones are no bool");
  for (const Track& track : tracks_)
    if (track.as_known && !rows.created && !rows.known)
      return invalid("pit.no_created", "as_known needs the source's created time");
  bool same = std::ranges::all_of(rows.keys, [&](const Column& c) { return c.n == rows.event.n; });
  for (const std::optional<Column>* c :
       {&rows.created, &rows.known, &rows.sequence, &rows.tombstone})
    same = same && (!*c || (*c)->n == rows.event.n);
  if (!same) return invalid("pit.length", "the source's columns differ in length");
  return {};
}

Status PitJoin::add(const SourceRows& rows) {
  CHECK(!ended_);
  TRY(check(rows));
  if (order_.empty()) return {};
  // As many morsels at once as there are threads: first where each row belongs, which only reads;
  // then each thread settles the positions that are its own, so none waits for another.
  if (rows.event_rest || rows.created_rest)
    for (Track& track : tracks_) track.rest.resize(order_.size());
  std::vector<Morsel> morsels(parts_);
  const auto step = static_cast<int64_t>(parts_) * kMorselRows;
  for (int64_t from = 0; from < rows.event.n; from += step) {
    const auto start = [&](size_t m) { return from + static_cast<int64_t>(m) * kMorselRows; };
    workers_->run(parts_, [&](size_t m) { place(rows, start(m), &morsels[m]); });
    workers_->run(parts_, [&](size_t part) {
      for (size_t m = 0; m < parts_; ++m) settle(rows, start(m), morsels[m], part);
    });
  }
  return {};
}

void PitJoin::place(const SourceRows& rows, int64_t from, Morsel* morsel) const {
  const auto n = static_cast<size_t>(std::clamp<int64_t>(rows.event.n - from, 0, kMorselRows));
  morsel->key.resize(n);
  morsel->at.resize(tracks_.size());
  keys_.find(rows.keys, from, morsel->key);
  for (size_t j = 0; rows.event.validity && j < n; ++j)
    if (rows.event.is_null(from + static_cast<int64_t>(j))) morsel->key[j] = kNoKey;
  Since since;
  since.time.resize(n);
  for (size_t t = 0; t < tracks_.size(); ++t) {
    std::vector<uint32_t>& at = morsel->at[t];
    at.assign(n, 0);
    visible(tracks_[t], rows, from, &since, at);
    for (size_t j = 0; j < n; ++j) {
      const uint32_t key = morsel->key[j];
      if (key == kNoKey) at[j] = kNowhere;
      if (at[j] == kNowhere) continue;
      at[j] = first_seen(key, since.time[j], since.rest.empty() ? int16_t{0} : since.rest[j]);
    }
  }
}

// The first position of the key that is not before a moment.
uint32_t PitJoin::first_seen(uint32_t key, int64_t since, int16_t rest) const {
  const uint32_t end = begins_[size_t{key} + 1];
  uint32_t first = first_at(times_.data(), begins_[key], end, since);
  if (rest > 0 || !rests_.empty()) {
    uint32_t equal = first;
    if (first < end && since < kLatest) equal = first_at(times_.data(), first, end, since + 1);
    if (since == kLatest) equal = end;
    if (rests_.empty())
      first = equal;
    else
      first = static_cast<uint32_t>(
          std::lower_bound(rests_.begin() + first, rests_.begin() + equal, rest) - rests_.begin());
  }
  return first < end ? first : kNowhere;
}

// From which entity time on each row counts; kNowhere for one that never does.
void PitJoin::visible(const Track& track, const SourceRows& rows, int64_t from, Since* since,
                      std::span<uint32_t> at) const {
  const size_t n = at.size();
  std::copy_n(static_cast<const int64_t*>(rows.event.data) + from, n, since->time.data());
  since->rest.clear();
  const Column& known = rows.known ? *rows.known : rows.created ? *rows.created : rows.event;
  const int16_t* known_rest = rows.known     ? rows.known_rest
                              : rows.created ? rows.created_rest
                                             : rows.event_rest;
  if (rows.event_rest || (track.as_known && known_rest) || !rests_.empty()) since->rest.resize(n);
  if (rows.event_rest) std::copy_n(rows.event_rest + from, n, since->rest.data());
  for (size_t j = 0; track.as_known && j < n; ++j) {
    const int64_t i = from + static_cast<int64_t>(j);
    if (known.is_null(i)) {
      at[j] = kNowhere;
    } else if (since->rest.empty()) {
      since->time[j] = std::max(since->time[j], known.i64(i));
    } else {
      const std::pair<int64_t, int16_t> seen{known.i64(i), known_rest ? known_rest[i] : 0};
      const auto later = std::max(std::pair(since->time[j], since->rest[j]), seen);
      std::tie(since->time[j], since->rest[j]) = later;
    }
  }
  for (size_t j = 0; track.strict && j < n; ++j) {
    if (!since->rest.empty())
      ++since->rest[j];
    else if (since->time[j] == kLatest)
      at[j] = kNowhere;
    else
      ++since->time[j];
  }
}

bool PitJoin::beats(const Best& a, Rest a_rest, const Best& b, Rest b_rest) {
  if (b.row == kNoRow || a.row == kNoRow) return b.row == kNoRow && a.row != kNoRow;
  if (a.event != b.event) return a.event > b.event;
  return std::tuple(a_rest.event, a.created, a_rest.created, a.sequence, row_of(a)) >
         std::tuple(b_rest.event, b.created, b_rest.created, b.sequence, row_of(b));
}

void PitJoin::settle(const SourceRows& rows, int64_t from, const Morsel& morsel, size_t part) {
  const auto begin = static_cast<uint32_t>(order_.size() * part / parts_);
  const auto end = static_cast<uint32_t>(order_.size() * (part + 1) / parts_);
  for (size_t t = 0; t < tracks_.size(); ++t) {
    const std::vector<uint32_t>& at = morsel.at[t];
    for (size_t j = 0; j < at.size(); ++j) {
      if (at[j] - begin >= end - begin) continue;  // Unsigned: before begin is beyond end, too.
      const int64_t i = from + static_cast<int64_t>(j);
      Best& best = tracks_[t].best[at[j]];
      Best row;
      row.event = rows.event.i64(i);
      if (best.row != kNoRow && best.event > row.event) continue;
      row.created = rows.created && !rows.created->is_null(i) ? rows.created->i64(i) : kOldest;
      row.row = rows.first_row + i;
      row.sequence = row.row;
      if (rows.sequence) row.sequence = rows.sequence->is_null(i) ? kOldest : rows.sequence->i64(i);
      if (rows.tombstone && !rows.tombstone->is_null(i) && rows.tombstone->boolean(i))
        row.row = -2 - row.row;
      Rest rest;
      if (rows.event_rest) rest.event = rows.event_rest[i];
      if (rows.created_rest && row.created != kOldest) rest.created = rows.created_rest[i];
      if (!beats(row, rest, best, rest_at(tracks_[t], at[j]))) continue;
      best = row;
      if (!tracks_[t].rest.empty()) tracks_[t].rest[at[j]] = rest;
    }
  }
}

// What is visible at a position is visible at the later ones of its key.
void PitJoin::run_on() {
  if (ended_) return;
  ended_ = true;
  workers_->run(parts_, [&](size_t part) {
    const size_t n = keys_.size();
    for (Track& track : tracks_)
      for (size_t key = n * part / parts_; key < n * (part + 1) / parts_; ++key)
        for (uint32_t at = begins_[key] + 1; at < begins_[key + 1]; ++at) {
          if (!beats(track.best[at - 1], rest_at(track, at - 1), track.best[at],
                     rest_at(track, at)))
            continue;
          track.best[at] = track.best[at - 1];
          if (!track.rest.empty()) track.rest[at] = track.rest[at - 1];
        }
  });
}

std::vector<int64_t> PitJoin::winners(size_t look) {
  CHECK(look < looks_.size());
  run_on();
  std::vector<int64_t> out(static_cast<size_t>(frame_rows_), kNoRow);
  const Track& track = tracks_[track_of_[look]];
  const std::vector<Best>& best = track.best;
  const std::optional<int64_t> ttl = looks_[look].ttl;
  for (size_t at = 0; at < order_.size(); ++at) {
    if (best[at].row < 0) continue;
    if (ttl) {
      const int64_t oldest = minus(times_[at], *ttl);
      const int16_t rest = rests_.empty() ? int16_t{0} : rests_[at];
      if (best[at].event < oldest) continue;
      if (best[at].event == oldest && rest_at(track, at).event < rest) continue;
    }
    out[order_[at]] = best[at].row;
  }
  return out;
}

std::optional<PitJoin::Range> PitJoin::range() const {
  if (times_.empty()) return std::nullopt;
  const auto [min, max] = std::minmax_element(times_.begin(), times_.end());
  Range out{*min, *max};
  for (const Look& look : looks_)
    out.min = std::min(out.min, look.ttl ? minus(*min, *look.ttl) : kOldest);
  return out;
}

int64_t PitJoin::bytes() const {
  int64_t out = keys_.bytes() + static_cast<int64_t>(times_.size()) * 12 +
                static_cast<int64_t>(begins_.size()) * 4 + static_cast<int64_t>(rests_.size()) * 2;
  for (const Track& t : tracks_)
    out += static_cast<int64_t>(t.best.size() * sizeof(Best) + t.rest.size() * sizeof(Rest));
  return out;
}

}  // namespace slip::engine
