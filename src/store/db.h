#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace slip {
class Clock;
class Executor;
class Fs;
class Log;
}  // namespace slip

// The metadata database: SQLite by default, PostgreSQL when outgrown, one set of statements.
//
// The dialect. Columns: BIGINT, DOUBLE PRECISION (finite only), TEXT (compares bytewise on both),
// BYTEA. Placeholders `?`. Allowed: ON CONFLICT, RETURNING, CTEs, window functions, LIMIT. Not
// allowed: AUTOINCREMENT, SERIAL, rowid, OFFSET, NOW(), LIKE (use like_case/ilike via sql helpers),
// statements that differ between the two. No placeholder may be used where a type cannot be
// inferred (write CAST(? AS BIGINT)).
//
// A write body may run more than once (group replay, serialization failure), so it has no effect
// but on its Tx and its outputs, which it sets anew each time. Any failed statement dooms the
// body: return its error. At most kWriteRowsMax rows a body.
namespace slip::store {

inline constexpr int64_t kWriteRowsMax = 1000;

struct Blob {  // Bytes, as against text.
  std::string_view bytes;
};
using Value = std::variant<std::nullptr_t, int64_t, double, std::string_view, Blob>;

// A value that is NULL when the optional is empty.
template <class T>
Value maybe(const std::optional<T>& v) {
  if (!v) return nullptr;
  return Value(*v);
}

class Row {
 public:
  virtual ~Row() = default;
  virtual bool is_null(int column) const = 0;
  virtual int64_t i64(int column) const = 0;            // 0 for NULL.
  virtual double f64(int column) const = 0;             // 0 for NULL.
  virtual std::string_view text(int column) const = 0;  // Valid until the next row; "" for NULL.
  virtual std::string_view blob(int column) const = 0;
  std::string str(int column) const { return std::string(text(column)); }
};

// One transaction. Only Db::read and Db::write make one; a returned Error rolls it back.
class Tx {
 public:
  virtual ~Tx() = default;

  // Rows changed. kExists `store.constraint` for a violated key.
  Result<int64_t> exec(std::string_view sql, std::initializer_list<Value> args) {
    return run(sql, std::span(args.begin(), args.size()), nullptr);
  }
  Result<int64_t> exec(std::string_view sql, std::span<const Value> args) {
    return run(sql, args, nullptr);
  }
  Status each(std::string_view sql, std::initializer_list<Value> args,
              const std::function<void(const Row&)>& on_row) {
    return each(sql, std::span(args.begin(), args.size()), on_row);
  }
  Status each(std::string_view sql, std::span<const Value> args,
              const std::function<void(const Row&)>& on_row) {
    TRY(run(sql, args, &on_row));
    return {};
  }
  // Calls `on_row` for the first row if there is one; true when there was.
  Result<bool> first(std::string_view sql, std::initializer_list<Value> args,
                     const std::function<void(const Row&)>& on_row);

 private:
  virtual Result<int64_t> run(std::string_view sql, std::span<const Value> args,
                              const std::function<void(const Row&)>* on_row) = 0;
};

// Any thread. read(): a consistent snapshot. write(): returns after the commit is on the disk.
class Db {
 public:
  using Body = std::function<Status(Tx&)>;

  virtual ~Db() = default;
  virtual Status read(const Body& body) = 0;
  virtual Status write(const Body& body) = 0;
  virtual std::string_view kind() const = 0;  // "sqlite", "postgres"
};

// Numbered, forward-only steps of one module ("registry", 1, "CREATE TABLE …; CREATE INDEX …").
// A step runs once, in its own transaction, in order of (module as listed, number).
struct Migration {
  std::string_view module;
  int64_t number = 0;
  std::string_view sql;
};

// Applies what is missing. kConflict `store.schema_newer` when the database knows a step that this
// binary does not: the data was written by a newer version.
Status migrate(Db& db, std::span<const Migration> steps);

struct SqliteOptions {
  int readers = 4;
  int64_t cache_bytes = 16 << 20;
  size_t queue_max = 4096;  // Waiting write bodies, then kExhausted `store.queue_full`.
};
// `path` of the database file. Takes sys interfaces so that the simulator can stand in: with a
// simulated Fs, SQLite runs on a VFS over it.
struct World {
  Fs& fs;
  Clock& clock;
  Executor& executor;
  Log& log;
};
Result<std::unique_ptr<Db>> open_sqlite(World world, const std::string& path,
                                        SqliteOptions options);
// `url`: postgresql://user:password@host:port/db. Pooled connections, SERIALIZABLE writes with
// bounded retries.
Result<std::unique_ptr<Db>> open_postgres(World world, const std::string& url);

}  // namespace slip::store
