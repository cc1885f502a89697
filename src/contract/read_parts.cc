#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "base/text.h"
#include "contract/read.h"

namespace slip::contract {
namespace {

using codec::Json;

constexpr std::string_view kBounds = " minimum maximum exclusiveMinimum exclusiveMaximum";

// Which options a logical type has.
std::string options_of(Logical logical) {
  switch (logical) {
    case Logical::kString:
      return "minLength maxLength pattern format";
    case Logical::kDate:
      return concat({"format", kBounds});
    case Logical::kTimestamp:
    case Logical::kTime:
      return concat({"format timezone defaultTimezone", kBounds});
    case Logical::kNumber:
    case Logical::kInteger:
      return concat({"multipleOf format", kBounds});
    case Logical::kObject:
      return "minProperties maxProperties required";
    case Logical::kArray:
      return "minItems maxItems uniqueItems";
    case Logical::kNone:
    case Logical::kBoolean:
      return "";
  }
  return "";
}

bool is_number(Logical logical) {
  return logical == Logical::kNumber || logical == Logical::kInteger;
}

class LimitsReader {
 public:
  LimitsReader(const Json& options, Property* out, Notes* notes)
      : options_(options), out_(*out), limits_(out->limits), notes_(*notes) {}

  void read() {
    const std::string known = options_of(out_.logical);
    const auto words = split(known, ' ');
    for (const auto& [key, value] : options_.members()) {
      if (std::ranges::find(words, key) != words.end() && !key.empty()) continue;
      notes_.add("contract.unknown_key", at(key),
                 out_.logical == Logical::kNone
                     ? "logicalTypeOptions need a logicalType"
                     : concat({"a ", logical_name(out_.logical), " has no option '", key, "'",
                               known.empty() ? "" : "; it has ", known}));
    }
    count("minLength", &limits_.min_length);
    count("maxLength", &limits_.max_length);
    count("minItems", &limits_.min_items);
    count("maxItems", &limits_.max_items);
    count("minProperties", &limits_.min_properties);
    count("maxProperties", &limits_.max_properties);
    ordered(limits_.min_length, limits_.max_length, "minLength");
    ordered(limits_.min_items, limits_.max_items, "minItems");
    ordered(limits_.min_properties, limits_.max_properties, "minProperties");
    bound("minimum", &limits_.minimum);
    bound("maximum", &limits_.maximum);
    bound("exclusiveMinimum", &limits_.exclusive_minimum);
    bound("exclusiveMaximum", &limits_.exclusive_maximum);
    if (is_number(out_.logical)) numbers();
    texts();
  }

 private:
  std::string at(std::string_view key) const {
    return step(step(out_.pointer, "logicalTypeOptions"), key);
  }
  void count(std::string_view key, std::optional<int64_t>* out) {
    const Json* v = options_.find(key);
    if (v == nullptr) return;
    if (v->is_int() && v->as_int() >= 0)
      *out = v->as_int();
    else
      notes_.add("contract.type", at(key), "this is a whole number from 0 on");
  }
  void ordered(const std::optional<int64_t>& low, const std::optional<int64_t>& high,
               std::string_view key) {
    if (low && high && *low > *high)
      notes_.add("contract.empty", at(key), "the least is more than the most: nothing fits");
  }
  void bound(std::string_view key, std::optional<Json>* out) {
    const Json* v = options_.find(key);
    if (v == nullptr) return;
    const bool fits = is_number(out_.logical) ? v->is_number() : v->is_string();
    const bool finite = !v->is_number() || std::isfinite(v->as_double());
    if (fits && finite)
      *out = *v;
    else
      notes_.add("contract.type", at(key),
                 is_number(out_.logical) ? "this is a number" : "this is a time, as text");
  }
  void numbers() {
    if (const Json* v = options_.find("multipleOf")) {
      if (v->is_number() && std::isfinite(v->as_double()) && v->as_double() > 0)
        limits_.multiple_of = *v;
      else
        notes_.add("contract.type", at("multipleOf"), "this is a number above 0");
    }
    const auto low = limits_.minimum ? limits_.minimum : limits_.exclusive_minimum;
    const auto high = limits_.maximum ? limits_.maximum : limits_.exclusive_maximum;
    if (low && high && low->as_double() > high->as_double())
      notes_.add("contract.empty", at(limits_.minimum ? "minimum" : "exclusiveMinimum"),
                 "the least is more than the most: nothing fits");
  }
  void text(std::string_view key, std::string* out) {
    const Json* v = options_.find(key);
    if (v == nullptr) return;
    if (v->is_string())
      *out = v->as_string();
    else
      notes_.add("contract.type", at(key), "this is a text");
  }
  void flag(std::string_view key, std::optional<bool>* out) {
    const Json* v = options_.find(key);
    if (v == nullptr) return;
    if (v->is_bool())
      *out = v->as_bool();
    else
      notes_.add("contract.type", at(key), "this is true or false");
  }
  void texts() {
    text("format", &limits_.format);
    text("defaultTimezone", &limits_.default_timezone);
    flag("timezone", &limits_.timezone);
    std::optional<bool> unique;
    flag("uniqueItems", &unique);
    limits_.unique_items = unique.value_or(false);
    if (options_.find("pattern") != nullptr) text("pattern", &limits_.pattern.emplace());
    if (is_number(out_.logical) && !limits_.format.empty()) number_format();
    const Json* required = options_.find("required");
    if (required == nullptr) return;
    const bool list = required->is_array() && !required->items().empty() &&
                      std::ranges::all_of(required->items(), &Json::is_string);
    if (!list)
      return notes_.add("contract.type", at("required"), "this is a list of names, at least one");
    for (const Json& name : required->items()) {
      if (std::ranges::count(limits_.required, name.as_string()) > 0)
        return notes_.add("contract.duplicate", at("required"),
                          concat({"'", name.as_string(), "' stands here twice"}));
      limits_.required.push_back(name.as_string());
    }
  }
  void number_format() {
    const std::string_view known =
        out_.logical == Logical::kNumber ? "f32 f64" : "i8 i16 i32 i64 i128 u8 u16 u32 u64 u128";
    const auto words = split(known, ' ');
    if (std::ranges::find(words, limits_.format) == words.end())
      notes_.add("contract.value", at("format"),
                 concat({"'", limits_.format, "' is none of ", known}));
  }

  const Json& options_;
  Property& out_;
  Limits& limits_;
  Notes& notes_;
};

// ---- quality

struct OperatorRow {
  std::string_view key;
  Operator op;
};
constexpr std::array kOperators = {
    OperatorRow{"mustBe", Operator::kMustBe},
    OperatorRow{"mustNotBe", Operator::kMustNotBe},
    OperatorRow{"mustBeGreaterThan", Operator::kGreaterThan},
    OperatorRow{"mustBeGreaterOrEqualTo", Operator::kGreaterOrEqual},
    OperatorRow{"mustBeLessThan", Operator::kLessThan},
    OperatorRow{"mustBeLessOrEqualTo", Operator::kLessOrEqual},
    OperatorRow{"mustBeBetween", Operator::kBetween},
    OperatorRow{"mustNotBeBetween", Operator::kNotBetween},
};

class QualityReader {
 public:
  QualityReader(const Json& value, std::string pointer, bool of_object, Notes* notes)
      : value_(value), of_object_(of_object), notes_(*notes) {
    out_.pointer = std::move(pointer);
  }

  Quality read() {
    out_.id = text_of(value_, "id");
    out_.name = text_of(value_, "name");
    out_.description = text_of(value_, "description");
    out_.dimension = text_of(value_, "dimension");
    out_.severity = parse_severity(text_of(value_, "severity")).value_or(Severity::kError);
    out_.customs = read_customs(value_, out_.pointer, &notes_);
    out_.type = type();
    foreign_keys();
    const bool measured = out_.type == Quality::Type::kLibrary || out_.type == Quality::Type::kSql;
    if (measured) bound();
    if (out_.type == Quality::Type::kLibrary) library();
    if (out_.type == Quality::Type::kSql) out_.query = needed("query");
    if (out_.type == Quality::Type::kCustom) {
      out_.engine = needed("engine");
      const Json* code = value_.find("implementation");
      if (code == nullptr)
        notes_.add("contract.missing", out_.pointer, "needs the key 'implementation'");
      else if (!code->is_string() && !code->is_object())
        note("contract.type", "implementation", "this is a text or a mapping of keys");
      else
        out_.implementation = *code;
    }
    return std::move(out_);
  }

 private:
  void note(std::string_view reason, std::string_view key, std::string text) {
    notes_.add(reason, key.empty() ? out_.pointer : step(out_.pointer, key), std::move(text));
  }
  // Without a type: a library check when it has a metric, else words for people.
  Quality::Type type() const {
    const std::string word = text_of(value_, "type");
    if (word == "sql") return Quality::Type::kSql;
    if (word == "custom") return Quality::Type::kCustom;
    if (word == "text") return Quality::Type::kText;
    const bool library =
        word == "library" || value_.find("metric") != nullptr || value_.find("rule") != nullptr;
    return library ? Quality::Type::kLibrary : Quality::Type::kText;
  }
  std::string needed(std::string_view key) {
    if (value_.find(key) == nullptr)
      note("contract.missing", "", concat({"needs the key '", key, "'"}));
    return text_of(value_, key);
  }
  // Keys that belong to checks of another type.
  void foreign_keys() {
    constexpr std::array<std::string_view, 4> kOwn = {"metric rule arguments", "", "query",
                                                      "engine implementation"};
    constexpr std::array<std::string_view, 4> kTypes = {"library", "text", "sql", "custom"};
    for (size_t type_of = 0; type_of < kOwn.size(); ++type_of) {
      if (type_of == static_cast<size_t>(out_.type) || kOwn[type_of].empty()) continue;
      for (const std::string_view key : split(kOwn[type_of], ' '))
        if (value_.find(key) != nullptr)
          note("contract.unknown_key", key,
               concat({"'", key, "' belongs to checks of type ", kTypes[type_of]}));
    }
    const bool measured = out_.type == Quality::Type::kLibrary || out_.type == Quality::Type::kSql;
    for (const OperatorRow& row : kOperators)
      if (!measured && value_.find(row.key) != nullptr)
        note("contract.unknown_key", row.key, "an operator needs a metric or a query");
  }

  void bound() {
    for (const OperatorRow& row : kOperators) {
      const Json* v = value_.find(row.key);
      if (v == nullptr) continue;
      if (out_.bound) return note("contract.operator", row.key, "a check has one operator");
      Bound b;
      b.op = row.op;
      const bool range = row.op == Operator::kBetween || row.op == Operator::kNotBetween;
      if (range ? !read_range(*v, &b) : !read_number(*v, &b.a))
        return note("contract.operator", row.key,
                    range ? "this is two numbers, the smaller first" : "this is a number");
      out_.bound = b;
    }
    if (!out_.bound)
      note("contract.operator", "", "needs an operator: mustBe, mustBeLessThan, mustBeBetween, …");
    const std::string unit = text_of(value_, "unit");
    out_.percent = unit == "percent" || unit == "%";
    if (out_.type == Quality::Type::kLibrary && !out_.percent && !unit.empty() && unit != "rows")
      note("contract.value", "unit", "the unit of a metric is rows or percent");
  }
  static bool read_number(const Json& v, double* out) {
    if (v.is_bool()) *out = v.as_bool() ? 1 : 0;
    if (v.is_number()) *out = v.as_double();
    return (v.is_bool() || v.is_number()) && std::isfinite(*out);
  }
  static bool read_range(const Json& v, Bound* out) {
    if (!v.is_array() || v.items().size() != 2) return false;
    return read_number(v.items()[0], &out->a) && read_number(v.items()[1], &out->b) &&
           out->a < out->b;
  }

  void library() {
    const std::string metric = needed("metric");
    for (const Metric m :
         {Metric::kNull, Metric::kMissing, Metric::kInvalid, Metric::kDuplicate, Metric::kRowCount})
      if (metric_name(m) == metric) out_.metric = m;
    if (const Json* arguments = value_.find("arguments")) out_.arguments = *arguments;
    const bool at_object = out_.metric == Metric::kRowCount;
    const bool at_either = out_.metric == Metric::kDuplicate;
    if (!metric.empty() && !at_either && at_object != of_object_)
      note("contract.value", "metric",
           concat({metric, at_object ? " is of an object" : " is of a property"}));
    if (out_.metric == Metric::kRowCount && out_.percent)
      note("contract.value", "unit", "rowCount counts rows");
    if (out_.metric == Metric::kMissing) needs_list("missingValues");
    if (out_.metric == Metric::kDuplicate && of_object_) needs_list("properties");
    if (out_.metric != Metric::kInvalid) return;
    const Json* pattern = out_.arguments.find("pattern");
    if (pattern == nullptr) return needs_list("validValues");
    if (!pattern->is_string()) note("contract.type", "arguments", "'pattern' is a text");
    if (out_.arguments.find("validValues") != nullptr) needs_list("validValues");
  }
  void needs_list(std::string_view key) {
    const Json* list = out_.arguments.find(key);
    if (list == nullptr)
      return note("contract.missing", value_.find("arguments") != nullptr ? "arguments" : "",
                  concat({"needs the argument '", key, "'"}));
    if (!list->is_array() || list->items().empty())
      return note("contract.type", "arguments", concat({"'", key, "' is a list, not empty"}));
    for (const Json& v : list->items())
      if (v.is_array() || v.is_object())
        return note("contract.type", "arguments", concat({"'", key, "' is of single values"}));
  }

  const Json& value_;
  const bool of_object_;
  Notes& notes_;
  Quality out_;
};

}  // namespace

std::string text_of(const Json& object, std::string_view key) {
  const Json* v = object.find(key);
  return v != nullptr && v->is_string() ? v->as_string() : std::string();
}

void read_limits(const Json& options, Property* out, Notes* notes) {
  if (options.is_object()) LimitsReader(options, out, notes).read();
}

Quality read_quality(const Json& value, std::string pointer, bool of_object, Notes* notes) {
  return QualityReader(value, std::move(pointer), of_object, notes).read();
}

std::vector<Custom> read_customs(const Json& owner, const std::string& pointer, Notes* notes) {
  std::vector<Custom> out;
  const Json* list = owner.find("customProperties");
  if (list == nullptr || !list->is_array()) return out;
  const std::string at = step(pointer, "customProperties");
  for (size_t i = 0; i < list->items().size(); ++i) {
    const Json& item = list->items()[i];
    Custom c;
    c.property = text_of(item, "property");
    if (const Json* value = item.find("value")) c.value = *value;
    if (c.property == "slipway.onViolation" &&
        !(c.value.is_string() && parse_on_violation(c.value.as_string())))
      notes->add("contract.value", step(at, i),
                 "slipway.onViolation is reject, quarantine, null_out or warn");
    if (c.property == "slipway.unexpectedFields" &&
        !(c.value.is_string() && (c.value.as_string() == "allow" || c.value.as_string() == "warn" ||
                                  c.value.as_string() == "reject")))
      notes->add("contract.value", step(at, i),
                 "slipway.unexpectedFields is allow, warn or reject");
    out.push_back(std::move(c));
  }
  return out;
}

}  // namespace slip::contract
