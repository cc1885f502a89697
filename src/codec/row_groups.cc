#include "codec/row_groups.h"

#include <arrow/api.h>
#include <parquet/api/reader.h>
#include <parquet/statistics.h>

#include "base/guard.h"
#include "base/text.h"
#include "codec/arrow_io.h"

namespace slip::codec {
namespace {

using Bounds = std::optional<RowGroup::Bounds>;

struct Unit {
  int64_t times = 1, divided_by = 1;
};

// How a stored number becomes ours; nothing when its order is another.
std::optional<Unit> unit_of(const parquet::ColumnDescriptor& column) {
  const bool wide = column.physical_type() == parquet::Type::INT64;
  if (!wide && column.physical_type() != parquet::Type::INT32) return std::nullopt;
  const auto& logical = column.logical_type();
  if (!logical || logical->is_none()) return Unit{};
  if (logical->is_int() && static_cast<const parquet::IntLogicalType&>(*logical).is_signed())
    return Unit{};
  if (!logical->is_timestamp() || !wide) return std::nullopt;
  switch (static_cast<const parquet::TimestampLogicalType&>(*logical).time_unit()) {
    case parquet::LogicalType::TimeUnit::MILLIS:
      return Unit{1000, 1};
    case parquet::LogicalType::TimeUnit::MICROS:
      return Unit{1, 1};
    case parquet::LogicalType::TimeUnit::NANOS:
      return Unit{1, 1000};
    default:
      return std::nullopt;
  }
}

template <class Type>
Bounds bounds_as(const parquet::Statistics& statistics, Unit unit) {
  const auto& typed = static_cast<const parquet::TypedStatistics<Type>&>(statistics);
  RowGroup::Bounds out;
  if (__builtin_mul_overflow(int64_t{typed.min()}, unit.times, &out.min) ||
      __builtin_mul_overflow(int64_t{typed.max()}, unit.times, &out.max))
    return std::nullopt;
  // Quotients are rounded outwards.
  out.min = out.min / unit.divided_by - (out.min % unit.divided_by < 0 ? 1 : 0);
  out.max = out.max / unit.divided_by + (out.max % unit.divided_by > 0 ? 1 : 0);
  return out;
}

Bounds bounds_of(const parquet::RowGroupMetaData& group, int column) {
  const parquet::ColumnDescriptor& described = *group.schema()->Column(column);
  const std::optional<Unit> unit = unit_of(described);
  const auto chunk = group.ColumnChunk(column);
  if (!unit || !chunk->is_stats_set()) return std::nullopt;
  const auto statistics = chunk->statistics();
  if (!statistics || !statistics->HasMinMax()) return std::nullopt;
  return described.physical_type() == parquet::Type::INT64
             ? bounds_as<parquet::Int64Type>(*statistics, *unit)
             : bounds_as<parquet::Int32Type>(*statistics, *unit);
}

// A leaf beneath `x` whose path reads like the name of the column `x.y` is another one.
int column_at(const parquet::SchemaDescriptor& schema, const std::string& name) {
  for (int i = 0; i < schema.num_columns(); ++i) {
    const parquet::ColumnDescriptor& column = *schema.Column(i);
    if (column.name() == name && column.path()->ToDotVector().size() == 1) return i;
  }
  return -1;
}

}  // namespace

Result<std::vector<RowGroup>> parquet_row_groups(ByteSource& source,
                                                 std::span<const std::string> columns) {
  const arrow_io::SourceFile file = arrow_io::open_source(source, arrow::system_memory_pool());
  std::vector<RowGroup> out;
  std::string missing;
  const Result<arrow::Status> done = guarded(Code::kInvalid, "table.syntax", [&] {
    const auto reader = parquet::ParquetFileReader::Open(file.file);
    const auto metadata = reader->metadata();
    std::vector<int> at;
    for (const std::string& name : columns) {
      at.push_back(column_at(*metadata->schema(), name));
      if (at.back() < 0) missing = name;
    }
    if (!missing.empty()) return arrow::Status::OK();
    int64_t first = 0;
    for (int g = 0; g < metadata->num_row_groups(); ++g) {
      const auto group = metadata->RowGroup(g);
      RowGroup row{first, group->num_rows(), {}};
      for (const int column : at) row.bounds.push_back(bounds_of(*group, column));
      first += row.rows;
      out.push_back(std::move(row));
    }
    return arrow::Status::OK();
  });
  if (*file.failure) return **file.failure;
  if (!done.ok()) return done.error();
  TRY(arrow_io::take(*done));
  if (!missing.empty()) return invalid("table.column", concat({"there is no column ", missing}));
  return out;
}

}  // namespace slip::codec
