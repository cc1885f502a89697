#include <algorithm>
#include <array>
#include <cmath>

#include "base/text.h"
#include "contract/suite.h"

// Great Expectations' suites: {"expectations": [{"expectation_type" or "type", "kwargs", "meta"}]}.
namespace slip::contract {
namespace {

using codec::Json;

// GE 0.x and 1.x name types of several backends.
struct TypeRow {
  std::string_view logical;
  std::string_view names;
};
constexpr std::array kTypes = {
    TypeRow{"string", "str string object text varchar char stringtype unicode"},
    TypeRow{"integer",
            "int int8 int16 int32 int64 uint8 uint16 uint32 uint64 integer bigint smallint "
            "integertype longtype shorttype int_"},
    TypeRow{"number",
            "float float16 float32 float64 double decimal numeric real floattype doubletype "
            "decimaltype float_"},
    TypeRow{"boolean", "bool boolean bool_ booleantype"},
    TypeRow{"timestamp",
            "datetime datetime64 datetime64[ns] datetime64[us] timestamp timestamptype"},
    TypeRow{"date", "date datetype"},
    TypeRow{"array", "list array arraytype"},
    TypeRow{"object", "dict map struct structtype maptype"},
};
std::string_view logical_of(std::string_view name) {
  const std::string word = lower(name.substr(0, name.find('(')));
  for (const TypeRow& row : kTypes) {
    const auto names = split(row.names, ' ');
    if (std::ranges::find(names, word) != names.end()) return row.logical;
  }
  return "";
}

class GreatExpectations {
 public:
  explicit GreatExpectations(std::string name) : suite_(name) {
    suite_.open_object(std::move(name));
  }

  Imported run(const std::vector<Json>& expectations) {
    // Types first: options need to know them.
    for (const Json& e : expectations)
      if (name_of(e).ends_with("_to_be_of_type")) types(e);
    for (size_t i = 0; i < expectations.size(); ++i) {
      e_ = &expectations[i];
      kwargs_ = member(*e_, "kwargs");
      if (kwargs_.is_null()) kwargs_ = Json::object();
      where_ = concat({"expectations[", std::to_string(i), "]"});
      name_ = name_of(*e_);
      column_ = text(kwargs_, "column");
      if (!name_.ends_with("_to_be_of_type")) one();
    }
    return suite_.finish();
  }

 private:
  static std::string text(const Json& object, std::string_view key) {
    const Json& v = member(object, key);
    return v.is_string() ? v.as_string() : std::string();
  }
  static std::string name_of(const Json& e) {
    const std::string one = text(e, "type");
    return one.empty() ? text(e, "expectation_type") : one;
  }
  void types(const Json& e) {
    const Json& kwargs = member(e, "kwargs");
    const std::string logical(logical_of(text(kwargs, "type_")));
    if (logical.empty() || text(kwargs, "column").empty())
      return suite_.left(text(kwargs, "column"), name_of(e),
                         concat({"the type '", text(kwargs, "type_"), "' is not known"}));
    suite_.set(text(kwargs, "column"), "logicalType", logical);
    suite_.took();
  }
  void take(Json quality) {
    const Json& old_notes = member(member(*e_, "meta"), "notes");
    const Json& notes = old_notes.is_null() ? member(*e_, "notes") : old_notes;
    if (notes.is_string()) quality.set("description", notes.as_string());
    const std::string severity = text(*e_, "severity");
    if (!severity.empty()) quality.set("severity", severity);
    suite_.check(column_, std::move(quality));
    suite_.took();
  }
  // What GE keeps running: said as a check of its engine, and listed.
  void leave(std::string_view why) {
    suite_.left(column_.empty() ? where_ : concat({where_, " ", column_}), name_, why);
    suite_.check(column_, engine_check("greatExpectations", name_,
                                       Json::object({{"type", name_}, {"kwargs", kwargs_}})));
  }

  double mostly() const {
    const Json& v = member(kwargs_, "mostly");
    return v.is_number() ? v.as_double() : 1.0;
  }
  bool has_condition() const { return !member(kwargs_, "row_condition").is_null(); }
  // All rows, or so many of a hundred.
  void take_rate(std::string_view metric, Json arguments) {
    const double rate = mostly();
    if (rate >= 1) return take(metric_check(metric, std::move(arguments), "mustBe", 0));
    // Of 1 - mostly, the binary fraction's dust is taken off.
    const double allowed = std::round((1 - rate) * 1e12) / 1e10;
    take(metric_check(metric, std::move(arguments), "mustBeLessOrEqualTo", allowed, true));
  }

  void one() {
    if (name_.empty()) return suite_.left(where_, "?", "it has no type");
    if (has_condition()) return leave("it holds for a part of the rows only (row_condition)");
    if (name_ == "expect_table_row_count_to_equal" ||
        name_ == "expect_table_row_count_to_be_between")
      return row_count();
    if (name_ == "expect_table_columns_to_match_set" ||
        name_ == "expect_table_columns_to_match_ordered_list")
      return columns();
    if (name_ == "expect_compound_columns_to_be_unique" ||
        name_ == "expect_select_column_values_to_be_unique_within_record")
      return compound();
    if (column_.empty()) return leave("a contract has no such rule");
    suite_.property(column_);
    if (name_ == "expect_column_to_exist") return suite_.took();
    if (name_ == "expect_column_values_to_not_be_null" ||
        name_ == "expect_column_values_to_be_null")
      return nulls();
    if (name_ == "expect_column_values_to_be_unique") return unique();
    if (name_ == "expect_column_values_to_be_in_set") return in_set();
    if (name_ == "expect_column_values_to_match_regex") return regex();
    if (name_ == "expect_column_values_to_be_between") return between();
    if (name_ == "expect_column_value_lengths_to_be_between" ||
        name_ == "expect_column_value_lengths_to_equal")
      return lengths();
    leave("a contract has no such rule");
  }

  void nulls() {
    const bool none = name_.find("not_be_null") != std::string::npos;
    if (!none) {
      if (mostly() < 1) return leave("a contract has no such rule");
      return take(metric_check("nullValues", {}, "mustBeGreaterOrEqualTo", 100, true));
    }
    if (mostly() < 1) return take_rate("nullValues", {});
    suite_.set(column_, "required", true);
    suite_.took();
  }
  void unique() {
    if (mostly() < 1) return take_rate("duplicateValues", {});
    suite_.set(column_, "unique", true);
    suite_.took();
  }
  void in_set() {
    const Json& values = member(kwargs_, "value_set");
    if (!is_scalar_list(values)) return leave("its values are no list");
    take_rate("invalidValues", Json::object({{"validValues", values}}));
  }
  // GE matches at the beginning of the text.
  void regex() {
    const std::string pattern = text(kwargs_, "regex");
    if (pattern.empty()) return leave("it has no pattern");
    const std::string anchored =
        pattern.starts_with('^') ? pattern : concat({"^(?:", pattern, ")"});
    take_rate("invalidValues", Json::object({{"pattern", anchored}}));
  }

  void between() {
    const Json& low = member(kwargs_, "min_value");
    const Json& high = member(kwargs_, "max_value");
    if (mostly() < 1) return leave("limits hold for all rows of a contract, not for most");
    const bool numbers = (low.is_null() || low.is_number()) && (high.is_null() || high.is_number());
    const Json& type = member(suite_.property(column_), "logicalType");
    const std::string logical = type.is_string() ? type.as_string() : "";
    const bool fits = numbers ? logical.empty() || logical == "integer" || logical == "number"
                              : logical == "date" || logical == "timestamp";
    if (!fits || (low.is_null() && high.is_null()))
      return leave("its limits do not fit the column's type");
    if (logical.empty()) suite_.set(column_, "logicalType", "number");
    const auto strict = [&](std::string_view key) {
      const Json& v = member(kwargs_, key);
      return v.is_bool() && v.as_bool();
    };
    if (!low.is_null())
      suite_.option(column_, strict("strict_min") ? "exclusiveMinimum" : "minimum", low);
    if (!high.is_null())
      suite_.option(column_, strict("strict_max") ? "exclusiveMaximum" : "maximum", high);
    suite_.took();
  }
  void lengths() {
    if (mostly() < 1) return leave("lengths hold for all rows of a contract, not for most");
    const Json& exact = member(kwargs_, "value");
    const Json& low = exact.is_int() ? exact : member(kwargs_, "min_value");
    const Json& high = exact.is_int() ? exact : member(kwargs_, "max_value");
    const Json& type = member(suite_.property(column_), "logicalType");
    const bool text_like = type.is_null() || type == Json("string");
    if (!text_like || (!low.is_int() && !high.is_int()))
      return leave("it has no whole limits of a text");
    suite_.set(column_, "logicalType", "string");
    if (low.is_int()) suite_.option(column_, "minLength", low);
    if (high.is_int()) suite_.option(column_, "maxLength", high);
    suite_.took();
  }

  void row_count() {
    const Json& exact = member(kwargs_, "value");
    const Json& low = member(kwargs_, "min_value");
    const Json& high = member(kwargs_, "max_value");
    column_.clear();
    if (exact.is_number()) return take(metric_check("rowCount", {}, "mustBe", exact));
    if (!low.is_number() && !high.is_number()) return leave("it has no limits");
    if (low.is_number()) take(metric_check("rowCount", {}, "mustBeGreaterOrEqualTo", low));
    if (high.is_number()) take(metric_check("rowCount", {}, "mustBeLessOrEqualTo", high));
  }
  void columns() {
    const bool ordered = name_.ends_with("ordered_list");
    const Json& list = member(kwargs_, ordered ? "column_list" : "column_set");
    const Json& exact = member(kwargs_, "exact_match");
    column_.clear();
    if (!is_scalar_list(list)) return leave("it names no columns");
    for (const Json& name : list.items())
      if (name.is_string()) suite_.property(name.as_string());
    if (ordered || !exact.is_bool() || exact.as_bool())
      suite_.custom("", "slipway.unexpectedFields", "reject");
    suite_.took();
    if (ordered)
      suite_.left(where_, name_, "a contract does not order columns; their names are kept");
  }
  void compound() {
    const Json& list = member(kwargs_, "column_list");
    column_.clear();
    if (name_ != "expect_compound_columns_to_be_unique" || !is_scalar_list(list))
      return leave("a contract has no such rule");
    for (const Json& name : list.items())
      if (name.is_string()) suite_.property(name.as_string());
    take_rate("duplicateValues", Json::object({{"properties", list}}));
  }

  Suite suite_;
  const Json* e_ = nullptr;
  Json kwargs_;
  std::string where_;
  std::string name_;
  std::string column_;
};

}  // namespace

Result<Imported> import_great_expectations(std::string_view text) {
  const Json suite = TRY(codec::parse_json(text, codec::NonFinite::kToken));
  const Json& list = member(suite, "expectations");
  if (!list.is_array())
    return invalid("contract.import", "this is no suite: it has no list 'expectations'");
  std::string name = "suite";
  for (const std::string_view key : {"data_asset_name", "expectation_suite_name", "name"})
    if (member(suite, key).is_string()) name = member(suite, key).as_string();
  return GreatExpectations(std::move(name)).run(list.items());
}

}  // namespace slip::contract
