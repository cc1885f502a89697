#pragma once

#include <string_view>

#include "base/result.h"
#include "codec/json.h"

namespace google::protobuf {
class Message;
}

// Messages of protocol buffers as text: the text format that people write, proto3's JSON, and a
// plainer JSON to read. Pure. kInvalid `protobuf.syntax`, of the text format with line and column.
namespace slip::codec {

// What was in `out` stays where the text says nothing.
Status parse_proto_text(std::string_view text, google::protobuf::Message* out);
Status parse_proto_json(std::string_view json, google::protobuf::Message* out);

// The names of the .proto, every plain field also where it has its default, 64-bit integers as
// numbers, enumerations by name, maps as objects; a message only where it is there.
Json proto_json(const google::protobuf::Message& message);

}  // namespace slip::codec
