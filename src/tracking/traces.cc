#include "tracking/traces.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/text.h"
#include "core/ledger/ledger.h"
#include "sys/clock.h"
#include "tracking/experiment_store.h"
#include "tracking/trace_search.h"
#include "tracking/trace_store.h"
#include "tracking/validate.h"

namespace slip::tracking {
namespace {

constexpr std::string_view kLocationTag = "mlflow.artifactLocation";
constexpr std::string_view kSpansTag = "mlflow.trace.spansLocation";
constexpr size_t kSpansMax = 900;       // One transaction.
constexpr int64_t kDeleteAtOnce = 100;  // One transaction.

Error no_trace(std::string_view id) {
  return not_found("trace.not_found", concat({"Trace with ID '", id, "' not found."}));
}

Result<Trace> must_find(store::Tx& tx, const Ctx& ctx, std::string_view id) {
  auto found = TRY(sql::find_trace(tx, ctx.project.text, id));
  if (!found) return no_trace(id);
  return std::move(*found);
}

Status check_id(std::string_view id) {
  if (!id.empty() && id.size() <= 64 && is_utf8(id) && id.find('/') == id.npos) return {};
  return invalid("trace.id", concat({"Invalid trace ID: '", id, "'"}));
}

Status check_pair(const Tag& tag) {
  if (tag.key.empty())
    return invalid("tracking.missing",
                   "Missing value for required parameter 'key'. See the API docs for more "
                   "information about request parameters.");
  return check_length("key", tag.key, kKeyMax);
}

void cut_values(std::vector<Tag>* tags) {
  for (Tag& tag : *tags) tag.value = cut(tag.value, kTraceTagValueMax);
}

bool has(const std::vector<Tag>& tags, std::string_view key) {
  return std::any_of(tags.begin(), tags.end(), [&](const Tag& t) { return t.key == key; });
}

Result<Experiment> must_find_experiment(store::Tx& tx, const Ctx& ctx, int64_t id) {
  auto found = TRY(sql::find_experiment(tx, ctx.project.text, id));
  if (found) return std::move(*found);
  return not_found("experiment.not_found",
                   "No Experiment with id=" + std::to_string(id) + " exists");
}

void add_location(Trace* trace, const Experiment& experiment) {
  if (has(trace->tags, kLocationTag)) return;
  std::string_view base = experiment.artifact_location;
  while (base.ends_with('/') && !base.ends_with(":/")) base.remove_suffix(1);
  trace->tags.push_back({std::string(kLocationTag), concat({base, base.ends_with(":/") ? "" : "/",
                                                            "traces/", trace->id, "/artifacts"})});
}

// What a trace's spans say about it, as far as its sender has not said so itself.
void widen(Trace* trace, const std::vector<const Span*>& spans) {
  const bool open =
      trace->state == TraceState::kUnspecified || trace->state == TraceState::kInProgress;
  if (!open) return;
  const Span* root = nullptr;
  int64_t start_ns = INT64_MAX;
  int64_t end_ns = 0;
  for (const Span* s : spans) {
    start_ns = std::min(start_ns, s->start_ns);
    end_ns = std::max(end_ns, s->end_ns);
    if (s->parent_id.empty()) root = s;
  }
  const int64_t start_us = start_ns / 1000;
  if (trace->request_us == 0 || start_us < trace->request_us) trace->request_us = start_us;
  if (end_ns > 0)
    trace->duration_us =
        std::max(trace->duration_us.value_or(0), end_ns / 1000 - trace->request_us);
  trace->state = TraceState::kInProgress;
  if (!root) return;
  if (root->end_ns > 0) trace->state = root->failed ? TraceState::kError : TraceState::kOk;
  if (!has(trace->tags, "mlflow.traceName") && !root->name.empty())
    trace->tags.push_back({"mlflow.traceName", cut(root->name, kTraceTagValueMax)});
}

}  // namespace

Result<Trace> Traces::start(const Ctx& ctx, Trace trace) {
  TRY(check_id(trace.id));
  for (const auto* list : {&trace.tags, &trace.metadata})
    for (const Tag& tag : *list) TRY(check_pair(tag));
  cut_values(&trace.tags);
  cut_values(&trace.metadata);
  if (trace.experiment_id == 0) TRY(experiments_.ready(ctx));
  Trace out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    out = trace;
    add_location(&out, TRY(must_find_experiment(tx, ctx, trace.experiment_id)));
    TRY(sql::put_trace(tx, ctx.project.text, out));
    for (const Assessment& a : trace.assessments)
      TRY(sql::put_assessment(tx, ctx.project.text, trace.id, a));
    out = TRY(must_find(tx, ctx, trace.id));
    return {};
  }));
  return out;
}

Status Traces::log_spans(const Ctx& ctx, const SpanBatch& batch) {
  if (batch.spans.size() > kSpansMax)
    return invalid("trace.batch_size",
                   "A batch has at most " + std::to_string(kSpansMax) + " spans");
  std::map<std::string, std::vector<const Span*>> by_trace;
  for (const Span& span : batch.spans) {
    TRY(check_id(span.trace_id));
    by_trace[span.trace_id].push_back(&span);
  }
  if (batch.experiment_id == 0) TRY(experiments_.ready(ctx));
  return deps_.db.write([&](store::Tx& tx) -> Status {
    const Experiment experiment = TRY(must_find_experiment(tx, ctx, batch.experiment_id));
    for (const auto& [id, spans] : by_trace) {
      Trace trace;
      if (auto found = TRY(sql::find_trace(tx, ctx.project.text, id))) trace = std::move(*found);
      trace.id = id;
      if (trace.tags.empty()) trace.experiment_id = batch.experiment_id;
      add_location(&trace, experiment);
      widen(&trace, spans);
      if (!has(trace.tags, kSpansTag))
        trace.tags.push_back({std::string(kSpansTag), "TRACKING_STORE"});
      if (!batch.run_id.empty() && !has(trace.metadata, "mlflow.sourceRun"))
        trace.metadata.push_back({"mlflow.sourceRun", batch.run_id});
      TRY(sql::put_trace(tx, ctx.project.text, trace));
      for (const Span* span : spans) TRY(sql::put_span(tx, ctx.project.text, *span));
    }
    return {};
  });
}

Result<Trace> Traces::get(const Ctx& ctx, const std::string& id) {
  Trace out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(must_find(tx, ctx, id));
    return {};
  }));
  return out;
}

Result<std::vector<std::string>> Traces::spans(const Ctx& ctx, const std::string& id) {
  std::vector<std::string> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    TRY(must_find(tx, ctx, id));
    out = TRY(sql::spans(tx, ctx.project.text, id));
    return {};
  }));
  return out;
}

Result<Page<Trace>> Traces::search(const Ctx& ctx, const TraceQuery& query) {
  if (query.max_results < 1 || query.max_results > kSearchTracesMax)
    return invalid("page.limit",
                   concat({"Invalid value for max_results. It must be at least 1 and at most ",
                           std::to_string(kSearchTracesMax), ", but got value ",
                           std::to_string(query.max_results)}));
  Page<Trace> out;
  sql::TraceSearch search;
  search.limit = query.max_results;
  search.keys = TRY(trace_sort_keys(query.order_by));
  TRY(add_trace_conditions(&search.where, query));
  std::string identity = concat({"traces\n", query.filter, "\n", join(query.order_by, "\n")});
  for (const int64_t id : query.experiment_ids) identity += "," + std::to_string(id);
  search.after = TRY(search::parse_page_token(query.page_token, identity, search.keys));
  if (query.experiment_ids.empty()) return out;

  std::vector<search::Bound> last;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out.items = TRY(sql::search_traces(tx, ctx.project.text, search, &last));
    return {};
  }));
  if (static_cast<int64_t>(out.items.size()) > query.max_results) {
    out.items.pop_back();
    out.next_page_token = search::make_page_token(identity, last);
  }
  return out;
}

Status Traces::set_tag(const Ctx& ctx, const std::string& id, const Tag& tag) {
  TRY(check_pair(tag));
  if (tag.key == kSpansTag || tag.key == kLocationTag)
    return invalid("trace.tag_reserved",
                   concat({"The tag '", tag.key, "' is set by the server and cannot be changed"}));
  return deps_.db.write([&](store::Tx& tx) -> Status {
    TRY(must_find(tx, ctx, id));
    return sql::put_trace_tag(tx, ctx.project.text, id,
                              {tag.key, cut(tag.value, kTraceTagValueMax)});
  });
}

Status Traces::delete_tag(const Ctx& ctx, const std::string& id, const std::string& key) {
  return deps_.db.write([&](store::Tx& tx) -> Status {
    TRY(must_find(tx, ctx, id));
    if (TRY(sql::drop_trace_tag(tx, ctx.project.text, id, key))) return {};
    return not_found("trace.no_tag",
                     concat({"No trace tag with key '", key, "' for trace with ID '", id, "'"}));
  });
}

Result<int64_t> Traces::remove(const Ctx& ctx, const TraceDeletion& wanted) {
  if (wanted.ids.empty() == !wanted.max_time_ms)
    return invalid("trace.delete", "Either `max_timestamp_millis` or `request_ids` must be given");
  if (wanted.ids.size() > kTraceBatchMax)
    return invalid("tracking.batch_size",
                   "At most " + std::to_string(kTraceBatchMax) + " traces per request");
  int64_t total = 0;
  const int64_t bound = wanted.max_traces > 0 ? wanted.max_traces : INT64_MAX;
  for (bool more = true; more && total < bound;) {  // In small transactions.
    int64_t gone = 0;
    TRY(deps_.db.write([&](store::Tx& tx) -> Status {
      gone = 0;
      std::vector<std::string> ids = wanted.ids;
      if (wanted.max_time_ms)
        ids = TRY(sql::old_traces(tx, ctx.project.text, wanted.experiment_id,
                                  *wanted.max_time_ms * 1000 + 999,
                                  std::min(kDeleteAtOnce, bound - total)));
      for (const std::string& id : ids) {
        const auto found = TRY(sql::find_trace(tx, ctx.project.text, id));
        if (!found || found->experiment_id != wanted.experiment_id) continue;
        TRY(sql::delete_trace(tx, ctx.project.text, id));
        ++gone;
      }
      if (gone == 0) return {};
      ledger::Draft draft;
      draft.verb = "trace.deleted";
      draft.subject = {.kind = "experiment",
                       .uid = std::to_string(wanted.experiment_id),
                       .name = {},
                       .version = {},
                       .digest = {}};
      draft.body = codec::Json::object({{"traces", gone}});
      return deps_.ledger.append(tx, ctx, draft);
    }));
    total += gone;
    more = wanted.max_time_ms && gone > 0;
  }
  return total;
}

Status Traces::put_assessment(const Ctx& ctx, const std::string& id, const Assessment& assessment) {
  return deps_.db.write([&](store::Tx& tx) -> Status {
    TRY(must_find(tx, ctx, id));
    return sql::put_assessment(tx, ctx.project.text, id, assessment);
  });
}

Result<Assessment> Traces::get_assessment(const Ctx& ctx, const std::string& id,
                                          const std::string& assessment_id) {
  for (Assessment& a : TRY(get(ctx, id)).assessments)
    if (a.id == assessment_id) return std::move(a);
  return not_found("trace.no_assessment", concat({"Assessment with ID '", assessment_id,
                                                  "' not found for trace '", id, "'"}));
}

Status Traces::delete_assessment(const Ctx& ctx, const std::string& id,
                                 const std::string& assessment_id) {
  return deps_.db.write([&](store::Tx& tx) -> Status {
    TRY(must_find(tx, ctx, id));
    if (TRY(sql::drop_assessment(tx, ctx.project.text, id, assessment_id))) return {};
    return not_found("trace.no_assessment", concat({"Assessment with ID '", assessment_id,
                                                    "' not found for trace '", id, "'"}));
  });
}

}  // namespace slip::tracking
