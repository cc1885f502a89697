#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "core/search/filter.h"
#include "store/db.h"

// From comparisons to SQL with bound parameters, and pages by key instead of by offset. A domain
// names the SQL expression of each key; no text of a request ever becomes SQL. Pure; any thread.
//
// Errors: kInvalid `filter.operator|filter.value|page.token`.
namespace slip::search {

using Bound = std::variant<int64_t, double, std::string>;

// SQL under construction with the arguments of its placeholders, in order.
struct Sql {
  std::string text;
  std::vector<Bound> args;

  Sql& add(std::string_view piece) {
    text += piece;
    return *this;
  }
  Sql& bind(Bound value) {
    args.push_back(std::move(value));
    return *this;
  }
  std::vector<store::Value> values() const;  // Views into `args`.
};

// " = ?" and so on behind `expr`, a column or expression of our own. `name` is for messages.
Status add_text_test(Sql* sql, std::string_view expr, const Comparison& c);
// Doubles or integers; the value must be a number.
Status add_number_test(Sql* sql, std::string_view expr, const Comparison& c);
Status add_integer_test(Sql* sql, std::string_view expr, const Comparison& c);
// kInvalid `filter.operator` unless `op` is one of `allowed`.
Status check_op(const Comparison& c, std::initializer_list<Op> allowed);

enum class Type : uint8_t { kInteger, kNumber, kText };
// One column of an ORDER BY. `expr` never yields NULL.
struct SortKey {
  std::string expr;
  Type type = Type::kInteger;
  bool ascending = true;
  // Arguments of placeholders inside `expr`; they are bound wherever it is written.
  std::vector<Bound> args;
};

// " ORDER BY a, b DESC".
void add_order_by(Sql* sql, std::span<const SortKey> keys);
// "(a > ? OR (a = ? AND b < ?))": rows that come after the row with these key values.
void add_after(Sql* sql, std::span<const SortKey> keys, std::span<const Bound> last);

// A page token: the key values of the last row, bound to the query it continues.
std::string make_page_token(std::string_view query, std::span<const Bound> last);
// Empty text: no values. kInvalid `page.token` for garbage or a token of another query.
Result<std::vector<Bound>> parse_page_token(std::string_view token, std::string_view query,
                                            std::span<const SortKey> keys);
// Reads the key values of a row whose first sort column is `first`.
std::vector<Bound> read_keys(const store::Row& row, int first, std::span<const SortKey> keys);

}  // namespace slip::search
