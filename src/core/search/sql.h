#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "core/search/filter.h"
#include "store/caller.h"
#include "store/db.h"

// From comparisons to SQL with bound parameters. A domain names the SQL expression of each key; no
// text of a request ever becomes SQL. Pure; any thread.
//
// Errors: kInvalid `filter.operator|filter.value`.
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
  Sql& add(const Sql& piece) {
    text += piece.text;
    args.insert(args.end(), piece.args.begin(), piece.args.end());
    return *this;
  }
  Sql& bind(Bound value) {
    args.push_back(std::move(value));
    return *this;
  }
  // What the caller may read of the rows.
  Sql& add(store::RowTest test) {
    text += test.sql;
    for (std::string& arg : test.args) args.emplace_back(std::move(arg));
    return *this;
  }
  std::vector<store::Value> values() const;  // Views into `args`.
};

// What every key of text takes.
inline constexpr std::initializer_list<Op> kTextOps = {Op::kEq,    Op::kNe, Op::kLike, Op::kILike,
                                                       Op::kRegex, Op::kIn, Op::kNotIn};
// " = ?" and so on behind `expr`, a column or expression of our own: kTextOps, or kInvalid
// `filter.operator`.
Status add_text_test(Sql* sql, std::string_view expr, const Comparison& c);
// Doubles or integers; the values must be numbers.
Status add_number_test(Sql* sql, std::string_view expr, const Comparison& c);
Status add_integer_test(Sql* sql, std::string_view expr, const Comparison& c);
// kInvalid `filter.operator` unless `op` is one of `allowed`.
Status check_op(const Comparison& c, std::initializer_list<Op> allowed);

// A table of keys and values that hang on the row searched for: tags, parameters.
struct Pairs {
  std::string_view table;
  std::string_view join;  // Of its alias p with that row: "p.project = r.project AND …".
};
// kTextOps on the value, IS [NOT] NULL on the key's presence.
Status add_pair_test(Sql* sql, const Pairs& pairs, const Comparison& c);

// What a domain makes of a filter's tests.
class Tests {
 public:
  virtual ~Tests() = default;
  // A condition for one test; true or false, NULL counts as false.
  virtual Status add(Sql* sql, const Comparison& test) = 0;
  // Tests that stand side by side under one AND, for domains where they belong together.
  virtual Status add_all(Sql* sql, std::span<const Comparison* const> tests);
};
// " AND " and the whole filter as one condition; nothing for an empty one.
Status add_filter(Sql* sql, const Filter& filter, Tests& tests);

}  // namespace slip::search
