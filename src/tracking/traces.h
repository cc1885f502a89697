#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "sys/ctx.h"
#include "tracking/deps.h"
#include "tracking/experiments.h"
#include "tracking/types.h"

// Traces of applications: what was asked, how long it took, its spans, what people and judges said
// of it. A trace's head and its spans come in either order and from different senders; each merges
// into what is there. Bodies of spans and assessments are kept as their wire wrote them. Any
// thread.
//
// Errors: kNotFound `trace.not_found|trace.no_assessment|trace.no_tag`, kInvalid `trace.id`, and
// those of validate.h and core/search.
namespace slip::tracking {

enum class TraceState : uint8_t { kUnspecified = 0, kOk = 1, kError = 2, kInProgress = 3 };

struct Assessment {
  std::string id;
  int64_t created_us = 0;
  std::string body;  // JSON object.
};

struct Span {
  std::string trace_id;
  std::string span_id;    // 16 hex digits.
  std::string parent_id;  // "" for the root.
  std::string name;
  int64_t start_ns = 0;
  int64_t end_ns = 0;  // 0: still open.
  bool failed = false;
  std::string body;  // JSON object.
};

struct Trace {
  std::string id;  // "tr-" and 32 hex digits.
  int64_t experiment_id = 0;
  int64_t request_us = 0;
  std::optional<int64_t> duration_us;
  TraceState state = TraceState::kUnspecified;
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
  std::string run_id;  // "" when the sender names none.
  std::vector<Span> spans;
};

struct TraceDeletion {
  int64_t experiment_id = 0;
  std::vector<std::string> ids;        // These, or
  std::optional<int64_t> max_time_ms;  // all that began until then,
  int64_t max_traces = 0;              // oldest first, at most so many; 0: no bound.
};

class Traces {
 public:
  Traces(Deps deps, Experiments& experiments) : deps_(deps), experiments_(experiments) {}

  // Creates the trace or merges into it. Tag mlflow.artifactLocation says where its files belong.
  Result<Trace> start(const Ctx& ctx, Trace trace);
  // All of the batch or nothing; the same batch again changes nothing.
  Status log_spans(const Ctx& ctx, const SpanBatch& batch);
  Result<Trace> get(const Ctx& ctx, const std::string& id);
  // Bodies, by start.
  Result<std::vector<std::string>> spans(const Ctx& ctx, const std::string& id);
  Result<Page<Trace>> search(const Ctx& ctx, const TraceQuery& query);
  Status set_tag(const Ctx& ctx, const std::string& id, const Tag& tag);
  Status delete_tag(const Ctx& ctx, const std::string& id, const std::string& key);
  Result<int64_t> remove(const Ctx& ctx, const TraceDeletion& wanted);

  // Replaces the body when the id is there.
  Status put_assessment(const Ctx& ctx, const std::string& id, const Assessment& assessment);
  Result<Assessment> get_assessment(const Ctx& ctx, const std::string& id,
                                    const std::string& assessment_id);
  Status delete_assessment(const Ctx& ctx, const std::string& id, const std::string& assessment_id);

 private:
  Deps deps_;
  Experiments& experiments_;
};

}  // namespace slip::tracking
