#include "registry/promotion.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "base/check.h"
#include "base/text.h"
#include "codec/hash.h"
#include "codec/json.h"
#include "registry/gate_checks.h"
#include "registry/policy_json.h"

namespace slip::registry {
namespace {

using codec::Json;

bool contains(const std::vector<std::string>& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

Condition fails(std::string_view name, std::string_view reason, std::string detail) {
  return {.name = std::string(name),
          .ok = false,
          .reason = std::string(reason),
          .detail = std::move(detail)};
}
Condition holds(std::string_view name, std::string detail) {
  return {.name = std::string(name), .ok = true, .reason = "", .detail = std::move(detail)};
}

Condition gate_missing(std::string detail) {
  return fails("gate", "model_version.gate_missing", std::move(detail));
}

Condition gate_condition(const Candidate& c) {
  const Version& v = c.version;
  if (!v.gate) return gate_missing("no gate was evaluated for this version");
  if (v.gate->digest != v.digest)
    return gate_missing("the gate judged other bytes: evaluate it again");
  for (const CheckResult& r : v.gate->checks)
    if (compares(r.check.kind) && r.champion_version != c.champion)
      return gate_missing(
          "the champion has changed since the gate was evaluated: evaluate it again");
  for (const Check& wanted : c.policy.checks)
    if (std::none_of(v.gate->checks.begin(), v.gate->checks.end(),
                     [&](const CheckResult& r) { return r.check == wanted; }))
      return gate_missing(concat(
          {"the policy asks for the check ", wanted.name(), ", which the gate did not make"}));
  std::string failed;
  size_t waivers = 0;
  for (const CheckResult& r : v.gate->checks) {
    if (r.passed) continue;
    if (waived(r, c.waivers, c.now_ms)) {
      ++waivers;
      continue;
    }
    failed += concat({failed.empty() ? "" : "; ", r.detail});
  }
  if (!failed.empty())
    return fails("gate", "model_version.gate_failed", concat({"the gate failed: ", failed}));
  return holds("gate", concat({std::to_string(v.gate->checks.size()), " checks, ",
                               std::to_string(waivers), " waived"}));
}

// The newest word of each person on the request that still binds to what is there.
std::vector<const RequestApproval*> standing(const Candidate& c) {
  std::vector<const RequestApproval*> out;
  if (!c.request) return out;
  const std::string binding = binding_of(c);
  for (const RequestApproval& a : c.request->approvals) {
    std::erase_if(out, [&](const RequestApproval* o) { return o->actor == a.actor; });
    if (a.approved && a.voided_ms == 0 && a.binding == binding) out.push_back(&a);
  }
  return out;
}

Condition approvals_condition(const Candidate& c) {
  if (c.policy.approvals == 0) return holds("approvals", "none needed");
  constexpr std::string_view kReason = "model_version.not_approved";
  if (!c.request)
    return fails("approvals", kReason, "nobody but its authors has approved these bytes");
  if (c.request->expires_ms <= c.now_ms)
    return fails("approvals", "request.expired", "the request has expired: ask again");
  const int64_t have = approvals_of(c);
  const bool any_void = std::any_of(
      c.request->approvals.begin(), c.request->approvals.end(),
      [&](const RequestApproval& a) { return a.approved && a.binding != binding_of(c); });
  const std::string count =
      concat({std::to_string(have), " of ", std::to_string(c.policy.approvals), " approvals"});
  if (have >= c.policy.approvals) return holds("approvals", count);
  return fails("approvals", kReason,
               concat({count, any_void ? "; others are void: what they approved has changed"
                                       : " by somebody else than its authors and the requester"}));
}

Condition plan_condition(const Candidate& c) {
  if (!c.request || !c.request->plan)
    return fails("rollback_plan", "rollback_plan.missing", "there is no rollback plan");
  const RollbackPlan& plan = *c.request->plan;
  if (!plan.valid)
    return fails("rollback_plan", "rollback_plan.invalid",
                 concat({"the rollback plan doesn't hold: ", plan.detail}));
  return holds("rollback_plan", plan.version == 0
                                    ? std::string("back to nothing: the stage was empty")
                                    : concat({"back to version ", std::to_string(plan.version)}));
}

Condition review_condition(const Candidate& c) {
  if (c.review && c.review->digest == c.version.digest && c.review->state == ReviewState::kPassed)
    return holds("review", c.review->title);
  return fails("review", "review.missing", "no review of these bytes has been passed");
}

Json gate_facts(const Version& v) {
  Json out = Json::array();
  if (!v.gate) return out;
  for (const CheckResult& r : v.gate->checks)
    out.push(Json::object({{"check", check_json(r.check)},
                           {"passed", r.passed},
                           {"champion", r.champion_version},
                           {"value", r.value ? Json(format_double(*r.value)) : Json()}}));
  return out;
}

}  // namespace

std::optional<Stage> builtin_stage(std::string_view text) {
  for (const Stage& stage : {Stage::kNone, Stage::kStaging, Stage::kProduction, Stage::kArchived})
    if (iequals(text, stage.name)) return stage;
  return std::nullopt;
}

std::string_view request_state_name(RequestState state) {
  constexpr std::array<std::string_view, 5> kNames = {"open", "applied", "rejected", "cancelled",
                                                      "expired"};
  return kNames[static_cast<size_t>(state)];
}

std::string_view review_state_name(ReviewState state) {
  constexpr std::array<std::string_view, 3> kNames = {"open", "passed", "failed"};
  return kNames[static_cast<size_t>(state)];
}

std::string_view review_item_state_name(ReviewItem::State state) {
  constexpr std::array<std::string_view, 3> kNames = {"open", "done", "accepted"};
  return kNames[static_cast<size_t>(state)];
}

std::string binding_of(const Candidate& c) {
  Json waivers = Json::array();
  for (const Waiver& w : c.waivers)
    if (w.revoked_ms == 0 && w.expires_ms > c.now_ms) waivers.push(w.uid);
  Json all = Json::object({{"model_digest", c.version.digest},
                           {"target", c.policy.target},
                           {"gate", gate_facts(c.version)}});
  all.set("policy", policy_json(c.policy));
  all.set("waivers", std::move(waivers));
  if (c.request && c.request->plan)
    all.set("plan", Json::object({{"version", c.request->plan->version},
                                  {"digest", c.request->plan->digest},
                                  {"owner", c.request->plan->owner}}));
  if (c.policy.review && c.review)
    all.set("review",
            Json::object({{"uid", c.review->uid}, {"state", review_state_name(c.review->state)}}));
  return codec::sha256(codec::to_json(all)).text();
}

int64_t approvals_of(const Candidate& c) {
  std::set<std::string_view> people;
  for (const RequestApproval* a : standing(c)) {
    if (a->actor == c.request->requester || contains(c.authors, a->actor)) continue;
    if (!c.policy.approvers.empty() && !contains(c.policy.approvers, a->actor)) continue;
    people.insert(a->actor);
  }
  return static_cast<int64_t>(people.size());
}

std::vector<Condition> conditions(const Candidate& c) {
  std::vector<Condition> out;
  if (c.version.digest.empty())
    out.push_back(
        fails("digest", "model_version.no_digest",
              "its files are not on this server: nothing would bind gate and approval to them"));
  else
    out.push_back(holds("digest", c.version.digest));
  if (c.policy.gate) out.push_back(gate_condition(c));
  out.push_back(approvals_condition(c));
  if (c.policy.rollback_plan) out.push_back(plan_condition(c));
  if (c.policy.review) out.push_back(review_condition(c));
  return out;
}

Status may_promote(const Candidate& candidate) {
  for (const Condition& condition : conditions(candidate))
    if (!condition.ok) return conflict(condition.reason, condition.detail);
  return {};
}

Status may_approve(const Approver& actor, const Policy& policy, const Request* request,
                   const std::vector<std::string>& authors) {
  if (contains(authors, actor.uid))
    return forbidden("model_version.own_work",
                     "who made, ran or registered a version cannot judge it");
  if (request && request->requester == actor.uid)
    return forbidden("request.own_request", "who made a request cannot approve it");
  if (!policy.approvers.empty() && !contains(policy.approvers, actor.uid))
    return forbidden("request.not_approver",
                     concat({"the policy for ", policy.target, " names others as approvers"}));
  if (actor.kind == "service" && !policy.services_approve)
    return forbidden("request.service",
                     concat({"the policy for ", policy.target, " wants people to approve"}));
  return {};
}

bool is_settled(const Version& version, const Policy& policy, bool shared) {
  const std::string& target = policy.target;
  if (target.starts_with('@')) return contains(version.aliases, target.substr(1));
  return version.stage.name == target && !(shared && policy.rollback_plan);
}

Error settled_error(const Version& version, std::string_view target) {
  return conflict("model_version.holds_target", concat({"version ", std::to_string(version.number),
                                                        " holds ", target, " already"}));
}

namespace {

// One caller's view of one version and target; each function answers as the service would.
struct View {
  const Candidate& c;
  const Standing& s;
  const Caller& caller;

  bool settled() const { return is_settled(c.version, c.policy, s.shared); }
  Status edits() const {
    if (caller.may_edit) return {};
    return forbidden("auth.forbidden", "this takes the right to edit the model");
  }
  Status manages() const {
    if (caller.may_manage) return {};
    return forbidden("auth.forbidden", "this takes the right to manage the model");
  }

  Status request() const {
    TRY(edits());
    if (c.request && c.request->expires_ms > c.now_ms)
      return exists("request.exists", c.request->requester == caller.uid
                                          ? "you have asked already"
                                          : "a request is open already");
    if (settled()) return settled_error(c.version, c.policy.target);
    return {};
  }
  Status approve() const {
    TRY(edits());
    if (settled()) return settled_error(c.version, c.policy.target);
    TRY(may_approve({caller.uid, caller.kind}, c.policy, c.request, c.authors));
    if (!c.request) return {};
    if (c.request->expires_ms <= c.now_ms)
      return conflict("request.expired", "the request has expired: ask again");
    const std::vector<const RequestApproval*> words = standing(c);
    if (std::any_of(words.begin(), words.end(),
                    [&](const RequestApproval* a) { return a->actor == caller.uid; }))
      return conflict("request.approved", "you have approved it");
    const std::optional<RollbackPlan>& plan = c.request->plan;
    if (c.policy.rollback_plan && plan && plan->version > 0 && !plan->valid)
      return conflict("rollback_plan.invalid",
                      concat({"the rollback plan doesn't hold: ", plan->detail}));
    return {};
  }
  Status reject() const {
    TRY(edits());
    if (!c.request && settled()) return settled_error(c.version, c.policy.target);
    return {};
  }
  Status cancel() const {
    TRY(edits());
    if (!c.request) return not_found("request.not_found", "nobody has asked");
    if (c.request->requester == caller.uid) return {};
    return forbidden("request.not_requester",
                     "only who made a request takes it back; others reject it");
  }
  Status promote() const {
    TRY(manages());
    if (settled()) return settled_error(c.version, c.policy.target);
    if (!s.is_free) return may_promote(c);
    if (s.kept_by.empty() || c.policy.target.starts_with('@')) return {};
    return forbidden("model.protected",
                     concat({"it holds ", s.kept_by, ", which only a promotion or a rollback of ",
                             s.kept_by, " moves"}));
  }
  Status rollback() const {
    TRY(manages());
    if (c.policy.target.starts_with('@'))
      return invalid("rollback.alias", "an alias is set back by setting it");
    if (s.holder != c.version.number)
      return conflict(
          "model_version.not_live",
          concat({"version ", std::to_string(c.version.number),
                  c.version.stage.name == c.policy.target ? " is not the last that took "
                                                          : " does not hold ",
                  c.policy.target}));
    if (s.back_to == 0)
      return conflict("model_version.no_previous",
                      concat({"no earlier version held ", c.policy.target, ", or it is gone"}));
    return {};
  }

  Status may(ActionKind kind) const {
    switch (kind) {
      case ActionKind::kRequest:
        return request();
      case ActionKind::kApprove:
        return approve();
      case ActionKind::kReject:
        return reject();
      case ActionKind::kCancel:
        return cancel();
      case ActionKind::kPromote:
        return promote();
      case ActionKind::kRollback:
        return rollback();
    }
    CHECK(false);
  }
};

std::string promise(ActionKind kind, const Candidate& c, const Standing& s) {
  const std::string& target = c.policy.target;
  switch (kind) {
    case ActionKind::kRequest:
      return concat({"ask that it enter ", target});
    case ActionKind::kApprove:
      return concat({std::to_string(approvals_of(c)), " of ", std::to_string(c.policy.approvals),
                     " approvals are there",
                     c.request ? "" : "; opens the request in its maker's name"});
    case ActionKind::kReject:
      return c.request ? "closes the request" : "nobody has asked: the word stands for itself";
    case ActionKind::kCancel:
      return "takes the request back";
    case ActionKind::kPromote:
      return s.is_free ? concat({"nothing guards ", target}) : "everything holds";
    case ActionKind::kRollback:
      return concat({"brings back version ", std::to_string(s.back_to)});
  }
  CHECK(false);
}

}  // namespace

std::string_view action_name(ActionKind kind) {
  constexpr std::array<std::string_view, 6> kNames = {"request", "approve", "reject",
                                                      "cancel",  "promote", "rollback"};
  return kNames[static_cast<size_t>(kind)];
}

std::vector<Action> actions(const Candidate& c, const Standing& s, const Caller& caller,
                            const std::vector<Caller>& others) {
  std::vector<Action> out;
  for (const ActionKind kind : kActionKinds) {
    Action& action = out.emplace_back();
    action.kind = kind;
    const Status status = View{c, s, caller}.may(kind);
    action.allowed = status.ok();
    if (status.ok()) {
      action.detail = promise(kind, c, s);
      continue;
    }
    action.reason = status.error().reason;
    action.detail = status.error().text;
    for (const Caller& other : others)
      if (other.uid != caller.uid && View{c, s, other}.may(kind).ok())
        action.who.push_back(other.uid);
  }
  return out;
}

bool waived(const CheckResult& result, const std::vector<Waiver>& waivers, int64_t now_ms) {
  return std::any_of(waivers.begin(), waivers.end(), [&](const Waiver& w) {
    return w.check == result.check.name() && w.revoked_ms == 0 && w.expires_ms > now_ms;
  });
}

bool compares(Check::Kind kind) {
  switch (kind) {
    case Check::Kind::kChampion:
    case Check::Kind::kHoldout:
    case Check::Kind::kSlices:
    case Check::Kind::kSignature:
      return true;
    default:
      return false;
  }
}

CheckResult evaluate(const Check& check, const Measured& measured) {
  CheckResult out{.check = check,
                  .value = measured.value,
                  .threshold = {},
                  .champion_version = 0,
                  .champion_value = {},
                  .passed = false,
                  .detail = {}};
  if (check.kind == Check::Kind::kFloor) out.threshold = check.bound;
  if (check.kind == Check::Kind::kChampion) {
    out.champion_version = measured.champion;
    out.champion_value = measured.champion_value;
    if (out.champion_value) out.threshold = *out.champion_value - check.bound;
  }
  if (!out.value) {
    out.detail = concat({"the version's run has no metric '", check.metric, "'"});
    return out;
  }
  if (std::isnan(*out.value)) {
    out.detail = concat({"metric '", check.metric, "' is NaN"});
    return out;
  }
  if (check.kind == Check::Kind::kChampion && measured.champion == 0) {
    out.passed = true;
    out.detail = "no version holds Production: nothing to compare with";
    return out;
  }
  if (!out.threshold || std::isnan(*out.threshold)) {
    out.detail = concat({"the champion, version ", std::to_string(measured.champion),
                         ", has no usable metric '", check.metric, "'"});
    return out;
  }
  out.passed = *out.value >= *out.threshold;
  out.detail = concat({check.metric, " ", format_double(*out.value), out.passed ? " >= " : " < ",
                       format_double(*out.threshold)});
  return out;
}

const Tenure* rollback_target(const std::vector<Tenure>& tenures, const Tenure& current,
                              const std::vector<int64_t>& living) {
  const auto find = [&](int64_t n) -> const Tenure* {
    for (const Tenure& t : tenures)
      if (t.n == n) return &t;
    return nullptr;
  };
  // Links only point back, so this ends.
  for (const Tenure* t = find(current.back_n); t; t = find(t->back_n)) {
    const bool alive = std::find(living.begin(), living.end(), t->version) != living.end();
    if (alive && t->version != current.version) return t;
  }
  return nullptr;
}

}  // namespace slip::registry
