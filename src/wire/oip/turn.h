#pragma once

#include <string>
#include <variant>

#include "grpc/method.h"
#include "http/route.h"
#include "serving/routing.h"

namespace slip::serving {
class Serving;
}

// Predictions that one turn of an I/O loop, of either plane, has made: their records go into the
// log with one write at the end of the turn, then their answers leave. Invariant: no answer is
// given before the log has taken its record; what the log refuses is answered with its error, each
// for itself. Any thread; on one that is no I/O loop nothing waits.
namespace slip::wire::oip {

struct RestAnswer {
  const Ctx* ctx = nullptr;  // Of the request, which lives until it is answered.
  http::Responder respond;
  http::Reply reply;
};
struct GrpcAnswer {
  grpc::Responder respond;
  grpc::Reply reply;
};
struct Waiting {
  std::string record;
  std::variant<RestAnswer, GrpcAnswer> answer;
};

void answer_when_logged(serving::Serving& serving, serving::Ack ack, Waiting waiting);

}  // namespace slip::wire::oip
