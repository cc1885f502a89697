#include "codec/arrow_shape.h"

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>

#include "base/guard.h"
#include "codec/arrow_io.h"

namespace slip::codec {
namespace {

arrow::Result<ArrowShape> shape_of(std::string_view stream, arrow::MemoryPool* pool) {
  arrow::ipc::IpcReadOptions options = arrow::ipc::IpcReadOptions::Defaults();
  options.memory_pool = pool;
  options.use_threads = false;
  arrow::io::BufferReader bytes(std::make_shared<arrow::Buffer>(stream));
  ARROW_ASSIGN_OR_RAISE(const auto reader,
                        arrow::ipc::RecordBatchStreamReader::Open(&bytes, options));
  ArrowShape out;
  for (const auto& field : reader->schema()->fields())
    out.columns.push_back({field->name(), field->type()->ToString()});
  while (true) {
    std::shared_ptr<arrow::RecordBatch> batch;
    ARROW_RETURN_NOT_OK(reader->ReadNext(&batch));
    if (!batch) return out;
    ARROW_RETURN_NOT_OK(batch->ValidateFull());
    out.rows += batch->num_rows();
  }
}

}  // namespace

Result<ArrowShape> arrow_shape(std::string_view stream) {
  arrow::CappedMemoryPool pool(arrow::system_memory_pool(), arrow_io::kArrowBytesMax);
  Result<arrow::Result<ArrowShape>> done =
      guarded(Code::kInvalid, "table.syntax", [&] { return shape_of(stream, &pool); });
  if (!done.ok()) return std::move(done).error();
  TRY(arrow_io::take(done->status()));
  return done->MoveValueUnsafe();
}

}  // namespace slip::codec
