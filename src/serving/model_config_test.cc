#include "serving/model_config.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "codec/json.h"

namespace slip::serving {
namespace {

Signature batching() {
  Signature s;
  s.platform = "onnxruntime_onnx";
  s.inputs = {{"a", DataType::kInt32, {-1, 16}}, {"b", DataType::kFp32, {-1, -1}}};
  s.outputs = {{"y", DataType::kInt32, {-1, 16}}, {"z", DataType::kBytes, {-1}}};
  return s;
}
Signature fixed() {
  Signature s;
  s.platform = "onnxruntime_onnx";
  s.inputs = {{"a", DataType::kInt32, {16}}};
  s.outputs = {{"y", DataType::kInt32, {16}}};
  return s;
}

struct Case {
  std::string_view what;
  std::string_view pbtxt;
  std::string_view reason;  // "": it is fine.
  std::string_view text;    // Of the error, somewhere.
};

TEST(ModelConfig, RefusesByName) {
  const Case cases[] = {
      {"empty", "", "", ""},
      {"what is known", "name: 'm' backend: 'onnxruntime' max_batch_size: 8", "", ""},
      {"hints", "optimization { graph { level: 1 } } metric_tags { key: 'a' value: 'b' }", "", ""},
      {"warm-ups", "model_warmup { name: 'w' batch_size: 1 }", "", ""},
      {"an unknown field", "name: 'm'\nmax_batch: 8", "model_config.syntax", "line 2"},
      {"no text format", "{{{{", "model_config.syntax", "line 1"},
      {"another type", "max_batch_size: 'eight'", "model_config.syntax", "line 1"},
      {"negative", "max_batch_size: -1", "model_config.field", "max_batch_size"},
      {"python", "backend: 'python'", "model_config.unsupported", "`python`"},
      {"tensorrt", "platform: 'tensorrt_plan'", "model_config.unsupported", "tensorrt_plan"},
      {"gpu", "instance_group { kind: KIND_GPU }", "model_config.unsupported", "instance_group"},
      {"cache time",
       "response_cache { enable: true } parameters { key: 'response_cache_ttl_ms'"
       " value { string_value: '0' } }",
       "model_config.field", "response_cache_ttl_ms"},
      {"sequences", "sequence_batching {}", "model_config.unsupported", "sequence_batching"},
      {"decoupled", "model_transaction_policy { decoupled: true }", "model_config.unsupported",
       "decoupled"},
      {"not decoupled", "model_transaction_policy { decoupled: false }", "", ""},
      {"ragged", "input { name: 'a' allow_ragged_batch: true }", "model_config.unsupported",
       "allow_ragged_batch"},
      {"reshape", "input { name: 'a' reshape {} }", "model_config.unsupported", "input.reshape"},
      {"a nameless input", "input { dims: [1] }", "model_config.field", "input.name"},
      {"labels elsewhere", "output { name: 'y' label_filename: '../x' }", "model_config.field",
       "label_filename"},
      {"accelerators",
       "optimization { execution_accelerators { cpu_execution_accelerator { name: 'x' } } }",
       "model_config.unsupported", "cpu_execution_accelerator"},
  };
  for (const Case& c : cases) {
    const auto got = ModelConfig::parse_text(c.pbtxt);
    EXPECT_EQ(got.ok() ? "" : got.error().reason, c.reason) << c.what;
    if (!got.ok()) {
      EXPECT_NE(got.error().text.find(c.text), std::string::npos) << got.error().text;
    }
  }
}

TEST(ModelConfig, CompletesWhatTheModelSays) {
  const Case cases[] = {
      {"nothing said", "", "", ""},
      {"all said",
       "max_batch_size: 8 input [ { name: 'a' data_type: TYPE_INT32 dims: [16] },"
       " { name: 'b' data_type: TYPE_FP32 dims: [4] } ]"
       " output [ { name: 'y' data_type: TYPE_INT32 dims: [16] } ]",
       "", ""},
      {"a scalar a row", "max_batch_size: 8 output { name: 'z' dims: [1] }", "", ""},
      {"another name", "name: 'other'", "model_config.field", "`other`"},
      {"an input too few", "max_batch_size: 8 input { name: 'a' }", "model_config.field",
       "the model has 2"},
      {"an unknown input", "max_batch_size: 8 input [ { name: 'a' }, { name: 'c' } ]",
       "model_config.field", "no input `c`"},
      {"one twice", "max_batch_size: 8 input [ { name: 'a' }, { name: 'a' } ]",
       "model_config.field", "twice"},
      {"another type",
       "max_batch_size: 8 input [ { name: 'a' data_type: TYPE_INT64 }, { name: 'b' } ]",
       "model_config.field", "TYPE_INT32"},
      {"other dimensions", "max_batch_size: 8 input [ { name: 'a' dims: [15] }, { name: 'b' } ]",
       "model_config.field", "[15]"},
      {"open where the model isn't",
       "max_batch_size: 8 input [ { name: 'a' dims: [-1] }, { name: 'b' } ]", "model_config.field",
       "[-1]"},
      {"preferred sizes", "max_batch_size: 8 dynamic_batching { preferred_batch_size: [4, 9] }",
       "model_config.field", "preferred_batch_size"},
      {"priorities",
       "max_batch_size: 8 dynamic_batching { priority_levels: 2 default_priority_level: 3 }",
       "model_config.field", "default_priority_level"},
  };
  for (const Case& c : cases) {
    ModelConfig config = ModelConfig::parse_text(c.pbtxt).value();
    const Status got = config.complete("m", batching());
    EXPECT_EQ(got.ok() ? "" : got.error().reason, c.reason) << c.what;
    if (!got.ok()) {
      EXPECT_NE(got.error().text.find(c.text), std::string::npos) << got.error().text;
    }
  }
}

TEST(ModelConfig, TheSignatureIsWhatWasSaid) {
  ModelConfig config =
      ModelConfig::parse_text(
          "max_batch_size: 8 input [ { name: 'a' dims: [16] }, { name: 'b' dims: [4] } ]"
          " output [ { name: 'z' dims: [1] } ]")
          .value();
  config.complete("m", batching()).value();
  const Signature s = config.signature(batching());
  EXPECT_EQ(s.max_batch, 8);
  ASSERT_EQ(s.inputs.size(), 2U);
  EXPECT_EQ(s.inputs[1].shape, (std::vector<int64_t>{-1, 4}));
  ASSERT_EQ(s.outputs.size(), 1U);
  EXPECT_EQ(s.outputs[0].type, DataType::kBytes);
  EXPECT_EQ(s.outputs[0].shape, (std::vector<int64_t>{-1, 1}));
}

TEST(ModelConfig, WhoSaysNothingBatchesIfTheModelCan) {
  ModelConfig config;
  config.complete("m", batching()).value();
  EXPECT_EQ(config.max_batch(), kDefaultMaxBatch);
  EXPECT_EQ(config.signature(batching()).inputs[0].shape, batching().inputs[0].shape);
  ModelConfig whole;
  whole.complete("m", fixed()).value();
  EXPECT_EQ(whole.max_batch(), 0);
  EXPECT_EQ(whole.signature(fixed()).inputs[0].shape, (std::vector<int64_t>{16}));
  ModelConfig asks = ModelConfig::parse_text("max_batch_size: 8").value();
  EXPECT_EQ(asks.complete("m", fixed()).error().reason, "model_config.field");
  EXPECT_EQ(ModelConfig::parse_text("dynamic_batching {} input { name: 'a' dims: [16] }")
                .value()
                .complete("m", fixed())
                .error()
                .reason,
            "model_config.field");
}

TEST(ModelConfig, ChoosesVersions) {
  const auto chosen = [](std::string_view pbtxt) {
    std::string out;
    for (const int64_t v : ModelConfig::parse_text(pbtxt).value().choose({3, 10, 1}))
      out += std::to_string(v) + " ";
    return out;
  };
  EXPECT_EQ(chosen(""), "10 ");
  EXPECT_EQ(chosen("version_policy { latest { num_versions: 2 } }"), "3 10 ");
  EXPECT_EQ(chosen("version_policy { latest { num_versions: 9 } }"), "1 3 10 ");
  EXPECT_EQ(chosen("version_policy { all {} }"), "1 3 10 ");
  EXPECT_EQ(chosen("version_policy { specific { versions: [1, 4] } }"), "1 ");
}

TEST(ModelConfig, FilesByBackend) {
  const auto file = [](std::string_view pbtxt) {
    return ModelConfig::parse_text(pbtxt).value().file();
  };
  EXPECT_EQ(file(""), "");
  EXPECT_EQ(file("backend: 'onnxruntime'"), "model.onnx");
  EXPECT_EQ(file("platform: 'onnxruntime_onnx' default_model_filename: 'x.onnx'"), "x.onnx");
  EXPECT_EQ(file("backend: 'fil' parameters { key: 'model_type'"
                 " value: { string_value: 'lightgbm' } }"),
            "model.txt");
}

TEST(ModelConfig, PrintsAsTritonDoes) {
  ModelConfig config = ModelConfig::parse_text(
                           "max_batch_size: 8 metric_tags { key: 'a' value: 'b' }"
                           " dynamic_batching { max_queue_delay_microseconds: 100 }"
                           " parameters { key: 'k' value: { string_value: 'v' } }")
                           .value();
  config.complete("m", batching()).value();
  const codec::Json json = codec::parse_json(config.json()).value();
  EXPECT_EQ(json.find("name")->as_string(), "m");
  EXPECT_EQ(json.find("backend")->as_string(), "onnxruntime");
  EXPECT_EQ(json.find("platform")->as_string(), "onnxruntime_onnx");
  EXPECT_EQ(json.find("default_model_filename")->as_string(), "");
  EXPECT_EQ(codec::to_json(*json.find("input")->items()[0].find("dims")), "[16]");
  EXPECT_EQ(json.find("input")->items()[0].find("data_type")->as_string(), "TYPE_INT32");
  EXPECT_EQ(codec::to_json(*json.find("dynamic_batching")->find("max_queue_delay_microseconds")),
            "100");
  EXPECT_EQ(json.find("sequence_batching"), nullptr);
  EXPECT_EQ(codec::to_json(*json.find("parameters")), R"({"k":{"string_value":"v"}})");
  // And what a client sends back is understood.
  ModelConfig again = ModelConfig::parse_json(config.json()).value();
  again.complete("m", batching()).value();
  EXPECT_EQ(again.bytes(), config.bytes());
  EXPECT_EQ(ModelConfig::parse_json("{").error().reason, "model_config.syntax");
  EXPECT_EQ(ModelConfig::parse_json(R"({"max_batch": 3})").error().reason, "model_config.syntax");
}

TEST(ModelConfig, SaysHowLongAnswersAreGivenAgain) {
  const auto ttl = [](std::string_view text) {
    return ModelConfig::parse_text(text).value().cache_ttl_ms();
  };
  const std::string_view said =
      " parameters { key: 'response_cache_ttl_ms' value { string_value: '250' } }";
  EXPECT_EQ(ttl(""), 0);
  EXPECT_EQ(ttl(said), 0);
  EXPECT_EQ(ttl("response_cache {}"), 0);
  EXPECT_GT(ttl("response_cache { enable: true }"), int64_t{3600} * 1000 * 24 * 365);
  EXPECT_EQ(ttl(concat({"response_cache { enable: true }", said})), 250);
}

}  // namespace
}  // namespace slip::serving
