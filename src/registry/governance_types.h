#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/types.h"

// What people decide about versions, as plain records: policies, requests, approvals, rollback
// plans, comments, reviews, waivers.
namespace slip::registry {

inline constexpr int64_t kDayMs = int64_t{24} * 3'600'000;
inline constexpr int64_t kRequestTtlMs = 7 * kDayMs;
inline constexpr int64_t kRequestTtlMsMax = 366 * kDayMs;
inline constexpr int64_t kPlanCheckMs = kDayMs;  // A plan is checked again after that.
inline constexpr int64_t kApprovalsMax = 20;
inline constexpr size_t kReviewItemsMax = 200;
inline constexpr int64_t kListedMax = 1'000;  // Requests, comments, reviews, waivers in one list.

// What it takes to enter a stage, or to hold an alias ("@champion" follows Production and has no
// policy of its own). A target with a policy is protected.
struct Policy {
  std::string target;                  // "Production", "QA", "@shadow"
  int64_t approvals = 1;               // N …
  std::vector<std::string> approvers;  // … of these principals (uids); empty: whoever may edit.
  bool services_approve = false;       // May service principals approve?
  bool gate = true;                    // A gate must have passed.
  std::vector<Check> checks;           // Which the gate must contain; empty: any.
  bool rollback_plan = true;           // Stages only; such a stage has one holder at a time.
  bool review = false;                 // A review of these bytes must have been passed.
  std::vector<std::string> waivers;    // Principals who may waive checks; empty: none may.
  int64_t request_ttl_ms = kRequestTtlMs;
  bool is_default = false;  // Not written down: what a protected model's Production asks for.
};

// How to get back: the version that takes the stage when this one fails there.
struct RollbackPlan {
  int64_t version = 0;      // 0: nothing held the stage before; going back empties it.
  std::string digest = {};  // Of that version's files, when the plan was checked.
  std::string owner = {};   // Who carries it out.
  bool valid = false;
  std::string detail = {};  // Why not, or what was checked.
  int64_t checked_ms = 0;
};

struct RequestApproval {
  std::string actor = {};
  bool approved = false;
  std::string comment = {};
  int64_t created_ms = 0;
  std::string binding = {};  // Digest of all that was approved: see promotion.h.
  std::string digest = {};   // Of the version's files.
  int64_t voided_ms = 0;
};

enum class RequestState : uint8_t { kOpen, kApplied, kRejected, kCancelled, kExpired };
std::string_view request_state_name(RequestState state);

// Somebody asks that a version enter a stage or get an alias. One open request a version and
// target.
struct Request {
  std::string uid;
  std::string model;
  int64_t version = 0;
  std::string target;
  std::string from_stage;  // Of the version, when it was asked.
  std::string requester;
  std::string comment;
  RequestState state = RequestState::kOpen;
  int64_t created_ms = 0;
  int64_t updated_ms = 0;
  int64_t expires_ms = 0;
  bool archive_existing = false;
  std::optional<RollbackPlan> plan;
  std::string closed_by;
  std::string closed_reason;
  std::vector<RequestApproval> approvals;  // Oldest first; an actor's latest word counts.
};

struct Comment {
  std::string uid = {};
  int64_t version = 0;
  std::string actor = {};
  std::string comment = {};
  int64_t created_ms = 0;
  int64_t updated_ms = 0;
};

struct Waiver {
  std::string uid = {};
  int64_t version = 0;
  std::string check = {};  // Check::name().
  std::string reason = {};
  std::string actor = {};
  int64_t created_ms = 0;
  int64_t expires_ms = 0;
  int64_t revoked_ms = 0;
};

// A governance review: what was looked at, what was found, who owns it until when.
enum class ReviewState : uint8_t { kOpen, kPassed, kFailed };
std::string_view review_state_name(ReviewState state);

struct ReviewItem {
  enum class Kind : uint8_t { kCheck, kFinding };
  enum class State : uint8_t { kOpen, kDone, kAccepted };  // Accepted: a risk that is borne.
  int64_t n = 0;
  Kind kind = Kind::kCheck;
  std::string wording = {};
  std::string severity = {};  // Findings: "low", "medium", "high".
  std::string owner = {};
  int64_t due_ms = 0;  // 0: none.
  State state = State::kOpen;
  std::string note = {};
  std::string actor = {};  // Of the last change.
  int64_t updated_ms = 0;
};
std::string_view review_item_state_name(ReviewItem::State state);

struct Review {
  std::string uid = {};
  int64_t version = 0;
  std::string digest = {};  // Of the version's files: a review says nothing of others.
  std::string title = {};
  std::string owner = {};
  int64_t due_ms = 0;
  ReviewState state = ReviewState::kOpen;
  std::string conclusion = {};
  std::string actor = {};  // Who opened it, later who closed it.
  int64_t created_ms = 0;
  int64_t updated_ms = 0;
  std::vector<ReviewItem> items = {};
};

// One thing that must hold before a version enters a target.
struct Condition {
  std::string name = {};  // "gate", "approvals", "rollback_plan", "review", "digest"
  bool ok = false;
  std::string reason = {};  // Slug of the error that its absence is.
  std::string detail = {};
};

// What can be done next with a version and a target, in the order in which it is done.
enum class ActionKind : uint8_t { kRequest, kApprove, kReject, kCancel, kPromote, kRollback };
inline constexpr ActionKind kActionKinds[] = {ActionKind::kRequest, ActionKind::kApprove,
                                              ActionKind::kReject,  ActionKind::kCancel,
                                              ActionKind::kPromote, ActionKind::kRollback};
std::string_view action_name(ActionKind kind);  // "request", "approve", …

struct Action {
  ActionKind kind = ActionKind::kRequest;
  bool allowed = false;
  std::string reason = {};            // Why not: a slug, as the server would answer.
  std::string detail = {};            // What it would do, or why not.
  std::vector<std::string> who = {};  // Who could instead (uids), of those that were looked at.
};

// Somebody who might act.
struct Caller {
  std::string uid = {};
  std::string kind = {};    // Of Ctx.
  bool may_edit = false;    // The model's versions: takes part in requests.
  bool may_manage = false;  // Moves versions.
};

}  // namespace slip::registry
