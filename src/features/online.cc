#include "features/online.h"

#include <algorithm>
#include <cstring>

#include "codec/hash.h"
#include "engine/window/backfill.h"
#include "engine/window/bytes.h"
#include "features/packed.h"

namespace slip::features {
namespace {

using window::put;
using window::put_text;
using window::take;
using window::take_text;

constexpr size_t kOverheadBytes = 96;  // Of an entry: node, hash, strings' heads. An estimate.

uint32_t number_of(std::string_view key) {
  uint32_t out = 0;
  std::memcpy(&out, key.data(), sizeof out);
  return out;
}

Error broken() { return corrupt("feature.snapshot", "a record of the online snapshot is damaged"); }

}  // namespace

std::string_view read_status_name(ReadStatus status) {
  constexpr std::string_view kNames[] = {"PRESENT", "NULL_VALUE", "NOT_FOUND", "OUTSIDE_MAX_AGE"};
  return kNames[static_cast<size_t>(status)];
}

std::string online_key(const CompiledView& view, std::string_view key) {
  std::string out;
  out.reserve(4 + key.size());
  put(out, view.number);
  out.append(key);
  return out;
}

size_t Online::Hash::operator()(std::string_view key) const { return codec::xxh3(key); }

bool OnlineRow::newer_than(const OnlineRow& o) const {
  return std::tie(event_us, created_us, seq) > std::tie(o.event_us, o.created_us, o.seq);
}

void Online::promote(int64_t now_us, Entry* entry) {
  size_t due = 0;
  while (due < entry->later.size() && entry->later[due].event_us <= now_us) ++due;
  for (size_t i = 0; i < due; ++i) {
    Row& row = entry->later[i];
    if (!entry->has_row || row.newer_than(entry->row)) entry->row = std::move(row);
    entry->has_row = true;
  }
  entry->later.erase(entry->later.begin(), entry->later.begin() + static_cast<ptrdiff_t>(due));
}

void Online::put_row(Row row, int64_t now_us, Entry* entry, Shard* shard) {
  promote(now_us, entry);
  if (row.event_us <= now_us) {
    if (!entry->has_row || row.newer_than(entry->row)) entry->row = std::move(row);
    entry->has_row = true;
    return;
  }
  const auto before = [](const Row& a, const Row& b) { return b.newer_than(a); };
  const auto at = std::lower_bound(entry->later.begin(), entry->later.end(), row, before);
  if (at != entry->later.end() && !at->newer_than(row) && !row.newer_than(*at)) return;  // Again.
  entry->later.insert(at, std::move(row));
  if (entry->later.size() <= kFutureRowsMax) return;
  entry->later.pop_back();
  ++shard->future;
}

Result<bool> Online::apply(const CompiledView& view, std::string_view key, const Arrival& at,
                           const std::vector<engine::Column>& columns, int64_t row) {
  const std::string full = online_key(view, key);
  Shard& shard = shard_of(full);
  const sys::Lock lock(shard.mutex);
  if (at.event_us <= at.ingest_us) {
    int64_t& newest = shard.newest[view.number];
    newest = std::max(newest, at.event_us);
  }
  if (!view.plan) {
    Row made{.event_us = at.event_us,
             .created_us = at.created_us,
             .seq = at.seq,
             .deleted = at.deleted,
             .packed = at.deleted ? std::string() : pack_row(columns, row)};
    put_row(std::move(made), at.ingest_us, &shard.map[full], &shard);
    tell_of(view, key, false);
    return true;
  }
  window::Record record;
  record.at = {.ts_us = at.event_us, .seq = static_cast<uint64_t>(at.seq)};
  record.note = note_of(at.created_us, at.marks);
  if (!at.deleted)
    for (const engine::Column& c : columns) record.values.push_back(window::datum_at(c, row));
  tell_of(view, key, false);
  return count(view, at, std::move(record), &shard.map[full], &shard);
}

Result<bool> Online::count(const CompiledView& view, const Arrival& at, window::Record record,
                           Entry* entry, Shard* shard) {
  if (!entry->windows) entry->windows = std::make_unique<EntityWindows>();
  EntityWindows& windows = *entry->windows;
  if (at.deleted)
    return windows.take_back(*view.plan, {record.at, std::move(record.note)}, at.ingest_us);
  const window::Added added = TRY(windows.add(*view.plan, record, at.ingest_us));
  if (added == window::Added::kTooLate) ++shard->late;
  if (added == window::Added::kAdded)
    entry->newest_event_us = std::max(entry->newest_event_us, at.event_us);
  return true;
}

void Online::install(const CompiledView& view, std::string_view key, EntityWindows windows,
                     int64_t newest_event_us) {
  const std::string full = online_key(view, key);
  Shard& shard = shard_of(full);
  const sys::Lock lock(shard.mutex);
  Entry& entry = shard.map[full];
  entry.windows = std::make_unique<EntityWindows>(std::move(windows));
  entry.newest_event_us = newest_event_us;
  int64_t& newest = shard.newest[view.number];
  newest = std::max(newest, newest_event_us);
  tell_of(view, key, false);
}

namespace {

void add_read(Cell cell, EntityRead* out) {
  out->statuses.push_back(is_null(cell) ? ReadStatus::kNullValue : ReadStatus::kPresent);
  out->cells.push_back(std::move(cell));
}

}  // namespace

void read_absent(const Online::Want& want, ReadStatus status, EntityRead* out) {
  out->cells.assign(want.features.size(), Cell());
  out->statuses.assign(want.features.size(), status);
}

void read_row(const CompiledView& view, const OnlineRow& row, const Online::Want& want,
              EntityRead* out) {
  if (row.deleted) return read_absent(want, ReadStatus::kNotFound, out);
  out->event_us = row.event_us;
  const std::optional<int64_t>& ttl = view.view().ttl_us;
  if (ttl && !want.ignore_ttl && row.event_us < want.now_us - *ttl)
    return read_absent(want, ReadStatus::kOutsideMaxAge, out);
  out->cells.reserve(want.features.size());
  out->statuses.reserve(want.features.size());
  for (const size_t i : want.features)
    add_read(unpack_cell(row.packed, view.features.size(), i, view.features[i].type), out);
}

Status read_windows(const CompiledView& view, const EntityWindows& windows, int64_t newest_event_us,
                    const Online::Want& want, EntityRead* out) {
  if (windows.unknown()) {
    read_absent(want, ReadStatus::kNotFound, out);
    return {};
  }
  const window::Blob& blob = windows.blob();
  const int64_t now = std::max(want.now_us, blob.now_us());
  const std::vector<window::Answer> answers = TRY(blob.read(*view.plan, now));
  out->event_us = newest_event_us;
  for (const size_t i : want.features) add_read(cell_of_answer(view, i, answers[i]), out);
  return {};
}

Status Online::read(const CompiledView& view, std::string_view key, const Want& want,
                    EntityRead* out) {
  out->clear();
  const std::string full = online_key(view, key);
  Shard& shard = shard_of(full);
  const sys::Lock lock(shard.mutex);
  const auto found = shard.map.find(std::string_view(full));
  if (found == shard.map.end()) {
    read_absent(want, ReadStatus::kNotFound, out);
    return {};
  }
  Entry& entry = found->second;
  if (entry.windows) return read_windows(view, *entry.windows, entry.newest_event_us, want, out);
  promote(want.now_us, &entry);
  if (entry.has_row)
    read_row(view, entry.row, want, out);
  else
    read_absent(want, ReadStatus::kNotFound, out);
  return {};
}

std::optional<Online::State> Online::state(const CompiledView& view, std::string_view key,
                                           int64_t now_us) {
  const std::string full = online_key(view, key);
  Shard& shard = shard_of(full);
  const sys::Lock lock(shard.mutex);
  const auto found = shard.map.find(std::string_view(full));
  if (found == shard.map.end()) return std::nullopt;
  Entry& entry = found->second;
  State out;
  out.newest_event_us = entry.newest_event_us;
  if (entry.windows) {
    out.windows = entry.windows->write(*view.plan);
    return out;
  }
  promote(now_us, &entry);
  if (entry.has_row) out.rows.push_back(entry.row);
  out.rows.insert(out.rows.end(), entry.later.begin(), entry.later.end());
  return out;
}

void Online::each_future(
    const std::function<void(std::string_view full, int64_t due_us)>& visit) const {
  for (const Shard& shard : shards_) {
    const sys::Lock lock(shard.mutex);
    for (const auto& [key, entry] : shard.map)
      if (!entry.later.empty()) visit(key, entry.later.front().event_us);
  }
}

std::vector<std::string> Online::keys(const CompiledView& view) const {
  const std::string of = online_key(view, "");
  std::vector<std::string> out;
  for (const Shard& shard : shards_) {
    const sys::Lock lock(shard.mutex);
    for (const auto& [key, entry] : shard.map)
      if (key.starts_with(of)) out.push_back(key.substr(of.size()));
  }
  return out;
}

bool Online::erase(const CompiledView& view, std::string_view key) {
  const std::string full = online_key(view, key);
  Shard& shard = shard_of(full);
  const sys::Lock lock(shard.mutex);
  tell_of(view, key, true);
  return shard.map.erase(full) > 0;
}

// ---- snapshot

namespace {

void put_packed_row(std::string& out, int64_t event_us, int64_t created_us, int64_t seq) {
  put(out, event_us);
  put(out, created_us);
  put(out, seq);
}

}  // namespace

std::string Online::record_of(const CompiledView& view, std::string_view key, const Entry& entry) {
  std::string out;
  put_text(out, view.project);
  put_text(out, view.name);
  put(out, view.version);
  put_text(out, view.digest);
  put_text(out, key.substr(sizeof(uint32_t)));
  put<uint8_t>(out, entry.windows ? 1 : 0);
  put(out, entry.newest_event_us);
  if (entry.windows) {
    put_text(out, entry.windows->write(*view.plan));
    return out;
  }
  std::vector<const Row*> rows;
  if (entry.has_row) rows.push_back(&entry.row);
  for (const Row& r : entry.later) rows.push_back(&r);
  put(out, static_cast<uint32_t>(rows.size()));
  for (const Row* r : rows) {
    put_packed_row(out, r->event_us, r->created_us, r->seq);
    put<uint8_t>(out, r->deleted ? 1 : 0);
    put_text(out, r->packed);
  }
  return out;
}

Status Online::save(const std::function<ViewPtr(uint32_t)>& view_of, const Save& save) {
  for (Shard& shard : shards_) {
    std::vector<std::string> records;
    {
      const sys::Lock lock(shard.mutex);
      for (const auto& [key, entry] : shard.map)
        if (const ViewPtr view = view_of(number_of(key)))
          records.push_back(record_of(*view, key, entry));
    }
    for (const std::string& record : records) TRY(save(record));
  }
  return {};
}

Status Online::load(const Find& find, std::string_view in) {
  std::string project;
  std::string name;
  std::string digest;
  std::string key;
  int64_t version = 0;
  uint8_t windowed = 0;
  Entry entry;
  if (!take_text(in, project) || !take_text(in, name) || !take(in, version) ||
      !take_text(in, digest) || !take_text(in, key) || !take(in, windowed) || windowed > 1 ||
      !take(in, entry.newest_event_us))
    return broken();
  const ViewPtr view = find(project, name, version, digest);
  if (!view) return {};
  if ((windowed == 1) != view->plan.has_value()) return broken();
  if (windowed == 1) {
    std::string state;
    if (!take_text(in, state)) return broken();
    entry.windows = std::make_unique<EntityWindows>(TRY(EntityWindows::parse(*view->plan, state)));
  } else {
    uint32_t rows = 0;
    if (!take(in, rows) || rows > kFutureRowsMax + 1) return broken();
    for (uint32_t i = 0; i < rows; ++i) {
      Row r;
      uint8_t deleted = 0;
      if (!take(in, r.event_us) || !take(in, r.created_us) || !take(in, r.seq) ||
          !take(in, deleted) || !take_text(in, r.packed))
        return broken();
      r.deleted = deleted == 1;
      entry.later.push_back(std::move(r));
    }
  }
  if (!in.empty()) return broken();
  const std::string full = online_key(*view, key);
  Shard& shard = shard_of(full);
  const sys::Lock lock(shard.mutex);
  int64_t& newest = shard.newest[view->number];
  for (const Row& r : entry.later) newest = std::max(newest, r.event_us);
  newest = std::max(newest, entry.newest_event_us);
  shard.map.insert_or_assign(full, std::move(entry));
  return {};
}

Online::Stats Online::stats() const {
  Stats out;
  for (const Shard& shard : shards_) {
    const sys::Lock lock(shard.mutex);
    out.late += shard.late;
    out.future += shard.future;
    out.entities += static_cast<int64_t>(shard.map.size());
    for (const auto& [key, entry] : shard.map)
      out.bytes += static_cast<int64_t>(key.size() + entry.row.packed.size() + kOverheadBytes);
  }
  return out;
}

int64_t Online::newest_event_us(uint32_t number) const {
  int64_t out = 0;
  for (const Shard& shard : shards_) {
    const sys::Lock lock(shard.mutex);
    if (const auto found = shard.newest.find(number); found != shard.newest.end())
      out = std::max(out, found->second);
  }
  return out;
}

}  // namespace slip::features
