#include <inference/open_inference.pb.h>

#include "serving/serving.h"
#include "wire/oip/grpc_rows.h"
#include "wire/oip/oip.h"
#include "wire/oip/oip_grpc.h"

namespace slip::wire::oip {
namespace {

using grpc::Reply;
using grpc::Request;

// ---- statistics

void put(int64_t count, int64_t ns, inference::StatisticDuration* out) {
  out->set_count(static_cast<uint64_t>(count));
  out->set_ns(static_cast<uint64_t>(ns));
}

void put_arm(const serving::Route& route, const serving::Arm& arm,
             inference::ModelStatistics* out) {
  const serving::ArmStats& stats = *arm.stats;
  const int64_t failed = stats.errors.load(std::memory_order_relaxed);
  const int64_t succeeded = stats.successes.load(std::memory_order_relaxed);
  const int64_t busy_ns = stats.busy_ns.load(std::memory_order_relaxed);
  out->set_name(route.name);
  out->set_version(std::to_string(arm.version));
  out->set_last_inference(static_cast<uint64_t>(stats.last_ms.load(std::memory_order_relaxed)));
  out->set_inference_count(static_cast<uint64_t>(stats.rows.load(std::memory_order_relaxed)));
  out->set_execution_count(static_cast<uint64_t>(succeeded));
  inference::InferStatistics& infer = *out->mutable_inference_stats();
  put(succeeded, busy_ns, infer.mutable_success());
  put(failed, stats.failed_ns.load(std::memory_order_relaxed), infer.mutable_fail());
  put(succeeded, busy_ns, infer.mutable_compute_infer());
}

Result<Reply> statistics(const App& app, const Ctx& ctx, const Request& request) {
  const auto in = TRY(parsed<inference::ModelStatisticsRequest>(request));
  inference::ModelStatisticsResponse out;
  TRY(for_each_served(app, ctx, [&](const serving::Route& route) {
    if (!in.name().empty() && in.name() != route.name) return;
    for (const serving::Arm& arm : route.arms)
      if (in.version().empty() || in.version() == std::to_string(arm.version))
        put_arm(route, arm, out.add_model_stats());
  }));
  if (out.model_stats_size() == 0 && !in.name().empty())
    return not_found("deployment.not_found",
                     concat({"no model `", in.name(), "` in this version is served here"}));
  return Reply{out.SerializeAsString()};
}

// ---- repository

Result<Reply> index(const App& app, const Ctx& ctx, const Request& request) {
  const auto in = TRY(parsed<inference::RepositoryIndexRequest>(request));
  inference::RepositoryIndexResponse out;
  TRY(for_each_served(app, ctx, [&](const serving::Route& route) {
    for (const serving::Arm& arm : route.arms) {
      const bool ready = arm.model != nullptr;
      if (in.ready() && !ready) continue;
      auto& model = *out.add_models();
      model.set_name(route.name);
      model.set_version(std::to_string(arm.version));
      model.set_state(ready ? "READY" : "UNAVAILABLE");
      if (!ready) model.set_reason(route.error);
    }
  }));
  return Reply{out.SerializeAsString()};
}

// KServe's message has the model's name where Triton's has the repository's.
Result<std::string> repository_model(std::string_view message) {
  NamedModel named = TRY(read_named_model(message));
  return named.version.empty() ? std::move(named.name) : std::move(named.version);
}

Result<Reply> load(const App& app, const Ctx& ctx, const Request& request) {
  const auto in = TRY(parsed<inference::RepositoryModelLoadRequest>(request));
  if (!in.parameters().empty())
    return unsupported("repository.parameters", "a model is loaded as the registry has it");
  const std::string name = TRY(repository_model(request.message));
  TRY(find_route(app, ctx, name));
  TRY(app.serving.refresh(ctx));
  const Target target = TRY(find_target(app, ctx, name, std::nullopt));
  if (!target.arm->model)
    return unavailable("deployment.not_ready",
                       concat({"`", name, "` does not load: ", target.route->error}));
  inference::RepositoryModelLoadResponse out;
  out.set_model_name(name);
  out.set_is_loaded(true);
  return Reply{out.SerializeAsString()};
}

Result<Reply> unload(const App& app, const Ctx& ctx, const Request& request) {
  const std::string name = TRY(repository_model(request.message));
  TRY(find_route(app, ctx, name));
  return Error(unsupported("repository.unload", concat({"`", name, "` is a deployment: it serves ",
                                                        "until it is removed"}))
                   .with_hint("DELETE /api/slipway/v1/deployments/NAME removes it"));
}

using Answer = Result<Reply> (*)(const App&, const Ctx&, const Request&);

grpc::Method blocking(App& app, grpc::Method r, Answer answer) {
  r.blocking = [&app, answer](const Ctx& ctx, Request& request) {
    return answer(app, ctx, request);
  };
  return r;
}

grpc::Method control(App& app, std::string_view name, Answer answer, std::string summary) {
  grpc::Method r = grpc_row(name, http::Right::kManage, std::move(summary));
  r.audit = http::Audit::kEvent;
  guard_by(app, repository_model, &r);
  return blocking(app, std::move(r), answer);
}

}  // namespace

std::vector<grpc::Method> repository_methods(App& app) {
  using http::Right;
  std::vector<grpc::Method> out;
  out.push_back(
      blocking(app, grpc_row("ModelStatistics", Right::kRead, "What each served version has done."),
               statistics));
  out.push_back(
      blocking(app, grpc_row("RepositoryIndex", Right::kRead, "What is served, and how."), index));
  out.push_back(control(app, "RepositoryModelLoad", load, "Tries again to load what is deployed."));
  out.push_back(control(app, "RepositoryModelUnload", unload, "Not offered: says why."));
  return out;
}

}  // namespace slip::wire::oip
