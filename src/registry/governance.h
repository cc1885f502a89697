#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "registry/governance_types.h"
#include "registry/promotion.h"
#include "registry/registry.h"

// Who may move which version where, and who said so: stages of a model's own, policies, requests
// with N-of-M approvals, rollback plans, comments, waivers, reviews, evidence for gates.
//
// Invariants: one open request a version and target; nobody approves what they asked for or made;
// an approval counts only while everything it was given for is as it was (promotion.h), which is
// looked at again inside the transaction that moves the version; a rejection closes a request.
// Events: approval.requested|granted|rejected|cancelled|expired|voided|applied,
// rollback_plan.broken|restored, stage.declared|dropped, policy.set|dropped, comment.created|
// updated|deleted, waiver.granted|revoked, review.opened|updated|closed. Any thread.
//
// Errors: kNotFound `request.not_found|comment.not_found|waiver.not_found|review.not_found`,
// kExists `request.exists|stage.exists`, kForbidden those of may_approve() and
// `request.not_requester|comment.not_yours|waiver.not_allowed`, kConflict those of promotion.h,
// `model_version.holds_target|request.expired|stage.in_use|review.closed|review.unfinished`,
// kInvalid `stage.name|request.target|request.plan|waiver.*|review.*`.
namespace slip::registry {

class Governance {
 public:
  explicit Governance(Registry& registry) : registry_(registry), deps_(registry.deps_) {}

  // ---- stages and policies (policies.cc)
  // MLflow's four, then the model's own.
  Result<std::vector<Stage>> stages(const Ctx& ctx, const std::string& model);
  Status declare_stage(const Ctx& ctx, const std::string& model, const std::string& stage);
  Status drop_stage(const Ctx& ctx, const std::string& model, const std::string& stage);
  Result<std::vector<Policy>> policies(const Ctx& ctx, const std::string& model);
  Result<Policy> set_policy(const Ctx& ctx, const std::string& model, const Policy& policy);
  Status drop_policy(const Ctx& ctx, const std::string& model, const std::string& target);

  // ---- requests (requests.cc)
  struct Ask {
    std::string target = "Production";
    std::string comment = "";
    std::optional<int64_t> plan_version = {};  // Absent: what holds the stage now.
    std::string plan_owner = "";               // "": the requester.
    bool archive_existing = false;
    int64_t ttl_ms = 0;  // 0: as the policy says.
  };
  // The same again from the same person: the request that is open.
  Result<Request> ask(const Ctx& ctx, const std::string& model, int64_t version, const Ask& ask);

  struct Word {
    std::string target = "Production";
    std::string comment = "";
    // Nobody asked yet: the request is opened in the name of whoever registered the version.
    bool ask_if_missing = false;
    bool apply = false;  // Move the version once everything holds.
    bool archive_existing = false;
  };
  struct Outcome {
    Request request;
    Version version;
    std::string pending;  // Why it was not applied; "" when it was, or when nobody asked for that.
  };
  Result<Outcome> approve(const Ctx& ctx, const std::string& model, int64_t version,
                          const Word& word);
  // One word is enough, and anybody's counts.
  Result<Outcome> reject(const Ctx& ctx, const std::string& model, int64_t version,
                         const Word& word);
  // By its requester; `requester` (uid, may be "") must be who made it.
  Result<Request> cancel(const Ctx& ctx, const std::string& model, int64_t version,
                         const Word& word, const std::string& requester = {});
  // Newest first; version 0: of all.
  Result<std::vector<Request>> requests(const Ctx& ctx, const std::string& model, int64_t version,
                                        bool open_only);
  // Requests of the whole project that the caller may read, newest first, by page. Waiting: open,
  // and the caller may give the approval that is missing (may_approve(), and not given yet); such a
  // page may hold fewer than `limit` although others follow.
  enum class Whose : uint8_t { kAll, kMine, kWaiting };
  struct InboxQuery {
    Whose whose = Whose::kAll;
    std::optional<RequestState> state = {};
    int64_t limit = 100;
    std::string page_token = {};
  };
  struct Listed {
    Request request = {};
    int64_t approvals = 0;               // That count.
    std::optional<int64_t> needed = {};  // Of an open one, by the policy of now.
  };
  Result<Page<Listed>> inbox(const Ctx& ctx, const InboxQuery& query);  // inbox.cc
  // What holds and what is missing before the version may enter.
  struct Explanation {
    Version version;
    Policy policy;
    std::optional<Request> request;
    int64_t approvals = 0;  // That count.
    std::vector<Waiver> waivers;
    std::vector<Condition> conditions;
    std::vector<std::string> authors;  // Who may not approve.
    int64_t champion = 0;
    std::optional<Review> review;
    int64_t now_ms = 0;
    Standing standing;

    std::vector<Action> actions(const Caller& caller, const std::vector<Caller>& others) const;
  };
  Result<Explanation> explain(const Ctx& ctx, const std::string& model, int64_t version,
                              const std::string& target);
  // Who held which stage and which alias when, and which policies were in force; newest first, by
  // page. `at_ms`: only what was so at that moment.
  struct TimelineQuery {
    std::optional<int64_t> at_ms = {};
    std::optional<Span::Kind> kind = {};
    int64_t limit = 100;
    std::string page_token = {};
  };
  Result<Page<Span>> timeline(const Ctx& ctx, const std::string& model,
                              const TimelineQuery& query);  // timeline.cc
  // Moves into any stage: a protected one by its rules, another as MLflow has it.
  Result<Version> transition(const Ctx& ctx, const std::string& model, int64_t version,
                             const Word& word);

  // Duties: closes what has expired; checks again plans that were checked a day ago. How many.
  Result<int64_t> expire(const Ctx& ctx);
  Result<int64_t> check_plans(const Ctx& ctx);

  // ---- comments, waivers, reviews, evidence (reviews.cc)
  Result<Comment> add_comment(const Ctx& ctx, const std::string& model, int64_t version,
                              const std::string& text);
  Result<Comment> update_comment(const Ctx& ctx, const std::string& uid, const std::string& text);
  Status delete_comment(const Ctx& ctx, const std::string& uid);
  Result<std::string> model_of_comment(const Ctx& ctx, const std::string& uid);  // Its uid.
  Result<std::vector<Comment>> comments(const Ctx& ctx, const std::string& model, int64_t version);

  struct Waive {
    std::string check;
    std::string reason;
    int64_t expires_ms = 0;
    std::string target = "Production";  // Whose policy says who may.
  };
  Result<Waiver> waive(const Ctx& ctx, const std::string& model, int64_t version,
                       const Waive& wanted);
  Result<Waiver> revoke_waiver(const Ctx& ctx, const std::string& model, int64_t version,
                               const std::string& uid);
  Result<std::vector<Waiver>> waivers(const Ctx& ctx, const std::string& model, int64_t version);

  // `review`: title, owner, due_ms, items' kind, text, severity, owner, due_ms.
  Result<Review> open_review(const Ctx& ctx, const std::string& model, int64_t version,
                             const Review& review);
  // Adds (item.n = 0) or changes owner, due_ms, state and note of one.
  Result<Review> put_review_item(const Ctx& ctx, const std::string& model, int64_t version,
                                 const std::string& review_uid, const ReviewItem& item);
  // Passed: every item is done or accepted, and who closes it is no author of the version.
  struct Closing {
    std::string review_uid;
    bool passed = false;
    std::string conclusion;
  };
  Result<Review> close_review(const Ctx& ctx, const std::string& model, int64_t version,
                              const Closing& closing);
  Result<std::vector<Review>> reviews(const Ctx& ctx, const std::string& model, int64_t version);

  // What the version predicted on the rows of a holdout: a dataset version with as many rows, in
  // the same order, and the columns that the check's metric needs: `score` (probability of the
  // positive class: auc, log_loss, brier) or `prediction` (a label or number: accuracy, mae, rmse).
  struct Evidence {
    std::string dataset;  // The holdout.
    int64_t dataset_version = 0;
    std::string predictions_dataset;
    int64_t predictions_version = 0;
  };
  Status set_evidence(const Ctx& ctx, const std::string& model, int64_t version,
                      const Evidence& evidence);
  Result<std::vector<Evidence>> evidence(const Ctx& ctx, const std::string& model, int64_t version);

 private:
  using Found = Registry::Found;
  struct Seen;  // What is known of a request before the transaction.
  Result<Seen> look(const Ctx& ctx, const std::string& model, int64_t version,
                    const std::string& target);
  Result<RollbackPlan> checked(const Ctx& ctx, const std::string& model, int64_t version,
                               const std::string& target, RollbackPlan plan);
  Result<std::optional<RollbackPlan>> plan_for(const Ctx& ctx, const Seen& seen,
                                               std::optional<RollbackPlan> wanted);
  Status revisit(store::Tx& tx, const Ctx& ctx, const Model& model, const std::string& target);
  Result<Page<Listed>> weigh_page(const Ctx& ctx, Whose whose, Page<Request> page);
  Result<Request> open(store::Tx& tx, const Ctx& ctx, Found& found, const Policy& policy,
                       Request request);
  Status unsettled(store::Tx& tx, const Ctx& ctx, const Found& found, const Policy& policy);
  struct Granting {
    const Policy& policy;
    const std::vector<std::string>& authors;
    const Word& word;
  };
  Status grant(store::Tx& tx, const Ctx& ctx, Found& found, const Granting& granting, Outcome* out);
  Status close(store::Tx& tx, const Ctx& ctx, const Found& found, Request* request,
               RequestState state);
  Result<Review> change_review(const Ctx& ctx, const std::string& model, int64_t version,
                               const std::string& uid,
                               const std::function<Status(store::Tx&, Found&, Review&)>& body);

  Registry& registry_;
  Registry::Deps& deps_;
};

}  // namespace slip::registry
