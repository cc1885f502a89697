#include "store/sql.h"

#include <gtest/gtest.h>

namespace slip::store {
namespace {

TEST(Sql, SplitsStatements) {
  const struct {
    const char* sql;
    std::vector<std::string> want;
  } kRows[] = {
      {"", {}},
      {" ; ;\n-- nothing; here\n", {}},
      {"SELECT 1", {"SELECT 1"}},
      {"a ';' b; \"c;\"\"d\" ;", {"a ';' b", "\"c;\"\"d\""}},
      {"x 'it''s; one' /* ; */ y; z", {"x 'it''s; one' /* ; */ y", "z"}},
  };
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.sql);
    const auto have = split_statements(row.sql);
    ASSERT_TRUE(have.ok());
    EXPECT_EQ(*have, row.want);
  }
  for (const char* sql : {"'open", "\"open", "/* open", "a; 'b''"}) {
    SCOPED_TRACE(sql);
    EXPECT_FALSE(split_statements(sql).ok());
  }
}

TEST(Sql, FirstWordSkipsCommentsAndSpace) {
  EXPECT_EQ(first_word("  -- select\n /* x */ insert INTO t"), "INSERT");
  EXPECT_EQ(first_word("('x')"), "");
}

TEST(Sql, MakesPlaceholders) {
  EXPECT_EQ(placeholders(0), "");
  EXPECT_EQ(placeholders(3), "?,?,?");
  EXPECT_EQ(value_rows(2, 2), "(?,?),(?,?)");
}

TEST(Sql, EscapesPatterns) {
  EXPECT_EQ(like_pattern("a\\%_"), "a\\\\%_");
  EXPECT_EQ(ilike_pattern("AÉ%"), "aÉ%");
  EXPECT_EQ(prefix_pattern("5%_\\"), "5\\%\\_\\\\%");
}

}  // namespace
}  // namespace slip::store
