// Runs: life cycle, parameters, metrics with histories, tags, inputs and outputs, search.

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
  // Absent is the Default experiment.
  wanted.experiment_id = TRY(tracking::parse_experiment_id(TRY(in.text_or("experiment_id", "0"))));
  wanted.user_id = TRY(in.text_or("user_id", ""));
  wanted.name = TRY(in.text_or("run_name", ""));
  wanted.start_ms = TRY(in.integer_or("start_time", 0));
  wanted.tags = TRY(read_tags(in, "tags"));
  return Json::object({{"run", message_of(TRY(app.tracking.runs.create(ctx, wanted)))}});
}

Result<Json> get(App& app, const Ctx& ctx, const In& in) {
  return Json::object({{"run", message_of(TRY(app.tracking.runs.get(ctx, TRY(in.run_id()))))}});
}

Result<Json> update(App& app, const Ctx& ctx, const In& in) {
  tracking::RunUpdate update;
  if (const auto status = TRY(in.maybe_enum("status", statuses())))
    update.status = static_cast<tracking::RunStatus>(*status);
  update.end_ms = TRY(in.maybe_integer("end_time"));
  update.name = TRY(in.maybe_text("run_name"));
  const tracking::Run run = TRY(app.tracking.runs.update(ctx, TRY(in.run_id()), update));
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

Result<Json> log_metric(App& app, const Ctx& ctx, const In& in) {
  tracking::Batch batch;
  batch.metrics.push_back(TRY(read_metric(in)));
  TRY(app.tracking.runs.log(ctx, TRY(in.run_id()), std::move(batch)));
  return Json::object();
}

Result<Json> log_param(App& app, const Ctx& ctx, const In& in) {
  tracking::Batch batch;
  batch.one_param = true;
  batch.params.push_back({TRY(in.text("key")), TRY(in.text_or("value", ""))});
  TRY(app.tracking.runs.log(ctx, TRY(in.run_id()), std::move(batch)));
  return Json::object();
}

Result<Json> set_tag(App& app, const Ctx& ctx, const In& in) {
  tracking::Batch batch;
  batch.tags.push_back({TRY(in.text("key")), TRY(in.text_or("value", ""))});
  TRY(app.tracking.runs.log(ctx, TRY(in.run_id()), std::move(batch)));
  return Json::object();
}

Result<Json> delete_tag(App& app, const Ctx& ctx, const In& in) {
  TRY(app.tracking.runs.delete_tag(ctx, TRY(in.run_id()), TRY(in.text("key"))));
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
  tracking::Inputs inputs;
  for (const In& item : TRY(in.list("datasets"))) {
    tracking::DatasetInput input;
    input.tags = TRY(read_tags(item, "tags"));
    const In dataset = TRY(item.message("dataset"));
    input.dataset = {.name = TRY(dataset.text("name")),
                     .digest = TRY(dataset.text("digest")),
                     .source_type = TRY(dataset.text("source_type")),
                     .source = TRY(dataset.text("source")),
                     .schema = TRY(dataset.maybe_text("schema")),
                     .profile = TRY(dataset.maybe_text("profile"))};
    inputs.datasets.push_back(std::move(input));
  }
  for (const In& item : TRY(in.list("models")))
    inputs.model_ids.push_back(TRY(item.text("model_id")));
  TRY(app.tracking.runs.log_inputs(ctx, TRY(in.run_id()), inputs));
  return Json::object();
}

Result<Json> log_outputs(App& app, const Ctx& ctx, const In& in) {
  std::vector<tracking::ModelOutput> outputs;
  for (const In& item : TRY(in.list("models")))
    outputs.push_back({TRY(item.text("model_id")), TRY(item.integer_or("step", 0))});
  TRY(app.tracking.runs.log_outputs(ctx, TRY(in.run_id()), outputs));
  return Json::object();
}

// What clients before 3.0 call after a model's files are up: the model is a tag of the run.
Result<Json> log_model(App& app, const Ctx& ctx, const In& in) {
  const std::string text = TRY(in.text("model_json"));
  const std::string run_id = TRY(in.run_id());
  const Result<Json> model = codec::parse_json(text, codec::NonFinite::kToken);
  if (!model.ok() || !model->is_object())
    return invalid("mlflow.model_json",
                   concat({"Malformed model info. \n ", text, " \n is not valid JSON."}));
  for (const char* field : {"artifact_path", "flavors", "utc_time_created", "run_id"})
    if (!model->find(field))
      return invalid("mlflow.model_json",
                     concat({"Model json is missing mandatory fields: ['", field, "']"}));
  Json all = Json::array();
  for (const tracking::Tag& tag : TRY(app.tracking.runs.get(ctx, run_id)).tags) {
    if (tag.key != "mlflow.log-model.history") continue;
    if (const Result<Json> before = codec::parse_json(tag.value); before.ok() && before->is_array())
      all = *before;
  }
  all.push(*model);
  tracking::Batch batch;
  batch.tags.push_back({"mlflow.log-model.history", codec::to_json(all)});
  TRY(app.tracking.runs.log(ctx, run_id, std::move(batch)));
  return Json::object();
}

Result<Json> history(App& app, const Ctx& ctx, const In& in) {
  tracking::HistoryQuery query;
  query.run_id = TRY(in.run_id());
  query.key = TRY(in.text("metric_key"));
  query.max_results = TRY(in.integer_or("max_results", tracking::kHistoryPageMax));
  query.page_token = TRY(in.text_or("page_token", ""));
  const auto page = TRY(app.tracking.runs.history(ctx, query));
  std::vector<Json> items;
  for (const tracking::Metric& m : page.items) items.push_back(message_of(m));
  Json out = Json::object();
  set_list(&out, "metrics", std::move(items));
  set_token(&out, page.next_page_token);
  return out;
}

Result<Json> search(App& app, const Ctx& ctx, const In& in) {
  tracking::RunQuery query;
  for (const std::string& id : TRY(in.texts("experiment_ids")))
    query.experiment_ids.push_back(TRY(tracking::parse_experiment_id(id)));
  query.filter = TRY(in.text_or("filter", ""));
  query.order_by = TRY(in.texts("order_by"));
  query.view =
      static_cast<tracking::View>(TRY(in.maybe_enum("run_view_type", view_types())).value_or(1));
  query.max_results = TRY(in.integer_or("max_results", 1000));
  query.page_token = TRY(in.text_or("page_token", ""));
  const auto page = TRY(app.tracking.runs.search(ctx, query));
  std::vector<Json> items;
  for (const tracking::Run& run : page.items) items.push_back(message_of(run));
  Json out = Json::object();
  set_list(&out, "runs", std::move(items));
  set_token(&out, page.next_page_token);
  return out;
}

constexpr http::Permission kRead{Right::kRead, "run"};
constexpr http::Permission kEdit{Right::kEdit, "run"};

constexpr std::array<Row, 16> kRows = {{
    {Method::kPost, "2.0/mlflow/runs/create", kEdit, Audit::kEvent, create, "Create a run"},
    {Method::kGet, "2.0/mlflow/runs/get", kRead, Audit::kNone, get, "Read a run"},
    {Method::kPost, "2.0/mlflow/runs/update", kEdit, Audit::kEvent, update,
     "Set a run's status, end or name"},
    {Method::kPost, "2.0/mlflow/runs/delete", kEdit, Audit::kEvent, remove,
     "Delete a run; it can be restored"},
    {Method::kPost, "2.0/mlflow/runs/restore", kEdit, Audit::kEvent, restore,
     "Restore a deleted run"},
    {Method::kPost, "2.0/mlflow/runs/log-metric", kEdit, Audit::kCounted, log_metric,
     "Log a metric point"},
    {Method::kPost, "2.0/mlflow/runs/log-parameter", kEdit, Audit::kCounted, log_param,
     "Log a parameter"},
    {Method::kPost, "2.0/mlflow/runs/log-batch", kEdit, Audit::kCounted, log_batch,
     "Log metrics, parameters and tags, all or none"},
    {Method::kPost, "2.0/mlflow/runs/set-tag", kEdit, Audit::kCounted, set_tag,
     "Set a tag of a run"},
    {Method::kPost, "2.0/mlflow/runs/delete-tag", kEdit, Audit::kCounted, delete_tag,
     "Delete a tag of a run"},
    {Method::kPost, "2.0/mlflow/runs/log-inputs", kEdit, Audit::kEvent, log_inputs,
     "Log the datasets and models that a run read"},
    {Method::kPost, "2.0/mlflow/runs/outputs", kEdit, Audit::kEvent, log_outputs,
     "Log the models that a run made"},
    {Method::kPost, "2.0/mlflow/runs/log-model", kEdit, Audit::kEvent, log_model,
     "Log a model as clients before 3.0 do"},
    {Method::kGet, "2.0/mlflow/metrics/get-history", kRead, Audit::kNone, history,
     "Read all points of a metric"},
    {Method::kPost, "2.0/mlflow/runs/search", kRead, Audit::kNone, search, "Search runs"},
    {Method::kGet, "2.0/mlflow/runs/search", kRead, Audit::kNone, search,
     "Search runs by query arguments"},
}};

}  // namespace

void add_runs(std::vector<http::Route>* out, const App& app) { add_rows(out, app, kRows); }

}  // namespace slip::wire::mlflow
