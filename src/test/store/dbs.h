#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "store/db.h"

// Databases for tests: fresh, empty, gone afterwards. SQLite always; PostgreSQL when the
// environment variable SLIPWAY_TEST_PG holds the URL of a server where tests may create schemas
// (`./dev test --suite postgres` starts one). Every store test of a domain runs on all of them: a
// fixture derived from DbTest, named once in SLIP_EVERY_DB, whose TEST_P bodies begin with
// migrated(the module's steps).
namespace slip::test {

std::vector<std::string> db_kinds();  // "sqlite", and "postgres" when there is one.
std::vector<std::string> db_kinds(const std::string& only);  // That one, or none.

class DbTest : public testing::TestWithParam<std::string> {
 public:
  DbTest();
  ~DbTest() override;

  // The test's database, without tables of ours.
  store::Db& db() { return *db_; }
  // The same after migrate(steps), which must succeed.
  store::Db& migrated(std::span<const store::Migration> steps);
  // Closes and opens it again.
  store::Db& reopen();
  // The same database as another process sees it: opened once more, or, since SQLite's is one
  // process's alone, as it is.
  store::Db& beside();
  // Another empty database of the same kind.
  store::Db& another();

 private:
  struct Place;
  std::vector<std::unique_ptr<Place>> places_;
  std::unique_ptr<store::Db> db_;
  std::vector<std::unique_ptr<store::Db>> others_;
};

// A SQLite database with SQLite's own file access in a folder that goes with it, for tests that
// don't care.
class TempDb {
 public:
  explicit TempDb(store::SqliteOptions options = {});
  ~TempDb();
  store::Db& operator*() { return *db_; }
  store::Db* operator->() { return db_.get(); }
  const std::string& path() const { return path_; }

 private:
  std::string dir_;
  std::string path_;
  std::unique_ptr<store::Db> db_;
};

// Tables, columns and indexes in a form that can be compared.
std::vector<std::string> schema_of(store::Db& db);

// From every version: applies each prefix of `steps` to an empty database, then all of them, and
// expects the same schema as in one go.
void expect_migrates_from_every_version(DbTest& test, std::span<const store::Migration> steps);

}  // namespace slip::test

#define SLIP_EVERY_DB(Suite)                                                         \
  INSTANTIATE_TEST_SUITE_P(Db, Suite, ::testing::ValuesIn(::slip::test::db_kinds()), \
                           [](const auto& made) { return made.param; })
