#include "wire/oip/calls.h"

#include "base/text.h"
#include "wire/oip/oip.h"

namespace slip::wire::oip {
namespace {

constexpr int64_t kListedAtOnce = 1000;

}  // namespace

Result<std::shared_ptr<const serving::Route>> find_route(const App& app, const Ctx& ctx,
                                                         std::string_view model) {
  auto route = app.serving.table().load()->hold(ctx.project.text, model);
  if (!route)
    return not_found("deployment.not_found", concat({"no model `", model, "` is served here"}));
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
    return not_found("model_version.not_served",
                     concat({"`", model, "` does not serve version `", *version, "`"}));
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
  std::string after;
  for (bool more = true; more;) {
    const auto page = TRY(app.serving.list(ctx, after, kListedAtOnce));
    for (const serving::Deployment& d : page)
      if (const auto route = table->hold(d.project, d.name)) tell(*route);
    more = static_cast<int64_t>(page.size()) == kListedAtOnce;
    if (more) after = page.back().name;
  }
  std::string before;
  for (const serving::LocalVersion& v : TRY(app.serving.local_index(ctx, true))) {
    if (v.model == before) continue;
    before = v.model;
    if (const auto route = table->hold(kDefaultProject, v.model)) tell(*route);
  }
  return {};
}

bool belongs_on_pool(const Target& target) {
  return target.route->log_ack == serving::Ack::kDisk ||
         target.arm->stats->cost_ns.load(std::memory_order_relaxed) > serving::kInlineCostNs;
}

Status check_client_ref(std::string_view client_ref) {
  if (client_ref.size() > serving::kClientRefBytesMax)
    return invalid("infer.client_ref", "the client's reference is too long");
  return {};
}

Result<serving::Serving::Unlogged> run_infer(const App& app, const Ctx& ctx, const Target& target,
                                             InferRequest request, std::string client_ref) {
  serving::Serving::Ask ask;
  ask.inputs = std::move(request.inputs);
  ask.outputs = std::move(request.outputs);
  ask.client_ref = client_ref.empty() ? std::move(request.id) : std::move(client_ref);
  ask.version = target.version;
  return app.serving.run(ctx, *target.route, ask);
}

}  // namespace slip::wire::oip
