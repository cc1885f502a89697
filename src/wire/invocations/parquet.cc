#include <algorithm>

#include "base/text.h"
#include "codec/table.h"
#include "wire/invocations/frame.h"
#include "wire/invocations/invocations.h"

// Tables as Parquet, which a small file can make much of: rows and cells are bounded while they are
// read.
namespace slip::wire::invocations {
namespace {

using codec::Column;
using codec::ColumnType;
using codec::Json;

constexpr int64_t kCellsMax = 5'000'000;
constexpr int64_t kBatchCells = 1 << 20;

Json cell(const Column& column, int64_t row) {
  if (column.is_null(row)) return {};
  switch (column.type) {
    case ColumnType::kBool:
      return column.boolean(row);
    case ColumnType::kInt64:
    case ColumnType::kTimestampUs:
      return column.i64(row);
    case ColumnType::kDouble:
      return column.f64(row);
    case ColumnType::kText:
    case ColumnType::kBytes:
      return column.text(row);
  }
  CHECK(false);
}

Error bad(const Error& error) {
  return invalid("invocations.body", concat({"the Parquet file cannot be read: ", error.text}));
}

Status take_batch(const codec::Table& batch, Frame* frame) {
  frame->rows += batch.rows;
  const auto columns = static_cast<int64_t>(frame->columns.size());
  if (frame->rows > kRowsMax || frame->rows > kCellsMax / std::max<int64_t>(columns, 1))
    return invalid("invocations.body", "the table has too many rows");
  for (size_t c = 0; c < batch.columns.size(); ++c)
    for (int64_t r = 0; r < batch.rows; ++r) frame->values[c].push_back(cell(batch.columns[c], r));
  return {};
}

}  // namespace

Result<Input> parse_parquet_input(std::string_view body) {
  const std::unique_ptr<codec::ByteSource> source = codec::text_source(std::string(body));
  auto probe = codec::open_table(codec::Format::kParquet, *source, {});
  if (!probe.ok()) return bad(probe.error());
  Input input;
  Frame& frame = input.frame;
  codec::ReadOptions options;
  for (const codec::Field& field : (*probe)->schema())
    if (field.readable) frame.columns.push_back(field.name);
  if (frame.columns.empty()) return invalid("invocations.body", "the Parquet file has no columns");
  options.columns = frame.columns;
  options.batch_rows = std::clamp<int64_t>(kBatchCells / static_cast<int64_t>(frame.columns.size()),
                                           1, codec::kTableBatchRows);
  auto reader = codec::open_table(codec::Format::kParquet, *source, options);
  if (!reader.ok()) return bad(reader.error());
  frame.values.resize(frame.columns.size());
  for (;;) {
    auto batch = (*reader)->next();
    if (!batch.ok()) return bad(batch.error());
    if (!*batch) return input;
    TRY(take_batch(**batch, &frame));
  }
}

}  // namespace slip::wire::invocations
