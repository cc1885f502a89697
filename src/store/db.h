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
// The dialect. Columns: BIGINT, DOUBLE PRECISION (finite; -0.0 may come back as 0.0), TEXT
// (compares bytewise on both), BYTEA. Placeholders `?`. Allowed: ON CONFLICT, RETURNING, CTEs,
// window functions, LIMIT. Not allowed: AUTOINCREMENT, SERIAL, rowid, OFFSET, NOW(), bare LIKE (use
// like_case/ilike of sql.h), statements that differ between the two. No placeholder may be used
// where a type cannot be inferred (write CAST(? AS BIGINT)). A CREATE TABLE of a migration that
// ends in `/* clustered */` keeps its rows in the primary key where the database can (SQLite).
//
// A write body may run more than once (group replay, serialization failure), so it has no effect
// but on its Tx and its outputs, which it sets anew each time. Any failed statement dooms the
// body: return its error. Bodies don't nest: one that calls read() or write() of its own database
// gets kInternal `store.nested`.
//
// Errors: kExists `store.constraint` for a key that is taken, kConflict `store.constraint` for any
// other constraint, kExhausted `store.queue_full` and `store.full`, kUnavailable `store.io`,
// `store.busy` and `store.closed`, kCorrupt `store.corrupt`, kForbidden `store.read_only`,
// kInvalid `store.text`, `store.not_finite` and `store.too_many_rows`, kInternal `store.sql`.
namespace slip::store {

// Plan bodies for kWriteRowsMax rows; one that changes more than kWriteRowsRefused is refused.
inline constexpr int64_t kWriteRowsMax = 1000;
inline constexpr int64_t kWriteRowsRefused = 10'000;

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
  friend class SchemaStep;
  virtual Result<int64_t> run(std::string_view sql, std::span<const Value> args,
                              const std::function<void(const Row&)>* on_row) = 0;
  // From here on any number of rows may change and it may take long: schema steps move whole
  // tables.
  virtual Status unbound() = 0;
};

struct DbStats {
  int64_t writes = 0;   // Bodies that were acknowledged.
  int64_t commits = 0;  // Transactions that carried them: writes / commits is the mean group.
  int64_t replays = 0;  // Bodies run again, alone or after a serialization failure.
};

// Any thread. read(): a consistent snapshot. write(): returns after the commit is on the disk.
class Db {
 public:
  using Body = std::function<Status(Tx&)>;

  virtual ~Db() = default;
  virtual Status read(const Body& body) = 0;
  virtual Status write(const Body& body) = 0;
  // Queues a write and returns at once, for those who must not wait. `done` gets what write() would
  // have returned, on a thread of the database (or this one, when the queue is full); like a body,
  // it doesn't call read() or write(). What both refer to lives until then.
  using Done = std::function<void(Status)>;
  virtual void submit(Body body, Done done) = 0;
  // Runs `work`, which may read and write here, while nobody else who has this database open, in
  // this process or another, is inside such a call; waits for its turn.
  virtual Status exclusively(const std::function<Status()>& work) = 0;
  virtual std::string_view kind() const = 0;  // "sqlite", "postgres"
  virtual DbStats stats() const { return {}; }
  virtual int64_t now_ms() const { return 0; }  // Civil time of the World it was opened in.
};

// Numbered, forward-only steps of one module ("registry", 1, "CREATE TABLE …; CREATE INDEX …").
// A step runs once, in order of (module as listed, number), in its own transaction; those of a new
// database share one.
struct Migration {
  std::string_view module;
  int64_t number = 0;
  std::string_view sql;
};

// Applies what is missing; several may do so at once. kConflict `store.schema_newer` when the
// database knows a step that this binary does not: the data was written by a newer version.
// kConflict `store.schema_edited` when a step that was applied reads otherwise now.
// `whole`: what dump_schema() gave, "" for nothing: a new SQLite database is made by it at once, so
// that a first start is short; one that was made of other steps is passed over.
Status migrate(Db& db, std::span<const Migration> steps, std::string_view whole = {});

// SQL that makes of an empty SQLite database what `steps` have made of `db`, a new one: tables,
// indexes and the rows that steps put in. Begins with a comment that names the digest of the steps.
Result<std::string> dump_schema(Db& db, std::span<const Migration> steps);

enum class SqliteFiles : uint8_t {
  kSystem,  // SQLite's own access to the operating system's files.
  kFs,      // Everything through World::fs: simulation and fault tests. One process only.
};

struct SqliteOptions {
  int readers = 4;
  int64_t cache_bytes = 16 << 20;
  size_t queue_max = 4096;  // Waiting write bodies, then kExhausted `store.queue_full`.
  size_t group_max = 256;   // Bodies in one transaction.
  SqliteFiles files = SqliteFiles::kSystem;
};
struct World {
  Fs& fs;
  Clock& clock;
  Executor& executor;
  Log& log;
};
// `path` of the database file; its folder must exist. Holds `path`.lock while open: kConflict
// `store.locked` when another Db, here or in another process, has it.
Result<std::unique_ptr<Db>> open_sqlite(World world, const std::string& path,
                                        SqliteOptions options);
// `url`: postgresql://user:password@host:port/db. Pooled connections, SERIALIZABLE writes with
// bounded retries.
Result<std::unique_ptr<Db>> open_postgres(World world, const std::string& url);

}  // namespace slip::store
