#include "store/sql.h"

#include "base/check.h"
#include "base/text.h"

namespace slip::store {
namespace {

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::string escaped(std::string_view text, std::string_view special) {
  std::string out;
  for (const char c : text) {
    if (special.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

SqlToken quoted(std::string_view sql) {
  const char quote = sql[0];
  for (size_t at = 1; at < sql.size(); ++at) {
    if (sql[at] != quote) continue;
    if (at + 1 < sql.size() && sql[at + 1] == quote) {
      ++at;  // A doubled quote stands for one.
      continue;
    }
    return {SqlToken::Kind::kQuoted, sql.substr(0, at + 1)};
  }
  return {SqlToken::Kind::kQuoted, sql, false};
}

}  // namespace

std::string like_case(std::string_view column) { return concat({column, " LIKE ? ESCAPE '\\'"}); }

std::string ilike(std::string_view column) {
  return concat({"lower(", column, ") LIKE ? ESCAPE '\\'"});
}

std::string regex(std::string_view column) { return concat({"regex_found(", column, ", ?)"}); }

std::string like_pattern(std::string_view user) { return escaped(user, "\\"); }

std::string ilike_pattern(std::string_view user) { return lower(like_pattern(user)); }

std::string prefix_pattern(std::string_view text) { return escaped(text, "\\%_") + "%"; }

std::string placeholders(size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += i == 0 ? "?" : ",?";
  return out;
}

std::string value_rows(size_t rows, size_t columns) {
  const std::string row = "(" + placeholders(columns) + ")";
  std::string out;
  for (size_t i = 0; i < rows; ++i) {
    if (i > 0) out += ',';
    out += row;
  }
  return out;
}

SqlToken next_token(std::string_view sql) {
  CHECK(!sql.empty());
  using Kind = SqlToken::Kind;
  if (sql[0] == '\'' || sql[0] == '"') return quoted(sql);
  if (sql.starts_with("--")) return {Kind::kComment, sql.substr(0, sql.find('\n'))};
  if (sql.starts_with("/*")) {
    const size_t end = sql.find("*/", 2);
    if (end == std::string_view::npos) return {Kind::kComment, sql, false};
    return {Kind::kComment, sql.substr(0, end + 2)};
  }
  size_t n = 0;
  while (n < sql.size() && is_word(sql[n])) ++n;
  if (n > 0) return {Kind::kWord, sql.substr(0, n)};
  return {Kind::kOther, sql.substr(0, 1)};
}

std::string first_word(std::string_view sql) {
  while (!sql.empty()) {
    const SqlToken token = next_token(sql);
    if (token.kind == SqlToken::Kind::kWord) {
      std::string word(token.text);
      for (char& c : word)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
      return word;
    }
    sql.remove_prefix(token.text.size());
  }
  return {};
}

Result<std::vector<std::string>> split_statements(std::string_view sql) {
  std::vector<std::string> out;
  std::string statement;
  bool blank = true;  // Only space and comments so far.
  const auto finish = [&] {
    if (!blank) out.emplace_back(trim(statement));
    statement.clear();
    blank = true;
  };
  while (!sql.empty()) {
    const SqlToken token = next_token(sql);
    if (!token.ended) return invalid("store.sql_syntax", "a quote or comment does not end");
    sql.remove_prefix(token.text.size());
    if (token.kind == SqlToken::Kind::kOther && token.text == ";") {
      finish();
      continue;
    }
    if (token.kind != SqlToken::Kind::kComment && !is_blank(token.text[0])) blank = false;
    statement += token.text;
  }
  finish();
  return out;
}

}  // namespace slip::store
