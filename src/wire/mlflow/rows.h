#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "codec/json.h"
#include "http/route.h"
#include "wire/mlflow/app.h"
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
};

// Both twins of each row.
void add_rows(std::vector<http::Route>* out, const App& app, std::span<const Row> rows);
// For rows with bodies of their own kind: sets the two paths and the error form.
void add_twins(std::vector<http::Route>* out, http::Route row, std::string_view path);

http::Reply render_error(const Error& error, const Ctx& ctx);
http::Reply json_reply(const codec::Json& body);

// Each resource's rows.
void add_experiments(std::vector<http::Route>* out, const App& app);
void add_runs(std::vector<http::Route>* out, const App& app);
void add_logged_models(std::vector<http::Route>* out, const App& app);
void add_artifacts(std::vector<http::Route>* out, const App& app);
void add_registered_models(std::vector<http::Route>* out, const App& app);
void add_model_versions(std::vector<http::Route>* out, const App& app);
void add_traces(std::vector<http::Route>* out, const App& app);
void add_assessments(std::vector<http::Route>* out, const App& app);
void add_server_info(std::vector<http::Route>* out, const App& app);

}  // namespace slip::wire::mlflow
