#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/route.h"
#include "tracking/traces.h"

namespace slip::tracking {
struct Tracking;
}

// OpenTelemetry's OTLP/HTTP for traces: POST /v1/traces, binary protobuf or JSON, into the traces
// of the experiment that header x-mlflow-experiment-id names. A batch is taken whole or refused
// whole.
//
// Errors: kInvalid
// `otlp.syntax|otlp.ids|otlp.empty|otlp.content_type|otlp.experiment`.
namespace slip::wire::otlp {

inline constexpr int64_t kBodyBytesMax = 32 << 20;
inline constexpr int kDepthMax = 32;  // Of nested attribute values.

struct App {
  tracking::Tracking& tracking;
};
std::vector<http::Route> routes(App app);

// Spans and resources of an ExportTraceServiceRequest; the experiment is left to the caller. What
// of a span has no member of its own is its body, in protobuf's JSON form (names in snake_case,
// bytes in base64). Pure.
Result<tracking::SpanBatch> read_protobuf(std::string_view bytes);
// OTLP's JSON form: as protobuf's, but ids are hex digits.
Result<tracking::SpanBatch> read_json(std::string_view text);
// Tells of root spans which known program sent them: attribute `service.name`, by their resource.
void name_senders(tracking::SpanBatch* batch);

}  // namespace slip::wire::otlp
