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
  EXPECT_EQ(call("POST /api/2.0/mlflow/runs/log-parameter", "{}", "text/plain").at({"message"}),
            "Bad Request. Content-Type must be one of ['application/json'].");
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
      {"POST /api/2.0/mlflow-artifacts/mpu/create/0/x", "{}", 400, "INVALID_PARAMETER_VALUE"},
      {"GET /api/3.0/mlflow/traces/tr-1", "", 404, "RESOURCE_DOES_NOT_EXIST"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.line);
    const Answer got = call(c.line, c.body);
    EXPECT_EQ(got.status, c.status) << got.body;
    EXPECT_EQ(got.at({"error_code"}), c.code);
    EXPECT_LT(got.status, 500);  // Clients retry those for minutes.
  }
}

TEST_F(MlflowWire, APathIsReadBeforeTheRootThatItIsUnder) {
  const std::string id =
      post("experiments/create", R"({"name":"far","artifact_location":"s3://bucket/far"})")
          .at({"experiment_id"});
  const std::string run = post("runs/create", concat({R"({"experiment_id":")", id, R"("})"}))
                              .at({"run", "info", "run_id"});
  const Answer got = get("artifacts/list?path=..%2Fx&run_id=" + run);
  EXPECT_EQ(got.status, 400);
  EXPECT_EQ(got.at({"message"}), "Invalid path");
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

TEST_F(MlflowWire, AnUploadInPartsByLinks) {
  const std::string root = "/api/2.0/mlflow-artifacts/";
  const Answer begun = call("POST " + root + "mpu/create/0/r/artifacts/model",
                            R"({"path":"C:\\tmp\\big ü.bin","num_parts":"2"})");
  ASSERT_EQ(begun.status, 200) << begun.body;
  std::string parts;
  for (const char* n : {"1", "0"}) {  // The second comes first.
    const std::string url = begun.at({"credentials", n, "url"});
    const std::string target = url.substr(url.find("/api/"));
    EXPECT_EQ(call("PUT " + target.substr(0, target.find("&signature=")), "x").status, 403);
    const Answer put = call("PUT " + target, *n == '0' ? "hello " : "world");
    ASSERT_EQ(put.status, 200) << put.body;
    const std::string one = concat({R"({"part_number":)", *n == '0' ? "1" : "2", R"(,"etag":)",
                                    codec::to_json(codec::Json(put.header("ETag"))), "}"});
    parts = parts.empty() ? one : concat({one, ",", parts});
  }
  const std::string body = concat({R"({"path":"big ü.bin","upload_id":")", begun.at({"upload_id"}),
                                   R"(","parts":[)", parts, "]}"});
  EXPECT_EQ(call("POST " + root + "mpu/complete/0/other/artifacts/model", body).status, 404);
  EXPECT_EQ(call("POST " + root + "mpu/complete/0/r/artifacts/model", body).status, 200);
  const std::string file = "0/r/artifacts/model/big%20%C3%BC.bin";
  EXPECT_EQ(call("GET " + root + "artifacts/" + file).body, "hello world");
  EXPECT_EQ(call("GET " + root + "artifacts/" + file).header("Content-Disposition"),
            "attachment; filename=\"big .bin\"; filename*=UTF-8''big%20%C3%BC.bin");

  const Answer link = call("GET " + root + "presigned/" + file);
  EXPECT_EQ(link.at({"file_size"}), "11");
  const std::string target = link.at({"url"}).substr(link.at({"url"}).find("/api/"));
  EXPECT_EQ(call("DELETE " + root + "artifacts/" + file).status, 200);
  EXPECT_EQ(call("GET " + target).body, "hello world");  // Those bytes, as long as it lasts.
  EXPECT_EQ(call("PUT " + target, "x").status, 403);     // A right to read is none to write.
  std::string other = target;
  other.replace(other.find("/r/"), 3, "/s/");
  EXPECT_EQ(call("GET " + other).status, 403);
  clock.advance_ms(901'000);
  EXPECT_EQ(call("GET " + target).status, 403);

  const std::string run = new_run();
  const Answer up = post("artifacts/presigned-upload-url",
                         R"({"path":"d/x.txt","expiration":60,"run_id":")" + run + R"("})");
  ASSERT_EQ(up.status, 200) << up.body;
  const std::string url = up.at({"presigned_url"});
  EXPECT_EQ(call("PUT " + url.substr(url.find("/api/")), "by link").status, 200);
  EXPECT_EQ(call("GET /get-artifact?path=d%2Fx.txt&run_id=" + run).body, "by link");
  EXPECT_EQ(post("artifacts/presigned-download-url",
                 R"({"path":"d/x.txt","expiration":0,"run_id":")" + run + R"("})")
                .status,
            400);
  EXPECT_EQ(post("artifacts/presigned-upload-url", R"({"path":"x"})").status, 400);
}

// Every spelling of a way out, on every route that takes a path.
TEST_F(MlflowWire, PathsStayInside) {
  const std::string run = new_run();
  const std::string model = post("logged-models", R"({"experiment_id":"0","name":"m"})")
                                .at({"model", "info", "model_id"});
  const std::string bad[] = {"../x",
                             "a/../../x",
                             "..\\x",
                             "a\\..\\x",
                             "%2e%2e/x",
                             "%2e%2e%2fx",
                             "%252e%252e%252fx",
                             "..%5cx",
                             "/etc/passwd",
                             "file:///etc",
                             "FILE:etc",
                             "C:\\x",
                             "C:/x",
                             "x#/../y",
                             "a/%00",
                             "a\n",
                             "%25252e%25252e/x",
                             std::string(1100, 'a'),
                             "%c0%ae%c0%ae/x"};
  for (const std::string& path : bad) {
    SCOPED_TRACE(path);
    const std::string q = percent_encode(path);
    const std::string json = codec::to_json(codec::Json(path));
    const std::string id = R"(,"run_id":")" + run + R"("})";
    const std::pair<std::string, std::string> calls[] = {
        {"PUT /api/2.0/mlflow-artifacts/artifacts/" + q, "x"},
        {"GET /api/2.0/mlflow-artifacts/artifacts/" + q, ""},
        {"DELETE /api/2.0/mlflow-artifacts/artifacts/" + q, ""},
        {"GET /api/2.0/mlflow-artifacts/artifacts?path=" + q, ""},
        {"GET /api/2.0/mlflow-artifacts/presigned/" + q, ""},
        {"POST /api/2.0/mlflow-artifacts/mpu/create/" + q, R"({"path":"x"})"},
        {"POST /api/2.0/mlflow-artifacts/mpu/complete/" + q,
         R"({"path":"x","upload_id":"u","parts":[{"part_number":1,"etag":"e"}]})"},
        {"POST /api/2.0/mlflow-artifacts/mpu/abort/" + q, R"({"path":"x","upload_id":"u"})"},
        {"POST /api/2.0/mlflow/artifacts/presigned-upload-url", R"({"path":)" + json + id},
        {"POST /api/2.0/mlflow/artifacts/presigned-download-url", R"({"path":)" + json + id},
        {"POST /ajax-api/2.0/mlflow/upload-artifact?run_uuid=" + run + "&path=" + q, "x"},
        {"GET /api/2.0/mlflow/artifacts/list?run_id=" + run + "&path=" + q, ""},
        {"GET /get-artifact?run_id=" + run + "&path=" + q, ""},
        {"GET /api/2.0/mlflow/logged-models/" + model + "/artifacts/files?artifact_file_path=" + q,
         ""},
        {"GET /api/2.0/mlflow/logged-models/" + model +
             "/artifacts/directories?artifact_directory_path=" + q,
         ""},
        {"GET /ajax-api/2.0/mlflow/get-trace-artifact?request_id=tr-1&path=" + q, ""},
    };
    for (const auto& [line, body] : calls) {
      const Answer got = call(line, body);
      // 0: not even a path of this server.
      EXPECT_TRUE(got.status == 400 || got.status == 0) << line << ": " << got.status << got.body;
    }
  }
  // The name of a file in parts comes from the client's own disk; only its last part counts.
  for (const char* name : {"..", ".", "", "a/..", "x/", "\\..", "%2e%2e"}) {
    const std::string body = R"({"path":)" + codec::to_json(codec::Json(name)) + "}";
    EXPECT_EQ(call("POST /api/2.0/mlflow-artifacts/mpu/create/0/r/artifacts", body).status, 400)
        << name;
  }
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
            R"([{"name": "m", "version": 1}])");
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

TEST_F(MlflowWire, AssessmentsAreChangedByMask) {
  const auto assess = [&](std::string_view method, std::string_view below, std::string_view body) {
    return call(concat({method, " /api/3.0/mlflow/traces/tr-1/assessments", below}), body);
  };
  call("POST /api/3.0/mlflow/traces", R"({"trace":{"trace_info":{"trace_id":"tr-1",
      "trace_location":{"mlflow_experiment":{"experiment_id":"0"}},
      "request_time":"2026-11-23T03:28:00.414Z"}}})");
  const Answer said = assess("POST", "", R"({"assessment":{"assessment_name":"n",
      "feedback":{"value":5.0},"metadata":{"a":"1"},"rationale":"r"}})");
  ASSERT_EQ(said.status, 200) << said.body;
  const std::string id = said.at({"assessment", "assessment_id"});
  EXPECT_EQ(said.at({"assessment", "valid"}), "true");
  EXPECT_EQ(assess("POST", "", R"({"assessment":{"assessment_name":"n"}})").status, 400);
  const Answer changed = assess("PATCH", "/" + id, R"({"update_mask":"feedback,metadata",
      "assessment":{"assessment_name":"other","feedback":{"value":"no"},"metadata":{"b":"2"}}})");
  ASSERT_EQ(changed.status, 200) << changed.body;
  EXPECT_EQ(changed.at({"assessment", "assessment_name"}), "n");
  EXPECT_EQ(changed.at({"assessment", "feedback", "value"}), "no");
  EXPECT_EQ(changed.at({"assessment", "metadata"}), R"({"a":"1","b":"2"})");
  EXPECT_EQ(changed.at({"assessment", "rationale"}), "r");
  EXPECT_EQ(assess("PATCH", "/" + id, R"({"update_mask":"assessmentName",
      "assessment":{"assessmentName":"m"}})")
                .at({"assessment", "assessment_name"}),
            "m");
  for (const char* bad :
       {R"({"assessment":{"rationale":"x"}})", R"({"update_mask":"source","assessment":{}})",
        R"({"update_mask":"expectation","assessment":{"expectation":{"value":1}}})",
        R"({"update_mask":"feedback,expectation","assessment":{}})",
        R"({"update_mask":"rationale"})"})
    EXPECT_EQ(assess("PATCH", "/" + id, bad).status, 400) << bad;
  const Answer list = assess("POST", "", R"({"assessment":{"assessment_name":"e",
      "expectation":{"value":{"x":[1]}}}})");
  EXPECT_EQ(list.at({"assessment", "expectation", "serialized_value", "value"}), R"({"x":[1]})");
  EXPECT_EQ(assess("DELETE", "/" + id, "").status, 200);
  EXPECT_EQ(assess("DELETE", "/" + id, "").status, 200);
  EXPECT_EQ(assess("GET", "/" + id, "").status, 404);
}

TEST_F(MlflowWire, OldClientsBeginAndEndTraces) {
  const Answer begun = post("traces", R"({"experiment_id":"0","timestamp_ms":"1000",
      "request_metadata":[{"key":"m","value":"1"}],"tags":[{"key":"t","value":"2"}]})");
  ASSERT_EQ(begun.status, 200) << begun.body;
  EXPECT_EQ(begun.at({"trace_info", "status"}), "IN_PROGRESS");
  const std::string id = begun.at({"trace_info", "request_id"});
  const Answer ended = call("PATCH /api/2.0/mlflow/traces/" + id, R"({"timestamp_ms":1500,
      "status":"OK","request_metadata":[{"key":"n","value":"3"}]})");
  EXPECT_EQ(ended.at({"trace_info", "execution_time_ms"}), "500");
  EXPECT_EQ(get("traces/" + id + "/info").at({"trace_info", "request_metadata"}),
            R"([{"key":"m","value":"1"},{"key":"n","value":"3"}])");
  EXPECT_EQ(
      get("traces?experiment_ids=0&filter=status%3D%27OK%27").at({"traces", "0", "request_id"}),
      id);
  EXPECT_EQ(get("traces").status, 400);
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
