#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/search/sql.h"
#include "store/db.h"

// Lists by page: every page begins behind the key values of the last row before it, so rows that
// come and go never shift a page, and a page costs the same wherever it begins. Pure but for the
// one SELECT; any thread.
//
// Errors: kInvalid `page.token`.
namespace slip::search {

template <class T>
struct Page {
  std::vector<T> items;
  std::string next_page_token;  // Empty: nothing follows.
};

enum class Type : uint8_t { kInteger, kNumber, kText };
// One column of an ORDER BY. `expr` never yields NULL.
struct SortKey {
  std::string expr;
  Type type = Type::kInteger;
  bool ascending = true;
  // Arguments of placeholders inside `expr`; they are bound wherever it is written.
  std::vector<Bound> args;
};

// Which rows, in which order, from where on.
struct PageQuery {
  std::string identity;       // The list and what was asked of it; a token continues this only.
  Sql where;                  // " AND …" each, or nothing.
  Sql visible;                // Likewise: what the actor may see of it. No part of `identity`.
  std::vector<SortKey> keys;  // Together they tell any two rows apart.
  std::vector<Bound> after;   // Key values of the row before the page; empty: from the start.
  int64_t limit = 0;          // Rows of the page.

  // `token` of the page before, "" at first. Needs `identity` and `keys`.
  Status start_at(std::string_view token);
};

// What a list selects: `columns` ("r.run_id, r.name", which are `column_count`) and `from`, whose
// one placeholder is the project ("run r WHERE r.project = ?").
struct Select {
  std::string_view columns;
  int column_count = 0;
  std::string_view from;
};

// Calls `on_row` for each row of the page; the token of the next page, "" when nothing follows.
Result<std::string> each_of_page(store::Tx& tx, std::string_view project, const Select& select,
                                 const PageQuery& query,
                                 const std::function<void(const store::Row&)>& on_row);

template <class Decode>
auto read_page(store::Tx& tx, std::string_view project, const Select& select,
               const PageQuery& query, const Decode& decode)
    -> Result<Page<decltype(decode(std::declval<const store::Row&>()))>> {
  Page<decltype(decode(std::declval<const store::Row&>()))> out;
  out.next_page_token = TRY(each_of_page(tx, project, select, query, [&](const store::Row& row) {
    out.items.push_back(decode(row));
  }));
  return out;
}

// "(a > ? OR (a = ? AND b < ?))": rows that come after the row with these key values.
void add_after(Sql* sql, std::span<const SortKey> keys, std::span<const Bound> last);

// A page token: the key values of the last row, bound to the query it continues.
std::string make_page_token(std::string_view query, std::span<const Bound> last);
// Empty text: no values. Garbage or a token of another query is an error.
Result<std::vector<Bound>> parse_page_token(std::string_view token, std::string_view query,
                                            std::span<const SortKey> keys);

}  // namespace slip::search
