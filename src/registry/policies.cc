#include <utility>

#include "base/text.h"
#include "registry/governance.h"
#include "registry/policy_json.h"
#include "registry/registry_internal.h"
#include "registry/registry_store.h"
#include "registry/request_store.h"
#include "registry/timeline_store.h"
#include "sys/clock.h"

// A model's own stages, and what it takes to enter each.
namespace slip::registry {
namespace {

Status check_stage_name(std::string_view name) {
  const auto fits = [](char c, bool first) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool other = (c >= '0' && c <= '9') || c == '_' || c == '-' || c == ' ';
    return letter || (!first && other);
  };
  bool good = !name.empty() && name.size() <= kStageNameMax && name.back() != ' ';
  for (size_t i = 0; good && i < name.size(); ++i) good = fits(name[i], i == 0);
  if (!good)
    return invalid("stage.name",
                   concat({"'", name,
                           "' is no name of a stage: letters, digits, blanks, '-', '_', "
                           "a letter first, at most ",
                           std::to_string(kStageNameMax)}));
  if (builtin_stage(name))
    return exists("stage.exists", concat({"every model has the stage ", name}));
  return {};
}

}  // namespace

Policy unwritten_policy(const std::string& target) {
  Policy out;
  out.target = target;
  out.gate = false;
  out.rollback_plan = false;
  out.is_default = true;
  return out;
}

Result<std::vector<Stage>> Governance::stages(const Ctx& ctx, const std::string& name) {
  std::vector<Stage> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    const Model model = TRY(must_find_model(tx, ctx, name));
    out = {Stage::kNone, Stage::kStaging, Stage::kProduction, Stage::kArchived};
    for (std::string& own : TRY(sql::stages(tx, {ctx.project.text, model.uid})))
      out.push_back(Stage{std::move(own)});
    return {};
  }));
  return out;
}

Status Governance::declare_stage(const Ctx& ctx, const std::string& name,
                                 const std::string& stage) {
  TRY(check_stage_name(stage));
  return deps_.db.write([&](store::Tx& tx) -> Status {
    const Model model = TRY(must_find_model(tx, ctx, name));
    const sql::Of of{ctx.project.text, model.uid};
    const std::vector<std::string> all = TRY(sql::stages(tx, of));
    for (const std::string& one : all) {
      if (one == stage) return {};
      if (iequals(one, stage))
        return exists("stage.exists", concat({"the model has the stage ", one}));
    }
    if (all.size() >= kStagesMax)
      return exhausted("stage.limit",
                       "a model has at most " + std::to_string(kStagesMax) + " stages of its own");
    TRY(sql::put_stage(tx, of, stage, ctx.actor_uid, deps_.clock.now_ms()));
    ledger::Draft draft = model_event("stage.declared", model);
    draft.body = codec::Json::object({{"stage", stage}});
    return deps_.ledger.append(tx, ctx, draft);
  });
}

Status Governance::drop_stage(const Ctx& ctx, const std::string& name, const std::string& stage) {
  return deps_.db.write([&](store::Tx& tx) -> Status {
    const Model model = TRY(must_find_model(tx, ctx, name));
    const Stage own = TRY(stage_of(tx, ctx, model, stage));
    if (builtin_stage(own.name))
      return conflict("stage.in_use", concat({"every model has the stage ", own.name}));
    if (!TRY(sql::in_stage(tx, ctx.project.text, model.uid, own)).empty())
      return conflict("stage.in_use", concat({"a version holds ", own.name}));
    if (TRY(policy_for(tx, ctx, model, own.name)))
      return conflict("stage.in_use", concat({own.name, " has a policy: drop that first"}));
    for (const Request& r : TRY(sql::requests(tx, {ctx.project.text, model.uid}, 0, true)))
      if (r.target == own.name)
        return conflict("stage.in_use", concat({"a request for ", own.name, " is open"}));
    TRY(sql::drop_stage(tx, {ctx.project.text, model.uid}, own.name));
    ledger::Draft draft = model_event("stage.dropped", model);
    draft.body = codec::Json::object({{"stage", own.name}});
    return deps_.ledger.append(tx, ctx, draft);
  });
}

Result<std::vector<Policy>> Governance::policies(const Ctx& ctx, const std::string& name) {
  std::vector<Policy> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out.clear();
    const Model model = TRY(must_find_model(tx, ctx, name));
    bool production = false;
    for (const sql::PolicyRow& row : TRY(sql::policies(tx, {ctx.project.text, model.uid}))) {
      out.push_back(TRY(read_policy(TRY(codec::parse_json(row.body)), row.target)));
      production = production || row.target == Stage::kProduction.name;
    }
    if (production) return {};
    if (auto usual = TRY(policy_for(tx, ctx, model, Stage::kProduction.name)))
      out.push_back(std::move(*usual));
    return {};
  }));
  return out;
}

// Approvals were given under the policy as it was.
Status Governance::revisit(store::Tx& tx, const Ctx& ctx, const Model& model,
                           const std::string& target) {
  for (const Request& r : TRY(sql::requests(tx, {ctx.project.text, model.uid}, 0, true))) {
    if (r.target != target) continue;
    const auto version = TRY(sql::find_version(tx, ctx.project.text, model, r.version));
    if (version) TRY(registry_.void_stale(tx, ctx, {.model = model, .version = *version}));
  }
  return {};
}

Result<Policy> Governance::set_policy(const Ctx& ctx, const std::string& name,
                                      const Policy& wanted) {
  Policy out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    Model model = TRY(must_find_model(tx, ctx, name));
    const sql::Of of{ctx.project.text, model.uid};
    const std::string target = TRY(target_of(tx, ctx, model, wanted.target));
    if (target == "@" + std::string(kChampionAlias))
      return invalid("request.target", "champion follows Production: write a policy for that");
    if (target == Stage::kNone.name)
      return invalid("request.target", "None is no stage that a version could be kept from");
    out = TRY(read_policy(policy_json(wanted), target));  // Bounds hold for every caller.
    const std::string body = codec::to_json(policy_json(out));
    if (TRY(sql::policy(tx, of, target)) == body) return {};
    TRY(sql::put_policy(tx, of, {.target = target, .body = body},
                        {.actor = ctx.actor_uid, .now_ms = deps_.clock.now_ms()}));
    if (target == Stage::kProduction.name) TRY(registry_.protect(tx, ctx, &model));
    ledger::Draft draft = model_event("policy.set", model);
    draft.body = policy_json(out);
    TRY(deps_.ledger.append(tx, ctx, draft));
    return revisit(tx, ctx, model, target);
  }));
  return out;
}

Status Governance::drop_policy(const Ctx& ctx, const std::string& name,
                               const std::string& target_text) {
  return deps_.db.write([&](store::Tx& tx) -> Status {
    const Model model = TRY(must_find_model(tx, ctx, name));
    const sql::Of of{ctx.project.text, model.uid};
    const std::string target = TRY(target_of(tx, ctx, model, target_text));
    if (!TRY(sql::policy(tx, of, target))) return {};
    const int64_t now = deps_.clock.now_ms();
    TRY(sql::drop_policy(tx, of, target, now));
    if (model.is_protected && target == Stage::kProduction.name)  // The default one returns.
      TRY(sql::begin_policy(tx, of, {.target = target, .body = ""},
                            {.actor = ctx.actor_uid, .now_ms = now}));
    ledger::Draft draft = model_event("policy.dropped", model);
    draft.body = codec::Json::object({{"target", target}});
    TRY(deps_.ledger.append(tx, ctx, draft));
    return revisit(tx, ctx, model, target);
  });
}

}  // namespace slip::registry
