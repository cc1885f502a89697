#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "registry/governance.h"
#include "registry/promotion.h"
#include "registry/registry_internal.h"
#include "registry/registry_store.h"
#include "registry/request_store.h"
#include "sys/clock.h"
#include "sys/rng.h"

// Comments, waivers, reviews and evidence of a version.
namespace slip::registry {
namespace {

constexpr std::array<std::string_view, 3> kSeverities = {"low", "medium", "high"};

Status check_text(std::string_view reason, std::string_view what, std::string_view text) {
  if (!trim(text).empty() && text.size() <= kCommentMax && is_utf8(text)) return {};
  return invalid(reason,
                 concat({what, " is UTF-8 of 1 to ", std::to_string(kCommentMax), " bytes"}));
}

Status check_item(const ReviewItem& item) {
  TRY(check_text("review.item", "the wording of an item", item.wording));
  if (item.note.size() > kCommentMax || !is_utf8(item.note) || item.owner.size() > kTagKeyMax)
    return invalid("review.item", "note or owner is too long");
  const bool finding = item.kind == ReviewItem::Kind::kFinding;
  const bool known =
      std::find(kSeverities.begin(), kSeverities.end(), item.severity) != kSeverities.end();
  if (finding != known || (!finding && !item.severity.empty()))
    return invalid("review.severity", "a finding is low, medium or high; a checklist item neither");
  if (item.due_ms < 0) return invalid("review.due", "due_ms is a time");
  return {};
}

// Whoever may read the model may read it: the version may be gone.
ledger::Draft comment_event(std::string_view verb, const std::string& model_uid,
                            const Comment& comment) {
  ledger::Draft draft;
  draft.verb = std::string(verb);
  draft.subject.kind = "registered_model";
  draft.subject.uid = model_uid;
  draft.subject.version = std::to_string(comment.version);
  draft.body = codec::Json::object({{"comment", comment.uid}});
  return draft;
}

std::string open_items(const Review& review) {
  std::string open;
  for (const ReviewItem& item : review.items)
    if (item.state == ReviewItem::State::kOpen)
      open += concat({open.empty() ? "" : "; ", item.wording.substr(0, 80)});
  return open;
}

}  // namespace

// ---- comments

Result<Comment> Governance::add_comment(const Ctx& ctx, const std::string& name, int64_t number,
                                        const std::string& text) {
  TRY(check_text("comment.text", "a comment", text));
  Comment out;
  TRY(registry_.change_version(ctx, name, number, [&](store::Tx& tx, Found& found) -> Status {
    const int64_t now = deps_.clock.now_ms();
    out = {.uid = new_uuid7(deps_.clock, deps_.rng).text(),
           .version = number,
           .actor = ctx.actor_uid,
           .comment = text,
           .created_ms = now,
           .updated_ms = now};
    TRY(sql::put_comment(tx, {ctx.project.text, found.model.uid}, out));
    ledger::Draft draft = version_event("comment.created", found.version);
    draft.reason = text;
    draft.body = codec::Json::object({{"comment", out.uid}});
    return deps_.ledger.append(tx, ctx, draft);
  }));
  return out;
}

Result<Comment> Governance::update_comment(const Ctx& ctx, const std::string& uid,
                                           const std::string& text) {
  TRY(check_text("comment.text", "a comment", text));
  Comment out;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    std::string model_uid;
    auto found = TRY(sql::find_comment(tx, ctx.project.text, uid, &model_uid));
    if (!found) return not_found("comment.not_found", concat({"no comment ", uid}));
    if (found->actor != ctx.actor_uid)
      return forbidden("comment.not_yours", "only who wrote a comment changes it");
    found->comment = text;
    found->updated_ms = deps_.clock.now_ms();
    TRY(sql::put_comment(tx, {ctx.project.text, model_uid}, *found));
    out = std::move(*found);
    ledger::Draft draft = comment_event("comment.updated", model_uid, out);
    draft.reason = text;
    return deps_.ledger.append(tx, ctx, draft);
  }));
  return out;
}

Status Governance::delete_comment(const Ctx& ctx, const std::string& uid) {
  return deps_.db.write([&](store::Tx& tx) -> Status {
    std::string model_uid;
    const auto found = TRY(sql::find_comment(tx, ctx.project.text, uid, &model_uid));
    if (!found) return not_found("comment.not_found", concat({"no comment ", uid}));
    if (found->actor != ctx.actor_uid)
      return forbidden("comment.not_yours", "only who wrote a comment deletes it");
    TRY(sql::drop_comment(tx, ctx.project.text, uid));
    ledger::Draft draft = comment_event("comment.deleted", model_uid, *found);
    return deps_.ledger.append(tx, ctx, draft);
  });
}

Result<std::string> Governance::model_of_comment(const Ctx& ctx, const std::string& uid) {
  std::string model_uid;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    if (!TRY(sql::find_comment(tx, ctx.project.text, uid, &model_uid)))
      return not_found("comment.not_found", concat({"no comment ", uid}));
    return {};
  }));
  return model_uid;
}

Result<std::vector<Comment>> Governance::comments(const Ctx& ctx, const std::string& name,
                                                  int64_t number) {
  std::vector<Comment> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    const Found found = TRY(registry_.must_find(tx, ctx, name, number));
    out = TRY(sql::comments(tx, {ctx.project.text, found.model.uid}, number));
    return {};
  }));
  return out;
}

// ---- waivers

// Somebody whom the policy names, and who has no part in the version.
Result<Waiver> Governance::waive(const Ctx& ctx, const std::string& name, int64_t number,
                                 const Waive& wanted) {
  TRY(check_text("waiver.reason", "a waiver's reason", wanted.reason));
  if (wanted.check.empty() || wanted.check.size() > kTagKeyMax)
    return invalid("waiver.check", "a waiver names a check");
  const int64_t now = deps_.clock.now_ms();
  if (wanted.expires_ms <= now || wanted.expires_ms > now + kRequestTtlMsMax)
    return invalid("waiver.expires", "a waiver ends within 366 days from now");
  const Version seen = TRY(registry_.get_version(ctx, name, number));
  const std::vector<std::string> authors = TRY(registry_.authors_of(ctx, seen));
  Waiver out;
  TRY(registry_.change_version(ctx, name, number, [&](store::Tx& tx, Found& found) -> Status {
    const std::string target = TRY(target_of(tx, ctx, found.model, wanted.target));
    const auto policy = TRY(policy_for(tx, ctx, found.model, target));
    const auto names = policy ? policy->waivers : std::vector<std::string>();
    if (std::find(names.begin(), names.end(), ctx.actor_uid) == names.end())
      return forbidden("waiver.not_allowed",
                       concat({"the policy for ", target, " doesn't let you waive checks"}));
    if (std::find(authors.begin(), authors.end(), ctx.actor_uid) != authors.end())
      return forbidden("model_version.own_work", "authors don't waive checks of their own work");
    const bool known =
        found.version.gate &&
        std::any_of(found.version.gate->checks.begin(), found.version.gate->checks.end(),
                    [&](const CheckResult& r) { return r.check.name() == wanted.check; });
    if (!known) return invalid("waiver.check", concat({"the gate has no check ", wanted.check}));
    out = {.uid = new_uuid7(deps_.clock, deps_.rng).text(),
           .version = number,
           .check = wanted.check,
           .reason = wanted.reason,
           .actor = ctx.actor_uid,
           .created_ms = deps_.clock.now_ms(),
           .expires_ms = wanted.expires_ms,
           .revoked_ms = 0};
    TRY(sql::put_waiver(tx, {ctx.project.text, found.model.uid}, out));
    ledger::Draft draft = version_event("waiver.granted", found.version);
    draft.reason = wanted.reason;
    draft.decision = "allow";
    draft.body = codec::Json::object(
        {{"waiver", out.uid}, {"check", out.check}, {"expires_ms", out.expires_ms}});
    TRY(deps_.ledger.append(tx, ctx, draft));
    return registry_.void_stale(tx, ctx, found);
  }));
  return out;
}

Result<Waiver> Governance::revoke_waiver(const Ctx& ctx, const std::string& name, int64_t number,
                                         const std::string& uid) {
  Waiver out;
  TRY(registry_.change_version(ctx, name, number, [&](store::Tx& tx, Found& found) -> Status {
    const sql::Of of{ctx.project.text, found.model.uid};
    bool known = false;
    for (const Waiver& w : TRY(sql::waivers(tx, of, number)))
      if (w.uid == uid) out = w, known = true;
    if (!known) return not_found("waiver.not_found", concat({"no waiver ", uid}));
    if (out.revoked_ms != 0) return {};
    out.revoked_ms = deps_.clock.now_ms();
    TRY(sql::put_waiver(tx, of, out));
    ledger::Draft draft = version_event("waiver.revoked", found.version);
    draft.decision = "deny";
    draft.body = codec::Json::object({{"waiver", uid}, {"check", out.check}});
    TRY(deps_.ledger.append(tx, ctx, draft));
    return registry_.void_stale(tx, ctx, found);
  }));
  return out;
}

Result<std::vector<Waiver>> Governance::waivers(const Ctx& ctx, const std::string& name,
                                                int64_t number) {
  std::vector<Waiver> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    const Found found = TRY(registry_.must_find(tx, ctx, name, number));
    out = TRY(sql::waivers(tx, {ctx.project.text, found.model.uid}, number));
    return {};
  }));
  return out;
}

// ---- reviews

Result<Review> Governance::open_review(const Ctx& ctx, const std::string& name, int64_t number,
                                       const Review& wanted) {
  TRY(check_text("review.title", "a review's title", wanted.title));
  if (wanted.owner.empty() || wanted.owner.size() > kTagKeyMax)
    return invalid("review.owner", "a review has an owner");
  if (wanted.due_ms < 0) return invalid("review.due", "due_ms is a time");
  if (wanted.items.size() > kReviewItemsMax)
    return invalid("review.items",
                   "a review has at most " + std::to_string(kReviewItemsMax) + " items");
  for (const ReviewItem& item : wanted.items) TRY(check_item(item));
  const Version seen = TRY(registry_.get_version(ctx, name, number));
  const std::string digest = TRY(registry_.digest_of(ctx, seen));
  if (digest.empty())
    return conflict("model_version.no_digest",
                    "its files are not on this server: nothing would bind the review to them");
  Review out;
  TRY(registry_.change_version(ctx, name, number, [&](store::Tx& tx, Found& found) -> Status {
    out = wanted;
    out.uid = new_uuid7(deps_.clock, deps_.rng).text();
    out.version = number;
    out.digest = digest;
    out.state = ReviewState::kOpen;
    out.conclusion.clear();
    out.actor = ctx.actor_uid;
    out.created_ms = out.updated_ms = deps_.clock.now_ms();
    TRY(sql::put_review(tx, {ctx.project.text, found.model.uid}, out));
    int64_t n = 0;
    for (ReviewItem& item : out.items) {
      item.n = ++n;
      item.state = ReviewItem::State::kOpen;
      item.actor = ctx.actor_uid;
      item.updated_ms = out.created_ms;
      TRY(sql::put_review_item(tx, ctx.project.text, out.uid, item));
    }
    ledger::Draft draft = version_event("review.opened", found.version);
    draft.body = codec::Json::object({{"review", out.uid}, {"owner", out.owner}, {"items", n}});
    TRY(deps_.ledger.append(tx, ctx, draft));
    return registry_.void_stale(tx, ctx, found);
  }));
  return out;
}

Result<Review> Governance::change_review(
    const Ctx& ctx, const std::string& name, int64_t number, const std::string& uid,
    const std::function<Status(store::Tx&, Found&, Review&)>& body) {
  Review out;
  TRY(registry_.change_version(ctx, name, number, [&](store::Tx& tx, Found& found) -> Status {
    const sql::Of of{ctx.project.text, found.model.uid};
    bool known = false;
    for (Review& review : TRY(sql::reviews(tx, of, number)))
      if (review.uid == uid) out = std::move(review), known = true;
    if (!known) return not_found("review.not_found", concat({"no review ", uid}));
    if (out.state != ReviewState::kOpen)
      return conflict("review.closed", "the review is closed: open another one");
    out.updated_ms = deps_.clock.now_ms();
    TRY(body(tx, found, out));
    TRY(sql::put_review(tx, of, out));
    return registry_.void_stale(tx, ctx, found);
  }));
  return out;
}

Result<Review> Governance::put_review_item(const Ctx& ctx, const std::string& name, int64_t number,
                                           const std::string& review_uid, const ReviewItem& item) {
  return change_review(
      ctx, name, number, review_uid, [&](store::Tx& tx, Found& found, Review& review) -> Status {
        ReviewItem own = item;
        const auto before = std::find_if(review.items.begin(), review.items.end(),
                                         [&](const ReviewItem& one) { return one.n == item.n; });
        if (item.n == 0) {
          if (review.items.size() >= kReviewItemsMax)
            return invalid("review.items",
                           "a review has at most " + std::to_string(kReviewItemsMax) + " items");
          own.n = static_cast<int64_t>(review.items.size()) + 1;
        } else if (before == review.items.end()) {
          return not_found("review.not_found",
                           concat({"the review has no item ", std::to_string(item.n)}));
        } else {  // What it says stays as it was written.
          own.kind = before->kind;
          own.wording = before->wording;
          own.severity = before->severity;
        }
        TRY(check_item(own));
        own.actor = ctx.actor_uid;
        own.updated_ms = review.updated_ms;
        TRY(sql::put_review_item(tx, ctx.project.text, review.uid, own));
        if (item.n == 0)
          review.items.push_back(own);
        else
          *before = own;
        ledger::Draft draft = version_event("review.updated", found.version);
        draft.reason = own.note;
        draft.body = codec::Json::object({{"review", review.uid},
                                          {"item", own.n},
                                          {"state", review_item_state_name(own.state)},
                                          {"owner", own.owner}});
        return deps_.ledger.append(tx, ctx, draft);
      });
}

Result<Review> Governance::close_review(const Ctx& ctx, const std::string& name, int64_t number,
                                        const Closing& closing) {
  const bool passed = closing.passed;
  TRY(check_text("review.conclusion", "a conclusion", closing.conclusion));
  const Version seen = TRY(registry_.get_version(ctx, name, number));
  const std::vector<std::string> authors = TRY(registry_.authors_of(ctx, seen));
  return change_review(
      ctx, name, number, closing.review_uid,
      [&](store::Tx& tx, Found& found, Review& review) -> Status {
        if (passed && std::find(authors.begin(), authors.end(), ctx.actor_uid) != authors.end())
          return forbidden("model_version.own_work",
                           "who made or registered a version doesn't pass its review");
        if (const std::string open = open_items(review); passed && !open.empty())
          return conflict("review.unfinished", concat({"items are open: ", open}));
        review.state = passed ? ReviewState::kPassed : ReviewState::kFailed;
        review.conclusion = closing.conclusion;
        review.actor = ctx.actor_uid;
        ledger::Draft draft = version_event("review.closed", found.version);
        draft.decision = passed ? "pass" : "fail";
        draft.reason = closing.conclusion;
        draft.body = codec::Json::object({{"review", review.uid}});
        return deps_.ledger.append(tx, ctx, draft);
      });
}

Result<std::vector<Review>> Governance::reviews(const Ctx& ctx, const std::string& name,
                                                int64_t number) {
  std::vector<Review> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    const Found found = TRY(registry_.must_find(tx, ctx, name, number));
    out = TRY(sql::reviews(tx, {ctx.project.text, found.model.uid}, number));
    return {};
  }));
  return out;
}

// ---- evidence

Status Governance::set_evidence(const Ctx& ctx, const std::string& name, int64_t number,
                                const Evidence& e) {
  for (const std::string& text : {e.dataset, e.predictions_dataset})
    if (text.empty() || text.size() > kTagKeyMax)
      return invalid("evidence.dataset", "datasets have names of 1 to 250 characters");
  if (e.dataset_version < 1 || e.predictions_version < 1)
    return invalid("evidence.version", "versions of datasets count from 1");
  if (deps_.holdouts) {  // They are there; which columns a check needs is seen when it runs.
    TRY(deps_.holdouts->read(ctx, e.dataset, e.dataset_version, {}, 0));
    TRY(deps_.holdouts->read(ctx, e.predictions_dataset, e.predictions_version, {}, 0));
  }
  return registry_.change_version(ctx, name, number, [&](store::Tx& tx, Found& found) -> Status {
    TRY(sql::put_evidence(tx, {ctx.project.text, found.model.uid}, number,
                          {.dataset = e.dataset,
                           .dataset_version = e.dataset_version,
                           .predictions_dataset = e.predictions_dataset,
                           .predictions_version = e.predictions_version},
                          {.actor = ctx.actor_uid, .ms = deps_.clock.now_ms()}));
    ledger::Draft draft = version_event("evidence.set", found.version);
    draft.body = codec::Json::object({{"dataset", e.dataset},
                                      {"dataset_version", e.dataset_version},
                                      {"predictions_dataset", e.predictions_dataset},
                                      {"predictions_version", e.predictions_version}});
    return deps_.ledger.append(tx, ctx, draft);
  });
}

Result<std::vector<Governance::Evidence>> Governance::evidence(const Ctx& ctx,
                                                               const std::string& name,
                                                               int64_t number) {
  std::vector<Evidence> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out.clear();
    const Found found = TRY(registry_.must_find(tx, ctx, name, number));
    for (sql::Evidence& e : TRY(sql::evidence(tx, {ctx.project.text, found.model.uid}, number)))
      out.push_back({.dataset = std::move(e.dataset),
                     .dataset_version = e.dataset_version,
                     .predictions_dataset = std::move(e.predictions_dataset),
                     .predictions_version = e.predictions_version});
    return {};
  }));
  return out;
}

}  // namespace slip::registry
