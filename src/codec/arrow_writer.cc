#include <arrow/api.h>
#include <arrow/ipc/writer.h>
#include <parquet/arrow/writer.h>

#include "base/guard.h"
#include "base/text.h"
#include "codec/arrow_io.h"
#include "codec/table_internal.h"

// Writing Parquet and Arrow IPC streams; a batch's columns are borrowed, not copied.
namespace slip::codec {
namespace {

constexpr int64_t kRowGroupRows = 128 << 10;

using arrow_io::SinkStream;
using arrow_io::take;

std::shared_ptr<arrow::DataType> to_arrow_type(ColumnType type) {
  switch (type) {
    case ColumnType::kBool:
      return arrow::boolean();
    case ColumnType::kInt64:
      return arrow::int64();
    case ColumnType::kDouble:
      return arrow::float64();
    case ColumnType::kText:
      return arrow::utf8();
    case ColumnType::kBytes:
      return arrow::binary();
    case ColumnType::kTimestampUs:
      return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  }
  return arrow::null();
}

template <class T>
std::shared_ptr<arrow::Buffer> borrow(const std::vector<T>& bytes) {
  return std::make_shared<arrow::Buffer>(reinterpret_cast<const uint8_t*>(bytes.data()),
                                         static_cast<int64_t>(bytes.size() * sizeof(T)));
}

// The layouts are the same, so nothing is copied; the batch must not outlive the table.
std::shared_ptr<arrow::RecordBatch> borrow_batch(const std::shared_ptr<arrow::Schema>& schema,
                                                 const Table& table) {
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    const Column& c = table.columns[i];
    std::vector<std::shared_ptr<arrow::Buffer>> buffers;
    buffers.push_back(c.validity.empty() ? nullptr : borrow(c.validity));
    if (c.type == ColumnType::kText || c.type == ColumnType::kBytes)
      buffers.push_back(borrow(c.offsets));
    buffers.push_back(borrow(c.data));
    columns.push_back(arrow::ArrayData::Make(schema->field(static_cast<int>(i))->type(), c.n,
                                             std::move(buffers), c.nulls));
  }
  return arrow::RecordBatch::Make(schema, table.rows, std::move(columns));
}

class ArrowWriter final : public TableWriter {
 public:
  ArrowWriter(const std::vector<Field>& schema, ByteSink& sink)
      : stream_(arrow_io::open_sink(sink)) {
    arrow::FieldVector fields;
    for (const Field& f : schema)
      fields.push_back(arrow::field(f.name, to_arrow_type(f.type), f.nullable));
    schema_ = arrow::schema(std::move(fields));
  }

  Status open_parquet() {
    return run([&]() -> arrow::Status {
      parquet::WriterProperties::Builder properties;
      properties.memory_pool(arrow::system_memory_pool())
          ->compression(parquet::Compression::ZSTD)
          ->max_row_group_length(kRowGroupRows);
      for (const std::string& name : arrow_io::seldom_repeated(*schema_))
        properties.disable_dictionary(name);
      ARROW_ASSIGN_OR_RAISE(parquet_,
                            parquet::arrow::FileWriter::Open(*schema_, arrow::system_memory_pool(),
                                                             stream_.stream, properties.build()));
      return parquet_->NewBufferedRowGroup();
    });
  }
  Status open_ipc() {
    return run([&]() -> arrow::Status {
      arrow::ipc::IpcWriteOptions options = arrow::ipc::IpcWriteOptions::Defaults();
      options.memory_pool = arrow::system_memory_pool();
      options.use_threads = false;
      ARROW_ASSIGN_OR_RAISE(ipc_, arrow::ipc::MakeStreamWriter(stream_.stream, schema_, options));
      return arrow::Status::OK();
    });
  }

  Status write(const Table& batch) override {
    CHECK(batch.columns.size() == static_cast<size_t>(schema_->num_fields()));
    const std::shared_ptr<arrow::RecordBatch> rows = borrow_batch(schema_, batch);
    return run([&] {
      return parquet_ ? parquet_->WriteRecordBatch(*rows) : ipc_->WriteRecordBatch(*rows);
    });
  }

  Status finish() override {
    return run([&] { return parquet_ ? parquet_->Close() : ipc_->Close(); });
  }

 private:
  template <class F>
  Status run(F&& f) {
    const Result<arrow::Status> done = guarded(Code::kInternal, "table.write", f);
    if (*stream_.failure) return **stream_.failure;
    if (!done.ok()) return done.error();
    return take(*done);
  }

  SinkStream stream_;
  std::shared_ptr<arrow::Schema> schema_;
  std::unique_ptr<parquet::arrow::FileWriter> parquet_;
  std::shared_ptr<arrow::ipc::RecordBatchWriter> ipc_;
};

}  // namespace

Result<std::unique_ptr<TableWriter>> write_parquet(std::vector<Field> schema, ByteSink& sink) {
  auto writer = std::make_unique<ArrowWriter>(schema, sink);
  TRY(writer->open_parquet());
  return writer;
}

Result<std::unique_ptr<TableWriter>> write_arrow(std::vector<Field> schema, ByteSink& sink) {
  auto writer = std::make_unique<ArrowWriter>(schema, sink);
  TRY(writer->open_ipc());
  return writer;
}

}  // namespace slip::codec
