#include <inference/open_inference.pb.h>

#include "serving/serving.h"
#include "wire/oip/grpc_rows.h"
#include "wire/oip/oip.h"
#include "wire/oip/oip_grpc.h"
#include "wire/oip/repository.h"

// Configuration, statistics and the model repository over gRPC.
namespace slip::wire::oip {
namespace {

using grpc::Reply;
using grpc::Request;

// ---- statistics

void put(int64_t count, int64_t ns, inference::StatisticDuration* out) {
  out->set_count(static_cast<uint64_t>(count));
  out->set_ns(static_cast<uint64_t>(ns));
}

int64_t get(const std::atomic<int64_t>& value) { return value.load(std::memory_order_relaxed); }

void put_durations(const serving::ArmStats& s, inference::InferStatistics* out) {
  const int64_t ok = get(s.successes);
  put(ok, get(s.busy_ns), out->mutable_success());
  put(get(s.errors), get(s.failed_ns), out->mutable_fail());
  put(ok, get(s.queue_ns), out->mutable_queue());
  put(ok, get(s.input_ns), out->mutable_compute_input());
  put(ok, get(s.infer_ns), out->mutable_compute_infer());
  put(ok, get(s.output_ns), out->mutable_compute_output());
  put(get(s.cache_hits), get(s.cache_hit_ns), out->mutable_cache_hit());
  put(get(s.cache_misses), get(s.cache_miss_ns), out->mutable_cache_miss());
}

void put_arm(const serving::Route& route, const serving::Arm& arm,
             inference::ModelStatistics* out) {
  const serving::ArmStats& s = *arm.stats;
  out->set_name(route.name);
  out->set_version(std::to_string(arm.version));
  out->set_last_inference(static_cast<uint64_t>(get(s.last_ms)));
  out->set_inference_count(static_cast<uint64_t>(get(s.rows)));
  out->set_execution_count(static_cast<uint64_t>(get(s.executions)));
  put_durations(s, out->mutable_inference_stats());
  s.by_rows.with([&](const auto& sizes) {
    for (const auto& [rows, cost] : sizes) {
      auto& batch = *out->add_batch_stats();
      batch.set_batch_size(static_cast<uint64_t>(rows));
      put(cost.runs, cost.input_ns, batch.mutable_compute_input());
      put(cost.runs, cost.infer_ns, batch.mutable_compute_infer());
      put(cost.runs, cost.output_ns, batch.mutable_compute_output());
    }
  });
}

Result<Reply> statistics(const App& app, const Ctx& ctx, const Request& request) {
  const auto in = TRY(parsed<inference::ModelStatisticsRequest>(request));
  inference::ModelStatisticsResponse out;
  TRY(for_each_arm(app, ctx, in.name(), in.version(),
                   [&](const serving::Route& route, const serving::Arm& arm) {
                     put_arm(route, arm, out.add_model_stats());
                   }));
  return Reply{out.SerializeAsString()};
}

Result<Reply> config(const App& app, const Ctx& ctx, const Request& request) {
  const NamedModel model = TRY(read_named_model(request.message));
  const Target target = TRY(target_named(app, ctx, model));
  inference::ModelConfigResponse out;
  if (!out.mutable_config()->ParseFromString(TRY(config_of(target))->bytes()))
    return internal("repository.config", "a configuration can't be read back");
  out.mutable_config()->set_name(target.route->name);  // Where the model has another.
  return Reply{out.SerializeAsString()};
}

// ---- repository

Result<Reply> index(const App& app, const Ctx& ctx, const Request& request) {
  const auto in = TRY(parsed<inference::RepositoryIndexRequest>(request));
  inference::RepositoryIndexResponse out;
  for (IndexRow& row : TRY(index_of(app, ctx, in.ready()))) {
    auto& model = *out.add_models();
    model.set_name(std::move(row.name));
    model.set_version(std::move(row.version));
    model.set_state(std::move(row.state));
    model.set_reason(std::move(row.reason));
  }
  return Reply{out.SerializeAsString()};
}

// KServe's message has the model's name where Triton's has the repository's.
Result<std::string> repository_model(std::string_view message) {
  NamedModel named = TRY(read_named_model(message));
  return named.version.empty() ? std::move(named.name) : std::move(named.version);
}

Result<std::string> load_parameter(const std::string& name,
                                   const inference::ModelRepositoryParameter& value) {
  using inference::ModelRepositoryParameter;
  if (value.parameter_choice_case() == ModelRepositoryParameter::kStringParam)
    return value.string_param();
  if (value.parameter_choice_case() == ModelRepositoryParameter::kBytesParam)
    return value.bytes_param();
  return invalid("repository.parameter", concat({"parameter '", name, "' must be a text"}));
}

Result<Reply> load(const App& app, const Ctx& ctx, const Request& request) {
  const auto in = TRY(parsed<inference::RepositoryModelLoadRequest>(request));
  const std::string name = TRY(repository_model(request.message));
  serving::LocalModels::Parts parts;
  for (const auto& [key, value] : in.parameters())
    TRY(take_load_parameter(key, TRY(load_parameter(key, value)), &parts));
  TRY(load_model(app, ctx, name, parts));
  inference::RepositoryModelLoadResponse out;  // KServe's fields; Triton's clients skip them.
  out.set_model_name(name);
  out.set_is_loaded(true);
  return Reply{out.SerializeAsString()};
}

Result<Reply> unload(const App& app, const Ctx& ctx, const Request& request) {
  const auto in = TRY(parsed<inference::RepositoryModelUnloadRequest>(request));
  const std::string name = TRY(repository_model(request.message));
  bool dependents = false;
  for (const auto& [key, value] : in.parameters())
    if (key == "unload_dependents") dependents = value.bool_param();
  TRY(unload_model(app, ctx, name, dependents));
  inference::RepositoryModelUnloadResponse out;
  out.set_model_name(name);
  out.set_is_unloaded(true);
  return Reply{out.SerializeAsString()};
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
  r.message_bytes_max = kInferBodyBytesMax;
  r.permission.on = http::On::kObject;
  r.needs = [&app](const Ctx& ctx, const Request& request) -> Result<std::vector<http::Need>> {
    const std::string model = TRY(repository_model(request.message));
    return http::one_need(http::Right::kManage, "deployment", uid_to_control(app, ctx, model));
  };
  return blocking(app, std::move(r), answer);
}

}  // namespace

std::vector<grpc::Method> repository_methods(App& app) {
  using http::Right;
  std::vector<grpc::Method> shared;
  shared.push_back(blocking(
      app, grpc_row("RepositoryIndex", Right::kRead, "What is served and could be, and how."),
      index));
  shared.push_back(control(app, "RepositoryModelLoad", load, "Loads a model, or again."));
  shared.push_back(control(app, "RepositoryModelUnload", unload, "Unloads a model."));
  std::vector<grpc::Method> out;
  for (const grpc::Method& r : shared) {  // MLServer's name for the same calls.
    out.push_back(r);
    const std::string_view call = std::string_view(r.name).substr(r.name.rfind('/'));
    out.back().name = concat({"inference.model_repository.ModelRepositoryService", call});
  }
  for (grpc::Method& r : shared) out.push_back(std::move(r));
  out.push_back(
      blocking(app, grpc_row("ModelStatistics", Right::kRead, "What each served version has done."),
               statistics));
  grpc::Method of_model =
      grpc_row("ModelConfig", Right::kRead, "How a model is served, in Triton's words.");
  guard_by(app, model_named, &of_model);
  out.push_back(blocking(app, std::move(of_model), config));
  return out;
}

}  // namespace slip::wire::oip
