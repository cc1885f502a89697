#include <set>

#include "base/text.h"
#include "sim/client.h"

namespace slip::sim {
namespace {

std::set<std::string> texts(Spine& spine, std::string_view sql, Violations& v) {
  std::set<std::string> out;
  const Status read = spine.db->read([&](store::Tx& tx) {
    return tx.each(sql, {}, [&](const store::Row& row) { out.insert(row.str(0)); });
  });
  if (!read.ok()) v.add("cannot read after a clean start: " + read.error().text);
  return out;
}

Result<std::vector<ledger::Event>> all_events(Spine& spine) {
  std::vector<ledger::Event> out;
  for (;;) {
    ledger::Filter filter;
    filter.after_seq = out.empty() ? 0 : out.back().seq;
    filter.limit = ledger::kListMax;
    const std::vector<ledger::Event> page = TRY(spine.ledger->list(filter));
    if (page.empty()) return out;
    out.insert(out.end(), page.begin(), page.end());
  }
}

void check_facts(Spine& spine, const std::vector<ledger::Event>& events, const Promises& p,
                 Violations& v) {
  const std::set<std::string> facts = texts(spine, "SELECT k FROM sim_fact", v);
  std::set<std::string> told;
  for (const ledger::Event& e : events)
    if (e.verb == "sim.fact") v.require(told.insert(e.subject.uid).second, "an event came twice");
  for (const std::string& k : p.facts)
    v.require(facts.contains(k), "an acknowledged fact is lost: " + k);
  for (const std::string& k : facts) {
    v.require(!p.facts_refused.contains(k), "a refused fact is there: " + k);
    v.require(p.facts_attempted.contains(k) || p.facts_refused.contains(k),
              "a fact that nobody wrote: " + k);
    v.require(told.contains(k), "a fact without its event: " + k);
  }
  for (const std::string& k : told) v.require(facts.contains(k), "an event without its fact: " + k);
}

void check_ledger(const std::vector<ledger::Event>& events, const Promises& p, Violations& v) {
  for (size_t i = 0; i < events.size(); ++i) {
    v.require(events[i].seq == static_cast<int64_t>(i) + 1, "the ledger's sequence has a gap");
    if (i > 0) v.require(events[i].ts_us >= events[i - 1].ts_us, "the ledger's time runs back");
  }
  v.require(static_cast<int64_t>(events.size()) >= p.seq_seen, "events that were read are gone");
}

// Effects are exactly those of the events up to the consumer's cursor, and draining brings all.
void check_effects(Spine& spine, size_t events, Violations& v) {
  const auto on_event = [](store::Tx& tx, const ledger::Event& event) -> Status {
    TRY(tx.exec("INSERT INTO sim_effect (project, seq) VALUES ('default', ?)", {event.seq}));
    return {};
  };
  for (;;) {
    const Result<bool> more = spine.ledger->consume("sim", 100, on_event);
    if (!more.ok()) return v.add("an event is consumed twice: " + more.error().text);
    if (!*more) break;
  }
  int64_t count = 0;
  const Status read = spine.db->read([&](store::Tx& tx) -> Status {
    TRY(tx.first("SELECT COUNT(*) FROM sim_effect", {},
                 [&](const store::Row& row) { count = row.i64(0); }));
    return {};
  });
  v.require(read.ok() && count == static_cast<int64_t>(events), "an event was never consumed");
}

void check_blobs(Spine& spine, const Promises& p, Violations& v) {
  for (const auto& [digest, bytes] : p.blobs) {
    const Result<std::string> got = spine.blobs->get(digest, static_cast<int64_t>(bytes.size()));
    if (!got.ok())
      v.add(concat({"an acknowledged blob cannot be read: ", got.error().reason}));
    else
      v.require(*got == bytes, "an acknowledged blob has other contents");
  }
}

void check_records(Spine& spine, const Promises& p, Violations& v) {
  std::set<std::string> found;
  for (const store::LogSegment& s : spine.log->segments()) {
    const Result<int64_t> read =
        spine.log->read(s.number, 0, [&](std::string_view r, int64_t) -> Result<bool> {
          found.emplace(r);
          return true;
        });
    if (!read.ok()) v.add("the log cannot be read: " + read.error().text);
  }
  for (const std::string& r : p.records)
    v.require(found.contains(r), "an acknowledged record is lost");
  for (const std::string& r : found)
    v.require(p.records_attempted.contains(r), "a record that nobody wrote");
}

void check_registry(Spine& spine, const std::vector<ledger::Event>& events, const Promises& p,
                    Violations& v) {
  const Ctx ctx;
  if (!spine.registry->get_model(ctx, kModel).ok()) return;
  const auto versions = spine.registry->list_versions(ctx, kModel);
  const auto history = spine.registry->history(ctx, kModel);
  if (!versions.ok() || !history.ok()) return v.add("the registry cannot be read");
  int64_t holder = 0;
  int64_t holders = 0;
  for (const registry::Version& version : *versions)
    if (version.stage == registry::Stage::kProduction) holder = version.number, ++holders;
  v.require(holders <= 1, "two versions hold Production");
  int64_t tenures = 0;
  std::set<int64_t> held;
  int64_t open = 0;
  for (const registry::Tenure& t : *history) {
    if (t.stage != registry::Stage::kProduction) continue;
    ++tenures;
    held.insert(t.version);
    if (t.to_ms) continue;
    ++open;
    v.require(t.version == holder, "the history names another holder than the versions do");
  }
  v.require(open == holders, "the history and the versions disagree on whether anybody holds");
  int64_t told = 0;
  for (const ledger::Event& e : events)
    told += e.verb == "model_version.promoted" || e.verb == "model_version.rolled_back";
  v.require(told == tenures, "changes of Production and their events differ in number");
  for (const int64_t number : p.holders)
    v.require(held.contains(number), "an acknowledged promotion is lost");
}

}  // namespace

void check_promises(Spine& spine, Promises& p, Violations& v) {
  const Result<std::vector<ledger::Event>> events = all_events(spine);
  if (!events.ok()) return v.add("the ledger cannot be read: " + events.error().text);
  check_facts(spine, *events, p, v);
  check_ledger(*events, p, v);
  check_effects(spine, events->size(), v);
  check_blobs(spine, p, v);
  check_records(spine, p, v);
  check_registry(spine, *events, p, v);
}

}  // namespace slip::sim
