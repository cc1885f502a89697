#include "cli/mlflow_store.h"

#include <array>
#include <cmath>

#include "base/text.h"

namespace slip::cli {
namespace {

using codec::Json;
using store::Row;

constexpr std::string_view kSchema = "dc11669786a5";  // Of MLflow 3.17.2.

void set_text(Json* item, std::string_view key, const Row& row, int column) {
  if (!row.is_null(column)) item->set(key, row.str(column));
}

double number_of(const Row& row, int value, int is_nan) {
  return row.is_null(value) || row.i64(is_nan) != 0 ? std::nan("") : row.f64(value);
}

// What nobody takes over, and why.
struct LeftTable {
  std::string_view table;
  std::string_view why;
};
constexpr std::array kLeft = {
    LeftTable{"evaluation_datasets", "evaluation datasets are not offered here"},
    LeftTable{"scorers", "scorers are not offered here"},
    LeftTable{"issues", "issues are not offered here"},
    LeftTable{"webhooks", "their secrets are encrypted with the old server's key: make them anew"},
    LeftTable{"trace_metrics", "made anew of tags and metadata"},
    LeftTable{"span_metrics", "made anew of the spans"},
    LeftTable{"endpoints", "the gateway is not offered here"},
    LeftTable{"secrets", "the gateway is not offered here"},
    LeftTable{"model_definitions", "the gateway is not offered here"},
    LeftTable{"jobs", "work of the old server"},
    LeftTable{"review_queues", "review queues are not offered here"},
    LeftTable{"label_schemas", "label schemas are not offered here"},
    LeftTable{"mcp_servers", "MCP servers are not offered here"},
    LeftTable{"budget_policies", "the gateway is not offered here"},
    LeftTable{"guardrails", "the gateway is not offered here"},
};

}  // namespace

Result<MlflowStore> MlflowStore::open(const std::string& source, std::string workspace) {
  MlflowStore out(TRY(store::ForeignDb::open(source)), std::move(workspace));
  TRY(out.check());
  return out;
}

Status MlflowStore::check() {
  const bool versioned = TRY(db_->has_table("alembic_version"));
  const bool runs = TRY(db_->has_table("runs"));
  if (!versioned || !runs)
    return invalid("migrate.no_mlflow", "the source has no tables of an MLflow tracking store");
  std::string found;
  TRY(each("SELECT version_num FROM alembic_version", {},
           [&](const Row& row) { found = row.str(0); }));
  if (found != kSchema)
    return invalid("migrate.schema",
                   concat({"the source has version ", found.empty() ? "''" : found,
                           " of MLflow's tables; ", kSchema,
                           " (MLflow 3.17.2) is the one that is read here"}))
        .with_hint("on a copy: mlflow db upgrade URI, with MLflow 3.17.2");
  bool named = false;
  TRY(each("SELECT 1 FROM workspaces WHERE name = ?", {workspace_},
           [&](const Row&) { named = true; }));
  if (named) return {};
  return invalid("migrate.workspace", concat({"the source has no workspace '", workspace_, "'"}));
}

Status MlflowStore::each(std::string_view sql, const std::vector<std::string>& args,
                         const OnRow& on_row) {
  return db_->each(sql, args, on_row);
}

Result<Json> MlflowStore::pairs(std::string_view sql, const std::vector<std::string>& args) {
  std::vector<codec::JsonMember> out;
  TRY(each(sql, args, [&](const Row& row) { out.emplace_back(row.str(0), row.str(1)); }));
  return Json::object(std::move(out));
}

Result<std::vector<Json>> MlflowStore::experiments() {
  std::vector<Json> out;
  TRY(
      each("SELECT experiment_id, name, artifact_location, lifecycle_stage, creation_time,"
           " last_update_time FROM experiments WHERE workspace = ? ORDER BY experiment_id",
           {workspace_}, [&](const Row& row) {
             out.push_back(Json::object({{"experiment_id", row.i64(0)},
                                         {"name", row.str(1)},
                                         {"artifact_location", row.str(2)},
                                         {"lifecycle_stage", row.str(3)},
                                         {"created_ms", row.i64(4)},
                                         {"updated_ms", row.i64(5)}}));
           }));
  for (Json& e : out) {
    Json tags =
        TRY(pairs("SELECT key, COALESCE(value, '') FROM experiment_tags"
                  " WHERE experiment_id = CAST(? AS INTEGER) ORDER BY key",
                  {std::to_string(e.find("experiment_id")->as_int())}));
    e.set("tags", std::move(tags));
  }
  return out;
}

Result<std::vector<std::string>> MlflowStore::run_ids() {
  std::vector<std::string> out;
  TRY(
      each("SELECT r.run_uuid FROM runs r JOIN experiments e ON e.experiment_id = r.experiment_id"
           " WHERE e.workspace = ? ORDER BY r.start_time, r.run_uuid",
           {workspace_}, [&](const Row& row) { out.push_back(row.str(0)); }));
  return out;
}

Result<Json> MlflowStore::datasets_of(const std::string& run_id) {
  std::vector<Json> out;
  std::vector<std::string> inputs;
  TRY(
      each("SELECT i.input_uuid, d.name, d.digest, d.dataset_source_type, d.dataset_source,"
           " d.dataset_schema, d.dataset_profile FROM inputs i"
           " JOIN datasets d ON d.dataset_uuid = i.source_id"
           " WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN'"
           " AND i.destination_id = ? ORDER BY d.name, d.digest",
           {run_id}, [&](const Row& row) {
             inputs.push_back(row.str(0));
             Json d = Json::object({{"name", row.str(1)},
                                    {"digest", row.str(2)},
                                    {"source_type", row.str(3)},
                                    {"source", row.str(4)}});
             set_text(&d, "schema", row, 5);
             set_text(&d, "profile", row, 6);
             out.push_back(std::move(d));
           }));
  for (size_t i = 0; i < out.size(); ++i) {
    Json tags = TRY(pairs("SELECT name, value FROM input_tags WHERE input_uuid = ? ORDER BY name",
                          {inputs[i]}));
    out[i].set("tags", std::move(tags));
  }
  return Json::array(std::move(out));
}

Result<Json> MlflowStore::run(const std::string& id) {
  Json out;
  TRY(
      each("SELECT run_uuid, experiment_id, name, user_id, status, start_time, end_time,"
           " lifecycle_stage, artifact_uri FROM runs WHERE run_uuid = ?",
           {id}, [&](const Row& row) {
             out = Json::object({{"run_id", row.str(0)},
                                 {"experiment_id", row.i64(1)},
                                 {"name", row.str(2)},
                                 {"user_id", row.str(3)},
                                 {"status", row.str(4)},
                                 {"start_ms", row.i64(5)},
                                 {"lifecycle_stage", row.str(7)},
                                 {"artifact_uri", row.str(8)}});
             if (!row.is_null(6)) out.set("end_ms", row.i64(6));
           }));
  Json params = TRY(pairs("SELECT key, value FROM params WHERE run_uuid = ? ORDER BY key", {id}));
  Json tags =
      TRY(pairs("SELECT key, COALESCE(value, '') FROM tags WHERE run_uuid = ? ORDER BY key", {id}));
  Json datasets = TRY(datasets_of(id));
  Json inputs = Json::array();
  Json outputs = Json::array();
  TRY(
      each("SELECT source_type, destination_id, step FROM inputs WHERE source_id = ?"
           " AND source_type IN ('RUN_INPUT', 'RUN_OUTPUT') ORDER BY destination_id, step",
           {id}, [&](const Row& row) {
             const bool input = row.text(0) == "RUN_INPUT";
             Json link = Json::object({{"model_id", row.str(1)}});
             if (!input) link.set("step", row.i64(2));
             (input ? inputs : outputs).push(std::move(link));
           }));
  out.set("params", std::move(params));
  out.set("tags", std::move(tags));
  out.set("datasets", std::move(datasets));
  out.set("model_inputs", std::move(inputs));
  out.set("model_outputs", std::move(outputs));
  return out;
}

Status MlflowStore::each_point(const std::string& run_id, const Each& each_item) {
  Status failed;
  TRY(
      each("SELECT key, value, is_nan, timestamp, step FROM metrics WHERE run_uuid = ?"
           " ORDER BY key, timestamp, step, value",
           {run_id}, [&](const Row& row) {
             if (!failed.ok()) return;
             failed = each_item(Json::object({{"key", row.str(0)},
                                              {"value", number_of(row, 1, 2)},
                                              {"timestamp_ms", row.i64(3)},
                                              {"step", row.i64(4)}}));
           }));
  return failed;
}

Result<std::vector<Json>> MlflowStore::logged_models() {
  std::vector<Json> out;
  TRY(
      each("SELECT m.model_id, m.experiment_id, m.name, m.artifact_location,"
           " m.creation_timestamp_ms, m.last_updated_timestamp_ms, m.status, m.lifecycle_stage,"
           " m.model_type, m.source_run_id, m.status_message FROM logged_models m"
           " JOIN experiments e ON e.experiment_id = m.experiment_id WHERE e.workspace = ?"
           " ORDER BY m.creation_timestamp_ms, m.model_id",
           {workspace_}, [&](const Row& row) {
             Json m = Json::object({{"model_id", row.str(0)},
                                    {"experiment_id", row.i64(1)},
                                    {"name", row.str(2)},
                                    {"artifact_uri", row.str(3)},
                                    {"created_ms", row.i64(4)},
                                    {"updated_ms", row.i64(5)},
                                    {"status", row.i64(6)},
                                    {"lifecycle_stage", row.str(7)}});
             set_text(&m, "model_type", row, 8);
             set_text(&m, "source_run_id", row, 9);
             set_text(&m, "status_message", row, 10);
             out.push_back(std::move(m));
           }));
  for (Json& m : out) {
    const std::string id = m.find("model_id")->as_string();
    Json params =
        TRY(pairs("SELECT param_key, param_value FROM logged_model_params"
                  " WHERE model_id = ? ORDER BY param_key",
                  {id}));
    Json tags =
        TRY(pairs("SELECT tag_key, tag_value FROM logged_model_tags WHERE model_id = ?"
                  " ORDER BY tag_key",
                  {id}));
    m.set("params", std::move(params));
    m.set("tags", std::move(tags));
  }
  return out;
}

Result<std::vector<Json>> MlflowStore::model_metrics(const std::string& model_id) {
  std::vector<Json> out;
  TRY(
      each("SELECT metric_name, metric_value, 0, metric_timestamp_ms, metric_step, run_id,"
           " dataset_name, dataset_digest FROM logged_model_metrics WHERE model_id = ?"
           " ORDER BY run_id, metric_name, metric_timestamp_ms, metric_step",
           {model_id}, [&](const Row& row) {
             Json m = Json::object({{"model_id", model_id},
                                    {"key", row.str(0)},
                                    {"value", number_of(row, 1, 2)},
                                    {"timestamp_ms", row.i64(3)},
                                    {"step", row.i64(4)},
                                    {"run_id", row.str(5)}});
             set_text(&m, "dataset_name", row, 6);
             set_text(&m, "dataset_digest", row, 7);
             out.push_back(std::move(m));
           }));
  return out;
}

Result<std::vector<Json>> MlflowStore::registered_models() {
  std::vector<Json> out;
  TRY(
      each("SELECT m.name, m.creation_time, m.last_updated_time, m.description,"
           " (SELECT MAX(v.version) FROM model_versions v WHERE v.workspace = m.workspace"
           " AND v.name = m.name) FROM registered_models m WHERE m.workspace = ? ORDER BY m.name",
           {workspace_}, [&](const Row& row) {
             Json m = Json::object({{"name", row.str(0)},
                                    {"created_ms", row.i64(1)},
                                    {"updated_ms", row.is_null(2) ? row.i64(1) : row.i64(2)},
                                    {"last_version", row.i64(4)}});
             set_text(&m, "description", row, 3);
             out.push_back(std::move(m));
           }));
  for (Json& m : out) {
    Json tags =
        TRY(pairs("SELECT key, COALESCE(value, '') FROM registered_model_tags"
                  " WHERE workspace = ? AND name = ? ORDER BY key",
                  {workspace_, m.find("name")->as_string()}));
    m.set("tags", std::move(tags));
  }
  return out;
}

Result<std::vector<Json>> MlflowStore::versions(const std::string& model) {
  std::vector<Json> out;
  TRY(
      each("SELECT version, creation_time, last_updated_time, description, user_id,"
           " COALESCE(current_stage, 'None'), source, storage_location, run_id, run_link"
           " FROM model_versions WHERE workspace = ? AND name = ?"
           " AND COALESCE(current_stage, 'None') <> 'Deleted_Internal' ORDER BY version",
           {workspace_, model}, [&](const Row& row) {
             Json v = Json::object({{"name", model},
                                    {"version", row.i64(0)},
                                    {"created_ms", row.i64(1)},
                                    {"updated_ms", row.is_null(2) ? row.i64(1) : row.i64(2)},
                                    {"stage", row.str(5)},
                                    {"source", row.str(6)}});
             set_text(&v, "description", row, 3);
             set_text(&v, "user_id", row, 4);
             set_text(&v, "location", row, 7);
             set_text(&v, "run_id", row, 8);
             set_text(&v, "run_link", row, 9);
             out.push_back(std::move(v));
           }));
  for (Json& v : out) {
    const std::string number = std::to_string(v.find("version")->as_int());
    Json tags =
        TRY(pairs("SELECT key, COALESCE(value, '') FROM model_version_tags"
                  " WHERE workspace = ? AND name = ? AND version = CAST(? AS INTEGER)"
                  " ORDER BY key",
                  {workspace_, model, number}));
    v.set("tags", std::move(tags));
    Json aliases = Json::array();
    TRY(
        each("SELECT alias FROM registered_model_aliases WHERE workspace = ? AND name = ?"
             " AND version = CAST(? AS INTEGER) ORDER BY alias",
             {workspace_, model, number}, [&](const Row& row) { aliases.push(row.str(0)); }));
    v.set("aliases", std::move(aliases));
  }
  return out;
}

Result<std::vector<MlflowStore::Rest>> MlflowStore::rest() {
  std::vector<Rest> out;
  const auto count = [&](std::string_view sql, const std::vector<std::string>& args,
                         Rest what) -> Status {
    TRY(each(sql, args, [&](const Row& row) { what.rows = row.i64(0); }));
    if (what.rows > 0) out.push_back(what);
    return {};
  };
  for (const LeftTable& left : kLeft) {
    const bool there = TRY(db_->has_table(std::string(left.table)));
    if (there)
      TRY(count(concat({"SELECT COUNT(*) FROM ", left.table}), {},
                {.table = left.table, .why = left.why}));
  }
  TRY(count("SELECT COUNT(*) FROM entity_associations WHERE source_type <> 'trace'", {},
            {.table = "entity_associations", .why = "they join what is not offered here"}));
  constexpr std::string_view kOther = "they are of another workspace: see --workspace";
  TRY(count("SELECT COUNT(*) FROM experiments WHERE workspace <> ?", {workspace_},
            {.table = "experiments", .why = kOther}));
  TRY(count("SELECT COUNT(*) FROM registered_models WHERE workspace <> ?", {workspace_},
            {.table = "registered_models", .why = kOther}));
  TRY(
      count("SELECT COUNT(*) FROM model_versions WHERE status <> 'READY'"
            " AND COALESCE(current_stage, 'None') <> 'Deleted_Internal'",
            {}, {.table = "model_versions.status", .why = "every version that is here is READY"}));
  TRY(count("SELECT COUNT(*) FROM model_versions WHERE current_stage = 'Deleted_Internal'", {},
            {.table = "model_versions", .why = "deleted there; their numbers stay taken"}));
  return out;
}

}  // namespace slip::cli
