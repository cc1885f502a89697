#include "wire/oip/infer_proto.h"

#include <bit>
#include <cstring>
#include <utility>

#include <google/protobuf/arena.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <inference/open_inference.pb.h>

#include "base/text.h"

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

static_assert(std::endian::native == std::endian::little);  // As raw tensors are on the wire.

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

// ---- raw

Status take_raw_texts(std::string_view raw, size_t elements, Tensor* t) {
  constexpr size_t kLengthBytes = 4;
  if (elements > raw.size() / kLengthBytes)
    return bad_size(*t, elements, raw.size() / kLengthBytes, "the raw content at most");
  t->strings.reserve(elements);
  while (!raw.empty()) {
    uint32_t length = 0;
    if (raw.size() < kLengthBytes) return bad(*t, "tensor.size", {"a raw text is cut short"});
    std::memcpy(&length, raw.data(), kLengthBytes);
    raw.remove_prefix(kLengthBytes);
    if (raw.size() < length) return bad(*t, "tensor.size", {"a raw text is cut short"});
    t->strings.emplace_back(raw.substr(0, length));
    raw.remove_prefix(length);
  }
  if (t->strings.size() != elements)
    return bad_size(*t, elements, t->strings.size(), "the raw content");
  return {};
}

Status take_raw(std::string* raw, size_t elements, Tensor* t) {
  if (t->type == DataType::kBytes) return take_raw_texts(*raw, elements, t);
  const size_t bytes = elements * serving::data_type_bytes(t->type);
  if (raw->size() != bytes)
    return bad(*t, "tensor.size",
               {"the shape has ", std::to_string(bytes), " bytes, the raw content ",
                std::to_string(raw->size())});
  t->data = std::move(*raw);
  if (t->type == DataType::kBool)
    for (const char c : t->data)
      if (c != 0 && c != 1) return bad_value(*t);
  return {};
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

template <class Parameters>
Status check_parameters(const Parameters& parameters) {
  if (parameters.contains("shared_memory_region"))
    return unsupported("infer.shared_memory", "shared memory of clients is not taken");
  if (parameters.contains("classification"))
    return unsupported("infer.classification", "outputs come as they are, not classified");
  return {};
}

Result<Tensor> take_input(InputTensor* in, std::string* raw) {
  TRY(check_parameters(in->parameters()));
  Tensor t;
  t.name = std::move(*in->mutable_name());
  const std::optional<DataType> type = serving::parse_data_type(in->datatype());
  if (!type) return bad(t, "tensor.datatype", {"unknown datatype `", in->datatype(), "`"});
  t.type = *type;
  t.shape.assign(in->shape().begin(), in->shape().end());
  const Result<int64_t> elements = serving::count_elements(t.shape);
  if (!elements.ok()) return Error(elements.error()).within(concat({"input `", t.name, "`"}));
  const auto n = static_cast<size_t>(*elements);
  TRY(raw != nullptr ? take_raw(raw, n, &t) : take_typed(in->mutable_contents(), n, &t));
  return t;
}

// Whether the tensors are raw or typed: one of them, for the whole message.
Result<Form> form_of(const ModelInferRequest& in) {
  if (in.raw_input_contents_size() == 0) return in.inputs_size() == 0 ? Form::kRaw : Form::kTyped;
  for (const InputTensor& t : in.inputs())
    if (t.has_contents() && t.contents().ByteSizeLong() > 0)
      return invalid("infer.contents", concat({"input `", t.name(), "` has `contents`, although ",
                                               "the message has `raw_input_contents`"}));
  if (in.raw_input_contents_size() != in.inputs_size())
    return invalid("infer.contents",
                   concat({std::to_string(in.inputs_size()), " inputs, but ",
                           std::to_string(in.raw_input_contents_size()), " raw contents"}));
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

std::string raw_texts(const Tensor& t) {
  std::string out;
  for (const std::string& text : t.strings) {
    const auto length = static_cast<uint32_t>(text.size());
    out.append(reinterpret_cast<const char*>(&length), sizeof length).append(text);
  }
  return out;
}

void fill(const ProtoReply& reply, std::vector<Tensor>* outputs, ModelInferResponse* out) {
  bool typed = reply.form == Form::kTyped;
  for (const Tensor& t : *outputs) typed = typed && has_typed_form(t.type);
  out->set_model_name(std::string(reply.what.model_name));
  out->set_model_version(std::string(reply.what.model_version));
  out->set_id(std::string(reply.what.id));
  (*out->mutable_parameters())["prediction_id"].set_string_param(
      std::string(reply.what.prediction_id));
  for (Tensor& t : *outputs) {
    ModelInferResponse::InferOutputTensor& to = *out->add_outputs();
    to.set_name(t.name);
    to.set_datatype(std::string(serving::data_type_name(t.type)));
    to.mutable_shape()->Add(t.shape.begin(), t.shape.end());
    if (typed) {
      put_typed(&t, to.mutable_contents());
    } else {
      out->add_raw_output_contents(t.type == DataType::kBytes ? raw_texts(t) : std::move(t.data));
    }
  }
}

}  // namespace

Result<NamedModel> read_named_model(std::string_view message) {
  size_t parts = 0;
  return walk(message, &parts);
}

Result<ProtoInfer> parse_infer_proto(std::string_view message) {
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
  out.request.id = std::move(*in.mutable_id());
  out.request.inputs.reserve(static_cast<size_t>(in.inputs_size()));
  for (int i = 0; i < in.inputs_size(); ++i) {
    std::string* raw = out.form == Form::kRaw ? in.mutable_raw_input_contents(i) : nullptr;
    out.request.inputs.push_back(TRY(take_input(in.mutable_inputs(i), raw)));
  }
  for (auto& wanted : *in.mutable_outputs()) {
    TRY(check_parameters(wanted.parameters()));
    out.request.outputs.push_back(std::move(*wanted.mutable_name()));
  }
  return out;
}

std::string format_infer_proto(const ProtoReply& reply, std::vector<Tensor> outputs) {
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
