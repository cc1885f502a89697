#include <array>

#include "base/text.h"
#include "cli/mlflow_store.h"

// Traces of MLflow's store: heads, spans, assessments.
namespace slip::cli {
namespace {

using codec::Json;
using store::Row;

// What its tables keep as columns is metadata to whoever reads a trace.
struct Promoted {
  std::string_view metadata;
  std::array<std::string_view, 6> columns;
  bool whole;  // Numbers without a fraction.
};
constexpr std::array kPromoted = {
    Promoted{"mlflow.trace.tokenUsage",
             {"input_tokens", "output_tokens", "total_tokens", "cache_read_input_tokens",
              "cache_creation_input_tokens", "cache_creation_input_tokens_above_1hr"},
             true},
    Promoted{"mlflow.trace.cost", {"input_cost", "output_cost", "total_cost"}, false},
};

Json parsed(std::string_view text) {
  Result<Json> out = codec::parse_json(text, codec::NonFinite::kToken);
  return out.ok() ? std::move(out).value() : Json();
}

void add_promoted(const Row& row, int column, Json* metadata) {
  for (const Promoted& p : kPromoted) {
    Json values = Json::object();
    for (const std::string_view name : p.columns) {
      if (name.empty()) break;
      if (!row.is_null(column))
        values.set(name, p.whole ? Json(row.i64(column)) : Json(row.f64(column)));
      ++column;
    }
    if (!values.members().empty())
      metadata->set(p.metadata, codec::to_json(values, codec::kSpaced, codec::NonFinite::kToken));
  }
}

Json assessment_of(const Row& row) {
  const std::string kind = row.str(2);
  Json value = parsed(row.text(3));
  Json out = Json::object(
      {{"assessment_id", row.str(0)},
       {"assessment_name", row.str(1)},
       {"create_time", format_time_ms(row.i64(5))},
       {"last_update_time", format_time_ms(row.i64(6))},
       {"source", Json::object({{"source_type", row.str(7)}, {"source_id", row.str(8)}})},
       {"valid", row.i64(12) != 0}});
  if (!row.is_null(9)) out.set("span_id", row.str(9));
  if (!row.is_null(10)) out.set("rationale", row.str(10));
  if (!row.is_null(11)) out.set("overrides", row.str(11));
  if (!row.is_null(13)) out.set("metadata", parsed(row.text(13)));
  if (kind == "issue") {
    out.set("issue", std::move(value));
    return out;
  }
  Json said = Json::object();
  if (!value.is_null()) said.set("value", std::move(value));
  if (!row.is_null(4)) {
    Json error = parsed(row.text(4));
    if (const Json* trace = error.find("stack_trace"); trace != nullptr && trace->is_null())
      error.erase("stack_trace");
    said.set("error", std::move(error));
  }
  out.set(kind, std::move(said));
  return out;
}

}  // namespace

Result<std::vector<std::string>> MlflowStore::trace_ids() {
  std::vector<std::string> out;
  TRY(
      each("SELECT t.request_id FROM trace_info t JOIN experiments e"
           " ON e.experiment_id = t.experiment_id WHERE e.workspace = ?"
           " ORDER BY t.timestamp_ms, t.request_id",
           {workspace_}, [&](const Row& row) { out.push_back(row.str(0)); }));
  return out;
}

Result<Json> MlflowStore::assessments_of(const std::string& trace_id) {
  Json out = Json::array();
  TRY(
      each("SELECT assessment_id, name, assessment_type, value, error, created_timestamp,"
           " last_updated_timestamp, source_type, source_id, span_id, rationale, overrides,"
           " valid, assessment_metadata FROM assessments WHERE trace_id = ?"
           " ORDER BY created_timestamp, assessment_id",
           {trace_id}, [&](const Row& row) { out.push(assessment_of(row)); }));
  return out;
}

Result<Json> MlflowStore::trace(const std::string& id) {
  Json metadata =
      TRY(pairs("SELECT key, COALESCE(value, '') FROM trace_request_metadata"
                " WHERE request_id = ? ORDER BY key",
                {id}));
  Json tags =
      TRY(pairs("SELECT key, COALESCE(value, '') FROM trace_tags WHERE request_id = ?"
                " ORDER BY key",
                {id}));
  Json info = Json::object({{"trace_id", id}});
  int64_t experiment = 0;
  TRY(
      each("SELECT experiment_id, timestamp_ms, execution_time_ms, status, client_request_id,"
           " request_preview, response_preview, trace_name, session_id, input_tokens,"
           " output_tokens, total_tokens, cache_read_input_tokens, cache_creation_input_tokens,"
           " cache_creation_input_tokens_above_1hr, input_cost, output_cost, total_cost"
           " FROM trace_info WHERE request_id = ?",
           {id}, [&](const Row& row) {
             experiment = row.i64(0);
             info.set("request_time", format_time_ms(row.i64(1)));
             if (!row.is_null(2))
               info.set("execution_duration",
                        concat({format_double(static_cast<double>(row.i64(2)) / 1000), "s"}));
             info.set("state", row.str(3));
             if (!row.is_null(4)) info.set("client_request_id", row.str(4));
             if (!row.is_null(5)) info.set("request_preview", row.str(5));
             if (!row.is_null(6)) info.set("response_preview", row.str(6));
             if (!row.is_null(7)) tags.set("mlflow.traceName", row.str(7));
             if (!row.is_null(8)) metadata.set("mlflow.trace.session", row.str(8));
             add_promoted(row, 9, &metadata);
           }));
  Json out = Json::object({{"experiment_id", experiment}, {"artifacts", ""}});
  if (const Json* location = tags.find("mlflow.artifactLocation"); location != nullptr)
    out.set("artifacts", *location);
  // Where its files and spans are is for each server to say.
  tags.erase("mlflow.artifactLocation");
  tags.erase("mlflow.trace.spansLocation");
  metadata.erase("mlflow.trace.infoFinalized");
  info.set("trace_metadata", std::move(metadata));
  info.set("tags", std::move(tags));
  Json assessments = TRY(assessments_of(id));
  info.set("assessments", std::move(assessments));
  Json links = Json::array();
  TRY(
      each("SELECT destination_type, destination_id FROM entity_associations"
           " WHERE source_type = 'trace' AND source_id = ?"
           " AND destination_type IN ('run', 'prompt_version')"
           " ORDER BY destination_type, destination_id",
           {id}, [&](const Row& row) {
             links.push(Json::object(
                 {{"kind", row.text(0) == "run" ? "run" : "prompt"}, {"target", row.str(1)}}));
           }));
  out.set("info", std::move(info));
  out.set("links", std::move(links));
  return out;
}

Result<std::vector<Json>> MlflowStore::spans(const std::string& trace_id) {
  std::vector<Json> out;
  std::string bad;
  TRY(
      each("SELECT span_id, content FROM spans WHERE trace_id = ?"
           " ORDER BY start_time_unix_nano, span_id",
           {trace_id}, [&](const Row& row) {
             Json span = parsed(row.text(1));
             if (!span.is_object()) bad = row.str(0);
             out.push_back(std::move(span));
           }));
  if (bad.empty()) return out;
  return invalid("migrate.span", concat({"span ", bad, " of trace ", trace_id,
                                         " is no JSON object in the source"}));
}

}  // namespace slip::cli
