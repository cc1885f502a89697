#pragma once

#include <string>

#include "base/text.h"
#include "grpc/method.h"
#include "wire/oip/calls.h"
#include "wire/oip/infer_proto.h"

// What the files of the gRPC form have in common. Private to wire/oip/.
namespace slip::wire::oip {

inline grpc::Method grpc_row(std::string_view name, http::Right right, std::string summary) {
  grpc::Method r;
  r.name = concat({"inference.GRPCInferenceService/", name});
  r.permission = {right, "deployment", http::On::kList};
  r.audit = http::Audit::kNone;
  r.summary = std::move(summary);
  return r;
}

// The row is about the deployment that `named` finds in a message. From memory: also on an I/O
// thread.
template <class Named>
void guard_by(const App& app, Named named, grpc::Method* r) {
  r->permission.on = http::On::kObject;
  r->needs = [&app, named, right = r->permission.right](
                 const Ctx& ctx, const grpc::Request& request) -> Result<std::vector<http::Need>> {
    const std::string name = TRY(named(request.message));
    const auto route = TRY(find_route(app, ctx, name));
    return http::one_need(right, "deployment", route->uid);
  };
}

inline Result<std::string> model_named(std::string_view message) {
  return TRY(read_named_model(message)).name;
}

inline Result<Target> target_named(const App& app, const Ctx& ctx, const NamedModel& model) {
  std::optional<std::string_view> version;
  if (!model.version.empty()) version = model.version;
  return find_target(app, ctx, model.name, version);
}

template <class Message>
Result<Message> parsed(const grpc::Request& request) {
  Message in;
  if (!in.ParseFromArray(request.message.data(), static_cast<int>(request.message.size())))
    return invalid("oip.message", "this is no message of that type");
  return in;
}

}  // namespace slip::wire::oip
