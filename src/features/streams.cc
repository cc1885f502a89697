#include "features/streams.h"

#include <algorithm>

#include "base/text.h"
#include "core/ledger/ledger.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "sys/log.h"
#include "sys/process.h"
#include "sys/stepper.h"

namespace slip::features {
namespace {

constexpr int64_t kSecretBytesMax = 64 << 10;

ledger::Draft event_of(std::string_view verb, const std::string& source) {
  ledger::Draft out;
  out.verb = verb;
  out.subject = {
      .kind = "feature_stream", .uid = source, .name = source, .version = "", .digest = ""};
  return out;
}

}  // namespace

struct Streams::Running {
  Running(StreamReader::Deps deps, Ctx ctx, Key key_, const KafkaSource& of)
      : key(std::move(key_)), reader(std::move(deps), std::move(ctx), key.second, of) {}
  const Key key;
  StreamReader reader;
  std::unique_ptr<Stepper> steps;
};

std::map<Streams::Key, KafkaSource> Streams::all_wanted() const {
  std::map<Key, KafkaSource> out;
  const std::shared_ptr<const Shelves> shelves = deps_.features.catalog().shelves().load();
  for (const auto& [project, shelf] : *shelves)
    for (const auto& [name, applied] : shelf->latest[static_cast<size_t>(Kind::kSource)])
      if (applied->definition.source.kafka)
        out.emplace(Key(project, name), *applied->definition.source.kafka);
  return out;
}

Result<std::map<Streams::Key, bool>> Streams::read_paused() const {
  std::map<Key, bool> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out.clear();
    return tx.each("SELECT project, source FROM feature_stream WHERE paused <> 0", {},
                   [&](const store::Row& row) { out[{row.str(0), row.str(1)}] = true; });
  }));
  return out;
}

Status Streams::reconcile() {
  const sys::Lock lock(changing_);
  const std::map<Key, KafkaSource> all = all_wanted();
  const bool idle = state_.with(
      [](const State& s) { return s.stopped || (s.running.empty() && s.paused.empty()); });
  if (all.empty() && idle) return {};
  const std::map<Key, bool> paused = TRY(read_paused());
  std::vector<std::shared_ptr<Running>> over;
  std::vector<Key> missing;
  const bool stopped = state_.with([&](State& s) {
    s.paused.clear();
    for (const auto& [key, of] : all)
      if (paused.contains(key)) s.paused.emplace(key, of);
    for (const auto& [key, one] : s.running) {
      const auto found = all.find(key);
      if (found == all.end() || paused.contains(key) || !(found->second == one->reader.of()))
        over.push_back(one);
    }
    for (const auto& one : over) s.running.erase(one->key);
    for (const auto& [key, of] : all)
      if (!paused.contains(key) && !s.running.contains(key)) missing.push_back(key);
    return s.stopped;
  });
  for (const auto& one : over) one->steps->stop();
  if (stopped) return {};
  for (const Key& key : missing) {
    std::shared_ptr<Running> one = begin(key, all.at(key));
    state_.with([&](State& s) { s.running[key] = std::move(one); });
  }
  return {};
}

std::shared_ptr<Streams::Running> Streams::begin(const Key& key, const KafkaSource& of) {
  Ctx ctx;
  ctx.actor_uid = "system";
  ctx.actor_kind = "system";
  ctx.project.text = key.first;
  StreamReader::Deps deps{
      deps_.features,
      deps_.client,
      deps_.clock,
      deps_.notes,
      [this](const KafkaSource& source) { return options_of(source); },
      [this](const Ctx& c, const std::string& s, const StreamMark& to) { tell_reset(c, s, to); },
      [this](const Ctx& c, const std::string& s) -> Status {
        TRY(deps_.features.own());
        return owners_.claim(c, s);
      }};
  auto out = std::make_shared<Running>(std::move(deps), std::move(ctx), key, of);
  out->steps = std::make_unique<Stepper>(deps_.executor, deps_.clock, "feature-stream",
                                         [reader = &out->reader] { return reader->step(); });
  return out;
}

void Streams::stop() {
  std::vector<std::shared_ptr<Running>> all;
  state_.with([&](State& s) {
    s.stopped = true;
    for (auto& [key, one] : s.running) all.push_back(one);
    s.running.clear();
  });
  for (const auto& one : all) one->steps->stop();
}

// ---- what is told and wanted of them

std::vector<Streams::Told> Streams::list(const std::string& project) const {
  std::vector<Told> out;
  const std::map<Key, KafkaSource> all = all_wanted();
  state_.with([&](const State& s) {
    for (const auto& [key, of] : all) {
      if (!project.empty() && key.first != project) continue;
      Told& one = out.emplace_back(Told{key.first, key.second, of.topic, of.brokers, {}});
      const auto found = s.running.find(key);
      if (found != s.running.end()) {
        one.status = found->second->reader.status();
        continue;
      }
      one.status.state = s.paused.contains(key) ? "paused" : "starting";
      for (const StreamMark& m : deps_.features.history().stream_marks(key.first, key.second))
        if (m.topic == of.topic && m.partition >= 0)
          one.status.partitions.push_back({m.partition, m.next, {}, 0});
    }
  });
  return out;
}

Result<KafkaSource> Streams::wanted(const Ctx& ctx, const std::string& source) const {
  const std::map<Key, KafkaSource> all = all_wanted();
  const auto found = all.find({ctx.project.text, source});
  if (found == all.end())
    return not_found(
        "feature_stream.not_found",
        concat({"no source '", source, "' that reads a topic in project ", ctx.project.text}));
  return found->second;
}

Result<Streams::Told> Streams::show(const Ctx& ctx, const std::string& source) const {
  TRY(wanted(ctx, source));
  for (Told& one : list(ctx.project.text))
    if (one.source == source) return std::move(one);
  return not_found("feature_stream.not_found", concat({"no stream '", source, "'"}));
}

Status Streams::set_paused(const Ctx& ctx, const std::string& source, bool paused) {
  TRY(wanted(ctx, source));
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    bool already = false;
    TRY(tx.first("SELECT paused FROM feature_stream WHERE project = ? AND source = ?",
                 {ctx.project.text, source},
                 [&](const store::Row& row) { already = row.i64(0) != 0; }));
    if (already == paused) return {};
    TRY(tx.exec(
        "INSERT INTO feature_stream (project, source, paused, updated_ms, updated_by)"
        " VALUES (?, ?, ?, ?, ?) ON CONFLICT (project, source) DO UPDATE SET"
        " paused = excluded.paused, updated_ms = excluded.updated_ms,"
        " updated_by = excluded.updated_by",
        {ctx.project.text, source, int64_t{paused ? 1 : 0}, deps_.clock.now_ms(), ctx.actor_uid}));
    return deps_.ledger.append(
        tx, ctx, event_of(paused ? "feature_stream.paused" : "feature_stream.resumed", source));
  }));
  return reconcile();
}

Status Streams::pause(const Ctx& ctx, const std::string& source) {
  return set_paused(ctx, source, true);
}

Status Streams::resume(const Ctx& ctx, const std::string& source) {
  return set_paused(ctx, source, false);
}

Status Streams::reset(const Ctx& ctx, const std::string& source, KafkaFrom to) {
  const KafkaSource of = TRY(wanted(ctx, source));
  if (to == KafkaFrom::kStop)
    return invalid("feature_stream.reset", "to the earliest or the latest message");
  TRY(deps_.features.own());
  const sys::Lock lock(changing_);
  std::shared_ptr<Running> one;
  state_.with([&](State& s) {
    const auto found = s.running.find({ctx.project.text, source});
    if (found == s.running.end()) return;
    one = found->second;
    s.running.erase(found);
  });
  if (one) one->steps->stop();  // The next reconciling begins it anew.
  Intake what;
  what.source = source;
  what.marks = marks_of_reset(deps_.features.history().stream_marks(ctx.project.text, source),
                              of.topic, to == KafkaFrom::kEarliest ? kStreamBeginning : kStreamEnd);
  TRY(owners_.take_over(ctx, source));
  TRY(deps_.features.take_in(ctx, what));
  return deps_.db.write([&](store::Tx& tx) -> Status {
    ledger::Draft event = event_of("feature_stream.reset", source);
    event.body = codec::Json::object({{"to", kafka_from_name(to)}, {"topic", of.topic}});
    return deps_.ledger.append(tx, ctx, event);
  });
}

// By a source's `on_reset`.
void Streams::tell_reset(const Ctx& ctx, const std::string& source, const StreamMark& to) {
  const Status told = deps_.db.write([&](store::Tx& tx) -> Status {
    ledger::Draft event = event_of("feature_stream.reset", source);
    event.body = codec::Json::object({{"to", std::to_string(to.next)},
                                      {"topic", to.topic},
                                      {"partition", static_cast<int64_t>(to.partition)}});
    return deps_.ledger.append(tx, ctx, event);
  });
  if (!told.ok())
    deps_.notes.warn(
        "a stream's reset isn't in the ledger",
        {{"source", std::string_view(source)}, {"error", std::string_view(told.error().text)}});
}

// ---- whom it may dial, and as whom

Status Streams::check_brokers(const KafkaSource& of) const {
  if (deps_.rules.any_broker) return {};
  for (const std::string& broker : of.brokers) {
    const std::string host = broker.substr(0, broker.rfind(':'));
    const auto fits = [&](const std::string& allowed) {
      return allowed == broker || allowed == host;
    };
    if (std::none_of(deps_.rules.brokers.begin(), deps_.rules.brokers.end(), fits))
      return forbidden("feature.kafka_brokers",
                       concat({"the operator doesn't let sources read from ", broker}))
          .with_hint("serve --kafka-brokers");
  }
  return {};
}

Status Streams::check(const std::vector<Definition>& definitions) const {
  for (const Definition& d : definitions) {
    if (d.kind != Kind::kSource || !d.source.kafka) continue;
    Status allowed = check_brokers(*d.source.kafka);
    if (!allowed.ok()) return std::move(allowed).error().within(concat({"Source ", d.name}));
  }
  return {};
}

Result<std::string> Streams::value_of(const KafkaValue& value) const {
  if (value.in == KafkaValue::In::kText) return value.text;
  if (value.in == KafkaValue::In::kEnvironment) {
    std::string out = deps_.process.env(value.text);
    if (out.empty())
      return forbidden("feature.kafka_secret", concat({"the variable ", value.text, " isn't set"}));
    return out;
  }
  if (deps_.rules.secrets_dir.empty())
    return forbidden("feature.kafka_secret", "no directory of secrets is set")
        .with_hint("serve --kafka-secrets");
  Result<std::unique_ptr<File>> opened = deps_.fs.open_beneath(deps_.rules.secrets_dir, value.text);
  if (!opened.ok())
    return forbidden("feature.kafka_secret", concat({"the file ", value.text, " can't be read"}));
  const std::unique_ptr<File> file = std::move(*opened);
  const int64_t size = TRY(file->size());
  if (size > kSecretBytesMax)
    return forbidden("feature.kafka_secret", concat({"the file ", value.text, " is too large"}));
  std::string out(static_cast<size_t>(size), '\0');
  out.resize(TRY(file->read_at(0, out)));
  while (!out.empty() && (out.back() == '\n' || out.back() == '\r')) out.pop_back();
  return out;
}

Result<kafka::ConsumerOptions> Streams::options_of(const KafkaSource& of) const {
  TRY(check_brokers(of));
  kafka::ConsumerOptions out;
  out.brokers = slip::join(of.brokers, ",");
  out.topic = of.topic;
  out.uncommitted = of.uncommitted;
  for (const auto& [name, value] : of.properties) {
    std::string given = TRY(value_of(value));
    out.properties.emplace_back(name, std::move(given));
  }
  return out;
}

}  // namespace slip::features
