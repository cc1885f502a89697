// Runs: life cycle, parameters, metrics, tags, inputs and outputs, search.

#include <array>

#include "base/text.h"
#include "tracking/tracking.h"
#include "tracking/validate.h"
#include "wire/mlflow/proto_out.h"
#include "wire/mlflow/rows.h"

namespace slip::wire::mlflow {
namespace {

using codec::Json;
using http::Audit;
using http::Method;
using http::Right;

const In::EnumNames& statuses() {
  static const In::EnumNames names = {1, {"RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"}};
  return names;
}

Result<Json> create(App& app, const Ctx& ctx, const In& in) {
  tracking::NewRun wanted;
  const std::string experiment = TRY(in.text_or("experiment_id", ""));  // "": the Default one.
  wanted.start_ms = TRY(in.integer_or("start_time", 0));
  wanted.name = TRY(in.text_or("run_name", ""));
  wanted.user_id = TRY(in.text_or("user_id", ""));
  wanted.tags = TRY(read_tags(in, "tags"));
  if (!experiment.empty()) wanted.experiment_id = TRY(tracking::parse_experiment_id(experiment));
  const tracking::Run run = TRY(app.tracking.runs.create(ctx, wanted));
  return Json::object({{"run", message_of_new(run)}});
}

Result<Json> get(App& app, const Ctx& ctx, const In& in) {
  const tracking::Run run = TRY(app.tracking.runs.get(ctx, TRY(in.run_id())));
  return Json::object({{"run", message_of(run)}});
}

Result<Json> update(App& app, const Ctx& ctx, const In& in) {
  const std::string run_id = TRY(in.run_id());
  tracking::RunUpdate update;
  update.end_ms = TRY(in.maybe_integer("end_time"));
  if (const auto status = TRY(in.maybe_enum("status", statuses())))
    update.status = static_cast<tracking::RunStatus>(*status);
  update.name = TRY(in.maybe_text("run_name"));
  const tracking::Run run = TRY(app.tracking.runs.update(ctx, run_id, update));
  return Json::object({{"run_info", run_info(run)}});
}

Result<Json> remove(App& app, const Ctx& ctx, const In& in) {
  TRY(app.tracking.runs.remove(ctx, TRY(in.run_id())));
  return Json::object();
}

Result<Json> restore(App& app, const Ctx& ctx, const In& in) {
  TRY(app.tracking.runs.restore(ctx, TRY(in.run_id())));
  return Json::object();
}

Status log_metric(App& app, const Ctx& ctx, const In& in, Done done) {
  std::string run_id = TRY(in.run_id());
  tracking::Batch batch;
  batch.single = true;
  batch.metrics.push_back(TRY(read_metric(in)));
  app.tracking.runs.submit_log(ctx, std::move(run_id), std::move(batch), std::move(done));
  return {};
}

Status log_param(App& app, const Ctx& ctx, const In& in, Done done) {
  std::string run_id = TRY(in.run_id());
  tracking::Batch batch;
  batch.single = true;
  batch.params.push_back(TRY(read_tag<tracking::Tag>(in)));
  app.tracking.runs.submit_log(ctx, std::move(run_id), std::move(batch), std::move(done));
  return {};
}

Status set_tag(App& app, const Ctx& ctx, const In& in, Done done) {
  std::string run_id = TRY(in.run_id());
  tracking::Batch batch;
  batch.single = true;
  batch.tags.push_back(TRY(read_tag<tracking::Tag>(in)));
  app.tracking.runs.submit_log(ctx, std::move(run_id), std::move(batch), std::move(done));
  return {};
}

Result<Json> delete_tag(App& app, const Ctx& ctx, const In& in) {
  const std::string run_id = TRY(in.run_id());
  TRY(app.tracking.runs.delete_tag(ctx, run_id, TRY(in.text("key"))));
  return Json::object();
}

Result<Json> log_batch(App& app, const Ctx& ctx, const In& in) {
  const std::string run_id = TRY(in.run_id());
  tracking::Batch batch;
  for (const In& item : TRY(in.list("metrics"))) batch.metrics.push_back(TRY(read_metric(item)));
  batch.params = TRY(read_tags(in, "params"));
  batch.tags = TRY(read_tags(in, "tags"));
  TRY(app.tracking.runs.log(ctx, run_id, std::move(batch)));
  return Json::object();
}

Result<Json> log_inputs(App& app, const Ctx& ctx, const In& in) {
  const std::string run_id = TRY(in.run_id());
  tracking::Inputs inputs;
  for (const In& item : TRY(in.list("datasets"))) {
    tracking::DatasetInput input;
    input.tags = TRY(read_tags(item, "tags"));
    const In dataset = TRY(item.message("dataset"));
    input.dataset.name = TRY(dataset.text("name"));
    input.dataset.digest = TRY(dataset.text("digest"));
    input.dataset.source_type = TRY(dataset.text("source_type"));
    input.dataset.source = TRY(dataset.text("source"));
    input.dataset.schema = TRY(dataset.maybe_text("schema"));
    input.dataset.profile = TRY(dataset.maybe_text("profile"));
    inputs.datasets.push_back(std::move(input));
  }
  for (const In& item : TRY(in.list("models")))
    inputs.model_ids.push_back(TRY(item.text("model_id")));
  TRY(app.tracking.runs.log_inputs(ctx, run_id, inputs));
  return Json::object();
}

Result<Json> log_outputs(App& app, const Ctx& ctx, const In& in) {
  const std::string run_id = TRY(in.run_id());
  if (!in.has("models")) TRY(in.text("models"));  // Says that it is missing.
  std::vector<tracking::ModelOutput> outputs;
  for (const In& item : TRY(in.list("models"))) {
    tracking::ModelOutput& output = outputs.emplace_back();
    output.model_id = TRY(item.text("model_id"));
    output.step = TRY(item.integer_or("step", 0));
  }
  TRY(app.tracking.runs.log_outputs(ctx, run_id, outputs));
  return Json::object();
}

constexpr std::array<std::string_view, 4> kModelFields = {"artifact_path", "flavors",
                                                          "utc_time_created", "run_id"};

// Of each flavour everything but its "config", which may be large.
Json model_summary(const Json& model) {
  Json out = Json::object();
  for (const char* field : {"run_id", "artifact_path", "utc_time_created", "model_uuid"})
    if (const Json* value = model.find(field)) out.set(field, *value);
  Json flavors = *model.find("flavors");
  if (flavors.is_object()) {
    Json kept = Json::object();
    for (const auto& [name, config] : flavors.members()) {
      Json own = config;
      if (own.is_object()) own.erase("config");
      kept.set(name, std::move(own));
    }
    flavors = std::move(kept);
  }
  out.set("flavors", std::move(flavors));
  return out;
}

// What clients before 3.0 call after a model's files are up: the model is a tag of the run.
Result<Json> log_model(App& app, const Ctx& ctx, const In& in) {
  const std::string run_id = TRY(in.run_id());
  const std::string text = TRY(in.text("model_json"));
  const Result<Json> model = codec::parse_json(text, codec::NonFinite::kToken);
  if (!model.ok() || !model->is_object())
    return invalid("mlflow.model_json",
                   concat({"Malformed model info. \n ", text, " \n is not a valid JSON."}));
  std::string missing;
  for (const std::string_view field : kModelFields)
    if (!model->find(field)) missing += concat({missing.empty() ? "'" : ", '", field, "'"});
  if (!missing.empty())
    return invalid("mlflow.model_json",
                   concat({"Model json is missing mandatory fields: {", missing, "}"}));
  const Json item = model_summary(*model);
  TRY(app.tracking.runs.edit_tag(
      ctx, run_id, "mlflow.log-model.history",
      [&](const std::optional<std::string>& before) { return appended(before, item); }));
  return Json::object();
}

Result<Json> search(App& app, const Ctx& ctx, const In& in) {
  tracking::RunQuery query;
  for (const std::string& id : TRY(in.texts("experiment_ids")))
    query.experiment_ids.push_back(TRY(tracking::parse_experiment_id(id)));
  query.filter = TRY(in.text_or("filter", ""));
  query.max_results = TRY(in.integer_up_to("max_results", 1000, tracking::kSearchRunsMax));
  query.order_by = TRY(in.texts("order_by"));
  query.view =
      static_cast<tracking::View>(TRY(in.maybe_enum("run_view_type", view_types())).value_or(1));
  query.page_token = TRY(in.text_or("page_token", ""));
  const auto page = TRY(app.tracking.runs.search(ctx, query));
  return page_of("runs", page, [](const tracking::Run& run) { return message_of(run); });
}

constexpr http::Permission kRead{Right::kRead, "run"};
constexpr http::Permission kEdit{Right::kEdit, "run"};
constexpr http::Permission kManage{Right::kManage, "run"};
constexpr http::Permission kNew{Right::kEdit, "run", http::On::kObjects};
constexpr http::Permission kModelsToo{Right::kEdit, "run", http::On::kObjects};
constexpr http::Permission kList{Right::kRead, "run", http::On::kList};

constexpr std::array<Row, 11> kRows = {{
    {Method::kPost, "2.0/mlflow/runs/create", kNew, Audit::kEvent, create, "Create a run",
     new_in_experiment},
    {Method::kGet, "2.0/mlflow/runs/get", kRead, Audit::kNone, get, "Read a run"},
    {Method::kPost, "2.0/mlflow/runs/update", kEdit, Audit::kEvent, update,
     "Set a run's status, end or name"},
    {Method::kPost, "2.0/mlflow/runs/delete", kManage, Audit::kEvent, remove,
     "Delete a run; it can be restored"},
    {Method::kPost, "2.0/mlflow/runs/restore", kManage, Audit::kEvent, restore,
     "Restore a deleted run"},
    {Method::kPost, "2.0/mlflow/runs/log-batch", kModelsToo, Audit::kCounted, log_batch,
     "Log metrics, parameters and tags, all or none", run_and_models},
    {Method::kPost, "2.0/mlflow/runs/delete-tag", kEdit, Audit::kCounted, delete_tag,
     "Delete a tag of a run"},
    {Method::kPost, "2.0/mlflow/runs/log-inputs", kModelsToo, Audit::kEvent, log_inputs,
     "Log the datasets and models that a run read", run_and_models},
    {Method::kPost, "2.0/mlflow/runs/outputs", kModelsToo, Audit::kEvent, log_outputs,
     "Log the models that a run made", run_and_models},
    {Method::kPost, "2.0/mlflow/runs/log-model", kEdit, Audit::kCounted, log_model,
     "Log a model as clients before 3.0 do"},
    {Method::kPost, "2.0/mlflow/runs/search", kList, Audit::kNone, search, "Search runs"},
}};

constexpr Row kLogMetric{
    Method::kPost, "2.0/mlflow/runs/log-metric", kModelsToo,    Audit::kCounted,
    nullptr,       "Log a metric point",         run_and_models};
constexpr Row kLogParam{Method::kPost, "2.0/mlflow/runs/log-parameter",
                        kEdit,         Audit::kCounted,
                        nullptr,       "Log a parameter"};
constexpr Row kSetTag{Method::kPost, "2.0/mlflow/runs/set-tag", kEdit, Audit::kCounted,
                      nullptr,       "Set a tag of a run"};

}  // namespace

void add_runs(std::vector<http::Route>* out, const App& app) {
  add_rows(out, app, kRows);
  add_submitted(out, app, kLogMetric, log_metric);
  add_submitted(out, app, kLogParam, log_param);
  add_submitted(out, app, kSetTag, set_tag);
}

}  // namespace slip::wire::mlflow
