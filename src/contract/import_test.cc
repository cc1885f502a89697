#include "contract/import.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "codec/yaml.h"
#include "contract/contract.h"
#include "contract/pbtxt.h"

namespace slip::contract {
namespace {

using codec::Json;

// What was imported, as a contract that holds.
Contract sound(const Imported& imported) {
  const std::string text = codec::to_yaml(imported.document);
  const Result<Contract> got = parse_contract(text);
  EXPECT_TRUE(got.ok()) << got.error().text << "\n" << text;
  return got.ok() ? *got : Contract();
}
bool leaves(const Imported& imported, std::string_view what) {
  return std::ranges::any_of(imported.left, [&](const Left& l) { return l.what == what; });
}

const std::string kExpectations[] = {
    R"("expect_column_values_to_be_of_type",
  "kwargs": {"column": "id", "type_": "int64"}})",
    R"("expect_column_values_to_not_be_null",
  "kwargs": {"column": "id"}})",
    R"("expect_column_values_to_be_unique",
  "kwargs": {"column": "id"}})",
    R"("expect_column_values_to_be_between",
  "kwargs": {"column": "id", "min_value": 0, "max_value": 9,
  "strict_max": true}})",
    R"("expect_column_values_to_not_be_null",
  "kwargs": {"column": "state",
  "mostly": 0.95},
 "meta": {"notes": "often"}})",
    R"("expect_column_values_to_be_in_set",
  "kwargs": {"column": "state",
  "value_set": ["new", "paid"]}})",
    R"("expect_column_values_to_match_regex",
  "kwargs": {"column": "state", "regex": "[a-z]+"}})",
    R"("expect_column_value_lengths_to_be_between",
  "kwargs": {"column": "state", "min_value": 1, "max_value": 9}})",
    R"("expect_table_row_count_to_be_between",
  "kwargs": {"min_value": 1, "max_value": 100}})",
    R"("expect_compound_columns_to_be_unique",
  "kwargs": {"column_list": ["id", "state"]}})",
    R"("expect_table_columns_to_match_set",
  "kwargs": {"column_set": ["id", "state"], "exact_match": true}})",
    R"("expect_column_mean_to_be_between",
  "kwargs": {"column": "id", "min_value": 1, "max_value": 2}})",
    R"("expect_column_values_to_be_unique",
  "kwargs": {"column": "id", "row_condition": "id > 1"}})",
};

TEST(ContractImport, GreatExpectationsOfBothFormats) {
  for (const char* key : {"expectation_type", "type"}) {
    std::string suite =
        R"({"expectation_suite_name": "orders", "name": "orders", "expectations": [)";
    for (const std::string& e : kExpectations)
      suite += std::string(suite.ends_with('[') ? "" : ",") + "{\"" + key + "\": " + e;
    const Result<Imported> got = import_great_expectations(suite + "]}");
    ASSERT_TRUE(got.ok()) << got.error().text;
    const Contract contract = sound(*got);
    const Object* t = contract.find("orders");
    ASSERT_NE(t, nullptr);
    const Property* id = t->find("id");
    EXPECT_EQ(id->logical, Logical::kInteger);
    EXPECT_TRUE(id->required && id->unique);
    EXPECT_EQ(id->limits.exclusive_maximum, Json(9));
    const Property* state = t->find("state");
    EXPECT_FALSE(state->required);
    EXPECT_EQ(state->quality[0].bound->a, 5);
    EXPECT_TRUE(state->quality[0].percent);
    EXPECT_EQ(state->quality[0].description, "often");
    ASSERT_NE(state->valid_values(), nullptr);
    EXPECT_EQ(t->quality.size(), 3U);  // Two of the row count.
    EXPECT_TRUE(leaves(*got, "expect_column_mean_to_be_between"));
    EXPECT_EQ(got->left.size(), 2U);
    EXPECT_EQ(got->rules, 12);
  }
  EXPECT_EQ(import_great_expectations("{}").error().reason, "contract.import");
  EXPECT_FALSE(import_great_expectations("[").ok());
}

TEST(ContractImport, DbtTests) {
  const Result<Imported> got = import_dbt(R"(
version: 2
models:
  - name: orders
    description: what was ordered
    tests:
      - dbt_utils.unique_combination_of_columns: {combination_of_columns: [id, state]}
      - dbt_utils.expression_is_true: {expression: a > b}
    columns:
      - name: id
        data_type: bigint
        tests: [unique, not_null]
      - name: state
        data_tests:
          - accepted_values: {values: [new, paid], config: {severity: warn}}
          - accepted_values: {arguments: {values: [1, 2]}}
          - not_null: {where: id > 3}
      - name: user
        constraints: [{type: not_null}]
        tests:
          - relationships: {to: ref('users'), field: id}
          - relationships: {to: ref('nowhere'), field: id}
          - my_own_test
  - name: users
    columns: [{name: id}]
)");
  ASSERT_TRUE(got.ok()) << got.error().text;
  const Contract contract = sound(*got);
  const Object* t = contract.find("orders");
  ASSERT_NE(t, nullptr);
  EXPECT_TRUE(t->find("id")->unique && t->find("id")->required);
  EXPECT_EQ(t->find("id")->logical, Logical::kInteger);
  EXPECT_EQ(t->find("state")->quality[0].severity, Severity::kWarning);
  EXPECT_EQ((*t->find("state")->quality[1].arguments.find("validValues")).items()[0], Json("1"));
  EXPECT_TRUE(t->find("user")->required);
  ASSERT_EQ(t->relationships.size(), 1U);
  EXPECT_EQ(t->relationships[0].to_object, "users");
  EXPECT_EQ(t->quality[0].metric, Metric::kDuplicate);
  for (const char* what :
       {"dbt_utils.expression_is_true", "not_null", "relationships", "my_own_test"})
    EXPECT_TRUE(leaves(*got, what)) << what;
  EXPECT_EQ(got->left.size(), 4U);
  EXPECT_EQ(import_dbt("version: 2\n").error().reason, "contract.import");
}

const char* const kPandera[] = {R"(
schema_type: dataframe
columns:
  a:
    dtype: int64
    unique: true
    greater_than_or_equal_to: 0
    in_range: {min_value: 1, max_value: 5, include_min: true, include_max: false}
  b:
    dtype: string[python]
    nullable: true
    required: false
    isin: [x, y]
    str_matches: ^x
    str_length: {min_value: 1, max_value: 3, exact_value: null}
  c:
    dtype: float64
    less_than: {max_value: 3.5, raise_warning: true}
    notin: [1.0]
  e_.*: {dtype: bool, regex: true}
  f: {dtype: category}
index: [{dtype: int64, name: i}]
strict: true
unique: [a, b]
)",
                                R"(
schema_type: dataframe
columns:
  a:
    dtype: int64
    nullable: false
    unique: true
    checks:
      greater_than_or_equal_to: 0
      in_range: {min_value: 1, max_value: 5, include_min: true, include_max: false}
  b:
    dtype: str
    nullable: true
    required: false
    checks:
      - {value: [x, y], options: {check_name: isin, raise_warning: false}}
      - {value: ^x, options: {check_name: str_matches}}
      - {min_value: 1, max_value: 3, options: {check_name: str_length}}
  c:
    dtype: float64
    checks:
      - {value: 3.5, options: {check_name: less_than, raise_warning: true}}
      - {value: [1.0], options: {check_name: notin}}
  e_.*: {dtype: bool, regex: true}
  f: {dtype: category}
index: [{dtype: int64, name: i}]
checks: null
strict: true
unique: [a, b]
)"};

TEST(ContractImport, PanderaOfBothFormats) {
  for (const char* schema : kPandera) {
    const Result<Imported> got = import_pandera(schema);
    ASSERT_TRUE(got.ok()) << got.error().text;
    const Contract contract = sound(*got);
    const Object* t = contract.find("table");
    ASSERT_NE(t, nullptr);
    EXPECT_TRUE(t->find("a")->required && t->find("a")->unique);
    EXPECT_EQ(t->find("a")->limits.format, "i64");
    EXPECT_EQ(t->find("a")->limits.minimum, Json(1));
    EXPECT_EQ(t->find("a")->limits.exclusive_maximum, Json(5));
    EXPECT_EQ(t->find("b")->limits.max_length, 3);
    EXPECT_EQ(t->find("b")->quality.size(), 2U);
    EXPECT_EQ(t->find("c")->quality.size(), 2U);
    EXPECT_NE(t->find("i"), nullptr);
    EXPECT_EQ(t->quality[0].metric, Metric::kDuplicate);
    ASSERT_NE(find_custom(t->customs, "slipway.unexpectedFields"), nullptr);
    for (const char* what : {"regex", "dtype category", "less_than"})
      EXPECT_TRUE(leaves(*got, what)) << what;
    EXPECT_EQ(got->left.size(), 3U);
  }
  EXPECT_EQ(import_pandera("a: 1\n").error().reason, "contract.import");
}

TEST(ContractImport, TfdvSchemas) {
  const Result<Imported> got = import_tfdv(R"(# As infer_schema writes it.
feature {
  name: "age" type: INT
  presence { min_fraction: 1.0 min_count: 1 }
  shape { dim { size: 1 } }
  int_domain { min: 0 max: 120 }
}
feature {
  name: "state" value_count { min: 1 max: 1 } type: BYTES
  presence { min_fraction: 0.9 min_count: 5 }
  distribution_constraints { min_domain_mass: 0.99 }
  domain: "states"
  drift_comparator { infinity_norm { threshold: 0.01 } }
}
feature {
  name: "tags" type: FLOAT value_count { min: 1 max: 4 }
  float_domain { min: 0 max: 1.5f disallow_nan: true }
  skew_comparator { jensen_shannon_divergence { threshold: 0.1 } }
}
feature: < name: 'old' type: INT lifecycle_stage: DEPRECATED >
string_domain { name: "states" value: "new" value: "pa" "id" }
default_environment: "TRAINING"
)");
  ASSERT_TRUE(got.ok()) << got.error().text;
  const Contract contract = sound(*got);
  const Object* t = contract.find("table");
  ASSERT_NE(t, nullptr);
  EXPECT_TRUE(t->find("age")->required);
  EXPECT_EQ(t->find("age")->limits.maximum, Json(120));
  const Property* state = t->find("state");
  EXPECT_EQ(state->logical, Logical::kString);
  ASSERT_EQ(state->quality.size(), 2U);
  EXPECT_EQ(state->quality[0].bound->a, 10);
  EXPECT_EQ(state->quality[1].arguments.find("validValues")->items()[1], Json("paid"));
  EXPECT_EQ(state->quality[1].bound->a, 1);
  ASSERT_NE(state->custom("slipway.drift.linf"), nullptr);
  const Property* tags = t->find("tags");
  EXPECT_EQ(tags->logical, Logical::kArray);
  EXPECT_EQ(tags->limits.max_items, 4);
  EXPECT_EQ(tags->items[0].limits.maximum, Json(1.5));
  EXPECT_EQ(t->find("old"), nullptr);
  for (const char* what :
       {"presence.min_count", "drift_comparator.infinity_norm", "lifecycle_stage",
        "default_environment", "skew_comparator.jensen_shannon_divergence", "disallow_nan"})
    EXPECT_TRUE(leaves(*got, what)) << what;
  EXPECT_EQ(got->left.size(), 6U);
}

TEST(ContractImport, TextOfProtocolBuffers) {
  struct Case {
    const char* text;
    const char* json;  // "" for an error.
  };
  for (const Case& c :
       {Case{"a: 1 b: -2 c: 0x1f d: 017 e: 1.5f f: -inf",
             R"({"a":[1],"b":[-2],"c":[31],"d":[15],"e":[1.5],"f":["-Infinity"]})"},
        Case{"a: 'x\\n\\x41\\101' # c\na: \"y\"", R"({"a":["x\nAA","y"]})"},
        Case{"m { n <o: [1, 2]> }; m: {}", R"({"m":[{"n":[{"o":[1,2]}]},{}]})"},
        Case{"[type.googleapis.com/x] { a: TRUE_VALUE b: true }",
             R"({"[type.googleapis.com/x]":[{"a":["TRUE_VALUE"],"b":[true]}]})"},
        Case{"", "{}"}, Case{"a", ""}, Case{"a: ", ""}, Case{"a {", ""}, Case{"a: 1x", ""},
        Case{"a: 'x", ""}, Case{"a: [1", ""}, Case{"}", ""}, Case{"a 1", ""}, Case{"a: -x", ""}}) {
    const Result<Json> got = parse_pbtxt(c.text);
    EXPECT_EQ(got.ok() ? codec::to_json(*got) : "", c.json) << c.text;
  }
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "a {";
  EXPECT_EQ(parse_pbtxt(deep).error().reason, "pbtxt.depth");
}

}  // namespace
}  // namespace slip::contract
