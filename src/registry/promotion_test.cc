#include "registry/promotion.h"

#include <cmath>

#include <gtest/gtest.h>

#include "registry/policy_json.h"

namespace slip::registry {
namespace {

CheckResult champion_check(int64_t against) {
  CheckResult out;
  out.check = {.kind = Check::Kind::kChampion, .metric = "acc", .bound = 0};
  out.value = 1.0;
  out.champion_version = against;
  out.passed = true;
  return out;
}

CheckResult failed_floor() {
  CheckResult out;
  out.check = {.kind = Check::Kind::kFloor, .metric = "acc", .bound = 0.9};
  out.value = 0.5;
  out.detail = "acc 0.5 < 0.9";
  return out;
}

Gate gate_of(std::vector<CheckResult> checks, bool passed, const std::string& digest = "d1") {
  return {.passed = passed,
          .evaluated_ms = 1,
          .actor = "ann",
          .digest = digest,
          .checks = std::move(checks)};
}

// Ann registered it and asked; everything holds but for what a case changes.
struct Scene {
  Version version;
  Policy policy;
  Request request;
  bool asked = true;
  std::vector<std::string> authors = {"ann"};
  int64_t champion = 0;
  std::vector<Waiver> waivers;
  std::optional<Review> review;
  int64_t now_ms = 1000;

  Scene() {
    version.number = 3;
    version.digest = "d1";
    version.gate = gate_of({}, true);
    policy.target = "Production";
    request.requester = "ann";
    request.expires_ms = 2000;
    request.plan = RollbackPlan{.version = 1, .digest = "d0", .owner = "ann", .valid = true};
  }
  Candidate candidate() const {
    return {.version = version,
            .policy = policy,
            .request = asked ? &request : nullptr,
            .authors = authors,
            .champion = champion,
            .waivers = waivers,
            .review = review,
            .now_ms = now_ms};
  }
  void approve(const std::string& actor) {
    request.approvals.push_back({.actor = actor,
                                 .approved = true,
                                 .comment = "",
                                 .created_ms = 1,
                                 .binding = binding_of(candidate()),
                                 .digest = version.digest,
                                 .voided_ms = 0});
  }
  std::string missing() const {
    const Status status = may_promote(candidate());
    return status.ok() ? "" : status.error().reason;
  }
};

struct Turn {
  const char* name;
  void (*arrange)(Scene&);  // Before bob approves.
  void (*then)(Scene&);     // After.
  const char* reason;
};
void nothing(Scene&) {}

void expect(std::initializer_list<Turn> cases) {
  for (const Turn& c : cases) {
    SCOPED_TRACE(c.name);
    Scene scene;
    c.arrange(scene);
    scene.approve("bob");
    c.then(scene);
    EXPECT_EQ(scene.missing(), c.reason);
  }
}

TEST(Promotion, AGateOnTheseBytesAgainstWhoReigns) {
  expect({
      {"everything", nothing, nothing, ""},
      {"no files here", [](Scene& s) { s.version.digest = ""; }, nothing,
       "model_version.no_digest"},
      {"no gate", [](Scene& s) { s.version.gate.reset(); }, nothing, "model_version.gate_missing"},
      {"a gate on other bytes", [](Scene& s) { s.version.gate->digest = "d0"; }, nothing,
       "model_version.gate_missing"},
      {"a failed gate", [](Scene& s) { s.version.gate = gate_of({failed_floor()}, false); },
       nothing, "model_version.gate_failed"},
      {"a failed check, waived",
       [](Scene& s) {
         s.version.gate = gate_of({failed_floor()}, false);
         s.waivers = {{.uid = "w", .version = 3, .check = "floor:acc", .expires_ms = 1500}};
       },
       nothing, ""},
      {"a waiver that has ended",
       [](Scene& s) {
         s.version.gate = gate_of({failed_floor()}, false);
         s.waivers = {{.uid = "w", .version = 3, .check = "floor:acc", .expires_ms = 1500}};
       },
       [](Scene& s) { s.now_ms = 1500; }, "model_version.gate_failed"},
      {"a waiver of another check",
       [](Scene& s) {
         s.version.gate = gate_of({failed_floor()}, false);
         s.waivers = {{.uid = "w", .version = 3, .check = "floor:f1", .expires_ms = 1500}};
       },
       nothing, "model_version.gate_failed"},
      {"the policy asks for a check that was not made",
       [](Scene& s) { s.policy.checks = {{.kind = Check::Kind::kScan}}; }, nothing,
       "model_version.gate_missing"},
      {"compared with who reigns",
       [](Scene& s) {
         s.champion = 2;
         s.version.gate = gate_of({champion_check(2)}, true);
       },
       nothing, ""},
      {"the champion changed",
       [](Scene& s) {
         s.champion = 2;
         s.version.gate = gate_of({champion_check(2)}, true);
       },
       [](Scene& s) { s.champion = 4; }, "model_version.gate_missing"},
  });
}

TEST(Promotion, AnApprovalOfWhatIsThere) {
  expect({
      {"nobody asked", nothing, [](Scene& s) { s.asked = false; }, "model_version.not_approved"},
      {"the request has expired", nothing, [](Scene& s) { s.now_ms = 2000; }, "request.expired"},
      {"other bytes than were approved", nothing,
       [](Scene& s) {
         s.version.digest = "d2";
         s.version.gate->digest = "d2";
       },
       "model_version.not_approved"},
      {"another finding than was approved", nothing,
       [](Scene& s) { s.version.gate = gate_of({champion_check(0)}, true); },
       "model_version.not_approved"},
      {"the same finding again", nothing, [](Scene& s) { s.version.gate->evaluated_ms = 9; }, ""},
      {"another policy than was approved under", nothing,
       [](Scene& s) { s.policy.request_ttl_ms = 5; }, "model_version.not_approved"},
      {"another way back than was approved", nothing, [](Scene& s) { s.request.plan->version = 2; },
       "model_version.not_approved"},
      {"a waiver that the approver has not seen", nothing,
       [](Scene& s) {
         s.waivers = {{.uid = "w", .version = 3, .check = "floor:acc", .expires_ms = 1500}};
       },
       "model_version.not_approved"},
      {"the approver turns out to be an author", nothing,
       [](Scene& s) { s.authors.push_back("bob"); }, "model_version.not_approved"},
      {"voided", nothing, [](Scene& s) { s.request.approvals[0].voided_ms = 5; },
       "model_version.not_approved"},
  });
}

TEST(Promotion, WhoseApprovalCounts) {
  expect({
      {"two are wanted", [](Scene& s) { s.policy.approvals = 2; }, nothing,
       "model_version.not_approved"},
      {"the same person twice is one", [](Scene& s) { s.policy.approvals = 2; },
       [](Scene& s) { s.approve("bob"); }, "model_version.not_approved"},
      {"two people", [](Scene& s) { s.policy.approvals = 2; }, [](Scene& s) { s.approve("eve"); },
       ""},
      {"the requester doesn't count", [](Scene& s) { s.policy.approvals = 2; },
       [](Scene& s) {
         s.request.requester = "eve";
         s.approve("eve");
       },
       "model_version.not_approved"},
      {"one whom the policy doesn't name", [](Scene& s) { s.policy.approvers = {"eve"}; }, nothing,
       "model_version.not_approved"},
      {"taken back", nothing,
       [](Scene& s) {
         s.approve("bob");
         s.request.approvals.back().approved = false;
       },
       "model_version.not_approved"},
  });
}

TEST(Promotion, AWayBackAndAReview) {
  expect({
      {"no plan", [](Scene& s) { s.request.plan.reset(); }, nothing, "rollback_plan.missing"},
      {"a plan that broke", nothing, [](Scene& s) { s.request.plan->valid = false; },
       "rollback_plan.invalid"},
      {"no plan asked for",
       [](Scene& s) {
         s.policy.rollback_plan = false;
         s.request.plan.reset();
       },
       nothing, ""},
      {"no review", [](Scene& s) { s.policy.review = true; }, nothing, "review.missing"},
      {"a review of other bytes",
       [](Scene& s) {
         s.policy.review = true;
         s.review = Review{.uid = "r", .digest = "d0", .state = ReviewState::kPassed};
       },
       nothing, "review.missing"},
      {"a review that passed",
       [](Scene& s) {
         s.policy.review = true;
         s.review = Review{.uid = "r", .digest = "d1", .state = ReviewState::kPassed};
       },
       nothing, ""},
  });
}

TEST(Promotion, WhoMayApprove) {
  Policy policy;
  policy.target = "Production";
  Request request;
  request.requester = "rob";
  const std::vector<std::string> authors = {"ann"};
  const auto reason = [&](const char* who, const char* kind) {
    const Status s = may_approve({who, kind}, policy, &request, authors);
    return s.ok() ? std::string() : s.error().reason;
  };
  EXPECT_EQ(reason("ann", "user"), "model_version.own_work");
  EXPECT_EQ(reason("rob", "user"), "request.own_request");
  EXPECT_EQ(reason("bob", "user"), "");
  EXPECT_EQ(reason("ci", "service"), "request.service");
  policy.services_approve = true;
  EXPECT_EQ(reason("ci", "service"), "");
  policy.approvers = {"eve"};
  EXPECT_EQ(reason("bob", "user"), "request.not_approver");
  EXPECT_EQ(reason("eve", "user"), "");
}

// "allowed", or the reason; with who could instead.
std::string said(const Scene& scene, ActionKind kind, const Caller& caller,
                 const Standing& standing = {}) {
  const std::vector<Caller> others = {
      {.uid = "ann", .kind = "user", .may_edit = true, .may_manage = true},
      {.uid = "bob", .kind = "user", .may_edit = true, .may_manage = false},
      {.uid = "eve", .kind = "user", .may_edit = true, .may_manage = true},
      {.uid = "ci", .kind = "service", .may_edit = true, .may_manage = false},
      {.uid = "rob", .kind = "user", .may_edit = false, .may_manage = false}};
  const std::vector<Action> all = actions(scene.candidate(), standing, caller, others);
  EXPECT_EQ(all.size(), std::size(kActionKinds));
  const Action& action = all.at(static_cast<size_t>(kind));
  EXPECT_EQ(action.kind, kind);
  EXPECT_FALSE(action.detail.empty());
  std::string out = action.allowed ? "allowed" : action.reason;
  for (const std::string& uid : action.who) out += " " + uid;
  return out;
}

TEST(Promotion, ActionsOfEachCaller) {
  using K = ActionKind;
  const auto person = [](const char* uid, bool edit = true, bool manage = true) {
    return Caller{.uid = uid, .kind = "user", .may_edit = edit, .may_manage = manage};
  };
  struct Case {
    const char* name;
    void (*arrange)(Scene&);
    K kind;
    Caller caller;
    const char* says;
  };
  const auto unasked = [](Scene& s) { s.asked = false; };
  const auto live = [](Scene& s) { s.version.stage = Stage::kProduction; };
  const auto live_unasked = [](Scene& s) {
    s.version.stage = Stage::kProduction;
    s.asked = false;
  };
  const auto approved = [](Scene& s) { s.approve("bob"); };
  const auto broken = [](Scene& s) { s.request.plan->valid = false; };
  const auto expired = [](Scene& s) { s.now_ms = 2000; };
  const auto named = [](Scene& s) { s.policy.approvers = {"eve"}; };
  const Case cases[] = {
      {"asks", unasked, K::kRequest, person("ann"), "allowed"},
      {"asks again", nothing, K::kRequest, person("ann"), "request.exists"},
      {"asks after it expired", expired, K::kRequest, person("ann"), "allowed"},
      {"asks for what it holds", live_unasked, K::kRequest, person("ann"),
       "model_version.holds_target"},
      {"a reader asks", unasked, K::kRequest, person("rob", false, false),
       "auth.forbidden ann bob eve ci"},
      {"somebody else approves", nothing, K::kApprove, person("bob"), "allowed"},
      {"nobody has asked", unasked, K::kApprove, person("bob"), "allowed"},
      {"the author", nothing, K::kApprove, person("ann"), "model_version.own_work bob eve"},
      {"the author, who has not asked", unasked, K::kApprove, person("ann"),
       "model_version.own_work bob eve"},
      {"not named", named, K::kApprove, person("bob"), "request.not_approver eve"},
      {"a service",
       nothing,
       K::kApprove,
       {.uid = "ci", .kind = "service", .may_edit = true, .may_manage = true},
       "request.service bob eve"},
      {"once more", approved, K::kApprove, person("bob"), "request.approved eve"},
      {"what holds the target", live, K::kApprove, person("bob"), "model_version.holds_target"},
      {"what holds it and nobody asked", live_unasked, K::kApprove, person("bob"),
       "model_version.holds_target"},
      {"too late", expired, K::kApprove, person("bob"), "request.expired"},
      {"without a way back", broken, K::kApprove, person("bob"), "rollback_plan.invalid"},
      {"the author withdraws", nothing, K::kReject, person("ann"), "allowed"},
      {"anybody rejects", nothing, K::kReject, person("bob"), "allowed"},
      {"nobody asked", unasked, K::kReject, person("bob"), "allowed"},
      {"an open request of what holds it", live, K::kReject, person("bob"), "allowed"},
      {"nothing to reject", live_unasked, K::kReject, person("bob"), "model_version.holds_target"},
      {"takes it back", nothing, K::kCancel, person("ann"), "allowed"},
      {"another's", nothing, K::kCancel, person("bob"), "request.not_requester ann"},
      {"none there", unasked, K::kCancel, person("ann"), "request.not_found"},
      {"everything holds", approved, K::kPromote, person("eve"), "allowed"},
      {"an editor", approved, K::kPromote, person("bob", true, false), "auth.forbidden ann eve"},
      {"not approved", nothing, K::kPromote, person("eve"), "model_version.not_approved"},
      {"there already", live, K::kPromote, person("eve"), "model_version.holds_target"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Scene scene;
    c.arrange(scene);
    EXPECT_EQ(said(scene, c.kind, c.caller), c.says);
  }
}

TEST(Promotion, ActionsByWhereItStands) {
  using K = ActionKind;
  const Caller eve{.uid = "eve", .kind = "user", .may_edit = true, .may_manage = true};
  const Caller bob{.uid = "bob", .kind = "user", .may_edit = true, .may_manage = false};
  Scene s;
  s.version.stage = Stage::kProduction;
  EXPECT_EQ(said(s, K::kRollback, eve, {.holder = 3, .back_to = 2}), "allowed");
  EXPECT_EQ(said(s, K::kRollback, bob, {.holder = 3, .back_to = 2}), "auth.forbidden ann eve");
  EXPECT_EQ(said(s, K::kRollback, eve, {.holder = 3}), "model_version.no_previous");
  EXPECT_EQ(said(s, K::kRollback, eve, {.holder = 4, .back_to = 2}), "model_version.not_live");
  // A stage with a way back has one holder: one beside another may still take it alone.
  EXPECT_EQ(said(s, K::kApprove, bob, {.shared = true}), "allowed");
  s.policy.rollback_plan = false;
  EXPECT_EQ(said(s, K::kApprove, bob, {.shared = true}), "model_version.holds_target");
  s.policy.target = "Staging";
  EXPECT_EQ(said(s, K::kPromote, eve, {.is_free = true}), "allowed");
  EXPECT_EQ(said(s, K::kPromote, eve, {.is_free = true, .kept_by = "Production"}),
            "model.protected");
  s.policy.target = "@shadow";
  EXPECT_EQ(said(s, K::kPromote, eve, {.is_free = true, .kept_by = "Production"}), "allowed");
  EXPECT_EQ(said(s, K::kRollback, eve, {.holder = 3, .back_to = 2}), "rollback.alias");
  s.version.aliases = {"shadow"};
  EXPECT_EQ(said(s, K::kPromote, eve, {.is_free = true}), "model_version.holds_target");
}

TEST(Promotion, ChecksAgainstWhatWasMeasured) {
  const double nan = std::nan("");
  const Check floor{.kind = Check::Kind::kFloor, .metric = "acc", .bound = 0.8};
  const Check champion{.kind = Check::Kind::kChampion, .metric = "acc", .bound = 0.01};
  struct Case {
    const char* name;
    Check check;
    Measured measured;
    bool passed;
  };
  const Case cases[] = {
      {"at the floor", floor, {.value = 0.8}, true},
      {"below", floor, {.value = 0.79}, false},
      {"no metric", floor, {}, false},
      {"NaN", floor, {.value = nan}, false},
      {"no champion", champion, {.value = 0.1}, true},
      {"no champion and no metric", champion, {}, false},
      {"within", champion, {.value = 0.795, .champion = 1, .champion_value = 0.8}, true},
      {"worse", champion, {.value = 0.78, .champion = 1, .champion_value = 0.8}, false},
      {"a champion without it", champion, {.value = 0.9, .champion = 1}, false},
      {"a champion with NaN",
       champion,
       {.value = 0.9, .champion = 1, .champion_value = nan},
       false},
  };
  for (const Case& c : cases) EXPECT_EQ(evaluate(c.check, c.measured).passed, c.passed) << c.name;
}

Tenure production(int64_t n, int64_t version, int64_t back_n) {
  return {.n = n,
          .stage = Stage::kProduction,
          .version = version,
          .from_ms = n,
          .to_ms = {},
          .actor = "ann",
          .reason = "",
          .back_n = back_n};
}

TEST(Promotion, RollbackFollowsTheChain) {
  const std::vector<Tenure> tenures = {production(1, 1, 0), production(2, 2, 1),
                                       production(3, 3, 2)};
  const auto to = [&](const Tenure& from, const std::vector<int64_t>& living) -> int64_t {
    const Tenure* t = rollback_target(tenures, from, living);
    return t ? t->version : 0;
  };
  EXPECT_EQ(to(tenures[2], {1, 2, 3}), 2);
  EXPECT_EQ(to(tenures[2], {1, 3}), 1);
  EXPECT_EQ(to(tenures[2], {3}), 0);
  EXPECT_EQ(to(tenures[0], {1, 2, 3}), 0);
}

// What is read is written as it was read; the same meaning is the same record.
TEST(PolicyJson, ChecksRoundTrip) {
  const char* good[] = {
      R"({"kind":"floor","metric":"acc","min":0.5})",
      R"({"kind":"champion","metric":"acc"})",
      R"({"kind":"holdout","metric":"auc","dataset":"h","version":3,"label":"y"})",
      R"({"kind":"holdout","metric":"rmse","max_regression":0.1,"dataset":"h",)"
      R"("version":3,"label":"y","alpha":0.01})",
      R"({"kind":"slices","metric":"accuracy","min":0.7,"dataset":"h",)"
      R"("version":1,"label":"y","slice":"region","max_regression":0.05})",
      R"({"kind":"latency","quantile":"p99","max_ms":5})",
      R"({"kind":"size","max_bytes":1000000})",
      R"({"kind":"signature"})",
      R"({"kind":"scan"})",
      R"({"kind":"scan","name":"files","allow_unknown":true})",
      R"({"kind":"behaviour","tests":[{"name":"t","kind":"minimum","input":{"a":1},"equals":1}]})",
  };
  for (const char* text : good) {
    SCOPED_TRACE(text);
    const auto check = read_check(codec::parse_json(text).value());
    ASSERT_TRUE(check.ok()) << check.error().text;
    const auto again = read_check(check_json(*check));
    ASSERT_TRUE(again.ok()) << again.error().text;
    EXPECT_EQ(*check, *again);
    EXPECT_FALSE(check->name().empty());
  }
}

TEST(PolicyJson, NonsenseIsRefused) {
  struct Case {
    const char* text;
    const char* reason;
  };
  const Case cases[] = {
      {R"({"kind":"guess"})", "gate.kind"},
      {R"({"kind":"floor","metric":"","min":1})", "gate.metric"},
      {R"({"kind":"floor","metric":"a"})", "request.missing_field"},
      {R"({"kind":"champion","metric":"a","max_regression":-1})", "gate.bound"},
      {R"({"kind":"size","max_bytes":-1})", "gate.bound"},
      {R"({"kind":"latency","quantile":"p42","max_ms":1})", "gate.metric"},
      {R"({"kind":"holdout","metric":"f7","dataset":"h","version":1,"label":"y"})", "gate.metric"},
      {R"({"kind":"holdout","metric":"auc","dataset":"h","version":0,"label":"y"})", "gate.option"},
      {R"({"kind":"holdout","metric":"auc","dataset":"h","version":1,"label":"y",)"
       R"("test":"mcnemar"})",
       "gate.option"},
      {R"({"kind":"holdout","metric":"accuracy","max_regression":0.1,)"
       R"("dataset":"h","version":1,"label":"y"})",
       "gate.option"},
      {R"({"kind":"holdout","metric":"auc","dataset":"h","version":1,"label":"y","alpha":0.7})",
       "gate.option"},
      {R"({"kind":"slices","metric":"auc","min":1,"dataset":"h","version":1,"label":"y"})",
       "request.missing_field"},
      {R"({"kind":"behaviour","tests":[]})", "behaviour.tests"},
      {R"({"kind":"behaviour"})", "behaviour.tests"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    const auto check = read_check(codec::parse_json(c.text).value());
    ASSERT_FALSE(check.ok());
    EXPECT_EQ(check.error().reason, c.reason);
  }
  const auto twice = codec::parse_json(R"([{"kind":"scan"},{"kind":"scan"}])").value();
  EXPECT_EQ(read_checks(twice).error().reason, "gate.name");
}

TEST(PolicyJson, PoliciesRoundTripAndHaveBounds) {
  const auto read = [](const char* text, const std::string& target = "Production") {
    return read_policy(codec::parse_json(text).value(), target);
  };
  const Policy p =
      read(R"({"approvals":2,"approvers":["a","b"],"checks":[{"kind":"scan"}],"review":true})")
          .value();
  EXPECT_EQ(policy_json(read_policy(policy_json(p), p.target).value()), policy_json(p));
  EXPECT_TRUE(p.rollback_plan);
  EXPECT_FALSE(read("{}", "@shadow")->rollback_plan);
  EXPECT_EQ(read(R"({"rollback_plan":true})", "@shadow").error().reason, "policy.rollback_plan");
  EXPECT_EQ(read(R"({"approvals":-1})").error().reason, "policy.approvals");
  EXPECT_EQ(read(R"({"approvals":3,"approvers":["a"]})").error().reason, "policy.approvals");
  EXPECT_EQ(read(R"({"gate":false,"checks":[{"kind":"scan"}]})").error().reason, "policy.gate");
  EXPECT_EQ(read(R"({"request_ttl_ms":0})").error().reason, "policy.request_ttl");
  EXPECT_EQ(read(R"({"approvers":[1]})").error().reason, "policy.principals");
}

}  // namespace
}  // namespace slip::registry
