#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "contract/nested.h"
#include "contract/rule.h"
#include "engine/expr/civil.h"

// Checks of a property, and the rules that decide them for one kind of value.
namespace slip::contract {
namespace {

using codec::Json;
using Kind = Cell::Kind;

OnViolation action_of(const std::vector<Custom>& customs, OnViolation fallback) {
  const Json* v = find_custom(customs, "slipway.onViolation");
  if (v == nullptr || !v->is_string()) return fallback;
  return parse_on_violation(v->as_string()).value_or(fallback);
}

class CheckList {
 public:
  CheckList(const Property& property, OnViolation fallback)
      : property_(property), action_(action_of(property.customs, fallback)) {}

  std::vector<Check> make() {
    const Limits& l = property_.limits;
    structural(property_.logical != Logical::kNone, "logicalType");
    structural(property_.required || property_.primary_key, "required");
    structural(l.minimum.has_value(), "minimum");
    structural(l.maximum.has_value(), "maximum");
    structural(l.exclusive_minimum.has_value(), "exclusiveMinimum");
    structural(l.exclusive_maximum.has_value(), "exclusiveMaximum");
    structural(l.multiple_of.has_value(), "multipleOf");
    structural(l.min_length.has_value(), "minLength");
    structural(l.max_length.has_value(), "maxLength");
    structural(l.pattern.has_value(), "pattern");
    structural(!l.format.empty(), "format");
    structural(l.min_items.has_value(), "minItems");
    structural(l.max_items.has_value(), "maxItems");
    structural(l.unique_items, "uniqueItems");
    structural(l.min_properties.has_value(), "minProperties");
    structural(l.max_properties.has_value(), "maxProperties");
    structural(!l.required.empty(), "requiredProperties");
    structural(!property_.properties.empty(), "properties");
    structural(!property_.items.empty(), "items");
    for (const Quality& q : property_.quality)
      if (q.type == Quality::Type::kLibrary && q.metric != Metric::kDuplicate) quality(q);
    return std::move(out_);
  }

 private:
  void structural(bool wanted, std::string_view name) {
    if (!wanted) return;
    Check c;
    c.property = property_.name;
    c.name = name;
    c.structural = true;
    c.action = action_;
    c.pointer = property_.pointer;
    out_.push_back(std::move(c));
  }
  void quality(const Quality& q) {
    Check c;
    c.property = property_.name;
    c.name = metric_name(q.metric);
    c.id = q.id;
    c.title = q.name.empty() ? q.description : q.name;
    c.severity = q.severity;
    c.bound = q.bound;
    c.percent = q.percent;
    // "None may be" is a matter of one record, too.
    c.structural = q.bound && q.bound->op == Operator::kMustBe && q.bound->a == 0;
    c.action = action_of(q.customs, action_);
    c.pointer = q.pointer;
    out_.push_back(std::move(c));
  }

  const Property& property_;
  const OnViolation action_;
  std::vector<Check> out_;
};

struct IntRange {
  std::string_view format;
  int64_t low;
  int64_t high;
};
constexpr std::array kIntFormats = {
    IntRange{"i8", INT8_MIN, INT8_MAX},    IntRange{"i16", INT16_MIN, INT16_MAX},
    IntRange{"i32", INT32_MIN, INT32_MAX}, IntRange{"u8", 0, UINT8_MAX},
    IntRange{"u16", 0, UINT16_MAX},        IntRange{"u32", 0, UINT32_MAX},
    IntRange{"u64", 0, INT64_MAX},         IntRange{"u128", 0, INT64_MAX},
    IntRange{"i64", INT64_MIN, INT64_MAX}, IntRange{"i128", INT64_MIN, INT64_MAX}};

class Compiler {
 public:
  Compiler(const Property& property, std::span<const Check> checks, size_t first,
           const Reading& reading)
      : property_(property), checks_(checks), first_(first), kind_(reading.kind) {
    out_.reading = reading;
  }

  RuleSet make() {
    size_t qualities = 0;
    for (size_t i = 0; i < checks_.size(); ++i) {
      check_ = first_ + i;
      if (checks_[i].pointer == property_.pointer)
        structural(checks_[i].name);
      else
        quality(*nth_quality(qualities++));
    }
    std::ranges::stable_sort(out_.rules, {}, [](const Rule& r) {
      return r.test != Test::kPresent && r.test != Test::kPresentIn;
    });
    return std::move(out_);
  }

 private:
  const Quality* nth_quality(size_t n) const {
    for (const Quality& q : property_.quality)
      if (q.type == Quality::Type::kLibrary && q.metric != Metric::kDuplicate && n-- == 0)
        return &q;
    return nullptr;
  }
  Rule& add(Test test, std::string text = {}) {
    Rule rule;
    rule.test = test;
    rule.check = check_;
    rule.text = std::move(text);
    out_.rules.push_back(std::move(rule));
    return out_.rules.back();
  }
  void unable(std::string why) { out_.unable.emplace_back(check_, std::move(why)); }
  bool is_text() const { return kind_ == Kind::kText || kind_ == Kind::kBytes; }
  bool is_int() const { return kind_ == Kind::kInt || kind_ == Kind::kTime; }

  void structural(const std::string& name) {
    const Limits& l = property_.limits;
    if (name == "logicalType") return;  // What is read is of the type.
    if (name == "required") return void(add(Test::kPresent));
    if (out_.reading.how == Reading::How::kRefused) return unable("the values are of another type");
    if (name == "minimum") return bound(Test::kLow, *l.minimum, false);
    if (name == "maximum") return bound(Test::kHigh, *l.maximum, false);
    if (name == "exclusiveMinimum") return bound(Test::kLow, *l.exclusive_minimum, true);
    if (name == "exclusiveMaximum") return bound(Test::kHigh, *l.exclusive_maximum, true);
    if (name == "multipleOf") return multiple(*l.multiple_of);
    if (name == "minLength") return count(Test::kMinLength, *l.min_length, is_text());
    if (name == "maxLength") return count(Test::kMaxLength, *l.max_length, is_text());
    if (name == "pattern") return pattern(*l.pattern);
    if (name == "format") return format(l.format);
    const bool json = kind_ == Kind::kJson;
    if (name == "minItems") return count(Test::kMinItems, *l.min_items, json);
    if (name == "maxItems") return count(Test::kMaxItems, *l.max_items, json);
    if (name == "uniqueItems") return count(Test::kUniqueItems, 0, json);
    if (name == "minProperties") return count(Test::kMinMembers, *l.min_properties, json);
    if (name == "maxProperties") return count(Test::kMaxMembers, *l.max_properties, json);
    if (name == "requiredProperties") {
      if (json) add(Test::kMembers, join(l.required, "\n"));
    } else if (json && (name == "properties" || name == "items")) {
      add(Test::kNested).nested = compile_nested(property_);
    }
    if (!json) unable("nested values can't be seen in this file");
  }

  void count(Test test, int64_t n, bool able) {
    if (!able) return unable("the values are of another kind");
    add(test, std::to_string(n)).i = n;
  }

  void pattern(const std::string& text) {
    if (!is_text()) return unable("the values are no texts");
    Result<codec::Regex> compiled = codec::Regex::compile(text);
    if (!compiled.ok())
      return unable(
          concat({"this pattern needs more than regular expressions: ", compiled.error().text}));
    add(Test::kPattern, text).regex = std::make_shared<codec::Regex>(std::move(compiled).value());
  }

  void format(const std::string& text) {
    if (kind_ == Kind::kInt)
      for (const IntRange& range : kIntFormats)
        if (range.format == text) {
          if (range.low != INT64_MIN) add(Test::kLow, text).i = range.low;
          if (range.high != INT64_MAX) add(Test::kHigh, text).i = range.high;
        }
    if (kind_ == Kind::kReal && text == "f32") add(Test::kFloat32);
    if (kind_ == Kind::kText && property_.logical == Logical::kString) {
      if (!is_known_form(text))
        return unable(concat({"no rule is known for the format '", text, "'"}));
      add(Test::kForm, text);
    }
    const bool time = property_.logical == Logical::kDate ||
                      property_.logical == Logical::kTimestamp ||
                      property_.logical == Logical::kTime;
    if (time && kind_ == Kind::kText) unable("this format of times is not read");
  }

  void bound(Test test, const Json& limit, bool strict) {
    if (limit.is_string()) return time_bound(test, limit.as_string(), strict);
    Rule rule;
    rule.test = test;
    rule.check = check_;
    rule.strict = strict;
    rule.text = codec::to_json(limit);
    rule.d = limit.as_double();
    if (kind_ == Kind::kInt && !int_bound(limit, &rule)) {
      // No integer is there: every one fails, or none.
      if ((test == Test::kLow) != (rule.d > 0)) return;
      rule.test = Test::kOneOf;
      rule.set = std::make_shared<ValueSet>(std::vector<Json>(), kind_);
    }
    if (kind_ != Kind::kInt && kind_ != Kind::kReal) return unable("the values are no numbers");
    out_.rules.push_back(std::move(rule));
  }
  // The nearest integer that fits; strict bounds become others. False: it lies beyond 64 bits.
  static bool int_bound(const Json& limit, Rule* rule) {
    const bool low = rule->test == Test::kLow;
    int64_t at = 0;
    bool exact = limit.is_int();
    if (exact) {
      at = limit.as_int();
    } else {
      const double whole = low ? std::ceil(rule->d) : std::floor(rule->d);
      if (std::fabs(whole) >= 0x1p63) return false;
      at = static_cast<int64_t>(whole);
      exact = whole == rule->d;
    }
    if (rule->strict && exact && __builtin_add_overflow(at, low ? 1 : -1, &at)) return false;
    rule->i = at;
    return true;
  }

  void time_bound(Test test, const std::string& limit, bool strict) {
    const std::string& written = property_.limits.format;
    if (kind_ != Kind::kTime) return unable("the values are no times that are read");
    std::optional<int64_t> us;
    const Result<TimeFormat> format = written.empty()
                                          ? TimeFormat::iso(property_.logical == Logical::kTime)
                                          : TimeFormat::compile(written);
    if (format.ok()) us = format->parse(limit);
    if (!us) us = TimeFormat::iso(property_.logical == Logical::kTime).parse(limit);
    if (!us) return unable(concat({"'", limit, "' is no time of its format"}));
    Rule& rule = add(test, limit);
    rule.strict = strict;
    rule.i = *us + (strict ? test == Test::kLow ? 1 : -1 : 0);
  }

  void multiple(const Json& step_of) {
    if (kind_ != Kind::kInt && kind_ != Kind::kReal) return unable("the values are no numbers");
    Rule& rule = add(Test::kMultiple, codec::to_json(step_of));
    const double d = step_of.as_double();
    const bool whole = std::floor(d) == d && d < 0x1p63;
    if (kind_ == Kind::kReal || !whole) {
      rule.d = d;
      return;
    }
    const auto m =
        static_cast<uint64_t>(step_of.is_int() ? step_of.as_int() : static_cast<int64_t>(d));
    rule.shift = std::countr_zero(m);
    const uint64_t odd = m >> rule.shift;
    uint64_t inverse = odd;  // Right to 3 bits; each step doubles that.
    for (int i = 0; i < 5; ++i) inverse *= 2 - odd * inverse;
    rule.i = static_cast<int64_t>(inverse);
    rule.most = std::numeric_limits<uint64_t>::max() / m;
  }

  void quality(const Quality& q) {
    if (q.metric == Metric::kNull) return void(add(Test::kPresent));
    if (out_.reading.how == Reading::How::kRefused) return unable("the values are of another type");
    if (q.metric == Metric::kMissing) {
      add(Test::kPresentIn).set =
          std::make_shared<ValueSet>(q.arguments.find("missingValues")->items(), kind_);
      return;
    }
    const Json* values = q.arguments.find("validValues");
    if (const Json* text = q.arguments.find("pattern")) {
      const size_t before = out_.rules.size();
      pattern(text->as_string());
      if (values == nullptr || out_.rules.size() == before) return;
      out_.rules.back().test = Test::kOneOf;  // Both, in one rule: a row counts once.
    } else {
      add(Test::kOneOf);
    }
    out_.rules.back().set = std::make_shared<ValueSet>(values->items(), kind_);
  }

  const Property& property_;
  const std::span<const Check> checks_;
  const size_t first_;
  const Kind kind_;
  size_t check_ = 0;
  RuleSet out_;
};

}  // namespace

std::vector<Check> checks_of(const Property& property, OnViolation fallback) {
  return CheckList(property, fallback).make();
}

RuleSet compile_rules(const Property& property, std::span<const Check> checks, size_t first,
                      const Reading& reading) {
  return Compiler(property, checks, first, reading).make();
}

}  // namespace slip::contract
