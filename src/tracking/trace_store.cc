#include "tracking/trace_store.h"

#include <utility>

#include "base/text.h"

namespace slip::tracking::sql {
namespace {

constexpr std::string_view kColumns =
    "t.trace_id, t.experiment_id, t.request_us, t.duration_us, t.state, t.client_request_id,"
    " t.request_preview, t.response_preview";
constexpr int kColumnCount = 8;

std::optional<std::string> text_or_null(const store::Row& row, int column) {
  if (row.is_null(column)) return std::nullopt;
  return row.str(column);
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
  return t;
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
  return tx.each(
      "SELECT assessment_id, created_us, body FROM trace_assessment"
      " WHERE project = ? AND trace_id = ? ORDER BY created_us, assessment_id",
      {project, t->id}, [&](const store::Row& row) {
        t->assessments.push_back({row.str(0), row.i64(1), row.str(2)});
      });
}

}  // namespace

Status put_trace(store::Tx& tx, std::string_view project, const Trace& t) {
  TRY(
      tx.exec("INSERT INTO trace (project, trace_id, experiment_id, request_us, duration_us,"
              " state, client_request_id, request_preview, response_preview)"
              " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (project, trace_id) DO UPDATE SET"
              " request_us = excluded.request_us, duration_us = excluded.duration_us,"
              " state = excluded.state, client_request_id = excluded.client_request_id,"
              " request_preview = excluded.request_preview,"
              " response_preview = excluded.response_preview",
              {project, t.id, t.experiment_id, t.request_us, store::maybe(t.duration_us),
               static_cast<int64_t>(t.state), store::maybe(t.client_request_id),
               store::maybe(t.request_preview), store::maybe(t.response_preview)}));
  for (const Tag& tag : t.tags) TRY(put_trace_tag(tx, project, t.id, tag));
  for (const Tag& entry : t.metadata) TRY(put_trace_metadata(tx, project, t.id, entry));
  return {};
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

Status put_trace_tag(store::Tx& tx, std::string_view project, std::string_view id, const Tag& tag) {
  TRY(
      tx.exec("INSERT INTO trace_tag (project, trace_id, key, value) VALUES (?, ?, ?, ?)"
              " ON CONFLICT (project, trace_id, key) DO UPDATE SET value = excluded.value",
              {project, id, tag.key, tag.value}));
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

Result<bool> drop_trace_tag(store::Tx& tx, std::string_view project, std::string_view id,
                            std::string_view key) {
  return TRY(tx.exec("DELETE FROM trace_tag WHERE project = ? AND trace_id = ? AND key = ?",
                     {project, id, key})) > 0;
}

Status put_span(store::Tx& tx, std::string_view project, const Span& span) {
  TRY(
      tx.exec("INSERT INTO trace_span (project, trace_id, span_id, start_ns, body)"
              " VALUES (?, ?, ?, ?, ?) ON CONFLICT (project, trace_id, span_id)"
              " DO UPDATE SET start_ns = excluded.start_ns, body = excluded.body",
              {project, span.trace_id, span.span_id, span.start_ns, span.body}));
  return {};
}

Result<std::vector<std::string>> spans(store::Tx& tx, std::string_view project,
                                       std::string_view id) {
  std::vector<std::string> out;
  TRY(
      tx.each("SELECT body FROM trace_span WHERE project = ? AND trace_id = ?"
              " ORDER BY start_ns, span_id",
              {project, id}, [&](const store::Row& row) { out.push_back(row.str(0)); }));
  return out;
}

Status put_assessment(store::Tx& tx, std::string_view project, std::string_view id,
                      const Assessment& a) {
  TRY(
      tx.exec("INSERT INTO trace_assessment (project, trace_id, assessment_id, created_us, body)"
              " VALUES (?, ?, ?, ?, ?) ON CONFLICT (project, trace_id, assessment_id)"
              " DO UPDATE SET body = excluded.body",
              {project, id, a.id, a.created_us, a.body}));
  return {};
}

Result<bool> drop_assessment(store::Tx& tx, std::string_view project, std::string_view id,
                             std::string_view assessment_id) {
  return TRY(tx.exec("DELETE FROM trace_assessment WHERE project = ? AND trace_id = ?"
                     " AND assessment_id = ?",
                     {project, id, assessment_id})) > 0;
}

Status delete_trace(store::Tx& tx, std::string_view project, std::string_view id) {
  for (const char* table :
       {"trace", "trace_tag", "trace_metadata", "trace_span", "trace_assessment"})
    TRY(tx.exec(concat({"DELETE FROM ", table, " WHERE project = ? AND trace_id = ?"}),
                {project, id}));
  return {};
}

Result<std::vector<std::string>> old_traces(store::Tx& tx, std::string_view project,
                                            int64_t experiment_id, int64_t until_us,
                                            int64_t limit) {
  std::vector<std::string> out;
  TRY(
      tx.each("SELECT trace_id FROM trace WHERE project = ? AND experiment_id = ?"
              " AND request_us <= ? ORDER BY request_us, trace_id LIMIT CAST(? AS BIGINT)",
              {project, experiment_id, until_us, limit},
              [&](const store::Row& row) { out.push_back(row.str(0)); }));
  return out;
}

Result<std::vector<Trace>> search_traces(store::Tx& tx, std::string_view project,
                                         const TraceSearch& search,
                                         std::vector<search::Bound>* last) {
  search::Sql q;
  q.add("SELECT ").add(kColumns);
  for (const search::SortKey& key : search.keys) {
    q.add(", ").add(key.expr);
    for (const search::Bound& arg : key.args) q.bind(arg);
  }
  q.add(" FROM trace t WHERE t.project = ?").bind(std::string(project));
  q.add(search.where.text);
  q.args.insert(q.args.end(), search.where.args.begin(), search.where.args.end());
  if (!search.after.empty()) {
    q.add(" AND ");
    search::add_after(&q, search.keys, search.after);
  }
  search::add_order_by(&q, search.keys);
  q.add(" LIMIT CAST(? AS BIGINT)").bind(search.limit + 1);
  std::vector<Trace> out;
  TRY(tx.each(q.text, q.values(), [&](const store::Row& row) {
    out.push_back(decode(row));
    if (static_cast<int64_t>(out.size()) == search.limit)
      *last = search::read_keys(row, kColumnCount, search.keys);
  }));
  for (Trace& t : out) TRY(load(tx, project, &t));
  return out;
}

}  // namespace slip::tracking::sql
