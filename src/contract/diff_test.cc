#include "contract/diff.h"

#include <set>

#include <gtest/gtest.h>

#include "contract/test_frame.h"

namespace slip::contract {
namespace {

using testing::contract_of;
using testing::one_property;

// A property `x` before and after, and what that is to whom.
struct Row {
  std::string before;
  std::string after;
  std::string rule;
  Impact consumer;
  Impact producer;
};
constexpr Impact kOk = Impact::kNone;
constexpr Impact kWarn = Impact::kWarn;
constexpr Impact kGate = Impact::kGate;
constexpr Impact kBreak = Impact::kBreak;

std::string custom(const char* name, const char* value) {
  return std::string("customProperties: [{property: ") + name + ", value: " + value + "}]";
}

const std::string open =
    "quality: [{metric: invalidValues, arguments: {validValues: [a, b]}, mustBe: 0}]";
const std::string more =
    "quality: [{metric: invalidValues, arguments: {validValues: [a, b, c]}, mustBe: 0}]";
const std::string closed = open + "\n" + custom("slipway.closed", "true");
const std::string nulls = "quality: [{id: n, metric: nullValues, mustBeLessThan: 5}]";
const std::string nulls_loose = "quality: [{id: n, metric: nullValues, mustBeLessThan: 9}]";
const std::string expression = custom("slipway.expression", "a + b");
const std::string expression2 = custom("slipway.expression", "a - b");
const std::string ttl_long = custom("slipway.ttl", "70");
const std::string ttl_short = custom("slipway.ttl", "7");
const std::string unit = custom("slipway.unit", "EUR");
const std::string unit2 = custom("slipway.unit", "cent");
const std::string key = custom("slipway.entityKey", "true");
const std::string time = custom("slipway.eventTime", "true");
const std::string null_default = custom("slipway.nullDefault", "0");
const std::string window = custom("slipway.window", "7d");
const std::string window2 = custom("slipway.window", "8d");
const std::string source = custom("slipway.source", "t2");
const std::vector<Row> kRows = {
    {"required: true", "required: false", "required_dropped", kBreak, kOk},
    {"required: false", "required: true", "required_set", kOk, kBreak},
    {"physicalType: int8", "physicalType: bigint", "type_widened", kOk, kOk},
    {"physicalType: float", "physicalType: double", "type_widened", kOk, kOk},
    {"logicalType: integer\nlogicalTypeOptions: {format: i8}",
     "logicalType: integer\nlogicalTypeOptions: {format: i64}", "type_widened", kOk, kOk},
    {"logicalType: number\nlogicalTypeOptions: {format: f32}",
     "logicalType: number\nlogicalTypeOptions: {format: f64}", "type_widened", kOk, kOk},
    {"physicalType: int64", "physicalType: int32", "type_narrowed", kOk, kBreak},
    {"physicalType: int64", "physicalType: float64", "type_changed", kBreak, kBreak},
    {"logicalType: integer", "logicalType: number", "type_changed", kBreak, kBreak},
    {"logicalType: number", "logicalType: string", "type_changed", kBreak, kBreak},
    {"logicalType: timestamp\nlogicalTypeOptions: {timezone: true}", "logicalType: timestamp",
     "type_changed", kBreak, kBreak},
    {"logicalType: timestamp", "logicalType: timestamp\nlogicalTypeOptions: {timezone: true}",
     "type_changed", kBreak, kBreak},
    {"logicalType: date\nlogicalTypeOptions: {format: yyyy-MM-dd}",
     "logicalType: date\nlogicalTypeOptions: {format: dd.MM.yyyy}", "type_changed", kBreak, kBreak},
    {unit, unit2, "type_changed", kBreak, kBreak},
    {open, more, "enum_widened", kWarn, kOk},
    {closed, more, "enum_widened", kBreak, kOk},
    {open, "required: false", "enum_widened", kWarn, kOk},
    {more, open, "enum_narrowed", kOk, kBreak},
    {"required: false", open, "limit_tightened", kOk, kBreak},
    {"logicalType: integer\nlogicalTypeOptions: {minimum: 0}",
     "logicalType: integer\nlogicalTypeOptions: {minimum: 1}", "limit_tightened", kOk, kBreak},
    {"logicalType: integer\nlogicalTypeOptions: {maximum: 9}",
     "logicalType: integer\nlogicalTypeOptions: {maximum: 8}", "limit_tightened", kOk, kBreak},
    {"logicalType: integer", "logicalType: integer\nlogicalTypeOptions: {exclusiveMaximum: 8}",
     "limit_tightened", kOk, kBreak},
    {"logicalType: string", "logicalType: string\nlogicalTypeOptions: {pattern: a}",
     "limit_tightened", kOk, kBreak},
    {"logicalType: string\nlogicalTypeOptions: {pattern: b}",
     "logicalType: string\nlogicalTypeOptions: {pattern: a}", "limit_tightened", kWarn, kBreak},
    {"logicalType: string\nlogicalTypeOptions: {maxLength: 9}",
     "logicalType: string\nlogicalTypeOptions: {maxLength: 8}", "limit_tightened", kOk, kBreak},
    {"logicalType: string\nlogicalTypeOptions: {format: uuid}", "logicalType: string",
     "limit_loosened", kWarn, kOk},
    {"logicalType: integer\nlogicalTypeOptions: {minimum: 1}",
     "logicalType: integer\nlogicalTypeOptions: {minimum: 0}", "limit_loosened", kWarn, kOk},
    {"logicalType: integer\nlogicalTypeOptions: {maximum: 9}", "logicalType: integer",
     "limit_loosened", kWarn, kOk},
    {"logicalType: string\nlogicalTypeOptions: {pattern: a}", "logicalType: string",
     "limit_loosened", kWarn, kOk},
    {"logicalType: integer\nlogicalTypeOptions: {multipleOf: 10}",
     "logicalType: integer\nlogicalTypeOptions: {multipleOf: 5}", "limit_loosened", kWarn, kOk},
    {"logicalType: integer\nlogicalTypeOptions: {multipleOf: 5}",
     "logicalType: integer\nlogicalTypeOptions: {multipleOf: 10}", "limit_tightened", kOk, kBreak},
    {"unique: true", "unique: false", "key_changed", kBreak, kBreak},
    {"unique: false", "unique: true", "key_changed", kBreak, kBreak},
    {"primaryKey: false", "primaryKey: true", "key_changed", kBreak, kBreak},
    {"required: false", key, "key_changed", kBreak, kBreak},
    {time, "required: false", "key_changed", kBreak, kBreak},
    {"classification: public", "classification: restricted", "classification_changed", kGate,
     kGate},
    {"required: false", "classification: PII", "classification_changed", kGate, kGate},
    {"classification: restricted", "classification: public", "classification_changed", kOk, kOk},
    {"classification: blue", "classification: green", "classification_changed", kGate, kGate},
    {nulls, "required: false", "quality_loosened", kWarn, kOk},
    {nulls, nulls_loose, "quality_loosened", kWarn, kOk},
    {nulls_loose, nulls, "quality_tightened", kOk, kWarn},
    {"required: false", nulls, "quality_tightened", kOk, kWarn},
    {expression, expression2, "meaning_changed", kBreak, kBreak},
    {window, window2, "meaning_changed", kBreak, kBreak},
    {"required: false", null_default, "meaning_changed", kBreak, kBreak},
    {"required: false", source, "meaning_changed", kBreak, kBreak},
    {ttl_long, ttl_short, "meaning_changed", kBreak, kBreak},
    {ttl_short, ttl_long, "limit_loosened", kWarn, kOk},
    {"transformLogic: a", "transformLogic: b", "meaning_changed", kBreak, kBreak},
    {"logicalType: array\nitems: {logicalType: integer}",
     "logicalType: array\nitems: {logicalType: string}", "type_changed", kBreak, kBreak},
    {"logicalType: object\nproperties: [{name: a}]", "logicalType: object\nproperties: [{name: b}]",
     "property_removed", kBreak, kOk},
};

TEST(ContractDiff, EveryRowOfTheTableOfProperties) {
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.before + "  ->  " + row.after);
    const auto changes = changes_between(one_property(row.before), one_property(row.after));
    const auto at = std::ranges::find(changes, row.rule, &Change::rule);
    ASSERT_NE(at, changes.end()) << (changes.empty() ? "nothing" : changes[0].rule);
    EXPECT_EQ(at->consumer, row.consumer) << at->text;
    EXPECT_EQ(at->producer, row.producer) << at->text;
    EXPECT_EQ(at->semantic, row.rule == "meaning_changed");
    EXPECT_EQ(at->parity, row.rule == "type_widened");
    EXPECT_TRUE(changes_between(one_property(row.after), one_property(row.after)).empty());
  }
}

TEST(ContractDiff, PropertiesComeAndGo) {
  const auto with = [](const std::string& lines) {
    return contract_of("- name: t\n  properties:\n    - {name: a, id: one}\n    - {name: k}\n" +
                       lines);
  };
  struct Step {
    const char* before;
    const char* after;
    std::vector<std::string> rules;
    Impact consumer;
    Impact producer;
  };
  const Step steps[] = {
      {"", "    - {name: b}\n", {"optional_added"}, kOk, kOk},
      {"", "    - {name: b, required: true}\n", {"required_added"}, kOk, kBreak},
      {"",
       "    - {name: b, required: true, customProperties: [{property: slipway.default, value: "
       "0}]}\n",
       {"required_added"},
       kOk,
       kOk},
      {"    - {name: b}\n", "", {"property_removed"}, kBreak, kOk},
      {"    - {name: b}\n",
       "    - {name: c}\n",
       {"property_removed", "optional_added"},
       kBreak,
       kOk},
      {"    - {name: b, id: two}\n", "    - {name: c, id: two}\n", {"renamed"}, kWarn, kWarn},
      {"    - {name: b, id: two, physicalName: b}\n",
       "    - {name: c, id: two, physicalName: b}\n",
       {"renamed"},
       kOk,
       kOk},
      {"    - {name: b, id: two}\n",
       "    - {name: b, id: three}\n",
       {"property_removed", "optional_added"},
       kBreak,
       kOk},
      {"    - {name: b}\n", "    - {name: b, id: three}\n", {}, kOk, kOk},
  };
  for (const Step& s : steps) {
    SCOPED_TRACE(std::string(s.before) + "->" + s.after);
    const auto changes = changes_between(with(s.before), with(s.after));
    std::vector<std::string> rules;
    Impact consumer = kOk;
    Impact producer = kOk;
    for (const Change& c : changes) {
      rules.push_back(c.rule);
      consumer = std::max(consumer, c.consumer);
      producer = std::max(producer, c.producer);
    }
    EXPECT_EQ(rules, s.rules);
    EXPECT_EQ(consumer, s.consumer);
    EXPECT_EQ(producer, s.producer);
  }
}

TEST(ContractDiff, ObjectsAndSlas) {
  const auto one = contract_of("- name: t\n",
                               "slaProperties: [{property: latency, value: 2, unit: d}, {property: "
                               "retention, value: 1, unit: y}]\n");
  const auto two = contract_of("- name: u\n",
                               "slaProperties: [{property: latency, value: 3, unit: d}, {property: "
                               "retention, value: 13, unit: months}]\n");
  std::set<std::string> rules;
  for (const Change& c : changes_between(one, two))
    rules.insert(c.rule + " " + std::string(impact_name(c.consumer)) + " " +
                 std::string(impact_name(c.producer)));
  EXPECT_EQ(rules, (std::set<std::string>{"object_removed break ok", "object_added ok ok",
                                          "sla_loosened warn ok", "sla_tightened ok warn"}));
  EXPECT_EQ(changes_between(one, contract_of("- name: t\n")).size(), 2U);
}

TEST(ContractDiff, TheModeSaysWhoseBreakageCounts) {
  const Contract narrow = one_property("required: true");
  const Contract wide = one_property("required: false");
  struct Expected {
    const char* mode;
    bool set;      // required false → true: the producer's.
    bool dropped;  // true → false: the consumer's.
  };
  for (const Expected& e : {Expected{"BACKWARD", true, false}, Expected{"FORWARD", false, true},
                            Expected{"full", true, true}}) {
    const Mode mode = parse_mode(e.mode).value();
    EXPECT_EQ(diff_contracts(std::vector{wide}, narrow, mode).breaking(), e.set) << e.mode;
    EXPECT_EQ(diff_contracts(std::vector{narrow}, wide, mode).breaking(), e.dropped) << e.mode;
  }
  EXPECT_EQ(parse_mode("SIDEWAYS").error().reason, "contract.mode");
}

TEST(ContractDiff, TransitiveLooksAtEveryVersion) {
  const std::vector<Contract> before = {one_property("required: false"),
                                        one_property("required: true")};
  const Contract after = one_property("required: true");
  EXPECT_FALSE(diff_contracts(before, after, parse_mode("BACKWARD").value()).breaking());
  EXPECT_TRUE(diff_contracts(before, after, parse_mode("BACKWARD_TRANSITIVE").value()).breaking());
}

class OnlyOther final : public Readers {
 public:
  std::vector<std::string> of(const Object&, const Property* property) const override {
    if (property != nullptr && property->name == "read") return {"fraud@3"};
    return {};
  }
};

TEST(ContractDiff, WhatNobodyReadsBreaksNoReader) {
  const Contract before = contract_of("- name: t\n  properties: [{name: read}, {name: unread}]\n");
  const Contract after = contract_of("- name: t\n");
  const OnlyOther readers;
  const Diff diff =
      diff_contracts(std::vector{before}, after, parse_mode("FORWARD").value(), &readers);
  ASSERT_EQ(diff.changes.size(), 2U);
  EXPECT_EQ(diff.impact(diff.changes[0]), kBreak);
  EXPECT_EQ(diff.changes[0].readers, std::vector<std::string>{"fraud@3"});
  EXPECT_EQ(diff.impact(diff.changes[1]), kOk);
  EXPECT_NE(to_text(diff).find("read by nobody"), std::string::npos);
  EXPECT_TRUE(to_json(diff).find("breaking")->as_bool());
}

}  // namespace
}  // namespace slip::contract
