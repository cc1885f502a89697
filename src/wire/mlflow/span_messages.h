#pragma once

#include <vector>

#include "codec/json.h"
#include "tracking/traces.h"

// A span as OpenTelemetry's message (what the trace API answers) and as an entry of a trace's
// data file (what MLflow's own pages and clients read from it). Pure.
namespace slip::wire::mlflow {

codec::Json span_message(const tracking::Span& span);
// {"spans": […]} of the file traces.json.
codec::Json trace_data(const std::vector<tracking::Span>& spans);

}  // namespace slip::wire::mlflow
