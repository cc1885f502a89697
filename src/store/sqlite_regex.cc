#include "store/sqlite_regex.h"

#include <memory>
#include <string_view>

#include <sqlite3.h>

#include "codec/regex.h"
#include "store/sqlite_conn.h"

namespace slip::store {
namespace {

std::string_view text_of(sqlite3_value* value) {
  const auto* p = reinterpret_cast<const char*>(sqlite3_value_text(value));
  return p ? std::string_view(p, static_cast<size_t>(sqlite3_value_bytes(value)))
           : std::string_view();
}

void drop(void* regex) {
  const std::unique_ptr<codec::Regex> gone(static_cast<codec::Regex*>(regex));
}

void regex_found(sqlite3_context* context, int, sqlite3_value** args) {
  if (sqlite3_value_type(args[0]) == SQLITE_NULL) return sqlite3_result_null(context);
  const auto* regex = static_cast<const codec::Regex*>(sqlite3_get_auxdata(context, 1));
  if (regex == nullptr) {
    auto compiled = codec::Regex::compile(text_of(args[1]));
    if (!compiled.ok()) return sqlite3_result_error(context, compiled.error().text.c_str(), -1);
    auto kept = std::make_unique<codec::Regex>(std::move(*compiled));
    const bool found = kept->found_in(text_of(args[0]));
    sqlite3_set_auxdata(context, 1, kept.release(), drop);  // May drop it at once.
    return sqlite3_result_int(context, found ? 1 : 0);
  }
  sqlite3_result_int(context, regex->found_in(text_of(args[0])) ? 1 : 0);
}

}  // namespace

Status add_regex(sqlite3* db) {
  const int rc = sqlite3_create_function_v2(db, "regex_found", 2,
                                            SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
                                            nullptr, regex_found, nullptr, nullptr, nullptr);
  if (rc != SQLITE_OK) return sqlite_error(db, rc, "regex_found");
  return {};
}

}  // namespace slip::store
