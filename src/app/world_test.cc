#include "app/world.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "codec/json.h"
#include "http/client.h"
#include "sys/fs.h"
#include "sys/log.h"
#include "sys/net.h"
#include "sys/process.h"
#include "sys/rng.h"
#include "sys/sim/sim_rng.h"
#include "test/fake/clock.h"
#include "test/grpc/method_sweep.h"
#include "test/http/route_sweep.h"
#include "test/http/world.h"

// The whole server on a folder of its own and a free port of loopback; time stands still.
namespace slip::app {
namespace {

using codec::Json;
using Flags = std::vector<std::pair<std::string, std::string>>;

class WorldTest : public testing::Test {
 protected:
  WorldTest()
      : dir_(testing::TempDir() + "slip-world-" + new_uuid7(real_clock(), real_rng()).hex()) {}
  ~WorldTest() override {
    world_.reset();
    ignore(real_fs().remove_all(dir_), "a leftover in the temporary folder");
  }

  Result<std::unique_ptr<World>> open(Flags flags) {
    flags.insert(flags.begin(), {{"data_dir", dir_ + "/data"}, {"port", "0"}, {"grpc_port", "0"}});
    Config config = TRY(Config::resolve({real_fs(), real_process(), std::move(flags), ""}));
    return World::open({real_fs(), clock_, rng_, real_process(), real_executor(), null_log()},
                       std::move(config));
  }
  void start(Flags flags) {
    auto opened = open(std::move(flags));
    ASSERT_TRUE(opened.ok()) << opened.error().text;
    world_ = std::move(*opened);
    const Status listening = world_->listen();
    ASSERT_TRUE(listening.ok()) << listening.error().text;
  }
  std::string bootstrap_token() {
    return std::string(trim(read_file(real_fs(), dir_ + "/data/bootstrap-token", 1000).value()));
  }
  // Status and body of a call of our own API.
  std::pair<int, Json> call(http::Method method, std::string_view path, const std::string& token,
                            const std::string& body = "") {
    http::ClientOptions options;
    options.url = world_->http_url();
    if (!token.empty()) options.headers.emplace_back("Authorization", "Bearer " + token);
    http::Client client = http::Client::make(real_net(), real_clock(), std::move(options)).value();
    http::Call request;
    request.method = method;
    request.target = concat({"/api/slipway/v1", path});
    request.body = body;
    const http::ClientReply reply = client.send(request).value();
    const Result<Json> json = codec::parse_json(reply.body);
    return {reply.status, json.ok() ? *json : Json()};
  }
  std::pair<int, Json> get(std::string_view path, const std::string& token = "") {
    return call(http::Method::kGet, path, token);
  }

  const std::string dir_;
  test::FakeClock clock_;
  sim::SimRng rng_{11};
  std::unique_ptr<World> world_;
};

std::string text_of(const Json& json, std::string_view key) {
  const Json* value = json.find(key);
  return value && value->is_string() ? value->as_string() : "";
}

// The generated test of the contract: every row of the product, called by strangers.
TEST_F(WorldTest, EveryRouteRefusesStrangersAndGarbage) {
  start({{"auth", "on"}});
  http::testing::sweep_routes(
      world_->server->rows(),
      {.port = world_->server->port(),
       .authorization = "Bearer " + bootstrap_token(),
       .foreign_authorization =
           "Bearer slp_000000000000_0000000000000000000000000000000000000000000000000",
       .public_rows = {
           "GET /", "GET /.well-known/databricks-config", "GET /.well-known/slipway/signing-keys",
           "GET /ajax-api/3.0/mlflow/server-info", "GET /api/2.0/mlflow-artifacts/signed/{path...}",
           "GET /api/3.0/mlflow/server-info", "GET /assets/{path...}", "GET /docs",
           "GET /favicon.ico", "GET /health", "GET /openapi.json", "GET /p/{path...}", "GET /ping",
           "GET /v2/health/live", "GET /v2/health/ready", "GET /version",
           "PUT /api/2.0/mlflow-artifacts/mpu/part",
           "PUT /api/2.0/mlflow-artifacts/signed/{path...}"}});
}

TEST_F(WorldTest, EveryMethodRefusesStrangersAndGarbage) {
  start({{"auth", "on"}, {"max_body", "1MiB"}});
  grpc::testing::sweep_methods(
      world_->grpc_server->rows(),
      {.port = world_->grpc_server->port(),
       .authorization = "Bearer " + bootstrap_token(),
       .foreign_authorization =
           "Bearer slp_000000000000_0000000000000000000000000000000000000000000000000",
       .public_rows = {"grpc.health.v1.Health/Check", "grpc.health.v1.Health/Watch",
                       "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                       "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                       "inference.GRPCInferenceService/ServerLive",
                       "inference.GRPCInferenceService/ServerReady"}});
}

TEST_F(WorldTest, ADirectoryHasOneServer) {
  start({});
  const auto second = open({});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().reason, "data_dir.locked");
  EXPECT_NE(second.error().text.find(dir_), std::string::npos);
  EXPECT_EQ(get("/whoami").first, 200);  // The first one doesn't mind.
  world_.reset();
  EXPECT_TRUE(open({}).ok());
}

TEST_F(WorldTest, RefusesWhatWouldBeUnsafeOrCannotWork) {
  EXPECT_EQ(open({{"host", "0.0.0.0"}, {"auth", "off"}}).error().reason, "config.auth_required");
  EXPECT_EQ(open({{"admin_user", "root"}, {"admin_password", "short"}}).error().reason,
            "auth.password_length");
  EXPECT_EQ(open({{"model_source_pattern", "("}}).error().reason, "regex.syntax");
  ASSERT_TRUE(real_fs().make_dirs(dir_ + "/other").ok());
  ASSERT_TRUE(write_file_atomic(real_fs(), dir_ + "/other/file", "x").ok());
  EXPECT_FALSE(open({{"data_dir", dir_ + "/other/file/data"}}).ok());
  auto half_tls = open({{"data_dir", dir_ + "/tls"}, {"tls_key", "/k.pem"}});
  ASSERT_TRUE(half_tls.ok());
  EXPECT_EQ((*half_tls)->listen().error().reason, "config.tls");
  start({});
  const std::string port = std::to_string(world_->server->port());
  auto taken = open({{"data_dir", dir_ + "/second"}, {"port", port}});
  ASSERT_TRUE(taken.ok());
  const Status listening = (*taken)->listen();
  EXPECT_EQ(listening.error().reason, "http.port_in_use");
  EXPECT_NE(listening.error().text.find(port), std::string::npos);
}

TEST_F(WorldTest, TheFirstAdministratorMakesTheOthers) {
  start({{"auth", "on"}});
  const std::string boot = bootstrap_token();
  EXPECT_EQ(get("/whoami").first, 401);
  EXPECT_EQ(text_of(get("/whoami", boot).second, "principal"), "admin");
  const auto made = call(http::Method::kPost, "/tokens", boot,
                         R"({"principal":"ann","role":"edit","project":"team"})");
  ASSERT_EQ(made.first, 201);
  const std::string ann = text_of(made.second, "token");
  const auto who = get("/whoami", ann).second;
  EXPECT_EQ(text_of(who, "principal"), "ann");
  EXPECT_EQ(text_of(who, "project"), "team");
  EXPECT_EQ(get("/principals", ann).first, 403);
  EXPECT_EQ(call(http::Method::kPost, "/tokens", ann, R"({"principal":"x","role":"read"})").first,
            403);
  EXPECT_EQ(get("/principals", boot).second.find("items")->items().size(), 2U);
  EXPECT_EQ(call(http::Method::kDelete, "/tokens/" + text_of(made.second, "id"), boot).first, 200);
  EXPECT_EQ(get("/whoami", ann).first, 401);
  for (const char* bad : {R"({"role":"read"})", R"({"principal":"x","role":"king"})",
                          R"({"principal":"a b","role":"read"})", "[]", "{"})
    EXPECT_EQ(call(http::Method::kPost, "/tokens", boot, bad).first, 400) << bad;
}

TEST_F(WorldTest, WhatWasWrittenIsThereAfterARestart) {
  start({{"auth", "on"}});
  const std::string boot = bootstrap_token();
  const std::string ann = text_of(
      call(http::Method::kPost, "/tokens", boot, R"({"principal":"ann","role":"read"})").second,
      "token");
  const auto before = get("/ledger", boot).second;
  world_.reset();
  start({{"auth", "on"}});
  EXPECT_EQ(get("/whoami", ann).first, 200);
  EXPECT_TRUE(get("/ledger", boot).second == before);
}

TEST_F(WorldTest, TheLedgerPagesBothWaysAndStreams) {
  start({});
  for (int i = 0; i < 5; ++i)
    ASSERT_EQ(call(http::Method::kPost, "/tokens", "",
                   concat({R"({"principal":"p)", std::to_string(i), R"(","role":"read"})"}))
                  .first,
              201);
  const auto seqs = [&](std::string_view query) {
    std::string out;
    const auto page = get(concat({"/ledger", query}));
    EXPECT_EQ(page.first, 200) << query;
    for (const Json& item : page.second.find("items")->items())
      out += std::to_string(item.find("seq")->as_int()) + " ";
    return out + text_of(page.second, "next_page_token");
  };
  EXPECT_EQ(seqs(""), "1 2 3 4 5 6 7 8 9 10 ");
  EXPECT_EQ(seqs("?limit=3&after=2"), "3 4 5 " + to_base64("5"));
  EXPECT_EQ(seqs("?limit=2&order=desc"), "10 9 " + to_base64("9"));
  EXPECT_EQ(seqs("?limit=2&order=desc&page_token=" + percent_encode(to_base64("9"))),
            "8 7 " + to_base64("7"));
  EXPECT_EQ(seqs("?verb=principal."), "1 3 5 7 9 ");
  for (const char* bad : {"?limit=0", "?limit=x", "?order=up", "?page_token=!", "?after=1.5"})
    EXPECT_EQ(get(concat({"/ledger", bad})).first, 400) << bad;
  http::testing::RawClient client(world_->server->port());
  client.send("GET /api/slipway/v1/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 8\r\n\r\n");
  const std::string head_and_events = client.read_until("\"rev\":10");
  EXPECT_NE(head_and_events.find("text/event-stream"), std::string::npos);
  EXPECT_NE(head_and_events.find("\nid: 9\n"),
            std::string::npos);  // A request's id ends in "id: " too.
  EXPECT_EQ(head_and_events.find("\nid: 8\n"), std::string::npos);
}

TEST_F(WorldTest, CountsWhatItServes) {
  start({});
  ASSERT_EQ(get("/status").first, 200);
  ASSERT_EQ(get("/nowhere").first, 404);
  const std::string text = world_->metrics.text();
  for (const char* line :
       {R"(slipway_http_requests_total{method="GET",route="/api/slipway/v1/status",code="2xx"} 1)",
        R"(slipway_http_requests_total{method="",route="unmatched",code="4xx"} 1)",
        "slipway_memory_limit_bytes{share=\"bodies\"}", "process_resident_memory_bytes"})
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
}

}  // namespace
}  // namespace slip::app
