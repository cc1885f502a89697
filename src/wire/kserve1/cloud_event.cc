#include "wire/kserve1/cloud_event.h"

#include "base/text.h"

namespace slip::wire::kserve1 {
namespace {

using codec::Json;
using codec::NonFinite;

constexpr const char* kEnvelopeType = "application/cloudevents+json";
constexpr const char* kVersion = "1.0";
constexpr const char* kReplyType = "io.kserve.inference.response";

std::string source_of(const std::string& model) { return concat({"io.kserve.inference.", model}); }

Error bad(std::string text) { return invalid("cloud_event.attributes", std::move(text)); }

Status check_attributes(const Json& envelope) {
  for (const std::string_view name : {"specversion", "id", "source", "type"}) {
    const Json* value = envelope.find(name);
    if (value == nullptr || !value->is_string() || value->as_string().empty())
      return bad(concat({"a CloudEvent needs its `", name, "`"}));
  }
  return {};
}

Result<Json> data_of(const Json& envelope) {
  if (const Json* data = envelope.find("data")) return *data;
  const Json* base64 = envelope.find("data_base64");
  if (base64 == nullptr) return bad("the CloudEvent has no `data`");
  const std::optional<std::string> bytes =
      base64->is_string() ? from_base64(base64->as_string()) : std::nullopt;
  if (!bytes) return bad("`data_base64` is no Base64");
  return TRY(codec::parse_json(*bytes, NonFinite::kToken));
}

bool is_envelope(const http::Request& request) {
  const std::string_view type = request.header("content-type");
  return iequals(trim(type.substr(0, type.find(';'))), kEnvelopeType);
}

}  // namespace

Result<Unwrapped> unwrap(const http::Request& request) {
  Unwrapped out;
  out.body = TRY(codec::parse_json(request.body, NonFinite::kToken));
  if (is_envelope(request)) {
    if (!out.body.is_object()) return bad("a CloudEvent is a JSON object");
    TRY(check_attributes(out.body));
    Json data = TRY(data_of(out.body));
    out.body = std::move(data);
    out.wrapping = Wrapping::kEnvelope;
    return out;
  }
  if (request.header("ce-specversion").empty()) return out;
  for (const std::string_view name : {"ce-id", "ce-source", "ce-type"})
    if (request.header(name).empty()) return bad(concat({"a CloudEvent needs its `", name, "`"}));
  out.wrapping = Wrapping::kHeaders;
  return out;
}

http::Reply wrap(Wrapping wrapping, Json body, const std::string& id, const std::string& model) {
  http::Reply reply;
  if (wrapping == Wrapping::kHeaders)
    reply.headers = {{"ce-specversion", kVersion},
                     {"ce-id", id},
                     {"ce-source", source_of(model)},
                     {"ce-type", kReplyType}};
  if (wrapping == Wrapping::kEnvelope) {
    reply.content_type = kEnvelopeType;
    body = Json::object({{"specversion", kVersion},
                         {"id", id},
                         {"source", source_of(model)},
                         {"type", kReplyType},
                         {"datacontenttype", "application/json"},
                         {"data", std::move(body)}});
  }
  reply.body = codec::to_json(body, 0, NonFinite::kToken);
  return reply;
}

}  // namespace slip::wire::kserve1
