#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// Pieces of SQL that read the same on SQLite and PostgreSQL, and the small lexer that both
// back ends share. Pure functions.
//
// LIKE is case-sensitive on both; case is folded for ASCII only (the "C" collation). A backslash
// escapes % and _, so patterns go through one of the *_pattern functions.
namespace slip::store {

// `column LIKE ? ESCAPE '\'`. Bind like_pattern() or prefix_pattern().
std::string like_case(std::string_view column);
// `lower(column) LIKE ? ESCAPE '\'`. Bind ilike_pattern().
std::string ilike(std::string_view column);

std::string like_pattern(std::string_view user);    // % and _ are wild, a backslash is itself.
std::string ilike_pattern(std::string_view user);   // The same, ASCII letters folded.
std::string prefix_pattern(std::string_view text);  // What begins with exactly `text`.

// `regex_found(column, ?)`: NULL for a NULL column. Bind a pattern that codec::Regex takes; it is
// RE2's on SQLite and PostgreSQL's own (\\y for \\b, \\Z for \\z) there.
std::string regex(std::string_view column);

// "?,?,?" and "(?,?),(?,?)".
std::string placeholders(size_t count);
std::string value_rows(size_t rows, size_t columns);

// Cuts at top-level semicolons; blank statements are dropped. kInvalid `store.sql_syntax` for a
// quote or comment that does not end.
Result<std::vector<std::string>> split_statements(std::string_view sql);

// One lexical piece: a quoted thing or comment as a whole, a word, or a single character.
struct SqlToken {
  enum class Kind : unsigned char { kQuoted, kComment, kWord, kOther };
  Kind kind = Kind::kOther;
  std::string_view text;
  bool ended = true;  // False when the closing quote or comment mark is missing.
};
// The piece that `sql` begins with; `sql` must not be empty.
SqlToken next_token(std::string_view sql);
// The first word of a statement, in capitals: "INSERT".
std::string first_word(std::string_view sql);

}  // namespace slip::store
