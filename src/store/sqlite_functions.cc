#include "store/sqlite_functions.h"

#include <string_view>

#include <sqlite3.h>

#include "store/sqlite_conn.h"

namespace slip::store {
namespace {

std::string_view text_of(sqlite3_value* v) {
  const auto* p = reinterpret_cast<const char*>(sqlite3_value_text(v));
  return p ? std::string_view(p, static_cast<size_t>(sqlite3_value_bytes(v))) : std::string_view();
}

void fail(sqlite3_context* call, std::string_view why) {
  sqlite3_result_error(call, why.data(), static_cast<int>(why.size()));
}

void split_part(sqlite3_context* call, int, sqlite3_value** args) {
  for (int i = 0; i < 3; ++i)
    if (sqlite3_value_type(args[i]) == SQLITE_NULL) return sqlite3_result_null(call);
  std::string_view rest = text_of(args[0]);
  const std::string_view delimiter = text_of(args[1]);
  const int64_t n = sqlite3_value_int64(args[2]);
  if (n < 1) return fail(call, "split_part: pieces are counted from 1");
  for (int64_t i = 1; i < n; ++i) {
    const size_t at = delimiter.empty() ? rest.npos : rest.find(delimiter);
    if (at == rest.npos) return sqlite3_result_text(call, "", 0, SQLITE_STATIC);
    rest.remove_prefix(at + delimiter.size());
  }
  const size_t end = delimiter.empty() ? rest.npos : rest.find(delimiter);
  rest = rest.substr(0, end);
  sqlite3_result_text64(call, rest.data() ? rest.data() : "", rest.size(), SQLITE_TRANSIENT,
                        SQLITE_UTF8);
}

}  // namespace

Status add_sqlite_functions(sqlite3* db) {
  const int rc = sqlite3_create_function_v2(db, "split_part", 3,
                                            SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
                                            nullptr, split_part, nullptr, nullptr, nullptr);
  if (rc != SQLITE_OK) return sqlite_error(db, rc, "split_part");
  return {};
}

}  // namespace slip::store
