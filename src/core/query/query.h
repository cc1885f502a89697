#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/table.h"

namespace slip {
class Clock;
class Executor;
}  // namespace slip

// SQL over tables of ours: a private database (DuckDB) that holds copies of them and reaches
// nothing else. Rows are copied in, and one SELECT at a time is computed on the caller's thread. A
// Database and the readers of its queries belong to one thread at a time; readers go first. What
// the limits of memory and time leave out is in README.md.
//
// Errors: kInvalid `sql.query` (the engine's words, with the place), `sql.column`, `sql.range` (a
// value that no type of ours holds), `sql.table`; kExhausted `sql.memory`; kTimeout `sql.time`;
// kUnavailable `sql.engine`.
namespace slip::query {

// limits
inline constexpr size_t kQueryBytesMax = 256 << 10;

struct Options {
  std::string dir;  // For what memory doesn't hold: one that exists, this database's alone.
  int64_t memory_bytes = int64_t{512} << 20;
  int64_t disk_bytes = int64_t{64} << 30;
  // Asked all the time, by any thread; true, once and for good: the query ends with kTimeout.
  std::function<bool()> over = {};
  // Of the task that asks while the engine is busy. Null: it is asked between two steps alone.
  Executor* executor = nullptr;
  Clock* clock = nullptr;
};

class Database {
 public:
  static Result<std::unique_ptr<Database>> open(Options options);
  virtual ~Database() = default;

  // An empty table. Names are compared without case, as everywhere in SQL.
  virtual Status create(std::string_view table, const std::vector<codec::Field>& columns) = 0;
  virtual Status append(std::string_view table, const codec::Table& rows) = 0;
  // One SELECT of what there is now. Its rows come batch by batch, and tables may be made and
  // filled meanwhile; the next query comes when they are through.
  virtual Result<std::unique_ptr<codec::TableReader>> select(std::string_view query) = 0;
};

// Makes a table of everything that a reader has; columns that can't be read are left out.
Status fill(Database& database, std::string_view table, codec::TableReader& rows);
std::string quoted(std::string_view name);  // "a""b"

}  // namespace slip::query
