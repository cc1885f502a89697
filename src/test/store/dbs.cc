#include "test/store/dbs.h"

#include <algorithm>

#include "base/check.h"
#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/fs.h"
#include "sys/log.h"
#include "sys/process.h"
#include "sys/rng.h"

namespace slip::test {
namespace {

store::World real_world() { return {real_fs(), real_clock(), real_executor(), null_log()}; }

std::string new_dir() {
  const std::string dir = testing::TempDir() + "slip-" + new_uuid7(real_clock(), real_rng()).hex();
  CHECK(real_fs().make_dirs(dir).ok());
  return dir;
}

std::string postgres_url() { return real_process().env("SLIPWAY_TEST_PG"); }

std::unique_ptr<store::Db> must(Result<std::unique_ptr<store::Db>> opened) {
  if (!opened.ok()) ADD_FAILURE() << opened.error().text;
  CHECK(opened.ok());
  return std::move(opened).value();
}

void run_sql(store::Db& db, const std::string& sql) {
  const Status done = db.write([&](store::Tx& tx) -> Status {
    TRY(tx.exec(sql, {}));
    return {};
  });
  EXPECT_TRUE(done.ok()) << done.error().text;
}

}  // namespace

std::vector<std::string> db_kinds() {
  if (postgres_url().empty()) return {"sqlite"};
  return {"sqlite", "postgres"};
}

std::vector<std::string> db_kinds(const std::string& only) {
  auto kinds = db_kinds();
  std::erase_if(kinds, [&](const std::string& kind) { return kind != only; });
  return kinds;
}

// Where one database lies: a folder, or a schema of the PostgreSQL server.
struct DbTest::Place {
  explicit Place(bool postgres) {
    if (!postgres) {
      dir = new_dir();
      return;
    }
    schema = "t_" + new_uuid7(real_clock(), real_rng()).hex();
    run_sql(*must(store::open_postgres(real_world(), postgres_url())), "CREATE SCHEMA " + schema);
  }
  ~Place() {
    if (!dir.empty()) ignore(real_fs().remove_all(dir), "a leftover in the temporary folder");
    if (!schema.empty())
      run_sql(*must(store::open_postgres(real_world(), postgres_url())),
              "DROP SCHEMA " + schema + " CASCADE");
  }
  std::unique_ptr<store::Db> open() const {
    if (!dir.empty()) return must(store::open_sqlite(real_world(), dir + "/test.db", {}));
    const std::string url = postgres_url();
    const char* glue = url.find('?') == url.npos ? "?" : "&";
    return must(
        store::open_postgres(real_world(), url + glue + "options=-csearch_path%3D" + schema));
  }

  std::string dir;
  std::string schema;
};

DbTest::DbTest() {
  places_.push_back(std::make_unique<Place>(GetParam() == "postgres"));
  db_ = places_[0]->open();
}

DbTest::~DbTest() {
  db_.reset();
  others_.clear();
}

store::Db& DbTest::migrated(std::span<const store::Migration> steps) {
  const Status done = store::migrate(*db_, steps);
  EXPECT_TRUE(done.ok()) << done.error().text;
  return *db_;
}

store::Db& DbTest::reopen() {
  db_.reset();
  db_ = places_[0]->open();
  return *db_;
}

store::Db& DbTest::beside() {
  if (db_->kind() == "sqlite") return *db_;
  others_.push_back(places_[0]->open());
  return *others_.back();
}

store::Db& DbTest::another() {
  places_.push_back(std::make_unique<Place>(GetParam() == "postgres"));
  others_.push_back(places_.back()->open());
  return *others_.back();
}

TempDb::TempDb(store::SqliteOptions options) : dir_(new_dir()), path_(dir_ + "/test.db") {
  auto opened = store::open_sqlite(real_world(), path_, options);
  CHECK(opened.ok());
  db_ = std::move(opened).value();
}

TempDb::~TempDb() {
  db_.reset();
  ignore(real_fs().remove_all(dir_), "a leftover in the temporary folder");
}

std::vector<std::string> schema_of(store::Db& db) {
  const std::vector<std::string> queries =
      db.kind() == "sqlite"
          ? std::vector<std::string>{"SELECT type || ' ' || name || ': ' || coalesce(sql, '') "
                                     "FROM sqlite_master"}
          : std::vector<std::string>{
                "SELECT concat_ws(' ', table_name, ordinal_position, column_name, data_type, "
                "collation_name, is_nullable, column_default) FROM information_schema.columns "
                "WHERE table_schema = current_schema()",
                "SELECT replace(indexdef, current_schema() || '.', '') FROM pg_indexes WHERE "
                "schemaname = current_schema()",
                "SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) "
                "FROM pg_constraint WHERE connamespace = current_schema()::regnamespace"};
  std::vector<std::string> out;
  const Status done = db.read([&](store::Tx& tx) -> Status {
    out.clear();
    for (const std::string& sql : queries)
      TRY(tx.each(sql, {}, [&](const store::Row& row) { out.push_back(row.str(0)); }));
    return {};
  });
  EXPECT_TRUE(done.ok()) << done.error().text;
  std::sort(out.begin(), out.end());
  return out;
}

void expect_migrates_from_every_version(DbTest& test, std::span<const store::Migration> steps) {
  const Status whole = store::migrate(test.db(), steps);
  ASSERT_TRUE(whole.ok()) << whole.error().text;
  const auto want = schema_of(test.db());
  for (size_t n = 0; n < steps.size(); ++n) {
    SCOPED_TRACE("from the first " + std::to_string(n) + " steps");
    store::Db& db = test.another();
    const Status before = store::migrate(db, steps.first(n));
    ASSERT_TRUE(before.ok()) << before.error().text;
    const Status after = store::migrate(db, steps);
    ASSERT_TRUE(after.ok()) << after.error().text;
    EXPECT_EQ(schema_of(db), want);
  }
}

}  // namespace slip::test
