#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/search/page.h"
#include "store/db.h"
#include "tracking/trace_spans.h"
#include "tracking/traces.h"

// SQL of traces; no policy. Private to tracking/.
namespace slip::tracking::sql {

// The columns beside a head that repeat what tags and metadata say, for searches and metrics.
inline constexpr std::array<std::string_view, 5> kTokenColumns = {
    "input_tokens", "output_tokens", "total_tokens", "cache_read_input_tokens",
    "cache_creation_input_tokens"};
struct Head {
  Trace trace;  // Without tags, metadata and assessments.
  std::optional<std::string> name;
  std::optional<std::string> session_id;
  std::array<std::optional<int64_t>, kTokenColumns.size()> tokens;
};
// What the trace's own tags and metadata say.
Head head_of(const Trace& trace);

// Inserts or replaces.
Status put_head(store::Tx& tx, std::string_view project, const Head& head);
Result<std::optional<Head>> find_head(store::Tx& tx, std::string_view project, std::string_view id);
// With tags, metadata and assessments.
Result<std::optional<Trace>> find_trace(store::Tx& tx, std::string_view project,
                                        std::string_view id);
Result<std::optional<int64_t>> experiment_of_trace(store::Tx& tx, std::string_view project,
                                                   std::string_view id);
Result<bool> has_trace(store::Tx& tx, std::string_view project, std::string_view id);
Status put_trace_tag(store::Tx& tx, std::string_view project, std::string_view id, const Tag& tag);
Status set_trace_name(store::Tx& tx, std::string_view project, std::string_view id,
                      const std::optional<std::string>& name);
Status put_trace_metadata(store::Tx& tx, std::string_view project, std::string_view id,
                          const Tag& entry);
Result<bool> has_trace_metadata(store::Tx& tx, std::string_view project, std::string_view id,
                                std::string_view key);
Result<bool> drop_trace_tag(store::Tx& tx, std::string_view project, std::string_view id,
                            std::string_view key);

Status put_span(store::Tx& tx, std::string_view project, const Span& span, const SpanFacts& facts);
Result<std::vector<Span>> spans(store::Tx& tx, std::string_view project, std::string_view id);
// Whether fewer than `enough` spans have that name.
Result<bool> is_rare_span_name(store::Tx& tx, std::string_view project, std::string_view name,
                               int64_t enough);

Status put_link(store::Tx& tx, std::string_view project, std::string_view kind,
                std::string_view target, std::string_view id);

Status put_assessment(store::Tx& tx, std::string_view project, std::string_view id,
                      const Assessment& assessment);
Result<std::optional<Assessment>> find_assessment(store::Tx& tx, std::string_view project,
                                                  std::string_view id,
                                                  std::string_view assessment_id);
Result<bool> drop_assessment(store::Tx& tx, std::string_view project, std::string_view id,
                             std::string_view assessment_id);

Status delete_trace(store::Tx& tx, std::string_view project, std::string_view id);
// Ids of an experiment's traces that began at `until_us` or before, oldest first.
// Those that nothing holds.
Result<std::vector<std::string>> old_traces(store::Tx& tx, std::string_view project,
                                            int64_t experiment_id, int64_t until_us, int64_t limit);

// Conditions on alias t.
Result<Page<Trace>> search_traces(store::Tx& tx, std::string_view project,
                                  const search::PageQuery& query);
Result<int64_t> count_traces(store::Tx& tx, std::string_view project, const search::Sql& where);

}  // namespace slip::tracking::sql
