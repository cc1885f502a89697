#include <algorithm>
#include <set>
#include <utility>

#include "base/text.h"
#include "registry/governance.h"
#include "registry/promotion.h"
#include "registry/registry_search.h"
#include "registry/request_store.h"
#include "sys/clock.h"

// Requests of a whole project: those that wait for somebody, those that somebody made, all.
namespace slip::registry {
namespace {

constexpr int64_t kInboxPageMax = 1'000;
constexpr int kRoundsMax = 20;  // Pages read for one page of those that wait.

void add_state(search::Sql* where, RequestState state, int64_t now_ms) {
  // An open one that has expired reads as that before the duty closes it.
  if (state == RequestState::kOpen) {
    where->add(" AND r.state = 0 AND r.expires_ms > ?").bind(now_ms);
  } else if (state == RequestState::kExpired) {
    where->add(" AND (r.state = 4 OR (r.state = 0 AND r.expires_ms <= ?))").bind(now_ms);
  } else {
    where->add(" AND r.state = ?").bind(static_cast<int64_t>(state));
  }
}

Result<search::PageQuery> compile(const Ctx& ctx, const Governance::InboxQuery& query,
                                  int64_t now_ms) {
  using Whose = Governance::Whose;
  if (query.limit < 1 || query.limit > kInboxPageMax)
    return invalid("page.limit", "a page has 1 to " + std::to_string(kInboxPageMax) + " requests");
  search::PageQuery out;
  out.limit = query.limit;
  std::optional<RequestState> state = query.state;
  if (query.whose == Whose::kMine) out.where.add(" AND r.requester = ?").bind(ctx.actor_uid);
  if (query.whose == Whose::kWaiting) {
    if (state && *state != RequestState::kOpen)
      return invalid("request.state", "only an open request waits for somebody");
    state = RequestState::kOpen;
    out.where.add(" AND r.requester <> ?").bind(ctx.actor_uid);
    out.where
        .add(
            " AND NOT EXISTS (SELECT 1 FROM request_approval a WHERE a.project = r.project"
            " AND a.request_uid = r.uid AND a.actor = ? AND a.voided_ms = 0)")
        .bind(ctx.actor_uid);
  }
  if (state) add_state(&out.where, *state, now_ms);
  out.visible = readable_models(ctx);
  out.keys.push_back({.expr = "r.created_ms", .ascending = false, .args = {}});
  out.keys.push_back(
      {.expr = "r.uid", .type = search::Type::kText, .ascending = false, .args = {}});
  out.identity = concat({"requests\n", std::to_string(static_cast<int>(query.whose)), "\n",
                         state ? request_state_name(*state) : "", "\n", ctx.actor_uid});
  TRY(out.start_at(query.page_token));
  return out;
}

// Distinct people whose approval is not void: what a closed request was closed with.
int64_t standing_of(const Request& request) {
  std::set<std::string_view> people;
  for (const RequestApproval& a : request.approvals)
    if (a.approved && a.voided_ms == 0) people.insert(a.actor);
  return static_cast<int64_t>(people.size());
}

}  // namespace

Result<Page<Governance::Listed>> Governance::weigh_page(const Ctx& ctx, Whose whose,
                                                        Page<Request> page) {
  Page<Listed> out;
  out.next_page_token = std::move(page.next_page_token);
  const int64_t now = deps_.clock.now_ms();
  for (Request& r : page.items) {
    if (r.state == RequestState::kOpen && r.expires_ms <= now) r.state = RequestState::kExpired;
    Listed listed{.request = std::move(r)};
    Request& request = listed.request;
    listed.approvals = standing_of(request);
    bool waits = false;
    if (request.state == RequestState::kOpen) {
      const auto told = explain(ctx, request.model, request.version, request.target);
      if (told.ok()) {
        listed.approvals = told->approvals;
        listed.needed = told->policy.approvals;
        waits = may_approve({ctx.actor_uid, ctx.actor_kind}, told->policy, &request, told->authors)
                    .ok();
      } else if (told.error().code != Code::kNotFound) {  // Its version may be gone.
        return told.error();
      }
    }
    if (whose != Whose::kWaiting || waits) out.items.push_back(std::move(listed));
  }
  return out;
}

Result<Page<Governance::Listed>> Governance::inbox(const Ctx& ctx, const InboxQuery& query) {
  Page<Listed> out;
  InboxQuery rest = query;
  for (int round = 0; round < kRoundsMax; ++round) {
    const search::PageQuery compiled = TRY(compile(ctx, rest, deps_.clock.now_ms()));
    Page<Request> page;
    TRY(deps_.db.read([&](store::Tx& tx) -> Status {
      page = TRY(sql::search_requests(tx, ctx.project.text, compiled));
      return {};
    }));
    Page<Listed> some = TRY(weigh_page(ctx, query.whose, std::move(page)));
    std::move(some.items.begin(), some.items.end(), std::back_inserter(out.items));
    out.next_page_token = std::move(some.next_page_token);
    rest.page_token = out.next_page_token;
    rest.limit = query.limit - static_cast<int64_t>(out.items.size());
    if (out.next_page_token.empty() || rest.limit == 0) break;
  }
  return out;
}

}  // namespace slip::registry
