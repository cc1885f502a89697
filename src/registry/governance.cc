#include "registry/governance.h"

#include <algorithm>
#include <utility>

#include "base/bug.h"
#include "base/text.h"
#include "registry/policy_json.h"
#include "registry/promotion.h"
#include "registry/registry_internal.h"
#include "registry/registry_store.h"
#include "registry/request_store.h"
#include "registry/timeline_store.h"
#include "sys/clock.h"

// Stages, promotion, rollback: how versions move. What an outside source knows (authors, digests)
// is read before the transaction; what the decision rests on is read again inside it.
namespace slip::registry {
namespace {

constexpr std::string_view kPromoted = "model_version.promoted";
constexpr std::string_view kRolledBack = "model_version.rolled_back";

sql::Of of(const Ctx& ctx, const Model& model) { return {ctx.project.text, model.uid}; }

bool is_alias(std::string_view target) { return target.starts_with('@'); }

int64_t first_or_zero(const std::vector<int64_t>& list) { return list.empty() ? 0 : list.front(); }

// The newest tenure in which the version held the stage; 0: it never did.
int64_t tenure_of(const std::vector<Tenure>& all, int64_t version, const Stage& stage) {
  int64_t n = 0;
  for (const Tenure& t : all)
    if (t.version == version && t.stage == stage) n = t.n;
  return n;
}

}  // namespace

Status check_comment(std::string_view what, std::string_view text) {
  if (text.size() <= kCommentMax && is_utf8(text)) return {};
  return invalid(concat({what, ".comment"}), "A comment or reason is UTF-8 of at most " +
                                                 std::to_string(kCommentMax) + " bytes");
}

Result<Stage> stage_of(store::Tx& tx, const Ctx& ctx, const Model& model, std::string_view text) {
  if (auto builtin = builtin_stage(text)) return std::move(*builtin);
  std::string known = "None, Staging, Production, Archived";
  for (const std::string& name : TRY(sql::stages(tx, of(ctx, model)))) {
    if (iequals(name, text)) return Stage{name};
    known += ", " + name;
  }
  return invalid("stage.unknown", concat({"Invalid Model Version stage: ", text,
                                          ". Value must be one of ", known, "."}));
}

Result<std::string> target_of(store::Tx& tx, const Ctx& ctx, const Model& model,
                              std::string_view text) {
  if (!is_alias(text)) return TRY(stage_of(tx, ctx, model, text)).name;
  const bool champion = model.is_protected && text.substr(1) == kChampionAlias;
  if (text.size() == 1 || text.size() > kAliasMax || champion)
    return invalid("request.target",
                   concat({"'", text, "' is no alias to ask for",
                           champion ? ": it follows Production, ask for that" : ""}));
  return std::string(text);
}

Result<std::optional<Policy>> policy_for(store::Tx& tx, const Ctx& ctx, const Model& model,
                                         const std::string& target) {
  if (const auto body = TRY(sql::policy(tx, of(ctx, model), target)))
    return std::optional(TRY(read_policy(TRY(codec::parse_json(*body)), target)));
  std::optional<Policy> out;
  if (model.is_protected && target == Stage::kProduction.name) {
    out.emplace();
    out->target = target;
    out->is_default = true;
  }
  return out;
}

Status may_go(store::Tx& tx, const Ctx& ctx, const Model& model, const Version& version) {
  std::vector<std::string> held = {version.stage.name};
  for (const std::string& alias : version.aliases) held.push_back("@" + alias);
  for (const std::string& target : held)
    if (TRY(policy_for(tx, ctx, model, target)))
      return forbidden("model.protected",
                       concat({"Model ", model.name, " is protected and version ",
                               std::to_string(version.number), " holds ", target}));
  return {};
}

Result<std::vector<std::string>> Registry::authors_of(const Ctx& ctx, const Version& version) {
  std::vector<std::string> out = TRY(deps_.origins.authors(ctx, version));
  out.push_back(version.author);
  return out;
}

Result<std::string> Registry::digest_of(const Ctx& ctx, const Version& version) {
  if (!version.digest.empty()) return version.digest;
  return deps_.origins.digest(ctx, version.location);
}

Status Registry::protect(store::Tx& tx, const Ctx& ctx, Model* model) {
  if (model->is_protected) return {};
  model->is_protected = true;
  TRY(sql::update_model(tx, ctx.project.text, *model));
  const std::string& target = Stage::kProduction.name;
  if (TRY(sql::policy(tx, of(ctx, *model), target))) return {};
  return sql::begin_policy(tx, of(ctx, *model), {.target = target, .body = ""},
                           {.actor = ctx.actor_uid, .now_ms = deps_.clock.now_ms()});
}

Status Registry::move_stage(store::Tx& tx, const Ctx& ctx, Found* found, const Stage& stage,
                            const Move& move) {
  const std::string& project = ctx.project.text;
  const int64_t now = move.at_ms != 0 ? move.at_ms : deps_.clock.now_ms();
  Version& v = found->version;
  if (move.archive_existing)
    for (const int64_t other : TRY(sql::in_stage(tx, project, found->model.uid, stage))) {
      if (other == v.number) continue;
      Found replaced = *found;
      auto version = TRY(sql::find_version(tx, project, found->model, other));
      CHECK(version);  // Listed by this very transaction.
      replaced.version = std::move(*version);
      TRY(move_stage(tx, ctx, &replaced, Stage::kArchived, {.at_ms = now}));
    }
  const Stage before = v.stage;
  v.stage = stage;
  v.updated_ms = now;
  TRY(sql::update_version(tx, project, found->model.uid, v));
  found->model.updated_ms = now;
  TRY(sql::update_model(tx, project, found->model));
  if (before == stage) return {};
  TRY(sql::end_tenures(tx, project, found->model.uid, v.number, now));
  if (stage != Stage::kNone) {
    Tenure tenure{.n = 0,
                  .stage = stage,
                  .version = v.number,
                  .from_ms = now,
                  .to_ms = {},
                  .actor = ctx.actor_uid,
                  .reason = move.reason,
                  .back_n = move.back_n};
    TRY(sql::begin_tenure(tx, project, found->model.uid, &tenure));
  }
  ledger::Draft draft = version_event("stage.transitioned", v);
  draft.reason = move.reason;
  draft.body = codec::Json::object({{"from", before.name}, {"to", stage.name}});
  return deps_.ledger.append(tx, ctx, draft);
}

Status Registry::take_stage(store::Tx& tx, const Ctx& ctx, Found* found, const Stage& stage,
                            const Move& move) {
  const std::string& project = ctx.project.text;
  std::string before_digest;
  int64_t before = 0;
  for (const int64_t other : TRY(sql::in_stage(tx, project, found->model.uid, stage))) {
    if (other == found->version.number || before != 0) continue;
    before = other;
    const auto holder = TRY(sql::find_version(tx, project, found->model, other));
    if (holder) before_digest = holder->digest;
  }
  Move own = move;
  if (planted(Bug::kTwoHolders)) own.archive_existing = false;
  TRY(move_stage(tx, ctx, found, stage, own));
  if (stage == Stage::kProduction)
    TRY(sql::put_alias(tx, project, found->model.uid,
                       {std::string(kChampionAlias), found->version.number},
                       {ctx.actor_uid, found->version.updated_ms, move.reason}));
  ledger::Draft draft = version_event(move.verb, found->version);
  draft.before_digest = before_digest;
  draft.after_digest = found->version.digest;
  draft.reason = move.reason;
  draft.decision = move.verb == kPromoted ? "allow" : "rollback";
  draft.body = codec::Json::object({{"stage", stage.name}});
  if (before > 0) draft.body.set("replaced_version", before);
  TRY(deps_.ledger.append(tx, ctx, draft));
  found->model = TRY(must_find_model(tx, ctx, found->model.name));
  found->version = *TRY(sql::find_version(tx, project, found->model, found->version.number));
  return {};
}

Result<Registry::Weighed> Registry::weigh(store::Tx& tx, const Ctx& ctx, const Found& found,
                                          const Policy& policy, std::vector<std::string> authors) {
  const sql::Of whose = of(ctx, found.model);
  Weighed out;
  out.version = found.version;
  out.policy = policy;
  out.authors = std::move(authors);
  out.now_ms = deps_.clock.now_ms();
  out.champion =
      first_or_zero(TRY(sql::in_stage(tx, whose.project, whose.model_uid, Stage::kProduction)));
  out.request = TRY(sql::open_request(tx, whose, found.version.number, policy.target));
  out.waivers = TRY(sql::waivers(tx, whose, found.version.number));
  for (Review& review : TRY(sql::reviews(tx, whose, found.version.number))) {
    if (review.digest != found.version.digest) continue;
    out.review = std::move(review);
    break;
  }
  if (!out.request || !out.request->plan || !policy.rollback_plan) return out;
  // Whether it loads is known from its last check; whether it is still there is seen now.
  RollbackPlan& plan = *out.request->plan;
  const auto refuse = [&](std::string why) {
    plan.valid = false;
    plan.detail = std::move(why);
  };
  if (plan.version == 0) {
    for (const int64_t other :
         TRY(sql::in_stage(tx, whose.project, whose.model_uid, Stage{policy.target})))
      if (other != found.version.number)
        refuse(concat({"version ", std::to_string(other), " holds the stage now: name it"}));
    return out;
  }
  const auto target = TRY(sql::find_version(tx, whose.project, found.model, plan.version));
  if (!target)
    refuse(concat({"version ", std::to_string(plan.version), " is gone"}));
  else if (!target->digest.empty() && target->digest != plan.digest)
    refuse(concat({"version ", std::to_string(plan.version), " has other files now"}));
  return out;
}

Status Registry::enter(store::Tx& tx, const Ctx& ctx, Found* found, Weighed weighed,
                       const Target& target) {
  TRY(may_promote(weighed.candidate()));
  const std::string& project = ctx.project.text;
  if (is_alias(target.name)) {
    const std::string alias = target.name.substr(1);
    TRY(sql::put_alias(tx, project, found->model.uid, {alias, found->version.number},
                       {ctx.actor_uid, weighed.now_ms, target.reason}));
    ledger::Draft draft = version_event("model_alias.set", found->version);
    draft.body = codec::Json::object({{"alias", alias}});
    TRY(deps_.ledger.append(tx, ctx, draft));
  } else {
    const Stage stage{target.name};
    const int64_t open_n = TRY(sql::open_tenure(tx, project, found->model.uid, stage));
    Move move{.verb = kPromoted,
              .reason = target.reason,
              .back_n = open_n,
              .archive_existing = target.archive_existing || weighed.policy.rollback_plan};
    if (weighed.policy.rollback_plan && weighed.request && weighed.request->plan &&
        weighed.request->plan->version > 0)
      move.back_n = tenure_of(TRY(sql::tenures(tx, project, found->model.uid)),
                              weighed.request->plan->version, stage);
    TRY(take_stage(tx, ctx, found, stage, move));
  }
  if (!weighed.request) return {};
  Request& request = *weighed.request;
  request.state = RequestState::kApplied;
  request.updated_ms = weighed.now_ms;
  request.closed_by = ctx.actor_uid;
  TRY(sql::update_request(tx, project, request));
  ledger::Draft draft = version_event("approval.applied", found->version);
  draft.decision = "allow";
  draft.body = codec::Json::object({{"request", request.uid}, {"target", target.name}});
  return deps_.ledger.append(tx, ctx, draft);
}

Result<Version> Registry::promote_to(const Ctx& ctx, const std::string& name, int64_t number,
                                     const Target& target) {
  TRY(check_comment("promotion", target.reason));
  const Version seen = TRY(get_version(ctx, name, number));
  const std::vector<std::string> authors = TRY(authors_of(ctx, seen));
  if (planted(Bug::kEventWithoutFact))
    TRY(deps_.db.write([&](store::Tx& tx) {
      return deps_.ledger.append(tx, ctx, version_event(kPromoted, seen));
    }));
  Version out;
  TRY(change_version(ctx, name, number, [&](store::Tx& tx, Found& found) -> Status {
    Target own = target;
    own.name = TRY(target_of(tx, ctx, found.model, target.name));
    std::optional<Policy> policy = TRY(policy_for(tx, ctx, found.model, own.name));
    out = found.version;
    if (!policy) {  // Nobody has judged any version yet: that is what is missing.
      policy.emplace();
      policy->target = own.name;
    }
    if (is_alias(own.name)) {
      const std::string_view alias = std::string_view(own.name).substr(1);
      for (const Alias& a : found.model.aliases)
        if (a.alias == alias && a.version == number) return {};
    } else {
      const auto holders =
          TRY(sql::in_stage(tx, ctx.project.text, found.model.uid, Stage{own.name}));
      const bool alone = holders.size() == 1 && holders.front() == number;
      if (alone || (found.version.stage.name == own.name && !policy->rollback_plan)) return {};
    }
    TRY(enter(tx, ctx, &found, TRY(weigh(tx, ctx, found, *policy, authors)), own));
    out = found.version;
    return {};
  }));
  return out;
}

Result<Version> Registry::promote(const Ctx& ctx, const std::string& name, int64_t number,
                                  const std::string& reason) {
  return promote_to(ctx, name, number,
                    {.name = Stage::kProduction.name, .reason = reason, .archive_existing = false});
}

Result<Version> Registry::rollback(const Ctx& ctx, const std::string& name,
                                   const std::string& reason, int64_t from,
                                   const std::string& stage_text) {
  TRY(check_comment("rollback", reason));
  Version out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    const Model model = TRY(must_find_model(tx, ctx, name));
    const Stage stage = TRY(stage_of(tx, ctx, model, stage_text));
    const std::vector<Tenure> all = TRY(sql::tenures(tx, ctx.project.text, model.uid));
    const Tenure* current = nullptr;
    const Tenure* ended = nullptr;  // The stage's tenure before the current one.
    for (const Tenure& t : all) {
      if (t.stage != stage) continue;
      if (current) ended = current;
      current = &t;
    }
    if (!current || current->to_ms)
      return conflict("model_version.no_previous", concat({"no version holds ", stage.name}));
    if (from != 0 && current->version != from) {
      if (ended && ended->version == from) {  // Done already; the reply got lost.
        out = TRY(must_find(tx, ctx, name, current->version)).version;
        return {};
      }
      return conflict("model_version.not_live",
                      concat({"version ", std::to_string(from), " does not hold ", stage.name}));
    }
    std::vector<int64_t> living;
    for (const Version& v : TRY(sql::list_versions(tx, ctx.project.text, model)))
      living.push_back(v.number);
    const Tenure* target = rollback_target(all, *current, living);
    if (!target)
      return conflict("model_version.no_previous",
                      concat({"no earlier version held ", stage.name, ", or it is gone"}));
    Found found = TRY(must_find(tx, ctx, name, target->version));
    TRY(take_stage(tx, ctx, &found, stage,
                   {.verb = kRolledBack,
                    .reason = reason,
                    .back_n = target->back_n,
                    .archive_existing = true}));
    out = found.version;
    return {};
  }));
  return out;
}

Result<std::vector<Tenure>> Registry::history(const Ctx& ctx, const std::string& name,
                                              std::optional<int64_t> at_ms) {
  std::vector<Tenure> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    const Model model = TRY(must_find_model(tx, ctx, name));
    out = TRY(sql::tenures(tx, ctx.project.text, model.uid));
    return {};
  }));
  if (at_ms)
    std::erase_if(out, [&](const Tenure& t) {
      return t.from_ms > *at_ms || (t.to_ms && *t.to_ms <= *at_ms);
    });
  return out;
}

Status Registry::void_stale(store::Tx& tx, const Ctx& ctx, const Found& found) {
  const sql::Of whose = of(ctx, found.model);
  for (const Request& request : TRY(sql::requests(tx, whose, found.version.number, true))) {
    std::optional<Policy> policy = TRY(policy_for(tx, ctx, found.model, request.target));
    if (!policy) policy = unwritten_policy(request.target);
    const Weighed weighed = TRY(weigh(tx, ctx, found, *policy, {}));
    const int64_t voided = TRY(sql::void_approvals(
        tx, whose.project, request.uid, binding_of(weighed.candidate()), weighed.now_ms));
    if (voided == 0) continue;
    ledger::Draft draft = version_event("approval.voided", found.version);
    draft.decision = "deny";
    draft.body = codec::Json::object(
        {{"request", request.uid}, {"target", request.target}, {"approvals", voided}});
    TRY(deps_.ledger.append(tx, ctx, draft));
  }
  return {};
}

}  // namespace slip::registry
