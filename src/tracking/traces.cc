#include "tracking/traces.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "base/text.h"
#include "core/ledger/ledger.h"
#include "sys/clock.h"
#include "tracking/counted.h"
#include "tracking/experiment_store.h"
#include "tracking/location.h"
#include "tracking/purge_store.h"
#include "tracking/run_store.h"
#include "tracking/trace_merge.h"
#include "tracking/trace_search.h"
#include "tracking/trace_store.h"
#include "tracking/validate.h"

namespace slip::tracking {
namespace {

constexpr int64_t kDeleteAtOnce = 100;  // One transaction.
// Fewer spans of a name than this, and their traces are looked up one by one; more, and a walk
// through the traces meets one soon enough.
constexpr int64_t kRareSpans = 2'000;

Error no_trace(std::string_view id) {
  return not_found("trace.not_found", concat({"Trace with ID '", id, "' not found."}));
}

Error no_assessment(std::string_view id, std::string_view assessment_id) {
  return not_found("trace.no_assessment", concat({"Assessment with ID '", assessment_id,
                                                  "' not found for trace '", id, "'"}));
}

ledger::Draft tags_changed(const std::string& id) {
  ledger::Draft draft;
  draft.verb = "trace.tags_changed";
  draft.subject.kind = "trace";
  draft.subject.uid = id;
  return draft;
}

Result<Trace> must_find(store::Tx& tx, const Ctx& ctx, std::string_view id) {
  auto found = TRY(sql::find_trace(tx, ctx.project.text, id));
  if (!found) return no_trace(id);
  return std::move(*found);
}

Status must_exist(store::Tx& tx, const Ctx& ctx, std::string_view id) {
  if (TRY(sql::has_trace(tx, ctx.project.text, id))) return {};
  return no_trace(id);
}

Status check_pair(const Tag& tag) {
  if (tag.key.empty())
    return invalid("tracking.missing",
                   "Missing value for required parameter 'key'. See the API docs for more "
                   "information about request parameters.");
  return check_length("key", tag.key, kKeyMax);
}

Status check_pairs(const Trace& trace) {
  for (const auto* list : {&trace.tags, &trace.metadata})
    for (const Tag& tag : *list) TRY(check_pair(tag));
  return {};
}

void cut_values(std::vector<Tag>* tags) {
  for (Tag& tag : *tags) tag.value = cut(tag.value, kTraceTagValueMax);
}

bool has(const std::vector<Tag>& tags, std::string_view key) {
  return std::any_of(tags.begin(), tags.end(), [&](const Tag& t) { return t.key == key; });
}

// Where a trace's files lie is the server's to say: who may read the trace may read them.
void drop_location(std::vector<Tag>* tags) {
  std::erase_if(*tags, [](const Tag& t) { return t.key == kLocationTag; });
}

void merge(std::vector<Tag>* into, const std::vector<Tag>& tags) {
  for (const Tag& tag : tags) {
    const auto found =
        std::find_if(into->begin(), into->end(), [&](const Tag& t) { return t.key == tag.key; });
    if (found == into->end())
      into->push_back(tag);
    else
      found->value = tag.value;
  }
}

Status put_whole(store::Tx& tx, const Ctx& ctx, const Trace& t) {
  const std::string& project = ctx.project.text;
  TRY(sql::put_head(tx, project, sql::head_of(t)));
  for (const Tag& tag : t.tags) TRY(sql::put_trace_tag(tx, project, t.id, tag));
  for (const Tag& entry : t.metadata) TRY(sql::put_trace_metadata(tx, project, t.id, entry));
  return {};
}

// `given` over what is there.
Trace merged(Trace there, const Trace& given) {
  there.experiment_id = given.experiment_id;
  there.request_us = given.request_us;
  there.duration_us = given.duration_us;
  there.state = given.state;
  there.finalized = there.finalized || given.finalized;
  there.client_request_id = given.client_request_id;
  if (given.request_preview) there.request_preview = given.request_preview;
  if (given.response_preview) there.response_preview = given.response_preview;
  merge(&there.tags, given.tags);
  merge(&there.metadata, given.metadata);
  return there;
}

Status check_deletion(const TraceDeletion& wanted) {
  if (!wanted.max_time_ms && wanted.ids.empty())
    return invalid("trace.delete",
                   "Either `max_timestamp_millis` or `trace_ids` must be specified.");
  if (wanted.max_time_ms && !wanted.ids.empty())
    return invalid("trace.delete",
                   "Only one of `max_timestamp_millis` and `trace_ids` can be specified.");
  if (!wanted.ids.empty() && wanted.max_traces)
    return invalid("trace.delete", "`max_traces` can't be specified if `trace_ids` is specified.");
  if (wanted.max_traces && *wanted.max_traces <= 0)
    return invalid("trace.delete", concat({"`max_traces` must be a positive integer, received ",
                                           std::to_string(*wanted.max_traces), "."}));
  return {};
}

Status check_mutable(const Tag& tag, std::string_view verb) {
  if (tag.key != kSpansTag && tag.key != kLocationTag &&
      !tag.key.starts_with("mlflow.trace.archiv"))
    return {};
  return invalid("trace.tag_reserved",
                 concat({"Tag '", tag.key, "' is reserved for the server and cannot be ", verb,
                         " by clients"}));
}

double npmi_of(double both, double only1, double only2, double neither) {
  const double total = both + only1 + only2 + neither;
  const double count1 = both + only1;
  const double count2 = both + only2;
  if (count1 <= 0 || count2 <= 0 || both <= 0) return std::nan("");
  if (both == total) return 1.0;
  const double pmi = std::log(both) + std::log(total) - std::log(count1) - std::log(count2);
  return std::clamp(pmi / (std::log(total) - std::log(both)), -1.0, 1.0);
}

}  // namespace

// An experiment's traces arrive one by one: they are counted together.
ledger::Draft traces_logged(int64_t experiment_id) {
  ledger::Draft draft;
  draft.verb = "trace.logged";
  draft.subject.kind = "experiment";
  draft.subject.uid = std::to_string(experiment_id);
  return draft;
}

Status check_trace_id(std::string_view id) {
  if (!id.empty() && id.size() <= 64 && is_utf8(id) && id.find('/') == id.npos) return {};
  return invalid("trace.id", concat({"Invalid trace ID: '", id, "'"}));
}

Result<Experiment> traced_experiment(store::Tx& tx, const Ctx& ctx, int64_t id) {
  auto found = TRY(sql::find_experiment(tx, ctx.project.text, id));
  if (!found)
    return not_found("experiment.not_found",
                     "No Experiment with id=" + std::to_string(id) + " exists");
  if (found->lifecycle == Lifecycle::kActive) return std::move(*found);
  return invalid("experiment.not_active",
                 concat({"The experiment ", std::to_string(id),
                         " must be in the 'active' state. Current state is deleted."}));
}

Tag location_tag(const Experiment& experiment, std::string_view trace_id) {
  const std::string rest = concat({"traces/", trace_id, "/artifacts"});
  return {std::string(kLocationTag), below_uri(experiment.artifact_location, rest)};
}

// Source: G. Bouma, Normalized (Pointwise) Mutual Information in Collocation Extraction (2009);
// smoothed with Jeffreys' prior.
Correlation correlate(int64_t filter1, int64_t filter2, int64_t joint, int64_t total) {
  Correlation out{.npmi = std::nan(""),
                  .npmi_smoothed = std::nan(""),
                  .filter1_count = filter1,
                  .filter2_count = filter2,
                  .joint_count = joint,
                  .total_count = total};
  const int64_t only1 = filter1 - joint;
  const int64_t only2 = filter2 - joint;
  const int64_t neither = total - filter1 - filter2 + joint;
  if (filter1 == 0 || filter2 == 0 || std::min({joint, only1, only2, neither}) < 0) return out;
  const auto d = [](int64_t n, double add) { return static_cast<double>(n) + add; };
  out.npmi = joint == 0 ? -1.0 : npmi_of(d(joint, 0), d(only1, 0), d(only2, 0), d(neither, 0));
  out.npmi_smoothed = npmi_of(d(joint, 0.5), d(only1, 0.5), d(only2, 0.5), d(neither, 0.5));
  return out;
}

Result<Trace> Traces::start(const Ctx& ctx, Trace trace, bool closed) {
  TRY(check_trace_id(trace.id));
  TRY(check_pairs(trace));
  cut_values(&trace.tags);
  cut_values(&trace.metadata);
  drop_location(&trace.tags);
  trace.finalized = closed;
  if (trace.experiment_id == 0) TRY(experiments_.ready(ctx));
  Trace out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    const Experiment experiment = TRY(traced_experiment(tx, ctx, trace.experiment_id));
    Trace given = trace;
    auto there = TRY(sql::find_trace(tx, ctx.project.text, trace.id));
    if (there) given = merged(std::move(*there), trace);
    if (!has(given.tags, kLocationTag)) given.tags.push_back(location_tag(experiment, trace.id));
    TRY(put_whole(tx, ctx, given));
    for (const Assessment& a : trace.assessments)
      TRY(sql::put_assessment(tx, ctx.project.text, trace.id, a));
    out = TRY(must_find(tx, ctx, trace.id));
    return deps_.ledger.count(tx, ctx, traces_logged(trace.experiment_id), {1, {trace.id}});
  }));
  return out;
}

Result<Trace> Traces::end(const Ctx& ctx, const std::string& id, const End& end) {
  Trace out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    Trace trace = TRY(must_find(tx, ctx, id));
    trace.duration_us = end.time_us - trace.request_us;
    trace.state = end.state;
    merge(&trace.metadata, end.metadata);
    std::vector<Tag> tags = end.tags;
    drop_location(&tags);
    merge(&trace.tags, tags);
    TRY(check_pairs(trace));
    cut_values(&trace.tags);
    cut_values(&trace.metadata);
    TRY(put_whole(tx, ctx, trace));
    out = TRY(must_find(tx, ctx, id));
    return deps_.ledger.count(tx, ctx, traces_logged(trace.experiment_id), {1, {id}});
  }));
  return out;
}

Result<Trace> Traces::get(const Ctx& ctx, const std::string& id) {
  Trace out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(must_find(tx, ctx, id));
    return {};
  }));
  return out;
}

Result<int64_t> Traces::experiment_of(const Ctx& ctx, const std::string& id) {
  std::optional<int64_t> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(sql::experiment_of_trace(tx, ctx.project.text, id));
    return {};
  }));
  if (!out) return no_trace(id);
  return *out;
}

Result<std::vector<Trace>> Traces::get_many(const Ctx& ctx, const std::vector<std::string>& ids) {
  std::vector<Trace> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    std::set<std::string_view> seen;
    for (const std::string& id : ids) {
      if (!seen.insert(id).second) continue;
      auto found = TRY(sql::find_trace(tx, ctx.project.text, id));
      if (found) out.push_back(std::move(*found));
    }
    return {};
  }));
  return out;
}

Result<std::vector<Span>> Traces::spans(const Ctx& ctx, const std::string& id) {
  std::vector<Span> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    TRY(must_exist(tx, ctx, id));
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
  search::PageQuery page;
  page.limit = query.max_results;
  page.keys = TRY(trace_sort_keys(query.order_by));
  const TraceConditions conditions = TRY(trace_conditions(query.experiment_ids, query.filter));
  page.where = conditions.where;
  page.identity = concat({"traces\n", query.filter, "\n", join(query.order_by, "\n")});
  for (const int64_t id : query.experiment_ids) page.identity += "," + std::to_string(id);
  page.visible.add(store::readable(ctx, "trace", "CAST(t.experiment_id AS TEXT)"));
  TRY(page.start_at(query.page_token));
  if (query.experiment_ids.empty()) return out;

  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    search::PageQuery chosen = page;
    for (const std::string& name : conditions.span_names) {
      if (!TRY(sql::is_rare_span_name(tx, ctx.project.text, name, kRareSpans))) continue;
      add_span_name_drive(&chosen.where, ctx.project.text, name);
      break;
    }
    out = TRY(sql::search_traces(tx, ctx.project.text, chosen));
    return {};
  }));
  return out;
}

Result<Correlation> Traces::correlation(const Ctx& ctx, const std::vector<int64_t>& experiment_ids,
                                        const std::array<std::string, 3>& filters) {
  // Each filter on its own: "span.name = 'a'" and "span.name = 'b'" may hold of two spans.
  std::array<search::Sql, 4> where;  // 1, 2, all, both.
  for (size_t i = 0; i < filters.size(); ++i)
    where[i] = TRY(trace_conditions(experiment_ids, filters[i])).where;
  for (const size_t i : {0, 1}) where[i].add(where[2]);
  where[3] = where[0];
  where[3].add(where[1]);
  std::array<int64_t, 4> counts{};
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    for (size_t i = 0; i < where.size(); ++i)
      counts[i] = TRY(sql::count_traces(tx, ctx.project.text, where[i]));
    return {};
  }));
  return correlate(counts[0], counts[1], counts[3], counts[2]);
}

Status Traces::set_tag(const Ctx& ctx, const std::string& id, const Tag& tag) {
  TRY(check_pair(tag));
  TRY(check_mutable(tag, "set"));
  const std::string value = cut(tag.value, kTraceTagValueMax);
  return deps_.db.write([&](store::Tx& tx) -> Status {
    TRY(must_exist(tx, ctx, id));
    if (tag.key == kTraceNameTag) TRY(sql::set_trace_name(tx, ctx.project.text, id, value));
    TRY(sql::put_trace_tag(tx, ctx.project.text, id, {tag.key, value}));
    return deps_.ledger.count(tx, ctx, tags_changed(id), counted_tags(std::span(&tag, 1)));
  });
}

Status Traces::delete_tag(const Ctx& ctx, const std::string& id, const std::string& key) {
  TRY(check_mutable({key, {}}, "deleted"));
  return deps_.db.write([&](store::Tx& tx) -> Status {
    TRY(must_exist(tx, ctx, id));
    if (key == kTraceNameTag) TRY(sql::set_trace_name(tx, ctx.project.text, id, std::nullopt));
    if (TRY(sql::drop_trace_tag(tx, ctx.project.text, id, key)))
      return deps_.ledger.count(tx, ctx, tags_changed(id), counted_deletion(key));
    return not_found("trace.no_tag",
                     concat({"No trace tag with key '", key, "' for trace with ID '", id, "'"}));
  });
}

Result<int64_t> Traces::remove(const Ctx& ctx, const TraceDeletion& wanted) {
  TRY(check_deletion(wanted));
  int64_t total = 0;
  const int64_t bound = wanted.max_traces.value_or(INT64_MAX);
  size_t next = 0;                                  // Of the ids.
  for (bool more = true; more && total < bound;) {  // In small transactions.
    int64_t gone = 0;
    std::vector<std::string> ids;
    const size_t until = std::min(wanted.ids.size(), next + kDeleteAtOnce);
    TRY(deps_.db.write([&](store::Tx& tx) -> Status {
      gone = 0;
      ids.clear();
      if (wanted.max_time_ms)
        ids = TRY(sql::old_traces(tx, ctx.project.text, wanted.experiment_id,
                                  *wanted.max_time_ms * 1000 + 999,
                                  std::min(kDeleteAtOnce, bound - total)));
      else
        for (size_t i = next; i < until; ++i) ids.push_back(wanted.ids[i]);
      for (const std::string& id : ids) {
        const auto found = TRY(sql::find_head(tx, ctx.project.text, id));
        if (!found || found->trace.experiment_id != wanted.experiment_id) continue;
        if (const std::string hold = TRY(sql::holder_of_trace(tx, ctx.project.text, id));
            !hold.empty())
          return hold::held(concat({"Trace ", id}), hold);
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
    next = until;
    more = wanted.max_time_ms ? gone > 0 : next < wanted.ids.size();
  }
  return total;
}

Status Traces::link_to_run(const Ctx& ctx, const std::vector<std::string>& ids,
                           const std::string& run_id) {
  if (ids.size() > kTraceLinksMax)
    return invalid("trace.links", concat({"Cannot link more than ", std::to_string(kTraceLinksMax),
                                          " traces to a run in a single request. Provided ",
                                          std::to_string(ids.size()), " traces."}));
  for (const std::string& id : ids) TRY(check_length("trace_ids", id, kKeyMax));
  return deps_.db.write([&](store::Tx& tx) -> Status {
    if (!TRY(sql::find_run(tx, ctx.project.text, run_id)))
      return not_found("run.not_found", concat({"Run with id=", run_id, " not found"}));
    // A trace may still be on its way: clients send it in the background.
    for (const std::string& id : ids) TRY(sql::put_link(tx, ctx.project.text, "run", run_id, id));
    return {};
  });
}

Status Traces::link_prompts(const Ctx& ctx, const std::string& id,
                            const std::vector<std::string>& prompts) {
  if (prompts.size() > kTraceLinksMax)
    return invalid("trace.links", concat({"Cannot link more than ", std::to_string(kTraceLinksMax),
                                          " prompts to a trace in a single request."}));
  return deps_.db.write([&](store::Tx& tx) -> Status {
    TRY(must_exist(tx, ctx, id));
    for (const std::string& prompt : prompts)
      TRY(sql::put_link(tx, ctx.project.text, "prompt", prompt, id));
    return {};
  });
}

Status Traces::put_assessment(const Ctx& ctx, const std::string& id, const Assessment& assessment) {
  return deps_.db.write([&](store::Tx& tx) -> Status {
    TRY(must_exist(tx, ctx, id));
    if (!assessment.overrides.empty()) {
      auto old = TRY(sql::find_assessment(tx, ctx.project.text, id, assessment.overrides));
      if (!old) return no_assessment(id, assessment.overrides);
      old->valid = false;
      TRY(sql::put_assessment(tx, ctx.project.text, id, *old));
    }
    return sql::put_assessment(tx, ctx.project.text, id, assessment);
  });
}

Result<Assessment> Traces::get_assessment(const Ctx& ctx, const std::string& id,
                                          const std::string& assessment_id) {
  Assessment out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    TRY(must_exist(tx, ctx, id));
    auto found = TRY(sql::find_assessment(tx, ctx.project.text, id, assessment_id));
    if (!found) return no_assessment(id, assessment_id);
    out = std::move(*found);
    return {};
  }));
  return out;
}

Result<Assessment> Traces::change_assessment(const Ctx& ctx, const std::string& id,
                                             const std::string& assessment_id,
                                             const std::function<Status(Assessment*)>& edit) {
  Assessment out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    TRY(must_exist(tx, ctx, id));
    auto found = TRY(sql::find_assessment(tx, ctx.project.text, id, assessment_id));
    if (!found) return no_assessment(id, assessment_id);
    TRY(edit(&*found));
    TRY(sql::put_assessment(tx, ctx.project.text, id, *found));
    out = std::move(*found);
    return {};
  }));
  return out;
}

Status Traces::delete_assessment(const Ctx& ctx, const std::string& id,
                                 const std::string& assessment_id) {
  return deps_.db.write([&](store::Tx& tx) -> Status {
    TRY(must_exist(tx, ctx, id));
    const auto found = TRY(sql::find_assessment(tx, ctx.project.text, id, assessment_id));
    if (!found) return {};
    if (!found->overrides.empty())
      if (auto old = TRY(sql::find_assessment(tx, ctx.project.text, id, found->overrides))) {
        old->valid = true;
        TRY(sql::put_assessment(tx, ctx.project.text, id, *old));
      }
    TRY(sql::drop_assessment(tx, ctx.project.text, id, assessment_id));
    return {};
  });
}

}  // namespace slip::tracking
