#include <algorithm>

#include "base/check.h"
#include "base/text.h"
#include "codec/table.h"
#include "features/history.h"
#include "store/blob_files.h"

// Segments as Parquet: the source's columns by name, then ours.
namespace slip::features {
namespace {

using codec::ColumnType;

constexpr std::string_view kEvent = "_slipway_event";
constexpr std::string_view kCreated = "_slipway_created";
constexpr std::string_view kDeleted = "_slipway_deleted";
constexpr std::string_view kIngest = "_slipway_ingest";
constexpr std::string_view kSeq = "_slipway_seq";

std::vector<codec::Field> fields_of(const Segment& s) {
  std::vector<codec::Field> out;
  const auto add = [&](std::string_view name, ColumnType type) {
    out.push_back(codec::make_field(std::string(name), type));
  };
  for (const FeatureField& f : s.schema) add(f.name, column_type_of(f.type));
  add(kEvent, ColumnType::kTimestampUs);
  add(kCreated, ColumnType::kTimestampUs);
  add(kDeleted, ColumnType::kBool);
  if (!s.numbered) return out;
  add(kIngest, ColumnType::kTimestampUs);
  add(kSeq, ColumnType::kInt64);
  return out;
}

void add_times(const Batch& b, int64_t row, bool numbered, codec::Table* table) {
  const size_t n = b.schema.size();
  std::vector<codec::Column>& c = table->columns;
  const engine::Column event = b.event.view();
  const engine::Column created = b.created.view();
  c[n].add_i64(event.i64(row));
  created.is_null(row) ? c[n + 1].add_null() : c[n + 1].add_i64(created.i64(row));
  c[n + 2].add_bool(b.is_deleted(row));
  if (!numbered) return;
  c[n + 3].add_i64(b.ingest(row));
  c[n + 4].add_i64(b.seq(row));
}

// A column of the file as the batch's, without going through cells where the layouts agree.
Status take_column(const codec::Column& from, const FeatureType& type, engine::Values* to) {
  for (int64_t i = 0; i < from.n; ++i) {
    const Cell cell = TRY(cell_of_column(from, i, type));
    add_cell(to, cell);
  }
  return {};
}

void take_times(const codec::Column& from, engine::Values* to) {
  for (int64_t i = 0; i < from.n; ++i) from.is_null(i) ? to->add_null() : to->add_i64(from.i64(i));
}

Result<Batch> batch_of(const Segment& s, const codec::Table& table, int64_t first_seq) {
  Batch b = make_batch(s.schema);
  b.project = s.project;
  b.source = s.source;
  b.to = s.to;
  b.view = s.view;
  b.first_seq = first_seq;
  b.ingest_us = s.ingest_us;
  for (size_t i = 0; i < s.schema.size(); ++i) {
    const codec::Column* c = table.find(s.schema[i].name);
    if (c == nullptr) return corrupt("feature.segment", "a segment lacks a column");
    TRY(take_column(*c, s.schema[i].type, &b.columns[i]));
  }
  const codec::Column* event = table.find(kEvent);
  const codec::Column* created = table.find(kCreated);
  const codec::Column* deleted = table.find(kDeleted);
  if (event == nullptr || created == nullptr || deleted == nullptr)
    return corrupt("feature.segment", "a segment lacks its times");
  take_times(*event, &b.event);
  take_times(*created, &b.created);
  for (int64_t i = 0; i < deleted->n; ++i)
    b.deleted.add_bool(!deleted->is_null(i) && deleted->boolean(i));
  const codec::Column* ingest = table.find(kIngest);
  const codec::Column* seq = table.find(kSeq);
  if (s.loaded && ingest == nullptr && seq == nullptr) return b;
  if (ingest == nullptr || seq == nullptr)
    return corrupt("feature.segment", "a segment lacks its sequence");
  take_times(*ingest, &b.ingested.emplace(engine::Type::kTimestampUs));
  take_times(*seq, &b.seqs.emplace(engine::Type::kInt64));
  return b;
}

}  // namespace

struct SegmentWriter::State {
  Segment about;
  std::unique_ptr<store::BlobDraft> draft;
  std::unique_ptr<store::DraftSink> sink;
  std::unique_ptr<codec::TableWriter> writer;
  codec::Table batch;

  Status flush() {
    if (batch.rows == 0) return {};
    TRY(writer->write(batch));
    batch = codec::make_table(batch.schema);
    return {};
  }
};

SegmentWriter::SegmentWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
SegmentWriter::~SegmentWriter() = default;

Result<std::unique_ptr<SegmentWriter>> SegmentWriter::make(store::Blobs& blobs, Segment about) {
  auto s = std::make_unique<State>();
  std::vector<codec::Field> fields = fields_of(about);
  s->about = std::move(about);
  s->draft = TRY(blobs.create());
  s->sink = std::make_unique<store::DraftSink>(*s->draft);
  s->batch = codec::make_table(fields);
  s->writer = TRY(codec::make_table_writer(codec::Format::kParquet, std::move(fields), *s->sink));
  return std::unique_ptr<SegmentWriter>(new SegmentWriter(std::move(s)));
}

Status SegmentWriter::add(const Batch& b) {
  State& s = *state_;
  CHECK(b.schema == s.about.schema);
  const engine::Column event = b.event.view();
  for (int64_t row = 0; row < b.rows(); ++row) {
    for (size_t i = 0; i < b.schema.size(); ++i)
      add_to_column(&s.batch.columns[i], cell_at(b.columns[i].view(), row), b.schema[i].type);
    add_times(b, row, s.about.numbered, &s.batch);
    ++s.batch.rows;
    const int64_t t = event.i64(row);
    const bool first = s.about.rows == 0;
    s.about.min_event_us = first ? t : std::min(s.about.min_event_us, t);
    s.about.max_event_us = first ? t : std::max(s.about.max_event_us, t);
    if (s.about.numbered) {
      s.about.first_seq = first ? b.seq(row) : std::min(s.about.first_seq, b.seq(row));
      s.about.last_seq = first ? b.seq(row) : std::max(s.about.last_seq, b.seq(row));
      s.about.ingest_us = std::max(s.about.ingest_us, b.ingest(row));
    }
    ++s.about.rows;
    if (s.batch.rows >= codec::kTableBatchRows) TRY(s.flush());
  }
  return {};
}

Result<Segment> SegmentWriter::finish() {
  State& s = *state_;
  TRY(s.flush());
  TRY(s.writer->finish());
  s.about.bytes = s.draft->size();
  const store::Digest digest = TRY(s.draft->commit());
  s.about.digest = digest.text();
  return s.about;
}

Status History::read_segment(const Segment& segment, int64_t after_seq, const OnChunk& on_chunk,
                             int64_t* row) const {
  store::BlobSource source(TRY(deps_.blobs.open(TRY(codec::parse_sha256(segment.digest)))));
  const auto reader = TRY(codec::open_table(codec::Format::kParquet, source));
  int64_t seq = segment.first_seq;
  for (;;) {
    const std::optional<codec::Table> table = TRY(reader->next());
    if (!table) return {};
    const Batch batch = TRY(batch_of(segment, *table, seq));
    seq += table->rows;
    if (segment.last_seq > after_seq)
      TRY(on_chunk({.batch = batch, .first_row = *row, .loaded = segment.loaded}));
    *row += table->rows;
  }
}

}  // namespace slip::features
