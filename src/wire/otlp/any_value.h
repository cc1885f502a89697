#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "tracking/trace_spans.h"
#include "tracking/types.h"

// Attribute values of both encodings: into a span's attributes, into tags, and as protobuf's JSON.
// Private to otlp/. Pure.
namespace slip::wire::otlp {

// A KeyValue message.
Status add_attribute(std::string_view key_value, tracking::AttributeWriter* out);
Result<codec::Json> key_value_json(std::string_view key_value, int depth);
Status add_tag(std::string_view key_value, std::vector<tracking::Tag>* out);

// {"key": …, "value": {"stringValue": …}}, either spelling.
Status add_attribute(const codec::Json& key_value, tracking::AttributeWriter* out);
Result<codec::Json> key_value_json(const codec::Json& key_value, int depth);
Status add_tag(const codec::Json& key_value, std::vector<tracking::Tag>* out);

// Attribute texts must be UTF-8; what is not is kept as base64 rather than lost.
std::string text_of(std::string_view bytes);

}  // namespace slip::wire::otlp
