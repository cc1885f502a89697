#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// The filter language of searches: `metrics.loss < 0.2 AND params."learning rate" = '1e-3'`.
// A recursive-descent parser that yields a conjunction of comparisons; what a key means and which
// operators it takes is the domain's business (see sql.h). Pure; any thread.
//
// filter     = [AND] comparison {AND comparison} [AND]
// comparison = key (op value | [NOT] IN "(" value {"," value} ")" | IS [NOT] NULL)
// key        = name | entity "." name; a name is bare, `quoted`, "quoted" or 'quoted'
//
// Errors: kInvalid `filter.syntax|filter.clause|filter.multiple|filter.limit`.
namespace slip::search {

inline constexpr size_t kFilterBytesMax = 64 << 10;
inline constexpr size_t kClausesMax = 200;
inline constexpr size_t kListItemsMax = 1000;

enum class Op : uint8_t {
  kEq,
  kNe,
  kLt,
  kLe,
  kGt,
  kGe,
  kLike,   // Case matters; % and _ are wildcards.
  kILike,  // Case does not.
  kIn,
  kNotIn,
  kIsNull,
  kIsNotNull,
  kOther,  // Reads as an operator ("==", "<>", "RLIKE") that no key takes.
};
std::string_view op_text(Op op);

struct Literal {
  bool is_number = false;
  std::string text;   // Without quotes; a number as written.
  double number = 0;  // When is_number.
};

struct Key {
  std::string entity;  // Lower case, "" when the key has none.
  std::string name;    // As written, without quotes.
  bool operator==(const Key&) const = default;
};

struct Comparison {
  Key key;
  Op op = Op::kEq;
  std::string op_written;       // "==", for messages.
  std::vector<Literal> values;  // One; several for IN; none for IS NULL.
};

// Empty or blank text: no comparisons.
Result<std::vector<Comparison>> parse_filter(std::string_view text);

struct Order {
  Key key;
  bool ascending = true;
};
// "metrics.loss DESC", "`start time`", "attributes.name ASC".
Result<Order> parse_order(std::string_view text);

}  // namespace slip::search
