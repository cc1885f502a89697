#include "core/search/filter.h"

#include "base/check.h"
#include "core/search/page.h"
#include "test/fuzz/fuzz.h"

namespace {

class TextTests final : public slip::search::Tests {
 public:
  slip::Status add(slip::search::Sql* sql, const slip::search::Comparison& test) override {
    return slip::search::add_text_test(sql, "c", test);
  }
};

}  // namespace

// What compiles binds one argument a placeholder and closes what it opens.
SLIP_FUZZ(filter) {
  const std::string_view text = slip::fuzz::as_text(data);
  (void)slip::search::parse_order(text);
  (void)slip::search::parse_page_token(text, "query", {});
  const auto filter = slip::search::parse_filter(text);
  if (!filter.ok()) return;
  slip::search::Sql sql;
  TextTests tests;
  if (!slip::search::add_filter(&sql, *filter, tests).ok()) return;
  size_t placeholders = 0;
  int64_t open = 0;
  for (const char ch : sql.text) {
    placeholders += ch == '?';
    open += ch == '(' ? 1 : ch == ')' ? -1 : 0;
  }
  CHECK(placeholders == sql.args.size());
  CHECK(open == 0);
}
