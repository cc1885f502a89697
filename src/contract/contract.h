#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"

// A data contract as the Open Data Contract Standard 3.1 writes it: what tables hold, what must be
// true of them, and how promptly they come. A Contract that parse_contract returned is sound: no
// unknown keys, references lead somewhere, every library check has one operator. Pure values.
//
// What ODCS has no key for stands in customProperties, under names that begin with "slipway.":
// onViolation (reject, quarantine, null_out, warn), closed (the set of values is complete), default
// (of a required property that is new), unit, entityKey, eventTime, unexpectedFields (of an object:
// allow, warn, reject).
namespace slip::contract {

enum class Logical : uint8_t {
  kNone,
  kString,
  kDate,
  kTimestamp,
  kTime,
  kNumber,
  kInteger,
  kObject,
  kArray,
  kBoolean,
};
std::string_view logical_name(Logical logical);  // "" for kNone.

enum class Operator : uint8_t {
  kMustBe,
  kMustNotBe,
  kGreaterThan,
  kGreaterOrEqual,
  kLessThan,
  kLessOrEqual,
  kBetween,  // Both ends outside.
  kNotBetween,
};
struct Bound {
  Operator op = Operator::kMustBe;
  double a = 0;
  double b = 0;  // kBetween, kNotBetween.
  bool holds(double measured) const;
  std::string text() const;  // "< 5", "between 1 and 2 (exclusive)"
  bool operator==(const Bound&) const = default;
};

enum class Severity : uint8_t { kInfo, kWarning, kError };
std::string_view severity_name(Severity severity);

enum class OnViolation : uint8_t { kWarn, kNullOut, kQuarantine, kReject };  // By strength.
std::string_view on_violation_name(OnViolation action);

struct Custom {
  std::string property;
  codec::Json value;
};

enum class Metric : uint8_t { kNull, kMissing, kInvalid, kDuplicate, kRowCount };
std::string_view metric_name(Metric metric);  // "nullValues", …

struct Quality {
  enum class Type : uint8_t { kLibrary, kText, kSql, kCustom };
  std::string id;
  std::string name;
  Type type = Type::kLibrary;
  Metric metric = Metric::kNull;
  codec::Json arguments;  // An object, or null.
  std::optional<Bound> bound;
  bool percent = false;
  std::string query;   // kSql
  std::string engine;  // kCustom
  codec::Json implementation;
  Severity severity = Severity::kError;
  std::string dimension;
  std::string description;
  std::vector<Custom> customs;
  std::string pointer;  // In the document: "/schema/0/quality/1".
};

struct Relationship {
  std::vector<std::string> from;  // Property names of this object.
  std::string to_object;
  bool elsewhere = false;  // No object of this contract.
  std::vector<std::string> to;
  std::string written;
  std::string pointer;
};

// logicalTypeOptions; bounds of times are texts, of numbers numbers.
struct Limits {
  std::optional<int64_t> min_length, max_length;
  std::optional<int64_t> min_items, max_items;
  std::optional<int64_t> min_properties, max_properties;
  std::optional<codec::Json> minimum, maximum, exclusive_minimum, exclusive_maximum;
  std::optional<codec::Json> multiple_of;
  std::optional<std::string> pattern;
  std::string format;
  bool unique_items = false;
  std::vector<std::string> required;
  std::optional<bool> timezone;
  std::string default_timezone;
};

struct Property {
  std::string id;
  std::string name;  // Empty for items of an array.
  std::string physical_name;
  std::string physical_type;
  Logical logical = Logical::kNone;
  Limits limits;
  bool required = false;
  bool unique = false;
  bool primary_key = false;
  int64_t primary_key_position = -1;
  std::string classification;
  std::vector<Quality> quality;
  std::vector<Relationship> relationships;
  std::vector<Property> properties;  // kObject
  std::vector<Property> items;       // kArray: at most one.
  std::vector<Custom> customs;
  std::string pointer;

  const std::string& column() const { return physical_name.empty() ? name : physical_name; }
  const codec::Json* custom(std::string_view name) const;
  // The set of values that are valid (an invalidValues check that allows none); null if any is.
  const std::vector<codec::Json>* valid_values() const;
};

struct Object {
  std::string id;
  std::string name;
  std::string physical_name;
  std::string description;
  std::vector<Property> properties;
  std::vector<Quality> quality;
  std::vector<Relationship> relationships;  // Those of properties too.
  std::vector<Custom> customs;
  std::string pointer;

  const Property* find(std::string_view property) const;  // By name.
  std::vector<std::string> primary_key() const;           // Names, by position.
};

struct Sla {
  std::string id;
  std::string property;  // As written.
  codec::Json value;
  codec::Json value_ext;
  std::string unit;
  std::string element;  // "object.property", several with commas between.
  std::string pointer;
};

struct Contract {
  std::string api_version;
  std::string id;
  std::string name;
  std::string version;
  std::string status;
  std::vector<Object> objects;
  std::vector<Sla> slas;
  std::vector<Custom> customs;
  codec::Json document;  // All of it, as read.

  const Object* find(std::string_view object) const;  // By name.
};

// What is wrong with a document, and where.
struct Issue {
  std::string reason;   // "contract.unknown_key"
  std::string pointer;  // "/schema/0/properties/1/nme"
  int line = 0;
  std::string text;
};

// limits
inline constexpr size_t kIssuesMax = 100;
inline constexpr int kPropertyDepthMax = 32;

// YAML or JSON. The error is the first issue with its line and pointer; `issues` gets them all, up
// to kIssuesMax. kInvalid `contract.unknown_key|missing|type|value|version|duplicate|reference|
// operator|empty|depth`, and those of codec/yaml.h.
Result<Contract> parse_contract(std::string_view text, std::vector<Issue>* issues = nullptr);

std::optional<Severity> parse_severity(std::string_view text);
std::optional<OnViolation> parse_on_violation(std::string_view text);
const codec::Json* find_custom(const std::vector<Custom>& customs, std::string_view property);

}  // namespace slip::contract
