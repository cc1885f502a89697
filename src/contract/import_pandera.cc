#include <algorithm>
#include <array>

#include "base/text.h"
#include "codec/yaml.h"
#include "contract/suite.h"

// pandera's YAML of a DataFrameSchema. Checks are keys of a column (since 0.30), a mapping or a
// list of {value, options: {check_name}} below `checks` (before).
namespace slip::contract {
namespace {

using codec::Json;

struct DtypeRow {
  std::string_view begins;
  std::string_view logical;
  std::string_view format;
};
constexpr std::array kDtypes = {
    DtypeRow{"int8", "integer", "i8"},     DtypeRow{"int16", "integer", "i16"},
    DtypeRow{"int32", "integer", "i32"},   DtypeRow{"int64", "integer", "i64"},
    DtypeRow{"uint8", "integer", "u8"},    DtypeRow{"uint16", "integer", "u16"},
    DtypeRow{"uint32", "integer", "u32"},  DtypeRow{"uint64", "integer", "u64"},
    DtypeRow{"int", "integer", ""},        DtypeRow{"float32", "number", "f32"},
    DtypeRow{"float64", "number", "f64"},  DtypeRow{"float", "number", ""},
    DtypeRow{"decimal", "number", ""},     DtypeRow{"bool", "boolean", ""},
    DtypeRow{"string", "string", ""},      DtypeRow{"str", "string", ""},
    DtypeRow{"datetime", "timestamp", ""}, DtypeRow{"date", "date", ""},
    DtypeRow{"time", "time", ""},
};
constexpr std::array<std::string_view, 15> kAttributes = {
    "dtype",    "title", "description", "nullable",          "unique",
    "required", "regex", "coerce",      "metadata",          "default",
    "checks",   "name",  "order",       "report_duplicates", "drop_invalid_rows"};

std::string text(const Json& object, std::string_view key) {
  const Json& v = member(object, key);
  return v.is_string() ? v.as_string() : std::string();
}
bool flag(const Json& object, std::string_view key, bool fallback) {
  const Json& v = member(object, key);
  return v.is_bool() ? v.as_bool() : fallback;
}

class Pandera {
 public:
  Result<Imported> run(const Json& schema) {
    const Json& columns = member(schema, "columns");
    if (!columns.is_object())
      return invalid("contract.import",
                     "this is no schema of pandera: it has no mapping 'columns'");
    std::string name = text(schema, "name");
    suite_.open_object(name.empty() ? "table" : name);
    if (!text(schema, "description").empty())
      suite_.set("", "description", text(schema, "description"));
    for (const auto& [column, value] : columns.members()) one(column, value);
    index(member(schema, "index"));
    column_.clear();
    const Json& strict = member(schema, "strict");
    if (strict.is_bool() && strict.as_bool())
      suite_.custom("", "slipway.unexpectedFields", "reject"), suite_.took();
    else if (strict.is_string())
      left("strict",
           concat({"'", strict.as_string(), "' changes the data; a contract only judges it"}));
    if (flag(schema, "ordered", false)) left("ordered", "a contract does not order columns");
    unique(member(schema, "unique"));
    checks(member(schema, "checks"));
    return suite_.finish();
  }

 private:
  void left(std::string_view what, std::string_view why) {
    suite_.left(column_.empty() ? "schema" : column_, what, why);
  }

  void one(const std::string& column, const Json& value) {
    column_ = column;
    if (flag(value, "regex", false))
      return left("regex", "the name is a pattern of names; a contract names each column");
    suite_.property(column_);
    dtype(text(value, "dtype"));
    for (const std::string_view key : {"title", "description"})
      if (!text(value, key).empty())
        suite_.set(column_, key == "title" ? "businessName" : "description", text(value, key));
    const bool must = flag(value, "required", true);
    if (!flag(value, "nullable", false)) {
      if (must)
        suite_.set(column_, "required", true);
      else  // Where the column is, nothing is null.
        suite_.check(column_, metric_check("nullValues", {}, "mustBe", 0));
      suite_.took();
    } else if (must) {
      left("required", "a column that may be null may be missing, too");
    }
    if (flag(value, "unique", false)) suite_.set(column_, "unique", true), suite_.took();
    if (flag(value, "coerce", false))
      left("coerce", "a contract judges data, it does not change them");
    checks(member(value, "checks"));
    if (!value.is_object()) return;
    for (const auto& [key, check] : value.members())
      if (std::ranges::find(kAttributes, key) == kAttributes.end()) rule(key, check, Json());
  }

  void dtype(const std::string& name) {
    if (name.empty()) return;
    const std::string word = lower(name);
    for (const DtypeRow& row : kDtypes) {
      if (!word.starts_with(row.begins)) continue;
      logical_ = row.logical;
      suite_.set(column_, "logicalType", row.logical);
      if (!row.format.empty()) suite_.option(column_, "format", row.format);
      return suite_.took();
    }
    logical_.clear();
    left(concat({"dtype ", name}), "no logical type of a contract is this");
  }

  void index(const Json& list) {
    if (!list.is_array()) return;
    for (const Json& i : list.items()) {
      if (text(i, "name").empty()) {
        column_.clear();
        left("index", "it has no name, so it is no column of a file");
      } else {
        one(text(i, "name"), i);
      }
    }
  }

  void unique(const Json& value) {
    if (value.is_string()) return unique(Json::array({value}));
    if (!is_scalar_list(value)) return;
    suite_.check(
        "", metric_check("duplicateValues", Json::object({{"properties", value}}), "mustBe", 0));
    suite_.took();
  }

  void checks(const Json& value) {
    if (value.is_object())
      for (const auto& [name, check] : value.members()) rule(name, check, Json());
    if (!value.is_array()) return;
    for (const Json& check : value.items()) {
      const Json& options = member(check, "options");
      const Json& plain = member(check, "value");
      rule(text(options, "check_name"), plain.is_null() ? check : plain, options);
    }
  }

  // The argument of a check with one, whatever it is called.
  static Json argument(const Json& check, std::initializer_list<std::string_view> names) {
    if (!check.is_object()) return check;
    for (const std::string_view name : names)
      if (!member(check, name).is_null()) return member(check, name);
    return {};
  }
  void take(Json quality) {
    if (soft_) quality.set("severity", "warning");
    suite_.check(column_, std::move(quality));
    suite_.took();
  }
  void leave(const std::string& name, const Json& check, std::string_view why) {
    left(name.empty() ? "check" : std::string_view(name), why);
    if (!name.empty())
      suite_.check(column_, engine_check("pandera", name,
                                         Json::object({{"check", name}, {"arguments", check}})));
  }

  void rule(const std::string& name, const Json& check, const Json& options) {
    soft_ = flag(options, "raise_warning", false) || flag(check, "raise_warning", false);
    if (column_.empty()) return leave(name, check, "it looks at whole rows");
    const auto is = [&](std::string_view a, std::string_view b) { return name == a || name == b; };
    if (is("isin", "isin_set")) {
      const Json values = argument(check, {"allowed_values", "value"});
      if (!is_scalar_list(values)) return leave(name, check, "its values are no list");
      return take(
          metric_check("invalidValues", Json::object({{"validValues", values}}), "mustBe", 0));
    }
    if (name == "str_matches" || name == "str_contains" || name == "str_startswith" ||
        name == "str_endswith")
      return pattern(name, check);
    if (name == "str_length") return lengths(name, check);
    if (is("equal_to", "eq")) {
      const Json v = argument(check, {"value"});
      return take(metric_check("invalidValues", Json::object({{"validValues", Json::array({v})}}),
                               "mustBe", 0));
    }
    if (is("notin", "not_equal_to")) {
      const Json v = argument(check, {"forbidden_values", "value"});
      return take(metric_check(
          "missingValues", Json::object({{"missingValues", v.is_array() ? v : Json::array({v})}}),
          "mustBe", 0));
    }
    limits(name, check);
  }

  void pattern(const std::string& name, const Json& check) {
    const Json v = argument(check, {"pattern", "string", "value"});
    if (!v.is_string()) return leave(name, check, "it has no pattern");
    std::string quoted;
    for (const char c : v.as_string()) {
      if (std::string_view("\\^$.|?*+()[]{}").find(c) != std::string_view::npos) quoted += '\\';
      quoted += c;
    }
    std::string out = v.as_string();
    if (name == "str_matches" && !out.starts_with('^')) out = concat({"^(?:", out, ")"});
    if (name == "str_startswith") out = "^" + quoted;
    if (name == "str_endswith") out = quoted + "$";
    take(metric_check("invalidValues", Json::object({{"pattern", out}}), "mustBe", 0));
  }

  void lengths(const std::string& name, const Json& check) {
    const Json exact = member(check, "exact_value");
    const Json low = exact.is_int() ? exact : member(check, "min_value");
    const Json high = exact.is_int() ? exact : member(check, "max_value");
    if (soft_ || logical_ != "string" || (!low.is_int() && !high.is_int()))
      return leave(
          name, check,
          soft_ ? "a limit of a contract is no warning" : "it has no whole limits of a text");
    if (low.is_int()) suite_.option(column_, "minLength", low);
    if (high.is_int()) suite_.option(column_, "maxLength", high);
    suite_.took();
  }

  void limits(const std::string& name, const Json& check) {
    struct Row {
      std::string_view name;
      std::string_view also;
      std::string_view option;
      std::string_view argument;
    };
    constexpr std::array kRows = {
        Row{"greater_than", "gt", "exclusiveMinimum", "min_value"},
        Row{"greater_than_or_equal_to", "ge", "minimum", "min_value"},
        Row{"less_than", "lt", "exclusiveMaximum", "max_value"},
        Row{"less_than_or_equal_to", "le", "maximum", "max_value"},
    };
    const auto able = [&](const Json& v) {
      return logical_ == "integer" || logical_ == "number" ? v.is_number() : v.is_string();
    };
    if (soft_) return leave(name, check, "a limit of a contract is no warning");
    if (name == "in_range" || name == "between") {
      const Json& low = member(check, "min_value");
      const Json& high = member(check, "max_value");
      if (!able(low) || !able(high))
        return leave(name, check, "its limits do not fit the column's type");
      suite_.option(column_, flag(check, "include_min", true) ? "minimum" : "exclusiveMinimum",
                    low);
      suite_.option(column_, flag(check, "include_max", true) ? "maximum" : "exclusiveMaximum",
                    high);
      return suite_.took();
    }
    for (const Row& row : kRows) {
      if (row.name != name && row.also != name) continue;
      const Json v = argument(check, {row.argument, "value"});
      if (!able(v)) return leave(name, check, "its limit does not fit the column's type");
      suite_.option(column_, row.option, v);
      return suite_.took();
    }
    leave(name, check, "a contract has no such rule");
  }

  Suite suite_{"pandera"};
  std::string column_;
  std::string logical_;
  bool soft_ = false;
};

}  // namespace

Result<Imported> import_pandera(std::string_view yaml) {
  const Json document = TRY(codec::parse_yaml(yaml));
  return Pandera().run(document);
}

}  // namespace slip::contract
