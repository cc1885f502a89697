#include "sim/client.h"

#include "base/text.h"
#include "registry/governance.h"

namespace slip::sim {
namespace {

constexpr int64_t kBlobBytesMax = 300'000;

template <class T>
Status status_of(const Result<T>& r) {
  if (r.ok()) return {};
  return r.error();
}

ledger::Draft fact_event(const std::string& key) {
  ledger::Draft draft;
  draft.verb = "sim.fact";
  draft.subject.kind = "sim_fact";
  draft.subject.uid = key;
  return draft;
}

Status insert_fact(Spine& spine, store::Tx& tx, const Ctx& ctx, const std::string& key) {
  TRY(tx.exec("INSERT INTO sim_fact (project, k) VALUES ('default', ?)", {key}));
  return spine.ledger->append(tx, ctx, fact_event(key));
}

}  // namespace

void Client::run(int steps) {
  for (int i = 0; i < steps; ++i) step();
}

void Client::step() {
  ++shared_.counts.operations;
  switch (dice_.below(17)) {
    case 0:
    case 1:
    case 2:
      return write_fact();
    case 3:
      return write_refused_fact();
    case 4:
    case 5:
      return write_blob();
    case 6:
      return read_blob();
    case 7:
      return sweep();
    case 8:
    case 14:
    case 15:
      return append_record();
    case 9:
      return consume();
    case 10:
      return read_ledger();
    case 11:
      return govern();
    default:
      return change_production();
  }
}

bool Client::told(const char* what, const Status& status) {
  if (status.ok()) {
    ++shared_.counts.acknowledged;
    return true;
  }
  ++shared_.counts.refused;
  const Code code = status.error().code;
  if (code == Code::kInternal || code == Code::kCorrupt)
    shared_.violations.add(concat({what, ": ", status.error().reason, ": ", status.error().text}));
  return false;
}

void Client::write_fact() {
  const std::string key = concat({name_, "-", std::to_string(next_++)});
  shared_.promises.facts_attempted.insert(key);
  const Status done =
      spine_.db->write([&](store::Tx& tx) { return insert_fact(spine_, tx, ctx_, key); });
  if (told("write fact", done)) shared_.promises.facts.insert(key);
}

void Client::write_refused_fact() {
  const std::string key = concat({name_, "-no-", std::to_string(next_++)});
  shared_.promises.facts_refused.insert(key);
  const Status done = spine_.db->write([&](store::Tx& tx) -> Status {
    TRY(insert_fact(spine_, tx, ctx_, key));
    return conflict("sim.refused", "the body says no");
  });
  shared_.violations.require(!done.ok(), "a body that said no was acknowledged: " + key);
}

void Client::write_blob() {
  std::string bytes(dice_.below(3) == 0 ? dice_.below(kBlobBytesMax) : dice_.below(2000), '\0');
  const uint64_t pattern = dice_.below(5);  // Repeats make deduplication work.
  SimRng content(pattern == 0 ? dice_.next() : pattern);
  content.fill(std::span(reinterpret_cast<uint8_t*>(bytes.data()), bytes.size()));
  const auto under_way = shared_.promises.puts_under_way.insert(executor_.clock().now_us());
  put_and_reference(std::move(bytes));
  shared_.promises.puts_under_way.erase(under_way);
}

void Client::put_and_reference(std::string bytes) {
  const Result<store::Digest> digest = spine_.blobs->put(bytes);
  if (!told("put blob", status_of(digest))) return;
  const std::string text = digest->text();
  const Status referenced = spine_.db->write([&](store::Tx& tx) -> Status {
    TRY(
        tx.exec("INSERT INTO sim_blob (project, digest) VALUES ('default', ?)"
                " ON CONFLICT (project, digest) DO NOTHING",
                {text}));
    return {};
  });
  if (told("reference blob", referenced)) shared_.promises.blobs[*digest] = std::move(bytes);
}

void Client::read_blob() {
  if (shared_.promises.blobs.empty()) return;
  auto it = shared_.promises.blobs.begin();
  std::advance(it, static_cast<int64_t>(dice_.below(shared_.promises.blobs.size())));
  const codec::Sha256 digest = it->first;
  const std::string wanted = it->second;
  const Result<std::string> got = spine_.blobs->get(digest, kBlobBytesMax);
  if (!told("get blob", status_of(got))) {
    shared_.violations.require(got.error().code != Code::kNotFound,
                               "an acknowledged blob is gone: " + digest.text());
    return;
  }
  shared_.violations.require(*got == wanted, "a blob has other contents: " + digest.text());
}

void Client::sweep() {
  // Older than whatever has been put and is not referenced yet, as the rule of sweep() says.
  int64_t fence_us = executor_.clock().now_us();
  if (!shared_.promises.puts_under_way.empty())
    fence_us = std::min(fence_us, *shared_.promises.puts_under_way.begin());
  const auto mark = [&](const std::function<void(const store::Digest&)>& keep) -> Status {
    std::vector<std::string> texts;
    TRY(spine_.db->read([&](store::Tx& tx) {
      return tx.each("SELECT digest FROM sim_blob WHERE project = 'default'", {},
                     [&](const store::Row& row) { texts.push_back(row.str(0)); });
    }));
    for (const std::string& t : texts) keep(TRY(codec::parse_sha256(t)));
    return {};
  };
  told("sweep", status_of(spine_.blobs->sweep(fence_us, mark)));
}

void Client::append_record() {
  const std::string record =
      concat({name_, " record ", std::to_string(next_++), std::string(dice_.below(800), 'x')});
  const std::string_view view = record;
  shared_.promises.records_attempted.insert(record);
  // What only the kernel has acknowledged may be lost with the power, or torn.
  const store::LogAck ack = dice_.one_in(2) ? store::LogAck::kKernel : store::LogAck::kDisk;
  if (told("append", spine_.log->append(std::span(&view, 1), ack)) && ack == store::LogAck::kDisk)
    shared_.promises.records.insert(record);
}

void Client::consume() {
  const auto on_event = [](store::Tx& tx, const ledger::Event& event) -> Status {
    TRY(tx.exec("INSERT INTO sim_effect (project, seq) VALUES ('default', ?)", {event.seq}));
    return {};
  };
  told("consume", status_of(spine_.ledger->consume("sim", 5, on_event)));
}

void Client::read_ledger() {
  // Of reads that overlap, the later to return may be the earlier to look: only what others had
  // seen before this one began must still be there.
  const int64_t seen = shared_.promises.seq_seen;
  const Result<int64_t> seq = spine_.ledger->last_seq();
  if (!told("read ledger", status_of(seq))) return;
  shared_.violations.require(*seq >= seen, "the ledger became shorter");
  shared_.promises.seq_seen = std::max(shared_.promises.seq_seen, *seq);
}

// Versions come, are gated and approved.
void Client::govern() {
  registry::Registry& r = *spine_.registry;
  const int64_t number = 1 + static_cast<int64_t>(dice_.below(4));
  switch (dice_.below(3)) {
    case 0: {
      if (!r.get_model(ctx_, kModel).ok())
        ignore(r.create_model(ctx_, kModel, std::nullopt, {}), "another client may be faster");
      registry::NewVersion wanted;
      wanted.model = kModel;
      wanted.source = "runs:/x/" + name_ + std::to_string(next_++);
      told("create version", status_of(r.create_version(ctx_, wanted)));
      return;
    }
    case 1:
      told("gate", status_of(r.evaluate_gate(ctx_, kModel, number,
                                             {{registry::Check::Kind::kFloor, "accuracy", 0.5}})));
      return;
    default:
      told("approve", status_of(registry::Governance(r).approve(ctx_, kModel, number,
                                                                {.ask_if_missing = true})));
  }
}

void Client::change_production() {
  registry::Registry& r = *spine_.registry;
  const int64_t number = 1 + static_cast<int64_t>(dice_.below(4));
  const bool back = dice_.one_in(3);
  if (!back) {  // What held Production may have changed since: the way back is approved anew.
    Ctx reviewer = ctx_;
    reviewer.actor_uid = "reviewer";
    told("approve", status_of(registry::Governance(r).approve(reviewer, kModel, number,
                                                              {.ask_if_missing = true})));
  }
  const Result<registry::Version> done =
      back ? r.rollback(ctx_, kModel, "sim") : r.promote(ctx_, kModel, number);
  if (told(back ? "roll back" : "promote", status_of(done)))
    shared_.promises.holders.insert(done->number);
}

}  // namespace slip::sim
