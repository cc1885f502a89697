#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include "base/text.h"
#include "codec/json.h"
#include "wire/oip/infer_json.h"
#include "wire/oip/raw_tensor.h"
#include "wire/oip/regions.h"

namespace slip::wire::oip {
namespace {

using serving::DataType;
using serving::Tensor;

template <class T>
void append_number(std::string* out, T value) {
  if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(value)) {
      out->append(std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
      return;
    }
  }
  std::array<char, 40> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  out->append(text.data(), end);
}

template <class T>
void append_numbers(std::string* out, const Tensor& t) {
  for (size_t at = 0; at < t.data.size(); at += sizeof(T)) {
    T value;
    std::memcpy(&value, t.data.data() + at, sizeof(T));
    if (at > 0) out->push_back(',');
    if constexpr (sizeof(T) == 1)
      append_number(out, static_cast<int>(value));
    else
      append_number(out, value);
  }
}

void append_shape(std::string* out, const std::vector<int64_t>& shape) {
  for (size_t d = 0; d < shape.size(); ++d) {
    if (d > 0) out->push_back(',');
    append_number(out, shape[d]);
  }
}

void append_place(std::string* out, const Place& place) {
  out->append(",\"parameters\":{\"shared_memory_region\":");
  codec::append_json_string(out, place.region->name);
  out->append(",\"shared_memory_byte_size\":");
  append_number(out, place.bytes);
  if (place.offset > 0) {
    out->append(",\"shared_memory_offset\":");
    append_number(out, place.offset);
  }
  out->push_back('}');
}

Status append_output(std::string* out, const ReplyOutput& output, size_t binary_bytes) {
  const Tensor& t = output.tensor;
  out->append("{\"name\":");
  codec::append_json_string(out, t.name);
  out->append(",\"datatype\":\"").append(data_type_name(t.type)).append("\",\"shape\":[");
  append_shape(out, t.shape);
  out->push_back(']');
  if (output.place) {
    append_place(out, *output.place);
  } else if (output.binary) {
    out->append(",\"parameters\":{\"binary_data_size\":");
    append_number(out, binary_bytes);
    out->push_back('}');
  } else {
    out->append(",\"data\":[");
    TRY(append_values(out, t));
    out->push_back(']');
  }
  out->push_back('}');
  return {};
}

}  // namespace

Status append_values(std::string* out, const Tensor& t) {
  switch (t.type) {
    case DataType::kBool:
      for (size_t i = 0; i < t.data.size(); ++i) {
        if (i > 0) out->push_back(',');
        out->append(t.data[i] != 0 ? "true" : "false");
      }
      return {};
    case DataType::kUint8:
      return append_numbers<uint8_t>(out, t), Status();
    case DataType::kUint16:
      return append_numbers<uint16_t>(out, t), Status();
    case DataType::kUint32:
      return append_numbers<uint32_t>(out, t), Status();
    case DataType::kUint64:
      return append_numbers<uint64_t>(out, t), Status();
    case DataType::kInt8:
      return append_numbers<int8_t>(out, t), Status();
    case DataType::kInt16:
      return append_numbers<int16_t>(out, t), Status();
    case DataType::kInt32:
      return append_numbers<int32_t>(out, t), Status();
    case DataType::kInt64:
      return append_numbers<int64_t>(out, t), Status();
    case DataType::kFp32:
      return append_numbers<float>(out, t), Status();
    case DataType::kFp64:
      return append_numbers<double>(out, t), Status();
    case DataType::kBytes:
      for (size_t i = 0; i < t.strings.size(); ++i) {
        if (!is_utf8(t.strings[i]))
          return unsupported("infer.not_text", "output `" + t.name + "` is not UTF-8 text");
        if (i > 0) out->push_back(',');
        codec::append_json_string(out, t.strings[i]);
      }
      return {};
    case DataType::kFp16:
    case DataType::kBf16:
      break;
  }
  return unsupported(
      "infer.not_text",
      concat({"output `", t.name, "`: ", serving::data_type_name(t.type), " has no JSON form"}));
}

Result<FormattedInfer> format_infer(const InferReply& reply,
                                    const std::vector<ReplyOutput>& outputs) {
  FormattedInfer made;
  std::string& out = made.body;
  std::vector<size_t> sizes(outputs.size(), 0);
  size_t binary_bytes = 0;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!outputs[i].binary || outputs[i].place) continue;
    made.binary = true;
    sizes[i] = raw_bytes(outputs[i].tensor);
    binary_bytes += sizes[i];
  }
  out.reserve(512 + binary_bytes);  // Most replies.
  out.append("{\"model_name\":");
  codec::append_json_string(&out, reply.model_name);
  out.append(",\"model_version\":");
  codec::append_json_string(&out, reply.model_version);
  out.append(",\"id\":");
  codec::append_json_string(&out, reply.id);
  out.append(",\"parameters\":{\"prediction_id\":");
  codec::append_json_string(&out, reply.prediction_id);
  out.append("},\"outputs\":[");
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (i > 0) out.push_back(',');
    TRY(append_output(&out, outputs[i], sizes[i]));
  }
  out.append("]}");
  made.json_bytes = out.size();
  for (const ReplyOutput& output : outputs)
    if (output.binary && !output.place) append_raw(&out, output.tensor);
  return made;
}

}  // namespace slip::wire::oip
