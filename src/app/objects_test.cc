#include "test/app/objects_world.h"

// Rights on single objects, at every door of the whole server: two of everything, one called
// "topsecret", and callers who may reach the one and not the other.
namespace slip::app {
namespace {

class ObjectsTest : public ObjectsWorld {
 protected:
  static std::string value_of(std::string_view param, std::string_view path, const Objects& o) {
    if (param == "model_id") return o.logged_model_id;
    if (param == "trace_id") return o.trace_id;
    if (param == "version") return "1";
    if (param == "assessment_id") return "a-1";
    if (param == "id...") return o.prediction_id;
    if (param == "directory...") return o.experiment_id + "/" + o.run_id + "/artifacts";
    if (param == "path..." && path.find("mlflow-artifacts") != path.npos)
      return o.experiment_id + "/" + o.run_id + "/artifacts/" + o.name + ".txt";
    return o.name;
  }
  static std::string path_of(const http::Route& row, const Objects& o) {
    std::string out;
    std::string_view path = row.path;
    while (!path.empty()) {
      const size_t open = std::min(path.find('{'), path.size());
      out.append(path.substr(0, open));
      path.remove_prefix(open);
      if (path.empty()) break;
      const size_t close = path.find('}');
      out += value_of(path.substr(1, close - 1), row.path, o);
      path.remove_prefix(close + 1);
    }
    return out;
  }
  // Every field that some row reads, as query and as body.
  static std::string query_of(const Objects& o, std::string_view row) {
    const std::string file = row.ends_with("mlflow-artifacts/artifacts")
                                 ? concat({o.experiment_id, "/", o.run_id, "/artifacts"})
                                 : o.name + ".txt";
    return concat({"?experiment_id=",
                   o.experiment_id,
                   "&experiment_name=",
                   o.name,
                   "&model_name=",
                   o.name,
                   "&run_id=",
                   o.run_id,
                   "&model_id=",
                   o.logged_model_id,
                   "&run_uuid=",
                   o.run_id,
                   "&trace_id=",
                   o.trace_id,
                   "&request_id=",
                   o.trace_id,
                   "&trace_ids=",
                   o.trace_id,
                   "&name=",
                   o.name,
                   "&version=1&alias=latest&path=",
                   file,
                   "&artifact_file_path=x&metric_key=",
                   o.name,
                   "&deployment=",
                   o.name,
                   "&format=csv&limit=100"});
  }
  static std::string body_of(const Objects& o, std::string_view path) {
    if (path.ends_with("/infer")) return kInfer;
    if (path == "/invocations") return R"({"inputs":[[1,2,3]]})";
    const std::string experiment = R"("experiment_id":")" + o.experiment_id + R"(")";
    const std::string trace = R"("trace":{"trace_info":{"trace_id":")" + o.trace_id +
                              R"(","trace_location":{"mlflow_experiment":{)" + experiment + "}}}}";
    return concat({"{",
                   experiment,
                   R"(,"experiment_ids":[")",
                   o.experiment_id,
                   R"("],"model_name":")",
                   o.name,
                   R"(","run_id":")",
                   o.run_id,
                   R"(","model_id":")",
                   o.logged_model_id,
                   R"(","path":")",
                   o.name,
                   R"(.txt","name":")",
                   o.name,
                   R"(","version":1,"key":"k","value":"1","timestamp":1,"trace_ids":[")",
                   o.trace_id,
                   R"("],"request_ids":[")",
                   o.trace_id,
                   R"("],"max_results":100,)",
                   R"("locations":[{"mlflow_experiment":{)",
                   experiment,
                   R"(}}],"deployment":")",
                   o.name,
                   R"(","model":")",
                   o.name,
                   R"(","dataset":")",
                   o.name,
                   R"(","labels":[{"prediction_id":")",
                   o.prediction_id,
                   R"(","label":"1"}],)",
                   R"("metrics":[],"params":[],"tags":[],"source":"runs:/)",
                   o.run_id,
                   R"(/model","stage":"Staging","alias":"best","reason":"r","checks":[],)",
                   R"("model_json":"{}","new_name":"renamed","description":"d",)",
                   R"("role":"read","kind":"model","object":")",
                   o.model_uid,
                   R"(",)",
                   R"("assessment":{"assessment_name":"a"},)",
                   trace,
                   "}"});
  }
};

bool makes(const http::Route& row) { return row.permission.on == http::On::kNew; }
bool of_project(const http::Route& row) { return row.permission.on == http::On::kProject; }

// The generated test: no row tells or does anything about an object to who has no right to it,
// whether its grants leave the object out or deny it among all others.
TEST_F(ObjectsTest, NoRouteReachesAnObjectBesidesItsGrants) {
  std::vector<auth::Grant> all_but = on(secret_, auth::Role::kNone, true);
  all_but.push_back({"default", "", "*", "*", auth::Role::kManage, false});
  const std::pair<const char*, std::string> callers[] = {
      {"granted others", caller("ann", on(open_, auth::Role::kManage))},
      {"denied this one", caller("bob", all_but)}};
  experiment_header_ = secret_.experiment_id;
  int looked_at = 0;
  for (const http::Route& row : world_->server->rows()) {
    if (row.permission.right == http::Right::kPublic || of_project(row) || makes(row)) continue;
    if (row.path == "/api/slipway/v1/events") continue;  // A stream; below.
    for (const auto& [what, token] : callers) {
      SCOPED_TRACE(concat({http::method_name(row.method), " ", row.path, " ", what}));
      const bool reads = row.method == Method::kGet;
      const std::string target = path_of(row, secret_) + query_of(secret_, row.path);
      const http::ClientReply reply =
          call(token, row.method, target,
               row.body.kind == http::BodyKind::kNone ? "" : body_of(secret_, row.path));
      EXPECT_EQ(reply.body.find(secret_.run_id), std::string::npos) << reply.body;
      if (row.permission.on == http::On::kList || row.permission.on == http::On::kCaller) {
        EXPECT_EQ(reply.body.find(concat({"\"", kSecret})), std::string::npos) << reply.body;
        continue;
      }
      // In a project where one may do everything else, what isn't there may be made.
      EXPECT_TRUE(reply.status == 400 || reply.status == 403 || reply.status == 404 ||
                  reply.status == 501)
          << reply.status << " " << reply.body;
      EXPECT_TRUE(reads || reply.status != 200);
      ++looked_at;
    }
  }
  EXPECT_GT(looked_at, 200);
  // The same requests mean something: whoever may do everything reaches the objects.
  int reached = 0;
  for (const http::Route& row : world_->server->rows()) {
    if (row.method != Method::kGet || row.permission.right == http::Right::kPublic ||
        row.path == "/api/slipway/v1/events")
      continue;
    const http::ClientReply reply =
        call(admin_, row.method, path_of(row, secret_) + query_of(secret_, row.path));
    if (reply.status == 200 && reply.body.find(kSecret) != std::string::npos) ++reached;
  }
  EXPECT_GT(reached, 30);
}

// kinds × rights × routes: what each role on the object lets through.
TEST_F(ObjectsTest, EachRoleReachesWhatItNames) {
  struct Case {
    Method method;
    std::string path;
    const char* body;
    auth::Role want;
  };
  using auth::Role;
  const std::string api = "/api/2.0/mlflow/";
  const std::string own = "/api/slipway/v1/";
  const Objects& o = open_;
  const std::string experiment = R"({"experiment_id":")" + o.experiment_id + R"(")";
  const std::string run = R"({"run_id":")" + o.run_id + R"(")";
  const std::string model = R"({"name":")" + o.name + R"(")";
  const std::string artifacts =
      "/api/2.0/mlflow-artifacts/artifacts/" + o.experiment_id + "/" + o.run_id + "/artifacts/";
  std::vector<std::pair<Case, std::string>> cases;
  const auto add = [&](Role want, Method method, const std::string& path,
                       const std::string& body = "") {
    cases.push_back({{method, path, "", want}, body});
  };
  add(Role::kRead, Method::kGet, api + "experiments/get?experiment_id=" + o.experiment_id);
  add(Role::kRead, Method::kGet, api + "experiments/get-by-name?experiment_name=" + o.name);
  add(Role::kRead, Method::kGet, api + "runs/get?run_id=" + o.run_id);
  add(Role::kRead, Method::kGet, artifacts + "open.txt");
  add(Role::kRead, Method::kGet, "/get-artifact?path=open.txt&run_id=" + o.run_id);
  add(Role::kRead, Method::kGet, api + "logged-models/" + o.logged_model_id);
  add(Role::kRead, Method::kGet, "/api/3.0/mlflow/traces/" + o.trace_id);
  add(Role::kRead, Method::kGet, api + "registered-models/get?name=" + o.name);
  add(Role::kRead, Method::kGet, api + "model-versions/get?version=1&name=" + o.name);
  add(Role::kRead, Method::kGet, own + "models/" + o.name);
  add(Role::kRead, Method::kGet, own + "datasets/" + o.name + "/versions/1/content");
  add(Role::kRead, Method::kGet, own + "deployments/" + o.name);
  add(Role::kRead, Method::kGet, "/v2/models/" + o.name);
  add(Role::kUse, Method::kPost, "/v2/models/" + o.name + "/infer", kInfer);
  add(Role::kUse, Method::kPost, "/invocations?deployment=" + o.name, R"({"inputs":[[1,2,3]]})");
  add(Role::kEdit, Method::kPost, api + "experiments/set-experiment-tag",
      experiment + R"(,"key":"k","value":"v"})");
  add(Role::kEdit, Method::kPost, api + "runs/create", experiment + "}");
  add(Role::kEdit, Method::kPost, api + "runs/log-metric",
      run + R"(,"key":"k","value":1,"timestamp":1})");
  add(Role::kEdit, Method::kPost, api + "runs/log-batch", run + "}");
  add(Role::kEdit, Method::kPut, artifacts + "new.txt", "new");
  add(Role::kEdit, Method::kPost, api + "registered-models/set-tag",
      model + R"(,"key":"k","value":"v"})");
  add(Role::kEdit, Method::kPost, api + "model-versions/create",
      model + R"(,"source":"runs:/)" + o.run_id + R"(/model","run_id":")" + o.run_id + R"("})");
  add(Role::kEdit, Method::kPost, own + "datasets/" + o.name + "/versions?format=csv",
      "a,b\n3,4\n");
  add(Role::kManage, Method::kPut, own + "deployments/" + o.name,
      model.substr(0, 1) + R"("model":")" + o.name + R"(","version":1})");
  add(Role::kManage, Method::kPost, api + "runs/delete", run + "}");
  add(Role::kManage, Method::kPost, api + "runs/restore", run + "}");
  add(Role::kManage, Method::kDelete, artifacts + "new.txt");
  add(Role::kManage, Method::kPost, api + "experiments/delete", experiment + "}");
  add(Role::kManage, Method::kPost, api + "experiments/restore", experiment + "}");
  for (const Role role : {Role::kNone, Role::kRead, Role::kUse, Role::kEdit, Role::kManage}) {
    const std::string name = "p" + std::string(auth::role_name(role));
    const std::string token =
        caller(name, role == Role::kNone ? std::vector<auth::Grant>() : on(o, role));
    for (const auto& [c, body] : cases) {
      SCOPED_TRACE(concat({auth::role_name(role), " ", http::method_name(c.method), " ", c.path}));
      const http::ClientReply reply = call(token, c.method, c.path, body);
      const bool done = reply.status == 200 || reply.status == 201;
      const bool refused = reply.status == 403 || reply.status == 404;
      EXPECT_TRUE(role >= c.want ? done : refused) << reply.status << " " << reply.body;
    }
  }
}

// Pages are full and tokens lead on, though most rows belong to others.
TEST_F(ObjectsTest, ListsHoldWhatMayBeReadAndNothingElse) {
  const std::string api = "/api/2.0/mlflow/";
  std::vector<auth::Grant> grants;
  std::vector<std::string> mine;
  for (int i = 0; i < 20; ++i) {
    const std::string name = "e" + std::to_string(100 + i);
    const std::string id =
        text(must(Method::kPost, api + "experiments/create", R"({"name":")" + name + R"("})"),
             {"experiment_id"});
    if (i % 3 != 0) continue;
    mine.push_back(name);
    grants.push_back({"default", "", "experiment", id, auth::Role::kRead, false});
  }
  const std::string ann = caller("ann", grants);
  std::vector<std::string> seen;
  std::string page;
  int pages = 0;
  do {
    const http::ClientReply reply =
        call(ann, Method::kPost, api + "experiments/search",
             R"({"max_results":3,"order_by":["name ASC"],"page_token":")" + page + R"("})");
    const Json json = codec::parse_json(reply.body).value();
    const Json* items = json.find("experiments");
    ASSERT_TRUE(items) << reply.body;
    page = text(json, {"next_page_token"});
    EXPECT_TRUE(page.empty() || items->items().size() == 3u);
    for (const Json& e : items->items()) seen.push_back(text(e, {"name"}));
    ++pages;
  } while (!page.empty());
  EXPECT_EQ(seen, mine);
  EXPECT_EQ(pages, 3);

  std::vector<auth::Grant> some = on(open_, auth::Role::kRead);
  some.push_back({"default", "", "ledger", "*", auth::Role::kRead, false});
  const std::string one = caller("one", some);
  const std::pair<std::string, std::string> lists[] = {
      {"/api/slipway/v1/models", ""},
      {"/api/slipway/v1/datasets", ""},
      {"/api/slipway/v1/deployments", ""},
      {"/v2/models", ""},
      {"/api/slipway/v1/ledger?limit=1000", ""},
      {api + "registered-models/search", ""},
      {api + "model-versions/search", ""},
      {api + "runs/search", concat({R"({"experiment_ids":[")", open_.experiment_id, R"(",")",
                                    secret_.experiment_id, R"("]})"})},
      {"/api/slipway/v1/runs/search", concat({R"({"experiment_ids":[")", open_.experiment_id,
                                              R"(",")", secret_.experiment_id, R"("]})"})},
      {"/api/slipway/v1/runs/groups",
       concat({R"({"by":"tags.mlflow.runName","experiment_ids":[")", open_.experiment_id, R"(",")",
               secret_.experiment_id, R"("]})"})},
      {api + "logged-models/search", concat({R"({"experiment_ids":[")", open_.experiment_id,
                                             R"(",")", secret_.experiment_id, R"("]})"})}};
  for (const auto& [path, body] : lists) {
    SCOPED_TRACE(path);
    const http::ClientReply reply =
        call(one, body.empty() ? Method::kGet : Method::kPost, path, body);
    EXPECT_EQ(reply.status, 200) << reply.body;
    EXPECT_NE(reply.body.find(R"("open")"), std::string::npos) << reply.body;
    EXPECT_EQ(reply.body.find(kSecret), std::string::npos) << reply.body;
  }
  // A search of traces names its experiments: one that may not be read refuses it.
  const auto traces_in = [&](const std::string& also) {
    const std::string place = R"({"mlflow_experiment":{"experiment_id":")";
    return call(one, Method::kPost, "/api/3.0/mlflow/traces/search",
                concat({R"({"locations":[)", place, open_.experiment_id, R"("}})",
                        also.empty() ? "" : concat({",", place, also, R"("}})"}), "]}"}));
  };
  EXPECT_EQ(traces_in("").status, 200);
  EXPECT_EQ(traces_in(secret_.experiment_id).status, 403);
}

TEST_F(ObjectsTest, AWebhookOfAModelTakesItsManager) {
  const std::string api = "/api/2.0/mlflow/registry-webhooks/";
  const auto body = [](const std::string& name) {
    return concat(
        {"{", name.empty() ? "" : concat({R"("model_name":")", name, R"(",)"}),
         R"("events":["COMMENT_CREATED"],"http_url_spec":{"url":"https://h.example/x"}})"});
  };
  const auto make = [&](const std::string& token, const std::string& name) {
    return call(token, Method::kPost, api + "create", body(name));
  };
  const auto id_of = [&](const http::ClientReply& reply) {
    return text(codec::parse_json(reply.body).value(), {"webhook", "id"});
  };
  const std::string theirs = id_of(make(admin_, secret_.name));
  const std::string wide = id_of(make(admin_, ""));
  const std::string ann = caller("ann", on(open_, auth::Role::kManage));
  std::vector<auth::Grant> all_but = on(secret_, auth::Role::kNone, true);
  all_but.push_back({"default", "", "*", "*", auth::Role::kManage, false});
  const std::string bob = caller("bob", all_but);
  const std::string eve = caller("eve", on(open_, auth::Role::kEdit));
  for (const std::string& token : {ann, bob}) {
    const http::ClientReply made = make(token, open_.name);
    ASSERT_EQ(made.status, 200) << made.body;
    // All that goes on in the registry is for who manages everything.
    EXPECT_EQ(make(token, "").status, 403);
    // A model that may not be read is none.
    const http::ClientReply hidden = make(token, secret_.name);
    EXPECT_EQ(hidden.status, 404);
    EXPECT_EQ(hidden.body, make(token, "no-such-model").body);
    const http::ClientReply unlisted =
        call(token, Method::kGet, api + "list?model_name=" + secret_.name);
    EXPECT_EQ(unlisted.status, 404);
    EXPECT_EQ(unlisted.body, call(token, Method::kGet, api + "list?model_name=none").body);
    const http::ClientReply listed = call(token, Method::kGet, api + "list");
    EXPECT_NE(listed.body.find(id_of(made)), std::string::npos) << listed.body;
    for (const std::string& id : {theirs, wide}) {
      EXPECT_EQ(listed.body.find(id), std::string::npos) << listed.body;
      const std::string one = R"({"id":")" + id + R"("})";
      const int want = id == wide ? 403 : 404;
      EXPECT_EQ(call(token, Method::kPatch, api + "update", one).status, want);
      EXPECT_EQ(call(token, Method::kPost, api + "test", one).status, want);
      EXPECT_EQ(call(token, Method::kDelete, api + "delete?id=" + id).status, want);
    }
    EXPECT_EQ(call(token, Method::kDelete, api + "delete?id=" + id_of(made)).status, 200);
  }
  EXPECT_EQ(make(eve, open_.name).status, 403);
  EXPECT_EQ(call(eve, Method::kGet, api + "list?model_name=" + open_.name).status, 403);
  EXPECT_EQ(call(admin_, Method::kGet, api + "list?model_name=" + secret_.name).status, 200);
}

TEST_F(ObjectsTest, WhoMakesSomethingManagesIt) {
  const std::string api = "/api/2.0/mlflow/";
  const std::string ann =
      caller("ann", {{"default", "", std::string(auth::kMember), "*", auth::Role::kUse, false}});
  const http::ClientReply made =
      call(ann, Method::kPost, api + "experiments/create", R"({"name":"hers"})");
  ASSERT_EQ(made.status, 200) << made.body;
  const std::string id = text(codec::parse_json(made.body).value(), {"experiment_id"});
  const std::string body = R"({"experiment_id":")" + id + R"("})";
  EXPECT_EQ(call(ann, Method::kPost, api + "runs/create", body).status, 200);
  EXPECT_EQ(call(ann, Method::kPost, api + "registered-models/create", R"({"name":"hers"})").status,
            200);
  EXPECT_EQ(call(ann, Method::kPost, "/api/slipway/v1/datasets/hers/versions?format=csv", "a\n1\n")
                .status,
            200);
  EXPECT_EQ(call(ann, Method::kPost, api + "experiments/delete", body).status, 200);
  const std::string bob =
      caller("bob", {{"default", "", std::string(auth::kMember), "*", auth::Role::kUse, false}});
  EXPECT_EQ(call(bob, Method::kGet, api + "experiments/get?experiment_id=" + id).status, 403);
  EXPECT_EQ(call(bob, Method::kGet, "/api/slipway/v1/datasets/hers").status, 404);
  // She shares it with him.
  EXPECT_EQ(call(bob, Method::kPut, "/api/slipway/v1/principals/bob/grants",
                 R"({"kind":"experiment","object":")" + id + R"(","role":"read"})")
                .status,
            404);
  EXPECT_EQ(call(ann, Method::kPut, "/api/slipway/v1/principals/bob/grants",
                 R"({"kind":"experiment","object":")" + id + R"(","role":"read"})")
                .status,
            200);
  EXPECT_EQ(call(bob, Method::kGet, api + "experiments/get?experiment_id=" + id).status, 200);
  EXPECT_EQ(call(bob, Method::kPost, api + "runs/create", body).status, 403);
}

// Files are their run's, whatever path they are asked by; a version doesn't launder a run's files.
TEST_F(ObjectsTest, FilesFollowTheirRun) {
  const std::string api = "/api/2.0/mlflow/";
  std::vector<auth::Grant> grants = on(open_, auth::Role::kManage);
  grants.push_back({"default", "", std::string(auth::kMember), "*", auth::Role::kUse, false});
  const std::string ann = caller("ann", grants);
  const std::string files = "/api/2.0/mlflow-artifacts/artifacts/";
  const std::string hidden = secret_.experiment_id + "/" + secret_.run_id + "/artifacts/";
  EXPECT_EQ(call(ann, Method::kGet, files + hidden + "topsecret.txt").status, 403);
  EXPECT_EQ(call(ann, Method::kPut, files + hidden + "topsecret.txt", "x").status, 403);
  EXPECT_EQ(
      call(ann, Method::kGet, "/api/2.0/mlflow-artifacts/artifacts?path=" + secret_.experiment_id)
          .status,
      403);
  EXPECT_EQ(call(ann, Method::kGet, "/api/2.0/mlflow-artifacts/artifacts").status, 403);
  const std::string sources[] = {"runs:/" + secret_.run_id + "/model",
                                 "mlflow-artifacts:/" + hidden + "model", "models:/topsecret/1",
                                 "models:/" + secret_.logged_model_id};
  for (const std::string& source : sources) {
    SCOPED_TRACE(source);
    EXPECT_EQ(call(ann, Method::kPost, api + "model-versions/create",
                   R"({"name":"open","source":")" + source + R"("})")
                  .status,
              403);
  }
  // An experiment that keeps its files elsewhere: the run in the path tells whose they are.
  const std::string far = text(must(Method::kPost, api + "experiments/create",
                                    R"({"name":"far","artifact_location":"mlflow-artifacts:/)" +
                                        open_.experiment_id + R"("})"),
                               {"experiment_id"});
  const std::string run =
      text(must(Method::kPost, api + "runs/create", R"({"experiment_id":")" + far + R"("})"),
           {"run", "info", "run_id"});
  const std::string elsewhere = files + open_.experiment_id + "/" + run + "/artifacts/a.txt";
  must(Method::kPut, elsewhere, "a", "text/plain");
  EXPECT_EQ(call(ann, Method::kGet, elsewhere).status, 403);
  EXPECT_EQ(call(ann, Method::kGet, files + open_.experiment_id + "/x/artifacts/none").status, 404);
}

}  // namespace
}  // namespace slip::app
