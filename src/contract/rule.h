#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "codec/regex.h"
#include "contract/cell.h"
#include "contract/contract.h"
#include "contract/timeformat.h"

// What a contract says of one property, as tests of single values: compiled once for the kind of
// value that a column or a record holds, evaluated by the batch check and the record check alike,
// so both say the same. Immutable after compilation; any thread.
namespace slip::contract {

enum class Test : uint8_t {
  kPresent,  // Not null.
  kKind,     // The value is of the logical type.
  kLow,      // Ints and times: >= i. Reals: >= d, or > d.
  kHigh,
  kMultiple,
  kFloat32,
  kMinLength,
  kMaxLength,
  kPattern,
  kForm,       // email, uuid, …
  kOneOf,      // Null is not looked at.
  kPresentIn,  // Not one of the values that count as missing; null may be one.
  kMinItems,
  kMaxItems,
  kUniqueItems,
  kMinMembers,
  kMaxMembers,
  kMembers,  // Names that an object needs.
  kNested,   // Properties of an object, items of an array.
};

// The check that a rule belongs to: a line of the report.
struct Check {
  std::string property;  // Empty: of the object.
  std::string name;      // "minimum", "nullValues", …
  std::string id;        // Of a quality check.
  std::string title;     // Its name or description.
  Severity severity = Severity::kError;
  std::optional<Bound> bound;  // None: not a single row may fail.
  bool percent = false;
  bool structural = false;  // From the property's keys, so a single record can break it.
  OnViolation action = OnViolation::kReject;
  std::string pointer;
};

struct NestedPlan;

struct Rule {
  Test test = Test::kPresent;
  size_t check = 0;  // Index of its Check.
  int64_t i = 0;     // Bound, count, inverse of the multiple's odd part.
  uint64_t most = 0;
  int shift = 0;
  double d = 0;
  bool strict = false;
  std::string text;  // What is wanted, for reasons.
  std::shared_ptr<const codec::Regex> regex;
  std::shared_ptr<const ValueSet> set;
  std::shared_ptr<const NestedPlan> nested;
};

// How a value of one kind becomes one that rules look at.
struct Reading {
  enum class How : uint8_t { kRefused, kAsIs, kTime, kReal, kInt, kIntOfReal, kBool, kJson };
  How how = How::kRefused;
  Cell::Kind kind = Cell::Kind::kNull;  // Afterwards.
  std::shared_ptr<const TimeFormat> format;
  // Nothing: the value is not of the logical type. `scratch` is borrowed by the result.
  std::optional<Cell> read(const Cell& cell, codec::Json* scratch) const;
};
// How far values may be from their type: a file's types count; JSON writes times as texts; a file
// without types (CSV) writes everything so.
enum class Leniency : uint8_t { kTyped, kJson, kText };
Reading reading_of(const Property& property, Cell::Kind kind, Leniency leniency);

// A property's rules for one kind of value. Checks are made by `checks_of` first, in an order that
// doesn't depend on the kind.
struct RuleSet {
  Reading reading;
  std::vector<Rule> rules;  // kPresent and kPresentIn first: they see nulls.
  // Checks that this kind can't be put to, and why.
  std::vector<std::pair<size_t, std::string>> unable;
};
std::vector<Check> checks_of(const Property& property, OnViolation fallback);
// `own`: what checks_of made of the property; `first`: the number of the first of them.
RuleSet compile_rules(const Property& property, std::span<const Check> own, size_t first,
                      const Reading& reading);

// False: the cell breaks the rule. Cells are read ones, of the kind the rule was compiled for.
bool holds(const Rule& rule, const Cell& cell);
bool holds_real(const Rule& rule, double v);
bool holds_int(const Rule& rule, int64_t v);
bool holds_text(const Rule& rule, std::string_view v);
std::string reason(const Rule& rule, const Cell& cell);

// Texts of a well-known form; unknown forms hold everything.
bool is_known_form(std::string_view form);
bool has_form(std::string_view form, std::string_view text);
int64_t code_points(std::string_view text);

}  // namespace slip::contract
