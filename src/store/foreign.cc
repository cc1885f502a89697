#include "store/foreign.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <sqlite3.h>

#include "base/text.h"
#include "store/pg_conn.h"
#include "store/sqlite_conn.h"

namespace slip::store {
namespace {

constexpr int kBusyMs = 10'000;

Error unreadable(std::string_view why) {
  return invalid("foreign.read", concat({"the source cannot be read: ", why}));
}

class ForeignRow final : public Row {
 public:
  explicit ForeignRow(sqlite3_stmt* stmt) : stmt_(stmt) {}
  bool is_null(int column) const override {
    return sqlite3_column_type(stmt_, column) == SQLITE_NULL;
  }
  int64_t i64(int column) const override { return sqlite3_column_int64(stmt_, column); }
  double f64(int column) const override { return sqlite3_column_double(stmt_, column); }
  std::string_view text(int column) const override { return blob(column); }
  std::string_view blob(int column) const override {
    const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(stmt_, column));
    if (bytes == nullptr) return {};
    return {bytes, static_cast<size_t>(sqlite3_column_bytes(stmt_, column))};
  }

 private:
  sqlite3_stmt* stmt_;
};

class SqliteForeign final : public ForeignDb {
 public:
  static Result<std::unique_ptr<ForeignDb>> open(const std::string& path) {
    init_sqlite();
    std::unique_ptr<SqliteForeign> out(new SqliteForeign());
    const int rc = sqlite3_open_v2(path.c_str(), &out->db_,
                                   SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, nullptr);
    if (rc != SQLITE_OK) return not_found("foreign.no_file", concat({"cannot open ", path}));
    sqlite3_db_config(out->db_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_busy_timeout(out->db_, kBusyMs);
    for (const std::string_view sql :
         {"PRAGMA trusted_schema=OFF", "BEGIN", "SELECT count(*) FROM sqlite_master"})
      if (!out->each(sql, {}, [](const Row&) {}).ok())
        return invalid("foreign.not_sqlite", concat({path, " is no SQLite database"}));
    return std::unique_ptr<ForeignDb>(std::move(out));
  }
  ~SqliteForeign() override { sqlite3_close(db_); }
  SqliteForeign(const SqliteForeign&) = delete;
  SqliteForeign& operator=(const SqliteForeign&) = delete;

  Status each(std::string_view sql, std::span<const std::string> args,
              const std::function<void(const Row&)>& on_row) override {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(db_, sql.data(), static_cast<int>(sql.size()), &raw, nullptr) !=
        SQLITE_OK)
      return unreadable(sqlite3_errmsg(db_));
    const std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)> stmt(raw, sqlite3_finalize);
    for (size_t i = 0; i < args.size(); ++i)
      sqlite3_bind_text(raw, static_cast<int>(i) + 1, args[i].data(),
                        static_cast<int>(args[i].size()), SQLITE_STATIC);
    int rc = SQLITE_ROW;
    while ((rc = sqlite3_step(raw)) == SQLITE_ROW) on_row(ForeignRow(raw));
    if (rc != SQLITE_DONE) return unreadable(sqlite3_errmsg(db_));
    return {};
  }

  Result<bool> has_table(const std::string& name) override {
    bool found = false;
    TRY(each("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", std::span(&name, 1),
             [&](const Row&) { found = true; }));
    return found;
  }

 private:
  SqliteForeign() = default;
  sqlite3* db_ = nullptr;
};

class PostgresForeign final : public ForeignDb {
 public:
  static Result<std::unique_ptr<ForeignDb>> open(const std::string& url) {
    std::unique_ptr<PgConn> conn = TRY(PgConn::open(url));
    TRY(conn->control("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
    return std::unique_ptr<ForeignDb>(new PostgresForeign(std::move(conn)));
  }

  Status each(std::string_view sql, std::span<const std::string> args,
              const std::function<void(const Row&)>& on_row) override {
    const std::vector<Value> values(args.begin(), args.end());
    PgTx tx(*conn_, true);
    const Status read = static_cast<Tx&>(tx).each(sql, std::span<const Value>(values), on_row);
    return read.ok() ? Status() : Status(unreadable(read.error().text));
  }

  Result<bool> has_table(const std::string& name) override {
    bool found = false;
    TRY(
        each("SELECT 1 FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'p')"
             " AND c.relname = ? AND pg_catalog.pg_table_is_visible(c.oid)",
             std::span(&name, 1), [&](const Row&) { found = true; }));
    return found;
  }

 private:
  explicit PostgresForeign(std::unique_ptr<PgConn> conn) : conn_(std::move(conn)) {}
  std::unique_ptr<PgConn> conn_;
};

}  // namespace

Result<std::unique_ptr<ForeignDb>> ForeignDb::open(const std::string& source) {
  constexpr std::string_view kSqlite = "sqlite:///";
  if (source.starts_with(kSqlite)) return SqliteForeign::open(source.substr(kSqlite.size()));
  const size_t colon = source.find("://");
  if (colon == source.npos) return SqliteForeign::open(source);
  std::string scheme = source.substr(0, colon);
  scheme.resize(std::min(scheme.size(), scheme.find('+')));  // What follows names a driver.
  if (scheme == "postgresql" || scheme == "postgres")
    return PostgresForeign::open(concat({"postgresql", source.substr(colon)}));
  return unsupported("foreign.scheme",
                     "the source is a SQLite file (PATH or sqlite:///PATH) or PostgreSQL "
                     "(postgresql://USER:PASSWORD@HOST/DATABASE)");
}

}  // namespace slip::store
