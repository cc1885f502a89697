#include "scoring/scorer.h"

#include <algorithm>

#include "base/text.h"
#include "scoring/record_rows.h"
#include "serving/tensor_json.h"
#include "sys/clock.h"
#include "sys/log.h"

namespace slip::scoring {
namespace {

using codec::Json;
using serving::Tensor;

constexpr int64_t kRestMs = 500;
constexpr int64_t kRestMaxMs = 30'000;
constexpr int64_t kLookMs = 30'000;  // For new partitions.
constexpr int64_t kWaitMs = 250;
constexpr int64_t kTroubleMs = 60'000;  // Then the connection is made anew.
constexpr int64_t kFencedMs = 30'000;   // A lease's time: by then it is known whose stream it is.
constexpr int64_t kBlamedMax = 8;       // So many that fail, and none answered: it is the model.
// Of an outgoing value with its key: brokers take a megabyte unless they are told otherwise.
constexpr size_t kOutgoingBytesMax = 960 << 10;

// What one batch is made of, and what becomes of its rows.
struct Batch {
  const ScoreStream& stream;
  std::vector<const kafka::Record*> records = {};
  std::vector<Json> parsed = {};  // Null: it can't be read; why, in `errors`.
  std::vector<Json> answers = {};
  std::vector<std::optional<Error>> errors = {};
  int64_t failed = 0;  // By the model, not by what was asked.
  int64_t answered = 0;
  int64_t version = 0;  // Of the model that answered last.
};

Json answer_of(const Batch& batch, size_t at, const serving::Prediction& p, int64_t row) {
  Json out = Json::object();
  for (const std::string& name : batch.stream.keep)
    if (const Json* kept = batch.parsed[at].find(name)) out.set(name, *kept);
  out.set("deployment", batch.stream.deployment);
  out.set("model_version", p.model_version);
  out.set("prediction_id", p.id.text());
  out.set("row", row);
  Json outputs = Json::object();
  for (const Tensor& t : p.outputs) outputs.set(t.name, serving::row_json(t, row));
  out.set("outputs", std::move(outputs));
  return out;
}

// Answers some of a batch with one arm; when that refuses or fails, each half for itself, so that
// one record's fault is its own, and never a canary's: what a canary doesn't answer the stable arm
// does.
class Answering {
 public:
  Answering(serving::Serving& serving, std::shared_ptr<const serving::Route> route, Batch* batch)
      : serving_(serving), route_(std::move(route)), batch_(batch) {
    ctx_.project.text = batch->stream.project;
    ctx_.actor_uid = batch->stream.uid;
    ctx_.actor_kind = "system";
  }

  // `draw`: of the batch; the same one has the same arm.
  Status run(const std::vector<size_t>& which, const std::string& draw) {
    return run_on(which, route_->choose(route_->draw_of(draw)), draw);
  }

 private:
  Status run_on(const std::vector<size_t>& which, const serving::Arm& arm,
                const std::string& draw) {
    if (which.empty()) return {};
    RecordRows rows = TRY(RecordRows::make(arm.model->signature()));
    std::vector<size_t> fit;
    for (const size_t i : which) {
      Status added = rows.add(batch_->parsed[i]);
      if (added.ok())
        fit.push_back(i);
      else
        TRY(blame(i, arm, std::move(added).error()));
    }
    if (fit.empty()) return {};
    serving::Serving::Ask ask;
    Result<std::vector<Tensor>> inputs = rows.take();
    if (!inputs.ok()) return halves(fit, arm, draw, inputs.error());
    ask.inputs = std::move(*inputs);
    ask.client_ref = draw;
    if (draw.empty()) ask.version = arm.version;
    const Result<serving::Prediction> answered = serving_.predict(ctx_, route_, std::move(ask));
    if (!answered.ok()) return halves(fit, arm, draw, answered.error());
    return take(fit, *answered);
  }

  Status take(const std::vector<size_t>& fit, const serving::Prediction& p) {
    for (const Tensor& t : p.outputs)
      if (t.shape.empty() || t.rows() != static_cast<int64_t>(fit.size()))
        return unsupported("record.outputs",
                           concat({"output `", t.name, "` hasn't a row for each record"}));
    for (size_t k = 0; k < fit.size(); ++k)
      batch_->answers[fit[k]] = answer_of(*batch_, fit[k], p, static_cast<int64_t>(k));
    batch_->answered += static_cast<int64_t>(fit.size());
    batch_->version = p.model_version;
    return {};
  }

  Status halves(const std::vector<size_t>& which, const serving::Arm& arm, const std::string& draw,
                const Error& error) {
    if (error.code != Code::kInvalid && error.code != Code::kInternal) return error;
    if (which.size() == 1) return blame(which.front(), arm, error);
    const auto middle = which.begin() + static_cast<std::ptrdiff_t>(which.size() / 2);
    TRY(run_on({which.begin(), middle}, arm, draw));
    return run_on({middle, which.end()}, arm, draw);
  }

  Status blame(size_t i, const serving::Arm& arm, Error error) {
    const serving::Arm& stable = route_->arms.front();
    if (&arm != &stable && stable.model) return run_on({i}, stable, "");
    const bool fails = error.code == Code::kInternal;
    batch_->failed += fails ? 1 : 0;
    if (batch_->failed >= kBlamedMax && batch_->answered == 0)
      return unavailable("score_stream.model",
                         concat({"the model fails on every record: ", error.text}));
    batch_->errors[i] = std::move(error);
    return {};
  }

  serving::Serving& serving_;
  std::shared_ptr<const serving::Route> route_;
  Batch* batch_;
  Ctx ctx_;
};

kafka::Outgoing dead_letter(const ScoreStream& stream, const kafka::Record& r, const Error& why) {
  kafka::Outgoing out;
  out.topic = stream.dead_letters;
  out.key = r.key;
  out.value = r.value;
  out.headers = {{"slipway.stream", stream.name},
                 {"slipway.reason", why.reason},
                 {"slipway.error", why.text},
                 {"slipway.topic", stream.from.topic},
                 {"slipway.partition", std::to_string(r.partition)},
                 {"slipway.offset", std::to_string(r.offset)}};
  if (out.value.size() + out.key.value_or("").size() > kOutgoingBytesMax) {
    // Brokers would take nothing of the batch. The headers say where the whole of it lies.
    out.headers.emplace_back("slipway.cut", std::to_string(out.value.size()));
    out.value.clear();
    out.key.reset();
  }
  return out;
}

}  // namespace

std::string ScoreStream::group() const {
  const auto given = from.properties.find("group.id");
  if (given != from.properties.end() && given->second.in == features::KafkaValue::In::kText)
    return given->second.text;
  return concat({"slipway.", project, ".", name});
}

Result<int64_t> Scorer::start_of(int32_t partition, features::KafkaFrom from) {
  const kafka::Range range = TRY(consumer_->range(partition));
  return from == features::KafkaFrom::kLatest ? range.end : range.first;
}

Status Scorer::open() {
  consumer_.reset();
  producer_.reset();
  kafka::ConsumerOptions options = TRY(deps_.connect(stream_.from));
  options.group = stream_.group();
  std::erase_if(options.properties, [](const auto& p) { return p.first == "group.id"; });
  producer_ = TRY(deps_.client.producer(
      {options.brokers, options.properties,
       concat({"slipway.score.", stream_.group(), ".", stream_.from.topic})}));
  // First, so that what an earlier one had open has ended before its positions are asked for.
  TRY(producer_->begin());
  auto consumer = TRY(deps_.client.consumer(options));
  consumer_ = std::move(consumer);
  const std::vector<int32_t> partitions = TRY(consumer_->partitions());
  next_ = TRY(consumer_->committed(partitions));
  // `start` is for who begins; of a partition that came later everything is read.
  const auto start = next_.empty() ? stream_.from.start : features::KafkaFrom::kEarliest;
  std::vector<kafka::Position> begun;
  for (const int32_t p : partitions) {
    if (std::ranges::find(next_, p, &kafka::Position::partition) != next_.end()) continue;
    const int64_t at = TRY(start_of(p, start));
    begun.push_back({p, at});
  }
  // Before anything is read: whoever begins anew goes on from here, not from where it ends then.
  if (!begun.empty()) TRY(producer_->publish({}, stream_.group(), stream_.from.topic, begun));
  next_.insert(next_.end(), begun.begin(), begun.end());
  looked_ms_ = deps_.clock.now_ms();
  troubled_ms_ = 0;
  return consumer_->assign(next_);
}

// What lies where nothing is any more is gone: whether that may be passed over is for the stream's
// `on_reset` to say.
Result<bool> Scorer::handle(const std::vector<kafka::Note>& notes) {
  std::vector<kafka::Position> moved;
  for (const kafka::Note& note : notes) {
    if (note.kind == kafka::Note::Kind::kEnd) continue;
    if (note.kind == kafka::Note::Kind::kGone)
      return not_found("kafka.topic", concat({"topic ", stream_.from.topic, " has no partition ",
                                              std::to_string(note.partition)}));
    if (stream_.from.on_reset == features::KafkaFrom::kStop)
      return conflict("score_stream.lost", concat({"partition ", std::to_string(note.partition),
                                                   ": what was to be read next is no more"}))
          .with_hint("`on_reset: earliest` or `latest` passes over it");
    const int64_t at = TRY(start_of(note.partition, stream_.from.on_reset));
    moved.push_back({note.partition, at});
  }
  if (moved.empty()) return false;
  TRY(producer_->publish({}, stream_.group(), stream_.from.topic, moved));
  for (const kafka::Position& to : moved)
    for (kafka::Position& p : next_)
      if (p.partition == to.partition) p = to;
  TRY(consumer_->assign(next_));
  return true;
}

Result<std::vector<kafka::Outgoing>> Scorer::answer(const std::vector<kafka::Record>& records) {
  const auto route = deps_.serving.table().load()->hold(stream_.project, stream_.deployment);
  if (!route || !route->arms.front().model)
    return unavailable("deployment.not_ready",
                       concat({"`", stream_.deployment, "` is not served"}));
  Batch batch{.stream = stream_};
  for (const kafka::Record& r : records)
    if (!r.tombstone) batch.records.push_back(&r);  // What was deleted asks for nothing.
  const size_t n = batch.records.size();
  batch.parsed.resize(n);
  batch.answers.resize(n);
  batch.errors.resize(n);
  std::vector<size_t> readable;
  for (size_t i = 0; i < n; ++i) {
    Result<Json> parsed = codec::parse_json(batch.records[i]->value);
    if (parsed.ok()) {
      batch.parsed[i] = std::move(*parsed);
      readable.push_back(i);
    } else {
      batch.errors[i] = invalid("record.json", parsed.error().text);
    }
  }
  const kafka::Record& first = records.front();
  TRY(Answering(deps_.serving, route, &batch)
          .run(readable, concat({stream_.uid, "/", std::to_string(first.partition), "/",
                                 std::to_string(first.offset)})));
  if (batch.failed > 0 && batch.answered == 0 &&
      (batch.failed > 1 || answered_version_ != route->arms.front().version))
    return unavailable("score_stream.model", "the model fails, and answers nothing");
  if (batch.answered > 0) answered_version_ = batch.version;
  std::vector<kafka::Outgoing> out;
  for (size_t i = 0; i < n; ++i) {
    if (batch.errors[i]) {
      out.push_back(dead_letter(stream_, *batch.records[i], *batch.errors[i]));
      continue;
    }
    kafka::Outgoing& one = out.emplace_back();
    one.topic = stream_.to;
    one.key = batch.records[i]->key;
    one.value = codec::to_json(batch.answers[i]);
    if (one.value.size() + one.key.value_or("").size() > kOutgoingBytesMax)
      one = dead_letter(stream_, *batch.records[i],
                        invalid("record.too_large", "its answer is larger than brokers take"));
  }
  return out;
}

Status Scorer::score_some() {
  if (!consumer_) TRY(open());
  if (deps_.clock.now_ms() - looked_ms_ > kLookMs) {
    looked_ms_ = deps_.clock.now_ms();
    const std::vector<int32_t> now = TRY(consumer_->partitions());
    if (now.size() != next_.size()) TRY(open());
  }
  const kafka::Polled polled =
      consumer_->poll({.records = static_cast<size_t>(stream_.rows_max), .wait_ms = kWaitMs});
  if (polled.records.empty() && polled.notes.empty() && !polled.trouble.empty())
    return bear(polled.trouble);
  if (TRY(handle(polled.notes))) return {};
  if (polled.records.empty()) {
    put_aside(polled);
    tell({}, 0);
    return {};
  }
  const std::vector<kafka::Outgoing> made = TRY(answer(polled.records));
  std::vector<kafka::Position> read;
  for (const kafka::Record& r : polled.records) {
    auto at = std::ranges::find(read, r.partition, &kafka::Position::partition);
    if (at == read.end()) at = read.insert(read.end(), {r.partition, 0});
    at->offset = r.offset + 1;
  }
  TRY(producer_->publish(made, stream_.group(), stream_.from.topic, read));
  for (const kafka::Position& p : read)
    *std::ranges::find(next_, p.partition, &kafka::Position::partition) = p;
  put_aside(polled);
  const auto dead = std::ranges::count_if(
      made, [&](const kafka::Outgoing& o) { return o.topic == stream_.dead_letters; });
  tell(polled.records, dead);
  return {};
}

// Offsets without records (marks of transactions) at a partition's end are read, too.
void Scorer::put_aside(const kafka::Polled& polled) {
  for (const kafka::Note& note : polled.notes) {
    if (note.kind != kafka::Note::Kind::kEnd) continue;
    for (kafka::Position& p : next_)
      if (p.partition == note.partition) p.offset = std::max(p.offset, note.offset);
  }
}

// The connection mends itself, for a while.
Status Scorer::bear(const std::string& trouble) {
  const int64_t now_ms = deps_.clock.now_ms();
  if (troubled_ms_ == 0) troubled_ms_ = now_ms;
  if (now_ms - troubled_ms_ > kTroubleMs) return unavailable("kafka.unavailable", trouble);
  status_.with([&](ScoreStatus& s) {
    s.state = "waiting";
    s.error = trouble;
  });
  return {};
}

void Scorer::tell(const std::vector<kafka::Record>& records, int64_t dead) {
  std::vector<ScoreStatus::Partition> partitions;
  for (const kafka::Position& p : next_) {
    ScoreStatus::Partition one{.partition = p.partition, .next = p.offset, .end = {}, .lag = 0};
    one.end = consumer_->known_end(p.partition);
    one.lag = one.end ? std::max<int64_t>(0, *one.end - p.offset) : 0;
    partitions.push_back(one);
  }
  const int64_t now_ms = deps_.clock.now_ms();
  status_.with([&](ScoreStatus& s) {
    s.state = "running";
    s.error.clear();
    s.partitions = std::move(partitions);
    if (records.empty()) return;
    s.records += static_cast<int64_t>(records.size());
    s.dead += dead;
    ++s.batches;
    s.last_ms = now_ms;
  });
  rest_ms_ = 0;
  troubled_ms_ = 0;
}

int64_t Scorer::step() {
  const Status done = score_some();
  if (done.ok()) return 0;
  // What was read and not published is read again.
  consumer_.reset();
  producer_.reset();
  const bool fenced = done.error().reason == "kafka.fenced";
  const bool lasting = done.error().code != Code::kUnavailable;
  const bool told = status_.with([&](ScoreStatus& s) {
    ++s.failures;
    s.state = fenced ? "elsewhere" : lasting ? "failed" : "waiting";
    return std::exchange(s.error, done.error().text) == done.error().text;
  });
  if (!told)
    deps_.notes.warn("a stream isn't scored", {{"stream", std::string_view(stream_.name)},
                                               {"reason", std::string_view(done.error().reason)},
                                               {"error", std::string_view(done.error().text)}});
  rest_ms_ = fenced ? kFencedMs : std::clamp(rest_ms_ * 2, kRestMs, kRestMaxMs);
  return rest_ms_;
}

ScoreStatus Scorer::status() const {
  return status_.with([](const ScoreStatus& s) { return s; });
}

}  // namespace slip::scoring
