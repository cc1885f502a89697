#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "features/definition.h"

namespace feast::core {
class FeatureViewSpec;
class OnDemandFeatureViewSpec;
}  // namespace feast::core
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

// Puts the function into what a client said of an on-demand view. False: it said it of one with
// other outputs.
bool with_function(const ::feast::core::FeatureViewSpec& outputs, const std::string& function,
                   ::feast::core::OnDemandFeatureViewSpec* told);

template <class Message>
std::optional<Message> kept(const features::About& about, std::string_view what) {
  const auto found = about.tags.find("slipway.feast." + std::string(what));
  Message out;
  if (found == about.tags.end() || !message_of(found->second, &out)) return std::nullopt;
  return out;
}

}  // namespace slip::wire::feast
