#include "wire/oip/infer_json.h"

#include <cmath>

#include <gtest/gtest.h>

#include "base/text.h"
#include "codec/json.h"
#include "wire/oip/raw_tensor.h"
#include "wire/oip/regions.h"
#include "wire/oip/test_outputs.h"

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
  ASSERT_EQ(r.outputs.size(), 1U);
  EXPECT_EQ(r.outputs[0].name, "p");
  EXPECT_EQ(r.outputs[0].binary, std::optional<bool>(false));
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
                   as_outputs(first.inputs))
          .value()
          .body;
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
  EXPECT_EQ(format_infer({}, as_outputs({t})).error().reason, "infer.not_text");
}

// ---- binary

std::string raw_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

std::string reason_of(const Result<InferRequest>& r) { return r.ok() ? "" : r.error().reason; }

TEST(InferBinary, JsonAndBinaryInputsMix) {
  const std::string json =
      R"({"parameters":{"binary_data_output":true,"priority":2,"timeout":50,"mine":1.5},)"
      R"("inputs":[{"name":"a","shape":[1,2],"datatype":"FP32",)"
      R"("parameters":{"binary_data_size":8}},)"
      R"({"name":"b","shape":[1],"datatype":"INT8","data":[3]},)"
      R"({"name":"c","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":9}}],)"
      R"("outputs":[{"name":"y","parameters":{"classification":3}},)"
      R"({"name":"z","parameters":{"binary_data":false}}]})";
  const std::string body =
      concat({json, raw_of({1.5, -2}), std::string_view("\1\0\0\0x\0\0\0\0", 9)});
  const InferRequest r = parse_infer(body, {.json_bytes = json.size()}).value();
  EXPECT_EQ(r.inputs.at(0).number(1), -2);
  EXPECT_EQ(r.inputs.at(1).number(0), 3);
  EXPECT_EQ(r.inputs.at(2).strings, (std::vector<std::string>{"x", ""}));
  EXPECT_TRUE(r.binary_outputs);
  EXPECT_EQ(r.priority, 2U);
  EXPECT_EQ(r.timeout_us, 50U);
  ASSERT_EQ(r.parameters.size(), 1U);
  EXPECT_EQ(std::get<double>(r.parameters[0].second), 1.5);
  EXPECT_EQ(r.outputs.at(0).classes, 3);
  EXPECT_EQ(r.outputs.at(1).binary, std::optional<bool>(false));
}

TEST(InferBinary, WhatLiesAboutItsLengthIsRefused) {
  const auto with = [](const std::string& parameters, const std::string& tail) {
    const std::string json =
        R"({"inputs":[{"name":"a","shape":[2],"datatype":"FP32",)" + parameters + "}]}";
    return reason_of(parse_infer(json + tail, {.json_bytes = json.size()}));
  };
  const std::string eight = raw_of({1, 2});
  EXPECT_EQ(with(R"("parameters":{"binary_data_size":8})", eight), "");
  EXPECT_EQ(with(R"("parameters":{"binary_data_size":8})", eight.substr(1)), "infer.binary");
  EXPECT_EQ(with(R"("parameters":{"binary_data_size":8})", eight + "x"), "infer.binary");
  EXPECT_EQ(with(R"("parameters":{"binary_data_size":4})", eight.substr(4)), "tensor.size");
  EXPECT_EQ(with(R"("parameters":{"binary_data_size":-1})", eight), "infer.parameter");
  EXPECT_EQ(with(R"("parameters":{"binary_data_size":18446744073709551615})", eight),
            "infer.binary");
  EXPECT_EQ(with(R"("data":[1,2],"parameters":{"binary_data_size":8})", eight),
            "infer.shape_of_request");
  EXPECT_EQ(with(R"("data":[1,2])", eight), "infer.binary");
  EXPECT_EQ(with(R"("parameters":{})", ""), "infer.shape_of_request");
  EXPECT_EQ(with(R"("parameters":3,"data":[1,2])", ""), "infer.shape_of_request");
  EXPECT_EQ(with(R"("data":[1,2],"parameters":{"a":{}})", ""), "infer.parameter");
  EXPECT_EQ(with(R"("parameters":{"shared_memory_region":"r","shared_memory_byte_size":8})", ""),
            "shared_memory.off");
}

TEST(InferBinary, TheHeaderSaysWhereJsonEnds) {
  EXPECT_EQ(json_bytes_of("", 10).value(), std::nullopt);
  EXPECT_EQ(json_bytes_of("0", 10).value(), std::optional<size_t>(0));
  EXPECT_EQ(json_bytes_of("10", 10).value(), std::optional<size_t>(10));
  for (const char* bad : {"11", "-1", "99999999999", "99999999999999999999", "1x", " 1", "+1"})
    EXPECT_EQ(json_bytes_of(bad, 10).error().reason, "infer.binary") << bad;
}

TEST(InferBinary, ShapesThatOverflowSayHow) {
  const auto text = [](const char* shape) {
    return parse_infer(body_with("FP32", shape, "[1]")).error().text;
  };
  EXPECT_NE(text("[16,1152921504606846978]").find("causes total element count to exceed"),
            std::string::npos);
  EXPECT_NE(text("[4,1152921504606846978]").find("byte size overflow for input"),
            std::string::npos);
  EXPECT_NE(text("[2,-5]").find("non-unsigned-integer as unsigned-integer"), std::string::npos);
}

TEST(InferBinary, TwinsAreRefused) {
  const std::string input = R"({"name":"a","shape":[1],"datatype":"INT8","data":[1]})";
  EXPECT_EQ(reason_of(parse_infer(R"({"inputs":[)" + input + "," + input + "]}")),
            "tensor.duplicate");
  EXPECT_EQ(parse_infer(R"({"inputs":[)" + input + R"(],"outputs":[{"name":"y"},{"name":"y"}]})")
                .error()
                .text,
            "output 'y' already exists in request");
}

TEST(InferBinary, RepliesPutBytesBehindTheJson) {
  Tensor a{
      .name = "a", .type = DataType::kFp32, .shape = {2}, .data = raw_of({1, 2}), .strings = {}};
  Tensor b{.name = "b", .type = DataType::kInt8, .shape = {1}, .data = "\7", .strings = {}};
  Tensor c{.name = "c", .type = DataType::kBytes, .shape = {1}, .data = {}, .strings = {"\xff"}};
  std::vector<ReplyOutput> outputs = as_outputs({a, b, c}, true);
  outputs[1].binary = false;
  const FormattedInfer made = format_infer({}, outputs).value();
  EXPECT_TRUE(made.binary);
  EXPECT_EQ(made.body.substr(made.json_bytes), raw_of({1, 2}) + std::string("\1\0\0\0\xff", 5));
  const codec::Json json = codec::parse_json(made.body.substr(0, made.json_bytes)).value();
  const auto& all = json.find("outputs")->items();
  EXPECT_EQ(codec::to_json(*all.at(0).find("parameters")), R"({"binary_data_size":8})");
  EXPECT_EQ(codec::to_json(*all.at(1).find("data")), "[7]");
  EXPECT_EQ(all.at(2).find("data"), nullptr);
}

// ---- raw

Result<InferRequest> raw(const serving::TensorSpec& spec, int64_t max_batch,
                         std::string_view body) {
  serving::Signature signature;
  signature.inputs = {spec};
  signature.max_batch = max_batch;
  return parse_raw_infer(body, signature, "m");
}

TEST(InferRaw, TheShapeFollowsFromTheBytes) {
  struct Case {
    std::vector<int64_t> shape;
    int64_t max_batch;
    size_t floats;
    std::vector<int64_t> got;
  };
  const Case cases[] = {
      {{-1}, 0, 8, {8}},       {{-1, 4}, 0, 8, {2, 4}}, {{-1, -1}, 8, 5, {1, 5}},
      {{-1, 4}, 8, 8, {2, 4}}, {{2, 2}, 0, 4, {2, 2}},  {{-1, 2, -1}, 8, 6, {1, 2, 3}},
  };
  for (const Case& c : cases) {
    const InferRequest r = raw({.name = "x", .type = DataType::kFp32, .shape = c.shape},
                               c.max_batch, std::string(c.floats * 4, '\0'))
                               .value();
    EXPECT_EQ(r.inputs.at(0).shape, c.got);
    EXPECT_TRUE(r.binary_outputs);
  }
  EXPECT_EQ(raw({.name = "t", .type = DataType::kBytes, .shape = {-1, 1}}, 8, "427")
                .value()
                .inputs.at(0)
                .strings.at(0),
            "427");
}

TEST(InferRaw, WhatCannotBeDeducedIsRefused) {
  EXPECT_NE(raw({.name = "x", .type = DataType::kFp16, .shape = {-1, -1}}, 0, "12345678")
                .error()
                .text.find("more than one variable-sized dimension"),
            std::string::npos);
  EXPECT_NE(raw({.name = "x", .type = DataType::kBytes, .shape = {-1}}, 0, "427")
                .error()
                .text.find("the model must have input shape [1]"),
            std::string::npos);
  EXPECT_EQ(reason_of(raw({.name = "x", .type = DataType::kFp32, .shape = {-1}}, 0, "12345")),
            "tensor.size");
  EXPECT_EQ(reason_of(raw({.name = "x", .type = DataType::kFp32, .shape = {0, -1}}, 0, "1234")),
            "tensor.size");
  serving::Signature two;
  two.inputs.resize(3);
  EXPECT_NE(parse_raw_infer("", two, "m").error().text.find("(found 1) to be deduced but got 3"),
            std::string::npos);
}

}  // namespace
}  // namespace slip::wire::oip
