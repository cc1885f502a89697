#include "store/foreign.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "base/text.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "sys/rng.h"

namespace slip::store {
namespace {

class ForeignTest : public testing::Test {
 protected:
  ForeignTest()
      : dir_(testing::TempDir() + "slip-foreign-" + new_uuid7(real_clock(), real_rng()).hex()) {
    EXPECT_TRUE(real_fs().make_dirs(dir_).ok());
  }
  ~ForeignTest() override { ignore(real_fs().remove_all(dir_), "a leftover"); }

  std::string database(const char* sql) {
    std::string path = dir_ + "/some.db";
    sqlite3* db = nullptr;
    EXPECT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(db);
    return path;
  }
  const std::string dir_;
};

TEST_F(ForeignTest, ReadsWhatIsThereAndSaysWhichTables) {
  const std::string path = database(
      "CREATE TABLE t (a INTEGER, b TEXT, c REAL);"
      "INSERT INTO t VALUES (1, 'x', 0.5), (2, NULL, -1e308);");
  for (const std::string& source : {path, "sqlite:///" + path}) {
    const auto db = ForeignDb::open(source).value();
    EXPECT_TRUE(db->has_table("t").value());
    EXPECT_FALSE(db->has_table("u").value());
    std::string seen;
    const std::string wanted = "2";
    ASSERT_TRUE(db->each("SELECT a, b, c FROM t WHERE a <= CAST(? AS INTEGER) ORDER BY a",
                         std::span(&wanted, 1),
                         [&](const Row& row) {
                           seen += concat({std::to_string(row.i64(0)), row.is_null(1) ? "-" : "+",
                                           row.text(1), format_double(row.f64(2)), " "});
                         })
                    .ok());
    EXPECT_EQ(seen, "1+x0.5 2--1e+308 ");
  }
}

TEST_F(ForeignTest, AFailedStatementLeavesTheOthers) {
  const auto db = ForeignDb::open(database("CREATE TABLE t (a INTEGER)")).value();
  EXPECT_EQ(db->each("SELECT z FROM t", {}, [](const Row&) {}).error().reason, "foreign.read");
  EXPECT_EQ(db->each("SELECT a FROM u", {}, [](const Row&) {}).error().reason, "foreign.read");
  EXPECT_TRUE(db->each("SELECT a FROM t", {}, [](const Row&) {}).ok());
}

TEST_F(ForeignTest, NothingIsEverWritten) {
  const auto db = ForeignDb::open(database("CREATE TABLE t (a INTEGER)")).value();
  EXPECT_EQ(db->each("INSERT INTO t VALUES (1)", {}, [](const Row&) {}).error().reason,
            "foreign.read");
  EXPECT_EQ(db->each("DROP TABLE t", {}, [](const Row&) {}).error().reason, "foreign.read");
  EXPECT_TRUE(db->has_table("t").value());
}

TEST_F(ForeignTest, OneStateOfIt) {
  const std::string path = database("CREATE TABLE t (a INTEGER); PRAGMA journal_mode = WAL;");
  const auto db = ForeignDb::open(path).value();
  int rows = 0;
  database("INSERT INTO t VALUES (1)");
  ASSERT_TRUE(db->each("SELECT a FROM t", {}, [&](const Row&) { ++rows; }).ok());
  EXPECT_EQ(rows, 0);
}

TEST_F(ForeignTest, BadSourcesAreNamed) {
  ASSERT_TRUE(write_file_atomic(real_fs(), dir_ + "/text", "this is no database, only text").ok());
  const std::string whole = read_file(real_fs(), database("CREATE TABLE t (a)"), 1 << 20).value();
  ASSERT_TRUE(write_file_atomic(real_fs(), dir_ + "/cut", whole.substr(0, 1000)).ok());
  struct Case {
    std::string source;
    const char* reason;
  };
  const Case cases[] = {
      {dir_ + "/none", "foreign.no_file"},
      {"sqlite:///" + dir_ + "/none", "foreign.no_file"},
      {dir_ + "/text", "foreign.not_sqlite"},
      {dir_ + "/cut", "foreign.not_sqlite"},
      {dir_, "foreign.no_file"},
      {"mysql://h/d", "foreign.scheme"},
      {"https://h", "foreign.scheme"},
      {"postgresql+psycopg2:///d?host=" + dir_ + "&connect_timeout=1", "store.connection"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.source);
    const auto opened = ForeignDb::open(c.source);
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().reason, c.reason);
  }
}

}  // namespace
}  // namespace slip::store
