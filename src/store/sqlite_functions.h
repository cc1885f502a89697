#pragma once

#include "base/result.h"

struct sqlite3;

// SQL functions that PostgreSQL has and SQLite lacks, under PostgreSQL's names, so that one
// statement runs on both. Private to store/.
namespace slip::store {

// split_part(text, delimiter, n): the n-th piece, from 1; '' when there are fewer.
Status add_sqlite_functions(sqlite3* db);

}  // namespace slip::store
