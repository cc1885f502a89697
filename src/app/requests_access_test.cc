#include "test/app/objects_world.h"

// What somebody who may reach one model only sees of requests, actions and the timeline.
namespace slip::app {
namespace {

class RequestsAccessTest : public ObjectsWorld {};

TEST_F(RequestsAccessTest, RequestsAndActionsOfSomeModels) {
  const std::string own = "/api/slipway/v1/";
  for (const Objects* o : {&open_, &secret_})
    must(Method::kPost, own + "models/" + o->name + "/versions/1/requests",
         R"({"to":"Production","comment":")" + o->name + R"("})");
  const std::string reader = caller("rea", on(open_, auth::Role::kRead));
  const std::string editor = caller("edi", on(open_, auth::Role::kEdit));
  const std::string manager = caller("man", on(open_, auth::Role::kManage));
  const std::string nobody = caller("nob", {});
  const auto get = [&](const std::string& token, const std::string& path, int status) {
    const http::ClientReply reply = call(token, Method::kGet, own + path);
    EXPECT_EQ(reply.status, status) << path << " " << reply.body;
    EXPECT_EQ(reply.body.find(concat({R"(")", kSecret})), std::string::npos) << reply.body;
    return codec::parse_json(reply.body).value();
  };
  // Those who ask see what waits for them: who may only read has nothing to say.
  struct Case {
    const std::string& token;
    const char* whose;
    size_t items;
  };
  const Case cases[] = {{reader, "all", 1},  {reader, "mine", 0},    {editor, "all", 1},
                        {editor, "mine", 0}, {editor, "waiting", 1}, {manager, "waiting", 1},
                        {nobody, "all", 0},  {nobody, "waiting", 0}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.whose);
    EXPECT_EQ(get(c.token, concat({"requests?whose=", c.whose}), 200).find("items")->items().size(),
              c.items);
  }
  for (const char* path : {"models/topsecret/requests", "models/topsecret/timeline",
                           "models/topsecret/versions/1", "models/topsecret/versions/1/explain",
                           "models/topsecret/versions/1/gate/envelope?check=scan"})
    for (const std::string* token : {&reader, &manager, &nobody}) get(*token, path, 404);
  // What each may do, and who could instead: only whom the model lets.
  const auto action = [&](const std::string& token, const std::string& name) {
    const Json version = get(token, "models/open/versions/1", 200);
    for (const Json& item : version.find("actions")->items()) {
      if (item.find("action")->as_string() != name) continue;
      std::string out = item.find("allowed")->as_bool() ? "allowed" : text(item, {"reason"});
      if (const Json* who = item.find("who"))
        for (const Json& one : who->items()) out += " " + one.as_string();
      return out;
    }
    return std::string("none");
  };
  EXPECT_EQ(action(reader, "approve"), "auth.forbidden edi man");
  EXPECT_EQ(action(editor, "approve"), "allowed");
  EXPECT_EQ(action(editor, "cancel"), "request.not_requester admin");
  EXPECT_EQ(action(editor, "promote"), "auth.forbidden");
  EXPECT_EQ(action(manager, "promote"), "model_version.gate_missing");
  EXPECT_EQ(action(admin_, "approve"), "model_version.own_work edi man");
  EXPECT_EQ(action(admin_, "reject"), "allowed");
  get(reader, "models/open/timeline", 200);
  get(reader, "models/open/timeline?at=yesterday", 400);
  get(reader, "models/open/timeline?kind=other", 400);
}

}  // namespace
}  // namespace slip::app
