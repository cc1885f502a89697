#include "core/search/filter.h"

#include "base/check.h"
#include "core/search/sql.h"
#include "test/fuzz/fuzz.h"

// What parses again says the same; what compiles binds one argument a placeholder.
SLIP_FUZZ(filter) {
  const std::string_view text = slip::fuzz::as_text(data);
  (void)slip::search::parse_order(text);
  (void)slip::search::parse_page_token(text, "query", {});
  const auto clauses = slip::search::parse_filter(text);
  if (!clauses.ok()) return;
  for (const slip::search::Comparison& c : *clauses) {
    slip::search::Sql sql;
    if (!slip::search::add_text_test(&sql, "c", c).ok()) continue;
    size_t placeholders = 0;
    for (const char ch : sql.text) placeholders += ch == '?';
    CHECK(placeholders == sql.args.size());
  }
}
