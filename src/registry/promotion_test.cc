#include "registry/promotion.h"

#include <cmath>

#include <gtest/gtest.h>

namespace slip::registry {
namespace {

CheckResult champion_check(int64_t against) {
  return {.check = {.kind = Check::Kind::kChampion, .metric = "acc", .bound = 0},
          .value = 1.0,
          .threshold = {},
          .champion_version = against,
          .champion_value = {},
          .passed = true,
          .detail = {}};
}

Approval said(const std::string& actor, bool approved, const std::string& digest = "d1") {
  return {.actor = actor, .approved = approved, .comment = "", .created_ms = 1, .digest = digest};
}

TEST(Promotion, NeedsAGateAndSomebodyElse) {
  Gate good{.passed = true, .evaluated_ms = 1, .actor = "ann", .digest = "d1", .checks = {}};
  Gate bad = good;
  bad.passed = false;
  Gate other = good;
  other.digest = "d0";
  Gate against_two = good;
  against_two.checks = {champion_check(2)};
  struct Case {
    const char* name;
    std::optional<Gate> gate;
    std::vector<Approval> approvals;
    int64_t champion;
    const char* reason;
  };
  const Case cases[] = {
      {"nothing", {}, {}, 0, "model_version.gate_missing"},
      {"an approval but no gate", {}, {said("bob", true)}, 0, "model_version.gate_missing"},
      {"a failed gate", bad, {said("bob", true)}, 0, "model_version.gate_failed"},
      {"a gate on other bytes", other, {said("bob", true)}, 0, "model_version.gate_missing"},
      {"a gate alone", good, {}, 0, "model_version.not_approved"},
      {"approved by an author", good, {said("ann", true)}, 0, "model_version.not_approved"},
      {"approved other bytes", good, {said("bob", true, "d0")}, 0, "model_version.not_approved"},
      {"rejected", good, {said("bob", false)}, 0, "model_version.not_approved"},
      {"approved and rejected",
       good,
       {said("bob", true), said("eve", false)},
       0,
       "model_version.not_approved"},
      {"an author's rejection is void", good, {said("bob", true), said("ann", false)}, 0, ""},
      {"gate and approval", good, {said("bob", true)}, 0, ""},
      {"floors don't care who reigns", good, {said("bob", true)}, 9, ""},
      {"compared with who reigns", against_two, {said("bob", true)}, 2, ""},
      {"the champion changed", against_two, {said("bob", true)}, 3, "model_version.gate_missing"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Version v;
    v.digest = "d1";
    v.gate = c.gate;
    v.approvals = c.approvals;
    const Status got = may_promote({.version = v, .authors = {"ann"}, .champion = c.champion});
    EXPECT_EQ(got.ok() ? "" : got.error().reason, c.reason);
  }
  Version elsewhere;
  elsewhere.gate =
      Gate{.passed = true, .evaluated_ms = 1, .actor = "a", .digest = "", .checks = {}};
  elsewhere.approvals = {said("bob", true, "")};
  EXPECT_EQ(may_promote({.version = elsewhere, .authors = {}, .champion = 0}).error().reason,
            "model_version.no_digest");
  EXPECT_TRUE(may_judge("bob", {"ann"}).ok());
  EXPECT_EQ(may_judge("ann", {"eve", "ann"}).error().code, Code::kForbidden);
}

TEST(Promotion, ChecksCompareAsTheySay) {
  const Check floor{.kind = Check::Kind::kFloor, .metric = "acc", .bound = 0.75};
  const Check champion{.kind = Check::Kind::kChampion, .metric = "acc", .bound = 0.01};
  struct Case {
    const char* name;
    Check check;
    Measured measured;
    bool passed;
  };
  const Case cases[] = {
      {"at the floor", floor, {0.75, 0, {}}, true},
      {"below the floor", floor, {0.7499, 0, {}}, false},
      {"no metric", floor, {{}, 0, {}}, false},
      {"NaN", floor, {std::nan(""), 0, {}}, false},
      {"better than the champion", champion, {0.9, 1, 0.8}, true},
      {"worse, but within", champion, {0.795, 1, 0.8}, true},
      {"worse", champion, {0.78, 1, 0.8}, false},
      {"no champion yet", champion, {0.1, 0, {}}, true},
      {"no champion and no metric", champion, {{}, 0, {}}, false},
      {"a champion without the metric", champion, {0.9, 1, {}}, false},
      {"a champion with NaN", champion, {0.9, 1, std::nan("")}, false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const CheckResult got = evaluate(c.check, c.measured);
    EXPECT_EQ(got.passed, c.passed) << got.detail;
    EXPECT_FALSE(got.detail.empty());
  }
}

TEST(Promotion, RollbackUndoesPromotions) {
  const auto tenure = [](int64_t n, int64_t version, int64_t back) {
    Tenure t;
    t.n = n;
    t.stage = Stage::kProduction;
    t.version = version;
    t.back_n = back;
    return t;
  };
  // 1, then 2, then 3; 3 was rolled back to 2 (tenure 4 leads back to what 2 replaced).
  const std::vector<Tenure> all = {tenure(1, 1, 0), tenure(2, 2, 1), tenure(3, 3, 2),
                                   tenure(4, 2, 1)};
  EXPECT_EQ(rollback_target(all, all[2], {1, 2, 3})->version, 2);
  EXPECT_EQ(rollback_target(all, all[3], {1, 2, 3})->version, 1);  // Not 3 again.
  EXPECT_EQ(rollback_target(all, all[2], {1, 3})->version, 1);     // 2 was deleted.
  EXPECT_EQ(rollback_target(all, all[0], {1, 2, 3}), nullptr);
  EXPECT_EQ(rollback_target(all, all[2], {3}), nullptr);
}

TEST(Promotion, StagesReadInAnyCase) {
  EXPECT_EQ(parse_stage("PRODUCTION").value(), Stage::kProduction);
  EXPECT_EQ(parse_stage("none").value(), Stage::kNone);
  EXPECT_EQ(parse_stage("live").error().reason, "stage.unknown");
}

}  // namespace
}  // namespace slip::registry
