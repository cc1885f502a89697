#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "http/route.h"

// CloudEvents 1.0 around a body: in headers (`ce-…`) or as a JSON envelope
// (application/cloudevents+json). Who asks one way is answered that way. Pure.
//
// Errors: kInvalid `cloud_event.*`.
namespace slip::wire::kserve1 {

enum class Wrapping : uint8_t { kNone, kHeaders, kEnvelope };

struct Unwrapped {
  Wrapping wrapping = Wrapping::kNone;
  codec::Json body;
};
Result<Unwrapped> unwrap(const http::Request& request);
// `id`: of the new event; `model` is its source.
http::Reply wrap(Wrapping wrapping, codec::Json body, const std::string& id,
                 const std::string& model);

}  // namespace slip::wire::kserve1
