#include "wire/oip/parameters.h"

#include <algorithm>

#include "base/text.h"
#include "wire/oip/regions.h"

namespace slip::wire::oip {
namespace {

Error bad(std::string_view name, std::string_view want) {
  return invalid("infer.parameter", concat({"Unable to parse '", name, "': want ", want}));
}

Status take_count(std::string_view name, const Parameter& value, uint64_t* out) {
  const std::optional<uint64_t> count = as_count(value);
  if (!count) return bad(name, "a whole number, not negative");
  *out = *count;
  return {};
}

Result<bool> as_bool(std::string_view name, const Parameter& value) {
  if (const bool* b = std::get_if<bool>(&value)) return *b;
  return bad(name, "true or false");
}

}  // namespace

const Parameter* find_parameter(const Parameters& parameters, std::string_view name) {
  for (const auto& [key, value] : parameters)
    if (key == name) return &value;
  return nullptr;
}

std::optional<uint64_t> as_count(const Parameter& value) {
  if (const uint64_t* u = std::get_if<uint64_t>(&value)) return *u;
  if (const int64_t* i = std::get_if<int64_t>(&value); i != nullptr && *i >= 0)
    return static_cast<uint64_t>(*i);
  return std::nullopt;
}

Status take_request_parameter(std::string name, Parameter value, InferRequest* request) {
  if (name == "priority") return take_count(name, value, &request->priority);
  if (name == "timeout") return take_count(name, value, &request->timeout_us);
  if (name == "binary_data_output") {
    request->binary_outputs = TRY(as_bool(name, value));
    return {};
  }
  if (name == "sequence_start" || name == "sequence_end" ||
      name == "triton_enable_empty_final_response") {
    TRY(as_bool(name, value));
  } else if (name == "sequence_id") {
    if (!as_count(value) && !std::holds_alternative<std::string>(value))
      return bad(name, "a whole number or a text");
  } else if (name == "headers" || name.starts_with("triton_")) {
    return invalid(
        "infer.parameter",
        concat({"parameter '", name, "': parameter keys starting with 'triton_', and ",
                "'headers', are reserved for Triton usage and should not be ", "specified"}));
  }
  request->parameters.emplace_back(std::move(name), std::move(value));
  return {};
}

Result<std::optional<Place>> place_of(const Parameters& parameters, const Regions* regions) {
  const Parameter* region = find_parameter(parameters, "shared_memory_region");
  if (region == nullptr) return std::optional<Place>();
  const std::string* name = std::get_if<std::string>(region);
  if (name == nullptr) return bad("shared_memory_region", "a text");
  uint64_t offset = 0;
  uint64_t bytes = 0;
  if (const Parameter* p = find_parameter(parameters, "shared_memory_offset"))
    TRY(take_count("shared_memory_offset", *p, &offset));
  const Parameter* size = find_parameter(parameters, "shared_memory_byte_size");
  if (size == nullptr) return bad("shared_memory_byte_size", "a whole number; it is missing");
  TRY(take_count("shared_memory_byte_size", *size, &bytes));
  if (regions == nullptr) return unsupported("shared_memory.off", "shared memory isn't taken here");
  return std::optional<Place>(TRY(regions->find(*name, offset, bytes)));
}

Status take_output_parameters(const Parameters& parameters, const Regions* regions,
                              WantedOutput* out) {
  if (const Parameter* p = find_parameter(parameters, "classification")) {
    uint64_t classes = 0;
    TRY(take_count("classification", *p, &classes));
    out->classes = static_cast<int64_t>(std::min<uint64_t>(classes, INT64_MAX));
  }
  if (const Parameter* p = find_parameter(parameters, "binary_data"))
    out->binary = TRY(as_bool("binary_data", *p));
  out->place = TRY(place_of(parameters, regions));
  if (out->place && out->binary.value_or(false))
    return invalid("infer.parameter",
                   "Output can't set both 'shared_memory_region' and 'binary_data'");
  return {};
}

Status refuse_twins(std::vector<std::string_view> names, std::string_view what) {
  std::sort(names.begin(), names.end());
  const auto twin = std::adjacent_find(names.begin(), names.end());
  if (twin == names.end()) return {};
  return invalid("tensor.duplicate", concat({what, " '", *twin, "' already exists in request"}));
}

}  // namespace slip::wire::oip
