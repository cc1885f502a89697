#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "features/definition.h"

namespace google::protobuf {
class Message;
class Timestamp;
}  // namespace google::protobuf

// What Feast's client said of an object beyond its definition, kept among its tags as JSON. Pure;
// any thread.
namespace slip::wire::feast {

// False: it is no such message.
bool message_of(const std::string& json, google::protobuf::Message* out);
std::string json_of(const google::protobuf::Message& message);
std::string plain_bytes(const google::protobuf::Message& message);  // Equal messages, equal bytes.

void set_time(int64_t us, google::protobuf::Timestamp* out);  // Microseconds since 1970.

template <class Message>
std::optional<Message> kept(const features::About& about, std::string_view what) {
  const auto found = about.tags.find("slipway.feast." + std::string(what));
  Message out;
  if (found == about.tags.end() || !message_of(found->second, &out)) return std::nullopt;
  return out;
}

}  // namespace slip::wire::feast
