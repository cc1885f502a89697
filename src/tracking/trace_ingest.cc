// Traces::log_spans: what spans say of their traces, merged into what is there.

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/text.h"
#include "tracking/run_store.h"
#include "tracking/trace_merge.h"
#include "tracking/trace_store.h"
#include "tracking/traces.h"
#include "tracking/validate.h"

namespace slip::tracking {
namespace {

// Statements that a trace costs besides its spans: bounds one transaction.
constexpr size_t kRowsOfTrace = 8;
constexpr size_t kRowsMax = 9'500;

// What a batch says of one trace.
struct Gathered {
  std::string id;
  std::vector<size_t> spans;  // Indices into the batch.
  int64_t start_ns = INT64_MAX;
  int64_t end_ns = 0;
  std::optional<size_t> root;
  std::string session_id;
  std::string user_id;
  std::vector<UsageNode> nodes;
  bool has_usage = false;
  bool has_cost = false;
};

struct Work {
  std::vector<SpanFacts> facts;  // Of each span.
  std::vector<Gathered> traces;  // By id, so that writers take rows in one order.
};

Result<Work> gather(const SpanBatch& batch) {
  Work out;
  std::map<std::string_view, size_t> known;
  out.facts.reserve(batch.spans.size());
  for (const Span& span : batch.spans) {
    TRY(check_trace_id(span.trace_id));
    known.emplace(span.trace_id, 0);
    out.facts.push_back(facts_of(span.attributes));
  }
  for (auto& [id, index] : known) {
    index = out.traces.size();
    out.traces.emplace_back().id = id;
  }
  for (size_t i = 0; i < batch.spans.size(); ++i) {
    const Span& span = batch.spans[i];
    SpanFacts& facts = out.facts[i];
    Gathered& g = out.traces[known.find(span.trace_id)->second];
    g.spans.push_back(i);
    g.start_ns = std::min(g.start_ns, span.start_ns);
    g.end_ns = std::max(g.end_ns, span.end_ns);
    if (span.parent_id.empty()) g.root = i;
    if (g.session_id.empty()) g.session_id = facts.session_id;
    if (g.user_id.empty()) g.user_id = facts.user_id;
    g.has_usage = g.has_usage || facts.usage;
    g.has_cost = g.has_cost || facts.cost;
    g.nodes.push_back({span.span_id, span.parent_id, facts.usage, facts.cost});
  }
  return out;
}

class Merge {
 public:
  Merge(store::Tx& tx, const Ctx& ctx, const SpanBatch& batch, const Work& work)
      : tx_(tx), project_(ctx.project.text), batch_(batch), work_(work) {}

  Status run(const Ctx& ctx, const Gathered& g) {
    tags_.clear();
    metadata_.clear();
    auto there = TRY(sql::find_head(tx_, project_, g.id));
    fresh_ = !there;
    sql::Head head = there ? std::move(*there) : sql::Head();
    if (fresh_) {
      // Only a trace that does not exist needs the experiment that its sender names.
      if (!experiment_) experiment_ = TRY(traced_experiment(tx_, ctx, batch_.experiment_id));
      head.trace.id = g.id;
      head.trace.experiment_id = batch_.experiment_id;
      tags_.push_back(location_tag(*experiment_, g.id));
    }
    widen(&head.trace, g);
    describe(&head, g);
    TRY(add_usage(&head, g));
    TRY(add_people(&head, g));
    TRY(sql::put_head(tx_, project_, head));
    add_resource(g);
    tags_.push_back({std::string(kSpansTag), "TRACKING_STORE"});
    for (const Tag& tag : tags_) TRY(sql::put_trace_tag(tx_, project_, g.id, tag));
    for (const Tag& entry : metadata_) TRY(sql::put_trace_metadata(tx_, project_, g.id, entry));
    for (const size_t i : g.spans)
      TRY(sql::put_span(tx_, project_, batch_.spans[i], work_.facts[i]));
    return {};
  }

 private:
  // The earliest start and the latest end, unless its sender has closed the head.
  void widen(Trace* t, const Gathered& g) const {
    const Span* root = g.root ? &batch_.spans[*g.root] : nullptr;
    if (t->state == TraceState::kUnspecified || t->state == TraceState::kInProgress) {
      t->state = TraceState::kInProgress;
      if (root)
        t->state = root->status == SpanStatus::kError ? TraceState::kError : TraceState::kOk;
    }
    if (t->finalized) return;
    const int64_t start_us = g.start_ns / 1000;
    const int64_t before_us = t->request_us + t->duration_us.value_or(0);
    if (fresh_ || start_us < t->request_us) t->request_us = start_us;
    int64_t end_us = g.end_ns / 1000;
    if (t->duration_us) end_us = std::max(end_us, before_us);
    if (end_us > 0) t->duration_us = end_us - t->request_us;
  }

  // Name, previews and tags that the root span tells.
  void describe(sql::Head* head, const Gathered& g) {
    if (!g.root) return;
    const Span& root = batch_.spans[*g.root];
    const SpanFacts& facts = work_.facts[*g.root];
    if (!head->trace.request_preview && !facts.inputs.empty())
      head->trace.request_preview = preview_of(facts.inputs, "user");
    if (!head->trace.response_preview && !facts.outputs.empty())
      head->trace.response_preview = preview_of(facts.outputs, "assistant");
    std::string name = head->name ? "" : root.name;
    for (const auto& [key, value] : facts.trace_tags) {
      if (key == kTraceNameTag)
        name = value;
      else
        add_tag(key, value);
    }
    if (name.empty()) return;
    head->name = cut(name, kTraceTagValueMax);
    tags_.push_back({std::string(kTraceNameTag), *head->name});
  }

  void add_tag(std::string_view key, std::string_view value) {
    if (key.empty() || !check_length("key", key, kKeyMax).ok() || key.starts_with("mlflow.trace."))
      return;
    tags_.push_back({std::string(key), cut(value, kTraceTagValueMax)});
  }

  // What the sender's resource says becomes tags, but for what the SDK says of itself.
  void add_resource(const Gathered& g) {
    const size_t resource = batch_.spans[g.spans.front()].resource;
    if (resource >= batch_.resources.size()) return;
    std::set<std::string> taken;  // A tag that a user set on the trace wins.
    for (const Tag& tag : tags_) taken.insert(tag.key);
    for (const Tag& tag : batch_.resources[resource])
      if (!tag.key.starts_with("telemetry.sdk.") && !tag.key.starts_with("mlflow.") &&
          !taken.contains(tag.key))
        add_tag(tag.key, tag.value);
  }

  // Sums over the whole tree: a parent's count includes its children's, whichever batch each came
  // in.
  Status add_usage(sql::Head* head, const Gathered& g) {
    if (!g.has_usage && !g.has_cost) return {};
    const bool closed = head->trace.finalized;
    const bool counted = closed && std::any_of(head->tokens.begin(), head->tokens.end(),
                                               [](const auto& count) { return count.has_value(); });
    const bool priced =
        closed && g.has_cost && TRY(sql::has_trace_metadata(tx_, project_, g.id, kCostKey));
    const bool want_usage = g.has_usage && !counted;
    const bool want_cost = g.has_cost && !priced;
    if (!want_usage && !want_cost) return {};
    std::vector<UsageNode> nodes = g.nodes;
    if (!fresh_) {
      std::set<std::string_view> in_batch;
      for (const UsageNode& n : g.nodes) in_batch.insert(n.span_id);
      for (const Span& s : TRY(sql::spans(tx_, project_, g.id))) {
        if (in_batch.contains(s.span_id)) continue;
        SpanFacts facts = facts_of(s.attributes);
        nodes.push_back({s.span_id, s.parent_id, std::move(facts.usage), facts.cost});
      }
    }
    if (const auto usage = total_usage(nodes); usage && want_usage) {
      metadata_.push_back({std::string(kUsageKey), usage_json(*usage)});
      for (size_t i = 0; i < sql::kTokenColumns.size(); ++i)
        if (const auto found = usage->counts.find(sql::kTokenColumns[i]);
            found != usage->counts.end())
          head->tokens[i] = found->second;
    }
    if (const auto cost = total_cost(nodes); cost && want_cost)
      metadata_.push_back({std::string(kCostKey), cost_json(*cost)});
    return {};
  }

  Status add_people(sql::Head* head, const Gathered& g) {
    if (!g.session_id.empty() && !head->session_id) {
      head->session_id = cut(g.session_id, kTraceTagValueMax);
      metadata_.push_back({std::string(kSessionKey), *head->session_id});
    }
    if (g.user_id.empty()) return {};
    if (!fresh_ && TRY(sql::has_trace_metadata(tx_, project_, g.id, kUserKey))) return {};
    metadata_.push_back({std::string(kUserKey), cut(g.user_id, kTraceTagValueMax)});
    return {};
  }

  store::Tx& tx_;
  const std::string& project_;
  const SpanBatch& batch_;
  const Work& work_;
  std::optional<Experiment> experiment_;
  bool fresh_ = false;
  std::vector<Tag> tags_;
  std::vector<Tag> metadata_;
};

}  // namespace

Status Traces::log_spans(const Ctx& ctx, const SpanBatch& batch) {
  const Work work = TRY(gather(batch));
  if (batch.spans.size() > kSpansMax ||
      batch.spans.size() + kRowsOfTrace * work.traces.size() > kRowsMax)
    return invalid("trace.batch_size",
                   concat({"A batch has at most ", std::to_string(kSpansMax), " spans, or ",
                           std::to_string(kRowsMax / 9), " when each is a trace of its own"}));
  if (batch.experiment_id == 0) TRY(experiments_.ready(ctx));
  return deps_.db.write([&](store::Tx& tx) -> Status {
    Merge merge(tx, ctx, batch, work);
    ledger::Ledger::Counted told{static_cast<int64_t>(batch.spans.size()), {}};
    const bool linked =
        !batch.run_id.empty() && TRY(sql::find_run(tx, ctx.project.text, batch.run_id));
    for (const Gathered& g : work.traces) {
      TRY(merge.run(ctx, g));
      if (linked && g.root) TRY(sql::put_link(tx, ctx.project.text, "run", batch.run_id, g.id));
      told.items.push_back(g.id);
    }
    return deps_.ledger.count(tx, ctx, traces_logged(batch.experiment_id), told);
  });
}

}  // namespace slip::tracking
