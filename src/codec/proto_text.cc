#include "codec/proto_text.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/json_util.h>

#include "base/text.h"

namespace slip::codec {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

Json single(const Message& m, const Reflection& r, const FieldDescriptor& f) {
  switch (f.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return int64_t{r.GetInt32(m, &f)};
    case FieldDescriptor::CPPTYPE_INT64:
      return r.GetInt64(m, &f);
    case FieldDescriptor::CPPTYPE_UINT32:
      return int64_t{r.GetUInt32(m, &f)};
    case FieldDescriptor::CPPTYPE_UINT64:
      return static_cast<int64_t>(r.GetUInt64(m, &f));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return r.GetDouble(m, &f);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return double{r.GetFloat(m, &f)};
    case FieldDescriptor::CPPTYPE_BOOL:
      return r.GetBool(m, &f);
    case FieldDescriptor::CPPTYPE_ENUM:
      return std::string(r.GetEnum(m, &f)->name());
    case FieldDescriptor::CPPTYPE_STRING:
      return r.GetString(m, &f);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return proto_json(r.GetMessage(m, &f));
  }
  return Json();
}

Json repeated(const Message& m, const Reflection& r, const FieldDescriptor& f, int i) {
  switch (f.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return int64_t{r.GetRepeatedInt32(m, &f, i)};
    case FieldDescriptor::CPPTYPE_INT64:
      return r.GetRepeatedInt64(m, &f, i);
    case FieldDescriptor::CPPTYPE_UINT32:
      return int64_t{r.GetRepeatedUInt32(m, &f, i)};
    case FieldDescriptor::CPPTYPE_UINT64:
      return static_cast<int64_t>(r.GetRepeatedUInt64(m, &f, i));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return r.GetRepeatedDouble(m, &f, i);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return double{r.GetRepeatedFloat(m, &f, i)};
    case FieldDescriptor::CPPTYPE_BOOL:
      return r.GetRepeatedBool(m, &f, i);
    case FieldDescriptor::CPPTYPE_ENUM:
      return std::string(r.GetRepeatedEnum(m, &f, i)->name());
    case FieldDescriptor::CPPTYPE_STRING:
      return r.GetRepeatedString(m, &f, i);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return proto_json(r.GetRepeatedMessage(m, &f, i));
  }
  return Json();
}

std::string key_text(const Json& key) { return key.is_string() ? key.as_string() : to_json(key); }

Json map_of(const Message& m, const Reflection& r, const FieldDescriptor& f) {
  Json out = Json::object();
  for (int i = 0; i < r.FieldSize(m, &f); ++i) {
    const Message& entry = r.GetRepeatedMessage(m, &f, i);
    const Reflection& er = *entry.GetReflection();
    const auto& type = *entry.GetDescriptor();
    out.set(key_text(single(entry, er, *type.map_key())), single(entry, er, *type.map_value()));
  }
  return out;
}

constexpr int kNestingMax = 32;

class FirstError final : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, google::protobuf::io::ColumnNumber column,
                const std::string& text) override {
    if (text_.empty())
      text_ = concat(
          {"line ", std::to_string(line + 1), ", column ", std::to_string(column + 1), ": ", text});
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace

Status parse_proto_text(std::string_view text, Message* out) {
  FirstError errors;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&errors);
  parser.SetRecursionLimit(kNestingMax);
  if (parser.ParseFromString(std::string(text), out)) return {};
  return invalid("protobuf.syntax", errors.text());
}

Status parse_proto_json(std::string_view json, Message* out) {
  const auto parsed = google::protobuf::util::JsonStringToMessage(
      google::protobuf::StringPiece(json.data(), json.size()), out);
  if (parsed.ok()) return {};
  return invalid("protobuf.syntax", std::string(parsed.message()));
}

Json proto_json(const Message& message) {
  const Reflection& r = *message.GetReflection();
  const auto& type = *message.GetDescriptor();
  Json out = Json::object();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& f = *type.field(i);
    if (f.is_map()) {
      out.set(f.name(), map_of(message, r, f));
    } else if (f.is_repeated()) {
      Json list = Json::array();
      for (int k = 0; k < r.FieldSize(message, &f); ++k) list.push(repeated(message, r, f, k));
      out.set(f.name(), std::move(list));
    } else if (!f.has_presence() || r.HasField(message, &f)) {
      out.set(f.name(), single(message, r, f));
    }
  }
  return out;
}

}  // namespace slip::codec
