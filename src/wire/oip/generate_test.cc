#include "wire/oip/generate.h"

#include <cstring>

#include <gtest/gtest.h>

#include "wire/oip/test_outputs.h"

namespace slip::wire::oip {
namespace {

using serving::DataType;
using serving::Tensor;

serving::Signature signature() {
  serving::Signature s;
  s.inputs = {{.name = "PROMPT", .type = DataType::kBytes, .shape = {-1, 1}},
              {.name = "STREAM", .type = DataType::kBool, .shape = {-1, 1}},
              {.name = "ids", .type = DataType::kInt32, .shape = {-1, -1}}};
  s.max_batch = 4;
  return s;
}

std::string text_of(std::string_view body) {
  const auto r = parse_generate(body, signature());
  return r.ok() ? "" : r.error().text;
}

TEST(Generate, MembersBecomeInputsOrParameters) {
  const InferRequest r =
      parse_generate(R"({"id":"7","PROMPT":"hi","STREAM":false,"temperature":0.5,)"
                     R"("parameters":{"ids":[1,2,3],"top":4}})",
                     signature())
          .value();
  EXPECT_EQ(r.id, "7");
  ASSERT_EQ(r.inputs.size(), 3U);
  EXPECT_EQ(r.inputs[0].strings, std::vector<std::string>{"hi"});
  EXPECT_EQ(r.inputs[0].shape, (std::vector<int64_t>{1, 1}));
  EXPECT_EQ(r.inputs[1].number(0), 0);
  EXPECT_EQ(r.inputs[2].shape, (std::vector<int64_t>{1, 3}));
  EXPECT_EQ(r.inputs[2].number(2), 3);
  EXPECT_EQ(r.parameters.size(), 2U);
}

TEST(Generate, WhatDoesNotFitIsSaid) {
  struct Case {
    const char* body;
    const char* says;
  };
  const Case cases[] = {
      {R"({"PROMPT":123})", "attempt to access JSON non-string as string"},
      {R"({"STREAM":"false"})", "attempt to access JSON non-boolean as boolean"},
      {R"({"PROMPT":{"USER":"x"}})", "attempt to access JSON non-string as string"},
      {R"({"PROMPT":"a","PROMPT":"b"})", "input 'PROMPT' already exists in request"},
      {R"({"PROMPT":"a","parameters":{"PROMPT":"b"}})", "input 'PROMPT' already exists"},
      {R"({"parameters":1})", "Expected JSON object for keyword: 'parameters'"},
      {R"({"parameters":{"nested":{"twice":1}}})",
       "Converting keyword: 'parameters': parameter 'nested' has invalid type."},
      {R"({"PARAMS":{"a":0}})", "parameter 'PARAMS' has invalid type"},
      {R"({"PROMPT":["a","b"]})", "to tensor with proper shape"},
      {R"({"ids":[2147483648]})", "a value does not fit INT32"},
      {R"([1])", "object"},
      {R"({)", "line 1"},
  };
  for (const Case& c : cases)
    EXPECT_NE(text_of(c.body).find(c.says), std::string::npos) << c.body << ": " << text_of(c.body);
}

TEST(Generate, OneValueIsNoList) {
  Tensor one{
      .name = "TEXT", .type = DataType::kBytes, .shape = {1, 1}, .data = {}, .strings = {"x"}};
  Tensor none{.name = "n", .type = DataType::kInt8, .shape = {0}, .data = {}, .strings = {}};
  Tensor two{.name = "t", .type = DataType::kInt8, .shape = {2}, .data = "\1\2", .strings = {}};
  const InferReply reply = {
      .model_name = "m", .model_version = "1", .id = "7", .prediction_id = "p"};
  EXPECT_EQ(format_generate(reply, true, as_outputs({one, none, two})).value(),
            R"({"id":"7","model_name":"m","model_version":"1","TEXT":"x","n":[],"t":[1,2]})");
  EXPECT_EQ(format_generate(reply, false, {}).value(), R"({"model_name":"m","model_version":"1"})");
}

TEST(Generate, ABodyWithInputsIsAnInferRequest) {
  EXPECT_TRUE(is_infer_body(R"({"inputs":[{"name":"x"}]})"));
  for (const char* body : {"", "{}", R"({"inputs":"text"})", R"({"inputs":[1]})", "[1]"})
    EXPECT_FALSE(is_infer_body(body)) << body;
}

}  // namespace
}  // namespace slip::wire::oip
