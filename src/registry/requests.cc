#include <algorithm>
#include <utility>

#include "base/text.h"
#include "registry/governance.h"
#include "registry/promotion.h"
#include "registry/registry_internal.h"
#include "registry/registry_store.h"
#include "registry/request_store.h"
#include "sys/clock.h"
#include "sys/rng.h"

// Requests to enter a stage or to get an alias: asked, approved, rejected, cancelled, expired.
namespace slip::registry {
namespace {

constexpr int kRetriesMax = 8;
constexpr int64_t kDueMax = 100;
constexpr int64_t kNeverMs = INT64_MAX;
constexpr std::string_view kNothing = "-";  // What no approval binds to.

ledger::Draft request_event(std::string_view verb, const Version& version, const Request& r) {
  ledger::Draft draft = version_event(verb, version);
  draft.body = codec::Json::object({{"request", r.uid}, {"target", r.target}});
  return draft;
}

Error no_request(const Version& v, std::string_view target) {
  return not_found("request.not_found",
                   concat({"no request that version ", std::to_string(v.number), " of ", v.model,
                           " enter ", target, " is open"}));
}

// The actor's standing word says the same of the same things.
bool said_already(const Request& request, const RequestApproval& word) {
  const RequestApproval* last = nullptr;
  for (const RequestApproval& a : request.approvals)
    if (a.actor == word.actor && a.voided_ms == 0) last = &a;
  return last && last->approved == word.approved && last->binding == word.binding &&
         last->comment == word.comment;
}

bool same_plan(const std::optional<RollbackPlan>& a, const std::optional<RollbackPlan>& b) {
  if (!a || !b) return !a && !b;
  return a->version == b->version;
}

}  // namespace

// Nobody asks or approves that a version enter what it holds.
Status Governance::unsettled(store::Tx& tx, const Ctx& ctx, const Found& found,
                             const Policy& policy) {
  const bool shared = !policy.target.starts_with('@') &&
                      TRY(is_shared(tx, ctx, found.model, found.version.number, policy.target));
  if (!is_settled(found.version, policy, shared)) return {};
  return settled_error(found.version, policy.target);
}

struct Governance::Seen {
  Version version;
  std::vector<std::string> authors;
  std::string target;
  Policy policy;
  std::optional<Request> request;
  int64_t holder = 0;    // Another version in the target stage.
  bool settled = false;  // See promotion.h.
};

Result<Governance::Seen> Governance::look(const Ctx& ctx, const std::string& name, int64_t number,
                                          const std::string& target) {
  Seen out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = Seen();
    const Found found = TRY(registry_.must_find(tx, ctx, name, number));
    out.version = found.version;
    out.target = TRY(target_of(tx, ctx, found.model, target));
    std::optional<Policy> policy = TRY(policy_for(tx, ctx, found.model, out.target));
    if (!policy) policy = unwritten_policy(out.target);
    // Asking for Production makes the model a protected one.
    if (policy->is_default && out.target == Stage::kProduction.name)
      policy->gate = policy->rollback_plan = true;
    out.policy = std::move(*policy);
    out.request =
        TRY(sql::open_request(tx, {ctx.project.text, found.model.uid}, number, out.target));
    for (const int64_t other :
         TRY(sql::in_stage(tx, ctx.project.text, found.model.uid, Stage{out.target})))
      if (other != number && out.holder == 0) out.holder = other;
    out.settled = is_settled(out.version, out.policy, out.holder != 0);
    return {};
  }));
  out.authors = TRY(registry_.authors_of(ctx, out.version));
  out.version.digest = TRY(registry_.digest_of(ctx, out.version));
  return out;
}

Result<RollbackPlan> Governance::checked(const Ctx& ctx, const std::string& name, int64_t number,
                                         const std::string& target, RollbackPlan plan) {
  plan.checked_ms = deps_.clock.now_ms();
  plan.valid = false;
  if (plan.version == number) {
    plan.detail = "a version is no way back from itself";
    return plan;
  }
  if (plan.version == 0) {
    plan.valid = true;
    plan.detail = "nothing held the stage before";
    return plan;
  }
  const Result<Version> back = registry_.get_version(ctx, name, plan.version);
  if (!back.ok()) {
    if (back.error().code != Code::kNotFound) return back.error();
    plan.detail = concat({"version ", std::to_string(plan.version), " is gone"});
    return plan;
  }
  const std::vector<Tenure> history = TRY(registry_.history(ctx, name));
  if (std::none_of(history.begin(), history.end(), [&](const Tenure& t) {
        return t.version == plan.version && t.stage.name == target;
      })) {
    plan.detail = concat({"version ", std::to_string(plan.version), " never held ", target});
    return plan;
  }
  plan.digest = TRY(registry_.digest_of(ctx, *back));
  if (plan.digest.empty()) {
    plan.detail = concat({"the files of version ", std::to_string(plan.version), " are not here"});
    return plan;
  }
  if (!deps_.trials) {
    plan.valid = true;
    plan.detail = "its files are here";
    return plan;
  }
  const Result<Bundle> files = registry_.open_bundle(ctx, name, plan.version);
  const Result<std::string> loads =
      files.ok() ? deps_.trials->loads(ctx, *files) : Result<std::string>(files.error());
  plan.valid = loads.ok();
  plan.detail = loads.ok() ? *loads : loads.error().text;
  return plan;
}

Result<std::optional<RollbackPlan>> Governance::plan_for(const Ctx& ctx, const Seen& seen,
                                                         std::optional<RollbackPlan> wanted) {
  if (!seen.policy.rollback_plan) return std::optional<RollbackPlan>();
  RollbackPlan plan;
  if (wanted)
    plan = std::move(*wanted);
  else if (seen.request && seen.request->plan)
    plan = *seen.request->plan;
  // Nothing held the stage when it was asked: the way back is what holds it now.
  if (plan.version == 0 && !wanted) plan.version = seen.holder;
  return std::optional(
      TRY(checked(ctx, seen.version.model, seen.version.number, seen.target, std::move(plan))));
}

Result<Request> Governance::open(store::Tx& tx, const Ctx& ctx, Found& found, const Policy& policy,
                                 Request request) {
  const sql::Of of{ctx.project.text, found.model.uid};
  if (policy.target == Stage::kProduction.name) TRY(registry_.protect(tx, ctx, &found.model));
  request.uid = new_uuid7(deps_.clock, deps_.rng).text();
  request.model = found.model.name;
  request.version = found.version.number;
  request.target = policy.target;
  request.from_stage = found.version.stage.name;
  request.created_ms = request.updated_ms = deps_.clock.now_ms();
  if (request.expires_ms == 0) request.expires_ms = request.created_ms + policy.request_ttl_ms;
  // What was said to an earlier request was not said to this one.
  for (const Request& before : TRY(sql::requests(tx, of, request.version, false)))
    if (before.target == request.target && before.state != RequestState::kApplied)
      TRY(sql::void_approvals(tx, of.project, before.uid, kNothing, request.created_ms));
  TRY(sql::insert_request(tx, of, request));
  ledger::Draft draft = request_event("approval.requested", found.version, request);
  draft.reason = request.comment;
  draft.body.set("from", request.from_stage).set("requester", request.requester);
  if (request.plan) draft.body.set("rollback_to", request.plan->version);
  TRY(deps_.ledger.append(tx, ctx, draft));
  return request;
}

Status Governance::close(store::Tx& tx, const Ctx& ctx, const Found& found, Request* request,
                         RequestState state) {
  request->state = state;
  request->updated_ms = deps_.clock.now_ms();
  request->closed_by = ctx.actor_uid;
  TRY(sql::update_request(tx, ctx.project.text, *request));
  TRY(sql::void_approvals(tx, ctx.project.text, request->uid, kNothing, request->updated_ms));
  ledger::Draft draft =
      request_event(concat({"approval.", request_state_name(state)}), found.version, *request);
  draft.reason = request->closed_reason;
  draft.decision = "deny";
  return deps_.ledger.append(tx, ctx, draft);
}

Result<Request> Governance::ask(const Ctx& ctx, const std::string& name, int64_t number,
                                const Ask& wanted) {
  TRY(check_comment("request", wanted.comment));
  if (wanted.ttl_ms < 0 || wanted.ttl_ms > kRequestTtlMsMax)
    return invalid("request.ttl", "a request is open for at most 366 days");
  const Seen seen = TRY(look(ctx, name, number, wanted.target));
  RollbackPlan plan;
  plan.version = wanted.plan_version.value_or(seen.holder);
  plan.owner = wanted.plan_owner.empty() ? ctx.actor_uid : wanted.plan_owner;
  if (wanted.plan_version && !seen.policy.rollback_plan)
    return invalid("request.plan", concat({seen.target, " asks for no rollback plan"}));
  if (plan.version == number && wanted.plan_version)
    return invalid("request.plan", "a version is no way back from itself");
  const std::optional<RollbackPlan> checked_plan = TRY(plan_for(ctx, seen, plan));
  Request out;
  TRY(registry_.change_version(ctx, name, number, [&](store::Tx& tx, Found& found) -> Status {
    const sql::Of of{ctx.project.text, found.model.uid};
    if (auto open_one = TRY(sql::open_request(tx, of, number, seen.target))) {
      out = std::move(*open_one);
      out.model = name;
      const bool expired = out.expires_ms <= deps_.clock.now_ms();
      if (!expired && out.requester == ctx.actor_uid && out.comment == wanted.comment) return {};
      if (!expired)
        return exists("request.exists", concat({"a request that version ", std::to_string(number),
                                                " enter ", seen.target, " is open already"}));
      TRY(close(tx, ctx, found, &out, RequestState::kExpired));
    }
    TRY(unsettled(tx, ctx, found, seen.policy));
    Request request;
    request.requester = ctx.actor_uid;
    request.comment = wanted.comment;
    request.archive_existing = wanted.archive_existing;
    request.plan = checked_plan;
    if (wanted.ttl_ms > 0) request.expires_ms = deps_.clock.now_ms() + wanted.ttl_ms;
    out = TRY(open(tx, ctx, found, seen.policy, std::move(request)));
    return {};
  }));
  return out;
}

Result<Governance::Outcome> Governance::approve(const Ctx& ctx, const std::string& name,
                                                int64_t number, const Word& word) {
  TRY(check_comment("request", word.comment));
  for (int i = 0; i < kRetriesMax; ++i) {
    const Seen seen = TRY(look(ctx, name, number, word.target));
    if (!seen.request && !word.ask_if_missing) return no_request(seen.version, seen.target);
    if (seen.settled) return settled_error(seen.version, seen.target);
    TRY(may_approve({ctx.actor_uid, ctx.actor_kind}, seen.policy,
                    seen.request ? &*seen.request : nullptr, seen.authors));
    const std::optional<RollbackPlan> plan = TRY(plan_for(ctx, seen, {}));
    bool stale = false;
    Outcome out;
    TRY(registry_.change_version(ctx, name, number, [&](store::Tx& tx, Found& found) -> Status {
      out = Outcome();
      const sql::Of of{ctx.project.text, found.model.uid};
      std::optional<Request> request = TRY(sql::open_request(tx, of, number, seen.target));
      stale = request.has_value() != seen.request.has_value() ||
              (request && (request->uid != seen.request->uid ||
                           !same_plan(request->plan, seen.request->plan)));
      if (stale) return {};
      if (request && request->expires_ms <= deps_.clock.now_ms())
        return conflict("request.expired", "the request has expired: ask again");
      TRY(unsettled(tx, ctx, found, seen.policy));
      if (found.version.digest != seen.version.digest) {
        found.version.digest = seen.version.digest;
        TRY(sql::update_version(tx, of.project, of.model_uid, found.version));
      }
      if (!request) {
        Request made;
        made.requester = found.version.author;
        made.plan = plan;
        if (made.plan) made.plan->owner = made.requester;
        made.archive_existing = word.archive_existing;
        request = TRY(open(tx, ctx, found, seen.policy, std::move(made)));
      }
      if (plan) {
        const std::string owner = request->plan ? request->plan->owner : request->requester;
        request->plan = plan;
        request->plan->owner = owner;
        request->updated_ms = deps_.clock.now_ms();
        TRY(sql::update_request(tx, of.project, *request));
        if (!plan->valid)
          return conflict("rollback_plan.invalid",
                          concat({"the rollback plan doesn't hold: ", plan->detail}));
      }
      return this->grant(tx, ctx, found, {seen.policy, seen.authors, word}, &out);
    }));
    if (!stale) return out;
  }
  return unavailable("model.busy", "The request keeps changing; try again");
}

// Inside the transaction, with an open request whose plan holds.
Status Governance::grant(store::Tx& tx, const Ctx& ctx, Found& found, const Granting& granting,
                         Outcome* out) {
  const auto& [seen_policy, authors, word] = granting;
  std::optional<Policy> policy = TRY(policy_for(tx, ctx, found.model, seen_policy.target));
  if (!policy) policy = unwritten_policy(seen_policy.target);
  Registry::Weighed weighed = TRY(registry_.weigh(tx, ctx, found, *policy, authors));
  CHECK(weighed.request);
  TRY(may_approve({ctx.actor_uid, ctx.actor_kind}, *policy, &*weighed.request, authors));
  const RequestApproval approval{.actor = ctx.actor_uid,
                                 .approved = true,
                                 .comment = word.comment,
                                 .created_ms = weighed.now_ms,
                                 .binding = binding_of(weighed.candidate()),
                                 .digest = found.version.digest,
                                 .voided_ms = 0};
  if (!said_already(*weighed.request, approval)) {
    TRY(sql::add_approval(tx, ctx.project.text, weighed.request->uid, approval));
    ledger::Draft draft = request_event("approval.granted", found.version, *weighed.request);
    draft.decision = "allow";
    draft.reason = word.comment;
    draft.body.set("binding", approval.binding);
    TRY(deps_.ledger.append(tx, ctx, draft));
  }
  TRY(registry_.void_stale(tx, ctx, found));
  weighed = TRY(registry_.weigh(tx, ctx, found, *policy, authors));
  const std::string request_uid = weighed.request->uid;
  if (word.apply) {
    const Status ready = may_promote(weighed.candidate());
    const bool archive = word.archive_existing || weighed.request->archive_existing;
    if (ready.ok())
      TRY(registry_.enter(
          tx, ctx, &found, std::move(weighed),
          {.name = policy->target, .reason = word.comment, .archive_existing = archive}));
    else
      out->pending = ready.error().text;
  }
  auto request = TRY(sql::find_request(tx, ctx.project.text, request_uid));
  CHECK(request);
  out->request = std::move(*request);
  out->request.model = found.model.name;
  out->version = *TRY(sql::find_version(tx, ctx.project.text, found.model, found.version.number));
  return {};
}

Result<Governance::Outcome> Governance::reject(const Ctx& ctx, const std::string& name,
                                               int64_t number, const Word& word) {
  TRY(check_comment("request", word.comment));
  const Seen seen = TRY(look(ctx, name, number, word.target));
  if (!seen.request && !word.ask_if_missing) return no_request(seen.version, seen.target);
  Outcome out;
  TRY(registry_.change_version(ctx, name, number, [&](store::Tx& tx, Found& found) -> Status {
    const sql::Of of{ctx.project.text, found.model.uid};
    std::optional<Request> request = TRY(sql::open_request(tx, of, number, seen.target));
    if (!request) {
      if (!word.ask_if_missing) return no_request(found.version, seen.target);
      TRY(unsettled(tx, ctx, found, seen.policy));
      Request made;
      made.requester = found.version.author;
      request = TRY(open(tx, ctx, found, seen.policy, std::move(made)));
    }
    request->closed_reason = word.comment;
    TRY(close(tx, ctx, found, &*request, RequestState::kRejected));
    // Added when the others are void: the word that stands.
    TRY(sql::add_approval(tx, of.project, request->uid,
                          {.actor = ctx.actor_uid,
                           .approved = false,
                           .comment = word.comment,
                           .created_ms = request->updated_ms,
                           .binding = "",
                           .digest = seen.version.digest,
                           .voided_ms = 0}));
    out.pending.clear();
    out.request = *TRY(sql::find_request(tx, of.project, request->uid));
    out.request.model = name;
    out.version = *TRY(sql::find_version(tx, of.project, found.model, number));
    return {};
  }));
  return out;
}

Result<Request> Governance::cancel(const Ctx& ctx, const std::string& name, int64_t number,
                                   const Word& word, const std::string& requester) {
  TRY(check_comment("request", word.comment));
  Request out;
  TRY(registry_.change_version(ctx, name, number, [&](store::Tx& tx, Found& found) -> Status {
    const std::string target = TRY(target_of(tx, ctx, found.model, word.target));
    auto request = TRY(sql::open_request(tx, {ctx.project.text, found.model.uid}, number, target));
    if (!request || (!requester.empty() && request->requester != requester))
      return no_request(found.version, target);
    if (request->requester != ctx.actor_uid)
      return forbidden("request.not_requester",
                       "only who made a request takes it back; others reject it");
    request->closed_reason = word.comment;
    TRY(close(tx, ctx, found, &*request, RequestState::kCancelled));
    out = std::move(*request);
    out.model = name;
    return {};
  }));
  return out;
}

Result<std::vector<Request>> Governance::requests(const Ctx& ctx, const std::string& name,
                                                  int64_t number, bool open_only) {
  std::vector<Request> out;
  const int64_t now = deps_.clock.now_ms();
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    const Model model = TRY(must_find_model(tx, ctx, name));
    if (number != 0) TRY(registry_.must_find(tx, ctx, name, number));
    out = TRY(sql::requests(tx, {ctx.project.text, model.uid}, number, open_only));
    return {};
  }));
  for (Request& r : out) {
    r.model = name;
    if (r.state == RequestState::kOpen && r.expires_ms <= now) r.state = RequestState::kExpired;
  }
  if (open_only)
    std::erase_if(out, [](const Request& r) { return r.state != RequestState::kOpen; });
  return out;
}

Result<Governance::Explanation> Governance::explain(const Ctx& ctx, const std::string& name,
                                                    int64_t number, const std::string& target) {
  const Seen seen = TRY(look(ctx, name, number, target));
  Explanation out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    Found found = TRY(registry_.must_find(tx, ctx, name, number));
    found.version.digest = seen.version.digest;
    const Registry::Weighed weighed =
        TRY(registry_.weigh(tx, ctx, found, seen.policy, seen.authors));
    out.version = weighed.version;
    out.policy = weighed.policy;
    out.request = weighed.request;
    if (out.request) out.request->model = name;
    out.approvals = approvals_of(weighed.candidate());
    out.waivers = weighed.waivers;
    out.conditions = conditions(weighed.candidate());
    out.authors = weighed.authors;
    out.champion = weighed.champion;
    out.review = weighed.review;
    out.now_ms = weighed.now_ms;
    out.standing = TRY(standing_of(tx, ctx, found.model, found.version, seen.target));
    return {};
  }));
  return out;
}

std::vector<Action> Governance::Explanation::actions(const Caller& caller,
                                                     const std::vector<Caller>& others) const {
  const Candidate candidate{.version = version,
                            .policy = policy,
                            .request = request ? &*request : nullptr,
                            .authors = authors,
                            .champion = champion,
                            .waivers = waivers,
                            .review = review,
                            .now_ms = now_ms};
  return registry::actions(candidate, standing, caller, others);
}

Result<Version> Governance::transition(const Ctx& ctx, const std::string& name, int64_t number,
                                       const Word& word) {
  TRY(check_comment("request", word.comment));
  const Seen seen = TRY(look(ctx, name, number, word.target));
  bool guarded = false;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    const Model model = TRY(must_find_model(tx, ctx, name));
    guarded = TRY(policy_for(tx, ctx, model, seen.target)).has_value();
    return {};
  }));
  if (guarded)
    return registry_.promote_to(
        ctx, name, number,
        {.name = seen.target, .reason = word.comment, .archive_existing = word.archive_existing});
  if (!seen.target.starts_with('@'))
    return registry_.set_stage(ctx, name, number, Stage{seen.target}, word.archive_existing);
  TRY(registry_.set_alias(ctx, name, seen.target.substr(1), number));
  return registry_.get_version(ctx, name, number);
}

Result<int64_t> Governance::expire(const Ctx& ctx) {
  std::vector<sql::Due> due;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    due = TRY(sql::expired_requests(tx, deps_.clock.now_ms(), kDueMax));
    return {};
  }));
  for (const sql::Due& one : due) {
    Ctx own = ctx;
    own.project = Project{one.project};
    TRY(deps_.db.write([&](store::Tx& tx) -> Status {
      auto request = TRY(sql::find_request(tx, one.project, one.uid));
      if (!request || request->state != RequestState::kOpen) return {};
      Found found{.model = TRY(must_find_model(tx, own, one.model)), .version = {}};
      auto version = TRY(sql::find_version(tx, one.project, found.model, one.version));
      found.version.number = one.version;
      found.version.model = one.model;
      if (version) found.version = std::move(*version);
      return close(tx, own, found, &*request, RequestState::kExpired);
    }));
  }
  return static_cast<int64_t>(due.size());
}

Result<int64_t> Governance::check_plans(const Ctx& ctx) {
  std::vector<sql::Due> due;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    due = TRY(sql::stale_plans(tx, deps_.clock.now_ms() - kPlanCheckMs, kDueMax));
    return {};
  }));
  for (const sql::Due& one : due) {
    Ctx own = ctx;
    own.project = Project{one.project};
    std::optional<Request> request;
    TRY(deps_.db.read([&](store::Tx& tx) -> Status {
      request = TRY(sql::find_request(tx, one.project, one.uid));
      return {};
    }));
    if (!request || !request->plan) continue;
    const RollbackPlan plan = TRY(checked(own, one.model, one.version, one.target, *request->plan));
    TRY(deps_.db.write([&](store::Tx& tx) -> Status {
      request = TRY(sql::find_request(tx, one.project, one.uid));
      if (!request || !request->plan) return {};
      const Model model = TRY(must_find_model(tx, own, one.model));
      const auto version = TRY(sql::find_version(tx, one.project, model, one.version));
      const bool was_valid = request->plan->valid;
      const std::string digest = request->plan->digest;
      const std::string owner = request->plan->owner;
      request->plan = plan;
      request->plan->owner = owner;
      if (!digest.empty()) request->plan->digest = digest;  // What was approved.
      // A version that no longer holds the stage needs no way back any more.
      const bool over = request->state == RequestState::kApplied &&
                        (!version || version->stage.name != one.target);
      if (over || !version) request->plan->checked_ms = kNeverMs;
      TRY(sql::update_request(tx, one.project, *request));
      if (over || !version || was_valid == plan.valid) return {};
      ledger::Draft draft = request_event(
          plan.valid ? "rollback_plan.restored" : "rollback_plan.broken", *version, *request);
      draft.body.set("detail", plan.detail);
      draft.body.set("owner", owner);
      return deps_.ledger.append(tx, own, draft);
    }));
  }
  return static_cast<int64_t>(due.size());
}

}  // namespace slip::registry
