#include "store/sqlite_conn.h"

#include <mutex>

#include <sqlite3.h>

#include "base/check.h"
#include "base/text.h"
#include "store/sql.h"
#include "store/sqlite_functions.h"
#include "store/sqlite_regex.h"
#include "store/value.h"
#include "sys/clock.h"
#include "sys/executor.h"

namespace slip::store {
namespace {

constexpr size_t kStatementsCached = 256;
constexpr int64_t kBusyWaitNs = 5'000'000'000;
constexpr int64_t kBusyStepNs = 1'000'000;
constexpr int64_t kWalFileBytesKept = 64 << 20;

struct CodeOf {
  int rc;
  Code code;
  std::string_view reason;
};
// Extended codes first; anything that is not here is our own bug.
constexpr CodeOf kCodes[] = {
    {SQLITE_CONSTRAINT_UNIQUE, Code::kExists, "store.constraint"},
    {SQLITE_CONSTRAINT_PRIMARYKEY, Code::kExists, "store.constraint"},
    {SQLITE_CONSTRAINT_ROWID, Code::kExists, "store.constraint"},
    {SQLITE_CONSTRAINT, Code::kConflict, "store.constraint"},
    {SQLITE_BUSY, Code::kUnavailable, "store.busy"},
    {SQLITE_LOCKED, Code::kUnavailable, "store.busy"},
    {SQLITE_PROTOCOL, Code::kUnavailable, "store.busy"},
    {SQLITE_IOERR, Code::kUnavailable, "store.io"},
    {SQLITE_FULL, Code::kExhausted, "store.full"},
    {SQLITE_NOMEM, Code::kExhausted, "memory.exhausted"},
    {SQLITE_CORRUPT, Code::kCorrupt, "store.corrupt"},
    {SQLITE_NOTADB, Code::kCorrupt, "store.corrupt"},
    {SQLITE_READONLY, Code::kForbidden, "store.read_only"},
    {SQLITE_PERM, Code::kForbidden, "store.read_only"},
    {SQLITE_CANTOPEN, Code::kUnavailable, "store.cannot_open"},
    {SQLITE_TOOBIG, Code::kInvalid, "store.too_big"},
};

class SqliteRow final : public Row {
 public:
  explicit SqliteRow(sqlite3_stmt* s) : s_(s) {}
  bool is_null(int c) const override { return sqlite3_column_type(s_, c) == SQLITE_NULL; }
  int64_t i64(int c) const override { return sqlite3_column_int64(s_, c); }
  double f64(int c) const override { return sqlite3_column_double(s_, c); }
  std::string_view text(int c) const override {
    const auto* p = reinterpret_cast<const char*>(sqlite3_column_text(s_, c));
    return p ? std::string_view(p, static_cast<size_t>(sqlite3_column_bytes(s_, c)))
             : std::string_view();
  }
  std::string_view blob(int c) const override {
    const auto* p = static_cast<const char*>(sqlite3_column_blob(s_, c));
    return p ? std::string_view(p, static_cast<size_t>(sqlite3_column_bytes(s_, c)))
             : std::string_view();
  }

 private:
  sqlite3_stmt* s_;
};

// The bytes stay where they are: a statement runs to its end before the arguments go away.
int bind(sqlite3_stmt* s, int i, const Value& v) {
  if (const auto* n = std::get_if<int64_t>(&v)) return sqlite3_bind_int64(s, i, *n);
  if (const auto* d = std::get_if<double>(&v)) return sqlite3_bind_double(s, i, *d);
  if (const auto* t = std::get_if<std::string_view>(&v))
    return sqlite3_bind_text64(s, i, t->data() ? t->data() : "", t->size(), SQLITE_STATIC,
                               SQLITE_UTF8);
  if (const auto* b = std::get_if<Blob>(&v))
    return sqlite3_bind_blob64(s, i, b->bytes.data() ? b->bytes.data() : "", b->bytes.size(),
                               SQLITE_STATIC);
  return sqlite3_bind_null(s, i);
}

}  // namespace

Error sqlite_error(sqlite3* db, int rc, std::string_view what) {
  Error e{Code::kInternal, "store.sql", {}, {}};
  for (const CodeOf& row : kCodes)
    if (row.rc == rc || row.rc == (rc & 0xff)) {
      e.code = row.code;
      e.reason = row.reason;
      break;
    }
  e.text = db && sqlite3_errcode(db) != SQLITE_OK ? sqlite3_errmsg(db) : sqlite3_errstr(rc);
  if ((rc & 0xff) == SQLITE_IOERR) e.text += " (" + std::to_string(rc) + ")";
  return std::move(e).within(what);
}

bool ruins_transaction(int rc) {
  switch (rc & 0xff) {
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
    case SQLITE_CORRUPT:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_NOTADB:
      return true;
    default:
      return false;
  }
}

void init_sqlite() {
  static std::once_flag once;
  std::call_once(once, [] {
    // Without it every allocation of every connection takes one global mutex.
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    CHECK(sqlite3_initialize() == SQLITE_OK);
  });
}

Result<std::unique_ptr<SqliteConn>> SqliteConn::open(World world,
                                                     const SqliteConnOptions& options) {
  std::unique_ptr<SqliteConn> conn(new SqliteConn(world, options.query_only));
  const int rc = sqlite3_open_v2(
      options.path.c_str(), &conn->db_,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
      options.vfs.empty() ? nullptr : options.vfs.c_str());
  if (rc != SQLITE_OK) return sqlite_error(conn->db_, rc, options.path);
  TRY(conn->configure(options));
  return conn;
}

Status SqliteConn::configure(const SqliteConnOptions& options) {
  sqlite3_busy_handler(db_, &SqliteConn::on_busy, this);
  sqlite3_wal_hook(db_, &SqliteConn::on_commit, this);  // Also turns auto-checkpoints off.
  sqlite3_db_config(db_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(db_, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);  // "x" is a name, as elsewhere.
  sqlite3_db_config(db_, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
  TRY(add_regex(db_));
  std::string mode;
  {
    Use use = TRY(prepare("PRAGMA journal_mode=WAL"));
    const int rc = sqlite3_step(use.stmt());
    if (rc != SQLITE_ROW) return sqlite_error(db_, rc, options.path);
    mode = SqliteRow(use.stmt()).text(0);
  }
  if (mode != "wal") return internal("store.no_wal", options.path + ": journal mode is " + mode);
  for (const std::string& pragma :
       {std::string("synchronous=FULL"), std::string("foreign_keys=ON"),
        std::string("temp_store=MEMORY"), std::string("trusted_schema=OFF"),
        std::string("case_sensitive_like=ON"), std::string("mmap_size=0"),
        "journal_size_limit=" + std::to_string(kWalFileBytesKept),
        "cache_size=-" + std::to_string(options.cache_bytes / 1024)})
    TRY(control("PRAGMA " + pragma));
  if (query_only_) TRY(control("PRAGMA query_only=ON"));
  TRY(add_sqlite_functions(db_));
  // Reads the header and the schema: what is no database, or a broken one, shows here.
  return control("SELECT count(*) FROM sqlite_master");
}

SqliteConn::~SqliteConn() {
  for (const auto& p : recent_) {
    CHECK(!p->busy);
    sqlite3_finalize(p->stmt);
  }
  const int rc = sqlite3_close(db_);
  CHECK(rc == SQLITE_OK);
}

Result<std::unique_ptr<SqliteConn::Prepared>> SqliteConn::compile(std::string_view sql) {
  auto p = std::make_unique<Prepared>();
  p->sql = sql;
  const char* tail = nullptr;
  int rc = sqlite3_prepare_v3(db_, p->sql.data(), static_cast<int>(p->sql.size()),
                              SQLITE_PREPARE_PERSISTENT, &p->stmt, &tail);
  if (rc == SQLITE_ERROR) {
    // A schema from memory may be out of date; whether it is can't be told when the disk fails.
    const int live = sqlite3_exec(db_, "PRAGMA schema_version", nullptr, nullptr, nullptr);
    if (live != SQLITE_OK) return sqlite_error(db_, live, sql);
    // Looking made it current: ask again.
    rc = sqlite3_prepare_v3(db_, p->sql.data(), static_cast<int>(p->sql.size()),
                            SQLITE_PREPARE_PERSISTENT, &p->stmt, &tail);
  }
  if (rc != SQLITE_OK) return sqlite_error(db_, rc, sql);
  const std::string_view rest(tail, static_cast<size_t>(p->sql.data() + p->sql.size() - tail));
  if (p->stmt == nullptr || !trim(rest).empty()) {
    sqlite3_finalize(p->stmt);
    return internal("store.sql", concat({sql, ": must be exactly one statement"}));
  }
  const std::string word = first_word(sql);
  p->counts = !sqlite3_stmt_readonly(p->stmt) &&
              (word == "INSERT" || word == "UPDATE" || word == "DELETE" || word == "WITH");
  return p;
}

Result<SqliteConn::Use> SqliteConn::prepare(std::string_view sql) {
  if (const auto found = by_sql_.find(sql); found != by_sql_.end()) {
    Prepared* p = found->second->get();
    if (!p->busy) {
      recent_.splice(recent_.begin(), recent_, found->second);
      p->busy = true;
      return Use(*this, p);
    }
    // The same statement inside its own rows: a copy for this once.
    Prepared* copy = TRY(compile(sql)).release();
    copy->busy = true;
    return Use(*this, copy);
  }
  recent_.push_front(TRY(compile(sql)));
  Prepared* p = recent_.front().get();
  p->busy = p->cached = true;
  by_sql_.emplace(p->sql, recent_.begin());
  if (recent_.size() > kStatementsCached && !recent_.back()->busy) {
    by_sql_.erase(recent_.back()->sql);
    sqlite3_finalize(recent_.back()->stmt);
    recent_.pop_back();
  }
  return Use(*this, p);
}

void SqliteConn::give_back(Prepared* p) {
  if (!p->cached) {
    sqlite3_finalize(p->stmt);
    const std::unique_ptr<Prepared> gone(p);
    return;
  }
  sqlite3_reset(p->stmt);
  sqlite3_clear_bindings(p->stmt);
  p->busy = false;
}

Status SqliteConn::control(std::string_view sql) {
  const Use use = TRY(prepare(sql));
  int rc = SQLITE_ROW;
  while (rc == SQLITE_ROW) rc = sqlite3_step(use.stmt());
  if (rc != SQLITE_DONE) return sqlite_error(db_, rc, sql);
  return {};
}

void SqliteConn::rollback() {
  if (!sqlite3_get_autocommit(db_)) ignore(control("ROLLBACK"), "the first error matters");
}

int SqliteConn::on_busy(void* self, int calls) {
  auto& conn = *static_cast<SqliteConn*>(self);
  const int64_t now = conn.world_.clock.steady_ns();
  if (calls == 0) conn.busy_deadline_ns_ = now + kBusyWaitNs;
  if (now >= conn.busy_deadline_ns_) return 0;
  conn.world_.executor.sleep_until(now + kBusyStepNs);
  return 1;
}

int SqliteConn::on_commit(void* self, sqlite3* /*db*/, const char* /*name*/, int pages) {
  static_cast<SqliteConn*>(self)->wal_pages_ = pages;
  return SQLITE_OK;
}

Error SqliteTx::fail(int rc, std::string_view sql) {
  ruined_ = ruined_ || ruins_transaction(rc) || sqlite3_get_autocommit(conn_.raw()) != 0;
  return sqlite_error(conn_.raw(), rc, sql);
}

Status SqliteTx::outcome(Status of_body) const {
  if (of_body.ok() && failed_) return *failed_;
  return of_body;
}

Result<int64_t> SqliteTx::run(std::string_view sql, std::span<const Value> args,
                              const std::function<void(const Row&)>* on_row) {
  if (failed_) return *failed_;
  Result<int64_t> changed = step_all(sql, args, on_row);
  if (!changed.ok()) {
    failed_ = changed.error();
    ruined_ = ruined_ || ruins_transaction(sqlite3_extended_errcode(conn_.raw()));
    return changed;
  }
  rows_changed_ += *changed;
  if (bounded_ && rows_changed_ > kWriteRowsRefused) failed_ = too_many_rows();
  if (failed_) return *failed_;
  return changed;
}

Result<int64_t> SqliteTx::step_all(std::string_view sql, std::span<const Value> args,
                                   const std::function<void(const Row&)>* on_row) {
  TRY(check_values(args));
  const SqliteConn::Use use = TRY(conn_.prepare(sql));
  if (conn_.query_only() && !sqlite3_stmt_readonly(use.stmt())) return write_in_read(sql);
  if (static_cast<size_t>(sqlite3_bind_parameter_count(use.stmt())) != args.size())
    return internal("store.sql", concat({sql, ": ", std::to_string(args.size()), " arguments"}));
  int i = 0;
  for (const Value& v : args)
    if (const int rc = bind(use.stmt(), ++i, v); rc != SQLITE_OK) return fail(rc, sql);
  for (;;) {
    const int rc = sqlite3_step(use.stmt());
    if (rc == SQLITE_DONE) break;
    if (rc != SQLITE_ROW) return fail(rc, sql);
    if (on_row) (*on_row)(SqliteRow(use.stmt()));
  }
  return use.counts() ? static_cast<int64_t>(sqlite3_changes64(conn_.raw())) : 0;
}

}  // namespace slip::store
