#include <algorithm>
#include <cmath>
#include <map>

#include "base/text.h"
#include "contract/pbtxt.h"
#include "contract/suite.h"

// TensorFlow Data Validation's Schema: features with type, presence, value_count, shape, domains
// and comparators.
namespace slip::contract {
namespace {

using codec::Json;

const std::vector<Json>& all(const Json& message, std::string_view key) {
  static const std::vector<Json> kNone;
  const Json& v = member(message, key);
  return v.is_array() ? v.items() : kNone;
}
// Of a field that isn't repeated the last value counts.
const Json& last(const Json& message, std::string_view key) {
  static const Json kNull;
  const std::vector<Json>& list = all(message, key);
  return list.empty() ? kNull : list.back();
}
std::string text(const Json& message, std::string_view key) {
  const Json& v = last(message, key);
  return v.is_string() ? v.as_string() : std::string();
}

class Tfdv {
 public:
  Result<Imported> run(const Json& schema) {
    if (all(schema, "feature").empty())
      return invalid("contract.import", "this is no Schema: it has no feature");
    suite_.open_object("table");
    for (const std::string_view kind : {"string_domain", "int_domain", "float_domain"})
      for (const Json& domain : all(schema, kind)) domains_[text(domain, "name")] = {kind, domain};
    for (const Json& f : all(schema, "feature")) feature(f);
    for (const auto& [key, value] : schema.members())
      if (key != "feature" && !key.ends_with("_domain"))
        suite_.left("schema", key, "a contract has no such rule");
    return suite_.finish();
  }

 private:
  void left(std::string_view what, std::string_view why) { suite_.left(name_, what, why); }

  void feature(const Json& f) {
    name_ = text(f, "name");
    if (name_.empty()) return suite_.left("feature", "feature", "it has no name");
    const std::string stage = text(f, "lifecycle_stage");
    if (stage == "DEPRECATED" || stage == "PLANNED" || stage == "DISABLED")
      return left("lifecycle_stage",
                  concat({"a feature that is ", lower(stage), " is not judged"}));
    suite_.property(name_);
    shape(f);
    presence(f);
    for (const auto& [key, values] : f.members())
      if (key != "distribution_constraints") rule(f, key);
    if (!all(f, "distribution_constraints").empty()) masses(last(f, "distribution_constraints"));
  }

  // One value a row, or a list of them.
  void shape(const Json& f) {
    const Json& count = last(f, "value_count");
    const Json& low = last(count, "min");
    const Json& high = last(count, "max");
    const std::vector<Json>& dims = all(last(f, "shape"), "dim");
    const bool fixed = !all(f, "shape").empty();
    const auto one = [](const Json& dim) { return last(dim, "size") == Json(1); };
    const bool scalar =
        fixed ? std::ranges::all_of(dims, one) : count.is_null() || (high == Json(1));
    list_ = !scalar;
    std::string type = text(f, "type");
    item_ = type == "INT"      ? "integer"
            : type == "FLOAT"  ? "number"
            : type == "BYTES"  ? "string"
            : type == "STRUCT" ? "object"
                               : "";
    if (item_.empty()) left(concat({"type ", type}), "no logical type of a contract is this");
    if (list_) {
      suite_.set(name_, "logicalType", "array");
      if (!item_.empty()) suite_.set(name_, "items", Json::object({{"logicalType", item_}}));
      if (low.is_int() && low.as_int() > 0) suite_.option(name_, "minItems", low);
      if (high.is_int() && high.as_int() > 0) suite_.option(name_, "maxItems", high);
      if (fixed && dims.size() == 1 && last(dims[0], "size").is_int())
        suite_.option(name_, "minItems", last(dims[0], "size")),
            suite_.option(name_, "maxItems", last(dims[0], "size"));
      else if (fixed)
        left("shape", "lists of several dimensions are one list in a contract");
    } else if (!item_.empty()) {
      suite_.set(name_, "logicalType", item_);
    }
    suite_.took();
  }

  void presence(const Json& f) {
    const Json& p = last(f, "presence");
    const Json& fraction = last(p, "min_fraction");
    const Json& count = last(p, "min_count");
    if (fraction.is_number() && fraction.as_double() >= 1) {
      suite_.set(name_, "required", true);
      suite_.took();
    } else if (fraction.is_number() && fraction.as_double() > 0) {
      const double nulls = std::round((1 - fraction.as_double()) * 1e12) / 1e10;
      suite_.check(name_, metric_check("nullValues", {}, "mustBeLessOrEqualTo", nulls, true));
      suite_.took();
    }
    if (count.is_int() && count.as_int() > 1)
      left("presence.min_count", "a contract counts what is missing, not what is there");
  }

  void rule(const Json& f, const std::string& key) {
    const Json& value = last(f, key);
    if (key == "int_domain" || key == "float_domain" || key == "string_domain")
      return domain(key, value);
    if (key == "domain") {
      const auto at = domains_.find(text(f, "domain"));
      if (at == domains_.end()) return left("domain", "no domain has this name");
      return domain(at->second.kind, at->second.value);
    }
    if (key == "bool_domain") return bools(value);
    if (key == "drift_comparator" || key == "skew_comparator") return comparator(key, value);
    if (key == "unique_constraints") return left(key, "a contract knows unique or not");
    if (key == "annotation" || key == "not_in_environment" || key == "in_environment")
      return left(key, "a contract has one environment");
    const bool known = key == "name" || key == "type" || key == "presence" || key == "shape" ||
                       key == "value_count" || key == "lifecycle_stage" || key == "deprecated";
    if (!known) left(key, "a contract has no such rule");
  }

  // An option of the value, or of the items of a list.
  void limit(std::string_view option, const Json& v) {
    if (!v.is_number() || !std::isfinite(v.as_double())) return;
    if (!list_) return suite_.option(name_, option, v);
    Json items = member(suite_.property(name_), "items");
    Json options = member(items, "logicalTypeOptions");
    if (options.is_null()) options = Json::object();
    options.set(option, v);
    items.set("logicalTypeOptions", std::move(options));
    suite_.set(name_, "items", std::move(items));
  }

  void domain(std::string_view kind, const Json& value) {
    if (kind == "string_domain") return strings(value);
    if (item_ != "integer" && item_ != "number") return left(kind, "the feature is no number");
    limit("minimum", last(value, "min"));
    limit("maximum", last(value, "max"));
    suite_.took();
    const Json& categorical = last(value, "is_categorical");
    if (categorical.is_bool() && categorical.as_bool())
      left("is_categorical", "a contract does not say whether numbers are names");
    for (const std::string_view key : {"disallow_nan", "disallow_inf"}) {
      const Json& v = last(value, key);
      if (!v.is_bool() || !v.as_bool()) continue;
      if (key == "disallow_nan" && !list_) {
        suite_.check(name_,
                     metric_check("missingValues",
                                  Json::object({{"missingValues", Json::array({Json("NaN")})}}),
                                  "mustBe", 0));
        suite_.took();
      } else {
        left(key, "a contract has no such rule");
      }
    }
  }
  void strings(const Json& value) {
    const std::vector<Json>& values = all(value, "value");
    if (values.empty()) return left("string_domain", "it has no values");
    if (list_) return left("string_domain", "a set of values of a list's items has no check");
    suite_.check(name_,
                 metric_check("invalidValues", Json::object({{"validValues", Json::array(values)}}),
                              "mustBe", 0));
    suite_.took();
  }
  void bools(const Json& value) {
    if (item_ != "string" && item_ != "integer")
      return left("bool_domain", "the feature is no text or integer");
    std::vector<Json> words;
    for (const std::string_view key : {"true_value", "false_value"})
      if (last(value, key).is_string()) words.push_back(last(value, key));
    if (words.empty()) words = item_ == "integer" ? std::vector<Json>{0, 1} : std::vector<Json>{};
    if (words.empty() || list_) return left("bool_domain", "it names no values");
    suite_.check(name_,
                 metric_check("invalidValues", Json::object({{"validValues", Json::array(words)}}),
                              "mustBe", 0));
    suite_.took();
  }
  // At least so much of the mass lies in the domain: so many may lie outside.
  void masses(const Json& value) {
    const Json& least = last(value, "min_domain_mass");
    if (!least.is_number() || least.as_double() >= 1) return;
    Json quality = member(suite_.property(name_), "quality");
    if (!quality.is_array())
      return left("distribution_constraints", "its feature has no set of values");
    std::vector<Json> list = quality.items();
    for (Json& q : list) {
      if (member(q, "metric") != Json("invalidValues")) continue;
      q.erase("mustBe");
      q.set("mustBeLessOrEqualTo", std::round((1 - least.as_double()) * 1e12) / 1e10);
      q.set("unit", "percent");
      suite_.took();
    }
    suite_.set(name_, "quality", Json::array(std::move(list)));
  }

  // L-infinity and Jensen-Shannon against an earlier span: the monitor's, not one file's.
  void comparator(const std::string& key, const Json& value) {
    const std::string what = key == "drift_comparator" ? "drift" : "skew";
    for (const std::string_view norm : {"infinity_norm", "jensen_shannon_divergence"}) {
      const Json& threshold = last(last(value, norm), "threshold");
      if (!threshold.is_number()) continue;
      suite_.custom(name_, concat({"slipway.", what, ".", norm == "infinity_norm" ? "linf" : "js"}),
                    threshold);
      left(concat({key, ".", norm}),
           concat({"it needs a baseline; its threshold is kept as slipway.", what, ".",
                   norm == "infinity_norm" ? "linf" : "js"}));
    }
  }

  struct Domain {
    std::string_view kind;
    Json value;
  };
  Suite suite_{"tfdv"};
  std::map<std::string, Domain> domains_;
  std::string name_;
  std::string item_;
  bool list_ = false;
};

}  // namespace

Result<Imported> import_tfdv(std::string_view text_of_schema) {
  const Json schema = TRY(parse_pbtxt(text_of_schema));
  return Tfdv().run(schema);
}

}  // namespace slip::contract
