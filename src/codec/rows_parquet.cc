#include <algorithm>

#include <arrow/api.h>
#include <arrow/io/interfaces.h>
#include <parquet/arrow/reader.h>

#include "base/guard.h"
#include "base/text.h"
#include "codec/rows_internal.h"

namespace slip::codec::rows {
namespace {

Error bad_parquet(const arrow::Status& status) {
  return invalid("rows.parquet", "not readable as Parquet: " + status.message());
}

// Our bytes as Arrow wants them. Used by one thread at a time.
class Source final : public arrow::io::RandomAccessFile {
 public:
  explicit Source(const RowBytes& bytes) : bytes_(bytes) {}

  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return position_; }
  arrow::Status Seek(int64_t position) override {
    position_ = position;
    return arrow::Status::OK();
  }
  arrow::Result<int64_t> GetSize() override { return bytes_.size; }
  arrow::Result<int64_t> ReadAt(int64_t position, int64_t count, void* out) override {
    int64_t done = 0;
    while (done < count) {
      const slip::Result<size_t> n = bytes_.read_at(
          position + done,
          std::span(static_cast<char*>(out) + done, static_cast<size_t>(count - done)));
      if (!n.ok()) return arrow::Status::IOError(n.error().text);
      if (*n == 0) break;
      done += static_cast<int64_t>(*n);
    }
    return done;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t count) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(count));
    ARROW_ASSIGN_OR_RAISE(const int64_t n, ReadAt(position, count, buffer->mutable_data()));
    ARROW_RETURN_NOT_OK(buffer->Resize(n));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }
  arrow::Result<int64_t> Read(int64_t count, void* out) override {
    ARROW_ASSIGN_OR_RAISE(const int64_t n, ReadAt(position_, count, out));
    position_ += n;
    return n;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t count) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(position_, count));
    position_ += buffer->size();
    return buffer;
  }

 private:
  const RowBytes& bytes_;
  int64_t position_ = 0;
  bool closed_ = false;
};

std::string_view type_name(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::BOOL:
      return "bool";
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
    case arrow::Type::UINT8:
    case arrow::Type::UINT16:
    case arrow::Type::UINT32:
    case arrow::Type::UINT64:
      return "int64";
    case arrow::Type::HALF_FLOAT:
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:
      return "double";
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::DICTIONARY:
      return "string";
    case arrow::Type::TIMESTAMP:
      return "timestamp";
    case arrow::Type::DATE32:
    case arrow::Type::DATE64:
      return "date";
    case arrow::Type::DECIMAL128:
    case arrow::Type::DECIMAL256:
      return "decimal";
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::FIXED_SIZE_BINARY:
      return "binary";
    default:
      return "json";
  }
}

template <class ArrayType>
double plain(const arrow::Array& array, int64_t i) {
  return static_cast<double>(static_cast<const ArrayType&>(array).Value(i));
}

Json value_of(const arrow::Array& array, int64_t i) {
  if (array.IsNull(i)) return Json();
  switch (array.type_id()) {
    case arrow::Type::BOOL:
      return static_cast<const arrow::BooleanArray&>(array).Value(i);
    case arrow::Type::INT64:
      return static_cast<const arrow::Int64Array&>(array).Value(i);
    case arrow::Type::INT32:
      return int64_t{static_cast<const arrow::Int32Array&>(array).Value(i)};
    case arrow::Type::FLOAT:
      return plain<arrow::FloatArray>(array, i);
    case arrow::Type::DOUBLE:
      return plain<arrow::DoubleArray>(array, i);
    case arrow::Type::STRING:
      return static_cast<const arrow::StringArray&>(array).GetView(i);
    case arrow::Type::LARGE_STRING:
      return static_cast<const arrow::LargeStringArray&>(array).GetView(i);
    default:
      break;
  }
  const auto scalar = array.GetScalar(i);
  if (!scalar.ok()) return Json();
  std::string text = (*scalar)->ToString();
  if (type_name(*array.type()) == "int64")
    if (const auto n = parse_int(text)) return *n;
  return text;
}

Result<std::unique_ptr<parquet::arrow::FileReader>> open(const RowBytes& bytes) {
  auto opened =
      parquet::arrow::OpenFile(std::make_shared<Source>(bytes), arrow::default_memory_pool());
  if (!opened.ok()) return bad_parquet(opened.status());
  auto reader = std::move(opened).ValueOrDie();
  reader->set_use_threads(false);
  return reader;
}

Result<RowSchema> scan(const RowBytes& bytes) {
  const std::unique_ptr<parquet::arrow::FileReader> reader = TRY(open(bytes));
  std::shared_ptr<arrow::Schema> schema;
  if (const arrow::Status s = reader->GetSchema(&schema); !s.ok()) return bad_parquet(s);
  RowSchema out;
  if (static_cast<size_t>(schema->num_fields()) > kRowColumnsMax)
    return exhausted("rows.too_large", "more columns than " + std::to_string(kRowColumnsMax));
  for (const auto& field : schema->fields())
    out.columns.push_back({field->name(), std::string(type_name(*field->type())), false});
  // Everything is read once, so that a file with a damaged page isn't accepted.
  for (int group = 0; group < reader->num_row_groups(); ++group) {
    auto read = reader->ReadRowGroup(group);
    if (!read.ok()) return bad_parquet(read.status());
    const std::shared_ptr<arrow::Table>& table = *read;
    out.rows += table->num_rows();
    for (int c = 0; c < table->num_columns(); ++c)
      if (table->column(c)->null_count() > 0) out.columns[static_cast<size_t>(c)].nullable = true;
  }
  return out;
}

Status each(const RowBytes& bytes, const std::vector<RowColumn>& columns, int64_t rows_max,
            const OnRow& on_row) {
  const std::unique_ptr<parquet::arrow::FileReader> reader = TRY(open(bytes));
  int64_t rows = 0;
  for (int group = 0; group < reader->num_row_groups() && rows < rows_max; ++group) {
    auto read = reader->ReadRowGroup(group);
    if (!read.ok()) return bad_parquet(read.status());
    auto whole = (*read)->CombineChunksToBatch();
    if (!whole.ok()) return bad_parquet(whole.status());
    const std::shared_ptr<arrow::RecordBatch>& batch = *whole;
    std::vector<std::pair<std::string_view, std::shared_ptr<arrow::Array>>> wanted;
    for (const RowColumn& column : columns)
      if (auto array = batch->GetColumnByName(column.name)) wanted.emplace_back(column.name, array);
    for (int64_t i = 0; i < batch->num_rows() && rows < rows_max; ++i, ++rows) {
      Json row = Json::object();
      for (const auto& [name, array] : wanted) row.set(name, value_of(*array, i));
      TRY(on_row(row));
    }
  }
  return {};
}

}  // namespace

Result<RowSchema> scan_parquet(const RowBytes& bytes) {
  Result<Result<RowSchema>> done =
      guarded(Code::kInvalid, "rows.parquet", [&] { return scan(bytes); });
  if (!done.ok()) return std::move(done).error();
  return std::move(done).value();
}

Status each_parquet(const RowBytes& bytes, const std::vector<RowColumn>& columns, int64_t rows_max,
                    const OnRow& on_row) {
  Result<Status> done = guarded(Code::kInvalid, "rows.parquet",
                                [&] { return each(bytes, columns, rows_max, on_row); });
  if (!done.ok()) return std::move(done).error();
  return std::move(done).value();
}

}  // namespace slip::codec::rows
