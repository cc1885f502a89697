#include "wire/oip/infer_proto.h"

#include <cstring>
#include <utility>

#include <google/protobuf/arena.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <inference/open_inference.pb.h>

#include "base/text.h"
#include "wire/oip/parameters.h"
#include "wire/oip/raw_tensor.h"
#include "wire/oip/regions.h"

namespace slip::wire::oip {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;
using inference::InferTensorContents;
using inference::ModelInferRequest;
using inference::ModelInferResponse;
using serving::DataType;
using serving::Tensor;
using InputTensor = ModelInferRequest::InferInputTensor;

// The arena of this thread's message, given back whole when the message is done with.
class Scratch {
 public:
  Scratch() = default;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { arena().Reset(); }
  template <class Message>
  Message* make() {
    return google::protobuf::Arena::CreateMessage<Message>(&arena());
  }

 private:
  static google::protobuf::Arena& arena() {
    thread_local google::protobuf::Arena of_thread;
    return of_thread;
  }
};

Error bad_message() { return invalid("infer.message", "this is no message of that type"); }

Error bad(const Tensor& t, std::string_view reason, std::initializer_list<std::string_view> text) {
  return invalid(reason, concat({"input `", t.name, "`: ", concat(text)}));
}

Error bad_value(const Tensor& t) {
  return bad(t, "tensor.value", {"a value does not fit ", serving::data_type_name(t.type)});
}

Error bad_size(const Tensor& t, size_t elements, size_t got, std::string_view of) {
  return bad(t, "tensor.size",
             {"the shape has ", std::to_string(elements), " elements, ", of, " has ",
              std::to_string(got)});
}

// ---- typed

// Copies the values of one list, each as the tensor's own type.
template <class T, class List>
Status take_list(const List& values, size_t elements, Tensor* t) {
  if (static_cast<size_t>(values.size()) != elements)
    return bad_size(*t, elements, static_cast<size_t>(values.size()), "`contents`");
  t->data.resize(elements * sizeof(T));
  char* at = t->data.data();
  for (const auto value : values) {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<decltype(value), const bool>)
      if (!std::in_range<T>(value)) return bad_value(*t);
    const T own = static_cast<T>(value);
    std::memcpy(at, &own, sizeof own);
    at += sizeof own;
  }
  return {};
}

Status take_typed(InferTensorContents* c, size_t elements, Tensor* t) {
  switch (t->type) {
    case DataType::kBool:
      return take_list<uint8_t>(c->bool_contents(), elements, t);
    case DataType::kUint8:
      return take_list<uint8_t>(c->uint_contents(), elements, t);
    case DataType::kUint16:
      return take_list<uint16_t>(c->uint_contents(), elements, t);
    case DataType::kUint32:
      return take_list<uint32_t>(c->uint_contents(), elements, t);
    case DataType::kUint64:
      return take_list<uint64_t>(c->uint64_contents(), elements, t);
    case DataType::kInt8:
      return take_list<int8_t>(c->int_contents(), elements, t);
    case DataType::kInt16:
      return take_list<int16_t>(c->int_contents(), elements, t);
    case DataType::kInt32:
      return take_list<int32_t>(c->int_contents(), elements, t);
    case DataType::kInt64:
      return take_list<int64_t>(c->int64_contents(), elements, t);
    case DataType::kFp32:
      return take_list<float>(c->fp32_contents(), elements, t);
    case DataType::kFp64:
      return take_list<double>(c->fp64_contents(), elements, t);
    case DataType::kBytes:
      if (static_cast<size_t>(c->bytes_contents_size()) != elements)
        return bad_size(*t, elements, static_cast<size_t>(c->bytes_contents_size()), "`contents`");
      for (std::string& text : *c->mutable_bytes_contents()) t->strings.push_back(std::move(text));
      return {};
    case DataType::kFp16:
    case DataType::kBf16:
      break;
  }
  return bad(*t, "tensor.datatype", {serving::data_type_name(t->type), " has no typed form"});
}

// ---- requests

template <class Map>
Parameters read_parameters(const Map& in) {
  using inference::InferParameter;
  Parameters out;
  out.reserve(in.size());
  for (const auto& [name, value] : in) {
    switch (value.parameter_choice_case()) {
      case InferParameter::kBoolParam:
        out.emplace_back(name, value.bool_param());
        break;
      case InferParameter::kInt64Param:
        out.emplace_back(name, value.int64_param());
        break;
      case InferParameter::kStringParam:
        out.emplace_back(name, value.string_param());
        break;
      case InferParameter::kDoubleParam:
        out.emplace_back(name, value.double_param());
        break;
      case InferParameter::kUint64Param:
        out.emplace_back(name, value.uint64_param());
        break;
      case InferParameter::PARAMETER_CHOICE_NOT_SET:
        break;
    }
  }
  return out;
}

Result<Tensor> input_head(InputTensor* in) {
  Tensor t;
  t.name = std::move(*in->mutable_name());
  const std::optional<DataType> type = serving::parse_data_type(in->datatype());
  if (!type) return bad(t, "tensor.datatype", {"unknown datatype `", in->datatype(), "`"});
  t.type = *type;
  t.shape.assign(in->shape().begin(), in->shape().end());
  return t;
}

// The inputs of one message, in order; those in shared memory take none of its raw contents.
class Inputs {
 public:
  Inputs(ModelInferRequest* in, Form form, const Regions* regions)
      : in_(*in), form_(form), regions_(regions) {}

  Result<std::vector<Tensor>> take_all() {
    std::vector<Tensor> out;
    out.reserve(static_cast<size_t>(in_.inputs_size()));
    for (InputTensor& t : *in_.mutable_inputs()) out.push_back(TRY(take(&t)));
    if (next_raw_ != in_.raw_input_contents_size())
      return invalid("infer.contents",
                     concat({std::to_string(next_raw_), " inputs, but ",
                             std::to_string(in_.raw_input_contents_size()), " raw contents"}));
    return out;
  }

 private:
  Result<Tensor> take(InputTensor* in) {
    Tensor t = TRY(input_head(in));
    if (in->parameters_size() > 0) {
      const std::optional<Place> place = TRY(place_of(read_parameters(in->parameters()), regions_));
      if (place) {
        TRY(take_place(*place, &t));
        return t;
      }
    }
    if (form_ == Form::kTyped) {
      TRY(take_typed(in->mutable_contents(), TRY(count_input(t)), &t));
    } else {
      if (next_raw_ >= in_.raw_input_contents_size())
        return invalid("infer.contents", concat({"input `", t.name, "` has no raw contents"}));
      TRY(take_raw(std::move(*in_.mutable_raw_input_contents(next_raw_++)), &t));
    }
    return t;
  }

  ModelInferRequest& in_;
  const Form form_;
  const Regions* const regions_;
  int next_raw_ = 0;
};

// Whether the tensors are raw or typed: one of them, for the whole message.
Result<Form> form_of(const ModelInferRequest& in) {
  if (in.raw_input_contents_size() == 0) {
    for (const InputTensor& t : in.inputs())
      if (!t.parameters().contains("shared_memory_region")) return Form::kTyped;
    return Form::kRaw;
  }
  for (const InputTensor& t : in.inputs())
    if (t.has_contents() && t.contents().ByteSizeLong() > 0)
      return invalid("infer.contents", concat({"input `", t.name(), "` has `contents`, although ",
                                               "the message has `raw_input_contents`"}));
  return Form::kRaw;
}

// Walks over the fields without keeping them: how many tensors and parameters there are, before
// any of them takes room, and which model it is.
Result<NamedModel> walk(std::string_view message, size_t* parts) {
  CodedInputStream in(reinterpret_cast<const uint8_t*>(message.data()),
                      static_cast<int>(message.size()));
  NamedModel out;
  while (const uint32_t tag = in.ReadTag()) {
    const int field = WireFormatLite::GetTagFieldNumber(tag);
    const bool text =
        WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
    if (text && (field == 1 || field == 2)) {
      uint32_t size = 0;
      if (!in.ReadVarint32(&size) || size > message.size()) return bad_message();
      if (!in.ReadString(field == 1 ? &out.name : &out.version, static_cast<int>(size)))
        return bad_message();
      continue;
    }
    if (field >= 4 && field <= 7) ++*parts;
    if (!WireFormatLite::SkipField(&in, tag)) return bad_message();
  }
  if (!in.ConsumedEntireMessage()) return bad_message();
  return out;
}

// ---- replies

template <class T, class List>
void put_list(const Tensor& t, List* out) {
  const size_t n = t.data.size() / sizeof(T);
  out->Reserve(static_cast<int>(n));
  for (size_t i = 0; i < n; ++i) {
    T value;
    std::memcpy(&value, t.data.data() + i * sizeof(T), sizeof(T));
    out->Add(value);
  }
}

bool has_typed_form(DataType type) { return type != DataType::kFp16 && type != DataType::kBf16; }

void put_typed(Tensor* t, InferTensorContents* out) {
  switch (t->type) {
    case DataType::kBool:
      return put_list<bool>(*t, out->mutable_bool_contents());
    case DataType::kUint8:
      return put_list<uint8_t>(*t, out->mutable_uint_contents());
    case DataType::kUint16:
      return put_list<uint16_t>(*t, out->mutable_uint_contents());
    case DataType::kUint32:
      return put_list<uint32_t>(*t, out->mutable_uint_contents());
    case DataType::kUint64:
      return put_list<uint64_t>(*t, out->mutable_uint64_contents());
    case DataType::kInt8:
      return put_list<int8_t>(*t, out->mutable_int_contents());
    case DataType::kInt16:
      return put_list<int16_t>(*t, out->mutable_int_contents());
    case DataType::kInt32:
      return put_list<int32_t>(*t, out->mutable_int_contents());
    case DataType::kInt64:
      return put_list<int64_t>(*t, out->mutable_int64_contents());
    case DataType::kFp32:
      return put_list<float>(*t, out->mutable_fp32_contents());
    case DataType::kFp64:
      return put_list<double>(*t, out->mutable_fp64_contents());
    case DataType::kBytes:
      for (std::string& text : t->strings) out->add_bytes_contents(std::move(text));
      return;
    case DataType::kFp16:
    case DataType::kBf16:
      break;
  }
  CHECK(false);  // Such outputs go raw.
}

void put_place(const Place& place, ModelInferResponse::InferOutputTensor* out) {
  auto& parameters = *out->mutable_parameters();
  parameters[std::string("shared_memory_region")].set_string_param(place.region->name);
  parameters[std::string("shared_memory_byte_size")].set_int64_param(
      static_cast<int64_t>(place.bytes));
  if (place.offset > 0)
    parameters[std::string("shared_memory_offset")].set_int64_param(
        static_cast<int64_t>(place.offset));
}

void put_raw(const ReplyOutput& output, std::string* out) {
  if (output.place) return;  // An empty one, so that contents and outputs stay side by side.
  out->reserve(raw_bytes(output.tensor));
  append_raw(out, output.tensor);
}

void fill(const ProtoReply& reply, std::vector<ReplyOutput>* outputs, ModelInferResponse* out) {
  bool typed = reply.form == Form::kTyped;
  for (const ReplyOutput& o : *outputs) typed = typed && has_typed_form(o.tensor.type);
  out->set_model_name(std::string(reply.what.model_name));
  out->set_model_version(std::string(reply.what.model_version));
  out->set_id(std::string(reply.what.id));
  auto& parameters = *out->mutable_parameters();
  parameters[std::string("prediction_id")].set_string_param(std::string(reply.what.prediction_id));
  if (reply.says_final) parameters[std::string("triton_final_response")].set_bool_param(true);
  for (ReplyOutput& o : *outputs) {
    Tensor& t = o.tensor;
    ModelInferResponse::InferOutputTensor& to = *out->add_outputs();
    to.set_name(t.name);
    to.set_datatype(std::string(serving::data_type_name(t.type)));
    to.mutable_shape()->Add(t.shape.begin(), t.shape.end());
    if (o.place) put_place(*o.place, &to);
    if (!typed && t.type != DataType::kBytes)
      out->add_raw_output_contents(std::move(t.data));
    else if (!typed)
      put_raw(o, out->add_raw_output_contents());
    else if (!o.place)
      put_typed(&t, to.mutable_contents());
  }
}

}  // namespace

Result<NamedModel> read_named_model(std::string_view message) {
  size_t parts = 0;
  return walk(message, &parts);
}

Result<ProtoInfer> parse_infer_proto(std::string_view message, const Regions* regions) {
  size_t parts = 0;
  TRY(walk(message, &parts));
  if (parts > kTensorsMax)
    return invalid("infer.too_many_tensors",
                   concat({"a message has at most ", std::to_string(kTensorsMax),
                           " inputs, outputs and parameters"}));
  Scratch scratch;
  ModelInferRequest& in = *scratch.make<ModelInferRequest>();
  if (!in.ParseFromArray(message.data(), static_cast<int>(message.size()))) return bad_message();
  ProtoInfer out;
  out.form = TRY(form_of(in));
  InferRequest& request = out.request;
  request.id = std::move(*in.mutable_id());
  for (auto& [name, value] : read_parameters(in.parameters()))
    TRY(take_request_parameter(name, std::move(value), &request));
  request.inputs = TRY(Inputs(&in, out.form, regions).take_all());
  for (auto& wanted : *in.mutable_outputs()) {
    WantedOutput output;
    output.name = std::move(*wanted.mutable_name());
    if (wanted.parameters_size() > 0)
      TRY(take_output_parameters(read_parameters(wanted.parameters()), regions, &output));
    request.outputs.push_back(std::move(output));
  }
  TRY(check_no_twins(request.inputs, "input"));
  TRY(check_no_twins(request.outputs, "output"));
  return out;
}

std::string format_infer_proto(const ProtoReply& reply, std::vector<ReplyOutput> outputs) {
  Scratch scratch;
  if (reply.streamed) {
    auto& out = *scratch.make<inference::ModelStreamInferResponse>();
    fill(reply, &outputs, out.mutable_infer_response());
    return out.SerializeAsString();
  }
  auto& out = *scratch.make<ModelInferResponse>();
  fill(reply, &outputs, &out);
  return out.SerializeAsString();
}

std::string format_stream_error(std::string_view text) {
  inference::ModelStreamInferResponse out;
  out.set_error_message(std::string(text));
  return out.SerializeAsString();
}

}  // namespace slip::wire::oip
