#include <gtest/gtest.h>

#include "base/text.h"
#include "codec/json.h"
#include "test/wire/mlflow_world.h"

// What the rows of MLflow's API answer, call by call.
namespace slip::wire::mlflow {
namespace {

using test::Answer;
using test::MlflowWire;

class Calls : public MlflowWire {
 protected:
  void log(const std::string& run, int step, const std::string& value) {
    EXPECT_EQ(
        post("runs/log-metric", concat({R"({"run_id":")", run, R"(","key":"m","value":)", value,
                                        R"(,"timestamp":5,"step":)", std::to_string(step), "}"}))
            .status,
        200);
  }
  static std::string steps_of(const Answer& got) {
    std::string out;
    for (int i = 0;; ++i) {
      const std::string step = got.at({"metrics", std::to_string(i), "step"});
      if (step == "absent") return out;
      out += step + " ";
    }
  }
  Answer version(const std::string& rest) {
    return post("model-versions/create", concat({R"({"name":"m",)", rest, "}"}));
  }
};

TEST_F(Calls, AnErrorIsWhatMlflowsIs) {
  const Answer got = get("runs/get?run_id=none");
  EXPECT_EQ(got.json.members().size(), 4U) << got.body;
  EXPECT_EQ(got.at({"error_code"}), "RESOURCE_DOES_NOT_EXIST");
  EXPECT_EQ(got.at({"message"}), "Run with id=none not found");
  EXPECT_EQ(got.at({"sqlstate"}), "KAM00");
  EXPECT_EQ(got.at({"error_class"}), "RESOURCE_NOT_FOUND");
}

TEST_F(Calls, OfSeveralMistakesTheFirstFieldCounts) {
  struct Case {
    const char* path;
    const char* body;
    const char* message;
  };
  const Case cases[] = {
      {"runs/log-parameter", R"({"run_id":31,"key":4,"value":5})",
       "Invalid value 31 for parameter"
       " 'run_id' supplied:  Hint: Value was of type 'int'."},
      {"runs/set-tag", R"({"run_id":"r","value":5})", "'key'"},
      {"runs/search", R"({"max_results":50001})",
       "Invalid value 50001 for parameter 'max_results'"},
      {"runs/search", R"({"experiment_ids":"0"})", "parameter 'experiment_ids' supplied"},
      {"runs/outputs", R"({"run_id":"r"})", "Missing value for required parameter 'models'."},
      {"experiments/search", "{}",
       "Invalid value 0 for parameter 'max_results' supplied. It must "
       "be a positive integer"},
      {"experiments/update", R"({"experiment_id":"0"})", "'new_name'"},
      {"experiments/set-experiment-tag", R"({"experiment_id":"0","key":"a//b","value":"x"})",
       "This name would resolve to 'a/b'"},
      {"runs/create", R"({"experiment_id":"x"})",
       "Invalid experiment ID 'x'. Experiment ID must be a valid integer."},
      {"model-versions/transition-stage",
       R"({"name":"m","version":"1","stage":"Staging","archive_existing_versions":"yes"})",
       "Invalid value \"yes\" for parameter 'archive_existing_versions'"},
      {"model-versions/set-tag", R"({"name":"m","version":1,"key":"k"})", "'version' supplied"},
      {"model-versions/set-tag", R"({"name":"m","version":"one","key":"k"})",
       "Parameter 'version' must be an integer, got 'one'."},
      {"runs/log-batch", R"({"run_id":"a b"})", "Invalid value \"a b\" for parameter 'run_id'"},
      {"runs/log-batch", R"({"run_id":"r","metrics":[{"key":"k","value":1,"timestamp":-1}]})",
       "Invalid value -1 for parameter 'metrics[0].timestamp' supplied"},
      {"runs/log-batch",
       R"({"run_id":"r","params":[{"key":"k","value":"1"},{"key":"k","value":"1"}]})",
       "Duplicate parameter keys have been submitted: ['k']."},
      {"experiments/search-datasets", "{}", "must specify at least one experiment_id"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.body);
    const Answer got = post(c.path, c.body);
    EXPECT_EQ(got.status, 400);
    EXPECT_NE(got.at({"message"}).find(c.message), std::string::npos) << got.at({"message"});
  }
}

TEST_F(Calls, AHistoryOfAnyLengthComesWhole) {
  const std::string run = new_run();
  tracking::Batch batch;
  for (int64_t i = 0; i < 26'000; ++i) {
    tracking::Metric& m = batch.metrics.emplace_back();
    m.key = "m";
    m.value = 1;
    m.timestamp_ms = i;
    if (batch.metrics.size() < tracking::kBatchMetricsMax) continue;
    ASSERT_TRUE(tracking.runs.log(ctx, run, std::exchange(batch, {})).ok());
  }
  const Answer all = get("metrics/get-history?metric_key=m&run_id=" + run);
  EXPECT_EQ(all.json.find("metrics")->items().size(), 26'000U);
  EXPECT_EQ(all.at({"metrics", "25999", "timestamp"}), "25999");
  const Answer page = get("metrics/get-history?metric_key=m&max_results=2&run_id=" + run);
  EXPECT_EQ(page.json.find("metrics")->items().size(), 2U);
  EXPECT_NE(page.at({"next_page_token"}), "absent");
  EXPECT_EQ(get("metrics/get-history?metric_key=m&max_results=0&run_id=" + run).status, 400);
  EXPECT_EQ(get("metrics/get-history?metric_key=none&run_id=" + run).body, "{}");
}

TEST_F(Calls, CurvesOfManyRuns) {
  const std::string a = new_run();
  const std::string b = new_run();
  for (int step = 0; step < 10; ++step) log(a, step, "1");
  log(b, 3, "\"NaN\"");
  const std::string both = "run_ids=" + a + "&run_ids=" + b;
  const std::string thin = "metrics/get-history-bulk-interval?metric_key=m&";
  EXPECT_EQ(steps_of(get(thin + both + "&max_results=4")), "0 3 6 9 3 ");
  EXPECT_EQ(steps_of(get(thin + both + "&max_results=3")), "0 4 9 3 ");
  EXPECT_EQ(steps_of(get(thin + both + "&max_results=1")), "9 3 ");
  EXPECT_EQ(steps_of(get(thin + both)), "0 1 2 3 4 5 6 7 8 9 3 ");
  EXPECT_EQ(steps_of(get(thin + both + "&start_step=2&end_step=3")), "2 3 3 ");
  EXPECT_EQ(get(thin + both + "&max_results=1").at({"metrics", "1", "run_id"}), b);
  EXPECT_EQ(get(thin + both + "&start_step=2").status, 400);
  EXPECT_EQ(get(thin + both + "&start_step=3&end_step=2").status, 400);
  EXPECT_EQ(get(thin + both + "&max_results=2501").status, 400);
  EXPECT_EQ(get(thin + "run_ids=none").status, 404);
  EXPECT_EQ(get(thin).status, 400);
  const std::string bulk = "metrics/get-history-bulk?metric_key=m&run_id=" + a + "&run_id=" + b;
  EXPECT_EQ(get(bulk).json.find("metrics")->items().size(), 11U);
  EXPECT_EQ(get(bulk + "&max_results=2").json.find("metrics")->items().size(), 2U);
  EXPECT_EQ(get("metrics/get-history-bulk?metric_key=m").status, 400);
  EXPECT_EQ(get("metrics/get-history-bulk?run_id=" + a).status, 400);
}

TEST_F(Calls, DatasetsOfExperiments) {
  const std::string run = new_run();
  const std::string body = R"({"run_id":")" + run + R"(","datasets":[
      {"tags":[{"key":"mlflow.data.context","value":"training"}],
       "dataset":{"name":"d","digest":"1","source_type":"s","source":"x"}},
      {"dataset":{"name":"d","digest":"2","source_type":"s","source":"x"}}]})";
  EXPECT_EQ(post("runs/log-inputs", body).status, 200);
  const Answer got = post("experiments/search-datasets", R"({"experiment_ids":["0","1"]})");
  EXPECT_EQ(got.at({"dataset_summaries", "0", "context"}), "training");
  EXPECT_EQ(got.at({"dataset_summaries", "1", "digest"}), "2");
  EXPECT_EQ(got.at({"dataset_summaries", "1", "context"}), "absent");
}

TEST_F(Calls, ASourceBelongsToTheRunThatIsNamed) {
  const std::string run = new_run();
  const std::string by = R"(,"run_id":")" + run + R"(")";
  const std::string own = "mlflow-artifacts:/0/" + run + "/artifacts";
  post("registered-models/create", R"({"name":"m"})");
  const auto source = [](const std::string& text) { return R"("source":")" + text + R"(")"; };
  struct Case {
    std::string body;
    int status;
  };
  const Case cases[] = {
      {source("runs:/" + run + "/m") + by, 200},
      {source(own + "/m") + by, 200},
      {source("s3://bucket/m"), 200},
      {source("runs:/none/m") + R"(,"run_id":"none")", 200},
      {source("runs:/" + run + "/m"), 400},
      {source("runs://host/" + run + "/m") + by, 400},
      {source("mlflow-artifacts:/0/other/artifacts/m") + by, 400},
      {source(own + "/m"), 400},
      {source(own + "/%2e%2e/%2e%2e/x") + by, 400},
      {source("s3://bucket/../x"), 400},
      {source("s3:relative"), 400},
      {source("/etc/passwd"), 400},
      {source("/etc/passwd") + by, 400},
      {source("file:///etc/passwd") + by, 400},
      {source("file://other/x") + by, 500},
      {source("models:/m-1"), 400},
      {source("prompt") + R"(,"tags":[{"key":"mlflow.prompt.is_prompt","value":"true"}])", 400},
      {source("prompt-template") + R"(,"tags":[{"key":"mlflow.prompt.is_prompt","value":"true"}])",
       200},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.body);
    EXPECT_EQ(version(c.body).status, c.status);
  }
}

TEST_F(Calls, WhatIsNotOfferedSaysSo) {
  for (const char* line :
       {"POST /api/3.0/mlflow/datasets/create", "GET /ajax-api/3.0/mlflow/scorers/list",
        "GET /api/3.0/mlflow/gateway/endpoints/list", "POST /graphql",
        "PATCH /api/3.0/mlflow/issues/1", "DELETE /api/3.0/mlflow/label-schemas/delete"}) {
    const Answer got = call(line, "{}");
    EXPECT_EQ(got.status, 501) << line;
    EXPECT_EQ(got.at({"error_code"}), "NOT_IMPLEMENTED") << line;
  }
}

TEST_F(Calls, GrantsOfWhatIsNotOfferedAreNoCalls) {
  for (const char* line : {"GET /api/3.0/mlflow/scorers/permissions/get",
                           "PATCH /api/3.0/mlflow/scorers/permissions/update",
                           "POST /ajax-api/3.0/mlflow/gateway/secrets/permissions/create"})
    EXPECT_EQ(call(line, "{}").status, 404) << line;
}

TEST_F(Calls, AUserIsMadeByAForm) {
  const std::string body = call("GET /signup").body;
  const std::string mark = R"(name="csrf_token" value=")";
  const size_t at = body.find(mark);
  ASSERT_NE(at, body.npos);
  const std::string token =
      body.substr(at + mark.size(), body.find('"', at + mark.size()) - at - mark.size());
  struct Case {
    std::string form;
    int status;
    const char* says;
  };
  const std::string good = "username=a%3Cb&password=twelve+letters&csrf_token=";
  std::string other = token;
  other.back() = other.back() == '0' ? '1' : '0';
  const Case cases[] = {
      {"username=x&password=twelve+letters", 400, "The CSRF token is missing"},
      {good + other, 400, "The CSRF token is invalid"},
      {good + "1." + token.substr(token.find('.') + 1), 400, "The CSRF token is invalid"},
      {"username=&password=twelve+letters&csrf_token=" + token, 400, "cannot be empty"},
      {"username=x&password=short&csrf_token=" + token, 400, "at least 12 characters"},
      {"username=anna&password=twelve+letters&csrf_token=" + token, 200,
       "Successfully signed up user: anna"},
      {"username=anna&password=twelve+letters&csrf_token=" + token, 409,
       "Username has already been taken: anna"},
  };
  for (const Case& c : cases) {
    const auto got =
        call("POST /api/2.0/mlflow/users/create-ui", c.form, "application/x-www-form-urlencoded");
    EXPECT_EQ(got.status, c.status) << c.form;
    EXPECT_NE(got.body.find(c.says), got.body.npos) << got.body;
  }
  const auto marked = call("POST /api/2.0/mlflow/users/create-ui", good + token,
                           "application/x-www-form-urlencoded");
  EXPECT_EQ(marked.body.find("a<b"), marked.body.npos);
  EXPECT_EQ(call("POST /api/2.0/mlflow/users/create-ui", "{}").status, 400);
}

TEST_F(Calls, AModelLoggedTheOldWayIsATagOfItsRun) {
  const std::string run = new_run();
  const auto log_model = [&](const std::string& model) {
    return post("runs/log-model",
                codec::to_json(codec::Json::object({{"run_id", run}, {"model_json", model}})));
  };
  const std::string model =
      R"({"artifact_path":"m","flavors":{"f":{"config":"long","v":1}},"utc_time_created":"t",)"
      R"("run_id":"x","more":1})";
  EXPECT_EQ(log_model(model).status, 200);
  EXPECT_EQ(log_model(model).status, 200);
  const std::string one = R"({"run_id": "x", "artifact_path": "m", "utc_time_created": "t", )"
                          R"("flavors": {"f": {"v": 1}}})";
  EXPECT_EQ(get("runs/get?run_id=" + run).at({"run", "data", "tags", "0", "value"}),
            concat({"[", one, ", ", one, "]"}));
  EXPECT_EQ(log_model("{").status, 400);
  EXPECT_NE(log_model("{}").at({"message"}).find("missing mandatory fields"), std::string::npos);
}

}  // namespace
}  // namespace slip::wire::mlflow
