#include "registry/governance.h"

#include <map>

#include <gtest/gtest.h>

#include "base/text.h"
#include "codec/hash.h"
#include "core/hold/hold.h"
#include "core/ledger/ledger.h"
#include "core/sign/sign.h"
#include "registry/attest.h"
#include "registry/policy_json.h"
#include "sys/executor.h"
#include "sys/log.h"
#include "sys/rng.h"
#include "sys/sim/sim_fs.h"
#include "test/fake/clock.h"
#include "test/gen/dice.h"
#include "test/registry/governance_world.h"
#include "test/store/dbs.h"

namespace slip::registry {
namespace {

SLIP_EVERY_DB(GovernanceTest);

class RegistrySchemaTest : public test::DbTest {};
SLIP_EVERY_DB(RegistrySchemaTest);

TEST_P(RegistrySchemaTest, OpensFromEveryVersion) {
  test::expect_migrates_from_every_version(*this, migrations());
}

// What people decided with the first version of the tables is there afterwards.
TEST_P(GovernanceTest, OldStagesAndApprovalsMoveOver) {
  store::Db& old = another();
  std::vector<store::Migration> steps(ledger::migrations().begin(), ledger::migrations().end());
  steps.push_back(migrations()[0]);
  ASSERT_TRUE(store::migrate(old, steps).ok());
  ASSERT_TRUE(
      old.write([&](store::Tx& tx) -> Status {
           TRY(tx.exec(
               "INSERT INTO registered_model VALUES ('default', 'u', 'fraud', NULL, 'ann', 1, 1,"
               " 1, 2, NULL)",
               {}));
           for (const int64_t n : {1, 2}) {
             TRY(tx.exec(
                 "INSERT INTO model_version VALUES ('default', 'u', ?, ?, ?, 's', 'l', '', NULL,"
                 " '', NULL, 'ann', 1, 1, 'sha256:x', NULL)",
                 {n, n == 1 ? "v1" : "v2", n == 1 ? int64_t{2} : int64_t{0}}));
             TRY(tx.exec(
                 "INSERT INTO model_version_approval VALUES ('default', 'u', ?, 'bob', 1, 'read',"
                 " 5, 'sha256:x')",
                 {n}));
           }
           TRY(tx.exec(
               "INSERT INTO stage_tenure VALUES ('default', 'u', 1, 2, 1, 7, NULL, 'bob', '', 0)",
               {}));
           return {};
         })
          .ok());
  steps.insert(steps.end(), migrations().begin() + 1, migrations().end());
  ASSERT_TRUE(store::migrate(old, steps).ok());
  Registry reopened(Registry::Deps{old, *blobs, *events, clock, real_rng(), *origins});
  EXPECT_EQ(reopened.get_version(ann, "fraud", 1)->stage, Stage::kProduction);
  EXPECT_EQ(reopened.get_version(ann, "fraud", 2)->stage, Stage::kNone);
  EXPECT_EQ(reopened.history(ann, "fraud")->at(0).stage, Stage::kProduction);
  EXPECT_EQ(reopened.get_version(ann, "fraud", 1)->approvals.at(0).comment, "read");
  EXPECT_TRUE(reopened.get_version(ann, "fraud", 2)->approvals.empty());  // Kept, but void.
  const auto requests = Governance(reopened).requests(ann, "fraud", 2, false).value();
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0].state, RequestState::kExpired);
  EXPECT_NE(requests[0].approvals.at(0).voided_ms, 0);
}

TEST_P(GovernanceTest, RequestRefuseOwnApprovalApproveTransition) {
  const int64_t one = add();
  origins->authors_of["models:/m-1"] = {"eve"};
  EXPECT_EQ(approve(bob, one), "request.not_found");
  EXPECT_EQ(ask(one, {}, acting("rob")), "");
  EXPECT_EQ(ask(one, {}, acting("rob")), "");  // The same again.
  EXPECT_EQ(ask(one, {}, bob), "request.exists");
  EXPECT_EQ(approve(acting("rob"), one), "request.own_request");
  EXPECT_EQ(approve(ann, one), "model_version.own_work");  // She registered it.
  EXPECT_EQ(approve(eve, one), "model_version.own_work");  // She made the run.
  EXPECT_EQ(approve(acting("ci", "service"), one), "request.service");
  gate(one);
  const auto done = governance->approve(bob, "fraud", one, {.apply = true}).value();
  EXPECT_EQ(done.pending, "");
  EXPECT_EQ(done.version.stage, Stage::kProduction);
  EXPECT_EQ(done.request.state, RequestState::kApplied);
  EXPECT_EQ(told("approval.requested"), 1);
  EXPECT_EQ(told("approval.granted"), 1);
  EXPECT_EQ(told("stage.transitioned"), 1);
  EXPECT_EQ(told("approval.applied"), 1);
}

TEST_P(GovernanceTest, AnApprovalIsVoidWhenAnythingChanges) {
  const int64_t one = add();
  const auto open = [&] { return governance->requests(ann, "fraud", one, true)->at(0); };
  const auto standing = [&] {
    int64_t n = 0;
    for (const RequestApproval& a : open().approvals) n += a.voided_ms == 0;
    return n;
  };
  gate(one);
  ASSERT_EQ(ask(one), "");
  ASSERT_EQ(approve(bob, one), "");
  EXPECT_EQ(missing(one), "");
  gate(one);  // Found the same: nothing has changed.
  EXPECT_EQ(missing(one), "");
  EXPECT_EQ(told("approval.voided"), 0);
  ASSERT_TRUE(registry
                  ->evaluate_gate(ann, "fraud", one,
                                  {{.kind = Check::Kind::kFloor, .metric = "acc", .bound = 0.6}})
                  .ok());
  EXPECT_EQ(missing(one), "model_version.not_approved");
  EXPECT_EQ(standing(), 0);
  EXPECT_EQ(told("approval.voided"), 1);
  EXPECT_EQ(reason(registry->promote(bob, "fraud", one)), "model_version.not_approved");
  ASSERT_EQ(approve(bob, one), "");
  EXPECT_EQ(missing(one), "");
  ASSERT_EQ(set_policy(R"({"approvals":1,"request_ttl_ms":1000000})"), "");
  EXPECT_EQ(missing(one), "model_version.not_approved");
  ASSERT_EQ(approve(bob, one), "");
  EXPECT_EQ(reason(registry->promote(eve, "fraud", one)), "");
}

TEST_P(GovernanceTest, SeveralMustApprove) {
  const int64_t one = add();
  ASSERT_EQ(set_policy(R"({"approvals":2,"approvers":["bob","eve","joe"]})"), "");
  gate(one);
  ASSERT_EQ(ask(one), "");
  EXPECT_EQ(approve(acting("max"), one), "request.not_approver");
  const auto first = governance->approve(bob, "fraud", one, {.apply = true}).value();
  EXPECT_EQ(first.version.stage, Stage::kNone);
  EXPECT_NE(first.pending.find("1 of 2"), std::string::npos);
  EXPECT_EQ(approve(bob, one, {.apply = true}), "");  // Again is no second.
  EXPECT_EQ(stage(one), "None");
  EXPECT_EQ(approve(eve, one, {.apply = true}), "");
  EXPECT_EQ(stage(one), "Production");
}

TEST_P(GovernanceTest, RejectedCancelledExpired) {
  const int64_t one = add();
  gate(one);
  ASSERT_EQ(ask(one), "");
  ASSERT_EQ(approve(bob, one), "");
  EXPECT_EQ(reason(governance->cancel(bob, "fraud", one, {})), "request.not_requester");
  EXPECT_EQ(reason(governance->cancel(ann, "fraud", one, {}, "bob")), "request.not_found");
  EXPECT_EQ(reason(governance->reject(eve, "fraud", one, {.comment = "drifts"})), "");
  EXPECT_EQ(missing(one), "model_version.not_approved");
  EXPECT_EQ(approve(bob, one), "request.not_found");
  ASSERT_EQ(ask(one), "");
  EXPECT_EQ(reason(governance->cancel(ann, "fraud", one, {})), "");
  ASSERT_EQ(ask(one, {.ttl_ms = 1000}), "");
  clock.advance_ms(1000);
  EXPECT_EQ(approve(bob, one), "request.expired");
  EXPECT_TRUE(governance->requests(ann, "fraud", one, true)->empty());
  EXPECT_EQ(*governance->expire(acting("system")), 1);
  EXPECT_EQ(*governance->expire(acting("system")), 0);
  EXPECT_EQ(told("approval.rejected") + told("approval.cancelled") + told("approval.expired"), 3);
  std::multiset<std::string> states;
  for (const Request& r : governance->requests(ann, "fraud", one, false).value())
    states.emplace(request_state_name(r.state));
  EXPECT_EQ(states, (std::multiset<std::string>{"rejected", "cancelled", "expired"}));
}

TEST_P(GovernanceTest, AnInboxSaysWhatWaitsForWhom) {
  using Whose = Governance::Whose;
  const int64_t one = add("models:/m-1");
  const int64_t two = add("models:/m-2");
  const int64_t three = add("models:/m-3");
  ASSERT_EQ(set_policy(R"({"approvals":2,"approvers":["bob","eve"]})"), "");
  origins->authors_of["models:/m-2"] = {"eve"};
  for (const int64_t n : {one, two, three}) {
    gate(n);
    clock.advance_ms(1);
    ASSERT_EQ(ask(n), "");
  }
  // Every page of one, one after the other: "version approvals/needed state".
  const auto listed = [&](const Ctx& who, Whose whose, std::optional<RequestState> state = {}) {
    std::vector<std::string> out;
    Governance::InboxQuery query{.whose = whose, .state = state, .limit = 1};
    do {
      const auto page = governance->inbox(who, query).value();
      for (const Governance::Listed& l : page.items)
        out.push_back(concat({std::to_string(l.request.version), " ", std::to_string(l.approvals),
                              "/", std::to_string(l.needed.value_or(0)), " ",
                              request_state_name(l.request.state)}));
      query.page_token = page.next_page_token;
    } while (!query.page_token.empty());
    return out;
  };
  using Rows = std::vector<std::string>;
  EXPECT_EQ(listed(bob, Whose::kWaiting), (Rows{"3 0/2 open", "2 0/2 open", "1 0/2 open"}));
  EXPECT_EQ(listed(eve, Whose::kWaiting), (Rows{"3 0/2 open", "1 0/2 open"}));  // She made 2.
  EXPECT_EQ(listed(ann, Whose::kWaiting), Rows{});
  EXPECT_EQ(listed(acting("max"), Whose::kWaiting), Rows{});  // The policy names others.
  EXPECT_EQ(listed(ann, Whose::kMine).size(), 3U);
  EXPECT_EQ(listed(bob, Whose::kMine), Rows{});
  ASSERT_EQ(approve(bob, three), "");
  ASSERT_EQ(reason(governance->reject(bob, "fraud", two, {.comment = "no"})), "");
  EXPECT_EQ(listed(bob, Whose::kWaiting), Rows{"1 0/2 open"});
  EXPECT_EQ(listed(eve, Whose::kAll), (Rows{"3 1/2 open", "2 0/0 rejected", "1 0/2 open"}));
  EXPECT_EQ(listed(eve, Whose::kAll, RequestState::kRejected), Rows{"2 0/0 rejected"});
  gate(three);  // Nothing changed; then the policy does, and what was said is void.
  ASSERT_EQ(set_policy(R"({"approvals":1,"approvers":["bob","eve"]})"), "");
  EXPECT_EQ(listed(bob, Whose::kWaiting), (Rows{"3 0/1 open", "1 0/1 open"}));
  clock.advance_ms(kRequestTtlMs);
  EXPECT_EQ(listed(bob, Whose::kWaiting), Rows{});
  EXPECT_EQ(listed(bob, Whose::kAll, RequestState::kExpired).size(), 2U);
  EXPECT_EQ(
      reason(governance->inbox(bob, {.whose = Whose::kWaiting, .state = RequestState::kApplied})),
      "request.state");
  EXPECT_EQ(reason(governance->inbox(bob, {.page_token = "AAAA"})), "page.token");
  EXPECT_EQ(reason(governance->inbox(bob, {.limit = 0})), "page.limit");
}

TEST_P(GovernanceTest, NoPromotionWithoutAWayBack) {
  const int64_t one = add("models:/m-1");
  const int64_t two = add("models:/m-2");
  const int64_t three = add("models:/m-3");
  release(one);
  gate(two);
  EXPECT_EQ(ask(two, {.plan_version = two}), "request.plan");
  ASSERT_EQ(ask(two, {.plan_version = three}), "");
  EXPECT_EQ(approve(bob, two), "rollback_plan.invalid");  // It never held the stage.
  ASSERT_EQ(reason(governance->cancel(ann, "fraud", two, {})), "");
  trials.broken[one] = "opset 99";
  ASSERT_EQ(ask(two), "");
  EXPECT_EQ(approve(bob, two), "rollback_plan.invalid");  // It no longer loads.
  trials.broken.clear();
  ASSERT_EQ(approve(bob, two), "");
  EXPECT_EQ(missing(two), "");
  // A day later the duty looks again, and what broke stops the promotion.
  trials.broken[one] = "opset 99";
  EXPECT_EQ(*governance->check_plans(acting("system")), 0);
  clock.advance_ms(kDayMs + 1);
  EXPECT_EQ(*governance->check_plans(acting("system")), 2);  // Also that of what is live.
  EXPECT_EQ(told("rollback_plan.broken"), 1);
  EXPECT_EQ(missing(two), "rollback_plan.invalid");
  EXPECT_EQ(reason(registry->promote(bob, "fraud", two)), "rollback_plan.invalid");
  trials.broken.clear();
  clock.advance_ms(kDayMs + 1);
  ASSERT_GT(*governance->check_plans(acting("system")), 0);
  EXPECT_EQ(told("rollback_plan.restored"), 1);
  ASSERT_EQ(reason(registry->promote(bob, "fraud", two)), "");
  // And the way back is the plan's.
  release(three);
  EXPECT_EQ(registry->rollback(bob, "fraud", "bad")->number, two);
}

TEST_P(GovernanceTest, APlanMayNameAnOlderHolder) {
  const int64_t one = add("models:/m-1");
  const int64_t two = add("models:/m-2");
  const int64_t three = add("models:/m-3");
  release(one);
  release(two);
  gate(three);
  ASSERT_EQ(ask(three, {.plan_version = one, .plan_owner = "joe"}), "");
  ASSERT_EQ(approve(bob, three, {.apply = true}), "");
  EXPECT_EQ(registry->rollback(bob, "fraud", "bad", three)->number, one);
  EXPECT_EQ(stage(three), "Archived");
}

TEST_P(GovernanceTest, StagesOfItsOwn) {
  const int64_t one = add();
  for (const char* bad : {"", "1st", "a/b", "x ", "a@b"})
    EXPECT_EQ(reason(governance->declare_stage(ann, "fraud", bad)), "stage.name") << bad;
  EXPECT_EQ(reason(governance->declare_stage(ann, "fraud", "production")), "stage.exists");
  EXPECT_EQ(reason(registry->set_stage(ann, "fraud", one, Stage{"QA"}, false)), "stage.unknown");
  ASSERT_EQ(reason(governance->declare_stage(ann, "fraud", "QA")), "");
  ASSERT_EQ(reason(governance->declare_stage(ann, "fraud", "QA")), "");
  EXPECT_EQ(reason(governance->declare_stage(ann, "fraud", "qa")), "stage.exists");
  ASSERT_EQ(reason(registry->set_stage(ann, "fraud", one, Stage{"qa"}, false)), "");
  EXPECT_EQ(stage(one), "QA");
  EXPECT_EQ(registry->latest_versions(ann, "fraud", {Stage{"qa"}})->at(0).number, one);
  EXPECT_EQ(reason(governance->drop_stage(ann, "fraud", "QA")), "stage.in_use");
  // A policy makes it a protected one, on MLflow's own endpoint too.
  const int64_t two = add("models:/m-2");
  ASSERT_EQ(set_policy(R"({"gate":false})", "QA"), "");
  EXPECT_EQ(reason(registry->set_stage(bob, "fraud", two, Stage{"QA"}, false)), "model.protected");
  EXPECT_EQ(reason(registry->set_stage(bob, "fraud", one, Stage::kNone, false)), "model.protected");
  EXPECT_EQ(reason(registry->delete_version(bob, "fraud", one)), "model.protected");
  ASSERT_EQ(ask(two, {.target = "qa"}), "");
  ASSERT_EQ(approve(bob, two, {.target = "QA"}), "");
  ASSERT_EQ(reason(registry->set_stage(bob, "fraud", two, Stage{"QA"}, false)), "");
  EXPECT_EQ(stage(one), "Archived");
  EXPECT_EQ(registry->rollback(bob, "fraud", "no", 0, "QA")->number, one);
  EXPECT_EQ(stage(two), "Archived");
}

TEST_P(GovernanceTest, AliasesAreProtectedAlike) {
  const int64_t one = add("models:/m-1");
  const int64_t two = add("models:/m-2");
  ASSERT_EQ(reason(registry->set_alias(ann, "fraud", "shadow", one)), "");
  ASSERT_EQ(set_policy(R"({"gate":false})", "@shadow"), "");
  EXPECT_EQ(reason(registry->set_alias(bob, "fraud", "shadow", two)), "model.protected");
  EXPECT_EQ(reason(registry->delete_alias(bob, "fraud", "shadow")), "model.protected");
  EXPECT_EQ(reason(registry->delete_version(bob, "fraud", one)), "model.protected");
  EXPECT_EQ(reason(registry->set_alias(bob, "fraud", "other", two)), "");
  ASSERT_EQ(ask(two, {.target = "@shadow"}), "");
  EXPECT_EQ(approve(ann, two, {.target = "@shadow"}), "model_version.own_work");
  ASSERT_EQ(approve(bob, two, {.target = "@shadow"}), "");
  ASSERT_EQ(reason(registry->set_alias(bob, "fraud", "shadow", two)), "");
  EXPECT_EQ(registry->find_alias(ann, "fraud", "shadow")->number, two);
  EXPECT_EQ(set_policy("{}", "@champion"), "request.target");
}

TEST_P(GovernanceTest, WhoHeldWhatWhen) {
  const int64_t one = add("models:/m-1");
  const int64_t two = add("models:/m-2");
  const int64_t before = clock.now_ms();
  clock.advance_ms(10);
  release(one);
  const int64_t first = clock.now_ms();
  clock.advance_ms(10);
  release(two);
  const int64_t second = clock.now_ms();
  const auto holder = [&](int64_t at) {
    int64_t version = 0;
    for (const Tenure& t : registry->history(ann, "fraud", at).value())
      if (t.stage == Stage::kProduction) version = t.version;
    return version;
  };
  EXPECT_EQ(holder(before), 0);
  EXPECT_EQ(holder(first), one);
  EXPECT_EQ(holder(second - 1), one);
  EXPECT_EQ(holder(second), two);
  EXPECT_EQ(holder(second + 1000), two);
}

TEST_P(GovernanceTest, WaiversEnd) {
  const int64_t one = add();
  const Check high{.kind = Check::Kind::kFloor, .metric = "acc", .bound = 0.99};
  ASSERT_FALSE(registry->evaluate_gate(ann, "fraud", one, {high})->passed);
  const auto waive = [&](const Ctx& who, const Governance::Waive& w) {
    return reason(governance->waive(who, "fraud", one, w));
  };
  Governance::Waive wanted{.check = "floor:acc", .reason = "pilot", .expires_ms = 0};
  EXPECT_EQ(waive(eve, wanted), "waiver.expires");
  wanted.expires_ms = clock.now_ms() + 1000;
  EXPECT_EQ(waive(eve, wanted), "waiver.not_allowed");
  ASSERT_EQ(set_policy(R"({"waivers":["eve","ann"]})"), "");
  EXPECT_EQ(waive(ann, wanted), "model_version.own_work");
  wanted.check = "floor:f1";
  EXPECT_EQ(waive(eve, wanted), "waiver.check");
  wanted.check = "floor:acc";
  wanted.reason = " ";
  EXPECT_EQ(waive(eve, wanted), "waiver.reason");
  wanted.reason = "pilot";
  ASSERT_EQ(ask(one), "");
  EXPECT_EQ(missing(one), "model_version.gate_failed");
  const Waiver waiver = governance->waive(eve, "fraud", one, wanted).value();
  ASSERT_EQ(approve(bob, one), "");
  EXPECT_EQ(missing(one), "");
  clock.advance_ms(1000);
  EXPECT_EQ(missing(one), "model_version.gate_failed");
  ASSERT_EQ(reason(governance->revoke_waiver(ann, "fraud", one, waiver.uid)), "");
  EXPECT_EQ(reason(governance->revoke_waiver(ann, "fraud", one, "x")), "waiver.not_found");
}

TEST_P(GovernanceTest, AReviewIsARecord) {
  const int64_t one = add();
  ASSERT_EQ(set_policy(R"({"review":true})"), "");
  gate(one);
  Review wanted;
  wanted.title = "Annual validation";
  wanted.owner = "val";
  ReviewItem data{.wording = "data sheet read"};
  ReviewItem finding{.kind = ReviewItem::Kind::kFinding, .wording = "drifts", .severity = "high"};
  finding.owner = "ann";
  finding.due_ms = 99;
  wanted.items = {data, finding};
  Review bad = wanted;
  bad.items[1].severity = "fatal";
  EXPECT_EQ(reason(governance->open_review(eve, "fraud", one, bad)), "review.severity");
  const Review review = governance->open_review(eve, "fraud", one, wanted).value();
  ASSERT_EQ(ask(one), "");
  EXPECT_EQ(missing(one), "model_version.not_approved");
  const auto close = [&](const Ctx& who) {
    return reason(governance->close_review(
        who, "fraud", one, {.review_uid = review.uid, .passed = true, .conclusion = "sound"}));
  };
  EXPECT_EQ(close(eve), "review.unfinished");
  for (ReviewItem item : review.items) {
    item.state = item.n == 1 ? ReviewItem::State::kDone : ReviewItem::State::kAccepted;
    item.note = "seen";
    ASSERT_EQ(reason(governance->put_review_item(eve, "fraud", one, review.uid, item)), "");
  }
  EXPECT_EQ(close(ann), "model_version.own_work");
  EXPECT_EQ(close(eve), "");
  EXPECT_EQ(close(eve), "review.closed");
  ASSERT_EQ(approve(bob, one), "");
  EXPECT_EQ(missing(one), "");
  const Review kept = governance->reviews(ann, "fraud", one)->at(0);
  EXPECT_EQ(kept.items.at(1).owner, "ann");
  EXPECT_EQ(kept.items.at(1).due_ms, 99);
  EXPECT_EQ(kept.conclusion, "sound");
}

TEST_P(GovernanceTest, CommentsBelongToTheirWriters) {
  const int64_t one = add();
  EXPECT_EQ(reason(governance->add_comment(ann, "fraud", one, " ")), "comment.text");
  const Comment c = governance->add_comment(ann, "fraud", one, "why 0.5?").value();
  EXPECT_EQ(reason(governance->update_comment(bob, c.uid, "x")), "comment.not_yours");
  EXPECT_EQ(governance->update_comment(ann, c.uid, "why 0.6?")->comment, "why 0.6?");
  EXPECT_EQ(reason(governance->delete_comment(bob, c.uid)), "comment.not_yours");
  EXPECT_EQ(governance->comments(ann, "fraud", one)->size(), 1U);
  EXPECT_EQ(reason(governance->delete_comment(ann, c.uid)), "");
  EXPECT_EQ(reason(governance->delete_comment(ann, c.uid)), "comment.not_found");
}

TEST_P(GovernanceTest, EveryResultOfAGateIsSigned) {
  const int64_t one = add();
  const auto checks = read_checks(codec::parse_json(
                                      R"([{"kind":"floor","metric":"acc","min":0.95},
                                          {"kind":"size","max_bytes":1000},
                                          {"kind":"latency","quantile":"p99","max_ms":5},
                                          {"kind":"signature"}, {"kind":"scan"},
                                          {"kind":"holdout","metric":"auc","dataset":"h",
                                            "version":1,"label":"y"},
                                          {"kind":"behaviour","tests":[{"name":"t","kind":"minimum",
                                            "input":{"a":1},"equals":1}]}])")
                                      .value())
                          .value();
  const Gate gate = registry->evaluate_gate(ann, "fraud", one, checks).value();
  std::string passed;
  for (const CheckResult& r : gate.checks) passed += r.passed ? '+' : '-';
  EXPECT_EQ(passed, "-++++-+");  // 0.9 < 0.95; no datasets here.
  const std::map<std::string, std::string> keys = {{signer.keyid(), signer.public_pem()}};
  const Version v = registry->get_version(ann, "fraud", one).value();
  for (const CheckResult& r : v.gate->checks) {
    SCOPED_TRACE(r.check.name());
    const auto statement = sign::verify(r.envelope, keys);
    ASSERT_TRUE(statement.ok());
    EXPECT_EQ(statement->find("predicate")->find("result")->as_string(),
              r.passed ? "PASSED" : "FAILED");
    EXPECT_EQ(
        "sha256:" +
            statement->find("subject")->items().at(0).find("digest")->find("sha256")->as_string(),
        v.digest);
  }
  // What is shown as verified is what the record says, of these files, by a key that is known.
  const CheckResult& real = v.gate->checks.at(0);
  const auto why = [&](const CheckResult& r, const std::string& digest, bool known = true) {
    const Attestation seen = attest(r, digest, known ? keys : std::map<std::string, std::string>());
    EXPECT_EQ(seen.verified, seen.reason.empty());
    EXPECT_EQ(seen.digest, codec::sha256(r.envelope).text());
    return seen.reason;
  };
  EXPECT_EQ(why(real, v.digest), "");
  EXPECT_EQ(attest(real, v.digest, keys).keyid, signer.keyid());
  EXPECT_EQ(attest(real, v.digest, keys).payload_type, sign::kPayloadType);
  EXPECT_EQ(why(real, v.digest, false), "envelope.unknown_key");
  EXPECT_EQ(why(real, "sha256:00"), "envelope.other_statement");
  CheckResult other = real;
  other.passed = !other.passed;
  EXPECT_EQ(why(other, v.digest), "envelope.other_statement");
  other = real;
  other.value = 0.99;
  EXPECT_EQ(why(other, v.digest), "envelope.other_statement");
  other = real;
  other.check.bound = 0.1;
  EXPECT_EQ(why(other, v.digest), "envelope.other_statement");
  other = real;
  other.envelope = v.gate->checks.at(1).envelope;  // Signed, but of another check.
  EXPECT_EQ(why(other, v.digest), "envelope.other_statement");
  other.envelope = "{}";
  EXPECT_NE(why(other, v.digest), "");
  // The policy's checks are the gate's when none are given.
  ASSERT_EQ(set_policy(R"({"checks":[{"kind":"scan"}]})"), "");
  EXPECT_EQ(registry->evaluate_gate(ann, "fraud", one, {})->checks.at(0).check.name(), "scan");
}

// Whatever people do in whatever order: at most one holds Production, only after the approval of
// somebody else, and everything in the history has its event.
TEST_P(GovernanceTest, AnyHistoryKeepsTheRules) {
  for (uint64_t seed = 1; seed <= 15; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    gen::Dice dice = gen::Dice::seeded(seed);
    const std::string old = "old-" + std::to_string(seed);
    ASSERT_TRUE(registry->rename_model(ann, "fraud", old).ok());
    ASSERT_TRUE(registry->create_model(ann, "fraud", {}, {}).ok());
    for (int n = 1; n <= 3; ++n) add("models:/m-" + std::to_string(n));
    const std::vector<Ctx> people = {ann, bob, eve};
    for (int step = 0; step < 40; ++step) {
      clock.advance_ms(static_cast<int64_t>(dice.below(kDayMs)));
      const Ctx& who = people[dice.below(people.size())];
      const auto n = static_cast<int64_t>(1 + dice.below(3));
      switch (dice.below(8)) {
        case 0:
          ignore(governance->ask(who, "fraud", n, {}), "any");
          break;
        case 1:
        case 2: {
          const auto done = governance->approve(who, "fraud", n, {.apply = dice.below(2) == 0});
          if (done.ok()) {
            ASSERT_NE(who.actor_uid, "ann");  // She registered them all.
            ASSERT_NE(who.actor_uid, done->request.requester);
          }
          break;
        }
        case 3:
          ignore(governance->reject(who, "fraud", n, {}), "any");
          break;
        case 4:
          ignore(governance->cancel(who, "fraud", n, {}), "any");
          break;
        case 5:
          gate(n);
          break;
        case 6:
          ignore(registry->promote(who, "fraud", n), "any");
          break;
        default:
          ignore(registry->rollback(who, "fraud", "x"), "any");
          break;
      }
      ignore(governance->check_plans(acting("system")), "any");
      ASSERT_LE(registry->latest_versions(ann, "fraud", {Stage::kProduction})->size(), 1U);
      int open = 0;
      for (const Tenure& t : registry->history(ann, "fraud").value())
        open += t.stage == Stage::kProduction && !t.to_ms;
      ASSERT_LE(open, 1);
    }
    for (const Request& r : governance->requests(ann, "fraud", 0, false).value()) {
      if (r.state != RequestState::kApplied) continue;
      int approvals = 0;
      for (const RequestApproval& a : r.approvals) approvals += a.approved && a.voided_ms == 0;
      EXPECT_GE(approvals, 1);
    }
  }
}

}  // namespace
}  // namespace slip::registry
