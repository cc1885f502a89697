#include "core/query/convert.h"

#include <cstring>
#include <limits>

#include "base/check.h"
#include "base/text.h"

namespace slip::query {
namespace {

using codec::ColumnType;

bool is_set(const uint64_t* bits, int64_t row) {
  return bits == nullptr || (bits[row / 64] >> (row % 64) & 1) != 0;
}

template <class T, class Add>
void each(const void* data, const uint64_t* valid, int64_t rows, codec::Column* column,
          const Add& add) {
  const auto* values = static_cast<const T*>(data);
  for (int64_t i = 0; i < rows; ++i) {
    if (is_set(valid, i))
      add(values[i]);
    else
      column->add_null();
  }
}

template <class T>
void whole_numbers(const void* data, const uint64_t* valid, int64_t rows, codec::Column* column) {
  each<T>(data, valid, rows, column, [&](T v) { column->add_i64(static_cast<int64_t>(v)); });
}

template <class T>
void reals(const void* data, const uint64_t* valid, int64_t rows, codec::Column* column) {
  each<T>(data, valid, rows, column, [&](T v) { column->add_f64(static_cast<double>(v)); });
}

// Infinity is the greatest number of the type, and its negative.
Status times(const void* data, const uint64_t* valid, int64_t rows, codec::Column* column) {
  constexpr int64_t kEndless = std::numeric_limits<int64_t>::max();
  bool finite = true;
  each<int64_t>(data, valid, rows, column, [&](int64_t v) {
    finite = finite && v != kEndless && v != -kEndless;
    column->add_i64(v);
  });
  if (!finite) return invalid("sql.range", "an infinite time");
  return {};
}

void texts(const void* data, const uint64_t* valid, int64_t rows, codec::Column* column) {
  each<DuckText>(data, valid, rows, column, [&](const DuckText& v) {
    const char* at = v.size <= kDuckTextInPlace ? v.prefix.data() : v.at;
    column->add_text({at, v.size});
  });
}

}  // namespace

DuckType type_for(ColumnType type) {
  switch (type) {
    case ColumnType::kBool:
      return DuckType::kBool;
    case ColumnType::kInt64:
      return DuckType::kInt64;
    case ColumnType::kDouble:
      return DuckType::kDouble;
    case ColumnType::kText:
      return DuckType::kText;
    case ColumnType::kBytes:
      return DuckType::kBlob;
    case ColumnType::kTimestampUs:
      return DuckType::kTimestamp;
  }
  CHECK(false);
}

bool is_native(DuckType type) {
  if (type == DuckType::kUint64 || type == DuckType::kDate) return false;  // Beyond int64.
  return (type >= DuckType::kBool && type <= DuckType::kDate) || type == DuckType::kText ||
         type == DuckType::kBlob || type == DuckType::kTimestampTz;
}

ColumnType column_for(DuckType type) {
  if (type == DuckType::kBool) return ColumnType::kBool;
  if (type >= DuckType::kInt8 && type <= DuckType::kUint64) return ColumnType::kInt64;
  switch (type) {
    case DuckType::kFloat:
    case DuckType::kDouble:
    case DuckType::kDecimal:
      return ColumnType::kDouble;
    case DuckType::kHuge:
    case DuckType::kUnsignedHuge:
      return ColumnType::kInt64;
    case DuckType::kTimestamp:
    case DuckType::kTimestampTz:
    case DuckType::kTimestampS:
    case DuckType::kTimestampMs:
    case DuckType::kTimestampNs:
    case DuckType::kDate:
      return ColumnType::kTimestampUs;
    case DuckType::kBlob:
      return ColumnType::kBytes;
    default:
      return ColumnType::kText;
  }
}

Cast cast_of(DuckType type, const std::string& column) {
  const auto cast = [&](std::string_view to) {
    return Cast{concat({"CAST(", column, " AS ", to, ")"}), ""};
  };
  switch (type) {
    case DuckType::kUint64:
    case DuckType::kHuge:
    case DuckType::kUnsignedHuge:
      return cast("BIGINT");
    case DuckType::kDecimal:
      return cast("DOUBLE");
    case DuckType::kTimestampS:
    case DuckType::kTimestampMs:
    case DuckType::kTimestampNs:
    case DuckType::kDate:
      return cast("TIMESTAMP");
    case DuckType::kList:
    case DuckType::kArray:
    case DuckType::kStruct:
    case DuckType::kMap:
    case DuckType::kUnion:
      return {concat({"CAST(to_json(", column, ") AS VARCHAR)"}), "json"};
    default:
      return is_native(type) ? Cast{column, ""} : cast("VARCHAR");
  }
}

void put(const DuckApi& api, const codec::Column& column, int64_t from, int64_t rows,
         void* vector) {
  if (column.nulls > 0 || !column.validity.empty()) {
    api.vector_ensure_validity_writable(vector);
    uint64_t* valid = api.vector_get_validity(vector);
    for (int64_t i = 0; i < rows; ++i)
      if (column.is_null(from + i)) valid[i / 64] &= ~(uint64_t{1} << (i % 64));
  }
  void* data = api.vector_get_data(vector);
  switch (column.type) {
    case ColumnType::kBool: {
      auto* to = static_cast<uint8_t*>(data);
      for (int64_t i = 0; i < rows; ++i) to[i] = column.boolean(from + i) ? 1 : 0;
      return;
    }
    case ColumnType::kInt64:
    case ColumnType::kDouble:
    case ColumnType::kTimestampUs:
      std::memcpy(data, column.data.data() + static_cast<size_t>(from) * 8,
                  static_cast<size_t>(rows) * 8);
      return;
    case ColumnType::kText:
    case ColumnType::kBytes:
      for (int64_t i = 0; i < rows; ++i) {
        if (column.is_null(from + i)) continue;
        const std::string_view text = column.text(from + i);
        api.vector_assign_string_element_len(vector, static_cast<uint64_t>(i), text.data(),
                                             text.size());
      }
  }
}

Status take(const DuckApi& api, DuckType type, void* vector, int64_t rows, codec::Column* column) {
  const void* data = api.vector_get_data(vector);
  const uint64_t* valid = api.vector_get_validity(vector);
  switch (type) {
    case DuckType::kBool:
      each<uint8_t>(data, valid, rows, column, [&](uint8_t v) { column->add_bool(v != 0); });
      return {};
    case DuckType::kInt8:
      return whole_numbers<int8_t>(data, valid, rows, column), Status();
    case DuckType::kInt16:
      return whole_numbers<int16_t>(data, valid, rows, column), Status();
    case DuckType::kInt32:
      return whole_numbers<int32_t>(data, valid, rows, column), Status();
    case DuckType::kInt64:
      return whole_numbers<int64_t>(data, valid, rows, column), Status();
    case DuckType::kUint8:
      return whole_numbers<uint8_t>(data, valid, rows, column), Status();
    case DuckType::kUint16:
      return whole_numbers<uint16_t>(data, valid, rows, column), Status();
    case DuckType::kUint32:
      return whole_numbers<uint32_t>(data, valid, rows, column), Status();
    case DuckType::kFloat:
      return reals<float>(data, valid, rows, column), Status();
    case DuckType::kDouble:
      return reals<double>(data, valid, rows, column), Status();
    case DuckType::kTimestamp:
    case DuckType::kTimestampTz:
      return times(data, valid, rows, column);
    default:
      return texts(data, valid, rows, column), Status();
  }
}

}  // namespace slip::query
