#pragma once

#include <span>
#include <string>
#include <string_view>

#include "cli/command.h"
#include "codec/json.h"

// How an answer is shown: whole with --json, else as a table (aligned under titles on a terminal,
// tab-separated without titles else) or as lines of name and value. Pure.
namespace slip::cli {

struct Column {
  std::string_view title;  // "VERSION"
  std::string_view field;  // "version", "latency_us.p99"
};

// One value as a cell: text as it is, doubles in four significant digits, lists by ", ", nothing as
// "-". Line ends and tabs become spaces, so that a row stays a row.
std::string cell_of(const codec::Json* value);
// Follows dots through objects; null when a part is missing.
const codec::Json* field_of(const codec::Json& object, std::string_view path);

std::string table_of(std::span<const codec::Json> rows, std::span<const Column> columns,
                     bool aligned);
// A line for each member of an object; nested objects as compact JSON.
std::string fields_of(const codec::Json& object);

// `page` is {"items": […]} or any other object.
void print_rows(Call& call, const codec::Json& page, std::span<const Column> columns);
void print_fields(Call& call, const codec::Json& object);

}  // namespace slip::cli
