#include <gtest/gtest.h>

#include "base/text.h"
#include "notify/events.h"
#include "test/wire/mlflow_world.h"

// MLflow's webhook calls, and what MLflow's own registry calls make of them.
namespace slip::wire::mlflow {
namespace {

using test::Answer;

constexpr std::string_view kEvents =
    R"("events":[{"entity":"REGISTERED_MODEL","action":"CREATED"},{"entity":2,"action":"CREATED"},
       {"entity":"MODEL_VERSION_TAG","action":"SET"},{"entity":"PROMPT","action":"CREATED"},
       {"entity":"MODEL_VERSION_ALIAS","action":"CREATED"},
       {"entity":"PROMPT_TAG","action":"SET"}])";

class WebhookCalls : public test::MlflowWire {
 protected:
  Answer make(std::string_view rest = kEvents) {
    return post("webhooks", concat({R"({"name":"ci","url":"https://hooks.example/x","secret":"k",)",
                                    rest, "}"}));
  }
  std::vector<std::string> told() {
    while (webhooks.collect().value()) {}
    for (auto due = webhooks.claim().value(); !due.empty(); due = webhooks.claim().value())
      for (const notify::Due& one : due) EXPECT_TRUE(webhooks.attempt(one).value());
    std::vector<std::string> out;
    for (const notify::Outgoing& one : receiver.sent) {
      const codec::Json body = codec::parse_json(one.body).value();
      out.push_back(concat({body.find("entity")->as_string(), ".", body.find("action")->as_string(),
                            " ", codec::to_json(*body.find("data"))}));
    }
    receiver.sent.clear();
    return out;
  }
};

TEST_F(WebhookCalls, AreReadBackAndChanged) {
  const Answer made = make();
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(made.body.find("secret"), std::string::npos) << made.body;
  EXPECT_EQ(made.at({"webhook", "status"}), "ACTIVE");
  EXPECT_EQ(made.at({"webhook", "description"}), "absent");
  EXPECT_EQ(made.at({"webhook", "events", "1", "entity"}), "MODEL_VERSION");
  const std::string path = "webhooks/" + made.at({"webhook", "webhook_id"});
  EXPECT_EQ(get(path).body, made.body);
  EXPECT_EQ(get("webhooks").at({"webhooks", "0", "name"}), "ci");
  const Answer changed = call(concat({"PATCH /ajax-api/2.0/mlflow/", path}),
                              R"({"status":"DISABLED","description":"d","name":""})");
  EXPECT_EQ(changed.at({"webhook", "status"}), "DISABLED");
  EXPECT_EQ(changed.at({"webhook", "description"}), "d");
  EXPECT_EQ(changed.at({"webhook", "name"}), "ci");
  EXPECT_EQ(changed.at({"webhook", "events", "5", "entity"}), "PROMPT_TAG");
  EXPECT_EQ(call(concat({"DELETE /api/2.0/mlflow/", path})).body, "{}");
  EXPECT_EQ(get(path).at({"error_code"}), "RESOURCE_DOES_NOT_EXIST");
  EXPECT_EQ(get("webhooks").at({"webhooks"}), "absent");
}

TEST_F(WebhookCalls, KeepTheOrderOfTheirEvents) {
  const std::string path = "webhooks/" + make().at({"webhook", "webhook_id"});
  const Answer changed = call(concat({"PATCH /api/2.0/mlflow/", path}),
                              R"({"events":[{"entity":"PROMPT","action":"CREATED"},
                                  {"entity":"MODEL_VERSION","action":"CREATED"},
                                  {"entity":"PROMPT","action":"CREATED"},
                                  {"entity":"REGISTERED_MODEL","action":"CREATED"}]})");
  EXPECT_EQ(changed.at({"webhook", "events", "0", "entity"}), "PROMPT");
  EXPECT_EQ(changed.at({"webhook", "events", "1", "entity"}), "MODEL_VERSION");
  EXPECT_EQ(changed.at({"webhook", "events", "2", "entity"}), "REGISTERED_MODEL");
  EXPECT_EQ(changed.at({"webhook", "events", "3", "entity"}), "absent");
  EXPECT_EQ(get(path).body, changed.body);
}

TEST_F(WebhookCalls, RefuseInMlflowsWords) {
  struct Case {
    std::string_view rest;
    std::string_view message;
  };
  const Case cases[] = {
      {R"("x":1)", "Missing value for required parameter 'events'."},
      {R"("events":[])", "Webhook events must be a non-empty list of WebhookEvent objects: []."},
      {R"("events":[{"entity":"REGISTERED_MODEL","action":"UPDATED"}])",
       "Invalid action 'updated' for entity 'registered_model'. Valid actions are: ['created']"},
      {R"("events":[{"entity":"PROMPT_TAG","action":"CREATED"}])",
       "Invalid action 'created' for entity 'prompt_tag'. Valid actions are: ['deleted', 'set']"},
      {R"("events":[{"entity":"STAGE","action":"SET"}])", "Invalid value \"STAGE\" for parameter"},
      {R"("events":[{"entity":"PROMPT"}])", "Missing value for required parameter 'action'."},
  };
  for (const Case& c : cases) {
    const Answer got = make(c.rest);
    EXPECT_EQ(got.status, 400) << got.body;
    EXPECT_EQ(got.at({"error_code"}), "INVALID_PARAMETER_VALUE");
    EXPECT_TRUE(got.at({"message"}).starts_with(c.message)) << got.body;
  }
  const Answer plain =
      post("webhooks", concat({R"({"name":"a","url":"http://a.example",)", kEvents, "}"}));
  EXPECT_EQ(plain.at({"message"}),
            "Invalid webhook URL scheme: 'http'. Allowed schemes are: https.");
  EXPECT_EQ(get("webhooks?max_results=1001").at({"message"}),
            "max_results must be between 1 and 1000.");
  EXPECT_EQ(get("webhooks/none").at({"message"}), "Webhook with ID none not found.");
}

TEST_F(WebhookCalls, ATestSendsAnExample) {
  const std::string path = concat({"webhooks/", make().at({"webhook", "webhook_id"}), "/test"});
  const Answer got = post(path, R"({"event":{"entity":"PROMPT","action":"CREATED"}})");
  EXPECT_EQ(got.at({"result", "success"}), "true") << got.body;
  EXPECT_EQ(got.at({"result", "response_status"}), "200");
  EXPECT_EQ(got.at({"result", "response_body"}), "thanks");
  EXPECT_EQ(told()[0],
            R"(prompt.created {"name":"example_prompt","tags":{"example_key":"example_value"},)"
            R"("description":"An example prompt"})");
  EXPECT_EQ(post(path, "{}").status, 200);
  EXPECT_TRUE(told()[0].starts_with("registered_model.created"));
}

TEST_F(WebhookCalls, HearWhatTheRegistryDoes) {
  make();
  post("registered-models/create",
       R"({"name":"m","description":"","tags":[{"key":"k","value":"v"}]})");
  post("model-versions/create", R"({"name":"m","source":"s3://b/x"})");
  post("model-versions/set-tag", R"({"name":"m","version":"1","key":"a","value":"b"})");
  post("registered-models/set-tag", R"({"name":"m","key":"a","value":"b"})");
  post("registered-models/alias", R"({"name":"m","alias":"best","version":"1"})");
  post("registered-models/create",
       R"({"name":"p","tags":[{"key":"mlflow.prompt.is_prompt","value":"true"}]})");
  post("registered-models/set-tag", R"({"name":"p","key":"a","value":"b"})");
  const std::vector<std::string> want = {
      R"(registered_model.created {"name":"m","tags":{"k":"v"},"description":""})",
      R"(model_version.created {"name":"m","version":"1","source":"s3://b/x",)"
      R"("run_id":null,"tags":{},"description":null})",
      R"(model_version_tag.set {"name":"m","version":"1","key":"a","value":"b"})",
      R"(model_version_alias.created {"name":"m","alias":"best","version":"1"})",
      R"(prompt.created {"name":"p","tags":{},"description":null})",
      R"(prompt_tag.set {"name":"p","key":"a","value":"b"})",
  };
  EXPECT_EQ(told(), want);
}

// A value that no event holds is told as far as it goes, and that it was cut.
TEST_F(WebhookCalls, LongTextsAreCut) {
  make();
  post("registered-models/create", R"({"name":"m"})");
  post("model-versions/create", R"({"name":"m","source":"s3://b/x"})");
  told();
  const std::string value(100'000, 'v');
  EXPECT_EQ(post("model-versions/set-tag",
                 concat({R"({"name":"m","version":"1","key":"a","value":")", value, "\"}"}))
                .status,
            200);
  const std::vector<std::string> got = told();
  ASSERT_EQ(got.size(), 1U);
  EXPECT_LT(got[0].size(), size_t{64 << 10});
  EXPECT_TRUE(got[0].ends_with(R"("truncated":true})"));
}

TEST_F(WebhookCalls, OwnEventsStayOutOfMlflowsSight) {
  notify::Webhook own;
  own.name = "own";
  own.url = "https://hooks.example/y";
  own.events = {"stage.transitioned"};
  webhooks.create(ctx, own).value();
  EXPECT_EQ(get("webhooks").at({"webhooks"}), "absent");
  own.events = {"stage.transitioned", "model_version.created"};
  const std::string uid = webhooks.create(ctx, own).value().uid;
  EXPECT_EQ(get("webhooks").at({"webhooks", "0", "events", "1"}), "absent");
  const Answer changed = call(concat({"PATCH /api/2.0/mlflow/webhooks/", uid}),
                              R"({"events":[{"entity":"REGISTERED_MODEL","action":"CREATED"}]})");
  EXPECT_EQ(changed.at({"webhook", "events", "0", "entity"}), "REGISTERED_MODEL");
  const std::vector<std::string> want = {"registered_model.created", "stage.transitioned"};
  EXPECT_EQ(webhooks.get(ctx, uid).value().events, want);
}

}  // namespace
}  // namespace slip::wire::mlflow
