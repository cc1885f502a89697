#include "wire/oip/calls.h"

#include <algorithm>
#include <cstdint>

#include "base/text.h"
#include "wire/oip/control.h"
#include "wire/oip/oip.h"
#include "wire/oip/outputs.h"

namespace slip::wire::oip {
namespace {

std::string quoted(const std::vector<std::string_view>& names) {
  std::string out = "[";
  for (const std::string_view name : names)
    out.append(out.size() > 1 ? ",'" : "'").append(name).append("'");
  return out + "]";
}

// Which inputs there are; what they hold is the model's to judge.
Status check_inputs(const Target& target, const std::vector<serving::Tensor>& inputs) {
  const serving::Signature& signature = target.arm->model->signature();
  for (const serving::Tensor& t : inputs)
    if (signature.input(t.name) == nullptr)
      return invalid("tensor.unknown_input",
                     concat({"unexpected inference input '", t.name, "' for model '",
                             target.route->name, "': it is not an input of the model"}));
  if (inputs.size() == signature.inputs.size()) return {};
  std::vector<std::string_view> got;
  std::vector<std::string_view> missing;
  for (const serving::Tensor& t : inputs) got.push_back(t.name);
  for (const serving::TensorSpec& spec : signature.inputs)
    if (std::find(got.begin(), got.end(), spec.name) == got.end()) missing.push_back(spec.name);
  return invalid("tensor.missing_input",
                 concat({"expected ", std::to_string(signature.inputs.size()), " inputs but got ",
                         std::to_string(inputs.size()), " inputs for model '", target.route->name,
                         "'. Got input(s) ", quoted(got), ", but missing required input(s) ",
                         quoted(missing), ". Please provide all required input(s)."}));
}

Status log_now(const App& app, const Target& target, Answered* answered) {
  if (answered->record.empty()) return {};
  const std::string_view record = answered->record;
  TRY(app.serving.log(std::span(&record, 1), target.route->log_ack));
  answered->record.clear();
  return {};
}

}  // namespace

Result<std::shared_ptr<const serving::Route>> find_route(const App& app, const Ctx& ctx,
                                                         std::string_view model) {
  auto route = app.serving.table().load()->hold(ctx.project.text, model);
  if (!route)
    return not_found("deployment.not_found",
                     concat({"Request for unknown model: '", model, "' is not found"}));
  return route;
}

Result<Target> find_target(const App& app, const Ctx& ctx, std::string_view model,
                           std::optional<std::string_view> version) {
  Target target;
  target.route = TRY(find_route(app, ctx, model));
  target.arm = &target.route->arms.front();
  if (!version) return target;
  target.version = parse_int(*version).value_or(-1);
  target.arm = target.route->arm_of(target.version);
  if (target.arm == nullptr)
    return not_found("model_version.not_served", concat({"Request for unknown model: '", model,
                                                         "' version ", *version, " is not found"}));
  return target;
}

bool all_ready(const App& app) {
  for (const auto& [key, route] : app.serving.table().load()->routes)
    for (const serving::Arm& arm : route->arms)
      if (arm.role == serving::Role::kStable && arm.model == nullptr) return false;
  return app.serving.local().ready();
}

Status for_each_served(const App& app, const Ctx& ctx,
                       const std::function<void(const serving::Route&)>& tell) {
  const std::shared_ptr<const serving::RoutingTable> table = app.serving.table().load();
  return app.serving.each_name(ctx, [&](const std::string& name) {
    if (const auto route = table->hold(ctx.project.text, name)) tell(*route);
  });
}

bool belongs_on_pool(const Target& target) {
  const auto dear = [](const serving::Arm& arm) {
    return arm.goes_to_batcher() || (arm.model && arm.model->signature().waits) ||
           arm.stats->cost_ns.load(std::memory_order_relaxed) > serving::kInlineCostNs;
  };
  return target.route->log_ack == serving::Ack::kDisk ||
         std::any_of(target.route->arms.begin(), target.route->arms.end(), dear);
}

Status check_client_ref(std::string_view client_ref) {
  if (client_ref.size() > serving::kClientRefBytesMax)
    return invalid("infer.client_ref", "the client's reference is too long");
  return {};
}

Result<Answered> run_infer(const App& app, const Ctx& ctx, const Target& target,
                           InferRequest request, std::string client_ref) {
  if (target.arm->model) TRY(check_inputs(target, request.inputs));
  serving::Serving::Ask ask;
  ask.inputs = std::move(request.inputs);
  ask.outputs = names_of(request.outputs);
  ask.client_ref = std::move(client_ref);
  if (ask.client_ref.empty() && request.id.size() <= serving::kClientRefBytesMax)
    ask.client_ref = request.id;
  ask.version = target.version;
  ask.priority = static_cast<int64_t>(std::min<uint64_t>(request.priority, INT32_MAX));
  ask.timeout_us = static_cast<int64_t>(std::min<uint64_t>(request.timeout_us, INT64_MAX / 1000));
  Result<serving::Serving::Unlogged> ran =
      target.may_wait ? app.serving.run_together(ctx, target.route, std::move(ask))
                      : app.serving.run(ctx, *target.route, ask);
  serving::Serving::Unlogged made = TRY(std::move(ran));
  Answered out;
  out.record = std::move(made.record);
  // What lies in shared memory is shown already.
  const bool placed = std::any_of(request.outputs.begin(), request.outputs.end(),
                                  [](const WantedOutput& o) { return o.place.has_value(); });
  if (placed) TRY(log_now(app, target, &out));
  out.prediction_id = made.prediction.id.text();
  out.version = std::to_string(made.prediction.model_version);
  out.id = request.id.empty() ? out.prediction_id : std::move(request.id);
  const serving::Arm* arm = target.route->arm_of(made.prediction.model_version);
  out.outputs = TRY(shape_outputs(std::move(made.prediction.outputs), request.outputs,
                                  request.binary_outputs, arm != nullptr ? *arm : *target.arm));
  return out;
}

Result<Answered> run_and_log(const App& app, const Ctx& ctx, const Target& target,
                             InferRequest request, std::string client_ref) {
  Target waiting = target;
  waiting.may_wait = true;
  Answered out = TRY(run_infer(app, ctx, waiting, std::move(request), std::move(client_ref)));
  TRY(log_now(app, target, &out));
  return out;
}

Status check_server_scope(const Ctx& ctx) {
  if (ctx.project.text == kDefaultProject) return {};
  return forbidden("oip.project", "this is of the server as a whole: ask in the project `default`");
}

const Regions* regions_for(const App& app, const Ctx& ctx) {
  return ctx.project.text == kDefaultProject ? &app.control->regions : nullptr;
}

Result<std::string> traced_model_named(const App& app, const Ctx& ctx, const std::string& model) {
  if (find_route(app, ctx, model).ok()) return model;
  return not_found("deployment.not_found", concat({"Request for unknown model : ", model}));
}

Error no_cuda(std::string_view region) {
  return unsupported(
      "shared_memory.cuda",
      concat({"failed to register CUDA shared memory region: '", region, "', GPUs not supported"}));
}

Error no_cuda_region(std::string_view region) {
  return invalid("shared_memory.unknown",
                 concat({"Unable to find cuda shared memory region: '", region, "'"}));
}

std::vector<std::string_view> extensions(const App& app) {
  std::vector<std::string_view> out = {"classification",
                                       "model_configuration",
                                       "model_repository",
                                       "model_repository(unload_dependents)",
                                       "binary_tensor_data",
                                       "parameters",
                                       "statistics",
                                       "logging",
                                       "generate"};
  if (app.client_shm) out.push_back("system_shared_memory");
  return out;
}

}  // namespace slip::wire::oip
