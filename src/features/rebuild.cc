#include "features/rebuild.h"

#include <algorithm>
#include <tuple>

#include "engine/window/backfill.h"
#include "features/packed.h"

namespace slip::features {

Status gather_events(const ViewPtr& view, const History::View& history, const Gathering& what,
                     WindowEvents* out, int64_t* rows) {
  return history.visit([&](const History::Chunk& chunk) -> Status {
    const Batch& b = chunk.batch;
    if (!b.view.empty() && b.view != view->name) return {};
    const std::vector<engine::Values> columns = columns_as(b, view->source.columns);
    std::vector<engine::Column> in;
    for (const engine::Values& v : columns) in.push_back(v.view());
    const Transform::Output made = TRY(Transform(view).run(in, b.event.view()));
    const engine::Column event = b.event.view();
    *rows += b.rows();
    for (int64_t i = 0; i < b.rows(); ++i) {
      if (!made.wanted[static_cast<size_t>(i)] || b.is_deleted(i) || b.seq(i) > what.upto_seq)
        continue;
      if (!chunk.loaded && event.i64(i) < b.ingest(i) - view->plan->lateness_us()) continue;
      if (what.counts && !what.counts(chunk, i)) continue;
      std::string key;
      bool whole = true;
      for (const size_t k : view->key_columns) whole = whole && append_key(&key, in[k], i);
      if (!whole || (what.wanted && !what.wanted(key))) continue;
      window::Record& r = (*out)[std::move(key)].emplace_back();
      r.at = {.ts_us = event.i64(i), .seq = static_cast<uint64_t>(b.seq(i))};
      for (const engine::Column& c : made.columns) r.values.push_back(window::datum_at(c, i));
    }
    return {};
  });
}

Result<window::Blob> build_windows(const window::Plan& plan, std::vector<window::Record>* events,
                                   int64_t now_us) {
  std::sort(events->begin(), events->end(), [](const window::Record& a, const window::Record& b) {
    return std::tie(a.at.ts_us, a.at.seq) < std::tie(b.at.ts_us, b.at.seq);
  });
  window::Blob blob;
  for (const window::Record& r : *events) {
    blob.advance(plan, std::min(r.at.ts_us, now_us));
    TRY(blob.add(plan, r));
  }
  blob.advance(plan, now_us);
  return blob;
}

}  // namespace slip::features
