#include <gtest/gtest.h>

#include "contract/contract.h"

namespace slip::contract {
namespace {

// A sound document with something put into its parts.
struct Parts {
  std::string root;      // Lines without indent.
  std::string object;    // Below schema[0].
  std::string property;  // Below its first property.
};
std::string indent(const std::string& text, size_t by) {
  std::string out;
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find('\n', at), text.size());
    out.append(by, ' ').append(text.substr(at, end - at)).append("\n");
    at = end + 1;
  }
  return out;
}
std::string document(const Parts& parts) {
  return "apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: 1.0.0\nstatus: active\n" +
         parts.root + "schema:\n  - name: orders\n" + indent(parts.object, 4) +
         "    properties:\n      - name: a\n" + indent(parts.property, 8) +
         "      - name: b\n        logicalType: string\n";
}

const Parts kSound[] = {
    {},
    {"tags: [x]\ndescription: {purpose: p, usage: u}\n", "", ""},
    {"servers:\n  - {server: s, type: local, path: /p, format: csv}\n", "", ""},
    {"servers:\n  - {server: s, type: postgres, host: h, port: 5432, database: d, schema: x}\n", "",
     ""},
    {"team: {name: t, members: [{username: u}]}\nroles: [{role: r}]\n", "", ""},
    {"team: [{username: u}]\nprice: {priceAmount: 9.5}\nsupport: [{channel: c}]\n", "", ""},
    {"customProperties: [{property: anything, value: {a: [1]}}]\n", "", ""},
    {"slaProperties: [{property: latency, value: 4, unit: d, element: orders.a}]\n", "", ""},
    {"slaProperties: [{property: retention, value: 3, unit: y, element: a}]\n", "", ""},
    {"", "physicalName: o\ndataGranularityDescription: d\n", ""},
    {"", "quality: [{metric: rowCount, mustBeBetween: [1, 5]}]\n", ""},
    {"", "quality: [{metric: duplicateValues, arguments: {properties: [a, b]}, mustBe: 0}]\n", ""},
    {"", "quality: [{type: text, description: words}, {description: more words}]\n", ""},
    {"", "quality: [{type: sql, query: SELECT 1, mustBe: true}]\n", ""},
    {"", "quality: [{type: custom, engine: soda, implementation: 'x: 1'}]\n", ""},
    {"", "relationships: [{from: orders.a, to: orders.b}]\n", ""},
    {"", "relationships: [{from: [orders.a, orders.b], to: [orders.b, orders.a]}]\n", ""},
    {"slaProperties: [{property: latency, value: 4, element: nowhere.z}]\n", "", ""},
    {"description: {why: open}\ncustomProperties: [{property: p, value: 1, why: open}]\n", "", ""},
    {"", "", "relationships: [{to: nowhere.b}]\n"},
    {"", "", "relationships: [{to: orders.b}, {to: 'other.yaml#/schema/x/properties/y'}]\n"},
    {"", "",
     "logicalType: string\nlogicalTypeOptions: {minLength: 0, maxLength: 3, pattern: '^a', "
     "format: uuid}\n"},
    {"", "",
     "logicalType: integer\nlogicalTypeOptions: {minimum: 0, exclusiveMaximum: 9, multipleOf: 3, "
     "format: u8}\n"},
    {"", "", "logicalType: number\nlogicalTypeOptions: {format: f32, minimum: -0.5}\n"},
    {"", "",
     "logicalType: date\nlogicalTypeOptions: {format: yyyy-MM-dd, minimum: '2020-01-01'}\n"},
    {"", "",
     "logicalType: timestamp\nlogicalTypeOptions: {timezone: true, defaultTimezone: Etc/UTC}\n"},
    {"", "",
     "logicalType: array\nlogicalTypeOptions: {minItems: 1, uniqueItems: true}\nitems: "
     "{logicalType: integer}\n"},
    {"", "", "logicalType: object\nlogicalTypeOptions: {required: [x]}\nproperties: [{name: x}]\n"},
    {"", "",
     "required: true\nunique: true\nprimaryKey: true\nprimaryKeyPosition: 1\nexamples: [1, x]\n"},
    {"", "",
     "quality: [{metric: nullValues, mustBeLessThan: 5, unit: percent, severity: warning}]\n"},
    {"", "",
     "quality: [{metric: missingValues, arguments: {missingValues: [null, '']}, mustBe: 0}]\n"},
    {"", "", "quality: [{metric: invalidValues, arguments: {pattern: '^x'}, mustBe: 0}]\n"},
};

TEST(ContractParse, WhatIsSound) {
  for (const Parts& parts : kSound) {
    const std::string text = document(parts);
    SCOPED_TRACE(text);
    std::vector<Issue> issues;
    const Result<Contract> got = parse_contract(text, &issues);
    EXPECT_TRUE(got.ok()) << got.error().text;
  }
}

struct Refused {
  Parts parts;
  const char* reason;
  const char* pointer;
  int line;
};
const Refused kRefused[] = {
    {{"colour: red\n", "", ""}, "contract.unknown_key", "/colour", 6},
    {{"roles: [{role: r, why: x}]\n", "", ""}, "contract.unknown_key", "/roles/0/why", 6},
    {{"", "", "logicalType: object\nlogicalTypeOptions: {required: [a, a]}\n"},
     "contract.duplicate",
     "/schema/0/properties/0/logicalTypeOptions/required",
     11},
    {{"", "nme: x\n", ""}, "contract.unknown_key", "/schema/0/nme", 8},
    {{"", "", "logicaltype: string\n"},
     "contract.unknown_key",
     "/schema/0/properties/0/logicaltype",
     10},
    {{"", "", "required: 'yes'\n"}, "contract.type", "/schema/0/properties/0/required", 10},
    {{"", "", "logicalType: text\n"}, "contract.value", "/schema/0/properties/0/logicalType", 10},
    {{"", "", "id: 'a b'\n"}, "contract.value", "/schema/0/properties/0/id", 10},
    {{"", "", "name: 4\n"}, "yaml.duplicate_key", "", 0},
    {{"price: {priceAmount: x}\n", "", ""}, "contract.type", "/price/priceAmount", 6},
    {{"servers: [{server: s, type: fax}]\n", "", ""}, "contract.value", "/servers/0/type", 6},
    {{"servers: [{server: s, type: local, path: p}]\n", "", ""},
     "contract.missing",
     "/servers/0",
     6},
    {{"servers: [{server: s, type: local, path: p, format: f, host: h}]\n", "", ""},
     "contract.unknown_key",
     "/servers/0/host",
     6},
    {{"customProperties: [{property: p}]\n", "", ""}, "contract.missing", "/customProperties/0", 6},
    {{"slaProperties: [{property: latency, value: [4]}]\n", "", ""},
     "contract.type",
     "/slaProperties/0/value",
     6},
    {{"", "", "logicalTypeOptions: {minimum: 1}\n"},
     "contract.unknown_key",
     "/schema/0/properties/0/logicalTypeOptions/minimum",
     10},
    {{"", "", "logicalType: string\nlogicalTypeOptions: {minimum: 1}\n"},
     "contract.unknown_key",
     "/schema/0/properties/0/logicalTypeOptions/minimum",
     11},
    {{"", "", "logicalType: string\nlogicalTypeOptions: {minLength: -1}\n"},
     "contract.type",
     "/schema/0/properties/0/logicalTypeOptions/minLength",
     11},
    {{"", "", "logicalType: string\nlogicalTypeOptions: {minLength: 4, maxLength: 3}\n"},
     "contract.empty",
     "/schema/0/properties/0/logicalTypeOptions/minLength",
     11},
    {{"", "", "logicalType: number\nlogicalTypeOptions: {minimum: 4, maximum: 3}\n"},
     "contract.empty",
     "/schema/0/properties/0/logicalTypeOptions/minimum",
     11},
    {{"", "", "logicalType: integer\nlogicalTypeOptions: {multipleOf: 0}\n"},
     "contract.type",
     "/schema/0/properties/0/logicalTypeOptions/multipleOf",
     11},
    {{"", "", "logicalType: integer\nlogicalTypeOptions: {format: f32}\n"},
     "contract.value",
     "/schema/0/properties/0/logicalTypeOptions/format",
     11},
    {{"", "", "logicalType: integer\nlogicalTypeOptions: {exclusiveMinimum: true}\n"},
     "contract.type",
     "/schema/0/properties/0/logicalTypeOptions/exclusiveMinimum",
     11},
    {{"", "", "logicalType: string\nitems: {logicalType: string}\n"},
     "contract.unknown_key",
     "/schema/0/properties/0/items",
     11},
    {{"", "", "logicalType: integer\nproperties: [{name: x}]\n"},
     "contract.unknown_key",
     "/schema/0/properties/0/properties",
     11},
    {{"", "", "quality: [{metric: nullValues}]\n"},
     "contract.operator",
     "/schema/0/properties/0/quality/0",
     10},
    {{"", "", "quality: [{metric: nullValues, mustBe: 0, mustBeLessThan: 1}]\n"},
     "contract.operator",
     "/schema/0/properties/0/quality/0/mustBeLessThan",
     10},
    {{"", "", "quality: [{metric: nullValues, mustBe: none}]\n"},
     "contract.operator",
     "/schema/0/properties/0/quality/0/mustBe",
     10},
    {{"", "", "quality: [{metric: nullValues, mustBeBetween: [5, 1]}]\n"},
     "contract.operator",
     "/schema/0/properties/0/quality/0/mustBeBetween",
     10},
    {{"", "", "quality: [{metric: nulls, mustBe: 0}]\n"},
     "contract.value",
     "/schema/0/properties/0/quality/0/metric",
     10},
    {{"", "", "quality: [{metric: rowCount, mustBe: 0}]\n"},
     "contract.value",
     "/schema/0/properties/0/quality/0/metric",
     10},
    {{"", "quality: [{metric: nullValues, mustBe: 0}]\n", ""},
     "contract.value",
     "/schema/0/quality/0/metric",
     8},
    {{"", "quality: [{metric: rowCount, mustBe: 0, unit: percent}]\n", ""},
     "contract.value",
     "/schema/0/quality/0/unit",
     8},
    {{"", "quality: [{metric: duplicateValues, mustBe: 0}]\n", ""},
     "contract.missing",
     "/schema/0/quality/0",
     8},
    {{"", "quality: [{metric: duplicateValues, arguments: {properties: [z]}, mustBe: 0}]\n", ""},
     "contract.reference",
     "/schema/0/quality/0/arguments",
     8},
    {{"", "", "quality: [{metric: invalidValues, mustBe: 0}]\n"},
     "contract.missing",
     "/schema/0/properties/0/quality/0",
     10},
    {{"", "", "quality: [{metric: missingValues, arguments: {missingValues: []}, mustBe: 0}]\n"},
     "contract.type",
     "/schema/0/properties/0/quality/0/arguments",
     10},
    {{"", "", "quality: [{type: sql, mustBe: 0}]\n"},
     "contract.missing",
     "/schema/0/properties/0/quality/0",
     10},
    {{"", "", "quality: [{type: text, mustBe: 0}]\n"},
     "contract.unknown_key",
     "/schema/0/properties/0/quality/0/mustBe",
     10},
    {{"", "", "quality: [{type: custom, engine: x}]\n"},
     "contract.missing",
     "/schema/0/properties/0/quality/0",
     10},
    {{"", "", "quality: [{type: library, rule: nullValues, mustBe: 0}]\n"},
     "contract.missing",
     "/schema/0/properties/0/quality/0",
     10},
    {{"", "", "relationships: [{from: orders.b, to: orders.b}]\n"},
     "contract.unknown_key",
     "/schema/0/properties/0/relationships/0/from",
     10},
    {{"", "relationships: [{from: [orders.a, orders.b], to: orders.b}]\n", ""},
     "contract.reference",
     "/schema/0/relationships/0/to",
     8},
    {{"", "", "customProperties: [{property: slipway.onViolation, value: explode}]\n"},
     "contract.value",
     "/schema/0/properties/0/customProperties/0",
     10},
};

TEST(ContractParse, WhatIsRefusedAndWhere) {
  for (const Refused& c : kRefused) {
    const std::string text = document(c.parts);
    SCOPED_TRACE(text);
    std::vector<Issue> issues;
    const Result<Contract> got = parse_contract(text, &issues);
    ASSERT_FALSE(got.ok());
    EXPECT_EQ(got.error().reason, c.reason) << got.error().text;
    if (issues.empty()) continue;
    EXPECT_EQ(issues[0].pointer, c.pointer);
    EXPECT_EQ(issues[0].line, c.line);
  }
}

TEST(ContractParse, WholeDocuments) {
  struct Case {
    const char* text;
    const char* reason;
  };
  const Case cases[] = {
      {"", "contract.type"},
      {"[1]", "contract.type"},
      {"a: [", "yaml.syntax"},
      {"apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: 1.0.0\n", "contract.missing"},
      {"apiVersion: v2.2.2\nkind: DataContract\nid: c\nversion: 1.0.0\nstatus: x\n",
       "contract.version"},
      {"apiVersion: v3.1.0\nkind: Contract\nid: c\nversion: 1.0.0\nstatus: x\n", "contract.value"},
      {"apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: 1.0\nstatus: x\n", "contract.type"},
      {"apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: '1'\nstatus: x\nschema: [{name: "
       "a}, {name: a}]\n",
       "contract.duplicate"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    const Result<Contract> got = parse_contract(c.text);
    ASSERT_FALSE(got.ok());
    EXPECT_EQ(got.error().reason, c.reason) << got.error().text;
  }
  std::string deep = "{name: a, logicalType: object, properties: []}";
  for (int i = 0; i < 40; ++i) deep = "{name: a, logicalType: object, properties: [" + deep + "]}";
  const Result<Contract> got = parse_contract(
      "apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: '1'\nstatus: x\nschema: [{name: o, "
      "properties: [" +
      deep + "]}]\n");
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().reason, "contract.depth");
}

TEST(ContractParse, AllIssuesComeInTheirOrder) {
  std::vector<Issue> issues;
  const Result<Contract> got =
      parse_contract(document({"zzz: 1\n", "yyy: 2\n", "required: 3\n"}), &issues);
  ASSERT_FALSE(got.ok());
  ASSERT_EQ(issues.size(), 3U);
  EXPECT_EQ(issues[0].pointer, "/zzz");
  EXPECT_EQ(issues[2].line, 12);
  EXPECT_NE(got.error().text.find("and 2 more"), std::string::npos) << got.error().text;
}

TEST(ContractParse, WhatIsKept) {
  const Result<Contract> got = parse_contract(document(
      {"customProperties: [{property: mine, value: {deep: [1]}}]\n", "physicalName: t_orders\n",
       "primaryKey: true\ncustomProperties: [{property: slipway.unit, value: EUR}]\n"}));
  ASSERT_TRUE(got.ok());
  const Object* orders = got->find("orders");
  ASSERT_NE(orders, nullptr);
  EXPECT_EQ(orders->physical_name, "t_orders");
  EXPECT_EQ(orders->primary_key(), std::vector<std::string>{"a"});
  ASSERT_NE(orders->find("a")->custom("slipway.unit"), nullptr);
  EXPECT_EQ(orders->find("a")->custom("slipway.unit")->as_string(), "EUR");
  EXPECT_EQ(codec::to_json(*find_custom(got->customs, "mine")), "{\"deep\":[1]}");
  EXPECT_EQ(orders->find("b")->pointer, "/schema/0/properties/1");
}

}  // namespace
}  // namespace slip::contract
