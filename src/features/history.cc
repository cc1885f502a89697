#include "features/history.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "codec/json.h"
#include "features/history_store.h"
#include "sys/clock.h"
#include "sys/log.h"

namespace slip::features {

using codec::Json;

namespace {

// What a snapshot must hold before the record may go. Rows brought online later have numbers
// already; their record has one of its own, and so has one that is marks alone.
int64_t last_of(const Batch& b) {
  return b.seqs || b.rows() == 0 ? b.first_seq : b.first_seq + b.rows() - 1;
}

}  // namespace

std::string fields_text(const std::vector<FeatureField>& fields) {
  Json out = Json::object();
  for (const FeatureField& f : fields) out.set(f.name, f.type.text());
  return codec::to_json(out);
}

Result<std::vector<FeatureField>> parse_fields_text(std::string_view text) {
  const Json object = TRY(codec::parse_json(text));
  std::vector<FeatureField> out;
  for (const auto& [name, type] : object.members()) {
    const FeatureType parsed = TRY(parse_feature_type(type.is_string() ? type.as_string() : ""));
    out.push_back({name, parsed});
  }
  return out;
}

Result<History::Last> History::last() {
  Last out;
  std::vector<Marked> marks;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = {};
    marks.clear();
    TRY(sql::last_of(tx, &out.seq, &out.ingest_us));
    return sql::each_mark(
        tx, [&](const std::string& project, const std::string& source, int64_t seq,
                StreamMark mark) { marks.push_back({project, source, seq, std::move(mark)}); });
  }));
  void_ = given_up();
  newest_.with([](auto& all) { all.clear(); });
  for (const Marked& m : marks) keep_newest(m);
  marks.clear();
  TRY(replay(0, [&](const Batch& b) -> Status {
    out.seq = std::max(out.seq, last_of(b));
    out.ingest_us = std::max(out.ingest_us, b.ingest_us);
    for (const StreamMark& m : b.marks) marks.push_back({b.project, b.source, b.first_seq, m});
    return {};
  }));
  // Of two records that begin at one offset the later was acknowledged, the other wasn't.
  std::map<MarkKey, int64_t> begun;
  for (size_t i = marks.size(); i-- > 0;) {
    const Marked& m = marks[i];
    int64_t& later =
        begun.try_emplace({m.project, m.source, m.mark.topic, m.mark.partition}, INT64_MAX)
            .first->second;
    if (!m.mark.moved && m.mark.next > later) {
      void_.insert(m.seq);
      deps_.notes.warn("a record that was never acknowledged has come back; it doesn't count",
                       {{"source", std::string_view(m.source)}, {"seq", m.seq}});
      continue;
    }
    later = m.mark.moved ? INT64_MAX : std::min(later, m.mark.from);
  }
  for (const Marked& m : marks)
    if (!void_.contains(m.seq)) keep_newest(m);
  return out;
}

void History::give_up(int64_t first_seq) {
  given_up_.with([&](auto& all) { all.insert(first_seq); });
}

std::set<int64_t> History::given_up() const {
  return given_up_.with([](const auto& all) { return all; });
}

void History::keep_newest(const Marked& one) {
  newest_.with([&](auto& all) {
    Marked& known = all[{one.project, one.source, one.mark.topic, one.mark.partition}];
    if (one.seq >= known.seq) known = one;
  });
}

void History::note_marks(const Batch& batch) {
  for (const StreamMark& m : batch.marks)
    keep_newest({batch.project, batch.source, batch.first_seq, m});
}

std::vector<StreamMark> History::stream_marks(const std::string& project,
                                              const std::string& source) const {
  return newest_.with([&](const auto& all) {
    std::vector<StreamMark> out;
    for (const auto& [key, m] : all)
      if (m.project == project && m.source == source) out.push_back(m.mark);
    return out;
  });
}

// `counts`: whether it has rows that are the history's.
Result<Batch> History::decode(std::string_view record, bool* counts) const {
  Batch b = TRY(decode_batch(record));
  *counts = b.rows() > 0 && !void_.contains(b.first_seq);
  return b;
}

Status History::append(const Batch& batch) {
  const std::string record = encode_batch(batch);
  const std::string_view one = record;
  return deps_.log.append(std::span(&one, 1), store::LogAck::kDisk);
}

Status History::publish(store::Tx& tx, const Segment& segment) {
  return sql::insert_segment(tx, segment);
}

Result<std::vector<History::Archived>> History::archived() {
  std::vector<Archived> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out.clear();
    return sql::each_archived(tx, [&](int64_t segment, int64_t last_seq) {
      out.push_back({.segment = segment, .last_seq = last_seq});
    });
  }));
  return out;
}

Result<History::View> History::read(const Reading& reading) {
  View out;
  out.history_ = this;
  out.reading_ = reading;
  const sys::Lock lock(moving_);
  std::set<int64_t> in_manifest;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    in_manifest.clear();
    out.segments_ = TRY(sql::list_segments(tx, reading.project, reading.source));
    return sql::each_archived(tx, [&](int64_t segment, int64_t) { in_manifest.insert(segment); });
  }));
  std::erase_if(out.segments_, [&](const Segment& s) {
    return s.last_seq <= reading.after_seq || s.max_event_us < reading.from_us ||
           s.min_event_us > reading.to_us || (!goes_offline(s.to) && !reading.online_only);
  });
  for (const store::LogSegment& s : deps_.log.segments()) {
    if (in_manifest.contains(s.number)) continue;
    TRY(deps_.log.read(s.number, 0, [&](std::string_view record, int64_t) -> Result<bool> {
      bool counts = false;
      Batch b = TRY(decode(record, &counts));
      if (!counts || b.project != reading.project || b.source != reading.source) return true;
      if (b.seqs || b.first_seq + b.rows() - 1 <= reading.after_seq) return true;
      if (!goes_offline(b.to) && !reading.online_only) return true;
      out.tail_.push_back(std::move(b));
      return true;
    }));
  }
  return out;
}

int64_t History::View::rows() const {
  int64_t out = 0;
  for (const Segment& s : segments_) out += s.rows;
  for (const Batch& b : tail_) out += b.rows();
  return out;
}

int64_t History::View::last_seq() const {
  int64_t out = 0;
  for (const Segment& s : segments_) out = std::max(out, s.last_seq);
  for (const Batch& b : tail_)
    if (b.rows() > 0) out = std::max(out, b.seq(b.rows() - 1));
  return out;
}

Status History::View::visit(const OnChunk& on_chunk) const {
  int64_t row = 0;
  for (const Segment& s : segments_)
    TRY(history_->read_segment(s, reading_.after_seq, on_chunk, &row));
  for (const Batch& b : tail_) {
    TRY(on_chunk({.batch = b, .first_row = row, .loaded = false}));
    row += b.rows();
  }
  return {};
}

Status History::replay(int64_t after_seq, const std::function<Status(const Batch&)>& on_batch) {
  for (const store::LogSegment& s : deps_.log.segments())
    TRY(deps_.log.read(s.number, 0, [&](std::string_view record, int64_t) -> Result<bool> {
      const Batch b = TRY(decode_batch(record));
      if (last_of(b) > after_seq && !void_.contains(b.first_seq)) TRY(on_batch(b));
      return true;
    }));
  return {};
}

Result<History::FromLog> History::write_segments(int64_t log_segment) {
  std::map<std::string, std::unique_ptr<SegmentWriter>> writers;
  FromLog out;
  TRY(deps_.log.read(log_segment, 0, [&](std::string_view record, int64_t) -> Result<bool> {
    bool counts = false;
    const Batch b = TRY(decode(record, &counts));
    out.last_seq = std::max(out.last_seq, last_of(b));
    if (!void_.contains(b.first_seq))
      for (const StreamMark& m : b.marks)
        out.marks.push_back({b.project, b.source, b.first_seq, m});
    if (!counts || b.seqs) return true;  // The latter's rows are in the history already.
    const std::string key = concat({b.project, "\n", b.source, "\n", fields_text(b.schema), "\n",
                                    std::to_string(static_cast<int>(b.to)), "\n", b.view});
    std::unique_ptr<SegmentWriter>& writer = writers[key];
    if (!writer) {
      Segment about;
      about.project = b.project;
      about.source = b.source;
      about.schema = b.schema;
      about.to = b.to;
      about.view = b.view;
      writer = TRY(SegmentWriter::make(deps_.blobs, std::move(about)));
    }
    TRY(writer->add(b));
    return true;
  }));
  for (auto& [key, writer] : writers) out.segments.push_back(TRY(writer->finish()));
  return out;
}

Result<bool> History::lies_here() {
  bool any = false;
  for (const store::LogSegment& s : deps_.log.segments()) {
    TRY(deps_.log.read(s.number, 0, [&](std::string_view, int64_t) -> Result<bool> {
      any = true;
      return false;
    }));
    if (any) return true;
  }
  std::vector<Segment> all;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    all.clear();
    return sql::each_segment(tx, [&](Segment s) { all.push_back(std::move(s)); });
  }));
  for (const Segment& s : all)
    if (TRY(deps_.blobs.contains(TRY(codec::parse_sha256(s.digest))))) return true;
  return false;
}

Status History::rotate() { return deps_.log.rotate(); }

int64_t History::log_bytes() const {
  int64_t out = 0;
  for (const store::LogSegment& s : deps_.log.segments()) out += s.bytes;
  return out;
}

Result<int64_t> History::archive(int64_t applied_seq) {
  const sys::Lock one_at_a_time(rewriting_);
  int64_t n = 0;
  std::map<int64_t, int64_t> known;
  for (const Archived& a : TRY(archived())) known[a.segment] = a.last_seq;
  for (const store::LogSegment& s : deps_.log.segments()) {
    if (!s.closed) break;
    if (!known.contains(s.number)) {
      const FromLog made = TRY(write_segments(s.number));
      const sys::Lock lock(moving_);
      TRY(deps_.db.write([&](store::Tx& tx) -> Status {
        for (const Segment& m : made.segments) TRY(sql::insert_segment(tx, m));
        for (const Marked& m : made.marks)
          TRY(sql::put_mark(tx, m.project, m.source, m.seq, m.mark));
        return sql::insert_archived(tx, s.number, made.last_seq);
      }));
      known[s.number] = made.last_seq;
      ++n;
    }
    if (known[s.number] > applied_seq) continue;
    TRY(deps_.log.remove(s.number));
    TRY(deps_.db.write([&](store::Tx& tx) { return sql::delete_archived(tx, s.number); }));
  }
  return n;
}

Result<std::vector<Segment>> History::segments(const std::string& project,
                                               const std::string& source) {
  std::vector<Segment> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(sql::list_segments(tx, project, source));
    return {};
  }));
  return out;
}

Status History::mark(const std::function<void(const store::Digest&)>& keep) {
  std::vector<std::string> digests;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    digests.clear();
    return sql::each_digest(tx, [&](std::string digest) { digests.push_back(std::move(digest)); });
  }));
  for (const std::string& d : digests) keep(TRY(codec::parse_sha256(d)));
  return {};
}

}  // namespace slip::features
