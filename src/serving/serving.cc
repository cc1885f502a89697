#include "serving/serving.h"

#include <algorithm>
#include <set>

#include "base/check.h"
#include "base/text.h"
#include "core/ledger/ledger.h"
#include "serving/batching.h"
#include "serving/loaded_internal.h"
#include "serving/serving_store.h"
#include "store/caller.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/rng.h"

namespace slip::serving {

namespace {

Error no_deployment(std::string_view name) {
  return not_found("deployment.not_found", concat({"no deployment `", name, "`"}));
}

Status check_name(std::string_view name) {
  const auto fine = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  if (name.empty() || name.size() > kNameBytesMax || !std::all_of(name.begin(), name.end(), fine))
    return invalid("deployment.name", "a deployment's name has 1 to 128 letters, digits, - _ .");
  return {};
}

bool running(const Deployment& d) { return d.canary && d.canary->state == "running"; }

ledger::Draft draft_of(const Deployment& d, std::string_view verb, const std::string& reason) {
  ledger::Draft draft;
  draft.verb = verb;
  draft.subject.kind = "deployment";
  draft.subject.uid = d.uid;
  draft.subject.name = d.name;
  draft.subject.version = std::to_string(d.stable_version);
  draft.reason = reason;
  draft.body = codec::Json::object({{"model", d.model}, {"stable_version", d.stable_version}});
  if (d.canary)
    draft.body.set("canary", codec::Json::object({{"version", d.canary->version},
                                                  {"weight", d.canary->weight},
                                                  {"state", d.canary->state}}));
  return draft;
}

bool follows(const Deployment& d) { return !parse_int(d.target); }

}  // namespace

Serving::Serving(Deps deps) : deps_(deps), table_(std::make_shared<RoutingTable>()) {}
Serving::~Serving() {
  sys::Lock lock(later_mutex_);
  while (later_ > 0) later_done_.wait(lock);
}

Result<Deployment> Serving::deploy(const Ctx& ctx, const DeploySpec& spec) {
  TRY(check_name(spec.name));
  if (ctx.project.text == kDefaultProject && deps_.local.knows(spec.name))
    return conflict("deployment.is_local",
                    concat({"`", spec.name, "` is a model of this server's own files"}));
  const int64_t version = TRY(deps_.source.resolve(ctx, spec.model, spec.target));
  const auto held = TRY(load(ctx, spec.model, version));  // Until the routing table holds it.
  Deployment out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    const std::optional<Deployment> before = TRY(sql::find(tx, ctx.project.text, spec.name));
    out = before.value_or(Deployment());
    out.model = spec.model;
    out.target = spec.target;
    out.log_ack = spec.log_ack;
    out.updated_ms = deps_.clock.now_ms();
    if (before) {
      const bool same = before->model == spec.model && before->target == spec.target &&
                        before->log_ack == spec.log_ack && before->stable_version == version;
      if (same) {
        out = *before;
        return {};
      }
      if (running(*before))
        return conflict("canary.running", "a canary runs on `" + spec.name + "`")
            .with_hint("promote it or roll it back first");
      if (out.stable_version != version) out.previous_version = out.stable_version;
      out.stable_version = version;
      ++out.revision;
      TRY(sql::update(tx, out));
      return deps_.ledger.append(tx, ctx, draft_of(out, "deployment.changed", ""));
    }
    out.project = ctx.project.text;
    out.name = spec.name;
    out.uid = new_uuid7(deps_.clock, deps_.rng).text();
    out.stable_version = version;
    out.created_ms = out.updated_ms;
    out.revision = 1;
    TRY(sql::insert(tx, out));
    TRY(store::make_owner(tx, ctx, "deployment", out.uid));
    return deps_.ledger.append(tx, ctx, draft_of(out, "deployment.created", ""));
  }));
  TRY(refresh(ctx));
  return out;
}

Status Serving::remove(const Ctx& ctx, const std::string& name) {
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    const std::optional<Deployment> d = TRY(sql::find(tx, ctx.project.text, name));
    if (!d) return no_deployment(name);
    TRY(sql::remove(tx, ctx.project.text, name));
    return deps_.ledger.append(tx, ctx, draft_of(*d, "deployment.removed", ""));
  }));
  return refresh(ctx);
}

Result<Deployment> Serving::change(const Ctx& ctx, const std::string& name, std::string_view verb,
                                   const std::string& reason,
                                   const std::function<Status(Deployment&)>& edit) {
  Deployment out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    const std::optional<Deployment> before = TRY(sql::find(tx, ctx.project.text, name));
    if (!before) return no_deployment(name);
    out = *before;
    out.revision = before->revision + 1;
    out.updated_ms = deps_.clock.now_ms();
    TRY(edit(out));
    if (out.revision == before->revision) return {};  // The edit found nothing to do.
    TRY(sql::update(tx, out));
    return deps_.ledger.append(tx, ctx, draft_of(out, verb, reason));
  }));
  TRY(refresh(ctx));
  return out;
}

Result<Deployment> Serving::start_canary(const Ctx& ctx, const std::string& name,
                                         const CanarySpec& spec) {
  if (!(spec.weight > 0 && spec.weight < 1))
    return invalid("canary.weight", "the canary's weight lies between 0 and 1");
  if (!(spec.alpha >= 0 && spec.alpha < 1))
    return invalid("canary.alpha", "alpha lies between 0 and 1");
  const Deployment now = TRY(find(ctx, name));
  TRY(deps_.source.resolve(ctx, now.model, std::to_string(spec.version)));
  const auto held = TRY(load(ctx, now.model, spec.version));
  return change(ctx, name, "canary.started", "", [&](Deployment& d) -> Status {
    if (d.stable_version == spec.version)
      return conflict("canary.is_stable", "that version already serves all of the traffic");
    if (running(d)) {
      if (d.canary->version != spec.version || d.canary->weight != spec.weight)
        return conflict("canary.running", "another canary runs on `" + name + "`");
      --d.revision;
      return {};
    }
    Canary c;
    c.version = spec.version;
    c.weight = spec.weight;
    c.state = "running";
    c.alpha = spec.alpha;
    c.started_ms = d.updated_ms;
    d.canary = std::move(c);
    return {};
  });
}

Result<Deployment> Serving::promote_canary(const Ctx& ctx, const std::string& name) {
  return change(ctx, name, "canary.promoted", "", [&](Deployment& d) -> Status {
    if (d.canary && d.canary->state == "promoted" && d.canary->version == d.stable_version) {
      --d.revision;
      return {};
    }
    if (!running(d)) return conflict("canary.none", "no canary runs on `" + name + "`");
    d.previous_version = d.stable_version;
    d.stable_version = d.canary->version;
    // The operator has decided by hand: what was followed would undo it.
    d.target = std::to_string(d.stable_version);
    d.canary->state = "promoted";
    d.canary->ended_ms = d.updated_ms;
    return {};
  });
}

Result<Deployment> Serving::roll_back(const Ctx& ctx, const std::string& name,
                                      const std::string& reason) {
  return change(ctx, name, "deployment.rolled_back", reason, [&](Deployment& d) -> Status {
    if (running(d)) {
      d.canary->state = "rolled_back";
      d.canary->ended_ms = d.updated_ms;
      d.canary->verdict = codec::Json::object({{"decision", "rollback"}, {"reason", reason}});
      return {};
    }
    if (d.previous_version == 0)
      return conflict("deployment.no_previous", "`" + name + "` has served no other version");
    std::swap(d.stable_version, d.previous_version);
    d.target = std::to_string(d.stable_version);
    return {};
  });
}

Result<bool> Serving::roll_back_canary(store::Tx& tx, const Ctx& ctx, const std::string& uid,
                                       int64_t version, const codec::Json& verdict) {
  std::optional<Deployment> d = TRY(sql::find_uid(tx, uid));
  if (!d || !running(*d) || d->canary->version != version) return false;
  d->updated_ms = deps_.clock.now_ms();
  d->canary->state = "rolled_back";
  d->canary->ended_ms = d->updated_ms;
  d->canary->verdict = verdict;
  ++d->revision;
  TRY(sql::update(tx, *d));
  ledger::Draft draft = draft_of(*d, "canary.rolled_back", "");
  draft.decision = "rollback";
  draft.body.set("verdict", verdict);
  TRY(deps_.ledger.append(tx, ctx, draft));
  return true;
}

Result<std::optional<Canary>> Serving::running_canary(store::Tx& tx, const std::string& uid) {
  std::optional<Deployment> d = TRY(sql::find_uid(tx, uid));
  if (!d || !running(*d)) return std::optional<Canary>();
  return std::move(d->canary);
}

Result<std::vector<Deployment>> Serving::list(const Ctx& ctx, std::string_view after,
                                              int64_t limit) {
  std::vector<Deployment> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(sql::list(tx, ctx, after, limit));
    return {};
  }));
  return out;
}

Status Serving::each_name(const Ctx& ctx, const std::function<void(const std::string&)>& tell) {
  constexpr int64_t kAtOnce = 1000;
  std::string after;
  for (bool more = true; more;) {
    const std::vector<Deployment> page = TRY(list(ctx, after, kAtOnce));
    for (const Deployment& d : page) tell(d.name);
    more = static_cast<int64_t>(page.size()) == kAtOnce;
    if (more) after = page.back().name;
  }
  std::string before;
  for (const LocalVersion& v : TRY(local_index(ctx, true))) {
    if (v.model != before) tell(v.model);
    before = v.model;
  }
  return {};
}

Result<Deployment> Serving::find(const Ctx& ctx, const std::string& name) {
  std::optional<Deployment> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(sql::find(tx, ctx.project.text, name));
    return {};
  }));
  if (!out) return no_deployment(name);
  return *std::move(out);
}

Result<std::map<std::string, std::string>> ModelSource::parameters(const Ctx&, const std::string&,
                                                                   int64_t) {
  return std::map<std::string, std::string>();
}

// Which version, and how it is to be served.
Result<std::string> Serving::load_key(const Ctx& ctx, const std::string& model, int64_t version,
                                      ModelConfig* config) {
  std::string key = concat({routing_key(ctx.project.text, model), "/", std::to_string(version)});
  for (auto& [name, value] : TRY(deps_.source.parameters(ctx, model, version))) {
    key += concat({std::string_view("\0", 1), name, "=", value});
    config->set_parameter(name, std::move(value));
  }
  return key;
}

// Whether the version's parameters are no longer those that it was loaded with.
bool Serving::is_outdated(const Ctx& ctx, const Route& route) {
  Ctx own = ctx;
  own.project.text = route.project;
  for (const Arm& arm : route.arms) {
    ModelConfig config;
    const Result<std::string> key = load_key(own, route.model, arm.version, &config);
    if (key.ok() && *key != arm.loaded_as) return true;
  }
  return false;
}

Result<std::shared_ptr<const LoadedModel>> Serving::load(const Ctx& ctx, const std::string& model,
                                                         int64_t version) {
  ModelConfig config;
  const std::string key = TRY(load_key(ctx, model, version, &config));
  std::shared_ptr<const LoadedModel> known =
      loaded_.with([&](auto& models) { return models[key].lock(); });
  if (known) return known;
  const ModelSource::Files files = TRY(deps_.source.fetch(ctx, model, version));
  const std::shared_ptr<LoadedModel> fresh =
      TRY(load_configured({deps_.budget, deps_.clock, {}, deps_.lookups, ctx.project.text}, model,
                          files.bytes, std::move(config)));
  fresh->key = key;
  loaded_.with([&](auto& models) {
    std::erase_if(models, [](const auto& entry) { return entry.second.expired(); });
    models[key] = fresh;
  });
  deps_.notes.info("model loaded",
                   {{"model", model}, {"version", version}, {"cost_us", fresh->cost_ns / 1000}});
  return fresh;
}

// Moves the stable version of every deployment that follows an alias or a stage.
Status Serving::follow_targets(const Ctx& ctx) {
  std::vector<Deployment> all;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    all = TRY(sql::list_all(tx, store::kWriteRowsMax));
    return {};
  }));
  for (const Deployment& d : all) {
    if (!follows(d)) continue;
    Ctx own = ctx;
    own.project.text = d.project;
    const Result<int64_t> wanted = deps_.source.resolve(own, d.model, d.target);
    if (!wanted.ok() || *wanted == d.stable_version) continue;
    if (const auto loaded = load(own, d.model, *wanted); !loaded.ok()) {
      deps_.notes.warn(
          "cannot follow",
          {{"deployment", d.name}, {"target", d.target}, {"error", loaded.error().text}});
      continue;
    }
    TRY(deps_.db.write([&](store::Tx& tx) -> Status {
      std::optional<Deployment> now = TRY(sql::find(tx, d.project, d.name));
      if (!now || now->revision != d.revision) return {};  // Somebody else moved it.
      now->previous_version = now->stable_version;
      now->stable_version = *wanted;
      now->updated_ms = deps_.clock.now_ms();
      if (running(*now) && now->canary->version == *wanted) {
        now->canary->state = "promoted";
        now->canary->ended_ms = now->updated_ms;
      }
      ++now->revision;
      TRY(sql::update(tx, *now));
      return deps_.ledger.append(tx, own, draft_of(*now, "deployment.followed", d.target));
    }));
  }
  return {};
}

Result<std::shared_ptr<const Route>> Serving::build_route(const Ctx& ctx, const Deployment& d) {
  const std::shared_ptr<const RoutingTable> now = table_.load();
  const std::shared_ptr<const Route> before = now->hold(d.project, d.name);
  auto route = std::make_shared<Route>();
  route->project = d.project;
  route->name = d.name;
  route->uid = d.uid;
  route->model = d.model;
  route->log_ack = d.log_ack;
  route->revision = d.revision;
  Ctx own = ctx;
  own.project.text = d.project;
  const double canary_weight = running(d) ? d.canary->weight : 0;
  const auto add_arm = [&](Role role, int64_t version, double weight) {
    Arm arm;
    arm.role = role;
    arm.version = version;
    arm.weight = weight;
    const Arm* old = before && before->uid == d.uid ? before->arm_of(version) : nullptr;
    arm.stats = old != nullptr ? old->stats : std::make_shared<ArmStats>();
    Result<std::shared_ptr<const LoadedModel>> loaded = load(own, d.model, version);
    if (loaded.ok()) {
      if (arm.stats->cost_ns.load() == 0) arm.stats->cost_ns.store((*loaded)->cost_ns);
      arm.model = std::shared_ptr<const Model>(*loaded, (*loaded)->model.get());
      arm.config = (*loaded)->config;
      arm.loaded_as = (*loaded)->key;
      if (deps_.batching != nullptr) arm.batcher = deps_.batching->batcher_for(arm, old);
    } else {
      route->error = loaded.error().text;
      if (old != nullptr && old->model) {  // What serves isn't replaced by what doesn't load.
        const double share = std::exchange(arm, *old).weight;
        arm.role = role;
        arm.weight = share;
      }
      deps_.notes.error(
          "cannot load",
          {{"deployment", d.name}, {"version", version}, {"error", loaded.error().text}});
    }
    route->arms.push_back(std::move(arm));
  };
  add_arm(Role::kStable, d.stable_version, 1 - canary_weight);
  if (canary_weight > 0) {
    add_arm(Role::kCanary, d.canary->version, canary_weight);
    route->draw_seed = draw_seed_of(d.project, d.name, d.canary->version);
  }
  return std::shared_ptr<const Route>(route);
}

Status Serving::refresh(const Ctx& ctx) {
  const sys::Lock lock(refreshing_);
  TRY(follow_targets(ctx));
  std::vector<Deployment> all;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    all = TRY(sql::list_all(tx, store::kWriteRowsMax));
    return {};
  }));
  const std::shared_ptr<const RoutingTable> before = table_.load();
  auto next = std::make_shared<RoutingTable>();
  const std::vector<std::shared_ptr<const Route>> local = deps_.local.routes();
  bool changed = before->routes.size() != all.size() + local.size();
  for (const Deployment& d : all) {
    std::shared_ptr<const Route> route = before->hold(d.project, d.name);
    if (!route || route->revision != d.revision || route->uid != d.uid || !route->error.empty() ||
        is_outdated(ctx, *route)) {
      route = TRY(build_route(ctx, d));
      changed = true;
    }
    next->routes[routing_key(d.project, d.name)] = std::move(route);
  }
  // load_local() and deploy() keep the names apart; where both came at once, the row wins.
  for (const std::shared_ptr<const Route>& route : local) {
    changed = changed || before->find(route->project, route->name) != route.get();
    next->routes.emplace(routing_key(route->project, route->name), route);
  }
  if (changed) table_.publish(next);
  return {};
}

Status Serving::load_local(const Ctx& ctx, const std::string& name,
                           const LocalModels::Parts& parts) {
  Ctx own = ctx;
  own.project.text = kDefaultProject;
  const Result<Deployment> taken = find(own, name);
  if (taken.ok())
    return conflict("local_model.is_deployment", concat({"`", name, "` is a deployment"}));
  if (taken.error().code != Code::kNotFound) return taken.error();
  TRY(deps_.local.load(name, parts));
  return refresh(ctx);
}

Status Serving::unload_local(const Ctx& ctx, const std::string& name, bool dependents) {
  TRY(deps_.local.unload(name, dependents));
  return refresh(ctx);
}

Result<std::vector<LocalVersion>> Serving::local_index(const Ctx& ctx, bool ready) {
  std::vector<LocalVersion> all;
  if (ctx.project.text != kDefaultProject || !deps_.local.any()) return all;
  all = deps_.local.index(ready);
  if (!ctx.caller || all.empty()) return all;
  std::vector<std::string> uids;
  for (const LocalVersion& v : all) uids.push_back(local_uid(v.model));
  std::set<std::string> readable;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    readable = TRY(sql::readable(tx, ctx, uids));
    return {};
  }));
  std::erase_if(all, [&](const LocalVersion& v) { return !readable.contains(local_uid(v.model)); });
  return all;
}

}  // namespace slip::serving
