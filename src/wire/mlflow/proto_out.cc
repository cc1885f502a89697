#include "wire/mlflow/proto_out.h"

#include <array>
#include <cfloat>
#include <cmath>
#include <utility>

#include "base/text.h"

namespace slip::wire::mlflow {
namespace {

using codec::Json;

constexpr std::array<std::string_view, 6> kRunStatus = {"",         "RUNNING", "SCHEDULED",
                                                        "FINISHED", "FAILED",  "KILLED"};
constexpr std::array<std::string_view, 4> kModelStatus = {
    "LOGGED_MODEL_STATUS_UNSPECIFIED", "LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY",
    "LOGGED_MODEL_UPLOAD_FAILED"};

std::string_view stage_of(tracking::Lifecycle lifecycle) {
  return lifecycle == tracking::Lifecycle::kActive ? "active" : "deleted";
}

void set_if(Json* object, std::string_view name, const std::string& value) {
  if (!value.empty()) object->set(name, value);
}

template <class T>
void set_tags(Json* object, std::string_view name, const std::vector<T>& tags) {
  if (!tags.empty()) object->set(name, tag_list(tags));
}

Json inputs_of(const tracking::Run& run) {
  Json out = Json::object();
  std::vector<Json> datasets;
  for (const tracking::DatasetInput& input : run.dataset_inputs) {
    const tracking::Dataset& d = input.dataset;
    Json dataset = Json::object({{"name", d.name},
                                 {"digest", d.digest},
                                 {"source_type", d.source_type},
                                 {"source", d.source}});
    if (d.schema) dataset.set("schema", *d.schema);
    if (d.profile) dataset.set("profile", *d.profile);
    Json item = Json::object();
    set_tags(&item, "tags", input.tags);
    item.set("dataset", std::move(dataset));
    datasets.push_back(std::move(item));
  }
  set_list(&out, "dataset_inputs", std::move(datasets));
  std::vector<Json> models;
  for (const std::string& id : run.model_inputs) models.push_back(Json::object({{"model_id", id}}));
  set_list(&out, "model_inputs", std::move(models));
  return out;
}

Json outputs_of(const tracking::Run& run) {
  std::vector<Json> models;
  for (const tracking::ModelOutput& o : run.model_outputs)
    models.push_back(Json::object({{"model_id", o.model_id}, {"step", o.step}}));
  Json out = Json::object();
  set_list(&out, "model_outputs", std::move(models));
  return out;
}

}  // namespace

double clamped(double value) {
  if (std::isinf(value)) return value > 0 ? DBL_MAX : -DBL_MAX;
  return value;
}

void set_list(Json* object, std::string_view name, std::vector<Json> items) {
  if (!items.empty()) object->set(name, Json::array(std::move(items)));
}

void set_token(Json* object, const std::string& token) { set_if(object, "next_page_token", token); }

Json message_of(const tracking::Experiment& e, std::string_view workspace) {
  Json out = Json::object({{"experiment_id", std::to_string(e.id)},
                           {"name", e.name},
                           {"artifact_location", e.artifact_location},
                           {"lifecycle_stage", stage_of(e.lifecycle)},
                           {"last_update_time", e.updated_ms},
                           {"creation_time", e.created_ms}});
  set_tags(&out, "tags", e.tags);
  out.set("workspace", workspace);
  return out;
}

Json message_of(const tracking::Metric& m) {
  Json out = Json::object({{"key", m.key},
                           {"value", clamped(m.value)},
                           {"timestamp", m.timestamp_ms},
                           {"step", m.step}});
  set_if(&out, "dataset_name", m.dataset_name);
  set_if(&out, "dataset_digest", m.dataset_digest);
  set_if(&out, "model_id", m.model_id);
  set_if(&out, "run_id", m.run_id);
  return out;
}

Json run_info(const tracking::Run& run) {
  Json out = Json::object({{"run_uuid", run.id},
                           {"experiment_id", std::to_string(run.experiment_id)},
                           {"run_name", run.name},
                           {"user_id", run.user_id},
                           {"status", kRunStatus[static_cast<size_t>(run.status)]},
                           {"start_time", run.start_ms}});
  if (run.end_ms) out.set("end_time", *run.end_ms);
  out.set("artifact_uri", run.artifact_uri);
  out.set("lifecycle_stage", stage_of(run.lifecycle));
  out.set("run_id", run.id);
  return out;
}

Json message_of(const tracking::Run& run) {
  Json data = Json::object();
  std::vector<Json> metrics;
  for (const tracking::Metric& m : run.metrics) metrics.push_back(message_of(m));
  set_list(&data, "metrics", std::move(metrics));
  set_tags(&data, "params", run.params);
  set_tags(&data, "tags", run.tags);
  return Json::object({{"info", run_info(run)},
                       {"data", std::move(data)},
                       {"inputs", inputs_of(run)},
                       {"outputs", outputs_of(run)}});
}

Json message_of_new(const tracking::Run& run) {
  Json out = message_of(run);
  out.erase("outputs");
  return out;
}

Json message_of(const tracking::LoggedModel& m) {
  Json info = Json::object({{"model_id", m.id},
                            {"experiment_id", std::to_string(m.experiment_id)},
                            {"name", m.name},
                            {"creation_timestamp_ms", m.created_ms},
                            {"last_updated_timestamp_ms", m.updated_ms},
                            {"artifact_uri", m.artifact_uri},
                            {"status", kModelStatus[static_cast<size_t>(m.status)]}});
  info.set("model_type", m.model_type);
  info.set("source_run_id", m.source_run_id);
  set_if(&info, "status_message", m.status_message);
  set_tags(&info, "tags", m.tags);
  Json data = Json::object();
  set_tags(&data, "params", m.params);
  std::vector<Json> metrics;
  for (const tracking::Metric& metric : m.metrics) metrics.push_back(message_of(metric));
  set_list(&data, "metrics", std::move(metrics));
  return Json::object({{"info", std::move(info)}, {"data", std::move(data)}});
}

Json message_of(const registry::Version& v) {
  Json out = Json::object({{"name", v.model},
                           {"version", std::to_string(v.number)},
                           {"creation_timestamp", v.created_ms},
                           {"last_updated_timestamp", v.updated_ms},
                           {"current_stage", v.stage.name},
                           {"source", v.source},
                           {"run_id", v.run_id},
                           {"status", "READY"},
                           {"run_link", v.run_link.value_or("")}});
  if (v.description) out.set("description", *v.description);
  set_if(&out, "user_id", v.user_id);
  set_tags(&out, "tags", v.tags);
  std::vector<Json> aliases(v.aliases.begin(), v.aliases.end());
  set_list(&out, "aliases", std::move(aliases));
  return out;
}

Json message_of(const registry::Model& m, const std::vector<registry::Version>& latest) {
  Json out = Json::object({{"name", m.name},
                           {"creation_timestamp", m.created_ms},
                           {"last_updated_timestamp", m.updated_ms}});
  set_if(&out, "description", m.description.value_or(""));
  std::vector<Json> versions;
  for (const registry::Version& v : latest) versions.push_back(message_of(v));
  set_list(&out, "latest_versions", std::move(versions));
  set_tags(&out, "tags", m.tags);
  std::vector<Json> aliases;
  for (const registry::Alias& a : m.aliases)
    aliases.push_back(Json::object({{"alias", a.alias}, {"version", std::to_string(a.version)}}));
  set_list(&out, "aliases", std::move(aliases));
  return out;
}

std::string appended(const std::optional<std::string>& list, const Json& item) {
  Json all = Json::array();
  if (list)
    if (const Result<Json> before = codec::parse_json(*list, codec::NonFinite::kToken);
        before.ok() && before->is_array())
      all = *before;
  all.push(item);
  return codec::to_json(all, codec::kSpaced, codec::NonFinite::kToken);
}

Result<std::vector<tracking::Tag>> read_tags(const In& in, std::string_view name) {
  std::vector<tracking::Tag> out;
  for (const In& item : TRY(in.list(name))) out.push_back(TRY(read_tag<tracking::Tag>(item)));
  return out;
}

Result<int64_t> version_number(const In& in) {
  const std::string text = TRY(in.text("version"));
  if (const auto number = parse_int(text)) return *number;
  return invalid("model_version.number",
                 concat({"Parameter 'version' must be an integer, got '", text, "'."}));
}

Result<tracking::Metric> read_metric(const In& in) {
  tracking::Metric m;
  m.key = TRY(in.text("key"));
  m.value = TRY(in.number("value"));
  m.timestamp_ms = TRY(in.integer("timestamp"));
  m.step = TRY(in.integer_or("step", 0));
  m.model_id = TRY(in.text_or("model_id", ""));
  m.dataset_name = TRY(in.text_or("dataset_name", ""));
  m.dataset_digest = TRY(in.text_or("dataset_digest", ""));
  return m;
}

const In::EnumNames& view_types() {
  static const In::EnumNames names = {1, {"ACTIVE_ONLY", "DELETED_ONLY", "ALL"}};
  return names;
}

}  // namespace slip::wire::mlflow
