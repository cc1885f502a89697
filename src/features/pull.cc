#include "features/pull.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "base/text.h"
#include "features/file_batches.h"

namespace slip::features {
namespace {

struct Best {
  std::tuple<int64_t, int64_t, int64_t> order;  // Event time, created, sequence.
  int64_t row = 0;                              // Of the reading.
  bool deleted = false;
};
using Key = std::vector<Cell>;

// The same rows in the same order each time.
using Visit = std::function<Status(const History::OnChunk&)>;

class Puller {
 public:
  Puller(const Pull& pull, const Source& source) : pull_(pull), source_(source) {}

  Status open(codec::Format as, codec::ByteSink& out) {
    for (const std::vector<std::string>* names : {&pull_.keys, &pull_.columns})
      for (const std::string& name : *names) TRY(add_column(name));
    for (const std::string* name : {&pull_.event_as, &pull_.created_as})
      if (!name->empty()) add_field(*name, {.type = engine::Type::kTimestampUs});
    writer_ = TRY(codec::make_table_writer(as, schema_, out));
    return {};
  }

  Status find_latest(const Visit& visit) {
    std::map<Key, Best> best;
    TRY(visit([&](const History::Chunk& chunk) -> Status {
      const Batch& batch = chunk.batch;
      const auto columns = columns_as(batch, fields_);
      for (int64_t i = 0; i < batch.rows(); ++i) {
        if (!within(batch, i)) continue;
        Key key;
        for (size_t k = 0; k < pull_.keys.size(); ++k) key.push_back(cell_at(columns[k].view(), i));
        const Best now{{batch.event.view().i64(i), batch.created_at(i), batch.seq(i)},
                       chunk.first_row + i,
                       batch.is_deleted(i)};
        const auto [at, fresh] = best.emplace(std::move(key), now);
        if (!fresh && at->second.order < now.order) at->second = now;
      }
      return {};
    }));
    for (const auto& [key, one] : best)
      if (!one.deleted) chosen_.push_back(one.row);
    std::ranges::sort(chosen_);
    return {};
  }

  Status write(const Visit& visit) {
    TRY(visit([&](const History::Chunk& chunk) { return write_chunk(chunk); }));
    return writer_->finish();
  }

 private:
  Status add_column(const std::string& name) {
    const FeatureField* field = source_.find(name);
    if (field == nullptr)
      return invalid("feature.column",
                     concat({"source ", pull_.source, " has no column '", name, "'"}));
    fields_.push_back(*field);
    add_field(name, field->type);
    return {};
  }
  void add_field(const std::string& name, const FeatureType& type) {
    schema_.push_back(codec::make_field(name, column_type_of(type)));
  }

  bool within(const Batch& batch, int64_t i) const {
    const engine::Column event = batch.event.view();
    return !event.is_null(i) && event.i64(i) >= pull_.start_us && event.i64(i) <= pull_.end_us;
  }
  bool wanted(const Batch& batch, int64_t i, int64_t row) const {
    if (pull_.latest) return std::ranges::binary_search(chosen_, row);
    return within(batch, i) && !batch.is_deleted(i);
  }

  Status write_chunk(const History::Chunk& chunk) {
    const Batch& batch = chunk.batch;
    std::vector<int64_t> rows;
    for (int64_t i = 0; i < batch.rows(); ++i)
      if (wanted(batch, i, chunk.first_row + i)) rows.push_back(i);
    if (rows.empty()) return {};
    codec::Table table = codec::make_table(schema_);
    const auto columns = columns_as(batch, fields_);
    for (size_t c = 0; c < fields_.size(); ++c) {
      const engine::Column column = columns[c].view();
      for (const int64_t i : rows)
        add_to_column(&table.columns[c], cell_at(column, i), fields_[c].type);
    }
    size_t c = fields_.size();
    if (!pull_.event_as.empty()) {
      for (const int64_t i : rows) table.columns[c].add_i64(batch.event.view().i64(i));
      ++c;
    }
    if (!pull_.created_as.empty())
      for (const int64_t i : rows) table.columns[c].add_i64(batch.created_at(i));
    table.rows = static_cast<int64_t>(rows.size());
    return writer_->write(table);
  }

  const Pull& pull_;
  const Source& source_;
  std::vector<FeatureField> fields_;  // Keys, then columns.
  std::vector<codec::Field> schema_;
  std::vector<int64_t> chosen_;  // Ascending.
  std::unique_ptr<codec::TableWriter> writer_;
};

Result<Source> source_of(const Features& features, const std::string& project,
                         const std::string& name) {
  Ctx ctx;
  ctx.project.text = project;
  return features.source_for(ctx, name, "");
}

}  // namespace

Status pull_file(Features& features, const Pull& pull, codec::Format as, codec::ByteSink& out) {
  const Source source = TRY(source_of(features, pull.project, pull.source));
  Puller puller(pull, source);
  TRY(puller.open(as, out));
  History::Reading reading;
  reading.project = pull.project;
  reading.source = pull.source;
  reading.from_us = pull.start_us;
  reading.to_us = pull.end_us;
  const History::View rows = TRY(features.history().read(reading));
  const Visit visit = [&](const History::OnChunk& on_chunk) { return rows.visit(on_chunk); };
  if (pull.latest) TRY(puller.find_latest(visit));
  return puller.write(visit);
}

Status pull_rows(const std::function<Result<std::unique_ptr<FileRows>>()>& open, const Pull& pull,
                 codec::Format as, codec::ByteSink& out) {
  Source source;
  source.event_time = pull.event_as;
  source.created_time = pull.created_as;
  const std::unique_ptr<FileRows> first = TRY(open());
  for (const codec::Field& f : first->rows().schema())
    if (f.readable && f.name != source.event_time && f.name != source.created_time)
      source.columns.push_back({f.name, type_of_column(f.type)});
  Puller puller(pull, source);
  TRY(puller.open(as, out));
  const Visit visit = [&](const History::OnChunk& on_chunk) -> Status {
    const std::unique_ptr<FileRows> rows = TRY(open());
    FileBatches file = TRY(FileBatches::open(rows->rows(), source));
    while (std::optional<Batch> batch = TRY(file.next())) {
      batch->first_seq = file.first_row();
      TRY(on_chunk({.batch = *batch, .first_row = file.first_row(), .loaded = true}));
    }
    return {};
  };
  if (pull.latest) TRY(puller.find_latest(visit));
  return puller.write(visit);
}

Result<std::vector<FeatureField>> columns_of(const Features& features, const std::string& project,
                                             const std::string& name) {
  const Source source = TRY(source_of(features, project, name));
  std::vector<FeatureField> out{{source.event_time, {.type = engine::Type::kTimestampUs}}};
  if (!source.created_time.empty())
    out.push_back({source.created_time, {.type = engine::Type::kTimestampUs}});
  out.insert(out.end(), source.columns.begin(), source.columns.end());
  return out;
}

}  // namespace slip::features
