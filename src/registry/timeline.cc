#include <algorithm>
#include <utility>

#include "base/text.h"
#include "registry/governance.h"
#include "registry/promotion.h"
#include "registry/registry_internal.h"
#include "registry/registry_store.h"
#include "registry/timeline_store.h"

// Where a version stands now, and what held and was in force at any time.
namespace slip::registry {
namespace {

constexpr int64_t kTimelinePageMax = 1'000;

std::string_view span_kind_name(Span::Kind kind) {
  return kind == Span::Kind::kStage ? "stage" : kind == Span::Kind::kAlias ? "alias" : "policy";
}

}  // namespace

Result<bool> is_shared(store::Tx& tx, const Ctx& ctx, const Model& model, int64_t version,
                       const std::string& target) {
  const std::vector<int64_t> holders =
      TRY(sql::in_stage(tx, ctx.project.text, model.uid, Stage{target}));
  return std::any_of(holders.begin(), holders.end(), [&](int64_t n) { return n != version; });
}

Result<Standing> standing_of(store::Tx& tx, const Ctx& ctx, const Model& model,
                             const Version& version, const std::string& target) {
  Standing out;
  // Production without a policy gets one by the first word on any version.
  out.is_free = target != Stage::kProduction.name && !TRY(policy_for(tx, ctx, model, target));
  const auto leaving = TRY(policy_for(tx, ctx, model, version.stage.name));
  if (leaving && leaving->rollback_plan) out.kept_by = version.stage.name;
  if (target.starts_with('@')) return out;
  out.shared = TRY(is_shared(tx, ctx, model, version.number, target));
  const std::vector<Tenure> all = TRY(sql::tenures(tx, ctx.project.text, model.uid));
  const Tenure* current = nullptr;
  for (const Tenure& t : all)
    if (t.stage.name == target) current = &t;
  if (!current || current->to_ms) return out;
  out.holder = current->version;
  std::vector<int64_t> living;
  for (const Version& v : TRY(sql::list_versions(tx, ctx.project.text, model)))
    living.push_back(v.number);
  if (const Tenure* back = rollback_target(all, *current, living)) out.back_to = back->version;
  return out;
}

Result<Page<Span>> Governance::timeline(const Ctx& ctx, const std::string& name,
                                        const TimelineQuery& query) {
  if (query.limit < 1 || query.limit > kTimelinePageMax)
    return invalid("page.limit",
                   "a page has 1 to " + std::to_string(kTimelinePageMax) + " stretches of time");
  search::PageQuery page;
  page.limit = query.limit;
  if (query.kind) page.where.add(" AND t.kind = ?").bind(std::string(span_kind_name(*query.kind)));
  if (query.at_ms)
    page.where.add(" AND t.from_ms <= ? AND (t.to_ms IS NULL OR t.to_ms > ?)")
        .bind(*query.at_ms)
        .bind(*query.at_ms);
  page.keys.push_back({.expr = "t.from_ms", .ascending = false, .args = {}});
  page.keys.push_back({.expr = "t.kind", .type = search::Type::kText, .args = {}});
  page.keys.push_back({.expr = "t.n", .ascending = false, .args = {}});
  Page<Span> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    const Model model = TRY(must_find_model(tx, ctx, name));
    search::PageQuery own = page;
    own.where.add(" AND t.model_uid = ?").bind(model.uid);
    own.identity =
        concat({"timeline\n", model.uid, "\n", query.at_ms ? std::to_string(*query.at_ms) : "",
                "\n", query.kind ? span_kind_name(*query.kind) : ""});
    TRY(own.start_at(query.page_token));
    out = TRY(sql::search_spans(tx, ctx.project.text, own));
    return {};
  }));
  return out;
}

}  // namespace slip::registry
