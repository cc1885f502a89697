#include "features/stream_reader.h"

#include <algorithm>

#include "base/text.h"
#include "codec/hash.h"
#include "sys/clock.h"
#include "sys/log.h"

namespace slip::features {
namespace {

constexpr int64_t kLookNs = 5'000'000'000;  // For new partitions.
constexpr int64_t kLookBrokenNs = 500'000'000;
constexpr int64_t kBackoffFirstMs = 100;
constexpr int64_t kBackoffMostMs = 5'000;
constexpr int64_t kStoppedMs = 1'000;

// What no further try would change.
Error stop(std::string_view reason, std::string text) { return conflict(reason, std::move(text)); }
bool is_anothers(const Error& e) {
  return e.reason == "feature.stream_owner" || e.reason == "feature.history_owner";
}
bool stops(const Error& e) {
  // Another server's windows or topic may become ours, a file of secrets comes back.
  if (e.reason == "feature.redis_writer" || e.reason == "feature.kafka_secret" || is_anothers(e))
    return false;
  return e.code == Code::kConflict || e.code == Code::kForbidden || e.reason == "kafka.property";
}

}  // namespace

uint64_t print_of(const kafka::Record& record) {
  return codec::xxh3(record.value, static_cast<uint64_t>(record.timestamp_ms));
}

std::vector<StreamMark> marks_of_reset(std::vector<StreamMark> known, const std::string& topic,
                                       int64_t next) {
  std::vector<StreamMark> out;
  StreamMark any;
  any.topic = topic;
  any.partition = kAnyPartition;
  for (StreamMark& m : known) {
    if (m.topic != topic) continue;
    if (m.partition == kAnyPartition)
      any = std::move(m);
    else
      out.push_back(std::move(m));
  }
  out.push_back(std::move(any));
  for (StreamMark& m : out) {
    m.from = m.next;
    m.next = next;
    m.last = -1;
    m.moved = true;
  }
  return out;
}

StreamReader::StreamReader(Deps deps, Ctx ctx, std::string source, KafkaSource of)
    : deps_(std::move(deps)), ctx_(std::move(ctx)), source_(std::move(source)), of_(std::move(of)) {
  status_.with([](StreamStatus& s) { s.state = "starting"; });
}

StreamStatus StreamReader::status() const {
  return status_.with([](const StreamStatus& s) { return s; });
}

int64_t StreamReader::step() {
  const bool stopped = status_.with([](const StreamStatus& s) { return s.state == "stopped"; });
  if (stopped) return kStoppedMs;
  const Status done = advance();
  report(done);
  if (done.ok()) {
    backoff_ms_ = 0;
    return 0;
  }
  if (stops(done.error())) {
    consumer_.reset();
    return kStoppedMs;
  }
  if (is_anothers(done.error())) let_go();
  backoff_ms_ = std::clamp(backoff_ms_ * 2, kBackoffFirstMs, kBackoffMostMs);
  return backoff_ms_;
}

void StreamReader::report(const Status& status) {
  bool tell = false;
  status_.with([&](StreamStatus& s) {
    const std::string before = s.error;
    if (status.ok()) {
      s.state = broken_ ? "waiting" : "running";
      return;
    }
    s.state = stops(status.error()) ? "stopped" : "waiting";
    s.error = status.error().text;
    tell = s.error != before;
  });
  if (tell)
    deps_.notes.warn("a stream of features waits",
                     {{"source", std::string_view(source_)},
                      {"reason", std::string_view(status.error().reason)},
                      {"error", std::string_view(status.error().text)}});
}

// What is at hand is handed over first: until then nothing more is read.
Status StreamReader::advance() {
  if (at_hand()) TRY(hand_over());
  if (!consumer_) TRY(connect());
  if (!located_) {
    TRY(claimed());
    TRY(locate(TRY(consumer_->partitions())));
    looked_ns_ = deps_.clock.steady_ns();
    broken_ = false;
    return {};
  }
  const int64_t every_ns = broken_ ? kLookBrokenNs : kLookNs;
  if (deps_.clock.steady_ns() - looked_ns_ >= every_ns) TRY(look_for_partitions());
  return read();
}

// Whoever has it now reads what is at hand here.
void StreamReader::let_go() {
  consumer_.reset();
  records_.clear();
  moved_.clear();
  located_ = false;
}

Status StreamReader::connect() {
  located_ = false;
  TRY(claimed());
  consumer_ = TRY(deps_.client.consumer(TRY(deps_.options(of_))));
  return {};
}

// ---- where to go on

Status StreamReader::locate(const std::vector<int32_t>& partitions) {
  std::map<int32_t, StreamMark> known;
  for (StreamMark& m : deps_.features.history().stream_marks(ctx_.project.text, source_))
    if (m.topic == of_.topic) known[m.partition] = std::move(m);
  std::optional<StreamMark> any;
  if (auto node = known.extract(kAnyPartition); node && node.mapped().next < 0) any = node.mapped();
  const bool fresh = known.empty();  // Nothing of the topic was read before.
  std::map<int32_t, Place> places;
  std::vector<StreamMark> moved;
  for (const int32_t p : partitions) {
    Place& place = places[p];
    const kafka::Range range = TRY(consumer_->range(p));
    StreamMark& m = place.mark;
    const auto found = known.find(p);
    if (found != known.end()) {
      m = TRY(go_on(std::move(found->second), range));
      known.erase(found);
    } else {
      // A partition that came later has nothing that wasn't meant for us.
      const bool late = any ? any->next == kStreamEnd : fresh && of_.start == KafkaFrom::kLatest;
      m.topic = of_.topic;
      m.partition = p;
      m.from = m.next = late ? range.end : range.first;
      m.moved = true;
    }
    if (m.moved) moved.push_back(m);
    m.moved = false;
    place.checking = m.last >= range.first && m.last < m.next;
  }
  if (any && !partitions.empty()) {  // It is done.
    any->from = any->next;
    any->next = 0;
    any->moved = true;
    moved.push_back(*any);
  }
  std::erase_if(known, [](const auto& one) { return one.second.next < 0; });  // Given up by hand.
  if (!known.empty() && of_.on_reset == KafkaFrom::kStop)
    return stop("feature.stream_reset",
                concat({"the topic ", of_.topic, " no longer has partition ",
                        std::to_string(known.begin()->first), ": it was made anew"}));
  places_ = std::move(places);
  moved_ = std::move(moved);
  if (!moved_.empty()) TRY(hand_over());
  return assign();
}

// From where the history says, if the topic still has that.
Result<StreamMark> StreamReader::go_on(StreamMark m, const kafka::Range& range) {
  m.moved = false;
  if (m.next < 0) {  // Set by hand.
    m.next = m.next == kStreamEnd ? range.end : range.first;
    m.from = m.next;
    m.last = -1;
    m.moved = true;
    return m;
  }
  if (m.next < range.first)
    return reset(m, range, "what was to be read next was removed from the topic");
  if (m.next > range.end) return reset(m, range, "the topic ends before what was read of it");
  return m;
}

// Where the topic no longer has what the history goes on at.
Result<StreamMark> StreamReader::reset(const StreamMark& from, const kafka::Range& range,
                                       const char* why) {
  const std::string text = concat({of_.topic, "/", std::to_string(from.partition), ": ", why,
                                   ": offset ", std::to_string(from.next), ", and there are ",
                                   std::to_string(range.first), " to ", std::to_string(range.end)});
  if (of_.on_reset == KafkaFrom::kStop)
    return stop("feature.stream_reset",
                concat({text,
                        "; on_reset: earliest or latest, or `slipway feature stream reset`, "
                        "goes on"}));
  StreamMark out = from;
  out.moved = true;
  out.last = -1;
  out.next = of_.on_reset == KafkaFrom::kEarliest ? range.first : range.end;
  out.from = out.next;
  deps_.notes.warn("a stream of features goes on elsewhere",
                   {{"source", std::string_view(source_)}, {"why", std::string_view(text)}});
  status_.with([](StreamStatus& s) { ++s.resets; });
  if (deps_.on_reset) deps_.on_reset(ctx_, source_, out);
  return out;
}

Status StreamReader::assign() {
  std::vector<kafka::Position> from;
  for (const auto& [p, place] : places_)
    from.push_back({p, place.checking ? place.mark.last : place.mark.next});
  TRY(consumer_->assign(from));
  located_ = true;
  status_.with([](StreamStatus& s) {
    ++s.assignments;
    s.error.clear();
  });
  publish_places();
  return {};
}

Status StreamReader::look_for_partitions() {
  looked_ns_ = deps_.clock.steady_ns();
  TRY(claimed());
  const Result<std::vector<int32_t>> now = consumer_->partitions();
  if (!now.ok()) {
    if (now.error().code == Code::kNotFound) located_ = false;
    return now.error();
  }
  if (now->size() == places_.size()) return {};
  located_ = false;
  return locate(*now);
}

// ---- what comes

Status StreamReader::read() {
  kafka::Consumer::Limits limits;
  limits.records = static_cast<size_t>(kBatchRowsMax);
  kafka::Polled polled = consumer_->poll(limits);
  const bool came = !polled.records.empty() || !polled.notes.empty();
  if (came || !polled.trouble.empty()) broken_ = !came;
  TRY(collect(std::move(polled.records)));
  if (at_hand()) TRY(hand_over());
  TRY(take_notes(polled));
  publish_places();
  if (polled.trouble.empty()) return {};
  const bool known = status_.with(
      [&](StreamStatus& s) { return std::exchange(s.error, polled.trouble) == polled.trouble; });
  if (known) return {};
  deps_.notes.info("kafka", {{"source", std::string_view(source_)},
                             {"trouble", std::string_view(polled.trouble)}});
  return {};
}

Status StreamReader::take_notes(const kafka::Polled& polled) {
  for (const kafka::Note& n : polled.notes) {
    const auto found = places_.find(n.partition);
    switch (n.kind) {
      case kafka::Note::Kind::kEnd:
        if (found == places_.end()) break;
        found->second.read_to_end = n.offset;
        found->second.checking = false;  // Nothing is there that could be compared.
        break;
      case kafka::Note::Kind::kOutOfRange:
        located_ = false;
        return unavailable("kafka.range",
                           concat({of_.topic, "/", std::to_string(n.partition),
                                   ": nothing at offset ", std::to_string(n.offset)}));
      case kafka::Note::Kind::kGone:
        located_ = false;
        return unavailable("kafka.topic", concat({"the topic ", of_.topic, " isn't there"}));
    }
  }
  return {};
}

// Whether the message before the next one is what it was; else the topic is another one.
Status StreamReader::checked(Place* place, const kafka::Record& record) {
  place->checking = false;
  if (record.offset != place->mark.last || print_of(record) == place->mark.print) return {};
  located_ = false;
  records_.clear();  // They are read again.
  const kafka::Range range = TRY(consumer_->range(record.partition));
  moved_ = {TRY(reset(place->mark, range, "the topic was made anew"))};
  TRY(hand_over());
  return unavailable("kafka.range", concat({of_.topic, " was made anew"}));
}

Status StreamReader::collect(std::vector<kafka::Record> records) {
  std::map<int32_t, int64_t> next;
  for (kafka::Record& r : records) {
    const auto found = places_.find(r.partition);
    if (found == places_.end()) continue;
    Place& place = found->second;
    if (place.checking) TRY(checked(&place, r));
    int64_t& at = next.try_emplace(r.partition, place.mark.next).first->second;
    if (r.offset < at) continue;
    at = r.offset + 1;
    records_.push_back(std::move(r));
  }
  return {};
}

std::vector<StreamMark> StreamReader::marks_for(std::span<const kafka::Record> records) const {
  std::map<int32_t, const kafka::Record*> last;
  for (const kafka::Record& r : records) last[r.partition] = &r;
  std::vector<StreamMark> out;
  for (const auto& [p, record] : last) {
    StreamMark m = places_.at(p).mark;
    m.from = m.next;
    m.next = record->offset + 1;
    m.last = record->offset;
    m.print = print_of(*record);
    out.push_back(std::move(m));
  }
  return out;
}

// In one record, or as many as the log wants it in.
Status StreamReader::hand_over() {
  while (at_hand()) {
    Intake what;
    what.source = source_;
    what.records = std::span(records_).first(std::min(records_.size(), at_once_));
    what.marks = moved_.empty() ? marks_for(what.records) : moved_;
    TRY(claimed());
    Result<Intaken> done = deps_.features.take_in(ctx_, what);
    if (!done.ok() && done.error().reason == "log.record_too_large") {
      at_once_ = std::max<size_t>(1, what.records.size() / 2);
      if (what.records.size() > 1) continue;
      what.unfit = done.error().text;
      done = deps_.features.take_in(ctx_, what);
    }
    if (!done.ok()) return done.error();
    count(what.records, *done);
    for (StreamMark& m : what.marks) {
      if (m.partition == kAnyPartition) continue;
      m.moved = false;
      places_[m.partition].mark = std::move(m);
    }
    moved_.clear();
    records_.erase(records_.begin(),
                   records_.begin() + static_cast<std::ptrdiff_t>(what.records.size()));
  }
  at_once_ = static_cast<size_t>(kBatchRowsMax);
  return {};
}

void StreamReader::count(std::span<const kafka::Record> records, const Intaken& done) {
  int64_t bytes = 0;
  for (const kafka::Record& r : records) bytes += static_cast<int64_t>(r.value.size());
  if (!done.trouble.empty())
    deps_.notes.error(
        "rows of a stream are kept, but not all of them online",
        {{"source", std::string_view(source_)}, {"error", std::string_view(done.trouble)}});
  if (records.empty()) return;
  status_.with([&](StreamStatus& s) {
    s.messages += static_cast<int64_t>(records.size());
    s.bytes += bytes;
    s.rows += done.rows;
    s.strays += done.strays;
    s.rejected += done.rejected;
    s.warned += done.warned;
    ++s.batches;
    s.last_message_us = deps_.clock.now_us();
    s.error.clear();
  });
}

void StreamReader::publish_places() {
  std::vector<StreamStatus::Partition> out;
  for (const auto& [p, place] : places_) {
    StreamStatus::Partition& one = out.emplace_back();
    one.partition = p;
    one.next = place.mark.next;
    one.end = consumer_->known_end(p);
    // Behind the last message there may be marks of transactions, which nobody reads.
    const int64_t at = std::max(one.next, place.read_to_end.value_or(one.next));
    if (one.end) one.lag = std::max<int64_t>(0, *one.end - at);
  }
  status_.with([&](StreamStatus& s) { s.partitions = std::move(out); });
}

}  // namespace slip::features
