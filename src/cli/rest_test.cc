#include "cli/rest.h"

#include <deque>

#include <gtest/gtest.h>

#include "base/text.h"
#include "codec/hash.h"
#include "sys/executor.h"
#include "sys/process.h"
#include "sys/sim/sim_fs.h"
#include "test/fake/clock.h"

namespace slip::cli {
namespace {

using codec::Json;

// A server that answers what it was told to, in order, and remembers what it was asked.
struct Script {
  std::deque<Result<Json>> answers;
  std::vector<std::string> asked;  // "POST /models/m/rollback {…}"
};

class ScriptedRemote final : public Remote {
 public:
  explicit ScriptedRemote(Script& script) : script_(script) {}
  Result<Json> call(http::Method method, std::string_view path, const Json* body) override {
    script_.asked.push_back(concat({http::method_name(method), " ", path, body ? " " : "",
                                    body ? codec::to_json(*body) : ""}));
    if (script_.answers.empty()) return Json::object();
    Result<Json> next = std::move(script_.answers.front());
    script_.answers.pop_front();
    return next;
  }
  Result<Json> upload(std::string_view path, http::Source& from, int64_t bytes) override {
    std::string text(static_cast<size_t>(bytes), '\0');
    text.resize(TRY(from.read(std::span(text.data(), text.size()))));
    const Json body = text;
    return call(http::Method::kPost, path, &body);
  }
  Status download(std::string_view path,
                  const std::function<Status(std::string_view)>& on_piece) override {
    script_.asked.push_back(concat({"GET ", path, " bytes"}));
    for (const std::string_view piece : {"some ", "bytes"}) TRY(on_piece(piece));
    return {};
  }
  Result<std::string> raw(http::Method method, std::string_view target,
                          const std::string& body) override {
    script_.asked.push_back(concat({http::method_name(method), " ", target, " raw ", body}));
    return std::string("raw answer");
  }

 private:
  Script& script_;
};

class Rest : public testing::Test {
 protected:
  int run(std::vector<std::string> words, std::vector<std::string> answers = {}) {
    script_ = {};
    out_ = err_ = "";
    for (const std::string& text : answers) script_.answers.push_back(codec::parse_json(text));
    return commands_.run(words, terminal_);
  }
  Rest() {
    const Machine machine{disk_, clock_, real_process(), real_executor()};
    add_rest_commands(commands_, machine, [this](const Call&) -> Result<std::unique_ptr<Remote>> {
      return std::unique_ptr<Remote>(std::make_unique<ScriptedRemote>(script_));
    });
  }

  sim::SimFs disk_{1};
  test::FakeClock clock_;
  Script script_;
  std::string out_;
  std::string err_;
  Terminal terminal_{[this](std::string_view t) { out_ += t; },
                     [this](std::string_view t) { err_ += t; }, false};
  Commands commands_{{{"json", "", "JSON"}, {"project", "NAME", "project"}}};
};

TEST_F(Rest, CommandsAskForWhatTheySay) {
  struct Case {
    std::vector<std::string> words;
    const char* asked;
  };
  const Case cases[] = {
      {{"exp", "show", "7"}, "GET /api/2.0/mlflow/experiments/get?experiment_id=7 raw "},
      {{"exp", "show", "a b"},
       "GET /api/2.0/mlflow/experiments/get-by-name?experiment_name=a%20b raw "},
      {{"exp", "create", "e", "--artifacts", "s3://b"},
       R"(POST /api/2.0/mlflow/experiments/create raw {"name":"e","artifact_location":"s3://b"})"},
      {{"runs", "show", "0123456789abcdef0123456789abcdef"},
       "GET /api/2.0/mlflow/runs/get?run_id=0123456789abcdef0123456789abcdef raw "},
      {{"status"}, "GET /status"},
      {{"token", "create", "--principal", "p", "--role", "use", "--project", "x", "--expires-days",
        "1"},
       "POST /tokens "
       R"({"principal":"p","role":"use","project":"x","expires_ms":1700086400000})"},
      {{"token", "revoke", "i"}, "DELETE /tokens/i"},
      {{"whoami"}, "GET /whoami"},
      {{"principal", "list"}, "GET /principals"},
      {{"api", "get", "models"}, "GET /api/slipway/v1/models raw "},
      {{"api", "POST", "/x", "{}"}, "POST /x raw {}"},
      {{"model", "show", "a b"}, "GET /models/a%20b"},
      {{"model", "show", "m", "3"}, "GET /models/m/versions/3"},
      {{"model", "approve", "m", "3", "--comment", "ok"},
       R"(POST /models/m/versions/3/approve {"comment":"ok"})"},
      {{"model", "reject", "m", "3"}, R"(POST /models/m/versions/3/reject {"comment":""})"},
      {{"model", "promote", "m", "3"},
       R"(POST /models/m/versions/3/promote {"stage":"Production"})"},
      {{"model", "rollback", "m", "--reason", "bad"},
       R"(POST /models/m/rollback {"reason":"bad"})"},
      {{"deploy", "apply", "d", "--model", "m", "--alias", "champion", "--log-ack", "disk"},
       R"(PUT /deployments/d {"model":"m","alias":"champion","log_ack":"disk"})"},
      {{"deploy", "apply", "d", "--model", "m", "--version", "3", "--cache-ttl-ms", "500"},
       R"(PUT /deployments/d {"model":"m","version":3,"cache_ttl_ms":500})"},
      {{"async", "result", "i"}, "GET /v2/async/i/result raw "},
      {{"deploy", "canary", "d", "--version", "3", "--weight", "0.25", "--alpha", "0.05"},
       R"(POST /deployments/d/canary {"version":3,"weight":0.25,)"
       R"("guard":{"kind":"label_errors","alpha":0.05}})"},
      {{"deploy", "canary", "d", "--version", "3", "--no-guard"},
       R"(POST /deployments/d/canary {"version":3,"weight":0.1})"},
      {{"deploy", "promote", "d"}, "POST /deployments/d/canary/promote {}"},
      {{"deploy", "rollback", "d", "--reason", "x"},
       R"(POST /deployments/d/rollback {"reason":"x"})"},
      {{"deploy", "delete", "d"}, "DELETE /deployments/d"},
      {{"monitor", "drift", "d", "--limit", "7"}, "GET /deployments/d/drift?limit=7"},
      {{"ledger", "list", "--desc", "--verb", "run.created"},
       "GET /ledger?limit=50&order=desc&verb=run.created"},
      {{"token", "create", "--principal", "p", "--role", "read"},
       R"(POST /tokens {"principal":"p","role":"read"})"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.asked);
    run(c.words);
    ASSERT_EQ(script_.asked.size(), 1U) << err_;
    EXPECT_EQ(script_.asked[0], c.asked);
  }
}

TEST_F(Rest, ListsAreReadToTheirEnd) {
  const std::vector<std::string> pages = {
      R"({"items":[{"name":"a","versions_count":2}],"next_page_token":"x/1"})",
      R"({"items":[{"name":"b","stages":{"Production":3}}]})"};
  EXPECT_EQ(run({"model", "list"}, pages), 0);
  EXPECT_EQ(script_.asked[1], "GET /models?page_token=x%2F1");
  EXPECT_EQ(out_, "a\t-\t2\t-\t-\t-\nb\t3\t-\t-\t-\t-\n");
  EXPECT_EQ(run({"model", "list", "--json"}, pages), 0);
  EXPECT_EQ(out_,
            "{\"items\":[{\"name\":\"a\",\"versions_count\":2},"
            "{\"name\":\"b\",\"stages\":{\"Production\":3}}]}\n");
  EXPECT_EQ(run({"alert", "list", "--deployment", "d"},
                {R"({"items":[],"next_page_token":"y"})", R"({"items":[]})"}),
            0);
  EXPECT_EQ(script_.asked[1], "GET /alerts?deployment=d&page_token=y");
}

TEST_F(Rest, AnEndlessListEnds) {
  script_ = {};
  class Endless final : public Remote {
   public:
    Result<Json> call(http::Method, std::string_view, const Json*) override {
      return codec::parse_json(R"({"items":[],"next_page_token":"again"})");
    }
    Result<Json> upload(std::string_view, http::Source&, int64_t) override {
      return Json::object();
    }
  } remote;
  EXPECT_EQ(remote.all("/models").error().reason, "list.too_long");
}

TEST_F(Rest, AFailedGateIsItsOwnExitCode) {
  const std::string check =
      R"({"name":"accuracy >= 0.75","value":0.61234567,"threshold":0.75,"passed":false,)"
      R"("detail":"too low"})";
  const std::vector<std::string> words = {"model", "gate", "m", "1", "--floor", "accuracy=0.75"};
  EXPECT_EQ(run(words, {R"({"passed":false,"checks":[)" + check + "]}"}), kExitGate);
  EXPECT_EQ(out_, "accuracy >= 0.75\t0.6123\t0.75\tno\ttoo low\n");
  EXPECT_EQ(script_.asked[0],
            R"(POST /models/m/versions/1/gate {"checks":[{"kind":"floor","metric":"accuracy",)"
            R"("min":0.75}]})");
  EXPECT_EQ(run({"model", "gate", "m", "1", "--champion", "a=0.01, b=0"},
                {R"({"passed":true,"checks":[]})"}),
            0);
  EXPECT_NE(script_.asked[0].find(R"("metric":"b","max_regression":0)"), std::string::npos);
}

TEST_F(Rest, WrongWordsAskNothing) {
  const std::vector<std::vector<std::string>> wrong = {
      {"model", "gate", "m", "1", "--floor", "accuracy"},
      {"model", "policy", "m", "--drop"},
      {"run", "--out", "/abs", "--", "true"},
      {"run", "--param", "novalue", "--", "true"},
      {"run"},
      {"runs", "list", "--limit", "0"},
      {"runs", "diff", "a"},
      {"model", "request", "m", "1", "--hours", "0"},
      {"model", "request", "m", "1", "--rollback-to", "last"},
      {"gate", "waive", "m", "1", "floor:a", "--reason", "x", "--days", "999"},
      {"gate", "waive", "m", "1", "floor:a"},
      {"model", "evidence", "m", "1", "--holdout", "h", "--predictions", "p@1"},
      {"model", "gate", "m", "one", "--floor", "a=1"},
      {"model", "rollback", "m"},
      {"deploy", "canary", "d", "--version", "3", "--weight", "much"},
      {"deploy", "apply", "d", "--model", "m", "--version", "new"},
  };
  for (const auto& words : wrong) {
    SCOPED_TRACE(words.back());
    EXPECT_EQ(run(words), kExitUsage);
    EXPECT_TRUE(script_.asked.empty());
  }
}

TEST_F(Rest, WhatIsAskedOfGovernance) {
  ASSERT_TRUE(disk_.make_dirs("/f").ok());
  const auto write = [&](const std::string& path, std::string_view text) {
    ASSERT_TRUE(disk_.open(path, OpenMode::kTruncate).value()->write_at(0, text).ok());
  };
  write("/f/policy.yaml", "approvals: 2\nchecks:\n  - {kind: scan}\n");
  write("/f/tests.yaml", "model: m\ntests:\n  - {name: t}\n");
  struct Case {
    std::vector<std::string> words;
    const char* asked;
  };
  const Case cases[] = {
      {{"model", "policy", "m", "@s", "--file", "/f/policy.yaml"},
       R"(PUT /models/m/policies/%40s {"approvals":2,"checks":[{"kind":"scan"}]})"},
      {{"model", "policy", "m", "QA", "--drop"}, "DELETE /models/m/policies/QA"},
      {{"model", "request", "m", "2", "--rollback-to", "1", "--hours", "2"},
       R"(POST /models/m/versions/2/requests {"to":"Production","comment":"",)"
       R"("rollback_to":1,"ttl_ms":7200000})"},
      {{"model", "approve", "m", "2", "--to", "QA", "--apply"},
       R"(POST /models/m/versions/2/approve {"comment":"","to":"QA","apply":true})"},
      {{"model", "cancel", "m", "2"},
       R"(POST /models/m/versions/2/requests/cancel {"to":"Production","comment":""})"},
      {{"model", "inbox"}, "GET /requests?whose=waiting"},
      {{"model", "inbox", "--mine", "--state", "open"}, "GET /requests?whose=mine&state=open"},
      {{"model", "history", "m", "--at", "2026-11-23"}, "GET /models/m/timeline?at=2026-11-23"},
      {{"model", "history", "m", "--kind", "alias"}, "GET /models/m/timeline?kind=alias"},
      {{"model", "show", "m@2", "--to", "QA"}, "GET /models/m/versions/2?to=QA"},
      {{"model", "show", "m@champion"}, "GET /models/m"},
      {{"model", "evidence", "m", "2", "--holdout", "h@3", "--predictions", "p@1"},
       R"(POST /models/m/versions/2/evidence {"dataset":"h","dataset_version":3,)"
       R"("predictions_dataset":"p","predictions_version":1})"},
      {{"model", "test", "/f/tests.yaml", "m", "4"},
       R"(POST /models/m/versions/4/tests {"tests":[{"name":"t"}]})"},
      {{"gate", "run", "m", "2"}, "POST /models/m/versions/2/gate {}"},
      {{"gate", "explain", "m", "2", "--to", "QA"}, "GET /models/m/versions/2/explain?to=QA"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.asked);
    run(c.words, {R"({"items":[],"passed":true,"ready":true})"});
    ASSERT_FALSE(script_.asked.empty()) << err_;
    EXPECT_EQ(script_.asked[0], c.asked);
  }
  EXPECT_EQ(run({"model", "show", "m@champion"}, {R"({"aliases":{"champion":7}})"}), 0);
  EXPECT_EQ(script_.asked.at(1), "GET /models/m/versions/7");
  EXPECT_EQ(run({"model", "show", "m@other"}, {R"({"aliases":{"champion":7}})"}), 3);
  EXPECT_EQ(run({"gate", "explain", "m", "2"}, {R"({"ready":false})"}), kExitGate);
  EXPECT_EQ(run({"model", "test", "/f/tests.yaml", "m", "4"}, {R"({"passed":false})"}), kExitGate);
}

TEST_F(Rest, AGateIsExplainedInTables) {
  const std::string told =
      R"({"ready":true,"conditions":[{"condition":"gate","ok":true,"detail":"fine"}],)"
      R"("checks":[{"name":"holdout:auc","value":0.91,"threshold":0.9,"champion_value":0.9,)"
      R"("difference":0.01,"lower":-0.02,"upper":0.04,"p":0.7,"n":200,"passed":true,)"
      R"("detail":"better","waiver":{"reason":"drill","expires_ms":5},)"
      R"("slices":[{"slice":"north","value":0.8,"lower":-0.1,"n":40,"state":"passed"}],)"
      R"("files":[{"role":"holdout","dataset":"h","version":1,"digest":"sha256:aa"}],)"
      R"("signature":{"keyid":"k1","payload_type":"t","digest":"sha256:bb","verified":true}}],)"
      R"("actions":[{"action":"approve","to":"Production","allowed":false,)"
      R"("reason":"model_version.own_work","detail":"who made it","who":["bob","eve"]}]})";
  EXPECT_EQ(run({"gate", "explain", "m", "2"}, {told}), 0);
  EXPECT_EQ(out_,
            "gate\tyes\tfine\n\n"
            "holdout:auc\t0.91\t0.9\t0.9\t0.01\t-0.02\t0.04\t0.7\t200\tyes\t5\tdrill\tbetter\n\n"
            "holdout:auc\tnorth\t0.8\t-\t-\t-0.1\t-\t-\t40\tpassed\n\n"
            "holdout:auc\tholdout\th\t1\tsha256:aa\n\n"
            "holdout:auc\tyes\t-\tt\tk1\tsha256:bb\n\n"
            "approve\tProduction\tno\tmodel_version.own_work\twho made it\tbob, eve\n");
}

TEST_F(Rest, DriftIsARowForEachFeature) {
  const std::string page =
      R"({"items":[{"window":4,"features":[{"name":"x","psi":0.12345,"js":null,"alarm":false},)"
      R"({"name":"y","psi":2.5,"js":0.1,"alarm":true}]},{"window":5}]})";
  EXPECT_EQ(run({"monitor", "drift", "d"}, {page}), 0);
  EXPECT_EQ(out_, "4\tx\t0.1235\t-\tno\n4\ty\t2.5\t0.1\tyes\n");
}

TEST_F(Rest, ATokenIsPrintedBare) {
  EXPECT_EQ(run({"token", "create", "--principal", "p", "--role", "read"},
                {R"({"token":"slp_x","id":"1"})"}),
            0);
  EXPECT_EQ(out_, "slp_x\n");
}

TEST(Remote, AnswersBecomeErrors) {
  struct Case {
    int status;
    const char* body;
    Code code;
    const char* reason;
    const char* text;
  };
  const Case cases[] = {
      {404, R"({"code":"model.not_found","detail":"no m"})", Code::kNotFound, "model.not_found",
       "no m"},
      {409, R"({"code":"x","title":"Conflict"})", Code::kConflict, "x", "Conflict"},
      {404, R"({"error_code":"RESOURCE_DOES_NOT_EXIST","message":"no run"})", Code::kNotFound,
       "mlflow.resource_does_not_exist", "no run"},
      {400, R"({"error_code":"RESOURCE_ALREADY_EXISTS","message":"there"})", Code::kExists,
       "mlflow.resource_already_exists", "there"},
      {400, "not json", Code::kInvalid, "server.status_400", "the server answered 400"},
      {403, "[]", Code::kForbidden, "server.status_403", "the server answered 403"},
      {401, "", Code::kUnauthorized, "server.status_401", "the server answered 401"},
      {503, "{}", Code::kUnavailable, "server.status_503", "the server answered 503"},
      {500, R"({"code":7,"detail":[]})", Code::kInternal, "server.status_500",
       "the server answered 500"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.body);
    const Error error = error_of(c.status, c.body);
    EXPECT_EQ(error.code, c.code);
    EXPECT_EQ(error.reason, c.reason);
    EXPECT_EQ(error.text, c.text);
  }
  EXPECT_EQ(error_of(409, R"({"code":"c","hint":"do"})").hint, "do");
}

TEST_F(Rest, ArchiveGetKeepsOnlyWhatHasTheDigest) {
  const std::string good = concat({R"({"digest":")", codec::sha256("some bytes").text(), R"("})"});
  EXPECT_EQ(run({"archive", "get", "d", "3", "--out", "/a.parquet"}, {good}), 0) << err_;
  EXPECT_EQ(script_.asked, (std::vector<std::string>{"GET /deployments/d/parts/3",
                                                     "GET /deployments/d/parts/3/content bytes"}));
  EXPECT_EQ(read_file(disk_, "/a.parquet", 100).value(), "some bytes");
  EXPECT_EQ(run({"archive", "get", "d", "3", "--out", "/b.parquet"}, {R"({"digest":"sha256:0"})"}),
            8);
  EXPECT_FALSE(disk_.stat("/b.parquet").ok());
  EXPECT_FALSE(disk_.stat("/b.parquet.partial").ok());
  EXPECT_EQ(run({"archive", "list", "d", "--from-us", "5"}, {R"({"items":[]})"}), 0);
  EXPECT_EQ(script_.asked, (std::vector<std::string>{"GET /deployments/d/parts?from_us=5"}));
}

TEST_F(Rest, DataAddSendsTheFile) {
  ignore(disk_.open("/rows.csv", OpenMode::kTruncate).value()->write_at(0, "a\n1\n"), "in memory");
  EXPECT_EQ(run({"data", "add", "/rows.csv", "--name", "d", "--message", "x y"}), 0) << err_;
  ASSERT_EQ(script_.asked.size(), 1U);
  EXPECT_EQ(script_.asked[0], "POST /datasets/d/versions?format=csv&message=x%20y \"a\\n1\\n\"");
  EXPECT_EQ(run({"data", "add", "/missing.csv", "--name", "d"}), 3);
  EXPECT_EQ(run({"data", "add", "/rows.csv"}), kExitUsage);
  EXPECT_NE(run({"data", "add", "/rows.dat", "--name", "d"}), 0);
  EXPECT_EQ(run({"data", "show", "d", "--version", "2"}), 0);
  EXPECT_EQ(script_.asked, (std::vector<std::string>{"GET /datasets/d/versions/2"}));
}

}  // namespace
}  // namespace slip::cli
