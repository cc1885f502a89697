#include "scoring/streams.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/text.h"
#include "base/uuid.h"
#include "core/ledger/ledger.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/rng.h"
#include "sys/stepper.h"

namespace slip::scoring {
namespace {

using codec::Json;

constexpr int64_t kLeaseMs = 30'000;

constexpr std::string_view kSchema1 = R"(
CREATE TABLE score_stream (
  project TEXT NOT NULL,
  name TEXT NOT NULL,
  uid TEXT NOT NULL,
  document TEXT NOT NULL,
  paused BIGINT NOT NULL,
  owner TEXT NOT NULL,
  owner_until_ms BIGINT NOT NULL,
  created_ms BIGINT NOT NULL,
  updated_ms BIGINT NOT NULL,
  PRIMARY KEY (project, name)
);
CREATE UNIQUE INDEX score_stream_uid ON score_stream (uid)
)";
constexpr std::array<store::Migration, 1> kMigrations = {{{"scoring", 1, kSchema1}}};

Error bad_field(std::string_view name, std::string_view what) {
  return invalid("score_stream.field", concat({name, ": ", what}));
}

Result<std::string> topic_of(const Json& document, std::string_view key, std::string_view other) {
  std::string topic = TRY(codec::string_or(document, key, other));
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  constexpr size_t kTopicBytesMax = 249;  // Kafka's.
  if (topic.empty() || topic.size() > kTopicBytesMax || !std::ranges::all_of(topic, fits))
    return bad_field(key, "a topic's name is wanted");
  return topic;
}

ledger::Draft event_of(std::string_view verb, const std::string& name, Json body = Json()) {
  ledger::Draft out;
  out.verb = verb;
  out.subject = {.kind = "score_stream", .uid = name, .name = name, .version = "", .digest = ""};
  if (!body.is_null()) out.body = std::move(body);
  return out;
}

}  // namespace

std::span<const store::Migration> migrations() { return kMigrations; }

Result<ScoreStream> parse_score_stream(const Json& document) {
  if (!document.is_object()) return bad_field("document", "an object is wanted");
  const std::set<std::string_view> known = {"deployment",   "from", "to",
                                            "dead_letters", "keep", "rows_max"};
  for (const auto& [key, value] : document.members())
    if (!known.contains(key)) return bad_field(key, "there is no such member");
  ScoreStream out;
  out.deployment = TRY(codec::want_string(document, "deployment"));
  const Json* from = document.find("from");
  if (from == nullptr) return bad_field("from", "it is missing");
  out.from = TRY(features::parse_kafka_source(*from, "from"));
  out.to = TRY(topic_of(document, "to", ""));
  out.dead_letters = TRY(topic_of(document, "dead_letters", concat({out.to, ".dead-letters"})));
  if (std::set<std::string>{out.to, out.dead_letters, out.from.topic}.size() != 3)
    return bad_field("to", "`from`, `to` and `dead_letters` are three topics");
  out.rows_max = TRY(codec::int_or(document, "rows_max", out.rows_max));
  if (out.rows_max < 1 || out.rows_max > kStreamRowsMax)
    return bad_field("rows_max", concat({"1 to ", std::to_string(kStreamRowsMax)}));
  const Json* keep = document.find("keep");
  if (keep != nullptr && !keep->is_array()) return bad_field("keep", "a list of names is wanted");
  if (keep != nullptr)
    for (const Json& name : keep->items()) {
      if (!name.is_string()) return bad_field("keep", "a list of names is wanted");
      out.keep.push_back(name.as_string());
    }
  return out;
}

Json document_of(const ScoreStream& s) {
  Json keep = Json::array();
  for (const std::string& name : s.keep) keep.push(name);
  return Json::object({{"deployment", s.deployment},
                       {"from", s.from.document()},
                       {"to", s.to},
                       {"dead_letters", s.dead_letters},
                       {"keep", std::move(keep)},
                       {"rows_max", s.rows_max}});
}

struct ScoreStreams::Row {
  ScoreStream stream;
  std::string document;
  std::string error = {};  // Why it can't be read.
  bool paused = false;
  int64_t created_ms = 0;
  int64_t updated_ms = 0;
};

struct ScoreStreams::Running {
  Running(Scorer::Deps deps, const Row& row)
      : stream(row.stream), document(row.document), scorer(std::move(deps), row.stream) {}
  const ScoreStream stream;
  const std::string document;
  Scorer scorer;
  int64_t leased_until_ms = 0;  // Of who reconciles.
  std::unique_ptr<Stepper> steps;
};

// ---- the table

Result<std::vector<ScoreStreams::Row>> ScoreStreams::rows() const {
  std::vector<Row> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out.clear();
    Status bad;
    TRY(
        tx.each("SELECT project, name, uid, document, paused, created_ms, updated_ms"
                " FROM score_stream ORDER BY project, name",
                {}, [&](const store::Row& row) {
                  Row one{.stream = {}, .document = row.str(3)};
                  const Result<Json> json = codec::parse_json(one.document);
                  Result<ScoreStream> parsed =
                      json.ok() ? parse_score_stream(*json) : Result<ScoreStream>(json.error());
                  if (parsed.ok())
                    one.stream = std::move(*parsed);
                  else
                    one.error = parsed.error().text;  // Written by a newer version, perhaps.
                  one.stream.project = row.str(0);
                  one.stream.name = row.str(1);
                  one.stream.uid = row.str(2);
                  one.paused = row.i64(4) != 0;
                  one.created_ms = row.i64(5);
                  one.updated_ms = row.i64(6);
                  out.push_back(std::move(one));
                }));
    return {};
  }));
  return out;
}

Result<ScoreStreams::Row> ScoreStreams::find(const Ctx& ctx, const std::string& name) const {
  for (Row& row : TRY(rows()))
    if (row.stream.project == ctx.project.text && row.stream.name == name) return std::move(row);
  return not_found("score_stream.not_found", concat({"no stream '", name, "' is scored"}));
}

// Two with the same positions would take records from each other.
Status ScoreStreams::check_alone(const Ctx& ctx, const std::string& name,
                                 const ScoreStream& stream) const {
  ScoreStream named = stream;
  named.project = ctx.project.text;
  named.name = name;
  for (const Row& row : TRY(rows())) {
    const ScoreStream& other = row.stream;
    const bool same = other.project == named.project && other.name == name;
    if (same || other.from.topic != named.from.topic || other.group() != named.group()) continue;
    const auto shared = [&](const std::string& b) {
      return std::ranges::find(other.from.brokers, b) != other.from.brokers.end();
    };
    if (std::ranges::any_of(named.from.brokers, shared))
      return conflict("score_stream.group", concat({"another stream reads ", named.from.topic,
                                                    " as group ", named.group()}))
          .with_hint("name another `properties: {group.id: …}`");
  }
  return {};
}

Status ScoreStreams::put(const Ctx& ctx, const std::string& name, const Json& document) {
  if (name.empty() || name.size() > kStreamNameBytesMax) return bad_field("name", "1 to 128 bytes");
  const ScoreStream stream = TRY(parse_score_stream(document));
  // Whether the brokers may be dialled, and secrets are there; nothing is dialled yet.
  TRY(deps_.scorer.connect(stream.from));
  // A deployment, or a model of the server's files.
  if (!deps_.scorer.serving.table().load()->hold(ctx.project.text, stream.deployment))
    TRY(deps_.scorer.serving.find(ctx, stream.deployment));
  TRY(check_alone(ctx, name, stream));
  const std::string text = codec::to_json(document_of(stream));
  const std::string uid = new_uuid7(deps_.scorer.clock, deps_.rng).text();
  const int64_t now_ms = deps_.scorer.clock.now_ms();
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    std::string before;
    int64_t others = 0;
    TRY(tx.first("SELECT document FROM score_stream WHERE project = ? AND name = ?",
                 {ctx.project.text, name}, [&](const store::Row& row) { before = row.str(0); }));
    if (before == text) return {};
    TRY(tx.first("SELECT COUNT(*) FROM score_stream", {},
                 [&](const store::Row& row) { others = row.i64(0); }));
    if (before.empty() && others >= static_cast<int64_t>(kStreamsMax))
      return exhausted("score_stream.too_many", "too many streams are scored");
    TRY(
        tx.exec("INSERT INTO score_stream (project, name, uid, document, paused, owner,"
                " owner_until_ms, created_ms, updated_ms) VALUES (?, ?, ?, ?, 0, '', 0, ?, ?)"
                " ON CONFLICT (project, name) DO UPDATE SET document = excluded.document,"
                " updated_ms = excluded.updated_ms",
                {ctx.project.text, name, uid, text, now_ms, now_ms}));
    return deps_.ledger.append(
        tx, ctx,
        event_of(before.empty() ? "score_stream.created" : "score_stream.changed", name,
                 document_of(stream)));
  }));
  ignore(reconcile(), "the duty does it");
  return {};
}

Status ScoreStreams::remove(const Ctx& ctx, const std::string& name) {
  const Row row = TRY(find(ctx, name));
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    TRY(tx.exec("DELETE FROM score_stream WHERE uid = ?", {row.stream.uid}));
    return deps_.ledger.append(tx, ctx, event_of("score_stream.removed", name));
  }));
  ignore(reconcile(), "the duty does it");
  return {};
}

Status ScoreStreams::set_paused(const Ctx& ctx, const std::string& name, bool paused) {
  const Row row = TRY(find(ctx, name));
  if (row.paused == paused) return {};
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    TRY(tx.exec("UPDATE score_stream SET paused = ? WHERE uid = ?",
                {int64_t{paused ? 1 : 0}, row.stream.uid}));
    return deps_.ledger.append(
        tx, ctx, event_of(paused ? "score_stream.paused" : "score_stream.resumed", name));
  }));
  ignore(reconcile(), "the duty does it");
  return {};
}

// ---- what is told

ScoreStreams::Told ScoreStreams::told_of(const Row& row) const {
  Told out{row.stream, {}, row.created_ms, row.updated_ms};
  const std::shared_ptr<Running> one = state_.with([&](const State& s) {
    const auto found = s.running.find(row.stream.uid);
    return found == s.running.end() ? nullptr : found->second;
  });
  if (one)
    out.status = one->scorer.status();
  else
    out.status.state = !row.error.empty() ? "failed" : row.paused ? "paused" : "elsewhere";
  if (!row.error.empty()) out.status.error = row.error;
  return out;
}

Result<std::vector<ScoreStreams::Told>> ScoreStreams::list(const std::string& project) const {
  std::vector<Told> out;
  for (const Row& row : TRY(rows()))
    if (project.empty() || row.stream.project == project) out.push_back(told_of(row));
  return out;
}

Result<ScoreStreams::Told> ScoreStreams::show(const Ctx& ctx, const std::string& name) const {
  return told_of(TRY(find(ctx, name)));
}

std::vector<ScoreStreams::Told> ScoreStreams::running() const {
  std::vector<Told> out;
  state_.with([&](const State& s) {
    for (const auto& [uid, one] : s.running)
      out.push_back({one->stream, one->scorer.status(), 0, 0});
  });
  return out;
}

// ---- tasks

// Ours for a while, if nobody else has it.
Result<bool> ScoreStreams::lease(const Row& row) {
  bool ours = false;
  const int64_t now_ms = deps_.scorer.clock.now_ms();
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    ours = false;
    TRY(
        tx.exec("UPDATE score_stream SET owner = ?, owner_until_ms = ? WHERE uid = ? AND"
                " (owner = ? OR owner_until_ms < ?)",
                {deps_.self, now_ms + kLeaseMs, row.stream.uid, deps_.self, now_ms}));
    TRY(tx.first("SELECT owner FROM score_stream WHERE uid = ?", {row.stream.uid},
                 [&](const store::Row& r) { ours = r.text(0) == deps_.self; }));
    return {};
  }));
  return ours;
}

Status ScoreStreams::release(const std::string& uid) {
  return deps_.db.write([&](store::Tx& tx) -> Status {
    TRY(tx.exec("UPDATE score_stream SET owner_until_ms = 0 WHERE uid = ? AND owner = ?",
                {uid, deps_.self}));
    return {};
  });
}

std::shared_ptr<ScoreStreams::Running> ScoreStreams::begin(const Row& row) {
  auto out = std::make_shared<Running>(deps_.scorer, row);
  out->steps = std::make_unique<Stepper>(deps_.executor, deps_.scorer.clock, "score-stream",
                                         [scorer = &out->scorer] { return scorer->step(); });
  return out;
}

// All are told before the first is waited for: a step may wait for brokers.
void ScoreStreams::end(const std::vector<std::shared_ptr<Running>>& over) {
  for (const auto& one : over) one->steps->tell_to_stop();
  for (const auto& one : over) {
    one->steps->stop();
    ignore(release(one->stream.uid), "the lease ends by itself");
  }
}

// The lease of one that runs, or should.
Status ScoreStreams::attend(const Row& row, std::vector<std::shared_ptr<Running>>* over) {
  const int64_t now_ms = deps_.scorer.clock.now_ms();
  const auto known = state_.with([&](State& s) -> std::optional<std::shared_ptr<Running>> {
    if (s.stopped) return std::nullopt;
    const auto found = s.running.find(row.stream.uid);
    return found == s.running.end() ? nullptr : found->second;
  });
  if (!known) return {};
  const std::shared_ptr<Running>& one = *known;
  if (one && one->leased_until_ms - now_ms > kLeaseMs / 2) return {};
  const bool ours = TRY(lease(row));
  if (one && ours) one->leased_until_ms = now_ms + kLeaseMs;
  if (one && !ours) {
    state_.with([&](State& s) { s.running.erase(row.stream.uid); });
    over->push_back(one);
  }
  if (one || !ours) return {};
  state_.with([&](State& s) {
    if (s.stopped) return;
    const auto begun = begin(row);
    begun->leased_until_ms = now_ms + kLeaseMs;
    s.running[row.stream.uid] = begun;
  });
  return {};
}

Status ScoreStreams::reconcile() {
  const sys::Lock lock(changing_);
  const std::vector<Row> wanted = TRY(rows());
  std::vector<std::shared_ptr<Running>> over;
  state_.with([&](State& s) {
    std::erase_if(s.running, [&](const auto& entry) {
      const auto row =
          std::ranges::find_if(wanted, [&](const Row& r) { return r.stream.uid == entry.first; });
      const bool stays = row != wanted.end() && !row->paused && row->error.empty() &&
                         row->document == entry.second->document;
      if (!stays) over.push_back(entry.second);
      return !stays;
    });
  });
  std::set<std::string> ending;
  for (const auto& one : over) ending.insert(one->stream.uid);
  Status done;
  for (const Row& row : wanted) {
    // One that changed begins once its task is over.
    if (row.paused || !row.error.empty() || ending.contains(row.stream.uid)) continue;
    Status attended = attend(row, &over);
    if (!attended.ok()) done = std::move(attended);
  }
  end(over);
  for (const Row& row : wanted)
    if (!row.paused && row.error.empty() && ending.contains(row.stream.uid)) {
      Status attended = attend(row, &over);
      if (!attended.ok()) done = std::move(attended);
    }
  return done;
}

void ScoreStreams::stop() {
  std::vector<std::shared_ptr<Running>> all;
  state_.with([&](State& s) {
    s.stopped = true;
    for (auto& [uid, one] : s.running) all.push_back(one);
    s.running.clear();
  });
  end(all);
}

}  // namespace slip::scoring
