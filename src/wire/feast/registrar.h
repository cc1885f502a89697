#pragma once

#include <concepts>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "features/catalog.h"
#include "sys/sync.h"
#include "wire/feast/errors.h"
#include "wire/feast/registry_service.h"

namespace feast::core {
class FeatureViewMeta;
class Registry;
}  // namespace feast::core

// What the calls of the registry share: who may enter a project, and the project as Feast's
// registry has it, made once a change. Any thread.
namespace slip::wire::feast {

inline constexpr size_t kProjectsKept = 64;
inline constexpr int64_t kObjectBytesMax = 4 << 20;

struct Asked {
  const Ctx& ctx;  // In the project that is asked about.
  const grpc::Request& request;
  const std::string& project() const { return ctx.project.text; }
};

class Registrar {
 public:
  explicit Registrar(RegistryApp with) : app(std::move(with)) {}

  // The caller in the project that a request names ("": its own), with the right on its features.
  Result<Ctx> enter(const Ctx& ctx, const grpc::Request& request, const std::string& project,
                    http::Right right) const;
  std::shared_ptr<const ::feast::core::Registry> registry(const std::string& project);
  // Of those that have features, and the caller's own.
  std::vector<std::string> projects(const Asked& asked) const;
  // The spans that were materialized, here and by Feast's client.
  Status add_spans(const std::string& project, const std::string& view,
                   ::feast::core::FeatureViewMeta* out) const;

  const RegistryApp app;
  sys::Mutex changing;  // Held from reading a definition to applying what becomes of it.

 private:
  struct Made {
    std::shared_ptr<const features::Shelf> of;
    std::shared_ptr<const ::feast::core::Registry> registry;
  };
  sys::Guarded<std::map<std::string, Made>> made_;
};
using RegistrarPtr = std::shared_ptr<Registrar>;

template <class In>
std::string project_named(const In& in) {
  if constexpr (requires {
                  { in.project() } -> std::convertible_to<std::string>;
                }) {
    return in.project();
  } else if constexpr (requires { in.project().spec(); }) {
    return in.project().spec().name();
  } else if constexpr (requires { in.name(); }) {
    return in.name();
  } else {
    return "";
  }
}

// A call of one message, one answer. `call`: Status(Registrar&, const Asked&, const In&, Out*).
template <class In, class Out, class Call>
grpc::Method registry_row(const RegistrarPtr& registrar, std::string_view name,
                          http::Permission permission, Call call) {
  grpc::Method row;
  row.name = concat({"feast.registry.RegistryServer/", name});
  row.permission = permission;
  row.permission.on = http::On::kCaller;  // The message names the project, so enter() judges.
  row.audit = permission.right == http::Right::kRead ? http::Audit::kNone : http::Audit::kEvent;
  row.message_bytes_max = kObjectBytesMax;
  row.summary = concat({"Feast's registry: ", name, "."});
  const auto answer = [registrar, call, right = permission.right](
                          const Ctx& ctx, const grpc::Request& request) -> Result<grpc::Reply> {
    In in;
    if (!in.ParseFromArray(request.message.data(), static_cast<int>(request.message.size())))
      return invalid("feast.message", "this is no message of that type");
    const Ctx there = TRY(registrar->enter(ctx, request, project_named(in), right));
    Out out;
    TRY(call(*registrar, Asked{there, request}, in, &out));
    return grpc::Reply{out.SerializeAsString()};
  };
  row.blocking = [answer](const Ctx& ctx, grpc::Request& request) {
    return with_detail(answer(ctx, request));
  };
  return row;
}

inline constexpr http::Permission kReads{http::Right::kRead, "feature", http::On::kCaller};
inline constexpr http::Permission kEdits{http::Right::kEdit, "feature", http::On::kCaller};

// "Entity x does not exist in project p", of Feast's class for that.
Error no_such(std::string_view reason, std::string_view what, const std::string& name,
              const std::string& project);

using Rows = std::vector<grpc::Method>;
void add_views(const RegistrarPtr& registrar, Rows* rows);         // registry_views.cc
void add_relations(const RegistrarPtr& registrar, Rows* rows);     // registry_lineage.cc
void add_changes(const RegistrarPtr& registrar, Rows* rows);       // registry_changes.cc
void add_view_changes(const RegistrarPtr& registrar, Rows* rows);  // registry_view_changes.cc
void add_kept(const RegistrarPtr& registrar, Rows* rows);          // registry_kept.cc

}  // namespace slip::wire::feast
