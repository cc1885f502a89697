#include <map>
#include <set>

#include "base/check.h"
#include "registry/imports.h"
#include "registry/policy_json.h"
#include "registry/promotion.h"
#include "test/gen/dice.h"
#include "test/registry/governance_world.h"

namespace slip::registry {
namespace {

class TimelineTest : public GovernanceTest {
 protected:
  using Query = Governance::TimelineQuery;

  std::vector<Span> spans(Query query = {}) {
    std::vector<Span> out;
    do {
      Page<Span> page = governance->timeline(ann, "fraud", query).value();
      std::move(page.items.begin(), page.items.end(), std::back_inserter(out));
      query.page_token = page.next_page_token;
    } while (!query.page_token.empty());
    return out;
  }
  // "Production=1 @champion=1 policy:Production" at one moment, in order.
  std::string at(std::optional<int64_t> ms = {}) {
    std::set<std::string> out;
    for (const Span& s : spans({.at_ms = ms.value_or(clock.now_ms())}))
      out.insert(s.kind == Span::Kind::kPolicy ? "policy:" + s.target
                                               : s.target + "=" + std::to_string(s.version));
    std::string text;
    for (const std::string& one : out) text += (text.empty() ? "" : " ") + one;
    return text;
  }
  // Does it; the reason when it is refused.
  std::string act(ActionKind kind, const Ctx& who, int64_t n, const std::string& target) {
    const Governance::Word word{.target = target, .ask_if_missing = true};
    switch (kind) {
      case ActionKind::kRequest:
        return reason(governance->ask(who, "fraud", n, {.target = target}));
      case ActionKind::kApprove:
        return reason(governance->approve(who, "fraud", n, word));
      case ActionKind::kReject:
        return reason(governance->reject(who, "fraud", n, word));
      case ActionKind::kCancel:
        return reason(governance->cancel(who, "fraud", n, word));
      case ActionKind::kPromote:
        return target == "Production" ? reason(registry->promote(who, "fraud", n))
                                      : reason(governance->transition(who, "fraud", n, word));
      case ActionKind::kRollback:
        return reason(registry->rollback(who, "fraud", "x", n, target));
    }
    CHECK(false);
  }
  // The same from what is there now.
  std::string now() {
    std::set<std::string> out;
    for (const Version& v : registry->list_versions(ann, "fraud").value())
      if (v.stage != Stage::kNone) out.insert(v.stage.name + "=" + std::to_string(v.number));
    const Model model = registry->get_model(ann, "fraud").value();
    for (const Alias& a : model.aliases)
      out.insert("@" + a.alias + "=" + std::to_string(a.version));
    for (const Policy& p : governance->policies(ann, "fraud").value())
      out.insert("policy:" + p.target);
    std::string text;
    for (const std::string& one : out) text += (text.empty() ? "" : " ") + one;
    return text;
  }
};
SLIP_EVERY_DB(TimelineTest);

TEST_P(TimelineTest, AliasesAndPoliciesAsOfAnyMoment) {
  const int64_t one = add("models:/m-1");
  const int64_t two = add("models:/m-2");
  const auto tick = [&] {
    clock.advance_ms(10);
    return clock.now_ms();
  };
  const int64_t t0 = clock.now_ms();
  EXPECT_EQ(at(t0), "");
  const int64_t t1 = tick();
  ASSERT_TRUE(registry->set_alias(bob, "fraud", "shadow", one).ok());
  ASSERT_TRUE(registry->set_alias(bob, "fraud", "shadow", one).ok());  // Again: the same stretch.
  const int64_t t2 = tick();
  ASSERT_TRUE(registry->set_alias(eve, "fraud", "shadow", two).ok());
  const int64_t t3 = tick();
  ASSERT_EQ(set_policy(R"({"approvals":2})", "@shadow"), "");
  const int64_t t4 = tick();
  ASSERT_EQ(set_policy(R"({"approvals":1})", "@shadow"), "");
  const int64_t t5 = tick();
  ASSERT_EQ(reason(governance->drop_policy(ann, "fraud", "@shadow")), "");
  ASSERT_TRUE(registry->delete_alias(ann, "fraud", "shadow").ok());
  const int64_t t6 = tick();
  release(one);
  const int64_t t7 = tick();
  release(two);
  const int64_t t8 = tick();
  ASSERT_TRUE(registry->rename_model(ann, "fraud", "other").ok());
  ASSERT_TRUE(registry->rename_model(ann, "other", "fraud").ok());
  ASSERT_TRUE(registry->rollback(eve, "fraud", "drifts").ok());
  EXPECT_EQ(at(t1), "@shadow=1");
  EXPECT_EQ(at(t2 - 1), "@shadow=1");
  EXPECT_EQ(at(t2), "@shadow=2");
  EXPECT_EQ(at(t3), "@shadow=2 policy:@shadow");
  EXPECT_EQ(at(t5 - 1), "@shadow=2 policy:@shadow");
  EXPECT_EQ(at(t5), "");
  EXPECT_EQ(at(t6), "@champion=1 Production=1 policy:Production");
  EXPECT_EQ(at(t7), "@champion=2 Archived=1 Production=2 policy:Production");
  EXPECT_EQ(at(t8), "@champion=1 Archived=2 Production=1 policy:Production");
  EXPECT_EQ(at(), now());
  for (const Span& s : spans({.at_ms = t8, .kind = Span::Kind::kAlias})) {
    EXPECT_EQ(s.actor, "eve");
    EXPECT_EQ(s.reason, "drifts");
    EXPECT_TRUE(s.from_known);
  }
  // Each policy says what it was.
  const auto then = [&](int64_t ms) {
    const Span s = spans({.at_ms = ms, .kind = Span::Kind::kPolicy}).at(0);
    return read_policy(codec::parse_json(s.policy).value(), s.target)->approvals;
  };
  EXPECT_EQ(then(t3), 2);
  EXPECT_EQ(then(t4), 1);
  EXPECT_EQ(spans({.at_ms = t6, .kind = Span::Kind::kPolicy}).at(0).policy, "");  // The default.
}

TEST_P(TimelineTest, VersionsAndModelsThatGoEndWhatTheyHeld) {
  const int64_t one = add("models:/m-1");
  ASSERT_TRUE(registry->set_alias(bob, "fraud", "a", one).ok());
  ASSERT_TRUE(registry->set_alias(bob, "fraud", "b", one).ok());
  const int64_t then = clock.now_ms();
  clock.advance_ms(10);
  ASSERT_EQ(reason(registry->delete_version(ann, "fraud", one)), "");
  EXPECT_EQ(at(then), "@a=1 @b=1");
  EXPECT_EQ(at(), "");
  const int64_t two = add("models:/m-2");
  ASSERT_TRUE(registry->set_alias(bob, "fraud", "a", two).ok());
  ASSERT_EQ(set_policy("{}", "@x"), "");
  clock.advance_ms(10);
  ASSERT_EQ(reason(registry->delete_model(ann, "fraud")), "");
  ASSERT_TRUE(registry->create_model(ann, "fraud", {}, {}).ok());
  EXPECT_TRUE(spans().empty());  // Another model of that name.
}

TEST_P(TimelineTest, PagesByKeyAndRefusesNonsense) {
  for (int n = 1; n <= 7; ++n) add("models:/m-" + std::to_string(n));
  for (int64_t n = 1; n <= 7; ++n) {
    if (n % 2 == 0) clock.advance_ms(1);
    ASSERT_TRUE(registry->set_alias(bob, "fraud", "a", n).ok());
    ASSERT_TRUE(registry->set_stage(bob, "fraud", n, Stage::kStaging, false).ok());
  }
  const std::vector<Span> whole = spans();
  ASSERT_EQ(whole.size(), 14U);
  for (const int64_t limit : {1, 3, 13, 14}) {
    const std::vector<Span> parts = spans({.limit = limit});
    ASSERT_EQ(parts.size(), whole.size());
    for (size_t i = 0; i < parts.size(); ++i) {
      EXPECT_EQ(parts[i].n, whole[i].n);
      EXPECT_EQ(parts[i].kind, whole[i].kind);
    }
  }
  for (size_t i = 1; i < whole.size(); ++i) EXPECT_GE(whole[i - 1].from_ms, whole[i].from_ms);
  EXPECT_EQ(spans({.kind = Span::Kind::kAlias}).size(), 7U);
  EXPECT_EQ(reason(governance->timeline(ann, "fraud", {.limit = 0})), "page.limit");
  EXPECT_EQ(reason(governance->timeline(ann, "fraud", {.page_token = "AAAA"})), "page.token");
  EXPECT_EQ(reason(governance->timeline(ann, "none", {})), "model.not_found");
}

// What is there when the tables come: with its time where one is known.
TEST_P(TimelineTest, WhatWasThereBeforeGoesOver) {
  store::Db& old = another();
  std::vector<store::Migration> steps(ledger::migrations().begin(), ledger::migrations().end());
  for (const auto& step : hold::migrations()) steps.push_back(step);
  for (const auto& step : migrations().first(6)) steps.push_back(step);
  ASSERT_TRUE(store::migrate(old, steps).ok());
  ASSERT_TRUE(old.write([&](store::Tx& tx) -> Status {
                   for (const char* model : {"fraud", "plain"})
                     TRY(tx.exec(
                         "INSERT INTO registered_model (project, uid, name, description, author,"
                         " created_ms, updated_ms, is_protected, last_version)"
                         " VALUES ('default', ?, ?, NULL, 'ann', 3, 3, ?, 2)",
                         {model, model, int64_t{std::string_view(model) == "fraud"}}));
                   for (const int64_t n : {1, 2})
                     TRY(tx.exec(
                         "INSERT INTO model_version (project, model_uid, version, uid, stage,"
                         " source, location, run_id, logged_model_id, author, created_ms,"
                         " updated_ms, digest) VALUES ('default', 'fraud', ?, ?, ?, '', '', '', '',"
                         " 'ann', ?, 9, '')",
                         {n, "v" + std::to_string(n), n == 1 ? "Production" : "None", 4 + n}));
                   TRY(tx.exec(
                       "INSERT INTO stage_tenure (project, model_uid, n, stage, version, from_ms,"
                       " actor, reason, back_n) VALUES ('default', 'fraud', 1, 'Production', 1, 7,"
                       " 'bob', 'ready', 0)",
                       {}));
                   TRY(tx.exec(
                       "INSERT INTO model_alias (project, model_uid, alias, version) VALUES"
                       " ('default', 'fraud', 'champion', 1), ('default', 'fraud', 'shadow', 2)",
                       {}));
                   TRY(tx.exec(
                       "INSERT INTO stage_policy (project, model_uid, target, body, actor,"
                       " updated_ms) VALUES ('default', 'fraud', '@shadow', '{\"approvals\":3}',"
                       " 'eve', 8)",
                       {}));
                   return {};
                 })
                  .ok());
  steps.push_back(migrations()[6]);
  ASSERT_TRUE(store::migrate(old, steps).ok());
  Registry reopened(Registry::Deps{old, *blobs, *events, clock, real_rng(), *origins});
  Governance over(reopened);
  std::map<std::string, Span> found;
  for (Span& s : over.timeline(ann, "fraud", {}).value().items)
    found[(s.kind == Span::Kind::kPolicy ? "policy:" : "") + s.target] = s;
  ASSERT_EQ(found.size(), 5U);
  EXPECT_EQ(found["@champion"].from_ms, 7);
  EXPECT_TRUE(found["@champion"].from_known);
  EXPECT_EQ(found["@champion"].actor, "bob");
  EXPECT_EQ(found["@shadow"].from_ms, 6);  // Its version is no older.
  EXPECT_FALSE(found["@shadow"].from_known);
  EXPECT_EQ(found["policy:@shadow"].from_ms, 8);
  EXPECT_EQ(found["policy:@shadow"].actor, "eve");
  EXPECT_FALSE(found["policy:Production"].from_known);
  EXPECT_EQ(found["policy:Production"].policy, "");
  EXPECT_TRUE(over.timeline(ann, "plain", {})->items.empty());
  // What follows continues the numbers.
  ASSERT_TRUE(reopened.set_alias(bob, "fraud", "other", 2).ok());
  const auto all = over.timeline(ann, "fraud", {.kind = Span::Kind::kAlias}).value().items;
  std::set<int64_t> numbers;
  for (const Span& s : all) numbers.insert(s.n);
  EXPECT_EQ(numbers, (std::set<int64_t>{1, 2, 3}));
}

// Whatever happens in whatever order, the timeline says of each past moment what was there then.
TEST_P(TimelineTest, TellsWhatWasThere) {
  Imports imports(*registry);
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    gen::Dice dice = gen::Dice::seeded(seed);
    ASSERT_TRUE(registry->rename_model(ann, "fraud", "old-" + std::to_string(seed)).ok());
    ASSERT_TRUE(registry->create_model(ann, "fraud", {}, {}).ok());
    for (int n = 1; n <= 3; ++n) add("models:/m-" + std::to_string(n));
    std::map<int64_t, std::string> was;
    for (int step = 0; step < 40; ++step) {
      clock.advance_ms(1 + static_cast<int64_t>(dice.below(1000)));
      const auto n = static_cast<int64_t>(1 + dice.below(4));
      const std::string alias = dice.below(2) == 0 ? "a" : "champion";
      const std::string target = dice.below(2) == 0 ? "@a" : "Production";
      switch (dice.below(9)) {
        case 0:
        case 1:
          ignore(registry->set_alias(bob, "fraud", alias, n), "any");
          break;
        case 2:
          ignore(registry->delete_alias(bob, "fraud", alias), "any");
          break;
        case 3:
          ignore(governance->set_policy(ann, "fraud",
                                        policy(dice.below(2) ? R"({"gate":false})" : "{}", target)),
                 "any");
          break;
        case 4:
          ignore(governance->drop_policy(ann, "fraud", target), "any");
          break;
        case 5:
          ignore(registry->evaluate_gate(ann, "fraud", n, {{.metric = "acc", .bound = 0.5}}),
                 "any");
          ignore(governance->approve(bob, "fraud", n,
                                     {.target = target, .ask_if_missing = true, .apply = true}),
                 "any");
          break;
        case 6:
          ignore(registry->rollback(eve, "fraud", "x"), "any");
          break;
        case 7:
          ignore(registry->delete_version(ann, "fraud", n), "any");
          break;
        default: {
          Version v;
          v.model = "fraud";
          v.number = 4 + n;
          v.source = v.location = "s3://b";
          v.aliases = {alias};
          v.created_ms = v.updated_ms = clock.now_ms();
          ignore(imports.version(ann, v, dice.below(2) == 0), "any");
          break;
        }
      }
      was[clock.now_ms()] = now();
    }
    for (const auto& [ms, text] : was) EXPECT_EQ(at(ms), text);
  }
}

// Answers exactly as the services do: what it allows succeeds, what it refuses fails for the reason
// it gives, or changes nothing.
TEST_P(TimelineTest, ActionsSayWhatTheServicesDo) {
  std::map<std::string, int> seen;
  for (uint64_t seed = 1; seed <= 9; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    gen::Dice dice = gen::Dice::seeded(seed);
    ASSERT_TRUE(registry->rename_model(ann, "fraud", "old-" + std::to_string(seed)).ok());
    ASSERT_TRUE(registry->create_model(ann, "fraud", {}, {}).ok());
    for (int n = 1; n <= 3; ++n) add("models:/m-" + std::to_string(n));
    if (seed % 2 == 0) {
      ASSERT_EQ(set_policy(R"({"approvers":["bob"]})", "@shadow"), "");
    }
    if (seed % 3 == 0) release(1);
    const std::vector<Ctx> people = {ann, bob, eve, acting("ci", "service")};
    const std::vector<std::string> targets = {"Production", "Production", "Staging", "@shadow"};
    Ctx who;
    int64_t n = 0;
    std::string target;
    for (int step = 0; step < 60; ++step) {
      clock.advance_ms(static_cast<int64_t>(dice.below(kDayMs)));
      if (step == 0 || dice.below(3) > 0) {  // Else the same person looks at the same again.
        who = people[dice.below(people.size())];
        n = static_cast<int64_t>(1 + dice.below(3));
        target = targets[dice.below(targets.size())];
      }
      if (dice.below(6) == 0) gate(n);
      const ActionKind kind = kActionKinds[dice.below(std::size(kActionKinds))];
      const auto told = governance->explain(who, "fraud", n, target).value();
      const Caller caller{
          .uid = who.actor_uid, .kind = who.actor_kind, .may_edit = true, .may_manage = true};
      const Action action = told.actions(caller, {}).at(static_cast<size_t>(kind));
      ASSERT_EQ(action.kind, kind);
      SCOPED_TRACE(std::string(action_name(kind)) + " " + target + " by " + who.actor_uid + ": " +
                   action.reason);
      ++seen[std::string(action_name(kind)) + ":" + action.reason];
      // A rollback names no version of its own, and an alias has none.
      if (kind == ActionKind::kRollback &&
          (target.starts_with('@') || action.reason == "model_version.not_live"))
        continue;
      const std::string answer = act(kind, who, n, target);
      const bool again =
          (action.reason == "request.exists" && told.request &&
           told.request->requester == who.actor_uid) ||
          action.reason == "request.approved" ||
          (action.reason == "model_version.holds_target" && kind == ActionKind::kPromote);
      ASSERT_EQ(answer, again ? "" : action.reason);
    }
  }
  // The walk has met what there is to meet.
  for (const char* met : {"request:",
                          "request:request.exists",
                          "request:model_version.holds_target",
                          "approve:",
                          "approve:model_version.own_work",
                          "approve:request.own_request",
                          "approve:request.service",
                          "approve:model_version.holds_target",
                          "approve:request.approved",
                          "reject:",
                          "cancel:",
                          "cancel:request.not_found",
                          "cancel:request.not_requester",
                          "promote:",
                          "promote:model_version.not_approved",
                          "promote:model_version.gate_missing",
                          "promote:model_version.holds_target",
                          "promote:model.protected",
                          "rollback:",
                          "rollback:model_version.no_previous"})
    EXPECT_GT(seen[met], 0) << met;
}

}  // namespace
}  // namespace slip::registry
