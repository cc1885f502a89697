#include <algorithm>
#include <utility>

#include "base/bug.h"
#include "base/text.h"
#include "registry/promotion.h"
#include "registry/registry.h"
#include "registry/registry_internal.h"
#include "registry/registry_store.h"
#include "sys/clock.h"

// Gate, approval, promotion, rollback. What an outside source knows (metrics, authors, digests) is
// read before the transaction; what the decision rests on is read again inside it.
namespace slip::registry {
namespace {

constexpr int kRetriesMax = 8;

Status check_checks(const std::vector<Check>& checks) {
  if (checks.empty()) return invalid("gate.empty", "A gate needs at least one check");
  if (checks.size() > kGateChecksMax)
    return invalid("gate.limit",
                   "A gate has at most " + std::to_string(kGateChecksMax) + " checks");
  for (const Check& c : checks) {
    if (c.metric.empty() || c.metric.size() > kTagKeyMax)
      return invalid("gate.metric", "A check names a metric of 1 to 250 characters");
    if (c.bound != c.bound || c.bound - c.bound != 0)
      return invalid("gate.bound", "The bound of a check is a finite number");
    if (c.kind == Check::Kind::kChampion && c.bound < 0)
      return invalid("gate.bound", "max_regression is not negative");
  }
  return {};
}

codec::Json gate_body(const Gate& gate) {
  codec::Json checks = codec::Json::array();
  for (const CheckResult& r : gate.checks)
    checks.push(codec::Json::object(
        {{"metric", r.check.metric}, {"passed", r.passed}, {"detail", r.detail}}));
  return codec::Json::object({{"checks", std::move(checks)}});
}

int64_t first_or_zero(const std::vector<int64_t>& list) { return list.empty() ? 0 : list.front(); }

}  // namespace

Result<std::vector<std::string>> Registry::authors_of(const Ctx& ctx, const Version& version) {
  std::vector<std::string> out = TRY(deps_.origins.authors(ctx, version));
  out.push_back(version.author);
  return out;
}

Result<std::string> Registry::digest_of(const Ctx& ctx, const Version& version) {
  if (!version.digest.empty()) return version.digest;
  return deps_.origins.digest(ctx, version.location);
}

Result<Gate> Registry::evaluate_gate(const Ctx& ctx, const std::string& name, int64_t number,
                                     const std::vector<Check>& checks) {
  for (int i = 0; i < kRetriesMax; ++i) {
    // 1. Look, outside of a transaction.
    Version version = TRY(get_version(ctx, name, number));
    TRY(check_checks(checks));
    version.digest = TRY(digest_of(ctx, version));
    std::optional<Version> champion;
    TRY(deps_.db.read([&](store::Tx& tx) -> Status {
      const Model model = TRY(must_find_model(tx, ctx, name));
      const auto holders = TRY(sql::in_stage(tx, ctx.project.text, model.uid, Stage::kProduction));
      champion.reset();
      if (!holders.empty())
        champion = TRY(sql::find_version(tx, ctx.project.text, model, holders.front()));
      return {};
    }));
    Gate gate{.passed = true,
              .evaluated_ms = 0,
              .actor = ctx.actor_uid,
              .digest = version.digest,
              .checks = {}};
    for (const Check& check : checks) {
      Measured measured;
      measured.value = TRY(deps_.origins.metric(ctx, version, check.metric));
      if (champion && check.kind == Check::Kind::kChampion) {
        measured.champion = champion->number;
        measured.champion_value = TRY(deps_.origins.metric(ctx, *champion, check.metric));
      }
      gate.checks.push_back(evaluate(check, measured));
      gate.passed = gate.passed && gate.checks.back().passed;
    }
    // 2. Write, unless the champion has changed meanwhile.
    bool stale = false;
    TRY(change_version(ctx, name, number, [&](store::Tx& tx, Found& found) -> Status {
      const auto holders =
          TRY(sql::in_stage(tx, ctx.project.text, found.model.uid, Stage::kProduction));
      stale = first_or_zero(holders) != (champion ? champion->number : 0);
      if (stale) return {};
      gate.evaluated_ms = deps_.clock.now_ms();
      found.version.gate = gate;
      found.version.digest = version.digest;
      found.model.is_protected = true;
      TRY(sql::update_model(tx, ctx.project.text, found.model));
      TRY(sql::update_version(tx, ctx.project.text, found.model.uid, found.version));
      TRY(sql::put_gate(tx, ctx.project.text, found.model.uid, found.version));
      ledger::Draft draft = version_event("model_version.gated", found.version);
      draft.decision = gate.passed ? "pass" : "fail";
      draft.body = gate_body(gate);
      return deps_.ledger.append(tx, ctx, draft);
    }));
    if (!stale) return gate;
  }
  return unavailable("model.busy", "The champion keeps changing; try again");
}

Result<Version> Registry::judge(const Ctx& ctx, const std::string& name, int64_t number,
                                bool approve, const std::string& comment) {
  if (comment.size() > kCommentMax || !is_utf8(comment))
    return invalid("approval.comment",
                   "A comment is UTF-8 of at most " + std::to_string(kCommentMax) + " bytes");
  const Version seen = TRY(get_version(ctx, name, number));
  TRY(may_judge(ctx.actor_uid, TRY(authors_of(ctx, seen))));
  const std::string digest = TRY(digest_of(ctx, seen));
  Version out;
  TRY(change_version(ctx, name, number, [&](store::Tx& tx, Found& found) -> Status {
    found.version.digest = digest;
    found.model.is_protected = true;
    TRY(sql::update_model(tx, ctx.project.text, found.model));
    TRY(sql::update_version(tx, ctx.project.text, found.model.uid, found.version));
    const Approval approval{.actor = ctx.actor_uid,
                            .approved = approve,
                            .comment = comment,
                            .created_ms = deps_.clock.now_ms(),
                            .digest = digest};
    const auto same = std::find_if(found.version.approvals.begin(), found.version.approvals.end(),
                                   [&](const Approval& a) {
                                     return a.actor == approval.actor && a.approved == approve &&
                                            a.digest == digest && a.comment == comment;
                                   });
    out = found.version;
    if (same != found.version.approvals.end()) return {};  // Said already.
    std::erase_if(out.approvals, [&](const Approval& a) { return a.actor == approval.actor; });
    out.approvals.push_back(approval);
    TRY(sql::put_approval(tx, ctx.project.text, found.model.uid, number, approval));
    ledger::Draft draft =
        version_event(approve ? "model_version.approved" : "model_version.rejected", out);
    draft.decision = approve ? "allow" : "deny";
    draft.reason = comment;
    return deps_.ledger.append(tx, ctx, draft);
  }));
  return out;
}

Status Registry::end_tenures(store::Tx& tx, const Ctx& ctx, const Found& found, int64_t number) {
  return sql::end_tenures(tx, ctx.project.text, found.model.uid, number, deps_.clock.now_ms());
}

Status Registry::archive(store::Tx& tx, const Ctx& ctx, const Model& model, int64_t number) {
  const int64_t now = deps_.clock.now_ms();
  auto version = TRY(sql::find_version(tx, ctx.project.text, model, number));
  CHECK(version);  // Listed by this very transaction.
  const Stage before = version->stage;
  version->stage = Stage::kArchived;
  version->updated_ms = now;
  TRY(sql::update_version(tx, ctx.project.text, model.uid, *version));
  TRY(sql::end_tenures(tx, ctx.project.text, model.uid, number, now));
  Tenure tenure{.n = 0,
                .stage = Stage::kArchived,
                .version = number,
                .from_ms = now,
                .to_ms = {},
                .actor = ctx.actor_uid,
                .reason = "",
                .back_n = 0};
  TRY(sql::begin_tenure(tx, ctx.project.text, model.uid, &tenure));
  ledger::Draft draft = version_event("model_version.stage_changed", *version);
  draft.body =
      codec::Json::object({{"from", stage_name(before)}, {"to", stage_name(Stage::kArchived)}});
  return deps_.ledger.append(tx, ctx, draft);
}

Status Registry::take_production(store::Tx& tx, const Ctx& ctx, Found* found, const Move& move) {
  const std::string& project = ctx.project.text;
  const int64_t now = deps_.clock.now_ms();
  Version& v = found->version;
  std::string before_digest;
  int64_t before = 0;
  for (const int64_t other :
       TRY(sql::in_stage(tx, project, found->model.uid, Stage::kProduction))) {
    if (other == v.number) continue;
    if (before == 0) {
      before = other;
      const auto holder = TRY(sql::find_version(tx, project, found->model, other));
      if (holder) before_digest = holder->digest;
    }
    if (!planted(Bug::kTwoHolders)) TRY(archive(tx, ctx, found->model, other));
  }
  v.stage = Stage::kProduction;
  v.updated_ms = now;
  TRY(sql::update_version(tx, project, found->model.uid, v));
  TRY(sql::end_tenures(tx, project, found->model.uid, v.number, now));
  Tenure tenure{.n = 0,
                .stage = Stage::kProduction,
                .version = v.number,
                .from_ms = now,
                .to_ms = {},
                .actor = ctx.actor_uid,
                .reason = move.reason,
                .back_n = move.back_n};
  TRY(sql::begin_tenure(tx, project, found->model.uid, &tenure));
  TRY(sql::put_alias(tx, project, found->model.uid, {std::string(kChampionAlias), v.number}));
  ledger::Draft draft = version_event(move.verb, v);
  draft.before_digest = before_digest;
  draft.after_digest = v.digest;
  draft.reason = move.reason;
  draft.decision = move.verb == "model_version.promoted" ? "allow" : "rollback";
  draft.body = codec::Json::object({{"stage", "Production"}});
  if (before > 0) draft.body.set("replaced_version", before);
  TRY(deps_.ledger.append(tx, ctx, draft));
  found->model = TRY(must_find_model(tx, ctx, found->model.name));
  v = *TRY(sql::find_version(tx, project, found->model, v.number));
  return {};
}

Result<Version> Registry::promote(const Ctx& ctx, const std::string& name, int64_t number,
                                  const std::string& reason) {
  if (reason.size() > kCommentMax || !is_utf8(reason))
    return invalid("promotion.reason",
                   "A reason is UTF-8 of at most " + std::to_string(kCommentMax) + " bytes");
  const Version seen = TRY(get_version(ctx, name, number));
  const std::vector<std::string> authors = TRY(authors_of(ctx, seen));
  if (planted(Bug::kEventWithoutFact))
    TRY(deps_.db.write([&](store::Tx& tx) {
      return deps_.ledger.append(tx, ctx, version_event("model_version.promoted", seen));
    }));
  Version out;
  TRY(change_version(ctx, name, number, [&](store::Tx& tx, Found& found) -> Status {
    const auto holders =
        TRY(sql::in_stage(tx, ctx.project.text, found.model.uid, Stage::kProduction));
    out = found.version;
    if (holders.size() == 1 && holders.front() == number) return {};
    TRY(may_promote(
        {.version = found.version, .authors = authors, .champion = first_or_zero(holders)}));
    Move move{.verb = "model_version.promoted", .reason = reason, .back_n = 0};
    move.back_n = TRY(sql::open_production(tx, ctx.project.text, found.model.uid));
    TRY(take_production(tx, ctx, &found, move));
    out = found.version;
    return {};
  }));
  return out;
}

Result<Version> Registry::rollback(const Ctx& ctx, const std::string& name,
                                   const std::string& reason, int64_t from) {
  if (reason.size() > kCommentMax || !is_utf8(reason))
    return invalid("rollback.reason",
                   "A reason is UTF-8 of at most " + std::to_string(kCommentMax) + " bytes");
  Version out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    const Model model = TRY(must_find_model(tx, ctx, name));
    const std::vector<Tenure> all = TRY(sql::tenures(tx, ctx.project.text, model.uid));
    const Tenure* current = nullptr;
    const Tenure* ended = nullptr;  // The Production tenure before the current one.
    for (const Tenure& t : all) {
      if (t.stage != Stage::kProduction) continue;
      if (current) ended = current;
      current = &t;
    }
    if (!current || current->to_ms)
      return conflict("model_version.no_previous", "no version holds Production");
    if (from != 0 && current->version != from) {
      if (ended && ended->version == from) {  // Done already; the reply got lost.
        out = TRY(must_find(tx, ctx, name, current->version)).version;
        return {};
      }
      return conflict("model_version.not_live",
                      concat({"version ", std::to_string(from), " does not hold Production"}));
    }
    std::vector<int64_t> living;
    for (const Version& v : TRY(sql::list_versions(tx, ctx.project.text, model)))
      living.push_back(v.number);
    const Tenure* target = rollback_target(all, *current, living);
    if (!target)
      return conflict("model_version.no_previous",
                      "no earlier version held Production, or it is gone");
    Found found = TRY(must_find(tx, ctx, name, target->version));
    TRY(take_production(
        tx, ctx, &found,
        {.verb = "model_version.rolled_back", .reason = reason, .back_n = target->back_n}));
    out = found.version;
    return {};
  }));
  return out;
}

Result<std::vector<Tenure>> Registry::history(const Ctx& ctx, const std::string& name) {
  std::vector<Tenure> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    const Model model = TRY(must_find_model(tx, ctx, name));
    out = TRY(sql::tenures(tx, ctx.project.text, model.uid));
    return {};
  }));
  return out;
}

}  // namespace slip::registry
