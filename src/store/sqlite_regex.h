#pragma once

#include "base/result.h"

struct sqlite3;

// SQL function regex_found(text, pattern) on SQLite, as store/sql.h's regex() calls it. Private to
// store/. A pattern is compiled once a statement.
namespace slip::store {

Status add_regex(sqlite3* db);

}  // namespace slip::store
