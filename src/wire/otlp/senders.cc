#include <algorithm>
#include <array>

#include "base/text.h"
#include "tracking/trace_spans.h"
#include "wire/otlp/otlp.h"

namespace slip::wire::otlp {
namespace {

// Coding agents that name themselves in their resource; MLflow's server knows the same. A list, so
// that nobody's free text becomes an attribute of a span.
constexpr std::array<std::string_view, 5> kKnown = {"claude-code", "codex_cli_rs", "codex_vscode",
                                                    "gemini-cli", "qwen-code"};
constexpr std::string_view kKey = "service.name";

}  // namespace

void name_senders(tracking::SpanBatch* batch) {
  for (tracking::Span& span : batch->spans) {
    if (!span.parent_id.empty() || span.resource >= batch->resources.size()) continue;
    const auto& resource = batch->resources[span.resource];
    const auto tag = std::ranges::find(resource, kKey, &tracking::Tag::key);
    if (tag == resource.end() || std::ranges::find(kKnown, tag->value) == kKnown.end()) continue;
    bool known = false;
    tracking::each_attribute(span.attributes, [&](const tracking::Attribute& attribute) {
      known = known || attribute.key == kKey;
    });
    if (known) continue;
    tracking::AttributeWriter writer;
    writer.text(kKey, tag->value);
    // Both begin and end with the same mark.
    const std::string more = writer.take();
    span.attributes += std::string_view(more).substr(span.attributes.empty() ? 0 : 1);
  }
}

}  // namespace slip::wire::otlp
