#include "wire/oip/infer_json.h"

#include <algorithm>

#include <simdjson.h>

#include "base/text.h"
#include "wire/oip/json_values.h"
#include "wire/oip/parameters.h"
#include "wire/oip/raw_tensor.h"
#include "wire/oip/regions.h"

namespace slip::wire::oip {
namespace {

using serving::DataType;
using serving::Tensor;
using simdjson::dom::element;
using simdjson::dom::element_type;

Error bad(std::string text) { return invalid("infer.shape_of_request", std::move(text)); }

// What follows the JSON, given to the inputs in their order.
class Tail {
 public:
  explicit Tail(std::string_view bytes) : left_(bytes) {}
  Result<std::string_view> take(std::string_view input, uint64_t bytes) {
    if (bytes > left_.size())
      return invalid("infer.binary", concat({"input '", input, "' has a binary_data_size of ",
                                             std::to_string(bytes), ", but only ",
                                             std::to_string(left_.size()), " bytes are left"}));
    const std::string_view out = left_.substr(0, bytes);
    left_.remove_prefix(bytes);
    return out;
  }
  Status finish() const {
    if (left_.empty()) return {};
    return invalid("infer.binary", concat({std::to_string(left_.size()),
                                           " bytes behind the JSON belong to no input"}));
  }

 private:
  std::string_view left_;
};

struct Reading {
  size_t json_bytes = 0;
  Tail tail;
  const Regions* regions = nullptr;
  size_t parts = 0;  // Tensors and parameters so far.
};

Status count_part(Reading* in) {
  if (++in->parts <= kTensorsMax) return {};
  return invalid("infer.too_many_tensors",
                 concat({"a request has at most ", std::to_string(kTensorsMax),
                         " inputs, outputs and parameters"}));
}

Result<Parameter> read_parameter(std::string_view name, const element& e) {
  switch (e.type()) {
    case element_type::BOOL:
      return Parameter(e.get_bool().value_unsafe());
    case element_type::INT64:
      return Parameter(e.get_int64().value_unsafe());
    case element_type::UINT64:
      return Parameter(e.get_uint64().value_unsafe());
    case element_type::DOUBLE:
      return Parameter(e.get_double().value_unsafe());
    case element_type::STRING:
      return Parameter(std::string(e.get_string().value_unsafe()));
    default:
      return invalid("infer.parameter",
                     concat({"parameter '", name, "' has invalid type. It should be either ",
                             "'int', 'bool', or 'string'."}));
  }
}

Result<Parameters> read_parameters(const element& owner, Reading* in) {
  Parameters out;
  element parameters;
  simdjson::dom::object object;
  if (owner["parameters"].get(parameters) || parameters.is_null()) return out;
  if (parameters.get_object().get(object))
    return bad("Expected JSON object for keyword: 'parameters'");
  for (const auto field : object) {
    TRY(count_part(in));
    out.emplace_back(field.key, TRY(read_parameter(field.key, field.value)));
  }
  return out;
}

// Name, type and shape.
Result<Tensor> read_head(const simdjson::dom::object& object) {
  Tensor t;
  std::string_view name;
  std::string_view type;
  simdjson::dom::array shape;
  if (object["name"].get_string().get(name)) return bad("an input lacks its `name`");
  t.name = name;
  if (object["datatype"].get_string().get(type))
    return bad(concat({"input `", name, "` lacks its `datatype`"}));
  const std::optional<DataType> known = serving::parse_data_type(type);
  if (!known)
    return invalid("tensor.datatype",
                   concat({"input `", name, "`: unknown datatype `", type, "`"}));
  t.type = *known;
  if (object["shape"].get_array().get(shape))
    return bad(concat({"input `", name, "` lacks its `shape`"}));
  for (const element d : shape) {
    int64_t size = 0;
    if (d.get_int64().get(size))
      return invalid("tensor.shape",
                     concat({"input '", name, "': Unable to parse 'shape': attempt to access JSON ",
                             "non-unsigned-integer as unsigned-integer"}));
    t.shape.push_back(size);
  }
  return t;
}

Status read_data(const element& data, size_t json_bytes, Tensor* t) {
  const size_t elements = TRY(count_input(*t));
  // An element takes two bytes or more of the body.
  const size_t got = TRY(put_json_values(data, std::min(elements, json_bytes / 2 + 1), t));
  if (got == elements) return {};
  return invalid("tensor.size",
                 concat({"input `", t->name,
                         "`: Shape does not match true shape of 'data' field: ", "the shape has ",
                         std::to_string(elements), " elements, `data` has ", std::to_string(got)}));
}

Result<Tensor> read_tensor(const element& e, Reading* in) {
  simdjson::dom::object object;
  if (e.get_object().get(object)) return bad("each of `inputs` must be an object");
  Tensor t = TRY(read_head(object));
  const Parameters parameters = TRY(read_parameters(e, in));
  const Parameter* binary = find_parameter(parameters, "binary_data_size");
  const std::optional<Place> place = TRY(place_of(parameters, in->regions));
  element data;
  const bool has_data = !object["data"].get(data);
  const int sources = (has_data ? 1 : 0) + (binary != nullptr ? 1 : 0) + (place ? 1 : 0);
  if (sources != 1)
    return bad(concat({"input `", t.name, "`: Input must set only one of the following fields: ",
                       "'data', 'binary_data_size' in 'parameters', 'shared_memory_region' in ",
                       "'parameters'. But ", sources == 0 ? "no field is set" : "several are"}));
  if (has_data) {
    TRY(read_data(data, in->json_bytes, &t));
  } else if (place) {
    TRY(take_place(*place, &t));
  } else {
    const std::optional<uint64_t> bytes = as_count(*binary);
    if (!bytes)
      return invalid("infer.parameter", "Unable to parse 'binary_data_size': want a whole number");
    TRY(take_raw(TRY(in->tail.take(t.name, *bytes)), &t));
  }
  return t;
}

Result<WantedOutput> read_output(const element& e, Reading* in) {
  TRY(count_part(in));
  WantedOutput out;
  std::string_view name;
  if (!e.is_object() || e["name"].get_string().get(name)) return bad("an output lacks its `name`");
  out.name = name;
  TRY(take_output_parameters(TRY(read_parameters(e, in)), in->regions, &out));
  return out;
}

Status read_id(const simdjson::dom::object& object, std::string* id) {
  element value;
  if (object["id"].get(value) || value.is_null()) return {};
  std::string_view text;
  if (!value.get_string().get(text)) {
    *id = text;
    return {};
  }
  uint64_t number = 0;
  if (value.get_uint64().get(number)) return bad("Unable to parse 'id': want a text");
  *id = std::to_string(number);
  return {};
}

Result<InferRequest> read_request(const element& root, Reading in) {
  simdjson::dom::object object;
  if (root.get_object().get(object)) return bad("the body must be a JSON object");
  InferRequest request;
  TRY(read_id(object, &request.id));
  for (auto& [name, value] : TRY(read_parameters(root, &in)))
    TRY(take_request_parameter(std::move(name), std::move(value), &request));
  simdjson::dom::array inputs;
  if (object["inputs"].get_array().get(inputs))
    return bad("Unable to parse 'inputs': it must be an array");
  for (const element e : inputs) {
    TRY(count_part(&in));
    request.inputs.push_back(TRY(read_tensor(e, &in)));
  }
  TRY(in.tail.finish());
  element raw_outputs;
  if (!object["outputs"].get(raw_outputs) && !raw_outputs.is_null()) {
    simdjson::dom::array outputs;
    if (raw_outputs.get_array().get(outputs))
      return bad("Unable to parse 'outputs': it must be an array");
    for (const element e : outputs) request.outputs.push_back(TRY(read_output(e, &in)));
  }
  TRY(check_no_twins(request.inputs, "input"));
  TRY(check_no_twins(request.outputs, "output"));
  return request;
}

Error bad_json(simdjson::error_code failed) {
  if (failed == simdjson::DEPTH_ERROR)
    return invalid("infer.syntax", concat({"JSON nesting depth exceeds maximum allowed limit (",
                                           std::to_string(kJsonDepthMax), ")"}));
  return invalid("infer.syntax", concat({"failed to parse the request JSON buffer: ",
                                         simdjson::error_message(failed)}));
}

}  // namespace

Result<std::optional<size_t>> json_bytes_of(std::string_view header, size_t body_bytes) {
  if (header.empty()) return std::optional<size_t>();
  const std::optional<int64_t> bytes = parse_int(header);
  if (!bytes || *bytes < 0 || static_cast<uint64_t>(*bytes) > body_bytes)
    return invalid("infer.binary",
                   concat({"Inference-Header-Content-Length of ", header.substr(0, 32),
                           " doesn't fit a body of ", std::to_string(body_bytes), " bytes"}));
  return std::optional<size_t>(static_cast<size_t>(*bytes));
}

Result<InferRequest> parse_infer(std::string_view body, const BodyForm& form) {
  thread_local simdjson::dom::parser parser;  // Keeps its buffers between requests.
  const std::string_view json = body.substr(0, form.json_bytes.value_or(body.size()));
  const std::string_view tail = body.substr(json.size());
  element root;
  simdjson::error_code failed = simdjson::SUCCESS;
  if (parser.capacity() < json.size())
    failed = parser.allocate(std::max<size_t>(json.size(), 1 << 16), kJsonDepthMax);
  if (!failed && json.empty()) failed = simdjson::EMPTY;  // It would copy from a null pointer.
  const bool in_place = tail.size() + form.readable_past >= simdjson::SIMDJSON_PADDING;
  if (!failed) failed = parser.parse(json.data(), json.size(), !in_place).get(root);
  if (failed && (json.find("NaN") != json.npos || json.find("Infinity") != json.npos)) {
    const std::string quoted = quote_non_finite(json);
    if (!parser.parse(quoted.data(), quoted.size()).get(root))
      return read_request(
          root,
          {.json_bytes = quoted.size(), .tail = Tail(tail), .regions = form.regions, .parts = 0});
  }
  if (failed) return bad_json(failed);
  return read_request(
      root, {.json_bytes = json.size(), .tail = Tail(tail), .regions = form.regions, .parts = 0});
}

}  // namespace slip::wire::oip
