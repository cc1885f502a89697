#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/table.h"
#include "contract/checker.h"
#include "engine/column/column.h"
#include "store/plain_files.h"

// Tables of the caller's machine for commands that compute without a server: files as codec reads
// them, their columns as engines see them. One thread.
namespace slip::cli {

using store::FileBytes;
using store::FileSink;

engine::Type engine_type(codec::ColumnType type);
// The layouts are the same, so nothing is copied.
engine::Column view(const codec::Column& from);
std::vector<engine::Column> views(const codec::Table& table);
std::vector<contract::FieldFact> facts_of(const std::vector<codec::Field>& schema);

// Writes a neighbour that takes the file's place when it is whole.
Status write_whole(Fs& fs, const std::string& path, const std::function<Status(File&)>& fill);

std::string stem(std::string_view path);  // "orders" of "/w/orders.csv.gz".
// By its ending; kInvalid `usage.format`.
Result<codec::Format> table_format(std::string_view path);

}  // namespace slip::cli
