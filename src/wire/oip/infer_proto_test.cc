#include "wire/oip/infer_proto.h"

#include <cstring>

#include <gtest/gtest.h>
#include <inference/open_inference.pb.h>

#include "wire/oip/test_outputs.h"

namespace slip::wire::oip {
namespace {

using inference::ModelInferRequest;
using inference::ModelInferResponse;
using serving::DataType;
using serving::Tensor;

template <class T>
std::string bytes_of(std::initializer_list<T> values) {
  std::string out;
  for (const T v : values) out.append(reinterpret_cast<const char*>(&v), sizeof v);
  return out;
}

ModelInferRequest request_with(const std::string& datatype, std::vector<int64_t> shape) {
  ModelInferRequest out;
  out.set_model_name("m");
  auto& t = *out.add_inputs();
  t.set_name("x");
  t.set_datatype(datatype);
  for (const int64_t d : shape) t.add_shape(d);
  return out;
}

std::string reason_of(const ModelInferRequest& request) {
  const auto r = parse_infer_proto(request.SerializeAsString());
  return r.ok() ? "" : r.error().reason;
}

TEST(InferProto, RawOfEveryDatatypeIsTakenAsItIs) {
  struct Case {
    const char* datatype;
    std::string raw;
  };
  const Case cases[] = {
      {"BOOL", bytes_of<uint8_t>({1, 0})},    {"UINT8", bytes_of<uint8_t>({0, 255})},
      {"UINT16", bytes_of<uint16_t>({1, 2})}, {"UINT32", bytes_of<uint32_t>({1, 2})},
      {"UINT64", bytes_of<uint64_t>({1, 2})}, {"INT8", bytes_of<int8_t>({-1, 2})},
      {"INT16", bytes_of<int16_t>({-1, 2})},  {"INT32", bytes_of<int32_t>({-1, 2})},
      {"INT64", bytes_of<int64_t>({-1, 2})},  {"FP16", bytes_of<uint16_t>({1, 2})},
      {"FP32", bytes_of<float>({-1, 2.5})},   {"FP64", bytes_of<double>({-1, 2.5})},
      {"BF16", bytes_of<uint16_t>({1, 2})},   {"BYTES", std::string("\2\0\0\0ab\0\0\0\0", 10)},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.datatype);
    ModelInferRequest request = request_with(c.datatype, {1, 2});
    request.add_raw_input_contents(c.raw);
    const ProtoInfer got = parse_infer_proto(request.SerializeAsString()).value();
    EXPECT_EQ(got.form, Form::kRaw);
    const Tensor& t = got.request.inputs.at(0);
    if (t.type == DataType::kBytes) {
      EXPECT_EQ(t.strings, (std::vector<std::string>{"ab", ""}));
    } else {
      EXPECT_EQ(t.data, c.raw);
    }
    ModelInferResponse reply;
    ASSERT_TRUE(reply.ParseFromString(format_infer_proto({}, as_outputs(got.request.inputs))));
    EXPECT_EQ(reply.raw_output_contents(0), c.raw);  // There and back.
    request.set_raw_input_contents(0, c.raw.substr(1));
    EXPECT_EQ(reason_of(request), "tensor.size");
    request.set_raw_input_contents(0, c.raw + "x");
    EXPECT_EQ(reason_of(request), "tensor.size");
  }
}

using Fill = void (*)(inference::InferTensorContents&);
struct Typed {
  const char* datatype;
  Fill fill;
  const char* reason;
};
const Typed kTyped[] = {
    {"BOOL", [](auto& c) { c.add_bool_contents(true); }, ""},
    {"UINT8", [](auto& c) { c.add_uint_contents(255); }, ""},
    {"UINT8", [](auto& c) { c.add_uint_contents(256); }, "tensor.value"},
    {"UINT16", [](auto& c) { c.add_uint_contents(65536); }, "tensor.value"},
    {"UINT32", [](auto& c) { c.add_uint_contents(4294967295U); }, ""},
    {"UINT64", [](auto& c) { c.add_uint64_contents(~0ULL); }, ""},
    {"INT8", [](auto& c) { c.add_int_contents(-128); }, ""},
    {"INT8", [](auto& c) { c.add_int_contents(-129); }, "tensor.value"},
    {"INT16", [](auto& c) { c.add_int_contents(32768); }, "tensor.value"},
    {"INT32", [](auto& c) { c.add_int_contents(-2147483647 - 1); }, ""},
    {"INT64", [](auto& c) { c.add_int64_contents(-5); }, ""},
    {"FP32", [](auto& c) { c.add_fp32_contents(1.5); }, ""},
    {"FP64", [](auto& c) { c.add_fp64_contents(1e308); }, ""},
    {"BYTES", [](auto& c) { c.add_bytes_contents("a\xff"); }, ""},
    {"FP32", [](auto& c) { c.add_fp64_contents(1.5); }, "tensor.size"},  // Another type's list.
    {"FP32", [](auto&) {}, "tensor.size"},
    {"BYTES", [](auto&) {}, "tensor.size"},
    {"FP16", [](auto& c) { c.add_fp32_contents(1.5); }, "tensor.datatype"},
    {"FP8", [](auto& c) { c.add_fp32_contents(1.5); }, "tensor.datatype"},
};

TEST(InferProto, TypedContentsHaveTheirRange) {
  for (const Typed& c : kTyped) {
    SCOPED_TRACE(c.datatype);
    ModelInferRequest request = request_with(c.datatype, {1});
    c.fill(*request.mutable_inputs(0)->mutable_contents());
    EXPECT_EQ(reason_of(request), c.reason);
    if (*c.reason != '\0') continue;
    const ProtoInfer got = parse_infer_proto(request.SerializeAsString()).value();
    EXPECT_EQ(got.form, Form::kTyped);
    ModelInferResponse reply;
    ASSERT_TRUE(reply.ParseFromString(
        format_infer_proto({.what = {}, .form = Form::kTyped}, as_outputs(got.request.inputs))));
    EXPECT_EQ(reply.raw_output_contents_size(), 0);
    EXPECT_EQ(reply.outputs(0).contents().SerializeAsString(),
              request.inputs(0).contents().SerializeAsString());
  }
}

TEST(InferProto, WhatDoesNotFitTogetherIsRefused) {
  const auto make = [](auto spoil) {
    ModelInferRequest request = request_with("FP32", {1, 1});
    request.add_raw_input_contents(bytes_of<float>({1}));
    spoil(request);
    return reason_of(request);
  };
  using R = ModelInferRequest;
  EXPECT_EQ(make([](R&) {}), "");
  EXPECT_EQ(make([](R& r) { r.mutable_inputs(0)->mutable_contents()->add_fp32_contents(1); }),
            "infer.contents");
  EXPECT_EQ(make([](R& r) { r.add_raw_input_contents(""); }), "infer.contents");
  EXPECT_EQ(make([](R& r) { r.mutable_inputs(0)->set_shape(0, -1); }), "tensor.shape");
  EXPECT_EQ(make([](R& r) {
              r.mutable_inputs(0)->set_shape(0, int64_t{1} << 62);
              r.mutable_inputs(0)->set_shape(1, int64_t{1} << 62);
            }),
            "tensor.shape");
  EXPECT_EQ(make([](R& r) {
              auto& parameters = *r.mutable_inputs(0)->mutable_parameters();
              parameters["shared_memory_region"].set_string_param("r");
              parameters["shared_memory_byte_size"].set_int64_param(4);
            }),
            "shared_memory.off");
  EXPECT_EQ(make([](R& r) {
              auto& out = *r.add_outputs();
              out.set_name("y");
              (*out.mutable_parameters())["classification"].set_int64_param(-3);
            }),
            "infer.parameter");
  EXPECT_EQ(make([](R& r) {
              for (size_t i = 0; i <= kTensorsMax; ++i) r.add_outputs();
            }),
            "infer.too_many_tensors");
  ModelInferRequest flag = request_with("BOOL", {1});
  flag.add_raw_input_contents("\2");
  EXPECT_EQ(reason_of(flag), "tensor.value");
  for (const std::string& bytes : {std::string("\xff"),
                                   std::string("\x0a\x05"
                                               "ab"),
                                   std::string("\x0a\x02\xc3\x28"), std::string("\x0b")})
    EXPECT_EQ(parse_infer_proto(bytes).error().reason, "infer.message");
}

TEST(InferProto, TheModelIsReadWithoutTheRest) {
  ModelInferRequest request = request_with("FP32", {1});
  request.set_model_version("7");
  request.set_id("eight");
  const std::string bytes = request.SerializeAsString();
  NamedModel named = read_named_model(bytes).value();
  EXPECT_EQ(named.name, "m");
  EXPECT_EQ(named.version, "7");
  // As a parser has it: the last one counts.
  ModelInferRequest again;
  again.set_model_name("n");
  named = read_named_model(bytes + again.SerializeAsString()).value();
  EXPECT_EQ(named.name, "n");
  EXPECT_EQ(read_named_model("").value().name, "");
  EXPECT_EQ(read_named_model("\x0a\x7f").error().reason, "infer.message");
}

TEST(InferProto, ParametersAreKept) {
  ModelInferRequest request = request_with("FP32", {1});
  request.add_raw_input_contents(bytes_of<float>({1}));
  auto& parameters = *request.mutable_parameters();
  parameters["priority"].set_uint64_param(2);
  parameters["timeout"].set_int64_param(50);
  parameters["sequence_id"].set_string_param("s");
  auto& out = *request.add_outputs();
  out.set_name("y");
  (*out.mutable_parameters())["classification"].set_int64_param(3);
  const InferRequest got = parse_infer_proto(request.SerializeAsString()).value().request;
  EXPECT_EQ(got.priority, 2U);
  EXPECT_EQ(got.timeout_us, 50U);
  ASSERT_EQ(got.parameters.size(), 1U);
  EXPECT_EQ(std::get<std::string>(got.parameters[0].second), "s");
  EXPECT_EQ(got.outputs.at(0).classes, 3);
  for (const char* name : {"headers", "triton_anything"}) {
    ModelInferRequest reserved = request;
    (*reserved.mutable_parameters())[name].set_bool_param(true);
    EXPECT_EQ(reason_of(reserved), "infer.parameter") << name;
  }
  request.add_outputs()->set_name("y");
  EXPECT_EQ(reason_of(request), "tensor.duplicate");
}

TEST(InferProto, RepliesSayWhoAnswered) {
  Tensor half{.name = "h", .type = DataType::kFp16, .shape = {1}, .data = "ab", .strings = {}};
  ProtoReply reply;
  reply.what = {"m", "3", "mine", "p-1"};
  reply.form = Form::kTyped;  // FP16 has no typed form.
  reply.streamed = true;
  inference::ModelStreamInferResponse out;
  ASSERT_TRUE(out.ParseFromString(format_infer_proto(reply, as_outputs({half}))));
  EXPECT_EQ(out.error_message(), "");
  const ModelInferResponse& in = out.infer_response();
  EXPECT_EQ(in.model_name() + in.model_version() + in.id(), "m3mine");
  EXPECT_EQ(in.parameters().at("prediction_id").string_param(), "p-1");
  EXPECT_EQ(in.raw_output_contents(0), "ab");
  ASSERT_TRUE(out.ParseFromString(format_stream_error("why")));
  EXPECT_EQ(out.error_message(), "why");
  EXPECT_FALSE(out.has_infer_response());
}

}  // namespace
}  // namespace slip::wire::oip
