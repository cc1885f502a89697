#include "codec/joined.h"

#include <algorithm>

#include <arrow/api.h>
#include <arrow/compute/api.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/arrow/writer.h>

#include "base/guard.h"
#include "base/text.h"
#include "codec/arrow_io.h"

namespace slip::codec {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;
using arrow_io::SinkStream;
using arrow_io::SourceFile;

void add_leaves(const parquet::arrow::SchemaField& field, std::vector<int>* out) {
  if (field.children.empty()) out->push_back(field.column_index);
  for (const auto& child : field.children) add_leaves(child, out);
}

arrow::Result<TablePtr> take_rows(const TablePtr& from, const std::shared_ptr<arrow::Array>& rows) {
  ARROW_ASSIGN_OR_RAISE(const arrow::Datum out, arrow::compute::Take(from, rows));
  return out.table();
}

class Side {
 public:
  explicit Side(ByteSource& source)
      : file_(arrow_io::open_source(source, arrow::system_memory_pool())) {}

  arrow::Status open() {
    parquet::arrow::FileReaderBuilder builder;
    ARROW_RETURN_NOT_OK(builder.Open(file_.file));
    parquet::ArrowReaderProperties properties(false);
    properties.set_pre_buffer(false);
    ARROW_ASSIGN_OR_RAISE(reader_, builder.properties(properties)->Build());
    return reader_->GetSchema(&schema_);
  }
  const arrow_io::Failure& failure() const { return *file_.failure; }
  const arrow::Schema& schema() const { return *schema_; }
  int groups() const { return reader_->num_row_groups(); }
  int64_t group_rows(int group) const {
    return reader_->parquet_reader()->metadata()->RowGroup(group)->num_rows();
  }
  arrow::Result<TablePtr> group(int group) { return reader_->ReadRowGroup(group); }
  // Those columns, in that order.
  arrow::Result<TablePtr> group(int group, const std::vector<std::string>& columns) {
    std::vector<int> leaves;
    for (const std::string& name : columns)
      add_leaves(
          reader_->manifest().schema_fields[static_cast<size_t>(schema_->GetFieldIndex(name))],
          &leaves);
    ARROW_ASSIGN_OR_RAISE(const TablePtr read, reader_->ReadRowGroup(group, leaves));
    std::vector<int> order;
    for (const std::string& name : columns) order.push_back(read->schema()->GetFieldIndex(name));
    return read->SelectColumns(order);
  }

 private:
  SourceFile file_;
  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::shared_ptr<arrow::Schema> schema_;
};

class JoinedWriter {
 public:
  JoinedWriter(const Joined& joined, ByteSink& sink)
      : joined_(joined),
        entities_(joined.entities),
        source_(joined.source),
        sink_(arrow_io::open_sink(sink)) {}

  Status run() {
    TRY(checked([&] { return open(); }));
    for (const std::string& name : joined_.features)
      if (source_.schema().GetFieldIndex(name) < 0)
        return invalid("table.column", concat({"the source has no column ", name}));
    return checked([&]() -> arrow::Status {
      ARROW_RETURN_NOT_OK(fetch());
      return write();
    });
  }

 private:
  template <class F>
  Status checked(F&& f) {
    const Result<arrow::Status> done = guarded(Code::kInvalid, "table.syntax", f);
    for (const auto* failure : {&entities_.failure(), &source_.failure(), sink_.failure.get()})
      if (*failure) return **failure;
    if (!done.ok()) return done.error();
    return arrow_io::take(*done);
  }

  arrow::Status open() {
    ARROW_RETURN_NOT_OK(entities_.open());
    return source_.open();
  }

  // The features of every row that was chosen, once, in the source's order.
  arrow::Status fetch() {
    for (const int64_t row : joined_.rows)
      if (row >= 0) chosen_.push_back(row);
    std::sort(chosen_.begin(), chosen_.end());
    chosen_.erase(std::unique(chosen_.begin(), chosen_.end()), chosen_.end());
    std::vector<TablePtr> parts;
    int64_t first = 0;
    auto at = chosen_.begin();
    for (int g = 0; g < source_.groups(); ++g) {
      const int64_t end = first + source_.group_rows(g);
      arrow::Int64Builder rows;
      for (; at != chosen_.end() && *at < end; ++at) ARROW_RETURN_NOT_OK(rows.Append(*at - first));
      first = end;
      if (rows.length() == 0 && !(parts.empty() && g + 1 == source_.groups())) continue;
      ARROW_ASSIGN_OR_RAISE(const auto wanted, rows.Finish());
      ARROW_ASSIGN_OR_RAISE(const TablePtr all, source_.group(g, joined_.features));
      ARROW_ASSIGN_OR_RAISE(const TablePtr part, take_rows(all, wanted));
      parts.push_back(part);
    }
    if (at != chosen_.end()) return arrow::Status::Invalid("a row lies beyond the source's end");
    if (parts.empty()) {
      arrow::FieldVector fields;
      for (const std::string& name : joined_.features)
        fields.push_back(source_.schema().GetFieldByName(name));
      ARROW_ASSIGN_OR_RAISE(features_, arrow::Table::MakeEmpty(arrow::schema(std::move(fields))));
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(features_, arrow::ConcatenateTables(parts));
    ARROW_ASSIGN_OR_RAISE(features_, arrow::DictionaryUnifier::UnifyTable(*features_));
    ARROW_ASSIGN_OR_RAISE(features_, features_->CombineChunks());
    return arrow::Status::OK();
  }

  arrow::Result<std::shared_ptr<arrow::Array>> places(int64_t first, int64_t n) const {
    arrow::Int64Builder out;
    ARROW_RETURN_NOT_OK(out.Reserve(n));
    for (const int64_t row :
         joined_.rows.subspan(static_cast<size_t>(first), static_cast<size_t>(n))) {
      if (row < 0)
        out.UnsafeAppendNull();
      else
        out.UnsafeAppend(std::lower_bound(chosen_.begin(), chosen_.end(), row) - chosen_.begin());
    }
    return out.Finish();
  }

  arrow::Status open_writer() {
    arrow::FieldVector fields = entities_.schema().fields();
    for (const auto& field : features_->schema()->fields())
      fields.push_back(field->WithNullable(true));
    schema_ = arrow::schema(std::move(fields));
    const auto properties =
        parquet::WriterProperties::Builder().compression(parquet::Compression::ZSTD)->build();
    const auto keep = parquet::ArrowWriterProperties::Builder().store_schema()->build();
    ARROW_ASSIGN_OR_RAISE(writer_,
                          parquet::arrow::FileWriter::Open(*schema_, arrow::system_memory_pool(),
                                                           sink_.stream, properties, keep));
    return arrow::Status::OK();
  }

  arrow::Status write() {
    ARROW_RETURN_NOT_OK(open_writer());
    int64_t first = 0;
    for (int g = 0; g < entities_.groups(); ++g) {
      ARROW_ASSIGN_OR_RAISE(const TablePtr left, entities_.group(g));
      const int64_t n = left->num_rows();
      if (first + n > static_cast<int64_t>(joined_.rows.size()))
        return arrow::Status::Invalid("the entities have more rows than before");
      ARROW_ASSIGN_OR_RAISE(const auto at, places(first, n));
      ARROW_ASSIGN_OR_RAISE(const TablePtr right, take_rows(features_, at));
      std::vector<std::shared_ptr<arrow::ChunkedArray>> columns = left->columns();
      columns.insert(columns.end(), right->columns().begin(), right->columns().end());
      const TablePtr out = arrow::Table::Make(schema_, std::move(columns), n);
      ARROW_RETURN_NOT_OK(writer_->WriteTable(*out, std::max<int64_t>(n, 1)));
      first += n;
    }
    return writer_->Close();
  }

  const Joined& joined_;
  Side entities_;
  Side source_;
  SinkStream sink_;
  std::vector<int64_t> chosen_;
  TablePtr features_;
  std::shared_ptr<arrow::Schema> schema_;
  std::unique_ptr<parquet::arrow::FileWriter> writer_;
};

}  // namespace

Status write_joined(const Joined& joined, ByteSink& sink) {
  return JoinedWriter(joined, sink).run();
}

}  // namespace slip::codec
