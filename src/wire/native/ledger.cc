#include "wire/native/ledger.h"

#include "base/text.h"
#include "wire/native/native.h"

namespace slip::wire::native {
namespace {

void set_if(codec::Json* out, std::string_view key, const std::string& value) {
  if (!value.empty()) out->set(key, value);
}

codec::Json event_json(const LedgerApp& app, const ledger::Event& e) {
  codec::Json out = codec::Json::object({{"seq", e.seq},
                                         {"ts_us", e.ts_us},
                                         {"id", e.id},
                                         {"actor", app.auth.label(e.actor_uid)},
                                         {"actor_uid", e.actor_uid},
                                         {"actor_kind", e.actor_kind},
                                         {"verb", e.verb},
                                         {"kind", e.subject.kind},
                                         {"uid", e.subject.uid}});
  set_if(&out, "name", e.subject.name);
  set_if(&out, "version", e.subject.version);
  set_if(&out, "object_digest", e.subject.digest);
  set_if(&out, "before_digest", e.before_digest);
  set_if(&out, "after_digest", e.after_digest);
  set_if(&out, "decision", e.decision);
  set_if(&out, "reason", e.reason);
  set_if(&out, "request_id", e.request_id);
  set_if(&out, "trace_id", e.trace_id);
  if (e.body) out.set("body", *e.body);
  return out;
}

Result<ledger::Filter> filter_of(const Ctx& ctx, const http::Request& request) {
  const Page page = TRY(page_of(request));
  ledger::Filter filter;
  filter.project = ctx.project.text;
  filter.caller = ctx.caller;
  filter.limit = page.limit;
  filter.verb = query_text(request, "verb");
  filter.uid = query_text(request, "uid");
  const std::string order = query_text(request, "order");
  if (!order.empty() && order != "asc" && order != "desc")
    return invalid("request.query", "order is asc or desc");
  filter.newest_first = order == "desc";
  filter.after_seq = TRY(query_int(request, "after")).value_or(0);
  filter.before_seq = TRY(query_int(request, "before")).value_or(INT64_MAX);
  if (page.after.empty()) return filter;
  const std::optional<int64_t> seq = parse_int(page.after);
  if (!seq) return invalid("request.page_token", "page_token isn't one that this server gave");
  (filter.newest_first ? filter.before_seq : filter.after_seq) = *seq;
  return filter;
}

}  // namespace

std::vector<http::Route> ledger_routes(LedgerApp app) {
  std::vector<http::Route> out;
  http::Route& row = out.emplace_back();
  row.method = http::Method::kGet;
  row.path = at("/ledger");
  row.permission = {http::Right::kRead, "ledger", http::On::kList};
  row.audit = http::Audit::kNone;
  row.summary = "Events of the project by sequence: ?after, before, order, verb, uid, limit.";
  row.blocking = [app](const Ctx& ctx, http::Request& request) -> Result<http::Reply> {
    const ledger::Filter filter = TRY(filter_of(ctx, request));
    std::vector<codec::Json> items;
    int64_t last = 0;
    // Whoever has just been told of a change finds its event: numbered here if nobody has yet.
    TRY(app.ledger.number_pending());
    for (const ledger::Event& e : TRY(app.ledger.list(filter))) {
      items.push_back(event_json(app, e));
      last = e.seq;
    }
    const bool full = static_cast<int64_t>(items.size()) == filter.limit;
    return json_reply(page_json(std::move(items), full ? std::to_string(last) : ""));
  };
  return out;
}

}  // namespace slip::wire::native
