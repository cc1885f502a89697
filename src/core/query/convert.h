#pragma once

#include <string>

#include "base/result.h"
#include "codec/table.h"
#include "core/query/duckdb_api.h"

// Values between the engine's vectors and our columns. Pure but for the vectors; one thread.
namespace slip::query {

DuckType type_for(codec::ColumnType type);
// What a column of that type is read as; text for what is_native() denies until it is cast.
codec::ColumnType column_for(DuckType type);
bool is_native(DuckType type);
// The type's expression over `column` that gives a native one, with the name of what it stands for:
// "" or "json".
struct Cast {
  std::string expression;
  std::string type_name;
};
Cast cast_of(DuckType type, const std::string& column);

// Rows [from, from + rows) of a column into a vector that is empty.
void put(const DuckApi& api, const codec::Column& column, int64_t from, int64_t rows, void* vector);
// kInvalid `sql.range`: an infinite time.
Status take(const DuckApi& api, DuckType type, void* vector, int64_t rows, codec::Column* column);

}  // namespace slip::query
