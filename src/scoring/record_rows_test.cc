#include "scoring/record_rows.h"

#include <cmath>

#include <gtest/gtest.h>

namespace slip::scoring {
namespace {

using serving::DataType;
using serving::Signature;
using serving::Tensor;
using serving::TensorSpec;

Signature of(std::vector<TensorSpec> inputs) {
  Signature s;
  s.inputs = std::move(inputs);
  return s;
}

codec::Json json(const std::string& text) { return codec::parse_json(text).value(); }

const Signature kColumns = of({{"id", DataType::kInt64, {-1}},
                               {"amount", DataType::kFp32, {-1, 1}},
                               {"text", DataType::kBytes, {-1}},
                               {"flag", DataType::kBool, {-1}}});

TEST(RecordRows, MembersBecomeInputs) {
  RecordRows rows = RecordRows::make(kColumns).value();
  rows.add(json(R"({"id": 7, "amount": 1.5, "text": "a", "flag": true, "more": [1]})")).value();
  rows.add(json(R"({"flag": false, "text": "", "id": 9007199254740993, "amount": null})")).value();
  rows.add(json(R"({"id": 3.0, "text": "b", "flag": true})")).value();
  const std::vector<Tensor> out = rows.take().value();
  ASSERT_EQ(out.size(), 4U);
  EXPECT_EQ(out[0].integer(1), 9007199254740993);
  EXPECT_EQ(out[0].integer(2), 3);
  EXPECT_EQ(out[1].shape, (std::vector<int64_t>{3, 1}));
  EXPECT_EQ(out[1].number(0), 1.5);
  EXPECT_TRUE(std::isnan(out[1].number(1)));
  EXPECT_TRUE(std::isnan(out[1].number(2)));
  EXPECT_EQ(out[2].strings, (std::vector<std::string>{"a", "", "b"}));
  EXPECT_EQ(out[3].data, std::string("\1\0\1", 3));
  EXPECT_EQ(rows.rows(), 0);
}

TEST(RecordRows, WhatDoesNotFitAddsNothing) {
  RecordRows rows = RecordRows::make(kColumns).value();
  const std::pair<std::string, std::string> cases[] = {
      {R"([1])", "record.json"},
      {R"("x")", "record.json"},
      {R"({"id": 1, "amount": 1, "flag": true})", "record.column"},
      {R"({"id": null, "amount": 1, "text": "", "flag": true})", "record.column"},
      {R"({"id": 1.5, "amount": 1, "text": "", "flag": true})", "record.value"},
      {R"({"id": 1e300, "amount": 1, "text": "", "flag": true})", "record.value"},
      {R"({"id": "1", "amount": 1, "text": "", "flag": true})", "record.value"},
      {R"({"id": 1, "amount": "1", "text": "", "flag": true})", "record.value"},
      {R"({"id": 1, "amount": 1, "text": 5, "flag": true})", "record.value"},
      {R"({"id": 1, "amount": 1, "text": "", "flag": 1})", "record.value"},
  };
  for (const auto& [text, reason] : cases) {
    EXPECT_EQ(rows.add(json(text)).error().reason, reason) << text;
    EXPECT_EQ(rows.rows(), 0);
  }
}

TEST(RecordRows, OneWideInput) {
  RecordRows named = RecordRows::make(of({{"x", DataType::kFp32, {-1, 2}, {"b", "a"}}})).value();
  named.add(json(R"({"a": 1, "b": 2})")).value();
  const std::vector<Tensor> out = named.take().value();
  EXPECT_EQ(out[0].number(0), 2);
  EXPECT_EQ(out[0].number(1), 1);
  RecordRows unnamed = RecordRows::make(of({{"x", DataType::kFp32, {-1, 2}}})).value();
  unnamed.add(json("[3, 4]")).value();
  EXPECT_EQ(unnamed.add(json("[3]")).error().reason, "record.json");
  EXPECT_EQ(unnamed.add(json(R"({"x": [3, 4]})")).error().reason, "record.json");
  EXPECT_EQ(unnamed.add(json(R"([3, "4"])")).error().reason, "record.value");
  EXPECT_EQ(unnamed.take().value()[0].number(1), 4);
}

TEST(RecordRows, FormsThatARecordHasNot) {
  const Signature cases[] = {
      of({{"x", DataType::kFp32, {-1, -1}}}), of({{"x", DataType::kFp32, {}}}),
      of({{"x", DataType::kFp32, {-1, 2, 2}}}),
      of({{"x", DataType::kFp32, {-1, 2}}, {"y", DataType::kFp32, {-1}}})};
  for (const Signature& s : cases)
    EXPECT_EQ(RecordRows::make(s).error().reason, "record.inputs");
}

}  // namespace
}  // namespace slip::scoring
