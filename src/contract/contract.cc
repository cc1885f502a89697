#include "contract/contract.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/text.h"

namespace slip::contract {

using codec::Json;

std::string_view logical_name(Logical logical) {
  constexpr std::array<std::string_view, 10> kNames = {
      "", "string", "date", "timestamp", "time", "number", "integer", "object", "array", "boolean"};
  return kNames[static_cast<size_t>(logical)];
}

std::string_view severity_name(Severity severity) {
  constexpr std::array<std::string_view, 3> kNames = {"info", "warning", "error"};
  return kNames[static_cast<size_t>(severity)];
}

std::string_view on_violation_name(OnViolation action) {
  constexpr std::array<std::string_view, 4> kNames = {"warn", "null_out", "quarantine", "reject"};
  return kNames[static_cast<size_t>(action)];
}

std::string_view metric_name(Metric metric) {
  constexpr std::array<std::string_view, 5> kNames = {
      "nullValues", "missingValues", "invalidValues", "duplicateValues", "rowCount"};
  return kNames[static_cast<size_t>(metric)];
}

std::optional<Severity> parse_severity(std::string_view text) {
  const std::string word = lower(text);
  for (const std::string_view w : {"error", "critical", "high", "blocker", "fatal", "major"})
    if (word == w) return Severity::kError;
  for (const std::string_view w : {"warning", "warn", "medium", "low", "minor"})
    if (word == w) return Severity::kWarning;
  if (word == "info" || word == "informational") return Severity::kInfo;
  return std::nullopt;
}

std::optional<OnViolation> parse_on_violation(std::string_view text) {
  for (const OnViolation a :
       {OnViolation::kWarn, OnViolation::kNullOut, OnViolation::kQuarantine, OnViolation::kReject})
    if (on_violation_name(a) == text) return a;
  return std::nullopt;
}

const Json* find_custom(const std::vector<Custom>& customs, std::string_view property) {
  const auto at = std::ranges::find(customs, property, &Custom::property);
  return at == customs.end() ? nullptr : &at->value;
}

// ---- Bound

bool Bound::holds(double measured) const {
  switch (op) {
    case Operator::kMustBe:
      return measured == a;
    case Operator::kMustNotBe:
      return measured != a;
    case Operator::kGreaterThan:
      return measured > a;
    case Operator::kGreaterOrEqual:
      return measured >= a;
    case Operator::kLessThan:
      return measured < a;
    case Operator::kLessOrEqual:
      return measured <= a;
    case Operator::kBetween:
      return measured > a && measured < b;
    case Operator::kNotBetween:
      return !(measured > a && measured < b);
  }
  return false;
}

std::string Bound::text() const {
  constexpr std::array<std::string_view, 6> kSigns = {"= ", "<> ", "> ", ">= ", "< ", "<= "};
  if (op == Operator::kBetween || op == Operator::kNotBetween)
    return concat({op == Operator::kBetween ? "between " : "not between ", format_double(a),
                   " and ", format_double(b), ", ends excluded"});
  return concat({kSigns[static_cast<size_t>(op)], format_double(a)});
}

// ---- looking up

const Json* Property::custom(std::string_view name_of) const {
  return find_custom(customs, name_of);
}

const std::vector<Json>* Property::valid_values() const {
  for (const Quality& q : quality) {
    const bool closed = q.metric == Metric::kInvalid && q.type == Quality::Type::kLibrary &&
                        q.bound && q.bound->op == Operator::kMustBe && q.bound->a == 0;
    const Json* values = closed ? q.arguments.find("validValues") : nullptr;
    if (values != nullptr) return &values->items();
  }
  return nullptr;
}

const Property* Object::find(std::string_view property) const {
  const auto at = std::ranges::find(properties, property, &Property::name);
  return at == properties.end() ? nullptr : &*at;
}

std::vector<std::string> Object::primary_key() const {
  std::vector<const Property*> parts;
  for (const Property& p : properties)
    if (p.primary_key) parts.push_back(&p);
  std::ranges::stable_sort(parts, {}, [](const Property* p) { return p->primary_key_position; });
  std::vector<std::string> out;
  for (const Property* p : parts) out.push_back(p->name);
  return out;
}

const Object* Contract::find(std::string_view object) const {
  const auto at = std::ranges::find(objects, object, &Object::name);
  return at == objects.end() ? nullptr : &*at;
}

}  // namespace slip::contract
