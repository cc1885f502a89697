#pragma once

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "app/world.h"
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
#include "test/onnx/onnx_bytes.h"

// A whole server with two of everything, one called "topsecret", and callers who may reach the one
// and not the other, for tests of rights on single objects.
namespace slip::app {

using codec::Json;
using http::Method;

inline constexpr std::string_view kSecret = "topsecret";

// What stands in paths, queries and bodies of requests about one set of objects.
struct Objects {
  std::string name;  // Of the experiment, model, dataset and deployment.
  std::string experiment_id;
  std::string run_id;
  std::string logged_model_id;
  std::string trace_id;
  std::string prediction_id;
  std::string model_uid;
  std::string dataset_uid;
  std::string deployment_uid;
};

class ObjectsWorld : public testing::Test {
 protected:
  ObjectsWorld()
      : dir_(testing::TempDir() + "slip-objects-" + new_uuid7(real_clock(), real_rng()).hex()) {
    std::vector<std::pair<std::string, std::string>> flags = {{"data_dir", dir_ + "/data"},
                                                              {"port", "0"},
                                                              {"grpc_port", "0"},
                                                              {"auth", "on"},
                                                              {"default_permission", "none"}};
    Config config = Config::resolve({real_fs(), real_process(), std::move(flags), ""}).value();
    world_ = World::open({real_fs(), clock_, rng_, real_process(), real_executor(), null_log()},
                         std::move(config))
                 .value();
    EXPECT_TRUE(world_->listen().ok());
    admin_ = std::string(trim(read_file(real_fs(), dir_ + "/data/bootstrap-token", 1000).value()));
    open_ = make("open");
    secret_ = make(std::string(kSecret));
  }
  ~ObjectsWorld() override {
    world_.reset();
    ignore(real_fs().remove_all(dir_), "a leftover in the temporary folder");
  }

  http::ClientReply call(const std::string& token, Method method, const std::string& target,
                         const std::string& body = "", std::string_view type = "") {
    http::ClientOptions options;
    options.url = world_->http_url();
    options.headers.emplace_back("Authorization", "Bearer " + token);
    options.headers.emplace_back("Content-Type",
                                 type.empty() ? "application/json" : std::string(type));
    if (!experiment_header_.empty())
      options.headers.emplace_back("x-mlflow-experiment-id", experiment_header_);
    http::Client client = http::Client::make(real_net(), real_clock(), std::move(options)).value();
    http::Call request;
    request.method = method;
    request.target = target;
    request.body = body;
    return client.send(request).value();
  }
  Json must(Method method, const std::string& target, const std::string& body,
            std::string_view type = "") {
    const http::ClientReply reply = call(admin_, method, target, body, type);
    EXPECT_TRUE(reply.status == 200 || reply.status == 201) << target << " " << reply.body;
    Result<Json> json = codec::parse_json(reply.body, codec::NonFinite::kToken);
    return json.ok() ? *std::move(json) : Json::object();
  }
  static std::string text(const Json& json, std::initializer_list<std::string_view> path) {
    const Json* at = &json;
    for (const std::string_view name : path) at = at ? at->find(name) : nullptr;
    return at && at->is_string() ? at->as_string() : "";
  }

  Objects make(const std::string& name) {
    constexpr const char* kApi = "/api/2.0/mlflow/";
    const std::string api = kApi;
    const std::string own = "/api/slipway/v1/";
    Objects o;
    o.name = name;
    o.experiment_id =
        text(must(Method::kPost, api + "experiments/create", R"({"name":")" + name + R"("})"),
             {"experiment_id"});
    const std::string experiment = R"("experiment_id":")" + o.experiment_id + R"(")";
    o.run_id = text(must(Method::kPost, api + "runs/create",
                         "{" + experiment + R"(,"run_name":")" + name + R"("})"),
                    {"run", "info", "run_id"});
    must(Method::kPost, api + "runs/log-metric",
         R"({"run_id":")" + o.run_id + R"(","key":")" + name + R"(","value":1,"timestamp":1})");
    o.logged_model_id = text(must(Method::kPost, api + "logged-models",
                                  "{" + experiment + R"(,"name":")" + name + R"("})"),
                             {"model", "info", "model_id"});
    o.trace_id = "tr-" + std::string(name == kSecret ? 32 : 31, 'a') + (name == kSecret ? "" : "b");
    must(Method::kPost, "/api/3.0/mlflow/traces",
         R"({"trace":{"trace_info":{"trace_id":")" + o.trace_id +
             R"(","trace_location":{"type":"MLFLOW_EXPERIMENT","mlflow_experiment":{)" +
             experiment + R"(}},"request_time":"2026-01-01T00:00:00Z","state":"OK",)" +
             R"("request_preview":")" + name + R"("}}})");
    const std::string files = o.experiment_id + "/" + o.run_id + "/artifacts/";
    must(Method::kPut, "/api/2.0/mlflow-artifacts/artifacts/" + files + "model/model.onnx",
         test::onnx_add(1, 2, 3), "application/octet-stream");
    must(Method::kPut, "/api/2.0/mlflow-artifacts/artifacts/" + files + name + ".txt", name,
         "application/octet-stream");
    const Json model =
        must(Method::kPost, api + "registered-models/create", R"({"name":")" + name + R"("})");
    must(Method::kPost, api + "model-versions/create",
         R"({"name":")" + name + R"(","source":"runs:/)" + o.run_id + R"(/model","run_id":")" +
             o.run_id + R"("})");
    o.model_uid = text(must(Method::kGet, own + "models/" + name, ""), {"uid"});
    must(Method::kPost, own + "datasets/" + name + "/versions?format=csv", "a,b\n1," + name + "\n",
         "text/csv");
    o.dataset_uid = text(must(Method::kGet, own + "datasets/" + name, ""), {"uid"});
    o.deployment_uid = text(must(Method::kPut, own + "deployments/" + name,
                                 R"({"model":")" + name + R"(","version":1})"),
                            {"uid"});
    o.prediction_id = text(must(Method::kPost, "/v2/models/" + name + "/infer", kInfer), {"id"});
    return o;
  }

  // A principal with these grants and nothing else, by its token, which would let everything
  // through.
  std::string caller(const std::string& name, const std::vector<auth::Grant>& grants) {
    auth::NewToken wanted;
    wanted.principal = name;
    wanted.role = auth::Role::kManage;
    wanted.project = "default";
    const std::string token = world_->auth->create_token(Ctx(), wanted).value().text;
    auth::Grant all{"default", "", "*", "*", auth::Role::kNone, false};
    EXPECT_TRUE(world_->auth->set_grant(Ctx(), name, all).ok());
    for (const auth::Grant& grant : grants)
      EXPECT_TRUE(world_->auth->set_grant(Ctx(), name, grant).ok());
    return token;
  }
  static std::vector<auth::Grant> on(const Objects& o, auth::Role role, bool deny = false) {
    std::vector<auth::Grant> out;
    const std::pair<const char*, const std::string*> uids[] = {{"experiment", &o.experiment_id},
                                                               {"model", &o.model_uid},
                                                               {"dataset", &o.dataset_uid},
                                                               {"deployment", &o.deployment_uid}};
    for (const auto& [kind, uid] : uids) out.push_back({"default", "", kind, *uid, role, deny});
    return out;
  }

  static constexpr const char* kInfer =
      R"({"inputs":[{"name":"x","shape":[1,3],"datatype":"FP32","data":[1,2,3]}]})";
  const std::string dir_;
  test::FakeClock clock_;
  sim::SimRng rng_{11};
  std::unique_ptr<World> world_;
  std::string admin_;
  std::string experiment_header_;
  Objects open_;
  Objects secret_;
};

}  // namespace slip::app
