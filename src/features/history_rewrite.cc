#include "base/text.h"
#include "features/history.h"
#include "features/history_store.h"

// Segments written again: without some rows, or several as one.
namespace slip::features {
namespace {

constexpr int64_t kSmallRows = 100'000;
constexpr int64_t kMergedRowsMax = 1'000'000;

Segment like(const Segment& s) {
  Segment out;
  out.project = s.project;
  out.source = s.source;
  out.view = s.view;
  out.loaded = s.loaded;
  out.to = s.to;
  out.schema = s.schema;
  return out;
}

bool mergeable(const Segment& a, const Segment& b) {
  return !a.loaded && !b.loaded && a.to == b.to && a.view == b.view && a.schema == b.schema;
}

}  // namespace

Result<std::optional<Segment>> History::without(const Segment& segment, const Drop& drop,
                                                int64_t* dropped) {
  std::vector<std::vector<bool>> marks;
  int64_t row = 0;
  int64_t n = 0;
  TRY(read_segment(
      segment, -1,
      [&](const Chunk& chunk) -> Status {
        std::vector<bool>& mark =
            marks.emplace_back(static_cast<size_t>(chunk.batch.rows()), false);
        TRY(drop(chunk.batch, &mark));
        for (const bool gone : mark) n += gone ? 1 : 0;
        return {};
      },
      &row));
  *dropped = n;
  if (n == 0 || n == segment.rows) return std::optional<Segment>();
  const auto writer = TRY(SegmentWriter::make(deps_.blobs, like(segment)));
  size_t batch = 0;
  TRY(read_segment(
      segment, -1,
      [&](const Chunk& chunk) -> Status {
        return writer->add(rows_that_stay(chunk.batch, marks[batch++]));
      },
      &row));
  Segment made = TRY(writer->finish());
  made.first_seq = segment.first_seq;  // Numbers are never given again.
  made.last_seq = segment.last_seq;
  made.ingest_us = segment.ingest_us;
  return std::optional<Segment>(std::move(made));
}

Result<int64_t> History::drop_rows(const std::string& project, const std::string& source,
                                   int64_t before_us, const Drop& drop) {
  struct Change {
    Segment before;
    std::optional<Segment> after;
  };
  const sys::Lock one_at_a_time(rewriting_);
  std::vector<Change> changes;
  int64_t out = 0;
  for (Segment& s : TRY(segments(project, source))) {
    if (s.min_event_us >= before_us) continue;
    int64_t n = 0;
    std::optional<Segment> after = TRY(without(s, drop, &n));
    if (n == 0) continue;
    out += n;
    changes.push_back({std::move(s), std::move(after)});
  }
  if (changes.empty()) return 0;
  const sys::Lock lock(moving_);
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    for (const Change& c : changes) {
      TRY(sql::delete_segment(tx, c.before));
      if (c.after) TRY(sql::insert_segment(tx, *c.after));
    }
    return {};
  }));
  return out;
}

Result<int64_t> History::compact(const std::string& project, const std::string& source) {
  const sys::Lock one_at_a_time(rewriting_);
  const std::vector<Segment> all = TRY(segments(project, source));
  int64_t out = 0;
  for (size_t from = 0; from < all.size();) {
    size_t to = from;
    int64_t rows = 0;
    while (to < all.size() && all[to].rows <= kSmallRows && mergeable(all[from], all[to]) &&
           rows + all[to].rows <= kMergedRowsMax)
      rows += all[to++].rows;
    if (to - from < 2) {
      from = std::max(to, from + 1);
      continue;
    }
    const auto writer = TRY(SegmentWriter::make(deps_.blobs, like(all[from])));
    int64_t row = 0;
    for (size_t i = from; i < to; ++i)
      TRY(read_segment(all[i], -1, [&](const Chunk& c) { return writer->add(c.batch); }, &row));
    Segment made = TRY(writer->finish());
    made.first_seq = all[from].first_seq;
    made.last_seq = all[to - 1].last_seq;
    const sys::Lock lock(moving_);
    TRY(deps_.db.write([&](store::Tx& tx) -> Status {
      for (size_t i = from; i < to; ++i) TRY(sql::delete_segment(tx, all[i]));
      return sql::insert_segment(tx, made);
    }));
    out += static_cast<int64_t>(to - from) - 1;
    from = to;
  }
  return out;
}

Result<std::vector<std::string>> History::sources_of(const std::string& project) {
  std::vector<std::string> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out.clear();
    return sql::each_source(tx, project, [&](std::string s) { out.push_back(std::move(s)); });
  }));
  return out;
}

}  // namespace slip::features
