#include <array>
#include <utility>

#include "base/text.h"
#include "registry/policy_json.h"
#include "wire/native/native.h"
#include "wire/native/requests.h"

namespace slip::wire::native {
namespace {

using codec::Json;
using registry::Governance;
using registry::Span;

struct KindRow {
  Span::Kind kind;
  std::string_view name;
};
constexpr std::array<KindRow, 3> kKinds = {{{Span::Kind::kStage, "stage"},
                                            {Span::Kind::kAlias, "alias"},
                                            {Span::Kind::kPolicy, "policy"}}};

Result<Governance::TimelineQuery> query_of(const http::Request& request) {
  const Page page = TRY(page_of(request));
  Governance::TimelineQuery out;
  out.limit = page.limit;
  if (!page.after.empty()) out.page_token = to_base64(page.after);
  if (const std::string text = query_text(request, "at"); !text.empty()) {
    out.at_ms = parse_time_ms(text);
    if (!out.at_ms)
      return invalid("request.query", "at is a time as 2026-11-23T05:53:00Z or in milliseconds");
  }
  const std::string kind = query_text(request, "kind");
  if (kind.empty()) return out;
  for (const KindRow& row : kKinds)
    if (row.name == kind) out.kind = row.kind;
  if (!out.kind) return invalid("request.query", "kind is stage, alias or policy");
  return out;
}

Result<Json> span_json(const RequestsApp& app, const Span& span) {
  Json out = Json::object({{"kind", kKinds[static_cast<size_t>(span.kind)].name},
                           {"n", span.n},
                           {"target", span.target},
                           {"from_ms", span.from_ms},
                           {"from_known", span.from_known}});
  if (span.to_ms) out.set("to_ms", *span.to_ms);
  if (!span.actor.empty()) out.set("actor", app.auth.label(span.actor));
  if (span.kind != Span::Kind::kPolicy) {
    out.set("version", span.version);
    out.set("reason", span.reason);
    return out;
  }
  registry::Policy policy;
  policy.target = span.target;
  policy.is_default = span.policy.empty();
  if (!policy.is_default)
    policy = TRY(registry::read_policy(TRY(codec::parse_json(span.policy)), span.target));
  out.set("policy", policy_json(app.auth, policy));
  return out;
}

Result<http::Reply> timeline(const RequestsApp& app, const Ctx& ctx, http::Request& request) {
  const Governance::TimelineQuery query = TRY(query_of(request));
  const auto found = TRY(app.governance.timeline(ctx, request.param("name"), query));
  std::vector<Json> items;
  for (const Span& span : found.items) items.push_back(TRY(span_json(app, span)));
  Json out =
      page_json(std::move(items), from_base64(found.next_page_token).value_or(std::string()));
  if (query.at_ms) out.set("at_ms", *query.at_ms);
  return json_reply(out);
}

}  // namespace

std::vector<http::Route> timeline_routes(RequestsApp app) {
  std::vector<http::Route> out;
  http::Route& row = out.emplace_back();
  row.method = http::Method::kGet;
  row.path = at("/models/{name}/timeline");
  row.permission = {http::Right::kRead, "model", http::On::kObjects};
  row.needs = model_needs(app.registry, http::Right::kRead, false);
  row.audit = http::Audit::kNone;
  row.summary =
      "Who held which stage and alias when and which policies were in force, newest first: ?at one"
      " moment, kind=stage|alias|policy, limit, page_token.";
  row.blocking = [app](const Ctx& ctx, http::Request& request) {
    return timeline(app, ctx, request);
  };
  return out;
}

}  // namespace slip::wire::native
