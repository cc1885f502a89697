#include "notify/registry_events.h"

#include <set>

#include <gtest/gtest.h>

#include "base/text.h"

namespace slip::notify {
namespace {

// "NAME,NAME {data}"; "" when nobody is told.
std::string told(const char* verb, const char* body) {
  ledger::Event e;
  e.verb = verb;
  e.subject.name = "fraud";
  e.subject.version = "3";
  e.reason = "why <0.75>?";
  e.body = codec::parse_json(body).value();
  const auto what = registry_occurrence_of(e);
  return what ? concat({join(what->names, ","), " ", codec::to_json(what->data)}) : "";
}

TEST(RegistryEvents, SayWhatTheLedgerSays) {
  struct Case {
    const char* verb;
    const char* body;
    const char* want;
  };
  const Case cases[] = {
      {"registered_model.created", "{}",
       R"(REGISTERED_MODEL_CREATED {"model_name":"fraud",)"
       R"("text":"A new registered model 'fraud' was made."})"},
      {"registered_model.created", R"({"prompt":true})", ""},
      {"model_version.created", R"({"source":"s3://secret/place"})",
       R"(MODEL_VERSION_CREATED {"model_name":"fraud","version":"3",)"
       R"("text":"Version 3 of registered model 'fraud' was made."})"},
      {"model_version.created", R"({"prompt":true})", ""},
      {"model_version_tag.set", R"({"key":"k","value":"v"})",
       R"(MODEL_VERSION_TAG_SET {"model_name":"fraud","version":"3",)"
       R"("tags":[{"key":"k","value":"v"}],)"
       R"("text":"Version 3 of registered model 'fraud' got the tag 'k' => 'v'."})"},
      {"model_version_tag.set", R"({"prompt":true,"key":"k","value":"v"})", ""},
      {"comment.created", R"({"comment":"c1"})",
       R"(COMMENT_CREATED {"model_name":"fraud","version":"3","comment":"why <0.75>?",)"
       R"("text":"Version 3 of registered model 'fraud' got a comment."})"},
      {"stage.transitioned", R"({"from":"Staging","to":"Archived"})",
       R"(MODEL_VERSION_TRANSITIONED_TO_ARCHIVED,MODEL_VERSION_TRANSITIONED_STAGE )"
       R"({"model_name":"fraud","version":"3","to_stage":"Archived","from_stage":"Staging",)"
       R"("text":"Version 3 of registered model 'fraud' went from Staging to Archived."})"},
      {"stage.transitioned", R"({"from":"Staging","to":"QA"})",
       R"(MODEL_VERSION_TRANSITIONED_STAGE )"
       R"({"model_name":"fraud","version":"3","to_stage":"QA","from_stage":"Staging",)"
       R"("text":"Version 3 of registered model 'fraud' went from Staging to QA."})"},
      {"approval.requested", R"({"target":"Production","from":"None","requester":"u"})",
       R"(TRANSITION_REQUEST_TO_PRODUCTION_CREATED,TRANSITION_REQUEST_CREATED )"
       R"({"model_name":"fraud","version":"3","to_stage":"Production","from_stage":"None",)"
       R"("text":"Version 3 of registered model 'fraud' was asked to enter Production."})"},
      {"approval.requested", R"({"target":"QA"})",
       R"(TRANSITION_REQUEST_CREATED {"model_name":"fraud","version":"3","to_stage":"QA",)"
       R"("text":"Version 3 of registered model 'fraud' was asked to enter QA."})"},
      {"approval.granted", R"({"target":"QA"})", ""},
      {"comment.updated", "{}", ""},
      {"model_version_tag.deleted", R"({"key":"k"})", ""},
  };
  for (const Case& c : cases) EXPECT_EQ(told(c.verb, c.body), c.want) << c.verb << " " << c.body;
}

TEST(RegistryEvents, AnErasedEventStillSaysThatItHappened) {
  ledger::Event e;
  e.verb = "stage.transitioned";
  e.subject.version = "3";
  const auto what = registry_occurrence_of(e);
  ASSERT_TRUE(what);
  EXPECT_EQ(what->names, std::vector<std::string>{"MODEL_VERSION_TRANSITIONED_STAGE"});
}

TEST(RegistryEvents, EachHasAnExampleThatIsCalledSo) {
  std::set<std::string_view> names;
  for (const std::string_view name : registry_event_names()) {
    EXPECT_TRUE(is_registry_event(name));
    EXPECT_TRUE(names.insert(name).second);
    const RegistryOccurrence example = registry_example_of(name);
    EXPECT_TRUE(example.data.find("text")) << name;
    bool called = false;
    for (const std::string& one : example.names) called = called || one == name;
    EXPECT_TRUE(called) << name;
  }
  EXPECT_EQ(names.size(), 12U);
  EXPECT_FALSE(is_registry_event("model_version.created"));
  EXPECT_FALSE(is_registry_event(""));
}

}  // namespace
}  // namespace slip::notify
