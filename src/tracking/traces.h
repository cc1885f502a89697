#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sys/ctx.h"
#include "tracking/deps.h"
#include "tracking/experiments.h"
#include "tracking/types.h"

// Traces of applications: what was asked, how long it took, its spans, what people and judges said
// of it. A trace's head and its spans come in either order and from different senders; each merges
// into what is there: a head that its sender has closed stands, what spans say fills the gaps.
// Assessments and the rest of a span are kept as their wire wrote them. Any thread.
//
// Errors: kNotFound `trace.not_found|trace.no_assessment|trace.no_tag`, kInvalid
// `trace.id|trace.batch_size|trace.tag_reserved|trace.delete|trace.links`, and those of validate.h
// and core/search.
namespace slip::tracking {

inline constexpr size_t kSpansMax = 8'000;  // Of one batch: one transaction.
inline constexpr size_t kTraceLinksMax = 100;

enum class TraceState : uint8_t { kUnspecified = 0, kOk = 1, kError = 2, kInProgress = 3 };
enum class SpanStatus : uint8_t { kUnset = 0, kOk = 1, kError = 2 };

struct Assessment {
  std::string id = {};
  int64_t created_us = 0;
  std::string body = {};  // JSON object.
  // What searches and metrics ask of it.
  std::string kind = {};  // "feedback", "expectation", "issue".
  std::string name = {};
  std::string value = {};             // As JSON.
  std::optional<double> number = {};  // Booleans and "yes" or "no" count as 1 and 0.
  bool is_number = false;             // A number as it was written.
  bool valid = true;                  // Not overridden by a later one.
  std::string overrides = {};         // Id of the one that it replaces.
  bool of_session = false;            // Said of the session that the trace belongs to.
};

struct Span {
  std::string trace_id;
  std::string span_id;    // 16 hex digits.
  std::string parent_id;  // "" for the root.
  std::string name;
  int64_t start_ns = 0;
  int64_t end_ns = 0;  // 0: still open.
  SpanStatus status = SpanStatus::kUnset;
  std::string attributes;  // trace_spans.h
  std::string body;        // JSON object: what else its sender said.
  size_t resource = 0;     // Index into SpanBatch::resources.
};

struct Trace {
  std::string id;  // "tr-" and 32 hex digits.
  int64_t experiment_id = 0;
  int64_t request_us = 0;
  std::optional<int64_t> duration_us;
  TraceState state = TraceState::kUnspecified;
  bool finalized = false;  // Its sender has said all of the head.
  std::optional<std::string> client_request_id;
  std::optional<std::string> request_preview;
  std::optional<std::string> response_preview;
  std::vector<Tag> metadata;
  std::vector<Tag> tags;
  std::vector<Assessment> assessments;
};

struct TraceQuery {
  std::vector<int64_t> experiment_ids;
  std::string filter;
  std::vector<std::string> order_by;
  int64_t max_results = 100;
  std::string page_token;
};

struct SpanBatch {
  int64_t experiment_id = 0;
  std::string run_id;                       // "" when the sender names none.
  std::vector<std::vector<Tag>> resources;  // Who sent; become tags of the traces.
  std::vector<Span> spans;
};

struct TraceDeletion {
  int64_t experiment_id = 0;
  std::vector<std::string> ids;        // These, or
  std::optional<int64_t> max_time_ms;  // all that began until then,
  std::optional<int64_t> max_traces;   // oldest first, at most so many.
};

// How much one property of traces tells of another: normalised pointwise mutual information.
struct Correlation {
  double npmi = 0;           // −1 … 1; NaN where it is not defined.
  double npmi_smoothed = 0;  // With half a trace added to each cell.
  int64_t filter1_count = 0;
  int64_t filter2_count = 0;
  int64_t joint_count = 0;
  int64_t total_count = 0;
};
Correlation correlate(int64_t filter1, int64_t filter2, int64_t joint, int64_t total);

class Traces {
 public:
  Traces(Deps deps, Experiments& experiments) : deps_(deps), experiments_(experiments) {}

  // Creates the trace or merges into it; `closed`: nothing that spans say changes the head later.
  // Tag mlflow.artifactLocation says where its files belong.
  Result<Trace> start(const Ctx& ctx, Trace trace, bool closed = true);
  // Ends a trace that was begun: state and duration as given, tags and metadata added.
  struct End {
    int64_t time_us = 0;
    TraceState state = TraceState::kUnspecified;
    std::vector<Tag> metadata;
    std::vector<Tag> tags;
  };
  Result<Trace> end(const Ctx& ctx, const std::string& id, const End& end);
  // All of the batch or nothing; the same batch again changes nothing.
  Status log_spans(const Ctx& ctx, const SpanBatch& batch);
  Result<Trace> get(const Ctx& ctx, const std::string& id);
  Result<int64_t> experiment_of(const Ctx& ctx, const std::string& id);
  // Those that exist, in the order asked for, each once.
  Result<std::vector<Trace>> get_many(const Ctx& ctx, const std::vector<std::string>& ids);
  // The root first, then by start.
  Result<std::vector<Span>> spans(const Ctx& ctx, const std::string& id);
  Result<Page<Trace>> search(const Ctx& ctx, const TraceQuery& query);
  Result<Correlation> correlation(const Ctx& ctx, const std::vector<int64_t>& experiment_ids,
                                  const std::array<std::string, 3>& filters);  // 1, 2, base.
  Status set_tag(const Ctx& ctx, const std::string& id, const Tag& tag);
  Status delete_tag(const Ctx& ctx, const std::string& id, const std::string& key);
  Result<int64_t> remove(const Ctx& ctx, const TraceDeletion& wanted);

  // Traces that don't exist are passed over.
  Status link_to_run(const Ctx& ctx, const std::vector<std::string>& ids,
                     const std::string& run_id);
  // "name/version" each.
  Status link_prompts(const Ctx& ctx, const std::string& id,
                      const std::vector<std::string>& prompts);

  // Replaces what has the id; marks what it overrides as no longer valid.
  Status put_assessment(const Ctx& ctx, const std::string& id, const Assessment& assessment);
  Result<Assessment> get_assessment(const Ctx& ctx, const std::string& id,
                                    const std::string& assessment_id);
  // `edit` may run more than once and has no effect but on its argument.
  Result<Assessment> change_assessment(const Ctx& ctx, const std::string& id,
                                       const std::string& assessment_id,
                                       const std::function<Status(Assessment*)>& edit);
  // Nothing when there is none; what it had overridden is valid again.
  Status delete_assessment(const Ctx& ctx, const std::string& id, const std::string& assessment_id);

 private:
  Deps deps_;
  Experiments& experiments_;
};

}  // namespace slip::tracking
