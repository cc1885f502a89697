#pragma once

#include <string_view>
#include <vector>

#include "http/route.h"
#include "wire/mlflow/app.h"
#include "wire/mlflow/proto_in.h"

// Which objects a request of MLflow's is about, read with the reader that its handler uses. A row
// that names no finder gets the one of its resource. MLflow judges what belongs to an experiment by
// the experiment, what belongs to a model by the model.
namespace slip::wire::mlflow {

using Needs = std::vector<http::Need>;
using FindNeeds = Result<Needs> (*)(App& app, const Ctx& ctx, http::Right right, const In& in);

// Null when a resource has none: then a row must name its own.
FindNeeds finder_of(std::string_view resource);

Result<Needs> experiment_by_name(App& app, const Ctx& ctx, http::Right right, const In& in);
Result<Needs> experiments_of(App& app, const Ctx& ctx, http::Right right, const In& in);
Result<Needs> new_in_experiment(App& app, const Ctx& ctx, http::Right right, const In& in);
Result<Needs> run_of(App& app, const Ctx& ctx, http::Right right, const In& in);
Result<Needs> runs_of(App& app, const Ctx& ctx, http::Right right, const In& in);
// What is logged to a run may also be logged to models, perhaps of other experiments.
Result<Needs> run_and_models(App& app, const Ctx& ctx, http::Right right, const In& in);
Result<Needs> new_logged_model(App& app, const Ctx& ctx, http::Right right, const In& in);
Result<Needs> logged_model_of(App& app, const Ctx& ctx, http::Right right, const In& in);
Result<Needs> new_model(App& app, const Ctx& ctx, http::Right right, const In& in);
Result<Needs> new_version(App& app, const Ctx& ctx, http::Right right, const In& in);
Result<Needs> new_trace(App& app, const Ctx& ctx, http::Right right, const In& in);
Result<Needs> traces_of(App& app, const Ctx& ctx, http::Right right, const In& in);
Result<Needs> traces_in_experiment(App& app, const Ctx& ctx, http::Right right, const In& in);
Result<Needs> new_trace_in_experiment(App& app, const Ctx& ctx, http::Right right, const In& in);
Result<Needs> traces_in_experiments(App& app, const Ctx& ctx, http::Right right, const In& in);
Result<Needs> traces_at_locations(App& app, const Ctx& ctx, http::Right right, const In& in);
Result<Needs> traces_and_run(App& app, const Ctx& ctx, http::Right right, const In& in);
Result<Needs> artifact_at_path(App& app, const Ctx& ctx, http::Right right, const In& in);

// For rows whose path or query names the object outside of In.
Result<Needs> artifact_needs(App& app, const Ctx& ctx, http::Right right, const std::string& path);
Result<Needs> run_needs(App& app, const Ctx& ctx, http::Right right, const std::string& run_id);
Result<Needs> logged_model_needs(App& app, const Ctx& ctx, http::Right right,
                                 const std::string& id);
Result<Needs> trace_needs(App& app, const Ctx& ctx, http::Right right, const std::string& id);
Result<Needs> version_needs(App& app, const Ctx& ctx, http::Right right, const std::string& model);

}  // namespace slip::wire::mlflow
