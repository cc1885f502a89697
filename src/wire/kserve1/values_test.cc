#include "wire/kserve1/values.h"

#include <cstring>

#include <gtest/gtest.h>

#include "wire/kserve1/cloud_event.h"

namespace slip::wire::kserve1 {
namespace {

using codec::Json;
using serving::DataType;
using serving::Tensor;

serving::Signature one_input() {
  serving::Signature s;
  s.inputs = {{.name = "x", .type = DataType::kFp32, .shape = {-1, 3}}};
  return s;
}

serving::Signature two_inputs() {
  serving::Signature s;
  s.inputs = {{.name = "t", .type = DataType::kBytes, .shape = {-1, 1}},
              {.name = "n", .type = DataType::kInt64, .shape = {-1}}};
  return s;
}

Json json(std::string_view text) {
  return codec::parse_json(text, codec::NonFinite::kToken).value();
}

TEST(Kserve1Values, RowsAndColumnsMeanTheSame) {
  for (const char* body :
       {R"({"instances":[[1,2,3],[4,5,6]]})", R"({"instances":[{"x":[1,2,3]},{"x":[4,5,6]}]})",
        R"({"inputs":[[1,2,3],[4,5,6]]})",
        R"({"inputs":{"x":[[1,2,3],[4,5,6]]},"signature_name":"any"})"}) {
    const Ask ask = parse_predict(json(body), one_input()).value();
    ASSERT_EQ(ask.inputs.size(), 1U) << body;
    EXPECT_EQ(ask.inputs[0].shape, (std::vector<int64_t>{2, 3})) << body;
    EXPECT_EQ(ask.inputs[0].number(5), 6) << body;
  }
  const Ask named =
      parse_predict(json(R"({"instances":[{"t":"a","n":1},{"t":{"b64":"//8="},"n":2}]})"),
                    two_inputs())
          .value();
  EXPECT_EQ(named.inputs[0].shape, (std::vector<int64_t>{2, 1}));
  EXPECT_EQ(named.inputs[0].strings, (std::vector<std::string>{"a", "\xff\xff"}));
  EXPECT_EQ(named.inputs[1].shape, std::vector<int64_t>{2});
}

TEST(Kserve1Values, WhatFitsNothingIsRefused) {
  struct Case {
    const char* body;
    const char* reason;
  };
  const Case cases[] = {
      {"[]", "predict.body"},
      {"{}", "predict.body"},
      {R"({"instances":[],"inputs":[]})", "predict.body"},
      {R"({"instances":1})", "predict.body"},
      {R"({"instances":[{"y":[1,2,3]}]})", "predict.body"},
      {R"({"instances":[{"x":[1,2,3],"y":1}]})", "predict.body"},
      {R"({"inputs":{"y":1}})", "predict.body"},
      {R"({"instances":[[1,2],[3]]})", "predict.shape"},
      {R"({"instances":[[1,[2]]]})", "predict.shape"},
      {R"({"instances":[["a"]]})", "predict.value"},
      {R"({"instances":[[null]]})", "predict.value"},
      {R"({"instances":[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]})", "predict.shape"},
  };
  for (const Case& c : cases) {
    const auto r = parse_predict(json(c.body), one_input());
    EXPECT_EQ(r.ok() ? "" : r.error().reason, c.reason) << c.body;
  }
  EXPECT_EQ(parse_predict(json(R"({"instances":[1]})"), two_inputs()).error().reason,
            "predict.body");
  EXPECT_EQ(
      parse_predict(json(R"({"inputs":{"t":[{"b64":"?"}],"n":[1]}})"), two_inputs()).error().reason,
      "predict.value");
}

template <class T>
Tensor tensor(const char* name, DataType type, std::vector<int64_t> shape, std::vector<T> values) {
  Tensor t;
  t.name = name;
  t.type = type;
  t.shape = std::move(shape);
  t.data.assign(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  return t;
}

TEST(Kserve1Values, AnswersComeAsTheyWereAsked) {
  const Tensor p = tensor<float>("p", DataType::kFp32, {2, 2}, {0.1F, 0.9F, 1, 0});
  Tensor label{
      .name = "l", .type = DataType::kBytes, .shape = {2}, .data = {}, .strings = {"a", "\xff"}};
  EXPECT_EQ(codec::to_json(format_predict(Form::kRows, {p}).value()),
            R"({"predictions":[[0.1,0.9],[1.0,0.0]]})");
  EXPECT_EQ(codec::to_json(format_predict(Form::kRows, {p, label}).value()),
            R"({"predictions":[{"p":[0.1,0.9],"l":"a"},{"p":[1.0,0.0],"l":{"b64":"/w=="}}]})");
  EXPECT_EQ(codec::to_json(format_predict(Form::kColumns, {p}).value()),
            R"({"outputs":[[0.1,0.9],[1.0,0.0]]})");
  EXPECT_EQ(format_predict(Form::kRows, {p, tensor<int8_t>("q", DataType::kInt8, {1}, {1})})
                .error()
                .reason,
            "predict.shape");
  EXPECT_EQ(codec::to_json(format_classes({p}, {}).value()),
            R"({"results":[[["0",0.1],["1",0.9]],[["0",1.0],["1",0.0]]]})");
  EXPECT_EQ(format_values({p}).error().reason, "predict.not_a_regression");
  const Tensor v = tensor<int64_t>("v", DataType::kInt64, {2, 1}, {7, -1});
  EXPECT_EQ(codec::to_json(format_values({v}).value()), R"({"results":[7,-1]})");
  EXPECT_EQ(format_classes({v}, {}).error().reason, "predict.not_a_classifier");
}

TEST(Kserve1Values, ExamplesShareTheirContext) {
  const auto in =
      parse_examples(json(R"({"context":{"n":5},"examples":[{"t":"a"},{"t":"b","n":6}]})"),
                     two_inputs())
          .value();
  EXPECT_EQ(in[1].number(0), 5);
  EXPECT_EQ(in[1].number(1), 6);
  EXPECT_EQ(parse_examples(json(R"({"examples":[{"t":"a"}]})"), two_inputs()).error().reason,
            "predict.body");
}

TEST(CloudEvent, IsAnsweredTheWayItCame) {
  http::Request request;
  request.body = R"({"instances":[]})";
  EXPECT_EQ(unwrap(request).value().wrapping, Wrapping::kNone);
  request.headers = {{"ce-specversion", "1.0"}, {"ce-id", "1"}, {"ce-source", "s"}};
  EXPECT_EQ(unwrap(request).error().reason, "cloud_event.attributes");
  request.headers.emplace_back("ce-type", "t");
  EXPECT_EQ(unwrap(request).value().wrapping, Wrapping::kHeaders);
  http::Reply reply = wrap(Wrapping::kHeaders, json("{}"), "9", "m");
  EXPECT_EQ(reply.headers.size(), 4U);
  request.headers = {{"content-type", "application/cloudevents+json; charset=utf-8"}};
  EXPECT_EQ(unwrap(request).error().reason, "cloud_event.attributes");
  request.body =
      R"({"specversion":"1.0","id":"1","source":"s","type":"t","data":{"instances":[1]}})";
  const Unwrapped in = unwrap(request).value();
  EXPECT_EQ(in.wrapping, Wrapping::kEnvelope);
  EXPECT_EQ(codec::to_json(in.body), R"({"instances":[1]})");
  request.body = R"({"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"e30="})";
  EXPECT_EQ(codec::to_json(unwrap(request).value().body), "{}");
  reply = wrap(Wrapping::kEnvelope, json("{}"), "9", "m");
  EXPECT_EQ(reply.content_type, "application/cloudevents+json");
  EXPECT_EQ(codec::parse_json(reply.body)->find("id")->as_string(), "9");
}

}  // namespace
}  // namespace slip::wire::kserve1
