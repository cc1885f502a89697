#include "app/limits.h"

#include <array>

#include "app/toml.h"
#include "codec/json.h"
#include "core/auth/auth.h"
#include "core/jobs/jobs.h"
#include "core/later/types.h"
#include "core/ledger/ledger.h"
#include "grpc/method.h"
#include "grpc/server.h"
#include "http/route.h"
#include "http/server.h"
#include "monitor/types.h"
#include "registry/types.h"
#include "serving/serving.h"
#include "store/db.h"
#include "store/tree/tree.h"
#include "tracking/artifact_uploads.h"
#include "tracking/traces.h"
#include "tracking/types.h"
#include "wire/invocations/invocations.h"
#include "wire/kserve1/kserve1.h"
#include "wire/native/live.h"
#include "wire/native/native.h"
#include "wire/oip/infer_proto.h"
#include "wire/oip/oip.h"
#include "wire/oip/regions.h"

namespace slip::app {
namespace {

constexpr int64_t as_int(size_t value) { return static_cast<int64_t>(value); }

constexpr std::array<LimitRow, 43> kLimits = {{
    {"json.depth", codec::kJsonDepthMax, "levels", "Nesting of JSON."},
    {"http.json_body_bytes", http::kJsonBodyBytesMax, "bytes", "A JSON body, unless a row says."},
    {"http.gzip_bytes_min", http::kGzipBytesMin, "bytes", "Smaller replies aren't compressed."},
    {"grpc.message_bytes", grpc::kMessageBytesMax, "bytes", "A message, unless a row says."},
    {"grpc.metadata_bytes", as_int(grpc::kMetadataBytesMax), "bytes", "A call's metadata."},
    {"grpc.calls", as_int(grpc::kCallsMax), "calls", "At once."},
    {"grpc.streams", as_int(grpc::kStreamsMax), "calls", "Of them, streams."},
    {"oip.infer_body_bytes", wire::oip::kInferBodyBytesMax, "bytes",
     "A body of /v2/…/infer, a message of ModelInfer."},
    {"oip.infer_tensors", as_int(wire::oip::kTensorsMax), "items",
     "Inputs, outputs and parameters of one request."},
    {"oip.regions", as_int(wire::oip::kRegionsMax), "regions",
     "Shared memory of clients, at once."},
    {"kserve1.body_bytes", wire::kserve1::kBodyBytesMax, "bytes", "A body below /v1/models."},
    {"invocations.body_bytes", wire::invocations::kBodyBytesMax, "bytes", "A body."},
    {"invocations.rows", wire::invocations::kRowsMax, "rows", "Rows of one request."},
    {"async.head_bytes", as_int(later::kHeadBytesMax), "bytes",
     "Headers of an asynchronous request."},
    {"async.body_bytes", later::kBodyBytesMax, "bytes", "Its body."},
    {"async.attempts", later::kAttemptsMax, "attempts", "Until it has failed."},
    {"native.page", wire::native::kPageMax, "items", "One page of a list."},
    {"events.listeners", as_int(wire::native::kListenersMax), "streams", "Open at once."},
    {"auth.principal_name", as_int(auth::kPrincipalNameMax), "bytes", "A principal's name."},
    {"auth.project_name", as_int(auth::kProjectNameMax), "bytes", "A project's name."},
    {"auth.password_bytes_min", as_int(auth::kPasswordBytesMin), "bytes", "Shortest password."},
    {"auth.password_tries", auth::kPasswordTriesPerMinute, "a minute", "Wrong passwords."},
    {"ledger.body_bytes", as_int(ledger::kBodyBytesMax), "bytes", "Body of an event."},
    {"ledger.field_bytes", as_int(ledger::kFieldBytesMax), "bytes", "A field of an event."},
    {"jobs.payload_bytes", as_int(jobs::kPayloadBytesMax), "bytes", "A job's payload."},
    {"store.write_rows", store::kWriteRowsMax, "rows", "One transaction."},
    {"tree.path_bytes", as_int(store::tree::kPathBytesMax), "bytes", "A path in a tree."},
    {"registry.model_name", as_int(registry::kModelNameMax), "characters", "A model's name."},
    {"registry.alias", as_int(registry::kAliasMax), "characters", "An alias."},
    {"registry.gate_checks", as_int(registry::kGateChecksMax), "checks", "Of one gate."},
    {"tracking.key", as_int(tracking::kKeyMax), "characters", "A metric's or parameter's key."},
    {"tracking.param_value", as_int(tracking::kParamValueMax), "characters", "A parameter."},
    {"tracking.batch_metrics", as_int(tracking::kBatchMetricsMax), "points", "In one batch."},
    {"tracking.upload_parts", tracking::kUploadPartsMax, "parts", "Of one artifact."},
    {"tracking.artifact_path", as_int(tracking::kArtifactPathBytesMax), "bytes", "Its path."},
    {"tracking.span_batch", as_int(tracking::kSpansMax), "spans", "In one OTLP request."},
    {"tracking.trace_links", as_int(tracking::kTraceLinksMax), "links", "In one request."},
    {"serving.name_bytes", as_int(serving::kNameBytesMax), "bytes", "A deployment's name."},
    {"serving.client_ref_bytes", as_int(serving::kClientRefBytesMax), "bytes",
     "A client's own id of a prediction."},
    {"serving.model_bytes", serving::kModelBytesMax, "bytes", "An ONNX file."},
    {"monitor.retention_days", monitor::kRetentionDaysMax, "days", "Rows of predictions."},
    {"monitor.labels", monitor::kLabelsPerRequestMax, "labels", "Of one request."},
    {"config.toml_bytes", as_int(kTomlBytesMax), "bytes", "slipway.toml."},
}};

}  // namespace

std::span<const LimitRow> limits() { return kLimits; }

}  // namespace slip::app
