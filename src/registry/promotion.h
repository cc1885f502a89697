#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "registry/governance_types.h"
#include "registry/types.h"

// The rules of promotion, pure: no database, no clock.
namespace slip::registry {

struct Candidate {
  const Version& version;
  const Policy& policy;
  const Request* request = nullptr;  // The open one for the policy's target; null: nobody asked.
  std::vector<std::string> authors;  // Who registered it, owns its run, made its files.
  int64_t champion = 0;              // The version that holds Production now; 0: none.
  std::vector<Waiver> waivers;       // Of the version.
  std::optional<Review> review;      // Its newest one of these bytes.
  int64_t now_ms = 0;
};

// What an approval binds to: the version's bytes, the target, the policy, what the gate found, the
// waivers in force, the rollback plan and the review. When any of it changes the digest is another
// one and the approval is void. "sha256:…"
std::string binding_of(const Candidate& candidate);

// Everything that must hold, in the order in which people would look: digest, gate, approvals,
// rollback plan, review. A gate counts when it judged these very bytes, contains what the policy
// asks for, compared with the champion that reigns now, and each failed check is waived. An
// approval counts when it binds to what is there now and its giver is neither requester nor author
// and, where the policy names approvers, one of them.
// Reasons: `model_version.no_digest|gate_missing|gate_failed|not_approved`,
// `request.expired`, `rollback_plan.missing|invalid`, `review.missing`.
std::vector<Condition> conditions(const Candidate& candidate);

// kConflict with the reason of the first condition that doesn't hold.
Status may_promote(const Candidate& candidate);

// The version is where the target wants it: nothing is to be asked, approved or promoted. With a
// rollback plan a stage has one holder, so that a holder beside others is not settled.
bool is_settled(const Version& version, const Policy& policy, bool shared);
Error settled_error(const Version& version, std::string_view target);

// Where a version stands towards its target, beside what may_promote() looks at.
struct Standing {
  bool is_free = false;      // The target has no policy: whoever manages the model moves it there.
  bool shared = false;       // Another version holds the target too.
  int64_t holder = 0;        // Whose tenure of the stage is the newest and goes on; 0: nobody.
  int64_t back_to = 0;       // What a rollback of that one would bring back; 0: nothing.
  std::string kept_by = "";  // A protected stage that it holds: nothing else moves it.
};

// What `caller` may do, one row a kind. What it says is what the services would answer now, with
// two differences: what would change nothing again (to approve twice) is not offered, and a way
// back counts as it was last checked. `others`: who is looked at as somebody that could instead.
// Reasons: those of may_promote() and may_approve(), `model_version.holds_target|not_live|
// no_previous`, `request.exists|not_found|not_requester|approved|expired`, `rollback_plan.invalid`,
// `rollback.alias`, `model.protected`, `auth.forbidden`.
std::vector<Action> actions(const Candidate& candidate, const Standing& standing,
                            const Caller& caller, const std::vector<Caller>& others);

// May `actor` approve? kForbidden `model_version.own_work` for an author, `request.own_request` for
// the requester, `request.not_approver` for one whom the policy doesn't name, `request.service` for
// a service where people decide.
struct Approver {
  std::string_view uid;
  std::string_view kind;  // Of Ctx.
};
Status may_approve(const Approver& actor, const Policy& policy, const Request* request,
                   const std::vector<std::string>& authors);

// Approvals that count, of distinct people.
int64_t approvals_of(const Candidate& candidate);

bool waived(const CheckResult& result, const std::vector<Waiver>& waivers, int64_t now_ms);

// One check against what was measured (floors and plain comparison with the champion).
struct Measured {
  std::optional<double> value = {};
  int64_t champion = 0;
  std::optional<double> champion_value = {};
};
CheckResult evaluate(const Check& check, const Measured& measured);
// The check's verdict hangs on who reigned.
bool compares(Check::Kind kind);

// The tenure that a rollback from `current` brings back: follows back_n past versions that are
// gone. Null: there is none.
const Tenure* rollback_target(const std::vector<Tenure>& tenures, const Tenure& current,
                              const std::vector<int64_t>& living_versions);

}  // namespace slip::registry
