#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "codec/json.h"
#include "tracking/traces.h"
#include "wire/mlflow/proto_in.h"

// What the files about traces share: heads, assessments and maps as messages.
namespace slip::wire::mlflow {

codec::Json trace_info(const tracking::Trace& trace);
// As clients before version 3 know it.
codec::Json trace_info_v2(const tracking::Trace& trace);
const In::EnumNames& trace_states();
// A map of texts: {"k": "v"}, values of other kinds as their JSON.
Result<std::vector<tracking::Tag>> read_map(const In& in, std::string_view name);
// Microseconds; 0 when absent.
Result<int64_t> read_timestamp(const In& in, std::string_view name);

// An assessment as its sender wrote it; what it left out is filled in.
struct NewAssessment {
  std::string trace_id;
  std::string fresh_id;  // Used when it has none.
  int64_t now_us = 0;
};
Result<tracking::Assessment> read_assessment(const codec::Json& given, const NewAssessment& fresh);
// Sets what searches ask from the body, and brings that into the form that readers expect.
void index_assessment(codec::Json* body, tracking::Assessment* out);

}  // namespace slip::wire::mlflow
