#include <algorithm>

#include "app/world.h"
#include "core/auth/directory.h"
#include "features/features.h"
#include "features/materialized.h"
#include "features/spool.h"
#include "grpc/reflection.h"
#include "wire/feast/flight.h"
#include "wire/feast/registry_service.h"
#include "wire/feast/serving.h"
#include "wire/oip/calls.h"
#include "wire/oip/oip_grpc.h"

namespace slip::app {

namespace {

// Runs that have ended. One that took what had arrived begins where the one before ended; what a
// new view is given to begin with is no run.
Result<wire::feast::RegistryApp::Spans> materialized(World& w, const std::string& project,
                                                     const std::string& view_uid) {
  wire::feast::RegistryApp::Spans out;
  const auto all = TRY(features::materializations(*w.db, project, view_uid));
  int64_t before_us = 0;
  for (const features::Materialization& m : all) {
    if (m.end_us == 0) continue;
    const int64_t until_us = std::min(m.until_us, m.end_us);
    const int64_t start_us = m.start_us == INT64_MIN ? std::min(before_us, until_us) : m.start_us;
    if (m.start_us != INT64_MIN || m.until_us != INT64_MAX) out.emplace_back(start_us, until_us);
    before_us = until_us;
  }
  return out;
}

std::string described(World& w, const Ctx& ctx) {
  const auto info = w.directory->project(ctx, ctx.project.text);
  return info.ok() ? info->description.value_or("") : "";
}

Status describe(World& w, const Ctx& ctx, const std::string& description) {
  const auth::ProjectInfo wanted{.name = ctx.project.text, .description = description};
  if (w.directory->project(ctx, ctx.project.text).ok())
    TRY(w.directory->describe_project(ctx, wanted));
  else
    TRY(w.directory->create_project(ctx, wanted));
  return {};
}

}  // namespace

std::vector<grpc::Method> all_methods(World& w) {
  std::vector<grpc::Method> out = wire::oip::methods(*w.oip);
  std::vector<grpc::Method> flights = wire::feast::flight_methods(
      {.features = *w.features,
       .files = *w.feature_files,
       .clock = w.sys.clock,
       .spool = [&w] { return features::make_spool(*w.blobs); },
       .enter =
           [&w](const Ctx& ctx, const grpc::Request& request, const std::string& project,
                http::Right right) {
             return wire::feast::enter_project(*w.gate, ctx, request, project, right);
           }});
  for (grpc::Method& row : flights) out.push_back(std::move(row));
  std::vector<grpc::Method> registry = wire::feast::registry_methods(
      {.features = *w.features,
       .kept = *w.kept_objects,
       .gate = *w.gate,
       .materialized =
           [&w](const std::string& project, const std::string& view_uid) {
             return materialized(w, project, view_uid);
           },
       .description = [&w](const Ctx& ctx) { return described(w, ctx); },
       .describe = [&w](const Ctx& ctx,
                        const std::string& description) { return describe(w, ctx, description); }});
  for (grpc::Method& row : registry) out.push_back(std::move(row));
  for (grpc::Method& row :
       wire::feast::serving_methods({*w.features, *w.function_pool, *w.redis_pool}))
    out.push_back(std::move(row));
  for (grpc::Method& row : w.health->methods()) out.push_back(std::move(row));
  for (grpc::Method& row : grpc::reflection_methods(out)) out.push_back(std::move(row));
  return out;
}

// The server as a whole is there as long as it answers; inference, once its models are.
std::optional<bool> takes_calls(const World& w, const std::string& service) {
  if (service.empty()) return true;
  if (service == "inference.GRPCInferenceService") return wire::oip::all_ready(*w.oip);
  const bool known = std::ranges::find(w.services, service) != w.services.end();
  return known ? std::optional<bool>(true) : std::nullopt;
}

}  // namespace slip::app
