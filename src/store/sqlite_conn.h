#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "store/db.h"

struct sqlite3;
struct sqlite3_stmt;

// One SQLite connection with its cache of prepared statements, and the Tx that runs on it. Private
// to store/. A connection is used by one thread at a time; nothing here locks.
namespace slip::store {

// What SQLite's result code means to callers; `what` says what was being done.
Error sqlite_error(sqlite3* db, int rc, std::string_view what);
// The whole transaction is lost or in doubt (disk full, I/O, memory), not just one statement.
bool ruins_transaction(int rc);
// Once per process, before the first connection.
void init_sqlite();

struct SqliteConnOptions {
  std::string path;
  std::string vfs;  // Empty: SQLite's own.
  int64_t cache_bytes = 0;
  bool query_only = false;
};

class SqliteConn {
 public:
  static Result<std::unique_ptr<SqliteConn>> open(World world, const SqliteConnOptions& options);
  ~SqliteConn();
  SqliteConn(const SqliteConn&) = delete;
  SqliteConn& operator=(const SqliteConn&) = delete;

  sqlite3* raw() const { return db_; }
  bool query_only() const { return query_only_; }
  // One statement without parameters or rows that matter: BEGIN, COMMIT, PRAGMA.
  Status control(std::string_view sql);
  // Ends the open transaction, if SQLite has not done so itself. The first error is the one that
  // matters, so this has none.
  void rollback();
  // Pages in the write-ahead log after the last commit.
  int64_t wal_pages() const { return wal_pages_; }

  struct Prepared {
    std::string sql;
    sqlite3_stmt* stmt = nullptr;
    bool counts = false;  // INSERT, UPDATE, DELETE: reports changed rows.
    bool busy = false;
    bool cached = false;
  };
  // A statement of its own until the destructor, which resets it.
  class Use {
   public:
    explicit Use(SqliteConn& conn, Prepared* p) : conn_(&conn), p_(p) {}
    Use(Use&& other) noexcept : conn_(other.conn_), p_(std::exchange(other.p_, nullptr)) {}
    Use& operator=(Use&&) = delete;
    ~Use() {
      if (p_) conn_->give_back(p_);
    }
    sqlite3_stmt* stmt() const { return p_->stmt; }
    bool counts() const { return p_->counts; }

   private:
    SqliteConn* conn_;
    Prepared* p_;
  };
  Result<Use> prepare(std::string_view sql);

 private:
  SqliteConn(World world, bool query_only) : world_(world), query_only_(query_only) {}
  Status configure(const SqliteConnOptions& options);
  Result<std::unique_ptr<Prepared>> compile(std::string_view sql);
  void give_back(Prepared* p);
  static int on_busy(void* self, int calls);
  static int on_commit(void* self, sqlite3* db, const char* name, int pages);

  World world_;
  bool query_only_;
  sqlite3* db_ = nullptr;
  int64_t wal_pages_ = 0;
  int64_t busy_deadline_ns_ = 0;
  std::list<std::unique_ptr<Prepared>> recent_;  // Latest first.
  std::unordered_map<std::string_view, std::list<std::unique_ptr<Prepared>>::iterator> by_sql_;
};

// A transaction that somebody else begins and ends. The first failed statement dooms it.
class SqliteTx final : public Tx {
 public:
  explicit SqliteTx(SqliteConn& conn) : conn_(conn) {}
  // The outcome of a body: its own error, or that of a failed statement it passed over.
  Status outcome(Status of_body) const;
  bool ruined() const { return ruined_; }

 private:
  Result<int64_t> run(std::string_view sql, std::span<const Value> args,
                      const std::function<void(const Row&)>* on_row) override;
  Status unbound() override {
    bounded_ = false;
    return {};
  }
  Result<int64_t> step_all(std::string_view sql, std::span<const Value> args,
                           const std::function<void(const Row&)>* on_row);
  Error fail(int rc, std::string_view sql);

  SqliteConn& conn_;
  int64_t rows_changed_ = 0;
  bool bounded_ = true;
  std::optional<Error> failed_;
  bool ruined_ = false;
};

}  // namespace slip::store
