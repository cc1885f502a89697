#include "contract/record.h"

#include <gtest/gtest.h>

#include "contract/test_frame.h"

namespace slip::contract {
namespace {

using namespace testing;

Contract with_action(const std::string& action, const std::string& property) {
  return one_property(property,
                      "customProperties: [{property: slipway.onViolation, value: " + action + "}]");
}

TEST(ContractRecord, WhatBecomesOfARecord) {
  struct Case {
    const char* action;
    const char* property;
    const char* record;
    bool clean;
    OnViolation becomes;
    size_t nulled;
  };
  const char* limit = "logicalType: integer\nlogicalTypeOptions: {minimum: 0, maximum: 9}";
  const Case cases[] = {
      {"reject", limit, R"({"x": 5})", true, OnViolation::kWarn, 0},
      {"reject", limit, R"({"x": -5})", false, OnViolation::kReject, 0},
      {"quarantine", limit, R"({"x": -5})", false, OnViolation::kQuarantine, 0},
      {"warn", limit, R"({"x": -5})", false, OnViolation::kWarn, 0},
      {"null_out", limit, R"({"x": -5})", false, OnViolation::kNullOut, 1},
      {"null_out", limit, R"({"x": "five"})", false, OnViolation::kNullOut, 1},
      {"null_out", "logicalType: integer\nrequired: true", R"({"x": "five"})", false,
       OnViolation::kReject, 0},
      {"null_out", "primaryKey: true\nlogicalType: integer", R"({"x": 1.5})", false,
       OnViolation::kReject, 0},
      {"reject", limit, R"({"x": null})", true, OnViolation::kWarn, 0},
      {"reject", limit, R"({})", true, OnViolation::kWarn, 0},
      {"reject", "required: true", R"({})", false, OnViolation::kReject, 0},
      {"reject", limit, R"({"x": 5.0})", true, OnViolation::kWarn, 0},
      {"reject", limit, R"({"x": 5.5})", false, OnViolation::kReject, 0},
      {"reject", "logicalType: timestamp", R"({"x": "2026-11-23T05:53:00Z"})", true,
       OnViolation::kWarn, 0},
      {"reject", "logicalType: timestamp", R"({"x": "yesterday"})", false, OnViolation::kReject, 0},
      {"reject", "logicalType: number", R"({"x": "1"})", false, OnViolation::kReject, 0},
      {"reject", "logicalType: object\nproperties: [{name: k, logicalType: integer}]",
       R"({"x": {"k": "v"}})", false, OnViolation::kReject, 0},
      {"reject", "quality: [{metric: invalidValues, arguments: {validValues: [a]}, mustBe: 0}]",
       R"({"x": "b"})", false, OnViolation::kReject, 0},
      {"reject",
       "quality: [{metric: missingValues, arguments: {missingValues: [null]}, mustBe: 0}]", R"({})",
       false, OnViolation::kReject, 0},
      {"reject",
       "quality: [{metric: invalidValues, arguments: {validValues: [a]}, mustBeLessThan: 9}]",
       R"({"x": "b"})", true, OnViolation::kWarn, 0},
      {"reject",
       "quality: [{metric: invalidValues, arguments: {validValues: [a]}, mustBe: 0, "
       "customProperties: [{property: slipway.onViolation, value: warn}]}]",
       R"({"x": "b"})", false, OnViolation::kWarn, 0},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(c.action) + " " + c.property + " " + c.record);
    const Contract contract = with_action(c.action, c.property);
    const auto checker = RecordChecker::make(contract.objects[0]);
    ASSERT_TRUE(checker.ok());
    const RecordVerdict got = checker->check_record(codec::parse_json(c.record).value());
    EXPECT_EQ(got.clean, c.clean);
    EXPECT_EQ(got.clean, got.violations.empty());
    EXPECT_EQ(c.clean ? OnViolation::kWarn : got.action, c.becomes);
    EXPECT_EQ(got.nulled.size(), c.nulled);
  }
}

TEST(ContractRecord, UnexpectedMembersAndWhatCannotBeInline) {
  const Contract strict = one_property(
      "required: true", "customProperties: [{property: slipway.unexpectedFields, value: reject}]");
  const auto checker = RecordChecker::make(strict.objects[0]);
  const RecordVerdict got = checker->check_record(codec::parse_json(R"({"x": 1, "y": 2})").value());
  EXPECT_FALSE(got.clean);
  EXPECT_EQ(got.violations[0].check, "unexpectedFields");
  const Contract pattern =
      one_property("logicalType: string\nlogicalTypeOptions: {pattern: '(?=a)'}");
  EXPECT_EQ(RecordChecker::make(pattern.objects[0], true).error().reason, "contract.not_inline");
  EXPECT_EQ(RecordChecker::make(pattern.objects[0])->unable().size(), 1U);
}

}  // namespace
}  // namespace slip::contract
