#include <gtest/gtest.h>

#include "store/pg_conn.h"
#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/fs.h"
#include "sys/log.h"

namespace slip::store {
namespace {

TEST(Postgres, TranslatesTheDialect) {
  const struct {
    const char* sql;
    const char* want;
  } kRows[] = {
      {"SELECT a FROM t WHERE a = ? AND b = '?' -- ?\n AND \"?\" = ?",
       "SELECT a FROM t WHERE a = $1 AND b = '?' -- ?\n AND \"?\" = $2"},
      {"SELECT CAST(? AS TEXT)", "SELECT CAST($1 AS TEXT)"},
      {"CREATE TABLE t (a TEXT NOT NULL DEFAULT 'text', text_b text, c BIGINT)",
       "CREATE TABLE t (a TEXT COLLATE \"C\" NOT NULL DEFAULT 'text', text_b text COLLATE \"C\", c "
       "BIGINT)"},
      {"CREATE OR REPLACE FUNCTION f(v TEXT) RETURNS TEXT LANGUAGE SQL AS 'SELECT v'",
       "CREATE OR REPLACE FUNCTION f(v TEXT) RETURNS TEXT LANGUAGE SQL AS 'SELECT v'"},
      {"ALTER TABLE t ADD COLUMN d TEXT", "ALTER TABLE t ADD COLUMN d TEXT COLLATE \"C\""},
      {"CREATE INDEX i ON t (CAST(a AS TEXT))", "CREATE INDEX i ON t (CAST(a AS TEXT))"},
  };
  for (const auto& row : kRows) EXPECT_EQ(to_postgres(row.sql), row.want);
}

TEST(Postgres, NamesErrors) {
  const struct {
    const char* state;
    Code code;
    const char* reason;
    bool retry;
  } kRows[] = {
      {"", Code::kUnavailable, "store.connection", false},
      {"23505", Code::kExists, "store.constraint", false},
      {"23503", Code::kConflict, "store.constraint", false},
      {"40001", Code::kUnavailable, "store.serialization", true},
      {"40P01", Code::kUnavailable, "store.serialization", true},
      {"57P01", Code::kUnavailable, "store.connection", false},
      {"53100", Code::kExhausted, "store.full", false},
      {"XX001", Code::kCorrupt, "store.corrupt", false},
      {"42601", Code::kInternal, "store.sql", false},
      {"08P01", Code::kInternal, "store.sql", false},
  };
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.state);
    const Error e = pg_error(row.state, "text\n");
    EXPECT_EQ(e.code, row.code);
    EXPECT_EQ(e.reason, row.reason);
    EXPECT_EQ(e.text, "text");
    EXPECT_EQ(worth_a_retry(e), row.retry);
  }
}

TEST(Postgres, NobodyThere) {
  const auto db = open_postgres({real_fs(), real_clock(), real_executor(), null_log()},
                                "postgresql://nobody@127.0.0.1:1/none");
  ASSERT_FALSE(db.ok());
  EXPECT_EQ(db.error().code, Code::kUnavailable);
  EXPECT_EQ(db.error().reason, "store.connection");
  EXPECT_FALSE(db.error().hint.empty());
}

}  // namespace
}  // namespace slip::store
