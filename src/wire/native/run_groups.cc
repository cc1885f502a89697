#include "wire/native/run_groups.h"

#include <utility>

#include "tracking/tracking.h"
#include "wire/native/native.h"
#include "wire/native/run_query.h"

namespace slip::wire::native {
namespace {

using codec::Json;

std::string_view kind_name(tracking::GroupKey::Kind kind) {
  using Kind = tracking::GroupKey::Kind;
  switch (kind) {
    case Kind::kText:
      return "text";
    case Kind::kBelow:
      return "below";
    case Kind::kStretch:
      return "stretch";
    case Kind::kAbove:
      return "above";
    case Kind::kNan:
      return "nan";
    case Kind::kAbsent:
      break;
  }
  return "absent";
}

Json metric_json(const tracking::GroupMetric& m) {
  Json out =
      Json::object({{"finite", m.finite}, {"nan", m.nan}, {"above", m.above}, {"below", m.below}});
  if (m.finite == 0) return out;
  out.set("min", m.low);
  out.set("mean", m.mean);
  out.set("max", m.high);
  return out;
}

Json group_json(const tracking::RunGroup& group) {
  Json out = Json::object(
      {{"id", group.key.id()}, {"kind", kind_name(group.key.kind)}, {"runs", group.runs}});
  if (group.key.kind == tracking::GroupKey::Kind::kText) out.set("text", group.key.text);
  if (group.key.kind == tracking::GroupKey::Kind::kStretch) {
    out.set("low", group.key.low);
    out.set("high", group.key.high);
  }
  Json metrics = Json::object();
  for (const tracking::GroupMetric& m : group.metrics) metrics.set(m.key, metric_json(m));
  out.set("metrics", std::move(metrics));
  return out;
}

}  // namespace

Result<http::Reply> run_groups(const RunsApp& app, const Ctx& ctx, http::Request& request) {
  const Json body = TRY(body_object(request));
  tracking::RunQuery query = TRY(run_query(body));
  tracking::GroupQuery asked;
  asked.by = TRY(codec::want_string(body, "by"));
  asked.buckets = TRY(codec::int_or(body, "buckets", tracking::kGroupBucketsDefault));
  asked.metrics = TRY(texts(body, "metrics"));
  asked.order_by = TRY(codec::string_or(body, "order", ""));
  asked.max_results = query.max_results;
  asked.page_token = std::exchange(query.page_token, {});
  const tracking::GroupPage page = TRY(app.tracking.run_table.groups(ctx, query, asked));
  Json items = Json::array();
  for (const tracking::RunGroup& group : page.items) items.push(group_json(group));
  Json out = Json::object({{"groups", page.groups}, {"runs", page.runs}});
  out.set("items", std::move(items));
  if (!page.next_page_token.empty()) out.set("next_page_token", page.next_page_token);
  return json_reply(out);
}

}  // namespace slip::wire::native
