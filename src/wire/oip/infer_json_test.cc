#include "wire/oip/infer_json.h"

#include <cmath>

#include <gtest/gtest.h>

#include "codec/json.h"

namespace slip::wire::oip {
namespace {

using serving::DataType;
using serving::Tensor;

std::string body_with(const std::string& datatype, const std::string& shape,
                      const std::string& data) {
  return R"({"inputs":[{"name":"x","data":)" + data + R"(,"shape":)" + shape + R"(,"datatype":")" +
         datatype + R"("}]})";
}

TEST(InferJson, ReadsNestedAndFlatInAnyFieldOrder) {
  const std::string body = R"({
    "outputs": [{"name": "p", "parameters": {"binary_data": false}}],
    "id": "seven",
    "inputs": [
      {"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [[1, 2.5], [-3, 4e2]]},
      {"data": ["a", "\u00e4\n"], "datatype": "BYTES", "name": "t", "shape": [2]}]})";
  const InferRequest r = parse_infer(body).value();
  EXPECT_EQ(r.id, "seven");
  EXPECT_EQ(r.outputs, std::vector<std::string>{"p"});
  ASSERT_EQ(r.inputs.size(), 2U);
  EXPECT_EQ(r.inputs[0].number(3), 400);
  EXPECT_EQ(r.inputs[1].strings[1], "\xc3\xa4\n");
}

TEST(InferJson, EveryDatatypeHasItsRange) {
  struct Case {
    const char* datatype;
    const char* data;
    const char* reason;
  };
  const Case cases[] = {
      {"BOOL", "[true]", ""},
      {"BOOL", "[1]", ""},
      {"BOOL", "[2]", "tensor.value"},
      {"UINT8", "[255]", ""},
      {"UINT8", "[256]", "tensor.value"},
      {"UINT8", "[-1]", "tensor.value"},
      {"INT8", "[-128]", ""},
      {"INT8", "[1.5]", "tensor.value"},
      {"UINT16", "[65535]", ""},
      {"INT16", "[32768]", "tensor.value"},
      {"UINT32", "[4294967295]", ""},
      {"INT32", "[-2147483648]", ""},
      {"INT64", "[-9223372036854775808]", ""},
      {"UINT64", "[18446744073709551615]", ""},
      {"INT64", "[9223372036854775808]", "tensor.value"},
      {"FP64", "[1e308]", ""},
      {"FP32", "[\"x\"]", "tensor.value"},
      {"FP32", "[null]", "tensor.value"},
      {"FP32", "[NaN]", ""},
      {"FP32", "[-Infinity]", ""},
      {"FP32", "[\"NaN\"]", ""},
      {"BYTES", "[\"x\"]", ""},
      {"BYTES", "[1]", "tensor.value"},
      {"FP16", "[1]", "tensor.datatype"},
      {"FLOAT", "[1]", "tensor.datatype"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(c.datatype) + " " + c.data);
    const Result<InferRequest> r = parse_infer(body_with(c.datatype, "[1]", c.data));
    EXPECT_EQ(r.ok() ? "" : r.error().reason, c.reason);
  }
}

TEST(InferJson, RefusesWhatIsNoRequest) {
  struct Case {
    const char* name;
    std::string body;
    const char* reason;
  };
  const Case cases[] = {
      {"empty", "", "infer.syntax"},
      {"cut", R"({"inputs":[)", "infer.syntax"},
      {"not an object", "[1]", "infer.shape_of_request"},
      {"no inputs", "{}", "infer.shape_of_request"},
      {"inputs is no array", R"({"inputs":{}})", "infer.shape_of_request"},
      {"an input is no object", R"({"inputs":[1]})", "infer.shape_of_request"},
      {"no name", R"({"inputs":[{"shape":[1],"datatype":"FP32","data":[1]}]})",
       "infer.shape_of_request"},
      {"no data", R"({"inputs":[{"name":"x","shape":[1],"datatype":"FP32"}]})",
       "infer.shape_of_request"},
      {"outputs is no array", R"({"inputs":[],"outputs":1})", "infer.shape_of_request"},
      {"too few", body_with("FP32", "[2]", "[1]"), "tensor.size"},
      {"too many", body_with("FP32", "[1]", "[1,2]"), "tensor.size"},
      {"negative dimension", body_with("FP32", "[-1]", "[1]"), "tensor.shape"},
      {"fraction of a dimension", body_with("FP32", "[1.5]", "[1]"), "tensor.shape"},
      {"more elements than anybody has", body_with("FP32", "[4294967296,4294967296]", "[1]"),
       "tensor.shape"},
      {"too deep", body_with("FP32", "[1]", std::string(500, '[') + std::string(500, ']')),
       "infer.syntax"},
      {"NaN where no number belongs", R"({"inputs":NaN})", "infer.shape_of_request"},
      {"not UTF-8", "{\"inputs\":[{\"name\":\"\xff\"}]}", "infer.syntax"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Result<InferRequest> r = parse_infer(c.body);
    ASSERT_FALSE(r.ok());
    EXPECT_EQ(r.error().reason, c.reason);
  }
}

TEST(InferJson, TextThatSaysNaNStaysText) {
  const InferRequest r =
      parse_infer(R"({"inputs":[{"name":"t","shape":[1],"datatype":"BYTES","data":["NaN \" NaN"]},)"
                  R"({"name":"x","shape":[1],"datatype":"FP32","data":[NaN]}]})")
          .value();
  EXPECT_EQ(r.inputs[0].strings[0], "NaN \" NaN");
  EXPECT_TRUE(std::isnan(r.inputs[1].number(0)));
}

TEST(InferJson, RepliesReadBackAsWhatTheyWere) {
  const std::string in =
      R"({"inputs":[{"name":"a","shape":[2],"datatype":"FP32","data":[0.1,-1e-30]},)"
      R"({"name":"b","shape":[1,2],"datatype":"UINT8","data":[7,200]},)"
      R"({"name":"c","shape":[2],"datatype":"BOOL","data":[true,false]},)"
      R"({"name":"d","shape":[1],"datatype":"BYTES","data":["q\"\n"]},)"
      R"({"name":"e","shape":[1],"datatype":"INT64","data":[-9007199254740993]}]})";
  const InferRequest first = parse_infer(in).value();
  const std::string out =
      format_infer({.model_name = "m", .model_version = "3", .id = "i", .prediction_id = "p"},
                   first.inputs)
          .value();
  const codec::Json reply = codec::parse_json(out).value();
  EXPECT_EQ(reply.find("model_version")->as_string(), "3");
  EXPECT_EQ(codec::to_json(*reply.find("outputs")->items()[0].find("data")), "[0.1,-1e-30]");
  std::string again = out;
  again.replace(again.find("\"outputs\""), 9, "\"inputs\"");
  const InferRequest second = parse_infer(again).value();
  ASSERT_EQ(second.inputs.size(), first.inputs.size());
  for (size_t i = 0; i < first.inputs.size(); ++i) {
    EXPECT_EQ(second.inputs[i].data, first.inputs[i].data);
    EXPECT_EQ(second.inputs[i].strings, first.inputs[i].strings);
  }
}

TEST(InferJson, WhatJsonCannotCarryIsSaid) {
  Tensor t;
  t.name = "t";
  t.type = DataType::kBytes;
  t.shape = {1};
  t.strings = {"\xff"};
  EXPECT_EQ(format_infer({}, {t}).error().reason, "infer.not_text");
}

}  // namespace
}  // namespace slip::wire::oip
