#include "wire/oip/rest.h"

#include <cstring>

#include <gtest/gtest.h>

#include "base/text.h"
#include "codec/compress.h"
#include "sys/executor.h"
#include "sys/log.h"
#include "sys/sim/sim_fs.h"
#include "test/http/world.h"
#include "test/wire/serving_world.h"
#include "wire/oip/oip.h"

// Routes of the protocol, from the bytes of a request to those of its reply.
namespace slip::wire::oip {
namespace {

using codec::Json;
using http::testing::RawClient;
using http::testing::RawReply;

std::string raw_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

class OipRest : public testing::Test {
 protected:
  OipRest() {
    log =
        store::open_segment_log({fs, real_clock(), real_executor(), null_log()}, "/p", {}).value();
    served = std::make_unique<test::ServingWorld>(*log);
    app = std::make_unique<App>(App{served->serving, *pool, "slipway", "1"});
    world = std::make_unique<http::testing::World>(routes(*app));
  }

  RawReply ask(std::string_view method, std::string_view target, std::string_view body = "",
               std::string_view headers = "") {
    RawClient client = world->client();
    client.send(concat({method, " ", target,
                        " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer good\r\n", headers,
                        "Content-Length: ", std::to_string(body.size()), "\r\n\r\n", body}));
    return client.reply();
  }
  static std::string error_of(const RawReply& reply) {
    const auto body = codec::parse_json(reply.body);
    const Json* error = body.ok() ? body->find("error") : nullptr;
    return error == nullptr ? "" : error->as_string();
  }

  sim::SimFs fs{1};
  std::unique_ptr<store::SegmentLog> log;
  std::unique_ptr<test::ServingWorld> served;
  std::unique_ptr<Pool> pool = make_pool(real_executor(), real_clock(), {});
  std::unique_ptr<App> app;
  std::unique_ptr<http::testing::World> world;
};

constexpr std::string_view kInfer = "/v2/models/d/infer";

TEST_F(OipRest, BinaryInBinaryOut) {
  const std::string json =
      R"({"parameters":{"binary_data_output":true},"inputs":[{"name":"x","shape":[1,3],)"
      R"("datatype":"FP32","parameters":{"binary_data_size":12}}]})";
  const std::string header =
      concat({"Inference-Header-Content-Length: ", std::to_string(json.size()), "\r\n"});
  const RawReply reply = ask("POST", kInfer, json + raw_of({1, 2, 3}), header);
  EXPECT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.header("content-type"), "application/octet-stream");
  const auto json_bytes =
      static_cast<size_t>(parse_int(reply.header("inference-header-content-length")).value_or(-1));
  ASSERT_LE(json_bytes, reply.body.size());
  EXPECT_EQ(reply.body.substr(json_bytes), raw_of({2, 4, 6}));
}

TEST_F(OipRest, ARawBodyIsTheOnlyInput) {
  const RawReply reply =
      ask("POST", kInfer, raw_of({1, 2, 3}), "Inference-Header-Content-Length: 0\r\n");
  EXPECT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.body.substr(reply.body.size() - 12), raw_of({2, 4, 6}));
  EXPECT_EQ(ask("POST", kInfer, "12345", "Inference-Header-Content-Length: 0\r\n").status, 400);
  EXPECT_EQ(ask("POST", kInfer, "{}", "Inference-Header-Content-Length: 99999999999\r\n").status,
            400);
}

TEST_F(OipRest, LargeRepliesAreCompressedForWhoTakesThem) {
  std::string data;
  for (int i = 0; i < 3000; ++i) data.append(i > 0 ? ",1" : "1");
  const std::string body =
      R"({"inputs":[{"name":"x","shape":[1000,3],"datatype":"FP32","data":[)" + data + "]}]}";
  const RawReply plain = ask("POST", kInfer, body);
  EXPECT_EQ(plain.status, 200);
  EXPECT_EQ(plain.header("content-encoding"), "");
  for (const std::string encoding : {"gzip", "deflate"}) {
    const RawReply reply =
        ask("POST", kInfer, body, concat({"Accept-Encoding: ", encoding, "\r\n"}));
    EXPECT_EQ(reply.header("content-encoding"), encoding);
    const std::string got = codec::gzip_decompress(reply.body, 1 << 20).value();
    EXPECT_NE(got.find("\"data\":[2,3,4"), std::string::npos);
  }
  EXPECT_EQ(ask("POST", kInfer, body, "Accept-Encoding: gzip;q=0\r\n").header("content-encoding"),
            "");
}

TEST_F(OipRest, RefusalsSayWhatTritonsClientsLookFor) {
  struct Case {
    std::string_view method;
    std::string_view target;
    std::string_view body;
    int status;
    std::string_view says;
  };
  const Case cases[] = {
      {"GET", "/v2/models/none", "", 404, "Request for unknown model: 'none'"},
      {"GET", "/v2/models/d/versions/v10", "", 404, "Request for unknown model: 'd' version v10"},
      {"POST", "/v2/models/none/infer", "{}", 404, "Request for unknown model"},
      {"GET", "/v2/models/none/trace/setting", "", 404, "Request for unknown model : none"},
      {"POST", kInfer, R"({"inputs":[]})", 400,
       "expected 1 inputs but got 0 inputs for model 'd'. Got input(s) [], but missing required "
       "input(s) ['x']"},
      {"POST", kInfer, R"({"inputs":[{"name":"q","shape":[1],"datatype":"INT8","data":[1]}]})", 400,
       "unexpected inference input 'q' for model 'd'"},
      {"POST", "/v2/repository/models/none/load", "", 404, "failed to load 'none'"},
      {"POST", "/v2/repository/models/d/load", R"({"parameters":{"config":"{}"}})", 501,
       "failed to load 'd'"},
      {"POST", "/v2/repository/models/d/unload", "", 501, "is a deployment"},
      {"POST", "/v2/repository/index", R"({"ready":1})", 400,
       "Invalid value for 'ready': expected a boolean"},
      {"POST", "/v2/logging", R"({"log_file":"x"})", 400, "log file location can not be updated"},
      {"POST", "/v2/trace/setting", R"({"trace_file":"x"})", 400,
       "trace file location can not be updated"},
      {"POST", "/v2/systemsharedmemory/region/a/register", R"({"key":"/a","byte_size":8})", 501,
       "Client shared memory is disabled"},
      {"POST", "/v2/cudasharedmemory/region/a/register", "{}", 501, "GPUs not supported"},
      {"GET", "/v2/systemsharedmemory/region/a/status", "", 400,
       "Unable to find system shared memory region: 'a'"},
      {"POST", "/v2/models/d/generate", R"({"y":1})", 400, "expected 1 inputs but got 0 inputs"},
  };
  for (const Case& c : cases) {
    const RawReply reply = ask(c.method, c.target, c.body);
    EXPECT_EQ(reply.status, c.status) << c.target << reply.body;
    EXPECT_NE(error_of(reply).find(c.says), std::string::npos) << c.target << reply.body;
  }
}

TEST_F(OipRest, NestedIndexBodiesAreRefusedToo) {
  std::string body = "{\"ready\":";
  body.append(250'000, '[').append("true").append(250'000, ']').append("}");
  const RawReply reply = ask("POST", "/v2/repository/index", body);
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(error_of(reply), "Invalid value for 'ready': expected a boolean");
}

TEST_F(OipRest, GenerateAnswersByName) {
  const RawReply once = ask("POST", "/v2/models/d/generate", R"({"id":"7","x":[1,2,3]})");
  EXPECT_EQ(once.status, 200) << once.body;
  EXPECT_NE(once.body.find("\"id\":\"7\""), std::string::npos);
  EXPECT_NE(once.body.find("[2,4,6]"), std::string::npos);
  const RawReply stream = ask("POST", "/v2/models/d/generate_stream", R"({"x":[1,2,3]})");
  EXPECT_EQ(stream.header("content-type"), "text/event-stream; charset=utf-8");
  EXPECT_TRUE(stream.body.starts_with("data: {\"model_name\":\"d\"")) << stream.body;
  EXPECT_TRUE(stream.body.ends_with("}\n\n"));
  const std::string infer =
      R"({"inputs":[{"name":"x","shape":[1,3],"datatype":"FP32","data":[1,2,3]}]})";
  EXPECT_NE(ask("POST", "/v2/models/d/generate", infer).body.find("\"outputs\":["),
            std::string::npos);
  EXPECT_TRUE(ask("POST", "/v2/models/d/infer_stream", infer).body.starts_with("data: {"));
}

TEST_F(OipRest, StatisticsAndConfigurationAreTold) {
  ask("POST", kInfer, raw_of({1, 2, 3}), "Inference-Header-Content-Length: 0\r\n");
  for (const std::string_view target :
       {"/v2/models/stats", "/v2/models/d/stats", "/v2/models/d/versions/1/stats"}) {
    const RawReply reply = ask("GET", target);
    const Json body = codec::parse_json(reply.body).value();
    const Json& stats = body.find("model_stats")->items().at(0);
    EXPECT_EQ(stats.find("inference_count")->as_int(), 1) << reply.body;
    EXPECT_EQ(stats.find("inference_stats")->find("queue")->find("count")->as_int(), 1);
    EXPECT_EQ(stats.find("batch_stats")->items().at(0).find("batch_size")->as_int(), 1);
  }
  const RawReply config = ask("GET", "/v2/models/d/config");
  EXPECT_EQ(config.status, 200) << config.body;
  EXPECT_EQ(codec::parse_json(config.body)->find("name")->as_string(), "d");
}

TEST_F(OipRest, SettingsAreKept) {
  EXPECT_EQ(ask("POST", "/v2/logging", R"({"log_info":false})").status, 200);
  EXPECT_FALSE(codec::parse_json(ask("GET", "/v2/logging").body)->find("log_info")->as_bool());
  ask("POST", "/v2/trace/setting", R"({"trace_level":["TENSORS"],"trace_rate":7})");
  const Json trace = codec::parse_json(ask("GET", "/v2/models/d/trace/setting").body).value();
  EXPECT_EQ(codec::to_json(*trace.find("trace_level")), R"(["TENSORS"])");
  EXPECT_EQ(trace.find("trace_rate")->as_string(), "7");
  EXPECT_EQ(ask("GET", "/v2/systemsharedmemory/status").body, "[]");
  EXPECT_EQ(ask("GET", "/v2/cudasharedmemory/status").body, "[]");
  EXPECT_EQ(ask("POST", "/v2/systemsharedmemory/unregister").status, 200);
}

}  // namespace
}  // namespace slip::wire::oip
