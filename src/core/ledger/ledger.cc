#include "core/ledger/ledger.h"

#include <algorithm>

#include "base/bug.h"
#include "base/text.h"
#include "codec/hash.h"
#include "core/ledger/ledger_store.h"
#include "sys/clock.h"
#include "sys/rng.h"

namespace slip::ledger {
namespace {

constexpr int64_t kLeafFormat = 1;
constexpr int64_t kMinuteUs = 60'000'000;
constexpr int64_t kFlushedAtOnce = 200;

// Project names are given once and never reused, so the name is the project's uid.
Result<std::string> make_leaf(const Event& e, std::string_view reason_digest) {
  codec::Json leaf = codec::Json::object({
      {"v", kLeafFormat},
      {"id", e.id},
      {"ts", std::to_string(e.ts_us)},
      {"actor_uid", e.actor_uid},
      {"actor_kind", e.actor_kind},
      {"verb", e.verb},
      {"project_uid", e.project},
      {"kind", e.subject.kind},
      {"uid", e.subject.uid},
      {"version", e.subject.version},
      {"object_digest", e.subject.digest},
      {"before_digest", e.before_digest},
      {"after_digest", e.after_digest},
      {"reason_digest", reason_digest},
      {"decision", e.decision},
      {"request_id", e.request_id},
      {"trace_id", e.trace_id},
  });
  return codec::to_canonical_json(leaf);
}

Status check_fields(const Event& e) {
  if (e.verb.empty()) return invalid("ledger.verb_missing", "an event needs a verb");
  for (const std::string* field :
       {&e.project, &e.actor_uid, &e.verb, &e.subject.kind, &e.subject.uid, &e.subject.version,
        &e.subject.digest, &e.before_digest, &e.after_digest, &e.decision, &e.request_id})
    if (field->size() > kFieldBytesMax)
      return invalid("ledger.field_too_long",
                     "a field of the event has " + std::to_string(field->size()) + " bytes");
  return {};
}

// What may be erased later: the label, the person's reason, the body. "" when there is nothing.
Result<std::string> make_content(const Draft& draft) {
  codec::Json content = codec::Json::object();
  if (!draft.subject.name.empty()) content.set("name", draft.subject.name);
  if (!draft.reason.empty()) content.set("reason", draft.reason);
  if (!draft.body.is_null()) content.set("body", draft.body);
  if (content.members().empty()) return std::string();
  std::string text = codec::to_json(content);
  if (text.size() > kBodyBytesMax)
    return invalid("ledger.body_too_large", "the event's body has " + std::to_string(text.size()) +
                                                " bytes, limit " + std::to_string(kBodyBytesMax));
  return text;
}

std::string make_salt(Rng& rng) {
  std::array<uint8_t, 16> salt{};
  rng.fill(salt);
  return {salt.begin(), salt.end()};
}

}  // namespace

std::string salted_digest(std::string_view salt, std::string_view content) {
  return codec::sha256(concat({salt, content})).text();
}

Ledger::Ledger(Deps deps) : deps_(std::move(deps)) {}

Status Ledger::append(store::Tx& tx, const Ctx& ctx, const Draft& draft) {
  Event event;
  event.project = ctx.project.text;
  event.actor_uid = ctx.actor_uid;
  event.actor_kind = ctx.actor_kind;
  event.request_id = ctx.request_id;
  event.trace_id = ctx.trace_id;
  event.verb = draft.verb;
  event.subject = draft.subject;
  event.before_digest = draft.before_digest;
  event.after_digest = draft.after_digest;
  event.decision = draft.decision;
  TRY(check_fields(event));
  const std::string content = TRY(make_content(draft));
  const std::string salt = content.empty() ? "" : make_salt(deps_.rng);

  event.ts_us = deps_.clock.now_us();
  if (deps_.db.kind() == "sqlite") {
    const sql::Head head = TRY(sql::advance_head(tx, event.ts_us));
    event.seq = head.seq;
    event.ts_us = head.ts_us;
  }
  event.id = draft.id.empty() ? new_uuid7(deps_.clock, deps_.rng).text() : draft.id;
  event.leaf = TRY(make_leaf(event, content.empty() ? "" : salted_digest(salt, content)));
  return sql::insert(tx, event, salt, content);
}

Status Ledger::count(store::Tx& tx, const Ctx& ctx, const Draft& draft, const Counted& counted) {
  sql::Count count{.project = ctx.project.text,
                   .actor_uid = ctx.actor_uid,
                   .actor_kind = ctx.actor_kind,
                   .verb = draft.verb,
                   .subject = draft.subject,
                   .minute = (counted.at_us ? counted.at_us : deps_.clock.now_us()) / kMinuteUs,
                   .n = counted.n,
                   .digest = ""};
  const bool known = TRY(sql::add_to_count(tx, &count));
  for (const std::string& item : counted.items)
    count.digest = codec::sha256(concat({count.digest, item})).text();
  return sql::put_count(tx, count, known);
}

Result<int64_t> Ledger::flush_counted() {
  int64_t total = 0;
  for (;;) {
    const int64_t minute = deps_.clock.now_us() / kMinuteUs;
    std::vector<sql::Count> due;
    TRY(deps_.db.read([&](store::Tx& tx) -> Status {
      due = TRY(sql::counts_before(tx, minute, 1));
      return {};
    }));
    if (due.empty()) return total;
    TRY(deps_.db.write([&](store::Tx& tx) -> Status {
      due = TRY(sql::counts_before(tx, minute, kFlushedAtOnce));
      for (const sql::Count& c : due) {
        Ctx ctx;
        ctx.actor_uid = c.actor_uid;
        ctx.actor_kind = c.actor_kind;
        ctx.project.text = c.project;
        Draft draft;
        draft.verb = c.verb;
        draft.subject = c.subject;
        draft.after_digest = c.digest;
        draft.body = codec::Json::object({{"count", c.n}, {"minute_ms", c.minute * 60'000}});
        TRY(append(tx, ctx, draft));
        TRY(sql::drop_count(tx, c));
      }
      return {};
    }));
    total += static_cast<int64_t>(due.size());
  }
}

Result<int64_t> Ledger::number_pending() {
  if (deps_.db.kind() == "sqlite") return int64_t{0};
  bool any = false;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    any = !TRY(sql::pending(tx, 1)).empty();
    return {};
  }));
  if (!any) return int64_t{0};
  int64_t numbered = 0;
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    sql::Head head = TRY(sql::lock_head(tx));
    numbered = 0;
    for (sql::Pending& p : TRY(sql::pending(tx, kNumberedAtOnce))) {
      ++head.seq;
      if (p.ts_us < head.ts_us) {  // Another node's clock was ahead: ts never runs back.
        p.ts_us = head.ts_us;
        codec::Json leaf = TRY(codec::parse_json(p.leaf));
        leaf.set("ts", std::to_string(p.ts_us));
        p.leaf = TRY(codec::to_canonical_json(leaf));
      }
      head.ts_us = p.ts_us;
      TRY(sql::number(tx, p, head.seq));
      ++numbered;
    }
    return sql::set_head(tx, head);
  }));
  return numbered;
}

Result<std::vector<Event>> Ledger::list(const Filter& filter) {
  std::vector<Event> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(sql::list(tx, filter, deps_.scopes));
    return {};
  }));
  return out;
}

Result<std::string> Ledger::object_of(store::Tx& tx, const Event& event) {
  return sql::object_of(tx, event.seq, deps_.scopes);
}

Result<int64_t> Ledger::last_seq() {
  int64_t seq = 0;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    seq = TRY(sql::read_head(tx)).seq;
    return {};
  }));
  return seq;
}

Result<std::vector<int64_t>> Ledger::seqs_of(const std::string& project,
                                             std::span<const std::string> ids) {
  std::vector<int64_t> out;
  if (ids.empty()) return out;
  while (TRY(number_pending()) == kNumberedAtOnce) {}
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out.clear();
    for (const std::string& id : ids) out.push_back(TRY(sql::seq_of(tx, project, id)));
    return {};
  }));
  return out;
}

Result<bool> Ledger::consume(std::string_view cursor, int64_t events_max, const OnEvent& on_event) {
  bool any = false;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    any = TRY(sql::read_head(tx)).seq > TRY(sql::read_cursor(tx, cursor));
    return {};
  }));
  if (!any) return false;
  std::vector<Event> late;  // Of the planted bug.
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    Filter filter;
    filter.after_seq = TRY(sql::read_cursor(tx, cursor));
    filter.limit = std::min(events_max, kListMax);
    const std::vector<Event> events = TRY(sql::list(tx, filter, deps_.scopes));
    any = !events.empty();
    if (!any) return {};
    if (planted(Bug::kCursorBeforeEffect)) {
      late = events;
      return sql::set_cursor(tx, cursor, events.back().seq);
    }
    for (const Event& event : events) TRY(on_event(tx, event));
    return sql::set_cursor(tx, cursor, events.back().seq);
  }));
  if (!late.empty())
    TRY(deps_.db.write([&](store::Tx& tx) -> Status {
      for (const Event& event : late) TRY(on_event(tx, event));
      return {};
    }));
  return any;
}

Status Ledger::erase_body(store::Tx& tx, const Ctx& ctx, int64_t seq) {
  Filter filter;
  filter.after_seq = seq - 1;
  filter.before_seq = seq + 1;
  const std::vector<Event> found = TRY(sql::list(tx, filter, deps_.scopes));
  if (found.empty() || found.front().project != ctx.project.text)
    return not_found("event.not_found", "no event " + std::to_string(seq));
  const Event& event = found.front();
  if (TRY(sql::erase_body(tx, event.project, event.id)) == 0) return {};
  Draft draft;
  draft.verb = "event.body_erased";
  draft.subject.kind = "event";
  draft.subject.uid = event.id;
  return append(tx, ctx, draft);
}

}  // namespace slip::ledger
