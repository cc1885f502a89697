#include "wire/mlflow/needs.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "registry/check.h"
#include "registry/registry.h"
#include "tracking/tracking.h"
#include "tracking/validate.h"

namespace slip::wire::mlflow {
namespace {

using http::Need;
using http::Right;

Need of_experiment(Right right, std::string_view kind, int64_t experiment_id) {
  return {.right = right, .kind = kind, .uid = std::to_string(experiment_id)};
}

Result<Needs> one(Need need) {
  Needs out;
  out.push_back(std::move(need));
  return out;
}

Result<Needs> experiment(App&, const Ctx&, Right right, const In& in) {
  return one(of_experiment(right, "experiment",
                           TRY(tracking::parse_experiment_id(TRY(in.text("experiment_id"))))));
}

Result<Needs> trace(App& app, const Ctx& ctx, Right right, std::string_view kind, const In& in) {
  const std::string id = TRY(in.text("trace_id"));
  return one(of_experiment(right, kind, TRY(app.tracking.traces.experiment_of(ctx, id))));
}

Result<Needs> trace_of(App& app, const Ctx& ctx, Right right, const In& in) {
  return trace(app, ctx, right, "trace", in);
}

Result<Needs> assessment_of(App& app, const Ctx& ctx, Right right, const In& in) {
  return trace(app, ctx, right, "assessment", in);
}

struct ModelKind {
  std::string_view model = "model";
  std::string_view version = "model_version";
};
ModelKind kind_of(bool is_prompt) {
  if (is_prompt) return {"prompt", "prompt_version"};
  return {};
}

Result<Needs> model_of(App& app, const Ctx& ctx, Right right, const In& in) {
  const registry::Model model = TRY(app.registry.get_model(ctx, TRY(in.text("name"))));
  return one(
      {.right = right, .kind = kind_of(registry::is_prompt(model.tags)).model, .uid = model.uid});
}

Result<Needs> version_of(App& app, const Ctx& ctx, Right right, const In& in) {
  return version_needs(app, ctx, right, TRY(in.text("name")));
}

// What a version's files and run come from must be readable to who registers it.
Status add_source(App& app, const Ctx& ctx, const std::string& source, Needs* out) {
  constexpr std::string_view kModels = "models:/";
  constexpr std::string_view kRuns = "runs:/";
  if (source.starts_with(kRuns)) {
    const std::string_view rest = std::string_view(source).substr(kRuns.size());
    const std::string run_id(rest.substr(0, rest.find('/')));
    out->push_back(
        of_experiment(Right::kRead, "run", TRY(app.tracking.runs.experiment_of(ctx, run_id))));
  } else if (source.starts_with(kModels)) {
    const std::string_view rest = std::string_view(source).substr(kModels.size());
    const std::string name(rest.substr(0, rest.find_first_of("/@")));
    Needs more = name.starts_with("m-") && rest == name
                     ? TRY(logged_model_needs(app, ctx, Right::kRead, name))
                     : TRY(version_needs(app, ctx, Right::kRead, name));
    std::move(more.begin(), more.end(), std::back_inserter(*out));
  } else if (const auto path = tracking::proxied_path(source)) {
    Needs more = TRY(artifact_needs(app, ctx, Right::kRead, *path));
    std::move(more.begin(), more.end(), std::back_inserter(*out));
  }
  return {};
}

struct Row {
  std::string_view resource;
  FindNeeds find;
};
constexpr std::array<Row, 7> kFinders = {{
    {"experiment", experiment},
    {"run", run_of},
    {"logged_model", logged_model_of},
    {"trace", trace_of},
    {"assessment", assessment_of},
    {"model", model_of},
    {"model_version", version_of},
}};

}  // namespace

FindNeeds finder_of(std::string_view resource) {
  for (const Row& row : kFinders)
    if (row.resource == resource) return row.find;
  return nullptr;
}

Result<Needs> experiment_by_name(App& app, const Ctx& ctx, Right right, const In& in) {
  const auto e = TRY(app.tracking.experiments.find_by_name(ctx, TRY(in.text("experiment_name"))));
  return one(of_experiment(right, "experiment", e.id));
}

Result<Needs> experiments_of(App&, const Ctx&, Right right, const In& in) {
  Needs out;
  for (const std::string& id : TRY(in.texts("experiment_ids")))
    out.push_back(of_experiment(right, "experiment", TRY(tracking::parse_experiment_id(id))));
  return out;
}

Result<Needs> new_in_experiment(App&, const Ctx&, Right right, const In& in) {
  // As the handler of runs/create: absent is the Default experiment.
  const int64_t id = TRY(tracking::parse_experiment_id(TRY(in.text_or("experiment_id", "0"))));
  Needs out;
  out.push_back(of_experiment(right, "experiment", id));
  out.push_back(of_experiment(Right::kRead, "run", id));
  return out;
}

Result<Needs> run_needs(App& app, const Ctx& ctx, Right right, const std::string& run_id) {
  return one(of_experiment(right, "run", TRY(app.tracking.runs.experiment_of(ctx, run_id))));
}

Result<Needs> run_of(App& app, const Ctx& ctx, Right right, const In& in) {
  return run_needs(app, ctx, right, TRY(in.run_id()));
}

// As lists of runs name them, or a single one that may be given several times.
Result<Needs> runs_of(App& app, const Ctx& ctx, Right right, const In& in) {
  Needs out;
  for (const char* field : {"run_id", "run_ids"})
    for (const std::string& id : TRY(in.texts(field))) {
      if (out.size() > tracking::kBulkRunsMax) break;  // The handler refuses so many.
      out.push_back(of_experiment(right, "run", TRY(app.tracking.runs.experiment_of(ctx, id))));
    }
  return out;
}

Result<Needs> run_and_models(App& app, const Ctx& ctx, Right right, const In& in) {
  Needs out = TRY(run_of(app, ctx, right, in));
  std::vector<std::string> ids = {TRY(in.text_or("model_id", ""))};
  for (const char* list : {"metrics", "models"})
    for (const In& item : TRY(in.list(list))) ids.push_back(TRY(item.text_or("model_id", "")));
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  for (const std::string& id : ids)
    if (!id.empty())
      out.push_back(
          of_experiment(right, "logged_model", TRY(app.tracking.models.experiment_of(ctx, id))));
  return out;
}

Result<Needs> logged_model_needs(App& app, const Ctx& ctx, Right right, const std::string& id) {
  return one(of_experiment(right, "logged_model", TRY(app.tracking.models.experiment_of(ctx, id))));
}

Result<Needs> logged_model_of(App& app, const Ctx& ctx, Right right, const In& in) {
  return logged_model_needs(app, ctx, right, TRY(in.text("model_id")));
}

Result<Needs> new_logged_model(App& app, const Ctx& ctx, Right right, const In& in) {
  const int64_t id = TRY(tracking::parse_experiment_id(TRY(in.text("experiment_id"))));
  Needs out;
  out.push_back(of_experiment(right, "experiment", id));
  out.push_back(of_experiment(Right::kRead, "logged_model", id));
  const std::string run_id = TRY(in.text_or("source_run_id", ""));
  if (!run_id.empty())
    out.push_back(
        of_experiment(Right::kRead, "run", TRY(app.tracking.runs.experiment_of(ctx, run_id))));
  return out;
}

Result<Needs> new_model(App&, const Ctx&, Right right, const In& in) {
  std::vector<registry::Tag> tags;
  for (const In& tag : TRY(in.list("tags"))) {
    tags.emplace_back();
    tags.back().key = TRY(tag.text_or("key", ""));
    tags.back().value = TRY(tag.text_or("value", ""));
  }
  const std::string_view kind = kind_of(registry::is_prompt(tags)).model;
  return one({.right = right, .kind = kind, .uid = {}, .is_new = true});
}

Result<Needs> version_needs(App& app, const Ctx& ctx, Right right, const std::string& name) {
  const registry::Model model = TRY(app.registry.get_model(ctx, name));
  return one(
      {.right = right, .kind = kind_of(registry::is_prompt(model.tags)).version, .uid = model.uid});
}

Result<Needs> new_version(App& app, const Ctx& ctx, Right right, const In& in) {
  const registry::Model model = TRY(app.registry.get_model(ctx, TRY(in.text("name"))));
  const ModelKind kind = kind_of(registry::is_prompt(model.tags));
  Needs out;
  out.push_back({.right = right, .kind = kind.model, .uid = model.uid});
  out.push_back({.right = Right::kRead, .kind = kind.version, .uid = model.uid});
  TRY(add_source(app, ctx, TRY(in.text("source")), &out));
  const std::string run_id = TRY(in.text_or("run_id", ""));
  if (!run_id.empty())
    out.push_back(
        of_experiment(Right::kRead, "run", TRY(app.tracking.runs.experiment_of(ctx, run_id))));
  // Registering leaves a tag on the logged model.
  const std::string model_id = TRY(in.text_or("model_id", ""));
  // As MLflow: whoever names a source by an empty id shows no right to it.
  const bool copies = TRY(in.text("source")).starts_with("models:/");
  if (!copies && ((in.has("run_id") && run_id.empty()) || (in.has("model_id") && model_id.empty())))
    return forbidden("auth.forbidden", "an empty id names no source");
  if (!model_id.empty())
    out.push_back(of_experiment(Right::kRead, "logged_model",
                                TRY(app.tracking.models.experiment_of(ctx, model_id))));
  return out;
}

Result<Needs> new_trace(App& app, const Ctx& ctx, Right right, const In& in) {
  const In info = TRY(TRY(in.message("trace")).message("trace_info"));
  const In place = TRY(TRY(info.message("trace_location")).message("mlflow_experiment"));
  const int64_t id = TRY(tracking::parse_experiment_id(TRY(place.text("experiment_id"))));
  Needs out;
  out.push_back(of_experiment(right, "experiment", id));
  out.push_back(of_experiment(Right::kRead, "trace", id));
  // A trace of that name is written over, wherever it is.
  const auto before = app.tracking.traces.experiment_of(ctx, TRY(info.text("trace_id")));
  if (before.ok())
    out.push_back(of_experiment(right, "trace", *before));
  else if (before.error().code != Code::kNotFound)
    return before.error();
  return out;
}

Result<Needs> traces_of(App& app, const Ctx& ctx, Right right, const In& in) {
  Needs out;
  for (const std::string& id : TRY(in.texts("trace_ids"))) {
    if (out.size() > tracking::kTraceBatchMax) break;  // The handler refuses so many.
    out.push_back(of_experiment(right, "trace", TRY(app.tracking.traces.experiment_of(ctx, id))));
  }
  return out;
}

// As the handler of version 2 reads it; the server picks the id.
Result<Needs> new_trace_in_experiment(App&, const Ctx&, Right right, const In& in) {
  const int64_t id = TRY(tracking::parse_experiment_id(TRY(in.text("experiment_id"))));
  Needs out;
  out.push_back(of_experiment(right, "experiment", id));
  out.push_back(of_experiment(Right::kRead, "trace", id));
  return out;
}

Result<Needs> traces_in_experiments(App&, const Ctx&, Right right, const In& in) {
  Needs out;
  for (const std::string& id : TRY(in.texts("experiment_ids")))
    out.push_back(of_experiment(right, "trace", TRY(tracking::parse_experiment_id(id))));
  return out;
}

Result<Needs> traces_at_locations(App&, const Ctx&, Right right, const In& in) {
  Needs out;
  for (const In& location : TRY(in.list("locations"))) {
    if (!location.has("mlflow_experiment")) continue;
    const In place = TRY(location.message("mlflow_experiment"));
    const int64_t id = TRY(tracking::parse_experiment_id(TRY(place.text("experiment_id"))));
    out.push_back(of_experiment(right, "trace", id));
  }
  return out;
}

// What is not there is not linked; the traces are only read.
Result<Needs> traces_and_run(App& app, const Ctx& ctx, Right right, const In& in) {
  Needs out = TRY(run_of(app, ctx, right, in));
  for (const std::string& id : TRY(in.texts("trace_ids"))) {
    if (out.size() > tracking::kTraceLinksMax + 1) break;  // The handler refuses so many.
    const auto experiment = app.tracking.traces.experiment_of(ctx, id);
    if (experiment.ok())
      out.push_back(of_experiment(Right::kRead, "trace", *experiment));
    else if (experiment.error().code != Code::kNotFound)
      return experiment.error();
  }
  return out;
}

Result<Needs> traces_in_experiment(App&, const Ctx&, Right right, const In& in) {
  const int64_t id = TRY(tracking::parse_experiment_id(TRY(in.text("experiment_id"))));
  return one(of_experiment(right, "trace", id));
}

Result<Needs> trace_needs(App& app, const Ctx& ctx, Right right, const std::string& id) {
  return one(of_experiment(right, "trace", TRY(app.tracking.traces.experiment_of(ctx, id))));
}

Result<Needs> artifact_needs(App& app, const Ctx& ctx, Right right, const std::string& path) {
  const auto owner = TRY(app.tracking.artifacts.owner(ctx, path));
  if (!owner) return http::one_need(right, "artifact", "");
  return one(of_experiment(right, owner->kind, owner->experiment_id));
}

Result<Needs> artifact_at_path(App& app, const Ctx& ctx, Right right, const In& in) {
  return artifact_needs(app, ctx, right, TRY(in.text_or("path", "")));
}

}  // namespace slip::wire::mlflow
