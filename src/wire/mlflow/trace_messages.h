#pragma once

#include <string_view>
#include <vector>

#include "codec/json.h"
#include "tracking/traces.h"
#include "wire/mlflow/proto_in.h"

// What the files about traces share: heads and maps as messages.
namespace slip::wire::mlflow {

codec::Json trace_info(const tracking::Trace& trace);
const In::EnumNames& trace_states();
// A map of texts: {"k": "v"}, values of other kinds as their JSON.
Result<std::vector<tracking::Tag>> read_map(const In& in, std::string_view name);
// Microseconds; 0 when absent.
Result<int64_t> read_timestamp(const In& in, std::string_view name);

}  // namespace slip::wire::mlflow
