#include "contract/checker.h"

#include <cmath>

#include <gtest/gtest.h>

#include "contract/test_frame.h"

namespace slip::contract {
namespace {

using namespace testing;

Json list(const char* text) { return codec::parse_json(text, codec::NonFinite::kToken).value(); }

struct Case {
  const char* property;
  Type type;
  const char* values;
  const char* check;
  Verdict verdict;
  int64_t count;
};

constexpr Verdict ok = Verdict::kPassed;
constexpr Verdict bad = Verdict::kFailed;
constexpr Verdict no = Verdict::kNotEvaluated;
const Case kCases[] = {
    {"required: true", Type::kInt64, "[1,null,2,null]", "required", bad, 2},
    {"required: true", Type::kInt64, "[1,2]", "required", ok, 0},
    {"primaryKey: true", Type::kText, "[\"a\",null]", "required", bad, 1},
    {"logicalType: integer", Type::kInt64, "[1]", "logicalType", ok, 0},
    {"logicalType: integer", Type::kDouble, "[1.0]", "logicalType", bad, 0},
    {"logicalType: number", Type::kInt64, "[1]", "logicalType", ok, 0},
    {"logicalType: string", Type::kInt64, "[1]", "logicalType", bad, 0},
    {"logicalType: boolean", Type::kBool, "[true,null]", "logicalType", ok, 0},
    {"logicalType: integer\nlogicalTypeOptions: {minimum: 3}", Type::kInt64, "[2,3,4,null,-9]",
     "minimum", bad, 2},
    {"logicalType: integer\nlogicalTypeOptions: {minimum: 2.5}", Type::kInt64, "[2,3]", "minimum",
     bad, 1},
    {"logicalType: integer\nlogicalTypeOptions: {exclusiveMinimum: 3}", Type::kInt64, "[3,4]",
     "exclusiveMinimum", bad, 1},
    {"logicalType: integer\nlogicalTypeOptions: {exclusiveMaximum: 3}", Type::kInt64, "[2,3,4]",
     "exclusiveMaximum", bad, 2},
    {"logicalType: integer\nlogicalTypeOptions: {maximum: -1e300}", Type::kInt64, "[1,null,2]",
     "maximum", bad, 2},
    {"logicalType: integer\nlogicalTypeOptions: {maximum: 1e300}", Type::kInt64, "[1,2]", "maximum",
     ok, 0},
    {"logicalType: number\nlogicalTypeOptions: {minimum: 0.5}", Type::kDouble,
     "[0.5,0.25,null,NaN,-Infinity]", "minimum", bad, 3},
    {"logicalType: number\nlogicalTypeOptions: {exclusiveMinimum: 0.5}", Type::kDouble,
     "[0.5,0.75]", "exclusiveMinimum", bad, 1},
    {"logicalType: number\nlogicalTypeOptions: {maximum: 0.5}", Type::kDouble, "[0.5,Infinity,NaN]",
     "maximum", bad, 2},
    {"logicalType: number\nlogicalTypeOptions: {exclusiveMaximum: 0.5}", Type::kDouble,
     "[0.5,0.25]", "exclusiveMaximum", bad, 1},
    {"logicalType: integer\nlogicalTypeOptions: {multipleOf: 6}", Type::kInt64,
     "[0,6,-12,3,4,null,-9223372036854775808]", "multipleOf", bad, 3},
    {"logicalType: integer\nlogicalTypeOptions: {multipleOf: 8}", Type::kInt64,
     "[0,8,-64,12,-9223372036854775808]", "multipleOf", bad, 1},
    {"logicalType: number\nlogicalTypeOptions: {multipleOf: 0.01}", Type::kDouble,
     "[0.07,1.1,0.005,null]", "multipleOf", bad, 1},
    {"logicalType: integer\nlogicalTypeOptions: {format: u8}", Type::kInt64, "[0,255,256,-1]",
     "format", bad, 2},
    {"logicalType: integer\nlogicalTypeOptions: {format: i16}", Type::kInt64,
     "[32767,32768,-32769]", "format", bad, 2},
    {"logicalType: number\nlogicalTypeOptions: {format: f32}", Type::kDouble, "[0.5,0.1,NaN]",
     "format", bad, 1},
    {"logicalType: string\nlogicalTypeOptions: {minLength: 2}", Type::kText,
     "[\"a\",\"ab\",\"\\u00fc\\u00fc\",\"\\u00fc\",null]", "minLength", bad, 2},
    {"logicalType: string\nlogicalTypeOptions: {maxLength: 2}", Type::kText,
     "[\"abc\",\"ab\",\"\\u00fc\\u00fc\"]", "maxLength", bad, 1},
    {"logicalType: string\nlogicalTypeOptions: {pattern: '^a+$'}", Type::kText,
     "[\"aa\",\"b\",null,\"\"]", "pattern", bad, 2},
    {"logicalType: string\nlogicalTypeOptions: {pattern: '(?=a)'}", Type::kText, "[\"aa\"]",
     "pattern", no, 0},
    {"logicalType: string\nlogicalTypeOptions: {format: email}", Type::kText,
     "[\"a@b.de\",\"a@b\",\"@b.de\"]", "format", bad, 2},
    {"logicalType: string\nlogicalTypeOptions: {format: ipv4}", Type::kText,
     "[\"1.2.3.4\",\"1.2.3.400\",\"01.2.3.4\"]", "format", bad, 2},
    {"logicalType: string\nlogicalTypeOptions: {format: ipv6}", Type::kText,
     "[\"::1\",\"1::2::3\",\"1:2:3:4:5:6:7:8\",\"::ffff:1.2.3.4\"]", "format", bad, 1},
    {"logicalType: string\nlogicalTypeOptions: {format: uuid}", Type::kText,
     "[\"123e4567-e89b-12d3-a456-426614174000\",\"x\"]", "format", bad, 1},
    {"logicalType: string\nlogicalTypeOptions: {format: runes}", Type::kText, "[\"x\"]", "format",
     no, 0},
    {"logicalType: date\nlogicalTypeOptions: {format: dd.MM.yyyy, minimum: '01.02.2020'}",
     Type::kText, "[\"31.01.2020\",\"01.02.2020\"]", "minimum", bad, 1},
    {"logicalType: date\nlogicalTypeOptions: {format: dd.MM.yyyy}", Type::kText,
     "[\"30.02.2020\",\"29.02.2020\",\"1.2.2020\"]", "logicalType", bad, 2},
    {"logicalType: timestamp\nlogicalTypeOptions: {maximum: '1970-01-01T00:00:01Z'}",
     Type::kTimestampUs, "[1000000,1000001,null]", "maximum", bad, 1},
    {"logicalType: timestamp", Type::kText, "[\"2020-01-01\"]", "logicalType", bad, 0},
    {"logicalType: time\nlogicalTypeOptions: {exclusiveMaximum: '12:00:00'}", Type::kText,
     "[\"11:59:59.9\",\"12:00:00\",\"25:00:00\"]", "exclusiveMaximum", bad, 1},
    {"unique: true", Type::kInt64, "[1,2,1,null,null,1]", "unique", bad, 2},
    {"unique: true", Type::kDouble, "[1.0,NaN,NaN,0.0,-0.0]", "unique", bad, 2},
    {"unique: true", Type::kText, "[\"a\",\"A\",\"\",\"\"]", "unique", bad, 1},
    {"quality: [{metric: nullValues, mustBe: 0}]", Type::kInt64, "[1,null]", "nullValues", bad, 1},
    {"quality: [{metric: nullValues, mustBeLessThan: 50, unit: percent}]", Type::kInt64,
     "[1,2,null]", "nullValues", ok, 1},
    {"quality: [{metric: nullValues, mustBeLessThan: 33, unit: percent}]", Type::kInt64,
     "[1,2,null]", "nullValues", bad, 1},
    {"quality: [{metric: nullValues, mustNotBe: 1}]", Type::kInt64, "[1,null]", "nullValues", bad,
     1},
    {"quality: [{metric: nullValues, mustBeGreaterThan: 1}]", Type::kInt64, "[1,null]",
     "nullValues", bad, 1},
    {"quality: [{metric: nullValues, mustBeGreaterOrEqualTo: 1}]", Type::kInt64, "[1,null]",
     "nullValues", ok, 1},
    {"quality: [{metric: nullValues, mustBeLessOrEqualTo: 1}]", Type::kInt64, "[1,null]",
     "nullValues", ok, 1},
    {"quality: [{metric: nullValues, mustBeBetween: [0, 2]}]", Type::kInt64, "[1,null]",
     "nullValues", ok, 1},
    {"quality: [{metric: nullValues, mustBeBetween: [1, 2]}]", Type::kInt64, "[1,null]",
     "nullValues", bad, 1},
    {"quality: [{metric: nullValues, mustNotBeBetween: [1, 2]}]", Type::kInt64, "[1,null]",
     "nullValues", ok, 1},
    {"quality: [{metric: missingValues, arguments: {missingValues: [null, '', n/a]}, mustBe: 0}]",
     Type::kText, "[\"\",null,\"n/a\",\"x\"]", "missingValues", bad, 3},
    {"quality: [{metric: missingValues, arguments: {missingValues: [-1]}, mustBe: 0}]",
     Type::kInt64, "[-1,null,2]", "missingValues", bad, 1},
    {"quality: [{metric: missingValues, arguments: {missingValues: [NaN]}, mustBe: 0}]",
     Type::kDouble, "[NaN,1.0]", "missingValues", bad, 1},
    {"quality: [{metric: invalidValues, arguments: {validValues: [a, b]}, mustBe: 0}]", Type::kText,
     "[\"a\",\"c\",null]", "invalidValues", bad, 1},
    {"quality: [{metric: invalidValues, arguments: {validValues: [1, 2.0]}, mustBe: 0}]",
     Type::kInt64, "[1,2,3]", "invalidValues", bad, 1},
    {"quality: [{metric: invalidValues, arguments: {validValues: [1, 99999999999]}, mustBe: 0}]",
     Type::kInt64, "[1,2,99999999999]", "invalidValues", bad, 1},
    {"quality: [{metric: invalidValues, arguments: {validValues: [true]}, mustBe: 0}]", Type::kBool,
     "[true,false]", "invalidValues", bad, 1},
    {"quality: [{metric: invalidValues, arguments: {validValues: [ab, c], pattern: '^a'}, "
     "mustBe: 0}]",
     Type::kText, "[\"ab\",\"c\",\"x\"]", "invalidValues", bad, 2},
    {"quality: [{metric: duplicateValues, mustBeLessThan: 2}]", Type::kInt64, "[1,1,1,null,null]",
     "duplicateValues", bad, 2},
    {"quality: [{metric: duplicateValues, mustBeLessThan: 50, unit: percent}]", Type::kInt64,
     "[1,1,1,2,3]", "duplicateValues", ok, 2},
    {"quality: [{type: sql, query: 'SELECT 1', mustBe: 1}]", Type::kInt64, "[1]", "sql", no, 0},
    {"quality: [{type: custom, engine: soda, implementation: x}]", Type::kInt64, "[1]", "soda", no,
     0},
    {"logicalType: array\nlogicalTypeOptions: {minItems: 2}", Type::kList, "[[1],[1,2],null]",
     "minItems", bad, 1},
    {"logicalType: array\nlogicalTypeOptions: {maxItems: 1}", Type::kList, "[[1],[1,2],[]]",
     "maxItems", bad, 1},
    {"logicalType: array\nlogicalTypeOptions: {uniqueItems: true}", Type::kList, "[[1,1],[1,2]]",
     "uniqueItems", bad, 1},
    {"logicalType: array\nitems: {logicalType: integer, logicalTypeOptions: {minimum: 0}}",
     Type::kList, "[[1,-1],[1]]", "items", bad, 1},
};

TEST(ContractCheck, ChecksOfOneColumn) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(std::string(c.property) + " on " + c.values);
    const Contract contract = one_property(c.property);
    const Report report = check(contract, Frame({{"x", c.type, list(c.values), ""}}));
    const bool of_object = std::string_view(c.check) == "primaryKey";
    const CheckResult* r = find(report, of_object ? "" : "x", c.check);
    ASSERT_NE(r, nullptr);
    EXPECT_EQ(r->verdict, c.verdict) << to_text(report);
    EXPECT_EQ(r->count, c.count) << to_text(report);
    EXPECT_EQ(r->why.empty(), c.verdict != Verdict::kNotEvaluated &&
                                  (c.count > 0 || c.verdict == Verdict::kPassed));
  }
}

TEST(ContractCheck, TextFilesAreReadByTheContract) {
  const Contract contract = contract_of(
      "- name: t\n  properties:\n    - {name: n, logicalType: integer, logicalTypeOptions: "
      "{minimum: 2}}\n"
      "    - {name: r, logicalType: number}\n    - {name: b, logicalType: boolean}\n"
      "    - {name: d, logicalType: timestamp}\n    - {name: o, logicalType: object, properties: "
      "[{name: k, "
      "logicalType: string, required: true}]}\n    - {name: gone}\n");
  CheckOptions options;
  options.loose = true;
  const Report report = check(
      contract,
      Frame({{"n", Type::kText, list("[\"1\",\"x\",null,\"3\"]"), ""},
             {"r", Type::kInt64, list("[1,2,3,4]"), ""},
             {"b", Type::kText, list("[\"true\",\"no\",null,\"False\"]"), ""},
             {"d", Type::kText,
              list("[\"2020-01-01\",\"2020-13-01\",null,\"2020-01-01T10:00:00+02:00\"]"), ""},
             {"o", Type::kText, list("[\"{\\\"k\\\":\\\"v\\\"}\",\"{}\",\"[\",null]"), "json"}}),
      options);
  struct Wanted {
    const char* property;
    const char* check;
    int64_t count;
    int64_t row;
  };
  for (const Wanted& w : {Wanted{"n", "logicalType", 1, 2}, Wanted{"n", "minimum", 1, 1},
                          Wanted{"b", "logicalType", 1, 2}, Wanted{"d", "logicalType", 1, 2},
                          Wanted{"o", "logicalType", 1, 3}, Wanted{"o", "properties", 1, 2}}) {
    const CheckResult* r = find(report, w.property, w.check);
    ASSERT_NE(r, nullptr) << w.property;
    EXPECT_EQ(r->count, w.count) << w.property << " " << w.check;
    ASSERT_EQ(r->samples.size(), 1U) << w.property;
    EXPECT_EQ(r->samples[0].row, w.row);
  }
  EXPECT_EQ(find(report, "r", "logicalType")->verdict, Verdict::kPassed);
  EXPECT_EQ(find(report, "gone", "field")->verdict, Verdict::kFailed);
  EXPECT_EQ(find(report, "gone", "field")->check.severity, Severity::kInfo);
}

TEST(ContractCheck, ColumnsOfTheTable) {
  const std::string object =
      "- name: t\n  customProperties: [{property: slipway.unexpectedFields, value: ";
  const std::string properties =
      "}]\n  properties:\n    - {name: a, physicalName: A, physicalType: BIGINT}\n"
      "    - {name: z, physicalType: VARCHAR(9)}\n    - {name: q, physicalType: GEOMETRY}\n"
      "    - {name: ts, logicalType: timestamp, logicalTypeOptions: {timezone: true}}\n    - "
      "{name: none}\n";
  const Frame frame({{"A", Type::kInt64, list("[1]"), "int32"},
                     {"z", Type::kText, list("[\"x\"]"), "string"},
                     {"q", Type::kText, list("[\"x\"]"), "string"},
                     {"ts", Type::kTimestampUs, list("[0]"), "timestamp[us]"},
                     {"more", Type::kInt64, list("[1]"), "int64"}});
  const Report report = check(contract_of(object + "reject" + properties), frame);
  EXPECT_EQ(find(report, "a", "physicalType")->verdict, Verdict::kFailed);
  EXPECT_EQ(find(report, "z", "physicalType")->verdict, Verdict::kPassed);
  EXPECT_EQ(find(report, "q", "physicalType")->verdict, Verdict::kNotEvaluated);
  EXPECT_EQ(find(report, "ts", "timezone")->verdict, Verdict::kFailed);
  EXPECT_EQ(find(report, "none", "field")->verdict, Verdict::kFailed);
  EXPECT_EQ(find(report, "none", "field")->check.severity, Severity::kError);
  EXPECT_EQ(find(report, "", "unexpectedFields")->verdict, Verdict::kFailed);
  EXPECT_FALSE(report.ok());
  EXPECT_EQ(find(check(contract_of(object + "allow" + properties), frame), "", "unexpectedFields"),
            nullptr);
}

TEST(ContractCheck, KeysAndCountsOfTheObject) {
  const Contract contract = contract_of(
      "- name: t\n  quality:\n    - {metric: rowCount, mustBe: 4}\n"
      "    - {metric: duplicateValues, arguments: {properties: [a, b]}, mustBe: 1, id: pair}\n"
      "  properties:\n    - {name: a, primaryKey: true, primaryKeyPosition: 2}\n"
      "    - {name: b, primaryKey: true, primaryKeyPosition: 1}\n");
  const Report report =
      check(contract, Frame({{"a", Type::kInt64, list("[1,1,1,2]"), ""},
                             {"b", Type::kText, list("[\"x\",\"y\",\"x\",\"x\"]"), ""}}));
  EXPECT_EQ(find(report, "", "rowCount")->verdict, Verdict::kPassed);
  EXPECT_EQ(find(report, "", "primaryKey")->count, 1);
  EXPECT_EQ(find(report, "", "primaryKey")->samples[0].row, 3);
  EXPECT_EQ(find(report, "", "duplicateValues")->verdict, Verdict::kPassed);
}

TEST(ContractCheck, ForeignKeys) {
  const Contract contract = contract_of(
      "- name: t\n  properties:\n    - {name: u, relationships: [{to: users.id}]}\n"
      "- name: users\n  properties:\n    - {name: id}\n");
  const Frame frame({{"u", Type::kInt64, list("[1,2,null,7,7]"), ""}});
  const Frame users({{"id", Type::kInt64, list("[1,2,3]"), ""}});
  EXPECT_EQ(find(check(contract, frame), "u", "relationship")->verdict, Verdict::kNotEvaluated);
  engine::Keys keys(users.columns);
  for (int64_t i = 0; i < 3; ++i) keys.add(users.columns, i);
  CheckOptions options;
  options.keys = [&](const Relationship&) { return &keys; };
  const Report report = check(contract, frame, options);
  EXPECT_EQ(find(report, "u", "relationship")->count, 2);
  EXPECT_EQ(find(report, "u", "relationship")->samples[0].value, "7");
  const Report other = check(contract, Frame({{"u", Type::kText, list("[\"1\"]"), ""}}), options);
  EXPECT_EQ(find(other, "u", "relationship")->verdict, Verdict::kNotEvaluated);
}

TEST(ContractCheck, SlasAreJudgedAtNow) {
  const int64_t day = 86'400'000'000;
  struct Sla {
    const char* text;
    int64_t now_days;
    Verdict verdict;
  };
  const Sla cases[] = {
      {"{property: latency, value: 2, unit: d, element: t.x}", 12, Verdict::kPassed},
      {"{property: latency, value: 2, unit: d, element: t.x}", 13, Verdict::kFailed},
      {"{property: freshness, value: 2880, unit: m, element: x}", 12, Verdict::kPassed},
      {"{property: freshness, value: 2879, unit: m, element: x}", 12, Verdict::kFailed},
      {"{property: freshness, value: 47, unit: h, element: x}", 12, Verdict::kFailed},
      {"{property: retention, value: 9, unit: d, element: x}", 10, Verdict::kPassed},
      {"{property: retention, value: 9, unit: d, element: x}", 11, Verdict::kFailed},
      {"{property: retention, value: 1, unit: m, element: x}", 32, Verdict::kPassed},
      {"{property: retention, value: 1, unit: m, element: x}", 33, Verdict::kFailed},
      {"{property: retention, value: 1, unit: y, element: x}", 366, Verdict::kPassed},
      {"{property: retention, value: 1, unit: y, element: x}", 367, Verdict::kFailed},
      {"{property: freshness, value: 2, unit: moons, element: x}", 12, Verdict::kNotEvaluated},
      {"{property: freshness, value: soon, unit: d, element: x}", 12, Verdict::kNotEvaluated},
      {"{property: freshness, value: 2, unit: d}", 12, Verdict::kNotEvaluated},
      {"{property: freshness, value: 2, unit: d, element: nowhere.x}", 12, Verdict::kNotEvaluated},
      {"{property: freshness, value: 2, unit: d, element: t.z}", 12, Verdict::kNotEvaluated},
      {"{property: latency, value: 3, unit: d, element: 't.x, t.y'}", 99, Verdict::kPassed},
      {"{property: latency, value: 2, unit: d, element: 't.x, t.y'}", 99, Verdict::kFailed},
  };
  for (const Sla& c : cases) {
    SCOPED_TRACE(c.text);
    const Contract contract = contract_of(
        "- name: t\n  properties: [{name: x, logicalType: timestamp}, {name: y, logicalType: "
        "timestamp}]\n",
        std::string("slaProperties: [") + c.text + "]\n");
    CheckOptions options;
    options.now_us = c.now_days * day;
    const Report report = check(
        contract,
        Frame({{"x", Type::kTimestampUs, Json::array({day, Json(), 10 * day}), "timestamp[us]"},
               {"y", Type::kTimestampUs, Json::array({4 * day, day, 11 * day}), "timestamp[us]"}}),
        options);
    EXPECT_EQ(report.results.back().verdict, c.verdict) << to_text(report);
  }
}

class OneAnswer final : public SqlEngine {
 public:
  Result<double> scalar(const std::string& query) override {
    asked = query;
    return 3.0;
  }
  std::string asked;
};

TEST(ContractCheck, Sql) {
  struct Query {
    const char* text;
    const char* sql;  // "" when it is refused.
  };
  for (const Query& q : {Query{"SELECT count(*) FROM {object} WHERE {property} IS NULL;",
                               "SELECT count(*) FROM \"t\" WHERE \"x\" IS NULL"},
                         Query{"with a as (select ${property} from ${object}) select 1",
                               "with a as (select \"x\" from \"t\") select 1"},
                         Query{"select ';'", "select ';'"}, Query{"DROP TABLE {object}", ""},
                         Query{"SELECT 1; DELETE FROM t", ""}, Query{"", ""}}) {
    const Result<std::string> got = sql_of(q.text, "t", "x");
    EXPECT_EQ(got.ok() ? *got : "", q.sql) << q.text;
  }
  OneAnswer sql;
  CheckOptions options;
  options.sql = &sql;
  const Report report = check(one_property("quality: [{type: sql, query: 'SELECT max({property}) "
                                           "FROM {object}', mustBeLessThan: 3}]"),
                              Frame({{"x", Type::kInt64, list("[1]"), ""}}), options);
  EXPECT_EQ(sql.asked, "SELECT max(\"x\") FROM \"t\"");
  EXPECT_EQ(find(report, "x", "sql")->verdict, Verdict::kFailed);
  EXPECT_EQ(find(report, "x", "sql")->measured, 3);
}

TEST(ContractCheck, SeverityDecidesWhatFails) {
  const char* soft = "quality: [{metric: nullValues, mustBe: 0, severity: warning}]";
  const Frame frame({{"x", Type::kInt64, list("[null]"), ""}});
  EXPECT_TRUE(check(one_property(soft), frame).ok());
  EXPECT_FALSE(check(one_property("quality: [{metric: nullValues, mustBe: 0}]"), frame).ok());
}

TEST(ContractCheck, ABatchOfOtherColumnsIsRefused) {
  const Contract contract = one_property("required: true");
  const Frame a({{"x", Type::kInt64, list("[1]"), ""}});
  const Frame b({{"x", Type::kText, list("[\"1\"]"), ""}});
  Checker checker(contract, contract.objects[0], a.fields, {});
  const Status refused = checker.add(b.columns, 1);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().reason, "contract.batch");
}

}  // namespace
}  // namespace slip::contract
