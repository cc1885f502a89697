#include "wire/native/live.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "wire/native/native.h"

namespace slip::wire::native {
namespace {

// Families as the console names its queries; the first that fits.
struct Family {
  std::string_view kind_prefix;
  std::string_view family;
};
constexpr std::array<Family, 10> kFamilies = {{
    {"model", "models"},
    {"deployment", "deployments"},
    {"canary", "deployments"},
    {"monitor", "monitor"},
    {"label", "labels"},
    {"alert", "alerts"},
    {"dataset", "datasets"},
    {"run", "runs"},
    {"experiment", "experiments"},
    {"", "ledger"},
}};

}  // namespace

std::string invalidate_json(const ledger::Event& event) {
  std::string_view family;
  for (const Family& row : kFamilies) {
    if (!std::string_view(event.subject.kind).starts_with(row.kind_prefix)) continue;
    family = row.family;
    break;
  }
  codec::Json key = codec::Json::array({codec::Json(family)});
  if (!event.subject.name.empty()) key.push(event.subject.name);
  return codec::to_json(codec::Json::object(
      {{"type", "invalidate"}, {"key", key}, {"rev", event.seq}, {"verb", event.verb}}));
}

Result<std::shared_ptr<http::EventStream>> LiveFeed::listen(const Ctx& ctx,
                                                            std::optional<int64_t> after_seq) {
  const int64_t head = TRY(ledger_.last_seq());
  Listener listener;
  listener.stream = std::make_shared<http::EventStream>();
  listener.project = ctx.project.text;
  listener.caller = ctx.caller;
  listener.seq = std::min(after_seq.value_or(head), head);
  const bool added = listeners_.with([&](std::vector<Listener>& all) {
    if (all.size() >= kListenersMax) return false;
    all.push_back(listener);
    return true;
  });
  if (!added) return exhausted("events.listeners_full", "too many event streams are open");
  return listener.stream;
}

Status LiveFeed::pump() {
  std::vector<Listener> all = listeners_.with([](std::vector<Listener>& known) {
    std::erase_if(known, [](const Listener& l) { return !l.stream->open(); });
    return known;
  });
  if (all.empty()) return {};
  const int64_t head = TRY(ledger_.last_seq());
  for (Listener& l : all) {
    while (l.seq < head && l.stream->open()) {
      ledger::Filter filter;
      filter.after_seq = l.seq;
      filter.project = l.project;
      filter.caller = l.caller;
      filter.limit = kPumpEventsMax;
      const std::vector<ledger::Event> events = TRY(ledger_.list(filter));
      for (const ledger::Event& e : events)
        l.stream->send({std::to_string(e.seq), "", invalidate_json(e)});
      const bool more = static_cast<int64_t>(events.size()) == kPumpEventsMax;
      l.seq = more ? events.back().seq : head;
    }
  }
  listeners_.with([&](std::vector<Listener>& known) {
    for (Listener& k : known)
      for (const Listener& l : all)
        if (k.stream == l.stream) k.seq = l.seq;
  });
  return {};
}

void LiveFeed::close() {
  listeners_.with([](std::vector<Listener>& known) {
    for (const Listener& l : known) l.stream->close();
    known.clear();
  });
}

size_t LiveFeed::listeners() const {
  return listeners_.with([](const std::vector<Listener>& known) { return known.size(); });
}

std::vector<http::Route> live_routes(LiveApp app) {
  std::vector<http::Route> out;
  http::Route& row = out.emplace_back();
  row.method = http::Method::kGet;
  row.path = at("/events");
  row.permission = {http::Right::kRead, "ledger", http::On::kList};
  row.audit = http::Audit::kNone;
  row.summary = "Server-sent events: which queries became stale; Last-Event-ID replays.";
  row.blocking = [app](const Ctx& ctx, http::Request& request) -> Result<http::Reply> {
    std::optional<int64_t> after;
    if (const std::string_view last = request.header("last-event-id"); !last.empty()) {
      after = parse_int(last);
      if (!after || *after < 0)
        return invalid("request.last_event_id", "Last-Event-ID must be a sequence number");
    }
    http::Reply reply;
    reply.content_type = "text/event-stream";
    reply.headers.emplace_back("Cache-Control", "no-store");
    reply.events = TRY(app.feed.listen(ctx, after));
    app.wake();
    return reply;
  };
  return out;
}

}  // namespace slip::wire::native
