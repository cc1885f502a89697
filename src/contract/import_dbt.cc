#include <algorithm>
#include <set>

#include "base/text.h"
#include "codec/yaml.h"
#include "contract/physical.h"
#include "contract/suite.h"

// dbt's schema.yml: models (and seeds, snapshots, sources' tables) with columns and tests. A test
// is a name, or a name with arguments.
namespace slip::contract {
namespace {

using codec::Json;

constexpr std::string_view kFamiliesOfText = "string";

std::string text(const Json& object, std::string_view key) {
  const Json& v = member(object, key);
  return v.is_string() ? v.as_string() : std::string();
}

std::string_view logical_of_family(std::string_view family) {
  if (family == kFamiliesOfText) return "string";
  if (family == "bool") return "boolean";
  if (family == "date" || family == "time" || family == "timestamp") return family;
  if (family.starts_with("int") || family.starts_with("uint")) return "integer";
  if (family == "float" || family == "double" || family == "decimal") return "number";
  if (family == "list") return "array";
  if (family == "struct" || family == "map" || family == "json") return "object";
  return "";
}

class Dbt {
 public:
  Result<Imported> run(const Json& document) {
    for (const std::string_view kind : {"models", "seeds", "snapshots"})
      tables(member(document, kind));
    const Json& sources = member(document, "sources");
    if (sources.is_array())
      for (const Json& s : sources.items()) tables(member(s, "tables"));
    if (names_.empty())
      return invalid("contract.import", "the file has no models, seeds, snapshots or sources");
    resolve();
    return suite_.finish();
  }

 private:
  struct Test {
    std::string name;
    Json arguments;
    Json config;
  };

  void tables(const Json& list) {
    if (!list.is_array()) return;
    for (const Json& table : list.items()) {
      table_ = text(table, "name");
      if (table_.empty() || !names_.insert(table_).second) {
        suite_.left(table_, "model", "it has no name of its own");
        continue;
      }
      suite_.open_object(table_);
      column_.clear();
      if (!text(table, "description").empty())
        suite_.set("", "description", text(table, "description"));
      const Json& columns = member(table, "columns");
      if (columns.is_array())
        for (const Json& c : columns.items()) column(c);
      column_.clear();
      tests(table);
      constraints(table);
    }
  }

  void column(const Json& c) {
    column_ = text(c, "name");
    if (column_.empty()) return suite_.left(table_, "column", "it has no name");
    suite_.property(column_);
    if (!text(c, "description").empty()) suite_.set(column_, "description", text(c, "description"));
    const std::string type = text(c, "data_type");
    if (!type.empty()) {
      suite_.set(column_, "physicalType", type);
      const auto family = physical_family(type);
      const std::string_view logical = family ? logical_of_family(*family) : "";
      if (!logical.empty()) suite_.set(column_, "logicalType", logical);
    }
    tests(c);
    constraints(c);
  }

  void tests(const Json& owner) {
    for (const std::string_view key : {"tests", "data_tests"}) {
      const Json& list = member(owner, key);
      if (!list.is_array()) continue;
      for (const Json& t : list.items()) test(t);
    }
  }
  void constraints(const Json& owner) {
    const Json& list = member(owner, "constraints");
    if (!list.is_array()) return;
    for (const Json& c : list.items()) {
      const std::string type = text(c, "type");
      if (type == "not_null" && !column_.empty())
        suite_.set(column_, "required", true), suite_.took();
      else if (type == "unique" && !column_.empty())
        suite_.set(column_, "unique", true), suite_.took();
      else if (type == "primary_key" && !column_.empty())
        suite_.set(column_, "primaryKey", true), suite_.took();
      else
        suite_.left(where(), concat({"constraint ", type}), "a contract has no such rule");
    }
  }
  std::string where() const { return column_.empty() ? table_ : concat({table_, ".", column_}); }

  // "not_null", {"not_null": {…}}, {"name": n, "test_name": "not_null", …}; since 1.10 the
  // arguments may stand below "arguments".
  static Test read(const Json& t) {
    Test out;
    if (t.is_string()) out.name = t.as_string();
    if (!t.is_object() || t.members().empty()) return out;
    out.arguments = t;
    out.name = text(t, "test_name");
    if (out.name.empty()) {
      out.name = t.members().front().first;
      out.arguments = t.members().front().second;
      if (member(t, "config").is_object()) out.config = member(t, "config");
    }
    if (member(out.arguments, "config").is_object()) out.config = member(out.arguments, "config");
    const Json nested = member(out.arguments, "arguments");  // A copy: it is part of what grows.
    if (nested.is_object())
      for (const auto& [key, value] : nested.members()) out.arguments.set(key, value);
    return out;
  }

  static const Json& setting(const Test& t, std::string_view key) {
    const Json& v = member(t.config, key);
    return v.is_null() ? member(t.arguments, key) : v;
  }
  void left(const Test& t, std::string_view why) {
    suite_.left(where(), t.name.empty() ? "test" : std::string_view(t.name), why);
    if (t.name.empty()) return;
    Json code = Json::object({{"test", t.name}});
    if (t.arguments.is_object()) code.set("arguments", t.arguments);
    suite_.check(column_, engine_check("dbt", t.name, std::move(code)));
  }
  void take(const Test& t, Json quality) {
    const Json& severity = setting(t, "severity");
    if (severity.is_string())
      quality.set("severity", lower(severity.as_string()) == "warn" ? "warning" : "error");
    suite_.check(column_, std::move(quality));
    suite_.took();
  }
  static bool soft(const Test& t) {
    const Json& severity = setting(t, "severity");
    return severity.is_string() && lower(severity.as_string()) == "warn";
  }

  void test(const Json& value) {
    const Test t = read(value);
    if (!setting(t, "where").is_null())
      return left(t, "it holds for a part of the rows only (where)");
    if (!setting(t, "error_if").is_null() || !setting(t, "warn_if").is_null())
      return left(t, "its threshold is an expression");
    if (t.name == "not_null" && !column_.empty()) {
      if (soft(t)) return take(t, metric_check("nullValues", {}, "mustBe", 0));
      suite_.set(column_, "required", true);
      return suite_.took();
    }
    if (t.name == "unique" && !column_.empty()) {
      if (soft(t)) return take(t, metric_check("duplicateValues", {}, "mustBe", 0));
      suite_.set(column_, "unique", true);
      return suite_.took();
    }
    if (t.name == "accepted_values" && !column_.empty()) return accepted(t);
    if (t.name == "relationships" && !column_.empty()) return relationship(t);
    if (t.name == "dbt_utils.unique_combination_of_columns" && column_.empty())
      return combination(t);
    if (t.name == "dbt_utils.not_empty_string" && !column_.empty())
      return take(
          t, metric_check("missingValues",
                          Json::object({{"missingValues", Json::array({Json("")})}}), "mustBe", 0));
    left(t, "a contract has no such rule");
  }

  void accepted(const Test& t) {
    Json values = member(t.arguments, "values");
    if (!is_scalar_list(values)) return left(t, "its values are no list");
    const Json& quote = member(t.arguments, "quote");
    const bool texts = !quote.is_bool() || quote.as_bool();
    std::vector<Json> list;
    for (const Json& v : values.items())
      list.push_back(texts && !v.is_string() &&
                             member(suite_.property(column_), "logicalType").is_null()
                         ? Json(codec::to_json(v))
                         : v);
    take(t, metric_check("invalidValues", Json::object({{"validValues", Json::array(list)}}),
                         "mustBe", 0));
  }
  void combination(const Test& t) {
    const Json& list = member(t.arguments, "combination_of_columns");
    if (!is_scalar_list(list)) return left(t, "it names no columns");
    for (const Json& name : list.items())
      if (name.is_string()) suite_.property(name.as_string());
    take(t, metric_check("duplicateValues", Json::object({{"properties", list}}), "mustBe", 0));
  }
  // ref('orders'), source('shop', 'orders').
  void relationship(const Test& t) {
    const std::string to = text(t.arguments, "to");
    const std::string field = text(t.arguments, "field");
    const size_t end = to.find_last_of("'\"");
    const size_t begin = end == to.npos || end == 0 ? to.npos : to.find_last_of("'\"", end - 1);
    const bool plain = to.find('(') == to.npos;
    if (field.empty() || to.empty() || (!plain && begin == to.npos))
      return left(t, "it leads nowhere that can be read");
    references_.push_back(
        {table_, column_, plain ? to : to.substr(begin + 1, end - begin - 1), field, t});
  }

  struct Reference {
    std::string table;
    std::string column;
    std::string to;
    std::string field;
    Test test;
  };
  // Once all objects are known; the suite's own list is by name.
  void resolve() {
    for (const Reference& r : references_) {
      const bool known = suite_.knows(r.to, r.field);
      if (known) {
        suite_.relate(r.table, r.column, concat({r.to, ".", r.field}));
        suite_.took();
      } else {
        suite_.left(concat({r.table, ".", r.column}), r.test.name,
                    concat({"'", r.to, ".", r.field, "' is no column of this file"}));
      }
    }
  }

  Suite suite_{"dbt"};
  std::set<std::string> names_;
  std::string table_;
  std::string column_;
  std::vector<Reference> references_;
};

}  // namespace

Result<Imported> import_dbt(std::string_view yaml) {
  const Json document = TRY(codec::parse_yaml(yaml));
  return Dbt().run(document);
}

}  // namespace slip::contract
