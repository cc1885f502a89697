#include <gtest/gtest.h>

#include "base/text.h"
#include "codec/json.h"
#include "test/wire/mlflow_world.h"
#include "wire/mlflow/proto_time.h"

namespace slip::wire::mlflow {
namespace {

using test::Answer;
using test::MlflowWire;

TEST_F(MlflowWire, BothTwinsAnswer) {
  for (const char* root : {"/api/2.0/mlflow/", "/ajax-api/2.0/mlflow/"}) {
    const Answer got = call(concat({"GET ", root, "experiments/get?experiment_id=0"}));
    EXPECT_EQ(got.status, 200);
    EXPECT_EQ(got.at({"experiment", "name"}), "Default");
  }
  EXPECT_TRUE(get("experiments/get?experiment_id=0").body.starts_with("{\n  \"experiment\""));
}

TEST_F(MlflowWire, FieldsReadAsProtobufReadsThem) {
  const std::string run = new_run();
  struct Case {
    const char* name;
    std::string body;
    int status;
    const char* in_message;
  };
  const std::string id = R"("run_id":")" + run + R"(")";
  const Case cases[] = {
      {"numbers", "{" + id + R"(,"key":"m","value":1.5,"timestamp":1,"step":2})", 200, ""},
      {"texts", "{" + id + R"(,"key":"m","value":"2.5","timestamp":"3","step":"4"})", 200, ""},
      {"NaN", "{" + id + R"(,"key":"n","value":"NaN","timestamp":1})", 200, ""},
      {"camel", R"({"runId":")" + run + R"(","key":"m","value":3,"timestamp":5})", 200, ""},
      {"old name", R"({"run_uuid":")" + run + R"(","key":"m","value":3,"timestamp":6})", 200, ""},
      {"null is absent", "{" + id + R"(,"key":"m","value":3,"timestamp":7,"step":null})", 200, ""},
      {"unknown fields", "{" + id + R"(,"key":"m","value":3,"timestamp":8,"x":[{}]})", 200, ""},
      {"both spellings", "{" + id + R"(,"runId":"x","key":"m","value":3,"timestamp":8})", 400,
       "Request specifies both 'run_id' and 'runId'; provide only one of them."},
      {"missing", "{" + id + R"(,"value":3,"timestamp":8})", 400,
       "Missing value for required parameter 'key'. See the API docs"},
      {"wrong type", "{" + id + R"(,"key":"m","value":3,"timestamp":"soon"})", 400,
       "Invalid value \"soon\" for parameter 'timestamp' supplied:  Hint: Value was of type "
       "'str'."},
      {"fraction", "{" + id + R"(,"key":"m","value":3,"timestamp":1.5})", 400, "'timestamp'"},
      {"broken", "{", 400, "Malformed JSON"},
      {"no object", "[1]", 400, "no JSON object"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Answer got = post("runs/log-metric", c.body);
    EXPECT_EQ(got.status, c.status) << got.body;
    if (c.status == 200) continue;
    EXPECT_EQ(got.at({"error_code"}), "INVALID_PARAMETER_VALUE");
    EXPECT_NE(got.at({"message"}).find(c.in_message), std::string::npos) << got.at({"message"});
  }
  const std::string twice =
      codec::to_json(codec::Json(R"({"run_id":")" + run + R"(","key":"p","value":"1"})"));
  EXPECT_EQ(post("runs/log-parameter", twice).status, 200);
  EXPECT_EQ(call("POST /api/2.0/mlflow/runs/log-parameter", "{}", "").status, 400);
  EXPECT_EQ(call("POST /api/2.0/mlflow/runs/log-parameter", "{}", "text/plain").at({"error_code"}),
            "BAD_REQUEST");
  const Answer in_list =
      post("runs/log-batch", "{" + id + R"(,"metrics":[{"key":"m","value":1}]})");
  EXPECT_NE(in_list.at({"message"}).find("'metrics[0].timestamp'"), std::string::npos);
}

TEST_F(MlflowWire, ARunAsItIsPrinted) {
  const std::string run = new_run();
  const std::string id = R"({"run_id":")" + run + R"(",)";
  EXPECT_EQ(post("runs/log-batch", id + R"("metrics":[{"key":"a","value":"Infinity","timestamp":1},
      {"key":"b","value":"NaN","timestamp":1}],"params":[{"key":"p","value":""}]})")
                .body,
            "{}");
  EXPECT_EQ(post("runs/update", id + R"("status":3,"end_time":"77"})").at({"run_info", "status"}),
            "FINISHED");
  const Answer got = get("runs/get?run_id=" + run + "&run_uuid=" + run);
  EXPECT_EQ(got.at({"run", "info", "run_uuid"}), run);
  EXPECT_EQ(got.at({"run", "info", "end_time"}), "77");
  EXPECT_EQ(got.at({"run", "info", "lifecycle_stage"}), "active");
  EXPECT_EQ(got.at({"run", "info", "artifact_uri"}), "mlflow-artifacts:/0/" + run + "/artifacts");
  EXPECT_EQ(got.at({"run", "data", "metrics", "0", "value"}), "1.7976931348623157e+308");
  EXPECT_EQ(got.at({"run", "data", "metrics", "1", "value"}), "NaN");
  EXPECT_EQ(got.at({"run", "data", "params", "0", "value"}), "");
  EXPECT_EQ(got.at({"run", "outputs"}), "{}");  // An empty message is there, an empty list isn't.
  EXPECT_EQ(got.at({"run", "inputs", "dataset_inputs"}), "absent");
}

TEST_F(MlflowWire, ErrorsHaveMlflowsNames) {
  post("experiments/create", R"({"name":"e"})");
  post("registered-models/create", R"({"name":"m"})");
  struct Case {
    const char* line;
    const char* body;
    int status;
    const char* code;
  };
  const Case cases[] = {
      {"GET /api/2.0/mlflow/runs/get?run_id=none", "", 404, "RESOURCE_DOES_NOT_EXIST"},
      {"GET /api/2.0/mlflow/experiments/get?experiment_id=x", "", 400, "INVALID_PARAMETER_VALUE"},
      {"GET /api/2.0/mlflow/experiments/get", "", 400, "INVALID_PARAMETER_VALUE"},
      {"POST /api/2.0/mlflow/experiments/create", R"({"name":"e"})", 400,
       "RESOURCE_ALREADY_EXISTS"},
      {"POST /api/2.0/mlflow/registered-models/create", R"({"name":"m"})", 400,
       "RESOURCE_ALREADY_EXISTS"},
      {"GET /api/2.0/mlflow/registered-models/alias?name=m&alias=x", "", 400,
       "INVALID_PARAMETER_VALUE"},
      {"GET /api/2.0/mlflow/model-versions/get?name=m&version=9", "", 404,
       "RESOURCE_DOES_NOT_EXIST"},
      {"GET /api/2.0/mlflow/model-versions/get?name=m&version=x", "", 400,
       "INVALID_PARAMETER_VALUE"},
      {"POST /api/2.0/mlflow/model-versions/create", R"({"name":"m","source":"/etc/passwd"})", 400,
       "INVALID_PARAMETER_VALUE"},
      {"POST /api/2.0/mlflow/runs/search", R"({"experiment_ids":["0"],"filter":"a OR b"})", 400,
       "INVALID_PARAMETER_VALUE"},
      {"POST /api/2.0/mlflow/runs/search", R"({"experiment_ids":["0"],"page_token":"?"})", 400,
       "INVALID_PARAMETER_VALUE"},
      {"POST /api/2.0/mlflow-artifacts/mpu/create/0/x", "{}", 501, "NOT_IMPLEMENTED"},
      {"GET /api/3.0/mlflow/traces/tr-1", "", 404, "RESOURCE_DOES_NOT_EXIST"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.line);
    const Answer got = call(c.line, c.body);
    EXPECT_EQ(got.status, c.status) << got.body;
    EXPECT_EQ(got.at({"error_code"}), c.code);
    EXPECT_LT(got.status == 501 ? 0 : got.status, 500);  // Clients retry those for minutes.
  }
}

TEST_F(MlflowWire, ArtifactsGoUpAndDown) {
  const std::string run = new_run();
  const std::string proxy = "/api/2.0/mlflow-artifacts/artifacts";
  const std::string base = proxy + "/0/" + run + "/artifacts/";
  EXPECT_EQ(call("PUT " + base + "dir/a%20b.txt", "hello").body, "{}");
  EXPECT_EQ(call("GET " + base + "dir/a%20b.txt").body, "hello");
  EXPECT_EQ(call("GET " + base + "dir").status, 404);
  const Answer listed = call("GET " + proxy + "?path=0%2F" + run + "%2Fartifacts");
  EXPECT_EQ(listed.at({"files", "0", "path"}), "dir");
  EXPECT_EQ(listed.at({"files", "0", "file_size"}), "absent");
  const Answer below = get("artifacts/list?path=dir&run_id=" + run);
  EXPECT_EQ(below.at({"files", "0", "path"}), "dir/a b.txt");
  EXPECT_EQ(below.at({"files", "0", "file_size"}), "5");
  EXPECT_EQ(call("GET /get-artifact?path=dir%2Fa%20b.txt&run_id=" + run).body, "hello");
  EXPECT_EQ(call("GET /get-artifact?path=..%2F..%2Fx&run_id=" + run).status, 400);
  EXPECT_EQ(call("PUT " + proxy + "/0/%252e%252e/x", "x").status, 400);
  EXPECT_EQ(call("DELETE " + base + "dir").status, 200);
  EXPECT_EQ(call("GET " + base + "dir/a%20b.txt").status, 404);
}

TEST_F(MlflowWire, ALoggedModelBecomesAVersion) {
  const Answer made = post("logged-models", R"({"experiment_id":"0","name":"clf"})");
  const std::string id = made.at({"model", "info", "model_id"});
  EXPECT_EQ(made.at({"model", "info", "status"}), "LOGGED_MODEL_PENDING");
  call("PUT /api/2.0/mlflow-artifacts/artifacts/0/models/" + id + "/artifacts/MLmodel", "f: 1");
  const Answer ready =
      call("PATCH /api/2.0/mlflow/logged-models/" + id, R"({"status":"LOGGED_MODEL_READY"})");
  EXPECT_EQ(ready.at({"model", "info", "status"}), "LOGGED_MODEL_READY");
  post("registered-models/create", R"({"name":"m"})");
  const Answer version = post("model-versions/create", R"({"name":"m","source":"models:/)" + id +
                                                           R"(","model_id":")" + id + R"("})");
  EXPECT_EQ(version.at({"model_version", "version"}), "1");
  EXPECT_EQ(version.at({"model_version", "status"}), "READY");
  EXPECT_EQ(get("model-versions/get-download-uri?name=m&version=1").at({"artifact_uri"}),
            "mlflow-artifacts:/0/models/" + id + "/artifacts");
  EXPECT_EQ(get("logged-models/" + id).at({"model", "info", "tags", "0", "value"}),
            R"([{"name":"m","version":1}])");
  EXPECT_TRUE(registry.get_version(ctx, "m", 1)->digest.starts_with("sha256:"));
  EXPECT_EQ(registry.open_bundle(ctx, "m", 1)->mlmodel, "f: 1");
  EXPECT_EQ(call("GET /model-versions/get-artifact?name=m&version=1&path=MLmodel").body, "f: 1");
  post("registered-models/alias", R"({"name":"m","alias":"best","version":"1"})");
  EXPECT_EQ(get("registered-models/alias?name=m&alias=best").at({"model_version", "version"}), "1");
  const Answer moved =
      post("model-versions/transition-stage", R"({"name":"m","version":"1","stage":"staging"})");
  EXPECT_EQ(moved.at({"model_version", "current_stage"}), "Staging");
  EXPECT_EQ(get("registered-models/get?name=m")
                .at({"registered_model", "latest_versions", "0", "aliases", "0"}),
            "best");
  EXPECT_EQ(call("DELETE /api/2.0/mlflow/registered-models/alias", R"({"name":"m","alias":"best"})")
                .status,
            200);
}

TEST_F(MlflowWire, ATraceMergesHeadAndAssessment) {
  const Answer started = call("POST /api/3.0/mlflow/traces", R"({"trace":{"trace_info":{
      "trace_id":"tr-1","trace_location":{"type":"MLFLOW_EXPERIMENT",
      "mlflow_experiment":{"experiment_id":"0"}},"request_time":"2026-11-23T03:28:00.414Z",
      "execution_duration":"1.5s","state":"OK","trace_metadata":{"a":"1"},
      "tags":{"mlflow.traceName":"ask"}}}})");
  EXPECT_EQ(started.at({"trace", "trace_info", "request_time"}), "2026-11-23T03:28:00.414Z");
  EXPECT_EQ(started.at({"trace", "trace_info", "tags", "mlflow.artifactLocation"}),
            "mlflow-artifacts:/0/traces/tr-1/artifacts");
  const Answer said = call("POST /api/3.0/mlflow/traces/tr-1/assessments",
                           R"({"assessment":{"assessment_name":"ok","feedback":{"value":true}}})");
  const std::string id = said.at({"assessment", "assessment_id"});
  EXPECT_TRUE(id.starts_with("a-"));
  const Answer found = call("POST /api/3.0/mlflow/traces/search", R"({"locations":[{
      "mlflow_experiment":{"experiment_id":"0"}}],
      "filter":"trace.status = 'OK' AND name = 'ask' AND execution_time_ms >= 1500"})");
  EXPECT_EQ(found.at({"traces", "0", "assessments", "0", "assessment_id"}), id) << found.body;
  EXPECT_EQ(found.at({"traces", "0", "execution_duration"}), "1.500s");
}

TEST(ProtoTime, ReadsAndWrites) {
  EXPECT_EQ(parse_timestamp_us("1970-01-01T00:00:01.000002Z"), 1'000'002);
  EXPECT_EQ(parse_timestamp_us("1970-01-01T01:00:00+01:00"), 0);
  EXPECT_EQ(format_timestamp_us(1'000'002), "1970-01-01T00:00:01.000002Z");
  for (const char* bad : {"", "1970", "1970-13-01T00:00:00Z", "1970-01-01T00:00:00",
                          "1970-01-01T25:00:00Z", "1970-02-30T00:00:00Z", "1970-01-01T00:00:00.Z"})
    EXPECT_FALSE(parse_timestamp_us(bad)) << bad;
  EXPECT_EQ(parse_duration_us("-1.5s"), -1'500'000);
  EXPECT_EQ(format_duration_us(-1'500'001), "-1.500001s");
  EXPECT_EQ(format_duration_us(2'000'000), "2s");
  for (const char* bad : {"", "s", "1", "1.s", "1e3s", "999999999999999s"})
    EXPECT_FALSE(parse_duration_us(bad)) << bad;
}

}  // namespace
}  // namespace slip::wire::mlflow
