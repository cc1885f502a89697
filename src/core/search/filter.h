#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// The filter language of searches: `metrics.loss < 0.2 AND (params.opt = 'adam' OR NOT tags.x IS
// NULL)`. MLflow's six grammars are its subset: comparisons joined by AND. A recursive-descent
// parser; what a key means and which operators it takes is the domain's business (see sql.h).
// Pure; any thread.
//
// filter  = [AND] any [AND]
// any     = all {OR all}
// all     = factor {AND factor}
// factor  = NOT factor | "(" any ")" | test
// test    = key (op value | [NOT] IN "(" value {"," value} ")" | IS [NOT] NULL |
//                [NOT] BETWEEN value AND value | [NOT] RLIKE value)
// key     = name | entity "." name; a name is bare, `quoted`, "quoted" or 'quoted',
//           or bare up to its last dot and quoted behind it
//
// A test of something absent is false, and NOT of it true: there is no third value.
//
// Errors: kInvalid `filter.syntax|filter.clause|filter.multiple|filter.limit`.
namespace slip::search {

inline constexpr size_t kFilterBytesMax = 64 << 10;
inline constexpr size_t kClausesMax = 200;
inline constexpr size_t kFilterDepthMax = 32;
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
  kRegex,  // RLIKE: found anywhere in the text.
  kIn,
  kNotIn,
  kIsNull,
  kIsNotNull,
  kOther,  // Reads as an operator ("==", "<>") that no key takes.
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

struct Filter {
  enum class Kind : uint8_t { kAll, kAny, kNot, kTest };
  Kind kind = Kind::kAll;
  std::vector<Filter> parts;  // kAll: none is true. kNot: one.
  Comparison test;            // kTest.
  bool empty() const { return kind == Kind::kAll && parts.empty(); }
};

// Empty or blank text: an empty filter. The whole is a kAll whose parts are what AND joins.
// BETWEEN comes as two tests.
Result<Filter> parse_filter(std::string_view text);
// Every test of the filter, in the order of writing.
std::vector<const Comparison*> all_tests(const Filter& filter);

struct Order {
  Key key;
  bool ascending = true;
};
// "metrics.loss DESC", "`start time`", "attributes.name ASC".
Result<Order> parse_order(std::string_view text);

}  // namespace slip::search
