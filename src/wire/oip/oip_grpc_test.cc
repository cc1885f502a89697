#include "wire/oip/oip_grpc.h"

#include <map>

#include <gtest/gtest.h>
#include <inference/open_inference.pb.h>

#include "sys/executor.h"
#include "sys/log.h"
#include "sys/sim/sim_fs.h"
#include "test/grpc/world.h"
#include "test/wire/serving_world.h"
#include "wire/oip/oip.h"

// Calls of the protocol over gRPC, down to the prediction log.
namespace slip::wire::oip {
namespace {

using grpc::testing::Answer;
using grpc::testing::Client;
using grpc::testing::ClientCall;
using inference::ModelInferRequest;
using inference::ModelInferResponse;

class OipGrpc : public testing::Test {
 protected:
  OipGrpc() {
    log =
        store::open_segment_log({fs, real_clock(), real_executor(), null_log()}, "/p", {}).value();
    served = std::make_unique<test::ServingWorld>(*log);
    app = std::make_unique<App>(App{served->serving, *pool, "slipway", "1"});
    world = std::make_unique<grpc::testing::World>(methods(*app));
    client = std::make_unique<Client>(world->port());
  }

  static ModelInferRequest request(std::initializer_list<float> values) {
    ModelInferRequest out;
    out.set_model_name("d");
    auto& t = *out.add_inputs();
    t.set_name("x");
    t.set_datatype("FP32");
    t.add_shape(1);
    t.add_shape(static_cast<int64_t>(values.size()));
    for (const float v : values) t.mutable_contents()->add_fp32_contents(v);
    return out;
  }
  Answer call(const std::string& name, const google::protobuf::Message& message,
              grpc::testing::Sent sent = {}) {
    sent.emplace_back("slipway-contents", "typed");
    return client->ask("inference.GRPCInferenceService/" + name, message.SerializeAsString(),
                       std::move(sent));
  }
  template <class Message>
  Message parsed(const Answer& answer) {
    EXPECT_EQ(answer.code, 0) << answer.text;
    Message out;
    EXPECT_TRUE(out.ParseFromString(answer.message));
    return out;
  }
  std::map<std::string, serving::PredictionRecord> logged() {
    std::map<std::string, serving::PredictionRecord> out;
    for (const store::LogSegment& s : log->segments())
      log->read(s.number, 0,
                [&](std::string_view r, int64_t) -> Result<bool> {
                  serving::PredictionRecord record = TRY(serving::decode_prediction(r));
                  out[record.id.text()] = std::move(record);
                  return true;
                })
          .value();
    return out;
  }

  sim::SimFs fs{1};
  std::unique_ptr<store::SegmentLog> log;
  std::unique_ptr<test::ServingWorld> served;
  std::unique_ptr<Pool> pool = make_pool(real_executor(), real_clock(), {});
  std::unique_ptr<App> app;
  std::unique_ptr<grpc::testing::World> world;
  std::unique_ptr<Client> client;
};

TEST_F(OipGrpc, APredictionIsInTheLogUnderItsId) {
  const Answer answer = call("ModelInfer", request({1, 2, 3}), {{"x-slipway-client-ref", "r"}});
  const auto reply = parsed<ModelInferResponse>(answer);
  EXPECT_EQ(reply.model_name(), "d");
  EXPECT_EQ(reply.model_version(), "1");
  const auto& values = reply.outputs(0).contents().fp32_contents();
  EXPECT_EQ(std::vector<float>(values.begin(), values.end()), (std::vector<float>{2, 4, 6}));
  const auto records = logged();
  const auto record = records.find(answer.trailing_value("x-slipway-prediction-id"));
  ASSERT_NE(record, records.end());
  EXPECT_EQ(record->second.client_ref, "r");
  EXPECT_EQ(record->second.actor_uid, "alice");
  EXPECT_EQ(reply.parameters().at("prediction_id").string_param(), record->first);
}

TEST_F(OipGrpc, AnswersAreRawUnlessTheClientSaysOtherwise) {
  const Answer answer = client->ask("inference.GRPCInferenceService/ModelInfer",
                                    request({1, 2, 3}).SerializeAsString());
  const auto reply = parsed<ModelInferResponse>(answer);
  EXPECT_EQ(reply.raw_output_contents(0).size(), 3 * sizeof(float));
  EXPECT_FALSE(reply.outputs(0).has_contents());
}

TEST_F(OipGrpc, TheIdIsTheReferenceWhenThereIsNoOther) {
  ModelInferRequest in = request({1, 2, 3});
  in.set_id("mine");
  EXPECT_EQ(parsed<ModelInferResponse>(call("ModelInfer", in)).id(), "mine");
  EXPECT_EQ(logged().begin()->second.client_ref, "mine");
}

TEST_F(OipGrpc, DearModelsAnswerFromThePool) {
  const auto route = served->serving.table().load()->hold("default", "d");
  route->arms.front().stats->cost_ns = 2 * serving::kInlineCostNs;
  EXPECT_EQ(call("ModelInfer", request({1, 2, 3})).code, 0);
  EXPECT_EQ(call("ModelInfer", request({1, 2})).code, 3);
  EXPECT_EQ(logged().size(), 1U);
}

TEST_F(OipGrpc, RefusalsLeaveNothingInTheLog) {
  struct Case {
    int code;
    const char* reason;
    void (*spoil)(ModelInferRequest&);
  };
  const Case cases[] = {
      {5, "deployment.not_found", [](ModelInferRequest& r) { r.set_model_name("e"); }},
      {5, "model_version.not_served", [](ModelInferRequest& r) { r.set_model_version("2"); }},
      {5, "model_version.not_served", [](ModelInferRequest& r) { r.set_model_version("one"); }},
      {3, "tensor.datatype",
       [](ModelInferRequest& r) {
         r.mutable_inputs(0)->set_datatype("FP64");
         r.mutable_inputs(0)->mutable_contents()->Clear();
         for (int i = 0; i < 3; ++i) r.mutable_inputs(0)->mutable_contents()->add_fp64_contents(1);
       }},
      {3, "tensor.size", [](ModelInferRequest& r) { r.mutable_inputs(0)->set_shape(0, 2); }},
  };
  for (const Case& c : cases) {
    ModelInferRequest in = request({1, 2, 3});
    c.spoil(in);
    const Answer answer = call("ModelInfer", in);
    EXPECT_EQ(answer.code, c.code) << c.reason;
    EXPECT_EQ(answer.trailing_value("x-slipway-reason"), c.reason);
  }
  EXPECT_EQ(
      call("ModelInfer", request({1, 2, 3}), {{"x-slipway-client-ref", std::string(257, 'r')}})
          .code,
      3);
  EXPECT_TRUE(logged().empty());
}

TEST_F(OipGrpc, AStreamOutlivesAnError) {
  ClientCall stream = client->open("inference.GRPCInferenceService/ModelStreamInfer");
  std::string message;
  inference::ModelStreamInferResponse reply;
  for (const bool good : {true, false, true}) {
    ASSERT_TRUE(stream.send((good ? request({1, 2, 3}) : request({1})).SerializeAsString()));
    ASSERT_TRUE(stream.receive(&message));
    ASSERT_TRUE(reply.ParseFromString(message));
    EXPECT_EQ(reply.has_infer_response(), good);
    EXPECT_EQ(reply.error_message().empty(), good);
  }
  stream.done();
  EXPECT_EQ(stream.end().code, 0);
  EXPECT_EQ(logged().size(), 2U);
}

TEST_F(OipGrpc, SaysWhatIsServedAndWhatItDid) {
  ASSERT_EQ(call("ModelInfer", request({1, 2, 3})).code, 0);
  inference::ModelMetadataRequest named;
  named.set_name("d");
  const auto meta = parsed<inference::ModelMetadataResponse>(call("ModelMetadata", named));
  EXPECT_EQ(meta.platform(), "onnxruntime_onnx");
  EXPECT_EQ(meta.inputs(0).shape(1), 3);
  const auto index = parsed<inference::RepositoryIndexResponse>(
      call("RepositoryIndex", inference::RepositoryIndexRequest()));
  ASSERT_EQ(index.models_size(), 1);
  EXPECT_EQ(index.models(0).state(), "READY");
  inference::ModelStatisticsRequest all;
  const auto stats = parsed<inference::ModelStatisticsResponse>(call("ModelStatistics", all));
  ASSERT_EQ(stats.model_stats_size(), 1);
  EXPECT_EQ(stats.model_stats(0).inference_count(), 1U);
  EXPECT_GT(stats.model_stats(0).inference_stats().success().ns(), 0U);
  all.set_name("e");
  EXPECT_EQ(call("ModelStatistics", all).code, 5);
  inference::RepositoryModelLoadRequest load;
  load.set_repository_name("d");  // As KServe writes it.
  EXPECT_TRUE(parsed<inference::RepositoryModelLoadResponse>(call("RepositoryModelLoad", load))
                  .is_loaded());
  load.set_model_name("e");
  EXPECT_EQ(call("RepositoryModelLoad", load).code, 5);
  inference::RepositoryModelUnloadRequest unload;
  unload.set_model_name("d");
  EXPECT_EQ(call("RepositoryModelUnload", unload).code, 12);
}

}  // namespace
}  // namespace slip::wire::oip
