#include "store/foreign.h"

#include <sqlite3.h>

#include "base/text.h"
#include "store/sqlite_conn.h"

namespace slip::store {
namespace {

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

}  // namespace

Result<std::unique_ptr<ForeignDb>> ForeignDb::open(const std::string& path) {
  init_sqlite();
  std::unique_ptr<ForeignDb> out(new ForeignDb());
  const int rc =
      sqlite3_open_v2(path.c_str(), &out->db_, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, nullptr);
  if (rc != SQLITE_OK) return not_found("foreign.no_file", concat({"cannot open ", path}));
  sqlite3_db_config(out->db_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_busy_timeout(out->db_, 10'000);
  for (const std::string_view sql :
       {"PRAGMA trusted_schema=OFF", "BEGIN", "SELECT count(*) FROM sqlite_master"})
    if (!out->each(sql, {}, [](const Row&) {}).ok())
      return invalid("foreign.not_sqlite", concat({path, " is no SQLite database"}));
  return out;
}

ForeignDb::~ForeignDb() { sqlite3_close(db_); }

Status ForeignDb::each(std::string_view sql, std::span<const std::string> args,
                       const std::function<void(const Row&)>& on_row) {
  const auto failed = [&] {
    return invalid("foreign.read", concat({"the source cannot be read: ", sqlite3_errmsg(db_)}));
  };
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(db_, sql.data(), static_cast<int>(sql.size()), &raw, nullptr) != SQLITE_OK)
    return failed();
  const std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)> stmt(raw, sqlite3_finalize);
  for (size_t i = 0; i < args.size(); ++i)
    sqlite3_bind_text(raw, static_cast<int>(i) + 1, args[i].data(),
                      static_cast<int>(args[i].size()), SQLITE_STATIC);
  int rc = SQLITE_ROW;
  while ((rc = sqlite3_step(raw)) == SQLITE_ROW) on_row(ForeignRow(raw));
  return rc == SQLITE_DONE ? Status() : Status(failed());
}

}  // namespace slip::store
