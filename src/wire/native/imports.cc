#include "wire/native/imports.h"

#include <array>

#include "base/text.h"
#include "tracking/tracking.h"
#include "wire/native/import_rows.h"
#include "wire/native/native.h"

namespace slip::wire::native {
namespace {

using codec::Json;

constexpr std::array<std::string_view, 6> kStatuses = {"",         "RUNNING", "SCHEDULED",
                                                       "FINISHED", "FAILED",  "KILLED"};

Result<tracking::RunStatus> read_status(const Json& item) {
  const std::string text = TRY(codec::want_string(item, "status"));
  for (size_t i = 1; i < kStatuses.size(); ++i)
    if (text == kStatuses[i]) return static_cast<tracking::RunStatus>(i);
  return invalid("request.status", "status is RUNNING, SCHEDULED, FINISHED, FAILED or KILLED");
}

Result<tracking::Lifecycle> read_lifecycle(const Json& item) {
  const std::string text = TRY(codec::string_or(item, "lifecycle_stage", "active"));
  if (text == "active") return tracking::Lifecycle::kActive;
  if (text == "deleted") return tracking::Lifecycle::kDeleted;
  return invalid("request.lifecycle_stage", "lifecycle_stage is active or deleted");
}

Json answer(const tracking::ImportOutcome& outcome) {
  Json out = outcome_json(static_cast<size_t>(outcome.state), outcome.differing);
  out.set("experiment_id", outcome.experiment_id);
  out.set("artifacts", outcome.artifacts);
  return out;
}

Result<tracking::DatasetInput> read_dataset(const Json& item) {
  tracking::DatasetInput out;
  out.dataset.name = TRY(codec::want_string(item, "name"));
  out.dataset.digest = TRY(codec::want_string(item, "digest"));
  out.dataset.source_type = TRY(codec::want_string(item, "source_type"));
  out.dataset.source = TRY(codec::want_string(item, "source"));
  out.dataset.schema = text_or_none(item, "schema");
  out.dataset.profile = text_or_none(item, "profile");
  out.tags = TRY(read_pairs<tracking::Tag>(item, "tags"));
  return out;
}

Status read_inputs(const Json& item, tracking::Run* run) {
  for (const Json* d : TRY(objects_of(item, "datasets")))
    run->dataset_inputs.push_back(TRY(read_dataset(*d)));
  for (const Json* m : TRY(objects_of(item, "model_inputs")))
    run->model_inputs.push_back(TRY(codec::want_string(*m, "model_id")));
  for (const Json* m : TRY(objects_of(item, "model_outputs"))) {
    tracking::ModelOutput output;
    output.model_id = TRY(codec::want_string(*m, "model_id"));
    output.step = TRY(codec::int_or(*m, "step", 0));
    run->model_outputs.push_back(std::move(output));
  }
  return {};
}

Result<tracking::Experiment> read_experiment(const Json& item) {
  tracking::Experiment e;
  e.id = TRY(codec::want_int(item, "experiment_id"));
  e.name = TRY(codec::want_string(item, "name"));
  e.artifact_location = TRY(codec::string_or(item, "artifact_location", ""));
  e.lifecycle = TRY(read_lifecycle(item));
  e.created_ms = TRY(codec::int_or(item, "created_ms", 0));
  e.updated_ms = TRY(codec::int_or(item, "updated_ms", e.created_ms));
  e.tags = TRY(read_pairs<tracking::Tag>(item, "tags"));
  return e;
}

Result<tracking::Run> read_run(const Json& item) {
  tracking::Run run;
  run.id = TRY(codec::want_string(item, "run_id"));
  run.experiment_id = TRY(codec::want_int(item, "experiment_id"));
  run.name = TRY(codec::string_or(item, "name", ""));
  run.user_id = TRY(codec::string_or(item, "user_id", ""));
  run.status = TRY(read_status(item));
  run.start_ms = TRY(codec::int_or(item, "start_ms", 0));
  if (item.find("end_ms") != nullptr) run.end_ms = TRY(codec::want_int(item, "end_ms"));
  run.lifecycle = TRY(read_lifecycle(item));
  run.artifact_uri = TRY(codec::string_or(item, "artifact_uri", ""));
  run.params = TRY(read_pairs<tracking::Tag>(item, "params"));
  run.tags = TRY(read_pairs<tracking::Tag>(item, "tags"));
  TRY(read_inputs(item, &run));
  return run;
}

Result<tracking::LoggedModel> read_logged_model(const Json& item) {
  tracking::LoggedModel m;
  m.id = TRY(codec::want_string(item, "model_id"));
  m.experiment_id = TRY(codec::want_int(item, "experiment_id"));
  m.name = TRY(codec::want_string(item, "name"));
  m.model_type = TRY(codec::string_or(item, "model_type", ""));
  m.source_run_id = TRY(codec::string_or(item, "source_run_id", ""));
  const int64_t status = TRY(codec::want_int(item, "status"));
  if (status < 0 || status > static_cast<int64_t>(tracking::ModelStatus::kUploadFailed))
    return invalid("request.status", "a logged model's status is a number from 0 to 3");
  m.status = static_cast<tracking::ModelStatus>(status);
  m.status_message = TRY(codec::string_or(item, "status_message", ""));
  m.created_ms = TRY(codec::int_or(item, "created_ms", 0));
  m.updated_ms = TRY(codec::int_or(item, "updated_ms", m.created_ms));
  m.lifecycle = TRY(read_lifecycle(item));
  m.artifact_uri = TRY(codec::string_or(item, "artifact_uri", ""));
  m.params = TRY(read_pairs<tracking::Tag>(item, "params"));
  m.tags = TRY(read_pairs<tracking::Tag>(item, "tags"));
  return m;
}

Result<http::Reply> experiments(const ImportsApp& app, const Ctx& ctx, http::Request& request) {
  return take_all<tracking::Experiment>(
      request, read_experiment, [&](const tracking::Experiment& e, bool update) -> Result<Json> {
        return answer(TRY(app.tracking.imports.experiment(ctx, e, update)));
      });
}

Result<http::Reply> runs(const ImportsApp& app, const Ctx& ctx, http::Request& request) {
  return take_all<tracking::Run>(request, read_run,
                                 [&](const tracking::Run& run, bool update) -> Result<Json> {
                                   return answer(TRY(app.tracking.imports.run(ctx, run, update)));
                                 });
}

Result<http::Reply> logged_models(const ImportsApp& app, const Ctx& ctx, http::Request& request) {
  return take_all<tracking::LoggedModel>(
      request, read_logged_model, [&](const tracking::LoggedModel& m, bool update) -> Result<Json> {
        return answer(TRY(app.tracking.imports.logged_model(ctx, m, update)));
      });
}

// What lies at an address of ours, by digest: so that a sender knows what is left to send.
Result<http::Reply> artifacts(const ImportsApp& app, const Ctx& ctx, http::Request& request) {
  const Json body = TRY(body_object(request));
  const std::string uri = TRY(codec::want_string(body, "uri"));
  Json items = Json::array();
  Result<std::optional<tracking::Listing>> found = app.tracking.artifacts.snapshot_at(ctx, uri);
  if (!found.ok() && found.error().code != Code::kNotFound) return found.error();
  if (found.ok() && !*found)
    return invalid("import.elsewhere", concat({uri, " is no address of this server"}));
  if (found.ok())
    for (const store::tree::Entry& e : (*found)->entries)
      items.push(Json::object({{"path", e.path}, {"bytes", e.size}, {"digest", e.digest.text()}}));
  return json_reply(Json::object({{"items", std::move(items)}}));
}

Result<http::Reply> points(const ImportsApp& app, const Ctx& ctx, http::Request& request) {
  const Json body = TRY(body_object(request));
  const std::string run_id = TRY(codec::want_string(body, "run_id"));
  std::vector<tracking::Metric> wanted;
  for (const Json& item : *TRY(list_of(body, "points"))) {
    tracking::Metric& m = wanted.emplace_back();
    m.key = TRY(codec::want_string(item, "key"));
    m.value = TRY(codec::want_double(item, "value", codec::NonFinite::kString));
    m.timestamp_ms = TRY(codec::want_int(item, "timestamp_ms"));
    m.step = TRY(codec::want_int(item, "step"));
    m.model_id = TRY(codec::string_or(item, "model_id", ""));
    m.dataset_name = TRY(codec::string_or(item, "dataset_name", ""));
    m.dataset_digest = TRY(codec::string_or(item, "dataset_digest", ""));
  }
  const tracking::PointsOutcome done = TRY(app.tracking.imports.points(ctx, run_id, wanted));
  return json_reply(Json::object({{"imported", done.imported}, {"same", done.same}}));
}

}  // namespace

http::Route import_route(const ImportsApp& app, std::string_view path, ImportHandler handler,
                         std::string_view summary) {
  http::Route row;
  row.method = http::Method::kPost;
  row.path = at(path);
  row.permission = {http::Right::kManage, "project", http::On::kProject};
  row.audit = http::Audit::kEvent;
  row.summary = summary;
  row.body = http::memory();
  row.blocking = [app, handler](const Ctx& ctx, http::Request& request) {
    return handler(app, ctx, request);
  };
  return row;
}

std::vector<http::Route> import_routes(ImportsApp app) {
  std::vector<http::Route> out;
  const auto add = [&](std::string_view path, ImportHandler handler, std::string_view summary) {
    out.push_back(import_route(app, path, handler, summary));
  };
  add("/imports/mlflow/experiments", experiments,
      "Takes over experiments of an MLflow server, by name.");
  add("/imports/mlflow/runs", runs,
      "Takes over runs of an MLflow server with parameters, tags, inputs and outputs, by id.");
  add("/imports/mlflow/metrics", points,
      "Takes over points of metrics of one run, or of logged models that it measured.");
  add("/imports/mlflow/logged-models", logged_models,
      "Takes over logged models of an MLflow server, by id.");
  add("/imports/mlflow/artifacts", artifacts,
      "Files below an artifact address with their digests.");
  add_import_models(&out, app);
  return out;
}

}  // namespace slip::wire::native
