#include "app/holdings.h"

#include "app/world.h"
#include "base/text.h"

namespace slip::app {
namespace {

// Every project has an experiment 0, which can't be deleted; what is in it counts. So do deleted
// experiments and runs, which are still there.
Result<std::string> something_tracked(tracking::Tracking& tracking, const Ctx& ctx) {
  tracking::ExperimentQuery experiments;
  experiments.view = tracking::View::kAll;
  experiments.max_results = 2;
  for (const auto& e : TRY(tracking.experiments.search(ctx, experiments)).items)
    if (e.id != 0) return concat({"experiment ", std::to_string(e.id)});
  tracking::RunQuery runs;
  runs.experiment_ids = {0};
  runs.view = tracking::View::kAll;
  runs.max_results = 1;
  for (const auto& run : TRY(tracking.runs.search(ctx, runs)).items)
    return concat({"run ", run.id});
  tracking::TraceQuery traces;
  traces.experiment_ids = {0};
  traces.max_results = 1;
  if (!TRY(tracking.traces.search(ctx, traces)).items.empty()) return std::string("traces");
  tracking::ModelQuery models;
  models.experiment_ids = {0};
  models.max_results = 1;
  if (!TRY(tracking.models.search(ctx, models)).items.empty()) return std::string("logged models");
  return std::string();
}

}  // namespace

Result<std::string> something_in(World& w, const Ctx& ctx) {
  const std::string tracked = TRY(something_tracked(*w.tracking, ctx));
  if (!tracked.empty()) return tracked;
  for (const char* filter : {"", "tags.`mlflow.prompt.is_prompt` = 'true'"}) {
    registry::Query models;
    models.filter = filter;
    models.max_results = 1;
    for (const auto& model : TRY(w.registry->search_models(ctx, models)).items)
      return concat({*filter ? "prompt " : "registered model ", model.name});
  }
  for (const auto& dataset : TRY(w.data->list(ctx, "", 1)))
    return concat({"dataset ", dataset.name});
  for (const auto& deployment : TRY(w.serving->list(ctx, "", 1)))
    return concat({"deployment ", deployment.name});
  return std::string();
}

}  // namespace slip::app
