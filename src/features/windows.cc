#include "features/windows.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <tuple>

#include "codec/hash.h"
#include "engine/window/bytes.h"

namespace slip::features {
namespace {

using engine::Column;
using engine::Type;

constexpr uint32_t kMagic = 0x31574646;  // "FFW1"
constexpr size_t kMarkBytes = sizeof(uint64_t);

uint64_t hash_of(uint64_t seed, std::string_view bytes) {
  std::string all;
  window::put(all, seed);
  all.append(bytes);
  return codec::xxh3(all);
}

void put_value(std::string& out, const Column& c, int64_t row) {
  switch (c.type) {
    case Type::kBool:
      return window::put<uint8_t>(out, c.boolean(row) ? 1 : 0);
    case Type::kInt64:
    case Type::kTimestampUs:
      return window::put(out, c.i64(row));
    case Type::kDouble: {
      const double v = c.f64(row);
      return window::put(out, std::isnan(v) ? uint64_t{1} << 63 : std::bit_cast<uint64_t>(v + 0.0));
    }
    case Type::kText:
    case Type::kBytes:
      out.append(c.text(row));
      return;
    case Type::kList:
      for (int32_t i = c.offsets[row]; i < c.offsets[row + 1]; ++i) {
        std::string item;
        put_value(item, *c.child, i);
        window::put_text(out, item);
      }
  }
}

int64_t created_of(std::string_view note) {
  int64_t out = 0;
  window::take(note, out);
  return out;
}

std::string_view marks_of(std::string_view note) {
  return note.size() < sizeof(int64_t) ? std::string_view() : note.substr(sizeof(int64_t));
}

uint64_t mark_at(std::string_view marks, size_t i) {
  uint64_t out = 0;
  std::string_view in = marks.substr(i * kMarkBytes);
  window::take(in, out);
  return out;
}

// Both are sorted.
bool holds_all(std::string_view marks, std::string_view wanted) {
  size_t at = 0;
  const size_t n = marks.size() / kMarkBytes;
  for (size_t i = 0; i < wanted.size() / kMarkBytes; ++i) {
    const uint64_t mark = mark_at(wanted, i);
    while (at < n && mark_at(marks, at) < mark) ++at;
    if (at == n || mark_at(marks, at) != mark) return false;
  }
  return true;
}

}  // namespace

RowMarks::RowMarks(const CompiledView& view, std::span<const Column> columns) {
  for (size_t i = 0; i < columns.size(); ++i)
    if (std::find(view.key_columns.begin(), view.key_columns.end(), i) == view.key_columns.end())
      columns_.push_back({codec::xxh3(view.source.columns[i].name), columns[i]});
}

std::string RowMarks::at(int64_t row) const {
  std::vector<uint64_t> marks;
  for (const Marked& m : columns_) {
    if (m.column.is_null(row)) continue;
    std::string value;
    put_value(value, m.column, row);
    marks.push_back(hash_of(m.name, value));
  }
  std::sort(marks.begin(), marks.end());
  std::string out;
  for (const uint64_t mark : marks) window::put(out, mark);
  return out;
}

std::string note_of(int64_t created_us, std::string_view marks) {
  std::string out;
  window::put(out, created_us);
  out.append(marks);
  return out;
}

bool takes_back(const Gone& gone, window::Event row, std::string_view note) {
  return row.ts_us == gone.at.ts_us &&
         std::tuple(created_of(note), row.seq) < std::tuple(created_of(gone.note), gone.at.seq) &&
         holds_all(marks_of(note), marks_of(gone.note));
}

bool Tombstones::take_back(window::Event row, std::string_view note) const {
  const auto [from, to] = by_time_.equal_range(row.ts_us);
  return std::any_of(from, to, [&](const auto& g) { return takes_back(g.second, row, note); });
}

void EntityWindows::advance(const window::Plan& plan, int64_t now_us) {
  blob_.advance(plan, now_us);
  gone_.forget_before(blob_.now_us() - plan.lateness_us());
}

Result<window::Added> EntityWindows::add(const window::Plan& plan, const window::Record& row,
                                         int64_t now_us) {
  advance(plan, now_us);
  if (gone_.take_back(row.at, row.note)) return window::Added::kDuplicate;
  const window::Added added = TRY(blob_.add(plan, row));
  if (added == window::Added::kAdded) ++rows_;
  return added;
}

Result<window::Added> EntityWindows::recall(const window::Plan& plan, const window::Record& row) {
  const window::Added added = TRY(blob_.recall(plan, row));
  if (added == window::Added::kAdded) ++rows_;
  return added;
}

void EntityWindows::remember(const window::Plan& plan, Gone gone) {
  if (gone.at.ts_us >= blob_.now_us() - plan.lateness_us()) gone_.add(std::move(gone));
}

bool EntityWindows::take_back(const window::Plan& plan, Gone gone, int64_t now_us) {
  advance(plan, now_us);
  const bool done = unknown() || forget(plan, gone);
  remember(plan, std::move(gone));
  return done;
}

// False, and nothing changed, where raw events and tiles don't tell what is left.
bool EntityWindows::forget(const window::Plan& plan, const Gone& gone) {
  if (!blob_.remembers(plan, gone.at.ts_us)) return false;
  window::Blob left = blob_;
  int64_t taken = 0;
  for (const window::Blob::Raw& raw : blob_.raw_at(gone.at.ts_us)) {
    window::Record record;
    record.at = {.ts_us = gone.at.ts_us, .seq = raw.seq};
    if (raw.note.empty()) return false;  // Of an older version: the history knows more of it.
    if (!takes_back(gone, record.at, raw.note)) continue;
    record.values.resize(plan.width());
    const Result<bool> back = left.retract(plan, record);
    taken += back.ok() && *back ? 1 : 0;
  }
  if (!left.stale(plan).empty()) return false;
  if (taken > 0) blob_ = std::move(left);
  rows_ -= taken;
  return true;
}

// ---- bytes: magic, rows, tombstones, then the blob

std::string EntityWindows::write(const window::Plan& plan) const {
  std::string out;
  window::put(out, kMagic);
  window::put(out, rows_);
  window::put(out, static_cast<uint32_t>(gone_.size()));
  for (const auto& [ts, g] : gone_) {
    window::put(out, g.at.ts_us);
    window::put(out, g.at.seq);
    window::put_text(out, g.note);
  }
  return out + blob_.write(plan);
}

Result<EntityWindows> EntityWindows::parse(const window::Plan& plan, std::string_view bytes) {
  EntityWindows out;
  std::string_view in = bytes;
  uint32_t magic = 0;
  if (!window::take(in, magic) || magic != kMagic) {
    out.blob_ = TRY(window::Blob::parse(plan, bytes));
    out.rows_ = 1;  // Nobody counted; there was one.
    return out;
  }
  uint32_t n = 0;
  bool whole = window::take(in, out.rows_) && out.rows_ >= 0 && window::take(in, n);
  for (uint32_t i = 0; whole && i < n; ++i) {
    Gone g;
    whole =
        window::take(in, g.at.ts_us) && window::take(in, g.at.seq) && window::take_text(in, g.note);
    out.gone_.add(std::move(g));
  }
  if (!whole) return corrupt("window.bad_state", "these bytes are no windows of an entity");
  out.blob_ = TRY(window::Blob::parse(plan, in));
  return out;
}

}  // namespace slip::features
