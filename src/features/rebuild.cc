#include "features/rebuild.h"

#include <algorithm>

#include "engine/window/backfill.h"
#include "features/packed.h"

namespace slip::features {

Status each_seen(const ViewPtr& view, const History::Chunk& chunk, const Looking& what,
                 const std::function<Status(SeenRow)>& on_row) {
  const Batch& b = chunk.batch;
  if (!b.view.empty() && b.view != view->name) return {};
  const std::vector<engine::Values> columns = columns_as(b, view->source.columns);
  std::vector<engine::Column> in;
  for (const engine::Values& v : columns) in.push_back(v.view());
  const Transform::Output made = TRY(Transform(view).run(in, b.event.view()));
  const RowMarks marks(*view, in);
  std::vector<engine::Column> keys;
  for (const size_t k : view->key_columns) keys.push_back(in[k]);
  const engine::Column event = b.event.view();
  for (int64_t i = 0; i < b.rows(); ++i) {
    SeenRow seen;
    seen.row = i;
    seen.deleted = b.is_deleted(i);
    if (!made.concerns(i, seen.deleted)) continue;
    if (b.seq(i) <= what.after_seq || b.seq(i) > what.max_seq) continue;
    std::optional<std::string> key = key_at(keys, i);
    if (!key || (what.wanted && !what.wanted(*key))) continue;
    seen.key = std::move(*key);
    seen.record.at = {.ts_us = event.i64(i), .seq = static_cast<uint64_t>(b.seq(i))};
    seen.record.note = note_of(b.created_at(i), marks.at(i));
    if (!seen.deleted)
      for (const engine::Column& c : made.columns)
        seen.record.values.push_back(window::datum_at(c, i));
    TRY(on_row(std::move(seen)));
  }
  return {};
}

WindowsBuilder::Built& WindowsBuilder::of(const std::string& key) {
  const auto [at, fresh] = built_.try_emplace(key);
  if (fresh) at->second.windows.advance(*view_->plan, what_.now_us);
  return at->second;
}

bool WindowsBuilder::counts(const History::Chunk& chunk, const SeenRow& seen) const {
  const int64_t oldest = chunk.batch.ingest(seen.row) - view_->plan->lateness_us();
  if (!seen.deleted && !chunk.loaded && seen.record.at.ts_us < oldest) return false;
  return !what_.counts || what_.counts(chunk, seen.row);
}

Status WindowsBuilder::fold(const History::Chunk& chunk, const SeenRow& seen) {
  Built& built = of(seen.key);
  if (!counts(chunk, seen) || built.gone.take_back(seen.record.at, seen.record.note)) return {};
  if (!built.windows.recall(*view_->plan, seen.record).ok()) ++built.left_out;
  built.newest_event_us = std::max(built.newest_event_us, seen.record.at.ts_us);
  return {};
}

Status WindowsBuilder::read(const History::View& history, int64_t* rows) {
  TRY(history.visit([&](const History::Chunk& chunk) -> Status {
    bool here = false;
    for (int64_t i = 0; i < chunk.batch.rows() && !here; ++i) here = chunk.batch.is_deleted(i);
    if (!here) return {};
    return each_seen(view_, chunk, what_.looking, [&](SeenRow seen) -> Status {
      if (seen.deleted && counts(chunk, seen))
        of(seen.key).gone.add({seen.record.at, std::move(seen.record.note)});
      return {};
    });
  }));
  TRY(history.visit([&](const History::Chunk& chunk) -> Status {
    *rows += chunk.batch.rows();
    return each_seen(view_, chunk, what_.looking, [&](SeenRow seen) -> Status {
      return seen.deleted ? Status() : fold(chunk, seen);
    });
  }));
  for (auto& [key, built] : built_)
    for (const auto& [ts, gone] : built.gone) built.windows.remember(*view_->plan, gone);
  return {};
}

Status WindowsBuilder::add(const History::View& history, int64_t upto_seq, int64_t now_us) {
  for (auto& [key, built] : built_) built.windows.advance(*view_->plan, now_us);
  what_.now_us = now_us;
  what_.looking.after_seq = what_.looking.max_seq;
  what_.looking.max_seq = upto_seq;
  return history.visit([&](const History::Chunk& chunk) -> Status {
    return each_seen(view_, chunk, what_.looking, [&](SeenRow seen) -> Status {
      if (!seen.deleted) return fold(chunk, seen);
      if (!counts(chunk, seen)) return {};
      Built& built = of(seen.key);
      const Gone gone{seen.record.at, std::move(seen.record.note)};
      built.gone.add(gone);
      if (!built.windows.take_back(*view_->plan, gone, now_us)) again_.insert(seen.key);
      return {};
    });
  });
}

}  // namespace slip::features
