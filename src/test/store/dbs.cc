#include "test/store/dbs.h"

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

}  // namespace

std::vector<std::string> db_kinds() { return {"sqlite"}; }

struct DbTest::Place {
  std::string dir = new_dir();

  ~Place() { ignore(real_fs().remove_all(dir), "a leftover in the temporary folder"); }
  std::unique_ptr<store::Db> open() {
    auto opened = store::open_sqlite(real_world(), dir + "/test.db", {});
    CHECK(opened.ok());
    return std::move(opened).value();
  }
};

DbTest::DbTest() {
  places_.push_back(std::make_unique<Place>());
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

store::Db& DbTest::another() {
  places_.push_back(std::make_unique<Place>());
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
  std::vector<std::string> out;
  const Status done = db.read([&](store::Tx& tx) {
    out.clear();
    return tx.each("SELECT type, name, sql FROM sqlite_master ORDER BY type, name", {},
                   [&](const store::Row& row) {
                     out.push_back(row.str(0) + " " + row.str(1) + ": " + row.str(2));
                   });
  });
  EXPECT_TRUE(done.ok()) << done.error().text;
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
