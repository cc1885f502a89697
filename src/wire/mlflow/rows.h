#pragma once

#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "codec/json.h"
#include "http/route.h"
#include "wire/mlflow/app.h"
#include "wire/mlflow/needs.h"
#include "wire/mlflow/proto_in.h"

// From one line a call to rows of the server, and from our errors to MLflow's.
namespace slip::wire::mlflow {

using Handler = Result<codec::Json> (*)(App& app, const Ctx& ctx, const In& in);

struct Row {
  http::Method method;
  std::string_view path;  // Below "/api/": "2.0/mlflow/runs/create".
  http::Permission permission;
  http::Audit audit;
  Handler handler;
  std::string_view summary;
  FindNeeds find = nullptr;  // Null: finder_of(permission.resource).
  bool waits_for_others = false;
};

// For a row whose handler reads its request as In does.
http::FindNeeds needs_of(const App& app, FindNeeds find, http::Right right);

// Both twins of each row.
void add_rows(std::vector<http::Route>* out, const App& app, std::span<const Row> rows);
// A call whose answer is {}, given by `done` once it is committed: no thread waits for that. `done`
// may be called, on any thread, before the call returns; an error returned is one about the
// request, and then `done` is not called.
using Done = std::function<void(Status)>;
using Submit = Status (*)(App& app, const Ctx& ctx, const In& in, Done done);
// Both twins of `row`, inline; its `handler` is null.
void add_submitted(std::vector<http::Route>* out, const App& app, const Row& row, Submit submit);
// For rows with bodies of their own kind: sets the two paths and the form of refusals.
void add_twins(std::vector<http::Route>* out, http::Route row, std::string_view path);

http::Reply render_error(const Error& error, const Ctx& ctx);
http::Reply json_reply(const codec::Json& body);

// Each resource's rows.
void add_experiments(std::vector<http::Route>* out, const App& app);
void add_runs(std::vector<http::Route>* out, const App& app);
void add_metrics(std::vector<http::Route>* out, const App& app);
void add_logged_models(std::vector<http::Route>* out, const App& app);
void add_artifacts(std::vector<http::Route>* out, const App& app);
void add_artifact_links(std::vector<http::Route>* out, const App& app);
void add_registered_models(std::vector<http::Route>* out, const App& app);
void add_model_versions(std::vector<http::Route>* out, const App& app);
void add_traces(std::vector<http::Route>* out, const App& app);
void add_traces_v2(std::vector<http::Route>* out, const App& app);
void add_trace_analysis(std::vector<http::Route>* out, const App& app);
void add_assessments(std::vector<http::Route>* out, const App& app);
void add_users(std::vector<http::Route>* out, const App& app);
void add_signup(std::vector<http::Route>* out, const App& app);
void add_roles(std::vector<http::Route>* out, const App& app);
void add_permissions(std::vector<http::Route>* out, const App& app);
void add_workspaces(std::vector<http::Route>* out, const App& app);
void add_webhooks(std::vector<http::Route>* out, const App& app);
void add_server_info(std::vector<http::Route>* out, const App& app);
void add_not_offered(std::vector<http::Route>* out);

}  // namespace slip::wire::mlflow
