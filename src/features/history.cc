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
// already; their record has one of its own.
int64_t last_of(const Batch& b) { return b.seqs ? b.first_seq : b.first_seq + b.rows() - 1; }

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
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = {};
    TRY(sql::last_of(tx, &out.seq, &out.ingest_us));
    return {};
  }));
  TRY(replay(0, [&](const Batch& b) -> Status {
    out.seq = std::max(out.seq, last_of(b));
    out.ingest_us = std::max(out.ingest_us, b.ingest_us);
    return {};
  }));
  return out;
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
      Batch b = TRY(decode_batch(record));
      if (b.project != reading.project || b.source != reading.source) return true;
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
      if (last_of(b) > after_seq) TRY(on_batch(b));
      return true;
    }));
  return {};
}

Result<std::vector<Segment>> History::write_segments(int64_t log_segment, int64_t* last_seq) {
  std::map<std::string, std::unique_ptr<SegmentWriter>> writers;
  TRY(deps_.log.read(log_segment, 0, [&](std::string_view record, int64_t) -> Result<bool> {
    const Batch b = TRY(decode_batch(record));
    *last_seq = std::max(*last_seq, last_of(b));
    if (b.seqs) return true;  // Rows that are in the history already.
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
  std::vector<Segment> out;
  for (auto& [key, writer] : writers) out.push_back(TRY(writer->finish()));
  return out;
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
      int64_t last_seq = 0;
      const std::vector<Segment> made = TRY(write_segments(s.number, &last_seq));
      const sys::Lock lock(moving_);
      TRY(deps_.db.write([&](store::Tx& tx) -> Status {
        for (const Segment& m : made) TRY(sql::insert_segment(tx, m));
        return sql::insert_archived(tx, s.number, last_seq);
      }));
      known[s.number] = last_seq;
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
