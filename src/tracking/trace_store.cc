#include "tracking/trace_store.h"

#include <utility>

#include "base/text.h"
#include "tracking/purge_store.h"

namespace slip::tracking::sql {
namespace {

constexpr std::string_view kColumns =
    "t.trace_id, t.experiment_id, t.request_us, t.duration_us, t.state, t.client_request_id,"
    " t.request_preview, t.response_preview, t.finalized";
constexpr int kColumnCount = 9;

std::optional<std::string> text_or_null(const store::Row& row, int column) {
  if (row.is_null(column)) return std::nullopt;
  return row.str(column);
}

std::optional<double> number_or_null(const store::Row& row, int column) {
  if (row.is_null(column)) return std::nullopt;
  return row.f64(column);
}

Trace decode(const store::Row& row) {
  Trace t;
  t.id = row.str(0);
  t.experiment_id = row.i64(1);
  t.request_us = row.i64(2);
  if (!row.is_null(3)) t.duration_us = row.i64(3);
  t.state = static_cast<TraceState>(row.i64(4));
  t.client_request_id = text_or_null(row, 5);
  t.request_preview = text_or_null(row, 6);
  t.response_preview = text_or_null(row, 7);
  t.finalized = row.i64(8) != 0;
  return t;
}

constexpr std::string_view kAssessmentColumns =
    "assessment_id, created_us, body, kind, name, value, number, is_number, valid, overrides,"
    " of_session";

Assessment decode_assessment(const store::Row& row) {
  return {.id = row.str(0),
          .created_us = row.i64(1),
          .body = row.str(2),
          .kind = row.str(3),
          .name = row.str(4),
          .value = row.str(5),
          .number = number_or_null(row, 6),
          .is_number = row.i64(7) != 0,
          .valid = row.i64(8) != 0,
          .overrides = row.str(9),
          .of_session = row.i64(10) != 0};
}

Status load(store::Tx& tx, std::string_view project, Trace* t) {
  TRY(tx.each("SELECT key, value FROM trace_tag WHERE project = ? AND trace_id = ? ORDER BY key",
              {project, t->id},
              [&](const store::Row& row) { t->tags.push_back({row.str(0), row.str(1)}); }));
  TRY(
      tx.each("SELECT key, value FROM trace_metadata WHERE project = ? AND trace_id = ?"
              " ORDER BY key",
              {project, t->id},
              [&](const store::Row& row) { t->metadata.push_back({row.str(0), row.str(1)}); }));
  return tx.each(concat({"SELECT ", kAssessmentColumns,
                         " FROM trace_assessment WHERE project = ? AND trace_id = ?"
                         " ORDER BY created_us, assessment_id"}),
                 {project, t->id},
                 [&](const store::Row& row) { t->assessments.push_back(decode_assessment(row)); });
}

}  // namespace

Head head_of(const Trace& trace) {
  Head out{.trace = trace, .name = {}, .session_id = {}, .tokens = {}};
  out.trace.tags.clear();
  out.trace.metadata.clear();
  out.trace.assessments.clear();
  for (const Tag& tag : trace.tags)
    if (tag.key == "mlflow.traceName") out.name = tag.value;
  for (const Tag& entry : trace.metadata) {
    if (entry.key == "mlflow.trace.session") out.session_id = entry.value;
    if (entry.key != "mlflow.trace.tokenUsage") continue;
    const auto usage = parse_usage(entry.value);
    for (size_t i = 0; usage && i < kTokenColumns.size(); ++i)
      if (const auto found = usage->counts.find(kTokenColumns[i]); found != usage->counts.end())
        out.tokens[i] = found->second;
  }
  return out;
}

Status put_head(store::Tx& tx, std::string_view project, const Head& head) {
  const Trace& t = head.trace;
  TRY(tx.exec(
      "INSERT INTO trace (project, trace_id, experiment_id, request_us, duration_us, state,"
      " client_request_id, request_preview, response_preview, finalized, name, session_id,"
      " input_tokens, output_tokens, total_tokens, cache_read_input_tokens,"
      " cache_creation_input_tokens) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
      " ON CONFLICT (project, trace_id) DO UPDATE SET experiment_id = excluded.experiment_id,"
      " request_us = excluded.request_us, duration_us = excluded.duration_us,"
      " state = excluded.state, client_request_id = excluded.client_request_id,"
      " request_preview = excluded.request_preview,"
      " response_preview = excluded.response_preview, finalized = excluded.finalized,"
      " name = excluded.name, session_id = excluded.session_id,"
      " input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens,"
      " total_tokens = excluded.total_tokens,"
      " cache_read_input_tokens = excluded.cache_read_input_tokens,"
      " cache_creation_input_tokens = excluded.cache_creation_input_tokens",
      {project, t.id, t.experiment_id, t.request_us, store::maybe(t.duration_us),
       static_cast<int64_t>(t.state), store::maybe(t.client_request_id),
       store::maybe(t.request_preview), store::maybe(t.response_preview),
       int64_t{t.finalized ? 1 : 0}, store::maybe(head.name), store::maybe(head.session_id),
       store::maybe(head.tokens[0]), store::maybe(head.tokens[1]), store::maybe(head.tokens[2]),
       store::maybe(head.tokens[3]), store::maybe(head.tokens[4])}));
  return {};
}

Result<std::optional<Head>> find_head(store::Tx& tx, std::string_view project,
                                      std::string_view id) {
  std::optional<Head> out;
  TRY(tx.first(concat({"SELECT ", kColumns,
                       ", t.name, t.session_id, t.input_tokens, t.output_tokens, t.total_tokens,"
                       " t.cache_read_input_tokens, t.cache_creation_input_tokens"
                       " FROM trace t WHERE t.project = ? AND t.trace_id = ?"}),
               {project, id}, [&](const store::Row& row) {
                 Head& head = out.emplace();
                 head.trace = decode(row);
                 head.name = text_or_null(row, kColumnCount);
                 head.session_id = text_or_null(row, kColumnCount + 1);
                 for (size_t i = 0; i < head.tokens.size(); ++i)
                   if (const int c = kColumnCount + 2 + static_cast<int>(i); !row.is_null(c))
                     head.tokens[i] = row.i64(c);
               }));
  return out;
}

Result<std::optional<Trace>> find_trace(store::Tx& tx, std::string_view project,
                                        std::string_view id) {
  std::optional<Trace> out;
  TRY(tx.first(
      concat({"SELECT ", kColumns, " FROM trace t WHERE t.project = ? AND t.trace_id = ?"}),
      {project, id}, [&](const store::Row& row) { out = decode(row); }));
  if (out) TRY(load(tx, project, &*out));
  return out;
}

Result<std::optional<int64_t>> experiment_of_trace(store::Tx& tx, std::string_view project,
                                                   std::string_view id) {
  std::optional<int64_t> out;
  TRY(tx.first("SELECT experiment_id FROM trace WHERE project = ? AND trace_id = ?", {project, id},
               [&](const store::Row& row) { out = row.i64(0); }));
  return out;
}

Result<bool> has_trace(store::Tx& tx, std::string_view project, std::string_view id) {
  return tx.first("SELECT 1 FROM trace WHERE project = ? AND trace_id = ?", {project, id},
                  [](const store::Row&) {});
}

Status put_trace_tag(store::Tx& tx, std::string_view project, std::string_view id, const Tag& tag) {
  TRY(
      tx.exec("INSERT INTO trace_tag (project, trace_id, key, value) VALUES (?, ?, ?, ?)"
              " ON CONFLICT (project, trace_id, key) DO UPDATE SET value = excluded.value",
              {project, id, tag.key, tag.value}));
  return {};
}

Status set_trace_name(store::Tx& tx, std::string_view project, std::string_view id,
                      const std::optional<std::string>& name) {
  TRY(tx.exec("UPDATE trace SET name = ? WHERE project = ? AND trace_id = ?",
              {store::maybe(name), project, id}));
  return {};
}

Status put_trace_metadata(store::Tx& tx, std::string_view project, std::string_view id,
                          const Tag& entry) {
  TRY(
      tx.exec("INSERT INTO trace_metadata (project, trace_id, key, value) VALUES (?, ?, ?, ?)"
              " ON CONFLICT (project, trace_id, key) DO UPDATE SET value = excluded.value",
              {project, id, entry.key, entry.value}));
  return {};
}

Result<bool> has_trace_metadata(store::Tx& tx, std::string_view project, std::string_view id,
                                std::string_view key) {
  return tx.first("SELECT 1 FROM trace_metadata WHERE project = ? AND trace_id = ? AND key = ?",
                  {project, id, key}, [](const store::Row&) {});
}

Result<bool> drop_trace_tag(store::Tx& tx, std::string_view project, std::string_view id,
                            std::string_view key) {
  return TRY(tx.exec("DELETE FROM trace_tag WHERE project = ? AND trace_id = ? AND key = ?",
                     {project, id, key})) > 0;
}

Status put_span(store::Tx& tx, std::string_view project, const Span& s, const SpanFacts& facts) {
  const Cost cost = facts.cost.value_or(Cost{});
  std::string both;
  if (!facts.translated.empty()) both = with_translated(s.attributes, facts);
  const std::string& attributes = both.empty() ? s.attributes : both;
  TRY(tx.exec(
      "INSERT INTO trace_span (project, trace_id, span_id, parent_id, name, type, status, start_ns,"
      " end_ns, attributes, body, model_name, model_provider, input_cost, output_cost, total_cost)"
      " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
      " ON CONFLICT (project, trace_id, span_id) DO UPDATE SET parent_id = excluded.parent_id,"
      " name = excluded.name, type = excluded.type, status = excluded.status,"
      " start_ns = excluded.start_ns, end_ns = excluded.end_ns,"
      " attributes = excluded.attributes, body = excluded.body,"
      " model_name = excluded.model_name, model_provider = excluded.model_provider,"
      " input_cost = excluded.input_cost, output_cost = excluded.output_cost,"
      " total_cost = excluded.total_cost",
      {project, s.trace_id, s.span_id, s.parent_id, s.name, facts.type,
       static_cast<int64_t>(s.status), s.start_ns, s.end_ns, attributes, s.body, facts.model_name,
       facts.model_provider, store::maybe(cost.input), store::maybe(cost.output),
       store::maybe(cost.total)}));
  return {};
}

Result<std::vector<Span>> spans(store::Tx& tx, std::string_view project, std::string_view id) {
  std::vector<Span> out;
  TRY(
      tx.each("SELECT span_id, parent_id, name, start_ns, end_ns, status, attributes, body"
              " FROM trace_span WHERE project = ? AND trace_id = ?"
              " ORDER BY CASE WHEN parent_id = '' THEN 0 ELSE 1 END, start_ns, span_id",
              {project, id}, [&](const store::Row& row) {
                Span& s = out.emplace_back();
                s.trace_id = id;
                s.span_id = row.str(0);
                s.parent_id = row.str(1);
                s.name = row.str(2);
                s.start_ns = row.i64(3);
                s.end_ns = row.i64(4);
                s.status = static_cast<SpanStatus>(row.i64(5));
                s.attributes = row.str(6);
                s.body = row.str(7);
              }));
  return out;
}

Result<bool> is_rare_span_name(store::Tx& tx, std::string_view project, std::string_view name,
                               int64_t enough) {
  int64_t count = 0;
  TRY(
      tx.first("SELECT COUNT(*) FROM (SELECT 1 AS one FROM trace_span WHERE project = ?"
               " AND name = ? LIMIT CAST(? AS BIGINT)) AS few",
               {project, name, enough}, [&](const store::Row& row) { count = row.i64(0); }));
  return count < enough;
}

Status put_link(store::Tx& tx, std::string_view project, std::string_view kind,
                std::string_view target, std::string_view id) {
  TRY(
      tx.exec("INSERT INTO trace_link (project, kind, target, trace_id) VALUES (?, ?, ?, ?)"
              " ON CONFLICT DO NOTHING",
              {project, kind, target, id}));
  return {};
}

Status put_assessment(store::Tx& tx, std::string_view project, std::string_view id,
                      const Assessment& a) {
  TRY(tx.exec(
      "INSERT INTO trace_assessment (project, trace_id, assessment_id, created_us, body, kind,"
      " name, value, number, is_number, valid, overrides, of_session)"
      " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
      " ON CONFLICT (project, trace_id, assessment_id) DO UPDATE SET body = excluded.body,"
      " kind = excluded.kind, name = excluded.name, value = excluded.value,"
      " number = excluded.number, is_number = excluded.is_number, valid = excluded.valid,"
      " overrides = excluded.overrides, of_session = excluded.of_session",
      {project, id, a.id, a.created_us, a.body, a.kind, a.name, a.value, store::maybe(a.number),
       int64_t{a.is_number ? 1 : 0}, int64_t{a.valid ? 1 : 0}, a.overrides,
       int64_t{a.of_session ? 1 : 0}}));
  return {};
}

Result<std::optional<Assessment>> find_assessment(store::Tx& tx, std::string_view project,
                                                  std::string_view id,
                                                  std::string_view assessment_id) {
  std::optional<Assessment> out;
  TRY(tx.first(
      concat({"SELECT ", kAssessmentColumns,
              " FROM trace_assessment WHERE project = ? AND trace_id = ? AND assessment_id = ?"}),
      {project, id, assessment_id}, [&](const store::Row& row) { out = decode_assessment(row); }));
  return out;
}

Result<bool> drop_assessment(store::Tx& tx, std::string_view project, std::string_view id,
                             std::string_view assessment_id) {
  return TRY(tx.exec("DELETE FROM trace_assessment WHERE project = ? AND trace_id = ?"
                     " AND assessment_id = ?",
                     {project, id, assessment_id})) > 0;
}

Status delete_trace(store::Tx& tx, std::string_view project, std::string_view id) {
  for (const char* table :
       {"trace", "trace_tag", "trace_metadata", "trace_span", "trace_assessment", "trace_link"})
    TRY(tx.exec(concat({"DELETE FROM ", table, " WHERE project = ? AND trace_id = ?"}),
                {project, id}));
  return {};
}

Result<std::vector<std::string>> old_traces(store::Tx& tx, std::string_view project,
                                            int64_t experiment_id, int64_t until_us,
                                            int64_t limit) {
  std::vector<std::string> out;
  TRY(tx.each(concat({"SELECT x.trace_id FROM trace x WHERE x.project = ? AND x.experiment_id = ?"
                      " AND x.request_us <= ? AND ",
                      holder_text(Phase::kTraces),
                      " = '' ORDER BY x.request_us, x.trace_id LIMIT CAST(? AS BIGINT)"}),
              {project, experiment_id, until_us, limit},
              [&](const store::Row& row) { out.push_back(row.str(0)); }));
  return out;
}

Result<Page<Trace>> search_traces(store::Tx& tx, std::string_view project,
                                  const search::PageQuery& query) {
  constexpr search::Select kList = {kColumns, kColumnCount, "trace t WHERE t.project = ?"};
  Page<Trace> out = TRY(search::read_page(tx, project, kList, query, decode));
  for (Trace& t : out.items) TRY(load(tx, project, &t));
  return out;
}

Result<int64_t> count_traces(store::Tx& tx, std::string_view project, const search::Sql& where) {
  search::Sql q;
  q.add("SELECT COUNT(*) FROM trace t WHERE t.project = ?").bind(std::string(project));
  q.add(where);
  int64_t out = 0;
  TRY(tx.each(q.text, q.values(), [&](const store::Row& row) { out = row.i64(0); }));
  return out;
}

}  // namespace slip::tracking::sql
