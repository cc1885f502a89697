#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/column/column.h"
#include "features/cell.h"

// The cells of one entity and view in one string: a bit a feature (set: not null), eight bytes a
// feature, then what has no fixed length. A number or time lies in its eight bytes, a text or list
// as offset and length of its bytes. Any cell is read without looking at the others. And keys:
// the join keys' values one after the other, typed, so that (12, 3) is not (1, 23). Pure.
namespace slip::features {

// Row `row` of columns whose types are `fields`'.
std::string pack_row(const std::vector<engine::Column>& columns, int64_t row);
// Whether the bytes, which lay elsewhere, hold such cells: no unpack_cell() reads past them.
bool packed_whole(std::string_view packed, std::span<const FeatureField> features);
Cell unpack_cell(std::string_view packed, size_t features, size_t i, const FeatureType& type);

// Appends one key's value. False for null: no key.
bool append_key(std::string* out, const Cell& cell);
bool append_key(std::string* out, const engine::Column& column, int64_t row);
// The values of a key, as they were appended. Nothing: these bytes are none.
std::optional<std::vector<Cell>> cells_of_key(std::string_view key);
// The keys of one row. Nothing when one of them is null.
std::optional<std::string> key_at(std::span<const engine::Column> keys, int64_t row);
std::optional<std::string> key_at(std::span<const engine::Values> keys, int64_t row);

}  // namespace slip::features
